/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fast.bpf.h - connections whose PDUs are judged here (flow_abi.h, docs/PROTOCOL.kernel.md).
 *
 *   entry? -> what the segment is: headers, checksums, one PDU, its rule, the hash of its bytes
 *          -> under the entry's lock: whose is it, do the numbers fit, is it an answer -> commit
 *
 * It is asked twice about a frame at most.  Early, before the gate: a connection that the kernel owns was
 * judged by addresses, ports and MACs when it was taken, and only what is the same again passes;
 * nothing is changed when it does not.  Late, when the gate has said "to the engine": the kernel takes
 * what is offered and fits, or gives back what it cannot judge.
 *
 * The loader makes the maps small where nobody asked for all this, and fast_on is 0.
 */
#ifndef EBPF_FAST_BPF_H
#define EBPF_FAST_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "ebpf/flow_abi.h"
#include "ebpf/maps.bpf.h"

const volatile __u64 hash_key[KFLOW_HASH_WORDS] = {0}; /* random, of every loading */
const volatile __u32 fast_on = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, KFLOW_BUCKETS);
	__type(key, __u32);
	__type(value, struct kflow_bucket);
} kflow_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, KFLOW_MAX);
	__type(key, __u32);
	__type(value, struct kflow);
} kflows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, KFLOW_MAX);
	__type(key, __u32);
	__type(value, struct kflow_offer);
} kflow_offers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kflow_pulse);
} kflow_pulse SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FAST_CHUNK_ROWS);
	__type(key, __u32);
	__type(value, struct fast_chunk);
} fast_tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FAST_RULE_ROWS);
	__type(key, __u32);
	__type(value, __u64);
} fast_hits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GATE_CONDUIT_ROWS);
	__type(key, __u32);
	__type(value, struct fast_counter);
} fast_shares SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FAST_COUNTS_ROWS);
	__type(key, __u32);
	__type(value, struct fast_counter);
} fast_counts SEC(".maps");

/* The port that a frame leaves by: 0 outside, 1 inside. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} fast_ports SEC(".maps");

#include "ebpf/fast_opcua.h"
#include "ebpf/fast_pdu.h"

enum fast_kind { FAST_NOTHING = 0, FAST_ASKS, FAST_TELLS };

struct fast_seg {
	__u32 seq, ack, len, ts;
	__u32 rule;
	__u16 win;
	__u8 has_ts, kind, error, known;
};

#define FAST_HEAD (KFLOW_ADU / 8) /* words of a payload that are looked at */

struct fast_payload {
	__u64 head[FAST_HEAD];
	__u64 sum, hash;
};

/* The frame and the segment at hand.  Not on the stack, which is 512 bytes for all functions together; and of what
 * comes out of a map the verifier knows nothing, so that it need not look at each way it came there. */
struct fast_hand {
	struct frame f;
	struct kflow_key key;
	struct fast_ask ask;
	struct fast_payload p;
	struct fast_seg s;
	struct ua_hand ua;
	__u32 forgotten;
};
#include "ebpf/fast_opcua.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fast_hand);
} fast_scratch SEC(".maps");

/* --- tables ----------------------------------------------------------------------------------- */

static __always_inline __u32
table_word(__u32 set, __u32 at)
{
	__u32 row = set * FAST_CHUNKS + at / FAST_CHUNK_WORDS;
	const struct fast_chunk *c;

	if (at >= FAST_CHUNKS * FAST_CHUNK_WORDS)
		return 0;
	c = bpf_map_lookup_elem(&fast_tables, &row);
	return c ? c->w[at % FAST_CHUNK_WORDS] : 0;
}

typedef __u32 fast_set;
#define FAST_TABLES	 fast_set
#define FAST_WORD(t, at) table_word(t, at)
#include "ebpf/fast_eval.h"

/* The rule that allows it outright, or -1.  A function of its own: the verifier looks at it once. */
__noinline int
fast_rule(const struct fast_ask *a, __u32 set, __u32 block)
{
	__u32 rule = 0;

	if (!a || !fast_eval(set, block, a, &rule) || rule >= FAST_RULES)
		return -1;
	return (int)rule;
}

/* --- a segment ---------------------------------------------------------------------------------- */

static __always_inline __u32
sum_words(const __u8 *p, __u32 n)
{
	const __u32 *w = (const __u32 *)p;
	__u64 sum = 0;

	for (__u32 i = 0; i < n; i++)
		sum += w[i];
	return (__u32)(sum & 0xffff) + (__u32)(sum >> 16 & 0xffff) + (__u32)(sum >> 32);
}

/* RFC 1071: are the words, with their checksum among them, all ones? */
static __always_inline bool
sum_right(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* The last n & 7 of n bytes, as a word: what ends with them, less what is before.  The headers are. */
static __always_inline bool
take_rest(const struct cursor *c, __u32 n, __u64 *word)
{
	__u32 at = c->at + n - 8;
	const __u8 *p = c->data + (at & OFFSET_MASK);

	if (at > OFFSET_MASK || p + 8 > c->end)
		return false;
	*word = *(const __u64 *)p >> (64 - (n & 7) * 8);
	return true;
}

#define FAST_SHORT 4u /* words */

/* Sums and hashes the n bytes behind the cursor, and copies the head of them to where it can be read at
 * fixed places.  False when they are not there. */
static __always_inline bool
take_words(const struct cursor *c, __u32 n, struct fast_payload *to, const __u32 most)
{
	const __u8 *p = c->data + (c->at & OFFSET_MASK);
	__u32 whole = n / 8, i;
	__u64 sum = 0, hash = 0, w;

	for (i = 0; i < most; i++) {
		if (i >= whole)
			break;
		if (p + 8 > c->end)
			return false;
		w = *(const __u64 *)p;
		p += 8;
		if (i < FAST_HEAD)
			to->head[i] = w;
		sum += (w & 0xffffffff) + (w >> 32);
		hash += kflow_hash_word(w, hash_key[i]);
	}
	if (n & 7) {
		if (!take_rest(c, n, &w))
			return false;
		if (whole < FAST_HEAD) {
			i = whole;
			asm volatile(""
				     : "+r"(i)); /* or the mask that the verifier needs is gone */
			to->head[i & (FAST_HEAD - 1)] = w;
		}
		sum += (w & 0xffffffff) + (w >> 32);
		hash += kflow_hash_word(w, hash_key[whole & (KFLOW_HASH_WORDS - 1)]);
	}
	to->sum = sum;
	to->hash = hash;
	return true;
}

/* Of any length.  A function of its own: the verifier looks at it once. */
__noinline int
take_payload(struct xdp_md *ctx, __u32 at, __u32 n, struct fast_payload *to)
{
	struct cursor c = {.data = (const __u8 *)(long)ctx->data,
	    .end = (const __u8 *)(long)ctx->data_end,
	    .at = at};

	return to && n <= KFLOW_PAYLOAD && take_words(&c, n, to, KFLOW_PAYLOAD / 8);
}

/* Headers and checksums; FAST_FORWARDED when there is nothing to object to. */
static __always_inline int
fast_segment(
    struct xdp_md *ctx, const struct frame *f, struct fast_seg *s, struct fast_payload *payload)
{
	struct cursor c = {
	    .data = (const __u8 *)(long)ctx->data, .end = (const __u8 *)(long)ctx->data_end};
	const __u8 *p;
	__u32 head, tcp_len;
	__u64 sum;

	*s = (struct fast_seg){0};
	payload->sum = 0;
	if (!f->plain)
		return FAST_HEADER;
	if (!f->v6) {
		c.at = f->l3_off;
		p = parse_take(&c, 20);
		if (!p)
			return FAST_HEADER;
		if (!sum_right(sum_words(p, 5)))
			return FAST_CHECKSUM;
	}
	c.at = f->l4_off;
	p = parse_take(&c, 20);
	if (!p)
		return FAST_HEADER;
	if ((p[13] & ~0x08) != 0x10 || (p[12] & 0x0f) != 0)
		return FAST_FLAGS;
	head = p[12] >> 4;
	s->seq = __builtin_bswap32(*(const __u32 *)(p + 4));
	s->ack = __builtin_bswap32(*(const __u32 *)(p + 8));
	s->win = load_be16(p + 14);
	sum = sum_words(p, 5);
	if (head == 8) { /* RFC 7323 appendix A */
		p = parse_take(&c, 12);
		if (!p || *(const __u32 *)p != (__u32)__builtin_bswap32(0x0101080a))
			return FAST_OPTIONS;
		s->ts = __builtin_bswap32(*(const __u32 *)(p + 4));
		s->has_ts = 1;
		sum += sum_words(p, 3);
	} else if (head != 5) {
		return FAST_OPTIONS;
	}
	if (c.at > f->ip_end)
		return FAST_HEADER;
	s->len = f->ip_end - c.at;
	if (s->len > KFLOW_PAYLOAD)
		return FAST_LONG;
	if (s->len != 0 &&
	    !(s->len < 8 * FAST_SHORT + 8 ? take_words(&c, s->len, payload, FAST_SHORT)
					  : take_payload(ctx, c.at, s->len, payload)))
		return FAST_HEADER;
	sum += payload->sum;
	tcp_len = f->ip_end - f->l4_off;
	sum += __builtin_bswap16((__u16)tcp_len) + (__u64)__builtin_bswap16(PROTO_TCP);
	sum += f->src.w_be[3];
	sum += f->dst.w_be[3];
	if (f->v6)
		for (int i = 0; i < 3; i++) {
			sum += f->src.w_be[i];
			sum += f->dst.w_be[i];
		}
	return sum_right(sum) ? FAST_FORWARDED : FAST_CHECKSUM;
}

/*
 * Which turn the next request gets: the one behind those that wait.  When none does, any will do; it is told by
 * what is asked, so that a poll finds itself where it was, and needs but one line of the cache.
 */
static __always_inline __u32
open_end(const struct kflow *e, const struct fast_hand *h, __u32 proto)
{
	__u32 by_text = (__u32)(h->p.head[proto == KFLOW_S7 ? 3 : 1] * 0x9e3779b97f4a7c15ull >> 62);

	return (e->n_open ? (__u32)e->open_at + e->n_open : by_text) & (KFLOW_OPEN - 1);
}

/*
 * Is it the request that stood there last, with another number?  Polls are; then what was said of
 * that one holds, for it was said since the kernel took the connection, by the tables of its
 * generation.  One that is longer than a head is not known.
 */
static __always_inline bool
known_request(const struct kflow *e, const struct fast_hand *h, __u32 proto)
{
	__u32 at = open_end(e, h, proto);
	const __u64 *q = (const __u64 *)e->turn[at].head;
	__u64 differs = e->open_len[at] ^ h->s.len, d, within;

	for (__u64 i = 0; i < KFLOW_HEAD / 8; i++) {
		d = q[i] ^ h->p.head[i];
		if (i == 0 && proto == KFLOW_MODBUS)
			d &= ~0xffffull; /* the transaction: bytes 0, 1 */
		if (i == 1 && proto == KFLOW_S7)
			d &= ~0xffff000000ull; /* the reference: bytes 11, 12 */
		within = (__u64)((__s64)(i * 8 - h->s.len) >> 63);
		differs |= d & within;
	}
	return differs == 0 && h->s.len <= KFLOW_HEAD;
}

/* What the payload is to be: a request, allowed by s->rule; or perhaps an answer. */
static __always_inline enum fast_reason
judge_payload(const struct kflow *e, struct fast_hand *h, __u32 proto, __u32 dir, __u32 set,
    __u32 block, __u32 generation)
{
	const __u8 *p = (const __u8 *)h->p.head;
	struct fast_seg *s = &h->s;
	struct fast_ask *ask = &h->ask;
	int rule;

	if (s->len == 0)
		return FAST_FORWARDED;
	if (dir != 0) {
		s->kind = FAST_TELLS;
		return FAST_FORWARDED;
	}
	if (s->len > KFLOW_ADU)
		return FAST_LONG;
	s->kind = FAST_ASKS;
	if (e->owner == KFLOW_KERNEL && e->generation == generation && known_request(e, h, proto)) {
		s->rule = e->open_rule[open_end(e, h, proto)];
		s->known = 1; /* if that is still so under the lock */
		return FAST_FORWARDED;
	}
	if (!(proto == KFLOW_MODBUS ? modbus_ask(p, s->len, ask) : s7_ask(p, s->len, ask)))
		return FAST_PDU;
	rule = fast_rule(ask, set, block);
	if (rule < 0)
		return FAST_VERDICT;
	s->rule = (__u32)rule;
	return FAST_FORWARDED;
}

/* --- under the lock ----------------------------------------------------------------------------- */

enum fast_held { KFLOW_IS_GONE = -1, KFLOW_IS_BUSY = -2 };
#define KFLOW_TRIES 4096u /* some ten microseconds; it is held for less than a tenth of one */

static __always_inline bool
kflow_swap(struct kflow *e, __u32 was)
{
	return __sync_val_compare_and_swap(&e->version, was, was | KFLOW_HELD) == was;
}

struct kflow_try {
	struct kflow *e;
	int held;
};

static long
kflow_try(__u32 i, struct kflow_try *t)
{
	__u32 v = *(volatile __u32 *)&t->e->version;

	(void)i;
	if (v & KFLOW_GONE)
		t->held = KFLOW_IS_GONE;
	else if (v & KFLOW_HELD || !kflow_swap(t->e, v))
		return 0; /* once more */
	else
		t->held = (int)v;
	return 1;
}

/* Another CPU has it, or the engine.  As kflow_hold(). */
__noinline int
kflow_wait(struct kflow *e)
{
	struct kflow_try t = {.e = e, .held = KFLOW_IS_BUSY};

	if (!e)
		return KFLOW_IS_GONE;
	bpf_loop(KFLOW_TRIES, kflow_try, &t, 0);
	return t.held;
}

/* The version that it had, even, for kflow_release(), which every way from here has to come to; or enum
 * fast_held: nobody has to. */
static __always_inline int
kflow_hold(struct kflow *e)
{
	__u32 v = *(volatile __u32 *)&e->version;

	return !(v & (KFLOW_GONE | KFLOW_HELD)) && kflow_swap(e, v) ? (int)v : kflow_wait(e);
}

static __always_inline void
kflow_release(struct kflow *e, __u32 was)
{
#ifdef __TARGET_ARCH_x86 /* its stores are seen in their order */
	asm volatile("" ::: "memory");
	*(volatile __u32 *)&e->version = kflow_next_version(was);
#else
	__sync_lock_test_and_set(&e->version, kflow_next_version(was));
#endif
}

static __always_inline bool
before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

/* The peer has everything up to acked. */
static __always_inline void
forget_sent(struct kflow *e, struct kflow_way *w, __u32 dir)
{
	__u32 n = w->n_sent, at = e->sent_at[dir];

	for (__u32 i = 0; i < KFLOW_SENT && n > 0; i++) {
		const struct kflow_sent *t = &e->turn[at & (KFLOW_SENT - 1)].sent[dir];

		if (before(w->acked, t->seq + t->len))
			break;
		at++;
		n--;
	}
	w->n_sent = (__u8)n;
	e->sent_at[dir] = (__u8)(at & (KFLOW_SENT - 1));
}

static __always_inline bool
sent_before(const struct kflow *e, const struct kflow_way *w, __u32 dir, const struct fast_seg *s,
    __u64 hash)
{
	bool same = false;

	for (__u32 i = 0; i < KFLOW_SENT; i++) {
		const struct kflow_sent *t =
		    &e->turn[((__u32)e->sent_at[dir] + i) & (KFLOW_SENT - 1)].sent[dir];

		same |= i < w->n_sent && t->seq == s->seq && t->len == s->len && t->hash == hash;
	}
	return same;
}

/* A request that is told apart from those that wait, and room for it. */
static __always_inline enum fast_reason
ask_fits(const struct kflow *e, const __u8 *p)
{
	bool near = e->n_open >= KFLOW_OPEN;

	for (__u32 i = 0; i < KFLOW_OPEN; i++) {
		const __u8 *q = e->turn[(e->open_at + i) & (KFLOW_OPEN - 1)].head;

		if (i >= e->n_open)
			break;
		near |= e->proto == KFLOW_MODBUS ? modbus_near(q, p) : s7_near(q, p);
	}
	return near ? FAST_OPEN_FULL : FAST_FORWARDED;
}

static __always_inline enum fast_reason
tell_fits(const struct kflow *e, const __u8 *p, struct fast_seg *s)
{
	const __u8 *q = e->turn[e->open_at & (KFLOW_OPEN - 1)].head;

	if (e->n_open == 0)
		return FAST_UNPAIRED;
	s->error = e->proto == KFLOW_MODBUS && p[7] & 0x80;
	return (e->proto == KFLOW_MODBUS ? modbus_answers(q, p, s->len) : s7_answers(q, p, s->len))
		   ? FAST_FORWARDED
		   : FAST_UNPAIRED;
}

/* Does the segment go on where the connection is?  *again: it did before. */
static __always_inline enum fast_reason
numbers_fit(const struct kflow *e, const struct kflow_way *w, const struct kflow_way *o,
    struct fast_hand *h, __u32 dir, bool *again, const bool ua)
{
	const struct fast_payload *p = &h->p;
	struct fast_seg *s = &h->s;

	if (s->has_ts != (e->has_ts >> dir & 1))
		return FAST_TIMESTAMP;
	if (s->has_ts && before(s->ts, w->ts))
		return FAST_TIMESTAMP;
	if (before(s->ack, o->acked) || before(o->next, s->ack))
		return FAST_ACK;
	*again = false;
	if (s->len == 0) /* or a keep-alive, RFC 9293 3.8.4 */
		return s->seq == w->next || s->seq + 1 == w->next ? FAST_FORWARDED : FAST_SEQUENCE;
	if (s->seq != w->next) {
		*again = dir ? sent_before(e, w, 1, s, p->hash) : sent_before(e, w, 0, s, p->hash);
		return *again ? FAST_FORWARDED : FAST_SEQUENCE;
	}
	if (before(w->edge, s->seq + s->len))
		return FAST_WINDOW;
	if (w->n_sent >= KFLOW_SENT)
		return FAST_SENT_FULL;
	if (ua)
		return ua_fits(e, h, dir);
	return s->kind == FAST_ASKS ? ask_fits(e, (const __u8 *)p->head)
				    : tell_fits(e, (const __u8 *)p->head, s);
}

static __always_inline void
commit_payload(struct kflow *e, struct kflow_way *w, const struct fast_hand *h, __u32 dir,
    __u32 proto, const bool ua)
{
	const struct fast_payload *p = &h->p;
	const struct fast_seg *s = &h->s;
	__u32 at = ua ? 0 : s->kind == FAST_ASKS ? open_end(e, h, proto) : e->open_at;
	struct kflow_sent *t;
	__u64 *q;

	if (w->n_sent == 0)
		e->sent_at[dir] = (__u8)at;
	t = &e->turn[((__u32)e->sent_at[dir] + w->n_sent) & (KFLOW_SENT - 1)].sent[dir];
	t->seq = s->seq;
	t->len = (__u16)s->len;
	t->hash = p->hash;
	w->n_sent++;
	w->next = s->seq + s->len;
	e->pdus++;
	e->errors += s->error;
	if (ua) {
		ua_commit(&e->ua, &e->n_open, (const __u8 *)h->p.head, &h->ua, dir);
		return;
	}
	at &= KFLOW_OPEN - 1;
	if (s->kind != FAST_ASKS) {
		e->n_open--;
		e->open_at = (__u8)((at + 1) & (KFLOW_OPEN - 1));
		return;
	}
	if (e->n_open == 0)
		e->open_at = (__u8)at;
	e->open_len[at] = (__u8)s->len;
	e->open_rule[at] = (__u16)s->rule;
	e->n_open++;
	q = (__u64 *)e->turn[at].head;
	for (int i = 0; i < (int)KFLOW_HEAD / 8; i++)
		q[i] = p->head[i];
	if (s->len <= KFLOW_HEAD)
		return;
	q = (__u64 *)e->rest[at];
	for (int i = 0; i < (int)(KFLOW_ADU - KFLOW_HEAD) / 8; i++)
		q[i] = p->head[(int)KFLOW_HEAD / 8 + i];
}

static __always_inline void
commit(struct kflow *e, struct kflow_way *w, struct kflow_way *o, const struct fast_hand *h,
    __u32 dir, bool again, __u64 now, __u32 bytes, __u32 proto, const bool ua)
{
	const struct fast_seg *s = &h->s;
	__u32 edge = s->ack + ((__u32)s->win << (w->wscale & 15));

	if (o->acked != s->ack) {
		o->acked = s->ack;
		if (s->ack == o->next)
			o->n_sent = 0; /* all of it, without a look at what it was */
		else if (dir)
			forget_sent(e, o, 0);
		else
			forget_sent(e, o, 1);
	}
	if (before(o->edge, edge))
		o->edge = edge;
	w->win = s->win;
	w->ts = s->ts;
	if (s->len != 0 && !again && dir)
		commit_payload(e, w, h, 1, proto, ua);
	else if (s->len != 0 && !again)
		commit_payload(e, w, h, 0, proto, ua);
	e->packets++;
	e->bytes += bytes;
	e->last_ns = now;
}

static __always_inline void
take_way(struct kflow_way *w, const volatile struct kflow_offer *o, int dir)
{
	w->next = o->next[dir];
	w->acked = o->acked[dir];
	w->edge = o->edge[dir];
	w->ts = o->ts[dir];
	w->win = o->win[dir];
	w->wscale = o->wscale[dir];
	w->n_sent = 0;
}

/*
 * The numbers of an offer that holds into the entry; it is not taken yet.  What stood there is of an
 * epoch that the engine has read, or it would not have seen all that went up.
 */
static __always_inline bool
take_numbers(struct kflow *e, const volatile struct kflow_offer *o, __u32 generation, const bool ua)
{
	__u32 version = o->version;

	if ((version & 1) || !o->valid || o->seen != e->up || o->generation != generation)
		return false;
	take_way(&e->way[0], o, 0);
	take_way(&e->way[1], o, 1);
	e->has_ts = o->has_ts;
	e->n_open = 0;
	for (int i = 0; i < (int)KFLOW_OPEN && !ua; i++)
		e->open_len[i] = 0; /* nothing is known */
	if (ua)
		ua_take(e, o);
	return o->version == version;
}

static __always_inline bool
same_mac(const __u16 *a, const __u16 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

static __always_inline void
put_macs(struct kflow_way *w, const __u16 *smac, const __u16 *dmac)
{
	for (int i = 0; i < 3; i++) {
		w->smac[i] = smac[i];
		w->dmac[i] = dmac[i];
	}
}

/* --- a frame -------------------------------------------------------------------------------------- */

/* It has no socket for this queue any more, or has not been seen for a while. */
static __always_inline bool
engine_is_away(struct xdp_md *ctx, __u32 port)
{
	__u32 zero = 0, queue = ctx->rx_queue_index;
	const volatile struct kflow_pulse *p = bpf_map_lookup_elem(&kflow_pulse, &zero);
	__u64 alive = p ? p->alive_ns : 0, now = bpf_ktime_get_coarse_ns();

	if (!(port == 0 ? bpf_map_lookup_elem(&gate_xsks_out, &queue)
			: bpf_map_lookup_elem(&gate_xsks_in, &queue)))
		return true;
	return alive != 0 && now > alive && now - alive > KFLOW_PULSE_NS;
}

/* What fails open does so now. */
static __always_inline bool
opens(const struct frame *f)
{
	__u32 zero = 0;
	const volatile struct kflow_pulse *p = bpf_map_lookup_elem(&kflow_pulse, &zero);

	return f->open && p && bpf_ktime_get_coarse_ns() >= p->hold_ns;
}

static __always_inline void
fast_count(__u32 port, __u32 why, __u32 bytes, bool pdu)
{
	__u32 row = port * FAST_COUNTS + why;
	struct fast_counter *c = bpf_map_lookup_elem(&fast_counts, &row);

	if (!c)
		return;
	c->packets++;
	c->bytes += bytes;
	c->pdus += pdu;
}

static __always_inline void
count_forwarded(__u32 set, __u32 conduit, const struct fast_seg *s, __u32 bytes, bool again)
{
	__u32 row = set * GATE_CONDUITS + conduit;
	struct fast_counter *c = bpf_map_lookup_elem(&fast_shares, &row);
	__u64 *hits;

	if (c) {
		c->packets++;
		c->bytes += bytes;
		c->pdus += s->len != 0 && !again;
	}
	if (s->kind != FAST_ASKS || again)
		return;
	row = set * FAST_RULES + s->rule;
	hits = bpf_map_lookup_elem(&fast_hits, &row);
	if (hits)
		++*hits;
}

static __always_inline bool
make_key(struct kflow_key *k, const struct frame *f)
{
	__u64 s0 = __builtin_bswap64(f->src.d[0]), d0 = __builtin_bswap64(f->dst.d[0]);
	__u64 s1 = __builtin_bswap64(f->src.d[1]), d1 = __builtin_bswap64(f->dst.d[1]);
	bool lo = s0 != d0 ? s0 < d0 : s1 != d1 ? s1 < d1 : f->sport <= f->dport;
	const struct addr *a = lo ? &f->src : &f->dst, *b = lo ? &f->dst : &f->src;

	__builtin_memcpy(k->lo, a, sizeof(k->lo));
	__builtin_memcpy(k->hi, b, sizeof(k->hi));
	k->lo_port = lo ? f->sport : f->dport;
	k->hi_port = lo ? f->dport : f->sport;
	k->vlan = f->vlan;
	k->proto = PROTO_TCP;
	k->pad = 0;
	return lo;
}

/*
 * Where the index has the connection, or NULL.  By arithmetic: of branches the verifier would follow
 * each one to the end of the program.
 */
static __always_inline const struct kflow_place *
find_in(__u32 bucket, __u32 tag)
{
	const struct kflow_bucket *b = bpf_map_lookup_elem(&kflow_index, &bucket);
	__u64 at = 0, found = 0, differs, here;

	if (!b)
		return NULL;
	for (__u64 i = 0; i < KFLOW_PLACES; i++) {
		differs = b->place[i].tag ^ tag;
		asm volatile("" : "+r"(differs)); /* or the compiler makes branches of it */
		here = (differs - 1) >> 63;
		at |= here * i;
		found |= here;
	}
	return found ? &b->place[at & (KFLOW_PLACES - 1)] : NULL;
}

static __always_inline const struct kflow_place *
find(const struct kflow_key *key)
{
	__u32 tag, first = kflow_first((const __u64 *)key, hash_key, &tag);
	const struct kflow_place *p = find_in(first, tag);

	return p ? p : find_in(kflow_second(first, tag), tag);
}

/* The same number, of which the verifier knows nothing any more. */
static __always_inline __u32
forget(struct fast_hand *h, __u32 n)
{
	*(volatile __u32 *)&h->forgotten = n;
	return *(volatile __u32 *)&h->forgotten;
}

static __always_inline __u32
slot_in(const struct kflow_place *p)
{
	return *(const volatile __u32 *)&p->slot;
}

static __always_inline bool
same_key(const struct kflow_key *a, const struct kflow_key *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3] && x[4] == y[4];
}

/* enum fast_answer */
enum fast_answer {
	FAST_GO_ON = 0,
	FAST_PASS,
	FAST_TO_ENGINE,
	FAST_DROP,
	FAST_IN_USE, /* dropped */
	FAST_UNJUDGED,
	FAST_IS_UA
};

/* Nothing has changed: as if the frame had been lost before it came here. */
static __always_inline int
fast_busy(__u32 port, __u32 bytes)
{
	fast_count(port, FAST_BUSY, bytes, false);
	return FAST_IN_USE;
}

/*
 * when: 0 early, 1 late.  FAST_GO_ON: no entry, or (early) nothing that passes at once.
 *
 * An entry may become another connection's at any time, so what was read of it before counts only if
 * key and `what` are the same under its lock.
 */
static __always_inline int
fast_any(
    struct xdp_md *ctx, struct fast_hand *hand, __u32 set, __u32 port, __u32 when, const bool ua)
{
	const struct gate_conf *conf = bpf_map_lookup_elem(&gate_confs, &set);
	const volatile struct kflow_pulse *pulse;
	__u32 zero = 0;
	const struct gate_conduit_row *row;
	const struct kflow_place *place;
	const struct kflow_offer *offer;
	const struct frame *f = &hand->f;
	__u64 now, what;
	struct kflow_key *key;
	struct kflow *e;
	struct kflow_way *w, *o;
	struct fast_seg *s;
	__u32 dir, slot, at, generation, bytes, conduit, block;
	bool again = false, away, open, lo, there;
	__u8 proto;
	int why, held;

	if (!conf)
		return FAST_GO_ON;
	port &= 1;
	s = &hand->s;
	key = &hand->key;
	lo = make_key(key, f);
	place = find(key);
	if (!place)
		return FAST_GO_ON;
	slot = (slot_in(place) & ~KFLOW_OFFERED) - 1; /* of a free place: none */
	e = bpf_map_lookup_elem(&kflows, &slot);
	if (!e || (when == 0 && e->owner != KFLOW_KERNEL) || !same_key(&e->key, key))
		return FAST_GO_ON;
	what = *(const volatile __u64 *)&e->what;
	conduit = (__u32)what;
	proto = what >> 32 & 3;
	if ((proto == KFLOW_OPCUA) != ua)
		return FAST_IS_UA;
	offer = when != 0 || ua ? bpf_map_lookup_elem(&kflow_offers, &slot) : NULL;
	at = set * GATE_CONDUITS + conduit;
	row = bpf_map_lookup_elem(&gate_conduits, &at);
	pulse = bpf_map_lookup_elem(&kflow_pulse, &zero);
	if ((ua && !offer) || !row || !pulse || conduit >= GATE_CONDUITS)
		return FAST_GO_ON;
	if (when == 0 && row->counted)
		return FAST_GO_ON; /* its zone's tokens first */
	bytes = f->bytes;
	now = pulse->alive_ns;
	dir = forget(hand, ((what >> 40 & 0xff) != 0) == lo ? 0 : 1) & 1;
	generation = conf->generation;
	block = row->block[ua ? KFLOW_OPCUA : proto & 1];

	if (e->owner != KFLOW_KERNEL && !(slot_in(place) & KFLOW_OFFERED))
		why = FAST_ENGINES;
	else if (((__u32)(what >> 48 & 0xff) ^ dir) != port)
		why = FAST_PLACE;
	else if (!conf->fast || block == 0)
		why = FAST_NO_BLOCK;
	else
		why = fast_segment(ctx, f, s, &hand->p);
	if (why == FAST_FORWARDED)
		why = ua ? ua_payload(ctx, e, offer, hand, f->ip_end - s->len, dir)
			 : judge_payload(e, hand, proto, dir, set, block, generation);
	if (why == FAST_FORWARDED && bpf_redirect_map(&fast_ports, port ^ 1, 0) != XDP_REDIRECT)
		why = FAST_NO_PORT;
	why = (int)forget(hand, (__u32)why);
	if (why != FAST_FORWARDED && when == 0)
		return FAST_GO_ON;
	away = when != 0 && f->away == AWAY;
	/* By its conduit's row of today: the entry may be of another policy. */
	open = away && opens(f);
	if (away && open && bpf_redirect_map(&fast_ports, port ^ 1, 0) != XDP_REDIRECT)
		open = false;

	w = dir ? &e->way[1] : &e->way[0];
	o = dir ? &e->way[0] : &e->way[1];
	held = kflow_hold(e);
	if (held < 0)
		return when == 0 || held == KFLOW_IS_GONE ? FAST_GO_ON : fast_busy(port, bytes);
	there = same_key(&e->key, key) && e->what == what;
	if (!there)
		why = FAST_ENGINES; /* it was taken out meanwhile */
	else if (why == FAST_FORWARDED && e->owner == KFLOW_KERNEL) {
		if (e->generation != generation)
			why = FAST_GENERATION;
		else if (slot_in(place) != (slot + 1 | KFLOW_OFFERED))
			why = FAST_ENGINES; /* withdrawn: wanted back */
		else if (!same_mac(w->smac, f->smac) || !same_mac(w->dmac, f->dmac))
			why = FAST_PLACE;
		else if (s->known && (s->rule != e->open_rule[open_end(e, hand, proto)] ||
					 !known_request(e, hand, proto)))
			why = FAST_VERDICT; /* another was quicker */
	} else if (why == FAST_FORWARDED &&
		   (when == 0 || !offer || s->known || !take_numbers(e, offer, generation, ua))) {
		why = FAST_ENGINES;
	}
	if (why == FAST_FORWARDED)
		why = numbers_fit(e, w, o, hand, dir, &again, ua);
	if (why == FAST_FORWARDED) {
		if (when != 0 && e->owner != KFLOW_KERNEL) {
			e->owner = KFLOW_KERNEL;
			e->generation = generation;
			put_macs(w, f->smac, f->dmac);
			put_macs(o, f->dmac, f->smac);
		}
		commit(e, w, o, hand, dir, again, now, bytes, proto, ua);
	} else if (there && when != 0 && (!away || open)) {
		if (e->owner == KFLOW_KERNEL) {
			e->owner = KFLOW_ENGINE;
			e->epoch++;
		}
		e->up++;
		if (away)
			e->lost++;
	}
	kflow_release(e, (__u32)held);

	if (why == FAST_FORWARDED) {
		fast_count(port, FAST_FORWARDED, bytes, s->len != 0 && !again);
		count_forwarded(set, conduit, s, bytes, again);
		return FAST_PASS;
	}
	if (when == 0 || !there)
		return FAST_GO_ON;
	if (away)
		why = open ? FAST_AWAY_OPEN : FAST_AWAY_CLOSED;
	fast_count(port, (__u32)why, bytes, false);
	return !away ? FAST_TO_ENGINE : open ? FAST_UNJUDGED : FAST_DROP;
}

/* Twice, since the verifier would follow each way of one through all ways of the other. */
__noinline int
fast_flow(struct xdp_md *ctx, struct fast_hand *hand, __u32 set, __u32 port, __u32 when)
{
	return hand ? fast_any(ctx, hand, set, port, when, false) : FAST_GO_ON;
}

__noinline int
fast_flow_ua(struct xdp_md *ctx, struct fast_hand *hand, __u32 set, __u32 port, __u32 when)
{
	return hand ? fast_any(ctx, hand, set, port, when, true) : FAST_GO_ON;
}

/* enum fast_answer, never FAST_IS_UA. */
static __always_inline int
fast_frame(struct xdp_md *ctx, struct fast_hand *hand, __u32 set, __u32 port, __u32 when)
{
	int r = fast_flow(ctx, hand, set, port, when);

	if (r == FAST_IS_UA)
		r = fast_flow_ua(ctx, hand, set, port, when);
	return r == FAST_IS_UA ? FAST_GO_ON : r;
}

#endif /* EBPF_FAST_BPF_H */
