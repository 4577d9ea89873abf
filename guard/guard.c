/* SPDX-License-Identifier: Apache-2.0 */
/* guard.c - the parent from start to stop (guard.h). */
#include "guard/guard.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sibling.h"
#include "base/user.h"
#include "guard/guard_int.h"
#include "guard/metrics.h"
#include "base/sandbox.h"
#include "policy/image.h"

#define SIGN_WAIT_NS UINT64_C(10000000000) /* a disk may be slow */
#define METRICS_WAIT_NS UINT64_C(1000000000)
#define UNABLE	     2			   /* exit status: could not work */
#define WORKER_USER  "interlock-worker"	   /* builder and metrics too; nobody when there is none */
#define SIGNER_USER  "interlock"	   /* root without any right when there is none */

/* --- one turn -------------------------------------------------------------------------------- */

static void
read_signals(struct guard *g)
{
	struct signalfd_siginfo si;
	char err[256] = "";

	while (read(g->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		switch ((int)si.ssi_signo) {
		case SIGTERM:
		case SIGINT:
			g->stop = true;
			break;
		case SIGHUP:
			if (reload_start(g, &(struct reload_how){0}, err, sizeof(err)) < 0)
				log_error("reload: %s", err);
			break;
		default: /* SIGCHLD: collected every turn */
			break;
		}
	}
}

void
guard_tell(struct guard *g, enum guard_event what, const char *note)
{
	const struct event ev = {.kind = EVENT_GUARD,
	    .cond = (uint8_t)what,
	    .ts_ns = clock_wall_ns(),
	    .verdict = {.rule = RULE_NONE, .conduit = RULE_NONE, .generation = g->generation},
	    .note = note};

	if (g->alerts)
		alerts_put(g->alerts, &ev);
}

static void
tell_permit(void *ctx, unsigned event, const char *note)
{
	guard_tell(ctx, (enum guard_event)event, note);
}

/* A child that breaks the rules of its table is not ours any more. */
static void
hear(struct guard *g)
{
	struct child *c;

	for (unsigned i = 0; (c = child_at(g, i)); i++) {
		if (c->peer.fd < 0 || msg_run(&c->peer) != ERR_FORMAT || c->pid == 0)
			continue;
		(void)snprintf(c->why, sizeof(c->why), "it said what it must not say");
		log_error("%s: %s: it is killed", c->name, c->why);
		(void)kill(c->pid, SIGKILL);
	}
}

void
guard_turn(struct guard *g, int timeout_ms)
{
	struct pollfd p[] = {
	    {.fd = g->signals, .events = POLLIN},
	    {.fd = g->worker.peer.fd, .events = POLLIN},
	    {.fd = g->signer.peer.fd, .events = POLLIN},
	    {.fd = g->reload.running ? builder_fd(&g->reload.builder) : -1, .events = POLLIN},
	    {.fd = g->shadow.step == SHADOW_BUILDING ? builder_fd(&g->shadow.builder) : -1,
		.events = POLLIN},
	    {.fd = g->ctl ? ctl_fd(g->ctl) : -1, .events = POLLIN},
	    {.fd = g->handing.step == HAND_WAIT ? g->handing.word_fd : -1, .events = POLLIN},
	};

	(void)poll(p, sizeof(p) / sizeof(p[0]), timeout_ms);
	g->now_ns = clock_mono_ns();
	read_signals(g);
	hear(g);
	supervise_reap(g);
	supervise(g);
	reload_step(g);
	confirm_step(g);
	if (g->policy)
		permits_step(&g->permits, g->policy, clock_wall_ns());
	shadow_step(g);
	panic_step(g);
	takeover_step(g);
	link_step(g);
	act_count(g);
	away_step(g);
	line_step(g);
	service_step(g);
	if (g->ctl)
		ctl_run(g->ctl, g->now_ns);
	if (g->worker.ready || !g->worker.wanted)
		notify_feed(&g->notify, g->now_ns);
}

/* --- start ----------------------------------------------------------------------------------- */

static void *
shared_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int
open_signals(struct guard *g)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	return g->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int
prepare(struct guard *g, char *err, size_t size)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	if (!sandbox_can_guard(err, size))
		return ERR_PERM;
	/* Workers lock all their memory; with this also the images they map later (worker.c). */
	(void)setrlimit(RLIMIT_MEMLOCK, &unlimited);
	g->n_workers = g->conf->workers ? g->conf->workers : 1;
	if (policy_slots_reserve() < 0 ||
	    !(g->shared = shared_memory(g->n_workers * sizeof(*g->shared))) ||
	    (g->n_workers > 1 && !(g->sum = calloc(1, sizeof(*g->sum)))))
		return err_say(err, size, ERR_NOMEM, "no memory to share");
	g->permits = (struct permits){
	    .sh = &g->shared->permits, .tell = tell_permit, .ctx = g, .used = {.keep = &g->keep}};
	if (open_signals(g) < 0)
		return err_say(err, size, err_from_errno(errno), "signals: %s", strerror(errno));
	user_find(WORKER_USER, "nobody", &g->worker_uid, &g->worker_gid);
	user_find(SIGNER_USER, "root", &g->signer_uid, &g->signer_gid);
	if (g->conf->metrics && !g->conf->take_over &&
	    (g->metrics_fd = metrics_listen(g->conf->metrics, err, size)) < 0)
		return ERR_USAGE;
	if (g->conf->metrics && (g->metrics_program = sibling_open(SIBLING_NET, err, size)) < 0)
		return ERR_USAGE;
	return g->conf->journal_dir || g->conf->eve_path ? service_prepare(g, err, size) : 0;
}

static int
open_filter(struct guard *g, char *err, size_t size)
{
	int r = device_ports(g) ? 0 : pins_open(g, err, size);

	if (r < 0)
		return r;
	if (g->conf->fast_path && !(g->fast = fast_open(g->gate, err, size)))
		return ERR_UNSUPPORTED;
	away_begin(g);
	/* Else the predecessor's is in force until there is a worker (pins_settle()). */
	return g->pins.found ? 0 : panic_filter(g, g->policy, g->generation, err, size);
}

static int
open_ports(struct guard *g, char *err, size_t size)
{
	const struct ports_conf pc = {
	    .ifname = {g->conf->port[0], g->conf->port[1]},
	    .state_dir = g->conf->state_dir,
	    .allow_addresses = g->conf->allow_addresses,
	    .take_over = g->conf->take_over,
	    .no_netdev = {g->conf->no_netdev[0], g->conf->no_netdev[1]},
	};
	int r = ports_setup(&g->ports, &pc, err, size);

	if (r < 0)
		return r;
	g->ports_set = true;
	for (unsigned i = 0; i < 2; i++) {
		g->link[i].up = port_carrier(&g->ports, i);
		if (!g->gate)
			continue;
		r = gate_attach(g->gate, i, g->ports.port[i].ifindex, g->conf->mode,
		    g->conf->take_over, err, size);
		if (r < 0)
			return r;
		g->gate_mode[i] = r;
	}
	return pins_write(g, err, size);
}

/* The worker receives, or said why it cannot. */
static int
await_worker(struct guard *g, char *err, size_t size)
{
	uint64_t until = clock_mono_ns() + START_WAIT_NS;

	while (!g->worker.ready && g->worker.pid != 0 && !g->stop && clock_mono_ns() < until)
		guard_turn(g, TURN_MS);
	if (g->worker.ready)
		return 0;
	if (g->stop)
		return err_say(err, size, ERR_AGAIN, "stopped before it had begun");
	return err_say(err, size, ERR_IO, "%s",
	    g->worker.why[0] != '\0' ? g->worker.why : "the worker did not begin to receive");
}

static const char *
mode_name(enum policy_mode m)
{
	return m == MODE_ENFORCE ? "enforce" : m == MODE_ALERT ? "alert" : "learn";
}

static void
tell(const struct guard *g)
{
	size_t memory = 0;

	for (unsigned i = 0; i < 2; i++) {
		const struct port *p = &g->ports.port[i];

		uint32_t mtu = device_mtu(g, i);
		const char *how = device_ports(g)		   ? "DPDK"
				  : g->gate_mode[i] == GATE_NATIVE ? "native XDP"
								   : "generic XDP";

		log_info("%s: %s, %s, MTU %u%s, %u queue%s, link %s", i ? "inside" : "outside",
		    p->name, how, mtu, mtu > 1500 ? " (jumbo)" : "", p->queues,
		    p->queues == 1 ? "" : "s", g->link[i].up ? "up" : "down");
	}
	log_info("policy: %s, site %s, mode %s, %u conduits, %u rules, generation %u",
	    g->conf->policy_path, policy_site(g->policy), mode_name(policy_mode(g->policy)),
	    policy_conduit_count(g->policy), policy_rule_count(g->policy), g->generation);
	for (unsigned i = 0; i < g->n_workers; i++)
		memory += g->shared[i].engine.memory_bytes;
	if (g->n_workers == 1)
		log_info("memory: %zu MiB of the engine", memory >> 20);
	else
		log_info(
		    "memory: %zu MiB of the engines of %u workers", memory >> 20, g->n_workers);
	if (*sandbox_lacking() != '\0')
		log_warn("this kernel has no %s: the processes are confined without it",
		    sandbox_lacking());
	log_info("guard: in force");
}

/* What alerts and numbers need.  A signer that cannot open its files is no start. */
static int
start_services(struct guard *g, char *err, size_t size)
{
	uint64_t until = clock_mono_ns() + START_WAIT_NS;
	char why[sizeof(g->signer_shared->error)];
	int r;

	if (g->metrics_fd >= 0 && (r = metrics_start(g, err, size)) < 0)
		return r;
	/* The address of one that is taken over from is in use for a moment. */
	g->metrics.wanted = g->conf->metrics != NULL;
	g->metrics.again_ns = g->now_ns + METRICS_WAIT_NS;
	if (!g->alerts_shared)
		return 0;
	if ((r = signer_start(g, err, size)) < 0)
		return r;
	/* After a take-over its journal is still the old one's: it waits for that by itself. */
	while (!g->conf->take_over && atomic_load(&g->signer_shared->ready) == 0 &&
	       g->signer.pid != 0 && !g->stop && clock_mono_ns() < until)
		guard_turn(g, 10);
	if (g->signer.pid == 0 && !g->conf->take_over)
		return err_say(err, size, ERR_IO, "%s",
		    signer_error(g->signer_shared, why) ? why : "the signer did not begin");
	g->signer.wanted = true;
	return 0;
}

/* Connections wait while one guard goes and the next one comes: before others, as long as that lasts. */
static void
hurry(const struct guard *g, bool on)
{
	static int was;

	if (on)
		was = getpriority(PRIO_PROCESS, 0);
	(void)setpriority(PRIO_PROCESS, 0, on ? HURRY_NICE : was);
	if (!on && g->worker.pid != 0) /* it began as the parent was */
		(void)setpriority(PRIO_PROCESS, (id_t)g->worker.pid, was);
}

static int
start(struct guard *g, char *err, size_t size)
{
	int r = prepare(g, err, size);

	if (r < 0 || (r = pins_begin(g, err, size)) < 0 || (r = policy_first(g)) < 0)
		return r;
	if ((r = line_begin(g, err, size)) < 0 || (r = open_filter(g, err, size)) < 0)
		return r;
	if (g->conf->take_over) {
		/* From here on there is a gap: everything slow has been done. */
		hurry(g, true);
		if ((r = takeover_ask(g, err, size)) < -1)
			return r;
		g->inherited_fd = r;
		if (r < 0)
			log_info("guard: there is no guard to take over from: a clean start");
		else
			pins_taken_over(g);
	}
	if ((r = open_ports(g, err, size)) < 0)
		return r;
	g->now_ns = clock_mono_ns();
	if ((r = worker_start(g, err, size)) < 0 || (r = await_worker(g, err, size)) < 0)
		return r;
	if (g->conf->take_over)
		hurry(g, false);
	g->worker.wanted = true;
	away_resumed(g);
	if ((r = pins_settle(g, err, size)) < 0)
		return r;
	/* The socket is ours before the predecessor hears of it: it removes what is still its own. */
	if ((r = act_open(g, err, size)) < 0)
		return r;
	takeover_done(g);
	if ((r = start_services(g, err, size)) < 0)
		return r;
	guard_tell(g, GUARD_STARTED, NULL);
	away_tell_first(g);
	line_ready(g);
	if (g->kept)
		guard_tell(g, GUARD_POLICY_BACK,
		    "the guard was started with the policy that was confirmed or promoted last, "
		    "not with the one on disk");
	return sandbox_parent(device_loads_programs(g), err, size);
}

/* --- stop ------------------------------------------------------------------------------------ */

static void
stop(struct guard *g, bool was_in_force)
{
	char err[256] = "";
	bool put_back;

	if (was_in_force)
		line_end(g);
	/* One that is told to end takes its connections from the kernel. */
	if (g->worker.pid != 0 && pins_stay(g, was_in_force))
		(void)kill(g->worker.pid, SIGKILL);
	if (g->worker.pid != 0) {
		(void)msg_say(&g->worker.peer, MSG_STOP, 0);
		child_end(g, &g->worker, STOP_WAIT_NS);
	}
	builder_end(&g->reload.builder);
	builder_end(&g->shadow.builder);
	link_end(g);
	put_back = pins_end(g, was_in_force);
	if (!g->handed)
		device_clean(g);
	fast_close(g->fast);
	g->fast = NULL;
	if (g->gate)
		gate_close(g->gate);
	g->gate = NULL;
	if (put_back && g->ports_set && ports_restore(&g->ports, err, sizeof(err)) < 0)
		log_error("%s", err);
	g->ports_set = false;
	if (was_in_force)
		panic_ends(g,
		    g->handed ? "another guard goes on, with the policy" : "the guard was stopped");
	if (was_in_force && !g->handed)
		guard_tell(g, GUARD_STOPPED, NULL);
	if (g->signer.pid != 0) {
		(void)signer_send_stop(g->signer.peer.fd);
		child_end(g, &g->signer, SIGN_WAIT_NS);
	}
	if (g->ctl)
		ctl_close(g->ctl); /* and with it the other end of metrics */
	g->ctl = NULL;
	if (g->metrics.pid != 0)
		child_end(g, &g->metrics, STOP_WAIT_NS);
	view_past_free(g->past);
	alerts_free(g->alerts);
	if (g->word_fd >= 0)
		close(g->word_fd);
	if (g->signals >= 0)
		close(g->signals);
	notify_close(&g->notify);
}

int
guard_run(const struct guard_conf *conf)
{
	static struct guard g;
	char err[512] = "";
	int r;

	g = (struct guard){.conf = conf,
	    .signals = -1,
	    .policy_fd = -1,
	    .inherited_fd = -1,
	    .word_fd = -1,
	    .flows_fd = -1,
	    .metrics_fd = -1,
	    .metrics_program = -1,
	    .started_ns = clock_wall_ns(),
	    .worker = {.name = "worker", .start = worker_start, .peer = {.fd = -1}},
	    .signer = {.name = "signer", .start = signer_start, .peer = {.fd = -1}},
	    .metrics = {.name = "metrics", .start = metrics_start, .peer = {.fd = -1}},
	    .text = TEXT_NONE,
	    .confirm = {.fd = -1, .text = TEXT_NONE},
	    .shadow = {.fd = -1,
		.text = TEXT_NONE,
		.builder = {.image_fd = -1, .peer = {.fd = -1}, .text = TEXT_NONE}},
	    .reload = {.next_fd = -1,
		.next_text = TEXT_NONE,
		.builder = {.image_fd = -1, .peer = {.fd = -1}, .text = TEXT_NONE}},
	    .handing = {.flows_fd = -1, .word_fd = -1}};
	log_init();
	log_set_level(LOG_L_INFO);
	notify_open(&g.notify);
	if ((r = start(&g, err, sizeof(err))) == 0) {
		tell(&g);
		log_set_limit(true); /* from now on */
		notify_say(&g.notify, "READY=1\nSTATUS=in force");
		while (!g.stop)
			guard_turn(&g, TURN_MS);
		if (!g.handed)
			notify_say(&g.notify, "STOPPING=1");
		log_info("guard: stops");
	} else if (err[0] != '\0') {
		log_error("%s", err);
	}
	stop(&g, r == 0);
	if (r == 0)
		log_info(g.handed ? "guard: ended; another has its ports"
				  : "guard: stopped, its ports are as they were before");
	return r == 0 ? 0 : UNABLE;
}

static void
said(const char *line)
{
	log_info("%s", line);
}

int
guard_restore(const char *state_dir)
{
	int r;

	log_set_level(LOG_L_INFO);
	r = ports_recover(state_dir, said);
	return r < 0 ? UNABLE : 0;
}

int
guard_detach(const struct guard_conf *conf)
{
	int r = pins_detach(conf->pin_dir, conf->port);

	return r != 0 ? r : guard_restore(conf->state_dir);
}
