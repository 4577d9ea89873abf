/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_live_test.c - the filter on an interface, under load and in the hands of processes with
 * fewer rights: samples, limits on several CPUs, policies that change meanwhile,
 * attaching and taking over, and frames over a real cable (veth) into an AF_XDP socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/seccomp.h>
#include <net/if.h>

#include "base/err.h"
#include "tests/ebpf/plant.h"

#define H4 "eth:h>p ip:10.1.2.5>10.1.2.130 "

static struct gate *gate;
static struct plant plant;

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
sleep_ms(long ms)
{
	const struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	(void)nanosleep(&t, NULL);
}

static void
set_policy(struct gate *g, const struct gate_spec *s)
{
	char err[256] = "";

	if (gate_set_policy(g, s, 1, err, sizeof(err)) < 0)
		fail_msg("%s", err);
}

static const char *
verdict(unsigned port, const char *words)
{
	uint8_t frame[KIT_FRAME_MAX];

	return kit_verdict(gate, port, frame, kit_frame(frame, words));
}

static uint64_t
counted(const struct gate *g, unsigned port, const char *reason)
{
	struct gate_count c[GATE_COUNT_MAX];
	struct gate_totals t;

	gate_totals(g, &t);
	if (strcmp(reason, "engine") == 0)
		return t.to_engine[port];
	(void)gate_counts(g, c, GATE_COUNT_MAX);
	for (unsigned i = 0; i < GATE_COUNT_MAX && c[i].reason; i++)
		if (strcmp(c[i].reason, reason) == 0)
			return c[i].packets[port];
	fail_msg("no reason %s", reason);
	return 0;
}

/* --- samples ------------------------------------------------------------------------------------ */

struct seen {
	unsigned n;
	uint64_t count;
	struct gate_sample last;
	uint8_t bytes[256];
};

static void
on_sample(void *ctx, const struct gate_sample *s)
{
	struct seen *seen = ctx;

	seen->n++;
	seen->count += s->count;
	seen->last = *s;
	memcpy(seen->bytes, s->bytes, s->caplen);
}

static void
samples(void **state)
{
	uint8_t frame[KIT_FRAME_MAX], small[KIT_FRAME_MAX];
	size_t n = kit_frame(frame, H4 "tcp:40000>503:A pad:1000"),
	       m = kit_frame(small, "eth:x>p type:ffff");
	struct seen seen = {0};
	struct pollfd p = {.fd = gate_sample_fd(gate), .events = POLLIN};

	(void)state;
	set_policy(gate, &plant.spec);
	sleep_ms(1100);
	(void)gate_samples(gate, on_sample, &seen);
	seen = (struct seen){0};
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_false(kit_passes(gate, 0, frame, n, 1, NULL));
	assert_int_equal(poll(&p, 1, 1000), 1);
	assert_int_equal(gate_samples(gate, on_sample, &seen), 1);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.last.reason, "policy.port");
	assert_int_equal(seen.last.port, 0);
	assert_int_equal(seen.last.len, n);
	assert_int_equal(seen.last.caplen, 256);
	assert_memory_equal(seen.bytes, frame, 256);
	/* A flood of it: eight at once, the rest in the count of the next; another reason and another
	 * port have a pace of their own. */
	assert_false(kit_passes(gate, 0, frame, n, 1000, NULL));
	assert_false(kit_passes(gate, 0, small, m, 3, NULL));
	assert_false(kit_passes(gate, 1, small, m, 2, NULL));
	assert_true(gate_samples(gate, on_sample, &seen) > 0);
	assert_in_range(seen.n, 8 + 5, 11 + 5);
	assert_int_equal(seen.last.len, m);
	assert_int_equal(seen.last.caplen, m);
	assert_int_equal(seen.last.port, 1);
	sleep_ms(300);
	assert_false(kit_passes(gate, 0, frame, n, 1, NULL));
	(void)gate_samples(gate, on_sample, &seen);
	assert_int_equal(seen.count, 1 + 1000 + 5 + 1);
	/* What goes to the engine, and what nobody reads, makes none. */
	seen = (struct seen){0};
	assert_string_equal(verdict(0, H4 "tcp:40000>502:A"), "engine");
	kit_take_socket(gate);
	assert_string_equal(verdict(0, H4 "tcp:40000>502:A"), "gate.engine_away");
	assert_null(kit_socket(gate));
	assert_int_equal(gate_samples(gate, on_sample, &seen), 0);
}

/* --- limits ------------------------------------------------------------------------------------- */

#define NS     ((uint64_t)1000000000)
#define FLOOD4 "eth:f>p ip:10.4.0.1>10.1.2.130 "

static void
limits(void **state)
{
	uint8_t syn[KIT_FRAME_MAX], ack[KIT_FRAME_MAX];
	size_t ns = kit_frame(syn, FLOOD4 "tcp:1>502:S"), na = kit_frame(ack, FLOOD4 "tcp:1>502:A");
	unsigned opened = 0, passed = 0;
	uint64_t t0, t1, last, kept;

	(void)state;
	set_policy(gate, &plant.spec); /* full buckets */
	for (unsigned i = 0; i < 5; i++)
		assert_string_equal(kit_verdict(gate, 0, syn, ns), "engine");
	/* Some may have been earned meanwhile. */
	for (unsigned i = 0; opened == 0 && i < 20; i++)
		opened += strcmp(kit_verdict(gate, 0, syn, ns), "limit.flows") == 0;
	assert_int_equal(opened, 1);
	for (unsigned i = 5; i < 30; i++)
		assert_string_equal(kit_verdict(gate, 0, ack, na), "engine");
	for (unsigned i = 0; passed == 0 && i < 200; i++)
		passed += strcmp(kit_verdict(gate, 0, ack, na), "limit.packets") == 0;
	assert_int_equal(passed, 1);
	/* Others do not feel it; denied frames cost the zone nothing. */
	assert_string_equal(verdict(0, H4 "tcp:40000>502:S"), "engine");
	sleep_ms(1200);
	for (unsigned i = 0; i < 1000; i++)
		assert_string_equal(verdict(0, FLOOD4 "tcp:1>503:S"), "policy.port");
	assert_string_equal(kit_verdict(gate, 1, syn, ns), "ip.spoofed");
	/* A full bucket, and what is earned from then on, however often this process is away: at
	 * most until the last try was over; at least until it began, where a bucket that ran over
	 * during an absence has lost what exceeds four fifths of it. */
	t0 = now_ns();
	opened = passed = 0;
	for (t1 = last = t0, kept = 0; t1 - t0 < NS; t1 = now_ns()) {
		uint64_t now = now_ns();

		kept += now - last < NS / 5 * 4 ? now - last : NS / 5 * 4;
		last = now;
		opened += kit_passes(gate, 0, syn, ns, 1, NULL);
		passed += kit_passes(gate, 0, ack, na, 1, NULL);
	}
	assert_in_range(opened, 5 + 5 * kept / NS - 1, 5 + 5 * (t1 - t0) / NS + 1);
	assert_in_range(opened + passed, 50 + 50 * kept / NS - 2, 50 + 50 * (t1 - t0) / NS + 2);
}

struct runner {
	pthread_t thread;
	unsigned cpu;
	uint8_t frame[KIT_FRAME_MAX];
	size_t n;
	uint64_t passed, denied;
};
static _Atomic bool stop;

static void *
run_frames(void *arg)
{
	struct runner *r = arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(r->cpu, &set);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	while (!stop) {
		if (kit_passes(gate, 0, r->frame, r->n, 1, NULL))
			r->passed++;
		else
			r->denied++;
	}
	return NULL;
}

/* A second's worth and what the time since has earned, on any number of CPUs. */
static void
limits_on_all_cpus(void **state)
{
	enum { RATE = 20000, MOST = 16 };
	static struct runner r[MOST];
	unsigned cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	struct plant p;
	uint64_t passed = 0, denied = 0, t0, dt;

	(void)state;
	plant_init(&p);
	p.zone[FLOOD].packets_per_s = RATE;
	p.zone[FLOOD].flows_per_s = 0;
	set_policy(gate, &p.spec);
	cpus = cpus < MOST ? cpus : MOST;
	stop = false;
	t0 = now_ns();
	for (unsigned i = 0; i < cpus; i++) {
		r[i].cpu = i;
		r[i].n = kit_frame(r[i].frame, FLOOD4 "tcp:1>502:A");
		assert_int_equal(pthread_create(&r[i].thread, NULL, run_frames, &r[i]), 0);
	}
	sleep_ms(2000);
	stop = true;
	dt = now_ns() - t0;
	for (unsigned i = 0; i < cpus; i++) {
		(void)pthread_join(r[i].thread, NULL);
		passed += r[i].passed;
		denied += r[i].denied;
	}
	print_message("# %u CPUs, %u/s for %.3f s: %ju passed of %ju\n", cpus, RATE,
	    (double)dt / 1e9, (uintmax_t)passed, (uintmax_t)(passed + denied));
	if (passed + denied < 3 * RATE + 3 * RATE / 2) {
		print_message("# too slow a machine to reach the limit\n");
		skip();
	}
	/* The clock is up to 10 ms behind, a thread may be away for a while, and 64 tokens may lie
	 * with each CPU: none of it lets through more. */
	assert_in_range(passed, RATE + RATE * (dt - 300000000) / 1000000000 - 64 * (cpus + 1),
	    RATE + RATE * (dt + 60000000) / 1000000000);
}

/* --- a policy changes under load ------------------------------------------------------------------- */

/*
 * Two policies that say the same of two frames, with devices, pairs and conduits numbered
 * otherwise: who looks an end up in the one and a pair in the other finds what neither says.
 */
static void
no_mixed_verdict(void **state)
{
	static struct runner good, bad;
	struct plant one, two;
	unsigned switches = 0;

	(void)state;
	plant_init(&one);
	one.spec.n_pairs = 1;
	plant_init(&two);
	two.spec.n_pairs = 1;
	two.device[HMI] = one.device[PLC];
	two.device[PLC] = one.device[HMI];
	two.zone[SCADA] = one.zone[CELL];
	two.zone[CELL] = one.zone[SCADA];
	two.device[HMI].zone = SCADA;
	two.device[PLC].zone = CELL;
	two.net[0].zone = CELL;
	two.net[1].zone = SCADA;
	two.conduit[0].span[0].lo = two.conduit[0].span[0].hi = 80;
	two.pair[0] = (struct gate_pair){plant_end(2, PLC), plant_end(2, HMI), 1};
	two.conduit[1] = one.conduit[0];
	good.cpu = 0;
	good.n = kit_frame(good.frame, H4 "tcp:40000>502:A");
	bad.cpu = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 1 : 0;
	bad.n = kit_frame(bad.frame, "eth:p>h ip:10.1.2.130>10.1.2.5 tcp:40000>502:A");
	set_policy(gate, &one.spec);
	assert_true(kit_passes(gate, 0, good.frame, good.n, 1, NULL));
	assert_false(kit_passes(gate, 1, bad.frame, bad.n, 1, NULL));
	set_policy(gate, &two.spec);
	assert_true(kit_passes(gate, 0, good.frame, good.n, 1, NULL));
	stop = false;
	assert_int_equal(pthread_create(&good.thread, NULL, run_frames, &good), 0);
	assert_int_equal(pthread_create(&bad.thread, NULL, run_frames, &bad), 0);
	for (uint64_t t0 = now_ns(); now_ns() - t0 < 3000000000u; switches++)
		set_policy(gate, switches % 2 ? &two.spec : &one.spec);
	stop = true;
	(void)pthread_join(good.thread, NULL);
	(void)pthread_join(bad.thread, NULL);
	print_message("# %u switches during %ju and %ju frames\n", switches,
	    (uintmax_t)(good.passed + good.denied), (uintmax_t)(bad.passed + bad.denied));
	assert_true(switches > 10);
	assert_int_equal(good.denied, 0);
	assert_int_equal(bad.passed, 0);
}

/* --- ports ------------------------------------------------------------------------------------------ */

static int
index_of(const char *name)
{
	return (int)if_nametoindex(name);
}

/* Number of the XDP program on an interface; 0 = none. */
static uint32_t
attached(const char *name)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);

	assert_int_equal(bpf_xdp_query(index_of(name), 0, &q), 0);
	return q.drv_prog_id ? q.drv_prog_id : q.skb_prog_id;
}

static struct gate *
another(void)
{
	char err[256] = "";
	struct gate *g = gate_open(err, sizeof(err));

	if (!g)
		fail_msg("%s", err);
	return g;
}

static uint32_t
program_id(const struct gate *g, unsigned port)
{
	struct gate_program p;

	assert_int_equal(gate_program(g, port, &p), 0);
	return p.id;
}

static void
attaching(void **state)
{
	struct gate *one = another(), *two = another();
	char err[256] = "";
	struct gate_program p;

	(void)state;
	assert_int_equal(
	    gate_attach(one, 0, 999999, GATE_AUTO, false, err, sizeof(err)), ERR_USAGE);
	assert_int_equal(
	    gate_attach(one, 0, index_of("il0"), GATE_AUTO, false, err, sizeof(err)), GATE_NATIVE);
	assert_int_equal(
	    gate_attach(one, 1, index_of("il1"), GATE_GENERIC, false, err, sizeof(err)),
	    GATE_GENERIC);
	assert_int_equal(attached("il0"), program_id(one, 0));
	assert_int_equal(attached("il1"), program_id(one, 1));
	/* A second guard has to say that it takes over. */
	assert_int_equal(
	    gate_attach(two, 0, index_of("il0"), GATE_AUTO, false, err, sizeof(err)), ERR_EXISTS);
	assert_non_null(strstr(err, "another guard's filter"));
	assert_int_equal(
	    gate_attach(two, 0, index_of("il0"), GATE_AUTO, true, err, sizeof(err)), GATE_NATIVE);
	assert_int_equal(gate_attach(two, 1, index_of("il1"), GATE_NATIVE, true, err, sizeof(err)),
	    GATE_GENERIC); /* in the mode that it has */
	assert_int_equal(attached("il0"), program_id(two, 0));
	gate_close(one); /* what was taken over stays */
	assert_int_equal(attached("il0"), program_id(two, 0));
	assert_int_equal(attached("il1"), program_id(two, 1));
	gate_close(two);
	assert_int_equal(attached("il0"), 0);
	assert_int_equal(attached("il1"), 0);
	/* By whatever way one of ours was left there. */
	two = another();
	assert_int_equal(gate_attach(two, 0, index_of("il0"), GATE_NATIVE, false, err, sizeof(err)),
	    GATE_NATIVE);
	assert_true(gate_clean(index_of("il0")));
	assert_int_equal(attached("il0"), 0);
	assert_false(gate_clean(index_of("il0")));
	assert_int_equal(gate_program(two, 0, &p), 0);
	assert_int_equal(bpf_xdp_attach(index_of("il0"), p.fd, XDP_FLAGS_SKB_MODE, NULL), 0);
	one = another();
	assert_int_equal(
	    gate_attach(one, 0, index_of("il0"), GATE_AUTO, true, err, sizeof(err)), ERR_EXISTS);
	assert_non_null(strstr(err, "no bpf_link"));
	assert_true(gate_clean(index_of("il0")));
	assert_int_equal(attached("il0"), 0);
	gate_close(one);
	gate_close(two);
}

/* What is not ours is neither replaced nor cleaned. */
static void
not_ours(void **state)
{
	const struct bpf_insn pass[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS}, {.code = BPF_JMP | BPF_EXIT}};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "il_other", "GPL", pass, 2, NULL);
	char err[256] = "";
	uint32_t id;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach(index_of("il0"), fd, XDP_FLAGS_SKB_MODE, NULL), 0);
	id = attached("il0");
	assert_int_equal(
	    gate_attach(gate, 0, index_of("il0"), GATE_AUTO, true, err, sizeof(err)), ERR_EXISTS);
	assert_non_null(strstr(err, "\"il_other\" is on it, which is not ours"));
	assert_false(gate_clean(index_of("il0")));
	assert_int_equal(attached("il0"), id);
	assert_int_equal(bpf_xdp_detach(index_of("il0"), XDP_FLAGS_SKB_MODE, NULL), 0);
	(void)close(fd);
}

static void
wait_for(const char *name, uint32_t id)
{
	for (unsigned i = 0; i < 100 && attached(name) != id; i++)
		sleep_ms(20);
	assert_int_equal(attached(name), id);
}

/* The kernel takes the program of a killed process off. */
static void
killed(void **state)
{
	int ready[2], status;
	char c, err[256] = "";
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct gate *g = gate_open(err, sizeof(err));

		c = g && gate_attach(g, 0, index_of("il0"), GATE_AUTO, false, err, sizeof(err)) ==
			     GATE_NATIVE;
		_exit(write(ready[1], &c, 1) == 1 && pause() == 0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(c, 1);
	assert_int_not_equal(attached("il0"), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* A successor need not wait: attaching does. */
	assert_int_equal(
	    gate_attach(gate, 0, index_of("il0"), GATE_AUTO, false, err, sizeof(err)), GATE_NATIVE);
	wait_for("il0", program_id(gate, 0));
	(void)close(ready[0]);
	(void)close(ready[1]);
}

/* --- processes --------------------------------------------------------------------------------------- */

/* Only what a worker needs to wait for samples and to say how many it saw. */
static bool
forbid_the_rest(void)
{
	struct sock_filter f[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_poll, 3, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = {.len = sizeof(f) / sizeof(f[0]), .filter = f};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == 0;
}

static bool
become_nobody(void)
{
	return setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0;
}

static int
worker(int out)
{
	struct pollfd p = {.fd = gate_sample_fd(gate), .events = POLLIN};
	struct seen seen = {0};

	gate_leave(gate, true);
	if (gate_xskmap(gate, 0) != -1 || !become_nobody() || !forbid_the_rest())
		return 2;
	if (write(out, &seen.count, sizeof(seen.count)) != sizeof(seen.count))
		return 3;
	while (seen.count < 10 && poll(&p, 1, 5000) == 1)
		(void)gate_samples(gate, on_sample, &seen);
	return write(out, &seen.count, sizeof(seen.count)) == sizeof(seen.count) ? 0 : 3;
}

static void
worker_reads_samples(void **state)
{
	uint8_t frame[KIT_FRAME_MAX];
	size_t n = kit_frame(frame, H4 "tcp:40000>504:S");
	struct seen left = {0};
	uint64_t count = 99, was;
	int out[2], status;
	pid_t pid;

	(void)state;
	set_policy(gate, &plant.spec);
	sleep_ms(1100);
	assert_false(kit_passes(gate, 0, frame, n, 1, NULL)); /* what others left untold */
	(void)gate_samples(gate, on_sample, &left);
	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0)
		_exit(worker(out[1]));
	(void)close(out[1]);
	assert_int_equal(read(out[0], &count, sizeof(count)), sizeof(count)); /* it is confined */
	was = counted(gate, 0, "policy.port");
	assert_false(kit_passes(gate, 0, frame, n, 3, NULL));
	sleep_ms(300);
	for (unsigned i = 0; i < 30; i++, sleep_ms(20))
		assert_false(kit_passes(gate, 0, frame, n, 1, NULL));
	assert_int_equal(
	    counted(gate, 0, "policy.port") - was, 33); /* the parent counts meanwhile */
	assert_int_equal(read(out[0], &count, sizeof(count)), sizeof(count));
	assert_in_range(count, 10, 33);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(out[0]);
}

/* Without a single right, but with the descriptors: tables, counters, even a free port. */
static int
clerk(void)
{
	struct plant p;
	char err[256];

	if (!become_nobody())
		return 1;
	plant_init(&p);
	p.conduit[0].span[0].lo = p.conduit[0].span[0].hi = 504;
	if (gate_set_policy(gate, &p.spec, 2, err, sizeof(err)) < 0)
		return 2;
	if (counted(gate, 0, "policy.port") == 0)
		return 3;
	if (gate_attach(gate, 1, index_of("il0"), GATE_AUTO, true, err, sizeof(err)) != ERR_PERM)
		return 4;
	if (gate_attach(gate, 1, index_of("il1"), GATE_AUTO, false, err, sizeof(err)) !=
	    GATE_NATIVE)
		return 5;
	return gate_clean(index_of("il0")) ? 6 : 0;
}

static void
without_rights(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	set_policy(gate, &plant.spec);
	assert_string_equal(verdict(0, H4 "tcp:40000>504:S"), "policy.port");
	pid = fork();
	if (pid == 0)
		_exit(clerk());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(verdict(0, H4 "tcp:40000>504:S"), "engine");
	assert_string_equal(verdict(0, H4 "tcp:40000>502:S"), "policy.port");
}

/* --- the cable ----------------------------------------------------------------------------------------- */

static int
raw_socket(const char *name)
{
	struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_ifindex = index_of(name)};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static unsigned
receive(unsigned want, uint8_t last[KIT_FRAME_MAX], size_t *n)
{
	unsigned got = 0;

	for (unsigned i = 0; i < 200 && got < want; i++) {
		got += kit_received(last, n);
		if (got < want)
			sleep_ms(5);
	}
	return got;
}

static const struct {
	const char *frame;
	bool passes;
} sent[] = {
    {H4 "tcp:40000>502:S", true},
    {H4 "tcp:40000>503:S", false},
    {"eth:h>d vlan:110 ip:10.1.2.5>10.3.0.1 tcp:1>502:S", true},
    {"eth:h>d vlan:111 ip:10.1.2.5>10.3.0.1 tcp:1>502:S", false},
    {"eth:h>d qinq:110 vlan:4 ip:10.1.2.5>10.3.0.1 tcp:1>502:S", true},
    {"eth:h>p ip:fd00:a::5>fd00:b::1 hbh dst tcp:1>502:S", true},
    {"eth:x>p ip:10.1.2.5>10.1.2.130 tcp:1>502:S", false},
    {"eth:h>* arp:h@10.1.2.5>10.1.2.130", true},
    {"eth:h>* arp:x@10.1.2.5>10.1.2.130", false},
    {"eth:h>p type:88b8 hex:00", true},
    {"eth:h>p type:1234 hex:00", false},
    {"eth:x>bridge llc:4242 hex:0000", true},
};

static void
over_the_cable(void)
{
	uint8_t frame[KIT_FRAME_MAX], got[KIT_FRAME_MAX];
	uint64_t engine = counted(gate, 0, "engine"), want = 0;
	int raw = raw_socket("il1");
	size_t n, m = 0;

	(void)kit_received(got, &m);
	for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
		n = kit_frame(frame, sent[i].frame);
		assert_int_equal(send(raw, frame, n, 0), n);
		if (!sent[i].passes)
			continue;
		want++;
		if (receive(1, got, &m) != 1)
			fail_msg("lost: %s", sent[i].frame);
		assert_int_equal(m, n); /* the tag is there, and nothing else changed */
		assert_memory_equal(got, frame, n);
	}
	sleep_ms(50);
	assert_int_equal(kit_received(got, &m), 0);
	assert_int_equal(counted(gate, 0, "engine") - engine, want);
	(void)close(raw);
}

static void
cable_native(void **state)
{
	(void)state;
	set_policy(gate, &plant.spec); /* attached by killed() */
	over_the_cable();
}

/* Successors come and go while frames flow: each arrives, once. */
static void
taken_over_under_traffic(void **state)
{
	enum { EACH = 50, TIMES = 8 };
	uint8_t frame[KIT_FRAME_MAX], got[KIT_FRAME_MAX];
	size_t n = kit_frame(frame, H4 "tcp:40000>502:A"), m;
	int raw = raw_socket("il1");
	unsigned sum = 0;
	char err[256];

	(void)state;
	for (unsigned i = 0; i < TIMES; i++) {
		struct gate *next = another();

		set_policy(next, &plant.spec);
		assert_null(kit_socket(next));
		for (unsigned k = 0; k < EACH; k++) {
			assert_int_equal(send(raw, frame, n, 0), n);
			if (k == EACH / 2)
				assert_int_equal(gate_attach(next, 0, index_of("il0"), GATE_AUTO,
						     true, err, sizeof(err)),
				    GATE_NATIVE);
		}
		gate_close(gate);
		gate = next;
		sum += receive(EACH, got, &m);
	}
	assert_int_equal(sum, EACH * TIMES);
	assert_int_equal(attached("il0"), program_id(gate, 0));
	(void)close(raw);
}

static void
cable_generic(void **state)
{
	char err[256];

	(void)state;
	gate_close(gate);
	gate = another();
	set_policy(gate, &plant.spec);
	assert_null(kit_socket(gate));
	assert_int_equal(
	    gate_attach(gate, 0, index_of("il0"), GATE_GENERIC, false, err, sizeof(err)),
	    GATE_GENERIC);
	over_the_cable();
}

static int
open_gate(void **state)
{
	const char *why;

	(void)state;
	gate = another();
	plant_init(&plant);
	why = kit_socket(gate);
	if (why)
		print_message("# %s\n", why);
	return why ? -1 : 0;
}

static int
close_gate(void **state)
{
	(void)state;
	gate_close(gate);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(samples),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(limits_on_all_cpus),
	    cmocka_unit_test(no_mixed_verdict),
	    cmocka_unit_test(attaching),
	    cmocka_unit_test(not_ours),
	    cmocka_unit_test(killed),
	    cmocka_unit_test(worker_reads_samples),
	    cmocka_unit_test(without_rights),
	    cmocka_unit_test(cable_native),
	    cmocka_unit_test(taken_over_under_traffic),
	    cmocka_unit_test(cable_generic),
	};
	const char *why = kit_why_not();

	if (!why)
		why = kit_namespace();
	if (why) {
		puts(why);
		return 77;
	}
	return cmocka_run_group_tests(tests, open_gate, close_gate);
}
