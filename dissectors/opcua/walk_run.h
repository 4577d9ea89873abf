/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk_run.h - the interpreter of walk_code.h; included by walk.h only.
 *
 * One loop, one switch.  An instruction (OP_) or a step of one (ST_) takes one piece
 * of fixed size from the input, or none, and changes nothing before it has it: when
 * the input ends in the middle, the bytes there are go to w->part and the same
 * instruction runs again with the next input.  Lengths are never waited for: they
 * become w->skip and w->cap_want, which the loop works off first.
 *
 * Every round of the loop takes input, moves on in a program without loops, pops a
 * frame, or ends; arrays have at most as many elements as bytes are left and no
 * element is empty.  So the work is bounded by the bytes.
 */
#include "dissectors/opcua/walk.h" /* before the guard: walk.h includes this in its place */

#ifndef OPCUA_WALK_RUN_H
#define OPCUA_WALK_RUN_H

#include "dissectors/opcua/walk_fast.h"
#include "dissectors/opcua/walk_types.h"

static void
walk_start(struct walk *w, uint32_t left, uint8_t opts)
{
	w->auth = 0;
	w->type = w->handle = w->status = 0;
	w->service = 0;
	w->response = false;
	w->bad = WALK_OK;
	w->opts = opts;
	w->off = w->skip = w->ext_end = 0;
	w->end = left;
	w->pc = WALK_AT(Message);
	w->cap_want = w->cap_len = 0;
	w->micro = w->arg = w->sp = w->depth = w->diag = w->held = w->id_at = 0;
	w->value = false;
	w->quick = !(opts & WALK_OPT_SLOW);
	w->node.id = w->field.p = NULL;
	w->field.index = 0;
	w->field.elem = 0;
}

static void
walk_limit(struct walk *w, uint32_t left)
{
	if (left < w->end - w->off)
		w->end = w->off + left;
}

static void
walk_copy(struct walk *to, const struct walk *from)
{
	memcpy(to, from, offsetof(struct walk, cap) + from->cap_len);
	if (from->node.id == from->cap)
		to->node.id = to->cap;
	if (from->field.p == from->cap)
		to->field.p = to->cap;
}

/* --- the loop -------------------------------------------------------------------------- */

#define TAKE(n)                                                                                    \
	do {                                                                                       \
		if (!(p = walk_piece(w, in, (n))))                                                 \
			return WALK_MORE;                                                          \
	} while (0)
#define CHECK(cond, why)                                                                           \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			w->bad = (why);                                                            \
			return WALK_BAD;                                                           \
		}                                                                                  \
	} while (0)
/* f sets w->bad before it can fail */
#define DO(f)                                                                                      \
	do {                                                                                       \
		if (!(f))                                                                          \
			return WALK_BAD;                                                           \
		w->bad = WALK_OK;                                                                  \
	} while (0)
#define FIELD(what, value)                                                                         \
	do {                                                                                       \
		w->field.id = (what);                                                              \
		w->field.num = (value);                                                            \
		w->field.len = 0;                                                                  \
		w->field.truncated = false;                                                        \
		if (!(w->opts & WALK_OPT_NODES))                                                   \
			return WALK_FIELD;                                                         \
	} while (0)

#ifndef WALK_TRACE /* tests count the rounds and see what each begins with */
#define WALK_TRACE(w, in, op) ((void)0)
#endif

static enum walk_event
walk_run(struct walk *w, struct walk_in *in)
{
	const uint8_t *p, *code;
	enum walk_event event;
	uint32_t n;
	uint8_t op;

	for (;;) {
		if ((w->skip | w->cap_want) != 0 && !walk_drain(w, in))
			return WALK_MORE;
		code = (const uint8_t *)&walk_code + w->pc;
		op = w->micro ? w->micro : code[0];
		WALK_TRACE(w, in, op);
		switch ((enum walk_op)op) {
		case OP_RET_NESTED:
			w->depth--;
			if (!walk_ret(w))
				return WALK_END;
			break;
		case OP_RET:
			if (!walk_ret(w))
				return WALK_END;
			break;
		case OP_TRY:
			event = w->opts & WALK_OPT_SLOW ? WALK_MORE : walk_fast(w, in, code[1]);
			if (event != WALK_MORE)
				return event;
			w->pc += 2;
			break;
		case OP_SKIP:
			walk_pass(w, in, code[1]);
			w->pc += 2;
			break;
		case OP_STRING:
			TAKE(4);
			CHECK(walk_length(in, p, &n), WALK_BAD_LENGTH);
			walk_pass(w, in, n);
			w->pc++;
			break;
		case ST_STRING:
			TAKE(4);
			CHECK(walk_length(in, p, &n), WALK_BAD_LENGTH);
			walk_pass(w, in, n);
			w->micro = 0;
			break;
		case OP_TEXT:
			TAKE(4);
			CHECK(walk_length(in, p, &n), WALK_BAD_LENGTH);
			w->pc += 2;
			if (w->opts & WALK_OPT_NODES) {
				walk_pass(w, in, n);
				break;
			}
			w->field.id = code[1];
			w->field.num = n;
			w->field.len = n < WALK_NAME_MAX ? n : WALK_NAME_MAX;
			w->field.truncated = n > WALK_NAME_MAX;
			if (walk_name(w, in, n, &w->field.p))
				return WALK_FIELD;
			w->micro = ST_TEXT_CUT;
			break;
		case ST_TEXT_CUT:
			w->micro = 0;
			w->field.p = w->cap;
			return WALK_FIELD;
		case OP_NUMBER:
			TAKE(4);
			w->pc += 2;
			FIELD(code[1], walk_le32(p));
			break;
		case OP_TIME:
			TAKE(8);
			w->pc += 2;
			FIELD(code[1], walk_le64(p));
			break;
		case ST_VARIANT_TIME:
			TAKE(8);
			w->micro = 0;
			FIELD(WF_TIME, walk_le64(p));
			break;
		case OP_LOCALIZED: /* [P6] 5.2.2.14: 1 = locale, 2 = text */
			TAKE(1);
			CHECK(p[0] <= 3, WALK_BAD_MASK);
			w->pc = (uint16_t)(WALK_AT(localized) + (p[0] == 3 ? 0 : p[0] ? 1 : 2));
			break;
		case OP_LOCALIZED_TEXT:
			TAKE(1);
			CHECK(p[0] <= 3, WALK_BAD_MASK);
			w->pc = (uint16_t)(w->pc + (p[0] == 3 ? 1 : p[0] == 2 ? 2 : 4));
			if (p[0] == 1)
				w->micro = ST_STRING;
			break;

		case OP_NODE:
		case OP_XNODE:
			w->node = (struct walk_node){.role = code[1], .access = code[2]};
			w->id_at = 0;
			w->arg = op == OP_NODE ? NODE_KEEP : NODE_KEEP | NODE_EXPANDED;
			w->micro = ST_NODE_ENC;
			w->pc += 3;
			break;
		case OP_NODE_SKIP:
		case OP_XNODE_SKIP:
			w->arg = op == OP_NODE_SKIP ? 0 : NODE_EXPANDED;
			w->micro = ST_NODE_ENC;
			w->pc++;
			break;
		case ST_NODE_ENC:
			TAKE(1);
			DO(walk_node_encoding(w, p[0]));
			break;
		case ST_NODE_2:
			TAKE(1);
			walk_node_number(w, 0, p[0]);
			break;
		case ST_NODE_4:
			TAKE(3);
			walk_node_number(w, p[0], walk_le16(p + 1));
			break;
		case ST_NODE_N:
			TAKE(6);
			walk_node_number(w, walk_le16(p), walk_le32(p + 2));
			break;
		case ST_NODE_S:
			TAKE(6);
			CHECK(walk_length(in, p + 2, &n), WALK_BAD_LENGTH);
			walk_node_name(w, in, walk_le16(p), n);
			break;
		case ST_NODE_G:
			TAKE(2);
			walk_node_name(w, in, walk_le16(p), 16);
			break;
		case ST_NODE_URI:
			TAKE(4);
			CHECK(walk_length(in, p, &n), WALK_BAD_LENGTH);
			/* the name before it may still be in the input, and n bytes further on is not here */
			walk_pass(w, in, n);
			w->micro = w->arg & XNODE_SERVER ? ST_NODE_SERVER : 0;
			break;
		case ST_NODE_SERVER:
			TAKE(4);
			if ((w->arg & NODE_KEEP) && walk_le32(p) != 0)
				w->node.flags |= NODE_REMOTE;
			w->micro = 0;
			break;
		case OP_ATTRIBUTE:
			TAKE(4);
			w->node.attribute = walk_le32(p);
			w->pc++;
			break;
		case OP_INDEX_RANGE:
			TAKE(4);
			CHECK(walk_length(in, p, &n), WALK_BAD_LENGTH);
			if (n != 0)
				w->node.flags |= NODE_RANGE;
			walk_pass(w, in, n);
			w->pc++;
			break;
		case OP_EMIT_UNLESS_NULL:
			if (w->node.flags & NODE_NULL) {
				w->id_at = 0;
				w->pc++;
				break;
			}
			/* fallthrough */
		case OP_EMIT:
			if (w->id_at == 2)
				w->node.id = w->cap;
			w->id_at = 0;
			w->value = false;
			w->pc++;
			return WALK_NODE;

		case OP_CALL:
			CHECK(walk_push(w, 1, w->pc + 2u), WALK_BAD_DEPTH);
			break;
		case OP_ARRAY:
			TAKE(4);
			CHECK(walk_count(in, p, 1, &n), WALK_BAD_COUNT);
			if (n == 0)
				w->pc += 2;
			else
				CHECK(walk_push(w, n, w->pc + 2u), WALK_BAD_DEPTH);
			break;
		case OP_ARRAY_OF:
			TAKE(4);
			CHECK(walk_count(in, p, code[1], &n), WALK_BAD_COUNT);
			walk_pass(w, in, n * code[1]);
			w->pc += 2;
			break;
		case OP_VARIANT:
			TAKE(1);
			DO(walk_variant(w, in, p[0]));
			break;
		case ST_VARIANT_COUNT:
			TAKE(4);
			w->micro = 0;
			DO(walk_variant_array(w, in, p));
			break;
		case ST_VARIANT_VALUE:
			TAKE(w->arg);
			memcpy(w->node.value, p, w->arg);
			w->node.value_len = w->arg;
			w->micro = 0;
			break;
		case OP_VALUE:
			w->value = true;
			w->field.elem = 0;
			w->pc++;
			break;
		case OP_DATA_VALUE:
			TAKE(1);
			DO(walk_data_value(w, in, p[0]));
			break;
		case OP_DATA_TAIL:
			walk_pass(w, in, code[1]);
			w->depth--;
			(void)walk_ret(w); /* it has been called */
			break;
		case OP_DIAGNOSTIC:
			TAKE(1);
			w->diag = 0;
			DO(walk_diagnostic(w, in, p[0]));
			break;
		case OP_DIAGNOSTIC_INNER:
			TAKE(1);
			CHECK(++w->diag < WALK_DEPTH, WALK_BAD_DEPTH);
			DO(walk_diagnostic(w, in, p[0]));
			break;

		case OP_EXT_SKIP:
			TAKE(1);
			CHECK(p[0] <= EXT_XML, WALK_BAD_MASK);
			w->pc++;
			if (p[0] != EXT_NO_BODY)
				w->micro = ST_STRING;
			break;
		case OP_EXT_TOKEN:
			TAKE(1);
			CHECK(p[0] <= EXT_XML, WALK_BAD_MASK);
			w->id_at = 0;
			w->arg = walk_user_token(&w->node, p[0]);
			if (p[0] == EXT_NO_BODY) {
				w->pc++;
				FIELD(WF_USER_TOKEN, w->arg);
			} else {
				w->micro = ST_TOKEN_LEN;
			}
			break;
		case ST_TOKEN_LEN:
			TAKE(4);
			CHECK(walk_length(in, p, &n), WALK_BAD_LENGTH);
			w->ext_end = w->off + (uint32_t)(in->p - in->start) + n;
			w->micro = 0;
			w->pc = walk_user_token_at(w->arg);
			FIELD(WF_USER_TOKEN, w->arg);
			break;
		case OP_EXT_DETAILS:
			TAKE(1);
			CHECK(p[0] == EXT_BINARY && walk_details_known(&w->node), WALK_BAD_DETAILS);
			w->id_at = 0;
			w->micro = ST_DETAILS_LEN;
			break;
		case ST_DETAILS_LEN:
			TAKE(4);
			CHECK(walk_length(in, p, &n), WALK_BAD_LENGTH);
			w->ext_end = w->off + (uint32_t)(in->p - in->start) + n;
			w->micro = 0;
			w->pc = WALK_AT(HistoryUpdateNode);
			break;
		case OP_EXT_BUILD:
			TAKE(1);
			CHECK(p[0] <= EXT_XML, WALK_BAD_MASK);
			w->id_at = 0;
			if (p[0] == EXT_BINARY && walk_build_at(&w->node) != 0) {
				w->micro = ST_BUILD_LEN;
				break;
			}
			w->pc++;
			if (p[0] != EXT_NO_BODY)
				w->micro = ST_STRING;
			break;
		case ST_BUILD_LEN:
			TAKE(4);
			CHECK(walk_length(in, p, &n), WALK_BAD_LENGTH);
			w->ext_end = w->off + (uint32_t)(in->p - in->start) + n;
			w->micro = 0;
			w->pc = walk_build_at(&w->node);
			break;
		case OP_EXT_END:
			n = w->off + (uint32_t)(in->p - in->start);
			CHECK(n <= w->ext_end, WALK_BAD_EXTENT);
			walk_pass(w, in, w->ext_end - n);
			w->pc++;
			break;

		case OP_NEXT_INDEX:
			if (w->field.index < UINT16_MAX)
				w->field.index++;
			w->pc++;
			break;
		case OP_NEXT_ELEMENT:
			w->field.elem++;
			w->pc++;
			break;
		case OP_MESSAGE:
			w->id_at = 0;
			if (w->node.id_type == ID_NUMERIC && w->node.ns == 0)
				w->type = w->node.num;
			w->service = walk_service_lookup(w->type, &w->response);
			CHECK(w->service != SVC_NONE, WALK_BAD_TYPE);
			w->pc = w->response ? WALK_AT(ResponseHeader) : WALK_AT(RequestHeader);
			break;
		case OP_AUTH:
		case OP_AUTH_FIELD:
			if (w->id_at == 2)
				w->node.id = w->cap;
			w->id_at = 0;
			w->pc++;
			if (op == OP_AUTH)
				w->auth = walk_auth(&w->node);
			else
				FIELD(WF_AUTH, walk_auth(&w->node));
			break;
		case OP_HANDLE:
			TAKE(4);
			w->handle = walk_le32(p);
			w->pc++;
			break;
		case OP_STATUS:
			TAKE(4);
			w->status = walk_le32(p);
			w->pc++;
			break;
		case OP_HEADER:
			w->pc = walk_body(w);
			return WALK_HEADER;
		}
	}
}

#undef TAKE
#undef CHECK
#undef DO
#undef FIELD

static inline struct walk_in
walk_input(const struct walk *w, const struct cur *c)
{
	const size_t here = cur_left(c), left = w->end - w->off;

	return (struct walk_in){c->p, c->p, here <= left ? c->end : c->p + left, left};
}

static inline void
walk_taken(struct walk *w, struct cur *c, const struct walk_in *in)
{
	c->p = in->p;
	w->off += (uint32_t)(in->p - in->start);
}

/* What most calls do, without the loop: end an element, begin the next; WALK_MORE: the
 * loop's turn. */
static inline enum walk_event
walk_quick(struct walk *w, struct walk_in *in)
{
	const uint8_t *code = (const uint8_t *)&walk_code;

	if (!w->quick)
		return WALK_MORE;
	while (code[w->pc] == OP_RET)
		if (!walk_ret(w))
			return WALK_END;
	return code[w->pc] == OP_TRY ? walk_fast(w, in, code[w->pc + 1]) : WALK_MORE;
}

static enum walk_event
walk_next_slow(struct walk *w, struct cur *c)
{
	struct walk_in in = walk_input(w, c);
	enum walk_event event;
	size_t n;

	if (w->bad != WALK_OK)
		return WALK_BAD;
	event = walk_run(w, &in);
	walk_taken(w, c, &in);
	w->quick = !(w->opts & WALK_OPT_SLOW) && (w->skip | w->cap_want | w->micro | w->bad) == 0;
	if (event == WALK_MORE) {
		if (w->off == w->end) {
			w->bad = WALK_BAD_EXTENT;
			w->quick = false;
			return WALK_BAD;
		}
		if (w->id_at == 1) { /* the node goes on, the input does not */
			n = w->node.id_len < WALK_NAME_MAX ? w->node.id_len : WALK_NAME_MAX;
			memcpy(w->cap, w->node.id, n);
			w->cap_len = (uint16_t)n;
			w->id_at = 2;
		}
	}
	return event;
}

static enum walk_event
walk_next(struct walk *w, struct cur *c)
{
	struct walk_in in = walk_input(w, c);
	enum walk_event event = walk_quick(w, &in);

	if (event == WALK_MORE)
		return walk_next_slow(w, c);
	walk_taken(w, c, &in);
	return event;
}

#endif /* OPCUA_WALK_RUN_H */
