/* SPDX-License-Identifier: Apache-2.0 */
/* propose_test.c - alerts to disabled rules: places in the text, hostile words, what no rule can do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "alerts/propose.h"
#include "base/err.h"

#define HEAD                                                                                       \
	"interlock: 1\nmode: enforce\nzones: {it: {nets: [10.0.0.0/24]}, ot: {nets: "              \
	"[10.0.1.0/24]}}\n"                                                                        \
	"devices: {hmi: {zone: it, ip: 10.0.0.1}, plc: {zone: ot, ip: 10.0.1.2}}\n"
#define MODBUS                                                                                     \
	HEAD "conduits:\n- name: panel\n  from: [hmi]\n  to: [plc]\n  modbus:\n"                   \
	     "    addressing: zero-based\n    allow:\n    - {name: poll, units: [1], functions: "  \
	     "[3], "                                                                               \
	     "holding: [0..9]}\n"
#define OPCUA                                                                                      \
	HEAD "conduits: [{name: ua, from: [hmi], to: [plc], opcua: {allow: [{name: s, services: "  \
	     "[session]}]}}]\n"

/* An alert of a request from the HMI, or somebody else, to the PLC. */
static char *
alert(const char *src, const char *app, unsigned port, const char *op, const char *object,
    const char *pdu)
{
	static char buf[16][4096];
	static unsigned at;
	char *s = buf[at++ % 16];

	snprintf(s, sizeof(buf[0]),
	    "{\"timestamp\":\"2026-11-29T00:00:00.000000+0000\",\"event_type\":\"alert\",\"src_"
	    "ip\":\"%s\","
	    "\"src_port\":40000,\"dest_ip\":\"10.0.1.2\",\"dest_port\":%u,\"proto\":\"TCP\","
	    "\"direction\":"
	    "\"to_server\",\"app_proto\":\"%s\",\"alert\":{\"signature\":\"x\",\"metadata\":{\"il_"
	    "reason\":["
	    "\"otherwise\"],\"il_kind\":[\"request\"],\"il_op\":[\"%s\"],\"il_unit\":[\"1\"],\"il_"
	    "object\":["
	    "\"%s\"],\"il_pdu\":[\"%s\"]}}}\n",
	    src, port, app, op, object, pdu);
	return s;
}

static struct proposal
give(const char *policy, const char *eve, int want)
{
	struct policy_source src = {
	    .name = "p.yaml", .text = policy, .len = policy ? strlen(policy) : 0};
	struct proposal p;
	char err[256] = "";
	int r = propose(eve, strlen(eve), policy ? &src : NULL, &p, err, sizeof(err));

	if (r != want)
		print_error(
		    "%d %s: %s%s\n", r, err, p.notes ? p.notes : "", p.rules ? p.rules : "");
	assert_int_equal(r, want);
	return p;
}

/* The policy with this one line in it, and nothing else changed. */
static void
adds(const char *policy, const char *eve, const char *line)
{
	struct proposal p = give(policy, eve, 0);
	const char *at = strstr(p.policy, line);
	size_t n = strlen(line), front;

	if (!at)
		print_error("%s", p.policy);
	assert_non_null(at);
	front = (size_t)(at - p.policy);
	assert_memory_equal(p.policy, policy, front);
	assert_string_equal(at + n, policy + front);
	assert_int_equal(p.n_rules, 1);
	assert_null(strstr(p.enabled, "enabled: false"));
	proposal_fini(&p);
}

static void
refuses(const char *policy, const char *eve, const char *why)
{
	struct proposal p = give(policy, eve, ERR_UNSUPPORTED);

	if (!strstr(p.notes, why))
		print_error("%s", p.notes);
	assert_non_null(strstr(p.notes, why));
	assert_string_equal(p.rules, "");
	assert_null(p.policy);
	proposal_fini(&p);
}

#define WRITE(reg, value)                                                                          \
	alert("10.0.0.1", "modbus", 502, "write_single_register", "holding " #reg,                 \
	    "{\\\"code\\\":6,\\\"addr\\\":" #reg ",\\\"values\\\":[" #value "]}")

static void
test_places(void **state)
{
	(void)state;
	adds(MODBUS, WRITE(7, 55),
	    "- {name: expected-write-single-register, enabled: false, units: [1], functions: "
	    "[write_single_register], holding: [7], values: {7: 55}}\n    ");
	/* a list in brackets; a block without `allow`; a conduit without the block */
	adds(OPCUA, alert("10.0.0.1", "opcua", 4840, "Write", "ns=2;s=Recipe.Sugar", "{}"),
	    "{name: expected-write, enabled: false, services: [Write], nodes: "
	    "[\"ns=2;s=Recipe.Sugar\"]}, ");
	adds(HEAD
	    "conduits:\n  - name: panel\n    from: [hmi]\n    to: [plc]\n    modbus: {addressing: "
	    "one-based}\n",
	    WRITE(7, 55),
	    "allow: [{name: expected-write-single-register, enabled: false, units: [1], functions: "
	    "[write_single_register], holding: [8], values: {8: 55}}], ");
	adds(OPCUA, WRITE(7, 55),
	    "modbus: {addressing: zero-based, allow: [{name: expected-write-single-register, "
	    "enabled: "
	    "false, units: [1], functions: [write_single_register], holding: [7], values: {7: "
	    "55}}]}, ");
	/* no conduit at all */
	adds(HEAD "conduits: []\n", WRITE(7, 55),
	    "{name: hmi-plc, from: [hmi], to: [plc], modbus: {addressing: zero-based, allow: "
	    "[{name: "
	    "expected-write-single-register, enabled: false, units: [1], functions: "
	    "[write_single_register], holding: [7], values: {7: 55}}]}}");
}

/* What a PDU touches is all of it, each with what is done to it. */
static void
test_objects(void **state)
{
	(void)state;
	adds(MODBUS,
	    alert("10.0.0.1", "modbus", 502, "read_write_multiple_registers", "holding 0..3, ...",
		"{\\\"code\\\":23,\\\"touches\\\":[\\\"read holding 0..3\\\",\\\"write holding "
		"8\\\"]}"),
	    "- {name: expected-read-write-multiple-registers, enabled: false, units: [1], "
	    "functions: "
	    "[read_write_multiple_registers], read: {holding: [0..3]}, write: {holding: [8]}}\n   "
	    " ");
	refuses(MODBUS,
	    alert("10.0.0.1", "modbus", 502, "read_write_multiple_registers", "holding 0..3, ...",
		"{\\\"code\\\":23"),
	    "does not stand in the alert in full");
	adds(HEAD "conduits: [{name: c, from: [hmi], to: [plc], s7: {allow: []}}]\n",
	    alert("10.0.0.1", "s7", 102, "write", "DB10.DBB4..5, ...",
		"{\\\"code\\\":5,\\\"touches\\\":[\\\"write DB10.DBB4..5\\\",\\\"write M0.1\\\"]}"),
	    "{name: expected-write, enabled: false, functions: [write], write: [DB10.DBB4..5, "
	    "M0.1]}");
	/* a block that is loaded is no area */
	adds(HEAD "conduits: [{name: c, from: [hmi], to: [plc], s7: {allow: []}}]\n",
	    alert("10.0.0.1", "s7", 102, "request_download", "DB10", "{\\\"code\\\":26}"),
	    "{name: expected-request-download, enabled: false, functions: [request_download], "
	    "blocks: "
	    "[DB10]}");
}

/* Several alerts: one rule for each operation, all that they show in it. */
static void
test_several(void **state)
{
	char eve[16384];
	struct proposal p;

	(void)state;
	snprintf(eve, sizeof(eve), "%s%s%s%s", WRITE(7, 55), WRITE(7, 60), WRITE(9, 1),
	    alert("10.0.0.1", "modbus", 502, "write_single_coil", "coil 3", "{\\\"code\\\":5}"));
	p = give(MODBUS, eve, 0);
	assert_int_equal(p.n_rules, 2);
	assert_non_null(strstr(p.policy, "holding: [7, 9], values: {7: 55..60, 9: 1}}"));
	assert_non_null(strstr(p.policy, "coils: [3]}"));
	assert_non_null(
	    strstr(p.diff, "+ panel/expected-write-single-coil: once enabled, hmi may, of plc, "));
	proposal_fini(&p);
}

/* Words of the wire say what they say, and nothing to the policy. */
static void
test_hostile(void **state)
{
	static const char *const names[] = {"re:.*", "nsu=x;re:.*", "$set", "", "ns=2;s=*"};
	(void)state;

	for (unsigned i = 0; i < 3; i++)
		refuses(
		    OPCUA, alert("10.0.0.1", "opcua", 4840, "Write", names[i], "{}"), "in full");
	adds(OPCUA, alert("10.0.0.1", "opcua", 4840, "Write", names[4], "{}"),
	    "{name: expected-write, enabled: false, services: [Write], nodes: [\"ns=2;s=?\"]}, ");
	adds(OPCUA,
	    alert("10.0.0.1", "opcua", 4840, "Write", "ns=2;s=a\\\"]}, {name: x, services: [all",
		"{}"),
	    "{name: expected-write, enabled: false, services: [Write], nodes: [\"ns=2;s=a\\\"]}, "
	    "{name: x, "
	    "services: [all\"]}, ");
	refuses(
	    MODBUS, alert("10.0.0.1", "modbus", 502, "x\\n- all", "holding 7", "{}"), "not known");
	refuses(MODBUS,
	    alert("10.0.0.1", "modbus", 502, "write_single_register", "holding 7]", "{}"),
	    "in full");
	refuses(MODBUS,
	    alert("10.0.0.1", "modbus", 502, "write_single_register", "holding 70000", "{}"),
	    "in full");
	refuses(MODBUS, alert("10.0.0.1", "teletext", 502, "read", "", "{}"), "not known");
	(void)give(MODBUS, "{\"alert\":1}\n", ERR_SYNTAX);
	(void)give(MODBUS, "", ERR_SYNTAX);
	(void)give("interlock: 2\n", WRITE(7, 55), ERR_SYNTAX);
}

/* Who is not declared gets a name only where that gives it nothing else. */
static void
test_strangers(void **state)
{
	struct proposal p;
	const char *eve = alert("10.0.0.66", "modbus", 502, "read_holding_registers",
	    "holding 0..9", "{\\\"code\\\":3}");

	(void)state;
	p = give(MODBUS, eve, 0);
	assert_non_null(strstr(p.policy, "{device-10-0-0-66: {zone: it, ip: \"10.0.0.66\"}, hmi:"));
	assert_non_null(
	    strstr(p.diff, "+ device device-10-0-0-66: 10.0.0.66 in zone it\n"
			   "+ conduit device-10-0-0-66-plc: device-10-0-0-66 may connect to "
			   "port 502 of plc, also while the rule is disabled\n"));
	proposal_fini(&p);
	refuses(HEAD
	    "conduits: [{name: z, from: [it], to: [plc], modbus: {addressing: zero-based, allow: "
	    "[{name: r, units: all, functions: all, holding: all}]}}]\n",
	    eve, "a conduit is for all devices of zone it");
	refuses(MODBUS,
	    alert("192.168.7.7", "modbus", 502, "read_holding_registers", "holding 0..9", "{}"),
	    "192.168.7.7 is in no zone");
}

static void
test_no_rule(void **state)
{
	struct proposal p;

	(void)state;
	refuses(MODBUS,
	    alert("10.0.0.1", "modbus", 502, "read_holding_registers", "holding 0..9", "{}"),
	    "allows it already");
	refuses(MODBUS, alert("10.0.0.1", "modbus", 5020, "read_coils", "coil 0", "{}"),
	    "does not serve this port");
	refuses(NULL, WRITE(7, 55), "no policy was given");
	p = give(NULL,
	    "{\"src_ip\":\"10.0.0.1\",\"src_port\":50000,\"dest_ip\":\"10.0.1.2\",\"dest_port\":"
	    "102,\"proto\":"
	    "\"TCP\",\"alert\":{\"metadata\":{\"il_detection\":[\"plc-stop\"],\"il_op\":[\"stop\"]}"
	    "}}\n",
	    0);
	assert_string_equal(p.expected,
	    "{\"detection\":\"plc-stop\",\"from\":\"10.0.0.1\",\"to\":\"10.0.1.2\","
	    "\"port\":102,\"op\":\"stop\",\"enabled\":false}\n");
	assert_int_equal(p.n_expected, 1);
	proposal_fini(&p);
	refuses(NULL, "{\"alert\":{\"metadata\":{\"il_detection\":[\"x\"]}}}\n", "not something");
	refuses(NULL, "{\"alert\":{\"metadata\":{\"il_event\":[\"guard.started\"]}}}\n",
	    "not something");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_objects),
	    cmocka_unit_test(test_several),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_strangers),
	    cmocka_unit_test(test_no_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
