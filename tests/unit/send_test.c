/* SPDX-License-Identifier: Apache-2.0 */
/* send_test.c - the parts of a sender that are pure: pauses, places on disk, targets, syslog frames, CEF. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef HAVE_SEND
#include "base/err.h"
#include "sender/backoff.h"
#include "sender/cef.h"
#include "sender/proposals.h"
#include "sender/syslog.h"
#include "sender/target.h"
#include "sender/upload.h"

static void
pauses(void **state)
{
	struct backoff b = {.max_ms = 8000};
	const uint64_t full[] = {500, 1000, 2000, 4000, 8000, 8000, 8000};

	(void)state;
	for (size_t i = 0; i < sizeof(full) / sizeof(full[0]); i++) {
		struct backoff low = b, mid = b;

		assert_int_equal(backoff_next(&low, 0, 0), full[i] / 2);
		assert_int_equal(backoff_next(&mid, 0, 1u << 31), full[i] * 3 / 4);
		assert_in_range(backoff_next(&b, 0, UINT32_MAX), full[i] - 1, full[i]);
	}
	/* what the other side asks for is kept, and not for ever */
	assert_in_range(backoff_next(&b, 30000, 5), 30000, 33000);
	assert_in_range(backoff_next(&b, UINT64_MAX, UINT32_MAX), 3600000, 3960000);
	b = (struct backoff){.max_ms = 100, .tries = UINT32_MAX};
	assert_in_range(backoff_next(&b, 0, 77), 50, 100);
	assert_int_equal(b.tries, UINT32_MAX);
}

static void
places(void **state)
{
	char dir[] = "/tmp/il-place-XXXXXX";
	struct place in = {.at = {1795477929, 12, true, {1, 2, [31] = 9}},
			 .seq = 77,
			 .iat_ms = 123},
		     out;
	int fd, w;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(place_load(fd, "a.place", &out), ERR_NOTFOUND);
	assert_int_equal(place_save(fd, "a.place", &in), 0);
	assert_int_equal(place_load(fd, "a.place", &out), 0);
	assert_true(in.at.epoch == out.at.epoch && in.at.batch == out.at.batch);
	assert_true(
	    in.at.has_hash == out.at.has_hash && in.seq == out.seq && in.iat_ms == out.iat_ms);
	assert_memory_equal(in.at.hash, out.at.hash, sizeof(in.at.hash));
	w = openat(fd, "a.place", O_WRONLY | O_TRUNC);
	assert_int_equal(write(w, "{\"v\":1,\"epo", 11), 11);
	(void)close(w);
	assert_int_equal(place_load(fd, "a.place", &out), ERR_FORMAT);
	assert_int_equal(out.at.batch, 0);
	(void)unlinkat(fd, "a.place", 0);
	(void)close(fd);
	assert_int_equal(rmdir(dir), 0); /* and nothing else is left in it */
}

static void
targets(void **state)
{
	static const char *const bad[] = {"", "https://", "https://h", "https://h:", "https://h:0",
	    "https://h:65536", "https://h:1x", "https://h h:1", "https://h:1,x", "https://h:1,x=1",
	    "file:", "file:/a,format=", "file:/a,name=", "file:/a,name=../b", "file:/a,name=.b",
	    "syslog+tcp://h:1,facility=24", "syslog+tcp://h:1,enterprise=-1",
	    "unix:", "http://h:1"};
	const struct send_out *out;
	struct send_target t;
	char err[400];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (target_parse(bad[i], &t, &out, err, sizeof(err)) == 0)
			fail_msg("%s: taken", bad[i]);
	assert_int_equal(target_parse("https://[fd00::1]:8443/", &t, &out, err, sizeof(err)), 0);
	assert_ptr_equal(out, &send_out_https);
	assert_string_equal(t.host, "[fd00::1]");
	assert_string_equal(t.port, "8443");
	assert_string_equal(t.name, "https-fd00-1-8443");
	assert_int_equal(
	    target_parse("syslog+tls://soc.example:6514,format=cef,from=end,ca=/a/b,facility=4,"
			 "enterprise=9,name=soc_1",
		&t, &out, err, sizeof(err)),
	    0);
	assert_ptr_equal(out, &send_out_syslog_tls);
	assert_true(t.format == SEND_CEF && t.from_end && t.facility == 4 && t.enterprise == 9);
	assert_string_equal(t.ca, "/a/b");
	assert_string_equal(t.name, "soc_1");
	assert_int_equal(target_parse("unix:/run/a.sock", &t, &out, err, sizeof(err)), 0);
	assert_string_equal(t.path, "/run/a.sock");
}

#define EVE                                                                                        \
	"{\"timestamp\":\"2026-11-23T10:00:00.123456+0000\",\"event_type\":\"alert\",\"src_ip\":"  \
	"\"10.1.2.9\","                                                                            \
	"\"src_port\":40001,\"dest_ip\":\"10.1.2.130\",\"dest_port\":502,\"proto\":\"TCP\",\"app_" \
	"proto\":\"modbus\","                                                                      \
	"\"host\":\"s\",\"alert\":{\"action\":\"blocked\",\"gid\":62443,\"signature_id\":3,"       \
	"\"rev\":1,"                                                                               \
	"\"signature\":\"a|b\\\\c=d\\ne\",\"category\":\"Unauthorized=Command\",\"severity\":1,"   \
	"\"metadata\":{"                                                                           \
	"\"il_seq\":[\"77\"],\"il_rule\":[\"r\\\\1]\"],\"il_note\":[\"x=1\\ny|\\\\z\\u0007\"]}}}"

static void
cef(void **state)
{
	static const char want[] =
	    "CEF:0|Interlock|Interlock|1.2|3|a\\|b\\\\c=d e|9|rt=Nov 23 2026 10:00:00.123 UTC "
	    "externalId=5-77 "
	    "dvchost=s act=blocked cat=Unauthorized\\=Command src=10.1.2.9 dst=10.1.2.130 "
	    "spt=40001 dpt=502 "
	    "proto=TCP app=modbus cs1=r\\\\1] cs1Label=rule msg=x\\=1\\ny|\\\\z ";
	char out[CEF_MAX], longer[BATCH_LINE_MAX];
	size_t n = cef_write(EVE, strlen(EVE), 5, "1.2", out);

	(void)state;
	assert_int_equal(n, strlen(want));
	assert_memory_equal(out, want, n);
	assert_int_equal(cef_write("{}", 2, 5, "1", out), 0);
	assert_int_equal(cef_write("no JSON", 7, 5, "1", out), 0);
	/* a value that is too long is cut between characters, and a key is there whole or not at all */
	n = (size_t)snprintf(longer, sizeof(longer),
	    "{\"alert\":{\"signature\":\"s\",\"signature_id\":1,\"metadata\":{\"il_note\":[\"");
	for (unsigned i = 0; i < 3000; i++)
		n += (size_t)snprintf(longer + n, sizeof(longer) - n, "\xc3\xa4=");
	n += (size_t)snprintf(longer + n, sizeof(longer) - n, "\"]}}}");
	n = cef_write(longer, n, 5, "1", out);
	assert_true(n > 1000 && n < 2000 && (unsigned char)out[n - 1] != 0xc3);
}

static void
syslog_frames(void **state)
{
	static const char want[] =
	    "<106>1 2026-11-23T10:00:00.123456+00:00 plant?7 interlock - alert [interlock@32473 "
	    "epoch=\"5\" batch=\"6\" seq=\"77\" id=\"3\" action=\"blocked\" rule=\"r\\\\1\\]\"] ";
	const struct batch b = {.iss = "plant 7", .epoch = 5, .number = 6};
	const struct send_out *o;
	struct send_target t;
	char out[SYSLOG_MAX], err[200], *end;
	size_t n;
	long len;

	(void)state;
	assert_int_equal(target_parse("syslog+tcp://h:1", &t, &o, err, sizeof(err)), 0);
	n = syslog_write(&t, &b, EVE, strlen(EVE), out);
	len = strtol(out, &end, 10);
	assert_int_equal(*end, ' ');
	assert_int_equal((size_t)len, n - (size_t)(end + 1 - out)); /* RFC 5425 4.3.1 */
	assert_memory_equal(end + 1, want, strlen(want));
	assert_int_equal((size_t)len, strlen(want) + strlen(EVE));
	assert_memory_equal(end + 1 + strlen(want), EVE, strlen(EVE));
	t.format = SEND_CEF;
	n = syslog_write(&t, &b, EVE, strlen(EVE), out);
	len = strtol(out, &end, 10);
	assert_int_equal((size_t)len, n - (size_t)(end + 1 - out));
	assert_memory_equal(end + 1 + strlen(want), "CEF:0|", 6);
	assert_int_equal(syslog_write(&t, &b, "{\"event_type\":\"stats\"}", 22, out), 0);
}

static void
evidence_names(void **state)
{
	static const char *const bad[] = {"", "1-2", "1-2.pcap", "-2.pcapng", "1-.pcapng",
	    "01-2.pcapng", "1-02.pcapng", "1-2.pcapng.new", "1-2-3.pcapng", "a-2.pcapng",
	    "99999999999999999999999-1.pcapng", "../1-2.pcapng"};
	uint64_t epoch, seq;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (upload_evidence_name(bad[i], &epoch, &seq))
			fail_msg("%s: taken", bad[i]);
	assert_true(upload_evidence_name("1795477929-12.pcapng", &epoch, &seq));
	assert_true(epoch == 1795477929 && seq == 12);
}

static void
proposed(void **state)
{
	static char text[PROPOSAL_YAML_MAX + 2]; /* ends with a NUL */
	static const char *const bad[] = {"", "rule: {name: x}\n", "disabled: true\x1b[2J\n",
	    "- {disabled: true}\n- {enabled: true}\n", "enabled: false\ndisabled: false\n",
	    "disabled: true\r\n", "# disabled\nrule: {name: x}\n", "\t# disabled\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!proposals_wrong(bad[i], strlen(bad[i])))
			fail_msg("%s: taken", bad[i]);
	assert_null(proposals_wrong("# no rule could be written\n\n# DISABLED\n", 39));
	assert_null(proposals_wrong("rule:\n\tdisabled: true\n", 21));
	assert_null(proposals_wrong("- {name: \xe9\x98\x80, enabled: false}\n", 30));
	memset(text, '#', sizeof(text) - 1);
	memcpy(text, "disabled: true\n", 15);
	assert_null(proposals_wrong(text, PROPOSAL_YAML_MAX));
	assert_non_null(proposals_wrong(text, PROPOSAL_YAML_MAX + 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pauses),
	    cmocka_unit_test(places),
	    cmocka_unit_test(targets),
	    cmocka_unit_test(cef),
	    cmocka_unit_test(syslog_frames),
	    cmocka_unit_test(evidence_names),
	    cmocka_unit_test(proposed),
	};

	return cmocka_run_group_tests_name("send", tests, NULL, NULL);
}
#else
int
main(void)
{
	puts("1..0 # skip built without the sender");
	return 0;
}
#endif
