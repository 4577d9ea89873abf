/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fold.h - storms become one line with a count.
 *
 * Events with the same verdict, flow and object within a window are one
 * storm.  Its first event is told at once; the rest is counted, and when the
 * window is over one more alert tells count, first and last.  So the sum of
 * il_count over all lines (a line without it counts 1) is the number of events.
 *
 * The table has a fixed size.  When a set of it is full, the oldest entry is
 * closed early and told.  Closing needs a place to put the alert: fold_put()
 * and fold_due() hand out at most one record at a time.
 *
 * The table may lie in memory that outlives its user (alerts/shared.h): an entry counts by
 * one store, and its state is written last, so that the next user finds what was not told.
 */
#ifndef ALERTS_FOLD_H
#define ALERTS_FOLD_H

#include <stdatomic.h>

#include "alerts/record.h"
#include "base/hash.h"

#define FOLD_SETS    512u
#define FOLD_WAYS    8u
#define FOLD_ENTRIES (FOLD_SETS * FOLD_WAYS)

struct fold_key {
	struct net_addr src, dst;
	uint64_t flow_id, anomalies, item_hash;
	uint32_t rule, conduit, unit, item_sub, item_first, item_count;
	uint16_t code, sub;
	uint8_t kind, cond, reason, would, proto, fact_kind, item_space, to_client;
};

/* CLOSED: its alert is being put into the ring, fold_told() says that it is there. */
enum fold_state { FOLD_FREE = 0, FOLD_OPEN, FOLD_CLOSED };

/* Of a storm: all that one more event looks at and writes, a line. */
struct fold_count {
	_Alignas(64) uint64_t opened_ns;
	uint64_t count, first_ns, last_ns, last_frame; /* since its first event */
	uint32_t older, newer; /* list by opening time; index + 1, 0 = none */
	uint32_t serial;       /* which storm it is: no two have had the same */
	uint8_t state;	       /* enum fold_state */
};
/* What else is known of it. */
struct fold_entry {
	struct fold_key key;
	struct record rec;	    /* of the first event; no text but op; see fold_sum() */
	char op[RECORD_OP_MAX + 1]; /* lies behind rec: record_op() finds it */
};

struct fold {
	uint64_t window_ns;
	struct hash_seed seed;
	uint32_t oldest, newest; /* index + 1 */
	uint64_t evicted;	 /* entries closed early for want of room */
	uint32_t closed;	 /* the entry that is CLOSED; index + 1, 0 = none or told */
	uint32_t serial;	 /* of the last storm */
	uint32_t at;		 /* the entry that fold_put() used; index */
	/* Of the key of an entry that is OPEN: only where it fits are the key's lines asked for. */
	uint32_t tag[FOLD_ENTRIES];
	/* The last one is a copy of one whose place was taken. */
	struct fold_count count[FOLD_ENTRIES + 1];
	struct fold_entry entry[FOLD_ENTRIES + 1];
};

/* Its alert: the record says what was counted. */
static inline void
fold_sum(struct record *r, const struct fold_count *c)
{
	r->count = c->count;
	r->first_ns = c->first_ns;
	r->last_ns = c->last_ns;
	r->last_frame = c->last_frame;
	if (c->count != 0)
		r->ts_ns = c->last_ns;
}

enum fold_answer { FOLD_TELL = 0, FOLD_COUNTED };

/* A table in zeroed memory. */
void fold_init(struct fold *f, uint64_t window_ns, uint64_t seed);

/*
 * One event.  COUNTED: it belongs to a storm that was told.  TELL: it is the
 * first of one.  When an entry had to end for that and had counted something,
 * *closed is its alert, valid until the next call; else NULL.
 */
enum fold_answer fold_put(
    struct fold *f, const struct record *head, const char *op, const struct record **closed);

/* What stands before it in the text is in memory first, should the process be killed. */
static inline void
fold_order(void)
{
	atomic_thread_fence(memory_order_release);
}

/* Packet time may step back; as far as a window, it is another capture. */
static inline bool
fold_is_over(const struct fold *f, const struct fold_count *c, uint64_t now_ns)
{
	return (now_ns >= c->opened_ns ? now_ns - c->opened_ns : c->opened_ns - now_ns) >=
	       f->window_ns;
}

static inline void
fold_count_in(struct fold_count *c, uint64_t ts_ns, uint64_t frame, uint64_t n)
{
	if (c->count == 0)
		c->first_ns = ts_ns;
	c->last_ns = ts_ns;
	c->last_frame = frame;
	fold_order();
	c->count += n;
}

/* The storm with this serial in this entry, if it still goes on at ts_ns: fold_again() would be
 * COUNTED. */
static inline bool
fold_open(const struct fold *f, uint32_t at, uint32_t serial, uint64_t ts_ns)
{
	const struct fold_count *c = &f->count[at];

	return c->serial == serial && c->state == FOLD_OPEN && !fold_is_over(f, c, ts_ns);
}

/* What both look at is fetched. */
void fold_fetch(const struct fold *f, uint32_t at);
/* One more event of it. */
static inline void
fold_again(struct fold *f, uint32_t at, uint64_t ts_ns, uint64_t frame)
{
	fold_count_in(&f->count[at], ts_ns, frame, 1);
}

/* The next storm whose window is over at now_ns (UINT64_MAX: all), or NULL. */
const struct record *fold_due(struct fold *f, uint64_t now_ns);

/* The alert that fold_put() or fold_due() handed out is where it belongs. */
void fold_told(struct fold *f);

/*
 * A table whose user died: fold_reopen() once, put: the alert that was being put did get into the
 * ring; then fold_left() and fold_told() for the alert of each storm, NULL at the end.  *at counts,
 * from 0.  After that the table is to be made anew.
 */
void fold_reopen(struct fold *f, bool put);
const struct record *fold_left(struct fold *f, uint32_t *at);

#endif /* ALERTS_FOLD_H */
