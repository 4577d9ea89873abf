/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line.c - full inspection beside a bare loop, both over mbufs and DPDK's own transmit.
 *
 * One process, one source, one sink, lap by lap in turn.  The source is traffic.h: frames with tuples, sequence
 * and transaction numbers of their own, checksums right, copied into mbufs of a pool as a driver would; its time is part of
 * both.  The sink is a port of net_null: rte_eth_tx_burst(), which frees.
 *
 *   bare	headers, rte_hash_lookup_bulk_data() on both tuples (prefetch inside), flow touched, function code looked up
 *		in a bitmap, transmit.  Neither order, nor checksums, nor policy.
 *   engine	what a guard does: engine_burst() inline, checksums verified, 100 rules, fates obeyed, transmit
 *   source	the source and the sink alone
 *
 * Times of laps are of the processor, so that what else runs on the machine is not in them; those of bursts are by the
 * clock.  Tables: throughput where nothing is lost, at 1 000 and 100 000 flows and per protocol; time of a burst in it; new flows
 * per second; frame sizes of RFC 2544 (UDP that a rule allows, checksums verified); two cores beside one; and two that share
 * the flows of both as workers of a guard do (io_dpdk.c): each frame is looked at by who receives it, and half of them go to the
 * other by a ring.
 *
 * usage: line [quick] [--json]
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "base/build_id.h"
#undef NS_PER_S /* DPDK has one too */
#include "base/clock.h"
#include "dataplane/drop.h"
#include "dataplane/engine.h"
#include "dataplane/flow.h"
#include "dataplane/shard.h"
#include "policy/policy.h"
#include "tests/bench/median.h"
#include "tests/bench/traffic.h"

#define CORES	  2u
#define POOL	  4095u
#define LAPS_MAX  200u
#define RULES	  100u
#define UDP_FLOWS 256u
#define HANDED	  2048u
#define HIST	  4096u /* buckets of 2^k / 16 cycles */

enum side { BARE = 0, ENGINE, SOURCE, SIDES };
static const char *const side_names[SIDES] = {"bare", "engine", "source"};

struct key {
	uint32_t a, b;
	uint16_t pa, pb;
	uint32_t zero;
};

struct touched {
	uint64_t packets, bytes;
	uint32_t seq, allowed, denied;
} __rte_aligned(32);

/* What one core has. */
struct core {
	unsigned id;
	uint16_t port;
	struct rte_mempool *pool;
	struct traffic *traffic[SIDES];
	struct rte_hash *hash;
	struct touched *flows;
	uint32_t n_flows, max_flows;
	struct engine *engine;
	uint64_t sent[SIDES], got[SIDES];
	/* of the lap that runs */
	enum side side;
	uint64_t frames, cpu_ns;
	uint32_t *burst_cycles; /* histogram */
	/* UDP of one size, instead of traffic */
	uint8_t *udp;
	uint32_t udp_len, udp_at;
	uint64_t udp_now;
	/* frames that the other one has found for this one, by a ring of one writer and one reader */
	struct rte_ring *handed;
	uint64_t n_handed, now_ns;
	atomic_bool idle; /* has received all of its lap */
};

static struct policy *pol;
static struct core cores[CORES];
static unsigned n_cores = 1;
static bool sharing;
static struct shard shard;

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "bench-dpdk: %s\n", what);
	exit(2);
}

/* --- source and sink --------------------------------------------------------------------------- */

static unsigned
next_frames(struct core *c, struct pkt *p)
{
	if (c->udp == NULL)
		return traffic_next(c->traffic[c->side], p, PKT_BURST);
	for (unsigned i = 0; i < PKT_BURST; i++) {
		p[i] = (struct pkt){.bytes = c->udp + (size_t)(c->udp_at++ % UDP_FLOWS) * 2048,
		    .caplen = c->udp_len,
		    .wirelen = c->udp_len,
		    .frame = c->udp_at,
		    .ts_ns = c->udp_now += 100};
	}
	return PKT_BURST;
}

/* A burst of frames in mbufs, as a driver lends them. */
static unsigned
receive(struct core *c, struct pkt *p, struct rte_mbuf **m)
{
	unsigned n = next_frames(c, p);

	if (rte_pktmbuf_alloc_bulk(c->pool, m, n) != 0)
		die("the pool is empty");
	for (unsigned i = 0; i < n; i++) {
		uint8_t *to = rte_pktmbuf_mtod(m[i], uint8_t *);

		memcpy(to, p[i].bytes, p[i].caplen);
		m[i]->data_len = (uint16_t)p[i].caplen;
		m[i]->pkt_len = p[i].caplen;
		p[i].bytes = to;
	}
	c->got[c->side] += n;
	return n;
}

static void
transmit(struct core *c, struct rte_mbuf **m, unsigned n)
{
	unsigned sent = 0;

	while (sent < n)
		sent += rte_eth_tx_burst(c->port, 0, m + sent, (uint16_t)(n - sent));
	c->sent[c->side] += n;
}

/* --- the bare loop ----------------------------------------------------------------------------- */

static const uint32_t may_pass[8] = {1u << 3}; /* function codes: read holding registers */

static inline uint32_t
u32_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static inline uint16_t
u16_at(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return v;
}

/* Both directions of a flow; the key of the other one is a second entry of the same. */
static uint32_t
add_flow(struct core *c, const struct key *k)
{
	const struct key back = {.a = k->b, .b = k->a, .pa = k->pb, .pb = k->pa};
	uintptr_t at = c->n_flows++;

	if (c->n_flows > c->max_flows || rte_hash_add_key_data(c->hash, k, (void *)at) < 0 ||
	    rte_hash_add_key_data(c->hash, &back, (void *)at) < 0)
		die("the hash is full");
	return (uint32_t)at;
}

static void
bare_burst(struct core *c, const struct pkt *p, unsigned n)
{
	struct key keys[PKT_BURST];
	const void *ptr[PKT_BURST];
	void *data[PKT_BURST];
	uint64_t hit = 0;

	for (unsigned i = 0; i < n; i++) {
		const uint8_t *b = p[i].bytes, *ip = b + 14, *l4 = ip + (ip[0] & 15) * 4;

		if (u16_at(b + 12) != rte_cpu_to_be_16(0x0800) || (ip[9] != 6 && ip[9] != 17))
			die("not what was made");
		keys[i] = (struct key){.a = u32_at(ip + 12),
		    .b = u32_at(ip + 16),
		    .pa = u16_at(l4),
		    .pb = u16_at(l4 + 2)};
		ptr[i] = &keys[i];
	}
	if (rte_hash_lookup_bulk_data(c->hash, ptr, n, &hit, data) < 0)
		die("lookup");
	for (unsigned i = 0; i < n; i++)
		if (hit >> i & 1)
			rte_prefetch0(&c->flows[(uintptr_t)data[i]]);
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *ip = p[i].bytes + 14, *tcp = ip + 20, *pay;
		uint32_t at = hit >> i & 1 ? (uint32_t)(uintptr_t)data[i] : add_flow(c, &keys[i]);
		struct touched *f = &c->flows[at];

		f->packets++;
		f->bytes += p[i].caplen;
		if (ip[9] != 6)
			continue;
		f->seq = u32_at(tcp + 4);
		pay = tcp + (tcp[12] >> 4) * 4;
		if (pay + 8 > p[i].bytes + p[i].caplen)
			continue;
		if (may_pass[pay[7] / 32] >> pay[7] % 32 & 1)
			f->allowed++;
		else
			f->denied++;
	}
}

/* --- one lap ------------------------------------------------------------------------------------- */

static unsigned
bucket(uint64_t cycles)
{
	unsigned k = cycles < 16 ? 0 : 60 - (unsigned)__builtin_clzll(cycles);
	unsigned at = k * 16 + (unsigned)(cycles >> (k ? k - 1 : 0)) % 16;

	return at < HIST ? at : HIST - 1;
}

static void
engine_pass(struct core *c, struct pkt *p, struct rte_mbuf **m, unsigned n)
{
	struct rte_mbuf *out[PKT_BURST];
	unsigned k = 0;

	engine_burst(c->engine, p, n);
	for (unsigned i = 0; i < n; i++)
		if (p[i].fate == FATE_FORWARD)
			out[k++] = m[i];
		else
			rte_pktmbuf_free(m[i]);
	transmit(c, out, k);
}

/* What the other one has found; how many. */
static unsigned
take_handed(struct core *c)
{
	struct rte_mbuf *m[PKT_BURST];
	struct pkt p[PKT_BURST];
	unsigned n = rte_ring_sc_dequeue_burst(c->handed, (void **)m, PKT_BURST, NULL);

	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (unsigned i = 0; i < n; i++)
		p[i] = (struct pkt){.bytes = rte_pktmbuf_mtod(m[i], const uint8_t *),
		    .ts_ns = c->now_ns,
		    .caplen = m[i]->data_len,
		    .wirelen = m[i]->data_len,
		    .port = (uint8_t)m[i]->port};
	if (n != 0)
		engine_pass(c, p, m, n);
	c->got[ENGINE] += n;
	return n;
}

/* Time of the processor is what is measured: who has nothing to do takes none. */
static void
await_other(struct core *c)
{
	if (take_handed(c) == 0)
		rte_delay_us_sleep(20);
}

/* A burst of which only some is ours. */
static void
shared_burst(struct core *c)
{
	struct pkt p[PKT_BURST];
	struct rte_mbuf *m[PKT_BURST], *theirs[PKT_BURST];
	struct core *other = &cores[c->id ^ 1];
	unsigned n = receive(c, p, m), ours = 0, t = 0, sent = 0;

	c->now_ns = p[n - 1].ts_ns;
	for (unsigned i = 0; i < n; i++) {
		if (shard_of(&shard, &p[i]) != c->id) {
			m[i]->port = p[i].port;
			theirs[t++] = m[i];
			continue;
		}
		p[ours] = p[i];
		m[ours++] = m[i];
	}
	while ((sent += rte_ring_sp_enqueue_burst(
		    other->handed, (void **)theirs + sent, t - sent, NULL)) < t)
		await_other(c); /* it does not keep up: nothing is to be lost here */
	c->n_handed += t;
	c->got[ENGINE] -= t;
	if (ours != 0)
		engine_pass(c, p, m, ours);
	(void)take_handed(c);
	c->frames -= n < c->frames ? n : c->frames;
}

static void
one_burst(struct core *c)
{
	struct pkt p[PKT_BURST];
	struct rte_mbuf *m[PKT_BURST];
	unsigned n = receive(c, p, m);
	uint64_t t0 = c->burst_cycles ? rte_rdtsc() : 0;

	if (c->side == ENGINE) {
		engine_pass(c, p, m, n);
	} else {
		if (c->side == BARE)
			bare_burst(c, p, n);
		transmit(c, m, n);
	}
	if (c->burst_cycles)
		c->burst_cycles[bucket(rte_rdtsc() - t0)]++;
	c->frames -= n < c->frames ? n : c->frames;
}

static int
run_lap(void *arg)
{
	struct core *c = arg;
	uint64_t t0 = clock_cpu_ns();

	if (!sharing || c->side != ENGINE) {
		while (c->frames != 0)
			one_burst(c);
	} else {
		while (c->frames != 0)
			shared_burst(c);
		atomic_store(&c->idle, true);
		while (!atomic_load(&cores[c->id ^ 1].idle))
			await_other(c);
		while (take_handed(c) != 0) /* the rest of it */
			;
	}
	c->cpu_ns = clock_cpu_ns() - t0;
	return 0;
}

/* Millions of frames of all cores in a second of processor time each. */
static double
lap(enum side side, uint64_t frames)
{
	double mpps = 0;

	for (unsigned i = 0; i < n_cores; i++) {
		cores[i].side = side;
		cores[i].frames = frames;
		atomic_store(&cores[i].idle, false);
	}
	for (unsigned i = 1; i < n_cores; i++) /* lcores are numbered from 0 */
		if (rte_eal_remote_launch(run_lap, &cores[i], i) < 0)
			die("a core does not begin");
	(void)run_lap(&cores[0]);
	rte_eal_mp_wait_lcore();
	for (unsigned i = 0; i < n_cores; i++)
		mpps += (double)frames * 1e3 / (double)cores[i].cpu_ns;
	return mpps;
}

/* --- set up -------------------------------------------------------------------------------------- */

static void
core_begin(struct core *c, enum traffic_proto proto, uint32_t flows)
{
	const struct traffic_conf tc = {.proto = proto,
	    .flows = flows,
	    .checksums = true,
	    .hosts = sharing,
	    .first_host = c->id * flows};
	const struct rte_hash_parameters hp = {.name = c->id ? "flows1" : "flows0",
	    .entries = flows * 4 + 1024,
	    .key_len = sizeof(struct key),
	    .hash_func = rte_hash_crc,
	    .socket_id = SOCKET_ID_ANY};
	const struct engine_conf ec = {
	    .memory_bytes = (size_t)flows * (proto == TRAFFIC_OPCUA ? 6144 : 2048) + (64u << 20),
	    .max_flows =
		flows * (sharing ? 6 : 4) + 1024, /* a guard keeps slots for other conduits */
	    .seed = 42 + c->id,
	    .inline_mode = true,
	    .policy = pol};

	for (unsigned i = 0; i < SIDES; i++)
		if (!(c->traffic[i] = traffic_new(&tc)))
			die("no memory");
	c->max_flows = flows + UDP_FLOWS + 1;
	c->n_flows = 0;
	c->hash = rte_hash_create(&hp);
	c->flows = aligned_alloc(64, ((size_t)c->max_flows * sizeof(*c->flows) + 63) / 64 * 64);
	c->engine = engine_new(&ec);
	if (!c->hash || !c->flows || !c->engine)
		die("no memory for flows");
	memset(c->flows, 0, (size_t)c->max_flows * sizeof(*c->flows));
	memset(c->sent, 0, sizeof(c->sent));
	memset(c->got, 0, sizeof(c->got));
}

static void
core_end(struct core *c)
{
	for (unsigned i = 0; i < SIDES; i++)
		traffic_free(c->traffic[i]);
	rte_hash_free(c->hash);
	free(c->flows);
	engine_free(c->engine);
}

/* Nothing was lost, nothing was denied, nothing was sent twice: else the numbers mean nothing. */
static void
check(const struct core *c, const char *what)
{
	const struct engine_stats *s = engine_stats(c->engine);

	for (unsigned i = 0; i < SIDES; i++)
		if (c->sent[i] != c->got[i]) {
			fprintf(stderr, "%s: %s: %" PRIu64 " received, %" PRIu64 " sent\n", what,
			    side_names[i], c->got[i], c->sent[i]);
			for (unsigned d = 0; d < DROP__MAX; d++)
				if (s->dropped[d])
					fprintf(stderr, "  %s: %" PRIu64 "\n", drop_name(d),
					    s->dropped[d]);
			exit(1);
		}
	if (s->flows_evicted || s->retransmitted || s->gaps || !engine_balanced(s))
		die("the engine saw retransmissions, gaps or evictions");
}

/* --- measuring ------------------------------------------------------------------------------------- */

struct row {
	char name[48];
	double mpps[SIDES];  /* medians */
	double ratio, net;   /* engine to bare: as charged; without the source */
	double new_flows[2]; /* per second, opened and answered */
	uint64_t concurrent; /* flows the engine has at the end, all of them live */
	double us[2][3];     /* burst of 32: p50, p99, p99.9 */
};

static void
percentiles(const uint32_t *h, double us[3])
{
	static const double want[3] = {0.5, 0.99, 0.999};
	uint64_t n = 0, sum = 0;
	unsigned k = 0;

	for (unsigned i = 0; i < HIST; i++)
		n += h[i];
	for (unsigned i = 0; i < HIST && k < 3; i++) {
		sum += h[i];
		while (k < 3 && (double)sum >= want[k] * (double)n) {
			unsigned e = i / 16;
			double cycles = e == 0 ? i : (double)((16u + i % 16) * (1ull << (e - 1)));

			us[k++] = cycles * 1e6 / (double)rte_get_tsc_hz();
		}
	}
}

static void
measure(struct row *r, uint64_t frames, unsigned laps)
{
	static double v[SIDES][LAPS_MAX], ratio[LAPS_MAX], net[LAPS_MAX];

	for (unsigned i = 0; i < laps; i++) {
		for (unsigned k = 0; k < SIDES; k++) {
			enum side s = (enum side)((k + i) % SIDES);

			v[s][i] = lap(s, frames);
		}
		ratio[i] = v[ENGINE][i] / v[BARE][i];
		net[i] =
		    (1 / v[BARE][i] - 1 / v[SOURCE][i]) / (1 / v[ENGINE][i] - 1 / v[SOURCE][i]);
	}
	r->ratio = median(ratio, laps);
	r->net = median(net, laps);
	for (unsigned s = 0; s < SIDES; s++)
		r->mpps[s] = median(v[s], laps);
}

static struct row
of_flows(enum traffic_proto proto, uint32_t flows, unsigned laps)
{
	static uint32_t hist[HIST];
	struct row r = {0};

	(void)snprintf(r.name, sizeof(r.name), "%s, %u flows%s", traffic_names[proto], flows,
	    sharing ? ", shared" : "");
	pol = traffic_policy(proto, RULES, "drop");
	for (unsigned i = 0; i < n_cores; i++)
		core_begin(&cores[i], proto, flows);
	for (unsigned s = 0; s < SIDES; s++) {
		uint64_t opening = traffic_opening(cores[0].traffic[s]);
		double mpps = lap((enum side)s, opening);

		if (s < SOURCE) /* opened, with the handshake of the protocol */
			r.new_flows[s] = mpps * 1e6 * flows / (double)opening;
		(void)lap((enum side)s, 2 * (uint64_t)traffic_lap(cores[0].traffic[s]));
	}
	measure(&r,
	    traffic_lap(cores[0].traffic[0]) < 100000 ? 100000 : traffic_lap(cores[0].traffic[0]),
	    laps);
	for (unsigned s = 0; s < SOURCE; s++) {
		memset(hist, 0, sizeof(hist));
		cores[0].burst_cycles = hist;
		(void)lap((enum side)s, 400000);
		cores[0].burst_cycles = NULL;
		percentiles(hist, r.us[s]);
	}
	for (unsigned i = 0; i < n_cores; i++) {
		check(&cores[i], r.name);
		r.concurrent += engine_stats(cores[i].engine)->flows_active;
		core_end(&cores[i]);
	}
	policy_free(pol);
	return r;
}

/* --- frame sizes of RFC 2544 ------------------------------------------------------------------------ */

static uint16_t
checksum(const uint8_t *p, uint32_t n, uint32_t sum)
{
	for (uint32_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if (n & 1)
		sum += (uint32_t)p[n - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void
put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
make_udp(uint8_t *b, uint32_t len, unsigned f)
{
	uint32_t sum = 17 + len - 34;

	memset(b, 0xee, 2048); /* of no protocol that a dissector knows */
	memcpy(b,
	    "\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0\x45\0\0\0\0\0\x40\0\x40\x11\0\0\x0a\1\0\0\x0a\2\0"
	    "\1",
	    34);
	put16(b + 16, len - 14);
	put16(b + 28, f + 1);
	put16(b + 34, 20000 + f);
	put16(b + 36, 5000);
	put16(b + 38, len - 34);
	put16(b + 40, 0);
	put16(b + 24, checksum(b + 14, 20, 0));
	for (unsigned i = 26; i < 34; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	put16(b + 40, checksum(b + 34, len - 34, sum));
}

static struct policy *
udp_policy(void)
{
	static const char text[] =
	    "interlock: 1\nsite: bench\nmode: enforce\n"
	    "zones:\n  it: {level: 3, port: outside, nets: [10.1.0.0/16]}\n"
	    "  ot: {level: 1, port: inside, nets: [10.2.0.0/16]}\n"
	    "conduits:\n  - name: udp\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop\n"
	    "    l4: [{name: u, ports: [udp/5000]}]\n";
	struct complaints c = {0};
	struct policy *p = policy_build_text("bench", text, sizeof(text) - 1, &c);

	if (!p)
		complaints_print(&c, stderr);
	complaints_fini(&c);
	if (!p)
		exit(2);
	return p;
}

static struct row
of_size(uint32_t size, unsigned laps)
{
	static uint8_t *frames;
	struct row r = {0};

	(void)snprintf(r.name, sizeof(r.name), "%u bytes", size);
	if (!frames && !(frames = malloc((size_t)UDP_FLOWS * 2048)))
		die("no memory");
	for (unsigned f = 0; f < UDP_FLOWS; f++)
		make_udp(frames + (size_t)f * 2048, size - 4, f); /* sizes count the FCS */
	pol = udp_policy();
	core_begin(&cores[0], TRAFFIC_MODBUS, UDP_FLOWS);
	cores[0].udp = frames;
	cores[0].udp_len = size - 4;
	cores[0].udp_now = UINT64_C(1700000000000000000);
	for (unsigned s = 0; s < SIDES; s++)
		(void)lap((enum side)s, UDP_FLOWS * 4);
	measure(&r, 100000, laps);
	cores[0].udp = NULL;
	check(&cores[0], r.name);
	core_end(&cores[0]);
	policy_free(pol);
	return r;
}

/* --- output --------------------------------------------------------------------------------------- */

static void
machine(char *to, size_t size)
{
	char line[256], model[200] = "unknown";
	FILE *f = fopen("/proc/cpuinfo", "r");
	struct utsname u;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "model name : %199[^\n]", model) == 1)
			break;
	if (f)
		(void)fclose(f);
	(void)uname(&u);
	(void)snprintf(
	    to, size, "%s, %u of its processors, Linux %s", model, rte_lcore_count(), u.release);
}

static void
text_row(const struct row *r)
{
	printf("%-24s %7.2f %7.2f %7.2f  %5.2f %5.2f", r->name, r->mpps[BARE], r->mpps[ENGINE],
	    r->mpps[SOURCE], r->ratio, r->net);
	if (r->us[ENGINE][0] != 0)
		printf("  %5.1f %5.1f %6.1f  %5.1f %5.1f %6.1f  %8.0f %8.0f", r->us[BARE][0],
		    r->us[BARE][1], r->us[BARE][2], r->us[ENGINE][0], r->us[ENGINE][1],
		    r->us[ENGINE][2], r->new_flows[BARE], r->new_flows[ENGINE]);
	putchar('\n');
}

static void
json_rows(const char *name, const struct row *r, unsigned n)
{
	printf(",\"%s\":[", name);
	for (unsigned i = 0; i < n; i++) {
		printf(
		    "%s{\"name\":\"%s\",\"mpps\":{\"bare\":%.3f,\"engine\":%.3f,\"source\":%.3f},"
		    "\"ratio\":%.3f,\"ratio_without_source\":%.3f",
		    i ? "," : "", r[i].name, r[i].mpps[BARE], r[i].mpps[ENGINE], r[i].mpps[SOURCE],
		    r[i].ratio, r[i].net);
		if (r[i].concurrent != 0)
			printf(",\"concurrent_flows\":%" PRIu64, r[i].concurrent);
		if (r[i].us[ENGINE][0] != 0)
			for (unsigned s = 0; s < SOURCE; s++)
				printf(",\"%s\":{\"burst_us\":{\"p50\":%.2f,\"p99\":%.2f,\"p999\":%"
				       ".2f},"
				       "\"new_flows_per_s\":%.0f}",
				    side_names[s], r[i].us[s][0], r[i].us[s][1], r[i].us[s][2],
				    r[i].new_flows[s]);
		putchar('}');
	}
	putchar(']');
}

#define N(a) (unsigned)(sizeof(a) / sizeof((a)[0]))

int
main(int argc, char **argv)
{
	static const uint32_t sizes[] = {64, 128, 256, 512, 1024, 1280, 1518};
	bool quick = false, json = false;
	struct row flows[6], size[N(sizes)], two[3];
	unsigned laps, used;
	char mach[512];
	double scaling = 0, shared = 0;
	int first = rte_eal_init(argc, argv);

	if (first < 0)
		die("EAL does not begin");
	for (int i = first + 1; i < argc; i++) {
		quick |= strcmp(argv[i], "quick") == 0;
		json |= strcmp(argv[i], "--json") == 0;
	}
	laps = quick ? 5 : 31;
	used = rte_lcore_count() < CORES ? 1 : CORES;
	for (unsigned i = 0; i < used; i++) {
		const struct rte_eth_conf none = {0};
		struct core *c = &cores[i];

		c->id = i;
		c->port = (uint16_t)i;
		c->pool = rte_pktmbuf_pool_create(
		    i ? "pool1" : "pool0", POOL, 256, 0, 2176, SOCKET_ID_ANY);
		if (!c->pool || rte_eth_dev_configure(c->port, 1, 1, &none) < 0 ||
		    rte_eth_rx_queue_setup(c->port, 0, 512, 0, NULL, c->pool) < 0 ||
		    rte_eth_tx_queue_setup(c->port, 0, 512, 0, NULL) < 0 ||
		    rte_eth_dev_start(c->port) < 0)
			die("a port of net_null does not start");
	}
	flows[0] = of_flows(TRAFFIC_MODBUS, 1000, laps);
	flows[1] = of_flows(TRAFFIC_MODBUS, 100000, laps / 3);
	flows[2] = of_flows(TRAFFIC_S7, 1000, laps);
	flows[3] = of_flows(TRAFFIC_S7, 100000, laps / 3);
	flows[4] = of_flows(TRAFFIC_OPCUA, 1000, laps);
	flows[5] = of_flows(TRAFFIC_OPCUA, 100000, laps / 3);
	for (unsigned i = 0; i < N(sizes); i++)
		size[i] = of_size(sizes[i], laps);
	two[0] = of_flows(TRAFFIC_MODBUS, 10000, laps / 3);
	if (used == CORES) {
		n_cores = CORES;
		two[1] = of_flows(TRAFFIC_MODBUS, 10000, laps / 3);
		scaling = two[1].mpps[ENGINE] / two[0].mpps[ENGINE] /
			  (two[1].mpps[BARE] / two[0].mpps[BARE]);
		sharing = true;
		shard_init(&shard, CORES, 42, false);
		for (unsigned i = 0; i < CORES; i++)
			if (!(cores[i].handed = rte_ring_create(i ? "handed1" : "handed0", HANDED,
				  SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ)))
				die("no memory for a ring");
		two[2] = of_flows(TRAFFIC_MODBUS, 10000, laps / 3);
		sharing = false;
		shared = two[2].mpps[ENGINE] / two[0].mpps[ENGINE] /
			 (two[2].mpps[BARE] / two[0].mpps[BARE]);
	}
	machine(mach, sizeof(mach));
	if (json) {
		printf("{\"machine\":\"%s\",\"compiler\":\"%s\",\"flags\":\"%s\",\"version\":\"%"
		       "s\",\"build\":\"%s\"",
		    mach, __VERSION__, BENCH_FLAGS, build_version, build_id);
		printf(",\"bytes_per_flow\":%zu", engine_flow_bytes(true));
		json_rows("flows", flows, N(flows));
		json_rows("rfc2544", size, N(sizes));
		json_rows("cores", two, used == CORES ? 3 : 1);
		printf(",\"scaling_to_bare\":%.3f,\"scaling_shared_to_bare\":%.3f}\n", scaling,
		    shared);
		return 0;
	}
	printf("%s; %s; %s; build %s\n\n", mach, __VERSION__, BENCH_FLAGS, build_id);
	printf("%-24s %7s %7s %7s  %5s %5s  %18s  %18s  %17s\n", "M frames/s, none lost", "bare",
	    "engine", "source", "ratio", "net", "burst us, bare", "burst us, engine",
	    "new flows/s");
	for (unsigned i = 0; i < N(flows); i++)
		text_row(&flows[i]);
	printf("an idle flow is %zu bytes: record, bucket, a guard's part and its conduit's; in "
	       "watch %zu\n",
	    engine_flow_bytes(true), engine_flow_bytes(false));
	printf("\nRFC 2544, UDP\n");
	for (unsigned i = 0; i < N(sizes); i++)
		text_row(&size[i]);
	printf(
	    "\nmodbus, 10 000 flows per core: 1 core; 2; two workers on two cores that hand over "
	    "half of their frames\n");
	for (unsigned i = 0; i < (used == CORES ? 3 : 1); i++)
		text_row(&two[i]);
	if (used == CORES)
		printf("the engine scales %.2f times as well as the bare loop, two workers that "
		       "hand over %.2f times\n",
		    scaling, shared);
	printf("\nratio: engine to bare, the source charged to both; net: without it.  Burst: 32 "
	       "frames, from the "
	       "last byte received to\nthe last sent, p50 p99 p99.9\n");
	return 0;
}
