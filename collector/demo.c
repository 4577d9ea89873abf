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
#include "collector/enrol.h"
#include "collector/ingest.h"
#include "collector/propose.h"
#include "collector/receive.h"
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
	if ((r = store_write(co->store, ingest_store, &job)) < 0)
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
