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

_Static_assert(QUICK_SMALL_BYTES == 64, "one cache line");
_Static_assert(QUICK_LARGE_BYTES % 64 == 0, "whole cache lines");

/* Of a request that is denied; places are taken in turn. */
struct quick_denied {
	const struct quick_entry *of; /* whose it is; another's: then its own is lost */
	uint8_t action, would;
	bool told;		   /* there are alerts */
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
victim(struct quick_entry *a, struct quick_entry *b)
{
	if (a->n == 0 || !a->used)
		return a;
	a->used = 0;
	if (b->n == 0 || !b->used)
		return b;
	b->used = 0;
	return NULL;
}

/* Its place among what is denied, and one. */
static uint16_t
note_denied(struct quick *q, const struct dis_sink *s, const struct quick_entry *en)
{
	uint32_t at =
	    en->denied && q->denied[en->denied - 1].of == en ? en->denied - 1u : q->denied_next;
	struct quick_denied *d = &q->denied[at];

	q->denies = true;
	if (at == q->denied_next)
		q->denied_next = (at + 1) % q->denied_most;
	*d = (struct quick_denied){
	    .of = en,
	    .action = s->action,
	    .would = s->would,
	    .told = s->e->conf.alerts != NULL,
	    .storm = s->storm,
	};
	return (uint16_t)(at + 1);
}

bool
quick_deny(struct engine *e, const struct quick_entry *en, struct flow *f, const struct pkt *pkt,
    const uint8_t *p, uint32_t len)
{
	const struct quick_denied *d = &e->quick.denied[en->denied - 1];
	const uint32_t at = flow_index(&e->flows, f);
	const bool mid = (f->flags & FLOW_MIDSTREAM) != 0;
	struct alerts_storm storm;

	if (d->of != en)
		return false;
	if (d->told) {
		storm = d->storm;
		storm.flow[0] = f->ka;
		storm.flow[1] = f->kb;
		storm.client = f->flags & FLOW_CLIENT_LO;
		if (!alerts_open(e->conf.alerts, at, &storm, pkt->ts_ns))
			return false;
	}
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

void
quick_learn(struct engine *e, struct flow *f, const uint8_t *p, uint32_t len)
{
	const struct dissector *ds = dissectors[f->dis];
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
	if (e->call.memo == 0)
		return;
	if (!e->quick.look)
		return;
	if (e->sink.facts == SINK_DENIED &&
	    (e->conf.on_event || (e->conf.alerts && !e->sink.storm_ok)))
		return; /* each has to be told in full */
	if (e->quick.credit >= QUICK_PRICE)
		e->quick.credit -= QUICK_PRICE;
	if ((n = ds->gist(feed_state(e, f), p, len, f->variant, w)) == 0)
		return;
	meta = quick_meta(f, len);
	at = quick_place(&e->quick, meta, w, n);
	if ((en = quick_find(at, meta, w, n)) == NULL &&
	    (en = victim(at, quick_second(at, n))) == NULL)
		return;
	en->meta = meta;
	en->memo = e->call.memo;
	en->rule = e->sink.rule;
	en->n = (uint8_t)n;
	en->used = 0;
	en->denied = e->sink.facts == SINK_DENIED ? note_denied(&e->quick, &e->sink, en) : 0;
	memcpy(en->w, w, n * sizeof(*w));
}
