/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fast_pdu.h - the PDUs that the kernel judges, read where every field has a fixed place.
 *
 * [APP]  MODBUS Application Protocol V1.1b3    [MSG]  MODBUS on TCP/IP V1.0b
 * [1006] RFC 1006    [X.224]    S7: as dissectors/s7/s7.c says
 *
 *   Modbus/TCP       functions 1 to 6, 15, 16; answers and exceptions
 *   S7               read and write of one variable in DB, M, I, Q: bits, bytes, words, double
 *                    words; its positive answer
 *
 * What is odd in any way, though a dissector might let it pass with a remark, is not read here: the
 * engine has the word.  The programs in the kernel and tests in user space compile this file.
 * Bytes behind the PDU's end may be read, up to FAST_READ of them; what they are does not matter.
 */
#ifndef EBPF_FAST_PDU_H
#define EBPF_FAST_PDU_H

#include <stdbool.h>

#include <linux/types.h>

#include "ebpf/flow_abi.h"

#define FAST_READ 48 /* bytes from the beginning that are looked at */

/* Spaces and accesses as the dissectors number them (gate_fill.c holds it). */
enum fast_modbus_space { FAST_COIL = 0, FAST_DISCRETE, FAST_HOLDING, FAST_INPUT };
enum fast_s7_space { FAST_S7_I = 0, FAST_S7_Q = 1, FAST_S7_M = 2, FAST_S7_DB = 10 };

enum { MBAP = 7, MBAP_MAX = 260 };
enum {
	ISO_HEAD = 7,
	S7_REQUEST = 31,
	S7_VALUE = 35,
	S7_ANSWER = 22,
	S7_ANSWER_VALUE = 25,
	S7_PDU = 240
};

/* What a request asks for. */
struct fast_ask {
	__u32 opx, unit, space, write, sub, first, count;
};

static inline __attribute__((always_inline)) __u32
fast_be16(const __u8 *p)
{
	return (__u32)p[0] << 8 | p[1];
}

/* --- Modbus ------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) bool
modbus_whole(const __u8 *p, __u32 n)
{
	return n >= 9 && n <= MBAP_MAX && p[2] == 0 && p[3] == 0 && fast_be16(p + 4) + 6 == n;
}

static inline __attribute__((always_inline)) bool
modbus_ask(const __u8 *p, __u32 n, struct fast_ask *a)
{
	__u32 fc, word, most;

	if (!modbus_whole(p, n) || n < 12)
		return false;
	fc = p[7];
	word = fast_be16(p + 10);
	a->opx = fc;
	a->unit = p[6];
	a->sub = 0;
	a->first = fast_be16(p + 8);
	a->count = 1;
	a->write = fc >= 5;
	switch (fc) { /* [APP] 6.1 to 6.6, 6.11, 6.12 */
	case 1:
	case 2:
		a->space = fc == 1 ? FAST_COIL : FAST_DISCRETE;
		most = 2000;
		break;
	case 3:
	case 4:
		a->space = fc == 3 ? FAST_HOLDING : FAST_INPUT;
		most = 125;
		break;
	case 5:
		a->space = FAST_COIL;
		return n == 12 && (word == 0 || word == 0xff00);
	case 6:
		a->space = FAST_HOLDING;
		return n == 12;
	case 15:
		a->space = FAST_COIL;
		most = 1968;
		if (p[12] != (word + 7) / 8 || n != 13u + p[12])
			return false;
		break;
	case 16:
		a->space = FAST_HOLDING;
		most = 123;
		if (p[12] != word * 2 || n != 13u + p[12])
			return false;
		break;
	default:
		return false;
	}
	a->count = word;
	return word - 1 < most && a->first + word <= 65536 && (a->write || n == 12);
}

/* Is p the answer to request q? */
static inline __attribute__((always_inline)) bool
modbus_answers(const __u8 *q, const __u8 *p, __u32 n)
{
	__u32 fc = q[7], word = fast_be16(q + 10), bytes;

	if (!modbus_whole(p, n) || p[0] != q[0] || p[1] != q[1] || p[6] != q[6])
		return false;
	if (p[7] == (fc | 0x80)) /* [APP] 7: the codes it names */
		return n == 9 && p[8] <= 11 && (0x0dfeu >> p[8] & 1);
	if (p[7] != fc)
		return false;
	if (fc <= 4) {
		bytes = fc <= 2 ? (word + 7) / 8 : word * 2;
		return p[8] == bytes && n == 9 + bytes;
	}
	/* an echo: address and value, or quantity */
	return n == 12 && p[8] == q[8] && p[9] == q[9] && p[10] == q[10] && p[11] == q[11];
}

/* Would two open requests be told apart by their answers? */
static inline __attribute__((always_inline)) bool
modbus_near(const __u8 *a, const __u8 *b)
{
	return a[0] == b[0] && a[1] == b[1];
}

/* --- S7 ------------------------------------------------------------------------------------- */

/* One TPKT with one DT that ends its TSDU ([1006] 6, [X.224] 13.7), and in it an S7 message. */
static inline __attribute__((always_inline)) bool
s7_whole(const __u8 *p, __u32 n)
{
	return n >= S7_ANSWER && n <= ISO_HEAD + S7_PDU && p[0] == 3 && p[1] == 0 &&
	       fast_be16(p + 2) == n && p[4] == 2 && p[5] == 0xf0 && p[6] == 0x80 && p[7] == 0x32 &&
	       p[9] == 0 && p[10] == 0;
}

/* Bytes of the value; 0: not one of ours. */
static inline __attribute__((always_inline)) __u32
s7_bytes(const __u8 *p, __u32 *bits)
{
	__u32 type = p[22], count = fast_be16(p + 23);

	if (type == 1)
		*bits = count;
	else if (type == 2 || type == 3)
		*bits = count * 8;
	else if (type == 4 || type == 5)
		*bits = count * 16;
	else if (type >= 6 && type <= 8)
		*bits = count * 32;
	else
		return 0;
	if (count == 0 || count > S7_PDU || (type == 1 && count != 1))
		return 0;
	return (*bits + 7) / 8;
}

static inline __attribute__((always_inline)) bool
s7_ask(const __u8 *p, __u32 n, struct fast_ask *a)
{
	__u32 data = fast_be16(p + 15), bytes, bits = 0;

	if (!s7_whole(p, n) || n < S7_REQUEST || p[8] != 1 || fast_be16(p + 13) != 14 ||
	    data + S7_REQUEST != n || (p[17] != 4 && p[17] != 5) || p[18] != 1 || p[19] != 0x12 ||
	    p[20] != 10 || p[21] != 0x10)
		return false;
	a->opx = p[17];
	a->unit = 0;
	a->write = p[17] == 5;
	bytes = s7_bytes(p, &bits);
	a->first = (__u32)p[28] << 16 | fast_be16(p + 29);
	a->count = bits;
	a->sub = p[27] == 0x84 ? fast_be16(p + 25) : 0;
	if (p[27] == 0x81)
		a->space = FAST_S7_I;
	else if (p[27] == 0x82)
		a->space = FAST_S7_Q;
	else if (p[27] == 0x83)
		a->space = FAST_S7_M;
	else if (p[27] == 0x84)
		a->space = FAST_S7_DB;
	else
		return false;
	if (bytes == 0 || a->first + bits > 65536u * 8 || (p[22] != 1 && (a->first & 7) != 0))
		return false;
	if (!a->write)
		return data == 0 && 18 + bytes <= S7_PDU;
	/* a return code, the value's type and length in bits */
	if (data != 4 + bytes)
		return false;
	return p[22] == 1 ? p[32] == 3 && fast_be16(p + 33) == 1
			  : p[32] == 4 && fast_be16(p + 33) == bits;
}

static inline __attribute__((always_inline)) bool
s7_answers(const __u8 *q, const __u8 *p, __u32 n)
{
	__u32 data = fast_be16(p + 15), bytes, len, bits = 0;

	if (!s7_whole(p, n) || p[8] != 3 || p[11] != q[11] || p[12] != q[12] ||
	    fast_be16(p + 13) != 2 || data + 21 != n || p[17] != 0 || p[18] != 0 ||
	    p[19] != q[17] || p[20] != 1 || p[21] != 0xff)
		return false;
	if (p[19] == 5)
		return n == S7_ANSWER;
	bytes = s7_bytes(q, &bits);
	len = fast_be16(p + 23);
	if (p[22] >= 3 && p[22] <= 5) /* bits */
		len = (len + 7) / 8;
	else if (p[22] != 7 && p[22] != 9)
		return false;
	return len == bytes && n == S7_ANSWER_VALUE + bytes;
}

static inline __attribute__((always_inline)) bool
s7_near(const __u8 *a, const __u8 *b)
{
	return a[11] == b[11] && a[12] == b[12];
}

#endif /* EBPF_FAST_PDU_H */
