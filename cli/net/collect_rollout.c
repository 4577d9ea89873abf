/* SPDX-License-Identifier: Apache-2.0 */
/* collect_rollout.c - see collect_rollout.h. */
#include "cli/net/collect_rollout.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/minisign.h"
#include "cli/cli.h"
#include "cli/net/net.h"
#include "cli/net/policy_doc.h"
#include "cli/opts.h"
#include "collector/rollout.h"
#include "collector/store.h"

static const char help[] =
    "usage: interlock collect rollout DIR [--json]\n"
    "       interlock collect rollout DIR POLICY --stage SENSOR,... [--stage SENSOR,...]...\n"
    "                                 [--trial TIME] [--soak TIME] [--automatic]\n"
    "       interlock collect rollout DIR --go ID | --stop ID\n"
    "A signed policy (POLICY.minisig beside it) goes to sensors in stages, on trial at each of\n"
    "them: a sensor whose send has --rollouts fetches it, its own `ctl rollout` verifies it.\n\n"
    "      --stage NAMES  who gets it, commas between; each --stage is one, in order\n"
    "      --trial TIME   a sensor that is not confirmed goes back after that (default 10m)\n"
    "      --soak TIME    a sensor is confirmed when it has run the policy for that, and no new\n"
    "                     incident of severity 1 or 2 came of it (default 2m)\n"
    "      --automatic    the next stage begins by itself; without, when somebody says --go\n"
    "      --go ID        go on: the next stage, or in spite of an incident\n"
    "      --stop ID      no more; who has it on trial goes back, who was confirmed keeps it\n"
    "      --store WHERE  as that of the collector\n"
    "      --json         the list for programs\n\n"
    "without POLICY: the roll-outs, the newest first\n";

struct rollout_args {
	json_t *stages;
	uint64_t trial_s, soak_s, go, stop;
	bool automatic, json;
	const char *store;
};

/* A stage: names with commas between. */
static bool
stage(void *ctx, const char *value)
{
	struct rollout_args *a = ctx;
	json_t *names = json_array();
	char *copy = strdup(value), *save = NULL;

	for (char *p = copy ? strtok_r(copy, ",", &save) : NULL; p; p = strtok_r(NULL, ",", &save))
		(void)json_array_append_new(names, json_string(p));
	free(copy);
	return json_array_size(names) > 0 ? json_array_append_new(a->stages, names) == 0
					  : (json_decref(names), false);
}

static int64_t
now_ms(void)
{
	return (int64_t)(clock_wall_ns() / 1000000);
}

static void
print_one(const json_t *r)
{
	const char *kind = json_string_value(json_object_get(r, "kind"));
	const json_t *s;
	char when[CLOCK_STRLEN];
	size_t i;

	printf("%" PRId64 "  %s  %s  %s %s  by %s  %.19s%s%s\n",
	    (int64_t)json_integer_value(json_object_get(r, "id")),
	    json_string_value(json_object_get(r, "state")),
	    json_string_value(json_object_get(r, "name")), kind,
	    json_string_value(json_object_get(r, kind)),
	    json_string_value(json_object_get(r, "user")),
	    clock_str((uint64_t)json_integer_value(json_object_get(r, "time")) * 1000000, when),
	    *json_string_value(json_object_get(r, "why")) ? "\n   " : "",
	    json_string_value(json_object_get(r, "why")));
	json_array_foreach(json_object_get(r, "sensors"), i, s)
	{
		const char *said = json_string_value(json_object_get(s, "said"));

		printf("   stage %" PRId64 "  %-24s %s%s%s\n",
		    (int64_t)json_integer_value(json_object_get(s, "stage")),
		    json_string_value(json_object_get(s, "name")),
		    json_string_value(json_object_get(s, "step")), *said ? ": " : "", said);
	}
}

static int
begin(struct store *s, const char *path, const struct rollout_args *a)
{
	struct rollout_spec spec = {.stages = a->stages,
	    .trial_s = (int64_t)a->trial_s,
	    .soak_s = (int64_t)a->soak_s,
	    .automatic = a->automatic,
	    .user = "command line",
	    .now_ms = now_ms()};
	char with[PATH_MAX], err[400];
	struct policy_doc *d = malloc(sizeof(*d));
	char *buf = malloc(POLICY_DOC_MAX), *sig = NULL;
	json_t *doc = NULL;
	int64_t id = 0;
	size_t n = d && buf ? policy_doc_read(path, buf, d) : 0, len;
	int r = n > 0 ? 0 : ERR_FORMAT;

	free(d);
	if (r == 0 && snprintf(with, sizeof(with), "%s.minisig", path) < (int)sizeof(with) &&
	    (sig = cli_read(with, MINISIGN_MAX, &len)) && (doc = json_loadb(buf, n, 0, NULL))) {
		spec.doc = doc;
		spec.minisig = sig;
		if ((r = rollout_make(s, &spec, &id, err, sizeof(err))) < 0)
			cli_say("%s: %s", path, err);
		else
			printf("%" PRId64 "\n", id);
	} else if (r == 0) {
		r = ERR_NOTFOUND;
	}
	json_decref(doc);
	free(sig);
	free(buf);
	return r < 0 ? EXIT_UNABLE : EXIT_OK;
}

int
collect_rollout(int argc, char **argv)
{
	struct rollout_args a = {
	    .stages = json_array(), .trial_s = ROLLOUT_TRIAL_S, .soak_s = ROLLOUT_SOAK_S};
	const struct cli_opt table[] = {
	    {"stage", .call = stage, .ctx = &a, .bad = "not names of sensors"},
	    {"trial", .seconds = &a.trial_s},
	    {"soak", .seconds = &a.soak_s},
	    {"automatic", .flag = &a.automatic},
	    {"go", .count = &a.go, .bad = "not a number of a roll-out"},
	    {"stop", .count = &a.stop, .bad = "not a number of a roll-out"},
	    {"json", .flag = &a.json},
	    {"store", .text = &a.store},
	    {0},
	};
	char err[400];
	struct store *s;
	int status;

	if (!cli_options("collect rollout", help, table, &argc, &argv, &status)) {
		json_decref(a.stages);
		return status;
	}
	if (argc < 1 || argc > 2 || (argc == 2) != (json_array_size(a.stages) > 0) ||
	    (argc == 2) + (a.go > 0) + (a.stop > 0) > 1) {
		json_decref(a.stages);
		return cli_usage("collect rollout",
		    "a directory; with a policy and --stage, with --go, with --stop, or alone");
	}
	if (!(s = collect_store(argv[0], a.store, err, sizeof(err)))) {
		cli_say("%s", err);
		status = EXIT_UNABLE;
	} else if (argc == 2) {
		status = begin(s, argv[1], &a);
	} else if (a.go > 0 || a.stop > 0) {
		status = EXIT_OK;
		if (rollout_change(s, (int64_t)(a.go ? a.go : a.stop), a.go > 0, "command line",
			now_ms(), err, sizeof(err)) < 0) {
			cli_say("%s", err);
			status = EXIT_UNABLE;
		}
	} else {
		status = collect_list(s, a.json, rollout_items, print_one);
	}
	store_close(s);
	json_decref(a.stages);
	return status;
}
