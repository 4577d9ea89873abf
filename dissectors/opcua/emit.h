/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit.h - what all facts of this protocol have in common: how they begin, what goes
 * with them, how they are given away; included by opcua.c only.
 */
#ifndef OPCUA_EMIT_H
#define OPCUA_EMIT_H

#include "dissectors/opcua/session.h"
#include "dissectors/opcua/show.h"

static inline const char *
msg_name(uint32_t type)
{
	if (__builtin_expect(MSG_TYPE(type) == MSG, 1))
		return "MSG";
	switch (MSG_TYPE(type)) {
	case HEL:
		return "HEL";
	case ACK:
		return "ACK";
	case ERR:
		return "ERR";
	case RHE:
		return "RHE";
	case OPN:
		return "OPN";
	default:
		return "CLO";
	}
}

/* A string of UA: length, bytes; -1 is null. */
static struct cur
take_string(struct cur *c)
{
	uint32_t n = cur_le32(c);

	return cur_take(c, n == UINT32_MAX ? 0 : n);
}

static uint64_t
take_text(struct cur *c, struct ua_ext *x, unsigned which)
{
	struct cur s = take_string(c);
	size_t n = cur_left(&s);

	if (cur_ok(&s))
		ext_text(x, which, s.p, n < 512 ? (uint32_t)n : 512);
	return n >= URL_MAX ? UA_A(URL_LONG) : 0;
}

/* Member by member: clearing it all would cost more than reading the chunk. */
static inline void
fact_begin(struct dis_call *call, struct fact *f, struct ua_ext *x, uint32_t type, uint32_t size)
{
	struct ua *st = call->state;

	f->dir = call->dir;
	f->sub = FACT_NO_SUB;
	f->code = 0;
	f->n_items = 0;
	f->unit = f->txn = f->more = 0;
	f->goes_on = false;
	f->next = NULL;
	f->ext = x;
	f->iter_arg = NULL;
	f->props = &st->props;
	x->present = HAS(P_MSG) | HAS(P_SIZE);
	x->msg = msg_name(type);
	x->size = size;
	x->has_text = 0;
	x->spilled = 0;
	x->walking = false;
	x->from = NULL;
	x->st = st;
	st->props.num[N_CHUNK] = size;
	st->props.midstream = call->midstream;
	st->props.known &= ~KNOW(N_PENDING);
	st->props.na = 0;
}

static inline void
fact_op(struct fact *f, uint16_t opx)
{
	f->opx = opx;
	f->op = ops[opx].name;
	f->access = ops[opx].access;
}

static void
ext_status(struct ua_ext *x, uint32_t status)
{
	x->status = status;
	x->status_name = status_name(status);
	x->present |= HAS(P_STATUS) | HAS(P_STATUS_NAME);
}

static void
ext_security(struct ua_ext *x, const struct ua *st)
{
	if (st->policy != POLICY_UNKNOWN && st->policy < POLICY_OTHER) {
		x->policy = policies[st->policy].uri;
		x->present |= HAS(P_POLICY);
	}
	if (st->mode != MODE_UNKNOWN) {
		x->mode = mode_name(st->mode);
		x->present |= HAS(P_MODE);
	}
}

/* Requests travel towards the server, which after a ReverseHello is the one that
 * opened the connection. */
static inline unsigned
logical_dir(const struct dis_call *call)
{
	const struct ua *st = call->state;

	return call->dir ^ (unsigned)(st->flags & F_REVERSED);
}

/* A malformed fact has no items. */
static bool
fact_emit(struct dis_call *call, struct fact *f, uint64_t a)
{
	struct ua *st = call->state;

	if (a & malformed_bits) {
		f->kind = FACT_MALFORMED;
		f->n_items = 0;
		f->next = NULL;
	}
	f->anomalies = a;
	/* Which endpoint was named is asked of the Hello that names it. */
	st->props.na |= KNOW_TEXT(T_ENDPOINT) & ~st->props.known;
	return dis_emit(call->sink, f);
}

/* What cannot be known before the session is as far: see dissector.h, fact_props.na. */
enum { NA_TOKEN = KNOW(N_TOKEN), NA_APP = KNOW_TEXT(T_APP_URI), NA_MODE = KNOW(N_MODE) };
#define NA_ALL (NA_TOKEN | NA_APP | NA_MODE | KNOW(N_POLICY) | KNOW_TEXT(T_THUMBPRINT))

/*
 * Discovery needs no security ([Part 4] 5.4.1), and a client that does not know a server yet can
 * only ask without: what the channel is made with is not asked of it.  All else that
 * is said on such a channel is asked.
 */
#define NA_DISCOVERY (KNOW(N_POLICY) | NA_MODE | KNOW_TEXT(T_THUMBPRINT))

#endif /* OPCUA_EMIT_H */
