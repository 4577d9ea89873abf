/* SPDX-License-Identifier: Apache-2.0 */
/* indicators.c - see indicators.h. */
#include "collector/indicators.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/query.h"
#include "collector/store.h"
#include "sharing/share.h"

#define LINE_MAX_BYTES 160u

/* --- taking ---------------------------------------------------------------------------- */

static int
refuse(struct store_tx *tx, enum refusal why)
{
	int r = tx_exec(tx,
	    "INSERT INTO refused(reason, n) VALUES(?, 1) ON CONFLICT(reason) DO UPDATE SET n = "
	    "refused.n + 1",
	    "t", refusal_name(why));

	return r < 0 ? r : (int)why;
}

static bool
is_id(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= INDICATOR_ID &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEF0123456789-") == n;
}

int
indicator_take(struct store_tx *tx, const json_t *o, const char *source, int64_t now_ms)
{
	const char *id = shared_text(o, "id"), *pattern = shared_text(o, "pattern");
	const char *until = shared_text(o, "valid_until");
	int64_t ends = *until ? share_time_parse(until) / 1000 : 0;
	struct pattern p;
	enum refusal why;
	int r;

	if (strcmp(shared_text(o, "type"), "indicator") != 0 || !is_id(id))
		return refuse(tx, REFUSAL_OBJECT);
	if ((r = tx_exec(tx, "DELETE FROM indicator WHERE stix = ?", "t", id)) < 0)
		return r;
	if (json_is_true(json_object_get(o, "revoked")) || (*until && ends <= now_ms))
		return refuse(tx, REFUSAL_TIME);
	if (strcmp(shared_text(o, "pattern_type"), "stix") != 0)
		return refuse(tx, REFUSAL_TYPE);
	if ((why = pattern_parse(pattern, strlen(pattern), &p)) != REFUSAL_NONE)
		return refuse(tx, why);
	if (db_number(tx_db(tx), 0, "SELECT count(*) FROM indicator", "") + p.n > INDICATORS_MAX)
		return refuse(tx, REFUSAL_FULL);
	for (unsigned i = 0; i < p.n && r == 0; i++) {
		char value[NET_ADDR_STRLEN];

		r = tx_exec(tx,
		    "INSERT INTO indicator(kind, value, stix, name, source, until, added) "
		    "VALUES(?, ?, ?, ?, ?, ?, ?)",
		    "ittttii", (int64_t)p.value[i].is_mac, pattern_value_text(&p.value[i], value),
		    id, shared_text(o, "name"), source, ends, now_ms);
	}
	if (r == 0)
		r = tx_exec(tx, "UPDATE watch_serial SET serial = serial + 1", "");
	return r;
}

int
indicator_import(struct store_tx *tx, void *ctx)
{
	struct indicator_import *in = ctx;
	const json_t *o;
	size_t i;

	if (json_array_size(in->objects) > INDICATOR_BATCH)
		return ERR_RANGE;
	json_array_foreach(in->objects, i, o)
	{
		int r = indicator_take(tx, o, in->source, in->now_ms);

		if (r < 0)
			return r;
		if (r == 0)
			in->taken++;
		else
			in->refused[r]++;
	}
	return 0;
}

/* --- the list ---------------------------------------------------------------------------- */

int
share_key(const char *dir, struct key *out, char *err, size_t err_size)
{
	char path[512];
	int r;

	collector_path(dir, "share.key", path, sizeof(path));
	if (access(path, F_OK) != 0) {
		key_init(out);
		r = key_save(out, path, err, err_size);
		key_wipe(out);
		if (r < 0 && r != ERR_EXISTS)
			return r;
	}
	return key_load(out, path, err, err_size);
}

char *
indicator_list(
    struct db *db, const struct key *key, int64_t now_ms, size_t *n, char sig[MINISIGN_MAX])
{
	size_t size = (INDICATORS_MAX + 8) * (size_t)LINE_MAX_BYTES, at;
	char *out = malloc(size), comment[64];
	long long serial = db_number(db, 0, "SELECT serial FROM watch_serial", "");
	struct db_stmt *st;
	unsigned count = 0;

	if (!out)
		return NULL;
	at = (size_t)snprintf(out, size, "interlock-watch-list 1\nserial %lld\n", serial);
	st = db_query(db,
	    "SELECT kind, value, until / 1000, stix FROM indicator WHERE until = 0 OR until > ? "
	    "ORDER BY value, stix"
	    " LIMIT ?",
	    "ii", now_ms, (int64_t)INDICATORS_MAX);
	while (st && db_step(st) == DB_ROW) {
		at += (size_t)snprintf(out + at, size - at, "%s %.45s %lld %.63s\n",
		    db_int(st, 0) ? "mac" : "address", db_text(st, 1), (long long)db_i64(st, 2),
		    db_text(st, 3));
		count++;
	}
	db_finalize(st);
	at += (size_t)snprintf(out + at, size - at, "end %u\n", count);
	snprintf(comment, sizeof(comment), "watch list, serial %lld", serial);
	(void)minisign_sign(key, out, at, (uint64_t)now_ms / 1000, comment, sig);
	*n = at;
	return out;
}

/* --- calls ---------------------------------------------------------------------------------- */

void
indicators_list(struct call *c)
{
	struct db *db = call_db(c);
	struct db_stmt *st;

	if (!db || !call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	jw_i(&c->w, "serial", db_number(db, 0, "SELECT serial FROM watch_serial", ""));
	jw_obj(&c->w, "refused");
	st = db_query(db, "SELECT reason, n FROM refused ORDER BY reason", "");
	while (st && db_step(st) == DB_ROW)
		jw_i(&c->w, db_text(st, 0), db_i64(st, 1));
	db_finalize(st);
	jw_close(&c->w, '}');
	jw_arr(&c->w, "items");
	st = db_query(db,
	    "SELECT kind, value, stix, name, source, until, added FROM indicator ORDER BY value, "
	    "stix LIMIT ?",
	    "i", (int64_t)INDICATORS_MAX);
	while (st && db_step(st) == DB_ROW) {
		jw_obj(&c->w, NULL);
		jw_str(&c->w, "kind", db_int(st, 0) ? "mac" : "address");
		jw_str(&c->w, "value", db_text(st, 1));
		jw_str(&c->w, "id", db_text(st, 2));
		jw_str(&c->w, "name", db_text(st, 3));
		jw_str(&c->w, "source", db_text(st, 4));
		jw_i(&c->w, "until", db_i64(st, 5));
		jw_i(&c->w, "added", db_i64(st, 6));
		jw_close(&c->w, '}');
	}
	db_finalize(st);
	query_next(&c->w, false, 0, 0);
}

static void
say_import(struct call *c, const struct indicator_import *in)
{
	if (!call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	jw_u(&c->w, "taken", in->taken);
	jw_obj(&c->w, "refused");
	for (enum refusal k = REFUSAL_NONE + 1; k < REFUSAL__MAX; k++)
		if (in->refused[k])
			jw_u(&c->w, refusal_name(k), in->refused[k]);
	jw_close(&c->w, '}');
	jw_close(&c->w, '}');
}

void
indicators_import(struct call *c)
{
	json_t *o = call_json(c);
	struct indicator_import in = {.source = c->user, .now_ms = c->now_ms};
	int r;

	if (!o)
		return;
	in.objects = json_object_get(o, "objects");
	r = json_is_array(in.objects) ? store_write(c->co->store, indicator_import, &in)
				      : ERR_USAGE;
	audit_log(c, "indicators", c->user, r == 0, "%u taken", in.taken);
	if (r == ERR_USAGE || r == ERR_RANGE)
		call_error(c, 400, "bad_request", "a bundle of STIX with at most %u objects",
		    INDICATOR_BATCH);
	else if (r < 0)
		call_store_error(c, r);
	else
		say_import(c, &in);
	json_decref(o);
}

static int
remove_job(struct store_tx *tx, void *ctx)
{
	const struct call *c = ctx;
	int r = tx_exec(tx, "DELETE FROM indicator WHERE stix = ?", "t", c->part[0]);

	if (r == 0 && db_changes(tx_db(tx)) == 0)
		return ERR_NOTFOUND;
	return r < 0 ? r : tx_exec(tx, "UPDATE watch_serial SET serial = serial + 1", "");
}

void
indicators_remove(struct call *c)
{
	int r = store_write(c->co->store, remove_job, c);

	audit_log(c, "indicator.remove", c->part[0], r == 0, "%s", "");
	if (r == ERR_NOTFOUND)
		call_error(c, 404, "not_found", "no such indicator");
	else if (r < 0)
		call_store_error(c, r);
	else
		indicators_list(c);
}

/* For sensors: the text, and its signature in a header. */
void
indicators_watch_list(struct call *c)
{
	struct db *db = call_db(c);
	char sig[MINISIGN_MAX], err[300], *text;
	struct key key;
	size_t n;

	if (!db)
		return;
	if (call_number(c, "have", -1, INT64_MAX) ==
	    db_number(db, 0, "SELECT serial FROM watch_serial", "")) {
		if (call_begin(c, 200))
			jw_raw(&c->w, "{}", 2);
		return;
	}
	if (share_key(c->co->conf.dir, &key, err, sizeof(err)) < 0) {
		call_error(c, 503, "key", "%s", err);
		return;
	}
	text = indicator_list(db, &key, c->now_ms, &n, sig);
	key_wipe(&key);
	if (text && call_begin(c, 200)) {
		jw_obj(&c->w, NULL);
		jw_strn(&c->w, "list", text, n);
		jw_str(&c->w, "minisig", sig);
		jw_close(&c->w, '}');
	}
	free(text);
}
