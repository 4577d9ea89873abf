/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fastpath_test.c - conversations through an engine and, below it, the twin of a kernel that judges
 * what it can (fastpath_twin.h), by seed.
 *
 * Between the two lie the rings: frames wait there, are seen late, are lost.  The network loses,
 * repeats and reorders; somebody sends what went by once more with other bytes; policies change below
 * first and above later; the engine dies and another takes over what is below.  What must hold is in
 * ends.h and ends_talk.h: every byte that a program reads is the one that was written, what is
 * denied is refused and never arrives, nobody is stuck, packets balance, all memory comes back.
 * And requests and answers are counted once, whoever judged them.
 *
 * FAST_SEED=N runs that one seed, with every frame on standard error when FAST_TRACE is set;
 * FAST_RUNS=N sets how many seeds there are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <signal.h>

#include "dataplane/handover.h"
#include "dataplane/shadow.h"
#include "tests/unit/ends_talk.h"
#include "tests/unit/fastpath_twin.h"

#define RUNS 200
#define RING 64u
#define PAST 8u /* data frames that somebody has kept to send them again */

struct kept {
	uint64_t at; /* ms: not seen before */
	uint16_t n;
	uint8_t b[FRAME_MAX];
};

struct under {
	struct twin twin;
	struct kept ring[2][RING];
	unsigned n[2];
	struct kept past[2][PAST];
	unsigned n_past[2];
	uint32_t lose, late, idle; /* per mille lost in the rings; ms; per mille of looks missed */
	uint32_t forge;		   /* per mille of ms in which something is sent again, changed */
	uint64_t swap_at;	   /* ms: the engine gets the other policy */
	uint32_t swap;		   /* per mille of ms in which the policy changes below */
	unsigned policy;
	bool open; /* the engine is away, and what comes passes unjudged */
};

static struct policy *policy[2];
static uint64_t at_seed;
static struct twin_stats sum;
static uint64_t sum_waits, sum_open, sum_forged, sum_swaps, sum_taken_over;

static int
setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct complaints c = {0};

		policy[i] = policy_build_text("test", talk_rules, sizeof(talk_rules) - 1, &c);
		complaints_print(&c, stderr);
		complaints_fini(&c);
		if (!policy[i])
			return -1;
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	policy_free(policy[0]);
	policy_free(policy[1]);
	return 0;
}

static void
on_abort(int sig)
{
	(void)sig;
	fprintf(stderr, "seed %llu: FAST_SEED=%llu FAST_TRACE=1 shows it\n",
	    (unsigned long long)at_seed, (unsigned long long)at_seed);
}

/* --- below the engine ----------------------------------------------------------------------- */

static bool
below(struct ends *w, unsigned port, const uint8_t *b, uint32_t n)
{
	struct under *u = w->under;
	struct pkt p = {.bytes = b, .caplen = n, .wirelen = n, .port = (uint8_t)port};
	struct kept *k;
	uint64_t at;

	if (u->open) { /* as fast.bpf.h counts it */
		struct fast_flow *f = &u->twin.e[0].f;

		f->epoch += f->theirs;
		f->theirs = false;
		f->lost = true;
		f->up++;
		ends_out(w, &p);
		return true;
	}
	if (twin_frame(&u->twin, port, b, n)) {
		ends_out(w, &p);
		return true;
	}
	if (ends_random(w, 1000) < u->lose || u->n[port] == RING)
		return true;
	k = &u->ring[port][u->n[port]++];
	at = w->now + (u->late ? ends_random(w, u->late + 1) : 0);
	k->at = u->n[port] > 1 && k[-1].at > at ? k[-1].at : at; /* a ring keeps its order */
	k->n = (uint16_t)n;
	memcpy(k->b, b, n);
	return true;
}

/* What the worker does: rings, engine, and when they are empty it says so. */
static void
pump(struct ends *w)
{
	struct under *u = w->under;

	if (ends_random(w, 1000) < u->idle)
		return;
	for (;;) {
		bool has[2] = {
		    u->n[0] && u->ring[0][0].at <= w->now, u->n[1] && u->ring[1][0].at <= w->now};
		unsigned port = has[0] && has[1] ? ends_random(w, 2) : has[1];
		struct kept k;

		if (!has[port])
			break;
		k = u->ring[port][0];
		memmove(&u->ring[port][0], &u->ring[port][1], --u->n[port] * sizeof(k));
		ends_engine(w, port, k.b, k.n);
	}
	engine_quiet(w->e);
}

/* Somebody listens on both sides. */
static bool
note(struct ends *w, unsigned to, const struct layers *l, const uint8_t *b)
{
	struct under *u = w->under;
	unsigned port = to ^ 1;
	struct kept *k;

	if (l->pay_len < 10)
		return false;
	k = &u->past[port][u->n_past[port]++ % PAST];
	k->n = (uint16_t)(l->pay_off + l->pay_len);
	memcpy(k->b, b, k->n);
	return false;
}

/* And sends one of them again, as it was or with other bytes. */
static void
forge(struct ends *w)
{
	struct under *u = w->under;
	unsigned port = ends_random(w, 2);
	struct pkt p = {.port = (uint8_t)port};
	struct layers l = {0};
	struct kept k;

	if (!u->n_past[port] || ends_random(w, 1000) >= u->forge)
		return;
	k = u->past[port][ends_random(w, u->n_past[port] < PAST ? u->n_past[port] : PAST)];
	p.bytes = k.b;
	p.caplen = p.wirelen = k.n;
	if (decode(&p, &l) != DROP_NONE)
		return;
	if (ends_random(w, 4))
		k.b[l.pay_off + ends_random(w, l.pay_len)] ^= (uint8_t)(1 + ends_random(w, 255));
	inline_lengths(k.b, &l, k.n);
	sum_forged++;
	ends_guard(w, port, k.b, k.n);
}

static void
swap(struct ends *w)
{
	struct under *u = w->under;

	if (u->swap_at == 0 && ends_random(w, 1000) < u->swap) {
		u->policy ^= 1;
		u->twin.generation = policy_generation(policy[u->policy]);
		u->swap_at = w->now + 1 + ends_random(w, 20);
		sum_swaps++;
	}
	if (u->swap_at != 0 && w->now >= u->swap_at) {
		engine_set_policy(w->e, policy[u->policy]);
		u->swap_at = 0;
	}
}

static void
step(struct conversation *c)
{
	ends_tick(c->w);
	pump(c->w);
	forge(c->w);
	swap(c->w);
	talk_client(c);
	talk_server(c);
}

/* --- conversations ------------------------------------------------------------------------------ */

static struct ends *
begin(uint64_t seed, enum speech speech, struct under *u, struct conversation *c)
{
	struct ends *w;

	at_seed = seed;
	memset(u, 0, sizeof(*u));
	twin_init(&u->twin, seed * 77 + 5);
	u->twin.generation = policy_generation(policy[0]);
	ends_fast = &u->twin.path;
	w = ends_new(policy[0], seed, speech_port[speech]);
	w->under = u;
	w->below = below;
	w->on_frame = note;
	w->trace = getenv("FAST_TRACE") != NULL;
	w->v6 = ends_random(w, 3) == 0;
	w->vlan = ends_random(w, 3) == 0;
	w->bind = 0;
	c->w = w;
	c->speech = speech;
	return w;
}

static void
finish(struct conversation *c, struct under *u)
{
	struct ends *w = c->w;
	const struct fast_stats *fs;
	uint64_t limit = w->now + 120000;

	w->end[CLIENT].fin = true;
	end_push(w, &w->end[CLIENT]);
	u->forge = u->swap = 0;
	while (w->now < limit && !(w->end[0].fin_acked && w->end[1].fin_acked)) {
		step(c);
		if (w->end[CLIENT].got_fin || w->end[SERVER].got_fin) {
			w->end[SERVER].fin = true;
			end_push(w, &w->end[SERVER]);
		}
	}
	WANT(w, w->end[0].fin_acked && w->end[1].fin_acked);
	WANT(w, w->end[0].got == w->end[0].far && w->end[1].got == w->end[1].far);
	WANT(w, engine_stats(w->e)->resets == 0);
	fs = engine_fast(w->e);
	WANT(w, fs != NULL);
	sum_waits += fs->waits;
	sum.passed += u->twin.st.passed;
	sum.up += u->twin.st.up;
	sum.takes += u->twin.st.takes;
	sum.returns += u->twin.st.returns;
	sum.again += u->twin.st.again;
	free(c);
	ends_free(w);
	for (unsigned i = 0; i < TWIN_SLOTS; i++)
		if (u->twin.e[i].used) {
			fprintf(stderr, "an entry was forgotten\n");
			abort();
		}
	free(u);
	ends_fast = NULL;
}

static void
stuck(const struct conversation *c)
{
	fprintf(stderr, "stuck: %s, %u of %u sent, %u answered, %u refused; states %u %u\n",
	    speech_name[c->speech], c->sent, c->n, c->answers, c->refusals, c->w->end[0].state,
	    c->w->end[1].state);
	abort();
}

static void
play(uint64_t seed, enum speech speech)
{
	struct under *u = calloc(1, sizeof(*u));
	struct conversation *c = calloc(1, sizeof(*c));
	struct ends *w = begin(seed, speech, u, c);
	const struct engine_stats *st;
	unsigned bad = ends_random(w, 3) ? 0 : ends_random(w, 100);

	w->delay = 1 + ends_random(w, 5);
	if (ends_random(w, 3)) {
		w->loss = ends_random(w, 60);
		w->twice = ends_random(w, 60);
		w->jitter = ends_random(w, 2) ? ends_random(w, 8) : 0;
	}
	if (ends_random(w, 2)) {
		u->lose = ends_random(w, 60);
		u->late = ends_random(w, 6);
		u->idle = ends_random(w, 500);
	}
	/* Behind a refusal the numbers of what left are other ones. */
	u->forge = !bad && ends_random(w, 2) ? ends_random(w, 60) : 0;
	u->swap = ends_random(w, 3) ? 0 : ends_random(w, 10);
	for (unsigned i = 0; i < 2; i++) {
		struct end *t = &w->end[i];

		t->isn = ends_random(w, 2) ? 0u - ends_random(w, 3000) : ends_random(w, UINT32_MAX);
		if (ends_random(w, 4) == 0)
			t->isn = 0x80000000u - ends_random(w, 3000);
		t->can_sack = ends_random(w, 4) != 0;
		t->can_ts = ends_random(w, 3) != 0;
		t->can_scale = ends_random(w, 3) != 0;
		t->scale = (uint8_t)ends_random(w, 8);
		t->nagle = ends_random(w, 2);
		t->delack = ends_random(w, 2);
		t->mss = ends_random(w, 3) ? 1460 : (uint16_t)(300 + ends_random(w, 300));
		t->cwnd = 10u * t->mss;
		t->buffer = ends_random(w, 4) ? 64240 : 2000 + ends_random(w, 4000);
	}
	c->n = 20 + ends_random(w, 200);
	c->depth = ends_random(w, 2) ? 1 : 1 + ends_random(w, 8);
	c->split = ends_random(w, 4) ? 0 : 20;
	c->think = ends_random(w, 2) ? 0 : ends_random(w, 60);
	for (unsigned i = 0; i < c->n; i++)
		talk_job(c, i, bad);
	ends_connect(w);
	while (!talk_over(c) && w->now < 600000) {
		step(c);
		if (u->twin.e[0].f.n_open > 1)
			sum_open++;
	}
	if (!talk_over(c))
		stuck(c);
	ends_wait(w, 300); /* what is below is looked at, now and then */
	st = engine_stats(w->e);
	WANT(w, engine_fast(w->e)->packets == u->twin.st.passed || u->n[0] + u->n[1] > 0);
	WANT(w, st->refused == c->refusals);
	WANT(w, st->would[VERDICT_REJECT] == c->refusals);
	WANT(w, st->requests == c->n);
	WANT(w, st->responses == c->answers);
	finish(c, u);
}

static void
all(enum speech speech)
{
	const char *one = getenv("FAST_SEED"), *runs = getenv("FAST_RUNS");
	unsigned n = runs ? (unsigned)strtoul(runs, NULL, 10) : RUNS;

	(void)signal(SIGABRT, on_abort);
	if (one && strtoull(one, NULL, 10) % SPEAK__N == speech)
		play(strtoull(one, NULL, 10), speech);
	for (unsigned i = 0; i < n && !one; i++)
		play(i * 4 + speech, speech);
	if (one)
		return;
	fprintf(stderr,
	    "%s: %llu frames below, %llu above; taken %llu, given back %llu, passed again %llu, "
	    "dropped above %llu, forged %llu, policies %llu\n",
	    speech_name[speech], (unsigned long long)sum.passed, (unsigned long long)sum.up,
	    (unsigned long long)sum.takes, (unsigned long long)sum.returns,
	    (unsigned long long)sum.again, (unsigned long long)sum_waits,
	    (unsigned long long)sum_forged, (unsigned long long)sum_swaps);
	/* All of it has happened, or this shows nothing. */
	assert_true(sum.passed > 20 * n && sum.takes > n && sum.returns > n / 2);
	assert_true(sum.again > 0 && sum_waits > 0 && sum_open > 0 && sum_forged > n);
	assert_true(sum_swaps > n / 4);
	memset(&sum, 0, sizeof(sum));
	sum_waits = sum_open = sum_forged = sum_swaps = 0;
}

static void
modbus(void **state)
{
	(void)state;
	all(SPEAK_MODBUS);
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

/*
 * In the middle of polling the server says that the name space of what is polled is another one, which the policy
 * denies: what was allowed before, word for word the same, is refused from then on, though nobody
 * told them below.
 */
static void
other_names(void **state)
{
	static const char was
	    [] = "    opcua:\n",
	 is[] =
	     "    opcua:\n      deny: [{name: no, services: [Read], nodes: [\"nsu=urn:no;*\"]}]\n";
	const char *at = strstr(talk_rules, was);
	struct policy *usual = policy[0];
	struct complaints no = {0};
	char text[sizeof(talk_rules) + sizeof(is)];
	uint64_t passed = 0;

	(void)state;
	(void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - talk_rules), talk_rules, is,
	    at + sizeof(was) - 1);
	policy[0] = policy_build_text("test", text, strlen(text), &no);
	complaints_fini(&no);
	assert_non_null(policy[0]);
	for (unsigned seed = 0; seed < 20; seed++) {
		struct under *u = calloc(1, sizeof(*u));
		struct conversation *c = calloc(1, sizeof(*c));
		struct ends *w = begin(seed, SPEAK_OPCUA, u, c);
		unsigned m = 100 + ends_random(w, 50);

		c->n = m + 100;
		c->depth = 1 + ends_random(w, 3);
		c->think = 20;
		for (unsigned i = 0; i < c->n; i++) {
			struct job *j = &c->job[i];

			talk_job(c, i, 0);
			if (i == 4 || i == m) {
				j->alone = true;
				j->n_req = talk_words(c, j->req, "> MSG Read i=2255");
				j->n_res = talk_words(c, j->res,
				    i == 4 ? "< MSG Namespaces urn:0 urn:1 urn:yes"
					   : "< MSG Namespaces urn:0 urn:1 urn:no");
			} else if (i > m && i <= m + 80) { /* below has it again meanwhile */
				j->n_req = talk_words(c, j->req, "> MSG Read i=2255/1");
				j->n_res = talk_words(c, j->res, "< MSG Read.");
			} else if (i > m) {
				j->bad = true;
				j->n_res = 0;
			}
		}
		ends_connect(w);
		while (!talk_over(c) && w->now < 600000)
			step(c);
		WANT(w, talk_over(c));
		WANT(w, c->refusals == 19 && c->answers == m + 81);
		WANT(w, engine_stats(w->e)->would[VERDICT_REJECT] == 19);
		passed += u->twin.st.passed;
		finish(c, u);
	}
	assert_true(passed > 20 * 50);
	policy_free(policy[0]);
	policy[0] = usual;
	memset(&sum, 0, sizeof(sum));
}

/* --- other engines ------------------------------------------------------------------------------- */

static struct engine *
another(struct ends *w, struct under *u)
{
	const struct engine_conf conf = {.memory_bytes = 2u << 20,
	    .max_flows = 64,
	    .seed = 9,
	    .inline_mode = true,
	    .policy = policy[0],
	    .io = &w->io,
	    .fast = &u->twin.path};
	struct engine *e = engine_new(&conf);

	engine_tick(e, w->start_ns + w->now * MS);
	return e;
}

static enum speech
any_speech(unsigned i)
{
	static const enum speech all[3] = {SPEAK_MODBUS, SPEAK_S7, SPEAK_OPCUA};

	return all[i % 3];
}

/* Quick polls on a good network; until somebody below has the connection. */
static struct conversation *
polls(uint64_t seed, enum speech speech, struct under *u)
{
	struct conversation *c = calloc(1, sizeof(*c));
	struct ends *w = begin(seed, speech, u, c);

	c->n = 200 + ends_random(w, 100);
	c->depth = 1 + ends_random(w, 3);
	c->think = speech == SPEAK_OPCUA ? 20 : 0; /* it takes a while until all is known below */
	for (unsigned i = 0; i < c->n; i++)
		talk_job(c, i, 0);
	ends_connect(w);
	for (unsigned more = 5 + ends_random(w, 200); !talk_over(c) && more > 0;) {
		step(c);
		more -= u->twin.e[0].f.theirs;
	}
	WANT(w, !talk_over(c));
	while (!u->twin.e[0].f.theirs && !talk_over(c))
		step(c);
	return c;
}

/* The engine is killed: polls go on without one, and with the next. */
static void
killed(void **state)
{
	(void)state;
	(void)signal(SIGABRT, on_abort);
	for (unsigned i = 0; i < 100; i++) {
		struct under *u = calloc(1, sizeof(*u));
		struct conversation *c = polls(i, any_speech(i), u);
		struct ends *w = c->w;
		unsigned before;

		engine_free(w->e); /* no word of farewell */
		w->e = another(w, u);
		u->n[0] = u->n[1] = 0;
		before = c->answers;
		for (unsigned k = 0; k < 60; k++) { /* nobody is there */
			ends_tick(w);
			WANT(w, u->n[0] + u->n[1] == 0);
			talk_client(c);
			talk_server(c);
		}
		WANT(w, c->answers > before || talk_over(c));
		sum_taken_over += engine_take_over_fast(w->e);
		while (!talk_over(c) && w->now < 600000)
			step(c);
		if (!talk_over(c))
			stuck(c);
		WANT(w, w->end[CLIENT].resent == 0);
		finish(c, u);
	}
	assert_int_equal(sum_taken_over, 100);
	memset(&sum, 0, sizeof(sum));
}

struct blob {
	size_t n;
	uint8_t b[1u << 16];
};

static int
blob_put(void *ctx, const void *p, size_t n)
{
	struct blob *b = ctx;

	assert_true(b->n + n <= sizeof(b->b));
	memcpy(b->b + b->n, p, n);
	b->n += n;
	return 0;
}

/* A successor takes over, with a kernel of its own. */
static void
handed_over(void **state)
{
	unsigned with = 0;

	(void)state;
	(void)signal(SIGABRT, on_abort);
	for (unsigned i = 0; i < 100; i++) {
		struct under *u = calloc(1, sizeof(*u));
		struct conversation *c = polls(i, any_speech(i), u);
		struct ends *w = c->w;
		struct blob *b = calloc(1, sizeof(*b));
		struct engine *old = w->e;
		struct handover h;

		assert_int_equal(engine_export(old, false, blob_put, b), 0);
		with += guard_of(w->e, ends_flow(w))->unseen == CELL_NONE;
		engine_finish(old);
		WANT(w, engine_balanced(engine_stats(old)));
		engine_free(old);
		twin_init(&u->twin, i);
		u->twin.generation = policy_generation(policy[0]);
		w->e = another(w, u);
		u->n[0] = u->n[1] = 0;
		assert_int_equal(engine_import(w->e, b->b, b->n, &h), 0);
		free(b);
		while (!talk_over(c) && w->now < 600000)
			step(c);
		if (!talk_over(c))
			stuck(c);
		finish(c, u);
	}
	assert_true(with > 10);
	memset(&sum, 0, sizeof(sum));
}

/* A successor with the same kernel: polls go on all the while, and the connection is in one of the two
 * places, never in both. */
static void
left_below(void **state)
{
	unsigned below = 0;

	(void)state;
	(void)signal(SIGABRT, on_abort);
	for (unsigned i = 0; i < 100; i++) {
		struct under *u = calloc(1, sizeof(*u));
		struct conversation *c = polls(i, any_speech(i), u);
		struct ends *w = c->w;
		struct blob *b = calloc(1, sizeof(*b));
		struct engine *old = w->e;
		struct handover h;
		bool theirs;

		assert_int_equal(engine_export(old, true, blob_put, b), 0);
		engine_free(old); /* without engine_finish() */
		theirs = u->twin.e[0].f.theirs;
		w->e = another(w, u);
		u->n[0] = u->n[1] = 0;
		for (unsigned k = 0; k < 60 && theirs; k++) { /* nobody is there */
			ends_tick(w);
			WANT(w, u->n[0] + u->n[1] == 0);
			talk_client(c);
			talk_server(c);
		}
		assert_int_equal(engine_take_over_fast(w->e), theirs);
		assert_int_equal(engine_import(w->e, b->b, b->n, &h), 0);
		WANT(w, h.flows + theirs <= 1);
		below += theirs;
		free(b);
		while (!talk_over(c) && w->now < 600000)
			step(c);
		if (!talk_over(c))
			stuck(c);
		finish(c, u);
	}
	assert_true(below > 50);
	memset(&sum, 0, sizeof(sum));
}

/* The engine was away, what fails open has passed, and a successor comes before the connection was heard of
 * again: nobody goes on with the numbers of before. */
static void
unjudged(void **state)
{
	unsigned n = 0;

	(void)state;
	(void)signal(SIGABRT, on_abort);
	for (unsigned i = 0; i < 100; i++) {
		struct under *u = calloc(1, sizeof(*u));
		struct conversation *c = polls(i, any_speech(i / 2), u);
		struct ends *w = c->w;
		struct blob *b = calloc(1, sizeof(*b));
		struct engine *old = w->e;
		unsigned before = c->answers;
		struct handover h;
		bool lost;

		u->open = true;
		for (unsigned k = 0; k < 200 && c->answers < before + 3 && !talk_over(c); k++) {
			ends_tick(w);
			talk_client(c);
			talk_server(c);
		}
		u->open = false;
		lost = u->twin.e[0].f.lost;
		assert_int_equal(engine_export(old, i % 2, blob_put, b), 0);
		engine_free(old);
		twin_init(&u->twin, i);
		u->twin.generation = policy_generation(policy[0]);
		w->e = another(w, u);
		u->n[0] = u->n[1] = 0;
		assert_int_equal(engine_import(w->e, b->b, b->n, &h), 0);
		free(b);
		WANT(w, h.flows == 0 || !lost);
		n += lost;
		while (!talk_over(c) && w->now < 600000)
			step(c);
		if (!talk_over(c))
			stuck(c);
		finish(c, u);
	}
	assert_true(n > 80);
	memset(&sum, 0, sizeof(sum));
}

/* What comes back is taken over as it stands below. */
static void
numbers(void **state)
{
	(void)state;
	(void)signal(SIGABRT, on_abort);
	for (unsigned i = 0; i < 50; i++) {
		struct under *u = calloc(1, sizeof(*u));
		struct conversation *c = polls(i, any_speech(i), u);
		struct ends *w = c->w;
		const struct twin_entry *e = &u->twin.e[0];
		const struct flow *f;
		struct fast_flow was;

		while (!talk_over(c))
			step(c);
		WANT(w, e->f.theirs);
		was = e->f;
		w->end[CLIENT].fin = true;
		end_push(w, &w->end[CLIENT]);
		while (e->f.theirs) {
			was = e->f;
			ends_tick(w);
		}
		pump(w);
		f = ends_flow(w);
		WANT(w, f && f->state == FLOW_CLOSING);
		/* the server has not spoken since */
		WANT(w, f->dir[0].acked == was.way[0].acked && f->dir[0].nxt == was.way[0].next);
		WANT(w, f->dir[1].win == was.way[1].win && f->dir[1].nxt == was.way[1].next);
		WANT(w, guard_of(w->e, f)->ts[1] == was.way[1].ts && was.way[1].ts != 0);
		WANT(w, guard_of(w->e, f)->sent[0] == was.way[0].next &&
			    guard_of(w->e, f)->sent[1] == was.way[1].next);
		finish(c, u);
	}
	memset(&sum, 0, sizeof(sum));
}

/* A policy beside the one in force wants to see every PDU. */
static void
beside(void **state)
{
	(void)state;
	(void)signal(SIGABRT, on_abort);
	for (unsigned i = 0; i < 10; i++) {
		struct under *u = calloc(1, sizeof(*u));
		struct conversation *c = polls(i, any_speech(i), u);
		struct ends *w = c->w;

		engine_set_shadow(w->e, policy[1]);
		for (unsigned left = 1000; u->twin.e[0].f.theirs && left > 0; left--)
			step(c);
		while (!talk_over(c) && w->now < 600000) {
			step(c);
			WANT(w, !u->twin.e[0].f.theirs);
		}
		if (!talk_over(c))
			stuck(c);
		finish(c, u);
	}
	memset(&sum, 0, sizeof(sum));
}

/* A server on a port that its conduit does not serve, which is told of and goes on: the rules of the conduit
 * are not for it, so nobody below may judge it by them. */
static void
other_port(void **state)
{
	static const char was[2][24] = {"ports: [502, 4001]", "otherwise: reject"},
			  is[2][24] = {"ports: [4001]     ", "otherwise: alert "};
	struct policy *usual = policy[0];
	struct complaints no = {0};
	char text[sizeof(talk_rules)];

	(void)state;
	(void)signal(SIGABRT, on_abort);
	memcpy(text, talk_rules, sizeof(text));
	for (unsigned i = 0; i < 2; i++)
		memcpy(strstr(text, was[i]), is[i], strlen(is[i]));
	policy[0] = policy_build_text("test", text, strlen(text), &no);
	complaints_fini(&no);
	assert_non_null(policy[0]);
	for (unsigned seed = 0; seed < 10; seed++) {
		struct under *u = calloc(1, sizeof(*u));
		struct conversation *c = calloc(1, sizeof(*c));
		struct ends *w = begin(seed, SPEAK_MODBUS, u, c);

		c->n = 100;
		c->depth = 1;
		for (unsigned i = 0; i < c->n; i++)
			talk_job(c, i, 0);
		ends_connect(w);
		while (!talk_over(c) && w->now < 600000) {
			step(c);
			WANT(w, !u->twin.e[0].used);
		}
		if (!talk_over(c))
			stuck(c);
		WANT(w, ends_flow(w) && ends_flow(w)->dis < FLOW_DIS_NOBODY);
		finish(c, u);
	}
	policy_free(policy[0]);
	policy[0] = usual;
	assert_int_equal(sum.takes, 0);
	memset(&sum, 0, sizeof(sum));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(numbers),
	    cmocka_unit_test(beside), cmocka_unit_test(other_port), cmocka_unit_test(modbus),
	    cmocka_unit_test(s7), cmocka_unit_test(opcua), cmocka_unit_test(other_names),
	    cmocka_unit_test(killed), cmocka_unit_test(left_below), cmocka_unit_test(handed_over),
	    cmocka_unit_test(unjudged)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
