/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c - building a policy from its text, and answering what it is made of. */
#include "policy/policy.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/err.h"
#include "policy/complain.h"
#include "policy/files.h"
#include "policy/image.h"
#include "policy/table.h"
#include "policy/yaml.h"

/* --- rule ids --------------------------------------------------------------------------- */

/* EVE signature_id: a range of its own, far from published rule sets. */
#define RULE_ID_FIRST 1000000000u
#define RULE_ID_COUNT 1000000000u

struct rule_ref {
	uint64_t hash;
	uint32_t rule;
};

static uint64_t
fnv1a(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return h;
}

static int
ref_cmp(const void *va, const void *vb)
{
	const struct rule_ref *a = va, *b = vb;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return (a->rule > b->rule) - (a->rule < b->rule);
}

static int
id_cmp(const void *va, const void *vb)
{
	const struct rule_ref *a = va, *b = vb;
	uint64_t x = a->hash % RULE_ID_COUNT, y = b->hash % RULE_ID_COUNT;

	return x != y ? (x < y ? -1 : 1) : ref_cmp(va, vb);
}

/*
 * The id is the FNV-1a hash of "conduit/rule" reduced to the range, so it
 * survives every edit but a change of name.  Of rules that fall on one number
 * the first (by full hash) keeps it and the next takes the next free one: the
 * set of names decides, not their order.
 */
static void
make_ids(struct policy *p, const struct ruleset *rs, struct arena *scratch)
{
	struct rule_ref *refs = arena_array(scratch, rs->n_rules + 1u, sizeof(*refs));
	uint32_t *id = arena_array(&p->keep, rs->n_rules + 1u, sizeof(*id)), want, free_id = 0;

	for (uint32_t i = 0; i < rs->n_rules; i++) {
		uint64_t h = fnv1a(UINT64_C(0xcbf29ce484222325), rs->rule_conduit[i]->name);

		refs[i] = (struct rule_ref){fnv1a(fnv1a(h, "/"), rs->rules[i]->name), i};
	}
	qsort(refs, rs->n_rules, sizeof(*refs), id_cmp);
	for (uint32_t i = 0; i < rs->n_rules; i++) {
		want = (uint32_t)(refs[i].hash % RULE_ID_COUNT);
		if (want < free_id)
			want = free_id;
		id[refs[i].rule] = RULE_ID_FIRST + want;
		free_id = want + 1;
	}
	p->rule_id = id;
}

/* --- building ----------------------------------------------------------------------------- */

static atomic_uint generations;

struct build { /* survives a jump out of memory */
	struct arena scratch, tables[4];
	jmp_buf oom;
	bool done;
};

static bool
build(struct build *b, struct policy *p, struct policy_source *src, struct complaints *c)
{
	const struct ruleset *rs;

	rs = rules_read_source(&p->keep, &b->scratch, c, src);
	if (!rs)
		return false;
	p->rs = rs;
	compile_watch(p, rs, &b->scratch);
	if (!compile_tables(p, rs, b->tables, c))
		return false;
	compile_bind(p, rs);
	compile_gate_spec(p, rs);
	make_ids(p, rs, &b->scratch);
	memcpy(p->hash, src->hash, sizeof(p->hash));
	return true;
}

bool
policy_fill(struct policy *p, struct policy_source *src, struct complaints *c)
{
	struct build *b = calloc(1, sizeof(*b));
	bool done;

	c->file = src->name;
	if (!b) {
		complain_at(c, COMPLAINT_ERROR, 0, 0, "%s", err_str(ERR_NOMEM));
		return false;
	}
	p->keep.oom = b->scratch.oom = &b->oom;
	for (unsigned i = 0; i < 4; i++)
		b->tables[i].oom = &b->oom;
	if (setjmp(b->oom) == 0)
		b->done = build(b, p, src, c);
	else
		complain_at(c, COMPLAINT_ERROR, 0, 0, "%s", err_str(ERR_NOMEM));
	p->keep.oom = NULL;
	arena_fini(&b->scratch);
	for (unsigned i = 0; i < 4; i++)
		arena_fini(&b->tables[i]);
	done = b->done;
	free(b);
	return done;
}

struct policy *
policy_build_text(const char *name, const char *text, size_t len, struct complaints *c)
{
	struct policy_source src = {.name = name, .text = text, .len = len};

	return policy_build_source(&src, c);
}

struct policy *
policy_build_source(struct policy_source *src, struct complaints *c)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (!p) {
		c->file = src->name;
		complain_at(c, COMPLAINT_ERROR, 0, 0, "%s", err_str(ERR_NOMEM));
		return NULL;
	}
	if (!policy_fill(p, src, c)) {
		arena_fini(&p->keep);
		free(p);
		return NULL;
	}
	p->generation = atomic_fetch_add(&generations, 1) + 1;
	return p;
}

/* All of a stream; NULL and a complaint when that fails. */
static char *
read_all(FILE *f, size_t *len, struct complaints *c)
{
	size_t cap = 65536, n = 0, got;
	char *buf = malloc(cap), *more;

	while (buf) {
		got = fread(buf + n, 1, cap - n, f);
		n += got;
		if (n < cap || n > YAML_SIZE_MAX)
			break;
		more = realloc(buf, cap * 2);
		if (!more) {
			free(buf);
			buf = NULL;
			break;
		}
		buf = more;
		cap *= 2;
	}
	if (!buf) {
		complain_at(c, COMPLAINT_ERROR, 0, 0, "%s", err_str(ERR_NOMEM));
	} else if (ferror(f)) {
		complain_at(c, COMPLAINT_ERROR, 0, 0, "%s", strerror(errno));
		free(buf);
		buf = NULL;
	}
	*len = n;
	return buf;
}

struct policy *
policy_build(const char *path, struct complaints *c)
{
	bool std = strcmp(path, "-") == 0;
	struct policy_source src = {0};
	struct policy *p = NULL;
	size_t len = 0;
	char *text;
	FILE *f;
	int dir = -1;

	c->file = std ? "standard input" : path;
	f = std ? stdin : fopen(path, "re");
	if (!f) {
		complain_at(c, COMPLAINT_ERROR, 0, 0, "%s", strerror(errno));
		return NULL;
	}
	text = read_all(f, &len, c);
	if (!std)
		fclose(f);
	if (!std)
		dir = policy_dir_open(path);
	src = (struct policy_source){.name = c->file,
	    .text = text,
	    .len = len,
	    .read = dir >= 0 ? policy_dir_read : NULL,
	    .ctx = &dir};
	if (text)
		p = policy_build_source(&src, c);
	if (dir >= 0)
		close(dir);
	free(text);
	return p;
}

void
policy_free(struct policy *p)
{
	if (!p)
		return;
	if (p->image) {
		policy_image_unmap(p);
		return;
	}
	arena_fini(&p->keep);
	free(p);
}

/* --- asking --------------------------------------------------------------------------------- */

uint32_t
policy_rule_count(const struct policy *p)
{
	return p->rs->n_rules;
}

int
policy_rule_info(const struct policy *p, uint32_t rule, struct policy_rule_info *out)
{
	const struct rule *r;

	if (rule >= p->rs->n_rules)
		return ERR_NOTFOUND;
	r = p->rs->rules[rule];
	*out = (struct policy_rule_info){
	    .name = r->name,
	    .conduit = p->rs->rule_conduit[rule]->name,
	    .proto = p->rs->rule_block[rule]->dis->name,
	    .file = rules_file(p->rs, &r->place),
	    .line = r->place.line,
	    .col = r->place.col,
	    .deny = r->deny,
	    .id = p->rule_id[rule],
	    .verdict = r->verdict,
	};
	return 0;
}

bool
policy_rule_enabled(const struct policy *p, uint32_t rule)
{
	return rule < p->rs->n_rules && p->rs->rules[rule]->enabled;
}

uint32_t
policy_conduit_count(const struct policy *p)
{
	return p->rs->n_conduits;
}

const char *
policy_conduit_name(const struct policy *p, uint32_t conduit)
{
	return p && conduit < p->rs->n_conduits ? p->rs->conduits[conduit].name : "-";
}

int
policy_conduit_place(const struct policy *p, uint32_t conduit, unsigned *line, unsigned *col)
{
	if (conduit >= p->rs->n_conduits)
		return ERR_NOTFOUND;
	*line = p->rs->conduits[conduit].place.line;
	*col = p->rs->conduits[conduit].place.col;
	return 0;
}

const char *
policy_conduit_file(const struct policy *p, uint32_t conduit)
{
	return conduit < p->rs->n_conduits ? rules_file(p->rs, &p->rs->conduits[conduit].place)
					   : p->rs->file;
}

const char *
policy_device_name(const struct policy *p, const struct net_addr *a)
{
	uint32_t d = bind_device(p, a);

	return d != UINT32_MAX ? p->rs->devices[d].name : NULL;
}

const char *
policy_device_role(const struct policy *p, const struct net_addr *a)
{
	uint32_t d = bind_device(p, a);

	return d != UINT32_MAX ? p->rs->devices[d].role : NULL;
}

bool
policy_has_end(const struct policy *p, const char *name)
{
	for (uint32_t i = 0; i < p->rs->n_devices; i++)
		if (strcmp(p->rs->devices[i].name, name) == 0)
			return true;
	for (uint32_t i = 0; i < p->rs->n_zones; i++)
		if (strcmp(p->rs->zones[i].name, name) == 0)
			return true;
	return false;
}

bool
policy_has_group(const struct policy *p, const char *name)
{
	for (uint32_t i = 0; i < p->rs->groups.n; i++)
		if (strcmp(p->rs->groups.v[i].name, name) == 0)
			return true;
	return false;
}

uint32_t
policy_device_count(const struct policy *p)
{
	return p->rs->n_devices;
}

uint32_t
policy_zone_count(const struct policy *p)
{
	return p->rs->n_zones;
}

const char *
policy_zone_name(const struct policy *p, const struct net_addr *a)
{
	uint32_t z = bind_zone(p, a);

	return z != UINT32_MAX ? p->rs->zones[z].name : NULL;
}

const char *
policy_site(const struct policy *p)
{
	return p->rs->site;
}

enum policy_mode
policy_mode(const struct policy *p)
{
	return (enum policy_mode)p->rs->mode;
}

bool
policy_mode_stated(const struct policy *p)
{
	return p->rs->mode_stated;
}

bool
policy_fail_open(const struct policy *p, uint32_t conduit)
{
	return conduit < p->rs->n_conduits ? p->rs->conduits[conduit].fail_open : p->rs->fail_open;
}

bool
policy_asks(
    const struct policy *p, enum policy_asks what, const char **file, unsigned *line, unsigned *col)
{
	const struct ruleset *rs = p->rs;
	const struct place *at = what == ASKS_FAIL_OPEN	     ? &rs->fail_open_at
				 : what == ASKS_CONDUIT_OPEN ? &rs->conduit_open_at
				 : what == ASKS_VALUES	     ? &rs->values_at
							     : &rs->limits_at;

	if (at->line == 0)
		return false;
	*file = rules_file(rs, at);
	*line = at->line;
	*col = at->col;
	return true;
}

uint64_t
policy_latency_ns(const struct policy *p, uint32_t conduit)
{
	return conduit < p->rs->n_conduits ? p->rs->conduits[conduit].latency_ns : 0;
}

uint32_t
policy_flow_slots(const struct policy *p, uint32_t conduit)
{
	return conduit < p->rs->n_conduits ? p->rs->conduits[conduit].flows : 0;
}

uint32_t
policy_zone_of(const struct policy *p, const struct net_addr *a)
{
	return bind_zone(p, a);
}

void
policy_zone_limits(const struct policy *p, const struct net_addr *a, uint32_t *packets_per_s,
    uint32_t *flows_per_s)
{
	uint32_t z = bind_zone(p, a);

	*packets_per_s = z != UINT32_MAX ? p->rs->zones[z].packets_per_s : 0;
	*flows_per_s = z != UINT32_MAX ? p->rs->zones[z].flows_per_s : 0;
}

uint32_t
policy_generation(const struct policy *p)
{
	return p->generation;
}

const uint8_t *
policy_hash(const struct policy *p)
{
	return p->hash;
}

bool
policy_has_names(const struct policy *p)
{
	return p->rs->syms.n != 0;
}

size_t
policy_bytes(const struct policy *p)
{
	return sizeof(*p) + p->keep.bytes;
}

/* --- names ------------------------------------------------------------------------------------ */

#define NAME_OF(list, i) ((i) < sizeof(list) / sizeof((list)[0]) ? (list)[i] : "unknown")

const char *
verdict_action_name(uint8_t action)
{
	static const char *const names[] = {"allow", "alert", "reject", "drop", "reset"};

	return NAME_OF(names, action);
}

const char *
policy_reason_name(uint8_t reason)
{
	static const char *const names[] = {"rule", "otherwise", "default_deny", "port", "response",
	    "condition", "l2", "no_policy", "security", "limit", "app", "place", "window"};

	return NAME_OF(names, reason);
}

const char *
policy_key_name(uint32_t rule)
{
	const struct dis_schema *sc = rule >> 16 < n_dissectors ? dissectors[rule >> 16]->schema : NULL;

	if ((rule & 0xffff) == TB_KEY_RATE)
		return "rate";
	if ((rule & 0xffff) == TB_KEY_TIMEOUT)
		return "timeout";
	return sc && (rule & 0xffff) < sc->n_keys ? sc->keys[rule & 0xffff].name : "-";
}

const char *
policy_cond_name(uint8_t cond)
{
	static const char *const names[] = {"unparsable", "unsolicited", "midstream",
	    "overlap-differs", "fragment", "overload", "encrypted", "bad-checksum", "audit-failure"};

	return NAME_OF(names, cond);
}
