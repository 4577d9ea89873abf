/* SPDX-License-Identifier: Apache-2.0 */
/*
 * re.c - see re.h.  Pattern to places with empty steps between them (K. Thompson, "Regular Expression
 * Search Algorithm", CACM 11(6), 1968), places to a table by the sets of them that can be reached.
 */
#include "policy/re.h"

#include <stdlib.h>
#include <string.h>

#include "policy/table.h"

#define ROWS (RE_NFA / 64u)

enum place_kind { P_EMPTY = 0, P_FORK, P_BYTE };

struct spot {
	uint8_t kind;	   /* enum place_kind */
	uint16_t to, also; /* also: of a fork; of a byte: the set that it is of */
};

struct piece {		  /* of the pattern: from here to there */
	uint16_t in, out; /* out: a place that leads nowhere yet */
};

struct reading {
	const char *re;
	size_t at;
	const char *why;
	unsigned depth;
	uint32_t n, n_sets;
	struct spot p[RE_NFA];
	uint64_t set[RE_SETS][4];
};

#define NOWHERE UINT16_MAX

/* --- places -------------------------------------------------------------------------------------- */

static void
refuse(struct reading *r, const char *why)
{
	if (!r->why)
		r->why = why;
}

static uint16_t
place(struct reading *r, uint8_t kind, uint16_t to, uint16_t also)
{
	if (r->n == RE_NFA) {
		refuse(r, "it has more than 1024 places, repeats written out");
		return 0;
	}
	r->p[r->n] = (struct spot){kind, to, also};
	return (uint16_t)r->n++;
}

static void
set_add(uint64_t set[4], unsigned first, unsigned last)
{
	for (unsigned b = first; b <= last; b++)
		set[b / 64] |= UINT64_C(1) << b % 64;
}

static bool
set_has(const uint64_t set[4], unsigned b)
{
	return set[b / 64] >> b % 64 & 1;
}

static struct piece
of_set(struct reading *r, const uint64_t set[4])
{
	uint32_t i = 0;
	uint16_t out;

	while (i < r->n_sets && memcmp(r->set[i], set, sizeof(r->set[i])) != 0)
		i++;
	if (i == RE_SETS) {
		refuse(r, "it has more than 256 different sets of bytes");
		return (struct piece){0, 0};
	}
	if (i == r->n_sets)
		memcpy(r->set[r->n_sets++], set, sizeof(r->set[i]));
	out = place(r, P_EMPTY, NOWHERE, NOWHERE);
	return (struct piece){place(r, P_BYTE, out, (uint16_t)i), out};
}

static struct piece
then(struct reading *r, struct piece a, struct piece b)
{
	r->p[a.out].to = b.in;
	return (struct piece){a.in, b.out};
}

/* --- the pattern ------------------------------------------------------------------------------------ */

static struct piece read_any(struct reading *r);

/* Sets that have a letter: digits, letters of a word, blanks.  False: it is none. */
static bool
letter_set(char c, uint64_t set[4])
{
	uint64_t s[4] = {0};

	switch (c | 0x20) {
	case 'w':
		set_add(s, 'a', 'z');
		set_add(s, 'A', 'Z');
		set_add(s, '_', '_');
		/* fallthrough */
	case 'd':
		set_add(s, '0', '9');
		break;
	case 's':
		set_add(s, '\t', '\r');
		set_add(s, ' ', ' ');
		break;
	default:
		return false;
	}
	for (unsigned i = 0; i < 4; i++)
		set[i] |= c & 0x20 ? s[i] : ~s[i];
	return true;
}

/* Behind a backslash: a set (into set, true), or one byte that stands for itself. */
static bool
read_escape(struct reading *r, uint64_t set[4], unsigned char *byte)
{
	unsigned char c = (unsigned char)r->re[r->at];

	*byte = c;
	if (c == '\0') {
		refuse(r, "it ends in a backslash");
		return false;
	}
	r->at++;
	if (letter_set((char)c, set))
		return true;
	if (c >= '0' && c <= '9')
		refuse(r, "references to groups (\\1) are not supported: they have no table");
	else if (strchr("bBAzZG", c))
		refuse(r, "\\b and the like are not supported: it is about the whole name");
	else if (c >= 0x80 || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
		refuse(r, "what is this backslash for? \\d \\w \\s \\D \\W \\S, and punctuation");
	return false;
}

/* One end of a range in []; false: it was a set of its own. */
static bool
read_in_class(struct reading *r, uint64_t set[4], unsigned char *byte)
{
	unsigned char c = (unsigned char)r->re[r->at];

	*byte = c;
	if (c == '[' && strchr(":.=", r->re[r->at + 1]) && r->re[r->at + 1])
		refuse(r, "[:names:] of sets are not supported: \\d \\w \\s");
	else if (c >= 0x80)
		refuse(r, "letters outside ASCII are not for []: write (ä|ö)");
	r->at++;
	return c != '\\' || !read_escape(r, set, byte);
}

/* Behind "[". */
static struct piece
read_class(struct reading *r)
{
	uint64_t set[4] = {0};
	bool other = r->re[r->at] == '^';
	unsigned char lo, hi;

	r->at += other;
	if (r->re[r->at] == ']')
		refuse(r, "an empty []; a bracket in it is \\]");
	while (!r->why && r->re[r->at] != ']') {
		if (r->re[r->at] == '\0') {
			refuse(r, "[ without ]");
			break;
		}
		if (!read_in_class(r, set, &lo))
			continue;
		hi = lo;
		if (r->re[r->at] == '-' && r->re[r->at + 1] != ']' && r->re[r->at + 1] != '\0') {
			r->at++;
			if (!read_in_class(r, set, &hi) || hi < lo)
				refuse(
				    r, "a range a-z that does not go from one byte up to another");
		}
		if (!r->why)
			set_add(set, lo, hi);
	}
	r->at += r->re[r->at] == ']';
	for (unsigned i = 0; i < 4 && other; i++)
		set[i] = ~set[i];
	return of_set(r, set);
}

/* Behind "(". */
static struct piece
read_group(struct reading *r)
{
	struct piece f = {0, 0};

	if (r->re[r->at] == '?' && r->re[r->at + 1] == ':')
		r->at += 2;
	else if (r->re[r->at] == '?')
		refuse(r, "(?...) is not supported, but (?:...): no lookaround, flags or names");
	if (++r->depth > RE_DEPTH)
		refuse(r, "more than 16 groups in each other");
	if (!r->why)
		f = read_any(r);
	r->depth--;
	if (r->re[r->at] == ')')
		r->at++;
	else
		refuse(r, "( without )");
	return f;
}

/* A character that stands for itself; one outside ASCII is several bytes. */
static struct piece
read_literal(struct reading *r, unsigned char c)
{
	uint64_t set[4] = {0};
	struct piece f;

	set_add(set, c, c);
	f = of_set(r, set);
	while (c >= 0xc0 && !r->why && ((unsigned char)r->re[r->at] & 0xc0) == 0x80) {
		uint64_t next[4] = {0};
		unsigned char b = (unsigned char)r->re[r->at++];

		set_add(next, b, b);
		f = then(r, f, of_set(r, next));
	}
	return f;
}

static struct piece
read_atom(struct reading *r)
{
	unsigned char c = (unsigned char)r->re[r->at++];
	uint64_t set[4] = {0};

	switch (c) {
	case '(':
		return read_group(r);
	case '[':
		return read_class(r);
	case '.':
		set_add(set, 0, 255);
		return of_set(r, set);
	case '\\':
		return read_escape(r, set, &c) ? of_set(r, set) : read_literal(r, c);
	case '^':
	case '$':
		refuse(r, "^ and $ are not needed: it is about the whole name");
		break;
	case '*':
	case '+':
	case '?':
	case '{':
		refuse(r, "nothing to repeat");
		break;
	default:
		return read_literal(r, c);
	}
	return (struct piece){0, 0};
}

/* "{m,n}": false and refused, or what it says; *most 0: any number. */
static bool
read_braces(struct reading *r, uint32_t *least, uint32_t *most)
{
	uint32_t *v[2] = {least, most};
	bool comma = false;

	for (unsigned i = 0; i < 2; i++) {
		uint32_t digits = 0;

		*v[i] = 0;
		for (; r->re[r->at] >= '0' && r->re[r->at] <= '9' && digits < 4; digits++)
			*v[i] = *v[i] * 10 + (uint32_t)(r->re[r->at++] - '0');
		if ((i == 0 && digits == 0) || (i == 1 && digits != 0 && *v[1] == 0))
			*least = RE_REPEAT + 1;
		if (i == 0 && !(comma = r->re[r->at] == ','))
			break;
		r->at += i == 0;
	}
	if (!comma)
		*most = *least;
	if (r->re[r->at] != '}' || *least > RE_REPEAT || *most > RE_REPEAT ||
	    (*most != 0 && *most < *least) || (!comma && *least == 0)) {
		refuse(r, "a repeat is {m}, {m,} or {m,n}, up to 255");
		return false;
	}
	r->at++;
	return true;
}

static struct piece
maybe(struct reading *r, struct piece f, bool again)
{
	uint16_t out = place(r, P_EMPTY, NOWHERE, NOWHERE);
	uint16_t in = place(r, P_FORK, f.in, out);

	r->p[f.out].to = again ? in : out;
	return (struct piece){in, out};
}

/* f, which stands from `from` to here, so often; the pattern of it is read again for each. */
static struct piece
repeat(struct reading *r, struct piece f, size_t from, uint32_t least, uint32_t most)
{
	uint32_t all = most ? most : least ? least : 1;
	size_t end = r->at;
	struct piece whole = f, one = f;

	for (uint32_t i = 0; i < all && !r->why; i++) {
		if (i != 0) {
			r->at = from;
			one = read_atom(r);
		}
		if (most == 0 && i + 1 == all && least == 0)
			one = maybe(r, one, true);
		else if (i >= least)
			one = maybe(r, one, false);
		else if (most == 0 && i + 1 == all) { /* once, and then again */
			uint16_t out = place(r, P_EMPTY, NOWHERE, NOWHERE);

			r->p[one.out] = (struct spot){P_FORK, one.in, out};
			one.out = out;
		}
		whole = i == 0 ? one : then(r, whole, one);
	}
	r->at = end;
	return whole;
}

static struct piece
read_repeated(struct reading *r)
{
	size_t from = r->at;
	struct piece f = read_atom(r);
	uint32_t least = 0, most = 0;
	size_t end = r->at;
	char c = r->re[r->at];

	if (r->why || !c || !strchr("*+?{", c))
		return f;
	r->at++;
	if (c == '{' && !read_braces(r, &least, &most))
		return f;
	least = c == '+' ? 1 : least;
	most = c == '?' ? 1 : most;
	if (r->re[r->at] && strchr("*+?{", r->re[r->at]))
		refuse(r, "a repeat of a repeat: lazy and possessive ones are not supported");
	end = r->at;
	f = repeat(r, f, from, least, most);
	r->at = end;
	return f;
}

static struct piece
read_run(struct reading *r)
{
	struct piece f = {0, 0};
	bool first = true;

	while (!r->why && r->re[r->at] && r->re[r->at] != '|' && r->re[r->at] != ')') {
		struct piece g = read_repeated(r);

		f = first || r->why ? g : then(r, f, g);
		first = false;
	}
	if (first && r->re[r->at] == ')' && r->depth == 0)
		refuse(r, ") without (");
	else if (first)
		refuse(r, "an empty alternative; what may be missing is (...)?");
	return f;
}

static struct piece
read_any(struct reading *r)
{
	struct piece f = read_run(r);

	while (!r->why && r->re[r->at] == '|') {
		struct piece g;
		uint16_t out;

		r->at++;
		g = read_run(r);
		if (r->why)
			break;
		out = place(r, P_EMPTY, NOWHERE, NOWHERE);
		r->p[f.out].to = r->p[g.out].to = out;
		f = (struct piece){place(r, P_FORK, f.in, g.in), out};
	}
	return f;
}

/* --- what all matches begin with ---------------------------------------------------------------------- */

static bool
has_alternatives(const char *re)
{
	unsigned depth = 0;
	bool in = false;

	for (; *re; re++) {
		if (*re == '\\' && re[1])
			re++;
		else if (in)
			in = *re != ']';
		else if (*re == '[')
			in = true;
		else if (*re == '(')
			depth++;
		else if (*re == ')')
			depth -= depth != 0;
		else if (*re == '|' && depth == 0)
			return true;
	}
	return false;
}

/* What all matches begin with goes to lit; returns how much of re it is. */
static size_t
re_prefix(const char *re, char *lit, size_t *len)
{
	size_t at = 0;

	*len = 0;
	if (has_alternatives(re))
		return 0;
	for (;;) {
		bool escaped = re[at] == '\\';
		size_t from = at + escaped, end = from + 1;
		unsigned char c = (unsigned char)re[from];

		if (c == '\0' || (!escaped && strchr(".[]({})*+?|^$", c)) ||
		    (escaped && (c >= 0x80 || (c >= '0' && c <= '9') ||
				    ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))))
			return at;
		while (c >= 0xc0 && ((unsigned char)re[end] & 0xc0) == 0x80)
			end++;
		if (re[end] && strchr("*+?{", re[end]))
			return at;
		memcpy(lit + *len, re + from, end - from);
		*len += end - from;
		at = end;
	}
}

/* --- places to a table ------------------------------------------------------------------------------ */

struct making {
	struct reading r;
	struct piece whole;
	uint32_t n, steps;
	uint64_t at[RE_STATES][ROWS]; /* the places that a state stands for */
	uint8_t next[RE_STATES][256];
	uint8_t class_of[256];
	uint32_t classes;
	uint16_t todo[2 * RE_NFA + 1];
	char lit[RE_LEN];
	size_t lit_len, from;
};

/* Bytes that no set tells apart are one class. */
static void
make_classes(struct making *m)
{
	m->classes = 1;
	for (uint32_t s = 0; s < m->r.n_sets; s++) {
		uint8_t renamed[256];
		bool in[256] = {false}, out[256] = {false};
		uint32_t before = m->classes;

		for (unsigned b = 0; b < 256; b++)
			(set_has(m->r.set[s], b) ? in : out)[m->class_of[b]] = true;
		for (uint32_t c = 0; c < before; c++)
			renamed[c] = in[c] && out[c] ? (uint8_t)m->classes++ : (uint8_t)c;
		for (unsigned b = 0; b < 256; b++)
			if (set_has(m->r.set[s], b))
				m->class_of[b] = renamed[m->class_of[b]];
	}
}

/* Where one can be without another byte. */
static void
reach(struct making *m, uint64_t set[ROWS], uint16_t from)
{
	uint32_t n = 0;

	m->todo[n++] = from;
	while (n != 0) {
		uint16_t i = m->todo[--n];
		const struct spot *p = &m->r.p[i];

		if (set[i / 64] >> i % 64 & 1)
			continue;
		m->steps++;
		set[i / 64] |= UINT64_C(1) << i % 64;
		/* Each place is taken once, and puts at most two here. */
		if (p->kind != P_BYTE && p->to != NOWHERE)
			m->todo[n++] = p->to;
		if (p->kind == P_FORK)
			m->todo[n++] = p->also;
	}
}

/* The state of these places: 0 when there are none; RE_STATES: one too many. */
static uint32_t
state_of(struct making *m, const uint64_t set[ROWS])
{
	static const uint64_t none[ROWS];

	if (memcmp(set, none, sizeof(none)) == 0)
		return 0;
	for (uint32_t s = 1; s < m->n; s++)
		if (memcmp(m->at[s], set, sizeof(none)) == 0)
			return s;
	m->steps += m->n;
	if (m->n < RE_STATES)
		memcpy(m->at[m->n], set, sizeof(none));
	return m->n < RE_STATES ? m->n++ : RE_STATES;
}

static uint32_t
step(struct making *m, uint32_t s, unsigned byte)
{
	uint64_t set[ROWS] = {0};

	for (uint32_t w = 0; w < ROWS; w++)
		for (uint64_t left = m->at[s][w]; left; left &= left - 1) {
			const struct spot *p = &m->r.p[w * 64 + (unsigned)__builtin_ctzll(left)];

			m->steps++;
			if (p->kind == P_BYTE && set_has(m->r.set[p->also], byte))
				reach(m, set, p->to);
		}
	return state_of(m, set);
}

static bool
make_states(struct making *m)
{
	uint64_t set[ROWS] = {0};
	uint8_t byte[256];

	for (unsigned b = 256; b-- > 0;)
		byte[m->class_of[b]] = (uint8_t)b;
	m->n = 1;
	reach(m, set, m->whole.in);
	(void)state_of(m, set);
	for (uint32_t s = 1; s < m->n; s++)
		for (uint32_t c = 0; c < m->classes; c++) {
			uint32_t to = step(m, s, byte[c]);

			if (to == RE_STATES || m->steps > RE_STEPS) {
				m->r.why =
				    "it needs more than 256 states: make it shorter, or several";
				return false;
			}
			m->next[s][c] = (uint8_t)to;
		}
	return true;
}

static bool
accepts(const struct making *m, uint32_t s)
{
	return m->at[s][m->whole.out / 64] >> m->whole.out % 64 & 1;
}

/* Numbered again: those that match come last. */
static struct re_table *
make_table(const struct making *m)
{
	uint32_t bytes = (uint32_t)(sizeof(struct re_table) + m->n * m->classes + m->lit_len);
	uint32_t words = words_of(bytes), n = 1;
	struct re_table *t = calloc(words, 4);
	uint8_t number[RE_STATES] = {0};

	if (!t)
		return NULL;
	for (unsigned pass = 0; pass < 2; pass++) {
		for (uint32_t s = 1; s < m->n; s++)
			if (accepts(m, s) == (pass == 1))
				number[s] = (uint8_t)n++;
		if (pass == 0)
			t->accept = (uint16_t)n;
	}
	t->words = words;
	t->states = (uint16_t)m->n;
	t->from = (uint16_t)m->from;
	t->lit = (uint16_t)m->lit_len;
	t->classes = (uint16_t)m->classes;
	t->start = number[1];
	memcpy(t->class_of, m->class_of, sizeof(t->class_of));
	for (uint32_t s = 1; s < m->n; s++)
		for (uint32_t c = 0; c < m->classes; c++)
			t->next[number[s] * m->classes + c] = number[m->next[s][c]];
	memcpy(t->next + m->n * m->classes, m->lit, m->lit_len);
	return t;
}

struct re_table *
re_make(const char *re, const char **why)
{
	struct making *m = calloc(1, sizeof(*m));
	struct re_table *t = NULL;

	*why = "out of memory";
	if (!m)
		return NULL;
	*why = "it is longer than 512 bytes";
	if (strlen(re) > RE_LEN) {
		free(m);
		return NULL;
	}
	m->from = re_prefix(re, m->lit, &m->lit_len);
	re += m->from;
	m->r.re = re;
	if (*re)
		m->whole = read_any(&m->r);
	else
		m->whole.in = m->whole.out = place(&m->r, P_EMPTY, NOWHERE, NOWHERE);
	if (!m->r.why && re[m->r.at])
		refuse(&m->r, ") without (");
	if (!m->r.why) {
		make_classes(m);
		if (make_states(m))
			t = make_table(m);
	}
	*why = m->r.why ? m->r.why : "out of memory";
	free(m);
	return t;
}
