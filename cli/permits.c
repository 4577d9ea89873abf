/* SPDX-License-Identifier: Apache-2.0 */
/* permits.c - see permits.h. */
#include "cli/permits.h"

#include <stdlib.h>

#include "alerts/permit.h"
#include "cli/cli.h"

bool
cli_permit_fits(const struct permit *m, const struct policy *pol, const char *path)
{
	static struct policy_permit fit;
	char err[256];

	if (policy_permit_fit(pol, m, &fit, err, sizeof(err)) == 0)
		return true;
	cli_say("%s: the permit does not fit: %s", path, err);
	return false;
}

static bool
load(const struct policy *pol, const char *path, struct permit *out)
{
	static struct key_set keys;
	char err[512], *text;
	size_t n;
	int r;

	if (!(text = cli_read(path, PERMIT_JWS_MAX, &n)))
		return false;
	permit_keys(pol, &keys);
	r = permit_open(text, n, &keys, out, err, sizeof(err));
	free(text);
	if (r < 0)
		cli_say("%s: %s", path, err);
	return r == 0 && cli_permit_fits(out, pol, path);
}

bool
cli_permits_add(void *permits, const char *path)
{
	struct cli_permits *p = permits;

	if (p->n == PERMITS_MAX) {
		cli_say("--permit %s: at most %u permits", path, PERMITS_MAX);
		return false;
	}
	p->path[p->n++] = path;
	return true;
}

bool
cli_permits_load(struct cli_permits *p, const struct policy *pol)
{
	for (unsigned i = 0; i < p->n; i++)
		if (!load(pol, p->path[i], &p->permit[i]))
			return false;
	return true;
}
