/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_read.c - does the chain hold?  Needs public keys only.
 *
 * A segment is read from memory: per line of .jws one batch, whose next n
 * lines of .eve must have the SHA-256 and the Merkle root that it states.  The
 * first thing that does not fit ends the reading, since nothing behind it can
 * be believed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alerts/journal.h"
#include "base/cur.h"
#include "base/err.h"

/* --- findings ------------------------------------------------------------------- */

static bool __attribute__((format(printf, 3, 4)))
broken(struct journal_chain *c, uint32_t segment, const char *fmt, ...)
{
	char what[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	c->rep->state = JOURNAL_BROKEN;
	snprintf(c->rep->why, sizeof(c->rep->why), "segment %08" PRIu32 ": %s", segment, what);
	return false;
}

static bool
is_zero(const uint8_t h[CRYPTO_SHA256_LEN])
{
	static const uint8_t zero[CRYPTO_SHA256_LEN];

	return memcmp(h, zero, sizeof(zero)) == 0;
}

/* The number after "il_seq":[" of a line, 0 when it has none. */
static uint64_t
line_seq(const char *line, size_t n)
{
	static const char key[] = "\"il_seq\":[\"";
	const char *p = memmem(line, n, key, sizeof(key) - 1), *end = line + n;
	uint64_t v = 0;

	if (!p)
		return 0;
	for (p += sizeof(key) - 1; p < end && *p >= '0' && *p <= '9' && v < UINT64_MAX / 100; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	return v;
}

/* --- one batch ------------------------------------------------------------------ */

/* The next line of text with its newline; false when none is whole. */
static bool
take_line(struct cur *c, const char **line, size_t *n)
{
	const uint8_t *nl = cur_left(c) ? memchr(c->p, '\n', cur_left(c)) : NULL;

	if (!nl)
		return false;
	*n = (size_t)(nl - c->p) + 1;
	*line = (const char *)cur_bytes(c, *n);
	return true;
}

/* Does b come after what was read so far? */
static bool
check_place(struct journal_chain *c, uint32_t segment, const struct batch *b)
{
	const struct journal_report *rep = c->rep;
	const struct batch *last = &rep->last;

	if (c->any && b->epoch == last->epoch) {
		if (b->number != last->number + 1)
			return broken(c, segment, "batch %" PRIu64 " follows batch %" PRIu64 ": %s",
			    b->number, last->number,
			    b->number > last->number ? "those between are missing"
						     : "the order was changed");
		if (memcmp(b->prev, rep->last_hash, sizeof(b->prev)) != 0)
			return broken(c, segment,
			    "batch %" PRIu64 " was not signed after this batch %" PRIu64, b->number,
			    last->number);
		if (strcmp(b->iss, last->iss) != 0)
			return broken(
			    c, segment, "batch %" PRIu64 " is of another sensor", b->number);
		if (b->first <= last->last || b->oldest < last->oldest)
			return broken(c, segment, "batch %" PRIu64 " counts backwards", b->number);
		return true;
	}
	if (c->any && b->epoch < last->epoch)
		return broken(c, segment, "epoch %" PRIu64 " stands behind epoch %" PRIu64,
		    b->epoch, last->epoch);
	if (b->number == 1 && is_zero(b->prev))
		return true;
	if (b->number == 1)
		return broken(c, segment, "the first batch names one before it");
	if (c->any) /* only the very first segments may have been removed */
		return broken(c, segment,
		    "epoch %" PRIu64 " begins with batch %" PRIu64 ": those before are missing",
		    b->epoch, b->number);
	return true;
}

/* The signed `oldest` says from where on batches are kept. */
static bool
check_head(struct journal_chain *c, uint32_t segment)
{
	if (c->middle_ok || c->rep->last.oldest >= c->head)
		return true;
	return broken(c, segment,
	    "begins with batch %" PRIu64 ", but batches %" PRIu64 "..%" PRIu64
	    " were not removed by the sensor",
	    c->head, c->rep->last.oldest, c->head - 1);
}

static bool
check_lines(struct journal_chain *c, uint32_t segment, const struct batch *b, struct cur *eve,
    const char **line, uint8_t (*leaf)[MERKLE_LEN])
{
	uint8_t sum[CRYPTO_SHA256_LEN], root[MERKLE_LEN];
	const char *start = (const char *)eve->p;
	struct merkle m;
	size_t len;

	merkle_init(&m);
	for (uint64_t i = 0; i < b->n; i++) {
		if (!take_line(eve, &line[i], &len))
			return broken(c, segment,
			    "batch %" PRIu64 " has %" PRIu64 " lines, %" PRIu64 " of them are here",
			    b->number, b->n, i);
		merkle_leaf(line[i], len - 1, leaf[i]);
		merkle_add(&m, leaf[i]);
	}
	line[b->n] = (const char *)eve->p;
	crypto_sha256(start, (size_t)(line[b->n] - start), sum);
	merkle_root(&m, root);
	if (memcmp(sum, b->sha256, sizeof(sum)) == 0 && memcmp(root, b->root, sizeof(root)) == 0)
		return true;
	for (uint64_t i = 0; i < b->n; i++) {
		uint64_t seq = line_seq(line[i], (size_t)(line[i + 1] - line[i]));

		if (seq != b->first + i)
			return broken(c, segment,
			    "batch %" PRIu64 " (alerts %" PRIu64 "..%" PRIu64 "): alert %" PRIu64
			    " is not in its place",
			    b->number, b->first, b->last, b->first + i);
	}
	return broken(c, segment,
	    "batch %" PRIu64 " (alerts %" PRIu64 "..%" PRIu64
	    "): a line is not the one that was signed",
	    b->number, b->first, b->last);
}

static void
count_batch(struct journal_chain *c, const struct batch *b, const char *jws, size_t len)
{
	struct journal_report *rep = c->rep;

	if (!c->any || b->epoch != rep->last.epoch) {
		c->unended |= c->any && !rep->last.final;
		c->head = b->number;
		rep->epochs++;
		if (!c->any)
			rep->head = b->number;
	}
	c->any = true;
	rep->last = *b;
	crypto_sha256(jws, len, rep->last_hash);
	rep->batches++;
	rep->alerts += b->n;
	rep->lost += b->lost;
}

/* --- a segment ------------------------------------------------------------------ */

/*
 * The last line of .jws has no newline.  A crash leaves the front of a JWS;
 * a whole one with something other than a newline behind it is damage.
 */
static bool
check_torn(struct journal_chain *c, uint32_t segment, const char *p, size_t n)
{
	struct batch b;
	char why[128];

	if (n > 1 && batch_open(p, n - 1, c->r->keys, &b, why, sizeof(why)) == 0)
		return broken(
		    c, segment, "batch %" PRIu64 ": its end of line was changed", b.number);
	return true;
}

bool
journal_walk(struct journal_chain *c, uint32_t segment, const char *eve_text, size_t eve_len,
    const char *jws_text, size_t jws_len, bool last)
{
	struct cur eve = cur_make(eve_text, eve_len), jws = cur_make(jws_text, jws_len);
	uint8_t(*leaf)[MERKLE_LEN] = malloc(BATCH_LINES_MAX * sizeof(*leaf));
	const char **line = malloc((BATCH_LINES_MAX + 1) * sizeof(*line)), *text;
	struct journal_report *rep = c->rep;
	bool ok = leaf && line;
	struct batch b;
	char why[200];
	size_t n;

	if (!ok)
		(void)broken(c, segment, "out of memory");
	rep->segments++;
	c->eve_end = c->jws_end = 0;
	while (ok && take_line(&jws, &text, &n)) {
		if (batch_open(text, n - 1, c->r->keys, &b, why, sizeof(why)) < 0) {
			ok = broken(c, segment,
			    "line %" PRIu64 " of .jws, after batch %" PRIu64 ": %s",
			    rep->batches + 1, c->any ? rep->last.number : 0, why);
			break;
		}
		if (c->any && b.epoch != rep->last.epoch && !check_head(c, segment)) {
			ok = false;
			break;
		}
		if (!(ok = check_place(c, segment, &b) &&
			   check_lines(c, segment, &b, &eve, line, leaf)))
			break;
		count_batch(c, &b, text, n - 1);
		c->eve_end = (uint64_t)(line[b.n] - eve_text);
		c->jws_end += n;
		if (c->r->on_batch) {
			struct journal_batch jb = {
			    &b, segment, text, n - 1, line, (const uint8_t(*)[MERKLE_LEN])leaf};

			if (!c->r->on_batch(c->r->ctx, &jb)) {
				c->stopped = true;
				ok = false;
			}
		}
	}
	if (ok && cur_left(&jws) > 0)
		ok = last ? check_torn(c, segment, (const char *)jws.p, cur_left(&jws))
			  : broken(c, segment, "the last JWS is cut");
	if (ok && cur_left(&eve) > 0 && !last)
		ok = broken(c, segment, "%zu bytes of .eve behind its last batch were never signed",
		    cur_left(&eve));
	if (ok) {
		rep->tail_bytes = cur_left(&eve) + cur_left(&jws);
		while (take_line(&eve, &text, &n))
			rep->tail_lines++;
		rep->tail_lines += cur_left(&eve) > 0;
	}
	free(line);
	free(leaf);
	return ok;
}

void
journal_conclude(struct journal_chain *c)
{
	struct journal_report *rep = c->rep;

	if (rep->state == JOURNAL_BROKEN || c->stopped)
		return;
	if (c->any && !check_head(c, 0))
		return;
	rep->state = JOURNAL_OPEN_ENDED;
	if (!c->any)
		snprintf(rep->why, sizeof(rep->why), "no batch is signed");
	else if (rep->tail_bytes > 0)
		snprintf(rep->why, sizeof(rep->why),
		    "behind batch %" PRIu64 " stand %" PRIu64 " bytes (%" PRIu64
		    " lines) that are not signed: a crash, or it is being written",
		    rep->last.number, rep->tail_bytes, rep->tail_lines);
	else if (!rep->last.final)
		snprintf(rep->why, sizeof(rep->why),
		    "batch %" PRIu64 " is the last one, and no signed end", rep->last.number);
	else if (c->unended)
		snprintf(rep->why, sizeof(rep->why), "an earlier epoch has no signed end");
	else
		rep->state = JOURNAL_COMPLETE;
}

/* --- a directory ------------------------------------------------------------------ */

char *
journal_name(uint32_t segment, const char *ext, char *buf)
{
	snprintf(buf, JOURNAL_NAME_SIZE, "%08" PRIu32 ".%s", segment, ext);
	return buf;
}

/* "00000001.eve" -> 1 and ".eve"; false for other names. */
static bool
parse_name(const char *name, uint32_t *id, const char **ext)
{
	uint64_t v = 0;
	size_t i = 0;

	for (; i < 10 && name[i] >= '0' && name[i] <= '9'; i++)
		v = v * 10 + (uint64_t)(name[i] - '0');
	*id = (uint32_t)v;
	*ext = name + i;
	return i >= 8 && v != 0 && v < UINT32_MAX &&
	       (strcmp(*ext, ".eve") == 0 || strcmp(*ext, ".jws") == 0);
}

static int
segment_cmp(const void *va, const void *vb)
{
	const struct journal_segment *a = va, *b = vb;

	return a->id < b->id ? -1 : a->id > b->id;
}

/* One entry per file, sorted, then the two of a segment joined. */
static size_t
join(struct journal_segment *v, size_t n)
{
	size_t to = 0;

	qsort(v, n, sizeof(*v), segment_cmp);
	for (size_t i = 0; i < n; i++) {
		if (to > 0 && v[to - 1].id == v[i].id) {
			v[to - 1].eve |= v[i].eve;
			v[to - 1].jws |= v[i].jws;
			v[to - 1].eve_bytes += v[i].eve_bytes;
			v[to - 1].jws_bytes += v[i].jws_bytes;
		} else {
			v[to++] = v[i];
		}
	}
	return to;
}

int
journal_segments(int dirfd, struct journal_segment **out, size_t *n)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct journal_segment *v = NULL;
	size_t have = 0, cap = 0;
	struct dirent *de;
	int r = 0;

	if (!d) {
		r = err_from_errno(errno);
		if (fd >= 0)
			(void)close(fd);
		return r;
	}
	while (r == 0 && (de = readdir(d))) {
		struct journal_segment s = {0};
		const char *ext;
		struct stat st;

		if (!parse_name(de->d_name, &s.id, &ext) ||
		    fstatat(dirfd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		s.eve = strcmp(ext, ".eve") == 0;
		s.jws = !s.eve;
		*(s.eve ? &s.eve_bytes : &s.jws_bytes) = (uint64_t)st.st_size;
		if (have == cap) {
			struct journal_segment *more;

			cap = cap ? 2 * cap : 64;
			more = cap > 2 * JOURNAL_SEGMENTS_MAX ? NULL : realloc(v, cap * sizeof(*v));
			if (!more) {
				r = ERR_NOMEM;
				break;
			}
			v = more;
		}
		v[have++] = s;
	}
	(void)closedir(d);
	if (r < 0) {
		free(v);
		return r;
	}
	*n = have ? join(v, have) : 0;
	*out = v;
	return 0;
}

int
journal_slurp(int dirfd, const char *name, uint64_t max, char **text, size_t *len)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), r = 0;
	struct stat st;
	size_t n = 0;
	ssize_t got = 0;
	char *buf = NULL;

	if (fd < 0)
		return errno == ENOENT ? ERR_NOTFOUND : err_from_errno(errno);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > max) {
		errno = EFBIG;
		r = ERR_RANGE;
	} else if (!(buf = malloc((size_t)st.st_size + 1))) {
		r = ERR_NOMEM;
	} else {
		while (
		    n < (size_t)st.st_size && (got = read(fd, buf + n, (size_t)st.st_size - n)) > 0)
			n += (size_t)got;
		if (got < 0)
			r = err_from_errno(errno);
	}
	if (r < 0) {
		int e = errno;

		free(buf);
		(void)close(fd);
		errno = e;
		return r;
	}
	(void)close(fd);
	buf[n] = '\0';
	*text = buf;
	*len = n;
	return 0;
}

/* ERR_NOTFOUND is an empty file: a .eve or .jws that is not there states nothing. */
static int
read_segment(int dirfd, const char *dir, struct journal_chain *c, uint32_t id, bool last, char *err,
    size_t err_size)
{
	char name[JOURNAL_NAME_SIZE], *eve = NULL, *jws = NULL;
	size_t eve_len = 0, jws_len = 0;
	int r =
	    journal_slurp(dirfd, journal_name(id, "jws", name), JOURNAL_FILE_MAX, &jws, &jws_len);

	if (r == 0 || r == ERR_NOTFOUND)
		r = journal_slurp(
		    dirfd, journal_name(id, "eve", name), JOURNAL_FILE_MAX, &eve, &eve_len);
	if (r < 0 && r != ERR_NOTFOUND)
		snprintf(
		    err, err_size, "%s/%s: %s", dir, name, errno ? strerror(errno) : err_str(r));
	else
		r = journal_walk(c, id, eve, eve_len, jws, jws_len, last) ? 0 : ERR_CHAIN;
	free(eve);
	free(jws);
	return r;
}

int
journal_read(const char *dir, const struct journal_reader *reader, struct journal_report *rep,
    char *err, size_t err_size)
{
	struct journal_chain c = {.r = reader, .rep = rep};
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	struct journal_segment *v = NULL;
	size_t n = 0, i = 0;

	memset(rep, 0, sizeof(*rep));
	if (dirfd < 0) {
		snprintf(err, err_size, "journal %s: %s", dir, strerror(errno));
		return err_from_errno(errno);
	}
	r = journal_segments(dirfd, &v, &n);
	if (r < 0)
		snprintf(err, err_size, "journal %s: %s", dir, err_str(r));
	while (i < n && !v[i].jws && v[n - 1].jws) /* what a removal cut short left */
		i++;
	if (r == 0 && i == n) {
		snprintf(err, err_size, "journal %s: there is no segment in it", dir);
		r = ERR_NOTFOUND;
	}
	for (; r == 0 && i < n; i++)
		r = read_segment(dirfd, dir, &c, v[i].id, i + 1 == n, err, err_size);
	if (r == 0 || r == ERR_CHAIN) {
		journal_conclude(&c);
		r = 0;
	}
	free(v);
	(void)close(dirfd);
	return r;
}
