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
 * This file has the framing and the life of a chunk.  channel.h has channel, token, numbers,
 * policy and mode; session.h what bodies say of peers, endpoints and registered nodes;
 * nodes.h the items; names.h what is leased for names; pair.h who answers whom; show.h what
 * people see.  The lists are the .def files.  The folder exports one symbol.
 */
#include <stdio.h>

#include "dissectors/opcua/common.h"

#include "dissectors/opcua/channel.h"
#include "dissectors/opcua/pair.h"
#include "dissectors/opcua/session.h"
#include "dissectors/opcua/show.h"

#define MAX_PDU 65536u

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
			uint8_t letters[3] = {(uint8_t)types[i], (uint8_t)(types[i] >> 8),
			    (uint8_t)(types[i] >> 16)};

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

/* --- facts ------------------------------------------------------------------------------ */

static const char *
msg_name(uint32_t type)
{
	switch (MSG_TYPE(type)) {
	case MSG:
		return "MSG";
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
	if (a & malformed_bits) {
		f->kind = FACT_MALFORMED;
		f->n_items = 0;
		f->next = NULL;
	}
	f->anomalies = a;
	return dis_emit(call->sink, f);
}

/* What cannot be known before the session is as far: see dissector.h, fact_props.na. */
enum { NA_TOKEN = KNOW(N_TOKEN), NA_APP = KNOW_TEXT(T_APP_URI), NA_MODE = KNOW(N_MODE) };
#define NA_ALL (NA_TOKEN | NA_APP | NA_MODE | KNOW(N_POLICY) | KNOW_TEXT(T_THUMBPRINT))

/* --- HEL, ACK, ERR, RHE: [P6] 7.1.2.3 to 7.1.2.6 ------------------------------------------ */

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

/* The five numbers of HEL and ACK. */
static uint64_t
take_sizes(struct cur *c, struct ua_ext *x)
{
	x->version = cur_le32(c);
	x->receive = cur_le32(c);
	x->send = cur_le32(c);
	x->max_message = cur_le32(c);
	x->max_chunks = cur_le32(c);
	if (!cur_ok(c))
		return 0;
	x->present |= HAS(P_VERSION) | HAS(P_RECEIVE) | HAS(P_SEND) | HAS(P_MAX_MESSAGE) |
	    HAS(P_MAX_CHUNKS);
	return (x->receive < BUFFER_MIN || x->send < BUFFER_MIN ? UA_A(BUFFER_SIZE) : 0) |
	    (x->version != 0 ? UA_A(VERSION) : 0);
}

/* Who is to say what: HEL the client; ACK, ERR, RHE the server. */
static bool
says_wrong(const struct ua *st, uint32_t type, unsigned dir, unsigned wire_dir)
{
	if (type == RHE) /* the server speaks first, where a client would */
		return (st->flags & (F_SEEN | F_REVERSED)) != 0 || wire_dir != DIR_TO_SERVER;
	return type == HEL ? dir != 0 : dir == 0;
}

static __attribute__((noinline)) void
transport(struct dis_call *call, struct cur c, uint32_t type, uint32_t size)
{
	static const uint16_t opx[] = {OPX_HELLO, OPX_ACKNOWLEDGE, OPX_ERROR, OPX_REVERSE_HELLO};
	struct ua *st = call->state;
	unsigned dir = logical_dir(call);
	uint64_t a = call->anomalies;
	uint32_t t = MSG_TYPE(type);
	struct ua_ext x;
	struct fact f;

	fact_begin(call, &f, &x, type, size);
	fact_op(&f, opx[t == HEL ? 0 : t == ACK ? 1 : t == ERR ? 2 : 3]);
	f.kind = t == HEL || t == RHE ? FACT_REQUEST : t == ACK ? FACT_RESPONSE : FACT_EXCEPTION;
	st->props.na = NA_ALL & ~st->props.known;
	if (t == HEL || t == ACK)
		a |= take_sizes(&c, &x);
	if (t == ERR) {
		uint32_t status = cur_le32(&c);

		if (cur_ok(&c))
			ext_status(&x, status);
	}
	if (t == RHE)
		a |= take_text(&c, &x, X_SERVER_URI);
	if (t != ACK)
		a |= take_text(&c, &x, t == ERR ? X_REASON : X_ENDPOINT);
	if (!cur_ok(&c))
		a |= UA_A(BODY_SHORT);
	else if (cur_left(&c) > 0)
		a |= UA_A(BODY_LONG);
	if (MSG_KIND(type) != 'F')
		a |= UA_A(CHUNK_TYPE);
	if (says_wrong(st, t, dir, call->dir))
		a |= UA_A(DIRECTION);
	if (t == ACK && st->dir[0].chunk_max && !(a & malformed_bits) && /* against HEL's */
	    ((st->dir[1].chunk_max && x.send > st->dir[1].chunk_max) || x.receive > st->dir[0].chunk_max))
		a |= UA_A(BUFFER_SIZE);
	if (!fact_emit(call, &f, a) || (a & malformed_bits))
		return;
	if (t == HEL || t == ACK)
		st->flags |= F_SEEN;
	if (t == HEL) {
		st->dir[0].chunk_max = x.send;
		st->dir[1].chunk_max = x.receive;
		st->dir[1].message_max = x.max_message;
		st->dir[1].chunks_max = x.max_chunks;
	} else if (t == ACK) { /* has the last word on both directions */
		st->dir[0].chunk_max = x.receive;
		st->dir[1].chunk_max = x.send;
		st->dir[0].message_max = x.max_message;
		st->dir[0].chunks_max = x.max_chunks;
	} else if (t == RHE) {
		st->flags |= F_REVERSED;
	}
}

/* --- OPN: [P6] 6.7.2.3, asymmetric header; [P4] 5.6.2 -------------------------------------- */

struct opn {
	uint32_t channel, seq, request;
	uint8_t policy, mode;
	bool clear;    /* policy None: all of it can be read */
	bool readable; /* and was read */
	bool answered; /* with a channel and a token */
	uint32_t granted_token;
};

/* The body, when it can be read: with policy None. */
static uint64_t
opn_body(struct cur *c, unsigned dir, struct fact *f, struct ua_ext *x, struct opn *o)
{
	struct walk w;
	enum walk_event e;

	walk_start(&w, (uint32_t)cur_left(c), 0);
	while ((e = walk_next(&w, c)) > WALK_MORE) {
		if (e != WALK_FIELD)
			continue;
		switch (w.field.id) {
		case WF_REQUEST_TYPE:
			x->request_type = w.field.num == 0 ? "issue" : "renew";
			x->present |= HAS(P_REQTYPE);
			break;
		case WF_MODE:
			o->mode = (uint8_t)(w.field.num <= MODE_CRYPT ? w.field.num : MODE_UNKNOWN);
			x->mode = mode_name(o->mode);
			x->present |= HAS(P_MODE);
			break;
		case WF_LIFETIME:
			x->lifetime = (uint32_t)w.field.num;
			x->present |= HAS(P_LIFETIME);
			break;
		case WF_TOKEN_ID:
			o->granted_token = (uint32_t)w.field.num;
			o->answered = true;
			break;
		default:
			break;
		}
	}
	f->code = (uint16_t)(w.type <= UINT16_MAX ? w.type : UINT16_MAX);
	if (e == WALK_MORE)
		return UA_A(BODY_SHORT);
	if (e == WALK_BAD) {
		x->body_error = walk_bad_name(w.bad);
		x->present |= HAS(P_BODY_ERROR);
		return UA_A(BODY_BAD);
	}
	x->handle = w.handle;
	x->present |= HAS(P_HANDLE);
	if (w.response) {
		ext_status(x, w.status);
		if (w.status >> 31)
			f->kind = FACT_EXCEPTION;
	}
	o->readable = true;
	if (w.service != SVC_OpenSecureChannel && !(dir == 1 && w.service == SVC_ServiceFault))
		return UA_A(BODY_BAD);
	if (w.response != (dir == 1))
		return UA_A(DIRECTION);
	return walk_whole(&w) && cur_left(c) > 0 ? UA_A(BODY_LONG) : 0;
}

/* Certificate and thumbprint, in what is readable of every OPN. */
static uint64_t
opn_certificates(struct cur cert, struct cur print, uint8_t policy, struct ua_ext *x)
{
	uint8_t sha1[CRYPTO_SHA1_LEN];
	size_t n = cur_left(&cert);

	if (n > 0) {
		/* A chain may follow the certificate, [P6] 6.7.2.3: DER says where the first ends. */
		if (n > 4 && cert.p[0] == 0x30 && cert.p[1] == 0x82) {
			size_t der = 4 + ((size_t)cert.p[2] << 8 | cert.p[3]);

			n = der < n ? der : n;
		}
		crypto_sha1(cert.p, n, sha1);
		x->thumbprint = crypto_hex(sha1, sizeof(sha1), x->hash[0]);
		x->present |= HAS(P_THUMB);
	}
	if (cur_left(&print) == CRYPTO_SHA1_LEN) {
		x->receiver = crypto_hex(print.p, CRYPTO_SHA1_LEN, x->hash[1]);
		x->present |= HAS(P_RECEIVER);
	}
	return (policy == POLICY_None) == (n > 0) ? UA_A(CERTIFICATE) : 0;
}

/* What OPN does wrong against what is known of the connection. */
static uint64_t
opn_check(const struct ua *st, unsigned dir, const struct opn *o)
{
	bool known = (st->flags & F_CHANNEL) != 0;
	uint64_t a = 0;

	if (o->clear) {
		a |= seq_check(&st->dir[dir], o->seq);
		if (dir == 0)
			a |= pair_check(st, o->request);
	}
	if (dir == 0 && known && o->channel != st->channel)
		a |= o->channel == 0 ? UA_A(CHANNEL_SECOND) : UA_A(CHANNEL);
	if (st->policy != POLICY_UNKNOWN && o->policy != st->policy)
		a |= UA_A(POLICY_MISMATCH);
	if (dir == 0 && o->readable && o->mode != MODE_NONE)
		a |= UA_A(MODE_MISMATCH);
	if (dir == 0 && st->listed_policy && policies[o->policy].rank < best_rank(st->listed_policy))
		a |= UA_A(DOWNGRADE);
	return a;
}

/* The OPN has gone on its way. */
static void
opn_keep(struct ua *st, unsigned dir, const struct opn *o)
{
	struct ua_dir *d = &st->dir[dir];

	st->flags |= F_SEEN;
	if (o->clear)
		seq_keep(d, o->seq);
	else
		d->flags &= (uint8_t)~D_SEQ; /* its number was cipher text */
	if (dir == 0) {
		if (o->clear)
			pair_push(st, o->request, SVC_OpenSecureChannel, 0);
		return;
	}
	if (st->policy == POLICY_UNKNOWN) /* the request was not seen */
		policy_set(st, o->policy);
	if (!(st->flags & F_CHANNEL) || st->channel != o->channel) {
		st->dir[0].flags &= (uint8_t)~(D_TOKEN | D_PLAIN | D_CRYPT);
		st->dir[1].flags &= (uint8_t)~(D_TOKEN | D_PLAIN | D_CRYPT);
		st->channel = o->channel;
	}
	st->flags = (uint16_t)((st->flags & ~F_NEXT_KNOWN) | F_NEXT_TOKEN | F_CHANNEL);
	if (o->answered) {
		st->token_next = o->granted_token;
		st->flags |= F_NEXT_KNOWN;
	}
}

/* What a request for a channel says of it, so that it is judged by that. */
static void
opn_props(struct ua *st, const struct opn *o, const struct ua_ext *x)
{
	bool other = st->policy != o->policy;

	policy_set(st, o->policy);
	if (o->clear)
		mode_set(st, o->mode);
	else if (other)
		mode_set(st, MODE_UNKNOWN); /* the first body will show */
	if (st->mode == MODE_UNKNOWN && !o->clear)
		st->props.na |= NA_MODE;
	st->props.known &= ~KNOW_TEXT(T_THUMBPRINT);
	if (x->present & HAS(P_THUMB)) {
		memcpy(st->thumbprint, x->hash[0], sizeof(x->hash[0]));
		st->props.text[T_THUMBPRINT].p = st->thumbprint;
		st->props.text[T_THUMBPRINT].n = HASH_CHARS;
		st->props.known |= KNOW_TEXT(T_THUMBPRINT);
	}
}

static __attribute__((noinline)) void
open_channel(struct dis_call *call, struct cur c, uint32_t type, uint32_t size)
{
	struct ua *st = call->state;
	unsigned dir = logical_dir(call), slot = PAIR_NONE;
	uint64_t a = call->anomalies;
	struct cur uri, cert, print;
	struct opn o = {0};
	struct fact_props props;
	uint8_t policy, mode;
	char thumbprint[sizeof(st->thumbprint)];
	struct ua_ext x;
	struct fact f;

	fact_begin(call, &f, &x, type, size);
	fact_op(&f, SVC_OpenSecureChannel);
	f.kind = dir == 0 ? FACT_REQUEST : FACT_RESPONSE;
	o.channel = cur_le32(&c);
	uri = take_string(&c);
	cert = take_string(&c);
	print = take_string(&c);
	if (!cur_ok(&c)) {
		st->props.na = NA_ALL & ~st->props.known;
		(void)fact_emit(call, &f, a | UA_A(HEADER));
		return;
	}
	o.policy = policy_of(uri.p, (uint32_t)cur_left(&uri));
	o.clear = o.policy == POLICY_None;
	x.channel = o.channel;
	x.present |= HAS(P_CHANNEL);
	if (o.policy == POLICY_OTHER) {
		ext_text(&x, X_POLICY, uri.p, cur_left(&uri) < 256 ? (uint32_t)cur_left(&uri) : 256);
		a |= UA_A(POLICY);
	} else {
		x.policy = policies[o.policy].uri;
		x.present |= HAS(P_POLICY);
	}
	a |= opn_certificates(cert, print, o.policy, &x);
	o.seq = x.seq = cur_le32(&c);
	o.request = x.request = cur_le32(&c);
	x.present |= HAS(P_REQUEST);
	if (!cur_ok(&c)) {
		a |= UA_A(HEADER);
	} else if (!o.clear) { /* number, request id and body are cipher text */
		x.present |= HAS(P_ENCRYPTED);
	} else {
		x.present |= HAS(P_SEQ);
		f.txn = o.request;
		a |= opn_body(&c, dir, &f, &x, &o);
		if (dir == 1 && (slot = pair_slot(st, o.request, st->open)) == PAIR_NONE)
			a |= pair_stray(st, o.request, call->midstream);
	}
	if (MSG_KIND(type) != 'F')
		a |= UA_A(CHUNK_TYPE);
	a |= opn_check(st, dir, &o);

	props = st->props;
	policy = st->policy;
	mode = st->mode;
	memcpy(thumbprint, st->thumbprint, sizeof(thumbprint));
	st->props.na = NA_TOKEN | NA_APP;
	if (dir == 0)
		opn_props(st, &o, &x);
	st->props.na &= ~st->props.known;
	if (fact_emit(call, &f, a) && !(a & malformed_bits)) {
		opn_keep(st, dir, &o);
		if (dir == 1 && o.clear)
			pair_close(st, slot);
	} else if (dir == 0) { /* as if it had not been said */
		policy_set(st, policy);
		st->mode = mode;
		st->props = props;
		memcpy(st->thumbprint, thumbprint, sizeof(thumbprint));
	}
}

/* --- MSG and CLO ------------------------------------------------------------------------------ */

/* One chunk, or one piece of a chunk, of a message in the clear. */
struct piece {
	bool begin, end; /* of the chunk */
	uint32_t rest;	 /* bytes of the chunk behind the piece */
};

/* Bytes that may lie behind a body when it is not known whether it is signed. */
static bool
tail_ok(size_t n)
{
	if (n == 0)
		return true;
	for (unsigned i = POLICY_None; i < POLICY_OTHER; i++)
		if (n == policies[i].sig)
			return true;
	return false;
}

/*
 * Is it really a body?  Asked once per direction, and of what looks like one among
 * cipher text; answered by walking it to its end.  Chance gives a type of ours once in
 * 2^25, a body never.
 */
static __attribute__((noinline)) bool
body_is_clear(const struct ua *st, struct cur body, struct walk *w)
{
	enum walk_event e;

	if (cur_left(&body) < TYPE_BYTES || !body_plausible(body.p))
		return false;
	if ((st->flags & F_SIG) && st->sig <= cur_left(&body))
		body.end -= st->sig;
	walk_start(w, (uint32_t)cur_left(&body), 0);
	while ((e = walk_next(w, &body)) > WALK_MORE)
		;
	return e == WALK_END && (!walk_whole(w) ||
	    (st->flags & F_SIG ? cur_left(&body) == 0 : tail_ok(cur_left(&body))));
}

/*
 * Is the body of this chunk cipher text?  With policy None it is not.  Else mode Sign
 * and mode SignAndEncrypt differ in what is seen, and what the first message of a
 * direction shows holds from then on, when the policy is known.
 */
static __attribute__((noinline)) bool
body_is_cipher(struct ua *st, struct ua_dir *d, struct cur body, bool whole, struct walk *w,
    uint64_t *a)
{
	bool plain;

	if (d->flags & D_MSG) /* goes on as it began */
		return false;
	if (cur_left(&body) < TYPE_BYTES) /* no cipher text is that short, [P6] 6.7.2.5 */
		return false;
	plain = whole ? body_is_clear(st, body, w) : body_plausible(body.p);
	if (d->flags & D_CRYPT) {
		*a |= plain && whole ? UA_A(MODE_CHANGED) : 0;
		return !(plain && whole);
	}
	if (plain && whole)
		d->flags |= D_PLAIN;
	if (st->policy != POLICY_UNKNOWN) {
		if (!plain)
			d->flags |= D_CRYPT;
		if (st->mode == MODE_UNKNOWN)
			mode_set(st, plain ? MODE_SIGN : MODE_CRYPT);
	}
	return !plain;
}

static __attribute__((noinline)) void
cipher_chunk(struct dis_call *call, const struct sym *h, uint64_t a, unsigned dir)
{
	struct ua *st = call->state;
	struct ua_ext x;
	struct fact f;

	fact_begin(call, &f, &x, h->type, h->size);
	fact_op(&f, OPX_ENCRYPTED);
	f.kind = dir == 0 ? FACT_REQUEST : FACT_RESPONSE;
	f.more = MSG_KIND(h->type) == 'C';
	x.channel = h->channel;
	x.token = h->token;
	x.request = h->request; /* cipher text, shown for whoever looks it up in Wireshark */
	x.present |= HAS(P_CHANNEL) | HAS(P_TOKEN) | HAS(P_REQUEST) | HAS(P_ENCRYPTED);
	ext_security(&x, st);
	st->props.num[N_MESSAGE] = h->size;
	st->props.num[N_CHUNKS] = 1;
	st->props.known |= KNOW(N_MESSAGE) | KNOW(N_CHUNKS) | KNOW(N_CHUNK);
	st->props.na = (NA_TOKEN | NA_APP) & ~st->props.known; /* nobody will ever see them */
	if (fact_emit(call, &f, a | FACT_A_ENCRYPTED | size_check(&st->dir[dir], h->size, 1, 0)) &&
	    !(a & malformed_bits)) {
		token_keep(st, dir, h->channel, h->token);
		st->flags |= F_SEEN;
	}
}

/* Chunk A: [P6] 6.7.3.  The message so far is void. */
static __attribute__((noinline)) void
abort_chunk(struct dis_call *call, const struct sym *h, struct cur body, uint64_t a, unsigned dir)
{
	struct ua *st = call->state;
	struct ua_dir *d = &st->dir[dir];
	bool mine = (d->flags & D_MSG) && d->request == h->request;
	unsigned slot = dir == 1 ? pair_slot(st, h->request, st->open) : PAIR_NONE;
	uint16_t opx = mine && d->w.service ? d->w.service : OPX_CHUNK;
	struct ua_ext x;
	struct fact f;
	uint32_t status;

	fact_begin(call, &f, &x, h->type, h->size);
	if (slot != PAIR_NONE)
		opx = st->pending[slot].service;
	fact_op(&f, opx);
	f.kind = dir == 0 ? FACT_REQUEST : FACT_EXCEPTION;
	f.txn = x.request = h->request;
	x.channel = h->channel;
	x.token = h->token;
	x.seq = h->seq;
	x.chunks = mine ? d->chunks + 1 : 1;
	x.chunk = "A";
	x.present |= HAS(P_CHANNEL) | HAS(P_TOKEN) | HAS(P_SEQ) | HAS(P_REQUEST) | HAS(P_CHUNKS) |
	    HAS(P_CHUNK);
	if (st->sig <= cur_left(&body))
		body.end -= st->sig;
	status = cur_le32(&body);
	a |= take_text(&body, &x, X_REASON);
	if (cur_ok(&body))
		ext_status(&x, status);
	else
		a |= UA_A(BODY_SHORT);
	if (!mine)
		a |= (d->flags & D_MSG) ? UA_A(INTERLEAVED) : UA_A(ABORT_NOTHING);
	st->props.na = (NA_TOKEN | NA_APP) & ~st->props.known;
	if (!fact_emit(call, &f, a) || (a & malformed_bits))
		return;
	seq_keep(d, h->seq);
	token_keep(st, dir, h->channel, h->token);
	d->flags &= (uint8_t)~(D_MSG | D_BAD | D_DONE);
	if (st->registering && st->register_id == h->request)
		register_end(st);
	if (dir == 1)
		pair_close(st, slot);
}

/* Which of what policy may ask for cannot exist yet, by service. */
static inline uint32_t
props_na(const struct ua *st, uint16_t opx)
{
	uint32_t na = 0;

	if (__builtin_expect(opx >= SVC_LAST, 0) || (ops[opx].sets & (S_SESSION | S_DISCOVERY))) {
		na = NA_TOKEN;
		if (opx != SVC_CreateSession && opx != SVC_ActivateSession)
			na |= NA_APP;
	}
	return na & ~st->props.known;
}

/* Walk the bytes; how it ended. */
static inline __attribute__((always_inline)) enum walk_event
body_walk(struct body *b, struct cur *c, struct fact *f)
{
	struct walk *w = &b->d->w;
	enum walk_event e;

	while ((e = walk_next(w, c)) > WALK_MORE) {
		if (__builtin_expect(e == WALK_NODE, 1)) {
			if (b->n_nodes == 0)
				node_item(b->st->names, &w->node, b->x->name[0], &f->item);
			body_node(b);
		} else if (e == WALK_HEADER) {
			b->header = true;
		} else {
			body_field(b);
		}
	}
	return e;
}

/* The walk has stopped: what is wrong with the body?  left: bytes of the chunk behind it. */
static inline uint64_t
body_ended(struct ua *st, struct ua_dir *d, struct ua_ext *x, enum walk_event e, size_t left, bool final)
{
	if (__builtin_expect(e == WALK_END, 1)) {
		d->flags |= D_DONE;
		if (left == 0 || !walk_whole(&d->w))
			return 0;
		if (!(st->flags & F_SIG) && tail_ok(left)) {
			st->sig = (uint8_t)left;
			st->flags |= F_SIG;
			return 0;
		}
		return UA_A(BODY_LONG);
	}
	if (e == WALK_MORE)
		return final ? UA_A(BODY_SHORT) : 0;
	d->flags |= D_BAD;
	if (d->w.bad == WALK_BAD_TYPE)
		return UA_A(SERVICE_UNKNOWN);
	x->body_error = walk_bad_name(d->w.bad);
	x->present |= HAS(P_BODY_ERROR);
	return UA_A(BODY_BAD);
}

/* An answer to which request?  Service of the operation it is about. */
static inline uint16_t
body_answers(struct body *b, uint8_t service)
{
	struct ua *st = b->st;

	if (b->pair == PAIR_NONE) {
		b->a |= pair_stray(st, b->request, b->call->midstream);
		return service;
	}
	if (service == SVC_ServiceFault)
		return st->pending[b->pair].service;
	if (service != SVC_NONE && service != st->pending[b->pair].service)
		b->a |= UA_A(SERVICE_MISMATCH) | FACT_A_UNSOLICITED;
	return service;
}

static inline __attribute__((always_inline)) void
body_piece(struct dis_call *call, const struct sym *h, struct cur c, struct piece at)
{
	struct ua *st = call->state;
	unsigned dir = logical_dir(call);
	struct ua_dir *d = &st->dir[dir];
	struct body b = {.call = call, .st = st, .request = h->request, .pair = PAIR_NONE};
	uint32_t known = st->props.known, size = h->size - SYM_HEAD, chunks, bytes;
	uint8_t kind = MSG_KIND(h->type), flags = d->flags;
	bool first = at.begin, final = at.end && kind == 'F', copied = false, bad, emit;
	enum walk_event e = WALK_MORE;
	struct ua_ext x;
	struct fact f;
	struct walk *w;
	uint16_t opx;
	size_t n;

	if (at.begin) {
		b.a = call->anomalies;
		if (__builtin_expect(!(st->flags & F_SEEN), 0) && cur_left(&c) >= TYPE_BYTES) {
			bool response;

			/* Midstream, the first body shows who is the server. */
			if (call->midstream && body_plausible(c.p) &&
			    walk_service_lookup((uint32_t)c.p[2] | (uint32_t)c.p[3] << 8, &response) &&
			    response != (dir == 1)) {
				st->flags ^= F_REVERSED;
				d = &st->dir[dir ^= 1];
				flags = d->flags;
			}
		}
		b.a |= token_check(st, dir, h->channel, h->token, call->midstream);
		if (MSG_TYPE(h->type) == CLO && kind != 'F')
			b.a |= UA_A(CHUNK_TYPE);
	}
	if (__builtin_expect(st->policy != POLICY_None && !(flags & D_PLAIN), 0)) {
		bool cipher = at.begin ? body_is_cipher(st, d, c, at.end && kind == 'F', &x.again, &b.a)
				       : !(flags & D_PART_OK);

		flags = d->flags = (uint8_t)(cipher ? d->flags & ~D_PART_OK : d->flags | D_PART_OK);
		if (cipher) {
			if (at.end)
				cipher_chunk(call, h, b.a, dir);
			return;
		}
	}
	if (at.begin) {
		b.a |= seq_check(d, h->seq);
		if (flags & D_MSG) {
			walk_copy(&x.before, &d->w);
			copied = true;
			first = d->request != h->request;
			if (first)
				b.a |= UA_A(INTERLEAVED);
		}
	}
	if (__builtin_expect(kind == 'A', 0)) {
		if (at.end)
			abort_chunk(call, h, c, b.a, dir);
		return;
	}
	b.d = d;
	b.x = &x;
	w = &d->w;
	/* The signature is no part of the body. */
	n = at.rest < st->sig ? st->sig - at.rest : 0;
	c.end -= n < cur_left(&c) ? n : cur_left(&c);
	fact_begin(call, &f, &x, h->type, h->size);
	if (dir == 1) {
		b.pair = (uint8_t)pair_slot(st, h->request, st->open);
		if (b.pair != PAIR_NONE)
			b.extra = st->pending[b.pair].extra;
	}
	if (first) {
		uint8_t opts = dir == 1 && b.extra && st->pending[b.pair].service == SVC_Read
		    ? WALK_OPT_TEXT : 0;

		x.left = kind != 'F' ? UINT32_MAX : at.end ? (uint32_t)cur_left(&c) : size;
		walk_start(w, x.left, opts);
		d->flags &= (uint8_t)~(D_BAD | D_DONE);
		d->nodes = 0;
		chunks = 1;
		bytes = size;
		if (dir == 0)
			b.a |= pair_check(st, h->request);
		else
			st->offer_policy = st->offer_mode = 0;
	} else {
		if (at.begin && kind == 'F')
			walk_limit(w, size);
		if (!copied)
			walk_copy(&x.before, w);
		copied = true;
		x.from = &x.before;
		chunks = d->chunks + at.begin;
		bytes = at.begin && d->bytes < UINT32_MAX - size ? d->bytes + size : d->bytes;
	}
	if (at.begin)
		b.a |= size_check(d, h->size, chunks, bytes);

	x.body = c;
	if (__builtin_expect(!(d->flags & (D_BAD | D_DONE)), 1)) {
		e = body_walk(&b, &c, &f);
		b.a |= body_ended(st, d, &x, e, cur_left(&c) + (at.rest > st->sig ? at.rest - st->sig : 0),
		    final);
	} else if (d->flags & D_BAD) { /* said again with each chunk */
		b.a |= d->w.bad == WALK_BAD_TYPE ? UA_A(SERVICE_UNKNOWN) : UA_A(BODY_BAD);
	} else if (cur_left(&c) > 0 && walk_whole(w)) {
		b.a |= UA_A(BODY_LONG);
	}

	/* What it does. */
	f.code = (uint16_t)(w->type <= UINT16_MAX ? w->type : UINT16_MAX);
	f.txn = x.request = h->request;
	opx = w->service;
	if (__builtin_expect(opx == SVC_NONE, 0) && !(d->flags & D_BAD)) {
		opx = OPX_CHUNK;
		b.a |= final ? UA_A(BODY_SHORT) : at.end ? UA_A(SERVICE_CUT) : 0;
	} else if (w->service != SVC_NONE && w->response != (dir == 1)) {
		b.a |= UA_A(DIRECTION);
	}
	if (MSG_TYPE(h->type) == CLO && w->service != SVC_CloseSecureChannel)
		b.a |= UA_A(BODY_BAD);
	bad = w->response && w->status >> 31;
	if (dir == 0) {
		f.kind = FACT_REQUEST;
	} else {
		if (opx != OPX_CHUNK)
			opx = body_answers(&b, w->service);
		f.kind = bad || w->service == SVC_ServiceFault ? FACT_EXCEPTION : FACT_RESPONSE;
		if (b.header)
			ext_status(&x, w->status);
	}
	if (final && (ops[opx].sets & (S_SESSION | S_DISCOVERY)) && !(d->flags & D_BAD))
		b.a |= session_check(&b, w->service, w->response);
	fact_op(&f, opx);
	f.more = !final;
	f.n_items = (uint16_t)b.n_nodes;
	f.next = b.n_nodes > 1 ? nodes_next : NULL;
	if (__builtin_expect(st->names != NULL, 0) && b.n_nodes && f.item.name)
		node_uri(st->names, &f.item); /* the lease may have moved */
	x.channel = h->channel;
	x.token = h->token;
	x.seq = h->seq;
	x.chunks = chunks;
	x.handle = w->handle;
	x.present |= HAS(P_CHANNEL) | HAS(P_TOKEN) | HAS(P_SEQ) | HAS(P_REQUEST) | HAS(P_CHUNKS) |
	    (b.header ? HAS(P_HANDLE) : 0);
	if (kind == 'C') {
		x.chunk = "C";
		x.present |= HAS(P_CHUNK);
	}
	if (ops[opx].sets & S_SESSION)
		ext_security(&x, st);
	st->props.num[N_MESSAGE] = bytes;
	st->props.num[N_CHUNKS] = chunks;
	st->props.known |= KNOW(N_MESSAGE) | KNOW(N_CHUNKS) | KNOW(N_CHUNK);
	if (__builtin_expect(b.token != 0 && dir == 0, 0)) {
		b.extra = b.token;
		st->props.num[N_TOKEN] = b.token - 1u < TOKEN_UNKNOWN ? b.token - 1u : UINT32_MAX;
		st->props.known |= KNOW(N_TOKEN);
	}
	if (__builtin_expect(dir == 1 && st->offer_policy != 0 && final, 0)) {
		st->props.num[N_OFFER_POLICY] = st->offer_policy;
		st->props.num[N_OFFER_MODE] = st->offer_mode;
		st->props.known |= KNOW(N_OFFER_POLICY) | KNOW(N_OFFER_MODE);
	}
	st->props.na = props_na(st, opx);
	emit = at.end || b.n_nodes > 0 || b.a != 0;
	if (emit && !fact_emit(call, &f, b.a)) { /* the other side will not see it, or see it again */
		st->props.known = known;
		client_is(st, st->app_uri, st->app_uri_len);
		d->flags = flags;
		if (copied)
			walk_copy(w, &x.before);
		if (dir == 0 && w->service == SVC_RegisterNodes)
			register_end(st);
		else if (dir == 0 && w->service == SVC_UnregisterNodes)
			names_turn(st, REC_LEAVING, REC_ALIAS);
		return;
	}

	/* It is on its way. */
	if (__builtin_expect(b.uri_len != 0, 0)) {
		st->app_uri_len = b.uri_len;
		memcpy(st->app_uri, st->props.text[T_APP_URI].p, b.uri_len);
		client_is(st, st->app_uri, b.uri_len);
	}
	st->props.known &= ~(KNOW(N_OFFER_POLICY) | KNOW(N_OFFER_MODE));
	if (b.token) /* holds when the server says so */
		st->props.known = (st->props.known & ~KNOW(N_TOKEN)) | (known & KNOW(N_TOKEN));
	if (at.begin) {
		seq_keep(d, h->seq);
		token_keep(st, dir, h->channel, h->token);
		st->flags |= F_SEEN;
		d->request = h->request;
		d->chunks = chunks;
		d->bytes = bytes;
	}
	d->nodes += b.n_nodes;
	if (!final) {
		d->flags |= D_MSG;
		return;
	}
	d->flags &= (uint8_t)~(D_MSG | D_BAD | D_DONE);
	if (dir == 1) {
		if (b.pair != PAIR_NONE && !(b.a & (UA_A(SERVICE_MISMATCH) | malformed_bits)))
			session_answer(&b, st->pending[b.pair].service, bad);
		pair_close(st, b.pair);
	} else if (MSG_TYPE(h->type) != CLO && w->service != SVC_NONE) {
		session_request(&b, w->service);
		pair_push(st, h->request, w->service, b.extra);
	} else if (MSG_TYPE(h->type) != CLO) {
		pair_push(st, h->request, SVC_NONE, 0);
	}
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

static void
opcua_pdu(struct dis_call *call, struct cur c)
{
	uint32_t size = (uint32_t)cur_left(&c), type;
	const uint8_t *p = cur_bytes(&c, MSG_HEAD);
	struct sym h;

	if (!p) /* a stream never gives this: frame() asked for more */
		return;
	type = le32(p);
	if (__builtin_expect(MSG_TYPE(type) == MSG || MSG_TYPE(type) == CLO, 1)) {
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

/* A chunk above max_pdu: its front gathers in the state, then each piece is walked. */
static void
opcua_part(struct dis_call *call, struct cur piece, uint32_t off, uint32_t total)
{
	struct ua *st = call->state;
	struct ua_dir *d = &st->dir[call->dir]; /* by the wire: only its head is used here */
	uint32_t rest = total - off - (uint32_t)cur_left(&piece);
	struct sym h;

	if (off == 0)
		d->head_len = 0;
	if (d->head_len < sizeof(d->head)) {
		d->head_len = (uint8_t)(d->head_len +
		    cur_copy(&piece, d->head + d->head_len, sizeof(d->head) - d->head_len));
		if (d->head_len < sizeof(d->head))
			return;
		h = sym_read(d->head);
		if (MSG_TYPE(h.type) == MSG || MSG_TYPE(h.type) == CLO)
			body_piece(call, &h, cur_make(d->head + SYM_HEAD, TYPE_BYTES),
			    (struct piece){.begin = true, .rest = rest + (uint32_t)cur_left(&piece)});
	}
	h = sym_read(d->head);
	if (MSG_TYPE(h.type) != MSG && MSG_TYPE(h.type) != CLO) {
		if (rest == 0) /* no other message is that long */
			headless(call, h.type, total);
	} else if (cur_left(&piece) > 0) {
		body_piece(call, &h, piece, (struct piece){.end = rest == 0, .rest = rest});
	}
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
	d->flags &= (uint8_t)~(D_MSG | D_BAD | D_DONE | D_SEQ);
	st->lost[dir] = 1;
	st->flags |= F_NEXT_TOKEN; /* an OPN may have been among it */
	st->flags &= (uint16_t)~F_NEXT_KNOWN;
}

/*
 * A ServiceFault as the server would send it, Bad_UserAccessDenied.  Only with policy
 * None, where nobody signs, and only to a request of one chunk: of a longer one the
 * server already holds a part.
 */
static size_t
opcua_refuse(const struct fact *f, uint8_t variant, uint8_t *buf, size_t size)
{
	static const uint8_t fault[] = {
	    'M', 'S', 'G', 'F', 52, 0, 0, 0,
	    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* channel, token, number, request id */
	    1, 0, 397 & 0xff, 397 >> 8,			     /* ServiceFault */
	    0, 0, 0, 0, 0, 0, 0, 0,			     /* time: not known */
	    0, 0, 0, 0,					     /* request handle */
	    0, 0, 0x1f, 0x80,				     /* Bad_UserAccessDenied */
	    0, 0, 0, 0, 0,				     /* no diagnostics, no string table */
	    0, 0, 0,					     /* no additional header */
	};
	const struct ua_ext *x = f->ext;
	uint32_t words[4];

	(void)variant;
	if (size < sizeof(fault) || !x || f->kind != FACT_REQUEST || f->more || f->opx >= SVC_LAST ||
	    f->opx == SVC_OpenSecureChannel || f->opx == SVC_CloseSecureChannel ||
	    x->st->policy != POLICY_None || x->chunks != 1 || !(x->present & HAS(P_HANDLE)))
		return 0;
	memcpy(buf, fault, sizeof(fault));
	words[0] = x->channel;
	words[1] = x->token;
	words[2] = x->st->dir[1].seq + 1;
	words[3] = x->request;
	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; k < 4; k++)
			buf[MSG_HEAD + 4 * i + k] = (uint8_t)(words[i] >> 8 * k);
	for (unsigned k = 0; k < 4; k++)
		buf[36 + k] = (uint8_t)(x->handle >> 8 * k);
	return sizeof(fault);
}

static const uint16_t ports[] = {4840, 0};

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
};
