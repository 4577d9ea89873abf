/* SPDX-License-Identifier: Apache-2.0 */
/* quick.c - see quick.h: what is learnt, and from what it is forgotten. */
#include "dataplane/quick.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "dataplane/engine_int.h"

#define SMALL_SHARE 32u /* of the engine's memory, at most */
#define LARGE_SHARE 64u
#define PLACES_MOST (1u << 16)

_Static_assert(FLOW_CLIENT_LO == 1, "the lowest bit of a mark");
_Static_assert(QUICK_SMALL_BYTES == 64, "one cache line");
_Static_assert(QUICK_LARGE_BYTES % 64 == 0, "whole cache lines");

/* Of a request that is denied; places are taken in turn. */
struct quick_denied {
	const struct quick_entry *of; /* whose it is; another's: then its own is lost */
	uint64_t mark;		      /* of its storms; the lowest bit is the flow's client */
	uint8_t action, would;
	bool told;	   /* there are alerts */
	uint8_t n_refusal; /* a guard's; 0: it is not one that was refused */
	uint8_t refusal[QUICK_REFUSAL];
	struct alerts_storm storm; /* but for the flow */
};

static uint32_t
places(size_t bytes, size_t entry)
{
	uint32_t n = 16;

	while (n < PLACES_MOST && (size_t)n * 2 * QUICK_WAYS * entry <= bytes)
		n *= 2;
	return n;
}

int
quick_init(struct quick *q, size_t memory_bytes, uint64_t seed)
{
	uint32_t small = places(memory_bytes / SMALL_SHARE, QUICK_SMALL_BYTES);
	uint32_t large = places(memory_bytes / LARGE_SHARE, QUICK_LARGE_BYTES);

	q->credit = QUICK_CREDIT;
	q->small_mask = small - 1;
	q->large_mask = large - 1;
	q->seed = hash_seed_make(seed ^ 0x71756963);
	q->small = mem_table((size_t)small * QUICK_WAYS * QUICK_SMALL_BYTES);
	q->large = mem_table((size_t)large * QUICK_WAYS * QUICK_LARGE_BYTES);
	q->denied_most = QUICK_DENIED;
	q->denied = mem_table(QUICK_DENIED * sizeof(*q->denied));
	if (!q->small || !q->large || !q->denied)
		return ERR_NOMEM;
	q->bytes = (size_t)small * QUICK_WAYS * QUICK_SMALL_BYTES +
		   (size_t)large * QUICK_WAYS * QUICK_LARGE_BYTES +
		   QUICK_DENIED * sizeof(*q->denied);
	return 0;
}

void
quick_fini(struct quick *q)
{
	free(q->small);
	free(q->large);
	free(q->denied);
}

void
quick_clear(struct quick *q)
{
	q->denies = false;
	memset(q->small, 0, ((size_t)q->small_mask + 1) * QUICK_WAYS * QUICK_SMALL_BYTES);
	memset(q->large, 0, ((size_t)q->large_mask + 1) * QUICK_WAYS * QUICK_LARGE_BYTES);
}

/* Of two, the one to overwrite.  A second chance for what was used lately: requests that are
 * never said twice do not drive out those that are. */
static struct quick_entry *
victim(struct quick_entry *a, struct quick_entry *b, bool refused)
{
	if (refused) /* that takes nothing from what is allowed */
		return a->n == 0 || a->denied ? a : b->n == 0 || b->denied ? b : NULL;
	if (a->n == 0 || !a->used)
		return a;
	a->used = 0;
	if (b->n == 0 || !b->used)
		return b;
	b->used = 0;
	return NULL;
}

/* What events of two flows are folded by, but for the flow: the same? */
static bool
storm_alike(const struct alerts_storm *a, const struct alerts_storm *b)
{
	struct alerts_storm x = *a;

	memcpy(x.flow, b->flow, sizeof(x.flow));
	x.client = b->client;
	return memcmp(&x, b, sizeof(x)) == 0;
}

/* Its place among what is denied, and one. */
static uint16_t
note_denied(struct quick *q, const struct dis_sink *s, const struct quick_entry *en)
{
	const struct engine *e = s->e;
	const bool own = en->denied && q->denied[en->denied - 1].of == en;
	const uint32_t at = own ? en->denied - 1u : q->denied_next;
	struct quick_denied *d = &q->denied[at];
	const uint64_t mark = own && storm_alike(&d->storm, &s->storm) ? d->mark : ++q->marks << 1;

	q->denies = true;
	if (!own)
		q->denied_next = (at + 1) % q->denied_most;
	*d = (struct quick_denied){
	    .of = en,
	    .mark = mark,
	    .action = s->action,
	    .would = s->would,
	    .told = e->conf.alerts != NULL,
	    .storm = s->storm,
	};
	if (e->refusal != CELL_NONE) {
		const struct cell *c = cell_at(&e->cells, e->refusal);

		d->n_refusal = (uint8_t)c->len;
		memcpy(d->refusal, c->data, c->len);
	}
	return (uint16_t)(at + 1);
}

static __attribute__((noinline)) bool
storm_open_slow(struct engine *e, const struct quick_denied *d, const struct flow *f, uint32_t at,
    uint64_t ts_ns)
{
	struct alerts_storm storm = d->storm;

	storm.flow[0] = f->ka;
	storm.flow[1] = f->kb;
	storm.client = f->flags & FLOW_CLIENT_LO;
	if (!alerts_open(e->conf.alerts, at, &storm, ts_ns))
		return false;
	alerts_mark(e->conf.alerts, at, d->mark | (f->flags & FLOW_CLIENT_LO));
	return true;
}

/* Does the storm of its flow go on? */
static inline bool
storm_open(struct engine *e, const struct quick_denied *d, const struct flow *f, uint32_t at,
    uint64_t ts_ns)
{
	return alerts_marked(e->conf.alerts, at, d->mark | (f->flags & FLOW_CLIENT_LO), f->ka,
		   f->kb, ts_ns) ||
	       storm_open_slow(e, d, f, at, ts_ns);
}

bool
quick_deny(struct engine *e, const struct quick_entry *en, struct flow *f, const struct pkt *pkt,
    const uint8_t *p, uint32_t len)
{
	const struct quick_denied *d = &e->quick.denied[en->denied - 1];
	const uint32_t at = flow_index(&e->flows, f);
	const bool mid = (f->flags & FLOW_MIDSTREAM) != 0;

	if (d->of != en || (d->told && !storm_open(e, d, f, at, pkt->ts_ns)))
		return false;
	if (!dissectors[f->dis]->again(feed_state(e, f), p, len, DIR_TO_SERVER, mid, en->memo))
		return false;
	if (d->told)
		alerts_count(e->conf.alerts, at, pkt->ts_ns, pkt->frame);
	e->st.verdicts[d->action]++;
	e->st.would[d->would]++;
	e->st.would_drop += d->would >= VERDICT_REJECT;
	e->allowed--; /* among which known_run() counts it */
	return true;
}

bool
quick_refuse(struct engine *e, const struct quick_entry *en, struct flow *f, const struct pkt *pkt,
    const uint8_t *p, uint8_t *refusal, uint32_t *n)
{
	const struct quick_denied *d = &e->quick.denied[en->denied - 1];
	const struct dissector *ds = dissectors[f->dis];
	const uint32_t at = flow_index(&e->flows, f);

	if (d->of != en || d->n_refusal == 0 || !ds->unmoved(feed_state(e, f)) ||
	    (d->told && !storm_open(e, d, f, at, pkt->ts_ns)))
		return false;
	memcpy(refusal, d->refusal, QUICK_REFUSAL);
	memcpy(refusal + ds->number_at, p + ds->number_at, 2);
	*n = d->n_refusal;
	if (d->told)
		alerts_count(e->conf.alerts, at, pkt->ts_ns, pkt->frame);
	e->st.verdicts[d->action]++;
	e->st.would[d->would]++;
	e->st.would_drop++;
	e->kinds[FACT_REQUEST]++;
	e->quick.known++;
	return true;
}

/* Was the request at hand refused, and may that be remembered? */
static bool
refused(const struct engine *e, struct flow *f)
{
	const struct dissector *ds = dissectors[f->dis];

	return e->refusal != CELL_NONE && ds->unmoved && ds->unmoved(feed_state(e, f)) &&
	       cell_at(&e->cells, e->refusal)->len <= QUICK_REFUSAL;
}

void
quick_learn(struct engine *e, struct flow *f, const uint8_t *p, uint32_t len)
{
	const struct dissector *ds = dissectors[f->dis];
	const bool denied = e->sink.facts == SINK_DENIED;
	struct quick_entry *at, *en;
	uint64_t w[DIS_GIST_WORDS], meta;
	uint32_t n;

	if (!e->policy || !ds->gist || f->quick & QUICK_OFF)
		return;
	if (!(f->quick & QUICK_ON)) {
		/* what is not the protocol's first framing is not told apart by again() */
		if (f->variant != 0 || !policy_plain(e->policy, &f->bind, f->dis)) {
			f->quick |= QUICK_OFF;
			return;
		}
		if (e->inline_mode && !quota_is_grown(e, f))
			return; /* else that would have to be looked at with each packet */
		f->quick |= QUICK_ON;
	}
	if (denied && e->inline_mode ? !refused(e, f) : e->call.memo == 0)
		return;
	if (!e->quick.look)
		return;
	if (denied && (e->conf.on_event || (e->conf.alerts && !e->sink.storm_ok)))
		return; /* each has to be told in full */
	if ((n = ds->gist(feed_state(e, f), p, len, f->variant, w)) == 0)
		return;
	meta = quick_meta(f, len);
	at = quick_place(&e->quick, meta, w, n);
	if ((en = quick_find(at, meta, w, n)) == NULL) {
		if (denied && e->inline_mode && e->quick.credit < QUICK_CREDIT / 2)
			return; /* who may not ask does not spend what those who may have earned */
		if (e->quick.credit >= QUICK_PRICE)
			e->quick.credit -= QUICK_PRICE;
		if ((en = victim(at, quick_second(at, n), denied && e->inline_mode)) == NULL)
			return;
	}
	en->meta = meta;
	en->memo = e->call.memo;
	en->rule = e->sink.rule;
	en->n = (uint8_t)n;
	en->used = 0;
	en->denied = denied ? note_denied(&e->quick, &e->sink, en) : 0;
	memcpy(en->w, w, n * sizeof(*w));
}
