/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fast_eval_test.c - requests by the tables as the kernel walks them (ebpf/fast_eval.h) and by
 * policy_eval(): where the first says yes, so does the second, by the same rule.  Which blocks
 * the kernel may judge at all; and that what reports say of it (policy/kernel.h) is just that.
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
#include "policy/kernel.h"
#include "policy/table.h"

typedef const struct gate_spec *test_tables;
#define FAST_TABLES	test_tables
#define FAST_WORD(t, i) ((i) < (t)->n_words ? (t)->words[i] : 0)
#include "ebpf/fast_eval.h"

#define HEAD                                                                                       \
	"interlock: 1\nsite: t\nmode: enforce\nzones:\n"                                           \
	"  a: {nets: [10.0.0.0/24]}\n  b: {nets: [10.0.1.0/24]}\n"                                 \
	"devices:\n  h: {zone: a, ip: 10.0.0.1}\n  p: {zone: b, ip: 10.0.1.1}\n"                   \
	"  q: {zone: b, ip: 10.0.1.2}\n  r: {zone: a, ip: 10.0.0.2}\n"                             \
	"windows: {w: {when: \"Mon 01:00-05:00\", tz: UTC}}\nconduits:\n"
#define MODBUS " - {name: m, from: [h], to: [p], modbus: {addressing: zero-based, "
#define POLL   "allow: [{name: r9, units: [1], functions: read, holding: all}]"
#define PAST                                                                                       \
	"allow: [{name: r0, units: [1], functions: read, coils: all}, {name: r1, units: [1], "     \
	"functions: [6], holding: [0..9], when: {coils: 3, is: 1}}]"
#define OPCUA  " - {name: o, from: [h], to: [q], opcua: {"
#define S7     " - {name: s, from: [h], to: [q], s7: {"

static struct policy *
built(const char *text)
{
	struct complaints c = {0};
	struct policy *p = policy_build_text("t.yaml", text, strlen(text), &c);

	if (!p)
		complaints_print(&c, stdout);
	complaints_fini(&c);
	assert_non_null(p);
	return p;
}

/* --- which blocks ---------------------------------------------------------------------------- */

static const struct {
	const char *conduits;
	bool modbus, s7;
} eligible[] = {
    {MODBUS "allow: [{name: r, units: [1], functions: read, holding: [0..9]}]}}\n", true, false},
    {MODBUS "allow: [{name: r, units: [1], functions: all, holding: all, values: {1: 0..5}}]}}\n",
	true, false}, /* only some addresses ask for values */
    {MODBUS
	"limits: {rate: 5/s}, allow: [{name: r, units: [1], functions: read, holding: all}]}}\n",
	false, false},
    {MODBUS
	"limits: {pending: 3}, allow: [{name: r, units: [1], functions: read, holding: all}]}}\n",
	false, false},
    {MODBUS
	"limits: {pending: 4}, allow: [{name: r, units: [1], functions: read, holding: all}]}}\n",
	true, false}, /* the kernel never lets more wait */
    {MODBUS "limits: {pending: 16, rate: 5/s}, allow: [{name: r, units: [1], functions: read, "
	    "holding: all}]}}\n",
	false, false},
    {S7 "limits: {pending: 4, items: 1}, allow: [{name: r, functions: [read], read: [DB1]}]}}\n",
	false, true},
    {S7 "limits: {pending: 3, items: 1}, allow: [{name: r, functions: [read], read: [DB1]}]}}\n",
	false, false},
    {S7 "limits: {pdu-size: 480}, allow: [{name: r, functions: [read], read: [DB1]}]}}\n", false,
	false}, /* a session that was told of is told of at each PDU */
    {S7 "allow: [{name: r, functions: [read], read: [DB1]}]}}\n", false, true},
    {S7 "limits: {rate: 9/s}, allow: [{name: r, functions: [read], read: [DB1]}]}}\n", false,
	false},
    {S7 "allow: [{name: r, functions: [read], read: [DB1]}, {name: z, functions: [read-szl], "
	"szl: [0x11]}]}}\n",
	false, false},
    {MODBUS "allow: [{name: r, units: [1], functions: read, holding: all}]}}\n" S7
	    "allow: [{name: r2, functions: [read], read: [DB1]}]}}\n",
	true, true},
    /* what is only-in, or asks for the past, in one conduit is not in another */
    {MODBUS "allow: [{name: r, units: [1], functions: read, holding: all, only-in: w}]}}\n" S7
	    "allow: [{name: r2, functions: [read], read: [DB1]}]}}\n",
	false, true},
    {MODBUS PAST "}}\n - {name: n, from: [h], to: [q], modbus: {addressing: zero-based, " POLL
		 "}}\n",
	true, false},
    {MODBUS PAST "}}\n - {name: n, from: [r], to: [p], modbus: {addressing: zero-based, " POLL
		 "}}\n",
	false, false}, /* the same device, which the engine has to see */
    {MODBUS PAST "}}\n - {name: n, from: [r], to: [b], modbus: {addressing: zero-based, " POLL
		 "}}\n",
	false, false},
    {" - {name: m, from: [h], to: [\"b/*\"], modbus: {addressing: zero-based, " PAST
     "}}\n - {name: n, from: [r], to: [q], modbus: {addressing: zero-based, " POLL "}}\n",
	false, false},
    {MODBUS PAST "}}\n" S7 "allow: [{name: r2, functions: [read], read: [DB1]}]}}\n", false, true},
    {" - {name: m, from: [h], to: [p], l4: [{name: web, ports: [80]}], modbus: {addressing: "
     "zero-based, " POLL "}}\n",
	true, false},
};

static const struct {
	const char *conduits;
	bool opcua;
} opcua_eligible[] = {
    {OPCUA "allow: [{name: r, services: [read], nodes: [\"ns=2;s=*\"]}]}}\n", true},
    {OPCUA "security: {policies: [Basic256Sha256], modes: [Sign], thumbprints: [\"ab*\"]}, "
	   "encrypted: drop, allow: [{name: r, services: [session, call], read: {nodes: "
	   "[\"i=*\"]}}]}}\n",
	true}, /* asked of the session, which stays what it is */
    {OPCUA
	"limits: {message: 1472, chunk: 8192, chunks: 1, pending: 16}, allow: [{name: r, services: "
	"[read]}]}}\n",
	true}, /* what the kernel passes is below them all */
    {OPCUA "limits: {message: 1471}, allow: [{name: r, services: [read]}]}}\n", false},
    {OPCUA "limits: {chunk: 1000}, allow: [{name: r, services: [read]}]}}\n", false},
    {OPCUA "limits: {pending: 15}, allow: [{name: r, services: [read]}]}}\n", false},
    {OPCUA "limits: {rate: 50/s}, allow: [{name: r, services: [read]}]}}\n", false},
    {OPCUA "limits: {timeout: 2s}, allow: [{name: r, services: [read]}]}}\n", false},
    {OPCUA "allow: [{name: r, services: [read], only-in: w}]}}\n", false},
    {" - {name: o, from: [h], to: [q], only-in: w, opcua: {allow: [{name: r, services: "
     "[read]}]}}\n",
	false},
};

static bool
any_block(const struct gate_spec *g, unsigned proto)
{
	bool any = false;

	for (uint32_t i = 0; i < g->n_conduits; i++)
		any |= g->conduits[i].block[proto] != 0;
	return any;
}

static void
blocks(void **state)
{
	char text[2048];

	(void)state;
	for (unsigned i = 0; i < sizeof(eligible) / sizeof(eligible[0]); i++) {
		struct policy *p;

		(void)snprintf(text, sizeof(text), HEAD "%s", eligible[i].conduits);
		p = built(text);
		if (any_block(policy_gate(p), GATE_MODBUS) != eligible[i].modbus ||
		    any_block(policy_gate(p), GATE_S7) != eligible[i].s7)
			fail_msg("case %u: %s", i, eligible[i].conduits);
		policy_free(p);
	}
}

static void
opcua_blocks(void **state)
{
	char text[2048];

	(void)state;
	for (unsigned i = 0; i < sizeof(opcua_eligible) / sizeof(opcua_eligible[0]); i++) {
		struct policy *p;

		(void)snprintf(text, sizeof(text), HEAD "%s", opcua_eligible[i].conduits);
		p = built(text);
		if (any_block(policy_gate(p), GATE_OPCUA) != opcua_eligible[i].opcua)
			fail_msg("case %u: %s", i, opcua_eligible[i].conduits);
		policy_free(p);
	}
}

/* --- verdicts -------------------------------------------------------------------------------- */

static uint64_t seed = 1;

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

static uint8_t
proto_of(const char *name)
{
	for (unsigned i = 0; i < n_dissectors; i++)
		if (strcmp(dissectors[i]->name, name) == 0)
			return (uint8_t)i;
	fail_msg("no dissector %s", name);
	return 0;
}

/* One rule; addresses near each other, so that runs touch, overlap and end at both ends. */
static size_t
rule_text(char *to, size_t room, unsigned i, bool s7, bool deny)
{
	static const char *const sets[] = {"read", "all", "[3]", "[1, 5, 15]", "[6, 16]"};
	static const char *const spaces[] = {"holding", "coils", "discrete", "input"};
	uint32_t lo = rnd(3) ? rnd(300) : rnd(65000), n = rnd(3) ? 30 + rnd(150) : rnd(4);

	if (s7)
		return (size_t)snprintf(to, room,
		    "%s{name: r%u, functions: [%s], %s: [DB%u.DBB%u..%u]%s}", i ? ", " : "", i,
		    rnd(2) ? "read" : "write", rnd(2) ? "read" : "write", rnd(4) + 1, lo, lo + n,
		    !deny && rnd(8) == 0 ? ", verdict: alert" : "");
	return (size_t)snprintf(to, room,
	    "%s{name: r%u, units: [%u..%u], functions: %s, %s: [%u..%u]%s%s}", i ? ", " : "", i,
	    rnd(3), 3 + rnd(250), sets[rnd(5)], spaces[rnd(4)], lo, lo + n,
	    !deny && rnd(8) == 0 ? ", verdict: alert" : "",
	    !deny && rnd(8) == 0 ? ", mode: alert" : "");
}

/* What makes some blocks the engine's: of the block, of the last rule, of another conduit. */
enum extra { EX_RATE, EX_PENDING, EX_TIMEOUT, EX_WHEN, EX_ONLY_IN, EX_CONDUIT, EX_OTHER, EX__MAX };

static const char *
block_extra(unsigned extra)
{
	return extra == EX_RATE	     ? "limits: {rate: 5/s}, "
	       : extra == EX_PENDING ? "limits: {pending: 3}, "
	       : extra == EX_TIMEOUT ? "limits: {timeout: 500ms}, "
				     : "";
}

static const char *
rule_extra(unsigned extra, bool s7)
{
	return extra == EX_ONLY_IN ? ", only-in: w"
	       : extra != EX_WHEN  ? ""
	       : s7		   ? ", when: {at: M3.0, is: 1}"
				   : ", when: {coils: 3, is: 1}";
}

/* A conduit beside it that asks for the past of the same device, or of another. */
static const char *
other_conduit(bool s7, bool same)
{
	if (s7)
		return same ? " - {name: d, from: [r], to: [b], s7: {allow: [{name: z, functions: "
			      "[read], "
			      "read: [M0..9], when: {at: M3.0, is: 1}}]}}\n"
			    : " - {name: d, from: [r], to: [q], s7: {allow: [{name: z, functions: "
			      "[read], "
			      "read: [M0..9], when: {at: M3.0, is: 1}}]}}\n";
	return same ? " - {name: d, from: [r], to: [b], modbus: {addressing: zero-based, " PAST
		      "}}\n"
		    : " - {name: d, from: [r], to: [q], modbus: {addressing: zero-based, " PAST
		      "}}\n";
}

static struct policy *
random_policy(bool s7, unsigned extra)
{
	char text[8192];
	size_t n =
	    (size_t)snprintf(text, sizeof(text), HEAD " - {name: c, from: [h], to: [p], %s%s%s",
		extra == EX_CONDUIT ? "only-in: w, " : "",
		s7 ? "s7: {" : "modbus: {addressing: zero-based, ", block_extra(extra));
	struct complaints c = {0};
	struct policy *p;

	if (rnd(2)) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "deny: [");
		for (unsigned i = 0, k = 1 + rnd(3); i < k; i++) {
			size_t m = rule_text(text + n, sizeof(text) - n, i, s7, true);

			n += m;
		}
		n += (size_t)snprintf(text + n, sizeof(text) - n, "], ");
	}
	n += (size_t)snprintf(text + n, sizeof(text) - n, "allow: [");
	for (unsigned i = 0, k = 1 + rnd(12); i < k; i++) {
		char one[512];
		size_t m = rule_text(one, sizeof(one), i, s7, false);

		one[i ? 10 : 8] = (char)('A' + i); /* rule names are one name space */
		memcpy(text + n, one, m);
		n += m;
		if (i + 1 == k) /* in front of its end */
			n += (size_t)snprintf(
				 text + n - 1, sizeof(text) - n, "%s}", rule_extra(extra, s7)) -
			     1;
	}
	(void)snprintf(text + n, sizeof(text) - n, "]}}\n%s",
	    extra >= EX_OTHER && extra <= EX__MAX ? other_conduit(s7, extra == EX_OTHER) : "");
	p = policy_build_text("t.yaml", text, strlen(text), &c); /* some contradict themselves */
	complaints_fini(&c);
	return p;
}

/* Memory that the kernel reads: what PDUs say of others it never asks the tables. */
static bool
memory_of(bool s7, uint32_t space)
{
	return !s7 || space <= FAST_S7_M || space == FAST_S7_DB;
}

static void
requests(void **state)
{
	unsigned policies = 0, yes = 0, no_but_allowed = 0, n = 0, whys[KERNEL__MAX] = {0};

	(void)state;
	for (unsigned round = 0; round < 600; round++) {
		bool s7 = round % 2;
		uint8_t proto = proto_of(s7 ? "s7" : "modbus");
		unsigned extra = rnd(3 * EX__MAX);
		struct policy *p = random_policy(s7, extra);
		const struct gate_spec *g;
		uint32_t block;

		if (!p)
			continue;
		policies++;
		g = policy_gate(p);
		block = g->conduits[0].block[s7 ? GATE_S7 : GATE_MODBUS];
		if ((block != 0) != (extra >= EX__MAX))
			fail_msg("round %u: extra %u, block %u", round, extra, block);
		for (unsigned i = 0; i < 2000; i++, n++) {
			static const uint8_t fcs[] = {1, 2, 3, 4, 5, 6, 15, 16};
			struct fast_ask a = {.opx = s7 ? 4 + rnd(2) : fcs[rnd(8)],
			    .unit = s7 ? 0 : rnd(256),
			    .space = s7 ? (rnd(8) ? FAST_S7_DB : rnd(12)) : rnd(4),
			    .first = rnd(3) ? rnd(400) : rnd(65536),
			    .count = rnd(3) ? 1 + rnd(4) : rnd(200)};
			struct policy_bind b = {.conduit = 0, .flags = BIND_PORT_OK, .blocks = 1};
			struct fact f = {.kind = FACT_REQUEST, .proto = proto, .sub = FACT_NO_SUB};
			uint32_t rule = RULE_NONE;
			const struct kernel_segment plain = {
			    .tcp = true, .plain = true, .whole = true};
			enum kernel_why why;
			struct verdict v;
			bool allow;

			a.write = s7 ? a.opx == 5 : a.opx >= 5;
			if (!s7 && rnd(8)) /* the space that the function is about */
				a.space = a.opx <= 4		      ? a.opx - 1
					  : a.opx == 5 || a.opx == 15 ? 0
								      : 2;
			if (s7) {
				a.first *= 8;
				a.count *= 8;
				a.sub = a.space == FAST_S7_DB ? rnd(6) : 0;
			}
			f.opx = (uint16_t)a.opx;
			f.code = (uint16_t)a.opx;
			f.unit = (uint16_t)a.unit;
			f.n_items = 1;
			f.item.space = (uint8_t)a.space;
			f.item.access = a.write ? ACC_WRITE : ACC_READ;
			f.item.sub = a.sub;
			f.item.first = a.first;
			f.item.count = a.count;
			f.access = f.item.access;
			v = policy_eval(p, &b, &f);
			allow = block != 0 && fast_eval(g, block, &a, &rule);
			why = policy_kernel_eligible(p, &b, &f, &v, &plain);
			if (allow != (why == KERNEL_YES) && memory_of(s7, a.space))
				fail_msg("round %u: opx %u unit %u space %u.%u %u+%u: kernel %s, "
					 "said to %s",
				    round, a.opx, a.unit, a.space, a.sub, a.first, a.count,
				    allow ? "allows" : "asks", kernel_why_name(why));
			whys[why]++;
			if (allow && (v.action != VERDICT_ALLOW || v.would != VERDICT_ALLOW ||
					 v.reason != REASON_RULE || v.rule != rule))
				fail_msg(
				    "round %u: opx %u unit %u space %u.%u %u+%u: kernel allows, "
				    "engine %u/%u",
				    round, a.opx, a.unit, a.space, a.sub, a.first, a.count,
				    v.action, v.would);
			yes += allow;
			no_but_allowed += !allow && v.action == VERDICT_ALLOW &&
					  v.would == VERDICT_ALLOW && v.reason == REASON_RULE;
		}
		policy_free(p);
	}
	print_message("# %u policies, %u requests: %u allowed here, %u only by the engine\n",
	    policies, n, yes, no_but_allowed);
	assert_true(policies > 400);
	assert_true(yes > n / 200);
	assert_true(whys[KERNEL_RANGE] < yes / 4); /* over the edge between two rules */
	assert_int_equal(whys[KERNEL_YES], yes);
	assert_true(
	    whys[KERNEL_LIMITS] && whys[KERNEL_WINDOW] && whys[KERNEL_PAST] && whys[KERNEL_RANGE]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(blocks),
	    cmocka_unit_test(opcua_blocks),
	    cmocka_unit_test(requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
