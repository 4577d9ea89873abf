/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel.h - what holds of a connection and its secure channel: sizes agreed by HEL
 * and ACK, channel and token ids, sequence numbers, policy and mode; included by
 * opcua.c only.
 *
 * Everything here is in two halves: what a chunk does wrong is looked up first, and
 * what it changes is written only when it has gone on its way, since a chunk that is
 * dropped comes again.
 */
#ifndef OPCUA_CHANNEL_H
#define OPCUA_CHANNEL_H

#include "dissectors/opcua/common.h"

/* The four fields behind the first eight bytes of MSG and CLO, [P6] 6.7.2. */
struct sym {
	uint32_t type, size; /* type: with the chunk kind */
	uint32_t channel, token, seq, request;
};

static inline struct sym
sym_read(const uint8_t *p)
{
	return (struct sym){
	    le32(p), le32(p + 4), le32(p + 8), le32(p + 12), le32(p + 16), le32(p + 20)};
}

/* --- sequence numbers, [P6] 6.7.2.4 ---------------------------------------------------- */

#define SEQ_WRAP_FROM (UINT32_MAX - 1024) /* a number above may be followed by one */
#define SEQ_WRAP_TO   1024		  /* below this */

static inline uint64_t
seq_check(const struct ua_dir *d, uint32_t seq)
{
	if (__builtin_expect(!(d->flags & D_SEQ) || seq == d->seq + 1, 1))
		return 0;
	if (d->seq >= SEQ_WRAP_FROM && seq < SEQ_WRAP_TO)
		return 0;
	return (int32_t)(seq - d->seq) <= 0 ? UA_A(SEQ_REPEAT) : UA_A(SEQ_GAP);
}

static inline void
seq_keep(struct ua_dir *d, uint32_t seq)
{
	d->seq = seq;
	d->flags |= D_SEQ;
}

/* --- channel and token ------------------------------------------------------------------ */

/* Is this the token in use, or the one granted last, or (an answer) the one that the
 * client's side has gone over to? */
static bool
token_fits(const struct ua *st, unsigned dir, uint32_t token)
{
	const struct ua_dir *d = &st->dir[dir], *o = &st->dir[!dir];

	if (!(d->flags & D_TOKEN) && !(st->flags & F_NEXT_TOKEN))
		return !(o->flags & D_TOKEN) || o->token == token;
	if ((d->flags & D_TOKEN) && d->token == token)
		return true;
	if (st->flags & F_NEXT_TOKEN)
		return !(st->flags & F_NEXT_KNOWN) || st->token_next == token;
	return dir == 1 && (o->flags & D_TOKEN) && o->token == token;
}

static inline uint64_t
token_check(const struct ua *st, unsigned dir, uint32_t channel, uint32_t token, bool midstream)
{
	const struct ua_dir *d = &st->dir[dir];
	uint64_t a = 0;

	if (__builtin_expect(!(st->flags & F_CHANNEL) || st->channel != channel, 0) &&
	    !(midstream && !(st->flags & F_CHANNEL)))
		a = UA_A(CHANNEL);
	if (__builtin_expect((d->flags & D_TOKEN) && d->token == token, 1))
		return a;
	return token_fits(st, dir, token) ? a : a | UA_A(TOKEN);
}

static inline void
token_keep(struct ua *st, unsigned dir, uint32_t channel, uint32_t token)
{
	struct ua_dir *d = &st->dir[dir];

	if (__builtin_expect((d->flags & D_TOKEN) && d->token == token, 1))
		return;
	d->token = token;
	d->flags |= D_TOKEN;
	if (!(st->flags & F_CHANNEL)) {
		st->channel = channel;
		st->flags |= F_CHANNEL;
	}
	if ((st->flags & F_NEXT_TOKEN) && !(st->flags & F_NEXT_KNOWN)) {
		st->token_next = token;
		st->flags |= F_NEXT_KNOWN;
	}
	/* Both sides have gone over: the old one is over. */
	if ((st->flags & F_NEXT_KNOWN) && st->dir[0].token == st->token_next && dir == 0)
		st->flags &= (uint16_t) ~(F_NEXT_TOKEN | F_NEXT_KNOWN);
}

/* --- sizes ----------------------------------------------------------------------------------- */

static inline uint64_t
size_check(const struct ua_dir *d, uint32_t size, uint32_t chunks, uint32_t bytes)
{
	uint64_t a = 0;

	if (d->chunk_max && size > d->chunk_max)
		a |= UA_A(CHUNK_SIZE);
	if (d->message_max && bytes > d->message_max)
		a |= UA_A(MESSAGE_SIZE);
	if (d->chunks_max && chunks > d->chunks_max)
		a |= UA_A(CHUNK_COUNT);
	return a;
}

/* --- policy and mode ----------------------------------------------------------------------------- */

static void
mode_set(struct ua *st, uint8_t mode)
{
	st->mode = mode;
	st->props.num[N_MODE] = mode - 1u;
	if (mode == MODE_UNKNOWN)
		st->props.known &= ~KNOW(N_MODE);
	else
		st->props.known |= KNOW(N_MODE);
}

static void
policy_set(struct ua *st, uint8_t policy)
{
	st->policy = policy;
	st->props.num[N_POLICY] = policy < POLICY_OTHER ? policy - 1u : UINT32_MAX;
	st->props.known |= KNOW(N_POLICY);
	st->flags &= (uint16_t)~F_SIG;
	st->sig = 0;
	if (policy < POLICY_OTHER) {
		st->sig = policies[policy].sig;
		st->flags |= F_SIG;
	}
}

/* Could a body that begins like this be one of [P4], in this direction or the other?
 * The type is a NodeId of namespace 0 in four bytes (or, of no stack we know, in seven). */
static inline bool
body_plausible(const uint8_t *p)
{
	uint32_t type = (uint32_t)p[2] | (uint32_t)p[3] << 8;
	bool response;

	if (p[0] == 2)
		return p[1] == 0 && p[2] == 0;
	return p[0] == 1 && p[1] == 0 && walk_service_lookup(type, &response) != SVC_NONE;
}

#endif /* OPCUA_CHANNEL_H */
