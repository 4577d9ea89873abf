/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_library.c - interlock library: playbooks and pages, outside of a collector. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jw.h"
#include "base/minisign.h"
#include "cli/cli.h"
#include "cli/opts.h"
#include "collector/playbook.h"

static const char help[] =
    "usage: interlock library check DIR\n"
    "       interlock library sign   --key FILE [--comment TEXT] DIR\n"
    "       interlock library verify --key FILE.pub DIR\n"
    "       interlock library find [--key FILE.pub] [WHAT]... [--json] DIR\n"
    "       interlock library show [--key FILE.pub] [--zh | --json] DIR ID\n"
    "The emergency response library: playbooks and pages of knowledge (docs/LIBRARY.md).\n\n"
    "  check    read all of it; every complaint at once\n"
    "  sign     write DIR/MANIFEST (as sha256sum) and its signature, as minisign's\n"
    "  verify   is it, file by file, what the owner of the key signed?\n"
    "  find     the playbooks and pages for an alert, best first\n"
    "  show     one of them\n\n"
    "      --key FILE        sign: the secret key; else public keys, one of which has to\n"
    "                        have signed it. Without one, whoever wrote it\n"
    "      --comment TEXT    signed with it\n"
    "      --signature N     of the alert: its signature_id,\n"
    "      --technique T     a technique of ATT&CK for ICS (T0855),\n"
    "      --detection NAME  an event, a condition, a limit (clock.untrusted, timeout),\n"
    "      --reason R, --op OP, --access A, --proto P   as il_reason, il_op, il_access and\n"
    "                        app_proto have them,\n"
    "      --role R          of its device (plc, hmi): for pages\n"
    "      --zh              in Chinese\n"
    "      --json            for machines, both languages\n\n"
    "exit status: 0 done, 1 it is not what was signed, or nothing was found, 2 has errors, or\n"
    "could not work\n";

struct opts {
	const char *key, *comment, *technique, *detection, *reason, *op, *access, *proto, *role;
	uint64_t signature;
	bool zh, json;
};

#define JSON_MAX (2u << 20) /* one playbook or page, escaped */
#define FOUND	 32u

static struct library *
read_library(const char *dir, const char *key, bool *refused)
{
	static struct key_set keys;
	struct complaints c = {0};
	struct library *l;
	char err[512];

	*refused = false;
	if (key && key_set_load(&keys, key, err, sizeof(err)) < 0) {
		cli_say("%s", err);
		return NULL;
	}
	l = library_load(dir, key ? &keys : NULL, NULL, &c);
	complaints_print(&c, stderr);
	*refused = !l && key;
	complaints_fini(&c);
	return l;
}

static void
say_what(const char *dir, const struct library *l)
{
	char when[CLOCK_STRLEN];

	printf("%s: version %u, %u playbooks, %u pages, ", dir, l->version, l->n_playbooks,
	    l->n_pages);
	if (!l->verified)
		puts("not verified");
	else if (l->signed_s != 0 && l->signed_s < UINT64_MAX / NS_PER_S)
		printf("signed by key %s at %s\n", l->kid, clock_str(l->signed_s * NS_PER_S, when));
	else
		printf("signed by key %s\n", l->kid);
}

static bool
write_file(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX];
	struct out out;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= PATH_MAX) {
		cli_say("%s: the name is too long", dir);
		return false;
	}
	if (!out_open(&out, path))
		return false;
	(void)fputs(text, out.fp);
	return out_close(&out);
}

static int
sign(const struct opts *o, const char *dir)
{
	char buf[MINISIGN_MAX], comment[MINISIGN_COMMENT], err[512], *manifest;
	struct complaints c = {0};
	uint32_t version;
	struct key key;
	bool ok;

	manifest = library_manifest(dir, &version, &c);
	complaints_print(&c, stderr);
	complaints_fini(&c);
	if (!manifest) {
		cli_say("%s: has errors: not signed", dir);
		return EXIT_UNABLE;
	}
	if (key_load(&key, o->key, err, sizeof(err)) < 0) {
		cli_say("%s", err);
		free(manifest);
		return EXIT_UNABLE;
	}
	(void)snprintf(comment, sizeof(comment), "file:%s\thashed\tlibrary:%u%s%s",
	    LIBRARY_MANIFEST, version, o->comment ? "\t" : "", o->comment ? o->comment : "");
	(void)minisign_sign(
	    &key, manifest, strlen(manifest), clock_wall_ns() / NS_PER_S, comment, buf);
	ok = write_file(dir, LIBRARY_MANIFEST, manifest) && write_file(dir, LIBRARY_SIGNATURE, buf);
	free(manifest);
	if (ok)
		printf("%s: version %u signed by key %s\n", dir, version, key.kid);
	key_wipe(&key);
	return ok ? EXIT_OK : EXIT_UNABLE;
}

/* --- find ---------------------------------------------------------------------------- */

struct found {
	const struct playbook *playbooks[FOUND];
	const struct knowledge *pages[FOUND];
	unsigned n_playbooks, n_pages;
};

static void
found_json(struct jw *w, const void *ctx)
{
	const struct found *f = ctx;

	jw_obj(w, NULL);
	jw_arr(w, "playbooks");
	for (unsigned i = 0; i < f->n_playbooks; i++)
		playbook_json(w, NULL, f->playbooks[i], false);
	jw_close(w, ']');
	jw_arr(w, "pages");
	for (unsigned i = 0; i < f->n_pages; i++)
		knowledge_json(w, NULL, f->pages[i], false);
	jw_close(w, ']');
	jw_close(w, '}');
}

static bool
print_json(void (*writer)(struct jw *w, const void *ctx), const void *ctx)
{
	struct out out = {.fp = stdout, .path = "-"};

	return out_json(&out, writer, ctx);
}

static int
find(const struct opts *o, const struct library *l)
{
	struct library_query q = {.signature_id = (uint32_t)o->signature,
	    .reason = o->reason,
	    .op = o->op,
	    .access = o->access,
	    .proto = o->proto,
	    .role = o->role,
	    .techniques = &o->technique,
	    .detections = &o->detection,
	    .n_techniques = o->technique != NULL,
	    .n_detections = o->detection != NULL};
	enum playbook_lang lang = o->zh ? PB_LANG_ZH : PB_LANG_EN;
	struct found f;

	f.n_playbooks = library_find(l, &q, f.playbooks, FOUND);
	f.n_pages = library_find_pages(l, &q, f.pages, FOUND);
	if (o->json && !print_json(found_json, &f))
		return EXIT_UNABLE;
	if (!o->json) {
		for (unsigned i = 0; i < f.n_playbooks; i++)
			printf("playbook %-22s %s\n", f.playbooks[i]->id,
			    f.playbooks[i]->title.in[lang]);
		for (unsigned i = 0; i < f.n_pages; i++)
			printf("page     %-22s %s\n", f.pages[i]->id, f.pages[i]->title.in[lang]);
	}
	return f.n_playbooks + f.n_pages > 0 ? EXIT_OK : EXIT_FOUND;
}

/* --- show ----------------------------------------------------------------------------- */

static void
one_playbook(struct jw *w, const void *ctx)
{
	playbook_json(w, NULL, ctx, true);
}

static void
one_page(struct jw *w, const void *ctx)
{
	knowledge_json(w, NULL, ctx, true);
}

static void
show_words(const char *head, const struct bilingual *b, enum playbook_lang lang)
{
	if (b->in[lang])
		printf("    %s: %s\n", head, b->in[lang]);
}

static void
show_step(const struct playbook_step *s, enum playbook_lang lang)
{
	static const char *const heads[][PB_LANG__MAX] = {
	    {"expect", "\xe9\xa2\x84\xe6\x9c\x9f"},   /* yu qi */
	    {"safety", "\xe5\xae\x89\xe5\x85\xa8"},   /* an quan */
	    {"evidence", "\xe5\x8f\x96\xe8\xaf\x81"}, /* qu zheng */
	};

	printf("  [ ] %s (%s)\n    %s\n", s->id, playbook_role_name(s->role), s->text.in[lang]);
	show_words(heads[1][lang], &s->safety, lang);
	for (uint32_t i = 0; i < s->commands.n; i++)
		printf("      $ %s\n", s->commands.v[i]);
	if (s->has_action)
		printf("      # %s: %s\n      # undo: %s\n", playbook_action_name(s->action),
		    s->command, s->undo);
	show_words(heads[0][lang], &s->expect, lang);
	show_words(heads[2][lang], &s->evidence, lang);
}

static void
show_playbook(const struct playbook *p, enum playbook_lang lang)
{
	int phase = -1;

	printf("%s (%s, version %u, severity %u)\n\n%s\n", p->title.in[lang], p->id, p->version,
	    p->severity, p->when.in[lang]);
	for (uint32_t i = 0; i < p->n_questions; i++)
		printf("%s  ? %s\n", i == 0 ? "\n" : "", p->questions[i].in[lang]);
	for (uint32_t i = 0; i < p->n_never; i++)
		printf("%s  ! %s\n", i == 0 ? "\n" : "", p->never[i].in[lang]);
	for (uint32_t i = 0; i < p->n_steps; i++) {
		if (p->steps[i].phase != phase)
			printf("\n%s\n", playbook_phase_name(p->steps[i].phase));
		phase = p->steps[i].phase;
		show_step(&p->steps[i], lang);
	}
	for (uint32_t i = 0; i < p->references.n; i++)
		printf("%s  %s\n", i == 0 ? "\n" : "", p->references.v[i]);
}

static int
show(const struct opts *o, const struct library *l, const char *id)
{
	enum playbook_lang lang = o->zh ? PB_LANG_ZH : PB_LANG_EN;
	const struct playbook *p = library_playbook(l, id);
	const struct knowledge *k = library_page(l, id);

	if (!p && !k) {
		cli_say("%s: no playbook and no page has this id", id);
		return EXIT_FOUND;
	}
	if (o->json)
		return (p ? print_json(one_playbook, p) : print_json(one_page, k)) ? EXIT_OK
										   : EXIT_UNABLE;
	if (p)
		show_playbook(p, lang);
	else
		printf("%s\n\n%s", k->title.in[lang], k->body.in[lang]);
	return EXIT_OK;
}

int
cmd_library(int argc, char **argv)
{
	struct opts o = {0};
	const struct cli_opt table[] = {
	    {"key", .text = &o.key},
	    {"comment", .text = &o.comment},
	    {"signature", .count = &o.signature, .bad = "not a signature_id"},
	    {"technique", .text = &o.technique},
	    {"detection", .text = &o.detection},
	    {"reason", .text = &o.reason},
	    {"op", .text = &o.op},
	    {"access", .text = &o.access},
	    {"proto", .text = &o.proto},
	    {"role", .text = &o.role},
	    {"zh", .flag = &o.zh},
	    {"json", .flag = &o.json},
	    {0},
	};
	bool refused, shows, needs_key;
	struct library *l;
	const char *verb;
	int status;

	if (!cli_options("library", help, table, &argc, &argv, &status))
		return status;
	verb = argc > 0 ? argv[0] : "";
	shows = strcmp(verb, "show") == 0;
	needs_key = strcmp(verb, "sign") == 0 || strcmp(verb, "verify") == 0;
	if (!shows && !needs_key && strcmp(verb, "check") != 0 && strcmp(verb, "find") != 0)
		return cli_usage("library", "check, sign, verify, find or show");
	if (argc != (shows ? 3 : 2))
		return cli_usage(
		    "library", "%s takes a directory%s", verb, shows ? " and an id" : "");
	if (needs_key && !o.key)
		return cli_usage("library", "%s takes --key FILE", verb);
	if (o.signature > UINT32_MAX)
		return cli_usage("library", "--signature: not a signature_id");
	if (strcmp(verb, "sign") == 0)
		return sign(&o, argv[1]);
	if (!(l = read_library(argv[1], o.key, &refused)))
		return refused && strcmp(verb, "verify") == 0 ? EXIT_FOUND : EXIT_UNABLE;
	if (shows)
		status = show(&o, l, argv[2]);
	else if (strcmp(verb, "find") == 0)
		status = find(&o, l);
	else {
		say_what(argv[1], l);
		status = EXIT_OK;
	}
	library_free(l);
	return status;
}
