/* SPDX-License-Identifier: Apache-2.0 */
/* naive.c - see naive.h; the meaning is docs/POLICY.md. */
#include "tests/model/naive.h"

#include <assert.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
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

/* How narrowly an end fits an address: 4 device, 3 group, 2 zone, 1 zone/star, 0 not. */
static int
end_fits(const struct ruleset *rs, const struct endpoint *e, const struct net_addr *a)
{
	for (uint32_t d = 0; d < rs->n_devices; d++)
		if (memcmp(rs->devices[d].ip.b, a->b, 16) == 0) {
			if (e->kind == END_DEVICE)
				return e->index == d ? (e->group ? 3 : 4) : 0;
			return e->index == rs->devices[d].zone ? (e->kind == END_ZONE ? 2 : 1) : 0;
		}
	return e->kind == END_ANY && (int)e->index == zone_holding(rs, a) ? 1 : 0;
}

static bool
in_group(const struct device_group *g, uint32_t device)
{
	for (uint32_t i = 0; i < g->n; i++)
		if (g->devices[i] == device)
			return true;
	return false;
}

/* Of two ends that fit the same address: is a not wider than b? */
static bool
not_wider(const struct ruleset *rs, const struct endpoint *a, int a_fit, const struct endpoint *b,
    int b_fit)
{
	if (a_fit != b_fit || a_fit != 3)
		return a_fit >= b_fit;
	for (uint32_t d = 0; d < rs->n_devices; d++)
		if (in_group(&rs->groups.v[a->group - 1], d) &&
		    !in_group(&rs->groups.v[b->group - 1], d))
			return false;
	return true;
}

struct written {
	const struct conduit *c;
	const struct endpoint *from, *to;
	int from_fit, to_fit;
};

static bool
no_wider(const struct ruleset *rs, const struct written *a, const struct written *b)
{
	return not_wider(rs, a->from, a->from_fit, b->from, b->from_fit) &&
	       not_wider(rs, a->to, a->to_fit, b->to, b->to_fit);
}

/* Every way the policy writes the pair, one after the other: the narrowest stays. */
static const struct conduit *
most_specific(const struct ruleset *rs, const struct net_tuple *t)
{
	struct written best = {0}, w;

	for (uint32_t i = 0; i < rs->n_conduits; i++)
		for (uint32_t f = 0; f < rs->conduits[i].from.n; f++)
			for (uint32_t to = 0; to < rs->conduits[i].to.n; to++) {
				w = (struct written){.c = &rs->conduits[i],
				    .from = &rs->conduits[i].from.v[f],
				    .to = &rs->conduits[i].to.v[to]};
				w.from_fit = end_fits(rs, w.from, &t->src);
				w.to_fit = end_fits(rs, w.to, &t->dst);
				if (w.from_fit == 0 || w.to_fit == 0)
					continue;
				if (!best.c ||
				    (no_wider(rs, &w, &best) && !no_wider(rs, &best, &w)))
					best = w;
			}
	return best.c;
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

static size_t
re_put(char *to, const char *s)
{
	memcpy(to, s, strlen(s) + 1);
	return strlen(s);
}

/* "re:...", by the C library. */
static bool
naive_re(const char *re, const char *s, size_t n)
{
	static struct {
		char text[GLOB_LEN_MAX + 1];
		regex_t re;
		bool used;
	} kept[32];
	static unsigned at;
	regmatch_t where = {0, (regoff_t)n};
	char ere[8 * GLOB_LEN_MAX], *out = ere;
	unsigned i = 0;

	while (i < 32 && (!kept[i].used || strcmp(kept[i].text, re) != 0))
		i++;
	if (i == 32) {
		i = at++ % 32;
		if (kept[i].used)
			regfree(&kept[i].re);
		out += re_put(out, "^(");
		for (const char *p = re + 3; *p; p++) {
			if (p[0] == '(' && p[1] == '?' && p[2] == ':')
				out += re_put(out, "("), p += 2;
			else if (p[0] == '\\' && p[1] == 'd')
				out += re_put(out, "[0-9]"), p++;
			else if (p[0] == '\\' && p[1] == 'W')
				out += re_put(out, "[^0-9A-Za-z_]"), p++;
			else
				*out++ = *p;
		}
		re_put(out, ")$");
		assert(regcomp(&kept[i].re, ere, REG_EXTENDED | REG_NOSUB) == 0);
		snprintf(kept[i].text, sizeof(kept[i].text), "%s", re);
		kept[i].used = true;
	}
	return regexec(&kept[i].re, s, 1, &where, REG_STARTEND) == 0;
}

static bool
naive_pattern(const char *g, const char *s, size_t n)
{
	return strncmp(g, "re:", 3) == 0 ? naive_re(g, s, n) : naive_glob(g, s, n);
}

static bool
rect_holds(const struct dis_range *r, uint32_t sub, uint64_t addr)
{
	return r->sub <= sub && sub <= r->sub_last && r->first <= addr && addr <= r->last;
}

/* A pattern against an item: "nsu=URI;REST" looks at the URI and at what follows "ns=N;". */
static bool
pattern_fits(const char *g, const struct fact_item *it, bool deny)
{
	static const char zero[] = "http://opcfoundation.org/UA/";
	const char *uri = it->uri, *rest = it->name, *semi;
	size_t uri_len = it->uri ? it->uri_len : 0, n = it->name_len, digits = 0;

	if (!it->name)
		return deny || strcmp(g, "*") == 0;
	if (strncmp(g, "nsu=", 4) != 0)
		return naive_pattern(g, it->name, n);
	semi = strchr(g, ';');
	while (n > 3 + digits && memcmp(rest, "ns=", 3) == 0 && rest[3 + digits] >= '0' &&
	    rest[3 + digits] <= '9')
		digits++;
	if (digits > 0 && n > 3 + digits && rest[3 + digits] == ';') {
		rest += 4 + digits;
		n -= 4 + digits;
	} else if (!uri) {
		uri = zero;
		uri_len = strlen(zero);
	}
	if (!naive_pattern(semi + 1, rest, n))
		return false;
	if (!uri)
		return deny;
	return uri_len == (size_t)(semi - g) - 4 && memcmp(uri, g + 4, uri_len) == 0;
}

/* --- what is written ---------------------------------------------------------------------------- */

/* Bit from (0: the highest) of the value that starts at an address. */
static unsigned
wire_bit(const struct fact_item *it, uint64_t start, unsigned unit, unsigned from)
{
	uint64_t at = (start - it->first) * unit + from;

	if (it->enc == ENC_BIT_LSB) /* eight addresses make a byte, the lowest bit first */
		at = start - it->first + from / 8 * 8 + (7 - from % 8);
	return it->vals[at / 8] >> (it->enc == ENC_BIT_LSB ? at % 8 : 7 - at % 8) & 1;
}

enum met { MET_NO, MET_YES, MET_UNKNOWN };

struct naive_seen naive_seen;

static struct { /* what naive_judge() was asked */
	const struct past *past;
	const struct net_tuple *t;
	const struct fact *f;
} asked;

/* The value that so many bits are, the highest first, as a number that sorts as values do. */
static bool
key_of(const struct value_shape *s, const bool bit[64], uint64_t *key)
{
	uint64_t raw = 0;
	double d;
	float f;

	for (unsigned b = 0; b < s->bits; b++)
		raw = raw << 1 | bit[s->low_word_first ? s->bits - 16 - b / 16 * 16 + b % 16 : b];
	*key = raw;
	if (s->kind == VALUE_SIGNED) {
		if (s->bits < 64 && raw >> (s->bits - 1) & 1)
			raw |= ~UINT64_C(0) << s->bits;
		*key = raw + VALUE_SIGN;
	} else if (s->kind == VALUE_REAL) {
		if (s->bits == 32) {
			uint32_t low = (uint32_t)raw;

			memcpy(&f, &low, 4);
			d = (double)f;
		} else {
			memcpy(&d, &raw, 8);
		}
		if (d != d)
			return false;
		d = d == 0 ? 0 : d;
		memcpy(&raw, &d, 8);
		*key = raw >> 63 ? ~raw : raw + VALUE_SIGN;
	}
	return true;
}

/* The last value of a place, not older than within. */
static bool
last_key(uint32_t unit, uint8_t space, uint32_t sub, uint32_t first, const struct value_shape *s,
    uint64_t within, uint64_t *key, uint64_t *written_ns)
{
	struct past_value v;

	if (!asked.past ||
	    !past_last(asked.past, &asked.t->dst, unit, asked.f->proto, space, sub, first, s->cell,
		s->bits, &v) ||
	    asked.past->now_ns - v.known_ns > within) {
		naive_seen.unknown++;
		return false;
	}
	naive_seen.known++;
	*written_ns = v.written_ns;
	return key_of(s, v.bit, key);
}

static double
real_of(uint64_t key)
{
	uint64_t raw = key >= VALUE_SIGN ? key - VALUE_SIGN : ~key;
	double d;

	memcpy(&d, &raw, 8);
	return d;
}

/* Is it near enough to the last value? */
static enum met
change_met(const struct limit *l, const struct fact_item *it, uint64_t start, uint64_t key)
{
	uint64_t last, written_ns, most = l->change.most, time = l->change.per_ns;
	double by, most_real;

	if (!l->changes)
		return MET_YES;
	if (!last_key(asked.f->unit, it->space, it->sub, (uint32_t)start, &l->shape,
		l->change.within, &last, &written_ns))
		return MET_UNKNOWN;
	naive_seen.changes++;
	if (time != 0 && written_ns != 0 && asked.past->now_ns - written_ns < time)
		time = asked.past->now_ns - written_ns;
	if (l->shape.kind == VALUE_REAL) {
		memcpy(&most_real, &l->change.most, 8);
		if (l->change.per_ns != 0)
			most_real = most_real * (double)time / (double)l->change.per_ns;
		by = real_of(key) - real_of(last);
		return (by < 0 ? -by : by) <= most_real ? MET_YES : MET_NO;
	}
	if (l->change.per_ns != 0) /* most * time / per, rounded down */
		most = (uint64_t)((__uint128_t)most * time / l->change.per_ns);
	return (key < last ? last - key : key - last) <= most ? MET_YES : MET_NO;
}

static bool
in_spans(const struct limit *l, uint64_t key)
{
	for (uint32_t j = 0; j < l->set.n; j++)
		if (l->set.v[j].lo <= key && key <= l->set.v[j].hi)
			return l->step == 0 || (key - l->base) % l->step == 0;
	return false;
}

/* The limit of the rule on the value that the address is a part of. */
static enum met
limit_met(const struct limit *l, const struct fact_item *it, uint64_t addr)
{
	uint64_t start = l->shape.first, raw = 0, key;
	unsigned bits = l->shape.bits, unit;
	double d;
	float f;

	if (it->masked || !it->vals)
		return MET_UNKNOWN;
	while (start + l->shape.cell <= addr)
		start += l->shape.cell;
	if (l->shape.cell == 1) {
		raw = fact_value(it, (uint32_t)(addr - it->first));
	} else {
		if (start < it->first || start + l->shape.cell > (uint64_t)it->first + it->count)
			return MET_UNKNOWN;
		unit = it->enc == ENC_U16_BE ? 16 : it->enc == ENC_U8 ? 8 : it->enc == ENC_BIT_LSB ? 1 : 0;
		if (unit * l->shape.cell != bits)
			return MET_UNKNOWN;
		for (unsigned b = 0; b < bits; b++) {
			unsigned from = l->shape.low_word_first ? bits - 16 - b / 16 * 16 + b % 16 : b;

			raw = raw << 1 | wire_bit(it, start, unit, from);
		}
	}
	if (l->shape.kind == VALUE_UNSIGNED) {
		key = raw;
	} else if (l->shape.kind == VALUE_SIGNED) {
		if (bits < 64 && raw >> (bits - 1) & 1)
			raw |= ~UINT64_C(0) << bits;
		key = raw + VALUE_SIGN; /* -2^63 is the smallest */
	} else {
		if (bits == 32) {
			uint32_t low = (uint32_t)raw;

			memcpy(&f, &low, 4);
			d = (double)f;
		} else {
			memcpy(&d, &raw, 8);
		}
		if (d != d)
			return MET_UNKNOWN;
		if (d == 0)
			d = 0;
		memcpy(&raw, &d, 8);
		key = raw >> 63 ? ~raw : raw + VALUE_SIGN;
	}
	if (!in_spans(l, key))
		return MET_NO;
	return change_met(l, it, start, key);
}

/* The interlocks of a rule. */
static bool
whens_met(const struct rule *r, const struct fact *f)
{
	for (uint32_t i = 0; i < r->whens.n; i++) {
		const struct when *w = &r->whens.v[i];
		uint64_t key, written_ns;

		if (!last_key(w->unit_said ? w->unit : f->unit, w->is.at.space, w->is.at.sub,
			w->is.at.first, &w->is.shape, w->within, &key, &written_ns)) {
			if (!r->deny)
				return false;
		} else if (!in_spans(&w->is, key)) {
			return false;
		}
	}
	naive_seen.met += r->whens.n != 0 && !r->deny;
	return true;
}

/* Element of an item (its address) against a rule that asks for the fact. */
static bool
element_matches(const struct dis_schema *sc, const struct rule *r, const struct fact_item *it,
    uint64_t addr)
{
	bool write = (it->access & ACC_WRITE) != 0, named = false, reached = r->everything;
	unsigned slot = it->space * 2u + write;

	for (unsigned k = 0; k < sc->n_keys; k++)
		if (sc->keys[k].kind == KEY_PATTERN && sc->keys[k].space == it->space)
			named = true;
	if (named) {
		bool sub = r->subs[slot].n == 0;

		for (uint32_t i = 0; i < r->names[slot].n; i++)
			if (pattern_fits(r->names[slot].v[i], it, r->deny))
				reached = true;
		for (uint32_t i = 0; i < r->subs[slot].n; i++)
			if (r->subs[slot].v[i].lo <= it->sub && it->sub <= r->subs[slot].v[i].hi)
				sub = true;
		return reached && sub;
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
		enum met met;

		if (!rect_holds(&l->at, it->sub, addr))
			continue;
		met = limit_met(l, it, addr);
		return met == MET_UNKNOWN ? r->deny : met == MET_YES;
	}
	return true;
}

/* --- properties ---------------------------------------------------------------------------------- */

/* What a key asks of a property; in_doubt: the answer when it is not known. */
static bool
property_fits(const struct cond *c, const struct fact_props *x, bool deny, bool in_doubt)
{
	bool text = c->key->kind == KEY_TEXT, fits = false;
	uint32_t bit = 1u << (c->key->prop + (text ? 16 : 0));

	if (x && x->na & bit)
		return !deny;
	if (!x || !(x->known & bit))
		return in_doubt;
	for (uint32_t i = 0; i < c->globs.n; i++)
		if (naive_pattern(c->globs.v[i], x->text[c->key->prop].p, x->text[c->key->prop].n))
			fits = true;
	for (uint32_t i = 0; i < c->set.n; i++)
		if (c->set.v[i].lo <= x->num[c->key->prop] && x->num[c->key->prop] <= c->set.v[i].hi)
			fits = true;
	return fits;
}

static bool
rule_asks(const struct rule *r, const struct fact *f)
{
	if (!r->enabled || !(r->ops[f->opx / 64] >> (f->opx % 64) & 1) || !whens_met(r, f))
		return false;
	for (uint32_t i = 0; i < r->conds.n; i++)
		if (!property_fits(&r->conds.v[i], f->props, r->deny, r->deny))
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

/* Is one of these windows open?  None named: at any time. */
static bool
in_window(uint64_t only_in, uint64_t open)
{
	bool any = only_in == 0;

	for (unsigned w = 0; w < 64; w++)
		if (only_in >> w & 1 && open >> w & 1)
			any = true;
	return any;
}

/* One element (it NULL: a fact that touches nothing) through all rules in order. */
static struct verdict
judge_element(const struct conduit *c, const struct block *b, const struct fact *f, uint64_t open,
    const struct fact_item *it, uint64_t addr)
{
	struct worst w = {0};

	for (uint32_t i = 0; i < b->deny.n; i++) {
		const struct rule *r = b->deny.v[i];
		uint8_t mode = r->mode == MODE_UNSET ? c->mode : r->mode;

		if (!rule_asks(r, f) || !in_window(r->only_in, open))
			continue;
		if (it ? !element_matches(b->dis->schema, r, it, addr) : !r->everything || r->subs_stated)
			continue;
		worst_add(&w, verdict_in(mode, r->verdict, REASON_RULE, r->index, c->index));
		if (mode == MODE_ENFORCE)
			return worst_get(&w);
	}
	for (uint32_t i = 0; i < b->allow.n; i++) {
		const struct rule *r = b->allow.v[i];

		if (!in_window(c->only_in, open) || !in_window(r->only_in, open))
			continue;
		if (!rule_asks(r, f) || (it && !element_matches(b->dis->schema, r, it, addr)))
			continue;
		worst_add(&w, verdict_in(r->mode == MODE_UNSET ? c->mode : r->mode, r->verdict,
		    REASON_RULE, r->index, c->index));
		return worst_get(&w);
	}
	worst_add(&w, verdict_in(c->mode, c->otherwise, REASON_OTHERWISE, RULE_NONE, c->index));
	return worst_get(&w);
}

static void
judge_item(const struct conduit *c, const struct block *b, const struct fact *f, uint64_t open,
    const struct fact_item *it, struct worst *w)
{
	for (uint32_t i = 0; i < it->count; i++) {
		if (it->space >= b->dis->schema->n_spaces || (uint64_t)it->first + i > UINT32_MAX)
			worst_add(w, verdict_in(c->mode, c->otherwise, REASON_OTHERWISE, RULE_NONE,
			    c->index));
		else
			worst_add(w, judge_element(c, b, f, open, it, (uint64_t)it->first + i));
	}
}

static struct verdict
by_rules(const struct ruleset *rs, const struct conduit *c, const struct block *b,
    const struct fact *f, uint64_t open)
{
	struct worst w = {0};
	struct fact_iter iter = {0};
	struct fact_item it;
	struct verdict v;
	uint8_t cond = c->cond[COND_ENCRYPTED];

	(void)rs;
	if (f->opx >= b->dis->schema->n_opx)
		return verdict_in(c->mode, c->otherwise, REASON_OTHERWISE, RULE_NONE, c->index);
	while (fact_next(f, &iter, &it))
		judge_item(c, b, f, open, &it, &w);
	v = w.any ? worst_get(&w) : judge_element(c, b, f, open, NULL, 0);
	if (!(f->anomalies & FACT_A_ENCRYPTED))
		return v;
	if (b->endpoint_only && v.reason == REASON_OTHERWISE && in_window(c->only_in, open))
		return verdict_in(c->mode, VERDICT_ALLOW, REASON_SECURITY, RULE_NONE, c->index);
	if (b->encrypted != BLOCK_UNSAID)
		cond = b->encrypted;
	memset(&w, 0, sizeof(w));
	worst_add(&w, v);
	worst_add(&w, verdict_in(c->mode, cond, REASON_CONDITION, COND_ENCRYPTED, c->index));
	return w.v;
}

/*
 * The same, and why: what nothing allows, and an allow rule (or nobody, endpoint-only) would have let
 * pass were all windows open, is outside a window: its conduit's, the rule's, or the first that is
 * closed of the block's rules.
 */
static struct verdict
by_rules_now(const struct ruleset *rs, const struct conduit *c, const struct block *b,
    const struct fact *f, uint64_t open)
{
	struct verdict v = by_rules(rs, c, b, f, open), all = by_rules(rs, c, b, f, ~UINT64_C(0));
	uint64_t closed = 0;

	if (v.reason != REASON_OTHERWISE)
		return v;
	if (all.reason == REASON_RULE ? rs->rules[all.rule]->deny : all.reason != REASON_SECURITY)
		return v;
	if (!in_window(c->only_in, open))
		closed = c->only_in;
	else if (all.reason == REASON_RULE && !in_window(rs->rules[all.rule]->only_in, open))
		closed = rs->rules[all.rule]->only_in;
	for (uint32_t i = 0; closed == 0 && i < b->deny.n + b->allow.n; i++) {
		const struct rule *r = i < b->deny.n ? b->deny.v[i] : b->allow.v[i - b->deny.n];

		if (r->enabled && !in_window(r->only_in, open))
			closed = r->only_in;
	}
	if (closed == 0)
		return v;
	v.reason = REASON_WINDOW;
	for (v.rule = 0; !(closed >> v.rule & 1); v.rule++)
		;
	return v;
}

static uint32_t
key_number(const struct block *b, const struct dis_key *key)
{
	return b->proto * 65536u + (uint32_t)(key - b->dis->schema->keys);
}

static void
by_limits(const struct conduit *c, const struct block *b, const struct fact *f, struct worst *w)
{
	for (uint32_t i = 0; i < b->limits.n; i++) {
		const struct maximum *m = &b->limits.v[i];

		if (f->props && f->props->known >> m->key->prop & 1 &&
		    f->props->num[m->key->prop] > m->max)
			worst_add(w, verdict_in(c->mode, b->over, REASON_LIMIT,
			    key_number(b, m->key), c->index));
	}
}

/* The first key of the block's floor that a request misses. */
static void
by_floor(const struct conduit *c, const struct block *b, const struct fact *f, struct worst *w)
{
	for (uint32_t i = 0; i < b->floor.n; i++) {
		const struct cond *ask = &b->floor.v[i];

		if (property_fits(ask, f->props, false, b->learn_once && f->props && f->props->midstream))
			continue;
		worst_add(w, verdict_in(c->mode,
		    c->otherwise == VERDICT_ALERT ? VERDICT_DROP : c->otherwise, REASON_SECURITY,
		    key_number(b, ask->key), c->index));
		return;
	}
}

/* Words that an answer offers and the floor does not name. */
static void
by_offers(const struct conduit *c, const struct block *b, const struct fact *f, struct worst *w)
{
	for (uint32_t i = 0; i < b->floor.n; i++) {
		const struct cond *ask = &b->floor.v[i];

		if (ask->key->offer == 0 || !f->props || !(f->props->known >> (ask->key->offer - 1) & 1))
			continue;
		for (uint32_t word = 0; word < 32; word++) {
			bool named = false;

			for (uint32_t j = 0; j < ask->set.n; j++)
				if (ask->set.v[j].lo <= word && word <= ask->set.v[j].hi)
					named = true;
			if (f->props->num[ask->key->offer - 1] >> word & 1 && !named)
				worst_add(w, verdict_in(c->mode, VERDICT_ALERT, REASON_SECURITY,
				    key_number(b, ask->key), c->index));
		}
	}
}

struct verdict
naive_judge(const struct ruleset *rs, const struct net_tuple *t, const struct fact *f,
    const struct past *past, uint64_t open)
{
	const struct conduit *c = most_specific(rs, t);
	const struct block *b;
	struct worst w = {0};

	asked.past = past;
	asked.t = t;
	asked.f = f;
	if (!c)
		return verdict_in(rs->mode, VERDICT_DROP, REASON_NO_CONDUIT, RULE_NONE, RULE_NONE);
	b = block_for(c, t, f->proto);
	if (!b)
		return verdict_in(c->mode, c->otherwise, REASON_PORT, RULE_NONE, c->index);
	if (f->kind == FACT_RESPONSE || f->kind == FACT_EXCEPTION) {
		if (f->anomalies & FACT_A_UNSOLICITED)
			return verdict_in(c->mode, c->cond[COND_UNSOLICITED], REASON_CONDITION,
			    COND_UNSOLICITED, c->index);
		by_offers(c, b, f, &w);
		by_limits(c, b, f, &w);
		worst_add(&w, verdict_in(c->mode, VERDICT_ALLOW, REASON_RESPONSE, RULE_NONE, c->index));
		return worst_get(&w);
	}
	by_floor(c, b, f, &w);
	by_limits(c, b, f, &w);
	worst_add(&w, by_rules_now(rs, c, b, f, open));
	return worst_get(&w);
}

/* --- how many requests ----------------------------------------------------------------------------- */

bool
naive_over_rate(const struct ruleset *rs, const struct net_tuple *t, const struct fact *f,
    struct naive_bucket *bucket, uint64_t now_ns)
{
	const struct conduit *c = most_specific(rs, t);
	const struct block *b = c ? block_for(c, t, f->proto) : NULL;
	uint64_t second = 1000000000, cell;

	if (!b || b->rate == 0 || f->kind != FACT_REQUEST)
		return false;
	cell = second / b->rate;
	/* it leaks a nanosecond's worth in a nanosecond */
	if (now_ns - bucket->at_ns >= bucket->full_ns)
		bucket->full_ns = 0;
	else
		bucket->full_ns -= now_ns - bucket->at_ns;
	bucket->at_ns = now_ns;
	if (bucket->full_ns + cell > second)
		return true;
	bucket->full_ns += cell;
	return false;
}

struct verdict
naive_above(const struct ruleset *rs, const struct net_tuple *t, const struct fact *f,
    struct verdict v, uint32_t key)
{
	const struct conduit *c = most_specific(rs, t);
	const struct block *b = block_for(c, t, f->proto);
	struct worst w = {0};

	worst_add(
	    &w, verdict_in(c->mode, b->over, REASON_LIMIT, b->proto * 65536u + key, c->index));
	worst_add(&w, v);
	return worst_get(&w);
}

/* --- how long it takes to answer --- */

uint64_t
naive_patience(const struct ruleset *rs, const struct net_tuple *t, const struct fact *f)
{
	const struct conduit *c = most_specific(rs, t);
	const struct block *b = c ? block_for(c, t, f->proto) : NULL;

	return b ? b->timeout_ns : 0;
}

/* It was told when its time was up; what is left is what `over:` does about it. */
struct verdict
naive_late(const struct ruleset *rs, const struct net_tuple *t, const struct fact *f,
    struct verdict v, uint32_t key)
{
	const struct conduit *c = most_specific(rs, t);
	const struct block *b = block_for(c, t, f->proto);
	uint8_t over = b->over == VERDICT_REJECT ? VERDICT_RESET : b->over;
	struct worst w = {0};

	if (over < VERDICT_REJECT)
		return v;
	worst_add(&w, verdict_in(c->mode, over, REASON_LIMIT, b->proto * 65536u + key, c->index));
	worst_add(&w, v);
	return worst_get(&w);
}

/* --- opening, and what is below ------------------------------------------------------------------ */

/* Is the address on this side (0 outside, 1 inside), as far as anybody said or can see? */
static bool
side_right(const struct ruleset *rs, const struct net_addr *a, uint8_t port, unsigned side)
{
	int z = zone_holding(rs, a);

	if (z < 0 || !(port & NET_PORT_TWO))
		return true;
	return rs->zones[z].port != (side == 0 ? ZONE_INSIDE : ZONE_OUTSIDE);
}

/* Is the tag one of the two zones', when they have any? */
static bool
tag_right(const struct ruleset *rs, const struct net_addr *a, const struct net_addr *b,
    const struct net_tuple *t)
{
	int za = zone_holding(rs, a), zb = b ? zone_holding(rs, b) : -1;
	unsigned va = za >= 0 ? rs->zones[za].vlan : 0, vb = zb >= 0 ? rs->zones[zb].vlan : 0;

	if (va == 0 && vb == 0)
		return true;
	if (t->vlan == 0) /* stripped, unless we saw the wire; then it must be one */
		return !(t->port & NET_PORT_TWO);
	return t->vlan == va || t->vlan == vb;
}

static bool
macs_right(const struct ruleset *rs, const struct net_addr *a, const uint8_t mac[6])
{
	for (uint32_t d = 0; d < rs->n_devices; d++)
		if (memcmp(rs->devices[d].ip.b, a->b, 16) == 0 && rs->devices[d].has_mac &&
		    memcmp(mac, "\0\0\0\0\0\0", 6) != 0)
			return memcmp(rs->devices[d].mac, mac, 6) == 0;
	return true;
}

struct verdict
naive_open(const struct ruleset *rs, const struct net_tuple *t, bool echo, uint64_t open)
{
	const struct conduit *c = most_specific(rs, t);
	struct verdict v[3];
	unsigned n = 0, worst = 0;
	bool served = false;
	const struct rule *port = NULL;

	if (!c)
		return verdict_in(rs->mode, VERDICT_DROP, REASON_NO_CONDUIT, RULE_NONE, RULE_NONE);
	for (uint32_t i = 0; i < c->n_blocks; i++)
		served = served || block_for(c, t, c->blocks[i].proto);
	if (echo)
		served = c->echo;
	for (uint32_t i = 0; !echo && !served && c->l4 && i < c->l4->allow.n && !port; i++)
		for (uint32_t j = 0; j < c->l4->allow.v[i]->ports.n; j++) {
			const struct port_span *s = &c->l4->allow.v[i]->ports.v[j];

			if (c->l4->allow.v[i]->enabled && s->lo <= t->dport && t->dport <= s->hi &&
			    (t->proto == NET_PROTO_TCP ? s->tcp
						       : t->proto == NET_PROTO_UDP && s->udp))
				port = c->l4->allow.v[i];
		}
	if (port)
		v[n++] = verdict_in(port->mode != MODE_UNSET ? port->mode : c->mode, port->verdict,
		    REASON_RULE, port->index, c->index);
	else
		v[n++] = served
			     ? verdict_in(c->mode, VERDICT_ALLOW, REASON_RULE, RULE_NONE, c->index)
			     : verdict_in(c->mode,
				   c->otherwise == VERDICT_REJECT ? VERDICT_DROP : c->otherwise,
				   REASON_PORT, RULE_NONE, c->index);
	if (!macs_right(rs, &t->src, t->smac) || !macs_right(rs, &t->dst, t->dmac))
		v[n++] = verdict_in(c->mode, rs->l2.mac, REASON_L2, RULE_NONE, c->index);
	if (!side_right(rs, &t->src, t->port, t->port & 1) ||
	    !side_right(rs, &t->dst, t->port, !(t->port & 1)) ||
	    !tag_right(rs, &t->src, &t->dst, t))
		v[n++] = verdict_in(c->mode, VERDICT_DROP, REASON_PLACE, RULE_NONE, c->index);
	for (unsigned i = 1; i < n; i++)
		if (v[i].would > v[worst].would)
			worst = i;
	if (!in_window(c->only_in, open) && v[worst].would < VERDICT_DROP &&
	    v[worst].reason != REASON_PORT) {
		v[worst] = verdict_in(c->mode,
		    c->otherwise == VERDICT_REJECT ? VERDICT_DROP : c->otherwise, REASON_WINDOW, 0,
		    c->index);
		while (!(c->only_in >> v[worst].rule & 1))
			v[worst].rule++;
	}
	return v[worst];
}

/* Who speaks: an address of nobody is a stranger, unless it is link-local. */
static bool
stranger(const struct ruleset *rs, const struct net_addr *a)
{
	if (!a || (a->b[0] == 0xfe && a->b[1] >= 0x80 && a->b[1] <= 0xbf))
		return false;
	for (uint32_t d = 0; d < rs->n_devices; d++)
		if (memcmp(rs->devices[d].ip.b, a->b, 16) == 0)
			return false;
	return true;
}

struct verdict
naive_neighbour(const struct ruleset *rs, const struct net_tuple *t, const uint8_t claimed[6])
{
	static const struct net_addr none4 = {{[10] = 0xff, [11] = 0xff}}, none6;
	const struct net_addr *says = &t->src, *wants = &t->dst, *whose;
	uint8_t would = VERDICT_ALLOW, reason = REASON_L2;

	if (memcmp(says, &none4, 16) == 0 || memcmp(says, &none6, 16) == 0)
		says = NULL;
	if (memcmp(wants, &none4, 16) == 0 || memcmp(wants, &none6, 16) == 0)
		wants = NULL;
	whose = says ? says : wants;
	if (rs->l2.arp == ARP_DROP)
		would = VERDICT_DROP;
	if (rs->l2.arp == ARP_BOUND && !whose)
		would = rs->l2.otherwise;
	if (rs->l2.arp != ARP_BOUND || !whose)
		return verdict_in(rs->mode, would, reason, RULE_NONE, RULE_NONE);
	if (stranger(rs, says) || stranger(rs, wants))
		would = rs->l2.otherwise;
	if ((memcmp(t->smac, "\0\0\0\0\0\0", 6) != 0 && memcmp(claimed, t->smac, 6) != 0) ||
	    !macs_right(rs, whose, claimed))
		would = rs->l2.mac > would ? rs->l2.mac : would;
	if (would < VERDICT_DROP && says &&
	    (!side_right(rs, says, t->port, t->port & 1) || !tag_right(rs, says, wants, t))) {
		would = VERDICT_DROP;
		reason = REASON_PLACE;
	}
	return verdict_in(rs->mode, would, reason, RULE_NONE, RULE_NONE);
}
