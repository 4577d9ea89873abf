/* SPDX-License-Identifier: Apache-2.0 */
/* share.c - see share.h: destinations, and what is exported to them. */
#include "collector/share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/err.h"
#include "collector/audit.h"
#include "collector/auth.h"
#include "collector/collector.h"
#include "collector/guide.h"
#include "collector/query.h"
#include "collector/store.h"

#define IDENTITY "Interlock"

static const char *const formats[SHARE__FORMATS] = {"stix", "misp", "json"};

int
share_format_parse(const char *name)
{
	for (int i = 0; i < SHARE__FORMATS; i++)
		if (strcmp(name, formats[i]) == 0)
			return i;
	return -1;
}

unsigned
share_cap(int role)
{
	if (role >= ROLE_ADMIN)
		return SHARE_KEEP_ALL;
	return role == ROLE_ANALYST
		   ? SHARE_KEEP_ALL & ~(SHARE_KEEP(SHARE_VALUE) | SHARE_KEEP(SHARE_RAW))
		   : 0;
}

bool
share_export(struct jw *w, const json_t *record, const struct share_dest *dest, unsigned cap,
    enum share_format format)
{
	struct shared s;
	char *text;

	if (!share_redact(record, dest, cap, &s))
		return false;
	if (format == SHARE_STIX) {
		share_stix(w, &s);
	} else if (format == SHARE_MISP) {
		share_misp(w, &s);
	} else if ((text = json_dumps(s.doc, JSON_COMPACT))) {
		jw_raw(w, text, strlen(text));
		free(text);
	}
	share_fini(&s);
	return true;
}

json_t *
share_bundle(const json_t *record, const struct share_dest *dest, unsigned cap)
{
	char *buf = malloc(ANSWER_MAX);
	struct jw w = jw_make(buf, buf ? ANSWER_MAX : 0);
	json_t *o = NULL;

	if (buf && share_export(&w, record, dest, cap, SHARE_STIX) && !w.full)
		o = json_loadb(buf, jw_len(&w), 0, NULL);
	free(buf);
	return o;
}

/* --- destinations ------------------------------------------------------------------------ */

#define DEST_COLUMNS "name, identity, keep, tlp, key, created"

static void
dest_of(struct db_stmt *st, struct share_dest *out)
{
	int64_t tlp = db_i64(st, 3);

	memset(out, 0, sizeof(*out));
	snprintf(out->name, sizeof(out->name), "%s", db_text(st, 0));
	snprintf(out->identity, sizeof(out->identity), "%s", db_text(st, 1));
	out->keep = (unsigned)db_i64(st, 2);
	out->tlp = tlp >= 0 && tlp < TLP__MAX ? (enum share_tlp)tlp : TLP_RED;
	if (db_bytes(st, 4) == SHARE_KEY_LEN)
		memcpy(out->key, db_blob(st, 4), SHARE_KEY_LEN);
}

bool
share_dest_get(struct db *db, const char *name, struct share_dest *out)
{
	struct db_stmt *st =
	    db_query(db, "SELECT " DEST_COLUMNS " FROM destination WHERE name = ?", "t", name);
	bool ok = st && db_step(st) == DB_ROW;

	if (ok)
		dest_of(st, out);
	db_finalize(st);
	return ok;
}

static int
dest_job(struct store_tx *tx, void *ctx)
{
	const struct share_change *w = ctx;
	struct share_dest d = {.identity = IDENTITY, .tlp = TLP_AMBER};

	if (!share_dest_get(tx_db(tx), w->name, &d)) {
		snprintf(d.name, sizeof(d.name), "%s", w->name);
		crypto_random(d.key, sizeof(d.key));
	}
	if (w->identity)
		snprintf(d.identity, sizeof(d.identity), "%s", w->identity);
	if (w->keep)
		d.keep = (unsigned)share_keep_parse(w->keep);
	if (w->tlp)
		d.tlp = (enum share_tlp)share_tlp_parse(w->tlp);
	return tx_exec(tx,
	    "INSERT INTO destination(name, identity, keep, tlp, key, created) VALUES(?1, ?2, ?3, "
	    "?4, ?5, ?6)"
	    " ON CONFLICT(name) DO UPDATE SET identity = ?2, keep = ?3, tlp = ?4",
	    "ttiibi", d.name, d.identity, (int64_t)d.keep, (int64_t)d.tlp, d.key, sizeof(d.key),
	    w->now_ms);
}

static bool
is_name(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= SHARE_NAME_MAX &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == n;
}

int
share_dest_put(struct store *s, const struct share_change *what, char *err, size_t err_size)
{
	struct share_change w = *what;
	int r;

	if (!is_name(w.name))
		return err_say(err, err_size, ERR_USAGE,
		    "the name of a destination is up to %u letters, digits, '-', '_' and '.'",
		    SHARE_NAME_MAX);
	if (w.identity && (!*w.identity || strlen(w.identity) > SHARE_NAME_MAX))
		return err_say(
		    err, err_size, ERR_USAGE, "an identity is up to %u bytes", SHARE_NAME_MAX);
	if (w.keep && share_keep_parse(w.keep) < 0)
		return err_say(err, err_size, ERR_USAGE,
		    "what is kept is names, addresses, users, objects, values, notes, raw, with "
		    "commas");
	if (w.tlp && share_tlp_parse(w.tlp) < 0)
		return err_say(
		    err, err_size, ERR_USAGE, "TLP is clear, green, amber, amber+strict or red");
	r = store_write(s, dest_job, &w);
	return r < 0 ? err_say(err, err_size, r, "%s", err_str(r)) : 0;
}

/* --- calls ----------------------------------------------------------------------------------- */

void
share_dests(struct call *c)
{
	static const char *const accounts[] = {"none", "reads", "writes"}; /* of TAXII */
	struct db *db = call_db(c);
	struct db_stmt *st;

	if (!db || !call_begin(c, 200))
		return;
	st = db_query(db,
	    "SELECT " DEST_COLUMNS
	    ", CASE WHEN token IS NULL THEN 0 WHEN writes = 0 THEN 1 ELSE 2 END FROM destination"
	    " ORDER BY name LIMIT 1000",
	    "");
	jw_obj(&c->w, NULL);
	jw_arr(&c->w, "items");
	while (st && db_step(st) == DB_ROW) {
		struct share_dest d;
		char keep[128];

		dest_of(st, &d);
		share_keep_text(d.keep, keep, sizeof(keep));
		jw_obj(&c->w, NULL);
		jw_str(&c->w, "name", d.name);
		jw_str(&c->w, "identity", d.identity);
		jw_str(&c->w, "keep", keep);
		jw_str(&c->w, "tlp", share_tlp_name(d.tlp));
		jw_i(&c->w, "created", db_i64(st, 5));
		jw_str(&c->w, "account", accounts[db_i64(st, 6)]);
		jw_close(&c->w, '}');
	}
	db_finalize(st);
	query_next(&c->w, false, 0, 0);
}

void
share_dests_change(struct call *c)
{
	json_t *o = call_json(c);
	struct share_change w = {.now_ms = c->now_ms};
	char err[200];
	int r;

	if (!o)
		return;
	w.name = shared_text(o, "name");
	w.identity = json_string_value(json_object_get(o, "identity"));
	w.keep = json_string_value(json_object_get(o, "keep"));
	w.tlp = json_string_value(json_object_get(o, "tlp"));
	r = share_dest_put(c->co->store, &w, err, sizeof(err));
	audit_log(c, "destination", w.name, r == 0, "keep=%s tlp=%s", w.keep ? w.keep : "as it was",
	    w.tlp ? w.tlp : "as it was");
	if (r == ERR_USAGE)
		call_error(c, 400, "bad_request", "%s", err);
	else if (r < 0)
		call_store_error(c, r);
	else
		share_dests(c);
	json_decref(o);
}

void
share_incident(struct call *c)
{
	static const char *const types[] = {"application/stix+json;version=2.1", NULL, NULL};
	const char *to = call_arg(c, "to"), *name = call_arg(c, "format");
	int format = share_format_parse(name ? name : "stix");
	struct db *db = call_db(c);
	struct share_dest d;
	json_t *record;
	bool preview = call_number(c, "preview", 0, 1) == 1;
	char kept[128];

	if (!db)
		return;
	if (format < 0) {
		call_error(c, 400, "bad_request", "format is stix, misp or json");
		return;
	}
	if (!to || !share_dest_get(db, to, &d)) {
		call_error(c, 404, "not_found", "no such destination: to=");
		return;
	}
	record = share_record(db, strtoll(c->part[0], NULL, 10), guide_hold(c->co));
	guide_release(c->co);
	if (!record) {
		call_error(c, 404, "not_found", "no such incident");
		return;
	}
	share_keep_text(d.keep & share_cap((int)c->role), kept, sizeof(kept));
	if (call_begin(c, 200) &&
	    share_export(&c->w, record, &d, share_cap((int)c->role), (enum share_format)format)) {
		c->type = types[format];
		if (!preview)
			snprintf(c->download, sizeof(c->download),
			    "attachment; filename=\"incident-%lld.%s.json\"",
			    (long long)shared_number(record, "id"), formats[format]);
		audit_log(c, preview ? "share.preview" : "share", c->part[0], true,
		    "%s to %s, kept: %s", formats[format], d.name, kept[0] ? kept : "nothing");
	} else {
		call_error(c, 503, "busy", "no memory");
	}
	json_decref(record);
}
