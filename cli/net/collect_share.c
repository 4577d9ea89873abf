/* SPDX-License-Identifier: Apache-2.0 */
/* collect_share.c - see collect_share.h. */
#include "cli/net/collect_share.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/cli.h"
#include "collector/bulletins.h"
#include "collector/collector.h"
#include "collector/indicators.h"
#include "collector/notify.h"
#include "collector/playbook.h"
#include "collector/share.h"
#include "collector/store.h"
#include "collector/taxii.h"

#define IMPORT_MAX (16u << 20)

struct run {
	struct store *s;
	int argc;
	char **argv;
	const struct collect_share *o;
};

static int
said(const char *err)
{
	cli_say("%s", err);
	return EXIT_UNABLE;
}

static int
write_to(const char *path, const void *p, size_t n)
{
	FILE *fp = path && strcmp(path, "-") != 0 ? fopen(path, "we") : stdout;
	bool ok;

	if (!fp) {
		cli_say("%s: %s", path, strerror(errno));
		return EXIT_UNABLE;
	}
	ok = fwrite(p, 1, n, fp) == n;
	if (fp == stdout ? fflush(fp) != 0 : fclose(fp) != 0)
		ok = false;
	if (!ok)
		cli_say("%s: not written", path ? path : "standard output");
	return ok ? EXIT_OK : EXIT_UNABLE;
}

static int
destination(const struct run *r)
{
	const struct share_change w = {.name = r->argv[2],
	    .identity = r->o->identity,
	    .keep = r->o->keep,
	    .tlp = r->o->tlp,
	    .now_ms = (int64_t)(clock_wall_ns() / 1000000)};
	char err[300];

	return share_dest_put(r->s, &w, err, sizeof(err)) < 0 ? said(err) : EXIT_OK;
}

/* The record of the incident that was named, for the destination; NULL: said. */
static json_t *
record_of(const struct run *r, struct share_dest *d)
{
	struct complaints c = {0};
	struct library *lib = r->o->library ? library_load(r->o->library, NULL, NULL, &c) : NULL;
	struct db *db = store_get(r->s);
	json_t *record = NULL;

	if (!db || !r->o->to || !share_dest_get(db, r->o->to, d))
		cli_say("export: --to names a destination: interlock collect destination");
	else if (!(record = share_record(db, strtoll(r->argv[2], NULL, 10), lib)))
		cli_say("export: no such incident");
	store_put(r->s, db);
	library_free(lib);
	complaints_fini(&c);
	return record;
}

static int export(const struct run *r)
{
	int format = share_format_parse(r->o->format ? r->o->format : "stix"), status = EXIT_UNABLE;
	struct share_dest d;
	json_t *record;
	char *buf;
	struct jw w;

	if (format < 0)
		return said("export: --format is stix, misp or json");
	if (!(record = record_of(r, &d)))
		return EXIT_UNABLE;
	buf = malloc(ANSWER_MAX);
	w = jw_make(buf, buf ? ANSWER_MAX : 0);
	if (share_export(&w, record, &d, SHARE_KEEP_ALL, (enum share_format)format) && !w.full) {
		jw_ch(&w, '\n');
		status = write_to(r->o->out, buf, jw_len(&w));
	} else {
		cli_say("export: it is larger than %u bytes", ANSWER_MAX);
	}
	free(buf);
	json_decref(record);
	return status;
}

static int
write_in(const char *folder, const char *name, const void *p, size_t n)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return p ? write_to(path, p, n) : EXIT_OK;
}

static int
bulletin(const struct run *r)
{
	int lang = bulletin_lang_parse(r->o->lang ? r->o->lang : "en"), status = EXIT_UNABLE;
	const char *to = r->o->out;
	struct bulletin_done b;
	struct share_dest d;
	char err[300];
	json_t *record;

	if (lang < 0 || !to)
		return said(to ? "bulletin: --lang is en or zh"
			       : "bulletin: -o names a folder for its files");
	if (!(record = record_of(r, &d)))
		return EXIT_UNABLE;
	if (mkdir(to, 0755) != 0 && errno != EEXIST)
		cli_say("%s: %s", to, strerror(errno));
	else if (bulletin_make(r->argv[1], record, &d, SHARE_KEEP_ALL, (enum bulletin_lang)lang,
		     !r->o->no_pdf, (int64_t)(clock_wall_ns() / 1000000), &b, err, sizeof(err)) < 0)
		cli_say("bulletin: %s", err);
	else {
		status = write_in(to, "bulletin.html", b.html, b.html_len) |
			 write_in(to, "bulletin.pdf", b.pdf, b.pdf_len) |
			 write_in(to, "evidence.json", b.evidence, b.evidence_len) |
			 write_in(to, "bulletin.jws", b.jws, strlen(b.jws)) |
			 write_in(to, "key.pem", b.pem, strlen(b.pem)) |
			 write_in(to, "key.jwk", b.jwk, strlen(b.jwk));
		bulletin_done_fini(&b);
	}
	json_decref(record);
	return status ? EXIT_UNABLE : EXIT_OK;
}

static int
account(const struct run *r)
{
	char token[TAXII_TOKEN], err[300];

	if (taxii_token(r->s, r->argv[2], r->o->writes, token, err, sizeof(err)) < 0)
		return said(err);
	printf("%s\n", token);
	return EXIT_OK;
}

static int
contact(const struct run *r)
{
	const struct collect_share *o = r->o;
	struct contact c = {.level = o->level ? (int64_t)o->level : 1,
	    .severity = o->severity ? (int64_t)o->severity : 1};
	char err[400], *secret = NULL;
	size_t n;
	int e;

	if (o->secret && !(secret = cli_read(o->secret, NOTIFY_TEXT, &n)))
		return EXIT_UNABLE;
	snprintf(c.name, sizeof(c.name), "%s", r->argv[2]);
	snprintf(c.dest, sizeof(c.dest), "%s", o->to ? o->to : "");
	snprintf(c.address, sizeof(c.address), "%s", o->address ? o->address : "");
	snprintf(c.via, sizeof(c.via), "%s", o->via ? o->via : "");
	snprintf(c.from, sizeof(c.from), "%s", o->from ? o->from : "");
	if (secret)
		snprintf(c.secret, sizeof(c.secret), "%.*s", (int)strcspn(secret, "\n"), secret);
	free(secret);
	e = notify_contact_put(r->s, &c, err, sizeof(err));
	crypto_wipe(c.secret, sizeof(c.secret));
	return e < 0 ? said(err) : EXIT_OK;
}

static int
import(const struct run *r)
{
	struct indicator_import in = {
	    .source = "import", .now_ms = (int64_t)(clock_wall_ns() / 1000000)};
	size_t n;
	char *text = cli_read(r->argv[2], IMPORT_MAX, &n);
	json_t *o = text ? json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
	int e;

	free(text);
	in.objects = json_object_get(o, "objects");
	e = json_is_array(in.objects) ? store_write(r->s, indicator_import, &in) : ERR_FORMAT;
	json_decref(o);
	if (e == ERR_FORMAT || e == ERR_RANGE)
		return said("import: not a bundle of STIX, or one of more than 1000 objects");
	if (e < 0)
		return said(err_str(e));
	printf("%u taken\n", in.taken);
	for (enum refusal k = REFUSAL_NONE + 1; k < REFUSAL__MAX; k++)
		if (in.refused[k])
			printf("%u refused: %s: %s\n", in.refused[k], refusal_name(k),
			    refusal_text(k));
	return EXIT_OK;
}

static int
watch_list(const struct run *r)
{
	char sig[MINISIGN_MAX], path[1024], err[300];
	struct db *db = store_get(r->s);
	struct key key;
	size_t n = 0;
	char *text = NULL;
	int status = EXIT_UNABLE;

	if (share_key(r->argv[1], &key, err, sizeof(err)) < 0)
		cli_say("%s", err);
	else if ((text = indicator_list(db, &key, (int64_t)(clock_wall_ns() / 1000000), &n, sig)))
		status = write_to(r->argv[2], text, n);
	key_wipe(&key);
	store_put(r->s, db);
	snprintf(path, sizeof(path), "%s.minisig", r->argv[2]);
	if (status == EXIT_OK)
		status = write_to(path, sig, strlen(sig));
	free(text);
	return status;
}

static const struct {
	const char *verb;
	int words;
	int (*run)(const struct run *r);
} verbs[] = {{"destination", 3, destination}, {"export", 3, export}, {"bulletin", 3, bulletin},
    {"account", 3, account}, {"contact", 3, contact}, {"import", 3, import},
    {"watch-list", 3, watch_list}};

bool
collect_share_knows(const char *verb)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verb, verbs[i].verb) == 0)
			return true;
	return false;
}

int
collect_share_run(struct store *s, int argc, char **argv, const struct collect_share *o)
{
	const struct run r = {s, argc, argv, o};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[0], verbs[i].verb) == 0 && argc == verbs[i].words)
			return verbs[i].run(&r);
	return cli_usage("collect", "a directory, and a name or a number behind it");
}
