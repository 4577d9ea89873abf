/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.h - JSON members of S7 facts that are not plain numbers; included by s7.c
 * only, nothing here runs on the packet path.
 */
#ifndef S7_SHOW_H
#define S7_SHOW_H

#include <stdio.h>

#include "dissectors/s7/item.h"

#define HEX_MAX 480 /* bytes of a body that JSON shows */

static void
json_hex(struct jw *w, const char *key, struct cur c)
{
	size_t n = cur_left(&c);

	if (n > HEX_MAX)
		n = HEX_MAX;
	jw_key(w, key);
	jw_hex(w, cur_bytes(&c, n), n);
}

static void
json_text(struct jw *w, const char *key, struct cur c)
{
	jw_strn(w, key, c.p ? (const char *)c.p : "", cur_left(&c));
}

/* "SIMATIC-ROOT-HMI" as it is, two bytes as "01.02". */
static void
json_tsap(struct jw *w, const char *key, struct cur c)
{
	char text[3 * 32 + 1], *p = text;
	struct cur look = c;
	bool plain = cur_left(&c) > 2;

	if (!c.p)
		return;
	while (cur_left(&look) > 0) {
		uint8_t b = cur_u8(&look);

		plain = plain && b > ' ' && b < 0x7f;
	}
	if (plain) {
		json_text(w, key, c);
		return;
	}
	*p = '\0';
	while (cur_left(&c) > 0 && p < text + sizeof(text) - 3)
		p += snprintf(p, 4, p == text ? "%02X" : ".%02X", cur_u8(&c));
	jw_str(w, key, text);
}

static const char *
type_name(uint8_t type)
{
	static const char *const names[] = {[1] = "BIT",
	    [2] = "BYTE",
	    [3] = "CHAR",
	    [4] = "WORD",
	    [5] = "INT",
	    [6] = "DWORD",
	    [7] = "DINT",
	    [8] = "REAL",
	    [9] = "DATE",
	    [10] = "TOD",
	    [11] = "TIME",
	    [12] = "S5TIME",
	    [15] = "DATE_AND_TIME",
	    [28] = "COUNTER",
	    [29] = "TIMER",
	    [30] = "IEC_TIMER",
	    [31] = "IEC_COUNTER",
	    [32] = "HS_COUNTER"};

	return type < sizeof(names) / sizeof(names[0]) ? names[type] : NULL;
}

static const char *
block_type_name(unsigned type)
{
	static const char *const names[BLOCK_FILE + 1] = {[8] = "OB", [10] = "DB", [11] = "SDB",
	    [12] = "FC", [13] = "SFC", [14] = "FB", [15] = "SFB", [BLOCK_FILE] = "FILE"};

	return type <= BLOCK_FILE ? names[type] : NULL;
}

static const char *
area_name(unsigned space)
{
	static const char *const names[N_SPACES] = {[SPACE_I] = "I",
	    [SPACE_Q] = "Q",
	    [SPACE_M] = "M",
	    [SPACE_P] = "P",
	    [SPACE_L] = "L",
	    [SPACE_V] = "V",
	    [SPACE_SM] = "SM",
	    [SPACE_AI] = "AI",
	    [SPACE_AQ] = "AQ",
	    [SPACE_SYS] = "SYS",
	    [SPACE_DB] = "DB",
	    [SPACE_DI] = "DI",
	    [SPACE_T] = "T",
	    [SPACE_C] = "C",
	    [SPACE_HT] = "HT",
	    [SPACE_HC] = "HC",
	    [SPACE_RECORD] = "RECORD",
	    [SPACE_NCK] = "NCK",
	    [SPACE_DRIVE] = "DRIVE"};

	return space < N_SPACES ? names[space] : NULL;
}

/* "08" or "0A00001P" and the like, without the mark of a file. */
static void
json_block(struct jw *w, const char *key, struct cur c)
{
	struct cur look = c;
	const uint8_t *p = cur_bytes(&look, 2);
	const char *name;
	uint32_t number;
	uint8_t type;

	if (!p || p[0] != '0' || hex_digit(p[1]) < 0)
		return;
	type = (uint8_t)hex_digit(p[1]);
	name = block_type_name(type);
	jw_obj(w, key);
	if (name)
		jw_str(w, "type", name);
	else
		jw_strn(w, "type", (const char *)p, 2);
	if (block_parse(c, &type, &number)) {
		uint8_t place = c.end[-1];

		jw_u(w, "number", number);
		jw_str(w, "filesystem",
		    place == 'P'   ? "passive"
		    : place == 'A' ? "active"
				   : "both");
	}
	jw_close(w, '}');
}

static void
json_area(struct jw *w, const char *area, uint32_t db, bool has_db, uint32_t byte, unsigned bit)
{
	jw_str(w, "area", area);
	if (has_db)
		jw_u(w, "db", db);
	jw_u(w, "byte", byte);
	jw_u(w, "bit", bit);
}

/* S7ANY as the PDU has it: the raw count and type. */
static void
json_any(struct jw *w, const uint8_t *p)
{
	uint32_t addr = (uint32_t)p[9] << 16 | be16(p + 10);
	uint8_t space = area_space[p[8]];
	const char *type = type_name(p[3]);

	if (space != 0 && !space_of_bits((uint8_t)(space - 1))) {
		jw_str(w, "area", area_name(space - 1u));
		jw_u(w, "number", addr);
	} else if (space != 0) {
		bool db = space - 1 >= SPACE_DB;

		json_area(w, area_name(space - 1u), be16(p + 6), db, addr >> 3, addr & 7);
	} else {
		jw_u(w, "area_code", p[8]);
		jw_u(w, "address", addr);
	}
	if (type)
		jw_str(w, "type", type);
	else
		jw_u(w, "type_code", p[3]);
	jw_u(w, "count", be16(p + 4));
}

/* DB-READ: the run at the cursor. */
static void
json_run(struct jw *w, struct cur *c)
{
	unsigned n = cur_u8(c), db = cur_be16(c), at = cur_be16(c);

	json_area(w, "DB", db, true, at, 0);
	jw_str(w, "type", "BYTE");
	jw_u(w, "count", n);
}

/* 1200SYM: where, and the path of local ids. */
static void
json_symbol(struct jw *w, struct cur c, const struct fact_item *it)
{
	const char *area = area_name(it->space);

	if (area)
		jw_str(w, "area", area);
	if (it->space == SPACE_DB)
		jw_u(w, "db", it->sub);
	cur_skip(&c, 5);
	jw_u(w, "crc", cur_be32(&c));
	jw_arr(w, "lid");
	while (cur_left(&c) >= 4)
		jw_u(w, NULL, cur_be32(&c) & 0x0fffffff);
	jw_close(w, ']');
}

static void
json_other_item(struct jw *w, uint8_t syntax, struct cur c, const struct fact_item *it)
{
	jw_u(w, "syntax", syntax);
	if (syntax == SYN_SYM) {
		json_symbol(w, c, it);
		return;
	}
	if (it->space == SPACE_NCK) {
		jw_str(w, "area", "NCK");
		jw_u(w, "unit", it->sub >> 8);
		jw_u(w, "module", it->sub & 0xff);
		jw_u(w, "column", it->first >> 16);
		jw_u(w, "line", it->first & 0xffff);
		jw_u(w, "count", it->count);
	} else if (it->space == SPACE_DRIVE) {
		jw_str(w, "area", "DRIVE");
		jw_u(w, "drive", it->sub);
		jw_u(w, "parameter", it->first >> 16);
		jw_u(w, "index", it->first & 0xffff);
	} else {
		json_hex(w, "spec", c);
	}
}

static void
json_value(struct jw *w, struct cur *data, bool more)
{
	uint8_t code, type;
	uint32_t n;
	const uint8_t *p = value_take(data, more, &code, &type, &n);

	if (p)
		json_hex(w, "data", cur_make(p, n));
}

/* Read, write, cyclic: one object per variable, a DB-READ's runs each their own. */
static void
json_items(struct jw *w, const struct fact *f, const struct s7_ext *x)
{
	struct cur spec = x->spec, data = x->data;
	bool write = (x->present & HAS(X_WRITTEN)) != 0;

	jw_arr(w, "items");
	for (unsigned i = 0; i < x->n_wire && cur_left(&spec) > 0; i++) {
		struct walk one = {.spec = spec, .wire = 1};
		struct cur c = spec, body;
		struct fact_item it;
		uint8_t syntax, len;
		const uint8_t *p;

		p = cur_bytes(&spec, 2);
		len = p ? p[1] : 0;
		body = cur_take(&spec, len);
		syntax = cur_u8(&body);
		if (!cur_ok(&body))
			break;
		if (len & 1)
			cur_skip(&spec, cur_left(&spec) > 0);
		jw_obj(w, NULL);
		p = cur_bytes(&c, ITEM_ANY);
		if (syntax == SYN_ANY && len == ITEM_ANY - 2 && p) {
			json_any(w, p);
		} else if (syntax == SYN_DB) {
			unsigned n = cur_u8(&body);

			while (n-- > 0 && cur_left(&body) >= 5) {
				json_run(w, &body);
				if (n > 0 && cur_left(&body) >= 5) {
					jw_close(w, '}');
					jw_obj(w, NULL);
				}
			}
		} else {
			(void)walk_next(&one, &it);
			json_other_item(w, syntax, body, &it);
		}
		if (write)
			json_value(w, &data, i + 1u < x->n_wire);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	(void)f;
}

static void
json_vartab(struct jw *w, const struct s7_ext *x)
{
	static const char *const widths[] = {"BIT", "BYTE", "WORD", "DWORD"};
	struct cur c = x->spec;

	jw_arr(w, "items");
	while (cur_left(&c) >= VARTAB_ITEM) {
		struct cur raw = c;
		unsigned area = cur_u8(&raw), n = cur_u8(&raw), db = cur_be16(&raw),
			 at = cur_be16(&raw);
		struct fact_item it;

		(void)vartab_take(&c, ACC_READ, &it);
		jw_obj(w, NULL);
		if (it.space == SPACE_NOWHERE) {
			jw_u(w, "area_code", area);
			jw_u(w, "address", at);
		} else if (!space_of_bits(it.space)) {
			jw_str(w, "area", area_name(it.space));
			jw_u(w, "number", at);
		} else {
			json_area(w, area_name(it.space), db, it.space == SPACE_DB, at, 0);
			jw_str(w, "type", widths[area & 3]);
		}
		jw_u(w, "count", n);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

/* Answers: a return code per item, and what was read. */
static void
json_status(struct jw *w, const struct fact *f, const struct s7_ext *x)
{
	struct cur c = x->data;
	bool read = f->opx == FN_READ;
	uint8_t code, type;
	uint32_t n;

	jw_arr(w, "return_codes");
	for (unsigned i = 0; i < x->n_wire && cur_left(&c) > 0; i++) {
		if (!read)
			code = cur_u8(&c);
		else if (!answer_take(&c, i + 1u < x->n_wire, &code, &type, &n))
			break;
		jw_u(w, NULL, code);
	}
	jw_close(w, ']');
	if (!read)
		return;
	c = x->data;
	jw_arr(w, "values");
	for (unsigned i = 0; i < x->n_wire; i++) {
		const uint8_t *p = answer_take(&c, i + 1u < x->n_wire, &code, &type, &n);

		if (!p)
			break;
		json_hex(w, NULL, cur_make(p, n));
	}
	jw_close(w, ']');
}

static void
json_blocks(struct jw *w, const struct s7_ext *x)
{
	struct cur c = x->spec;

	if (x->n_wire == 0) { /* block functions: one name, or only its type */
		json_block(w, "block", c);
		return;
	}
	json_block(w, "block", cur_take(&c, BLOCK_TEXT));
	if (x->n_wire == 1)
		return;
	c = x->spec;
	jw_arr(w, "blocks");
	while (cur_left(&c) > 0)
		json_block(w, NULL, cur_take(&c, BLOCK_TEXT));
	jw_close(w, ']');
}

static void
json_file(struct jw *w, const struct s7_ext *x)
{
	struct cur c = x->name;

	json_text(w, "filename", x->name);
	cur_skip(&c, 1);
	json_block(w, "block", c);
	c = x->spec; /* '1', then six digits each: load memory and code */
	if (!(x->present & HAS(X_LENGTHS)) || cur_left(&c) != 13)
		return;
	cur_skip(&c, 1);
	json_text(w, "load_memory", cur_take(&c, 6));
	json_text(w, "mc7_length", cur_take(&c, 6));
}

/* BCD: unused, century, year, month, day, hour, minute, second, milliseconds and weekday. */
static void
json_clock(struct jw *w, struct cur c)
{
	char text[48];
	unsigned v[10];

	for (unsigned i = 0; i < 10; i++)
		v[i] = cur_u8(&c);
	snprintf(text, sizeof(text), "%s%02x-%02x-%02xT%02x:%02x:%02x.%02x%x",
	    v[2] < 0x90 ? "20" : "19", v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9] >> 4);
	jw_str(w, "clock", text);
}

/* Schema callback: the members that the field table cannot say. */
static void
s7_json(struct jw *w, const struct fact *f)
{
	const struct s7_ext *x = f->ext;

	if (!x || f->kind == FACT_MALFORMED)
		return;
	if (x->present & HAS(X_TSAPS)) {
		json_tsap(w, "src_tsap", x->src);
		json_tsap(w, "dst_tsap", x->dst);
	}
	if (x->present & HAS(X_ITEMS))
		json_items(w, f, x);
	if (x->present & HAS(X_VARTAB))
		json_vartab(w, x);
	if (x->present & HAS(X_STATUS))
		json_status(w, f, x);
	if (x->present & HAS(X_FILE))
		json_file(w, x);
	if (x->present & HAS(X_PI)) {
		json_text(w, "pi_service", x->name);
		if (!(x->present & HAS(X_BLOCKS)) && cur_left(&x->spec) > 0)
			json_text(w, "argument", x->spec);
	}
	if (x->present & HAS(X_BLOCKS))
		json_blocks(w, x);
	if (x->present & HAS(X_CLOCK))
		json_clock(w, x->spec);
	if (x->present & HAS(X_DATA))
		json_hex(w, "data", x->data);
}

#endif /* S7_SHOW_H */
