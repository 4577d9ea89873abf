/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervise.c - the parent's children: begun, heard, ended, begun again.
 *
 * A child that ends unexpectedly is started again after a pause that doubles; a worker that shows no
 * sign of life (guard_shared.alive_ns, of each of its threads) is ended first.  The pause is forgotten when one
 * has lasted.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "guard/guard_int.h"

struct child *
child_at(struct guard *g, unsigned i)
{
	struct child *const all[] = {&g->worker, &g->signer, &g->metrics};

	return i < sizeof(all) / sizeof(all[0]) ? all[i] : NULL;
}

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

pid_t
child_fork(struct guard *g, struct child *c, char *err, size_t size)
{
	pid_t pid = fork();

	if (pid < 0)
		return err_say(
		    err, size, err_from_errno(errno), "%s: %s", c->name, strerror(errno));
	if (pid == 0) {
		child_begin(g);
		return 0;
	}
	c->pid = pid;
	c->since_ns = g->now_ns;
	c->started_ns = clock_wall_ns();
	return pid;
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
	char how[96], text[MSG_TEXT + 96];
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
	(void)snprintf(text, sizeof(text), "%s: ended unexpectedly: %s", c->name, c->why);
	log_error("%s; starts again in %llu ms", text,
	    (unsigned long long)((c->again_ns - g->now_ns) / 1000000));
	if (c == &g->worker)
		guard_tell(g, GUARD_WORKER_DIED, c->why);
}

void
supervise_reap(struct guard *g)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = NULL;

		for (unsigned i = 0; (c = child_at(g, i)) && c->pid != pid; i++)
			;
		if (c)
			ended(g, c, status);
		else
			(void)(bypass_reaped(&g->line.bypass, pid) ||
			       builder_reaped(&g->reload.builder, pid, status) ||
			       builder_reaped(&g->shadow.builder, pid, status));
		if (c == &g->worker) {
			reload_worker_gone(g);
			shadow_worker_gone(g);
			panic_worker_gone(g);
		}
	}
}

static void
end_hung(struct guard *g)
{
	struct child *c = &g->worker;
	uint64_t alive = shared_alive_ns(g->shared, g->n_workers);

	if (c->pid == 0)
		return;
	if (!c->ready) {
		if (g->now_ns - c->since_ns < START_WAIT_NS)
			return;
	} else if (alive > g->now_ns || g->now_ns - alive < HUNG_NS) {
		return;
	}
	(void)snprintf(c->why, sizeof(c->why), "no sign of life for %llu ms",
	    (unsigned long long)((g->now_ns - (c->ready ? alive : c->since_ns)) / 1000000));
	log_error("%s: %s: it is killed", c->name, c->why);
	(void)kill(c->pid, SIGKILL);
	c->ready = false;
	c->since_ns = g->now_ns;
}

void
supervise(struct guard *g)
{
	struct child *c;

	end_hung(g);
	for (unsigned i = 0; (c = child_at(g, i)); i++) {
		char err[256] = "";

		if (!c->wanted || c->pid != 0 || g->now_ns < c->again_ns)
			continue;
		c->why[0] = '\0';
		if (c->start(g, err, sizeof(err)) < 0) {
			log_error("%s", err);
			c->again_ns = g->now_ns + BACKOFF_MAX_NS;
		}
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
