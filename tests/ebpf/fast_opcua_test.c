/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fast_opcua_test.c - OPC UA that the kernel judges, frame by frame (BPF_PROG_TEST_RUN): what it passes
 * by the engine's word on a request that is alike, and what it hands up.
 *
 * What a request is known by is made here from the specification, not by the code that makes it elsewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ebpf/fast.h"
#include "policy/gate.h"
#include "tests/ebpf/kit.h"
#include "tests/ebpf/talk.h"
#include "tests/ebpf/talk_opcua.h"

#define SLOT	9u
#define CONDUIT 0u
#define CHANNEL 4711u
#define TOKEN	3u
#define RULE	1u /* "poll" */
#define SIGNED	32u
#define TIMES	51u /* bytes up to the time: 24 + 4 + the session's token, 7 + 16 */
#define BODY	78u /* and up to the end of the header */

static struct gate *gate;
static struct fast *fast;
static struct policy *policy;
static uint32_t generation = 10;

static struct talk_ends ends;
static struct kflow_key key;
static uint32_t tcp[2]; /* what each would send next */
static struct talk_ua ua;
static struct kflow_ua lent; /* as an offer says it */
static unsigned n_known;
static uint8_t pdu[TALK_UA_MAX];

static const char text[] =
    "interlock: 1\nsite: t\nmode: enforce\nzones:\n"
    "  a: {nets: [10.0.0.0/24], port: outside}\n  b: {nets: [10.0.1.0/24], port: inside}\n"
    "devices:\n  hmi: {zone: a, ip: 10.0.0.1}\n  plc: {zone: b, ip: 10.0.1.1}\nconduits:\n"
    " - {name: c, from: [hmi], to: [plc], opcua: {limits: {pending: 16}, security: {modes: [None, "
    "Sign]}, allow: [{name: session, services: [session]}, {name: poll, services: [read, browse, "
    "subscribe, write], nodes: [\"ns=2;s=Line.*\"]}]}}\n";

static void
put_policy(void)
{
	struct complaints c = {0};
	char err[256] = "";
	struct policy *p = policy_build_text("t.yaml", text, strlen(text), &c);

	if (!p)
		complaints_print(&c, stderr);
	complaints_fini(&c);
	assert_non_null(p);
	assert_true(policy_gate(p)->conduits[CONDUIT].block[GATE_OPCUA] != 0);
	if (gate_set_policy(gate, policy_gate(p), ++generation, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	assert_null(gate_not_fast(gate));
	policy_free(policy);
	policy = p;
}

/* What became of a segment: the reason of fast_reason.def. */
static const char *
sent(struct talk_seg s)
{
	struct fast_count was[FAST_COUNT_MAX], now[FAST_COUNT_MAX];
	unsigned rows = fast_counts(fast, was, FAST_COUNT_MAX);
	const char *said = "nothing";
	uint8_t frame[TALK_FRAME];
	size_t n;

	s.win = 64240;
	n = talk_frame(frame, &ends, &s);
	(void)kit_passes(gate, s.dir, frame, n, 1, NULL);
	(void)fast_counts(fast, now, FAST_COUNT_MAX);
	for (unsigned i = 0; i < rows; i++)
		if (now[i].packets[s.dir] != was[i].packets[s.dir])
			said = now[i].reason;
	return said;
}

static struct talk_seg
seg(unsigned dir, const uint8_t *p, uint32_t n)
{
	return (struct talk_seg){.dir = dir, .seq = tcp[dir], .ack = tcp[!dir], .pay = p, .len = n};
}

#define GOES(dir, bytes)                                                                           \
	do {                                                                                       \
		uint32_t n_ = (bytes);                                                             \
		assert_string_equal(sent(seg(dir, pdu, n_)), "forwarded");                         \
		tcp[dir] += n_;                                                                    \
	} while (0)

static struct kflow
entry(void)
{
	struct kflow v;

	assert_int_equal(fast_read(fast, &key, &v), 0);
	return v;
}

/* The engine has allowed the request in pdu, by rule. */
static void
allowed(uint32_t n, uint16_t rule)
{
	uint8_t copy[TALK_UA_MAX];
	uint32_t len = n - ua.sig;

	memcpy(copy, pdu, n);
	memset(copy + 4, 0, 20);
	memset(copy + TIMES, 0, 12);
	if (pdu[26] == (826 & 0xff) && pdu[27] == 826 >> 8)
		len = BODY;
	lent.hash[n_known] = fast_hash(fast, copy, len);
	lent.known[n_known] = (uint16_t)len;
	lent.rule[n_known++] = rule;
	talk_ua_unsaid(&ua, 0);
	ua.request--;
}

static uint32_t
read_of(unsigned first)
{
	return talk_ua_read(&ua, pdu, "Line.Speed", first, 4);
}

/* A connection of which reads, a write, a publish and a browse are known. */
static void
begin(uint32_t sig)
{
	struct fast_new new = {.slot = SLOT, .conduit = CONDUIT, .proto = KFLOW_OPCUA};

	(void)fast_drop(fast, &key);
	ends = (struct talk_ends){.client = {10, 0, 0, 1},
	    .server = {10, 0, 1, 1},
	    .client_port = 50000,
	    .server_port = 4840,
	    .client_mac = {2, 0, 0, 0, 0, 1},
	    .server_mac = {2, 0, 0, 0, 0, 2}};
	talk_key(&ends, 0, &key, &new.client_lo);
	assert_int_equal(fast_put(fast, &key, &new), 0);
	tcp[0] = 0xffffff00u;
	tcp[1] = 77;
	ua = (struct talk_ua){
	    .channel = CHANNEL, .token = TOKEN, .seq = {100, 200}, .request = 1000, .sig = sig};
	lent = (struct kflow_ua){.channel = CHANNEL,
	    .token = {TOKEN, TOKEN},
	    .seq = {100, 200},
	    .max = {1200, 1300},
	    .sig = (uint8_t)sig};
	n_known = 0;
	allowed(read_of(0), RULE);
	allowed(read_of(5), RULE);
	allowed(talk_ua_write(&ua, pdu, "Line.Mode", 5), RULE);
	allowed(talk_ua_publish(&ua, pdu, 2), RULE);
	allowed(talk_ua_browse(&ua, pdu, "Line.0"), RULE);
}

static void
offer(unsigned n_open)
{
	struct kflow_offer o = {.seen = entry().up, .generation = generation, .ua = lent};

	for (unsigned i = 0; i < 2; i++) {
		o.next[i] = o.acked[i] = tcp[i];
		o.edge[i] = tcp[i] + 64240;
		o.win[i] = 64240;
	}
	o.n_open = (uint8_t)n_open;
	fast_offer(fast, SLOT, &o);
}

static void
begin_offered(uint32_t sig)
{
	begin(sig);
	offer(0);
}

/* --- what it passes -------------------------------------------------------------------------- */

static void
polls(uint32_t sig)
{
	uint64_t hits, before;
	struct kflow v;

	begin_offered(sig);
	assert_int_equal(fast_rule_hits(fast, fast_set(fast, generation), RULE, &before), 0);
	for (unsigned i = 0; i < 20; i++) {
		GOES(0, i % 5 == 0   ? talk_ua_write(&ua, pdu, "Line.Mode", 5)
			: i % 5 == 1 ? talk_ua_browse(&ua, pdu, "Line.0")
				     : read_of(i % 2 ? 0 : 5));
		v = entry();
		assert_int_equal(v.owner, KFLOW_KERNEL);
		assert_int_equal(v.n_open, 1);
		assert_int_equal(v.ua.open[0], ua.request);
		GOES(1, talk_ua_answer(&ua, pdu, (uint16_t)(v.ua.type[0] + 3), ua.request,
			    i % 4 == 3 ? 0x80000000u : 0, 40 * (i % 7)));
		assert_int_equal(entry().n_open, 0);
	}
	v = entry();
	assert_int_equal(v.ua.seq[0], 120);
	assert_int_equal(v.ua.seq[1], 220);
	assert_int_equal(v.pdus, 40);
	assert_int_equal(v.errors, 5);
	assert_int_equal(v.up, 0);
	assert_int_equal(fast_rule_hits(fast, fast_set(fast, generation), RULE, &hits), 0);
	assert_int_equal(hits - before, 20);
}

static void
polling(void **state)
{
	(void)state;
	polls(0);
	polls(SIGNED);
}

/* Several Publish requests wait, whatever they acknowledge, and are answered in any order. */
static void
publishing(void **state)
{
	static const unsigned order[] = {3, 0, 4, 1, 2};
	uint32_t first;

	(void)state;
	begin_offered(0);
	first = ua.request + 1;
	for (unsigned i = 0; i < 5; i++) {
		GOES(0, talk_ua_publish(&ua, pdu, i * 3));
		GOES(1, 0); /* or the segments that nobody has acknowledged are too many */
	}
	GOES(0, read_of(0));
	assert_int_equal(entry().n_open, 6);
	GOES(1, talk_ua_answer(&ua, pdu, 634, ua.request, 0, 30));
	for (unsigned i = 0; i < 5; i++) {
		GOES(1, talk_ua_answer(&ua, pdu, 829, first + order[i], 0, 100));
		GOES(0, 0);
	}
	assert_int_equal(entry().n_open, 0);
	/* as many as it has room for; with the next one the connection is the engine's */
	for (unsigned i = 0; i < KFLOW_UA_OPEN; i++) {
		GOES(0, talk_ua_publish(&ua, pdu, 0));
		GOES(1, 0);
	}
	assert_int_equal(entry().n_open, KFLOW_UA_OPEN);
	assert_string_equal(sent(seg(0, pdu, talk_ua_publish(&ua, pdu, 0))), "open_full");
	assert_int_equal(entry().n_open, KFLOW_UA_OPEN);
	assert_int_equal(entry().owner, KFLOW_ENGINE);
}

/* Requests that were open when it was offered. */
static void
carried(void **state)
{
	(void)state;
	begin(0);
	lent.open[0] = 900;
	lent.type[0] = 826;
	lent.open[1] = 901;
	lent.type[1] = 751; /* CreateMonitoredItems */
	offer(2);
	GOES(0, read_of(0));
	assert_int_equal(entry().n_open, 3);
	GOES(1, talk_ua_answer(&ua, pdu, 754, 901, 0, 60));
	GOES(1, talk_ua_answer(&ua, pdu, 829, 900, 0, 60));
	GOES(1, talk_ua_answer(&ua, pdu, 397, ua.request, 0x80010000u, 0));
	assert_int_equal(entry().n_open, 0);
	assert_int_equal(entry().errors, 1);
}

static void
repeated(void **state)
{
	struct talk_seg s;

	(void)state;
	begin_offered(0);
	s = seg(0, pdu, read_of(0));
	assert_string_equal(sent(s), "forwarded");
	assert_string_equal(sent(s), "forwarded");
	assert_int_equal(entry().pdus, 1);
	assert_int_equal(entry().n_open, 1);
	assert_int_equal(entry().ua.seq[0], 101);
	pdu[TIMES] ^= 1; /* not the same, though it would be alike */
	assert_string_equal(sent(s), "sequence");
}

/* --- what it hands up ---------------------------------------------------------------------------- */

static uint32_t ask_id; /* of the Read that is open */

static uint32_t
answer(uint16_t type, uint32_t body)
{
	return talk_ua_answer(&ua, pdu, type, ask_id, 0, body);
}

static uint32_t
flipped(uint32_t n, unsigned at, uint8_t bits)
{
	pdu[at] ^= bits;
	return n;
}

static uint32_t
sized(uint32_t n, uint32_t said)
{
	pdu[4] = (uint8_t)said;
	pdu[5] = (uint8_t)(said >> 8);
	return n;
}

static uint32_t
twice(uint32_t n)
{
	memmove(pdu + n, pdu, n);
	return 2 * n;
}

/* Length and direction of the i-th, why it goes up; false: there is no such. */
static bool
make(unsigned i, uint32_t *n, unsigned *dir, const char **why)
{
	unsigned at = 0;

#define CASE(to, reason, bytes)                                                                    \
	if (i == at++) {                                                                           \
		*dir = to;                                                                         \
		*n = bytes;                                                                        \
		*why = reason;                                                                     \
		return true;                                                                       \
	}
	CASE(0, "verdict", read_of(1)) /* never allowed */
	CASE(0, "verdict", talk_ua_write(&ua, pdu, "Line.Mode", 6))
	CASE(0, "verdict", talk_ua_write(&ua, pdu, "Line.Mod", 5))
	CASE(0, "verdict", talk_ua_register(&ua, pdu, "Line.0"))
	CASE(0, "verdict", flipped(read_of(0), 26, 1))	       /* another type */
	CASE(0, "verdict", flipped(read_of(0), 35, 1))	       /* another session */
	CASE(0, "verdict", flipped(read_of(0), TIMES + 12, 1)) /* asks for diagnostics */
	CASE(0, "verdict", flipped(talk_ua_publish(&ua, pdu, 2), TIMES + 12, 1))
	CASE(0, "pdu", flipped(talk_ua_publish(&ua, pdu, 2), BODY, 1)) /* not as many as it says */
	CASE(0, "pdu", flipped(talk_ua_publish(&ua, pdu, 2), BODY - 1, 1))
	CASE(0, "pdu", talk_ua_publish(&ua, pdu, 65))
	CASE(0, "pdu", flipped(read_of(0), 24, 3)) /* another encoding of the type */
	CASE(0, "pdu", flipped(read_of(0), 28, 8)) /* of the session's token */
	CASE(0, "pdu", flipped(read_of(0), 33, 1)) /* whose text is longer than it all */
	CASE(0, "pdu", flipped(read_of(0), 3, 'F' ^ 'C'))
	CASE(0, "pdu", flipped(read_of(0), 3, 'F' ^ 'A'))
	CASE(0, "pdu", flipped(read_of(0), 0, 'M' ^ 'C'))
	CASE(0, "pdu", read_of(0) - 1)
	CASE(0, "pdu", read_of(0) + 1)
	CASE(0, "pdu", twice(read_of(0)))
	CASE(0, "pdu", 20)
	CASE(0, "channel", flipped(read_of(0), 8, 1))
	CASE(0, "channel", flipped(read_of(0), 12, 1))
	CASE(0, "channel", flipped(read_of(0), 16, 1)) /* a number too few or too many */
	CASE(0, "channel", flipped(read_of(0), 17, 1))
	CASE(0, "open_full", flipped(read_of(0), 20, (uint8_t)(ask_id ^ (ask_id + 1))))
	CASE(0, "channel", talk_ua_read(&ua, pdu, "Line.Speed", 0, 40)) /* longer than agreed */
	CASE(0, "long", sized(1473, 1473))
	CASE(1, "unpaired", talk_ua_answer(&ua, pdu, 634, ask_id + 1, 0, 9))
	CASE(1, "unpaired", answer(676, 9)) /* of Write */
	CASE(1, "unpaired", answer(829, 9))
	CASE(1, "pdu", answer(397, 1)) /* a fault has no body */
	CASE(1, "pdu", flipped(answer(634, 9), 44, 1))
	CASE(1, "pdu", flipped(answer(634, 9), 45, 1))
	CASE(1, "pdu", flipped(answer(634, 9), 51, 1))
	CASE(1, "pdu", flipped(answer(634, 9), 3, 'F' ^ 'C'))
	CASE(1, "pdu", answer(634, 9) - 1)
	CASE(1, "pdu", twice(answer(634, 9)))
	CASE(1, "pdu", sized(answer(634, 0) - 1, 51))
	CASE(1, "channel", flipped(answer(634, 9), 8, 1))
	CASE(1, "channel", flipped(answer(634, 9), 12, 1))
	CASE(1, "channel", flipped(answer(634, 9), 16, 2))
	CASE(1, "channel", answer(634, 1300))
#undef CASE
	return false;
}

static void
handed_up(void **state)
{
	const char *why, *got;
	struct kflow v;
	unsigned i, dir = 0;
	uint32_t n = 0;

	(void)state;
	for (i = 0;; i++) {
		begin_offered(0);
		GOES(0, read_of(0));
		ask_id = ua.request;
		if (!make(i, &n, &dir, &why))
			break;
		got = sent(seg(dir, pdu, n));
		if (strcmp(got, why) != 0)
			fail_msg("case %u: %s, not %s", i, got, why);
		v = entry();
		assert_int_equal(v.owner, KFLOW_ENGINE);
		assert_int_equal(v.epoch, 1);
		/* as it was */
		assert_true(v.way[0].next == tcp[0] && v.way[1].next == tcp[1]);
		assert_int_equal(v.n_open, 1);
		assert_int_equal(v.ua.open[0], ask_id);
		assert_true(v.ua.seq[0] == 101 && v.ua.seq[1] == 200);
	}
	assert_int_equal(i, 43);
}

/* Mode None where Sign is known, and the other way round; a signature that is short. */
static void
modes(void **state)
{
	(void)state;
	begin_offered(SIGNED);
	ua.sig = 0;
	assert_string_equal(sent(seg(0, pdu, read_of(0))), "verdict");
	begin_offered(0);
	ua.sig = SIGNED;
	assert_string_equal(sent(seg(0, pdu, read_of(0))), "verdict");
	begin_offered(0);
	ua.sig = SIGNED;
	assert_string_equal(sent(seg(0, pdu, talk_ua_publish(&ua, pdu, 1))), "pdu");
	begin_offered(SIGNED);
	GOES(0, read_of(0));
	ua.sig = SIGNED - 1;
	assert_string_equal(
	    sent(seg(1, pdu, talk_ua_answer(&ua, pdu, 397, ua.request, 1u << 31, 0))), "pdu");
}

/* Numbers that begin anew are the engine's, at the end of them or before ([P6] 6.7.2.4). */
static void
wraps(void **state)
{
	(void)state;
	begin(0);
	lent.seq[0] = ua.seq[0] = 0xfffffffeu;
	offer(0);
	GOES(0, read_of(0));
	GOES(1, talk_ua_answer(&ua, pdu, 634, ua.request, 0, 9));
	assert_string_equal(sent(seg(0, pdu, read_of(0))), "channel");
	begin(0);
	lent.seq[0] = 0xfffffc10u;
	ua.seq[0] = 0;
	offer(0);
	assert_string_equal(sent(seg(0, pdu, read_of(0))), "channel");
}

/* What was allowed by one policy is not by the next. */
static void
generations(void **state)
{
	(void)state;
	begin_offered(0);
	GOES(0, read_of(0));
	put_policy();
	assert_string_equal(
	    sent(seg(1, pdu, talk_ua_answer(&ua, pdu, 634, ua.request, 0, 9))), "generation");
}

/* Nothing is known that was not offered, not even bytes that are all zero. */
static void
unknown(void **state)
{
	(void)state;
	begin(0);
	memset(lent.known, 0, sizeof(lent.known));
	memset(lent.hash, 0, sizeof(lent.hash));
	offer(0);
	assert_string_equal(sent(seg(0, NULL, 0)), "forwarded");
	assert_string_equal(sent(seg(0, pdu, read_of(0))), "verdict");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(polling),
	    cmocka_unit_test(publishing),
	    cmocka_unit_test(carried),
	    cmocka_unit_test(repeated),
	    cmocka_unit_test(handed_up),
	    cmocka_unit_test(modes),
	    cmocka_unit_test(wraps),
	    cmocka_unit_test(generations),
	    cmocka_unit_test(unknown),
	};
	int r = kit_fast_begin(&gate, &fast);

	if (r != 0)
		return r;
	put_policy();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	kit_fast_end(gate, fast);
	policy_free(policy);
	return r;
}
