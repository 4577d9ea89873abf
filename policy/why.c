/* SPDX-License-Identifier: Apache-2.0 */
/*
 * why.c - the path of one fact through the rules, in words.  It reads the rules
 * as written and not the tables, and ends with what the tables say.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/table.h"
#include "policy/why.h"
#include "policy/window.h"

#define WHY_ITEMS 8u /* items explained; the verdict is over all of them */

struct why {
	const struct policy *p;
	const struct conduit *c;
	const struct block *b;
	const struct dis_schema *sc;
	const struct fact *f;
	const struct policy_state *st; /* NULL: nothing is known of values */
	const struct policy_clock *clock; /* or NULL: every window is closed */
	bool permitted;			  /* a permit let the request pass */
	const struct net_addr *server;
	FILE *to;
};

static void
addr_line(const struct policy *p, FILE *to, const char *label, const struct net_addr *a,
    uint16_t port)
{
	char buf[NET_ADDR_STRLEN];
	const char *device = policy_device_name(p, a), *zone = policy_zone_name(p, a);

	fprintf(to, "%-5s %s port %u: ", label, net_addr_str(a, buf), port);
	if (device)
		fprintf(to, "device \"%s\", zone \"%s\"\n", device, zone ? zone : "-");
	else if (zone)
		fprintf(to, "no declared device, zone \"%s\"\n", zone);
	else
		fprintf(to, "in no zone\n");
}

static const char *
show_at(const struct why *w, const struct fact_item *it, uint32_t addr, char *buf, size_t size)
{
	if (w->sc->show_addr)
		return w->sc->show_addr(it->space, it->sub, addr, buf, size);
	if (w->sc->spaces[it->space].max_sub)
		snprintf(buf, size, "%u:%u", it->sub, addr);
	else
		snprintf(buf, size, "%u", addr);
	return buf;
}

/* --- one rule ------------------------------------------------------------------------------ */

static bool
in_rects(const struct rects *rs, uint32_t sub, uint64_t addr)
{
	for (uint32_t i = 0; i < rs->n; i++)
		if (rs->v[i].sub <= sub && sub <= rs->v[i].sub_last && rs->v[i].first <= addr &&
		    addr <= rs->v[i].last)
			return true;
	return false;
}

static const struct limit *
limit_at(const struct limits *ls, uint32_t sub, uint32_t addr)
{
	for (uint32_t i = 0; i < ls->n; i++)
		if (ls->v[i].at.sub <= sub && sub <= ls->v[i].at.sub_last &&
		    ls->v[i].at.first <= addr && addr <= ls->v[i].at.last)
			return &ls->v[i];
	return NULL;
}

/* Elements of an item that a rule matches; the first that it does not goes to
 * *miss with a reason. */
static uint32_t
item_hits(const struct why *w, const struct rule *r, const struct fact_item *it, uint32_t *miss,
    const char **reason, char *buf, size_t size)
{
	unsigned slot = slot_of(it->space, it->access);
	const struct limits *ls = &r->limits[it->space];
	bool write = slot % 2 == 1;
	uint32_t hits = 0;
	char other[8];
	uint64_t key;

	*reason = NULL;
	for (uint32_t i = 0; i < it->count && i < 65536; i++) {
		const struct limit *l = write ? limit_at(ls, it->sub, it->first + i) : NULL;
		const char *no = NULL;

		if (!r->everything && !in_rects(&r->reach[slot], it->sub, (uint64_t)it->first + i))
			no = write ? "is not among the addresses it may write" :
				     "is not among the addresses it may read";
		else if (write && ls->n != 0 && it->masked)
			no = r->deny ? NULL : "is written by mask, and the rule limits values";
		else if (l && !value_read(&l->shape, it, i, &key))
			no = r->deny ? NULL : "is not a whole value to hold against the rule's limit";
		else if (l && !limit_holds(l, key))
			no = "has a value outside the rule's limit";
		else if (l && !*reason &&
			 !why_change(w->sc, l, w->f, it, i, r->deny, w->st, buf, size))
			no = buf;
		else if (l &&
			 !why_change(w->sc, l, w->f, it, i, r->deny, w->st, other, sizeof(other)))
			no = other;
		if (!no)
			hits++;
		else if (!*reason) {
			*reason = no;
			*miss = it->first + i;
		}
	}
	return hits;
}

static void
rule_line(const struct why *w, const struct rule *r, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void
rule_line(const struct why *w, const struct rule *r, const char *fmt, ...)
{
	va_list ap;

	fprintf(w->to, "      %s:%u:%u: %s rule \"%s\": ", rules_file(w->p->rs, &r->place),
	    r->place.line, r->place.col, r->deny ? "deny" : "allow", r->name);
	va_start(ap, fmt);
	vfprintf(w->to, fmt, ap);
	va_end(ap);
	fputc('\n', w->to);
}

/* What a property is, in words. */
static const char *
prop_text(const struct dis_key *key, const struct fact_props *x, char *buf, size_t size)
{
	bool text = key->kind == KEY_TEXT;
	uint32_t bit = 1u << (key->prop + (text ? 16 : 0)), v, n = 0;

	if (x && x->na & bit)
		return "does not apply yet";
	if (!x || !(x->known & bit))
		return "is not known";
	if (text) {
		snprintf(buf, size, "is \"%.*s\"", (int)(x->text[key->prop].n < 80 ?
		    x->text[key->prop].n : 80), x->text[key->prop].p);
		return buf;
	}
	v = x->num[key->prop];
	while (key->words && key->words[n] && n < v)
		n++;
	if (key->words && key->words[n] && n == v)
		snprintf(buf, size, "is %s", key->words[n]);
	else if (v == UINT32_MAX)
		return "is none that has a name";
	else
		snprintf(buf, size, "is %u", v);
	return buf;
}

/* The first property that is not as the rule asks. */
static const struct cond *
cond_missed(const struct rule *r, const struct fact *f)
{
	for (uint32_t i = 0; i < r->conds.n; i++)
		if (!cond_holds(&r->conds.v[i], f->props, r->deny, r->deny))
			return &r->conds.v[i];
	return NULL;
}

/* Windows of a list, and what they are now. */
static void
windows_line(const struct why *w, uint64_t only_in, const char *label)
{
	uint64_t open = w->clock ? w->clock->open : 0, hours = w->clock ? w->clock->hours : 0;

	for (uint64_t m = only_in; m != 0; m &= m - 1) {
		uint32_t i = (uint32_t)__builtin_ctzll(m);
		const struct window *x = &w->p->rs->windows[i];

		fprintf(w->to, "   %sonly-in \"%s\" (%s:%u:%u): %s\n", label, x->name,
		    rules_file(w->p->rs, &x->place), x->place.line, x->place.col,
		    open >> i & 1    ? "open"
		    : hours >> i & 1 ? "its hours hold, and it needs a permit"
				     : "closed");
	}
}

/* Permits that are open, and what they are for when it is not this. */
static void
permit_lines(const struct why *w, const struct net_tuple *open, const struct verdict *v)
{
	uint32_t may = w->clock && v->reason == REASON_WINDOW ? w->clock->permits : 0u;

	if (w->permitted)
		fprintf(w->to, "   a permit for these ends and this function is open\n");
	for (; may != 0; may &= may - 1) {
		unsigned i = (unsigned)__builtin_ctz(may);
		const struct policy_permit *m = &w->clock->permit[i];
		const char *lacks =
		    permit_between(m, open) ? permit_lacks(m, w->c->index, w->f) : "other ends";

		fprintf(w->to, "   permit %u is open for %s\n", i + 1,
		    lacks	 ? lacks
		    : m->n_rules ? "other rules"
				 : "another window");
	}
}

/* Of a rule, or of its conduit: that nothing of it is open without a permit. */
static bool
rule_closed(const struct why *w, const struct rule *r)
{
	uint64_t open = w->clock ? w->clock->open : 0;

	return (r->only_in && !(r->only_in & open)) ||
	       (!r->deny && w->c->only_in && !(w->c->only_in & open));
}

/* Unit, function and session; false when they already say no. */
static bool
rule_fits(const struct why *w, const struct rule *r)
{
	const struct cond *c = cond_missed(r, w->f);
	char buf[128];

	if (!r->enabled)
		rule_line(w, r, "is not enabled");
	else if (rule_closed(w, r) && !w->permitted)
		rule_line(w, r, "is closed: only-in \"%s\"",
		    policy_window_name(
			w->p, (uint32_t)__builtin_ctzll(r->only_in ? r->only_in : w->c->only_in)));
	else if (!ivals_has(&r->units, w->f->unit))
		rule_line(w, r, "unit %u is not among its units", w->f->unit);
	else if (!rule_has_op(r, w->f->opx))
		rule_line(w, r, "%s (code %u) is not among its functions", w->f->op, w->f->code);
	else if (c)
		rule_line(w, r, "its %s is not met: that %s", c->key->name,
		    prop_text(c->key, w->f->props, buf, sizeof(buf)));
	else
		return true;
	return false;
}

/* Which part of a named thing ("attributes Value"). */
static const char *
sub_text(const struct why *w, const struct fact_item *it, char *buf, size_t size)
{
	for (unsigned i = 0; i < w->sc->n_keys; i++) {
		const struct dis_key *k = &w->sc->keys[i];
		uint32_t n = 0;

		if (k->kind != KEY_SUB || k->space != it->space)
			continue;
		while (k->words && k->words[n] && n < it->sub)
			n++;
		if (k->words && k->words[n] && n == it->sub && k->words[n][0])
			snprintf(buf, size, "%s %s", k->name, k->words[n]);
		else
			snprintf(buf, size, "%s %u", k->name, it->sub);
		return buf;
	}
	return "it";
}

static void
rule_item(const struct why *w, const struct rule *r, const struct fact_item *it)
{
	const char *reason;
	uint32_t miss, hits;
	char buf[64], past[300], asks[300];

	if (!rule_fits(w, r))
		return;
	if (schema_has(w->sc, KEY_PATTERN, it->space)) {
		const struct ivals *subs = &r->subs[slot_of(it->space, it->access)];

		if (subs->n != 0 && !ivals_has(subs, it->sub)) {
			rule_line(w, r, "does not hold for %s", sub_text(w, it, buf, sizeof(buf)));
			return;
		}
		rule_line(w, r, r->everything || names_hit(r, slot_of(it->space, it->access), it) ? "matches" : "no pattern of it matches \"%.*s\"",
		    (int)(it->name_len < 120 ? it->name_len : 120), it->name ? it->name : "");
		return;
	}
	hits = item_hits(w, r, it, &miss, &reason, past, sizeof(past));
	if (!why_whens(w->sc, r, w->f, w->st, asks, sizeof(asks)))
		rule_line(w, r, "%s", asks);
	else if (!reason)
		rule_line(w, r, "matches%s%s%s", asks[0] ? " (" : "", asks, asks[0] ? ")" : "");
	else if (reason == past)
		rule_line(w, r, "%s%s", hits ? "matches some, but " : "", reason);
	else
		rule_line(w, r, "%s%s %s", hits ? "matches some, but " : "",
		    show_at(w, it, miss, buf, sizeof(buf)), reason);
}

static void
rule_itemless(const struct why *w, const struct rule *r)
{
	char asks[300];

	if (r->deny && !r->everything)
		rule_line(w, r, "denies addresses, and the request names none");
	else if (!why_whens(w->sc, r, w->f, w->st, asks, sizeof(asks)))
		rule_line(w, r, "%s", asks);
	else
		rule_line(w, r, "matches%s%s%s", asks[0] ? " (" : "", asks, asks[0] ? ")" : "");
}

static void
each_rule(const struct why *w, const struct fact_item *it)
{
	for (uint32_t i = 0; i < w->b->deny.n + w->b->allow.n; i++) {
		const struct rule *r =
		    i < w->b->deny.n ? w->b->deny.v[i] : w->b->allow.v[i - w->b->deny.n];

		if (it)
			rule_item(w, r, it);
		else if (rule_fits(w, r))
			rule_itemless(w, r);
	}
}

static void
items(const struct why *w)
{
	struct fact_iter iter = {0};
	struct fact_item it;
	char text[128], name[128];
	uint32_t n = 0;

	while (fact_next(w->f, &iter, &it)) {
		if (it.count == 0)
			continue;
		if (it.space >= w->sc->n_spaces) {
			fprintf(w->to, "   item in an unknown address space\n");
			continue;
		}
		if (++n > WHY_ITEMS)
			continue;
		if (schema_has(w->sc, KEY_PATTERN, it.space) && !it.name)
			fprintf(w->to, "   item %u: %s %s whose name is not known", n,
			    fact_access_name(it.access), w->sc->spaces[it.space].name);
		else if (it.name)
			fprintf(w->to, "   item %u: %s %s \"%.*s\"", n, fact_access_name(it.access),
			    w->sc->spaces[it.space].name,
			    (int)(it.name_len < 120 ? it.name_len : 120), it.name);
		else
			fprintf(w->to, "   item %u: %s %s", n, fact_access_name(it.access),
			    dissector_show_item(w->sc, &it, text, sizeof(text)));
		if (policy_object_name(w->p, w->server, w->f->proto, &it, name, sizeof(name)))
			fprintf(w->to, " (%s)", name);
		fputc('\n', w->to);
		each_rule(w, &it);
	}
	if (n == 0) {
		fprintf(w->to, "   touches no addresses: unit and function decide\n");
		each_rule(w, NULL);
	} else if (n > WHY_ITEMS) {
		fprintf(w->to, "   and %u more items\n", n - WHY_ITEMS);
	}
}

/* --- what the block asks -------------------------------------------------------------------- */

static void
block_asks(const struct why *w)
{
	const struct fact_props *x = w->f->props;
	char buf[128];

	for (uint32_t i = 0; i < w->b->floor.n; i++) {
		const struct cond *c = &w->b->floor.v[i];
		bool met = cond_holds(c, x, false, w->b->learn_once && x && x->midstream);

		fprintf(w->to, "   %s %s:%u:%u: %s %s: %s\n", c->key->map,
		    rules_file(w->p->rs, &c->place), c->place.line, c->place.col, c->key->name,
		    prop_text(c->key, x, buf, sizeof(buf)),
		    met ? "met" : "below what is asked of every request");
	}
}

static void
block_limits(const struct why *w)
{
	const struct fact_props *x = w->f->props;

	for (uint32_t i = 0; i < w->b->limits.n; i++) {
		const struct maximum *m = &w->b->limits.v[i];

		if (x && x->known >> m->key->prop & 1 && x->num[m->key->prop] > m->max)
			fprintf(w->to, "   limit %s:%u:%u: %s is %u, at most %u: %s\n",
			    rules_file(w->p->rs, &m->place), m->place.line, m->place.col,
			    m->key->name, x->num[m->key->prop], m->max,
			    verdict_action_name(w->b->over));
	}
}

/* --- the whole path -------------------------------------------------------------------------- */

static void
verdict_line(const struct policy *p, const struct verdict *v, FILE *to)
{
	struct policy_rule_info info;

	fprintf(to, "verdict: %s (%s", verdict_action_name(v->action), policy_reason_name(v->reason));
	if (v->reason == REASON_CONDITION)
		fprintf(to, " %s", policy_cond_name((uint8_t)v->rule));
	else if ((v->reason == REASON_SECURITY || v->reason == REASON_LIMIT) && v->rule != RULE_NONE)
		fprintf(to, " %s", policy_key_name(v->rule));
	else if (v->reason == REASON_WINDOW)
		fprintf(to, " \"%s\"", policy_window_name(p, v->rule));
	else if (policy_rule_info(p, v->rule, &info) == 0)
		fprintf(to, " \"%s/%s\", %s:%u:%u", info.conduit, info.name, info.file, info.line,
		    info.col);
	fprintf(to, ")");
	if (v->would != v->action)
		fprintf(to, "; mode enforce would %s", verdict_action_name(v->would));
	fputc('\n', to);
}

static const struct block *
block_of(const struct conduit *c, uint8_t proto)
{
	for (uint32_t i = 0; i < c->n_blocks; i++)
		if (c->blocks[i].proto == proto)
			return &c->blocks[i];
	return NULL;
}

void
policy_why(const struct policy *p, const struct net_tuple *t, const struct fact *f,
    const struct policy_state *st, FILE *to)
{
	policy_why_in(p, t, f, NULL, st, to);
}

void
policy_why_in(const struct policy *p, const struct net_tuple *t, const struct fact *f,
    const struct policy_clock *clock, const struct policy_state *st, FILE *to)
{
	struct net_tuple open = f->dir == DIR_TO_CLIENT ? net_tuple_reverse(t) : *t;
	struct why w = {.p = p, .f = f, .st = st, .clock = clock, .server = &open.dst, .to = to};
	struct policy_bind bind;
	struct verdict v = policy_bind_in(p, &open, clock, &bind);

	addr_line(p, to, "from", &open.src, open.sport);
	addr_line(p, to, "to", &open.dst, open.dport);
	if (bind.conduit == RULE_NONE) {
		fprintf(to, "conduit: none is written for this pair: default deny\n");
		verdict_line(p, &v, to);
		return;
	}
	w.c = &p->rs->conduits[bind.conduit];
	fprintf(to, "conduit: \"%s\" (%s:%u:%u)\n", w.c->name, rules_file(p->rs, &w.c->place),
	    w.c->place.line, w.c->place.col);
	if (v.reason == REASON_PLACE || v.reason == REASON_L2)
		fprintf(to, "   the connection: %s, since an end speaks from %s\n",
		    verdict_action_name(v.would),
		    v.reason == REASON_L2 ? "another MAC than declared"
					  : "another port or VLAN than its zone's");
	if (w.c->only_in)
		windows_line(&w, w.c->only_in, "");
	w.b = block_of(w.c, f->proto);
	v = policy_eval_in(p, &bind, f, clock, &open, st);
	w.permitted = v.permit != 0;
	permit_lines(&w, &open, &v);
	if (!w.b || v.reason == REASON_PORT) {
		fprintf(to, "   %s port %u is not served by it for this protocol\n",
		    open.proto == NET_PROTO_UDP ? "UDP" : "TCP", open.dport);
	} else if (f->kind == FACT_REQUEST || f->kind == FACT_OTHER) {
		w.sc = w.b->dis->schema;
		fprintf(to, "%s: %s (code %u)", w.b->dis->name, f->op, f->code);
		if (schema_has(w.sc, KEY_UNIT, SPACE_NONE))
			fprintf(to, ", unit %u", f->unit);
		fputc('\n', to);
		block_asks(&w);
		block_limits(&w);
		items(&w);
		if (v.reason == REASON_OTHERWISE || v.reason == REASON_WINDOW)
			fprintf(to, "   no rule allows all of it: otherwise %s\n",
			    verdict_action_name(w.c->otherwise));
	} else {
		w.sc = w.b->dis->schema;
		fprintf(to, "%s: %s, judged by the request it answers\n", w.b->dis->name,
		    fact_kind_name(f->kind));
		block_limits(&w);
	}
	verdict_line(p, &v, to);
}
