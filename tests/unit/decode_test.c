/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_test.c - frames in hex, and what decode() must find in them.  Each is
 * also cut at every byte, in front of an unreadable page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "dataplane/decode_fast.h"
#include "policy/policy.h"
#include "tests/unit/guard.h"

#define FRAME_MAX 8192

/* One case a line. */
/* clang-format off */

/* link headers */
#define MACS "020000000002" "020000000001"
#define ETH4 MACS "0800"
#define ETH6 MACS "86dd"
#define TAG(type, tci) type tci
#define SNAP(oui) "aaaa03" oui
#define SLL(type) "0000" "0001" "0006" "0200000000010000" type
#define SLL2(type) type "0000" "00000002" "0001" "00" "06" "0200000000010000"
/* 10.0.0.1 -> 10.0.0.2, and 2001:db8::1 -> 2001:db8::2 */
#define IP4(tot, frag, proto) "4500" tot "0007" frag "40" proto "0000" "0a000001" "0a000002"
#define IP4OPT(tot, proto) "4600" tot "0007" "0000" "40" proto "0000" "0a000001" "0a000002" "94040000"
#define A6(n) "20010db8" "0000" "0000" "0000" "0000" "0000" n
#define IP6(plen, nh) "60000000" plen nh "40" A6("0001") A6("0002")
/* 32768 -> 502 */
#define TCP "8000" "01f6" "00000009" "0000000a" "5018" "0100" "0000" "0000"
#define TCPOFF(off) "8000" "01f6" "00000009" "0000000a" off "18" "0100" "0000" "0000"
#define UDP(len) "8000" "01f6" len "0000"
#define PDU "000100000006" "010300000001" /* 12 bytes */
#define PAD6 "000000000000"
#define X8 "0000000000000000"
#define X64 X8 X8 X8 X8 X8 X8 X8 X8
#define X256 X64 X64 X64 X64
#define X1280 X256 X256 X256 X256 X256

static const struct {
	uint8_t link;
	const char *hex;
	const char *want; /* the reason, or as show() says it */
} cases[] = {
    /* 0: the common frame, with one tag, with padding, no payload */
    {0, ETH4 IP4("0034", "4000", "06") TCP PDU, "e 0800 v4 p6 tcp 32768>502 9/10 f18 w256 l3@14 l4@34 54+12 end66"},
    {0, MACS TAG("8100", "a06e") "0800" IP4("0034", "0000", "06") TCP PDU, "e 0800 vlan110 v4 p6 tcp 32768>502 9/10 f18 w256 l3@18 l4@38 58+12 end70"},
    {0, ETH4 IP4("0028", "0000", "06") TCP PAD6, "e 0800 v4 p6 tcp 32768>502 9/10 f18 w256 l3@14 l4@34 54+0 end54"},
    {0, ETH4 IP4("0034", "0000", "06") TCPOFF("80") PDU, "e 0800 v4 p6 tcp 32768>502 9/10 f18 w256 l3@14 l4@34 66+0 end66"},
    /* 4: tags and encapsulations */
    {0, MACS TAG("88a8", "0005") TAG("8100", "0006") "0800" IP4("0028", "0000", "06") TCP, "e 0800 vlan5 v4 p6 tcp 32768>502 9/10 f18 w256 l3@22 l4@42 62+0 end62"},
    {0, MACS TAG("9100", "0005") TAG("88a8", "0006") TAG("8100", "0007") TAG("8100", "0008") "0806", "e 0806 vlan5 arp l3@30"},
    {0, MACS TAG("9100", "0005") TAG("88a8", "0006") TAG("8100", "0007") TAG("8100", "0008") TAG("8100", "0009") "0806", "link.depth"},
    {0, MACS TAG("8100", "e000") "0800" IP4("0028", "0000", "06") TCP, "e 0800 v4 p6 tcp 32768>502 9/10 f18 w256 l3@18 l4@38 58+0 end58"},
    {0, MACS "0030" SNAP("000000") "0800" IP4("0028", "0000", "06") TCP, "e 0800 v4 p6 tcp 32768>502 9/10 f18 w256 l3@22 l4@42 62+0 end62"},
    {0, MACS "0010" SNAP("0000f8") TAG("8100", "0007") "0806", "e 0806 vlan7 arp l3@26"},
    {0, MACS "0010" SNAP("00000c") "2000" X8, "e 0010 l3@14"},
    {0, MACS "0026" "424203" "0000000000", "e 0026 l3@14"},
    {0, MACS "0020" SNAP("000000") "0020" SNAP("000000") "0020" SNAP("000000") "0020" SNAP("000000") "0020" SNAP("000000") "0800", "link.depth"},
    {0, MACS "0010" "aaaa", "e 0010 l3@14"},
    {0, MACS "88cc" "0207", "e 88cc l3@14"},
    {0, MACS, "link.truncated"},
    {0, MACS TAG("8100", "00"), "link.truncated"},
    {0, "", "link.truncated"},
    /* 18: other links */
    {LINK_LINUX_SLL, SLL("0800") IP4("0028", "0000", "06") TCP, "0800 v4 p6 tcp 32768>502 9/10 f18 w256 l3@16 l4@36 56+0 end56"},
    {LINK_LINUX_SLL, SLL("8100") "0007" "0800" IP4("0028", "0000", "06") TCP, "0800 vlan7 v4 p6 tcp 32768>502 9/10 f18 w256 l3@20 l4@40 60+0 end60"},
    {LINK_LINUX_SLL, SLL("0004") SNAP("000000") "0806", "0806 arp l3@24"},
    {LINK_LINUX_SLL, "000000010006", "link.truncated"},
    {LINK_LINUX_SLL2, SLL2("86dd") IP6("0014", "06") TCP, "86dd v6 p6 tcp 32768>502 9/10 f18 w256 l3@20 l4@60 80+0 end80"},
    {LINK_LINUX_SLL2, "0800", "link.truncated"},
    {LINK_RAW_IP, IP4("0028", "0000", "06") TCP, "0800 v4 p6 tcp 32768>502 9/10 f18 w256 l3@0 l4@20 40+0 end40"},
    {LINK_RAW_IP, IP6("0014", "06") TCP, "86dd v6 p6 tcp 32768>502 9/10 f18 w256 l3@0 l4@40 60+0 end60"},
    {LINK_RAW_IP, "f0", "ip.version"},
    {LINK_RAW_IP, "", "ip.truncated"},
    {LINK_NULL, "02000000" IP4("0028", "0000", "06") TCP, "0800 v4 p6 tcp 32768>502 9/10 f18 w256 l3@4 l4@24 44+0 end44"},
    {LINK_NULL, "00000002" IP4("0028", "0000", "06") TCP, "0800 v4 p6 tcp 32768>502 9/10 f18 w256 l3@4 l4@24 44+0 end44"},
    {LINK_NULL, "1e000000" IP6("0014", "06") TCP, "86dd v6 p6 tcp 32768>502 9/10 f18 w256 l3@4 l4@44 64+0 end64"},
    {LINK_NULL, "00000018" IP6("0014", "06") TCP, "86dd v6 p6 tcp 32768>502 9/10 f18 w256 l3@4 l4@44 64+0 end64"},
    {LINK_NULL, "07000000" X8, "0000 l3@4"},
    {LINK_NULL, "0200", "link.truncated"},
    {LINK_UNKNOWN, X8, "link.unknown"},
    {77, X8, "link.unknown"},
    /* 36: IPv4 */
    {0, ETH4 IP4OPT("002c", "06") TCP, "e 0800 v4 p6 tcp 32768>502 9/10 f18 w256 l3@14 l4@38 58+0 end58"},
    {0, ETH4 IP4("001c", "0000", "01") X8, "e 0800 v4 p1 l3@14 l4@34 34+8 end42"},
    {0, ETH4 IP4("0014", "0000", "32"), "e 0800 v4 p50 l3@14 l4@34 34+0 end34"},
    {0, ETH4 IP4("0000", "0000", "06") TCP PDU, "e 0800 v4 gso p6 tcp 32768>502 9/10 f18 w256 l3@14 l4@34 54+12 end66"},
    {0, ETH4 IP4("0000", "2000", "06") TCP, "ip.header"},
    {0, ETH4 IP4("0013", "0000", "06") TCP, "ip.header"},
    {0, ETH4 IP4("0029", "0000", "06") TCP, "ip.header"},
    {0, ETH4 "4400" "0028" "0000" "0000" "4006" "0000" "0a000001" "0a000002" TCP, "ip.header"},
    {0, ETH4 "6500" "0028" "0000" "0000" "4006" "0000" "0a000001" "0a000002" TCP, "ip.version"},
    {0, ETH4 "4500" "0028", "ip.truncated"},
    {0, ETH4 "4f00" "003c" "0000" "0000" "4006" "0000" "0a000001" "0a000002" TCP, "ip.truncated"},
    {0, ETH4, "ip.truncated"},
    /* 48: IPv4 fragments */
    {0, ETH4 IP4("001c", "2000", "06") X8, "e 0800 v4 frag7 0 more p6 l3@14 l4@34 34+8 end42"},
    {0, ETH4 IP4("001c", "0003", "11") X8 PAD6, "e 0800 v4 frag7 24 last p17 l3@14 l4@34 34+8 end42"},
    {0, ETH4 IP4("001c", "1fff", "06") X8, "e 0800 v4 frag7 65528 last p6 l3@14 l4@34 34+8 end42"},
    {0, ETH4 IP4("0028", "8000", "06") TCP, "e 0800 v4 p6 tcp 32768>502 9/10 f18 w256 l3@14 l4@34 54+0 end54"},
    /* 52: IPv6 and its extensions */
    {0, ETH6 IP6("0020", "06") TCP PDU, "e 86dd v6 p6 tcp 32768>502 9/10 f18 w256 l3@14 l4@54 74+12 end86"},
    {0, ETH6 IP6("001c", "00") "0600010400000000" TCP, "e 86dd v6 p6 tcp 32768>502 9/10 f18 w256 l3@14 l4@62 82+0 end82"},
    {0, ETH6 IP6("0038", "00") "2b00" PAD6 "3c00" PAD6 "3300" PAD6 "0601" "0000" X8 TCP, "e 86dd v6 p6 tcp 32768>502 9/10 f18 w256 l3@14 l4@90 110+0 end110"},
    {0, ETH6 IP6("0020", "33") "06010000" X8 TCP, "e 86dd v6 p6 tcp 32768>502 9/10 f18 w256 l3@14 l4@66 86+0 end86"},
    {0, ETH6 IP6("0010", "3c") "0000000000000000" "0600000000000000", "ip.header"},
    {0, ETH6 IP6("0054", "3c") "3c00" PAD6 "3c00" PAD6 "3c00" PAD6 "3c00" PAD6 "3c00" PAD6 "3c00" PAD6 "3c00" PAD6 "0600" PAD6 TCP, "e 86dd v6 p6 tcp 32768>502 9/10 f18 w256 l3@14 l4@118 138+0 end138"},
    {0, ETH6 IP6("005c", "3c") "3c00" PAD6 "3c00" PAD6 "3c00" PAD6 "3c00" PAD6 "3c00" PAD6 "3c00" PAD6 "3c00" PAD6 "3c00" PAD6 "0600" PAD6 TCP, "ip.ext_depth"},
    {0, ETH6 IP6("0008", "3c") "06ff" PAD6, "ip.truncated"},
    {0, ETH6 IP6("0001", "3c") "06", "ip.truncated"},
    {0, ETH6 IP6("0010", "2c") "0600" "0001" "00000063" X8, "e 86dd v6 frag99 0 more p6 l3@14 l4@62 62+8 end70"},
    {0, ETH6 IP6("0010", "2c") "0600" "0008" "00000063" X8, "e 86dd v6 frag99 8 last p6 l3@14 l4@62 62+8 end70"},
    {0, ETH6 IP6("001c", "2c") "0600" "0000" "00000063" TCP, "e 86dd v6 p6 tcp 32768>502 9/10 f18 w256 l3@14 l4@62 82+0 end82"},
    {0, ETH6 IP6("0000", "3b") PAD6, "e 86dd v6 p59 l3@14 l4@54 54+0 end54"},
    {0, ETH6 IP6("0008", "3a") X8, "e 86dd v6 p58 l3@14 l4@54 54+8 end62"},
    {0, ETH6 IP6("0000", "06") TCP X1280, "e 86dd v6 gso p6 tcp 32768>502 9/10 f18 w256 l3@14 l4@54 74+1280 end1354"},
    {0, ETH6 IP6("0015", "06") TCP, "ip.header"},
    {0, ETH6 "4" "0000000" "0014" "0640" A6("0001") A6("0002") TCP, "ip.version"},
    {0, ETH6 "60000000" "0014" "0640" A6("0001"), "ip.truncated"},
    /* 71: TCP and UDP */
    {0, ETH4 IP4("0027", "0000", "06") TCP, "l4.truncated"},
    {0, ETH4 IP4("0028", "0000", "06") TCPOFF("40"), "l4.header"},
    {0, ETH4 IP4("0028", "0000", "06") TCPOFF("60") X8, "l4.truncated"},
    {0, ETH4 IP4("0028", "0000", "06") "8000" "01f6" "00000009" "0000000a" "5fff" "0100" "0000" "0000", "e 0800 v4 p6 tcp 32768>502 9/10 f3f w256 l3@14 l4@34 54+0 end54"},
    {0, ETH4 IP4("0028", "0000", "11") UDP("0014") PDU, "e 0800 v4 p17 udp 32768>502 l3@14 l4@34 42+12 end54"},
    {0, ETH4 IP4("0028", "0000", "11") UDP("000a") PDU, "e 0800 v4 p17 udp 32768>502 l3@14 l4@34 42+2 end54"},
    {0, ETH4 IP4("0028", "0000", "11") UDP("0015") PDU, "l4.header"},
    {0, ETH4 IP4("0028", "0000", "11") UDP("0007") PDU, "l4.header"},
    {0, ETH4 IP4("0028", "0000", "11") UDP("0000") PDU, "l4.header"},
    {0, ETH4 IP4("0000", "0000", "11") UDP("0000") PDU, "e 0800 v4 gso p17 udp 32768>502 l3@14 l4@34 42+12 end54"},
    {0, ETH4 IP4("001b", "0000", "11") UDP("0008"), "l4.truncated"},
    {0, ETH6 IP6("0014", "11") UDP("0014") PDU, "e 86dd v6 p17 udp 32768>502 l3@14 l4@54 62+12 end74"},
    /* 83: ARP */
    {0, MACS "0806" "0001" "0800" "06" "04" "0001" "020000000001" "0a000001" PAD6 "0a000002", "e 0806 arp l3@14"},
};
/* clang-format on */
#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static unsigned
nibble(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static uint32_t
from_hex(const char *hex, uint8_t *out)
{
	uint32_t n = 0;

	for (; hex[0] && hex[1]; hex += 2)
		out[n++] = (uint8_t)(nibble(hex[0]) << 4 | nibble(hex[1]));
	return n;
}

/* Appends to the end of buf. */
static void __attribute__((format(printf, 3, 4))) add(char *buf, size_t size, const char *fmt, ...)
{
	size_t used = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(buf + used, size - used, fmt, ap);
	va_end(ap);
}

/* All that decode() said, as one line. */
static const char *
show(enum drop_reason r, const struct layers *l)
{
	static char buf[256];
	size_t n = sizeof(buf);

	buf[0] = '\0';
	if (r != DROP_NONE)
		return drop_name(r);
	add(buf, n, "%s%04x", l->flags & LAYER_ETHERNET ? "e " : "", l->ethertype);
	if (l->vlan)
		add(buf, n, " vlan%u", l->vlan);
	if (l->flags & LAYER_ARP)
		add(buf, n, " arp");
	if (l->flags & LAYER_IP)
		add(buf, n, l->flags & LAYER_V6 ? " v6" : " v4");
	if (l->flags & LAYER_GSO)
		add(buf, n, " gso");
	if (l->flags & LAYER_CUT)
		add(buf, n, " cut");
	if (l->flags & LAYER_FRAGMENT)
		add(buf, n, " frag%u %u %s", l->frag_id, l->frag_off,
		    l->frag_more ? "more" : "last");
	if (l->flags & LAYER_IP)
		add(buf, n, " p%u", l->proto);
	if (l->flags & LAYER_L4 && l->proto == NET_PROTO_TCP)
		add(buf, n, " tcp %u>%u %u/%u f%02x w%u", l->sport, l->dport, l->seq, l->ack,
		    l->tcp_flags, l->tcp_win);
	else if (l->flags & LAYER_L4)
		add(buf, n, " udp %u>%u", l->sport, l->dport);
	add(buf, n, " l3@%u", l->l3_off);
	if (l->flags & LAYER_IP)
		add(buf, n, " l4@%u %u+%u end%u", l->l4_off, l->pay_off, l->pay_len, l->l3_end);
	return buf;
}

/* What holds for every frame: bounds, addresses, and that the two paths agree. */
static void
check_bounds(const struct pkt *p, enum drop_reason r, const struct layers *l)
{
	unsigned alen = l->flags & LAYER_V6 ? 16 : 4;

	assert_true(r < DROP__MAX);
	if (r != DROP_NONE)
		return;
	assert_true(l->l3_off <= p->caplen);
	if (l->flags & LAYER_ETHERNET) {
		assert_ptr_equal(l->dmac, p->bytes);
		assert_ptr_equal(l->smac, p->bytes + 6);
	}
	if (!(l->flags & LAYER_IP)) {
		assert_null(l->src);
		return;
	}
	assert_ptr_equal(l->src, p->bytes + l->l3_off + (l->flags & LAYER_V6 ? 8 : 12));
	assert_ptr_equal(l->dst, l->src + alen);
	assert_true(l->l3_off < l->l4_off && l->l4_off <= l->pay_off);
	assert_true(l->pay_off <= p->caplen && l->pay_len <= p->caplen - l->pay_off);
	assert_true(l->pay_off + l->pay_len <= l->l3_end);
	assert_int_equal((l->flags & LAYER_CUT) != 0, l->l3_end > p->caplen);
}

static void
test_cases(void **state)
{
	struct guard g = guard_new(FRAME_MAX);
	uint8_t frame[FRAME_MAX];

	(void)state;
	for (unsigned i = 0; i < N_CASES; i++) {
		uint32_t n = from_hex(cases[i].hex, frame);
		struct pkt p = {.bytes = guard_put(&g, frame, n),
		    .caplen = n,
		    .wirelen = n,
		    .link = cases[i].link};
		struct layers l;
		enum drop_reason r = decode(&p, &l);

		check_bounds(&p, r, &l);
		if (strcmp(show(r, &l), cases[i].want) != 0)
			fail_msg("case %u: %s, not %s", i, show(r, &l), cases[i].want);
	}
	guard_free(&g);
}

/* A shorter capture of the same frame: headers missing are the capture's fault,
 * payload missing is LAYER_CUT; all else stays as it was. */
static void
test_cut_captures(void **state)
{
	struct guard g = guard_new(FRAME_MAX);
	uint8_t frame[FRAME_MAX];

	(void)state;
	for (unsigned i = 0; i < N_CASES; i++) {
		uint32_t n = from_hex(cases[i].hex, frame);
		struct pkt p = {.bytes = frame, .caplen = n, .wirelen = n, .link = cases[i].link};
		struct layers whole, l;
		enum drop_reason want = decode(&p, &whole), r;

		for (uint32_t cut = 0; cut < n; cut++) {
			p.bytes = guard_put(&g, frame, cut);
			p.caplen = cut;
			r = decode(&p, &l);
			check_bounds(&p, r, &l);
			if (want != DROP_NONE) /* found, or out of reach */
				assert_true(r == want || r == DROP_CAP_TRUNCATED ||
					    (r == DROP_NONE && !(l.flags & LAYER_L4)));
			else if (r != DROP_CAP_TRUNCATED)
				assert_int_equal(r, DROP_NONE);
			if (r == DROP_NONE && want == DROP_NONE && l.flags & LAYER_L4) {
				assert_int_equal(l.l3_end, whole.l3_end);
				assert_int_equal(l.pay_off, whole.pay_off);
				assert_int_equal(l.seq, whole.seq);
			}
		}
	}
	guard_free(&g);
}

/* A shorter frame: never a capture's fault, and never read too far. */
static void
test_short_frames(void **state)
{
	struct guard g = guard_new(FRAME_MAX);
	uint8_t frame[FRAME_MAX];

	(void)state;
	for (unsigned i = 0; i < N_CASES; i++) {
		uint32_t n = from_hex(cases[i].hex, frame);

		for (uint32_t cut = 0; cut < n; cut++) {
			struct pkt p = {.bytes = guard_put(&g, frame, cut),
			    .caplen = cut,
			    .wirelen = cut,
			    .link = cases[i].link};
			struct layers l;
			enum drop_reason r = decode(&p, &l);

			check_bounds(&p, r, &l);
			assert_int_not_equal(r, DROP_CAP_TRUNCATED);
			assert_false(r == DROP_NONE && l.flags & LAYER_CUT);
		}
	}
	guard_free(&g);
}

static uint32_t rnd = 12345;

static uint32_t
next_random(void)
{
	rnd ^= rnd << 13;
	rnd ^= rnd >> 17;
	rnd ^= rnd << 5;
	return rnd;
}

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* RFC 1071, the slow way. */
static uint32_t
sum16(const uint8_t *b, uint32_t n, uint32_t sum)
{
	for (uint32_t i = 0; i < n; i++)
		sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void
seal(uint8_t *frame, const struct layers *l)
{
	bool v6 = (l->flags & LAYER_V6) != 0, udp = l->proto == NET_PROTO_UDP;
	uint32_t len = udp ? l->pay_len + 8 : l->l3_end - l->l4_off;
	uint32_t at = l->l4_off + (udp ? 6u : 16u), sum;

	if (!v6) {
		put16(frame + l->l3_off + 10, 0);
		put16(frame + l->l3_off + 10,
		    ~sum16(frame + l->l3_off, l->l4_off - l->l3_off, 0) & 0xffff);
	}
	put16(frame + at, 0);
	sum = sum16(frame + (l->src - frame), v6 ? 32 : 8, len + l->proto);
	put16(frame + at, ~sum16(frame + l->l4_off, len, sum) & 0xffff);
}

/* Both checksums of a frame that the straight path takes, right or wrong in a bit. */
static void
check_head_sums(struct pkt *p, uint8_t *frame, const struct layers *l)
{
	uint32_t n = l->l3_end - l->l4_off, at = l->l3_off + next_random() % (n + 20), sum;
	struct head h = {0};
	bool want;

	assert_true(decode_head(p, &h));
	seal(frame, l);
	assert_true(decode_head_sums_ok(p, &h));
	if (at == l->l3_off || (at >= l->l3_off + 2u && at < l->l3_off + 4u) ||
	    at == l->l4_off + 12u)
		return; /* the lengths */
	frame[at] ^= (uint8_t)(1u << next_random() % 8);
	sum = sum16(frame + l->l4_off - 8, 8, n + l->proto);
	want =
	    sum16(frame + l->l3_off, 20, 0) == 0xffff && sum16(frame + l->l4_off, n, sum) == 0xffff;
	assert_int_equal(decode_head_sums_ok(p, &h), want);
	assert_int_equal(decode_ip_checksum_ok(p, l) && decode_l4_checksum_ok(p, l), want);
}

/* The straight path gives what the general one gives, on frames with a few
 * bytes and lengths changed at random. */
static void
test_fast_equals_general(void **state)
{
	struct guard g = guard_new(FRAME_MAX);
	uint8_t frame[FRAME_MAX];
	unsigned fast = 0;

	(void)state;
	for (unsigned round = 0; round < 400000; round++) {
		uint32_t n = from_hex(cases[next_random() % 8].hex, frame);
		struct pkt p = {.wirelen = n + next_random() % 2 * 8};
		struct layers a = {0}, b;

		for (unsigned k = next_random() % 4; k > 0; k--)
			frame[next_random() % n] = (uint8_t)next_random();
		if (next_random() % 4 == 0)
			n -= next_random() % (n + 1);
		p.bytes = guard_put(&g, frame, n);
		p.caplen = n;
		if (!decode_fast(&p, &a))
			continue;
		fast++;
		assert_int_equal(decode_general(&p, &b), DROP_NONE);
		check_bounds(&p, DROP_NONE, &a);
		if (memcmp(&a, &b, sizeof(a)) != 0)
			fail_msg("round %u: %s", round, show(DROP_NONE, &b));
		check_head_sums(&p, (uint8_t *)(uintptr_t)p.bytes, &a);
	}
	assert_true(fast > 100000);
	guard_free(&g);
}

static void
test_checksums(void **state)
{
	/* clang-format off */
	/* TCP, TCP with an odd length and tag, UDP shorter than its datagram, IPv6, options */
	static const char *const frames[] = {
	    ETH4 IP4("0034", "4000", "06") TCP PDU,
	    MACS TAG("8100", "006e") "0800" IP4("0033", "0000", "06") TCP PDU,
	    ETH4 IP4("0028", "0000", "11") UDP("0013") PDU PAD6,
	    ETH6 IP6("0020", "06") TCP PDU,
	    ETH6 IP6("0014", "11") UDP("0014") PDU,
	    ETH4 IP4OPT("002c", "06") TCP,
	};
	/* clang-format on */
	uint8_t frame[FRAME_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		uint32_t n = from_hex(frames[i], frame);
		struct pkt p = {.bytes = frame, .caplen = n, .wirelen = n};
		struct layers l;
		uint32_t l4_end;

		assert_int_equal(decode(&p, &l), DROP_NONE);
		seal(frame, &l);
		assert_true(decode_ip_checksum_ok(&p, &l));
		assert_true(decode_l4_checksum_ok(&p, &l));
		for (uint32_t at = l.l3_off; !(l.flags & LAYER_V6) && at < l.l4_off; at++) {
			if (at == l.l3_off) /* the length of the header itself */
				continue;
			frame[at] ^= 0x10;
			assert_false(decode_ip_checksum_ok(&p, &l));
			frame[at] ^= 0x10;
		}
		l4_end = l.pay_off + l.pay_len;
		for (uint32_t at = l.l4_off; at < l4_end; at++) {
			frame[at] ^= 0x80;
			assert_false(decode_l4_checksum_ok(&p, &l));
			frame[at] ^= 0x80;
		}
		for (uint32_t at = l4_end; at < n; at++) { /* what follows is not covered */
			frame[at] ^= 0x80;
			assert_true(decode_l4_checksum_ok(&p, &l));
			frame[at] ^= 0x80;
		}
		p.caplen = n - 8; /* not all here: nothing to say */
		if (decode(&p, &l) == DROP_NONE && l.flags & LAYER_CUT) {
			frame[l.l4_off] ^= 1;
			assert_true(decode_l4_checksum_ok(&p, &l));
		}
	}
}

static void
test_udp_checksum_zero(void **state)
{
	uint8_t frame[FRAME_MAX];
	uint32_t n = from_hex(ETH4 IP4("0028", "0000", "11") UDP("0014") PDU, frame);
	struct pkt p = {.bytes = frame, .caplen = n, .wirelen = n};
	struct layers l;

	(void)state;
	assert_int_equal(decode(&p, &l), DROP_NONE);
	assert_true(decode_l4_checksum_ok(&p, &l)); /* over IPv4: not computed */
	n = from_hex(ETH6 IP6("0014", "11") UDP("0014") PDU, frame);
	p.caplen = p.wirelen = n;
	assert_int_equal(decode(&p, &l), DROP_NONE);
	assert_false(decode_l4_checksum_ok(&p, &l)); /* over IPv6: forbidden */
}

static void
test_tuple(void **state)
{
	uint8_t frame[FRAME_MAX];
	uint32_t n =
	    from_hex(MACS TAG("8100", "006e") "0800" IP4("0034", "0000", "06") TCP PDU, frame);
	struct pkt p = {.bytes = frame, .caplen = n, .wirelen = n};
	char src[NET_ADDR_STRLEN], dst[NET_ADDR_STRLEN], mac[NET_MAC_STRLEN];
	struct net_tuple t;
	struct layers l;

	(void)state;
	assert_int_equal(decode(&p, &l), DROP_NONE);
	layers_tuple(&l, 1, &t);
	assert_string_equal(net_addr_str(&t.src, src), "10.0.0.1");
	assert_string_equal(net_addr_str(&t.dst, dst), "10.0.0.2");
	assert_string_equal(net_mac_str(t.smac, mac), "02:00:00:00:00:01");
	assert_int_equal(t.sport, 32768);
	assert_int_equal(t.dport, 502);
	assert_int_equal(t.vlan, 110);
	assert_int_equal(t.proto, 6);
	assert_int_equal(t.port, 1);

	p.caplen = p.wirelen = from_hex(ETH6 IP6("0010", "2c") "0600000800000063" X8, frame);
	assert_int_equal(decode(&p, &l), DROP_NONE);
	layers_tuple(&l, 0, &t);
	assert_string_equal(net_addr_str(&t.src, src), "2001:db8::1");
	assert_int_equal(t.sport | t.dport, 0); /* a fragment has no ports */

	p.caplen = p.wirelen = from_hex(MACS "88cc0207", frame);
	assert_int_equal(decode(&p, &l), DROP_NONE);
	layers_tuple(&l, 0, &t);
	assert_int_equal(t.proto, 0);
	assert_string_equal(net_mac_str(t.dmac, mac), "02:00:00:00:00:02");
}

static void
test_arp(void **state)
{
	/* clang-format off */
	static const struct {
		const char *hex;
		bool ok;
	} arps[] = {
	    {MACS "0806" "0001" "0800" "06" "04" "0001" "02000000000a" "0a000001" PAD6 "0a000002", true},
	    {MACS TAG("8100", "0007") "0806" "0001" "0800" "06" "04" "0002" "02000000000a" "0a000001" PAD6 "0a000002" PAD6, true},
	    {MACS "0806" "0006" "0800" "06" "04" "0001" "02000000000a" "0a000001" PAD6 "0a000002", false},
	    {MACS "0806" "0001" "86dd" "06" "04" "0001" "02000000000a" "0a000001" PAD6 "0a000002", false},
	    {MACS "0806" "0001" "0800" "08" "04" "0001" "02000000000a" "0a000001" PAD6 "0a000002", false},
	    {MACS "0806" "0001" "0800" "06" "10" "0001" "02000000000a" "0a000001" PAD6 "0a000002", false},
	    {MACS "0806" "0001" "0800" "06" "04" "0001" "02000000000a" "0a000001" PAD6 "0a0000", false},
	    {MACS "88cc" "0207", false},
	};
	/* clang-format on */
	struct guard g = guard_new(FRAME_MAX);
	uint8_t frame[FRAME_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof(arps) / sizeof(arps[0]); i++) {
		uint32_t n = from_hex(arps[i].hex, frame);
		struct pkt p = {.bytes = guard_put(&g, frame, n), .caplen = n, .wirelen = n};
		char buf[NET_ADDR_STRLEN];
		struct policy_l2 l2;
		struct layers l;

		assert_int_equal(decode(&p, &l), DROP_NONE);
		assert_int_equal(decode_arp(&p, &l, &l2), arps[i].ok);
		assert_int_equal(l2.arp, arps[i].ok);
		assert_int_equal(l2.ethertype, l.ethertype);
		assert_int_equal(l2.vlan, l.vlan);
		assert_memory_equal(l2.smac, "\2\0\0\0\0\1", 6);
		assert_memory_equal(l2.dmac, "\2\0\0\0\0\2", 6);
		if (!arps[i].ok)
			continue;
		assert_memory_equal(l2.arp_smac, "\2\0\0\0\0\12", 6);
		assert_string_equal(net_addr_str(&l2.arp_sip, buf), "10.0.0.1");
		assert_string_equal(net_addr_str(&l2.arp_tip, buf), "10.0.0.2");
	}
	guard_free(&g);
}

static void
test_decode_ip(void **state)
{
	uint8_t ip[FRAME_MAX];
	uint32_t n = from_hex(IP4("0034", "0000", "06") TCP PDU, ip);
	struct layers l;

	(void)state;
	assert_int_equal(decode_ip(ip, n, false, &l), DROP_NONE);
	assert_string_equal(
	    show(DROP_NONE, &l), "0800 v4 p6 tcp 32768>502 9/10 f18 w256 l3@0 l4@20 40+12 end52");
	assert_int_equal(decode_ip(ip, n, true, &l), DROP_IP_VERSION);
	n = from_hex(IP4("001c", "2000", "06") X8, ip);
	assert_int_equal(decode_ip(ip, n, false, &l), DROP_IP_HEADER);
	n = from_hex(IP6("0014", "06") TCP, ip);
	assert_int_equal(decode_ip(ip, n, true, &l), DROP_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_cut_captures),
	    cmocka_unit_test(test_short_frames),
	    cmocka_unit_test(test_fast_equals_general),
	    cmocka_unit_test(test_checksums),
	    cmocka_unit_test(test_udp_checksum_zero),
	    cmocka_unit_test(test_tuple),
	    cmocka_unit_test(test_arp),
	    cmocka_unit_test(test_decode_ip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
