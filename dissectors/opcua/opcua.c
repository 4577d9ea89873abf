/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opcua.c - OPC UA: UA TCP, UA Secure Conversation, and the binary encoding.
 *
 * Specs: OPC 10000-6 v1.05, sections 5.2 (encoding), 6.7 (secure conversation),
 *                     7.1 and 7.2 (connection protocol, TCP)                   [P6]
 *        OPC 10000-4 v1.05 (services)                                         [P4]
 *
 * A PDU is one chunk; all numbers low byte first:
 *
 *    0      3      4      8         12      16       20           24
 *   +------+------+------+---------+-------+--------+------------+- - - -+- - - - -+
 *   | MSG  | F    | size | channel | token | number | request id | body  | signed  |
 *   +------+------+------+---------+-------+--------+------------+- - - -+- - - - -+
 *            C more chunks follow                   bodies of all chunks
 *            A given up        OPN has texts here   make one message     mode Sign
 *
 *   HEL ACK ERR RHE have no more than the first eight bytes in common.
 *
 * One fact per chunk.  A body is never put together: it is walked chunk by chunk (walk.h),
 * and each fact carries the nodes that its chunk completes, so that every node is judged
 * before the chunk that names it goes on.  A chunk above max_pdu is walked piece by piece.
 *
 * This file has the framing and what the engine calls.  open.h has HEL, ACK and OPN, body.h
 * MSG and CLO; channel.h channel, token, numbers, policy and mode; session.h what bodies say
 * of peers, endpoints and registered nodes; nodes.h the items; names.h what is leased for
 * names; pair.h who answers whom; quick.h the usual chunk;
 * refuse.h answers in the server's name; lend.h what others may judge for a while; show.h what people see.  The lists are the .def files.
 * The folder exports one symbol.
 */
#include "dissectors/opcua/body.h"
#include "dissectors/opcua/common.h"
#include "dissectors/opcua/identity.h"
#include "dissectors/opcua/lend.h"
#include "dissectors/opcua/open.h"
#include "dissectors/opcua/refuse.h"

/* --- framing: pure functions of the window ------------------------------------------- */

/* The least that a message of this type takes, with its header; 0: no type of ours. */
static uint32_t
size_min(uint32_t type)
{
	switch (type) {
	case MSG:
	case CLO:
		return SYM_HEAD;
	case HEL:
		return MSG_HEAD + 24; /* five numbers and a string, [P6] 7.1.2.3 */
	case ACK:
		return MSG_HEAD + 20;
	case ERR:
	case RHE:
		return MSG_HEAD + 8;
	case OPN:
		return MSG_HEAD + 24; /* channel, three strings, number, request id: 6.7.2.3 */
	default:
		return 0;
	}
}

static inline bool
kind_ok(uint8_t kind)
{
	return kind == 'F' || kind == 'C' || kind == 'A';
}

static int32_t
opcua_frame(struct cur c, enum dis_dir dir, uint8_t variant)
{
	const uint8_t *p = cur_bytes(&c, MSG_HEAD);
	uint32_t type, size;

	(void)dir;
	(void)variant;
	if (!p)
		return FRAME_MORE;
	type = le32(p);
	size = le32(p + 4);
	if (!kind_ok(MSG_KIND(type)) || size > CHUNK_MAX || size < MSG_HEAD ||
	    size_min(MSG_TYPE(type)) == 0)
		return FRAME_BAD;
	return (int32_t)size;
}

/*
 * YES: a type, a chunk kind that the type may have, and a size that is neither too
 * small for it nor beyond reason: 52 bits of 64.  Nothing more can be asked of cipher
 * text.  Some types are said by one side only.
 */
static enum dis_probe_result
opcua_probe(struct cur c, enum dis_dir dir, uint8_t *variant)
{
	static const uint32_t types[] = {MSG, OPN, HEL, ACK, ERR, RHE, CLO};
	size_t n = cur_left(&c);
	uint32_t type, size;
	const uint8_t *p;

	*variant = 0;
	if (n < MSG_HEAD) { /* as far as it goes, is it the front of one? */
		for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
			uint8_t letters[3] = {
			    (uint8_t)types[i], (uint8_t)(types[i] >> 8), (uint8_t)(types[i] >> 16)};

			if (memcmp(c.p, letters, n < 3 ? n : 3) == 0 && (n < 4 || kind_ok(c.p[3])))
				return PROBE_MAYBE;
		}
		return PROBE_NO;
	}
	p = cur_bytes(&c, MSG_HEAD);
	type = le32(p);
	size = le32(p + 4);
	if (size_min(MSG_TYPE(type)) == 0 || size < size_min(MSG_TYPE(type)) || size > CHUNK_MAX ||
	    !kind_ok(MSG_KIND(type)) || (MSG_KIND(type) != 'F' && MSG_TYPE(type) != MSG))
		return PROBE_NO;
	if ((MSG_TYPE(type) == HEL || MSG_TYPE(type) == CLO) && dir == DIR_TO_CLIENT)
		return PROBE_MAYBE; /* the client's, unless the server called it */
	if (MSG_TYPE(type) == ACK && dir == DIR_TO_SERVER)
		return PROBE_MAYBE;
	return PROBE_YES;
}

/* --- what the engine calls ---------------------------------------------------------------------- */

static void
headless(struct dis_call *call, uint32_t type, uint32_t size)
{
	struct ua *st = call->state;
	struct ua_ext x;
	struct fact f;

	fact_begin(call, &f, &x, type, size);
	fact_op(&f, OPX_CHUNK);
	st->props.na = NA_ALL & ~st->props.known;
	(void)fact_emit(call, &f, call->anomalies | UA_A(HEADER));
}

static __attribute__((noinline)) void
pdu_general(struct dis_call *call, struct cur c)
{
	uint32_t size = (uint32_t)cur_left(&c), type;
	const uint8_t *p = cur_bytes(&c, MSG_HEAD);
	struct sym h;

	if (!p) /* a stream never gives this: frame() asked for more */
		return;
	type = le32(p);
	if (MSG_TYPE(type) == MSG || MSG_TYPE(type) == CLO) {
		if (!cur_bytes(&c, SYM_HEAD - MSG_HEAD)) {
			headless(call, type, size);
			return;
		}
		h = sym_read(p);
		h.size = size; /* which is what frame() read there */
		body_piece(call, &h, c, (struct piece){.begin = true, .end = true});
	} else if (MSG_TYPE(type) == OPN) {
		open_channel(call, c, type, size);
	} else {
		transport(call, c, type, size);
	}
}

/* A message has been read, or a piece of one. */
static inline void
namespaces_read(struct dis_call *call)
{
	struct ua *st = call->state;

	if (__builtin_expect(st->ns_state == NS_CHANGED, 0))
		names_digest(call, st);
}

/* p and end in words of their own: as one they are written to the stack by halves and read
 * whole, for which a CPU waits longer than the rest takes. */
static void
opcua_pdu(struct dis_call *call, struct cur c)
{
	const uint8_t *p = c.p, *end = c.end;

	if (__builtin_expect(!quick_chunk(call, p, end), 0)) {
		pdu_general(call, cur_make(p, (size_t)(end - p)));
		namespaces_read(call);
	}
}

static uint32_t
opcua_gist(const void *state, const uint8_t *p, uint32_t len, uint8_t variant, uint64_t *w)
{
	(void)variant;
	return known_gist(state, p, len, w);
}

static bool
opcua_again(
    void *state, const uint8_t *p, uint32_t len, enum dis_dir dir, bool midstream, uint64_t memo)
{
	return known_chunk(state, p, len, dir, midstream, memo);
}

static uint16_t
opcua_known_opx(const uint8_t *p, enum dis_dir dir)
{
	(void)dir;
	return known_service(p);
}

/* A chunk above max_pdu: its front gathers in the state, then each piece is walked. */
static void
opcua_part(struct dis_call *call, struct cur piece, uint32_t off, uint32_t total)
{
	struct ua *st = call->state;
	struct ua_dir *d = &st->dir[call->dir]; /* by the wire: a piece knows no better */
	uint8_t *head = st->piece[call->dir].head;
	uint32_t rest = total - off - (uint32_t)cur_left(&piece);
	struct sym h;

	if (off == 0)
		d->head_len = 0;
	if (d->head_len < PIECE_HEAD) {
		d->head_len = (uint8_t)(d->head_len +
					cur_copy(&piece, head + d->head_len, (size_t)PIECE_HEAD - d->head_len));
		if (d->head_len < PIECE_HEAD)
			return;
		h = sym_read(head);
		if (MSG_TYPE(h.type) == MSG || MSG_TYPE(h.type) == CLO)
			body_piece(call, &h, cur_make(head + SYM_HEAD, TYPE_BYTES),
			    (struct piece){
				.begin = true, .rest = rest + (uint32_t)cur_left(&piece)});
	}
	h = sym_read(head);
	if (MSG_TYPE(h.type) != MSG && MSG_TYPE(h.type) != CLO) {
		if (rest == 0) /* no other message is that long */
			headless(call, h.type, total);
	} else if (cur_left(&piece) > 0) {
		body_piece(call, &h, piece, (struct piece){.end = rest == 0, .rest = rest});
	}
	namespaces_read(call);
}

static void
opcua_gap(struct dis_call *call, uint32_t lost)
{
	struct ua *st = call->state;
	unsigned dir = logical_dir(call);
	struct ua_dir *d = &st->dir[dir];

	(void)lost;
	if (st->registering)
		register_end(st);
	d->flags &= (uint8_t) ~(D_MSG | D_BAD | D_DONE | D_SEQ);
	st->lost[dir] = 1;
	st->flags |= F_NEXT_TOKEN; /* an OPN may have been among it */
	st->flags &= (uint16_t)~F_NEXT_KNOWN;
}

static void
walk_moved(struct walk *w)
{
	w->node.id = w->id_at == 2 ? w->cap : NULL;
	w->field.p = NULL;
}

static bool
opcua_moved(void *state, void *lease, uint32_t bytes)
{
	struct ua *st = state;

	if (st->next >= PENDING || st->app_uri_len > APP_URI_MAX || st->policy > POLICY_OTHER ||
	    st->mode > MODE_CRYPT || st->ep_mode > MODE_CRYPT)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		const struct walk *w = &st->piece[i].w;

		if (st->dir[i].head_len > PIECE_HEAD || w->sp > WALK_STACK ||
		    w->cap_len > sizeof(w->cap) || w->cap_want > sizeof(w->cap) ||
		    w->held > sizeof(w->part) || w->service >= SVC_LAST)
			return false;
		walk_moved(&st->piece[i].w);
	}
	if (st->names) {
		st->names = lease;
		if (!lease || st->names->size > bytes)
			return false;
	}
	st->thumbprint[HASH_CHARS] = '\0';
	st->props.text[T_THUMBPRINT].p = st->thumbprint;
	st->props.text[T_THUMBPRINT].n = HASH_CHARS;
	client_is(st, st->app_uri, st->app_uri_len);
	st->props.known &= ~KNOW_TEXT(T_ENDPOINT);
	return true;
}

static const uint16_t ports[] = {4840, 0};

/* Publish waits until there is something to publish. */
static bool
opcua_patient(const struct fact *f)
{
	return f->opx == SVC_Publish;
}

const struct dissector dissector_opcua = {
    .name = "opcua",
    .spec = "OPC 10000-6 v1.05 (UA TCP, UASC, binary encoding); OPC 10000-4 v1.05 (services)",
    .ports = ports,
    .max_pdu = MAX_PDU,
    .state_size = sizeof(struct ua),
    .schema = &schema,
    .probe = opcua_probe,
    .frame = opcua_frame,
    .pdu = opcua_pdu,
    .part = opcua_part,
    .gap = opcua_gap,
    .refuse = opcua_refuse,
    .at_rest = opcua_at_rest,
    .lend = opcua_lend,
    .back = opcua_back,
    .alike = opcua_alike,
    .renumber = opcua_renumber,
    .moved = opcua_moved,
    .patient = opcua_patient,
    .gist = opcua_gist,
    .again = opcua_again,
    .known_opx = opcua_known_opx,
    .identity = opcua_identity,
};
