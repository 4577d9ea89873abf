/* SPDX-License-Identifier: Apache-2.0 */
/* again.c - see again.h. */
#include "cli/again.h"

#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/build_id.h"
#include "base/crypto.h"
#include "cli/run.h"
#include "policy/policy.h"

#define ALERT_MAX  (1u << 20)
#define FRAMES_MAX (4u << 20)
#define LINES_MAX  (8u << 20)

bool
again_is_alert(const char *path)
{
	size_t n = strlen(path);

	return n > 5 && strcmp(path + n - 5, ".json") == 0;
}

static const char *
meta(const json_t *alert, const char *key)
{
	const json_t *m = json_object_get(json_object_get(alert, "alert"), "metadata");

	return json_string_value(json_array_get(json_object_get(m, key), 0));
}

/* The file with the frames, and whether it is the one that the alert names. */
static bool
frames_find(const char *path, const json_t *alert, const char *dir, char *out, size_t size)
{
	const char *name = meta(alert, "il_evidence"), *want = meta(alert, "il_evidence_sha256");
	char copy[PATH_MAX], hex[2 * CRYPTO_SHA256_LEN + 1], *bytes;
	uint8_t sha[CRYPTO_SHA256_LEN];
	size_t n;

	if (!name || !want || strchr(name, '/')) {
		cli_say("%s: the alert names no evidence", path);
		return false;
	}
	snprintf(copy, sizeof(copy), "%s", path);
	if ((size_t)snprintf(out, size, "%s/%s", dir ? dir : dirname(copy), name) >= size)
		return false;
	if (!(bytes = cli_read(out, FRAMES_MAX, &n)))
		return false;
	crypto_sha256(bytes, n, sha);
	free(bytes);
	if (strcmp(crypto_hex(sha, sizeof(sha), hex), want) == 0)
		return true;
	cli_say("%s: is not what the alert was made from: sha256 %s, the alert says %s", out, hex,
	    want);
	return false;
}

/* What may make the difference, said before there is one. */
static void
makers_compare(const json_t *alert, const struct policy *pol)
{
	char hex[2 * CRYPTO_SHA256_LEN + 1] = "none";
	const char *build = meta(alert, "il_build"), *policy = meta(alert, "il_policy");

	if (pol) {
		crypto_hex(policy_hash(pol), CRYPTO_SHA256_LEN, hex);
		hex[policy ? strlen(policy) : 32] = '\0';
	}
	if (build && strcmp(build, build_id) != 0)
		cli_say("another build made it: %s; this is %s", build, build_id);
	if (strcmp(policy ? policy : "none", hex) != 0)
		cli_say("another policy made it: %s; here it is %s (-p)", policy ? policy : "none",
		    hex);
}

/* Takes out what says only where and when a line was written. */
static void
strip(json_t *alert)
{
	static const char *const top[] = {
	    "flow_id", "host", "in_iface", "pcap_filename", "pcap_cnt"};
	static const char *const inner[] = {
	    "il_seq", "il_frame", "il_evidence", "il_evidence_sha256", "il_build", "il_policy"};
	json_t *m = json_object_get(json_object_get(alert, "alert"), "metadata");

	for (size_t i = 0; i < sizeof(top) / sizeof(top[0]); i++)
		(void)json_object_del(alert, top[i]);
	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++)
		(void)json_object_del(m, inner[i]);
}

static void
on_fact(void *ctx, const struct engine_pdu *pdu)
{
	sensor_fact(ctx, pdu);
}

static bool
on_burst(void *ctx, const struct pkt *burst, unsigned n)
{
	sensor_burst(ctx, burst, n);
	return true;
}

/* All lines of a replay of the frames, NUL-ended; NULL: said why. */
static char *
lines_make(const char *frames, const char *baseline, const struct policy *pol)
{
	struct sensor s = {.detect_wanted = true, .baseline = baseline};
	struct run_result run = {0};
	char path[64], err[512] = "", *text = NULL;
	int fd = memfd_create("lines", MFD_CLOEXEC);
	struct alerts_conf ac = {.policy = pol,
	    .eve_path = path,
	    .in_iface = frames,
	    .replay = true,
	    .fold_seed = RUN_SEED};
	struct run_conf rc = {.policy = pol, .on_fact = on_fact, .on_burst = on_burst, .ctx = &s};
	size_t n = 0;
	bool ok;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ok = fd >= 0 && sensor_open(&s, RUN_SEED) && (s.alerts = alerts_new(&ac, err, sizeof(err)));
	if (ok) {
		rc.alerts = s.alerts;
		run_capture(frames, &rc, &run);
		sensor_end(&s);
		ok = alerts_finish(s.alerts, run.last_ns) >= 0 && run.status == EXIT_OK;
	}
	if (ok && (text = calloc(1, LINES_MAX + 1)))
		for (ssize_t r;
		     n < LINES_MAX && (r = pread(fd, text + n, LINES_MAX - n, (off_t)n)) > 0;)
			n += (size_t)r;
	if (!text)
		cli_say("%s: cannot be judged again%s%s", frames, *err ? ": " : "", err);
	alerts_free(s.alerts);
	sensor_fini(&s);
	run_result_fini(&run);
	if (fd >= 0)
		(void)close(fd);
	return text;
}

/* What makes two lines candidates: the detection; of a policy's alert its rule or what denied it. */
static bool
same_kind(const json_t *a, const json_t *b)
{
	const char *x = meta(a, "il_detection"), *y = meta(b, "il_detection");

	if (x || y)
		return x && y && strcmp(x, y) == 0;
	return json_equal(json_object_get(json_object_get(a, "alert"), "signature_id"),
	    json_object_get(json_object_get(b, "alert"), "signature_id"));
}

/* Prints the line that is the same, or else the ones of the same kind. */
static bool
compare(json_t *alert, char *lines)
{
	char *save;
	bool same = false;

	for (char *line = strtok_r(lines, "\n", &save); line && !same;
	     line = strtok_r(NULL, "\n", &save)) {
		json_t *o = json_loads(line, 0, NULL);

		if (o && same_kind(o, alert)) {
			strip(o);
			same = json_equal(o, alert);
			puts(line);
		}
		json_decref(o);
	}
	return same;
}

int
again(const char *path, struct sensor *options, const struct policy *pol)
{
	char frames[PATH_MAX], *text, *lines = NULL;
	json_t *alert = NULL;
	int status = EXIT_UNABLE;
	bool same;
	size_t n;

	if (!(text = cli_read(path, ALERT_MAX, &n)))
		return EXIT_UNABLE;
	text[strcspn(text, "\n")] = '\0';
	if (!(alert = json_loads(text, JSON_REJECT_DUPLICATES, NULL)))
		cli_say("%s: its first line is no alert", path);
	else if (frames_find(path, alert, options->evidence_dir, frames, sizeof(frames))) {
		makers_compare(alert, pol);
		lines = lines_make(frames, options->baseline, pol);
	}
	if (lines) {
		strip(alert);
		same = compare(alert, lines);
		cli_say(
		    same ? "%s: made again from %s" : "%s: not made again from %s", path, frames);
		status = same ? EXIT_OK : EXIT_FOUND;
	}
	free(lines);
	json_decref(alert);
	free(text);
	return status;
}
