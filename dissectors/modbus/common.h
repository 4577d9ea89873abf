/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common.h - constants, anomaly bits and operations that the parts of Modbus
 * share; like all headers of this folder it is for modbus.c alone, and holds
 * static tables so that the folder exports one symbol.
 */
#ifndef MODBUS_COMMON_H
#define MODBUS_COMMON_H

#include "base/err.h"
#include "base/jw.h"
#include "dissectors/dissector.h"

#define MBAP_LEN	   6	/* bytes before those that the length field counts */
#define MBAP_COUNT_MIN	   2	/* unit and code */
#define MBAP_COUNT_MAX	   254	/* [APP] 4.1: PDU of at most 253 bytes, plus the unit */
#define MBAP_COUNT_UMAS	   1024 /* M340 and M580 negotiate UMAS frames of up to 1021 bytes */
#define FC_MASK		   0x7f
#define FC_EXCEPTION	   0x80 /* [APP] 7: the code of an answer, with the high bit */
#define FC_UMAS		   90
#define ADDRESSES	   65536u

enum { VARIANT_MBAP = 0, VARIANT_RTU };

enum {
#define ANOM(bit, id, name, malformed) BIT_##id = (bit),
#include "dissectors/modbus/anomalies.def"
#undef ANOM
};
#define MB_A(id) (UINT64_C(1) << BIT_##id)

static const uint64_t malformed_bits = 0
#define ANOM(bit, id, name, malformed) | (uint64_t)(malformed) << (bit)
#include "dissectors/modbus/anomalies.def"
#undef ANOM
    ;

enum space { SPACE_COIL = 0, SPACE_DISCRETE, SPACE_HOLDING, SPACE_INPUT, SPACE_FILE };

enum { NUM_PENDING = 0 }; /* props.num of a request */

/* The JSON fields that a table can say; bits of present in this order. */
enum { P_UNIT = 0, P_TXN, P_ADDR, P_COUNT, P_WADDR, P_WCOUNT, P_SUB, P_EXC, P_EXC_NAME };
#define HAS(bit) (1u << (bit))
struct mb_ext {
	uint32_t present;
	uint16_t txn, addr, count, write_addr, write_count, sub;
	uint8_t unit, exception;
	const char *exception_name;
	const uint8_t *body, *end; /* what follows the function code, without CRC */
};

static inline uint16_t
be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline struct cur
ext_body(const struct mb_ext *x)
{
	return (struct cur){.p = x->body, .end = x->end};
}

/* --- operations ----------------------------------------------------------------- */

enum { S_READ = 1 << 0, S_WRITE = 1 << 1, S_PROG = 1 << 2, S_DIAG = 1 << 3, S_CTRL = 1 << 4 };
static const char *const sets[] = {"read", "write", "programming", "diagnostic", "control", NULL};

enum {
	OPX_SUBS = 127,
#define OP(...)
#define DIAG(sub, ...) OPX_DIAG_##sub,
#define MEI(sub, ...)  OPX_MEI_##sub,
#define UMAS(sub, ...) OPX_UMAS_##sub,
#include "dissectors/modbus/ops.def"
#undef DIAG
#undef MEI
#undef UMAS
#undef OP
	N_OPX,
};

/* ops[opx].opx == opx: the code, or an index for its sub-function. */
static const struct dis_op ops[N_OPX] = {
#define OP(code, name, known, access, sets) {code, code, FACT_NO_SUB, access, known, sets, name},
#define DIAG(sub, name, access, sets)	    {OPX_DIAG_##sub, 8, sub, access, true, sets, name},
#define MEI(sub, name, access, sets)	    {OPX_MEI_##sub, 43, sub, access, true, sets, name},
#define UMAS(sub, name, access, sets) {OPX_UMAS_##sub, FC_UMAS, sub, access, false, sets, name},
#include "dissectors/modbus/ops.def"
#undef OP
#undef DIAG
#undef MEI
#undef UMAS
};

/* Sub-function to opx, 0 = has no row of its own. */
static const uint8_t diag_opx[] = {
#define OP(...)
#define DIAG(sub, ...) [sub] = OPX_DIAG_##sub,
#define MEI(...)
#define UMAS(...)
#include "dissectors/modbus/ops.def"
#undef DIAG
#undef UMAS
};
static const uint8_t umas_opx[256] = {
#define DIAG(...)
#define UMAS(sub, ...) [sub] = OPX_UMAS_##sub,
#include "dissectors/modbus/ops.def"
#undef OP
#undef DIAG
#undef MEI
#undef UMAS
};
_Static_assert(N_OPX <= 256, "sub-function tables hold bytes");

static uint16_t
sub_opx(uint8_t code, uint16_t sub)
{
	uint16_t opx = 0;

	if (code == 8 && sub < sizeof(diag_opx))
		opx = diag_opx[sub];
	else if (code == 43)
		opx = sub == 13 ? OPX_MEI_13 : sub == 14 ? OPX_MEI_14 : 0;
	else if (code == FC_UMAS && sub < sizeof(umas_opx))
		opx = umas_opx[sub];
	return opx ? opx : code;
}

#endif /* MODBUS_COMMON_H */
