/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair.h - the two ends of a connection number its bytes differently once a guard took
 * some out or put some in; what is known of that, and the frames that a guard makes.
 *
 *   client's numbers ("in")      a       a+n
 *   client -> server      -------+--taken-+------ ...
 *                                 \       |
 *   server's numbers ("out")       a  ----+------ ...        shift: n less from here on
 *
 *   server's numbers ("in")      b
 *   server -> client      -------+------ ...
 *                                |\
 *   client's numbers ("out")     b  b+k --------- ...        shift: k more from here on
 *                                +ours+
 *
 * All of the engine counts "in", as the sender of a direction does; "out" exists only in the
 * frames that leave, and in acknowledgements until they are translated.  An edit is
 * such a place, kept until its bytes can never be asked for again, then added to the shift.
 *
 * Memory: one cell of CELL_M for a flow that needs it, one cell for each refusal that the
 * client has not acknowledged, cells of patches; given back by repair_release().
 */
#ifndef DATAPLANE_REPAIR_H
#define DATAPLANE_REPAIR_H

#include "dataplane/engine_int.h"

#define EDITS_MAX    32u	    /* open ones per direction; one more is a reset */
#define HOLD_MAX     (32u * 1024u)  /* bytes of one PDU that wait for its end */
#define REFUSAL_MAX  2048u	    /* bytes of one refusal */
#define RESEND_TICKS 3u		    /* first time-out of bytes that are ours to deliver: 0.4 s */
#define RESEND_MOST  64u	    /* ticks between two of them, at most: 8.6 s */
#define RESEND_TRIES 10u	    /* then the connection is reset, after about 45 s */
#define REFUSAL_WAIT FLOW_TICKS(20) /* for the answers in front of a refusal, then a reset */
#define PART_TICKS   FLOW_TICKS(10) /* half a PDU waits for so long */
#define PART_RESET   FLOW_TICKS(60) /* when we have acknowledged it */

#define TMPL_LINK 32u /* bytes of a link header that a frame of ours can have */

/* Headers of one direction, for frames of our own. */
struct tmpl {
	uint16_t sport, dport;
	uint8_t link, port;   /* enum link_type; where its sender is */
	uint8_t n_link, n_ip; /* 20 or 40; 0: none is known */
	uint8_t bytes[TMPL_LINK + 40];
};

enum edit_state {
	EDIT_WAITS = 0, /* for the answers in front of it; at is not known */
	EDIT_PLACED,	/* at is known, it has not left */
	EDIT_SENT,
};

struct edit {
	uint32_t at; /* in; bytes taken: the first, bytes put in: the one they are in front of */
	uint32_t n;
	uint32_t since;	  /* tick */
	cell_id bytes;	  /* what was put in; CELL_NONE for bytes taken out */
	uint16_t answers; /* PDUs of the server that come first */
	uint8_t state;	  /* enum edit_state */
};

/* Bytes that leave with another value: dissector.renumber(). */
struct patch {
	uint32_t seq; /* in */
	uint8_t len, bytes[4];
};

struct repair {
	uint32_t gacked[2]; /* in; see GUARD_ACKED */
	uint32_t shift[2]; /* of edits that are over: bytes taken out, bytes put in */
	uint8_t n[2];
	uint8_t tries; /* time-outs since something of ours was acknowledged */
	bool armed;    /* the timer runs */
	uint32_t due;  /* tick of the next time-out */
	uint32_t last; /* tick when something of ours left first, or was acknowledged */
	uint32_t fast; /* tick of the last repeat that the client asked for */
	/* acknowledgements, by direction of frames: as they came (out), and what was made of it */
	uint32_t raw[2], told[2], edge[2];
	bool raw_moved, news; /* in the frame at hand: more than in the one before? */
	bool renumber;	      /* whole PDUs are given to renumber() */
	cell_id patches[2];   /* circular list of cells of them, points to the last */
	struct edit edit[2][EDITS_MAX];
	struct tmpl tmpl[2];
};
_Static_assert(sizeof(struct repair) <= CELL_M_SIZE - sizeof(struct cell), "one cell of CELL_M");

static inline int32_t
seq_diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static inline struct repair *
repair_of(const struct engine *e, const struct flow *f)
{
	return !e->inline_mode || guard_of(e, f)->repair == CELL_NONE
		   ? NULL
		   : (struct repair *)(void *)cell_at(&e->cells, guard_of(e, f)->repair)->data;
}

/* A frame of ours: out numbers.  Options and checksums are made. */
struct made {
	const struct tmpl *t;
	uint32_t seq, ack;
	uint16_t win;
	uint8_t dir, flags;
	const uint8_t *p;
	uint32_t len;
};

/* --- repair.c: numbers ---------------------------------------------------------------- */

/* The flow's, made when it has none; NULL: no cell. */
struct repair *repair_get(struct engine *e, struct flow *f);
void repair_release(struct engine *e, struct flow *f);
/* What the next refusal of a flow that has one looks at is fetched. */
static inline void
repair_fetch(const struct engine *e, const struct flow *f)
{
	const struct repair *r = repair_of(e, f);

	if (!r)
		return;
	__builtin_prefetch(r, 1);
	__builtin_prefetch(&r->raw, 1);
	__builtin_prefetch(&r->edit[DIR_TO_CLIENT][0], 1);
	for (size_t i = 0; i < sizeof(r->tmpl); i += 64)
		__builtin_prefetch((const char *)r->tmpl + i, 1);
}
/* A number of the direction's sender, as its receiver counts. */
uint32_t repair_out(const struct repair *r, unsigned dir, uint32_t seq);
/* An acknowledgement of the receiver, as the sender counts. */
uint32_t repair_in(const struct repair *r, unsigned dir, uint32_t ack);
/* The receiver has acknowledged up to ack (out): edits in front of it are over. */
void repair_acked(struct engine *e, struct flow *f, unsigned dir, uint32_t ack);
/* A receiver has got further: time-outs begin anew. */
static inline void
repair_progress(struct engine *e, struct flow *f)
{
	struct repair *r = repair_of(e, f);

	r->tries = 0;
	r->last = e->flows.now_tick;
}
/* n bytes at `at` never leave.  The caller has seen that there is room for an edit. */
void repair_take_out(struct engine *e, struct flow *f, uint32_t at, uint32_t n);
/* The first byte at or behind seq that is not taken out, and *n: how many up to the next
 * that is, or to end. */
uint32_t repair_run(const struct repair *r, unsigned dir, uint32_t seq, uint32_t end, uint32_t *n);
/* Bytes seq.. as they leave. */
void repair_patch(const struct engine *e, const struct repair *r, unsigned dir, uint32_t seq,
    uint8_t *p, uint32_t n);
/* A whole PDU at seq goes on: number it anew.  False: that cannot be remembered. */
bool repair_renumber(struct engine *e, struct flow *f, unsigned dir, uint32_t seq, struct cur pdu);
/* One more patch; false: no cell. */
bool repair_patch_add(struct engine *e, struct repair *r, unsigned dir, const struct patch *patch);
/* What a frame of direction dir says: *ack in, raw out, *win as in the header. */
void repair_ack(const struct engine *e, const struct flow *f, unsigned dir, uint32_t raw,
    uint32_t *ack, uint32_t *win);
/* A frame of a flow with a repair leaves: bytes skip..keep of its payload, in one piece or
 * several; p is the last. */
void repair_settle(struct engine *e, struct flow *f, unsigned dir, struct pkt *p,
    const struct layers *l, const struct seg_result *r);

/* --- inject.c: frames of ours ----------------------------------------------------------- */

/* Headers like those of p, or of the other direction; false: not a frame that we can make. */
bool tmpl_make(struct tmpl *t, const struct pkt *p, const struct layers *l, bool turned);
/* A frame of ours leaves. */
void inject_frame(struct engine *e, const struct flow *f, const struct made *m);
/* A frame that leaves at once, in front of the burst it is of. */
void inject_copy(struct engine *e, const struct pkt *p);
/* An acknowledgement that travels in direction dir. */
void inject_ack(struct engine *e, struct flow *f, unsigned dir);
/* Bytes of ours at seq (out), in as many segments as it takes. */
void inject_bytes(
    struct engine *e, struct flow *f, unsigned dir, uint32_t seq, const uint8_t *p, uint32_t len);
/* Bytes from..to (in) of a direction, out of what is remembered. */
void inject_range(struct engine *e, struct flow *f, unsigned dir, uint32_t from, uint32_t to);
/* Both ends are told that it is over. */
void inject_reset(struct engine *e, struct flow *f);
/* A packet of a flow that we have reset, whose packet before this one came at last_tick. */
void inject_reply(struct engine *e, struct flow *f, unsigned dir, struct pkt *p,
    const struct layers *l, uint32_t last_tick);

/* --- refuse.c: what the client gets instead ----------------------------------------------- */

/* Build the refusal of the PDU being judged; false: it cannot be refused. */
bool refusal_make(struct engine *e, struct flow *f, const struct fact *fact);
/* It takes the place of n bytes at `at`. */
void refusal_take(struct engine *e, struct flow *f, uint32_t at, uint32_t n);
/* The PDU is not refused after all. */
void refusal_drop(struct engine *e);
/* A PDU of the server ended at seq: what waited for that has its place now. */
void refusal_place(struct engine *e, struct flow *f, uint32_t seq, unsigned answers);
/* What has a place at or in front of seq leaves, unless it has. */
void refusal_flush(struct engine *e, struct flow *f, uint32_t seq);
/* Is there such a one? */
bool refusal_due(const struct engine *e, const struct flow *f, uint32_t seq);
/* The client lacks what we put in at raw (out), and has what comes behind it. */
void refusal_asked(struct engine *e, struct flow *f, uint32_t raw);
/*
 * Is the flow one whose requests are refused, one after the other: open, all of both sides acknowledged but
 * perhaps the last refusal, and nothing else is under way (QUICK_REFUSING)?  As with calm() of tcp.c, only what
 * tcp.c does can change that, and timers that repeat the refusal.
 */
bool refusal_steady(const struct engine *e, const struct flow *f);
/* In such a flow the client acknowledges raw (out) with its next request: is that all there is, and is there room
 * for one refusal more? */
bool refusal_ready(const struct engine *e, const struct flow *f, uint32_t raw);
/* Then the request, of len bytes, which acknowledges raw, is taken out and refused with n bytes at p: all that the
 * long way does to the flow. */
void refusal_next(
    struct engine *e, struct flow *f, uint32_t raw, uint32_t len, const uint8_t *p, uint32_t n);
/* Something is ours to deliver: time it. */
void refusal_arm(struct engine *e, struct flow *f);
/* Ticks until it wants to be called again; 0: never. */
uint32_t refusal_timer(struct engine *e, struct flow *f);

/* --- part.c: half a PDU waits ----------------------------------------------------------- */

/* Does half a PDU of this direction wait? */
bool part_holds(const struct engine *e, const struct flow *f, unsigned dir);
/* Bytes up to dir.nxt were judged, the last of them out of a segment at seq: what of them may
 * leave, leaves, up to seq.  denied: those from e->pdu_at on may not. */
void part_advance(struct engine *e, struct flow *f, unsigned dir, uint32_t seq, bool denied);
/* The end of the segment at hand waits, or all of it; fresh: it was not seen before. */
void part_hold(struct engine *e, struct flow *f, unsigned dir, bool fresh, bool whole);
/* If that is owed, and all that left has been acknowledged: so is now what waits; at_once: in
 * a frame of ours. */
void part_acknowledge(struct engine *e, struct flow *f, unsigned dir, bool at_once);
/* Ticks until it wants to be called again; 0: nothing waits. */
uint32_t part_timer(struct engine *e, struct flow *f);
/* Frames that wait are no longer waited for. */
void part_give_up(struct engine *e, struct flow *f, unsigned dir, enum drop_reason why);

#endif /* DATAPLANE_REPAIR_H */
