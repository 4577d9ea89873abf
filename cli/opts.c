/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/opts.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#define OPTIONS_MAX 64u /* of a verb */
#define FIRST	    256 /* what getopt_long() says of the first of the table */
#define HELP	    'h'

static bool
takes_value(const struct cli_opt *o)
{
	return o->text || o->size || o->count || o->seconds || o->call;
}

/* NULL: taken; else what is wrong, "" = said already. */
static const char *
take(const struct cli_opt *o, const char *value)
{
	bool ok = true;

	if (o->text)
		*o->text = value;
	if (o->flag)
		*o->flag = true;
	if (o->size && !cli_parse_size(value, o->size))
		return o->bad ? o->bad : "not a size such as 256M";
	if (o->seconds && !cli_parse_duration(value, o->seconds))
		return o->bad ? o->bad : "not a time such as 10m";
	if (o->count)
		ok = cli_parse_u64(value, o->count) && *o->count != 0;
	if (o->call)
		ok = o->call(o->ctx, value);
	if (!ok)
		return o->bad ? o->bad : o->call ? "" : "not a number";
	if (o->given)
		*o->given |= o->bit;
	return NULL;
}

bool
cli_options(const char *verb, const char *help, const struct cli_opt *table, int *argc,
    char ***argv, int *status)
{
	struct option options[OPTIONS_MAX + 2] = {{0}};
	char letters[2 * OPTIONS_MAX + 4] = ":h";
	size_t n = 0, at = 2;
	int c;

	for (; n < OPTIONS_MAX && table[n].name; n++) {
		options[n] = (struct option){table[n].name,
		    takes_value(&table[n]) ? required_argument : no_argument, NULL, FIRST + (int)n};
		if (table[n].letter)
			letters[at++] = table[n].letter;
		if (table[n].letter && takes_value(&table[n]))
			letters[at++] = ':';
	}
	assert(!table[n].name); /* else an option would be unknown that stands in the table */
	options[n] = (struct option){"help", no_argument, NULL, HELP};
	optind = 0; /* begins anew */
	opterr = 0;
	while ((c = getopt_long(*argc, *argv, letters, options, NULL)) != -1) {
		const struct cli_opt *o = c >= FIRST ? &table[c - FIRST] : NULL;
		const char *bad;

		for (size_t i = 0; i < n && !o && c != ':' && c != '?'; i++)
			if (table[i].letter == c)
				o = &table[i];
		if (!o && c == HELP) {
			if (help)
				(void)fputs(help, stdout);
			*status = help ? EXIT_OK : CLI_HELP;
			return false;
		}
		if (!o) {
			*status = cli_bad_option(verb, *argv, c);
			return false;
		}
		if ((bad = take(o, optarg))) {
			*status = EXIT_UNABLE;
			if (*bad)
				(void)cli_usage(verb, "--%s %s: %s", o->name, optarg, bad);
			return false;
		}
	}
	*argc -= optind;
	*argv += optind;
	*status = EXIT_OK;
	return true;
}
