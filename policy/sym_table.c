/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sym_table.c - tables with a header: Modbus register maps, tags of TIA Portal; and the symbol list of
 * STEP 7, which has none.
 *
 * Fields are separated by the one of ; , and tab that the header has most of; they may stand in
 * "quotes", a quote inside doubled (RFC 4180).  Columns are found by their names, in any order and case;
 * others are skipped, as are empty lines.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/syms.h"

#define COLUMNS_MAX 64u

struct row {
	unsigned line;
	unsigned n;
	const char *f[COLUMNS_MAX]; /* trimmed, NUL-ended */
	size_t len[COLUMNS_MAX];
};

/* --- rows -------------------------------------------------------------------------------------- */

struct rows {
	const char *at, *end;
	unsigned line;
	char sep;
	char *buf; /* of the row at hand */
};

/* One field; at stands behind it, on its separator or at the end of the row. */
static void
take_field(struct rows *r, char **to, const char **f, size_t *len)
{
	char *w = *to, *start = w;
	const char *p = r->at;
	bool quoted = false;

	while (p < r->end && (*p == ' ' || (*p == '\t' && r->sep != '\t')))
		p++;
	if (p < r->end && *p == '"') {
		quoted = true;
		for (p++; p < r->end && (*p != '"' || (p + 1 < r->end && p[1] == '"')); p++) {
			p += *p == '"';
			r->line += *p == '\n';
			*w++ = *p == '\n' || *p == '\r' ? ' ' : *p;
		}
		p += p < r->end;
	}
	for (; p < r->end && *p != r->sep && *p != '\n'; p++)
		if (!quoted && *p != '\r')
			*w++ = *p;
	while (w > start && (w[-1] == ' ' || w[-1] == '\t'))
		w--;
	while (start < w && *start == ' ')
		start++;
	*len = (size_t)(w - start);
	*w = '\0';
	*f = start;
	*to = w + 1;
	r->at = p;
}

/* The next row that is not empty; false at the end. */
static bool
take_row(struct rows *r, struct row *out)
{
	char *to;
	bool any;

	do {
		if (r->at >= r->end)
			return false;
		out->line = ++r->line;
		out->n = 0;
		any = false;
		to = r->buf;
		for (;;) {
			const char *f;
			size_t len;

			take_field(r, &to, &f, &len);
			if (out->n < COLUMNS_MAX) {
				out->f[out->n] = f;
				out->len[out->n++] = len;
			}
			any = any || len != 0;
			if (r->at >= r->end || *r->at == '\n')
				break;
			r->at++;
		}
		r->at += r->at < r->end;
	} while (!any || out->f[0][0] == '#');
	return true;
}

static void
rows_begin(struct rows *r, struct sym_in *in, char sep)
{
	*r = (struct rows){.at = in->text, .end = in->text + in->len, .sep = sep};
	/* each field takes what it had, and a NUL for the separator behind it */
	r->buf = arena_get(in->k->scratch, in->len + COLUMNS_MAX + 2);
}

static char
separator(const struct sym_in *in)
{
	static const char seps[] = {'\t', ';', ','};
	size_t n = strcspn(in->text, "\n"), best = 0;
	char sep = ',';

	for (unsigned i = 0; i < sizeof(seps); i++) {
		size_t count = 0;

		for (size_t j = 0; j < n; j++)
			count += in->text[j] == seps[i];
		if (count > best) {
			best = count;
			sep = seps[i];
		}
	}
	return sep;
}

static bool
same_word(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if ((*a >= 'A' && *a <= 'Z' ? *a | 32 : *a == ' ' || *a == '-' ? '_' : *a) != *b)
			return false;
	return *a == *b;
}

/* The column with one of these names, or COLUMNS_MAX. */
static unsigned
column(const struct row *head, const char *const *names)
{
	for (unsigned i = 0; i < head->n; i++)
		for (unsigned j = 0; names[j]; j++)
			if (same_word(head->f[i], names[j]))
				return i;
	return COLUMNS_MAX;
}

static const char *
field(const struct row *r, unsigned col)
{
	return col < r->n ? r->f[col] : "";
}

/* --- types ---------------------------------------------------------------------------------------- */

/* "REAL", "Array[0..9] of Int", "String[20]": its bits and, of a type that values: knows, its name.
 * False: of no known size. */
static bool
type_of(struct sym_in *in, const char *text, uint64_t *bits, const char **type)
{
	const char *p = text, *known;
	uint64_t n = 1, lo, hi;
	char word[24];
	size_t len;

	*type = NULL;
	if (strncasecmp(p, "array", 5) == 0 && (p = strchr(p, '[')) != NULL) {
		char *end;

		lo = strtoul(p + 1, &end, 10);
		if (strncmp(end, "..", 2) != 0)
			return false;
		hi = strtoul(end + 2, &end, 10);
		if (*end != ']' || hi < lo || hi > 65535)
			return false;
		n = hi - lo + 1;
		for (p = end + 1; *p == ' '; p++)
			;
		if (strncasecmp(p, "of ", 3) != 0)
			return false;
		for (p += 3; *p == ' '; p++)
			;
	} else {
		p = text;
	}
	if (strncasecmp(p, "string", 6) == 0) {
		p = strchr(p, '[');
		*bits = n * 8 * (2 + (p ? strtoul(p + 1, NULL, 10) & 0xff : 254));
		return true;
	}
	for (len = 0; p[len] && p[len] != ' ' && len < sizeof(word) - 1; len++)
		word[len] = (char)(p[len] >= 'A' && p[len] <= 'Z' ? p[len] | 32 : p[len]);
	word[len] = '\0';
	if (!(known = value_type_known(word, bits)))
		return false;
	if (*bits == 1 && n > 1) { /* packed */
		*bits = n;
		return true;
	}
	*bits *= n;
	*type = known;
	(void)in;
	return true;
}

/* --- Modbus ------------------------------------------------------------------------------------------ */

static const char *const col_name[] = {"name", "symbol", "tag", "tag_name", NULL};
static const char *const col_type[] = {"type", "data_type", "datatype", "datentyp", NULL};
static const char *const col_space[] = {"space", "area", "table", NULL};
static const char *const col_addr[] = {"address", "register", "addr", "offset", NULL};
static const char *const col_count[] = {"count", "length", "quantity", NULL};
static const char *const col_order[] = {"order", "word_order", NULL};
static const char *const col_logical[] = {"logical_address", "logische_adresse", "%address", NULL};

static const struct dis_space *
space_named(const struct sym_in *in, const char *word, uint8_t *index)
{
	static const struct {
		const char *word, *space;
	} also[] = {{"coils", "coil"}, {"coil", "coil"}, {"discrete_input", "discrete"},
	    {"discrete_inputs", "discrete"}, {"discrete", "discrete"}, {"input_register", "input"},
	    {"input_registers", "input"}, {"holding_register", "holding"},
	    {"holding_registers", "holding"}, {"holding_reg", "holding"}};
	const struct dis_schema *sc = in->dis->schema;

	for (unsigned i = 0; i < sizeof(also) / sizeof(also[0]); i++)
		if (same_word(word, also[i].word))
			word = also[i].space;
	for (uint8_t s = 0; s < sc->n_spaces; s++)
		if (same_word(word, sc->spaces[s].name)) {
			*index = s;
			return &sc->spaces[s];
		}
	return NULL;
}

/* 40001, 400001, 4x0001: 4 is holding, 3 input, 1 discrete, 0 coils; from 1 on. */
static bool
reference(const char *s, const char **space, uint64_t *first)
{
	static const char *const spaces[] = {"coil", "discrete", NULL, "input", "holding"};
	const char *digits = s + 1;
	size_t n;

	if (s[0] < '0' || s[0] > '4' || !spaces[s[0] - '0'])
		return false;
	digits += *digits == 'x' || *digits == 'X';
	n = strspn(digits, "0123456789");
	if (digits[n] != '\0' || n > 5 || n == 0 || (digits == s + 1 && n < 4))
		return false;
	*space = spaces[s[0] - '0'];
	*first = strtoul(digits, NULL, 10);
	return (*first)-- != 0;
}

struct map_columns {
	unsigned name, space, addr, type, count, order;
};

static bool
modbus_row(struct sym_in *in, const struct row *r, const struct map_columns *c)
{
	const char *addr = field(r, c->addr), *type = field(r, c->type),
		   *order = field(r, c->order);
	const char *word = field(r, c->space), *count = field(r, c->count);
	const struct dis_space *sp;
	struct sym s = {0};
	uint64_t first, bits = 0, n = 1;

	if (c->space < COLUMNS_MAX) {
		if (text_number(addr, UINT32_MAX, &first) < 0)
			return sym_error(in, r->line,
			    "\"%.40s\" is not an address: a number from 0 on, as on "
			    "the wire",
			    addr);
	} else if (!reference(addr, &word, &first)) {
		return sym_error(in, r->line,
		    "\"%.40s\" is not a reference such as 40001 or 400001; plain "
		    "addresses need a column space",
		    addr);
	}
	if (!(sp = space_named(in, word, &s.at.space)) || sp->value_bits == 0 || sp->max_sub != 0)
		return sym_error(
		    in, r->line, "\"%.40s\" is none of coils, discrete, input, holding", word);
	if (*type && !type_of(in, type, &bits, &s.type))
		return sym_error(in, r->line, "\"%.40s\" is not a type whose size is known", type);
	if (*count && (text_number(count, 65536, &n) < 0 || n == 0))
		return sym_error(in, r->line, "count: \"%.40s\" is outside 1..65536", count);
	if (bits < sp->value_bits || sp->value_bits == 1) {
		s.type = sp->value_bits == 1 ? NULL : s.type && bits == 8 ? NULL : s.type;
		bits = sp->value_bits;
	}
	bits = (bits + sp->value_bits - 1) / sp->value_bits * n;
	if (first + bits - 1 > sp->max)
		return sym_error(in, r->line, "%s %llu reaches beyond %u", sp->name,
		    (unsigned long long)first, sp->max);
	s.at.first = (uint32_t)first;
	s.at.last = (uint32_t)(first + bits - 1);
	if (*order && !same_word(order, "high_word_first") && !same_word(order, "low_word_first"))
		return sym_error(in, r->line,
		    "order: \"%.40s\" is neither high-word-first nor "
		    "low-word-first",
		    order);
	s.low_word_first = *order && same_word(order, "low_word_first");
	(void)sym_add(in, r->line, field(r, c->name), r->len[c->name], &s);
	return true;
}

static void
modbus_map(struct sym_in *in, struct rows *rows, const struct row *head)
{
	const struct map_columns c = {column(head, col_name), column(head, col_space),
	    column(head, col_addr), column(head, col_type), column(head, col_count),
	    column(head, col_order)};
	struct row r;

	if (!sym_proto(in, "modbus"))
		return;
	while (take_row(rows, &r))
		if (!(c.name < r.n ? modbus_row(in, &r, &c) : sym_error(in, r.line, "no name")))
			break;
}

/* --- S7 ------------------------------------------------------------------------------------------------- */

/* "%MW10", "MW     10", "%DB1.DBX0.0", with a type.  False: no more of this file. */
static bool
s7_symbol(struct sym_in *in, unsigned line, const char *name, size_t n, const char *addr,
    const char *type)
{
	static const uint8_t opt[DIS_OPTION_MAX];
	const struct dis_schema *sc = in->dis->schema;
	char text[64], err[160] = "";
	const struct dis_key *key = NULL;
	struct sym s = {0};
	uint64_t bits;
	size_t m = 0;

	for (unsigned i = 0; i < sc->n_keys && !key; i++)
		if (sc->keys[i].kind == KEY_RANGE && sc->keys[i].space == DIS_SPACE_ANY)
			key = &sc->keys[i];
	for (addr += *addr == '%'; *addr && m < sizeof(text) - 1; addr++)
		if (*addr != ' ')
			text[m++] = *addr;
	text[m] = '\0';
	if (!key || sc->parse_range(key, opt, text, &s.at, err, sizeof(err)) < 0)
		return sym_error(in, line, "%s", err);
	if (type_of(in, type, &bits, &s.type) && sc->spaces[s.at.space].value_bits == 1) {
		uint64_t have = (uint64_t)s.at.last - s.at.first + 1;

		if (bits > have && s.at.last < sc->spaces[s.at.space].max - (bits - have))
			s.at.last += (uint32_t)(bits - have);
		if (bits < have)
			s.type = NULL;
	} else {
		s.type = NULL;
	}
	(void)sym_add(in, line, name, n, &s);
	return true;
}

/* Names of blocks, types and lists stand in the same lists; they are no addresses. */
static bool
no_address(const char *addr)
{
	static const char *const blocks[] = {"FB", "FC", "OB", "SFB", "SFC", "UDT", "VAT", "SDB"};

	for (unsigned i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		size_t n = strlen(blocks[i]);

		if (strncmp(addr, blocks[i], n) == 0 &&
		    (addr[n] == ' ' || (addr[n] >= '0' && addr[n] <= '9')))
			return true;
	}
	return *addr == '\0';
}

static void
tia_tags(struct sym_in *in, struct rows *rows, const struct row *head, unsigned addr)
{
	unsigned name = column(head, col_name), type = column(head, col_type);
	struct row r;

	if (!sym_proto(in, "s7"))
		return;
	while (take_row(rows, &r))
		if (name < r.n && !no_address(field(&r, addr)) &&
		    !s7_symbol(
			in, r.line, r.f[name], r.len[name], field(&r, addr), field(&r, type)))
			break;
}

void
sym_sdf(struct sym_in *in)
{
	struct rows rows;
	struct row r;

	if (!sym_proto(in, "s7"))
		return;
	rows_begin(&rows, in, ',');
	while (take_row(&rows, &r)) {
		if (r.n < 3) {
			if (!sym_error(in, r.line,
				"a symbol is \"name\",\"address\",\"type\",\"comment\""))
				break;
		} else if (!no_address(r.f[1]) &&
			   !s7_symbol(in, r.line, r.f[0], r.len[0], r.f[1], r.f[2])) {
			break;
		}
	}
}

/* --- which it is --------------------------------------------------------------------------------------------- */

/* TIA's "Logical Address", or a first address that begins with %. */
static unsigned
tia_address(const struct rows *rows, const struct row *head)
{
	unsigned logical = column(head, col_logical), addr = column(head, col_addr);
	struct rows look = *rows;
	struct row r;

	if (logical < COLUMNS_MAX || addr == COLUMNS_MAX)
		return logical;
	return take_row(&look, &r) && field(&r, addr)[0] == '%' ? addr : COLUMNS_MAX;
}

void
sym_table(struct sym_in *in)
{
	struct rows rows;
	struct row head;
	unsigned tia;

	rows_begin(&rows, in, separator(in));
	if (!take_row(&rows, &head)) {
		(void)sym_error(in, 1, "it is empty");
		return;
	}
	/* the header has to outlive the first row */
	rows.buf = arena_get(in->k->scratch, in->len + COLUMNS_MAX + 2);
	tia = tia_address(&rows, &head);
	if (column(&head, col_name) == COLUMNS_MAX ||
	    (tia == COLUMNS_MAX && column(&head, col_addr) == COLUMNS_MAX))
		(void)sym_error(in, head.line,
		    "a header is missing: name, space and address (or register) of "
		    "a Modbus map; Name, Data Type and Logical Address of TIA tags");
	else if (tia < COLUMNS_MAX)
		tia_tags(in, &rows, &head, tia);
	else
		modbus_map(in, &rows, &head);
}
