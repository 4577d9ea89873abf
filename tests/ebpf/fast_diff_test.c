/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fast_diff_test.c - the kernel's verdicts on PDUs against the engine's, on random sequences of
 * packets: whatever the kernel passes on by itself, an engine that sees every frame forwards as it came
 * and has nothing to tell of.  What the kernel gives to the engine is the engine's word anyway.
 *
 * The engine beside it plays the one that offers: when it holds nothing and its dissector is at rest, its
 * numbers are offered; of OPC UA (diff_opcua.h) also what it has allowed, and what comes back is
 * compared.  Arguments: seed, frames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "alerts/alert.h"
#include "dataplane/engine_int.h"
#include "ebpf/fast.h"
#include "policy/gate.h"
#include "tests/ebpf/kit.h"
#include "tests/ebpf/talk.h"
#include "tests/ebpf/diff_opcua.h"

static struct gate *gate;
static struct fast *fast;
static uint64_t seed = 77, state_of_rnd, frames_wanted = 200000;

static uint32_t
rnd(uint32_t n)
{
	state_of_rnd = state_of_rnd * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state_of_rnd >> 33) % n;
}

/* --- a policy ------------------------------------------------------------------------------------ */

static uint32_t generation;

static size_t
rules_text(char *to, size_t room, bool s7)
{
	static const char *const fns[] = {"read", "[1, 2, 3, 4, 5, 6, 15, 16]", "[3, 6, 16]"};
	size_t n = 0;

	for (unsigned i = 0, k = 1 + rnd(4); i < k; i++) {
		uint32_t lo = rnd(50),
			 len = i == 0 ? 100 : 20 + rnd(100); /* the first: what is polled */

		if (s7)
			n += (size_t)snprintf(to + n, room - n,
			    "%s{name: s%u, functions: [read, write], read: [DB1.DBB%u..%u], write: "
			    "[DB1.DBB%u..%u]%s}",
			    i ? ", " : "", i, lo, lo + len, lo, lo + len / 2,
			    i == 0 || rnd(6) ? "" : ", verdict: alert");
		else
			n += (size_t)snprintf(to + n, room - n,
			    "%s{name: m%u, units: [1], functions: %s, holding: [%u..%u], coils: "
			    "[0..%u]%s%s}",
			    i ? ", " : "", i, fns[i == 0 ? 0 : rnd(3)], lo, lo + len, len,
			    i == 0 || rnd(6) ? "" : ", verdict: alert",
			    i == 0 || rnd(8) ? "" : ", values: {30..39: 0..99}");
	}
	return n;
}

/* NULL: it contradicts itself. */
static struct policy *
random_policy(void)
{
	static const char head[] =
	    "interlock: 1\nsite: t\nmode: enforce\nzones:\n"
	    "  a: {nets: [10.0.0.0/24], port: outside}\n  b: {nets: [10.0.1.0/24], port: inside}\n"
	    "devices:\n  hmi: {zone: a, ip: 10.0.0.1}\n  plc: {zone: b, ip: 10.0.1.1}\n"
	    "  cpu: {zone: b, ip: 10.0.1.2}\n  opc: {zone: b, ip: 10.0.1.3}\nconduits:\n";
	char modbus[2048], s7[2048], opcua[2048], text[8192];
	struct complaints c = {0};
	struct policy *p;

	(void)rules_text(modbus, sizeof(modbus), false);
	(void)rules_text(s7, sizeof(s7), true);
	(void)ua_rules(opcua, sizeof(opcua));
	(void)snprintf(text, sizeof(text),
	    "%s - {name: c0, from: [hmi], to: [plc], otherwise: %s, modbus: {addressing: "
	    "zero-based, %s"
	    "allow: [%s]}}\n - {name: c1, from: [hmi], to: [cpu], s7: {%sallow: [%s]}}\n"
	    " - {name: c2, from: [hmi], to: [opc], otherwise: %s, opcua: {%s}}\n",
	    head, rnd(2) ? "drop" : "reject", rnd(3) ? "" : "limits: {pending: 4, over: drop}, ",
	    modbus, rnd(3) ? "" : "limits: {pending: 4, items: 1, over: drop}, ", s7,
	    rnd(2) ? "drop" : "reject", opcua);
	p = policy_build_text("t.yaml", text, strlen(text), &c);
	complaints_fini(&c);
	return p;
}

/* --- the engine that sees everything --------------------------------------------------------------- */

static struct engine *engine;
static uint64_t clock_ns = 1700000000000000000u;
static struct {
	unsigned events, pdus, asked;
	bool strange;	  /* a fact had anomalies */
	struct verdict v; /* of the last */
} told;

static void
on_event(void *ctx, const struct event *ev)
{
	(void)ctx;
	(void)ev;
	told.events++;
}

static void
on_fact(void *ctx, const struct engine_pdu *pdu)
{
	const struct fact *f = pdu->fact;

	(void)ctx;
	told.pdus++;
	told.v = *pdu->verdict;
	told.strange |= f->anomalies != 0;
	told.asked += f->kind == FACT_REQUEST && pdu->verdict->action < VERDICT_REJECT;
}

/* --- a conversation ---------------------------------------------------------------------------------- */

#define HISTORY 8u
#define WAITING 6u

static struct {
	struct talk_ends ends;
	struct kflow_key key;
	unsigned conduit;
	bool s7, ua, ts;
	bool taken; /* the kernel has passed something of it */
	struct flow *flow;
	uint16_t txn, port;
	uint32_t tsval[2];
	uint8_t asked[WAITING][300]; /* requests without an answer, the oldest first */
	unsigned n_asked;
	uint8_t pay[HISTORY][TALK_UA_MAX];
	struct talk_seg past[HISTORY];
	unsigned n_past;
} talk;

/* usual: segments of plain polling, in order and one PDU at most; begun: before the kernel had passed
 * any of its connection, which the engine has to open and offer first. */
static struct {
	uint64_t frames, kernel, offers, conversations, odd;
	struct {
		uint64_t usual, kernel, begun;
	} of[KFLOW__PROTOS];
} tally;

static unsigned
proto_now(void)
{
	return talk.ua ? KFLOW_OPCUA : talk.s7 ? KFLOW_S7 : KFLOW_MODBUS;
}

/* Did the kernel pass it on? */
static bool
kernel_passes(const uint8_t *frame, size_t n, unsigned port)
{
	struct fast_counter was, is;

	assert_int_equal(fast_share(fast, talk.conduit, &was), 0);
	if (!kit_passes(gate, port, frame, n, 1, NULL))
		return false;
	assert_int_equal(fast_share(fast, talk.conduit, &is), 0);
	return is.packets != was.packets;
}

static void
dump(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)printf("%02x%s", p[i], i % 32 == 31 ? "\n" : "");
	(void)printf("\n");
}

static struct flow *
flow_now(const struct pkt *k)
{
	struct flow_key key;
	struct layers l;

	if (decode(k, &l) != DROP_NONE || !(l.flags & LAYER_L4))
		return talk.flow;
	flow_key_make(&engine->flows, &l, &key);
	return flow_lookup(&engine->flows, &key);
}

/* Through the kernel and through the engine.  usual: the kind of frame that plain polling is made of. */
static void
send_seg(struct talk_seg s, bool usual)
{
	uint8_t frame[TALK_FRAME];
	struct pkt k = {
	    .link = LINK_ETHERNET, .port = (uint8_t)s.dir, .ts_ns = clock_ns += 1000000};
	unsigned events = told.events, asked = told.asked, pdus = told.pdus;
	struct kflow e;
	bool kernel;

	if (talk.ts && s.n_options == 0) {
		s.ts = true;
		s.tsval = s.tsval ? s.tsval : (talk.tsval[s.dir] += rnd(3));
	}
	k.caplen = k.wirelen = (uint32_t)talk_frame(frame, &talk.ends, &s);
	k.bytes = frame;
	k.frame = ++tally.frames;
	kernel = kernel_passes(frame, k.caplen, s.dir);
	told.strange = false;
	engine_burst(engine, &k, 1);
	tally.kernel += kernel;
	talk.taken |= kernel;
	tally.of[proto_now()].usual += usual;
	tally.of[proto_now()].kernel += usual && kernel;
	tally.of[proto_now()].begun += usual && !talk.taken;
	tally.odd += !usual;
	if (kernel && (k.fate != FATE_FORWARD || k.bytes != frame || told.events != events)) {
		dump(frame, k.caplen);
		fail_msg("seed %ju, frame %ju: the kernel passes it, the engine: fate %u (%s)%s",
		    (uintmax_t)seed, (uintmax_t)tally.frames, k.fate, drop_name(k.reason),
		    told.events != events ? ", and tells of it" : "");
	}
	talk.flow = flow_now(&k);
	if (talk.ua) {
		ua_judged(engine, talk.flow, fast, s.dir, s.pay, s.len, told.pdus - pdus, &told.v,
		    told.strange || told.events != events);
		if (kernel && s.len &&
		    (fast_read(fast, &talk.key, &e) < 0 || !ua_stands(engine, talk.flow, &e))) {
			dump(frame, k.caplen);
			fail_msg(
			    "seed %ju, frame %ju: what the kernel gives back is not the engine's",
			    (uintmax_t)seed, (uintmax_t)tally.frames);
		}
	}
	/* who is asked answers: what this test thinks that it asked, and what the engine let by */
	if (told.asked != asked && talk.n_asked < WAITING && s.dir == 0 &&
	    s.len <= sizeof(talk.asked[0]))
		memcpy(talk.asked[talk.n_asked++], s.pay, s.len);
	if (s.len <= sizeof(talk.pay[0])) {
		unsigned at = talk.n_past++ % HISTORY;

		if (s.len)
			memmove(talk.pay[at], s.pay, s.len);
		s.pay = talk.pay[at];
		talk.past[at] = s;
	}
}

static void
offer(void)
{
	struct flow *f = talk.flow;
	struct kflow_offer o = {.generation = generation};
	struct kflow e;

	if (!f || f->state != FLOW_OPEN || f->dis >= n_dissectors || f->variant != 0 ||
	    guard_of(engine, f)->repair != CELL_NONE ||
	    (guard_of(engine, f)->flags & ~(GUARD_TS | GUARD_NOT_FAST)) != 0 ||
	    !dissectors[f->dis]->at_rest ||
	    !dissectors[f->dis]->at_rest(feed_state(engine, f), f->variant) ||
	    (guard_of(engine, f)->flags & GUARD_TS && guard_of(engine, f)->ts_known != 3) ||
	    fast_read(fast, &talk.key, &e) < 0 || e.owner == KFLOW_KERNEL)
		return;
	if (talk.ua && !ua_lend(engine, f, &o))
		return;
	for (unsigned i = 0; i < 2; i++) {
		const struct tcp_dir *d = &f->dir[i], *b = &f->dir[i ^ 1];
		const struct tcp_rare *r = tcp_rare(d);

		if (d->flags != DIR_SEEN || (r->ooo | r->carry | d->retain) != CELL_NONE ||
		    d->nxt != d->acked || guard_of(engine, f)->sent[i] != d->nxt)
			return;
		o.next[i] = o.acked[i] = d->nxt;
		o.edge[i] = d->acked + ((uint32_t)b->win << tcp_rare(b)->wscale);
		o.win[i] = d->win;
		o.wscale[i] = r->wscale;
		o.ts[i] = guard_of(engine, f)->ts[i];
	}
	o.has_ts = guard_of(engine, f)->flags & GUARD_TS ? 3 : 0;
	o.seen = e.up;
	fast_offer(fast, 5, &o);
	tally.offers++;
}

static struct talk_seg
next_seg(unsigned dir, const uint8_t *p, uint32_t n)
{
	const struct flow *f = talk.flow;

	return (struct talk_seg){.dir = dir,
	    .seq = f->dir[dir].nxt,
	    .ack = f->dir[dir ^ 1].nxt,
	    .win = 64000,
	    .pay = p,
	    .len = n};
}

/* Hello, channel: mode None, or Sign. */
static void
ua_open(void)
{
	uint8_t p[TALK_UA_MAX];

	memset(&ua.say, 0, sizeof(ua.say));
	memset(ua.known, 0, sizeof(ua.known));
	ua.say.channel = DIFF_CHANNEL;
	ua.say.seq[0] = rnd(50);
	ua.say.seq[1] = rnd(20) ? rnd(50) : 0xfffffff0u; /* soon at the end */
	ua.say.sig = rnd(2) * 32;
	for (unsigned i = 0; i < 4 && talk.flow; i++) {
		unsigned dir = i & 1;
		uint32_t n = i < 2 ? talk_ua_hello(p, dir) : talk_ua_open(&ua.say, p, dir);

		send_seg(next_seg(dir, p, n), false);
	}
}

static void
begin(void)
{
	struct fast_new new = {.slot = 5};
	struct talk_seg s;
	bool lo;

	(void)fast_drop(fast, &talk.key);
	talk.conduit = rnd(4) ? rnd(2) : 2;
	talk.s7 = talk.conduit == 1;
	talk.ua = talk.conduit == 2;
	talk.ts = rnd(2);
	talk.taken = false;
	talk.n_asked = talk.n_past = 0;
	talk.ends = (struct talk_ends){.client = {10, 0, 0, 1},
	    .server = {10, 0, 1, (uint8_t)(talk.conduit + 1)},
	    .client_port = (uint16_t)(20000 + talk.port++ % 40000),
	    .server_port = talk.ua   ? 4840
			   : talk.s7 ? 102
				     : 502,
	    .client_mac = {2, 0, 0, 0, 0, 1},
	    .server_mac = {2, 0, 0, 0, 0, 2}};
	talk_key(&talk.ends, 0, &talk.key, &lo);
	talk.tsval[0] = rnd(1000) + 1;
	talk.tsval[1] = rnd(1000) + 1;
	s = (struct talk_seg){
	    .seq = rnd(2) ? 0xffffff00u : rnd(1u << 30), .flags = 2, .win = 64000};
	send_seg(s, false);
	s = (struct talk_seg){
	    .dir = 1, .seq = rnd(1u << 30), .ack = s.seq + 1, .flags = 0x12, .win = 64000};
	send_seg(s, false);
	s = (struct talk_seg){.dir = 0, .seq = s.ack, .ack = s.seq + 1, .win = 64000};
	send_seg(s, false);
	assert_non_null(talk.flow);
	assert_int_equal(talk.flow->state, FLOW_OPEN);
	new.conduit = talk.conduit;
	new.proto = (uint8_t)proto_now();
	new.client_lo = lo;
	assert_int_equal(fast_put(fast, &talk.key, &new), 0);
	tally.conversations++;
	if (talk.ua)
		ua_open();
}

static uint32_t
some_request(uint8_t *p, bool wild)
{
	static const uint8_t fcs[] = {3, 3, 3, 1, 2, 4, 5, 6, 15, 16, 23, 43, 99};
	uint8_t fc = fcs[wild ? rnd(13) : rnd(4)];
	uint16_t addr = (uint16_t)(wild ? rnd(200) : 60 + rnd(10)),
		 n = (uint16_t)(1 + rnd(wild ? 30 : 8));

	talk.txn++;
	if (talk.ua) {
		(void)ua_sync(engine, talk.flow);
		return wild ? ua_wild(p) : ua_poll(p);
	}
	if (talk.s7)
		return talk_s7(
		    p, talk.txn, wild && rnd(2) ? 5 : 4, wild && rnd(4) == 0 ? 2 : 1, addr, n);
	return talk_modbus(p, talk.txn, wild && rnd(6) == 0 ? 2 : 1, fc, addr,
	    fc == 5 ? (uint16_t)(rnd(2) * 0xff00) : n);
}

static uint32_t
some_answer(uint8_t *p, const uint8_t *q, bool wild)
{
	uint8_t other[300];
	uint32_t n;

	memcpy(other, q, sizeof(other));
	if (wild && rnd(3) == 0) /* whole, but to a request for another number */
		other[talk.s7 ? 24 : 11] = (uint8_t)(1 + rnd(12));
	n = talk.s7 ? talk_s7_answer(p, other) : talk_modbus_answer(p, other);
	if (wild && memcmp(other, q, sizeof(other)) != 0)
		return n;
	if (wild && !talk.s7 && rnd(3) == 0) { /* an exception */
		p[7] |= 0x80;
		p[8] = (uint8_t)(1 + rnd(14));
		p[5] = 3;
		return 9;
	}
	if (wild)
		p[rnd(n)] ^= (uint8_t)(1u << rnd(8));
	return n;
}

static void
forget_oldest(void)
{
	talk.n_asked--;
	memmove(talk.asked[0], talk.asked[1], sizeof(talk.asked[0]) * talk.n_asked);
}

/* A client of OPC UA waits for several answers, most of them to Publish. */
static void
usual_ua(void)
{
	struct dis_lent l = ua_sync(engine, talk.flow);
	uint8_t p[TALK_UA_MAX];

	if (rnd(5) == 0) {
		send_seg(next_seg(rnd(2), NULL, 0), true);
	} else if (l.n_open < 2 || (l.n_open < 7 && rnd(2))) {
		send_seg(next_seg(0, p, ua_poll(p)), true);
		if (talk.flow && rnd(2))
			send_seg(next_seg(1, NULL, 0), true);
	} else {
		send_seg(next_seg(1, p, ua_tell(&l, p, false)), true);
		if (talk.flow && rnd(4) != 0)
			send_seg(next_seg(0, NULL, 0), true);
	}
}

/* What plain polling is made of. */
static void
usual(void)
{
	uint8_t p[300], q[300];
	uint32_t n;

	if (talk.ua) {
		usual_ua();
		return;
	}
	if (talk.n_asked == 0 || (talk.n_asked < 3 && rnd(8) == 0)) {
		n = some_request(q, false);
		send_seg(next_seg(0, q, n), true);
	} else if (rnd(5) == 0) {
		send_seg(next_seg(rnd(2), NULL, 0), true);
	} else {
		n = some_answer(p, talk.asked[0], false);
		forget_oldest();
		send_seg(next_seg(1, p, n), true);
		if (rnd(4) != 0)
			send_seg(next_seg(0, NULL, 0), true);
	}
}

/* Another token, asked and granted; both use it from here on. */
static void
ua_renew(void)
{
	uint8_t p[TALK_UA_MAX];

	for (unsigned dir = 0; dir < 2 && talk.flow; dir++) {
		(void)ua_sync(engine, talk.flow);
		send_seg(next_seg(dir, p, talk_ua_open(&ua.say, p, dir)), false);
	}
}

/* And what it is not. */
static void
unusual(void)
{
	static const uint8_t flags[] = {0x11, 0x04, 0x02, 0x30, 0x18, 0x08, 0x52, 0x12};
	uint8_t p[2 * TALK_UA_MAX];
	unsigned dir = rnd(2);
	uint32_t n = some_request(p, true);
	struct talk_seg s;

	/* A server that grants what nobody asked for, and then goes on as if it had not: on a signed
	 * channel the engine would wait for the other token ever after. */
	if (talk.ua && ua.quiet && memcmp(p, "OPN", 3) == 0) {
		ua_renew();
		return;
	}
	if (talk.ua && dir && rnd(2)) {
		struct dis_lent l = ua_sync(engine, talk.flow);
		uint32_t k = ua_tell(&l, p, true);

		n = k ? k : n;
	} else if (!talk.ua && dir && talk.n_asked && rnd(2))
		n = some_answer(p, talk.asked[rnd(talk.n_asked)], true);
	s = next_seg(dir, p, n);
	switch (rnd(16)) {
	case 0: /* again, as it was; or not quite */
	case 1:
	case 2:
		s = talk.past[rnd(talk.n_past < HISTORY ? talk.n_past : HISTORY)];
		if (rnd(3) == 0) {
			s.ack = next_seg(s.dir, NULL, 0).ack;
			s.tsval = 0;
		}
		if (s.len && rnd(3) == 0) {
			memcpy(p, s.pay, s.len);
			p[rnd(s.len)] ^= (uint8_t)(1u << rnd(8));
			s.pay = p;
		}
		break;
	case 3:
		s.seq -= 1 + rnd(30);
		break;
	case 4:
		s.seq += 1 + rnd(30);
		break;
	case 5:
		s.ack += rnd(3) ? 1 + rnd(40) : rnd(1u << 31);
		break;
	case 6:
		s.ack -= 1 + rnd(40);
		break;
	case 7:
		s.win = (uint16_t)rnd(30);
		s.len = rnd(2) ? s.len : 0;
		break;
	case 8:
		s.flags = flags[rnd(8)];
		break;
	case 9:
		s.n_options = (uint8_t)(4 * rnd(10));
		for (unsigned i = 0; i < s.n_options; i++)
			s.options[i] = rnd(3) ? 1 : (uint8_t)rnd(12);
		break;
	case 10:
		s.bad_tcp_sum = rnd(2);
		s.bad_ip_sum = !s.bad_tcp_sum;
		break;
	case 11: /* half of it, and perhaps the other half later */
		s.len = 1 + rnd(s.len);
		break;
	case 12: /* two of them */
		s.len += some_request(p + s.len, rnd(2));
		s.len = s.len > 1400 ? 1400 : s.len;
		break;
	case 13:
		for (unsigned i = 0; i < 4; i++)
			p[rnd(s.len)] = (uint8_t)rnd(256);
		break;
	case 14:
		s.len = 0;
		s.seq -= rnd(3);
		break;
	default: /* as it is: not allowed, or of a kind that is not the kernel's */
		break;
	}
	send_seg(s, false);
}

/* Nothing goes on: a PDU was denied, a hole stays, or it has ended. */
static bool
stuck(void)
{
	const struct flow *f = talk.flow;

	return !f || f->state != FLOW_OPEN || (f->dir[0].flags | f->dir[1].flags) & ~DIR_SEEN ||
	       guard_of(engine, f)->repair != CELL_NONE;
}

/* per_mille: unusual frames among the others; length: frames of a conversation. */
static void
sequences(uint64_t frames, unsigned per_mille, unsigned length)
{
	const uint64_t until = tally.frames + frames;

	while (tally.frames < until) {
		const struct engine_conf conf = {.memory_bytes = 8u << 20,
		    .seed = 5,
		    .inline_mode = true,
		    .on_fact = on_fact,
		    .on_event = on_event};
		struct engine_conf c = conf;
		struct policy *p = random_policy();
		char err[256] = "";

		if (!p)
			continue;
		c.policy = p;
		engine = engine_new(&c);
		assert_non_null(engine);
		if (gate_set_policy(gate, policy_gate(p), ++generation, err, sizeof(err)) < 0)
			fail_msg("%s", err);
		for (unsigned i = 0; i < 20 && tally.frames < until; i++) {
			begin();
			for (unsigned k = 0, odd = 0; k < length && talk.flow; k++) {
				if (rnd(1000) < per_mille)
					unusual();
				else
					usual();
				odd = stuck() ? odd + 1 : 0;
				if (!talk.flow || odd > 4)
					break;
				if (rnd(4) != 0)
					offer();
			}
		}
		assert_true(engine_balanced(engine_stats(engine)));
		engine_free(engine);
		policy_free(p);
	}
}

static void
show_reasons(void)
{
	static struct fast_count was[FAST_COUNT_MAX];
	struct fast_count now[FAST_COUNT_MAX];
	unsigned n = fast_counts(fast, now, FAST_COUNT_MAX);

	for (unsigned i = 0; i < n; i++) {
		uint64_t k =
		    now[i].packets[0] + now[i].packets[1] - was[i].packets[0] - was[i].packets[1];

		if (k)
			print_message("# %9ju %s\n", (uintmax_t)k, now[i].reason);
	}
	memcpy(was, now, sizeof(was));
}

static void
agrees(void **state)
{
	static const char *const names[KFLOW__PROTOS] = {"modbus", "s7", "opcua"};

	(void)state;
	state_of_rnd = seed;
	sequences(frames_wanted * 3 / 4, 60, 400);
	print_message(
	    "# seed %ju: %ju frames of %ju connections, %ju of them odd: %ju passed by the "
	    "kernel, all of them by the engine as well\n",
	    (uintmax_t)seed, (uintmax_t)tally.frames, (uintmax_t)tally.conversations,
	    (uintmax_t)tally.odd, (uintmax_t)tally.kernel);
	show_reasons();
	assert_true(tally.kernel > tally.frames / 5);
	assert_true(tally.odd > tally.frames / 30);
	memset(&tally, 0, sizeof(tally));
	ua.quiet = true;
	/* one frame in a thousand is odd; a conversation is some minutes of polling */
	sequences(frames_wanted / 4, 1, 1200);
	for (unsigned i = 0; i < KFLOW__PROTOS; i++) {
		double share = (double)tally.of[i].kernel / (double)tally.of[i].usual;

		print_message("# polling %s: %ju of %ju segments in order decided in the kernel: "
			      "%.2f %%; of the others %ju before its first offer\n",
		    names[i], (uintmax_t)tally.of[i].kernel, (uintmax_t)tally.of[i].usual,
		    100 * share, (uintmax_t)tally.of[i].begun);
		assert_true(tally.of[i].usual > frames_wanted / 50);
		assert_true(share > 0.95);
	}
	print_message(
	    "# OPC UA: what would come back compared %ju times\n", (uintmax_t)ua.compared);
	assert_true(ua.compared > frames_wanted / 50);
	show_reasons();
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(agrees)};
	int r = kit_fast_begin(&gate, &fast);

	if (r != 0)
		return r;
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	if (seed == 0)
		seed = (uint64_t)time(NULL);
	if (argc > 2)
		frames_wanted = strtoull(argv[2], NULL, 0);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	kit_fast_end(gate, fast);
	return r;
}
