/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share_record.c - see share.h: everything that is known of an incident, as one JSON object.
 *
 * Alerts are read from the lines that were signed, not from the rows: what is shared is what can be proven.  Each has
 * its leaf, its path and the root of its batch; whether that batch verifies is found out anew.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/batch.h"
#include "alerts/merkle.h"
#include "collector/enrol.h"
#include "collector/feed.h"
#include "collector/ingest.h"
#include "collector/model.h"
#include "collector/playbook.h"
#include "collector/share.h"
#include "collector/store.h"

#define LOG_MAX	    200
#define ACTIONS_MAX 3u
#define STEPS_MAX   8192u

/* The batch that was looked at last: alerts of one incident are mostly neighbours. */
struct cached {
	int64_t id, sensor, n, first;
	char *text, *jws;
	size_t len;
	const char **line;
	uint8_t (*leaf)[MERKLE_LEN];
	const char *state;
	char root[2 * MERKLE_LEN + 1], hash[2 * CRYPTO_SHA256_LEN + 1], key[KEY_JWK_MAX];
};

static void
cached_fini(struct cached *b)
{
	free(b->text);
	free(b->jws);
	free(b->line);
	free(b->leaf);
	memset(b, 0, sizeof(*b));
}

static bool
cut(struct cached *b)
{
	const char *p = b->text, *end = p + b->len;

	b->line = calloc((size_t)b->n + 1, sizeof(*b->line));
	b->leaf = calloc((size_t)b->n + 1, sizeof(*b->leaf));
	if (!b->line || !b->leaf)
		return false;
	for (int64_t i = 0; i < b->n; i++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		if (!nl)
			return false;
		b->line[i] = p;
		merkle_leaf(p, (size_t)(nl - p), b->leaf[i]);
		p = nl + 1;
	}
	b->line[b->n] = p;
	return true;
}

static void
verify(struct cached *b, struct db *db)
{
	uint8_t root[MERKLE_LEN], hash[CRYPTO_SHA256_LEN];
	struct key_set keys;
	struct merkle m;
	struct batch batch;
	char why[200];

	merkle_init(&m);
	for (int64_t i = 0; i < b->n; i++)
		merkle_add(&m, b->leaf[i]);
	merkle_root(&m, root);
	crypto_hex(root, MERKLE_LEN, b->root);
	crypto_sha256(b->jws, strlen(b->jws), hash);
	crypto_hex(hash, sizeof(hash), b->hash);
	b->state = "broken";
	if (enrol_keys_of(db, b->sensor, true, &keys) < 0)
		return;
	for (unsigned i = 0; i < keys.n; i++) {
		const struct key_set one = {1, {keys.key[i]}};

		if (batch_open(b->jws, strlen(b->jws), &one, &batch, why, sizeof(why)) == 0 &&
		    memcmp(batch.root, root, sizeof(root)) == 0) {
			b->state = "verified";
			key_jwk(&keys.key[i], b->key);
			return;
		}
	}
}

static bool
fetch(struct cached *b, struct db *db, int64_t id)
{
	struct db_stmt *st;
	bool ok = false;

	if (b->id == id && b->text)
		return true;
	cached_fini(b);
	st = db_query(
	    db, "SELECT sensor, n, size, jws, lines, first FROM batch WHERE id = ?", "i", id);
	if (st && db_step(st) == DB_ROW) {
		b->id = id;
		b->sensor = db_i64(st, 0);
		b->n = db_i64(st, 1);
		b->len = (size_t)db_i64(st, 2);
		b->jws = strndup(db_blob(st, 3), db_bytes(st, 3));
		b->text = ingest_unpack(db_blob(st, 4), db_bytes(st, 4), b->len);
		b->first = db_i64(st, 5);
		ok = b->jws && b->text && cut(b);
	}
	db_finalize(st);
	if (ok)
		verify(b, db);
	else
		cached_fini(b);
	return ok;
}

/* --- one alert --------------------------------------------------------------------------- */

static void
set(json_t *o, const char *key, const char *text)
{
	if (text && *text)
		(void)json_object_set_new(o, key, json_string(text));
}

static void
from_line(json_t *o, const json_t *line)
{
	static const struct {
		const char *to, *from;
	} top[] = {{"src_ip", "src_ip"}, {"dst_ip", "dest_ip"}, {"direction", "direction"}},
	  meta[] = {{"verdict", "il_verdict"}, {"rule", "il_rule"}, {"conduit", "il_conduit"},
	      {"reason", "il_reason"}, {"op", "il_op"}, {"access", "il_access"},
	      {"object", "il_object"}, {"tag", "il_name"}, {"src", "il_src"}, {"dst", "il_dst"},
	      {"event", "il_event"}, {"site", "il_site"}, {"note", "il_note"}};
	const json_t *alert = json_object_get(line, "alert"),
		     *ether = json_object_get(line, "ether");
	const char *app = json_string_value(json_object_get(line, "app_proto")), *pdu;
	const char *l4 = json_string_value(json_object_get(line, "proto"));
	json_t *v;

	for (size_t i = 0; i < sizeof(top) / sizeof(top[0]); i++)
		set(o, top[i].to, json_string_value(json_object_get(line, top[i].from)));
	for (size_t i = 0; i < sizeof(meta) / sizeof(meta[0]); i++)
		set(o, meta[i].to, feed_meta(line, meta[i].from));
	set(o, "proto", app);
	if (l4) {
		char lower[16] = "";

		for (size_t i = 0; l4[i] && i + 1 < sizeof(lower); i++)
			lower[i] = (char)(l4[i] >= 'A' && l4[i] <= 'Z' ? l4[i] + 32 : l4[i]);
		set(o, "transport", lower);
	}
	set(o, "sensor", json_string_value(json_object_get(line, "host")));
	set(o, "category", json_string_value(json_object_get(alert, "category")));
	set(o, "signature", json_string_value(json_object_get(alert, "signature")));
	set(o, "src_mac", json_string_value(json_object_get(ether, "src_mac")));
	set(o, "dst_mac", json_string_value(json_object_get(ether, "dest_mac")));
	if (json_is_integer(v = json_object_get(line, "src_port")))
		(void)json_object_set(o, "sport", v);
	if (json_is_integer(v = json_object_get(line, "dest_port")))
		(void)json_object_set(o, "dport", v);
	if (json_is_integer(v = json_object_get(alert, "signature_id")))
		(void)json_object_set(o, "signature_id", v);
	if (json_is_array(
		v = json_object_get(json_object_get(alert, "metadata"), "mitre_technique_id")))
		(void)json_object_set(o, "techniques", v);
	pdu = feed_meta(line, "il_pdu");
	if (*pdu && (v = feed_json(pdu, strlen(pdu))))
		(void)json_object_set_new(o, "pdu", v);
}

static void
proof(json_t *o, const struct cached *b, int64_t index)
{
	uint8_t path[MERKLE_PATH_MAX][MERKLE_LEN];
	unsigned n =
	    merkle_path((const uint8_t(*)[MERKLE_LEN])b->leaf, (size_t)b->n, (size_t)index, path);
	const char *line = b->line[index];
	char hex[2 * MERKLE_LEN + 1];
	json_t *list = json_array();

	for (unsigned i = 0; i < n; i++)
		(void)json_array_append_new(
		    list, json_string(crypto_hex(path[i], MERKLE_LEN, hex)));
	(void)json_object_set_new(o, "path", list);
	set(o, "leaf", crypto_hex(b->leaf[index], MERKLE_LEN, hex));
	set(o, "root", b->root);
	(void)json_object_set_new(o, "index", json_integer(index));
	(void)json_object_set_new(o, "n", json_integer(b->n));
	set(o, "batch_sha256", b->hash);
	set(o, "state_of_proof", b->state);
	(void)json_object_set_new(
	    o, "line", json_stringn(line, (size_t)(b->line[index + 1] - line) - 1));
	set(o, "jws", b->jws);
	set(o, "key", b->key);
}

static void
frames(json_t *o, struct db *db, const struct cached *b, int64_t index)
{
	struct db_stmt *st = db_query(db,
	    "SELECT e.data FROM batch b JOIN evidence e ON e.sensor = b.sensor AND e.epoch = "
	    "b.epoch AND e.seq = "
	    "b.first + ? WHERE b.id = ?",
	    "ii", index, b->id);
	char *text;
	size_t n;

	if (st && db_step(st) == DB_ROW) {
		n = db_bytes(st, 0);
		if ((text = malloc(CRYPTO_B64_CHARS(n) + 1)))
			set(o, "frames", crypto_b64(db_blob(st, 0), n, text));
		free(text);
	}
	db_finalize(st);
}

static void
items(json_t *record, struct db *db, int64_t incident)
{
	struct db_stmt *st = db_query(db,
	    "SELECT id, time, sev, blocked, count, seq FROM alert INDEXED BY alert_incident WHERE "
	    "incident = ?"
	    " ORDER BY time DESC, id DESC LIMIT ?",
	    "ii", incident, (int64_t)SHARE_ITEMS);
	json_t *list = json_array();
	struct cached b = {0};

	while (st && db_step(st) == DB_ROW) {
		int64_t id = db_i64(st, 0), index = id % ALERTS_PER_BATCH;
		json_t *o, *line;

		if (!fetch(&b, db, id / ALERTS_PER_BATCH) || index >= b.n ||
		    !(line = feed_json(
			  b.line[index], (size_t)(b.line[index + 1] - b.line[index]) - 1)))
			continue;
		o = json_pack("{s:I,s:I,s:i,s:b,s:I,s:I}", "id", (json_int_t)id, "time",
		    (json_int_t)db_i64(st, 1), "severity", db_int(st, 2), "blocked", db_int(st, 3),
		    "count", (json_int_t)db_i64(st, 4), "seq", (json_int_t)db_i64(st, 5));
		from_line(o, line);
		proof(o, &b, index);
		frames(o, db, &b, index);
		(void)json_array_append_new(list, o);
		json_decref(line);
	}
	db_finalize(st);
	cached_fini(&b);
	(void)json_object_set_new(record, "items", list);
}

/* --- what to do ------------------------------------------------------------------------------ */

static void
steps(json_t *o, const char *key, const struct playbook *p, enum playbook_lang lang)
{
	char text[STEPS_MAX] = "";
	size_t n = 0;

	for (uint32_t i = 0; i < p->n_steps && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u. %s", i ? "\n" : "", i + 1,
		    p->steps[i].text.in[lang]);
	if (n >= sizeof(text)) /* whole lines */
		*strrchr(text, '\n') = '\0';
	set(o, key, text);
}

static void
actions(json_t *record, const struct library *lib)
{
	const json_t *list = json_object_get(record, "items"), *a = json_array_get(list, 0), *t;
	const char *technique[32], *detection[1];
	const struct playbook *found[ACTIONS_MAX];
	struct library_query q = {0};
	json_t *out = json_array();
	size_t i;
	unsigned n;

	json_array_foreach(json_object_get(record, "techniques"), i, t)
	{
		if (i < 32)
			technique[q.n_techniques++] = json_string_value(t);
	}
	q.techniques = technique;
	q.signature_id = (uint32_t)shared_number(a, "signature_id");
	q.reason = shared_text(a, "reason");
	q.op = shared_text(a, "op");
	q.access = shared_text(a, "access");
	q.proto = shared_text(a, "proto");
	detection[0] = a ? shared_text(a, "event") : shared_text(record, "rule");
	q.detections = detection;
	q.n_detections = *detection[0] != '\0';
	n = lib ? library_find(lib, &q, found, ACTIONS_MAX) : 0;
	for (unsigned k = 0; k < n; k++) {
		json_t *o = json_object();

		set(o, "playbook", found[k]->id);
		set(o, "name", found[k]->title.in[PB_LANG_EN]);
		set(o, "name_zh", found[k]->title.in[PB_LANG_ZH]);
		steps(o, "steps", found[k], PB_LANG_EN);
		steps(o, "steps_zh", found[k], PB_LANG_ZH);
		(void)json_array_append_new(out, o);
	}
	(void)json_object_set_new(record, "actions", out);
}

/* --- the incident ------------------------------------------------------------------------------- */

static void
history(json_t *record, struct db *db, int64_t incident)
{
	struct db_stmt *st = db_query(db,
	    "SELECT time, user, text FROM incident_log WHERE incident = ? ORDER BY id DESC LIMIT ?",
	    "ii", incident, (int64_t)LOG_MAX);
	json_t *list = json_array(), *o;

	while (st && db_step(st) == DB_ROW) {
		o = json_object();
		(void)json_object_set_new(o, "time", json_integer(db_i64(st, 0)));
		set(o, "user", db_text(st, 1));
		set(o, "text", db_text(st, 2));
		(void)json_array_append_new(list, o);
	}
	db_finalize(st);
	(void)json_object_set_new(record, "log", list);
}

json_t *
share_record(struct db *db, int64_t incident, const struct library *lib)
{
	static const char *const states[] = {"open", "ack", "closed"},
				 *const kinds[] = {"policy", "sensor", "chain"},
				 *const texts[] = {
				     "title", "site", "sensor", "src", "dst", "rule", "assignee"};
	struct db_stmt *st = db_query(db,
	    "SELECT title, site, sensor, src, dst, rule, assignee, sev, state, kind, alerts, "
	    "first, last, tech"
	    " FROM incident WHERE id = ?",
	    "i", incident);
	json_t *o = NULL, *list;
	const char *tech;

	if (st && db_step(st) == DB_ROW && (o = json_object())) {
		int state = db_int(st, 8), kind = db_int(st, 9);

		(void)json_object_set_new(o, "id", json_integer(incident));
		for (int i = 0; i < 7; i++)
			set(o, texts[i], db_text(st, i));
		(void)json_object_set_new(o, "severity", json_integer(db_int(st, 7)));
		set(o, "state", states[state >= 0 && state < 3 ? state : 0]);
		set(o, "kind", kinds[kind >= 0 && kind < 3 ? kind : 0]);
		(void)json_object_set_new(o, "alerts", json_integer(db_i64(st, 10)));
		(void)json_object_set_new(o, "first", json_integer(db_i64(st, 11)));
		(void)json_object_set_new(o, "last", json_integer(db_i64(st, 12)));
		list = json_array();
		for (tech = db_text(st, 13); *tech;) {
			size_t n = strcspn(tech, ",");

			(void)json_array_append_new(list, json_stringn(tech, n));
			tech += n + (tech[n] == ',');
		}
		(void)json_object_set_new(o, "techniques", list);
	}
	db_finalize(st);
	if (!o)
		return NULL;
	items(o, db, incident);
	history(o, db, incident);
	actions(o, lib);
	return o;
}
