/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opcua_lend_test.c - what the dissector of OPC UA says to somebody who judges for a while (lend.h):
 * which connections it lends, what it makes of what comes back, and which requests are alike; that the
 * kernel (ebpf/fast_opcua.h) makes the same bytes of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dissectors/opcua/opcua.c"

#include "ebpf/fast_opcua.h"
#include "tests/ebpf/talk_opcua.h"

struct dis_sink {
	unsigned facts;
	uint64_t anomalies;
	uint16_t opx;
	bool refuse;
};

bool
dis_emit(struct dis_sink *s, struct fact *f)
{
	s->facts++;
	s->anomalies |= f->anomalies;
	s->opx = f->opx;
	return !s->refuse;
}

void *
dis_lease(struct dis_call *call, uint32_t want)
{
	static _Alignas(8) uint8_t lease[65536];

	(void)call;
	return want <= sizeof(lease) ? lease : NULL;
}

static struct ua st;
static struct talk_ua say;
static struct dis_sink sink;
static uint8_t pdu[TALK_UA_MAX];

static void
gives(unsigned dir, uint32_t n)
{
	struct dis_call call = {
	    .dir = (uint8_t)dir, .state = &st, .sink = &sink, .now_ns = 1700000000000000000u};

	sink.facts = 0;
	sink.anomalies = 0;
	opcua_pdu(&call, cur_make(pdu, n));
	assert_int_equal(sink.facts, 1);
}

static void
gives_plain(unsigned dir, uint32_t n)
{
	gives(dir, n);
	assert_int_equal(sink.anomalies, 0);
}

/* A channel is open, and both sides have spoken on it. */
static void
opened(uint32_t sig)
{
	memset(&st, 0, sizeof(st));
	say = (struct talk_ua){.channel = 7, .seq = {50, 60}, .sig = sig, .time = 1u << 30};
	sink.refuse = false;
	gives_plain(0, talk_ua_hello(pdu, false));
	gives_plain(1, talk_ua_hello(pdu, true));
	gives_plain(0, talk_ua_open(&say, pdu, false));
	gives_plain(1, talk_ua_open(&say, pdu, true));
	assert_false(opcua_at_rest(&st, 0)); /* nobody has said a token */
	gives_plain(0, talk_ua_read(&say, pdu, "Line.Speed", 0, 2));
	assert_false(opcua_at_rest(&st, 0));
	gives_plain(1, talk_ua_answer(&say, pdu, 634, say.request, 0, 10));
	assert_true(opcua_at_rest(&st, 0));
}

static int32_t
alike(unsigned dir, uint32_t n, uint8_t *out)
{
	return opcua_alike(&st, (enum dis_dir)dir, cur_make(pdu, n), out, KFLOW_PAYLOAD);
}

/* --- services ---------------------------------------------------------------------------------- */

/* Of all that may be open, the types of request and answer are as far apart as the kernel believes. */
static void
types(void **state)
{
	static const struct {
		uint16_t request, response;
	} rows[SVC_LAST] = {
#define SERVICE(name, request, response, answer) [SVC_##name] = {request, response},
#include "dissectors/opcua/services.def"
#undef SERVICE
	};
	unsigned n = 0;

	(void)state;
	for (uint8_t s = 0; s < SVC_LAST; s++) {
		if (!lend_plain(s))
			continue;
		assert_int_equal(rows[s].response, rows[s].request + UA_ANSWERS);
		assert_false(ops[s].access & ACC_SESSION);
		n++;
	}
	assert_true(n > 15);
	assert_false(lend_plain(SVC_RegisterNodes) || lend_plain(SVC_ActivateSession) ||
		     lend_plain(SVC_CreateSession) || lend_plain(SVC_ServiceFault) ||
		     lend_plain(SVC_CloseSession) || lend_plain(SVC_UnregisterNodes));
	assert_true(lend_plain(SVC_Read) && lend_plain(SVC_Publish) && lend_plain(SVC_Browse));
}

/* --- at rest --------------------------------------------------------------------------------------- */

static void
rests(void **state)
{
	struct dis_lent l;

	(void)state;
	for (unsigned sig = 0; sig <= 32; sig += 32) {
		opened(sig);
		opcua_lend(&st, &l);
		assert_int_equal(l.channel, 7);
		assert_true(l.token[0] == 1 && l.token[1] == 1);
		assert_true(l.seq[0] == say.seq[0] && l.seq[1] == say.seq[1]);
		assert_int_equal(l.sig, sig);
		assert_int_equal(l.max[0], 65536);
		assert_int_equal(l.n_open, 0);
		/* Publish requests may wait */
		for (unsigned i = 0; i < DIS_LENT_OPEN; i++)
			gives_plain(0, talk_ua_publish(&say, pdu, 1));
		assert_true(opcua_at_rest(&st, 0));
		opcua_lend(&st, &l);
		assert_int_equal(l.n_open, DIS_LENT_OPEN);
		assert_int_equal(l.type[3], 826);
		gives_plain(
		    0, talk_ua_publish(&say, pdu, 1)); /* but not more than there is room for */
		assert_false(opcua_at_rest(&st, 0));
		gives_plain(1, talk_ua_answer(&say, pdu, 829, say.request - 5, 0, 10));
		assert_true(opcua_at_rest(&st, 0));
		/* what changes names may not */
		gives_plain(0, talk_ua_register(&say, pdu, "Line.0"));
		assert_false(opcua_at_rest(&st, 0));
	}
	opened(0);
	gives_plain(0, talk_ua_open(&say, pdu, false)); /* a token is renewed */
	assert_false(opcua_at_rest(&st, 0));
	gives_plain(1, talk_ua_open(&say, pdu, true));
	assert_false(opcua_at_rest(&st, 0));
	gives_plain(0, talk_ua_read(&say, pdu, "Line.Speed", 0, 2));
	gives_plain(1, talk_ua_answer(&say, pdu, 634, say.request, 0, 10));
	assert_true(opcua_at_rest(&st, 0));
	opcua_lend(&st, &l);
	assert_true(l.token[0] == 2 && l.token[1] == 2);
	/* half a message */
	(void)talk_ua_read(&say, pdu, "Line.Speed", 0, 2);
	pdu[3] = 'C';
	gives_plain(0, talk_ua_le32(pdu + 4));
	assert_false(opcua_at_rest(&st, 0));
}

/* All that was open is answered meanwhile, and as much is open anew: nothing of it is pushed out. */
static void
full_turn(void **state)
{
	struct dis_lent l, back;

	(void)state;
	opened(0);
	for (unsigned i = 0; i < DIS_LENT_OPEN; i++)
		gives_plain(0, talk_ua_publish(&say, pdu, 1));
	opcua_lend(&st, &l);
	for (unsigned i = 0; i < DIS_LENT_OPEN; i++)
		l.request[i] += 1000;
	opcua_back(&st, &l);
	assert_true(opcua_at_rest(&st, 0));
	opcua_lend(&st, &back);
	assert_int_equal(back.n_open, DIS_LENT_OPEN);
	for (unsigned i = 0; i < DIS_LENT_OPEN; i++)
		assert_true(back.request[i] > 1000);
}

/* A Publish was answered, and its id used again for a Read. */
static void
id_again(void **state)
{
	struct dis_lent l, back;

	(void)state;
	opened(0);
	gives_plain(0, talk_ua_publish(&say, pdu, 1));
	opcua_lend(&st, &l);
	assert_int_equal(l.n_open, 1);
	l.type[0] = 631;
	opcua_back(&st, &l);
	opcua_lend(&st, &back);
	assert_int_equal(back.n_open, 1);
	assert_int_equal(back.request[0], l.request[0]);
	assert_int_equal(back.type[0], 631);
}

/* An id that is open twice: whose answer comes first only order tells. */
static void
open_twice(void **state)
{
	(void)state;
	opened(0);
	gives_plain(0, talk_ua_publish(&say, pdu, 1));
	assert_true(opcua_at_rest(&st, 0));
	(void)pair_push(&st, say.request, st.young.service, 0);
	assert_false(opcua_at_rest(&st, 0));
}

/* What was judged elsewhere, in the state that was lent and in that of another process. */
static void
comes_back(void **state)
{
	static struct ua fresh;
	struct dis_lent l, m;
	uint32_t waits, gone;

	(void)state;
	for (unsigned sig = 0; sig <= 32; sig += 32) {
		opened(sig);
		gives_plain(0, talk_ua_publish(&say, pdu, 0));
		waits = say.request;
		gives_plain(0, talk_ua_publish(&say, pdu, 0));
		gone = say.request;
		opcua_lend(&st, &l);
		assert_int_equal(l.n_open, 2);
		/* elsewhere: gone is answered, a Read is asked, and forty others come and go */
		l.request[l.request[0] == gone ? 0 : 1] = gone + 41;
		l.type[l.request[0] == gone + 41 ? 0 : 1] = 631;
		say.request = gone + 41;
		l.seq[0] = say.seq[0] += 41;
		l.seq[1] = say.seq[1] += 41;
		memset(&fresh, 0, sizeof(fresh));
		opcua_back(&fresh, &l);
		opcua_back(&st, &l);
		for (unsigned i = 0; i < 2; i++) {
			if (i)
				st = fresh;
			assert_true(opcua_at_rest(&st, 0));
			opcua_lend(&st, &m);
			assert_int_equal(m.n_open, 2);
			assert_int_equal(m.max[0], l.max[0]);
			assert_true(m.policy == l.policy && m.mode == l.mode && m.sig == sig);
			/* it goes on, with nothing to say about it */
			gives_plain(1, talk_ua_answer(&say, pdu, 634, gone + 41, 0, 10));
			gives_plain(1, talk_ua_answer(&say, pdu, 829, waits, 0, 10));
			gives_plain(0, talk_ua_read(&say, pdu, "Line.Speed", 0, 2));
			assert_int_equal(sink.opx, SVC_Read);
			if (i == 0) {
				gives(1, talk_ua_answer(&say, pdu, 829, gone, 0, 10));
				assert_true(sink.anomalies & UA_A(DUPLICATE_RESPONSE));
			}
			say.seq[0] = l.seq[0];
			say.seq[1] = l.seq[1];
			say.request = gone + 41;
		}
	}
}

/* A Publish that waits while hundreds of requests come and go is still open. */
static void
patience(void **state)
{
	uint32_t waits;

	(void)state;
	opened(0);
	gives_plain(0, talk_ua_publish(&say, pdu, 0));
	waits = say.request;
	for (unsigned i = 0; i < 300; i++) {
		gives_plain(0, talk_ua_read(&say, pdu, "Line.Speed", 0, 2));
		gives_plain(1, talk_ua_answer(&say, pdu, 634, say.request, 0, 10));
	}
	assert_true(opcua_at_rest(&st, 0));
	gives_plain(1, talk_ua_answer(&say, pdu, 829, waits, 0, 10));
	/* when all are open the oldest goes */
	for (unsigned i = 0; i < PENDING; i++)
		gives_plain(0, talk_ua_publish(&say, pdu, 0));
	gives(0, talk_ua_publish(&say, pdu, 0));
	assert_int_equal(sink.anomalies, UA_A(PENDING_FULL));
	assert_int_equal(st.evicted, 1);
}

/* --- alike ------------------------------------------------------------------------------------------- */

/* What the kernel takes it for is what we say: the same bytes, or neither knows it. */
static int32_t
both(uint32_t n, uint8_t *out)
{
	uint8_t kernel[UA_ROOM];
	uint16_t type = 0;
	uint32_t m;
	int32_t k = alike(0, n, out);

	memset(kernel, 0xee, sizeof(kernel)); /* what lies behind does not matter */
	memcpy(kernel, pdu, n);
	m = ua_alike(kernel, n, st.sig, &type);
	if (k <= 0)
		return k;
	assert_int_equal(m, k);
	assert_memory_equal(kernel, out, m);
	assert_int_equal(type, ops[sink.opx].code);
	return k;
}

static uint32_t
request(unsigned i)
{
	switch (i) {
	case 0:
		return talk_ua_read(&say, pdu, "Line.Speed", 2, 5);
	case 1:
		return talk_ua_write(&say, pdu, "Line.Mode", 77);
	case 2:
		return talk_ua_browse(&say, pdu, "Line");
	default:
		return talk_ua_publish(&say, pdu, 3);
	}
}

/* Of a request that changes in one bit: is it still alike?  Only where it says nothing that is judged. */
static void
bits(void **state)
{
	static const unsigned times = 24 + 4 + 7 + 16, body = 24 + 4 + 7 + 16 + 27;
	uint8_t first[KFLOW_PAYLOAD], out[KFLOW_PAYLOAD], was[TALK_UA_MAX];
	unsigned same = 0, other = 0, none = 0;

	(void)state;
	for (unsigned sig = 0; sig <= 32; sig += 32)
		for (unsigned i = 0; i < 4; i++) {
			struct ua before;
			int32_t n, k;
			uint32_t len;

			opened(sig);
			before = st;
			len = request(i);
			memcpy(was, pdu, len);
			gives_plain(0, len);
			n = both(len, first);
			assert_int_equal(n, i == 3 ? body : len - sig);
			for (unsigned bit = 0; bit < len * 8; bit++) {
				unsigned at = bit / 8;
				bool free_to = (at >= times && at < times + 12) ||
					       at >= len - sig || (at >= 20 && at < 24) ||
					       (i == 3 && at >= body + 4);

				if (at >= 4 && at < 8)
					continue; /* frame() has cut it by its size */
				st = before;
				memcpy(pdu, was, len);
				pdu[at] ^= (uint8_t)(1u << bit % 8);
				gives(0, len);
				k = sink.anomalies ? DIS_ALIKE_NONE : both(len, out);
				if (k == n && memcmp(out, first, (size_t)n) == 0) {
					if (!free_to)
						fail_msg("request %u: byte %u", i, at);
					same++;
				} else {
					assert_false(free_to);
					other += k > 0;
					none += k <= 0;
				}
			}
		}
	print_message("# alike %u, others %u, not to be known %u\n", same, other, none);
	assert_true(same > 2000 && other > 1000 && none > 500);
}

/* After what may change the session nothing is relied on; what is refused is not known either. */
static void
forgets(void **state)
{
	uint8_t out[KFLOW_PAYLOAD];
	uint32_t n;

	(void)state;
	opened(0);
	n = talk_ua_read(&say, pdu, "Line.Speed", 0, 1);
	gives_plain(0, n);
	assert_true(alike(0, n, out) > 0);
	n = talk_ua_answer(&say, pdu, 634, say.request, 0, 9);
	gives_plain(1, n);
	assert_int_equal(alike(1, n, out), 0);
	n = talk_ua_register(&say, pdu, "Line.0");
	gives_plain(0, n);
	assert_int_equal(alike(0, n, out), DIS_ALIKE_NONE);
	n = talk_ua_answer(&say, pdu, 397, say.request, 0x80340000u, 0);
	gives_plain(1, n);
	assert_int_equal(alike(1, n, out), DIS_ALIKE_NONE);
	n = talk_ua_open(&say, pdu, false);
	gives_plain(0, n);
	assert_int_equal(alike(0, n, out), DIS_ALIKE_NONE);
	opened(0);
	sink.refuse = true;
	n = talk_ua_read(&say, pdu, "Line.Speed", 0, 1);
	gives(0, n);
	assert_int_equal(alike(0, n, out), DIS_ALIKE_NONE);
}

/* A Read of the NamespaceArray: its answer may make another verdict of the next request. */
static void
namespaces(void **state)
{
	uint8_t out[KFLOW_PAYLOAD];
	struct talk_ua_put o;
	uint32_t n;

	(void)state;
	opened(0);
	talk_ua_request(&o, &say, pdu, 631);
	talk_le(&o, 0, 8);
	talk_le(&o, 3, 4);
	talk_le(&o, 1, 4);
	talk_le(&o, 1, 1);
	talk_le(&o, 0, 1);
	talk_le(&o, 2255, 2);
	talk_le(&o, 13, 4);
	talk_ua_text(&o, NULL);
	talk_le(&o, 0, 2);
	talk_ua_text(&o, NULL);
	n = talk_ua_end(&o, &say);
	gives_plain(0, n);
	assert_int_equal(alike(0, n, out), DIS_ALIKE_NONE);
	assert_false(opcua_at_rest(&st, 0));
	n = talk_ua_answer(&say, pdu, 397, say.request, 0x80340000u, 0);
	gives_plain(1, n);
	assert_int_equal(alike(1, n, out), DIS_ALIKE_NONE);
	assert_true(opcua_at_rest(&st, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(types),
	    cmocka_unit_test(rests),
	    cmocka_unit_test(full_turn),
	    cmocka_unit_test(open_twice),
	    cmocka_unit_test(id_again),
	    cmocka_unit_test(comes_back),
	    cmocka_unit_test(patience),
	    cmocka_unit_test(bits),
	    cmocka_unit_test(forgets),
	    cmocka_unit_test(namespaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
