/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - interlock-net: what interlock becomes for the verbs that speak with networks. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/build_id.h"
#include "cli/cli.h"
#include "cli/net/net.h"

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
#ifdef HAVE_COLLECTOR
    {"collect", cmd_collect},
#endif
#ifdef HAVE_SEND
    {"send", cmd_send},
#endif
#if defined(HAVE_METRICS) && defined(HAVE_XDP)
    {"metrics", cmd_metrics},
#endif
};

static int
run(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("interlock-net %s (build %s)\n", build_version, build_id);
		return EXIT_OK;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]) && argc > 1; i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	cli_say("this program is run by interlock; 'interlock --help' lists the verbs");
	return EXIT_UNABLE;
}

int
main(int argc, char **argv)
{
	struct out std = {.fp = stdout, .path = "-"};
	int status;

	(void)signal(SIGPIPE, SIG_IGN);
	status = run(argc, argv);
	if (!out_close(&std))
		status = EXIT_UNABLE;
	return status;
}
