/* SPDX-License-Identifier: Apache-2.0 */
/* limit_test.c - `limits:` of a zone in front of an engine (limit.c): tokens and time, who pays, who is told, several workers. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "dataplane/limit.h"
#include "tests/unit/plant.h"
#include "tests/unit/wire6.h"

#define S NS_PER_S
#define T PLANT_EPOCH

#define SCADA 0x0a010205 /* of a zone with limits, outside */
#define OTHER 0x0a010305 /* of one without, outside */
#define PLC   0x0a010405 /* inside */

static const char rules[] =
    "interlock: 1\n"
    "site: t\n"
    "mode: enforce\n"
    "l2: {arp: any}\n"
    "zones:\n"
    "  scada: {port: outside, nets: [10.1.2.0/24, 'fd00:12::/64'], limits: {packets: 100/s, flows: "
    "10/s}}\n"
    "  other: {port: outside, nets: [10.1.3.0/24]}\n"
    "  cell: {port: inside, nets: [10.1.4.0/24, 'fd00:14::/64'], limits: {packets: 50/s}}\n"
    "conduits:\n"
    "  - name: c\n"
    "    from: [scada/*, other/*]\n"
    "    to: [cell/*]\n"
    "    icmp: [echo]\n"
    "    modbus: {addressing: zero-based, allow: [{name: r, units: all, functions: read, holding: "
    "[0..199]}]}\n";

/* --- buckets ------------------------------------------------------------------------------------ */

static uint64_t
all_of(limit_bucket *b, uint32_t per_s, uint32_t batch, uint64_t now)
{
	uint64_t n = 0;
	uint32_t got;

	while ((got = limit_take(b, per_s, batch, now)) != 0) {
		assert_in_range(got, 1, batch);
		n += got;
	}
	return n;
}

/* A full bucket has exactly a second's worth, however it is taken; then it fills as time goes by. */
static void
a_seconds_worth(void **state)
{
	static const uint32_t rates[] = {
	    1, 2, 3, 7, 100, 255, 256, 333, 1000, 4999, 20000, 30000, 65537, 123457, 249999};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		const uint32_t n = rates[i], batch = limit_batch(n);
		limit_bucket b = 0;

		assert_in_range(batch, 1, n / 256 + 1);
		assert_int_equal(all_of(&b, n, batch, T), n);
		assert_int_equal(all_of(&b, n, batch, T + S / n / 2), 0);
		assert_in_range(all_of(&b, n, batch, T + S / 2), n / 2 - (n > 1), n / 2);
		assert_in_range(all_of(&b, n, batch, T + S), n / 2 - (n > 1), n - n / 2);
		/* not more than a second's worth, after whatever time */
		assert_int_equal(all_of(&b, n, batch, T + 3600 * S), n);
	}
}

/* In any time t no more than n(t + 1): polled far more often than there are tokens. */
static void
over_time(void **state)
{
	const uint32_t n = 3333;
	limit_bucket b = 0;
	uint64_t got = 0;

	(void)state;
	for (uint64_t t = 0; t <= 10 * S; t += 77777) {
		got += limit_take(&b, n, 13, T + t);
		assert_true(got <= n + t * n / S + 1);
	}
	assert_in_range(got, (uint64_t)n * 11 - n / 1000, (uint64_t)n * 11 + 1);
	/* the greatest rate that can be said: rounding takes, it does not give */
	b = 0;
	got = 0;
	for (uint64_t t = 0; t < 1000000; t += 100)
		got += limit_take(&b, UINT32_MAX, LIMIT_BATCH, T + t);
	assert_int_equal(got, 10000 * LIMIT_BATCH);
}

/* A worker whose clock is a little behind gets no more; one that was put back does not stop a zone for hours. */
static void
clocks(void **state)
{
	limit_bucket b = 0;

	(void)state;
	assert_int_equal(all_of(&b, 100, 1, T), 100);
	assert_int_equal(all_of(&b, 100, 1, T - S / 100), 0);
	assert_int_equal(all_of(&b, 100, 1, T - S / 2), 0);
	assert_int_equal(all_of(&b, 100, 1, T - 3600 * S), 100);
	assert_int_equal(all_of(&b, 100, 1, T - 3600 * S), 0);
	assert_in_range(all_of(&b, 100, 1, T - 3599 * S), 99, 100);
}

/* --- frames ------------------------------------------------------------------------------------- */

struct rig {
	struct plant *x;
	struct limits all;
	struct limiter own;
	struct limit_count count[LIMIT_KINDS];
	unsigned dropped;
};

static struct rig *
rig_new(const char *policy)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->x = plant_new(true, policy, 0, 0);
	r->x->e->two_ports = true; /* as in a guard, whose ports have an MTU */
	r->own.all = &r->all;
	r->own.count = r->count;
	limiter_set_policy(&r->own, r->x->pol);
	return r;
}

static void
rig_free(struct rig *r)
{
	plant_free(r->x);
	free(r);
}

/* The frame through limits and engine at now; true: it went on. */
static bool
put(struct rig *r, struct pkt p, uint64_t now)
{
	p.ts_ns = now;
	if (limit_burst(&r->own, r->x->e, &p, 1, now) == 0) {
		assert_int_equal(p.fate, FATE_DROP);
		r->dropped++;
		return false;
	}
	engine_burst(r->x->e, &p, 1);
	return p.fate == FATE_FORWARD;
}

static uint64_t
dropped(const struct rig *r, enum limit_kind kind, unsigned port)
{
	return r->count[kind].packets[port];
}

static unsigned
syns(struct rig *r, uint32_t from, unsigned n, uint64_t now)
{
	unsigned passed = 0;

	for (unsigned i = 0; i < n; i++) {
		struct wire w = plant_wire(r->x, from, (uint16_t)(20000 + i), PLC, 502);

		passed += put(r, wire_tcp(&w, CLIENT, SYN, NULL, 0), now);
	}
	return passed;
}

/* Connections first, then packets; what is dropped is counted by reason and port, with its bytes, and told. */
static void
flows_and_packets(void **state)
{
	struct rig *r = rig_new(rules);
	struct wire w = plant_wire(r->x, SCADA, 30000, PLC, 502);

	(void)state;
	assert_int_equal(syns(r, SCADA, 40, T), 10);
	assert_int_equal(dropped(r, LIMIT_FLOWS, 0), 30);
	assert_int_equal(r->count[LIMIT_FLOWS].bytes[0], 30 * 54);
	assert_int_equal(dropped(r, LIMIT_PACKETS, 0), 0);
	assert_int_equal(plant_stats(r->x)->received, 10); /* the engine saw no more */
	/* told as the filter's: eight at once, with how many they stand for, by the conduit that governs them */
	assert_int_equal(r->x->flow_events, 8);
	assert_int_equal(r->x->events_count, 8);
	assert_string_equal(r->x->event_note, "limit.flows");
	assert_int_equal(r->x->event_verdict.action, VERDICT_DROP);
	assert_int_equal(r->x->event_verdict.conduit, 0);
	/* the next sample tells of all that were not */
	assert_int_equal(syns(r, SCADA, 2, T + S / 8), 1);
	assert_int_equal(r->x->flow_events, 9);
	assert_int_equal(r->x->events_count, 31);
	/* a zone without limits, meanwhile */
	assert_int_equal(syns(r, OTHER, 400, T + S / 8), 400);
	/* the tokens of a connection that is not opened for want of the other kind are not lost */
	r->dropped = 0;
	for (unsigned i = 0; i < 200; i++)
		(void)put(r, wire_tcp(&w, CLIENT, ACK, NULL, 0), T + 2 * S);
	assert_int_equal(r->dropped, 100);
	assert_int_equal(dropped(r, LIMIT_PACKETS, 0), 100);
	assert_string_equal(r->x->event_note, "limit.packets");
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(syns(r, SCADA, 1, T + 2 * S), 0);
	assert_int_equal(dropped(r, LIMIT_PACKETS, 0), 150);
	assert_int_equal(dropped(r, LIMIT_FLOWS, 0), 31);
	/* ... but are had by the next, beside a full bucket */
	assert_int_equal(syns(r, SCADA, 40, T + 4 * S), 11);
	rig_free(r);
}

/* What the engine denies costs nothing, nor does who speaks in the zone's name from the other side. */
static void
who_pays(void **state)
{
	struct rig *r = rig_new(rules);
	struct wire w = plant_wire(r->x, SCADA, 30000, PLC, 503); /* a port that nothing serves */
	uint64_t denied;

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		assert_false(put(r, wire_tcp(&w, CLIENT, SYN, NULL, 0), T));
	assert_int_equal(plant_stats(r->x)->dropped[DROP_POLICY_CONDUIT], 300);
	w = plant_wire(r->x, SCADA, 30000, OTHER, 502); /* nobody's conduit */
	for (unsigned i = 0; i < 300; i++)
		assert_false(put(r, wire_tcp(&w, CLIENT, SYN, NULL, 0), T));
	w = plant_wire(r->x, SCADA, 30000, PLC, 502);
	for (unsigned i = 0; i < 300; i++) {
		struct pkt p = wire_tcp(&w, CLIENT, SYN, NULL, 0);

		p.port = 1;
		assert_false(put(r, p, T));
	}
	denied = plant_stats(r->x)->dropped[DROP_POLICY_CONDUIT];
	assert_int_equal(r->dropped, 0);
	assert_int_equal(denied + plant_stats(r->x)->dropped[DROP_IP_SPOOFED], 900);
	assert_int_equal(syns(r, SCADA, 40, T), 10);
	rig_free(r);
}

static struct pkt
arp(uint32_t from, uint32_t to)
{
	static uint8_t b[60];

	memcpy(
	    b, "\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\1\x08\6\0\1\x08\0\6\4\0\1\x02\0\0\0\0\1", 28);
	wire_put32(b + 28, from);
	wire_put32(b + 38, to);
	return (struct pkt){.bytes = b, .caplen = 60, .wirelen = 60};
}

/* ARP is paid for by who claims an address; a probe claims none.  A fragment by its source, whatever becomes of it. */
static void
below_and_beside(void **state)
{
	struct rig *r = rig_new(rules);
	struct wire w = plant_wire(r->x, SCADA, 30000, PLC, 502);
	unsigned passed = 0;

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		assert_true(put(r, arp(0, SCADA), T));
	for (unsigned i = 0; i < 200; i++) { /* in its name, from the other side */
		struct pkt p = arp(SCADA, PLC);

		p.port = 1;
		assert_true(put(r, p, T));
	}
	for (unsigned i = 0; i < 60; i++)
		passed += put(r, arp(SCADA, PLC), T);
	assert_int_equal(passed, 60);
	for (unsigned i = 0; i < 60; i++) {
		struct pkt p = wire_tcp(&w, CLIENT, ACK, NULL, 0);

		w.buf[14 + 6] = 0x20; /* more fragments */
		wire_put16(w.buf + 14 + 10, 0);
		wire_put16(w.buf + 14 + 10, ~wire_sum(w.buf + 14, 20, 0) & 0xffff);
		(void)put(r, p, T);
	}
	assert_int_equal(r->dropped, 20);
	assert_int_equal(r->x->l2_events, 0);
	assert_false(put(r, arp(SCADA, PLC), T));
	rig_free(r);
}

/* IPv6 and IPv4 of a zone share its tokens; an IPv4 address inside an IPv6 header is nobody's, and costs none. */
static void
both_families(void **state)
{
	static const uint8_t plc[16] = {0xfd, 0, 0, 0x14, [15] = 5};
	static const uint8_t hmi[2][16] = {
	    {0xfd, 0, 0, 0x12, [15] = 5}, {[10] = 0xff, 0xff, 10, 1, 2, 5}};
	struct rig *r = rig_new(rules);
	static struct frame f;
	unsigned passed[2] = {0};

	(void)state;
	for (unsigned k = 2; k-- > 0;)
		for (unsigned i = 0; i < 14; i++) {
			frame_eth(&f, 0, 0, 0x86dd);
			frame_ip6(&f, 6, hmi[k], plc, 64, NULL, 0);
			frame_tcp(&f, (uint16_t)(40000 + i), 502, 1, 0, SYN, NULL, 0);
			passed[k] += put(r, frame_end(&f, 6, 0), T);
		}
	assert_int_equal(passed[0], 10);
	assert_int_equal(passed[1], 0);
	assert_int_equal(r->dropped, 14 - 10);
	assert_int_equal(syns(r, SCADA, 5, T), 0);
	assert_int_equal(syns(r, SCADA, 5, T + S / 2), 5);
	rig_free(r);
}

/* Of a burst the frames that may go on come first, in their order; the others are all there, dropped. */
static void
order(void **state)
{
	static struct wire w[PKT_BURST];
	struct rig *r = rig_new(rules);
	struct pkt burst[PKT_BURST];
	bool seen[PKT_BURST] = {false};
	unsigned kept;

	(void)state;
	for (unsigned i = 0; i < PKT_BURST; i++) { /* of both zones in turn */
		w[i] = plant_wire(r->x, i % 2 ? OTHER : SCADA, (uint16_t)(20000 + i), PLC, 502);
		burst[i] = wire_tcp(&w[i], CLIENT, SYN, NULL, 0);
		burst[i].cookie = i;
	}
	kept = limit_burst(&r->own, r->x->e, burst, PKT_BURST, T);
	assert_int_equal(kept, 16 + 10);
	for (unsigned i = 0; i < PKT_BURST; i++) {
		assert_false(seen[burst[i].cookie]);
		seen[burst[i].cookie] = true;
		if (i > 0 && i != kept)
			assert_true(burst[i].cookie > burst[i - 1].cookie);
		if (i >= kept) {
			assert_int_equal(burst[i].fate, FATE_DROP);
			assert_int_equal(burst[i].reason, DROP_LIMIT_FLOWS);
			assert_int_equal(burst[i].conduit, RULE_NONE);
		}
	}
	rig_free(r);
}

/* Whatever the mode: limits hold.  A panic is stronger.  Another policy begins with full buckets, or with none. */
static void
mode_panic_policy(void **state)
{
	char learn[sizeof(rules)];
	struct rig *r;

	(void)state;
	memcpy(learn, rules, sizeof(learn));
	memcpy(strstr(learn, "enforce"), "alert  ", 7);
	r = rig_new(learn);
	assert_int_equal(syns(r, SCADA, 40, T), 10);
	engine_set_panic(r->x->e, PANIC_OPEN);
	assert_int_equal(syns(r, SCADA, 40, T), 40);
	engine_set_panic(r->x->e, PANIC_OFF);
	assert_int_equal(syns(r, SCADA, 40, T), 0);
	plant_policy(r->x, rules);
	limits_reset(&r->all);
	limiter_set_policy(&r->own, r->x->pol);
	assert_int_equal(syns(r, SCADA, 40, T), 10);
	limiter_set_policy(&r->own, NULL);
	assert_int_equal(syns(r, SCADA, 40, T), 40);
	rig_free(r);
}

/* --- several workers ---------------------------------------------------------------------------- */

/* Each with its own tokens of the same bucket: together they let through what one would, and what one has left over was taken. */
static void
together(void **state)
{
	struct rig *r = rig_new(rules), *q = rig_new(rules);
	unsigned passed;

	(void)state;
	q->own.all = &r->all;
	passed = syns(r, SCADA, 7, T) + syns(q, SCADA, 7, T);
	assert_int_equal(passed, 10);
	assert_int_equal(dropped(r, LIMIT_FLOWS, 0) + dropped(q, LIMIT_FLOWS, 0), 4);
	/* samples are of all, too */
	(void)syns(r, SCADA, 20, T);
	(void)syns(q, SCADA, 20, T);
	assert_int_equal(r->x->flow_events + q->x->flow_events, 8);
	rig_free(r);
	rig_free(q);
}

#define RACERS 4u
#define RATE   50000u

struct race {
	limit_bucket bucket;
	_Atomic uint64_t now;
	_Atomic unsigned begun;
	_Atomic uint64_t got;
};

static void *
racer(void *arg)
{
	struct race *x = arg;
	uint64_t got = 0;

	atomic_fetch_add(&x->begun, 1);
	while (atomic_load(&x->begun) < RACERS)
		;
	while (atomic_fetch_add(&x->now, 1000) < T + S) {
		uint64_t now = atomic_load_explicit(&x->now, memory_order_relaxed);

		got += limit_take(&x->bucket, RATE, 1 + got % LIMIT_BATCH, now);
	}
	atomic_fetch_add(&x->got, got);
	return NULL;
}

/* As threads, over a second: a full bucket and a second's worth, to the token, but for what rounding takes. */
static void
at_once(void **state)
{
	static struct race x;
	pthread_t t[RACERS];

	(void)state;
	x.now = T;
	for (unsigned i = 0; i < RACERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, racer, &x), 0);
	for (unsigned i = 0; i < RACERS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	assert_in_range(x.got, 2 * RATE - 1000, 2 * RATE + 1);
}

/* Whole workers as threads, each with its engine, its addresses of the zone and its clock: what they let in together. */
struct load {
	struct rig *r;
	uint32_t from;
	unsigned passed;
};

static void *
loader(void *arg)
{
	struct load *x = arg;

	for (unsigned i = 0; i < 4000; i++) {
		struct wire w = plant_wire(x->r->x, x->from, (uint16_t)(20000 + i), PLC, 502);

		x->passed += put(x->r, wire_tcp(&w, CLIENT, SYN, NULL, 0), T + i * (S / 4000));
	}
	return NULL;
}

static void
workers_at_once(void **state)
{
	struct load x[RACERS];
	pthread_t t[RACERS];
	uint64_t passed = 0, dropped = 0, told = 0;

	(void)state;
	for (unsigned i = 0; i < RACERS; i++) {
		x[i] = (struct load){.r = rig_new(rules), .from = SCADA + i};
		x[i].r->own.all = &x[0].r->all;
	}
	for (unsigned i = 0; i < RACERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, loader, &x[i]), 0);
	for (unsigned i = 0; i < RACERS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	for (unsigned i = 0; i < RACERS; i++) {
		passed += x[i].passed;
		dropped += x[i].r->count[LIMIT_FLOWS].packets[0];
		told += x[i].r->x->events_count + x[i].r->own.untold[LIMIT_FLOWS][0];
	}
	assert_in_range(passed, 10, 21); /* ten at once, and ten a second */
	assert_int_equal(passed + dropped, RACERS * 4000);
	assert_int_equal(told, dropped);
	for (unsigned i = 1; i <= RACERS; i++) /* the first has the buckets */
		rig_free(x[RACERS - i].r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_seconds_worth),
	    cmocka_unit_test(over_time),
	    cmocka_unit_test(clocks),
	    cmocka_unit_test(flows_and_packets),
	    cmocka_unit_test(who_pays),
	    cmocka_unit_test(below_and_beside),
	    cmocka_unit_test(both_families),
	    cmocka_unit_test(order),
	    cmocka_unit_test(mode_panic_policy),
	    cmocka_unit_test(together),
	    cmocka_unit_test(at_once),
	    cmocka_unit_test(workers_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
