/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - the verbs, as docs/OPERATIONS.md describes them. */
#include <signal.h>
#include <string.h>

#include "base/build_id.h"
#include "cli/cli.h"
#include "dataplane/io/io.h"
#include "dissectors/dissector.h"

/* The verbs of this version; others of the design are not offered. */
static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
    {"replay", cmd_replay, "judge captures: facts, verdicts, signed alerts, CI reports"},
    {"why", cmd_why, "the path of one frame through the rules"},
    {"watch", cmd_watch, "listen on an interface: judge, tell, stop nothing"},
    {"guard", cmd_guard, "stand between two ports and enforce a policy"},
    {"ctl", cmd_ctl, "ask a running guard, or tell it"},
    {"learn", cmd_learn, "propose a policy from captures, disabled until approved"},
    {"policy", cmd_policy, "check, explain, compare, test, sign a policy"},
    {"key", cmd_key, "make or show a signing key"},
    {"permit", cmd_permit, "sign, show or verify a permit for a window"},
    {"collect", cmd_net, "receive what sensors send: one picture, and a page to look at it"},
    {"journal", cmd_journal, "verify, show or prove what was signed"},
    {"send", cmd_net, "take a journal to a collector, a syslog server, files"},
    {"library", cmd_library, "playbooks: check, sign, verify, find, show"},
};

static const struct {
	const char *name;
	bool have;
} features[] = {
#ifdef HAVE_NDPI
    {"ndpi", true},
#else
    {"ndpi", false},
#endif
#ifdef HAVE_DPDK
    {"dpdk", true},
#else
    {"dpdk", false},
#endif
#ifdef HAVE_XDP
    {"xdp", true},
#else
    {"xdp", false},
#endif
#ifdef HAVE_WATCH
    {"watch", true},
#else
    {"watch", false},
#endif
#ifdef HAVE_SEND
    {"send", true},
#else
    {"send", false},
#endif
#if defined(HAVE_METRICS) && defined(HAVE_XDP)
    {"metrics", true},
#else
    {"metrics", false},
#endif
#ifdef HAVE_COLLECTOR
    {"collector", true},
#else
    {"collector", false},
#endif
#if defined(HAVE_PG) && defined(HAVE_COLLECTOR)
    {"pg", true},
#else
    {"pg", false},
#endif
#if defined(HAVE_NATS) && defined(HAVE_COLLECTOR)
    {"nats", true},
#else
    {"nats", false},
#endif
};

static void
help(FILE *to)
{
	fputs("usage: interlock VERB [OPTION]... [ARGUMENT]...\n\n", to);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		fprintf(to, "  %-10s%s\n", verbs[i].name, verbs[i].help);
	fputs("\n"
	      "  interlock VERB --help   options of a verb\n"
	      "  interlock --version     version, build and what was built in\n\n"
	      "exit status: 0 nothing to report, 1 found what it looks for, 2 could not work\n",
	    to);
}

static void
version(void)
{
	printf("interlock %s (build %s)\nprotocols:", build_version, build_id);
	for (unsigned i = 0; i < n_dissectors; i++)
		printf(" %s", dissectors[i]->name);
	printf("\ninputs:");
	for (unsigned i = 0; io_backends[i]; i++)
		printf(" %s", io_backends[i]->scheme);
	printf("\nfeatures:");
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		printf(" %c%s", features[i].have ? '+' : '-', features[i].name);
	putchar('\n');
}

static int
run(int argc, char **argv)
{
	if (argc < 2) {
		help(stderr);
		return EXIT_UNABLE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		help(stdout);
		return EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		version();
		return EXIT_OK;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	cli_say("%s: unknown verb; 'interlock --help' lists them", argv[1]);
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
