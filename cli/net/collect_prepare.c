/* SPDX-License-Identifier: Apache-2.0 */
/* collect_prepare.c - see collect_prepare.h. */
#include "cli/net/collect_prepare.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/permit.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/minisign.h"
#include "cli/cli.h"
#include "cli/net/net.h"
#include "cli/net/policy_doc.h"
#include "cli/opts.h"
#include "collector/prepared.h"
#include "collector/store.h"

static const char help[] =
    "usage: interlock collect prepare DIR [--json]\n"
    "       interlock collect prepare DIR NAME POLICY --sensor NAME,...\n"
    "       interlock collect prepare DIR NAME PERMIT --permit --sensor NAME,...\n"
    "       interlock collect prepare DIR --remove ID\n"
    "A policy (POLICY.minisig beside it) or a permit that was signed elsewhere, for the steps of\n"
    "playbooks whose action is one: an admin offers it to a sensor from an incident, the sensor's\n"
    "own `ctl rollout` verifies it.\n\n"
    "      --sensor NAMES  which sensors it is for, commas between\n"
    "      --permit        it is a permit (interlock permit new)\n"
    "      --remove ID     it is not offered any more; what is on its way goes on\n"
    "      --store WHERE   as that of the collector\n"
    "      --json          the list for programs\n\n"
    "without NAME: what there is\n";

struct prepare_args {
	json_t *sensors;
	uint64_t remove;
	bool permit, json;
	const char *store;
};

static bool
sensors(void *ctx, const char *value)
{
	struct prepare_args *a = ctx;
	char *copy = strdup(value), *save = NULL;

	for (char *p = copy ? strtok_r(copy, ",", &save) : NULL; p; p = strtok_r(NULL, ",", &save))
		(void)json_array_append_new(a->sensors, json_string(p));
	free(copy);
	return json_array_size(a->sensors) > 0;
}

static void
print_one(const json_t *p)
{
	int64_t expires = (int64_t)json_integer_value(json_object_get(p, "expires"));
	const char *policy = json_string_value(json_object_get(p, "policy"));
	char when[CLOCK_STRLEN];
	const json_t *s;
	size_t i;

	printf("%" PRId64 "  %s  %s %s  signed %.19s",
	    (int64_t)json_integer_value(json_object_get(p, "id")),
	    json_string_value(json_object_get(p, "name")),
	    json_string_value(json_object_get(p, "kind")),
	    *policy ? policy : json_string_value(json_object_get(p, "permit")),
	    clock_str((uint64_t)json_integer_value(json_object_get(p, "signed")) * 1000000, when));
	if (expires > 0)
		printf("  expires %.19s", clock_str((uint64_t)expires * 1000000, when));
	json_array_foreach(json_object_get(p, "sensors"), i, s)
	{
		printf("%s%s", i == 0 ? "  for " : ", ", json_string_value(s));
	}
	putchar('\n');
}

/* The policy at path with its signature.  False: said why. */
static bool
read_policy(const char *path, json_t **doc, char **minisig)
{
	struct policy_doc *d = malloc(sizeof(*d));
	char with[PATH_MAX], *buf = malloc(POLICY_DOC_MAX);
	size_t n = d && buf ? policy_doc_read(path, buf, d) : 0, len;

	if (n > 0 && snprintf(with, sizeof(with), "%s.minisig", path) < (int)sizeof(with) &&
	    (*minisig = cli_read(with, MINISIGN_MAX, &len)))
		*doc = json_loadb(buf, n, 0, NULL);
	free(buf);
	free(d);
	return *doc != NULL;
}

static int
make(struct store *s, const char *name, const char *path, const struct prepare_args *a)
{
	const char *slash = strrchr(path, '/');
	struct prepared_spec spec = {.name = name,
	    .file = slash ? slash + 1 : path,
	    .sensors = a->sensors,
	    .user = "command line",
	    .now_ms = (int64_t)(clock_wall_ns() / 1000000)};
	char *text = NULL, err[400] = "";
	json_t *doc = NULL;
	int64_t id = 0;
	size_t len;
	int r = ERR_NOTFOUND;

	if (a->permit ? (text = cli_read(path, PERMIT_JWS_MAX, &len)) != NULL
		      : read_policy(path, &doc, &text)) {
		spec.doc = doc;
		spec.minisig = a->permit ? NULL : text;
		spec.permit = a->permit ? text : NULL;
		if ((r = prepared_make(s, &spec, &id, err, sizeof(err))) < 0)
			cli_say("%s: %s", path, err);
		else
			printf("%" PRId64 "\n", id);
	}
	json_decref(doc);
	free(text);
	return r < 0 ? EXIT_UNABLE : EXIT_OK;
}

static int
remove_one(struct store *s, int64_t id)
{
	int r = prepared_remove(s, id);

	if (r < 0)
		cli_say("%" PRId64 ": %s", id, r == ERR_NOTFOUND ? "there is none" : err_str(r));
	return r < 0 ? EXIT_UNABLE : EXIT_OK;
}

int
collect_prepare(int argc, char **argv)
{
	struct prepare_args a = {.sensors = json_array()};
	const struct cli_opt table[] = {
	    {"sensor", .call = sensors, .ctx = &a, .bad = "not names of sensors"},
	    {"permit", .flag = &a.permit},
	    {"remove", .count = &a.remove, .bad = "not a number of one"},
	    {"json", .flag = &a.json},
	    {"store", .text = &a.store},
	    {0},
	};
	char err[400];
	struct store *s;
	int status;

	if (!cli_options("collect prepare", help, table, &argc, &argv, &status)) {
		json_decref(a.sensors);
		return status;
	}
	if ((argc != 1 && argc != 3) || (argc == 3) != (json_array_size(a.sensors) > 0) ||
	    (argc == 3 && a.remove > 0)) {
		json_decref(a.sensors);
		return cli_usage("collect prepare",
		    "a directory; with a name, a file and --sensor, with --remove, or alone");
	}
	if (!(s = collect_store(argv[0], a.store, err, sizeof(err)))) {
		cli_say("%s", err);
		status = EXIT_UNABLE;
	} else {
		status = argc == 3	? make(s, argv[1], argv[2], &a)
			 : a.remove > 0 ? remove_one(s, (int64_t)a.remove)
					: collect_list(s, a.json, prepared_items, print_one);
	}
	store_close(s);
	json_decref(a.sensors);
	return status;
}
