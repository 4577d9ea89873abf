/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fast_opcua.bpf.h - fast_opcua.h in the programs; included by fast.bpf.h only. */
#ifndef EBPF_FAST_OPCUA_BPF_H
#define EBPF_FAST_OPCUA_BPF_H

struct ua_room {
	__u8 b[UA_ROOM];
} __attribute__((aligned(8)));
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ua_room);
} fast_ua_room SEC(".maps");

/* A request of n bytes at `at`: what it is to be known by.  Functions of their own: the verifier looks at
 * each once. */
__noinline int
ua_request(struct xdp_md *ctx, __u32 at, __u32 n, struct ua_hand *u)
{
	__u32 zero = 0, end;
	struct ua_room *room = bpf_map_lookup_elem(&fast_ua_room, &zero);
	__u64 hash = 0, w, i, whole;

	if (!u || !room || n == 0 || n > KFLOW_PAYLOAD)
		return FAST_LONG;
	if (bpf_xdp_load_bytes(ctx, at, room->b, ((n - 1) & (UA_ROOM - 1)) + 1) < 0)
		return FAST_HEADER;
	end = ua_alike(room->b, n, u->sig, &u->type);
	if (end == 0 || end > KFLOW_PAYLOAD)
		return FAST_PDU;
	whole = end / 8;
	for (i = 0; i < KFLOW_PAYLOAD / 8; i++) {
		if (i >= whole)
			break;
		hash += kflow_hash_word(*(const __u64 *)(room->b + i * 8), hash_key[i]);
	}
	if (end & 7) {
		w = *(const __u64 *)(room->b + (whole & (KFLOW_HASH_WORDS - 1)) * 8);
		w &= (1ull << (end & 7) * 8) - 1;
		hash += kflow_hash_word(w, hash_key[whole & (KFLOW_HASH_WORDS - 1)]);
	}
	u->hash = hash;
	u->known = end;
	return FAST_FORWARDED;
}

__noinline int
ua_tells(const struct fast_payload *p, __u32 n, struct ua_hand *u)
{
	if (!p || !u)
		return FAST_PDU;
	return ua_answer((const __u8 *)p->head, n, u->sig, &u->type, &u->error) ? FAST_FORWARDED
										: FAST_PDU;
}

/* What the payload is to be: a request that may be known, or perhaps an answer. */
static __always_inline enum fast_reason
ua_payload(struct xdp_md *ctx, const struct kflow *e, const volatile struct kflow_offer *offer,
    struct fast_hand *h, __u32 at, __u32 dir)
{
	struct fast_seg *s = &h->s;
	int why;

	if (s->len == 0)
		return FAST_FORWARDED;
	h->ua.sig = e->owner == KFLOW_KERNEL ? e->ua.sig : offer->ua.sig;
	s->kind = dir ? FAST_TELLS : FAST_ASKS;
	if (dir == 0)
		return (enum fast_reason)ua_request(ctx, at, s->len, &h->ua);
	why = ua_tells(&h->p, s->len, &h->ua);
	s->error = h->ua.error;
	return (enum fast_reason)why;
}

/* Under the lock: does the message go on where the connection is? */
static __always_inline enum fast_reason
ua_fits(const struct kflow *e, struct fast_hand *h, __u32 dir)
{
	const __u8 *p = (const __u8 *)h->p.head;
	__u32 n = e->n_open, at = ua_find(&e->ua, n, ua_le32(p + 20));
	__u32 type = h->ua.type;

	if (h->ua.sig != e->ua.sig || !ua_next(&e->ua, p, h->s.len, dir))
		return FAST_CHANNEL;
	if (dir == 0) {
		if (n >= KFLOW_UA_OPEN || at != KFLOW_UA_OPEN)
			return FAST_OPEN_FULL;
		return ua_known(&e->ua, &h->ua, &h->s.rule) ? FAST_FORWARDED : FAST_VERDICT;
	}
	if (at == KFLOW_UA_OPEN)
		return FAST_UNPAIRED;
	h->ua.at = (__u8)at;
	return type == UA_SERVICEFAULT || type == e->ua.type[at & (KFLOW_UA_OPEN - 1)] + UA_ANSWERS
		   ? FAST_FORWARDED
		   : FAST_UNPAIRED;
}

/* What the offer says of the channel, with its numbers. */
static __always_inline void
ua_take(struct kflow *e, const volatile struct kflow_offer *o)
{
	const volatile __u64 *from = (const volatile __u64 *)&o->ua;
	__u64 *to = (__u64 *)&e->ua;

	for (int i = 0; i < (int)(sizeof(e->ua) / 8); i++)
		to[i] = from[i];
	e->n_open = o->n_open <= KFLOW_UA_OPEN ? o->n_open : KFLOW_UA_OPEN;
}

#endif /* EBPF_FAST_OPCUA_BPF_H */
