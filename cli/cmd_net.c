/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_net.c - interlock collect, interlock send: this process becomes interlock-net (cli/net/), so that
 * no other verb has a library in it that speaks with networks.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sibling.h"
#include "cli/cli.h"

/* Why this build does not have the verb; NULL: it has. */
static const char *
lacking(const char *verb)
{
#ifndef HAVE_COLLECTOR
	if (strcmp(verb, "collect") == 0)
		return "built without libmicrohttpd, GnuTLS, SQLite or zstd";
#endif
#ifndef HAVE_SEND
	if (strcmp(verb, "send") == 0)
		return "this build has no sender: libcurl or libgnutls were missing (interlock "
		       "--version)";
#endif
	(void)verb;
	return NULL;
}

int
cmd_net(int argc, char **argv)
{
	const char *why = lacking(argv[0]);
	char path[PATH_MAX], **args;

	if (why) {
		cli_say("%s: %s", argv[0], why);
		return EXIT_UNABLE;
	}
	if (!(args = calloc((size_t)argc + 2, sizeof(*args)))) {
		cli_say("out of memory");
		return EXIT_UNABLE;
	}
	args[0] = (char[]){"interlock"}; /* as it was typed */
	memcpy(args + 1, argv, (size_t)argc * sizeof(*args));
	if (sibling_path(SIBLING_NET, path, sizeof(path)))
		(void)execv(path, args);
	cli_say("%s: %s: %s", argv[0], path, strerror(errno));
	free(args);
	return EXIT_UNABLE;
}
