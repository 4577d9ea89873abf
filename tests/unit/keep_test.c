/* SPDX-License-Identifier: Apache-2.0 */
/* keep_test.c - what a guard knows after a restart: which signed policy may follow which. */
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

#include "base/err.h"
#include "policy/bundle.h"
#include "guard/keep.h"
#include "guard/text.h"

static char dir[] = "/tmp/il-keep-XXXXXX";
static struct keep k;

static struct accepted
policy(uint64_t when, uint8_t which)
{
	struct accepted a = {.signed_s = when, .kid = "abc"};

	a.sha256[0] = which;
	a.sha256[31] = 0xa5;
	return a;
}

static void
test_order(void **st)
{
	static const struct {
		struct {
			uint64_t when;
			uint8_t which;
		} last, next;
		const char *why; /* NULL: may follow */
	} v[] = {
	    /* 1 */ {{0, 0}, {1, 1}, NULL}, /* the first */
	    /* 2 */ {{5, 1}, {6, 2}, NULL}, /* later */
	    /* 3 */ {{5, 1}, {5, 1}, NULL}, /* the same again */
	    /* 4 */ {{5, 1}, {6, 1}, NULL}, /* signed again: a rollback somebody wants */
	    /* 5 */ {{5, 1}, {4, 2}, "is older"},
	    /* 6 */ {{5, 1}, {4, 1}, "is older"}, /* the same text, an old signature */
	    /* 7 */ {{5, 1}, {5, 2}, "in the same second"},
	    /* 8 */ {{0, 0}, {0, 1}, "does not say when"},
	    /* 9 */ {{5, 1}, {UINT64_MAX, 2}, NULL},
	    /* 10 */ {{UINT64_MAX, 1}, {5, 2}, "is older"},
	};

	(void)st;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct accepted last = policy(v[i].last.when, v[i].last.which);
		struct accepted next = policy(v[i].next.when, v[i].next.which);
		char err[256] = "";
		int r = accepted_check(&last, &next, err, sizeof(err));

		if ((r == 0) != !v[i].why || (v[i].why && !strstr(err, v[i].why)))
			fail_msg("%zu: %d %s", i + 1, r, err);
	}
}

static void
test_file(void **st)
{
	struct accepted a = policy(1764341531, 7), got;
	char err[256] = "", path[KEEP_PATH];
	struct stat s;
	FILE *f;

	(void)st;
	/* nothing yet; then what was written; of another port nothing */
	assert_int_equal(accepted_load(&k, &got, err, sizeof(err)), 0);
	assert_int_equal(got.signed_s, 0);
	assert_int_equal(accepted_save(&k, &a, err, sizeof(err)), 0);
	assert_int_equal(accepted_load(&k, &got, err, sizeof(err)), 0);
	assert_memory_equal(&a, &got, sizeof(a));
	assert_int_equal(stat(keep_path(&k, "accepted", "json", path), &s), 0);
	assert_int_equal(s.st_mode & 0777, 0600);
	{
		struct keep other = k;

		snprintf(other.port, sizeof(other.port), "eth9");
		assert_int_equal(accepted_load(&other, &got, err, sizeof(err)), 0);
		assert_int_equal(got.signed_s, 0);
	}
	/* unreadable is not nothing: each beginning of the file, and each byte changed */
	for (off_t n = s.st_size - 2; n >= 0; n--) {
		assert_int_equal(truncate(path, n), 0);
		err[0] = '\0';
		if (accepted_load(&k, &got, err, sizeof(err)) == 0)
			fail_msg("%ld bytes of it are enough", (long)n);
		assert_non_null(strstr(err, path));
	}
	assert_non_null(f = fopen(path, "we"));
	fputs("{\"v\":2,\"signed\":1,\"sha256\":\"\",\"key\":\"\"}\n", f);
	fclose(f);
	assert_int_equal(accepted_load(&k, &got, err, sizeof(err)), ERR_FORMAT);
	assert_int_equal(unlink(path), 0);
	/* a place where nothing can be written */
	{
		struct keep nowhere = k;

		snprintf(nowhere.dir, sizeof(nowhere.dir), "/proc/nowhere/x");
		assert_true(accepted_save(&nowhere, &a, err, sizeof(err)) < 0);
	}
}

static void
test_text(void **st)
{
	struct text t, u;
	char err[256] = "", a[64], b[64], sig[80], buf[64] = "";
	struct stat s;
	FILE *f;

	(void)st;
	snprintf(a, sizeof(a), "%s/a", dir);
	snprintf(b, sizeof(b), "%s/b", dir);
	snprintf(sig, sizeof(sig), "%s.minisig", a);
	assert_true(text_take(&t, a, err, sizeof(err)) < 0);
	assert_int_equal(t.fd, -1);
	assert_non_null(f = fopen(a, "we"));
	fputs("a policy\n", f);
	fclose(f);
	assert_non_null(f = fopen(sig, "we"));
	fputs("signature\n", f);
	fclose(f);
	assert_int_equal(text_take(&t, a, err, sizeof(err)), 0);
	assert_int_equal(unlink(a), 0); /* it is a copy */
	assert_int_equal(unlink(sig), 0);
	assert_int_equal(ftruncate(t.fd, 3), -1);
	assert_int_equal(text_save(&t, b, err, sizeof(err)), 0);
	assert_int_equal(text_take(&u, b, err, sizeof(err)), 0);
	assert_memory_equal(t.sha256, u.sha256, sizeof(t.sha256));
	assert_int_equal(u.sig_len, 10);
	assert_int_equal(pread(u.fd, buf, sizeof(buf), 0), 9);
	assert_string_equal(buf, "a policy\n");
	/* without a signature the old one's does not stay */
	u.sig_len = 0;
	assert_int_equal(text_save(&u, b, err, sizeof(err)), 0);
	snprintf(sig, sizeof(sig), "%s.minisig", b);
	assert_int_equal(stat(sig, &s), -1);
	assert_int_equal(stat(b, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0600);
	text_drop(&t);
	text_drop(&u);
	assert_int_equal(unlink(b), 0);
}

static int
file_with(const char *name, const char *text)
{
	FILE *f = fopen(name, "w+e");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fflush(f), 0);
	return fileno(f);
}

/* What a policy includes is kept with it. */
static void
test_bundle(void **st)
{
	char a[64], b[64], files[80], err[256] = "", buf[64] = "";
	struct text t, u, v;
	struct bundle_file f;
	off_t next = 0;
	int fd;

	(void)st;
	snprintf(a, sizeof(a), "%s/a", dir);
	snprintf(b, sizeof(b), "%s/b", dir);
	snprintf(files, sizeof(files), "%s.files", b);
	fd = file_with(a, "a policy\n");
	assert_int_equal(text_take(&t, a, err, sizeof(err)), 0);
	assert_int_equal(t.files, -1);
	assert_int_equal(bundle_add(&t.files, "cells/one two.yaml", fd, err, sizeof(err)), 0);
	fd = file_with(a, "");
	assert_int_equal(bundle_add(&t.files, "empty", fd, err, sizeof(err)), 0);
	fd = file_with(a, "9 x\nnot a header");
	assert_int_equal(bundle_add(&t.files, "last", fd, err, sizeof(err)), 0);
	assert_int_equal(text_save(&t, b, err, sizeof(err)), 0);
	assert_int_equal(text_take_kept(&u, b, err, sizeof(err)), 0);
	assert_int_equal(text_dup(&v, &u, err, sizeof(err)), 0);
	text_drop(&u);
	assert_int_equal(bundle_next(v.files, &next, &f), 1);
	assert_string_equal(f.name, "cells/one two.yaml");
	assert_int_equal(f.len, 9);
	fd = bundle_get(v.files, "last", err, sizeof(err));
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), 16);
	assert_memory_equal(buf, "9 x\nnot a header", 16);
	assert_int_equal(ftruncate(fd, 3), -1);
	close(fd);
	fd = bundle_get(v.files, "empty", err, sizeof(err));
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), 0);
	close(fd);
	assert_int_equal(bundle_get(v.files, "cells/one", err, sizeof(err)), ERR_NOTFOUND);
	text_drop(&v);
	/* without them the old ones do not stay; and what was cut is no bundle */
	close(t.files);
	t.files = -1;
	assert_int_equal(text_save(&t, b, err, sizeof(err)), 0);
	assert_int_equal(access(files, F_OK), -1);
	for (size_t n = 1; n < 9; n++) {
		snprintf(buf, sizeof(buf), "%.*s", (int)n, "9 x\n1234");
		fd = file_with(files, buf);
		assert_int_equal(text_take_kept(&u, b, err, sizeof(err)), 0);
		next = 0;
		assert_int_equal(bundle_next(u.files, &next, &f), ERR_FORMAT);
		assert_true(bundle_get(u.files, "x", err, sizeof(err)) < 0);
		text_drop(&u);
	}
	text_drop(&t);
	text_forget(b);
	assert_int_equal(access(b, F_OK), -1);
	assert_int_equal(access(files, F_OK), -1);
	assert_int_equal(unlink(a), 0);
}

static int
setup(void **st)
{
	char err[64];

	(void)st;
	return mkdtemp(dir) ? keep_init(&k, dir, "eth1", err, sizeof(err)) : -1;
}

static int
teardown(void **st)
{
	(void)st;
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_file),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_bundle),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
