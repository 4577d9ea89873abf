/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_xdp.c - what a frame costs in the kernel when its PDU is judged there.
 *
 * BPF_PROG_TEST_RUN runs xdp.bpf.c over all connections, again and again: requests of all of them, then
 * the answers, then the acknowledgements, each with another address, port and number, written by
 * a prologue.  Beside it runs the same prologue and nothing else.  The two take turns; medians of
 * their laps, and of the differences.  Every lap is checked: all of it was passed by the kernel, or none.
 *
 * usage: bench_xdp [quick]     Exit status 1 when an allowed frame of 1 000 connections costs more
 *                              than LIMIT_NS above the bare program (environment; none without).
 */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/net.h"
#include "ebpf/fast.h"
#include "ebpf/gate_int.h"
#include "policy/gate.h"
#include "tests/bench/xdp_abi.h"
#include "tests/ebpf/kit.h"
#include "tests/ebpf/talk.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "ebpf/gate.skel.h"
#include "tests/bench/xdp.skel.h"
#pragma GCC diagnostic pop

#define LAPS_MAX                                                                                   \
	200u /* of a few milliseconds: less than a turn of the scheduler, where others run too */
#define START	 1000000u /* sequence numbers begin here, both ways */

enum kind { ASKS, TELLS, ACKS, DENIED, ENGINE, KINDS };
static const char *const names[KINDS] = {
    "allowed request", "its answer", "plain ACK", "denied (L4)", "to the engine"};

static struct gate *gate;
static struct fast *fast;
static struct xdp_bpf *obj;
static struct kflow_key *keys;
static uint32_t laps[KINDS][2][LAPS_MAX];
static int32_t more[KINDS][LAPS_MAX];
static uint32_t generation = 1;

static void
die(const char *what)
{
	(void)fprintf(stderr, "bench_xdp: %s\n", what);
	exit(1);
}

/* --- programs -------------------------------------------------------------------------------- */

/* The maps are those of the filter. */
static void
load(void)
{
	struct bpf_map *map, *its;

	if (!(obj = xdp_bpf__open()))
		die("xdp.bpf.o does not open");
	obj->rodata->fast_on = true;
	obj->rodata->n_cpus = gate->n_cpus;
	memcpy((void *)(uintptr_t)obj->rodata->hash_key, gate_fast_key(gate),
	    sizeof(obj->rodata->hash_key));
	bpf_program__set_autoload(obj->progs.il_gate_out, false);
	bpf_program__set_autoload(obj->progs.il_gate_in, false);
	bpf_object__for_each_map(map, obj->obj)
	{
		its = bpf_object__find_map_by_name(gate->bpf->obj, bpf_map__name(map));
		if (its && !bpf_map__is_internal(map) &&
		    bpf_map__reuse_fd(map, bpf_map__fd(its)) < 0)
			die("a map of the filter cannot be used");
	}
	if (xdp_bpf__load(obj) < 0)
		die("the programs do not load");
}

/* --- connections ------------------------------------------------------------------------------ */

static char policy_text[XDP_CLIENTS * 64 + 2048];

static void
put_policy(void)
{
	static const char head[] =
	    "interlock: 1\nsite: t\nmode: enforce\nzones:\n"
	    "  a: {nets: [10.1.0.0/16], port: outside}\n  b: {nets: [10.2.0.0/16], port: inside}\n"
	    "conduits:\n - {name: c, from: [a], to: [plc], modbus: {addressing: zero-based, allow: "
	    "[{name: poll, units: [1], functions: read, holding: [0..199]}]}}\n"
	    "devices:\n  plc: {zone: b, ip: 10.2.0.1}\n";
	struct complaints c = {0};
	struct policy *p;
	char err[256] = "";
	size_t n = sizeof(head) - 1;

	memcpy(policy_text, head, n);
	for (unsigned i = 0; i < XDP_CLIENTS; i++)
		n += (size_t)snprintf(policy_text + n, sizeof(policy_text) - n,
		    "  h%u: {zone: a, ip: 10.1.%u.%u}\n", i, i >> 8, i & 255);
	p = policy_build_text("bench.yaml", policy_text, n, &c);
	if (!p)
		complaints_print(&c, stderr);
	if (!p || gate_set_policy(gate, policy_gate(p), ++generation, err, sizeof(err)) < 0)
		die(p ? err : "no policy");
	if (gate_not_fast(gate))
		die(gate_not_fast(gate));
	complaints_fini(&c);
}

static struct talk_ends
ends_of(uint32_t i)
{
	struct talk_ends e = {.server = {10, 2, 0, 1},
	    .client_port = (uint16_t)(XDP_PORT + i / XDP_CLIENTS),
	    .server_port = 502,
	    .client_mac = {2, 0, 0, 0, 0, 'h'},
	    .server_mac = {2, 0, 0, 0, 0, 'p'}};

	talk_be(e.client, XDP_CLIENT + i % XDP_CLIENTS, 4);
	return e;
}

static void
connect_all(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct talk_ends e = ends_of(i);
		const uint32_t at = START + i;
		struct fast_new new = {.slot = i};
		struct kflow_offer o = {.generation = generation,
		    .next = {at, at},
		    .acked = {at, at},
		    .edge = {at + 60000, at + 60000},
		    .win = {60000, 60000}};

		talk_key(&e, 0, &keys[i], &new.client_lo);
		if (fast_put(fast, &keys[i], &new) < 0)
			die("no room for a connection");
		fast_offer(fast, i, &o);
	}
}

static void
withdraw_all(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		fast_withdraw(fast, i);
}

static void
drop_all(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		(void)fast_drop(fast, &keys[i]);
}

/* --- laps --------------------------------------------------------------------------------------- */

static uint32_t
words_sum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? (uint32_t)p[i] << 8 : p[i];
	return sum;
}

/* A frame, with zeros (that are not in the sums) where the prologue writes. */
static void
frame_of(enum kind kind)
{
	struct xdp_frame *f = &obj->bss->bench.frame[kind <= ACKS ? (unsigned)kind : 0];
	struct talk_ends e = ends_of(0);
	uint8_t q[64], p[300], frame[TALK_FRAME];
	struct talk_seg s = {.dir = kind == TELLS, .win = 60000, .pay = q};
	uint32_t len = talk_modbus(q, 7, 1, 3, kind == ENGINE ? 900 : 20, 10);
	size_t n;

	if (kind == TELLS) {
		len = talk_modbus_answer(p, q);
		s.pay = p;
	}
	s.len = kind == ACKS || kind == DENIED ? 0 : len;
	if (kind == DENIED)
		e.server_port = 503;
	n = talk_frame(frame, &e, &s);
	memset(frame + 24, 0, 2);
	memset(frame + (s.dir ? 30 : 26), 0, 4);
	memset(frame + (s.dir ? 36 : 34), 0, 2);
	memset(frame + 38, 0, 8);
	memset(frame + 50, 0, 2);
	*f = (struct xdp_frame){
	    .len = (uint32_t)n, .dir = s.dir, .ip_sum = words_sum(frame + 14, 20)};
	f->tcp_sum = words_sum(frame + 26, 8) + words_sum(frame + 34, n - 34) + (6u << 8) +
		     __builtin_bswap16((uint16_t)(n - 34));
	memcpy(f->bytes, frame, n);
}

static uint32_t
timed(struct bpf_program *prog, uint32_t turn, uint32_t runs, uint32_t want)
{
	const struct xdp_frame f = obj->bss->bench.frame[turn];
	LIBBPF_OPTS(
	    bpf_test_run_opts, o, .data_in = f.bytes, .data_size_in = f.len, .repeat = (int)runs);

	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &o) < 0)
		die("a run failed");
	if (o.retval != want)
		die("a run ended otherwise than it should");
	return o.duration;
}

static uint64_t
passed(void)
{
	struct gate_totals t;

	gate_totals(gate, &t);
	return t.passed[0] + t.passed[1];
}

enum { DROP = 1, REDIRECT = 4 };

/* One frame for all connections, whose numbers are not changed by it. */
static void
lap(enum kind kind, uint32_t n, uint32_t at, uint32_t runs)
{
	struct xdp_bench *b = &obj->bss->bench;
	const uint64_t was = passed();
	const uint32_t turn = kind <= ACKS ? (unsigned)kind : 0;

	frame_of(kind);
	b->turns = 1;
	b->turn = turn;
	b->n = n;
	b->stride = n > 700 ? 617 : 1;
	b->at = 0;
	laps[kind][0][at] =
	    timed(obj->progs.bench_gate, turn, runs, kind == DENIED ? DROP : REDIRECT);
	if (passed() - was != (kind <= ACKS ? runs : 0))
		die("a frame was not judged where it should be");
	laps[kind][1][at] = timed(obj->progs.bench_bare, turn, runs, DROP);
	more[kind][at] = (int32_t)(laps[kind][0][at] - laps[kind][1][at]);
}

/* Polls of all connections, as often as that takes `passes` frames of each. */
static void
turns(uint32_t n, uint32_t at, uint32_t passes)
{
	struct xdp_bench *b = &obj->bss->bench, first, last;
	const uint64_t was = passed();

	b->turns = XDP_TURNS;
	b->turn = b->at = 0;
	b->n = n;
	b->stride = 617;
	b->since = 0;
	memset(b->ns, 0, sizeof(b->ns));
	memset(b->passes, 0, sizeof(b->passes));
	first = *b;
	(void)timed(obj->progs.bench_gate, 0, n * passes, REDIRECT);
	if (passed() - was != (uint64_t)n * passes)
		die("a frame was not judged where it should be");
	last = *b;
	*b = first;
	(void)timed(obj->progs.bench_bare, 0, n * passes, DROP);
	for (unsigned k = 0; k < XDP_TURNS; k++) {
		laps[k][0][at] = (uint32_t)(last.ns[k] / (last.passes[k] * n));
		laps[k][1][at] = (uint32_t)(b->ns[k] / (b->passes[k] * n));
		more[k][at] = (int32_t)(laps[k][0][at] - laps[k][1][at]);
	}
	*b = last; /* the last pass is one of acknowledgements: no numbers to go on by */
}

static int
cmp(const void *a, const void *b)
{
	const int32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The worst of the allowed frames, in ns above bare. */
static int32_t
show(uint32_t n, unsigned rounds)
{
	int32_t worst = 0;

	for (unsigned k = 0; k < KINDS; k++) {
		for (unsigned i = 0; i < 2; i++)
			qsort(laps[k][i], rounds, sizeof(laps[k][i][0]), cmp);
		qsort(more[k], rounds, sizeof(more[k][0]), cmp);
		(void)printf("%8u  %-16s %6u %6u %6d %6d\n", n, names[k], laps[k][0][rounds / 2],
		    laps[k][1][rounds / 2], more[k][rounds / 2], more[k][rounds / 10]);
		if (k <= ACKS && more[k][rounds / 2] > worst)
			worst = more[k][rounds / 2];
	}
	return worst;
}

/* The only connection, put back before each run. */
static void
put_back(enum kind kind, uint32_t at, uint32_t runs)
{
	struct xdp_bench *b = &obj->bss->bench;

	b->put_back = 1;
	b->start = START;
	b->n_open = kind == TELLS;
	b->next[0] = START + (kind > ASKS ? 12 : 0);
	b->next[1] = START + (kind > TELLS ? 29 : 0);
	lap(kind, 1, at, runs);
	b->put_back = 0;
}

static int32_t
connections(uint32_t n, unsigned rounds)
{
	const uint32_t runs = n < 20000 ? 5000 / n * n : n;
	struct xdp_bench *b = &obj->bss->bench;

	connect_all(n);
	for (unsigned k = 0; k < XDP_TURNS; k++)
		frame_of(k);
	b->next[0] = b->next[1] = START;
	for (unsigned i = 0; i < rounds; i++) {
		for (unsigned k = 0; k < XDP_TURNS && n == 1; k++)
			put_back(k, i, runs);
		if (n > 1)
			turns(n, i, n < 20000 ? XDP_TURNS * 8 : XDP_TURNS * 2);
	}
	withdraw_all(n);
	for (unsigned i = 0; i < rounds; i++) {
		lap(DENIED, n, i, runs);
		lap(ENGINE, n, i, runs);
	}
	drop_all(n);
	return show(n, rounds);
}

int
main(int argc, char **argv)
{
	static const uint32_t ns[] = {1, 1000, 100000};
	const bool quick = argc > 1 && strcmp(argv[1], "quick") == 0;
	const char *why = kit_why_not(), *const ports[2] = {"il0", "il1"}, *limit;
	char err[256] = "";
	int32_t worst = 0;

	if (!why)
		why = kit_namespace();
	if (why) {
		(void)printf("skipped: %s\n", why);
		return 0;
	}
	gate = gate_open_fast(err, sizeof(err));
	fast = gate ? fast_open(gate, err, sizeof(err)) : NULL;
	keys = calloc(KFLOW_MAX, sizeof(*keys));
	if (!fast || !keys)
		die(err);
	for (unsigned i = 0; i < 2; i++)
		if (gate_attach(gate, i, (int)if_nametoindex(ports[i]), GATE_AUTO, false, err,
			sizeof(err)) < 0)
			die(err);
	if ((why = kit_socket(gate)) != NULL)
		die(why);
	load();
	put_policy();
	(void)printf(
	    "ns per run; medians of laps that take turns; less: one lap in ten is not above\n"
	    "%8s  %-16s %6s %6s %6s %6s\n",
	    "flows", "", "filter", "bare", "more", "less");
	for (unsigned i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
		int32_t w =
		    connections(ns[i], ns[i] > 20000 ? (quick ? 5 : 25) : (quick ? 40 : 200));

		worst = ns[i] == 1000 ? w : worst;
	}
	free(keys);
	xdp_bpf__destroy(obj);
	fast_close(fast);
	gate_close(gate);
	limit = getenv("LIMIT_NS");
	(void)printf(
	    "an allowed frame costs at most %d ns above bare at 1000 connections\n", worst);
	return limit && worst > strtol(limit, NULL, 10);
}
