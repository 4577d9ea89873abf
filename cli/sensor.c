/* SPDX-License-Identifier: Apache-2.0 */
/* sensor.c - see sensor.h. */
#include "cli/sensor.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/jw.h"
#include "base/minisign.h"
#include "dataplane/decode.h"
#include "dataplane/engine.h"

static bool
ends_in(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);

	return n >= m && strcmp(path + n - m, end) == 0;
}

unsigned
sensor_on_stdout(const struct sensor *s)
{
	const char *const paths[] = {s->inv.path, s->convs_path, s->map_path};
	unsigned n = 0;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		n += paths[i] && strcmp(paths[i], "-") == 0;
	return n;
}

/* Found in what somebody does to many, not between two. */
static bool
one_to_many(uint8_t which)
{
	return which == DETECTION_SCAN_HOSTS || which == DETECTION_NEW_DEVICE ||
	       which == DETECTION_NEW_CONVERSATION || which == DETECTION_ADDRESS_CONFLICT;
}

static void
on_finding(void *ctx, const struct event *ev)
{
	struct sensor *s = ctx;
	struct event_evidence id;
	struct event with = *ev;

	s->found[ev->cond]++;
	if (s->evidence && ev->count == 0 &&
	    evidence_take(s->evidence, ev, one_to_many(ev->cond), &id))
		with.evidence = &id;
	if (s->alerts)
		alerts_put(s->alerts, &with);
	if (s->told)
		s->told(s->told_ctx, &with);
}

#define BASELINE_MAX (64u << 20)

/* Is it what one of the keys has signed?  False: said why. */
static bool
baseline_signed(const struct sensor *s, const char *text, size_t len)
{
	char path[PATH_MAX], err[512], *sig = NULL;
	static struct key_set keys;
	struct minisign m;
	size_t sig_len;
	bool ok = false;

	if (snprintf(path, sizeof(path), "%s.minisig", s->baseline) >= (int)sizeof(path))
		cli_say("%s: the name is too long", s->baseline);
	else if (key_set_load(&keys, s->baseline_keys, err, sizeof(err)) < 0)
		cli_say("%s", err);
	else if (!(sig = cli_read(path, MINISIGN_MAX, &sig_len)))
		cli_say("%s: is not signed", s->baseline);
	else if (minisign_verify(&keys, text, len, sig, sig_len, &m, err, sizeof(err)) < 0)
		cli_say("%s: %s: %s", s->baseline, path, err);
	else
		ok = true;
	free(sig);
	return ok;
}

/* The file is opened while we may, and written when all is learned. */
static bool
baseline_open(struct sensor *s)
{
	bool there = access(s->baseline, F_OK) == 0;
	char err[256] = "", *text = NULL;
	size_t len = 0;
	int r = 0;

	if (!there && s->learn_s == 0) {
		cli_say("%s: is not there; --learn-for says how long to learn one", s->baseline);
		return false;
	}
	if (s->baseline_keys && s->learn_s != 0) {
		cli_say("--baseline-signed: what is learned is signed when it is there");
		return false;
	}
	if (there && !(text = cli_read(s->baseline, BASELINE_MAX, &len)))
		return false;
	if (s->baseline_keys &&
	    !baseline_signed(s, text, len)) { /* what was read is what is used */
		free(text);
		return false;
	}
	if (len != 0 && (r = detect_load(s->detect, text, len, err, sizeof(err))) < 0)
		cli_say("%s: %s", s->baseline, err);
	free(text);
	if (r == 0 && s->learn_s != 0 &&
	    !(s->baseline_out = fopen(s->baseline, there ? "r+e" : "we"))) {
		cli_say("%s: %s", s->baseline, strerror(errno));
		return false;
	}
	return r == 0;
}

/*
 * The file again.  It is read into tables of their own first: only what is good as a whole takes the place of what was
 * usual before.
 */
static bool
baseline_again(struct sensor *s)
{
	char err[256] = "out of memory", *text = NULL;
	struct detect_conf conf = {.seed = s->seed};
	struct detect *trial = NULL;
	size_t len = 0;
	int r = ERR_NOMEM;

	if (s->baseline_out) {
		cli_say("%s: is still being learned", s->baseline);
		return false;
	}
	if (!(text = cli_read(s->baseline, BASELINE_MAX, &len)))
		return false;
	if (s->baseline_keys && !baseline_signed(s, text, len)) {
		free(text);
		return false;
	}
	conf.convs = convs_new(s->table_memory ? s->table_memory : CONVS_MEMORY, s->seed);
	if (conf.convs && (trial = detect_new(&conf)))
		r = detect_load(trial, text, len, err, sizeof(err));
	if (r == 0) {
		detect_forget(s->detect);
		r = detect_load(s->detect, text, len, err, sizeof(err));
	}
	if (r < 0)
		cli_say("%s: %s; the baseline stays as it was", s->baseline, err);
	else
		cli_say("%s: read again", s->baseline);
	detect_free(trial);
	convs_free(conf.convs);
	free(text);
	return r == 0;
}

bool
sensor_reload(struct sensor *s)
{
	bool ok = !s->baseline || baseline_again(s);

	if (s->watch) {
		memset(s->watch_was, 0, sizeof(s->watch_was)); /* whether it was replaced or not */
		ok &= sensor_look(s);
	}
	return ok;
}

/* Has one of the two files of the list been replaced since this was asked last? */
static bool
watch_changed(struct sensor *s)
{
	char path[1024];
	bool moved = false;

	for (unsigned i = 0; i < 2; i++) {
		struct stat st = {0}, *was = &s->watch_was[i];

		snprintf(path, sizeof(path), "%s%s", s->watch_path, i ? ".minisig" : "");
		(void)stat(path, &st);
		moved |= st.st_ino != was->st_ino || st.st_size != was->st_size ||
			 st.st_mtim.tv_sec != was->st_mtim.tv_sec ||
			 st.st_mtim.tv_nsec != was->st_mtim.tv_nsec;
		*was = st;
	}
	return moved;
}

/* Whole and signed, or not at all: NULL, said. */
static struct watch_list *
watch_read(const struct sensor *s)
{
	char err[300] = "", path[1024], *text = NULL, *sig = NULL;
	struct watch_list *l = NULL;
	size_t n, sig_len;

	snprintf(path, sizeof(path), "%s.minisig", s->watch_path);
	if ((text = cli_read(s->watch_path, WATCH_LIST_BYTES, &n)) &&
	    (sig = cli_read(path, MINISIGN_MAX, &sig_len)) &&
	    !(l = watch_list_new(
		  text, n, sig, sig_len, s->watch_keys, hash_seed_make(s->seed), err, sizeof(err))))
		cli_say("%s: %s", s->watch_path, err);
	free(text);
	free(sig);
	return l;
}

static bool
watch_open(struct sensor *s)
{
	char err[300] = "";

	if (!s->watch_key) {
		cli_say("--watch-list: --watch-list-key says whom to believe");
		return false;
	}
	if (!(s->watch_keys = calloc(1, sizeof(*s->watch_keys))) ||
	    key_set_load(s->watch_keys, s->watch_key, err, sizeof(err)) < 0) {
		cli_say("%s", *err ? err : "out of memory");
		return false;
	}
	(void)watch_changed(s);
	return (s->watch = watch_read(s)) != NULL;
}

bool
sensor_look(struct sensor *s)
{
	struct watch_list *l;

	if (!s->watch || !watch_changed(s))
		return true;
	if (!(l = watch_read(s)))
		return false;
	if (watch_list_serial(l) < watch_list_serial(s->watch)) {
		cli_say("%s: serial %" PRIu64 " is older than %" PRIu64 ", which stays",
		    s->watch_path, watch_list_serial(l), watch_list_serial(s->watch));
		watch_list_free(l);
		return false;
	}
	detect_watch(s->detect, l);
	watch_list_free(s->watch);
	s->watch = l;
	cli_say("%s: serial %" PRIu64 ", %" PRIu32 " entries", s->watch_path, watch_list_serial(l),
	    watch_list_size(l));
	return true;
}

static bool
detect_open(struct sensor *s, uint64_t seed)
{
	struct detect_conf conf = {.convs = s->convs,
	    .seed = seed,
	    .learn_ns = s->learn_s * UINT64_C(1000000000),
	    .sink = on_finding,
	    .ctx = s};
	char err[512] = "";

	if (s->watch_path && !watch_open(s))
		return false;
	conf.watch = s->watch;
	if (!(s->detect = detect_new(&conf))) {
		cli_say("no memory for detections");
		return false;
	}
	if (s->evidence_dir && !(s->evidence = evidence_new(s->evidence_dir, err, sizeof(err)))) {
		cli_say("%s", err);
		return false;
	}
	if (s->baseline_keys && !s->baseline) {
		cli_say("--baseline-signed needs --baseline");
		return false;
	}
	return !s->baseline || baseline_open(s);
}

bool
sensor_open(struct sensor *s, uint64_t seed)
{
	s->inv.memory = s->table_memory;
	s->inv.replaced = s->replaced[SENSOR_ASSETS];
	s->seed = seed;
	if (!inventory_open(&s->inv, seed))
		return false;
	if (s->map_path && !ends_in(s->map_path, ".dot") && !ends_in(s->map_path, ".mmd") &&
	    !ends_in(s->map_path, ".json")) {
		cli_say("--map %s: .dot, .mmd or .json says which kind of map", s->map_path);
		return false;
	}
	if ((!s->replaced[SENSOR_CONVS] && !out_open(&s->convs_out, s->convs_path)) ||
	    (!s->replaced[SENSOR_MAP] && !out_open(&s->map_out, s->map_path)))
		return false;
	s->detect_wanted |= s->baseline_keys != NULL || s->learn_s != 0 || s->baseline != NULL ||
			    s->evidence_dir != NULL || s->watch_path != NULL;
	if (!s->convs_path && !s->map_path && !s->detect_wanted && !s->convs_wanted)
		return true;
	if (!(s->convs = convs_new(s->table_memory ? s->table_memory : CONVS_MEMORY, seed))) {
		cli_say("no memory for the conversations");
		return false;
	}
	return !s->detect_wanted || detect_open(s, seed);
}

void
sensor_burst(struct sensor *s, const struct pkt *burst, unsigned n)
{
	sensor_flush(s);
	if (s->detect)
		detect_burst(s->detect);
	for (unsigned i = 0; s->inv.assets && i < n; i++)
		assets_frame(s->inv.assets, &burst[i]);
	for (unsigned i = 0; s->convs && i < n; i++) {
		struct layers l = {0};

		if (decode(&burst[i], &l) != DROP_NONE)
			continue;
		convs_frame(s->convs, &burst[i], &l);
		if (s->evidence)
			evidence_frame(s->evidence, &burst[i], &l);
		if (s->detect)
			detect_frame(s->detect, &burst[i], &l);
	}
}

bool
sensor_wants_facts(const struct sensor *s)
{
	return s->inv.assets || s->convs || s->detect;
}

void
sensor_fact(struct sensor *s, const struct engine_pdu *pdu)
{
	if (s->inv.assets)
		assets_fact(s->inv.assets, pdu);
	if (s->convs)
		convs_fact(s->convs, pdu);
	if (s->detect)
		detect_fact(s->detect, pdu);
}

void
sensor_cert(struct sensor *s, const struct engine_cert *cert)
{
	assets_cert(s->inv.assets, cert);
}

void
sensor_end(struct sensor *s)
{
	if (s->detect)
		detect_end(s->detect);
	sensor_flush(s);
}

void
sensor_flush(struct sensor *s)
{
	if (s->evidence && evidence_flush(s->evidence) < 0 && !s->evidence_told) {
		s->evidence_told = true; /* once; the number is in the summary */
		cli_say("%s: evidence cannot be written: %s", s->evidence_dir, strerror(errno));
	}
}

bool
sensor_turn(struct sensor *s, bool end)
{
	struct out o = {s->baseline_out, s->baseline};
	bool ok;

	if (!s->baseline_out || (!end && detect_learning(s->detect)))
		return true;
	s->baseline_out = NULL;
	rewind(o.fp);
	ok = ftruncate(fileno(o.fp), 0) == 0;
	if (!ok)
		cli_say("%s: %s", s->baseline, strerror(errno));
	ok = ok && out_json(&o, detect_save, s->detect);
	return out_close(&o) && ok;
}

const char *
sensor_findings(const struct sensor *s, char *buf, size_t size)
{
	uint64_t expected;
	size_t n = 0;

	buf[0] = '\0';
	for (uint8_t i = 0; i < DETECTION__MAX; i++)
		if (s->found[i] != 0 && n < size)
			n += (size_t)snprintf(buf + n, size - n, "%s%s %llu", n ? ", " : "",
			    detection_info(i)->name, (unsigned long long)s->found[i]);
	expected = s->detect ? detect_stats(s->detect).expected : 0;
	if (expected != 0 && n < size)
		(void)snprintf(buf + n, size - n, "%s%llu that the baseline expects",
		    n ? ", and " : "", (unsigned long long)expected);
	return buf;
}

const char *
sensor_list_path(const struct sensor *s, enum sensor_list which)
{
	const char *const paths[SENSOR_LISTS] = {
	    s->inv.path, s->convs_path, s->map_path, s->inv.state};

	return paths[which];
}

static bool
list_put(const struct sensor *s, enum sensor_list which, struct out *o, const struct policy *pol)
{
	struct convs_view view = {.convs = s->convs, .pol = pol};

	if (which == SENSOR_ASSETS)
		return inventory_put(&s->inv, o, pol);
	if (which == SENSOR_STATE)
		return inventory_save(&s->inv, o);
	if (which == SENSOR_CONVS)
		return out_json(o, convs_json, &view);
	view.map = ends_in(s->map_path, ".dot")	  ? CONVS_MAP_DOT
		   : ends_in(s->map_path, ".mmd") ? CONVS_MAP_MERMAID
						  : CONVS_MAP_JSON;
	return out_json(o, convs_map, &view);
}

bool
sensor_list_write(const struct sensor *s, enum sensor_list which, int fd, const struct policy *pol)
{
	struct out o = {fdopen(fd, "w"), sensor_list_path(s, which)};
	bool ok;

	if (!o.fp) {
		cli_say("%s: %s", o.path, strerror(errno));
		(void)close(fd);
		return false;
	}
	ok = list_put(s, which, &o, pol);
	if (ok && (fflush(o.fp) != 0 || fsync(fd) < 0)) {
		cli_say("%s: %s", o.path, strerror(errno));
		(void)fclose(o.fp);
		return false;
	}
	return out_close(&o) && ok;
}

bool
sensor_write(struct sensor *s, const struct policy *pol)
{
	bool ok = sensor_turn(s, true);
	struct evidence_stats st = {0};

	if (s->evidence)
		st = evidence_stats(s->evidence);
	if (st.lost != 0) {
		cli_say("%s: evidence of %llu findings is lost", s->evidence_dir,
		    (unsigned long long)st.lost);
		ok = false;
	}

	ok &= inventory_write(&s->inv, pol);

	if (s->convs_out.fp) {
		ok &= list_put(s, SENSOR_CONVS, &s->convs_out, pol);
		ok &= out_close(&s->convs_out);
	}
	if (s->map_out.fp) {
		ok &= list_put(s, SENSOR_MAP, &s->map_out, pol);
		ok &= out_close(&s->map_out);
	}
	return ok;
}

void
sensor_fini(struct sensor *s)
{
	inventory_fini(&s->inv);
	if (s->convs_out.fp)
		(void)out_close(&s->convs_out);
	if (s->map_out.fp)
		(void)out_close(&s->map_out);
	if (s->baseline_out)
		(void)fclose(s->baseline_out);
	s->baseline_out = NULL;
	evidence_free(s->evidence);
	s->evidence = NULL;
	detect_free(s->detect);
	s->detect = NULL;
	watch_list_free(s->watch);
	s->watch = NULL;
	free(s->watch_keys);
	s->watch_keys = NULL;
	convs_free(s->convs);
	s->convs = NULL;
}
