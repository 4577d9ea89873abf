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
 * kept-PORT.yaml, and instead-of-PORT.sha256 says of which text: as long as the file
 * on disk is that one, a start takes the kept text instead.  The same for a policy that was promoted
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
#include "guard/guard_int.h"
#include "policy/image.h"

#define RETRY_NS UINT64_C(1000000000)

static const char *
file_of(const struct guard *g)
{
	return g->conf->policy_path;
}

/* --- on disk --------------------------------------------------------------------------------- */

int
confirm_keep(struct guard *g, const struct text *trial, char *err, size_t size)
{
	char path[KEEP_PATH], hex[2 * CRYPTO_SHA256_LEN + 2];
	int r = keep_open(&g->keep, err, size);

	/* What is kept already is kept: a trial that follows a trial, or a file that never passed one. */
	if (r == 0 && !g->confirm.waiting && !g->kept)
		r = text_save(&g->text, keep_path(&g->keep, "kept", "yaml", path), err, size);
	if (r < 0)
		return r;
	(void)crypto_hex(trial->sha256, CRYPTO_SHA256_LEN, hex);
	hex[2 * CRYPTO_SHA256_LEN] = '\n';
	return keep_write(keep_path(&g->keep, "instead-of", "sha256", path), hex,
	    2 * CRYPTO_SHA256_LEN + 1, err, size);
}

void
confirm_settle(struct guard *g)
{
	struct text now = {.fd = -1};
	char err[512] = "", path[KEEP_PATH];
	bool same = g->from_file;

	if (!same && text_take(&now, file_of(g), err, sizeof(err)) == 0)
		same = memcmp(now.sha256, g->text.sha256, CRYPTO_SHA256_LEN) == 0;
	g->kept = !same;
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
	char path[KEEP_PATH], sig[KEEP_PATH + 8];

	/* First what makes a start look for the rest. */
	(void)unlink(keep_path(&g->keep, "instead-of", "sha256", path));
	(void)snprintf(sig, sizeof(sig), "%s.minisig", keep_path(&g->keep, "kept", "yaml", path));
	(void)unlink(path);
	(void)unlink(sig);
}

int
confirm_first(struct guard *g, char *path, char *err, size_t size)
{
	char name[KEEP_PATH], kept[2 * CRYPTO_SHA256_LEN + 2] = "", hex[2 * CRYPTO_SHA256_LEN + 1];
	struct text now;
	int n = keep_read(
	    keep_path(&g->keep, "instead-of", "sha256", name), kept, sizeof(kept) - 1, err, size);

	if (n == ERR_NOTFOUND)
		return 0;
	if (n < 0)
		return n;
	if (text_take(&now, file_of(g), err, size) == 0) {
		bool other = strncmp(kept, crypto_hex(now.sha256, CRYPTO_SHA256_LEN, hex),
				 2 * CRYPTO_SHA256_LEN) != 0;

		text_drop(&now);
		if (other) { /* somebody has written another file since */
			confirm_forget(g);
			return 0;
		}
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
		*old_text = (struct text){.fd = -1};
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
	*c = (struct confirm){.fd = -1, .text = {.fd = -1}};
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
