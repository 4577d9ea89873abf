/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_image_test.c - a policy that one process builds and others map: the same answers as
 * from one of their own, and a clear word about everything that is no such image.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "policy/image.h"

#define HEAD_BYTES 104u /* of struct image_head in image.c */

static const char *const files[] = {"policies/cell.yaml", "policies/water-works.yaml",
    "policies/filling-line.yaml", "policies/guard.yaml"};
#define N_FILES (sizeof(files) / sizeof(files[0]))

static char *
slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "r");
	char *buf = calloc(1, 1 << 20);

	assert_non_null(f);
	assert_non_null(buf);
	*n = fread(buf, 1, (1 << 20) - 1, f);
	fclose(f);
	assert_true(*n > 0);
	return buf;
}

/* --- descriptors between processes -------------------------------------------------------- */

static void
fd_send(int sock, int fd)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int))];
	} u = {0};
	struct iovec io = {.iov_base = "i", .iov_len = 1};
	struct msghdr m = {
	    .msg_iov = &io, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof(u.buf)};

	u.h = (struct cmsghdr){
	    .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&u.h), &fd, sizeof(fd));
	if (sendmsg(sock, &m, 0) != 1)
		_exit(9);
}

static int
fd_receive(int sock)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int))];
	} u = {0};
	char byte;
	struct iovec io = {.iov_base = &byte, .iov_len = 1};
	struct msghdr m = {
	    .msg_iov = &io, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof(u.buf)};
	int fd = -1;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) == 1 && m.msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(&u.h), sizeof(fd));
	return fd;
}

/* A child builds, and hands over what it made. */
static int
build_elsewhere(const char *name, const char *text, size_t len, unsigned slot, uint32_t generation)
{
	int sock[2], fd, status;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sock), 0);
	if ((pid = fork()) == 0) {
		struct complaints c = {0};

		fd = policy_image_build(name, text, len, slot, generation, &c);
		complaints_print(&c, stderr);
		if (fd < 0)
			_exit(1);
		fd_send(sock[1], fd);
		_exit(0);
	}
	assert_true(pid > 0);
	close(sock[1]);
	fd = fd_receive(sock[0]);
	close(sock[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(fd >= 0);
	return fd;
}

/* --- the same answers -------------------------------------------------------------------------- */

static uint64_t rng = 20;

static uint32_t
rnd(uint32_t n)
{
	rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(rng >> 33) % n;
}

static void
random_tuple(const struct policy *p, struct net_tuple *t)
{
	struct net_addr *a[2] = {&t->src, &t->dst};

	*t = (struct net_tuple){.proto = rnd(8) ? NET_PROTO_TCP : NET_PROTO_UDP,
	    .vlan = (uint16_t)(rnd(6) ? 0 : 100 + rnd(30)),
	    .port = (uint8_t)rnd(2)};
	for (unsigned i = 0; i < 2; i++) {
		char ip[32];

		for (unsigned tries = 0; tries < 40; tries++) { /* most are of nobody */
			snprintf(ip, sizeof(ip), "10.%u.%u.%u", 1 + rnd(4), rnd(4), rnd(256));
			assert_int_equal(net_addr_parse(ip, a[i]), 0);
			if (policy_device_name(p, a[i]))
				break;
		}
	}
	t->dport = (uint16_t[]){502, 102, 4840, 80}[rnd(4)];
	for (unsigned i = 0; i < 6; i++)
		t->smac[i] = (uint8_t)rnd(3), t->dmac[i] = (uint8_t)rnd(3);
}

static void
random_fact(struct fact *f, struct fact_props *x)
{
	static const char *const names[] = {"ns=2;s=Recipe.Speed", "i=2258", "ns=2;s=Line1.A", ""};
	static const uint8_t written[64] = {0, 100, 1, 2, 5, 220};
	uint8_t proto = (uint8_t)rnd(n_dissectors);
	const struct dis_schema *sc = dissectors[proto]->schema;
	const struct dis_op *op = &sc->ops[rnd(sc->n_ops)];

	*x = (struct fact_props){
	    .known = rnd(2) ? UINT32_MAX : rnd(UINT32_MAX), .midstream = rnd(2)};
	for (unsigned i = 0; i < FACT_NUMS; i++)
		x->num[i] = rnd(6);
	for (unsigned i = 0; i < FACT_TEXTS; i++)
		x->text[i].p = "5f1a", x->text[i].n = 4;
	*f = (struct fact){.proto = proto,
	    .op = op->name,
	    .opx = op->opx,
	    .unit = rnd(3),
	    .kind = rnd(9) ? FACT_REQUEST : FACT_RESPONSE,
	    .n_items = rnd(5) != 0,
	    .props = x,
	    .anomalies = rnd(20) ? 0 : FACT_A_UNSOLICITED};
	f->item = (struct fact_item){.space = (uint8_t)rnd(sc->n_spaces + 1u),
	    .first = rnd(400),
	    .count = 1 + rnd(8),
	    .access = (uint8_t)(rnd(2) ? ACC_WRITE : ACC_READ),
	    .sub = rnd(12),
	    .enc = rnd(2) ? ENC_U16_BE : ENC_BIT_LSB,
	    .vals = written};
	if (rnd(2)) {
		f->item.name = names[rnd(4)];
		f->item.name_len = (uint32_t)strlen(f->item.name);
	}
}

static void
same_verdict(struct verdict a, struct verdict b)
{
	a.generation = b.generation = 0;
	if (memcmp(&a, &b, sizeof(a)) != 0)
		_exit(3);
}

static void
same_text(const char *a, const char *b)
{
	if ((a == NULL) != (b == NULL) || (a && strcmp(a, b) != 0))
		_exit(4);
}

static char *
why(const struct policy *p, const struct net_tuple *t, const struct fact *f)
{
	char *said = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&said, &n);

	policy_why(p, t, f, NULL, to);
	fclose(to);
	return said;
}

/* Ends the process when two policies differ in anything they answer. */
static void
compare(const struct policy *a, const struct policy *b, unsigned n)
{
	struct policy_rule_info x, y;

	if (policy_rule_count(a) != policy_rule_count(b) || policy_device_count(a) == 0 ||
	    memcmp(policy_hash(a), policy_hash(b), 32) != 0)
		_exit(5);
	same_text(policy_site(a), policy_site(b));
	for (uint32_t r = 0; r < policy_rule_count(a); r++) {
		if (policy_rule_info(a, r, &x) < 0 || policy_rule_info(b, r, &y) < 0 ||
		    x.id != y.id || x.line != y.line || x.col != y.col || x.deny != y.deny)
			_exit(6);
		same_text(x.name, y.name);
		same_text(x.conduit, y.conduit);
		same_text(x.proto, y.proto);
		same_text(x.file, y.file);
	}
	for (unsigned i = 0; i < n; i++) {
		struct policy_bind ba, bb;
		struct fact_props props;
		struct net_tuple t;
		struct fact f;

		random_tuple(a, &t);
		same_verdict(policy_bind(a, &t, &ba), policy_bind(b, &t, &bb));
		if (ba.conduit != bb.conduit || ba.blocks != bb.blocks || ba.flags != bb.flags)
			_exit(7);
		same_text(policy_device_name(a, &t.src), policy_device_name(b, &t.src));
		same_text(policy_device_role(a, &t.dst), policy_device_role(b, &t.dst));
		same_text(policy_zone_name(a, &t.dst), policy_zone_name(b, &t.dst));
		random_fact(&f, &props);
		same_verdict(policy_eval(a, &ba, &f), policy_eval(b, &bb, &f));
		same_verdict(policy_condition(a, &ba, i % COND__MAX),
		    policy_condition(b, &bb, i % COND__MAX));
		if (i % 64 == 0) {
			char *wa = why(a, &t, &f), *wb = why(b, &t, &f);

			same_text(wa, wb);
			free(wa);
			free(wb);
		}
	}
}

/* Status of a child that maps fd and compares with a policy of ours. */
static int
compare_elsewhere(int fd, const struct policy *own, uint32_t generation, unsigned slot)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		const struct policy *p;
		char err[200];

		p = policy_image_map(fd, err, sizeof(err));
		if (!p) {
			fprintf(stderr, "%s\n", err);
			_exit(1);
		}
		close(fd);
		if (policy_generation(p) != generation || policy_image_slot(p) != slot)
			_exit(2);
		compare(own, p, 20000);
		policy_image_unmap(p);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
test_same_answers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N_FILES; i++) {
		struct complaints c = {0};
		size_t len;
		char *text = slurp(files[i], &len);
		struct policy *own = policy_build_text(files[i], text, len, &c);
		int fd = build_elsewhere(files[i], text, len, i, 70000 + i);

		assert_non_null(own);
		assert_int_equal(compare_elsewhere(fd, own, 70000 + i, i), 0);
		close(fd);
		policy_free(own);
		complaints_fini(&c);
		free(text);
	}
}

/* Old and new beside each other, as during a reload. */
static void
test_two_at_once(void **state)
{
	const struct policy *p[POLICY_SLOTS], *again;
	struct complaints c = {0};
	size_t len;
	char *text = slurp(files[0], &len), err[200];
	struct policy *own = policy_build_text(files[0], text, len, &c);
	int fd[POLICY_SLOTS];

	(void)state;
	for (unsigned s = 0; s < POLICY_SLOTS; s++) {
		fd[s] = build_elsewhere(files[0], text, len, s, s + 1);
		p[s] = policy_image_map(fd[s], err, sizeof(err));
		assert_non_null(p[s]);
		assert_int_equal(policy_image_slot(p[s]), s);
	}
	assert_null(policy_image_map(fd[1], err, sizeof(err)));
	assert_string_equal(err, "policy image: slot 1 is in use here");
	assert_int_equal(policy_image_build("x", text, len, 1, 9, &c), ERR_USAGE);
	for (unsigned s = 0; s < POLICY_SLOTS; s++)
		compare(own, p[s], 500);
	policy_image_unmap(p[1]);
	compare(own, p[2], 100);
	again = policy_image_map(fd[1], err, sizeof(err));
	assert_ptr_equal(again, p[1]); /* the same place */
	for (unsigned s = 0; s < POLICY_SLOTS; s++) {
		policy_free((struct policy *)(uintptr_t)p[s]); /* as good as unmap */
		close(fd[s]);
	}
	policy_free(own);
	complaints_fini(&c);
	free(text);
}

/* --- what is not an image ------------------------------------------------------------------------ */

/* The bytes of an image, changed by whoever asks, in a memfd with these seals. */
static int
forge(const uint8_t *bytes, size_t n, int seals)
{
	int fd = memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static void
refused(int fd, const char *want)
{
	char err[200] = "";

	if (policy_image_map(fd, err, sizeof(err)))
		fail_msg("mapped; wanted: %s", want);
	if (!strstr(err, want) || strchr(err, '\n'))
		fail_msg("\"%s\"; wanted: %s", err, want);
	close(fd);
}

static uint8_t *
good_bytes(size_t *n)
{
	size_t len;
	char *text = slurp(files[0], &len);
	int fd = build_elsewhere(files[0], text, len, 3, 5);
	struct stat st;
	uint8_t *bytes;

	assert_int_equal(fstat(fd, &st), 0);
	*n = (size_t)st.st_size;
	bytes = malloc(*n);
	assert_int_equal(pread(fd, bytes, *n, 0), (ssize_t)*n);
	close(fd);
	free(text);
	return bytes;
}

static void
test_seals(void **state)
{
	static const int each[] = {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_SEAL};
	size_t n, len;
	uint8_t *bytes = good_bytes(&n);
	char *text = slurp(files[0], &len);
	int fd = build_elsewhere(files[0], text, len, 0, 1);

	(void)state;
	assert_int_equal(fcntl(fd, F_GET_SEALS) & ALL_SEALS, ALL_SEALS);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, (off_t)n * 2), -1);
	assert_ptr_equal(mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	for (unsigned i = 0; i < 4; i++)
		refused(forge(bytes, n, ALL_SEALS & ~each[i]), "not sealed against every change");
	refused(open("Makefile", O_RDONLY | O_CLOEXEC), "not a file in memory");
	refused(-1, "Bad file descriptor");
	free(bytes);
	free(text);
}

static void
test_damaged(void **state)
{
	static const size_t cuts[] = {0, 1, HEAD_BYTES - 1, HEAD_BYTES, 4096};
	size_t n;
	uint8_t *bytes = good_bytes(&n);
	char err[200];
	int fd;

	(void)state;
	for (unsigned bit = 0; bit < HEAD_BYTES * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		refused(forge(bytes, n, ALL_SEALS), bit < 64	   ? "this is something else"
						    : bit < 25 * 8 ? "another build"
								   : "its head is damaged");
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (unsigned i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
		if (cuts[i] < n)
			refused(forge(bytes, cuts[i], ALL_SEALS), "truncated");
	bytes[8] ^= 'z';
	refused(forge(bytes, n, ALL_SEALS), "another build (");
	bytes[8] ^= 'z'; /* and whole it is one: what is above could have been mapped */
	fd = forge(bytes, n, ALL_SEALS);
	policy_image_unmap(policy_image_map(fd, err, sizeof(err)));
	bytes = realloc(bytes, n + 4096);
	assert_non_null(bytes);
	memset(bytes + n, 0, 4096);
	refused(forge(bytes, n + 4096, ALL_SEALS), "truncated"); /* more than it says */
	close(fd);
	free(bytes);
}

/* Started by test_other_run: elsewhere in memory. */
static int
other_run(int fd)
{
	char err[200] = "mapped";

	(void)mmap(
	    NULL, UINT64_C(3) << 32, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (policy_image_map(fd, err, sizeof(err)) || !strstr(err, "no slots were reserved"))
		return 3;
	if (policy_slots_reserve() < 0)
		return 4;
	if (policy_image_map(fd, err, sizeof(err)))
		return 5;
	return strstr(err, "made for another run of the program") ? 0 : 6;
}

static void
test_other_run(void **state)
{
	size_t len;
	char *text = slurp(files[0], &len), arg[16];
	int fd = build_elsewhere(files[0], text, len, 0, 1), status;
	pid_t pid;

	(void)state;
	if ((pid = fork()) == 0) {
		(void)fcntl(fd, F_SETFD, 0);
		snprintf(arg, sizeof(arg), "%d", fd);
		execl("/proc/self/exe", "policy_image_test", arg, (char *)NULL);
		_exit(9);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fd);
	free(text);
}

/* Nobody who maps it can write to it. */
static void
test_read_only(void **state)
{
	size_t len;
	char *text = slurp(files[0], &len), err[200];
	int fd = build_elsewhere(files[0], text, len, 2, 1), status;
	const struct policy *p = policy_image_map(fd, err, sizeof(err));
	pid_t pid;

	(void)state;
	assert_non_null(p);
	if ((pid = fork()) == 0) {
		(void)signal(SIGSEGV, SIG_DFL); /* a sanitizer would tell a story */
		*(volatile char *)(uintptr_t)p = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	policy_image_unmap(p);
	close(fd);
	free(text);
}

/* --- what is left behind ------------------------------------------------------------------------- */

static unsigned
open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Lines of /proc/self/maps in the slots: the reservation and what is mapped there. */
static unsigned
slot_maps(const void *in_slot)
{
	FILE *f = fopen("/proc/self/maps", "r");
	uintptr_t lo, hi, at = (uintptr_t)in_slot;
	unsigned n = 0;
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &lo, &hi) == 2 && lo < at + POLICY_SLOT_BYTES &&
		    hi > at - POLICY_SLOT_BYTES / 2)
			n++;
	fclose(f);
	return n;
}

static void
test_nothing_left(void **state)
{
	static const char bad[] = "interlock: 1\nmode: enforce\nzones: {a: {nets: [x]}}\n";
	struct complaints c = {0}, c2 = {0};
	size_t len;
	char *text = slurp(files[2], &len), err[200];
	unsigned before = open_files(), maps = 0;

	(void)state;
	for (unsigned i = 0; i < 50; i++) { /* in this process, so that leaks are seen */
		int fd = policy_image_build(files[2], text, len, 1, i + 1, &c);
		const struct policy *p;

		assert_true(fd >= 0);
		p = policy_image_map(fd, err, sizeof(err));
		assert_non_null(p);
		close(fd);
		policy_image_unmap(p);
		if (i == 0)
			maps = slot_maps(p);
		assert_int_equal(slot_maps(p), maps);
		assert_int_equal(
		    policy_image_build("bad", bad, strlen(bad), 1, 1, &c2), ERR_FORMAT);
		assert_int_equal(slot_maps(p), maps);
	}
	assert_int_equal(c.errors, 0);
	assert_int_equal(c2.errors, 50);
	assert_int_equal(c2.n, 100); /* and a warning each; sorted */
	assert_non_null(strstr(c2.v[99].text, "\"x\" is not a net"));
	assert_int_equal(open_files(), before);
	complaints_fini(&c);
	complaints_fini(&c2);
	free(text);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_same_answers),
	    cmocka_unit_test(test_two_at_once),
	    cmocka_unit_test(test_seals),
	    cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_other_run),
	    cmocka_unit_test(test_read_only),
	    cmocka_unit_test(test_nothing_left),
	};

	if (argc == 2)
		return other_run((int)strtol(argv[1], NULL, 10));
	if (policy_slots_reserve() < 0 || policy_slots_reserve() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
