/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - what a policy is compiled to, and struct policy itself.
 *
 * All tables are runs of 32-bit words in one array w[]; a reference is an
 * index into it, 0 is "none".  Runs with the same content are stored once.
 *
 *   block  unit -> class, class x opx -> slots
 *   slots  [0] seg for a fact without items; [1 + space * 2 + write] -> dir
 *   dir    paged: address >> 6 -> one seg for all 64, or a page of 64 segs
 *          search: segs by bisection (huge sparse spaces)
 *          subs: subdivision -> paged or search dir
 *          names: candidates whose globs are tried in order
 *   seg    addresses up to .last that share one outcome: the verdict itself,
 *          or a list of candidates when it depends on what is written
 *   cand   one rule in such a list; the last one always matches
 *
 * One range within one seg costs six dependent loads, whatever the number of
 * rules.
 */
#ifndef POLICY_TABLE_H
#define POLICY_TABLE_H

#include "policy/arena.h"
#include "policy/policy.h"
#include "policy/rules.h"

#define TB_PAGE_SHIFT 6u
#define TB_PAGE	      (1u << TB_PAGE_SHIFT)
#define TB_PAGES_MAX  16384u	   /* a space used beyond 2^20 is searched */
#define TB_UNIFORM    0x80000000u  /* dir entry: a seg number, not a page */
#define TB_WORDS_MAX  (64u << 20)  /* 256 MiB of tables */
#define TB_WORK_MAX   (UINT64_C(1) << 31) /* steps of compiling */
#define TB_UNITS      256u	   /* units below have their class in a byte */

struct tb_block {
	uint32_t port_bit; /* of policy_bind.blocks */
	uint32_t otherwise; /* verdict bits for what no rule allows */
	uint32_t n_opx, n_spaces;
	uint32_t units;	   /* -> n, then {first unit, class} pairs, ascending */
	uint32_t pad[3];
	uint8_t unit_class[TB_UNITS];
	uint32_t row[];	   /* [class * n_opx + opx] -> slots */
};

enum tb_dir_type { TB_PAGED = 0, TB_SEARCH, TB_SUBS, TB_NAMES };
struct tb_dir {
	uint32_t type;	  /* enum tb_dir_type */
	uint32_t segs;	  /* -> the first seg; subs: -> {first sub, dir} pairs; names: -> cands */
	uint32_t n_pages; /* subs, names: how many of them */
	uint32_t last;	  /* number of the last seg; it ends at UINT32_MAX */
	uint32_t entry[]; /* [page]: seg number | TB_UNIFORM, or -> page of seg numbers */
};

/* Verdict bits: the first four bytes of struct verdict. */
static inline uint32_t
tb_bits(uint8_t action, uint8_t would, uint8_t reason, uint8_t mode)
{
	return (uint32_t)action | (uint32_t)would << 8 | (uint32_t)reason << 16 |
	    (uint32_t)mode << 24;
}

struct tb_seg {
	uint32_t last; /* last address */
	uint32_t list; /* -> cands, or 0: rule and bits are the verdict */
	uint32_t rule, bits;
};

enum tb_cand_flags {
	CAND_DENY = 1 << 0,	/* an unknown value counts as a match */
	CAND_ENDS = 1 << 1,	/* nothing after it is looked at when it matches */
	CAND_LIMITS = 1 << 2,	/* the rule limits values in this space */
	CAND_ALWAYS = 1 << 3,	/* the last: what no rule speaks of */
};
struct tb_cand {
	uint32_t rule, bits;
	uint32_t limit; /* -> n, step, base, then lo, hi pairs; 0: any value */
	uint32_t flags; /* enum tb_cand_flags; names: slot << 8 */
};

/* What to do about a conduit as a whole. */
struct tb_conduit {
	uint8_t mode, otherwise; /* enum policy_mode, enum verdict_action */
	uint8_t cond[COND__MAX];
};

struct tb_net {
	struct net_prefix p;
	uint32_t zone;
};

struct policy {
	const uint32_t *w;
	const uint32_t *block_of; /* [conduit * n_protos + proto] -> block or 0 */
	uint32_t n_conduits, n_protos;
	uint32_t generation;
	uint32_t no_conduit; /* verdict bits of the default deny */
	const struct tb_conduit *conduits;

	/* binding: cold */
	struct pair_map pairs;
	uint32_t *device_slot; /* open addressing by address: device + 1 */
	uint32_t device_mask;
	struct tb_net *nets; /* longest first */
	uint32_t n_nets;
	uint32_t net_len[130]; /* nets of prefix length l: net_len[l + 1] .. net_len[l] */

	const struct ruleset *rs;
	const uint32_t *rule_id; /* EVE signature_id */
	uint8_t hash[32];
	struct arena keep; /* all of the above */
	size_t bytes;
};

/* The verdict after the mode: learn and alert never drop. */
static inline uint8_t
mode_apply(uint8_t mode, uint8_t would)
{
	if (mode == MODE_ENFORCE)
		return would;
	if (mode == MODE_LEARN)
		return VERDICT_ALLOW;
	return would > VERDICT_ALERT ? VERDICT_ALERT : would;
}

/*
 * The worst of several outcomes: the highest action, then the highest would; of
 * equals the first.  It decides which rule is named; would is then the highest
 * of all.  Used twice: over the rules that match one element (rehearsed denials
 * do not end the search), and over the elements of a fact.
 */
struct outcome {
	uint32_t rule, bits; /* of the one that decides */
	uint32_t would;	     /* highest so far, in its place in bits */
	bool any;
};

static inline void
outcome_add(struct outcome *o, uint32_t rule, uint32_t bits)
{
	uint32_t key = (bits & 0xff) << 8 | (bits >> 8 & 0xff);
	uint32_t worst = (o->bits & 0xff) << 8 | (o->bits >> 8 & 0xff);

	if ((bits & 0xff00) > o->would)
		o->would = bits & 0xff00;
	if (!o->any || key > worst) {
		o->rule = rule;
		o->bits = bits;
		o->any = true;
	}
}

static inline uint32_t
outcome_bits(const struct outcome *o)
{
	return (o->bits & ~UINT32_C(0xff00)) | o->would;
}

/* Build everything of p from rs into p->keep; or complain and return false.
 * Three scratch arenas, which the caller ends: whole job, block, set of rules. */
bool compile_tables(struct policy *p, const struct ruleset *rs, struct arena scratch[3],
    struct complaints *c);
void compile_bind(struct policy *p, const struct ruleset *rs);

/* Up to three ends of an address, narrowest first; how many. */
unsigned bind_ends(const struct policy *p, const struct net_addr *a, uint32_t end[3]);
/* The conduit of a pair, or RULE_NONE. */
uint32_t bind_lookup(const struct policy *p, const struct net_addr *src,
    const struct net_addr *dst);
uint32_t bind_device(const struct policy *p, const struct net_addr *a); /* or UINT32_MAX */
uint32_t bind_zone(const struct policy *p, const struct net_addr *a);	/* or UINT32_MAX */

#endif /* POLICY_TABLE_H */
