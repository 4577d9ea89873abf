/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain.c - the writer's half of ingest.h: is a batch the next of its sensor's chain, and what is
 * kept of it.
 *
 *   same epoch    number = last + 1 and prev = hash of the last: stored
 *                 number <= last: the same statement again, or a fork (two batches, one number)
 *                 number > last + 1: a gap; only a later signed statement that says the sensor
 *                 itself removed what is missing lets it pass, as a signed loss
 *   later epoch   number 1 and no prev: the sensor lost its state, or was installed anew; told
 *   earlier epoch a known statement again, else a fork
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "collector/fleet.h"
#include "collector/rollout.h"
#include "collector/incident.h"
#include "collector/ingest.h"
#include "collector/model.h"
#include "collector/store.h"

#define HOUR_MS	  INT64_C(3600000)
#define MINUTE_MS INT64_C(60000)
#define SUMS	  1024u /* kinds of sums kept while a batch is stored; then they are written */
#define FOLDS	  64u	/* incidents of one batch kept in mind */
#define KNOWN	  512u	/* texts of one request kept in mind */
#define NOT_SEEN  (-1)

/* --- sums -------------------------------------------------------------------------- */

enum sum_kind { SUM_AGG = 1, SUM_MINUTE, SUM_EDGE, SUM_TECHNIQUE };

struct sum {
	int64_t key[6]; /* the first is an enum sum_kind */
	int64_t n, blocked, last, sev;
};

struct sums {
	uint16_t slot[2 * SUMS]; /* by hash: place in `at` and 1; 0 = free */
	unsigned used;
	struct sum at[SUMS]; /* what is behind `used` was never written */
};

static void
sums_init(struct sums *s)
{
	memset(s->slot, 0, sizeof(s->slot));
	s->used = 0;
}

static int
sums_write(struct store_tx *tx, struct sums *s)
{
	int r = 0;

	for (unsigned i = 0; i < s->used && r == 0; i++) {
		const struct sum *e = &s->at[i];
		const int64_t *k = e->key;

		if (k[0] == SUM_AGG)
			r = tx_run(tx, ST_AGG_ADD, "iiiiiii", k[1], k[2], k[3], k[5], k[4], e->n,
			    e->blocked);
		else if (k[0] == SUM_MINUTE)
			r = tx_run(tx, ST_MINUTE_ADD, "iiii", k[1], k[2], e->n, e->blocked);
		else if (k[0] == SUM_EDGE)
			r = tx_run(tx, ST_EDGE_ADD, "iiiiiiiii", k[1], k[2], k[3], k[4], k[5], e->n,
			    e->blocked, e->last, e->sev);
		else
			r = tx_run(tx, ST_TECHNIQUE_ADD, "iii", k[1], e->n, e->last);
	}
	if (s->used > 0)
		sums_init(s);
	return r;
}

static int
sum_add(struct store_tx *tx, struct sums *s, const int64_t key[6], const struct feed_row *row)
{
	uint64_t h = 0;
	struct sum *e = NULL;
	int r;

	if (s->used == SUMS && (r = sums_write(tx, s)) < 0)
		return r;
	for (unsigned i = 0; i < 6; i++)
		h = hash_mum(h ^ (uint64_t)key[i] ^ 0x9e3779b97f4a7c15u, 0xbf58476d1ce4e5b9u + i);
	for (unsigned i = (unsigned)(h % (2 * SUMS)); !e; i = (i + 1) % (2 * SUMS)) {
		if (s->slot[i] == 0) {
			e = &s->at[s->used++];
			s->slot[i] = (uint16_t)s->used;
			*e = (struct sum){.sev = row->sev};
			memcpy(e->key, key, sizeof(e->key));
		} else if (memcmp(s->at[s->slot[i] - 1].key, key, sizeof(e->key)) == 0) {
			e = &s->at[s->slot[i] - 1];
		}
	}
	e->n++;
	e->blocked += row->blocked;
	e->last = row->time_ms > e->last ? row->time_ms : e->last;
	e->sev = row->sev < e->sev ? row->sev : e->sev;
	return 0;
}

/* --- one batch ---------------------------------------------------------------------------- */

struct fold {
	int64_t key[6]; /* of the row that began it: what makes the fold, as numbers */
	uint8_t fold[INCIDENT_FOLD];
	int64_t id, n, first, last;
	uint8_t sev;
};

/* Texts of a batch are alike: their numbers, by a hash, as long as the job has the texts. */
struct known {
	const char *p;
	size_t n;
	int64_t id, seen;
};

struct work {
	struct store_tx *tx;
	struct ingest_job *job;
	int64_t sensor_name;
	unsigned n_fold;
	struct known known[KNOWN];
	struct fold fold[FOLDS];
	struct sums sums;
};

static void
text(const struct feed_row *row, enum feed_text f, char *out)
{
	if (row->text[f].n > 0)
		memcpy(out, row->text[f].p, row->text[f].n);
	out[row->text[f].n] = '\0';
}

static void
touched(struct ingest_job *job, int64_t id)
{
	for (unsigned i = 0; i < job->n_incident; i++)
		if (job->incident[i] == id)
			return;
	if (job->n_incident < sizeof(job->incident) / sizeof(job->incident[0]))
		job->incident[job->n_incident++] = id;
}

static int
folds_write(struct work *w)
{
	int r = 0;

	for (unsigned i = 0; i < w->n_fold && r == 0; i++) {
		const struct fold *f = &w->fold[i];

		touched(w->job, f->id);
		r = incident_add(w->tx, f->id, f->n, f->first, f->last, f->sev);
	}
	w->n_fold = 0;
	return r;
}

/* The number of a text, 0 for none; seen: the stretch of time it is seen in (SEEN_MS), or NOT_SEEN. */
static int64_t
number(struct work *w, const char *p, size_t n, int64_t seen)
{
	uint64_t first = 0, last = 0;
	struct known *k;

	if (n == 0)
		return 0;
	memcpy(&first, p, n < 8 ? n : 8);
	memcpy(&last, p + (n < 8 ? 0 : n - 8), n < 8 ? n : 8);
	k = &w->known[hash_mum(first ^ 0x9e3779b97f4a7c15u, last ^ n << 56 ^ 0xbf58476d1ce4e5b9u) %
		      KNOWN];
	if (k->n != n || (seen != NOT_SEEN && k->seen != seen) || memcmp(k->p, p, n) != 0)
		*k = (struct known){.p = p,
		    .n = n,
		    .seen = seen,
		    .id =
			seen == NOT_SEEN ? tx_name(w->tx, p, n) : tx_name_seen(w->tx, p, n, seen)};
	return k->id;
}

/* What it is about, in words, where no row of this batch was about the same. */
static int64_t
incident_begin(struct work *w, const struct feed_row *row, const int64_t key[6])
{
	char t[FT_N][FEED_TEXT_MAX + 1], family[FEED_TEXT_MAX + 32];
	struct incident_what what = {.sev = row->sev,
	    .site = t[FT_SITE],
	    .sensor = w->job->name,
	    .src = t[FT_SRC],
	    .dst = t[FT_DST],
	    .rule = family,
	    .title = t[FT_SIG],
	    .tech = t[FT_TECH],
	    .time_ms = row->time_ms};
	struct fold *f;
	uint8_t hash[INCIDENT_FOLD];
	int r;

	text(row, FT_SITE, t[FT_SITE]);
	text(row, FT_SRC, t[FT_SRC]);
	text(row, FT_DST, t[FT_DST]);
	text(row, FT_SIG, t[FT_SIG]);
	text(row, FT_TECH, t[FT_TECH]);
	text(row, FT_RULE, t[FT_RULE]);
	text(row, FT_CONDUIT, t[FT_CONDUIT]);
	text(row, FT_EVENT, t[FT_EVENT]);
	if (row->sid == 90 || row->sid == 91 || row->text[FT_EVENT].n > 0)
		what.kind = INCIDENT_SENSOR;
	if (t[FT_EVENT][0])
		snprintf(family, sizeof(family), "%s", t[FT_EVENT]);
	else if (t[FT_RULE][0])
		snprintf(family, sizeof(family), "%.200s/%.200s", t[FT_CONDUIT], t[FT_RULE]);
	else if (t[FT_CONDUIT][0])
		snprintf(
		    family, sizeof(family), "%.200s/#%lld", t[FT_CONDUIT], (long long)row->sid);
	else
		snprintf(family, sizeof(family), "#%lld", (long long)row->sid);
	incident_fold(&what, hash);
	for (unsigned i = 0; i < w->n_fold; i++)
		if (memcmp(w->fold[i].fold, hash, sizeof(hash)) == 0 &&
		    row->time_ms - w->fold[i].last <= INCIDENT_WINDOW_MS)
			return i;
	if (w->n_fold == FOLDS && (r = folds_write(w)) < 0)
		return r;
	f = &w->fold[w->n_fold];
	*f = (struct fold){.first = row->time_ms, .last = row->time_ms, .sev = row->sev};
	memcpy(f->key, key, sizeof(f->key));
	memcpy(f->fold, hash, sizeof(hash));
	if ((f->id = incident_find(w->tx, &what)) < 0)
		return f->id;
	return w->n_fold++;
}

/* The incident of a row: its number or ERR_*. */
static int64_t
incident_of(struct work *w, const struct feed_row *row, const int64_t name[FT_N])
{
	const int64_t key[6] = {
	    name[FT_SRC], name[FT_DST], name[FT_EVENT], name[FT_RULE], name[FT_CONDUIT], row->sid};
	struct fold *f = NULL;
	int64_t at;

	for (unsigned i = 0; i < w->n_fold && !f; i++)
		if (memcmp(w->fold[i].key, key, sizeof(key)) == 0 &&
		    row->time_ms - w->fold[i].last <= INCIDENT_WINDOW_MS)
			f = &w->fold[i];
	if (!f) {
		if ((at = incident_begin(w, row, key)) < 0)
			return at;
		f = &w->fold[at];
	}
	f->n++;
	f->first = row->time_ms < f->first ? row->time_ms : f->first;
	f->last = row->time_ms > f->last ? row->time_ms : f->last;
	f->sev = row->sev < f->sev ? row->sev : f->sev;
	return f->id;
}

static int
sum_row(struct work *w, const struct feed_row *row, const int64_t name[FT_N])
{
	int64_t hour = row->time_ms / HOUR_MS, minute = row->time_ms / MINUTE_MS;
	/* Where the policy names no site it is that of the sensor, as the map has it (plant.c). */
	int64_t site =
	    name[FT_SITE] ? name[FT_SITE] : number(w, w->job->site, strlen(w->job->site), NOT_SEEN);
	const int64_t keys[][6] = {
	    {SUM_AGG, DIM_ALL, hour, 0, row->sev},
	    {SUM_AGG, DIM_SENSOR, hour, w->sensor_name, row->sev},
	    {SUM_AGG, DIM_RULE, hour, name[FT_RULE], row->sev},
	    {SUM_AGG, DIM_DEVICE, hour, name[FT_SRC], row->sev, site},
	    {SUM_AGG, DIM_DEVICE, hour, name[FT_DST], row->sev, site},
	    {SUM_MINUTE, minute, row->sev},
	    {SUM_EDGE, name[FT_SITE], name[FT_SRC], name[FT_DST], name[FT_PROTO], name[FT_OP]},
	};
	const char *p = row->text[FT_TECH].p, *end = p + row->text[FT_TECH].n;
	int r = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && r == 0; i++) {
		if ((keys[i][1] == DIM_RULE || keys[i][1] == DIM_DEVICE) && keys[i][0] == SUM_AGG &&
		    keys[i][3] == 0)
			continue;
		if (keys[i][0] == SUM_EDGE && (keys[i][2] == 0 || keys[i][3] == 0))
			continue;
		r = sum_add(w->tx, &w->sums, keys[i], row);
	}
	while (r == 0 && p && p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		size_t n = (size_t)((comma ? comma : end) - p);
		int64_t key[6] = {SUM_TECHNIQUE, number(w, p, n, NOT_SEEN)};

		r = sum_add(w->tx, &w->sums, key, row);
		p += n + 1;
	}
	return r;
}

static int
store_row(struct work *w, const struct feed_row *row, int64_t id)
{
	/* What lists are filtered by (filter.c). */
	static const bool seen[FT_N] = {
	    [FT_SIG] = true,
	    [FT_SRC] = true,
	    [FT_DST] = true,
	    [FT_RULE] = true,
	    [FT_OBJECT] = true,
	    [FT_OP] = true,
	    [FT_SRC_IP] = true,
	    [FT_DST_IP] = true,
	    [FT_CONDUIT] = true,
	    [FT_PROTO] = true,
	    [FT_SITE] = true,
	    [FT_TECH] = true,
	};
	int64_t name[FT_N], incident;
	int r;

	for (unsigned i = 0; i < FT_N; i++)
		name[i] = number(
		    w, row->text[i].p, row->text[i].n, seen[i] ? row->time_ms / SEEN_MS : NOT_SEEN);
	if ((incident = incident_of(w, row, name)) < 0)
		return (int)incident;
	r = tx_run(w->tx, ST_ALERT_PUT, "iiiiiiiiiiiiiiiiiiiiiiiiiiiii", id, row->time_ms,
	    w->job->sensor, (int64_t)row->seq, row->sid, (int64_t)row->sev, (int64_t)row->blocked,
	    row->count, (int64_t)row->sport, (int64_t)row->dport, incident, name[FT_SIG],
	    name[FT_CATEGORY], name[FT_VERDICT], name[FT_RULE], name[FT_CONDUIT], name[FT_REASON],
	    name[FT_PROTO], name[FT_OP], name[FT_ACCESS], name[FT_OBJECT], name[FT_SRC_IP],
	    name[FT_SRC], name[FT_DST_IP], name[FT_DST], name[FT_DIR], name[FT_EVENT],
	    name[FT_SITE], name[FT_TECH]);
	if (r == 0 && row->text[FT_EVENT].n > 0)
		r = rollout_heard(w->tx, w->job->sensor, row->text[FT_EVENT].p,
		    row->text[FT_EVENT].n, w->job->now_ms);
	return r < 0 ? r : sum_row(w, row, name);
}

static int
tell(struct work *w, enum incident_kind kind, uint8_t sev, const char *rule, const char *title)
{
	struct incident_what what = {.kind = kind,
	    .sev = sev,
	    .title = title,
	    .rule = rule,
	    .site = w->job->site,
	    .sensor = w->job->name,
	    .time_ms = w->job->now_ms};
	int64_t id = incident_tell(w->tx, &what, title);

	if (id > 0)
		touched(w->job, id);
	return id < 0 ? (int)id : 0;
}

/* What it runs, when that has changed; from what is pinned to something else is told (fleet.h). */
static int
runs(struct work *w, const struct ingest_batch *ib)
{
	struct db *db = tx_db(w->tx);
	char title[200];
	int r = tx_exec(w->tx,
	    "UPDATE sensor SET policy = ?2, build = ?3 WHERE id = ?1 AND"
	    " (policy IS DISTINCT FROM ?2 OR build IS DISTINCT FROM ?3)",
	    "itt", w->job->sensor, ib->policy, ib->build);

	if (r < 0 || db_changes(db) == 0 ||
	    db_number(db, 0,
		"SELECT count(*) FROM pin WHERE sensor = ?1 AND ((policy <> '' AND policy <> ?2) OR"
		" (build <> '' AND build <> ?3))",
		"itt", w->job->sensor, ib->policy, ib->build) == 0)
		return r;
	snprintf(title, sizeof(title), "runs build %s with policy %s, and other ones are pinned",
	    ib->build, ib->policy);
	return tell(w, INCIDENT_SENSOR, 2, "fleet.drift", title);
}

static int
store_batch(struct work *w, const struct ingest_batch *ib)
{
	struct ingest_job *job = w->job;
	const struct batch *b = &ib->b;
	int64_t id;
	int r = 0;

	id = tx_insert(w->tx, ST_BATCH_PUT, "iiiiiiibibb", job->sensor, (int64_t)b->epoch,
	    (int64_t)b->number, (int64_t)b->first, (int64_t)b->n, (int64_t)b->iat_ms, job->now_ms,
	    ib->hash, sizeof(ib->hash), (int64_t)ib->size, ib->jws, ib->jws_len, ib->packed,
	    ib->packed_len);
	if (id < 0)
		return (int)id;
	for (uint64_t i = 0; i < b->n && r == 0; i++) {
		r = store_row(w, &ib->row[i], id * ALERTS_PER_BATCH + (int64_t)i);
		if (job->n_first < sizeof(job->first_alert) / sizeof(job->first_alert[0]))
			job->first_alert[job->n_first++] = id * ALERTS_PER_BATCH + (int64_t)i;
	}
	if (r == 0)
		r = sums_write(w->tx, &w->sums);
	if (r == 0)
		r = folds_write(w);
	if (r == 0)
		r = tx_run(w->tx, ST_SENSOR_PUT, "iiiibii", job->sensor, (int64_t)b->epoch,
		    (int64_t)b->number, (int64_t)b->last, ib->hash, sizeof(ib->hash),
		    (int64_t)b->final, (int64_t)b->lost);
	if (r == 0 && ib->policy[0])
		r = runs(w, ib);
	return r;
}

/* --- the chain ----------------------------------------------------------------------------- */

struct place {
	uint64_t epoch, batch, seq;
	uint8_t hash[CRYPTO_SHA256_LEN];
	bool final, silent;
	int64_t chain, state, name;
	enum batch_clock clock; /* as its batch before said */
};

static bool
place_read(struct store_tx *tx, int64_t sensor, struct place *p)
{
	struct db_stmt *st = tx_query(tx, ST_SENSOR_GET, "i", sensor);
	bool ok = db_step(st) == DB_ROW;

	memset(p, 0, sizeof(*p));
	if (ok) {
		p->epoch = (uint64_t)db_i64(st, 0);
		p->batch = (uint64_t)db_i64(st, 1);
		p->seq = (uint64_t)db_i64(st, 2);
		if (db_bytes(st, 3) == sizeof(p->hash))
			memcpy(p->hash, db_blob(st, 3), sizeof(p->hash));
		p->final = db_i64(st, 4) != 0;
		p->chain = db_i64(st, 5);
		p->state = db_i64(st, 6);
		p->name = db_i64(st, 7);
		p->silent = db_i64(st, 8) != 0;
		p->clock = db_null(st, 9)	? BATCH_CLOCK_UNSAID
			   : db_i64(st, 9) != 0 ? BATCH_CLOCK_IN_STEP
						: BATCH_CLOCK_FREE;
	}
	tx_done(st);
	return ok;
}

enum fit { FIT_NEXT = 0, FIT_KNOWN, FIT_LOSS, FIT_EPOCH, FIT_GAP, FIT_FORK };

static enum fit
known_or_fork(struct work *w, const struct place *p, const struct ingest_batch *ib)
{
	struct db_stmt *st = tx_query(w->tx, ST_BATCH_HASH, "iii", w->job->sensor,
	    (int64_t)ib->b.epoch, (int64_t)ib->b.number);
	enum fit fit = FIT_KNOWN; /* what retention removed cannot be compared any more */
	int64_t last = ib->b.epoch == p->epoch
			   ? (int64_t)p->batch
			   : db_number(tx_db(w->tx), 0,
				 "SELECT batch FROM epoch WHERE sensor = ? AND epoch = ?", "ii",
				 w->job->sensor, (int64_t)ib->b.epoch);

	if (db_step(st) == DB_ROW && (db_bytes(st, 0) != sizeof(ib->hash) ||
					 memcmp(db_blob(st, 0), ib->hash, sizeof(ib->hash)) != 0))
		fit = FIT_FORK;
	tx_done(st);
	/* An epoch that is over does not go on: nothing may be called stored that never was. */
	return (int64_t)ib->b.number > last ? FIT_FORK : fit;
}

static bool
removed_by_sensor(const struct ingest_job *job, const struct batch *b)
{
	return b->oldest >= b->number ||
	       (job->oldest && job->oldest->epoch == b->epoch && job->oldest->oldest >= b->number);
}

static enum fit
fits(struct work *w, const struct place *p, const struct ingest_batch *ib)
{
	const struct batch *b = &ib->b;

	if (b->epoch < p->epoch || (b->epoch == p->epoch && b->number <= p->batch))
		return known_or_fork(w, p, ib);
	if (b->epoch == p->epoch && b->number == p->batch + 1)
		return memcmp(b->prev, p->hash, sizeof(b->prev)) == 0 && b->first > p->seq
			   ? FIT_NEXT
			   : FIT_FORK;
	if (b->epoch == p->epoch)
		return b->first <= p->seq	      ? FIT_FORK
		       : removed_by_sensor(w->job, b) ? FIT_LOSS
						      : FIT_GAP;
	if (b->number != 1)
		return removed_by_sensor(w->job, b) ? FIT_LOSS : FIT_GAP;
	return p->epoch == 0 ? FIT_NEXT : FIT_EPOCH;
}

static int
loss(struct work *w, const struct place *p, const struct batch *b)
{
	bool same = b->epoch == p->epoch;
	bool none =
	    same && b->first == p->seq + 1; /* only heartbeats: the numbers of alerts go on */
	uint64_t from = same ? p->batch + 1 : 1;
	char title[200];
	int r = tx_run(w->tx, ST_GAP_PUT, "iiiiii", w->job->sensor, (int64_t)b->epoch,
	    (int64_t)from, (int64_t)b->number - 1, INT64_C(1), w->job->now_ms);

	snprintf(title, sizeof(title),
	    "batches %llu to %llu of epoch %llu were removed by %.60s before they came here: %s",
	    (unsigned long long)from, (unsigned long long)b->number - 1,
	    (unsigned long long)b->epoch, w->job->relay ? w->job->relay : "the sensor",
	    none ? "no alert is missing" : "a signed loss");
	if (r == 0 && p->chain == CHAIN_WHOLE && !none)
		r = tx_exec(w->tx, "UPDATE sensor SET chain = ?2 WHERE id = ?1", "ii",
		    w->job->sensor, (int64_t)CHAIN_GAP);
	return r < 0 ? r : tell(w, INCIDENT_CHAIN, none ? 3 : 2, "chain.loss", title);
}

static int
refused(struct work *w, const struct place *p, const struct ingest_batch *ib, enum fit fit)
{
	struct ingest_job *job = w->job;
	const struct batch *b = &ib->b;
	int r;

	if (fit ==
	    FIT_GAP) { /* told only when it stays: a sender may just begin at the wrong place */
		job->result = INGEST_GAP;
		snprintf(job->why, sizeof(job->why),
		    "batch %llu of epoch %llu follows batch %llu of epoch %llu here",
		    (unsigned long long)b->number, (unsigned long long)b->epoch,
		    (unsigned long long)p->batch, (unsigned long long)p->epoch);
		return 0;
	}
	job->result = INGEST_FORK;
	snprintf(job->why, sizeof(job->why),
	    b->epoch == p->epoch && b->number == p->batch + 1
		? "batch %llu of epoch %llu was not signed after the one before it that is here"
		: "there are two batches with number %llu of epoch %llu",
	    (unsigned long long)b->number, (unsigned long long)b->epoch);
	r = tx_exec(w->tx, "UPDATE sensor SET chain = ?2 WHERE id = ?1", "ii", job->sensor,
	    (int64_t)CHAIN_FORK);
	return r < 0 ? r : tell(w, INCIDENT_CHAIN, 1, "chain.fork", job->why);
}

static int
clock_told(struct work *w, const struct batch *b)
{
	char title[120];

	int64_t off = (int64_t)b->iat_ms - w->job->now_ms;

	if (b->capture_clock || off <= INGEST_SKEW_MS || jump_explains(&w->job->own, off))
		return 0;
	snprintf(title, sizeof(title), "its clock is ahead: a batch is signed %lld s from now",
	    (long long)off / 1000);
	return tell(w, INCIDENT_SENSOR, 2, "sensor.clock", title);
}

static int
accept(struct work *w, const struct ingest_batch *ib, struct place *p, enum fit fit)
{
	const struct batch *b = &ib->b;
	char title[160];
	int r = 0;

	if (fit == FIT_LOSS)
		r = loss(w, p, b);
	if (r == 0 && b->epoch != p->epoch && p->epoch != 0)
		r = tx_exec(w->tx,
		    "INSERT INTO epoch(sensor, epoch, batch) VALUES(?, ?, ?)"
		    " ON CONFLICT(sensor, epoch) DO UPDATE SET batch = excluded.batch",
		    "iii", w->job->sensor, (int64_t)p->epoch, (int64_t)p->batch);
	if (r == 0 && fit == FIT_EPOCH) {
		snprintf(title, sizeof(title), "begins anew with epoch %llu: %s",
		    (unsigned long long)b->epoch,
		    p->final ? "installed anew, or its state was removed"
			     : "it lost its state, and the end of the epoch before is not signed");
		r = tell(w, INCIDENT_CHAIN, p->final ? 3 : 2, "chain.epoch", title);
	}
	if (r == 0)
		r = clock_told(w, b);
	if (r == 0)
		r = store_batch(w, ib);
	if (r < 0)
		return r;
	p->epoch = b->epoch;
	p->batch = b->number;
	p->seq = b->last;
	p->final = b->final;
	memcpy(p->hash, ib->hash, sizeof(p->hash));
	w->job->stored++;
	w->job->alerts += b->n;
	return 0;
}

/* It was silent, and is not: that incident is over. */
int
ingest_heard(struct store_tx *tx, const char *name, int64_t now_ms, int64_t *id, unsigned *n)
{
	struct db_stmt *st = tx_query(tx, ST_INCIDENT_SILENT, "t", name);
	int r = 0;

	for (*n = 0; *n < 8 && db_step(st) == DB_ROW; (*n)++)
		id[*n] = db_i64(st, 0);
	tx_done(st);
	for (unsigned i = 0; i < *n && r == 0; i++) {
		r = tx_run(tx, ST_INCIDENT_OVER, "i", id[i]);
		if (r == 0)
			r = incident_say(tx, id[i], now_ms, "collector", SAID_HEARD, NULL);
	}
	return r;
}

static int
heard(struct work *w)
{
	int64_t id[8];
	unsigned n;
	int r = ingest_heard(w->tx, w->job->name, w->job->now_ms, id, &n);

	for (unsigned i = 0; i < n; i++)
		touched(w->job, id[i]);
	return r;
}

int
ingest_store(struct store_tx *tx, void *ctx)
{
	struct ingest_job *job = ctx;
	struct work *w = malloc(sizeof(*w)); /* large, and mostly not looked at */
	struct place p;
	int r = 0;

	if (!w)
		return ERR_NOMEM;
	job->result = INGEST_STORED;
	job->stored = job->duplicate = job->alerts = 0;
	job->last = NULL;
	job->n_first = job->n_incident = 0;
	w->tx = tx;
	w->job = job;
	w->n_fold = 0;
	memset(w->known, 0, sizeof(w->known));
	sums_init(&w->sums);
	if (!place_read(tx, job->sensor, &p) || p.state != SENSOR_ACTIVE) {
		job->result = INGEST_REVOKED;
		free(w);
		return 0;
	}
	w->sensor_name = p.name;
	for (size_t i = 0; i < job->in->n && r == 0 && job->result == INGEST_STORED; i++) {
		const struct ingest_batch *ib = &job->in->batch[i];
		enum fit fit = fits(w, &p, ib);

		if (fit == FIT_GAP || fit == FIT_FORK) {
			r = refused(w, &p, ib, fit);
		} else if (fit == FIT_KNOWN) {
			job->duplicate++;
			job->last = ib;
		} else if ((r = accept(w, ib, &p, fit)) == 0) {
			job->last = ib;
		}
	}
	job->have_epoch = p.epoch;
	job->have_batch = p.batch;
	if (r == 0 && p.silent)
		r = heard(w);
	if (r == 0)
		r = tx_run(tx, ST_SENSOR_SEEN, "ii", job->sensor, job->now_ms);
	if (r == 0 && job->stored > 0 && !job->last->b.capture_clock) {
		const struct batch *b = &job->last->b;

		r = tx_run(tx, ST_SENSOR_CLOCK, b->clock == BATCH_CLOCK_UNSAID ? "iiinn" : "iiiii",
		    job->sensor, job->now_ms / FLEET_WINDOW_MS, (int64_t)b->iat_ms - job->now_ms,
		    (int64_t)(b->clock == BATCH_CLOCK_IN_STEP), (int64_t)b->clock_error_ms);
		if (r == 0 && p.clock == BATCH_CLOCK_IN_STEP && b->clock == BATCH_CLOCK_FREE)
			r = tell(w, INCIDENT_SENSOR, 3, "sensor.time",
			    "nothing keeps its clock in step any more (NTP, PTP)");
	}
	free(w);
	return r;
}
