/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body.h - what stands behind the function code; included by s7plus.c only.
 *
 * The protocol has few functions and many objects: a session is an object that
 * is created, a subscription too, and a program block; stopping the CPU sets a
 * variable.  So the function alone says little, and request() looks at the
 * object as far as it decides what the request is (the SUB rows of ops.def).
 * What cannot be told stays the plain function, which is the stronger right.
 *
 * Numbers of variable length have 7 bits a byte, most significant first, bit 7
 * set in all but the last; the ninth byte of a 64 bit number has 8 bits.
 */
#ifndef S7PLUS_BODY_H
#define S7PLUS_BODY_H

#include "dissectors/s7plus/common.h"
#include "dissectors/s7plus/pair.h"

enum { TAG_OBJECT = 0xa1, TYPE_UDINT = 0x04, FLAG_ADDRESSES = 0x20 };

static uint32_t
vlq32(struct cur *c)
{
	uint32_t v = 0;
	uint8_t b;

	for (unsigned i = 0; i < 5; i++) {
		b = cur_u8(c);
		v = v << 7 | (b & 0x7fu);
		if (!(b & 0x80))
			return v;
	}
	cur_skip(c, SIZE_MAX); /* a sixth byte: not a number */
	return 0;
}

static uint64_t
vlq64(struct cur *c)
{
	uint64_t v = 0;
	uint8_t b;

	for (unsigned i = 0; i < 8; i++) {
		b = cur_u8(c);
		v = v << 7 | (b & 0x7fu);
		if (!(b & 0x80))
			return v;
	}
	return v << 8 | cur_u8(c);
}

/*
 * Class of the object that is to be created: parent, a value, a word, perhaps
 * the count of the integrity part, then tag, relation id and class.  0: not told.
 */
static uint32_t
created_class(struct cur c, uint32_t *parent)
{
	uint32_t class;

	*parent = cur_be32(&c);
	if (cur_u8(&c) != 0 || cur_u8(&c) != TYPE_UDINT)
		return 0;
	(void)vlq32(&c);
	(void)cur_be32(&c);
	if (cur_left(&c) > 0 && c.p[0] != TAG_OBJECT)
		(void)vlq32(&c);
	if (cur_u8(&c) != TAG_OBJECT)
		return 0;
	(void)cur_be32(&c);
	class = vlq32(&c);
	return cur_ok(&c) ? class : 0;
}

static bool
is_subscription(const struct conn *st, uint32_t id)
{
	for (unsigned i = 0; i < st->n_subs; i++)
		if (st->sub[i] == id)
			return true;
	return false;
}

/*
 * The objects of a multiple write by address: checksum of the symbol, area,
 * how many numbers follow, the first of which is an attribute where the area is an
 * object.  True: one of them is the execution unit.
 */
static bool
writes_exec_unit(struct cur c, uint32_t n, bool *cut)
{
	for (; n > 0 && cur_left(&c) > 0; n--) {
		uint32_t area, numbers;

		(void)vlq32(&c);
		area = vlq32(&c);
		numbers = vlq32(&c);
		if (!cur_ok(&c))
			break;
		if (area == ID_EXEC_UNIT)
			return true;
		for (; numbers > 0 && cur_left(&c) > 0; numbers--)
			(void)vlq32(&c);
		if (numbers > 0)
			break;
	}
	*cut = n > 0;
	return false;
}

static uint8_t
request_create(struct cur c, struct ext *x)
{
	uint32_t class = created_class(c, &x->object);

	x->attribute = class;
	x->present |= HAS(P_OBJECT) | (class ? HAS(P_ATTRIBUTE) : 0);
	if (class == ID_SESSION_CLASS && x->object == ID_SESSION_CONTAINER)
		return OPX_CREATE_SESSION;
	return class == ID_SUBSCRIPTION_CLASS ? OPX_CREATE_SUBSCRIPTION : OPX_CREATE;
}

static uint8_t
request_delete(const struct conn *st, uint32_t session, struct ext *x)
{
	if (x->object == session)
		return OPX_DELETE_SESSION;
	return is_subscription(st, x->object) ? OPX_DELETE_SUBSCRIPTION : OPX_DELETE;
}

/* One variable: count (1), attribute, value. */
static uint8_t
request_set(const struct conn *st, uint32_t session, struct cur *c, struct ext *x)
{
	uint32_t n = vlq32(c);

	x->attribute = vlq32(c);
	x->present |= HAS(P_ATTRIBUTE);
	if (x->object == ID_EXEC_UNIT)
		return n == 1 && x->attribute == ID_OPERATING_STATE ? OPX_SET_STATE : OPX_SET_CPU_1;
	if (x->object == session)
		return OPX_SET_SESSION_1;
	return is_subscription(st, x->object) ? OPX_SET_CREDIT : OPX_SET;
}

/* Attributes of one object, or, with object 0, variables anywhere. */
static uint8_t
request_set_multi(uint32_t session, struct cur *c, bool goes_on, struct ext *x, uint64_t *a)
{
	bool cut = false, cpu;

	x->count = vlq32(c);
	(void)vlq32(c); /* how many numbers the addresses are made of */
	x->present |= HAS(P_COUNT);
	if (x->object == ID_EXEC_UNIT)
		return OPX_SET_CPU;
	if (x->object != 0)
		return x->object == session ? OPX_SET_SESSION : OPX_SET_MULTI;
	cpu = writes_exec_unit(*c, x->count, &cut);
	if (cut && !goes_on)
		cur_skip(c, SIZE_MAX); /* fewer than promised */
	else if (cut) /* the rest may be anything, so it is taken for the worst */
		*a |= S7P_A(LIST_CUT);
	return cpu || cut ? OPX_SET_CPU : OPX_SET_MULTI;
}

/* Attributes of one object as a stream: 0x20 0x04 count attribute. */
static void
stream_attribute(struct cur *c, struct ext *x)
{
	uint8_t flags = cur_u8(c);

	(void)cur_u8(c); /* data type */
	x->count = flags & FLAG_ADDRESSES ? vlq32(c) : 1;
	x->attribute = vlq32(c);
	x->present |= HAS(P_ATTRIBUTE) | HAS(P_COUNT);
}

/* Behind the request head; returns what the request is. */
static uint8_t
request(const struct conn *st, uint8_t opx, struct cur *c, bool goes_on, bool before_us, struct ext *x,
    uint64_t *a)
{
	/* A client may write what it likes into its head; the server gave the session,
	 * perhaps before we came. */
	uint32_t session = st->session_known ? st->session : before_us ? x->session : ID_NULL_SESSION;
	struct cur body = *c;

	if (opx == OPX_INIT_SSL || opx == OPX_UNKNOWN || opx == OPX_ERROR || opx == OPX_ERROR_2 ||
	    opx == OPX_ABORT || opx == OPX_BEGIN || opx == OPX_END)
		return opx;
	x->object = cur_be32(c);
	x->present |= HAS(P_OBJECT);
	switch (opx) {
	case OPX_CREATE:
		return request_create(body, x);
	case OPX_DELETE:
		return request_delete(st, session, x);
	case OPX_SET:
		return request_set(st, session, c, x);
	case OPX_SET_MULTI:
		return request_set_multi(session, c, goes_on, x, a);
	case OPX_SET_STREAM:
		stream_attribute(c, x);
		return x->object == ID_EXEC_UNIT ? OPX_SET_CPU_STREAM :
		    x->object == session ? OPX_SET_SESSION_STREAM : OPX_SET_STREAM;
	case OPX_GET_STREAM:
		stream_attribute(c, x);
		break;
	case OPX_GET_MULTI:
		x->count = vlq32(c);
		x->present |= HAS(P_COUNT);
		break;
	default:
		break;
	}
	return opx;
}

/* Behind the response head: the return value, a signed error in its low 16 bits. */
static void
response(struct cur *c, uint8_t opcode, struct ext *x)
{
	x->error = opcode == OC_RESPONSE ? (int16_t)(uint16_t)vlq64(c) : 0;
	x->has_error = opcode == OC_RESPONSE;
}

/* The id of what was created: count, then ids. 0: none. */
static uint32_t
created_id(struct cur c)
{
	uint8_t n = cur_u8(&c);
	uint32_t id = n ? vlq32(&c) : 0;

	return cur_ok(&c) ? id : 0;
}

/* An answer has gone on its way: what it tells about the connection. */
static void
learn(struct conn *st, uint8_t as, uint32_t id)
{
	if (id == 0)
		return;
	if (as == OPX_CREATE_SESSION) {
		st->session = id;
		st->session_known = true;
	} else if (as == OPX_CREATE_SUBSCRIPTION) {
		if (st->n_subs == SUBSCRIPTIONS)
			st->subs_full = true;
		else if (!is_subscription(st, id))
			st->sub[st->n_subs++] = id;
	}
}

#endif /* S7PLUS_BODY_H */
