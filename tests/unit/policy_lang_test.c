/* SPDX-License-Identifier: Apache-2.0 */
/* policy_lang_test.c - what the language has to say a thing once: groups, roles, sets, l4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/policy.h"
#include "tests/model/toy.h"

#define HEAD "interlock: 1\nmode: enforce\n"
#define NETS                                                                                       \
	"zones: {za: {nets: [10.0.1.0/24]}, zb: {nets: [10.0.2.0/24]}}\n"                          \
	"devices: {a1: {zone: za, ip: 10.0.1.1, role: hmi}, a2: {zone: za, ip: 10.0.1.2, role: "   \
	"hmi}, a3: {zone: za, ip: 10.0.1.3}, b1: {zone: zb, ip: 10.0.2.1, role: plc}, b2: {zone: " \
	"zb, ip: 10.0.2.2, role: \"old plc\"}}\n"
#define REG(n)                                                                                     \
	"toy: {addressing: zero-based, allow: [{name: r, units: 1, functions: 3, reg: " #n "}]}"
#define GROUPS(x)	     HEAD NETS "groups: {" x "}\nconduits:\n"
#define C(name, from, to, n) "  - {name: " name ", from: [" from "], to: [" to "], " REG(n) "}\n"

/* All but notes that is said of a text, line by line, without ids; NULL stays in *p when it does not load. */
static char *
said(const char *text, struct policy **p)
{
	struct complaints c = {0};
	char *buf = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&buf, &n);

	assert_non_null(f);
	*p = policy_build_text("p", text, strlen(text), &c);
	for (size_t i = 0; i < c.n; i++)
		if (c.v[i].level != COMPLAINT_NOTE)
			fprintf(f, "%s:%u:%u: %s%s\n", complaint_file(&c, &c.v[i]), c.v[i].line,
			    c.v[i].col, c.v[i].level == COMPLAINT_WARNING ? "warning: " : "",
			    c.v[i].text);
	fclose(f);
	complaints_fini(&c);
	return buf;
}

static void
says(const char *text, const char *want)
{
	struct policy *p;
	char *got = said(text, &p);
	unsigned errors = 0;

	if (strcmp(got, want) != 0)
		fprintf(stderr, "%s", text);
	assert_string_equal(got, want);
	for (const char *line = want; *line; line = strchr(line, '\n') + 1)
		errors += strncmp(strchr(line, ' '), " warning:", 9) != 0;
	assert_true((p == NULL) == (errors != 0));
	policy_free(p);
	free(got);
}

static const char *
governed(const struct policy *p, const char *from, const char *to)
{
	struct net_tuple t = {.proto = NET_PROTO_TCP, .dport = 502};
	struct policy_bind b;

	assert_int_equal(net_addr_parse(from, &t.src), 0);
	assert_int_equal(net_addr_parse(to, &t.dst), 0);
	(void)policy_bind(p, &t, &b);
	return policy_conduit_name(p, b.conduit);
}

/* --- groups ---------------------------------------------------------------------------------- */

static void
test_group_levels(void **state)
{
	static const char text[] = GROUPS("g: [a1, a2], all: [g, a3], unused-no: \"role:hmi\"")
	    C("zone", "za", "zb", 1) C("device", "a1", "b1", 2) C("wide", "all", "zb", 3)
		C("narrow", "g", "zb", 4) C("role", "unused-no", "role:plc", 5);
	struct policy *p;
	char *got = said(text, &p);

	(void)state;
	assert_string_equal(got,
	    "p:7:5: warning: conduit \"zone\": never governs: more specific ones (\"wide\", line "
	    "9) have all of its pairs\n");
	assert_non_null(p);
	assert_string_equal(governed(p, "10.0.1.1", "10.0.2.1"), "device");
	assert_string_equal(governed(p, "10.0.1.2", "10.0.2.1"), "role");
	assert_string_equal(governed(p, "10.0.1.2", "10.0.2.2"), "narrow");
	assert_string_equal(governed(p, "10.0.1.3", "10.0.2.2"), "wide");
	assert_string_equal(governed(p, "10.0.1.9", "10.0.2.2"), "-");
	assert_true(policy_has_group(p, "all"));
	assert_false(policy_has_group(p, "a1"));
	policy_free(p);
	free(got);
}

/* Of all devices of a zone the zone is one conduit and a group another: the group is narrower. */
static void
test_group_and_zone(void **state)
{
	struct policy *p;
	char *got = said(GROUPS("g: [a1, a2, a3]") C("zone", "za", "b1", 1) C("group", "g", "zb", 2)
			     C("both", "g", "b1", 3),
	    &p);

	(void)state;
	assert_string_equal(got,
	    "p:7:5: warning: conduit \"zone\": never governs: more specific ones (\"both\", line "
	    "9) have all of its pairs\n");
	assert_string_equal(governed(p, "10.0.1.1", "10.0.2.1"), "both");
	assert_string_equal(governed(p, "10.0.1.1", "10.0.2.2"), "group");
	policy_free(p);
	free(got);
}

/* clang-format off */
static void
test_group_errors(void **state)
{
	(void)state;
	says(GROUPS("a1: [a2]") C("c", "a1", "b1", 1),
	    "p:5:10: group \"a1\": line 4 already has a device of that name\n");
	says(GROUPS("g: [h], h: [a1, g]") C("c", "g", "b1", 1),
	    "p:5:26: group \"h\": group \"g\" is within itself (line 5)\n");
	says(GROUPS("g: [g]") C("c", "g", "b1", 1), "p:5:14: group \"g\": group \"g\" is within itself (line 5)\n");
	says(GROUPS("g: []") C("c", "g", "b1", 1), "p:5:13: group \"g\": expected a list of devices and groups\n");
	says(GROUPS("g: {a1: 1}") C("c", "g", "b1", 1), "p:5:13: group \"g\": expected a list of devices and groups\n");
	says(GROUPS("g: [za]") C("c", "g", "b1", 1), "p:5:14: group \"g\": \"za\" is a zone; a group holds devices and groups\n");
	says(GROUPS("g: [a4]") C("c", "g", "b1", 1), "p:5:14: group \"g\": there is no device or group \"a4\", did you mean \"a1\"?\n");
	says(GROUPS("panels: [a1]") C("c", "panel", "b1", 1),
	    "p:7:22: conduit \"c\": there is no device, group or zone \"panel\", did you mean \"panels\"?\n");
	says(GROUPS("g: [a1]") C("c", "g/*", "b1", 1), "p:7:22: conduit \"c\": \"g\" is a group, not a zone\n");
	says(GROUPS("g: [a1]") C("c", "role:hmo", "b1", 1),
	    "p:7:22: conduit \"c\": no device has the role \"hmo\", did you mean \"hmi\"?\n");
	says(GROUPS("g: [\"role:x\"]") C("c", "g", "b1", 1), "p:5:14: group \"g\": no device has the role \"x\"\n");
	says(HEAD NETS "groups: [g]\nconduits:\n" C("c", "a1", "b1", 1), "p:5:9: groups: expected a map of groups by name\n");
	says(GROUPS("g: [a1], h: [a1, g]") C("c", "a2", "b1", 1),
	    "p:5:19: warning: group \"h\": nothing names it\n");
}

/* Two groups that share a device, neither within the other. */
static void
test_group_overlap(void **state)
{
	(void)state;
	says(GROUPS("g: [a1, a2], h: [a2, a3]") C("c", "g", "b1", 1) C("d", "h", "b1", 2),
	    "p:8:31: conduit \"d\": from a2 (of h) to b1 is governed by conduit \"c\" (line 7) just as specifically\n");
	says(GROUPS("g: [a1, a2], h: [a2, a3]") C("c", "g", "b1", 1) C("d", "h", "b1", 1), ""); /* they say the same */
	says(GROUPS("g: [a1, a2], h: [a2, a3]") C("c", "g", "b1", 1) C("d", "h", "b1", 2) C("e", "a2", "b1", 3), "");
	says(GROUPS("g: [a1, a2], h: [a2, a1]") C("c", "g", "b1", 1) C("d", "h", "b1", 2),
	    "p:8:31: conduit \"d\": from a1 (of h) to b1 is governed by conduit \"c\" (line 7) just as specifically\n");
	/* narrower here, wider there */
	says(GROUPS("g: [a1, a2]") C("c", "g", "b1", 1) C("d", "a1", "zb", 2),
	    "p:7:31: conduit \"c\": from a1 to b1 is governed by conduit \"d\" (line 8) just as specifically\n");
	says(GROUPS("g: [a1, a2]") C("c", "g", "b1", 1) C("d", "a1", "zb", 2) C("e", "a1", "b1", 3), "");
	says(GROUPS("g: [a1, a2], h: [a1, a2, a3], x: [b1], y: [b1, b2]") C("c", "g", "y", 1) C("d", "h", "x", 2),
	    "p:8:31: conduit \"d\": from a1 (of h) to b1 (of x) is governed by conduit \"c\" (line 7) just as specifically\n");
	says(GROUPS("g: [a1, a2], h: [a1, a2, a3], x: [b1], y: [b1, b2]") C("c", "g", "y", 1) C("d", "h", "x", 2) C("e", "g", "x", 3), "");
}
/* clang-format on */

/* --- sets ------------------------------------------------------------------------------------ */

#define SETS(sets, rule)                                                                           \
	HEAD NETS "sets: {" sets "}\nconduits:\n  - {name: c, from: [a1], to: [b1], toy: "         \
		  "{addressing: zero-based, allow: [\n{" rule "}]}}\n"
#define RULE "name: r, units: 1, functions: 6, "

/* May this value be written to this register? */
static bool
may_write(const struct policy *p, uint32_t reg, uint16_t value)
{
	struct net_tuple t = {.proto = NET_PROTO_TCP, .dport = 502};
	struct fact f = {.proto = PROTO_TOY,
	    .kind = FACT_REQUEST,
	    .dir = DIR_TO_SERVER,
	    .code = 6,
	    .sub = FACT_NO_SUB,
	    .access = ACC_WRITE,
	    .op = "write_reg",
	    .unit = 1,
	    .n_items = 1};
	uint8_t wire[2] = {(uint8_t)(value >> 8), (uint8_t)value};
	struct policy_bind b;

	for (unsigned i = 0; i < toy_schema.n_ops; i++)
		if (toy_schema.ops[i].code == 6)
			f.opx = toy_schema.ops[i].opx;
	f.item = (struct fact_item){.space = 0,
	    .access = ACC_WRITE,
	    .first = reg,
	    .count = 1,
	    .vals = wire,
	    .enc = ENC_U16_BE};
	assert_int_equal(net_addr_parse("10.0.1.1", &t.src), 0);
	assert_int_equal(net_addr_parse("10.0.2.1", &t.dst), 0);
	(void)policy_bind(p, &t, &b);
	return policy_eval(p, &b, &f).action == VERDICT_ALLOW;
}

/* The same policy, written with sets and without. */
static void
test_sets(void **state)
{
	struct policy *p;
	char *got;

	(void)state;
	got = said(SETS("regs: [10..19, 30], more: [$regs, 40], ok: [0..5, 9], f: 6, u: [1, 2]",
		       "name: r, units: $u, functions: [$f], reg: [$more, 50], values: {$regs: "
		       "$ok, 40: [$ok, 7]}"),
	    &p);
	assert_string_equal(got, "");
	assert_non_null(p);
	assert_true(may_write(p, 10, 5));
	assert_false(may_write(p, 10, 7));
	assert_true(may_write(p, 30, 9));
	assert_false(may_write(p, 30, 8));
	assert_true(may_write(p, 40, 7));
	assert_false(may_write(p, 40, 8));
	assert_true(may_write(p, 50, 1000));
	assert_false(may_write(p, 20, 0));
	policy_free(p);
	free(got);
}

/* clang-format off */
static void
test_set_errors(void **state)
{
	(void)state;
	says(SETS("regs: [1]", RULE "reg: $reg"), "p:5:8: warning: set \"regs\": nothing uses it\n"
	    "p:8:40: there is no set \"$reg\", did you mean \"$regs\"?\n");
	says(SETS("regs: [1, 70000]", RULE "reg: [3, $regs]"),
	    "p:8:44: rule \"r\": reg: \"70000\" is outside 0..65535 (set \"regs\", line 5)\n");
	says(SETS("a: [$b], b: [$c], c: [1, $a]", RULE "reg: $a"), "p:5:33: set \"$a\" is within itself\n");
	says(SETS("a: [1, {x: 2}]", RULE "reg: $a"), "p:5:15: set \"a\": a set holds values, not a map\n");
	says(SETS("a: {x: 2}", RULE "reg: 1"), "p:5:8: warning: set \"a\": nothing uses it\n"
	    "p:5:11: set \"a\": expected a list of values\n");
	says(HEAD NETS "sets: [a]\nconduits: []\n", "p:5:7: sets: expected a map of sets by name\n");
	says(SETS("a: [1]", RULE "reg: 1, enabled: $a"),
	    "p:8:52: rule \"r\": expected one value, not a list\n");
	says(SETS("a: [reg, bit]", RULE "$a: 1"), "p:8:35: rule \"r\": keys are written out (set \"a\", line 5)\n"
	    "p:8:35: rule \"r\": keys are written out (set \"a\", line 5)\n");
	says(HEAD "zones: {$$z: {nets: [10.0.0.0/8]}}\n", "p:1:1: warning: policy: no \"conduits\": nobody may talk to anybody\n"
	    "p:3:9: zone: a name does not begin with a $, which is for sets\n");
	says(SETS("a: 1", RULE "reg: $$a"), "p:5:8: warning: set \"a\": nothing uses it\n"
	    "p:8:40: rule \"r\": reg: \"$a\" is neither an address nor a range a..b\n");
}

/* Each twice what the one before holds: 2^30 values, were they all put in. */
static void
test_set_bomb(void **state)
{
	static char text[8192];
	size_t n = (size_t)snprintf(text, sizeof(text), HEAD NETS "sets:\n  s0: [1, 2]\n");
	struct policy *p;
	char *got;

	(void)state;
	for (unsigned i = 1; i < 30; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "  s%u: [$s%u, $s%u]\n", i, i - 1, i - 1);
	(void)snprintf(text + n, sizeof(text) - n, "conduits:\n  - {name: c, from: [a1], to: [b1], toy: {addressing: zero-based, allow: [{"
	    RULE "reg: $s29}]}}\n");
	got = said(text, &p);
	assert_null(p);
	assert_non_null(strstr(got, "sets: more than 1048576 values in all places together\n"));
	free(got);
}
/* clang-format on */

/* --- l4 -------------------------------------------------------------------------------------- */

#define L4(rules)                                                                                  \
	HEAD NETS "conduits:\n  - name: c\n    from: [a1]\n    to: [b1]\n    l4:\n" rules          \
		  "    " REG(1) "\n"

static struct verdict
opened(const struct policy *p, uint8_t proto, uint16_t port, struct policy_bind *b)
{
	struct net_tuple t = {.proto = proto, .dport = port};

	assert_int_equal(net_addr_parse("10.0.1.1", &t.src), 0);
	assert_int_equal(net_addr_parse("10.0.2.1", &t.dst), 0);
	return policy_bind(p, &t, b);
}

static void
test_l4(void **state)
{
	struct policy_rule_info info;
	struct policy_bind b;
	struct policy *p;
	struct verdict v;
	struct fact f = {.proto = PROTO_TOY, .kind = FACT_REQUEST, .op = "read"};
	char *got = said(L4("      - {name: web, ports: [443, 8000..8010]}\n"
			    "      - {name: clock, ports: udp/123, verdict: alert}\n"
			    "      - {name: later, ports: [22], enabled: false}\n"
			    "      - {name: tls, ports: tcp/853}\n"),
	    &p);

	(void)state;
	assert_string_equal(got, "");
	assert_non_null(p);
	v = opened(p, NET_PROTO_TCP, 8010, &b);
	assert_int_equal(v.action, VERDICT_ALLOW);
	assert_int_equal(b.flags & (BIND_L4 | BIND_PORT_OK), BIND_L4);
	assert_int_equal(policy_rule_info(p, v.rule, &info), 0);
	assert_string_equal(info.name, "web");
	assert_string_equal(info.proto, "l4");
	assert_int_equal(info.line, 10);
	/* a protocol that is spoken there is not let through by the port */
	v = policy_eval(p, &b, &f);
	assert_int_equal(v.action, VERDICT_DROP);
	assert_int_equal(v.reason, REASON_PORT);
	v = opened(p, NET_PROTO_UDP, 123, &b);
	assert_int_equal(v.action, VERDICT_ALERT);
	assert_int_equal(policy_rule_info(p, v.rule, &info), 0);
	assert_string_equal(info.name, "clock");
	assert_int_equal(opened(p, NET_PROTO_UDP, 443, &b).reason, REASON_PORT);
	assert_int_equal(opened(p, NET_PROTO_TCP, 123, &b).reason, REASON_PORT);
	assert_int_equal(opened(p, NET_PROTO_TCP, 853, &b).action, VERDICT_ALLOW);
	assert_int_equal(opened(p, NET_PROTO_UDP, 853, &b).reason, REASON_PORT);
	assert_int_equal(opened(p, NET_PROTO_TCP, 22, &b).action, VERDICT_DROP); /* not enabled */
	v = opened(p, NET_PROTO_TCP, 502, &b);
	assert_int_equal(v.rule, RULE_NONE);
	assert_int_equal(b.flags & (BIND_L4 | BIND_PORT_OK), BIND_PORT_OK);
	policy_free(p);
	free(got);
}

/* A port lets nobody pass who is not who he says he is. */
static void
test_l4_and_mac(void **state)
{
	static const char text[] = HEAD
	    "l2: {mac: drop}\nzones: {za: {nets: [10.0.1.0/24]}, zb: {nets: [10.0.2.0/24]}}\n"
	    "devices: {a1: {zone: za, ip: 10.0.1.1, mac: \"02:00:00:00:00:01\"}, b1: {zone: zb, "
	    "ip: 10.0.2.1}}\nconduits:\n  - {name: c, from: [a1], to: [b1], l4: [{name: web, "
	    "ports: [443]}]}\n";
	struct net_tuple t = {.proto = NET_PROTO_TCP, .dport = 443, .smac = {2, 0, 0, 0, 0, 1}};
	struct policy_bind b;
	struct policy *p;
	char *got = said(text, &p);
	struct verdict v;

	(void)state;
	assert_string_equal(got, "");
	assert_int_equal(net_addr_parse("10.0.1.1", &t.src), 0);
	assert_int_equal(net_addr_parse("10.0.2.1", &t.dst), 0);
	assert_int_equal(policy_bind(p, &t, &b).action, VERDICT_ALLOW);
	t.smac[5] = 9;
	v = policy_bind(p, &t, &b);
	assert_int_equal(v.action, VERDICT_DROP);
	assert_int_equal(v.reason, REASON_L2);
	policy_free(p);
	free(got);
}

/* clang-format off */
static void
test_l4_errors(void **state)
{
	(void)state;
	says(L4("      - {name: all, ports: [1..65535]}\n"),
	    "p:10:29: rule \"all\": 1..65535 would silence rule \"r\" of toy (line 11)\n");
	says(L4("      - {name: all, ports: any}\n"), "p:10:28: rule \"all\": any would silence rule \"r\" of toy (line 11)\n");
	says(L4("      - {name: many, ports: [4000..5000]}\n"), "p:10:30: rule \"many\": 4000..5000 holds port 4840 of nodes, "
	    "which is read and not just passed: it takes a block of its own\n");
	says(L4("      - {name: r, ports: [443]}\n"), "p:11:43: rule \"r\": line 10 of conduit \"c\" already has a rule of that name\n");
	says(L4("      - {name: w, port: [443]}\n"), "p:10:9: rule \"w\": required key \"ports\" is missing\n"
	    "p:10:19: rule \"w\": unknown key \"port\", did you mean \"ports\"?\n");
	says(L4("      - {name: w, ports: [http]}\n"), "p:10:27: rule \"w\": ports: \"http\" is none of 443, 8000..8010, udp/123\n");
	says(L4("      - {name: w, ports: [443], verdict: drop}\n"), "p:10:42: rule \"w\": \"drop\" is none of allow, alert\n");
	says(L4("      {}\n"), "p:10:7: conduit \"c\": l4: expected a list of rules\n");
	says(L4("      - {name: w, ports: [udp/4840]}\n"), ""); /* not spoken there */
}
/* clang-format on */

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_group_levels),
	    cmocka_unit_test(test_group_and_zone),
	    cmocka_unit_test(test_group_errors),
	    cmocka_unit_test(test_group_overlap),
	    cmocka_unit_test(test_l4),
	    cmocka_unit_test(test_l4_and_mac),
	    cmocka_unit_test(test_l4_errors),
	    cmocka_unit_test(test_sets),
	    cmocka_unit_test(test_set_errors),
	    cmocka_unit_test(test_set_bomb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
