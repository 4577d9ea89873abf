/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.h - what of a policy can be told from addresses, ports and MACs alone: flat
 * tables for a packet filter in the kernel (ebpf/).
 *
 * They say the same as policy_bind(), policy_eval_l2() and policy_eval_icmp(), which judge
 * again; a filter that lets through more only costs time, one that lets
 * through less is a fault.  Ends are what a conduit's from: and to: name: a device, the
 * declared devices of a zone, any address of a zone (bind.c).
 *
 * A frame, as a filter judges it (tests/unit/policy_gate_test.c does so, slowly):
 *   - ARP by l2.arp; other ethertypes by l2.types; LLC by l2.stp; what is left by l2.otherwise.
 *   - An address is its device, else in the zone of the longest net; both ends give up to three
 *     ends each, and the governing conduit is the first pair found from narrow to wide.  A packet
 *     may belong to the connection its sender opened, or to one its receiver did: both are
 *     looked up, and it passes when one of them lets it.
 *   - No conduit: dropped unless default_pass.
 *   - Place: the sender's zone has no port or this one, the receiver's has none or the other; and
 *     when one of the two zones has a VLAN, the frame's (0: untagged) is one of theirs.
 *     Else .place of the conduit.
 *   - A device with has_mac at either end must have that MAC, else .mac of the conduit.
 *   - TCP and UDP: the server's port is in a span, or any_port.  ICMP echo: .echo.
 *     (ICMP errors: by the packet they quote; the engine knows the flow.)
 *   - Zone limits: what is above is dropped and counted, whatever the mode.  A conduit that is
 *     .counted has such a zone at one of its ends: each packet costs a token, also what a filter
 *     passes by its blocks.
 */
#ifndef POLICY_GATE_H
#define POLICY_GATE_H

#include "policy/policy.h"

#define GATE_SPANS 16u /* port ranges of a conduit; one with more says any_port */
#define GATE_NONE  UINT32_MAX
#define GATE_OPEN  4u /* requests of a connection that wait at most while a filter judges it */
#define GATE_UA_OPEN	16u   /* the same of OPC UA */
#define GATE_UA_MESSAGE 1472u /* bytes of a message of OPC UA that a filter passes, at most */

struct gate_zone {
	uint16_t vlan; /* 0 when vlan_any: not said */
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
/* kind << 30 | index of the device or zone; kinds: 0 any address of the zone, 1 the zone's
 * declared devices, 2 the device. */
struct gate_pair {
	uint32_t from, to, conduit;
};
struct gate_span {
	uint16_t lo, hi; /* ports of the server, inclusive, host order */
	bool tcp, udp;
};
/* Protocols whose PDUs a filter may judge, of the blocks that ask for nothing but functions, units
 * and addresses; of OPC UA, for nothing that changes from one message to the next. */
#define GATE_WORDS 1048576u /* of tables that it holds; with more it judges no PDU */
#define GATE_RULES 16384u   /* whose hits it counts; the same */
enum gate_proto { GATE_MODBUS = 0, GATE_S7, GATE_OPCUA, GATE__PROTOS };
struct gate_conduit {
	bool any_port;	/* apps:, otherwise: alert, mode: the engine must see it all */
	bool echo;	/* icmp: [echo]; otherwise: alert, mode: as well */
	bool fail_open;
	bool counted;	/* one of its ends may lie in a zone with packets_per_s */
	uint8_t place, mac; /* enum verdict_action of what does not fit, after the mode */
	uint8_t n_spans;
	struct gate_span span[GATE_SPANS];
	uint32_t block[GATE__PROTOS]; /* -> struct tb_block in words (table.h); 0: the engine's */
};
enum gate_arp { GATE_ARP_BOUND = 0, GATE_ARP_ANY, GATE_ARP_DROP };
/* ARP, and neighbour discovery the same.  Bound: sender and target are devices (a probe has no
 * sender yet, RFC 5227, a reply to one no target), the sender speaks in its zone's place (else
 * .place) and from its MAC (else .mac); in IPv6 also link-local addresses. */
struct gate_l2 {
	uint8_t arp;				/* enum gate_arp */
	uint8_t mac, place, otherwise, ra, mld; /* enum verdict_action, after the mode */
	bool stp; /* LLC 0x42 to 01-80-c2-00-00-00, SNAP to 01-00-0c-cc-cc-cd */
	bool dcp; /* of ethertype 0x8892 only FrameIDs 0xfefc..0xfeff; not in types */
	uint32_t n_types;
	const uint16_t *types; /* ethertypes, ascending, host order */
};
struct gate_spec {
	bool fail_open;	   /* of what no conduit governs */
	bool default_pass; /* mode: learn or alert: what has no conduit passes as well */
	uint32_t n_zones, n_nets, n_devices, n_pairs, n_conduits;
	const struct gate_zone *zones;
	const struct gate_net *nets;
	const struct gate_device *devices;
	const struct gate_pair *pairs;
	const struct gate_conduit *conduits;
	struct gate_l2 l2;
	const uint32_t *words; /* tables that the blocks refer to, by index */
	uint32_t n_words, n_rules;
};

/* Lives as long as the policy; in its image as well. */
const struct gate_spec *policy_gate(const struct policy *pol);

#endif /* POLICY_GATE_H */
