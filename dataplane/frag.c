/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frag.c - bounded reassembly of IP fragments.
 *
 * [791] RFC 791 3.2   [8200] RFC 8200 4.5   [5722] RFC 5722 (overlaps)
 * [1858] RFC 1858, RFC 7112 (the first fragment holds all headers)
 *
 * One slot per datagram.  Its buffer keeps the data at a fixed place, so that
 * fragments can come in any order; the header, known only when the fragment
 * with offset 0 arrives, is put directly in front of it:
 *
 *   buf                    buf + HEAD_MAX
 *   |      free  | header  | data: offset 0 ... 65535          |
 *
 * Offsets count 8-byte blocks, so two bitmaps of blocks say all: `have` marks
 * what arrived, `start` the first block of each fragment.  A fragment that
 * meets a marked block is a duplicate when it has the same borders and bytes,
 * else an overlap.
 */
#include "dataplane/frag.h"

#include <stdlib.h>
#include <string.h>

#include "base/cur.h"
#include "base/hash.h"

#define HEAD_MAX  (40u + 8 * 2048) /* IPv6, and as many extensions as decode.c walks */
#define DATA_MAX  65536u
#define BLOCKS	  (DATA_MAX / 8)
#define TOTAL_MAX 65535u /* [791] 3.1 total length; [8200] 3 payload length */

enum slot_state { SLOT_FREE = 0, SLOT_OPEN, SLOT_DEAD /* given up; refuses its fragments */ };

struct frag_key {
	uint8_t src[16], dst[16];
	uint32_t id;
	uint16_t vlan;
	uint8_t proto; /* IPv4; 0 in IPv6, where the fragments need not agree on it */
	uint8_t port;
	bool v6;
	uint8_t pad[7];
};

struct slot {
	struct frag_key key;
	uint64_t born_ns;
	uint64_t have[BLOCKS / 64], start[BLOCKS / 64];
	uint32_t n_blocks;  /* bits of have */
	uint32_t fragments; /* held */
	uint32_t end;	    /* greatest end of a fragment so far */
	uint32_t head_len;  /* 0: the fragment with offset 0 has not come */
	bool ends;	    /* the last fragment has come: end is final */
	uint8_t reason;	    /* of SLOT_DEAD */
	uint8_t buf[HEAD_MAX + DATA_MAX];
};

struct frag_table {
	struct slot *slots;
	uint32_t *hash; /* of slot i's key; 0 = the slot is free */
	uint8_t *state; /* enum slot_state */
	unsigned n, held;
	unsigned aged, aged_fragments; /* not yet told by frag_expire() */
	uint64_t oldest_ns, newest_ns; /* bounds of born_ns of slots in use */
	bool any;
	struct hash_seed seed;
};

struct frag_table *
frag_new(unsigned datagrams, uint64_t seed)
{
	struct frag_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->n = datagrams;
	t->seed = hash_seed_make(seed);
	t->slots = calloc(datagrams, sizeof(*t->slots));
	t->hash = calloc(datagrams, sizeof(*t->hash));
	t->state = calloc(datagrams, sizeof(*t->state));
	if (!t->slots || !t->hash || !t->state) {
		frag_free(t);
		return NULL;
	}
	return t;
}

void
frag_free(struct frag_table *t)
{
	if (!t)
		return;
	free(t->slots);
	free(t->hash);
	free(t->state);
	free(t);
}

size_t
frag_bytes(const struct frag_table *t)
{
	return sizeof(*t) + t->n * (sizeof(*t->slots) + sizeof(*t->hash) + sizeof(*t->state));
}

unsigned
frag_held(const struct frag_table *t)
{
	return t->held;
}

static void
slot_release(struct frag_table *t, unsigned i, enum slot_state state)
{
	t->held -= t->slots[i].fragments;
	t->slots[i].fragments = 0;
	t->state[i] = (uint8_t)state;
	if (state == SLOT_FREE)
		t->hash[i] = 0;
}

static enum frag_result
give_up(struct frag_table *t, unsigned i, enum drop_reason why, enum drop_reason *reason)
{
	t->slots[i].reason = (uint8_t)why;
	slot_release(t, i, SLOT_DEAD);
	*reason = why;
	return FRAG_DROP;
}

/* Captures may be out of order, but a clock that went back by a whole timeout
 * was set: what it left behind would otherwise stay for ever. */
static bool
too_old(uint64_t born_ns, uint64_t now_ns)
{
	return now_ns > born_ns ? now_ns - born_ns > FRAG_TIMEOUT_NS
				: born_ns - now_ns > FRAG_TIMEOUT_NS;
}

static void
expire(struct frag_table *t, uint64_t now_ns)
{
	if (!t->any || (!too_old(t->oldest_ns, now_ns) && !too_old(t->newest_ns, now_ns)))
		return;
	t->any = false;
	for (unsigned i = 0; i < t->n; i++) {
		const struct slot *s = &t->slots[i];

		if (t->state[i] == SLOT_FREE)
			continue;
		if (too_old(s->born_ns, now_ns)) {
			if (t->state[i] == SLOT_OPEN)
				t->aged++;
			t->aged_fragments += s->fragments;
			slot_release(t, i, SLOT_FREE);
			continue;
		}
		if (!t->any || s->born_ns < t->oldest_ns)
			t->oldest_ns = s->born_ns;
		if (!t->any || s->born_ns > t->newest_ns)
			t->newest_ns = s->born_ns;
		t->any = true;
	}
}

unsigned
frag_expire(struct frag_table *t, uint64_t now_ns, unsigned *fragments)
{
	unsigned n;

	expire(t, now_ns);
	n = t->aged;
	*fragments = t->aged_fragments;
	t->aged = t->aged_fragments = 0;
	return n;
}

static void
key_make(struct frag_key *k, const struct pkt *p, const struct layers *l)
{
	memset(k, 0, sizeof(*k));
	k->v6 = (l->flags & LAYER_V6) != 0;
	memcpy(k->src, l->src, k->v6 ? 16 : 4);
	memcpy(k->dst, l->dst, k->v6 ? 16 : 4);
	k->id = l->frag_id;
	k->vlan = l->vlan;
	k->proto = k->v6 ? 0 : l->proto;
	k->port = p->port;
}

static uint32_t
key_hash(const struct frag_table *t, const struct frag_key *k)
{
	uint64_t rest = (uint64_t)k->id << 32 | (uint32_t)k->vlan << 16 | (uint32_t)k->proto << 8 |
			(uint32_t)k->port << 1 | k->v6;
	uint64_t h = hash_mix(t->seed, hash_16(t->seed, k->src), hash_16(t->seed, k->dst));

	return (uint32_t)hash_mix(t->seed, h, rest) | 1;
}

/* The slot of k, or n. */
static unsigned
slot_lookup(const struct frag_table *t, const struct frag_key *k, uint32_t hash)
{
	unsigned i;

	for (i = 0; i < t->n; i++)
		if (t->hash[i] == hash && memcmp(&t->slots[i].key, k, sizeof(*k)) == 0)
			break;
	return i;
}

/* A slot for a new datagram, or n when the table is full.  A datagram that was
 * given up makes room for one that may still become whole. */
static unsigned
slot_take(struct frag_table *t, const struct frag_key *k, uint32_t hash, uint64_t now_ns)
{
	unsigned i, dead = t->n;
	struct slot *s;

	for (i = 0; i < t->n && t->state[i] != SLOT_FREE; i++)
		if (t->state[i] == SLOT_DEAD)
			dead = i;
	if (i == t->n)
		i = dead;
	if (i == t->n)
		return i;
	s = &t->slots[i];
	memset(s, 0, offsetof(struct slot, buf));
	s->key = *k;
	s->born_ns = now_ns;
	t->hash[i] = hash;
	t->state[i] = SLOT_OPEN;
	if (!t->any || now_ns < t->oldest_ns)
		t->oldest_ns = now_ns;
	if (!t->any || now_ns > t->newest_ns)
		t->newest_ns = now_ns;
	t->any = true;
	return i;
}

static bool
bit(const uint64_t *map, uint32_t i)
{
	return (map[i / 64] >> (i % 64) & 1) != 0;
}

enum meets { MEETS_NOTHING, MEETS_SAME, MEETS_OTHER };

/* What the fragment [off, off + len) finds in the slot. */
static enum meets
slot_meets(const struct slot *s, uint32_t off, const uint8_t *data, uint32_t len)
{
	uint32_t first = off / 8, last = (off + len - 1) / 8, got = 0, starts = 0;

	for (uint32_t i = first; i <= last; i++) {
		got += bit(s->have, i);
		starts += bit(s->start, i);
	}
	if (got == 0)
		return MEETS_NOTHING;
	if (got != last - first + 1 || starts != 1 || !bit(s->start, first))
		return MEETS_OTHER;
	/* same beginning; the same end if what follows is absent or another fragment's */
	if (last + 1 < BLOCKS && bit(s->have, last + 1) && !bit(s->start, last + 1))
		return MEETS_OTHER;
	if (off + len > s->end || (s->end <= (last + 1) * 8 && off + len != s->end))
		return MEETS_OTHER;
	return memcmp(s->buf + HEAD_MAX + off, data, len) == 0 ? MEETS_SAME : MEETS_OTHER;
}

static void
put_be16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Place of the byte that says "a fragment header follows" ([8200] 4.5: it takes
 * that header's next header): of the last header in an IPv6 head that decode() walked. */
static uint32_t
ip6_next_header_at(const uint8_t *head, uint32_t len)
{
	enum { NEXT_HEADER = 6, FIXED_LEN = 40, FRAGMENT = 44, AH = 51 };
	struct cur c = cur_make(head, len);
	uint32_t at = NEXT_HEADER;
	uint8_t type, next, units;

	cur_skip(&c, NEXT_HEADER);
	next = cur_u8(&c);
	cur_skip(&c, FIXED_LEN - NEXT_HEADER - 1);
	while (cur_left(&c) > 0) {
		at = (uint32_t)(c.p - head);
		type = next;
		next = cur_u8(&c);
		units = cur_u8(&c);
		if (type == FRAGMENT) /* an atomic one; its second byte is reserved */
			units = 0;
		cur_skip(&c, type == AH ? (units + 2u) * 4 - 2 : (units + 1u) * 8 - 2);
	}
	return at;
}

/* Keep the header of the fragment with offset 0, as the whole datagram will have it. */
static void
put_head(struct slot *s, const struct pkt *p, const struct layers *l)
{
	uint32_t len = l->l4_off - (uint32_t)l->l3_off - (s->key.v6 ? 8 : 0);
	uint8_t *h = s->buf + HEAD_MAX - len;

	memcpy(h, p->bytes + l->l3_off, len);
	s->head_len = len;
	if (s->key.v6)
		h[ip6_next_header_at(h, len)] = l->proto;
	else
		put_be16(h + 6, 0); /* flags and offset */
}

/* Set the length of the datagram to what n bytes of data make it. */
static void
set_length(struct slot *s, uint32_t n)
{
	uint8_t *h = s->buf + HEAD_MAX - s->head_len;
	uint32_t sum = 0;

	if (s->key.v6) {
		put_be16(h + 4, s->head_len - 40 + n);
		return;
	}
	put_be16(h + 2, s->head_len + n);
	put_be16(h + 10, 0); /* RFC 1071 */
	for (uint32_t i = 0; i < s->head_len; i += 2)
		sum += (uint32_t)h[i] << 8 | h[i + 1];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	put_be16(h + 10, ~sum & 0xffff);
}

/* [1858] RFC 7112: everything that policy looks at must be in the first
 * fragment, or a filter that sees only that one is blind.  Asked by decoding
 * the first fragment as if it were all. */
static bool
is_tiny(struct slot *s, uint32_t first_len)
{
	struct layers l;
	enum drop_reason r;

	set_length(s, first_len);
	r = decode_ip(s->buf + HEAD_MAX - s->head_len, s->head_len + first_len, s->key.v6, &l);
	return r == DROP_L4_TRUNCATED || r == DROP_IP_TRUNCATED;
}

/* What is wrong with the fragment by itself. */
static enum drop_reason
check_alone(const struct layers *l)
{
	if (l->flags & LAYER_CUT)
		return DROP_CAP_TRUNCATED;
	if (l->pay_len == 0)
		return DROP_FRAG_TINY;
	if (l->frag_more && l->pay_len % 8 != 0)
		return DROP_IP_HEADER; /* [8200] 4.5: only the last may end between blocks */
	return DROP_NONE;
}

enum frag_result
frag_put(struct frag_table *t, const struct pkt *p, const struct layers *l, uint64_t now_ns,
    const uint8_t **ip, uint32_t *len, enum drop_reason *reason)
{
	uint32_t off = l->frag_off, end = off + l->pay_len, head, hash;
	const uint8_t *data = p->bytes + l->pay_off;
	struct frag_key key;
	struct slot *s;
	unsigned i;

	expire(t, now_ns);
	if ((*reason = check_alone(l)) != DROP_NONE)
		return FRAG_DROP;
	key_make(&key, p, l);
	hash = key_hash(t, &key);
	i = slot_lookup(t, &key, hash);
	if (i == t->n && (i = slot_take(t, &key, hash, now_ns)) == t->n) {
		*reason = DROP_FRAG_FULL;
		return FRAG_DROP;
	}
	s = &t->slots[i];
	if (t->state[i] == SLOT_DEAD) {
		*reason = (enum drop_reason)s->reason;
		return FRAG_DROP;
	}
	/* what counts against the limit besides the data: all of the IPv4 header, the
	 * extensions of IPv6; of the first fragment if known, else of this one */
	head = s->head_len ? s->head_len : l->l4_off - (uint32_t)l->l3_off - (key.v6 ? 8 : 0);
	if (end + head - (key.v6 ? 40 : 0) > TOTAL_MAX)
		return give_up(t, i, DROP_FRAG_TOO_BIG, reason);
	switch (slot_meets(s, off, data, l->pay_len)) {
	case MEETS_SAME:
		if (l->frag_more == (s->ends && end == s->end))
			return give_up(t, i, DROP_FRAG_OVERLAP, reason);
		return FRAG_WAIT;
	case MEETS_OTHER:
		return give_up(t, i, DROP_FRAG_OVERLAP, reason);
	case MEETS_NOTHING:
		break;
	}
	/* two ends, or data beyond the end, contradict each other as an overlap does */
	if (l->frag_more ? s->ends && end > s->end : s->ends || end < s->end)
		return give_up(t, i, DROP_FRAG_OVERLAP, reason);
	memcpy(s->buf + HEAD_MAX + off, data, l->pay_len);
	if (off == 0) {
		put_head(s, p, l);
		if (is_tiny(s, l->pay_len))
			return give_up(t, i, DROP_FRAG_TINY, reason);
		if (s->end + s->head_len - (key.v6 ? 40 : 0) > TOTAL_MAX)
			return give_up(t, i, DROP_FRAG_TOO_BIG, reason);
	}
	for (uint32_t b = off / 8; b <= (end - 1) / 8; b++)
		s->have[b / 64] |= UINT64_C(1) << (b % 64);
	s->start[off / 8 / 64] |= UINT64_C(1) << (off / 8 % 64);
	s->n_blocks += (l->pay_len + 7) / 8;
	s->ends = s->ends || !l->frag_more;
	if (end > s->end)
		s->end = end;
	s->fragments++;
	t->held++;
	if (!s->ends || s->n_blocks != (s->end + 7) / 8)
		return FRAG_WAIT;
	set_length(s, s->end);
	*ip = s->buf + HEAD_MAX - s->head_len;
	*len = s->head_len + s->end;
	slot_release(t, i, SLOT_FREE);
	return FRAG_WHOLE;
}
