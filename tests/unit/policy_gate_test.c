/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_gate_test.c - the tables for a filter in the kernel, judged by the slowest filter
 * there could be, written from gate.h alone: on random policies and packets it never
 * drops what the policy lets pass.  What it lets through beyond that is counted and printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/gate.h"
#include "tests/model/toy.h"

/* --- the slow filter ---------------------------------------------------------------------- */

static const struct gate_device *
device_at(const struct gate_spec *g, const struct net_addr *a)
{
	for (uint32_t i = 0; i < g->n_devices; i++)
		if (net_addr_eq(&g->devices[i].addr, a))
			return &g->devices[i];
	return NULL;
}

static uint32_t
zone_at(const struct gate_spec *g, const struct net_addr *a)
{
	const struct gate_device *d = device_at(g, a);
	uint32_t zone = GATE_NONE;
	int best = -1;

	if (d)
		return d->zone;
	for (uint32_t i = 0; i < g->n_nets; i++)
		if (net_prefix_has(&g->nets[i].prefix, a) && g->nets[i].prefix.len > best) {
			best = g->nets[i].prefix.len;
			zone = g->nets[i].zone;
		}
	return zone;
}

static unsigned
ends_of(const struct gate_spec *g, const struct net_addr *a, uint32_t end[3])
{
	const struct gate_device *d = device_at(g, a);
	uint32_t zone = zone_at(g, a);
	unsigned n = 0;

	if (d) {
		end[n++] = 2u << 30 | (uint32_t)(d - g->devices);
		end[n++] = 1u << 30 | d->zone;
	}
	if (zone != GATE_NONE)
		end[n++] = zone;
	return n;
}

static const struct gate_conduit *
conduit_of(const struct gate_spec *g, const struct net_tuple *t)
{
	uint32_t from[3], to[3];
	unsigned nf = ends_of(g, &t->src, from), nt = ends_of(g, &t->dst, to);

	for (unsigned wide = 0; wide <= 4; wide++)
		for (unsigned f = 0; f < nf && f <= wide; f++)
			for (uint32_t i = 0; wide - f < nt && i < g->n_pairs; i++)
				if (g->pairs[i].from == from[f] && g->pairs[i].to == to[wide - f])
					return &g->conduits[g->pairs[i].conduit];
	return NULL;
}

static bool
port_fits(const struct gate_spec *g, uint32_t zone, unsigned port)
{
	return zone == GATE_NONE || g->zones[zone].port < 0 || g->zones[zone].port == (int)port;
}

static bool
vlan_fits(const struct gate_spec *g, uint32_t zs, uint32_t zd, uint16_t vlan)
{
	bool any_s = zs == GATE_NONE || g->zones[zs].vlan_any;
	bool any_d = zd == GATE_NONE || g->zones[zd].vlan_any;

	return (any_s && any_d) || (!any_s && g->zones[zs].vlan == vlan) ||
	       (!any_d && g->zones[zd].vlan == vlan);
}

static bool
mac_fits(const struct gate_spec *g, const struct net_addr *a, const uint8_t mac[6])
{
	const struct gate_device *d = device_at(g, a);

	return !d || !d->has_mac || memcmp(d->mac, mac, 6) == 0;
}

static bool
port_open(const struct gate_conduit *c, const struct net_tuple *t)
{
	if (t->proto == NET_PROTO_ICMP)
		return c->echo;
	if (c->any_port)
		return true;
	for (unsigned i = 0; i < c->n_spans; i++)
		if (c->span[i].lo <= t->dport && t->dport <= c->span[i].hi &&
		    (t->proto == NET_PROTO_TCP ? c->span[i].tcp : c->span[i].udp))
			return true;
	return false;
}

/* Of the connection that t->src opened. */
static bool
passes_as(const struct gate_spec *g, const struct net_tuple *t)
{
	const struct gate_conduit *c = conduit_of(g, t);
	uint32_t zs = zone_at(g, &t->src), zd = zone_at(g, &t->dst);
	unsigned port = t->port & 1;

	if (!c)
		return g->default_pass;
	if (c->place >= VERDICT_DROP && (!port_fits(g, zs, port) || !port_fits(g, zd, port ^ 1) ||
					    !vlan_fits(g, zs, zd, t->vlan)))
		return false;
	if (c->mac >= VERDICT_DROP &&
	    (!mac_fits(g, &t->src, t->smac) || !mac_fits(g, &t->dst, t->dmac)))
		return false;
	return port_open(c, t);
}

static bool
passes(const struct gate_spec *g, const struct net_tuple *t)
{
	struct net_tuple back = net_tuple_reverse(t);

	return passes_as(g, t) || passes_as(g, &back);
}

/* ARP: sender, target, the MAC that is claimed. */
static bool
arp_passes(const struct gate_spec *g, const struct policy_l2 *f)
{
	static const struct net_addr none = {{[10] = 0xff, [11] = 0xff}};
	bool probe = net_addr_eq(&f->arp_sip, &none), reply = net_addr_eq(&f->arp_tip, &none);
	const struct net_addr *claimed = probe ? &f->arp_tip : &f->arp_sip;
	uint32_t zs = zone_at(g, &f->arp_sip), zt = reply ? GATE_NONE : zone_at(g, &f->arp_tip);
	uint8_t worst = VERDICT_ALLOW;

	if (g->l2.arp != GATE_ARP_BOUND)
		return g->l2.arp == GATE_ARP_ANY;
	if ((!probe && !device_at(g, &f->arp_sip)) || (!reply && !device_at(g, &f->arp_tip)) ||
	    (probe && reply))
		worst = g->l2.otherwise;
	if ((memcmp(f->smac, f->arp_smac, 6) != 0 || !mac_fits(g, claimed, f->arp_smac)) &&
	    !(probe && reply))
		worst = g->l2.mac > worst ? g->l2.mac : worst;
	if (!probe && (!port_fits(g, zs, f->port & 1) || !vlan_fits(g, zs, zt, f->vlan)))
		worst = g->l2.place > worst ? g->l2.place : worst;
	return worst < VERDICT_DROP;
}

static bool
l2_passes(const struct gate_spec *g, const struct policy_l2 *f)
{
	static const uint8_t bridge[6] = {0x01, 0x80, 0xc2, 0, 0, 0};
	static const uint8_t pvst[6] = {0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd};
	bool listed = false;

	if (f->arp)
		return arp_passes(g, f);
	if (f->ethertype < 0x600) {
		listed = g->l2.stp && ((memcmp(f->dmac, bridge, 6) == 0 && f->head == 0x4242) ||
					  (memcmp(f->dmac, pvst, 6) == 0 && f->head == 0xaaaa));
	} else {
		for (uint32_t i = 0; i < g->l2.n_types; i++)
			listed = listed || g->l2.types[i] == f->ethertype;
		listed = listed || (g->l2.dcp && f->ethertype == 0x8892 && f->head >= 0xfefc &&
				       f->head <= 0xfeff);
	}
	return listed || g->l2.otherwise < VERDICT_DROP;
}

/* --- random policies and packets ----------------------------------------------------------- */

static uint64_t rng = 1;

static uint32_t
rnd(uint32_t n)
{
	rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(rng >> 33) % n;
}

static char *text;
static FILE *out;

#define PICK(...)                                                                                  \
	((const char *const[]){                                                                    \
	    __VA_ARGS__}[rnd(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))])

static void
random_conduit(unsigned i)
{
	fprintf(out, "  - name: k%u\n    from: [%s]\n    to: [%s]\n", i,
	    PICK("a1", "a2", "za", "za/*", "b1", "zb", "zb/*", "zc/*", "c1"),
	    PICK("a1", "a2", "za", "za/*", "b1", "zb", "zb/*", "zc/*", "c1"));
	fprintf(out, "    otherwise: %s\n", PICK("drop", "reject", "reset", "alert"));
	if (rnd(3) == 0)
		fprintf(out, "    mode: %s\n", PICK("learn", "alert", "enforce"));
	if (rnd(3) == 0)
		fprintf(out, "    icmp: [echo]\n");
	if (rnd(4) == 0)
		fprintf(out, "    fail: open\n");
	if (rnd(6) == 0)
		fprintf(out, "    apps: [TLS]\n");
	fprintf(out, "    toy:\n      addressing: zero-based\n");
	if (rnd(6) == 0) { /* more ports than a filter has room for */
		fprintf(out, "      ports: [");
		for (unsigned s = 0; s < 12 + rnd(10); s++)
			fprintf(out, "%s%u", s ? ", " : "", 500 + s * 3);
		fprintf(out, "]\n");
	} else if (rnd(2)) {
		fprintf(out, "      ports: [%s]\n",
		    PICK("502", "500..510", "udp/502, 4840", "tcp/502", "any"));
	}
	fprintf(out, "      allow: [{name: r, units: all, functions: [3], reg: [0..9]}]\n");
	if (rnd(3) == 0)
		fprintf(out, "    nodes: {allow: [{name: n, services: [Read], nodes: all}]}\n");
}

static struct policy *
random_policy(void)
{
	struct complaints c = {0};
	struct policy *p;
	size_t n = 0;

	free(text);
	text = NULL;
	out = open_memstream(&text, &n);
	fprintf(out, "interlock: 1\nmode: %s\n",
	    PICK("enforce", "enforce", "enforce", "alert", "learn"));
	fprintf(out, "l2: {arp: %s, mac: %s, otherwise: %s, ra: %s, mld: %s, allow: [%s]}\n",
	    PICK("bound", "bound", "any", "drop"), PICK("allow", "alert", "drop"),
	    PICK("allow", "alert", "drop"), PICK("allow", "alert", "drop"), PICK("alert", "drop"),
	    PICK("stp", "lldp, stp", "profinet", "profinet-dcp, lldp", "0x88b8"));
	fprintf(out, "zones:\n");
	for (unsigned z = 0; z < 3; z++)
		fprintf(out, "  z%c: {nets: [%s]%s%s%s}\n", 'a' + (int)z,
		    (const char *[]){"10.1.0.0/16", "10.1.2.0/24", "\"fd00::/64\", 10.9.0.0/16"}[z],
		    PICK("", "", ", port: outside", ", port: inside"),
		    PICK("", "", ", vlan: 7", ", vlan: 8"),
		    PICK("", ", limits: {packets: 1000/s, flows: 20/s}"));
	fprintf(out, "devices:\n");
	for (unsigned d = 0; d < 5; d++)
		fprintf(out, "  %s: {zone: %s, ip: \"%s\"%s}\n",
		    (const char *[]){"a1", "a2", "b1", "b2", "c1"}[d],
		    (const char *[]){"za", "za", "zb", "zb", "zc"}[d],
		    (const char *[]){"10.1.0.1", "10.1.0.2", "10.1.2.1", "10.1.2.2", "fd00::1"}[d],
		    PICK("", ", mac: \"02:00:00:00:00:01\"", ", mac: \"02:00:00:00:00:02\""));
	fprintf(out, "conduits:\n");
	for (unsigned i = 0; i < 1 + rnd(4); i++)
		random_conduit(i);
	fclose(out);
	p = policy_build_text("gate", text, n, &c); /* NULL: conduits that contradict each other */
	complaints_fini(&c);
	return p;
}

static void
random_addr(struct net_addr *a, bool none)
{
	const char *s = PICK("10.1.0.1", "10.1.0.2", "10.1.2.1", "10.1.2.2", "fd00::1", "10.1.0.77",
	    "10.1.2.77", "fd00::77", "10.9.1.1", "192.168.0.1");

	assert_int_equal(net_addr_parse(none && rnd(5) == 0 ? "0.0.0.0" : s, a), 0);
}

static void
random_tuple(struct net_tuple *t)
{
	static const uint16_t ports[] = {502, 505, 503, 4840, 80, 533, 560};
	static const uint16_t vlans[] = {0, 0, 7, 8, 9};
	static const uint8_t protos[] = {6, 6, 6, 17, 1};

	*t = (struct net_tuple){.proto = protos[rnd(5)],
	    .vlan = vlans[rnd(5)],
	    .port = (uint8_t)(NET_PORT_TWO | rnd(2)),
	    .smac = {2, 0, 0, 0, 0, (uint8_t)(1 + rnd(2))},
	    .dmac = {2, 0, 0, 0, 0, (uint8_t)(1 + rnd(2))}};
	random_addr(&t->src, false);
	random_addr(&t->dst, false);
	if (t->proto != NET_PROTO_ICMP) {
		t->sport = 50000;
		t->dport = ports[rnd(7)];
	}
}

static struct verdict
engine_says(const struct policy *p, const struct net_tuple *t)
{
	struct policy_icmp echo = {.t = t, .type = 8};
	struct policy_bind b;

	return t->proto == NET_PROTO_ICMP ? policy_eval_icmp(p, &echo) : policy_bind(p, t, &b);
}

static struct {
	uint64_t ip, l2, passed, more[16], more_l2;
} seen;

static void
compare_ip(const struct policy *p, const struct gate_spec *g)
{
	struct net_tuple t, back;
	struct verdict v;

	random_tuple(&t);
	back = net_tuple_reverse(&t);
	v = engine_says(p, &t);
	seen.ip++;
	if (v.action < VERDICT_REJECT) {
		seen.passed++;
		if (!passes(g, &t) || !passes(g, &back))
			fail_msg("dropped %s: %s\n%s", policy_reason_name(v.reason),
			    verdict_action_name(v.action), text);
	} else if (passes(g, &t)) {
		if (engine_says(p, &back).action < VERDICT_REJECT)
			seen.more[0]++; /* it may answer what the other end opened */
		else
			seen.more[1 + v.reason]++;
	}
}

static void
compare_l2(const struct policy *p, const struct gate_spec *g)
{
	static const uint16_t types[] = {
	    0x88cc, 0x8892, 0x88b8, 0x88f7, 38, 0x0806, 0x0806, 0x0806};
	static const uint16_t heads[] = {0x4242, 0xaaaa, 0xfefe, 0x8001};
	struct policy_l2 f = {.ethertype = types[rnd(8)],
	    .vlan = (uint16_t)(rnd(3) ? 0 : 7),
	    .port = (uint8_t)(NET_PORT_TWO | rnd(2)),
	    .has_head = true,
	    .head = heads[rnd(4)],
	    .smac = {2, 0, 0, 0, 0, (uint8_t)(1 + rnd(2))}};
	struct verdict v;

	memcpy(f.dmac, rnd(2) ? "\x01\x80\xc2\0\0\0" : "\x01\0\x0c\xcc\xcc\xcd", 6);
	if (f.ethertype == 0x0806) {
		f.arp = true;
		random_addr(&f.arp_sip, true);
		random_addr(&f.arp_tip, true);
		memcpy(f.arp_smac, f.smac, 6);
		f.arp_smac[5] ^= (uint8_t)(rnd(4) == 0);
	}
	v = policy_eval_l2(p, &f);
	seen.l2++;
	if (v.action < VERDICT_REJECT && !l2_passes(g, &f))
		fail_msg("dropped a frame of type %04x (%s)\n%s", f.ethertype,
		    policy_reason_name(v.reason), text);
	seen.more_l2 += v.action >= VERDICT_REJECT && l2_passes(g, &f);
}

static void
test_never_less(void **state)
{
	unsigned policies = 0;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		struct policy *p = random_policy();
		const struct gate_spec *g;

		if (!p)
			continue;
		policies++;
		g = policy_gate(p);
		for (unsigned n = 0; n < 150; n++) {
			compare_ip(p, g);
			compare_l2(p, g);
		}
		policy_free(p);
	}
	assert_true(policies > 1000);
	assert_true(seen.passed > seen.ip / 10 && seen.passed < seen.ip * 9 / 10);
	print_message("%u policies, %lu packets, %lu frames; the policy lets %lu packets pass, the "
		      "filter also:\n",
	    policies, (unsigned long)seen.ip, (unsigned long)seen.l2, (unsigned long)seen.passed);
	print_message(
	    "  %lu that may answer an opening of the other end\n", (unsigned long)seen.more[0]);
	for (uint8_t r = 0; r < 15; r++)
		if (seen.more[1 + r])
			print_message("  %lu denied by %s\n", (unsigned long)seen.more[1 + r],
			    policy_reason_name(r));
	print_message("  %lu frames\n", (unsigned long)seen.more_l2);
	/* A filter that lets everything through would agree as well. */
	for (uint8_t r = 0; r < 15; r++)
		assert_true(seen.more[1 + r] < seen.ip / 20);
	assert_int_equal(seen.more_l2, 0);
	free(text);
}

/* What is in the tables of one policy, word for word. */
static void
test_tables(void **state)
{
	static const char plant[] =
	    "interlock: 1\nmode: enforce\nl2: {mac: drop, ra: alert, allow: [stp, 0x88b8, lldp]}\n"
	    "zones:\n"
	    "  it: {nets: [10.0.0.0/24], port: outside, limits: {packets: 20000/s, flows: 200/s}}\n"
	    "  ot: {nets: [10.0.1.0/24], port: inside, vlan: 110}\n"
	    "devices:\n"
	    "  hmi: {zone: it, ip: 10.0.0.5, mac: \"02:00:00:00:00:05\"}\n"
	    "  plc: {zone: ot, ip: 10.0.1.1}\n"
	    "conduits:\n"
	    "  - name: c\n    from: [hmi]\n    to: [plc, \"ot/*\"]\n    icmp: [echo]\n    fail: "
	    "open\n"
	    "    toy: {addressing: zero-based, ports: [502, udp/5020], allow: [{name: r, units: "
	    "all, "
	    "functions: [3], reg: [0]}]}\n";
	struct complaints c = {0};
	struct policy *p = policy_build_text("plant", plant, strlen(plant), &c);
	const struct gate_spec *g;

	(void)state;
	complaints_print(&c, stderr);
	assert_non_null(p);
	g = policy_gate(p);
	assert_int_equal(g->n_zones, 2);
	assert_int_equal(g->zones[0].port, 0);
	assert_true(g->zones[0].vlan_any);
	assert_int_equal(g->zones[0].packets_per_s, 20000);
	assert_int_equal(g->zones[0].flows_per_s, 200);
	assert_int_equal(g->zones[1].port, 1);
	assert_int_equal(g->zones[1].vlan, 110);
	assert_false(g->zones[1].vlan_any);
	assert_int_equal(g->zones[1].packets_per_s, 0);
	assert_int_equal(g->n_nets, 2);
	assert_int_equal(g->n_devices, 2);
	assert_true(g->devices[0].has_mac && g->devices[0].mac[5] == 5);
	assert_false(g->devices[1].has_mac);
	assert_int_equal(g->n_pairs, 2);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(g->pairs[i].from, 2u << 30 | 0);
		assert_true(g->pairs[i].to == (2u << 30 | 1) || g->pairs[i].to == 1);
		assert_int_equal(g->pairs[i].conduit, 0);
	}
	assert_int_equal(g->conduits[0].n_spans, 2);
	assert_int_equal(g->conduits[0].span[1].lo, 5020);
	assert_true(g->conduits[0].span[1].udp && !g->conduits[0].span[1].tcp);
	assert_true(g->conduits[0].echo && g->conduits[0].fail_open && !g->conduits[0].any_port);
	assert_int_equal(g->conduits[0].place, VERDICT_DROP);
	assert_int_equal(g->conduits[0].mac, VERDICT_DROP);
	assert_int_equal(g->l2.ra, VERDICT_ALERT);
	assert_int_equal(g->l2.mld, VERDICT_ALLOW);
	assert_int_equal(g->l2.n_types, 2);
	assert_int_equal(g->l2.types[0], 0x88b8);
	assert_int_equal(g->l2.types[1], 0x88cc);
	assert_false(g->default_pass);
	policy_free(p);
	complaints_fini(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tables),
	    cmocka_unit_test(test_never_less),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
