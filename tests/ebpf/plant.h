/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plant.h - a plant as tables, by hand, so that the filter is tested without the policy reader.
 *
 *   outside: scada 10.1.2.0/25 fd00:a::/64     inside: cell 10.1.2.128/25 fd00:b::/64
 *              hmi 10.1.2.5 (MAC h) fd00:a::5            plc 10.1.2.130 (MAC p) fd00:b::1
 *              eng 10.1.2.9                              plc2 10.1.2.131
 *            office 10.9.0.0/16, any side              press 10.3.0.0/24, VLAN 110
 *            flood 10.4.0.0/24: 50 packets/s, 5 flows/s  drive 10.3.0.1
 *
 *   0 hmi -> plc: TCP 502, echo             1 scada -> cell/any: TCP 102, UDP 1000-2000
 *   2 eng -> plc2: whatever the port        3 office/any -> cell: TCP 80
 *   4 hmi -> drive: TCP 502                 5 flood/any -> cell: TCP 502
 *   6 hmi6 -> plc6: TCP 502, echo
 */
#ifndef TESTS_EBPF_PLANT_H
#define TESTS_EBPF_PLANT_H

#include <stdlib.h>
#include <string.h>

#include "base/net.h"
#include "policy/gate.h"
#include "policy/policy.h"
#include "tests/ebpf/kit.h"

enum { SCADA, CELL, OFFICE, PRESS, FLOOD, N_ZONES };
enum { HMI, ENG, PLC, PLC2, DRIVE, HMI6, PLC6, N_DEVICES };
#define PLANT_NETS     7u
#define PLANT_PAIRS    7u
#define PLANT_CONDUITS 7u

struct plant {
	struct gate_spec spec;
	struct gate_zone zone[N_ZONES];
	struct gate_net net[PLANT_NETS];
	struct gate_device device[N_DEVICES];
	struct gate_pair pair[PLANT_PAIRS];
	struct gate_conduit conduit[PLANT_CONDUITS];
	uint16_t type[3];
};

static inline uint32_t
plant_end(unsigned kind, uint32_t index)
{
	return kind << 30 | index;
}

static inline void
plant_init(struct plant *p)
{
	static const struct {
		const char *net;
		uint32_t zone;
	} nets[PLANT_NETS] = {{"10.1.2.0/25", SCADA}, {"10.1.2.128/25", CELL},
	    {"10.9.0.0/16", OFFICE}, {"10.3.0.0/24", PRESS}, {"10.4.0.0/24", FLOOD},
	    {"fd00:a::/64", SCADA}, {"fd00:b::/64", CELL}};
	static const struct {
		const char *ip, *mac;
		uint32_t zone;
	} devices[N_DEVICES] = {[HMI] = {"10.1.2.5", "h", SCADA},
	    [ENG] = {"10.1.2.9", NULL, SCADA},
	    [PLC] = {"10.1.2.130", "p", CELL},
	    [PLC2] = {"10.1.2.131", NULL, CELL},
	    [DRIVE] = {"10.3.0.1", NULL, PRESS},
	    [HMI6] = {"fd00:a::5", "h", SCADA},
	    [PLC6] = {"fd00:b::1", "p", CELL}};
	const struct gate_conduit strict = {.place = VERDICT_DROP,
	    .mac = VERDICT_DROP,
	    .n_spans = 1,
	    .span = {{502, 502, true, false}}};

	memset(p, 0, sizeof(*p));
	p->zone[SCADA] = (struct gate_zone){.vlan_any = true, .port = 0};
	p->zone[CELL] = (struct gate_zone){.vlan_any = true, .port = 1};
	p->zone[OFFICE] = (struct gate_zone){.vlan_any = true, .port = -1};
	p->zone[PRESS] = (struct gate_zone){.vlan = 110, .port = 1};
	p->zone[FLOOD] =
	    (struct gate_zone){.vlan_any = true, .port = 0, .packets_per_s = 50, .flows_per_s = 5};
	for (unsigned i = 0; i < PLANT_NETS; i++) {
		p->net[i].zone = nets[i].zone;
		if (net_prefix_parse(nets[i].net, &p->net[i].prefix) < 0)
			abort();
	}
	for (unsigned i = 0; i < N_DEVICES; i++) {
		p->device[i] =
		    (struct gate_device){.zone = devices[i].zone, .has_mac = devices[i].mac};
		if (net_addr_parse(devices[i].ip, &p->device[i].addr) < 0)
			abort();
		if (devices[i].mac)
			kit_mac(devices[i].mac, p->device[i].mac);
	}
	for (unsigned i = 0; i < PLANT_CONDUITS; i++)
		p->conduit[i] = strict;
	p->conduit[0].echo = p->conduit[6].echo = true;
	p->conduit[1].n_spans = 2;
	p->conduit[1].span[0] = (struct gate_span){102, 102, true, false};
	p->conduit[1].span[1] = (struct gate_span){1000, 2000, false, true};
	p->conduit[2] =
	    (struct gate_conduit){.any_port = true, .place = VERDICT_ALERT, .mac = VERDICT_ALERT};
	p->conduit[3].span[0].lo = p->conduit[3].span[0].hi = 80;
	p->pair[0] = (struct gate_pair){plant_end(2, HMI), plant_end(2, PLC), 0};
	p->pair[1] = (struct gate_pair){plant_end(1, SCADA), plant_end(0, CELL), 1};
	p->pair[2] = (struct gate_pair){plant_end(2, ENG), plant_end(2, PLC2), 2};
	p->pair[3] = (struct gate_pair){plant_end(0, OFFICE), plant_end(1, CELL), 3};
	p->pair[4] = (struct gate_pair){plant_end(2, HMI), plant_end(2, DRIVE), 4};
	p->pair[5] = (struct gate_pair){plant_end(0, FLOOD), plant_end(1, CELL), 5};
	p->pair[6] = (struct gate_pair){plant_end(2, HMI6), plant_end(2, PLC6), 6};
	p->type[0] = 0x88b8;
	p->type[1] = 0x88cc;
	p->spec = (struct gate_spec){.n_zones = N_ZONES,
	    .n_nets = PLANT_NETS,
	    .n_devices = N_DEVICES,
	    .n_pairs = PLANT_PAIRS,
	    .n_conduits = PLANT_CONDUITS,
	    .zones = p->zone,
	    .nets = p->net,
	    .devices = p->device,
	    .pairs = p->pair,
	    .conduits = p->conduit,
	    .l2 = {.arp = GATE_ARP_BOUND,
		.mac = VERDICT_DROP,
		.place = VERDICT_DROP,
		.otherwise = VERDICT_DROP,
		.ra = VERDICT_DROP,
		.mld = VERDICT_ALLOW,
		.stp = true,
		.dcp = true,
		.n_types = 2,
		.types = p->type}};
}

#endif /* TESTS_EBPF_PLANT_H */
