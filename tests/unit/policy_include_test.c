/* SPDX-License-Identifier: Apache-2.0 */
/* policy_include_test.c - a policy of several files, and files that must not be one. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/crypto.h"
#include "policy/files.h"
#include "policy/policy.h"
#include "tests/model/toy.h"

static char dir[] = "/tmp/policy-include-XXXXXX";

static void
put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	fclose(f);
}

/* What is said of plant.yaml, without the directory's name. */
static char *
said(struct policy **p)
{
	struct complaints c = {0};
	char path[256], *buf = NULL, *out, *at;
	size_t n = 0;
	FILE *f = open_memstream(&buf, &n);

	assert_non_null(f);
	(void)snprintf(path, sizeof(path), "%s/plant.yaml", dir);
	*p = policy_build(path, &c);
	complaints_print(&c, f);
	fclose(f);
	complaints_fini(&c);
	out = calloc(1, n + 1);
	assert_non_null(out);
	for (at = buf; *at;) {
		if (strncmp(at, dir, strlen(dir)) == 0)
			at += strlen(dir) + 1;
		else
			out[strlen(out)] = *at++;
	}
	free(buf);
	return out;
}

static void
says(const char *main_text, const char *want)
{
	struct policy *p;
	char *got;

	put("plant.yaml", main_text);
	got = said(&p);
	assert_string_equal(got, want);
	policy_free(p);
	free(got);
}

#define HEAD "interlock: 1\nmode: enforce\n"
#define NAMES                                                                                      \
	"interlock: 1\nsets: {regs: [1..5]}\n"                                                     \
	"zones: {za: {nets: [10.0.1.0/24]}, zb: {nets: [10.0.2.0/24]}}\n"                          \
	"devices: {a: {zone: za, ip: 10.0.1.1}, b: {zone: zb, ip: 10.0.2.1}}\n"
#define RULES(name)                                                                                \
	"conduits:\n  - {name: " name ", from: [a], to: [b], toy: {addressing: zero-based, "       \
	"allow: [{name: r, units: 1, functions: 3, reg: $regs}]}}\n"

/* What a file accepts is said of itself: a mark in another one, on the same line, is none. */
static void
test_accept(void **state)
{
	static const char mark[] = "# interlock: accept policy.idle-group\n";
	char text[512];

	(void)state;
	put("sub/rules.yaml", "interlock: 1\n" RULES("c"));
	(void)snprintf(text, sizeof(text), "%s%sgroups: {h: [b]}\n", NAMES, mark);
	put("names.yaml", text);
	says(HEAD "include: [names.yaml, sub/rules.yaml]\n", "");
	put("names.yaml", NAMES "\ngroups: {h: [b]}\n");
	says(HEAD "include: [names.yaml, sub/rules.yaml]\n"
		  "# interlock: accept policy.idle-group\n\n\n",
	    "names.yaml:6:10: warning: group \"h\": nothing names it [policy.idle-group]\n");
}

/* A window may stand where what it is for stands. */
static void
test_windows(void **state)
{
	(void)state;
	put("names.yaml", NAMES "windows: {w: {when: daily 10:00-11:00, tz: UTC}}\n");
	put("sub/rules.yaml",
	    "interlock: 1\nwindows: {v: {when: daily 10:00-11:00, tz: Asia/Tokyo}}\nconduits:\n"
	    "  - {name: c, from: [a], to: [b], only-in: [v, w], toy: {addressing: zero-based, "
	    "allow: "
	    "[{name: r, units: 1, functions: 3, reg: $regs}]}}\n");
	says(HEAD "include: [names.yaml, sub/rules.yaml]\n", "");
	put("names.yaml", NAMES "windows: {v: {when: daily 10:00-11:00, tz: UTC}, w: {when: daily "
				"10:00-11:00, tz: UTC}}\n");
	says(HEAD "include: [names.yaml, sub/rules.yaml]\n",
	    "sub/rules.yaml:2:11: window \"v\": line 5 of names.yaml already has a window of that "
	    "name\n");
}

static void
test_whole(void **state)
{
	struct crypto_sha256 h;
	struct policy_rule_info info;
	uint8_t sum[32];
	const char *texts[] = {HEAD "include: [names.yaml, sub/rules.yaml]\n", NAMES,
	    "interlock: 1\ninclude: ../sub/../sub/more.yaml\n" RULES("c"),
	    "interlock: 1\ngroups: {g: [a]}\n"};
	const char *names[] = {"plant.yaml", "names.yaml", "sub/rules.yaml", "sub/more.yaml"};
	struct policy *p;
	char *got, line[80];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		put(names[i], texts[i]);
	got = said(&p);
	assert_string_equal(got,
	    "sub/more.yaml:2:10: warning: group \"g\": nothing names it [policy.idle-group]\n");
	free(got);
	assert_non_null(p);
	assert_int_equal(policy_rule_info(p, 0, &info), 0);
	assert_non_null(strstr(info.file, "/sub/rules.yaml"));
	assert_int_equal(info.line, 4);
	assert_non_null(strstr(policy_conduit_file(p, 0), "/sub/rules.yaml"));
	crypto_sha256_init(&h); /* as sha256sum(1) prints it */
	for (unsigned i = 0; i < 4; i++) {
		crypto_sha256(texts[i], strlen(texts[i]), sum);
		for (unsigned b = 0; b < 32; b++)
			(void)snprintf(line + 2 * b, 3, "%02x", sum[b]);
		crypto_sha256_update(&h, line, 64);
		crypto_sha256_update(&h, "  ", 2);
		crypto_sha256_update(&h, names[i], strlen(names[i]));
		crypto_sha256_update(&h, "\n", 1);
	}
	crypto_sha256_final(&h, sum);
	assert_memory_equal(policy_hash(p), sum, 32);
	policy_free(p);
	/* one file: the hash of its text */
	put("plant.yaml", NAMES);
	free(said(&p));
	crypto_sha256(NAMES, strlen(NAMES), sum);
	assert_memory_equal(policy_hash(p), sum, 32);
	policy_free(p);
}

/* clang-format off */
static void
test_places(void **state)
{
	(void)state;
	put("names.yaml", NAMES);
	put("bad.yaml", "interlock: 1\ndevices: {d: {zone: zz, ip: 10.0.1.9}, a: {zone: za, ip: 10.0.1.8}}\n");
	says(HEAD "include: [names.yaml, bad.yaml]\n" RULES("c"),
	    "bad.yaml:2:21: device \"d\": there is no zone \"zz\", did you mean \"za\"?\n"
	    "bad.yaml:2:40: device \"a\": line 4 of names.yaml already has a device of that name\n");
	put("bad.yaml", "interlock: 1\nmode: alert\nzone: {}\n");
	says(HEAD "include: [names.yaml, bad.yaml]\n" RULES("c"),
	    "bad.yaml:2:1: an included file: unknown key \"mode\"\n"
	    "bad.yaml:3:1: an included file: unknown key \"zone\", did you mean \"zones\"?\n");
	put("bad.yaml", "sets: {regs: [7]}\n");
	says(HEAD "include: [names.yaml, bad.yaml]\n" RULES("c"),
	    "bad.yaml:1:1: an included file: required key \"interlock\" is missing\n"
	    "bad.yaml:1:8: set \"regs\": line 2 of names.yaml already has a set of that name\n");
	put("bad.yaml", "interlock: 1\n\tx: 1\n");
	says(HEAD "include: [names.yaml, bad.yaml]\n" RULES("c"),
	    "bad.yaml:2:1: YAML: while scanning a plain scalar, found a tab character that violates indentation\n");
}

static void
test_hostile(void **state)
{
	char path[256], *big;

	(void)state;
	put("names.yaml", NAMES);
	says(NAMES RULES("c") "include: [nowhere.yaml]\nmode: enforce\n", "plant.yaml:7:11: include: nowhere.yaml: No such file or directory\n");
	says(NAMES RULES("c") "include: [/etc/passwd]\nmode: enforce\n", "plant.yaml:7:11: include: a name is relative to the file that it stands in\n");
	says(NAMES RULES("c") "include: [../x.yaml]\nmode: enforce\n", "plant.yaml:7:11: include: ../x.yaml is not below the directory of the policy\n");
	says(NAMES RULES("c") "include: [sub/../../x]\nmode: enforce\n", "plant.yaml:7:11: include: sub/../../x is not below the directory of the policy\n");
	says(NAMES RULES("c") "include: [\"*.yaml\"]\nmode: enforce\n", "plant.yaml:7:11: include: file names are written out, one by one\n");
	says(NAMES RULES("c") "include: {a: 1}\nmode: enforce\n", "plant.yaml:7:10: include: expected a list of files\n");
	says(NAMES RULES("c") "include: [sub]\nmode: enforce\n", "plant.yaml:7:11: include: sub: not a file\n");
	says(NAMES RULES("c") "include: [./plant.yaml]\nmode: enforce\n", "plant.yaml:7:11: include: plant.yaml includes itself\n");
	says(HEAD "include: [names.yaml, sub/../names.yaml]\n" RULES("c"), "plant.yaml:3:23: include: names.yaml was included before (line 3)\n");
	(void)snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	says(NAMES RULES("c") "include: [fifo]\nmode: enforce\n", "plant.yaml:7:11: include: fifo: not a file\n");
	(void)snprintf(path, sizeof(path), "%s/zero", dir);
	assert_int_equal(symlink("/dev/zero", path), 0);
	says(NAMES RULES("c") "include: [zero]\nmode: enforce\n", "plant.yaml:7:11: include: zero: a symbolic link is not followed\n");
	(void)snprintf(path, sizeof(path), "%s/here", dir);
	assert_int_equal(symlink("sub", path), 0);
	says(NAMES RULES("c") "include: [here/rules.yaml]\nmode: enforce\n", "plant.yaml:7:11: include: here/rules.yaml: a symbolic link is not followed\n");
	/* two that include each other */
	put("a.yaml", "interlock: 1\ninclude: b.yaml\n");
	put("b.yaml", "interlock: 1\ninclude: a.yaml\n");
	says(NAMES RULES("c") "include: [a.yaml]\nmode: enforce\n", "b.yaml:2:10: include: a.yaml includes itself\n");
	/* a chain, and more text than all of them may have */
	for (unsigned i = 0; i < 12; i++) {
		char name[16], text[64];

		(void)snprintf(name, sizeof(name), "chain%u", i);
		(void)snprintf(text, sizeof(text), "interlock: 1\ninclude: chain%u\n", i + 1);
		put(name, text);
	}
	says(NAMES RULES("c") "include: [chain0]\nmode: enforce\n", "chain7:2:10: include: more than 8 files that include each other\n");
	big = malloc((5u << 20) + 1);
	assert_non_null(big);
	memset(big, '#', 5u << 20);
	big[5u << 20] = '\0';
	put("big.yaml", big);
	free(big);
	says(NAMES RULES("c") "include: [big.yaml]\nmode: enforce\n", "plant.yaml:7:11: include: big.yaml: more than 4194304 bytes in all files together\n");
}
/* clang-format on */

static int
setup(void **state)
{
	char path[256];

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/sub", dir);
	return mkdir(path, 0700);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int
teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole),
	    cmocka_unit_test(test_accept),
	    cmocka_unit_test(test_windows),
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
