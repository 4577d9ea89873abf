/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_stream.c - one TCP conversation, spoken by an attacker.
 *
 * The input is a list of segments: who, where relative to the next sequence
 * number, flags, bytes.  They go through the engine twice, in watch and inline
 * under a policy that allows nothing but reading holding registers 0..99.
 * What must hold, whatever comes:
 *   - packets balance after each burst, and nothing is held at the end;
 *   - inline, the bytes the server's socket gets, whichever way it resolves
 *     overlaps, never contain a whole ADU that is not an allowed read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/decode.h"
#include "dataplane/engine.h"
#include "tests/unit/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STREAM_MAX 4096u
#define SEGS_MAX   200u

static const char rules[] =
    "interlock: 1\nsite: fuzz\nmode: enforce\n"
    "zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25]}\n"
    "  ot: {level: 1, port: inside, nets: [10.1.2.128/25]}\n"
    "conduits:\n  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop\n"
    "    modbus:\n      addressing: zero-based\n      allow:\n"
    "        - {name: reads, units: [1], functions: [3], holding: [0..99]}\n";

static const struct policy *policy;

/* What arrived at the server, by offset from its initial sequence number. */
static struct victim {
	struct io io;
	uint32_t isn;
	uint8_t first[STREAM_MAX], last[STREAM_MAX], have[STREAM_MAX];
} victim;

static void
arrive(const struct pkt *p)
{
	struct layers l = {0};

	if (p->port != 0 || decode(p, &l) != DROP_NONE || !(l.flags & LAYER_L4))
		return;
	for (uint32_t i = 0; i < l.pay_len; i++) {
		uint32_t at = l.seq + (l.tcp_flags & TCP_SYN ? 1 : 0) + i - victim.isn;

		if (at >= STREAM_MAX)
			continue;
		if (!victim.have[at])
			victim.first[at] = p->bytes[l.pay_off + i];
		victim.last[at] = p->bytes[l.pay_off + i];
		victim.have[at] = 1;
	}
}

static int
tx(struct io *io, const struct pkt *p)
{
	(void)io;
	arrive(p);
	return 0;
}

static const struct io_backend backend = {.scheme = "fuzz", .tx = tx};

static bool
arrived(uint32_t at, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (at + i >= STREAM_MAX || !victim.have[at + i])
			return false;
	return true;
}

static void
forbidden(const uint8_t *b, uint32_t at)
{
	fprintf(stderr, "a forbidden ADU arrived at offset %u: unit %u function %u\n", at, b[at + 6],
	    b[at + 7]);
	abort();
}

/*
 * Servers differ in what they do after a header that is not Modbus: some hang
 * up, some skip bytes until one looks good.  So from there on no write may
 * arrive whole at any offset.
 */
static void
check_after_junk(const uint8_t *b, uint32_t at)
{
	for (; arrived(at, 12); at++)
		if (!b[at + 2] && !b[at + 3] && !b[at + 4] && b[at + 5] == 6 &&
		    (b[at + 7] == 5 || b[at + 7] == 6))
			forbidden(b, at);
}

static void
check_stream(const uint8_t *b)
{
	uint32_t at = 0;

	while (arrived(at, 6)) {
		uint32_t len = (uint32_t)(b[at + 4] << 8 | b[at + 5]), count;

		if (b[at + 2] || b[at + 3] || len < 2 || len > 254) {
			check_after_junk(b, at);
			return;
		}
		if (!arrived(at, len + 6))
			return;
		count = (uint32_t)(b[at + 10] << 8 | b[at + 11]);
		/* a read of nothing touches nothing, wherever it points */
		if (len != 6 || b[at + 6] != 1 || b[at + 7] != 3 ||
		    (count > 0 && (uint32_t)(b[at + 8] << 8 | b[at + 9]) + count > 100))
			forbidden(b, at);
		at += len + 6;
	}
}

static void
give(struct engine *e, struct pkt p, bool inline_mode)
{
	engine_burst(e, &p, 1);
	if (!engine_balanced(engine_stats(e)))
		abort();
	if (inline_mode && p.fate == FATE_FORWARD)
		arrive(&p);
}

static void
run(const uint8_t *data, size_t size, bool inline_mode)
{
	struct engine_conf conf = {
	    .memory_bytes = 1u << 20,
	    .max_flows = 64,
	    .seed = 1,
	    .inline_mode = inline_mode,
	    .policy = policy,
	    .io = &victim.io,
	};
	struct engine *e = engine_new(&conf);
	struct wire w = {.now_ns = UINT64_C(1700000000000000000)};

	if (!e)
		abort();
	w.side[0] = (struct wire_side){0x0a010205, 40000, 0xfffffe00u};
	w.side[1] = (struct wire_side){0x0a010282, 502, 9000};
	memset(victim.have, 0, sizeof(victim.have));
	victim.isn = w.side[0].seq + 1;
	give(e, wire_tcp(&w, 0, TCP_SYN, NULL, 0), inline_mode);
	give(e, wire_tcp(&w, 1, TCP_SYN | TCP_ACK, NULL, 0), inline_mode);
	give(e, wire_tcp(&w, 0, TCP_ACK, NULL, 0), inline_mode);
	for (unsigned i = 0; i < SEGS_MAX && size >= 4; i++) {
		unsigned who = data[0] & 1, len = data[2] % 64u;
		int32_t off = (int8_t)data[1];
		uint8_t flags = data[0] & 2 ? (uint8_t)(data[3] & 0x3f) : TCP_ACK | TCP_PSH;

		if (data[0] & 4)
			off = 0;
		if (data[0] & 8)
			w.now_ns += (uint64_t)data[3] << 28; /* up to a minute of silence */
		data += 4;
		size -= 4;
		if (len > size)
			len = (unsigned)size;
		give(e, wire_tcp_at(&w, who, w.side[who].seq + (uint32_t)off, flags, data, len),
		    inline_mode);
		if (off == 0 && !(flags & (TCP_SYN | TCP_RST)))
			w.side[who].seq += len;
		data += len;
		size -= len;
	}
	engine_finish(e);
	if (!engine_balanced(engine_stats(e)) || engine_stats(e)->held != 0)
		abort();
	if (inline_mode) {
		check_stream(victim.first);
		check_stream(victim.last);
	}
	engine_free(e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!policy) {
		struct complaints c = {0};

		policy = policy_build_text("fuzz", rules, sizeof(rules) - 1, &c);
		if (!policy)
			abort();
		victim.io.be = &backend;
	}
	run(data, size, false);
	run(data, size, true);
	return 0;
}
