/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_approve.c - policy approve: rules that say `enabled: false` are approved in the text of the
 * policy itself, byte for byte as it was but for that.
 *
 * A line that is nothing but `enabled: false` goes; elsewhere (in {...}) the word becomes `true`.
 * Before the file is replaced the new text is read as a policy: the same rules, and enabled are
 * those that were and those that were meant.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/opts.h"
#include "cli/put.h"
#include "policy/complain.h"
#include "policy/files.h"
#include "policy/yaml.h"

#define WHO_MAX 80u

static const char help[] =
    "usage: interlock policy approve [--by NAME] POLICY [RULE...|--all]\n"
    "Rules that wait (`enabled: false`) are approved: the file is edited in place, all else in it\n"
    "stays as it is. RULE is a name, or CONDUIT/NAME. Without one, what waits is listed.\n\n"
    "  --all        all that wait in this file\n"
    "  --by NAME    says so in a comment, with the day\n\n"
    "exit status: 0 approved, or nothing waits; 1 listed what waits; 2 could not\n";

/* A rule of the file. */
struct candidate {
	const char *conduit, *name, *full;	/* "conduit/name" */
	const struct ynode *rule, *key, *value; /* key, value: of enabled, or NULL */
	bool waits, wanted;
};
struct candidates {
	struct candidate *v;
	uint32_t n, cap;
};

struct edit {
	struct arena *a;
	const char *path, *by;
	const char *text;
	size_t len;
	const struct policy *old;
	struct candidates all;
	char *out;
	size_t n, cap, at; /* at: of text, up to which it was copied */
};

/* --- the rules in the text ------------------------------------------------------------------------- */

static const struct ynode *
get(const struct ynode *map, const char *key)
{
	for (uint32_t i = 0; map && map->kind == Y_MAP && i < map->n; i++)
		if (strcmp(map->kids[2 * i]->s, key) == 0)
			return map->kids[2 * i + 1];
	return NULL;
}

static void
take_rule(struct edit *e, const char *conduit, const struct ynode *rule)
{
	const struct ynode *name = get(rule, "name");
	struct candidate c = {.conduit = conduit, .rule = rule};
	char *full;
	size_t size;

	if (!name || name->kind != Y_SCALAR)
		return;
	c.name = name->s;
	size = strlen(conduit) + name->n + 2;
	full = arena_get(e->a, size);
	(void)snprintf(full, size, "%s/%s", conduit, c.name);
	c.full = full;
	for (uint32_t i = 0; i < rule->n; i++)
		if (strcmp(rule->kids[2 * i]->s, "enabled") == 0) {
			c.key = rule->kids[2 * i];
			c.value = rule->kids[2 * i + 1];
			c.waits = c.value->kind == Y_SCALAR && strcmp(c.value->s, "false") == 0;
		}
	vec_push(e->a, &e->all, c);
}

/* Blocks are maps with lists `allow` and `deny`; l4 is a list of rules itself. */
static void
take_conduit(struct edit *e, const struct ynode *conduit)
{
	static const char *const lists[] = {"deny", "allow"};
	const struct ynode *name = get(conduit, "name"), *list;

	if (!name || name->kind != Y_SCALAR)
		return;
	list = get(conduit, "l4");
	for (uint32_t r = 0; list && list->kind == Y_LIST && r < list->n; r++)
		if (list->kids[r]->kind == Y_MAP)
			take_rule(e, name->s, list->kids[r]);
	for (uint32_t i = 0; i < conduit->n; i++)
		for (unsigned k = 0; k < 2; k++) {
			list = get(conduit->kids[2 * i + 1], lists[k]);
			for (uint32_t r = 0; list && list->kind == Y_LIST && r < list->n; r++)
				if (list->kids[r]->kind == Y_MAP)
					take_rule(e, name->s, list->kids[r]);
		}
}

/* In the order of the file; what is one behind the other in it is so here. */
static int
by_place(const void *va, const void *vb)
{
	const struct candidate *a = va, *b = vb;

	if (a->rule->line != b->rule->line)
		return a->rule->line < b->rule->line ? -1 : 1;
	return (a->rule->col > b->rule->col) - (a->rule->col < b->rule->col);
}

/* --- which ------------------------------------------------------------------------------------------ */

/* A rule of an included file: those are edited by hand. */
static bool
elsewhere(const struct edit *e, const char *wanted)
{
	struct policy_rule_info r;

	for (uint32_t i = 0; policy_rule_info(e->old, i, &r) == 0; i++)
		if (strcmp(r.name, wanted) == 0) {
			cli_say(
			    "%s: rule \"%s\" is in %s, line %u: take \"enabled: false\" away there",
			    e->path, wanted, r.file, r.line);
			return true;
		}
	return false;
}

/* False: said why. */
static bool
choose_one(struct edit *e, const char *wanted)
{
	const char **names = arena_array(e->a, 2 * (size_t)e->all.n + 1, sizeof(*names)), *near;
	struct candidate *hit = NULL;
	unsigned hits = 0;

	for (uint32_t i = 0; i < e->all.n; i++) {
		struct candidate *c = &e->all.v[i];

		names[2 * i] = c->name;
		names[2 * i + 1] = c->full;
		if (strcmp(c->full, wanted) != 0 && strcmp(c->name, wanted) != 0)
			continue;
		hit = c;
		hits++;
	}
	if (hits == 1) {
		if (!hit->waits)
			printf("%s is approved already\n", hit->full);
		hit->wanted = hit->waits;
		return true;
	}
	if (hits == 0 && elsewhere(e, wanted))
		return false;
	if (hits == 0) {
		near = complain_nearest(wanted, names);
		cli_say("%s: there is no rule \"%s\" in this file%s%s%s", e->path, wanted,
		    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
		return false;
	}
	cli_say("%s: %u rules are called \"%s\"; say which:", e->path, hits, wanted);
	for (uint32_t i = 0; i < e->all.n; i++)
		if (strcmp(e->all.v[i].name, wanted) == 0)
			fprintf(stderr, "  %s\n", e->all.v[i].full);
	return false;
}

/* --- the text ----------------------------------------------------------------------------------------- */

static void
put_bytes(struct edit *e, const char *s, size_t n)
{
	if (e->n + n > e->cap) {
		size_t cap = 2 * (e->n + n) + 4096;
		char *p = arena_get(e->a, cap);

		if (e->n != 0)
			memcpy(p, e->out, e->n);
		e->out = p;
		e->cap = cap;
	}
	memcpy(e->out + e->n, s, n);
	e->n += n;
}

/* The text as it is, up to here. */
static void
copy_to(struct edit *e, size_t to)
{
	if (to > e->at) {
		put_bytes(e, e->text + e->at, to - e->at);
		e->at = to;
	}
}

/* Where a line begins, and a character of it; as libyaml counts both. */
static size_t
offset_of(const struct edit *e, uint32_t line, uint32_t col)
{
	size_t i = 0, n = e->len;
	const unsigned char *p = (const unsigned char *)e->text;

	if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		i = 3;
	while (i < n && line > 1) {
		size_t k = 1;
		bool brk = p[i] == '\n' || p[i] == '\r';

		if (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n')
			k = 2;
		else if (p[i] == 0xc2 && i + 1 < n && p[i + 1] == 0x85) { /* NEL */
			brk = true;
			k = 2;
		} else if (i + 2 < n && p[i] == 0xe2 && p[i + 1] == 0x80 &&
			   (p[i + 2] == 0xa8 || p[i + 2] == 0xa9)) { /* LS, PS */
			brk = true;
			k = 3;
		}
		line -= brk;
		i += k;
	}
	while (i < n && col > 1) {
		i++;
		while (i < n && (p[i] & 0xc0) == 0x80)
			i++;
		col--;
	}
	return i;
}

static void
put_who(struct edit *e, const char *what)
{
	char when[CLOCK_STRLEN], text[256];
	int n = snprintf(text, sizeof(text), "# %.60s%sapproved by %s, %.10s", what,
	    *what ? " " : "", e->by, clock_str(clock_wall_ns(), when));

	put_bytes(e, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* The line from first: is it the key at key, its value up to end, and nothing but a comment? *comment: where that is. */
static bool
own_line(const struct edit *e, size_t first, size_t key, size_t end, size_t *comment)
{
	for (size_t i = first; i < key; i++)
		if (e->text[i] != ' ')
			return false;
	while (end < e->len && (e->text[end] == ' ' || e->text[end] == '\t'))
		end++;
	*comment = end;
	return end == e->len || e->text[end] == '#' || e->text[end] == '\n' || e->text[end] == '\r';
}

/* False: the text is not what it was read as. */
static bool
approve_one(struct edit *e, const struct candidate *c)
{
	size_t key = offset_of(e, c->key->line, c->key->col);
	size_t value = offset_of(e, c->value->line, c->value->col);
	size_t first = offset_of(e, c->key->line, 1), end, comment, top;

	if (c->value->quoted && value < e->len)
		value++;
	end = value + 5;
	if (end > e->len || memcmp(e->text + value, "false", 5) != 0 || key < e->at)
		return false;
	if (!c->value->quoted && c->key->line == c->value->line &&
	    own_line(e, first, key, end, &comment)) {
		size_t next = comment + strcspn(e->text + comment, "\r\n");

		copy_to(e, e->by || comment < next ? key : first);
		if (e->by)
			put_who(e, "");
		if (e->by && comment < next)
			put_bytes(e, ";", 1);
		e->at = comment + (e->by && comment < next); /* its # is there already */
		if (!e->by && comment == next) {	     /* nothing is left of the line */
			e->at += e->text[next] == '\r';
			e->at += e->text[e->at] == '\n';
		}
		return true;
	}
	if (e->by) {
		first = offset_of(e, c->rule->line, 1);
		top = first + strspn(e->text + first, " ");
		if (first <
		    e->at) /* two of one line: one comment for each cannot be put above it */
			return false;
		copy_to(e, first);
		put_bytes(e, e->text + first, top - first);
		put_who(e, c->name);
		put_bytes(e, "\n", 1);
	}
	copy_to(e, value);
	put_bytes(e, "true", 4);
	e->at = end;
	return true;
}

/* Is the new text the same policy, with these rules enabled? */
static bool
is_meant(const struct edit *e, const struct policy *old, const struct policy *new)
{
	if (!new || policy_rule_count(old) != policy_rule_count(new))
		return false;
	for (uint32_t r = 0; r < policy_rule_count(old); r++) {
		struct policy_rule_info a, b;
		bool wanted = policy_rule_enabled(old, r);

		if (policy_rule_info(old, r, &a) < 0 || policy_rule_info(new, r, &b) < 0 ||
		    a.id != b.id || a.deny != b.deny || strcmp(a.name, b.name) != 0 ||
		    strcmp(a.conduit, b.conduit) != 0)
			return false;
		for (uint32_t i = 0; i < e->all.n; i++)
			wanted |= e->all.v[i].wanted && strcmp(a.name, e->all.v[i].name) == 0 &&
				  strcmp(a.conduit, e->all.v[i].conduit) == 0;
		if (wanted != policy_rule_enabled(new, r))
			return false;
	}
	return true;
}

/* --- the verb -------------------------------------------------------------------------------------------- */

/* Replaced in place, also behind a link; owner and mode stay. */
static bool
write_file(const struct edit *e)
{
	char path[PATH_MAX];
	struct stat st;
	struct put put;

	if (!realpath(e->path, path) || stat(path, &st) < 0) {
		cli_say("%s: %s", e->path, strerror(errno));
		return false;
	}
	if (!put_open(&put, path, st.st_mode & 07777))
		return false;
	if (fchown(fileno(put.fp), st.st_uid, st.st_gid) < 0 && errno != EPERM) {
		cli_say("%s: %s", e->path, strerror(errno));
		put_drop(&put);
		return false;
	}
	(void)fwrite(e->out, 1, e->n, put.fp);
	return put_done(&put);
}

static int
list(const struct edit *e)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < e->all.n; i++)
		if (e->all.v[i].waits) {
			printf("%s:%u: %s\n", e->path, e->all.v[i].rule->line, e->all.v[i].full);
			n++;
		}
	if (n == 0)
		printf("%s: nothing waits for approval\n", e->path);
	else
		printf("%u of %u rules wait for approval\n", n, e->all.n);
	return n ? EXIT_FOUND : EXIT_OK;
}

static int
change(struct edit *e, const struct policy *old)
{
	struct complaints c = {.file = e->path};
	struct policy_source src;
	struct policy *new;
	char sig[PATH_MAX];
	unsigned n = 0;
	bool ok = true;

	for (uint32_t i = 0; i < e->all.n && ok; i++) {
		n += e->all.v[i].wanted;
		if (e->all.v[i].wanted && !approve_one(e, &e->all.v[i])) {
			cli_say("%s:%u: %s: its layout cannot be edited%s", e->path,
			    e->all.v[i].rule->line, e->all.v[i].full,
			    e->by ? " with --by; nothing was changed" : "; nothing was changed");
			ok = false;
		}
	}
	if (n == 0 || !ok) {
		if (ok)
			printf("%s: nothing to approve\n", e->path);
		return ok ? EXIT_OK : EXIT_UNABLE;
	}
	copy_to(e, e->len);
	new = policy_of_files(e->path, e->out, e->n, &src, &c);
	ok = is_meant(e, old, new);
	if (!new)
		complaints_print(&c, stderr);
	if (!ok)
		cli_say("%s: approved, it would be %s; nothing was changed", e->path,
		    new ? "another policy than is meant" : "no usable policy");
	complaints_fini(&c);
	policy_free(new);
	if (!ok || !write_file(e))
		return EXIT_UNABLE;
	for (uint32_t i = 0; i < e->all.n; i++)
		if (e->all.v[i].wanted)
			printf("approved %s%s%s\n", e->all.v[i].full, e->by ? " by " : "",
			    e->by ? e->by : "");
	if (snprintf(sig, sizeof(sig), "%s.minisig", e->path) < (int)sizeof(sig) &&
	    access(sig, F_OK) == 0)
		printf("%s is of the text before: sign it again\n", sig);
	return EXIT_OK;
}

static int
approve(struct edit *e, const struct policy *old, char **rules, size_t n, bool all)
{
	struct complaints c = {.file = e->path};
	const struct ynode *root = yaml_read(e->a, &c, e->text, e->len);
	const struct ynode *conduits = get(root, "conduits");

	complaints_fini(&c);
	for (uint32_t i = 0; conduits && conduits->kind == Y_LIST && i < conduits->n; i++)
		if (conduits->kids[i]->kind == Y_MAP)
			take_conduit(e, conduits->kids[i]);
	if (e->all.n != 0)
		qsort(e->all.v, e->all.n, sizeof(*e->all.v), by_place);
	if (n == 0 && !all)
		return list(e);
	for (uint32_t i = 0; i < e->all.n; i++)
		e->all.v[i].wanted = all && e->all.v[i].waits;
	for (size_t i = 0; i < n; i++)
		if (!choose_one(e, rules[i]))
			return EXIT_UNABLE;
	return change(e, old);
}

/* A name for a comment: one line. */
static bool
is_name(const char *s)
{
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return *s && strlen(s) <= WHO_MAX;
}

static int
guarded(struct arena *a, struct edit *e, char **rules, size_t n, bool all)
{
	jmp_buf oom;
	volatile int status = EXIT_UNABLE;

	/* cppcheck-suppress autoVariables ; taken back below */
	a->oom = &oom;
	if (setjmp(oom) == 0)
		status = approve(e, e->old, rules, n, all);
	else
		cli_say("out of memory");
	a->oom = NULL;
	return status;
}

static int
work(const char *path, const char *by, char **rules, size_t n, bool all)
{
	struct complaints c = {.file = path};
	struct arena a = {0};
	struct edit e = {.a = &a, .path = path, .by = by};
	struct policy_source src;
	struct policy *old;
	int status = EXIT_UNABLE;
	char *text = cli_read(path, YAML_SIZE_MAX, &e.len);

	if (!text)
		return EXIT_UNABLE;
	e.text = text;
	if ((e.old = old = policy_of_files(path, text, e.len, &src, &c))) {
		status = guarded(&a, &e, rules, n, all);
	} else {
		complaints_print(&c, stderr);
		cli_say("%s: has errors: nothing was changed", path);
	}
	complaints_fini(&c);
	arena_fini(&a);
	policy_free(old);
	free(text);
	return status;
}

int
policy_approve(int argc, char **argv)
{
	const char *by = NULL;
	bool all = false;
	const struct cli_opt table[] = {{"all", .flag = &all}, {"by", .text = &by}, {0}};
	int status;

	if (!cli_options("policy", help, table, &argc, &argv, &status))
		return status;
	if (argc < 1 || strcmp(argv[0], "-") == 0)
		return cli_usage("policy", "approve takes the policy's file, and rules or --all");
	if (all && argc > 1)
		return cli_usage("policy", "approve: rules or --all, not both");
	if (by && !is_name(by))
		return cli_usage("policy", "--by: a name of one line, at most %u bytes", WHO_MAX);
	return work(argv[0], by, argv + 1, (size_t)argc - 1, all);
}
