/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notation.h - addresses and blocks as engineers write them, German letters too;
 * included by s7.c only, nothing here runs on the packet path.
 */
#ifndef S7_NOTATION_H
#define S7_NOTATION_H

#include <stdio.h>

#include "dissectors/s7/show.h"

static bool
is_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

static char
upper(char ch)
{
	return ch >= 'a' && ch <= 'z' ? (char)(ch - 'a' + 'A') : ch;
}

/* word at *text, in any case; then it is skipped. */
static bool
take_word(const char **text, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i < n; i++)
		if (upper((*text)[i]) != word[i])
			return false;
	*text += n;
	return true;
}

static bool
take_number(const char **text, uint32_t *out)
{
	uint64_t v = 0;

	if (!is_digit(**text))
		return false;
	for (; is_digit(**text); (*text)++)
		v = v * 10 + (uint64_t)(**text - '0') > UINT32_MAX
			? UINT32_MAX
			: v * 10 + (uint64_t)(**text - '0');
	*out = (uint32_t)v;
	return true;
}

static int
bad(char *err, size_t size, int code, const char *text, const char *why)
{
	snprintf(err, size, "\"%.40s\" %s", text, why);
	return code;
}

/* 'X', 'B', 'W', 'D' to bits; 0 = another letter. */
static uint32_t
width_of(char ch)
{
	switch (upper(ch)) {
	case 'X': return 1;
	case 'B': return 8;
	case 'W': return 16;
	case 'D': return 32;
	default: return 0;
	}
}

/*
 * BYTE.BIT..BYTE.BIT (bits), or BYTE..BYTE: where values of that width start,
 * so the last one still has all of its bytes.
 */
static int
parse_bits(
    const char **text, const char *all, uint32_t width, struct dis_range *r, char *err, size_t size)
{
	uint32_t first, last, bit = 0, bit_last = 0;

	if (!take_number(text, &first))
		return bad(err, size, ERR_SYNTAX, all, "has no number where an address must be");
	if (width == 1) {
		if (**text != '.' || !is_digit((*text)[1]))
			return bad(err, size, ERR_SYNTAX, all,
			    "needs a bit, as in M3.0, or a width, as in MB3");
		(*text)++;
		(void)take_number(text, &bit);
	}
	last = first;
	bit_last = bit;
	if ((*text)[0] == '.' && (*text)[1] == '.') {
		*text += 2;
		if (!take_number(text, &last))
			return bad(err, size, ERR_SYNTAX, all, "has no number behind ..");
		if (width == 1) {
			if (**text != '.' || !is_digit((*text)[1]))
				return bad(
				    err, size, ERR_SYNTAX, all, "needs a bit behind .. as well");
			(*text)++;
			(void)take_number(text, &bit_last);
		}
	}
	if (first > 65535 || last > 65535 || bit > 7 || bit_last > 7)
		return bad(err, size, ERR_RANGE, all, "is outside bytes 0..65535 and bits 0..7");
	r->first = first * 8 + bit;
	r->last = last * 8 + bit_last + (width - 1);
	r->width = width;
	if (r->last >= AREA_BITS)
		return bad(err, size, ERR_RANGE, all, "reaches beyond byte 65535");
	return r->last - (width - 1) < r->first
		   ? bad(err, size, ERR_RANGE, all, "ends before it begins")
		   : 0;
}

/* N, N..M; nothing: all up to max. */
static int
parse_numbers(const char **text, const char *all, uint32_t max, uint32_t *first, uint32_t *last,
    char *err, size_t size)
{
	*first = 0;
	*last = max;
	if (!take_number(text, first))
		return 0;
	*last = *first;
	if ((*text)[0] == '.' && (*text)[1] == '.') {
		*text += 2;
		if (!take_number(text, last))
			return bad(err, size, ERR_SYNTAX, all, "has no number behind ..");
	}
	if (*first > max || *last > max)
		return bad(err, size, ERR_RANGE, all, "is above 65535");
	return *last < *first ? bad(err, size, ERR_RANGE, all, "ends before it begins") : 0;
}

/* OB1, FB*, DB10..20, FILE. */
static int
parse_block(const char *text, struct dis_range *r, char *err, size_t size)
{
	static const uint8_t order[] = {BLOCK_FILE, 11, 13, 15, 8, 10, 12, 14}; /* SDB before DB */
	const char *p = text;
	int e;

	for (unsigned i = 0; i < sizeof(order); i++) {
		if (!take_word(&p, block_type_name(order[i])))
			continue;
		r->sub = r->sub_last = order[i];
		if (order[i] == BLOCK_FILE || *p == '*') {
			p += *p == '*';
			r->last = BLOCK_NO_MAX;
		} else if (!is_digit(*p)) {
			return bad(
			    err, size, ERR_SYNTAX, text, "needs a number, or * for all of them");
		} else if ((e = parse_numbers(
				&p, text, BLOCK_NO_MAX, &r->first, &r->last, err, size)) < 0) {
			return e;
		}
		return *p ? bad(err, size, ERR_SYNTAX, text,
				"is not a block such as OB1, FB* or DB10..20")
			  : 0;
	}
	return bad(err, size, ERR_SYNTAX, text, "is not a block such as OB1, FB* or DB10..20");
}

/* DB1, DB1..9, DB, DB10.DBW0..20, DB10.DBX3.0..3.7; p is behind "DB". */
static int
parse_db(
    const char *p, const char *text, const char *name, struct dis_range *r, char *err, size_t size)
{
	uint32_t width;
	int e = parse_numbers(&p, text, UINT16_MAX, &r->sub, &r->sub_last, err, size);

	if (e < 0)
		return e;
	r->last = AREA_BITS - 1;
	r->width = 8;
	if (*p == '\0' || (*p == '*' && p[1] == '\0'))
		return 0;
	if (*p++ != '.' || !(take_word(&p, name) || take_word(&p, "DB")) || !(width = width_of(*p)))
		return bad(err, size, ERR_SYNTAX, text,
		    "is not as DB10, DB10.DBX3.0, .DBB3, .DBW4 or .DBD8");
	p++;
	if ((e = parse_bits(&p, text, width, r, err, size)) < 0)
		return e;
	return *p ? bad(err, size, ERR_SYNTAX, text, "goes on behind its address") : 0;
}

/* Everything but blocks. */
static int
parse_area(const char *text, struct dis_range *r, char *err, size_t size)
{
	static const struct {
		const char *word; /* longer ones first */
		uint8_t space;
	} areas[] = {
	    {"RECORD", SPACE_RECORD},
	    {"DRIVE", SPACE_DRIVE},
	    {"NCK", SPACE_NCK},
	    {"SYS", SPACE_SYS},
	    {"PI", SPACE_P},
	    {"PE", SPACE_P},
	    {"PQ", SPACE_P},
	    {"PA", SPACE_P},
	    {"SM", SPACE_SM},
	    {"AI", SPACE_AI},
	    {"AQ", SPACE_AQ},
	    {"AE", SPACE_AI},
	    {"AA", SPACE_AQ},
	    {"HT", SPACE_HT},
	    {"HC", SPACE_HC},
	    {"DI", SPACE_DI},
	    {"DB", SPACE_DB},
	    {"I", SPACE_I},
	    {"E", SPACE_I},
	    {"Q", SPACE_Q},
	    {"A", SPACE_Q},
	    {"M", SPACE_M},
	    {"P", SPACE_P},
	    {"L", SPACE_L},
	    {"V", SPACE_V},
	    {"T", SPACE_T},
	    {"C", SPACE_C},
	    {"Z", SPACE_C},
	};
	const char *p = text;
	unsigned i = 0;
	uint32_t width;
	int e;

	while (i < sizeof(areas) / sizeof(areas[0]) && !take_word(&p, areas[i].word))
		i++;
	if (i == sizeof(areas) / sizeof(areas[0]))
		return bad(err, size, ERR_SYNTAX, text,
		    "is no address such as DB10.DBW0..20, M0.0..15.7, "
		    "IB0, QW4, T5 or C0..7");
	r->space = areas[i].space;
	r->width = 1;
	if (r->space == SPACE_DB || r->space == SPACE_DI)
		return parse_db(p, text, areas[i].word, r, err, size);
	if (*p == '*' && p[1] == '\0')
		p++;
	if (!space_of_bits(r->space)) {
		bool near = r->space == SPACE_NCK || r->space == SPACE_DRIVE;

		if (near) { /* only as a whole */
			r->sub_last = UINT16_MAX;
			r->last = UINT32_MAX - 1;
		} else if ((e = parse_numbers(
				&p, text, UINT16_MAX, &r->first, &r->last, err, size)) < 0) {
			return e;
		}
		return *p ? bad(err, size, ERR_SYNTAX, text, "goes on behind its address") : 0;
	}
	if (*p == '\0') {
		r->last = AREA_BITS - 1;
		r->width = 8;
		return 0;
	}
	width = is_digit(*p) ? 1 : width_of(*p);
	if (width == 0)
		return bad(
		    err, size, ERR_SYNTAX, text, "needs X, B, W or D, or BYTE.BIT behind its area");
	p += !is_digit(*p);
	if ((e = parse_bits(&p, text, width, r, err, size)) < 0)
		return e;
	return *p ? bad(err, size, ERR_SYNTAX, text, "goes on behind its address") : 0;
}

static int
s7_parse_range(const struct dis_key *key, const uint8_t *opt, const char *text,
    struct dis_range *out, char *err, size_t err_size)
{
	struct dis_range r = {.space = key->space};
	int e;

	(void)opt;
	e = key->space == SPACE_BLOCK ? parse_block(text, &r, err, err_size) :
	    parse_area(text, &r, err, err_size);
	if (!e)
		*out = r;
	return e;
}

/* "DB10.DBX4.0", "M15.7", "T5", "OB1". */
static char *
s7_show_addr(uint8_t space, uint32_t sub, uint32_t addr, char *buf, size_t size)
{
	const char *area = area_name(space), *type;

	if (space == SPACE_DB || space == SPACE_DI)
		snprintf(buf, size, "%s%u.%sX%u.%u", area, sub, area, addr >> 3, addr & 7);
	else if (space_of_bits(space))
		snprintf(buf, size, "%s%u.%u", area, addr >> 3, addr & 7);
	else if (space == SPACE_BLOCK && (type = block_type_name(sub)) != NULL)
		snprintf(buf, size, "%s%u", type, addr);
	else if (space == SPACE_BLOCK)
		snprintf(buf, size, "block type %u number %u", sub, addr);
	else if (space == SPACE_NCK || space == SPACE_DRIVE)
		snprintf(buf, size, "%s %u:%u.%u", area, sub, addr >> 16, addr & 0xffff);
	else if (area)
		snprintf(buf, size, "%s%u", area, addr);
	else
		snprintf(buf, size, "what cannot be read");
	return buf;
}

/*
 * A run as an engineer writes it: "DB10.DBB4..5", "MB10", "DB10.DBX4.0..4.3", "T0..15";
 * bytes where it is whole bytes.
 */
static char *
s7_show_range(uint8_t space, uint32_t sub, uint32_t first, uint32_t last, char *buf, size_t size)
{
	bool bits = space_of_bits(space), bytes = bits && first % 8 == 0 && last % 8 == 7;
	bool db = space == SPACE_DB || space == SPACE_DI;
	const char *area = area_name(space);
	size_t n;

	if (!bits || !bytes) {
		n = strlen(s7_show_addr(space, sub, first, buf, size));
		if (last != first && bits)
			snprintf(buf + n, size - n, "..%u.%u", last >> 3, last & 7);
		else if (last != first && area)
			snprintf(buf + n, size - n, "..%u", last & 0xffff);
		return buf;
	}
	n = (size_t)(db ? snprintf(buf, size, "%s%u.%sB%u", area, sub, area, first >> 3) :
			  snprintf(buf, size, "%sB%u", area, first >> 3));
	if (last - first > 7 && n < size)
		snprintf(buf + n, size - n, "..%u", last >> 3);
	return buf;
}

#endif /* S7_NOTATION_H */
