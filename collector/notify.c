/* SPDX-License-Identifier: Apache-2.0 */
/* notify.c - see notify.h: who is told what, when, and how often. */
#include "collector/notify.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/log.h"
#include "collector/audit.h"
#include "collector/auth.h"
#include "collector/collector.h"
#include "collector/incident.h"
#include "collector/query.h"
#include "collector/share.h"
#include "collector/sse.h"
#include "collector/store.h"

enum notice_state { NOTICE_WAITS = 0, NOTICE_ACK, NOTICE_OVER };
enum delivery_state { DELIVERY_DUE = 0, DELIVERY_SENT, DELIVERY_FAILED };

#define BODY_MAX      65536u
#define RETRY_MS      INT64_C(5000) /* doubled each time, at most RETRY_MOST_MS */
#define RETRY_MOST_MS INT64_C(300000)
#define TOKEN_CHARS   23u

struct notify {
	struct collector *co;
	pthread_t thread;
	atomic_bool stop;
	char host[128];
};

/* --- contacts --------------------------------------------------------------------------- */

static int
contact_job(struct store_tx *tx, void *ctx)
{
	const struct contact *c = ctx;

	if (db_number(
		tx_db(tx), 0, "SELECT count(*) FROM destination WHERE name = ?", "t", c->dest) == 0)
		return ERR_NOTFOUND;
	return tx_exec(tx,
	    "INSERT INTO contact(name, dest, address, via, sender, secret, level, severity)"
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(name) DO UPDATE SET dest = ?2, "
	    "address "
	    "= ?3, via = ?4,"
	    " sender = ?5, secret = ?6, level = ?7, severity = ?8",
	    "ttttttii", c->name, c->dest, c->address, c->via, c->from, c->secret, c->level,
	    c->severity);
}

static bool
plain(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s <= 0x20 || *s == 0x7f || strchr("<>\"", *s))
			return false;
	return true;
}

static bool
good_address(const struct contact *c)
{
	bool mail = strncmp(c->address, "mail:", 5) == 0;
	const char *at = mail ? strchr(c->address + 5, '@') : NULL;

	if (!plain(c->address) || !plain(c->via) || !plain(c->from))
		return false;
	if (mail)
		return at && at[1] && *c->from && strchr(c->from, '@') &&
		       (strncmp(c->via, "smtp://", 7) == 0 || strncmp(c->via, "smtps://", 8) == 0);
	if (strncmp(c->address, "syslog://", 9) == 0)
		return strrchr(c->address + 9, ':') != NULL;
	return (strncmp(c->address, "https://", 8) == 0 ||
		   strncmp(c->address, "http://127.0.0.1:", 17) == 0 ||
		   strncmp(c->address, "http://[::1]:", 13) == 0) &&
	       strlen(c->secret) >= 16;
}

int
notify_contact_put(struct store *s, const struct contact *c, char *err, size_t err_size)
{
	struct contact copy = *c;
	int r;

	if (!*c->name || !plain(c->name) || c->level < 1 || c->level > NOTIFY_LEVELS ||
	    c->severity < 1 || c->severity > 3 || !good_address(c))
		return err_say(err, err_size, ERR_USAGE,
		    "a contact is a name, mail:ADDRESS with via smtp(s):// and from, https://... "
		    "with a secret of 16 bytes or "
		    "more, or syslog://HOST:PORT; level 1 to %d, severity 1 to 3",
		    NOTIFY_LEVELS);
	r = store_write(s, contact_job, &copy);
	crypto_wipe(copy.secret, sizeof(copy.secret));
	if (r == ERR_NOTFOUND)
		return err_say(err, err_size, ERR_USAGE, "no such destination");
	return r < 0 ? err_say(err, err_size, r, "%s", err_str(r)) : 0;
}

static void
contact_of(struct db_stmt *st, int at, struct contact *c)
{
	memset(c, 0, sizeof(*c));
	snprintf(c->name, sizeof(c->name), "%s", db_text(st, at));
	snprintf(c->dest, sizeof(c->dest), "%s", db_text(st, at + 1));
	snprintf(c->address, sizeof(c->address), "%s", db_text(st, at + 2));
	snprintf(c->via, sizeof(c->via), "%s", db_text(st, at + 3));
	snprintf(c->from, sizeof(c->from), "%s", db_text(st, at + 4));
	snprintf(c->secret, sizeof(c->secret), "%s", db_text(st, at + 5));
	c->level = db_i64(st, at + 6);
	c->severity = db_i64(st, at + 7);
}
#define CONTACT_COLUMNS "c.name, c.dest, c.address, c.via, c.sender, c.secret, c.level, c.severity"

/* --- notices ------------------------------------------------------------------------------ */

struct turn {
	int64_t now_ms, escalate_ms;
	bool held; /* jump.h */
};

/* Messages to everybody of the lowest level above `above` who wants to know; that level, 0: nobody is left. */
static int64_t
tell_level(struct store_tx *tx, int64_t notice, int64_t sev, int64_t above, int64_t now_ms)
{
	int64_t level = db_number(tx_db(tx), 0,
	    "SELECT min(level) FROM contact WHERE level > ? AND severity >= ?", "ii", above, sev);
	int r =
	    level == 0
		? 0
		: tx_exec(tx,
		      "INSERT INTO delivery(notice, contact, level, state, tries, due, time, error)"
		      " SELECT ?1, name, level, 0, 0, ?2, ?2, '' FROM contact WHERE level = ?3 AND "
		      "severity >= ?4",
		      "iiii", notice, now_ms, level, sev);

	return r < 0 ? r : level;
}

static int
begin_notices(struct store_tx *tx, const struct turn *t)
{
	struct db *db = tx_db(tx);
	int64_t last = db_number(db, -1, "SELECT last FROM notify_at", ""), level;
	struct db_stmt *st;
	int r = 0;

	st = db_query(db,
	    "SELECT id, sev FROM incident WHERE id > ? AND state = 0 ORDER BY id LIMIT ?", "ii",
	    last, (int64_t)NOTIFY_NEW);
	while (st && r == 0 && db_step(st) == DB_ROW) {
		int64_t sev = db_i64(st, 1), notice;

		last = db_i64(st, 0);
		notice = tx_new(tx,
		    "INSERT INTO notice(incident, level, state, due, time) VALUES(?, 0, 0, ?, ?)"
		    " RETURNING id",
		    "iii", last, t->now_ms + t->escalate_ms, t->now_ms);
		if (notice < 0 || (level = tell_level(tx, notice, sev, 0, t->now_ms)) < 0)
			r = (int)(notice < 0 ? notice : level);
		else if (level == 0) /* nobody wants to know of this */
			r = tx_exec(tx, "DELETE FROM notice WHERE id = ?", "i", notice);
		else
			r = tx_exec(
			    tx, "UPDATE notice SET level = ? WHERE id = ?", "ii", level, notice);
	}
	db_finalize(st);
	return r < 0 ? r : tx_exec(tx, "UPDATE notify_at SET last = ?", "i", last);
}

static int
escalate(struct store_tx *tx, const struct turn *t)
{
	struct db_stmt *st;
	int r = tx_exec(tx,
	    "UPDATE notice SET state = 1 WHERE state = 0 AND NOT EXISTS (SELECT 1 FROM incident i "
	    "WHERE i.id = incident"
	    " AND i.state = 0)",
	    "");

	st = db_query(tx_db(tx),
	    "SELECT n.id, n.level, i.sev FROM notice n JOIN incident i ON i.id = n.incident WHERE "
	    "n.state = 0 AND n.due <="
	    " ? LIMIT 100",
	    "i", t->now_ms);
	while (st && r == 0 && db_step(st) == DB_ROW) {
		int64_t id = db_i64(st, 0),
			level = tell_level(tx, id, db_i64(st, 2), db_i64(st, 1), t->now_ms);

		if (level < 0)
			r = (int)level;
		else if (level == 0)
			r = tx_exec(tx, "UPDATE notice SET state = 2 WHERE id = ?", "i", id);
		else
			r = tx_exec(tx, "UPDATE notice SET level = ?, due = ? WHERE id = ?", "iii",
			    level, t->now_ms + t->escalate_ms, id);
	}
	db_finalize(st);
	return r;
}

static int
turn_job(struct store_tx *tx, void *ctx)
{
	const struct turn *t = ctx;
	int r = begin_notices(tx, t);

	if (r == 0)
		r = escalate(tx, t);
	if (r < 0 || t->held)
		return r;
	if (r == 0) /* what is over for a month is of no use */
		r = tx_exec(tx, "DELETE FROM delivery WHERE time < ?", "i",
		    t->now_ms - INT64_C(2592000000));
	return r < 0 ? r
		     : tx_exec(tx, "DELETE FROM notice WHERE state > 0 AND time < ?", "i",
			   t->now_ms - INT64_C(2592000000));
}

/* --- delivering ------------------------------------------------------------------------------- */

struct due {
	int64_t id, notice, incident, tries, level;
	struct contact contact;
	bool wait; /* this contact had enough for now */
};

struct outcome {
	const struct due *due;
	const char *token;
	int64_t now_ms;
	int result;
	const char *error;
};

static int
ack(struct store_tx *tx, int64_t incident, int64_t now_ms, const char *who)
{
	int r =
	    tx_exec(tx, "UPDATE incident SET state = 1 WHERE id = ? AND state = 0", "i", incident);

	if (r == 0 && db_changes(tx_db(tx)) > 0)
		r = incident_say(tx, incident, now_ms, who, SAID_NOTICE, NULL);
	return r < 0 ? r
		     : tx_exec(tx, "UPDATE notice SET state = 1 WHERE incident = ? AND state = 0",
			   "i", incident);
}

static int
outcome_job(struct store_tx *tx, void *ctx)
{
	const struct outcome *o = ctx;
	int64_t tries = o->due->tries + 1, wait = RETRY_MS << (tries < 7 ? tries - 1 : 6);
	uint8_t hash[CRYPTO_SHA256_LEN];
	int state = o->result >= 0	    ? DELIVERY_SENT
		    : tries >= NOTIFY_TRIES ? DELIVERY_FAILED
					    : DELIVERY_DUE;
	int r;

	if (o->due->wait)
		return tx_exec(tx,
		    "UPDATE delivery SET due = ?, error = 'waits: too many messages' WHERE id = ?",
		    "ii", o->now_ms + 10000, o->due->id);
	crypto_sha256(o->token, strlen(o->token), hash);
	wait = wait < RETRY_MOST_MS ? wait : RETRY_MOST_MS;
	r = tx_exec(tx,
	    "UPDATE delivery SET state = ?, tries = ?, due = ?, time = ?, error = ?, token = ? "
	    "WHERE id = ?",
	    "iiiitbi", (int64_t)state, tries, o->now_ms + wait, o->now_ms, o->error, hash,
	    sizeof(hash), o->due->id);
	return r == 0 && o->result == 1 ? ack(tx, o->due->incident, o->now_ms, o->due->contact.name)
					: r;
}

static bool
next_due(struct db *db, int64_t now_ms, struct due *d)
{
	struct db_stmt *st = db_query(db,
	    "SELECT d.id, d.notice, n.incident, d.tries, d.level, " CONTACT_COLUMNS
	    " FROM delivery d JOIN notice n ON n.id = d.notice JOIN contact c ON c.name = d.contact"
	    " WHERE d.state = 0 AND d.due <= ? ORDER BY d.due, d.id LIMIT 1",
	    "i", now_ms);
	bool ok = st && db_step(st) == DB_ROW;

	if (ok) {
		d->id = db_i64(st, 0);
		d->notice = db_i64(st, 1);
		d->incident = db_i64(st, 2);
		d->tries = db_i64(st, 3);
		d->level = db_i64(st, 4);
		contact_of(st, 5, &d->contact);
	}
	db_finalize(st);
	if (ok)
		d->wait =
		    db_number(db, 0,
			"SELECT count(*) FROM delivery WHERE contact = ? AND state = 1 AND time > "
			"?",
			"ti", d->contact.name, now_ms - NOTIFY_WINDOW_S * 1000) >= NOTIFY_RATE;
	return ok;
}

/* The message as this contact may have it.  False: there is no such incident any more. */
static bool
write_body(struct db *db, const struct due *d, struct message *m, char *title, size_t title_size,
    char *body)
{
	static const char *const texts[] = {"site", "sensor", "src", "dst", "rule", "state"};
	json_t *record = share_record(db, d->incident, NULL);
	struct jw w = jw_make(body, BODY_MAX);
	struct share_dest dest;
	struct shared s;
	bool ok = false;

	if (record && share_dest_get(db, d->contact.dest, &dest) &&
	    share_redact(record, &dest, share_cap(ROLE_ADMIN), &s)) {
		m->severity = shared_number(s.doc, "severity");
		m->first_ms = shared_number(s.doc, "first");
		m->title = share_title(&s, title, title_size);
		jw_obj(&w, NULL);
		jw_u(&w, "v", 1);
		jw_str(&w, "type", "incident");
		jw_i(&w, "incident", d->incident);
		jw_i(&w, "severity", m->severity);
		jw_str(&w, "title", m->title);
		jw_i(&w, "first", m->first_ms);
		jw_i(&w, "alerts", shared_number(s.doc, "alerts"));
		jw_i(&w, "level", d->level);
		jw_str(&w, "tlp", share_tlp_name(dest.tlp));
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			if (*shared_text(s.doc, texts[i]))
				jw_str(&w, texts[i], shared_text(s.doc, texts[i]));
		jw_str(&w, "token", m->token);
		jw_close(&w, '}');
		ok = jw_end(&w);
		share_fini(&s);
	}
	json_decref(record);
	return ok;
}

/* One message; false: none is due. */
static bool
deliver(struct notify *n, int64_t now_ms)
{
	struct collector *co = n->co;
	struct db *db = store_get(co->store);
	char title[512], token[TOKEN_CHARS + 1], err[200] = "", *body;
	struct message m = {
	    .token = token, .host = n->host, .now_ms = now_ms, .ca = co->conf.notify_ca};
	struct outcome o = {.token = token, .now_ms = now_ms, .error = err};
	struct due *d = calloc(1, sizeof(*d));
	uint8_t secret[16];
	bool found = db && d && next_due(db, now_ms, d);

	if (!found || !(body = malloc(BODY_MAX))) {
		store_put(co->store, db);
		free(d);
		return false;
	}
	o.due = d;
	m.incident = d->incident;
	m.level = d->level;
	m.body = body;
	crypto_random(secret, sizeof(secret));
	crypto_b64url(secret, sizeof(secret), token);
	if (!d->wait && !write_body(db, d, &m, title, sizeof(title), body) && !db_lost(db)) {
		o.result = ERR_NOTFOUND;
		snprintf(err, sizeof(err), "the incident is gone");
		d->tries = NOTIFY_TRIES;
	}
	if (db_lost(db)) { /* nothing is known of it now */
		store_put(co->store, db);
		free(body);
		free(d);
		return false;
	}
	store_put(co->store, db);
	if (!d->wait && o.result == 0)
		o.result = notify_send(&d->contact, &m, err, sizeof(err));
	if (store_write(co->store, outcome_job, &o) < 0)
		found = false; /* the disk: not again at once */
	if (o.result < 0)
		log_warn("notification %lld to %s: %s", (long long)d->id, d->contact.name, err);
	if (o.result == 1)
		sse_incident(co->bus, d->incident);
	crypto_wipe(d, sizeof(*d));
	free(d);
	free(body);
	return found;
}

static void *
notify_main(void *arg)
{
	struct notify *n = arg;
	struct turn t = {.escalate_ms = (int64_t)(n->co->conf.escalate_s ? n->co->conf.escalate_s
									 : NOTIFY_ESCALATE) *
					1000};
	const struct timespec tick = {0, 250000000};
	bool leads = false;

	for (unsigned i = 0; !atomic_load(&n->stop); i++) {
		(void)nanosleep(&tick, NULL);
		t.now_ms = jump_look(n->co);
		t.held = jump_held(n->co);
		if (i % 4 == 0 && !(leads = store_leads(n->co->store)))
			continue; /* another collector tells them */
		if (i % 4 == 0)
			(void)!store_write(n->co->store, turn_job, &t);
		while (leads && !atomic_load(&n->stop) && deliver(n, t.now_ms))
			;
	}
	return NULL;
}

struct notify *
notify_new(struct collector *co)
{
	struct notify *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->co = co;
	if (gethostname(n->host, sizeof(n->host) - 1) != 0)
		snprintf(n->host, sizeof(n->host), "interlock");
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    pthread_create(&n->thread, NULL, notify_main, n) != 0) {
		free(n);
		return NULL;
	}
	return n;
}

void
notify_free(struct notify *n)
{
	if (!n)
		return;
	atomic_store(&n->stop, true);
	(void)pthread_join(n->thread, NULL);
	curl_global_cleanup();
	free(n);
}

/* --- calls -------------------------------------------------------------------------------------- */

void
notify_contacts(struct call *c)
{
	struct db *db = call_db(c);
	struct db_stmt *st;

	if (!db || !call_begin(c, 200))
		return;
	st = db_query(
	    db, "SELECT " CONTACT_COLUMNS " FROM contact c ORDER BY level, name LIMIT 1000", "");
	jw_obj(&c->w, NULL);
	jw_arr(&c->w, "items");
	while (st && db_step(st) == DB_ROW) {
		jw_obj(&c->w, NULL);
		jw_str(&c->w, "name", db_text(st, 0));
		jw_str(&c->w, "to", db_text(st, 1));
		jw_str(&c->w, "address", db_text(st, 2));
		jw_str(&c->w, "via", db_text(st, 3));
		jw_i(&c->w, "level", db_i64(st, 6));
		jw_i(&c->w, "severity", db_i64(st, 7));
		jw_close(&c->w, '}');
	}
	db_finalize(st);
	query_next(&c->w, false, 0, 0);
}

static int64_t
whole(const json_t *o, const char *key, int64_t otherwise)
{
	const json_t *v = json_object_get(o, key);

	return v ? json_integer_value(v) : otherwise;
}

void
notify_contacts_change(struct call *c)
{
	json_t *o = call_json(c);
	struct contact w = {.level = 1, .severity = 1};
	char err[300];
	int r;

	if (!o)
		return;
	snprintf(w.name, sizeof(w.name), "%s", shared_text(o, "name"));
	snprintf(w.dest, sizeof(w.dest), "%s", shared_text(o, "to"));
	snprintf(w.address, sizeof(w.address), "%s", shared_text(o, "address"));
	snprintf(w.via, sizeof(w.via), "%s", shared_text(o, "via"));
	snprintf(w.from, sizeof(w.from), "%s", shared_text(o, "from"));
	snprintf(w.secret, sizeof(w.secret), "%s", shared_text(o, "secret"));
	w.level = whole(o, "level", 1);
	w.severity = whole(o, "severity", 1);
	r = notify_contact_put(c->co->store, &w, err, sizeof(err));
	crypto_wipe(&w.secret, sizeof(w.secret));
	audit_log(c, "contact", w.name, r == 0, "level %lld, %s", (long long)w.level, w.dest);
	if (r == ERR_USAGE)
		call_error(c, 400, "bad_request", "%s", err);
	else if (r < 0)
		call_store_error(c, r);
	else
		notify_contacts(c);
	json_decref(o);
}

void
notify_list(struct call *c)
{
	static const char *const states[] = {"due", "sent", "failed"}, *const notices[] = {"waits",
									   "acknowledged",
									   "nobody left"};
	struct db *db = call_db(c);
	struct db_stmt *st;

	if (!db || !call_begin(c, 200))
		return;
	st = db_query(db,
	    "SELECT d.id, n.incident, d.contact, d.level, d.state, d.tries, d.time, d.error, "
	    "n.state FROM delivery d JOIN"
	    " notice n ON n.id = d.notice ORDER BY d.id DESC LIMIT 500",
	    "");
	jw_obj(&c->w, NULL);
	jw_arr(&c->w, "items");
	while (st && db_step(st) == DB_ROW) {
		jw_obj(&c->w, NULL);
		jw_i(&c->w, "id", db_i64(st, 0));
		jw_i(&c->w, "incident", db_i64(st, 1));
		jw_str(&c->w, "contact", db_text(st, 2));
		jw_i(&c->w, "level", db_i64(st, 3));
		jw_str(&c->w, "state", states[db_int(st, 4) % 3]);
		jw_i(&c->w, "tries", db_i64(st, 5));
		jw_i(&c->w, "time", db_i64(st, 6));
		jw_str(&c->w, "error", db_text(st, 7));
		jw_str(&c->w, "notice", notices[db_int(st, 8) % 3]);
		jw_close(&c->w, '}');
	}
	db_finalize(st);
	query_next(&c->w, false, 0, 0);
}

struct acked {
	const char *token;
	int64_t now_ms, incident;
	char contact[SHARE_NAME_MAX + 1];
};

static int
ack_job(struct store_tx *tx, void *ctx)
{
	struct acked *a = ctx;
	uint8_t hash[CRYPTO_SHA256_LEN];
	struct db_stmt *st;

	crypto_sha256(a->token, strlen(a->token), hash);
	st = db_query(tx_db(tx),
	    "SELECT n.incident, d.contact FROM delivery d JOIN notice n ON n.id = d.notice WHERE "
	    "d.token = ?",
	    "b", hash, sizeof(hash));
	if (st && db_step(st) == DB_ROW) {
		a->incident = db_i64(st, 0);
		snprintf(a->contact, sizeof(a->contact), "%s", db_text(st, 1));
	}
	db_finalize(st);
	return a->incident == 0 ? ERR_NOTFOUND : ack(tx, a->incident, a->now_ms, a->contact);
}

/* By the token of a message: who has it has been told. */
void
notify_ack(struct call *c)
{
	json_t *o = call_json(c);
	struct acked a = {.token = shared_text(o, "token"), .now_ms = c->now_ms};
	int r;

	if (!o)
		return;
	r = strlen(a.token) >= TOKEN_CHARS - 1 ? store_write(c->co->store, ack_job, &a)
					       : ERR_NOTFOUND;
	snprintf(c->user, sizeof(c->user), "%s", a.contact);
	if (r == 0)
		audit_log(
		    c, "notification.ack", a.contact, true, "incident %lld", (long long)a.incident);
	else
		audit_refused(c, "token");
	if (r == ERR_NOTFOUND) {
		call_error(c, 404, "not_found", "no message has that token");
	} else if (r < 0) {
		call_store_error(c, r);
	} else if (call_begin(c, 200)) {
		sse_incident(c->co->bus, a.incident);
		jw_obj(&c->w, NULL);
		jw_i(&c->w, "incident", a.incident);
		jw_close(&c->w, '}');
	}
	json_decref(o);
}
