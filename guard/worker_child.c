/* SPDX-License-Identifier: Apache-2.0 */
/* worker_child.c - the parent's end of the worker: how it is started, what it may say. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "guard/guard_int.h"
#include "guard/worker.h"

static int
on_ready(void *ctx, const struct msg *m, int fd)
{
	struct guard *g = ctx;

	(void)fd;
	g->worker.ready = true;
	if (m->b != 0)
		log_info("guard: goes on with %llu connections of the one before",
		    (unsigned long long)m->b);
	return 0;
}

/* The answer to the one thing it was asked. */
static int
on_done(void *ctx, const struct msg *m, int fd)
{
	struct guard *g = ctx;
	uint16_t asked = g->asked;

	(void)fd;
	g->asked = MSG_NONE;
	switch (asked) {
	case MSG_POLICY:
	case MSG_PROMOTE:
		reload_answer(g, m->result, m->text);
		break;
	case MSG_FLOWS:
		act_flows_done(g, m->result, m->a);
		break;
	case MSG_SHADOW:
	case MSG_SHADOW_END:
		shadow_answer(g, m->result, m->text);
		break;
	case MSG_PANIC:
		panic_answer(g, m->result);
		break;
	case MSG_EXPORT:
		takeover_exported(g, m->result, m->a, m->text);
		break;
	default:
		break;
	}
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

static const struct msg_rule rules[] = {
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
	    .workers = g->n_workers,
	    .shared = g->shared,
	    .alerts = g->alerts_shared,
	    .gate = g->gate,
	    .io_target = g->conf->zerocopy ? "zerocopy" : "",
	    .policy = g->policy,
	    .shadow = g->shadow.policy,
	    .panic = g->panic.mode,
	    .memory_bytes = g->conf->memory_bytes,
	    .seed = seed(),
	    .fast_path = g->conf->fast_path,
	    .handover = g->inherited_fd,
	    .uid = g->worker_uid,
	    .gid = g->worker_gid,
	};
	int pair[2], r = msg_pair(pair);
	pid_t pid;

	if (r < 0)
		return err_say(err, size, r, "worker: %s", err_str(r));
	device_clean(g);
	for (unsigned i = 0; i < 2; i++)
		wc.ports[i] = (struct io_port){.name = g->ports.port[i].name,
		    .ifindex = g->ports.port[i].ifindex,
		    .device = g->conf->device[i],
		    .xskmap = g->gate ? gate_xskmap(g->gate, i) : -1,
		    .mtu = g->ports.port[i].mtu};
	wc.sock = pair[1];
	c->why[0] = '\0';
	c->ready = false;
	if ((pid = child_fork(g, c, err, size)) == 0)
		worker_run(&wc);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return pid;
	}
	/* Flows are gone on with once. */
	if (g->inherited_fd >= 0)
		close(g->inherited_fd);
	g->inherited_fd = -1;
	msg_init(&c->peer, pair[0], rules, g);
	g->asked = MSG_NONE;
	return 0;
}

const struct guard_shared *
worker_numbers(struct guard *g)
{
	if (!g->sum)
		return g->shared;
	return shared_sum(g->sum, g->shared, g->n_workers) ? g->sum : NULL;
}

int
worker_ask(struct guard *g, const struct msg *m, int fd)
{
	int r;

	if (!g->worker.ready || g->asked != MSG_NONE)
		return ERR_AGAIN;
	if ((r = msg_send(&g->worker.peer, m, fd)) < 0)
		return r;
	msg_due(&g->worker.peer, MSG_DONE, true);
	g->asked = m->type;
	return 0;
}
