/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_when.c - `when:` of a rule, and by how much a written value may change: what
 * is asked of the values that devices have last had.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/check.h"

enum { W_IS, W_UNIT, W_WITHIN, W_TYPE, W_ORDER, W_OWN };

/* Where the notation says the space, the address stands under this word. */
#define AT_KEY "at"

static bool
space_told(const struct dis_schema *sc, uint8_t space)
{
	return space < sc->n_spaces && sc->spaces[space].told && sc->spaces[space].value_bits != 0;
}

/* Keys under which an address may stand, behind the words of our own. */
static unsigned
address_keys(const struct dis_schema *sc, struct field *f, const struct dis_key **keys)
{
	unsigned m = W_OWN;

	for (unsigned i = 0; i < sc->n_keys && m < FIELDS_MAX; i++) {
		const struct dis_key *key = &sc->keys[i];

		if (key->map || key->kind != KEY_RANGE)
			continue;
		if (key->space == DIS_SPACE_ANY) {
			if (m > W_OWN && strcmp(f[m - 1].key, AT_KEY) == 0)
				continue;
			keys[m] = key;
			f[m++] = (struct field){AT_KEY, FIELD_MAY};
		} else if (space_told(sc, key->space) && key->access == 0) {
			keys[m] = key;
			f[m++] = (struct field){key->name, FIELD_MAY};
		}
	}
	return m;
}

static bool
told(const struct dis_schema *sc)
{
	for (uint8_t s = 0; s < sc->n_spaces; s++)
		if (space_told(sc, s) && !schema_has(sc, KEY_PATTERN, SPACE_NONE))
			return true;
	return false;
}

static void
one_when(struct rule_check *rc, const struct ynode *n)
{
	struct field f[FIELDS_MAX] = {{"is", FIELD_MUST}, {"unit", FIELD_MAY},
	    {"within", FIELD_MAY}, {"type", FIELD_MAY}, {"order", FIELD_MAY}};
	const struct ynode *v[FIELDS_MAX], *at = NULL;
	const struct dis_key *keys[FIELDS_MAX];
	struct when w = {.within = STATE_WITHIN, .place = place_of(n)};
	unsigned m = address_keys(rc->sc, f, keys), hits = 0;
	char who[NAME_LEN_MAX + 140], unit_who[NAME_LEN_MAX + 160];

	if (!schema_has(rc->sc, KEY_UNIT, SPACE_NONE))
		f[W_UNIT].need = FIELD_LATER;
	snprintf(who, sizeof(who), "%s: when", rc->who);
	if (!check_map(rc->k, n, who, f, m, v, NULL, NULL))
		return;
	for (unsigned i = W_OWN; i < m; i++)
		if (v[i]) {
			at = v[i];
			w.key = keys[i];
			hits++;
		}
	if (hits != 1) {
		check_error(rc->k, n, "%s: one address is asked for, such as {%s: ..., is: 0}", who,
		    m > W_OWN ? f[W_OWN].key : AT_KEY);
		return;
	}
	if (!check_range(rc, w.key, at, &w.is.at) || !v[W_IS])
		return;
	if (!space_told(rc->sc, w.is.at.space)) {
		check_error(
		    rc->k, at, "%s: what %s reads there is not known", who, rc->b->dis->name);
		return;
	}
	if (w.is.at.sub != w.is.at.sub_last ||
	    !check_is(rc, "when", at, v[W_IS], v[W_TYPE], v[W_ORDER], &w.is))
		return;
	snprintf(unit_who, sizeof(unit_who), "%s: unit", who);
	w.unit_said = v[W_UNIT] && check_number(rc->k, v[W_UNIT], unit_who, 0, UINT32_MAX, &w.unit);
	snprintf(unit_who, sizeof(unit_who), "%s: within", who);
	if (v[W_WITHIN] && !check_time(rc->k, v[W_WITHIN], unit_who, &w.within))
		return;
	vec_push(rc->k->keep, &rc->r->whens, w);
}

static void
asks_values(struct rule_check *rc, const struct ynode *n)
{
	if (rc->k->rs->values_at.line == 0)
		rc->k->rs->values_at = place_of(n);
}

void
check_whens(struct rule_check *rc, const struct ynode *n)
{
	if (!told(rc->sc)) {
		check_error(rc->k, n,
		    "%s: when: what %s reads is not known, so no rule can ask for it", rc->who,
		    rc->b->dis->name);
		return;
	}
	if (list_n(n) > WHENS_MAX || list_n(n) == 0) {
		check_error(rc->k, n, "%s: when: from 1 to %u conditions", rc->who, WHENS_MAX);
		return;
	}
	asks_values(rc, n);
	for (uint32_t i = 0; i < list_n(n); i++)
		one_when(rc, list_at(n, i));
}

/* --- change: ------------------------------------------------------------------------------ */

static int
change_number(const struct value_shape *s, const char *text, uint64_t *out)
{
	char *end;
	double d;

	if (s->kind != VALUE_REAL)
		return text_number(
		    text, s->bits == 64 ? UINT64_MAX : (UINT64_C(1) << s->bits) - 1, out);
	if (strspn(text, "0123456789.eE+-") != strlen(text) || text[0] < '0' || text[0] > '9')
		return ERR_SYNTAX;
	d = strtod(text, &end);
	if (*end)
		return ERR_SYNTAX;
	memcpy(out, &d, sizeof(*out));
	return isfinite(d) ? 0 : ERR_RANGE;
}

bool
check_change(struct rule_check *rc, const char *who, const struct ynode *n,
    const struct ynode *within, struct limit *l)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {{"s", UINT64_C(1000000000)}, {"min", UINT64_C(60000000000)},
	    {"h", UINT64_C(3600000000000)}};
	const char *s, *slash;
	char number[48], where[NAME_LEN_MAX + 200];
	size_t len;
	int r;

	asks_values(rc, n);
	l->change.within = STATE_WITHIN;
	snprintf(where, sizeof(where), "%s: within", who);
	if (within && !check_time(rc->k, within, where, &l->change.within))
		return false;
	if (!check_text(rc->k, n, who, &s))
		return false;
	slash = strchr(s, '/');
	len = slash ? (size_t)(slash - s) : strlen(s);
	if (!space_told(rc->sc, l->at.space) || l->shape.bits == 1) {
		check_error(rc->k, n, "%s: change: the values there are %s", who,
		    l->shape.bits == 1 ? "single bits" : "not known when they are read");
		return false;
	}
	for (unsigned i = 0; slash && i < 3; i++)
		if (strcmp(slash + 1, units[i].unit) == 0)
			l->change.per_ns = units[i].ns;
	r = len >= sizeof(number) || (slash && !l->change.per_ns) ? ERR_SYNTAX : 0;
	if (r == 0) {
		memcpy(number, s, len);
		number[len] = '\0';
		r = change_number(&l->shape, number, &l->change.most);
	}
	if (r < 0) {
		check_error(rc->k, n, "%s: change: \"%s\" is %s", who, s,
		    r == ERR_RANGE ? "more than the type can hold"
				   : "neither a difference such as 50 nor one in a time, "
				     "50/s, 50/min, 50/h");
		return false;
	}
	l->changes = true;
	return true;
}
