/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fastpath.h - connections that somebody below the engine judges alone: the filter in the kernel,
 * or in tests its twin.  The engine offers a connection, the other side takes it with a frame
 * that fits, and gives it back with the first one that does not: that frame comes up to the engine.
 *
 *               offer()                     a frame that fits
 *   ours ------------------> offered ------------------------------> theirs
 *    ^  <------------------                                            |
 *    |   any frame comes up                                            | a frame that does not fit
 *    `-----------------------------------------------------------------'   comes up: numbers stand still
 *
 * What makes it safe.  Each entry counts in `up` the frames of its connection that went up, at the
 * moment they do.  An offer names the count for which it holds (`seen`), and is void under any other.
 * So a frame that is on its way up voids the offer, whenever it was written; and a frame that
 * reaches the engine while an offer stands has either voided it or ended their turn.  The engine
 * counts what it got: when that equals `up`, nothing is on its way.  A frame that does not
 * show in `up`, or comes while they judge, is dropped: its sender has it still.
 *
 * Requests are allowed by the policy's tables, which they have too; or, in a protocol with lend(), since the
 * engine has allowed one that is alike under the same policy, with nothing in between by which the next
 * one might be judged otherwise.
 *
 * Numbers are host order.  A direction is enum dis_dir; its sender counts (as in flow.h).
 */
#ifndef DATAPLANE_FASTPATH_H
#define DATAPLANE_FASTPATH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"
#include "dissectors/dissector.h"

#define FAST_SENT 4u  /* segments of one direction that they remember until acknowledged */
#define FAST_OPEN 4u  /* requests without an answer */
#define FAST_ADU  64u /* bytes of a request, at most */
#define FAST_KNOWN                                                                                 \
	8u /* requests that were allowed, by which they know others: of protocols with lend() */
#define FAST_ALIKE    1472u  /* bytes of them, at most */
#define FAST_RULE_MAX 16384u /* the rules that allowed them are below */

/* A segment that they judged: hash() of its payload says whether it comes again the same. */
struct fast_record {
	uint32_t seq, len;
	uint64_t hash;
};

struct fast_way {
	uint32_t next, acked; /* next to judge; acknowledged by the other side */
	uint32_t ts;	      /* newest TSval of the sender; 0: none */
	uint16_t win;	      /* as the sender last advertised, unscaled */
	uint8_t wscale, n_sent;
	struct fast_record sent[FAST_SENT];
};

/* What they know of a connection. */
struct fast_flow {
	bool theirs;
	bool lost; /* frames passed unjudged (fail open): the numbers are of no use */
	uint8_t n_open;
	uint32_t epoch; /* one more each time they gave it back */
	uint32_t up;
	uint64_t idle_ns; /* since the last frame that they judged */
	/* since create(), of what they judged */
	uint64_t packets, bytes, pdus;
	uint32_t errors; /* of pdus: exceptions; goes round */
	struct fast_way way[2];
	struct {
		uint8_t len, bytes[FAST_ADU];
	} open[FAST_OPEN]; /* as sent, the oldest first */
	struct dis_lent lent; /* instead, where the dissector has back(); n_open as above */
};

/* A request that the engine has allowed outright: the hash() of what alike() says of it. */
struct fast_known {
	uint64_t hash;
	uint16_t len; /* 0: none */
	uint16_t rule;
};

struct fast_offer {
	uint32_t seen, generation; /* of the policy */
	struct fast_way way[2];	   /* without records */
	struct dis_lent lent;	   /* where the dissector has lend() */
	struct fast_known known[FAST_KNOWN];
};

/*
 * All are called by the engine's thread.  t is what the client sends, port and VLAN included; slot is
 * the engine's number of the connection, < slots.
 */
struct fast_ops {
	/* Can they judge anything of this conduit in this protocol? */
	bool (*serves)(void *ctx, uint32_t conduit, const char *proto);
	/* A connection to count for; not offered yet.  False: no room. */
	bool (*create)(void *ctx, uint32_t slot, const struct net_tuple *t, uint32_t conduit,
	    const char *proto);
	void (*drop)(void *ctx, uint32_t slot, const struct net_tuple *t);
	void (*offer)(void *ctx, uint32_t slot, const struct fast_offer *o);
	/* Nothing is offered any more; what is theirs comes back with its next frame. */
	void (*withdraw)(void *ctx, uint32_t slot);
	/* A moment's picture; false: there is no such entry. */
	bool (*read)(void *ctx, uint32_t slot, const struct net_tuple *t, struct fast_flow *out);
	/* What was withdrawn before is known to every frame from now on. */
	void (*settle)(void *ctx);
	/* As they do it. */
	uint64_t (*hash)(void *ctx, const uint8_t *p, uint32_t n);
	/* What a predecessor that died has left, one a call; *cursor is 0 at first, and the
	 * callee's own.  An entry that was given may be dropped before the next call.  False: no more. */
	bool (*left)(void *ctx, uint64_t *cursor, uint32_t *slot, struct net_tuple *t,
	    const char **proto, struct fast_flow *out);
};

struct fast_path {
	const struct fast_ops *ops;
	void *ctx;
	uint32_t slots;
};

/* Of the engine; counters since its start. */
struct fast_stats {
	uint64_t packets, bytes;  /* judged by them: in engine_stats as received and forwarded */
	uint64_t offers, returns; /* offers written; connections that came back */
	uint64_t waits;		  /* frames dropped because they came past the count */
	uint32_t offered;	  /* connections offered or theirs, now */
};

#endif /* DATAPLANE_FASTPATH_H */
