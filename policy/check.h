/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h - what the parts of the checker share.  Nobody else includes it, but for its maps and scalars
 * collector/playbook_read.c, which reads YAML as strictly.
 */
#ifndef POLICY_CHECK_H
#define POLICY_CHECK_H

#include "policy/complain.h"
#include "policy/rules.h"
#include "policy/yaml.h"

struct check {
	struct arena *keep;    /* the rule tree */
	struct arena *scratch; /* gone after the check */
	struct complaints *c;
	struct ruleset *rs;
	struct names *names; /* zones, devices and conduits share one namespace */
	struct rule_list rules; /* all so far, in index order */
	uint32_t n_nets;
	uint32_t n_ends; /* of all conduits, groups taken apart */
	uint32_t n_group_devices;
	struct inclusion *files; /* include.c */
	bool names_bad;	 /* a file of them could not be read: what follows from that is not told */
	uint32_t n_near; /* unknown names of registers, symbols, nodes so far (syms.c) */
	uint32_t n_res;	 /* expressions of names so far (re.h) */
};

/* How a map may be filled. */
enum field_need {
	FIELD_MAY = 0,
	FIELD_MUST,
	FIELD_LATER, /* part of the full language, refused by this version */
};
struct field {
	const char *key;
	uint8_t need;
};
#define FIELDS_MAX 64u

/*
 * Sort the values of a map by the fields they belong to: out[i] is the value of
 * fields[i] or NULL.  Complains of a value that is no map, of unknown, missing
 * and not yet supported keys; what says whose keys they are.  Keys for which
 * other(k, ctx, key) is true are left to the caller.
 */
bool check_map(struct check *k, const struct ynode *map, const char *what,
    const struct field *fields, unsigned n, const struct ynode **out,
    bool (*other)(struct check *k, void *ctx, const struct ynode *key), void *ctx);

/* An error at a node; a warning at a place that outlives its node. */
void check_error(struct check *k, const struct ynode *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Warnings do not keep a policy from loading. */
void check_warn(struct check *k, const struct place *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Scalars; false after a complaint.  what names the key. */
bool check_text(struct check *k, const struct ynode *n, const char *what, const char **out);
bool check_name(struct check *k, const struct ynode *n, const char *what, const char **out);
bool check_number(struct check *k, const struct ynode *n, const char *what, uint32_t lo,
    uint32_t hi, uint32_t *out);
bool check_bool(struct check *k, const struct ynode *n, const char *what, bool *out);
/* One word of a NULL-ended list; its index. */
bool check_word(struct check *k, const struct ynode *n, const char *what,
    const char *const *words, unsigned *out);
/* A verdict word that the mask (bits of enum verdict_action) permits. */
bool check_action(struct check *k, const struct ynode *n, const char *what, unsigned mask,
    uint8_t *out);
bool check_mode(struct check *k, const struct ynode *n, const char *what, uint8_t *out);
void check_conditions(struct check *k, const struct ynode *n, const char *what,
    uint8_t cond[COND__MAX]);
bool check_fail(
    struct check *k, const struct ynode *n, const char *what, bool *open, struct place *first);
/* "200/s"; from 1 on. */
bool check_rate(struct check *k, const struct ynode *n, const char *what, uint32_t *out);
/* "120s", "90m", "4h", in seconds; up to most_s. */
bool check_seconds(
    struct check *k, const struct ynode *n, const char *what, uint32_t most_s, uint32_t *out);
/* "500us", "2ms", "1s", up to a minute, in nanoseconds. */
bool check_time(struct check *k, const struct ynode *n, const char *what, uint64_t *out);
/* Decimal or 0x number; whole text.  0, ERR_SYNTAX or ERR_RANGE. */
int text_number(const char *s, uint64_t max, uint64_t *out);
/* "a", or "a..b" with a <= b. */
int text_span(const char *s, uint32_t max, struct ival *out);

/* "zone "x": ..." for messages; static storage of the caller. */
struct what {
	char text[NAME_LEN_MAX + 96];
};
const char *what_name(struct what *w, const char *kind, const char *name);

/* A list, or one value standing for a list of one. */
static inline uint32_t
list_n(const struct ynode *n)
{
	return n->kind == Y_LIST ? n->n : 1;
}

static inline const struct ynode *
list_at(const struct ynode *n, uint32_t i)
{
	return n->kind == Y_LIST ? n->kids[i] : n;
}

static inline struct place
place_of(const struct ynode *n)
{
	return (struct place){n->line, n->col, n->file};
}

/* The namespace. */
enum name_kind { NAME_ZONE = 0, NAME_DEVICE, NAME_CONDUIT, NAME_GROUP };
struct name_entry {
	const char *name;
	uint8_t kind;
	uint32_t index;
	struct place place;
};
void names_add(struct check *k, const struct ynode *at, const char *name, uint8_t kind,
    uint32_t index);
const struct name_entry *names_find(const struct check *k, const char *name);
/* The nearest zone, device or group to a word that is none. */
const char *names_nearest(const struct check *k, const char *word);

/* sets.c: puts what sets hold where they are used. */
void sets_expand(struct check *k, const struct ynode *root);
#define PERMIT_GRACE_S 120u
/* check_window.c: windows:, permits:, and a list of windows as bits. */
void check_windows(struct check *k, const struct ynode *n);
void check_permits(struct check *k, const struct ynode *n);
void check_only_in(struct check *k, const struct ynode *n, const char *who, uint64_t *out);

/* check_l2.c */
void check_l2(struct check *k, const struct ynode *n);
/* check_group.c */
void check_groups(struct check *k, const struct ynode *n);
/* Warns of groups that nothing names. */
void check_groups_used(struct check *k);
/* The group of all devices with a role: its index, or UINT32_MAX after a complaint. */
uint32_t group_of_role(struct check *k, const char *who, const struct ynode *n, const char *role);
#define ROLE_PREFIX "role:"

/* check_conduit.c */
void check_conduits(struct check *k, const struct ynode *list);
/* check_l4.c: behind the blocks, from which it may take no port. */
void check_l4(struct check *k, const struct ynode *n, struct conduit *c, const char *who);
/* overlap.c */
void check_overlaps(struct check *k);
/* check_block.c */
void check_block(struct check *k, const struct ynode *n, struct conduit *c, struct block *b);
/* A rule is "conduit/rule" everywhere: within a conduit its name is unique. */
void check_rule_names(struct check *k, const struct conduit *c);

/* check_rule.c */
struct rule *rule_new(
    struct check *k, const struct dis_schema *sc, bool deny, const struct conduit *c);
struct rule_check {
	struct check *k;
	const struct conduit *c;
	const struct block *b;
	const struct dis_schema *sc;
	struct rule *r;
	const struct sym *sym; /* the name that the last check_range() read, or NULL */
	const char *who; /* `rule "poll"` */
};
void check_rule(struct check *k, const struct ynode *n, struct conduit *c, struct block *b,
    bool deny);
/* One range in the protocol's notation; "all" is not for it.  False after a complaint. */
bool check_range(struct rule_check *rc, const struct dis_key *key, const struct ynode *n,
    struct dis_range *out);

/* check_cond.c: keys over properties, of rules and of blocks. */
void check_cond(struct check *k, const char *who, const struct dis_key *key,
    const struct ynode *n, struct conds *out);
/* Integers lo..hi, words, "all"; sorted. */
void check_numbers(struct check *k, const char *who, const struct dis_key *key,
    const struct ynode *n, struct ivals *out);
/* Patterns; false: there was a complaint. */
bool check_globs(struct check *k, const char *who, const struct dis_key *key,
    const struct ynode *n, bool uris, struct globs *out);
/* 8192, 64KiB, 1MiB */
bool check_size(struct check *k, const char *who, const struct dis_key *key,
    const struct ynode *n, uint32_t *out);

/* check_when.c: what values have last been. */
void check_whens(struct rule_check *rc, const struct ynode *n);
/* `change:` and `within:` (or NULL) of a limit whose addresses and shape are known. */
bool check_change(struct rule_check *rc, const char *who, const struct ynode *n,
    const struct ynode *within, struct limit *l);

/* check_value.c: what may be written. */
/* out->at is one value: is it one of these?  type and order may be NULL. */
bool check_is(struct rule_check *rc, const char *key, const struct ynode *at,
    const struct ynode *is, const struct ynode *type, const struct ynode *order, struct limit *out);
const char *value_type_known(
    const char *word, uint64_t *bits); /* name in small letters; NULL: none such */
void check_values(struct rule_check *rc, const struct dis_key *key, const struct ynode *n);
void check_limits_fit(struct rule_check *rc, const struct dis_key *key);

#endif /* POLICY_CHECK_H */
