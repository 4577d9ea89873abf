/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_engine.c - what full inspection costs beside doing almost nothing.
 *
 * Both sides get the same frames from memory, in bursts of 32, in one
 * process, lap by lap in turn:
 *
 *   floor   parse the headers, hash the tuple, look it up with prefetch in a
 *           table of the same size and load, touch the flow, read the function
 *           code.  Nothing else.
 *   engine  decode, flow, TCP order, Modbus, policy: engine_burst().
 *
 * A lap is one request and one response of every flow, in a random order of
 * flows, with fresh sequence, acknowledgement and transaction numbers (they are
 * written outside the timed part).  What is printed is the median over laps of
 * thread CPU time per packet, and of the ratio.
 *
 * usage: bench_engine [quick]
 *        bench_engine rules N LAPS    only the engine under N rules with hits spread over all
 *                                     of them, for counting instructions and cache misses
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "dataplane/decode_fast.h"
#include "dataplane/engine.h"
#include "dataplane/flow.h"
#include "tests/bench/median.h"

#define SLOT 128u /* bytes between frames in memory: two cache lines */

/* --- allocations on the path are counted by standing in front of malloc ------------- */

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t m);
extern void *__libc_realloc(void *p, size_t n);
static unsigned long allocations;

void *
malloc(size_t n)
{
	allocations++;
	return __libc_malloc(n);
}

void *
calloc(size_t n, size_t m)
{
	allocations++;
	return __libc_calloc(n, m);
}

void *
realloc(void *p, size_t n)
{
	allocations++;
	return __libc_realloc(p, n);
}

/* --- frames ---------------------------------------------------------------------------- */

struct load {
	uint32_t flows;
	uint32_t n; /* frames of a lap */
	uint8_t *mem;
	struct pkt *pkts;
	uint32_t *order; /* flow of frame i */
	uint64_t now_ns, frame;
	uint32_t lap;
	unsigned mix; /* 0: one rule is hit; 1: hits spread over all rules, a request is hardly ever
		       * said twice; 2: spread as well, and each flow repeats its own */
	unsigned rules;
};

static uint64_t rng_state = 0x243f6a8885a308d3u;

static uint32_t
rnd(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)(rng_state >> 32);
}

static void
put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

/* Registers a request of this flow reads; response carries 2 * regs bytes. */
static unsigned
regs_of(uint32_t flow)
{
	return 1 + flow % 10; /* 66 byte requests, 65..83 byte responses */
}

static void
frame_make(struct load *ld, uint32_t i)
{
	uint8_t *b = ld->mem + (size_t)i * SLOT, *ip = b + 14, *tcp = ip + 20, *mb = tcp + 20;
	uint32_t flow = ld->order[i];
	bool response = i >= ld->flows;
	unsigned regs = regs_of(flow);
	unsigned pay = response ? 9 + 2 * regs : 12;
	uint32_t client = 0x0a010000u + flow / 2000, server = 0x0a020000u + flow / 40000;
	uint16_t cport = (uint16_t)(20000 + flow % 40000);

	memset(b, 0, SLOT);
	memcpy(b, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00", 14);
	ip[0] = 0x45;
	put16(ip + 2, 40 + pay);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 6;
	put32(ip + 12, response ? server : client);
	put32(ip + 16, response ? client : server);
	put16(tcp, response ? 502 : cport);
	put16(tcp + 2, response ? cport : 502);
	tcp[12] = 0x50;
	tcp[13] = 0x18;
	put16(tcp + 14, 64240);
	put16(mb + 4, pay - 6);
	mb[6] = 1;
	mb[7] = 3;
	if (response) {
		mb[8] = (uint8_t)(2 * regs);
	} else {
		put16(mb + 8, 0);
		put16(mb + 10, regs);
	}
	ld->pkts[i] = (struct pkt){.bytes = b, .caplen = 54 + pay, .wirelen = 54 + pay};
}

/* The numbers that differ from lap to lap; written outside the timed part. */
static void
next_lap(struct load *ld)
{
	for (uint32_t i = 0; i < ld->n; i++) {
		uint8_t *b = ld->mem + (size_t)i * SLOT, *tcp = b + 34, *mb = b + 54;
		uint32_t flow = ld->order[i];
		bool response = i >= ld->flows;
		uint32_t rsp = 9 + 2 * regs_of(flow);
		uint32_t cseq = 1000 + flow * 7 + ld->lap * 12, sseq = 5000 + flow * 11 + ld->lap * rsp;

		put32(tcp + 4, response ? sseq : cseq);
		put32(tcp + 8, response ? cseq + 12 : sseq);
		put16(mb, (ld->lap + flow) & 0xffff);
		if (ld->mix) { /* rule r: unit 1 + r % 10, registers from r / 10 * 16 */
			uint32_t r = (flow * 7919u + (ld->mix == 1 ? ld->lap : 0)) % ld->rules;

			mb[6] = (uint8_t)(1 + r % 10);
			if (!response)
				put16(mb + 8, r / 10 * 16);
		}
		ld->pkts[i].ts_ns = ld->now_ns += 100;
		ld->pkts[i].frame = ++ld->frame;
	}
	ld->lap++;
}

static void
load_make(struct load *ld, uint32_t flows, unsigned mix, unsigned rules)
{
	memset(ld, 0, sizeof(*ld));
	ld->flows = flows;
	ld->n = 2 * flows;
	ld->mix = mix;
	ld->rules = rules;
	ld->mem = mem_table((size_t)ld->n * SLOT);
	ld->pkts = mem_table(ld->n * sizeof(*ld->pkts));
	ld->order = calloc(ld->n, sizeof(*ld->order));
	ld->now_ns = UINT64_C(1700000000) * NS_PER_S;
	if (!ld->mem || !ld->pkts || !ld->order)
		exit(2);
	for (unsigned half = 0; half < 2; half++) {
		uint32_t *o = ld->order + half * flows;

		for (uint32_t i = 0; i < flows; i++)
			o[i] = i;
		for (uint32_t i = flows - 1; i > 0; i--) {
			uint32_t j = rnd() % (i + 1), t = o[i];

			o[i] = o[j];
			o[j] = t;
		}
	}
	for (uint32_t i = 0; i < ld->n; i++)
		frame_make(ld, i);
}

static void
load_free(struct load *ld)
{
	free(ld->mem);
	free(ld->pkts);
	free(ld->order);
}

/* --- the floor ------------------------------------------------------------------------------ */

struct floor {
	struct flow_table t;
	uint64_t sum;
};

static void
floor_burst(struct floor *fl, const struct pkt *p, unsigned n)
{
	struct layers l[PKT_BURST];
	struct flow_key k[PKT_BURST];
	uint32_t cand[PKT_BURST];

	for (unsigned i = 0; i < n; i++) {
		if (!decode_fast(&p[i], &l[i]))
			exit(2);
		flow_key_make(&fl->t, &l[i], &k[i]);
		flow_prefetch_bucket(&fl->t, k[i].hash);
	}
	for (unsigned i = 0; i < n; i++) {
		cand[i] = flow_candidate(&fl->t, k[i].hash);
		if (cand[i] != FLOW_NONE)
			__builtin_prefetch(&fl->t.flows[cand[i]]);
	}
	for (unsigned i = 0; i < n; i++) {
		struct flow *f = cand[i] != FLOW_NONE ? &fl->t.flows[cand[i]] : NULL;

		if (!f || !flow_matches(f, &k[i])) {
			f = flow_lookup(&fl->t, &k[i]);
			if (!f)
				f = flow_create(&fl->t, &k[i], 100);
		}
		f->last_tick++;
		fl->sum += p[i].bytes[l[i].pay_off + 7];
	}
}

/* --- policies ------------------------------------------------------------------------------- */

static struct policy *
policy_of(unsigned rules)
{
	size_t cap = 4096 + (size_t)rules * 128, n = 0;
	char *text = malloc(cap);
	struct complaints c = {0};
	struct policy *p;

	n += (size_t)snprintf(text + n, cap - n,
	    "interlock: 1\nsite: bench\nmode: enforce\n"
	    "zones:\n  it: {level: 3, port: outside, nets: [10.1.0.0/16]}\n"
	    "  ot: {level: 1, port: inside, nets: [10.2.0.0/16]}\n"
	    "conduits:\n  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop\n"
	    "    modbus:\n      addressing: zero-based\n      allow:\n");
	for (unsigned i = 0; i < rules; i++)
		n += (size_t)snprintf(text + n, cap - n,
		    "        - {name: r%u, units: [%u], functions: [3], holding: [%u..%u]}\n", i,
		    1 + i % 10, i / 10 * 16, i / 10 * 16 + 9);
	p = policy_build_text("bench", text, n, &c);
	if (!p) {
		complaints_print(&c, stderr);
		exit(2);
	}
	complaints_fini(&c);
	free(text);
	return p;
}

/* --- measuring -------------------------------------------------------------------------------- */

#define LAPS_MAX 400

struct result { double floor_ns, engine_ns, ratio; };

static double
lap_engine(struct engine *e, struct load *ld)
{
	uint64_t t0 = clock_cpu_ns();

	for (uint32_t i = 0; i < ld->n; i += PKT_BURST)
		engine_burst(e, ld->pkts + i, ld->n - i < PKT_BURST ? ld->n - i : PKT_BURST);
	return (double)(clock_cpu_ns() - t0) / ld->n;
}

static double
lap_floor(struct floor *fl, struct load *ld)
{
	uint64_t t0 = clock_cpu_ns();

	for (uint32_t i = 0; i < ld->n; i += PKT_BURST)
		floor_burst(fl, ld->pkts + i, ld->n - i < PKT_BURST ? ld->n - i : PKT_BURST);
	return (double)(clock_cpu_ns() - t0) / ld->n;
}

static void
check(struct engine *e, uint64_t want, const char *what)
{
	const struct engine_stats *s = engine_stats(e);

	if (s->pdus != want || s->would[VERDICT_ALLOW] != want || s->flows_evicted ||
	    s->retransmitted || !engine_balanced(s)) {
		fprintf(stderr, "%s: %lu PDUs judged, %lu allowed, of %lu; %lu evicted, %lu retransmitted\n",
		    what, (unsigned long)s->pdus, (unsigned long)s->would[VERDICT_ALLOW],
		    (unsigned long)want, (unsigned long)s->flows_evicted,
		    (unsigned long)s->retransmitted);
		exit(1);
	}
}

static struct engine *
engine_of(const struct policy *pol, uint32_t flows)
{
	struct engine_conf c = {
	    .memory_bytes = (size_t)flows * 640 + (64u << 20),
	    .max_flows = flows * 5 / 4 + 64,
	    .seed = 42,
	    .policy = pol,
	};

	return engine_new(&c);
}

static struct result
versus_floor(uint32_t flows, unsigned laps)
{
	struct policy *pol = policy_of(10);
	struct engine *e = engine_of(pol, flows);
	struct floor fl = {0};
	struct load ld;
	double a[LAPS_MAX], b[LAPS_MAX], r[LAPS_MAX];
	unsigned long before;

	if (!e || flow_table_init(&fl.t, flows * 5 / 4 + 64, 42, false) < 0)
		exit(2);
	load_make(&ld, flows, 0, 10);
	for (unsigned i = 0; i < 3; i++) { /* flows come to be, caches fill */
		next_lap(&ld);
		(void)lap_floor(&fl, &ld);
		(void)lap_engine(e, &ld);
	}
	before = allocations;
	for (unsigned i = 0; i < laps; i++) {
		next_lap(&ld);
		if (i & 1) {
			b[i] = lap_engine(e, &ld);
			a[i] = lap_floor(&fl, &ld);
		} else {
			a[i] = lap_floor(&fl, &ld);
			b[i] = lap_engine(e, &ld);
		}
		r[i] = b[i] / a[i];
	}
	if (allocations != before) {
		fprintf(stderr, "%lu allocations on the path\n", allocations - before);
		exit(1);
	}
	check(e, (uint64_t)(laps + 3) * ld.n, "engine");
	engine_free(e);
	policy_free(pol);
	flow_table_fini(&fl.t);
	load_free(&ld);
	return (struct result){median(a, laps), median(b, laps), median(r, laps)};
}

/* The engine under two policies, in turn; ratio of the second to the first. */
static struct result
rules_cost(unsigned few, unsigned many, unsigned mix, unsigned laps)
{
	struct policy *p1 = policy_of(few), *p2 = policy_of(many);
	struct engine *e1 = engine_of(p1, 1000), *e2 = engine_of(p2, 1000);
	struct load l1, l2;
	double a[LAPS_MAX], b[LAPS_MAX], r[LAPS_MAX];

	if (!e1 || !e2)
		exit(2);
	load_make(&l1, 1000, mix, few);
	load_make(&l2, 1000, mix, many);
	for (unsigned i = 0; i < laps + 3; i++) {
		unsigned at = i < 3 ? 0 : i - 3;

		next_lap(&l1);
		next_lap(&l2);
		a[at] = lap_engine(e1, &l1);
		b[at] = lap_engine(e2, &l2);
		r[at] = b[at] / a[at];
	}
	check(e1, (uint64_t)(laps + 3) * l1.n, "few rules");
	check(e2, (uint64_t)(laps + 3) * l2.n, "many rules");
	engine_free(e1);
	engine_free(e2);
	policy_free(p1);
	policy_free(p2);
	load_free(&l1);
	load_free(&l2);
	return (struct result){median(a, laps), median(b, laps), median(r, laps)};
}

/* Nothing but the engine, for a program that counts. */
static int
count_rules(unsigned rules, unsigned laps)
{
	struct policy *p = policy_of(rules);
	struct engine *e = engine_of(p, 1000);
	struct load l;
	double ns = 0;

	if (!e)
		exit(2);
	load_make(&l, 1000, 1, rules);
	for (unsigned i = 0; i < laps; i++) {
		next_lap(&l);
		ns += lap_engine(e, &l);
	}
	check(e, (uint64_t)laps * l.n, "rules");
	printf("%u rules, %u packets: %.1f ns each\n", rules, laps * l.n, ns / laps);
	engine_free(e);
	policy_free(p);
	load_free(&l);
	return 0;
}

static void
machine(void)
{
	char line[256], model[200] = "unknown cpu";
	FILE *f = fopen("/proc/cpuinfo", "r");
	struct utsname u;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "model name : %199[^\n]", model) == 1)
			break;
	if (f)
		fclose(f);
	uname(&u);
	printf("machine: %s, Linux %s; compiler: %s; flags: %s\n", model, u.release, __VERSION__,
#ifdef BENCH_FLAGS
	    BENCH_FLAGS
#else
	    "see Makefile"
#endif
	);
}

int
main(int argc, char **argv)
{
	bool quick = argc > 1 && strcmp(argv[1], "quick") == 0;
	unsigned laps = quick ? 20 : 200;
	struct result r;

	if (argc > 3 && strcmp(argv[1], "rules") == 0)
		return count_rules(
		    (unsigned)strtoul(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10));
	machine();
	printf("ns of CPU per packet, median of interleaved laps; frames of 63 to 86 bytes\n");
	printf("%-44s %8s %8s %7s\n", "", "floor", "engine", "ratio");
	r = versus_floor(1000, laps);
	printf("%-44s %8.1f %8.1f %7.2f\n", "1 000 flows, 10 rules", r.floor_ns, r.engine_ns, r.ratio);
	r = versus_floor(100000, laps / 5 + 1);
	printf("%-44s %8.1f %8.1f %7.2f\n", "100 000 flows, 10 rules", r.floor_ns, r.engine_ns,
	    r.ratio);
	printf("%-44s %8s %8s %7s\n", "", "10", "10 000", "ratio");
	r = rules_cost(10, 10000, 0, laps);
	printf("%-44s %8.1f %8.1f %7.2f\n", "rules, the same rule is hit", r.floor_ns, r.engine_ns,
	    r.ratio);
	r = rules_cost(10, 10000, 2, laps);
	printf("%-44s %8.1f %8.1f %7.2f\n", "rules, hits spread, each flow polls its own",
	    r.floor_ns, r.engine_ns, r.ratio);
	r = rules_cost(10, 10000, 1, laps);
	printf("%-44s %8.1f %8.1f %7.2f\n", "rules, hits spread, nothing said twice", r.floor_ns,
	    r.engine_ns, r.ratio);
	printf("allocations on the path: 0\n");
	return 0;
}
