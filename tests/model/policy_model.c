/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_model.c - the tables agree with the naive evaluator.
 *
 *   policy_model [PAIRS [SEED [STEPS]]]     default 1000000 pairs, a seed of the day, a fifth
 *                                           as many steps of conversations (sequence.h)
 *
 * Random policies are written as YAML text, so that reader, checker, compiler,
 * binding and evaluation are all in the loop; random facts are aimed at the
 * numbers the policy uses and their neighbours.  The first disagreement is
 * printed with the policy, the fact and the seed; exit 1.
 *
 * Of its more than 1000 lines most write texts; facts are drawn from what they wrote.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crypto.h"
#include "policy/rules.h"
#include "tests/model/naive.h"
#include "tests/model/naive_permit.h"
#include "tests/model/toy.h"

#define FACTS_PER_POLICY 250u
#define SEQUENCES	 16u /* of each policy, at most */
#define TEXT_MAX	 65536u
#define POOL_MAX	 256u

#define PERMITS_TRIED 4u
#define PERMIT_KEY    "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

static uint64_t rng_state;
static char text[TEXT_MAX];
static size_t text_len;
static uint32_t pool[POOL_MAX]; /* numbers the policy uses */
static unsigned pool_n;
static unsigned ends[8][2][3]; /* [conduit][from, to][i]: index in end_names */
static bool speaks[8][3]; /* [conduit][protocol] */
#define N_WINDOWS 4u
static bool windows_written;	     /* w0 .. of the policy at hand */
static struct policy_clock now_open; /* they open and close at random between two facts */
static struct naive_permits permits; /* the same, as the naive evaluator has it */
static unsigned n_permits;
static unsigned n_conduits;

static uint32_t
rnd(uint32_t n) /* below n */
{
	uint64_t z = rng_state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) % n);
}

static bool
one_in(uint32_t n)
{
	return rnd(n) == 0;
}

__attribute__((format(printf, 1, 2))) static void
out(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (text_len < TEXT_MAX)
		text_len += (size_t)vsnprintf(text + text_len, TEXT_MAX - text_len, fmt, ap);
	va_end(ap);
}

/* --- a policy ---------------------------------------------------------------------------- */

static const char *const modes[] = {"learn", "alert", "enforce", "enforce", "enforce"};
static const char *const device_names[] = {"a1", "a2", "a3", "b1", "b2", "c1"};
static const char *const end_names[] = {"a1", "a2", "a3", "b1", "b2", "c1", "za", "zb", "zc",
    "za/*", "zb/*", "zc/*", "g1", "g2", "g3", "role:hmi", "role:plc"};
static const char *const roles[] = {"hmi", "plc", "panel"};
static uint8_t members[5]; /* [group, role]: bit of each device that is in it */

static uint32_t
number(uint32_t max)
{
	uint32_t v;

	switch (rnd(8)) {
	case 0:
		v = max - rnd(3);
		break;
	case 1:
		v = rnd(max);
		break;
	case 2:
		v = rnd(20) * 64; /* page boundaries */
		break;
	case 3:
		v = pool_n ? pool[rnd(pool_n)] : 0;
		break;
	default:
		v = rnd(200);
	}
	if (v > max)
		v = max;
	pool[pool_n < POOL_MAX ? pool_n++ : rnd(POOL_MAX)] = v;
	return v;
}

static void
span(uint32_t max)
{
	uint32_t a = number(max), b = one_in(3) ? a : number(max);

	if (a > b) {
		uint32_t t = a;

		a = b;
		b = t;
	}
	if (a == b)
		out("%u", a);
	else
		out("%u..%u", a, b);
}

static void
span_list(uint32_t max)
{
	uint32_t n = 1 + rnd(3);

	if (one_in(10)) {
		out("all");
		return;
	}
	if (one_in(12)) { /* sets: see random_policy() */
		out(one_in(2) ? "$low" : "[$one, $low]");
		return;
	}
	out("[");
	for (uint32_t i = 0; i < n; i++) {
		out(i ? ", " : "");
		span(max);
	}
	out("]");
}

static void
file_list(void)
{
	uint32_t n = 1 + rnd(3);

	out("[");
	for (uint32_t i = 0; i < n; i++) {
		out(i ? ", \"" : "\"");
		if (one_in(3))
			out("%u..%u", rnd(4), 4 + rnd(3));
		else
			out("%u", rnd(6));
		out(":");
		span(300);
		out("\"");
	}
	out("]");
}

/* By how much it may change; of 16 bits. */
static void
change(uint32_t most)
{
	static const char *const per[] = {"", "/s", "/s", "/min", "/h"};
	static const char *const within[] = {
	    "", "", ", within: 2s", ", within: 60s", ", within: 500ms"};

	out("change: %u%s%s", one_in(6) ? rnd(most + 1) : rnd(40), per[rnd(5)], within[rnd(5)]);
}

static void
change_limit(uint32_t max)
{
	switch (rnd(4)) {
	case 0:
		out("{in: [0..9, %u], ", rnd(max + 1));
		break;
	case 1:
		out("{min: 0, max: %u, ", rnd(max + 1));
		break;
	default:
		out("{");
	}
	change(max);
	out("}");
}

static bool may_change; /* what is read there is known */

static void
limit(uint32_t max)
{
	if (max > 1 && may_change && one_in(6)) {
		change_limit(max);
		return;
	}
	switch (rnd(4)) {
	case 0:
		out("{min: %u, max: %u, step: %u}", rnd(max / 2 + 1 < 10 ? max / 2 + 1 : 10), max / 2 + rnd(max / 2 + 1),
		    1 + rnd(max < 20 ? max : 20));
		break;
	case 1:
		out("[%u, %u, %u]", rnd(max + 1), rnd(max + 1), rnd(max + 1));
		break;
	default:
		if (max < 2)
			out("%u", rnd(max + 1));
		else
			span(max);
	}
}

/* The last value of something.  Few places, so that they are read and written. */
static void
when_one(unsigned proto)
{
	static const char *const within[] = {"", "", ", within: 2s", ", within: 60s"};

	if (proto == PROTO_TOY && one_in(2))
		out("{bit: %u, is: %u", rnd(10), rnd(2));
	else if (proto == PROTO_TOY && one_in(4))
		out("{reg: 4..5, is: 0..%u, type: %s", 1 + rnd(2000000),
		    one_in(2) ? "dint" : "udint, order: low-word-first");
	else if (proto == PROTO_TOY)
		out("{reg: %u, is: [0..%u, %u]", rnd(10), rnd(24), rnd(600));
	else if (one_in(3))
		out("{at: F%u, is: %u", rnd(40), rnd(2));
	else if (one_in(3))
		out("{at: C%u, is: 0..%u", rnd(6), rnd(30));
	else
		out("{at: \"A%u.%u%s\", is: 0..%u", 1 + rnd(2), rnd(4) * 16, one_in(2) ? "w" : "b",
		    rnd(200));
	if (proto == PROTO_TOY && one_in(3))
		out(", unit: %u", 1 + rnd(2));
	out("%s}", within[rnd(4)]);
}

static void
whens(unsigned n, unsigned proto)
{
	uint32_t m = 1 + rnd(2);

	if (proto == PROTO_NODES || !one_in(n))
		return;
	out(", when: ");
	if (m == 1 && one_in(2)) {
		when_one(proto);
		return;
	}
	out("[");
	for (uint32_t i = 0; i < m; i++) {
		out(i ? ", " : "");
		when_one(proto);
	}
	out("]");
}

/* Rules that let much be read, and written where rules on the past let it be. */
static void
past_rules(unsigned proto, uint32_t *id)
{
	static const char *const typed[] = {"{type: real, change: 0.5}",
	    "{type: dint, change: 300}", "{type: real, change: 1e30/s, order: low-word-first}",
	    "{type: udint, min: 0, max: 9999, change: 70000/min}"};

	if (!one_in(6)) {
		if (proto == PROTO_TOY)
			out("        - {name: r%u, functions: [1, 3], units: all, reg: [0..40], "
			    "bit: [0..40]",
			    *id);
		else
			out("        - {name: r%u, functions: read, read: all", *id);
		(*id)++;
		whens(9, proto);
		out("}\n");
	}
	if (one_in(3))
		return;
	out("        - {name: r%u, functions: [", (*id)++);
	if (proto == PROTO_TOY)
		out("5, 6, 16, 22, 23], units: [0..3], write: {reg: [0..30], bit: [0..30]}, read: "
		    "{reg: [0..20]}");
	else
		out("write], write: [F0..200, C0..20, A1..2.0..300]");
	whens(2, proto);
	if (one_in(2)) {
		if (proto == PROTO_TOY)
			out(", values: {%u..%u: ", rnd(3), 3 + rnd(3));
		else
			out(", values: {A1.0w..79: ");
		change_limit(65535);
		if (proto == PROTO_TOY && one_in(2))
			out(", 6..9: %s", typed[rnd(4)]);
		else if (proto == PROTO_PLC && one_in(2))
			out(", F0d..63: %s", typed[rnd(4)]);
		out("}");
	}
	out("}\n");
}

/* Addresses that do not overlap: each starts after the last. */
static void
values(const char *key, uint32_t value_max, const char *prefix)
{
	uint32_t at = rnd(50), n = 1 + rnd(3);

	may_change = key[0] != 'f';
	out(", %s: {", key);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t last = at + rnd(60);

		pool[pool_n < POOL_MAX ? pool_n++ : rnd(POOL_MAX)] = at;
		out("%s\"%s%u..%u\": ", i ? ", " : "", prefix, at, last);
		limit(value_max);
		at = last + 1 + rnd(30);
	}
	out("}");
}

static void
pick(const char *const *words, uint32_t n)
{
	uint32_t m = 1 + rnd(3);

	out("[");
	for (uint32_t i = 0; i < m; i++)
		out("%s%s", i ? ", " : "", words[rnd(n)]);
	out("]");
}

static void
toy_keys_out(void)
{
	static const char *const ops[] = {"read", "write", "programming", "all", "1", "3", "5", "6",
	    "8", "8/4", "16", "22", "23", "90", "read-regs"};
	static const char *const access[] = {"read", "write"};

	out(", functions: ");
	pick(ops, sizeof(ops) / sizeof(ops[0]));
	out(", units: ");
	span_list(255);
	if (!one_in(3)) {
		out(", reg: ");
		span_list(65535);
		if (one_in(3)) {
			out(", write: {reg: [0..600]}");
			values("values", 65535, "");
		}
	} else if (one_in(2)) {
		const char *a = access[rnd(2)];

		out(", %s: {reg: ", a);
		span_list(65535);
		out(", bit: ");
		span_list(65535);
		out("}");
	}
	if (one_in(3)) {
		out(", bit: [0..700]");
		if (one_in(2))
			values("bit-values", 1, "");
	}
	if (one_in(3)) {
		if (one_in(2)) {
			out(", file: all");
			values("file-values", 65535, "2..4:");
		} else {
			out(", file: ");
			file_list();
		}
	}
	if (one_in(4)) {
		out(", big: ");
		if (one_in(8)) /* so coarse that a page goes past the last address */
			out("[0..%u]", (1 + rnd(31)) * (1u << 27) - 1);
		else
			span_list(UINT32_MAX);
	}
}

/* A word of each list, or several. */
static void
maybe(unsigned n, const char *key, const char *const *words, uint32_t n_words)
{
	if (!one_in(n))
		return;
	out(", %s: ", key);
	pick(words, n_words);
}

static void
node_keys_out(void)
{
	static const char *const attributes[] = {"Value", "NodeId", "Range", "all", "1..4", "20", "0"};
	static const char *const apps[] = {
	    "\"urn:hmi*\"", "\"urn:?es\"", "\"urn:mes\"", "\"*:hmi:2\"", "'re:urn:(hmi|mes)(:.)*'"};
	static const char *const ops[] = {"session", "Read", "Write", "all", "encrypted"};
	static const char *const globs[] = {"\"ns=2;*\"", "\"ns=2;s=Pump.*\"", "\"*.Set?\"", "all",
	    "\"ns=2;s=Pump.Set1\"", "\"*a*b*\"", "\"nsu=urn:a;s=Pump.*\"", "\"nsu=urn:b;*\"",
	    "\"nsu=urn:a;s=Pump.Set1\"", "\"nsu=urn:a;*.S*1\"", "\"ns=2;s=Pump.S?t1\"", "\"i=*\"",
	    "\"nsu=http://opcfoundation.org/UA/;i=8?\"", "\"ns=2;s=Pump.Set\"", "\"ns=2;s=P*Set1\"",
	    "'re:ns=2;s=Pump\\.Set1?2?'", "'re:(ns=2;)?(i|s)=.*\\W\\w*\\d'", "'re:.*[^1]'",
	    "'nsu=urn:a;re:s=(Pump|Fan)\\.[A-T]\\w{2,3}1?'",
	    "'re:ns=2;s=(?:P.m|.)+p[.](Set1|Run)+'", "'re:i=8[0-9]{1,2}'",
	    "'re:ns=2;s=Pump\\.Set1'", "'re:ns=2;.*'"};
	const uint32_t n_globs = sizeof(globs) / sizeof(globs[0]);

	out(", services: ");
	pick(ops, 5);
	if (one_in(2)) {
		out(", channels: ");
		span_list(100000);
	}
	if (one_in(3)) {
		out(", write: {nodes: ");
		pick(globs, n_globs);
		out("}");
	} else if (!one_in(4)) {
		out(", nodes: ");
		pick(globs, n_globs);
	}
	maybe(3, "attributes", attributes, 7);
	maybe(6, "apps-like", apps, 5);
	if (one_in(6)) {
		out(", phase: ");
		span_list(1000);
	}
}

/* A place of the bit spaces, from first on; the limit that goes with its width. */
static uint32_t
plc_place(uint32_t first, char width, uint32_t values, bool quoted)
{
	uint32_t bits = width == 'b' ? 8 : width == 'w' ? 16 : width == 'd' ? 32 : 1;
	uint32_t last = first + bits * values - 1;
	char w[2] = {width, '\0'};

	pool[pool_n < POOL_MAX ? pool_n++ : rnd(POOL_MAX)] = first;
	if (one_in(3))
		out("%sA%u.%u%s..%u%s", quoted ? "\"" : "", 1 + rnd(4), first, width ? w : "", last,
		    quoted ? "\"" : "");
	else if (one_in(3))
		out("%sA%u..%u.%u%s..%u%s", quoted ? "\"" : "", 1 + rnd(2), 3 + rnd(3), first,
		    width ? w : "", last, quoted ? "\"" : "");
	else if (one_in(6))
		out("%sC%u..%u%s", quoted ? "\"" : "", first % 300, first % 300 + values * 4 - 1,
		    quoted ? "\"" : "");
	else
		out("%sF%u%s..%u%s", quoted ? "\"" : "", first, width ? w : "", last,
		    quoted ? "\"" : "");
	return last + 1;
}

static void
plc_places(const char *key)
{
	uint32_t n = 1 + rnd(4);

	out(", %s: ", key);
	if (one_in(4)) {
		out("all");
		return;
	}
	out("[");
	for (uint32_t i = 0; i < n; i++) {
		out(i ? ", " : "");
		plc_place(one_in(4) ? number(60000) : rnd(60) * 8, one_in(3) ? 'b' : '\0', 1 + rnd(20),
		    true);
	}
	out("]");
}

static void
plc_limit(char width)
{
	static const char *const wide[] = {"{type: real, min: -1.5, max: 80.5}",
	    "{type: dint, min: -5, max: 70000, step: 3}", "{type: udint, in: [1, 256, 65536]}",
	    "{type: real, min: 0, max: 1e9, order: low-word-first}",
	    "{type: dword, min: 0, max: 500, order: low-word-first}",
	    "{type: lreal, min: -1e300, max: 0.1}", "{type: lint, min: -9, max: 99999999999, step: 7}"};
	static const char *const words[] = {"0..1500", "{type: int, min: -5, max: 5}",
	    "{type: int, in: [-300..-1, 17]}", "[0, 1, 256]", "{min: 0, max: 60000, step: 256}"};
	static const char *const bytes[] = {"0..9", "{type: sint, min: -128, max: 0}", "[255, 0]",
	    "{type: word, min: 0, max: 255}"};

	if (width == 'w')
		out("%s", one_in(4) ? wide[rnd(7)] : words[rnd(5)]);
	else if (width == 'b')
		out("%s", one_in(3) ? words[1 + rnd(2)] : bytes[rnd(4)]);
	else
		out("%s", width == 'd' ? wide[rnd(5)] : one_in(3) ? "{type: uint, min: 0, max: 99}" : "1");
}

static void
plc_keys_out(void)
{
	static const char *const ops[] = {"read", "write", "control", "all", "5"};
	static const char *const classes[] = {"pg", "op", "basic"};

	out(", functions: ");
	pick(ops, 5);
	if (one_in(2))
		plc_places("read");
	if (one_in(2)) {
		plc_places("write");
	} else if (!one_in(4)) {
		out(", write: %s", one_in(2) ? "all" : "[A1..5.0..1000, F0..999, C0..400]");
		if (!one_in(3)) {
			uint32_t at = rnd(4) * 8, n = 1 + rnd(3);

			out(", values: {");
			for (uint32_t i = 0; i < n; i++) {
				char width = "bwwdd"[rnd(5)];

				out(i ? ", " : "");
				at = (plc_place(at, width, 4 * (1 + rnd(2)), true) +
				    8 * rnd(5)) & ~7u;
				out(": ");
				plc_limit(width);
			}
			out("}");
		}
	}
	maybe(4, "class", classes, 3);
	if (one_in(5)) {
		out(", rack: ");
		span_list(7);
	}
	if (one_in(6))
		out(", jobs: [\"%u:%u\"]", rnd(4), rnd(9));
}

/* Of the windows of random_policy(). */
static void
only_in(unsigned odds, const char *before, const char *after)
{
	unsigned a = rnd(N_WINDOWS), b = rnd(N_WINDOWS);

	if (!windows_written || !one_in(odds))
		return;
	if (a == b)
		out("%sonly-in: w%u%s", before, a, after);
	else
		out("%sonly-in: [w%u, w%u]%s", before, a, b, after);
}

static void
rules(const char *list, uint32_t n, unsigned proto, uint32_t *id)
{
	static const char *const deny[] = {"drop", "reject", "reset"};
	bool is_deny = list[0] == 'd';

	if (n == 0)
		return;
	out("      %s:\n", list);
	for (uint32_t i = 0; i < n; i++) {
		out("        - {name: r%u", (*id)++);
		if (one_in(4))
			out(", verdict: %s", is_deny ? deny[rnd(3)] : one_in(2) ? "alert" : "allow");
		if (one_in(6))
			out(", mode: %s", modes[rnd(5)]);
		if (one_in(15))
			out(", enabled: false");
		only_in(8, ", ", "");
		if (proto == PROTO_TOY)
			toy_keys_out();
		else if (proto == PROTO_NODES)
			node_keys_out();
		else
			plc_keys_out();
		whens(8, proto);
		out("}\n");
	}
	if (!is_deny && proto != PROTO_NODES && !one_in(4))
		past_rules(proto, id);
}

/* Limits every protocol has. */
static void
some_limits(void)
{
	static const char *const over[] = {"", ", over: drop", ", over: reject", ", over: reset"};

	if (one_in(4))
		out("      limits: {rate: %u/s%s}\n", 1 + rnd(one_in(2) ? 4 : 1000), over[rnd(4)]);
	else if (one_in(4))
		out("      limits: {timeout: %ums%s}\n", 1 + rnd(one_in(2) ? 200 : 12000),
		    over[rnd(4)]);
}

static void
pick_ends(unsigned picked[3])
{
	unsigned m = 1 + rnd(3), group;

	out("[");
	for (unsigned i = 0; i < 3; i++) {
		picked[i] = i < m ? (one_in(3) ? 6 + rnd(6) : rnd(6)) : picked[0];
		if (i < m && one_in(3) && members[group = rnd(5)] != 0)
			picked[i] = 12 + group;
		if (i < m)
			out("%s%s", i ? ", " : "", end_names[picked[i]]);
	}
	out("]\n");
}

/* What the block asks of all requests. */
static void
node_block(void)
{
	static const char *const pins[] = {"\"AB:*\"", "\"AB:CD\"", "\"?B:CD\"", "all"};
	static const char *const styles[] = {"Plain", "Signed", "Sealed"};
	static const char *const encrypted[] = {"endpoint-only", "alert", "drop", "reset"};
	static const char *const over[] = {"alert", "drop", "reject", "reset"};

	if (one_in(3)) {
		out("      security: {level: ");
		span_list(255);
		maybe(2, "styles", styles, 3);
		maybe(2, "pins", pins, 4);
		out("}\n");
	}
	if (one_in(3))
		out("      limits: {message: %uKiB, chunks: %u}\n", 1 + rnd(4), 1 + rnd(50));
	else if (one_in(3))
		out("      limits: {chunks: %u, over: %s}\n", 1 + rnd(50), over[rnd(4)]);
	if (one_in(3))
		out("      encrypted: %s\n", encrypted[rnd(4)]);
	if (one_in(3))
		out("      midstream: %s\n", one_in(4) ? "below-floor" : "learn-once");
}

static void
conduit(uint32_t index)
{
	static const char *const otherwise[] = {"drop", "reject", "reset", "alert"};
	uint32_t id = 0;
	unsigned which = rnd(5);

	out("  - name: conduit%u\n    from: ", index);
	pick_ends(ends[index][0]);
	out("    to: ");
	pick_ends(ends[index][1]);
	if (one_in(2))
		out("    otherwise: %s\n", otherwise[rnd(4)]);
	if (one_in(5))
		out("    mode: %s\n", modes[rnd(5)]);
	only_in(4, "    ", "\n");
	if (one_in(4))
		out("    icmp: [echo]\n    strict: %s\n    latency: 2ms\n    flows: %u\n",
		    one_in(2) ? "true" : "false", 1 + rnd(100));
	if (one_in(3)) {
		out("    l4:\n      - {name: web, ports: [80, %s1000..1010]%s%s}\n",
		    one_in(2) ? "udp/80, " : "", one_in(3) ? ", verdict: alert" : "",
		    one_in(4) ? ", mode: learn" : "");
		if (one_in(2))
			out("      - {name: more, ports: [70..90, udp/70..90], enabled: %s}\n",
			    one_in(3) ? "false" : "true");
	}
	speaks[index][PROTO_TOY] = which < 2;
	speaks[index][PROTO_NODES] = which == 1 || which == 2;
	speaks[index][PROTO_PLC] = which >= 3;
	if (speaks[index][PROTO_TOY]) {
		out("    toy:\n      addressing: zero-based\n");
		if (one_in(4))
			out("      ports: [502, udp/5020]\n");
		some_limits();
		rules("deny", rnd(4), PROTO_TOY, &id);
		rules("allow", 1 + rnd(one_in(10) ? 60 : 6), PROTO_TOY, &id);
	}
	if (speaks[index][PROTO_NODES]) {
		out("    nodes:\n");
		if (one_in(4))
			out("      ports: any\n");
		node_block();
		rules("deny", rnd(3), PROTO_NODES, &id);
		rules("allow", 1 + rnd(one_in(8) ? 40 : 5), PROTO_NODES, &id);
	}
	if (speaks[index][PROTO_PLC]) {
		out("    plc:\n");
		some_limits();
		rules("deny", rnd(4), PROTO_PLC, &id);
		rules("allow", 1 + rnd(one_in(10) ? 40 : 6), PROTO_PLC, &id);
	}
}

/* What policy_eval_l2() and policy_eval_icmp() go by; none: the defaults. */
static void
random_l2(void)
{
	static const char *const arp[] = {"bound", "bound", "any", "drop"};
	static const char *const words[] = {"allow", "alert", "drop"};

	if (one_in(3))
		return;
	out("l2: {arp: %s, mac: %s, otherwise: %s, ra: %s, mld: %s", arp[rnd(4)], words[rnd(3)],
	    words[rnd(3)], words[rnd(3)], words[rnd(3)]);
	if (one_in(2))
		out(", allow: [%s%s0x88cc]", one_in(2) ? "stp, " : "",
		    one_in(2) ? "profinet-dcp, " : "");
	out("}\n");
}

/* Groups of devices, of which one may hold the others: written in any order. */
static void
random_groups(void)
{
	unsigned order = rnd(2);

	out("groups:\n");
	for (unsigned j = 0; j < 3; j++) {
		unsigned g = order ? 2 - j : j;

		members[g] = (uint8_t)(1u + rnd(63));
		out("  g%u: [", g + 1);
		for (unsigned i = 0; i < 6; i++)
			if (members[g] >> i & 1)
				out("%s, ", device_names[i]);
		if (g == 2 && one_in(2))
			out("g1, ");
		if (g == 1 && one_in(3) && members[3] != 0)
			out("role:hmi");
		out("]\n");
	}
}

static void
random_policy(void)
{
	static const char *const sides[] = {"", "", ", port: outside", ", port: inside"};
	static const char *const homes[] = {"za", "za", "za", "zb", "zb", "zc"};
	static const char *const ips[] = {"10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.2.1", "10.0.2.2",
	    "\"fd00::1\""};
	uint32_t n = 1 + rnd(3);
	unsigned role;

	text_len = 0;
	pool_n = 0;
	out("interlock: 1\nmode: %s\nsets: {one: %u, low: [%u..%u, $one, 3]}\n", modes[rnd(5)],
	    rnd(256), rnd(100), 100 + rnd(100));
	random_l2();
	windows_written = one_in(2);
	for (unsigned i = 0; windows_written && i < N_WINDOWS; i++)
		out("%s  w%u: {when: \"Mon 0%u:00-05:00\", tz: UTC%s}\n", i ? "" : "windows:\n", i,
		    i, one_in(2) ? ", needs: permit" : "");
	if (windows_written)
		out("site: model\npermits: {keys: [" PERMIT_KEY "]}\n");
	out("zones:\n");
	out("  za: {nets: [10.0.1.0/24]%s%s}\n", one_in(4) ? ", vlan: 7" : "", sides[rnd(4)]);
	out("  zb: {nets: [10.0.0.0/16]%s%s}\n", one_in(4) ? ", vlan: 8" : "", sides[rnd(4)]);
	out("  zc: {nets: [\"fd00::/64\", 172.16.0.0/12]%s%s}\ndevices:\n",
	    one_in(8) ? ", limits: {packets: 9/s, flows: 200/s}" : "", sides[rnd(4)]);
	members[3] = members[4] = 0;
	for (unsigned i = 0; i < 6; i++) {
		role = rnd(3);
		if (role < 2)
			members[3 + role] |= (uint8_t)(1u << i);
		out("  %s: {zone: %s, role: %s, ip: %s", device_names[i], homes[i], roles[role],
		    ips[i]);
		if (one_in(3))
			out(", mac: \"02:00:00:00:00:%02x\"", rnd(3));
		out("}\n");
	}
	random_groups();
	out("conduits:\n");
	for (uint32_t i = 0; i < n; i++)
		conduit(i);
	n_conduits = n;
}

/* --- a fact -------------------------------------------------------------------------------- */

#define ITEMS_MAX 4u
static struct fact_item items[ITEMS_MAX];
static uint8_t bytes[ITEMS_MAX][4096];

static bool
items_next(const struct fact *f, struct fact_iter *it, struct fact_item *next)
{
	(void)f;
	*next = items[it->i];
	return true;
}

static uint32_t
near_number(uint32_t max)
{
	uint32_t v = one_in(4) || pool_n == 0 ? rnd(300) : pool[rnd(pool_n)];

	if (one_in(3))
		v += rnd(3);
	else if (one_in(3))
		v -= rnd(3);
	return v > max && !one_in(20) ? v % (max == UINT32_MAX ? max : max + 1) : v;
}

static void
random_plc_item(struct fact_item *it, uint8_t *vals, uint8_t access)
{
	static const uint8_t spaces[] = {PLC_AREA, PLC_AREA, PLC_FLAG, PLC_FLAG, PLC_COUNTER, PLC_JOB};
	static const uint32_t floats[] = {0x42a10000, 0x42a10001, 0x7fc00000, 0xbfc00000, 0x80000000, 0};

	it->access = access;
	it->space = (uint8_t)(one_in(40) ? PLC_ELSE : spaces[rnd(6)]);
	it->sub = it->space == PLC_AREA ? rnd(8) : it->space == PLC_JOB ? rnd(4) : 0;
	it->first = one_in(2) ? rnd(60) * 8 : near_number(plc_spaces[it->space].max);
	it->count = one_in(30) ? 0 : one_in(3) ? 1 + rnd(64) : 8 * (1 + rnd(one_in(8) ? 40 : 8));
	if (it->space == PLC_COUNTER)
		it->first %= 300;
	if (it->space == PLC_JOB) {
		it->first = rnd(10);
		it->count = 1;
	}
	if (!(access & ACC_WRITE) || one_in(10) || it->space > PLC_COUNTER)
		return;
	for (uint32_t i = 0; i < 800; i++)
		vals[i] = (uint8_t)(!one_in(3) ? 0 : one_in(3) ? 0xff : rnd(256));
	for (uint32_t i = 0; i + 4 < 800; i += 4)
		if (one_in(3)) {
			uint32_t f = floats[rnd(6)];

			vals[i] = (uint8_t)(f >> 24);
			vals[i + 1] = (uint8_t)(f >> 16);
			vals[i + 2] = (uint8_t)(f >> 8);
			vals[i + 3] = (uint8_t)f;
		}
	it->vals = vals;
	it->masked = one_in(20);
	it->enc = it->space == PLC_COUNTER ? ENC_U16_BE : one_in(30) ? ENC_U8 : ENC_BIT_LSB;
}

static void
random_item(struct fact_item *it, uint8_t *vals, unsigned proto, uint8_t access)
{
	static const char *const uris[] = {"urn:a", "urn:b", "urn:c", "http://opcfoundation.org/UA/"};
	static const char *const names[] = {"ns=2;s=Pump.Set1", "ns=2;s=Pump.Speed", "ns=3;s=x",
	    "", "aab.Set9", "xaxbx", "ns=2;s=Pump.Set", "ns=7;s=Pump.Set1", "i=85", "ns=2;s=Pumpa.b",
	    "ns=2;s=Pump.Set12", "ns=2", "ns=;x", "ns=23;s=Pump.S1"};
	static const uint8_t encs[] = {ENC_U16_BE, ENC_BIT_LSB, ENC_U16_BE, ENC_U8};

	memset(it, 0, sizeof(*it));
	it->access = access == (ACC_READ | ACC_WRITE) ? (one_in(2) ? ACC_READ : ACC_WRITE) : access;
	it->count = one_in(30) ? 0 : one_in(2) ? 1 : 1 + rnd(one_in(10) ? 300 : 20);
	if (proto == PROTO_NODES) {
		it->space = one_in(50) ? 1 : 0;
		it->name = one_in(20) ? NULL : names[rnd(14)];
		it->name_len = it->name ? (uint32_t)strlen(it->name) : 0;
		it->uri = one_in(2) ? NULL : uris[rnd(4)];
		it->uri_len = it->uri ? (uint32_t)strlen(it->uri) : 0;
		it->sub = one_in(3) ? 5 : rnd(8);
		it->count = 1;
		return;
	}
	if (proto == PROTO_PLC) {
		random_plc_item(it, vals, it->access);
		return;
	}
	it->space = (uint8_t)(one_in(60) ? TOY_SPACES : one_in(2) ? TOY_REG : rnd(TOY_SPACES));
	it->sub = it->space == TOY_FILE ? rnd(8) : 0;
	it->first = near_number(it->space < TOY_SPACES ? toy_spaces[it->space].max : 10);
	if (it->access & ACC_WRITE && !one_in(8)) {
		for (uint32_t i = 0; i < it->count * 2 && i < sizeof(bytes[0]); i++)
			vals[i] = (uint8_t)(one_in(2) ? 0 : rnd(256));
		for (uint32_t i = 0; pool_n && i + 1 < it->count * 2; i += 2)
			if (one_in(2)) {
				vals[i] = (uint8_t)(pool[rnd(pool_n)] >> 8);
				vals[i + 1] = (uint8_t)pool[rnd(pool_n)];
			}
		it->vals = vals;
		it->enc = it->space < TOY_SPACES ? encs[it->space] : ENC_U16_BE;
		it->masked = one_in(10);
	}
}

static void
random_props(struct fact_props *x, unsigned proto)
{
	static const char *const pins[] = {"AB:CD", "AB:", "XB:CD", ""};
	static const char *const apps[] = {"urn:hmi:2", "urn:mes", "urn:xes", "urn:x"};

	memset(x, 0, sizeof(*x));
	x->known = one_in(3) ? rnd(UINT32_MAX) : UINT32_MAX;
	x->na = one_in(6) ? rnd(UINT32_MAX) & rnd(UINT32_MAX) : 0;
	x->midstream = one_in(4);
	for (unsigned i = 0; i < FACT_NUMS; i++)
		x->num[i] = one_in(20) ? UINT32_MAX : one_in(2) ? rnd(5) : near_number(300);
	for (unsigned i = 0; i < FACT_TEXTS; i++)
		x->text[i].p = i == NODE_PIN ? pins[rnd(4)] : apps[rnd(4)];
	for (unsigned i = 0; i < FACT_TEXTS; i++)
		x->text[i].n = (uint32_t)strlen(x->text[i].p);
	if (proto != PROTO_NODES)
		return;
	x->num[NODE_SIZE] = rnd(5000);
	x->num[NODE_OFFERS] = rnd(8);
	x->num[NODE_CHUNKS] = rnd(60);
}

static void
random_fact(struct fact *f, unsigned proto)
{
	static const struct dis_schema *const schemas[] = {&toy_schema, &node_schema, &plc_schema};
	static struct fact_props props;
	const struct dis_schema *sc = schemas[proto];
	const struct dis_op *op = &sc->ops[rnd(sc->n_ops)];

	memset(f, 0, sizeof(*f));
	f->proto = (uint8_t)proto;
	f->kind = one_in(20) ? FACT_OTHER : one_in(15) ? FACT_RESPONSE : FACT_REQUEST;
	f->opx = one_in(200) ? sc->n_opx : op->opx;
	f->code = op->code;
	f->sub = op->sub;
	f->access = op->access;
	f->op = op->name;
	f->unit = one_in(2) && pool_n ? pool[rnd(pool_n)] : near_number(proto != PROTO_NODES ? 255 : 100001);
	f->goes_on = one_in(12);
	f->n_items = (uint16_t)(one_in(6) ? 0 : one_in(4) ? 1 + rnd(ITEMS_MAX) : 1);
	for (unsigned i = 0; i < f->n_items; i++)
		random_item(&items[i], bytes[i], proto, op->access & (ACC_READ | ACC_WRITE) ?
		    (uint8_t)(op->access & (ACC_READ | ACC_WRITE)) : ACC_READ);
	f->item = items[0];
	f->next = f->n_items > 1 ? items_next : NULL;
	if (one_in(proto == PROTO_NODES ? 6 : 50))
		f->anomalies |= FACT_A_ENCRYPTED;
	if (f->kind == FACT_RESPONSE && one_in(4))
		f->anomalies |= FACT_A_UNSOLICITED;
	random_props(&props, proto);
	f->props = one_in(20) ? NULL : &props;
}

/* An address that an end of the policy speaks of, mostly. */
static const char *
random_ip(const unsigned end[3])
{
	static const char *const ips[] = {"10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.2.1", "10.0.2.2",
	    "fd00::1", "10.0.1.77", "10.0.9.9", "172.16.1.1", "fd00::99", "192.168.1.1"};
	static const uint8_t of_zone[3][3] = {{0, 1, 6}, {3, 4, 7}, {5, 5, 9}};
	unsigned e = end[rnd(3)], device;

	if (one_in(10))
		return ips[rnd(11)];
	if (e >= 12) { /* of a group: mostly who is in it */
		device = rnd(6);
		while (!one_in(8) && !(members[e - 12] >> device & 1))
			device = (device + 1) % 6;
		return ips[device];
	}
	return ips[e < 6 ? e : of_zone[e % 3][rnd(e < 9 ? 2 : 3)]];
}

/* Mostly one that a device may have, or none. */
static void
random_mac(uint8_t mac[6])
{
	memset(mac, 0, 6);
	if (one_in(3))
		return;
	mac[0] = 2;
	mac[5] = (uint8_t)rnd(4);
}

static void
random_tuple(struct net_tuple *t, unsigned c, unsigned proto)
{
	memset(t, 0, sizeof(*t));
	if (net_addr_parse(random_ip(ends[c][0]), &t->src) < 0 ||
	    net_addr_parse(random_ip(ends[c][1]), &t->dst) < 0)
		abort();
	t->proto = one_in(8) ? NET_PROTO_UDP : NET_PROTO_TCP;
	t->dport = one_in(12) ? (one_in(2) ? 5020 : 80) : proto == PROTO_TOY ? 502 : proto == PROTO_PLC ? 102 : 4840;
	t->vlan = (uint16_t)(one_in(6) ? 7 + rnd(3) : 0);
	t->port = (uint8_t)rnd(4); /* one port or two, either side */
	random_mac(t->smac);
	random_mac(t->dmac);
}

/* --- the comparison -------------------------------------------------------------------------- */

static struct verdict
by_tables(const struct policy *p, const struct net_tuple *t, const struct fact *f)
{
	struct policy_bind b;
	struct verdict open = policy_bind_in(p, t, &now_open, &b), v;

	if (open.reason == REASON_NO_CONDUIT)
		v = open;
	else if (b.flags & BIND_WINDOW)
		v = policy_eval_in(p, &b, f, &now_open, t, NULL);
	else
		v = policy_eval(p, &b, f);
	v.generation = 0;
	return v;
}

static uint64_t tally_lower[16], tally_permits, tally_permit_opens;

/* --- permits --------------------------------------------------------------------------------- */

static void
random_permit(struct permit *m)
{
	static const char *const words[] = {"all", "read", "write", "programming", "reads", "Read",
	    "control", "session", "Write", "write-regs"};
	size_t n;

	memset(m, 0, sizeof(*m));
	(void)snprintf(m->site, sizeof(m->site), "model");
	if (crypto_b64url_decode(PERMIT_KEY, strlen(PERMIT_KEY), m->key, sizeof(m->key), &n) < 0)
		abort();
	if (one_in(2))
		(void)snprintf(m->window, sizeof(m->window), "w%u", rnd(N_WINDOWS));
	if (one_in(2) || !m->window[0])
		(void)snprintf(m->conduit, sizeof(m->conduit), "conduit%u", rnd(n_conduits));
	m->n_from = (uint8_t)(3 + rnd(4));
	m->n_to = (uint8_t)(3 + rnd(4));
	for (unsigned i = 0; i < 6; i++) {
		(void)snprintf(m->from[i], PERMIT_NAME, "%s", device_names[rnd(6)]);
		(void)snprintf(m->to[i], PERMIT_NAME, "%s", device_names[rnd(6)]);
	}
	m->n_functions = (uint8_t)(one_in(3) ? 1 + rnd(2) : 0);
	for (unsigned i = 0; i < m->n_functions; i++)
		(void)snprintf(m->functions[i], PERMIT_NAME, "%s", words[rnd(10)]);
	m->n_rules = (uint8_t)(one_in(3) ? 1 + rnd(3) : 0);
	for (unsigned i = 0; i < m->n_rules; i++)
		if (one_in(3))
			(void)snprintf(
			    m->rules[i], PERMIT_NAME, "conduit%u/r%u", rnd(n_conduits), rnd(8));
		else
			(void)snprintf(
			    m->rules[i], PERMIT_NAME, "%s%u", one_in(6) ? "web" : "r", rnd(8));
}

static void
set_permit(unsigned i, unsigned state)
{
	uint16_t bit = (uint16_t)(1u << i);

	permits.v[i].on = state == 1;
	permits.v[i].ending = state == 2;
	now_open.permits = (uint16_t)((now_open.permits & ~bit) | (state == 1 ? bit : 0));
	now_open.ending = (uint16_t)((now_open.ending & ~bit) | (state == 2 ? bit : 0));
}

/* Some for the policy at hand; those that do not fit it are none. */
static void
random_permits(const struct policy *p)
{
	char err[256];

	n_permits = 0;
	now_open.permits = now_open.ending = 0;
	memset(&permits, 0, sizeof(permits));
	permits.open = now_open.open;
	permits.grace = now_open.grace;
	for (unsigned tries = 0; windows_written && tries < 12 && n_permits < PERMITS_TRIED;
	     tries++) {
		struct permit *m = &permits.v[n_permits].m;

		random_permit(m);
		if (policy_permit_fit(p, m, &now_open.permit[n_permits], err, sizeof(err)) < 0)
			continue;
		set_permit(n_permits++, 1);
	}
}

/* Windows and permits open and close. */
static void
time_passes(void)
{
	now_open.open ^= UINT64_C(1) << rnd(N_WINDOWS);
	if (one_in(2))
		now_open.grace ^= UINT64_C(1) << rnd(N_WINDOWS);
	permits.open = now_open.open;
	permits.grace = now_open.grace;
	if (n_permits != 0 && one_in(2))
		set_permit(rnd(n_permits), one_in(3) ? rnd(3) : 1);
}

static bool
same(const struct verdict *a, const struct verdict *b)
{
	return a->permit == b->permit && a->action == b->action && a->would == b->would &&
	       a->reason == b->reason && a->mode == b->mode && a->rule == b->rule &&
	       a->conduit == b->conduit;
}

static void
show(const char *who, const struct verdict *v)
{
	fprintf(stderr, "%-7s %s would %s, %s, mode %u, rule %d, conduit %d\n", who,
	    verdict_action_name(v->action), verdict_action_name(v->would),
	    policy_reason_name(v->reason), v->mode, (int)v->rule, (int)v->conduit);
}

/* What is not about a PDU: opening, an echo, ARP or its IPv6 form. */
static bool
lower_agrees(const struct policy *p, const struct ruleset *rs, const struct net_tuple *t)
{
	static const struct net_addr none4 = {{[10] = 0xff, [11] = 0xff}}, none6;
	struct net_tuple at = *t;
	struct policy_icmp icmp = {.t = &at, .type = 8};
	struct policy_l2 arp = {.ethertype = 0x0806, .arp = true, .vlan = t->vlan, .port = t->port};
	struct policy_bind b;
	struct verdict v[3], n[3];

	v[0] = policy_bind_in(p, t, &now_open, &b);
	n[0] = naive_permitted_open(rs, t, false, &permits);
	tally_permit_opens += n[0].reason != REASON_WINDOW &&
			      naive_open(rs, t, false, now_open.open).reason == REASON_WINDOW;
	at.proto = NET_PROTO_ICMP;
	v[1] = policy_eval_icmp_in(p, &icmp, &now_open);
	n[1] = naive_permitted_open(rs, &at, true, &permits);
	if (one_in(8))
		at.src = one_in(2) ? none4 : none6;
	if (one_in(8))
		at.dst = one_in(2) ? none4 : none6;
	if (one_in(12))
		(void)net_addr_parse("fe80::1", one_in(2) ? &at.src : &at.dst);
	memcpy(arp.smac, at.smac, 6);
	memcpy(arp.arp_smac, at.smac, 6);
	arp.arp_smac[5] ^= (uint8_t)(one_in(8) ? 1 : 0);
	arp.arp_sip = at.src;
	arp.arp_tip = at.dst;
	v[2] = policy_eval_l2(p, &arp);
	n[2] = naive_neighbour(rs, &at, arp.arp_smac);
	if (memcmp(&at.src, &none4, 16) && memcmp(&at.src, &none6, 16) &&
	    memcmp(&at.dst, &none4, 16) &&
	    memcmp(&at.dst, &none6, 16)) { /* the same question, RFC 4861 4.3 */
		icmp = (struct policy_icmp){.t = &at,
		    .v6 = true,
		    .type = 135,
		    .hop_limit = 255,
		    .target = at.dst,
		    .has_lladdr = true};
		memcpy(icmp.lladdr, arp.arp_smac, 6);
		v[2] = policy_eval_icmp(p, &icmp);
	}
	for (unsigned i = 0; i < 3; i++)
		if (!same(&v[i], &n[i])) {
			fprintf(stderr, "%s disagree; port %u, VLAN %u, MACs %u %u\n",
			    i == 0   ? "openings"
			    : i == 1 ? "echoes"
				     : "neighbours",
			    t->port, t->vlan, t->smac[5], t->dmac[5]);
			show("tables", &v[i]);
			show("naive", &n[i]);
			return false;
		}
	tally_lower[v[0].reason]++;
	tally_lower[v[2].reason]++;
	return (b.flags & BIND_STRICT) ==
	       (b.conduit != RULE_NONE && rs->conduits[b.conduit].strict ? BIND_STRICT : 0);
}

#include "tests/model/sequence.h"

/* policy_why() must run on anything and end with the verdict of the tables. */
static bool
why_agrees(const struct policy *p, const struct net_tuple *t, const struct fact *f,
    const struct verdict *v)
{
	char want[64], *said = NULL, *last;
	size_t n = 0;
	FILE *to = open_memstream(&said, &n);
	bool ok;

	if (!to)
		abort();
	policy_why_in(p, t, f, &now_open, NULL, to);
	fclose(to);
	snprintf(want, sizeof(want), "verdict: %s (%s", verdict_action_name(v->action),
	    policy_reason_name(v->reason));
	last = strstr(said, "verdict: ");
	ok = last && strncmp(last, want, strlen(want)) == 0;
	if (!ok)
		fprintf(stderr, "policy_why() says:\n%s", said);
	free(said);
	return ok;
}

struct tally {
	uint64_t pairs, policies, refused, steps;
	uint64_t action[5], reason[16];
	uint64_t staged; /* would differs from action */
};

static const struct ruleset *
read_rules(struct arena *keep, struct arena *scratch, struct complaints *c)
{
	jmp_buf oom;

	if (setjmp(oom) != 0)
		abort();
	keep->oom = scratch->oom = &oom;
	return rules_read(keep, scratch, c, text, text_len);
}

static bool
one_policy(struct tally *n, uint64_t wanted, uint64_t wanted_steps, unsigned sequences)
{
	struct complaints c = {0}, c2 = {.file = "model"};
	struct arena keep = {0}, scratch = {0};
	struct policy *p;
	const struct ruleset *rs;
	bool ok = true;

	random_policy();
	p = policy_build_text("model", text, text_len, &c);
	if (!p) {
		n->refused++;
		if (getenv("MODEL_SHOW_REFUSED"))
			complaints_print(&c, stdout);
		complaints_fini(&c);
		return true;
	}
	rs = read_rules(&keep, &scratch, &c2);
	n->policies++;
	random_permits(p);
	for (unsigned i = 0; rs && ok && i < FACTS_PER_POLICY && n->pairs < wanted; i++) {
		struct net_tuple t;
		struct verdict a, b;
		struct fact f;
		unsigned at = rnd(n_conduits);
		unsigned proto = rnd(3);

		while (!speaks[at][proto] && !one_in(15))
			proto = rnd(3);
		random_fact(&f, proto);
		if (one_in(3))
			time_passes();
		random_tuple(&t, at, proto);
		a = by_tables(p, &t, &f);
		b = naive_permitted(rs, &t, &f, NULL, &permits);
		tally_permits += a.permit != 0;
		ok = same(&a, &b) && lower_agrees(p, rs, &t) &&
		     (n->pairs % 512 != 0 || why_agrees(p, &t, &f, &a));
		n->pairs++;
		n->action[a.action]++;
		n->reason[a.reason]++;
		n->staged += a.action != a.would;
		if (!ok) {
			fprintf(stderr, "%s\n", text);
			show("tables", &a);
			show("naive", &b);
			policy_why_in(p, &t, &f, &now_open, NULL, stderr);
		}
	}
	for (unsigned i = 0; rs && ok && i < sequences && n->steps < wanted_steps; i++)
		ok = one_sequence(p, rs, &n->steps);
	policy_free(p);
	arena_fini(&keep);
	arena_fini(&scratch);
	complaints_fini(&c);
	complaints_fini(&c2);
	return ok && rs;
}

int
main(int argc, char **argv)
{
	uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
	uint64_t wanted_steps = argc > 3 ? strtoull(argv[3], NULL, 0) : wanted / 5;
	/* Pairs and steps shall end with about the same number of policies. */
	uint64_t sequences = wanted ? 4 * wanted_steps / wanted : SEQUENCES;
	struct tally n = {0};

	sequences = sequences < 4 ? 4 : sequences > SEQUENCES ? SEQUENCES : sequences;
	rng_state = seed;
	printf("policy model: seed %" PRIu64 "\n", seed);
	fflush(stdout);
	while (n.pairs < wanted || n.steps < wanted_steps)
		if (!one_policy(&n, wanted, wanted_steps, (unsigned)sequences)) {
			fprintf(stderr,
			    "policy model: tables and naive evaluator differ, seed %" PRIu64
			    ", pair %" PRIu64 ", step %" PRIu64 "\n",
			    seed, n.pairs, n.steps);
			return 1;
		}
	printf("policy model: %" PRIu64 " pairs of %" PRIu64 " policies agree (%" PRIu64
	    " more texts were refused); actions", n.pairs, n.policies, n.refused);
	for (uint8_t i = 0; i < 5; i++)
		printf(" %s %" PRIu64, verdict_action_name(i), n.action[i]);
	printf("; reasons");
	for (uint8_t i = 0; i < 16; i++)
		if (n.reason[i])
			printf(" %s %" PRIu64, policy_reason_name(i), n.reason[i]);
	printf("; rehearsed %" PRIu64 "; openings and neighbours", n.staged);
	for (uint8_t i = 0; i < 16; i++)
		if (tally_lower[i])
			printf(" %s %" PRIu64, policy_reason_name(i), tally_lower[i]);
	printf("; under a permit %" PRIu64 ", opened by one %" PRIu64 "; late answers %" PRIu64
	       "\n",
	    tally_permits, tally_permit_opens, seq_late);
	policy_memory_free(seq_memory);
	printf("policy model: %" PRIu64 " steps of conversations agree (%" PRIu64
	       " cut off); asked for the "
	       "last value: known %" PRIu64 ", not known %" PRIu64 "; rules met with it %" PRIu64
	       ", changes %" PRIu64 "\n",
	    n.steps, seq_abandoned, naive_seen.known, naive_seen.unknown, naive_seen.met,
	    naive_seen.changes);
	if (wanted_steps >= 100000 &&
	    (naive_seen.known < wanted_steps / 10 || naive_seen.unknown < wanted_steps / 20 ||
		naive_seen.met < wanted_steps / 50 || naive_seen.changes < wanted_steps / 1000 ||
		seq_late < wanted_steps / 500 || seq_abandoned > wanted_steps / 1000))
		return 1;
	/* A model that never sees a case proves nothing about it. */
	return wanted >= 100000 &&
		       (n.action[VERDICT_ALLOW] == 0 || n.action[VERDICT_DROP] == 0 ||
			   n.reason[REASON_RULE] < wanted / 20 ||
			   n.reason[REASON_SECURITY] < wanted / 1000 ||
			   n.reason[REASON_LIMIT] < wanted / 1000 ||
			   n.reason[REASON_WINDOW] < wanted / 500 ||
			   tally_lower[REASON_WINDOW] < wanted / 500 ||
			   tally_permits < wanted / 2000 || tally_permit_opens < wanted / 500 ||
			   tally_lower[REASON_L2] < wanted / 50 ||
			   tally_lower[REASON_PLACE] < wanted / 50)
		   ? 1
		   : 0;
}
