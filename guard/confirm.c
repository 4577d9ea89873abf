/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confirm.c - a policy that is in force on trial: `ctl reload --confirm 10m`.
 *
 *	reload --confirm --> in force, the one before is kept --+-- confirm ------> it stays
 *	                                                        +-- time is over -> back
 *	                                                        +-- rollback -----> back
 *
 * The image of the one before stays with the parent, sealed and compiled: going back needs no builder, no
 * file and no disk.  For a guard that is started again meanwhile its text is in
 * kept-PORT.yaml, what it includes in kept-PORT.yaml.files (bundle.h), and instead-of-PORT.sha256 says of
 * which files: as long as those on disk are these, a start takes what is kept instead.  The same for a policy that was promoted
 * (shadow.c) and is not the file's: a guard that is started again has what it had.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "policy/bundle.h"
#include "guard/guard_int.h"
#include "policy/files.h"
#include "policy/image.h"

#define RETRY_NS UINT64_C(1000000000)
#define HEX	 (2u * CRYPTO_SHA256_LEN)
#define LIST_MAX (POLICY_FILES * (HEX + POLICY_FILE_NAME + 4u))

static const char *
file_of(const struct guard *g)
{
	return g->conf->policy_path;
}

/* --- on disk --------------------------------------------------------------------------------- */

/* Is a file of the policy on disk still the one with this hash?  rel NULL: the main one. */
static bool
unchanged(const struct guard *g, const char *rel, const char hex[2 * CRYPTO_SHA256_LEN])
{
	uint8_t hash[CRYPTO_SHA256_LEN];
	char now[2 * CRYPTO_SHA256_LEN + 1], why[64];
	int dir = policy_dir_open(file_of(g)), fd = -1;
	bool same;

	if (dir >= 0)
		fd = rel ? policy_dir_file(dir, rel, why, sizeof(why))
			 : open(file_of(g), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	same = fd >= 0 && bundle_hash(fd, 0, UINT64_MAX, hash) == 0 &&
	       memcmp(crypto_hex(hash, sizeof(hash), now), hex, sizeof(now) - 1) == 0;
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	return same;
}

/*
 * The files of a text, as sha256sum prints them: "HEX" of the main one, then "HEX  NAME" of each that it
 * includes.  Bytes of it, or ERR_FORMAT.
 */
static int
list_files(const struct text *t, char list[LIST_MAX])
{
	uint8_t hash[CRYPTO_SHA256_LEN];
	char hex[2 * CRYPTO_SHA256_LEN + 1];
	struct bundle_file f;
	off_t next = 0;
	int n, r = 0;

	n = snprintf(list, LIST_MAX, "%s\n", crypto_hex(t->sha256, CRYPTO_SHA256_LEN, hex));
	while (t->files >= 0 && (r = bundle_next(t->files, &next, &f)) == 1 && n < (int)LIST_MAX) {
		if (bundle_hash(t->files, f.at, f.len, hash) < 0)
			return ERR_IO;
		n += snprintf(list + n, LIST_MAX - (size_t)n, "%s  %s\n",
		    crypto_hex(hash, sizeof(hash), hex), f.name);
	}
	return r < 0 || n >= (int)LIST_MAX ? ERR_FORMAT : n;
}

/* Are the files on disk those of such a list? */
static bool
on_disk_still(const struct guard *g, char *list)
{
	char *save = NULL, *line = strtok_r(list, "\n", &save);
	bool same = line && strlen(line) == HEX && unchanged(g, NULL, line);

	while (same && (line = strtok_r(NULL, "\n", &save)))
		same = strlen(line) > HEX + 2 && unchanged(g, line + HEX + 2, line);
	return same;
}

int
confirm_keep(struct guard *g, const struct text *trial, char *err, size_t size)
{
	static char list[LIST_MAX];
	char path[KEEP_PATH];
	int r = keep_open(&g->keep, err, size), n;

	/* What is kept already is kept: a trial that follows a trial, or a file that never passed one. */
	if (r == 0 && !g->confirm.waiting && !g->kept)
		r = text_save(&g->text, keep_path(&g->keep, "kept", "yaml", path), err, size);
	if (r < 0)
		return r;
	if ((n = list_files(trial, list)) < 0)
		return err_say(err, size, n, "%s: its files cannot be listed", file_of(g));
	return keep_write(
	    keep_path(&g->keep, "instead-of", "sha256", path), list, (size_t)n, err, size);
}

void
confirm_settle(struct guard *g)
{
	static char list[LIST_MAX];
	struct text now = TEXT_NONE;
	char err[512] = "", path[KEEP_PATH];
	bool same = g->from_file || (list_files(&g->text, list) > 0 && on_disk_still(g, list));

	g->kept = !same;
	if (!same) /* not to be had: then no file is that one */
		(void)text_take(&now, file_of(g), err, sizeof(err));
	if (same) {
		confirm_forget(g);
	} else if (keep_open(&g->keep, err, sizeof(err)) < 0 ||
		   text_save(
		       &g->text, keep_path(&g->keep, "kept", "yaml", path), err, sizeof(err)) < 0 ||
		   confirm_keep(g, &now, err, sizeof(err)) < 0) {
		log_error("policy: cannot be kept, a start will take %s: %s", file_of(g), err);
	}
	text_drop(&now);
}

void
confirm_forget(const struct guard *g)
{
	char path[KEEP_PATH];

	/* First what makes a start look for the rest. */
	(void)unlink(keep_path(&g->keep, "instead-of", "sha256", path));
	text_forget(keep_path(&g->keep, "kept", "yaml", path));
}

int
confirm_first(struct guard *g, char *path, char *err, size_t size)
{
	static char list[LIST_MAX];
	char name[KEEP_PATH];
	int n = keep_read(
	    keep_path(&g->keep, "instead-of", "sha256", name), list, sizeof(list) - 1, err, size);

	if (n == ERR_NOTFOUND)
		return 0;
	if (n < 0)
		return n;
	list[n] = '\0';
	if (access(file_of(g), F_OK) == 0 && !on_disk_still(g, list)) {
		/* somebody has written other files since */
		confirm_forget(g);
		return 0;
	}
	g->kept = true;
	(void)keep_path(&g->keep, "kept", "yaml", path);
	log_warn("%s: is not the policy that was confirmed or promoted last: the guard starts with "
		 "that one (%s)",
	    file_of(g), path);
	return 1;
}

/* --- in force -------------------------------------------------------------------------------- */

/* "by user 1000 (process 812)" */
static void
by(const struct ctl_request *rq, char *buf, size_t size)
{
	if (rq)
		(void)snprintf(
		    buf, size, "by user %u (process %d)", (unsigned)rq->uid, (int)rq->pid);
	else
		(void)snprintf(buf, size, "since nobody confirmed it in time");
}

void
confirm_begin(struct guard *g, int old_fd, struct text *old_text)
{
	struct confirm *c = &g->confirm;
	char note[400], until[CLOCK_STRLEN];

	if (!c->waiting) {
		c->fd = old_fd;
		c->text = *old_text;
		*old_text = (struct text)TEXT_NONE;
		c->generation = g->reload.old_generation;
		c->slot = g->reload.old_slot;
	}
	c->waiting = true;
	g->kept = false;
	c->next_signed = g->reload.next_signed;
	c->deadline_ns = g->now_ns + g->reload.confirm_ns;
	c->until_ns = clock_wall_ns() + g->reload.confirm_ns;
	(void)snprintf(note, sizeof(note),
	    "generation %u of %s: generation %u is in force again at %s unless it is confirmed",
	    g->generation, file_of(g), c->generation, clock_str(c->until_ns, until));
	log_warn("policy: %s", note);
	guard_tell(g, GUARD_POLICY_UNCONFIRMED, note);
}

/* Nobody goes back to it any more. */
void
confirm_end(struct guard *g)
{
	struct confirm *c = &g->confirm;

	if (!c->waiting)
		return;
	if (g->signer.pid != 0 && c->generation != g->generation)
		(void)signer_send_drop(g->signer.peer.fd, c->generation);
	close(c->fd);
	text_drop(&c->text);
	*c = (struct confirm){.fd = -1, .text = TEXT_NONE};
}

int
confirm_asked(struct guard *g, const struct ctl_request *rq, char *err, size_t size)
{
	char note[200], who[64];
	int r;

	if (!g->confirm.waiting)
		return err_say(err, size, ERR_USAGE, "no policy waits to be confirmed");
	if (g->reload.running)
		return err_say(err, size, ERR_AGAIN, "another policy is on its way; try again");
	if ((r = note_accepted(g, &g->confirm.next_signed, err, size)) < 0)
		return r;
	confirm_end(g);
	confirm_settle(g);
	by(rq, who, sizeof(who));
	(void)snprintf(note, sizeof(note), "generation %u: %s", g->generation, who);
	log_info("policy: confirmed: %s", note);
	guard_tell(g, GUARD_POLICY_CONFIRMED, note);
	return 0;
}

int
confirm_back(struct guard *g, const struct ctl_request *rq, char *err, size_t size)
{
	struct confirm *c = &g->confirm;

	if (!c->waiting)
		return err_say(err, size, ERR_USAGE, "no policy waits to be confirmed");
	by(rq, c->why, sizeof(c->why));
	return reload_back(g, rq ? rq->token : 0, err, size);
}

void
confirm_step(struct guard *g)
{
	struct confirm *c = &g->confirm;
	char err[256] = "";

	if (!c->waiting || g->reload.running || g->now_ns < c->deadline_ns)
		return;
	c->deadline_ns = g->now_ns + RETRY_NS; /* until it is done */
	if (confirm_back(g, NULL, err, sizeof(err)) < 0)
		log_error("policy: cannot go back yet: %s", err);
}

void
confirm_is_back(struct guard *g, uint32_t from)
{
	char note[400];

	g->kept = true;
	(void)snprintf(note, sizeof(note), "generation %u of %s, %s: generation %u is in force",
	    from, file_of(g), g->confirm.why, g->generation);
	log_warn("policy: rolled back: %s", note);
	guard_tell(g, GUARD_POLICY_BACK, note);
	confirm_end(g);
}
