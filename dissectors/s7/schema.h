/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.h - what policy and the writers know of S7: spaces, keys, fields;
 * included by s7.c only.
 */
#ifndef S7_SCHEMA_H
#define S7_SCHEMA_H

#include "dissectors/s7/notation.h"
#include "dissectors/s7/show.h"

static const struct dis_space spaces[N_SPACES] = {
    [SPACE_I] = {"I", AREA_BITS - 1, 0, 1, true},
    [SPACE_Q] = {"Q", AREA_BITS - 1, 0, 1, true},
    [SPACE_M] = {"M", AREA_BITS - 1, 0, 1, true},
    [SPACE_P] = {"P", AREA_BITS - 1, 0, 1, false},
    [SPACE_L] = {"L", AREA_BITS - 1, 0, 1, false},
    [SPACE_V] = {"V", AREA_BITS - 1, 0, 1, true},
    [SPACE_SM] = {"SM", AREA_BITS - 1, 0, 1, true},
    [SPACE_AI] = {"AI", AREA_BITS - 1, 0, 1, true},
    [SPACE_AQ] = {"AQ", AREA_BITS - 1, 0, 1, true},
    [SPACE_SYS] = {"SYS", AREA_BITS - 1, 0, 1, false},
    [SPACE_DB] = {"DB", AREA_BITS - 1, UINT16_MAX, 1, true},
    [SPACE_DI] = {"DI", AREA_BITS - 1, UINT16_MAX, 1, false},
    [SPACE_T] = {"T", UINT16_MAX, 0, 16, true},
    [SPACE_C] = {"C", UINT16_MAX, 0, 16, true},
    [SPACE_HT] = {"HT", UINT16_MAX, 0, 16, false},
    [SPACE_HC] = {"HC", UINT16_MAX, 0, 16, false},
    [SPACE_RECORD] = {"RECORD", UINT16_MAX, 0, 0, false},
    [SPACE_NCK] = {"NCK", UINT32_MAX - 1, UINT16_MAX, 0, false},
    [SPACE_DRIVE] = {"DRIVE", UINT32_MAX - 1, UINT16_MAX, 0, false},
    [SPACE_BLOCK] = {"block", BLOCK_NO_MAX, BLOCK_FILE, 0, false},
    [SPACE_NOWHERE] = {"nowhere", 0, 0, 0, false},
};

static const char *const class_words[] = {"other", "pg", "op", "basic", NULL};

static const struct dis_key keys[] = {
    {.name = "functions",
	.kind = KEY_OPS,
	.required = true,
	.help =
	    "functions by name or number (4, 0x704/1), or the sets setup, session, read, write, "
	    "diagnostic, programming, download, upload, control, pi-service, test, cyclic, alarms, "
	    "security, time, bsend, nc, all"},
    {.name = "read",
	.kind = KEY_RANGE,
	.space = DIS_SPACE_ANY,
	.access = ACC_READ,
	.help = "what may be read: DB1, DB10.DBW0..20, M0.0..15.7, IB0..3, T, C0..15, all"},
    {.name = "write",
	.kind = KEY_RANGE,
	.space = DIS_SPACE_ANY,
	.access = ACC_WRITE,
	.help = "what may be written, in the same notation"},
    {.name = "values",
	.kind = KEY_VALUES,
	.space = DIS_SPACE_ANY,
	.help = "limits of what is written: DB10.DBW0: 0..1500; the notation says the width"},
    {.name = "blocks",
	.kind = KEY_RANGE,
	.space = SPACE_BLOCK,
	.help = "blocks that may be loaded, inserted, deleted (OB1, FB*, DB10..20, FILE, all)"},
    {.name = "szl",
	.kind = KEY_NUMBER,
	.prop = NUM_SZL,
	.hi = UINT16_MAX,
	.help = "system status lists that read-szl may ask for, by id"},
    {.name = "szl-index",
	.kind = KEY_NUMBER,
	.prop = NUM_SZL_INDEX,
	.hi = UINT16_MAX,
	.help = "indexes in these lists"},
    {.name = "pi",
	.kind = KEY_TEXT,
	.prop = TEXT_PI,
	.help = "names of the program invocation services: _INSE, P_PROGRAM, _N_*"},
    {.name = "tsap-class",
	.kind = KEY_WORD,
	.prop = NUM_CLASS,
	.words = class_words,
	.help = "class of the connection by its called TSAP"},
    {.name = "rack",
	.kind = KEY_NUMBER,
	.prop = NUM_RACK,
	.hi = 7,
	.help = "rack in the called TSAP"},
    {.name = "slot",
	.kind = KEY_NUMBER,
	.prop = NUM_SLOT,
	.hi = 31,
	.help = "slot in the called TSAP"},
    {.name = "pdu-size",
	.kind = KEY_LIMIT,
	.prop = NUM_PDU,
	.lo = PDU_MIN,
	.hi = UINT16_MAX,
	.help = "largest PDU size a client may negotiate"},
    {.name = "items",
	.kind = KEY_LIMIT,
	.prop = NUM_ITEMS,
	.lo = 1,
	.hi = UINT16_MAX,
	.help = "most items in one read or write"},
    {.name = "pending",
	.kind = KEY_LIMIT,
	.prop = NUM_PENDING,
	.lo = 1,
	.hi = UINT8_MAX,
	.help = "requests of a client that wait for their answers, the new one included"},
};

#define EXT(name, type, member, bit, help) DIS_FIELD(name, type, struct s7_ext, member, bit, help)
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
	.show_range = s7_show_range,
	.anomalies = anomalies,
};

#endif /* S7_SCHEMA_H */
