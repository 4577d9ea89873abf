/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s7.c - classic S7 communication (S7comm) with SIMATIC S7-200, 300, 400, and
 * with 1200, 1500 and LOGO! where PUT/GET is enabled.
 *
 * Spec: none is published.  Names and layouts are those of what describes it in
 * public: the documentation of Snap7 and libnodave, the field and value names
 * that Wireshark 4.0 prints (tshark -G), and captures.  dissectors/iso_tcp.h has
 * the transport.
 *
 *    0      1        2              4         6         8         10            12
 *   +------+--------+--------------+---------+---------+---------+- - - - - - -+- - -
 *   | 0x32 | ROSCTR | redundancy 0 | pdu ref | bytes p | bytes d | error class | p, d
 *   +------+--------+--------------+---------+---------+---------+  and code   +- - -
 *            1 job, 2 ack, 3 answer, 7 userdata                  only 2 and 3
 *
 * p: parameters, the first byte is the function; d: data.  All high byte first.
 *
 * This file has the probe, the connection and the life of one PDU.  item.h reads
 * variables, body.h jobs, userdata.h the rest, pair.h knows which request is
 * answered, show.h what people read and write.  The lists are ops.def and
 * anomalies.def.  All are included here, so that the folder exports one symbol.
 */
#include "dissectors/s7/body.h"
#include "dissectors/s7/common.h"
#include "dissectors/s7/item.h"
#include "dissectors/s7/pair.h"
#include "dissectors/s7/show.h"
#include "dissectors/s7/userdata.h"

/* --- framing and probe ------------------------------------------------------------------- */

static int32_t
s7_frame(struct cur w, enum dis_dir dir, uint8_t variant)
{
	(void)dir;
	return iso_frame(w, S7_ID, variant);
}

/* A connection request proves nothing: others use the same transport. */
static bool
s7_settled(const void *state)
{
	const struct s7_state *st = state;

	return (st->flags & ST_SETTLED) != 0;
}

/*
 * Class, rack and slot of a partner's TSAP: [class] [rack << 5 | slot].  LOGO! and
 * S7-200 use other numbers, by which they are known: 02.00, 10.00, 20.00, 4D.57.
 */
static bool
tsap_read(struct cur tsap, uint8_t *class, uint8_t *rack, uint8_t *slot)
{
	size_t n = cur_left(&tsap);
	uint8_t hi = cur_u8(&tsap), lo = cur_u8(&tsap);

	*class = TSAP_OTHER;
	*rack = lo >> 5;
	*slot = lo & 31;
	if (n != 2 || hi == 0 || hi > TSAP_BASIC)
		return false;
	*class = hi;
	return true;
}

/* Called TSAPs of S7 partners, and hardly anybody else's. */
static enum dis_probe_result
tsap_probe(struct cur tsap)
{
	static const char plus[] = "SIMATIC-ROOT-";
	size_t n = cur_left(&tsap);
	const uint8_t *p = cur_bytes(&tsap, n);

	if (!p || n < 2)
		return PROBE_MAYBE;
	if (n >= sizeof(plus) - 1 && memcmp(p, plus, sizeof(plus) - 1) == 0)
		return PROBE_NO; /* S7comm-plus */
	if (n == 2 && p[0] == 0)
		return PROBE_NO; /* 00 01: IEC 61850 and other MMS */
	if (n == 2 && ((p[0] >= 1 && p[0] <= 3) || (p[0] >= 0x10 && p[0] <= 0x20) ||
	    (p[0] == 0x4d && p[1] == 0x57)))
		return PROBE_YES;
	return PROBE_MAYBE;
}

static enum dis_probe_result
connect_probe(struct cur c, int32_t n, enum dis_dir dir)
{
	struct cur tpkt = cur_take(&c, (size_t)n);
	struct iso_ctl o;

	if (dir != DIR_TO_SERVER)
		return PROBE_NO;
	if (!cur_ok(&tpkt))
		return PROBE_MAYBE; /* not all here */
	if (!iso_read_ctl(tpkt, &o) || o.short_ || o.unknown ||
	    cur_left(&o.data) > 0 || (o.option & 0xf0) != 0 || iso_is_rdp(&o))
		return PROBE_NO;
	return tsap_probe(o.dst);
}

/* The header of a message, once its 10 bytes are there: does it agree with the frame? */
static enum dis_probe_result
message_probe(struct cur c, size_t have, bool last, enum dis_dir dir)
{
	const uint8_t *p = cur_bytes(&c, S7_HEAD);
	size_t want;
	bool server;
	uint8_t fn;

	if (!p)
		return PROBE_MAYBE;
	want = (p[1] == ACK || p[1] == ACK_DATA ? (size_t)S7_HEAD_ACK : S7_HEAD) + be16(p + 6) + be16(p + 8);
	if ((p[1] != JOB && p[1] != ACK && p[1] != ACK_DATA && p[1] != USERDATA) || be16(p + 2) != 0)
		return PROBE_NO;
	if (last ? want != have : want < have)
		return PROBE_MAYBE;
	if (p[1] == USERDATA) { /* who asks, who answers */
		cur_skip(&c, 5);
		fn = cur_u8(&c) >> 4;
		server = fn == UD_RESPONSE || fn == UD_PUSH;
	} else {
		if (p[1] != JOB)
			cur_skip(&c, 2);
		fn = cur_u8(&c);
		server = (p[1] != JOB) ^ (fn == FN_DL_BLOCK || fn == FN_DL_ENDED);
	}
	return cur_ok(&c) && server == (dir == DIR_TO_CLIENT) ? PROBE_YES : PROBE_MAYBE;
}

/*
 * YES: a connection request to a TSAP of S7, or a message whose lengths agree with
 * its frame and that goes the way it should.  Whose a connection with another
 * TSAP is (MMS, TLS, remote desktop), its first message says.
 */
static enum dis_probe_result
s7_probe(struct cur c, enum dis_dir dir, uint8_t *variant)
{
	struct cur w = c;
	const uint8_t *p = cur_bytes(&c, ISO_DT_LEN);
	int32_t n;

	*variant = 0;
	if (!p)
		return iso_may_begin(w) ? PROBE_MAYBE : PROBE_NO;
	n = iso_tpkt(p);
	if (n == FRAME_BAD || p[1] != 0)
		return PROBE_NO;
	if (p[5] == ISO_DT) {
		if (n == ISO_DT_LEN || cur_left(&c) == 0)
			return PROBE_MAYBE;
		return c.p[0] != S7_ID ? PROBE_NO :
		    message_probe(c, (size_t)n - ISO_DT_LEN, p[6] & ISO_EOT, dir);
	}
	if ((p[5] & 0xf0) == ISO_CR)
		return connect_probe(w, n, dir);
	/* whose a confirmation is its request has said; the other TPDUs begin nothing */
	return PROBE_NO;
}

/* --- the connection ------------------------------------------------------------------------- */

static inline void
props_begin(struct fact_props *pr, const struct s7_state *st, bool midstream)
{
	pr->known = st->known;
	pr->na = 1u << NUM_ITEMS | 1u << NUM_SZL | 1u << NUM_SZL_INDEX | KNOWN_TEXT(TEXT_PI);
	pr->midstream = midstream;
	pr->num[NUM_CLASS] = st->tsap_class;
	pr->num[NUM_RACK] = st->rack;
	pr->num[NUM_SLOT] = st->slot;
	pr->num[NUM_PDU] = st->pdu_size;
	if (st->pdu_size)
		pr->known |= 1u << NUM_PDU;
	else
		pr->na |= 1u << NUM_PDU;
}

static inline void
prop_num(struct fact_props *pr, unsigned i, uint32_t value)
{
	pr->num[i] = value;
	pr->known |= 1u << i;
	pr->na &= ~(1u << i);
}

static inline void
fact_begin(struct fact *f, struct s7_ext *x, const struct fact_props *pr, uint8_t dir)
{
	f->proto = 0; /* the engine knows our index */
	f->dir = dir;
	f->sub = FACT_NO_SUB;
	f->n_items = 0;
	f->unit = 0;
	f->txn = 0;
	f->more = 0;
	f->next = NULL;
	f->ext = x;
	f->iter_arg = NULL;
	f->props = pr;
	x->present = 0;
	x->n_wire = 0;
}

/* Set what policy asks of a fact, and emit it. */
static bool
fact_end(struct dis_call *call, struct fact *f, uint64_t a)
{
	f->op = ops[f->opx].name;
	f->access = ops[f->opx].access;
	f->code = ops[f->opx].code;
	f->anomalies = a;
	if (a & malformed_bits) {
		f->kind = FACT_MALFORMED;
		f->n_items = 0;
	}
	return dis_emit(call->sink, f);
}

/* TPDUs other than a DT with data. */
RARE void
control(struct dis_call *call, struct cur c, uint64_t a)
{
	static const char *const classes[] = {"other", "pg", "op", "basic"};
	bool server = call->dir == DIR_TO_CLIENT;
	struct s7_state *st = call->state, before = *st;
	struct fact_props pr;
	struct iso_ctl o;
	struct s7_ext x;
	struct fact f;
	bool read = iso_read_ctl(c, &o);

	if (!read)
		a |= S7_A(COTP_HEADER);
	if (o.short_ || o.unknown)
		a |= S7_A(COTP_PARAM);
	f.kind = FACT_REQUEST;
	switch (o.type) {
	case ISO_CR:
		f.opx = OPX_COTP_e0;
		if (st->open || st->flags & (ST_CONNECT | ST_SETUP))
			a |= S7_A(SETUP_AGAIN);
		if (tsap_read(o.dst, &st->tsap_class, &st->rack, &st->slot))
			st->known |= 1u << NUM_RACK | 1u << NUM_SLOT;
		else
			st->known = 0;
		st->known |= 1u << NUM_CLASS;
		st->flags |= ST_CONNECT;
		if (server) {
			f.kind = FACT_RESPONSE;
			a |= S7_A(DIRECTION) | FACT_A_UNSOLICITED;
		}
		break;
	case ISO_CC:
		f.opx = OPX_COTP_e0;
		f.kind = FACT_RESPONSE;
		if (!server)
			a |= S7_A(DIRECTION) | FACT_A_UNSOLICITED;
		else if (!(st->flags & ST_CONNECT) && !call->midstream)
			a |= FACT_A_UNSOLICITED;
		st->flags &= (uint8_t)~ST_CONNECT;
		break;
	case ISO_DR: case ISO_DC:
		f.opx = OPX_COTP_80;
		if (server) /* refuses a connection, ends it, or confirms the end */
			f.kind = o.type == ISO_DR && st->flags & ST_CONNECT ? FACT_EXCEPTION : FACT_RESPONSE;
		if (o.type == ISO_DC)
			a |= S7_A(COTP_CLASS);
		break;
	case ISO_ER:
		f.opx = OPX_COTP_70;
		f.kind = server ? FACT_EXCEPTION : FACT_REQUEST;
		break;
	case ISO_DT:
		f.opx = OPX_COTP_f0;
		f.kind = server ? FACT_RESPONSE : FACT_REQUEST;
		a &= ~S7_A(COTP_HEADER);
		break;
	default:
		f.opx = OPX_COTP_00;
		a |= S7_A(COTP_CLASS);
		break;
	}
	if (o.type == ISO_CR || o.type == ISO_CC) {
		if (o.option & 0xf0)
			a |= S7_A(COTP_CLASS);
	}
	if (o.type != ISO_DT && read && cur_left(&o.data) > 0)
		a |= S7_A(COTP_HEADER);
	props_begin(&pr, st, call->midstream);
	fact_begin(&f, &x, &pr, call->dir);
	f.txn = o.src_ref;
	if (o.type == ISO_CR || o.type == ISO_CC) {
		x.src = o.src;
		x.dst = o.dst;
		x.present |= HAS(X_TSAPS) | (st->known ? HAS(P_CLASS) : 0) |
		    (st->known & 1u << NUM_RACK ? HAS(P_RACK) | HAS(P_SLOT) : 0);
		x.tsap_class = classes[st->tsap_class];
		x.rack = st->rack;
		x.slot = st->slot;
		if (o.tpdu_size >= 7 && o.tpdu_size <= 13) {
			x.present |= HAS(P_TPDU_SIZE);
			x.tpdu_size = (uint16_t)(1u << o.tpdu_size);
		} else if (o.tpdu_size != 0) {
			a |= S7_A(COTP_PARAM);
		}
	} else if (read && (o.type == ISO_DR || o.type == ISO_ER)) {
		x.present |= HAS(P_REASON);
		x.reason = o.option;
	}
	if (!fact_end(call, &f, a))
		*st = before;
}

/* --- one message ------------------------------------------------------------------------------ */

/* The header is not there, or not ours; in a stream frame() lets no such thing pass. */
RARE void
headless(struct dis_call *call, uint64_t a)
{
	struct fact_props pr;
	struct s7_ext x;
	struct fact f;

	props_begin(&pr, call->state, call->midstream);
	fact_begin(&f, &x, &pr, call->dir);
	f.kind = FACT_MALFORMED;
	f.opx = OPX_NONE;
	(void)fact_end(call, &f, a);
}

/* What is remembered of a request that has gone on its way. */
static inline void
remember(struct dis_call *call, const struct fact *f, const struct s7_ext *x, pair_req key)
{
	struct s7_state *st = call->state;
	uint32_t number = 0;
	uint8_t type = 0;

	if (f->kind == FACT_MALFORMED)
		return;
	pair_push(st, key);
	if (f->opx == FN_SETUP && call->dir == DIR_TO_SERVER) {
		st->pdu_size = x->pdu_size;
	} else if (f->opx == FN_DL_REQUEST && call->dir == DIR_TO_SERVER) {
		file_block(x->name, &type, &number);
		transfer_begin(st, type, number, TR_ASKED);
	}
}

/* What an answer to a job changes once it has gone on its way. */
RARE void
settle(struct s7_state *st, const struct fact *f, const struct s7_ext *x, const struct pair_hit *hit)
{
	pair_req q = hit->slot == PAIR_NONE ? 0 : st->req[hit->slot];
	struct transfer *t = NULL;

	if (q != 0 && pair_items(q) > 0 && pair_items(q) <= TRANSFERS)
		t = &st->transfer[pair_items(q) - 1];
	switch (f->opx) {
	case FN_SETUP:
		if (f->kind == FACT_RESPONSE) {
			st->pdu_size = x->pdu_size;
			st->flags |= ST_SETUP;
		}
		break;
	case FN_DL_BLOCK: /* answered by the client */
		if (t && f->kind == FACT_RESPONSE)
			t->state = TR_OPEN;
		break;
	case FN_DL_ENDED:
		if (t)
			t->state = TR_FREE;
		break;
	default:
		break;
	}
}

/* Which of the transfers x->name is, counted from 1 (0: none); for the pairing word. */
static unsigned
transfer_number(struct s7_state *st, const struct s7_ext *x)
{
	const struct transfer *t = file_transfer(st, x);

	return t ? (unsigned)(t - st->transfer) + 1 : 0;
}

/* ROSCTR 7. */
RARE void
userdata(struct dis_call *call, struct fact *f, struct s7_ext *x, struct fact_props *pr, uint64_t a)
{
	static const char *const types[] = {"push", "request", "response", "other"};
	struct s7_state *st = call->state;
	bool server = call->dir == DIR_TO_CLIENT;
	struct pair_hit hit = {PAIR_NONE, 0};
	pair_req key;
	struct ud u;

	a |= ud_head(x->spec, &u, f, x) | ud_data(x, &u);
	key = pair_key(x->pdu_ref, f->opx, server);
	x->spec = u.payload;
	switch (u.type) {
	case UD_REQUEST: case UD_NC_REQUEST:
		x->type = types[1];
		f->kind = FACT_REQUEST;
		a |= ud_request(f, x, st, &u);
		if (server)
			a |= S7_A(REVERSE_REQUEST);
		if (st->open)
			a |= pair_check(st, key);
		if (f->opx == OPX_UD_4_1) { /* whose number is not known no rule on numbers lets pass */
			pr->na &= ~(1u << NUM_SZL | 1u << NUM_SZL_INDEX);
			if (x->present & HAS(P_SZL_ID)) {
				prop_num(pr, NUM_SZL, x->szl_id);
				prop_num(pr, NUM_SZL_INDEX, x->szl_index);
			}
		}
		if (f->n_items)
			prop_num(pr, NUM_ITEMS, f->n_items);
		if (fact_end(call, f, a) && f->kind == FACT_REQUEST) {
			pair_push(st, key);
			if (!server)
				st->pushes |= push_bit(u.group);
		}
		return;
	case UD_RESPONSE: case UD_NC_RESPONSE:
		x->type = types[2];
		f->kind = FACT_RESPONSE;
		key = pair_key(x->pdu_ref, f->opx, !server);
		hit = pair_find(st, key, call->midstream);
		a |= hit.anomalies;
		ud_answer(f, x, st, &u);
		if (!fact_end(call, f, a))
			return;
		pair_close(st, &hit);
		ud_answered(st, x, &u);
		return;
	case UD_PUSH: case UD_NC_PUSH:
		x->type = types[0];
		f->kind = FACT_RESPONSE; /* to what was asked for once */
		if (!server)
			a |= S7_A(DIRECTION) | FACT_A_UNSOLICITED;
		else if (!(st->pushes & push_bit(u.group)) && !call->midstream && !(st->flags & ST_LOST))
			a |= FACT_A_UNSOLICITED;
		ud_answer(f, x, st, &u);
		(void)fact_end(call, f, a);
		return;
	default:
		x->type = types[3];
		f->kind = FACT_MALFORMED;
		(void)fact_end(call, f, a | S7_A(USERDATA_HEAD));
		return;
	}
}

/* Jobs and answers other than read and write, and all that is odd about their header. */
RARE void
other_message(struct dis_call *call, struct fact *f, struct s7_ext *x, struct fact_props *pr, uint64_t a)
{
	struct s7_state *st = call->state;
	bool server = call->dir == DIR_TO_CLIENT;
	struct pair_hit hit;
	struct cur c = x->spec;
	pair_req key;
	uint8_t fn;

	if (x->rosctr == USERDATA) {
		userdata(call, f, x, pr, a);
		return;
	}
	f->kind = FACT_MALFORMED;
	fn = cur_u8(&c);
	f->code = f->opx = cur_ok(&c) ? fn : OPX_ACK;
	x->spec = c;
	if (x->rosctr == JOB) {
		f->kind = FACT_REQUEST;
		if (f->opx == OPX_ACK) {
			f->opx = OPX_NONE;
			(void)fact_end(call, f, a | S7_A(BODY_SHORT));
			return;
		}
		if (server && (fn == FN_DL_BLOCK || fn == FN_DL_ENDED)) {
			a |= server_fetches(call, f, x);
			key = pair_key(x->pdu_ref, f->opx, true);
			if (!fact_end(call, f, a) || f->kind == FACT_MALFORMED)
				return;
			if (transfer_number(st, x) == 0 && !(a & FACT_A_UNSOLICITED)) {
				uint32_t number = 0;
				uint8_t type = 0;

				file_block(x->name, &type, &number);
				transfer_begin(st, type, number, TR_OPEN);
			}
			pair_push(st, key | pair_about(UINT16_MAX, transfer_number(st, x)));
			return;
		}
		a |= request_job(f, x);
		key = pair_key(x->pdu_ref, fn, server) | pair_about(UINT16_MAX, fn == FN_PI ? f->sub : 0u);
		if (server)
			a |= S7_A(REVERSE_REQUEST);
		if (st->open)
			a |= pair_check(st, key);
		if (x->present & HAS(X_PI)) {
			pr->text[TEXT_PI].p = (const char *)x->name.p;
			pr->text[TEXT_PI].n = (uint32_t)cur_left(&x->name);
			pr->known |= KNOWN_TEXT(TEXT_PI);
			pr->na &= ~KNOWN_TEXT(TEXT_PI);
		}
		if (f->opx == FN_SETUP)
			prop_num(pr, NUM_PDU, x->pdu_size);
		if (fact_end(call, f, a))
			remember(call, f, x, key);
		return;
	}
	if (x->rosctr != ACK && x->rosctr != ACK_DATA) {
		f->opx = OPX_NONE;
		(void)fact_end(call, f, a | S7_A(ROSCTR));
		return;
	}
	f->kind = x->error_class | x->error_code ? FACT_EXCEPTION : FACT_RESPONSE;
	key = pair_key(x->pdu_ref, f->opx, !server);
	hit = f->opx == OPX_ACK ? pair_find_ref(st, key, call->midstream) :
	    pair_find(st, key, call->midstream);
	if (hit.slot != PAIR_NONE && f->opx == OPX_ACK && (st->open >> hit.slot & 1))
		f->opx = pair_opx(st->req[hit.slot]);
	if (hit.slot != PAIR_NONE && f->opx == FN_PI) /* the answer does not repeat the service */
		f->opx = pi_service(pair_items(st->req[hit.slot]));
	f->sub = ops[f->opx].sub;
	a |= hit.anomalies;
	if (f->kind == FACT_RESPONSE && f->opx != OPX_ACK && cur_ok(&c)) {
		a |= answer_job(f, x, st);
		if (f->opx == FN_DL_BLOCK && !server && hit.slot != PAIR_NONE) {
			unsigned t = pair_items(st->req[hit.slot]);

			a |= piece_fits(x, t > 0 && t <= TRANSFERS ? &st->transfer[t - 1] : NULL);
		}
	}
	if (!fact_end(call, f, a) || f->kind == FACT_MALFORMED)
		return;
	settle(st, f, x, &hit);
	pair_close(st, &hit);
}

/* The user data of a TSDU. */
static inline void
message(struct dis_call *call, struct cur c, uint64_t a)
{
	struct s7_state *st = call->state;
	const struct cur whole = c;
	size_t all = cur_left(&c);
	const uint8_t *p = cur_bytes(&c, S7_HEAD), *e, *fn;
	struct fact f; /* member by member: clearing it all costs more than reading the PDU */
	struct fact_props pr;
	struct s7_ext x;
	struct pair_hit hit;
	uint32_t bytes, room;
	pair_req key;
	bool server = call->dir == DIR_TO_CLIENT;

	if (__builtin_expect(!p || p[0] != S7_ID, 0)) {
		headless(call, a | (cur_left(&whole) > 0 && whole.p[0] != S7_ID ? S7_A(FOREIGN) :
		    S7_A(BODY_SHORT)));
		return;
	}
	st->flags |= ST_SETTLED;
	props_begin(&pr, st, call->midstream);
	fact_begin(&f, &x, &pr, call->dir);
	x.present = HAS(P_ROSCTR) | HAS(P_REF);
	x.rosctr = p[1];
	x.pdu_ref = be16(p + 4);
	f.txn = x.pdu_ref;
	if (p[1] == ACK_DATA || p[1] == ACK) {
		e = cur_bytes(&c, 2);
		x.error_class = e ? e[0] : 0;
		x.error_code = e ? e[1] : 0;
		x.present |= e ? HAS(P_ERR_CLASS) | HAS(P_ERR_CODE) : 0;
	}
	x.spec = c;
	(void)cur_take(&c, be16(p + 6));
	x.data = c;
	if (__builtin_expect(!cur_ok(&c), 0)) {
		a |= S7_A(BODY_SHORT);
	} else {
		x.spec.end = c.p;
		(void)cur_take(&c, be16(p + 8));
		if (!cur_ok(&c))
			a |= S7_A(BODY_SHORT);
		else if (cur_left(&c) > 0)
			a |= S7_A(BODY_LONG);
		x.data.end = cur_ok(&c) ? c.p : x.data.end;
	}
	if (be16(p + 2) != 0)
		a |= S7_A(REDUNDANCY_ID);
	if (__builtin_expect(st->pdu_size != 0 && all > st->pdu_size, 0))
		a |= S7_A(PDU_OVER);

	{
		struct cur spec = x.spec;

		fn = cur_bytes(&spec, 1);
		if (__builtin_expect(a & malformed_bits || !fn || (*fn != FN_READ && *fn != FN_WRITE) ||
		    (p[1] != JOB && p[1] != ACK_DATA), 0)) {
			other_message(call, &f, &x, &pr, a);
			return;
		}
		x.spec = spec;
	}
	f.code = f.opx = *fn;
	key = pair_key(x.pdu_ref, *fn, server == (p[1] == JOB));
	if (p[1] == JOB) {
		f.kind = FACT_REQUEST;
		a |= request_items(&f, &x, st, *fn == FN_WRITE, &bytes, &room);
		prop_num(&pr, NUM_ITEMS, x.n_wire);
		if (__builtin_expect(st->open != 0, 0))
			a |= pair_check(st, key);
		if (server)
			a |= S7_A(REVERSE_REQUEST);
		if (fact_end(call, &f, a) && f.kind == FACT_REQUEST)
			pair_push(st, key | pair_about(bytes, x.n_wire));
		return;
	}
	hit = pair_find(st, key, call->midstream);
	a |= hit.anomalies;
	if (x.error_class | x.error_code) {
		f.kind = FACT_EXCEPTION;
	} else {
		pair_req q = hit.slot == PAIR_NONE ? 0 : st->req[hit.slot];

		f.kind = FACT_RESPONSE;
		a |= *fn == FN_READ ? answer_read(&x, q) : answer_write(&x, q);
		if (__builtin_expect(!(a & malformed_bits) && all_refused(&x, *fn == FN_WRITE), 0))
			f.kind = FACT_EXCEPTION;
	}
	if (fact_end(call, &f, a) && f.kind != FACT_MALFORMED)
		pair_close(st, &hit);
}

/* --- one TSDU ----------------------------------------------------------------------------------- */

/* Messages in several DTs. */
RARE void
fragments(struct dis_call *call, struct cur tsdu, uint64_t a)
{
	uint8_t buf[S7_TSDU_MAX];
	bool whole;
	size_t n = iso_gather(tsdu, buf, sizeof(buf), &whole);

	if (!whole)
		a |= S7_A(TSDU_CUT);
	if (n > sizeof(buf)) {
		n = sizeof(buf);
		a |= S7_A(TSDU_LONG);
	}
	message(call, cur_make(buf, n), a);
}

static void
s7_pdu(struct dis_call *call, struct cur tsdu)
{
	struct cur c = tsdu;
	const uint8_t *p = cur_bytes(&c, ISO_DT_LEN);
	uint64_t a = call->anomalies;

	if (__builtin_expect(!p, 0)) {
		headless(call, a | S7_A(BODY_SHORT));
		return;
	}
	if (p[1] != 0)
		a |= S7_A(TPKT_RESERVED);
	if (__builtin_expect(p[5] == ISO_DT && p[6] & ISO_EOT && be16(p + 2) == cur_left(&tsdu) &&
	    cur_left(&c) > 0, 1))
		message(call, c, a);
	else if (p[5] == ISO_DT && cur_left(&c) > 0)
		fragments(call, tsdu, a);
	else
		control(call, tsdu, a);
}

static void
s7_gap(struct dis_call *call, uint32_t lost)
{
	(void)lost;
	pair_gap(call->state, call->dir == DIR_TO_CLIENT);
}

/* --- refusals -------------------------------------------------------------------------------------- */

#define ERR_PROTECTION 0xd241 /* "not permitted in the current protection level" */
#define CODE_DENIED    0x03   /* item: "accessing the object is not allowed" */

static uint8_t *
put_header(uint8_t *p, size_t n, uint8_t rosctr, uint16_t ref, size_t params, size_t data)
{
	const uint8_t head[] = {3, 0, (uint8_t)(n >> 8), (uint8_t)n, ISO_DT_LI, ISO_DT, ISO_EOT, S7_ID,
	    rosctr, 0, 0, (uint8_t)(ref >> 8), (uint8_t)ref, (uint8_t)(params >> 8), (uint8_t)params,
	    (uint8_t)(data >> 8), (uint8_t)data};

	memcpy(p, head, sizeof(head));
	return p + sizeof(head);
}

/*
 * What a PLC itself says to what it does not permit: for each item of a read or
 * write "accessing the object is not allowed", which every client handles per
 * variable; to all else its protection level.  A connection is refused with a
 * disconnect.
 */
static size_t
s7_refuse(const struct fact *f, uint8_t variant, uint8_t *buf, size_t size)
{
	bool items = (f->opx == FN_READ || f->opx == FN_WRITE) && f->n_items > 0;
	size_t data = items ? f->n_items * (f->opx == FN_READ ? 4u : 1u) : 0, params = items ? 2 : 1, n;
	uint8_t *p;

	(void)variant;
	if (f->kind != FACT_REQUEST)
		return 0;
	if (f->opx == OPX_COTP_e0) {
		const uint8_t dr[] = {3, 0, 0, 11, 6, ISO_DR, (uint8_t)(f->txn >> 8), (uint8_t)f->txn, 0, 0, 0};

		if (size < sizeof(dr))
			return 0;
		memcpy(buf, dr, sizeof(dr));
		return sizeof(dr);
	}
	if ((f->code & ~15u) == CODE_UD) {
		n = ISO_DT_LEN + S7_HEAD + 12 + 4;
		if (size < n)
			return 0;
		p = put_header(buf, n, USERDATA, (uint16_t)f->txn, 12, 4);
		{
			const uint8_t rest[] = {0, 1, 0x12, 8, 0x12, (uint8_t)(UD_RESPONSE << 4 | (f->code & 15)),
			    (uint8_t)f->sub, 0, 0, 0, ERR_PROTECTION >> 8, ERR_PROTECTION & 0xff, 0x0a, 0, 0, 0};

			memcpy(p, rest, sizeof(rest));
		}
		return n;
	}
	if (f->code > 0xff)
		return 0;
	n = ISO_DT_LEN + S7_HEAD_ACK + params + data;
	if (size < n || f->n_items > 255)
		return 0;
	p = put_header(buf, n, ACK_DATA, (uint16_t)f->txn, params, data);
	*p++ = items ? 0 : ERR_PROTECTION >> 8;
	*p++ = items ? 0 : ERR_PROTECTION & 0xff;
	*p++ = (uint8_t)f->code;
	if (items) {
		*p++ = (uint8_t)f->n_items;
		memset(p, 0, data);
		for (size_t i = 0; i < data; i += data / f->n_items)
			p[i] = CODE_DENIED;
	}
	return n;
}

/* --- schema ------------------------------------------------------------------------------------------ */

static const struct dis_space spaces[N_SPACES] = {
	[SPACE_I] = {"I", AREA_BITS - 1, 0, 1},
	[SPACE_Q] = {"Q", AREA_BITS - 1, 0, 1},
	[SPACE_M] = {"M", AREA_BITS - 1, 0, 1},
	[SPACE_P] = {"P", AREA_BITS - 1, 0, 1},
	[SPACE_L] = {"L", AREA_BITS - 1, 0, 1},
	[SPACE_V] = {"V", AREA_BITS - 1, 0, 1},
	[SPACE_SM] = {"SM", AREA_BITS - 1, 0, 1},
	[SPACE_AI] = {"AI", AREA_BITS - 1, 0, 1},
	[SPACE_AQ] = {"AQ", AREA_BITS - 1, 0, 1},
	[SPACE_SYS] = {"SYS", AREA_BITS - 1, 0, 1},
	[SPACE_DB] = {"DB", AREA_BITS - 1, UINT16_MAX, 1},
	[SPACE_DI] = {"DI", AREA_BITS - 1, UINT16_MAX, 1},
	[SPACE_T] = {"T", UINT16_MAX, 0, 16},
	[SPACE_C] = {"C", UINT16_MAX, 0, 16},
	[SPACE_HT] = {"HT", UINT16_MAX, 0, 16},
	[SPACE_HC] = {"HC", UINT16_MAX, 0, 16},
	[SPACE_RECORD] = {"RECORD", UINT16_MAX, 0, 0},
	[SPACE_NCK] = {"NCK", UINT32_MAX - 1, UINT16_MAX, 0},
	[SPACE_DRIVE] = {"DRIVE", UINT32_MAX - 1, UINT16_MAX, 0},
	[SPACE_BLOCK] = {"block", BLOCK_NO_MAX, BLOCK_FILE, 0},
	[SPACE_NOWHERE] = {"nowhere", 0, 0, 0},
};

static const char *const class_words[] = {"other", "pg", "op", "basic", NULL};

static const struct dis_key keys[] = {
	{.name = "functions", .kind = KEY_OPS, .required = true,
	 .help = "functions by name or number (4, 0x704/1), or the sets setup, session, read, write, "
	     "diagnostic, programming, download, upload, control, pi-service, test, cyclic, alarms, "
	     "security, time, bsend, nc, all"},
	{.name = "read", .kind = KEY_RANGE, .space = DIS_SPACE_ANY, .access = ACC_READ,
	 .help = "what may be read: DB1, DB10.DBW0..20, M0.0..15.7, IB0..3, T, C0..15, all"},
	{.name = "write", .kind = KEY_RANGE, .space = DIS_SPACE_ANY, .access = ACC_WRITE,
	 .help = "what may be written, in the same notation"},
	{.name = "values", .kind = KEY_VALUES, .space = DIS_SPACE_ANY,
	 .help = "limits of what is written: DB10.DBW0: 0..1500; the notation says the width"},
	{.name = "blocks", .kind = KEY_RANGE, .space = SPACE_BLOCK,
	 .help = "blocks that may be loaded, inserted, deleted (OB1, FB*, DB10..20, FILE, all)"},
	{.name = "szl", .kind = KEY_NUMBER, .prop = NUM_SZL, .hi = UINT16_MAX,
	 .help = "system status lists that read-szl may ask for, by id"},
	{.name = "szl-index", .kind = KEY_NUMBER, .prop = NUM_SZL_INDEX, .hi = UINT16_MAX,
	 .help = "indexes in these lists"},
	{.name = "pi", .kind = KEY_TEXT, .prop = TEXT_PI,
	 .help = "names of the program invocation services: _INSE, P_PROGRAM, _N_*"},
	{.name = "tsap-class", .kind = KEY_WORD, .prop = NUM_CLASS, .words = class_words,
	 .help = "class of the connection by its called TSAP"},
	{.name = "rack", .kind = KEY_NUMBER, .prop = NUM_RACK, .hi = 7, .help = "rack in the called TSAP"},
	{.name = "slot", .kind = KEY_NUMBER, .prop = NUM_SLOT, .hi = 31, .help = "slot in the called TSAP"},
	{.name = "pdu-size", .kind = KEY_LIMIT, .prop = NUM_PDU, .lo = PDU_MIN, .hi = UINT16_MAX,
	 .help = "largest PDU size a client may negotiate"},
	{.name = "items", .kind = KEY_LIMIT, .prop = NUM_ITEMS, .lo = 1, .hi = UINT16_MAX,
	 .help = "most items in one read or write"},
};

#define EXT(name, type, member, bit, help) {name, type, offsetof(struct s7_ext, member), bit, help}
static const struct dis_field fields[] = {
	EXT("rosctr", FIELD_U8, rosctr, P_ROSCTR, "1 job, 2 acknowledgement, 3 answer, 7 userdata"),
	EXT("pdu_ref", FIELD_U16, pdu_ref, P_REF, "reference that pairs job and answer"),
	EXT("type", FIELD_STR, type, P_TYPE, "userdata: push, request, response"),
	EXT("group", FIELD_U8, group, P_GROUP, "userdata: function group"),
	EXT("subcode", FIELD_U8, subcode, P_SUB, "userdata: sub-function"),
	EXT("seq", FIELD_U8, seq, P_SEQ, "userdata: sequence number"),
	EXT("error", FIELD_U16, error, P_ERROR, "userdata: error of an answer"),
	EXT("szl_id", FIELD_U16, szl_id, P_SZL_ID, "system status list"),
	EXT("szl_index", FIELD_U16, szl_index, P_SZL_INDEX, "its index"),
	EXT("error_class", FIELD_U8, error_class, P_ERR_CLASS, "of an answer"),
	EXT("error_code", FIELD_U8, error_code, P_ERR_CODE, "of an answer"),
	EXT("pdu_size", FIELD_U16, pdu_size, P_PDU_SIZE, "setup: bytes of a PDU"),
	EXT("amq_calling", FIELD_U16, amq_calling, P_AMQ_CALLING, "setup: jobs at a time, client"),
	EXT("amq_called", FIELD_U16, amq_called, P_AMQ_CALLED, "setup: jobs at a time, server"),
	EXT("tsap_class", FIELD_STR, tsap_class, P_CLASS, "connection: pg, op, basic, other"),
	EXT("rack", FIELD_U8, rack, P_RACK, "connection: rack in the called TSAP"),
	EXT("slot", FIELD_U8, slot, P_SLOT, "connection: slot in the called TSAP"),
	EXT("tpdu_size", FIELD_U16, tpdu_size, P_TPDU_SIZE, "connection: bytes of a TPDU"),
	EXT("reason", FIELD_U8, reason, P_REASON, "disconnect or error: why"),
};

static const char *const anomalies[] = {
#define ANOM(bit, id, name, malformed) [bit] = name,
#include "dissectors/s7/anomalies.def"
#undef ANOM
	NULL,
};

static const struct dis_schema schema = {
	.n_opx = N_OPX,
	.n_ops = N_OPX,
	.n_spaces = N_SPACES,
	.n_keys = sizeof(keys) / sizeof(keys[0]),
	.n_fields = sizeof(fields) / sizeof(fields[0]),
	.ops = ops,
	.sets = sets,
	.spaces = spaces,
	.keys = keys,
	.fields = fields,
	.json = s7_json,
	.parse_range = s7_parse_range,
	.show_addr = s7_show_addr,
	.anomalies = anomalies,
};

static const uint16_t ports[] = {102, 0};

const struct dissector dissector_s7 = {
	.name = "s7",
	.spec = "SIMATIC S7 communication (unpublished; see top comment), RFC 1006, X.224 class 0",
	.ports = ports,
	.max_pdu = ISO_TSDU_MAX,
	.state_size = sizeof(struct s7_state),
	.schema = &schema,
	.probe = s7_probe,
	.frame = s7_frame,
	.frame_on = iso_frame_on,
	.settled = s7_settled,
	.pdu = s7_pdu,
	.gap = s7_gap,
	.refuse = s7_refuse,
};
