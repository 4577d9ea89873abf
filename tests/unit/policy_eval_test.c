/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_eval_test.c - what a policy decides: binding, rules, values, modes,
 * conditions, layer 2, and the answers to questions about it.  The model test
 * covers the combinations; here is each sentence of docs/POLICY.md by itself.
 * Longer than 1000 lines because most of them are cases of tables.
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
	    {"10.0.0.5", "10.0.1.1", 80, 0, 6, VERDICT_DROP, REASON_PORT,
		"hmi-plc"}, /* not reject */
	    {"10.0.0.5", "10.0.1.1", 0, 0, 1, VERDICT_DROP, REASON_PORT, "hmi-plc"}, /* ping */
	    {"10.0.0.5", "10.0.1.1", 502, 0, 17, VERDICT_ALLOW, REASON_RULE, "hmi-plc"},
	    {"10.0.1.1", "10.0.0.5", 502, 0, 6, VERDICT_DROP, REASON_NO_CONDUIT,
		"-"}, /* direction */
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
	    {"10.0.0.5", "10.0.1.1", 502, 8, 6, VERDICT_DROP, REASON_PLACE,
		"hmi-plc"}, /* wrong VLAN */
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
		assert_int_equal(
		    b.flags & BIND_PORT_OK, v.reason == REASON_RULE || v.reason == REASON_PLACE);
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
	assert_int_equal(b.flags, BIND_PORT_OK | BIND_REJECT); /* it still talks */
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
	policy_why(p, &t, &f, NULL, to);
	fclose(to);
	assert_string_equal(out,
	    "from  10.0.0.5 port 50000: device \"hmi\", zone \"office\"\n"
	    "to    10.0.1.1 port 502: device \"plc\", zone \"cell\"\n"
	    "conduit: \"hmi-plc\" (plant.yaml:15:5)\n"
	    "toy: write_reg (code 6), unit 1\n"
	    "   item 1: write reg 10\n"
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

/* A conduit with the blocks plc and nodes, for what is asked beside unit, function and address. */
static const char session[] =
    "interlock: 1\n"
    "mode: enforce\n"
    "zones: {z: {nets: [10.0.0.0/8]}}\n"
    "devices: {a: {zone: z, ip: 10.0.0.1}, b: {zone: z, ip: 10.0.0.2}}\n"
    "conduits:\n"
    "  - name: c\n"
    "    from: [a]\n"
    "    to: [b]\n"
    "    otherwise: reject\n"
    "    plc:\n"
    "      deny:\n"
    "        - {name: no-pg, functions: all, class: [pg]}\n"
    "        - {name: hot, functions: write, write: F960d, values: {F960d: {type: real, min: 80.5, max: 1e9}}}\n"
    "      allow:\n"
    "        - {name: poll, functions: read, read: [\"A1..3.0..799\", F0..79]}\n"
    "        - {name: far, functions: read, read: [\"A60000.80..95\"], rack: [0, 2..3]}\n"
    "        - name: set\n"
    "          functions: write\n"
    "          write: [F800..1599, C0..9]\n"
    "          values:\n"
    "            F800w: 0..1500\n"
    "            F816w..863: {type: int, min: -5, max: 5, step: 5}\n"
    "            F864d: {type: real, min: 0, max: 0.1}\n"
    "            F896d: {type: real, min: 0, max: 0.1, order: low-word-first}\n"
    "            F937: 1\n"
    "            C0..1: {type: dint, min: -1, max: 70000}\n"
    "        - {name: all-jobs, functions: read, jobs: all}\n"
    "    nodes:\n"
    "      security: {level: 3.., styles: [Signed, Sealed], pins: [\"AB:*\"]}\n"
    "      limits: {message: 1KiB, chunks: 4, over: drop}\n"
    "      encrypted: endpoint-only\n"
    "      midstream: learn-once\n"
    "      deny:\n"
    "        - {name: setup, services: all, nodes: [\"nsu=urn:plc;s=Setup*\"], verdict: reset}\n"
    "      allow:\n"
    "        - {name: session, services: session}\n"
    "        - {name: look, services: Read, nodes: [\"ns=2;*\", \"*.Public?\"]}\n"
    "        - {name: recipe, services: Write, nodes: [\"ns=2;s=Recipe.*\", \"nsu=urn:b;s=X\", \"i=7\"]}\n"
    "        - {name: range, services: Write, nodes: [\"ns=2;s=Recipe.1\"], attributes: [Range, 7..9]}\n"
    "        - {name: base, services: Write, nodes: \"nsu=http://opcfoundation.org/UA/;i=8\", apps-like: [\"urn:mes\", \"urn:*:2\"]}\n";

static struct policy *
load_session(void)
{
	static char text[sizeof(session) + 8];
	const char *dots = strstr(session, "level: 3..");

	snprintf(text, sizeof(text), "%.*s255%s", (int)(dots - session) + 10, session, dots + 10);
	return load(text);
}

static struct fact_props
props_good(void)
{
	struct fact_props x = {.known = UINT32_MAX};

	x.num[NODE_LEVEL] = 4;
	x.num[NODE_STYLE] = 1;
	x.text[NODE_PIN].p = "AB:CD";
	x.text[NODE_PIN].n = 5;
	x.text[NODE_APP].p = "urn:hmi:2";
	x.text[NODE_APP].n = 9;
	return x;
}

/* Values that take several addresses, in a space of bits and in one of words. */
static void
test_values(void **state)
{
	static const struct {
		uint8_t space;
		uint32_t first, count;
		const char *bytes; /* NULL: none on the wire */
		const char *rule; /* "-": none */
	} cases[] = {
	    {PLC_FLAG, 800, 16, "\x05\xdc", "set"},	/* 1500 */
	    {PLC_FLAG, 800, 16, "\x05\xdd", "-"},
	    {PLC_FLAG, 800, 8, "\x00", "-"},		/* half a word */
	    {PLC_FLAG, 808, 8, "\x00", "-"},
	    {PLC_FLAG, 800, 1, "\x00", "-"},
	    {PLC_FLAG, 800, 16, NULL, "-"},
	    {PLC_FLAG, 816, 48, "\xff\xfb\0\0\0\5", "set"}, /* -5, 0, 5 */
	    {PLC_FLAG, 816, 48, "\xff\xfb\0\1\0\5", "-"},  /* between steps */
	    {PLC_FLAG, 832, 16, "\xff\xfa", "-"},	/* -6 */
	    {PLC_FLAG, 832, 32, "\0\0\0\0", "set"},
	    {PLC_FLAG, 824, 32, "\0\0\0\0", "-"},	/* two halves */
	    {PLC_FLAG, 864, 32, "\x3d\xcc\xcc\xcd", "set"}, /* 0.1 as a REAL */
	    {PLC_FLAG, 864, 32, "\x3d\xcc\xcc\xce", "-"},	   /* the next one */
	    {PLC_FLAG, 864, 32, "\x80\0\0\0", "set"},   /* -0 */
	    {PLC_FLAG, 864, 32, "\x80\0\0\1", "-"},
	    {PLC_FLAG, 864, 32, "\x7f\xc0\0\0", "-"},	/* not a number */
	    {PLC_FLAG, 864, 32, "\x7f\x80\0\0", "-"},	/* infinite */
	    {PLC_FLAG, 896, 32, "\xcc\xcd\x3d\xcc", "set"}, /* low word first */
	    {PLC_FLAG, 896, 32, "\x3d\xcc\xcc\xcd", "-"},
	    {PLC_FLAG, 937, 1, "\1", "set"},
	    {PLC_FLAG, 937, 1, "\0", "-"},
	    {PLC_FLAG, 932, 8, "\x20", "set"},	/* a run that does not start at a byte */
	    {PLC_FLAG, 932, 8, "\xdf", "-"},
	    {PLC_FLAG, 1000, 16, "\xff\xff", "set"}, /* no entry */
	    {PLC_FLAG, 960, 32, "\x42\xa0\0\0", "set"},	/* 80: below the denial */
	    {PLC_FLAG, 960, 32, "\x42\xa1\0\0", "hot"},	/* 80.5 */
	    {PLC_FLAG, 960, 32, "\x7f\xc0\0\0", "hot"},	/* not a number escapes nothing */
	    {PLC_FLAG, 968, 8, "\0", "hot"},		/* nor does a part */
	    {PLC_FLAG, 960, 32, NULL, "hot"},
	    {PLC_COUNTER, 0, 2, "\0\1\x11\x70", "set"},   /* 70000 */
	    {PLC_COUNTER, 0, 2, "\0\1\x11\x71", "-"},
	    {PLC_COUNTER, 0, 2, "\xff\xff\xff\xff", "set"}, /* -1 */
	    {PLC_COUNTER, 1, 1, "\0\0", "-"},
	};
	struct policy *p = load_session();
	struct policy_bind b = bound(p, "10.0.0.1", "10.0.0.2", 102);
	unsigned wrong = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fact f = {.proto = PROTO_PLC, .opx = 1, .n_items = 1, .op = "write",
		    .item = {.space = cases[i].space, .access = ACC_WRITE, .first = cases[i].first,
		    .count = cases[i].count, .vals = (const uint8_t *)cases[i].bytes,
		    .enc = cases[i].space == PLC_COUNTER ? ENC_U16_BE : ENC_BIT_LSB}};
		struct fact_props x = {.known = 1u << PLC_CLASS, .num = {2}};
		struct verdict v;

		f.props = &x;
		v = policy_eval(p, &b, &f);
		if (strcmp(rule_name(p, v.rule), cases[i].rule) != 0) {
			print_message("case %u: %s, not %s\n", i, rule_name(p, v.rule), cases[i].rule);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
	policy_free(p);
}

/* What an allow rule and a deny rule make of a property known, unknown, not there yet. */
static void
test_properties(void **state)
{
	enum { ITEM_NEAR, ITEM_FAR };
	static const struct {
		unsigned item;
		bool props;
		uint32_t known, na, class, rack;
		const char *rule;
	} cases[] = {
	    {ITEM_NEAR, true, 3, 0, 2, 0, "poll"},
	    {ITEM_NEAR, true, 3, 0, 1, 0, "no-pg"},
	    {ITEM_NEAR, true, 0, 0, 2, 0, "no-pg"}, /* unknown: a denial holds */
	    {ITEM_NEAR, false, 0, 0, 0, 0, "no-pg"},
	    {ITEM_NEAR, true, 0, 1, 0, 0, "poll"}, /* does not apply: it does not */
	    {ITEM_NEAR, true, 3, 0, UINT32_MAX, 0, "poll"},
	    {ITEM_FAR, true, 3, 0, 2, 0, "far"},
	    {ITEM_FAR, true, 3, 0, 2, 1, "-"},
	    {ITEM_FAR, true, 3, 0, 2, 3, "far"},
	    {ITEM_FAR, true, 3, 0, 2, 4, "-"},
	    {ITEM_FAR, true, 3, 0, 2, UINT32_MAX, "-"},
	    {ITEM_FAR, true, 1, 0, 2, 0, "-"}, /* unknown: an allowance does not */
	    {ITEM_FAR, true, 1, 2, 2, 0, "far"},
	};
	struct policy *p = load_session();
	struct policy_bind b = bound(p, "10.0.0.1", "10.0.0.2", 102);

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fact_props x = {.known = cases[i].known, .na = cases[i].na,
		    .num = {cases[i].class, cases[i].rack}};
		struct fact f = {.proto = PROTO_PLC, .n_items = 1, .op = "read",
		    .props = cases[i].props ? &x : NULL, .item = {.space = PLC_AREA,
		    .access = ACC_READ, .sub = cases[i].item == ITEM_FAR ? 60000 : 2, .first = 80,
		    .count = 16}};

		print_message("%u ", i);
		assert_string_equal(rule_name(p, policy_eval(p, &b, &f).rule), cases[i].rule);
	}
	print_message("\n");
	policy_free(p);
}

/* "all" where the notation says the space: data that has no key of its own. */
static void
test_spaces(void **state)
{
	struct policy *p = load_session();
	struct policy_bind b = bound(p, "10.0.0.1", "10.0.0.2", 102);
	struct fact_props x = {.known = 3, .num = {2, 0}};
	static const struct {
		uint8_t space;
		uint32_t sub, first, count;
		const char *rule;
	} cases[] = {
	    {PLC_AREA, 1, 0, 800, "poll"}, {PLC_AREA, 3, 799, 1, "poll"}, {PLC_AREA, 3, 799, 2, "-"},
	    {PLC_AREA, 0, 0, 8, "-"}, {PLC_AREA, 4, 0, 8, "-"}, {PLC_AREA, 65535, 80, 8, "-"},
	    {PLC_AREA, 60000, 80, 16, "far"}, {PLC_AREA, 60000, 79, 16, "-"},
	    {PLC_AREA, UINT32_MAX, 80, 8, "-"}, {PLC_FLAG, 0, 79, 1, "poll"}, {PLC_FLAG, 0, 80, 1, "-"},
	    {PLC_JOB, 9, 99, 1, "all-jobs"}, {PLC_ELSE, 0, 0, 1, "-"}, {PLC_COUNTER, 0, 0, 1, "-"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fact f = {.proto = PROTO_PLC, .n_items = 1, .op = "read", .props = &x,
		    .item = {.space = cases[i].space, .access = ACC_READ, .sub = cases[i].sub,
		    .first = cases[i].first, .count = cases[i].count}};

		print_message("%u ", i);
		assert_string_equal(rule_name(p, policy_eval(p, &b, &f).rule), cases[i].rule);
	}
	print_message("\n");
	policy_free(p);
}

static void
test_name_spaces(void **state)
{
	struct policy *p = load_session();
	struct policy_bind b = bound(p, "10.0.0.1", "10.0.0.2", 4840);
	struct fact_props x = props_good();
	static const struct {
		uint16_t opx;
		uint32_t sub;
		const char *name, *uri, *rule;
	} cases[] = {
	    {1, 0, "ns=2;s=A", NULL, "look"},
	    {1, 0, "ns=3;s=A", NULL, "-"},
	    {1, 0, "ns=3;s=A.Public1", NULL, "look"},
	    {1, 0, "ns=3;s=A.Public", NULL, "-"},
	    {1, 0, "ns=2;s=Setup.1", NULL, "setup"}, /* the URI could be anything */
	    {1, 0, "ns=2;s=Setup.1", "urn:plc", "setup"},
	    {1, 0, "ns=2;s=Setup.1", "urn:b", "look"},
	    {1, 0, NULL, NULL, "setup"},	   /* a name that was cut off */
	    {2, 5, "ns=2;s=Recipe.1", NULL, "recipe"},
	    {2, 0, "ns=2;s=Recipe.1", NULL, "recipe"},
	    {2, 6, "ns=2;s=Recipe.1", NULL, "range"},
	    {2, 8, "ns=2;s=Recipe.1", NULL, "range"},
	    {2, 3, "ns=2;s=Recipe.1", NULL, "-"},
	    {2, 6, "ns=2;s=Recipe.2", NULL, "-"}, /* Value and no other */
	    {2, 5, "ns=9;s=X", "urn:b", "recipe"},
	    {2, 5, "ns=9;s=X", "urn:c", "-"},
	    {2, 5, "ns=9;s=X", NULL, "-"},
	    {2, 5, "ns=9;s=XX", "urn:b", "-"},
	    {2, 5, "i=7", NULL, "recipe"},
	    {2, 5, "i=8", NULL, "base"}, /* name space 0 has a known URI */
	    {2, 5, "ns=1;i=8", NULL, "-"},
	    {2, 5, "ns=1;i=8", "http://opcfoundation.org/UA/", "base"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fact f = {.proto = PROTO_NODES, .opx = cases[i].opx, .n_items = 1, .op = "x",
		    .props = &x, .item = {.access = (uint8_t)(cases[i].opx == 1 ? ACC_READ : ACC_WRITE),
		    .sub = cases[i].sub, .count = 1, .name = cases[i].name, .uri = cases[i].uri}};

		f.item.name_len = f.item.name ? (uint32_t)strlen(f.item.name) : 0;
		f.item.uri_len = f.item.uri ? (uint32_t)strlen(f.item.uri) : 0;
		x.num[NODE_SIZE] = 0;
		x.num[NODE_CHUNKS] = 0;
		print_message("%u ", i);
		assert_string_equal(rule_name(p, policy_eval(p, &b, &f).rule), cases[i].rule);
	}
	print_message("\n");
	policy_free(p);
}

/* The floor, limits, offers and encryption of a block. */
static void
test_gate(void **state)
{
	struct policy *p = load_session();
	struct policy_bind b = bound(p, "10.0.0.1", "10.0.0.2", 4840);
	struct fact f = {.proto = PROTO_NODES, .op = "open"};
	struct fact_props x = props_good();
	struct verdict v;

	(void)state;
	f.props = &x;
	v = policy_eval(p, &b, &f);
	assert_string_equal(rule_name(p, v.rule), "session");
	x.num[NODE_LEVEL] = 2;
	v = policy_eval(p, &b, &f);
	assert_int_equal(v.action, VERDICT_REJECT);
	assert_int_equal(v.reason, REASON_SECURITY);
	assert_string_equal(policy_key_name(v.rule), "level");
	x.num[NODE_LEVEL] = 255;
	x.num[NODE_STYLE] = 0;
	assert_string_equal(policy_key_name(policy_eval(p, &b, &f).rule), "styles");
	x.num[NODE_STYLE] = UINT32_MAX; /* known, and no word for it */
	assert_string_equal(policy_key_name(policy_eval(p, &b, &f).rule), "styles");
	x.num[NODE_STYLE] = 2;
	x.text[NODE_PIN].p = "XB:CD";
	assert_string_equal(policy_key_name(policy_eval(p, &b, &f).rule), "pins");
	x.known = ~(UINT32_C(1) << (16 + NODE_PIN));
	v = policy_eval(p, &b, &f); /* unknown is not met */
	assert_int_equal(v.reason, REASON_SECURITY);
	x.midstream = true; /* but learnt once */
	assert_int_equal(policy_eval(p, &b, &f).action, VERDICT_ALLOW);
	x.midstream = false;
	x.na = UINT32_C(1) << (16 + NODE_PIN);
	assert_int_equal(policy_eval(p, &b, &f).action, VERDICT_ALLOW);
	f.props = NULL;
	assert_int_equal(policy_eval(p, &b, &f).reason, REASON_SECURITY);

	/* a weak session is no way round a denial */
	x = props_good();
	x.num[NODE_LEVEL] = 0;
	f.props = &x;
	f.opx = 1;
	f.n_items = 1;
	f.item = (struct fact_item){.access = ACC_READ, .count = 1, .name = "ns=2;s=Setup",
	    .name_len = 12};
	v = policy_eval(p, &b, &f);
	assert_int_equal(v.action, VERDICT_RESET);
	assert_string_equal(rule_name(p, v.rule), "setup");

	/* limits, in both directions */
	x = props_good();
	f.n_items = 0;
	f.opx = 0;
	x.num[NODE_SIZE] = 1024;
	x.num[NODE_CHUNKS] = 4;
	assert_int_equal(policy_eval(p, &b, &f).action, VERDICT_ALLOW);
	x.num[NODE_SIZE] = 1025;
	v = policy_eval(p, &b, &f);
	assert_int_equal(v.action, VERDICT_DROP);
	assert_int_equal(v.reason, REASON_LIMIT);
	assert_string_equal(policy_key_name(v.rule), "message");
	f.kind = FACT_RESPONSE;
	assert_int_equal(policy_eval(p, &b, &f).reason, REASON_LIMIT);
	x.known &= ~(UINT32_C(1) << NODE_SIZE);
	x.num[NODE_OFFERS] = 6; /* Signed, Sealed */
	assert_int_equal(policy_eval(p, &b, &f).reason, REASON_RESPONSE);
	x.num[NODE_OFFERS] = 7; /* and Plain */
	v = policy_eval(p, &b, &f);
	assert_int_equal(v.action, VERDICT_ALERT);
	assert_int_equal(v.reason, REASON_SECURITY);
	assert_string_equal(policy_key_name(v.rule), "styles");

	/* encrypted: the floor decides, when no rule denies */
	f.kind = FACT_REQUEST;
	f.opx = 3;
	f.anomalies = FACT_A_ENCRYPTED;
	v = policy_eval(p, &b, &f);
	assert_int_equal(v.action, VERDICT_ALLOW);
	assert_int_equal(v.reason, REASON_SECURITY);
	assert_int_equal(v.rule, RULE_NONE);
	x.num[NODE_STYLE] = 0;
	v = policy_eval(p, &b, &f);
	assert_int_equal(v.action, VERDICT_REJECT);
	assert_string_equal(policy_key_name(v.rule), "styles");
	policy_free(p);
}

static void
test_why_session(void **state)
{
	struct policy *p = load_session();
	struct net_tuple t = tuple("10.0.0.1", "10.0.0.2", 4840);
	struct fact_props x = props_good();
	struct fact f = {.proto = PROTO_NODES, .opx = 2, .code = 673, .n_items = 1, .op = "Write",
	    .props = &x, .item = {.access = ACC_WRITE, .sub = 6, .count = 1, .name = "ns=2;s=Recipe.2",
	    .name_len = 15}};
	char *out = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&out, &n);

	(void)state;
	assert_non_null(to);
	x.num[NODE_STYLE] = 0;
	x.num[NODE_CHUNKS] = 9;
	x.text[NODE_APP].n = 7;
	policy_why(p, &t, &f, NULL, to);
	fclose(to);
	assert_string_equal(strstr(out, "nodes: Write"),
	    "nodes: Write (code 673), unit 0\n"
	    "   security plant.yaml:29:25: level is 4: met\n"
	    "   security plant.yaml:29:41: styles is Plain: below what is asked of every request\n"
	    "   security plant.yaml:29:65: pins is \"AB:CD\": met\n"
	    "   limit plant.yaml:30:39: chunks is 9, at most 4: drop\n"
	    "   item 1: write node \"ns=2;s=Recipe.2\"\n"
	    "      plant.yaml:34:11: deny rule \"setup\": no pattern of it matches \"ns=2;s=Recipe.2\"\n"
	    "      plant.yaml:36:11: allow rule \"session\": Write (code 673) is not among its functions\n"
	    "      plant.yaml:37:11: allow rule \"look\": Write (code 673) is not among its functions\n"
	    "      plant.yaml:38:11: allow rule \"recipe\": does not hold for attributes Range\n"
	    "      plant.yaml:39:11: allow rule \"range\": no pattern of it matches \"ns=2;s=Recipe.2\"\n"
	    "      plant.yaml:40:11: allow rule \"base\": its apps-like is not met: that is \"urn:hmi\"\n"
	    "verdict: drop (limit chunks)\n");
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
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_properties),
	    cmocka_unit_test(test_spaces),
	    cmocka_unit_test(test_name_spaces),
	    cmocka_unit_test(test_gate),
	    cmocka_unit_test(test_why_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
