/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_l2_test.c - what is not a connection: bridges, PROFINET, ARP, neighbour discovery,
 * routers, listeners, echo; and where an address may speak from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/policy.h"

#define ZONES                                                                                      \
	"zones:\n"                                                                                 \
	"  scada: {port: outside, nets: [10.0.0.0/24, \"fd00:0::/64\"], limits: {packets: 9/s}}\n" \
	"  cell: {port: inside, nets: [10.0.1.0/24, \"fd00:1::/64\"], vlan: 110}\n"                \
	"devices:\n"                                                                               \
	"  hmi: {zone: scada, ip: 10.0.0.5, mac: \"02:00:00:00:00:05\"}\n"                         \
	"  hmi6: {zone: scada, ip: \"fd00::5\", mac: \"02:00:00:00:00:05\"}\n"                     \
	"  plc: {zone: cell, ip: 10.0.1.1, mac: \"02:00:00:00:00:11\"}\n"                          \
	"  plc6: {zone: cell, ip: \"fd00:1::1\", mac: \"02:00:00:00:00:11\"}\n"                    \
	"  other: {zone: cell, ip: 10.0.1.2}\n"                                                    \
	"conduits:\n"                                                                              \
	"  - {name: p, from: [hmi, hmi6], to: [plc, plc6], otherwise: reject, icmp: [echo], "      \
	"strict: "                                                                                 \
	"true, latency: 2ms, flows: 7, modbus: {addressing: zero-based, allow: [{name: r, units: " \
	"all, functions: [3], holding: [0]}]}}\n"                                                  \
	"  - {name: q, from: [hmi], to: [other], mode: alert, otherwise: reject, modbus: "         \
	"{addressing: zero-based, allow: [{name: r, units: all, functions: [3], holding: "         \
	"[0]}]}}\n"

static struct policy *
load(const char *head)
{
	struct complaints c = {0};
	char text[4096];
	struct policy *p;

	snprintf(text, sizeof(text), "interlock: 1\n%s\n" ZONES, head);
	p = policy_build_text("l2", text, strlen(text), &c);
	complaints_print(&c, stderr);
	assert_non_null(p);
	complaints_fini(&c);
	return p;
}

static void
mac_of(uint8_t mac[6], uint8_t last)
{
	memset(mac, 0, 6);
	mac[0] = 2;
	mac[5] = last;
}

/* --- types ------------------------------------------------------------------------------- */

static void
test_types(void **state)
{
	struct policy *usual = load("mode: enforce"),
		      *own = load("mode: enforce\nl2: {allow: [profinet-dcp, 0x88b8]}"),
		      *lax = load("mode: enforce\nl2: {allow: [profinet], otherwise: alert}"),
		      *watch = load("mode: alert\nl2: {allow: []}");
	static const struct {
		uint16_t type;
		const char *dmac;
		bool has_head;
		uint16_t head;
		uint8_t usual, own, lax, watch;
	} cases[] = {
#define A VERDICT_ALLOW
#define L VERDICT_ALERT
#define D VERDICT_DROP
	    {0x88cc, "\x01\x80\xc2\0\0\x0e", false, 0, A, D, L, L}, /* LLDP */
	    {0x88e3, "\x01\x15\x4e\0\0\1", false, 0, A, D, L, L},   /* MRP */
	    {0x88f7, "\x01\x1b\x19\0\0\0", false, 0, A, D, L, L},   /* PTP */
	    {0x88b8, "\x01\x0c\xcd\1\0\0", false, 0, D, A, L, L},   /* GOOSE */
	    {38, "\x01\x80\xc2\0\0\0", true, 0x4242, A, D, L, L},   /* STP */
	    {38, "\x01\x80\xc2\0\0\0", false, 0, A, D, L, L},	    /* not looked into */
	    {38, "\x01\x80\xc2\0\0\0", true, 0xaaaa, D, D, L, L},   /* something else to bridges */
	    {38, "\x02\0\0\0\0\1", true, 0x4242, D, D, L, L},	    /* to somebody else */
	    {50, "\x01\x00\x0c\xcc\xcc\xcd", true, 0xaaaa, A, D, L, L}, /* STP of a VLAN */
	    {0x8892, "\x01\x0e\xcf\0\0\0", true, 0xfefe, D, A, A, L},	/* DCP identify */
	    {0x8892, "\x02\0\0\0\0\1", true, 0x8001, D, D, A, L},	/* real-time data */
	    {0x8892, "\x02\0\0\0\0\1", false, 0, D, D, A, L},		/* cannot be seen */
	    {0x0806, "\xff\xff\xff\xff\xff\xff", false, 0, D, D, L, L}, /* ARP that is none */
	    {0x86dd, "\x02\0\0\0\0\1", false, 0, D, D, L, L},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct policy_l2 f = {.ethertype = cases[i].type,
		    .has_head = cases[i].has_head,
		    .head = cases[i].head};

		memcpy(f.dmac, cases[i].dmac, 6);
		print_message("%u ", i);
		assert_int_equal(policy_eval_l2(usual, &f).action, cases[i].usual);
		assert_int_equal(policy_eval_l2(own, &f).action, cases[i].own);
		assert_int_equal(policy_eval_l2(lax, &f).action, cases[i].lax);
		assert_int_equal(policy_eval_l2(watch, &f).action, cases[i].watch);
		assert_int_equal(policy_eval_l2(watch, &f).reason, REASON_L2);
	}
	print_message("\n");
	policy_free(usual);
	policy_free(own);
	policy_free(lax);
	policy_free(watch);
}

/* --- ARP ------------------------------------------------------------------------------------ */

struct arp_case {
	const char *sip, *tip;
	uint8_t says, from; /* last byte of the MAC it claims, and of the frame's; 0: none at all */
	uint8_t port;	    /* 0 outside, 1 inside, 2 + them: known */
	uint16_t vlan;
	uint8_t alert, drop; /* with mac: alert, mac: drop */
	uint8_t reason;
};
static const struct arp_case arps[] = {
    {"10.0.0.5", "10.0.1.1", 5, 5, 2, 110, A, A, REASON_L2},
    {"10.0.1.1", "10.0.0.5", 0x11, 0x11, 3, 110, A, A, REASON_L2}, /* the reply */
    {"10.0.0.5", "10.0.0.5", 5, 5, 2, 0, A, A, REASON_L2},	   /* gratuitous */
    {"10.0.1.1", "10.0.1.1", 0x11, 0x11, 3, 110, A, A, REASON_L2},
    {"0.0.0.0", "10.0.1.1", 0x11, 0x11, 3, 110, A, A, REASON_L2}, /* probe by the owner */
    {"0.0.0.0", "10.0.1.1", 9, 9, 2, 110, L, D, REASON_L2},	  /* by somebody else */
    {"0.0.0.0", "10.0.1.77", 9, 9, 2, 110, D, D, REASON_L2},	  /* for nobody's */
    {"10.0.1.1", "0.0.0.0", 0x11, 0x11, 3, 110, A, A, REASON_L2}, /* reply to a probe */
    {"0.0.0.0", "0.0.0.0", 5, 5, 2, 110, D, D, REASON_L2},
    {"10.0.0.5", "10.0.1.1", 5, 9, 2, 110, L, D, REASON_L2}, /* not the frame's own */
    {"10.0.0.5", "10.0.1.1", 9, 9, 2, 110, L, D, REASON_L2}, /* not the device's */
    {"10.0.0.5", "10.0.1.1", 5, 0, 2, 110, A, A, REASON_L2}, /* no link layer seen */
    {"10.0.0.6", "10.0.1.1", 5, 5, 2, 110, D, D, REASON_L2}, /* undeclared */
    {"10.0.0.5", "10.0.1.9", 5, 5, 2, 110, D, D, REASON_L2},
    {"10.0.1.2", "10.0.0.5", 0x77, 0x77, 3, 110, A, A, REASON_L2},    /* has no MAC to hold to */
    {"10.0.1.1", "10.0.0.5", 0x11, 0x11, 2, 110, D, D, REASON_PLACE}, /* from outside */
    {"10.0.1.1", "10.0.0.5", 0x11, 0x11, 0, 110, A, A, REASON_L2},    /* one port: who knows */
    {"10.0.1.1", "10.0.0.5", 0x11, 0x11, 3, 111, D, D, REASON_PLACE},
    {"10.0.1.1", "10.0.0.5", 0x11, 0x11, 3, 0, D, D, REASON_PLACE}, /* untagged on the wire */
    {"10.0.1.1", "10.0.0.5", 0x11, 0x11, 0, 0, A, A, REASON_L2},    /* stripped by a SPAN */
    {"10.0.1.1", "10.0.1.2", 0x11, 0x11, 3, 110, A, A, REASON_L2},  /* asks his own side */
};

static void
test_arp(void **state)
{
	struct policy *tell = load("mode: enforce"), *drop = load("mode: enforce\nl2: {mac: drop}"),
		      *any = load("mode: enforce\nl2: {arp: any, mac: drop}"),
		      *none = load("mode: enforce\nl2: {arp: drop, otherwise: allow}"),
		      *learn = load("mode: learn\nl2: {mac: drop}");

	(void)state;
	for (unsigned i = 0; i < sizeof(arps) / sizeof(arps[0]); i++) {
		const struct arp_case *c = &arps[i];
		struct policy_l2 f = {
		    .ethertype = 0x0806, .arp = true, .port = c->port, .vlan = c->vlan};

		assert_int_equal(net_addr_parse(c->sip, &f.arp_sip), 0);
		assert_int_equal(net_addr_parse(c->tip, &f.arp_tip), 0);
		mac_of(f.arp_smac, c->says);
		if (c->from)
			mac_of(f.smac, c->from);
		print_message("%u ", i);
		assert_int_equal(policy_eval_l2(tell, &f).action, c->alert);
		assert_int_equal(policy_eval_l2(drop, &f).action, c->drop);
		assert_int_equal(policy_eval_l2(drop, &f).reason, c->reason);
		assert_int_equal(policy_eval_l2(any, &f).action, A);
		assert_int_equal(policy_eval_l2(none, &f).action, D);
		assert_int_equal(policy_eval_l2(learn, &f).action, A);
		assert_int_equal(policy_eval_l2(learn, &f).would, c->drop);
	}
	print_message("\n");
	policy_free(tell);
	policy_free(drop);
	policy_free(any);
	policy_free(none);
	policy_free(learn);
}

/* --- ICMP --------------------------------------------------------------------------------------- */

struct icmp_case {
	uint8_t type, code, hops;
	const char *src, *dst, *target;
	uint8_t from, lladdr; /* last byte of a MAC; lladdr 0: no option */
	uint8_t port;
	uint16_t vlan;
	uint8_t action, reason;
};
static const struct icmp_case icmps[] = {
    /* neighbour solicitation, RFC 4861 4.3, 7.1.1 */
    {135, 0, 255, "fd00::5", "ff02::1:ff00:1", "fd00:1::1", 5, 5, 2, 110, A, REASON_L2},
    {135, 0, 255, "fd00::5", "fd00:1::1", "fd00:1::1", 5, 0, 2, 110, A, REASON_L2},
    {135, 0, 64, "fd00::5", "ff02::1:ff00:1", "fd00:1::1", 5, 5, 2, 110, D, REASON_L2}, /* routed */
    {135, 1, 255, "fd00::5", "ff02::1:ff00:1", "fd00:1::1", 5, 5, 2, 110, D, REASON_L2},
    {135, 0, 255, "fd00::5", "ff02::1:ff00:1", "ff02::1", 5, 5, 2, 110, D, REASON_L2},
    {135, 0, 255, "fd00::5", "ff02::1:ff00:1", "fd00:1::1", 5, 9, 2, 110, D, REASON_L2}, /* lies */
    {135, 0, 255, "fd00::5", "ff02::1:ff00:1", "fd00:1::1", 9, 9, 2, 110, D, REASON_L2},
    {135, 0, 255, "fd00::6", "ff02::1:ff00:1", "fd00:1::1", 6, 6, 2, 110, D, REASON_L2},
    {135, 0, 255, "fd00::5", "ff02::1:ff00:9", "fd00:1::9", 5, 5, 2, 110, D, REASON_L2},
    {135, 0, 255, "fd00::5", "ff02::1:ff00:1", "fd00:1::1", 5, 5, 3, 110, D, REASON_PLACE},
    {135, 0, 255, "fd00::5", "ff02::1:ff00:1", "fd00:1::1", 5, 5, 2, 7, D, REASON_PLACE},
    {135, 0, 255, "fe80::5", "fd00:1::1", "fd00:1::1", 5, 5, 2, 110, A, REASON_L2}, /* link-local */
    {135, 0, 255, "::", "ff02::1:ff00:1", "fd00:1::1", 0x11, 0, 3, 110, A, REASON_L2}, /* DAD */
    {135, 0, 255, "::", "ff02::1:ff00:1", "fd00:1::1", 9, 0, 2, 110, D, REASON_L2}, /* by another */
    {135, 0, 255, "::", "ff02::1:ff00:1", "fd00:1::1", 0x11, 0x11, 3, 110, D, REASON_L2},
    /* advertisement, 4.4, 7.1.2 */
    {136, 0, 255, "fd00:1::1", "fd00::5", "fd00:1::1", 0x11, 0x11, 3, 110, A, REASON_L2},
    {136, 0, 255, "fd00:1::1", "ff02::1", "fd00:1::1", 0x11, 0x11, 3, 110, A, REASON_L2},
    {136, 0, 255, "fe80::11", "fd00::5", "fd00:1::1", 0x11, 0x11, 3, 110, A, REASON_L2},
    {136, 0, 255, "fd00::5", "ff02::1", "fd00:1::1", 5, 5, 2, 110, D, REASON_L2}, /* poison */
    {136, 0, 255, "fd00:1::1", "fd00::5", "fd00:1::1", 5, 5, 2, 110, D, REASON_L2},
    {136, 0, 255, "fd00:1::1", "fd00::5", "fd00:1::1", 0x11, 0x11, 2, 110, D, REASON_PLACE},
    {136, 0, 255, "fd00::77", "fd00::5", "fd00:1::1", 0x11, 0x11, 3, 110, D, REASON_L2},
    {136, 0, 255, "::", "ff02::1", "fd00:1::1", 0x11, 0x11, 3, 110, D, REASON_L2},
    /* routers */
    {133, 0, 255, "fe80::5", "ff02::2", "::", 5, 5, 2, 110, A, REASON_L2},
    {133, 0, 255, "::", "ff02::2", "::", 5, 0, 2, 110, A, REASON_L2},
    {134, 0, 255, "fe80::9", "ff02::1", "::", 9, 9, 2, 110, D, REASON_L2},
    {137, 0, 255, "fe80::9", "fd00::5", "::", 9, 9, 2, 110, D, REASON_L2},
    /* listeners: RFC 3810 5 */
    {143, 0, 1, "fe80::5", "ff02::16", "::", 5, 0, 2, 110, A, REASON_L2},
    {131, 0, 1, "::", "ff02::1:ff00:1", "::", 5, 0, 2, 110, A, REASON_L2},
    {143, 0, 64, "fe80::5", "ff02::16", "::", 5, 0, 2, 110, D, REASON_L2},
    {143, 0, 1, "fd00:1::1", "ff02::16", "::", 5, 0, 2, 110, D, REASON_PLACE},
    /* echo, by the conduit */
    {128, 0, 64, "fd00::5", "fd00:1::1", "::", 5, 0, 2, 110, A, REASON_RULE},
    {129, 0, 64, "fd00:1::1", "fd00::5", "::", 0x11, 0, 3, 110, A, REASON_RULE},
    {128, 0, 64, "fd00:1::1", "fd00::5", "::", 0x11, 0, 3, 110, D, REASON_NO_CONDUIT},
    {129, 0, 64, "fd00::5", "fd00:1::1", "::", 5, 0, 2, 110, D, REASON_NO_CONDUIT},
    {128, 0, 64, "fd00::5", "fd00:1::1", "::", 5, 0, 3, 110, D, REASON_PLACE},
    {128, 0, 64, "fd00::5", "fd00:1::1", "::", 9, 0, 2, 110, D, REASON_L2},
    {8, 0, 64, "10.0.0.5", "10.0.1.1", "::", 5, 0, 2, 110, A, REASON_RULE},
    {0, 0, 64, "10.0.1.1", "10.0.0.5", "::", 0x11, 0, 3, 110, A, REASON_RULE},
    {8, 0, 64, "10.0.0.5", "10.0.1.2", "::", 5, 0, 2, 110, L, REASON_PORT}, /* mode: alert */
    {8, 0, 64, "10.0.0.9", "10.0.1.1", "::", 5, 0, 2, 110, D, REASON_NO_CONDUIT},
    /* the rest */
    {5, 0, 64, "10.0.0.5", "10.0.1.1", "::", 5, 0, 2, 110, D, REASON_L2},
    {13, 0, 64, "10.0.0.5", "10.0.1.1", "::", 5, 0, 2, 110, D, REASON_NO_CONDUIT},
    {139, 0, 64, "fd00::5", "fd00:1::1", "::", 5, 0, 2, 110, D, REASON_NO_CONDUIT},
};

static void
icmp_make(const struct icmp_case *c, struct net_tuple *t, struct policy_icmp *icmp)
{
	*t = (struct net_tuple){.vlan = c->vlan, .port = c->port};
	assert_int_equal(net_addr_parse(c->src, &t->src), 0);
	assert_int_equal(net_addr_parse(c->dst, &t->dst), 0);
	mac_of(t->smac, c->from);
	*icmp = (struct policy_icmp){.t = t,
	    .v6 = !net_addr_is4(&t->src),
	    .type = c->type,
	    .code = c->code,
	    .hop_limit = c->hops,
	    .has_lladdr = c->lladdr != 0};
	t->proto = icmp->v6 ? NET_PROTO_ICMP6 : NET_PROTO_ICMP;
	assert_int_equal(net_addr_parse(c->target, &icmp->target), 0);
	mac_of(icmp->lladdr, c->lladdr);
}

static void
test_icmp(void **state)
{
	struct policy *p = load("mode: enforce\nl2: {mac: drop}"),
		      *lax = load("mode: enforce\nl2: {arp: any, ra: alert, mld: drop}");

	(void)state;
	for (unsigned i = 0; i < sizeof(icmps) / sizeof(icmps[0]); i++) {
		const struct icmp_case *c = &icmps[i];
		struct policy_icmp icmp;
		struct net_tuple t;
		struct verdict v;

		icmp_make(c, &t, &icmp);
		print_message("%u ", i);
		v = policy_eval_icmp(p, &icmp);
		assert_int_equal(v.action, c->action);
		assert_int_equal(v.reason, c->reason);
		v = policy_eval_icmp(lax, &icmp);
		if (c->type == 134 || c->type == 137 || c->type == 5)
			assert_int_equal(v.action, L);
		if (c->type == 143 || c->type == 131)
			assert_int_equal(v.action, D);
		if (c->type == 136 && c->hops == 255 && strcmp(c->src, "::") != 0)
			assert_int_equal(v.action, A); /* arp: any */
	}
	print_message("\n");
	policy_free(p);
	policy_free(lax);
}

static void
test_igmp(void **state)
{
	struct policy *p = load("mode: enforce"), *drop = load("mode: enforce\nl2: {mld: drop}");
	struct net_tuple t = {.proto = NET_PROTO_IGMP, .port = 2, .vlan = 110};
	struct policy_icmp igmp = {.t = &t, .type = 0x16, .hop_limit = 1};

	(void)state;
	assert_int_equal(net_addr_parse("10.0.0.5", &t.src), 0);
	assert_int_equal(net_addr_parse("224.0.0.22", &t.dst), 0);
	assert_int_equal(policy_eval_icmp(p, &igmp).action, A);
	assert_int_equal(policy_eval_icmp(drop, &igmp).action, D);
	t.port = 3;
	assert_int_equal(policy_eval_icmp(p, &igmp).reason, REASON_PLACE);
	policy_free(p);
	policy_free(drop);
}

/* --- connections ----------------------------------------------------------------------------------- */

static void
test_place(void **state)
{
	struct policy *p = load("mode: enforce\nl2: {mac: drop}");
	static const struct {
		const char *src, *dst;
		uint16_t dport;
		uint8_t smac, dmac, port;
		uint16_t vlan;
		uint8_t action, would, reason;
	} cases[] = {
	    {"10.0.0.5", "10.0.1.1", 502, 5, 0x11, 2, 110, A, A, REASON_RULE},
	    {"10.0.0.5", "10.0.1.1", 502, 5, 0x11, 3, 110, D, D, REASON_PLACE},
	    {"10.0.0.5", "10.0.1.1", 502, 5, 0x11, 1, 110, A, A, REASON_RULE}, /* not known */
	    {"10.0.0.5", "10.0.1.1", 502, 5, 0x11, 2, 0, D, D, REASON_PLACE},
	    {"10.0.0.5", "10.0.1.1", 502, 5, 0x11, 0, 0, A, A, REASON_RULE},
	    {"10.0.0.5", "10.0.1.1", 502, 5, 0x11, 0, 9, D, D, REASON_PLACE},
	    {"10.0.0.5", "10.0.1.1", 502, 6, 0x11, 2, 110, D, D, REASON_L2},
	    {"10.0.0.5", "10.0.1.1", 502, 5, 0x12, 2, 110, D, D, REASON_L2},
	    {"10.0.0.5", "10.0.1.1", 80, 6, 0x11, 2, 110, D, D, REASON_PORT}, /* not reject */
	    {"10.0.0.5", "10.0.1.2", 502, 5, 0x99, 2, 110, A, A, REASON_RULE},
	    {"10.0.0.5", "10.0.1.2", 502, 6, 0x99, 3, 110, L, D, REASON_L2}, /* mode: alert */
	    {"10.0.0.5", "10.0.1.2", 502, 5, 0x99, 3, 110, L, D, REASON_PLACE},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct net_tuple t = {.proto = NET_PROTO_TCP,
				     .sport = 50000,
				     .dport = cases[i].dport,
				     .port = cases[i].port,
				     .vlan = cases[i].vlan},
				 back, again;
		struct policy_bind b;
		struct verdict v;

		assert_int_equal(net_addr_parse(cases[i].src, &t.src), 0);
		assert_int_equal(net_addr_parse(cases[i].dst, &t.dst), 0);
		mac_of(t.smac, cases[i].smac);
		mac_of(t.dmac, cases[i].dmac);
		print_message("%u ", i);
		v = policy_bind(p, &t, &b);
		assert_int_equal(v.action, cases[i].action);
		assert_int_equal(v.would, cases[i].would);
		assert_int_equal(v.reason, cases[i].reason);
		back = net_tuple_reverse(&t); /* what comes back is on the other port */
		assert_int_equal(back.port, t.port & NET_PORT_TWO ? t.port ^ 1 : t.port);
		again = net_tuple_reverse(&back);
		assert_memory_equal(&again, &t, sizeof(t));
	}
	print_message("\n");
	policy_free(p);
}

static void
test_promises(void **state)
{
	struct policy *p = load("mode: enforce");
	struct net_tuple t = {.proto = NET_PROTO_TCP, .dport = 502};
	struct policy_bind b;
	uint32_t packets, flows;

	(void)state;
	assert_int_equal(net_addr_parse("10.0.0.5", &t.src), 0);
	assert_int_equal(net_addr_parse("10.0.1.1", &t.dst), 0);
	(void)policy_bind(p, &t, &b);
	assert_int_equal(b.flags, BIND_PORT_OK | BIND_STRICT | BIND_REJECT);
	assert_int_equal(policy_latency_ns(p, b.conduit), 2000000);
	assert_int_equal(policy_flow_slots(p, b.conduit), 7);
	assert_int_equal(policy_latency_ns(p, RULE_NONE), 0);
	assert_int_equal(policy_flow_slots(p, RULE_NONE), 0);
	policy_zone_limits(p, &t.src, &packets, &flows);
	assert_int_equal(packets, 9);
	assert_int_equal(flows, 0);
	policy_zone_limits(p, &t.dst, &packets, &flows);
	assert_int_equal(packets + flows, 0);
	assert_int_equal(net_addr_parse("10.0.1.2", &t.dst), 0); /* mode alert never rejects */
	(void)policy_bind(p, &t, &b);
	assert_int_equal(b.flags, BIND_PORT_OK);
	policy_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_types),
	    cmocka_unit_test(test_arp),
	    cmocka_unit_test(test_icmp),
	    cmocka_unit_test(test_igmp),
	    cmocka_unit_test(test_place),
	    cmocka_unit_test(test_promises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
