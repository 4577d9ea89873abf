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
 * Then denied packets beside allowed ones, in watch and guard: engine_burst() alone, what the source takes is measured
 * by laps of its own and taken off.
 *
 * usage: bench_line [quick]             the table
 *        bench_line denied [json] [LAPS [WHICH]]   denied packets only; WHICH: one line of it, from 0
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
#include "dataplane/io/io.h"
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
	struct policy *pol = traffic_policy(x->proto, 10, "drop");
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

/* --- denied beside allowed --------------------------------------------------------------------- */

static const struct denied_line {
	const char *what;
	enum traffic_proto proto;
	bool guard;
	const char *otherwise;
	enum traffic_denial denial;
} denied_lines[] = {
    {"writes, answered", TRAFFIC_MODBUS, false, "drop", TRAFFIC_ANSWERED},
    {"writes, answered", TRAFFIC_S7, false, "drop", TRAFFIC_ANSWERED},
    {"writes, answered", TRAFFIC_OPCUA, false, "drop", TRAFFIC_ANSWERED},
    {"writes, stopped", TRAFFIC_MODBUS, true, "drop", TRAFFIC_STOPPED},
    {"writes, reset", TRAFFIC_MODBUS, true, "reset", TRAFFIC_STOPPED},
    {"writes, refused", TRAFFIC_MODBUS, true, "reject", TRAFFIC_REFUSED},
    {"writes, refused", TRAFFIC_S7, true, "reject", TRAFFIC_REFUSED},
    {"writes, refused", TRAFFIC_OPCUA, true, "reject", TRAFFIC_REFUSED},
    {"no conduit: SYN", TRAFFIC_MODBUS, true, "drop", TRAFFIC_SYN},
    {"no conduit: data", TRAFFIC_MODBUS, true, "drop", TRAFFIC_STRAY},
    {"no conduit: UDP", TRAFFIC_MODBUS, true, "drop", TRAFFIC_UDP},
};
#define DENIED_LINES (sizeof(denied_lines) / sizeof(denied_lines[0]))
#define DENIED_FLOWS 1000u

/* One of two that take turns. */
struct party {
	struct io io; /* first: tx() casts; what an engine sends itself */
	uint64_t sent, sent_bytes;
	struct traffic *traffic, *source; /* the same; the second is only made */
	struct alerts *alerts;
	struct policy *pol;
	struct engine *e;
	uint64_t now_ns, forwarded;
	double sum;
};

static int
on_tx(struct io *io, const struct pkt *p)
{
	struct party *x = (struct party *)(void *)io;

	x->sent += p->caplen > 54; /* with a payload: not those that only acknowledge */
	x->sent_bytes += p->caplen > 54 ? p->caplen : 0;
	return 0;
}

static const struct io_backend counts = {.scheme = "bench", .tx = on_tx};

/* Not inlined: a profiler's place to look. */
static __attribute__((noinline)) void
judge_burst(struct engine *e, struct pkt *p, unsigned n)
{
	engine_burst(e, p, n);
}

/* Engine or not: what it takes to make the frames, and have them judged. */
static double
lap_party(struct party *x, struct traffic *t, uint64_t frames, bool judge)
{
	struct pkt burst[PKT_BURST];
	uint64_t t0 = clock_cpu_ns();

	for (uint64_t i = 0; i < frames;) {
		unsigned n = traffic_next(t, burst, PKT_BURST);

		if (judge)
			judge_burst(x->e, burst, n);
		for (unsigned k = 0; k < n; k++)
			x->forwarded += burst[k].fate == FATE_FORWARD;
		x->now_ns = burst[n - 1].ts_ns;
		i += n;
	}
	return (double)(clock_cpu_ns() - t0);
}

static void
party_new(struct party *x, const struct denied_line *d, bool denied)
{
	const unsigned share = !denied ? 0 : d->denial == TRAFFIC_ANSWERED ? 90 : 95;
	const struct traffic_conf tc = {.proto = d->proto,
	    .flows = DENIED_FLOWS,
	    .denied = share,
	    .denial = d->denial,
	    .checksums = d->guard};
	struct alerts_conf ac = {.fold_window_ns = ALERT_FOLD_WINDOW_NS};
	struct engine_conf conf = {
	    .memory_bytes = 128u << 20,
	    .max_flows = DENIED_FLOWS * 7 / 4 + 64,
	    .seed = 42,
	    .inline_mode = d->guard,
	    .io = &x->io,
	};
	char err[128];

	memset(x, 0, sizeof(*x));
	x->io.be = &counts;
	ac.policy = conf.policy = x->pol = traffic_policy(d->proto, 10, d->otherwise);
	x->traffic = traffic_new(&tc);
	x->source = traffic_new(&tc);
	conf.alerts = x->alerts = alerts_new(&ac, err, sizeof(err));
	if (!x->pol || !x->traffic || !x->source || !x->alerts || !(x->e = engine_new(&conf)))
		exit(2);
}

static void
party_free(struct party *x)
{
	engine_free(x->e);
	alerts_free(x->alerts);
	policy_free(x->pol);
	traffic_free(x->traffic);
	traffic_free(x->source);
}

/* Nothing that is allowed was lost, nothing that is denied has passed a guard, and all of it was told. */
static void
check_denied(struct party *x, const struct denied_line *d, uint64_t laps, bool denied)
{
	const struct engine_stats *s = engine_stats(x->e);
	const uint64_t bad = denied ? laps * traffic_denied(x->traffic) : 0;
	const uint64_t good =
	    traffic_opening(x->traffic) + laps * traffic_lap(x->traffic) - (d->guard ? bad : 0);
	const uint64_t flows = denied ? traffic_denied(x->traffic) : 0;
	const uint64_t told = d->denial == TRAFFIC_STOPPED ? flows : bad;

	if (s->received != traffic_opening(x->traffic) + laps * traffic_lap(x->traffic) ||
	    s->forwarded - s->injected != good || s->pool_full || s->flows_evicted ||
	    alerts_stats(x->alerts)->events != told || !engine_balanced(s) ||
	    (d->denial == TRAFFIC_REFUSED && s->refused != bad)) {
		fprintf(stderr,
		    "%s %s: %lu received, %lu forwarded, %lu injected, %lu to be forwarded; "
		    "%lu events of %lu, %lu refused\n",
		    traffic_names[d->proto], d->what, (unsigned long)s->received,
		    (unsigned long)s->forwarded, (unsigned long)s->injected, (unsigned long)good,
		    (unsigned long)alerts_stats(x->alerts)->events, (unsigned long)told,
		    (unsigned long)s->refused);
		exit(1);
	}
}

static void
one_denied(const struct denied_line *d, unsigned laps, bool json, bool first)
{
	static double a[LAPS_MAX], b[LAPS_MAX], r[LAPS_MAX];
	struct party x[2];
	uint64_t lap[2];

	for (unsigned i = 0; i < 2; i++) {
		party_new(&x[i], d, i == 1);
		(void)lap_party(&x[i], x[i].traffic, traffic_opening(x[i].traffic), true);
		(void)lap_party(&x[i], x[i].source, traffic_opening(x[i].source), false);
		lap[i] = traffic_lap(x[i].traffic);
	}
	for (unsigned k = 0; k < laps + 2; k++) {
		unsigned at = k < 2 ? 0 : k - 2; /* caches fill */

		for (unsigned i = 0; i < 2; i++)
			x[i].sum = 0;
		/* engine and source, of both, in another order each time */
		for (unsigned i = 0; i < 4; i++) {
			struct party *y = &x[(i ^ k) & 1];
			bool judge = (i >> 1 ^ k >> 1) & 1;
			double ns = lap_party(y, judge ? y->traffic : y->source, lap[y - x], judge);

			y->sum += judge ? ns : -ns;
		}
		for (unsigned i = 0; i < 2; i++)
			(void)alerts_pump(x[i].alerts, x[i].now_ns);
		if (k == 0 && x[1].sent && d->denial == TRAFFIC_REFUSED) {
			uint32_t n = (uint32_t)(x[1].sent_bytes / x[1].sent) - 54;

			traffic_refusal(x[1].traffic, n);
			traffic_refusal(x[1].source, n);
		}
		a[at] = x[0].sum / (double)lap[0];
		b[at] = x[1].sum / (double)lap[1];
		r[at] = b[at] / a[at];
	}
	check_denied(&x[0], d, laps + 2, false);
	check_denied(&x[1], d, laps + 2, true);
	printf(json ? "%s{\"protocol\":\"%s\",\"mode\":\"%s\",\"what\":\"%s\",\"percent\":%.0f,"
		      "\"allowed_ns\":%.1f,\"denied_ns\":%.1f,\"ratio\":%.2f}"
		    : "%s%-7s %-6s %-18s %5.0f%% %8.1f %8.1f %7.2f\n",
	    json && !first ? ",\n" : "", traffic_names[d->proto], d->guard ? "guard" : "watch",
	    d->what, 100.0 * traffic_denied(x[1].traffic) / (double)lap[1], median(a, laps),
	    median(b, laps), median(r, laps));
	fflush(stdout);
	party_free(&x[0]);
	party_free(&x[1]);
}

/* which: one of the lines, or DENIED_LINES. */
static void
table_denied(unsigned laps, bool json, unsigned which)
{
	if (json)
		printf("[");
	else
		printf("\nns of CPU per packet of the engine alone, %u flows, alerts on:\n"
		       "%-7s %-6s %-18s %6s %8s %8s %7s\n",
		    DENIED_FLOWS, "", "", "denied", "", "allowed", "denied", "ratio");
	for (unsigned i = 0; i < DENIED_LINES; i++)
		if (which >= DENIED_LINES || which == i)
			one_denied(&denied_lines[i], laps, json, which == i || i == 0);
	if (json)
		printf("]\n");
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

	if (argc > 1 && strcmp(argv[1], "denied") == 0) {
		const bool json = argc > 2 && strcmp(argv[2], "json") == 0;
		char **more = argv + 2 + json;
		const unsigned n = (unsigned)(argv + argc - more);
		const unsigned long laps = n > 0 ? strtoul(more[0], NULL, 10) : 100;

		if (laps == 0 || laps > LAPS_MAX)
			return 2;
		table_denied((unsigned)laps, json,
		    n > 1 ? (unsigned)strtoul(more[1], NULL, 10) : (unsigned)DENIED_LINES);
		return 0;
	}
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
	table_denied(quick ? 20 : 100, false, (unsigned)DENIED_LINES);
	return 0;
}
