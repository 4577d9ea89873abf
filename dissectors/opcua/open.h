/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open.h - the messages that open a connection and its channel: HEL, ACK, ERR, RHE
 * ([P6] 7.1.2) and OPN ([P6] 6.7.2.3); included by opcua.c only.
 */
#ifndef OPCUA_OPEN_H
#define OPCUA_OPEN_H

#include "dissectors/opcua/emit.h"

/* --- HEL, ACK, ERR, RHE: [P6] 7.1.2.3 to 7.1.2.6 ------------------------------------------ */

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
	x->present |=
	    HAS(P_VERSION) | HAS(P_RECEIVE) | HAS(P_SEND) | HAS(P_MAX_MESSAGE) | HAS(P_MAX_CHUNKS);
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
	bool on;

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
	    ((st->dir[1].chunk_max && x.send > st->dir[1].chunk_max) ||
		x.receive > st->dir[0].chunk_max))
		a |= UA_A(BUFFER_SIZE);
	if (t == HEL && !(a & malformed_bits)) {
		st->props.text[T_ENDPOINT].p = x.text[X_ENDPOINT].p;
		st->props.text[T_ENDPOINT].n = x.text[X_ENDPOINT].n;
		st->props.known |= KNOW_TEXT(T_ENDPOINT);
	}
	on = fact_emit(call, &f, a);
	st->props.known &= ~KNOW_TEXT(T_ENDPOINT); /* it was the PDU's */
	if (!on || (a & malformed_bits))
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
	if (dir == 0 && st->listed_policy &&
	    policies[o->policy].rank < best_rank(st->listed_policy))
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
		st->dir[0].flags &= (uint8_t) ~(D_TOKEN | D_PLAIN | D_CRYPT);
		st->dir[1].flags &= (uint8_t) ~(D_TOKEN | D_PLAIN | D_CRYPT);
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
	/* Midstream, bodies may have shown it before. */
	bool plain = st->policy == POLICY_UNKNOWN && (st->dir[0].flags & D_PLAIN);

	policy_set(st, o->policy);
	if (o->clear)
		mode_set(st, MODE_NONE); /* whatever it says: nothing protects it */
	else if (other)
		mode_set(st, plain ? MODE_SIGN : MODE_UNKNOWN); /* the first body will show */
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
		ext_text(
		    &x, X_POLICY, uri.p, cur_left(&uri) < 256 ? (uint32_t)cur_left(&uri) : 256);
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
	if (dir == 1 && !o.clear && st->policy == POLICY_UNKNOWN && !call->midstream)
		a |= FACT_A_UNSOLICITED; /* its request id is cipher text, but there was no request */
	a |= opn_check(st, dir, &o);

	props = st->props;
	policy = st->policy;
	mode = st->mode;
	memcpy(thumbprint, st->thumbprint, sizeof(thumbprint));
	st->props.na = NA_TOKEN | NA_APP;
	if (dir == 0)
		opn_props(st, &o, &x);
	st->props.na &= ~st->props.known;
	if (dir == 0 && o.policy == POLICY_None)
		st->props.na |= NA_DISCOVERY;
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

#endif /* OPCUA_OPEN_H */
