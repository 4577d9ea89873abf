/* SPDX-License-Identifier: Apache-2.0 */
/* journal.c - the writing side of journal.h. */
#include "alerts/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

#define STATE_MAX 4096
#define KEYS_TEXT (32u + KEY_SET_MAX * KEY_JWK_MAX)

/* A segment on disk; the last one is being written. */
struct segment {
	uint32_t id;
	uint64_t bytes;		    /* .eve and .jws */
	uint64_t epoch, batch, seq; /* of its first batch; batch 0 = it has none yet */
};

struct journal {
	struct journal_conf conf;
	struct key_set keys;	   /* key.pub */
	struct key_set collectors; /* who signs receipts */
	int dirfd, eve_fd, jws_fd; /* -1 = none */
	struct segment *seg;
	size_t n_seg, cap_seg;
	uint64_t bytes;		   /* of all segments */
	uint64_t eve_off, jws_off; /* ends of what is stated */
	bool new_segment;	   /* the next batch begins one */
	bool unsynced;
	bool state_due; /* could not be written when it was its time */

	uint64_t pinned;   /* epoch that was said before it began; 0 = none */
	struct batch last; /* the chain's end; number 0 = the epoch has no batch yet */
	uint8_t last_hash[CRYPTO_SHA256_LEN];
	uint64_t floor; /* a new epoch is above it */
	uint64_t next_seq, removed;

	char jws[BATCH_JWS_MAX];
	size_t jws_len;
	char err[400];
};

static int __attribute__((format(printf, 3, 4)))
fail(struct journal *j, int code, const char *fmt, ...)
{
	int used = snprintf(j->err, sizeof(j->err), "journal %s: ", j->conf.dir);
	va_list ap;

	if (used < 0 || (size_t)used >= sizeof(j->err))
		used = 0;
	va_start(ap, fmt);
	vsnprintf(j->err + used, sizeof(j->err) - (size_t)used, fmt, ap);
	va_end(ap);
	return code;
}

static int
fail_errno(struct journal *j, const char *what)
{
	int e = errno;

	return fail(j, err_from_errno(e), "%s: %s", what, strerror(e));
}

/* --- files ------------------------------------------------------------------------ */

static bool
write_at(int fd, const char *p, size_t n, uint64_t off)
{
	while (n > 0) {
		ssize_t w = pwrite(fd, p, n, (off_t)off);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			if (w == 0)
				errno = ENOSPC;
			return false;
		}
		p += w;
		n -= (size_t)w;
		off += (uint64_t)w;
	}
	return true;
}

/* Replace a small file so that a crash leaves the old or the new one. */
static int
replace(struct journal *j, const char *name, const char *text, size_t n)
{
	char tmp[JOURNAL_NAME_SIZE];
	int fd;
	bool ok;

	snprintf(tmp, sizeof(tmp), "%s.new", name);
	fd = openat(j->dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return fail_errno(j, tmp);
	ok = write_at(fd, text, n, 0) && fsync(fd) == 0;
	if (!ok) {
		int r = fail_errno(j, tmp);

		(void)close(fd);
		(void)unlinkat(j->dirfd, tmp, 0);
		return r;
	}
	(void)close(fd);
	if (renameat(j->dirfd, tmp, j->dirfd, name) != 0 || fsync(j->dirfd) != 0)
		return fail_errno(j, name);
	return 0;
}

static int
state_write(struct journal *j, bool clean)
{
	char text[160];
	int n = snprintf(text, sizeof(text),
	    "{\"v\":1,\"epoch\":%" PRIu64 ",\"batch\":%" PRIu64 ",\"clean\":%s}\n",
	    j->last.number ? j->last.epoch : j->floor + 1, j->last.number,
	    clean ? "true" : "false");

	return replace(j, "state", text, (size_t)n);
}

/* False: there is none, or it is not readable.  Without batches of its own it
 * says which epochs are over, so that none of them is ever continued. */
static bool
state_read(struct journal *j, uint64_t *epoch, uint64_t *batch)
{
	json_int_t e = -1, b = -1, v = 0;
	json_t *root;
	char *text;
	size_t n;

	if (journal_slurp(j->dirfd, "state", STATE_MAX, &text, &n) < 0)
		return false;
	root = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	(void)json_unpack(root, "{s:I,s:I,s:I}", "v", &v, "epoch", &e, "batch", &b);
	json_decref(root);
	*epoch = (uint64_t)e;
	*batch = (uint64_t)b;
	return v == 1 && e >= 0 && b >= 0;
}

/* key.pub keeps every key that ever signed here. */
static int
keys_add(struct journal *j)
{
	char *text, why[200], jwk[KEY_JWK_MAX];
	size_t n = 0;
	int r = journal_slurp(j->dirfd, "key.pub", KEY_FILE_MAX, &text, &n);

	if (r == 0) {
		r = key_set_parse(&j->keys, text, n, why, sizeof(why));
		free(text);
		if (r < 0)
			return fail(j, r, "key.pub: %s", why);
	} else if (r != ERR_NOTFOUND) {
		return fail_errno(j, "key.pub");
	}
	if (key_set_lookup(&j->keys, j->conf.key->kid, KEY_ID_CHARS))
		return 0;
	if (j->keys.n == KEY_SET_MAX) /* as after that many runs without --key */
		return fail(
		    j, ERR_FULL, "%d keys have signed here: begin a new journal", KEY_SET_MAX);
	(void)key_set_add(&j->keys, j->conf.key);
	text = malloc(KEYS_TEXT);
	if (!text)
		return fail(j, ERR_NOMEM, "out of memory");
	n = (size_t)snprintf(text, KEYS_TEXT, "{\"keys\":[");
	for (unsigned i = 0; i < j->keys.n; i++)
		n += (size_t)snprintf(
		    text + n, KEYS_TEXT - n, "%s%s", i ? ",\n" : "", key_jwk(&j->keys.key[i], jwk));
	n += (size_t)snprintf(text + n, KEYS_TEXT - n, "]}\n");
	r = replace(j, "key.pub", text, n);
	free(text);
	return r;
}

/* --- opening: what is there, and may we go on with it? ------------------------------- */

static int
segment_add(struct journal *j, const struct segment *s)
{
	if (j->n_seg == j->cap_seg) {
		size_t cap = j->cap_seg ? 2 * j->cap_seg : 16;
		struct segment *more =
		    cap > JOURNAL_SEGMENTS_MAX ? NULL : realloc(j->seg, cap * sizeof(*more));

		if (!more)
			return fail(j, ERR_NOMEM, "out of memory, or more than %u segments",
			    JOURNAL_SEGMENTS_MAX);
		j->seg = more;
		j->cap_seg = cap;
	}
	j->seg[j->n_seg++] = *s;
	j->bytes += s->bytes;
	return 0;
}

/* The first batch of a segment, unverified: it only decides what is removed first. */
static void
segment_peek(struct journal *j, struct segment *s)
{
	char name[JOURNAL_NAME_SIZE], text[BATCH_JWS_MAX];
	int fd = openat(j->dirfd, journal_name(s->id, "jws", name), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	const char *nl = n > 0 ? memchr(text, '\n', (size_t)n) : NULL;
	struct batch b;

	if (fd >= 0)
		(void)close(fd);
	if (nl && batch_peek(text, (size_t)(nl - text), &b) == 0) {
		s->epoch = b.epoch;
		s->batch = b.number;
		s->seq = b.first;
	}
}

static int
list_segments(struct journal *j)
{
	struct journal_segment *v;
	size_t n;
	int r = journal_segments(j->dirfd, &v, &n);

	if (r < 0)
		return fail(j, r, "%s", err_str(r));
	for (size_t i = 0; i < n && r == 0; i++) {
		struct segment s = {.id = v[i].id, .bytes = v[i].eve_bytes + v[i].jws_bytes};

		segment_peek(j, &s);
		r = segment_add(j, &s);
	}
	free(v);
	return r;
}

/* Move what stands behind `from` to NAME.torn and cut it off. */
static int
cut_torn(struct journal *j, uint32_t id, const char *ext, uint64_t from)
{
	char name[JOURNAL_NAME_SIZE], torn[JOURNAL_NAME_SIZE + 8], *text;
	struct stat st;
	size_t n;
	int fd, to,
	    r = journal_slurp(j->dirfd, journal_name(id, ext, name), JOURNAL_FILE_MAX, &text, &n);
	bool ok;

	if (r == ERR_NOTFOUND)
		return 0;
	if (r < 0)
		return fail_errno(j, name);
	if (n <= from) {
		free(text);
		return 0;
	}
	snprintf(torn, sizeof(torn), "%s.torn", name);
	to = openat(j->dirfd, torn, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	fd = openat(j->dirfd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	ok = to >= 0 && fd >= 0 && fstat(to, &st) == 0 &&
	     write_at(to, text + from, n - from, (uint64_t)st.st_size) && fsync(to) == 0 &&
	     ftruncate(fd, (off_t)from) == 0 && fsync(fd) == 0;
	r = ok ? 0 : fail_errno(j, torn);
	if (ok)
		log_warn("journal %s: %s: %" PRIu64
			 " bytes that no batch states (a crash) moved to %s",
		    j->conf.dir, name, (uint64_t)n - from, torn);
	if (to >= 0)
		(void)close(to);
	if (fd >= 0)
		(void)close(fd);
	free(text);
	return r;
}

/*
 * Read segments from the end until one has a batch; that is the chain's end.
 * Returns 1 when the chain can go on, 0 when not (reason in why), or ERR_*.
 */
static int
find_end(struct journal *j, char *why, size_t why_size)
{
	struct journal_reader reader = {.keys = &j->keys};
	struct journal_report rep = {0};
	struct journal_chain c = {.r = &reader, .rep = &rep, .middle_ok = true};

	for (size_t i = j->n_seg; i-- > 0 && !c.any;) {
		char name[JOURNAL_NAME_SIZE], *eve = NULL, *jws = NULL;
		uint32_t id = j->seg[i].id;
		size_t eve_len = 0, jws_len = 0;
		int r = journal_slurp(
		    j->dirfd, journal_name(id, "jws", name), JOURNAL_FILE_MAX, &jws, &jws_len);

		if (r == 0 || r == ERR_NOTFOUND)
			r = journal_slurp(j->dirfd, journal_name(id, "eve", name), JOURNAL_FILE_MAX,
			    &eve, &eve_len);
		if (r == 0 || r == ERR_NOTFOUND) {
			r = 0;
			(void)journal_walk(&c, id, eve, eve_len, jws, jws_len, true);
		} else {
			r = fail_errno(j, name);
		}
		free(eve);
		free(jws);
		if (r < 0)
			return r;
		if (rep.state == JOURNAL_BROKEN) {
			j->floor = rep.last.epoch;
			snprintf(why, why_size, "%s", rep.why);
			return 0;
		}
		if ((r = cut_torn(j, id, "eve", c.eve_end)) < 0 ||
		    (r = cut_torn(j, id, "jws", c.jws_end)) < 0)
			return r;
		j->bytes += c.eve_end + c.jws_end - j->seg[i].bytes;
		j->seg[i].bytes = c.eve_end + c.jws_end;
	}
	if (!c.any) {
		snprintf(why, why_size, "no batch is in its segments");
		return 0;
	}
	j->last = rep.last;
	memcpy(j->last_hash, rep.last_hash, sizeof(j->last_hash));
	j->floor = rep.last.epoch;
	j->eve_off = c.eve_end;
	j->jws_off = c.jws_end;
	return 1;
}

static void
begin_epoch(struct journal *j, const char *why)
{
	if (why)
		log_warn("journal %s: a new epoch begins: %s", j->conf.dir, why);
	memset(&j->last, 0, sizeof(j->last));
	memset(j->last_hash, 0, sizeof(j->last_hash));
	j->new_segment = true;
	j->next_seq = 1;
}

static int
resume(struct journal *j)
{
	uint64_t epoch = 0, batch = 0;
	bool state = state_read(j, &epoch, &batch);
	char why[400];
	int r;

	if (j->n_seg == 0) {
		j->floor = epoch;
		begin_epoch(j, state && batch > 0 ? "its segments are gone" : NULL);
		return 0;
	}
	r = find_end(j, why, sizeof(why));
	if (r < 0)
		return r;
	if (j->floor < epoch)
		j->floor = epoch;
	if (r == 0)
		begin_epoch(j, why);
	else if (!state)
		begin_epoch(j, "its state is lost");
	else if (j->last.epoch < epoch || (j->last.epoch == epoch && j->last.number < batch))
		begin_epoch(j, "it went back in time, its last batches are gone");
	else if (strcmp(j->last.iss, j->conf.iss) != 0)
		begin_epoch(j, "the sensor has another name");
	else
		j->next_seq = j->last.last + 1;
	/* An empty last segment behind the chain's end is not continued. */
	if (j->last.number != 0 && j->seg[j->n_seg - 1].batch == 0)
		j->new_segment = true;
	return 0;
}

static int
open_segment(struct journal *j, uint32_t id, int flags)
{
	char name[JOURNAL_NAME_SIZE];
	int eve, jws, r;

	eve = openat(j->dirfd, journal_name(id, "eve", name),
	    O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0640);
	if (eve < 0)
		return fail_errno(j, name);
	jws = openat(j->dirfd, journal_name(id, "jws", name),
	    O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0640);
	if (jws < 0 || (flags && fsync(j->dirfd) != 0)) {
		r = fail_errno(j, name);
		(void)close(eve);
		if (jws >= 0)
			(void)close(jws);
		return r;
	}
	j->eve_fd = eve;
	j->jws_fd = jws;
	return 0;
}

static int
open_dir(struct journal *j)
{
	if (mkdir(j->conf.dir, 0750) != 0 && errno != EEXIST)
		return fail_errno(j, "make the directory");
	j->dirfd = open(j->conf.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dirfd < 0)
		return fail_errno(j, "open");
	if (flock(j->dirfd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK)
			return fail(j, ERR_EXISTS, "another program is writing to it");
		return fail_errno(j, "lock");
	}
	return 0;
}

static void
release(struct journal *j)
{
	int fd[3] = {j->eve_fd, j->jws_fd, j->dirfd};

	for (size_t i = 0; i < 3; i++)
		if (fd[i] >= 0)
			(void)close(fd[i]);
	free(j->seg);
	free(j);
}

struct journal *
journal_new(const struct journal_conf *conf, char *err, size_t err_size)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j) {
		snprintf(err, err_size, "journal %s: out of memory", conf->dir);
		return NULL;
	}
	j->conf = *conf;
	j->dirfd = j->eve_fd = j->jws_fd = -1;
	if (j->conf.max_bytes == 0)
		j->conf.max_bytes = JOURNAL_MAX_BYTES;
	if (j->conf.segment_bytes == 0)
		j->conf.segment_bytes = JOURNAL_SEGMENT_BYTES;
	if (j->conf.segment_bytes > j->conf.max_bytes / 4)
		j->conf.segment_bytes = j->conf.max_bytes / 4;
	if (conf->receipts.newest &&
	    key_set_load(&j->collectors, conf->receipts.keys, err, err_size) < 0) {
		release(j);
		return NULL;
	}
	if (open_dir(j) < 0 || keys_add(j) < 0 || list_segments(j) < 0 || resume(j) < 0 ||
	    state_write(j, false) < 0 ||
	    (!j->new_segment && open_segment(j, j->seg[j->n_seg - 1].id, 0) < 0)) {
		snprintf(err, err_size, "%s", j->err);
		release(j);
		return NULL;
	}
	return j;
}

/* --- appending ------------------------------------------------------------------- */

static int
sync_segment(struct journal *j)
{
	if (j->eve_fd < 0 || !j->unsynced)
		return 0;
	if (fdatasync(j->eve_fd) != 0 || fdatasync(j->jws_fd) != 0)
		return fail_errno(j, "sync");
	j->unsynced = false;
	return 0;
}

static int
rotate(struct journal *j)
{
	struct segment s = {.id = j->n_seg ? j->seg[j->n_seg - 1].id + 1 : 1};
	int r;

	if ((r = sync_segment(j)) < 0 || (j->last.number != 0 && (r = state_write(j, false)) < 0))
		return r;
	if (j->eve_fd >= 0) {
		(void)close(j->eve_fd);
		(void)close(j->jws_fd);
		j->eve_fd = j->jws_fd = -1;
	}
	/* A failed attempt may have left empty files of this name. */
	if ((r = open_segment(j, s.id, O_CREAT)) < 0)
		return r;
	if ((r = segment_add(j, &s)) < 0)
		return r;
	j->eve_off = j->jws_off = 0;
	j->new_segment = false;
	return 0;
}

/* How many of the oldest segments must go for `need` more bytes; never the last. */
static size_t
surplus(const struct journal *j, uint64_t need)
{
	uint64_t bytes = j->bytes + need;
	size_t k = 0;

	while (k + 1 < j->n_seg && bytes > j->conf.max_bytes)
		bytes -= j->seg[k++].bytes;
	return k;
}

/* What of this journal a collector has, by its signed word: all before epoch and batch.  Zeros: nothing. */
static struct receipt
received(const struct journal *j)
{
	struct receipt r;
	char why[200];

	if (!j->conf.receipts.newest)
		return (struct receipt){0};
	if (receipt_read(j->conf.receipts.newest, &j->collectors, &r, why, sizeof(why)) < 0) {
		log_warn("receipt %s: %s", j->conf.receipts.newest, why);
		return (struct receipt){0};
	}
	if (strcmp(r.sub, j->conf.iss) != 0 || r.epoch > j->last.epoch ||
	    (r.epoch == j->last.epoch && r.batch > j->last.number)) {
		log_warn(
		    "receipt %s: it is not for a batch of this journal", j->conf.receipts.newest);
		return (struct receipt){0};
	}
	return r;
}

/* .jws first: a .eve alone states nothing and is ignored by readers. */
static void
remove_segments(struct journal *j, size_t k)
{
	const struct receipt has = received(j);

	for (size_t i = 0; i < k; i++) {
		const struct segment *s = &j->seg[i], *next = &j->seg[i + 1];
		char name[JOURNAL_NAME_SIZE];

		(void)unlinkat(j->dirfd, journal_name(s->id, "jws", name), 0);
		(void)unlinkat(j->dirfd, journal_name(s->id, "eve", name), 0);
		j->bytes -= s->bytes;
		if (has.epoch > s->epoch || (has.epoch == s->epoch && next->epoch == s->epoch &&
						next->batch != 0 && has.batch >= next->batch - 1))
			continue;
		if (s->batch != 0 && next->epoch == s->epoch)
			j->removed += next->seq - s->seq;
	}
	memmove(j->seg, j->seg + k, (j->n_seg - k) * sizeof(*j->seg));
	j->n_seg -= k;
}

static uint64_t
new_epoch(const struct journal *j, uint64_t now_ns)
{
	uint64_t now = now_ns / NS_PER_S;

	if (j->pinned > j->floor)
		return j->pinned;
	return now > j->floor ? now : j->floor + 1;
}

static int
store(struct journal *j, const struct journal_lines *l)
{
	bool sync = !j->conf.replay;

	if (write_at(j->eve_fd, l->text, l->len, j->eve_off) &&
	    (!sync || l->len == 0 || fdatasync(j->eve_fd) == 0) &&
	    write_at(j->jws_fd, j->jws, j->jws_len, j->jws_off) &&
	    (!sync || fdatasync(j->jws_fd) == 0)) {
		j->unsynced = !sync;
		return 0;
	}
	(void)fail_errno(j, "write");
	/* Shrinking needs no space; should it fail, the next batch overwrites, or the next open cuts. */
	if (ftruncate(j->eve_fd, (off_t)j->eve_off) != 0 ||
	    ftruncate(j->jws_fd, (off_t)j->jws_off) != 0)
		(void)fail_errno(j, "write, and then cut back");
	return ERR_IO;
}

int
journal_append(
    struct journal *j, const struct journal_lines *l, uint64_t now_ns, bool final, uint64_t lost)
{
	struct batch b = {
	    .epoch = j->last.number ? j->last.epoch : new_epoch(j, now_ns),
	    .number = j->last.number + 1,
	    .first = l->first,
	    .last = l->first + l->n - 1,
	    .n = l->n,
	    .iat_ms = now_ns / 1000000,
	    .capture_clock = j->conf.replay,
	    .final = final,
	    .lost = lost,
	    .oldest = j->last.number ? j->last.oldest : 1,
	};
	struct segment *seg;
	size_t gone;
	int r;

	if (!j->conf.replay) {
		uint64_t error_us;

		b.clock = clock_in_step(&error_us) ? BATCH_CLOCK_IN_STEP : BATCH_CLOCK_FREE;
		b.clock_error_ms =
		    (uint32_t)(error_us / 1000 < UINT32_MAX ? (error_us + 999) / 1000 : UINT32_MAX);
	}
	snprintf(b.iss, sizeof(b.iss), "%s", j->conf.iss);
	memcpy(b.sha256, l->sha256, sizeof(b.sha256));
	memcpy(b.root, l->root, sizeof(b.root));
	memcpy(b.prev, j->last_hash, sizeof(b.prev));
	if ((j->new_segment || j->eve_fd < 0 || j->eve_off + j->jws_off >= j->conf.segment_bytes) &&
	    (r = rotate(j)) < 0)
		return r;
	seg = &j->seg[j->n_seg - 1];
	if (seg->batch == 0) {
		seg->epoch = b.epoch;
		seg->seq = b.first;
	}
	gone = surplus(j, l->len + BATCH_JWS_MAX);
	if (gone > 0 && j->seg[gone].epoch == b.epoch)
		b.oldest = j->seg[gone].batch ? j->seg[gone].batch : b.number;
	j->jws_len = batch_sign(&b, j->conf.key, j->jws);
	j->jws[j->jws_len++] = '\n';
	if ((r = store(j, l)) < 0)
		return r;
	if (seg->batch == 0)
		seg->batch = b.number;
	seg->bytes += l->len + j->jws_len;
	j->bytes += l->len + j->jws_len;
	j->eve_off += l->len;
	j->jws_off += j->jws_len;
	j->last = b;
	crypto_sha256(j->jws, j->jws_len - 1, j->last_hash);
	j->next_seq = b.last + 1;
	if (gone > 0)
		remove_segments(j, gone);
	if (b.number == 1 ||
	    j->state_due) /* the batch is stored: this may fail, and is tried again */
		j->state_due = state_write(j, false) < 0;
	return 0;
}

/* --- asking ---------------------------------------------------------------------- */

uint64_t
journal_next_seq(const struct journal *j)
{
	return j->next_seq;
}

void
journal_next(const struct journal *j, uint64_t now_ns, uint64_t *epoch, uint64_t *batch)
{
	*epoch = j->last.number ? j->last.epoch : new_epoch(j, now_ns);
	*batch = j->last.number + 1;
}

uint64_t
journal_pin(struct journal *j, uint64_t now_ns)
{
	if (j->last.number == 0)
		j->pinned = new_epoch(j, now_ns);
	return j->last.number ? j->last.epoch : j->pinned;
}

void
journal_last(const struct journal *j, uint64_t *epoch, uint64_t *batch)
{
	*epoch = j->last.number ? j->last.epoch : 0;
	*batch = j->last.number;
}

size_t
journal_last_lines(const struct journal *j, char *text, size_t *n)
{
	uint64_t at = j->eve_off, want = at < *n ? at : *n, lines = 0;
	size_t i, len = (size_t)want;
	char name[JOURNAL_NAME_SIZE];
	ssize_t got;
	int fd;

	*n = 0;
	if (j->last.n == 0 || j->n_seg == 0)
		return 0;
	fd = openat(j->dirfd, journal_name(j->seg[j->n_seg - 1].id, "eve", name),
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	got = pread(fd, text, len, (off_t)(at - want));
	(void)close(fd);
	if (got != (ssize_t)len)
		return 0;
	for (i = len; i > 0; i--)
		if (text[i - 1] == '\n' && lines++ == j->last.n)
			break;
	if (i == 0 && (want < at || lines != j->last.n))
		return 0;
	memmove(text, text + i, len - i);
	*n = (size_t)j->last.n;
	return len - i;
}

uint64_t
journal_bytes(const struct journal *j)
{
	return j->bytes;
}

const char *
journal_jws(const struct journal *j, size_t *len)
{
	*len = j->jws_len ? j->jws_len - 1 : 0;
	return j->jws;
}

uint64_t
journal_removed(struct journal *j)
{
	uint64_t n = j->removed;

	j->removed = 0;
	return n;
}

const char *
journal_error(const struct journal *j)
{
	return j->err;
}

int
journal_close(struct journal *j, char *err, size_t err_size)
{
	int r = sync_segment(j);

	if (r == 0)
		r = state_write(j, true);
	if (r < 0)
		snprintf(err, err_size, "%s", j->err);
	release(j);
	return r;
}
