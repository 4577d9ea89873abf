/* SPDX-License-Identifier: Apache-2.0 */
/* check_cond.c - numbers, words, sizes and patterns, and the keys made of them. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/check.h"
#include "policy/re.h"

static void
word_wrong(struct check *k, const char *who, const struct dis_key *key, const struct ynode *n)
{
	const char *words[FIELDS_MAX + 1], *near;
	unsigned m = 0;

	for (unsigned i = 0; key->words[i] && m < FIELDS_MAX; i++)
		if (key->words[i][0])
			words[m++] = key->words[i];
	words[m] = NULL;
	near = complain_nearest(n->s, words);
	check_error(k, n, "%s: %s: unknown word \"%s\"%s%s%s", who, key->name, n->s,
	    near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

/* One word, number, range or "all". */
static bool
number_span(struct check *k, const char *who, const struct dis_key *key, const struct ynode *e,
    struct ival *out)
{
	bool words = key->words != NULL;
	const char *s;
	int r;

	if (!check_text(k, e, who, &s))
		return false;
	for (uint32_t w = 0; words && key->words[w]; w++)
		if (key->words[w][0] && strcmp(key->words[w], s) == 0) {
			*out = (struct ival){w, w};
			return true;
		}
	if (key->kind == KEY_WORD || (words && (s[0] < '0' || s[0] > '9') && strcmp(s, "all") != 0)) {
		if (words)
			word_wrong(k, who, key, e);
		return false;
	}
	if (strcmp(s, "all") == 0) {
		*out = (struct ival){key->lo, key->hi};
		return true;
	}
	r = text_span(s, UINT32_MAX, out);
	if (r == ERR_SYNTAX)
		check_error(k, e, "%s: %s: \"%s\" is neither a number, a range a..b nor all", who,
		    key->name, s);
	else if (r < 0 || out->lo < key->lo || out->hi > key->hi)
		check_error(k, e, "%s: %s: %s is outside %u..%u", who, key->name, s, key->lo,
		    key->hi);
	else
		return true;
	return false;
}

void
check_numbers(struct check *k, const char *who, const struct dis_key *key,
    const struct ynode *n, struct ivals *out)
{
	struct ival span;

	for (uint32_t i = 0; i < list_n(n); i++)
		if (number_span(k, who, key, list_at(n, i), &span))
			vec_push(k->keep, out, span);
	ivals_normalise(out);
}

/* Kept; of an expression with its table behind it (glob_re()).  NULL: *bad says why. */
static const char *
keep_pattern(struct check *k, const struct ynode *e, const char *s, bool uris, const char **bad)
{
	const char *re = uris ? glob_parse(s).text : s;
	struct re_table *t;
	size_t at;
	char *out;

	if (strncmp(re, "re:", 3) != 0)
		return arena_strn(k->keep, s, e->n);
	*bad = re[3] ? "a policy has at most 1024 expressions" : "an expression is empty";
	if (!re[3] || k->n_res++ == RE_MAX)
		return NULL;
	if (!(t = re_make(re + 3, bad)))
		return NULL;
	at = (strlen(s) + 4) & ~(size_t)3;
	out = arena_get(k->keep, at + t->words * 4u);
	memcpy(out, s, strlen(s));
	memcpy(out + at, t, t->words * 4u);
	free(t);
	return out;
}

bool
check_globs(struct check *k, const char *who, const struct dis_key *key, const struct ynode *n,
    bool uris, struct globs *out)
{
	bool ok = true;
	const char *s;

	for (uint32_t i = 0; i < list_n(n); i++) {
		const struct ynode *e = list_at(n, i);
		const char *bad = NULL;

		if (!check_text(k, e, who, &s)) {
			ok = false;
			continue;
		}
		if (e->n > GLOB_LEN_MAX)
			bad = "a pattern has at most 512 bytes";
		else if (strncmp(s, "nsu=", 4) == 0 && uris && !glob_parse(s).uri)
			bad = "after \"nsu=URI\" stands a semicolon, then the identifier";
		else if (strncmp(s, "nsu=", 4) == 0 && uris && strpbrk(s, "*?") &&
			 strpbrk(s, "*?") < glob_parse(s).text)
			bad = "a name space is written out: no * or ? before the semicolon";
		if (bad) {
			check_error(k, e, "%s: %s: %s", who, key->name, bad);
			ok = false;
			continue;
		}
		if (strcmp(s, "all") == 0)
			s = "*";
		else if (!(s = keep_pattern(k, e, s, uris, &bad))) {
			check_error(k, e, "%s: %s: re: %s", who, key->name, bad);
			ok = false;
			continue;
		}
		vec_push(k->keep, out, s);
	}
	return ok;
}

bool
check_size(struct check *k, const char *who, const struct dis_key *key, const struct ynode *n,
    uint32_t *out)
{
	static const struct {
		const char *suffix;
		unsigned shift;
	} units[] = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"", 0}};
	char digits[24];
	uint64_t v;
	const char *s;
	size_t len, u = 0;

	if (!check_text(k, n, who, &s))
		return false;
	for (;; u++) {
		size_t m = strlen(units[u].suffix);

		len = strlen(s);
		if (len >= m && strcmp(s + len - m, units[u].suffix) == 0) {
			len -= m;
			break;
		}
	}
	if (len < sizeof(digits)) {
		memcpy(digits, s, len);
		digits[len] = '\0';
	}
	if (len >= sizeof(digits) || text_number(digits, UINT32_MAX, &v) < 0) {
		check_error(k, n, "%s: %s: \"%s\" is not a number such as 8192, 64KiB or 1MiB", who,
		    key->name, s);
		return false;
	}
	v <<= units[u].shift;
	if (v < key->lo || v > key->hi) {
		check_error(k, n, "%s: %s: %s is outside %u..%u", who, key->name, s, key->lo, key->hi);
		return false;
	}
	*out = (uint32_t)v;
	return true;
}

void
check_cond(struct check *k, const char *who, const struct dis_key *key, const struct ynode *n,
    struct conds *out)
{
	struct cond c = {.key = key, .place = place_of(n)};
	size_t errors = k->c->errors;

	if (n->kind == Y_MAP) {
		check_error(k, n, "%s: %s: expected a list", who, key->name);
		return;
	}
	if (key->kind == KEY_TEXT)
		check_globs(k, who, key, n, false, &c.globs);
	else
		check_numbers(k, who, key, n, &c.set);
	if (c.globs.n == 0 && c.set.n == 0 && k->c->errors == errors)
		check_error(k, n, "%s: %s: nothing would meet an empty list", who, key->name);
	else
		vec_push(k->keep, out, c);
}
