/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fast_pcap_test.c - recorded conversations through the kernel and through an engine that sees all of
 * it: whatever the kernel passes on by itself, the engine forwards as it came and has nothing to tell of.
 *
 * The engine offers a connection whenever it is at rest, by the guard's own hand (guard/fast.h).  How much the
 * kernel decides is counted per protocol: of what policy/kernel.h calls eligible, requests and answers
 * in segments of their own.  A capture is a few seconds, and each connection begins with the engine, so
 * this is less than in a plant; tests/ebpf/fast_diff_test.c has long conversations.
 *
 * Arguments: captures, instead of those in pcaps/ and in the corpus ($CORPUS, or ../shared/corpus).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alerts/alert.h"
#include "base/err.h"
#include "dataplane/engine_int.h"
#include "dataplane/io/io.h"
#include "ebpf/fast.h"
#include "guard/fast.h"
#include "policy/gate.h"
#include "policy/kernel.h"
#include "policy/table.h"
#include "tests/ebpf/kit.h"
#include "tests/ebpf/talk.h"

#define FRAMES_MAX 20000u /* of a capture */

static struct gate *gate;
static struct fast *fast;
static const struct fast_path *path;
static struct policy *policy;
static const struct policy *in_force;
static uint32_t generation;
static char **files;
static struct engine *engine;

static struct {
	unsigned events, facts;
	bool eligible, odd, whole;
	struct verdict v;	/* of the last fact */
	const struct layers *l; /* of the frame at hand */
	const struct pkt *k;
} told;

/* A connection that has an entry: slots are numbers of flows. */
static struct {
	struct net_tuple t;
	bool used;
	struct fast_known
	    known[FAST_KNOWN]; /* what the engine has allowed of it, where that counts */
	unsigned next;
} slots[KFLOW_MAX];

static struct {
	uint64_t frames, kernel, files;
	struct {
		uint64_t eligible, decided;
	} of[KFLOW__PROTOS];
} sum;

/* narrow: only some of it, the engine tells of the rest. */
static void
put_policy(bool narrow)
{
	static const char *const rules[2] = {
	    "    modbus: {addressing: zero-based, allow: [{name: m, units: all, functions: "
	    "[1, 2, 3, 4, 5, 6, 15, 16], holding: all, coils: all, input: all, discrete: all}]}\n"
	    "    s7: {allow: [{name: s, functions: [setup, read, write], read: all, write: "
	    "all}]}\n"
	    "    opcua: {encrypted: drop, allow: [{name: u, services: [session, discovery, read, "
	    "write, browse, subscribe, call], nodes: [\"*\"]}]}\n",
	    "    modbus: {addressing: zero-based, allow: [{name: m, units: all, functions: "
	    "[1, 2, 3, 4, 6], holding: [0..60, 100..110], coils: [0..20], input: all, discrete: "
	    "[0..9]}]}\n"
	    "    s7: {allow: [{name: s, functions: [setup, read], read: [DB1, M]}]}\n"
	    "    opcua: {encrypted: drop, allow: [{name: u, services: [session, discovery, Read, "
	    "subscribe], nodes: [\"i=*\", \"ns=2;s=Line*\"]}]}\n"};
	char text[4096];
	struct policy *old = policy;
	struct complaints c = {0};
	char err[256] = "";

	(void)snprintf(text, sizeof(text),
	    "interlock: 1\nsite: t\nmode: enforce\nconditions: {midstream: resync}\nzones:\n"
	    "  all: {nets: [0.0.0.0/0, \"::/0\"]}\ndevices: {}\nconduits:\n  - name: c\n"
	    "    from: [all/*]\n    to: [all/*]\n    otherwise: %s\n%s",
	    narrow ? "alert" : "drop", rules[narrow]);
	policy = policy_build_text("t.yaml", text, strlen(text), &c);
	if (!policy)
		complaints_print(&c, stdout);
	complaints_fini(&c);
	assert_non_null(policy);
	in_force = policy;
	generation = policy_generation(policy);
	if (gate_set_policy(gate, policy_gate(policy), generation, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	assert_null(gate_not_fast(gate));
	policy_free(old);
}

/* --- the engine that sees everything --------------------------------------------------------- */

static void
on_event(void *ctx, const struct event *ev)
{
	(void)ctx;
	(void)ev;
	told.events++;
}

static void
on_fact(void *ctx, const struct engine_pdu *p)
{
	const struct fact *f = p->fact;
	struct net_tuple t = f->dir == DIR_TO_CLIENT ? net_tuple_reverse(p->tuple) : *p->tuple;
	/* answers: as if their request was the kernel's */
	struct kernel_segment s = {.tcp = t.proto == NET_PROTO_TCP, .paired = true};
	struct policy_bind bind;
	int32_t len;

	(void)ctx;
	told.facts++;
	told.odd |= f->anomalies != 0;
	told.v = *p->verdict;
	if (f->proto >= n_dissectors)
		return;
	len = dissectors[f->proto]->frame(
	    cur_make(told.k->bytes + told.l->pay_off, told.l->pay_len), (enum dis_dir)f->dir, 0);
	s.plain = len != FRAME_BAD && len != FRAME_OTHER;
	s.whole = len > 0 && (uint32_t)len == told.l->pay_len;
	told.whole = s.whole;
	(void)policy_bind(policy, &t, &bind);
	told.eligible = policy_kernel_eligible(policy, &bind, f, p->verdict, &s) == KERNEL_YES;
}

static unsigned
proto_of(const struct flow *f)
{
	return f->dis < n_dissectors ? gate_fast_proto(dissectors[f->dis]->name)
				     : (unsigned)GATE__PROTOS;
}

static void
forget(uint32_t slot)
{
	if (slots[slot].used)
		path->ops->drop(path->ctx, slot, &slots[slot].t);
	memset(&slots[slot], 0, sizeof(slots[slot]));
}

/* What the engine's word on the segment at hand makes known. */
static void
note(struct flow *f)
{
	const struct dissector *d = f->dis < n_dissectors ? dissectors[f->dis] : NULL;
	uint32_t slot = flow_index(&engine->flows, f);
	int32_t n = DIS_ALIKE_NONE;
	uint8_t out[FAST_ALIKE];
	struct fast_known new;

	if (!d || !d->alike || told.facts == 0)
		return;
	if (told.facts == 1 && told.whole && !told.odd && told.v.action < VERDICT_REJECT)
		n = d->alike(feed_state(engine, f), engine->call.dir,
		    cur_make(told.k->bytes + told.l->pay_off, told.l->pay_len), out, sizeof(out));
	if (n < 0)
		memset(slots[slot].known, 0, sizeof(slots[slot].known));
	if (n <= 0 || told.v.action != VERDICT_ALLOW || told.v.would != VERDICT_ALLOW ||
	    told.v.reason != REASON_RULE)
		return;
	new = (struct fast_known){
	    path->ops->hash(path->ctx, out, (uint32_t)n), (uint16_t)n, (uint16_t)told.v.rule};
	for (unsigned i = 0; i < FAST_KNOWN; i++)
		if (slots[slot].known[i].hash == new.hash && slots[slot].known[i].len == new.len)
			return;
	slots[slot].known[slots[slot].next++ % FAST_KNOWN] = new;
}

/* At rest: an entry, if there is none, and an offer. */
static void
offer(struct flow *f)
{
	uint32_t slot = flow_index(&engine->flows, f);
	struct fast_offer o = {.generation = generation};
	struct fast_flow k;
	struct net_tuple t;

	if (f->state != FLOW_OPEN || proto_of(f) == GATE__PROTOS ||
	    !(f->bind.flags & BIND_PORT_OK) || guard_of(engine, f)->repair != CELL_NONE ||
	    guard_of(engine, f)->flags & ~(GUARD_TS | GUARD_NOT_FAST) ||
	    !dissectors[f->dis]->at_rest(feed_state(engine, f), f->variant))
		return;
	for (unsigned i = 0; i < 2; i++) {
		const struct tcp_dir *d = &f->dir[i];

		if (d->flags != DIR_SEEN || (tcp_rare(d)->ooo | tcp_rare(d)->carry) != CELL_NONE ||
		    guard_of(engine, f)->n_part[i] != 0 || guard_of(engine, f)->sent[i] != d->nxt)
			return;
		o.way[i].next = d->nxt;
		o.way[i].acked = d->acked;
		o.way[i].win = d->win;
		o.way[i].wscale = f->flags & FLOW_MIDSTREAM ? 14 : tcp_rare(d)->wscale;
		o.way[i].ts =
		    guard_of(engine, f)->ts_known >> i & 1 ? guard_of(engine, f)->ts[i] : 0;
	}
	flow_tuple(&engine->flows, f, true, &t);
	if (slots[slot].used && memcmp(&slots[slot].t, &t, sizeof(t)) != 0)
		forget(slot);
	if (dissectors[f->dis]->lend) {
		dissectors[f->dis]->lend(feed_state(engine, f), &o.lent);
		memcpy(o.known, slots[slot].known, sizeof(o.known));
	}
	if (!slots[slot].used) {
		slots[slot].used =
		    path->ops->create(path->ctx, slot, &t, 0, dissectors[f->dis]->name);
		slots[slot].t = t;
	}
	if (!path->ops->read(path->ctx, slot, &t, &k) || k.theirs)
		return;
	o.seen = k.up;
	path->ops->offer(path->ctx, slot, &o);
}

/* --- a capture ----------------------------------------------------------------------------------- */

static bool
kernel_passes(const struct pkt *k)
{
	struct fast_counter was, is;

	assert_int_equal(fast_share(fast, 0, &was), 0);
	(void)kit_passes(gate, k->port, k->bytes, k->caplen, 1, NULL);
	assert_int_equal(fast_share(fast, 0, &is), 0);
	return is.packets != was.packets;
}

/* Checksums as on the wire, of IPv4 right behind Ethernet: many were captured before the card had
 * written them. */
static void
repair_sums(uint8_t *p, uint32_t n)
{
	uint8_t *ip = p + 14, *tcp;
	uint32_t ihl, len;

	if (n < 54 || p[12] != 8 || p[13] != 0 || ip[0] >> 4 != 4 || ip[9] != 6)
		return;
	ihl = (ip[0] & 15u) * 4;
	len = (uint32_t)ip[2] << 8 | ip[3];
	if (ihl < 20 || len < ihl + 20 || len > n - 14 || (ip[6] & 0x3f) | ip[7])
		return;
	tcp = ip + ihl;
	talk_be(ip + 10, 0, 2);
	talk_be(ip + 10, talk_fold(talk_sum(0, ip, ihl)), 2);
	talk_be(tcp + 16, 0, 2);
	talk_be(
	    tcp + 16, talk_fold(talk_sum(talk_sum(6 + len - ihl, ip + 12, 8), tcp, len - ihl)), 2);
}

static void
frame(const char *file, struct pkt *k)
{
	static uint8_t copy[1514];
	const uint8_t *bytes = copy;
	struct flow *f = NULL;
	struct layers l;
	struct flow_key key;
	bool kernel, plain;

	memcpy(copy, k->bytes, k->caplen);
	repair_sums(copy, k->caplen);
	k->bytes = copy;
	plain = decode(k, &l) == DROP_NONE && l.flags & LAYER_L4 && l.proto == NET_PROTO_TCP;
	k->port = plain && l.sport < l.dport; /* servers are inside, and have the lower port */
	kernel = kernel_passes(k);
	told.l = &l;
	told.k = k;
	told.events = told.facts = 0;
	told.eligible = told.odd = told.whole = false;
	engine_burst(engine, k, 1);
	sum.frames++;
	sum.kernel += kernel;
	if (kernel && (k->fate != FATE_FORWARD || k->bytes != bytes || told.events != 0))
		fail_msg("%s: frame %ju: the kernel passes it, the engine: fate %u (%s)%s", file,
		    (uintmax_t)k->frame, k->fate, drop_name(k->reason),
		    told.events ? ", and tells of it" : "");
	if (plain) {
		flow_key_make(&engine->flows, &l, &key);
		f = flow_lookup(&engine->flows, &key);
	}
	if (!f)
		return;
	if (told.facts == 1 && told.eligible && proto_of(f) != GATE__PROTOS) {
		sum.of[proto_of(f)].eligible++;
		sum.of[proto_of(f)].decided += kernel;
	}
	note(f);
	offer(f);
}

static void
play(const char *file)
{
	struct engine_conf conf = {.memory_bytes = 16u << 20,
	    .seed = 5,
	    .inline_mode = true,
	    .policy = policy,
	    .on_fact = on_fact,
	    .on_event = on_event};
	struct pkt burst[PKT_BURST];
	char err[256] = "";
	struct io *io;
	int n = 0;
	unsigned at = 0;

	if (io_open(&io, file, NULL, err, sizeof(err)) < 0)
		return; /* not one that libpcap reads */
	engine = engine_new(&conf);
	assert_non_null(engine);
	assert_true(engine->flows.max <= KFLOW_MAX);
	while (at < FRAMES_MAX && (n = io->be->rx(io, burst, PKT_BURST)) > 0) {
		for (int i = 0; i < n; i++, at++)
			if (burst[i].link == LINK_ETHERNET && burst[i].caplen == burst[i].wirelen &&
			    burst[i].caplen >= 14 && burst[i].caplen <= 1514)
				frame(file, &burst[i]);
		io->be->done(io, burst, (unsigned)n);
	}
	(void)io->be->close(io);
	for (uint32_t i = 0; i < engine->flows.max; i++)
		forget(i);
	assert_true(engine_balanced(engine_stats(engine)));
	engine_free(engine);
	sum.files++;
}

static void
show(const char *what, const char *allowed)
{
	static const char *const names[KFLOW__PROTOS] = {"modbus", "s7", "opcua"};

	print_message("# %s, %s: %ju frames of %ju captures, %ju passed by the kernel, all of them "
		      "by the engine as well\n",
	    what, allowed, (uintmax_t)sum.frames, (uintmax_t)sum.files, (uintmax_t)sum.kernel);
	for (unsigned i = 0; i < KFLOW__PROTOS; i++)
		if (sum.of[i].eligible)
			print_message("#   %s: %ju of %ju eligible PDUs decided in the kernel\n",
			    names[i], (uintmax_t)sum.of[i].decided, (uintmax_t)sum.of[i].eligible);
}

static void
play_glob(const char *pattern)
{
	glob_t g;

	if (glob(pattern, 0, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			play(g.gl_pathv[i]);
	globfree(&g);
}

static void
play_all(const char *const patterns[], const char *what)
{
	for (unsigned narrow = 0; narrow < 2; narrow++) {
		memset(&sum, 0, sizeof(sum));
		put_policy(narrow);
		for (const char *const *p = patterns; *p; p++)
			play_glob(*p);
		if (sum.files)
			show(what, narrow ? "some of it told" : "all of it allowed");
	}
}

static void
own(void **state)
{
	static const char *const patterns[] = {
	    "pcaps/modbus/*.pcap", "pcaps/s7/*.pcap", "pcaps/opcua/*.pcap", NULL};

	(void)state;
	play_all(*files ? (const char *const *)files : patterns, *files ? "given" : "pcaps/");
	for (unsigned i = 0; i < KFLOW__PROTOS && !*files; i++)
		assert_true(sum.of[i].decided > 50);
}

static void
corpus(void **state)
{
	const char *dir = getenv("CORPUS") ? getenv("CORPUS") : "../shared/corpus";
	char modbus[512], s7[512];
	const char *const patterns[] = {modbus, s7, NULL};

	(void)state;
	(void)snprintf(modbus, sizeof(modbus), "%s/modbus/*.pcap*", dir);
	(void)snprintf(s7, sizeof(s7), "%s/s7comm/*.pcap*", dir);
	play_all(patterns, "corpus");
	if (sum.files == 0) {
		print_message("# skipped: no captures in %s (CORPUS=)\n", dir);
		skip();
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(own), cmocka_unit_test(corpus)};
	char err[256] = "";
	int r = kit_fast_begin(&gate, &fast);

	if (r != 0)
		return r;
	files = argv + (argc > 0);
	if (!(path = guard_fast_open(gate, &in_force, err, sizeof(err)))) {
		(void)fprintf(stderr, "%s\n", err);
		return 1;
	}
	r = cmocka_run_group_tests(tests, NULL, NULL);
	policy_free(policy);
	kit_fast_end(gate, fast);
	return r;
}
