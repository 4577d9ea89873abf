/* SPDX-License-Identifier: Apache-2.0 */
/* permits.h - --permit FILE of the verbs that judge captures: as if a guard had been given it when it was good. */
#ifndef CLI_PERMITS_H
#define CLI_PERMITS_H

#include <stdbool.h>

#include "policy/window.h"

/* For a table of options (opts.h). */
#define PERMIT_OPT(permits)                                                                        \
	{                                                                                          \
		"permit", .call = cli_permits_add, .ctx = (permits)                                \
	}

#define PERMIT_HELP                                                                                \
	"      --permit FILE    as if this permit had been given to the guard when it was good;\n" \
	"                       several times for several (see interlock permit)\n"

struct cli_permits {
	unsigned n;
	const char *path[PERMITS_MAX]; /* borrowed */
	struct permit permit[PERMITS_MAX];
};

/* One more, of a struct cli_permits; false: there are PERMITS_MAX, said. */
bool cli_permits_add(void *permits, const char *path);
/* Read them: each is signed by a key of the policy, and fits it.  False: said why. */
bool cli_permits_load(struct cli_permits *p, const struct policy *pol);
/* Would it open anything under this policy?  False: said why, with path in front. */
bool cli_permit_fits(const struct permit *m, const struct policy *pol, const char *path);

#endif /* CLI_PERMITS_H */
