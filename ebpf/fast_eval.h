/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fast_eval.h - one request by the compiled tables of a policy: the one case of policy_eval() that
 * nearly every request is.  One item, within one run of addresses that share a verdict which asks for
 * nothing else, and that verdict is plain: an allow rule that does not tell.
 *
 * The words are those of policy/table.h; gate_fill.c holds that they lie there.  Who includes this says
 * before how a word is read: FAST_WORD(t, at), 0 where there is none.  Kernel and tests do; else it is
 * an array that is long enough.
 */
#ifndef EBPF_FAST_EVAL_H
#define EBPF_FAST_EVAL_H

#include "ebpf/fast_pdu.h"

#ifndef FAST_TABLES
#define FAST_TABLES	 const __u32 *
#define FAST_WORD(t, at) (t)[at]
#endif

enum fast_block_words {
	FAST_B_OPX = 2,
	FAST_B_SPACES = 3,
	FAST_B_CLASS = 16,
	FAST_B_ROW = 80,
};
enum fast_dir_words {
	FAST_D_TYPE = 0,
	FAST_D_SEGS,
	FAST_D_PAGES,
	FAST_D_LAST,
	FAST_D_SHIFT,
	FAST_D_ENTRY
};
enum fast_seg_words { FAST_S_LAST = 0, FAST_S_LIST, FAST_S_RULE, FAST_S_BITS, FAST_S_WORDS };

#define FAST_PAGED	 0u
#define FAST_SUBS	 2u
#define FAST_PAGE_SHIFT	 6u
#define FAST_UNIFORM	 0x80000000u
#define FAST_PLAIN_ALLOW 0u /* action, would, reason: allow, allow, by a rule */

/* The dir of a subdivision. */
static inline __attribute__((always_inline)) __u32
fast_sub(FAST_TABLES t, __u32 dir, __u32 sub)
{
	__u32 page = sub >> FAST_PAGE_SHIFT, e;

	if (page >= FAST_WORD(t, dir + FAST_D_PAGES))
		return FAST_WORD(t, dir + FAST_D_LAST);
	e = FAST_WORD(t, dir + FAST_D_ENTRY + page);
	return e & FAST_UNIFORM ? e & ~FAST_UNIFORM
				: FAST_WORD(t, e + (sub & ((1u << FAST_PAGE_SHIFT) - 1)));
}

/* The number of the seg of an address: see tb_paged(). */
static inline __attribute__((always_inline)) __u32
fast_paged(FAST_TABLES t, __u32 dir, __u32 at)
{
	__u32 page = at >> FAST_PAGE_SHIFT, off, s;

	if (page >= FAST_WORD(t, dir + FAST_D_PAGES))
		return FAST_WORD(t, dir + FAST_D_LAST);
	off = FAST_WORD(t, dir + FAST_D_ENTRY + 2 * page);
	s = FAST_WORD(t, dir + FAST_D_ENTRY + 2 * page + 1);
	if (off == 0)
		return s;
	return s + (FAST_WORD(t, off + (at & ((1u << FAST_PAGE_SHIFT) - 1)) / 4) >> (at & 3) * 8 &
		       0xff);
}

/* Is the request allowed outright, and by which rule? */
static inline __attribute__((always_inline)) bool
fast_eval(FAST_TABLES t, __u32 block, const struct fast_ask *a, __u32 *rule)
{
	__u32 n_opx = FAST_WORD(t, block + FAST_B_OPX), class, slots, dir, seg, last;

	if (a->opx >= n_opx || a->unit > 255 || a->space >= FAST_WORD(t, block + FAST_B_SPACES))
		return false;
	class = FAST_WORD(t, block + FAST_B_CLASS + a->unit / 4) >> (a->unit & 3) * 8 & 0xff;
	slots = FAST_WORD(t, block + FAST_B_ROW + class * n_opx + a->opx);
	dir = FAST_WORD(t, slots + 1 + a->space * 2 + a->write);
	if (FAST_WORD(t, dir + FAST_D_TYPE) == FAST_SUBS)
		dir = fast_sub(t, dir, a->sub);
	if (slots == 0 || dir == 0 || FAST_WORD(t, dir + FAST_D_TYPE) != FAST_PAGED)
		return false;
	seg =
	    FAST_WORD(t, dir + FAST_D_SEGS) +
	    FAST_S_WORDS * fast_paged(t, dir, a->first >> (FAST_WORD(t, dir + FAST_D_SHIFT) & 31));
	last = FAST_WORD(t, seg + FAST_S_LAST);
	*rule = FAST_WORD(t, seg + FAST_S_RULE);
	return FAST_WORD(t, seg + FAST_S_LIST) == 0 &&
	       (FAST_WORD(t, seg + FAST_S_BITS) & 0xffffff) == FAST_PLAIN_ALLOW && a->count != 0 &&
	       a->first <= last && a->count - 1 <= last - a->first;
}

#endif /* EBPF_FAST_EVAL_H */
