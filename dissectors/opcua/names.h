/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.h - what a server calls its nodes in this session: aliases it gave for
 * registered nodes ([P4] 5.9.5), and its namespaces (NamespaceArray, i=2255).
 *
 * It lies in memory leased for the flow, first 2 KiB, then 64 KiB:
 *
 *	struct names | slot[slots] | records, one behind the other
 *
 * A slot is the place of a record in units of four bytes, found by the hash of the
 * alias; at most PROBES slots are looked at.  A record of a registered node is first
 * ASKED (the original's text, until the server answers), then an ALIAS, then, when the
 * client has unregistered it, GONE: it still resolves, since forgetting it too early
 * would let a client act under a name that no rule knows, and goes when room is
 * needed.  What cannot be remembered is said (anomaly alias_untracked).
 */
#ifndef OPCUA_NAMES_H
#define OPCUA_NAMES_H

#include "base/crypto.h"
#include "dissectors/opcua/common.h"

#define NAMES_SMALL 2000u
#define NAMES_LARGE 65536u
#define PROBES	    16u
#define NS_MAX	    32u /* namespaces whose URI is remembered */
#define NS_BYTES    1024u /* of all of them, at most, where there is a digest of them */

enum rec_kind { REC_DEAD = 0, REC_ASKED, REC_ALIAS, REC_LEAVING, REC_GONE, REC_NS };

struct rec {
	uint8_t kind;	    /* enum rec_kind */
	uint8_t ns;	    /* REC_NS: index of the namespace */
	uint16_t alias_len; /* bytes of alias, which come first */
	uint16_t text_len;  /* bytes of the original's text, or of the URI */
	char text[];
};

struct names {
	uint32_t size, used; /* bytes of the lease, and of them taken */
	uint32_t slots;	     /* a power of two */
	uint32_t n_alias;
	uint32_t asked;	     /* place where to look for the next ASKED record */
	uint32_t session;    /* whose aliases they are: session_of() */
	bool full;	     /* the message being read has found no room */
	bool lost;	     /* an alias is not found by its hash: can hardly happen */
	uint16_t ns[NS_MAX]; /* places of URIs, 0 = not known */
	uint16_t slot[];
};

#define NS0_URI "http://opcfoundation.org/UA/"

static inline struct rec *
rec_at(struct names *n, uint32_t place)
{
	return (struct rec *)(void *)((uint8_t *)n + 4 * (size_t)place);
}

static uint32_t
rec_units(uint32_t text)
{
	return ((uint32_t)offsetof(struct rec, text) + text + 3) / 4;
}

static uint32_t
names_first(const struct names *n)
{
	return ((uint32_t)sizeof(*n) + 2 * n->slots + 3) / 4;
}

static uint32_t
text_hash(const char *p, uint32_t n)
{
	uint64_t h = n, v;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&v, p, 8);
		h = hash_mum(h ^ v, 0x9fb21c651e98df25u);
	}
	v = 0;
	if (n)
		memcpy(&v, p, n);
	h = hash_mum(h ^ v ^ 0x94d049bb133111ebu, 0x9e3779b97f4a7c15u);
	return (uint32_t)(h ^ h >> 32);
}

static inline bool
rec_resolves(const struct rec *r)
{
	return r->kind >= REC_ALIAS && r->kind <= REC_GONE;
}

/* The record of an alias, or NULL. */
static struct rec *
names_lookup(struct names *n, const char *alias, uint32_t len)
{
	uint32_t h = text_hash(alias, len);

	for (uint32_t i = 0; i < PROBES; i++) {
		uint16_t place = n->slot[(h + i) & (n->slots - 1)];
		struct rec *r;

		if (place == 0)
			return NULL;
		r = rec_at(n, place);
		if (rec_resolves(r) && r->alias_len == len && memcmp(r->text, alias, len) == 0)
			return r;
	}
	return NULL;
}

/* A slot for the alias at place. False: its neighbourhood is full. */
static bool
names_link(struct names *n, uint32_t place)
{
	const struct rec *r = rec_at(n, place);
	uint32_t h = text_hash(r->text, r->alias_len);

	for (uint32_t i = 0; i < PROBES; i++) {
		uint16_t *s = &n->slot[(h + i) & (n->slots - 1)];

		if (*s != 0 && rec_resolves(rec_at(n, *s)))
			continue;
		*s = (uint16_t)place;
		return true;
	}
	return false;
}

/* Records to the front, without the dead and the gone, slots and namespaces anew. */
static void
names_pack(struct names *n, uint32_t from)
{
	uint32_t to = names_first(n), end = n->used / 4, units;

	memset(n->slot, 0, 2 * (size_t)n->slots);
	n->n_alias = 0;
	for (; from < end; from += units) {
		struct rec *r = rec_at(n, from);

		units = rec_units((uint32_t)r->alias_len + r->text_len);
		if (r->kind == REC_DEAD || r->kind == REC_GONE)
			continue;
		if (to != from)
			memmove(rec_at(n, to), r, 4 * (size_t)units);
		r = rec_at(n, to);
		if (r->kind == REC_NS) {
			n->ns[r->ns] = (uint16_t)to;
		} else if (rec_resolves(r)) {
			n->n_alias++;
			n->lost |= !names_link(n, to);
		}
		to += units;
	}
	n->used = 4 * to;
	n->asked = names_first(n);
}

/* A lease with its tables; grown when it is there. */
static struct names *
names_lease(struct dis_call *call, struct ua *st, uint32_t size)
{
	struct names *n = dis_lease(call, size);
	uint32_t old, bytes, slots = size == NAMES_SMALL ? 64 : 4096;

	if (!n)
		return NULL;
	st->names = n;
	if (n->slots == 0) {
		n->size = size;
		n->slots = slots;
		n->used = 4 * names_first(n);
		n->asked = names_first(n);
		return n;
	}
	/* The tables grow into the records, so those go to the end first. */
	old = names_first(n);
	bytes = n->used - 4 * old;
	n->size = size;
	memmove((uint8_t *)n + size - bytes, (uint8_t *)n + 4 * (size_t)old, bytes);
	n->slots = slots;
	n->used = size;
	names_pack(n, (size - bytes) / 4);
	return n;
}

/* Place of a new record with that much text, or 0. */
static uint32_t
names_add(struct dis_call *call, struct ua *st, uint32_t text)
{
	struct names *n = st->names ? st->names : names_lease(call, st, NAMES_SMALL);
	uint32_t need = 4 * rec_units(text), place;

	if (!n || n->full)
		return 0;
	if (need > n->size - n->used)
		names_pack(n, names_first(n));
	if (need > n->size - n->used && n->size == NAMES_SMALL) {
		struct names *grown = names_lease(call, st, NAMES_LARGE);

		n = grown ? grown : n;
	}
	if (need > n->size - n->used || n->lost) {
		n->full = true; /* nor will the next one find room: do not look again */
		return 0;
	}
	place = n->used / 4;
	n->used += need;
	return place;
}

/* RegisterNodes asks for this node. */
static bool
names_ask(struct dis_call *call, struct ua *st, const char *text, uint32_t len)
{
	uint32_t place = names_add(call, st, len);
	struct rec *r;

	if (!place)
		return false;
	r = rec_at(st->names, place);
	*r = (struct rec){.kind = REC_ASKED, .text_len = (uint16_t)len};
	memcpy(r->text, text, len);
	return true;
}

/* The next record of a kind from place on, or 0. */
static uint32_t
names_next(struct names *n, uint32_t place, uint8_t kind)
{
	while (place < n->used / 4) {
		const struct rec *r = rec_at(n, place);

		if (r->kind == kind)
			return place;
		place += rec_units((uint32_t)r->alias_len + r->text_len);
	}
	return 0;
}

/* May this session register nodes?  A connection may carry several, which may give one
 * alias to different nodes; the aliases of one are remembered. */
static bool
names_of(struct names *n, uint32_t session)
{
	return !n || n->session == session ||
	       (n->n_alias == 0 && names_next(n, names_first(n), REC_ASKED) == 0);
}

/* The session that registered nodes is over. */
static void
names_forget(struct names *n)
{
	for (uint32_t p = names_first(n); p < n->used / 4;) {
		struct rec *r = rec_at(n, p);

		if (r->kind != REC_NS)
			r->kind = REC_DEAD;
		p += rec_units((uint32_t)r->alias_len + r->text_len);
	}
	n->n_alias = 0;
}

/* All records of one kind become another. */
static void
names_turn(struct ua *st, uint8_t from, uint8_t to)
{
	struct names *n = st->names;

	for (uint32_t p = n ? names_first(n) : 0; n && (p = names_next(n, p, from)) != 0;)
		rec_at(n, p)->kind = to;
}

/* The server answers the oldest node asked for with this alias.  False: no node was,
 * or there is no room. */
static bool
names_alias(struct dis_call *call, struct ua *st, const char *alias, uint32_t len)
{
	struct names *n = st->names;
	uint32_t asked = n ? names_next(n, n->asked, REC_ASKED) : 0, place;
	char text[WALK_TEXT_MAX];
	struct rec *r;
	uint32_t text_len;

	if (!asked)
		return false;
	n->asked = asked;
	r = rec_at(n, asked);
	text_len = r->text_len;
	memcpy(text, r->text, text_len);
	r->kind = REC_DEAD;
	r = names_lookup(n, alias, len); /* what it stood for before */
	if (r) {
		r->kind = REC_DEAD;
		n->n_alias--;
	}
	if (len == text_len && memcmp(alias, text, len) == 0)
		return true; /* stands for itself, as with most servers */
	if ((place = names_add(call, st, len + text_len)) == 0)
		return false;
	n = st->names;
	r = rec_at(n, place);
	*r = (struct rec){
	    .kind = REC_ALIAS, .alias_len = (uint16_t)len, .text_len = (uint16_t)text_len};
	memcpy(r->text, alias, len);
	memcpy(r->text + len, text, text_len);
	n->n_alias++;
	if (!names_link(n, place)) {
		r->kind = REC_DEAD;
		n->n_alias--;
		return false;
	}
	return true;
}

/* The URI of namespace ns, as the server reads it out. */
static void
names_ns(struct dis_call *call, struct ua *st, uint32_t ns, const uint8_t *uri, uint32_t len)
{
	uint32_t place;
	struct rec *r;

	if (ns == 0 || ns >= NS_MAX)
		return;
	if (st->names && st->names->ns[ns]) {
		r = rec_at(st->names, st->names->ns[ns]);
		if (r->text_len == len && memcmp(r->text, uri, len) == 0)
			return;
		r->kind = REC_DEAD;
		st->names->ns[ns] = 0;
		st->ns_state = NS_CHANGED;
	}
	if ((place = names_add(call, st, len)) == 0)
		return;
	r = rec_at(st->names, place);
	*r = (struct rec){.kind = REC_NS, .ns = (uint8_t)ns, .text_len = (uint16_t)len};
	memcpy(r->text, uri, len);
	st->names->ns[ns] = (uint16_t)place;
	st->ns_state = NS_CHANGED;
}

/*
 * What the quick look needs to know of the namespaces: sessions in which the server called the same
 * URIs by the same numbers have one digest.  Made once when the table was read, and only of one as
 * short as they are.
 */
static void
names_digest(struct dis_call *call, struct ua *st)
{
	uint8_t digest[CRYPTO_SHA256_LEN];
	struct crypto_sha256 h;
	uint32_t sum = 0;

	call->gist_moved = true;
	crypto_sha256_init(&h);
	for (uint32_t i = 0; i < NS_MAX; i++) {
		const struct rec *r;
		uint32_t which;

		if (st->names->ns[i] == 0)
			continue;
		r = rec_at(st->names, st->names->ns[i]);
		if ((sum += r->text_len) > NS_BYTES) {
			st->ns_state = NS_MANY;
			return;
		}
		which = i | (uint32_t)r->text_len << 16;
		crypto_sha256_update(&h, &which, sizeof(which));
		crypto_sha256_update(&h, r->text, r->text_len);
	}
	crypto_sha256_final(&h, digest);
	memcpy(st->ns_digest, digest, sizeof(st->ns_digest));
	st->ns_state = NS_KNOWN;
}

#endif /* OPCUA_NAMES_H */
