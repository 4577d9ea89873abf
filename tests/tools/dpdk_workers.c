/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dpdk_workers.c - N workers forward between two ports of DPDK, and it is looked at which of them gets each frame.
 *
 * usage: dpdk_workers N OUTSIDE INSIDE FRAMES
 *
 * OUTSIDE and INSIDE are device strings.  Each worker notes the pairs of addresses that it was lent, from which side and in
 * which direction.  Ends when FRAMES have come, or nothing has for two seconds, and prints
 *
 *	frames PER WORKER...; pairs N, seen both ways N, by two workers N; handed over N, lost N, not sent N
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "dataplane/decode.h"
#include "dataplane/io/io.h"
#include "dataplane/shard.h"

#define PAIRS	(1u << 16) /* places of a table, never full */
#define SILENCE UINT64_C(2000000000)
#define BOTH	3u

extern const struct io_backend io_dpdk;

struct pair {
	struct net_addr lo, hi;
	bool used;
	uint8_t ways; /* 1: lo sent, 2: hi did */
};

struct worker {
	struct io *io;
	uint64_t frames;
	struct pair *pairs;
};

static struct worker workers[SHARDS_MAX];
static unsigned n_workers;
static uint64_t expected;
static _Atomic uint64_t got;
static atomic_bool over;
static _Atomic unsigned ended;

static struct pair *
pair_of(struct pair *table, const struct net_addr *lo, const struct net_addr *hi)
{
	uint64_t at = hash_16(hash_seed_make(1), lo->b) + hash_16(hash_seed_make(2), hi->b);

	while (table[at % PAIRS].used &&
	       (!net_addr_eq(&table[at % PAIRS].lo, lo) || !net_addr_eq(&table[at % PAIRS].hi, hi)))
		at++;
	return &table[at % PAIRS];
}

static void
note(struct worker *w, const struct pkt *p)
{
	struct net_tuple t;
	struct layers l;
	struct pair *pair;
	bool back;

	w->frames++;
	if (decode(p, &l) != DROP_NONE || !(l.flags & LAYER_IP))
		return;
	layers_tuple(&l, p->port, &t);
	back = memcmp(t.src.b, t.dst.b, sizeof(t.src.b)) > 0;
	pair = back ? pair_of(w->pairs, &t.dst, &t.src) : pair_of(w->pairs, &t.src, &t.dst);
	pair->used = true;
	pair->lo = back ? t.dst : t.src;
	pair->hi = back ? t.src : t.dst;
	pair->ways |= back ? 2 : 1;
}

static int
life(void *arg)
{
	struct worker *w = arg;
	struct pkt burst[PKT_BURST];

	while (!atomic_load(&over)) {
		int n = io_dpdk.rx(w->io, burst, PKT_BURST);

		for (int i = 0; i < n; i++) {
			note(w, &burst[i]);
			burst[i].fate = FATE_FORWARD;
		}
		if (n > 0) {
			io_dpdk.done(w->io, burst, (unsigned)n);
			atomic_fetch_add(&got, (uint64_t)n);
		} else {
			io_dpdk.wait(w->io, -1, 20000);
		}
	}
	atomic_fetch_add(&ended, 1);
	return 0;
}

/* Worker 0 ends last: what others have left with it goes out. */
static void
lead(void)
{
	uint64_t since = clock_mono_ns(), was = 0;
	struct pkt burst[PKT_BURST];
	struct worker *w = &workers[0];

	while (atomic_load(&ended) + 1 < n_workers || !atomic_load(&over)) {
		int n = io_dpdk.rx(w->io, burst, PKT_BURST);
		uint64_t now = clock_mono_ns(), all = atomic_load(&got);

		for (int i = 0; i < n; i++) {
			note(w, &burst[i]);
			burst[i].fate = FATE_FORWARD;
		}
		if (n > 0) {
			io_dpdk.done(w->io, burst, (unsigned)n);
			atomic_fetch_add(&got, (uint64_t)n);
		} else {
			io_dpdk.wait(w->io, -1, 1000);
		}
		if (all != was)
			since = now;
		was = all;
		if (all >= expected || now - since > SILENCE) {
			atomic_store(&over, true);
			for (unsigned i = 1; i < n_workers; i++)
				io_dpdk.wake(workers[i].io);
		}
	}
	for (unsigned i = 0; i < 100; i++)
		(void)io_dpdk.rx(w->io, burst, 0);
}

static void
report(void)
{
	uint64_t pairs = 0, both = 0, twice = 0, handed = 0, lost = 0, unsent = 0;

	printf("frames");
	for (unsigned i = 0; i < n_workers; i++) {
		struct io_stats st = {0};

		io_dpdk.stats(workers[i].io, &st);
		handed += st.handed;
		lost += st.rx_dropped;
		unsent += st.tx_dropped;
		printf(" %" PRIu64, workers[i].frames);
		for (uint32_t k = 0; k < PAIRS; k++) {
			const struct pair *p = &workers[i].pairs[k];

			if (!p->used)
				continue;
			pairs++;
			both += p->ways == BOTH;
			for (unsigned j = i + 1; j < n_workers; j++)
				twice += pair_of(workers[j].pairs, &p->lo, &p->hi)->used;
		}
	}
	printf("; pairs %" PRIu64 ", seen both ways %" PRIu64 ", by two workers %" PRIu64
	       "; handed over %" PRIu64 ", lost %" PRIu64 ", not sent %" PRIu64 "\n",
	    pairs, both, twice, handed, lost, unsent);
}

int
main(int argc, char **argv)
{
	struct io_port port[2] = {{.mtu = 1500}, {.mtu = 1500}};
	struct io_conf conf = {.ports = port, .seed = 1};
	char err[512];

	if (argc != 5) {
		fprintf(stderr, "usage: dpdk_workers N OUTSIDE INSIDE FRAMES\n");
		return 2;
	}
	n_workers = conf.workers = (unsigned)strtoul(argv[1], NULL, 10);
	expected = strtoull(argv[4], NULL, 10);
	for (unsigned i = 0; i < 2; i++)
		port[i].name = port[i].device = argv[2 + i];
	for (unsigned i = 0; i < n_workers; i++) {
		if (io_dpdk.open(&workers[i].io, &conf, i, err, sizeof(err)) < 0) {
			fprintf(stderr, "%s\n", err);
			return 1;
		}
		if (!(workers[i].pairs = calloc(PAIRS, sizeof(struct pair))))
			return 1;
	}
	for (unsigned i = 1; i < n_workers; i++)
		if (io_dpdk.run(workers[i].io, life, &workers[i]) < 0)
			return 1;
	lead();
	report();
	/* what the drivers write is complete when they are closed, the first with all queues last */
	for (unsigned i = n_workers; i-- > 0;)
		(void)io_dpdk.close(workers[i].io);
	return 0;
}
