/* SPDX-License-Identifier: Apache-2.0 */
/* bypass.c - see bypass.h. */
#include "guard/bypass.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

#define PROGRAM_MS 2000u
#define STEP_MS	   5u

static const char *const state_names[] = {
    [BYPASS_UNKNOWN] = "unknown", [BYPASS_ARMED] = "armed", [BYPASS_DISARMED] = "disarmed"};

const char *
bypass_state_name(enum bypass_state s)
{
	return state_names[s];
}

/* --- file: ---------------------------------------------------------------------------------- */

/* "armed", or "disarmed UNTIL": CLOCK_MONOTONIC in ms, 0 = for good.  Appears whole. */
static int
file_write(struct bypass *b, enum bypass_state s, uint64_t until_ms, char *err, size_t size)
{
	char next[BYPASS_PATH + 8], text[64];
	int fd, n = snprintf(text, sizeof(text), "%s %" PRIu64 "\n", state_names[s], until_ms);
	bool ok;

	(void)snprintf(next, sizeof(next), "%s.next", b->path);
	fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	ok = fd >= 0 && write(fd, text, (size_t)n) == n;
	if (fd >= 0)
		close(fd);
	if (!ok || rename(next, b->path) < 0)
		return err_say(
		    err, size, err_from_errno(errno), "%s: %s", b->path, strerror(errno));
	return 0;
}

static int
file_arm(struct bypass *b, char *err, size_t size)
{
	return file_write(b, BYPASS_ARMED, 0, err, size);
}

static int
file_disarm(struct bypass *b, uint32_t watchdog_ms, char *err, size_t size)
{
	return file_write(b, BYPASS_DISARMED,
	    watchdog_ms ? clock_mono_ns() / 1000000 + watchdog_ms : 0, err, size);
}

static int
file_state(struct bypass *b, enum bypass_state *out, char *err, size_t size)
{
	char text[64] = "", word[16] = "";
	uint64_t until = 0;
	int fd = open(b->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0) {
		int e = errno;

		if (fd >= 0)
			close(fd);
		return err_say(err, size, err_from_errno(e), "%s: %s", b->path, strerror(e));
	}
	close(fd);
	if (sscanf(text, "%15s %" SCNu64, word, &until) != 2)
		return err_say(err, size, ERR_FORMAT, "%s: no state of a bypass", b->path);
	*out = strcmp(word, "disarmed") == 0 && (until == 0 || clock_mono_ns() / 1000000 < until)
		   ? BYPASS_DISARMED
		   : BYPASS_ARMED;
	return 0;
}

/* One that has bitten stays so until somebody disarms it. */
static int
file_kick(struct bypass *b, char *err, size_t size)
{
	enum bypass_state s = BYPASS_UNKNOWN;
	int r = file_state(b, &s, err, size);

	if (r < 0 || s != BYPASS_DISARMED)
		return r;
	return file_disarm(b, b->watchdog_ms, err, size);
}

/* --- exec: ---------------------------------------------------------------------------------- */

/* The program's process; its output goes to out (-1: nowhere).  Or ERR_*. */
static pid_t
program(const struct bypass *b, const char *word, const char *arg, int out)
{
	pid_t pid = fork();
	sigset_t none;
	int fd;

	if (pid != 0)
		return pid < 0 ? err_from_errno(errno) : pid;
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	fd = open("/dev/null", O_RDWR);
	if (fd < 0 || dup2(fd, 0) < 0 || dup2(out >= 0 ? out : fd, 1) < 0)
		_exit(127);
	(void)close_range(3, ~0u, 0);
	(void)execl(b->path, b->path, word, arg, (char *)NULL);
	_exit(127);
}

static int
run(const struct bypass *b, const char *word, const char *arg, int out, char *err, size_t size)
{
	pid_t pid = program(b, word, arg, out);
	int status = 0;

	if (pid < 0)
		return err_say(err, size, (int)pid, "%s: %s", b->path, err_str((int)pid));
	for (unsigned ms = 0; waitpid(pid, &status, WNOHANG) == 0; ms += STEP_MS) {
		if (ms >= PROGRAM_MS) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, NULL, 0);
			return err_say(err, size, ERR_IO, "%s %s: does not end", b->path, word);
		}
		(void)poll(NULL, 0, (int)STEP_MS);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_say(err, size, ERR_IO, "%s %s: failed (status %d)", b->path, word,
		    WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	return 0;
}

static int
exec_arm(struct bypass *b, char *err, size_t size)
{
	return run(b, "arm", NULL, -1, err, size);
}

static int
exec_disarm(struct bypass *b, uint32_t watchdog_ms, char *err, size_t size)
{
	char ms[16];

	(void)snprintf(ms, sizeof(ms), "%u", watchdog_ms);
	return run(b, "disarm", ms, -1, err, size);
}

static int
exec_kick(struct bypass *b, char *err, size_t size)
{
	pid_t pid;

	if (b->pid != 0) /* the one before is not through: its watchdog will say so */
		return err_say(err, size, ERR_AGAIN, "%s kick: does not end", b->path);
	if ((pid = program(b, "kick", NULL, -1)) < 0)
		return err_say(err, size, (int)pid, "%s: %s", b->path, err_str((int)pid));
	b->pid = pid;
	return 0;
}

static int
exec_state(struct bypass *b, enum bypass_state *out, char *err, size_t size)
{
	char text[32] = "";
	int p[2], r;

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_say(err, size, ERR_IO, "pipe: %s", strerror(errno));
	r = run(b, "state", NULL, p[1], err, size);
	if (r == 0 && read(p[0], text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(p[0]);
	close(p[1]);
	if (r < 0)
		return r;
	text[strcspn(text, " \n")] = '\0';
	*out = strcmp(text, "armed") == 0      ? BYPASS_ARMED
	       : strcmp(text, "disarmed") == 0 ? BYPASS_DISARMED
					       : BYPASS_UNKNOWN;
	return 0;
}

/* --- whichever ------------------------------------------------------------------------------ */

static const struct bypass_ops backends[] = {
    {"file:", file_arm, file_disarm, file_kick, file_state},
    {"exec:", exec_arm, exec_disarm, exec_kick, exec_state},
};

int
bypass_open(struct bypass *b, const char *spec, char *err, size_t size)
{
	*b = (struct bypass){0};
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		size_t n = strlen(backends[i].scheme);

		if (strncmp(spec, backends[i].scheme, n) != 0)
			continue;
		if (spec[n] != '/' || strlen(spec + n) >= sizeof(b->path))
			break;
		memcpy(b->path, spec + n, strlen(spec + n) + 1);
		b->ops = &backends[i];
		return 0;
	}
	return err_say(
	    err, size, ERR_USAGE, "bypass %s: file: or exec:, and a path from the root on", spec);
}

int
bypass_arm(struct bypass *b, char *err, size_t size)
{
	return b->ops ? b->ops->arm(b, err, size) : 0;
}

int
bypass_disarm(struct bypass *b, uint32_t watchdog_ms, char *err, size_t size)
{
	b->watchdog_ms = watchdog_ms;
	return b->ops ? b->ops->disarm(b, watchdog_ms, err, size) : 0;
}

int
bypass_kick(struct bypass *b, char *err, size_t size)
{
	return b->ops && b->watchdog_ms != 0 ? b->ops->kick(b, err, size) : 0;
}

int
bypass_state(struct bypass *b, enum bypass_state *out, char *err, size_t size)
{
	*out = BYPASS_UNKNOWN;
	return b->ops ? b->ops->state(b, out, err, size) : 0;
}

bool
bypass_reaped(struct bypass *b, pid_t pid)
{
	if (b->pid == 0 || pid != b->pid)
		return false;
	b->pid = 0;
	return true;
}
