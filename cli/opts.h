/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opts.h - the options of a verb as a table, and the one loop that reads them.
 *
 *	const struct cli_opt table[] = {
 *	    {"policy", 'p', .text = &o.policy},
 *	    {"packets", .count = &o.packets, .bad = "not a number of frames"},
 *	    {"json", .flag = &o.json},
 *	    {0}};
 *
 *	if (!cli_options("watch", help, table, &argc, &argv, &status))
 *		return status;
 *
 * --help and -h are every verb's.
 */
#ifndef CLI_OPTS_H
#define CLI_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cli_opt {
	const char *name; /* without its dashes; NULL ends the table */
	char letter;	  /* -X too; 0 = none */
	/* One of these, or none: where its value goes.  Texts are borrowed from argv; the last one counts. */
	const char **text;
	bool *flag;				    /* takes no value */
	size_t *size;				    /* "64M" */
	uint64_t *count;			    /* not 0 */
	uint64_t *seconds;			    /* "10m" */
	bool (*call)(void *ctx, const char *value); /* false: no good */
	void *ctx;
	const char *
	    bad; /* what to say of a value that is no good: "not a frame number".  call may say it itself: NULL */
	/* Set when it was given; alone: it takes no value. */
	unsigned *given, bit;
};

/*
 * argv[0] is the verb.  True: go on, *argc and *argv are what is left beside options, in order.  False: return
 * *status (help was given, or said what is wrong).  help NULL: then *status is CLI_HELP, and the verb prints its own.
 */
#define CLI_HELP (-1)
bool cli_options(const char *verb, const char *help, const struct cli_opt *table, int *argc,
    char ***argv, int *status);

#endif /* CLI_OPTS_H */
