/* SPDX-License-Identifier: Apache-2.0 */
/* incident.c - see incident.h. */
#include "collector/incident.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "collector/store.h"

#define LOG_MAX 1000 /* lines of one incident that the collector itself writes */

static void
mix(struct crypto_sha256 *h, const char *text)
{
	crypto_sha256_update(h, text ? text : "", (text ? strlen(text) : 0) + 1); /* with its NUL */
}

void
incident_fold(const struct incident_what *w, uint8_t out[INCIDENT_FOLD])
{
	uint8_t hash[CRYPTO_SHA256_LEN], kind = (uint8_t)w->kind;
	struct crypto_sha256 h;

	crypto_sha256_init(&h);
	crypto_sha256_update(&h, &kind, 1);
	mix(&h, w->sensor);
	mix(&h, w->src);
	mix(&h, w->dst);
	mix(&h, w->rule);
	crypto_sha256_final(&h, hash);
	memcpy(out, hash, INCIDENT_FOLD);
}

int64_t
incident_find(struct store_tx *tx, const struct incident_what *w)
{
	uint8_t fold[INCIDENT_FOLD];
	struct db_stmt *st;
	int64_t id = 0, last = 0;

	incident_fold(w, fold);
	st = tx_query(tx, ST_INCIDENT_FIND, "b", fold, sizeof(fold));
	if (db_step(st) == DB_ROW) {
		id = db_i64(st, 0);
		last = db_i64(st, 1);
	}
	tx_done(st);
	if (id > 0 && w->time_ms - last <= INCIDENT_WINDOW_MS)
		return id;
	return tx_insert(tx, ST_INCIDENT_PUT, "btittttttiii", fold, sizeof(fold), w->title,
	    (int64_t)w->sev, w->site ? w->site : "", w->sensor, w->src ? w->src : "",
	    w->dst ? w->dst : "", w->rule ? w->rule : "", w->tech ? w->tech : "", w->time_ms,
	    w->time_ms, (int64_t)w->kind);
}

int
incident_add(
    struct store_tx *tx, int64_t id, int64_t n, int64_t first_ms, int64_t last_ms, uint8_t sev)
{
	return tx_run(tx, ST_INCIDENT_ADD, "iiiii", id, n, first_ms, last_ms, (int64_t)sev);
}

int64_t
incident_tell(struct store_tx *tx, const struct incident_what *w, const char *text)
{
	int64_t id = incident_find(tx, w);
	int r;

	if (id < 0)
		return id;
	r = incident_add(tx, id, 0, w->time_ms, w->time_ms, w->sev);
	if (r == 0 && text &&
	    db_number(tx_db(tx), 0, "SELECT count(*) FROM incident_log WHERE incident = ?", "i",
		id) < LOG_MAX)
		r = incident_note(tx, id, w->time_ms, "collector", text);
	return r < 0 ? r : id;
}

/* --- its log --------------------------------------------------------------------------- */

static const struct {
	const char *key, *text;
} said[] = {
#define SAID(id, key, text) {key, text},
#include "collector/said.def"
#undef SAID
};

int
incident_say(struct store_tx *tx, int64_t id, int64_t now_ms, const char *user,
    enum incident_said what, const char *value)
{
	const char *at = strstr(said[what].text, "%s");
	char text[300];

	if (at)
		snprintf(text, sizeof(text), "%.*s%.200s", (int)(at - said[what].text),
		    said[what].text, value ? value : "");
	return tx_run(tx, ST_INCIDENT_LOG, "iitttt", id, now_ms, user, at ? text : said[what].text,
	    said[what].key, value ? value : "");
}

int
incident_note(struct store_tx *tx, int64_t id, int64_t now_ms, const char *user, const char *text)
{
	return tx_run(tx, ST_INCIDENT_LOG, "iitttt", id, now_ms, user, text, "", "");
}

int
incident_edit(struct store_tx *tx, void *ctx)
{
	static const enum incident_said states[] = {SAID_OPENED, SAID_ACK, SAID_CLOSED};
	const struct incident_edit *e = ctx;
	int r = 0;

	if (db_number(tx_db(tx), 0, "SELECT count(*) FROM incident WHERE id = ?", "i", e->id) == 0)
		return ERR_NOTFOUND;
	if (e->state >= 0) {
		r = tx_exec(tx, "UPDATE incident SET state = ? WHERE id = ?", "ii",
		    (int64_t)e->state, e->id);
		if (r == 0)
			r = incident_say(tx, e->id, e->now_ms, e->user, states[e->state], NULL);
	}
	if (r == 0 && e->assignee) {
		r = tx_exec(
		    tx, "UPDATE incident SET assignee = ? WHERE id = ?", "ti", e->assignee, e->id);
		if (r == 0)
			r = incident_say(tx, e->id, e->now_ms, e->user,
			    *e->assignee ? SAID_ASSIGNED : SAID_NOBODY, e->assignee);
	}
	if (r == 0 && e->note && e->note[0])
		r = incident_note(tx, e->id, e->now_ms, e->user, e->note);
	return r;
}
