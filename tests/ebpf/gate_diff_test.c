/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_diff_test.c - the filter against those who judge after it: random policies, random
 * frames, and what policy_bind(), policy_eval_l2(), policy_eval_icmp() and the engine say.
 *
 * The filter never drops what one of them lets pass, but for three kinds that it means to
 * (see strict()).  What it lets through and the engine drops is counted by the engine's
 * reason: the price of judging in two places, not a fault.
 *
 * usage: gate_diff_test [SEED [FRAMES]]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/cur.h"
#include "dataplane/decode.h"
#include "dataplane/engine.h"
#include "policy/gate.h"
#include "tests/ebpf/kit.h"

#define FRAMES_PER_POLICY 1000u
#define WORDS		  512u

static uint64_t seed, frames_wanted = 250000;
static struct gate *gate;
static char text[16384];
static size_t text_len;

static uint32_t
rnd(uint32_t n) /* below n; splitmix64 */
{
	static uint64_t x;
	uint64_t z;

	if (x == 0)
		x = seed;
	z = (x += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) >> 32) % n;
}

static bool
one_in(uint32_t n)
{
	return rnd(n) == 0;
}

#define PICK(list) ((list)[rnd(sizeof(list) / sizeof((list)[0]))])

static void __attribute__((format(printf, 3, 4))) put(char *to, size_t *len, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	*len += (size_t)vsnprintf(to + *len, sizeof(text) - *len, fmt, args);
	va_end(args);
	if (*len >= sizeof(text))
		abort();
}
#define OUT(...) put(text, &text_len, __VA_ARGS__)

/* --- a policy ---------------------------------------------------------------------------------- */

static const char *const device_ip[] = {"10.0.1.1", "10.0.1.2", "10.0.1.200", "10.0.2.1",
    "10.0.2.2", "10.0.3.1", "fd00:1::1", "fd00:1::2", "fd00:2::1"};
static const char device_zone[] = {'a', 'a', 'd', 'b', 'b', 'c', 'a', 'a', 'b'};
#define N_DEVICES (sizeof(device_zone))

static void
random_ends(const char *key)
{
	OUT("    %s: [", key);
	for (unsigned i = 0, n = 1 + rnd(2); i < n; i++) {
		if (i)
			OUT(", ");
		switch (rnd(4)) {
		case 0:
			OUT("z%c", 'a' + rnd(4));
			break;
		case 1:
			OUT("z%c/*", 'a' + rnd(4));
			break;
		default:
			OUT("d%u", rnd(N_DEVICES));
		}
	}
	OUT("]\n");
}

static void
random_conduit(unsigned i)
{
	static const char *const otherwise[] = {"drop", "reject", "reset", "alert"};
	static const char *const modes[] = {"enforce", "enforce", "alert", "learn"};
	static const char *const ports[] = {"", "      ports: [502, 5020..5030, udp/5000]\n",
	    "      ports: any\n",
	    "      ports: [udp/502, tcp/1, tcp/3, tcp/5, tcp/7, tcp/9, tcp/11, tcp/13, tcp/15, "
	    "tcp/17, tcp/19, "
	    "tcp/21, tcp/23, tcp/25, tcp/27, tcp/29, tcp/31]\n"};

	OUT("  - name: c%u\n", i);
	random_ends("from");
	random_ends("to");
	if (one_in(2))
		OUT("    otherwise: %s\n", PICK(otherwise));
	if (one_in(4))
		OUT("    mode: %s\n", PICK(modes));
	if (one_in(3))
		OUT("    icmp: [echo]\n");
	if (one_in(8))
		OUT("    apps: [TLS]\n");
	if (!one_in(6))
		OUT("    modbus:\n      addressing: zero-based\n%s      allow: [{name: r, units: "
		    "all, functions: [3], "
		    "holding: [0..9]}]\n",
		    PICK(ports));
	if (one_in(4))
		OUT("    s7: {allow: [{name: e, functions: all}]}\n");
}

static void
random_policy_text(void)
{
	static const char *const modes[] = {
	    "enforce", "enforce", "enforce", "enforce", "alert", "learn"};
	static const char *const arp[] = {"bound", "bound", "any", "drop"};
	static const char *const words[] = {"allow", "alert", "drop", "drop"};
	static const char *const nets[] = {"10.0.1.0/24, \"fd00:1::/64\"",
	    "10.0.2.0/24, \"fd00:2::/64\"", "10.0.0.0/16", "10.0.1.128/25"};

	text_len = 0;
	OUT("interlock: 1\nmode: %s\n", PICK(modes));
	if (one_in(3))
		OUT("conditions: {midstream: %s}\n", one_in(2) ? "drop" : "alert");
	if (!one_in(4)) {
		OUT("l2: {arp: %s, mac: %s, otherwise: %s, ra: %s, mld: %s", PICK(arp), PICK(words),
		    PICK(words), PICK(words), PICK(words));
		if (one_in(2))
			OUT(", allow: [%s%s0x88cc, goose]", one_in(2) ? "stp, " : "",
			    one_in(2) ? "profinet-dcp, " : "");
		OUT("}\n");
	}
	OUT("zones:\n");
	for (unsigned z = 0; z < 4; z++) {
		OUT("  z%c: {nets: [%s%s]", 'a' + z, nets[z],
		    z == 2 && one_in(3) ? ", 0.0.0.0/0" : "");
		if (one_in(3))
			OUT(", vlan: %u", 7 + rnd(2));
		if (!one_in(3))
			OUT(", port: %s", (z == 1) != one_in(4) ? "inside" : "outside");
		OUT("}\n");
	}
	OUT("devices:\n");
	for (unsigned d = 0; d < N_DEVICES; d++) {
		OUT("  d%u: {zone: z%c, ip: \"%s\"", d, device_zone[d], device_ip[d]);
		if (one_in(3))
			OUT(", mac: \"02:00:00:00:00:%02x\"", 'a' + d % 4);
		OUT("}\n");
	}
	OUT("conduits:\n");
	for (unsigned i = 0, n = 1 + rnd(6); i < n; i++)
		random_conduit(i);
}

static struct policy *
random_policy(void)
{
	for (;;) {
		struct complaints c = {0};
		struct policy *p;

		random_policy_text();
		p = policy_build_text("random", text, text_len, &c);
		complaints_fini(&c);
		if (p)
			return p;
	}
}

/* --- a frame ------------------------------------------------------------------------------------- */

static const char *
random_ip(bool v6)
{
	static const char *const ip4[] = {"10.0.1.1", "10.0.1.2", "10.0.1.200", "10.0.2.1",
	    "10.0.2.2", "10.0.3.1", "10.0.1.77", "10.0.1.222", "10.0.2.99", "10.0.9.9", "192.0.2.1",
	    "224.0.0.22", "10.0.1.255", "0.0.0.0"};
	static const char *const ip6[] = {"fd00:1::1", "fd00:1::2", "fd00:2::1", "fd00:1::99",
	    "fd00:9::9", "fe80::1", "ff02::1", "::", "::ffff:10.0.1.1"};

	return v6 ? one_in(3) ? PICK(ip6) : ip6[rnd(3)] : one_in(2) ? PICK(ip4) : ip4[rnd(6)];
}

static char
random_mac(void)
{
	return one_in(20) ? '0' : (char)('a' + rnd(5));
}

static void
random_transport(char *w, size_t *n, bool v6)
{
	static const unsigned ports[] = {
	    502, 502, 502, 5025, 5000, 102, 17, 40000, 40001, 0, 65535};
	static const char *const flags[] = {"S", "S", "A", "AP", "SA", "R", "FA", ""};
	static const unsigned icmp4[] = {8, 8, 0, 3, 11, 12, 5, 9, 10, 13};
	static const unsigned icmp6[] = {
	    128, 128, 129, 1, 2, 3, 4, 130, 131, 132, 143, 133, 134, 139};
	static const unsigned protos[] = {2, 2, 47, 50, 89, 1, 58, 0, 43, 44, 60, 51, 59, 6, 17};

	switch (rnd(8)) {
	case 0:
		put(w, n, " udp:%u>%u", PICK(ports), PICK(ports));
		break;
	case 1:
		put(w, n, " icmp:%u/%u", v6 ? PICK(icmp6) : PICK(icmp4), one_in(5) ? rnd(5) : 0);
		if (one_in(2))
			put(w, n, " hex:000102030405");
		break;
	case 2:
		if (v6)
			put(w, n, " nd:%u%s:%s", one_in(4) ? 137 : 135 + rnd(2),
			    one_in(6) ? "/1" : "", random_ip(true));
		else
			put(w, n, " proto:%u hex:1600fffe00000000", PICK(protos));
		break;
	case 3:
		if (one_in(2)) {
			put(w, n, " frag:%u%s", rnd(3) * 8, one_in(2) ? "+" : "");
			put(w, n, " tcp:%u>%u:S", PICK(ports), PICK(ports));
		} else {
			put(w, n, " proto:%u hex:1600000000000000", PICK(protos));
		}
		break;
	default:
		put(w, n, " tcp:%u>%u:%s", PICK(ports), PICK(ports), PICK(flags));
	}
	if (one_in(10))
		put(w, n, " pad:%u", rnd(20));
}

static void
random_net(char *w, size_t *n)
{
	static const char *const exts[] = {"hbh", "dst", "rt", "ah", "frag6:0", "dst"};
	bool v6 = one_in(3);

	put(w, n, " ip:%s>%s", random_ip(v6), random_ip(v6));
	if (v6 && !one_in(3))
		put(w, n, " hop:%u", one_in(2) ? 255 : 1);
	if (v6 && one_in(3))
		for (unsigned i = 0, k = one_in(5) ? rnd(11) : 1; i < k; i++)
			put(w, n, " %s", i == 0 && one_in(2) ? "hbh" : PICK(exts));
	if (!v6 && one_in(12))
		put(w, n, " opt:%u", 1 + rnd(9));
	if (one_in(30))
		put(w, n, " ver:%u", rnd(16));
	if (!v6 && one_in(30))
		put(w, n, " ihl:%u", rnd(16));
	if (one_in(30))
		put(w, n, " len:%u", rnd(100));
	random_transport(w, n, v6);
}

static void
random_words(char *w)
{
	static const char *const tags[] = {"vlan:7", "vlan:7", "vlan:8", "qinq:7", "old:8",
	    "vlan:9", "vlan:0", "vlan:0x6007", "snap", "snapf8"};
	static const unsigned types[] = {
	    0x88cc, 0x88b8, 0x8892, 0x86dc, 0x0600, 0x05dd, 0x0806, 0xffff, 3};
	static const char *const groups[] = {"bridge", "pvst", "*", "a"};
	static const char *const llc[] = {"4242", "aaaa", "e0e0"};
	size_t n = 0;

	if (one_in(12)) {
		put(w, &n, "eth:%c>%s", random_mac(), PICK(groups));
		for (unsigned i = rnd(2); i > 0; i--)
			put(w, &n, " %s", PICK(tags));
		if (one_in(3))
			put(w, &n, " llc:%s", PICK(llc));
		else
			put(w, &n, " type:%04x hex:%s", PICK(types), one_in(2) ? "fefd0000" : "01");
		return;
	}
	put(w, &n, "eth:%c>%c", random_mac(), random_mac());
	if (one_in(3))
		for (unsigned i = one_in(8) ? rnd(7) : 1; i > 0; i--)
			put(w, &n, " %s", PICK(tags));
	if (one_in(6))
		put(w, &n, " arp:%c@%s>%s", random_mac(), random_ip(false), random_ip(false));
	else
		random_net(w, &n);
	if (n >= WORDS)
		abort();
}

/* --- what the others say --------------------------------------------------------------------------- */

static bool
icmp_says(
    const struct policy *p, const uint8_t *frame, const struct layers *l, const struct net_tuple *t)
{
	struct policy_icmp c = {.t = t, .v6 = (l->flags & LAYER_V6) != 0};
	struct cur in = cur_make(frame + l->pay_off, l->pay_len);
	const uint8_t *target;

	if (c.v6)
		c.hop_limit = frame[l->l3_off + 7];
	c.type = cur_u8(&in);
	c.code = cur_u8(&in);
	cur_skip(&in, 6);
	if (!cur_ok(&in))
		return false;
	if (c.v6 && (c.type == 135 || c.type == 136)) {
		if ((target = cur_bytes(&in, 16)) == NULL)
			return false;
		c.target = net_addr_from6(target);
	}
	return policy_eval_icmp(p, &c).action < VERDICT_REJECT;
}

static bool
l2_says(const struct policy *p, const struct pkt *k, const struct layers *l)
{
	struct policy_l2 f = {.ethertype = l->ethertype, .vlan = l->vlan};
	struct cur in = cur_make(k->bytes + l->l3_off, k->caplen - l->l3_off);

	memcpy(f.smac, l->smac, 6);
	memcpy(f.dmac, l->dmac, 6);
	if (l->flags & LAYER_ARP)
		f.arp = decode_arp(k, l, &f);
	f.port = k->port | NET_PORT_TWO;
	f.head = cur_be16(&in);
	f.has_head = cur_ok(&in);
	return policy_eval_l2(p, &f).action < VERDICT_REJECT;
}

/* By the policy alone: a packet may open what its sender may, or answer what its receiver may. */
static bool
policy_says(const struct policy *p, const struct pkt *k)
{
	struct policy_bind b;
	struct net_tuple t, back;
	struct layers l;

	if (decode(k, &l) != DROP_NONE)
		return false;
	if (!(l.flags & LAYER_IP))
		return l2_says(p, k, &l);
	if (l.flags & LAYER_FRAGMENT)
		return false; /* the engine's */
	layers_tuple(&l, k->port | NET_PORT_TWO, &t);
	if (l.flags & LAYER_L4) {
		back = net_tuple_reverse(&t);
		return policy_bind(p, &t, &b).action < VERDICT_REJECT ||
		       policy_bind(p, &back, &b).action < VERDICT_REJECT;
	}
	if (l.proto == (l.flags & LAYER_V6 ? NET_PROTO_ICMP6 : NET_PROTO_ICMP) ||
	    l.proto == NET_PROTO_IGMP)
		return icmp_says(p, k->bytes, &l, &t);
	return false;
}

/* --- both ---------------------------------------------------------------------------------------------- */

static struct {
	uint64_t frames, passed, policy_too, engine_too, strict[4];
	uint64_t engine[DROP__MAX];
} tally;
#define STRICT (sizeof(tally.strict) / sizeof(tally.strict[0]))
static const char *const strict_names[STRICT] = {"no MAC (zeros) where a device has one",
    "IPv4 address inside an IPv6 header", "ICMP error from the other side's zone",
    "place or MAC of a packet whose flow had the right ones"};

static bool
is_mapped(const uint8_t *a)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(a, prefix, 12) == 0;
}

/* On purpose stricter than who judges after it: the index of why, or -1. */
static int
strict(const struct pkt *k, const char *reason, bool by_policy)
{
	static const uint8_t none[6];
	struct layers l;
	uint8_t type;

	(void)decode(k, &l);
	if (strcmp(reason, "l2.mac") == 0 &&
	    (memcmp(l.smac, none, 6) == 0 || memcmp(l.dmac, none, 6) == 0 ||
		(l.flags & LAYER_ARP && memcmp(k->bytes + l.l3_off + 8, none, 6) == 0)))
		return 0;
	if (!(l.flags & LAYER_IP))
		return -1;
	if (strcmp(reason, "policy.no_conduit") == 0 && l.flags & LAYER_V6 &&
	    (is_mapped(l.src) || is_mapped(l.dst)))
		return 1;
	type = k->bytes[l.pay_off];
	if (strcmp(reason, "ip.spoofed") == 0 && !(l.flags & LAYER_L4) &&
	    (l.flags & LAYER_V6 ? type <= 4 : type == 3 || type == 11 || type == 12))
		return 2;
	/* The engine asks once per flow, the filter for each packet. */
	return !by_policy && l.flags & LAYER_L4 &&
		       (strcmp(reason, "l2.mac") == 0 || strcmp(reason, "l2.vlan") == 0 ||
			   strcmp(reason, "ip.spoofed") == 0 || strcmp(reason, "ip.same_side") == 0)
		   ? 3
		   : -1;
}

static void
show(const char *words, const struct pkt *k, const char *said, bool by_policy, bool by_engine)
{
	print_message("# seed %ju: dropped (%s), passed by %s%s: port %u %s\n# ", (uintmax_t)seed,
	    said, by_policy ? "policy " : "", by_engine ? "engine" : "", k->port, words);
	for (uint32_t i = 0; i < k->caplen; i++)
		print_message("%02x", k->bytes[i]);
	print_message("\n%s\n", text);
}

static void
one_frame(const struct policy *p, struct engine *e, uint64_t at)
{
	uint8_t frame[KIT_FRAME_MAX];
	char words[sizeof(text)];
	struct pkt k = {.link = LINK_ETHERNET,
	    .port = (uint8_t)rnd(2),
	    .frame = at,
	    .bytes = frame,
	    .ts_ns = 1700000000000000000u + at * 100000};
	bool by_policy, by_engine;
	int why;

	random_words(words);
	k.caplen = (uint32_t)kit_frame(frame, words);
	if (one_in(12) && k.caplen > 14)
		frame[12 + rnd(k.caplen - 12)] ^= (uint8_t)(1u << rnd(8));
	if (one_in(12) && k.caplen > 15)
		k.caplen = 14 + rnd(k.caplen - 14);
	if (one_in(20))
		k.caplen = k.caplen < 60 ? 60 : k.caplen; /* as Ethernet pads it */
	k.wirelen = k.caplen;
	by_policy = policy_says(p, &k);
	tally.frames++;
	if (kit_passes(gate, k.port, frame, k.caplen, 1, NULL)) {
		tally.passed++;
		tally.policy_too += by_policy;
		engine_burst(e, &k, 1);
		if (k.fate == FATE_DROP)
			tally.engine[k.reason]++;
		else
			tally.engine_too++;
		return;
	}
	engine_burst(e, &k, 1);
	k.bytes = frame;
	k.caplen = k.wirelen;
	by_engine = k.fate != FATE_DROP;
	if (!by_policy && !by_engine)
		return;
	why = strict(&k, kit_verdict(gate, k.port, frame, k.caplen), by_policy);
	if (why >= 0) {
		tally.strict[why]++;
		return;
	}
	show(words, &k, kit_verdict(gate, k.port, frame, k.caplen), by_policy, by_engine);
	fail_msg("the filter drops what is allowed");
}

static void
agrees(void **state)
{
	char err[256] = "";
	unsigned policies = 0;

	(void)state;
	while (tally.frames < frames_wanted) {
		struct policy *p = random_policy();
		const struct engine_conf conf = {.memory_bytes = 4u << 20,
		    .seed = 1,
		    .inline_mode = true,
		    .mtu = {1500, 1500},
		    .policy = p};
		struct engine *e = engine_new(&conf);

		assert_non_null(e);
		if (gate_set_policy(gate, policy_gate(p), ++policies, err, sizeof(err)) < 0)
			fail_msg("%s", err);
		for (unsigned i = 0; i < FRAMES_PER_POLICY; i++)
			one_frame(p, e, i + 1);
		engine_free(e);
		policy_free(p);
	}
	print_message("# seed %ju: %u policies, %ju frames, %ju to the engine, of which the policy "
		      "allows %ju\n",
	    (uintmax_t)seed, policies, (uintmax_t)tally.frames, (uintmax_t)tally.passed,
	    (uintmax_t)tally.policy_too);
	for (unsigned i = 0; i < STRICT; i++)
		print_message(
		    "# %8ju dropped on purpose: %s\n", (uintmax_t)tally.strict[i], strict_names[i]);
	print_message(
	    "# %8ju passed by the engine too; dropped there:\n", (uintmax_t)tally.engine_too);
	for (unsigned r = 0; r < DROP__MAX; r++)
		if (tally.engine[r])
			print_message("# %8ju %s\n", (uintmax_t)tally.engine[r], drop_name(r));
	/* It says something: neither all nor nothing passes, and most of what does is allowed. */
	assert_in_range(tally.passed, tally.frames / 20, tally.frames * 19 / 20);
	assert_true(tally.engine_too > tally.frames / 50);
}

static int
open_gate(void **state)
{
	char err[256];
	const char *why;

	(void)state;
	gate = gate_open(err, sizeof(err));
	why = gate ? kit_socket(gate) : err;
	if (why)
		print_message("# %s\n", why);
	return why ? -1 : 0;
}

static int
close_gate(void **state)
{
	(void)state;
	gate_close(gate);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(agrees)};
	const char *why = kit_why_not();

	if (!why)
		why = kit_namespace();
	if (why) {
		puts(why);
		return 77;
	}
	/* The same every time, so that a change is judged by what it changed; 0: by the clock. */
	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 77;
	if (seed == 0)
		seed = (uint64_t)time(NULL);
	if (argc > 2)
		frames_wanted = strtoull(argv[2], NULL, 0);
	return cmocka_run_group_tests(tests, open_gate, close_gate);
}
