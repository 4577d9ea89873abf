/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_yaml.c - any bytes as a policy: either a policy that answers questions,
 * or at least one error.  Speaks Modbus and the three toy protocols, so that
 * every kind of key is reachable.
 */
#include <stdlib.h>
#include <string.h>

#define TOY_OWN_REGISTRY
#include "policy/gate.h"
#include "tests/model/toy.h"

extern const struct dissector dissector_modbus;
const struct dissector *const dissectors[] = {
    &dissector_modbus, &toy_dissector, &node_dissector, &plc_dissector, NULL};
const unsigned n_dissectors = 4;

bool
dis_emit(struct dis_sink *sink, struct fact *f)
{
	(void)sink;
	(void)f;
	return true;
}

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static FILE *sink;

/* One request per function, unit and space edge, on the first tuple that binds. */
static void
ask(const struct policy *p, uint8_t proto, const struct policy_bind *b, const struct net_tuple *t)
{
	static const uint8_t written[] = {0, 1, 0, 0, 0xff, 0xff, 0, 100};
	struct fact_props x = {.known = 0x00ff5555, .na = 0x00020001, .num = {1, 2, 3, 70000, 5, 6}};
	const struct dis_schema *sc = dissectors[proto]->schema;
	struct fact f = {.proto = proto, .op = "fuzz"};
	struct verdict v;

	for (unsigned t8 = 0; t8 < FACT_TEXTS; t8++) {
		x.text[t8].p = "urn:hmi:2";
		x.text[t8].n = 9;
	}
	for (unsigned i = 0; i < sc->n_ops; i += 1 + sc->n_ops / 16u)
		for (unsigned s = 0; s < sc->n_spaces; s++) {
			f.opx = sc->ops[i].opx;
			f.unit = 255 - i;
			f.n_items = (uint16_t)(i % 4 != 0);
			f.item = (struct fact_item){.space = (uint8_t)s, .first = 98 + i, .count = 4,
			    .access = (uint8_t)(i % 2 ? ACC_WRITE : ACC_READ), .sub = s,
			    .enc = ENC_U16_BE, .vals = i % 3 ? written : NULL};
			f.props = i % 5 ? &x : NULL;
			f.anomalies = i % 7 == 0 ? FACT_A_ENCRYPTED : 0;
			f.item.name = i % 3 ? "ns=2;s=Pump.Set1" : NULL;
			f.item.name_len = i % 3 ? 16 : 0;
			f.item.uri = s % 2 ? "urn:a" : NULL;
			f.item.uri_len = s % 2 ? 5 : 0;
			x.midstream = s % 2;
			if (s % 3 == 1)
				f.item.enc = ENC_BIT_LSB;
			f.item.count = f.item.enc == ENC_BIT_LSB ? 48 : 4;
			v = policy_eval(p, b, &f);
			CHECK(v.action <= VERDICT_RESET && v.would <= VERDICT_RESET);
			CHECK(v.mode == MODE_ENFORCE || v.action <= VERDICT_ALERT);
			CHECK(v.would >= v.action);
		}
	policy_why(p, t, &f, NULL, sink);
}

/* Below connections, and the tables of the filter: every index leads somewhere. */
static void
lower(const struct policy *p, const struct net_tuple *t)
{
	const struct gate_spec *g = policy_gate(p);
	struct policy_icmp icmp = {.t = t, .v6 = t->port & 1, .hop_limit = 255, .target = t->dst};
	struct policy_l2 l2 = {.ethertype = 0x0806,
	    .arp = true,
	    .port = t->port,
	    .vlan = t->vlan,
	    .arp_sip = t->src,
	    .arp_tip = t->dst};
	uint32_t a, b;

	CHECK(policy_eval_l2(p, &l2).action <= VERDICT_DROP);
	for (unsigned type = 0; type < 150; type += 1 + type % 3) {
		icmp.type = (uint8_t)type;
		CHECK(policy_eval_icmp(p, &icmp).action <= VERDICT_RESET);
	}
	policy_zone_limits(p, &t->src, &a, &b);
	for (uint32_t i = 0; i < g->n_pairs; i++) {
		CHECK(g->pairs[i].conduit < g->n_conduits);
		CHECK((g->pairs[i].from & 0x3fffffff) <
		      (g->pairs[i].from >> 30 == 2 ? g->n_devices : g->n_zones));
	}
	for (uint32_t i = 0; i < g->n_devices; i++)
		CHECK(g->devices[i].zone < g->n_zones);
	for (uint32_t i = 0; i < g->n_nets; i++)
		CHECK(g->nets[i].zone < g->n_zones);
	for (uint32_t i = 0; i < g->n_conduits; i++)
		CHECK(g->conduits[i].n_spans <= GATE_SPANS &&
		      policy_latency_ns(p, i) <= UINT64_C(60000000000));
	for (uint32_t i = 1; i < g->l2.n_types; i++)
		CHECK(g->l2.types[i - 1] <= g->l2.types[i]);
}

static void
use(const struct policy *p)
{
	static const char *const ips[] = {"10.1.2.5", "10.1.2.130", "10.0.1.1", "10.0.2.1"};
	struct policy_rule_info info;
	struct policy_bind b;
	struct net_tuple t = {.proto = NET_PROTO_TCP};

	for (uint32_t r = 0; r < policy_rule_count(p); r++) {
		CHECK(policy_rule_info(p, r, &info) == 0);
		CHECK(info.name && info.conduit && info.proto && info.line > 0);
		CHECK(info.id >= 1000000000u);
	}
	for (unsigned i = 0; i < 16; i++) {
		CHECK(net_addr_parse(ips[i % 4], &t.src) == 0);
		CHECK(net_addr_parse(ips[i / 4], &t.dst) == 0);
		t.port = (uint8_t)(i % 4);
		t.vlan = (uint16_t)(i % 3 * 110);
		lower(p, &t);
		for (uint8_t proto = 0; proto < n_dissectors; proto++) {
			t.dport = dissectors[proto]->ports[0];
			(void)policy_bind(p, &t, &b);
			if (b.conduit != RULE_NONE)
				ask(p, proto, &b, &t);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct complaints c = {0};
	struct policy *p;

	if (!sink)
		CHECK((sink = fopen("/dev/null", "w")) != NULL);
	p = policy_build_text("fuzz", (const char *)data, size, &c);
	CHECK((p != NULL) == (c.errors == 0));
	complaints_print(&c, sink);
	if (p)
		use(p);
	policy_free(p);
	complaints_fini(&c);
	return 0;
}
