/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c - see audit.h. */
#include "collector/audit.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/journal.h"
#include "base/clock.h"
#include "base/log.h"
#include "collector/collector.h"
#include "collector/store.h"

#define BYTES_MAX (UINT64_C(256) << 20)

struct audit {
	struct collector *co;
	struct key key;
	struct journal *journal;
	pthread_mutex_t lock;
	uint64_t second, refused, left_out;
};

struct entry {
	int64_t now_ms;
	const char *user, *address, *action, *object, *text;
	bool ok;
};

struct audit *
audit_new(struct collector *co, char *err, size_t err_size)
{
	struct audit *a = calloc(1, sizeof(*a));
	char key[512], dir[512];
	struct journal_conf conf = {.iss = "collector", .max_bytes = BYTES_MAX, .dir = dir};

	if (!a)
		return NULL;
	a->co = co;
	(void)pthread_mutex_init(&a->lock, NULL);
	collector_path(co->conf.dir, "audit", dir, sizeof(dir));
	conf.key = &a->key;
	if (key_load(&a->key, collector_path(co->conf.dir, "audit.key", key, sizeof(key)), err,
		err_size) < 0 ||
	    !(a->journal = journal_new(&conf, err, err_size))) {
		key_wipe(&a->key);
		free(a);
		return NULL;
	}
	return a;
}

void
audit_free(struct audit *a)
{
	char err[256];

	if (!a)
		return;
	if (journal_close(a->journal, err, sizeof(err)) < 0)
		log_error("audit: %s", err);
	key_wipe(&a->key);
	free(a);
}

static int
insert(struct store_tx *tx, void *ctx)
{
	const struct entry *e = ctx;

	return tx_exec(tx,
	    "INSERT INTO audit(time, user, address, action, object, ok, text) VALUES(?, ?, ?, ?, "
	    "?, ?, ?)",
	    "itttti"
	    "t",
	    e->now_ms, e->user, e->address, e->action, e->object, (int64_t)e->ok, e->text);
}

static void
write_entry(struct audit *a, const struct entry *e)
{
	char buf[8192];
	struct jw w = jw_make(buf, sizeof(buf));
	struct journal_lines l = {.text = buf, .n = 1};
	uint8_t leaf[MERKLE_LEN];
	uint64_t now_ns = (uint64_t)e->now_ms * 1000000;
	struct merkle m;

	(void)pthread_mutex_lock(&a->lock);
	l.first = journal_next_seq(a->journal);
	jw_obj(&w, NULL);
	jw_when(&w, "timestamp", now_ns);
	jw_str(&w, "event_type", "audit");
	jw_str(&w, "host", "collector");
	jw_obj(&w, "audit");
	jw_u(&w, "seq", l.first);
	jw_str(&w, "user", e->user);
	jw_str(&w, "address", e->address);
	jw_str(&w, "action", e->action);
	jw_str(&w, "object", e->object);
	jw_bool(&w, "ok", e->ok);
	jw_str(&w, "text", e->text);
	jw_close(&w, '}');
	jw_close(&w, '}');
	jw_ch(&w, '\n');
	l.len = jw_len(&w);
	merkle_leaf(buf, l.len - 1, leaf);
	merkle_init(&m);
	merkle_add(&m, leaf);
	merkle_root(&m, l.root);
	crypto_sha256(l.text, l.len, l.sha256);
	if (w.full || journal_append(a->journal, &l, now_ns, false, 0) < 0)
		log_error("audit: %s", w.full ? "a line does not fit" : journal_error(a->journal));
	(void)pthread_mutex_unlock(&a->lock);
	(void)!store_write(a->co->store, insert, (void *)(uintptr_t)e);
}

void
audit_log(
    const struct call *c, const char *action, const char *object, bool ok, const char *fmt, ...)
{
	char text[400], what[300];
	struct entry e = {
	    c->now_ms, c->user[0] ? c->user : c->sensor_name, c->address, action, what, text, ok};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(what, sizeof(what), "%s", object);
	write_entry(c->co->audit, &e);
}

void
audit_refused(const struct call *c, const char *why)
{
	struct audit *a = c->co->audit;
	uint64_t second = (uint64_t)c->now_ms / 1000, left = 0;
	bool write;

	(void)pthread_mutex_lock(&a->lock);
	if (second != a->second) {
		a->second = second;
		a->refused = 0;
	}
	write = a->refused++ < AUDIT_REFUSED;
	if (write) {
		left = a->left_out;
		a->left_out = 0;
	} else {
		a->left_out++;
	}
	(void)pthread_mutex_unlock(&a->lock);
	if (write && left)
		audit_log(c, "refused", c->path, false, "%s %s; %llu more before are not listed",
		    c->method, why, (unsigned long long)left);
	else if (write)
		audit_log(c, "refused", c->path, false, "%s %s", c->method, why);
}

void
audit_own(struct collector *co, const char *action, const char *text)
{
	struct entry e = {
	    (int64_t)(clock_wall_ns() / 1000000), "collector", "", action, "", text, true};

	write_entry(co->audit, &e);
}

void
audit_list(struct call *c)
{
	int64_t limit = call_number(c, "limit", 50, 500), last = 0;
	int64_t before = call_number(c, "cursor", INT64_MAX, INT64_MAX);
	struct db *db = call_db(c);
	struct db_stmt *st;
	int64_t n = 0;

	if (!db || !call_begin(c, 200))
		return;
	st = db_query(db,
	    "SELECT id, time, user, address, action, object, ok, text FROM audit WHERE id < ? "
	    "ORDER BY id DESC LIMIT ?",
	    "ii", before, limit + 1);
	jw_obj(&c->w, NULL);
	jw_arr(&c->w, "items");
	while (st && db_step(st) == DB_ROW && n++ < limit) {
		last = db_i64(st, 0);
		jw_obj(&c->w, NULL);
		jw_i(&c->w, "id", last);
		jw_i(&c->w, "time", db_i64(st, 1));
		jw_str(&c->w, "user", db_text(st, 2));
		jw_str(&c->w, "address", db_text(st, 3));
		jw_str(&c->w, "action", db_text(st, 4));
		jw_str(&c->w, "object", db_text(st, 5));
		jw_bool(&c->w, "ok", db_int(st, 6));
		jw_str(&c->w, "text", db_text(st, 7));
		jw_close(&c->w, '}');
	}
	db_finalize(st);
	jw_close(&c->w, ']');
	if (n > limit) {
		char cursor[24];

		snprintf(cursor, sizeof(cursor), "%lld", (long long)last);
		jw_str(&c->w, "next", cursor);
	} else {
		jw_key(&c->w, "next");
		jw_raw(&c->w, "null", 4);
	}
	jw_close(&c->w, '}');
}
