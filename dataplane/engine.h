/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h - the per-core loop: decode, flow, TCP order, feed, dissector,
 * policy, fate.
 *
 * One engine per core; it owns all its memory from engine_new() on and calls
 * nothing that allocates, locks, logs or reads a clock while a burst is
 * judged.  Time is the packets' own.  The same code serves watch and replay
 * (every frame goes on, verdicts say what a guard would do) and guard and
 * `replay --inline` (fates are obeyed).
 *
 * Balance, true after every engine_burst():
 *   received + injected = forwarded + sum(dropped[]) + consumed + held
 */
#ifndef DATAPLANE_ENGINE_H
#define DATAPLANE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"
#include "dataplane/drop.h"
#include "dataplane/io/io.h"
#include "dataplane/pkt.h"
#include "dissectors/dissector.h"
#include "policy/policy.h"
#include "policy/window.h"

struct alerts;
struct fast_path;
struct fast_stats;
struct engine;
struct event;

/* One judged PDU, given to on_fact; all pointers are valid during the call only. */
struct engine_pdu {
	uint64_t frame; /* number of the frame that holds the PDU's last byte */
	uint64_t ts_ns;
	uint64_t flow_id;    /* seeded hash of the flow, for EVE flow_id */
	uint32_t flow_index; /* slot in the flow table, < engine_max_flows() */
	const struct net_tuple *tuple; /* src sent the PDU */
	const struct fact *fact;
	const struct verdict *verdict; /* reason REASON_NO_POLICY without a policy */
	const struct policy_state *state; /* what values were known when it was judged; or NULL */
	const struct policy_clock *clock; /* windows and permits that were open */
};

/* A PDU that was not read, since it is known (quick.h): a plain request, or the plain answer to one. */
struct engine_known {
	uint64_t flow_id; /* as of engine_pdu */
	uint32_t flow_index;
	uint16_t opx; /* the row of its schema says op and code */
	uint8_t proto;
	uint8_t kind; /* FACT_REQUEST or FACT_RESPONSE */
};

/* One packet whose fate is known; for `why` and --json traces. */
struct engine_packet {
	uint64_t frame, ts_ns;
	const struct net_tuple *tuple; /* NULL when not decoded so far */
	uint8_t fate, reason;
	const char *note; /* static text: what the stream layer thought of it; may be NULL */
};

/* What a TLS server's certificate says (classify.h); texts and all are valid during the call only. */
struct engine_cert {
	uint64_t frame, ts_ns;
	struct net_addr server;
	const char *subject, *issuer; /* "CN=panel-7, O=Maker"; issuer may be "" */
};

struct engine_conf {
	size_t memory_bytes; /* for all tables and pools together; 0 = 64 MiB */
	uint32_t max_flows;  /* 0 = as many as the memory holds */
	uint64_t seed;	     /* for hashes; different on every start, fixed in tests */
	bool inline_mode;    /* obey fates: trim, hold, drop */
	const struct policy *policy; /* or NULL: everything is allowed and told */
	struct alerts *alerts;	     /* or NULL */
	struct io *io;		     /* tx() for released and injected frames; may be NULL */
	void (*on_fact)(void *ctx, const struct engine_pdu *pdu);
	/* For who counts PDUs of on_fact, and asks no more of them: those that are known need not be read in
	 * full, and come here instead, up to PKT_BURST at once, in order.  Of each flow that has one, on_fact
	 * was told a PDU before. */
	void (*on_known)(void *ctx, const struct engine_known *known, unsigned n);
	void (*on_packet)(void *ctx, const struct engine_packet *pkt);
	/* What alerts_put() is told, also without alerts: off the common path. */
	void (*on_event)(void *ctx, const struct event *ev);
	/* Asks for servers' certificates: only then, and with .classify, are they looked for. */
	void (*on_cert)(void *ctx, const struct engine_cert *cert);
	void *ctx;
	bool own_clock; /* engine_windows() is called: packet time opens nothing */
	bool classify; /* name the flows that no dissector claims (classify.h) */
	/* inline with two ports: bytes of IP that each can send; 0 = any.  A frame that does not
	 * fit is answered in its receiver's name (RFC 1191, RFC 4443 3.2), at most 100 a second. */
	uint32_t mtu[2];
	/* inline: who may judge connections alone (fastpath.h); NULL: nobody.  Outlives the engine. */
	const struct fast_path *fast;
	bool no_quick; /* every PDU is read in full (quick.h): what tests compare with */
};

struct engine_stats {
	uint64_t received, injected, forwarded, consumed, held;
	uint64_t dropped[DROP__MAX];
	uint64_t would_drop; /* frames a guard would have dropped for policy (watch) */
	uint64_t bytes;
	uint64_t pdus, requests, responses, exceptions, malformed;
	uint64_t verdicts[5];	  /* by enum verdict_action, after the mode */
	uint64_t would[5];	  /* by enum verdict_action, as enforce would */
	uint64_t flows, flows_active, flows_evicted, flows_expired;
	uint64_t flows_ended; /* that a new policy does not allow any more */
	uint64_t
	    grace_over; /* connections ended when the grace of their window or permit was over */
	uint64_t passed_in_panic; /* frames that would have been dropped (PANIC_OPEN) */
	uint64_t overlap_differs, retransmitted, out_of_order, gaps, midstream;
	uint64_t pool_full, copied_bytes;
	uint64_t apps_named, apps_unknown; /* unclaimed flows, by what nDPI had to say */
	uint64_t refused, resets; /* inline: PDUs answered by us, connections ended by us */
	uint64_t overdue;	  /* requests without an answer in time */
	uint64_t hold_over;	  /* PDUs longer than what may wait for its end */
	size_t memory_bytes;
};

/* NULL when the memory cannot be had. The policy must outlive the engine. */
struct engine *engine_new(const struct engine_conf *conf);
void engine_free(struct engine *e);
uint32_t engine_max_flows(const struct engine *e);
/* Bytes that an idle flow takes: its record, of a bucket, and of an inline engine what a guard keeps and whose slot it
 * is.  What hangs on a flow that is not idle is leased from what is left of memory_bytes. */
size_t engine_flow_bytes(bool inline_mode);

/* Judge n (<= PKT_BURST) frames; sets fate, reason and perhaps bytes of each. */
void engine_burst(struct engine *e, struct pkt *burst, unsigned n);

/*
 * Another policy from now on, between two bursts; the old one may be freed when this
 * returns.  Flows are bound again when their next packet comes: one that the new policy
 * does not allow ends there.  No PDU is judged by two; what is still held is judged by the new
 * one.  (Of a PDU longer than any buffer, every piece is judged once, by the policy that is
 * in force when it comes.)  Hits per rule begin at 0.
 */
void engine_set_policy(struct engine *e, const struct policy *pol);
const struct policy *engine_policy(const struct engine *e); /* in force; or NULL */

/*
 * Stronger than the policy, between two bursts.  OPEN: what would be dropped, for whatever reason, goes
 * on as it came; it is judged and told as ever.  ISLAND: every IP packet is dropped, and connections
 * are forgotten; frames below IP go by the policy.  Inline only.
 */
enum panic_mode { PANIC_OFF = 0, PANIC_OPEN, PANIC_ISLAND };
void engine_set_panic(struct engine *e, enum panic_mode mode);

/*
 * A frame that the filter in front of the engine has denied (gate_samples()), and how many it
 * stands for: alerted as if the engine had denied it.  The balance does not know of it, and
 * no flow begins.  reason: a name of drop.def.
 */
void engine_sample(struct engine *e, const struct pkt *p, const char *reason, uint64_t count);

/* Every receive ring was just found empty: with a fast path, what is on its way up is known then. */
void engine_quiet(struct engine *e);
/* With a fast path: they took the engine for away, and may have passed frames of conduits that fail
 * open.  Connections of these are forgotten, and found again in the middle. */
void engine_was_away(struct engine *e);
/* Connections that a predecessor which died has left with the fast path; how many.  Before the
 * first burst. */
uint32_t engine_take_over_fast(struct engine *e);
/* NULL without a fast path. */
const struct fast_stats *engine_fast(const struct engine *e);
/*
 * Windows and permits of the policy (policy/window.h).  By itself the engine goes by packet time:
 * a capture is judged as of when it was taken.  A guard has a better clock, and steps them
 * itself (conf.own_clock): engine_windows() once a second, and at once when a permit comes or
 * goes.  A connection whose grace is over is ended, a few thousand looked at per tick.
 */
struct windows *engine_permits(struct engine *e);
void engine_windows(struct engine *e, int64_t unix_s, uint64_t steady_ns, bool trusted);
const struct policy_clock *engine_clock(const struct engine *e);

/* Packet time moved on without packets: run timers. */
void engine_tick(struct engine *e, uint64_t now_ns);

/* The input ended: what is held is released or dropped, flows are closed. */
void engine_finish(struct engine *e);

/* Valid until the next call; counters are brought up to date by it. */
const struct engine_stats *engine_stats(struct engine *e);
/* Hits per rule, policy_rule_count() of them: allowed, denied (or would-deny). */
const uint64_t *engine_rule_hits(const struct engine *e);
/* The flow table as text, a piece per call: how many bytes.  *at counts, from 0; ENGINE_FLOWS_END:
 * that was the last piece.  size >= 4096.  Between two bursts. */
#define ENGINE_FLOWS_END UINT32_MAX
size_t engine_flow_list(const struct engine *e, uint32_t *at, char *buf, size_t size);
/* True when the equation above holds; tests and `replay` ask it. */
bool engine_balanced(const struct engine_stats *s);

#endif /* DATAPLANE_ENGINE_H */
