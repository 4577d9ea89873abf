/* SPDX-License-Identifier: Apache-2.0 */
/* demo.c - see demo.h. */
#include "collector/demo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/journal.h"
#include "base/clock.h"
#include "base/err.h"
#include "collector/collector.h"
#include "collector/db.h"
#include "collector/enrol.h"
#include "collector/guide.h"
#include "collector/incident.h"
#include "collector/indicators.h"
#include "collector/ingest.h"
#include "collector/playbook.h"
#include "collector/propose.h"
#include "collector/receive.h"
#include "collector/share.h"
#include "collector/store.h"

struct body {
	const struct demo *d;
	char *p;
	size_t n;
	char iss[256];
	uint64_t epoch, batch;
};

static bool
on_batch(void *ctx, const struct journal_batch *jb)
{
	struct body *to = ctx;
	size_t lines = (size_t)(jb->line[jb->b->n] - jb->line[0]);

	if (jb->b->epoch < to->d->epoch ||
	    (jb->b->epoch == to->d->epoch && jb->b->number <= to->d->batch))
		return true;
	if (to->n + jb->jws_len + 1 + lines > INGEST_BODY_MAX)
		return false;
	memcpy(to->p + to->n, jb->jws, jb->jws_len);
	to->n += jb->jws_len;
	to->p[to->n++] = '\n';
	memcpy(to->p + to->n, jb->line[0], lines);
	to->n += lines;
	to->epoch = jb->b->epoch;
	to->batch = jb->b->number;
	snprintf(to->iss, sizeof(to->iss), "%s", jb->b->iss);
	return true;
}

static int
enrolled(struct collector *co, struct demo *d, const char *iss, const char *site,
    const struct key *key, int64_t now_ms)
{
	if (d->sensor > 0)
		return 0;
	snprintf(d->name, sizeof(d->name), "%s", iss);
	d->sensor = enrol_local(co->store, iss, site, key, now_ms);
	return d->sensor < 0 ? (int)d->sensor : 0;
}

int64_t
demo_take(struct collector *co, struct demo *d, const char *journal, const struct key *key,
    const char *site, char *err, size_t err_size)
{
	struct key_set *keys = calloc(1, sizeof(*keys));
	struct body body = {.d = d, .p = malloc(INGEST_BODY_MAX)};
	struct journal_reader reader = {.keys = keys, .on_batch = on_batch, .ctx = &body};
	struct journal_report rep = {0};
	struct ingest in = {0};
	struct ingest_job job = {.site = site, .in = &in};
	int r = ERR_NOMEM;

	job.now_ms = (int64_t)(clock_wall_ns() / 1000000);
	if (!keys || !body.p || (r = key_set_add(keys, key)) < 0 ||
	    (r = journal_read(journal, &reader, &rep, err, err_size)) < 0 || body.n == 0)
		goto out;
	if ((r = enrolled(co, d, body.iss, site, key, job.now_ms)) < 0 ||
	    (r = ingest_parse(&in, body.p, body.n, keys, d->name, err, err_size)) < 0)
		goto out;
	job.sensor = d->sensor;
	job.name = d->name;
	if ((r = store_write_again(co->store, ingest_store, &job)) < 0)
		(void)err_say(err, err_size, r, "not stored: %s", err_str(r));
	else if (job.result != INGEST_STORED)
		r = err_say(err, err_size, ERR_CHAIN, "%s", job.why);
	if (r == 0) {
		receive_told(co, &job);
		d->epoch = body.epoch;
		d->batch = body.batch;
	}
out:
	ingest_fini(&in);
	free(body.p);
	free(keys);
	return r < 0 ? r : (int64_t)job.alerts;
}

int
demo_policy(struct collector *co, const struct demo *d, const char *text, size_t n, char *err,
    size_t err_size)
{
	json_t *doc = json_pack(
	    "{s:i,s:s,s:{s:s%}}", "v", 1, "name", "plant.yaml", "files", "plant.yaml", text, n);
	char *json = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	int r = json ? propose_keep_policy(co->store, d->sensor, json, strlen(json),
			   (int64_t)(clock_wall_ns() / 1000000), err, err_size)
		     : err_say(err, err_size, ERR_FORMAT, "the policy is no text");

	free(json);
	json_decref(doc);
	return r;
}

int
demo_assets(struct collector *co, const struct demo *d, const char *json)
{
	return receive_document(co, d->sensor, json, strlen(json), false);
}

int
demo_evidence(struct collector *co, const struct demo *d, uint64_t epoch, uint64_t seq,
    const void *data, size_t n)
{
	return receive_packets(co, d->sensor, (int64_t)epoch, (int64_t)seq, data, n,
	    (int64_t)(clock_wall_ns() / 1000000));
}

/* --- its neighbours, and what people did --------------------------------------------------- */

int
demo_neighbours(struct collector *co, int64_t now_ms, char *err, size_t err_size)
{
	static const struct share_change to[] = {
	    {.name = "cert", .identity = "Plant operators' CERT", .keep = "", .tlp = "green"},
	    {.name = "vendor",
		.identity = "Bottling Works Ltd",
		.keep = "names,objects",
		.tlp = "amber+strict"},
	};
	static const char *const warned[] = {"198.51.100.23", "203.0.113.77", "2001:db8:5::17"};
	struct indicator_import in = {.source = "cert", .now_ms = now_ms};
	json_t *objects = json_array();
	int r = 0;

	for (size_t i = 0; i < sizeof(to) / sizeof(to[0]) && r == 0; i++) {
		struct share_change w = to[i];

		w.now_ms = now_ms;
		r = share_dest_put(co->store, &w, err, err_size);
	}
	for (size_t i = 0; i < sizeof(warned) / sizeof(warned[0]) && r == 0; i++) {
		char id[INDICATOR_ID + 1], pattern[80];

		snprintf(id, sizeof(id), "indicator--0d1ab5b2-6b1e-4a57-8c43-9f2d0c5e7a%02zu", i);
		snprintf(pattern, sizeof(pattern), "[ipv%c-addr:value = '%s']",
		    strchr(warned[i], ':') ? '6' : '4', warned[i]);
		r = json_array_append_new(
			objects, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "type", "indicator",
				     "spec_version", "2.1", "id", id, "created",
				     "2026-01-01T00:00:00.000Z", "modified",
				     "2026-01-01T00:00:00.000Z", "name", "Scanner of controllers",
				     "pattern_type", "stix", "pattern", pattern)) == 0
			? 0
			: ERR_NOMEM;
	}
	in.objects = objects;
	if (r == 0 && (r = store_write(co->store, indicator_import, &in)) < 0)
		r = err_say(err, err_size, r, "indicators: %s", err_str(r));
	json_decref(objects);
	return r;
}

static const struct work {
	const char *title;
	int state;
	const char *user, *note, *playbook;
	uint32_t steps;
} today[] = {
#define WORK(title, state, user, note, playbook, steps) {title, state, user, note, playbook, steps},
#include "collector/demo_work.def"
#undef WORK
};
static const struct work yesterday = {"%", INCIDENT_CLOSED, "ben",
    "Looked at with the shift: a test of the line, announced.", NULL, 0};

#define WORK_MAX 64u /* incidents of one line */

struct shift {
	const struct work *w;
	struct guide_tick *tick;
	uint32_t n_ticks;
	int64_t now_ms;
};

static int
work_job(struct store_tx *tx, void *ctx)
{
	const struct shift *s = ctx;
	int64_t id[WORK_MAX];
	size_t n = 0;
	int r = 0;
	struct db_stmt *st = db_query(tx_db(tx),
	    "SELECT id FROM incident WHERE state = 0 AND assignee = '' AND title LIKE ? LIMIT ?",
	    "ti", s->w->title, (int64_t)WORK_MAX);

	while (st && n < WORK_MAX && db_step(st) == DB_ROW)
		id[n++] = db_i64(st, 0);
	db_finalize(st);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct incident_edit e = {.id = id[i],
		    .now_ms = s->now_ms,
		    .state = s->w->state,
		    .user = s->w->user,
		    .assignee = s->w->user,
		    .note = s->w->note};

		for (uint32_t k = 0; k < s->n_ticks && r == 0; k++) {
			s->tick[k].incident = id[i];
			r = guide_tick(tx, &s->tick[k]);
		}
		if (r == 0)
			r = incident_edit(tx, &e);
	}
	return r;
}

int
demo_work(struct collector *co, bool over, int64_t now_ms)
{
	size_t n = over ? 1 : sizeof(today) / sizeof(today[0]);
	const struct library *lib = guide_hold(co);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const struct work *w = over ? &yesterday : &today[i];
		const struct playbook *p =
		    lib && w->playbook ? library_playbook(lib, w->playbook) : NULL;
		struct guide_tick tick[8];
		struct shift s = {.w = w, .tick = tick, .now_ms = now_ms};

		for (; p && s.n_ticks < w->steps && s.n_ticks < p->n_steps; s.n_ticks++)
			tick[s.n_ticks] = (struct guide_tick){.version = p->version,
			    .now_ms = now_ms,
			    .playbook = p->id,
			    .step = p->steps[s.n_ticks].id,
			    .note = "",
			    .user = w->user,
			    .done = true};
		r = store_write(co->store, work_job, &s);
	}
	guide_release(co);
	return r;
}
