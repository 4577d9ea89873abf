/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_protocols.c - what a PDU of each protocol costs in the engine, beside Modbus.
 *
 * One engine and one policy per protocol; 1 000 flows each, opened with the protocol's own
 * handshake.  A lap is one request and one response of every flow in random order, with fresh
 * sequence, acknowledgement and transaction numbers.  Laps of the protocols alternate, and what
 * is printed is the median over laps of thread CPU time per packet, and of the ratio to the
 * Modbus lap beside it.  The common read and the common write: one object each, allowed by a rule.
 *
 * usage: bench_protocols [quick]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "dataplane/engine.h"
#include "tests/bench/median.h"
#include "tests/bench/pdus.h"

#define SLOT	256u /* bytes between frames in memory */
#define FLOWS	1000u
#define LAPS_MAX 400

struct load {
	const struct protocol *proto;
	struct engine *e;
	struct policy *pol;
	uint8_t *mem;
	struct pkt pkts[2 * FLOWS];
	uint32_t order[2 * FLOWS];
	struct talk talk[FLOWS];
	uint64_t now_ns, frame;
	uint32_t lap, n;
};

static uint32_t
rnd(void)
{
	static uint64_t s = 0x243f6a8885a308d3u;

	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return (uint32_t)(s >> 32);
}

/* Frame number i of the lap: what side `who` of a flow says, after what was said before. */
static void
frame_make(struct load *ld, uint32_t i, uint32_t flow, unsigned who, uint8_t flags, const struct tmpl *t)
{
	uint8_t *b = ld->mem + (size_t)i * SLOT;
	uint32_t n;

	if (FRAME_HEAD + (t ? t->len : 0u) > SLOT)
		exit(2);
	n = frame_put(b, &ld->talk[flow], who, flags, t, ld->lap + 1);
	ld->pkts[i] = (struct pkt){.bytes = b,
	    .caplen = n,
	    .wirelen = n,
	    .ts_ns = ld->now_ns += 100,
	    .frame = ++ld->frame};
}

static void
run(struct load *ld, uint32_t n)
{
	for (uint32_t i = 0; i < n; i += PKT_BURST)
		engine_burst(ld->e, ld->pkts + i, n - i < PKT_BURST ? n - i : PKT_BURST);
}

static void
make_lap(struct load *ld, unsigned what)
{
	ld->lap++;
	for (uint32_t i = 0; i < 2 * FLOWS; i++)
		frame_make(ld, i, ld->order[i], i >= FLOWS, 0x18, &ld->proto->pdu[what][i >= FLOWS]);
}

/* TCP's handshake, then the protocol's. */
static void
open_flows(struct load *ld)
{
	for (uint32_t f = 0; f < FLOWS; f++) {
		uint32_t n = 0;

		ld->talk[f] = (struct talk){.client = 0x0a010001u + f % 200,
		    .server = 0x0a020001u,
		    .cport = (uint16_t)(20000 + f),
		    .port = ld->proto->port};
		frame_make(ld, n++, f, 0, 0x02, NULL);
		frame_make(ld, n++, f, 1, 0x12, NULL);
		frame_make(ld, n++, f, 0, 0x10, NULL);
		for (unsigned i = 0; i < 4; i++)
			if (ld->proto->open[i].len) {
				ld->talk[f].said[i & 1] = i / 2;
				frame_make(ld, n++, f, i & 1, 0x18, &ld->proto->open[i]);
				ld->n++;
			}
		ld->talk[f].said[0] = ld->talk[f].said[1] = 2;
		run(ld, n);
	}
}

static struct load *
load_new(const struct protocol *proto)
{
	struct load *ld = calloc(1, sizeof(*ld));
	struct complaints c = {0};
	struct engine_conf conf = {.memory_bytes = 64u << 20, .max_flows = FLOWS * 5 / 4 + 64, .seed = 42};
	char text[2048];
	int n;

	if (!ld)
		exit(2);
	n = snprintf(text, sizeof(text),
	    "interlock: 1\nsite: bench\nmode: enforce\n"
	    "zones:\n  it: {level: 3, port: outside, nets: [10.1.0.0/16]}\n"
	    "  ot: {level: 1, port: inside, nets: [10.2.0.0/16]}\n"
	    "conduits:\n  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop\n"
	    "    %s", proto->rules);
	ld->proto = proto;
	ld->pol = policy_build_text("bench", text, (size_t)n, &c);
	if (!ld->pol) {
		complaints_print(&c, stderr);
		exit(2);
	}
	complaints_fini(&c);
	conf.policy = ld->pol;
	ld->e = engine_new(&conf);
	ld->mem = mem_table((size_t)2 * FLOWS * SLOT);
	if (!ld->e || !ld->mem)
		exit(2);
	ld->now_ns = UINT64_C(1700000000) * NS_PER_S;
	for (unsigned half = 0; half < 2; half++) {
		uint32_t *o = ld->order + half * FLOWS;

		for (uint32_t i = 0; i < FLOWS; i++)
			o[i] = i;
		for (uint32_t i = FLOWS - 1; i > 0; i--) {
			uint32_t j = rnd() % (i + 1), t = o[i];

			o[i] = o[j];
			o[j] = t;
		}
	}
	open_flows(ld);
	return ld;
}

/* Nothing is measured that was not judged, and allowed. */
static void
load_end(struct load *ld)
{
	const struct engine_stats *s = engine_stats(ld->e);

	if (s->pdus != ld->n || s->would[VERDICT_ALLOW] != ld->n || s->flows_evicted ||
	    s->retransmitted || !engine_balanced(s)) {
		fprintf(stderr, "%s: %lu PDUs judged, %lu allowed, of %lu\n", ld->proto->name,
		    (unsigned long)s->pdus, (unsigned long)s->would[VERDICT_ALLOW],
		    (unsigned long)ld->n);
		exit(1);
	}
	engine_free(ld->e);
	policy_free(ld->pol);
	free(ld->mem);
	free(ld);
}

static void
compare(unsigned what, unsigned laps)
{
	static double ns[N_PROTOCOLS][LAPS_MAX], ratio[N_PROTOCOLS][LAPS_MAX];
	struct load *ld[N_PROTOCOLS];

	for (unsigned p = 0; p < N_PROTOCOLS; p++)
		ld[p] = load_new(&protocols[p]);
	for (unsigned i = 0; i < laps + 3; i++) {
		unsigned at = i < 3 ? 0 : i - 3;

		for (unsigned k = 0; k < N_PROTOCOLS; k++) {
			unsigned p = i & 1 ? (unsigned)N_PROTOCOLS - 1 - k : k;
			uint64_t t0;

			make_lap(ld[p], what);
			t0 = clock_cpu_ns();
			run(ld[p], 2 * FLOWS);
			ns[p][at] = (double)(clock_cpu_ns() - t0) / (2 * FLOWS);
			ld[p]->n += 2 * FLOWS;
		}
		for (unsigned p = 0; p < N_PROTOCOLS; p++)
			ratio[p][at] = ns[p][at] / ns[0][at];
	}
	for (unsigned p = 0; p < N_PROTOCOLS; p++) {
		printf("%-8s %-8s %8.1f %7.2f   %u + %u bytes\n", ld[p]->proto->name, what ? "write" : "read",
		    median(ns[p], laps), median(ratio[p], laps), 54u + ld[p]->proto->pdu[what][0].len,
		    54u + ld[p]->proto->pdu[what][1].len);
		load_end(ld[p]);
	}
}

int
main(int argc, char **argv)
{
	unsigned laps = argc > 1 && strcmp(argv[1], "quick") == 0 ? 40 : LAPS_MAX;

	printf("ns of CPU per packet, 1 000 flows, median of interleaved laps; ratio to modbus (goal 1.50)\n");
	compare(0, laps);
	compare(1, laps);
	return 0;
}
