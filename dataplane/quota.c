/* SPDX-License-Identifier: Apache-2.0 */
/* quota.c - see quota.h. */
#include "dataplane/quota.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "dataplane/engine_int.h"

#define NONE	   QUOTAS	 /* account of flows without a conduit */
#define OLD	   (QUOTAS + 1u) /* ... of those that another policy has bound */
#define YOUNG_MIN  4u
#define IDLE_TICKS FLOW_TICKS(300) /* so long silent: may go for another of its conduit */

int
quotas_init(struct quotas *qs, uint32_t max_flows)
{
	memset(qs, 0, sizeof(*qs));
	qs->q = calloc(OLD + 1, sizeof(*qs->q));
	qs->link = mem_table((size_t)max_flows * sizeof(*qs->link));
	if (!qs->q || !qs->link) {
		quotas_fini(qs);
		return ERR_NOMEM;
	}
	qs->bytes = (OLD + 1) * sizeof(*qs->q) + quotas_cost(max_flows);
	for (uint32_t i = 0; i <= OLD; i++)
		for (unsigned k = 0; k < QUOTA_LISTS; k++)
			qs->q[i].head[k] = qs->q[i].tail[k] = FLOW_NONE;
	return 0;
}

size_t
quotas_cost(uint32_t max_flows)
{
	return (size_t)max_flows * sizeof(struct quota_link);
}

void
quotas_fini(struct quotas *qs)
{
	free(qs->q);
	free(qs->link);
	memset(qs, 0, sizeof(*qs));
}

/* --- lists ------------------------------------------------------------------------------ */

static void
list_push(struct quotas *qs, struct quota *q, uint32_t i, unsigned list)
{
	struct quota_link *l = &qs->link[i];

	l->list = (uint8_t)list;
	l->next = FLOW_NONE;
	l->prev = q->tail[list];
	if (l->prev != FLOW_NONE)
		qs->link[l->prev].next = i;
	else
		q->head[list] = i;
	q->tail[list] = i;
	q->young += list == QUOTA_YOUNG;
}

static void
list_take(struct quotas *qs, struct quota *q, uint32_t i)
{
	struct quota_link *l = &qs->link[i];

	if (l->prev != FLOW_NONE)
		qs->link[l->prev].next = l->next;
	else
		q->head[l->list] = l->next;
	if (l->next != FLOW_NONE)
		qs->link[l->next].prev = l->prev;
	else
		q->tail[l->list] = l->prev;
	q->young -= l->list == QUOTA_YOUNG;
	l->list = QUOTA_NOWHERE;
}

/* All of from's behind those of to. */
static void
list_append(struct quotas *qs, struct quota *to, struct quota *from)
{
	for (unsigned k = 0; k < QUOTA_LISTS; k++) {
		if (from->head[k] == FLOW_NONE)
			continue;
		if (to->tail[k] != FLOW_NONE) {
			qs->link[to->tail[k]].next = from->head[k];
			qs->link[from->head[k]].prev = to->tail[k];
		} else {
			to->head[k] = from->head[k];
		}
		to->tail[k] = from->tail[k];
		from->head[k] = from->tail[k] = FLOW_NONE;
	}
	to->used += from->used;
	to->young += from->young;
	from->used = from->young = 0;
}

/* --- shares ------------------------------------------------------------------------------- */

void
quotas_share(struct quotas *qs, const struct flow_table *t, const struct policy *pol)
{
	uint32_t conduits = pol ? policy_conduit_count(pol) : 0, unsaid = 1;
	uint64_t room = t->max / 4 * 3, said = 0, even;

	for (uint32_t i = 0; i < OLD; i++) {
		list_append(qs, &qs->q[OLD], &qs->q[i]);
		qs->q[i].keep = qs->q[i].young_max = 0;
	}
	qs->n = conduits < QUOTAS ? conduits : QUOTAS;
	for (uint32_t i = 0; i < conduits; i++) {
		uint32_t slots = policy_flow_slots(pol, i);

		said += slots;
		unsaid += slots == 0 && i < qs->n;
	}
	even = said < room ? (room - said) / unsaid : 0;
	qs->commons = t->max;
	for (uint32_t i = 0; i < conduits; i++) {
		uint64_t slots = policy_flow_slots(pol, i);

		if (slots != 0 && said > room) /* more than there are: in proportion */
			slots = slots * room / said;
		else if (slots == 0 && i < qs->n)
			slots = even;
		qs->q[quota_account(qs, i)].keep += (uint32_t)slots;
		qs->commons -= (uint32_t)slots;
	}
	qs->q[NONE].keep = (uint32_t)even;
	qs->commons -= (uint32_t)even;
	for (uint32_t i = 0; i < OLD; i++) {
		uint32_t half = qs->q[i].keep / 2;

		qs->q[i].young_max = half < YOUNG_MIN ? YOUNG_MIN : half;
	}
	qs->over = qs->q[OLD].used;
}

static struct quota *
of_flow(struct engine *e, const struct flow *f)
{
	struct quotas *qs = &e->quotas;

	return &qs->q[engine_stale(e, f) ? OLD : qs->link[flow_index(&e->flows, f)].account];
}

/* --- who gives way -------------------------------------------------------------------------- */

static void
displace(struct engine *e, uint32_t i)
{
	e->quotas.displaced++;
	e->flows.evicted++;
	flow_remove(&e->flows, &e->flows.flows[i]);
}

static uint32_t
idle_ticks(const struct engine *e, const struct flow *f)
{
	uint32_t idle = e->flows.now_tick - f->last_tick;

	return idle > UINT32_MAX / 2 ? 0 : idle;
}

/* The most silent of the next few, or the first one of some more; those looked at have their turn again last. */
static bool
displace_silent(struct engine *e, struct quota *q, uint32_t least)
{
	uint32_t best = FLOW_NONE, best_idle = 0;

	for (unsigned n = 0; q->head[QUOTA_GROWN] != FLOW_NONE; n++) {
		uint32_t i = q->head[QUOTA_GROWN];
		const struct flow *f = &e->flows.flows[i];
		uint32_t idle = idle_ticks(e, f);

		if (n >= (best == FLOW_NONE ? QUOTA_LOOKS_MOST : QUOTA_LOOKS))
			break;
		if (f->state == FLOW_CLOSED)
			idle += UINT32_MAX / 2;
		list_take(&e->quotas, q, i);
		list_push(&e->quotas, q, i, QUOTA_GROWN);
		if (idle >= least && (best == FLOW_NONE || idle > best_idle)) {
			best = i;
			best_idle = idle;
		}
	}
	if (best != FLOW_NONE)
		displace(e, best);
	return best != FLOW_NONE;
}

static bool
displace_young(struct engine *e, const struct quota *q)
{
	if (q->head[QUOTA_YOUNG] == FLOW_NONE)
		return false;
	displace(e, q->head[QUOTA_YOUNG]);
	return true;
}

/* --- flows come and go ------------------------------------------------------------------------ */

bool
quota_admit(struct engine *e, uint32_t conduit)
{
	struct quotas *qs = &e->quotas;
	struct quota *q = &qs->q[quota_account(qs, conduit)];
	bool ok = true;

	if (q->young >= q->young_max)
		(void)displace_young(e, q);
	if (q->used >= q->keep && qs->over >= qs->commons)
		ok = displace_young(e, q) || displace_silent(e, q, IDLE_TICKS);
	/* Only what another policy let in can take what is kept. */
	if (ok && e->flows.free_head == FLOW_NONE)
		ok = displace_young(e, &qs->q[OLD]) || displace_silent(e, &qs->q[OLD], 0);
	qs->refused += !ok;
	return ok;
}

void
quota_add(struct engine *e, const struct flow *f)
{
	struct quotas *qs = &e->quotas;
	uint32_t i = flow_index(&e->flows, f);
	struct quota *q;

	qs->link[i].account = quota_account(qs, f->bind.conduit);
	q = &qs->q[qs->link[i].account];
	list_push(qs, q, i, QUOTA_YOUNG);
	qs->over += q->used++ >= q->keep;
}

void
quota_remove(struct engine *e, const struct flow *f)
{
	struct quota *q = of_flow(e, f);

	list_take(&e->quotas, q, flow_index(&e->flows, f));
	e->quotas.over -= q->used-- > q->keep;
}

void
quota_grown(struct engine *e, const struct flow *f)
{
	struct quotas *qs = &e->quotas;
	uint32_t i = flow_index(&e->flows, f);
	struct quota *q = of_flow(e, f);

	if (qs->link[i].list != QUOTA_YOUNG)
		return;
	list_take(qs, q, i);
	list_push(qs, q, i, QUOTA_GROWN);
}

bool
quota_is_grown(const struct engine *e, const struct flow *f)
{
	return e->quotas.link[flow_index(&e->flows, f)].list == QUOTA_GROWN;
}

void
quota_adopt(struct engine *e, const struct flow *f, bool grown)
{
	struct quotas *qs = &e->quotas;
	uint32_t i = flow_index(&e->flows, f);

	qs->link[i].account = NONE;
	list_push(qs, &qs->q[OLD], i, grown ? QUOTA_GROWN : QUOTA_YOUNG);
	qs->q[OLD].used++;
	qs->over++;
}
