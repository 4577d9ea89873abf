/* SPDX-License-Identifier: Apache-2.0 */
/* send.c - all outputs of a sender, and when they begin and end: see send.h. */
#include "sender/send.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "sender/client.h"
#include "sender/send_int.h"

#define LOOK_MS	  200
#define STATUS_NS NS_PER_S
#define STACK	  (512u << 10) /* of a thread */

struct sender {
	const struct send_conf *conf;
	struct send_common common;
	struct output *output;
	pthread_t *thread;
	size_t n, running;
	int signal_fd;
	_Atomic uint64_t proposal;
};

static int
open_dirs(struct sender *s, char *err, size_t err_size)
{
	const char *dir = s->conf->state_dir;

	if (mkdir(dir, 0750) != 0 && errno != EEXIST)
		return err_say(
		    err, err_size, err_from_errno(errno), "%s: %s", dir, strerror(errno));
	s->common.state_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->common.state_fd < 0)
		return err_say(
		    err, err_size, err_from_errno(errno), "%s: %s", dir, strerror(errno));
	s->common.journal_fd = open(s->conf->journal_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->common.journal_fd < 0)
		return err_say(err, err_size, err_from_errno(errno), "journal %s: %s",
		    s->conf->journal_dir, strerror(errno));
	for (unsigned i = 0; i < 2; i++) {
		dir = i == 0 ? s->conf->proposals_dir : s->conf->rollouts_dir;
		if (dir && mkdir(dir, 0750) != 0 && errno != EEXIST)
			return err_say(
			    err, err_size, err_from_errno(errno), "%s: %s", dir, strerror(errno));
	}
	if (flock(s->common.state_fd, LOCK_EX | LOCK_NB) != 0)
		return err_say(
		    err, err_size, ERR_EXISTS, "%s: another sender uses it", s->conf->state_dir);
	return 0;
}

static bool
open_outputs(struct sender *s, char *err, size_t err_size)
{
	const struct send_conf *c = s->conf;

	s->output = calloc(c->n_targets, sizeof(*s->output));
	s->thread = calloc(c->n_targets, sizeof(*s->thread));
	if (!s->output || !s->thread)
		return err_say(err, err_size, 0, "out of memory") != 0;
	for (; s->n < c->n_targets; s->n++) {
		struct output *o = &s->output[s->n];

		if (!output_init(o, c, &s->common, c->targets[s->n], err, err_size)) {
			output_fini(o);
			return false;
		}
		for (size_t i = 0; i < s->n; i++)
			if (strcmp(s->output[i].target.name, o->target.name) == 0) {
				output_fini(o);
				return err_say(err, err_size, 0,
					   "two outputs are called %s: give one ,name=ANOTHER",
					   o->target.name) != 0;
			}
	}
	return true;
}

static void
close_all(struct sender *s)
{
	for (size_t i = 0; i < s->n; i++)
		output_fini(&s->output[i]);
	free(s->output);
	free(s->thread);
	if (s->common.state_fd >= 0)
		(void)close(s->common.state_fd);
	if (s->common.journal_fd >= 0)
		(void)close(s->common.journal_fd);
	if (s->common.wake_fd >= 0)
		(void)close(s->common.wake_fd);
	if (s->signal_fd >= 0)
		(void)close(s->signal_fd);
}

/* Signals come by a descriptor; threads begin with them blocked. */
static int
catch_signals(struct sender *s, char *err, size_t err_size)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 ||
	    (s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0 ||
	    (s->common.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
		return err_say(err, err_size, err_from_errno(errno), "%s", strerror(errno));
	return 0;
}

static bool
start(struct sender *s, char *err, size_t err_size)
{
	pthread_attr_t attr;
	int e = pthread_attr_init(&attr);

	if (e == 0)
		e = pthread_attr_setstacksize(&attr, STACK);
	for (; e == 0 && s->running < s->n; s->running += e == 0)
		e = pthread_create(
		    &s->thread[s->running], &attr, output_run, &s->output[s->running]);
	(void)pthread_attr_destroy(&attr);
	return e == 0 || err_say(err, err_size, 0, "a thread: %s", strerror(e)) != 0;
}

static void
tell_end(struct sender *s, enum send_ending how)
{
	const uint64_t one = 1;

	atomic_store(&s->common.ending, how);
	(void)!write(s->common.wake_fd, &one, sizeof(one));
}

static bool
all_ended(struct sender *s)
{
	for (size_t i = 0; i < s->running; i++)
		if (!atomic_load(&s->output[i].ended))
			return false;
	return true;
}

static void
on_signal(struct sender *s, uint64_t now, uint64_t *until)
{
	struct signalfd_siginfo si;

	while (read(s->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGHUP) {
			atomic_fetch_add(&s->common.reopen, 1);
		} else if (atomic_load(&s->common.ending) == SEND_GOES_ON) {
			*until = now + s->conf->drain_ms * UINT64_C(1000000);
			tell_end(s, SEND_DRAINS);
		} else {
			*until = now; /* a second one: at once */
		}
	}
}

static void
live(struct sender *s)
{
	uint64_t now = clock_mono_ns(), until = UINT64_MAX, status = 0;

	while (!all_ended(s)) {
		struct pollfd p = {.fd = s->signal_fd, .events = POLLIN};

		(void)poll(&p, 1, LOOK_MS);
		now = clock_mono_ns();
		on_signal(s, now, &until);
		if (now >= until && atomic_load(&s->common.ending) == SEND_DRAINS) {
			log_warn("there was no time to send everything: the journal has it");
			tell_end(s, SEND_ABORTS);
		}
		if (now >= status) {
			status_write(&s->common, s->output, s->n);
			status = now + STATUS_NS;
		}
	}
}

static enum send_end
finish(struct sender *s)
{
	enum send_end end = SEND_ALL;

	for (size_t i = 0; i < s->running; i++) {
		(void)pthread_join(s->thread[i], NULL);
		if (!atomic_load(&s->output[i].delivered))
			end = SEND_LEFT;
	}
	status_write(&s->common, s->output, s->n);
	return end;
}

enum send_end
send_run(const struct send_conf *conf, char *err, size_t err_size)
{
	struct sender s = {
	    .conf = conf,
	    .common =
		{
		    .journal_fd = -1,
		    .state_fd = -1,
		    .identity = conf->identity,
		    .evidence_dir = conf->evidence_dir,
		    .assets_path = conf->assets_path,
		    .proposals_dir = conf->proposals_dir,
		    .watchlist_path = conf->watchlist_path,
		    .rollouts_dir = conf->rollouts_dir,
		    .proposal = &s.proposal,
		    .policy = conf->policy,
		    .policy_ctx = conf->policy_ctx,
		    .retry_max_ms = conf->retry_max_ms,
		    .timeout_ms = conf->timeout_ms,
		    .wake_fd = -1,
		},
	    .signal_fd = -1,
	};
	enum send_end end = SEND_UNABLE;

	if (client_init() < 0)
		(void)err_say(err, err_size, 0, "libcurl does not start");
	else if (open_dirs(&s, err, err_size) == 0 && open_outputs(&s, err, err_size) &&
		 catch_signals(&s, err, err_size) == 0 &&
		 confine_sender(conf, s.output, s.n, err, err_size) == 0) {
		if (start(&s, err, err_size)) {
			live(&s);
			end = finish(&s);
		} else {
			tell_end(&s, SEND_ABORTS);
			(void)finish(&s);
		}
	}
	close_all(&s);
	return end;
}
