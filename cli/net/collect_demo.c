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
#include "policy/model.h"
#include "policy/policy.h"

#define TREE_POLICY "policies/filling-line.yaml"
#define ROUNDS	    6	 /* of the past */
#define ROUND_S	    3600 /* between two of them */
#define LIVE_S	    60
#define CAPTURE_MAX (64u << 20)
#define MODEL_MAX   (1u << 20)
#define PCAP_HEAD   24u /* a pcap file: then records of 16 bytes and the frame */
#define PCAP_MAGIC  0xa1b2c3d4u

extern char **environ;

struct show {
	struct collector *co;
	struct demo demo;
	struct key key;
	char dir[256], password[24];
	const char *policy, *site;
	char *capture;
	size_t capture_len;
	atomic_bool stop;
};

const char *
collect_found(const char *in_tree, const char *installed, char *buf, size_t size)
{
	return access(in_tree, R_OK) == 0 ? in_tree : sibling_share(installed, buf, size);
}

static char *
path_in(const struct show *s, const char *name, char *buf, size_t size)
{
	return collector_path(s->dir, name, buf, size);
}

/* --- one round ----------------------------------------------------------------------- */

/* The capture with its last frame at end_s.  False: it is no pcap of microseconds. */
static bool
write_moved(const struct show *s, const char *path, int64_t end_s)
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
judge(const struct show *s)
{
	char pcap[300], journal[300], key[300], assets[300], program[600];
	char *argv[] = {"interlock", "replay", "-q", "--inline", "-p", (char *)(uintptr_t)s->policy,
	    "--journal", path_in(s, "journal", journal, sizeof(journal)), "--key",
	    path_in(s, "sensor.key", key, sizeof(key)), "--assets",
	    path_in(s, "assets.json", assets, sizeof(assets)),
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

static bool
play(struct show *s, int64_t end_s)
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
	n = demo_take(s->co, &s->demo, path_in(s, "journal", path, sizeof(path)), &s->key, s->site,
	    err, sizeof(err));
	if (n < 0)
		cli_say("demo: %s", err);
	return n >= 0;
}

static void *
live(void *arg)
{
	struct show *s = arg;

	for (unsigned tick = 1; !atomic_load(&s->stop); tick++) {
		const struct timespec second = {1, 0};

		(void)nanosleep(&second, NULL);
		if (tick % LIVE_S == 0 && !play(s, (int64_t)(clock_wall_ns() / NS_PER_S)))
			break;
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
documents(struct show *s, const struct policy *pol)
{
	char path[300], *text = malloc(MODEL_MAX), *assets;
	struct jw w = jw_make(text, text ? MODEL_MAX : 0);
	size_t n;
	bool ok;

	policy_model(pol, &w);
	ok = text && jw_end(&w) && demo_model(s->co, &s->demo, text) == 0;
	free(text);
	if (ok &&
	    (assets = cli_read(path_in(s, "assets.json", path, sizeof(path)), CAPTURE_MAX, &n))) {
		ok = demo_assets(s->co, &s->demo, assets) == 0;
		free(assets);
	}
	return ok;
}

static bool
begin(struct show *s, struct collector_conf *conf, char *err, size_t err_size)
{
	const char *tmp = getenv("TMPDIR");
	uint8_t secret[12];
	char path[300];

	snprintf(s->dir, sizeof(s->dir), "%s/interlock-demo-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(s->dir)) {
		snprintf(err, err_size, "%s: %s", s->dir, strerror(errno));
		return false;
	}
	conf->dir = s->dir;
	conf->silent_s = 10 * LIVE_S;
	crypto_random(secret, sizeof(secret));
	crypto_b64url(secret, sizeof(secret), s->password);
	key_init(&s->key);
	return key_save(&s->key, path_in(s, "sensor.key", path, sizeof(path)), err, err_size) ==
		   0 &&
	       collector_init(s->dir, NULL, 0, err, err_size) == 0 &&
	       (s->co = collector_new(conf, err, err_size)) &&
	       auth_user_put(s->co->store, "demo", ROLE_ADMIN, s->password,
		   (int64_t)(clock_wall_ns() / 1000000), err, err_size) == 0;
}

int
collect_demo(struct collector_conf *conf, const char *policy, const char *capture)
{
	struct show *s = calloc(1, sizeof(*s));
	char err[512] = "out of memory", said[200], p[600], q[600];
	int64_t now = (int64_t)(clock_wall_ns() / NS_PER_S);
	struct policy *pol = NULL;
	int status = EXIT_UNABLE;
	bool ok;
	pthread_t thread;

	if (!s)
		return EXIT_UNABLE;
	s->policy = policy ? policy : collect_found(TREE_POLICY, TREE_POLICY, p, sizeof(p));
	if (!capture)
		capture = collect_found("pcaps/mixed/plant.pcap", "demo/plant.pcap", q, sizeof(q));
	if (!(s->capture = cli_read(capture, CAPTURE_MAX, &s->capture_len)) ||
	    !(pol = cli_policy(s->policy)))
		goto out;
	s->site = policy_site(pol) ? policy_site(pol) : "";
	if (!(ok = begin(s, conf, err, sizeof(err))))
		cli_say("%s", err);
	for (int i = ROUNDS; i >= 0 && ok; i--)
		ok = play(s, now - i * ROUND_S);
	if (ok && !(ok = documents(s, pol)))
		cli_say("demo: model and devices could not be stored");
	if (ok && pthread_create(&thread, NULL, live, s) == 0) {
		snprintf(said, sizeof(said), "user demo, password %s", s->password);
		status = collect_serve(s->co, said);
		atomic_store(&s->stop, true);
		(void)pthread_join(thread, NULL);
	}
out:
	collector_free(s->co);
	if (s->dir[0])
		remove_all(s->dir);
	policy_free(pol);
	key_wipe(&s->key);
	free(s->capture);
	free(s);
	return status;
}
