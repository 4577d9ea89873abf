/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eval.c - judging one fact with the tables of table.h.  Once per PDU.
 *
 * policy_eval() itself answers the two common cases: a response to an open
 * request, and a request with one range that lies within one seg.  All else is
 * in functions of its own that are kept out of line.
 */
#include <string.h>

#include "policy/table.h"

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
	uint32_t page = addr >> TB_PAGE_SHIFT, s = d->last;

	if (page < d->n_pages) {
		s = d->entry[page];
		s = s & TB_UNIFORM ? s & ~TB_UNIFORM : p->w[s + (addr & (TB_PAGE - 1))];
	}
	return seg_at(p, d->segs) + s;
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

/* Class of a unit that has no byte in the block, or dir of a subdivision. */
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

/* --- what is written -------------------------------------------------------------------------- */

static bool
limit_ok(const uint32_t *l, uint32_t value)
{
	uint32_t lo = 0, hi = l[0], mid;
	const uint32_t *set = l + 3;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (set[2 * (size_t)mid + 1] < value)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < l[0] && set[2 * (size_t)lo] <= value && (l[1] <= 1 || (value - l[2]) % l[1] == 0);
}

/*
 * Does a candidate match element i of an item?  What cannot be known (no value
 * on the wire, or one that depends on the old value) never satisfies the
 * limits of an allow rule, and never escapes those of a deny rule.
 */
static bool
cand_matches(const struct policy *p, const struct tb_cand *c, const struct fact_item *it,
    uint32_t i)
{
	if (it->masked && (c->flags & CAND_LIMITS))
		return (c->flags & CAND_DENY) != 0;
	if (c->limit == 0)
		return true;
	if (!it->vals)
		return (c->flags & CAND_DENY) != 0;
	return limit_ok(p->w + c->limit, fact_value(it, i));
}

/* Elements from..to (offsets in the item) of a seg whose verdict depends on values. */
static COLD void
judge_list(const struct policy *p, const struct tb_seg *s, const struct fact_item *it,
    uint32_t from, uint32_t to, struct outcome *o)
{
	const struct tb_cand *list = (const struct tb_cand *)(p->w + s->list), *c;

	if (it->masked || !it->vals) /* the same for all of them */
		to = from;
	for (uint64_t i = from; i <= to; i++) {
		struct outcome one = {0};

		for (c = list;; c++) {
			if (!cand_matches(p, c, it, (uint32_t)i))
				continue;
			outcome_add(&one, c->rule, c->bits);
			if (c->flags & CAND_ENDS)
				break;
		}
		outcome_add(o, one.rule, outcome_bits(&one));
	}
}

/* --- items --------------------------------------------------------------------------------------- */

static COLD void
judge_name(const struct policy *p, const struct tb_dir *d, const struct fact_item *it,
    struct outcome *o)
{
	const struct tb_cand *c = (const struct tb_cand *)(p->w + d->segs);
	struct outcome one = {0};

	for (;; c++) {
		bool hit = (c->flags & CAND_ALWAYS) != 0;

		if (!hit) {
			const struct rule *r = p->rs->rules[c->rule];
			const struct globs *g = &r->names[c->flags >> 8];

			hit = r->everything;
			for (uint32_t i = 0; i < g->n && !hit; i++)
				hit = glob_match(g->v[i], it->name ? it->name : "",
				    it->name ? it->name_len : 0);
		}
		if (!hit)
			continue;
		outcome_add(&one, c->rule, c->bits);
		if (c->flags & CAND_ENDS)
			break;
	}
	outcome_add(o, one.rule, outcome_bits(&one));
}

static void
judge_item(const struct policy *p, const struct tb_block *b, const uint32_t *slots,
    const struct fact_item *it, struct outcome *o)
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
	if (d->type == TB_NAMES) {
		judge_name(p, d, it, o);
		return;
	}
	if (d->type == TB_SUBS)
		d = dir_at(p, pairs_find(p->w + d->segs, d->n_pages, it->sub));
	for (;;) {
		s = seg_find(p, d, at);
		to = s->last < end ? s->last : (uint32_t)end;
		if (s->list != 0)
			judge_list(p, s, it, at - it->first, to - it->first, o);
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

/* Several items, none, or one that the fast path does not take. */
static __attribute__((noinline)) struct verdict
eval_items(const struct policy *p, const struct tb_block *b, uint32_t conduit,
    const uint32_t *slots, const struct fact *f)
{
	struct fact_iter iter = {0};
	struct fact_item it;
	struct outcome o = {0};
	uint32_t given = 0;

	while (fact_next(f, &iter, &it)) {
		given++;
		if (it.count != 0)
			judge_item(p, b, slots, &it, &o);
	}
	if (given < f->n_items) /* items were promised and cannot be seen: nothing allows them */
		outcome_add(&o, RULE_NONE, b->otherwise);
	if (!o.any) /* touches nothing: unit and function decide */
		outcome_add(&o, seg_at(p, slots[0])->rule, seg_at(p, slots[0])->bits);
	return verdict_make(p, conduit, o.rule, outcome_bits(&o));
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

static __attribute__((noinline)) struct verdict
eval_answer(const struct policy *p, const struct policy_bind *b, const struct fact *f)
{
	if (f->kind == FACT_MALFORMED)
		return policy_condition(p, b, COND_UNPARSABLE);
	if (f->anomalies & FACT_A_UNSOLICITED)
		return policy_condition(p, b, COND_UNSOLICITED);
	return verdict_make(p, b->conduit, RULE_NONE,
	    tb_bits(VERDICT_ALLOW, VERDICT_ALLOW, REASON_RESPONSE, p->conduits[b->conduit].mode));
}

/* A request whose body is not readable: the condition, when it is worse than the rules. */
static COLD struct verdict
eval_encrypted(const struct policy *p, const struct policy_bind *b, struct verdict v)
{
	struct verdict c = policy_condition(p, b, COND_ENCRYPTED);

	if (c.action > v.action || (c.action == v.action && c.would > v.would))
		return c;
	return v;
}

static COLD uint32_t
unit_class_far(const struct policy *p, const struct tb_block *b, uint32_t unit)
{
	return pairs_find(p->w + b->units + 1, p->w[b->units], unit);
}

static __attribute__((noinline)) struct verdict
eval_slow(const struct policy *p, const struct policy_bind *b, const struct tb_block *blk,
    const uint32_t *slots, const struct fact *f)
{
	struct verdict v = eval_items(p, blk, b->conduit, slots, f);

	return unlikely(f->anomalies & FACT_A_ENCRYPTED) ? eval_encrypted(p, b, v) : v;
}

struct verdict
policy_eval(const struct policy *p, const struct policy_bind *b, const struct fact *f)
{
	const struct fact_item *it = &f->item;
	const struct tb_block *blk;
	const struct tb_seg *s;
	const struct tb_dir *d;
	const uint32_t *slots;
	uint32_t off, class;

	if (unlikely(b->conduit >= p->n_conduits || f->proto >= p->n_protos))
		return eval_unbound(p, b, f);
	off = p->block_of[b->conduit * p->n_protos + f->proto];
	blk = (const struct tb_block *)(p->w + off);
	if (unlikely(off == 0 || !(blk->port_bit & b->blocks)))
		return eval_unbound(p, b, f);
	if (f->kind != FACT_REQUEST && f->kind != FACT_OTHER)
		return eval_answer(p, b, f);
	class = likely(f->unit < TB_UNITS) ? blk->unit_class[f->unit] :
					     unit_class_far(p, blk, f->unit);
	if (unlikely(f->opx >= blk->n_opx))
		return verdict_make(p, b->conduit, RULE_NONE, blk->otherwise);
	slots = p->w + blk->row[class * blk->n_opx + f->opx];
	if (unlikely(f->n_items != 1 || it->space >= blk->n_spaces ||
		(f->anomalies & FACT_A_ENCRYPTED)))
		return eval_slow(p, b, blk, slots, f);
	d = dir_at(p, slots[1 + slot_of(it->space, it->access)]);
	if (unlikely(d->type != TB_PAGED))
		return eval_slow(p, b, blk, slots, f);
	s = seg_paged(p, d, it->first);
	if (likely(s->list == 0 && it->count != 0 && it->count - 1 <= s->last - it->first))
		return verdict_make(p, b->conduit, s->rule, s->bits);
	return eval_slow(p, b, blk, slots, f);
}
