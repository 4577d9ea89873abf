/* SPDX-License-Identifier: Apache-2.0 */
/* inventory.c - the list of devices, to a file. */
#include "cli/inventory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
ends_in(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);

	return n >= m && strcmp(path + n - m, end) == 0;
}

/* What another run has heard.  It is no reason not to begin: what is not good is said, and the list begins anew. */
static void
state_take(struct inventory *inv)
{
	char err[160] = "", *bytes;
	size_t len, most = 2 * (inv->memory ? inv->memory : ASSETS_MEMORY);

	if (!inv->state || access(inv->state, F_OK) < 0)
		return;
	if ((bytes = cli_read(inv->state, most, &len)) &&
	    assets_load(inv->assets, bytes, len, err, sizeof(err)) < 0)
		cli_say("%s: %s; the list of devices begins anew", inv->state, err);
	free(bytes);
}

bool
inventory_open(struct inventory *inv, uint64_t seed)
{
	if (!inv->path) {
		if (inv->oui || inv->state)
			cli_say("%s needs --assets", inv->oui ? "--oui" : "--assets-state");
		return !inv->oui && !inv->state;
	}
	if (inv->oui && access(inv->oui, R_OK) < 0) {
		cli_say("%s: cannot be read", inv->oui);
		return false;
	}
	if (!inv->replaced && !out_open(&inv->out, inv->path))
		return false;
	if (!(inv->assets = assets_new(inv->memory ? inv->memory : ASSETS_MEMORY, seed))) {
		cli_say("no memory for the list of devices");
		return false;
	}
	state_take(inv);
	return true;
}

static bool
state_put(void *ctx, const void *p, size_t n)
{
	struct out *o = ctx;

	if (fwrite(p, 1, n, o->fp) == n)
		return true;
	cli_say("%s: %s", o->path, strerror(errno));
	return false;
}

bool
inventory_save(const struct inventory *inv, struct out *o)
{
	return assets_save(inv->assets, state_put, o);
}

bool
inventory_put(const struct inventory *inv, struct out *o, const struct policy *pol)
{
	struct assets_view *v;
	bool oui_read = false, ok;

	v = assets_view_new(inv->assets, pol, inv->oui ? inv->oui : ASSETS_OUI, &oui_read);
	if (!v)
		cli_say("no memory for the list of devices");
	if (v && inv->oui && !oui_read)
		cli_say("%s: no prefixes of vendors in it", inv->oui);
	ok = v && (!inv->oui || oui_read);
	if (v)
		ok &= out_json(o,
		    ends_in(inv->path, ".csv")	      ? assets_csv
		    : ends_in(inv->path, ".cdx.json") ? assets_cyclonedx
						      : assets_json,
		    v);
	assets_view_free(v);
	return ok;
}

bool
inventory_write(struct inventory *inv, const struct policy *pol)
{
	bool ok;

	if (!inv->assets || inv->replaced)
		return true;
	ok = inventory_put(inv, &inv->out, pol);
	ok &= out_close(&inv->out);
	inv->out = (struct out){0};
	inventory_fini(inv);
	return ok;
}

void
inventory_fini(struct inventory *inv)
{
	if (inv->out.fp)
		(void)out_close(&inv->out);
	inv->out = (struct out){0};
	assets_free(inv->assets);
	inv->assets = NULL;
}
