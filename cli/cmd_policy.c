/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_policy.c - interlock policy: its verbs, which have files of their own. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const struct {
	const char *name, *about;
	int (*run)(int argc, char **argv);
} verbs[] = {
    {"approve", "rules that wait for it, in the file itself", policy_approve},
    {"check", "read, check and compile a policy; every complaint at once", policy_check},
    {"diff", "what a change does to recorded traffic", policy_diff},
    {"explain", "the policy in plain sentences", policy_explain_verb},
    {"need", "what a newcomer needs before it is let in: go or no-go", policy_need},
    {"propose", "what would have kept an expected alert quiet, disabled", policy_propose},
    {"sign", "a detached signature", policy_sign},
    {"test", "expectations on recorded traffic", policy_test},
    {"verify", "is it what was signed?", policy_verify},
};
#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const char *
names(char *buf, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < N_VERBS && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? ", " : "", verbs[i].name);
	return buf;
}

int
cmd_policy(int argc, char **argv)
{
	char buf[256];

	if (argc < 2)
		return cli_usage("policy", "what is to be done? %s", names(buf, sizeof(buf)));
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs("usage: interlock policy VERB ...\n\n", stdout);
		for (size_t i = 0; i < N_VERBS; i++)
			printf("  %-8s %s\n", verbs[i].name, verbs[i].about);
		fputs("\ninterlock policy VERB --help tells the rest\n", stdout);
		return EXIT_OK;
	}
	for (size_t i = 0; i < N_VERBS; i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	return cli_usage(
	    "policy", "%s: unknown; this version has: %s", argv[1], names(buf, sizeof(buf)));
}
