/* SPDX-License-Identifier: Apache-2.0 */
/* shared.c - reading what workers publish (shared.h): nothing of it is trusted to be still. */
#include "guard/shared.h"

#include <string.h>

#define TRIES	 1000u
#define WORDS(x) (sizeof(x) / sizeof(uint64_t))

_Static_assert(sizeof(struct engine_stats) % sizeof(uint64_t) == 0, "added up word by word");
_Static_assert(sizeof(struct io_stats) % sizeof(uint64_t) == 0, "added up word by word");

bool
shared_snapshot(const struct guard_shared *s, struct engine_stats *engine, struct io_stats *io)
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint32_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);

		*engine = s->engine;
		*io = s->io;
		atomic_thread_fence(memory_order_acquire);
		if (!(seq & 1) && atomic_load_explicit(&s->seq, memory_order_relaxed) == seq)
			return true;
	}
	return false;
}

static void
add_words(void *to, const void *from, size_t n)
{
	uint64_t *a = to;
	const uint64_t *b = from;

	for (size_t i = 0; i < n; i++)
		a[i] += b[i];
}

static void
add_latency(struct latency *to, const struct latency *from)
{
	if (from->n == 0)
		return;
	to->n += from->n;
	to->sum_ns += from->sum_ns;
	to->over += from->over;
	to->max_ns = from->max_ns > to->max_ns ? from->max_ns : to->max_ns;
	for (unsigned i = 0; i < LAT_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
}

/* The shadow of all: with the generation of the first, while all have that. */
static void
add_shadow(struct shadow_report *to, const struct guard_shared *from, unsigned n)
{
	memset(to, 0, sizeof(*to));
	to->generation = from[0].shadow.generation;
	for (unsigned i = 0; i < n; i++)
		if (from[i].shadow.generation != to->generation)
			to->generation = 0;
	for (unsigned i = 0; i < n && to->generation != 0; i++)
		shadow_report_add(to, &from[i].shadow);
}

bool
shared_sum(struct guard_shared *to, const struct guard_shared *from, unsigned n)
{
	struct engine_stats engine;
	struct io_stats io;

	memset(&to->engine, 0, sizeof(to->engine));
	memset(&to->io, 0, sizeof(to->io));
	memset(&to->fast, 0, sizeof(to->fast));
	memset(to->latency, 0, sizeof(to->latency));
	memset(to->rule_hits, 0, sizeof(to->rule_hits));
	to->loops = to->bursts = to->sleeps = 0;
	to->pid = from[0].pid;
	to->started_ns = from[0].started_ns;
	to->now_ns = from[0].now_ns;
	to->n_rules = from[0].n_rules < GUARD_RULES ? from[0].n_rules : GUARD_RULES;
	to->n_conduits = from[0].n_conduits;
	to->generation = from[0].generation;
	for (unsigned i = 0; i < n; i++) {
		if (!shared_snapshot(&from[i], &engine, &io))
			return false;
		add_words(&to->engine, &engine, WORDS(engine));
		add_words(&to->io, &io, WORDS(io));
		to->loops += from[i].loops;
		to->bursts += from[i].bursts;
		to->sleeps += from[i].sleeps;
		for (uint32_t c = 0; c <= GUARD_CONDUITS; c++)
			add_latency(&to->latency[c], &from[i].latency[c]);
		add_words(to->rule_hits, from[i].rule_hits, to->n_rules);
		if (from[i].generation != to->generation)
			to->generation = 0;
	}
	add_shadow(&to->shadow, from, n);
	return true;
}

struct limit_count
shared_limits(const struct guard_shared *s, unsigned n, enum limit_kind kind)
{
	struct limit_count sum = {0};

	for (unsigned i = 0; i < n; i++)
		add_words(&sum, &s[i].limits[kind], WORDS(sum));
	return sum;
}

uint64_t
shared_alive_ns(const struct guard_shared *s, unsigned n)
{
	uint64_t first = UINT64_MAX;

	for (unsigned i = 0; i < n; i++) {
		uint64_t at = atomic_load_explicit(&s[i].alive_ns, memory_order_acquire);

		first = at < first ? at : first;
	}
	return first;
}
