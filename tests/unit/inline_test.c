/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inline_test.c - what a guard does to one connection, case by case: half a PDU that waits,
 * resets, requests that are rejected.  ends_random_test.c does the same by chance.
 *
 * Two ends (ends.h) talk Modbus/TCP through the engine; reads of holding registers 0..99 are
 * allowed.  Requests are letters: A is a read, R a write that is rejected, L a long one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/ends_talk.h"

static struct policy *policy, *dropping, *resetting, *watching;

static struct policy *
build(const char *otherwise, const char *mode)
{
	struct complaints c = {0};
	char text[2048], *at;
	struct policy *p;

	snprintf(text, sizeof(text), "interlock: 1\nsite: test\nmode: %s\n%s", mode,
	    strstr(talk_rules, "zones:"));
	at = strstr(text, "otherwise: reject");
	memmove(at + 16, at + 17, strlen(at + 17) + 1);
	memcpy(at, "otherwise:      ", 16);
	memcpy(at + 11, otherwise, strlen(otherwise));
	p = policy_build_text("test", text, strlen(text), &c);
	if (!p)
		complaints_print(&c, stderr);
	complaints_fini(&c);
	return p;
}

static int
setup(void **state)
{
	struct complaints c = {0};

	(void)state;
	policy = policy_build_text("test", talk_rules, sizeof(talk_rules) - 1, &c);
	complaints_fini(&c);
	dropping = build("drop", "enforce");
	resetting = build("reset", "enforce");
	watching = build("alert", "alert");
	return policy && dropping && resetting && watching ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	policy_free(policy);
	policy_free(dropping);
	policy_free(resetting);
	policy_free(watching);
	return 0;
}

/* --- a conversation to look at ------------------------------------------------------------ */

static struct conversation *
begin(const struct policy *pol, const char *jobs)
{
	struct conversation *c = calloc(1, sizeof(*c));
	struct ends *w = ends_new(pol, 1, 502);

	w->bind = 0;
	c->w = w;
	c->depth = 16;
	for (; jobs[c->n]; c->n++) {
		struct job *j = &c->job[c->n];

		j->bad = jobs[c->n] != 'A';
		do
			talk_modbus(c, j, c->n);
		while (jobs[c->n] != 'A' && (jobs[c->n] == 'L') != (j->n_req > 100));
	}
	ends_connect(w);
	ends_wait(w, 10);
	WANT(w, w->end[0].state == END_OPEN && w->end[1].state == END_OPEN);
	return c;
}

static void
finish(struct conversation *c)
{
	ends_free(c->w);
	free(c);
}

/* All requests as one piece of bytes, written in two at `cut`. */
static void
say_at_once(struct conversation *c, uint32_t cut)
{
	uint8_t b[4000];
	uint32_t n = 0;

	for (unsigned i = 0; i < c->n; i++) {
		memcpy(b + n, c->job[i].req, c->job[i].n_req);
		n += c->job[i].n_req;
	}
	cut = cut < n ? cut : n;
	end_write(c->w, &c->w->end[CLIENT], b, cut);
	ends_wait(c->w, 5);
	end_write(c->w, &c->w->end[CLIENT], b + cut, n - cut);
	c->sent = c->open = c->n;
}

static uint32_t
length(const struct conversation *c)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < c->n; i++)
		n += c->job[i].n_req;
	return n;
}

static const struct engine_stats *
stats(const struct conversation *c)
{
	return engine_stats(c->w->e);
}

/* The network loses the next w->lose frames with bytes that go to the client. */
static bool
lose_to_client(struct ends *w, unsigned to, const struct layers *l, const uint8_t *b)
{
	(void)b;
	if (to != CLIENT || l->pay_len == 0)
		return false;
	w->seen++;
	return w->lose > 0 && w->lose-- > 0;
}

static bool
lose_to_server(struct ends *w, unsigned to, const struct layers *l, const uint8_t *b)
{
	(void)b;
	if (to != SERVER || l->pay_len == 0)
		return false;
	w->seen++;
	return w->lose > 0 && w->lose-- > 0;
}

/* --- reject ----------------------------------------------------------------------------------- */

/* First, in the middle, last, alone, several: cut in two at every byte. */
static void
reject_in_every_place(void **state)
{
	static const char *const orders[] = {
	    "R", "RA", "AR", "ARA", "AAR", "RAA", "ARRA", "LA", "ALA", "RLRARL"};

	(void)state;
	for (size_t k = 0; k < sizeof(orders) / sizeof(orders[0]); k++)
		for (uint32_t cut = 1, n = 2; cut < n; cut++) {
			struct conversation *c = begin(policy, orders[k]);

			n = length(c);
			c->w->end[CLIENT].nagle = cut & 1;
			say_at_once(c, cut);
			talk_run(c, 3000);
			if (!talk_over(c))
				print_error("%s cut at %u\n", orders[k], cut);
			assert_true(talk_over(c));
			assert_true(c->w->now < 700);
			assert_int_equal(stats(c)->held, 0);
			finish(c);
		}
}

static void
wrap_at_every_offset(void **state)
{
	(void)state;
	for (unsigned side = 0; side < 2; side++)
		for (uint32_t k = 0; k < 120; k++)
			for (unsigned half = 0; half < 2; half++) {
				struct conversation *c = begin(policy, "ARARA");
				struct ends *w = c->w;

				/* anew, with other numbers */
				finish(c);
				c = calloc(1, sizeof(*c));
				w = ends_new(policy, 1, 502);
				w->end[side].isn = (half ? 0x80000000u : 0) - k;
				c->w = w;
				c->depth = 3;
				c->n = 10;
				for (unsigned i = 0; i < c->n; i++)
					talk_job(c, i, 500);
				ends_connect(w);
				talk_run(c, 5000);
				assert_true(talk_over(c));
				finish(c);
			}
}

/* The refusal is lost, what comes behind it arrives: SACK asks for it, not for the server's. */
static void
refusal_is_lost(void **state)
{
	struct conversation *c = begin(policy, "RA");
	struct ends *w = c->w;
	uint64_t began = w->now;

	(void)state;
	w->on_frame = lose_to_client;
	w->lose = 1;
	say_at_once(c, UINT32_MAX);
	talk_run(c, 3000);
	assert_true(talk_over(c));
	assert_true(w->now - began < 150); /* not by time */
	assert_int_equal(w->end[SERVER].resent, 0);
	assert_int_equal(w->seen, 3); /* the refusal twice, the answer once */
	finish(c);

	/* without SACK, or with nothing behind it: by time */
	c = begin(policy, "R");
	w = c->w;
	w->on_frame = lose_to_client;
	w->lose = 3;
	say_at_once(c, UINT32_MAX);
	talk_run(c, 10000);
	assert_true(talk_over(c));
	assert_int_equal(w->seen, 4);
	assert_true(w->end[CLIENT].resent <= 1); /* the acknowledgement was lost as well */
	finish(c);
}

/* Nobody ever takes it: the connection is reset, and ends there. */
static void
refusal_is_never_taken(void **state)
{
	struct conversation *c = begin(policy, "R");
	struct ends *w = c->w;

	(void)state;
	w->on_frame = lose_to_client;
	w->lose = 1000;
	say_at_once(c, UINT32_MAX);
	ends_wait(w, 120000);
	assert_int_equal(stats(c)->resets, 1);
	assert_true(w->seen <= RESEND_TRIES + 2);
	assert_int_equal(w->end[SERVER].state, END_RESET);
	assert_int_equal(w->end[SERVER].challenges, 0);
	finish(c);
}

/* Half an answer is on its way: the refusal waits for its end. */
static void
refusal_waits_for_the_answer(void **state)
{
	struct conversation *c = begin(policy, "AR");
	struct ends *w = c->w;
	struct end *s = &w->end[SERVER];

	(void)state;
	end_write(w, &w->end[CLIENT], c->job[0].req, c->job[0].n_req);
	ends_wait(w, 10);
	end_write(w, s, c->job[0].res, 20);
	ends_wait(w, 10);
	end_write(w, &w->end[CLIENT], c->job[1].req, c->job[1].n_req);
	ends_wait(w, 1000);
	assert_int_equal(w->end[CLIENT].got, 20);
	assert_int_equal(w->end[CLIENT].resent, 0); /* it was acknowledged meanwhile */
	end_write(w, s, c->job[0].res + 20, c->job[0].n_res - 20);
	ends_wait(w, 10);
	assert_int_equal(w->end[CLIENT].got, c->job[0].n_res + 9);
	assert_memory_equal(w->end[CLIENT].in, c->job[0].res, c->job[0].n_res);
	finish(c);

	/* and not for ever */
	c = begin(policy, "AR");
	w = c->w;
	end_write(w, &w->end[CLIENT], c->job[0].req, c->job[0].n_req);
	ends_wait(w, 10);
	end_write(w, &w->end[SERVER], c->job[0].res, 20);
	ends_wait(w, 10);
	end_write(w, &w->end[CLIENT], c->job[1].req, c->job[1].n_req);
	ends_wait(w, 60000);
	assert_int_equal(w->end[CLIENT].state, END_RESET);
	assert_int_equal(w->end[SERVER].state, END_RESET);
	finish(c);
}

/* An answer whose end is in one segment with the next answer: the refusal goes between. */
static void
refusal_between_answers(void **state)
{
	struct conversation *c = begin(policy, "AAR");
	struct ends *w = c->w;
	struct end *s = &w->end[SERVER];
	uint8_t b[600];
	uint32_t a = c->job[0].n_res, n = a + c->job[1].n_res;

	(void)state;
	memcpy(b, c->job[0].res, a);
	memcpy(b + a, c->job[1].res, n - a);
	end_write(w, &w->end[CLIENT], c->job[0].req, c->job[0].n_req);
	end_write(w, &w->end[CLIENT], c->job[1].req, c->job[1].n_req);
	ends_wait(w, 10);
	end_write(w, s, b, 20);
	ends_wait(w, 10);
	end_write(w, &w->end[CLIENT], c->job[2].req, c->job[2].n_req);
	ends_wait(w, 10);
	end_write(w, s, b + 20, n - 20);
	ends_wait(w, 10);
	assert_int_equal(w->end[CLIENT].got, n + 9);
	assert_memory_equal(w->end[CLIENT].in, b, a);
	assert_int_equal(w->end[CLIENT].in[a + 7], c->job[2].req[7] | 0x80);
	assert_memory_equal(w->end[CLIENT].in + a + 9, b + a, n - a);
	assert_int_equal(s->resent, 0);
	finish(c);
}

/* The client repeats what was taken out: it is answered, and not forwarded. */
static void
removed_bytes_come_again(void **state)
{
	struct conversation *c = begin(policy, "AR");
	struct ends *w = c->w;
	struct end *cl = &w->end[CLIENT];
	unsigned frames;

	(void)state;
	say_at_once(c, UINT32_MAX);
	talk_run(c, 3000);
	assert_true(talk_over(c));
	ends_wait(w, 100);
	frames = w->end[SERVER].frames;
	w->on_frame = lose_to_server;
	w->seen = 0;
	cl->dup = 0;
	end_send(w, cl, TCP_ACK | TCP_PSH, cl->isn + 1 + c->job[0].n_req, c->job[1].req,
	    c->job[1].n_req);
	ends_wait(w, 50);
	assert_int_equal(w->seen, 0);
	assert_int_equal(w->end[SERVER].frames, frames);
	assert_int_equal(cl->dup, 0);
	assert_true(cl->heard + 50 >= w->now); /* an acknowledgement came */
	finish(c);
}

/* Keep-alives, without and with a byte, reach the other end and are answered by it. */
static void
keep_alives_after_a_shift(void **state)
{
	for (unsigned from = 0; from < 2; from++)
		for (unsigned n = 0; n < 2; n++) {
			struct conversation *c = begin(policy, "ARR");
			struct ends *w = c->w;
			struct end *me = &w->end[from], *peer = &w->end[from ^ 1];
			unsigned frames;

			say_at_once(c, UINT32_MAX);
			talk_run(c, 3000);
			ends_wait(w, 3600 * 1000 / 60);
			frames = peer->frames;
			end_send(w, me, TCP_ACK, me->isn + me->most, me->out + me->most - 1, n);
			ends_wait(w, 20);
			assert_true(peer->frames > frames);
			assert_true(me->heard + 20 >= w->now);
			finish(c);
		}
	(void)state;
}

/* A client that reads nothing: the refusal waits at its closed window, for minutes. */
static void
zero_window(void **state)
{
	struct conversation *c = begin(policy, "R");
	struct ends *w = c->w;
	struct end *cl = &w->end[CLIENT];

	(void)state;
	cl->buffer = 0;
	end_ack(w, cl);
	ends_wait(w, 5);
	cl->edge = 0;
	say_at_once(c, UINT32_MAX);
	ends_wait(w, 180000);
	assert_int_equal(cl->got, 0);
	assert_int_equal(stats(c)->resets, 0);
	cl->buffer = 64240;
	end_ack(w, cl);
	ends_wait(w, 9000);
	assert_int_equal(cl->got, 9);
	finish(c);
}

/* Who resets the connection himself after a shift is understood at once by the other. */
static void
reset_of_an_end(void **state)
{
	for (unsigned from = 0; from < 2; from++) {
		struct conversation *c = begin(policy, "ARA");
		struct ends *w = c->w;
		struct end *me = &w->end[from];

		say_at_once(c, UINT32_MAX);
		talk_run(c, 3000);
		ends_wait(w, 100);
		end_send(w, me, TCP_RST | TCP_ACK, me->isn + 1 + me->most, NULL, 0);
		ends_wait(w, 20);
		assert_int_equal(w->end[from ^ 1].state, END_RESET);
		assert_int_equal(w->end[from ^ 1].challenges, 0);
		finish(c);
	}
	(void)state;
}

/* RFC 5961 3: a forged reset that only lies in the window does not become exact by a shift. */
static void
forged_reset(void **state)
{
	(void)state;
	for (unsigned from = 0; from < 2; from++)
		for (int32_t off = -40; off <= 40; off += 10) {
			struct conversation *c = begin(policy, "ARA");
			struct ends *w = c->w;
			struct end *me = &w->end[from];

			say_at_once(c, UINT32_MAX);
			talk_run(c, 3000);
			ends_wait(w, 100);
			end_send(w, me, TCP_RST | TCP_ACK, me->isn + 1 + me->most + (uint32_t)off,
			    NULL, 0);
			ends_wait(w, 20);
			assert_int_equal(w->end[from ^ 1].state, off == 0 ? END_RESET : END_OPEN);
			finish(c);
		}
}

/* A guard that begins in the middle of a session: it knows it after one answer. */
static void
begun_in_the_middle(void **state)
{
	struct conversation *c = begin(policy, "AAARALRARA");
	struct ends *w = c->w;
	struct engine_conf conf = {.memory_bytes = 2u << 20,
	    .max_flows = 64,
	    .seed = 9,
	    .inline_mode = true,
	    .policy = policy,
	    .io = &w->io};

	(void)state;
	c->depth = 1;
	c->n = 2;
	talk_run(c, 2000);
	assert_true(talk_over(c));
	ends_wait(w, 100);
	engine_finish(w->e);
	engine_free(w->e);
	w->e = engine_new(&conf);
	c->n = 10;
	c->split = 500; /* halves wait here too */
	talk_run(c, w->now + 8000);
	assert_true(talk_over(c));
	assert_int_equal(c->refusals, 4);
	assert_int_equal(stats(c)->midstream, 1);
	finish(c);
}

/* A month of silence behind a refusal, then polls. */
static void
long_idle(void **state)
{
	static const unsigned days[] = {1, 24, 30, 40, 49};

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct conversation *c = begin(policy, "ARARARAA");
		struct ends *w = c->w;

		c->depth = 1;
		c->n = 4;
		talk_run(c, 5000);
		assert_true(talk_over(c));
		ends_wait(w, 1000);
		w->now += UINT64_C(86400) * 1000 * days[i]; /* timestamps go round in 49.7 */
		engine_tick(w->e, w->start_ns + w->now * MS);
		c->n = 8;
		talk_run(c, w->now + 5000);
		assert_true(talk_over(c));
		assert_int_equal(w->end[0].paws + w->end[1].paws, 0);
		finish(c);
	}
}

/* Its head has left before there was anything to say against it: a reset. */
static void
head_is_gone(void **state)
{
	struct conversation *c = begin(policy, "AL");
	struct ends *w = c->w;
	struct end *cl = &w->end[CLIENT];

	(void)state;
	w->unbind = BIND_REJECT | BIND_STRICT;
	ends_bind(w);
	say_at_once(c, c->job[0].n_req + 20);
	ends_wait(w, 100);
	assert_int_equal(stats(c)->refused, 0);
	assert_int_equal(stats(c)->resets, 1);
	assert_int_equal(cl->state, END_RESET);
	assert_int_equal(w->end[SERVER].state, END_RESET);
	assert_int_equal(w->end[SERVER].got, c->job[0].n_req + 20);
	finish(c);
}

static void
alert_mode_never_injects(void **state)
{
	struct conversation *c = begin(watching, "RAR");
	struct ends *w = c->w;

	(void)state;
	say_at_once(c, 30);
	ends_wait(w, 100);
	assert_int_equal(w->end[SERVER].got, length(c));
	assert_int_equal(stats(c)->injected, 0);
	assert_int_equal(stats(c)->refused, 0);
	finish(c);
}

/* --- reset --------------------------------------------------------------------------------------- */

static void
reset_ends_both(void **state)
{
	(void)state;
	for (unsigned lost = 0; lost < 2; lost++) {
		struct conversation *c = begin(resetting, "AR");
		struct ends *w = c->w;
		uint64_t injected;

		/* lost: what stands in front of it does not arrive, so the number is not the next */
		w->on_frame = lose_to_server;
		w->lose = lost;
		say_at_once(c, UINT32_MAX);
		ends_wait(w, 50);
		assert_int_equal(stats(c)->resets, 1);
		assert_int_equal(w->end[CLIENT].state, END_RESET);
		assert_int_equal(w->end[SERVER].state, END_RESET);
		assert_int_equal(w->end[CLIENT].challenges, 0);
		assert_int_equal(w->end[SERVER].challenges, lost);
		assert_int_equal(w->end[SERVER].got, lost ? 0 : c->job[0].n_req);
		/* who still speaks is told again, once each time */
		injected = stats(c)->injected;
		end_send(w, &w->end[CLIENT], TCP_ACK, w->end[CLIENT].isn + 1 + w->end[CLIENT].most,
		    NULL, 0);
		ends_wait(w, 20);
		assert_int_equal(stats(c)->injected, injected + 1);
		for (unsigned i = 0; i < 3; i++) { /* ... but who says data without end */
			ends_wait(w, 300);
			for (unsigned k = 0; k < 10; k++)
				end_send(w, &w->end[CLIENT], TCP_ACK,
				    w->end[CLIENT].isn + 1 + w->end[CLIENT].most,
				    (const uint8_t *)"again", 5);
			ends_wait(w, 20);
			assert_int_equal(stats(c)->injected, injected + 2 + i);
		}
		finish(c);
	}
}

/* A connection of the same addresses and ports after a reset begins as any. */
static void
again_after_a_reset(void **state)
{
	struct conversation *c = begin(resetting, "RA");
	struct ends *w = c->w;

	(void)state;
	say_at_once(c, UINT32_MAX);
	ends_wait(w, 50);
	assert_int_equal(w->end[SERVER].state, END_RESET);
	for (unsigned i = 0; i < 2; i++) {
		struct end *t = &w->end[i];

		t->isn += 777777;
		t->una = t->nxt = t->most = t->end = t->got = t->read = t->far = 0;
		t->n_sacked = 0;
		memset(t->have, 0, STREAM);
	}
	ends_connect(w);
	ends_wait(w, 20);
	end_write(w, &w->end[CLIENT], c->job[1].req, c->job[1].n_req);
	ends_wait(w, 50);
	assert_int_equal(w->end[SERVER].got, c->job[1].n_req);
	finish(c);
}

/* --- hold ----------------------------------------------------------------------------------------- */

static void
half_waits(void **state)
{
	struct conversation *c = begin(dropping, "A");
	struct ends *w = c->w;
	struct job *j = &c->job[0];

	(void)state;
	w->bind = BIND_STRICT;
	ends_bind(w);
	for (uint32_t i = 0; i + 1 < j->n_req; i++) {
		end_write(w, &w->end[CLIENT], j->req + i, 1);
		ends_wait(w, 5);
		assert_int_equal(w->end[SERVER].got, 0);
		assert_int_equal(stats(c)->held, i + 1);
	}
	end_write(w, &w->end[CLIENT], j->req + j->n_req - 1, 1);
	ends_wait(w, 5);
	assert_int_equal(w->end[SERVER].got, j->n_req);
	assert_int_equal(stats(c)->held, 0);
	finish(c);
}

/* The rest comes late: the frames are counted as dropped, their bytes still go when it is whole. */
static void
half_waits_too_long(void **state)
{
	struct conversation *c = begin(dropping, "A");
	struct ends *w = c->w;
	struct job first = c->job[0], *j = &first;

	(void)state;
	w->bind = BIND_STRICT;
	ends_bind(w);
	end_write(w, &w->end[CLIENT], j->req, 5);
	ends_wait(w, 8000);
	assert_int_equal(stats(c)->held, 1);
	ends_wait(w, 5000);
	assert_int_equal(stats(c)->held, 0);
	assert_int_equal(stats(c)->dropped[DROP_TCP_PART_TIMEOUT], 1);
	assert_int_equal(w->end[SERVER].got, 0);
	end_write(w, &w->end[CLIENT], j->req + 5, j->n_req - 5);
	ends_wait(w, 50);
	assert_int_equal(w->end[SERVER].got, j->n_req);
	finish(c);

	/* we have acknowledged them: they stay, as long as there is memory */
	c = begin(dropping, "A");
	w = c->w;
	w->bind = BIND_STRICT;
	ends_bind(w);
	end_write(w, &w->end[CLIENT], j->req, 5);
	ends_wait(w, 200000);
	assert_int_equal(stats(c)->resets, 0);
	w->e->cells.n[CELL_S] = 1;
	ends_wait(w, 70000);
	assert_int_equal(stats(c)->resets, 1);
	assert_int_equal(w->end[CLIENT].state, END_RESET);
	assert_int_equal(w->end[SERVER].state, END_RESET);
	finish(c);

	/* not acknowledged: forgotten, and taken when it comes again */
	c = begin(dropping, "AL");
	w = c->w;
	w->bind = BIND_STRICT;
	ends_bind(w);
	end_send(w, &w->end[CLIENT], TCP_ACK, w->end[CLIENT].isn + 1, c->job[0].req, 5);
	ends_wait(w, 12000);
	assert_int_equal(stats(c)->dropped[DROP_TCP_PART_TIMEOUT], 1);
	for (unsigned k = 0; k < CELL__CLASSES; k++)
		assert_int_equal(w->e->cells.used[k], 0);
	end_write(w, &w->end[CLIENT], c->job[0].req, c->job[0].n_req);
	ends_wait(w, 50);
	assert_int_equal(w->end[SERVER].got, c->job[0].n_req);
	finish(c);
}

static void
half_that_is_denied(void **state)
{
	struct conversation *c = begin(dropping, "AL");
	struct ends *w = c->w;

	(void)state;
	w->bind = BIND_STRICT;
	ends_bind(w);
	say_at_once(c, c->job[0].n_req + 40);
	ends_wait(w, 1000);
	assert_int_equal(w->end[SERVER].got, c->job[0].n_req);
	assert_int_equal(stats(c)->held, 0);
	assert_int_equal(stats(c)->resets, 0);
	assert_true(stats(c)->dropped[DROP_POLICY_PDU] > 0);
	finish(c);
}

/* A FIN behind half a request does not get past it. */
static void
fin_behind_half(void **state)
{
	struct conversation *c = begin(policy, "AA");
	struct ends *w = c->w;

	(void)state;
	say_at_once(c, UINT32_MAX);
	w->end[CLIENT].end -= 3;
	finish(c);
	c = begin(policy, "AA");
	w = c->w;
	end_write(w, &w->end[CLIENT], c->job[0].req, c->job[0].n_req);
	end_write(w, &w->end[CLIENT], c->job[1].req, 7);
	w->end[CLIENT].fin = true;
	end_push(w, &w->end[CLIENT]);
	ends_wait(w, 500);
	assert_int_equal(w->end[SERVER].got, c->job[0].n_req);
	assert_false(w->end[SERVER].got_fin);
	assert_true(stats(c)->dropped[DROP_TCP_WAITS] > 0);
	finish(c);
}

/* What waits is acknowledged, so that a sender that waits for that goes on; and is ours then:
 * the guard repeats it when the server does not get it. */
static void
what_waits_is_ours(void **state)
{
	struct conversation *c = begin(dropping, "AA");
	struct ends *w = c->w;
	struct job *j = &c->job[0];

	(void)state;
	w->bind = BIND_STRICT;
	ends_bind(w);
	w->end[CLIENT].nagle = true;
	end_write(w, &w->end[CLIENT], j->req, 7);
	ends_wait(w, 20);
	assert_int_equal(w->end[CLIENT].una, 7);
	w->on_frame = lose_to_server;
	w->lose = 1; /* the 7 bytes */
	end_write(w, &w->end[CLIENT], j->req + 7, j->n_req - 7);
	ends_wait(w, 20);
	assert_int_equal(w->end[SERVER].got, 0);
	ends_wait(w, 1000);
	assert_int_equal(w->end[SERVER].got, j->n_req);
	finish(c);
}

/* More connections than memory: each has half a request; counted, balanced, given back. */
static void
no_memory_to_wait(void **state)
{
	struct ends *w = ends_new(policy, 1, 502);
	struct engine_conf conf = {.memory_bytes = 1u << 20,
	    .max_flows = 4000,
	    .seed = 7,
	    .inline_mode = true,
	    .policy = policy,
	    .io = &w->io};
	struct engine *e = engine_new(&conf);
	struct wire wire = {.now_ns = UINT64_C(1700000000000000000)};
	static const uint8_t head[260] = {0, 1, 0, 0, 0, 247, 1, 16, 0, 0, 0, 120, 240};
	const struct engine_stats *st;
	uint64_t most = 0;

	(void)state;
	for (unsigned i = 0; i < 4000; i++) {
		wire.side[0] = (struct wire_side){0x0a010205, (uint16_t)(20000 + i), 1000};
		wire.side[1] = (struct wire_side){0x0a010282, 502, 9000};
		for (unsigned k = 0; k < 4; k++) {
			uint8_t fl = k == 0 ? TCP_SYN : k == 1 ? TCP_SYN | TCP_ACK : TCP_ACK;
			struct pkt p = wire_tcp(&wire, k == 1, fl, head, k == 3 ? 200 : 0);

			engine_burst(e, &p, 1);
			assert_true(engine_balanced(engine_stats(e)));
			if (engine_stats(e)->held > most)
				most = engine_stats(e)->held;
			if (k == 3)
				assert_true(p.fate == FATE_HELD || p.fate == FATE_DROP);
		}
	}
	st = engine_stats(e);
	assert_true(most > 50);
	assert_true(st->pool_full > 0);
	assert_true(st->dropped[DROP_TCP_POOL_FULL] > 0);
	engine_finish(e);
	st = engine_stats(e);
	assert_int_equal(st->held, 0);
	assert_true(engine_balanced(st));
	for (unsigned k = 0; k < CELL__CLASSES; k++)
		assert_int_equal(e->cells.used[k], 0);
	engine_free(e);
	ends_free(w);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reject_in_every_place),
	    cmocka_unit_test(wrap_at_every_offset),
	    cmocka_unit_test(refusal_is_lost),
	    cmocka_unit_test(refusal_is_never_taken),
	    cmocka_unit_test(refusal_waits_for_the_answer),
	    cmocka_unit_test(refusal_between_answers),
	    cmocka_unit_test(removed_bytes_come_again),
	    cmocka_unit_test(keep_alives_after_a_shift),
	    cmocka_unit_test(zero_window),
	    cmocka_unit_test(reset_of_an_end),
	    cmocka_unit_test(forged_reset),
	    cmocka_unit_test(begun_in_the_middle),
	    cmocka_unit_test(long_idle),
	    cmocka_unit_test(head_is_gone),
	    cmocka_unit_test(alert_mode_never_injects),
	    cmocka_unit_test(reset_ends_both),
	    cmocka_unit_test(again_after_a_reset),
	    cmocka_unit_test(half_waits),
	    cmocka_unit_test(half_waits_too_long),
	    cmocka_unit_test(half_that_is_denied),
	    cmocka_unit_test(fin_behind_half),
	    cmocka_unit_test(what_waits_is_ours),
	    cmocka_unit_test(no_memory_to_wait),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
