/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervise.c - the parent's children: begun, heard, ended, begun again.
 *
 * A child that ends unexpectedly is started again after a pause that doubles; a worker that shows no
 * sign of life (guard_shared.alive_ns) is ended first.  The pause is forgotten when one
 * has lasted.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "guard/guard_int.h"
#include "guard/sandbox.h"
#include "guard/worker.h"

void
child_begin(void *guard)
{
	sigset_t none;

	(void)guard;
	/* A terminal's ^C is for the parent: it tells the others. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* --- the worker ------------------------------------------------------------------------------ */

static int
on_ready(void *ctx, const struct msg *m, int fd)
{
	struct guard *g = ctx;

	(void)m;
	(void)fd;
	g->worker.ready = true;
	return 0;
}

static int
on_done(void *ctx, const struct msg *m, int fd)
{
	struct guard *g = ctx;

	(void)fd;
	reload_answer(g, m->result, m->text);
	return 0;
}

static int
on_stopped(void *ctx, const struct msg *m, int fd)
{
	struct guard *g = ctx;

	(void)fd;
	memcpy(g->worker.why, m->text, sizeof(g->worker.why));
	return ERR_EOF;
}

static const struct msg_rule worker_rules[] = {
    {MSG_READY, MSG_F_ONCE, on_ready},
    {MSG_DONE, MSG_F_ONCE | MSG_F_LATER, on_done},
    {MSG_STOPPED, MSG_F_ONCE, on_stopped},
    {MSG_NONE, 0, NULL},
};

static uint64_t
seed(void)
{
	uint64_t s = 0;

	if (getrandom(&s, sizeof(s), 0) != (ssize_t)sizeof(s))
		s = clock_mono_ns();
	return s;
}

int
worker_start(struct guard *g, char *err, size_t size)
{
	struct child *c = &g->worker;
	struct worker_conf wc = {
	    .shared = g->shared,
	    .gate = g->gate,
	    .io_target = g->conf->zerocopy ? "zerocopy" : "",
	    .policy = g->policy,
	    .memory_bytes = g->conf->memory_bytes,
	    .seed = seed(),
	    .handover = -1,
	    .uid = g->worker_uid,
	    .gid = g->worker_gid,
	};
	int pair[2], r = msg_pair(pair);

	if (r < 0)
		return err_say(err, size, r, "worker: %s", err_str(r));
	for (unsigned i = 0; i < 2; i++)
		wc.ports[i] = (struct io_port){.name = g->ports.port[i].name,
		    .ifindex = g->ports.port[i].ifindex,
		    .xskmap = gate_xskmap(g->gate, i),
		    .mtu = g->ports.port[i].mtu};
	wc.sock = pair[1];
	c->why[0] = '\0';
	c->ready = false;
	if ((c->pid = fork()) == 0) {
		child_begin(g);
		worker_run(&wc);
	}
	close(pair[1]);
	if (c->pid < 0) {
		c->pid = 0;
		close(pair[0]);
		return err_say(err, size, err_from_errno(errno), "worker: %s", strerror(errno));
	}
	msg_init(&c->peer, pair[0], worker_rules, g);
	c->since_ns = g->now_ns;
	c->started_ns = clock_wall_ns();
	return 0;
}

/* --- life and death -------------------------------------------------------------------------- */

static const char *
ending(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		(void)snprintf(buf, size, "signal %d (%s)", WTERMSIG(status),
		    WTERMSIG(status) == SIGSYS ? "a system call it may not make"
					       : strsignal(WTERMSIG(status)));
	else
		(void)snprintf(buf, size, "status %d", WEXITSTATUS(status));
	return buf;
}

static void
ended(struct guard *g, struct child *c, int status)
{
	char how[96];
	uint64_t pause = BACKOFF_MIN_NS;

	if (c->peer.fd >= 0)
		(void)msg_run(&c->peer); /* last words */
	msg_close(&c->peer);
	c->pid = 0;
	c->ready = false;
	if (c->why[0] == '\0')
		(void)snprintf(c->why, sizeof(c->why), "%s", ending(status, how, sizeof(how)));
	if (!c->wanted)
		return;
	if (g->now_ns - c->since_ns > STEADY_NS)
		c->failures = 0;
	for (uint32_t i = 0; i < c->failures && pause < BACKOFF_MAX_NS; i++)
		pause *= 2;
	c->again_ns = g->now_ns + (pause < BACKOFF_MAX_NS ? pause : BACKOFF_MAX_NS);
	c->failures++;
	c->restarts++;
	log_error("%s: ended unexpectedly: %s; starts again in %llu ms", c->name, c->why,
	    (unsigned long long)((c->again_ns - g->now_ns) / 1000000));
}

void
supervise_reap(struct guard *g)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == g->worker.pid) {
			ended(g, &g->worker, status);
			reload_worker_gone(g);
		} else {
			(void)builder_reaped(&g->reload.builder, pid, status);
		}
	}
}

static void
end_hung(struct guard *g)
{
	struct child *c = &g->worker;
	uint64_t alive = atomic_load_explicit(&g->shared->alive_ns, memory_order_acquire);

	if (c->pid == 0)
		return;
	if (!c->ready) {
		if (g->now_ns - c->since_ns < START_WAIT_NS)
			return;
	} else if (alive > g->now_ns || g->now_ns - alive < HUNG_NS) {
		return;
	}
	log_error("worker: no sign of life for %llu ms: it is ended",
	    (unsigned long long)((g->now_ns - (c->ready ? alive : c->since_ns)) / 1000000));
	(void)kill(c->pid, SIGKILL);
	c->ready = false;
	c->since_ns = g->now_ns;
}

void
supervise(struct guard *g)
{
	char err[256] = "";

	end_hung(g);
	if (g->worker.wanted && g->worker.pid == 0 && g->now_ns >= g->worker.again_ns &&
	    worker_start(g, err, sizeof(err)) < 0) {
		log_error("%s", err);
		g->worker.again_ns = g->now_ns + BACKOFF_MAX_NS;
	}
}

void
child_end(struct guard *g, struct child *c, uint64_t patience_ns)
{
	uint64_t until = clock_mono_ns() + patience_ns;

	c->wanted = false;
	while (c->pid != 0 && clock_mono_ns() < until)
		guard_turn(g, 20);
	if (c->pid == 0)
		return;
	log_warn("%s: does not end: it is killed", c->name);
	(void)kill(c->pid, SIGKILL);
	(void)waitpid(c->pid, NULL, 0);
	msg_close(&c->peer);
	c->pid = 0;
}
