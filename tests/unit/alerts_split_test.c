/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alerts_split_test.c - alerts in two processes: real fork()s, each half killed at any moment, a
 * worker gone mad, a journal that cannot be written.  What has to hold every time: the
 * journal verifies, alert numbers have no hole, and the events told and those stated as
 * lost are all there were.
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
#include <jansson.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alerts/alert.h"
#include "alerts/alert_int.h"
#include "base/log.h"

#define SEC   UINT64_C(1000000000)
#define START (1700000000 * SEC)
#define PARTS 3u /* of the packet side: a worker with three threads */

static char dir[] = "/tmp/interlock-split-XXXXXX", eve[64], journal[64], key_path[64];
static struct policy *pol;
static struct alerts_shared *shared;

/* What the test itself counts, in memory of all processes. */
static struct counters {
	_Atomic uint64_t clock_ns; /* the signers' */
	_Atomic uint64_t begun, done, next, turns;
} * n;

/* --- helpers --------------------------------------------------------------------------------- */

static void *
map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static void
begin(void)
{
	shared = map(alerts_shared_bytes(PARTS));
	n = map(sizeof(*n));
	alerts_shared_init(shared, PARTS);
	atomic_store(&n->clock_ns, START);
}

static void
end(void)
{
	DIR *h = opendir(journal);
	struct dirent *de;

	while (h && (de = readdir(h)))
		if (de->d_name[0] != '.')
			(void)unlinkat(dirfd(h), de->d_name, 0);
	if (h)
		(void)closedir(h);
	(void)rmdir(journal);
	(void)unlink(eve);
	(void)munmap(shared, alerts_shared_bytes(PARTS));
	(void)munmap(n, sizeof(*n));
}

static struct alerts *
part(enum alerts_side which, unsigned packet, uint64_t fold_ns)
{
	struct alerts_conf conf = {
	    .shared = shared,
	    .side = which,
	    .packets = PARTS,
	    .packet = packet,
	    .sensor = "sensor-1",
	    .fold_window_ns = fold_ns,
	    .port_names = {"eth1", "eth2"},
	    .enforcing = true,
	};
	char err[256] = "";
	struct alerts *a;

	if (which == ALERTS_SIGNER) {
		conf.policy = pol;
		conf.journal_dir = journal;
		conf.eve_path = eve;
		conf.key_path = key_path;
	}
	a = alerts_new(&conf, err, sizeof(err));
	if (!a) {
		fprintf(stderr, "%s\n", err);
		abort();
	}
	return a;
}

static struct alerts *
side(enum alerts_side which, uint64_t fold_ns)
{
	return part(which, 0, fold_ns);
}

/* An event that can be told from all others: its frame. */
static void
put(struct alerts *a, uint64_t frame, uint32_t object)
{
	struct net_tuple t = {.sport = 40000, .dport = 502, .proto = NET_PROTO_TCP};
	struct fact f = {.kind = FACT_REQUEST,
	    .access = ACC_WRITE,
	    .code = 16,
	    .n_items = 1,
	    .unit = 1,
	    .item = {.space = 2, .access = ACC_WRITE, .first = object, .count = 1},
	    .op = "write_multiple_registers"};
	struct event ev = {.kind = EVENT_PDU,
	    .ts_ns = START + frame * 1000,
	    .frame = frame,
	    .tuple = &t,
	    .fact = &f,
	    .verdict = {.action = VERDICT_DROP,
		.would = VERDICT_DROP,
		.mode = MODE_ENFORCE,
		.reason = REASON_OTHERWISE,
		.rule = RULE_NONE,
		.conduit = 0,
		.generation = policy_generation(pol)}};

	t.src.b[10] = t.src.b[11] = t.dst.b[10] = t.dst.b[11] = 0xff;
	alerts_put(a, &ev);
}

static void
put_own(struct alerts *a, enum guard_event event, const char *note)
{
	struct event ev = {.kind = EVENT_GUARD,
	    .cond = (uint8_t)event,
	    .ts_ns = START,
	    .note = note,
	    .verdict = {.rule = RULE_NONE, .conduit = RULE_NONE}};

	alerts_put(a, &ev);
}

/* A signer that never stops; its clock runs 20 ms per turn. */
static void
sign_for_ever(void)
{
	struct alerts *a = side(ALERTS_SIGNER, 0);

	for (;;) {
		(void)alerts_pump(a, atomic_fetch_add(&n->clock_ns, SEC / 50));
		atomic_fetch_add(&n->turns, 1);
		(void)usleep(300);
	}
}

static void
sign_last(void)
{
	struct alerts *a = side(ALERTS_SIGNER, 0);

	for (unsigned i = 0; i < 40; i++)
		(void)alerts_pump(a, atomic_fetch_add(&n->clock_ns, SEC / 10));
	_exit(alerts_finish(a, atomic_load(&n->clock_ns)) == 0 ? 0 : 1);
}

static uint64_t fold_ns;

/* A worker that never stops, over 64 objects when it folds. */
static void
work_for_ever(void)
{
	struct alerts *a[PARTS];

	alerts_shared_keep(shared, ALERTS_PACKET);
	for (unsigned i = 0; i < PARTS; i++)
		a[i] = part(ALERTS_PACKET, i, fold_ns);
	for (;;) {
		uint64_t frame = atomic_fetch_add(&n->next, 1) + 1;
		uint32_t object = fold_ns ? (uint32_t)(frame * 7 % 64) : (uint32_t)frame;

		atomic_fetch_add(&n->begun, 1);
		put(a[object % PARTS], frame, object); /* each has one of them */
		atomic_fetch_add(&n->done, 1);
		for (unsigned i = 0; i < PARTS && frame % 16 == 0; i++)
			(void)alerts_pump(a[i], START + frame * 1000);
		if (frame % (fold_ns ? 64 : 4) == 0)
			(void)usleep(1000);
	}
}

static void
work_last(void)
{
	int r = 0;

	alerts_shared_keep(shared, ALERTS_PACKET);
	for (unsigned i = 0; i < PARTS; i++)
		r |= alerts_finish(part(ALERTS_PACKET, i, fold_ns), START);
	_exit(r == 0 ? 0 : 1);
}

static pid_t
spawn(void (*life)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		life();
		_exit(0);
	}
	return pid;
}

static int
reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
kill_9(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(WIFSIGNALED(reap(pid)));
}

static void
done(pid_t pid)
{
	int status = reap(pid);

	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* --- what the journal says ---------------------------------------------------------------------- */

struct tally {
	uint64_t lines, events, lost, next_seq, guard[GUARD__MAX];
	uint8_t *seen; /* frames told, when not folded */
	uint64_t n_seen, twice;
};

static const char *
meta(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_array_get(
	    json_object_get(json_object_get(json_object_get(o, "alert"), "metadata"), key), 0));

	return s ? s : "";
}

static bool
on_batch(void *ctx, const struct journal_batch *jb)
{
	struct tally *t = ctx;

	for (uint64_t i = 0; i < jb->b->n; i++) {
		json_t *o = json_loadb(jb->line[i], (size_t)(jb->line[i + 1] - jb->line[i]),
		    JSON_REJECT_DUPLICATES, NULL);
		json_int_t id = json_integer_value(
		    json_object_get(json_object_get(o, "alert"), "signature_id"));
		uint64_t count = strtoull(meta(o, "il_count"), NULL, 10);
		uint64_t frame = strtoull(meta(o, "il_frame"), NULL, 10);

		assert_non_null(o);
		assert_int_equal(strtoull(meta(o, "il_seq"), NULL, 10), t->next_seq);
		t->next_seq++;
		t->lines++;
		if (id == 90)
			t->lost += count;
		else if (id >= 100 && id < 100 + GUARD__MAX)
			t->guard[id - 100]++;
		else
			t->events += count ? count : 1;
		if (t->seen && id == 3 && frame < t->n_seen)
			t->twice += t->seen[frame]++ > 0;
		json_decref(o);
	}
	return true;
}

static struct tally
verify(struct tally t, enum journal_state want)
{
	static struct key_set keys;
	struct journal_reader reader = {.keys = &keys, .on_batch = on_batch, .ctx = &t};
	struct journal_report rep;
	char path[80], err[256] = "";

	t.next_seq = 1;
	snprintf(path, sizeof(path), "%s.pub", key_path);
	assert_int_equal(key_set_load(&keys, path, err, sizeof(err)), 0);
	assert_int_equal(journal_read(journal, &reader, &rep, err, sizeof(err)), 0);
	if (rep.state != want)
		fail_msg("journal: state %u, wanted %u: %s", rep.state, want, rep.why);
	assert_int_equal(rep.epochs, 1);
	assert_int_equal(rep.alerts, t.lines);
	assert_int_equal(rep.lost, t.lost);
	return t;
}

static uint64_t
lines_of(const char *path)
{
	FILE *fp = fopen(path, "r");
	uint64_t k = 0;
	int c;

	assert_non_null(fp);
	while ((c = getc(fp)) != EOF)
		k += c == '\n';
	(void)fclose(fp);
	return k;
}

/* --- tests ---------------------------------------------------------------------------------- */

/* Worker and parent put, a signer signs: everything is there once, with its names. */
static void
together(void **state)
{
	struct alerts *own;
	struct tally t;
	pid_t worker, signer;

	(void)state;
	begin();
	own = side(ALERTS_PARENT, 0);
	put_own(own, GUARD_STARTED, "eth1 and eth2");
	worker = spawn(work_for_ever);
	signer = spawn(sign_for_ever);
	while (atomic_load(&n->done) < 1000)
		(void)usleep(1000);
	kill_9(worker);
	kill_9(signer);
	done(spawn(work_last));
	put_own(own, GUARD_WORKER_DIED, "signal 9");
	put_own(own, GUARD_STOPPED, NULL);
	done(spawn(sign_last));
	t = verify((struct tally){0}, JOURNAL_COMPLETE);
	assert_int_equal(t.guard[GUARD_STARTED], 1);
	assert_int_equal(t.guard[GUARD_WORKER_DIED], 1);
	assert_int_equal(t.guard[GUARD_STOPPED], 1);
	assert_true(t.events + t.lost >= atomic_load(&n->done));
	assert_true(t.events + t.lost <= atomic_load(&n->begun) + 1);
	assert_true(t.lost <= 1);
	alerts_free(own);
	end();
}

/* The signer dies 40 times at any moment: every record is signed once, EVE has every line. */
static void
signer_dies(void **state)
{
	struct tally t = {0};
	pid_t worker;

	(void)state;
	fold_ns = 0;
	begin();
	worker = spawn(work_for_ever);
	for (unsigned i = 0; i < 40; i++) {
		pid_t signer = spawn(sign_for_ever);
		uint64_t turns = atomic_load(&n->turns) + 3 + i % 17;

		while (atomic_load(&n->turns) < turns)
			(void)usleep(100);
		(void)usleep((unsigned)(i * 613 % 5000));
		kill_9(signer);
	}
	(void)kill(worker, SIGSTOP);
	kill_9(worker);
	done(spawn(work_last));
	done(spawn(sign_last));
	t.n_seen = atomic_load(&n->next) + 1;
	t.seen = calloc(t.n_seen, 1);
	t = verify(t, JOURNAL_COMPLETE);
	assert_true(t.events > 200);
	assert_int_equal(t.twice, 0);
	/* The worker died once: that record, and those that found the ring full, are stated. */
	assert_true(t.events + t.lost >= atomic_load(&n->done));
	assert_true(t.events + t.lost <= atomic_load(&n->begun) + 1);
	assert_true(lines_of(eve) >= t.lines); /* at least once */
	free(t.seen);
	end();
}

/* The worker dies 60 times at any moment, storms are open: their counts are told by the next. */
static void
worker_dies(void **state)
{
	struct tally t;
	pid_t signer;
	uint64_t sum;

	(void)state;
	fold_ns = 20 * SEC / 1000; /* a window is 20000 frames long */
	begin();
	signer = spawn(sign_for_ever);
	for (unsigned i = 0; i < 60; i++) {
		pid_t worker = spawn(work_for_ever);
		uint64_t want = atomic_load(&n->done) + 20 + i * 37 % 500;

		while (atomic_load(&n->done) < want)
			(void)usleep(100);
		kill_9(worker);
	}
	done(spawn(work_last));
	kill_9(signer);
	done(spawn(sign_last));
	t = verify((struct tally){0}, JOURNAL_COMPLETE);
	sum = t.events + t.lost;
	assert_true(sum >= atomic_load(&n->done));
	assert_true(sum <= atomic_load(&n->begun) + 60);
	assert_true(t.lost <= 60);
	assert_true(t.lines < atomic_load(&n->begun) / 2); /* it did fold */
	fold_ns = 0;
	end();
}

/* The last worker died and no other comes: its storms are told by the signer at the end. */
static void
nobody_comes(void **state)
{
	struct tally t;
	pid_t worker;

	(void)state;
	fold_ns = 3600 * SEC;
	begin();
	worker = spawn(work_for_ever);
	while (atomic_load(&n->done) < 3000)
		(void)usleep(100);
	kill_9(worker);
	done(spawn(sign_last));
	t = verify((struct tally){0}, JOURNAL_COMPLETE);
	assert_true(t.events + t.lost + 1 >= atomic_load(&n->done));
	assert_true(t.events + t.lost <= atomic_load(&n->begun) + 1);
	assert_int_equal(t.lines, 2 * 64);
	fold_ns = 0;
	end();
}

/* A worker that writes anything anywhere it can: the signer and the parent's events live. */
static void
go_mad(void)
{
	uint64_t s = (uint64_t)getpid() * UINT64_C(0x9e3779b97f4a7c15) + 1;
	uint8_t *p = (uint8_t *)&shared->packet[1]; /* and the part behind it */
	size_t size = 2 * sizeof(struct alerts_packet);
	size_t ring = offsetof(struct alerts_packet, ring);

	alerts_shared_keep(shared, ALERTS_PACKET);
	for (;;) {
		s ^= s << 13;
		s ^= s >> 7;
		s ^= s << 17;
		switch (s % 5) {
		case 0: /* counters, heads */
			((uint64_t *)p)[s >> 8 & 63] = s;
			break;
		case 1:
			memset(p + ring + (s >> 16) % 4096, (int)(s >> 8), 128);
			break;
		case 2:
			*(_Atomic uint64_t *)(p + ring) += (s >> 8) & 1023;
			break;
		default:
			p[(s >> 8) % size] = (uint8_t)s;
		}
	}
}

static void
worker_mad(void **state)
{
	struct alerts *own;
	struct tally t;
	pid_t mad, signer;

	(void)state;
	begin();
	own = side(ALERTS_PARENT, 0);
	mad = spawn(go_mad);
	signer = spawn(sign_for_ever);
	for (unsigned i = 0; i < 50; i++) {
		put_own(own, GUARD_LINK, "outside");
		(void)usleep(10000);
	}
	assert_int_equal(waitpid(signer, NULL, WNOHANG), 0); /* it lives */
	kill_9(mad);
	kill_9(signer);
	/* And a good worker can use what the mad one left. */
	done(spawn(work_last));
	done(spawn(sign_last));
	t = verify((struct tally){0}, JOURNAL_COMPLETE);
	assert_int_equal(t.guard[GUARD_LINK], 50);
	assert_int_equal(t.guard[GUARD_STARTED], 0);
	assert_true(t.lost > 0);
	alerts_free(own);
	end();
}

/* What a worker may not say: the parent's events, the signer's own. */
static void
forged(void **state)
{
	struct alerts *packet, *signer;
	struct record *r;

	(void)state;
	begin();
	packet = side(ALERTS_PACKET, 0);
	put_own(packet, GUARD_STOPPED, "all is well");
	put(packet, 1, 1);
	r = ring_room(packet->ring, RING_RECORD_MAX);
	record_head(r, &(struct event){.kind = EVENT_PDU});
	r->kind = EVENT_LOST;
	ring_put(packet->ring, record_bytes(r));
	put_own(packet, GUARD_DENIED, "l2.policy");
	signer = side(ALERTS_SIGNER, 0);
	assert_int_equal(alerts_pump(signer, START), 0);
	assert_int_equal(alerts_finish(signer, START + SEC), 0);
	assert_int_equal(alerts_stats(signer)->rejected, 2);
	assert_int_equal(alerts_stats(signer)->lost, 2);
	alerts_free(signer);
	alerts_free(packet);
	{
		struct tally t = verify((struct tally){0}, JOURNAL_COMPLETE);

		assert_int_equal(t.guard[GUARD_STOPPED], 0);
		assert_int_equal(t.guard[GUARD_DENIED], 1);
		assert_int_equal(t.events, 1);
		assert_int_equal(t.lost, 2);
	}
	end();
}

/* No space: nothing stops, records wait in the ring, what finds it full is stated as lost. */
static void
journal_full(void **state)
{
	struct rlimit all, none = {0};
	struct alerts *packet, *signer;
	uint64_t now = START, put_n = 0;
	struct alerts_progress pr;
	struct tally t;

	(void)state;
	begin();
	packet = side(ALERTS_PACKET, 0);
	signer = side(ALERTS_SIGNER, 0);
	put(packet, ++put_n, 1);
	for (unsigned i = 0; i < 10; i++, now += SEC / 20)
		assert_int_equal(alerts_pump(signer, now), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
	none.rlim_max = all.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	while (put_n < 20000) { /* more than the ring takes */
		put(packet, ++put_n, 1);
		if (put_n % 100 == 0)
			(void)alerts_pump(signer, now += SEC / 20);
	}
	assert_true(alerts_pump(signer, now += 2 * SEC) < 0);
	alerts_progress(signer, &pr);
	assert_true(pr.failing);
	assert_true(alerts_stats(signer)->write_errors > 1);
	assert_int_equal(pr.next_seq, 2);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
	for (unsigned i = 0; i < 40; i++, now += SEC / 5)
		assert_int_equal(alerts_pump(signer, now), 0);
	alerts_progress(signer, &pr);
	assert_false(pr.failing);
	assert_int_equal(alerts_finish(signer, now), 0);
	alerts_free(signer);
	alerts_free(packet);
	t.seen = calloc(put_n + 1, 1);
	t = verify((struct tally){.seen = t.seen, .n_seen = put_n + 1}, JOURNAL_COMPLETE);
	assert_int_equal(t.twice, 0);
	assert_int_equal(t.events + t.lost, put_n);
	assert_true(t.lost > 0);
	assert_true(t.events > 5000); /* what the ring kept meanwhile */
	assert_int_equal(lines_of(eve), t.lines);
	free(t.seen);
	end();
}

/* A record that is there before the policy it names waits for it, but not for ever. */
static void
policy_late(void **state)
{
	static const char text[] =
	    "interlock: 1\nmode: enforce\nsite: later\nzones: {a: {nets: [10.0.0.0/24]}}\n";
	struct complaints c = {.file = "later.yaml"};
	struct alerts *packet, *signer;
	struct policy *second, *keep = pol;
	char buf[BATCH_LINE_MAX];
	uint64_t now = START;
	FILE *fp;

	(void)state;
	second = policy_build_text("later.yaml", text, strlen(text), &c);
	complaints_print(&c, stderr);
	complaints_fini(&c);
	assert_non_null(second);
	begin();
	packet = side(ALERTS_PACKET, 0);
	signer = side(ALERTS_SIGNER, 0);
	put(packet, 1, 1);
	pol = second;
	put(packet, 2, 1);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(alerts_pump(signer, now += SEC / 20), 0);
	assert_int_equal(alerts_stats(signer)->lines, 1);
	alerts_add_policy(signer, second);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(alerts_pump(signer, now += SEC / 20), 0);
	assert_int_equal(alerts_stats(signer)->lines, 2);
	alerts_drop_policy(signer, keep);
	pol = keep;
	put(packet, 3, 1);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(alerts_pump(signer, now += SEC / 20), 0);
	assert_int_equal(alerts_stats(signer)->lines, 3); /* without names */
	assert_int_equal(alerts_finish(signer, now), 0);
	alerts_free(signer);
	alerts_free(packet);
	fp = fopen(eve, "r");
	assert_non_null(fp);
	assert_non_null(fgets(buf, sizeof(buf), fp));
	assert_non_null(strstr(buf, "\"il_site\":[\"line-2\"]"));
	assert_non_null(fgets(buf, sizeof(buf), fp));
	assert_non_null(strstr(buf, "\"il_site\":[\"later\"]"));
	assert_non_null(fgets(buf, sizeof(buf), fp));
	assert_null(strstr(buf, "il_site"));
	assert_non_null(strstr(buf, "\"in_iface\":\"eth1\""));
	(void)fclose(fp);
	policy_free(second);
	end();
}

/* logrotate: the file is renamed, lines go on in a new one. */
static void
reopened(void **state)
{
	struct alerts *packet, *signer;
	uint64_t now = START;
	char old[80], err[200] = "";

	(void)state;
	snprintf(old, sizeof(old), "%s.1", eve);
	begin();
	packet = side(ALERTS_PACKET, 0);
	signer = side(ALERTS_SIGNER, 0);
	for (uint64_t f = 1; f <= 2; f++) {
		put(packet, f, 1);
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(alerts_pump(signer, now += SEC / 20), 0);
		if (f == 1) {
			assert_int_equal(rename(eve, old), 0);
			assert_int_equal(alerts_reopen(signer, err, sizeof(err)), 0);
		}
	}
	assert_int_equal(alerts_finish(signer, now), 0);
	alerts_free(signer);
	alerts_free(packet);
	assert_int_equal(lines_of(old), 1);
	assert_int_equal(lines_of(eve), 1);
	(void)unlink(old);
	end();
}

static int
setup(void **state)
{
	static const char text[] =
	    "interlock: 1\nsite: line-2\nmode: enforce\nzones: {a: {nets: [10.1.2.0/24]}}\n"
	    "devices: {h: {zone: a, ip: 10.1.2.5}, p: {zone: a, ip: 10.1.2.6}}\n"
	    "conduits:\n  - name: h-p\n    from: [h]\n    to: [p]\n"
	    "    modbus: {addressing: zero-based, allow: [{name: poll, units: [1], functions: "
	    "read, "
	    "holding: [0..9]}]}\n";
	struct complaints c = {.file = "test.yaml"};
	struct key k;
	char err[200];

	(void)state;
	log_set_level(LOG_L_ERROR);
	pol = policy_build_text("test.yaml", text, strlen(text), &c);
	complaints_print(&c, stderr);
	complaints_fini(&c);
	if (!pol || !mkdtemp(dir))
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
	policy_free(pol);
	(void)unlink(key_path);
	snprintf(path, sizeof(path), "%s.pub", key_path);
	(void)unlink(path);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(together),
	    cmocka_unit_test(signer_dies),
	    cmocka_unit_test(worker_dies),
	    cmocka_unit_test(nobody_comes),
	    cmocka_unit_test(worker_mad),
	    cmocka_unit_test(forged),
	    cmocka_unit_test(journal_full),
	    cmocka_unit_test(policy_late),
	    cmocka_unit_test(reopened),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
