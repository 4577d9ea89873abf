/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fast_swap_test.c - a hundred policies under traffic, with the programs, the engine and what is between
 * them as in a guard: no PDU is judged by two generations.
 *
 * Client and server are threads on two CPUs, each with its end of some connections, and up to three
 * requests of each on their way.  A frame runs through the program of its port; what the kernel
 * passes is delivered, what it gives up waits for the engine, which is the third thread.  That one
 * also changes policies, in the kernel first and above later, as a guard does.
 *
 * How it shows.  Two policies take turns.  Both allow the polls, by a rule `mine`; but their conduits stand
 * in another order, and where `mine` is in the one, `other` is in the other: a rule for devices that
 * never speak and allows the same.  A PDU that is judged by tables of one generation with what was found out
 * under another is a hit of `other`.  And each request has to be one hit: one that is judged twice
 * is two.  The server refuses some requests; the engine has to have counted requests, answers and
 * exceptions just as they were, whoever judged them.  Packet time goes SPEED times as fast as the clock.  Arguments: policies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include <cmocka.h>

#include "base/clock.h"
#include "dataplane/engine.h"
#include "ebpf/fast.h"
#include "ebpf/gate_int.h"
#include "guard/fast.h"
#include "policy/gate.h"
#include "tests/ebpf/kit.h"
#include "tests/ebpf/talk.h"

#define CONNS	   6u
#define PIPE	   3u /* requests of a connection on their way */
#define QUEUE	   256u
#define SPEED	   50u
#define SWAP_EVERY 12000000u /* ns */
#define AGAIN	   3000000u  /* ns without news: all that is not acknowledged is sent again */
#define HEAD	   54u

static struct gate *gate;
static struct gate_fast_fds fds;
static struct fast *fast;
static unsigned swaps_wanted = 100, n_cpus;
static uint32_t generation;
static _Atomic bool stop_asking, stop_all;
static uint64_t started;

/* --- between the threads -------------------------------------------------------------------- */

struct message {
	uint16_t n;
	uint8_t port, b[300];
};
struct queue {
	pthread_mutex_t lock;
	uint32_t head, tail;
	struct message m[QUEUE];
};
static struct queue up = {.lock = PTHREAD_MUTEX_INITIALIZER}; /* to the engine */
static struct queue inbox[2] = {
    {.lock = PTHREAD_MUTEX_INITIALIZER}, {.lock = PTHREAD_MUTEX_INITIALIZER}};

/* A full queue loses, as a ring does. */
static void
put(struct queue *q, const uint8_t *b, size_t n, unsigned port)
{
	struct message *m;

	(void)pthread_mutex_lock(&q->lock);
	m = &q->m[q->tail % QUEUE];
	if (q->tail - q->head < QUEUE && n <= sizeof(m->b)) {
		m->n = (uint16_t)n;
		m->port = (uint8_t)port;
		memcpy(m->b, b, n);
		q->tail++;
	}
	(void)pthread_mutex_unlock(&q->lock);
}

static bool
get(struct queue *q, struct message *m)
{
	bool any;

	(void)pthread_mutex_lock(&q->lock);
	any = q->head != q->tail;
	if (any)
		*m = q->m[q->head++ % QUEUE];
	(void)pthread_mutex_unlock(&q->lock);
	return any;
}

/* --- two ends -------------------------------------------------------------------------------- */

struct end { /* of a connection */
	uint32_t una, snd, rcv;
	unsigned n_out; /* segments that are not acknowledged, the oldest first */
	uint8_t out[PIPE + 1][64];
	uint8_t out_len[PIPE + 1];
	uint64_t news;	 /* ns: when something last went on */
	uint64_t done;	 /* client: requests that were answered; server: requests that came */
	uint64_t refused; /* client: of these */
	uint16_t txn[2];  /* client: asked, answered */
};
struct side {
	unsigned dir, cpu;
	pthread_t thread;
	struct end end[CONNS];
	uint64_t kernel, again, lost;
	void *per_cpu;
};
static struct side sides[2];

static struct talk_ends
ends_of(unsigned conn)
{
	return (struct talk_ends){.client = {10, 0, 0, 1},
	    .server = {10, 0, 1, 1},
	    .client_port = (uint16_t)(20000 + conn),
	    .server_port = 502,
	    .client_mac = {2, 0, 0, 0, 0, 1},
	    .server_mac = {2, 0, 0, 0, 0, 2}};
}

/* What this CPU has passed on by itself; nobody else runs frames on it. */
static uint64_t
passed(const struct side *s)
{
	uint32_t row = s->dir * FAST_COUNTS + FAST_FORWARDED;
	const struct fast_counter *c = s->per_cpu;

	if (bpf_map_lookup_elem(fds.counts, &row, s->per_cpu) < 0)
		abort();
	return c[s->cpu].packets;
}

static void
segment(struct side *s, unsigned conn, uint32_t seq, const uint8_t *pay, uint32_t len)
{
	const struct talk_ends e = ends_of(conn);
	const struct talk_seg seg = {.dir = s->dir,
	    .seq = seq,
	    .ack = s->end[conn].rcv,
	    .win = 64000,
	    .pay = pay,
	    .len = len};
	uint8_t frame[TALK_FRAME];
	size_t n = talk_frame(frame, &e, &seg);
	uint64_t was = passed(s);

	if (!kit_passes(gate, s->dir, frame, n, 1, NULL))
		s->lost++;
	else if (passed(s) != was) {
		s->kernel++;
		put(&inbox[s->dir ^ 1], frame, n, s->dir);
	} else {
		put(&up, frame, n, s->dir);
	}
}

static void
send_new(struct side *s, unsigned conn, const uint8_t *p, uint32_t len)
{
	struct end *e = &s->end[conn];

	if (e->n_out == 0)
		e->news = clock_mono_ns();
	memcpy(e->out[e->n_out], p, len);
	e->out_len[e->n_out++] = (uint8_t)len;
	segment(s, conn, e->snd, p, len);
	e->snd += len;
}

static void
send_again(struct side *s, unsigned conn)
{
	struct end *e = &s->end[conn];
	uint32_t seq = e->una;

	for (unsigned i = 0; i < e->n_out; i++) {
		segment(s, conn, seq, e->out[i], e->out_len[i]);
		seq += e->out_len[i];
		s->again++;
	}
}

static void
acked(struct end *e, uint32_t ack, uint64_t now)
{
	while (e->n_out > 0 && (int32_t)(ack - e->una - e->out_len[0]) >= 0) {
		e->una += e->out_len[0];
		e->n_out--;
		memmove(e->out[0], e->out[1], e->n_out * sizeof(e->out[0]));
		memmove(e->out_len, e->out_len + 1, e->n_out);
		e->news = now;
	}
}

static void
ask(struct side *s, unsigned conn)
{
	struct end *e = &s->end[conn];
	uint8_t q[300];
	uint16_t txn = e->txn[0]++;

	send_new(
	    s, conn, q, talk_modbus(q, txn, 1, 3, (uint16_t)(txn % 90), (uint16_t)(1 + txn % 7)));
}

static void
arrived(struct side *s, const struct message *m, uint64_t now)
{
	const uint8_t *tcp = m->b + 34, *pay = m->b + HEAD;
	unsigned conn =
	    (s->dir ? (unsigned)tcp[0] << 8 | tcp[1] : (unsigned)tcp[2] << 8 | tcp[3]) - 20000;
	uint32_t seq =
	    (uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 | (uint32_t)tcp[6] << 8 | tcp[7];
	uint32_t ack =
	    (uint32_t)tcp[8] << 24 | (uint32_t)tcp[9] << 16 | (uint32_t)tcp[10] << 8 | tcp[11];
	uint32_t len = m->n - HEAD;
	struct end *e;
	uint8_t p[300];

	if (conn >= CONNS)
		abort();
	e = &s->end[conn];
	acked(e, ack, now);
	if (len == 0)
		return;
	if (seq != e->rcv) {
		if ((int32_t)(seq - e->rcv) < 0)
			segment(s, conn, e->snd, NULL, 0);
		return; /* one before it was lost: all of it comes again */
	}
	e->rcv += len;
	e->news = now;
	e->done++;
	if (s->dir) {
		uint8_t q[64] = {0};

		memcpy(q, pay, len < sizeof(q) ? len : sizeof(q));
		len = talk_modbus_answer(p, q);
		if (q[1] % 7 == 3) { /* an exception: illegal data address */
			p[7] |= 0x80;
			p[8] = 2;
			p[5] = 3;
			len = 9;
		}
		send_new(s, conn, p, len);
		return;
	}
	e->refused += pay[7] >> 7;
	if ((uint16_t)(pay[0] << 8 | pay[1]) != e->txn[1]++)
		abort(); /* an answer to another request */
	segment(s, conn, e->snd, NULL, 0);
}

static void *
speaks(void *arg)
{
	struct side *s = arg;
	struct message m;
	uint64_t now;
	cpu_set_t set;
	bool idle;

	CPU_ZERO(&set);
	CPU_SET(s->cpu, &set);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	while (!stop_all) {
		idle = true;
		now = clock_mono_ns();
		while (get(&inbox[s->dir], &m)) {
			arrived(s, &m, now);
			idle = false;
		}
		for (unsigned i = 0; i < CONNS; i++) {
			struct end *e = &s->end[i];

			/* the server's answers are never more than fit: as many as requests */
			while (s->dir == 0 && !stop_asking &&
			       (uint16_t)(e->txn[0] - e->txn[1]) < PIPE && e->n_out < PIPE) {
				ask(s, i);
				idle = false;
			}
			if (e->n_out > 0 && now > e->news + AGAIN) {
				e->news = now;
				send_again(s, i);
			}
		}
		if (idle)
			(void)usleep(20);
	}
	return NULL;
}

/* --- policies -------------------------------------------------------------------------------- */

enum { MINE, OTHER };
static uint64_t hits[2], kernel_hits;
static struct policy *policy;
static const struct policy *in_force;
static uint32_t rule_of[GATE_SETS][2]; /* of what lies in a set: rules of these names */
static struct engine *engine;

static struct policy *
build(unsigned turn)
{
	static const char *const conduits[2] = {
	    " - {name: c1, from: [hmi], to: [plc], modbus: {addressing: zero-based, allow: [{name: "
	    "mine, units: [1], functions: [3], holding: [0..99]}]}}\n",
	    " - {name: c2, from: [mes], to: [plc2], modbus: {addressing: zero-based, allow: "
	    "[{name: "
	    "other, units: [1], functions: [3], holding: [0..99]}]}}\n"};
	char text[2048];
	struct complaints c = {0};
	struct policy *p;

	(void)snprintf(text, sizeof(text),
	    "interlock: 1\nsite: t\nmode: enforce\nzones:\n"
	    "  a: {nets: [10.0.0.0/24], port: outside}\n  b: {nets: [10.0.1.0/24], port: inside}\n"
	    "devices:\n  hmi: {zone: a, ip: 10.0.0.1}\n  mes: {zone: a, ip: 10.0.0.2}\n"
	    "  plc: {zone: b, ip: 10.0.1.1}\n  plc2: {zone: b, ip: 10.0.1.2}\nconduits:\n%s%s",
	    conduits[turn & 1], conduits[~turn & 1]);
	p = policy_build_text("t.yaml", text, strlen(text), &c);
	if (!p)
		complaints_print(&c, stdout);
	complaints_fini(&c);
	assert_non_null(p);
	return p;
}

static unsigned
set_now(void)
{
	uint32_t zero = 0, cell = 0;

	assert_int_equal(bpf_map_lookup_elem(fds.cell, &zero, &cell), 0);
	return cell - 1;
}

static void
rules_of(const struct policy *p, uint32_t rule[2])
{
	for (uint32_t i = 0; i < policy_rule_count(p); i++) {
		struct policy_rule_info info;

		assert_int_equal(policy_rule_info(p, i, &info), 0);
		rule[strcmp(info.name, "mine") == 0 ? MINE : OTHER] = i;
	}
}

/* What the kernel has counted in a set that is not in force any more. */
static void
take_kernel_hits(unsigned set)
{
	uint64_t *v = calloc(n_cpus, sizeof(*v));

	assert_non_null(v);
	for (unsigned k = 0; k < 2; k++) {
		uint32_t row = set * FAST_RULES + rule_of[set][k];

		assert_int_equal(bpf_map_lookup_elem(fds.hits, &row, v), 0);
		for (unsigned i = 0; i < n_cpus; i++) {
			hits[k] += v[i];
			kernel_hits += v[i];
		}
	}
	free(v);
}

static void
take_engine_hits(void)
{
	uint32_t rule[2];

	rules_of(in_force, rule);
	for (unsigned k = 0; k < 2; k++)
		hits[k] += engine_rule_hits(engine)[rule[k]];
}

static void
swap(unsigned turn, bool first)
{
	struct policy *old = policy;
	char err[256] = "";

	policy = build(turn);
	generation = policy_generation(policy);
	if (!first && turn > 1)
		take_kernel_hits(set_now() ^ 1);
	if (gate_set_policy(gate, policy_gate(policy), generation, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	assert_null(gate_not_fast(gate));
	rules_of(policy, rule_of[set_now()]);
	if (!first) {
		take_engine_hits();
		engine_set_policy(engine, policy);
	}
	in_force = policy;
	policy_free(old);
}

/* --- the engine ------------------------------------------------------------------------------- */

static uint64_t
packet_time(void)
{
	return 1700000000000000000u + (clock_mono_ns() - started) * SPEED;
}

static unsigned
engine_turn(void)
{
	static struct message m[PKT_BURST];
	struct pkt burst[PKT_BURST];
	uint64_t now = packet_time();
	unsigned n = 0;

	while (n < PKT_BURST && get(&up, &m[n])) {
		burst[n] = (struct pkt){.bytes = m[n].b,
		    .caplen = m[n].n,
		    .wirelen = m[n].n,
		    .port = m[n].port,
		    .link = LINK_ETHERNET,
		    .ts_ns = now};
		n++;
	}
	if (n == 0) {
		engine_quiet(engine);
		engine_tick(engine, now);
		return 0;
	}
	engine_burst(engine, burst, n);
	for (unsigned i = 0; i < n; i++)
		if (burst[i].fate == FATE_FORWARD)
			put(&inbox[burst[i].port ^ 1], burst[i].bytes, burst[i].caplen,
			    burst[i].port);
	return n;
}

/* Straight through the engine; no thread runs yet. */
static void
shake_hands(unsigned conn)
{
	const struct talk_ends e = ends_of(conn);
	struct talk_seg s[3] = {{.seq = 1000, .flags = 2, .win = 64000},
	    {.dir = 1, .seq = 5000, .ack = 1001, .flags = 0x12, .win = 64000},
	    {.seq = 1001, .ack = 5001, .win = 64000}};
	uint8_t frame[TALK_FRAME];

	for (unsigned i = 0; i < 3; i++) {
		struct pkt p = {.bytes = frame,
		    .port = (uint8_t)s[i].dir,
		    .link = LINK_ETHERNET,
		    .ts_ns = packet_time()};

		p.caplen = p.wirelen = (uint32_t)talk_frame(frame, &e, &s[i]);
		engine_burst(engine, &p, 1);
		assert_int_equal(p.fate, FATE_FORWARD);
	}
	sides[0].end[conn] = (struct end){.una = 1001, .snd = 1001, .rcv = 5001};
	sides[1].end[conn] = (struct end){.una = 5001, .snd = 5001, .rcv = 1001};
}

static bool
all_answered(void)
{
	bool all = true;

	for (unsigned i = 0; i < CONNS; i++) {
		volatile struct end *e = &sides[0].end[i];

		all = all && e->txn[0] == e->txn[1] && e->n_out == 0;
	}
	return all;
}

static uint64_t
count_of(const char *reason)
{
	struct fast_count c[FAST_COUNT_MAX];
	unsigned n = fast_counts(fast, c, FAST_COUNT_MAX);

	for (unsigned i = 0; i < n; i++)
		if (strcmp(c[i].reason, reason) == 0)
			return c[i].packets[0] + c[i].packets[1];
	fail_msg("no reason %s", reason);
	return 0;
}

/* What the kernel counted is read a few entries a tick. */
static void
counted(uint64_t requests, uint64_t refused)
{
	const struct engine_stats *st = engine_stats(engine);

	for (unsigned i = 0;
	     i < 2000 && st->requests + st->responses + st->exceptions < 2 * requests; i++) {
		engine_tick(engine, packet_time());
		st = engine_stats(engine);
		(void)usleep(1000);
	}
	print_message("# the engine has counted %ju requests, %ju answers, %ju exceptions\n",
	    (uintmax_t)st->requests, (uintmax_t)st->responses, (uintmax_t)st->exceptions);
	assert_int_equal(st->requests, requests);
	assert_int_equal(st->exceptions, refused);
	assert_int_equal(st->responses, requests - refused);
}

static void
one_generation(void **state)
{
	struct engine_conf conf = {
	    .memory_bytes = 8u << 20, .seed = 5, .inline_mode = true, .own_clock = true};
	uint64_t requests = 0, answered = 0, refused = 0, next, until;
	char err[256] = "";
	unsigned n = 0;

	(void)state;
	swap(n++, true);
	conf.fast = guard_fast_open(gate, &in_force, err, sizeof(err));
	conf.policy = policy;
	assert_non_null(conf.fast);
	engine = engine_new(&conf);
	assert_non_null(engine);
	started = clock_mono_ns();
	for (unsigned i = 0; i < CONNS; i++)
		shake_hands(i);
	for (unsigned i = 0; i < 2; i++) {
		sides[i].dir = sides[i].cpu = i;
		sides[i].per_cpu = calloc(n_cpus, sizeof(struct fast_counter));
		assert_non_null(sides[i].per_cpu);
		assert_int_equal(pthread_create(&sides[i].thread, NULL, speaks, &sides[i]), 0);
	}
	next = started + 10 * SWAP_EVERY;
	until = started + 60000000000u;
	while (!stop_all) {
		uint64_t now = clock_mono_ns();

		if (engine_turn() == 0)
			(void)usleep(20);
		if (now > next && n <= swaps_wanted) {
			swap(n++, false);
			next = clock_mono_ns() + SWAP_EVERY;
		}
		if (n > swaps_wanted && now > next)
			stop_asking = true;
		stop_all = (stop_asking && all_answered()) || now > until;
	}
	for (unsigned i = 0; i < 2; i++)
		(void)pthread_join(sides[i].thread, NULL);
	take_engine_hits();
	take_kernel_hits(0);
	take_kernel_hits(1);
	for (unsigned i = 0; i < CONNS; i++) {
		requests += sides[1].end[i].done;
		answered += sides[0].end[i].done;
		refused += sides[0].end[i].refused;
	}
	print_message("# %u policies under %ju requests in %ju ms: %ju judged by the kernel, %ju "
		      "by the engine, %ju by another rule\n",
	    swaps_wanted, (uintmax_t)requests, (uintmax_t)((clock_mono_ns() - started) / 1000000),
	    (uintmax_t)kernel_hits, (uintmax_t)(hits[MINE] + hits[OTHER] - kernel_hits),
	    (uintmax_t)hits[OTHER]);
	print_message("# %ju frames came up by another generation; sent again %ju, lost %ju; the "
		      "kernel took connections back %ju times\n",
	    (uintmax_t)count_of("generation"), (uintmax_t)(sides[0].again + sides[1].again),
	    (uintmax_t)(sides[0].lost + sides[1].lost), (uintmax_t)engine_fast(engine)->returns);
	assert_true(all_answered());
	assert_int_equal(answered, requests);
	assert_int_equal(hits[OTHER], 0);
	assert_int_equal(hits[MINE], requests);
	assert_true(kernel_hits > requests / 4);
	assert_true(refused > requests / 10);
	counted(requests, refused);
	assert_true(count_of("generation") > swaps_wanted / 2);
	assert_true(engine_balanced(engine_stats(engine)));
	engine_free(engine);
	policy_free(policy);
	free(sides[0].per_cpu);
	free(sides[1].per_cpu);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(one_generation)};
	int r;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		puts("one CPU: nothing is judged at the same time");
		return 77;
	}
	if (argc > 1)
		swaps_wanted = (unsigned)strtoul(argv[1], NULL, 0);
	if ((r = kit_fast_begin(&gate, &fast)) != 0)
		return r;
	if (gate_fast_fds(gate, &fds) < 0)
		return 1;
	n_cpus = fds.n_cpus;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	kit_fast_end(gate, fast);
	return r;
}
