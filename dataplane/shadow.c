/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shadow.c - see shadow.h.
 *
 * A flow keeps the bind of the policy in force; that of the shadow is found when it is asked for, and
 * kept in a table with one place per low bits of the flow's index.  Who finds another flow
 * there binds anew: the cost is bounded whatever comes.
 */
#include "dataplane/shadow.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/engine_int.h"
#include "policy/memory.h"

#define BINDS 4096u

struct shadow_bind {
	uint64_t hash; /* of the flow */
	uint32_t index;
	uint32_t known; /* shadow.turn, when it is of this shadow */
	uint8_t
	    client; /* flow.flags that say who opened it: a tuple may be used the other way round */
	struct policy_bind bind;
	uint64_t meter; /* of its requests per second; as policy_eval_rate() has it */
};

struct shadow {
	uint32_t turn;		      /* counts shadows */
	struct policy_memory *memory; /* of what this one watches */
	struct windows windows;	      /* and when it is open, and for whom */
	struct shadow_report report;
	struct shadow_bind bind[BINDS];
};

struct shadow *
shadow_new(size_t memory_bytes, uint64_t seed)
{
	struct shadow *s = calloc(1, sizeof(struct shadow));

	if (s && !(s->memory = policy_memory_new(memory_bytes, seed))) {
		free(s);
		return NULL;
	}
	return s;
}

void
shadow_free(struct shadow *s)
{
	if (!s)
		return;
	policy_memory_free(s->memory);
	free(s);
}

size_t
shadow_bytes(const struct shadow *s)
{
	return sizeof(struct shadow) + policy_memory_bytes(s->memory);
}

void
engine_set_shadow(struct engine *e, const struct policy *pol)
{
	struct shadow *s = e->shadow_state;

	policy_memory_rebind(s->memory, NULL, pol, e->now_ns);
	e->shadow = pol;
	memset(&s->windows, 0, sizeof(s->windows));
	clock_again(e); /* stepped at the next packet, or second */
	if (e->path && pol)
		path_recall(e); /* it wants to see every PDU */
	memset(&s->report, 0, sizeof(s->report));
	s->report.generation = pol ? policy_generation(pol) : 0;
	if (++s->turn != 0)
		return;
	memset(s->bind, 0, sizeof(s->bind));
	s->turn = 1;
}

const struct shadow_report *
engine_shadow(const struct engine *e)
{
	return &e->shadow_state->report;
}

struct windows *
engine_shadow_permits(struct engine *e)
{
	return e->shadow ? &e->shadow_state->windows : NULL;
}

void
shadow_windows(struct engine *e, int64_t unix_s, uint64_t steady_ns, bool trusted)
{
	(void)windows_step(&e->shadow_state->windows, e->shadow, unix_s, steady_ns, trusted);
}

/* --- binds ----------------------------------------------------------------------------------- */

static struct verdict
bind_tuple(const struct engine *e, const struct net_tuple *t, struct policy_bind *out)
{
	struct net_tuple as = *t;

	as.port |= e->two_ports ? NET_PORT_TWO : 0;
	return policy_bind_in(e->shadow, &as, &e->shadow_state->windows.clock, out);
}

/* The same ends may have had another flow, in the same place. */
void
shadow_begin(struct engine *e, const struct flow *f)
{
	e->shadow_state->bind[flow_index(&e->flows, f) % BINDS].known = 0;
}

/* What the shadow found for the flow at hand. */
static struct shadow_bind *
bind_of(struct engine *e)
{
	struct dis_sink *s = &e->sink;
	uint32_t index = flow_index(&e->flows, s->fl);
	struct shadow_bind *b = &e->shadow_state->bind[index % BINDS];
	uint8_t client = s->fl->flags & (FLOW_CLIENT_LO | FLOW_CLIENT_PORT1);
	struct net_tuple t;
	bool same = b->known == e->shadow_state->turn && b->index == index &&
		    b->hash == flow_hash(&e->flows, s->fl);

	if (same && b->client == client)
		return b;
	t = *judge_tuple(s);
	if (s->dir == DIR_TO_CLIENT)
		t = net_tuple_reverse(&t);
	(void)bind_tuple(e, &t, &b->bind);
	if (!same) /* one that was turned round goes on */
		b->meter = 0;
	b->hash = flow_hash(&s->e->flows, s->fl);
	b->index = index;
	b->client = client;
	b->known = e->shadow_state->turn;
	return b;
}

/* --- what differs ----------------------------------------------------------------------------- */

static bool
stops(const struct verdict *v)
{
	return v->action >= VERDICT_REJECT;
}

static bool
same_place(const struct verdict *a, const struct verdict *b)
{
	return a->rule == b->rule && a->conduit == b->conduit && a->reason == b->reason &&
	       a->action == b->action;
}

static struct shadow_kind *
kind_of(struct shadow_report *r, enum shadow_way way, enum shadow_what what,
    const struct verdict *live, const struct verdict *shadow)
{
	struct shadow_kind *k;

	for (uint32_t i = 0; i < r->n; i++) {
		k = &r->kind[i];
		if (k->way == way && k->what == what && same_place(&k->live, live) &&
		    same_place(&k->shadow, shadow))
			return k;
	}
	if (r->n == SHADOW_KINDS)
		return NULL;
	k = &r->kind[r->n++];
	k->way = (uint8_t)way;
	k->what = (uint8_t)what;
	k->live = *live;
	k->shadow = *shadow;
	return k;
}

void
shadow_report_add(struct shadow_report *to, const struct shadow_report *from)
{
	for (unsigned i = 0; i < sizeof(to->judged) / sizeof(to->judged[0]); i++)
		to->judged[i] += from->judged[i];
	for (unsigned i = 0; i < SHADOW__WAYS; i++) {
		to->differ[i] += from->differ[i];
		to->untold[i] += from->untold[i];
	}
	if (to->since_ns == 0 || (from->since_ns != 0 && from->since_ns < to->since_ns))
		to->since_ns = from->since_ns;
	for (uint32_t i = 0; i < from->n && i < SHADOW_KINDS; i++) {
		const struct shadow_kind *f = &from->kind[i];
		struct shadow_kind *k;

		if (f->way >= SHADOW__WAYS || f->n_examples > SHADOW_EXAMPLES)
			continue;
		if (!(k = kind_of(to, f->way, f->what, &f->live, &f->shadow))) {
			to->untold[f->way] += f->count;
			continue;
		}
		if (k->count == 0 || f->first_ns < k->first_ns)
			k->first_ns = f->first_ns;
		k->count += f->count;
		if (f->last_ns <= k->last_ns)
			continue;
		k->last_ns = f->last_ns; /* who had the last one shows examples */
		k->n_examples = f->n_examples;
		memcpy(k->example, f->example, sizeof(k->example));
	}
}

static void
copy_text(char *to, size_t size, const char *from, size_t n)
{
	if (n > size - 1)
		n = size - 1;
	memcpy(to, from, n);
	to[n] = '\0';
}

static void
describe(struct shadow_example *x, const struct fact *f)
{
	x->proto = FACT_PROTO_NONE;
	if (!f)
		return;
	x->has_fact = true;
	x->proto = f->proto;
	x->unit = f->unit;
	copy_text(x->op, sizeof(x->op), f->op, strlen(f->op));
	if (f->n_items == 0)
		return;
	x->has_item = true;
	x->space = f->item.space;
	x->sub = f->item.sub;
	x->first = f->item.first;
	x->count = f->item.count;
	if (f->item.name)
		copy_text(x->name, sizeof(x->name), f->item.name, f->item.name_len);
}

static void __attribute__((noinline))
differ(struct engine *e, enum shadow_what what, const struct verdict *live,
    const struct verdict *shadow, const struct net_tuple *t, const struct fact *f)
{
	enum shadow_way way = stops(shadow) ? SHADOW_STOP : SHADOW_PASS;
	struct shadow_report *r = &e->shadow_state->report;
	struct shadow_kind *k = kind_of(r, way, what, live, shadow);
	struct shadow_example *x;

	r->differ[way]++;
	if (!k) {
		r->untold[way]++;
		return;
	}
	k->last_ns = e->sink.ts_ns;
	if (k->count++ == 0)
		k->first_ns = k->last_ns;
	memmove(&k->example[1], &k->example[0], sizeof(k->example) - sizeof(k->example[0]));
	x = &k->example[0];
	memset(x, 0, sizeof(*x));
	x->ts_ns = e->sink.ts_ns;
	x->frame = e->sink.frame;
	x->tuple = *t;
	describe(x, f);
	if (k->n_examples < SHADOW_EXAMPLES)
		k->n_examples++;
}

static void
count(struct engine *e, enum shadow_what what)
{
	struct shadow_report *r = &e->shadow_state->report;

	if (r->since_ns == 0)
		r->since_ns = e->sink.ts_ns;
	r->judged[what]++;
}

void
shadow_fact(struct engine *e, const struct fact *f, struct verdict live)
{
	struct shadow_bind *at = bind_of(e);
	const struct policy_bind *b = &at->bind;
	struct shadow *s = e->shadow_state;
	bool remembers = (b->flags & BIND_STATE) != 0;
	struct policy_state past;
	struct net_tuple t;
	struct verdict v;

	if (b->flags & (BIND_STATE | BIND_WINDOW)) {
		t = *judge_tuple(&e->sink);
		if (e->sink.dir == DIR_TO_CLIENT)
			t = net_tuple_reverse(&t);
		if (remembers)
			judge_past(&e->sink, s->memory, &past);
		v = policy_eval_in(
		    e->shadow, b, f, &s->windows.clock, &t, remembers ? &past : NULL);
	} else {
		v = policy_eval(e->shadow, b, f);
	}
	if (b->flags & BIND_RATE)
		v = policy_eval_rate(e->shadow, b, f, v, &at->meter, e->sink.ts_ns);
	if (remembers)
		policy_memory_note(
		    e->shadow, &past, s->memory, f, &v, !stops(&live) || !e->inline_mode);
	count(e, SHADOW_PDU);
	if (stops(&live) != stops(&v))
		differ(e, SHADOW_PDU, &live, &v, judge_tuple(&e->sink), f);
}

void
shadow_condition(struct engine *e, enum policy_cond c, const struct fact *f, struct verdict live)
{
	struct verdict v = policy_condition(e->shadow, &bind_of(e)->bind, c);

	count(e, SHADOW_CONDITION);
	if (stops(&live) != stops(&v))
		differ(e, SHADOW_CONDITION, &live, &v, judge_tuple(&e->sink), f);
}

void
shadow_flow(
    struct engine *e, const struct net_tuple *t, bool from_client, const struct verdict *live)
{
	struct net_tuple back = net_tuple_reverse(t);
	struct policy_bind bind;
	struct verdict v = bind_tuple(e, from_client ? t : &back, &bind);

	count(e, SHADOW_FLOW);
	if (stops(live) != stops(&v))
		differ(e, SHADOW_FLOW, live, &v, t, NULL);
}
