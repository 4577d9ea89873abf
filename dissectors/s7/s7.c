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
 * This file has the probe and the life of one PDU.  connect.h opens and closes,
 * item.h reads variables, body.h jobs, userdata.h the rest; pair.h knows which
 * request is answered, moved.h which blocks are on their way, refuse.h how to refuse one; show.h and notation.h are what
 * people read and write, schema.h tells policy.  The lists are ops.def and
 * anomalies.def.  All are included here, so that the folder exports one symbol.
 */
#include "dissectors/s7/body.h"
#include "dissectors/s7/connect.h"
#include "dissectors/s7/identity.h"
#include "dissectors/s7/moved.h"
#include "dissectors/s7/pair.h"
#include "dissectors/s7/refuse.h"
#include "dissectors/s7/schema.h"
#include "dissectors/s7/userdata.h"

/* --- framing and probe ----------------------------------------------------- */

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
	want = (p[1] == ACK || p[1] == ACK_DATA ? (size_t)S7_HEAD_ACK : S7_HEAD) + be16(p + 6) +
	       be16(p + 8);
	if ((p[1] != JOB && p[1] != ACK && p[1] != ACK_DATA && p[1] != USERDATA) ||
	    be16(p + 2) != 0)
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

/* --- one message ----------------------------------------------------------- */

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

/* Which of the transfers x->name is, counted from 1 (0: none); for the pairing word. */
static unsigned
transfer_number(struct s7_state *st, const struct s7_ext *x)
{
	const struct transfer *t = file_transfer(st, x);

	return t ? (unsigned)(t - st->transfer) + 1 : 0;
}

/* What has been loaded becomes part of the program (_INSE, _INS2). */
static bool
activates(const struct fact *f)
{
	return f->opx == OPX_PI_2 || f->opx == OPX_PI_3;
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
	if (f->opx == FN_DL_REQUEST && call->dir == DIR_TO_SERVER) {
		file_block(x->name, &type, &number);
		transfer_begin(st, type, number, TR_ASKED);
		transfer_tell(call, f, TRANSFER_BEGIN, file_transfer(st, x), (struct cur){0});
		key |= pair_about(UINT16_MAX, transfer_number(st, x));
	}
	pair_push(st, key);
	if (call->dir != DIR_TO_SERVER)
		return;
	if (f->opx == FN_SETUP)
		st->pdu_size = x->pdu_size;
	else if (f->opx == FN_UL_START)
		upload_tell(call, f, TRANSFER_BEGIN, (struct cur){0});
}

/* What an answer to a job changes once it has gone on its way. */
RARE void
settle(
    struct dis_call *call, const struct fact *f, const struct s7_ext *x, const struct pair_hit *hit)
{
	const struct cur nothing = {0};
	bool fine = f->kind == FACT_RESPONSE;
	struct s7_state *st = call->state;
	pair_req q = hit->slot == PAIR_NONE ? 0 : st->req[hit->slot];
	struct transfer *t = NULL;

	if (q != 0 && pair_items(q) > 0 && pair_items(q) <= TRANSFERS)
		t = &st->transfer[pair_items(q) - 1];
	switch (f->opx) {
	case FN_SETUP:
		if (fine) {
			st->pdu_size = x->pdu_size;
			st->flags |= ST_SETUP;
		}
		break;
	case FN_DL_REQUEST:
		if (t && !fine)
			transfer_tell(call, f, TRANSFER_REFUSED, t, nothing);
		break;
	case FN_DL_BLOCK: /* answered by the client */
		if (t && fine)
			t->state = TR_OPEN;
		if (t && call->dir == DIR_TO_SERVER)
			transfer_tell(call, f, fine ? TRANSFER_PIECE : TRANSFER_FAILED, t,
			    fine ? piece_content(x) : nothing);
		break;
	case FN_DL_ENDED:
		if (t && !fine)
			transfer_tell(call, f, TRANSFER_FAILED, t, nothing);
		else if (t)
			st->flags |= ST_LOADED;
		if (t)
			transfer_tell(call, f, TRANSFER_END, t, nothing);
		if (t)
			t->state = TR_FREE;
		break;
	case FN_UL_START:
		if (!fine)
			upload_tell(call, f, TRANSFER_REFUSED, nothing);
		break;
	case FN_UL_BLOCK:
		if (hit->slot != PAIR_NONE)
			upload_tell(call, f, fine ? TRANSFER_PIECE : TRANSFER_FAILED,
			    fine ? piece_content(x) : nothing);
		break;
	case FN_UL_END:
		if (!fine)
			upload_tell(call, f, TRANSFER_FAILED, nothing);
		upload_tell(call, f, TRANSFER_END, nothing);
		break;
	default:
		break;
	}
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
		st = pair_room(call);
		a |= ud_request(f, x, st, &u);
		if (server)
			a |= S7_A(REVERSE_REQUEST);
		else
			pair_pending(st, pr);
		if (st->open)
			a |= pair_check(st, key);
		if (f->opx ==
		    OPX_UD_4_1) { /* whose number is not known no rule on numbers lets pass */
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
		else if (!(st->pushes & push_bit(u.group)) && !call->midstream &&
			 !(st->flags & ST_LOST))
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
other_message(
    struct dis_call *call, struct fact *f, struct s7_ext *x, struct fact_props *pr, uint64_t a)
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
		st = pair_room(call);
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
				transfer_tell(call, f, TRANSFER_JOINED, file_transfer(st, x),
				    (struct cur){0});
			}
			if (ended_badly(x, fn) && file_transfer(st, x)) {
				transfer_tell(call, f, TRANSFER_FAILED, file_transfer(st, x),
				    (struct cur){0});
				transfer_tell(
				    call, f, TRANSFER_END, file_transfer(st, x), (struct cur){0});
			}
			pair_push(st, key | pair_about(UINT16_MAX, transfer_number(st, x)));
			return;
		}
		a |= request_job(f, x);
		key = pair_key(x->pdu_ref, fn, server) |
		      pair_about(UINT16_MAX, fn == FN_PI ? f->sub : 0u);
		if (server)
			a |= S7_A(REVERSE_REQUEST);
		else
			pair_pending(st, pr);
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
		f->goes_on = f->opx == FN_UL_BLOCK || f->opx == FN_UL_END ||
			     (activates(f) && st->flags & ST_LOADED);
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
	settle(call, f, x, &hit);
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
		if (__builtin_expect(a & malformed_bits || !fn ||
					 (*fn != FN_READ && *fn != FN_WRITE) ||
					 (p[1] != JOB && p[1] != ACK_DATA),
			0)) {
			other_message(call, &f, &x, &pr, a);
			return;
		}
		x.spec = spec;
	}
	f.code = f.opx = *fn;
	key = pair_key(x.pdu_ref, *fn, server == (p[1] == JOB));
	if (p[1] == JOB) {
		st = pair_room(call);
		f.kind = FACT_REQUEST;
		a |= request_items(&f, &x, st, *fn == FN_WRITE, &bytes, &room);
		prop_num(&pr, NUM_ITEMS, x.n_wire);
		if (!server)
			pair_pending(st, &pr);
		if (__builtin_expect(st->open != 0, 0))
			a |= pair_check(st, key);
		if (server)
			a |= S7_A(REVERSE_REQUEST);
		if (fact_end(call, &f, a) && f.kind == FACT_REQUEST) {
			key |= pair_about(bytes, x.n_wire);
			pair_push(st, key);
			call->memo = server ? 0 : (key & ~(pair_req)UINT16_MAX) | st->pdu_size;
		}
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

/* --- one TSDU -------------------------------------------------------------- */

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

/* --- the quick look -------------------------------------------------------- */

#define REF_AT	    (ISO_DT_LEN + 4u)	   /* the reference, in the PDU */
#define FUNCTION_AT (ISO_DT_LEN + S7_HEAD) /* of a job */
#define GIST_MAX    (8u * (DIS_GIST_WORDS - 2))

/* One DT with a whole message of this ROSCTR and nothing odd about its headers. */
static inline bool
plain_head(const uint8_t *p, uint32_t len, uint8_t rosctr)
{
	static const uint8_t dt[] = {ISO_DT_LI, ISO_DT, ISO_EOT, S7_ID};
	uint32_t want, have;

	memcpy(&want, dt, sizeof(want));
	memcpy(&have, p + ISO_TPKT_LEN, sizeof(have));
	return p[0] == 3 && p[1] == 0 && be16(p + 2) == len && have == want &&
	       p[ISO_DT_LEN + 1] == rosctr && (p[ISO_DT_LEN + 2] | p[ISO_DT_LEN + 3]) == 0;
}

/*
 * All but the reference, of reads and writes, and the size of PDUs that was agreed upon: whether
 * request and answer fit it is looked at.
 */
static uint32_t
s7_gist(const void *state, const uint8_t *p, uint32_t len, uint8_t variant, uint64_t *w)
{
	const struct s7_state *st = state;
	uint64_t ref = 0;
	uint32_t n;

	if (variant != 0 || len < FUNCTION_AT + 10 || len > GIST_MAX ||
	    (p[FUNCTION_AT] != FN_READ && p[FUNCTION_AT] != FN_WRITE) || !plain_head(p, len, JOB))
		return 0;
	n = dis_words(w, p, len);
	memset((uint8_t *)&ref + REF_AT - 8, 0xff, 2);
	w[1] &= ~ref;
	w[n] = st->pdu_size;
	return n + 1;
}

/* The answer to the oldest open request, which it is by its key; of its kind, with the lengths that
 * were asked for, and not all of it refused. */
static bool
plain_answer(struct s7_state *st, const uint8_t *p, uint32_t len)
{
	struct cur c = cur_make(p + ISO_DT_LEN, len - ISO_DT_LEN);
	uint32_t spec = be16(p + ISO_DT_LEN + 6);
	uint8_t fn = p[FUNCTION_AT + 2];
	pair_req q = st->req[st->old];
	struct s7_ext x;

	if (!plain_head(p, len, ACK_DATA) || (p[FUNCTION_AT] | p[FUNCTION_AT + 1]) != 0 ||
	    (fn != FN_READ && fn != FN_WRITE) || spec == 0 ||
	    S7_HEAD_ACK + spec + be16(p + ISO_DT_LEN + 8) != len - ISO_DT_LEN ||
	    (st->pdu_size != 0 && len - ISO_DT_LEN > st->pdu_size) || !(st->open >> st->old & 1) ||
	    !pair_same(q, pair_key(be16(p + REF_AT), fn, false)))
		return false;
	if (fn == FN_READ && spec == 2 && p[FUNCTION_AT + 3] == 1) { /* answer_read() of one item */
		const uint8_t *value = p + FUNCTION_AT + 4;
		uint32_t n = be16(value + 2);

		if (len < FUNCTION_AT + 8 || value[0] != VAL_OK)
			return false;
		if (value[1] >= 3 && value[1] <= 5) /* bits */
			n = (n + 7) / 8;
		return len == FUNCTION_AT + 8 + n && pair_items(q) == 1 &&
		       (pair_bytes(q) == UINT16_MAX || pair_bytes(q) == n);
	}
	x.present = 0;
	cur_skip(&c, S7_HEAD_ACK);
	x.spec = cur_take(&c, spec);
	x.data = c;
	cur_skip(&x.spec, 1);
	if (fn == FN_READ)
		return answer_read(&x, q) == 0 && !all_refused(&x, false);
	return answer_write(&x, q) == 0 && !all_refused(&x, true);
}

static bool
s7_again(
    void *state, const uint8_t *p, uint32_t len, enum dis_dir dir, bool midstream, uint64_t memo)
{
	struct s7_state *st = state;
	struct pair_hit hit = {st->old, 0};

	(void)midstream; /* excuses answers to what was not seen: not plain */
	if (dir == DIR_TO_SERVER) {
		if (st->open != 0 || !pair_spare(st) || st->pdu_size != (uint16_t)memo)
			return false;
		st->flags |= ST_SETTLED;
		pair_push(st, (memo & ~(uint64_t)UINT16_MAX) | be16(p + REF_AT));
		return true;
	}
	if (len < ISO_DT_LEN + S7_HEAD_ACK + 2 || !plain_answer(st, p, len))
		return false;
	st->flags |= ST_SETTLED;
	pair_close(st, &hit);
	return true;
}

static uint16_t
s7_known_opx(const uint8_t *p, enum dis_dir dir)
{
	return p[dir == DIR_TO_SERVER ? FUNCTION_AT : FUNCTION_AT + 2];
}

/* Nothing is open, there is room, and message() has settled the flow before: see s7_again(). */
static bool
s7_unmoved(const void *state)
{
	const struct s7_state *st = state;

	return st->open == 0 && pair_spare(st) && st->flags & ST_SETTLED;
}

static void
s7_gap(struct dis_call *call, uint32_t lost)
{
	(void)lost;
	if (call->transfer)
		call->transfer(call->sink, &(struct dis_transfer){.step = TRANSFER_LOST});
	pair_gap(call->state, call->dir == DIR_TO_CLIENT);
}

/* Who goes on below the engine knows one size of PDUs only. */
static bool
s7_at_rest(const void *state, uint8_t variant)
{
	const struct s7_state *st = state;
	bool rest = variant == 0 && st->open == 0 && st->szl_seq == 0 && !(st->flags & ST_LOST) &&
		    (st->pdu_size == 0 || st->pdu_size >= PDU_BELOW);

	for (unsigned i = 0; i < TRANSFERS; i++)
		rest &= st->transfer[i].state == TR_FREE;
	return rest;
}

static const uint16_t ports[] = {102, 0};

const struct dissector dissector_s7 = {
    .name = "s7",
    .spec = "SIMATIC S7 communication (unpublished; see top comment), RFC 1006, X.224 class 0",
    .ports = ports,
    .max_pdu = ISO_TSDU_MAX,
    .state_size = STATE_SMALL,
    .state_most = sizeof(struct s7_state),
    .schema = &schema,
    .probe = s7_probe,
    .frame = s7_frame,
    .frame_on = iso_frame_on,
    .settled = s7_settled,
    .pdu = s7_pdu,
    .gap = s7_gap,
    .refuse = s7_refuse,
    .answer = s7_answer,
    .at_rest = s7_at_rest,
    .gist = s7_gist,
    .again = s7_again,
    .known_opx = s7_known_opx,
    .unmoved = s7_unmoved,
    .number_at = REF_AT,
    .identity = s7_identity,
};
