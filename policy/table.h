/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - what a policy is compiled to, and struct policy itself.
 *
 * All tables are runs of 32-bit words in one array w[]; a reference is an
 * index into it, 0 is "none".  Runs with the same content are stored once.
 *
 *   block  unit -> class; class x what a property is -> class, per step;
 *          class x opx -> slots
 *   slots  [0] seg for a fact without items; [1 + space * 2 + write] -> dir
 *   dir    paged: address >> shift >> 6 -> one seg for all 64, or that and a page, which
 *          says how many segs further on each of the 64 is
 *          search: segs by bisection (huge sparse spaces)
 *          subs: subdivision -> dir, paged the same way; far: by bisection
 *          names: tries over names
 *   node   of a trie: the bytes that lead into it, a seg for names that end
 *          here and one for those that go on otherwise, and where they go on
 *   seg    addresses up to .last that share one outcome: the verdict itself,
 *          or a list of candidates when it depends on what is written, or
 *          on what follows the literal beginning of a pattern
 *   cand   one rule in such a list; the last one always matches
 *
 * One range within one seg costs six dependent loads, whatever the number of
 * rules.
 */
#ifndef POLICY_TABLE_H
#define POLICY_TABLE_H

#include <string.h>

#include "policy/arena.h"
#include "policy/policy.h"
#include "policy/rules.h"

#define TB_PAGE_SHIFT 6u
#define TB_PAGE	      (1u << TB_PAGE_SHIFT)
#define TB_PAGES_MAX  16384u	   /* a space used beyond 2^20 is searched */
#define TB_PAGES_FEW  1024u	   /* pages of a space, however few segs there are */
#define TB_PAGES_SOME 32u	   /* the same of each of many subdivisions */
#define TB_UNIFORM    0x80000000u  /* entry of subdivisions: a dir, not a page */
#define TB_WORDS_MAX  (64u << 20)  /* 256 MiB of tables */
#define TB_WORK_MAX   (UINT64_C(1) << 31) /* steps of compiling */
#define TB_UNITS      256u	   /* units below have their class in a byte */

struct tb_block {
	uint32_t port_bit; /* of policy_bind.blocks */
	uint32_t otherwise; /* verdict bits for what no rule allows */
	uint32_t n_opx, n_spaces;
	uint32_t units;	   /* -> n, then {first unit, class} pairs, ascending */
	uint32_t gate;	   /* enum tb_gate: more to ask of a fact than its items */
	uint32_t steps;	   /* -> n, then n struct tb_step */
	uint32_t floor;	   /* -> n, then n struct tb_ask */
	uint32_t limits;   /* -> n, then n struct tb_max */
	uint32_t offers;   /* -> n, then n struct tb_offer */
	uint32_t below, over, told; /* verdict bits: below the floor; over a limit; a weak offer */
	uint32_t encrypted; /* verdict bits of an encrypted request */
	uint32_t rate;	    /* requests per second of a connection; 0: any */
	uint32_t timeout_us; /* a request waits this long for its answer; 0: nobody said */
	uint8_t unit_class[TB_UNITS];
	uint32_t row[];	   /* [class * n_opx + opx] -> slots */
};

enum tb_gate {
	GATE_STEPS = 1 << 0,	 /* rules ask for properties */
	GATE_FLOOR = 1 << 1,	 /* so does the block of all requests */
	GATE_LIMITS = 1 << 2,	 /* messages have a limit */
	GATE_LEARN = 1 << 3,	 /* unknown properties of a midstream flow are met */
	GATE_ENDPOINT = 1 << 4,	 /* encrypted requests that meet the floor may pass */
	GATE_OFFERS = 1 << 5,	 /* answers say what the server offers */
	GATE_ENCRYPTED = 1 << 6, /* the block has a word on encrypted requests */
	GATE_WINDOW = 1 << 7,	 /* some rule of it is only-in; GATE_STEPS as well */
};

#define TB_KEY_RATE    0xffffu /* of a verdict's .rule: no key of the schema, but "rate" */
#define TB_KEY_TIMEOUT 0xfffeu /* "timeout" */

#define TB_STEP_WINDOW                                                                             \
	0xffu /* not a property: is one of these windows open?  syms -> their bits, low
			      * word first; symbol 0: no, 1: yes */

/* A property that rules ask for: class of rules so far x what it is -> class. */
struct tb_step {
	uint32_t bit;	/* of fact_props.known; 16 and up: a text; TB_STEP_WINDOW */
	uint32_t syms;	/* numbers: -> n, then {first number, symbol} pairs; text: -> trie */
	uint32_t n_sym; /* symbol 0: unknown, 1: does not apply; text: 2 no, 3 yes */
	uint32_t next;	/* -> [class * n_sym + symbol] */
};

/* A property that the block asks of all requests. */
struct tb_ask {
	uint32_t bit, key; /* key: index in the schema */
	uint32_t set;	   /* numbers: -> n, then lo, hi pairs; text: -> trie */
	uint32_t words;	   /* bit i: number i is in the set (i < 32) */
};
struct tb_max {
	uint32_t prop, key, max;
};
struct tb_offer {
	uint32_t prop, key, words;
};

enum tb_dir_type { TB_PAGED = 0, TB_SEARCH, TB_SUBS, TB_SUBS_FAR, TB_NAMES };
struct tb_dir {
	uint32_t type;	  /* enum tb_dir_type */
	uint32_t segs;	  /* -> the first seg; far: -> {first sub, dir} pairs */
	uint32_t n_pages; /* far: pairs */
	uint32_t last;	  /* number of the last seg; it ends at UINT32_MAX; subs: last dir */
	uint32_t shift;	  /* addresses are looked up in steps of 1 << shift */
	uint32_t entry[]; /* paged: [2 * page]: -> page, 0: none; [2 * page + 1]: seg number;
			   * subs: [page]: dir | TB_UNIFORM, or -> page of dirs */
};

/*
 * Seg number for address at << shift.  A page is 64 bytes, counted from its first seg: pages that are
 * cut in the same way are stored once, and the segs of one page are few cache lines, which can be
 * asked for before the page is read.
 */
static inline uint32_t
tb_paged(const uint32_t *w, const struct tb_dir *d, uint32_t at)
{
	uint32_t page = at >> TB_PAGE_SHIFT, off, s = d->last;

	if (page < d->n_pages) {
		off = d->entry[2 * (size_t)page];
		s = d->entry[2 * (size_t)page + 1];
		__builtin_prefetch(w + d->segs + 4 * (size_t)s);
		if (off != 0)
			s += ((const uint8_t *)(w + off))[at & (TB_PAGE - 1)];
	}
	return s;
}

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
	CAND_TAIL = 1 << 3,	/* limit is the rest of a pattern */
	CAND_LAST = 1 << 4,	/* what no rule speaks of */
};
#define CAND_ORDER 8 /* names: flags >> 8 is the rule's place; lists are merged by it */
struct tb_cand {
	uint32_t rule, bits;
	uint32_t limit; /* -> struct tb_limit or tb_tail; 0: any value, any rest */
	uint32_t flags; /* enum tb_cand_flags */
	uint32_t when;	/* -> n, then n struct tb_when; 0: whatever is known */
};

struct tb_limit {
	uint64_t step, base;
	struct value_change change;
	struct value_shape shape;
	uint32_t n;
	uint32_t changes; /* change counts */
	struct span set[];
};

/* Is the last value known of these addresses one of the limit's? */
struct tb_when {
	uint32_t limit; /* -> struct tb_limit; its shape says where */
	uint32_t space, sub, unit;
	uint32_t any_unit;  /* that of the request */
	uint32_t within[2]; /* low word first */
};

/* Values that rules ask the memory for (memory.h): cells of so many addresses each, of
 * subdivisions sub..sub_last.  Sorted by space, first. */
struct tb_watch {
	uint32_t space, sub, sub_last, first, last, cell;
	uint32_t bits;
	uint32_t reach; /* highest .last of those of the space so far */
};

#define TB_TAIL_RE 0x80000000u /* of skip: a struct re_table follows instead of a glob */
struct tb_tail {
	uint32_t skip; /* bytes of the name that are known to fit */
	char glob[];
};

/* --- names --------------------------------------------------------------------------- */

struct tb_names { /* a dir of type TB_NAMES */
	uint32_t type;
	uint32_t root;	  /* -> node: patterns of whole names */
	uint32_t n_uris;  /* then uri[], by which the rest of a name is looked up */
	uint32_t nowhere; /* -> node: denials, when the URI is not known */
	struct tb_seg unknown; /* an item without a name */
	struct tb_uri {
		uint32_t text, len, root;
	} uri[];
};

struct tb_node {
	struct tb_seg end, more; /* names that end here; that go on where no kid fits */
	uint32_t n_edge; /* bytes that lead here from the node above */
	uint32_t n_kids;
	uint32_t rest[]; /* those bytes; each kid's first byte; each kid: all in whole words */
};

static inline uint32_t
words_of(uint32_t bytes)
{
	return (bytes + 3) / 4;
}

/* Edges and kids are mostly few bytes: not worth a call. */
static inline bool
edge_fits(const uint8_t *edge, const uint8_t *s, uint32_t n)
{
	uint64_t a, b;

	if (n > 16)
		return memcmp(edge, s, n) == 0;
	if (n >= 8) {
		memcpy(&a, edge, 8);
		memcpy(&b, s, 8);
		if (a != b)
			return false;
		memcpy(&a, edge + n - 8, 8);
		memcpy(&b, s + n - 8, 8);
		return a == b;
	}
	for (uint32_t i = 0; i < n; i++)
		if (edge[i] != s[i])
			return false;
	return true;
}

static inline uint32_t
kid_find(const uint8_t *first, uint32_t n, uint8_t byte)
{
	const uint8_t *hit;
	uint32_t i = 0;

	if (n > 8) {
		hit = memchr(first, byte, n);
		return hit ? (uint32_t)(hit - first) : n;
	}
	while (i < n && first[i] != byte)
		i++;
	return i;
}

/* The seg of a name in a trie. */
static inline const struct tb_seg *
trie_find(const uint32_t *w, uint32_t root, const char *s, size_t len)
{
	const struct tb_node *n = (const struct tb_node *)(w + root), *kid;
	const uint8_t *at = (const uint8_t *)s, *end = at + len;
	const uint32_t *kids;
	uint32_t i;

	while (at != end) {
		kids = n->rest + words_of(n->n_edge);
		i = kid_find((const uint8_t *)kids, n->n_kids, *at);
		if (i == n->n_kids)
			return &n->more;
		kid = (const struct tb_node *)(w + kids[words_of(n->n_kids) + i]);
		if (kid->n_edge > (size_t)(end - at) ||
		    !edge_fits((const uint8_t *)kid->rest + 1, at + 1, kid->n_edge - 1))
			return &n->more;
		at += kid->n_edge;
		n = kid;
	}
	return &n->end;
}

/* What to do about a conduit as a whole. */
struct tb_conduit {
	uint8_t mode, otherwise; /* enum policy_mode, enum verdict_action */
	uint8_t flags;		 /* enum bind_flags of every flow: BIND_STRICT */
	uint8_t rejects;	 /* bit i: some verdict of the i-th block may be reject */
	uint8_t rates;		 /* bit i: the i-th block has limits: {rate:} */
	uint8_t timeouts;	 /* bit i: the i-th block has limits: {timeout:} */
	uint8_t states; /* bit i: some rule asks what values of its servers have last been */
	uint64_t only_in;	 /* windows of the conduit itself; 0: always */
	uint8_t cond[COND__MAX];
};

struct tb_net {
	struct net_prefix p;
	uint32_t zone;
};

struct policy {
	const uint32_t *w;
	uint32_t n_w;		  /* words */
	const uint32_t *block_of; /* [conduit * n_protos + proto] -> block or 0 */
	uint32_t n_conduits, n_protos;
	uint32_t generation;
	uint32_t no_conduit; /* verdict bits of the default deny */
	const struct tb_watch *watch; /* of all protocols, in their order */
	const uint32_t *watch_at;     /* [proto]: its first; [n_protos]: how many */
	uint64_t watch_hash; /* of them all, and whose they are: the same, the same are watched */
	const struct tb_conduit *conduits;

	/* binding: cold */
	struct pair_map pairs;
	uint32_t *device_slot; /* open addressing by address: device + 1 */
	uint32_t device_mask;
	struct tb_net *nets; /* longest first */
	uint32_t n_nets;
	uint32_t net_len[130]; /* nets of prefix length l: net_len[l + 1] .. net_len[l] */

	const struct ruleset *rs;
	const struct gate_spec *gate;
	const uint32_t *rule_id; /* EVE signature_id */
	uint8_t hash[32];
	struct arena keep; /* all of the above */
	bool image;	   /* it lies in a slot (image.h) */
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

/* Read, check and compile into p->keep, which the caller has made; false: c has errors, and
 * what is in p->keep is of no use.  Everything but the generation. */
struct policy_source;
bool policy_fill(struct policy *p, struct policy_source *src, struct complaints *c);
/* Build everything of p from rs into p->keep; or complain and return false.
 * Scratch arenas, which the caller ends: whole job, block, set of rules, table. */
bool compile_tables(struct policy *p, const struct ruleset *rs, struct arena scratch[4],
    struct complaints *c);
void compile_bind(struct policy *p, const struct ruleset *rs);
/* Before compile_tables(). */
void compile_watch(struct policy *p, const struct ruleset *rs, struct arena *scratch);
/* [conduit]: struct tb_conduit .states; in a. */
uint8_t *compile_states(struct policy *p, const struct ruleset *rs, struct arena *a);
void compile_gate_spec(struct policy *p, const struct ruleset *rs);
/* Where the first address of a fact's only item lies, by the tables of a block (its place in w[]); NULL
 * when these have to be searched. */
const struct tb_seg *tables_seg(const struct policy *p, uint32_t block, const struct fact *f);
/* Which of the protocols that a filter may judge (enum gate_proto, gate.h) has this name; or
 * GATE__PROTOS. */
unsigned gate_fast_proto(const char *name);
/* May a filter judge requests by the tables of the i-th block of a conduit?  enum kernel_why
 * (kernel.h): KERNEL_YES, or why not. */
unsigned gate_fast_why(
    const struct policy *p, const struct ruleset *rs, uint32_t conduit, uint32_t i);

/* Up to three ends of an address, narrowest first; how many. */
unsigned bind_ends(const struct policy *p, const struct net_addr *a, uint32_t end[3]);
/* The conduit of two rows of ends, narrowest first, or RULE_NONE. */
uint32_t bind_lookup_ends(
    const struct policy *p, const uint32_t *from, unsigned nf, const uint32_t *to, unsigned nt);
/* The conduit of a pair, or RULE_NONE. */
uint32_t bind_lookup(const struct policy *p, const struct net_addr *src,
    const struct net_addr *dst);
struct verdict bind_verdict(
    const struct policy *p, uint8_t mode, uint8_t would, uint8_t reason, uint32_t conduit);
/* On a packet from t->src to t->dst, of conduit c (or RULE_NONE), on a port of it or not. */
struct verdict bind_between(
    const struct policy *p, const struct net_tuple *t, uint32_t c, bool served);
struct policy_clock;
/* What a conduit lets its ends do may be shut by its windows. */
struct verdict bind_window(const struct policy *p, const struct net_tuple *t,
    const struct policy_clock *clock, struct verdict v);
/* Is the permit for connections between these ends? */
struct policy_permit;
bool permit_between(const struct policy_permit *m, const struct net_tuple *t);
/* What it is for, when that is not this request: NULL, or "other functions"; conduit, function and blocks. */
const char *permit_lacks(const struct policy_permit *m, uint32_t conduit, const struct fact *f);
/* May it be this rule that lets something pass: one that the permit opens, or open without it
 * (open: such windows)?  RULE_NONE: when the permit names no rules. */
bool permit_rule(
    const struct policy *p, const struct policy_permit *m, uint64_t open, uint32_t rule);
/* Windows that need a permit, as bits. */
uint64_t window_permits(const struct ruleset *rs);
/* Does what came in by this port (struct net_tuple) come from where the zone is?  zs, zd:
 * zones of sender and receiver, or UINT32_MAX. */
bool bind_port_fits(const struct policy *p, uint32_t zone, uint8_t port);
bool bind_vlan_fits(const struct policy *p, uint32_t zs, uint32_t zd, uint16_t vlan, uint8_t port);
/* Does the MAC fit the device at the address?  A capture without link layer has none: that
 * fits, as does an address of no device. */
bool bind_mac_fits(const struct policy *p, const struct net_addr *a, const uint8_t mac[6]);
uint32_t bind_device(const struct policy *p, const struct net_addr *a); /* or UINT32_MAX */
uint32_t bind_zone(const struct policy *p, const struct net_addr *a);	/* or UINT32_MAX */

#endif /* POLICY_TABLE_H */
