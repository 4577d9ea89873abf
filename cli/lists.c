/* SPDX-License-Identifier: Apache-2.0 */
/* lists.c - see lists.h. */
#include "cli/lists.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define NICE 19 /* packets come first */

void
lists_plan(struct sensor *s, const char *list[KEEPER_LISTS])
{
	struct stat st;

	for (unsigned i = 0; i < SENSOR_LISTS; i++) {
		const char *path = sensor_list_path(s, i);
		bool there = path && lstat(path, &st) == 0;

		s->replaced[i] = path && strcmp(path, "-") != 0 && (!there || S_ISREG(st.st_mode));
		list[i] = s->replaced[i] ? path : NULL;
	}
}

bool
lists_begin(struct lists *l, struct keeper *k, struct sensor *s, uint64_t every_s)
{
	*l = (struct lists){.keeper = k, .sensor = s, .every_ns = every_s * NS_PER_S};
	for (unsigned i = 0; i < SENSOR_LISTS; i++) {
		if (!s->replaced[i])
			continue;
		if (keeper_place(k, i) < 0)
			return false;
		keeper_list(k, i, KEEPER_DROP);
	}
	l->due_ns = clock_mono_ns() + l->every_ns;
	return true;
}

static bool
any(const struct lists *l)
{
	for (unsigned i = 0; i < SENSOR_LISTS; i++)
		if (l->sensor->replaced[i])
			return true;
	return false;
}

static void
ask(struct lists *l)
{
	l->now = false;
	for (unsigned i = 0; i < SENSOR_LISTS; i++)
		if (l->sensor->replaced[i])
			keeper_list(l->keeper, i, KEEPER_OPEN);
	l->step = LISTS_PLACES;
}

/* Is there a place, or none to be had, for each? */
static bool
places_known(const struct lists *l)
{
	for (unsigned i = 0; i < SENSOR_LISTS; i++)
		if (l->sensor->replaced[i] && l->keeper->list_fd[i] < 0 &&
		    !l->keeper->list_failed[i])
			return false;
	return true;
}

/* All that has a place; a bit for each that is on disk. */
static int
write_all(const struct lists *l, const struct policy *pol)
{
	int done = 0;

	for (unsigned i = 0; i < SENSOR_LISTS; i++)
		if (l->keeper->list_fd[i] >= 0 &&
		    sensor_list_write(l->sensor, i, dup(l->keeper->list_fd[i]), pol))
			done |= 1 << i;
	return done;
}

static void
settle(struct lists *l, int done)
{
	for (unsigned i = 0; i < SENSOR_LISTS; i++) {
		if (!l->sensor->replaced[i])
			continue;
		if (done >> i & 1)
			l->written++;
		else
			l->failed++;
		if (l->keeper->list_fd[i] >= 0)
			keeper_list(l->keeper, i, done >> i & 1 ? KEEPER_DONE : KEEPER_DROP);
	}
	l->step = LISTS_IDLE;
	l->due_ns = clock_mono_ns() + l->every_ns;
}

static void
begin_child(struct lists *l, const struct policy *pol)
{
	const pid_t watch = getpid();

	l->child = fork();
	if (l->child < 0) {
		cli_say("lists: no process to write them: %s", strerror(errno));
		settle(l, 0);
		return;
	}
	if (l->child > 0) {
		l->step = LISTS_WRITING;
		return;
	}
	(void)prctl(PR_SET_NAME, "watch-lists", 0, 0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != watch)
		_exit(0);
	(void)signal(SIGINT, SIG_IGN); /* watch waits for what is begun */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)!nice(NICE);
	_exit(write_all(l, pol));
}

/* True: the child has ended, and what it wrote is where it belongs. */
static bool
reap(struct lists *l, int how)
{
	int status = 0;
	pid_t pid = waitpid(l->child, &status, how);

	if (pid == 0 || (pid < 0 && errno == EINTR))
		return false;
	if (pid > 0 && !WIFEXITED(status))
		cli_say("lists: who wrote them was ended by signal %d", WTERMSIG(status));
	settle(l, pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	return true;
}

void
lists_turn(struct lists *l, const struct policy *pol)
{
	if (!any(l))
		return;
	switch (l->step) {
	case LISTS_IDLE:
		if (l->now || (l->every_ns != 0 && clock_mono_ns() >= l->due_ns))
			ask(l);
		break;
	case LISTS_PLACES:
		if (places_known(l))
			begin_child(l, pol);
		break;
	case LISTS_WRITING:
		(void)reap(l, WNOHANG);
		break;
	}
}

bool
lists_end(struct lists *l, const struct policy *pol)
{
	int done;
	bool ok = true;

	if (!any(l))
		return true;
	while (l->step == LISTS_WRITING && !reap(l, 0))
		;
	for (unsigned i = 0; i < SENSOR_LISTS; i++)
		if (l->sensor->replaced[i] && l->keeper->list_fd[i] < 0)
			(void)keeper_place(l->keeper, i);
	done = write_all(l, pol);
	for (unsigned i = 0; i < SENSOR_LISTS; i++)
		ok &= !l->sensor->replaced[i] || done >> i & 1;
	settle(l, done);
	if (l->failed != 0)
		cli_say("lists: %llu files were written, %llu could not be written",
		    (unsigned long long)l->written, (unsigned long long)l->failed);
	return ok;
}
