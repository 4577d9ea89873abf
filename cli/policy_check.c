/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_check.c - policy check: the reader and compiler of the daemon, and their complaints, for
 * people, for programs and for code review.  With captures or counters also: rules never used.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/build_id.h"
#include "base/clock.h"
#include "base/jw.h"
#include "cli/cli.h"
#include "cli/opts.h"
#include "cli/run.h"
#include "cli/sarif.h"
#include "policy/lint.h"
#include "policy/table.h"

#define HITS_MAX       16u
#define COUNTERS_BYTES (16u << 20)

static const char help[] =
    "usage: interlock policy check [--strict] [--json | --sarif FILE] [--hits CAPTURE]...\n"
    "                              [--counters FILE] POLICY\n"
    "Read, check and compile a policy (- is standard input); every complaint at once.\n\n"
    "  --strict          warnings are findings: exit status 1\n"
    "  --json            complaints and summary as JSON on standard output\n"
    "  --sarif FILE      the complaints as SARIF 2.1.0 too, for code review (- is standard "
    "output)\n"
    "  --hits CAPTURE    rules that recorded traffic never uses are warnings; may be repeated\n"
    "  --counters FILE   the same by the output of `interlock ctl counters --json`\n\n"
    "A warning or note is accepted by a comment in its line, or alone in the line before:\n"
    "  # interlock: accept policy.redundant-rule\n\n"
    "exit status: 0 usable, 1 usable with warnings (--strict), 2 errors\n";

struct check {
	const char *path, *counters;
	const char *hits[HITS_MAX];
	unsigned n_hits;
	const struct policy *policy; /* NULL: it has errors */
	struct complaints *complaints, said; /* the first points to the second */
	int status;
};

static const char *const levels[] = {"error", "warning", "note"};

static void
check_json(struct jw *w, const void *ctx)
{
	const struct check *c = ctx;

	jw_obj(w, NULL);
	jw_str(w, "file", c->path);
	jw_bool(w, "usable", c->policy != NULL);
	jw_u(w, "errors", c->complaints->errors);
	jw_u(w, "warnings", c->complaints->warnings);
	jw_u(w, "notes", c->complaints->notes);
	jw_arr(w, "complaints");
	for (size_t i = 0; i < c->complaints->n; i++) {
		const struct complaint *x = &c->complaints->v[i];

		jw_obj(w, NULL);
		jw_str(w, "level", levels[x->level]);
		jw_str(w, "id", x->id);
		jw_str(w, "file", complaint_file(c->complaints, x));
		jw_u(w, "line", x->line);
		jw_u(w, "column", x->col);
		jw_str(w, "text", x->text);
		if (x->also_line != 0) {
			jw_obj(w, "related");
			jw_str(w, "file", complaint_also_file(c->complaints, x));
			jw_u(w, "line", x->also_line);
			jw_u(w, "column", x->also_col);
			jw_close(w, '}');
		}
		if (x->accepted)
			jw_bool(w, "accepted", true);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	if (c->policy) {
		jw_u(w, "zones", policy_zone_count(c->policy));
		jw_u(w, "devices", policy_device_count(c->policy));
		jw_u(w, "conduits", policy_conduit_count(c->policy));
		jw_u(w, "rules", policy_rule_count(c->policy));
		jw_u(w, "bytes", policy_bytes(c->policy));
	}
	jw_close(w, '}');
}

/* --- SARIF ------------------------------------------------------------------------------------ */

/* The first complaint of each id stands for its rule. */
static bool
first_of_id(const struct complaints *c, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(c->v[k].id, c->v[i].id) == 0)
			return false;
	return true;
}

static void
sarif_rules(struct jw *w, const struct complaints *c)
{
	jw_arr(w, "rules");
	for (size_t i = 0; i < c->n; i++) {
		if (!first_of_id(c, i))
			continue;
		jw_obj(w, NULL);
		jw_str(w, "id", c->v[i].id);
		jw_obj(w, "shortDescription");
		jw_str(
		    w, "text", strchr(c->v[i].id, '.') ? strchr(c->v[i].id, '.') + 1 : c->v[i].id);
		jw_close(w, '}');
		jw_obj(w, "defaultConfiguration");
		jw_str(w, "level", levels[c->v[i].level]);
		jw_close(w, '}');
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
sarif_result(struct jw *w, const struct check *c, const struct complaint *x)
{
	char mark[sizeof(x->text) + 64];

	jw_obj(w, NULL);
	jw_str(w, "ruleId", x->id);
	jw_str(w, "level", levels[x->level]);
	sarif_message(w, x->text);
	jw_arr(w, "locations");
	jw_obj(w, NULL);
	sarif_location(w, complaint_file(c->complaints, x), x->line ? x->line : 1, x->col);
	jw_close(w, '}');
	jw_close(w, ']');
	if (x->also_line != 0) {
		jw_arr(w, "relatedLocations");
		jw_obj(w, NULL);
		jw_u(w, "id", 1);
		sarif_location(w, complaint_also_file(c->complaints, x), x->also_line, x->also_col);
		sarif_message(w, "the other side of it");
		jw_close(w, '}');
		jw_close(w, ']');
	}
	if (x->accepted) {
		jw_arr(w, "suppressions");
		jw_obj(w, NULL);
		jw_str(w, "kind", "inSource");
		jw_close(w, '}');
		jw_close(w, ']');
	}
	jw_obj(w, "partialFingerprints");
	(void)snprintf(mark, sizeof(mark), "%s %s", x->id, x->text);
	jw_str(w, "interlock/v1", mark);
	jw_close(w, '}');
	jw_close(w, '}');
}

static void
check_sarif(struct jw *w, const void *ctx)
{
	const struct check *c = ctx;

	jw_obj(w, NULL);
	jw_str(w, "$schema", SARIF_SCHEMA);
	jw_str(w, "version", "2.1.0");
	jw_arr(w, "runs");
	jw_obj(w, NULL);
	jw_obj(w, "tool");
	jw_obj(w, "driver");
	jw_str(w, "name", "Interlock");
	jw_str(w, "semanticVersion", build_version);
	sarif_rules(w, c->complaints);
	jw_close(w, '}');
	jw_close(w, '}');
	jw_arr(w, "invocations");
	jw_obj(w, NULL);
	jw_bool(w, "executionSuccessful", c->policy != NULL);
	jw_u(w, "exitCode", (uint64_t)c->status);
	jw_close(w, '}');
	jw_close(w, ']');
	jw_arr(w, "results");
	for (size_t i = 0; i < c->complaints->n; i++)
		sarif_result(w, c, &c->complaints->v[i]);
	jw_close(w, ']');
	jw_str(w, "columnKind", "unicodeCodePoints");
	jw_close(w, '}');
	jw_close(w, ']');
	jw_close(w, '}');
}

/* --- rules never used -------------------------------------------------------------------------- */

static int
hits_of_captures(const struct check *c, uint64_t *hits)
{
	const struct run_conf conf = {.policy = c->policy};
	int status = EXIT_OK;

	for (unsigned i = 0; i < c->n_hits; i++) {
		struct run_result r;

		run_capture(c->hits[i], &conf, &r);
		for (uint32_t k = 0; k < r.n_rules && r.rule_hits; k++)
			hits[k] += r.rule_hits[k];
		status = exit_worse(status, r.status);
		run_result_fini(&r);
	}
	return status;
}

/* Of a guard: by conduit and rule, so that an older policy's counters still say something. */
static void
add_counter(const struct policy *pol, const json_t *row, uint64_t *hits, bool *known)
{
	const char *conduit = json_string_value(json_object_get(row, "conduit"));
	const char *rule = json_string_value(json_object_get(row, "rule"));
	json_int_t n = json_integer_value(json_object_get(row, "hits"));
	struct policy_rule_info info;

	for (uint32_t i = 0; conduit && rule && i < policy_rule_count(pol); i++)
		if (policy_rule_info(pol, i, &info) == 0 && strcmp(info.name, rule) == 0 &&
		    strcmp(info.conduit, conduit) == 0) {
			known[i] = true;
			hits[i] += n > 0 ? (uint64_t)n : 0;
			return;
		}
}

static bool
hits_of_counters(const struct check *c, uint64_t *hits, bool *known)
{
	size_t len;
	char *text = cli_read(c->counters, COUNTERS_BYTES, &len);
	json_error_t err;
	json_t *root = text ? json_loadb(text, len, 0, &err) : NULL;
	const json_t *rules = json_object_get(root, "rules");
	bool ok = json_is_array(rules);

	for (size_t i = 0; ok && i < json_array_size(rules); i++)
		add_counter(c->policy, json_array_get(rules, i), hits, known);
	if (text && !ok)
		cli_say("%s: not what `interlock ctl counters --json` writes", c->counters);
	json_decref(root);
	free(text);
	return ok;
}

/* As a rule's file is called in complaints. */
static uint16_t
file_number(const struct complaints *c, const char *name)
{
	for (uint32_t i = 1; i <= c->n_included; i++) {
		const struct complaint one = {.file = (uint16_t)i};

		if (strcmp(complaint_file(c, &one), name) == 0)
			return (uint16_t)i;
	}
	return 0;
}

static void
tell_unused(struct check *c, const uint64_t *hits, const bool *known)
{
	struct policy_rule_info info;

	for (uint32_t i = 0; i < policy_rule_count(c->policy); i++) {
		if (hits[i] != 0 || !policy_rule_enabled(c->policy, i) ||
		    (c->counters && !known[i]) || policy_rule_info(c->policy, i, &info) < 0)
			continue;
		complain_place(c->complaints, COMPLAINT_WARNING,
		    &(struct place){info.line, info.col, file_number(c->complaints, info.file)},
		    "rule \"%s\": never used in what was recorded", info.name);
		complain_tag(c->complaints, "policy.never-hit", NULL);
	}
}

/* Each file may accept what is said of it. */
static void
accept_anew(struct complaints *c, const char *path)
{
	for (uint32_t i = strcmp(path, "-") == 0; i <= c->n_included; i++) {
		const struct complaint one = {.file = (uint16_t)i};
		size_t len;
		char *text = cli_read(complaint_file(c, &one), COUNTERS_BYTES, &len);

		if (text)
			complaints_accept(c, (uint16_t)i, text, len);
		free(text);
	}
}

static int
unused(struct check *c)
{
	uint32_t n = policy_rule_count(c->policy) + 1u;
	uint64_t *hits = calloc(n, sizeof(*hits));
	bool *known = calloc(n, sizeof(*known));
	int status = EXIT_UNABLE;

	if (!hits || !known) {
		cli_say("out of memory");
	} else if (!c->counters || hits_of_counters(c, hits, known)) {
		for (uint32_t i = 0; i < n && c->n_hits != 0; i++)
			known[i] = true;
		status = hits_of_captures(c, hits);
		tell_unused(c, hits, known);
		accept_anew(c->complaints, c->path);
		complaints_sort(c->complaints);
	}
	free(hits);
	free(known);
	return status;
}

/* --- the verb ---------------------------------------------------------------------------------- */

static int
report(struct check *c, bool json, struct out *sarif)
{
	struct out out = {stdout, "-"};
	const struct policy *pol = c->policy;
	int status = c->status;

	if (sarif->fp && (!out_json(sarif, check_sarif, c) || !out_close(sarif)))
		status = EXIT_UNABLE;
	if (json)
		return out_json(&out, check_json, c) ? status : EXIT_UNABLE;
	complaints_print(c->complaints, stderr);
	if (sarif->path && strcmp(sarif->path, "-") == 0)
		return status;
	printf("%s: ", c->path);
	if (pol)
		printf("%u zones, %u devices, %u conduits, %u rules, %zu bytes; ",
		    policy_zone_count(pol), policy_device_count(pol), policy_conduit_count(pol),
		    policy_rule_count(pol), policy_bytes(pol));
	printf("%zu errors, %zu warnings", c->complaints->errors, c->complaints->warnings);
	if (c->complaints->notes)
		printf(", %zu notes", c->complaints->notes);
	printf("\n");
	return status;
}

static int
check(struct check *c, bool strict, bool json, struct out *sarif)
{
	struct policy *pol;
	int worked = EXIT_OK, status;

	c->said = (struct complaints){0};
	c->complaints = &c->said;
	c->policy = pol = policy_build(c->path, &c->said);
	if (pol) {
		lint_dates(pol->rs, clock_wall_ns() / NS_PER_S, &c->said);
		accept_anew(&c->said, c->path);
		complaints_sort(&c->said);
	}
	if (pol && (c->n_hits != 0 || c->counters))
		worked = unused(c);
	c->status = !pol ? EXIT_UNABLE : strict && c->said.warnings != 0 ? EXIT_FOUND : EXIT_OK;
	c->status = exit_worse(c->status, worked);
	status = report(c, json, sarif);
	policy_free(pol);
	complaints_fini(&c->said);
	return status;
}

static bool
add_hits(void *ctx, const char *path)
{
	struct check *c = ctx;

	if (c->n_hits == HITS_MAX) {
		(void)cli_usage("policy", "at most %u captures", HITS_MAX);
		return false;
	}
	c->hits[c->n_hits++] = path;
	return true;
}

int
policy_check(int argc, char **argv)
{
	const char *sarif_path = NULL;
	bool strict = false, json = false;
	struct check c = {0};
	const struct cli_opt table[] = {
	    {"strict", .flag = &strict},
	    {"json", .flag = &json},
	    {"sarif", .text = &sarif_path},
	    {"hits", .call = add_hits, .ctx = &c},
	    {"counters", .text = &c.counters},
	    {0},
	};
	struct out sarif;
	int status;

	if (!cli_options("policy", help, table, &argc, &argv, &status))
		return status;
	if (argc != 1)
		return cli_usage("policy", "check takes one policy file");
	if (json && sarif_path && strcmp(sarif_path, "-") == 0)
		return cli_usage("policy", "--json and --sarif - both want standard output");
	c.path = argv[0];
	if (!out_open(&sarif, sarif_path))
		return EXIT_UNABLE;
	return check(&c, strict, json, &sarif);
}
