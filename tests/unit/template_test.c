/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template_test.c - the toy protocol of dissectors/_template works as it
 * stands, since people copy it: framing, facts, pairing, refusal, and a write
 * that arrives in pieces, cut everywhere.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dissectors/_template/toy.c"
#include "tests/unit/guard.h"

struct dis_sink {
	unsigned facts;
	struct fact last;
	uint32_t cells[4096], n_cells; /* addresses of all values written, in order */
	uint16_t values[4096];
	bool pass;
};

bool
dis_emit(struct dis_sink *s, struct fact *f)
{
	struct fact_iter it = {0};
	struct fact_item item;
	unsigned n = 0;

	s->facts++;
	while (fact_next(f, &it, &item)) {
		n++;
		for (uint32_t i = 0; item.vals && i < item.count; i++) {
			s->cells[s->n_cells] = item.first + i;
			s->values[s->n_cells++] = (uint16_t)fact_value(&item, i);
		}
	}
	assert_int_equal(n, f->n_items);
	s->last = *f;
	return s->pass;
}

static struct guard page;
static struct dis_sink sink;
static _Alignas(8) uint8_t state[DIS_STATE_INLINE];

static void
give(enum dis_dir dir, const char *bytes, size_t n)
{
	struct dis_call call = {.dir = (uint8_t)dir, .state = state, .sink = &sink};

	dissector_toy.pdu(&call, cur_make(guard_put(&page, bytes, n), n));
}
#define GIVE(dir, bytes) give(dir, bytes, sizeof(bytes) - 1)

static int
fresh(void **unused)
{
	(void)unused;
	memset(&sink, 0, sizeof(sink));
	memset(state, 0, sizeof(state));
	sink.pass = true;
	return 0;
}

static void
frame_and_probe(void **unused)
{
	static const char read1[] = "TY\1\5\0\1\0\4\0\7\0\2";
	uint8_t variant;

	(void)unused;
	for (size_t n = 0; n < TOY_HEAD; n++)
		assert_int_equal(dissector_toy.frame(cur_make(guard_put(&page, read1, n), n),
		    DIR_TO_SERVER, 0), FRAME_MORE);
	assert_int_equal(dissector_toy.frame(cur_make(read1, TOY_HEAD), DIR_TO_SERVER, 0), 12);
	assert_int_equal(dissector_toy.frame(cur_make("XY\1\5\0\1\0\4", 8), DIR_TO_SERVER, 0),
	    FRAME_BAD);
	assert_int_equal(dissector_toy.probe(cur_make(read1, 12), DIR_TO_SERVER, &variant),
	    PROBE_YES);
	assert_int_equal(dissector_toy.probe(cur_make(read1, 12), DIR_TO_CLIENT, &variant), PROBE_NO);
	assert_int_equal(dissector_toy.probe(cur_make(read1, 3), DIR_TO_SERVER, &variant),
	    PROBE_MAYBE);
	assert_int_equal(dissector_toy.probe(cur_make("GET / HTTP", 10), DIR_TO_SERVER, &variant),
	    PROBE_NO);
}

static void
requests_and_answers(void **unused)
{
	(void)unused;
	GIVE(DIR_TO_SERVER, "TY\1\5\0\1\0\10\0\7\0\2\0\144\0\1"); /* two ranges */
	assert_int_equal(sink.last.kind, FACT_REQUEST);
	assert_int_equal(sink.last.n_items, 2);
	assert_int_equal(sink.last.item.first, 7);
	assert_int_equal(sink.last.unit, 5);
	GIVE(DIR_TO_CLIENT, "TY\201\5\0\1\0\4\0\1\0\2");
	assert_int_equal(sink.last.kind, FACT_RESPONSE);
	assert_int_equal(sink.last.anomalies, 0);
	GIVE(DIR_TO_CLIENT, "TY\201\5\0\1\0\4\0\1\0\2"); /* once more: nothing is open */
	assert_true(sink.last.anomalies & FACT_A_UNSOLICITED);
	GIVE(DIR_TO_SERVER, "TY\2\5\0\2\0\6\0\7\0\1\0\2");
	assert_int_equal(sink.n_cells, 2);
	assert_int_equal(sink.cells[1], 8);
	assert_int_equal(sink.values[1], 2);
	GIVE(DIR_TO_CLIENT, "TY\377\5\0\2\0\1\11");
	assert_int_equal(sink.last.kind, FACT_EXCEPTION);
	assert_string_equal(sink.last.op, "write_cells");
	sink.pass = false; /* a dropped request is not open */
	GIVE(DIR_TO_SERVER, "TY\2\5\0\3\0\4\0\7\0\1");
	sink.pass = true;
	GIVE(DIR_TO_CLIENT, "TY\202\5\0\3\0\0");
	assert_true(sink.last.anomalies & FACT_A_UNSOLICITED);
}

static void
bad_bodies(void **unused)
{
	(void)unused;
	GIVE(DIR_TO_SERVER, "TY\1\5\0\1\0\3\0\7\0");
	assert_int_equal(sink.last.kind, FACT_MALFORMED);
	GIVE(DIR_TO_SERVER, "TY\2\5\0\1\0\3\0\7\0");
	assert_int_equal(sink.last.kind, FACT_MALFORMED);
	assert_int_equal(sink.n_cells, 0);
	GIVE(DIR_TO_SERVER, "TY\1\5\0\1\0\4\377\377\0\2");
	assert_int_equal(sink.last.anomalies, TOY_A(RANGE));
	GIVE(DIR_TO_SERVER, "TY\11\5\0\1\0\0");
	assert_int_equal(sink.last.anomalies, TOY_A(TYPE));
}

/* A write of 495 values, cut into pieces of every size: the same values. */
static void
long_write(void **unused)
{
	uint8_t pdu[TOY_HEAD + 2 + 990] = "TY\2\5\0\1";
	struct dis_call call = {.dir = DIR_TO_SERVER, .state = state, .sink = &sink};
	size_t total = sizeof(pdu);

	pdu[6] = (uint8_t)((total - TOY_HEAD) >> 8);
	pdu[7] = (uint8_t)(total - TOY_HEAD);
	pdu[9] = 100;
	for (size_t i = 10; i < total; i++)
		pdu[i] = (uint8_t)(i * 7);
	assert_int_equal(dissector_toy.frame(cur_make(pdu, total), DIR_TO_SERVER, 0), total);
	assert_true(total > dissector_toy.max_pdu);
	for (size_t step = 1; step <= total; step++) {
		fresh(unused);
		for (size_t off = 0; off < total; off += step) {
			size_t n = total - off < step ? total - off : step;

			dissector_toy.part(&call, cur_make(guard_put(&page, pdu + off, n), n),
			    (uint32_t)off, (uint32_t)total);
		}
		assert_int_equal(sink.n_cells, 495);
		for (uint32_t i = 0; i < 495; i++) {
			assert_int_equal(sink.cells[i], 100 + i);
			assert_int_equal(sink.values[i], pdu[10 + 2 * i] << 8 | pdu[11 + 2 * i]);
		}
		assert_int_equal(sink.last.more, 0);
		assert_int_equal(sink.last.kind, FACT_REQUEST);
	}
	GIVE(DIR_TO_CLIENT, "TY\202\5\0\1\0\0"); /* and its answer is one */
	assert_int_equal(sink.last.anomalies, 0);
}

static void
refusal(void **unused)
{
	struct fact f = {.unit = 5, .txn = 0x102};
	uint8_t buf[16];

	(void)unused;
	assert_int_equal(dissector_toy.refuse(&(struct dis_call){0}, &f, buf, sizeof(buf)), 9);
	assert_memory_equal(buf, "TY\377\5\1\2\0\1\1", 9);
	assert_int_equal(dissector_toy.refuse(&(struct dis_call){0}, &f, buf, 8), 0);
}

static int
setup(void **unused)
{
	(void)unused;
	page = guard_new(2048);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(frame_and_probe, fresh),
	    cmocka_unit_test_setup(requests_and_answers, fresh),
	    cmocka_unit_test_setup(bad_bodies, fresh),
	    cmocka_unit_test_setup(long_write, fresh),
	    cmocka_unit_test_setup(refusal, fresh),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
