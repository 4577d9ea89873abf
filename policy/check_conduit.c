/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_conduit.c - who may talk to whom: the ends of conduits, what they say
 * for themselves, and that for every pair of addresses one conduit is the most
 * specific.
 *
 * A conduit is more specific than another when neither of its ends is wider
 * and one is narrower (device, then a zone's declared devices, then zone/star).
 * Two that match the same pair, with neither more specific, would make the
 * order of the file decide; that is a load error unless their content is equal.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "policy/check.h"

/* --- ends ------------------------------------------------------------------------------ */

static void
check_end(struct check *k, const char *who, const struct ynode *n, struct endpoints *out)
{
	const struct name_entry *e;
	struct endpoint end = {.place = place_of(n)};
	char zone[NAME_LEN_MAX + 3];
	const char *s, *near;

	if (!check_text(k, n, who, &s))
		return;
	end.kind = END_ZONE;
	if (n->n > 2 && n->n < sizeof(zone) && strcmp(s + n->n - 2, "/*") == 0) {
		memcpy(zone, s, n->n - 2);
		zone[n->n - 2] = '\0';
		s = zone;
		end.kind = END_ANY;
	}
	e = names_find(k, s);
	if (e && e->kind == NAME_DEVICE && end.kind == END_ZONE)
		end.kind = END_DEVICE;
	if (e && e->kind != (end.kind == END_DEVICE ? NAME_DEVICE : NAME_ZONE)) {
		check_error(k, n, "%s: \"%s\" is a %s, not a %s", who, s,
		    e->kind == NAME_DEVICE ? "device" : "conduit",
		    end.kind == END_ANY ? "zone" : "device or zone");
		return;
	}
	if (!e) {
		near = names_nearest(k, s);
		check_error(k, n, "%s: there is no %s \"%s\"%s%s%s", who,
		    end.kind == END_ANY ? "zone" : "device or zone", s,
		    near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
		return;
	}
	end.index = e->index;
	if (end.kind == END_ZONE && k->rs->zones[e->index].n_devices == 0)
		check_warn(k, &end.place, "%s: zone \"%s\" has no declared devices, so it stands "
		    "for nobody; \"%s/*\" is any address in its nets", who, s, s);
	vec_push(k->keep, out, end);
}

static void
check_ends(struct check *k, const char *who, const struct ynode *n, struct endpoints *out)
{
	if (n->kind == Y_MAP || list_n(n) == 0) {
		check_error(k, n, "%s: expected a list of devices and zones", who);
		return;
	}
	for (uint32_t i = 0; i < list_n(n); i++)
		check_end(k, who, list_at(n, i), out);
}

/* --- one conduit ---------------------------------------------------------------------------- */

/* Keys of a conduit that are a protocol's name. */
static bool
is_protocol(struct check *k, void *ctx, const struct ynode *key)
{
	(void)k;
	(void)ctx;
	return dissector_lookup(key->s, NULL) != NULL;
}

static void
check_blocks(struct check *k, const struct ynode *n, struct conduit *c, const char *who)
{
	uint8_t proto;

	c->blocks = arena_array(k->keep, CONDUIT_BLOCKS, sizeof(*c->blocks));
	for (uint32_t i = 0; i < n->n; i++) {
		const struct ynode *key = n->kids[2 * (size_t)i];
		const struct dissector *dis = dissector_lookup(key->s, &proto);
		struct block *b;

		if (!dis)
			continue;
		if (!dis->schema) {
			check_error(k, key, "%s: %s has no policy keys", who, dis->name);
			continue;
		}
		if (c->n_blocks == CONDUIT_BLOCKS) {
			check_error(k, key, "%s: more than %u protocols", who, CONDUIT_BLOCKS);
			return;
		}
		b = &c->blocks[c->n_blocks++];
		b->dis = dis;
		b->proto = proto;
		b->place = place_of(key);
		check_block(k, n->kids[2 * (size_t)i + 1], c, b);
	}
	check_rule_names(k, c);
	if (c->n_blocks == 0 && c->apps.n == 0 && !c->echo)
		check_warn(k, &c->place, "%s: no protocol: it allows nothing", who);
}

/* Names of applications ("TLS", "RDP") that may pass although no dissector reads them. */
static void
check_apps(struct check *k, const struct ynode *n, struct conduit *c, const char *who)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";
	const char *s;

	if (n->kind == Y_MAP || list_n(n) == 0 || list_n(n) > APPS_MAX) {
		check_error(k, n, "%s: apps: expected a list of 1 to %u names (TLS, RDP)", who, APPS_MAX);
		return;
	}
	for (uint32_t i = 0; i < list_n(n); i++) {
		const struct ynode *at = list_at(n, i);

		if (!check_text(k, at, who, &s))
			continue;
		if (*s == '\0' || at->n > APP_NAME_MAX || strspn(s, ok) != at->n)
			check_error(k, at, "%s: apps: \"%.40s\" is not the name of an application", who, s);
		else if (dissector_lookup(s, NULL) || strcasecmp(s, "unknown") == 0)
			check_error(k, at, "%s: apps: \"%s\" %s", who, s, dissector_lookup(s, NULL) ?
			    "has a block of its own" : "is what has no name");
		else
			vec_push(k->keep, &c->apps, arena_strn(k->keep, s, at->n));
	}
#ifndef HAVE_NDPI
	struct place place = place_of(n);

	check_warn(k, &place, "%s: apps: this build has no nDPI, so nothing has a name and nothing "
	    "passes by it", who);
#endif
}

/* icmp: [echo] */
static void
check_icmp(struct check *k, const struct ynode *n, struct conduit *c, const char *who)
{
	static const char *const words[] = {"echo", NULL};
	char where[NAME_LEN_MAX + 120];
	unsigned w;

	snprintf(where, sizeof(where), "%s: icmp", who);
	for (uint32_t i = 0; i < list_n(n); i++)
		if (check_word(k, list_at(n, i), where, words, &w))
			c->echo = true;
}

/* The name is needed for every other complaint, so it is looked for first. */
static const char *
peek_name(const struct ynode *n)
{
	for (uint32_t i = 0; n->kind == Y_MAP && i < n->n; i++)
		if (strcmp(n->kids[2 * (size_t)i]->s, "name") == 0 &&
		    n->kids[2 * (size_t)i + 1]->kind == Y_SCALAR)
			return n->kids[2 * (size_t)i + 1]->s;
	return "?";
}

static void
check_conduit(struct check *k, const struct ynode *n, struct conduit *c)
{
	enum {
		NAME,
		FROM,
		TO,
		OTHERWISE,
		MODE,
		CONDITIONS,
		FAIL,
		ONLY_IN,
		LIMITS,
		PERMIT,
		PERMITS,
		WINDOW,
		APPS,
		L4,
		STRICT,
		LATENCY,
		FLOWS,
		ICMP,
		GRACE,
		S7,
		S7PLUS,
		OPCUA,
		DNP3,
		IEC104,
		ENIP,
		N
	};
	static const struct field fields[N] = {
	    {"name", FIELD_MUST},
	    {"from", FIELD_MUST},
	    {"to", FIELD_MUST},
	    {"otherwise", FIELD_MAY},
	    {"mode", FIELD_MAY},
	    {"conditions", FIELD_MAY},
	    {"fail", FIELD_MAY},
	    {"only-in", FIELD_LATER},
	    {"limits", FIELD_LATER},
	    {"permit", FIELD_LATER},
	    {"permits", FIELD_LATER},
	    {"window", FIELD_LATER},
	    {"apps", FIELD_MAY},
	    {"l4", FIELD_LATER},
	    {"strict", FIELD_MAY},
	    {"latency", FIELD_MAY},
	    {"flows", FIELD_MAY},
	    {"icmp", FIELD_MAY},
	    {"grace", FIELD_LATER},
	    {"s7", FIELD_LATER},
	    {"s7plus", FIELD_LATER},
	    {"opcua", FIELD_LATER},
	    {"dnp3", FIELD_LATER},
	    {"iec104", FIELD_LATER},
	    {"enip", FIELD_LATER},
	};
	const struct ynode *v[N];
	struct what what = {""};
	const char *who = what_name(&what, "conduit", peek_name(n));

	c->name = "?";
	c->place = place_of(n);
	c->otherwise = VERDICT_DROP;
	c->mode = k->rs->mode;
	c->fail_open = k->rs->fail_open;
	c->yaml = n;
	memcpy(c->cond, k->rs->cond, sizeof(c->cond));
	if (!check_map(k, n, who, fields, N, v, is_protocol, NULL))
		return;
	if (v[NAME] && check_name(k, v[NAME], "conduit", &c->name))
		names_add(k, v[NAME], c->name, NAME_CONDUIT, c->index);
	if (v[FROM])
		check_ends(k, who, v[FROM], &c->from);
	if (v[TO])
		check_ends(k, who, v[TO], &c->to);
	if (v[OTHERWISE])
		check_action(k, v[OTHERWISE], who, 1u << VERDICT_ALERT |
		    1u << VERDICT_REJECT | 1u << VERDICT_DROP | 1u << VERDICT_RESET, &c->otherwise);
	if (v[MODE])
		check_mode(k, v[MODE], who, &c->mode);
	if (v[CONDITIONS])
		check_conditions(k, v[CONDITIONS], who, c->cond);
	if (v[FAIL])
		check_fail(k, v[FAIL], who, &c->fail_open);
	if (v[APPS])
		check_apps(k, v[APPS], c, who);
	if (v[STRICT])
		check_bool(k, v[STRICT], who, &c->strict);
	if (v[LATENCY])
		check_time(k, v[LATENCY], who, &c->latency_ns);
	if (v[FLOWS])
		check_number(k, v[FLOWS], who, 1, FLOWS_MAX, &c->flows);
	if (v[ICMP])
		check_icmp(k, v[ICMP], c, who);
	check_blocks(k, n, c, who);
}

void
check_conduits(struct check *k, const struct ynode *list)
{
	struct ruleset *rs = k->rs;

	if (list->kind != Y_LIST) {
		check_error(k, list, "conduits: expected a list");
		return;
	}
	rs->conduits = arena_array(k->keep, list->n + 1, sizeof(*rs->conduits));
	for (uint32_t i = 0; i < list->n; i++) {
		struct conduit *c = &rs->conduits[rs->n_conduits];

		c->index = rs->n_conduits++;
		check_conduit(k, list->kids[i], c);
	}
	rs->n_rules = k->rules.n;
	rs->rules = arena_array(k->keep, rs->n_rules + 1, sizeof(*rs->rules));
	rs->rule_conduit = arena_array(k->keep, rs->n_rules + 1, sizeof(*rs->rule_conduit));
	rs->rule_block = arena_array(k->keep, rs->n_rules + 1, sizeof(*rs->rule_block));
	for (uint32_t i = 0; i < rs->n_rules; i++)
		rs->rules[i] = k->rules.v[i];
	for (uint32_t i = 0; i < rs->n_conduits; i++)
		for (uint32_t j = 0; j < rs->conduits[i].n_blocks; j++) {
			const struct block *b = &rs->conduits[i].blocks[j];

			for (uint32_t r = 0; r < b->deny.n + b->allow.n; r++) {
				uint32_t at = (r < b->deny.n ? b->deny.v[r] :
				    b->allow.v[r - b->deny.n])->index;

				rs->rule_conduit[at] = &rs->conduits[i];
				rs->rule_block[at] = b;
			}
		}
}

/* --- overlaps -------------------------------------------------------------------------------- */

static bool
same_node(const struct ynode *a, const struct ynode *b)
{
	uint32_t n = a->kind == Y_MAP ? 2 * a->n : a->n;

	if (a->kind != b->kind || a->n != b->n)
		return false;
	if (a->kind == Y_SCALAR)
		return strcmp(a->s, b->s) == 0;
	for (uint32_t i = 0; i < n; i++)
		if (!same_node(a->kids[i], b->kids[i]))
			return false;
	return true;
}

static const struct ynode *
map_find(const struct ynode *map, const char *key)
{
	for (uint32_t i = 0; i < map->n; i++)
		if (strcmp(map->kids[2 * (size_t)i]->s, key) == 0)
			return map->kids[2 * (size_t)i + 1];
	return NULL;
}

/* Equal but for name and ends? */
static bool
same_content(const struct conduit *a, const struct conduit *b)
{
	static const char *const skip[] = {"name", "from", "to", NULL};
	const struct ynode *ma = a->yaml, *mb = b->yaml, *v;

	if (ma->n != mb->n)
		return false;
	for (uint32_t i = 0; i < ma->n; i++) {
		const char *key = ma->kids[2 * (size_t)i]->s;
		unsigned s = 0;

		while (skip[s] && strcmp(skip[s], key) != 0)
			s++;
		v = map_find(mb, key);
		if (!v || (!skip[s] && !same_node(ma->kids[2 * (size_t)i + 1], v)))
			return false;
	}
	return true;
}

/* A place of one end in the text of a conduit. */
static const char *
end_text(const struct ruleset *rs, uint32_t end, char *buf, size_t size)
{
	uint32_t index = end & ((1u << 30) - 1);

	snprintf(buf, size, "%s%s",
	    end >> 30 == END_DEVICE ? rs->devices[index].name : rs->zones[index].name,
	    end >> 30 == END_ANY ? "/*" : "");
	return buf;
}

struct written { /* one pair as a conduit writes it */
	uint32_t from, to, conduit;
	struct place place;
};

struct overlap {
	struct check *k;
	struct pair_map pairs;
	struct written *v;
	uint32_t n;
	uint32_t reported; /* conduit last complained about: once each is enough */
	uint64_t steps;
	uint32_t last_a, last_b; /* the question differ() answered last */
	bool last_differ;
};
#define OVERLAP_STEPS UINT64_C(20000000) /* comparisons; a second or so */

static void
overlap_complain(struct overlap *o, const struct written *w, uint32_t other, uint32_t from,
    uint32_t to)
{
	const struct ruleset *rs = o->k->rs;
	char f[NAME_LEN_MAX + 3], t[NAME_LEN_MAX + 3];

	if (o->reported == w->conduit)
		return;
	o->reported = w->conduit;
	complain_at(o->k->c, COMPLAINT_ERROR, w->place.line, w->place.col,
	    "conduit \"%s\": from %s to %s is governed by conduit \"%s\" (line %u) just as specifically",
	    rs->conduits[w->conduit].name, end_text(rs, from, f, sizeof(f)),
	    end_text(rs, to, t, sizeof(t)), rs->conduits[other].name,
	    rs->conduits[other].place.line);
}

static bool
differ(struct overlap *o, uint32_t a, uint32_t b)
{
	const struct ruleset *rs = o->k->rs;

	if (a == b)
		return false;
	if (a != o->last_a || b != o->last_b) {
		o->last_a = a;
		o->last_b = b;
		o->last_differ = !same_content(&rs->conduits[a], &rs->conduits[b]);
	}
	return o->last_differ;
}

/*
 * E = (a, b) and F = (a', b') with a' wider than a and b wider than b': both
 * match (a, b'), neither is more specific.  Fine only when (a, b') is written
 * too.  first/next chain the E's by every (a', b) they could meet an F under.
 */
static bool
overlap_crossing(struct overlap *o)
{
	const struct ruleset *rs = o->k->rs;
	struct arena *a = o->k->scratch;
	struct pair_map heads;
	uint32_t *next = arena_array(a, 2 * (size_t)o->n + 1, sizeof(*next));
	uint32_t *first, wide, slot;

	pair_map_init(a, &heads, 2 * o->n);
	first = arena_array(a, (size_t)2 * o->n + 1, sizeof(*first));
	for (uint32_t i = 0; i < o->n; i++) {
		wide = o->v[i].from;
		for (uint32_t j = 0; j < 2 && (wide = end_wider(rs, wide)) != END_NONE; j++) {
			slot = pair_map_put(&heads, pair_key(wide, o->v[i].to), heads.n);
			next[2 * (size_t)i + j] = first[slot];
			first[slot] = 2 * i + j + 1;
		}
	}
	for (uint32_t i = 0; i < o->n; i++) {
		const struct written *f = &o->v[i];

		for (wide = end_wider(rs, f->to); wide != END_NONE; wide = end_wider(rs, wide)) {
			slot = pair_map_get(&heads, pair_key(f->from, wide));
			if (slot == PAIR_NONE)
				continue;
			for (uint32_t at = first[slot]; at != 0; at = next[at - 1]) {
				const struct written *e = &o->v[(at - 1) / 2];

				if (++o->steps > OVERLAP_STEPS)
					return false;
				if (pair_map_get(&o->pairs, pair_key(e->from, f->to)) == PAIR_NONE &&
				    differ(o, e->conduit, f->conduit))
					overlap_complain(o, f, e->conduit, e->from, f->to);
			}
		}
	}
	return true;
}

void
check_overlaps(struct check *k)
{
	struct ruleset *rs = k->rs;
	struct overlap o = {.k = k, .reported = UINT32_MAX, .last_a = UINT32_MAX};
	uint64_t total = rules_pairs(rs);
	uint32_t other;

	if (total > CONDUIT_PAIRS) {
		complain_at(k->c, COMPLAINT_ERROR, 0, 0, "conduits: %llu pairs of from and to; at "
		    "most %u", (unsigned long long)total, CONDUIT_PAIRS);
		return;
	}
	pair_map_init(k->scratch, &o.pairs, (uint32_t)total);
	o.v = arena_array(k->scratch, total + 1, sizeof(*o.v));
	for (uint32_t i = 0; i < rs->n_conduits; i++) {
		const struct conduit *c = &rs->conduits[i];

		for (uint32_t f = 0; f < c->from.n; f++)
			for (uint32_t t = 0; t < c->to.n; t++) {
				struct written w = {end_key(c->from.v[f].kind, c->from.v[f].index),
				    end_key(c->to.v[t].kind, c->to.v[t].index), i, c->to.v[t].place};

				other = pair_map_put(&o.pairs, pair_key(w.from, w.to), i);
				if (other == i)
					o.v[o.n++] = w;
				else if (differ(&o, i, other))
					overlap_complain(&o, &w, other, w.from, w.to);
			}
	}
	if (!overlap_crossing(&o))
		complain_at(k->c, COMPLAINT_ERROR, 0, 0, "conduits: too many of them cross each other "
		    "to tell which is the most specific");
}
