/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_line.c - the share that full inspection leaves of a bare forwarding loop.
 *
 * Both sides are given the same frames by the same source (traffic.h: tuple and numbers of
 * each frame are written anew into a small pool) and hand them on to the same sink, in one process,
 * lap by lap in turn; source and sink are part of both times.
 *
 *   bare    parse the headers, hash the tuples of a burst and look them up with prefetch in a table of
 *           the same kind, size and load, touch the flow, look the function code up in a bit
 *           set, hand on.  No state, no policy.
 *   engine  engine_burst(): decode, flow, TCP order, dissector, policy; hand on what may go.
 *
 * Printed: medians over laps of thread CPU time per packet, and of the ratio bare / engine.
 *
 * usage: bench_line [quick]             the table
 *        bench_line PROTO FLOWS LAPS [DENIED] [guard]   one line of it, for a profiler
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "alerts/alert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "dataplane/decode_fast.h"
#include "dataplane/engine.h"
#include "dataplane/flow.h"
#include "tests/bench/median.h"
#include "tests/bench/traffic.h"

#define SINK 1024u /* frames a sink holds, over and over */

struct sink {
	const uint8_t *frame[SINK];
	uint32_t len[SINK], n;
	uint64_t bytes, now_ns;
};

static inline void
transmit(struct sink *s, const struct pkt *p)
{
	uint32_t at = s->n++ % SINK;

	s->frame[at] = p->bytes;
	s->len[at] = p->caplen;
	s->bytes += p->caplen;
}

/* --- bare ------------------------------------------------------------------------------------ */

struct bare {
	struct flow_table t;
	uint64_t functions[4]; /* bit per code */
	uint64_t refused;
	unsigned at; /* of the function code in a PDU */
};

static inline void
bare_burst(struct bare *b, struct sink *s, const struct pkt *p, unsigned n)
{
	struct layers l[PKT_BURST];
	struct flow_key k[PKT_BURST];
	uint32_t cand[PKT_BURST];

	for (unsigned i = 0; i < n; i++) {
		if (!decode_fast(&p[i], &l[i]))
			exit(2);
		flow_key_make(&b->t, &l[i], &k[i]);
		flow_prefetch_bucket(&b->t, k[i].hash);
	}
	for (unsigned i = 0; i < n; i++) {
		cand[i] = flow_candidate(&b->t, k[i].hash);
		if (cand[i] != FLOW_NONE)
			__builtin_prefetch(&b->t.flows[cand[i]]);
	}
	for (unsigned i = 0; i < n; i++) {
		struct flow *f = cand[i] != FLOW_NONE ? &b->t.flows[cand[i]] : NULL;
		uint8_t code = 0;

		if (!f || !flow_matches(f, &k[i])) {
			f = flow_lookup(&b->t, &k[i]);
			if (!f)
				f = flow_create(&b->t, &k[i], 100);
		}
		f->last_tick++;
		if (l[i].pay_len > b->at)
			code = p[i].bytes[l[i].pay_off + b->at];
		if (b->functions[code / 64] >> code % 64 & 1)
			transmit(s, &p[i]);
		else
			b->refused++;
	}
}

static double
lap_bare(struct bare *b, struct traffic *t, struct sink *s, uint64_t frames)
{
	struct pkt burst[PKT_BURST];
	uint64_t t0 = clock_cpu_ns();

	for (uint64_t i = 0; i < frames;) {
		unsigned n = traffic_next(t, burst, PKT_BURST);

		bare_burst(b, s, burst, n);
		i += n;
	}
	return (double)(clock_cpu_ns() - t0) / (double)frames;
}

static double
lap_engine(struct engine *e, struct traffic *t, struct sink *s, uint64_t frames)
{
	struct pkt burst[PKT_BURST];
	uint64_t t0 = clock_cpu_ns();

	for (uint64_t i = 0; i < frames;) {
		unsigned n = traffic_next(t, burst, PKT_BURST);

		engine_burst(e, burst, n);
		for (unsigned k = 0; k < n; k++)
			if (burst[k].fate == FATE_FORWARD)
				transmit(s, &burst[k]);
		s->now_ns = burst[n - 1].ts_ns;
		i += n;
	}
	return (double)(clock_cpu_ns() - t0) / (double)frames;
}

/* --- measuring --------------------------------------------------------------------------------- */

#define LAPS_MAX 400u

struct line {
	enum traffic_proto proto;
	uint32_t flows;
	unsigned denied, laps;
	bool guard, no_quick;
};

/* Nothing is measured that was not judged, and as it should be. */
static void
check(struct engine *e, const struct line *x, uint64_t pdus)
{
	const struct engine_stats *s = engine_stats(e);
	uint64_t denied = s->would[VERDICT_DROP];
	/* of both halves of a lap, only requests are denied */
	double share = 200.0 * (double)denied / (double)s->pdus;

	if (s->pdus != pdus || s->would[VERDICT_ALLOW] + denied != pdus || s->flows_evicted ||
	    s->retransmitted || s->pool_full || share > x->denied + 5.0 ||
	    share < x->denied - 5.0 || !engine_balanced(s)) {
		fprintf(stderr,
		    "%s: %lu PDUs judged of %lu, %lu allowed, %lu denied; %lu evicted, %lu "
		    "retransmitted\n",
		    traffic_names[x->proto], (unsigned long)s->pdus, (unsigned long)pdus,
		    (unsigned long)s->would[VERDICT_ALLOW], (unsigned long)denied,
		    (unsigned long)s->flows_evicted, (unsigned long)s->retransmitted);
		exit(1);
	}
}

static void
one_line(const struct line *x)
{
	static const unsigned code_at[TRAFFIC__PROTOS] = {7, 17, 26};
	static double a[LAPS_MAX], b[LAPS_MAX], r[LAPS_MAX];
	const struct traffic_conf tc = {
	    .proto = x->proto, .flows = x->flows, .denied = x->denied, .checksums = x->guard};
	struct traffic *to_bare = traffic_new(&tc), *to_engine = traffic_new(&tc);
	struct policy *pol = traffic_policy(x->proto, 10);
	const struct alerts_conf ac = {.policy = pol, .fold_window_ns = ALERT_FOLD_WINDOW_NS};
	char err[128];
	struct alerts *alerts = x->denied ? alerts_new(&ac, err, sizeof(err)) : NULL;
	struct engine_conf conf = {
	    .memory_bytes =
		(size_t)x->flows * (x->proto == TRAFFIC_OPCUA ? 6144 : 1200) + (64u << 20),
	    /* a guard keeps slots for other conduits */
	    .max_flows = x->flows * (x->guard ? 7 : 5) / 4 + 64,
	    .seed = 42,
	    .policy = pol,
	    .inline_mode = x->guard,
	    .no_quick = x->no_quick,
	    .alerts = alerts,
	};
	struct engine *e = engine_new(&conf);
	struct sink *s1 = calloc(1, sizeof(*s1)), *s2 = calloc(1, sizeof(*s2));
	struct bare bare = {.at = code_at[x->proto], .functions = {~0ull, ~0ull, ~0ull, ~0ull}};
	uint64_t lap, open;

	if (!to_bare || !to_engine || !pol || !e || !s1 || !s2 || x->laps > LAPS_MAX ||
	    flow_table_init(&bare.t, conf.max_flows, 42, false) < 0)
		exit(2);
	lap = traffic_lap(to_engine);
	open = traffic_opening(to_engine);
	(void)lap_bare(&bare, to_bare, s1, open);
	(void)lap_engine(e, to_engine, s2, open);
	for (unsigned i = 0; i < x->laps + 2; i++) {
		unsigned at = i < 2 ? 0 : i - 2; /* caches fill */

		if (i & 1)
			b[at] = lap_engine(e, to_engine, s2, lap);
		a[at] = lap_bare(&bare, to_bare, s1, lap);
		if (!(i & 1))
			b[at] = lap_engine(e, to_engine, s2, lap);
		r[at] = a[at] / b[at];
		if (alerts)
			(void)alerts_pump(alerts, s2->now_ns);
	}
	check(e, x,
	    (uint64_t)(x->laps + 2) * lap +
		(x->proto == TRAFFIC_MODBUS ? 0 : 4 * (uint64_t)x->flows));
	if (!x->guard && s1->bytes != s2->bytes) {
		fprintf(stderr, "%lu and %lu bytes were handed on\n", (unsigned long)s1->bytes,
		    (unsigned long)s2->bytes);
		exit(1);
	}
	printf("%-7s %9u %6u%% %-6s %8.1f %8.1f %7.2f\n", traffic_names[x->proto], x->flows,
	    x->denied, x->guard ? "guard" : "watch", median(a, x->laps), median(b, x->laps),
	    median(r, x->laps));
	fflush(stdout);
	engine_free(e);
	flow_table_fini(&bare.t);
	policy_free(pol);
	traffic_free(to_bare);
	traffic_free(to_engine);
	free(s1);
	free(s2);
	alerts_free(alerts);
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
	printf("machine: %s, Linux %s; compiler: %s\n", model, u.release, __VERSION__);
}

int
main(int argc, char **argv)
{
	const bool quick = argc > 1 && strcmp(argv[1], "quick") == 0;

	machine();
	printf("ns of CPU per packet, source and sink included: medians of interleaved laps\n");
	printf("%-7s %9s %7s %-6s %8s %8s %7s\n", "", "flows", "denied", "", "bare", "engine",
	    "share");
	if (argc > 3) {
		struct line x = {.flows = (uint32_t)strtoul(argv[2], NULL, 10),
		    .laps = (unsigned)strtoul(argv[3], NULL, 10),
		    .denied = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 0,
		    .guard = argc > 5 && strcmp(argv[5], "guard") == 0,
		    .no_quick = argc > 6};

		while (x.proto < TRAFFIC__PROTOS && strcmp(argv[1], traffic_names[x.proto]) != 0)
			x.proto++;
		if (x.proto == TRAFFIC__PROTOS || x.flows == 0 || x.laps == 0)
			return 2;
		one_line(&x);
		return 0;
	}
	for (unsigned guard = 0; guard < 2; guard++)
		for (enum traffic_proto p = 0; p < TRAFFIC__PROTOS; p++)
			for (uint32_t flows = 1000; flows <= 1000000;
			     flows *= flows == 1000 ? 100 : 10) {
				if (flows == 1000000 && (quick || p != TRAFFIC_MODBUS))
					continue;
				one_line(&(struct line){.proto = p,
				    .flows = flows,
				    .guard = guard,
				    .laps = flows == 1000     ? (quick ? 40 : 200)
					    : flows == 100000 ? (quick ? 3 : 15)
							      : 5});
			}
	one_line(&(struct line){
	    .proto = TRAFFIC_MODBUS, .flows = 1000, .denied = 90, .laps = quick ? 20 : 100});
	return 0;
}
