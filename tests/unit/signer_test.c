/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signer_test.c - the signer's process from the parent's side: policies by image, files opened
 * anew, killed and begun again, told to stop, left alone, and on a disk that is full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alerts/alert.h"
#include "alerts/journal.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "guard/msg.h"
#include "guard/signer.h"
#include "policy/image.h"

static char dir[] = "/tmp/interlock-signer-XXXXXX", eve[64], journal[64], key_path[64];
static struct alerts_shared *shared;
static struct signer_shared *sh;
static struct alerts *own;
static int sock;
static pid_t pid;

static void *
map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

/* Until a word has that value, or five seconds. */
#define AWAIT(cond)                                                                                \
	do {                                                                                       \
		for (unsigned tries_ = 0; !(cond) && tries_ < 1000; tries_++)                      \
			(void)usleep(5000);                                                        \
		assert_true(cond);                                                                 \
	} while (0)

static int confined; /* in the signer: was it asked to? */

static int
confine(void *ctx, char *err, size_t size)
{
	(void)err;
	(void)size;
	*(int *)ctx = 1;
	return 0;
}

static void
start(uid_t uid)
{
	struct signer_conf conf = {.alerts = shared,
	    .shared = sh,
	    .journal_dir = journal,
	    .key_path = key_path,
	    .eve_path = eve,
	    .sensor = "sensor-1",
	    .port_names = {"eth1", "eth2"},
	    .enforcing = true,
	    .uid = uid,
	    .gid = uid,
	    .patience_s = 5,
	    .confine = confine,
	    .ctx = &confined};
	int fd[2];

	assert_int_equal(msg_pair(fd), 0);
	atomic_store(&sh->ready, 0);
	pid = fork();
	if (pid == 0) {
		(void)close(fd[0]);
		conf.fd = fd[1];
		_exit(signer_run(&conf) + (confined ? 0 : 100));
	}
	(void)close(fd[1]);
	sock = fd[0];
}

static int
reap(void)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)close(sock);
	return status;
}

static void
begin(void)
{
	struct alerts_conf conf = {.side = ALERTS_PARENT};
	char err[200] = "";

	conf.shared = shared = map(alerts_shared_bytes(1));
	sh = map(sizeof(*sh));
	alerts_shared_init(shared, 1);
	own = alerts_new(&conf, err, sizeof(err));
	assert_string_equal(err, "");
}

static void
tell(enum guard_event event, uint32_t generation)
{
	struct event ev = {.kind = EVENT_GUARD,
	    .cond = (uint8_t)event,
	    .ts_ns = clock_wall_ns(),
	    .verdict = {.rule = RULE_NONE,
		.conduit = generation ? 0 : RULE_NONE,
		.generation = generation}};

	alerts_put(own, &ev);
}

static void
end(void)
{
	char command[256];
	pid_t rm = fork();

	if (rm == 0) {
		snprintf(command, sizeof(command), "rm -rf %s %s %s.1", journal, eve, eve);
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(1);
	}
	(void)waitpid(rm, NULL, 0);
	alerts_free(own);
	(void)munmap(shared, alerts_shared_bytes(1));
	(void)munmap(sh, sizeof(*sh));
}

static struct journal_report
verdict(void)
{
	static struct key_set keys;
	struct journal_reader reader = {.keys = &keys};
	struct journal_report rep;
	char path[80], err[256] = "";

	snprintf(path, sizeof(path), "%s.pub", key_path);
	assert_int_equal(key_set_load(&keys, path, err, sizeof(err)), 0);
	assert_int_equal(journal_read(journal, &reader, &rep, err, sizeof(err)), 0);
	return rep;
}

static char *
text_of(const char *path)
{
	static char buf[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	buf[n > 0 ? n : 0] = '\0';
	(void)close(fd);
	return buf;
}

static int
image(uint32_t generation, const char *site)
{
	struct complaints c = {.file = "t.yaml"};
	char text[512];
	int fd;

	snprintf(text, sizeof(text),
	    "interlock: 1\nsite: %s\nmode: enforce\nzones: {z: {nets: [10.1.2.0/24]}}\n"
	    "devices: {a: {zone: z, ip: 10.1.2.1}, b: {zone: z, ip: 10.1.2.2}}\nconduits:\n"
	    "  - {name: c-%s, from: [a], to: [b], modbus: {addressing: zero-based, allow: [{name: "
	    "poll, units: [1], functions: read, holding: [0..9]}]}}\n",
	    site, site);
	fd = policy_image_build(
	    "t.yaml", text, strlen(text), generation % POLICY_SLOTS, generation, &c);
	complaints_print(&c, stderr);
	complaints_fini(&c);
	assert_true(fd >= 0);
	return fd;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void
life(void **state)
{
	char old[80];
	int first, second;

	(void)state;
	begin();
	start(0);
	first = image(1, "one");
	second = image(2, "two");
	assert_int_equal(signer_send_policy(sock, first), 0);
	AWAIT(atomic_load(&sh->ready));
	tell(GUARD_LATENCY, 1);
	AWAIT(atomic_load(&sh->lines) == 1);
	assert_non_null(strstr(text_of(eve), "\"il_conduit\":[\"c-one\"]"));
	/* Another policy: sent before anybody uses it. */
	assert_int_equal(signer_send_policy(sock, second), 0);
	tell(GUARD_LATENCY, 2);
	tell(GUARD_LATENCY, 1);
	assert_int_equal(signer_send_drop(sock, 1), 0);
	AWAIT(atomic_load(&sh->lines) == 3);
	/* Killed: the next one has what came meanwhile, and goes on in the same chain. */
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(WIFSIGNALED(reap()));
	tell(GUARD_WORKER_DIED, 0);
	start(0);
	assert_int_equal(signer_send_policy(sock, second), 0);
	AWAIT(atomic_load(&sh->lines) == 4);
	/* logrotate */
	snprintf(old, sizeof(old), "%s.1", eve);
	assert_int_equal(rename(eve, old), 0);
	assert_int_equal(signer_send_reopen(sock), 0);
	AWAIT(atomic_load(&sh->reopened) == 1);
	tell(GUARD_STOPPED, 0);
	assert_int_equal(signer_send_stop(sock), 0);
	assert_int_equal(reap(), 0);
	assert_non_null(strstr(text_of(old), "c-two"));
	assert_non_null(strstr(text_of(eve), "guard.stopped"));
	assert_int_equal(verdict().state, JOURNAL_COMPLETE);
	assert_int_equal(verdict().alerts, 5);
	assert_int_equal(verdict().epochs, 1);
	assert_int_equal(verdict().lost, 0);
	assert_int_equal(atomic_load(&sh->next_seq), 6);
	assert_true(atomic_load(&sh->journal_bytes) > 0);
	(void)close(first);
	(void)close(second);
	end();
}

/* The parent is gone: that is an end too, and a clean one. */
static void
alone(void **state)
{
	(void)state;
	begin();
	start(0);
	tell(GUARD_STARTED, 0);
	AWAIT(atomic_load(&sh->ready));
	(void)shutdown(sock, SHUT_RDWR);
	assert_int_equal(reap(), 0);
	assert_int_equal(verdict().state, JOURNAL_COMPLETE);
	assert_int_equal(verdict().alerts, 1);
	end();
}

/* What is no message of its table ends it, in order. */
static void
nonsense(void **state)
{
	(void)state;
	begin();
	start(0);
	AWAIT(atomic_load(&sh->ready));
	assert_true(send(sock, "hello", 5, MSG_NOSIGNAL) == 5);
	assert_int_equal(reap(), 0);
	assert_int_equal(verdict().state, JOURNAL_COMPLETE);
	end();
}

/* It cannot begin: said in words, for status. */
static void
no_key(void **state)
{
	char keep[64], err[sizeof(((struct signer_shared *)0)->error)];

	(void)state;
	memcpy(keep, key_path, sizeof(keep));
	snprintf(key_path, sizeof(key_path), "/nowhere/key");
	begin();
	start(0);
	assert_int_equal(WEXITSTATUS(reap()), 101);
	assert_true(signer_error(sh, err));
	assert_string_equal(err, "/nowhere/key: No such file or directory");
	memcpy(key_path, keep, sizeof(keep));
	end();
}

/* Root starts it, another user goes on: what it writes is that user's. */
static void
owner(void **state)
{
	char name[96];
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	begin();
	start(65534);
	AWAIT(atomic_load(&sh->ready) && atomic_load(&sh->batches) > 0);
	assert_int_equal(stat(journal, &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(stat(eve, &st), 0);
	assert_int_equal(st.st_uid, 65534);
	snprintf(name, sizeof(name), "%s/key.pub", journal);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(stat(key_path, &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(signer_send_stop(sock), 0);
	assert_int_equal(reap(), 0);
	end();
}

/* A disk of 128 KiB that others fill: traffic is not asked, alerts wait, what finds no place is
 * stated as lost once there is room. */
static int
on_a_full_disk(void)
{
	char filler[96], buf[4096] = {0};
	uint64_t n = 0;
	int fd;

	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mkdir(journal, 0750) != 0 || mount("tmpfs", journal, "tmpfs", 0, "size=128k") != 0)
		return 77;
	begin();
	start(0);
	tell(GUARD_STARTED, 0);
	n++;
	AWAIT(atomic_load(&sh->lines) == 1);
	snprintf(filler, sizeof(filler), "%s/filler", journal);
	fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, buf, sizeof(buf)) > 0)
		;
	for (unsigned i = 0; i < 3000; i++) { /* more than a ring of the parent's takes */
		tell(GUARD_LINK, 0);
		n++;
	}
	AWAIT(atomic_load(&sh->failing));
	assert_true(atomic_load(&sh->write_errors) > 0);
	assert_non_null(strstr(sh->error, "No space left on device"));
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	(void)close(fd);
	(void)unlink(filler);
	/* It is small all the same: room for some hundred lines in all. */
	assert_int_equal(mount("tmpfs", journal, "tmpfs", MS_REMOUNT, "size=8m"), 0);
	AWAIT(!atomic_load(&sh->failing));
	assert_int_equal(signer_send_stop(sock), 0);
	assert_int_equal(reap(), 0);
	assert_int_equal(verdict().state, JOURNAL_COMPLETE);
	assert_true(verdict().lost > 0);
	assert_true(verdict().alerts + verdict().lost >= n);
	assert_true(verdict().alerts + verdict().lost <= n + 3); /* lines about losses are lines */
	(void)umount(journal);
	end();
	return 0;
}

static void
full_disk(void **state)
{
	int status;
	pid_t child;

	(void)state;
	if (geteuid() != 0)
		skip();
	(void)fflush(NULL);
	child = fork();
	if (child == 0) {
		(void)setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failure ends this process */
		_exit(on_a_full_disk());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
	(void)rmdir(journal);
}

static int
setup(void **state)
{
	struct key k;
	char err[200];

	(void)state;
	log_set_level(LOG_L_ERROR);
	if (policy_slots_reserve() < 0 || !mkdtemp(dir) || chmod(dir, 0755) != 0)
		return -1;
	snprintf(eve, sizeof(eve), "%s/eve.json", dir);
	snprintf(journal, sizeof(journal), "%s/j", dir);
	snprintf(key_path, sizeof(key_path), "%s/key", dir);
	key_init(&k);
	return key_save(&k, key_path, err, sizeof(err));
}

static int
teardown(void **state)
{
	char path[80];

	(void)state;
	(void)unlink(key_path);
	snprintf(path, sizeof(path), "%s.pub", key_path);
	(void)unlink(path);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(life),
	    cmocka_unit_test(alone),
	    cmocka_unit_test(nonsense),
	    cmocka_unit_test(no_key),
	    cmocka_unit_test(owner),
	    cmocka_unit_test(full_disk),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
