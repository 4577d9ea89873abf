/* SPDX-License-Identifier: Apache-2.0 */
/* builder_test.c - policies that are good, bad, or made to hurt the process that reads them. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/minisign.h"
#include "guard/builder.h"
#include "policy/image.h"
#include "policy/window.h"

static char path[] = "/tmp/il-builder-XXXXXX";
static struct builder b;

static const char good[] = "interlock: 1\n"
			   "site: test\n"
			   "mode: enforce\n"
			   "zones:\n"
			   "  a: {level: 2, nets: [10.9.0.1/32]}\n"
			   "  b: {level: 1, nets: [10.9.0.2/32]}\n"
			   "conduits:\n"
			   "  - name: c\n"
			   "    from: [a/*]\n"
			   "    to: [b/*]\n"
			   "    modbus: {addressing: zero-based, allow: [{name: poll, units: [1], "
			   "functions: read, holding: [0..9]}]}\n";

static void
write_policy(const char *text, size_t len)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* Until it is over; as the parent does it. */
static void
finish(void)
{
	uint64_t until = clock_mono_ns() + 3 * BUILDER_WAIT_NS;

	while (!builder_step(&b, clock_mono_ns())) {
		struct pollfd p = {.fd = builder_fd(&b), .events = POLLIN};
		int status;
		pid_t pid;

		assert_true(clock_mono_ns() < until);
		(void)poll(&p, 1, 20);
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			assert_true(builder_reaped(&b, pid, status));
	}
}

static const struct key_set *keys; /* one of them has to have signed it; or NULL */

static void
build(const struct sandbox_limits *limits)
{
	struct builder_conf c = {
	    .path = path, .keys = keys, .slot = 1, .generation = 5, .uid = 65534, .gid = 65534};
	char err[256] = "";

	if (limits)
		c.limits = *limits;
	if (builder_start(&b, &c, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	finish();
}

static void
refused(const char *why)
{
	assert_int_equal(b.image_fd, -1);
	assert_true(b.errors > 0);
	if (!strstr(b.said, why))
		fail_msg("\"%s\" is not in: %s", why, b.said);
	builder_end(&b);
}

static void
test_good(void **st)
{
	const struct policy *pol;
	char err[256] = "";

	(void)st;
	write_policy(good, sizeof(good) - 1);
	build(NULL);
	if (b.image_fd < 0)
		fail_msg("%s", b.said);
	pol = policy_image_map(b.image_fd, err, sizeof(err));
	assert_non_null(pol);
	assert_string_equal(policy_site(pol), "test");
	assert_int_equal(policy_generation(pol), 5);
	assert_int_equal(policy_image_slot(pol), 1);
	policy_image_unmap(pol);
	builder_end(&b);
}

/* FILE.minisig: of these bytes, by this key. */
static void
sign(const struct key *k, const char *text, size_t len, uint64_t when)
{
	char name[64], buf[MINISIGN_MAX];
	FILE *f;

	snprintf(name, sizeof(name), "%s.minisig", path);
	assert_non_null(f = fopen(name, "we"));
	fputs(minisign_sign(k, text, len, when, "", buf), f);
	assert_int_equal(fclose(f), 0);
}

/* Files that the policy names are opened by the parent, below its folder only, and count into the signature. */
static void
test_names(void **st)
{
	static const char text[] =
	    "interlock: 1\nsite: test\nmode: enforce\n"
	    "zones:\n  z: {nets: [10.9.0.0/24]}\n"
	    "devices:\n  a: {zone: z, ip: 10.9.0.1}\n  b: {zone: z, ip: 10.9.0.2, names: %s}\n"
	    "conduits:\n  - name: c\n    from: [a]\n    to: [b]\n"
	    "    modbus: {addressing: zero-based, allow: [{name: poll, units: [1], "
	    "functions: read, holding: [Boiler1.Setpoint]}]}\n";
	static const char csv[] = "name,space,address\nBoiler1.Setpoint,holding,100\n";
	struct fact_item it = {.first = 100, .count = 1};
	char file[64], name[64], policy[1024], err[256] = "", what[64], comment[128], hex[65];
	char buf[MINISIGN_MAX];
	uint8_t proto, hash[32];
	const struct policy *pol;
	static struct key key;
	static struct key_set one;
	struct net_addr plc;
	char lines[400];
	size_t len, n;
	FILE *f;

	(void)st;
	snprintf(file, sizeof(file), "%s.csv", path);
	snprintf(policy, sizeof(policy), text, strrchr(file, '/') + 1);
	len = strlen(policy);
	write_policy(policy, len);
	unlink(file);
	build(NULL);
	refused("No such file");
	assert_non_null(f = fopen(file, "we"));
	fputs(csv, f);
	assert_int_equal(fclose(f), 0);
	build(NULL);
	if (b.image_fd < 0)
		fail_msg("%s", b.said);
	assert_non_null(pol = policy_image_map(b.image_fd, err, sizeof(err)));
	assert_non_null(dissector_lookup("modbus", &proto));
	while (strcmp(dissectors[proto]->schema->spaces[it.space].name, "holding") != 0)
		it.space++;
	assert_int_equal(net_addr_parse("10.9.0.2", &plc), 0);
	assert_true(policy_object_name(pol, &plc, proto, &it, what, sizeof(what)));
	assert_string_equal(what, "Boiler1.Setpoint");
	policy_image_unmap(pol);
	builder_end(&b);
	/* not below its folder, whatever the builder asks for */
	snprintf(policy, sizeof(policy), text, "/etc/passwd");
	write_policy(policy, strlen(policy));
	build(NULL);
	refused("a name is relative to the file that it stands in");
	/* signed without them; with them; with what they were before */
	snprintf(policy, sizeof(policy), text, strrchr(file, '/') + 1);
	write_policy(policy, len);
	key_from_seed(&key, (const uint8_t[CRYPTO_SEED_LEN]){7});
	assert_int_equal(key_set_add(&one, &key), 0);
	keys = &one;
	sign(&key, policy, len, 1000);
	build(NULL);
	refused("its signature does not cover the files");
	crypto_sha256(policy, len, hash);
	n = (size_t)snprintf(
	    lines, sizeof(lines), "%s  %s\n", crypto_hex(hash, 32, hex), strrchr(path, '/') + 1);
	crypto_sha256(csv, sizeof(csv) - 1, hash);
	n += (size_t)snprintf(lines + n, sizeof(lines) - n, "%s  %s\n", crypto_hex(hash, 32, hex),
	    strrchr(file, '/') + 1);
	crypto_sha256(lines, n, hash);
	snprintf(comment, sizeof(comment), "file:x\thashed\tpolicy:%s", crypto_hex(hash, 32, hex));
	snprintf(name, sizeof(name), "%s.minisig", path);
	assert_non_null(f = fopen(name, "we"));
	fputs(minisign_sign(&key, policy, len, 1000, comment, buf), f);
	assert_int_equal(fclose(f), 0);
	build(NULL);
	if (b.image_fd < 0)
		fail_msg("%s", b.said);
	builder_end(&b);
	assert_non_null(f = fopen(file, "ae"));
	fputs("Other,holding,101\n", f);
	assert_int_equal(fclose(f), 0);
	build(NULL);
	refused("its signature does not cover the files");
	keys = NULL;
	/* expat needs nothing that the sandbox forbids */
	assert_non_null(f = fopen(file, "we"));
	fputs("<?xml version=\"1.0\"?><UANodeSet><UAVariable NodeId=\"ns=9;i=1\" "
	      "BrowseName=\"x\"/></UANodeSet>",
	    f);
	assert_int_equal(fclose(f), 0);
	build(NULL);
#ifdef HAVE_EXPAT
	refused("a name space that NamespaceUris does not list");
#else
	refused("no expat");
#endif
	unlink(file);
	unlink(name);
}

static void
test_signed(void **st)
{
	static const uint8_t seed[2][CRYPTO_SEED_LEN] = {{1}, {2}};
	static char bad[sizeof(good)];
	struct key ours, other;
	struct key_set set = {0};
	char name[64];

	(void)st;
	key_from_seed(&ours, seed[0]);
	key_from_seed(&other, seed[1]);
	assert_int_equal(key_set_add(&set, &ours), 0);
	keys = &set;
	snprintf(name, sizeof(name), "%s.minisig", path);
	write_policy(good, sizeof(good) - 1);
	/* 1: nobody has */
	build(NULL);
	refused("is not signed: there is no .minisig");
	/* 2: somebody else has */
	sign(&other, good, sizeof(good) - 1, 1000);
	build(NULL);
	refused("is not signed by one of these keys");
	/* 3: ours, and what was built is what was signed */
	sign(&ours, good, sizeof(good) - 1, 1000);
	build(NULL);
	assert_true(b.image_fd >= 0);
	assert_int_equal(b.signed_s, 1000);
	assert_string_equal(b.kid, ours.kid);
	builder_end(&b);
	/* 4: one byte is another; and it has an error: the signature is asked first */
	memcpy(bad, good, sizeof(good));
	bad[12] = '2';
	write_policy(bad, sizeof(bad) - 1);
	build(NULL);
	assert_null(strstr(b.said, ":1:"));
	refused("was changed after key");
	/* 5: a file that is no signature, and one that is too long to be one */
	write_policy(good, sizeof(good) - 1);
	assert_int_equal(truncate(name, 20), 0);
	build(NULL);
	refused("its .minisig is not a minisign signature");
	sign(&ours, good, sizeof(good) - 1, 1000);
	assert_int_equal(truncate(name, 5000), 0);
	build(NULL);
	refused("its .minisig is not a minisign signature");
	/* 6: it is changed while it is built: what was signed is built */
	sign(&ours, good, sizeof(good) - 1, 1001);
	{
		struct builder_conf c = {.path = path,
		    .keys = keys,
		    .slot = 1,
		    .generation = 6,
		    .uid = 65534,
		    .gid = 65534};
		char err[256] = "";
		const struct policy *pol;

		assert_int_equal(builder_start(&b, &c, err, sizeof(err)), 0);
		assert_int_equal(kill(b.pid, SIGSTOP), 0);
		write_policy(bad, sizeof(bad) - 1);
		assert_int_equal(kill(b.pid, SIGCONT), 0);
		finish();
		assert_true(b.image_fd >= 0);
		assert_non_null(pol = policy_image_map(b.image_fd, err, sizeof(err)));
		assert_memory_equal(policy_hash(pol), b.text.sha256, CRYPTO_SHA256_LEN);
		policy_image_unmap(pol);
		builder_end(&b);
	}
	keys = NULL;
	assert_int_equal(unlink(name), 0);
}

/* What the policy includes is asked for; and a complaint about it names it. */
static void
test_includes(void **st)
{
	static const uint8_t seed[CRYPTO_SEED_LEN] = {3};
	char name[128], text[256], err[256] = "";
	const struct policy *pol;
	struct key_set set = {0};
	struct key ours;
	FILE *f;

	(void)st;
	snprintf(name, sizeof(name), "%s.inc", path);
	snprintf(text, sizeof(text),
	    "interlock: 1\nmode: enforce\nsite: two\nconduits: []\ninclude: %s\n",
	    strrchr(name, '/') ? strrchr(name, '/') + 1 : name);
	write_policy(text, strlen(text));
	assert_non_null(f = fopen(name, "we"));
	fputs("interlock: 1\nzones: {za: {nets: [10.0.0.0/8]}}\n"
	      "windows: {w: {when: daily 10:00-11:00, tz: Asia/Kolkata}, u: {when: daily "
	      "10:00-11:00, tz: UTC}}\n",
	    f);
	assert_int_equal(fclose(f), 0);
	for (unsigned again = 0; again < 2; again++) {
		struct text t = TEXT_NONE;
		struct builder_conf c = {.path = path,
		    .text = &t,
		    .slot = 1,
		    .generation = 5,
		    .uid = 65534,
		    .gid = 65534};

		if (again) { /* of what came with it, whatever is there by now */
			assert_int_equal(text_dup(&t, &b.text, err, sizeof(err)), 0);
			builder_end(&b);
			assert_int_equal(unlink(name), 0);
			assert_int_equal(builder_start(&b, &c, err, sizeof(err)), 0);
			finish();
		} else {
			build(NULL);
		}
		if (b.image_fd < 0)
			fail_msg("%s", b.said);
		pol = policy_image_map(b.image_fd, err, sizeof(err));
		assert_non_null(pol);
		assert_int_equal(policy_zone_count(pol), 1);
		assert_int_equal(
		    policy_hours(pol, 1800090000 - 4 * 3600), 1); /* 5:00 UTC, 10:30 there */
		policy_image_unmap(pol);
	}
	builder_end(&b);
	assert_non_null(f = fopen(name, "we"));
	fputs("interlock: 1\nzones: {za: {nets: [10.0.0.0/8]}}\n", f);
	assert_int_equal(fclose(f), 0);
	/* a signature of the main file alone covers one file */
	key_from_seed(&ours, seed);
	assert_int_equal(key_set_add(&set, &ours), 0);
	keys = &set;
	sign(&ours, text, strlen(text), 1000);
	build(NULL);
	refused("does not cover the files that it includes");
	keys = NULL;
	assert_non_null(f = fopen(name, "we"));
	fputs("interlock: 1\nzones: {za: {nets: [10.0.0.0/8]}}\n"
	      "windows: {w: {when: daily 10:00-11:00, tz: Asia/Kalkutta}}\n",
	    f);
	assert_int_equal(fclose(f), 0);
	build(NULL);
	refused(".inc:3:44: window \"w\": tz: there is no time zone \"Asia/Kalkutta\"");
	assert_non_null(f = fopen(name, "we"));
	fputs("interlock: 1\nzones: {za: {nets: [10.0.0.0/88]}}\n", f);
	assert_int_equal(fclose(f), 0);
	build(NULL);
	refused(".inc:2:21: zone \"za\": net 10.0.0.0/88 is too long");
	assert_int_equal(unlink(name), 0);
	build(NULL);
	refused(":5:10: include: ");
	assert_int_equal(mkfifo(name, 0600), 0);
	build(NULL);
	refused(": not a file");
	assert_int_equal(unlink(name), 0);
	snprintf(name, sizeof(name), "%s.minisig", path);
	assert_int_equal(unlink(name), 0);
}

static void
test_complaints(void **st)
{
	static const char bad[] =
	    "interlock: 1\nmode: enforce\nzones: {a: {level: 99}}\nnonsense: 1\n";

	(void)st;
	write_policy(bad, sizeof(bad) - 1);
	build(NULL);
	assert_non_null(strstr(b.said, path)); /* file:line:column: what */
	refused(":4:");
}

/* More complaints than are passed on: the number is right all the same. */
static void
test_many_complaints(void **st)
{
	size_t size = 200000, n = 0;
	char *text = malloc(size);

	(void)st;
	assert_non_null(text);
	n += (size_t)snprintf(text, size, "interlock: 1\nmode: enforce\nzones:\n");
	for (unsigned i = 0; i < 900; i++)
		n += (size_t)snprintf(text + n, size - n, "  z%u: {level: 99}\n", i);
	write_policy(text, n);
	free(text);
	build(NULL);
	assert_int_equal(b.errors, 1800);
	refused(":4:");
}

static void
test_deep(void **st)
{
	static char text[200000];

	(void)st;
	memset(text, '[', sizeof(text));
	write_policy(text, sizeof(text));
	build(NULL);
	refused(path);
}

static void
test_aliases(void **st)
{
	static const char bomb[] =
	    "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\n"
	    "c: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c]\n";

	(void)st;
	write_policy(bomb, sizeof(bomb) - 1);
	build(NULL);
	refused(path);
}

static void
test_noise(void **st)
{
	static char text[65536];
	uint64_t x = 88172645463325252u;

	(void)st;
	for (unsigned round = 0; round < 8; round++) {
		for (size_t i = 0; i < sizeof(text); i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			text[i] = (char)(round % 2 ? x : 32 + x % 95);
		}
		write_policy(text, sizeof(text));
		build(NULL);
		refused(path);
	}
}

static void
test_too_long(void **st)
{
	(void)st;
	write_policy("", 0);
	assert_int_equal(truncate(path, BUILDER_TEXT_MAX + 1), 0);
	build(NULL);
	refused("longer than");
}

static void
test_memory(void **st)
{
#ifndef __SANITIZE_ADDRESS__ /* its shadow counts as well: no limit there */
	const struct sandbox_limits little = {.data_bytes = 1 << 20};

	write_policy("", 0);
	assert_int_equal(truncate(path, BUILDER_TEXT_MAX / 2), 0);
	build(&little);
	refused(path);
#endif
	(void)st;
}

static void
test_image_too_large(void **st)
{
	const struct sandbox_limits little = {.file_bytes = 4096};

	(void)st;
	write_policy(good, sizeof(good) - 1);
	build(&little);
	refused(path);
}

/* What it was made to do ends it; the parent says so and lives on. */
static void
test_ended(void **st)
{
	static const int signals[] = {SIGSEGV, SIGSYS, SIGKILL};
	const struct builder_conf c = {
	    .path = path, .slot = 0, .generation = 1, .uid = 65534, .gid = 65534};
	char err[256] = "";

	(void)st;
	write_policy("", 0);
	assert_int_equal(truncate(path, 4000000), 0);
	(void)signal(SIGSEGV, SIG_DFL); /* cmocka's handlers are not for the builder */
	(void)signal(SIGSYS, SIG_DFL);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(builder_start(&b, &c, err, sizeof(err)), 0);
		assert_int_equal(kill(b.pid, signals[i]), 0);
		finish();
		refused(path);
	}
}

static void
stop(void *ctx)
{
	(void)ctx;
	(void)raise(SIGSTOP);
}

static void
test_patience(void **st)
{
	const struct builder_conf c = {
	    .path = path, .slot = 0, .generation = 1, .uid = 65534, .gid = 65534, .child = stop};
	char err[256] = "";

	(void)st;
	write_policy(good, sizeof(good) - 1);
	assert_int_equal(builder_start(&b, &c, err, sizeof(err)), 0);
	assert_false(builder_step(&b, clock_mono_ns()));
	assert_true(builder_step(&b, clock_mono_ns() + BUILDER_WAIT_NS));
	refused("not compiled within");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left of it */
}

static void
test_not_a_file(void **st)
{
	static const char *const paths[] = {"/nonexistent/policy.yaml", "/tmp", "/dev/zero"};
	char err[256];

	(void)st;
	for (unsigned i = 0; i < 3; i++) {
		const struct builder_conf c = {.path = paths[i], .slot = 0, .generation = 1};

		err[0] = '\0';
		assert_true(builder_start(&b, &c, err, sizeof(err)) < 0);
		assert_non_null(strstr(err, paths[i]));
	}
}

static int
setup(void **st)
{
	int fd = mkstemp(path);

	(void)st;
	if (fd < 0)
		return -1;
	close(fd);
	return policy_slots_reserve();
}

static int
teardown(void **st)
{
	(void)st;
	return unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_signed),
	    cmocka_unit_test(test_includes),
	    cmocka_unit_test(test_complaints),
	    cmocka_unit_test(test_many_complaints),
	    cmocka_unit_test(test_deep),
	    cmocka_unit_test(test_aliases),
	    cmocka_unit_test(test_noise),
	    cmocka_unit_test(test_too_long),
	    cmocka_unit_test(test_memory),
	    cmocka_unit_test(test_image_too_large),
	    cmocka_unit_test(test_ended),
	    cmocka_unit_test(test_patience),
	    cmocka_unit_test(test_not_a_file),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
