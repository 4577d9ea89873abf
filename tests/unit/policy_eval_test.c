/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_eval_test.c - what a policy decides: binding, rules, values, modes,
 * conditions, layer 2, and the answers to questions about it.  The model test
 * covers the combinations; here is each sentence of docs/POLICY.md by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/crypto.h"
#include "base/err.h"
#include "policy/policy.h"
#include "tests/model/toy.h"

static const char plant[] =
    "interlock: 1\n"
    "site: test-plant\n"
    "mode: enforce\n"
    "conditions: {midstream: alert}\n"
    "l2: {arp: bound, allow: [lldp, stp, 0x88b8], mac: alert, otherwise: drop}\n"
    "zones:\n"
    "  office: {nets: [10.0.0.0/16]}\n"
    "  cell: {nets: [10.0.1.0/24, \"fd00::/64\"], vlan: 7}\n"
    "devices:\n"
    "  hmi: {zone: office, ip: 10.0.0.5, mac: \"02:00:00:00:00:05\"}\n"
    "  eng: {zone: office, ip: 10.0.0.9}\n"
    "  plc: {zone: cell, ip: 10.0.1.1}\n"
    "  plc6: {zone: cell, ip: \"fd00::1\"}\n"
    "conduits:\n"
    "  - name: hmi-plc\n"
    "    from: [hmi]\n"
    "    to: [plc]\n"
    "    otherwise: reject\n"
    "    conditions: {unparsable: reset}\n"
    "    toy:\n"
    "      addressing: zero-based\n"
    "      deny:\n"
    "        - {name: no-program, units: all, functions: programming, verdict: reset}\n"
    "        - {name: hands-off, units: all, functions: write, reg: [50]}\n"
    "        - {name: high, units: all, functions: write, reg: [60], values: {60: 900..65535}}\n"
    "        - {name: rehearsed, mode: alert, units: [1], functions: [3], reg: [70]}\n"
    "      allow:\n"
    "        - {name: poll, units: [1, 3..5], functions: read, reg: [0..99, 65530..65535], bit: [0..9]}\n"
    "        - {name: more, units: [1], functions: [3], reg: [100..199]}\n"
    "        - name: set\n"
    "          units: [1]\n"
    "          functions: [6, 16, 22]\n"
    "          reg: [10..19, 50, 60]\n"
    "          values: {10: 0..100, 11: [1, 3], 12: {min: 5, max: 25, step: 10}}\n"
    "        - {name: both, units: [1], functions: [23], read: {reg: [30..39]}, write: {reg: [40..49]}, verdict: alert}\n"
    "        - {name: echo, units: [1], functions: [8/0]}\n"
    "        - {name: off, enabled: false, units: [1], functions: [5], bit: [0..9]}\n"
    "        - {name: files, units: [1], functions: [3], file: [\"4:10..19\", \"7:0..5\"]}\n"
    "        - {name: far, units: [1], functions: [3], big: [4000000000..4294967295]}\n"
    "  - name: watched\n"
    "    from: [eng]\n"
    "    to: [cell]\n"
    "    mode: alert\n"
    "    toy:\n"
    "      addressing: zero-based\n"
    "      ports: [502, udp/5020]\n"
    "      allow: [{name: look, units: all, functions: [3], reg: all}]\n"
    "    nodes:\n"
    "      allow:\n"
    "        - {name: temps, services: [Read], channels: [300..400], nodes: [\"ns=2;s=T?\"]}\n"
    "        - {name: all-writes, services: [Write], write: {nodes: all}}\n"
    "  - name: anybody\n"
    "    from: [\"office/*\"]\n"
    "    to: [\"cell/*\"]\n"
    "    mode: learn\n"
    "    fail: open\n"
    "    toy: {addressing: zero-based, allow: [{name: look, units: [1], functions: [3], reg: [0]}]}\n";

static struct policy *
load(const char *text)
{
	struct complaints c = {0};
	struct policy *p = policy_build_text("plant.yaml", text, strlen(text), &c);

	if (!p)
		complaints_print(&c, stderr);
	assert_non_null(p);
	complaints_fini(&c);
	return p;
}

static struct net_tuple
tuple(const char *src, const char *dst, uint16_t dport)
{
	struct net_tuple t = {.proto = NET_PROTO_TCP, .sport = 50000, .dport = dport};

	assert_int_equal(net_addr_parse(src, &t.src), 0);
	assert_int_equal(net_addr_parse(dst, &t.dst), 0);
	return t;
}

static struct policy_bind
bound(const struct policy *p, const char *src, const char *dst, uint16_t dport)
{
	struct net_tuple t = tuple(src, dst, dport);
	struct policy_bind b;

	(void)policy_bind(p, &t, &b);
	return b;
}

static const char *
rule_name(const struct policy *p, uint32_t rule)
{
	struct policy_rule_info info;

	return policy_rule_info(p, rule, &info) == 0 ? info.name : "-";
}

static void
test_bind(void **state)
{
	struct policy *p = load(plant);
	static const struct {
		const char *src, *dst;
		uint16_t dport, vlan;
		uint8_t proto, action, reason;
		const char *conduit;
	} cases[] = {
	    {"10.0.0.5", "10.0.1.1", 502, 0, 6, VERDICT_ALLOW, REASON_RULE, "hmi-plc"},
	    {"10.0.0.5", "10.0.1.1", 80, 0, 6, VERDICT_DROP, REASON_PORT, "hmi-plc"}, /* not reject */
	    {"10.0.0.5", "10.0.1.1", 0, 0, 1, VERDICT_DROP, REASON_PORT, "hmi-plc"},  /* ping */
	    {"10.0.0.5", "10.0.1.1", 502, 0, 17, VERDICT_ALLOW, REASON_RULE, "hmi-plc"},
	    {"10.0.1.1", "10.0.0.5", 502, 0, 6, VERDICT_DROP, REASON_NO_CONDUIT, "-"}, /* direction */
	    {"10.0.0.9", "10.0.1.1", 502, 0, 6, VERDICT_ALLOW, REASON_RULE, "watched"},
	    {"10.0.0.9", "10.0.1.1", 4840, 0, 6, VERDICT_ALLOW, REASON_RULE, "watched"},
	    {"10.0.0.9", "10.0.1.1", 4840, 0, 17, VERDICT_ALERT, REASON_PORT, "watched"},
	    {"10.0.0.9", "10.0.1.1", 5020, 0, 6, VERDICT_ALERT, REASON_PORT, "watched"},
	    {"10.0.0.9", "10.0.1.1", 5020, 0, 17, VERDICT_ALLOW, REASON_RULE, "watched"},
	    {"10.0.0.9", "fd00::1", 502, 0, 6, VERDICT_ALLOW, REASON_RULE, "watched"},
	    {"10.0.0.9", "10.0.1.2", 502, 0, 6, VERDICT_ALLOW, REASON_RULE, "anybody"},
	    {"10.0.7.7", "10.0.1.1", 502, 0, 6, VERDICT_ALLOW, REASON_RULE, "anybody"},
	    {"10.0.7.7", "10.0.1.1", 80, 0, 6, VERDICT_ALLOW, REASON_PORT, "anybody"}, /* learn */
	    {"10.0.5.5", "fd00::99", 502, 0, 6, VERDICT_ALLOW, REASON_RULE, "anybody"},
	    {"10.0.7.7", "10.0.8.8", 502, 0, 6, VERDICT_DROP, REASON_NO_CONDUIT, "-"},
	    {"11.0.7.7", "10.0.1.1", 502, 0, 6, VERDICT_DROP, REASON_NO_CONDUIT, "-"},
	    {"10.0.0.5", "10.0.1.1", 502, 7, 6, VERDICT_ALLOW, REASON_RULE, "hmi-plc"},
	    {"10.0.0.5", "10.0.1.1", 502, 8, 6, VERDICT_DROP, REASON_NO_CONDUIT, "-"}, /* wrong VLAN */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct net_tuple t = tuple(cases[i].src, cases[i].dst, cases[i].dport);
		struct policy_bind b;
		struct verdict v;

		t.proto = cases[i].proto;
		t.vlan = cases[i].vlan;
		v = policy_bind(p, &t, &b);
		print_message("%u ", i);
		assert_string_equal(policy_conduit_name(p, v.conduit), cases[i].conduit);
		assert_int_equal(v.action, cases[i].action);
		assert_int_equal(v.reason, cases[i].reason);
		assert_int_equal(b.conduit, v.conduit);
		assert_int_equal(b.flags & BIND_PORT_OK, v.reason == REASON_RULE);
		assert_int_equal(b.generation, (uint16_t)policy_generation(p));
		assert_int_equal(v.rule, RULE_NONE);
	}
	print_message("\n");
	policy_free(p);
}

static void
test_mac(void **state)
{
	struct policy *p = load(plant);
	struct net_tuple t = tuple("10.0.0.5", "10.0.1.1", 502);
	struct policy_bind b;
	struct verdict v;

	(void)state;
	v = policy_bind(p, &t, &b); /* a capture without link layer */
	assert_int_equal(v.action, VERDICT_ALLOW);
	memcpy(t.smac, "\x02\0\0\0\0\x05", 6);
	v = policy_bind(p, &t, &b);
	assert_int_equal(v.action, VERDICT_ALLOW);
	t.smac[5] = 6;
	v = policy_bind(p, &t, &b);
	assert_int_equal(v.action, VERDICT_ALERT);
	assert_int_equal(v.reason, REASON_L2);
	assert_int_equal(b.flags, BIND_PORT_OK); /* it still talks */
	policy_free(p);
}

/* One request through conduit hmi-plc. */
static void
test_rules(void **state)
{
	enum { R = ACC_READ, W = ACC_WRITE };
	static const uint8_t v0[] = {0, 0}, v100[] = {0, 100}, v101[] = {0, 101}, v3[] = {0, 3},
			     v15[] = {0, 15}, v16[] = {0, 16}, v35[] = {0, 35}, v900[] = {3, 132},
			     v899[] = {3, 131}, run[] = {0, 50, 0, 1, 0, 25, 9, 9},
			     bad_run[] = {0, 50, 0, 2, 0, 25, 9, 9};
	static const struct {
		uint16_t opx;
		uint8_t access, space;
		uint32_t unit, sub, first, count;
		const uint8_t *vals;
		bool masked;
		uint8_t action;
		const char *rule;
	} cases[] = {
	    /* ranges */
	    {1, R, TOY_REG, 1, 0, 0, 1, NULL, false, VERDICT_ALLOW, "poll"},
	    {1, R, TOY_REG, 1, 0, 0, 50, NULL, false, VERDICT_ALLOW, "poll"},
	    {1, R, TOY_REG, 1, 0, 99, 1, NULL, false, VERDICT_ALLOW, "poll"},
	    {1, R, TOY_REG, 1, 0, 90, 20, NULL, false, VERDICT_ALLOW, "poll"}, /* two rules cover it */
	    {1, R, TOY_REG, 1, 0, 199, 1, NULL, false, VERDICT_ALLOW, "more"},
	    {1, R, TOY_REG, 1, 0, 199, 2, NULL, false, VERDICT_REJECT, "-"}, /* one too far */
	    {1, R, TOY_REG, 1, 0, 200, 1, NULL, false, VERDICT_REJECT, "-"},
	    {1, R, TOY_REG, 3, 0, 90, 20, NULL, false, VERDICT_REJECT, "-"}, /* unit 3 has one rule */
	    {1, R, TOY_REG, 1, 0, 65535, 1, NULL, false, VERDICT_ALLOW, "poll"},
	    {1, R, TOY_REG, 1, 0, 65535, 2, NULL, false, VERDICT_REJECT, "-"},
	    {1, R, TOY_REG, 1, 0, UINT32_MAX, 2, NULL, false, VERDICT_REJECT, "-"},
	    {1, R, TOY_REG, 1, 0, 0, 65536, NULL, false, VERDICT_REJECT, "-"},
	    {1, R, TOY_REG, 1, 0, 5, 0, NULL, false, VERDICT_ALLOW, "poll"}, /* touches nothing */
	    {1, R, TOY_REG, 1, 0, 0, 0, NULL, false, VERDICT_ALLOW, "poll"},
	    {1, R, TOY_REG, 1, 0, 500, 0, NULL, false, VERDICT_ALLOW, "poll"},
	    {1, R, TOY_BIT, 1, 0, 9, 1, NULL, false, VERDICT_ALLOW, "poll"},
	    {1, R, TOY_BIT, 1, 0, 10, 1, NULL, false, VERDICT_REJECT, "-"},
	    {1, R, TOY_SPACES, 1, 0, 0, 1, NULL, false, VERDICT_REJECT, "-"}, /* unknown space */
	    /* units and functions */
	    {1, R, TOY_REG, 2, 0, 0, 1, NULL, false, VERDICT_REJECT, "-"},
	    {1, R, TOY_REG, 4, 0, 0, 1, NULL, false, VERDICT_ALLOW, "poll"},
	    {1, R, TOY_REG, 256, 0, 0, 1, NULL, false, VERDICT_REJECT, "-"},
	    {1, R, TOY_REG, UINT32_MAX, 0, 0, 1, NULL, false, VERDICT_REJECT, "-"},
	    {0, R, TOY_REG, 1, 0, 0, 1, NULL, false, VERDICT_ALLOW, "poll"},
	    {TOY_N_OPX, R, TOY_REG, 1, 0, 0, 1, NULL, false, VERDICT_REJECT, "-"},
	    {2, W, TOY_BIT, 1, 0, 1, 1, v0, false, VERDICT_REJECT, "-"}, /* rule is not enabled */
	    /* values */
	    {3, W, TOY_REG, 1, 0, 10, 1, v100, false, VERDICT_ALLOW, "set"},
	    {3, W, TOY_REG, 1, 0, 10, 1, v101, false, VERDICT_REJECT, "-"},
	    {3, W, TOY_REG, 1, 0, 11, 1, v3, false, VERDICT_ALLOW, "set"},
	    {3, W, TOY_REG, 1, 0, 11, 1, v0, false, VERDICT_REJECT, "-"},
	    {3, W, TOY_REG, 1, 0, 12, 1, v15, false, VERDICT_ALLOW, "set"},
	    {3, W, TOY_REG, 1, 0, 12, 1, v16, false, VERDICT_REJECT, "-"}, /* between two steps */
	    {3, W, TOY_REG, 1, 0, 12, 1, v35, false, VERDICT_REJECT, "-"},
	    {3, W, TOY_REG, 1, 0, 13, 1, v900, false, VERDICT_ALLOW, "set"}, /* no entry */
	    {6, W, TOY_REG, 1, 0, 10, 4, run, false, VERDICT_ALLOW, "set"},
	    {6, W, TOY_REG, 1, 0, 10, 4, bad_run, false, VERDICT_REJECT, "-"},
	    {6, W, TOY_REG, 1, 0, 10, 1, NULL, false, VERDICT_REJECT, "-"}, /* value not seen */
	    {7, W, TOY_REG, 1, 0, 13, 1, v0, true, VERDICT_REJECT, "-"},    /* masked, with values */
	    /* denials */
	    {3, W, TOY_REG, 1, 0, 50, 1, v0, false, VERDICT_REJECT, "hands-off"},
	    {3, W, TOY_REG, 9, 0, 50, 1, v0, false, VERDICT_REJECT, "hands-off"},
	    {3, W, TOY_REG, 1, 0, 60, 1, v899, false, VERDICT_ALLOW, "set"},
	    {3, W, TOY_REG, 1, 0, 60, 1, v900, false, VERDICT_REJECT, "high"},
	    {7, W, TOY_REG, 1, 0, 60, 1, v0, true, VERDICT_REJECT, "high"}, /* could be anything */
	    {3, W, TOY_REG, 1, 0, 60, 1, NULL, false, VERDICT_REJECT, "high"},
	    {9, R, TOY_REG, 1, 0, 0, 1, NULL, false, VERDICT_RESET, "no-program"}, /* any address */
	    {1, R, TOY_REG, 1, 0, 70, 1, NULL, false, VERDICT_ALERT, "rehearsed"},
	    {1, R, TOY_REG, 3, 0, 70, 1, NULL, false, VERDICT_ALLOW, "poll"},
	    /* read and write apart */
	    {8, R, TOY_REG, 1, 0, 30, 10, NULL, false, VERDICT_ALERT, "both"},
	    {8, W, TOY_REG, 1, 0, 40, 1, v0, false, VERDICT_ALERT, "both"},
	    {8, W, TOY_REG, 1, 0, 30, 1, v0, false, VERDICT_REJECT, "-"},
	    {8, R, TOY_REG, 1, 0, 40, 1, NULL, false, VERDICT_REJECT, "-"},
	    /* subdivisions and huge spaces */
	    {1, R, TOY_FILE, 1, 4, 10, 10, NULL, false, VERDICT_ALLOW, "files"},
	    {1, R, TOY_FILE, 1, 4, 9, 1, NULL, false, VERDICT_REJECT, "-"},
	    {1, R, TOY_FILE, 1, 5, 10, 1, NULL, false, VERDICT_REJECT, "-"},
	    {1, R, TOY_FILE, 1, 7, 5, 1, NULL, false, VERDICT_ALLOW, "files"},
	    {1, R, TOY_FILE, 1, 3, 10, 1, NULL, false, VERDICT_REJECT, "-"},
	    {1, R, TOY_FILE, 1, UINT32_MAX, 10, 1, NULL, false, VERDICT_REJECT, "-"},
	    {1, R, TOY_BIG, 1, 0, 3999999999, 1, NULL, false, VERDICT_REJECT, "-"},
	    {1, R, TOY_BIG, 1, 0, 4000000000, 294967296, NULL, false, VERDICT_ALLOW, "far"},
	    {1, R, TOY_BIG, 1, 0, UINT32_MAX, 2, NULL, false, VERDICT_REJECT, "-"},
	};
	struct policy *p = load(plant);
	struct policy_bind b = bound(p, "10.0.0.5", "10.0.1.1", 502);

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fact f = {.proto = PROTO_TOY, .opx = cases[i].opx, .unit = cases[i].unit,
		    .n_items = 1, .op = "test", .item = {.space = cases[i].space,
		    .access = cases[i].access, .enc = ENC_U16_BE, .masked = cases[i].masked,
		    .sub = cases[i].sub, .first = cases[i].first, .count = cases[i].count,
		    .vals = cases[i].vals}};
		struct verdict v = policy_eval(p, &b, &f);

		print_message("%u ", i);
		assert_int_equal(v.action, cases[i].action);
		assert_string_equal(rule_name(p, v.rule), cases[i].rule);
		assert_int_equal(v.reason, v.rule == RULE_NONE ? REASON_OTHERWISE : REASON_RULE);
		assert_string_equal(policy_conduit_name(p, v.conduit), "hmi-plc");
		assert_int_equal(v.generation, policy_generation(p));
	}
	print_message("\n");
	policy_free(p);
}

static struct fact_item two[3];

static bool
two_next(const struct fact *f, struct fact_iter *it, struct fact_item *out)
{
	(void)f;
	if (it->i >= 3)
		return false;
	*out = two[it->i];
	return true;
}

/* Worst of several items; a request for nothing; items that cannot be had. */
static void
test_items(void **state)
{
	struct policy *p = load(plant);
	struct policy_bind b = bound(p, "10.0.0.5", "10.0.1.1", 502);
	struct fact f = {.proto = PROTO_TOY, .opx = 8, .unit = 1, .n_items = 2, .op = "test",
	    .next = two_next};
	struct verdict v;

	(void)state;
	two[0] = (struct fact_item){.space = TOY_REG, .access = ACC_READ, .first = 30, .count = 3};
	two[1] = (struct fact_item){.space = TOY_REG, .access = ACC_WRITE, .first = 40, .count = 3};
	f.item = two[0];
	v = policy_eval(p, &b, &f);
	assert_int_equal(v.action, VERDICT_ALERT);
	assert_string_equal(rule_name(p, v.rule), "both");
	two[1].first = 50; /* hands-off */
	v = policy_eval(p, &b, &f);
	assert_int_equal(v.action, VERDICT_REJECT);
	assert_string_equal(rule_name(p, v.rule), "hands-off");
	two[1].first = 49; /* allowed, then denied */
	two[1].count = 2;
	v = policy_eval(p, &b, &f);
	assert_string_equal(rule_name(p, v.rule), "hands-off");
	f.n_items = 4; /* more promised than given */
	two[1] = two[0];
	two[2] = two[0];
	v = policy_eval(p, &b, &f);
	assert_int_equal(v.action, VERDICT_REJECT);
	assert_int_equal(v.reason, REASON_OTHERWISE);
	f.n_items = 0;
	f.opx = 4; /* echo */
	v = policy_eval(p, &b, &f);
	assert_string_equal(rule_name(p, v.rule), "echo");
	f.opx = 3; /* a write that names no address: no denial of addresses concerns it */
	v = policy_eval(p, &b, &f);
	assert_string_equal(rule_name(p, v.rule), "set");
	f.opx = 5; /* programming */
	v = policy_eval(p, &b, &f);
	assert_int_equal(v.action, VERDICT_RESET);
	f.opx = 2; /* only a disabled rule */
	v = policy_eval(p, &b, &f);
	assert_int_equal(v.reason, REASON_OTHERWISE);
	policy_free(p);
}

static void
test_names(void **state)
{
	struct policy *p = load(plant);
	static const struct {
		uint16_t opx;
		uint32_t unit;
		uint8_t access;
		const char *name;
		uint8_t would;
	} cases[] = {
	    {1, 300, ACC_READ, "ns=2;s=T1", VERDICT_ALLOW},
	    {1, 299, ACC_READ, "ns=2;s=T1", VERDICT_DROP},
	    {1, 401, ACC_READ, "ns=2;s=T1", VERDICT_DROP},
	    {1, 400, ACC_READ, "ns=2;s=T", VERDICT_DROP},
	    {1, 400, ACC_READ, "ns=2;s=T12", VERDICT_DROP},
	    {1, 400, ACC_READ, NULL, VERDICT_DROP},
	    {2, 7, ACC_WRITE, "anything", VERDICT_ALLOW},
	    {2, 7, ACC_READ, "anything", VERDICT_DROP},
	    {2, 7, ACC_WRITE, NULL, VERDICT_ALLOW}, /* a star takes the empty name too */
	};
	struct policy_bind b = bound(p, "10.0.0.9", "10.0.1.1", 4840);

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fact f = {.proto = PROTO_NODES, .opx = cases[i].opx, .unit = cases[i].unit,
		    .n_items = 1, .op = "test", .item = {.access = cases[i].access, .count = 1,
		    .name = cases[i].name,
		    .name_len = cases[i].name ? (uint32_t)strlen(cases[i].name) : 0}};
		struct verdict v = policy_eval(p, &b, &f);

		print_message("%u ", i);
		assert_int_equal(v.would, cases[i].would);
		assert_int_equal(v.action, v.would ? VERDICT_ALERT : VERDICT_ALLOW); /* mode alert */
		assert_int_equal(v.mode, MODE_ALERT);
	}
	print_message("\n");
	policy_free(p);
}

/* A fact of a protocol the port or the conduit does not serve; no conduit; answers. */
static void
test_other_facts(void **state)
{
	struct policy *p = load(plant);
	struct policy_bind hmi = bound(p, "10.0.0.5", "10.0.1.1", 502);
	struct policy_bind eng = bound(p, "10.0.0.9", "10.0.1.1", 4840);
	struct policy_bind none = bound(p, "10.0.8.8", "10.0.9.9", 502);
	struct fact f = {.proto = PROTO_NODES, .opx = 1, .op = "test"};
	struct verdict v;

	(void)state;
	v = policy_eval(p, &hmi, &f);
	assert_int_equal(v.reason, REASON_PORT);
	assert_int_equal(v.action, VERDICT_REJECT);
	f.proto = PROTO_TOY; /* spoken on the port of the other protocol */
	v = policy_eval(p, &eng, &f);
	assert_int_equal(v.reason, REASON_PORT);
	assert_int_equal(v.would, VERDICT_DROP);
	assert_int_equal(v.action, VERDICT_ALERT);
	v = policy_eval(p, &none, &f);
	assert_int_equal(v.reason, REASON_NO_CONDUIT);
	assert_int_equal(v.action, VERDICT_DROP);
	f.proto = 77;
	v = policy_eval(p, &hmi, &f);
	assert_int_equal(v.reason, REASON_PORT);
	f.proto = PROTO_TOY;
	f.kind = FACT_RESPONSE;
	v = policy_eval(p, &hmi, &f);
	assert_int_equal(v.action, VERDICT_ALLOW);
	assert_int_equal(v.reason, REASON_RESPONSE);
	f.kind = FACT_EXCEPTION;
	f.anomalies = FACT_A_UNSOLICITED;
	v = policy_eval(p, &hmi, &f);
	assert_int_equal(v.action, VERDICT_DROP);
	assert_int_equal(v.reason, REASON_CONDITION);
	assert_int_equal(v.rule, COND_UNSOLICITED);
	f.kind = FACT_MALFORMED;
	f.anomalies = 0;
	v = policy_eval(p, &hmi, &f); /* the conduit's own word */
	assert_int_equal(v.action, VERDICT_RESET);
	assert_int_equal(v.rule, COND_UNPARSABLE);
	f.kind = FACT_OTHER; /* judged as a request */
	f.unit = 1;
	f.opx = 4;
	v = policy_eval(p, &hmi, &f);
	assert_string_equal(rule_name(p, v.rule), "echo");
	f.anomalies = FACT_A_ENCRYPTED; /* not a way round */
	v = policy_eval(p, &hmi, &f);
	assert_int_equal(v.reason, REASON_CONDITION);
	assert_int_equal(v.rule, COND_ENCRYPTED);
	assert_int_equal(v.action, VERDICT_DROP);
	policy_free(p);
}

static void
test_conditions(void **state)
{
	struct policy *p = load(plant);
	struct policy_bind hmi = bound(p, "10.0.0.5", "10.0.1.1", 502);
	struct policy_bind any = bound(p, "10.0.7.7", "10.0.1.1", 502);
	struct verdict v;

	(void)state;
	v = policy_condition(p, NULL, COND_UNPARSABLE);
	assert_int_equal(v.action, VERDICT_DROP);
	assert_int_equal(v.conduit, RULE_NONE);
	v = policy_condition(p, &hmi, COND_UNPARSABLE);
	assert_int_equal(v.action, VERDICT_RESET);
	v = policy_condition(p, &hmi, COND_MIDSTREAM);
	assert_int_equal(v.action, VERDICT_ALERT);
	v = policy_condition(p, &hmi, COND_AUDIT_FAILURE);
	assert_int_equal(v.action, VERDICT_ALLOW);
	v = policy_condition(p, &any, COND_FRAGMENT); /* learn */
	assert_int_equal(v.action, VERDICT_ALLOW);
	assert_int_equal(v.would, VERDICT_DROP);
	assert_string_equal(policy_conduit_name(p, v.conduit), "anybody");
	policy_free(p);
}

/* learn and alert never drop, and say what enforce would have done. */
static void
test_modes(void **state)
{
	static const struct {
		const char *mode, *otherwise;
		uint8_t action, would;
	} cases[] = {
	    {"learn", "drop", VERDICT_ALLOW, VERDICT_DROP},
	    {"alert", "reset", VERDICT_ALERT, VERDICT_RESET},
	    {"enforce", "reject", VERDICT_REJECT, VERDICT_REJECT},
	    {"enforce", "alert", VERDICT_ALERT, VERDICT_ALERT},
	    {"learn", "alert", VERDICT_ALLOW, VERDICT_ALERT},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[600];
		struct policy *p;
		struct policy_bind b;
		struct fact f = {.proto = PROTO_TOY, .opx = 9, .op = "test"};
		struct verdict v;

		snprintf(text, sizeof(text), "interlock: 1\nmode: %s\nzones: {z: {nets: [10.0.0.0/8]}}\n"
		    "devices: {a: {zone: z, ip: 10.0.0.1}, b: {zone: z, ip: 10.0.0.2}}\n"
		    "conduits:\n - {name: c, from: [a], to: [b], otherwise: %s, toy: {addressing: zero-based}}\n",
		    cases[i].mode, cases[i].otherwise);
		p = load(text);
		b = bound(p, "10.0.0.1", "10.0.0.2", 502);
		v = policy_eval(p, &b, &f);
		assert_int_equal(v.action, cases[i].action);
		assert_int_equal(v.would, cases[i].would);
		assert_int_equal(v.reason, REASON_OTHERWISE);
		b = bound(p, "10.0.0.2", "10.0.0.1", 502);
		v = policy_eval(p, &b, &f);
		assert_int_equal(v.would, VERDICT_DROP);
		assert_int_equal(v.mode, policy_mode(p));
		policy_free(p);
	}
}

static void
test_l2(void **state)
{
	struct policy *p = load(plant);
	struct policy_l2 f = {.ethertype = 0x88cc};

	(void)state;
	assert_int_equal(policy_eval_l2(p, &f).action, VERDICT_ALLOW);
	f.ethertype = 0x88b8;
	assert_int_equal(policy_eval_l2(p, &f).action, VERDICT_ALLOW);
	f.ethertype = 0x88f7; /* this list names no ptp */
	assert_int_equal(policy_eval_l2(p, &f).action, VERDICT_DROP);
	assert_int_equal(policy_eval_l2(p, &f).reason, REASON_L2);
	f.ethertype = 38;
	assert_int_equal(policy_eval_l2(p, &f).action, VERDICT_DROP);
	memcpy(f.dmac, "\x01\x80\xc2\0\0\0", 6);
	assert_int_equal(policy_eval_l2(p, &f).action, VERDICT_ALLOW);

	f = (struct policy_l2){.ethertype = 0x0806, .arp = true};
	assert_int_equal(net_addr_parse("10.0.0.5", &f.arp_sip), 0);
	assert_int_equal(net_addr_parse("10.0.1.1", &f.arp_tip), 0);
	memcpy(f.smac, "\x02\0\0\0\0\x05", 6);
	memcpy(f.arp_smac, f.smac, 6);
	assert_int_equal(policy_eval_l2(p, &f).action, VERDICT_ALLOW);
	f.arp_smac[5] = 6; /* says another MAC than it comes from */
	assert_int_equal(policy_eval_l2(p, &f).action, VERDICT_ALERT);
	f.smac[5] = 6; /* both, but not the declared one */
	assert_int_equal(policy_eval_l2(p, &f).action, VERDICT_ALERT);
	assert_int_equal(net_addr_parse("0.0.0.0", &f.arp_sip), 0); /* probe */
	assert_int_equal(policy_eval_l2(p, &f).action, VERDICT_ALLOW);
	assert_int_equal(net_addr_parse("10.0.1.2", &f.arp_tip), 0); /* nobody declared */
	assert_int_equal(policy_eval_l2(p, &f).action, VERDICT_DROP);
	policy_free(p);
}

static void
test_asking(void **state)
{
	struct policy *p = load(plant), *q = load(plant);
	struct policy_rule_info info, again;
	struct net_addr a;
	uint8_t hash[32];

	(void)state;
	assert_string_equal(policy_site(p), "test-plant");
	assert_int_equal(policy_mode(p), MODE_ENFORCE);
	assert_true(policy_mode_stated(p));
	assert_int_equal(policy_generation(q), policy_generation(p) + 1);
	crypto_sha256(plant, sizeof(plant) - 1, hash);
	assert_memory_equal(policy_hash(p), hash, 32);
	assert_true(policy_bytes(p) > 4096);
	assert_int_equal(policy_conduit_count(p), 3);
	assert_string_equal(policy_conduit_name(p, RULE_NONE), "-");
	assert_false(policy_fail_open(p, RULE_NONE));
	assert_false(policy_fail_open(p, 0));
	assert_true(policy_fail_open(p, 2));
	assert_int_equal(net_addr_parse("fd00::1", &a), 0);
	assert_string_equal(policy_device_name(p, &a), "plc6");
	assert_string_equal(policy_zone_name(p, &a), "cell");
	assert_int_equal(net_addr_parse("10.0.1.200", &a), 0);
	assert_null(policy_device_name(p, &a));
	assert_string_equal(policy_zone_name(p, &a), "cell"); /* the narrower net */
	assert_int_equal(net_addr_parse("10.0.200.1", &a), 0);
	assert_string_equal(policy_zone_name(p, &a), "office");
	assert_int_equal(net_addr_parse("12.0.0.1", &a), 0);
	assert_null(policy_zone_name(p, &a));
	assert_int_equal(policy_rule_info(p, policy_rule_count(p), &info), ERR_NOTFOUND);
	for (uint32_t i = 0; i < policy_rule_count(p); i++) {
		assert_int_equal(policy_rule_info(p, i, &info), 0);
		assert_int_equal(policy_rule_info(q, i, &again), 0);
		assert_int_equal(info.id, again.id);
		assert_in_range(info.id, 1000000000u, 1999999999u);
		assert_string_equal(info.file, "plant.yaml");
		for (uint32_t j = 0; j < i; j++) {
			assert_int_equal(policy_rule_info(p, j, &again), 0);
			assert_int_not_equal(info.id, again.id);
		}
	}
	assert_int_equal(policy_rule_info(p, 0, &info), 0);
	assert_string_equal(info.name, "no-program");
	assert_string_equal(info.conduit, "hmi-plc");
	assert_string_equal(info.proto, "toy");
	assert_true(info.deny);
	assert_int_equal(info.verdict, VERDICT_RESET);
	assert_int_equal(info.line, 23);
	assert_int_equal(info.col, 11);
	/* the number other people's SIEM rules rely on: FNV-1a of "hmi-plc/no-program" */
	assert_int_equal(info.id, 1000000000u + 0x0e21da7c9f2a4294u % 1000000000u);
	policy_free(p);
	policy_free(q);
}

/* The id belongs to the name, wherever the rule stands. */
static void
test_ids_stay(void **state)
{
	static const char fmt[] = "interlock: 1\nmode: alert\nzones: {z: {nets: [10.0.0.0/8]}}\n"
	    "devices: {a: {zone: z, ip: 10.0.0.1}, b: {zone: z, ip: 10.0.0.2}}\nconduits:\n"
	    " - {name: c, from: [a], to: [b], toy: {addressing: zero-based, allow: [%s]}}\n";
	static const char r1[] = "{name: r1, units: 1, functions: 3, reg: 1}";
	static const char r2[] = "{name: r2, units: 1, functions: 3, reg: 2}";
	char list[200], text[800];
	struct policy_rule_info a, b;
	struct policy *p, *q;

	(void)state;
	snprintf(list, sizeof(list), "%s, %s", r1, r2);
	snprintf(text, sizeof(text), fmt, list);
	p = load(text);
	snprintf(list, sizeof(list), "%s, %s", r2, r1);
	snprintf(text, sizeof(text), fmt, list);
	q = load(text);
	assert_int_equal(policy_rule_info(p, 0, &a), 0);
	assert_int_equal(policy_rule_info(q, 1, &b), 0);
	assert_string_equal(a.name, b.name);
	assert_int_equal(a.id, b.id);
	policy_free(p);
	policy_free(q);
}

/* Two names that fall on one number: the order of the file does not matter. */
static void
test_ids_collide(void **state)
{
	static const char *const lists[] = {"{name: wzlqzy, units: 1, functions: 8/0}, {name: xanbnz, units: 2, functions: 8/0}",
	    "{name: xanbnz, units: 1, functions: 8/0}, {name: wzlqzy, units: 2, functions: 8/0}"};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct policy_rule_info info;
		struct policy *p;
		char text[600];

		snprintf(text, sizeof(text), "interlock: 1\nmode: alert\nzones: {z: {nets: [10.0.0.0/8]}}\n"
		    "devices: {a: {zone: z, ip: 10.0.0.1}, b: {zone: z, ip: 10.0.0.2}}\nconduits:\n"
		    " - {name: c, from: [a], to: [b], toy: {addressing: zero-based, allow: [%s]}}\n", lists[i]);
		p = load(text);
		for (uint32_t r = 0; r < 2; r++) {
			assert_int_equal(policy_rule_info(p, r, &info), 0);
			assert_int_equal(info.id, info.name[0] == 'w' ? 1952385724 : 1952385725);
		}
		policy_free(p);
	}
}

static void
test_why(void **state)
{
	struct policy *p = load(plant);
	struct net_tuple t = tuple("10.0.0.5", "10.0.1.1", 502);
	static const uint8_t vals[] = {0, 101};
	struct fact f = {.proto = PROTO_TOY, .opx = 3, .code = 6, .unit = 1, .n_items = 1,
	    .op = "write_reg", .item = {.space = TOY_REG, .access = ACC_WRITE, .enc = ENC_U16_BE,
	    .first = 10, .count = 1, .vals = vals}};
	char *out = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&out, &n);

	(void)state;
	assert_non_null(to);
	policy_why(p, &t, &f, to);
	fclose(to);
	assert_string_equal(out,
	    "from  10.0.0.5 port 50000: device \"hmi\", zone \"office\"\n"
	    "to    10.0.1.1 port 502: device \"plc\", zone \"cell\"\n"
	    "conduit: \"hmi-plc\" (plant.yaml:15:5)\n"
	    "toy: write_reg (code 6), unit 1\n"
	    "   item 1: write reg 10..10\n"
	    "      plant.yaml:23:11: deny rule \"no-program\": write_reg (code 6) is not among its functions\n"
	    "      plant.yaml:24:11: deny rule \"hands-off\": 10 is not among the addresses it may write\n"
	    "      plant.yaml:25:11: deny rule \"high\": 10 is not among the addresses it may write\n"
	    "      plant.yaml:26:11: deny rule \"rehearsed\": write_reg (code 6) is not among its functions\n"
	    "      plant.yaml:28:11: allow rule \"poll\": write_reg (code 6) is not among its functions\n"
	    "      plant.yaml:29:11: allow rule \"more\": write_reg (code 6) is not among its functions\n"
	    "      plant.yaml:30:11: allow rule \"set\": 10 has a value outside the rule's limit\n"
	    "      plant.yaml:35:11: allow rule \"both\": write_reg (code 6) is not among its functions\n"
	    "      plant.yaml:36:11: allow rule \"echo\": write_reg (code 6) is not among its functions\n"
	    "      plant.yaml:37:11: allow rule \"off\": is not enabled\n"
	    "      plant.yaml:38:11: allow rule \"files\": write_reg (code 6) is not among its functions\n"
	    "      plant.yaml:39:11: allow rule \"far\": write_reg (code 6) is not among its functions\n"
	    "   no rule allows all of it: otherwise reject\n"
	    "verdict: reject (otherwise)\n");
	free(out);
	policy_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bind),
	    cmocka_unit_test(test_mac),
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_items),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_other_facts),
	    cmocka_unit_test(test_conditions),
	    cmocka_unit_test(test_modes),
	    cmocka_unit_test(test_l2),
	    cmocka_unit_test(test_asking),
	    cmocka_unit_test(test_ids_stay),
	    cmocka_unit_test(test_ids_collide),
	    cmocka_unit_test(test_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
