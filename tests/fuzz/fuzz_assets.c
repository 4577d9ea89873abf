/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_assets.c - a list of frames (two bytes of length, big endian, and the frame) through the engine and into a list of
 * devices that has little room.  Whatever came, the list is JSON, and CSV with the same number of cells in each line.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>

#include "assets/assets.h"
#include "base/cur.h"
#include "base/jw.h"
#include "dataplane/decode.h"
#include "dataplane/engine.h"

#define OUT_SIZE (8u << 20)
#define COLUMNS	 21u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char out[OUT_SIZE];

static void
on_fact(void *ctx, const struct engine_pdu *pdu)
{
	assets_fact(ctx, pdu);
}

static void
check_json(const struct assets_view *v)
{
	struct jw w = jw_make(out, sizeof(out));
	json_t *root;

	assets_json(&w, v);
	assert(jw_end(&w));
	root = json_loads(out, JSON_ALLOW_NUL, NULL);
	assert(root);
	assert(json_array_size(json_object_get(root, "devices")) == assets_view_devices(v));
	json_decref(root);
}

static void
check_csv(const struct assets_view *v)
{
	struct jw w = jw_make(out, sizeof(out));
	unsigned cells = 1, lines = 1;
	bool quoted = false;

	assets_csv(&w, v);
	assert(jw_end(&w));
	for (const char *p = out; *p; p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (!quoted && *p == ',')
			cells++;
		if (*p != '\n')
			continue;
		assert(!quoted && cells == COLUMNS);
		lines++;
		cells = 1;
	}
	assert(!quoted && cells == COLUMNS && lines == 1 + assets_view_devices(v));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct assets *a = assets_new(16384, 7);
	const struct engine_conf conf = {
	    .memory_bytes = 1u << 20, .seed = 3, .on_fact = on_fact, .ctx = a};
	struct engine *e = NULL; /* for who has PDUs: it costs more than all the rest */
	struct cur c = cur_make(data, size);
	struct assets_view *v;
	uint64_t frame = 0;
	bool oui;

	assert(a);
	while (cur_left(&c) >= 2) {
		uint32_t n = cur_be16(&c);
		struct pkt p = {.ts_ns = (frame + 1) * 1000000, .frame = frame + 1};
		struct layers l;

		n = n < cur_left(&c) ? n : (uint32_t)cur_left(&c);
		/* a place of its own, so that a read too far is seen */
		uint8_t *copy = malloc(n + 1u);

		assert(copy);
		p.bytes = copy + 1;
		p.caplen = p.wirelen = n;
		(void)cur_copy(&c, copy + 1, n);
		assets_frame(a, &p);
		if (!e && decode(&p, &l) == DROP_NONE && l.flags & LAYER_L4)
			assert((e = engine_new(&conf)));
		if (e)
			engine_burst(e, &p, 1);
		free(copy);
		frame++;
	}
	if (e)
		engine_finish(e);
	engine_free(e);
	v = assets_view_new(a, NULL, NULL, &oui);
	assert(v && !oui);
	check_json(v);
	check_csv(v);
	assets_view_free(v);
	assets_free(a);
	return 0;
}
