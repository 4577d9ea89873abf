/* SPDX-License-Identifier: Apache-2.0 */
/* explain_json.c - what explain.h says, for machines: ranges as on the wire. */
#include <stdlib.h>

#include "base/jw.h"
#include "policy/explain_int.h"
#include "policy/kernel.h"

static void
put_pair(struct jw *w, const char *key, uint64_t lo, uint64_t hi)
{
	jw_arr(w, key);
	jw_u(w, NULL, lo);
	jw_u(w, NULL, hi);
	jw_close(w, ']');
}

static bool
put_sentence(struct jw *w, const struct policy *p, uint32_t rule)
{
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);
	bool ok = to != NULL;

	if (!to)
		return false;
	policy_explain_rule(p, rule, to);
	ok = fclose(to) == 0 && text;
	if (ok)
		jw_strn(w, "sentence", text, n);
	free(text);
	return ok;
}

static void
put_functions(struct jw *w, const struct dis_schema *sc, const struct rule *r)
{
	jw_arr(w, "functions");
	for (unsigned i = 0; i < sc->n_ops; i++) {
		if (!rule_has_op(r, sc->ops[i].opx))
			continue;
		jw_obj(w, NULL);
		jw_u(w, "code", sc->ops[i].code);
		if (sc->ops[i].sub != FACT_NO_SUB)
			jw_u(w, "sub", sc->ops[i].sub);
		jw_str(w, "name", sc->ops[i].name);
		jw_str(w, "access", fact_access_name(sc->ops[i].access));
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
put_reach(struct jw *w, const struct dis_schema *sc, const struct rule *r, unsigned write)
{
	jw_arr(w, write ? "write" : "read");
	for (unsigned s = 0; s < sc->n_spaces; s++) {
		const struct rects *v = &r->reach[2 * s + write];
		const struct globs *g = &r->names[2 * s + write];

		for (uint32_t i = 0; i < v->n; i++) {
			jw_obj(w, NULL);
			jw_str(w, "space", sc->spaces[s].name);
			if (sc->spaces[s].max_sub != 0)
				put_pair(w, "sub", v->v[i].sub, v->v[i].sub_last);
			put_pair(w, "range", v->v[i].first, v->v[i].last);
			jw_close(w, '}');
		}
		for (uint32_t i = 0; i < g->n; i++) {
			jw_obj(w, NULL);
			jw_str(w, "space", sc->spaces[s].name);
			jw_str(w, "name", g->v[i]);
			jw_close(w, '}');
		}
	}
	jw_close(w, ']');
}

static void
put_limits(struct jw *w, const struct dis_schema *sc, const struct rule *r)
{
	jw_arr(w, "values");
	for (unsigned s = 0; s < sc->n_spaces; s++)
		for (uint32_t i = 0; i < r->limits[s].n; i++) {
			const struct limit *l = &r->limits[s].v[i];

			jw_obj(w, NULL);
			jw_str(w, "space", sc->spaces[s].name);
			if (sc->spaces[s].max_sub != 0)
				put_pair(w, "sub", l->at.sub, l->at.sub_last);
			put_pair(w, "range", l->at.first, l->at.last);
			jw_u(w, "bits", l->shape.bits);
			jw_bool(w, "change", l->changes);
			jw_str(w, "kind",
			    l->shape.kind == VALUE_UNSIGNED ? "unsigned"
			    : l->shape.kind == VALUE_SIGNED ? "signed"
							    : "real");
			if (l->shape.kind == VALUE_UNSIGNED && l->shape.bits <= 32) {
				jw_arr(w, "in");
				for (uint32_t k = 0; k < l->set.n; k++)
					put_pair(w, NULL, l->set.v[k].lo, l->set.v[k].hi);
				jw_close(w, ']');
				jw_u(w, "step", l->step);
				jw_u(w, "base", l->base);
			}
			jw_close(w, '}');
		}
	jw_close(w, ']');
}

static void
put_windows(struct jw *w, const struct ruleset *rs, uint64_t only_in)
{
	jw_arr(w, "only_in");
	for (uint32_t i = 0; i < rs->n_windows; i++)
		if (only_in >> i & 1)
			jw_str(w, NULL, rs->windows[i].name);
	jw_close(w, ']');
}

static bool
put_rule(struct jw *w, const struct explain *x, const struct block *b, const struct rule *r)
{
	static const char *const modes[] = {"learn", "alert", "enforce"};
	const struct dis_schema *sc = b->dis->schema;
	bool ok;

	jw_obj(w, NULL);
	jw_str(w, "rule", r->name);
	jw_u(w, "line", r->place.line);
	jw_str(w, "list", r->deny ? "deny" : "allow");
	jw_bool(w, "enabled", r->enabled);
	jw_str(w, "verdict", verdict_action_name(r->verdict));
	if (r->mode < 3)
		jw_str(w, "mode", modes[r->mode]);
	ok = put_sentence(w, x->policy, r->index);
	put_functions(w, sc, r);
	if (schema_has(sc, KEY_UNIT, SPACE_NONE)) {
		jw_arr(w, "units");
		for (uint32_t i = 0; i < r->units.n; i++)
			put_pair(w, NULL, r->units.v[i].lo, r->units.v[i].hi);
		jw_close(w, ']');
	}
	jw_bool(w, "everything", r->everything);
	put_reach(w, sc, r, 0);
	put_reach(w, sc, r, 1);
	put_limits(w, sc, r);
	jw_u(w, "conditions", r->conds.n);
	jw_u(w, "interlocks", r->whens.n);
	put_windows(w, x->policy->rs, r->only_in);
	jw_str(w, "kernel", kernel_why_name(policy_kernel_rule(x->policy, r->index)));
	if (x->hits)
		jw_u(w, "hits", x->hits[r->index]);
	jw_close(w, '}');
	return ok;
}

static bool
put_block(struct jw *w, const struct explain *x, const struct block *b)
{
	bool ok = true;

	jw_obj(w, NULL);
	jw_str(w, "protocol", b->dis->name);
	jw_arr(w, "ports");
	for (uint32_t i = 0; i < b->ports.n; i++) {
		jw_obj(w, NULL);
		put_pair(w, "range", b->ports.v[i].lo, b->ports.v[i].hi);
		jw_bool(w, "tcp", b->ports.v[i].tcp);
		jw_bool(w, "udp", b->ports.v[i].udp);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_u(w, "floor", b->floor.n);
	jw_u(w, "limits", b->limits.n + (b->rate != 0));
	jw_arr(w, "rules");
	for (uint32_t i = 0; i < b->deny.n; i++)
		ok = put_rule(w, x, b, b->deny.v[i]) && ok;
	for (uint32_t i = 0; i < b->allow.n; i++)
		ok = put_rule(w, x, b, b->allow.v[i]) && ok;
	jw_close(w, ']');
	jw_close(w, '}');
	return ok;
}

static bool
put_conduits(struct jw *w, const struct explain *x)
{
	static const char *const modes[] = {"learn", "alert", "enforce"};
	const struct ruleset *rs = x->policy->rs;
	bool ok = true;
	char letters[8];

	jw_arr(w, "conduits");
	for (uint32_t i = 0; i < rs->n_conduits; i++) {
		const struct conduit *c = &rs->conduits[i];

		jw_obj(w, NULL);
		jw_str(w, "conduit", c->name);
		jw_u(w, "line", c->place.line);
		jw_str(w, "mode", modes[c->mode < 3 ? c->mode : 2]);
		jw_str(w, "otherwise", verdict_action_name(c->otherwise));
		jw_str(w, "access", policy_explain_letters(x->policy, i, letters));
		jw_bool(w, "ping", c->echo);
		put_windows(w, rs, c->only_in);
		jw_arr(w, "apps");
		for (uint32_t k = 0; k < c->apps.n; k++)
			jw_str(w, NULL, c->apps.v[k]);
		jw_close(w, ']');
		jw_arr(w, "protocols");
		for (uint32_t k = 0; k < c->n_blocks; k++)
			ok = put_block(w, x, &c->blocks[k]) && ok;
		jw_close(w, ']');
		jw_close(w, '}');
	}
	jw_close(w, ']');
	return ok;
}

static void
put_pairs(struct jw *w, const struct explain *x)
{
	const struct ruleset *rs = x->policy->rs;
	char a[NAME_LEN_MAX + 40], b[NAME_LEN_MAX + 40];

	jw_arr(w, "may");
	for (uint32_t f = 0; f < party_count(rs); f++)
		for (uint32_t t = 0; t < party_count(rs); t++) {
			uint32_t c = party_conduit(x->policy, f, t);
			const char *from = party_name(rs, f, a, sizeof(a));
			const char *to = party_name(rs, t, b, sizeof(b));

			if (c == RULE_NONE || (x->device && strcmp(from, x->device) != 0 &&
						  strcmp(to, x->device) != 0))
				continue;
			jw_obj(w, NULL);
			jw_str(w, "from", from);
			jw_str(w, "to", to);
			jw_str(w, "conduit", rs->conduits[c].name);
			jw_close(w, '}');
		}
	jw_close(w, ']');
}

bool
policy_explain_json(const struct explain *x, struct jw *w)
{
	const struct ruleset *rs = x->policy->rs;
	char ip[NET_ADDR_STRLEN];
	bool ok;

	jw_str(w, "site", rs->site ? rs->site : "");
	jw_str(w, "mode",
	    rs->mode == MODE_ENFORCE ? "enforce"
	    : rs->mode == MODE_ALERT ? "alert"
				     : "learn");
	jw_arr(w, "devices");
	for (uint32_t i = 0; i < rs->n_devices; i++) {
		const struct device *d = &rs->devices[i];

		if (x->device && strcmp(d->name, x->device) != 0)
			continue;
		jw_obj(w, NULL);
		jw_str(w, "device", d->name);
		jw_str(w, "ip", net_addr_str(&d->ip, ip));
		jw_str(w, "zone", rs->zones[d->zone].name);
		if (d->role)
			jw_str(w, "role", d->role);
		if (d->location)
			jw_str(w, "location", d->location);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	put_pairs(w, x);
	ok = put_conduits(w, x);
	return ok;
}
