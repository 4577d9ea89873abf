/* SPDX-License-Identifier: Apache-2.0 */
/* flow_list_test.c - the connections an engine knows, as text (flow_list.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/plant.h"

static const char policy[] =
    "interlock: 1\nsite: test\nmode: enforce\n"
    "zones:\n  it: {level: 3, nets: [10.1.0.0/16]}\n  ot: {level: 1, nets: [10.3.0.0/16]}\n"
    "conduits:\n  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    modbus:\n"
    "      addressing: zero-based\n      allow:\n"
    "        - {name: reads, units: [1], functions: [3], holding: [0..99]}\n";

#define HMI(i) (0x0a010001u + (i))
#define PLC    0x0a030001u
#define MANY   3000u

/* All of the list; how many pieces. */
static char *
list(struct plant *x, size_t piece, unsigned *pieces)
{
	static char text[1u << 20];
	uint32_t at = 0;
	size_t n = 0;

	*pieces = 0;
	while (at != ENGINE_FLOWS_END) {
		char *buf = malloc(piece); /* its end is watched */
		size_t got;

		assert_true(*pieces < 100000);
		got = engine_flow_list(x->e, &at, buf, piece);
		assert_true(got <= piece && n + got < sizeof(text));
		memcpy(text + n, buf, got);
		free(buf);
		n += got;
		(*pieces)++;
	}
	text[n] = '\0';
	return text;
}

static void
lines(void **state)
{
	struct plant *x = plant_new(true, policy, 0, 256);
	struct wire w = plant_wire(x, HMI(4), 40000, PLC, 502);
	unsigned pieces;

	(void)state;
	assert_string_equal(list(x, 4096, &pieces), "");
	(void)plant_put(x, wire_tcp(&w, CLIENT, SYN, NULL, 0));
	assert_string_equal(
	    list(x, 4096, &pieces), "tcp 10.1.0.5:40000 -> 10.3.0.1:502 ? poll opening idle=0\n");
	plant_free(x);
	x = plant_new(true, policy, 0, 256);
	w = plant_wire(x, HMI(4), 40000, PLC, 502);
	assert_true(plant_open(x, &w));
	assert_true(plant_poll(x, &w, 1, 0, 3));
	x->now_ns += UINT64_C(65000000000);
	engine_tick(x->e, x->now_ns);
	assert_string_equal(list(x, 4096, &pieces),
	    "tcp 10.1.0.5:40000 -> 10.3.0.1:502 modbus poll open idle=65\n");
	plant_free(x);
}

static int
cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In pieces of any size: each connection is there once. */
static void
many(void **state)
{
	static const size_t sizes[] = {4096, 5000, 8192, 100000};
	struct plant *x = plant_new(true, policy, 64u << 20, 8192);

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		struct wire w = plant_wire(x, HMI(i), 40000, PLC, 502);

		assert_true(plant_open(x, &w));
	}
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		static char *line[MANY + 1];
		unsigned n = 0, pieces;
		char *rest = list(x, sizes[s], &pieces), *at;

		while ((at = strsep(&rest, "\n")) != NULL && *at) {
			assert_true(n < MANY);
			line[n++] = at;
		}
		assert_int_equal(n, MANY);
		assert_int_equal(n, plant_stats(x)->flows_active);
		qsort(line, n, sizeof(line[0]), cmp);
		for (unsigned i = 1; i < n; i++)
			assert_string_not_equal(line[i - 1], line[i]);
		assert_true(pieces > 1);
	}
	plant_free(x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines),
	    cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
