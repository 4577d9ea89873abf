/* SPDX-License-Identifier: Apache-2.0 */
/* net_test.c - addresses as text and back, prefixes, tuples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/net.h"

static void
test_addr(void **state)
{
	static const struct {
		const char *in, *out; /* out NULL: refused */
		bool is4;
	} cases[] = {
	    {"10.1.2.3", "10.1.2.3", true},
	    {"255.255.255.255", "255.255.255.255", true},
	    {"0.0.0.0", "0.0.0.0", true},
	    {"2001:DB8::0001", "2001:db8::1", false},
	    {"::", "::", false},
	    {"fe80:0:0:0:1:0:0:1", "fe80::1:0:0:1", false},
	    {"::ffff:10.1.2.3", "10.1.2.3", true}, /* the same address */
	    {"10.1.2", NULL, false},
	    {"10.1.2.256", NULL, false},
	    {"10.1.2.3 ", NULL, false},
	    {"010.1.2.3", NULL, false},
	    {"10.1.2.3/24", NULL, false},
	    {"2001:db8:::1", NULL, false},
	    {"fe80::1%eth0", NULL, false},
	    {"plc-1", NULL, false},
	    {"", NULL, false},
	};
	char buf[NET_ADDR_STRLEN];

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct net_addr a, before;

		memset(&a, 0x5a, sizeof(a));
		before = a;
		if (!cases[i].out) {
			assert_int_equal(net_addr_parse(cases[i].in, &a), ERR_SYNTAX);
			assert_true(net_addr_eq(&a, &before)); /* written only on success */
			continue;
		}
		assert_int_equal(net_addr_parse(cases[i].in, &a), 0);
		assert_string_equal(net_addr_str(&a, buf), cases[i].out);
		assert_int_equal(net_addr_is4(&a), cases[i].is4);
	}
}

static void
test_addr_from_wire(void **state)
{
	static const uint8_t v4[] = {10, 1, 2, 3};
	static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	struct net_addr a = net_addr_from4(v4), b = net_addr_from6(v6), c;

	(void)state;
	assert_int_equal(net_addr_parse("10.1.2.3", &c), 0);
	assert_true(net_addr_eq(&a, &c));
	assert_int_equal(net_addr_parse("2001:db8::1", &c), 0);
	assert_true(net_addr_eq(&b, &c));
	assert_false(net_addr_eq(&a, &b));
}

static void
test_prefix(void **state)
{
	static const struct {
		const char *text;
		int want;
		uint8_t len;
		const char *in, *out; /* an address inside, one outside */
	} cases[] = {
	    {"10.1.2.0/25", 0, 121, "10.1.2.127", "10.1.2.128"},
	    {"10.1.2.3", 0, 128, "10.1.2.3", "10.1.2.2"},
	    {"10.1.2.3/32", 0, 128, "10.1.2.3", "10.1.2.4"},
	    {"0.0.0.0/0", 0, 96, "255.1.2.3", "2001:db8::1"},
	    {"128.0.0.0/1", 0, 97, "200.0.0.1", "127.0.0.1"},
	    {"2001:db8::/33", 0, 33, "2001:db8:7fff::1", "2001:db8:8000::1"},
	    {"::/0", 0, 0, "10.1.2.3", NULL},
	    {"2001:db8::1", 0, 128, "2001:db8::1", "2001:db8::2"},
	    {"10.1.2.1/25", ERR_RANGE, 0, NULL, NULL}, /* host bits */
	    {"10.1.2.0/33", ERR_RANGE, 0, NULL, NULL},
	    {"2001:db8::/129", ERR_RANGE, 0, NULL, NULL},
	    {"10.1.2.0/", ERR_SYNTAX, 0, NULL, NULL},
	    {"10.1.2.0/-1", ERR_SYNTAX, 0, NULL, NULL},
	    {"10.1.2.0/ 8", ERR_SYNTAX, 0, NULL, NULL},
	    {"10.1.2.0/+8", ERR_SYNTAX, 0, NULL, NULL},
	    {"10.1.2.0/8x", ERR_RANGE, 0, NULL, NULL},
	    {"10.1.2.0/99999999999999999999", ERR_RANGE, 0, NULL, NULL},
	    {"/8", ERR_SYNTAX, 0, NULL, NULL},
	    {"1111:2222:3333:4444:5555:6666:7777:8888:9999:0000/8", ERR_SYNTAX, 0, NULL, NULL},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct net_prefix p;
		struct net_addr a;
		int r = net_prefix_parse(cases[i].text, &p);

		if (r != cases[i].want)
			fail_msg("%s: %s", cases[i].text, err_str(r));
		if (r != 0)
			continue;
		assert_int_equal(p.len, cases[i].len);
		assert_int_equal(net_addr_parse(cases[i].in, &a), 0);
		assert_true(net_prefix_has(&p, &a));
		if (!cases[i].out)
			continue;
		assert_int_equal(net_addr_parse(cases[i].out, &a), 0);
		assert_false(net_prefix_has(&p, &a));
	}
}

/* Every length of prefix against a bit-by-bit comparison. */
static void
test_prefix_bits(void **state)
{
	struct net_addr a;

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		a.b[i] = (uint8_t)(i * 37 + 11);
	for (unsigned len = 0; len <= 128; len++) {
		for (unsigned flip = 0; flip < 128; flip++) {
			struct net_prefix p = {.addr = a, .len = (uint8_t)len};
			struct net_addr b = a;

			b.b[flip / 8] ^= (uint8_t)(0x80 >> flip % 8);
			assert_int_equal(net_prefix_has(&p, &b), flip >= len);
		}
	}
}

static void
test_mac(void **state)
{
	static const char *const bad[] = {"", "00:1b:1b:aa:bb", "00:1b:1b:aa:bb:0",
	    "00:1b:1b:aa:bb:0g", "00:1b:1b:aa:bb:01:02", "00-1b-1b-aa-bb-01", "001b1baabb01",
	    " 0:1b:1b:aa:bb:01", "00:1b:1b:aa:bb:01 ", "+0:1b:1b:aa:bb:01", "0x:1b:1b:aa:bb:01"};
	uint8_t mac[6], before[6] = {9, 9, 9, 9, 9, 9};
	char buf[NET_MAC_STRLEN];

	(void)state;
	assert_int_equal(net_mac_parse("00:1B:1b:aa:bb:01", mac), 0);
	assert_string_equal(net_mac_str(mac, buf), "00:1b:1b:aa:bb:01");
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(mac, before, 6);
		if (net_mac_parse(bad[i], mac) != ERR_SYNTAX)
			fail_msg("accepted \"%s\"", bad[i]);
		assert_memory_equal(mac, before, 6);
	}
}

static void
test_reverse(void **state)
{
	struct net_tuple t = {.sport = 1,
			     .dport = 2,
			     .vlan = 3,
			     .proto = 6,
			     .port = 1,
			     .smac = {1},
			     .dmac = {2}},
			 r;

	(void)state;
	assert_int_equal(net_addr_parse("10.0.0.1", &t.src), 0);
	assert_int_equal(net_addr_parse("10.0.0.2", &t.dst), 0);
	r = net_tuple_reverse(&t);
	assert_true(net_addr_eq(&r.src, &t.dst) && net_addr_eq(&r.dst, &t.src));
	assert_int_equal(r.sport, 2);
	assert_int_equal(r.dport, 1);
	assert_int_equal(r.smac[0], 2);
	assert_int_equal(r.dmac[0], 1);
	assert_int_equal(r.vlan, 3);
	assert_int_equal(r.proto, 6);
	r = net_tuple_reverse(&r);
	assert_true(net_addr_eq(&r.src, &t.src) && r.sport == t.sport && r.smac[0] == t.smac[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_addr),
	    cmocka_unit_test(test_addr_from_wire),
	    cmocka_unit_test(test_prefix),
	    cmocka_unit_test(test_prefix_bits),
	    cmocka_unit_test(test_mac),
	    cmocka_unit_test(test_reverse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
