/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.h - the sides of Modbus that people see: names, JSON members that are
 * not plain numbers, and addresses as engineers write them.  Included by
 * modbus.c only; nothing here runs on the packet path.
 */
#ifndef MODBUS_SHOW_H
#define MODBUS_SHOW_H

#include <stdio.h>

#include "dissectors/modbus/common.h"

/* [APP] 7; 7 was in older editions.  NULL: not a code of the table. */
static const char *
exception_name(uint8_t code)
{
	static const char *const names[] = {
		[1] = "illegal_function",
		[2] = "illegal_data_address",
		[3] = "illegal_data_value",
		[4] = "server_device_failure",
		[5] = "acknowledge",
		[6] = "server_device_busy",
		[7] = "negative_acknowledge",
		[8] = "memory_parity_error",
		[10] = "gateway_path_unavailable",
		[11] = "gateway_target_failed",
	};

	return code < sizeof(names) / sizeof(names[0]) ? names[code] : NULL;
}

/* [APP] 6.21, the answer behind its MEI type:
 *   id code, conformity, more follows, next object, number, (id, length, value)* */
static uint64_t
device_id_anomalies(struct cur *c)
{
	unsigned code = cur_u8(c), conformity = cur_u8(c), more = cur_u8(c), n;
	uint64_t a = 0;

	cur_skip(c, 1);
	n = cur_u8(c);
	if (!cur_ok(c))
		return 0; /* body_short says it */
	if (code < 1 || code > 4)
		a |= MB_A(DEVICE_ID_CODE);
	if ((conformity & 0x7f) < 1 || (conformity & 0x7f) > 3 || (more != 0 && more != 0xff))
		a |= MB_A(DEVICE_ID_LIST);
	while (n-- > 0 && cur_ok(c)) {
		cur_skip(c, 1);
		cur_skip(c, cur_u8(c));
	}
	return a;
}

/* --- JSON ------------------------------------------------------------------------ */

static void
json_hex(struct jw *w, const char *key, struct cur c)
{
	size_t n = cur_left(&c);

	jw_key(w, key);
	jw_hex(w, cur_bytes(&c, n), n);
}

static void
json_words(struct jw *w, const char *key, struct cur c)
{
	jw_arr(w, key);
	while (cur_left(&c) >= 2)
		jw_u(w, NULL, cur_be16(&c));
	jw_close(w, ']');
}

static void
json_item_values(struct jw *w, const struct fact_item *it)
{
	jw_arr(w, "values");
	for (uint32_t i = 0; i < it->count; i++)
		jw_u(w, NULL, fact_value(it, i));
	jw_close(w, ']');
}

/* FC 20 and 21: {"file", "record", "count", "values"} each. */
static void
json_records(struct jw *w, const struct fact *f)
{
	struct fact_iter it = {0};
	struct fact_item item;

	jw_arr(w, "records");
	while (fact_next(f, &it, &item)) {
		jw_obj(w, NULL);
		jw_u(w, "file", item.sub);
		jw_u(w, "record", item.first);
		jw_u(w, "count", item.count);
		if (item.vals)
			json_item_values(w, &item);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

/* The answer of FC 20 has values, and no word of whose they are. */
static void
json_file_values(struct jw *w, struct cur c)
{
	struct cur list = cur_take(&c, cur_u8(&c));

	jw_arr(w, "records");
	while (cur_left(&list) > 0) {
		struct cur rec = cur_take(&list, cur_u8(&list));

		cur_skip(&rec, 1); /* reference type */
		jw_obj(w, NULL);
		json_words(w, "values", rec);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
json_device_id(struct jw *w, struct cur c)
{
	static const char *const names[] = {"vendor_name", "product_code", "revision", "vendor_url",
	    "product_name", "model_name", "application_name"};
	unsigned n;

	cur_skip(&c, 1); /* MEI type */
	jw_u(w, "device_id_code", cur_u8(&c));
	jw_u(w, "conformity", cur_u8(&c));
	jw_bool(w, "more_follows", cur_u8(&c) == 0xff);
	cur_skip(&c, 1);
	n = cur_u8(&c);
	jw_arr(w, "objects");
	while (n-- > 0 && cur_left(&c) > 0) {
		unsigned id = cur_u8(&c), len = cur_u8(&c);
		const uint8_t *value = cur_bytes(&c, len);

		if (!value)
			break;
		jw_obj(w, NULL);
		jw_u(w, "id", id);
		if (id < sizeof(names) / sizeof(names[0]))
			jw_str(w, "name", names[id]);
		jw_strn(w, "value", (const char *)value, len);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
json_response(struct jw *w, const struct fact *f, struct cur c)
{
	struct fact_item it = {.enc = ENC_BIT_LSB};

	switch (f->code) {
	case 1: case 2: /* not paired, else there is an item: all bits of the bytes */
		it.count = 8u * cur_u8(&c);
		it.vals = c.p;
		json_item_values(w, &it);
		break;
	case 3: case 4: case 23:
		cur_skip(&c, 1);
		json_words(w, "values", c);
		break;
	case 7:
		jw_u(w, "status", cur_u8(&c));
		break;
	case 11: case 12:
		if (f->code == 12)
			cur_skip(&c, 1);
		jw_u(w, "status", cur_be16(&c));
		jw_u(w, "event_count", cur_be16(&c));
		if (f->code == 11)
			break;
		jw_u(w, "message_count", cur_be16(&c));
		json_hex(w, "events", c);
		break;
	case 17: /* device specific, mostly an id byte, FF or 00 for run, text */
		cur_skip(&c, 1);
		json_hex(w, "server_id", c);
		jw_strn(w, "server_text", (const char *)c.p, cur_left(&c));
		break;
	case 20:
		json_file_values(w, c);
		break;
	case 24:
		cur_skip(&c, 4);
		json_words(w, "values", c);
		break;
	case 43:
		if (f->sub == 14) {
			json_device_id(w, c);
			break;
		}
		/* fall through */
	default:
		if (cur_left(&c) > 0 && f->n_items == 0)
			json_hex(w, "data", c);
		break;
	}
}

/* Schema callback: the members that the field table cannot say. */
static void
modbus_json(struct jw *w, const struct fact *f)
{
	const struct mb_ext *x = f->ext;
	struct fact_iter iter = {0};
	struct fact_item it;
	struct cur c;

	if (!x || f->kind == FACT_EXCEPTION)
		return;
	c = ext_body(x);
	if (f->kind == FACT_MALFORMED) {
		json_hex(w, "data", c);
		return;
	}
	if (f->code == 22) {
		cur_skip(&c, 2);
		jw_u(w, "and_mask", cur_be16(&c));
		jw_u(w, "or_mask", cur_be16(&c));
		return;
	}
	if (f->n_items && f->item.space == SPACE_FILE) {
		json_records(w, f);
		return;
	}
	while (fact_next(f, &iter, &it))
		if (it.vals) {
			json_item_values(w, &it);
			return;
		}
	if (f->kind == FACT_RESPONSE)
		json_response(w, f, c);
	else if (f->n_items == 0 && cur_left(&c) > 0)
		json_hex(w, "data", c);
}

/* --- addresses as they are written ------------------------------------------------ */

enum { ADDR_ZERO = 0, ADDR_ONE, ADDR_4XXXX, ADDR_4XXXXX };
static const char *const addressing_words[] = {"zero-based", "one-based", "4xxxx", "4xxxxx", NULL};

/* Prefix digit of the Modicon convention, and what to call the space. */
static const struct {
	uint32_t prefix;
	const char *name;
} modicon[] = {
	[SPACE_COIL] = {0, "coil"},
	[SPACE_DISCRETE] = {1, "discrete input"},
	[SPACE_HOLDING] = {4, "holding register"},
	[SPACE_INPUT] = {3, "input register"},
};

/* Decimal digits (or, with hex, 0x...) at *text up to limit. 0, ERR_SYNTAX, ERR_RANGE. */
static int
take_number(const char **text, bool hex, uint32_t limit, uint32_t *out, unsigned *digits)
{
	const char *p = *text;
	uint64_t v = 0;
	unsigned base = 10, n = 0;

	if (hex && p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
		base = 16;
		p += 2;
	}
	for (;; p++, n++) {
		unsigned d = *p >= '0' && *p <= '9' ? (unsigned)(*p - '0') :
		    base == 16 && *p >= 'a' && *p <= 'f' ? (unsigned)(*p - 'a') + 10 :
		    base == 16 && *p >= 'A' && *p <= 'F' ? (unsigned)(*p - 'A') + 10 : 16;

		if (d >= base)
			break;
		v = v * base + d;
		if (v > UINT32_MAX)
			v = UINT32_MAX;
	}
	*text = p;
	*digits = n;
	*out = (uint32_t)v;
	if (n == 0)
		return ERR_SYNTAX;
	return v > limit ? ERR_RANGE : 0;
}

/* One address in the notation of the option, to zero-based. */
static int
take_addr(const char **text, uint8_t space, uint8_t notation, uint32_t *out, char *err,
    size_t err_size)
{
	const char *start = *text, *name = modicon[space].name;
	uint32_t prefix = modicon[space].prefix, v, base, last;
	unsigned digits, want;
	int r = take_number(text, notation <= ADDR_ONE, UINT32_MAX, &v, &digits);
	int len = (int)(*text - start);

	if (r == ERR_SYNTAX) {
		snprintf(err, err_size, "\"%.40s\" is not an address", start);
		return r;
	}
	if (notation <= ADDR_ONE) {
		base = notation == ADDR_ONE ? 1 : 0;
		last = base + 65535;
		if (v < base || v > last) {
			snprintf(err, err_size, "%s %.*s is outside %u..%u (%s)", name, len, start,
			    base, last, addressing_words[notation]);
			return ERR_RANGE;
		}
		*out = v - base;
		return 0;
	}
	want = notation == ADDR_4XXXX ? 5 : 6;
	base = prefix * (notation == ADDR_4XXXX ? 10000u : 100000u) + 1;
	last = base + (notation == ADDR_4XXXX ? 9998u : 65535u);
	if (digits != want) {
		snprintf(err, err_size, "%s %.*s needs %u digits in %s addressing: %0*u..%0*u", name,
		    len, start, want, addressing_words[notation], (int)want, base, (int)want, last);
		return ERR_SYNTAX;
	}
	if (v < base || v > last) {
		snprintf(err, err_size, "%s %.*s is outside %0*u..%0*u (%s)", name, len, start,
		    (int)want, base, (int)want, last, addressing_words[notation]);
		return ERR_RANGE;
	}
	*out = v - base;
	return 0;
}

/* "..": true and skipped. */
static bool
take_dots(const char **text)
{
	if ((*text)[0] != '.' || (*text)[1] != '.')
		return false;
	*text += 2;
	return true;
}

static int
range_end(const char *rest, const char *text, const char *what, bool backwards, char *err,
    size_t err_size)
{
	if (*rest) {
		snprintf(err, err_size, "\"%.40s\": \"%.20s\" does not belong in %s", text, rest, what);
		return ERR_SYNTAX;
	}
	if (backwards) {
		snprintf(err, err_size, "\"%.40s\" ends before it begins", text);
		return ERR_RANGE;
	}
	return 0;
}

/* FILE, FILE..FILE, FILE:RECORD, FILE:RECORD..RECORD; as on the wire in every notation. */
static int
parse_files(const char *text, struct dis_range *out, char *err, size_t err_size)
{
	struct dis_range r = {.first = 0, .last = 9999};
	const char *p = text;
	unsigned digits;
	int e = take_number(&p, false, 65535, &r.sub, &digits);

	r.sub_last = r.sub;
	if (!e && take_dots(&p)) {
		e = take_number(&p, false, 65535, &r.sub_last, &digits);
	} else if (!e && *p == ':') {
		p++;
		e = take_number(&p, false, 9999, &r.first, &digits);
		r.last = r.first;
		if (!e && take_dots(&p))
			e = take_number(&p, false, 9999, &r.last, &digits);
	}
	if (e == ERR_SYNTAX)
		snprintf(err, err_size, "\"%.40s\" is not FILE, FILE..FILE or FILE:RECORD..RECORD", text);
	else if (e || r.sub == 0)
		snprintf(err, err_size, "\"%.40s\": files are 1..65535, records 0..9999", text);
	if (e || r.sub == 0)
		return e ? e : ERR_RANGE;
	e = range_end(p, text, "a range of file records", r.sub_last < r.sub || r.last < r.first, err,
	    err_size);
	if (!e)
		*out = r;
	return e;
}

static int
modbus_parse_range(const struct dis_key *key, const uint8_t *opt, const char *text,
    struct dis_range *out, char *err, size_t err_size)
{
	struct dis_range r = {0};
	const char *p = text;
	int e;

	if (key->space == SPACE_FILE)
		return parse_files(text, out, err, err_size);
	e = take_addr(&p, key->space, opt[0], &r.first, err, err_size);
	if (e)
		return e;
	r.last = r.first;
	if (take_dots(&p) && (e = take_addr(&p, key->space, opt[0], &r.last, err, err_size)))
		return e;
	e = range_end(p, text, "a range of addresses", r.last < r.first, err, err_size);
	if (!e)
		*out = r;
	return e;
}

/* Messages say what is on the wire: zero-based, a file record as FILE:RECORD. */
static char *
modbus_show_addr(uint8_t space, uint32_t sub, uint32_t addr, char *buf, size_t size)
{
	if (space == SPACE_FILE)
		snprintf(buf, size, "%u:%u", sub, addr);
	else
		snprintf(buf, size, "%u", addr);
	return buf;
}

#endif /* MODBUS_SHOW_H */
