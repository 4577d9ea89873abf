/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iso_tcp.h - ISO transport class 0 on TCP, the way S7 and its younger
 * relatives travel; shared by their folders, all static inline.
 *
 * Spec: RFC 1006 (TPKT), ISO on TCP                               [1006]
 *       ITU-T X.224 (11/1995) = ISO/IEC 8073, COTP                [X.224]
 *
 *    0      1      2      4      5      6      7
 *   +------+------+------+------+------+------+- - - - -+
 *   | 0x03 | 0x00 | length      | LI   | 0xf0 | EOT  | user data      DT
 *   +------+------+------+------+------+------+- - - - -+
 *    TPKT, [1006] 6       == 2^    ^type  ^0x80 last, 0x00 goes on
 *
 * length counts the TPKT header; LI counts the COTP header behind itself.  A
 * transport message (TSDU) is the user data of its DTs up to and with the first
 * that says EOT.  To the engine one TSDU is one PDU; so is any other TPKT, and
 * an empty DT that does not say EOT where a TSDU would begin, which devices
 * send to acknowledge or to keep a connection alive and receivers skip.
 */
#ifndef DISSECTORS_ISO_TCP_H
#define DISSECTORS_ISO_TCP_H

#include "base/cur.h"
#include "dissectors/dissector.h"

#define ISO_TPKT_LEN 4
#define ISO_DT_LEN   7	   /* TPKT and the header of a DT; also the shortest TPKT */
#define ISO_DT_LI    2	   /* [X.224] 13.7.1: class 0 */
#define ISO_EOT	     0x80
#define ISO_TSDU_MAX 16384 /* bytes of all TPKTs of one TSDU: our bound, no standard's */

/* High nibble of the TPDU code, [X.224] 13; class 0 knows the first five. */
enum iso_type {
	ISO_CR = 0xe0, /* connection request */
	ISO_CC = 0xd0, /* connection confirm */
	ISO_DR = 0x80, /* disconnect request */
	ISO_DT = 0xf0, /* data */
	ISO_ER = 0x70, /* error */
	ISO_DC = 0xc0, /* disconnect confirm */
	ISO_ED = 0x10, ISO_EA = 0x20, ISO_AK = 0x60, ISO_RJ = 0x50,
};

/* Bit n: n << 4 is one of the above. */
#define ISO_TYPES                                                                                  \
	(1u << 14 | 1u << 13 | 1u << 8 | 1u << 15 | 1u << 7 | 1u << 12 | 1u << 1 | 1u << 2 |       \
	    1u << 6 | 1u << 5)

static inline bool
iso_is_type(uint8_t code)
{
	return (ISO_TYPES >> (code >> 4) & 1) != 0 && ((code & 0xf0) != ISO_DT || code == ISO_DT);
}

/* Length of the TPKT that p[0..ISO_DT_LEN) begins, or FRAME_BAD. */
static inline int32_t
iso_tpkt(const uint8_t *p)
{
	unsigned len = (unsigned)p[2] << 8 | p[3];

	if (p[0] != 3 || len < ISO_DT_LEN || p[4] < ISO_DT_LI || p[4] + 5u > len ||
	    !iso_is_type(p[5]) || (p[5] == ISO_DT && p[4] != ISO_DT_LI))
		return FRAME_BAD;
	return (int32_t)len;
}

/*
 * The TSDU whose first at bytes are whole DTs that said they go on: frame() and
 * frame_on() behind their first TPKT.  Each header is looked at once.
 */
static inline int32_t
iso_frame_rest(struct cur w, uint32_t at)
{
	cur_skip(&w, at);
	for (;;) {
		struct cur head = w;
		const uint8_t *p = cur_bytes(&head, ISO_DT_LEN);
		int32_t n;

		if (at + ISO_DT_LEN > ISO_TSDU_MAX)
			return FRAME_BAD;
		if (!p) /* the TPKT before this one may not be all here either */
			return FRAME_NEED(at + ISO_DT_LEN);
		n = iso_tpkt(p);
		if (n == FRAME_BAD)
			return FRAME_BAD;
		if (p[5] != ISO_DT) /* cut short: what there is of it ends here */
			return (int32_t)at;
		at += (uint32_t)n;
		if (p[6] & ISO_EOT)
			return (int32_t)at;
		cur_skip(&w, (size_t)n);
	}
}

/* frame_on() of a dissector: asked is behind the header that was asked for. */
static inline int32_t
iso_frame_on(struct cur w, enum dis_dir dir, uint8_t variant, uint32_t asked)
{
	(void)dir;
	(void)variant;
	return asked < ISO_DT_LEN ? FRAME_BAD : iso_frame_rest(w, asked - ISO_DT_LEN);
}

/*
 * frame() of a dissector whose messages begin with the byte id: the length of
 * the first PDU, FRAME_OTHER when the TSDU belongs to somebody else (and nobody has
 * said that it is ours all the same, VARIANT_OURS).
 */
static inline int32_t
iso_frame(struct cur w, uint8_t id, uint8_t variant)
{
	struct cur c = w;
	const uint8_t *p = cur_bytes(&c, ISO_DT_LEN);
	int32_t n;

	if (__builtin_expect(!p, 0))
		return FRAME_MORE;
	n = iso_tpkt(p);
	if (n <= ISO_DT_LEN || p[5] != ISO_DT) /* bad, empty, or no DT: one TPKT */
		return n;
	if (__builtin_expect(cur_left(&c) == 0, 0))
		return FRAME_MORE;
	if (c.p[0] != id && !(variant & VARIANT_OURS))
		return FRAME_OTHER;
	return p[6] & ISO_EOT ? n : iso_frame_rest(w, (uint32_t)n);
}

/* For probe(): could these bytes, fewer than a header, begin a TPKT? */
static inline bool
iso_may_begin(struct cur c)
{
	size_t n = cur_left(&c);

	return (n < 1 || c.p[0] == 3) && (n < 2 || c.p[1] == 0) && (n < 6 || iso_is_type(c.p[5]));
}

/* One TPKT that is no DT, [X.224] 13.3 to 13.6; or its front. */
struct iso_ctl {
	uint8_t type;	   /* enum iso_type */
	uint8_t option;	   /* CR, CC: class in the high nibble; DR: reason; ER: cause */
	uint8_t tpdu_size; /* log2 of the bytes, 7..13; 0 = not said */
	bool short_;	   /* a parameter runs beyond the header */
	bool unknown;	   /* a parameter of none of the classes: not [X.224] 13.2.3 */
	uint16_t dst_ref, src_ref;
	struct cur src, dst;   /* calling and called TSAP; p == NULL: not said */
	struct cur vars;       /* all parameters as they are */
	struct cur data;       /* user data behind the header, class 0 has none */
};

/* The parameter codes that any class has: 0x85 to 0x8b, 0xc0 to 0xc7, 0xe0, 0xf0. */
static inline bool
iso_is_param(uint8_t code)
{
	return (code >= 0x85 && code <= 0x8b) || (code >= 0xc0 && code <= 0xc7) || code == 0xe0 ||
	    code == 0xf0;
}

/* False: the TPKT is not whole, or its header is too short for its type. */
static inline bool
iso_read_ctl(struct cur c, struct iso_ctl *o)
{
	struct cur head;
	uint8_t len;

	*o = (struct iso_ctl){0};
	cur_skip(&c, ISO_TPKT_LEN);
	len = cur_u8(&c);
	head = cur_take(&c, len);
	o->data = c;
	o->type = cur_u8(&head) & 0xf0;
	o->dst_ref = cur_be16(&head);
	if (o->type != ISO_ER)
		o->src_ref = cur_be16(&head);
	if (o->type != ISO_DC)
		o->option = cur_u8(&head);
	if (!cur_ok(&head))
		return false;
	o->vars = head;
	while (cur_left(&head) > 0) {
		uint8_t code = cur_u8(&head);
		struct cur value = cur_take(&head, cur_u8(&head));

		if (!cur_ok(&head)) {
			o->short_ = true;
			break;
		}
		o->unknown |= !iso_is_param(code);
		if (code == 0xc0)
			o->tpdu_size = cur_u8(&value);
		else if (code == 0xc1)
			o->src = value;
		else if (code == 0xc2)
			o->dst = value;
	}
	return true;
}

/*
 * Remote desktop's connection request: a cookie or a negotiation request of 8
 * bytes in place of parameters, and no TSAP ([MS-RDPBCGR] 2.2.1.1).
 */
static inline bool
iso_is_rdp(const struct iso_ctl *o)
{
	struct cur c = o->vars;
	const uint8_t *p = cur_bytes(&c, 8);

	return !o->src.p && !o->dst.p && p &&
	    (memcmp(p, "Cookie: ", 8) == 0 || ((p[0] == 1 || p[0] == 2) && p[2] == 8 && p[3] == 0));
}

/*
 * User data of all DTs of a TSDU, copied one behind the other.  Returns how much
 * there is, which may be more than size (then buf holds the front of it);
 * *whole: the last DT says EOT.
 */
static inline size_t
iso_gather(struct cur tsdu, uint8_t *buf, size_t size, bool *whole)
{
	size_t n = 0;

	*whole = false;
	while (cur_left(&tsdu) > 0 && !*whole) {
		const uint8_t *p = cur_bytes(&tsdu, ISO_DT_LEN);
		struct cur data;
		size_t len;

		if (!p)
			break;
		data = cur_take(&tsdu, ((size_t)p[2] << 8 | p[3]) - ISO_DT_LEN);
		len = cur_left(&data);
		if (n < size)
			(void)cur_copy(&data, buf + n, size - n);
		n += len;
		*whole = cur_ok(&tsdu) && (p[6] & ISO_EOT) != 0;
	}
	return n;
}

#endif /* DISSECTORS_ISO_TCP_H */
