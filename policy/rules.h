/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules.h - a policy as its author wrote it, checked but not yet compiled.
 *
 * check.c makes this tree from YAML; compile.c makes tables of it, lint.c looks
 * for what is probably not meant, why.c explains with it, and the naive
 * evaluator of the tests judges with it alone.  It lives in the policy's arena.
 */
#ifndef POLICY_RULES_H
#define POLICY_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"
#include "dissectors/dissector.h"
#include "policy/arena.h"
#include "policy/policy.h"
#include "policy/tz.h"
#include "policy/value.h"
#include "policy/window.h"

/* Named limits; beyond them a policy does not load. */
#define RULES_MAX	 65536u /* rules in a policy */
#define BLOCK_RULES_MAX	 20000u /* rules in one protocol block */
#define CONDUIT_BLOCKS	 8u	/* protocol blocks in one conduit: bits of policy_bind.blocks */
#define CONDUIT_PAIRS	 (1u << 20) /* from x to, all conduits together */
#define NETS_MAX	 4096u	/* nets of all zones */
#define DEVICES_MAX	 65536u
#define L4_RULES_MAX	 256u	    /* rules in l4: of one conduit */
#define SETS_VALUES	 (1u << 20) /* values that sets put in, in all places together */
#define GROUPS_MAX	 1024u	    /* of devices; every role: that is used is one more */
#define GROUP_DEVICES	 (1u << 18) /* devices in all groups together */
#define GROUP_DEPTH	 16u	    /* groups within groups */
#define FLOWS_MAX	 (1u << 20) /* flows: of a conduit */
#define NAME_LEN_MAX	 64u	/* bytes of a name */
#define GLOB_LEN_MAX	 512u	/* bytes of a pattern */
#define APP_NAME_MAX 31u	/* bytes of one */
#define APPS_MAX	 64u	/* names in apps: of a conduit */
#define GLOBS_LINEAR	 64u	/* patterns with a wildcard inside that one name may have to try */
#define BLOCK_URIS	 64u	/* name spaces ("nsu=URI;") in the patterns of one rule set */
#define BLOCK_STEPS	 64u	/* properties and text lists the rules of one block ask for */
#define BLOCK_WINDOWS	 16u	/* different `only-in:` in one block */
#define PERMIT_KEYS	 16u	/* that may sign permits */

#define MODE_UNSET 0xff

struct place {
	unsigned line, col;
	uint16_t file; /* of the files of the policy; 0: the first */
};

struct ival {
	uint32_t lo, hi; /* inclusive */
};
struct ivals {
	struct ival *v;
	uint32_t n, cap;
};

struct rects { /* addresses a rule reaches in one space */
	struct dis_range *v;
	uint32_t n, cap;
};

/* What a written value must be: in one of set, and base + k * step.  Values are
 * compared as keys (value.h), which sort as the values of the type do. */
struct span {
	uint64_t lo, hi; /* inclusive */
};
struct spans {
	struct span *v;
	uint32_t n, cap;
};
struct limit {
	struct dis_range at; /* a whole number of values */
	struct value_shape shape;
	struct spans set;    /* sorted */
	uint64_t step, base; /* step 1 = every value of the set */
	bool changes;	     /* it also says by how much a value may change */
	struct value_change change;
	struct place place;
};
struct limits {
	struct limit *v;
	uint32_t n, cap;
};

/* A pattern that is an expression ("re:...", behind "nsu=URI;" too) has its table behind its text: glob_re(). */
struct globs {
	const char **v;
	uint32_t n, cap;
};

/* What a property of the session or message must be (struct fact_props). */
struct cond {
	const struct dis_key *key; /* NUMBER, WORD, TEXT */
	struct ivals set;	   /* NUMBER; WORD: indices of words */
	struct globs globs;	   /* TEXT */
	struct place place;
};
struct conds {
	struct cond *v;
	uint32_t n, cap;
};

/* `when:`: a rule holds while the last value known of an address is one of these. */
struct when {
	const struct dis_key *key;
	struct limit is; /* .at: exactly one value; without step and change */
	uint64_t within; /* ns; older values are not known any more */
	uint32_t unit;	 /* when unit_said; else the unit of the request */
	bool unit_said;
	struct place place;
};
struct whens {
	struct when *v;
	uint32_t n, cap;
};
#define WHENS_MAX    16u		   /* in one rule */
#define STATE_WITHIN UINT64_C(10000000000) /* within: where nobody says */

/* Slots separate what is read from what is written: space * 2 + (write ? 1 : 0). */
static inline unsigned
slot_of(unsigned space, unsigned access)
{
	return space * 2 + ((access & ACC_WRITE) != 0);
}

/*
 * A stretch of the week or of the calendar, by the clock on the wall at its place: it is open
 * whenever that clock shows a time in it.
 */
struct window {
	const char *name;
	struct place place;
	bool needs_permit, used;
	uint32_t max_s;	    /* a permit opens it for so long at most; 0: nobody said */
	struct ivals week;  /* minutes since Monday 00:00 */
	struct spans dates; /* seconds since 1970-01-01 00:00 on that clock, inclusive */
	const char *tz;	    /* as written */
	const struct tz_turn *turn;
	uint32_t n_turns;
};

struct port_span {
	uint16_t lo, hi;
	bool tcp, udp;
};
struct port_spans {
	struct port_span *v;
	uint32_t n, cap;
};

struct rule {
	const char *name;
	struct place place;
	uint32_t index;	  /* in ruleset.rules; what verdicts call .rule */
	bool deny;
	bool enabled;
	bool everything;  /* a deny rule that names no addresses: all of them */
	bool subs_stated; /* it has a key of kind SUB */
	uint8_t verdict;  /* allow rule: allow or alert; deny rule: reject, drop, reset */
	uint8_t mode;	  /* enum policy_mode, or MODE_UNSET: the conduit's */
	uint64_t *ops;	  /* bit set of opx */
	struct ivals units; /* sorted, merged; all, when the protocol has no units */
	struct rects *reach; /* [slot] */
	struct globs *names; /* [slot] */
	struct limits *limits; /* [space]; what is written there */
	struct ivals *subs;    /* [slot]; of a space with a key of kind SUB, else empty: any */
	struct conds conds;    /* at most one per key */
	struct whens whens;    /* all of them have to hold */
	uint64_t only_in;      /* windows, as bits; 0: always */
	struct port_spans ports; /* of l4: */
};

struct rule_list {
	struct rule **v;
	uint32_t n, cap;
};

/* limits: of a block */
struct maximum {
	const struct dis_key *key;
	uint32_t max;
	struct place place;
};
struct maxima {
	struct maximum *v;
	uint32_t n, cap;
};

/* One protocol inside a conduit. */
struct block {
	const struct dissector *dis;
	uint8_t proto; /* index in dissectors[] */
	struct place place;
	uint8_t opt[DIS_OPTION_MAX];
	struct port_spans ports;
	struct rule_list deny, allow; /* in the order of the file */
	struct conds floor;	/* what every request has to meet */
	struct maxima limits;	/* what no message should exceed */
	uint32_t rate;		/* requests per second of one connection; 0: any */
	uint64_t timeout_ns;	/* a request waits this long for its answer; 0: nobody said */
	uint8_t over;		/* enum verdict_action on one that does */
	uint8_t encrypted;	/* enum verdict_action, or BLOCK_UNSAID: the condition's */
	bool endpoint_only;	/* an encrypted request that meets the floor may pass */
	bool learn_once;	/* unknown properties of a flow taken up midstream are met */
};
#define BLOCK_UNSAID 0xff

/* In order of how narrow they are. */
enum end_kind { END_ANY = 0 /* zone/star */, END_ZONE /* its declared devices */, END_DEVICE };

/* A group (or role:) stands here as its devices, one after another. */
struct endpoint {
	uint8_t kind;	/* enum end_kind */
	uint32_t index; /* of the device or zone */
	uint32_t group; /* it came by groups[group - 1]; 0: it is written itself */
	struct place place;
};
struct endpoints {
	struct endpoint *v;
	uint32_t n, cap;
};

struct conduit {
	const char *name;
	struct place place;
	uint32_t index;
	struct endpoints from, to;
	uint8_t otherwise;	  /* enum verdict_action */
	uint8_t mode;		  /* enum policy_mode, its own or the policy's */
	uint8_t cond[COND__MAX];  /* enum verdict_action */
	bool fail_open;
	struct globs apps;	  /* names; what no dissector claims may pass when it is one of these */
	const void *yaml; /* its map, to compare conduits; gone after check */
	bool strict, echo;   /* strict: true; icmp: [echo] */
	uint64_t latency_ns; /* 0: nobody said */
	uint32_t flows;	     /* slots kept for it; 0: nobody said */
	uint64_t only_in;    /* windows, as bits: outside nothing is allowed by it; 0: always */
	struct block *blocks;
	uint32_t n_blocks;
	struct block *l4; /* its rules, allow only; NULL: none */
};

enum zone_port { ZONE_PORT_UNSAID = 0, ZONE_OUTSIDE, ZONE_INSIDE };

struct zone {
	const char *name;
	struct place place;
	const char *level; /* as written, or NULL */
	uint8_t port;	   /* enum zone_port */
	uint16_t vlan;	   /* 0 = unsaid */
	struct net_prefix *nets;
	uint32_t n_nets, n_devices;
	uint32_t packets_per_s, flows_per_s; /* limits: ; 0: none */
};

struct device {
	const char *name;
	struct place place;
	uint32_t zone;
	struct net_addr ip;
	uint8_t mac[6];
	bool has_mac;
	const char *role, *location; /* as written, or NULL */
};

/* Devices under one name; `role:hmi` is one, too. */
struct device_group {
	const char *name;
	struct place place;
	uint32_t *devices; /* indices, ascending */
	uint32_t n;
	bool used; /* while checking */
};
struct device_groups {
	struct device_group *v;
	uint32_t n, cap;
};

/* A name out of a file of `names:`. */
struct sym {
	const char *name;
	const char *node; /* pattern, "nsu=URI;s=..." or "i=85"; NULL: at */
	const char *type; /* as check_value.c calls it, or NULL */
	const char *file;
	struct dis_range at;
	unsigned line;
	uint32_t device;
	uint8_t proto;
	bool low_word_first;
};
struct syms {
	struct sym *v; /* by name, then device */
	uint32_t n, cap;
};

enum arp_choice { ARP_BOUND = 0, ARP_ANY, ARP_DROP };

struct l2_rules {
	uint8_t arp;	   /* enum arp_choice */
	uint8_t mac;	   /* enum verdict_action: a declared device with another MAC */
	uint8_t otherwise; /* enum verdict_action */
	uint8_t ra, mld;   /* enum verdict_action: router advertisements, multicast listeners */
	bool stp;	   /* LLC frames to the bridge group address */
	bool dcp;	   /* of PROFINET only DCP, by its FrameID */
	uint16_t *types;   /* allowed ethertypes, sorted */
	uint32_t n_types;
};

struct ruleset {
	const char *file, *site;
	const char **files; /* by struct place; the first is .file */
	uint32_t n_files;
	uint8_t mode; /* enum policy_mode; MODE_ALERT when not stated */
	bool mode_stated;
	bool fail_open;
	/* Where it is first asked for; line 0: nowhere. */
	struct place fail_open_at, conduit_open_at, limits_at, values_at;
	uint8_t cond[COND__MAX];
	struct l2_rules l2;
	struct zone *zones;
	struct device *devices;
	struct conduit *conduits;
	uint32_t n_zones, n_devices, n_conduits;
	struct device_groups groups;
	struct pair_map *pairs;	   /* the most specific conduit of each pair that is written */
	struct window *windows;
	uint32_t n_windows;
	uint8_t (*permit_key)[32]; /* that may sign permits */
	uint32_t n_permit_keys;
	uint32_t permit_max_s, grace_s; /* permits: max (0: nobody said), grace */
	bool clock_sync;		/* permits: {clock: synchronised} */
	const struct rule **rules; /* all of them, by index */
	const struct conduit **rule_conduit;
	const struct block **rule_block;
	uint32_t n_rules;
	struct syms syms;
	const struct sym **sym_at; /* by device, protocol and what they stand for */
};

/*
 * Which conduit is written for a pair of ends.  An address is at most three
 * ends: the declared device, the declared devices of its zone, anything in its
 * zone; end_key() numbers them.
 */
struct pair_map {
	uint64_t *key;	   /* from << 32 | to */
	uint32_t *conduit; /* PAIR_NONE: slot is free */
	uint32_t mask, n;
};
#define PAIR_NONE UINT32_MAX
#define END_NONE  UINT32_MAX /* no such end */

static inline uint32_t
end_key(uint8_t kind, uint32_t index)
{
	return (uint32_t)kind << 30 | index;
}

static inline uint64_t
pair_key(uint32_t from, uint32_t to)
{
	return (uint64_t)from << 32 | to;
}

/* Room for n pairs. */
void pair_map_init(struct arena *a, struct pair_map *m, uint32_t n);
/* The first conduit put for a pair stays; returns it. */
uint32_t pair_map_put(struct pair_map *m, uint64_t key, uint32_t conduit);
uint32_t pair_map_get(const struct pair_map *m, uint64_t key);
/* Next wider end: device, its zone's devices, anything in the zone, END_NONE. */
uint32_t end_wider(const struct ruleset *rs, uint32_t end);
/* Pairs of all conduits; at most CONDUIT_PAIRS after check. */
uint64_t rules_pairs(const struct ruleset *rs);

struct ynode;

/* Warnings about what loads but is probably not meant. */
void lint_policy(const struct ruleset *rs, struct arena *scratch, struct complaints *c);

/* lint_state.c: rules of a block that ask for values which nobody can ever know. */
void lint_state(struct complaints *c, const struct ruleset *rs, const struct conduit *cd,
    const struct block *b);

struct policy_source;
/* A policy of several files: files.h. */
struct ruleset *rules_read_source(
    struct arena *keep, struct arena *scratch, struct complaints *c, struct policy_source *src);
/* text to tree to rules: what the naive evaluator builds on. */
struct ruleset *rules_read(struct arena *keep, struct arena *scratch, struct complaints *c,
    const char *text, size_t len);

/* --- small things more than one of them needs ----------------------------------- */

static inline bool
rule_has_op(const struct rule *r, uint32_t opx)
{
	return (r->ops[opx / 64] >> (opx % 64) & 1) != 0;
}

static inline const char *
rules_file(const struct ruleset *rs, const struct place *at)
{
	return rs->files[at->file < rs->n_files ? at->file : 0];
}

/* Of normalised intervals only. */
bool ivals_has(const struct ivals *s, uint32_t v);
/* Sorted, without overlaps or touching neighbours. */
void ivals_normalise(struct ivals *s);
/* May the value with this key be written? */
bool limit_holds(const struct limit *l, uint64_t key);
/* The whole text against '*' and '?'. */
bool glob_match(const char *glob, const char *text, size_t len);
/* Of the text of a pattern (behind "nsu=URI;"): the table of an expression, NULL: it is a glob. */
struct re_table;
const struct re_table *glob_re(const char *text);
/* The whole text against either. */
bool pattern_match(const char *pattern, const char *text, size_t len);
/* Windows that a conduit speaks of, in itself and in its rules. */
uint64_t rules_windows(const struct ruleset *rs, uint32_t conduit);
/* Index of the zone that holds an address (longest prefix), or UINT32_MAX. */
uint32_t rules_zone_of(const struct ruleset *rs, const struct net_addr *a);
/* Does a condition hold?  unknown: the answer for a property that is not known; one that
 * does not apply is met by an allow rule and a floor (deny false), never by a denial. */
bool cond_holds(const struct cond *c, const struct fact_props *props, bool deny, bool unknown);
/*
 * A name may stand for several: a pattern "nsu=URI;REST" is about names in the
 * name space URI, whatever number it has there ("ns=N;REST").
 */
struct glob {
	const char *uri; /* NULL: none */
	uint32_t uri_len;
	const char *text; /* pattern of the whole name, or of what follows "ns=N;" */
};
struct glob glob_parse(const char *text);
/* Bytes of "ns=N;" at the front of a name; 0: it is in name space 0. */
uint32_t name_ns_len(const char *name, uint32_t len);
/* The URI of an item's name, or NULL: not known. */
const char *item_uri(const struct fact_item *it, uint32_t *len);
/* Has the rule a pattern for this name?  What is not known (the name, its URI)
 * is matched by "*" alone, and by every pattern of a denial. */
bool names_hit(const struct rule *r, unsigned slot, const struct fact_item *it);
/* Has the protocol a key of this kind (for this space; SPACE_NONE: for any)? */
#define SPACE_NONE 0xff
bool schema_has(const struct dis_schema *s, uint8_t kind, uint8_t space);
/* Can requests of the protocol be unreadable?  It has a map of session properties, or
 * an operation "encrypted". */
bool schema_encrypts(const struct dis_schema *s);

#endif /* POLICY_RULES_H */
