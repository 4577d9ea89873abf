/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opcua_refuse_test.c - a refused request, as each of the three sees it.
 *
 * The guard's dissector hears what both ends send; what it takes out, puts in and
 * renumbers makes what the ends receive.  Each end has a strict reader of its own, which sees
 * its own chunks as sent and the other's as received: the same dissector, which has
 * something to say about every number, channel or request id that does not fit, and here
 * may have nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dissectors/opcua/opcua.c"

#include "tests/unit/guard.h"
#include "tests/unit/opcua_talk.h"

#define D (&dissector_opcua)

enum { GUARD = 0, CLIENT, SERVER, SEATS };

struct dis_sink {
	unsigned seat;
};

static struct world {
	struct talk talk;
	struct dis_sink sink[SEATS];
	struct dis_call call[SEATS];
	struct ua state[SEATS];
	struct guard guard;
	bool refuse, refused; /* the chunk at hand: is to be, was */
	bool last_odd;	      /* some end found something wrong with the last chunk */
	unsigned odd;	      /* chunks that it did with */
	char text[256];	      /* of the last fact an end saw */
	char log[4096];	      /* of all of them, ';' between */
	uint8_t injected[64];
	size_t n_injected;
	uint32_t seq[2]; /* as received: [0] by the server */

} W;

bool
dis_emit(struct dis_sink *s, struct fact *f)
{
	if (s->seat == GUARD) {
		if (!W.refuse)
			return true;
		W.n_injected = D->refuse(&W.call[GUARD], f, W.injected, sizeof(W.injected));
		W.refused = true;
		return false;
	}
	snprintf(W.text, sizeof(W.text), "%u %s %s", s->seat, fact_kind_name(f->kind), f->op);
	for (unsigned i = 0; i < 64; i++)
		if (f->anomalies >> i & 1) {
			size_t n = strlen(W.text);

			snprintf(W.text + n, sizeof(W.text) - n, " !%s",
			    i < 48 ? D->schema->anomalies[i] : "engine");
			W.last_odd = true;
		}
	if (((const struct ua_ext *)f->ext)->present & HAS(P_STATUS)) {
		size_t n = strlen(W.text);

		snprintf(W.text + n, sizeof(W.text) - n, " %s",
		    status_name(((const struct ua_ext *)f->ext)->status));
	}
	snprintf(W.log + strlen(W.log), sizeof(W.log) - strlen(W.log), "%s;", W.text);
	return true;
}

void *
dis_lease(struct dis_call *call, uint32_t want)
{
	(void)call;
	(void)want;
	return NULL;
}

static void
read_at(unsigned seat, unsigned dir, const uint8_t *p, size_t n)
{
	W.call[seat].dir = (uint8_t)dir;
	D->pdu(&W.call[seat], cur_make(guard_put(&W.guard, p, n), n));
}

/* p has arrived at the end that dir points to. */
static void
arrive(unsigned dir, const uint8_t *p, size_t n)
{
	if (memcmp(p, "MSG", 3) == 0)
		W.seq[dir] = le32(p + 16);
	read_at(dir == 0 ? SERVER : CLIENT, dir, p, n);
}

static void
hear(void *ctx, unsigned dir, bool refuse, const uint8_t *p, size_t n)
{
	static uint8_t out[TALK_MAX];
	struct dis_patch patch[DIS_PATCHES];
	unsigned k;

	(void)ctx;
	W.refuse = refuse;
	W.refused = W.last_odd = false;
	W.n_injected = 0;
	read_at(dir == 0 ? CLIENT : SERVER, dir, p, n); /* who sends it knows it */
	read_at(GUARD, dir, p, n);
	if (W.refused) {
		if (W.n_injected)
			arrive(1, W.injected, W.n_injected);
	} else {
		memcpy(out, p, n);
		k = D->renumber(&W.call[GUARD], cur_make(guard_put(&W.guard, p, n), n), patch);
		assert_true(k <= DIS_PATCHES);
		for (unsigned i = 0; i < k; i++) {
			assert_true(patch[i].off + patch[i].len <= n);
			memcpy(out + patch[i].off, patch[i].bytes, patch[i].len);
		}
		arrive(dir, out, n);
	}
	W.odd += W.last_odd;
}

static void
begin(void)
{
	memset(&W.talk, 0, offsetof(struct talk, body));
	memset(W.state, 0, sizeof(W.state));
	memset(W.call, 0, sizeof(W.call));
	W.log[0] = W.text[0] = 0;
	W.odd = 0;
	for (unsigned i = 0; i < SEATS; i++) {
		W.sink[i].seat = i;
		W.call[i].state = &W.state[i];
		W.call[i].sink = &W.sink[i];
		W.call[i].now_ns = UINT64_C(1700000000000000000);
	}
	W.talk.channel = 5;
	W.talk.token = 9;
	W.talk.hear = hear;
	W.talk.ctx = &W;
}

#define OPEN "> HEL; < ACK; > OPN None 1; < OPN None grant=9;"
#define SESSION                                                                                    \
	OPEN "> MSG Create urn:me; < MSG Created None; > MSG Activate anonymous; < MSG Activated;"
#define WRITE "> MSG Write ns=2;s=A=1;"

/* Byte by byte, with the sections that say so. */
static void
bytes(void **state)
{
	/* [P6] 6.7.2.2, 6.7.2.3, 6.7.2.4: MSG F, size; channel, token; number, request id */
	static const uint8_t want[] = {'M', 'S', 'G', 'F', 52, 0, 0, 0, 5, 0, 0, 0, 9, 0, 0, 0, 4,
	    0, 0, 0, 4, 0, 0, 0, 1, 0, 0x8d, 1, /* i=397: ServiceFault_Encoding_DefaultBinary */
	    0x00, 0x00, 0x6d, 0xc6, 0x47, 0x17, 0xda, 0x01, /* 2023-11-14 22:13:20 UTC, 5.2.2.5 */
	    7, 0, 0, 0, 0, 0, 0x1f, 0x80, /* the request's handle, Bad_UserAccessDenied */
	    0, 0, 0, 0, 0, 0, 0, 0};

	(void)state;
	begin();
	talk(&W.talk, SESSION "!" WRITE);
	assert_int_equal(W.n_injected, sizeof(want));
	assert_memory_equal(W.injected, want, sizeof(want));
	assert_string_equal(W.text, "1 exception Write BadUserAccessDenied");
	assert_int_equal(W.odd, 0);
}

/* What cannot be refused: then the engine resets. */
static void
no_refusal(void **state)
{
	static const char *const talks[] = {
	    "> HEL; < ACK; !> OPN None 1", /* there is no channel to say it on */
	    OPEN "!> CLO Secure",
	    "> HEL; < ACK; > OPN Basic256Sha256; < OPN Basic256Sha256;"
	    "> MSG Create urn:me sig=32; < MSG Created Basic256Sha256:2 sig=32;"
	    "!> MSG Write ns=2;s=A=1 sig=32",
	    SESSION "!> MSG Write ns=2;s=A=1 kind=C", /* more of it is on its way */
	    SESSION "> MSG Read 1 kind=C; !> MSG Write ns=2;s=A=1 req=4", /* ... or has gone */
	    SESSION "> MSG Read 1; < MSG Read. kind=C; !" WRITE, /* the server is speaking */
	    SESSION "!> MSG Write ns=2;s=A=1 id=6",		 /* of a channel that is none */
	    SESSION "!< MSG Published",				 /* not a request */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(talks) / sizeof(talks[0]); i++) {
		begin();
		talk(&W.talk, talks[i]);
		assert_int_equal(W.n_injected, 0);
		assert_int_equal(W.state[GUARD].flags & F_NUMBERS, 0);
	}
	begin();
	talk(&W.talk, SESSION);
	W.call[GUARD].dir = 0;
	assert_int_equal(D->refuse(&W.call[GUARD], &(struct fact){0}, W.injected, 64), 0);
}

/* Numbers are right for both ends from then on. */
static void
goes_on(void **state)
{
	(void)state;
	begin();
	talk(&W.talk, SESSION "!" WRITE);
	talk(&W.talk, "> MSG Read 1; < MSG Read.;");
	assert_int_equal(W.seq[0], 4); /* 2 and 3 were the session's, the Write is not there */
	assert_int_equal(W.seq[1], 5); /* 4 was ours */
	talk(&W.talk, "!" WRITE "!" WRITE "> MSG Read 1; < MSG Read.;");
	assert_int_equal(W.seq[0], 5);
	assert_int_equal(W.seq[1], 8);
	/* pipelined: an answer that was asked for before the refusal */
	talk(&W.talk,
	    "> MSG Publish req=20; !> MSG Write ns=2;s=A=1 req=21; < MSG Published req=20;");
	assert_int_equal(W.seq[1], 10);
	/* in chunks, a renewal in between, and the end */
	talk(&W.talk,
	    "> MSG Read 1 2 3 4 5 cut=30 req=22; < MSG Read. req=22 cut=12;"
	    "> OPN None 1 renew req=23; < OPN None grant=10 req=23; !> MSG Write ns=2;s=A=1 req=24;"
	    "> MSG Read 1 req=25; < MSG Read. req=25; > CLO Secure req=26;");
	if (W.odd)
		fail_msg("%s", W.log);
	assert_non_null(strstr(W.log, "2 request CloseSecureChannel;"));
}

/* Another channel counts anew, and may be refused on as well. */
static void
other_channel(void **state)
{
	(void)state;
	begin();
	talk(&W.talk, SESSION "!" WRITE "> MSG Read 1; < MSG Read.;");
	W.talk.channel = 6;
	talk(&W.talk, "> OPN None 1 seq=900; < OPN None seq=300 grant=33;");
	assert_int_equal(W.state[GUARD].flags & F_NUMBERS, 0);
	W.odd = 0; /* that there is a second one was said */
	talk(&W.talk, "> MSG Read 1; < MSG Read.;");
	assert_int_equal(W.seq[0], 901);
	assert_int_equal(W.seq[1], 301);
	talk(&W.talk, "!" WRITE "> MSG Read 1; < MSG Read.;");
	assert_int_equal(W.seq[0], 902);
	assert_int_equal(W.seq[1], 303);
	assert_int_equal(W.odd, 0);
}

/* [P6] 6.7.2.4: above 4 294 966 271 a number below 1024 may follow.  Each side wraps when it
 * likes; what we make of it wraps by the same rule, at a place of its own. */
static void
wraps(void **state)
{
	static const uint32_t at[] = {UINT32_MAX - 1030, UINT32_MAX - 1024, UINT32_MAX - 1023,
	    UINT32_MAX - 500, UINT32_MAX - 3};

	(void)state;
	for (unsigned c = 0; c < 5; c++)
		for (unsigned s = 0; s < 5; s++) {
			unsigned wrapped[2] = {0, 0};
			char text[200];

			begin();
			talk(&W.talk, SESSION);
			snprintf(text, sizeof(text), "> MSG Read 1 seq=%u; < MSG Read. seq=%u",
			    at[c], at[s]);
			talk(&W.talk, text);
			W.odd = 0; /* that jump was the test's */
			for (unsigned i = 0; i < 1100; i++) {
				uint32_t before[2] = {W.seq[0], W.seq[1]};

				if (i % 7 == 3)
					talk(&W.talk, "!" WRITE);
				for (unsigned d = 0; d < 2; d++)
					if (W.talk.seq[d] > UINT32_MAX - (d ? 3 : 700))
						W.talk.seq[d] = d ? 0 : 1022; /* next: 1, 1023 */
				talk(&W.talk, "> MSG Read 1; < MSG Read.");
				for (unsigned d = 0; d < 2; d++)
					wrapped[d] += W.seq[d] < before[d];
				if (W.odd)
					fail_msg(
					    "%u %u %u: %s", c, s, i, W.log + strlen(W.log) - 200);
				W.log[0] = 0;
			}
			assert_int_equal(wrapped[0], 1);
			assert_int_equal(wrapped[1], 1);
		}
}

/* What comes in pieces is renumbered by its first bytes. */
static void
first_bytes(void **state)
{
	struct dis_patch patch[DIS_PATCHES];
	static const uint8_t opn[] = {
	    'O', 'P', 'N', 'F', 200, 0, 0, 0, 5, 0, 0, 0, 9, 0, 0, 0, 'h'};

	(void)state;
	begin();
	talk(&W.talk, SESSION "!" WRITE);
	W.call[GUARD].dir = 0;
	for (unsigned n = 0; n < sizeof(opn); n++)
		assert_int_equal(
		    D->renumber(&W.call[GUARD], cur_make(guard_put(&W.guard, opn, n), n), patch),
		    0);
	talk(&W.talk, "> MSG Read 1");
	for (unsigned n = 0; n < SYM_HEAD; n++) {
		struct ua saved = W.state[GUARD];
		unsigned k = D->renumber(
		    &W.call[GUARD], cur_make(guard_put(&W.guard, W.talk.msg.b, n), n), patch);

		assert_int_equal(k, n >= 20);
		if (k) {
			assert_int_equal(patch[0].off, 16);
			assert_int_equal(patch[0].len, 4);
		}
		W.state[GUARD] = saved;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes),
	    cmocka_unit_test(no_refusal),
	    cmocka_unit_test(goes_on),
	    cmocka_unit_test(other_channel),
	    cmocka_unit_test(wraps),
	    cmocka_unit_test(first_bytes),
	};

	W.guard = guard_new(TALK_MAX);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
