/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collect_demo.c - see collect_demo.h.
 *
 * It runs `interlock replay --journal` over a copy of the capture whose time stamps were
 * moved, and takes the batches out of that journal as it would take them from a sensor.
 */
#include "cli/net/collect_demo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cur.h"
#include "base/key.h"
#include "base/sibling.h"
#include "cli/cli.h"
#include "collector/auth.h"
#include "collector/collector.h"
#include "collector/demo.h"
#include "policy/policy.h"

#define CELLS_MAX    2
#define ROUNDS	     2	  /* before the one of now */
#define ROUND_S	     1500 /* between two of them: one incident (INCIDENT_WINDOW_MS) */
#define DAY_S	     (25 * 3600)
#define LATE_S	     900 /* after it somebody has closed what was the day before */
#define CAPTURE_MAX  (64u << 20)
#define POLICY_MAX   (4u << 20)
#define EVIDENCE_MAX (256u << 10)
#define PCAP_HEAD    24u /* a pcap file: then records of 16 bytes and the frame */
#define PCAP_MAGIC   0xa1b2c3d4u

extern char **environ;

/* What one sensor sees. */
struct cell {
	const char *name, *policy_name, *capture_name,
	    *installed;	 /* of the tree; the capture where it is installed */
	unsigned live_s; /* between two rounds */
};
static const struct cell cells[CELLS_MAX] = {
    {"guard-line-2", "policies/filling-line.yaml", "pcaps/mixed/plant.pcap", "demo/plant.pcap",
	120},
    {"guard-line-1", "policies/blow-moulding.yaml", "pcaps/modbus/attack-day.pcap",
	"demo/attack-day.pcap", 600},
};
#define SILENT_S 1800

/* A sensor: its journal, key, capture, list of devices and evidence lie in a directory of its own. */
struct view {
	const struct cell *cell;
	struct demo demo;
	struct key key;
	struct policy *pol;
	char dir[280], policy[600], site[256];
	char *capture;
	size_t capture_len;
};

struct show {
	struct collector *co;
	struct view view[CELLS_MAX];
	unsigned n;
	char dir[256], password[24];
	atomic_bool stop;
};

const char *
collect_found(const char *in_tree, const char *installed, char *buf, size_t size)
{
	return access(in_tree, R_OK) == 0 ? in_tree : sibling_share(installed, buf, size);
}

static char *
path_in(const struct view *s, const char *name, char *buf, size_t size)
{
	return collector_path(s->dir, name, buf, size);
}

/* --- one round ----------------------------------------------------------------------- */

/* The capture with its last frame at end_s.  False: it is no pcap of microseconds. */
static bool
write_moved(const struct view *s, const char *path, int64_t end_s)
{
	struct cur c = cur_make(s->capture, s->capture_len);
	int64_t last = 0, by;
	char *copy;
	size_t at = PCAP_HEAD;
	FILE *fp;
	bool ok;

	if (cur_le32(&c) != PCAP_MAGIC)
		return false;
	cur_skip(&c, PCAP_HEAD - 4);
	while (cur_left(&c) > 0 && cur_ok(&c)) {
		last = cur_le32(&c);
		cur_skip(&c, 4);
		cur_skip(&c, (cur_le32(&c) & INT32_MAX) + 4u);
	}
	if (!cur_ok(&c) || !(copy = malloc(s->capture_len)))
		return false;
	memcpy(copy, s->capture, s->capture_len);
	by = end_s - last;
	c = cur_make(s->capture, s->capture_len);
	cur_skip(&c, PCAP_HEAD);
	while (cur_left(&c) > 0) {
		uint32_t ts = (uint32_t)(cur_le32(&c) + by), len;

		for (unsigned i = 0; i < 4; i++)
			copy[at + i] = (char)(ts >> 8 * i);
		cur_skip(&c, 4);
		len = cur_le32(&c);
		cur_skip(&c, len + 4u);
		at += 16u + len;
	}
	fp = fopen(path, "w");
	ok = fp && fwrite(copy, 1, s->capture_len, fp) == s->capture_len;
	if (fp && fclose(fp) != 0)
		ok = false;
	free(copy);
	return ok;
}

static bool
judge(const struct view *s)
{
	char pcap[300], journal[300], key[300], assets[300], evidence[300], program[600];
	char *argv[] = {"interlock", "replay", "-q", "--inline", "-p", (char *)(uintptr_t)s->policy,
	    "--name", (char *)(uintptr_t)s->cell->name, "--journal",
	    path_in(s, "journal", journal, sizeof(journal)), "--key",
	    path_in(s, "sensor.key", key, sizeof(key)), "--assets",
	    path_in(s, "assets.json", assets, sizeof(assets)), "--detect", "--evidence",
	    path_in(s, "evidence", evidence, sizeof(evidence)),
	    path_in(s, "plant.pcap", pcap, sizeof(pcap)), NULL};
	pid_t pid;
	int status;

	if (!sibling_path(SIBLING_MAIN, program, sizeof(program)) ||
	    posix_spawn(&pid, program, NULL, NULL, argv, environ) != 0) {
		cli_say("demo: %s: does not run", program);
		return false;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) <= EXIT_FOUND;
}

/* What the sender would upload; then it goes. */
static void
take_evidence(struct collector *co, const struct view *s)
{
	char dir[300], path[600];
	DIR *d = opendir(path_in(s, "evidence", dir, sizeof(dir)));
	struct dirent *de;

	while (d && (de = readdir(d))) {
		unsigned long long epoch, seq;
		char *data;
		size_t n;

		if (sscanf(de->d_name, "%llu-%llu.pcapng", &epoch, &seq) != 2)
			continue;
		collector_path(dir, de->d_name, path, sizeof(path));
		if ((data = cli_read(path, EVIDENCE_MAX, &n)))
			(void)demo_evidence(co, &s->demo, epoch, seq, data, n);
		free(data);
		(void)unlink(path);
	}
	if (d)
		(void)closedir(d);
}

static bool
play(struct collector *co, struct view *s, int64_t end_s)
{
	char path[300], err[300] = "";
	int64_t n;

	if (!write_moved(s, path_in(s, "plant.pcap", path, sizeof(path)), end_s)) {
		cli_say("%s: not written, or the capture is not a pcap file", path);
		return false;
	}
	if (!judge(s)) {
		cli_say("demo: the capture could not be judged");
		return false;
	}
	n = demo_take(co, &s->demo, path_in(s, "journal", path, sizeof(path)), &s->key, s->site,
	    err, sizeof(err));
	if (n < 0)
		cli_say("demo: %s", err);
	else
		take_evidence(co, s);
	return n >= 0;
}

static void *
live(void *arg)
{
	struct show *s = arg;
	bool ok = true;

	for (unsigned tick = 1; ok && !atomic_load(&s->stop); tick++) {
		const struct timespec second = {1, 0};

		(void)nanosleep(&second, NULL);
		for (unsigned i = 0; i < s->n && ok; i++)
			if (tick % s->view[i].cell->live_s == 0)
				ok =
				    play(s->co, &s->view[i], (int64_t)(clock_wall_ns() / NS_PER_S));
	}
	return NULL;
}

/* --- set up and away ------------------------------------------------------------------- */

static void
remove_all(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	char path[600];

	while (d && (de = readdir(d))) {
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		collector_path(dir, de->d_name, path, sizeof(path));
		if (unlink(path) != 0)
			remove_all(path);
	}
	if (d)
		(void)closedir(d);
	(void)rmdir(dir);
}

static bool
documents(struct collector *co, const struct view *s)
{
	char path[300], *text, *assets, err[300];
	size_t n;
	bool ok = false;

	if ((text = cli_read(s->policy, POLICY_MAX, &n)))
		ok = demo_policy(co, &s->demo, text, n, err, sizeof(err)) == 0;
	if (!ok)
		cli_say("demo: %s", text ? err : s->policy);
	free(text);
	if (ok &&
	    (assets = cli_read(path_in(s, "assets.json", path, sizeof(path)), CAPTURE_MAX, &n))) {
		ok = demo_assets(co, &s->demo, assets) == 0;
		free(assets);
	}
	return ok;
}

/* Its directory, its key, what it will see. */
static bool
view_begin(struct show *s, struct view *v, const char *policy, const char *capture)
{
	const struct cell *c = v->cell;
	char path[600], err[512] = "";

	snprintf(v->dir, sizeof(v->dir), "%s/%s", s->dir, c->name);
	if (mkdir(v->dir, 0700) != 0) {
		cli_say("%s: %s", v->dir, strerror(errno));
		return false;
	}
	snprintf(v->policy, sizeof(v->policy), "%s",
	    policy ? policy : collect_found(c->policy_name, c->policy_name, path, sizeof(path)));
	if (!capture)
		capture = collect_found(c->capture_name, c->installed, path, sizeof(path));
	if (!(v->capture = cli_read(capture, CAPTURE_MAX, &v->capture_len)) ||
	    !(v->pol = cli_policy(v->policy)))
		return false;
	snprintf(v->site, sizeof(v->site), "%s", policy_site(v->pol) ? policy_site(v->pol) : "");
	key_init(&v->key);
	if (key_save(&v->key, path_in(v, "sensor.key", path, sizeof(path)), err, sizeof(err)) < 0) {
		cli_say("%s", err);
		return false;
	}
	return true;
}

static bool
begin(struct show *s, struct collector_conf *conf, char *err, size_t err_size)
{
	const char *tmp = getenv("TMPDIR");
	uint8_t secret[12];

	snprintf(s->dir, sizeof(s->dir), "%s/interlock-demo-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(s->dir)) {
		snprintf(err, err_size, "%s: %s", s->dir, strerror(errno));
		s->dir[0] = '\0';
		return false;
	}
	conf->dir = s->dir;
	conf->silent_s = SILENT_S;
	crypto_random(secret, sizeof(secret));
	crypto_b64url(secret, sizeof(secret), s->password);
	return collector_init(s->dir, NULL, NULL, 0, err, err_size) == 0 &&
	       (s->co = collector_new(conf, err, err_size)) &&
	       auth_user_put(s->co->store, "demo", ROLE_ADMIN, s->password,
		   (int64_t)(clock_wall_ns() / 1000000), err, err_size) == 0;
}

static bool
past(struct show *s, int64_t now_s)
{
	char err[300] = "";
	bool ok = play(s->co, &s->view[0], now_s - DAY_S) &&
		  demo_work(s->co, true, (now_s - DAY_S + LATE_S) * 1000) == 0;

	for (int k = ROUNDS; k >= 0 && ok; k--)
		for (unsigned i = 0; i < s->n && ok; i++)
			ok = play(s->co, &s->view[i], now_s - k * ROUND_S);
	for (unsigned i = 0; i < s->n && ok; i++)
		ok = documents(s->co, &s->view[i]);
	if (ok && (ok = demo_neighbours(s->co, now_s * 1000, err, sizeof(err)) == 0))
		ok = demo_work(s->co, false, now_s * 1000) == 0;
	if (err[0])
		cli_say("demo: %s", err);
	return ok;
}

int
collect_demo(struct collector_conf *conf, const char *policy, const char *capture)
{
	struct show *s = calloc(1, sizeof(*s));
	char err[512] = "out of memory", said[200];
	int64_t now = (int64_t)(clock_wall_ns() / NS_PER_S);
	int status = EXIT_UNABLE;
	pthread_t thread;
	bool ok;

	if (!s)
		return EXIT_UNABLE;
	if (!(ok = begin(s, conf, err, sizeof(err))))
		cli_say("%s", err);
	while (ok && s->n < (policy || capture ? 1 : CELLS_MAX)) {
		s->view[s->n].cell = &cells[s->n];
		ok = view_begin(s, &s->view[s->n++], policy, capture);
	}
	ok = ok && past(s, now);
	if (ok && pthread_create(&thread, NULL, live, s) == 0) {
		snprintf(said, sizeof(said), "user demo, password %s", s->password);
		status = collect_serve(s->co, said);
		atomic_store(&s->stop, true);
		(void)pthread_join(thread, NULL);
	}
	collector_free(s->co);
	if (s->dir[0])
		remove_all(s->dir);
	for (unsigned i = 0; i < s->n; i++) {
		policy_free(s->view[i].pol);
		key_wipe(&s->view[i].key);
		free(s->view[i].capture);
	}
	free(s);
	return status;
}
