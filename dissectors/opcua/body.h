/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body.h - the life of a chunk of MSG or CLO ([P6] 6.7.2), whole or in pieces;
 * included by opcua.c only.
 *
 * First everything is looked up and walked, then the fact is judged, then what it
 * changes is kept: a chunk that does not go on comes again, and must find all as it was.
 */
#ifndef OPCUA_BODY_H
#define OPCUA_BODY_H

#include "dissectors/opcua/emit.h"

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
body_is_clear(const struct ua *st, struct cur body, bool whole, struct walk *w)
{
	enum walk_event e;

	if (cur_left(&body) < TYPE_BYTES || !body_plausible(body.p))
		return false;
	if ((st->flags & F_SIG) && cur_left(&body) >= st->sig + TYPE_BYTES)
		body.end -= st->sig;
	walk_start(w, whole ? (uint32_t)cur_left(&body) : UINT32_MAX, 0);
	while ((e = walk_next(w, &body)) > WALK_MORE)
		;
	if (!whole)
		return e != WALK_BAD;
	return e == WALK_END && (!walk_whole(w) || (st->flags & F_SIG ? cur_left(&body) == 0
								      : tail_ok(cur_left(&body))));
}

/*
 * Is the body of this chunk cipher text?  With policy None it is not.  Else mode Sign
 * and mode SignAndEncrypt differ in what is seen, and what the first message of a
 * direction shows holds from then on, when the policy is known.
 */
static __attribute__((noinline)) bool
body_is_cipher(
    struct ua *st, struct ua_dir *d, struct cur body, bool whole, struct walk *w, uint64_t *a)
{
	bool plain;

	if (d->flags & D_MSG) /* goes on as it began */
		return false;
	if (cur_left(&body) < TYPE_BYTES) /* no cipher text is that short, [P6] 6.7.2.5 */
		return false;
	plain = body_is_clear(st, body, whole, w);
	if (d->flags & D_CRYPT && !whole && (st->dir[1].flags & D_CRYPT))
		return true; /* the server has said cipher text too: chance, if it looks like a body */
	if (plain && st->mode == MODE_CRYPT) {
		/* Junk in front made it look like cipher text; it is mode Sign, and stays it. */
		*a |= UA_A(MODE_CHANGED);
		mode_set(st, MODE_SIGN);
		for (unsigned i = 0; i < 2; i++)
			st->dir[i].flags = (uint8_t)((st->dir[i].flags & ~D_CRYPT) | D_PLAIN);
		return false;
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
	if (dir == 1 && !(st->dir[0].flags & D_TOKEN) && !call->midstream && !st->lost[0])
		a |= FACT_A_UNSOLICITED; /* the client has said nothing on this channel */
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
	bool mine = (d->flags & D_MSG) && st->piece[dir].request == h->request;
	unsigned slot = dir == 1 ? pair_slot(st, h->request, st->open) : PAIR_NONE;
	uint16_t opx = mine && st->piece[dir].w.service ? st->piece[dir].w.service : OPX_CHUNK;
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
	x.chunks = mine ? st->piece[dir].chunks + 1 : 1;
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
	d->flags &= (uint8_t) ~(D_MSG | D_BAD | D_DONE);
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
	if (opx == SVC_CloseSecureChannel) /* may always be closed */
		return NA_ALL;
	na &= ~st->props.known;
	if (st->policy == POLICY_None && (opx == SVC_GetEndpoints || opx == SVC_FindServers ||
	    opx == SVC_FindServersOnNetwork))
		na |= NA_DISCOVERY;
	return na;
}

/* Walk the bytes; how it ended. */
static inline enum walk_event
body_walk(struct body *b, struct cur *c, struct fact *f)
{
	struct walk *w = b->w;
	enum walk_event e;

	while ((e = walk_next(w, c)) > WALK_MORE) {
		if (__builtin_expect(e == WALK_NODE, 1)) {
			if (b->n_nodes == 0)
				node_item(b->st->names, w, b->x->name[0], &f->item);
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
body_ended(struct body *b, enum walk_event e, size_t left, bool final)
{
	struct ua *st = b->st;
	struct ua_dir *d = b->d;

	if (__builtin_expect(e == WALK_END, 1)) {
		d->flags |= D_DONE;
		if (left == 0 || !walk_whole(b->w))
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
	if (b->w->bad == WALK_BAD_TYPE)
		return UA_A(SERVICE_UNKNOWN);
	b->x->body_error = walk_bad_name(b->w->bad);
	b->x->present |= HAS(P_BODY_ERROR);
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

/* The life of a chunk or piece. */
static void
body_piece(struct dis_call *call, const struct sym *h, struct cur c, struct piece at)
{
	struct ua *st = call->state;
	unsigned dir = logical_dir(call);
	struct ua_dir *d = &st->dir[dir];
	struct body b = {.call = call, .st = st, .request = h->request, .pair = PAIR_NONE};
	uint32_t known = st->props.known, size = h->size - SYM_HEAD, chunks, bytes;
	uint8_t kind = MSG_KIND(h->type), flags = d->flags;
	bool clo = MSG_TYPE(h->type) == CLO;
	bool first = at.begin, final = at.end && kind == 'F', copied = false, bad, emit;
	enum walk_event e = WALK_MORE;
	struct ua_ext x;
	struct fact f;
	struct walk here, *w;
	struct ua_piece *m;
	uint16_t opx;
	size_t n;

	if (at.begin) {
		b.a = call->anomalies;
		if (!(st->flags & F_SEEN) && cur_left(&c) >= TYPE_BYTES) {
			bool response;

			/* Midstream, the first body shows who is the server. */
			if (call->midstream && body_plausible(c.p) &&
			    walk_service_lookup(
				(uint32_t)c.p[2] | (uint32_t)c.p[3] << 8, &response) &&
			    response != (dir == 1)) {
				st->flags ^= F_REVERSED;
				d = &st->dir[dir ^= 1];
				flags = d->flags;
			}
		}
		b.a |= token_check(st, dir, h->channel, h->token, call->midstream);
		if (clo && kind != 'F')
			b.a |= UA_A(CHUNK_TYPE);
	}
	if (st->policy != POLICY_None && !(flags & D_PLAIN)) {
		bool cipher = at.begin
				  ? body_is_cipher(st, d, c, at.end && kind == 'F', &x.again, &b.a)
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
		if ((flags & D_MSG)) {
			walk_copy(&x.before, &st->piece[dir].w);
			copied = true;
			first = st->piece[dir].request != h->request;
			if (first)
				b.a |= UA_A(INTERLEAVED);
		}
		if (__builtin_expect(b.a & (UA_A(CHANNEL) | UA_A(TOKEN) | UA_A(SEQ_REPEAT)), 0) &&
		    (kind != 'F' || flags & D_MSG))
			b.a |= UA_A(CHUNK_ASTRAY);
	}
	if (__builtin_expect(kind == 'A', 0)) {
		if (at.end)
			abort_chunk(call, h, c, b.a, dir);
		return;
	}
	m = &st->piece[dir];
	b.d = d;
	b.x = &x;
	/* A message in one piece leaves nothing behind. */
	b.w = w = first && final ? &here : &m->w;
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
				   ? WALK_OPT_TEXT
				   : 0;

		x.left = kind != 'F' ? UINT32_MAX : at.end ? (uint32_t)cur_left(&c) : size;
		walk_start(w, x.left, opts);
		d->flags &= (uint8_t) ~(D_BAD | D_DONE);
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
		chunks = m->chunks + at.begin;
		bytes = at.begin && m->bytes < UINT32_MAX - size ? m->bytes + size : m->bytes;
		b.before = m->nodes;
	}
	if (at.begin)
		b.a |= size_check(d, h->size, chunks, bytes);

	x.body = c;
	if (__builtin_expect(!(d->flags & (D_BAD | D_DONE)), 1)) {
		e = body_walk(&b, &c, &f);
		b.a |= body_ended(&b, e,
		    cur_left(&c) + (at.rest > st->sig ? at.rest - st->sig : 0), final);
	} else if (d->flags & D_BAD) { /* said again with each chunk */
		b.a |= w->bad == WALK_BAD_TYPE ? UA_A(SERVICE_UNKNOWN) : UA_A(BODY_BAD);
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
	if (clo && w->service != SVC_CloseSecureChannel)
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
	if (dir == 0)
		pair_pending(st);
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
	if (emit && !fact_emit(call, &f, b.a)) {
		/* The other side will not see it, or see it again. */
		st->props.known = known;
		client_is(st, st->app_uri, st->app_uri_len);
		d->flags = flags;
		if (copied && w != &here)
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
	}
	if (!final) {
		d->flags |= D_MSG;
		if (at.begin) {
			m->request = h->request;
			m->chunks = chunks;
			m->bytes = bytes;
		}
		m->nodes = b.before + b.n_nodes;
		return;
	}
	d->flags &= (uint8_t) ~(D_MSG | D_BAD | D_DONE);
	if (dir == 1) {
		if (b.pair != PAIR_NONE && !(b.a & (UA_A(SERVICE_MISMATCH) | malformed_bits)))
			session_answer(&b, st->pending[b.pair].service, bad);
		pair_close(st, b.pair);
	} else if (!clo) {
		if (ops[opx].sets & (S_SESSION | S_BROWSE))
			session_request(&b, w->service);
		if (__builtin_expect(chunks > 1 || b.a & UA_A(REQUEST_IN_USE), 0) &&
		    pair_void(st, h->request))
			b.extra = b.n_asked = 0;
		uint32_t bit = pair_push(st, h->request, w->service, b.extra);

		if (__builtin_expect(b.n_asked != 0, 0))
			asked_keep(st, &b, (unsigned)__builtin_ctz(bit));
	}
}

#endif /* OPCUA_BODY_H */
