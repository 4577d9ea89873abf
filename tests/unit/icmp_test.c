/* SPDX-License-Identifier: Apache-2.0 */
/* icmp_test.c - ICMP, IPv6 headers and frames that do not fit, in a guard (icmp.c, mtu.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/plant.h"
#include "tests/unit/wire6.h"

static const char rules[] =
    "interlock: 1\nsite: test\nmode: enforce\n"
    "zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25, 'fd00:1::/64']}\n"
    "  ot: {level: 1, port: inside, nets: [10.1.2.128/25, 'fd00:2::/64']}\n"
    "conduits:\n  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop\n"
    "    modbus:\n      addressing: zero-based\n      allow:\n"
    "        - {name: reads, units: [1], functions: [3], holding: [0..99]}\n";

static const char refusing[] =
    "interlock: 1\nsite: test\nmode: enforce\n"
    "zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25]}\n"
    "  ot: {level: 1, port: inside, nets: [10.1.2.128/25]}\n"
    "conduits:\n  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    otherwise: reject\n"
    "    modbus:\n      addressing: zero-based\n      allow:\n"
    "        - {name: reads, units: [1], functions: [3], holding: [0..99]}\n";

#define HMI    0x0a010205u
#define PLC    0x0a010282u
#define ROUTER 0x0a0102f0u

static const uint8_t hmi6[16] = {0xfd, 0, 0, 1, [15] = 5}, plc6[16] = {0xfd, 0, 0, 2, [15] = 9};
static const uint8_t router6[16] = {0xfd, 0, 0, 2, [15] = 0xf0};
static const uint8_t read10[12] = {0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10};

/* --- errors ----------------------------------------------------------------------------- */

struct world {
	struct plant *x;
	struct wire w;
	struct frame quoted, f;
};

/* A conversation with one unanswered request in flight. */
static void
world_begin(struct world *o)
{
	o->x = plant_new(true, rules, 0, 0);
	o->w = plant_wire(o->x, HMI, 40000, PLC, 502);
	assert_true(plant_open(o->x, &o->w));
	assert_true(plant_poll(o->x, &o->w, 1, 0, 5));
	assert_int_equal(plant_say(o->x, &o->w, CLIENT, read10, 12).fate, FATE_FORWARD);
}

/* The front of the packet that side `from` sent at seq. */
static void
quote(struct world *o, unsigned from, uint32_t seq, uint32_t n)
{
	struct pkt p = wire_tcp_at(&o->w, from, seq, ACK | PSH, read10, 12);

	assert_true(n <= p.caplen - 14);
	o->quoted.len = 0;
	frame_add(&o->quoted, p.bytes + 14, n);
}

static enum drop_reason
error4(struct world *o, unsigned port, uint32_t src, uint32_t dst, uint8_t type, uint8_t code,
    uint32_t word)
{
	struct pkt p;

	frame_eth(&o->f, port, 0, 0x0800);
	frame_ip4(&o->f, 1, src, dst, 64);
	frame_icmp(&o->f, type, code, word, o->quoted.b, o->quoted.len);
	p = plant_put(o->x, frame_end(&o->f, 1, port));
	if (p.fate == FATE_FORWARD)
		assert_int_equal(p.conduit, 0);
	return p.fate == FATE_FORWARD ? DROP_NONE : (enum drop_reason)p.reason;
}

static void
errors_about_what_passed(void **state)
{
	struct world o;
	uint32_t now, una;

	(void)state;
	world_begin(&o);
	now = o.w.side[CLIENT].seq;
	una = now - 12;
	quote(&o, CLIENT, una, 28);
	/* [792]: unreachable, time exceeded, parameter problem; from the device or a router before it */
	assert_int_equal(error4(&o, 1, PLC, HMI, 3, 3, 0), DROP_NONE);
	assert_int_equal(error4(&o, 1, ROUTER, HMI, 3, 1, 0), DROP_NONE);
	assert_int_equal(error4(&o, 1, ROUTER, HMI, 11, 0, 0), DROP_NONE);
	assert_int_equal(error4(&o, 1, ROUTER, HMI, 12, 0, 0), DROP_NONE);
	assert_int_equal(o.x->events, 0);
	/* redirect, source quench, and other messages that may quote what they like */
	assert_int_equal(error4(&o, 1, ROUTER, HMI, 5, 1, PLC), DROP_ICMP_ERROR);
	assert_int_equal(error4(&o, 1, ROUTER, HMI, 4, 0, 0), DROP_ICMP_POLICY);
	assert_int_equal(error4(&o, 1, ROUTER, HMI, 17, 0, 0), DROP_ICMP_POLICY);
	assert_int_equal(o.x->flow_events, 3);
	/* MTUs that there are, one that says nothing, one that no link has */
	assert_int_equal(error4(&o, 1, ROUTER, HMI, 3, 4, 1400), DROP_NONE);
	assert_int_equal(error4(&o, 1, ROUTER, HMI, 3, 4, 0), DROP_NONE);
	assert_int_equal(error4(&o, 1, ROUTER, HMI, 3, 4, 67), DROP_ICMP_ERROR);
	/* from the wrong side, to somebody else, to itself */
	assert_int_equal(error4(&o, 0, ROUTER, HMI, 3, 1, 0), DROP_ICMP_ERROR);
	assert_int_equal(error4(&o, 1, ROUTER, HMI + 1, 3, 1, 0), DROP_ICMP_ERROR);
	assert_int_equal(error4(&o, 1, HMI, HMI, 3, 1, 0), DROP_ICMP_ERROR);
	/* numbers in flight: from what is acknowledged, and its keep-alive, to what was sent */
	for (int32_t off = -3; off <= 14; off++) {
		quote(&o, CLIENT, una + (uint32_t)off, 28);
		assert_int_equal(error4(&o, 1, PLC, HMI, 3, 3, 0),
		    off >= -1 && off <= 12 ? DROP_NONE : DROP_ICMP_ERROR);
	}
	/* the other way round: what the device sent, told by the client's side */
	quote(&o, SERVER, o.w.side[SERVER].seq - 1, 28);
	assert_int_equal(error4(&o, 0, HMI, PLC, 3, 3, 0), DROP_NONE);
	assert_int_equal(error4(&o, 1, HMI, PLC, 3, 3, 0), DROP_ICMP_ERROR);
	plant_free(o.x);
}

/* Whatever is quoted: cut anywhere, of other flows, fragments. */
static void
what_is_quoted(void **state)
{
	struct world o;
	uint32_t una;

	(void)state;
	world_begin(&o);
	una = o.w.side[CLIENT].seq - 12;
	for (uint32_t n = 0; n <= 52; n++) {
		quote(&o, CLIENT, una, n);
		assert_int_equal(
		    error4(&o, 1, PLC, HMI, 3, 3, 0), n >= 28 ? DROP_NONE : DROP_ICMP_ERROR);
	}
	for (unsigned at = 0; at < 28; at++) { /* what decides, one bit of it wrong */
		/* version, fragment, protocol, addresses, ports, number */
		bool decides = at == 0 || at == 6 || at == 7 || at == 9 || at >= 12;

		quote(&o, CLIENT, una, 28);
		o.quoted.b[at] ^= 0x40;
		if (at == 6) /* "do not fragment" is no matter; "more fragments" is */
			o.quoted.b[at] = 0x20;
		assert_int_equal(
		    error4(&o, 1, PLC, HMI, 3, 3, 0), decides ? DROP_ICMP_ERROR : DROP_NONE);
	}
	quote(&o, CLIENT, una, 28);
	o.w.side[CLIENT].port++;
	quote(&o, CLIENT, una, 28);
	assert_int_equal(error4(&o, 1, PLC, HMI, 3, 3, 0), DROP_ICMP_ERROR);
	plant_free(o.x);
}

static void
checksums(void **state)
{
	struct world o;
	struct pkt p;

	(void)state;
	world_begin(&o);
	quote(&o, CLIENT, o.w.side[CLIENT].seq - 12, 28);
	assert_int_equal(error4(&o, 1, PLC, HMI, 3, 3, 0), DROP_NONE);
	for (unsigned i = o.f.l3; i < o.f.len; i++) {
		p = frame_end(&o.f, 1, 1);
		o.f.b[i] ^= 1;
		p = plant_put(o.x, p);
		assert_int_equal(p.fate, FATE_DROP);
		o.f.b[i] ^= 1;
	}
	assert_true(plant_stats(o.x)->dropped[DROP_ICMP_CHECKSUM] >= 30);
	plant_free(o.x);
}

/* A request was taken out and a refusal put in: the far sides count otherwise, and what they
 * quote is told in the numbers of its sender. */
static void
errors_after_a_reject(void **state)
{
	static const uint8_t write[12] = {0, 3, 0, 0, 0, 6, 1, 6, 0, 20, 0, 99};
	static struct frame f;
	struct plant *x = plant_new(true, refusing, 0, 0);
	struct wire w = plant_wire(x, HMI, 40000, PLC, 502);

	(void)state;
	assert_true(plant_open(x, &w));
	assert_true(plant_poll(x, &w, 1, 0, 5));
	plant_say(x, &w, CLIENT, write, 12);
	w.side[SERVER].seq += 9; /* the client has the exception */
	assert_int_equal(plant_say(x, &w, CLIENT, read10, 12).fate, FATE_FORWARD);
	for (int32_t off = 0; off < 24; off += 12) {
		uint32_t in = w.side[CLIENT].seq - 12, out = in - 12; /* of the last request */
		uint8_t quoted[28 + 4];
		struct layers l;
		struct pkt p = wire_tcp_at(&w, CLIENT, out + (uint32_t)off, ACK, NULL, 0);

		memcpy(quoted, p.bytes + 14, 20);
		memcpy(quoted + 20, p.bytes + 34, 8);
		wire_put16(quoted + 2, 52);
		frame_eth(&f, 1, 0, 0x0800);
		frame_ip4(&f, 1, PLC, HMI, 64);
		frame_icmp(&f, 3, 3, 0, quoted, 28);
		p = plant_put(x, frame_end(&f, 1, 1));
		assert_int_equal(p.fate, FATE_FORWARD);
		assert_int_equal(decode(&p, &l), DROP_NONE);
		assert_true(decode_icmp_checksum_ok(&p, &l));
		wire_put32(quoted + 24, in + (uint32_t)off);
		assert_memory_equal(p.bytes + l.pay_off + 8, quoted, 28);
	}
	plant_free(x);
}

/* --- IPv6 --------------------------------------------------------------------------------- */

/* A segment of a conversation over IPv6, with extension headers. */
static struct pkt
tcp6(struct plant *x, struct frame *f, unsigned from, uint32_t seq, uint32_t ack, uint8_t flags,
    uint8_t next, const void *ext, size_t n_ext, const void *data, size_t n)
{
	frame_eth(f, from, 7, 0x86dd);
	frame_ip6(f, next, from ? plc6 : hmi6, from ? hmi6 : plc6, 64, ext, n_ext);
	frame_tcp(f, from ? 502 : 40000, from ? 40000 : 502, seq, ack, flags, data, n);
	return plant_put(x, frame_end(f, 6, from));
}

static void
open6(struct plant *x, struct frame *f)
{
	assert_int_equal(tcp6(x, f, 0, 1000, 0, SYN, 6, NULL, 0, NULL, 0).fate, FATE_FORWARD);
	assert_int_equal(
	    tcp6(x, f, 1, 9000, 1001, SYN | ACK, 6, NULL, 0, NULL, 0).fate, FATE_FORWARD);
	assert_int_equal(tcp6(x, f, 0, 1001, 9001, ACK, 6, NULL, 0, NULL, 0).fate, FATE_FORWARD);
}

static void
extension_headers(void **state)
{
	/* next header, length, ...; [8200] 4.3, 4.4, 4.5, 4.6; RFC 4302, RFC 4303 */
	static const struct {
		uint8_t first;
		uint8_t ext[32];
		uint8_t n;
		enum drop_reason want;
	} cases[] = {
	    {0, {6, 0, 1, 4, 0, 0, 0, 0}, 8, DROP_NONE},  /* hop-by-hop: padding */
	    {60, {6, 0, 1, 4, 0, 0, 0, 0}, 8, DROP_NONE}, /* destination options */
	    {0, {60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0}, 16, DROP_NONE},
	    {43, {6, 0, 0, 0, 0, 0, 0, 0}, 8, DROP_IP_ROUTED}, /* type 0, RFC 5095 */
	    {43, {6, 0, 0, 1, 0, 0, 0, 0}, 8, DROP_IP_ROUTED},
	    {43, {6, 0, 4, 1, 0, 0, 0, 0}, 8, DROP_IP_ROUTED}, /* any type, not at its end */
	    {43, {6, 0, 4, 0, 0, 0, 0, 0}, 8, DROP_NONE},      /* at its end: [8200] 4.4, ignored */
	    {44, {6, 0, 0, 0, 0, 0, 0, 1}, 8, DROP_FRAG_POLICY}, /* atomic, RFC 6946 */
	    {44, {6, 0, 0, 1, 0, 0, 0, 1}, 8, DROP_FRAG_POLICY}, /* a first fragment */
	    {60, {44, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 1}, 16, DROP_FRAG_POLICY},
	    {51, {6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, [23] = 0}, 24, DROP_IP_AUTH},
	    {50, {0, 0, 0, 1, 0, 0, 0, 1}, 8, DROP_IP_PROTO},  /* ESP: nobody can read it */
	    {135, {6, 0, 0, 0, 0, 0, 0, 0}, 8, DROP_IP_PROTO}, /* mobility, and what nobody knows */
	    {59, {0, 0, 0, 0, 0, 0, 0, 0}, 8, DROP_IP_PROTO},  /* nothing follows */
	    {60, {0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0}, 16,
		DROP_IP_HEADER}, /* not first */
	};
	static struct frame f;
	uint8_t many[9 * 8] = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct plant *x = plant_new(true, rules, 0, 0);
		struct pkt p;

		open6(x, &f);
		p = tcp6(x, &f, 0, 1001, 9001, ACK | PSH, cases[i].first, cases[i].ext, cases[i].n,
		    read10, 12);
		if (p.reason != cases[i].want)
			fail_msg("case %u: %s", i, drop_name(p.reason));
		assert_int_equal(p.fate, cases[i].want ? FATE_DROP : FATE_FORWARD);
		assert_int_equal(x->requests, cases[i].want == DROP_NONE);
		plant_free(x);
	}
	for (unsigned n = 8; n <= 9; n++) { /* the chain is bounded */
		struct plant *x = plant_new(true, rules, 0, 0);
		struct pkt p;

		for (unsigned i = 0; i < n; i++) {
			many[8 * i] = i + 1 < n ? 60 : 6;
			many[8 * i + 2] = 1;
			many[8 * i + 3] = 4;
		}
		open6(x, &f);
		p = tcp6(x, &f, 0, 1001, 9001, ACK | PSH, 60, many, 8 * n, read10, 12);
		assert_int_equal(p.reason, n == 8 ? DROP_NONE : DROP_IP_EXT_DEPTH);
		plant_free(x);
	}
}

/* RFC 4942 2.2: what may speak in IPv4 may not speak in IPv6 under the same address. */
static void
mapped_addresses(void **state)
{
	static const uint8_t hmi[16] = {[10] = 0xff, 0xff, 10, 1, 2, 5};
	static const uint8_t plc[16] = {[10] = 0xff, 0xff, 10, 1, 2, 0x82};
	static const struct {
		const uint8_t *src, *dst;
		enum drop_reason want;
	} cases[] = {{hmi, plc, DROP_POLICY_CONDUIT}, {hmi, plc6, DROP_POLICY_CONDUIT},
	    {hmi6, plc, DROP_POLICY_CONDUIT}, {hmi6, plc6, DROP_NONE}};
	static struct frame f;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct plant *x = plant_new(true, rules, 0, 0);
		struct wire w = plant_wire(x, HMI, 40000, PLC, 502);
		struct pkt p;

		frame_eth(&f, 0, 7, 0x86dd);
		frame_ip6(&f, 6, cases[i].src, cases[i].dst, 64, NULL, 0);
		frame_tcp(&f, 40000, 502, 1000, 0, SYN, NULL, 0);
		p = plant_put(x, frame_end(&f, 6, 0));
		if (p.reason != cases[i].want)
			fail_msg("case %u: %s", i, drop_name(p.reason));
		assert_true(plant_open(x, &w)); /* in IPv4 they may */
		plant_free(x);
	}
}

static void
errors6(void **state)
{
	static struct frame f, q;
	struct plant *x = plant_new(true, rules, 0, 0);
	static const struct {
		uint8_t type, code;
		uint32_t word;
		bool passes;
	} cases[] = {{1, 0, 0, true}, {1, 4, 0, true}, {2, 0, 1280, true}, {2, 0, 1279, false},
	    {2, 0, 9000, true}, {3, 0, 0, true}, {4, 1, 40, true}, {0, 0, 0, false},
	    {100, 0, 0, false}, {137, 0, 0, false}};

	(void)state;
	open6(x, &f);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned ext = 0; ext < 2; ext++) {
			struct pkt p;

			(void)tcp6(x, &q, 0, 1001, 9001, ACK | PSH, ext ? 60 : 6,
			    "\6\0\1\4\0\0\0\0", ext ? 8 : 0, read10, 12);
			frame_eth(&f, 1, 7, 0x86dd);
			frame_ip6(&f, 58, router6, hmi6, 64, NULL, 0);
			frame_icmp(&f, cases[i].type, cases[i].code, cases[i].word, q.b + q.l3,
			    q.len - q.l3);
			p = plant_put(x, frame_end(&f, 58, 1));
			assert_int_equal(p.fate == FATE_FORWARD, cases[i].passes);
			if (!cases[i].passes)
				continue;
			f.b[f.l4 + 3] ^= 1; /* there is no packet of ICMPv6 without a checksum */
			p = plant_put(
			    x, (struct pkt){
				   .bytes = f.b, .caplen = f.len, .wirelen = f.len, .port = 1});
			assert_int_equal(p.reason, DROP_ICMP_CHECKSUM);
			/* without its tag it speaks of another network */
			memmove(f.b + 12, f.b + 16, f.len - 16);
			f.len -= 4;
			f.l3 -= 4;
			f.l4 -= 4;
			p = plant_put(x, frame_end(&f, 58, 1));
			assert_int_equal(p.reason, DROP_ICMP_ERROR);
		}
	plant_free(x);
}

/* --- what the policy says ------------------------------------------------------------------ */

static const char asking[] =
    "interlock: 1\nsite: test\nmode: enforce\n"
    "l2: {arp: bound, mac: drop, ra: drop, mld: allow}\n"
    "zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25, 'fd00:1::/64']}\n"
    "  ot: {level: 1, port: inside, nets: [10.1.2.128/25, 'fd00:2::/64']}\n"
    "devices:\n  hmi: {zone: it, ip: 'fd00:1::5', mac: '02:00:00:00:00:01'}\n"
    "  plc: {zone: ot, ip: 'fd00:2::9', mac: '02:00:00:00:00:02'}\n"
    "conduits:\n  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    icmp: [echo]\n"
    "    modbus:\n      addressing: zero-based\n      allow:\n"
    "        - {name: reads, units: [1], functions: [3], holding: [0..99]}\n";

static enum drop_reason
icmp6(struct plant *x, unsigned port, const uint8_t *src, const uint8_t *dst, uint8_t hops,
    uint8_t type, uint32_t word, const void *body, size_t n)
{
	static struct frame f;
	struct pkt p;

	frame_eth(&f, port, 0, 0x86dd);
	frame_ip6(&f, 58, src, dst, hops, NULL, 0);
	frame_icmp(&f, type, 0, word, body, n);
	p = plant_put(x, frame_end(&f, 58, port));
	assert_int_equal(p.fate == FATE_FORWARD, p.reason == DROP_NONE);
	return (enum drop_reason)p.reason;
}

static enum drop_reason
icmp4(struct plant *x, unsigned port, uint32_t src, uint32_t dst, uint8_t type)
{
	static struct frame f;
	struct pkt p;

	frame_eth(&f, port, 0, 0x0800);
	frame_ip4(&f, 1, src, dst, 64);
	frame_icmp(&f, type, 0, 0x10001, "abcdefgh", 8);
	p = plant_put(x, frame_end(&f, 1, port));
	if (p.fate == FATE_FORWARD)
		assert_int_equal(p.conduit, 0);
	return (enum drop_reason)p.reason;
}

static void
echo_by_policy(void **state)
{
	struct plant *x = plant_new(true, asking, 0, 0);

	(void)state;
	x->e->two_ports = true;
	assert_int_equal(icmp4(x, 0, HMI, PLC, 8), DROP_NONE);
	assert_int_equal(icmp4(x, 1, PLC, HMI, 0), DROP_NONE);
	assert_int_equal(x->events, 0);
	assert_int_equal(
	    icmp4(x, 1, PLC, HMI, 8), DROP_ICMP_POLICY); /* nobody said that it may ask */
	assert_int_equal(icmp4(x, 0, HMI, PLC, 0), DROP_ICMP_POLICY);
	assert_int_equal(icmp4(x, 0, 0x0b000001, PLC, 8), DROP_ICMP_POLICY);
	assert_int_equal(icmp4(x, 1, HMI, PLC, 8), DROP_ICMP_POLICY); /* from the wrong side */
	assert_int_equal(icmp6(x, 0, hmi6, plc6, 64, 128, 1, "ping", 4), DROP_NONE);
	assert_int_equal(icmp6(x, 1, plc6, hmi6, 64, 129, 1, "ping", 4), DROP_NONE);
	assert_int_equal(icmp6(x, 1, plc6, hmi6, 64, 128, 1, "ping", 4), DROP_ICMP_POLICY);
	assert_int_equal(x->flow_events, 5);
	plant_policy(x, rules); /* without icmp: nobody */
	assert_int_equal(icmp4(x, 0, HMI, PLC, 8), DROP_ICMP_POLICY);
	plant_free(x);
}

static void
neighbours(void **state)
{
	static const uint8_t snm[16] = {0xff, 2, [11] = 1, 0xff, 0, 0, 9}, nobody[16];
	static const uint8_t all[16] = {0xff, 2, [15] = 1};
	struct plant *x = plant_new(true, asking, 0, 0);
	uint8_t ns[24] = {0}, na[24] = {0}; /* target, then one option of 8 bytes */

	(void)state;
	x->e->two_ports = true;
	memcpy(ns, plc6, 16);
	memcpy(ns + 16, "\1\1\2\0\0\0\0\1", 8); /* [4861] 4.6.1: source, one unit, MAC */
	memcpy(na, plc6, 16);
	memcpy(na + 16, "\2\1\2\0\0\0\0\2", 8);
	assert_int_equal(icmp6(x, 0, hmi6, snm, 255, 135, 0, ns, 24), DROP_NONE);
	assert_int_equal(icmp6(x, 1, plc6, hmi6, 255, 136, 0x60000000, na, 24), DROP_NONE);
	assert_int_equal(x->events, 0);
	/* [4861] 7.1: from another link */
	assert_int_equal(icmp6(x, 0, hmi6, snm, 254, 135, 0, ns, 24), DROP_ICMP_POLICY);
	assert_int_equal(icmp6(x, 1, plc6, hmi6, 64, 136, 0x60000000, na, 24), DROP_ICMP_POLICY);
	/* another's MAC, by its option or by its address */
	ns[23] = 7;
	assert_int_equal(icmp6(x, 0, hmi6, snm, 255, 135, 0, ns, 24), DROP_ICMP_POLICY);
	ns[23] = 1;
	assert_int_equal(icmp6(x, 0, plc6, hmi6, 255, 136, 0x60000000, na, 24), DROP_ICMP_POLICY);
	/* an option without length, one that goes on behind the packet, a short message */
	ns[17] = 0;
	assert_int_equal(icmp6(x, 0, hmi6, snm, 255, 135, 0, ns, 24), DROP_ICMP_HEADER);
	ns[17] = 2;
	assert_int_equal(icmp6(x, 0, hmi6, snm, 255, 135, 0, ns, 24), DROP_ICMP_HEADER);
	ns[17] = 1;
	for (uint32_t n = 0; n < 16; n++) {
		enum drop_reason r = icmp6(x, 0, hmi6, snm, 255, 135, 0, ns, n);

		assert_true(r == DROP_ICMP_HEADER);
	}
	/* is the address free: to the group of those who may have it, and not to all */
	memcpy(ns, hmi6, 16);
	assert_int_equal(icmp6(x, 0, nobody, all, 255, 135, 0, ns, 16), DROP_ICMP_HEADER);
	assert_int_equal(icmp6(x, 0, nobody, snm, 255, 135, 0, ns, 16), DROP_NONE);
	/* to all, an answer that nobody asked for may not say it was asked for */
	assert_int_equal(icmp6(x, 1, plc6, all, 255, 136, 0x20000000, na, 24), DROP_NONE);
	assert_int_equal(icmp6(x, 1, plc6, all, 255, 136, 0x60000000, na, 24), DROP_ICMP_HEADER);
	/* routers: not here; and a redirect never */
	assert_int_equal(icmp6(x, 0, hmi6, all, 255, 134, 0x40000708, na, 8), DROP_ICMP_POLICY);
	assert_int_equal(icmp6(x, 0, hmi6, plc6, 255, 137, 0, na, 24), DROP_ICMP_ERROR);
	/* group messages ([3810] 5), on this link */
	assert_int_equal(icmp6(x, 0, hmi6, all, 1, 131, 0, all, 16), DROP_NONE);
	assert_int_equal(icmp6(x, 0, hmi6, all, 1, 131, 0, all, 15), DROP_ICMP_HEADER);
	assert_int_equal(icmp6(x, 0, hmi6, all, 2, 131, 0, all, 16), DROP_ICMP_POLICY);
	plant_free(x);
}

/* --- frames that do not fit ------------------------------------------------------------------- */

static struct plant *
plant_mtu(uint32_t outside, uint32_t inside)
{
	struct plant *x = plant_new(true, rules, 0, 0);

	engine_free(x->e);
	x->conf.mtu[0] = outside;
	x->conf.mtu[1] = inside;
	x->e = engine_new(&x->conf);
	assert_non_null(x->e);
	return x;
}

static void
too_long(void **state)
{
	static const uint8_t half[1600] = {0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10};
	struct plant *x = plant_mtu(9000, 1400);
	struct wire w = plant_wire(x, HMI, 40000, PLC, 502);
	struct layers l;
	struct pkt p;

	(void)state;
	assert_true(plant_open(x, &w));
	for (unsigned df = 0; df < 2; df++) {
		uint8_t *ip = w.buf + 14;

		p = wire_tcp_at(&w, CLIENT, w.side[CLIENT].seq, ACK, half, 1400 - 40 + 1);
		ip[6] = df ? 0x40 : 0;
		wire_put16(ip + 10, 0);
		wire_put16(ip + 10, ~wire_sum(ip, 20, 0) & 0xffff);
		p = plant_put(x, p);
		assert_int_equal(p.reason, DROP_MTU);
		assert_int_equal(x->sent, df + 1);
		/* RFC 1191 4: 3/4, next-hop MTU, to the sender, about this very segment */
		assert_int_equal(
		    x->out.port, 1); /* leaves by the port opposite to that: where it came from */
		assert_memory_equal(x->out_bytes, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0", 14);
		assert_int_equal(decode(&x->out, &l), DROP_NONE);
		assert_int_equal(l.proto, 1);
		assert_true(decode_ip_checksum_ok(&x->out, &l));
		assert_true(decode_icmp_checksum_ok(&x->out, &l));
		assert_memory_equal(l.src, "\x0a\1\2\x82", 4);
		assert_memory_equal(l.dst, "\x0a\1\2\5", 4);
		assert_memory_equal(x->out_bytes + l.pay_off, "\3\4", 2);
		assert_memory_equal(x->out_bytes + l.pay_off + 4, "\0\0\x05\x78", 4);
		assert_memory_equal(x->out_bytes + l.pay_off + 8, w.buf + 14, 548);
		assert_true(l.l3_end - l.l3_off <= 576);
	}
	assert_int_equal(x->facts, 0); /* nothing of it was judged */
	assert_int_equal(plant_stats(x)->injected, 2);
	assert_true(plant_poll(x, &w, 1, 0, 10)); /* as its sender does when it knows */
	/* exactly as long as fits */
	p = plant_put(x, wire_tcp_at(&w, CLIENT, w.side[CLIENT].seq, ACK, half, 12));
	assert_int_equal(p.fate, FATE_FORWARD);
	plant_free(x);
}

/* Nobody is told of what may not be: no flow, a group, a fragment, an error; nor too often. */
static void
told_seldom(void **state)
{
	static const uint8_t half[1600] = {0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10};
	struct plant *x = plant_mtu(1500, 600);
	struct wire w = plant_wire(x, HMI, 40000, PLC, 502);
	struct wire other = plant_wire(x, 0x0b000001, 40000, PLC, 502);
	struct pkt p;

	(void)state;
	p = plant_put(x, wire_tcp_at(&other, CLIENT, 1, ACK, half, 1000));
	assert_int_equal(p.reason, DROP_POLICY_CONDUIT);
	assert_int_equal(x->sent, 0);
	assert_true(plant_open(x, &w));
	for (unsigned i = 0; i < 1000; i++) { /* at one time */
		p = wire_tcp_at(&w, CLIENT, w.side[CLIENT].seq, ACK, half, 1000);
		p.ts_ns = x->now_ns;
		p = plant_put(x, p);
		assert_int_equal(p.reason, DROP_MTU);
	}
	assert_in_range(x->sent, 45, 55);
	x->sent = 0;
	for (unsigned i = 0; i < 1000; i++) { /* in 10 s, and once with the clock put back a day */
		p = wire_tcp_at(&w, CLIENT, w.side[CLIENT].seq, ACK, half, 1000);
		if (i == 500)
			x->now_ns -= UINT64_C(86400000000000);
		p.ts_ns = x->now_ns += 10000000;
		(void)plant_put(x, p);
	}
	assert_in_range(x->sent, 900, 1100);
	plant_free(x);
}

static void
too_long6(void **state)
{
	static uint8_t data[1400];
	static struct frame f;
	struct plant *x = plant_mtu(1300, 1500);
	struct layers l;
	struct pkt p;

	(void)state;
	open6(x, &f);
	p = tcp6(x, &f, 1, 9001, 1001, ACK, 6, NULL, 0, data, 1300 - 60 + 1);
	assert_int_equal(p.reason, DROP_MTU);
	assert_int_equal(x->sent, 1);
	assert_int_equal(decode(&x->out, &l), DROP_NONE);
	assert_int_equal(l.vlan, 7);
	assert_int_equal(l.proto, 58);
	assert_true(decode_icmp_checksum_ok(&x->out, &l));
	assert_memory_equal(l.src, hmi6, 16);
	assert_memory_equal(l.dst, plc6, 16);
	assert_memory_equal(x->out_bytes + l.pay_off, "\2\0", 2);
	assert_memory_equal(x->out_bytes + l.pay_off + 4, "\0\0\x05\x14", 4);
	assert_int_equal(l.l3_end - l.l3_off, 1280);
	plant_free(x);
}

/* --- samples of a filter in front of us ----------------------------------------------------------- */

static void
samples(void **state)
{
	static const uint8_t lldp[60] = {1, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 1, 0x12, 0x34};
	struct plant *x = plant_new(true, rules, 0, 0);
	struct wire w = plant_wire(x, 0x0b000001, 40000, PLC, 502);
	struct engine_stats before = *plant_stats(x);
	struct pkt p = wire_tcp(&w, CLIENT, SYN, NULL, 0);

	(void)state;
	engine_sample(x->e, &p, "policy.no_conduit", 17);
	assert_int_equal(x->flow_events, 1);
	assert_int_equal(x->events_count, 17);
	assert_int_equal(x->event_verdict.reason, REASON_NO_CONDUIT);
	assert_int_equal(x->event_verdict.action, VERDICT_DROP);
	assert_string_equal(x->event_note, "policy.no_conduit");
	assert_int_equal(x->event_tuple.sport, 40000);
	/* exactly what the engine says of the frame when it gets it */
	{
		struct verdict v = x->event_verdict;

		p.fate = 0;
		p = plant_put(x, p);
		assert_int_equal(p.reason, DROP_POLICY_CONDUIT);
		assert_memory_equal(&v, &x->event_verdict, sizeof(v));
	}
	/* below IP */
	p = (struct pkt){.bytes = lldp, .caplen = 60, .wirelen = 60};
	engine_sample(x->e, &p, "l2.policy", 3);
	assert_int_equal(x->l2_events, 1);
	assert_int_equal(x->event_verdict.reason, REASON_L2);
	/* cut, as a sample may be: the headers are enough */
	w.side[CLIENT].ip = 0x0b000002;
	p = wire_tcp(&w, CLIENT, ACK, lldp, 60);
	p.caplen = 54;
	engine_sample(x->e, &p, "policy.no_conduit", 1);
	assert_int_equal(x->flow_events, 3);
	/* allowed, and too much of it: the filter's own word */
	w.side[CLIENT].ip = HMI;
	p = wire_tcp(&w, CLIENT, SYN, NULL, 0);
	engine_sample(x->e, &p, "limit.flows", 100000);
	assert_int_equal(x->flow_events, 4);
	assert_int_equal(x->event_verdict.action, VERDICT_DROP);
	assert_string_equal(x->event_note, "limit.flows");
	/* what cannot be read is a counter, there as here */
	p.caplen = p.wirelen = 20;
	engine_sample(x->e, &p, "ip.truncated", 1);
	assert_int_equal(x->events, 5);
	assert_int_equal(plant_stats(x)->received, before.received + 1);
	assert_int_equal(plant_stats(x)->flows, 0);
	plant_free(x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(errors_about_what_passed),
	    cmocka_unit_test(what_is_quoted),
	    cmocka_unit_test(checksums),
	    cmocka_unit_test(errors_after_a_reject),
	    cmocka_unit_test(extension_headers),
	    cmocka_unit_test(mapped_addresses),
	    cmocka_unit_test(errors6),
	    cmocka_unit_test(echo_by_policy),
	    cmocka_unit_test(neighbours),
	    cmocka_unit_test(too_long),
	    cmocka_unit_test(told_seldom),
	    cmocka_unit_test(too_long6),
	    cmocka_unit_test(samples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
