/* SPDX-License-Identifier: Apache-2.0 */
/* sensor.c - see sensor.h. */
#include "cli/sensor.h"

#include <string.h>

#include "dataplane/decode.h"
#include "dataplane/engine.h"

static bool
ends_in(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);

	return n >= m && strcmp(path + n - m, end) == 0;
}

unsigned
sensor_on_stdout(const struct sensor *s)
{
	const char *const paths[] = {s->inv.path, s->convs_path, s->map_path};
	unsigned n = 0;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		n += paths[i] && strcmp(paths[i], "-") == 0;
	return n;
}

bool
sensor_open(struct sensor *s, uint64_t seed)
{
	if (!inventory_open(&s->inv, seed))
		return false;
	if (s->map_path && !ends_in(s->map_path, ".dot") && !ends_in(s->map_path, ".mmd") &&
	    !ends_in(s->map_path, ".json")) {
		cli_say("--map %s: .dot, .mmd or .json says which kind of map", s->map_path);
		return false;
	}
	if (!out_open(&s->convs_out, s->convs_path) || !out_open(&s->map_out, s->map_path))
		return false;
	if (!s->convs_path && !s->map_path)
		return true;
	if (!(s->convs = convs_new(CONVS_MEMORY, seed)))
		cli_say("no memory for the conversations");
	return s->convs != NULL;
}

void
sensor_burst(struct sensor *s, const struct pkt *burst, unsigned n)
{
	for (unsigned i = 0; s->inv.assets && i < n; i++)
		assets_frame(s->inv.assets, &burst[i]);
	for (unsigned i = 0; s->convs && i < n; i++) {
		struct layers l = {0};

		if (decode(&burst[i], &l) == DROP_NONE)
			convs_frame(s->convs, &burst[i], &l);
	}
}

void
sensor_fact(struct sensor *s, const struct engine_pdu *pdu)
{
	if (s->inv.assets)
		assets_fact(s->inv.assets, pdu);
	if (s->convs)
		convs_fact(s->convs, pdu);
}

bool
sensor_write(struct sensor *s, const struct policy *pol)
{
	struct convs_view view = {.convs = s->convs, .pol = pol};
	bool ok = inventory_write(&s->inv, pol);

	if (s->convs_out.fp) {
		ok &= out_json(&s->convs_out, convs_json, &view);
		ok &= out_close(&s->convs_out);
	}
	if (s->map_out.fp) {
		view.map = ends_in(s->map_path, ".dot")	  ? CONVS_MAP_DOT
			   : ends_in(s->map_path, ".mmd") ? CONVS_MAP_MERMAID
							  : CONVS_MAP_JSON;
		ok &= out_json(&s->map_out, convs_map, &view);
		ok &= out_close(&s->map_out);
	}
	return ok;
}

void
sensor_fini(struct sensor *s)
{
	inventory_fini(&s->inv);
	if (s->convs_out.fp)
		(void)out_close(&s->convs_out);
	if (s->map_out.fp)
		(void)out_close(&s->map_out);
	convs_free(s->convs);
	s->convs = NULL;
}
