/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_int.h - what the files of the engine share: burst.c (bursts, the known and the usual
 * packet), quick.c (what is known), engine.c (begin, end, fates), tcp.c (connections), other.c (what is not TCP), stream.c (TCP
 * order), feed.c (bytes to PDUs), judge.c (facts to verdicts), rebind.c (a policy after
 * another); and of a guard: inline.c (frames that may not enter, or leave changed), part.c
 * (half a PDU waits), and what repair.h shows: repair.c, refuse.c, inject.c.
 *
 * Life of a segment:
 *
 *   burst.c   decode, hash, look up the flow
 *   tcp.c     acknowledgement, state, checks of a guard
 *   stream.c  old bytes are compared, early bytes are held, the rest is in order
 *   feed.c    in-order bytes become PDUs; half a PDU waits in a carry cell
 *   dissector says what a PDU does
 *   judge.c   dis_emit(): policy, counters, alert, on_fact
 *   feed.c    "passed" = bytes before the first PDU that may not go on
 *   engine.c  fate: forward, trimmed, dropped, held
 */
#ifndef DATAPLANE_ENGINE_INT_H
#define DATAPLANE_ENGINE_INT_H

#include "alerts/alert.h"
#include "dataplane/cell.h"
#include "dataplane/classify.h"
#include "dataplane/decode.h"
#include "dataplane/engine.h"
#include "dataplane/flow.h"
#include "dataplane/frag.h"
#include "dataplane/quick.h"
#include "dataplane/quota.h"
#include "dataplane/stranger.h"
#include "dataplane/wait.h"
#include "dataplane/transfer.h"

#define OOO_MAX	   64u /* segments one direction may hold ahead of a hole */
#define RETAIN_MAX	64u /* cells of judged, unacknowledged bytes per direction */
#define PROBE_MAX  48u /* bytes a flow is asked about before it is nobody's */
#define PROBE_DECIDE 8u /* inline: bytes of a maybe after which it must be decided */
#define HANDED_MAX 8u  /* times one segment may change its owner */
#define PROBE_TRIES 8u /* segments in which an unclaimed flow is asked again */
#define MIDSTREAM_TRIES 4u /* of them until a midstream flow is called foreign */
#define HOLE_TICKS 8u  /* watch: a hole is a loss after about a second */
#define HELD_TICKS FLOW_TICKS(10) /* guard: a held segment is given up */
#define SCRATCH_BYTES (256u * 1024u) /* changed frames of one burst */
#define ENGINE_RULES	65536u	       /* with a counter each; no policy has more */
#define SCRATCH_FRAME	(17u * 1024u)  /* behind them, twice: one frame of ours, and its bytes */
#define SEGMENT_MOST	16384u	       /* bytes in one of our segments, at most */
#define PIECE_MIN	512u	       /* ... that every path takes: RFC 1122 3.3.3, less options */

/* What the sink knows of the PDU being judged. */
struct dis_sink {
	struct engine *e;
	struct flow *fl;
	const struct layers *l; /* of the packet at hand, for MACs; NULL when held */
	uint64_t frame, ts_ns;
	struct net_tuple tuple; /* src sent the PDU; valid when tuple_ok */
	struct policy_state past; /* of the fact at hand, in a flow with BIND_STATE */
	uint8_t dir;
	uint8_t port;
	uint8_t worst; /* worst action since the PDU (or its first part) began */
	bool tuple_ok;
	bool would_drop; /* some PDU of this packet would not pass a guard */
	uint8_t facts;	 /* of the PDU at hand: enum sink_facts */
	uint32_t rule;	 /* of a plain one: QUICK_NO_HIT, or whose hit it was */
	/* of SINK_DENIED */
	uint8_t action, would;
	bool storm_ok;		   /* the next says all of it */
	struct alerts_storm storm; /* what its event is folded by */
};

enum sink_facts {
	SINK_NONE = 0,
	SINK_PLAIN,  /* one, and it is plain (quick.h) */
	SINK_DENIED, /* one, as plain, but for an event of its own; a guard refuses it */
	SINK_OTHER,
};

/* One to remember? */
static inline bool
sink_plain(const struct dis_sink *s)
{
	return s->facts - 1u <= SINK_DENIED - 1u;
}

struct engine {
	/* hot */
	struct flow_table flows;
	struct cells cells;
	struct dis_sink sink;
	struct dis_call call;
	uint64_t now_ns;
	struct engine_stats st;
	uint64_t kinds[FACT_OTHER + 1]; /* facts by enum fact_kind */
	uint64_t allowed, told;		/* facts with nothing to say; facts of the engine's own */
	uint64_t *rule_hits;
	const struct policy *policy;
	struct policy_memory *memory; /* last values, for rules that ask */
	const struct policy *shadow;  /* shadow.h; NULL = none */
	struct waits *waits; /* requests without an answer, where a policy counts their time */
	bool inline_mode;
	uint8_t panic;	/* enum panic_mode */
	uint16_t epoch; /* bind.generation of the flows that this policy has bound; never 0 */
	uint8_t handed;	/* changes of owner in the segment at hand */
	bool two_ports; /* a frame came from the inside port: a side has one from now on */
	bool quick_on;	/* nobody has to see every fact: see quick_may() */
	struct quick quick;
	struct strangers strangers;
	/* the rest */
	struct windows windows; /* clock.c */
	bool packet_clock;	/* windows go by the time of packets */
	uint64_t windows_s;	/* packet time of their last step */
	uint32_t sweep_at;	/* flows looked at since a grace is over; flows.max: all */
	struct engine_conf conf;
	struct frag_table *frags;
	struct quotas quotas;	   /* inline only */
	struct classify *classify; /* NULL: not wanted, or not built */
	struct path *path;	   /* NULL: nobody else judges */
	uint8_t *scratch;
	size_t scratch_used;
	const char *note; /* what the stream layer thought of the packet */
	/* inline: the packet being judged, for the headers of frames of ours; NULL in timers */
	const struct pkt *at_hand;
	const struct layers *at_hand_l;
	unsigned at_hand_dir;
	uint32_t at;		/* number of the first byte given to feed_bytes() */
	uint32_t pdu_at;	/* of the PDU at hand */
	cell_id refusal;	/* built while the PDU at hand was judged */
	unsigned refusal_after; /* answers that come before it */
	uint16_t ip_id;
	uint64_t told_ns; /* when the next sender may be told of an MTU; mtu.c */
	struct transfers transfers;
	struct shadow *shadow_state;
};

/* A segment on its way through stream.c; p is its payload. */
struct seg {
	const uint8_t *p;
	uint32_t len, seq;
	const struct pkt *pkt; /* the frame, to hold; NULL when it was held already */
	const struct layers *l;
};

/* judge.c */
struct verdict judge_none(void);
/* A request whose time is up is told. */
void judge_overdue(struct engine *e, const struct wait *w);
const struct net_tuple *judge_tuple(struct dis_sink *s);
/* What rules that ask the past are told of the PDU at hand. */
void judge_past(struct dis_sink *s, const struct policy_memory *m, struct policy_state *st);
/* policy_eval() of a flow with BIND_WINDOW: with what is open for its ends now. */
struct verdict judge_window(struct dis_sink *s, const struct fact *f);
/* A fact of the engine's own (lost step, overlap, wrong protocol) under a
 * condition of the policy; the action that applies. */
uint8_t judge_condition(struct engine *e, enum policy_cond c, const char *op, uint64_t anomaly,
    const char *note);
/* The name of an unclaimed flow is said; governed: the conduit's `apps:` allows it. */
void judge_app(struct engine *e, bool governed);
/* A flow that may not be opened, or a frame that is not IP. */
void judge_flow(struct engine *e, const struct verdict *v, const struct net_tuple *t,
    uint64_t flow_id, bool l2);

/* feed.c: from now on the flow is this dissector's; false: no memory for its state. */
bool feed_claim(struct engine *e, struct flow *f, uint8_t who, uint8_t variant);

/* panic.c: what was dropped goes on, in PANIC_OPEN. */
void panic_pass(struct engine *e, struct pkt *p);
/* An open guard tells, and does not stop. */
static inline void
panic_cap(const struct engine *e, struct verdict *v)
{
	if (__builtin_expect(e->panic == PANIC_OPEN, 0) && v->action > VERDICT_ALERT)
		v->action = VERDICT_ALERT;
}

/* shadow.c: what the policy beside the one in force would have done; live: what this one does. */
struct shadow *shadow_new(size_t memory_bytes, uint64_t seed);
void shadow_free(struct shadow *s);
size_t shadow_bytes(const struct shadow *s);
void shadow_windows(struct engine *e, int64_t unix_s, uint64_t steady_ns, bool trusted);
void shadow_begin(struct engine *e, const struct flow *f); /* a new one */
void shadow_fact(struct engine *e, const struct fact *f, struct verdict live);
void shadow_condition(
    struct engine *e, enum policy_cond c, const struct fact *f, struct verdict live);
void shadow_flow(
    struct engine *e, const struct net_tuple *t, bool from_client, const struct verdict *live);

/* feed.c: give the next in-order bytes of one direction.  Returns how many of
 * them may go on: less than len only inline, and then *reason says why. */
uint32_t feed_bytes(struct engine *e, struct flow *f, unsigned dir, const uint8_t *p, uint32_t len,
    enum drop_reason *reason);
/* One datagram; false: it may not go on. */
bool feed_datagram(struct engine *e, struct flow *f, unsigned dir, const uint8_t *p, uint32_t len,
    enum drop_reason *reason);
/* Bytes were lost: forget half PDUs, look for a boundary. */
void feed_gap(struct engine *e, struct flow *f, unsigned dir, uint32_t lost);
/* Half a PDU is forgotten, as if it had not come. */
void feed_forget(struct engine *e, struct tcp_dir *d);
/* What the dissector of a flow knew of it goes. */
void feed_drop_state(struct engine *e, struct flow *f);
/* Give back what the flow holds. */
void feed_release(struct engine *e, struct flow *f);

/* dis_call.grow */
void *feed_grow(struct dis_call *call);

/* What the dissector of a flow keeps: in the flow's record, or in a leased cell. */
static inline __attribute__((always_inline)) void *
feed_state(const struct engine *e, struct flow *f)
{
	cell_id id;

	if (!(f->flags & FLOW_STATE_CELL))
		return f->dstate;
	memcpy(&id, f->dstate, sizeof(id));
	return cell_at(&e->cells, id)->data;
}

/* From now on it keeps it in that cell, of which nothing but n bytes was written. */
static inline void
feed_state_cell(struct engine *e, struct flow *f, cell_id id, uint32_t n)
{
	cell_at(&e->cells, id)->total = CELL_NONE; /* dis_lease() */
	cell_at(&e->cells, id)->len = n;
	memcpy(f->dstate, &id, sizeof(id));
	f->flags |= FLOW_STATE_CELL;
}

/* How many bytes it is. */
static inline uint32_t
feed_state_size(const struct engine *e, const struct flow *f)
{
	cell_id id;

	if (!(f->flags & FLOW_STATE_CELL))
		return dissectors[f->dis]->state_size;
	memcpy(&id, f->dstate, sizeof(id));
	return cell_at(&e->cells, id)->len;
}

/* Room for what a dissector keeps of a flow that is its own from now on, zeroed: in the record, or, where that is
 * too small, in a cell.  NULL: there is none. */
void *feed_state_begin(struct engine *e, struct flow *f, const struct dissector *ds);

/* Usual fate of a whole PDU: it goes on. False: it may not (inline). */
static inline bool
feed_pdu(struct engine *e, const struct dissector *ds, struct flow *f, unsigned dir,
    const uint8_t *p, uint32_t len)
{
	struct dis_call *call = &e->call;

	call->dir = (uint8_t)dir;
	call->variant = f->variant;
	call->datagram = false;
	call->midstream = (f->flags & FLOW_MIDSTREAM) != 0;
	call->now_ns = e->sink.ts_ns;
	call->anomalies = 0;
	call->state = feed_state(e, f);
	call->memo = 0;
	e->sink.worst = VERDICT_ALLOW;
	e->sink.facts = SINK_NONE;
	ds->pdu(call, cur_make(p, len));
	if (e->quick_on && sink_plain(&e->sink))
		quick_learn(e, f, p, len);
	return e->sink.worst < VERDICT_REJECT || !e->inline_mode;
}

/* app.c: a payload that no dissector wants; may name the flow. */
void app_payload(struct engine *e, struct flow *f, unsigned dir, const uint8_t *p, uint32_t len);
/* Does the conduit's `apps:` say what becomes of it?  Then *passed may become 0, with a reason. */
bool app_decides(struct engine *e, struct flow *f, uint32_t *passed, enum drop_reason *reason);
/* What an unclaimed flow was named; false: nothing yet, or it is not unclaimed. */
bool app_known(const struct engine *e, struct flow *f, struct fact_app *out);
/* The flow is claimed, or gone. */
void app_forget(struct engine *e, struct flow *f);

/* stream.c */
struct seg_result {
	uint32_t keep; /* payload bytes that may go on, from the front */
	uint32_t skip; /* of them, acknowledged long ago: left out */
	uint8_t fate;  /* enum pkt_fate */
	uint8_t reason; /* why less than all goes on */
};
struct seg_result stream_segment(struct engine *e, struct flow *f, unsigned dir,
    const struct seg *s);
/* Remember what was judged until it is acknowledged. */
void stream_retain(struct engine *e, struct tcp_dir *d, uint32_t seq, const uint8_t *p,
    uint32_t len);
/* Bytes from `from` on are no longer remembered: they have not come. */
void stream_forget(struct engine *e, struct tcp_dir *d, uint32_t from);
/* Up to n remembered bytes at seq; how many there are in one piece. */
uint32_t stream_copy(
    const struct engine *e, const struct tcp_dir *d, uint32_t seq, uint8_t *to, uint32_t n);
/* The peer acknowledged up to ack. */
void stream_acked(struct engine *e, struct flow *f, unsigned dir, uint32_t ack);
/* Inline: held segments that have waited long enough; ticks until it wants to be called
 * again, 0: none are held. */
uint32_t stream_timer(struct engine *e, struct flow *f);
/* Holes that time has made losses; `end` when no more packets will come. */
void stream_expire(struct engine *e, struct flow *f, bool end);
void stream_release(struct engine *e, struct flow *f);

/* inline.c: why a frame may not even be looked at; DROP_NONE when it may. */
enum drop_reason inline_checks(const struct pkt *p, const struct layers *l, const struct flow *f,
    unsigned dir);
/* Inside what the peer offered, with one window of slack to the left. */
bool in_window(const struct flow *f, unsigned dir, const struct layers *l);
/* A TCP header that must be changed although all of the payload goes on. */
bool inline_unclean(const struct pkt *p, const struct layers *l);
/* The frame with only bytes skip..keep of its payload, sequence number,
 * lengths and checksums right, in the burst scratch; false when there is no room. */
bool inline_trim(struct engine *e, struct pkt *p, const struct layers *l, uint32_t skip,
    uint32_t keep);

/* Lengths and checksums of a frame of len bytes that was changed. */
void inline_lengths(uint8_t *frame, const struct layers *l, uint32_t len);
/* Offset of an option among len bytes of them; len when it is not there. */
uint32_t inline_option(const uint8_t *options, uint32_t len, uint8_t kind);
/* Take urgent pointer and MPTCP out of a header. */
void inline_clean(uint8_t *tcp, const struct layers *l);

/* burst.c: a live clock was put back; a few frames in another order than their times are not that. */
bool engine_put_back(const struct engine *e, uint64_t now_ns);
/* engine.c: carry out what the stream layer decided about a frame. */
void engine_settle(struct engine *e, struct pkt *p, const struct layers *l,
    const struct seg_result *r);
/* The flow's timer fires in so many ticks, or before. */
void engine_wake(struct engine *e, struct flow *f, uint32_t ticks);
/* A held frame leaves, or is dropped for good. */
void engine_release(struct engine *e, struct pkt *p, const struct layers *l,
    const struct seg_result *r);

/* tcp.c: did the sender of this packet open the conversation? */
bool engine_from_client(const struct layers *l);
/* Inline a side stays behind its port, and nobody answers in the name of a device: did a packet in this direction
 * come by the other? */
static inline bool
engine_wrong_port(struct engine *e, const struct pkt *p, const struct flow *f, unsigned dir)
{
	e->two_ports |= p->port != 0;
	return e->two_ports &&
	       p->port != (((f->flags & FLOW_CLIENT_PORT1) != 0) == (dir == DIR_TO_SERVER));
}
/* First packet of a conversation.  Inline, a flow exists only where the policy
 * lets one; watch keeps it, to say what was attempted.  NULL: p is dropped. */
struct flow *engine_new_flow(struct engine *e, struct pkt *p, const struct layers *l,
    const struct flow_key *k);
/* Guard only: false, and dropped, when no honest stack sends this. */
bool engine_may_enter(struct engine *e, struct pkt *p, const struct layers *l, struct flow *f,
    unsigned dir);
/* Guard only: what frames of ours in this direction will need: timestamps, size, headers. */
void engine_take_note(
    struct engine *e, struct flow *f, unsigned dir, const struct pkt *p, const struct layers *l);
/* A packet that is not the usual one; f may be NULL. */
void engine_tcp(struct engine *e, struct pkt *p, const struct layers *l, const struct flow_key *k,
    struct flow *f);

/* clock.c */
/* End what has to, a piece at a time. */
void clock_tick(struct engine *e);
/* Packet time, where it is the clock of the windows (packet_clock). */
void clock_packet(struct engine *e, uint64_t ts_ns);
/* Would clock_packet() do anything? */
bool clock_moves(const struct engine *e, uint64_t ts_ns);
/* Another policy: its windows, as of now. */
void clock_policy(struct engine *e);
/* A policy beside it came or went: windows are stepped at the next packet, or second. */
void clock_again(struct engine *e);

/* rebind.c */
/* policy_bind(), so that it is known which policy it was. */
struct verdict engine_bind(
    const struct engine *e, const struct net_tuple *t, struct policy_bind *out);
/* The flow was bound by another policy: by this one now.  p, l: the packet at hand, travelling
 * in dir, or NULL.  False: it is not allowed any more, and gone, and p dropped. */
bool engine_rebind(
    struct engine *e, struct flow *f, unsigned dir, struct pkt *p, const struct layers *l);

/* Of an inline engine only. */
static inline struct flow_guard *
guard_of(const struct engine *e, const struct flow *f)
{
	return flow_guard(&e->flows, f);
}

static inline bool
engine_stale(const struct engine *e, const struct flow *f)
{
	return f->bind.generation != e->epoch;
}

/* icmp.c */
struct policy_icmp;
/* What policy_eval_icmp() asks of an ICMP or IGMP packet with tuple t; false: it is neither, or
 * is cut. */
bool engine_icmp_read(const struct pkt *p, const struct layers *l, const struct net_tuple *t,
    struct policy_icmp *out);
/* fastpath.c; e->path is NULL unless a fast path is configured */
int path_new(struct engine *e);
void path_free(struct engine *e);
enum path_arrival {
	PATH_OURS,   /* judge it; what they judged is taken over */
	PATH_THEIRS, /* p is dropped */
	PATH_GONE,   /* so is the flow: nobody knows where it stands */
};
/* A frame of a flow with a slot has come, and nothing of it was looked at. */
enum path_arrival path_arrives(struct engine *e, struct flow *f, struct pkt *p);
/* The packet of this flow is done: it may be one to offer when the burst is. */
/* A whole PDU of a flow with a slot was judged, whose dissector has alike(); the PDU as pdu() had it. */
void path_note(struct engine *e, struct flow *f, unsigned dir, struct cur pdu);
/* A part of one was: what was allowed before is not to be relied on. */
void path_doubt(struct engine *e, struct flow *f);
void path_touch(struct engine *e, struct flow *f);
void path_burst_end(struct engine *e);
void path_tick(struct engine *e);
/* The flow goes, or begins anew. */
void path_forget(struct engine *e, struct flow *f);
/* Those that are offered or theirs come back with their next frame. */
void path_recall(struct engine *e);
/* All connections are ours from now on; those that cannot be are removed. */
void path_take_all(struct engine *e);
/* The same, but what is theirs stays theirs: path_left() says so of a flow, and the next engine inherits
 * it from them. */
void path_leave_all(struct engine *e);
bool path_left(const struct engine *e, const struct flow *f);
/* Where a direction stands, whoever judges it. */
void path_numbers(struct engine *e, struct flow *f, unsigned dir, uint32_t *acked, uint32_t *nxt);
/* How many of the len bytes at seq, all in front of nxt, are as they were judged by them, or are
 * not theirs to tell, from the front.  *differs: the one behind those is another one than it was. */
uint32_t path_same(struct engine *e, struct flow *f, unsigned dir, uint32_t seq, const uint8_t *p,
    uint32_t len, bool *differs);
void path_release(struct engine *e, struct flow *f);

/* mtu.c: the frame fits out of the other port; else it is dropped, and its sender told. */
bool engine_fits(struct engine *e, struct pkt *p, const struct layers *l);

/* sample.c: inline, may a frame that could be decoded be part of what the policy allows between its two ends, whoever of
 * them began?  What only the state of a connection tells, and what is in it, is not asked. */
bool engine_lets_in(const struct engine *e, const struct pkt *p, const struct layers *l);

/* other.c */
struct verdict engine_l2_verdict(
    const struct engine *e, const struct pkt *p, const struct layers *l);
/* A guard only, LAYER_STRANGE: may it pass? */
bool engine_extension(struct engine *e, struct pkt *p, const struct layers *l);
void engine_udp(struct engine *e, struct pkt *p, const struct layers *l, const struct flow_key *k,
    uint32_t candidate);
void engine_l2(struct engine *e, struct pkt *p, const struct layers *l);
void engine_other_ip(struct engine *e, struct pkt *p, const struct layers *l);
void engine_fragment(struct engine *e, struct pkt *p, const struct layers *l);

/* What engine_extension() has a say about. */
#define LAYER_STRANGE (LAYER_ROUTED | LAYER_ATOMIC | LAYER_AUTH | LAYER_MAPPED)

/* A tuple's port. */
static inline uint8_t
engine_port(const struct engine *e, const struct pkt *p)
{
	return (uint8_t)(p->port | (e->two_ports ? NET_PORT_TWO : 0));
}

/* As the packet travels. */
static inline void
engine_tuple(
    const struct engine *e, const struct pkt *p, const struct layers *l, struct net_tuple *t)
{
	layers_tuple(l, engine_port(e, p), t);
}

/* Of a frame that is of no flow. */
static inline uint64_t
engine_flow_id(const struct engine *e, const struct layers *l)
{
	struct flow_key k;

	if (!(l->flags & LAYER_IP))
		return hash_mix(e->flows.seed, l->ethertype, l->vlan);
	flow_key_make(&e->flows, l, &k);
	return k.hash;
}

static inline void
put_be16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, v >> 16);
	put_be16(p + 2, v);
}

static inline uint32_t
get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void
engine_drop(struct pkt *p, enum drop_reason why)
{
	p->fate = FATE_DROP;
	p->reason = (uint8_t)why;
}

/* The sink speaks of this flow and packet from now on. */
static inline void
engine_aim(struct engine *e, struct flow *f, unsigned dir, const struct layers *l)
{
	e->sink.fl = f;
	e->sink.l = l;
	e->sink.dir = (uint8_t)dir;
	e->sink.tuple_ok = false;
}

static inline struct flow *
engine_find(struct engine *e, const struct flow_key *k, uint32_t candidate)
{
	if (__builtin_expect(candidate != FLOW_NONE, 1)) {
		struct flow *f = &e->flows.flows[candidate];

		if (__builtin_expect(flow_matches(f, k), 1))
			return f;
	}
	return flow_lookup(&e->flows, k);
}

static inline unsigned
engine_direction(const struct flow *f, bool src_is_lo)
{
	_Static_assert(
	    FLOW_CLIENT_LO == 1 && DIR_TO_SERVER == 0, "their difference is the direction");
	return src_is_lo ^ (f->flags & FLOW_CLIENT_LO);
}

#endif /* DATAPLANE_ENGINE_INT_H */
