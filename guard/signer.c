/* SPDX-License-Identifier: Apache-2.0 */
/* signer.c - see signer.h: first what runs in the process, then the parent's end. */
#include "guard/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alerts/adopt.h"
#include "alerts/alert.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "guard/msg.h"
#include "policy/image.h"

#define TURN_MS 20 /* how long a record waits to be read, at most */

struct signer {
	const struct signer_conf *conf;
	struct signer_shared *sh;
	struct alerts *alerts;
	const struct policy *policy[POLICY_SLOTS];
	struct delivery *delivery; /* of a sender; or NULL */
	bool stop;
};

/* --- messages ------------------------------------------------------------------------------------ */

static int
on_policy(void *ctx, const struct msg *m, int fd)
{
	struct signer *s = ctx;
	const struct policy *pol;
	char err[200];

	(void)m;
	for (unsigned i = 0; i < POLICY_SLOTS; i++) {
		if (s->policy[i])
			continue;
		pol = policy_image_map(fd, err, sizeof(err));
		(void)close(fd);
		if (!pol) {
			log_error("signer: policy: %s", err);
			return 0;
		}
		s->policy[i] = pol;
		alerts_add_policy(s->alerts, pol);
		return 0;
	}
	(void)close(fd);
	log_error("signer: policy: %u are in use already", POLICY_SLOTS);
	return 0;
}

static int
on_drop(void *ctx, const struct msg *m, int fd)
{
	struct signer *s = ctx;

	(void)fd;
	/* Records that are in the ring now still have their names. */
	(void)alerts_pump(s->alerts, clock_wall_ns());
	for (unsigned i = 0; i < POLICY_SLOTS; i++)
		if (s->policy[i] && policy_generation(s->policy[i]) == m->a) {
			alerts_drop_policy(s->alerts, s->policy[i]);
			policy_image_unmap(s->policy[i]);
			s->policy[i] = NULL;
		}
	return 0;
}

static void
note_error(struct signer *s, const char *text)
{
	struct signer_shared *sh = s->sh;
	uint32_t seq = atomic_load(&sh->error_seq);

	if (atomic_load(&sh->error_ns) != 0 &&
	    strncmp(sh->error, text, sizeof(sh->error) - 1) == 0) {
		atomic_store(&sh->error_ns, clock_wall_ns());
		return;
	}
	atomic_store(&sh->error_seq, seq | 1);
	atomic_thread_fence(memory_order_release);
	snprintf(sh->error, sizeof(sh->error), "%s", text);
	atomic_thread_fence(memory_order_release);
	atomic_store(&sh->error_ns, clock_wall_ns());
	atomic_store(&sh->error_seq, (seq | 1) + 1);
}

static int
on_reopen(void *ctx, const struct msg *m, int fd)
{
	struct signer *s = ctx;
	char err[256];

	(void)m;
	(void)fd;
	if (alerts_reopen(s->alerts, err, sizeof(err)) < 0) {
		log_error("eve %s: open anew: %s", s->conf->eve_path, err);
		note_error(s, err);
	} else {
		atomic_fetch_add(&s->sh->reopened, 1);
		log_info("eve %s: opened anew", s->conf->eve_path ? s->conf->eve_path : "(none)");
	}
	return 0;
}

static int
on_stop(void *ctx, const struct msg *m, int fd)
{
	struct signer *s = ctx;

	(void)m;
	(void)fd;
	s->stop = true;
	return 0;
}

static const struct msg_rule rules[] = {
    {MSG_POLICY, MSG_F_FD, on_policy},
    {MSG_DROP, 0, on_drop},
    {MSG_REOPEN, 0, on_reopen},
    {MSG_STOP, 0, on_stop},
    {MSG_NONE, 0, NULL},
};

/* --- the process --------------------------------------------------------------------------------- */

#define SHOW(word, value) atomic_store_explicit(&(word), (value), memory_order_relaxed)

static void
show(struct signer *s, uint64_t now_ns)
{
	const struct alerts_stats *st = alerts_stats(s->alerts);
	struct signer_shared *sh = s->sh;
	struct alerts_progress pr;

	alerts_progress(s->alerts, &pr);
	SHOW(sh->events, st->events);
	SHOW(sh->folded, st->folded);
	SHOW(sh->lost, st->lost);
	SHOW(sh->lines, st->lines);
	if (atomic_load(&sh->batches) != st->batches)
		SHOW(sh->last_batch_ns, now_ns);
	SHOW(sh->batches, st->batches);
	SHOW(sh->write_errors, st->write_errors);
	SHOW(sh->rejected, st->rejected);
	SHOW(sh->removed, st->removed);
	SHOW(sh->waiting, pr.waiting);
	SHOW(sh->epoch, pr.epoch);
	SHOW(sh->batch, pr.batch);
	SHOW(sh->next_seq, pr.next_seq);
	SHOW(sh->journal_bytes, pr.journal_bytes);
	SHOW(sh->failing, pr.failing);
	SHOW(sh->alive_ns, clock_mono_ns());
}

/* A predecessor may still be writing its last batch. */
static struct alerts *
open_alerts(const struct signer_conf *c, char *err, size_t size)
{
	struct alerts_conf ac = {
	    .journal_dir = c->journal_dir,
	    .key_path = c->key_path,
	    .eve_path = c->eve_path,
	    .receipts = c->receipts,
	    .sensor = c->sensor,
	    .journal_bytes = c->journal_bytes,
	    .enforcing = c->enforcing,
	    .policy = c->policy,
	    .in_iface = c->in_iface,
	    .named = c->named,
	    .named_ctx = c->named_ctx,
	    .port_names = {c->port_names[0], c->port_names[1]},
	    .shared = c->alerts,
	    .side = ALERTS_SIGNER,
	    .packets = c->packets,
	};
	struct alerts *a;

	for (unsigned tenths = 0;; tenths++) {
		a = alerts_new(&ac, err, size);
		if (a || tenths >= c->patience_s * 10)
			return a;
		(void)usleep(100000);
	}
}

/* The directory that has a file. */
static const char *
dir_of(const char *path, char *buf, size_t size)
{
	const char *slash = strrchr(path, '/');

	(void)snprintf(buf, size, "%.*s", slash ? (int)(slash - path) : 0, path);
	if (!slash || slash == path)
		(void)snprintf(buf, size, "%s", slash ? "/" : ".");
	return buf;
}

int
signer_confine(void *ctx, char *err, size_t err_size)
{
	const struct signer_conf *c = ctx;
	const char *dirs[3], *reads[3];
	char eve_dir[512], receipt_dir[512];
	struct sandbox sb = {
	    .role = SANDBOX_SIGNER, .uid = c->uid, .gid = c->gid, .dirs = dirs, .reads = reads};
	unsigned n = 0;

	if (c->journal_dir)
		dirs[n++] = c->journal_dir;
	if (c->eve_path && strcmp(c->eve_path, "-") != 0)
		dirs[n++] = dir_of(c->eve_path, eve_dir, sizeof(eve_dir));
	dirs[n] = NULL;
	n = 0;
	if (c->receipts.newest) /* replaced whenever a collector has signed a new one */
		reads[n++] = dir_of(c->receipts.newest, receipt_dir, sizeof(receipt_dir));
	if (c->sender_dir)
		reads[n++] = c->sender_dir;
	reads[n] = NULL;
	return sandbox_enter(&sb, err, err_size);
}

/* One thing at a time: the parent tells it as it tells everything, by a record of its own. */
static void
look_at_sender(struct signer *s, uint64_t wall_ns)
{
	struct signer_shared *sh = s->sh;
	uint32_t said = atomic_load(&sh->sender_said);
	enum guard_event event;
	char note[DELIVERY_NOTE_MAX];

	if (!s->delivery || said != atomic_load(&sh->sender_heard) ||
	    !delivery_look(s->delivery, clock_mono_ns(), wall_ns / 1000000, &event, note))
		return;
	sh->sender_event = event;
	memcpy(sh->sender_note, note, sizeof(note));
	atomic_store(&sh->sender_said, said + 1);
}

static void
live(struct signer *s)
{
	struct msg_peer peer;
	uint64_t now;

	msg_init(&peer, s->conf->fd, rules, s);
	while (!s->stop) {
		struct pollfd p = {.fd = peer.fd, .events = POLLIN};

		(void)poll(&p, 1, TURN_MS);
		if (msg_run(&peer) < 0) /* the parent is gone, or is not the parent */
			break;
		now = clock_wall_ns();
		if (alerts_pump(s->alerts, now) < 0)
			note_error(s, alerts_error(s->alerts));
		look_at_sender(s, now);
		show(s, now);
	}
	msg_close(&peer);
}

int
signer_run(const struct signer_conf *conf)
{
	struct signer s = {.conf = conf, .sh = conf->shared};
	char err[512] = "";
	int r;

	(void)signal(SIGTERM, SIG_IGN); /* the parent says when: first the worker ends */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	SHOW(s.sh->ready, 0);
	SHOW(s.sh->pid, getpid());
	alerts_adopt(conf->uid, conf->gid, conf->journal_dir, conf->eve_path);
	if (conf->sender_dir)
		s.delivery = delivery_new(conf->sender_dir, conf->sender_behind_s);
	s.alerts = open_alerts(conf, err, sizeof(err));
	if (!s.alerts) {
		log_error("%s", err);
		note_error(&s, err);
		return 1;
	}
	/* and what was made just now */
	alerts_adopt(conf->uid, conf->gid, conf->journal_dir, conf->eve_path);
	if (conf->confine && conf->confine(conf->ctx, err, sizeof(err)) < 0) {
		log_error("signer: %s", err);
		note_error(&s, err);
		alerts_free(s.alerts);
		return 1;
	}
	show(&s, clock_wall_ns());
	SHOW(s.sh->ready, 1);
	live(&s);
	r = alerts_finish(s.alerts, clock_wall_ns());
	if (r < 0)
		note_error(&s, alerts_error(s.alerts));
	show(&s, clock_wall_ns());
	SHOW(s.sh->ready, 0);
	alerts_free(s.alerts);
	delivery_free(s.delivery);
	return r < 0 ? 2 : 0;
}

/* --- the parent's end ---------------------------------------------------------------------------- */

static int
say(int fd, uint16_t type, uint64_t a, int pass)
{
	struct msg_peer p = {.fd = fd};
	struct msg m = {.type = type, .a = a};

	return msg_send(&p, &m, pass);
}

int
signer_send_policy(int fd, int image_fd)
{
	return say(fd, MSG_POLICY, 0, image_fd);
}

int
signer_send_drop(int fd, uint32_t generation)
{
	return say(fd, MSG_DROP, generation, -1);
}

int
signer_send_reopen(int fd)
{
	return say(fd, MSG_REOPEN, 0, -1);
}

int
signer_send_stop(int fd)
{
	return say(fd, MSG_STOP, 0, -1);
}

bool
signer_heard(struct signer_shared *s, enum guard_event *event, char *note)
{
	uint32_t said = atomic_load(&s->sender_said), which = s->sender_event;

	if (said == atomic_load(&s->sender_heard))
		return false;
	memcpy(note, s->sender_note, DELIVERY_NOTE_MAX);
	note[DELIVERY_NOTE_MAX - 1] = '\0';
	atomic_store(&s->sender_heard, said);
	*event = (enum guard_event)which;
	return which >= GUARD_SENDER_BEHIND && which <= GUARD_PROPOSAL;
}

bool
signer_error(const struct signer_shared *s, char *buf)
{
	for (unsigned i = 0; i < 100; i++) {
		uint32_t seq = atomic_load(&s->error_seq);

		if (seq & 1)
			continue;
		memcpy(buf, s->error, sizeof(s->error));
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load(&s->error_seq) == seq)
			break;
	}
	buf[sizeof(s->error) - 1] = '\0';
	return atomic_load(&s->error_ns) != 0;
}
