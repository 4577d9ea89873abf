/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service.c - the children that see no packet: signer (signer.h), metrics (metrics.h).
 *
 * Each is given what it needs before it is confined, and nothing of the parent's: descriptors are
 * closed and images unmapped first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/sibling.h"
#include "guard/guard_int.h"
#include "guard/metrics.h"
#include "base/sandbox.h"
#include "policy/image.h"

#define PATIENCE_S	 2u /* for a signer of ours that was killed: the kernel lets go of its lock */
#define PATIENCE_TAKEN_S 15u /* for one that ends its journal, since we took over */

int
service_prepare(struct guard *g, char *err, size_t size)
{
	struct alerts_conf ac = {.side = ALERTS_PARENT, .enforcing = true};

	g->signer_shared = mmap(NULL, sizeof(*g->signer_shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	g->alerts_shared = mmap(NULL, alerts_shared_bytes(g->n_workers), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g->signer_shared == MAP_FAILED || g->alerts_shared == MAP_FAILED)
		return err_say(err, size, ERR_NOMEM, "no memory to share");
	alerts_shared_init(g->alerts_shared, g->n_workers);
	ac.shared = g->alerts_shared;
	if (!(g->alerts = alerts_new(&ac, err, size)))
		return ERR_NOMEM;
	return 0;
}

/* --- the signer ------------------------------------------------------------------------------ */

/* Images that were mapped before the fork; it is sent those it needs. */
static void
unmap_images(struct guard *g)
{
	policy_image_unmap(g->policy);
	if (g->reload.next)
		policy_image_unmap(g->reload.next);
	if (g->shadow.policy)
		policy_image_unmap(g->shadow.policy);
}

static _Noreturn void
run_signer(struct guard *g, int fd)
{
	struct signer_conf sc = {
	    .alerts = g->alerts_shared,
	    .packets = g->n_workers,
	    .shared = g->signer_shared,
	    .fd = fd,
	    .journal_dir = g->conf->journal_dir,
	    .key_path = g->conf->key_path,
	    .eve_path = g->conf->eve_path,
	    .receipts = g->conf->receipts,
	    .sender_dir = g->conf->sender_dir,
	    .sender_behind_s = g->conf->sender_behind_s,
	    .sensor = g->conf->sensor,
	    .port_names = {g->conf->port[0], g->conf->port[1]},
	    .journal_bytes = g->conf->journal_bytes,
	    .enforcing = true,
	    .uid = g->signer_uid,
	    .gid = g->signer_gid,
	    .patience_s = g->conf->take_over ? PATIENCE_TAKEN_S : PATIENCE_S,
	    .confine = signer_confine,
	};

	(void)prctl(PR_SET_NAME, "guard-signer", 0, 0, 0);
	if (g->gate)
		gate_leave(g->gate, false);
	sandbox_close_others(&fd, 1);
	unmap_images(g);
	alerts_shared_keep(g->alerts_shared, ALERTS_SIGNER);
	(void)munmap(g->shared, g->n_workers * sizeof(*g->shared));
	sc.ctx = &sc;
	_exit(signer_run(&sc));
}

/* It says nothing: what it has to show is in memory. */
static const struct msg_rule no_words[] = {{MSG_NONE, 0, NULL}};

int
signer_start(struct guard *g, char *err, size_t size)
{
	int pair[2], r = msg_pair(pair);
	pid_t pid;

	if (r < 0)
		return err_say(err, size, r, "signer: %s", err_str(r));
	atomic_store(&g->signer_shared->ready, 0);
	if ((pid = child_fork(g, &g->signer, err, size)) == 0)
		run_signer(g, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return pid;
	}
	msg_init(&g->signer.peer, pair[0], no_words, g);
	if (signer_send_policy(pair[0], g->policy_fd) < 0 ||
	    (g->confirm.waiting && signer_send_policy(pair[0], g->confirm.fd) < 0) ||
	    (g->reload.next && g->reload.kind != RELOAD_BACK &&
		signer_send_policy(pair[0], g->reload.next_fd) < 0))
		log_error("signer: cannot be told of the policy: its alerts have no names");
	return 0;
}

void
service_step(struct guard *g)
{
	char note[DELIVERY_NOTE_MAX];
	enum guard_event event;

	if (g->signer_shared && signer_heard(g->signer_shared, &event, note))
		guard_tell(g, event, note);
}

/* --- metrics --------------------------------------------------------------------------------- */

static _Noreturn void
run_metrics(struct guard *g, int ctl_fd)
{
	const int keep[] = {g->metrics_fd, ctl_fd, g->metrics_program};
	const struct metrics_conf mc = {.listen_fd = g->metrics_fd,
	    .ctl_fd = ctl_fd,
	    .uid = g->worker_uid,
	    .gid = g->worker_gid};

	if (g->gate)
		gate_leave(g->gate, false);
	sandbox_close_others(keep, 3);
	log_error("metrics: %s: %s", SIBLING_NET, err_str(metrics_exec(g->metrics_program, &mc)));
	_exit(1);
}

int
metrics_start(struct guard *g, char *err, size_t size)
{
	int pair[2], r;
	pid_t pid;

	if (g->metrics_fd < 0 && (g->metrics_fd = metrics_listen(g->conf->metrics, err, size)) < 0)
		return ERR_AGAIN;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return err_say(err, size, err_from_errno(errno), "metrics: %s", strerror(errno));
	if ((r = ctl_adopt(g->ctl, pair[0], false)) < 0) {
		close(pair[0]);
		close(pair[1]);
		return err_say(err, size, r, "metrics: %s", err_str(r));
	}
	pid = child_fork(g, &g->metrics, err, size);
	if (pid == 0)
		run_metrics(g, pair[1]);
	close(pair[1]);
	return pid < 0 ? pid : 0;
}
