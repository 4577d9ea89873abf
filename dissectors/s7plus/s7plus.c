/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s7plus.c - S7comm-plus, what the S7-1200 and S7-1500 speak with TIA Portal and HMIs.
 *
 * Spec: none is published.  What is here was read off captures and agrees with what
 * others found ([WIENS] S7comm-plus for Wireshark and S7CommPlusDriver, as
 * descriptions of the protocol).  Transport: iso_tcp.h.  TLS: tls.h.
 *
 *    0      1      2        4                                4 + length
 *   +------+------+--------+- - - - - - - - - - - - - - - - -+------+------+-------+
 *   | 0x72 | ver  | length | (digest) opcode ...             | 0x72 | ver  | 00 00 |
 *   +------+------+--------+- - - - - - - - - - - - - - - - -+------+------+-------+
 *                            version 3: 0x20, 32 bytes         trailer; not there: the
 *                                                              PDU goes on in a next frame
 *   +--------+-------+----------+-------+-----+---------+-------+- - - -
 *   | opcode | 00 00 | function | 00 00 | seq | session | flags | body      request
 *   +--------+-------+----------+-------+-----+---------+-------+- - - -
 *                                              (a response has no session)
 *
 * One frame per TSDU, one fact per frame.  This file has the framing, the probe and
 * the life of a PDU; body.h reads what it does, pair.h knows which request is
 * answered, show.h writes JSON.  The lists are ops.def and anomalies.def.  All are
 * included here, so that the folder exports one symbol.
 */
#include "dissectors/s7plus/body.h"
#include "dissectors/s7plus/common.h"
#include "dissectors/s7plus/pair.h"
#include "dissectors/s7plus/show.h"
#include "dissectors/s7plus/tls.h"

/* --- framing ----------------------------------------------------------------------- */

/*
 * Does the data of a DT, of which up to 4 bytes are here, begin a message of another
 * protocol?  Its first byte alone does not say so: within TLS a DT may begin
 * with any byte.  So: S7 (0x32, ROSCTR, two zero bytes; in tiny DTs as much of it as
 * there is) and the session layer of MMS (ISO 8327: CONNECT, ACCEPT, or the empty
 * GIVE TOKENS in front of data).
 */
static bool
is_foreign(const uint8_t *p, size_t n)
{
	static const struct {
		uint8_t b[4], mask[4];
	} begins[] = {
		{{0x32, 0x00, 0x00, 0x00}, {0xff, 0xf8, 0xff, 0xff}},
		{{0x0d, 0x00, 0x05, 0x06}, {0xff, 0x00, 0xff, 0xff}},
		{{0x0e, 0x00, 0x05, 0x06}, {0xff, 0x00, 0xff, 0xff}},
		{{0x01, 0x00, 0x01, 0x00}, {0xff, 0xff, 0xff, 0xff}},
	};

	for (size_t k = 0; k < sizeof(begins) / sizeof(begins[0]); k++) {
		size_t i = 0;

		while (i < n && i < 4 && (p[i] & begins[k].mask[i]) == begins[k].b[i])
			i++;
		if (i == 4 || (i == n && k == 0))
			return true;
	}
	return false;
}

static int32_t
s7plus_frame(struct cur w, enum dis_dir dir, uint8_t variant)
{
	struct cur c = w;
	const uint8_t *p = cur_bytes(&c, ISO_DT_LEN);
	size_t want;
	int32_t n;

	(void)dir;
	if (!p)
		return FRAME_MORE;
	n = iso_tpkt(p);
	if (n <= ISO_DT_LEN || p[5] != ISO_DT) /* bad, empty, or no DT: one TPKT */
		return n;
	want = n - ISO_DT_LEN < 4 ? (size_t)(n - ISO_DT_LEN) : 4;
	if (cur_left(&c) == 0)
		return FRAME_MORE;
	if (c.p[0] != S7P_ID && !(variant & VARIANT_OURS)) {
		if (cur_left(&c) < want)
			return FRAME_MORE;
		if (is_foreign(c.p, want))
			return FRAME_OTHER;
	}
	return p[6] & ISO_EOT ? n : iso_frame_rest(w, (uint32_t)n);
}

/* A connection request or confirm whose called TSAP is that of a CPU's object server. */
static enum dis_probe_result
probe_connect(struct cur w, size_t len)
{
	static const char root[] = "SIMATIC-ROOT-";
	struct iso_ctl ctl;

	if (cur_left(&w) < len)
		return PROBE_MAYBE;
	if (!iso_read_ctl(cur_take(&w, len), &ctl) || ctl.short_)
		return PROBE_NO;
	if (cur_left(&ctl.dst) < sizeof(root) - 1 || memcmp(ctl.dst.p, root, sizeof(root) - 1) != 0)
		return PROBE_NO;
	return PROBE_YES;
}

/* Data of the first DT: 0x72 and lengths that agree, or a TLS record. */
static enum dis_probe_result
probe_data(struct cur c, size_t len, bool eot)
{
	struct cur data = c;
	size_t all, have = cur_left(&c) < len ? cur_left(&c) : len;
	uint8_t id = cur_u8(&data), version = cur_u8(&data);
	uint16_t n = cur_be16(&data);

	if (have == 0)
		return PROBE_MAYBE;
	if (id != S7P_ID) {
		if (!tls_begins(c.p, have < TLS_HEAD ? have : TLS_HEAD))
			return PROBE_NO;
		return have < TLS_HEAD ? PROBE_MAYBE : PROBE_YES;
	}
	if (have < S7P_HEAD)
		return PROBE_MAYBE;
	if (version == V_KEEP_ALIVE || version == V_EVENT)
		return PROBE_YES;
	all = S7P_HEAD + (size_t)n;
	if (version < V_1 || version > V_3 || (eot && len != all && len != all + S7P_TRAILER))
		return PROBE_MAYBE; /* nobody else's either; malformed when it is all here */
	return PROBE_YES;
}

static enum dis_probe_result
s7plus_probe(struct cur w, enum dis_dir dir, uint8_t *variant)
{
	struct cur c = w;
	const uint8_t *p = cur_bytes(&c, ISO_DT_LEN);
	int32_t n;

	(void)dir;
	*variant = 0;
	if (!p)
		return iso_may_begin(w) ? PROBE_MAYBE : PROBE_NO;
	n = iso_tpkt(p);
	if (n == FRAME_BAD)
		return PROBE_NO;
	if ((p[5] & 0xf0) == ISO_CR || (p[5] & 0xf0) == ISO_CC)
		return probe_connect(w, (size_t)n);
	if (p[5] != ISO_DT || n == ISO_DT_LEN)
		return PROBE_NO;
	return probe_data(c, (size_t)n - ISO_DT_LEN, (p[6] & ISO_EOT) != 0);
}

/* A TSAP is no proof that the other side speaks it; a message is. */
static bool
s7plus_settled(const void *state)
{
	const struct conn *st = state;

	return st->spoken;
}

/* --- one PDU ------------------------------------------------------------------------ */

/* What a fact and its JSON start from. */
static void
begin(const struct dis_call *call, struct conn *st, struct fact *f, struct ext *x)
{
	*f = (struct fact){.dir = call->dir, .anomalies = call->anomalies, .ext = x,
	    .props = &st->props};
	f->kind = call->dir == DIR_TO_SERVER ? FACT_REQUEST : FACT_RESPONSE;
	*x = (struct ext){0};
	st->props.known &= KNOWS_TEXT(TEXT_TSAP);
	st->props.na = 0;
	st->props.midstream = call->midstream && !st->connected;
	fact_op(f, OPX_UNKNOWN);
}

static bool
emit(struct dis_call *call, struct fact *f)
{
	if (f->anomalies & malformed_bits)
		f->kind = FACT_MALFORMED;
	return dis_emit(call->sink, f);
}

static void
set_tsap(struct tsap *t, struct cur c, uint64_t *a)
{
	static const char digits[] = "0123456789abcdef";
	bool text = cur_left(&c) > 0;

	t->n = 0;
	if (cur_left(&c) > TSAP_MAX) {
		*a |= S7P_A(TSAP_LENGTH);
		return;
	}
	for (size_t i = 0; i < cur_left(&c); i++)
		text &= c.p[i] >= 0x20 && c.p[i] < 0x7f;
	while (cur_left(&c) > 0) {
		uint8_t b = cur_u8(&c);

		if (text) {
			t->text[t->n++] = (char)b;
		} else {
			t->text[t->n++] = digits[b >> 4];
			t->text[t->n++] = digits[b & 15];
		}
	}
}

/* A TPKT that is no DT. */
static void
control(struct dis_call *call, struct cur c)
{
	struct conn *st = call->state, was = {.asked = st->asked};
	struct iso_ctl ctl;
	struct fact f;
	struct ext x;

	was.called = st->called;
	was.calling = st->calling;
	was.props = st->props;
	begin(call, st, &f, &x);
	x.tpdu = "other";
	x.present = HAS(P_TPDU);
	if (!iso_read_ctl(c, &ctl) || ctl.short_)
		f.anomalies |= S7P_A(TPDU_SHORT);
	f.code = 0x100 | ctl.type;
	x.dst_ref = ctl.dst_ref;
	x.src_ref = ctl.src_ref;
	x.present |= HAS(P_REFS);
	st->props.na = KNOWS_NUM(NUM_VERSION) | KNOWS_NUM(NUM_PDU);
	if (ctl.unknown)
		f.anomalies |= S7P_A(TPDU_PARAMETER);
	switch (ctl.type) {
	case ISO_CR:
	case ISO_CC:
		fact_op(&f, OPX_CONNECT);
		x.tpdu = ctl.type == ISO_CR ? "CR" : "CC";
		x.tpdu_size = ctl.tpdu_size;
		x.present |= ctl.tpdu_size ? HAS(P_TPDU_SIZE) : 0;
		x.conn = st;
		if ((ctl.type == ISO_CR) != (call->dir == DIR_TO_SERVER))
			f.anomalies |= S7P_A(DIRECTION);
		else if (ctl.type == ISO_CR && (st->asked || st->connected))
			f.anomalies |= S7P_A(CONNECT_AGAIN);
		else if (ctl.type == ISO_CC && !st->asked && !call->midstream)
			f.anomalies |= FACT_A_UNSOLICITED;
		if (ctl.dst.p || ctl.type == ISO_CR) {
			set_tsap(&st->called, ctl.dst, &f.anomalies);
			set_tsap(&st->calling, ctl.src, &f.anomalies);
		}
		st->props.known = st->called.n ? KNOWS_TEXT(TEXT_TSAP) : 0;
		st->props.text[TEXT_TSAP].p = st->called.text;
		st->props.text[TEXT_TSAP].n = st->called.n;
		break;
	case ISO_DR:
	case ISO_DC:
		fact_op(&f, OPX_DISCONNECT);
		x.tpdu = ctl.type == ISO_DR ? "DR" : "DC";
		if (ctl.type == ISO_DR) {
			x.reason = ctl.option;
			x.present |= HAS(P_REASON);
		}
		break;
	case ISO_ER:
		fact_op(&f, OPX_TRANSPORT_ERROR);
		x.tpdu = "ER";
		x.reason = ctl.option;
		x.present |= HAS(P_REASON);
		break;
	default:
		fact_op(&f, OPX_TRANSPORT_OTHER);
		f.anomalies |= S7P_A(TPDU_TYPE);
		break;
	}
	if (!emit(call, &f)) { /* the other side does not know of it, nor do we */
		st->called = was.called;
		st->calling = was.calling;
		st->props = was.props;
	} else if (ctl.type == ISO_CR) {
		st->asked = true;
	} else if (ctl.type == ISO_CC) {
		st->asked = false;
		st->connected = true;
	}
}

/* A DT without data: devices acknowledge with it, [X.224] has no use for it. */
static void
empty(struct dis_call *call)
{
	struct conn *st = call->state;
	struct fact f;
	struct ext x;

	begin(call, st, &f, &x);
	f.code = 0x100 | ISO_DT;
	fact_op(&f, OPX_KEEP_ALIVE);
	st->props.na = KNOWS_NUM(NUM_VERSION) | KNOWS_NUM(NUM_PDU);
	(void)emit(call, &f);
}

static void
encrypted(struct dis_call *call, struct cur data)
{
	struct conn *st = call->state;
	struct tls t = st->tls[call->dir];
	struct fact f;
	struct ext x;

	begin(call, st, &f, &x);
	fact_op(&f, OPX_ENCRYPTED);
	x.tls_bytes = (uint32_t)cur_left(&data);
	x.encrypted = true;
	if (!t.on && call->midstream && st->tls[call->dir ^ 1].on)
		t.lost = true;
	if (tls_walk(&t, data, &x)) {
		f.code = t.type ? t.type : ops[OPX_ENCRYPTED].code;
		f.anomalies |= FACT_A_ENCRYPTED;
		x.present |= HAS(P_TLS);
	} else {
		f.anomalies |= t.on ? S7P_A(TLS_RECORD) : S7P_A(NOT_S7PLUS);
		x.encrypted = false;
		fact_op(&f, OPX_UNKNOWN);
	}
	if (emit(call, &f) && f.kind != FACT_MALFORMED) {
		st->tls[call->dir] = t;
		st->spoken = true;
	}
}

static void
notification(struct conn *st, bool midstream, struct cur *c, struct fact *f, struct ext *x)
{
	fact_op(f, OPX_NOTIFICATION);
	f->code = OC_NOTIFICATION;
	x->object = cur_be32(c);
	cur_skip(c, 6);
	x->tick = cur_u8(c);
	x->present |= HAS(P_OBJECT) | HAS(P_TICK);
	if (f->dir != DIR_TO_CLIENT)
		f->anomalies |= S7P_A(DIRECTION);
	else if (cur_ok(c) && !is_subscription(st, x->object) && !st->subs_full) {
		if (!st->session_known || midstream || st->lost) /* made before we came */
			learn(st, OPX_CREATE_SUBSCRIPTION, x->object);
		else
			f->anomalies |= FACT_A_UNSOLICITED;
	}
}

/* What a frame leaves to be remembered when the other side gets to see it. */
struct after {
	struct pair_hit hit;
	uint32_t created;
	uint8_t opx; /* of the function */
};

/* Opcode to body of a PDU's first frame. False: no opcode. */
static bool
first(struct dis_call *call, struct cur *c, bool goes_on, struct fact *f, struct ext *x,
    struct after *after)
{
	struct conn *st = call->state;
	uint8_t opcode = cur_u8(c);

	x->opcode = opcode;
	x->present |= HAS(P_OPCODE);
	if (opcode == OC_NOTIFICATION) {
		notification(st, call->midstream, c, f, x);
		return true;
	}
	if (opcode != OC_REQUEST && opcode != OC_RESPONSE && opcode != OC_RESPONSE_2)
		return false;
	cur_skip(c, 2);
	f->code = cur_be16(c);
	cur_skip(c, 2);
	x->seq = cur_be16(c);
	f->txn = x->seq;
	x->present |= HAS(P_SEQ);
	if (f->code >= FN_FIRST && f->code <= FN_LAST)
		after->opx = fn_opx[f->code - FN_FIRST];
	if (!after->opx)
		f->anomalies |= S7P_A(FUNCTION);
	if (opcode == OC_REQUEST) {
		x->session = f->unit = cur_be32(c);
		x->present |= HAS(P_SESSION) | HAS(P_FLAGS);
		x->flags = cur_u8(c);
		fact_op(f, request(st, after->opx, c, goes_on, call->midstream || st->lost, x,
			       &f->anomalies));
		f->anomalies |= pair_check(st, x->seq);
		if (st->session_known && x->session != st->session &&
		    x->session != ID_NULL_SESSION && x->session != 0)
			f->anomalies |= S7P_A(SESSION);
	} else {
		x->flags = cur_u8(c);
		x->present |= HAS(P_FLAGS);
		response(c, opcode, x);
		if (x->has_error && x->error < 0)
			f->kind = FACT_EXCEPTION;
		after->hit = pair_find(st, x->seq, after->opx, call->midstream);
		f->anomalies |= after->hit.anomalies;
		fact_op(f, after->hit.slot == SLOT_NONE ? after->opx : st->req[after->hit.slot].as);
		if (after->opx == OPX_CREATE && f->kind == FACT_RESPONSE)
			after->created = created_id(*c);
	}
	if ((opcode == OC_REQUEST) != (call->dir == DIR_TO_SERVER)) {
		f->anomalies |= S7P_A(DIRECTION);
		after->hit.slot = SLOT_NONE;
	}
	return true;
}

/* Data of one frame of version 1 to 3. */
static void
message(struct dis_call *call, struct cur c, uint8_t version, bool last)
{
	struct conn *st = call->state;
	struct frag g = st->frag[call->dir];
	struct after after = {{SLOT_NONE, 0}, 0, OPX_UNKNOWN};
	uint32_t bytes = (uint32_t)cur_left(&c);
	struct fact f;
	struct ext x;

	begin(call, st, &f, &x);
	x.version = version;
	x.data_len = (uint16_t)bytes;
	x.present = HAS(P_VERSION) | HAS(P_LENGTH);
	if (version == V_3 && cur_left(&c) > S7P_DIGEST && c.p[0] == S7P_DIGEST) {
		cur_skip(&c, 1 + S7P_DIGEST);
		x.integrity = S7P_DIGEST;
		x.present |= HAS(P_INTEGRITY);
	} else if (version == V_3 && !g.on) {
		f.anomalies |= S7P_A(INTEGRITY);
	}
	if (g.on) {
		if (version != g.version)
			f.anomalies |= S7P_A(FRAGMENT_VERSION);
		f.kind = g.kind;
		f.code = g.code;
		f.txn = x.seq = g.seq;
		x.opcode = g.opcode;
		x.present |= HAS(P_OPCODE) | (g.opx == OPX_NOTIFICATION ? 0 : HAS(P_SEQ));
		fact_op(&f, g.opx);
	} else if (!first(call, &c, !last, &f, &x, &after)) {
		x.present &= ~HAS(P_OPCODE);
		fact_op(&f, OPX_FRAGMENT);
		f.code = ops[OPX_FRAGMENT].code;
		f.anomalies |= call->midstream || st->lost || (call->anomalies & FACT_A_GAP) ?
		    S7P_A(FRAGMENT_UNKNOWN) : S7P_A(OPCODE);
	} else if (!cur_ok(&c)) {
		f.anomalies |= S7P_A(BODY_SHORT);
	}
	if (g.on || !last) {
		if (!g.on)
			g = (struct frag){.version = version, .opcode = x.opcode, .kind = f.kind,
			    .opx = (uint8_t)f.opx, .code = f.code, .seq = x.seq};
		g.n = g.n < UINT8_MAX ? g.n + 1 : g.n;
		g.bytes += bytes;
		x.fragment = g.n;
		x.present |= HAS(P_FRAGMENT);
		bytes = g.bytes;
		g.on = !last;
	}
	if (st->tls[0].on || st->tls[1].on)
		f.anomalies |= S7P_A(PLAIN_IN_TLS);
	st->props.num[NUM_VERSION] = version;
	st->props.num[NUM_PDU] = bytes;
	st->props.known |= KNOWS_NUM(NUM_VERSION) | KNOWS_NUM(NUM_PDU);
	if (!emit(call, &f))
		return;
	st->frag[call->dir] = g;
	if (f.kind == FACT_MALFORMED)
		return;
	st->spoken = true;
	if (x.fragment > 1)
		return;
	if (x.opcode == OC_REQUEST) {
		pair_push(st, x.seq, after.opx, (uint8_t)f.opx, !(x.flags & FLAG_NO_ANSWER));
	} else if (after.hit.slot != SLOT_NONE) {
		learn(st, st->req[after.hit.slot].as, after.created);
		pair_close(st, &after.hit);
	}
}

/* System events and the extended keep-alive have no opcode and no trailer. */
static void
event(struct dis_call *call, struct cur c, uint8_t version)
{
	struct conn *st = call->state;
	uint8_t opx = version == V_EVENT ? OPX_SYSTEM_EVENT : OPX_KEEP_ALIVE_EXT;
	struct fact f;
	struct ext x;

	begin(call, st, &f, &x);
	fact_op(&f, opx);
	f.code = ops[opx].code;
	x.version = version;
	x.data_len = (uint16_t)cur_left(&c);
	x.present = HAS(P_VERSION) | HAS(P_LENGTH);
	st->props.na = KNOWS_NUM(NUM_VERSION);
	st->props.num[NUM_PDU] = x.data_len;
	st->props.known |= KNOWS_NUM(NUM_PDU);
	(void)emit(call, &f);
}

/* A TSDU that contradicts itself: what is wrong is all there is to say. */
static void
broken(struct dis_call *call, uint64_t anomalies)
{
	struct fact f;
	struct ext x;

	begin(call, call->state, &f, &x);
	f.anomalies |= anomalies;
	(void)emit(call, &f);
}

/* The data of a whole TSDU. */
static void
data(struct dis_call *call, struct cur c)
{
	struct conn *st = call->state;
	struct cur head = c, body;
	uint8_t id = cur_u8(&head), version = cur_u8(&head);
	uint16_t n = cur_be16(&head);
	const uint8_t *t;
	size_t rest;

	if (id != S7P_ID || !tls_between(&st->tls[call->dir])) {
		encrypted(call, c);
		return;
	}
	if (!cur_ok(&head)) {
		broken(call, S7P_A(LENGTH));
		return;
	}
	if (version == V_KEEP_ALIVE || version == V_EVENT) { /* length, or number and reserve */
		if (version == V_EVENT && n != cur_left(&head))
			broken(call, S7P_A(LENGTH));
		else
			event(call, head, version);
		return;
	}
	body = cur_take(&head, n);
	rest = cur_left(&head);
	t = rest == S7P_TRAILER ? cur_bytes(&head, S7P_TRAILER) : NULL;
	if (version < V_1 || version > V_3)
		broken(call, S7P_A(VERSION));
	else if (!cur_ok(&body) || n == 0 || (rest != 0 && rest != S7P_TRAILER))
		broken(call, S7P_A(LENGTH));
	else if (t && (t[0] != S7P_ID || t[1] != version || t[2] != 0 || t[3] != 0))
		broken(call, S7P_A(TRAILER));
	else
		message(call, body, version, rest != 0);
}

/* A TSDU in several DTs: rare, so that its copy is not on everybody's stack. */
static void __attribute__((noinline))
gathered(struct dis_call *call, struct cur tsdu)
{
	uint8_t buf[ISO_TSDU_MAX];
	bool whole;
	size_t n = iso_gather(tsdu, buf, sizeof(buf), &whole);

	if (!whole)
		broken(call, S7P_A(TSDU_CUT));
	else if (n == 0)
		empty(call);
	else
		data(call, cur_make(buf, n));
}

static void
s7plus_pdu(struct dis_call *call, struct cur c)
{
	struct cur rest = c;
	const uint8_t *p = cur_bytes(&rest, ISO_DT_LEN);

	if (!p) /* frame() gives no such thing */
		return;
	if (p[5] != ISO_DT)
		control(call, c);
	else if (cur_left(&rest) == 0)
		empty(call);
	else if ((size_t)iso_tpkt(p) == cur_left(&c) && (p[6] & ISO_EOT))
		data(call, rest);
	else
		gathered(call, c);
}

static void
s7plus_gap(struct dis_call *call, uint32_t lost)
{
	struct conn *st = call->state;

	(void)lost;
	st->frag[call->dir].on = false;
	st->tls[call->dir].lost = st->tls[0].on || st->tls[1].on;
	if (call->dir == DIR_TO_SERVER)
		st->lost = true; /* answers to what was lost will seem to answer nothing */
	else
		st->subs_full = true; /* subscriptions may have been confirmed */
}

/* --- schema --------------------------------------------------------------------------- */

static const struct dis_key keys[] = {
	{.name = "functions", .kind = KEY_OPS, .required = true,
	 .help = "function codes, names, or the sets read, write, programming, control, session, all"},
	{.name = "tsap", .kind = KEY_TEXT, .prop = TEXT_TSAP,
	 .help = "TSAP of the server that the connection asked for (SIMATIC-ROOT-HMI), globs"},
	{.name = "versions", .kind = KEY_NUMBER, .prop = NUM_VERSION, .lo = 1, .hi = 3,
	 .help = "protocol versions; 3 carries a digest of each PDU"},
	{.name = "pdu", .kind = KEY_LIMIT, .prop = NUM_PDU, .lo = 16, .hi = 1 << 30,
	 .help = "bytes of one PDU, all its fragments together"},
};

#define FIELD(name, type, member, bit, help) DIS_FIELD(name, type, struct ext, member, bit, help)
static const struct dis_field fields[] = {
	FIELD("version", FIELD_U8, version, P_VERSION,
	    "protocol version; 254 system event, 255 keep-alive"),
	FIELD("opcode", FIELD_U8, opcode, P_OPCODE,
	    "49 request, 50 response, 51 notification, 2 response"),
	FIELD("seq", FIELD_U16, seq, P_SEQ, "sequence number, which the response repeats"),
	FIELD("session", FIELD_U32, session, P_SESSION, "session id; 288 before there is one"),
	FIELD("flags", FIELD_U8, flags, P_FLAGS, "transport flags; 0x40: no answer is wanted"),
	FIELD("object", FIELD_U32, object, P_OBJECT,
	    "object addressed: parent (create), subscription (notification); 0: by variables' addresses"),
	FIELD("attribute", FIELD_U32, attribute, P_ATTRIBUTE, "attribute of it, or class created"),
	FIELD("count", FIELD_U32, count, P_COUNT, "variables read or written"),
	FIELD("data_len", FIELD_U16, data_len, P_LENGTH, "bytes of data in this frame"),
	FIELD("fragment", FIELD_U8, fragment, P_FRAGMENT, "of a PDU in several frames: which, from 1"),
	FIELD("integrity", FIELD_U8, integrity, P_INTEGRITY, "bytes of the digest (version 3)"),
	FIELD("credit_tick", FIELD_U8, tick, P_TICK, "notification: its number within the credit"),
	FIELD("tpdu", FIELD_STR, tpdu, P_TPDU, "COTP: CR, CC, DR, DC, ER"),
	FIELD("dst_ref", FIELD_U16, dst_ref, P_REFS, "COTP destination reference"),
	FIELD("src_ref", FIELD_U16, src_ref, P_REFS, "COTP source reference"),
	FIELD("tpdu_size", FIELD_U8, tpdu_size, P_TPDU_SIZE, "COTP: largest TPDU, as a power of two"),
	FIELD("reason", FIELD_U8, reason, P_REASON, "COTP: reason of DR, cause of ER"),
	FIELD("tls_record", FIELD_STR, tls_record, P_TLS_RECORD, "type of the first TLS record"),
	FIELD("tls_handshake", FIELD_STR, tls_handshake, P_TLS_HANDSHAKE,
	    "its handshake message, while readable"),
	FIELD("tls_bytes", FIELD_U32, tls_bytes, P_TLS, "bytes of TLS in this frame"),
};

static const char *const anomaly_names[] = {
#define ANOM(bit, id, name, malformed) [bit] = name,
#include "dissectors/s7plus/anomalies.def"
#undef ANOM
	NULL,
};

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
static const struct dis_schema schema = {
	.n_opx = N_OPX,
	.n_ops = N_OPX,
	.n_keys = COUNT_OF(keys),
	.n_fields = COUNT_OF(fields),
	.ops = ops,
	.sets = sets,
	.keys = keys,
	.fields = fields,
	.json = s7plus_json,
	.anomalies = anomaly_names,
};

static const uint16_t ports[] = {102, 0};

const struct dissector dissector_s7plus = {
	.name = "s7plus",
	.spec = "none published; RFC 1006 and ITU-T X.224 below it, RFC 8446 around it",
	.ports = ports,
	.max_pdu = ISO_TSDU_MAX,
	.state_size = sizeof(struct conn),
	.schema = &schema,
	.probe = s7plus_probe,
	.frame = s7plus_frame,
	.frame_on = iso_frame_on,
	.settled = s7plus_settled,
	.pdu = s7plus_pdu,
	.gap = s7plus_gap,
};
