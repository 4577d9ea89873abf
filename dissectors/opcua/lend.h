/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lend.h - a connection that somebody else judges for a while (dissector.h, lend): what he is told,
 * what he gives back, and which requests are alike; included by opcua.c only.
 *
 * Lent is a connection on an open channel whose messages can be read, with nothing half said and nothing
 * open but requests of which an answer changes no more than the list of them.  He passes requests
 * that are alike to one that was judged here, and answers of which only the header counts: so of all
 * the state only numbers and open requests can have changed.
 */
#ifndef OPCUA_LEND_H
#define OPCUA_LEND_H

#include "dissectors/opcua/quick.h"

#define LEND_ACKS 64u /* that a Publish may carry */

/*
 * Does neither the request nor its answer change anything of the session or of names?  The type ids of
 * the two are three apart then, on which he relies (opcua_lend_test.c).
 */
static bool
lend_plain(uint8_t service)
{
	return service != SVC_NONE && service < SVC_LAST && (quick_answers >> service & 1) &&
	       !(ops[service].sets & (S_SESSION | S_DISCOVERY));
}

static bool
lend_dir(const struct ua *st, unsigned dir)
{
	uint8_t want = D_SEQ | D_TOKEN | (st->policy != POLICY_None ? D_PLAIN : 0);

	return (st->dir[dir].flags & (want | D_MSG | D_BAD | D_DONE | D_CRYPT)) == want &&
	       !st->lost[dir];
}

static uint32_t
lend_max(const struct ua_dir *d)
{
	uint32_t max = d->chunk_max ? d->chunk_max : UINT32_MAX;

	if (d->message_max && d->message_max < max - SYM_HEAD)
		max = d->message_max + SYM_HEAD;
	return max;
}

/* Is an id open twice?  Then which of the two an answer is for is a question of order, which is not lent. */
static bool
lend_twice(const struct ua *st)
{
	for (unsigned s = 0; s < PENDING; s++)
		if ((st->open >> s & 1) &&
		    pair_slot(st, st->pending[s].request, st->open & ~(1u << s)) != PAIR_NONE)
			return true;
	return false;
}

static bool
opcua_at_rest(const void *state, uint8_t variant)
{
	const struct ua *st = state;
	uint32_t open = st->open;

	(void)variant; /* there is one */
	if ((st->flags & (F_REVERSED | F_SEEN | F_CHANNEL | F_NEXT_TOKEN | F_NUMBERS)) !=
		(F_SEEN | F_CHANNEL) ||
	    (st->policy != POLICY_None && (!(st->flags & F_SIG) || st->mode == MODE_CRYPT)) ||
	    st->evicted || st->registering || st->leaving ||
	    (st->names && st->names->n_alias != 0) || __builtin_popcount(open) > DIS_LENT_OPEN ||
	    !lend_dir(st, 0) || !lend_dir(st, 1))
		return false;
	for (unsigned s = 0; s < PENDING; s++)
		if ((open >> s & 1) &&
		    (st->pending[s].extra != 0 || !lend_plain(st->pending[s].service)))
			return false;
	return !lend_twice(st);
}

static void
opcua_lend(const void *state, struct dis_lent *out)
{
	const struct ua *st = state;

	*out = (struct dis_lent){.channel = st->channel,
	    .sig = st->sig,
	    .policy = st->policy,
	    .mode = st->mode,
	    .user = st->props.known & KNOW(N_TOKEN) && st->props.num[N_TOKEN] < TOKEN_UNKNOWN
			? (uint8_t)(1 + st->props.num[N_TOKEN])
			: 0};
	for (unsigned dir = 0; dir < 2; dir++) {
		out->token[dir] = st->dir[dir].token;
		out->seq[dir] = st->dir[dir].seq;
		out->max[dir] = lend_max(&st->dir[dir]);
	}
	for (unsigned s = 0; s < PENDING && out->n_open < DIS_LENT_OPEN; s++)
		if (st->open >> s & 1) {
			out->request[out->n_open] = st->pending[s].request;
			out->type[out->n_open++] = ops[st->pending[s].service].code;
		}
}

/* Of a connection that another process has lent: channel and session, as far as they were told. */
static void
lend_begin(struct ua *st, const struct dis_lent *in)
{
	st->channel = in->channel;
	st->flags |= F_SEEN | F_CHANNEL | F_CREATED | F_ACTIVE;
	policy_set(st, in->policy <= POLICY_OTHER ? in->policy : POLICY_UNKNOWN);
	if (in->policy == POLICY_UNKNOWN)
		st->props.known &= ~KNOW(N_POLICY);
	st->sig = in->sig;
	st->flags |= F_SIG;
	mode_set(st, in->mode < MODE_CRYPT ? in->mode : MODE_UNKNOWN);
	if (in->user != 0 && in->user <= TOKEN_UNKNOWN) {
		st->props.num[N_TOKEN] = in->user - 1u;
		st->props.known |= KNOW(N_TOKEN);
	}
	for (unsigned dir = 0; dir < 2; dir++) {
		st->dir[dir].token = in->token[dir];
		st->dir[dir].flags = D_SEQ | D_TOKEN | (in->policy != POLICY_None ? D_PLAIN : 0);
		st->dir[dir].chunk_max = in->max[dir] != UINT32_MAX ? in->max[dir] : 0;
	}
}

static void
opcua_back(void *state, const struct dis_lent *in)
{
	struct ua *st = state;
	uint32_t still = 0, asked = 0;

	if (!(st->flags & F_CHANNEL))
		lend_begin(st, in);
	for (unsigned dir = 0; dir < 2; dir++)
		st->dir[dir].seq = in->seq[dir];
	for (unsigned i = 0; i < in->n_open && i < DIS_LENT_OPEN; i++) {
		unsigned s = pair_slot(st, in->request[i], st->open);

		/* an id may have been answered and used again for something else */
		if (s != PAIR_NONE && ops[st->pending[s].service].code == in->type[i])
			still |= 1u << s;
		else
			asked |= 1u << i;
	}
	for (unsigned s = 0; s < PENDING; s++) /* the others were answered meanwhile */
		if ((st->open >> s & 1) && !(still >> s & 1))
			pair_close(st, s);
	/* after that: both together may be more than there is room for */
	for (unsigned i = 0; i < DIS_LENT_OPEN; i++) {
		bool response;
		uint8_t service =
		    asked >> i & 1 ? walk_service_lookup(in->type[i], &response) : SVC_NONE;

		if (service != SVC_NONE)
			(void)pair_push(st, in->request[i], service, 0);
	}
}

/* --- which requests are alike --------------------------------------------------------------------- */

/* Bytes of the NodeId at p; 0: unusual. */
static uint32_t
lend_node(const uint8_t *p, size_t n)
{
	static const uint8_t fixed[] = {2, 4, 7, 7, 19, 7};
	uint32_t text;

	if (n < FAST_MIN || p[0] >= sizeof(fixed))
		return 0;
	text = p[0] == 3 || p[0] == 5 ? le32(p + 3) : 0;
	return text <= WALK_NAME_MAX ? fixed[p[0]] + text : 0;
}

/* The request: how many of its bytes count, or 0. */
static int32_t
lend_request(const struct ua *st, const uint8_t *p, uint32_t n, uint8_t *out, size_t size)
{
	uint32_t type = le32(p + SYM_HEAD) >> 16, at = SYM_HEAD + TYPE_BYTES, id, acks;

	if (n > size || n < at + st->sig || (id = lend_node(p + at, n - at)) == 0 ||
	    n - at - st->sig < id + 27)
		return 0;
	at += id;
	memcpy(out, p, n);
	memset(out + 4, 0, SYM_HEAD - 4);
	memset(out + at, 0, 12); /* time and handle */
	if (type != TYPE_Publish)
		return (int32_t)(n - st->sig);
	/* What it acknowledges does not matter: whatever it is, nothing is read or written. */
	if (le32(p + at + 16) + 1 > 1 || (p[at + 24] | p[at + 25] | p[at + 26]) != 0 ||
	    n - at - st->sig < 27 + 4)
		return 0;
	acks = le32(p + at + 27);
	return acks <= LEND_ACKS && n - at - st->sig == 27 + 4 + 8 * acks ? (int32_t)(at + 27) : 0;
}

static int32_t
opcua_alike(const void *state, enum dis_dir dir, struct cur pdu, uint8_t *out, size_t size)
{
	const struct ua *st = state;
	const uint8_t *p = pdu.p;
	uint32_t n = (uint32_t)cur_left(&pdu);
	uint8_t service;
	bool response;
	unsigned s;

	if (n < SYM_HEAD + TYPE_BYTES || le32(p) != (MSG | (uint32_t)'F' << 24) ||
	    (st->flags & (F_REVERSED | F_SEEN | F_CHANNEL)) != (F_SEEN | F_CHANNEL) ||
	    (st->policy != POLICY_None && (!(st->flags & F_SIG) || !lend_dir(st, dir))) ||
	    walk_le16(p + SYM_HEAD) != 1 || st->lost[0] || st->lost[1])
		return DIS_ALIKE_NONE;
	service = walk_service_lookup(le32(p + SYM_HEAD) >> 16, &response);
	/* A request was just opened, an answer has just closed one. */
	s = pair_slot(st, le32(p + 20), dir == DIR_TO_SERVER ? st->open : st->done);
	if (s == PAIR_NONE || st->pending[s].extra != 0 || !lend_plain(st->pending[s].service) ||
	    (st->names && st->names->n_alias != 0))
		return DIS_ALIKE_NONE;
	if (dir == DIR_TO_CLIENT)
		return 0;
	if (response || service != st->pending[s].service)
		return DIS_ALIKE_NONE;
	return ops[service].access & ~(uint8_t)(ACC_READ | ACC_WRITE)
		   ? 0
		   : lend_request(st, p, n, out, size);
}

#endif /* OPCUA_LEND_H */
