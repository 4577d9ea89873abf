/* SPDX-License-Identifier: Apache-2.0 */
/* keeper.c - see keeper.h: first what runs in the keeper, then watch's end. */
#include "cli/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/sandbox.h"
#include "cli/cli.h"
#include "guard/builder.h"
#include "guard/signer.h"
#include "policy/image.h"
#include "watch/evidence.h"

#define TURN_MS	     50
#define PAUSE_MIN_NS (NS_PER_S / 10)
#define PAUSE_MAX_NS (10 * NS_PER_S)
#define STEADY_NS    (60 * NS_PER_S) /* a signer that lived so long was no failure */
#define PATIENCE_S   2u /* for a signer that was killed: the kernel lets go of its lock */
#define END_NS	     (30 * NS_PER_S) /* for a signer that is told to end */

/* A name on its way from the signer to watch: one write() of a pipe, so whole or not at all. */
struct name {
	uint64_t mark, epoch, seq;
};

struct lists {
	const char *path;
	char part[PATH_MAX];
};

struct keep {
	const struct keeper_conf *conf;
	struct msg_peer watch, signer_peer;
	struct alerts_shared *alerts_shared;
	struct signer_shared *shared; /* nobody but signer and keeper has it mapped */
	struct alerts *alerts;	      /* what the keeper itself says */
	int names;		      /* writing end */
	pid_t signer;
	uint64_t begun_ns, again_ns, pause_ns, error_ns;
	/* policies: an image each, so that a signer that begins has them */
	int image, next_image; /* in force, on its way; -1 = none */
	uint32_t generation, next_generation, last_generation;
	unsigned slot;
	struct key_set keys;
	struct builder builder;
	bool building, stop;
	struct lists list[KEEPER_LISTS];
};

/* --- the signer ---------------------------------------------------------------------------- */

static void
put_name(void *ctx, uint64_t mark, uint64_t epoch, uint64_t seq)
{
	const struct keep *k = ctx;
	const struct name n = {mark, epoch, seq};

	(void)!write(k->names, &n, sizeof(n)); /* full: the frames have no name, and are given up */
}

static _Noreturn void
run_signer(struct keep *k, int fd)
{
	struct signer_conf sc = {.alerts = k->alerts_shared,
	    .shared = k->shared,
	    .fd = fd,
	    .journal_dir = k->conf->journal_dir,
	    .key_path = k->conf->key_path,
	    .eve_path = k->conf->eve_path,
	    .receipts = k->conf->receipts,
	    .sender_dir = k->conf->sender_dir,
	    .sender_behind_s = k->conf->sender_behind_s,
	    .in_iface = k->conf->iface,
	    .policy = k->conf->policy,
	    .named = put_name,
	    .named_ctx = k,
	    .uid = k->conf->uid,
	    .gid = k->conf->gid,
	    .patience_s = PATIENCE_S,
	    .confine = signer_confine};
	const int keep[] = {fd, k->names};

	(void)prctl(PR_SET_NAME, "watch-signer", 0, 0, 0);
	sandbox_close_others(keep, 2);
	alerts_shared_keep(k->alerts_shared, ALERTS_SIGNER);
	sc.ctx = &sc;
	_exit(signer_run(&sc));
}

static const struct msg_rule no_words[] = {{MSG_NONE, 0, NULL}};

static bool
signer_begin(struct keep *k)
{
	int pair[2];

	k->begun_ns = clock_mono_ns();
	if (msg_pair(pair) < 0)
		return false;
	atomic_store(&k->shared->ready, 0);
	if ((k->signer = fork()) == 0)
		run_signer(k, pair[1]);
	(void)close(pair[1]);
	if (k->signer < 0) {
		(void)close(pair[0]);
		k->signer = 0;
		return false;
	}
	msg_init(&k->signer_peer, pair[0], no_words, k);
	if ((k->image >= 0 && signer_send_policy(pair[0], k->image) < 0) ||
	    (k->next_image >= 0 && signer_send_policy(pair[0], k->next_image) < 0))
		cli_say("signer: cannot be told of the policy: its alerts have no names");
	return true;
}

static const char *
ending(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buf, size, "signal %d", WTERMSIG(status));
	else
		snprintf(buf, size, "status %d", WEXITSTATUS(status));
	return buf;
}

static void
signer_ended(struct keep *k, int status)
{
	char how[32];

	k->signer = 0;
	msg_close(&k->signer_peer);
	if (k->stop)
		return;
	if (clock_mono_ns() - k->begun_ns > STEADY_NS)
		k->pause_ns = 0;
	k->pause_ns = k->pause_ns == 0		       ? PAUSE_MIN_NS
		      : k->pause_ns * 2 < PAUSE_MAX_NS ? k->pause_ns * 2
						       : PAUSE_MAX_NS;
	k->again_ns = clock_mono_ns() + k->pause_ns;
	cli_say("signer: ended unexpectedly: %s; begins again in %u ms, what waits is kept for it",
	    ending(status, how, sizeof(how)), (unsigned)(k->pause_ns / 1000000));
}

/* What it cannot do, once each; what it has to say of the sender. */
static void
signer_look(struct keep *k)
{
	char text[sizeof(k->shared->error)], note[DELIVERY_NOTE_MAX];
	uint64_t at = atomic_load(&k->shared->error_ns);
	enum guard_event event;

	if (at != k->error_ns && signer_error(k->shared, text)) {
		if (k->error_ns == 0 || at - k->error_ns > STEADY_NS)
			cli_say("%s", text);
		k->error_ns = at;
	}
	if (signer_heard(k->shared, &event, note)) {
		const struct event ev = {.kind = EVENT_GUARD,
		    .cond = (uint8_t)event,
		    .ts_ns = clock_wall_ns(),
		    .verdict = {.rule = RULE_NONE, .conduit = RULE_NONE},
		    .note = note};

		alerts_put(k->alerts, &ev);
	}
	if (k->signer == 0 && !k->stop && clock_mono_ns() >= k->again_ns && !signer_begin(k))
		k->again_ns = clock_mono_ns() + PAUSE_MAX_NS;
}

/* --- another policy -------------------------------------------------------------------------- */

static void
tell(struct keep *k, enum guard_event what, const char *note)
{
	const struct event ev = {.kind = EVENT_GUARD,
	    .cond = (uint8_t)what,
	    .ts_ns = clock_wall_ns(),
	    .verdict = {.rule = RULE_NONE, .conduit = RULE_NONE},
	    .note = note};

	if (k->alerts)
		alerts_put(k->alerts, &ev);
}

static void
refused(struct keep *k, const char *why)
{
	cli_say("%s: %s; the policy in force stays", k->conf->policy_path, why);
	tell(k, GUARD_POLICY_REFUSED, why);
}

static void
begin_builder(void *keep)
{
	(void)keep;
	(void)prctl(PR_SET_NAME, "watch-builder", 0, 0, 0);
}

static int
on_reload(void *ctx, const struct msg *m, int fd)
{
	struct keep *k = ctx;
	struct builder_conf bc = {.path = k->conf->policy_path,
	    .slot = (k->slot + 1) % POLICY_SLOTS,
	    .generation = k->last_generation + 1,
	    .uid = k->conf->uid,
	    .gid = k->conf->gid,
	    .child = begin_builder,
	    .ctx = k};
	char err[512] = "";

	(void)m;
	(void)fd;
	if (!k->conf->policy_path)
		return 0;
	if (k->building || k->next_image >= 0) {
		refused(k, "the one before it is not in force yet");
		return 0;
	}
	/* as they are now: a key that was taken back signs nothing any more */
	if (k->conf->signed_by) {
		if (key_set_load(&k->keys, k->conf->signed_by, err, sizeof(err)) < 0) {
			refused(k, err);
			return 0;
		}
		bc.keys = &k->keys;
	}
	if (builder_start(&k->builder, &bc, err, sizeof(err)) < 0) {
		refused(k, err);
		return 0;
	}
	k->building = true;
	return 0;
}

static void
build_step(struct keep *k)
{
	struct builder *b = &k->builder;
	struct msg m = {.type = MSG_POLICY};

	if (!k->building || !builder_step(b, clock_mono_ns()))
		return;
	k->building = false;
	fputs(b->said, stderr);
	if (b->image_fd < 0) {
		refused(k, "not a usable policy");
	} else {
		k->next_image = b->image_fd;
		b->image_fd = -1;
		m.a = k->next_generation = ++k->last_generation;
		k->slot = (k->slot + 1) % POLICY_SLOTS;
		/* names before records that have them */
		if (k->signer > 0 && signer_send_policy(k->signer_peer.fd, k->next_image) < 0)
			cli_say("signer: cannot be told of the policy: its alerts have no names");
		(void)msg_send(&k->watch, &m, k->next_image);
	}
	text_drop(&b->text);
	builder_end(b);
}

static int
on_in_force(void *ctx, const struct msg *m, int fd)
{
	struct keep *k = ctx;

	(void)fd;
	if (k->next_image < 0)
		return ERR_FORMAT;
	if (m->result < 0) { /* said by watch */
		if (k->signer > 0)
			(void)signer_send_drop(k->signer_peer.fd, k->next_generation);
		(void)close(k->next_image);
		k->next_image = -1;
		tell(k, GUARD_POLICY_REFUSED, k->conf->policy_path);
		return 0;
	}
	if (k->image >= 0) {
		if (k->signer > 0)
			(void)signer_send_drop(k->signer_peer.fd, k->generation);
		(void)close(k->image);
	}
	k->image = k->next_image;
	k->generation = k->next_generation;
	k->next_image = -1;
	tell(k, GUARD_POLICY_LOADED, k->conf->policy_path);
	return 0;
}

/* --- files that are replaced ---------------------------------------------------------------------- */

static int
list_open(struct keep *k, unsigned which)
{
	struct lists *l = &k->list[which];
	struct stat st;
	int fd;

	if ((size_t)snprintf(l->part, sizeof(l->part), "%s.part", l->path) >= sizeof(l->part)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	(void)unlink(l->part);
	fd = open(l->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd >= 0 && stat(l->path, &st) == 0) { /* whose it was, whose it is */
		(void)!fchown(fd, st.st_uid, st.st_gid);
		(void)fchmod(fd, st.st_mode & 0777);
	}
	return fd;
}

static int
on_list(void *ctx, const struct msg *m, int from)
{
	struct keep *k = ctx;
	struct msg place = {.type = MSG_LIST, .a = m->a}, none = {.type = MSG_DONE, .a = m->a};
	struct lists *l;
	int fd, r = 0;

	(void)from;
	if (m->a >= KEEPER_LISTS || !k->list[m->a].path)
		return ERR_FORMAT;
	l = &k->list[m->a];
	if (m->b == KEEPER_OPEN) {
		if ((fd = list_open(k, (unsigned)m->a)) < 0) {
			snprintf(none.text, sizeof(none.text), "%s: %s", l->path, strerror(errno));
			none.result = ERR_IO;
			return msg_send(&k->watch, &none, -1);
		}
		r = msg_send(&k->watch, &place, fd);
		(void)close(fd);
	} else if (l->part[0] != '\0') {
		if (m->b != KEEPER_DONE)
			(void)unlink(l->part);
		else if (rename(l->part, l->path) < 0)
			cli_say("%s: %s", l->path, strerror(errno));
		l->part[0] = '\0';
	}
	return r;
}

/* --- life of the keeper -------------------------------------------------------------------------------- */

static int
on_stop(void *ctx, const struct msg *m, int fd)
{
	(void)m;
	(void)fd;
	((struct keep *)ctx)->stop = true;
	return 0;
}

static const struct msg_rule keeper_rules[] = {
    {MSG_RELOAD, 0, on_reload},
    {MSG_DONE, 0, on_in_force},
    {MSG_LIST, 0, on_list},
    {MSG_STOP, MSG_F_ONCE, on_stop},
    {MSG_NONE, 0, NULL},
};

static void
reap(struct keep *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == k->signer)
			signer_ended(k, status);
		else if (k->building)
			(void)builder_reaped(&k->builder, pid, status);
}

/* The journal is open, or never will be: the first word to watch.  False: the latter. */
static bool
first_word(struct keep *k)
{
	struct msg m = {.type = MSG_READY};
	int status;

	if (k->alerts && !signer_begin(k)) {
		m.type = MSG_FAILED;
	} else if (k->alerts) {
		while (atomic_load(&k->shared->ready) == 0 && m.type == MSG_READY) {
			if (waitpid(k->signer, &status, WNOHANG) == k->signer)
				m.type = MSG_FAILED; /* it has said why */
			else
				(void)poll(NULL, 0, 5);
		}
	}
	(void)msg_send(&k->watch, &m, -1);
	return m.type == MSG_READY;
}

/* All records are in the rings: they are signed, and the end is. */
static void
last_words(struct keep *k)
{
	struct msg m = {.type = MSG_STOPPED};
	uint64_t until = clock_mono_ns() + END_NS;
	char text[sizeof(k->shared->error)];
	int status = 0;

	if (!k->alerts) {
		(void)msg_send(&k->watch, &m, -1);
		return;
	}
	k->stop = true;
	/* one that died just now: another one signs what waits */
	if (k->signer == 0 && !signer_begin(k))
		status = -1;
	if (k->signer > 0) {
		while (signer_send_stop(k->signer_peer.fd) == ERR_AGAIN)
			(void)poll(NULL, 0, 5);
		while (waitpid(k->signer, &status, WNOHANG) == 0 && clock_mono_ns() < until)
			(void)poll(NULL, 0, 5);
	}
	const uint64_t counts[KEPT__MAX] = {[KEPT_EVENTS] = k->shared->events,
	    [KEPT_FOLDED] = k->shared->folded,
	    [KEPT_LOST] = k->shared->lost,
	    [KEPT_LINES] = k->shared->lines,
	    [KEPT_BATCHES] = k->shared->batches,
	    [KEPT_WRITE_ERRORS] = k->shared->write_errors,
	    [KEPT_REJECTED] = k->shared->rejected,
	    [KEPT_REMOVED] = k->shared->removed};

	for (unsigned i = 0; i < KEPT__MAX; i++) {
		const struct msg c = {.type = MSG_COUNT, .a = i, .b = counts[i]};

		(void)msg_send(&k->watch, &c, -1);
	}
	if (status != 0) {
		m.result = ERR_IO;
		if (signer_error(k->shared, text))
			snprintf(m.text, sizeof(m.text), "%.*s", (int)sizeof(m.text) - 1, text);
		else
			snprintf(m.text, sizeof(m.text), "the signer did not come to its end");
	}
	(void)msg_send(&k->watch, &m, -1);
}

static _Noreturn void
run_keeper(struct keep *k)
{
	(void)prctl(PR_SET_NAME, "watch-keeper", 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* a terminal's ^C, systemd's SIGTERM to all: watch ends first, and with it this */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGUSR1, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	if (!first_word(k))
		_exit(1);
	while (!k->stop) {
		struct pollfd p[2] = {{.fd = k->watch.fd, .events = POLLIN},
		    {.fd = k->building ? builder_fd(&k->builder) : -1, .events = POLLIN}};

		(void)poll(p, 2, TURN_MS);
		if (msg_run(&k->watch) < 0 && !k->stop) {
			tell(
			    k, GUARD_WATCH_STOPPED, "the process that listened ended unexpectedly");
			break;
		}
		reap(k);
		build_step(k);
		if (k->alerts)
			signer_look(k);
	}
	if (k->building)
		builder_end(&k->builder);
	last_words(k);
	for (unsigned i = 0; i < KEEPER_LISTS; i++)
		if (k->list[i].part[0] != '\0')
			(void)unlink(k->list[i].part);
	_exit(0);
}

/* --- watch's end ------------------------------------------------------------------------------------- */

static int
on_ready(void *ctx, const struct msg *m, int fd)
{
	(void)m;
	(void)fd;
	((struct keeper *)ctx)->ready = true;
	return 0;
}

static int
on_failed(void *ctx, const struct msg *m, int fd)
{
	(void)ctx;
	(void)m;
	(void)fd;
	return ERR_EOF;
}

static int
on_policy(void *ctx, const struct msg *m, int fd)
{
	struct keeper *k = ctx;

	(void)m;
	if (k->policy_fd >= 0)
		(void)close(k->policy_fd);
	k->policy_fd = fd;
	return 0;
}

static int
on_place(void *ctx, const struct msg *m, int fd)
{
	struct keeper *k = ctx;

	if (m->a >= KEEPER_LISTS || k->list_fd[m->a] >= 0) {
		(void)close(fd);
		return ERR_FORMAT;
	}
	k->list_fd[m->a] = fd;
	return 0;
}

static int
on_no_place(void *ctx, const struct msg *m, int fd)
{
	struct keeper *k = ctx;

	(void)fd;
	if (m->a >= KEEPER_LISTS)
		return ERR_FORMAT;
	cli_say("%s", m->text);
	k->list_failed[m->a] = true;
	return 0;
}

static int
on_count(void *ctx, const struct msg *m, int fd)
{
	struct alerts_stats *st = &((struct keeper *)ctx)->stats;
	uint64_t *const to[KEPT__MAX] = {[KEPT_EVENTS] = &st->events,
	    [KEPT_FOLDED] = &st->folded,
	    [KEPT_LOST] = &st->lost,
	    [KEPT_LINES] = &st->lines,
	    [KEPT_BATCHES] = &st->batches,
	    [KEPT_WRITE_ERRORS] = &st->write_errors,
	    [KEPT_REJECTED] = &st->rejected,
	    [KEPT_REMOVED] = &st->removed};

	(void)fd;
	if (m->a >= KEPT__MAX)
		return ERR_FORMAT;
	*to[m->a] = m->b;
	return 0;
}

static int
on_stopped(void *ctx, const struct msg *m, int fd)
{
	struct keeper *k = ctx;

	(void)fd;
	k->stopped = true;
	k->result = m->result;
	memcpy(k->error, m->text, sizeof(k->error));
	return ERR_EOF;
}

static const struct msg_rule watch_rules[] = {
    {MSG_READY, MSG_F_ONCE, on_ready},
    {MSG_FAILED, MSG_F_ONCE, on_failed},
    {MSG_POLICY, MSG_F_FD, on_policy},
    {MSG_LIST, MSG_F_FD, on_place},
    {MSG_DONE, 0, on_no_place},
    {MSG_COUNT, 0, on_count},
    {MSG_STOPPED, MSG_F_ONCE, on_stopped},
    {MSG_NONE, 0, NULL},
};

static void *
shared_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* What is the keeper's own is made when it is forked: watch has none of it. */
static _Noreturn void
keeper_child(const struct keeper_conf *conf, struct alerts_shared *shared, int fd, int names)
{
	static struct keep k;
	const struct alerts_conf ac = {.side = ALERTS_PARENT, .shared = shared};
	char err[256] = "";

	k.conf = conf;
	k.image = k.next_image = -1;
	k.names = names;
	k.slot = POLICY_SLOTS - 1;
	k.last_generation = conf->policy ? policy_generation(conf->policy) : 0;
	k.alerts_shared = shared;
	k.signer_peer.fd = -1;
	for (unsigned i = 0; i < KEEPER_LISTS; i++)
		k.list[i].path = conf->list[i];
	msg_init(&k.watch, fd, keeper_rules, &k);
	if (shared && (!(k.shared = shared_memory(sizeof(*k.shared))) ||
			  !(k.alerts = alerts_new(&ac, err, sizeof(err))))) {
		cli_say("%s", *err ? err : "no memory to share");
		_exit(1);
	}
	run_keeper(&k);
}

bool
keeper_start(struct keeper *k, const struct keeper_conf *conf)
{
	int pair[2], names[2] = {-1, -1};
	struct pollfd p = {.events = POLLIN};

	*k = (struct keeper){.peer = {.fd = -1}, .names = -1, .policy_fd = -1};
	for (unsigned i = 0; i < KEEPER_LISTS; i++)
		k->list_fd[i] = -1;
	if (conf->journal_dir || conf->eve_path) {
		if (!(k->shared = shared_memory(alerts_shared_bytes(1))) ||
		    pipe2(names, O_CLOEXEC | O_NONBLOCK) < 0) {
			cli_say("no memory to share");
			return false;
		}
		alerts_shared_init(k->shared, 1);
	}
	if (policy_slots_reserve() < 0 || msg_pair(pair) < 0 ||
	    (fflush(NULL), k->pid = fork()) < 0) {
		cli_say("no process beside this one: %s", strerror(errno));
		return false;
	}
	if (k->pid == 0) {
		(void)close(pair[0]);
		if (names[0] >= 0)
			(void)close(names[0]);
		keeper_child(conf, k->shared, pair[1], names[1]);
	}
	(void)close(pair[1]);
	if (names[1] >= 0)
		(void)close(names[1]);
	k->names = names[0];
	msg_init(&k->peer, pair[0], watch_rules, k);
	p.fd = k->peer.fd;
	while (!k->ready) {
		(void)poll(&p, 1, -1);
		if (msg_run(&k->peer) < 0) {
			(void)waitpid(k->pid, NULL, 0);
			return false;
		}
	}
	if (k->shared)
		alerts_shared_keep(k->shared, ALERTS_PACKET);
	return true;
}

static void
take_names(struct keeper *k, struct evidence *e)
{
	struct name n;

	while (e && k->names >= 0 && read(k->names, &n, sizeof(n)) == (ssize_t)sizeof(n))
		evidence_named(e, n.mark, n.epoch, n.seq);
}

bool
keeper_turn(struct keeper *k, struct evidence *e)
{
	if (k->stopped)
		return true;
	take_names(k, e);
	if (k->peer.fd >= 0 && msg_run(&k->peer) < 0 && !k->stopped)
		cli_say("the process that keeps the signer is gone: what is seen would not be "
			"signed any more");
	return k->peer.fd >= 0 || k->stopped;
}

void
keeper_reload(struct keeper *k)
{
	(void)msg_say(&k->peer, MSG_RELOAD, 0);
}

void
keeper_reloaded(struct keeper *k, int result)
{
	const struct msg m = {.type = MSG_DONE, .result = result};

	(void)msg_send(&k->peer, &m, -1);
}

void
keeper_list(struct keeper *k, unsigned which, enum keeper_list what)
{
	const struct msg m = {.type = MSG_LIST, .a = which, .b = what};

	if (what != KEEPER_OPEN && k->list_fd[which] >= 0) {
		(void)close(k->list_fd[which]);
		k->list_fd[which] = -1;
	}
	k->list_failed[which] = msg_send(&k->peer, &m, -1) < 0;
}

int
keeper_place(struct keeper *k, unsigned which)
{
	struct pollfd p = {.fd = k->peer.fd, .events = POLLIN};
	uint64_t until = clock_mono_ns() + END_NS;

	keeper_list(k, which, KEEPER_OPEN);
	while (k->list_fd[which] < 0 && !k->list_failed[which] && clock_mono_ns() < until &&
	       msg_run(&k->peer) == 0)
		(void)poll(&p, 1, 100);
	return k->list_fd[which];
}

void
keeper_end(struct keeper *k, struct evidence *e)
{
	struct pollfd p = {.fd = k->peer.fd, .events = POLLIN};

	if (k->peer.fd >= 0 && !k->stopped && msg_say(&k->peer, MSG_STOP, 0) == 0)
		while (msg_run(&k->peer) == 0) {
			take_names(k, e);
			(void)poll(&p, 1, 100);
		}
	take_names(k, e);
	if (!k->stopped) {
		k->result = ERR_EOF;
		snprintf(k->error, sizeof(k->error), "the process that keeps the signer is gone");
	}
	msg_close(&k->peer);
	if (k->pid > 0)
		(void)waitpid(k->pid, NULL, 0);
	k->pid = 0;
	if (k->names >= 0)
		(void)close(k->names);
	k->names = -1;
}
