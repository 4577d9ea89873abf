/* SPDX-License-Identifier: Apache-2.0 */
/* follow_test.c - a journal read while it is written: whole batches, in order, from any place; gaps and damage told. */
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

#include "alerts/follow.h"
#include "alerts/journal.h"
#include "base/err.h"

static char dir[64];
static struct key key;
static char err[400];

static struct journal *
writer(uint64_t segment, uint64_t max)
{
	const struct journal_conf conf = {
	    .dir = dir, .key = &key, .iss = "s", .segment_bytes = segment, .max_bytes = max};
	struct journal *j = journal_new(&conf, err, sizeof(err));

	assert_non_null(j);
	return j;
}

static void
put(struct journal *j, uint64_t n)
{
	struct journal_lines l = {.first = journal_next_seq(j), .n = n};
	char text[8192], *p = text;
	struct merkle m;

	merkle_init(&m);
	for (uint64_t i = 0; i < n; i++) {
		uint8_t leaf[MERKLE_LEN];
		int len = snprintf(p, 200, "{\"il_seq\":[\"%u\"],\"pad\":\"%080u\"}\n",
		    (unsigned)(l.first + i), (unsigned)i);

		merkle_leaf(p, (size_t)len - 1, leaf);
		merkle_add(&m, leaf);
		p += len;
	}
	l.text = text;
	l.len = (size_t)(p - text);
	crypto_sha256(text, l.len, l.sha256);
	merkle_root(&m, l.root);
	assert_int_equal(journal_append(j, &l, 1795477929000000000u, false, 0), 0);
}

static void
end(struct journal *j)
{
	assert_int_equal(journal_close(j, err, sizeof(err)), 0);
}

static struct follow *
reader(void)
{
	struct follow *f = follow_new(dir, err, sizeof(err));

	assert_non_null(f);
	return f;
}

static void
expect(struct follow *f, uint64_t batch, uint64_t n, uint64_t gap)
{
	struct follow_batch b;
	int r = follow_next(f, &b, err, sizeof(err));

	if (r != 0)
		fail_msg("batch %u: %d %s", (unsigned)batch, r, err);
	assert_int_equal(b.b.number, batch);
	assert_int_equal(b.b.n, n);
	assert_int_equal(b.gap, gap);
	assert_true(n == 0 ? b.len == 0 : b.lines[b.len - 1] == '\n');
}

static void
expect_none(struct follow *f, int code)
{
	struct follow_batch b;

	assert_int_equal(follow_next(f, &b, err, sizeof(err)), code);
}

static void
damage(const char *name, off_t at, char c)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0 && pwrite(fd, &c, 1, at) == 1);
	(void)close(fd);
}

/* Batch after batch as they come, over many segments, also with a follower that began in an empty directory. */
static void
as_it_grows(void **state)
{
	struct follow *f = reader();
	struct journal *j;

	(void)state;
	expect_none(f, ERR_AGAIN);
	j = writer(3000, 100000);
	expect_none(f, ERR_AGAIN);
	for (uint64_t i = 1; i <= 60; i++) {
		put(j, i % 4);
		if (i % 7 != 0)
			continue;
		for (uint64_t k = i - 6; k <= i; k++)
			expect(f, k, k % 4, 0);
		expect_none(f, ERR_AGAIN);
	}
	for (uint64_t k = 57; k <= 60; k++)
		expect(f, k, k % 4, 0);
	end(j);
	expect_none(f, ERR_AGAIN);
	j = writer(3000, 100000); /* the signer was started anew: the chain goes on */
	put(j, 2);
	expect(f, 61, 2, 0);
	end(j);
	follow_free(f);
}

static void
from_any_place(void **state)
{
	struct journal *j = writer(3000, 100000);
	uint64_t epoch, batch;
	struct follow *f;

	(void)state;
	for (unsigned i = 1; i <= 40; i++)
		put(j, i % 5);
	journal_last(j, &epoch, &batch);
	f = reader();
	for (uint64_t i = 0; i <= 40; i++) {
		const struct follow_place to = {i ? epoch : 0, i, false, {0}};

		assert_int_equal(follow_seek(f, &to, err, sizeof(err)), 0);
		if (i < 40)
			expect(f, i + 1, (i + 1) % 5, 0);
		else
			expect_none(f, ERR_AGAIN);
	}
	assert_int_equal(follow_seek_end(f, err, sizeof(err)), 0);
	expect_none(f, ERR_AGAIN);
	put(j, 3);
	expect(f, 41, 3, 0);
	/* more than there is, and another one of this number */
	assert_int_equal(
	    follow_seek(f, &(struct follow_place){epoch, 99, false, {0}}, err, sizeof(err)),
	    ERR_NOTFOUND);
	assert_int_equal(
	    follow_seek(f, &(struct follow_place){epoch, 20, true, {1}}, err, sizeof(err)),
	    ERR_CHAIN);
	/* an epoch that is over: the one that is here begins at its begin */
	assert_int_equal(
	    follow_seek(f, &(struct follow_place){epoch - 5, 7, false, {0}}, err, sizeof(err)), 0);
	expect(f, 1, 1, 0);
	end(j);
	follow_free(f);
}

/* Segments that were removed: one that is open is read to its end, the others are a gap with a number. */
static void
removed(void **state)
{
	struct journal *j = writer(3000, 12000);
	struct follow *f = reader(), *late;
	struct follow_batch b;

	(void)state;
	put(j, 1);
	expect(f, 1, 1, 0);
	for (unsigned i = 2; i <= 80; i++)
		put(j, 1);
	expect(f, 2, 1, 0); /* unlinked, and still there for who has it open */
	while (follow_next(f, &b, err, sizeof(err)) == 0 && b.gap == 0)
		;
	assert_true(b.gap > 0 && b.b.number > b.gap);
	late = reader();
	assert_int_equal(follow_next(late, &b, err, sizeof(err)), 0);
	assert_int_equal(b.gap, b.b.number - 1);
	end(j);
	follow_free(f);
	follow_free(late);
}

/* A byte that is another one is never given away; with a later segment the reader goes on there, and says so. */
static void
damaged(void **state)
{
	struct journal *j = writer(2000, 100000);
	struct follow *f;
	struct follow_batch b;
	uint64_t seen = 0;
	int r;

	(void)state;
	for (unsigned i = 1; i <= 4; i++)
		put(j, 2);
	damage("00000001.eve", 30, 'X');
	f = reader();
	if ((r = follow_next(f, &b, err, sizeof(err))) == 0)
		assert_non_null(strstr(err, "skipped"));
	else
		assert_int_equal(r, ERR_CHAIN);
	for (unsigned i = 5; i <= 12; i++)
		put(j, 2);
	while ((r = follow_next(f, &b, err, sizeof(err))) == 0) {
		assert_true(b.b.number > 1);
		seen++;
	}
	assert_int_equal(r, ERR_AGAIN);
	assert_true(seen > 3);
	end(j);
	follow_free(f);
}

/* Half a statement is none; what a crash left behind the last one is not waited for when a new segment comes. */
static void
torn(void **state)
{
	struct journal *j = writer(0, 0);
	struct follow *f = reader();
	char path[128];
	int fd;

	(void)state;
	put(j, 1);
	end(j);
	snprintf(path, sizeof(path), "%s/00000001.jws", dir);
	fd = open(path, O_WRONLY | O_APPEND);
	assert_true(fd >= 0 && write(fd, "eyJhbGciOi", 10) == 10);
	(void)close(fd);
	expect(f, 1, 1, 0);
	expect_none(f, ERR_AGAIN);
	j = writer(0, 0); /* cuts it off */
	put(j, 1);
	expect(f, 2, 1, 0);
	end(j);
	follow_free(f);
}

static void
head(void **state)
{
	struct journal *j = writer(3000, 100000);
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	char jws[BATCH_JWS_MAX + 1];
	struct batch b;

	(void)state;
	assert_int_equal(follow_head(fd, &b, jws), ERR_NOTFOUND);
	for (unsigned i = 1; i <= 30; i++) {
		const char *want;
		size_t n;

		put(j, i % 3);
		want = journal_jws(j, &n);
		assert_int_equal(follow_head(fd, &b, jws), 0);
		assert_int_equal(b.number, i);
		assert_memory_equal(jws, want, n);
		assert_int_equal(jws[n], 0);
	}
	end(j);
	(void)close(fd);
}

static int
setup(void **state)
{
	(void)state;
	key_from_seed(&key, (const uint8_t[32]){7});
	snprintf(dir, sizeof(dir), "/tmp/il-follow-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int
teardown(void **state)
{
	struct journal_segment *v;
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	size_t n;

	(void)state;
	if (journal_segments(fd, &v, &n) == 0) {
		for (size_t i = 0; i < n; i++) {
			char name[JOURNAL_NAME_SIZE];

			(void)unlinkat(fd, journal_name(v[i].id, "jws", name), 0);
			(void)unlinkat(fd, journal_name(v[i].id, "eve", name), 0);
		}
		free(v);
	}
	(void)unlinkat(fd, "00000001.jws.torn", 0);
	(void)unlinkat(fd, "key.pub", 0);
	(void)unlinkat(fd, "state", 0);
	(void)close(fd);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(as_it_grows, setup, teardown),
	    cmocka_unit_test_setup_teardown(from_any_place, setup, teardown),
	    cmocka_unit_test_setup_teardown(removed, setup, teardown),
	    cmocka_unit_test_setup_teardown(damaged, setup, teardown),
	    cmocka_unit_test_setup_teardown(torn, setup, teardown),
	    cmocka_unit_test_setup_teardown(head, setup, teardown),
	};

	return cmocka_run_group_tests_name("follow", tests, NULL, NULL);
}
