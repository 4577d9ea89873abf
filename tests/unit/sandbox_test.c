/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox_test.c - children that enter a sandbox and then try what they must not.
 *
 * Each attempt is a child of its own, since it ends there: with SIGSYS when the system call is not
 * its role's, with an error when the call is but not for this.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sandbox.h"

#define FAILED_TO_ENTER 99
#define NOBODY		65534
#define PORT		65531 /* nobody listens there */

static char dir[] = "/tmp/il-sandbox-XXXXXX";
static char file[64];

/* Runs what() in a sandbox; the status of waitpid(). */
static int
run(enum sandbox_role role, int (*what)(void))
{
	const char *const dirs[] = {dir, NULL}, *const reads[] = {"/etc", NULL};
	const uint16_t ports[] = {PORT, 0};
	const struct sandbox s = {.role = role,
	    .uid = NOBODY,
	    .gid = NOBODY,
	    .dirs = role == SANDBOX_SIGNER || role == SANDBOX_SENDER || role == SANDBOX_WATCH
			? dirs
			: NULL,
	    .reads = role == SANDBOX_SENDER || role == SANDBOX_WATCH ? reads : NULL,
	    .ports = role == SANDBOX_SENDER ? ports : NULL};
	char err[256] = "";
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (sandbox_enter(&s, err, sizeof(err)) < 0) {
			(void)!write(2, err, strlen(err));
			_exit(FAILED_TO_ENTER);
		}
		_exit(what());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
killed(enum sandbox_role role, const char *name, int (*what)(void))
{
	int status = run(role, what);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		fail_msg("role %d: %s: not stopped (status %#x)", role, name, (unsigned)status);
}

static void
fine(enum sandbox_role role, const char *name, int (*what)(void))
{
	int status = run(role, what);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("role %d: %s: status %#x", role, name, (unsigned)status);
}

/* --- what nobody may ------------------------------------------------------------------------- */

static int
do_fork(void)
{
	return (int)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}
static int
do_exec(void)
{
	char *const argv[] = {(char *)(uintptr_t) "/bin/true", NULL};

	return (int)syscall(SYS_execve, argv[0], argv, NULL);
}
static int
do_socket(void)
{
	return (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}
static int
do_connect(void)
{
	struct sockaddr sa = {.sa_family = AF_UNSPEC};

	return (int)syscall(SYS_connect, 0, &sa, sizeof(sa));
}
static int
do_ptrace(void)
{
	return (int)syscall(SYS_ptrace, PTRACE_TRACEME, 0, NULL, NULL);
}
static int
do_kill(void)
{
	return (int)syscall(SYS_kill, getppid(), 0);
}
static int
do_kill_by_thread(void)
{
	return (int)syscall(SYS_tgkill, 1, 1, 0);
}
static int
do_setuid(void)
{
	return (int)syscall(SYS_setuid, 0);
}
static int
do_bpf(void)
{
	return (int)syscall(SYS_bpf, 0, NULL, 0);
}
static int
do_mount(void)
{
	return (int)syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL);
}
static int
do_io_uring(void)
{
	return (int)syscall(425, 1, NULL); /* io_uring_setup */
}
static int
do_prctl(void)
{
	return (int)syscall(SYS_prctl, 1, 0, 0, 0, 0);
}
static int
do_map_code(void)
{
	return (int)syscall(
	    SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static int
do_ioctl(void)
{
	return (int)syscall(SYS_ioctl, 0, 0x5401, NULL);
}
static int
do_open(void)
{
	return (int)syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}
static int
do_open_old(void)
{
	return (int)syscall(SYS_open, "/etc/passwd", O_RDONLY);
}
static int
do_unlink(void)
{
	return (int)syscall(SYS_unlink, file);
}
static int
do_memfd(void)
{
	return (int)syscall(SYS_memfd_create, "x", 0);
}
static int
do_make_code(void)
{
	static char page[8192] __attribute__((aligned(4096)));

	return (int)syscall(SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC);
}
static int
do_read(void)
{
	char c;

	return (int)syscall(SYS_read, 0, &c, 1);
}

static const struct {
	const char *name;
	int (*what)(void);
} never[] = {
    {"fork", do_fork},
    {"exec", do_exec},
    {"socket", do_socket},
    {"connect", do_connect},
    {"ptrace", do_ptrace},
    {"kill", do_kill},
    {"a signal to another thread group", do_kill_by_thread},
    {"setuid", do_setuid},
    {"bpf", do_bpf},
    {"mount", do_mount},
    {"io_uring", do_io_uring},
    {"prctl", do_prctl},
    {"memory with code", do_map_code},
    {"ioctl", do_ioctl},
    {"open, the old call", do_open_old},
};

static void
test_never(void **st)
{
	(void)st;
	for (int role = 0; role < SANDBOX__ROLES; role++)
		for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
			/* an HTTP server works with its connections; test_sender(), test_watch() */
			if (role == SANDBOX_METRICS || role == SANDBOX_SENDER ||
			    role == SANDBOX_WATCH)
				continue;
			killed((enum sandbox_role)role, never[i].name, never[i].what);
		}
}

/* --- the worker ------------------------------------------------------------------------------ */

/* Refused, and nothing is broken by it. */
static int
do_grow(void)
{
#ifdef __SANITIZE_ADDRESS__ /* has an allocator of its own */
	return 0;
#else
	void *big = malloc(64u << 20);
	void *brk_before = sbrk(0);

	return big != NULL || sbrk(1 << 20) != (void *)-1 || sbrk(0) != brk_before;
#endif
}
static int
do_worker_things(void)
{
	struct timespec ts;
	struct stat sb;

	if (clock_gettime(CLOCK_REALTIME, &ts) < 0 || fstat(2, &sb) < 0)
		return 1;
	if (write(2, "", 0) != 0)
		return 2;
	/* There is nothing of the old file system, not even by name. */
	return syscall(SYS_newfstatat, AT_FDCWD, "/etc", &sb, 0) == 0;
}
static int
do_abort(void)
{
	abort();
}

static void
test_worker(void **st)
{
	(void)st;
	killed(SANDBOX_WORKER, "open", do_open);
	killed(SANDBOX_WORKER, "unlink", do_unlink);
	killed(SANDBOX_WORKER, "memfd_create", do_memfd);
	killed(SANDBOX_WORKER, "code out of data", do_make_code);
	killed(SANDBOX_WORKER, "read", do_read);
	fine(SANDBOX_WORKER, "what it needs", do_worker_things);
	fine(SANDBOX_WORKER, "growing", do_grow);
}

static void
test_failed_assertion(void **st)
{
	int status = run(SANDBOX_WORKER, do_abort);

	(void)st;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT); /* not SIGSYS: the core says where */
}

static void
test_builder(void **st)
{
	(void)st;
	killed(SANDBOX_BUILDER, "open", do_open);
	killed(SANDBOX_BUILDER, "unlink", do_unlink);
	fine(SANDBOX_BUILDER, "what it needs", do_worker_things);
}

/* --- the signer: files, but only its own ------------------------------------------------------ */

static int
do_own_file(void)
{
	char path[80];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/segment", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) < 0 || ftruncate(fd, 0) < 0)
		return 1;
	return unlink(path) < 0;
}
static int
do_other_file(void)
{
	if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		return 1;
	return open("/tmp/il-sandbox-elsewhere", O_RDWR | O_CREAT | O_CLOEXEC, 0600) >= 0 ||
	       errno != EACCES;
}

static void
test_signer(void **st)
{
	(void)st;
	fine(SANDBOX_SIGNER, "a file of its own", do_own_file);
	if (*sandbox_lacking() == '\0')
		fine(SANDBOX_SIGNER, "somebody else's file", do_other_file);
}

/* --- the sender: connections and files, but only its own ----------------------------------------- */

static bool
landlock_net(void) /* ABI 4 */
{
	return syscall(444, NULL, 0, 1) >= 4;
}

static int
connect_to(uint16_t port)
{
	const struct sockaddr_in sa = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0							   ? -errno
	       : connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? errno
									   : 0;
}
static int
do_own_port(void)
{
	return connect_to(PORT) != ECONNREFUSED;
}
static int
do_other_port(void)
{
	return connect_to(PORT - 1) != EACCES;
}
static int
do_listen(void)
{
	const struct sockaddr_in sa = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return 1;
	/* A port of its own choice, and then none of the kernel's. */
	return (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0 || errno != EACCES) ||
	       (listen(fd, 1) == 0 || errno != ENOSYS);
}
static int
do_raw_sockets(void)
{
	return (socket(AF_PACKET, SOCK_RAW, 0) >= 0 || errno != ENOSYS) ||
	       (socket(AF_ALG, SOCK_SEQPACKET, 0) >= 0 || errno != ENOSYS) ||
	       (socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0 || errno != EPERM);
}
static int
do_read_only(void)
{
	if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0)
		return 1;
	if (open("/etc/il-sandbox", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0 || errno != EACCES)
		return 2;
	return open("/usr/bin/env", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES;
}
static int
do_place(void)
{
	char path[80], to[80];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/place.new", dir);
	(void)snprintf(to, sizeof(to), "%s/place", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) < 0 || rename(path, to) < 0)
		return 1;
	return unlink(to) < 0;
}
static int
do_process(void)
{
	return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) != -1 || errno != ENOSYS;
}
static int
do_unknown(void)
{
	return syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS;
}
static int
do_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
		   MAP_FAILED ||
	       errno != ENOSYS;
}

/* --- a watch: what is open, its evidence, what is read again, a child that writes lists --------------- */

static int
do_child(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(7);
	return pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	       WEXITSTATUS(status) != 7;
}
static int
do_spaces(void)
{
	return syscall(SYS_clone, SIGCHLD | 0x10000000 /* CLONE_NEWUSER */, NULL, NULL, NULL,
		   NULL) != -1 ||
	       errno != ENOSYS;
}
static int
do_any_socket(void)
{
	return (socket(AF_PACKET, SOCK_RAW, 0) >= 0 || errno != ENOSYS) ||
	       (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != ENOSYS) ||
	       (socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || errno != ENOSYS);
}
static int
do_evidence(void)
{
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;

	fd = openat(at, "part", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || renameat(at, "part", at, "whole") < 0)
		return 1;
	return unlinkat(at, "whole", 0) < 0;
}
static int
do_bpf_unknown(void)
{
	return syscall(SYS_bpf, 0, NULL, 0) != -1 || errno != ENOSYS;
}

static void
test_watch(void **st)
{
	(void)st;
	killed(SANDBOX_WATCH, "exec", do_exec);
	killed(SANDBOX_WATCH, "ptrace", do_ptrace);
	killed(SANDBOX_WATCH, "kill", do_kill);
	killed(SANDBOX_WATCH, "setuid", do_setuid);
	killed(SANDBOX_WATCH, "mount", do_mount);
	killed(SANDBOX_WATCH, "io_uring", do_io_uring);
	fine(SANDBOX_WATCH, "a child", do_child);
	fine(SANDBOX_WATCH, "a child in other name spaces", do_spaces);
	fine(SANDBOX_WATCH, "sockets", do_any_socket);
	fine(SANDBOX_WATCH, "bpf", do_bpf_unknown);
	fine(SANDBOX_WATCH, "a call it does not know", do_unknown);
	fine(SANDBOX_WATCH, "memory with code", do_code);
	fine(SANDBOX_WATCH, "a file of its own", do_evidence);
	if (syscall(444, NULL, 0, 1) >= 1) /* landlock */
		fine(SANDBOX_WATCH, "a file to be read", do_read_only);
}

static void
test_sender(void **st)
{
	(void)st;
	killed(SANDBOX_SENDER, "exec", do_exec);
	killed(SANDBOX_SENDER, "ptrace", do_ptrace);
	killed(SANDBOX_SENDER, "kill", do_kill);
	killed(SANDBOX_SENDER, "setuid", do_setuid);
	killed(SANDBOX_SENDER, "bpf", do_bpf);
	killed(SANDBOX_SENDER, "mount", do_mount);
	killed(SANDBOX_SENDER, "io_uring", do_io_uring);
	fine(SANDBOX_SENDER, "a process", do_process);
	fine(SANDBOX_SENDER, "a call it does not know", do_unknown);
	fine(SANDBOX_SENDER, "memory with code", do_code);
	fine(SANDBOX_SENDER, "raw sockets", do_raw_sockets);
	fine(SANDBOX_SENDER, "a place of its own", do_place);
	fine(SANDBOX_SENDER, "a port of its own", do_own_port);
	if (*sandbox_lacking() == '\0') {
		fine(SANDBOX_SENDER, "what it may only read, and what not even that", do_read_only);
		if (landlock_net()) {
			fine(SANDBOX_SENDER, "somebody else's port", do_other_port);
			fine(SANDBOX_SENDER, "to be a server", do_listen);
		}
	}
}

/* --- rights ---------------------------------------------------------------------------------- */

/* A line of /proc/self/status, read before seccomp forbids it: so by the parent, of a child. */
static void
status_of(pid_t pid, const char *key, char *value, size_t size)
{
	char path[64], line[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	*value = '\0';
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			(void)snprintf(value, size, "%s", line + strlen(key));
	(void)fclose(f);
	value[strcspn(value, "\n")] = '\0';
}

static void
test_rights(void **st)
{
	const struct sandbox s = {.role = SANDBOX_WORKER, .uid = NOBODY, .gid = NOBODY};
	char err[256] = "", value[128], byte;
	int p[2], gone[2], status;
	pid_t pid;

	(void)st;
	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe(p), 0);
	assert_int_equal(pipe(gone), 0);
	if ((pid = fork()) == 0) {
		const int keep[] = {p[1]};
		struct sandbox k = s;

		k.keep = keep;
		k.n_keep = 1;
		if (sandbox_enter(&k, err, sizeof(err)) < 0 || write(p[1], "x", 1) != 1)
			_exit(FAILED_TO_ENTER);
		/* The other pipe is closed: a leak would be seen here. */
		if (write(gone[1], "x", 1) != -1 || errno != EBADF)
			(void)!write(p[1], "y", 1);
		for (;;)
			(void)ppoll(NULL, 0, NULL, NULL);
	}
	assert_int_equal(read(p[0], &byte, 1), 1);
	status_of(pid, "CapEff:\t", value, sizeof(value));
	assert_string_equal(value, "0000000000000000");
	status_of(pid, "CapPrm:\t", value, sizeof(value));
	assert_string_equal(value, "0000000000000000");
	status_of(pid, "CapBnd:\t", value, sizeof(value));
	assert_string_equal(value, "0000000000000000");
	status_of(pid, "NoNewPrivs:\t", value, sizeof(value));
	assert_string_equal(value, "1");
	status_of(pid, "Seccomp:\t", value, sizeof(value));
	assert_string_equal(value, "2");
	status_of(pid, "Uid:\t", value, sizeof(value));
	assert_string_equal(value, "65534\t65534\t65534\t65534");
	status_of(pid, "Groups:\t", value, sizeof(value));
	assert_true(value[0] == '\0' || strcmp(value, " ") == 0);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(p[1]);
	assert_int_equal(read(p[0], &byte, 1), 0); /* no "y" came */
	close(p[0]);
	close(gone[0]);
	close(gone[1]);
}

static int
setup(void **st)
{
	FILE *f;

	(void)st;
	if (!mkdtemp(dir) || chown(dir, NOBODY, NOBODY) < 0)
		return geteuid() == 0 ? -1 : 0;
	(void)snprintf(file, sizeof(file), "%s/file", dir);
	if ((f = fopen(file, "we")))
		(void)fclose(f);
	return 0;
}

static int
teardown(void **st)
{
	(void)st;
	(void)unlink(file);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_never),
	    cmocka_unit_test(test_worker),
	    cmocka_unit_test(test_failed_assertion),
	    cmocka_unit_test(test_builder),
	    cmocka_unit_test(test_signer),
	    cmocka_unit_test(test_sender),
	    cmocka_unit_test(test_watch),
	    cmocka_unit_test(test_rights),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
