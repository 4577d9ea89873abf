/* SPDX-License-Identifier: Apache-2.0 */
/* view_past.c - what workers counted, added up over all workers and policies (view.h). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "guard/latency.h"
#include "guard/view_int.h"
#include "policy/policy.h"

#define WINDOW_NS (30 * NS_PER_S)
#define LATE_NS	  (60 * NS_PER_S)
#define WORDS(x)  (sizeof(x) / sizeof(uint64_t))

struct view_past *
view_past_new(void)
{
	return calloc(1, sizeof(struct view_past));
}

void
view_past_free(struct view_past *p)
{
	free(p);
}

/* total += now - last, for each word; a counter that is below its last began anew. */
static void
add_words(uint64_t *total, uint64_t *last, const uint64_t *now, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		total[i] += now[i] >= last[i] ? now[i] - last[i] : now[i];
		last[i] = now[i];
	}
}

static void
add_latency(struct past_latency *t, const struct latency *now)
{
	bool anew = now->n < t->last.n;
	const struct latency *last = &t->last;

	if (now->n == t->last.n)
		return;
	t->n += anew ? now->n : now->n - last->n;
	t->sum_ns += anew ? now->sum_ns : now->sum_ns - last->sum_ns;
	t->over += anew ? now->over : now->over - last->over;
	t->max_ns = now->max_ns > t->max_ns ? now->max_ns : t->max_ns;
	for (unsigned i = 0; i < LAT_BUCKETS; i++)
		t->bucket[i] += (uint32_t)(now->bucket[i] - (anew ? 0 : last->bucket[i]));
	t->last = *now;
}

/* --- another policy --------------------------------------------------------------------------- */

static int
id_cmp(const void *a, const void *b)
{
	const struct past_rule *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static void
rename_rules(struct view_past *p, const struct policy *pol)
{
	uint32_t n = policy_rule_count(pol), n_old = p->n_rules;

	if (n > GUARD_RULES)
		n = GUARD_RULES;
	memcpy(p->old_rule, p->rule, n_old * sizeof(p->rule[0]));
	qsort(p->old_rule, n_old, sizeof(p->old_rule[0]), id_cmp);
	for (uint32_t i = 0; i < n; i++) {
		struct policy_rule_info info = {.id = 0};
		const struct past_rule *old;
		struct past_rule key;

		(void)policy_rule_info(pol, i, &info);
		key = (struct past_rule){.id = info.id};
		old = bsearch(&key, p->old_rule, n_old, sizeof(key), id_cmp);
		key.hits = old ? old->hits : 0;
		p->rule[i] = key;
	}
	p->n_rules = n;
}

static void
rename_conduits(struct view_past *p, const struct policy *pol)
{
	uint32_t n = policy_conduit_count(pol);

	if (n > GUARD_CONDUITS)
		n = GUARD_CONDUITS;
	for (uint32_t i = 0; i < n; i++) {
		struct past_latency *to = &p->conduit[i], was;
		const char *name = policy_conduit_name(pol, i);
		uint32_t from = i;

		if (strncmp(to->name, name, PAST_NAME - 1) == 0)
			continue;
		while (from < p->n_conduits &&
		       strncmp(p->conduit[from].name, name, PAST_NAME - 1) != 0)
			from++;
		was = *to;
		if (from < p->n_conduits) { /* what is here may be wanted further on */
			*to = p->conduit[from];
			p->conduit[from] = was;
			continue;
		}
		if (was.name[0] && p->n_conduits < GUARD_CONDUITS)
			p->conduit[p->n_conduits++] = was;
		memset(to, 0, sizeof(*to));
		snprintf(to->name, sizeof(to->name), "%s", name);
	}
	for (uint32_t i = n; i < p->n_conduits; i++)
		memset(&p->conduit[i], 0, sizeof(p->conduit[i])); /* there are no such any more */
	for (uint32_t i = 0; i <= GUARD_CONDUITS; i++)
		memset(&p->conduit[i].last, 0, sizeof(p->conduit[i].last));
	p->n_conduits = n;
}

/* --- a tick ------------------------------------------------------------------------------------ */

static void
new_worker(struct view_past *p, const struct guard_shared *s)
{
	p->pid = s->pid;
	p->worker_ns = s->started_ns;
	memset(&p->engine_last, 0, sizeof(p->engine_last));
	memset(&p->io_last, 0, sizeof(p->io_last));
	p->loops_last = p->sleeps_last = 0;
	for (uint32_t i = 0; i <= GUARD_CONDUITS; i++)
		memset(&p->conduit[i].last, 0, sizeof(p->conduit[i].last));
	for (uint32_t i = 0; i < p->n_rules; i++)
		p->rule[i].last = 0;
}

static void
new_window(struct view_past *p, uint64_t now_ns)
{
	if (p->window_ns != 0 && now_ns >= p->window_ns && now_ns - p->window_ns < WINDOW_NS)
		return;
	p->window ^= 1;
	p->window_ns = now_ns;
	for (uint32_t i = 0; i <= GUARD_CONDUITS; i++)
		memcpy(p->conduit[i].window[p->window], p->conduit[i].bucket,
		    sizeof(p->conduit[i].bucket));
}

void
view_policy(struct view_past *p, const struct policy *policy)
{
	if (p->generation == policy_generation(policy))
		return;
	rename_conduits(p, policy);
	rename_rules(p, policy);
	p->generation = policy_generation(policy);
}

void
view_tick(
    struct view_past *p, const struct guard_shared *s, const struct policy *policy, uint64_t now_ns)
{
	struct engine_stats engine;
	struct io_stats io;

	if (s->pid == 0 || !shared_snapshot(s, &engine, &io))
		return;
	if (s->pid != p->pid || s->started_ns != p->worker_ns)
		new_worker(p, s);
	add_words((uint64_t *)&p->engine, (uint64_t *)&p->engine_last, (const uint64_t *)&engine,
	    WORDS(engine));
	add_words((uint64_t *)&p->io, (uint64_t *)&p->io_last, (const uint64_t *)&io, WORDS(io));
	add_words(&p->loops, &p->loops_last, &s->loops, 1);
	add_words(&p->sleeps, &p->sleeps_last, &s->sleeps, 1);
	/* These are no sums. */
	p->engine.held = engine.held;
	p->engine.flows_active = engine.flows_active;
	p->engine.memory_bytes = engine.memory_bytes;
	if (!policy || s->generation != policy_generation(policy))
		return; /* they are about to agree */
	view_policy(p, policy);
	for (uint32_t i = 0; i < p->n_conduits; i++)
		add_latency(&p->conduit[i], &s->latency[i]);
	add_latency(&p->conduit[GUARD_CONDUITS], &s->latency[GUARD_CONDUITS]);
	for (uint32_t i = 0; i < p->n_rules; i++) {
		struct past_rule *r = &p->rule[i];

		add_words(&r->hits, &r->last, &s->rule_hits[i], 1);
		add_words(&r->hits, &r->kernel_last, &s->kernel_hits[i], 1);
	}
	new_window(p, now_ns);
}

/* --- asking ------------------------------------------------------------------------------------ */

uint64_t
view_percentile(const uint64_t *now, const uint64_t *before, uint32_t per_million, uint64_t end)
{
	uint64_t n = 0, seen = 0, want;

	for (unsigned i = 0; i < LAT_BUCKETS; i++)
		n += now[i] - before[i];
	if (n == 0)
		return 0;
	want = n / 1000000 * per_million + (n % 1000000 * per_million + 999999) / 1000000;
	for (unsigned i = 0; i < LAT_BUCKETS - 1; i++) {
		seen += now[i] - before[i];
		if (seen >= want && seen > 0)
			return lat_floor(i + 1) < end ? lat_floor(i + 1) : end;
	}
	return end;
}

bool
view_latency(const struct guard_view *v, uint32_t i, struct view_latency *out)
{
	memset(out, 0, sizeof(*out));
	if (v->past) {
		const struct past_latency *t = &v->past->conduit[i];
		/* The older window: at least one full one lies in it. */
		const uint64_t *since = t->window[v->past->window ^ 1];

		out->n = t->n;
		out->over = t->over;
		out->max_ns = t->max_ns;
		for (unsigned b = 0; b < LAT_BUCKETS; b++)
			out->recent += t->bucket[b] - since[b];
		out->p50 = view_percentile(t->bucket, since, 500000, t->max_ns);
		out->p99 = view_percentile(t->bucket, since, 990000, t->max_ns);
		out->p999 = view_percentile(t->bucket, since, 999000, t->max_ns);
	} else if (v->shared) {
		const struct latency *l = &v->shared->latency[i];

		out->n = out->recent = l->n;
		out->over = l->over;
		out->max_ns = l->max_ns;
		out->p50 = lat_percentile(l, NULL, 500000);
		out->p99 = lat_percentile(l, NULL, 990000);
		out->p999 = lat_percentile(l, NULL, 999000);
	}
	return out->n > 0;
}

void
view_numbers(const struct guard_view *v, struct view_numbers *out)
{
	memset(out, 0, sizeof(*out));
	if (v->past) {
		out->engine = v->past->engine;
		out->io = v->past->io;
		out->loops = v->past->loops;
		out->sleeps = v->past->sleeps;
	} else if (v->shared) {
		(void)shared_snapshot(v->shared, &out->engine, &out->io);
		out->loops = v->shared->loops;
		out->sleeps = v->shared->sleeps;
	}
}

/* --- too late ---------------------------------------------------------------------------------- */

static void
in_words(uint64_t ns, char *buf, size_t size)
{
	if (ns < 1000000)
		snprintf(buf, size, "%" PRIu64 " us", ns / 1000);
	else
		snprintf(buf, size, "%" PRIu64 ".%" PRIu64 " ms", ns / 1000000, ns / 100000 % 10);
}

void
view_late(struct view_past *p, const struct policy *policy, uint64_t now_ns,
    void (*fn)(void *ctx, const struct view_late *late), void *ctx)
{
	if (!policy || p->generation != policy_generation(policy))
		return;
	for (uint32_t i = 0; i < p->n_conduits; i++) {
		struct past_latency *t = &p->conduit[i];
		struct view_late late = {.conduit = i, .budget_ns = policy_latency_ns(policy, i)};
		char budget[32], p99[32];

		if (t->over == t->told_over || late.budget_ns == 0 ||
		    (t->told_ns != 0 && now_ns >= t->told_ns && now_ns - t->told_ns < LATE_NS))
			continue;
		late.packets = t->n - t->told_n;
		late.late = t->over - t->told_over;
		late.p99_ns = view_percentile(t->bucket, t->told_bucket, 990000, t->max_ns);
		in_words(late.budget_ns, budget, sizeof(budget));
		in_words(late.p99_ns, p99, sizeof(p99));
		snprintf(late.text, sizeof(late.text),
		    "%" PRIu64 " of %" PRIu64 " packets above %s, p99 %s", late.late, late.packets,
		    budget, p99);
		t->told_over = t->over;
		t->told_n = t->n;
		t->told_ns = now_ns;
		memcpy(t->told_bucket, t->bucket, sizeof(t->bucket));
		fn(ctx, &late);
	}
}
