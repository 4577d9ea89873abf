/* SPDX-License-Identifier: Apache-2.0 */
/* follow.c - see follow.h. */
#include "alerts/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alerts/journal.h"
#include "base/err.h"

#define CHUNK	   (64u << 10)
#define HEAD_BYTES (2u * BATCH_JWS_MAX + 2u)

struct follow {
	int dirfd;
	struct key_set keys;
	/* the segment that is read; seg stays when it is closed */
	uint32_t seg;
	int eve_fd, jws_fd; /* -1: none is open */
	uint64_t eve_off, jws_off;
	uint64_t jws_synced; /* bytes of .jws that are on disk, and so are the lines they state */
	uint64_t in_segment; /* batches read of it */
	struct follow_place at; /* behind this one */
	bool known; /* at is a batch, or the beginning: what is missing behind it is a gap */
	char jws[BATCH_JWS_MAX + 2];
	char lines[FOLLOW_LINES_BYTES];
};

/* --- files ------------------------------------------------------------------------ */

static void
segment_close(struct follow *f)
{
	if (f->eve_fd >= 0)
		(void)close(f->eve_fd);
	if (f->jws_fd >= 0)
		(void)close(f->jws_fd);
	f->eve_fd = f->jws_fd = -1;
	f->eve_off = f->jws_off = f->jws_synced = f->in_segment = 0;
}

/* 0, or ERR_NOTFOUND: not there, or only half. */
static int
segment_open(struct follow *f, uint32_t id)
{
	char name[JOURNAL_NAME_SIZE];
	int jws, eve, e;

	jws = openat(
	    f->dirfd, journal_name(id, "jws", name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	eve = jws < 0 ? -1
		      : openat(f->dirfd, journal_name(id, "eve", name),
			    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	if (eve < 0) {
		e = errno;
		if (jws >= 0)
			(void)close(jws);
		errno = e;
		return e == ENOENT ? ERR_NOTFOUND : err_from_errno(e);
	}
	segment_close(f);
	f->seg = id;
	f->jws_fd = jws;
	f->eve_fd = eve;
	return 0;
}

static void
keys_read(struct follow *f)
{
	static const char name[] = "key.pub";
	char *text, why[100];
	size_t n;

	if (journal_slurp(f->dirfd, name, KEY_FILE_MAX, &text, &n) < 0)
		return;
	if (key_set_parse(&f->keys, text, n, why, sizeof(why)) < 0)
		f->keys.n = 0;
	free(text);
}

/* The lowest id above `above` that has a .jws; 0: none. */
static uint32_t
segment_after(struct follow *f, uint32_t above)
{
	struct journal_segment *v;
	uint32_t id = 0;
	size_t n;

	if (journal_segments(f->dirfd, &v, &n) < 0)
		return 0;
	for (size_t i = 0; i < n && id == 0; i++)
		if (v[i].jws && v[i].id > above)
			id = v[i].id;
	free(v);
	return id;
}

/* The one that is read is over when there is a later one; 0: it is not. */
static uint32_t
segment_later(struct follow *f)
{
	char name[JOURNAL_NAME_SIZE];
	struct stat st;
	uint32_t id;

	if (faccessat(f->dirfd, journal_name(f->seg + 1, "jws", name), F_OK, 0) == 0)
		return f->seg + 1;
	if (f->jws_fd >= 0 && (fstat(f->jws_fd, &st) != 0 || st.st_nlink > 0))
		return 0;
	/* It was removed: go on with what is left, or with a journal that began anew. */
	id = segment_after(f, f->seg);
	return id ? id : segment_after(f, 0);
}

/* --- one statement ------------------------------------------------------------------ */

/* The next line of .jws: its length without newline in *n.  0, ERR_AGAIN, ERR_FORMAT, or ERR_IO. */
static int
read_statement(struct follow *f, size_t *n)
{
	ssize_t got = pread(f->jws_fd, f->jws, sizeof(f->jws) - 1, (off_t)f->jws_off);
	const char *nl;

	if (got < 0)
		return err_from_errno(errno);
	nl = memchr(f->jws, '\n', (size_t)got);
	if (!nl)
		return got > (ssize_t)BATCH_JWS_MAX ? ERR_FORMAT : ERR_AGAIN;
	*n = (size_t)(nl - f->jws);
	f->jws[*n] = '\0';
	return 0;
}

/* What is there now goes to disk; a statement within that cannot be taken back any more. */
static int
sync_now(struct follow *f)
{
	struct stat st;

	if (fstat(f->jws_fd, &st) != 0 || fdatasync(f->eve_fd) != 0 || fdatasync(f->jws_fd) != 0)
		return err_from_errno(errno);
	f->jws_synced = (uint64_t)st.st_size;
	return 0;
}

/* n lines into f->lines: bytes in *len.  0, ERR_FORMAT: they are not there, or are too long; ERR_IO. */
static int
read_lines(struct follow *f, uint64_t n, size_t *len)
{
	size_t have = 0, used = 0;

	for (uint64_t k = 0; k < n;) {
		const char *nl = memchr(f->lines + used, '\n', have - used);
		size_t room = sizeof(f->lines) - have;
		ssize_t got;

		if (nl) {
			used = (size_t)(nl + 1 - f->lines);
			k++;
			continue;
		}
		if (room == 0)
			return ERR_FORMAT;
		got = pread(f->eve_fd, f->lines + have, room < CHUNK ? room : CHUNK,
		    (off_t)(f->eve_off + have));
		if (got < 0)
			return err_from_errno(errno);
		if (got == 0)
			return ERR_FORMAT;
		have += (size_t)got;
	}
	*len = used;
	return 0;
}

/* Over n lines of .eve, however many bytes that is. */
static int
skip_lines(struct follow *f, uint64_t n)
{
	while (n > 0) {
		ssize_t got = pread(f->eve_fd, f->lines, CHUNK, (off_t)f->eve_off);
		const char *p = f->lines, *end = p + (got > 0 ? got : 0), *nl;

		if (got <= 0)
			return got < 0 ? err_from_errno(errno) : ERR_FORMAT;
		while (n > 0 && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL) {
			p = nl + 1;
			n--;
		}
		f->eve_off += n > 0 ? (uint64_t)got : (uint64_t)(p - f->lines);
	}
	return 0;
}

static bool
is_after(const struct batch *b, uint64_t epoch, uint64_t number)
{
	return b->epoch > epoch || (b->epoch == epoch && b->number > number);
}

/* --- seeking ------------------------------------------------------------------------ */

/* Over what is not behind `to` (NULL: over all), in the open segment.  0, ERR_CHAIN, or ERR_*. */
static int
walk(struct follow *f, const struct follow_place *to, char *err, size_t err_size)
{
	struct batch b;
	size_t n;
	int r;

	while ((r = read_statement(f, &n)) == 0) {
		struct follow_place here = {.has_hash = true};

		if (batch_peek(f->jws, n, &b) < 0)
			break; /* damage: follow_next() says so */
		if (to && is_after(&b, to->epoch, to->batch))
			break;
		here.epoch = b.epoch;
		here.batch = b.number;
		crypto_sha256(f->jws, n, here.hash);
		if (to && b.epoch == to->epoch && b.number == to->batch && to->has_hash &&
		    memcmp(here.hash, to->hash, sizeof(here.hash)) != 0)
			return err_say(err, err_size, ERR_CHAIN,
			    "batch %" PRIu64 " of epoch %" PRIu64 " is not the one that was sent",
			    b.number, b.epoch);
		if ((r = skip_lines(f, b.n)) < 0)
			return r == ERR_FORMAT ? 0 : r;
		f->jws_off += n + 1;
		f->in_segment++;
		f->at = here;
	}
	return r == ERR_IO ? r : 0;
}

/* The last segment that begins with `to` or before it (NULL: the last one); 0: none. */
static uint32_t
segment_of(struct follow *f, const struct follow_place *to)
{
	struct journal_segment *v;
	uint32_t best = 0;
	size_t n, len;

	if (journal_segments(f->dirfd, &v, &n) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		struct batch b;

		if (!v[i].jws || v[i].jws_bytes == 0 || segment_open(f, v[i].id) < 0)
			continue;
		if (read_statement(f, &len) == 0 && batch_peek(f->jws, len, &b) == 0 &&
		    (!to || !is_after(&b, to->epoch, to->batch)))
			best = v[i].id;
	}
	segment_close(f);
	free(v);
	return best;
}

int
follow_seek(struct follow *f, const struct follow_place *to, char *err, size_t err_size)
{
	uint32_t id;
	int r;

	segment_close(f);
	f->seg = 0;
	f->at = *to;
	f->known = true;
	if (to->epoch == 0 && to->batch == 0)
		return 0;
	id = segment_of(f, to);
	f->seg = 0; /* it looked at all of them */
	if (id == 0)
		return segment_after(f, 0) != 0
			   ? 0
			   : err_say(err, err_size, ERR_NOTFOUND, "there is no batch in it");
	if ((r = segment_open(f, id)) < 0 || (r = walk(f, to, err, err_size)) == ERR_CHAIN)
		return r;
	if (r < 0)
		return err_say(err, err_size, r, "segment %08" PRIu32 ": %s", id, err_str(r));
	if ((f->at.epoch != to->epoch || f->at.batch != to->batch) && segment_after(f, id) == 0) {
		size_t n;

		if (read_statement(f, &n) != 0) /* nothing is behind it, either */
			return err_say(err, err_size, ERR_NOTFOUND,
			    "it ends with batch %" PRIu64 " of epoch %" PRIu64
			    ", and batch %" PRIu64 " of epoch %" PRIu64 " was sent already",
			    f->at.batch, f->at.epoch, to->batch, to->epoch);
	}
	if (f->at.epoch != to->epoch || f->at.batch != to->batch)
		f->at = *to; /* it is not here any more: what follows tells the gap */
	return 0;
}

int
follow_seek_end(struct follow *f, char *err, size_t err_size)
{
	uint32_t id = segment_of(f, NULL);
	int r;

	segment_close(f);
	f->seg = 0;
	f->at = (struct follow_place){0};
	f->known = true;
	if (id == 0)
		return 0;
	f->known = false;
	if ((r = segment_open(f, id)) < 0 || (r = walk(f, NULL, err, err_size)) < 0)
		return err_say(err, err_size, r, "segment %08" PRIu32 ": %s", id, err_str(r));
	f->known = f->in_segment > 0;
	return 0;
}

/* --- the next one ------------------------------------------------------------------- */

/* Does it come behind f->at?  *gap: how many are missing between, at the begin of a segment only. */
static bool
in_place(const struct follow *f, const struct batch *b, uint64_t *gap)
{
	*gap = 0;
	if (!f->known)
		return true;
	if (b->epoch == f->at.epoch && b->number == f->at.batch + 1)
		return !f->at.has_hash || memcmp(b->prev, f->at.hash, sizeof(f->at.hash)) == 0;
	if (b->epoch > f->at.epoch) {
		*gap = b->number - 1;
		return f->in_segment == 0 || b->number == 1;
	}
	if (b->epoch < f->at.epoch || b->number <= f->at.batch)
		return false;
	*gap = b->number - f->at.batch - 1;
	return f->in_segment == 0;
}

/* 0, ERR_AGAIN, ERR_CHAIN with what is wrong in err, or ERR_*. */
static int
take(struct follow *f, struct follow_batch *out, char *err, size_t err_size)
{
	uint8_t sum[CRYPTO_SHA256_LEN];
	char why[160];
	size_t n;
	int r = read_statement(f, &n);

	if (r == 0 && f->jws_off + n + 1 > f->jws_synced) {
		if ((r = sync_now(f)) == 0) /* and again: it may have been taken back meanwhile */
			r = read_statement(f, &n);
	}
	if (r == ERR_AGAIN)
		return r;
	if (r == ERR_FORMAT)
		return err_say(err, err_size, ERR_CHAIN,
		    "behind batch %" PRIu64 " stands what is no statement", f->at.batch);
	if (r < 0)
		return err_say(err, err_size, r, "%s", err_str(r));
	r = batch_open(f->jws, n, &f->keys, &out->b, why, sizeof(why));
	if (r == ERR_SIGNATURE) { /* a key that was added since? */
		keys_read(f);
		r = batch_open(f->jws, n, &f->keys, &out->b, why, sizeof(why));
	}
	if (r < 0)
		return err_say(
		    err, err_size, ERR_CHAIN, "behind batch %" PRIu64 ": %s", f->at.batch, why);
	if (!in_place(f, &out->b, &out->gap))
		return err_say(err, err_size, ERR_CHAIN,
		    "batch %" PRIu64 " of epoch %" PRIu64 " does not follow batch %" PRIu64
		    " of epoch %" PRIu64,
		    out->b.number, out->b.epoch, f->at.batch, f->at.epoch);
	if ((r = read_lines(f, out->b.n, &out->len)) == ERR_FORMAT)
		return err_say(err, err_size, ERR_CHAIN,
		    "batch %" PRIu64 ": its lines are missing or too long", out->b.number);
	if (r < 0)
		return err_say(err, err_size, r, "%s", err_str(r));
	crypto_sha256(f->lines, out->len, sum);
	if (memcmp(sum, out->b.sha256, sizeof(sum)) != 0)
		return err_say(err, err_size, ERR_CHAIN,
		    "batch %" PRIu64 ": a line is not the one that was signed", out->b.number);
	out->jws = f->jws;
	out->jws_len = n;
	out->lines = f->lines;
	crypto_sha256(f->jws, n, out->hash);
	f->jws_off += n + 1;
	f->eve_off += out->len;
	f->in_segment++;
	f->at = (struct follow_place){out->b.epoch, out->b.number, true, {0}};
	memcpy(f->at.hash, out->hash, sizeof(f->at.hash));
	f->known = true;
	return 0;
}

/* Bytes of the open segment that were not read. */
static uint64_t
left(const struct follow *f)
{
	struct stat e, j;

	if (fstat(f->eve_fd, &e) != 0 || fstat(f->jws_fd, &j) != 0)
		return 0;
	return (uint64_t)e.st_size + (uint64_t)j.st_size - f->eve_off - f->jws_off;
}

int
follow_next(struct follow *f, struct follow_batch *out, char *err, size_t err_size)
{
	char why[256] = "";
	int r;

	*err = '\0';
	for (unsigned turn = 0; turn < JOURNAL_SEGMENTS_MAX; turn++) {
		uint32_t id;

		if (f->jws_fd < 0) {
			if ((id = segment_after(f, f->seg)) == 0 ||
			    (r = segment_open(f, id)) == ERR_NOTFOUND)
				return ERR_AGAIN;
			if (r < 0)
				return err_say(err, err_size, r, "segment %08" PRIu32 ": %s", id,
				    strerror(errno));
		}
		r = take(f, out, why, sizeof(why));
		if (r == 0)
			return 0;
		if (r != ERR_AGAIN && r != ERR_CHAIN)
			return err_say(err, err_size, r, "segment %08" PRIu32 ": %s", f->seg, why);
		if ((id = segment_later(f)) == 0) {
			if (r == ERR_CHAIN)
				(void)err_say(
				    err, err_size, r, "segment %08" PRIu32 ": %s", f->seg, why);
			return r;
		}
		/* Nothing comes into this one any more, but something may have come before the later one began. */
		if (r == ERR_AGAIN && (r = take(f, out, why, sizeof(why))) == 0)
			return 0;
		if (left(f) > 0)
			(void)err_say(err, err_size, 0,
			    "segment %08" PRIu32 ": %" PRIu64 " bytes were skipped: %s", f->seg,
			    left(f), r == ERR_CHAIN ? why : "nobody signed them");
		if ((r = segment_open(f, id)) == ERR_NOTFOUND) {
			segment_close(f); /* removed just now, or half made */
			f->seg = id - 1;
			return ERR_AGAIN;
		}
		if (r < 0)
			return err_say(
			    err, err_size, r, "segment %08" PRIu32 ": %s", id, strerror(errno));
	}
	return ERR_AGAIN;
}

/* --- life --------------------------------------------------------------------------- */

struct follow *
follow_new(const char *dir, char *err, size_t err_size)
{
	struct follow *f = calloc(1, sizeof(*f));

	if (!f) {
		(void)err_say(err, err_size, 0, "journal %s: out of memory", dir);
		return NULL;
	}
	f->eve_fd = f->jws_fd = -1;
	f->known = true;
	f->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dirfd < 0) {
		(void)err_say(err, err_size, 0, "journal %s: %s", dir, strerror(errno));
		free(f);
		return NULL;
	}
	keys_read(f);
	return f;
}

void
follow_free(struct follow *f)
{
	if (!f)
		return;
	segment_close(f);
	(void)close(f->dirfd);
	free(f);
}

/* The last whole line of .jws. */
static bool
last_statement(int dirfd, uint32_t id, struct batch *out, char *jws)
{
	char name[JOURNAL_NAME_SIZE], text[HEAD_BYTES];
	int fd = openat(dirfd, journal_name(id, "jws", name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	const char *nl, *start;
	struct stat st;
	ssize_t got = -1;
	bool ok = false;

	if (fd >= 0 && fstat(fd, &st) == 0)
		got = pread(fd, text, sizeof(text),
		    st.st_size > (off_t)sizeof(text) ? st.st_size - (off_t)sizeof(text) : 0);
	if (got > 0 && (nl = memrchr(text, '\n', (size_t)got))) {
		start = memrchr(text, '\n', (size_t)(nl - text));
		start = start ? start + 1 : text;
		ok = batch_peek(start, (size_t)(nl - start), out) == 0;
		if (ok && jws)
			*(char *)mempcpy(jws, start, (size_t)(nl - start)) = '\0';
	}
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

int
follow_head(int dirfd, struct batch *out, char *jws)
{
	struct journal_segment *v = NULL;
	size_t n = 0;
	bool ok = false;

	if (journal_segments(dirfd, &v, &n) < 0)
		n = 0;
	for (size_t i = n; i-- > 0 && !ok;)
		ok = v[i].jws && last_statement(dirfd, v[i].id, out, jws);
	free(v);
	return ok ? 0 : ERR_NOTFOUND;
}
