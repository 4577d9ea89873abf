/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_handover.c - bytes that claim to be another engine's connections, then frames.
 *
 *   0: bit 0 a guard, bit 1 the build is not ours    1, 2: length of the hand-over
 *   hand-over, then records {length u8, port u8, frame}
 *
 * Whatever it made goes on with the frames, through timers, and out again: what an engine
 * has taken in it can hand over, and another one takes that.
 */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/build_id.h"
#include "dataplane/engine_int.h"
#include "dataplane/handover.h"

#define BUILD_AT 24u
#define NOW	 UINT64_C(1700000000000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct blob {
	uint8_t *b;
	size_t n;
};

static int
put(void *ctx, const void *p, size_t n)
{
	struct blob *o = ctx;

	o->b = realloc(o->b, o->n + n);
	assert(o->b);
	memcpy(o->b + o->n, p, n);
	o->n += n;
	return 0;
}

static void
end(struct engine *e)
{
	engine_finish(e);
	assert(engine_balanced(engine_stats(e)));
	assert(engine_stats(e)->held == 0);
	for (unsigned c = 0; c < CELL__CLASSES; c++)
		assert(e->cells.used[c] == 0);
	engine_free(e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct engine_conf conf = {.memory_bytes = 1u << 20, .max_flows = 64, .seed = 1};
	struct handover h, again;
	struct blob o = {NULL, 0};
	struct engine *e, *next;
	uint64_t now = NOW;
	uint8_t *copy;
	size_t n;
	int r;

	if (size < 3)
		return 0;
	conf.inline_mode = data[0] & 1;
	n = (size_t)(data[1] << 8 | data[2]);
	n = n < size - 3 ? n : size - 3;
	copy = malloc(n ? n : 1);
	assert(copy);
	memcpy(copy, data + 3, n);
	if (!(data[0] & 2) && n >= BUILD_AT + 16)
		memcpy(copy + BUILD_AT, build_id, 16);
	e = engine_new(&conf);
	next = engine_new(&conf);
	assert(e && next);
	r = engine_import(e, copy, n, &h);
	assert(engine_stats(e)->flows_active == (r == 0 ? h.flows : 0));
	free(copy);
	data += 3 + n;
	size -= 3 + n;
	while (size >= 2) {
		struct pkt p = {.port = data[1] & 1, .ts_ns = now += 50000000};

		p.caplen = p.wirelen = data[0] < size - 2 ? data[0] : (uint32_t)(size - 2);
		p.bytes = data + 2;
		engine_burst(e, &p, 1);
		data += 2 + p.caplen;
		size -= 2 + p.caplen;
	}
	assert(engine_balanced(engine_stats(e)));
	r = engine_export(e, false, put, &o);
	assert(r == 0);
	r = engine_import(next, o.b, o.n, &again);
	assert(r == 0 && again.written == engine_stats(e)->flows_active);
	engine_tick(e, now + UINT64_C(100000000000));
	engine_tick(next, now + UINT64_C(100000000000));
	end(e);
	end(next);
	free(o.b);
	return 0;
}
