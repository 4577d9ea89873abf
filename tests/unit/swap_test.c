/* SPDX-License-Identifier: Apache-2.0 */
/*
 * swap_test.c - a thousand policies, built by one thread while another judges packets without a pause
 * and takes each between two bursts, as a guard's worker takes what its builder made.
 *
 * What one policy allows the other denies, so a PDU that were judged by another one than that in
 * force, or by two, would be stopped or have another generation.  Time is that of each thread's
 * processor, so a loaded machine does not matter.  `make tsan` runs it with the thread sanitizer, `make test` with the
 * address sanitizer, which also looks for what is left behind.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/plant.h"

#define SWAPS 1000u
#define FLOWS 16u
#define EXTRA 12u /* conduits of three rules that nobody here uses */
#define HMI   0x0a010205
#define PLC   0x0a010282

struct next {
	struct policy *pol;
	unsigned which; /* of low, high */
	uint64_t build_ns;
};

/* One place: the builder waits until the judge has taken what lies there. */
static _Atomic(struct next *) offered;
static _Atomic(struct policy *) retired; /* by the judge: for the builder to free */
static char text[2][32768];

static uint64_t
own_time_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
write_policy(unsigned which)
{
	char *p = text[which], *end = p + sizeof(text[which]);

	p += snprintf(p, (size_t)(end - p),
	    "interlock: 1\nsite: test\nmode: enforce\n"
	    "zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25]}\n"
	    "  ot: {level: 1, port: inside, nets: [10.1.2.128/25]}\ndevices:\n");
	for (unsigned i = 0; i < EXTRA; i++)
		p +=
		    snprintf(p, (size_t)(end - p), "  d%u: {zone: it, ip: 10.1.2.%u}\n", i, 60 + i);
	p += snprintf(p, (size_t)(end - p), "conduits:\n");
	/* so that indices of one mean another thing in the other */
	for (unsigned i = which; i < EXTRA; i += 1 + which)
		p += snprintf(p, (size_t)(end - p),
		    "  - {name: c%u, from: [d%u], to: [ot/*], modbus: {addressing: zero-based, "
		    "allow: "
		    "[\n"
		    "    {name: a, units: [1], functions: [3], holding: [0..9, 20..%u]},\n"
		    "    {name: b, units: [2, 3], functions: [6, 16], holding: [7..%u], values: "
		    "{7: "
		    "0..9}},\n"
		    "    {name: c, units: all, functions: [4], input: all}]}}\n",
		    i, i, 30 + i, 8 + i);
	p += snprintf(p, (size_t)(end - p),
	    "  - {name: poll, from: [it/*], to: [ot/*], otherwise: drop, modbus: {addressing: "
	    "zero-based,\n"
	    "    allow: [{name: reads, units: [1], functions: [3], holding: [%s]}]}}\n",
	    which ? "100..199" : "0..99");
	assert_true(p < end);
}

static void *
builder(void *arg)
{
	static struct next next;

	(void)arg;
	for (unsigned i = 1; i <= SWAPS; i++) {
		struct complaints c = {0};
		uint64_t t0 = own_time_ns();

		next.which = i & 1;
		next.pol =
		    policy_build_text("next", text[next.which], strlen(text[next.which]), &c);
		next.build_ns = own_time_ns() - t0;
		complaints_fini(&c);
		atomic_store_explicit(&offered, &next, memory_order_release);
		while (atomic_load_explicit(&offered, memory_order_acquire)) {
			const struct timespec rest = {0, 20000};

			nanosleep(&rest, NULL);
		}
		policy_free(atomic_exchange(&retired, NULL));
	}
	return NULL;
}

struct seen {
	unsigned swaps, slower;
	uint64_t swap_ns, build_ns, worst_ns;
	unsigned long pdus;
};

/* Between two bursts. */
static void
take(struct plant *x, unsigned *which, struct seen *s)
{
	struct next *n = atomic_load_explicit(&offered, memory_order_acquire);
	uint64_t t0, ns;

	if (!n)
		return;
	assert_non_null(n->pol);
	t0 = own_time_ns();
	engine_set_policy(x->e, n->pol);
	ns = own_time_ns() - t0;
	atomic_store(&retired, x->pol);
	x->pol = n->pol;
	*which = n->which;
	s->swaps++;
	s->swap_ns += ns;
	s->build_ns += n->build_ns;
	s->slower += ns > n->build_ns;
	if (ns > s->worst_ns)
		s->worst_ns = ns;
	atomic_store_explicit(&offered, NULL, memory_order_release);
}

static void
a_thousand_under_load(void **state)
{
	struct plant *x;
	struct wire w[FLOWS];
	struct seen s = {0};
	unsigned which = 0;
	uint32_t seed = 1;
	uint16_t txn = 0;
	pthread_t t;

	(void)state;
	write_policy(0);
	write_policy(1);
	x = plant_new(true, text[0], 0, 0);
	for (unsigned i = 0; i < FLOWS; i++) {
		w[i] = plant_wire(x, HMI + i, (uint16_t)(40000 + i), PLC + i % 4, 502);
		assert_true(plant_open(x, &w[i]));
	}
	assert_int_equal(pthread_create(&t, NULL, builder, NULL), 0);
	while (s.swaps < SWAPS) {
		uint8_t ask[12] = {0, 0, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1};
		struct wire *c = &w[(seed = seed * 1103515245 + 12345) >> 16 & (FLOWS - 1)];
		unsigned cut = 1 + (seed >> 20) % 11, facts = x->facts;
		uint8_t say[11] = {0, 0, 0, 0, 0, 5, 1, 3, 2, 0, 0};

		/* the first half under one policy, the end perhaps under the next: that one judges */
		ask[0] = say[0] = (uint8_t)(++txn >> 8);
		ask[1] = say[1] = (uint8_t)txn;
		ask[9] = which ? 120 : 20;
		if (cut < 10) {
			plant_say(x, c, CLIENT, ask, cut);
			take(x, &which, &s);
			ask[9] = which ? 120 : 20;
		} else {
			cut = 0;
		}
		assert_int_equal(plant_say(x, c, CLIENT, ask + cut, 12 - cut).fate, FATE_FORWARD);
		assert_int_equal(x->facts, facts + 1);
		assert_int_equal(x->verdict.generation, policy_generation(x->pol));
		take(x, &which, &s);
		assert_int_equal(plant_say(x, c, SERVER, say, 11).fate, FATE_FORWARD);
		assert_int_equal(x->verdict.generation, policy_generation(x->pol));
		s.pdus += 2;
	}
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(x->events, 0);
	assert_int_equal(x->denied, 0);
	assert_int_equal(plant_stats(x)->flows, FLOWS);
	assert_int_equal(plant_stats(x)->flows_ended, 0);
	print_message(
	    "%u swaps among %lu PDUs: %llu ns each, %llu ns the longest; a build %llu ns, "
	    "%.0f times as long\n",
	    s.swaps, s.pdus, (unsigned long long)(s.swap_ns / s.swaps),
	    (unsigned long long)s.worst_ns, (unsigned long long)(s.build_ns / s.swaps),
	    (double)s.build_ns / (double)(s.swap_ns ? s.swap_ns : 1));
	assert_int_equal(s.slower, 0); /* none took longer than its own build */
	plant_free(x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_thousand_under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
