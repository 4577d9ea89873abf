/* SPDX-License-Identifier: Apache-2.0 */
/* propose.c - see propose.h. */
#include "collector/propose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/err.h"
#include "base/jw.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/feed.h"
#include "collector/ingest.h"
#include "collector/model.h"
#include "collector/store.h"
#include "policy/files.h"
#include "policy/model.h"
#include "policy/policy.h"

#define MODEL_MAX (1u << 20)

/* --- the policy of a sensor ----------------------------------------------------------------- */

/* .read of a policy_source; ctx: the object of files. */
static int
read_file(void *ctx, const char *rel, char **text, size_t *len, char *why, size_t size)
{
	const json_t *v = json_object_get((const json_t *)ctx, rel);

	if (!json_is_string(v)) {
		(void)err_say(why, size, 0, "it was not uploaded");
		return ERR_NOTFOUND;
	}
	*len = json_string_length(v);
	if (!(*text = malloc(*len + 1)))
		return err_say(why, size, ERR_NOMEM, "out of memory");
	memcpy(*text, json_string_value(v), *len + 1);
	return 0;
}

/* False: it has no main file. */
static bool
source_of(const json_t *doc, struct policy_source *src)
{
	json_t *files = json_object_get(doc, "files");
	const char *name = json_string_value(json_object_get(doc, "name"));
	const json_t *main = name ? json_object_get(files, name) : NULL;

	if (!json_is_string(main))
		return false;
	*src = (struct policy_source){.name = name,
	    .text = json_string_value(main),
	    .len = json_string_length(main),
	    .read = read_file,
	    .ctx = files};
	return true;
}

struct keep {
	int64_t sensor, now_ms;
	char hash[2 * PROPOSE_HASH_BYTES + 1];
	const char *doc, *model;
};

static int
keep_job(struct store_tx *tx, void *ctx)
{
	const struct keep *k = ctx;
	int r = tx_exec(tx,
	    "INSERT INTO policy(sensor, time, hash, doc) VALUES(?, ?, ?, ?) ON CONFLICT(sensor) DO "
	    "UPDATE SET"
	    " time = excluded.time, hash = excluded.hash, doc = excluded.doc",
	    "iitt", k->sensor, k->now_ms, k->hash, k->doc);

	return r < 0 ? r
		     : tx_exec(tx,
			   "INSERT INTO model(sensor, time, doc) VALUES(?, ?, ?)"
			   " ON CONFLICT(sensor) DO UPDATE SET time = excluded.time, doc = "
			   "excluded.doc",
			   "iit", k->sensor, k->now_ms, k->model);
}

/* The policy of a document, or NULL: why in err. */
static struct policy *
build(const json_t *doc, struct policy_source *src, char *err, size_t err_size)
{
	struct complaints c = {0};
	struct policy *pol = NULL;

	if (!source_of(doc, src)) {
		(void)err_say(err, err_size, ERR_FORMAT, "v, name, and files with that name");
	} else if (!(pol = policy_build_source(src, &c))) {
		const struct complaint *first = c.n > 0 ? &c.v[0] : NULL;

		(void)err_say(err, err_size, ERR_FORMAT, "%s:%u:%u: %s",
		    first ? complaint_file(&c, first) : src->name, first ? first->line : 0,
		    first ? first->col : 0, first ? first->text : "is no policy");
	}
	complaints_fini(&c);
	return pol;
}

int
propose_policy(const json_t *doc, struct policy_source *src, char hash[2 * PROPOSE_HASH_BYTES + 1],
    char *err, size_t err_size)
{
	struct policy *pol = build(doc, src, err, err_size);

	if (!pol)
		return ERR_FORMAT;
	(void)crypto_hex(policy_hash(pol), PROPOSE_HASH_BYTES, hash);
	policy_free(pol);
	return 0;
}

int
propose_keep_policy(struct store *s, int64_t sensor, const char *json, size_t n, int64_t now_ms,
    char *err, size_t err_size)
{
	json_t *doc = feed_json(json, n);
	struct keep k = {.sensor = sensor, .now_ms = now_ms};
	struct policy_source src;
	struct policy *pol = build(doc, &src, err, err_size);
	char *text = NULL, *model = malloc(MODEL_MAX);
	struct jw w = jw_make(model, model ? MODEL_MAX : 0);
	int r;

	if (!pol) {
		r = ERR_FORMAT;
	} else {
		(void)crypto_hex(policy_hash(pol), PROPOSE_HASH_BYTES, k.hash);
		policy_model(pol, &w);
		text = json_dumps(doc, JSON_COMPACT);
		k.doc = text;
		k.model = model;
		r = model && text && jw_end(&w)
			? store_write(s, keep_job, &k)
			: err_say(err, err_size, ERR_RANGE, "it is too large");
		if (r < 0 && r != ERR_RANGE)
			(void)err_say(err, err_size, r, "not stored: %s", err_str(r));
	}
	policy_free(pol);
	free(model);
	free(text);
	json_decref(doc);
	return r;
}

void
receive_policy(struct call *c)
{
	char err[400];
	int r = propose_keep_policy(c->co->store, c->sensor, c->body ? c->body : "", c->body_len,
	    c->now_ms, err, sizeof(err));

	if (r == ERR_FORMAT || r == ERR_RANGE)
		call_error(c, 422, "policy", "%s", err);
	else if (r < 0)
		call_store_error(c, r);
	else if (call_begin(c, 200))
		jw_raw(&c->w, "{}", 2);
}

/* --- a proposal --------------------------------------------------------------------------------- */

/* The line of an alert, malloc'd. */
static char *
line_of(struct db *db, int64_t alert, size_t *n)
{
	struct db_stmt *st = db_query(
	    db, "SELECT size, lines FROM batch WHERE id = ?", "i", alert / ALERTS_PER_BATCH);
	char *text = NULL, *line = NULL;
	const char *p = NULL;

	if (st && db_step(st) == DB_ROW)
		text = ingest_unpack(db_blob(st, 1), db_bytes(st, 1), (size_t)db_i64(st, 0));
	db_finalize(st);
	if (text && (p = ingest_line(text, alert % ALERTS_PER_BATCH, n)))
		line = strndup(p, *n);
	free(text);
	return line;
}

static json_t *
policy_of(struct db *db, int64_t sensor, char *hash, size_t size)
{
	struct db_stmt *st =
	    db_query(db, "SELECT hash, doc FROM policy WHERE sensor = ?", "i", sensor);
	json_t *doc = NULL;

	if (st && db_step(st) == DB_ROW) {
		snprintf(hash, size, "%s", db_text(st, 0));
		doc = json_loads(db_text(st, 1), 0, NULL); /* as it was accepted */
	}
	db_finalize(st);
	return doc;
}

/* What the sensor's people do where the policy is. */
static char *
without_policy(const json_t *line)
{
	const char *seq = feed_meta(line, "il_seq");
	const char *what =
	    json_string_value(json_object_get(json_object_get(line, "alert"), "signature"));
	char *text;
	int n;

	n = asprintf(&text,
	    "# %.500s\n"
	    "# The sensor has not uploaded its policy, so no rule could be written here. At the "
	    "sensor:\n"
	    "#   interlock policy propose -p POLICY --journal JOURNAL %.20s\n",
	    what ? what : "", seq[strspn(seq, "0123456789")] == '\0' ? seq : "SEQ");
	if (n < 0)
		return NULL;
	for (size_t i = 2, end = 2 + strnlen(what ? what : "", 500); i < end; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) /* a comment is one line */
			text[i] = '?';
	return text;
}

static int
proposed(struct proposed *out, const json_t *line, const json_t *doc, int made, char *err,
    size_t err_size)
{
	const char *judged = feed_meta(line, "il_policy");

	snprintf(out->notes, sizeof(out->notes), "%s", out->p.notes ? out->p.notes : "");
	if (doc && *judged && strcmp(judged, out->policy) != 0) {
		size_t n = strlen(out->notes);

		snprintf(out->notes + n, sizeof(out->notes) - n,
		    "the alert was judged by policy %.32s; the one of this sensor that is here is "
		    "%s\n",
		    judged, out->policy);
	}
	if (made < 0 && (doc || !*feed_meta(line, "il_op")))
		return err_say(err, err_size, ERR_UNSUPPORTED, "nothing can be proposed: %.300s",
		    out->notes[0] ? out->notes
				  : "this alert is not about a request that a rule could allow");
	out->text = made == 0 ? strdup(out->p.rules) : without_policy(line);
	return out->text ? 0 : err_say(err, err_size, ERR_NOMEM, "out of memory");
}

int
propose_alert(
    struct db *db, int64_t sensor, int64_t alert, struct proposed *out, char *err, size_t err_size)
{
	json_t *doc, *o = NULL;
	struct policy_source src;
	char *line;
	size_t n = 0;
	int r;

	memset(out, 0, sizeof(*out));
	if (!(line = line_of(db, alert, &n)))
		return err_say(
		    err, err_size, ERR_NOTFOUND, "the alert's line is not here any more");
	doc = policy_of(db, sensor, out->policy, sizeof(out->policy));
	o = feed_json(line, n);
	r = propose(line, n, doc && source_of(doc, &src) ? &src : NULL, &out->p, err, err_size);
	if (r != ERR_NOMEM)
		r = proposed(out, o, doc, r, err, err_size);
	json_decref(o);
	json_decref(doc);
	free(line);
	if (r < 0)
		proposed_fini(out);
	return r;
}

void
proposed_fini(struct proposed *p)
{
	proposal_fini(&p->p);
	free(p->text);
	memset(p, 0, sizeof(*p));
}
