/* SPDX-License-Identifier: Apache-2.0 */
/* share_test.c - what leaves of a record: every class, every depth, and nothing that nobody thought of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef HAVE_COLLECTOR
#include "base/crypto.h"
#include "sharing/pattern.h"
#include "sharing/share.h"

static const struct share_dest nobody = {
    .name = "nobody", .identity = "us", .tlp = TLP_AMBER, .key = {1}};

static char *
redacted(const char *text, const struct share_dest *d, unsigned cap)
{
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	struct shared s;
	char *out;

	assert_non_null(o);
	assert_true(share_redact(o, d, cap, &s));
	out = json_dumps(s.doc, JSON_COMPACT | JSON_SORT_KEYS);
	share_fini(&s);
	json_decref(o);
	return out;
}

static void
is(const char *text, unsigned keep, unsigned cap, const char *want)
{
	struct share_dest d = nobody;
	char *got;

	d.keep = keep;
	got = redacted(text, &d, cap);
	assert_string_equal(got, want);
	free(got);
}

static void
what_is_not_named_does_not_leave(void **state)
{
	(void)state;
	is("{\"id\":7,\"secret\":1,\"items\":[{\"il_extra\":\"x\",\"seq\":2}]}", SHARE_KEEP_ALL,
	    SHARE_KEEP_ALL, "{\"id\":7,\"items\":[{\"seq\":2}]}");
	is("{\"pdu\":{\"values\":[1]},\"line\":{\"a\":1},\"key\":{\"x\":\"y\"}}", 0, SHARE_KEEP_ALL,
	    "{}");
	is("{\"op\":\"read\",\"reason\":\"it was <him>\",\"proto\":\"10.0.0.1\",\"verdict\":7}", 0,
	    0, "{\"op\":\"read\"}");
}

static void
a_class_is_kept_alone(void **state)
{
	static const char text[] =
	    "{\"object\":\"holding 3 of Pump9\",\"src\":\"Pump9\",\"src_ip\":"
	    "\"10.0.0.1\",\"sport\":7,\"pdu\":{\"v\":[\"at 10.0.0.1\",4]},\"dst\":\"10.0.0.1\"}";
	struct share_dest d = nobody;
	char name[64], addr[64], want[400];
	(void)state;

	share_pseudonym(&d, SHARE_NAME, "pump9", name);
	share_pseudonym(&d, SHARE_NAME, "10.0.0.1", addr);
	assert_int_equal(strncmp(name, "name-", 5), 0);
	assert_int_equal(strncmp(addr, "2001:db8:", 9), 0);
	snprintf(want, sizeof(want), "{\"dst\":\"%s\",\"src\":\"%s\",\"src_ip\":\"%s\"}", addr,
	    name, addr);
	is(text, 0, SHARE_KEEP_ALL, want);
	snprintf(want, sizeof(want),
	    "{\"dst\":\"10.0.0.1\",\"sport\":7,\"src\":\"%s\",\"src_ip\":\"10.0.0.1\"}", name);
	is(text, SHARE_KEEP(SHARE_ADDRESS), SHARE_KEEP_ALL, want);
	snprintf(want, sizeof(want),
	    "{\"dst\":\"%s\",\"object\":\"holding 3 of %s\",\"pdu\":{\"v\":[\"at "
	    "%s\",4]},\"src\":\"%s\",\"src_ip\":\"%s\"}",
	    addr, name, addr, name, addr);
	is(text, SHARE_KEEP(SHARE_OBJECT) | SHARE_KEEP(SHARE_VALUE), SHARE_KEEP_ALL, want);
	snprintf(want, sizeof(want), "{\"dst\":\"%s\",\"src\":\"%s\",\"src_ip\":\"%s\"}", addr,
	    name, addr);
	is(text, SHARE_KEEP_ALL, 0, want); /* who asks may see less */
}

static void
raw_parts_leave_with_everything_else_only(void **state)
{
	static const char text[] = "{\"frames\":\"AAAA\",\"id\":1,\"line\":\"{}\"}";
	(void)state;

	is(text, SHARE_KEEP_ALL, SHARE_KEEP_ALL, text);
	for (unsigned c = SHARE_NAME; c < SHARE_RAW; c++)
		is(text, SHARE_KEEP_ALL & ~SHARE_KEEP(c), SHARE_KEEP_ALL, "{\"id\":1}");
	is(text, SHARE_KEEP_ALL, SHARE_KEEP_ALL & ~SHARE_KEEP(SHARE_VALUE), "{\"id\":1}");
}

/* More names than are looked for in sentences: then no sentence leaves. */
static void
too_many_secrets(void **state)
{
	json_t *o = json_object(), *list = json_array();
	struct share_dest d = nobody;
	struct shared s;
	(void)state;

	d.keep = SHARE_KEEP(SHARE_NOTE);
	for (int i = 0; i < 5000; i++)
		(void)json_array_append_new(
		    list, json_pack("{s:s++}", "src", "device-", i % 2 ? "a" : "b", "x"));
	(void)json_object_set_new(o, "note", json_string("seen at device-ax"));
	(void)json_object_set(o, "items", list);
	assert_true(share_redact(o, &d, SHARE_KEEP_ALL, &s));
	assert_non_null(strstr(shared_text(s.doc, "note"), "seen at name-"));
	share_fini(&s);
	for (int i = 0; i < 5000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		(void)json_array_append_new(list, json_pack("{s:s}", "src", name));
	}
	assert_true(share_redact(o, &d, SHARE_KEEP_ALL, &s));
	assert_string_equal(shared_text(s.doc, "note"), "");
	share_fini(&s);
	json_decref(list);
	json_decref(o);
}

static void
ids(void **state)
{
	static const uint8_t dns[16] = {0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4,
	    0, 0xc0, 0x4f, 0xd4, 0x30, 0xc8};
	struct share_dest other = nobody;
	char a[SHARE_UUID], b[SHARE_UUID], t[SHARE_TIME];
	(void)state;

	/* RFC 9562 A.4 */
	assert_string_equal(
	    share_uuid5(dns, "www.example.com", 15, a), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
	other.key[31] = 1;
	assert_string_not_equal(share_id(&nobody, "x", 1, a), share_id(&other, "x", 1, b));
	assert_string_not_equal(share_id(&nobody, "x", 1, a), share_id(&nobody, "x", 2, b));
	assert_string_equal(share_time(INT64_C(1795923600007), t), "2026-11-29T03:40:00.007Z");
}

static void
hmac(void **state)
{
	uint8_t out[CRYPTO_SHA256_LEN];
	char hex[65];
	(void)state;

	/* RFC 4231 4.3 */
	crypto_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
	assert_string_equal(crypto_hex(out, sizeof(out), hex),
	    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void
words(void **state)
{
	char text[128];
	(void)state;

	assert_int_equal(share_keep_parse(""), 0);
	assert_int_equal(
	    share_keep_parse("names,raw"), SHARE_KEEP(SHARE_NAME) | SHARE_KEEP(SHARE_RAW));
	assert_int_equal(share_keep_parse("name"), -1);
	share_keep_text(SHARE_KEEP_ALL, text, sizeof(text));
	assert_int_equal(share_keep_parse(text), SHARE_KEEP_ALL);
	assert_int_equal(share_tlp_parse("AMBER+strict"), TLP_AMBER_STRICT);
	assert_int_equal(share_tlp_parse("white"), -1);
}

/* Of patterns only what can be watched for as it is meant. */
static void
patterns(void **state)
{
	static const struct {
		const char *text;
		enum refusal want;
		unsigned n;
	} cases[] = {
	    {"[ipv4-addr:value='192.0.2.7']", REFUSAL_NONE, 1},
	    {" [ ipv4-addr:value = '192.0.2.7/32' OR ipv6-addr:value = '2001:db8::7/128' ] OR\n"
	     "[mac-addr:value='02:00:00:00:00:01' OR ipv4-addr:value = '192.0.2.7'] ",
		REFUSAL_NONE, 3},
	    {"[network-traffic:src_ref.value = '192.0.2.7' OR network-traffic:dst_ref.value = "
	     "'2001:db8::7']",
		REFUSAL_NONE, 2},
	    {"[ipv4-addr:value = '192.0.2.7'", REFUSAL_SYNTAX, 0},
	    {"[ipv4-addr:value = '192.0.2.7'] OR", REFUSAL_SYNTAX, 0},
	    {"[ipv4-addr:value = '192.0.2.7\\", REFUSAL_SYNTAX, 0},
	    {"[ipv4-addr:value == '192.0.2.7']", REFUSAL_OPERATOR, 0},
	    {"[ipv4-addr:value = '192.0.2.7' AND network-traffic:dst_port = 502]", REFUSAL_OPERATOR,
		0},
	    {"[ipv4-addr:value = '192.0.2.7'] START t'2026-01-01T00:00:00Z' STOP "
	     "t'2026-01-02T00:00:00Z'",
		REFUSAL_QUALIFIER, 0},
	    {"[domain-name:value = 'x']", REFUSAL_PATH, 0},
	    {"[ipv4-addr:value = '192.0.2.0/24']", REFUSAL_VALUE, 0},
	    {"[ipv4-addr:value = '0.0.0.0']", REFUSAL_VALUE, 0},
	    {"[ipv4-addr:value = '224.0.0.1']", REFUSAL_VALUE, 0},
	    {"[ipv6-addr:value = 'ff02::1']", REFUSAL_VALUE, 0},
	    {"[ipv6-addr:value = '::ffff:192.0.2.7']", REFUSAL_VALUE, 0},
	    {"[mac-addr:value = '01:00:5e:00:00:01']", REFUSAL_VALUE, 0},
	};
	struct pattern p;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum refusal r = pattern_parse(cases[i].text, strlen(cases[i].text), &p);

		if (r != cases[i].want || (r == REFUSAL_NONE && p.n != cases[i].n))
			fail_msg("%s: %s, %u values", cases[i].text, refusal_name(r), p.n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_not_named_does_not_leave),
	    cmocka_unit_test(a_class_is_kept_alone),
	    cmocka_unit_test(raw_parts_leave_with_everything_else_only),
	    cmocka_unit_test(too_many_secrets),
	    cmocka_unit_test(ids),
	    cmocka_unit_test(hmac),
	    cmocka_unit_test(words),
	    cmocka_unit_test(patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#else

int
main(void)
{
	printf("1..1\nok 1 # skip built without the collector\n");
	return 0;
}

#endif
