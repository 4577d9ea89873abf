/* SPDX-License-Identifier: Apache-2.0 */
/*
 * put.c - the packet side of alert.h: an event becomes a record in the ring.
 *
 * Bounded work, no allocation, no clock.  The writer may be killed anywhere: each step is in memory
 * before the next one begins (alerts/shared.h), so the next writer can tell whether the
 * record that was being put is in the ring.
 */
#include "alerts/alert_int.h"

#include <string.h>

#define STORE(word, value) atomic_store_explicit(&(word), (value), memory_order_release)
#define LOAD(word)	   atomic_load_explicit(&(word), memory_order_relaxed)

/* One writer: no need for a locked instruction. */
static void
count(_Atomic uint64_t *word, uint64_t n)
{
	STORE(*word, LOAD(*word) + n);
}

/* Room in the ring.  In a replay the one thread makes some; else the record is lost. */
static struct record *
room(struct alerts *a, uint64_t now_ns)
{
	struct record *r = ring_room(a->ring, RING_RECORD_MAX);

	if (!r && a->conf.replay) {
		(void)sign_drain(a, now_ns);
		r = ring_room(a->ring, RING_RECORD_MAX);
	}
	STORE(a->writer->put_at, LOAD(a->ring->head));
	return r;
}

/* A storm that ended: its record is complete but for the place in the ring. */
static void
put_folded(struct alerts *a, const struct record *told, struct record *r)
{
	if (r) {
		memcpy(r, told, record_bytes(told));
		ring_put(a->ring, record_bytes(r));
	} else {
		count(&a->writer->lost, told->count);
	}
	fold_told(a->fold);
}

void
put_fold_tick(struct alerts *a, uint64_t now_ns)
{
	const struct record *told;
	struct record *r;

	while (a->fold && a->fold->oldest) {
		r = room(a, now_ns);
		if (!(told = fold_due(a->fold, now_ns)))
			return;
		put_folded(a, told, r);
	}
}

static const char *
fold_text(const struct event *ev)
{
	return ev->fact							? ev->fact->op
	       : ev->kind == EVENT_GUARD || ev->kind == EVENT_DETECTION ? ev->note
									: NULL;
}

static void
put_event(struct alerts *a, const struct event *ev)
{
	struct record *r = room(a, ev->ts_ns), head;

	if (a->fold) {
		const struct record *closed;
		enum fold_answer answer;

		record_head(&head, ev);
		answer = fold_put(a->fold, &head, fold_text(ev), &closed);
		if (closed) {
			put_folded(a, closed, r);
			r = room(a, ev->ts_ns);
		}
		if (answer == FOLD_COUNTED) {
			count(&a->writer->folded, head.count);
			return;
		}
	}
	if (!r) {
		count(&a->writer->lost, ev->count ? ev->count : 1);
		return;
	}
	record_head(r, ev);
	if (a->conf.evidence && !ev->evidence)
		(void)a->conf.evidence(a->conf.named_ctx, ev, &r->evidence);
	record_text(r, ev, a->scratch, SCRATCH_SIZE);
	STORE(a->writer->state, WRITER_PUTTING);
	ring_put(a->ring, record_bytes(r));
}

void
alerts_put(struct alerts *a, const struct event *ev)
{
	uint64_t n = ev->count ? ev->count : 1;

	STORE(a->writer->busy_count, n);
	STORE(a->writer->state, WRITER_BUSY);
	count(&a->writer->events, n);
	put_event(a, ev);
	STORE(a->writer->state, WRITER_IDLE);
	a->st.events = LOAD(a->writer->events);
	a->st.folded = LOAD(a->writer->folded);
}

/* --- the same again --------------------------------------------------------------------------- */

static struct put_hint *
hint_at(const struct alerts *a, uint32_t at)
{
	return &a->hint[at % PUT_HINTS];
}

static struct alerts_storm *
storm_at(const struct alerts *a, uint32_t at)
{
	return &a->storm[at % PUT_HINTS];
}

bool
alerts_open(const struct alerts *a, uint32_t at, const struct alerts_storm *s, uint64_t ts_ns)
{
	const struct put_hint *h = hint_at(a, at);

	return a->fold && memcmp(storm_at(a, at), s, sizeof(*s)) == 0 &&
	       fold_open(a->fold, h->entry, h->serial, ts_ns);
}

bool
alerts_marked(const struct alerts *a, uint32_t at, uint64_t mark, uint64_t flow0, uint64_t flow1,
    uint64_t ts_ns)
{
	const struct put_hint *h = hint_at(a, at);

	return h->mark == mark && h->flow[0] == flow0 && h->flow[1] == flow1 &&
	       fold_open(a->fold, h->entry, h->serial, ts_ns);
}

void
alerts_mark(struct alerts *a, uint32_t at, uint64_t mark)
{
	hint_at(a, at)->mark = mark;
}

void
alerts_fetch(const struct alerts *a, uint32_t at, bool there)
{
	const struct put_hint *h = hint_at(a, at);

	if (!a->fold)
		return;
	if (!there) {
		__builtin_prefetch(h);
	} else {
		fold_fetch(a->fold, h->entry);
	}
}

/* One more event of an open storm. */
static inline void
count_again(struct alerts *a, uint32_t entry, uint64_t ts_ns, uint64_t frame)
{
	STORE(a->writer->put_at, LOAD(a->ring->head)); /* nothing is being put */
	STORE(a->writer->busy_count, 1);
	STORE(a->writer->state, WRITER_BUSY);
	count(&a->writer->events, 1);
	fold_again(a->fold, entry, ts_ns, frame);
	count(&a->writer->folded, 1);
	STORE(a->writer->state, WRITER_IDLE);
	a->st.events = LOAD(a->writer->events);
	a->st.folded = LOAD(a->writer->folded);
}

void
alerts_count(struct alerts *a, uint32_t at, uint64_t ts_ns, uint64_t frame)
{
	count_again(a, hint_at(a, at)->entry, ts_ns, frame);
}

bool
alerts_again(
    struct alerts *a, uint32_t at, const struct alerts_storm *s, uint64_t ts_ns, uint64_t frame)
{
	if (!alerts_open(a, at, s, ts_ns))
		return false;
	alerts_count(a, at, ts_ns, frame);
	return true;
}

void
alerts_place(const struct alerts *a, struct alerts_place *out)
{
	*out = (struct alerts_place){0, 0};
	if (!a->fold || a->fold->at >= FOLD_ENTRIES)
		return;
	out->entry = a->fold->at;
	out->serial = a->fold->count[a->fold->at].serial;
}

void
alerts_place_fetch(const struct alerts *a, const struct alerts_place *at)
{
	if (a->fold)
		fold_fetch(a->fold, at->entry);
}

bool
alerts_place_again(struct alerts *a, const struct alerts_place *at, uint64_t ts_ns, uint64_t frame)
{
	if (!a->fold || !fold_open(a->fold, at->entry, at->serial, ts_ns))
		return false;
	count_again(a, at->entry, ts_ns, frame);
	return true;
}

void
alerts_remember(struct alerts *a, uint32_t at, const struct alerts_storm *s)
{
	struct put_hint *h = hint_at(a, at);

	if (!a->fold || a->fold->at >= FOLD_ENTRIES)
		return;
	*storm_at(a, at) = *s;
	memcpy(h->flow, s->flow, sizeof(h->flow));
	h->mark = 0;
	h->entry = a->fold->at;
	h->serial = a->fold->count[h->entry].serial;
}

/* The last writer died; what it was doing is said here. */
static void
take_over(struct alerts *a)
{
	struct alerts_writer *w = a->writer;
	bool put = LOAD(a->ring->head) != LOAD(w->put_at);
	const struct record *told;
	uint32_t state = LOAD(w->state), at = 0;

	if (state == WRITER_BUSY || (state == WRITER_PUTTING && !put))
		count(&w->lost, LOAD(w->busy_count));
	STORE(w->state, WRITER_IDLE);
	if (!a->fold)
		return;
	fold_reopen(a->fold, put);
	while ((told = fold_left(a->fold, &at)) != NULL) {
		struct record *r = room(a, told->ts_ns);

		put_folded(a, told, r);
	}
}

void
put_init(struct alerts *a)
{
	uint64_t seed = a->conf.fold_seed;
	uint32_t slots = a->conf.side == ALERTS_PARENT ? PARENT_SLOTS : PACKET_SLOTS;

	a->ring->n_slots = slots;
	if (LOAD(a->ring->head) - LOAD(a->ring->tail) > slots) /* left so by one gone mad */
		STORE(a->ring->head, LOAD(a->ring->tail));
	take_over(a);
	if (!a->fold)
		return;
	if (a->fold->window_ns != 0) /* not fresh: its storms are told */
		memset(a->fold, 0, sizeof(*a->fold));
	if (seed == 0)
		crypto_random(&seed, sizeof(seed));
	fold_init(a->fold, a->conf.fold_window_ns, seed);
}
