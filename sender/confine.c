/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine.c - what a sender keeps once all is open: its state and files that are outputs, to write; the journal, its
 * identity, what it uploads, and what anybody may read below /etc (names, time zone), to read; the ports of
 * its outputs, to connect to.  base/sandbox.h has the rest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/adopt.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "sender/send_int.h"

#define PATHS_MAX (8u + 4u * SEND_OUTPUTS_MAX)
#define PORT_DNS  53u

struct list {
	size_t n;
	char *path[PATHS_MAX + 1];
};

static void
list_put(struct list *l, const char *path)
{
	if (l->n < PATHS_MAX && path && *path && (l->path[l->n] = strdup(path)))
		l->n++;
}

/* The directory that has it: what is renamed into place has another inode than what is there now. */
static void
list_put_dir(struct list *l, const char *path)
{
	char *copy = path && *path ? strdup(path) : NULL, *slash = copy ? strrchr(copy, '/') : NULL;

	if (copy && slash == copy)
		slash[1] = '\0';
	else if (slash)
		*slash = '\0';
	if (copy)
		list_put(l, slash ? copy : ".");
	free(copy);
}

static void
list_free(struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->path[i]);
}

int
confine_sender(
    const struct send_conf *c, const struct output *o, size_t n, char *err, size_t err_size)
{
	struct list *rw = calloc(1, sizeof(*rw)), *ro = calloc(1, sizeof(*ro));
	uint16_t ports[SEND_OUTPUTS_MAX + 2] = {PORT_DNS};
	struct sandbox sb = {.role = SANDBOX_SENDER, .uid = c->uid, .gid = c->gid, .ports = ports};
	int r = err_say(err, err_size, ERR_NOMEM, "out of memory");
	size_t k = 1;

	if (!rw || !ro)
		goto out;
	alerts_adopt(c->uid, c->gid, c->state_dir, NULL);
	list_put(rw, c->state_dir);
	if (c->proposals_dir) {
		alerts_adopt(c->uid, c->gid, c->proposals_dir, NULL);
		list_put(rw, c->proposals_dir);
	}
	if (c->rollouts_dir) {
		alerts_adopt(c->uid, c->gid, c->rollouts_dir, NULL);
		list_put(rw, c->rollouts_dir);
	}
	list_put_dir(rw, c->watchlist_path);
	list_put(ro, c->journal_dir);
	list_put(ro, "/etc");
	list_put(ro, c->identity);
	list_put_dir(ro, c->assets_path);
	list_put_dir(ro, c->policy_path);
	list_put(ro, c->policy_path ? "/usr/share/zoneinfo" : NULL);
	list_put(ro, c->evidence_dir);
	for (size_t i = 0; i < n; i++) {
		const struct send_target *t = &o[i].target;

		list_put_dir(ro, t->ca);
		list_put_dir(ro, t->cert);
		list_put_dir(ro, t->key);
		if (o[i].out == &send_out_file)
			list_put_dir(rw, t->path);
		if (*t->port)
			ports[k++] = (uint16_t)strtoul(t->port, NULL, 10);
	}
	sb.dirs = (const char *const *)rw->path;
	sb.reads = (const char *const *)ro->path;
	if (*sandbox_lacking() != '\0')
		log_warn(
		    "this kernel has no %s: the sender is confined without it", sandbox_lacking());
	r = sandbox_enter(&sb, err, err_size);
out:
	if (rw)
		list_free(rw);
	if (ro)
		list_free(ro);
	free(rw);
	free(ro);
	return r;
}
