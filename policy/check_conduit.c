/* SPDX-License-Identifier: Apache-2.0 */
/* check_conduit.c - who may talk to whom: the ends of conduits, and what they say for themselves. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "policy/check.h"

/* --- ends ------------------------------------------------------------------------------ */

static void
end_add(struct check *k, const char *who, const struct ynode *at, struct endpoint end,
    struct endpoints *out)
{
	if (++k->n_ends == CONDUIT_PAIRS)
		check_error(k, at, "%s: more than %u devices and zones in all from and to", who,
		    CONDUIT_PAIRS);
	if (k->n_ends < CONDUIT_PAIRS)
		vec_push(k->keep, out, end);
}

static void
end_add_group(
    struct check *k, const char *who, const struct ynode *at, uint32_t group, struct endpoints *out)
{
	const struct device_group *g = &k->rs->groups.v[group];

	for (uint32_t i = 0; i < g->n; i++)
		end_add(k, who, at,
		    (struct endpoint){.kind = END_DEVICE,
			.index = g->devices[i],
			.group = group + 1,
			.place = place_of(at)},
		    out);
	k->rs->groups.v[group].used = true;
}

static void
check_end(struct check *k, const char *who, const struct ynode *n, struct endpoints *out)
{
	static const char *const kinds[] = {"zone", "device", "conduit", "group"};
	const struct name_entry *e;
	struct endpoint end = {.place = place_of(n), .kind = END_ZONE};
	char zone[NAME_LEN_MAX + 3];
	const char *s, *near;
	uint32_t role;

	if (!check_text(k, n, who, &s))
		return;
	if (strncmp(s, ROLE_PREFIX, strlen(ROLE_PREFIX)) == 0) {
		role = group_of_role(k, who, n, s + strlen(ROLE_PREFIX));
		if (role != UINT32_MAX)
			end_add_group(k, who, n, role, out);
		return;
	}
	if (n->n > 2 && n->n < sizeof(zone) && strcmp(s + n->n - 2, "/*") == 0) {
		memcpy(zone, s, n->n - 2);
		zone[n->n - 2] = '\0';
		s = zone;
		end.kind = END_ANY;
	}
	e = names_find(k, s);
	if (!e) {
		near = names_nearest(k, s);
		check_error(k, n, "%s: there is no %s \"%s\"%s%s%s", who,
		    end.kind == END_ANY ? "zone" : "device, group or zone", s,
		    near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
		return;
	}
	if (e->kind == NAME_CONDUIT || (end.kind == END_ANY && e->kind != NAME_ZONE)) {
		check_error(k, n, "%s: \"%s\" is a %s, not a %s", who, s, kinds[e->kind],
		    end.kind == END_ANY ? "zone" : "device, group or zone");
		return;
	}
	if (e->kind == NAME_GROUP) {
		end_add_group(k, who, n, e->index, out);
		return;
	}
	if (e->kind == NAME_DEVICE)
		end.kind = END_DEVICE;
	end.index = e->index;
	if (end.kind == END_ZONE && k->rs->zones[e->index].n_devices == 0) {
		check_warn(k, &end.place, "%s: zone \"%s\" has no declared devices, so it stands "
		    "for nobody; \"%s/*\" is any address in its nets", who, s, s);
		complain_tag(k->c, "policy.empty-zone", &k->rs->zones[e->index].place);
	}
	end_add(k, who, n, end, out);
}

static void
check_ends(struct check *k, const char *who, const struct ynode *n, struct endpoints *out)
{
	if (n->kind == Y_MAP || list_n(n) == 0) {
		check_error(k, n, "%s: expected a list of devices, groups and zones", who);
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
check_blocks(struct check *k, const struct ynode *n, const struct ynode *l4, struct conduit *c,
    const char *who)
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
	if (l4)
		check_l4(k, l4, c, who);
	check_rule_names(k, c);
	if (c->n_blocks == 0 && c->apps.n == 0 && !c->echo && !c->l4) {
		check_warn(k, &c->place, "%s: no protocol: it allows nothing", who);
		complain_tag(k->c, "policy.idle-conduit", NULL);
	}
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
	complain_tag(k->c, "policy.no-ndpi", NULL);
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
	    {"only-in", FIELD_MAY},
	    {"limits", FIELD_LATER},
	    {"permit", FIELD_LATER},
	    {"permits", FIELD_LATER},
	    {"window", FIELD_LATER},
	    {"apps", FIELD_MAY},
	    {"l4", FIELD_MAY},
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
		check_fail(k, v[FAIL], who, &c->fail_open, &k->rs->conduit_open_at);
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
	if (v[ONLY_IN])
		check_only_in(k, v[ONLY_IN], who, &c->only_in);
	check_blocks(k, n, v[L4], c, who);
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
	for (uint32_t i = 0; i < rs->n_conduits; i++)
		for (uint32_t r = 0; rs->conduits[i].l4 && r < rs->conduits[i].l4->allow.n; r++) {
			rs->rule_conduit[rs->conduits[i].l4->allow.v[r]->index] = &rs->conduits[i];
			rs->rule_block[rs->conduits[i].l4->allow.v[r]->index] = rs->conduits[i].l4;
		}
}
