/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtu.h - how long a Modbus PDU must be, and the serial framing; included by
 * modbus.c only.
 *
 * RTU frames, [SER] 2.5.1; here they follow each other in a TCP stream, so
 * that the silence which ends a frame on the wire is gone:
 *
 *    0      1                        n-2      n
 *   +------+------+- - - - - - - - -+--------+
 *   | unit | code | data            | CRC-16 |  low byte first
 *   +------+------+- - - - - - - - -+--------+
 *
 * The function code says the length where it can; where it cannot (user
 * functions, diagnostics 0, MEI 13) the frame ends where the CRC fits.
 */
#ifndef MODBUS_RTU_H
#define MODBUS_RTU_H

#include "dissectors/modbus/common.h"

#define RTU_MIN	     4	 /* unit, code, CRC */
#define RTU_MAX	     256 /* [SER] 2.5.1 */
#define RTU_UNIT_MAX 247 /* [SER] 2.2 */
#define RTU_SCAN_MAX 64	 /* longest frame found by its CRC: bounds the work per byte to 64 steps */

/* Length of a PDU from its function code on: base bytes, plus the value of the
 * byte at offset count when that is not 0.  base 0: no such PDU is known;
 * base + VARIES: at least base, the rest depends on more than one byte. */
#define VARIES 0x80
struct pdu_len {
	uint8_t base, count;
};

static const struct pdu_len pdu_len[2][128] = {
    [DIR_TO_SERVER] = {
	[1] = {5, 0}, [2] = {5, 0}, [3] = {5, 0}, [4] = {5, 0}, [5] = {5, 0}, [6] = {5, 0},
	[7] = {1, 0}, [8] = {5 | VARIES, 0}, [11] = {1, 0}, [12] = {1, 0}, [15] = {6, 5},
	[16] = {6, 5}, [17] = {1, 0}, [20] = {2, 1}, [21] = {2, 1}, [22] = {7, 0},
	[23] = {10, 9}, [24] = {3, 0}, [43] = {2 | VARIES, 0},
    },
    [DIR_TO_CLIENT] = {
	[1] = {2, 1}, [2] = {2, 1}, [3] = {2, 1}, [4] = {2, 1}, [5] = {5, 0}, [6] = {5, 0},
	[7] = {2, 0}, [8] = {5 | VARIES, 0}, [11] = {5, 0}, [12] = {2, 1}, [15] = {5, 0},
	[16] = {5, 0}, [17] = {2, 1}, [20] = {2, 1}, [21] = {2, 1}, [22] = {7, 0},
	[23] = {2, 1}, [24] = {3, 2}, [43] = {2 | VARIES, 0},
    },
};

enum fit {
	FIT_NO = 0,  /* a known code with a body it cannot have */
	FIT_UNKNOWN, /* the code says nothing about its length */
	FIT_YES,
};

/* Can a PDU of len bytes start with what c shows of it? */
static enum fit
pdu_fits(struct cur c, size_t len, enum dis_dir dir)
{
	const uint8_t *p = c.p;
	size_t have = cur_left(&c);
	struct pdu_len l;

	if (have == 0)
		return FIT_UNKNOWN;
	if (p[0] & FC_EXCEPTION)
		return dir == DIR_TO_CLIENT && len == 2 ? FIT_YES : FIT_NO;
	l = pdu_len[dir][p[0]];
	if (l.base == 0)
		return FIT_UNKNOWN;
	if (l.base & VARIES)
		return len >= (size_t)(l.base & ~VARIES) ? FIT_YES : FIT_NO;
	if (l.count == 0)
		return len == l.base ? FIT_YES : FIT_NO;
	if (have <= l.count) /* the byte that counts has not come */
		return len >= l.base ? FIT_YES : FIT_NO;
	return len == (size_t)l.base + p[l.count] ? FIT_YES : FIT_NO;
}

/* CRC-16, [SER] 6.2: polynomial 0xA001 reflected, half a byte at a time. */
static uint16_t
crc16(uint16_t crc, uint8_t byte)
{
	static const uint16_t half[16] = {
	    0x0000, 0xcc01, 0xd801, 0x1400, 0xf001, 0x3c00, 0x2800, 0xe401,
	    0xa001, 0x6c00, 0x7800, 0xb401, 0x5000, 0x9c01, 0x8801, 0x4400,
	};

	crc = (uint16_t)(half[(crc ^ byte) & 0xf] ^ crc >> 4);
	return (uint16_t)(half[(crc ^ byte >> 4) & 0xf] ^ crc >> 4);
}

/* A frame with its CRC at the end leaves 0. */
static bool
crc16_ok(struct cur c)
{
	uint16_t crc = 0xffff;

	while (c.p != c.end)
		crc = crc16(crc, cur_u8(&c));
	return crc == 0;
}

/* Takes the CRC off a whole frame; returns anomalies. */
static uint64_t
rtu_trailer(struct cur *c)
{
	size_t len = cur_left(c);
	uint64_t a = crc16_ok(*c) ? 0 : MB_A(CRC);

	if (len > RTU_MAX)
		a |= MB_A(LENGTH_OVER);
	*c = cur_take(c, len < 2 ? 0 : len - 2);
	return len < RTU_MIN ? a | MB_A(BODY_SHORT) : a;
}

/* First length at which the CRC fits, or FRAME_MORE, or FRAME_BAD. */
static int32_t
rtu_scan(struct cur c)
{
	uint16_t crc = 0xffff;

	for (int32_t n = 1; n <= RTU_SCAN_MAX; n++) {
		crc = crc16(crc, cur_u8(&c));
		if (!cur_ok(&c))
			return FRAME_MORE;
		if (crc == 0 && n >= RTU_MIN)
			return n;
	}
	return FRAME_BAD;
}

/* Device identification answer, [APP] 6.21: a list of objects with lengths. */
static int32_t
rtu_device_id(struct cur c)
{
	const uint8_t *start = c.p;
	size_t have = cur_left(&c);
	unsigned n;

	cur_skip(&c, 7); /* unit, code, MEI, id code, conformity, more, next */
	n = cur_u8(&c);
	while (n-- > 0 && cur_ok(&c)) {
		cur_skip(&c, 1);
		cur_skip(&c, cur_u8(&c));
	}
	if (!cur_ok(&c))
		return have > RTU_MAX ? FRAME_BAD : FRAME_MORE;
	n = (unsigned)(c.p - start) + 2;
	return n <= RTU_MAX ? (int32_t)n : FRAME_BAD;
}

static int32_t
rtu_frame(struct cur c, enum dis_dir dir)
{
	const uint8_t *p = c.p;
	size_t have = cur_left(&c);
	struct pdu_len l;
	int32_t n;

	if (have < 2)
		return FRAME_MORE;
	if (p[1] & FC_EXCEPTION)
		return dir == DIR_TO_CLIENT ? 5 : rtu_scan(c);
	l = pdu_len[dir][p[1]];
	if (p[1] == 8 || p[1] == 43) {
		if (have < 4)
			return FRAME_MORE;
		if (p[1] == 8 && (p[2] | p[3]) != 0)
			return 8;
		if (p[1] == 43 && p[2] == 14)
			return dir == DIR_TO_SERVER ? 7 : rtu_device_id(c);
		return rtu_scan(c);
	}
	if (l.base == 0)
		return rtu_scan(c);
	if (l.count == 0)
		return 1 + l.base + 2;
	if (have <= 1u + l.count)
		return FRAME_MORE;
	n = 1 + l.base + p[1 + l.count] + 2;
	return n <= RTU_MAX ? n : FRAME_BAD;
}

#endif /* MODBUS_RTU_H */
