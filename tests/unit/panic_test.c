/* SPDX-License-Identifier: Apache-2.0 */
/* panic_test.c - stronger than the policy: open passes everything, island nothing (dataplane/panic.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/plant.h"

#define HMI 0x0a010205
#define PLC 0x0a010282

static const char text[] =
    "interlock: 1\nsite: test\nmode: enforce\n"
    "l2: {arp: any, allow: [lldp], otherwise: drop}\n"
    "zones:\n  it: {level: 3, nets: [10.1.2.0/25]}\n  ot: {level: 1, nets: [10.1.2.128/25]}\n"
    "devices:\n  hmi: {zone: it, ip: 10.1.2.5}\n"
    "conduits:\n  - name: poll\n    from: [hmi]\n    to: [ot/*]\n    otherwise: @@@@@@\n"
    "    modbus:\n      addressing: zero-based\n      allow:\n"
    "        - {name: reads, units: [1], functions: [3], holding: [0..9]}\n";

static const char *
policy(const char *otherwise)
{
	static char with[sizeof(text)];
	char *at;

	memcpy(with, text, sizeof(text));
	at = strstr(with, "@@@@@@");
	assert_non_null(at);
	memcpy(at, otherwise, 6);
	return with;
}

static const uint8_t write_it[12] = {0, 9, 0, 0, 0, 6, 1, 6, 0, 5, 0, 77};

/* Every otherwise: what is stopped passes as it came, is told, and is stopped again afterwards. */
static void
open_passes(void **state)
{
	static const char *const otherwise[] = {"drop  ", "reject", "reset "};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct plant *x = plant_new(true, policy(otherwise[i]), 0, 0);
		struct wire w = plant_wire(x, HMI, 40000, PLC, 502);
		struct pkt p;
		unsigned events;

		assert_true(plant_open(x, &w));
		engine_set_panic(x->e, PANIC_OPEN);
		assert_true(plant_poll(x, &w, 1, 0, 10));
		events = x->events;
		p = plant_say(x, &w, CLIENT, write_it, sizeof(write_it));
		assert_int_equal(p.fate, FATE_FORWARD);
		assert_memory_equal(p.bytes + p.caplen - 12, write_it, 12);
		assert_int_equal(x->events, events + 1);
		assert_int_equal(x->event_verdict.action, VERDICT_ALERT);
		assert_true(x->event_verdict.would >= VERDICT_REJECT);
		assert_int_equal(x->sent, 0); /* nothing of ours */
		assert_int_equal(plant_say(x, &w, SERVER, write_it, 12).fate, FATE_FORWARD);
		assert_true(plant_poll(x, &w, 10, 0, 10)); /* the connection lives */
		engine_set_panic(x->e, PANIC_OFF);
		assert_true(plant_poll(x, &w, 11, 0, 10));
		assert_int_not_equal(
		    plant_say(x, &w, CLIENT, write_it, sizeof(write_it)).fate, FATE_FORWARD);
		plant_free(x);
	}
}

/* Who may not talk at all, what is no Modbus, and what was ended before. */
static void
open_passes_all(void **state)
{
	struct plant *x = plant_new(true, policy("reset "), 0, 0);
	struct wire w = plant_wire(x, HMI + 1, 40000, PLC, 502);
	struct wire v = plant_wire(x, HMI, 40000, PLC, 502);
	uint64_t passed;
	struct pkt p;

	(void)state;
	assert_false(plant_open(x, &w));
	assert_true(plant_open(x, &v));
	assert_int_not_equal(plant_say(x, &v, CLIENT, write_it, 12).fate, FATE_FORWARD); /* reset */
	engine_set_panic(x->e, PANIC_OPEN);
	x->sent = 0;
	w = plant_wire(x, HMI + 1, 40001, PLC, 502);
	assert_true(plant_open(x, &w));
	assert_true(x->flow_events > 0);
	assert_true(plant_poll(x, &w, 1, 50, 10));
	assert_int_equal(plant_say(x, &w, CLIENT, "no Modbus at all", 16).fate, FATE_FORWARD);
	assert_int_equal(plant_say(x, &w, CLIENT, write_it, 12).fate, FATE_FORWARD);
	/* a connection that was reset: its ends may go on, for all we do */
	assert_int_equal(plant_say(x, &v, CLIENT, write_it, 12).fate, FATE_FORWARD);
	assert_int_equal(plant_say(x, &v, SERVER, write_it, 12).fate, FATE_FORWARD);
	assert_int_equal(x->sent, 0);
	/* a frame that is broken */
	passed = plant_stats(x)->passed_in_panic;
	p = wire_tcp(&w, CLIENT, ACK | PSH, write_it, 12);
	((uint8_t *)(uintptr_t)p.bytes)[p.caplen - 1] ^= 0xff; /* the checksum is another's now */
	assert_int_equal(plant_put(x, p).fate, FATE_FORWARD);
	assert_int_equal(plant_stats(x)->passed_in_panic, passed + 1);
	assert_true(engine_balanced(plant_stats(x)));
	engine_set_panic(x->e, PANIC_OFF);
	plant_free(x);
}

static struct pkt
frame(uint16_t type)
{
	static uint8_t buf[60] = {1, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 1};

	buf[12] = (uint8_t)(type >> 8);
	buf[13] = (uint8_t)type;
	return (struct pkt){.bytes = buf, .caplen = 60, .wirelen = 60, .link = LINK_ETHERNET};
}

static void
island(void **state)
{
	struct plant *x = plant_new(true, policy("drop  "), 0, 0);
	struct wire w = plant_wire(x, HMI, 40000, PLC, 502);
	struct pkt p;

	(void)state;
	assert_true(plant_open(x, &w));
	assert_true(plant_poll(x, &w, 1, 0, 10));
	/* one waits behind a hole */
	assert_int_equal(plant_put(x, wire_tcp_at(&w, CLIENT, w.side[CLIENT].seq + 12, ACK | PSH,
					  "\0\3\0\0\0\6\1\3\0\0\0\1", 12))
			     .fate,
	    FATE_HELD);
	print_message("%u sent before\n", x->sent);
	x->sent = 0;
	engine_set_panic(x->e, PANIC_ISLAND);
	assert_int_equal(plant_stats(x)->held, 0);
	assert_int_equal(plant_stats(x)->flows_active, 0);
	p = plant_say(x, &w, CLIENT, write_it, 12);
	assert_int_equal(p.fate, FATE_DROP);
	assert_int_equal(p.reason, DROP_PANIC_ISLAND);
	assert_false(plant_poll(x, &w, 2, 0, 10));
	assert_false(plant_open(x, &w));
	engine_tick(x->e, x->now_ns += UINT64_C(60000000000));
	assert_int_equal(x->sent, 0); /* nor does a timer send what was held */
	/* below IP the policy says */
	assert_int_equal(plant_put(x, frame(0x88cc)).fate, FATE_FORWARD);
	assert_int_equal(plant_put(x, frame(0x88b5)).fate, FATE_DROP);
	engine_set_panic(x->e, PANIC_OFF);
	w.side[CLIENT].port++;
	assert_true(plant_open(x, &w));
	assert_true(plant_poll(x, &w, 3, 0, 10));
	plant_free(x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(open_passes),
	    cmocka_unit_test(open_passes_all),
	    cmocka_unit_test(island),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
