/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_test.c - the chain holds, and whatever is done to it is found.
 *
 * A small journal is made once; each case copies it, damages the copy in one
 * way and reads it.  Damage of one bit is tried at every bit of every file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alerts/journal.h"
#include "base/err.h"
#include "base/log.h"

#define SEC UINT64_C(1000000000)

static struct key key, other_key;
static struct key_set keys;
static char root[] = "/dev/shm/interlock-journal-XXXXXX"; /* syncing costs nothing there */
static char dir[64];

/* --- helpers --------------------------------------------------------------------- */

static void
path_of(char *out, const char *d, const char *name)
{
	snprintf(out, 128, "%s/%s", d, name);
}

static void
wipe(const char *d)
{
	DIR *h = opendir(d);
	struct dirent *de;

	if (!h)
		return;
	while ((de = readdir(h)))
		if (de->d_name[0] != '.')
			(void)unlinkat(dirfd(h), de->d_name, 0);
	(void)closedir(h);
	(void)rmdir(d);
}

struct blob {
	char *p;
	size_t n;
};

static struct blob
slurp(const char *d, const char *name)
{
	struct blob b;
	int fd = open(d, O_RDONLY | O_DIRECTORY);

	assert_true(fd >= 0);
	assert_int_equal(journal_slurp(fd, name, 1 << 30, &b.p, &b.n), 0);
	(void)close(fd);
	return b;
}

static void
spill(const char *d, const char *name, const void *p, size_t n)
{
	char path[128];
	FILE *fp;

	path_of(path, d, name);
	fp = fopen(path, "w");
	assert_non_null(fp);
	assert_int_equal(fwrite(p, 1, n, fp), n);
	assert_int_equal(fclose(fp), 0);
}

static struct journal *
try_open(struct journal_conf conf, char err[256])
{
	conf.dir = dir;
	if (!conf.key)
		conf.key = &key;
	if (!conf.iss)
		conf.iss = "sensor-1";
	return journal_new(&conf, err, 256);
}

static struct journal *
must_open(struct journal_conf conf)
{
	char err[256] = "";
	struct journal *j = try_open(conf, err);

	assert_string_equal(err, "");
	assert_non_null(j);
	return j;
}

/* n lines beginning with il_seq `first`; their size is for tests of space. */
static int
append(struct journal *j, uint64_t first, uint64_t n, size_t pad, uint64_t now, bool final)
{
	size_t room = (size_t)n * (pad + 64) + 1;
	char *text = malloc(room), *p = text;
	struct journal_lines l = {.text = text, .first = first, .n = n};
	struct merkle m;
	int r;

	assert_non_null(text);
	merkle_init(&m);
	for (uint64_t i = 0; i < n; i++) {
		uint8_t leaf[MERKLE_LEN];
		int len =
		    snprintf(p, room - (size_t)(p - text), "{\"il_seq\":[\"%u\"],\"x\":\"%0*u\"}\n",
			(unsigned)(first + i), (int)pad + 1, (unsigned)i);

		merkle_leaf(p, (size_t)len - 1, leaf);
		merkle_add(&m, leaf);
		p += len;
	}
	l.len = (size_t)(p - text);
	crypto_sha256(text, l.len, l.sha256);
	merkle_root(&m, l.root);
	r = journal_append(j, &l, now, final, 0);
	free(text);
	return r;
}

static void
finish(struct journal *j)
{
	char err[256] = "";

	assert_int_equal(journal_close(j, err, sizeof(err)), 0);
	assert_string_equal(err, "");
}

static struct journal_report
verdict(void)
{
	struct journal_reader reader = {.keys = &keys};
	struct journal_report rep;
	char err[256] = "";

	assert_int_equal(journal_read(dir, &reader, &rep, err, sizeof(err)), 0);
	return rep;
}

static void
assert_state(enum journal_state want, const char *why)
{
	struct journal_report rep = verdict();

	if (rep.state != want || (why && !strstr(rep.why, why)))
		fail_msg("state %u, \"%s\"; expected %u, \"%s\"", rep.state, rep.why, want,
		    why ? why : "");
}

/* Three batches of 2, 3 and 1 lines and a signed end. */
static void
make_small(bool final)
{
	struct journal *j;

	wipe(dir);
	j = must_open((struct journal_conf){0});
	assert_int_equal(append(j, 1, 2, 0, 1000 * SEC, false), 0);
	assert_int_equal(append(j, 3, 3, 0, 1001 * SEC, false), 0);
	assert_int_equal(append(j, 6, 1, 0, 1002 * SEC, final), 0);
	finish(j);
}

/* Lines a..b-1 of a text are taken out and, with `to`, put in there again. */
static struct blob
move_lines(struct blob in, size_t a, size_t b, size_t to, bool keep)
{
	struct blob out = {malloc(in.n + 1), 0};
	const char *line[64];
	size_t n = 0;

	assert_non_null(out.p);
	line[0] = in.p;
	for (size_t i = 0; i < in.n; i++)
		if (in.p[i] == '\n')
			line[++n] = in.p + i + 1;
	for (size_t i = 0; i <= n; i++) {
		if (keep && i == to) {
			memcpy(out.p + out.n, line[a], (size_t)(line[b] - line[a]));
			out.n += (size_t)(line[b] - line[a]);
		}
		if (i < n && (i < a || i >= b)) {
			memcpy(out.p + out.n, line[i], (size_t)(line[i + 1] - line[i]));
			out.n += (size_t)(line[i + 1] - line[i]);
		}
	}
	return out;
}

static void
edit(const char *name, size_t a, size_t b, size_t to, bool keep)
{
	struct blob in = slurp(dir, name), out = move_lines(in, a, b, to, keep);

	spill(dir, name, out.p, out.n);
	free(in.p);
	free(out.p);
}

/* --- cases ----------------------------------------------------------------------- */

static void
complete(void **state)
{
	struct journal_report rep;

	(void)state;
	make_small(true);
	rep = verdict();
	assert_int_equal(rep.state, JOURNAL_COMPLETE);
	assert_int_equal(rep.batches, 3);
	assert_int_equal(rep.alerts, 6);
	assert_int_equal(rep.epochs, 1);
	assert_string_equal(rep.last.iss, "sensor-1");
	make_small(false);
	assert_state(JOURNAL_OPEN_ENDED, "batch 3 is the last one");
}

static void
deleted_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < 6; i++) {
		make_small(true);
		edit("00000001.eve", i, i + 1, 0, false);
		assert_state(JOURNAL_BROKEN, i < 2 ? "batch 1 " : i < 5 ? "batch 2 " : "batch 3 ");
	}
	make_small(true);
	edit("00000001.eve", 3, 4, 0, false);
	assert_state(JOURNAL_BROKEN, "alert 4 is not in its place");
}

static void
deleted_batch(void **state)
{
	(void)state;
	make_small(true); /* the statement alone */
	edit("00000001.jws", 1, 2, 0, false);
	assert_state(JOURNAL_BROKEN, "batch 3 follows batch 1");
	make_small(true); /* with its lines */
	edit("00000001.jws", 1, 2, 0, false);
	edit("00000001.eve", 2, 5, 0, false);
	assert_state(JOURNAL_BROKEN, "those between are missing");
	make_small(true); /* the first one: the sensor did not say that it removed it */
	edit("00000001.jws", 0, 1, 0, false);
	edit("00000001.eve", 0, 2, 0, false);
	assert_state(JOURNAL_BROKEN, "begins with batch 2");
}

static void
swapped(void **state)
{
	(void)state;
	make_small(true); /* batches 2 and 3 with their lines */
	edit("00000001.jws", 1, 2, 3, true);
	edit("00000001.eve", 2, 5, 6, true);
	assert_state(JOURNAL_BROKEN, "batch 3 follows batch 1");
	make_small(true); /* batches 1 and 2 */
	edit("00000001.jws", 0, 1, 2, true);
	edit("00000001.eve", 0, 2, 5, true);
	assert_int_equal(verdict().state, JOURNAL_BROKEN);
	make_small(true); /* two lines of one batch */
	edit("00000001.eve", 2, 3, 4, true);
	assert_state(JOURNAL_BROKEN, "alert 3 is not in its place");
}

static void
flipped_bits(void **state)
{
	static const char *const names[] = {"00000001.eve", "00000001.jws"};

	(void)state;
	make_small(true);
	for (size_t f = 0; f < 2; f++) {
		struct blob b = slurp(dir, names[f]);

		for (size_t bit = 0; bit < 8 * b.n; bit++) {
			b.p[bit / 8] ^= (char)(1u << bit % 8);
			spill(dir, names[f], b.p, b.n);
			if (verdict().state != JOURNAL_BROKEN)
				fail_msg("bit %zu of %s was flipped and not found", bit, names[f]);
			b.p[bit / 8] ^= (char)(1u << bit % 8);
		}
		spill(dir, names[f], b.p, b.n);
		free(b.p);
	}
	assert_int_equal(verdict().state, JOURNAL_COMPLETE);
}

/* Whatever is cut from the end, the rest is never called complete, nor broken
 * where only a crash could have been. */
static void
cut_tail(void **state)
{
	struct blob eve, jws;
	size_t full;

	(void)state;
	make_small(true);
	eve = slurp(dir, "00000001.eve");
	jws = slurp(dir, "00000001.jws");
	full = jws.n;
	while (jws.n-- > 0) {
		spill(dir, "00000001.jws", jws.p, jws.n);
		assert_int_equal(verdict().state, JOURNAL_OPEN_ENDED);
	}
	spill(dir, "00000001.jws", jws.p, full);
	while (eve.n-- > 0) { /* stated lines that are not there are no crash */
		spill(dir, "00000001.eve", eve.p, eve.n);
		assert_int_equal(verdict().state, JOURNAL_BROKEN);
	}
	free(eve.p);
	free(jws.p);
}

static void
added(void **state)
{
	struct blob b;

	(void)state;
	make_small(true);
	b = slurp(dir, "00000001.eve");
	b.p = realloc(b.p, b.n + 16);
	assert_non_null(b.p);
	memcpy(b.p + b.n, "{\"il_seq\":[7]}\n", 15);
	spill(dir, "00000001.eve", b.p, b.n + 15);
	assert_state(JOURNAL_OPEN_ENDED, "not signed");
	free(b.p);
	make_small(true); /* in the middle */
	edit("00000001.eve", 0, 1, 6, true);
	assert_int_equal(verdict().state, JOURNAL_BROKEN);
}

static void
wrong_key(void **state)
{
	static struct key_set wrong;
	struct journal_reader reader = {.keys = &wrong};
	struct journal_report rep;
	char err[256];

	(void)state;
	make_small(true);
	(void)key_set_add(&wrong, &other_key);
	assert_int_equal(journal_read(dir, &reader, &rep, err, sizeof(err)), 0);
	assert_int_equal(rep.state, JOURNAL_BROKEN);
	assert_non_null(strstr(rep.why, "was not given"));
}

static void
not_a_journal(void **state)
{
	struct journal_reader reader = {.keys = &keys};
	struct journal_report rep;
	char err[256];

	(void)state;
	wipe(dir);
	assert_int_equal(journal_read(dir, &reader, &rep, err, sizeof(err)), ERR_NOTFOUND);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(journal_read(dir, &reader, &rep, err, sizeof(err)), ERR_NOTFOUND);
	assert_non_null(strstr(err, "no segment"));
}

/* --- going on ---------------------------------------------------------------------- */

static void
resumed(void **state)
{
	struct journal *j;

	(void)state;
	make_small(true);
	j = must_open((struct journal_conf){0});
	assert_int_equal(journal_next_seq(j), 7);
	assert_int_equal(append(j, 7, 1, 0, 2000 * SEC, false), 0);
	assert_state(JOURNAL_OPEN_ENDED, "batch 4");
	assert_int_equal(append(j, 8, 1, 0, 2001 * SEC, true), 0);
	finish(j);
	assert_int_equal(verdict().state, JOURNAL_COMPLETE);
	assert_int_equal(verdict().epochs, 1);
	/* Another key may go on with the same chain; both are in key.pub. */
	j = must_open((struct journal_conf){.key = &other_key});
	assert_int_equal(append(j, 9, 1, 0, 2002 * SEC, true), 0);
	finish(j);
	assert_state(JOURNAL_BROKEN, "was not given");
	assert_int_equal(key_set_add(&keys, &other_key), 0);
	assert_int_equal(verdict().state, JOURNAL_COMPLETE);
	keys.n = 1;
}

static void
locked(void **state)
{
	struct journal *j;
	char err[256];

	(void)state;
	wipe(dir);
	j = must_open((struct journal_conf){0});
	assert_null(try_open((struct journal_conf){0}, err));
	assert_non_null(strstr(err, "another program"));
	finish(j);
	finish(must_open((struct journal_conf){0}));
}

/* A crash leaves lines, and half a JWS: cut, kept aside, and the chain goes on. */
static void
torn_tail(void **state)
{
	static const char crashed[] = "{\"v\":1,\"epoch\":1000,\"batch\":1,\"clean\":false}\n";
	struct blob b, torn;
	struct journal *j;

	(void)state;
	make_small(false);
	b = slurp(dir, "00000001.jws");
	spill(dir, "00000001.jws", b.p, b.n - 20);
	free(b.p);
	assert_int_equal(verdict().state, JOURNAL_OPEN_ENDED);
	/* A crash has not written the state of a clean end. */
	spill(dir, "state", crashed, strlen(crashed));
	j = must_open((struct journal_conf){0});
	assert_int_equal(journal_next_seq(j), 6);
	torn = slurp(dir, "00000001.eve.torn");
	assert_non_null(strstr(torn.p, "\"il_seq\":[\"6\"]"));
	free(torn.p);
	assert_int_equal(append(j, 6, 2, 0, 3000 * SEC, true), 0);
	finish(j);
	assert_int_equal(verdict().state, JOURNAL_COMPLETE);
	assert_int_equal(verdict().alerts, 7);
}

static void
new_epochs(void **state)
{
	struct journal_report rep;
	struct journal *j;
	char path[128];

	(void)state;
	/* The state file is gone. */
	make_small(true);
	path_of(path, dir, "state");
	assert_int_equal(unlink(path), 0);
	j = must_open((struct journal_conf){0});
	assert_int_equal(journal_next_seq(j), 1);
	assert_int_equal(append(j, 1, 1, 0, 500 * SEC, true), 0); /* the clock is wrong, too */
	finish(j);
	rep = verdict();
	assert_int_equal(rep.state, JOURNAL_COMPLETE);
	assert_int_equal(rep.epochs, 2);
	assert_true(rep.last.epoch == 1001);
	/* The journal was put back to an older copy. */
	make_small(true);
	edit("00000001.jws", 2, 3, 0, false);
	edit("00000001.eve", 5, 6, 0, false);
	j = must_open((struct journal_conf){0});
	assert_int_equal(append(j, 1, 1, 0, 5000 * SEC, true), 0);
	finish(j);
	assert_state(JOURNAL_OPEN_ENDED, "earlier epoch has no signed end");
	/* All of it is gone but the state. */
	make_small(true);
	path_of(path, dir, "00000001.jws");
	assert_int_equal(unlink(path), 0);
	path_of(path, dir, "00000001.eve");
	assert_int_equal(unlink(path), 0);
	j = must_open((struct journal_conf){0});
	assert_int_equal(append(j, 1, 1, 0, 5 * SEC, true), 0);
	finish(j);
	assert_true(verdict().last.epoch > 1000);
	/* What is there is damaged: it stays as it is, to be found. */
	make_small(true);
	spill(dir, "00000001.eve", "x\n", 2);
	j = must_open((struct journal_conf){0});
	assert_int_equal(append(j, 1, 1, 0, 5000 * SEC, true), 0);
	finish(j);
	assert_int_equal(verdict().state, JOURNAL_BROKEN);
}

/* --- space -------------------------------------------------------------------------- */

static uint64_t
bytes_in(const char *d)
{
	struct journal_segment *v;
	uint64_t sum = 0;
	size_t n;
	int fd = open(d, O_RDONLY | O_DIRECTORY);

	assert_int_equal(journal_segments(fd, &v, &n), 0);
	for (size_t i = 0; i < n; i++)
		sum += v[i].eve_bytes + v[i].jws_bytes;
	free(v);
	(void)close(fd);
	return sum;
}

static void
bounded(void **state)
{
	struct journal_conf conf = {.max_bytes = 40000, .segment_bytes = 8000};
	struct journal *j;
	uint64_t seq = 1, removed = 0;
	char path[128];

	(void)state;
	wipe(dir);
	j = must_open(conf);
	for (unsigned i = 0; i < 60; i++, seq += 4) {
		assert_int_equal(append(j, seq, 4, 400, (1000 + i) * SEC, i == 59), 0);
		removed += journal_removed(j);
		assert_true(bytes_in(dir) <= 40000);
		if (i == 30) { /* also across a restart */
			finish(j);
			j = must_open(conf);
		}
	}
	finish(j);
	assert_int_equal(verdict().state, JOURNAL_COMPLETE);
	assert_true(verdict().head > 1);
	assert_int_equal(verdict().alerts + removed, 240);
	/* One segment more is missing than the sensor says. */
	for (unsigned id = 1;; id++) {
		char name[JOURNAL_NAME_SIZE];

		path_of(path, dir, journal_name(id, "jws", name));
		if (unlink(path) == 0)
			break;
		assert_true(id < 60);
	}
	assert_state(JOURNAL_BROKEN, "were not removed by the sensor");
}

/* What a collector has signed for is not told as lost when it goes; another's word, and one of a batch
 * that is still to come, count for nothing. */
static void
receipted(void **state)
{
	static const uint8_t seed[2][CRYPTO_SEED_LEN] = {{7}, {8}};
	char path[128], pub[128], jws[RECEIPT_JWS_MAX], jwk[KEY_JWK_MAX];
	const struct journal_conf conf = {
	    .max_bytes = 40000, .segment_bytes = 8000, .receipts = {.newest = path, .keys = pub}};
	struct receipt r = {.iss = "centre"};
	uint64_t epoch, batch, removed[4] = {0};
	struct key collector, stranger;
	FILE *f;

	(void)state;
	key_from_seed(&collector, seed[0]);
	key_from_seed(&stranger, seed[1]);
	path_of(path, root, "receipt");
	path_of(pub, root, "receipt.pub");
	assert_non_null(f = fopen(pub, "w"));
	fputs(key_jwk(&collector, jwk), f);
	assert_int_equal(fclose(f), 0);
	/* by nobody, by the collector, by a stranger, of a batch to come */
	for (unsigned way = 0; way < 4; way++) {
		uint64_t seq = 1;
		struct journal *j;

		wipe(dir);
		(void)unlink(path);
		j = must_open(conf);
		for (unsigned i = 0; i < 60; i++, seq += 4) {
			assert_int_equal(append(j, seq, 4, 400, (1000 + i) * SEC, i == 59), 0);
			removed[way] += journal_removed(j);
			journal_last(j, &epoch, &batch);
			if (way == 0)
				continue;
			r.epoch = epoch;
			r.batch = batch + (way == 3 ? 2 : 0);
			snprintf(r.sub, sizeof(r.sub), "%s", "sensor-1");
			assert_true(receipt_sign(&r, way == 2 ? &stranger : &collector, jws) > 0);
			assert_non_null(f = fopen(path, "w"));
			fputs(jws, f);
			assert_int_equal(fclose(f), 0);
		}
		finish(j);
		assert_int_equal(verdict().state, JOURNAL_COMPLETE);
		assert_true(verdict().head > 1);
	}
	assert_true(removed[0] > 0);
	assert_int_equal(removed[1], 0);
	assert_int_equal(removed[2], removed[0]);
	assert_int_equal(removed[3], removed[0]);
	(void)unlink(path);
	(void)unlink(pub);
}

/* A file system of one page: the batch that does not fit leaves nothing behind, and when
 * there is room again the chain goes on. */
static void
disk_full(void **state)
{
	struct journal *j;
	int status;
	pid_t pid;

	(void)state;
	wipe(dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) { /* a mount namespace of its own ends with it */
		char err[256], fill[128];
		int fd;

		if (unshare(CLONE_NEWNS) != 0 ||
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		    mount("tmpfs", dir, "tmpfs", 0, "size=256k") != 0)
			_exit(77);
		if (!(j = try_open((struct journal_conf){0}, err)) ||
		    append(j, 1, 2, 0, 1000 * SEC, false) != 0)
			_exit(1);
		path_of(fill, dir, "fill");
		fd = open(fill, O_WRONLY | O_CREAT, 0600);
		while (write(fd, err, sizeof(err)) > 0)
			;
		if (append(j, 3, 100, 1000, 1001 * SEC, false) >= 0 ||
		    !strstr(journal_error(j), "No space left"))
			_exit(2);
		if (verdict().state != JOURNAL_OPEN_ENDED || verdict().tail_bytes != 0)
			_exit(3);
		if (ftruncate(fd, 0) != 0 || close(fd) != 0)
			_exit(4);
		if (append(j, 103, 2, 0, 1002 * SEC, true) != 0 ||
		    journal_close(j, err, sizeof(err)) != 0 || verdict().alerts != 4 ||
		    verdict().state != JOURNAL_COMPLETE)
			_exit(4);
		/* Read only: said at once. */
		if (mount("none", dir, NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0)
			_exit(77);
		if (try_open((struct journal_conf){0}, err) || !strstr(err, "Read-only"))
			_exit(5);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("mounting a tmpfs needs root\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int
setup(void **state)
{
	static const uint8_t seed[CRYPTO_SEED_LEN] = {1}, seed2[CRYPTO_SEED_LEN] = {2};

	(void)state;
	log_set_level(LOG_L_ERROR);
	key_from_seed(&key, seed);
	key_from_seed(&other_key, seed2);
	(void)key_set_add(&keys, &key);
	if (access("/dev/shm", W_OK) != 0)
		memcpy(root, "/tmp//////", 9);
	if (!mkdtemp(root))
		return -1;
	snprintf(dir, sizeof(dir), "%s/j", root);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	wipe(dir);
	return rmdir(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(complete),
	    cmocka_unit_test(deleted_line),
	    cmocka_unit_test(deleted_batch),
	    cmocka_unit_test(swapped),
	    cmocka_unit_test(flipped_bits),
	    cmocka_unit_test(cut_tail),
	    cmocka_unit_test(added),
	    cmocka_unit_test(wrong_key),
	    cmocka_unit_test(not_a_journal),
	    cmocka_unit_test(resumed),
	    cmocka_unit_test(locked),
	    cmocka_unit_test(torn_tail),
	    cmocka_unit_test(new_epochs),
	    cmocka_unit_test(bounded),
	    cmocka_unit_test(receipted),
	    cmocka_unit_test(disk_full),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
