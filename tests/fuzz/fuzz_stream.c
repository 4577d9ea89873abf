/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_stream.c - one TCP conversation, spoken by an attacker.
 *
 * The input is a list of segments: who, where relative to the next sequence
 * number, flags, bytes; bits 4 and 5 of the first byte say whom it talks to: Modbus, S7
 * or OPC UA; bits 6 and 7 what becomes of the rest: drop or reject, strict or not.
 * They go through the engine twice, in watch and inline under a policy that
 * allows nothing but reading holding registers 0..99, DB1, and nodes of namespace 2.
 * What must hold, whatever comes:
 *   - packets balance after each burst, and nothing is held at the end;
 *   - inline, the bytes the server's socket gets, whichever way it resolves
 *     overlaps, never contain a whole PDU that is not an allowed read;
 *   - where it is strict, they never contain half of one either, of Modbus.
 * What a server makes of the bytes is written down here once more, and simply.
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
    "conduits:\n  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    otherwise: %s\n    strict: "
    "%s\n"
    "    modbus:\n      addressing: zero-based\n      allow:\n"
    "        - {name: reads, units: [1], functions: [3], holding: [0..99]}\n"
    "    s7:\n      allow:\n        - {name: poll, functions: [setup, read], read: [DB1]}\n"
    "    opcua:\n      allow:\n"
    "        - {name: session, services: [session, discovery]}\n"
    "        - {name: watch, services: [Read], nodes: [\"ns=2;*\"]}\n";

static const uint16_t ports[4] = {502, 102, 4840, 502};

static const struct policy *policies[4];

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
	fprintf(stderr, "a forbidden PDU arrived at offset %u: %02x%02x%02x%02x\n", at, b[at + 6],
	    b[at + 7], b[at + 8], b[at + 9]);
	abort();
}

/* --- Modbus ------------------------------------------------------------------------------ */

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
check_modbus(const uint8_t *b, bool strict)
{
	uint32_t at = 0;

	if (strict && arrived(0, 1)) {
		uint32_t n = 0, end = 0;

		while (arrived(n, 1))
			n++;
		while (n - end >= 6 && b[end + 2] == 0 && b[end + 3] == 0 && end < n)
			end += 6 + (uint32_t)(b[end + 4] << 8 | b[end + 5]);
		if (end > n)
			forbidden(b, n);
	}
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

/* --- S7 ------------------------------------------------------------------------------------ */

/* The message of a whole TSDU: does it do what only a rule could allow, and none does? */
static bool
s7_forbidden(const uint8_t *m, uint32_t n)
{
	uint32_t params = n >= 10 ? (uint32_t)(m[6] << 8 | m[7]) : 0;

	if (n == 0)
		return false;
	if (m[0] != 0x32)
		return true; /* nobody's, or of S7comm-plus, which the policy does not know */
	if (n < 11 || m[1] == 2 || m[1] == 3) /* nothing, or an answer */
		return false;
	if (m[1] != 1 || n < 10 + params)
		return true;
	if (m[10] == 0xf0)
		return false;
	if (m[10] != 4)
		return true;
	for (uint32_t i = 0, at = 12; i < m[11] && at + 12 <= 10 + params; i++, at += 12) {
		const uint8_t *it = m + at;

		if (it[0] != 0x12 || it[1] != 10 || it[2] != 0x10)
			return false; /* other syntaxes: not looked into here */
		if ((it[4] | it[5]) != 0 && (it[8] != 0x84 || it[6] != 0 || it[7] != 1))
			return true;
	}
	return false;
}

static void
check_s7(const uint8_t *b)
{
	static uint8_t tsdu[STREAM_MAX];
	uint32_t at = 0, n = 0;

	while (arrived(at, 7)) {
		uint32_t len = (uint32_t)(b[at + 2] << 8 | b[at + 3]);

		if (b[at] != 3 || len < 7)
			break;
		if (!arrived(at, len))
			return;
		if (b[at + 5] == 0xf0 && b[at + 4] == 2) {
			memcpy(tsdu + n, b + at + 7, len - 7);
			n += len - 7;
			if (b[at + 6] & 0x80) {
				if (s7_forbidden(tsdu, n))
					forbidden(b, at);
				n = 0;
			}
		}
		at += len;
	}
	/* behind what is no TPKT, a stop at any place counts */
	for (; arrived(at, 24); at++)
		if (b[at] == 3 && b[at + 4] == 2 && b[at + 5] == 0xf0 && b[at + 6] == 0x80 &&
		    b[at + 7] == 0x32 && b[at + 8] == 1 && b[at + 17] == 0x29)
			forbidden(b, at);
}

/* --- OPC UA --------------------------------------------------------------------------------- */

struct body {
	const uint8_t *p;
	uint32_t n, at;
	bool bad;
};

static uint32_t
number(struct body *b, uint32_t bytes)
{
	uint32_t v = 0;

	if (b->n - b->at < bytes) {
		b->bad = true;
		b->at = b->n;
		return 0;
	}
	for (uint32_t i = 0; i < bytes && i < 4; i++)
		v |= (uint32_t)b->p[b->at + i] << 8 * i;
	b->at += bytes;
	return v;
}

static void
string(struct body *b)
{
	uint32_t n = number(b, 4);

	if (n != UINT32_MAX)
		(void)number(b, n);
}

/* Its namespace; more than 16 bits: no NodeId. */
static uint32_t
node(struct body *b)
{
	uint32_t how = number(b, 1), ns = 0;

	if (how == 0) {
		(void)number(b, 1);
	} else if (how == 1) {
		ns = number(b, 1);
		(void)number(b, 2);
	} else if (how <= 5) {
		ns = number(b, 2);
		if (how == 2)
			(void)number(b, 4);
		else if (how == 4)
			(void)number(b, 16);
		else
			string(b);
	} else {
		b->bad = true;
	}
	return ns;
}

/* A whole message: a service that acts, or a Read of a node elsewhere. */
static bool
ua_forbidden(const uint8_t *p, uint32_t n)
{
	static const uint16_t acts[] = {488, 494, 500, 506, 527, 533, 554, 560, 566, 615, 621, 664, 673,
	    700, 712, 751, 763, 769, 775, 781, 787, 793, 799, 826, 832, 841, 847};
	struct body b = {.p = p, .n = n};
	uint32_t type, count;

	if (number(&b, 2) != 1)
		return false;
	type = number(&b, 2);
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		if (type == acts[i])
			return true;
	if (type != 631)
		return false;
	(void)node(&b);
	(void)number(&b, 16); /* time, handle, diagnostics */
	string(&b);
	(void)number(&b, 4);
	(void)node(&b);
	if (number(&b, 1) != 0)
		return false;
	(void)number(&b, 12);
	count = number(&b, 4);
	for (uint32_t i = 0; i < count && !b.bad; i++) {
		uint32_t ns = node(&b);

		(void)number(&b, 4);
		string(&b);
		(void)number(&b, 2);
		string(&b);
		if (!b.bad && ns != 2)
			return true;
	}
	return false;
}

static void
check_opcua(const uint8_t *b)
{
	static uint8_t body[STREAM_MAX];
	uint32_t at = 0, n = 0, request = 0;

	while (arrived(at, 24)) {
		uint32_t len = (uint32_t)b[at + 4] | (uint32_t)b[at + 5] << 8 | (uint32_t)b[at + 6] << 16;
		uint32_t id = (uint32_t)b[at + 20] | (uint32_t)b[at + 21] << 8;

		if (b[at + 7] != 0 || len < 8 || !arrived(at, len))
			return;
		if (memcmp(b + at, "MSG", 3) == 0 && len >= 24) {
			if (b[at + 3] == 'A' || (n > 0 && id != request))
				n = 0;
			request = id;
			if (b[at + 3] != 'A') {
				memcpy(body + n, b + at + 24, len - 24);
				n += len - 24;
			}
			if (b[at + 3] == 'F') {
				if (ua_forbidden(body, n))
					forbidden(b, at);
				n = 0;
			}
		}
		at += len;
	}
}

static void
check_stream(const uint8_t *b, uint16_t port, bool strict)
{
	if (port == 102)
		check_s7(b);
	else if (port == 4840)
		check_opcua(b);
	else
		check_modbus(b, strict);
}

/* --- the conversation ------------------------------------------------------------------------ */

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
	    .policy = policies[size > 0 ? data[0] >> 6 : 0],
	    .io = &victim.io,
	};
	struct engine *e = engine_new(&conf);
	struct wire w = {.now_ns = UINT64_C(1700000000000000000)};
	uint16_t port = ports[size > 0 ? data[0] >> 4 & 3 : 0];
	bool strict = size > 0 && data[0] & 0x80;

	if (!e)
		abort();
	w.side[0] = (struct wire_side){0x0a010205, 40000, 0xfffffe00u};
	w.side[1] = (struct wire_side){0x0a010282, port, 9000};
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
		if (data[0] & 8) {
			w.now_ns += (uint64_t)data[3] << 28; /* up to a minute of silence */
			if (data[3] & 1)
				engine_tick(e, w.now_ns);
		}
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
		check_stream(victim.first, port, strict);
		check_stream(victim.last, port, strict);
	}
	engine_free(e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (unsigned i = 0; !policies[3] && i < 4; i++) {
		struct complaints c = {0};
		char text[sizeof(rules) + 16];
		int n = snprintf(
		    text, sizeof(text), rules, i & 1 ? "reject" : "drop", i & 2 ? "true" : "false");

		policies[i] = policy_build_text("fuzz", text, (size_t)n, &c);
		if (!policies[i])
			abort();
		complaints_fini(&c);
		victim.io.be = &backend;
	}
	run(data, size, false);
	run(data, size, true);
	return 0;
}
