/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_gate.c - what the filter in the kernel costs per frame.
 *
 * BPF_PROG_TEST_RUN repeats one frame; the kernel gives nanoseconds per run.  All tables are warm
 * then: a plant whose devices all talk at once pays cache misses on top.  Each case is
 * run five times, the median is printed.  "floor" is a run that ends at once: what repeating
 * itself costs.
 *
 * usage: bench_gate [quick]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/net.h"
#include "tests/ebpf/kit.h"

#define LAPS 5u

static unsigned repeat = 1000000;

static int
cmp(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
lap(const struct gate *g, const char *name, unsigned port, const char *words)
{
	uint8_t frame[KIT_FRAME_MAX];
	size_t n = kit_frame(frame, words);
	const char *said = kit_verdict(g, port, frame, n);
	uint32_t ns[LAPS];

	for (unsigned i = 0; i < LAPS; i++)
		(void)kit_passes(g, port, frame, n, repeat, &ns[i]);
	qsort(ns, LAPS, sizeof(ns[0]), cmp);
	printf("  %-44s %4u ns  %s\n", name, ns[LAPS / 2], said);
}

/*
 * n devices in a row outside and as many inside, each pair with a conduit to TCP 502; `any`
 * zones as well, one of them with a limit that is never reached.
 */
static bool
fill(struct gate *g, uint32_t n)
{
	enum { OUT, IN, ANY_OUT, ANY_IN, LIMITED, ZONES };
	static const struct gate_zone zones[ZONES] = {{.port = 0, .vlan_any = true},
	    {.port = 1, .vlan_any = true}, {.port = 0, .vlan_any = true},
	    {.port = 1, .vlan_any = true},
	    {.port = 0, .vlan_any = true, .packets_per_s = 100000000, .flows_per_s = 100000000}};
	static const uint8_t nets[ZONES][4] = {{10, 1}, {10, 2}, {10, 3}, {10, 4}, {10, 5}};
	struct gate_net net[ZONES];
	struct gate_device *d = calloc(2 * (size_t)n, sizeof(*d));
	struct gate_pair *p = calloc((size_t)n + 2, sizeof(*p));
	static struct gate_conduit c = {.echo = true,
	    .place = VERDICT_DROP,
	    .mac = VERDICT_DROP,
	    .n_spans = 1,
	    .span = {{502, 502, true, false}}};
	static const uint16_t types[] = {0x88cc};
	struct gate_spec s = {.n_zones = ZONES,
	    .n_nets = ZONES,
	    .n_devices = 2 * n,
	    .n_pairs = n + 2,
	    .n_conduits = 1,
	    .zones = zones,
	    .nets = net,
	    .devices = d,
	    .pairs = p,
	    .conduits = &c,
	    .l2 = {.mac = VERDICT_DROP,
		.place = VERDICT_DROP,
		.otherwise = VERDICT_DROP,
		.n_types = 1,
		.types = types}};
	char err[256];
	int r;

	if (!d || !p)
		return false;
	for (uint32_t i = 0; i < ZONES; i++)
		net[i] = (struct gate_net){{net_addr_from4(nets[i]), 112}, i};
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t side = 0; side < 2; side++) {
			struct gate_device *one = &d[2 * i + side];

			*one = (struct gate_device){.zone = side,
			    .has_mac = true,
			    .addr = net_addr_from4((uint8_t[4]){
				10, (uint8_t)(1 + side), (uint8_t)(i >> 8), (uint8_t)i})};
			kit_mac(side ? "p" : "h", one->mac);
			p[i] = (struct gate_pair){2u << 30 | 2 * i, 2u << 30 | (2 * i + 1), 0};
		}
	p[n] = (struct gate_pair){ANY_OUT, ANY_IN, 0};
	p[n + 1] = (struct gate_pair){LIMITED, ANY_IN, 0};
	r = gate_set_policy(g, &s, 1, err, sizeof(err));
	if (r < 0)
		fprintf(stderr, "bench_gate: %s\n", err);
	free(d);
	free(p);
	return r == 0;
}

static void
laps(struct gate *g, uint32_t n)
{
	printf("%u pairs, %u devices\n", n, 2 * n);
	if (!fill(g, n))
		exit(1);
	lap(g, "allowed: device to device", 0, "eth:h>p ip:10.1.0.7>10.2.0.7 tcp:40000>502:A");
	lap(g, "allowed: the answer", 1, "eth:p>h ip:10.2.0.7>10.1.0.7 tcp:502>40000:A");
	lap(g, "allowed: VLAN tag", 0, "eth:h>p vlan:5 ip:10.1.0.7>10.2.0.7 tcp:40000>502:A");
	lap(g, "denied: port", 0, "eth:h>p ip:10.1.0.7>10.2.0.7 tcp:40000>503:A");
	lap(g, "denied: no conduit", 0, "eth:h>p ip:10.1.0.7>10.2.0.8 tcp:40000>502:A");
	lap(g, "denied: spoofed source", 1, "eth:h>p ip:10.1.0.7>10.2.0.7 tcp:40000>502:A");
	lap(g, "allowed: any address to any (LPM)", 0,
	    "eth:x>y ip:10.3.1.1>10.4.2.2 tcp:40000>502:A");
	lap(g, "allowed: the same, zone with limits", 0,
	    "eth:x>y ip:10.5.1.1>10.4.2.2 tcp:40000>502:A");
	lap(g, "ARP, bound", 0, "eth:h>* arp:h@10.1.0.7>10.2.0.7");
	lap(g, "echo", 0, "eth:h>p ip:10.1.0.7>10.2.0.7 icmp:8");
	lap(g, "LLDP", 0, "eth:h>p type:88cc hex:0207");
}

int
main(int argc, char **argv)
{
	char err[256] = "";
	const char *why = kit_why_not();
	struct gate *g;

	if (argc > 1 && strcmp(argv[1], "quick") == 0)
		repeat = 20000;
	if (!why)
		why = kit_namespace();
	if (why) {
		printf("skipped: %s\n", why);
		return 0;
	}
	g = gate_open(err, sizeof(err));
	why = g ? kit_socket(g) : err;
	if (why) {
		fprintf(stderr, "bench_gate: %s\n", why);
		return 1;
	}
	printf("ns per run, median of %u times %u\n", LAPS, repeat);
	lap(g, "floor: no policy, dropped", 0, "eth:h>p type:88cc");
	laps(g, 10);
	laps(g, 500);
	laps(g, 4000);
	printf("maps: %zu KiB\n", gate_memory(g) / 1024);
	gate_close(g);
	return 0;
}
