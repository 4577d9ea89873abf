/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_explain.c - policy explain: the policy in sentences, and of recorded traffic how often
 * each was used, and what of it the kernel could have served alone.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/jw.h"
#include "cli/cli.h"
#include "cli/opts.h"
#include "cli/run.h"
#include "cli/share.h"
#include "policy/explain.h"

static const char help[] =
    "usage: interlock policy explain [--device NAME] [--matrix | --json] POLICY [CAPTURE...]\n"
    "The policy in plain sentences: what each device may ask of whom, and who may ask it.\n"
    "With captures, how often each rule was used, and which share of the recorded polls a fast\n"
    "path in the kernel can serve alone.\n\n"
    "  --device NAME   only this one\n"
    "  --matrix        from, to, access (R read, W write, C control, P program), conduit; by tabs\n"
    "  --json          for machines, complete\n\n"
    "exit status: 0 explained, 2 could not work\n";

struct explanation {
	const char *path;
	struct explain x;
	uint64_t *hits;
	struct share share;
	bool counted, ok;
	size_t n;
};

static void
explain_json(struct jw *w, const void *ctx)
{
	const struct explanation *e = ctx;

	jw_obj(w, NULL);
	jw_str(w, "policy", e->path);
	(void)policy_explain_json(&e->x, w);
	if (e->counted)
		share_json(&e->share, w);
	jw_close(w, '}');
}

static int
count(struct explanation *e, char **captures)
{
	int status = EXIT_OK;

	e->hits = calloc(policy_rule_count(e->x.policy) + 1u, sizeof(*e->hits));
	if (!e->hits) {
		cli_say("out of memory");
		return EXIT_UNABLE;
	}
	for (size_t i = 0; i < e->n; i++)
		status = exit_worse(status, share_capture(&e->share, captures[i], e->hits));
	e->x.hits = e->hits;
	e->counted = true;
	return status;
}

int
policy_explain_verb(int argc, char **argv)
{
	struct explanation e = {0};
	struct out out = {stdout, "-"};
	bool matrix = false, json = false;
	const struct cli_opt table[] = {{"device", .text = &e.x.device},
	    {"matrix", .flag = &matrix}, {"json", .flag = &json}, {0}};
	struct policy *pol;
	int status;

	if (!cli_options("policy", help, table, &argc, &argv, &status))
		return status;
	if (argc == 0 || (matrix && json))
		return cli_usage(
		    "policy", "explain takes a policy and captures, and one of --matrix, --json");
	e.path = argv[0];
	e.n = (size_t)argc - 1;
	if (!(pol = cli_policy(e.path)))
		return EXIT_UNABLE;
	e.x.policy = e.share.policy = pol;
	if (e.x.device && !policy_explain_knows(pol, e.x.device)) {
		cli_say("%s: no device is called %s", e.path, e.x.device);
		status = EXIT_UNABLE;
	} else {
		if (e.n != 0)
			status = count(&e, argv + 1);
		if (json)
			status = out_json(&out, explain_json, &e) ? status : EXIT_UNABLE;
		else if (matrix)
			policy_explain_matrix(&e.x, stdout);
		else
			policy_explain(&e.x, stdout);
		if (!json && e.counted)
			share_text(&e.share, stdout);
	}
	free(e.hits);
	policy_free(pol);
	return status;
}
