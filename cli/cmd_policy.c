/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_policy.c - policy check: the reader and compiler of the daemon, and their complaints.
 * The other verbs about policies have files of their own. */
#include <getopt.h>
#include <string.h>

#include "base/jw.h"
#include "cli/cli.h"
#include "policy/policy.h"

static const char usage_text[] =
    "usage: interlock policy check [--strict] [--json] FILE\n"
    "Read, check and compile a policy (- is standard input); every complaint at once.\n\n"
    "  --strict   warnings are findings: exit status 1\n"
    "  --json     complaints and summary as JSON on standard output\n\n"
    "       interlock policy diff | explain | sign | test | verify --help\n\n"
    "exit status: 0 usable, 1 usable with warnings (--strict), 2 errors\n";

struct check {
	const char *path;
	const struct policy *policy; /* NULL: it has errors */
	const struct complaints *complaints;
};

static void
check_json(struct jw *w, const void *ctx)
{
	const struct check *c = ctx;

	jw_obj(w, NULL);
	jw_str(w, "file", c->path);
	jw_bool(w, "usable", c->policy != NULL);
	jw_u(w, "errors", c->complaints->errors);
	jw_u(w, "warnings", c->complaints->warnings);
	jw_arr(w, "complaints");
	for (size_t i = 0; i < c->complaints->n; i++) {
		const struct complaint *x = &c->complaints->v[i];

		jw_obj(w, NULL);
		jw_str(w, "level", x->level == COMPLAINT_ERROR ? "error" : "warning");
		jw_u(w, "line", x->line);
		jw_u(w, "column", x->col);
		jw_str(w, "text", x->text);
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

static int
check(int argc, char **argv)
{
	static const struct option options[] = {
	    {"strict", no_argument, NULL, 's'},
	    {"json", no_argument, NULL, 'j'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	bool strict = false, json = false;
	struct complaints complaints = {0};
	struct check c = {.complaints = &complaints};
	struct out out = {stdout, "-"};
	struct policy *pol;
	int opt, status;

	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (opt) {
		case 's':
			strict = true;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return EXIT_OK;
		default:
			return cli_bad_option("policy", argv, opt);
		}
	}
	if (optind + 1 != argc)
		return cli_usage("policy", "check takes one policy file");
	c.path = complaints.file = argv[optind];
	c.policy = pol = policy_build(c.path, &complaints);
	status = !pol ? EXIT_UNABLE : strict && complaints.warnings != 0 ? EXIT_FOUND : EXIT_OK;
	if (json) {
		if (!out_json(&out, check_json, &c))
			status = EXIT_UNABLE;
	} else {
		complaints_print(&complaints, stderr);
		printf("%s: ", c.path);
		if (pol)
			printf("%u zones, %u devices, %u conduits, %u rules, %zu bytes; ",
			    policy_zone_count(pol), policy_device_count(pol),
			    policy_conduit_count(pol), policy_rule_count(pol), policy_bytes(pol));
		printf("%zu errors, %zu warnings\n", complaints.errors, complaints.warnings);
	}
	policy_free(pol);
	complaints_fini(&complaints);
	return status;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
    {"check", check},
    {"diff", policy_diff},
    {"explain", policy_explain_verb},
    {"sign", policy_sign},
    {"test", policy_test},
    {"verify", policy_verify},
};

int
cmd_policy(int argc, char **argv)
{
	if (argc < 2)
		return cli_usage(
		    "policy", "what is to be done? check, diff, explain, sign, test, verify");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(usage_text, stdout);
		return EXIT_OK;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	return cli_usage("policy",
	    "%s: unknown; this version has: check, diff, explain, sign, test, verify", argv[1]);
}
