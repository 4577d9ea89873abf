/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_guard_test.c - what `policy check` says of the keys that a guard goes by, and of
 * refusals that cannot be given.
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

/* Zones in line 2, devices in line 3; a conduit begins in line 5, its keys in column 39. */
#define ZONE(x) "interlock: 1\nmode: enforce\nzones: {z: {nets: [10.0.0.0/8], " x "}}\n"
#define L2(x)	"interlock: 1\nmode: enforce\nl2: {" x "}\n"
#define CONDUIT(x)                                                                                 \
	"interlock: 1\nmode: enforce\nzones: {a: {nets: [10.0.0.0/24]}, b: {nets: "                \
	"[10.0.1.0/24]}}\n"                                                                        \
	"conduits:\n  - {name: c, from: [a/*], to: [b/*], " x "}\n"
#define RULE "allow: [{name: r, units: [1], functions: [3], holding: [0..9]}]"
#define BODY "modbus: {addressing: zero-based, " RULE "}"
#define UA                                                                                         \
	"allow: [{name: s, services: [session]}, {name: r, services: [Read], nodes: "              \
	"[\"i=2258\"]}]"

/* Zones at two levels, and what one may ask of the other. */
#define LEVELS(a, b, functions)                                                                    \
	"interlock: 1\nmode: enforce\nzones: {a: {level: " a                                       \
	", nets: [10.0.0.0/24]}, b: {level: " b                                                    \
	", nets: [10.0.1.0/24]}}\nconduits:\n  - {name: c, from: [a/*], to: [b/*], modbus: "       \
	"{addressing: zero-based, allow: [{name: r, units: [1], functions: " functions             \
	", holding: [0..9]}]}}\n"

static void
test_errors(void **state)
{
	static const struct {
		const char *text;
		unsigned line, col;
		const char *say;
	} cases[] = {
	    {ZONE("limits: {packets: 9}"), 3, 51,
		"zone \"z\": limits: \"9\" is not a rate such as 200/s"},
	    {ZONE("limits: {flows: 0/s}"), 3, 49,
		"zone \"z\": limits: \"0/s\" is not a rate such as 200/s"},
	    {ZONE("limits: {flows: 5000000000/s}"), 3, 49,
		"zone \"z\": limits: \"5000000000/s\" is not a rate such as 200/s"},
	    {ZONE("limits: {flow: 9/s}"), 3, 42,
		"zone \"z\": limits: unknown key \"flow\", did you mean \"flows\"?"},
	    {L2("ra: yes"), 3, 10, "l2: ra: \"yes\" is none of allow, alert, drop"},
	    {L2("mld: reset"), 3, 11, "l2: mld: \"reset\" is none of allow, alert, drop"},
	    {L2("allow: [profinet-dpc]"), 3, 14,
		"l2: allow: unknown word \"profinet-dpc\", did you mean \"profinet-dcp\"?"},
	    {CONDUIT("latency: 2, " BODY), 5, 48,
		"conduit \"c\": \"2\" is not a time such as 500us, 2ms or 1s, up to a minute"},
	    {CONDUIT("latency: 61s, " BODY), 5, 48,
		"conduit \"c\": \"61s\" is not a time such as 500us, 2ms or 1s, up to a minute"},
	    {CONDUIT("latency: 0ms, " BODY), 5, 48,
		"conduit \"c\": \"0ms\" is not a time such as 500us, 2ms or 1s, up to a minute"},
	    {CONDUIT("flows: 0, " BODY), 5, 46, "conduit \"c\": 0 is outside 1..1048576"},
	    {CONDUIT("strict: yes, " BODY), 5, 47, "conduit \"c\": \"yes\" is none of false, true"},
	    {CONDUIT("icmp: [pong], " BODY), 5, 46,
		"conduit \"c\": icmp: \"pong\" is none of echo"},
	    {CONDUIT("conditions: {overload: resync}, " BODY), 5, 62,
		"conduit \"c\": condition \"overload\": \"resync\" is none of allow, alert, drop, "
		"reset"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct complaints c = {0};
		struct policy *p = policy_build_text("t", cases[i].text, strlen(cases[i].text), &c);
		bool found = false;

		assert_null(p);
		for (size_t j = 0; j < c.n; j++)
			found = found ||
				(strcmp(c.v[j].text, cases[i].say) == 0 &&
				    c.v[j].line == cases[i].line && c.v[j].col == cases[i].col);
		if (!found)
			complaints_print(&c, stderr);
		if (!found)
			fail_msg("case %u", i);
		complaints_fini(&c);
	}
}

static void
test_warnings(void **state)
{
	static const struct {
		const char *text, *say; /* say NULL: none at all */
	} cases[] = {
	    {CONDUIT("icmp: echo, strict: true, latency: 500us, flows: 9"), NULL},
	    {CONDUIT("latency: 60s, " BODY), NULL},
	    {CONDUIT("latency: 2ms"), "conduit \"c\": no protocol: it allows nothing"},
	    {CONDUIT("otherwise: reject, " BODY), NULL},
	    {CONDUIT(
		 "otherwise: reject, modbus: {addressing: zero-based, ports: [udp/502], " RULE "}"),
		"modbus: over UDP reject becomes drop"},
	    {CONDUIT(
		 "otherwise: drop, modbus: {addressing: zero-based, ports: [udp/502], " RULE "}"),
		NULL},
	    {CONDUIT("modbus: {addressing: zero-based, ports: [udp/502], deny: [{name: d, verdict: "
		     "reject, units: all, functions: [6]}], " RULE "}"),
		"modbus: over UDP reject becomes drop"},
	    {CONDUIT("modbus: {addressing: zero-based, ports: [udp/502], deny: [{name: d, enabled: "
		     "false, verdict: reject, units: all, functions: [6]}], " RULE "}"),
		NULL},
	    {CONDUIT("otherwise: reject, s7plus: {encrypted: drop, allow: [{name: r, functions: "
		     "read}]}"),
		"s7plus: it has no refusal of its own: reject becomes reset"},
	    {CONDUIT("otherwise: reject, opcua: {encrypted: drop, security: {modes: [Sign, "
		     "SignAndEncrypt]}, " UA "}"),
		"opcua: modes: nobody can answer for the server in such a session: reject becomes "
		"reset"},
	    {CONDUIT(
		 "otherwise: reset, opcua: {encrypted: drop, security: {modes: [Sign]}, " UA "}"),
		NULL},
	    {CONDUIT(
		 "otherwise: reject, opcua: {encrypted: drop, security: {modes: [None, Sign]}, " UA
		 "}"),
		NULL},
	    {CONDUIT("otherwise: reject, opcua: {encrypted: drop, " UA "}"), NULL},
	    {LEVELS("4", "1", "[3, 6]"),
		"rule \"r\": lets zone \"a\" (level 4) write to zone \"b\" "
		"(level 1), more than one level below"},
	    {LEVELS("3.5", "2", "[6]"),
		"rule \"r\": lets zone \"a\" (level 3.5) write to zone \"b\" "
		"(level 2), more than one level below"},
	    {LEVELS("4", "1", "[3]"), NULL},
	    {LEVELS("2", "1", "[3, 6]"), NULL},
	    {LEVELS("1", "4", "[3, 6]"), NULL},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct complaints c = {0};
		struct policy *p = policy_build_text("t", cases[i].text, strlen(cases[i].text), &c);

		if (!p || c.n != (cases[i].say ? 1u : 0u) ||
		    (cases[i].say && strcmp(c.v[0].text, cases[i].say) != 0)) {
			complaints_print(&c, stderr);
			fail_msg("case %u", i);
		}
		policy_free(p);
		complaints_fini(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_warnings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
