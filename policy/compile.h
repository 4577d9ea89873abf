/* SPDX-License-Identifier: Apache-2.0 */
/* compile.h - what the parts of the compiler share; nobody else includes it. */
#ifndef POLICY_COMPILE_H
#define POLICY_COMPILE_H

#include "policy/complain.h"
#include "policy/re.h"
#include "policy/table.h"

struct image { /* the words, each distinct run once */
	struct arena *a;
	uint32_t *w, n, cap;
	struct run {
		uint32_t off, len;
	} *slot;
	uint32_t mask, used;
};

struct words {
	uint32_t *v;
	uint32_t n, cap;
};

struct set { /* rules that fit a unit and a function */
	uint64_t *bits;
	uint32_t id; /* class number, or -> slots */
};
struct sets {
	struct set *v;
	uint32_t n, cap;
	uint32_t *slot, mask; /* by content: index + 1 */
};

#define RES_SEEN (2 * RE_MAX)

struct compiler {
	struct {
		const struct re_table *table;
		uint32_t put; /* where it is in the image */
	} * res;	      /* by its address, of the block at hand; NULL: none so far */
	struct image im;
	struct arena *a; /* of the block at hand */
	struct arena *t; /* of the set at hand */
	struct arena *u; /* of one subdivision, or one table of names */
	uint64_t work;
	bool too_big;
	const char *fault; /* what else does not fit the tables */
	/* the block at hand */
	const struct conduit *conduit;
	const struct block *block;
	const struct dis_schema *sc;
	const struct rule **rules;
	uint32_t n_rules, n_words; /* 64-bit words of a set */
	uint32_t otherwise;
	/* the set at hand */
	const struct rule **in;
	uint32_t n_in;
};

/* An address range in which rule k of the set is (limit NULL) or is limited. */
struct piece {
	uint32_t lo, hi, k;
	const struct limit *limit;
};
struct pieces {
	struct piece *v;
	uint32_t n, cap;
};

struct event { /* of a sweep: at this address a piece starts or has ended */
	uint32_t at;
	bool start;
	const struct piece *piece;
};

/* Candidates of one seg, in the order in which rules are tried. */
struct cands {
	struct tb_cand *v;
	uint32_t n, cap;
	bool depends; /* on what is written, or on the rest of a name */
	bool ended;   /* an unconditional candidate ends the list */
};

/* False: give up; too much of something. */
bool work_add(struct compiler *k, uint64_t n);
/* The index of these words in the image. */
uint32_t image_put(struct image *im, const uint32_t *p, uint32_t n);
/* A denial that is only rehearsed decides nothing: what follows it still does. */
bool rule_decides(const struct compiler *k, const struct rule *r);
/* compile_watch.c: what a rule asks of values, in the image. */
uint32_t compile_whens(struct compiler *k, struct arena *a, const struct rule *r);
/* compile_space.c */
uint32_t compile_limit(struct compiler *k, struct arena *a, const struct limit *l);

/* A rule that the list may still need, with more flags than the rule itself gives it. */
void cand_add(struct compiler *k, struct arena *a, struct cands *cs, const struct rule *r,
    uint32_t limit, uint32_t flags);
/* The seg of a list; whole: as a list even where its outcome is known. */
struct tb_seg cands_seg(struct compiler *k, struct arena *a, struct cands *cs, uint32_t last,
    bool whole);
/* The entry for this content; *fresh when it is new (bits are then copied). */
struct set *sets_find(struct compiler *k, struct arena *a, struct sets *t, const uint64_t *bits,
    bool *fresh);

/* Events in the order of a sweep: by address, ends before starts. */
int event_cmp(const void *a, const void *b);

/* compile_space.c: a dir for a slot of the set at hand; 0 when it is too big. */
uint32_t compile_flat(struct compiler *k, unsigned slot);
uint32_t compile_subs(struct compiler *k, unsigned slot);
uint32_t compile_named(struct compiler *k, unsigned slot);

/* compile_name.c: a dir for the names of a slot, of the rules of the set for which has[i]. */
uint32_t compile_names(struct compiler *k, unsigned slot, const bool *has);
/* A trie of one list of patterns: its segs say bits 1 where the text matches. */
uint32_t compile_texts(struct compiler *k, const struct globs *g);

/* compile_gate.c: what is asked of properties. */
void compile_steps(struct compiler *k, struct sets *classes, struct tb_block *t);
void compile_gate(struct compiler *k, struct tb_block *t);

#endif /* POLICY_COMPILE_H */
