/* SPDX-License-Identifier: Apache-2.0 */
/* wait_test.c - `limits: {timeout:}`: requests that nobody answers in time, told once each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "alerts/alert.h"
#include "dataplane/engine_int.h"
#include "tests/unit/wire.h"

enum { SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { CLIENT = 0, SERVER = 1 };

#define MS UINT64_C(1000000)

struct world {
	struct engine *e;
	struct policy *pol;
	struct wire w;
	struct io io;
	unsigned overdue, others;
	uint64_t frame; /* of the last one */
	uint32_t txn;
	char note[64];
};

static void
on_event(void *ctx, const struct event *ev)
{
	struct world *x = ctx;

	if (ev->kind == EVENT_PDU && ev->verdict.reason == REASON_LIMIT &&
	    ev->fact->kind == FACT_REQUEST) {
		assert_string_equal(policy_key_name(ev->verdict.rule), "timeout");
		assert_int_equal(ev->verdict.would, VERDICT_ALERT);
		assert_int_equal(ev->tuple->dport, 502);
		x->overdue++;
		x->frame = ev->frame;
		x->txn = ev->fact->txn;
		snprintf(x->note, sizeof(x->note), "%s", ev->note);
	} else {
		x->others++;
	}
}

static struct policy *
policy_of(const char *limits)
{
	struct complaints cs = {0};
	struct policy *p;
	char text[1024];

	snprintf(text, sizeof(text),
	    "interlock: 1\nmode: enforce\n"
	    "zones: {it: {nets: [10.1.2.0/25]}, ot: {nets: [10.1.2.128/25]}}\n"
	    "conduits:\n  - {name: poll, from: [it/*], to: [ot/*], modbus: {addressing: "
	    "zero-based,\n"
	    "     %s allow: [{name: r, units: all, functions: [3], holding: all}]}}\n",
	    limits);
	p = policy_build_text("wait", text, strlen(text), &cs);
	complaints_print(&cs, stderr);
	assert_non_null(p);
	complaints_fini(&cs);
	return p;
}

static void
handshake(struct world *x)
{
	struct pkt p[3] = {wire_tcp(&x->w, CLIENT, SYN, NULL, 0)};

	engine_burst(x->e, &p[0], 1);
	p[1] = wire_tcp(&x->w, SERVER, SYN | ACK, NULL, 0);
	engine_burst(x->e, &p[1], 1);
	p[2] = wire_tcp(&x->w, CLIENT, ACK, NULL, 0);
	engine_burst(x->e, &p[2], 1);
}

static struct world *
begin(const char *limits, bool inline_mode)
{
	struct world *x = calloc(1, sizeof(*x));
	struct engine_conf conf = {.memory_bytes = 4u << 20,
	    .seed = 3,
	    .inline_mode = inline_mode,
	    .ctx = x,
	    .on_event = on_event};

	x->pol = policy_of(limits);
	conf.policy = x->pol;
	x->e = engine_new(&conf);
	assert_non_null(x->e);
	x->w.now_ns = UINT64_C(1700000000000000000);
	x->w.side[CLIENT] = (struct wire_side){0x0a010205, 40000, 1000};
	x->w.side[SERVER] = (struct wire_side){0x0a010282, 502, 9000};
	handshake(x);
	return x;
}

static void
end(struct world *x)
{
	engine_finish(x->e);
	assert_true(engine_balanced(engine_stats(x->e)));
	engine_free(x->e);
	policy_free(x->pol);
	free(x);
}

static void
ask(struct world *x, uint8_t txn)
{
	const uint8_t b[12] = {0, txn, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1};
	struct pkt p = wire_tcp(&x->w, CLIENT, ACK | PSH, b, sizeof(b));

	engine_burst(x->e, &p, 1);
	assert_int_equal(p.fate, FATE_FORWARD);
}

static uint8_t
answer(struct world *x, uint8_t txn)
{
	const uint8_t b[11] = {0, txn, 0, 0, 0, 5, 1, 3, 2, 0, 7};
	struct pkt p = wire_tcp(&x->w, SERVER, ACK | PSH, b, sizeof(b));

	engine_burst(x->e, &p, 1);
	return p.fate;
}

static void
wait_ms(struct world *x, uint64_t ms)
{
	for (uint64_t i = 0; i < ms; i += 100) {
		x->w.now_ns += 100 * MS;
		engine_tick(x->e, x->w.now_ns);
	}
}

static void
told_once(void **state)
{
	struct world *x = begin("limits: {timeout: 2s},", false);

	(void)state;
	for (uint8_t i = 0; i < 50; i++) { /* a usual poll */
		ask(x, i);
		wait_ms(x, 100);
		(void)answer(x, i);
	}
	wait_ms(x, 3000);
	assert_int_equal(x->overdue, 0);
	ask(x, 60);
	wait_ms(x, 1900);
	assert_int_equal(x->overdue, 0);
	wait_ms(x, 400);
	assert_int_equal(x->overdue, 1);
	assert_int_equal(x->txn, 60);
	assert_string_equal(x->note, "no answer in time");
	wait_ms(x, 30000);
	assert_int_equal(x->overdue, 1);
	assert_int_equal(answer(x, 60), FATE_FORWARD); /* late: it passes, and is not told again */
	assert_int_equal(x->overdue, 1);
	assert_int_equal(x->others, 0);
	assert_int_equal(engine_stats(x->e)->overdue, 1);
	/* of several at once, those that wait */
	for (uint8_t i = 70; i < 75; i++)
		ask(x, i);
	(void)answer(x, 71);
	(void)answer(x, 73);
	wait_ms(x, 2500);
	assert_int_equal(x->overdue, 1 + 3);
	end(x);
}

/* Nobody has looked between the deadline and the answer: it is told all the same. */
static void
answered_too_late(void **state)
{
	struct world *x = begin("limits: {timeout: 60ms},", false);

	(void)state;
	ask(x, 1);
	x->w.now_ns += 61 * MS;
	(void)answer(x, 1);
	assert_int_equal(x->overdue, 1);
	ask(x, 2);
	x->w.now_ns += 50 * MS;
	(void)answer(x, 2);
	wait_ms(x, 1000);
	assert_int_equal(x->overdue, 1);
	end(x);
}

static void
late_answer_is_dropped(void **state)
{
	struct world *x = begin("limits: {timeout: 500ms, over: drop},", true);

	(void)state;
	ask(x, 1);
	wait_ms(x, 400);
	assert_int_equal(answer(x, 1), FATE_FORWARD);
	ask(x, 2);
	wait_ms(x, 700);
	assert_int_equal(x->overdue, 1);
	assert_int_equal(answer(x, 2), FATE_DROP);
	assert_int_equal(x->others, 1); /* the answer itself */
	end(x);
}

static void
ended_is_not_overdue(void **state)
{
	struct world *x = begin("limits: {timeout: 2s},", false);
	struct policy *other = policy_of("");
	struct pkt p;

	(void)state;
	ask(x, 1);
	p = wire_tcp(&x->w, CLIENT, RST | ACK, NULL, 0);
	engine_burst(x->e, &p, 1);
	wait_ms(x, 100000);
	assert_int_equal(x->overdue, 0);
	/* a policy that says nothing of it */
	x->w.side[CLIENT].port++;
	handshake(x);
	ask(x, 2);
	engine_set_policy(x->e, other);
	wait_ms(x, 5000);
	assert_int_equal(x->overdue, 0);
	policy_free(x->pol);
	x->pol = other;
	end(x);
}

/* More than the table holds: the oldest are not watched, which is counted. */
static void
more_than_fit(void **state)
{
	struct waits *ws = waits_new(0, 1);
	struct fact f = {.op = "x"};
	unsigned due = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		f.txn = i;
		waits_add(ws, (struct wait){.flow_hash = 7, .deadline_ns = 1000 + i}, &f);
	}
	assert_true(waits_lost(ws) >= 1000 - 64);
	while (waits_due(ws, 5000))
		due++;
	assert_int_equal(due + waits_lost(ws), 1000);
	assert_null(waits_due(ws, 6000));
	waits_free(ws);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(told_once),
	    cmocka_unit_test(answered_too_late),
	    cmocka_unit_test(late_answer_is_dropped),
	    cmocka_unit_test(ended_is_not_overdue),
	    cmocka_unit_test(more_than_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
