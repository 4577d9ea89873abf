/* SPDX-License-Identifier: Apache-2.0 */
/* policy_test_file.c - reads what policy_test.h shows; every complaint with line and column. */
#include <stdlib.h>
#include <string.h>

#include "cli/policy_test.h"
#include "dissectors/dissector.h"
#include "policy/complain.h"
#include "policy/yaml.h"

struct reader {
	struct test_file *t;
	struct arena *a;
	struct complaints *c;
	const char *capture; /* of cases that name none */
};

static const char *const what_names[] = {
    "request", "response", "exception", "malformed", "other", "connection", "frame", NULL};
static const char *const verdict_names[] = {"allow", "alert", "reject", "drop", "reset", NULL};
static const char *const file_keys[] = {"interlock-test", "policy", "capture", "cases", NULL};
static const char *const case_keys[] = {"name", "capture", "inline", "expect", NULL};
static const char *const expect_keys[] = {"frame", "from", "to", "proto", "op", "code", "kind",
    "verdict", "rule", "reason", "count", "note", NULL};

const char *
test_what_name(enum what w)
{
	return what_names[w];
}

#define wrong(r, y, ...) complain_at((r)->c, COMPLAINT_ERROR, (y)->line, (y)->col, __VA_ARGS__)

static int
index_of(const char *word, const char *const *list)
{
	for (int i = 0; list[i]; i++)
		if (strcmp(word, list[i]) == 0)
			return i;
	return -1;
}

/* The value of a key, or NULL; unknown keys are complained of by keys_known(). */
static const struct ynode *
get(const struct ynode *map, const char *key)
{
	for (uint32_t i = 0; map->kind == Y_MAP && i < map->n; i++)
		if (strcmp(map->kids[2 * i]->s, key) == 0)
			return map->kids[2 * i + 1];
	return NULL;
}

static bool
keys_known(struct reader *r, const struct ynode *y, const char *const *keys, const char *what)
{
	if (y->kind != Y_MAP) {
		wrong(r, y, "%s is a map", what);
		return false;
	}
	for (uint32_t i = 0; i < y->n; i++) {
		const struct ynode *k = y->kids[2 * i];
		const char *near;

		if (index_of(k->s, keys) >= 0)
			continue;
		near = complain_nearest(k->s, keys);
		wrong(r, k, "\"%s\" is no key of %s%s%s%s", k->s, what,
		    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	}
	return true;
}

static const char *
text(struct reader *r, const struct ynode *map, const char *key)
{
	const struct ynode *y = get(map, key);

	if (!y)
		return NULL;
	if (y->kind == Y_SCALAR && y->n != 0)
		return y->s;
	wrong(r, y, "%s is a word", key);
	return NULL;
}

static bool
number(const char *s, uint64_t *out)
{
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	*out = strtoull(s, &end, 10);
	return *end == '\0';
}

/* A path as seen from the folder of the test file. */
static const char *
resolve(struct reader *r, const char *path)
{
	const char *slash = strrchr(r->t->path, '/');
	size_t n = slash ? (size_t)(slash - r->t->path) + 1 : 0, len = strlen(path);
	char *out;

	if (path[0] == '/' || n == 0)
		return arena_strn(r->a, path, len);
	out = arena_get(r->a, n + len + 1);
	memcpy(out, r->t->path, n);
	memcpy(out + n, path, len);
	return out;
}

static void
read_side(struct reader *r, const struct ynode *map, const char *key, struct side *s)
{
	const struct ynode *y = get(map, key);

	if (!y || !(s->name = text(r, map, key)))
		return;
	s->is_addr = net_addr_parse(s->name, &s->addr) == 0;
	if (!s->is_addr && r->t->policy && !policy_has_end(r->t->policy, s->name))
		wrong(r, y, "\"%s\" is no device, zone or address", s->name);
}

/* One word or a list of words as bits of their places in names. */
static uint8_t
read_set(struct reader *r, const struct ynode *map, const char *key, const char *const *names)
{
	const struct ynode *y = get(map, key);
	uint32_t n = y ? y->kind == Y_LIST ? y->n : 1 : 0;
	uint8_t set = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct ynode *v = y->kind == Y_LIST ? y->kids[i] : y;
		int at = v->kind == Y_SCALAR ? index_of(v->s, names) : -1;

		if (at >= 0) {
			set |= (uint8_t)(1u << at);
			continue;
		}
		wrong(r, v, "%s: \"%s\" is none of its words", key,
		    v->kind == Y_SCALAR ? v->s : "...");
	}
	return set;
}

/* "3", "1..5", "2.." */
static void
read_count(struct reader *r, const struct ynode *map, struct expectation *x)
{
	const struct ynode *y = get(map, "count");
	char low[24] = "";
	const char *dots;

	x->at_least = 1;
	x->at_most = UINT64_MAX;
	if (!y)
		return;
	if (y->kind == Y_SCALAR && number(y->s, &x->at_least)) {
		x->at_most = x->at_least;
		return;
	}
	if (y->kind == Y_SCALAR && (dots = strstr(y->s, "..")) &&
	    (size_t)(dots - y->s) < sizeof(low)) {
		memcpy(low, y->s, (size_t)(dots - y->s));
		if (number(low, &x->at_least) && (!dots[2] || number(dots + 2, &x->at_most)) &&
		    x->at_least <= x->at_most)
			return;
	}
	wrong(r, y, "count is a number or a range such as 1..5 or 2..");
}

static void
read_expectation(struct reader *r, const struct ynode *y, struct expectation *x)
{
	const struct ynode *v;
	uint64_t n;

	*x = (struct expectation){.line = y->line, .col = y->col, .code = -1};
	if (!keys_known(r, y, expect_keys, "an expectation"))
		return;
	if ((v = get(y, "frame")) && (v->kind != Y_SCALAR || !number(v->s, &x->frame) || !x->frame))
		wrong(r, v, "frame is a number, counted from 1");
	if ((v = get(y, "code"))) {
		if (v->kind != Y_SCALAR || !number(v->s, &n) || n > UINT16_MAX)
			wrong(r, v, "code is a number, 0..65535");
		else
			x->code = (int32_t)n;
	}
	read_side(r, y, "from", &x->from);
	read_side(r, y, "to", &x->to);
	x->proto = text(r, y, "proto");
	if (x->proto && !dissector_lookup(x->proto, NULL))
		wrong(r, get(y, "proto"), "\"%s\" is no protocol of this version", x->proto);
	x->op = text(r, y, "op");
	x->note = text(r, y, "note");
	x->rule = text(r, y, "rule");
	x->reason = text(r, y, "reason");
	x->kinds = read_set(r, y, "kind", what_names);
	if (!get(y, "kind"))
		x->kinds = 1u << WHAT_REQUEST;
	x->verdicts = read_set(r, y, "verdict", verdict_names);
	read_count(r, y, x);
	if (!get(y, "verdict") && !x->rule && !x->reason && !get(y, "count"))
		wrong(r, y, "it asserts nothing: verdict, rule, reason or count");
}

static void
read_case(struct reader *r, const struct ynode *y)
{
	struct test_case k = {0};
	const struct ynode *v;
	const char *s;

	if (!keys_known(r, y, case_keys, "a case"))
		return;
	k.name = text(r, y, "name");
	if (!k.name)
		wrong(r, y, "a case has a name");
	s = text(r, y, "capture");
	k.capture = s ? resolve(r, s) : r->capture;
	if (!k.capture)
		wrong(r, y, "which capture? Neither the case nor the file says");
	if ((v = get(y, "inline"))) {
		k.inline_mode = v->kind == Y_SCALAR && strcmp(v->s, "true") == 0;
		if (!k.inline_mode && (v->kind != Y_SCALAR || strcmp(v->s, "false") != 0))
			wrong(r, v, "inline is true or false");
	}
	v = get(y, "expect");
	if (!v || (v->kind == Y_LIST && v->n == 0)) {
		wrong(r, y, "a case expects something");
		return;
	}
	for (uint32_t i = 0; i < (v->kind == Y_LIST ? v->n : 1); i++) {
		struct expectation x;

		read_expectation(r, v->kind == Y_LIST ? v->kids[i] : v, &x);
		vec_push(r->a, &k, x);
	}
	vec_push(r->a, r->t, k);
}

bool
test_file_read(struct test_file *t, struct arena *a, const char *content, size_t len,
    struct complaints *c, struct policy *(*load)(const char *path))
{
	struct reader r = {.t = t, .a = a, .c = c};
	const struct ynode *y = yaml_read(a, c, content, len), *v;
	const char *s;

	if (!y || !keys_known(&r, y, file_keys, "a test file"))
		return false;
	if (!(s = text(&r, y, "interlock-test")) || strcmp(s, "1") != 0)
		wrong(&r, y, "this version reads \"interlock-test: 1\"");
	if (!t->policy_path) {
		if ((s = text(&r, y, "policy")))
			t->policy_path = resolve(&r, s);
		else
			wrong(&r, y,
			    "which policy? The file has no key \"policy\" and there was no -p");
	}
	if (t->policy_path && !(t->policy = load(t->policy_path)))
		return false; /* said */
	if ((s = text(&r, y, "capture")))
		r.capture = resolve(&r, s);
	v = get(y, "cases");
	if (!v || v->kind != Y_LIST || v->n == 0)
		wrong(&r, v ? v : y, "cases is a list of at least one case");
	else
		for (uint32_t i = 0; i < v->n; i++)
			read_case(&r, v->kids[i]);
	return c->errors == 0;
}
