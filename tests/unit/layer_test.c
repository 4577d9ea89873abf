/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer_test.c - protocols over a transport, asked of the engine with two made-up ones:
 * PDUs that span several frames (FRAME_NEED, frame_on), connections that change their
 * protocol (FRAME_OTHER), and memory leased beside the state (dis_lease).
 *
 *   'L' more who len(1) data[len]     more = '+' : the PDU goes on in the next frame;
 *                                     who = 'a' or 'b': whose PDU it is
 *
 * 'a' and 'b' are two dissectors of this one framing; each hands over what is the other's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/engine_int.h"
#include "tests/unit/wire.h"

enum { CLIENT = 0, SERVER = 1, HEAD = 4, PDU_MAX = 600 };

static unsigned asked; /* times a header was looked at */
static unsigned pdus[2];
static unsigned foreign; /* PDUs of nobody that a settled flow has to take */
static bool leased_ok, liar; /* liar: what probe() claims, frame() gives away */
static uint64_t said; /* hash of the facts' data */

/* Headers from `at` on; the window's bytes before it are known to be whole frames. */
static int32_t
walk(struct cur c, size_t at, uint8_t who, uint8_t variant)
{
	const uint8_t *b = c.p;
	size_t n = cur_left(&c);

	for (;;) {
		if (n < at + HEAD)
			return at == 0 ? FRAME_MORE : FRAME_NEED(at + HEAD);
		asked++;
		if (b[at] != 'L')
			return FRAME_BAD;
		if (at == 0 && (b[2] != who || liar))
			if (!(variant & VARIANT_OURS))
				return FRAME_OTHER;
		if (b[at + 1] != '+')
			return (int32_t)(at + HEAD + b[at + 3]);
		at += HEAD + b[at + 3];
	}
}

static enum dis_probe_result
probe(struct cur c, uint8_t who)
{
	if (cur_left(&c) < HEAD)
		return cur_left(&c) == 0 || c.p[0] == 'L' ? PROBE_MAYBE : PROBE_NO;
	return c.p[0] == 'L' && c.p[2] == who ? PROBE_YES : PROBE_NO;
}

/* A PDU of a or b was seen: the count of them is the state. */
static bool
settled(const void *state)
{
	uint64_t count;

	memcpy(&count, state, sizeof(count));
	return count > 0;
}

static void
pdu(struct dis_call *call, struct cur c, unsigned who)
{
	struct fact f = {.kind = FACT_REQUEST, .sub = FACT_NO_SUB, .op = who ? "b" : "a",
	    .anomalies = call->anomalies};
	uint64_t *count = call->state, *more;

	foreign += c.p[2] != 'a' + who;
	++*count; /* zeroed when the flow became ours */
	while (cur_left(&c) > 0) {
		struct cur data;

		cur_skip(&c, 3);
		data = cur_take(&c, cur_u8(&c));
		while (cur_left(&data) > 0)
			said = (said ^ cur_u8(&data)) * UINT64_C(0x100000001b3);
	}
	if (*count == 2) {
		more = dis_lease(call, 100);
		leased_ok &= more && more[0] == 0;
		if (more)
			more[0] = 42;
	} else if (*count == 4) { /* it grows, and what was there stays */
		more = dis_lease(call, 8000);
		leased_ok &= more && more[0] == 42 && more[999] == 0;
	}
	said = (said ^ who) * UINT64_C(0x100000001b3);
	pdus[who]++;
	(void)dis_emit(call->sink, &f);
}

#define PROTOCOL(name_, who, index)                                                          \
	static int32_t frame_##name_(struct cur c, enum dis_dir d, uint8_t v)                 \
	{                                                                                     \
		(void)d;                                                                      \
		return walk(c, 0, who, v);                                                    \
	}                                                                                     \
	static int32_t frame_on_##name_(struct cur c, enum dis_dir d, uint8_t v, uint32_t n)   \
	{                                                                                     \
		(void)d;                                                                      \
		assert_true(n >= HEAD && n <= cur_left(&c));                                  \
		return walk(c, n - HEAD, who, v);                                              \
	}                                                                                     \
	static enum dis_probe_result probe_##name_(struct cur c, enum dis_dir d, uint8_t *v)   \
	{                                                                                     \
		(void)d;                                                                      \
		*v = 0;                                                                       \
		return probe(c, who);                                                         \
	}                                                                                     \
	static void pdu_##name_(struct dis_call *call, struct cur c) { pdu(call, c, index); } \
	static const struct dissector name_ = {.name = #name_, .spec = "this test",           \
	    .ports = ports, .max_pdu = PDU_MAX, .state_size = DIS_STATE_INLINE + 8,           \
	    .schema = &schema, .probe = probe_##name_, .frame = frame_##name_,                \
	    .settled = settled, .frame_on = frame_on_##name_, .pdu = pdu_##name_}

static const uint16_t ports[] = {102, 0};
static const char *const no_names[] = {NULL};
static const struct dis_op ops[] = {{0, 0, FACT_NO_SUB, ACC_READ, true, 0, "x"}};
static const struct dis_schema schema = {.n_opx = 1, .n_ops = 1, .ops = ops, .sets = no_names,
    .anomalies = no_names};
PROTOCOL(a, 'a', 0);
PROTOCOL(b, 'b', 1);

const struct dissector *const dissectors[] = {&a, &b, NULL};
const unsigned n_dissectors = 2;

struct world {
	struct engine *e;
	struct wire w;
	unsigned lost, foreign;
};

static void
on_fact(void *ctx, const struct engine_pdu *p)
{
	struct world *x = ctx;

	if (p->fact->proto == FACT_PROTO_NONE) {
		x->lost += strcmp(p->fact->op, "lost_step") == 0;
		x->foreign += strcmp(p->fact->op, "not_protocol") == 0;
	} else {
		assert_string_equal(p->fact->op, dissectors[p->fact->proto]->name);
	}
}

static void
say(struct world *x, unsigned who, uint8_t flags, const void *p, size_t n)
{
	struct pkt f = wire_tcp(&x->w, who, flags, p, n);

	engine_burst(x->e, &f, 1);
	assert_true(engine_balanced(engine_stats(x->e)));
}

static void
world(struct world *x)
{
	struct engine_conf conf = {
	    .memory_bytes = 1u << 20, .max_flows = 64, .seed = 3, .on_fact = on_fact, .ctx = x};

	memset(x, 0, sizeof(*x));
	pdus[0] = pdus[1] = asked = foreign = 0;
	said = 1;
	leased_ok = true;
	x->e = engine_new(&conf);
	assert_non_null(x->e);
	x->w.now_ns = UINT64_C(1700000000000000000);
	x->w.side[CLIENT] = (struct wire_side){0x0a010205, 40000, 0xfffffff0u};
	x->w.side[SERVER] = (struct wire_side){0x0a010282, 102, 9000};
	say(x, CLIENT, TCP_SYN, NULL, 0);
	say(x, SERVER, TCP_SYN | TCP_ACK, NULL, 0);
	say(x, CLIENT, TCP_ACK, NULL, 0);
}

static void
world_end(struct world *x)
{
	engine_finish(x->e);
	for (unsigned c = 0; c < CELL__CLASSES; c++)
		assert_int_equal(x->e->cells.used[c], 0);
	engine_free(x->e);
}

static size_t
put(uint8_t *p, char more, char who, uint8_t n)
{
	p[0] = 'L', p[1] = (uint8_t)more, p[2] = (uint8_t)who, p[3] = n;
	for (unsigned i = 0; i < n; i++)
		p[HEAD + i] = (uint8_t)(i + n);
	return HEAD + (size_t)n;
}

/* Three frames of a, one of b, two of a with an empty last one, two of b, a, a, b. */
static size_t
talk(uint8_t *p)
{
	size_t n = 0;

	n += put(p + n, '+', 'a', 3);
	n += put(p + n, '+', 'a', 0);
	n += put(p + n, '.', 'a', 9);
	n += put(p + n, '.', 'b', 2);
	n += put(p + n, '+', 'a', 1);
	n += put(p + n, '.', 'a', 0);
	n += put(p + n, '+', 'b', 1);
	n += put(p + n, '.', 'b', 7);
	for (unsigned i = 0; i < 4; i++)
		n += put(p + n, '.', 'a', 5);
	return n + put(p + n, '.', 'b', 4);
}

enum { TALK_A = 6, TALK_B = 3 };

/* The same PDUs, owners and data, however the stream is cut. */
static void
same_at_every_cut(void **state)
{
	uint8_t p[256];
	size_t n = talk(p);
	uint64_t whole;
	struct world x;

	(void)state;
	world(&x);
	say(&x, CLIENT, TCP_ACK, p, n);
	assert_int_equal(pdus[0], TALK_A);
	assert_int_equal(pdus[1], TALK_B);
	assert_int_equal(x.lost + x.foreign, 0);
	assert_true(leased_ok);
	whole = said;
	world_end(&x);
	for (size_t i = 1; i < n; i++)
		for (size_t j = i; j < n; j++) {
			world(&x);
			say(&x, CLIENT, TCP_ACK, p, i);
			if (j > i)
				say(&x, CLIENT, TCP_ACK, p + i, j - i);
			say(&x, CLIENT, TCP_ACK, p + j, n - j);
			assert_int_equal(x.lost + x.foreign, 0);
			assert_int_equal(pdus[0] + pdus[1], TALK_A + TALK_B);
			assert_true(said == whole && leased_ok);
			world_end(&x);
		}
	for (size_t step = 1; step < 20; step++) {
		world(&x);
		for (size_t i = 0; i < n; i += step)
			say(&x, CLIENT, TCP_ACK, p + i, i + step < n ? step : n - i);
		assert_true(said == whole && leased_ok);
		world_end(&x);
	}
}

/* What a PDU of many frames costs grows with its bytes, not with their square. */
static void
many_frames_cost_little(void **state)
{
	uint8_t p[PDU_MAX];
	size_t n = 0;
	struct world x;

	(void)state;
	while (n + 2 * (HEAD + 1) <= sizeof(p))
		n += put(p + n, '+', 'a', 1);
	n += put(p + n, '.', 'a', 1);
	world(&x);
	say(&x, CLIENT, TCP_ACK, p, 1);
	asked = 0;
	say(&x, CLIENT, TCP_ACK, p + 1, n - 1);
	assert_int_equal(pdus[0], 1);
	assert_true(asked <= 2 * n / (HEAD + 1));
	world_end(&x);
}

/* Longer than max_pdu, with no end in sight: told, and the memory is given back. */
static void
endless_pdu_is_a_loss_of_step(void **state)
{
	uint8_t p[1400];
	size_t n = 0;
	struct world x;

	(void)state;
	while (n + HEAD + 1 <= sizeof(p))
		n += put(p + n, '+', 'a', 1);
	for (size_t cut = 1; cut < 12; cut++) {
		world(&x);
		say(&x, CLIENT, TCP_ACK, p, cut);
		say(&x, CLIENT, TCP_ACK, p + cut, n - cut);
		assert_int_equal(pdus[0], 0);
		assert_int_equal(x.lost, 1);
		world_end(&x);
	}
}

/* A dissector that claims what it then gives away costs a bounded number of turns. */
static void
nobody_is_asked_for_ever(void **state)
{
	uint8_t p[HEAD + 4];
	size_t n = put(p, '.', 'a', 4);
	struct world x;

	(void)state;
	world(&x);
	liar = true;
	for (unsigned i = 0; i < 4; i++)
		say(&x, CLIENT, TCP_ACK, p, n);
	liar = false;
	assert_int_equal(pdus[0] + pdus[1], 0);
	assert_true(asked < 4 * 2 * (HANDED_MAX + 2));
	assert_true(x.lost >= 1);
	world_end(&x);
}

/* The other side's half PDU outlives the change of owner. */
static void
half_a_pdu_of_the_other_side(void **state)
{
	uint8_t p[32], q[32];
	size_t n = put(p, '.', 'a', 6), m = put(q, '.', 'b', 9);
	struct world x;

	(void)state;
	for (size_t cut = 1; cut < m; cut++) {
		world(&x);
		say(&x, CLIENT, TCP_ACK, p, n);
		say(&x, SERVER, TCP_ACK, q, cut);
		say(&x, CLIENT, TCP_ACK, q, m); /* hands the flow to b */
		say(&x, SERVER, TCP_ACK, q + cut, m - cut);
		assert_int_equal(pdus[0], 1);
		assert_int_equal(pdus[1], 2);
		assert_int_equal(x.lost + x.foreign, 0);
		world_end(&x);
	}
}

/* What nobody claims is the owner's, and malformed, once it has shown who it is: at every cut. */
static void
foreign_pdus_of_a_settled_flow(void **state)
{
	uint8_t p[128];
	size_t n = 0;
	struct world x;

	(void)state;
	n += put(p, '.', 'a', 6);
	n += put(p + n, '.', 'x', 50); /* longer than what is asked about */
	n += put(p + n, '+', 'x', 2);
	n += put(p + n, '.', 'x', 1);
	n += put(p + n, '.', 'a', 3);
	for (size_t i = 1; i < n; i++)
		for (size_t j = i + 1; j <= n; j++) {
			world(&x);
			say(&x, CLIENT, TCP_ACK, p, i);
			say(&x, CLIENT, TCP_ACK, p + i, j - i);
			if (j < n)
				say(&x, CLIENT, TCP_ACK, p + j, n - j);
			assert_int_equal(pdus[0], 4);
			assert_int_equal(foreign, 2);
			assert_int_equal(x.lost + x.foreign, 0);
			world_end(&x);
		}
	world(&x); /* nothing shown yet: nobody's */
	say(&x, CLIENT, TCP_ACK, p + HEAD + 6, n - HEAD - 6);
	assert_int_equal(pdus[0], 0);
	assert_int_equal(x.foreign, 1);
	world_end(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(same_at_every_cut),
	    cmocka_unit_test(many_frames_cost_little),
	    cmocka_unit_test(endless_pdu_is_a_loss_of_step),
	    cmocka_unit_test(nobody_is_asked_for_ever),
	    cmocka_unit_test(half_a_pdu_of_the_other_side),
	    cmocka_unit_test(foreign_pdus_of_a_settled_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
