/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refuse.h - a request answered in the server's name, and what that does to the numbers of
 * all chunks behind it; included by opcua.c only.
 *
 * [P6] 6.7.2.4: every chunk has a number, one more than the chunk before it, per direction
 * and channel; a receiver that finds a gap has to close the channel.  A request that was
 * taken out is a chunk fewer towards the server, a fault that was put in one more towards
 * the client.  So from the first refusal on the numbers that go out are counted here:
 *
 *	client sends	 4   5   6 refused   7   8	server sends	 9   10        11   12
 *	server gets	 4   5               6   7	client gets	 9   10  11    12   13
 *							                       fault
 *
 * and wrap where these, not the sender's, come to the end.  Another channel begins anew.
 *
 * Refused are requests of one whole chunk with policy None.  Where chunks are signed nobody
 * can speak for the server.  Of a request in several chunks the server holds the front
 * already, or the rest is still under way to it and would have to be taken out as well,
 * with a number each; it is rare that such a request is denied (writes are small), and a
 * reset is always right.  The same holds while an answer of the server is half said:
 * chunks of two messages may not be mixed.
 */
#ifndef OPCUA_REFUSE_H
#define OPCUA_REFUSE_H

#include "dissectors/opcua/emit.h"

#define MAX_PDU 65536u /* a longer chunk has left in part when it is judged */

/* [P4] 7.39.2, table 182: common to all services, "user does not have permission to perform
 * the requested operation".  Bad_NotWritable is a result of one operation, not of a service. */
#define BAD_USER_ACCESS_DENIED 0x801f0000u

/* Ticks of 100 ns from 1601 to 1970, [P6] 5.2.2.5. */
#define UA_EPOCH UINT64_C(116444736000000000)

static inline void
refuse_put(uint8_t *p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* The number behind n; the rule of policies with LegacySequenceNumbers, None among them. */
static inline uint32_t
number_next(uint32_t n)
{
	return n > SEQ_WRAP_FROM ? 1 : n + 1;
}

/* What the chunk numbered `in` is numbered for the other end. */
static uint32_t
number_out(struct ua_number *c, uint32_t in)
{
	bool next = in == c->in + 1 || (c->in >= SEQ_WRAP_FROM && in < SEQ_WRAP_TO);

	/* A gap or repetition that the policy let pass stays one. */
	c->out = next ? number_next(c->out) : c->out + (in - c->in);
	c->in = in;
	return c->out;
}

/* Both counters as they stand before the first refusal on this channel. */
static void
numbers_begin(struct ua *st, uint32_t request_seq)
{
	uint32_t before = st->dir[0].flags & D_SEQ ? st->dir[0].seq : request_seq - 1;

	st->number[0] = (struct ua_number){before, before};
	st->number[1] = (struct ua_number){st->dir[1].seq, st->dir[1].seq};
	st->number_channel = st->channel;
	st->flags |= F_NUMBERS;
}

/* Is it a request that can be answered here, and now? */
static bool
refusable(const struct dis_call *call, const struct fact *f)
{
	const struct ua *st = call->state;
	const struct ua_ext *x = f->ext;

	return x && f->kind == FACT_REQUEST && !f->more && f->opx < SVC_LAST &&
	       f->opx != SVC_NONE && f->opx != SVC_OpenSecureChannel &&
	       f->opx != SVC_CloseSecureChannel && st->policy == POLICY_None &&
	       (x->present & (HAS(P_HANDLE) | HAS(P_SEQ))) == (HAS(P_HANDLE) | HAS(P_SEQ)) &&
	       x->chunks == 1 && x->size <= MAX_PDU && (st->flags & F_CHANNEL) &&
	       x->channel == st->channel && !(st->dir[0].flags & D_MSG) &&
	       (st->dir[1].flags & (D_SEQ | D_MSG)) == D_SEQ && !st->lost[1];
}

/* A ServiceFault ([P4] 7.35) as the server would send it next. */
static size_t
opcua_refuse(struct dis_call *call, const struct fact *f, uint8_t *buf, size_t size)
{
	static const uint8_t fault[] = {
	    'M', 'S', 'G', 'F', 52, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    0,				/* channel, token, number, request id */
	    1, 0, 397 & 0xff, 397 >> 8, /* ServiceFault */
	    0, 0, 0, 0, 0, 0, 0, 0,	/* time */
	    0, 0, 0, 0,			/* request handle */
	    0, 0, 0, 0,			/* result */
	    0, 0, 0, 0, 0,		/* no diagnostics, no string table */
	    0, 0, 0,			/* no additional header */
	};
	const struct ua_ext *x = f->ext;
	struct ua *st = call->state;

	if (size < sizeof(fault) || !refusable(call, f))
		return 0;
	if (!(st->flags & F_NUMBERS) || st->number_channel != st->channel)
		numbers_begin(st, x->seq);
	st->number[0].in = x->seq; /* taken out */
	seq_keep(&st->dir[0], x->seq);
	st->number[1].out = number_next(st->number[1].out); /* put in */
	memcpy(buf, fault, sizeof(fault));
	refuse_put(buf + 8, x->channel, 4);
	refuse_put(buf + 12, x->token, 4);
	refuse_put(buf + 16, st->number[1].out, 4);
	refuse_put(buf + 20, x->request, 4);
	refuse_put(buf + 28, call->now_ns / 100 + UA_EPOCH, 8);
	refuse_put(buf + 36, x->handle, 4);
	refuse_put(buf + 40, BAD_USER_ACCESS_DENIED, 4);
	return sizeof(fault);
}

/* Where the number of a chunk stands; false: it has none, or it cannot be read. */
static bool
number_place(struct cur c, uint32_t *channel, uint32_t *seq, uint32_t *off)
{
	const uint8_t *front = c.p;
	uint32_t type = MSG_TYPE(cur_le32(&c));

	cur_skip(&c, 4); /* size */
	*channel = cur_le32(&c);
	if (type == MSG || type == CLO) {
		cur_skip(&c, 4); /* token */
	} else if (type == OPN) {
		struct cur uri = take_string(&c);

		(void)take_string(&c); /* certificate */
		(void)take_string(&c); /* its receiver's */
		if (policy_of(uri.p, (uint32_t)cur_left(&uri)) != POLICY_None)
			return false;
	} else {
		return false;
	}
	*off = (uint32_t)(c.p - front);
	*seq = cur_le32(&c);
	return cur_ok(&c);
}

/* A chunk that goes on leaves with the number its receiver expects.  Of a chunk longer
 * than max_pdu the first SYM_HEAD bytes are enough. */
static unsigned
opcua_renumber(struct dis_call *call, struct cur pdu, struct dis_patch *out)
{
	struct ua *st = call->state;
	uint32_t channel, seq, off;
	unsigned dir = logical_dir(call);

	if (!(st->flags & F_NUMBERS) || !number_place(pdu, &channel, &seq, &off))
		return 0;
	if (channel != st->number_channel) { /* its answer has opened another channel */
		if (dir == 1 && channel == st->channel)
			st->flags &= (uint16_t)~F_NUMBERS;
		return 0;
	}
	out->off = off;
	out->len = 4;
	refuse_put(out->bytes, number_out(&st->number[dir], seq), 4);
	return 1;
}

#endif /* OPCUA_REFUSE_H */
