/* SPDX-License-Identifier: Apache-2.0 */
/*
 * month_test.c - a guard in a plant, for a month of packet time: sessions that are idle for
 * weeks, keep-alives, clocks that are put right, reloads, floods.  Memory stays what it was
 * at start, everything leased comes back, nothing is held at the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/plant.h"

#define SECOND UINT64_C(1000000000)
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)

#define RULES(range)                                                                               \
	"interlock: 1\nsite: test\nmode: enforce\n"                                                \
	"zones:\n  it: {level: 3, port: outside, nets: [10.1.0.0/16]}\n"                           \
	"  office: {level: 4, port: outside, nets: [10.2.0.0/16]}\n"                               \
	"  ot: {level: 1, port: inside, nets: [10.3.0.0/16]}\n"                                    \
	"conduits:\n  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop\n"       \
	"    modbus:\n      addressing: zero-based\n      allow:\n"                                \
	"        - {name: reads, units: [1], functions: [3], holding: [" range "]}\n"              \
	"  - name: mail\n    from: [office/*]\n    to: [ot/*]\n    otherwise: drop\n"              \
	"    modbus:\n      addressing: zero-based\n      allow:\n"                                \
	"        - {name: reads, units: [1], functions: [3], holding: [0..9]}\n"
static const char rules[] = RULES("0..99"), others[] = RULES("0..199");

#define HMI(i)	  (0x0a010001u + (i))
#define OFFICE(i) (0x0a020001u + (i))
#define PLC(i)	  (0x0a030001u + (i))

/* Nothing comes for so long; the worker still runs timers. */
static void
wait_for(struct plant *x, uint64_t ns)
{
	for (uint64_t t = 0; t < ns; t += 60 * SECOND) {
		uint64_t step = ns - t < 60 * SECOND ? ns - t : 60 * SECOND;

		engine_tick(x->e, x->now_ns += step);
	}
	assert_true(engine_balanced(engine_stats(x->e)));
}

/* RFC 9293 3.8.4: the byte before the next one, with and without it, and its answer. */
static void
keep_alive(struct plant *x, struct wire *w, unsigned with_byte)
{
	for (unsigned who = 0; who < 2; who++) {
		w->now_ns = x->now_ns;
		assert_int_equal(
		    plant_put(x, wire_tcp_at(w, who, w->side[who].seq - 1, ACK, "\0", with_byte))
			.fate,
		    FATE_FORWARD);
		assert_int_equal(
		    plant_put(x, wire_tcp(w, who ^ 1, ACK, NULL, 0)).fate, FATE_FORWARD);
	}
}

static struct plant *
plant_at(uint64_t start, struct wire *w, unsigned n)
{
	struct plant *x = plant_new(true, rules, 4u << 20, 512);

	x->now_ns = start;
	for (unsigned i = 0; i < n; i++) {
		w[i] = plant_wire(x, HMI(i), 40000, PLC(i), 502);
		assert_true(plant_open(x, &w[i]));
		assert_true(plant_poll(x, &w[i], 1, 0, 5));
	}
	return x;
}

static void
idle_for_a_month(void **state)
{
	struct wire w[30];
	struct plant *x = plant_at(PLANT_EPOCH, w, 30);

	(void)state;
	for (unsigned h = 0; h < 30 * 24; h += 2) {
		wait_for(x, 2 * HOUR);
		for (unsigned i = 0; i < 10; i++) /* these say that they live; the others nothing */
			keep_alive(x, &w[i], i & 1);
	}
	assert_int_equal(plant_stats(x)->flows_active, 30);
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < 30; i++)
			assert_true(plant_poll(x, &w[i], (uint16_t)(2 + round), 0, 5));
	assert_int_equal(x->events, 0);
	assert_int_equal(x->anomalies, 0);
	assert_int_equal(plant_stats(x)->flows, 30);
	plant_free(x);
}

/* The clock is put a day on, a day back, and on again; and half a PDU waits meanwhile. */
static void
clock_is_put_right(void **state)
{
	static const int64_t steps[] = {1, -1, -1, 1, 1, -3, 2};
	static const uint8_t late[12] = {7, 7, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1};
	struct wire w[10];
	struct plant *x = plant_at(PLANT_EPOCH, w, 10);
	uint16_t txn = 100;

	(void)state;
	for (unsigned s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		struct wire lost = plant_wire(x, HMI(100 + s), 40000, PLC(1), 502);
		struct pkt p;

		assert_true(plant_open(x, &lost));
		lost.now_ns = x->now_ns;
		p = plant_put(x, wire_tcp_at(&lost, CLIENT, lost.side[0].seq + 5, ACK, late, 12));
		assert_int_equal(p.fate, FATE_HELD); /* and the hole is never filled */
		x->now_ns += (uint64_t)(steps[s] * (int64_t)DAY);
		for (unsigned i = 0; i < 10; i++)
			assert_true(plant_poll(x, &w[i], ++txn, 0, 5));
		wait_for(x, 90 * SECOND); /* by the clock as it is now */
		assert_int_equal(plant_stats(x)->held, 0);
		for (unsigned i = 0; i < 10; i++)
			assert_true(plant_poll(x, &w[i], ++txn, 0, 5));
	}
	assert_int_equal(x->anomalies, 0);
	assert_int_equal(plant_stats(x)->dropped[DROP_TCP_HOLE_TIMEOUT], 7);
	plant_free(x);
}

/* Ticks are 32 bits of 134 ms: they come round every 18 years, next in 2030. */
static void
ticks_come_round(void **state)
{
	uint64_t round = (((PLANT_EPOCH >> FLOW_TICK_SHIFT) >> 32) + 1) << 32 << FLOW_TICK_SHIFT;
	struct wire w[10], half;
	struct plant *x = plant_at(round - 2 * HOUR, w, 10);
	uint16_t txn = 10;

	(void)state;
	for (unsigned i = 0; i < 240; i++) {
		wait_for(x, 60 * SECOND);
		half = plant_wire(x, HMI(50), (uint16_t)(1000 + i), PLC(2), 502);
		plant_put(x, wire_tcp(&half, CLIENT, SYN, NULL, 0)); /* goes after a minute */
		for (unsigned k = 0; k < 10; k++)
			assert_true(plant_poll(x, &w[k], ++txn, 0, 5));
		assert_true(plant_stats(x)->flows_active <= 13);
	}
	assert_true(x->now_ns > round + HOUR);
	assert_int_equal(x->anomalies, 0);
	plant_free(x);
}

/* All of it together, a day at a time. */
static void
a_month(void **state)
{
	static const uint8_t ahead[1400] = {0};
	struct wire w[20], v;
	struct plant *x = plant_at(PLANT_EPOCH, w, 20);
	size_t memory = plant_stats(x)->memory_bytes;
	uint32_t used[CELL__CLASSES], n = 0;
	uint16_t txn = 10;

	(void)state;
	for (unsigned i = 0; i < 20; i++) /* everything acknowledged: what is leased stays so */
		plant_put(x, wire_tcp(&w[i], CLIENT, ACK, NULL, 0));
	memcpy(used, x->e->cells.used, sizeof(used));
	for (unsigned day = 0; day < 30; day++) {
		/* polls through the day */
		for (unsigned i = 0; i < 200; i++) {
			assert_true(plant_poll(x, &w[i % 20], ++txn, 0, 5));
			engine_tick(x->e, x->now_ns += 60 * SECOND);
		}
		/* a new policy every night, the clock put right every week */
		plant_policy(x, day & 1 ? rules : others);
		if (day % 7 == 6)
			x->now_ns += day % 14 == 6 ? DAY : -DAY;
		/* the cells, by segments ahead of holes that are never filled */
		for (unsigned c = 0; c < 40; c++) {
			v = plant_wire(x, OFFICE(n++ % 60000), 50000, PLC(c), 502);
			if (!plant_open(x, &v))
				continue;
			for (uint32_t i = 1; i < 64; i++) {
				v.now_ns = x->now_ns;
				plant_put(x, wire_tcp_at(&v, CLIENT, v.side[0].seq + 1400 * i, ACK,
						 ahead, 1400));
			}
			assert_true(plant_poll(x, &w[c % 20], ++txn, 0, 5));
		}
		/* the table is flooded from another zone, by SYNs and by whole connections */
		for (unsigned i = 0; i < 3000; i++, n++) {
			v = plant_wire(
			    x, OFFICE(n % 60000), (uint16_t)(1024 + n / 60000), PLC(n % 9), 502);
			if (i & 1)
				(void)plant_open(x, &v);
			else
				plant_put(x, wire_tcp(&v, CLIENT, SYN, NULL, 0));
			if (i % 100 == 0)
				assert_true(plant_poll(x, &w[i / 100 % 20], ++txn, 0, 5));
		}
		wait_for(x, 8 * HOUR);
		assert_int_equal(plant_stats(x)->held, 0);
		for (unsigned i = 0; i < 20; i++) {
			assert_true(plant_poll(x, &w[i], ++txn, 0, 5));
			w[i].now_ns = x->now_ns;
			plant_put(x, wire_tcp(&w[i], CLIENT, ACK, NULL, 0));
		}
		assert_int_equal(plant_stats(x)->memory_bytes, memory);
		assert_true(plant_stats(x)->flows_active <= 512);
		for (unsigned c = 0; c < CELL__CLASSES; c++)
			assert_int_equal(x->e->cells.used[c], used[c]);
	}
	/* of the flood: no room, and connections that were displaced half open */
	assert_int_equal(x->anomalies & ~(FACT_A_OVERLOAD | FACT_A_MIDSTREAM), 0);
	assert_int_equal(x->e->quotas.q[0].used, 20);
	assert_true(plant_stats(x)->dropped[DROP_FLOW_FULL] > 0);
	assert_true(plant_stats(x)->pool_full > 0);
	assert_int_equal(plant_stats(x)->flows_ended, 0);
	plant_free(x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(idle_for_a_month),
	    cmocka_unit_test(clock_is_put_right),
	    cmocka_unit_test(ticks_come_round),
	    cmocka_unit_test(a_month),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
