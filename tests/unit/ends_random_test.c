/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ends_random_test.c - conversations with rejected requests in them, through a guard, over
 * networks that lose, repeat and reorder, by seed.
 *
 * What must hold is in ends.h (TCP) and ends_talk.h (what each program reads); and
 * here: nobody is stuck, both close, packets balance, nothing is held, all memory comes back.
 * ENDS_SEED=N runs that one seed, with every frame on standard error when ENDS_TRACE is set;
 * ENDS_RUNS=N sets how many seeds there are.  ENDS_CAPTURE=DIR: on a network that loses nothing, and
 * what each end sees is written there, for tests/e2e/repair_tshark.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <signal.h>

#include "tests/unit/ends_talk.h"

#define RUNS 600

static struct policy *policy;
static uint64_t at_seed;

static int
setup(void **state)
{
	struct complaints c = {0};

	(void)state;
	policy = policy_build_text("test", talk_rules, sizeof(talk_rules) - 1, &c);
	complaints_print(&c, stderr);
	complaints_fini(&c);
	return policy ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	policy_free(policy);
	return 0;
}

static void
on_abort(int sig)
{
	(void)sig;
	fprintf(stderr, "seed %llu: ENDS_SEED=%llu ENDS_TRACE=1 shows it\n",
	    (unsigned long long)at_seed, (unsigned long long)at_seed);
}

static bool
can_refuse(enum speech s)
{
	const struct dissector *d = dissector_lookup("opcua", NULL);

	return s != SPEAK_OPCUA || d->renumber;
}

/* One conversation; everything about it follows from the seed. */
static void
play(uint64_t seed, enum speech speech, bool trace)
{
	struct ends *w = ends_new(policy, seed, speech_port[speech]);
	struct conversation *c = calloc(1, sizeof(*c));
	const struct engine_stats *st;
	uint64_t limit;
	unsigned bad;

	at_seed = seed;
	w->trace = trace;
	w->v6 = ends_random(w, 3) == 0;
	w->vlan = ends_random(w, 3) == 0;
	w->delay = 1 + ends_random(w, 5);
	if (ends_random(w, 3)) {
		w->loss = ends_random(w, 60);
		w->twice = ends_random(w, 60);
		w->jitter = ends_random(w, 2) ? ends_random(w, 8) : 0;
	}
	if (getenv("ENDS_CAPTURE")) {
		w->loss = w->twice = w->jitter = 0;
		ends_capture(w, getenv("ENDS_CAPTURE"));
	}
	w->bind = (uint8_t)(BIND_REJECT | (ends_random(w, 2) ? BIND_STRICT : 0));
	for (unsigned i = 0; i < 2; i++) {
		struct end *t = &w->end[i];

		/* the wrap of numbers comes while they talk, or not */
		t->isn = ends_random(w, 2) ? 0u - ends_random(w, 3000) : ends_random(w, UINT32_MAX);
		if (ends_random(w, 4) == 0)
			t->isn = 0x80000000u - ends_random(w, 3000);
		t->can_sack = ends_random(w, 4) != 0;
		t->can_ts = ends_random(w, 3) != 0;
		t->can_scale = ends_random(w, 3) != 0;
		t->scale = (uint8_t)ends_random(w, 8);
		t->nagle = ends_random(w, 2);
		t->delack = ends_random(w, 2);
		t->mss = ends_random(w, 3) ? 1460 : (uint16_t)(48 + ends_random(w, 300));
		t->cwnd = ends_random(w, 4) ? 10u * t->mss : t->mss;
		t->buffer = ends_random(w, 4) ? 64240 : 2000 + ends_random(w, 4000);
	}
	c->w = w;
	c->speech = speech;
	c->n = 20 + ends_random(w, 60);
	c->depth = ends_random(w, 2) ? 1 : 1 + ends_random(w, 8);
	c->split = ends_random(w, 3) ? 0 : 400;
	c->think = ends_random(w, 2) ? 0 : ends_random(w, 60);
	bad = can_refuse(speech) ? ends_random(w, 700) : 0;
	for (unsigned i = 0; i < c->n; i++)
		talk_job(c, i, bad);
	ends_connect(w);
	talk_run(c, 600000);
	if (!talk_over(c)) {
		const struct end *a = &w->end[0], *b = &w->end[1];

		fprintf(stderr,
		    "stuck: %s, %u of %u sent, %u answered, %u refused; states %u %u; resets "
		    "%llu\n",
		    speech_name[speech], c->sent, c->n, c->answers, c->refusals, a->state, b->state,
		    (unsigned long long)engine_stats(w->e)->resets);
		for (unsigned i = 0; i < 2; i++)
			fprintf(stderr,
			    "end %u: una %u nxt %u most %u end %u right %u cwnd %u, got %u far %u "
			    "read to %u\n",
			    i, w->end[i].una, w->end[i].nxt, w->end[i].most, w->end[i].end,
			    w->end[i].right, w->end[i].cwnd, w->end[i].got, w->end[i].far,
			    c->parsed[i]);
		abort();
	}
	/* a quiet hour between, then both close */
	w->end[CLIENT].fin = true;
	end_push(w, &w->end[CLIENT]);
	if (ends_random(w, 2)) {
		w->end[SERVER].fin = true; /* both at the same time */
		end_push(w, &w->end[SERVER]);
	}
	limit = w->now + 120000;
	while (w->now < limit && !(w->end[0].fin_acked && w->end[1].fin_acked)) {
		ends_tick(w);
		if (w->end[CLIENT].got_fin || w->end[SERVER].got_fin) {
			w->end[SERVER].fin = true;
			end_push(w, &w->end[SERVER]);
		}
	}
	WANT(w, w->end[0].fin_acked && w->end[1].fin_acked);
	WANT(w, w->end[0].got == w->end[0].far && w->end[1].got == w->end[1].far);
	st = engine_stats(w->e);
	WANT(w, st->refused == c->refusals && st->resets == 0);
	WANT(w, st->overlap_differs == 0);
	free(c);
	ends_free(w);
}

static void
all(enum speech speech)
{
	const char *one = getenv("ENDS_SEED"), *runs = getenv("ENDS_RUNS");
	unsigned n = runs ? (unsigned)strtoul(runs, NULL, 10) : RUNS;

	(void)signal(SIGABRT, on_abort);
	if (one && strtoull(one, NULL, 10) % SPEAK__N == speech)
		play(strtoull(one, NULL, 10), speech, getenv("ENDS_TRACE") != NULL);
	for (unsigned i = 0; i < n && !one; i++)
		play(i * 4 + speech, speech, false);
}

static void
modbus(void **state)
{
	(void)state;
	all(SPEAK_MODBUS);
}

static void
rtu(void **state)
{
	(void)state;
	all(SPEAK_RTU);
}

static void
s7(void **state)
{
	(void)state;
	all(SPEAK_S7);
}

static void
opcua(void **state)
{
	(void)state;
	all(SPEAK_OPCUA);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(modbus), cmocka_unit_test(rtu),
	    cmocka_unit_test(s7), cmocka_unit_test(opcua)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
