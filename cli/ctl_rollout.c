/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_rollout.c - see ctl_rollout.h. */
#include "cli/ctl_rollout.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alerts/jws.h"
#include "alerts/offer.h"
#include "alerts/permit.h"
#include "base/err.h"
#include "base/jw.h"
#include "base/key.h"
#include "base/minisign.h"
#include "cli/cli.h"
#include "cli/ctl_client.h"
#include "cli/put.h"
#include "policy/bundle.h"
#include "policy/files.h"
#include "policy/policy.h"

#define BYTES_MAX (16u << 20) /* of policy.bundle */
#define FOLLOW_S  2
#define WHY_MAX	  200u
#define WORD_MAX  16u

/* What became of an offer: "" nothing yet. */
struct fate {
	uint64_t id;
	char state[WORD_MAX], why[WHY_MAX + 1];
};

/* The policy in force, by the guard's word. */
struct in_force {
	char sha256[2 * CRYPTO_SHA256_LEN + 1];
	bool trial, shadow;
};

/* --- files that others have written ------------------------------------------------------------- */

/* DIR is another user's: not where a link of his leads. */
static int
open_dir(const char *dir)
{
	return open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* A regular file of DIR, read whole into a sealed one of our own: it stays as it is.  -1: errno. */
static int
take_file(const char *dir, const char *name, size_t most)
{
	int at = open_dir(dir), from = -1, to = -1;
	char buf[65536];
	size_t all = 0;
	ssize_t n = -1;
	struct stat st;

	if (at >= 0)
		from = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (from >= 0 && fstat(from, &st) == 0 && S_ISREG(st.st_mode))
		to = memfd_create("interlock-rollout", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	else if (from >= 0)
		errno = EINVAL;
	while (to >= 0 && (n = read(from, buf, sizeof(buf))) > 0) {
		all += (size_t)n;
		if (all > most || write(to, buf, (size_t)n) != n) {
			errno = EFBIG;
			n = -1;
			break;
		}
	}
	if (to >= 0 &&
	    (n < 0 || fcntl(to, F_ADD_SEALS,
			  F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)) {
		(void)close(to);
		to = -1;
	}
	n = errno;
	if (from >= 0)
		(void)close(from);
	if (at >= 0)
		(void)close(at);
	errno = (int)n;
	return to;
}

/* A small file of DIR: its length, or -1. */
static ssize_t
read_small(const char *dir, const char *name, char *buf, size_t size)
{
	int fd = take_file(dir, name, size);
	ssize_t n = fd < 0 ? -1 : pread(fd, buf, size, 0);

	if (fd >= 0)
		(void)close(fd);
	return n;
}

/* False: there is none. */
static bool
read_offer(const char *dir, struct offer *f)
{
	char buf[OFFER_MAX];
	ssize_t n = read_small(dir, "offer.json", buf, sizeof(buf));
	bool ok = n > 0 && offer_parse(buf, (size_t)n, f);

	if (n > 0 && !ok)
		cli_say("%s/offer.json: is no offer", dir);
	return ok;
}

static struct fate
read_fate(const char *dir)
{
	struct fate f = {0};
	char buf[OFFER_MAX];
	ssize_t n = read_small(dir, "state.json", buf, sizeof(buf));
	json_t *o = n > 0 ? json_loadb(buf, (size_t)n, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (!o || !jws_number(o, "id", &f.id) || !jws_text(o, "state", f.state, sizeof(f.state)))
		f = (struct fate){0};
	else
		(void)jws_text(o, "why", f.why, sizeof(f.why));
	json_decref(o);
	return f;
}

/* state.json, whole or as it was.  The sender, who reads it, is another user. */
static bool
put_state(const char *dir, const char *text, size_t n)
{
	static const char name[] = "state.json", fresh[] = "state.json.new";
	int at = open_dir(dir), fd = -1;
	bool ok = false;

	if (at >= 0) {
		(void)unlinkat(at, fresh, 0);
		fd = openat(at, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	}
	ok = fd >= 0 && fchmod(fd, 0644) == 0 && write(fd, text, n) == (ssize_t)n &&
	     fsync(fd) == 0 && renameat(at, fresh, at, name) == 0;
	if (!ok)
		cli_say("%s/%s: %s", dir, name, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	if (at >= 0)
		(void)close(at);
	return ok;
}

/* Keep it, and say it when it is news.  False: said why. */
static bool
write_fate(const char *dir, struct fate *f, uint64_t id, const char *state, const char *why)
{
	char text[OFFER_MAX];
	struct jw w = jw_make(text, sizeof(text));

	if (f->id == id && strcmp(f->state, state) == 0)
		return true;
	f->id = id;
	snprintf(f->state, sizeof(f->state), "%s", state);
	snprintf(f->why, sizeof(f->why), "%s", why);
	jw_obj(&w, NULL);
	jw_u(&w, "v", 1);
	jw_u(&w, "id", id);
	jw_str(&w, "state", f->state);
	jw_str(&w, "why", f->why);
	jw_close(&w, '}');
	jw_ch(&w, '\n');
	printf("roll-out %" PRIu64 ": %s%s%s\n", id, state, *why ? ": " : "", why);
	(void)fflush(stdout);
	return put_state(dir, text, jw_len(&w));
}

/* --- the guard ---------------------------------------------------------------------------------- */

/* The answer's "result", to be json_decref()'d, or NULL: why has what it said, or is empty when there is no answer. */
static json_t *
ask(const char *socket, struct jw *w, const int *fds, size_t n_fds, char *why, size_t size)
{
	const char *error;
	json_t *o, *result = NULL;
	size_t len;
	char *answer;
	int fd = -1;

	*why = '\0';
	jw_close(w, '}');
	jw_ch(w, '\n');
	if (!jw_end(w) || !(answer = ctl_ask(socket, w->start, jw_len(w), fds, n_fds, &len, &fd)))
		return NULL;
	if (fd >= 0)
		(void)close(fd);
	o = json_loadb(answer, len, 0, NULL);
	free(answer);
	error = json_string_value(json_object_get(o, "error"));
	if (json_is_true(json_object_get(o, "ok")))
		result = json_incref(json_object_get(o, "result"));
	else
		snprintf(why, size, "%s", error ? error : "the guard refuses without a reason");
	json_decref(o);
	return result;
}

static struct jw
question(char *buf, size_t size, const char *verb)
{
	struct jw w = jw_make(buf, size);

	jw_obj(&w, NULL);
	jw_u(&w, "v", 1);
	jw_str(&w, "verb", verb);
	return w;
}

static bool
look(const char *socket, struct in_force *out)
{
	char buf[128], why[WHY_MAX];
	struct jw w = question(buf, sizeof(buf), "status");
	json_t *o = ask(socket, &w, NULL, 0, why, sizeof(why));
	const json_t *policy = json_object_get(o, "policy");
	bool ok = jws_text(policy, "sha256", out->sha256, sizeof(out->sha256));

	out->trial = json_is_object(json_object_get(policy, "trial"));
	out->shadow = json_is_object(json_object_get(o, "shadow"));
	if (o && !ok)
		cli_say("the guard does not say which policy is in force");
	else if (*why)
		cli_say("status: %s", why);
	json_decref(o);
	return ok;
}

/* --- one policy --------------------------------------------------------------------------------- */

/* .read of a policy_source; ctx: the bundle. */
static int
read_included(void *ctx, const char *rel, char **text, size_t *len, char *why, size_t size)
{
	int fd = bundle_get(*(const int *)ctx, rel, why, size);
	struct stat st;

	if (fd < 0)
		return fd;
	*text = NULL;
	if (fstat(fd, &st) == 0 && (*text = malloc((size_t)st.st_size + 1))) {
		*len = (size_t)st.st_size;
		if (pread(fd, *text, *len, 0) == (ssize_t)*len) {
			(*text)[*len] = '\0';
			(void)close(fd);
			return 0;
		}
	}
	free(*text);
	(void)close(fd);
	return err_say(why, size, ERR_NOMEM, "%s: cannot be read", rel);
}

/* Are these files the policy that was offered, signed by one of the keys?  False: why. */
static bool
verify(int bundle, const struct offer *f, const char *with, const struct key_set *keys, char *why,
    size_t size)
{
	struct policy_source src = {.name = f->name, .read = read_included, .ctx = &bundle};
	struct complaints c = {.file = f->name};
	struct policy *pol = NULL;
	char *text = NULL, *sig = NULL, hash[OFFER_HASH + 1];
	struct minisign m;
	size_t len;
	bool ok = false;

	if (read_included(&bundle, f->name, &text, &src.len, why, size) < 0 ||
	    read_included(&bundle, with, &sig, &len, why, size) < 0 ||
	    minisign_verify(keys, text, src.len, sig, len, &m, why, size) < 0)
		goto out;
	src.text = text;
	if (!(pol = policy_build_source(&src, &c)))
		(void)err_say(why, size, 0,
		    "it is no policy that this version can use: line %u: %s",
		    c.n > 0 ? c.v[0].line : 0, c.n > 0 ? c.v[0].text : "");
	else if (!policy_files_signed(&src, m.comment))
		(void)err_say(why, size, 0, "the signature does not cover all files");
	else if (strcmp(crypto_hex(policy_hash(pol), OFFER_HASH / 2, hash), f->policy) != 0)
		(void)err_say(why, size, 0, "the files are policy %s, not the one offered", hash);
	else
		ok = true;
out:
	policy_free(pol);
	complaints_fini(&c);
	free(text);
	free(sig);
	return ok;
}

/* Beside the one in force, and then in its place until somebody confirms it.  False: why; empty: no answer. */
static bool
try_it(const struct ctl_rollout *o, const struct offer *f, int bundle, const char *with, char *why,
    size_t size)
{
	int fds[CTL_ASK_FDS] = {
	    bundle_get(bundle, f->name, why, size), bundle_get(bundle, with, why, size), bundle};
	char buf[1024 + 6 * POLICY_FILE_NAME];
	struct jw w = question(buf, sizeof(buf), "shadow");
	json_t *r = NULL;

	jw_str(&w, "file", f->name);
	jw_bool(&w, "files", true);
	if (fds[0] >= 0 && fds[1] >= 0)
		r = ask(o->socket, &w, fds, CTL_ASK_FDS, why, size);
	for (unsigned i = 0; i < 2; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	if (!r)
		return false;
	json_decref(r);
	w = question(buf, sizeof(buf), "shadow");
	jw_bool(&w, "promote", true);
	jw_u(&w, "confirm_s", f->trial_s);
	if (!(r = ask(o->socket, &w, NULL, 0, why, size))) {
		char stop[128], ignored[WHY_MAX];

		w = question(stop, sizeof(stop), "shadow");
		jw_bool(&w, "stop", true);
		json_decref(ask(o->socket, &w, NULL, 0, ignored, sizeof(ignored)));
	}
	json_decref(r);
	return r != NULL;
}

static bool
put_text(const char *dir, const char *name, int fd)
{
	char path[PATH_MAX], buf[65536], *slash;
	struct put p;
	ssize_t n;
	off_t at = 0;
	bool ok;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return false;
	for (slash = path + strlen(dir) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		(void)mkdir(path, 0755);
	}
	if (!put_open(&p, path, 0644))
		return false;
	while ((n = pread(fd, buf, sizeof(buf), at)) > 0 &&
	       fwrite(buf, 1, (size_t)n, p.fp) == (size_t)n)
		at += n;
	ok = n == 0 && put_done(&p);
	put_drop(&p);
	return ok;
}

/* Names below the policy's directory, as policy/files.h has them. */
static bool
clean(const char *name)
{
	if (*name == '/' || *name == '\0')
		return false;
	for (const char *p = name; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
		if (*p == '.' || *p == '/' || *p == '\0')
			return false;
	return true;
}

/* The files take the place of those that the guard starts with, the main one last. */
static bool
install(const struct ctl_rollout *o, const struct offer *f, int bundle, const char *with)
{
	char copy[PATH_MAX], base[PATH_MAX], err[200];
	const char *dir, *main_name;
	struct bundle_file b;
	off_t next = 0;
	bool ok = true;

	snprintf(copy, sizeof(copy), "%s", o->policy);
	dir = dirname(copy);
	snprintf(base, sizeof(base), "%s", o->policy);
	main_name = basename(base);
	for (unsigned pass = 0; pass < 3 && ok; pass++) {
		next = 0;
		while (ok && bundle_next(bundle, &next, &b) == 1) {
			unsigned when =
			    strcmp(b.name, f->name) == 0 ? 2 : strcmp(b.name, with) == 0;
			char as[PATH_MAX];
			int fd;

			if (when != pass)
				continue;
			if (pass == 0)
				snprintf(as, sizeof(as), "%s", b.name);
			else
				snprintf(
				    as, sizeof(as), "%s%s", main_name, pass == 1 ? ".minisig" : "");
			/* An included file does not take the place of the main one here. */
			ok = clean(as) && (pass > 0 || strcmp(as, main_name) != 0) &&
			     (fd = bundle_get(bundle, b.name, err, sizeof(err))) >= 0;
			if (ok) {
				ok = put_text(dir, as, fd);
				(void)close(fd);
			}
		}
	}
	if (!ok)
		cli_say("%s: not replaced by what is in force: the guard keeps a copy of that",
		    o->policy);
	return ok;
}

/* It runs what is offered. */
static bool
has_it(const struct ctl_rollout *o, const struct offer *f, const struct in_force *g, struct fate *t,
    const struct key_set *keys)
{
	char with[POLICY_FILE_NAME + 16], buf[128], why[WHY_MAX] = "";
	int bundle;

	if (g->trial) {
		struct jw w = question(buf, sizeof(buf), "confirm");
		json_t *r;

		if (!f->confirm)
			return write_fate(o->dir, t, f->id, "on_trial", "");
		if (!(r = ask(o->socket, &w, NULL, 0, why, sizeof(why)))) {
			if (*why)
				cli_say("confirm: %s", why);
			return false;
		}
		json_decref(r);
	}
	if (o->policy && !(t->id == f->id && strcmp(t->state, "in_force") == 0)) {
		snprintf(with, sizeof(with), "%s.minisig", f->name);
		bundle = take_file(o->dir, "policy.bundle", BYTES_MAX);
		if (bundle < 0 || !verify(bundle, f, with, keys, why, sizeof(why)))
			cli_say("%s/policy.bundle: %s", o->dir, *why ? why : strerror(errno));
		else if (install(o, f, bundle, with)) {
			/* From now on the guard's own file is the one in force. */
			struct jw w = question(buf, sizeof(buf), "reload");

			json_decref(ask(o->socket, &w, NULL, 0, why, sizeof(why)));
			if (*why)
				cli_say("reload: %s", why);
		}
		if (bundle >= 0)
			(void)close(bundle);
	}
	return write_fate(o->dir, t, f->id, "in_force", "");
}

/* --- one permit ---------------------------------------------------------------------------------- */

/* It was opened, and we ended before that was kept. */
static bool
is_open(const char *socket, const char *id)
{
	char buf[128], why[WHY_MAX];
	struct jw w = question(buf, sizeof(buf), "permits");
	json_t *o = ask(socket, &w, NULL, 0, why, sizeof(why));
	const json_t *p;
	bool found = false;
	size_t i;

	json_array_foreach(json_object_get(o, "permits"), i, p)
	{
		const char *s = json_string_value(json_object_get(p, "id"));

		found = found || (s && strcmp(s, id) == 0);
	}
	json_decref(o);
	return found;
}

/* The guard verifies it, by the keys of its policy.  0; else why, which is empty when there was no answer. */
static int
open_permit(const struct ctl_rollout *o, const struct offer *f, char *why, size_t size)
{
	char jws[PERMIT_JWS_MAX], buf[2 * PERMIT_JWS_MAX];
	struct jw w = question(buf, sizeof(buf), "permit");
	struct permit m;
	json_t *r;
	ssize_t n;
	int e;

	if (!o->permits)
		return err_say(why, size, ERR_UNSUPPORTED,
		    "no permits are taken here (ctl rollout --permits)");
	if ((n = read_small(o->dir, OFFER_PERMIT, jws, sizeof(jws) - 1)) < 0)
		return err_say(why, size, ERR_IO, OFFER_PERMIT ": %s", strerror(errno));
	if ((e = permit_peek(jws, (size_t)n, &m, why, size)) < 0)
		return e;
	if (strcmp(m.id, f->permit) != 0)
		return err_say(
		    why, size, ERR_FORMAT, "it is permit %.60s, not the one offered", m.id);
	if (is_open(o->socket, m.id))
		return 0;
	jw_strn(&w, "token", jws, (size_t)n);
	r = ask(o->socket, &w, NULL, 0, why, size);
	json_decref(r);
	return r ? 0 : ERR_IO;
}

static int
turn_permit(const struct ctl_rollout *o, const struct offer *f, struct fate *t)
{
	char why[WHY_MAX] = "";
	bool done;

	if (t->id == f->id) /* tried once */
		return strcmp(t->state, "in_force") == 0 ? EXIT_OK : EXIT_FOUND;
	done = open_permit(o, f, why, sizeof(why)) == 0;
	if (!done && *why == '\0') /* no answer: the next time */
		return EXIT_UNABLE;
	(void)write_fate(o->dir, t, f->id, done ? "in_force" : "refused", why);
	return done ? EXIT_OK : EXIT_FOUND;
}

/* One look.  An exit status. */
static int
turn(const struct ctl_rollout *o, const struct key_set *keys)
{
	struct fate t = read_fate(o->dir);
	struct in_force g = {0};
	struct offer f = {0};
	char with[POLICY_FILE_NAME + 16], why[WHY_MAX] = "";
	bool done = false;
	int bundle;

	if (!read_offer(o->dir, &f))
		return EXIT_OK;
	if (f.is_permit)
		return turn_permit(o, &f, &t);
	if (!look(o->socket, &g))
		return EXIT_UNABLE;
	if (strncmp(g.sha256, f.policy, OFFER_HASH) == 0)
		return has_it(o, &f, &g, &t, keys) ? EXIT_OK : EXIT_UNABLE;
	if (t.id == f.id) {			      /* tried once, and it is another one again */
		if (strcmp(t.state, "in_force") == 0) /* changed since by somebody here */
			return EXIT_OK;
		if (strcmp(t.state, "refused") != 0)
			(void)write_fate(
			    o->dir, &t, f.id, "rolled_back", "it was not confirmed in time");
		return EXIT_FOUND;
	}
	if (g.trial || g.shadow) /* somebody is at work: their turn first */
		return EXIT_OK;
	snprintf(with, sizeof(with), "%s.minisig", f.name);
	if ((bundle = take_file(o->dir, "policy.bundle", BYTES_MAX)) < 0)
		snprintf(why, sizeof(why), "policy.bundle: %s", strerror(errno));
	else
		done = verify(bundle, &f, with, keys, why, sizeof(why)) &&
		       try_it(o, &f, bundle, with, why, sizeof(why));
	if (bundle >= 0)
		(void)close(bundle);
	if (!done && *why == '\0') /* no answer: the next time */
		return EXIT_UNABLE;
	(void)write_fate(o->dir, &t, f.id, done ? "on_trial" : "refused", why);
	return done ? EXIT_OK : EXIT_FOUND;
}

int
ctl_rollout(const struct ctl_rollout *o)
{
	const struct timespec wait = {.tv_sec = FOLLOW_S};
	struct key_set keys = {0};
	char err[256];
	sigset_t ends;
	int status;

	if (key_set_load(&keys, o->key, err, sizeof(err)) < 0) {
		cli_say("%s", err);
		return EXIT_UNABLE;
	}
	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	if (o->follow)
		(void)sigprocmask(SIG_BLOCK, &ends, NULL);
	do
		status = turn(o, &keys);
	while (o->follow && sigtimedwait(&ends, NULL, &wait) < 0);
	return o->follow ? EXIT_OK : status;
}
