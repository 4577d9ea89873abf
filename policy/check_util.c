/* SPDX-License-Identifier: Apache-2.0 */
/* check_util.c - maps, words, numbers and names, for the parts of the checker. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "policy/check.h"

/* What is wrong with a value stands where the set is used; it is mended where it is written. */
static void __attribute__((format(printf, 3, 0)))
error_in_set(struct check *k, const struct ynode *at, const char *fmt, va_list ap)
{
	const struct place use = place_of(at), set = place_of(at->set);
	char text[160];
	struct where w;

	vsnprintf(text, sizeof(text), fmt, ap);
	complain_place(k->c, COMPLAINT_ERROR, &use, "%s (set \"%s\", %s)", text, at->set->s,
	    where_is(k->c, &set, &w));
}

void
check_error(struct check *k, const struct ynode *at, const char *fmt, ...)
{
	const struct place place = place_of(at);
	va_list ap;

	va_start(ap, fmt);
	if (at->set)
		error_in_set(k, at, fmt, ap);
	else
		complain_v(k->c, COMPLAINT_ERROR, &place, fmt, ap);
	va_end(ap);
}

void
check_warn(struct check *k, const struct place *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_v(k->c, COMPLAINT_WARNING, at, fmt, ap);
	va_end(ap);
}

const char *
what_name(struct what *w, const char *kind, const char *name)
{
	snprintf(w->text, sizeof(w->text), "%s \"%.*s\"", kind, (int)NAME_LEN_MAX, name);
	return w->text;
}

/* --- maps ---------------------------------------------------------------------- */

static void
unknown_key(struct check *k, const struct ynode *key, const char *what,
    const struct field *fields, unsigned n)
{
	const char *words[FIELDS_MAX + 1], *near;
	unsigned m = 0;

	for (unsigned i = 0; i < n; i++)
		if (fields[i].need != FIELD_LATER)
			words[m++] = fields[i].key;
	words[m] = NULL;
	near = complain_nearest(key->s, words);
	if (near)
		check_error(k, key, "%s: unknown key \"%s\", did you mean \"%s\"?", what, key->s,
		    near);
	else
		check_error(k, key, "%s: unknown key \"%s\"", what, key->s);
	complain_tag(k->c, "policy.unknown-key", NULL);
}

bool
check_map(struct check *k, const struct ynode *map, const char *what,
    const struct field *fields, unsigned n, const struct ynode **out,
    bool (*other)(struct check *k, void *ctx, const struct ynode *key), void *ctx)
{
	unsigned f;

	for (unsigned i = 0; i < n; i++)
		out[i] = NULL;
	if (map->kind != Y_MAP) {
		check_error(k, map, "%s: expected a map of keys", what);
		return false;
	}
	for (uint32_t i = 0; i < map->n; i++) {
		const struct ynode *key = map->kids[2 * (size_t)i];

		if (key->set) {
			check_error(k, key, "%s: keys are written out", what);
			continue;
		}
		for (f = 0; f < n && strcmp(fields[f].key, key->s) != 0; f++)
			;
		if (f < n && fields[f].need != FIELD_LATER) {
			out[f] = map->kids[2 * (size_t)i + 1];
		} else if (!other || !other(k, ctx, key)) {
			if (f < n) {
				check_error(k, key, "%s: \"%s\" is not supported by this version",
				    what, key->s);
				complain_tag(k->c, "policy.unsupported", NULL);
			} else {
				unknown_key(k, key, what, fields, n);
			}
		}
	}
	for (f = 0; f < n; f++)
		if (fields[f].need == FIELD_MUST && !out[f]) {
			check_error(k, map, "%s: required key \"%s\" is missing", what,
			    fields[f].key);
			complain_tag(k->c, "policy.missing-key", NULL);
		}
	return true;
}

/* --- scalars --------------------------------------------------------------------- */

bool
check_text(struct check *k, const struct ynode *n, const char *what, const char **out)
{
	if (n->kind != Y_SCALAR) {
		check_error(k, n, "%s: expected one value, not a %s", what,
		    n->kind == Y_LIST ? "list" : "map");
		return false;
	}
	if (n->n == 0) {
		check_error(k, n, "%s: a value is missing", what);
		return false;
	}
	*out = n->s;
	return true;
}

/*
 * Names appear in alerts, in file names of reports and before a slash and a star, so they are short
 * and hold no quotes, slashes, stars or controls; any language's letters are fine.
 */
bool
check_name(struct check *k, const struct ynode *n, const char *what, const char **out)
{
	const char *s;

	if (!check_text(k, n, what, &s))
		return false;
	if (n->n > NAME_LEN_MAX) {
		check_error(k, n, "%s: a name has at most %u bytes", what, NAME_LEN_MAX);
		return false;
	}
	for (uint32_t i = 0; i < n->n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f || strchr("\"'`\\/*:,", s[i]) ||
		    ((unsigned char)s[i] == 0xc2 && (unsigned char)s[i + 1] < 0xa0)) {
			check_error(k, n, "%s: a name holds no quotes, slashes, stars, colons, "
			    "commas or control characters", what);
			return false;
		}
	if (s[0] == '$') {
		check_error(k, n, "%s: a name does not begin with a $, which is for sets", what);
		return false;
	}
	if (s[0] == ' ' || s[n->n - 1] == ' ') {
		check_error(k, n, "%s: a name does not begin or end with a blank", what);
		return false;
	}
	*out = arena_strn(k->keep, s, n->n);
	return true;
}

int
text_number(const char *s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;
	unsigned base = 10, digit;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	} else if (s[0] == '0' && s[1] != '\0') {
		return ERR_SYNTAX; /* 010: eight or ten? say which */
	}
	if (*s == '\0')
		return ERR_SYNTAX;
	for (; *s; s++) {
		if (*s >= '0' && *s <= '9')
			digit = (unsigned)(*s - '0');
		else if (base == 16 && (*s | 0x20) >= 'a' && (*s | 0x20) <= 'f')
			digit = (unsigned)((*s | 0x20) - 'a' + 10);
		else
			return ERR_SYNTAX;
		if (v > (UINT64_MAX - digit) / base)
			return ERR_RANGE;
		v = v * base + digit;
	}
	if (v > max)
		return ERR_RANGE;
	*out = v;
	return 0;
}

int
text_span(const char *s, uint32_t max, struct ival *out)
{
	const char *dots = strstr(s, "..");
	char first[24];
	uint64_t lo, hi;
	size_t n;
	int r;

	if (!dots) {
		if ((r = text_number(s, max, &lo)) < 0)
			return r;
		hi = lo;
	} else {
		n = (size_t)(dots - s);
		if (n >= sizeof(first))
			return ERR_SYNTAX;
		memcpy(first, s, n);
		first[n] = '\0';
		if ((r = text_number(first, max, &lo)) < 0 ||
		    (r = text_number(dots + 2, max, &hi)) < 0)
			return r;
		if (lo > hi)
			return ERR_RANGE;
	}
	*out = (struct ival){(uint32_t)lo, (uint32_t)hi};
	return 0;
}

bool
check_number(struct check *k, const struct ynode *n, const char *what, uint32_t lo,
    uint32_t hi, uint32_t *out)
{
	const char *s;
	uint64_t v;
	int r;

	if (!check_text(k, n, what, &s))
		return false;
	r = text_number(s, UINT64_MAX, &v);
	if (r == ERR_SYNTAX) {
		check_error(k, n, "%s: \"%s\" is not a number", what, s);
		return false;
	}
	if (r < 0 || v < lo || v > hi) {
		check_error(k, n, "%s: %s is outside %u..%u", what, s, lo, hi);
		return false;
	}
	*out = (uint32_t)v;
	return true;
}

bool
check_word(struct check *k, const struct ynode *n, const char *what,
    const char *const *words, unsigned *out)
{
	const char *s, *near;
	char all[160];
	size_t used = 0;

	if (!check_text(k, n, what, &s))
		return false;
	for (unsigned i = 0; words[i]; i++)
		if (strcmp(words[i], s) == 0) {
			*out = i;
			return true;
		}
	near = complain_nearest(s, words);
	if (near) {
		check_error(k, n, "%s: unknown word \"%s\", did you mean \"%s\"?", what, s, near);
		return false;
	}
	all[0] = '\0';
	for (unsigned i = 0; words[i] && used + strlen(words[i]) + 3 < sizeof(all); i++)
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "",
		    words[i]);
	check_error(k, n, "%s: \"%s\" is none of %s", what, s, all);
	return false;
}

bool
check_bool(struct check *k, const struct ynode *n, const char *what, bool *out)
{
	static const char *const words[] = {"false", "true", NULL};
	unsigned w;

	if (!check_word(k, n, what, words, &w))
		return false;
	*out = w == 1;
	return true;
}

/* --- words of the language ------------------------------------------------------------ */

bool
check_action(struct check *k, const struct ynode *n, const char *what, unsigned mask,
    uint8_t *out)
{
	const char *words[8];
	uint8_t action[8];
	unsigned m = 0, w;

	for (uint8_t a = VERDICT_ALLOW; a <= VERDICT_RESET; a++)
		if (mask >> a & 1) {
			action[m] = a;
			words[m++] = verdict_action_name(a);
		}
	words[m] = NULL;
	if (!check_word(k, n, what, words, &w))
		return false;
	*out = action[w];
	return true;
}

bool
check_mode(struct check *k, const struct ynode *n, const char *what, uint8_t *out)
{
	static const char *const words[] = {"learn", "alert", "enforce", NULL};
	unsigned w;

	if (!check_word(k, n, what, words, &w))
		return false;
	*out = (uint8_t)w; /* enum policy_mode, in this order */
	return true;
}

bool
check_fail(
    struct check *k, const struct ynode *n, const char *what, bool *open, struct place *first)
{
	static const char *const words[] = {"closed", "open", NULL};
	unsigned w;

	if (!check_word(k, n, what, words, &w))
		return false;
	*open = w == 1;
	if (*open && first->line == 0)
		*first = place_of(n);
	return true;
}

/* A number with something behind it; the rest of the text. */
static const char *
number_front(const char *s, uint64_t *out)
{
	char digits[12];
	size_t n = strspn(s, "0123456789");

	if (n == 0 || n >= sizeof(digits))
		return NULL;
	memcpy(digits, s, n);
	digits[n] = '\0';
	return text_number(digits, UINT32_MAX, out) == 0 ? s + n : NULL;
}

bool
check_rate(struct check *k, const struct ynode *n, const char *what, uint32_t *out)
{
	const char *s, *rest;
	uint64_t v = 0;

	if (!check_text(k, n, what, &s))
		return false;
	rest = number_front(s, &v);
	if (!rest || strcmp(rest, "/s") != 0 || v == 0) {
		check_error(k, n, "%s: \"%s\" is not a rate such as 200/s", what, s);
		return false;
	}
	*out = (uint32_t)v;
	return true;
}

bool
check_time(struct check *k, const struct ynode *n, const char *what, uint64_t *out)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {{"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
	const char *s, *rest;
	uint64_t v = 0;

	if (!check_text(k, n, what, &s))
		return false;
	rest = number_front(s, &v);
	for (unsigned i = 0; rest && v != 0 && i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(rest, units[i].unit) == 0 && v * units[i].ns <= UINT64_C(60000000000)) {
			*out = v * units[i].ns;
			return true;
		}
	check_error(
	    k, n, "%s: \"%s\" is not a time such as 500us, 2ms or 1s, up to a minute", what, s);
	return false;
}

bool
check_seconds(
    struct check *k, const struct ynode *n, const char *what, uint32_t most_s, uint32_t *out)
{
	static const struct {
		const char *unit;
		uint64_t s;
	} units[] = {{"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}};
	const char *s, *rest;
	uint64_t v = 0;

	if (!check_text(k, n, what, &s))
		return false;
	rest = number_front(s, &v);
	for (unsigned i = 0; rest && v != 0 && i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(rest, units[i].unit) == 0 && v * units[i].s <= most_s) {
			*out = (uint32_t)(v * units[i].s);
			return true;
		}
	check_error(
	    k, n, "%s: \"%s\" is not a span such as 120s, 90m or 4h, up to %us", what, s, most_s);
	return false;
}

#define A(x) (1u << VERDICT_##x)

/* What a condition may be answered with; pass is its own word for "go on". */
static const struct {
	const char *pass;
	unsigned mask;
} cond_words[COND__MAX] = {
    [COND_UNPARSABLE] = {"allow", A(ALERT) | A(DROP) | A(RESET)},
    [COND_UNSOLICITED] = {"allow", A(ALERT) | A(DROP) | A(RESET)},
    [COND_MIDSTREAM] = {"resync", A(ALERT) | A(DROP) | A(RESET)},
    [COND_OVERLAP_DIFFERS] = {"allow", A(ALERT) | A(DROP) | A(RESET)},
    [COND_FRAGMENT] = {"allow", A(ALERT) | A(DROP)},
    [COND_OVERLOAD] = {"allow", A(ALERT) | A(DROP) | A(RESET)},
    [COND_ENCRYPTED] = {"allow", A(ALERT) | A(DROP) | A(RESET)},
    [COND_BAD_CHECKSUM] = {"allow", A(ALERT) | A(DROP)},
    [COND_AUDIT_FAILURE] = {"continue", A(DROP)},
};

void
check_conditions(struct check *k, const struct ynode *n, const char *what,
    uint8_t cond[COND__MAX])
{
	struct field fields[COND__MAX];
	const struct ynode *v[COND__MAX];
	char who[NAME_LEN_MAX + 140];

	for (uint8_t i = 0; i < COND__MAX; i++)
		fields[i] = (struct field){policy_cond_name(i), FIELD_MAY};
	snprintf(who, sizeof(who), "%s: conditions", what);
	if (!check_map(k, n, who, fields, COND__MAX, v, NULL, NULL))
		return;
	for (unsigned i = 0; i < COND__MAX; i++) {
		const char *words[8];
		uint8_t action[8];
		unsigned m = 1, w;

		if (!v[i])
			continue;
		words[0] = cond_words[i].pass;
		action[0] = VERDICT_ALLOW;
		for (uint8_t a = VERDICT_ALERT; a <= VERDICT_RESET; a++)
			if (cond_words[i].mask >> a & 1) {
				action[m] = a;
				words[m++] = verdict_action_name(a);
			}
		words[m] = NULL;
		snprintf(who, sizeof(who), "%s: condition \"%s\"", what, fields[i].key);
		if (check_word(k, v[i], who, words, &w))
			cond[i] = action[w];
	}
}

/* --- the namespace ----------------------------------------------------------------------- */

struct names {
	struct name_entry *v;
	uint32_t n, cap;
	uint32_t *slot; /* open addressing, index + 1 */
	uint32_t mask;
};

static uint32_t
name_hash(const char *s)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h ^ h >> 15;
}

static uint32_t *
name_slot(const struct names *t, const char *name)
{
	uint32_t i = name_hash(name) & t->mask;

	while (t->slot[i] != 0 && strcmp(t->v[t->slot[i] - 1].name, name) != 0)
		i = (i + 1) & t->mask;
	return &t->slot[i];
}

static void
names_rehash(struct check *k, struct names *t)
{
	t->mask = t->mask ? t->mask * 2 + 1 : 255;
	t->slot = arena_array(k->scratch, (size_t)t->mask + 1, sizeof(*t->slot));
	for (uint32_t i = 0; i < t->n; i++)
		*name_slot(t, t->v[i].name) = i + 1;
}

void
names_add(struct check *k, const struct ynode *at, const char *name, uint8_t kind,
    uint32_t index)
{
	static const char *const kinds[] = {"zone", "device", "conduit", "group"};
	uint32_t *slot;
	struct names *t;
	struct where w;

	if (!k->names)
		k->names = arena_get(k->scratch, sizeof(*k->names));
	t = k->names;
	if (t->n * 2 >= t->mask)
		names_rehash(k, t);
	slot = name_slot(t, name);
	if (*slot != 0) {
		check_error(k, at, "%s \"%s\": %s already has a %s of that name", kinds[kind], name,
		    where_is(k->c, &t->v[*slot - 1].place, &w), kinds[t->v[*slot - 1].kind]);
		return;
	}
	vec_push(k->scratch, t, ((struct name_entry){name, kind, index, place_of(at)}));
	*slot = t->n;
}

const struct name_entry *
names_find(const struct check *k, const char *name)
{
	uint32_t at = k->names ? *name_slot(k->names, name) : 0;

	return at ? &k->names->v[at - 1] : NULL;
}

const char *
names_nearest(const struct check *k, const char *word)
{
	const char *best = NULL, *pair[2] = {NULL, NULL};
	uint32_t n = k->names ? k->names->n : 0;

	if (n > 2000) /* not worth the time of a large file with many typos */
		return NULL;
	for (uint32_t i = 0; i < n && !best; i++) {
		pair[0] = k->names->v[i].name;
		if (k->names->v[i].kind != NAME_CONDUIT)
			best = complain_nearest(word, pair);
	}
	return best;
}
