/* SPDX-License-Identifier: Apache-2.0 */
/* naive.c - see naive.h; the meaning is docs/POLICY.md. */
#include "tests/model/naive.h"

#include <string.h>

/* --- who talks to whom ------------------------------------------------------------------- */

static int
zone_holding(const struct ruleset *rs, const struct net_addr *a)
{
	int best = -1, best_len = -1;

	for (uint32_t z = 0; z < rs->n_zones; z++)
		for (uint32_t n = 0; n < rs->zones[z].n_nets; n++) {
			const struct net_prefix *p = &rs->zones[z].nets[n];
			bool in = true;

			for (unsigned bit = 0; bit < p->len; bit++)
				if (((p->addr.b[bit / 8] ^ a->b[bit / 8]) >> (7 - bit % 8)) & 1)
					in = false;
			if (in && p->len > best_len) {
				best = (int)z;
				best_len = p->len;
			}
		}
	return best;
}

/* How narrowly an end fits an address: 3 device, 2 zone, 1 zone/star, 0 not. */
static int
end_fits(const struct ruleset *rs, const struct endpoint *e, const struct net_addr *a)
{
	for (uint32_t d = 0; d < rs->n_devices; d++)
		if (memcmp(rs->devices[d].ip.b, a->b, 16) == 0) {
			if (e->kind == END_DEVICE)
				return e->index == d ? 3 : 0;
			return e->index == rs->devices[d].zone ? (e->kind == END_ZONE ? 2 : 1) : 0;
		}
	return e->kind == END_ANY && (int)e->index == zone_holding(rs, a) ? 1 : 0;
}

static int
ends_fit(const struct ruleset *rs, const struct endpoints *es, const struct net_addr *a)
{
	int best = 0, fit;

	for (uint32_t i = 0; i < es->n; i++)
		if ((fit = end_fits(rs, &es->v[i], a)) > best)
			best = fit;
	return best;
}

static const struct conduit *
most_specific(const struct ruleset *rs, const struct net_tuple *t)
{
	const struct conduit *best = NULL;
	int best_from = 0, best_to = 0;

	for (uint32_t i = 0; i < rs->n_conduits; i++) {
		int from = ends_fit(rs, &rs->conduits[i].from, &t->src);
		int to = ends_fit(rs, &rs->conduits[i].to, &t->dst);

		if (from == 0 || to == 0)
			continue;
		if (!best || (from >= best_from && to >= best_to && from + to > best_from + best_to)) {
			best = &rs->conduits[i];
			best_from = from;
			best_to = to;
		}
	}
	return best;
}

static bool
vlan_ok(const struct ruleset *rs, const struct net_tuple *t)
{
	int from = zone_holding(rs, &t->src), to = zone_holding(rs, &t->dst);
	unsigned a = from >= 0 ? rs->zones[from].vlan : 0, b = to >= 0 ? rs->zones[to].vlan : 0;

	return t->vlan == 0 || (a == 0 && b == 0) || t->vlan == a || t->vlan == b;
}

static const struct block *
block_for(const struct conduit *c, const struct net_tuple *t, uint8_t proto)
{
	for (uint32_t i = 0; i < c->n_blocks; i++)
		for (uint32_t j = 0; j < c->blocks[i].ports.n; j++) {
			const struct port_span *s = &c->blocks[i].ports.v[j];

			if (c->blocks[i].proto == proto && s->lo <= t->dport && t->dport <= s->hi &&
			    (t->proto == NET_PROTO_TCP ? s->tcp : s->udp))
				return &c->blocks[i];
		}
	return NULL;
}

/* --- one element against one rule -------------------------------------------------------------- */

static bool
naive_glob(const char *g, const char *s, size_t n)
{
	if (*g == '\0')
		return n == 0;
	if (*g == '*')
		return naive_glob(g + 1, s, n) || (n > 0 && naive_glob(g, s + 1, n - 1));
	return n > 0 && (*g == '?' || *g == *s) && naive_glob(g + 1, s + 1, n - 1);
}

static bool
rect_holds(const struct dis_range *r, uint32_t sub, uint64_t addr)
{
	return r->sub <= sub && sub <= r->sub_last && r->first <= addr && addr <= r->last;
}

/* value: what is written, or NULL when that cannot be known. */
static bool
element_matches(const struct dis_schema *sc, const struct rule *r, const struct fact_item *it,
    uint64_t addr, const uint32_t *value)
{
	bool write = (it->access & ACC_WRITE) != 0, named = false, reached = r->everything;
	unsigned slot = it->space * 2u + write;

	for (unsigned k = 0; k < sc->n_keys; k++)
		if (sc->keys[k].kind == KEY_PATTERN && sc->keys[k].space == it->space)
			named = true;
	if (named) {
		for (uint32_t i = 0; i < r->names[slot].n; i++)
			if (naive_glob(r->names[slot].v[i], it->name ? it->name : "",
				it->name ? it->name_len : 0))
				reached = true;
		return reached;
	}
	for (uint32_t i = 0; i < r->reach[slot].n; i++)
		if (rect_holds(&r->reach[slot].v[i], it->sub, addr))
			reached = true;
	if (!reached || !write || r->limits[it->space].n == 0)
		return reached;
	if (it->masked)
		return r->deny;
	for (uint32_t i = 0; i < r->limits[it->space].n; i++) {
		const struct limit *l = &r->limits[it->space].v[i];
		bool good = false;

		if (!rect_holds(&l->at, it->sub, addr))
			continue;
		if (!value)
			return r->deny;
		for (uint32_t j = 0; j < l->set.n; j++)
			if (l->set.v[j].lo <= *value && *value <= l->set.v[j].hi)
				good = true;
		return good && (*value - l->set.v[0].lo) % l->step == 0;
	}
	return true;
}

static bool
rule_asks(const struct rule *r, const struct fact *f)
{
	if (!r->enabled || !(r->ops[f->opx / 64] >> (f->opx % 64) & 1))
		return false;
	for (uint32_t i = 0; i < r->units.n; i++)
		if (r->units.v[i].lo <= f->unit && f->unit <= r->units.v[i].hi)
			return true;
	return false;
}

/* --- verdicts ------------------------------------------------------------------------------------ */

static struct verdict
verdict_in(uint8_t mode, uint8_t would, uint8_t reason, uint32_t rule, uint32_t conduit)
{
	struct verdict v = {.would = would, .reason = reason, .mode = mode, .rule = rule,
	    .conduit = conduit};

	if (mode == MODE_ENFORCE || (mode == MODE_ALERT && would == VERDICT_ALLOW))
		v.action = would;
	else
		v.action = mode == MODE_ALERT ? VERDICT_ALERT : VERDICT_ALLOW;
	return v;
}

struct worst {
	struct verdict v;
	uint8_t would;
	bool any;
};

static void
worst_add(struct worst *w, struct verdict v)
{
	if (!w->any || v.action > w->v.action || (v.action == w->v.action && v.would > w->v.would))
		w->v = v;
	if (v.would > w->would)
		w->would = v.would;
	w->any = true;
}

static struct verdict
worst_get(const struct worst *w)
{
	struct verdict v = w->v;

	v.would = w->would;
	return v;
}

/* One element (it NULL: a fact that touches nothing) through all rules in order. */
static struct verdict
judge_element(const struct conduit *c, const struct block *b, const struct fact *f,
    const struct fact_item *it, uint64_t addr, const uint32_t *value)
{
	struct worst w = {0};

	for (uint32_t i = 0; i < b->deny.n; i++) {
		const struct rule *r = b->deny.v[i];
		uint8_t mode = r->mode == MODE_UNSET ? c->mode : r->mode;

		if (!rule_asks(r, f))
			continue;
		if (it ? !element_matches(b->dis->schema, r, it, addr, value) : !r->everything)
			continue;
		worst_add(&w, verdict_in(mode, r->verdict, REASON_RULE, r->index, c->index));
		if (mode == MODE_ENFORCE)
			return worst_get(&w);
	}
	for (uint32_t i = 0; i < b->allow.n; i++) {
		const struct rule *r = b->allow.v[i];

		if (!rule_asks(r, f) || (it && !element_matches(b->dis->schema, r, it, addr, value)))
			continue;
		worst_add(&w, verdict_in(r->mode == MODE_UNSET ? c->mode : r->mode, r->verdict,
		    REASON_RULE, r->index, c->index));
		return worst_get(&w);
	}
	worst_add(&w, verdict_in(c->mode, c->otherwise, REASON_OTHERWISE, RULE_NONE, c->index));
	return worst_get(&w);
}

static void
judge_item(const struct conduit *c, const struct block *b, const struct fact *f,
    const struct fact_item *it, struct worst *w)
{
	for (uint32_t i = 0; i < it->count; i++) {
		uint32_t value = it->vals ? fact_value(it, i) : 0;

		if (it->space >= b->dis->schema->n_spaces || (uint64_t)it->first + i > UINT32_MAX)
			worst_add(w, verdict_in(c->mode, c->otherwise, REASON_OTHERWISE, RULE_NONE,
			    c->index));
		else
			worst_add(w, judge_element(c, b, f, it, (uint64_t)it->first + i,
			    it->vals ? &value : NULL));
	}
}

struct verdict
naive_judge(const struct ruleset *rs, const struct net_tuple *t, const struct fact *f)
{
	const struct conduit *c = most_specific(rs, t);
	const struct block *b;
	struct worst w = {0};
	struct fact_iter iter = {0};
	struct fact_item it;

	if (!c || !vlan_ok(rs, t))
		return verdict_in(rs->mode, VERDICT_DROP, REASON_NO_CONDUIT, RULE_NONE, RULE_NONE);
	b = block_for(c, t, f->proto);
	if (!b)
		return verdict_in(c->mode, c->otherwise, REASON_PORT, RULE_NONE, c->index);
	if (f->opx >= b->dis->schema->n_opx)
		return verdict_in(c->mode, c->otherwise, REASON_OTHERWISE, RULE_NONE, c->index);
	while (fact_next(f, &iter, &it))
		judge_item(c, b, f, &it, &w);
	if (!w.any)
		return judge_element(c, b, f, NULL, 0, NULL);
	return worst_get(&w);
}
