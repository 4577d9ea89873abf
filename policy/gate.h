/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.h - what of a policy can be told from addresses, ports and MACs alone: flat
 * tables for a packet filter in the kernel (ebpf/).
 *
 * They say the same as policy_bind(), policy_eval_l2() and policy_eval_icmp(), which judge
 * again; a filter that lets through more only costs time, one that lets
 * through less is a fault.  Ends are what a conduit's from: and to: name: a device, the
 * declared devices of a zone, any address of a zone (bind.c).
 */
#ifndef POLICY_GATE_H
#define POLICY_GATE_H

#include "policy/policy.h"

#define GATE_SPANS 16u /* port ranges of a conduit; one with more says any_port */
#define GATE_NONE  UINT32_MAX

struct gate_zone {
	uint16_t vlan;	/* 0 = untagged or not said: vlan_any */
	bool vlan_any;
	int8_t port;	/* 0 outside, 1 inside, -1 not said */
	uint32_t packets_per_s, flows_per_s; /* limits: of the zone; 0 = none */
};
struct gate_net {
	struct net_prefix prefix;
	uint32_t zone;
};
struct gate_device {
	struct net_addr addr;
	uint32_t zone;
	bool has_mac;
	uint8_t mac[6];
};
struct gate_pair { /* ends: kind << 30 | index, as end_key() makes them */
	uint32_t from, to, conduit;
};
struct gate_span {
	uint16_t lo, hi; /* ports of the server, inclusive, host order */
	bool tcp, udp;
};
struct gate_conduit {
	bool any_port;	/* apps:, otherwise: alert, mode: the engine must see it all */
	bool echo;	/* icmp: [echo] */
	bool fail_open;
	uint8_t n_spans;
	struct gate_span span[GATE_SPANS];
};
struct gate_l2 {
	uint8_t arp;	  /* enum arp_choice */
	uint8_t mac, otherwise, ra, mld; /* enum verdict_action, after the mode */
	bool stp;
	uint32_t n_types;
	const uint16_t *types; /* ethertypes, ascending, host order */
};
struct gate_spec {
	bool default_pass; /* mode: learn or alert: what has no conduit passes as well */
	uint32_t n_zones, n_nets, n_devices, n_pairs, n_conduits;
	const struct gate_zone *zones;
	const struct gate_net *nets;
	const struct gate_device *devices;
	const struct gate_pair *pairs;
	const struct gate_conduit *conduits;
	struct gate_l2 l2;
};

/* Lives as long as the policy; in its image as well. */
const struct gate_spec *policy_gate(const struct policy *pol);

#endif /* POLICY_GATE_H */
