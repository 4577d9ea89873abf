/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval.c - judging one fact with the tables of table.h.  Once per PDU.
 *
 * policy_eval() itself answers the two common cases: a response to an open
 * request, and a request with one range that lies within one seg.  All else is
 * in functions of its own that are kept out of line.
 */
#include <string.h>

#include "policy/memory.h"
#include "policy/re.h"
#include "policy/table.h"
#include "policy/window.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define COLD	    __attribute__((noinline, cold))

static inline const struct tb_dir *
dir_at(const struct policy *p, uint32_t off)
{
	return (const struct tb_dir *)(p->w + off);
}

static inline const struct tb_seg *
seg_at(const struct policy *p, uint32_t off)
{
	return (const struct tb_seg *)(p->w + off);
}

static inline struct verdict
verdict_make(const struct policy *p, uint32_t conduit, uint32_t rule, uint32_t bits)
{
	return (struct verdict){.action = (uint8_t)bits, .would = (uint8_t)(bits >> 8),
	    .reason = (uint8_t)(bits >> 16), .mode = (uint8_t)(bits >> 24), .rule = rule,
	    .conduit = conduit, .generation = p->generation};
}

/* --- segs ------------------------------------------------------------------------------ */

static inline const struct tb_seg *
seg_paged(const struct policy *p, const struct tb_dir *d, uint32_t addr)
{
	return seg_at(p, d->segs) + tb_paged(p->w, d, addr >> d->shift);
}

static const struct tb_seg *
seg_find(const struct policy *p, const struct tb_dir *d, uint32_t addr)
{
	const struct tb_seg *segs = seg_at(p, d->segs);
	uint32_t lo = 0, hi = d->last, mid;

	if (d->type == TB_PAGED)
		return seg_paged(p, d, addr);
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (segs[mid].last < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return &segs[lo];
}

/* Class of a unit that has no byte in the block, or symbol of a property, or dir of a
 * far subdivision. */
static uint32_t
pairs_find(const uint32_t *pair, uint32_t n, uint32_t key)
{
	uint32_t lo = 0, hi = n - 1, mid;

	while (lo < hi) { /* the last pair whose first is not above key */
		mid = lo + (hi - lo + 1) / 2;
		if (pair[2 * (size_t)mid] <= key)
			lo = mid;
		else
			hi = mid - 1;
	}
	return pair[2 * (size_t)lo + 1];
}

static inline const struct tb_dir *
sub_dir(const struct policy *p, const struct tb_dir *d, uint32_t sub)
{
	uint32_t page = sub >> TB_PAGE_SHIFT, e = d->last;

	if (d->type == TB_SUBS_FAR)
		return dir_at(p, pairs_find(p->w + d->segs, d->n_pages, sub));
	if (page < d->n_pages) {
		e = d->entry[page];
		e = e & TB_UNIFORM ? e & ~TB_UNIFORM : p->w[e + (sub & (TB_PAGE - 1))];
	}
	return dir_at(p, e);
}

/* --- what is remembered ----------------------------------------------------------------------- */

/* What is asked of the memory beside the tables: st NULL, nothing is known. */
struct past {
	const struct policy_state *st;
	const struct fact *f;
};

/* The last value known, as shape s has it, and how long ago it was known and written. */
static COLD bool
past_value(const struct past *x, const struct value_shape *s, uint32_t unit, uint32_t space,
    uint32_t sub, uint32_t first, uint64_t within, uint64_t *key, uint64_t *since)
{
	struct memory_key k = {.unit = unit,
	    .sub = sub,
	    .first = first,
	    .what = (uint32_t)x->f->proto << 24 | space << 16 | s->cell};
	struct memory_value v;

	if (!x->st)
		return false;
	k.server = x->st->server;
	if (!policy_memory_get(x->st->memory, &k, &v) || x->st->now_ns < v.known_ns ||
	    x->st->now_ns - v.known_ns > within)
		return false;
	*since = v.written_ns == 0 || v.written_ns > x->st->now_ns ? UINT64_MAX
								   : x->st->now_ns - v.written_ns;
	return value_key(s, value_turn(s, v.raw), key);
}

static bool limit_ok(const struct tb_limit *l, uint64_t key);

/* All conditions of a rule hold; what is not known an allow rule is not met by, and a denial
 * does not care for. */
static COLD bool
whens_hold(const struct policy *p, uint32_t when, bool deny, const struct past *x)
{
	const struct tb_when *w = (const struct tb_when *)(p->w + when + 1);
	uint64_t key, since;

	for (uint32_t n = p->w[when]; n > 0; n--, w++) {
		const struct tb_limit *l = (const struct tb_limit *)(p->w + w->limit);
		bool known =
		    past_value(x, &l->shape, w->any_unit ? x->f->unit : w->unit, w->space, w->sub,
			l->shape.first, (uint64_t)w->within[1] << 32 | w->within[0], &key, &since);

		if (known ? !limit_ok(l, key) : !deny)
			return false;
	}
	return true;
}

/* Does the value not differ too much from the last one?  Unknown: as above. */
static COLD bool
change_ok(const struct tb_limit *l, const struct fact_item *it, uint32_t i, uint64_t key, bool deny,
    const struct past *x)
{
	uint32_t at = it->first + i;
	uint64_t last, since;

	at -= (at - l->shape.first) % l->shape.cell;
	if (!past_value(
		x, &l->shape, x->f->unit, it->space, it->sub, at, l->change.within, &last, &since))
		return deny;
	return value_change_ok(&l->shape, &l->change, key, last, since);
}

/* --- what is written -------------------------------------------------------------------------- */

static bool
limit_ok(const struct tb_limit *l, uint64_t key)
{
	uint32_t lo = 0, hi = l->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (l->set[mid].hi < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < l->n && l->set[lo].lo <= key && (l->step <= 1 || (key - l->base) % l->step == 0);
}

/*
 * Does a candidate match element i of an item?  What cannot be known (no value
 * on the wire, a part of one, or one that depends on the old value) never
 * satisfies the limits of an allow rule, and never escapes those of a deny rule.
 * *until: the last element of which the same is true.
 */
static bool
cand_matches(const struct policy *p, const struct tb_cand *c, const struct fact_item *it,
    uint32_t i, uint64_t *until, const struct past *x)
{
	const struct tb_limit *l;
	uint64_t key;
	uint32_t end;

	if (c->when && !whens_hold(p, c->when, (c->flags & CAND_DENY) != 0, x))
		return false;
	if (it->masked && (c->flags & CAND_LIMITS))
		return (c->flags & CAND_DENY) != 0;
	if (c->limit == 0)
		return true;
	l = (const struct tb_limit *)(p->w + c->limit);
	end = l->shape.cell - 1 - (it->first + i - l->shape.first) % l->shape.cell;
	if (i + (uint64_t)end < *until)
		*until = i + (uint64_t)end;
	if (!value_read(&l->shape, it, i, &key))
		return (c->flags & CAND_DENY) != 0;
	return limit_ok(l, key) &&
	       (!l->changes || change_ok(l, it, i, key, (c->flags & CAND_DENY) != 0, x));
}

/* Elements from..to (offsets in the item) of a seg whose verdict depends on values. */
static COLD void
judge_list(const struct policy *p, const struct tb_seg *s, const struct fact_item *it,
    uint32_t from, uint32_t to, struct outcome *o, const struct past *x)
{
	const struct tb_cand *list = (const struct tb_cand *)(p->w + s->list), *c;
	uint64_t until;

	if (it->masked || !it->vals) /* the same for all of them */
		to = from;
	for (uint64_t i = from; i <= to; i = until + 1) {
		struct outcome one = {0};

		until = to;
		for (c = list;; c++) {
			if (!cand_matches(p, c, it, (uint32_t)i, &until, x))
				continue;
			outcome_add(&one, c->rule, c->bits);
			if (c->flags & CAND_ENDS)
				break;
		}
		outcome_add(o, one.rule, outcome_bits(&one));
	}
}

/* --- names --------------------------------------------------------------------------------------- */

struct name { /* and the candidates it has led to */
	const char *text;
	size_t len;
	const struct tb_cand *c;
};

static bool
tail_matches(const struct policy *p, const struct tb_cand *c, const char *text, size_t len)
{
	const struct tb_tail *t = (const struct tb_tail *)(p->w + c->limit);

	uint32_t skip = t->skip & ~TB_TAIL_RE;

	if (t->skip & TB_TAIL_RE)
		return re_fits((const struct re_table *)t->glob, text + skip, len - skip);
	return glob_match(t->glob, text + skip, len - skip);
}

static bool
text_matches(const struct policy *p, uint32_t trie, const char *text, size_t len)
{
	const struct tb_seg *s = trie_find(p->w, trie, text, len);
	const struct tb_cand *c = (const struct tb_cand *)(p->w + s->list);

	if (s->list == 0)
		return s->bits != 0;
	while (c->flags & CAND_TAIL && !tail_matches(p, c, text, len))
		c++;
	return c->bits != 0;
}

/* Two lists as one, in the order of their rules; the second may be absent. */
static void
judge_lists(const struct policy *p, struct name *a, struct name *b, struct outcome *o)
{
	struct outcome one = {0};

	for (;;) {
		struct name *n = b->c && b->c->flags >> CAND_ORDER < a->c->flags >> CAND_ORDER ? b : a;
		const struct tb_cand *c = n->c++;

		if (c->flags & CAND_TAIL && !tail_matches(p, c, n->text, n->len))
			continue;
		outcome_add(&one, c->rule, c->bits);
		if (c->flags & CAND_ENDS)
			break;
	}
	outcome_add(o, one.rule, outcome_bits(&one));
}

/* The trie for what follows "ns=N;", by the name space's URI. */
static uint32_t
uri_trie(const struct policy *p, const struct tb_names *d, const struct fact_item *it)
{
	uint32_t len = 0;
	const char *uri = item_uri(it, &len);

	if (!uri)
		return d->nowhere;
	for (uint32_t i = 0; i < d->n_uris; i++)
		if (d->uri[i].len == len && memcmp(p->w + d->uri[i].text, uri, len) == 0)
			return d->uri[i].root;
	return 0;
}

static void
judge_name(const struct policy *p, const struct tb_dir *dir, const struct fact_item *it,
    struct outcome *o)
{
	const struct tb_names *d = (const struct tb_names *)dir;
	const struct tb_seg *s = it->name ? trie_find(p->w, d->root, it->name, it->name_len) :
					    &d->unknown;
	struct name whole = {it->name, it->name_len, (const struct tb_cand *)(p->w + s->list)};
	struct name rest = {0};
	uint32_t trie, ns;

	if (s->list == 0) {
		outcome_add(o, s->rule, s->bits);
		return;
	}
	trie = d->n_uris != 0 ? uri_trie(p, d, it) : 0;
	if (trie != 0) {
		ns = name_ns_len(it->name, it->name_len);
		rest.text = it->name + ns;
		rest.len = it->name_len - ns;
		s = trie_find(p->w, trie, rest.text, rest.len);
		rest.c = (const struct tb_cand *)(p->w + s->list);
	}
	judge_lists(p, &whole, &rest, o);
}

/* --- items --------------------------------------------------------------------------------------- */

static void
judge_item(const struct policy *p, const struct tb_block *b, const uint32_t *slots,
    const struct fact_item *it, struct outcome *o, const struct past *x)
{
	const struct tb_dir *d;
	const struct tb_seg *s;
	uint64_t end = (uint64_t)it->first + it->count - 1;
	uint32_t at = it->first, to;

	if (it->space >= b->n_spaces) {
		outcome_add(o, RULE_NONE, b->otherwise);
		return;
	}
	d = dir_at(p, slots[1 + slot_of(it->space, it->access)]);
	if (d->type == TB_SUBS || d->type == TB_SUBS_FAR)
		d = sub_dir(p, d, it->sub);
	if (d->type == TB_NAMES) {
		judge_name(p, d, it, o);
		return;
	}
	for (;;) {
		s = seg_find(p, d, at);
		to = s->last < end ? s->last : (uint32_t)end;
		if (s->list != 0)
			judge_list(p, s, it, at - it->first, to - it->first, o, x);
		else
			outcome_add(o, s->rule, s->bits);
		if (to == end)
			return;
		if (to == UINT32_MAX) { /* runs off the end of every space */
			outcome_add(o, RULE_NONE, b->otherwise);
			return;
		}
		at = to + 1;
	}
}

/* A fact without items, when rules ask what is remembered. */
static COLD void
judge_itemless(
    const struct policy *p, const struct tb_seg *s, struct outcome *o, const struct past *x)
{
	struct outcome one = {0};

	for (const struct tb_cand *c = (const struct tb_cand *)(p->w + s->list);; c++) {
		if (c->when && !whens_hold(p, c->when, (c->flags & CAND_DENY) != 0, x))
			continue;
		outcome_add(&one, c->rule, c->bits);
		if (c->flags & CAND_ENDS)
			break;
	}
	outcome_add(o, one.rule, outcome_bits(&one));
}

/* Several items, none, or one that the fast path does not take. */
static __attribute__((noinline)) struct verdict
eval_items(const struct policy *p, const struct tb_block *b, uint32_t conduit,
    const uint32_t *slots, const struct fact *f, const struct policy_state *st)
{
	struct past x = {st, f};
	struct fact_iter iter = {0};
	struct fact_item it;
	struct outcome o = {0};
	uint32_t given = 0, decides = 0;
	struct verdict v;

	while (fact_next(f, &iter, &it)) {
		uint32_t before = o.bits;

		if (it.count != 0)
			judge_item(p, b, slots, &it, &o, &x);
		if (o.bits != before)
			decides = given;
		given++;
	}
	if (given < f->n_items) /* items were promised and cannot be seen: nothing allows them */
		outcome_add(&o, RULE_NONE, b->otherwise);
	if (!o.any && seg_at(p, slots[0])->list != 0)
		judge_itemless(p, seg_at(p, slots[0]), &o, &x);
	else if (!o.any) /* touches nothing: unit and function decide */
		outcome_add(&o, seg_at(p, slots[0])->rule, seg_at(p, slots[0])->bits);
	v = verdict_make(p, conduit, o.rule, outcome_bits(&o));
	v.item = decides;
	return v;
}

/* --- what is not a plain request -------------------------------------------------------------------- */

static COLD struct verdict
eval_unbound(const struct policy *p, const struct policy_bind *b, const struct fact *f)
{
	const struct tb_conduit *c;

	(void)f;
	if (b->conduit >= p->n_conduits)
		return verdict_make(p, RULE_NONE, RULE_NONE, p->no_conduit);
	c = &p->conduits[b->conduit];
	return verdict_make(p, b->conduit, RULE_NONE,
	    tb_bits(mode_apply(c->mode, c->otherwise), c->otherwise, REASON_PORT, c->mode));
}

/* --- what is asked of a fact beside its items -------------------------------------------------------- */

static bool
props_known(const struct fact_props *x, uint32_t bit)
{
	return x && x->known >> bit & 1;
}

static bool
props_na(const struct fact_props *x, uint32_t bit)
{
	return x && x->na >> bit & 1;
}

/* Class of a fact among the rules that ask for properties. */
static uint32_t
step_class(const struct policy *p, const struct tb_block *blk, uint32_t class,
    const struct fact_props *x, uint64_t open)
{
	const struct tb_step *s = (const struct tb_step *)(p->w + blk->steps + 4);

	for (uint32_t n = p->w[blk->steps], sym; n > 0; n--, s++) {
		if (s->bit == TB_STEP_WINDOW)
			sym = (open & (p->w[s->syms] | (uint64_t)p->w[s->syms + 1] << 32)) != 0;
		else if (props_na(x, s->bit))
			sym = 1;
		else if (!props_known(x, s->bit))
			sym = 0;
		else if (s->bit < 16)
			sym = pairs_find(p->w + s->syms + 1, p->w[s->syms], x->num[s->bit]);
		else
			sym = 2u + text_matches(p, s->syms, x->text[s->bit - 16].p,
				       x->text[s->bit - 16].n);
		class = p->w[s->next + class * s->n_sym + sym];
	}
	return class;
}

static bool
ask_met(const struct policy *p, const struct tb_ask *a, const struct fact_props *x)
{
	const uint32_t *set = p->w + a->set;
	uint32_t v;

	if (a->bit >= 16)
		return text_matches(p, a->set, x->text[a->bit - 16].p, x->text[a->bit - 16].n);
	v = x->num[a->bit];
	if (v < 32)
		return a->words >> v & 1;
	for (uint32_t i = 0; i < set[0]; i++)
		if (set[1 + 2 * (size_t)i] <= v && v <= set[2 + 2 * (size_t)i])
			return true;
	return false;
}

/* The key of the schema that a request does not meet, or RULE_NONE. */
static uint32_t
floor_missed(const struct policy *p, const struct tb_block *blk, const struct fact_props *x)
{
	const struct tb_ask *a = (const struct tb_ask *)(p->w + blk->floor) + 1;
	bool learn = blk->gate & GATE_LEARN && x && x->midstream;

	for (uint32_t n = p->w[blk->floor]; n > 0; n--, a++) {
		if (props_na(x, a->bit))
			continue;
		if (props_known(x, a->bit) ? !ask_met(p, a, x) : !learn)
			return a->key;
	}
	return RULE_NONE;
}

/* A limit that the message is above, or an offer of the server outside the floor. */
static void
add_limits(const struct policy *p, const struct tb_block *blk, const struct fact_props *x,
    struct outcome *o)
{
	const struct tb_max *m = (const struct tb_max *)(p->w + blk->limits) + 1;

	for (uint32_t n = p->w[blk->limits]; n > 0; n--, m++)
		if (props_known(x, m->prop) && x->num[m->prop] > m->max)
			outcome_add(o, m->key, blk->over);
}

static void
add_offers(const struct policy *p, const struct tb_block *blk, const struct fact_props *x,
    struct outcome *o)
{
	const struct tb_offer *m = (const struct tb_offer *)(p->w + blk->offers) + 1;

	for (uint32_t n = p->w[blk->offers]; n > 0; n--, m++)
		if (props_known(x, m->prop) && (x->num[m->prop] & ~m->words) != 0)
			outcome_add(o, m->key, blk->told);
}

static struct verdict
with_outcome(const struct policy *p, struct outcome *o, struct verdict v)
{
	struct verdict w;

	if (!o->any)
		return v;
	outcome_add(o, v.rule, tb_bits(v.action, v.would, v.reason, v.mode));
	w = verdict_make(p, v.conduit, o->rule, outcome_bits(o));
	w.item = v.item;
	return w;
}

static __attribute__((noinline)) struct verdict
eval_answer(const struct policy *p, const struct policy_bind *b, const struct tb_block *blk,
    const struct fact *f)
{
	struct outcome o = {0};
	uint32_t pass = tb_bits(
	    VERDICT_ALLOW, VERDICT_ALLOW, REASON_RESPONSE, p->conduits[b->conduit].mode);

	if (f->kind == FACT_MALFORMED)
		return policy_condition(p, b, COND_UNPARSABLE);
	if (f->anomalies & FACT_A_UNSOLICITED)
		return policy_condition(p, b, COND_UNSOLICITED);
	if (likely(!(blk->gate & (GATE_OFFERS | GATE_LIMITS))))
		return verdict_make(p, b->conduit, RULE_NONE, pass);
	if (blk->gate & GATE_OFFERS)
		add_offers(p, blk, f->props, &o);
	if (blk->gate & GATE_LIMITS)
		add_limits(p, blk, f->props, &o);
	return with_outcome(p, &o, verdict_make(p, b->conduit, RULE_NONE, pass));
}

/*
 * A request whose body is not readable: the condition, when it is worse than the
 * rules; or, when the block is content with the endpoint, what no rule denies.
 */
static COLD struct verdict
eval_encrypted(const struct policy *p, const struct policy_bind *b, const struct tb_block *blk,
    struct verdict v)
{
	struct verdict c = policy_condition(p, b, COND_ENCRYPTED);

	if (blk->gate & GATE_ENCRYPTED)
		c = verdict_make(p, b->conduit, COND_ENCRYPTED, blk->encrypted);
	if (blk->gate & GATE_ENDPOINT && v.reason == REASON_OTHERWISE)
		return verdict_make(p, b->conduit, RULE_NONE,
		    tb_bits(VERDICT_ALLOW, VERDICT_ALLOW, REASON_SECURITY, v.mode));
	if (c.action > v.action || (c.action == v.action && c.would > v.would))
		return c;
	return v;
}

static COLD uint32_t
unit_class_far(const struct policy *p, const struct tb_block *b, uint32_t unit)
{
	return pairs_find(p->w + b->units + 1, p->w[b->units], unit);
}

/* --- requests ---------------------------------------------------------------------------------------- */

static __attribute__((noinline)) struct verdict
eval_slow(const struct policy *p, const struct policy_bind *b, const struct tb_block *blk,
    const uint32_t *slots, const struct fact *f, const struct policy_state *st)
{
	struct verdict v = eval_items(p, blk, b->conduit, slots, f, st);

	return unlikely(f->anomalies & FACT_A_ENCRYPTED) ? eval_encrypted(p, b, blk, v) : v;
}

/* One item, not in a plain table: subdivisions and names. */
static __attribute__((noinline)) struct verdict
eval_deep(const struct policy *p, const struct policy_bind *b, const struct tb_block *blk,
    const uint32_t *slots, const struct tb_dir *d, const struct fact *f,
    const struct policy_state *st)
{
	const struct fact_item *it = &f->item;
	const struct tb_seg *s;

	if (it->count == 0)
		return eval_slow(p, b, blk, slots, f, st);
	if (d->type == TB_SUBS)
		d = sub_dir(p, d, it->sub);
	if (d->type == TB_NAMES) {
		const struct tb_names *n = (const struct tb_names *)d;

		s = it->name ? trie_find(p->w, n->root, it->name, it->name_len) : &n->unknown;
		if (s->list == 0)
			return verdict_make(p, b->conduit, s->rule, s->bits);
	} else if (d->type == TB_PAGED || d->type == TB_SEARCH) {
		s = seg_find(p, d, it->first);
		if (s->list == 0 && it->count - 1 <= s->last - it->first)
			return verdict_make(p, b->conduit, s->rule, s->bits);
	}
	return eval_slow(p, b, blk, slots, f, st);
}

static inline struct verdict
eval_rules(const struct policy *p, const struct policy_bind *b, const struct tb_block *blk,
    uint32_t class, const struct fact *f, const struct policy_state *st)
{
	const struct fact_item *it = &f->item;
	const uint32_t *slots;
	const struct tb_seg *s;
	const struct tb_dir *d;

	if (unlikely(f->opx >= blk->n_opx))
		return verdict_make(p, b->conduit, RULE_NONE, blk->otherwise);
	slots = p->w + blk->row[class * blk->n_opx + f->opx];
	if (unlikely(f->n_items != 1 || it->space >= blk->n_spaces ||
		(f->anomalies & FACT_A_ENCRYPTED)))
		return eval_slow(p, b, blk, slots, f, st);
	d = dir_at(p, slots[1 + slot_of(it->space, it->access)]);
	if (d->type != TB_PAGED)
		return eval_deep(p, b, blk, slots, d, f, st);
	s = seg_paged(p, d, it->first);
	if (likely(s->list == 0 && it->count != 0 && it->count - 1 <= s->last - it->first))
		return verdict_make(p, b->conduit, s->rule, s->bits);
	return eval_slow(p, b, blk, slots, f, st);
}

const struct tb_seg *
tables_seg(const struct policy *p, uint32_t block, const struct fact *f)
{
	const struct tb_block *b = (const struct tb_block *)(p->w + block);
	const struct fact_item *it = &f->item;
	const struct tb_dir *d;

	if (f->opx >= b->n_opx || f->unit >= TB_UNITS || f->n_items != 1 ||
	    it->space >= b->n_spaces)
		return NULL;
	d = dir_at(p, p->w[b->row[b->unit_class[f->unit] * b->n_opx + f->opx] + 1 +
			   slot_of(it->space, it->access)]);
	if (d->type == TB_SUBS)
		d = sub_dir(p, d, it->sub);
	return d->type == TB_PAGED ? seg_paged(p, d, it->first) : NULL;
}

/* The first of the closed windows that would have had to be open, where w is the verdict with all
 * of them open: the conduit's, the deciding rule's, or any rule's. */
static uint32_t
closed_window(const struct policy *p, const struct policy_bind *b, const struct tb_block *blk,
    uint64_t open, struct verdict w)
{
	const struct tb_step *s = (const struct tb_step *)(p->w + blk->steps + 4);
	uint64_t mask = p->conduits[b->conduit].only_in;

	if (mask != 0 && !(mask & open))
		return (uint32_t)__builtin_ctzll(mask);
	if (w.reason == REASON_RULE && (mask = p->rs->rules[w.rule]->only_in) != 0 &&
	    !(mask & open))
		return (uint32_t)__builtin_ctzll(mask);
	for (uint32_t n = p->w[blk->steps]; n > 0; n--, s++) {
		if (s->bit != TB_STEP_WINDOW)
			continue;
		mask = p->w[s->syms] | (uint64_t)p->w[s->syms + 1] << 32;
		if (!(mask & open))
			return (uint32_t)__builtin_ctzll(mask);
	}
	return RULE_NONE;
}

/*
 * Nothing allows the request, or (endpoint-only) nobody has looked: had an open window let it pass,
 * it is said which.  all: the class with every window open.
 */
static COLD struct verdict
eval_closed(const struct policy *p, const struct policy_bind *b, const struct tb_block *blk,
    uint32_t all, uint64_t open, const struct fact *f, const struct policy_state *st,
    struct verdict v)
{
	uint64_t own = p->conduits[b->conduit].only_in;
	struct verdict w;

	if (v.reason ==
	    REASON_SECURITY) { /* endpoint-only: a rule of nobody, but of this conduit */
		if (own == 0 || own & open)
			return v;
		v = verdict_make(p, b->conduit, RULE_NONE, blk->otherwise);
	}
	w = eval_rules(p, b, blk, all, f, st);
	if (w.reason == REASON_RULE ? p->rs->rules[w.rule]->deny : w.reason != REASON_SECURITY)
		return v;
	v.rule = closed_window(p, b, blk, open, w);
	if (v.rule != RULE_NONE)
		v.reason = REASON_WINDOW;
	return v;
}

/* Of a block that asks for more than items. */
static __attribute__((noinline)) struct verdict
eval_gated(const struct policy *p, const struct policy_bind *b, const struct tb_block *blk,
    uint32_t class, const struct fact *f, const struct policy_state *st, uint64_t open)
{
	struct outcome o = {0};
	uint32_t missed, unit = class;
	struct verdict v;

	if (blk->gate & GATE_STEPS)
		class = step_class(p, blk, class, f->props, open);
	if (blk->gate & GATE_FLOOR && (missed = floor_missed(p, blk, f->props)) != RULE_NONE)
		outcome_add(&o, missed, blk->below);
	if (blk->gate & GATE_LIMITS)
		add_limits(p, blk, f->props, &o);
	v = eval_rules(p, b, blk, class, f, st);
	if (blk->gate & GATE_WINDOW &&
	    (v.reason == REASON_OTHERWISE || v.reason == REASON_SECURITY))
		v = eval_closed(
		    p, b, blk, step_class(p, blk, unit, f->props, UINT64_MAX), open, f, st, v);
	return with_outcome(p, &o, v);
}

static inline __attribute__((always_inline)) struct verdict
eval_at(const struct policy *p, const struct policy_bind *b, const struct fact *f,
    const struct policy_state *st, uint64_t open)
{
	const struct tb_block *blk;
	uint32_t off, class;

	if (unlikely(b->conduit >= p->n_conduits || f->proto >= p->n_protos))
		return eval_unbound(p, b, f);
	off = p->block_of[b->conduit * p->n_protos + f->proto];
	blk = (const struct tb_block *)(p->w + off);
	if (unlikely(off == 0 || !(blk->port_bit & b->blocks)))
		return eval_unbound(p, b, f);
	if (f->kind != FACT_REQUEST && f->kind != FACT_OTHER)
		return eval_answer(p, b, blk, f);
	class = likely(f->unit < TB_UNITS) ? blk->unit_class[f->unit] :
					     unit_class_far(p, blk, f->unit);
	if (blk->gate != 0)
		return eval_gated(p, b, blk, class, f, st, open);
	return eval_rules(p, b, blk, class, f, st);
}

struct verdict
policy_eval(const struct policy *p, const struct policy_bind *b, const struct fact *f)
{
	return eval_at(p, b, f, NULL, 0);
}

struct verdict
policy_eval_state(const struct policy *p, const struct policy_bind *b, const struct fact *f,
    const struct policy_state *st)
{
	return eval_at(p, b, f, st, 0);
}

/* --- windows and permits -------------------------------------------------------------------------------- */

/* Each item of a request is decided by a rule of its own; a permit may be for some rules only. */
static COLD bool
permit_rules(const struct policy *p, const struct policy_bind *b, const struct fact *f,
    const struct policy_permit *m, const struct policy_state *st, uint64_t open, struct verdict w)
{
	struct fact_iter at = {0};
	struct fact one = *f;

	if (m->n_rules == 0 || w.would >= VERDICT_REJECT)
		return true;
	one.n_items = 1;
	one.next = NULL;
	while (f->n_items > 1 && fact_next(f, &at, &one.item)) {
		w = eval_at(p, b, &one, st, open | m->windows);
		if (w.reason != REASON_RULE || !permit_rule(p, m, open, w.rule))
			return false;
	}
	return w.reason == REASON_RULE && permit_rule(p, m, open, w.rule);
}

/*
 * Each permit for itself: two do not add up.  What programs or controls under one is told: the
 * journal is to show what was done.
 */
static COLD struct verdict
eval_permits(const struct policy *p, const struct policy_bind *b, const struct fact *f,
    const struct policy_clock *c, const struct net_tuple *t, const struct policy_state *st,
    uint64_t open, struct verdict v)
{
	uint32_t may = c->permits | (f->goes_on ? c->ending : 0u);

	for (; may != 0; may &= may - 1) {
		unsigned i = (unsigned)__builtin_ctz(may);
		struct verdict w;

		if (permit_lacks(&c->permit[i], b->conduit, f) || !permit_between(&c->permit[i], t))
			continue;
		w = eval_at(p, b, f, st, open | c->permit[i].windows);
		if (w.reason == REASON_WINDOW || w.would >= v.would ||
		    !permit_rules(p, b, f, &c->permit[i], st, open, w))
			continue;
		w.permit = i + 1;
		v = w;
	}
	if (v.permit != 0 && v.would == VERDICT_ALLOW && f->access & (ACC_PROGRAM | ACC_CONTROL)) {
		v.would = VERDICT_ALERT;
		v.action = mode_apply(v.mode, VERDICT_ALERT);
	}
	return v;
}

struct verdict
policy_eval_in(const struct policy *p, const struct policy_bind *b, const struct fact *f,
    const struct policy_clock *c, const struct net_tuple *t, const struct policy_state *st)
{
	uint64_t open = c ? c->open | (f->goes_on ? c->grace : 0) : 0;
	struct verdict v = eval_at(p, b, f, st, open);

	if (v.reason != REASON_WINDOW || !c || (c->permits | c->ending) == 0)
		return v;
	return eval_permits(p, b, f, c, t, st, open, v);
}

#define SECOND_NS UINT64_C(1000000000)

/*
 * Generic cell rate algorithm (ITU-T I.371 A): *meter is when the bucket will be empty.  It is never
 * more than the bucket holds ahead of now; when it is, the clock was set back.
 */
static bool
meter_add(uint64_t *meter, uint32_t rate, uint64_t now_ns)
{
	uint64_t cell = SECOND_NS / rate, at = *meter;

	if (at < now_ns || at > now_ns + SECOND_NS)
		at = now_ns;
	if (at - now_ns + cell > SECOND_NS)
		return false;
	*meter = at + cell;
	return true;
}

struct verdict
policy_eval_rate(const struct policy *p, const struct policy_bind *b, const struct fact *f,
    struct verdict v, uint64_t *meter, uint64_t now_ns)
{
	const struct tb_block *blk;
	struct outcome o = {0};
	uint32_t off;

	if (b->conduit >= p->n_conduits || f->proto >= p->n_protos || f->kind != FACT_REQUEST)
		return v;
	off = p->block_of[b->conduit * p->n_protos + f->proto];
	blk = (const struct tb_block *)(p->w + off);
	if (off == 0 || !(blk->port_bit & b->blocks) || blk->rate == 0 ||
	    meter_add(meter, blk->rate, now_ns))
		return v;
	outcome_add(&o, (uint32_t)f->proto << 16 | TB_KEY_RATE, blk->over);
	return with_outcome(p, &o, v);
}

/* The block that serves a protocol on the flow's port, or NULL. */
static const struct tb_block *
block_serving(const struct policy *p, const struct policy_bind *b, uint8_t proto)
{
	const struct tb_block *blk;
	uint32_t off;

	if (b->conduit >= p->n_conduits || proto >= p->n_protos)
		return NULL;
	off = p->block_of[b->conduit * p->n_protos + proto];
	blk = (const struct tb_block *)(p->w + off);
	return off != 0 && blk->port_bit & b->blocks ? blk : NULL;
}

bool
policy_plain(const struct policy *p, const struct policy_bind *b, uint8_t proto)
{
	const struct tb_block *blk = block_serving(p, b, proto);

	/* what is said of encrypted bodies is said of facts with an anomaly */
	return blk && (blk->gate & ~(uint32_t)(GATE_ENCRYPTED | GATE_ENDPOINT)) == 0 &&
	       !(b->flags & (BIND_RATE | BIND_STATE | BIND_WINDOW));
}

uint64_t
policy_timeout(
    const struct policy *p, const struct policy_bind *b, uint8_t proto, struct verdict *told)
{
	const struct tb_block *blk = block_serving(p, b, proto);
	uint8_t mode;

	if (!blk || blk->timeout_us == 0)
		return 0;
	mode = p->conduits[b->conduit].mode;
	*told = verdict_make(p, b->conduit, (uint32_t)proto << 16 | TB_KEY_TIMEOUT,
	    tb_bits(mode_apply(mode, VERDICT_ALERT), VERDICT_ALERT, REASON_LIMIT, mode));
	return (uint64_t)blk->timeout_us * 1000;
}

struct verdict
policy_eval_late(
    const struct policy *p, const struct policy_bind *b, const struct fact *f, struct verdict v)
{
	const struct tb_block *blk = block_serving(p, b, f->proto);
	uint8_t over, mode;
	struct outcome o = {0};

	over = blk ? (uint8_t)(blk->over >> 8) : VERDICT_ALERT;
	mode = blk ? (uint8_t)(blk->over >> 24) : MODE_ALERT;
	if (over <= VERDICT_ALERT) /* it was told when its time was up */
		return v;
	if (over == VERDICT_REJECT) /* an answer cannot be refused */
		over = VERDICT_RESET;
	outcome_add(&o, (uint32_t)f->proto << 16 | TB_KEY_TIMEOUT,
	    tb_bits(mode_apply(mode, over), over, REASON_LIMIT, mode));
	return with_outcome(p, &o, v);
}

bool
policy_serves(const struct policy *p, const struct policy_bind *b, uint8_t proto)
{
	uint32_t off;

	if (b->conduit >= p->n_conduits)
		return false;
	if (proto >= p->n_protos || (off = p->block_of[b->conduit * p->n_protos + proto]) == 0)
		return false;
	return (((const struct tb_block *)(p->w + off))->port_bit & b->blocks) != 0;
}
