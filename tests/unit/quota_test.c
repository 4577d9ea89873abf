/* SPDX-License-Identifier: Apache-2.0 */
/* quota_test.c - floods that take nothing from others (quota.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/plant.h"
#include "tests/unit/wire6.h"

#define CONDUIT(name, from, more)                                                                  \
	"  - name: " name "\n    from: [" from "/*]\n    to: [ot/*]\n    otherwise: drop\n" more   \
	"    modbus:\n      addressing: zero-based\n      allow:\n"                                \
	"        - {name: reads, units: [1], functions: [3], holding: [0..99]}\n"
#define HEAD                                                                                       \
	"interlock: 1\nsite: test\nmode: enforce\n"                                                \
	"zones:\n  it: {level: 3, nets: [10.1.0.0/16, 'fd00:1::/64']}\n"                           \
	"  office: {level: 4, nets: [10.2.0.0/16, 'fd00:3::/64']}\n"                               \
	"  ot: {level: 1, nets: [10.3.0.0/16, 'fd00:2::/64']}\n"

static const char even[] =
    HEAD "conduits:\n" CONDUIT("poll", "it", "") CONDUIT("mail", "office", "");
static const char said[] = HEAD "conduits:\n" CONDUIT("poll", "it", "    flows: 100\n")
    CONDUIT("mail", "office", "    flows: 20\n");

#define POLLER(i) (0x0a010001u + (i))
#define FLOOD(i)  (0x0a020001u + (i))
#define PLC(i)	  (0x0a030001u + (i))

enum kind { SYNS = 0, ANSWERED, OPENED, MIDSTREAM, DATAGRAMS, KINDS };

/* One connection more of the flood, as far as its kind goes; true: it was let in. */
static bool
flood_one(struct plant *x, enum kind kind, uint32_t i)
{
	struct wire w =
	    plant_wire(x, FLOOD(i % 60000), (uint16_t)(1024 + i / 60000), PLC(i % 7), 502);
	static struct frame f;

	switch (kind) {
	case SYNS:
		return plant_put(x, wire_tcp(&w, CLIENT, SYN, NULL, 0)).fate == FATE_FORWARD;
	case ANSWERED: /* a server that answers whoever seems to ask */
		return plant_put(x, wire_tcp(&w, CLIENT, SYN, NULL, 0)).fate == FATE_FORWARD &&
		       plant_put(x, wire_tcp(&w, SERVER, SYN | ACK, NULL, 0)).fate == FATE_FORWARD;
	case OPENED:
		return plant_open(x, &w);
	case MIDSTREAM:
		return plant_put(x, wire_tcp(&w, CLIENT, ACK, NULL, 0)).fate == FATE_FORWARD;
	case DATAGRAMS:
		frame_eth(&f, 0, 0, 0x0800);
		frame_ip4(&f, 17, FLOOD(i % 60000), PLC(i % 7), 64);
		frame_add(&f, "\x04\0\x01\xf6\0\0\0\0", 8); /* 1024 to 502 */
		frame_add(&f, "\0\1\0\0\0\6\1\3\0\0\0\1", 12);
		return plant_put(x, frame_end(&f, 17, 0)).fate == FATE_FORWARD;
	case KINDS:
		break;
	}
	return false;
}

/* The table is far too small for the flood; the polls of the other zone never miss. */
static void
a_flood_from_one_zone(void **state)
{
	(void)state;
	for (unsigned policy = 0; policy < 2; policy++)
		for (enum kind kind = SYNS; kind < KINDS; kind++) {
			struct plant *x = plant_new(true, policy ? said : even, 0, 256);
			struct wire w[60];
			uint16_t txn = 0;
			uint32_t n = 0;

			for (unsigned i = 0; i < 40; i++) {
				w[i] = plant_wire(x, POLLER(i), 40000, PLC(i), 502);
				assert_true(plant_open(x, &w[i]));
			}
			for (unsigned round = 0; round < 200; round++) {
				for (unsigned i = 0; i < 50; i++)
					(void)flood_one(x, kind, n++);
				for (unsigned i = 0; i < 40; i++)
					assert_true(plant_poll(x, &w[i], ++txn, 0, 3));
				if (round < 20) { /* and new sessions of it begin */
					w[40 + round] = plant_wire(
					    x, POLLER(40 + round), 40000, PLC(round), 502);
					assert_true(plant_open(x, &w[40 + round]));
				} else {
					assert_true(
					    plant_poll(x, &w[40 + round % 20], ++txn, 0, 3));
				}
				x->now_ns += 100000000;
			}
			assert_int_equal(x->e->quotas.q[0].used, 60);
			assert_int_equal(x->e->quotas.q[0].young, 0);
			assert_true(plant_stats(x)->flows_active <= 256);
			assert_true(x->e->quotas.refused + x->e->quotas.displaced > 9000 ||
				    kind == MIDSTREAM);
			assert_int_equal(x->e->quotas.q[1].used, plant_stats(x)->flows_active - 60);
			plant_free(x);
		}
}

static void
a_flood_over_ipv6(void **state)
{
	static struct frame f;
	struct plant *x = plant_new(true, even, 0, 64);
	uint8_t src[16] = {0xfd, 0, 0, 3}, dst[16] = {0xfd, 0, 0, 2, [15] = 1};
	struct wire w = plant_wire(x, POLLER(1), 40000, PLC(1), 502);
	uint16_t txn = 0;

	(void)state;
	assert_true(plant_open(x, &w));
	for (uint32_t i = 0; i < 5000; i++) {
		wire_put32(src + 12, i);
		frame_eth(&f, 0, 0, 0x86dd);
		frame_ip6(&f, 6, src, dst, 64, NULL, 0);
		frame_tcp(&f, 40000, 502, i, 0, SYN, NULL, 0);
		assert_int_equal(plant_put(x, frame_end(&f, 6, 0)).fate, FATE_FORWARD);
		assert_true(plant_poll(x, &w, ++txn, 0, 3));
	}
	src[3] = 1; /* and a poll over IPv6 finds a place */
	frame_eth(&f, 0, 0, 0x86dd);
	frame_ip6(&f, 6, src, dst, 64, NULL, 0);
	frame_tcp(&f, 40000, 502, 1, 0, SYN, NULL, 0);
	assert_int_equal(plant_put(x, frame_end(&f, 6, 0)).fate, FATE_FORWARD);
	assert_int_equal(x->e->quotas.q[0].used, 2);
	plant_free(x);
}

/* In one conduit: those who talk stay, half open ones and silent ones give way. */
static void
among_themselves(void **state)
{
	struct plant *x = plant_new(true, said, 0, 256);
	struct wire w[200];
	unsigned in = 0;

	(void)state;
	for (unsigned i = 0; i < 15; i++) {
		w[i] = plant_wire(x, FLOOD(i), 40000, PLC(i), 502);
		assert_true(plant_open(x, &w[i]));
	}
	for (uint32_t i = 0; i < 1000; i++)
		assert_true(flood_one(x, SYNS, 1000 + i));
	for (unsigned i = 0; i < 15; i++)
		assert_true(plant_poll(x, &w[i], (uint16_t)i, 0, 3));
	assert_int_equal(x->e->quotas.q[1].young, 10); /* half of its 20 */
	/* everybody opens: up to the commons, then no more */
	for (unsigned i = 15; i < 200; i++) {
		w[i] = plant_wire(x, FLOOD(i), 40000, PLC(i), 502);
		in += plant_open(x, &w[i]);
	}
	assert_int_equal(in, 20 + 256 / 4 - 15); /* its own and the commons */
	for (unsigned i = 0; i < 15; i++)
		assert_true(plant_poll(x, &w[i], (uint16_t)(100 + i), 0, 3));
	/* six minutes later only the first are still there */
	for (unsigned t = 0; t < 6; t++) {
		x->now_ns += UINT64_C(60000000000);
		for (unsigned i = 0; i < 15; i++)
			assert_true(plant_poll(x, &w[i], (uint16_t)(200 + 20 * t + i), 0, 3));
	}
	for (unsigned i = 0; i < 40; i++) {
		struct wire fresh = plant_wire(x, FLOOD(300 + i), 40000, PLC(i), 502);

		assert_true(plant_open(x, &fresh));
	}
	for (unsigned i = 0; i < 15; i++)
		assert_true(plant_poll(x, &w[i], (uint16_t)(800 + i), 0, 3));
	plant_free(x);
}

/* Accounts and lists hold under anything: policies, ends, floods. */
static void
check(struct plant *x)
{
	struct quotas *qs = &x->e->quotas;
	uint64_t used = 0, over = 0;

	for (uint32_t a = 0; a < QUOTAS + 2; a++) {
		const struct quota *q = &qs->q[a];
		uint32_t n[2] = {0, 0};

		for (unsigned k = 0; k < 2; k++) {
			uint32_t prev = FLOW_NONE;

			for (uint32_t i = q->head[k]; i != FLOW_NONE; i = qs->link[i].next) {
				assert_int_equal(qs->link[i].prev, prev);
				assert_int_equal(qs->link[i].list, k);
				assert_true(x->e->flows.flows[i].wheel_slot != UINT16_MAX);
				prev = i;
				n[k]++;
			}
			assert_int_equal(q->tail[k], prev);
		}
		assert_int_equal(n[0], q->young);
		assert_int_equal(n[0] + n[1], q->used);
		used += q->used;
		over += q->used > q->keep ? q->used - q->keep : 0;
	}
	assert_int_equal(used, plant_stats(x)->flows_active);
	assert_int_equal(over, qs->over);
}

static void
accounts_hold(void **state)
{
	static const char *const texts[] = {
	    even, said, NULL, HEAD "conduits:\n" CONDUIT("mail", "office", "    flows: 3000\n")};
	struct plant *x = plant_new(true, even, 0, 128);
	struct wire w[64] = {0};
	uint32_t seed = 9;

	(void)state;
	for (unsigned step = 0; step < 6000; step++) {
		uint32_t r = (seed = seed * 1103515245 + 12345) >> 8, i = (r >> 8) % 64;

		switch (r % 8) {
		case 0:
			w[i] = plant_wire(x, (i & 1 ? POLLER(i) : FLOOD(i)),
			    (uint16_t)(40000 + r % 3), PLC(i), 502);
			(void)plant_open(x, &w[i]);
			break;
		case 1:
			(void)flood_one(x, (enum kind)(r / 16 % KINDS), r);
			break;
		case 2:
			if (w[i].side[0].ip)
				(void)plant_put(x, wire_tcp(&w[i], CLIENT, RST | ACK, NULL, 0));
			break;
		case 3:
			if (r / 16 % 20 == 0)
				plant_policy(x, texts[r / 512 % 4]);
			break;
		case 4:
			engine_tick(x->e, x->now_ns += UINT64_C(1000000000) * (r / 16 % 40));
			break;
		default:
			if (w[i].side[0].ip)
				(void)plant_poll(x, &w[i], (uint16_t)step, 0, 3);
		}
		if (step % 16 == 0)
			check(x);
	}
	check(x);
	plant_free(x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_flood_from_one_zone),
	    cmocka_unit_test(a_flood_over_ipv6),
	    cmocka_unit_test(among_themselves),
	    cmocka_unit_test(accounts_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
