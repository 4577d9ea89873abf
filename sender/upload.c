/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload.c - see upload.h.
 *
 * Evidence is taken in the order in which files appeared (their change time, which a rename sets), and how far that
 * went is kept: who writes them makes them under another name and renames them.  A file that the collector does not
 * want is left out and told; one that it cannot take now is tried again.
 */
#include "sender/upload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alerts/journal.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "sender/proposals.h"
#include "sender/rollouts.h"
#include "sender/watchlist.h"

#define LOOK_NS	  (2 * NS_PER_S)
#define WAIT_MS	  UINT64_C(600000) /* evidence waits for its alert no longer */
#define MARK_NAME "evidence.place"
#define BACK_MS                                                                                    \
	UINT64_C(60000) /* a change time so far ahead is of a clock that was set back since */

struct upload {
	const struct send_common *common;
	struct client *http;
	uint64_t look_ns;
	struct place
	    mark; /* iat_ms: change time; epoch, seq: of the last file that was done with */
	uint64_t ahead_ms; /* files of the future up to that change time are done with too */
	struct {
		uint64_t epoch, seq, since_ns;
	} waits; /* the file that waits for its alert */
	struct stat assets;
	struct proposals *proposals; /* or NULL */
	struct watchlist *watchlist; /* or NULL */
	struct rollouts *rollouts;   /* or NULL */
	const char *policy;	     /* waits to be sent */
	size_t policy_len;
};

/* --- requests -------------------------------------------------------------------- */

/* 0: taken, or never wanted (told); ERR_*: not now. */
static int
put(struct upload *u, const char *path, const char *type, const void *body, size_t n,
    struct send_result *r)
{
	struct client_answer a;
	char why[200];
	int e = client_request(u->http, "PUT", path, type, NULL, body, n, &a, why, sizeof(why));

	if (e < 0)
		return send_fail(r, e, "%s: %s", path, why);
	if (a.status == 429 || a.status >= 500) {
		r->wait_ms = a.wait_s * 1000;
		return send_fail(r, ERR_AGAIN, "%s: the collector says %ld", path, a.status);
	}
	if (a.status / 100 != 2) {
		(void)send_fail(r, 0, "%s: the collector refuses: %ld", path, a.status);
		log_warn("%s", r->why);
	}
	return 0;
}

/* --- evidence -------------------------------------------------------------------- */

/* Digits, without a leading 0. */
static const char *
digits(const char *p, uint64_t *out)
{
	const char *start = p;

	for (*out = 0; *p >= '0' && *p <= '9' && *out < UINT64_MAX / 10 - 9; p++)
		*out = *out * 10 + (uint64_t)(*p - '0');
	return p > start && *start != '0' ? p : NULL;
}

bool
upload_evidence_name(const char *name, uint64_t *epoch, uint64_t *seq)
{
	const char *p = digits(name, epoch);

	p = p && *p == '-' ? digits(p + 1, seq) : NULL;
	return p && strcmp(p, ".pcapng") == 0;
}

struct file {
	uint64_t ctime_ms, epoch, seq;
	off_t size;
};

static bool
before(const struct file *a, const struct file *b)
{
	if (a->ctime_ms != b->ctime_ms)
		return a->ctime_ms < b->ctime_ms;
	return a->epoch != b->epoch ? a->epoch < b->epoch : a->seq < b->seq;
}

/* The first file behind the mark; false: none. */
static bool
next_file(struct upload *u, int dirfd, struct file *out)
{
	uint64_t soon = clock_wall_ns() / 1000000 + BACK_MS;
	struct file mark;
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	bool any = false;

	/* The clock was set back: what comes now lies behind the mark.  All is looked at again, and a file may go twice. */
	if (u->mark.iat_ms > soon) {
		log_warn("evidence: the clock was set back, all of it is sent again");
		u->ahead_ms = u->mark.iat_ms;
		u->mark = (struct place){0};
	}
	mark = (struct file){
	    .ctime_ms = u->mark.iat_ms, .epoch = u->mark.at.epoch, .seq = u->mark.seq};
	if (!d && fd >= 0)
		(void)close(fd);
	while (d && (de = readdir(d))) {
		struct file f;
		struct stat st;

		if (!upload_evidence_name(de->d_name, &f.epoch, &f.seq) ||
		    fstatat(dirfd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		f.ctime_ms =
		    ((uint64_t)st.st_ctim.tv_sec * NS_PER_S + (uint64_t)st.st_ctim.tv_nsec) /
		    1000000; /* what a JSON number keeps */
		f.size = st.st_size;
		if (f.ctime_ms > soon && f.ctime_ms <= u->ahead_ms)
			continue;
		if (before(&mark, &f) && (!any || before(&f, out))) {
			*out = f;
			any = true;
		}
	}
	if (d)
		(void)closedir(d);
	return any;
}

static void
done_with(struct upload *u, const struct file *f)
{
	u->mark.iat_ms = f->ctime_ms;
	u->mark.at.epoch = f->epoch;
	u->mark.at.batch = 1;
	u->mark.seq = f->seq;
	(void)place_save(u->common->state_fd, MARK_NAME, &u->mark);
}

/* 1: something was done; 0: nothing to do; ERR_*. */
static int
evidence(struct upload *u, const struct place *at, struct send_result *r)
{
	int dirfd = open(u->common->evidence_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), e = 0;
	char name[64], path[96], *text = NULL;
	struct file f = {0};
	size_t n = 0;

	if (dirfd < 0) /* not made yet */
		return 0;
	if (!next_file(u, dirfd, &f)) {
		(void)close(dirfd);
		return 0;
	}
	(void)snprintf(name, sizeof(name), "%" PRIu64 "-%" PRIu64 ".pcapng", f.epoch, f.seq);
	(void)snprintf(
	    path, sizeof(path), "/ingest/v1/evidence/%" PRIu64 "/%" PRIu64, f.epoch, f.seq);
	if (f.epoch > at->at.epoch || (f.epoch == at->at.epoch && f.seq > at->seq)) {
		if (u->waits.epoch != f.epoch || u->waits.seq != f.seq) {
			u->waits.epoch = f.epoch;
			u->waits.seq = f.seq;
			u->waits.since_ns = clock_mono_ns();
		}
		if (clock_mono_ns() - u->waits.since_ns < WAIT_MS * 1000000)
			goto out; /* its alert is on its way */
		log_warn("evidence %s: its alert was never sent: left out", name);
	} else if (f.size > (off_t)UPLOAD_EVIDENCE_MAX) {
		log_warn("evidence %s: longer than %u bytes: left out", name, UPLOAD_EVIDENCE_MAX);
	} else if (journal_slurp(dirfd, name, UPLOAD_EVIDENCE_MAX, &text, &n) < 0) {
		log_warn("evidence %s: %s: left out", name, strerror(errno));
	} else {
		e = put(u, path, "application/x-pcapng", text, n, r);
	}
	if (e == 0) {
		done_with(u, &f);
		e = 1;
	}
	free(text);
out:
	(void)close(dirfd);
	return e;
}

/* --- documents -------------------------------------------------------------------- */

static int
assets(struct upload *u, struct send_result *r)
{
	struct stat st;
	char *text;
	size_t n;
	int e;

	if (stat(u->common->assets_path, &st) != 0 || !S_ISREG(st.st_mode) ||
	    st.st_size == 0 || /* opened, not written yet */
	    (st.st_ino == u->assets.st_ino && st.st_size == u->assets.st_size &&
		st.st_mtim.tv_sec == u->assets.st_mtim.tv_sec &&
		st.st_mtim.tv_nsec == u->assets.st_mtim.tv_nsec))
		return 0;
	if ((e = journal_slurp(AT_FDCWD, u->common->assets_path, UPLOAD_DOC_MAX, &text, &n)) < 0) {
		log_warn("%s: %s: not sent", u->common->assets_path, strerror(errno));
		u->assets = st;
		return 0;
	}
	e = put(u, "/ingest/v1/assets", "application/json", text, n, r);
	free(text);
	if (e == 0)
		u->assets = st;
	return e == 0 ? 1 : e;
}

static int
policy(struct upload *u, struct send_result *r)
{
	int e;

	if (!u->policy)
		u->policy = u->common->policy(u->common->policy_ctx, &u->policy_len);
	if (!u->policy)
		return 0;
	e = put(u, "/ingest/v1/policy", "application/json", u->policy, u->policy_len, r);
	if (e == 0)
		u->policy = NULL;
	return e == 0 ? 1 : e;
}

int
upload_turn(struct upload *u, const struct place *at, struct send_result *r)
{
	uint64_t now = clock_mono_ns();
	int e = 0;

	if (now < u->look_ns)
		return 0;
	if (e == 0 && u->common->policy)
		e = policy(u, r);
	if (e == 0 && u->common->assets_path)
		e = assets(u, r);
	if (e == 0 && u->common->evidence_dir)
		e = evidence(u, at, r);
	if (e == 0 && u->proposals)
		e = proposals_turn(u->proposals, r);
	if (e == 0 && u->watchlist)
		e = watchlist_turn(u->watchlist, r);
	if (e == 0 && u->rollouts)
		e = rollouts_turn(u->rollouts, r);
	if (e == 0)
		u->look_ns = now + LOOK_NS;
	return e;
}

struct upload *
upload_new(const struct send_common *c, struct client *http)
{
	struct upload *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->common = c;
	u->http = http;
	(void)place_load(c->state_fd, MARK_NAME, &u->mark);
	if ((c->proposals_dir && !(u->proposals = proposals_new(c, http))) ||
	    (c->watchlist_path && !(u->watchlist = watchlist_new(c, http))) ||
	    (c->rollouts_dir && !(u->rollouts = rollouts_new(c, http)))) {
		upload_free(u);
		return NULL;
	}
	return u;
}

void
upload_free(struct upload *u)
{
	if (u) {
		proposals_free(u->proposals);
		watchlist_free(u->watchlist);
		rollouts_free(u->rollouts);
	}
	free(u);
}
