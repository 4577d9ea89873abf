/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shadow_test.c - a policy beside the one in force (dataplane/shadow.h), against two engines that
 * judge the same traffic, each by one of the two: what the shadow counts is where these differ.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crypto.h"
#include "dataplane/shadow.h"
#include "policy/window.h"
#include "tests/unit/plant.h"

#define HMI 0x0a010205
#define PLC 0x0a010282

/* --- two engines ------------------------------------------------------------------------------- */

static uint64_t rng;

static uint32_t
rnd(uint32_t n) /* below n */
{
	uint64_t z = rng += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) % n);
}

static void __attribute__((format(printf, 2, 3))) add(char *text, const char *fmt, ...)
{
	size_t n = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + n, 8192 - n, fmt, ap);
	va_end(ap);
}

static const char *
one_of(const char *a, const char *b, const char *c)
{
	const char *const v[] = {a, b, c};

	return v[rnd(3)];
}

#define KEY "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

static struct policy *
random_policy(void)
{
	static char text[8192];
	struct policy *pol;

	text[0] = '\0';
	add(text, "interlock: 1\nsite: t\nmode: %s\n", one_of("enforce", "enforce", "alert"));
	add(text,
	    "conditions: {unparsable: %s, unsolicited: %s, midstream: %s, overlap-differs: %s}\n",
	    one_of("drop", "alert", "reset"), one_of("drop", "alert", "drop"),
	    one_of("drop", "resync", "resync"), one_of("drop", "alert", "reset"));
	add(text, "zones:\n  it: {level: 3, nets: [10.1.2.0/25]}\n"
		  "  ot: {level: 1, nets: [10.1.2.128/25]}\ndevices:\n");
	for (unsigned i = 0; i < 4; i++)
		add(text, "  h%u: {zone: it, ip: 10.1.2.%u}\n", i, 5 + i);
	add(text,
	    "  plc: {zone: ot, ip: 10.1.2.130}\nwindows:\n"
	    "  now: {when: \"Tue 22:00-22:%u\", tz: UTC}\n  never: {when: \"Mon 01:00-02:00\", tz: "
	    "UTC}\n"
	    "  service: {when: \"Tue 22:00-22:%u\", tz: UTC, needs: permit}\n"
	    "permits: {keys: [%s]}\n"
	    "conduits:\n",
	    14 + rnd(3), 14 + rnd(3), rnd(5) ? KEY : "AAAAAKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo0");
	for (unsigned i = 0, n = 0; i < 4 || n == 0; i++) {
		if (rnd(4) == 0 && (i < 3 || n > 0))
			continue;
		n++;
		add(text, "  - name: c%u\n    from: [h%u]\n    to: [plc]\n    otherwise: %s\n%s", i,
		    i % 4, one_of("drop", "reject", "alert"),
		    one_of("", one_of("", "", "    only-in: service\n"), "    only-in: now\n"));
		add(text, "    modbus:\n      addressing: zero-based\n%s",
		    one_of("", "      ports: [tcp/502, udp/502]\n",
			"      ports: [tcp/502, udp/502]\n"));
		if (rnd(2))
			add(text, "      limits: {rate: %u/s, over: %s}\n", 1 + rnd(6),
			    one_of("drop", "alert", "reset"));
		add(text, "      allow:\n");
		add(text, "        - {name: r, units: [1], functions: [3], holding: [%u..%u]}\n",
		    rnd(30), 30 + rnd(30));
		if (rnd(2))
			add(text,
			    "        - {name: w, units: [1, 2], functions: [6], holding: "
			    "[%u..%u]%s}\n",
			    rnd(30), 30 + rnd(30),
			    one_of("", ", verdict: alert",
				one_of(
				    ", only-in: never", ", only-in: now", ", only-in: service")));
		if (rnd(2)) /* asks what was read before */
			add(text,
			    "        - {name: i, units: [1], functions: [6], holding: [0..63], "
			    "when: "
			    "{holding: %u, is: %s}}\n",
			    rnd(4), one_of("0", "0..1", "1"));
		if (rnd(2))
			add(text,
			    "      deny:\n        - {name: d, units: [1], functions: [3, 6], "
			    "holding: [%u]}\n",
			    rnd(60));
	}
	pol = plant_rules(text);
	return pol;
}

/* What an engine said of one packet. */
struct said {
	unsigned n;
	struct verdict v[64];
	bool flow_stopped;
};
struct watch {
	struct engine *e;
	struct said said;
	struct policy *pol;
};

static void
on_fact(void *ctx, const struct engine_pdu *pdu)
{
	struct watch *w = ctx;

	assert_true(w->said.n < 64);
	w->said.v[w->said.n++] = *pdu->verdict;
}

static void
on_event(void *ctx, const struct event *ev)
{
	struct watch *w = ctx;

	if (ev->kind == EVENT_FLOW)
		w->said.flow_stopped = ev->verdict.action >= VERDICT_REJECT;
}

static void
watch_new(struct watch *w, struct policy *pol)
{
	const struct engine_conf conf = {.memory_bytes = 4u << 20,
	    .seed = 3,
	    .policy = pol,
	    .on_fact = on_fact,
	    .on_event = on_event,
	    .ctx = w};

	w->pol = pol;
	w->e = engine_new(&conf);
	assert_non_null(w->e);
}

static void
watch_put(struct watch *w, struct pkt p)
{
	w->said = (struct said){0};
	engine_burst(w->e, &p, 1);
}

static bool
stops(const struct verdict *v)
{
	return v->action >= VERDICT_REJECT;
}

/* All three see it; the difference of the two is what the third has counted. */
static void
all_see(struct watch *both, struct watch *live, struct watch *next, struct pkt p, uint64_t want[2])
{
	const struct shadow_report *r = engine_shadow(both->e);

	watch_put(both, p);
	watch_put(live, p);
	watch_put(next, p);
	assert_int_equal(live->said.n, next->said.n);
	assert_int_equal(both->said.n, live->said.n);
	for (unsigned i = 0; i < live->said.n; i++) {
		const struct verdict *a = &live->said.v[i], *b = &next->said.v[i];

		assert_memory_equal(&both->said.v[i], a, sizeof(*a)); /* nothing is done about it */
		if (stops(a) != stops(b))
			want[stops(b) ? SHADOW_STOP : SHADOW_PASS]++;
	}
	if (live->said.flow_stopped != next->said.flow_stopped)
		want[next->said.flow_stopped ? SHADOW_STOP : SHADOW_PASS]++;
	assert_int_equal(r->differ[SHADOW_STOP], want[SHADOW_STOP]);
	assert_int_equal(r->differ[SHADOW_PASS], want[SHADOW_PASS]);
}

/* A request over UDP, or its answer. */
static struct pkt
datagram(struct wire *w, unsigned from, const void *data, size_t n)
{
	struct pkt p = wire_tcp_at(w, from, 0, 0, NULL, 0);
	uint8_t *ip = w->buf + 14, *udp = ip + 20;

	wire_put16(ip + 2, (unsigned)(28 + n));
	ip[9] = 17;
	wire_put16(ip + 10, 0);
	wire_put16(ip + 10, ~wire_sum(ip, 20, 0) & 0xffff);
	wire_put16(udp + 4, (unsigned)(8 + n));
	wire_put16(udp + 6, 0); /* no checksum */
	memcpy(udp + 8, data, n);
	p.caplen = p.wirelen = (uint32_t)(42 + n);
	return p;
}

/* A permit, given to an engine whose policy has a place for it. */
static void
give(struct windows *w, const struct policy *pol)
{
	static struct policy_permit fit;
	struct permit m = {.id = "p",
	    .by = "x",
	    .site = "t",
	    .window = "service",
	    .n_from = 3,
	    .n_to = 1,
	    .from = {"h0", "h1", "h3"},
	    .to = {"plc"},
	    .until_s = UINT64_MAX / 2};
	char err[128];
	size_t n;

	assert_int_equal(crypto_b64url_decode(KEY, strlen(KEY), m.key, 32, &n), 0);
	if (policy_permit_fit(pol, &m, &fit, err, sizeof(err)) == 0)
		windows_permit(w, 1, &fit, &m, m.until_s);
}

static struct pkt
random_packet(struct wire *w, uint8_t last[2])
{
	uint8_t ask[12] = {(uint8_t)rnd(3), (uint8_t)rnd(4), 0, 0, 0, 6, (uint8_t)(1 + rnd(2)),
	    (uint8_t)(rnd(3) ? 3 : 6), 0, (uint8_t)rnd(64), 0, (uint8_t)(1 + rnd(3))};
	uint8_t say[11] = {ask[0], ask[1], 0, 0, 0, 5, 1, 3, 2, 0, (uint8_t)rnd(2)};
	struct pkt p;

	if (rnd(3) == 0) { /* registers that are asked about, one at a time */
		ask[7] = 3;
		ask[9] = (uint8_t)rnd(4);
		ask[11] = 1;
		ask[6] = 1;
	}
	if (rnd(4)) { /* what was asked last is what is answered */
		say[0] = last[0];
		say[1] = last[1];
	}

	switch (rnd(15)) {
	case 12:
		return datagram(w, SERVER, say, sizeof(say));
	case 13:
	case 14:
		memcpy(last, ask, 2);
		return datagram(w, CLIENT, ask, sizeof(ask));
	case 0: /* somebody connects, perhaps on what is open already, perhaps the other way round */
		return wire_tcp(w, rnd(8) ? CLIENT : SERVER, SYN, NULL, 0);
	case 1:
		return wire_tcp(w, SERVER, SYN | ACK, NULL, 0);
	case 2: /* an answer, perhaps to nothing */
	case 3:
		return wire_tcp(w, SERVER, ACK | PSH, say, sizeof(say));
	case 4: /* no Modbus any more */
		ask[rnd(6)] ^= (uint8_t)(1 + rnd(255));
		return wire_tcp(w, CLIENT, ACK | PSH, ask, sizeof(ask));
	case 5: /* sent before, with other content perhaps */
		return wire_tcp_at(
		    w, CLIENT, w->side[CLIENT].seq - 12, ACK | PSH, ask, sizeof(ask));
	case 6: /* half of it */
		return wire_tcp(w, CLIENT, ACK | PSH, ask, 1 + rnd(11));
	case 7:
		p = wire_tcp(w, rnd(2), rnd(2) ? FIN | ACK : RST, NULL, 0);
		w->side[CLIENT].port = (uint16_t)(40000 + rnd(3));
		return p;
	default:
		memcpy(last, ask, 2);
		return wire_tcp(w, CLIENT, ACK | PSH, ask, sizeof(ask));
	}
}

static void
what_it_counts_is_the_difference(void **state)
{
	uint64_t total[2] = {0, 0}, facts = 0;
	unsigned rates = 0, datagrams = 0, permits = 0; /* kinds of differences that were met */

	(void)state;
	rng = 20261128;
	print_message("seed %llu\n", (unsigned long long)rng);
	for (unsigned round = 0; round < 300; round++) {
		struct policy *a = random_policy(), *b = random_policy();
		struct watch both, live, next;
		uint64_t want[2] = {0, 0}, kinds[2] = {0, 0}, now = PLANT_EPOCH;
		const struct shadow_report *r;
		uint8_t last[5][2] = {{0}};
		struct wire w[5];

		watch_new(&both, a);
		watch_new(&live, a);
		watch_new(&next, b);
		engine_set_shadow(both.e, b);
		give(engine_permits(both.e), a);
		give(engine_permits(live.e), a);
		give(engine_permits(next.e), b);
		give(engine_shadow_permits(both.e), b);
		r = engine_shadow(both.e);
		assert_int_equal(r->generation, policy_generation(b));
		for (unsigned i = 0; i < 5; i++) /* the last is nobody's device */
			w[i] = (struct wire){
			    .side = {{HMI + i, 40000, 1000 + rnd(1000)}, {PLC, 502, 9000}}};
		for (unsigned n = 0; n < 200; n++) {
			unsigned who = rnd(5);
			struct wire *c = &w[who];
			struct pkt p;

			c->now_ns = now += 1000000 + (rnd(40) ? 0 : UINT64_C(3000000000));
			p = random_packet(c, last[who]);
			p.ts_ns = now;
			all_see(&both, &live, &next, p, want);
		}
		for (uint32_t i = 0; i < r->n; i++) {
			const struct shadow_kind *k = &r->kind[i];

			kinds[k->way] += k->count;
			assert_true(k->n_examples == (k->count < 3 ? k->count : 3));
			assert_true(k->last_ns == k->example[0].ts_ns);
			assert_int_equal(stops(&k->shadow), k->way == SHADOW_STOP);
			assert_int_equal(stops(&k->live), k->way == SHADOW_PASS);
		}
		for (unsigned way = 0; way < 2; way++) {
			assert_int_equal(kinds[way] + r->untold[way], r->differ[way]);
			total[way] += want[way];
		}
		facts += r->judged[SHADOW_PDU];
		for (uint32_t i = 0; i < r->n; i++) {
			rates += r->kind[i].shadow.reason == REASON_LIMIT;
			datagrams += r->kind[i].example[0].tuple.proto == NET_PROTO_UDP;
			permits += r->kind[i].shadow.permit != 0;
		}
		for (struct watch *x = &both;;) {
			engine_finish(x->e);
			engine_free(x->e);
			if (x == &next)
				break;
			x = x == &both ? &live : &next;
		}
		policy_free(a);
		policy_free(b);
	}
	print_message("%llu facts, %llu stopped, %llu let through\n", (unsigned long long)facts,
	    (unsigned long long)total[0], (unsigned long long)total[1]);
	print_message("%u for a rate, %u of UDP, %u for a permit\n", rates, datagrams, permits);
	assert_true(facts > 20000 && total[0] > 1000 && total[1] > 1000);
	assert_true(rates > 100 && datagrams > 100 && permits > 20);
}

/* --- a guard ---------------------------------------------------------------------------------- */

#define HEAD                                                                                       \
	"interlock: 1\nsite: test\nmode: enforce\n"                                                \
	"zones:\n  it: {level: 3, nets: [10.1.2.0/25]}\n  ot: {level: 1, nets: [10.1.2.128/25]}\n" \
	"conduits:\n"
#define CONDUIT(mode, range)                                                                       \
	"  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop\n" mode             \
	"    modbus:\n      addressing: zero-based\n      allow:\n"                                \
	"        - {name: reads, units: [1], functions: [3], holding: [" range "]}\n"

static const char wide[] = HEAD CONDUIT("", "0..99");
static const char narrow[] = HEAD CONDUIT("", "0..9");
static const char told[] = HEAD CONDUIT("    mode: alert\n", "0..9");
static const char nobody[] =
    "interlock: 1\nsite: test\nmode: enforce\n"
    "zones:\n  it: {level: 3, nets: [10.9.2.0/25]}\n  ot: {level: 1, nets: [10.9.2.128/25]}\n"
    "conduits:\n" CONDUIT("", "0..9");

static void
nothing_is_stopped(void **state)
{
	struct plant *x = plant_new(true, wide, 0, 0);
	struct policy *next = plant_rules(narrow);
	struct wire w = plant_wire(x, HMI, 40000, PLC, 502);
	const struct shadow_report *r = engine_shadow(x->e);

	(void)state;
	assert_true(plant_open(x, &w));
	assert_true(plant_poll(x, &w, 1, 50, 10)); /* before it */
	engine_set_shadow(x->e, next);
	assert_true(plant_poll(x, &w, 2, 0, 10));
	assert_int_equal(r->n, 0);
	for (uint16_t i = 0; i < 5; i++)
		assert_true(plant_poll(x, &w, (uint16_t)(3 + i), (uint16_t)(10 + i), 10));
	assert_int_equal(r->n, 1);
	assert_int_equal(r->differ[SHADOW_STOP], 5);
	assert_int_equal(r->differ[SHADOW_PASS], 0);
	assert_int_equal(r->judged[SHADOW_PDU], 12);
	assert_int_equal(r->kind[0].count, 5);
	assert_int_equal(r->kind[0].n_examples, 3);
	assert_int_equal(r->kind[0].live.reason, REASON_RULE);
	assert_int_equal(r->kind[0].shadow.reason, REASON_OTHERWISE);
	assert_string_equal(r->kind[0].example[0].op, "read_holding_registers");
	assert_int_equal(r->kind[0].example[0].first, 14);
	assert_int_equal(r->kind[0].example[2].first, 12);
	assert_int_equal(r->kind[0].example[0].count, 10);
	assert_int_equal(r->kind[0].example[0].unit, 1);
	assert_int_equal(r->kind[0].example[0].tuple.dport, 502);
	assert_int_equal(x->events, 0); /* and nothing of it is an alert */
	assert_int_equal(x->denied, 0);
	engine_set_shadow(x->e, NULL);
	assert_int_equal(r->generation, 0);
	assert_true(plant_poll(x, &w, 9, 50, 10));
	assert_int_equal(r->judged[SHADOW_PDU], 0);
	policy_free(next);
	plant_free(x);
}

static void
what_it_would_let_through(void **state)
{
	struct plant *x = plant_new(true, narrow, 0, 0);
	struct policy *next = plant_rules(wide), *alert = plant_rules(told);
	struct wire w = plant_wire(x, HMI, 40000, PLC, 502);
	const struct shadow_report *r = engine_shadow(x->e);

	(void)state;
	engine_set_shadow(x->e, next);
	assert_true(plant_open(x, &w));
	assert_int_equal(r->judged[SHADOW_FLOW], 1);
	assert_false(plant_poll(x, &w, 1, 50, 10)); /* it is stopped all the same */
	assert_int_equal(r->differ[SHADOW_PASS], 1);
	assert_int_equal(r->kind[0].live.reason, REASON_OTHERWISE);
	/* a conduit that only alerts would not stop it either: what counts is what is done */
	engine_set_shadow(x->e, alert);
	w.side[CLIENT].port++;
	assert_true(plant_open(x, &w));
	assert_false(plant_poll(x, &w, 1, 50, 10));
	assert_int_equal(r->differ[SHADOW_PASS], 1);
	assert_int_equal(r->differ[SHADOW_STOP], 0);
	engine_set_shadow(x->e, NULL);
	policy_free(next);
	policy_free(alert);
	plant_free(x);
}

static void
connections(void **state)
{
	struct plant *x = plant_new(true, wide, 0, 0), *y = plant_new(true, nobody, 0, 0);
	struct wire w = plant_wire(x, HMI, 40000, PLC, 502);

	(void)state;
	engine_set_shadow(x->e, y->pol);
	engine_set_shadow(y->e, x->pol);
	assert_true(plant_open(x, &w));
	assert_int_equal(engine_shadow(x->e)->differ[SHADOW_STOP], 1);
	assert_int_equal(engine_shadow(x->e)->kind[0].what, SHADOW_FLOW);
	assert_int_equal(engine_shadow(x->e)->kind[0].shadow.reason, REASON_NO_CONDUIT);
	w = plant_wire(y, HMI, 40000, PLC, 502);
	assert_false(plant_open(y, &w));
	assert_int_equal(engine_shadow(y->e)->differ[SHADOW_PASS], 1);
	engine_set_shadow(x->e, NULL);
	engine_set_shadow(y->e, NULL);
	plant_free(x);
	plant_free(y);
}

/* More kinds than are told apart are counted. */
static void
bounded(void **state)
{
	static char text[65536];
	struct plant *x;
	struct policy *next = plant_rules(nobody);
	const struct shadow_report *r;
	uint64_t sum = 0;

	(void)state;
	snprintf(text, sizeof(text), "%s",
	    HEAD "  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    modbus:\n"
		 "      addressing: zero-based\n      allow:\n");
	for (unsigned i = 0; i < 100; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "        - {name: r%u, units: [1], functions: [3], holding: [%u]}\n", i, i);
	x = plant_new(true, text, 0, 0);
	engine_set_shadow(x->e, next);
	r = engine_shadow(x->e);
	{
		struct wire w = plant_wire(x, HMI, 40000, PLC, 502);

		assert_true(plant_open(x, &w));
		for (uint16_t i = 0; i < 200; i++)
			assert_true(plant_poll(x, &w, i, i % 100, 1));
	}
	assert_int_equal(r->n, SHADOW_KINDS);
	for (uint32_t i = 0; i < r->n; i++)
		sum += r->kind[i].count;
	assert_true(r->untold[SHADOW_STOP] > 0);
	assert_int_equal(sum + r->untold[SHADOW_STOP], r->differ[SHADOW_STOP]);
	engine_set_shadow(x->e, NULL);
	policy_free(next);
	plant_free(x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_it_counts_is_the_difference),
	    cmocka_unit_test(nothing_is_stopped),
	    cmocka_unit_test(what_it_would_let_through),
	    cmocka_unit_test(connections),
	    cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
