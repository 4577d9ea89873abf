/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox.c - giving up rights: user, capabilities (capabilities(7)), descriptors, file system
 * (Documentation/userspace-api/landlock.rst), system calls (seccomp(2), by libseccomp).
 *
 * The order matters: descriptors first (a leak is worst), then the user, then what is left of the rights,
 * then the rules of the file system, and system calls last, since the steps before need more.
 */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/sockios.h>

#include "base/err.h"
#include "base/user.h"

#define HEAP_SPARE (2u << 20) /* of a worker: what names flows (nDPI) allocates as it goes */

/* --- system calls ---------------------------------------------------------------------------- */

#ifdef __clang__ /* what libseccomp's macros leave out of a comparison is 0 */
#pragma clang diagnostic ignored "-Wmissing-field-initializers"
#endif

#define WORKER	(1u << SANDBOX_WORKER)
#define BUILDER (1u << SANDBOX_BUILDER)
#define SIGNER	(1u << SANDBOX_SIGNER)
#define METRICS (1u << SANDBOX_METRICS)
#define SENDER	(1u << SANDBOX_SENDER)
#define WATCH	(1u << SANDBOX_WATCH)
#define DRIVER	(1u << SANDBOX__ROLES) /* a worker with a driver of DPDK in it */
#define ALL	(WORKER | BUILDER | SIGNER | METRICS | SENDER | WATCH)
#define GROWS	(BUILDER | SIGNER | METRICS | SENDER | WATCH) /* may take memory after its start */

static const struct call {
	int nr;
	unsigned who;
	const char *why;
} calls[] = {
    /* How every program ends and goes on. */
    {SCMP_SYS(exit_group), ALL, "to end"},
    {SCMP_SYS(exit), ALL, "to end"},
    {SCMP_SYS(rt_sigreturn), ALL, "back from a signal handler"},
    {SCMP_SYS(restart_syscall), ALL, "a wait that was stopped (SIGSTOP, a debugger) goes on"},
    {SCMP_SYS(rt_sigprocmask), ALL, "abort() of a failed assertion"},
    {SCMP_SYS(gettid), ALL, "abort()"},
    {SCMP_SYS(getpid), ALL, "abort()"},
#ifdef __SANITIZE_ADDRESS__
    {SCMP_SYS(sigaltstack), ALL, "the end of a process under AddressSanitizer"},
#endif
    /* Time. */
    {SCMP_SYS(clock_gettime), ALL, "where the vDSO cannot answer by itself (some hypervisors)"},
    {SCMP_SYS(gettimeofday), SIGNER | SENDER, "the same"},
    {SCMP_SYS(adjtimex), SIGNER, "is the clock kept in step; to set it takes a capability"},
    {SCMP_SYS(clock_adjtime), SIGNER, "the same"},
    /* Descriptors it has. */
    {SCMP_SYS(close), ALL, "descriptors that came with a message"},
    {SCMP_SYS(write), ALL, "a last word on standard error; what a dump or an export is"},
    {SCMP_SYS(writev), ALL, "stdio does it for standard error"},
    {SCMP_SYS(sendmsg), ALL, "messages to the parent"},
    {SCMP_SYS(recvmsg), WORKER | SIGNER | BUILDER | SENDER | WATCH, "messages from the parent"},
    {SCMP_SYS(fstat), ALL, "size of an image; stdio"},
    {SCMP_SYS(newfstatat), ALL, "fstat() of this C library; there is no path in a new root"},
    {SCMP_SYS(fcntl), ALL, "seals of an image"},
    {SCMP_SYS(lseek), ALL, "size of an image"},
    {SCMP_SYS(ppoll), WORKER | SIGNER | BUILDER | SENDER | WATCH, "to sleep until something comes"},
    {SCMP_SYS(poll), WORKER | SIGNER | BUILDER | SENDER | WATCH, "the same"},
    {SCMP_SYS(munmap), ALL, "an old policy; memory given back"},
    {SCMP_SYS(madvise), ALL, "free() of a large block"},
    /* The worker's ports and samples. */
    {SCMP_SYS(sendto), WORKER | WATCH, "AF_XDP: tells the kernel of frames to send"},
    {SCMP_SYS(recvfrom), WORKER | WATCH, "AF_XDP: tells the kernel of empty frames"},
    {SCMP_SYS(getsockopt), WORKER | WATCH, "AF_XDP: what the kernel lost"},
    {SCMP_SYS(epoll_wait), WORKER | WATCH, "the ring buffer of the filter"},
    /* DPDK: its interrupt thread, and locks between that and the worker. */
    {SCMP_SYS(read), DRIVER, "what woke the interrupt thread"},
    {SCMP_SYS(epoll_ctl), DRIVER, "what can wake it"},
    {SCMP_SYS(timerfd_settime), DRIVER, "alarms that a driver sets for itself"},
    {SCMP_SYS(futex), DRIVER, "locks"},
    {SCMP_SYS(sched_yield), DRIVER, "the same"},
    {SCMP_SYS(nanosleep), DRIVER, "a driver that waits for its device"},
    {SCMP_SYS(clock_nanosleep), DRIVER, "the same"},
    {SCMP_SYS(epoll_pwait), WORKER | WATCH, "the same"},
    {SCMP_SYS(pwrite64), WORKER | SIGNER | WATCH, "an export of flows; segments"},
    {SCMP_SYS(ftruncate), WORKER | BUILDER | SIGNER | WATCH,
	"size of an export, of an image, of a segment"},
    /* The HTTP server: its listening socket, its clients, its one question to the parent. */
    {SCMP_SYS(accept4), METRICS, "a client"},
    {SCMP_SYS(epoll_ctl), METRICS, "a client comes, goes, is read, is written"},
    {SCMP_SYS(epoll_wait), METRICS, "which of them"},
    {SCMP_SYS(epoll_pwait), METRICS, "the same"},
    {SCMP_SYS(poll), METRICS, "to sleep until something comes"},
    {SCMP_SYS(ppoll), METRICS, "the same"},
    {SCMP_SYS(recvfrom), METRICS | SENDER, "a request; the parent's answer"},
    {SCMP_SYS(sendto), METRICS | SENDER, "an answer; the question"},
    {SCMP_SYS(setsockopt), METRICS | SENDER, "TCP_NODELAY, TCP_CORK"},
    {SCMP_SYS(getsockopt), METRICS | SENDER, "what became of a connection"},
    {SCMP_SYS(getsockname), METRICS | SENDER, "the library asks"},
    {SCMP_SYS(shutdown), METRICS | SENDER, "the end of an answer"},
    /* What may take memory. */
    {SCMP_SYS(brk), ALL, "memory; a worker's heap is frozen"},
    {SCMP_SYS(mremap), GROWS, "realloc() of a large block"},
    {SCMP_SYS(sysinfo), GROWS, "qsort() asks how much memory there is"},
    {SCMP_SYS(getrandom), GROWS, "seed of malloc(); a key of this run"},
    {SCMP_SYS(futex), GROWS, "locks of the C library"},
    /* The builder's input and product. */
    {SCMP_SYS(read), SIGNER | METRICS | SENDER | WATCH, "the journal; a request"},
    {SCMP_SYS(pread64), ALL, "the text of a policy; the head of an image; a segment"},
    {SCMP_SYS(memfd_create), BUILDER, "the image"},
    /* The signer's files: below its directories only (landlock). */
    {SCMP_SYS(openat), SIGNER | SENDER | WATCH, "segments of the journal, EVE files"},
    {SCMP_SYS(openat2), SENDER, "the files of a policy, without any link"},
    {SCMP_SYS(fsync), SIGNER | SENDER | WATCH, "a batch is on disk before it leaves"},
    {SCMP_SYS(fdatasync), SIGNER | SENDER | WATCH, "the same"},
    {SCMP_SYS(sync_file_range), SIGNER, "the same"},
    {SCMP_SYS(rename), SIGNER | SENDER, "files that appear whole"},
    {SCMP_SYS(renameat), SIGNER | SENDER | WATCH, "the same"},
    {SCMP_SYS(renameat2), SIGNER | SENDER | WATCH, "the same"},
    {SCMP_SYS(linkat), SIGNER, "the same"},
    {SCMP_SYS(unlink), SIGNER | SENDER, "segments that are beyond the limit"},
    {SCMP_SYS(unlinkat), SIGNER | SENDER | WATCH, "the same"},
    {SCMP_SYS(mkdirat), SIGNER, "a journal in a new place"},
    {SCMP_SYS(mkdir), SIGNER, "the same"},
    {SCMP_SYS(getdents64), SIGNER | SENDER, "which segments there are"},
    {SCMP_SYS(flock), SIGNER | SENDER, "one writer of a journal"},
    {SCMP_SYS(fallocate), SIGNER, "room for a segment"},
    {SCMP_SYS(statx), SIGNER | SENDER | WATCH, "stat() of a path"},
    {SCMP_SYS(fstatfs), SIGNER, "how full the disk is"},
    {SCMP_SYS(clock_nanosleep), SIGNER | SENDER | WATCH, "to wait for the next turn"},
    {SCMP_SYS(nanosleep), SIGNER | SENDER | WATCH, "the same"},
    /* What a watch does beside looking at packets: lists by a child, a page on the terminal, a driver's thread. */
    {SCMP_SYS(wait4), WATCH, "its child has written the lists"},
    {SCMP_SYS(getppid), WATCH, "the child: is watch still there"},
    {SCMP_SYS(getpriority), WATCH, "the child: packets come first"},
    {SCMP_SYS(setpriority), WATCH, "the same"},
    {SCMP_SYS(dup), WATCH, "the place of a list"},
    {SCMP_SYS(epoll_ctl), WATCH, "DPDK: what can wake its interrupt thread"},
    {SCMP_SYS(timerfd_settime), WATCH, "DPDK: alarms"},
    /* The sender's connections, threads and what its libraries look at. */
    {SCMP_SYS(connect), SENDER, "to who receives; TCP to their ports only (landlock)"},
    {SCMP_SYS(bind), SENDER, "names: a netlink socket; no TCP port (landlock)"},
    {SCMP_SYS(socketpair), SENDER, "libcurl wakes its resolver"},
    {SCMP_SYS(pipe2), SENDER, "the same"},
    {SCMP_SYS(eventfd2), SENDER, "the same"},
    {SCMP_SYS(sendmmsg), SENDER, "names: both questions at once"},
    {SCMP_SYS(getpeername), SENDER, "the library asks"},
    {SCMP_SYS(rt_sigaction), SENDER | WATCH, "the first thread; SIGPIPE"},
    {SCMP_SYS(set_robust_list), SENDER | WATCH, "a thread begins"},
    {SCMP_SYS(rseq), SENDER | WATCH, "the same"},
    {SCMP_SYS(sched_getaffinity), SENDER, "the same"},
    {SCMP_SYS(sched_yield), SENDER | WATCH, "locks"},
    {SCMP_SYS(access), SENDER, "is a file there"},
    {SCMP_SYS(faccessat), SENDER, "the same"},
    {SCMP_SYS(faccessat2), SENDER, "the same"},
    {SCMP_SYS(stat), SENDER, "the same"},
    {SCMP_SYS(uname), SENDER, "names: the machine's own"},
    {SCMP_SYS(getuid), SENDER, "libraries that ask who they are"},
    {SCMP_SYS(geteuid), SENDER | WATCH, "the same"},
    {SCMP_SYS(getgid), SENDER, "the same"},
    {SCMP_SYS(getegid), SENDER, "the same"},
};

/*
 * The libraries of a sender (libcurl, GnuTLS, the resolver) and of a watch (libpcap, DPDK, what a terminal needs) differ from
 * system to system in what they try first: what is not listed does not exist for them (ENOSYS), and they take another way.
 * These no library of its kind would ask for.
 */
static const struct {
	int nr;
	unsigned who;
} hostile[] = {
    {SCMP_SYS(execve), SENDER | WATCH},
    {SCMP_SYS(execveat), SENDER | WATCH},
    {SCMP_SYS(fork), SENDER},
    {SCMP_SYS(vfork), SENDER | WATCH},
    {SCMP_SYS(ptrace), SENDER | WATCH},
    {SCMP_SYS(process_vm_readv), SENDER | WATCH},
    {SCMP_SYS(process_vm_writev), SENDER | WATCH},
    {SCMP_SYS(kill), SENDER | WATCH},
    {SCMP_SYS(bpf), SENDER}, /* net_af_xdp takes its program away when it ends, or tries to */
    {SCMP_SYS(mount), SENDER | WATCH},
    {SCMP_SYS(unshare), SENDER | WATCH},
    {SCMP_SYS(setns), SENDER | WATCH},
    {SCMP_SYS(chroot), SENDER | WATCH},
    {SCMP_SYS(setuid), SENDER | WATCH},
    {SCMP_SYS(setresuid), SENDER | WATCH},
    {SCMP_SYS(init_module), SENDER | WATCH},
    {SCMP_SYS(finit_module), SENDER | WATCH},
    {SCMP_SYS(keyctl), SENDER | WATCH},
    {SCMP_SYS(perf_event_open), SENDER | WATCH},
    {SCMP_SYS(userfaultfd), SENDER | WATCH},
    {SCMP_SYS(io_uring_setup), SENDER | WATCH},
};

static int
add_hostile(scmp_filter_ctx f, unsigned who)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
		if (hostile[i].who & who)
			r |= seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, hostile[i].nr, 0);
	return r;
}

static int
add_sender(scmp_filter_ctx f)
{
	static const int families[] = {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK};
	static const unsigned asks[] = {SIOCOUTQ, FIONREAD, FIONBIO};
	int r = add_hostile(f, SENDER);

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
		    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++)
		r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, asks[i]));
	/* A thread, never a process.  (Nobody can look into clone3(): the C library then takes this.) */
	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
	    SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	return r;
}

static int
add_watch(scmp_filter_ctx f)
{
	static const unsigned asks[] = {TCGETS, TCSETS, TCSETSW, TIOCGWINSZ, SIOCGIFFLAGS};
	static const unsigned names[] = {PR_SET_NAME, PR_SET_PDEATHSIG};
	int r = add_hostile(f, WATCH);

	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]);
	     i++) /* a terminal; is the interface there */
		r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, asks[i]));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, names[i]));
	/* The child that writes lists, in no name space of its own. */
	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
	    SCMP_A0(SCMP_CMP_MASKED_EQ,
		CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
		    CLONE_NEWPID | CLONE_NEWNET | CLONE_PTRACE,
		0));
	return r;
}

/* Arguments matter for these: memory that nobody can write and run, and signals to oneself. */
static int
add_special(scmp_filter_ctx f)
{
	int r = 0;

	r |= seccomp_rule_add(
	    f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	/* An image of a policy is mapped to be read; what malloc() takes is its own. */
	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE | PROT_EXEC, 0));
	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE | PROT_EXEC, PROT_WRITE),
	    SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_SHARED | MAP_PRIVATE, MAP_PRIVATE));
	r |= seccomp_rule_add(
	    f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return r;
}

/*
 * A heap that cannot grow any more: malloc() lives on what is set aside here, and then says
 * NULL.  (A limit, not a filter: brk(2) has no way to say no but by the kernel's own answer.)
 */
static int
freeze_heap(void)
{
#ifndef __SANITIZE_ADDRESS__
	const struct rlimit none = {0, 0};
	void *spare;

	(void)mallopt(M_MMAP_MAX, 0);
	(void)mallopt(M_ARENA_MAX, 1); /* what is spare is for all threads */
	(void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
	if (!(spare = malloc(HEAP_SPARE)))
		return -ENOMEM;
	memset(spare, 0, HEAP_SPARE);
	free(spare);
	if (setrlimit(RLIMIT_DATA, &none) < 0)
		return -errno;
#endif
	return 0;
}

static int
enter_seccomp(const struct sandbox *s, char *err, size_t size)
{
	scmp_filter_ctx f = seccomp_init(s->role == SANDBOX_SENDER || s->role == SANDBOX_WATCH
					     ? SCMP_ACT_ERRNO(ENOSYS)
					     : SCMP_ACT_KILL_PROCESS);
	unsigned who = 1u << s->role | (s->driver ? DRIVER : 0);
	int r = f ? 0 : -ENOMEM;

	if (r == 0 && (s->threads || s->role == SANDBOX_WATCH)) /* EAL's, too */
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && r == 0; i++)
		if (calls[i].who & who)
			r = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i].nr, 0);
	if (r == 0)
		r = add_special(f);
	if (r == 0 && s->role == SANDBOX_SENDER)
		r = add_sender(f);
	if (r == 0 && s->role == SANDBOX_WATCH)
		r = add_watch(f);
	for (int cmd = BPF_MAP_LOOKUP_ELEM; s->maps && r == 0 && cmd <= BPF_MAP_DELETE_ELEM; cmd++)
		r = seccomp_rule_add(
		    f, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)cmd));
	if (r == 0 && !(who & GROWS))
		r = freeze_heap();
	if (r == 0)
		r = seccomp_load(f);
	if (f)
		seccomp_release(f);
	if (r != 0)
		return err_say(err, size, ERR_UNSUPPORTED, "seccomp: %s", strerror(-r));
	return 0;
}

/* --- the file system ------------------------------------------------------------------------- */

/* The kernel's numbers (include/uapi/linux/landlock.h, ABI 7); Debian's headers are older. */
#define LL_CREATE	  444
#define LL_ADD_RULE	  445
#define LL_RESTRICT	  446
#define LL_VERSION	  (1u << 0)
#define LL_PATH_BENEATH	  1
#define LL_NET_PORT	  2
#define LL_FS_WRITE	  (UINT64_C(1) << 1)
#define LL_FS_READ	  (UINT64_C(1) << 2)
#define LL_FS_READ_DIR	  (UINT64_C(1) << 3)
#define LL_FS_REMOVE_DIR  (UINT64_C(1) << 4)
#define LL_FS_REMOVE_FILE (UINT64_C(1) << 5)
#define LL_FS_MAKE_DIR	  (UINT64_C(1) << 7)
#define LL_FS_MAKE_REG	  (UINT64_C(1) << 8)
#define LL_FS_REFER	  (UINT64_C(1) << 13) /* ABI 2 */
#define LL_FS_TRUNCATE	  (UINT64_C(1) << 14) /* ABI 3 */
#define LL_FS_ABI1	  UINT64_C(0x1fff)
#define LL_FS_IOCTL	  (UINT64_C(1) << 15) /* ABI 5 */
#define LL_NET_ALL	  UINT64_C(3)	      /* ABI 4: TCP bind, connect */
#define LL_NET_CONNECT	  UINT64_C(2)
#define LL_SCOPE_ALL	  UINT64_C(3) /* ABI 6: abstract sockets, signals */
#define LL_FS_LOOK	  (LL_FS_READ | LL_FS_READ_DIR)
#define LL_FS_FILES                                                                                \
	(LL_FS_WRITE | LL_FS_READ | LL_FS_READ_DIR | LL_FS_REMOVE_DIR | LL_FS_REMOVE_FILE |        \
	    LL_FS_MAKE_DIR | LL_FS_MAKE_REG | LL_FS_TRUNCATE)

struct ll_ruleset {
	uint64_t fs, net, scoped;
};
struct ll_beneath {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));
struct ll_port {
	uint64_t allowed, port;
};

static int
landlock_abi(void)
{
	return (int)syscall(LL_CREATE, NULL, 0, LL_VERSION);
}

static int
landlock_allow(int rules, const char *path, uint64_t allowed)
{
	struct ll_beneath b = {.allowed = allowed};
	struct stat st;
	int r;

	b.fd = open(path, O_PATH | O_CLOEXEC);
	if (b.fd < 0)
		return -1;
	if (fstat(b.fd, &st) == 0 && !S_ISDIR(st.st_mode))
		b.allowed &= LL_FS_READ | LL_FS_WRITE | LL_FS_TRUNCATE;
	r = (int)syscall(LL_ADD_RULE, rules, LL_PATH_BENEATH, &b, 0);
	close(b.fd);
	return r;
}

/* What is not there yet is made below a directory that is, or never. */
static int
landlock_allow_parent(int rules, const char *path)
{
	char dir[PATH_MAX];
	char *slash;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	if (!(slash = strrchr(dir, '/')))
		(void)snprintf(dir, sizeof(dir), ".");
	else
		slash[slash == dir] = '\0';
	return landlock_allow(rules, dir, LL_FS_LOOK) == 0 || errno == ENOENT ? 0 : -1;
}

/* What is listed: 0, or -1 with errno, and whose fault it is. */
static int
landlock_list(const struct sandbox *s, int rules, const struct ll_ruleset *rs, const char **who)
{
	*who = "landlock";
	for (unsigned i = 0; s->ports && s->ports[i] && rs->net != 0; i++) {
		const struct ll_port p = {.allowed = LL_NET_CONNECT, .port = s->ports[i]};

		if (syscall(LL_ADD_RULE, rules, LL_NET_PORT, &p, 0) < 0)
			return -1;
	}
	for (unsigned i = 0; s->dirs && s->dirs[i]; i++)
		if (landlock_allow(rules, *who = s->dirs[i], LL_FS_FILES & rs->fs) < 0)
			return -1;
	for (unsigned i = 0; s->reads && s->reads[i]; i++)
		if (landlock_allow(rules, *who = s->reads[i], LL_FS_LOOK) < 0 &&
		    (errno != ENOENT || landlock_allow_parent(rules, s->reads[i]) < 0))
			return -1;
	return 0;
}

#define NO_LANDLOCK                                                                                \
	(-1) /* in this kernel: sandbox_lacking() says so; the new root and seccomp remain */

/* Rules by which everything that this kernel can forbid is forbidden, but for what is listed. */
static int
make_landlock(const struct sandbox *s, int *rules, char *err, size_t size)
{
	int abi = landlock_abi();
	struct ll_ruleset rs = {.fs = LL_FS_ABI1};
	size_t rs_size = sizeof(rs.fs);
	const char *who;

	*rules = NO_LANDLOCK;
	if (abi < 1)
		return 0;
	rs.fs |= abi >= 2 ? LL_FS_REFER : 0;
	rs.fs |= abi >= 3 ? LL_FS_TRUNCATE : 0;
	rs.fs |= abi >= 5 ? LL_FS_IOCTL : 0;
	if (abi >= 4) {
		rs.net = LL_NET_ALL;
		rs_size += sizeof(rs.net);
	}
	if (abi >= 6) {
		rs.scoped = LL_SCOPE_ALL;
		rs_size += sizeof(rs.scoped);
	}
	*rules = (int)syscall(LL_CREATE, &rs, rs_size, 0);
	if (*rules < 0)
		return err_say(err, size, err_from_errno(errno), "landlock: %s", strerror(errno));
	if (landlock_list(s, *rules, &rs, &who) < 0)
		return err_say(err, size, err_from_errno(errno), "%s: %s", who, strerror(errno));
	return 0;
}

static int
enter_landlock(int rules, char *err, size_t size)
{
	int r = 0;

	if (rules == NO_LANDLOCK)
		return 0;
	if (syscall(LL_RESTRICT, rules, 0) < 0)
		r = err_say(err, size, err_from_errno(errno), "landlock: %s", strerror(errno));
	close(rules);
	return r;
}

/* In a child that shares root and working directory with us. */
static _Noreturn void
leave_root(void)
{
	_exit(chroot("/proc/self/fdinfo") < 0 || chdir("/") < 0 ? errno : 0);
}

/*
 * A root without anything in it, not even by name: the directory of a process that is gone.  It
 * takes no place on disk, so nothing is left behind.
 */
static int
enter_empty_root(char *err, size_t size)
{
	int status = 0, r = 0;
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FS | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		leave_root();
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		r = errno;
	else if (!WIFEXITED(status))
		r = ECHILD;
	else
		r = WEXITSTATUS(status);
	if (r != 0)
		return err_say(err, size, err_from_errno(r), "an empty root: %s", strerror(r));
	return 0;
}

/* --- user and rights ------------------------------------------------------------------------- */

static const cap_value_t parent_caps[] = {
    CAP_NET_ADMIN,	     /* settings of the ports, XDP programs */
    CAP_NET_RAW,	     /* a new worker opens AF_XDP sockets */
    CAP_BPF,		     /* tables of the filter, under unprivileged_bpf_disabled */
    CAP_SETUID,		     /* new workers and builders become somebody else */
    CAP_SETGID, CAP_SETPCAP, /* ... and lose the bounding set */
    CAP_SYS_CHROOT,	     /* ... and the file system */
    CAP_IPC_LOCK,	     /* a worker's memory stays in memory */
    CAP_KILL,		     /* a worker that hangs is somebody else's process by then */
    CAP_CHOWN,		     /* a new signer gives its user what root made in the journal */
    CAP_DAC_OVERRIDE,	     /* ... and opens key and journal, which are not of one user */
};
#define N_PARENT_CAPS ((int)(sizeof(parent_caps) / sizeof(parent_caps[0])))

/* Of net_af_xdp, in each new worker: libxdp finds programs by id, and its own need the right to more. */
static const cap_value_t driver_caps[] = {CAP_SYS_ADMIN, CAP_PERFMON};
#define N_DRIVER_CAPS ((int)(sizeof(driver_caps) / sizeof(driver_caps[0])))

enum keep { KEEP_NONE = 0, KEEP_PARENT, KEEP_DRIVER };

static bool
is_parent_cap(cap_value_t c, enum keep keep)
{
	for (int i = 0; i < N_DRIVER_CAPS && keep == KEEP_DRIVER; i++)
		if (driver_caps[i] == c)
			return true;
	for (int i = 0; i < N_PARENT_CAPS; i++)
		if (parent_caps[i] == c)
			return true;
	return false;
}

static void
drop_bounding(enum keep keep)
{
	for (cap_value_t c = 0; c <= CAP_LAST_CAP; c++) {
		if (keep != KEEP_NONE && is_parent_cap(c, keep))
			continue;
		/* Without CAP_SETPCAP the set stays; no_new_privs makes it worthless. */
		if (prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1)
			(void)prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	}
}

/* Permitted and effective set become the parent's, or nothing.  0 or -errno. */
static int
set_caps(enum keep keep)
{
	cap_t caps = cap_init();
	int r = 0;

	if (!caps)
		return -errno;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (keep != KEEP_NONE &&
	    (cap_set_flag(caps, CAP_PERMITTED, N_PARENT_CAPS, parent_caps, CAP_SET) < 0 ||
		cap_set_flag(caps, CAP_EFFECTIVE, N_PARENT_CAPS, parent_caps, CAP_SET) < 0))
		r = -errno;
	if (keep == KEEP_DRIVER &&
	    (cap_set_flag(caps, CAP_PERMITTED, N_DRIVER_CAPS, driver_caps, CAP_SET) < 0 ||
		cap_set_flag(caps, CAP_EFFECTIVE, N_DRIVER_CAPS, driver_caps, CAP_SET) < 0))
		r = -errno;
	if (r == 0 && cap_set_proc(caps) < 0)
		r = -errno;
	(void)cap_free(caps);
	return r;
}

bool
sandbox_can_guard(char *err, size_t size)
{
	cap_t caps = cap_get_proc();
	bool ok = caps != NULL;

	for (int i = 0; i < N_PARENT_CAPS && ok; i++) {
		cap_flag_value_t have = CAP_CLEAR;

		if (cap_get_flag(caps, parent_caps[i], CAP_EFFECTIVE, &have) == 0 &&
		    have == CAP_SET)
			continue;
		ok = false;
		if (geteuid() != 0)
			(void)err_say(err, size, 0,
			    "guard: is started by root; it keeps the few rights it needs and its "
			    "processes keep none");
		else
			(void)err_say(err, size, 0,
			    "guard: this root has no %s here (a container?)",
			    cap_to_name(parent_caps[i]) ? cap_to_name(parent_caps[i])
							: "capability");
	}
	if (caps)
		(void)cap_free(caps);
	return ok;
}

void
sandbox_close_others(const int *keep, size_t n)
{
	int low = 3;

	for (;;) {
		int next = -1;

		for (size_t i = 0; i < n; i++)
			if (keep[i] >= low && (next < 0 || keep[i] < next))
				next = keep[i];
		if (next < 0)
			break;
		if (next > low)
			(void)close_range((unsigned)low, (unsigned)next - 1, 0);
		low = next + 1;
	}
	(void)close_range((unsigned)low, ~0u, 0);
}

const char *
sandbox_lacking(void)
{
	return landlock_abi() < 1 ? "landlock" : "";
}

/*
 * In a thread of a library.  User, root and descriptors are of the process, and the seccomp filter is put on all its threads
 * at once; capabilities, no_new_privs and landlock are of each thread.
 */
struct sandbox_thread {
	const struct sandbox *s;
	int r;
	char err[128];
};

static void
enter_thread(void *arg)
{
	struct sandbox_thread *t = arg;
	int rules;

	if (t->r < 0)
		return; /* one has failed */
	if ((t->r = set_caps(KEEP_NONE)) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		t->r = err_say(t->err, sizeof(t->err), ERR_PERM, "capabilities of a thread");
	else if ((t->r = make_landlock(t->s, &rules, t->err, sizeof(t->err))) == 0)
		t->r = enter_landlock(rules, t->err, sizeof(t->err));
}

static void
drop_thread_bounding(void *arg)
{
	(void)arg;
	drop_bounding(KEEP_NONE);
}

static int
enter_threads(const struct sandbox *s, char *err, size_t size)
{
	static struct sandbox_thread t; /* a late thread must find it */
	int r;

	t = (struct sandbox_thread){.s = s};
	if ((r = s->threads(s->threads_of, enter_thread, &t)) < 0)
		return err_say(
		    err, size, r, "a thread does not give up its rights: %s", err_str(r));
	return t.r < 0 ? err_say(err, size, t.r, "%s", t.err) : 0;
}

int
sandbox_enter(const struct sandbox *s, char *err, size_t size)
{
	bool root = geteuid() == 0;
	int r, rules;

	if (s->keep)
		sandbox_close_others(s->keep, s->n_keep);
	/* While it may still look at what is listed. */
	if ((r = make_landlock(s, &rules, err, size)) < 0)
		return r;
	if (root && !s->dirs && (r = enter_empty_root(err, size)) < 0)
		return r;
	if (s->threads && (r = s->threads(s->threads_of, drop_thread_bounding, NULL)) < 0)
		return err_say(err, size, r, "a thread does not answer");
	drop_bounding(KEEP_NONE);
	if ((r = user_become(s->uid, s->gid)) < 0)
		return err_say(
		    err, size, err_from_errno(-r), "user %u: %s", (unsigned)s->uid, strerror(-r));
	if ((r = set_caps(KEEP_NONE)) < 0)
		return err_say(err, size, err_from_errno(-r), "capabilities: %s", strerror(-r));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_say(
		    err, size, err_from_errno(errno), "no_new_privs: %s", strerror(errno));
	/* Not before: a change of user forgets it. */
	if (s->with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_say(err, size, err_from_errno(errno), "parent: %s", strerror(errno));
	if ((r = enter_landlock(rules, err, size)) < 0 ||
	    (s->threads && (r = enter_threads(s, err, size)) < 0))
		return r;
	return enter_seccomp(s, err, size);
}

int
sandbox_parent(bool loads_programs, char *err, size_t size)
{
	enum keep keep = loads_programs ? KEEP_DRIVER : KEEP_PARENT;
	int r;

	drop_bounding(keep);
	r = set_caps(keep);
	if (r == 0 &&
	    (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0))
		r = -errno;
	if (r < 0)
		return err_say(err, size, err_from_errno(-r), "capabilities: %s", strerror(-r));
	return 0;
}

int
sandbox_limit(const struct sandbox_limits *l)
{
	const struct {
		int what;
		uint64_t value;
	} limits[] = {
	    {RLIMIT_CPU, l->cpu_s},
#ifndef __SANITIZE_ADDRESS__ /* its shadow counts */
	    {RLIMIT_DATA, l->data_bytes},
#endif
	    {RLIMIT_FSIZE, l->file_bytes},
	    {RLIMIT_NPROC, 0},
	    {RLIMIT_CORE, 0},
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const struct rlimit rl = {.rlim_cur = limits[i].value, .rlim_max = limits[i].value};

		if (setrlimit((__rlimit_resource_t)limits[i].what, &rl) < 0)
			return err_from_errno(errno);
	}
	return 0;
}
