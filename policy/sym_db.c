/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sym_db.c - names of the fields of data blocks, out of their source: DATA_BLOCK of STEP 7 (.awl) and of TIA Portal
 * (.db), with the TYPEs that stand in the same file.
 *
 * Where a field lies follows from the order of the fields, in blocks without optimised access (Siemens, "SIMATIC Programming with
 * STEP 7", A.3): BOOLs are packed into bytes; one byte lies at the next byte; everything else at an even one, as do
 * the beginning and the end of STRUCTs, ARRAYs and STRINGs. Each field of a known type is a name, "Recipe.Motor.Speed",
 * an ARRAY of them one for all; of an ARRAY of STRUCTs each element has its fields, "Recipe.Step[3].Time".
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "policy/syms.h"

#define DB_DEPTH  16u	       /* STRUCTs, TYPEs and ARRAYs of them in each other */
#define DB_BYTES  65536u       /* of a block */
#define DB_TYPES  1024u	       /* of a file */
#define DB_FIELDS SYMS_MAX     /* of a file, those of each element of an ARRAY counted */
#define DB_WORK	  (128u << 20) /* bytes that are looked at, those of each element again */
#define TOKEN_MAX 127u

enum token_kind { T_END = 0, T_WORD, T_QUOTED, T_NUMBER, T_SIGN };

struct token {
	uint8_t kind; /* enum token_kind */
	char s[TOKEN_MAX + 1];
	size_t n;
};

struct source {
	struct sym_in *in;
	const char *p, *end;
	unsigned line;
	struct token t; /* the one at hand */
	bool optimised, failed;
	struct db_type {
		char name[TOKEN_MAX + 1];
		const char *p; /* behind its STRUCT */
		unsigned line;
	} * types;
	uint32_t n_types, n_fields;
	unsigned depth;
	struct sym base; /* bit 0 of the block */
	char path[SYM_NAME_MAX + 1];
	size_t path_n;
	size_t work;   /* bytes so far */
	bool numbered; /* a block of the file has its number from the file's name */
};

/* The first ends the file: what follows would lie somewhere else. */
static void __attribute__((format(printf, 2, 3))) fail(struct source *s, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (s->failed)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)sym_error(s->in, s->line, "%s", text);
	s->failed = true;
}

/* --- tokens ---------------------------------------------------------------------------------------- */

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || (unsigned char)c >= 0x80;
}

/* Up to the end of what begins here; true: it did. */
static bool
skip_over(struct source *s, const char *begin, const char *end)
{
	size_t n = strlen(begin), m = strlen(end);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, begin, n) != 0)
		return false;
	for (s->p += n; s->p < s->end && ((size_t)(s->end - s->p) < m || memcmp(s->p, end, m) != 0);
	     s->p++)
		s->line += *s->p == '\n';
	s->p += *end != '\n' && s->p < s->end ? m : 0;
	return true;
}

/* { S7_Optimized_Access := 'TRUE' } */
static bool
skip_attributes(struct source *s)
{
	const char *from = s->p, *at;
	static const char key[] = "S7_Optimized_Access";

	if (!skip_over(s, "{", "}"))
		return false;
	for (at = from; at + sizeof(key) - 1 < s->p; at++)
		if (strncasecmp(at, key, sizeof(key) - 1) == 0) {
			at += sizeof(key) - 1;
			at += strspn(at, " \t:='\"");
			s->optimised |= strncasecmp(at, "true", 4) == 0;
		}
	return true;
}

static void
skip_blanks(struct source *s)
{
	while (s->p < s->end) {
		if (*s->p == ' ' || *s->p == '\t' || *s->p == '\r' || *s->p == '\n')
			s->line += *s->p++ == '\n';
		else if (!skip_over(s, "//", "\n") && !skip_over(s, "(*", "*)") &&
			 !skip_attributes(s))
			break;
	}
}

static void
next(struct source *s)
{
	struct token *t = &s->t;
	const char *from = s->p;
	char quote = 0;

	*t = (struct token){0};
	if (s->failed)
		return;
	skip_blanks(s);
	s->work += (size_t)(s->p - from) + 1;
	if (s->work > DB_WORK)
		fail(s, "arrays of structures that are too long");
	if (s->p >= s->end || s->failed)
		return;
	if (*s->p == '"' || *s->p == '\'') {
		quote = *s->p++;
		t->kind = T_QUOTED;
	} else if (is_word(*s->p) || *s->p == '#') {
		t->kind = *s->p >= '0' && *s->p <= '9' ? T_NUMBER : T_WORD;
	} else {
		t->kind = T_SIGN;
		t->s[t->n++] = *s->p++;
		if (s->p < s->end &&
		    ((t->s[0] == '.' && *s->p == '.') || (t->s[0] == ':' && *s->p == '=')))
			t->s[t->n++] = *s->p++;
		return;
	}
	while (s->p < s->end &&
	       (quote ? *s->p != quote && *s->p != '\n' : is_word(*s->p) || *s->p == '#')) {
		if (t->n == TOKEN_MAX) {
			fail(s, "a word of more than 127 bytes");
			return;
		}
		t->s[t->n++] = *s->p++;
	}
	if (quote && (s->p >= s->end || *s->p != quote))
		fail(s, "a quote that does not end");
	s->p += quote && s->p < s->end;
	if (!quote && strcasecmp(t->s, "TITLE") == 0 && s->p[strspn(s->p, " \t")] == '=')
		s->p += strcspn(s->p, "\n"); /* free text */
}

static bool
is(const struct source *s, const char *word)
{
	return (s->t.kind == T_WORD || s->t.kind == T_SIGN) && strcasecmp(s->t.s, word) == 0;
}

static bool
take(struct source *s, const char *word)
{
	if (!is(s, word))
		return false;
	next(s);
	return true;
}

static void
expect(struct source *s, const char *word)
{
	if (!take(s, word))
		fail(s, "\"%s\" is missing", word);
}

/* --- where things lie -------------------------------------------------------------------------------- */

struct layout {
	uint64_t bit; /* the next free one */
};

static void
align(struct layout *l, unsigned bits)
{
	l->bit = (l->bit + bits - 1) / bits * bits;
}

static void
name_it(struct source *s, const struct layout *l, uint64_t bits, const char *type)
{
	struct sym one = s->base;

	if (++s->n_fields > DB_FIELDS)
		fail(s, "more fields than a policy may have names");
	if (l->bit + bits > DB_BYTES * 8u ||
	    l->bit + bits - 1 > s->in->dis->schema->spaces[s->base.at.space].max)
		fail(s, "a block of more than 65536 bytes");
	if (s->failed)
		return;
	one.at.first = (uint32_t)l->bit;
	one.at.last = (uint32_t)(l->bit + bits - 1);
	one.type = type;
	(void)sym_add(s->in, s->line, s->path, s->path_n, &one);
}

/* ".Name", "[3]": of what follows; returns what path_n was. */
static size_t
path_add(struct source *s, const char *sep, const char *name)
{
	size_t before = s->path_n;
	int n = snprintf(s->path + before, sizeof(s->path) - before, "%s%s%s", sep, name,
	    *sep == '[' ? "]" : "");

	if (n < 0 || before + (size_t)n >= sizeof(s->path))
		fail(s, "a name of more than 255 bytes");
	else
		s->path_n = before + (size_t)n;
	return before;
}

static void
path_back(struct source *s, size_t to)
{
	s->path_n = to;
	s->path[to] = '\0';
}

static void read_fields(struct source *s, struct layout *l, const char *end);

/* Of a number between brackets; negative ones too. */
static long
read_bound(struct source *s)
{
	bool minus = take(s, "-");
	long v = strtol(s->t.s, NULL, 10);

	if (s->t.kind != T_NUMBER || s->t.s[strspn(s->t.s, "0123456789")] || s->t.n > 6)
		fail(s, "\"%s\" is no number: bounds are written out", s->t.s);
	next(s);
	return minus ? -v : v;
}

struct array {
	unsigned dims;
	long first; /* of the first */
	uint64_t n; /* elements of all */
};

/* Behind ARRAY, up to the type. */
static void
read_array(struct source *s, struct array *a)
{
	expect(s, "[");
	a->n = 1;
	do {
		long lo = read_bound(s), hi;

		expect(s, "..");
		hi = read_bound(s);
		if (hi < lo || hi - lo >= (long)DB_BYTES * 8 || a->dims == 6)
			fail(s, "an array whose bounds cannot be");
		if (s->failed)
			return;
		a->first = a->dims++ ? a->first : lo;
		a->n *= (uint64_t)(hi - lo + 1);
		if (a->n > DB_BYTES * 8u)
			fail(s, "an array larger than a block");
	} while (!s->failed && take(s, ","));
	expect(s, "]");
	expect(s, "OF");
}

/* A structure of its own, once or as often as an array has elements. */
static void
read_struct(struct source *s, struct layout *l, const struct array *a)
{
	const char *p = s->p;
	unsigned line = s->line;
	struct token t = s->t;

	if (++s->depth > DB_DEPTH)
		fail(s, "more than 16 structures in each other");
	if (a && a->dims > 1)
		fail(s, "an array of structures of more than one dimension");
	for (uint64_t i = 0; i < (a ? a->n : 1) && !s->failed; i++) {
		size_t before = s->path_n;
		char index[24];

		s->p = p;
		s->line = line;
		s->t = t;
		if (++s->n_fields > DB_FIELDS)
			fail(s, "more fields than a policy may have names");
		if (a) {
			(void)snprintf(index, sizeof(index), "%ld", a->first + (long)i);
			before = path_add(s, "[", index);
		}
		align(l, 16);
		read_fields(s, l, "END_STRUCT");
		align(l, 16);
		path_back(s, before);
	}
	s->depth--;
}

/* A TYPE of the same file. */
static void
read_typed(struct source *s, struct layout *l, const char *name, const struct array *a)
{
	struct source back = *s;
	uint32_t i = 0;

	while (i < s->n_types && strcasecmp(s->types[i].name, name) != 0)
		i++;
	if (i == s->n_types) {
		fail(s, "\"%s\" is not a type that is known, nor a TYPE of this file", name);
		return;
	}
	s->p = s->types[i].p;
	s->line = s->types[i].line;
	next(s);
	read_struct(s, l, a);
	s->p = back.p;
	s->line = s->failed ? s->line : back.line;
	s->t = back.t;
}

/* Types that values: knows not, with their bits. */
static bool
other_type(const char *word, uint64_t *bits)
{
	static const struct {
		const char *name;
		uint8_t bytes;
	} types[] = {{"date", 2}, {"s5time", 2}, {"time", 4}, {"time_of_day", 4}, {"tod", 4},
	    {"date_and_time", 8}, {"dt", 8}, {"ltime", 8}, {"ltod", 8}, {"ldt", 8}, {"lword", 8},
	    {"lint", 8}, {"ulint", 8}, {"lreal", 8}, {"dtl", 12}, {"counter", 2}, {"timer", 2},
	    {"char", 1}, {"wchar", 2}, {"any", 10}, {"pointer", 6}};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].name, word) == 0) {
			*bits = types[i].bytes * 8u;
			return true;
		}
	return false;
}

/* STRING[n], WSTRING[n]: its bits. */
static uint64_t
read_string(struct source *s, bool wide)
{
	long n = 254;

	if (take(s, "[")) {
		n = read_bound(s);
		expect(s, "]");
	}
	if (n < 0 || n > (wide ? 16382 : 254))
		fail(s, "a string of a length that cannot be");
	return wide ? 32u + 16u * (uint64_t)(n & 0x3fff) : 16u + 8u * (uint64_t)(n & 0xff);
}

static void
put_elements(struct source *s, struct layout *l, uint64_t bits, const char *type, bool complex,
    const struct array *a)
{
	if (a && a->dims > 1 && bits <= 8) {
		fail(s, "an array of bits or bytes of more than one dimension");
		return;
	}
	if (a && bits > 8)
		bits = (bits + 15) / 16 * 16;
	align(l, complex || a || bits > 8 ? 16 : bits == 1 ? 1 : 8);
	name_it(s, l, bits * (a ? a->n : 1), a && bits == 1 ? NULL : type);
	l->bit += bits * (a ? a->n : 1);
	if (complex || a)
		align(l, 16);
}

/* What follows "name :". */
static void
read_type(struct source *s, struct layout *l, const struct array *a)
{
	struct array array = {0};
	const char *type;
	uint64_t bits;
	struct token t;

	if (!a && take(s, "ARRAY")) {
		read_array(s, &array);
		if (!s->failed)
			read_type(s, l, &array);
		return;
	}
	t = s->t;
	if (take(s, "STRUCT")) {
		read_struct(s, l, a);
		return;
	}
	next(s);
	if (t.kind == T_WORD && strcasecmp(t.s, "UDT") == 0 && s->t.kind == T_NUMBER) {
		(void)snprintf(t.s, sizeof(t.s), "UDT%.20s", s->t.s);
		t.kind = T_QUOTED;
		next(s);
	}
	for (char *c = t.s; t.kind == T_WORD && *c; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c | 32 : *c);
	if (t.kind == T_WORD && (strcmp(t.s, "string") == 0 || strcmp(t.s, "wstring") == 0)) {
		bits = read_string(s, t.s[0] == 'w');
		put_elements(s, l, bits, NULL, true, a);
	} else if (t.kind == T_WORD && (type = value_type_known(t.s, &bits)) != NULL) {
		put_elements(s, l, bits, type, false, a);
	} else if (t.kind == T_WORD && other_type(t.s, &bits)) {
		put_elements(s, l, bits, NULL, bits > 32, a);
	} else {
		read_typed(s, l, t.s, a);
	}
}

/* Fields up to END_STRUCT; the token behind it is at hand. */
static void
read_fields(struct source *s, struct layout *l, const char *end)
{
	while (!s->failed && !take(s, end)) {
		size_t before = s->path_n;

		if (s->t.kind != T_WORD && s->t.kind != T_QUOTED) {
			fail(s, "\"%s\": the name of a field is expected", s->t.s);
			return;
		}
		before = path_add(s, before ? "." : "", s->t.s);
		next(s);
		expect(s, ":");
		if (!s->failed)
			read_type(s, l, NULL);
		path_back(s, before);
		while (!s->failed && !is(s, ";") && !is(s, end) && s->t.kind != T_END)
			next(s); /* := what it is at first */
		if (s->t.kind == T_END)
			fail(s, "\"%s\" is missing", end);
		while (take(s, ";"))
			;
	}
}

/* --- blocks ---------------------------------------------------------------------------------------------- */

/* "DB10" at the front of a file's name. */
static unsigned long
number_in_name(const char *file)
{
	const char *base = strrchr(file, '/');

	base = base ? base + 1 : file;
	if (strncasecmp(base, "db", 2) != 0 || base[2] < '1' || base[2] > '9')
		return 0;
	return strtoul(base + 2, NULL, 10);
}

/* Where the block begins, in the words of the protocol. */
static void
place_block(struct source *s, unsigned long number)
{
	static const uint8_t opt[DIS_OPTION_MAX];
	const struct dis_schema *sc = s->in->dis->schema;
	const struct dis_key *key = NULL;
	char text[48], err[160] = "";

	for (unsigned i = 0; i < sc->n_keys && !key; i++)
		if (sc->keys[i].kind == KEY_RANGE && sc->keys[i].space == DIS_SPACE_ANY)
			key = &sc->keys[i];
	(void)snprintf(text, sizeof(text), "DB%lu.DBX0.0", number);
	s->base = (struct sym){0};
	if (!key || sc->parse_range(key, opt, text, &s->base.at, err, sizeof(err)) < 0)
		fail(s, "%s", err);
}

/* Everything in front of the fields: the word that ends them; NULL: there are none. */
static const char *
read_head(struct source *s)
{
	while (!s->failed && s->t.kind != T_END) {
		if (take(s, "STRUCT"))
			return "END_STRUCT";
		if (take(s, "VAR")) {
			while (take(s, "RETAIN") || take(s, "NON_RETAIN") || take(s, "DB_SPECIFIC"))
				;
			return "END_VAR";
		}
		if (is(s, "BEGIN") || is(s, "END_DATA_BLOCK"))
			break;
		next(s);
	}
	fail(s, "block \"%s\" has the fields of something that is not in this file", s->path);
	return NULL;
}

/* "DB 10", "DB10", or a name whose number the file's name has; the token behind it is at hand. */
static void
read_name(struct source *s)
{
	unsigned long number = 0;
	char name[TOKEN_MAX + 1];

	memcpy(name, s->t.s, sizeof(name));
	if (s->t.kind == T_WORD && strncasecmp(name, "DB", 2) == 0) {
		if (!name[2])
			next(s);
		number = strtoul(name[2] ? name + 2 : s->t.s, NULL, 10);
		(void)snprintf(name, sizeof(name), "DB%lu", number);
	} else if (!s->numbered) {
		number = number_in_name(s->in->file);
		s->numbered = true;
	}
	path_back(s, 0);
	(void)path_add(s, "", name);
	if (number == 0 || number > 65535)
		fail(s,
		    "block \"%.60s\" has no number: call the file DB<number>..., as in "
		    "DB10_recipe.db",
		    name);
	else
		place_block(s, number);
	next(s);
}

static void
read_block(struct source *s)
{
	struct layout l = {0};
	const char *end;

	s->optimised = false;
	read_name(s);
	end = read_head(s);
	if (end && s->optimised)
		fail(s, "block \"%s\" has optimised access: its fields have no addresses", s->path);
	if (end)
		read_fields(s, &l, end);
	while (s->t.kind != T_END && !is(s, "END_DATA_BLOCK"))
		next(s);
}

/* Where the TYPEs are, before anything refers to them. */
static void
find_types(struct source *s)
{
	for (next(s); s->t.kind != T_END && !s->failed;) {
		struct db_type *t;

		if (!take(s, "TYPE")) {
			next(s);
			continue;
		}
		if (s->n_types == DB_TYPES) {
			fail(s, "more than 1024 types");
			return;
		}
		t = &s->types[s->n_types];
		(void)snprintf(t->name, sizeof(t->name), "%s", s->t.s);
		if (is(s, "UDT")) {
			next(s);
			(void)snprintf(t->name, sizeof(t->name), "UDT%.20s", s->t.s);
		}
		while (s->t.kind != T_END && !is(s, "STRUCT") && !is(s, "END_TYPE"))
			next(s);
		t->p = s->p;
		t->line = s->line;
		s->n_types += is(s, "STRUCT");
	}
}

void
sym_db(struct sym_in *in)
{
	struct source s = {.in = in, .p = in->text, .end = in->text + in->len, .line = 1};
	unsigned blocks = 0;

	if (!sym_proto(in, "s7"))
		return;
	s.types = arena_array(in->k->scratch, DB_TYPES, sizeof(*s.types));
	find_types(&s);
	s.p = in->text;
	s.line = 1;
	for (next(&s); s.t.kind != T_END && !s.failed;)
		if (take(&s, "DATA_BLOCK")) {
			read_block(&s);
			blocks++;
		} else {
			next(&s);
		}
	if (blocks == 0 && !s.failed)
		(void)sym_error(in, 1, "there is no DATA_BLOCK in it");
}
