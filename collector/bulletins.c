/* SPDX-License-Identifier: Apache-2.0 */
/* bulletins.c - see bulletins.h. */
#include "collector/bulletins.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/guide.h"
#include "collector/indicators.h"
#include "collector/query.h"
#include "collector/share.h"
#include "collector/store.h"

extern char **environ;

/* --- PDF --------------------------------------------------------------------------------- */

static bool
put_file(const char *path, const char *p, size_t n)
{
	FILE *fp = fopen(path, "we");
	bool ok = fp && fwrite(p, 1, n, fp) == n;

	if (fp && fclose(fp) != 0)
		ok = false;
	return ok;
}

static char *
get_file(const char *path, size_t max, size_t *n)
{
	FILE *fp = fopen(path, "re");
	char *p = fp ? malloc(max) : NULL;

	if (p) {
		*n = fread(p, 1, max, fp);
		if (*n == 0 || *n == max || ferror(fp)) {
			free(p);
			p = NULL;
		}
	}
	if (fp)
		(void)fclose(fp);
	return p;
}

/* It ends by itself within PDF_S, or is ended.  True: it did what it should. */
static bool
ended(pid_t pid)
{
	const struct timespec tick = {0, 20000000};
	uint64_t until = clock_mono_ns() + PDF_S * NS_PER_S;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_mono_ns() > until) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, &status, 0);
			return false;
		}
		(void)nanosleep(&tick, NULL);
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static char *
pdf_of(const char *dir, const char *html, size_t n, size_t *pdf_len, char *err, size_t err_size)
{
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	char folder[512], page[600], pdf[600], *out = NULL;
	char *argv[] = {"weasyprint", "-q", page, pdf, NULL};
	posix_spawn_file_actions_t io;
	posix_spawnattr_t attr;
	sigset_t none;
	pid_t pid;
	int r;

	(void)pthread_mutex_lock(&one);
	collector_path(dir, "pdf-XXXXXX", folder, sizeof(folder));
	if (!mkdtemp(folder)) {
		(void)err_say(err, err_size, ERR_IO, "%s: %s", folder, strerror(errno));
		(void)pthread_mutex_unlock(&one);
		return NULL;
	}
	collector_path(folder, "page.html", page, sizeof(page));
	collector_path(folder, "page.pdf", pdf, sizeof(pdf));
	(void)sigemptyset(&none);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawn_file_actions_init(&io);
	(void)posix_spawn_file_actions_addopen(&io, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_addopen(&io, 1, "/dev/null", O_WRONLY, 0);
	(void)posix_spawn_file_actions_addopen(&io, 2, "/dev/null", O_WRONLY, 0);
	r = put_file(page, html, n) ? posix_spawnp(&pid, argv[0], &io, &attr, argv, environ) : EIO;
	if (r != 0)
		(void)err_say(err, err_size, ERR_UNSUPPORTED, "weasyprint: %s", strerror(r));
	else if (!ended(pid) || !(out = get_file(pdf, PDF_MAX, pdf_len)))
		(void)err_say(err, err_size, ERR_IO, "weasyprint made no PDF within %u s", PDF_S);
	(void)posix_spawn_file_actions_destroy(&io);
	(void)posix_spawnattr_destroy(&attr);
	(void)unlink(page);
	(void)unlink(pdf);
	(void)rmdir(folder);
	(void)pthread_mutex_unlock(&one);
	return out;
}

/* --- one ------------------------------------------------------------------------------------ */

void
bulletin_done_fini(struct bulletin_done *b)
{
	free(b->html);
	free(b->evidence);
	free(b->pdf);
	memset(b, 0, sizeof(*b));
}

static char *
written(size_t *n, const struct shared *s, const struct bulletin *b)
{
	char *buf = malloc(BULLETIN_MAX);
	struct jw w = jw_make(buf, buf ? BULLETIN_MAX : 0);

	if (b)
		bulletin_html(&w, s, b);
	else
		bulletin_evidence(&w, s);
	if (!jw_end(&w)) {
		free(buf);
		return NULL;
	}
	*n = jw_len(&w);
	return buf;
}

int
bulletin_make(const char *dir, const json_t *record, const struct share_dest *dest, unsigned cap,
    enum bulletin_lang lang, bool pdf, int64_t now_ms, struct bulletin_done *out, char *err,
    size_t err_size)
{
	struct bulletin b = {.lang = lang, .now_ms = now_ms, .pdf = pdf};
	struct shared s;
	struct key key;
	int r;

	memset(out, 0, sizeof(*out));
	if ((r = share_key(dir, &key, err, err_size)) < 0)
		return r;
	b.kid = key.kid;
	key_pem(&key, out->pem);
	key_jwk(&key, out->jwk);
	if (!share_redact(record, dest, cap, &s)) {
		key_wipe(&key);
		return err_say(err, err_size, ERR_NOMEM, "out of memory");
	}
	out->html = written(&out->html_len, &s, &b);
	out->evidence = written(&out->evidence_len, &s, NULL);
	if (!out->html || !out->evidence)
		r = err_say(err, err_size, ERR_RANGE, "it is larger than %u bytes", BULLETIN_MAX);
	else if (pdf &&
		 !(out->pdf = pdf_of(dir, out->html, out->html_len, &out->pdf_len, err, err_size)))
		r = ERR_UNSUPPORTED;
	if (r == 0) {
		const struct bulletin_file files[] = {{"bulletin.html", out->html, out->html_len},
		    {"bulletin.pdf", out->pdf, out->pdf_len},
		    {"evidence.json", out->evidence, out->evidence_len}};

		if (bulletin_sign(&s, &b, files, 3, &key, out->jws, sizeof(out->jws)) == 0)
			r = err_say(err, err_size, ERR_RANGE, "the signature does not fit");
	}
	share_fini(&s);
	key_wipe(&key);
	if (r < 0)
		bulletin_done_fini(out);
	return r;
}

/* --- calls ------------------------------------------------------------------------------------- */

struct keep {
	const struct call *c;
	const struct bulletin_done *b;
	const char *dest, *lang;
	int64_t incident, id;
};

static int
keep_job(struct store_tx *tx, void *ctx)
{
	struct keep *k = ctx;

	k->id = tx_new(tx,
	    "INSERT INTO bulletin(incident, dest, lang, time, user, html, pdf, evidence, jws) "
	    "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
	    "ittitbbbt", k->incident, k->dest, k->lang, k->c->now_ms, k->c->user, k->b->html,
	    k->b->html_len, k->b->pdf, k->b->pdf_len, k->b->evidence, k->b->evidence_len,
	    k->b->jws);
	return k->id < 0 ? (int)k->id
			 : tx_exec(tx, "DELETE FROM bulletin WHERE id <= ?", "i",
			       k->id - (int64_t)BULLETINS);
}

#define COLUMNS "id, incident, dest, lang, time, user, pdf IS NOT NULL"

static void
one(struct jw *w, struct db_stmt *st)
{
	jw_obj(w, NULL);
	jw_i(w, "id", db_i64(st, 0));
	jw_i(w, "incident", db_i64(st, 1));
	jw_str(w, "to", db_text(st, 2));
	jw_str(w, "lang", db_text(st, 3));
	jw_i(w, "time", db_i64(st, 4));
	jw_str(w, "user", db_text(st, 5));
	jw_bool(w, "pdf", db_int(st, 6));
	jw_close(w, '}');
}

void
bulletins_list(struct call *c)
{
	struct db *db = call_db(c);
	struct db_stmt *st;

	if (!db || !call_begin(c, 200))
		return;
	st = db_query(db, "SELECT " COLUMNS " FROM bulletin ORDER BY id DESC LIMIT 500", "");
	jw_obj(&c->w, NULL);
	jw_arr(&c->w, "items");
	while (st && db_step(st) == DB_ROW)
		one(&c->w, st);
	db_finalize(st);
	query_next(&c->w, false, 0, 0);
}

void
bulletins_make(struct call *c)
{
	json_t *o = call_json(c), *record = NULL;
	const char *to = shared_text(o, "to"), *lang = shared_text(o, "lang");
	struct keep k = {.c = c, .dest = to, .incident = strtoll(c->part[0], NULL, 10)};
	struct db *db = o ? call_db(c) : NULL;
	struct bulletin_done b = {0};
	struct share_dest d;
	char err[300] = "";
	int r, l = bulletin_lang_parse(*lang ? lang : "en");

	if (!db) {
		json_decref(o);
		return;
	}
	if (share_dest_get(db, to, &d)) {
		record = share_record(db, k.incident, guide_hold(c->co));
		guide_release(c->co);
	}
	if (!call_db_done(c)) { /* a PDF takes its time */
		r = ERR_AGAIN;
	} else if (l < 0) {
		call_error(c, 400, "bad_request", "lang is en or zh");
	} else if (!record) {
		call_error(c, 404, "not_found", "no such incident or destination");
	} else if ((r = bulletin_make(c->co->conf.dir, record, &d, share_cap((int)c->role),
			(enum bulletin_lang)l, json_is_true(json_object_get(o, "pdf")), c->now_ms,
			&b, err, sizeof(err))) < 0) {
		call_error(c, r == ERR_UNSUPPORTED ? 501 : 503, "bulletin", "%s", err);
	} else {
		k.b = &b;
		k.lang = l == BULLETIN_ZH ? "zh" : "en";
		if ((r = store_write(c->co->store, keep_job, &k)) < 0) {
			call_store_error(c, r);
		} else if (call_begin(c, 200)) {
			jw_obj(&c->w, NULL);
			jw_i(&c->w, "id", k.id);
			jw_close(&c->w, '}');
		}
	}
	audit_log(c, "bulletin", c->part[0], c->status == 200, "to %s", to);
	bulletin_done_fini(&b);
	json_decref(record);
	json_decref(o);
}

void
bulletins_file(struct call *c)
{
	static const struct {
		const char *name, *column, *type;
	} files[] = {{"bulletin.html", "html", "text/html; charset=utf-8"},
	    {"bulletin.pdf", "pdf", "application/pdf"},
	    {"evidence.json", "evidence", "application/json"},
	    {"bulletin.jws", "jws", "application/jose"}};
	struct db *db = call_db(c);
	char sql[100], err[300];
	struct db_stmt *st = NULL;
	struct key key;

	if (!db)
		return;
	if (strcmp(c->part[1], "key.pem") == 0 || strcmp(c->part[1], "key.jwk") == 0) {
		char text[KEY_JWK_MAX];

		if (share_key(c->co->conf.dir, &key, err, sizeof(err)) < 0) {
			call_error(c, 503, "key", "%s", err);
			return;
		}
		if (c->part[1][4] == 'p')
			key_pem(&key, text);
		else
			key_jwk(&key, text);
		key_wipe(&key);
		if (call_begin(c, 200))
			jw_raw(&c->w, text, strlen(text));
		c->type = "text/plain; charset=utf-8";
		return;
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && !st; i++) {
		if (strcmp(c->part[1], files[i].name) != 0)
			continue;
		snprintf(sql, sizeof(sql), "SELECT %s FROM bulletin WHERE id = ?", files[i].column);
		st = db_query(db, sql, "i", (int64_t)strtoll(c->part[0], NULL, 10));
		c->type = files[i].type;
	}
	if (st && db_step(st) == DB_ROW && db_bytes(st, 0) > 0 && call_begin(c, 200)) {
		jw_raw(&c->w, db_blob(st, 0), db_bytes(st, 0));
		snprintf(
		    c->download, sizeof(c->download), "attachment; filename=\"%.32s\"", c->part[1]);
		audit_log(c, "bulletin.read", c->part[0], true, "%s", c->part[1]);
	} else {
		call_error(c, 404, "not_found", "there is no such bulletin or file");
	}
	db_finalize(st);
}
