/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quick.h - the chunk that nearly every chunk is, read in one go; included by opcua.c only.
 *
 * A message in one piece on an open channel, next in number, readable, nothing else half
 * said: the request a Read or Write of a few plain nodes or a Publish, the answer one of
 * which only the header is read ([P4] 5).  All is looked at before anything is changed, so
 * whatever is not exactly that goes to body.h as if nobody had looked; of what is, fact and
 * state become what body.h would make them (tests/unit/opcua_quick_test.c compares).
 */
#ifndef OPCUA_QUICK_H
#define OPCUA_QUICK_H

#include "dissectors/opcua/emit.h"

#define QUICK_NODES  64u /* in one request; more are not worth a second parser */
#define QUICK_BEHIND 8u	 /* bytes read behind a name, at most: they are there, see quick_text() */

/* Answers whose body is not walked, and which change nothing but the list of open requests. */
#define Q_WHOLE 0
#define Q_HEAD	1
#define Q_TEXT	1
static const uint64_t quick_answers = 0
#define SERVICE(name, request, response, answer) | (uint64_t)Q_##answer << SVC_##name
#include "dissectors/opcua/services.def"
#undef SERVICE
    ;
#undef Q_WHOLE
#undef Q_HEAD
#undef Q_TEXT
static_assert(SVC_LAST <= 64, "a bit per service");

/* A NodeId in the usual encodings. */
struct quick_id {
	const uint8_t *text; /* String: len bytes; NULL: numeric */
	uint32_t len, num;
	uint16_t ns;
};

/* What a request acts on. */
struct quick_nodes {
	struct quick_id first;
	uint32_t n, attribute; /* of the first */
};

#define INLINE static inline __attribute__((always_inline))

/* String, numeric, or NULL; -> what follows it. */
INLINE const uint8_t *
quick_node(struct quick_id *id, const uint8_t *p, const uint8_t *end)
{
	if (end - p < FAST_MIN)
		return NULL;
	id->text = NULL;
	id->len = id->num = 0;
	switch (p[0]) {
	case 0:
		id->ns = 0;
		id->num = p[1];
		return p + 2;
	case 1:
		id->ns = p[1];
		id->num = walk_le16(p + 2);
		return p + 4;
	case 2:
		id->ns = walk_le16(p + 1);
		id->num = le32(p + 3);
		return p + 7;
	case 3:
		id->ns = walk_le16(p + 1);
		id->len = le32(p + 3);
		id->text = p + 7;
		return id->len <= WALK_NAME_MAX && id->len <= (size_t)(end - p - 7) ? p + 7 + id->len
										    : NULL;
	default:
		return NULL;
	}
}

/* As walk_node_text(); a name is copied by eights, and what behind it is copied too means
 * nothing. */
INLINE uint32_t
quick_text(const struct quick_id *id, char *buf)
{
	char *to = buf;

	if (id->ns != 0) {
		memcpy(to, "ns=", 3);
		to = text_number(to + 3, id->ns);
		*to++ = ';';
	}
	to[0] = id->text ? 's' : 'i';
	to[1] = '=';
	to += 2;
	if (!id->text)
		return (uint32_t)(text_number(to, id->num) - buf);
	for (uint32_t i = 0; i < id->len; i += QUICK_BEHIND)
		memcpy(to + i, id->text + i, QUICK_BEHIND);
	return (uint32_t)(to + id->len - buf);
}
static_assert(sizeof("ns=65535;s=") + WALK_NAME_MAX + QUICK_BEHIND <= WALK_TEXT_MAX, "it fits");

/* A request header behind the message's type: what follows it, or NULL. */
INLINE const uint8_t *
quick_header(const uint8_t *p, const uint8_t *end, uint32_t *handle)
{
	static const uint8_t fixed[] = {2, 4, 7, 7, 19, 7}; /* NodeId, by encoding; then its text */
	uint32_t len = 0;

	if (end - p < FAST_MIN || p[0] >= sizeof(fixed))
		return NULL;
	if (p[0] == 3 || p[0] == 5)
		len = le32(p + 3);
	if (len > WALK_NAME_MAX || end - p < (ptrdiff_t)(fixed[p[0]] + len + 27))
		return NULL;
	p += fixed[p[0]] + len;
	*handle = le32(p + 8);
	return le32(p + 16) + 1 > 1 || (p[24] | p[25] | p[26]) != 0 ? NULL : p + 27;
}

/* Elements of the array at p. */
INLINE bool
quick_count(const uint8_t *p, const uint8_t *end, uint32_t *n)
{
	if (end - p < 4)
		return false;
	*n = le32(p);
	return *n - 1 < QUICK_NODES;
}

/* The items of a Read ([P4] 5.11.2) or Write (5.11.4) up to the end; NULL: look again. */
INLINE bool
quick_items(struct quick_nodes *q, const uint8_t *p, const uint8_t *end, bool write)
{
	struct quick_id id;
	uint32_t n;

	if (!quick_count(p, end, &q->n))
		return false;
	p += 4;
	for (n = 0; n < q->n; n++) {
		uint32_t attribute, rest;

		if (!(p = quick_node(&id, p, end)))
			return false;
		rest = write ? walk_fast_value(p, end) : walk_fast_select(p, end);
		if (rest == 0 || (!write && node_own(id.num, id.ns)))
			return false;
		attribute = le32(p);
		p += rest;
		if (n == 0) {
			q->first = id;
			q->attribute = attribute;
		}
	}
	return p == end;
}

/* What body.h has for a chunk, of what a quick look lets through. */
struct quick {
	struct dis_call *call;
	struct ua_dir *d;
	const uint8_t *head, *body, *end; /* end: without signature */
	uint32_t handle;
};

INLINE void
quick_fact(const struct quick *q, struct fact *f, struct ua_ext *x, uint16_t opx, uint16_t code)
{
	struct ua *st = q->call->state;
	uint32_t size = le32(q->head + 4), bytes = size - SYM_HEAD;

	fact_begin(q->call, f, x, MSG, size);
	fact_op(f, opx);
	f->code = code;
	f->anomalies = 0;
	f->txn = x->request = le32(q->head + 20);
	x->channel = st->channel;
	x->token = q->d->token;
	x->seq = q->d->seq + 1;
	x->chunks = 1;
	x->handle = q->handle;
	x->present |= HAS(P_CHANNEL) | HAS(P_TOKEN) | HAS(P_SEQ) | HAS(P_REQUEST) | HAS(P_CHUNKS) |
		      HAS(P_HANDLE);
	x->left = (uint32_t)(q->end - q->body);
	x->body.p = q->body;
	x->body.end = q->end;
	st->props.num[N_MESSAGE] = bytes;
	st->props.num[N_CHUNKS] = 1;
	st->props.known |= KNOW(N_MESSAGE) | KNOW(N_CHUNKS) | KNOW(N_CHUNK);
	st->props.na = KNOW_TEXT(T_ENDPOINT) & ~st->props.known;
}

/* As the end of body_piece(). */
INLINE bool
quick_emit(const struct quick *q, struct fact *f, uint32_t known)
{
	struct ua *st = q->call->state;

	if (__builtin_expect(!dis_emit(q->call->sink, f), 0)) {
		st->props.known = known;
		client_is(st, st->app_uri, st->app_uri_len);
		return false;
	}
	st->props.known &= ~(KNOW(N_OFFER_POLICY) | KNOW(N_OFFER_MODE));
	q->d->seq++;
	return true;
}

INLINE bool
quick_request(struct quick *q, uint32_t request, uint32_t known)
{
	struct ua *st = q->call->state;
	uint32_t type = le32(q->body) >> 16;
	const uint8_t *p = quick_header(q->body + TYPE_BYTES, q->end, &q->handle);
	struct quick_nodes nodes = {.n = 0};
	uint16_t opx;
	struct ua_ext x;
	struct fact f;

	if (!p || pair_check(st, request) != 0)
		return false;
	if (type == TYPE_Read) {
		opx = SVC_Read;
		if (q->end - p < 12 || !quick_items(&nodes, p + 12, q->end, false))
			return false;
	} else if (type == TYPE_Write) {
		opx = SVC_Write;
		if (!quick_items(&nodes, p, q->end, true))
			return false;
	} else if (type == TYPE_Publish) {
		opx = SVC_Publish;
		if (q->end - p < 4 || le32(p) > QUICK_NODES || q->end - p != 4 + 8 * (ptrdiff_t)le32(p))
			return false;
	} else {
		return false;
	}
	quick_fact(q, &f, &x, opx, (uint16_t)type);
	pair_pending(st);
	f.kind = FACT_REQUEST;
	f.n_items = (uint16_t)nodes.n;
	if (nodes.n != 0) {
		f.item.space = SPACE_NODE;
		f.item.access = opx == SVC_Write ? ACC_WRITE : ACC_READ;
		f.item.enc = ENC_NONE;
		f.item.masked = false;
		f.item.sub = nodes.attribute;
		f.item.first = 0;
		f.item.count = 1;
		f.item.vals = NULL;
		f.item.name = x.name[0];
		f.item.name_len = quick_text(&nodes.first, x.name[0]);
		f.item.uri = NULL;
		f.item.uri_len = 0;
		if (nodes.first.ns == 0 || st->names)
			node_uri(st->names, &f.item);
		if (nodes.n > 1)
			f.next = nodes_next;
	}
	if (quick_emit(q, &f, known)) {
		(void)pair_push(st, request, (uint8_t)opx, 0);
		/* signatures are a session's own; names of namespaces known_gist() knows, and
		 * where there are aliases nobody gets here */
		q->call->memo = st->sig != 0 || q->call->dir != DIR_TO_SERVER ? 0 : opx;
	}
	return true;
}

INLINE bool
quick_answer(struct quick *q, uint32_t request, uint32_t known)
{
	struct ua *st = q->call->state;
	const uint8_t *p = q->body + TYPE_BYTES;
	uint32_t type = le32(q->body) >> 16, status;
	struct ua_pending asked;
	unsigned slot = pair_open(st, request, &asked);
	struct ua_ext x;
	struct fact f;
	uint8_t service;

	if (slot == PAIR_NONE || asked.extra != 0 || type > WALK_ID_MAX)
		return false;
	service = asked.service;
	if (walk_by_id[type] != (0x80 | service) || !(quick_answers >> service & 1) ||
	    (ops[service].sets & (S_SESSION | S_DISCOVERY)) || p[16] != 0 ||
	    le32(p + 17) + 1 > 1 || (p[21] | p[22] | p[23]) != 0)
		return false;
	q->handle = le32(p + 8);
	status = le32(p + 12);
	st->offer_policy = st->offer_mode = 0;
	quick_fact(q, &f, &x, service, (uint16_t)type);
	f.kind = status >> 31 ? FACT_EXCEPTION : FACT_RESPONSE;
	ext_status(&x, status);
	if (quick_emit(q, &f, known))
		pair_close(st, slot);
	return true;
}

/* False: not that chunk, and nothing was changed. */
INLINE bool
quick_chunk(struct dis_call *call, const uint8_t *p, const uint8_t *end)
{
	struct ua *st = call->state;
	unsigned dir = logical_dir(call);
	struct ua_dir *d = &st->dir[dir];
	uint32_t size = (uint32_t)(end - p);
	struct quick q;

	if (size < SYM_HEAD + TYPE_BYTES + 24u + st->sig ||
	    le32(p) != (MSG | (uint32_t)'F' << 24) || call->anomalies != 0 ||
	    (st->flags & (F_SEEN | F_CHANNEL)) != (F_SEEN | F_CHANNEL) ||
	    (d->flags & (D_SEQ | D_TOKEN | D_MSG | D_BAD | D_DONE)) != (D_SEQ | D_TOKEN) ||
	    (st->policy != POLICY_None && !(d->flags & D_PLAIN)) || le32(p + 8) != st->channel ||
	    le32(p + 12) != d->token || le32(p + 16) != d->seq + 1 ||
	    size_check(d, size, 1, size - SYM_HEAD) != 0 || walk_le16(p + SYM_HEAD) != 1 ||
	    (st->names && st->names->n_alias != 0))
		return false;
	q = (struct quick){
	    .call = call, .d = d, .head = p, .body = p + SYM_HEAD, .end = end - st->sig};
	return dir == 0 ? quick_request(&q, le32(p + 20), st->props.known)
			: quick_answer(&q, le32(p + 20), st->props.known);
}

/* --- known requests, and their answers (dissector.h: gist, again) ------------------------- */

#define STAMP_BYTES 12u /* time stamp and handle of a RequestHeader, [P4] 7.33 */

/* The header's offset behind type and authentication token; 0: not one to remember. */
INLINE uint32_t
known_stamp(const uint8_t *p, uint32_t len)
{
	static const uint8_t fixed[] = {2, 4, 7, 7, 19, 7};
	uint32_t at = SYM_HEAD + TYPE_BYTES, n;

	if (len < at + FAST_MIN + 19 + STAMP_BYTES + 16 || p[at] >= sizeof(fixed))
		return 0;
	n = p[at] == 3 || p[at] == 5 ? le32(p + at + 3) : 0;
	if (n > WALK_NAME_MAX || len - at < fixed[p[at]] + n + STAMP_BYTES + 16)
		return 0;
	return at + fixed[p[at]] + n;
}

/*
 * Type and size of the chunk, type of the body, and all behind the handle.  Of the token in between
 * nobody asks what it says, but how long it is (which moves the rest, and so shows in the words'
 * number); channel, token and numbers are looked at by known_chunk().  Which namespaces the numbers in
 * node ids stand for, where the session has asked for that.
 */
INLINE uint32_t
known_gist(const struct ua *st, const uint8_t *p, uint32_t len, uint64_t *w)
{
	uint32_t stamp = known_stamp(p, len), rest = stamp + STAMP_BYTES, n;

	__builtin_prefetch(&st->pending[st->next], 1); /* pair_push() */
	if (stamp == 0 || len - rest > 8u * (DIS_GIST_WORDS - 3 - NS_DIGEST))
		return 0;
	memcpy(&w[0], p, 8);
	w[1] = le32(p + SYM_HEAD) | (uint64_t)stamp << 32;
	n = 2 + dis_words(w + 2, p + rest, len - rest);
	if (st->ns_state == NS_NONE)
		return n;
	memcpy(w + n, st->ns_digest, sizeof(st->ns_digest));
	return st->ns_state == NS_KNOWN ? n + NS_DIGEST : 0;
}

/* What quick_chunk(), quick_fact() and quick_emit() ask and leave behind, without the fact. */
INLINE bool
known_chunk(
    struct ua *st, const uint8_t *p, uint32_t size, unsigned dir, bool midstream, uint64_t memo)
{
	struct ua_dir *d = &st->dir[dir];
	uint32_t request = le32(p + 20);
	unsigned slot = PAIR_NONE;

	if (size < SYM_HEAD + TYPE_BYTES + 24u || le32(p) != (MSG | (uint32_t)'F' << 24) ||
	    le32(p + 4) != size || st->sig != 0 || (st->names && st->names->n_alias != 0) ||
	    (st->flags & (F_SEEN | F_CHANNEL | F_REVERSED)) != (F_SEEN | F_CHANNEL) ||
	    (d->flags & (D_SEQ | D_TOKEN | D_MSG | D_BAD | D_DONE)) != (D_SEQ | D_TOKEN) ||
	    (st->policy != POLICY_None && !(d->flags & D_PLAIN)) || le32(p + 8) != st->channel ||
	    le32(p + 12) != d->token || le32(p + 16) != d->seq + 1 ||
	    size_check(d, size, 1, size - SYM_HEAD) != 0 || walk_le16(p + SYM_HEAD) != 1)
		return false;
	if (dir == 0) {
		if (pair_check(st, request) != 0)
			return false;
	} else {
		const uint8_t *b = p + SYM_HEAD + TYPE_BYTES;
		uint32_t type = le32(p + SYM_HEAD) >> 16;
		struct ua_pending asked;

		slot = pair_open(st, request, &asked);
		if (slot == PAIR_NONE || asked.extra != 0 || type > WALK_ID_MAX ||
		    walk_by_id[type] != (0x80 | asked.service) ||
		    !(quick_answers >> asked.service & 1) ||
		    (ops[asked.service].sets & (S_SESSION | S_DISCOVERY)) || b[15] >> 7 != 0 ||
		    b[16] != 0 || le32(b + 17) + 1 > 1 || (b[21] | b[22] | b[23]) != 0)
			return false;
		st->offer_policy = st->offer_mode = 0;
	}
	st->props.midstream = midstream;
	st->props.num[N_CHUNK] = size;
	st->props.num[N_MESSAGE] = size - SYM_HEAD;
	st->props.num[N_CHUNKS] = 1;
	st->props.known &= ~(KNOW(N_PENDING) | KNOW(N_OFFER_POLICY) | KNOW(N_OFFER_MODE));
	st->props.known |= KNOW(N_MESSAGE) | KNOW(N_CHUNKS) | KNOW(N_CHUNK);
	st->props.na = KNOW_TEXT(T_ENDPOINT) & ~st->props.known;
	if (dir == 0) {
		pair_pending(st);
		(void)pair_push(st, request, (uint8_t)memo, 0);
	} else {
		pair_close(st, slot);
	}
	d->seq++;
	return true;
}

/* Of a chunk that was known: its service. */
INLINE uint8_t
known_service(const uint8_t *p)
{
	return walk_by_id[le32(p + SYM_HEAD) >> 16] & 0x7f;
}

#undef INLINE

#endif /* OPCUA_QUICK_H */
