/* SPDX-License-Identifier: Apache-2.0 */
/* playbook_test.c - the library that is shipped, what leads where, hostile files, signatures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

#include "base/jw.h"
#include "base/minisign.h"
#include "collector/playbook.h"
#include "policy/complain.h"

#define N(a)	(sizeof(a) / sizeof((a)[0]))
#define SHIPPED "library"

/* --- a library of one playbook and one page, in a directory of its own ------------------ */

static const char head[] = "interlock-library: 1\n"
			   "version: 7\n"
			   "title: {en: \"a\", zh: \"\xe4\xb8\xad\"}\n";
#define ZH "\xe4\xb8\xad\xe6\x96\x87"
static const char book[] =
    "playbook: 1\n" /* line 1 */
    "id: one\n"
    "version: 3\n"
    "severity: 2\n"
    "title: {en: \"T\", zh: \"" ZH "\"}\n" /* 5 */
    "when: {en: \"W\", zh: \"" ZH "\"}\n"
    "match:\n"
    "  techniques: [T0855, T1692.001]\n"
    "  signature_ids: [3, 1000000007]\n"
    "  detections: [timeout]\n" /* 10 */
    "  reasons: [otherwise]\n"
    "  ops: [stop]\n"
    "  access: [control]\n"
    "  protos: [s7]\n"
    "knowledge: [page]\n" /* 15 */
    "questions:\n"
    "  - {en: \"Q\", zh: \"" ZH "\"}\n"
    "never:\n"
    "  - {en: \"N\", zh: \"" ZH "\"}\n"
    "phases:\n" /* 20 */
    "  safe:\n"
    "    - {id: a, role: operator, text: {en: \"x\", zh: \"" ZH "\"}, expect: {en: \"y\", zh: \"" ZH
    "\"}}\n"
    "  confirm:\n"
    "    - {id: b, role: soc_analyst, text: {en: \"x\", zh: \"" ZH
    "\"}, expect: {en: \"y\", zh: \"" ZH "\"}, commands: [\"interlock ctl status\"]}\n"
    "  contain:\n" /* 25 */
    "    - id: c\n"
    "      role: ot_engineer\n"
    "      text: {en: \"x\", zh: \"" ZH "\"}\n"
    "      expect: {en: \"y\", zh: \"" ZH "\"}\n"
    "      action: {kind: panic, command: \"interlock ctl panic island --for 5m\", "
    "undo: \"interlock ctl panic off\"}\n" /* 30 */
    "  eradicate:\n"
    "    - {id: d, role: operator, text: {en: \"x\", zh: \"" ZH "\"}, expect: {en: \"y\", zh: \"" ZH
    "\"}}\n"
    "  recover:\n"
    "    - {id: e, role: operator, text: {en: \"x\", zh: \"" ZH "\"}, expect: {en: \"y\", zh: \"" ZH
    "\"}}\n"
    "  learn:\n" /* 35 */
    "    - {id: f, role: plant_manager, text: {en: \"x\", zh: \"" ZH
    "\"}, expect: {en: \"y\", zh: \"" ZH "\"}}\n"
    "references: [\"NIST SP 800-61r3\"]\n";
static const char page[] = "---\npage: 1\nid: page\nversion: 2\ntitle: \"P\"\nkind: device\n"
			   "match: {roles: [plc], protos: [s7]}\n---\n# head\n\ntext\n";
static const char page_zh[] =
    "---\npage: 1\nid: page\nversion: 2\ntitle: \"" ZH "\"\n---\n" ZH "\n";

static char dir[64];

static void
put(const char *rel, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, rel);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
gone(const char *rel)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, rel);
	(void)unlink(path);
}

static int
set_up(void **state)
{
	char sub[128];

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/playbook_test.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(sub, sizeof(sub), "%s/playbooks", dir);
	if (mkdir(sub, 0700) != 0)
		return -1;
	snprintf(sub, sizeof(sub), "%s/knowledge", dir);
	if (mkdir(sub, 0700) != 0)
		return -1;
	put("library.yaml", head);
	put("playbooks/one.yaml", book);
	put("knowledge/page.md", page);
	put("knowledge/page.zh.md", page_zh);
	return 0;
}

static int
tear_down(void **state)
{
	static const char *const subs[] = {"/playbooks", "/knowledge", ""};
	static const char *const files[] = {"library.yaml", "playbooks/one.yaml",
	    "playbooks/two.yaml", "knowledge/page.md", "knowledge/page.zh.md", "MANIFEST",
	    "MANIFEST.minisig", "notes.txt", "playbooks/.one.yaml.swp", "knowledge/lost.zh.md"};
	char sub[128];

	(void)state;
	for (size_t i = 0; i < N(files); i++)
		gone(files[i]);
	for (size_t i = 0; i < N(subs); i++) {
		snprintf(sub, sizeof(sub), "%s%s", dir, subs[i]);
		if (rmdir(sub) != 0)
			return -1;
	}
	return 0;
}

/* book with the first `from` in it replaced. */
static const char *
with(const char *base, const char *from, const char *to)
{
	static char buf[16384];
	const char *at = strstr(base, from);

	assert_non_null(at);
	snprintf(buf, sizeof(buf), "%.*s%s%s", (int)(at - base), base, to, at + strlen(from));
	return buf;
}

static struct library *
load(struct complaints *c, const struct key_set *keys, const struct library_last *last)
{
	memset(c, 0, sizeof(*c));
	return library_load(dir, keys, last, c);
}

/* Is there a complaint "PATH:LINE:COL: TEXT..."?  A text is a part of it. */
static bool
complained(
    const struct complaints *c, const char *rel, unsigned line, unsigned col, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, rel);
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(complaint_file(c, &c->v[i]), path) == 0 && c->v[i].line == line &&
		    c->v[i].col == col && strstr(c->v[i].text, text))
			return true;
	complaints_print(c, stderr);
	return false;
}

/* --- reading ---------------------------------------------------------------------------- */

static void
test_read(void **state)
{
	struct complaints c;
	struct library *l = load(&c, NULL, NULL);
	const struct playbook *p;

	(void)state;
	complaints_print(&c, stderr);
	assert_non_null(l);
	assert_false(l->verified);
	assert_int_equal(l->version, 7);
	assert_int_equal(l->n_playbooks, 1);
	p = library_playbook(l, "one");
	assert_non_null(p);
	assert_null(library_playbook(l, "two"));
	assert_int_equal(p->version, 3);
	assert_int_equal(p->severity, 2);
	assert_int_equal(p->n_steps, 6);
	assert_int_equal(p->steps[2].phase, PB_PHASE_CONTAIN);
	assert_true(p->steps[2].has_action);
	assert_int_equal(p->steps[2].action, PB_ACTION_PANIC);
	assert_string_equal(p->steps[2].undo, "interlock ctl panic off");
	assert_null(p->steps[2].safety.in[PB_LANG_EN]);
	assert_int_equal(p->roles, 1u << PB_ROLE_OPERATOR | 1u << PB_ROLE_OT_ENGINEER |
				       1u << PB_ROLE_SOC_ANALYST | 1u << PB_ROLE_PLANT_MANAGER);
	assert_int_equal(p->match.n_signature_ids, 2);
	assert_string_equal(library_page(l, "page")->body.in[PB_LANG_EN], "# head\n\ntext\n");
	assert_true(library_page(l, "page")->device);
	library_free(l);
	complaints_fini(&c);
}

static void
test_hostile(void **state)
{
	static const struct {
		const char *from, *to, *said;
		unsigned line, col;
	} cases[] = {
	    {"severity: 2", "severity: 2\nserverity: 2", "unknown key \"serverity\", did you mean",
		5, 1},
	    {"severity: 2\n", "", "required key \"severity\" is missing", 1, 1},
	    {"severity: 2", "severity: 4", "4 is outside 1..3", 4, 11},
	    {"severity: 2", "severity: 2\nseverity: 1", "severity", 5, 1},
	    {"playbook: 1", "playbook: 2", "2 is outside 1..1", 1, 11},
	    {"id: one", "id: two", "name of its file", 2, 5},
	    {"id: one", "id: ../../etc/passwd", "small letters", 2, 5},
	    {", zh: \"" ZH "\"}\nwhen", "}\nwhen", "the text in \"zh\" is missing", 5, 8},
	    {"{en: \"T\", ", "{", "the text in \"en\" is missing", 5, 8},
	    {"zh: \"" ZH "\"}\nwhen", "zh: \"T\"}\nwhen", "is not translated", 5, 22},
	    {"{en: \"T\"", "{fr: \"T\", en: \"T\"", "unknown key \"fr\"", 5, 9},
	    {"{en: \"T\"", "{en: \"a\\eb\"", "control character", 5, 13},
	    {"T0855, T1692.001", "T0855, T855", "\"T855\" is not an ATT&CK technique", 8, 23},
	    {"T0855, T1692.001", "T0855, T0855", "\"T0855\" is there twice", 8, 23},
	    {"[3, 1000000007]", "[3, 3]", "3 is there twice", 9, 22},
	    {"[3, 1000000007]", "[3, 2000000000]", "is outside 1..1999999999", 9, 22},
	    {"[3, 1000000007]", "[3, -1]", "\"-1\" is not a number", 9, 22},
	    {"reasons: [otherwise]", "reasons: [because]", "is not a reason", 11, 13},
	    {"access: [control]", "access: control", "expected a list", 13, 11},
	    {"protos: [s7]", "protos: [S7]", "is not the name of a protocol", 14, 12},
	    {"knowledge: [page]", "knowledge: [nopage]", "there is no page \"nopage\"", 0, 0},
	    {"questions:\n  - {en: \"Q\", zh: \"" ZH "\"}", "questions: []", "0 entries is outside",
		16, 12},
	    {"  safe:\n", "  save:\n", "unknown key \"save\", did you mean \"safe\"", 21, 3},
	    {"id: b, role: soc_analyst", "id: a, role: soc_analyst", "another step has the same id",
		24, 7},
	    {"role: ot_engineer", "role: engineer", "is none of", 27, 13},
	    {"interlock ctl status", "rm -rf /", "is not a line of \"interlock\"", 24, 101},
	    {"--for 5m", "", "with --for", 30, 38},
	    {"island --for 5m", "island --for 5m; reboot", "one plain line", 30, 38},
	    {"island --for 5m", "island --for $(id)", "one plain line", 30, 38},
	    {"kind: panic", "kind: policy", "with --confirm", 30, 39},
	    {"kind: panic", "kind: script", "is none of", 30, 22},
	    {"undo: \"interlock ctl panic off\"", "undo: \"interlock replay x\"",
		"undo is a line of", 30, 38},
	    {", undo: \"interlock ctl panic off\"", "", "required key \"undo\" is missing", 30, 15},
	    {"id: one", "id: &x one", "", 2, 5},
	    {"version: 3", "version: 3\n--- \nx: 1", "", 4, 1},
	    {"title: {en: \"T\"", "title: {en: [\"T\"]", "expected one value", 5, 13},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct complaints c;

		put("playbooks/one.yaml", with(book, cases[i].from, cases[i].to));
		if (load(&c, NULL, NULL) != NULL || !complained(&c, "playbooks/one.yaml",
							cases[i].line, cases[i].col, cases[i].said))
			fail_msg("case %zu: %s", i, cases[i].to);
		complaints_fini(&c);
	}
}

/* Everything that is wrong, in all files, in one go. */
static void
test_all_at_once(void **state)
{
	struct complaints c;
	char text[16384];

	(void)state;
	snprintf(text, sizeof(text), "%s", with(book, "severity: 2", "severity: 9"));
	snprintf(text, sizeof(text), "%s",
	    with(text, "id: f, role: plant_manager", "id: f, role: boss"));
	put("playbooks/one.yaml", text);
	put("playbooks/two.yaml", "- no map\n");
	put("knowledge/page.md", with(page, "kind: device", "kind: thing"));
	assert_null(load(&c, NULL, NULL));
	assert_int_equal(c.errors, 4);
	assert_true(complained(&c, "playbooks/one.yaml", 4, 11, "9 is outside"));
	assert_true(complained(&c, "playbooks/one.yaml", 36, 21, "role"));
	assert_true(complained(&c, "playbooks/two.yaml", 1, 1, "expected a map"));
	assert_true(complained(&c, "knowledge/page.md", 6, 7, "is none of"));
	complaints_fini(&c);
}

static void
test_pages(void **state)
{
	static const struct {
		const char *file, *from, *to, *said;
		unsigned line, col;
	} cases[] = {
	    {"knowledge/page.md", "---\npage", "page", "begins with YAML between", 1, 1},
	    {"knowledge/page.md", "text", "<script>", "HTML is not for a page", 11, 1},
	    {"knowledge/page.md", "text", "a\x01", "control character", 11, 2},
	    {"knowledge/page.md", "text", "a\xff", "not UTF-8", 11, 2},
	    {"knowledge/page.md", "# head\n\ntext\n", "", "the page is empty", 9, 1},
	    {"knowledge/page.md", "roles: [plc]", "reasons: [rule]", "unknown key \"reasons\"", 7,
		9},
	    {"knowledge/page.zh.md", "\"\n---\n" ZH, "\"\n---\nthe same",
		"the page is not translated", 8, 1},
	    {"knowledge/page.zh.md", "version: 2", "version: 1", "1, and 2 in the other language",
		4, 10},
	    {"knowledge/page.zh.md", "version: 2", "version: 2\nkind: device",
		"unknown key \"kind\"", 5, 1},
	};
	struct complaints c;

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		bool zh = strstr(cases[i].file, ".zh.") != NULL;

		put(cases[i].file, with(zh ? page_zh : page, cases[i].from, cases[i].to));
		if (load(&c, NULL, NULL) != NULL ||
		    !complained(&c, cases[i].file, cases[i].line, cases[i].col, cases[i].said))
			fail_msg("case %zu: %s", i, cases[i].to);
		complaints_fini(&c);
		put(cases[i].file, zh ? page_zh : page);
	}
	gone("knowledge/page.zh.md");
	assert_null(load(&c, NULL, NULL));
	assert_true(complained(&c, "knowledge/page.md", 0, 0, "the translation is missing"));
	complaints_fini(&c);
	put("knowledge/page.zh.md", page_zh);
	put("knowledge/lost.zh.md", page_zh);
	assert_null(load(&c, NULL, NULL));
	assert_true(complained(&c, "knowledge/lost.zh.md", 0, 0, "which it translates"));
	complaints_fini(&c);
}

static void
test_files(void **state)
{
	char path[256], to[256], *big;
	struct complaints c;

	(void)state;
	put("notes.txt", "x");
	put("playbooks/.one.yaml.swp", "x");
	assert_null(load(&c, NULL, NULL));
	assert_true(complained(&c, "notes.txt", 0, 0, "is no part of a library"));
	assert_true(complained(&c, "playbooks/.one.yaml.swp", 0, 0, "is no part of a library"));
	complaints_fini(&c);
	gone("notes.txt");
	gone("playbooks/.one.yaml.swp");

	/* A link leads out of it. */
	snprintf(path, sizeof(path), "%s/playbooks/two.yaml", dir);
	snprintf(to, sizeof(to), "%s/playbooks/one.yaml", dir);
	assert_int_equal(symlink(to, path), 0);
	assert_null(load(&c, NULL, NULL));
	assert_true(complained(&c, "playbooks/two.yaml", 0, 0, "symbolic link"));
	complaints_fini(&c);
	gone("playbooks/two.yaml");
	assert_int_equal(mkfifo(path, 0600), 0); /* nobody waits for a writer */
	assert_null(load(&c, NULL, NULL));
	assert_true(complained(&c, "playbooks/two.yaml", 0, 0, "not a file"));
	complaints_fini(&c);
	gone("playbooks/two.yaml");

	big = calloc(1, LIBRARY_FILE_BYTES + 2);
	assert_non_null(big);
	memset(big, ' ', LIBRARY_FILE_BYTES + 1);
	put("playbooks/two.yaml", big);
	free(big);
	assert_null(load(&c, NULL, NULL));
	assert_true(complained(&c, "playbooks/two.yaml", 0, 0, "is longer than"));
	complaints_fini(&c);
	gone("playbooks/two.yaml");

	gone("library.yaml");
	assert_null(load(&c, NULL, NULL));
	assert_true(complained(&c, "library.yaml", 0, 0, "is not there"));
	complaints_fini(&c);
	put("library.yaml", head);

	memset(&c, 0, sizeof(c));
	assert_null(library_load("/nowhere/at/all", NULL, NULL, &c));
	assert_int_equal(c.errors, 1);
	complaints_fini(&c);
}

/* --- signatures ----------------------------------------------------------------------------- */

static void
sign(const struct key *k)
{
	char buf[MINISIGN_MAX], *manifest;
	struct complaints c = {0};
	uint32_t version = 0;

	manifest = library_manifest(dir, &version, &c);
	assert_non_null(manifest);
	put(LIBRARY_MANIFEST, manifest);
	put(LIBRARY_SIGNATURE,
	    minisign_sign(k, manifest, strlen(manifest), 1790000000, "file:MANIFEST", buf));
	free(manifest);
	complaints_fini(&c);
}

static void
test_signed(void **state)
{
	static const uint8_t seed[CRYPTO_SEED_LEN] = {7}, other_seed[CRYPTO_SEED_LEN] = {8};
	static struct key_set keys;
	struct library_last last = {0};
	struct key k, other;
	struct complaints c;
	struct library *l;

	(void)state;
	key_from_seed(&k, seed);
	key_from_seed(&other, other_seed);
	memset(&keys, 0, sizeof(keys));
	assert_int_equal(key_set_add(&keys, &k), 0);

	/* nobody signed it */
	assert_null(load(&c, &keys, NULL));
	assert_true(c.errors > 0);
	complaints_fini(&c);

	sign(&k);
	l = load(&c, &keys, &last);
	complaints_print(&c, stderr);
	assert_non_null(l);
	assert_true(l->verified);
	assert_string_equal(l->kid, k.kid);
	assert_int_equal(l->signed_s, 1790000000);
	last.version = l->version;
	memcpy(last.manifest, l->manifest, sizeof(last.manifest));
	library_free(l);
	complaints_fini(&c);
	l = load(&c, &keys, &last); /* the same again */
	assert_non_null(l);
	library_free(l);
	complaints_fini(&c);

	/* tampered; and what is not signed is not parsed: its YAML is broken, and nothing is said of that */
	put("playbooks/one.yaml", "{{{");
	assert_null(load(&c, &keys, NULL));
	assert_int_equal(c.errors, 1);
	assert_true(complained(&c, "playbooks/one.yaml", 0, 0, "was changed since"));
	complaints_fini(&c);
	put("playbooks/one.yaml", book);

	/* missing */
	gone("knowledge/page.zh.md");
	assert_null(load(&c, &keys, NULL));
	assert_true(complained(&c, "knowledge/page.zh.md", 0, 0, "was signed and is not there"));
	complaints_fini(&c);
	put("knowledge/page.zh.md", page_zh);

	/* one more */
	put("playbooks/two.yaml", with(book, "id: one", "id: two"));
	assert_null(load(&c, &keys, NULL));
	assert_true(complained(&c, "playbooks/two.yaml", 0, 0, "is not among the files"));
	complaints_fini(&c);

	/* ... which without keys is no error, and nobody is believed */
	l = load(&c, NULL, NULL);
	assert_non_null(l);
	assert_false(l->verified);
	library_free(l);
	complaints_fini(&c);

	/* the same version with other contents, signed as well */
	sign(&k);
	assert_null(load(&c, &keys, &last));
	assert_true(complained(&c, "library.yaml", 0, 0, "with other contents"));
	complaints_fini(&c);

	/* an older one, signed as well */
	last.version = 8;
	assert_null(load(&c, &keys, &last));
	assert_true(complained(&c, "library.yaml", 0, 0, "version 7 is older"));
	complaints_fini(&c);

	/* by somebody else */
	sign(&other);
	assert_null(load(&c, &keys, NULL));
	complaints_fini(&c);

	/* a manifest that was changed with its files */
	sign(&k);
	put(LIBRARY_MANIFEST, "");
	assert_null(load(&c, &keys, NULL));
	assert_true(c.errors > 0);
	complaints_fini(&c);

	/* no signature beside it */
	sign(&k);
	gone(LIBRARY_SIGNATURE);
	assert_null(load(&c, &keys, NULL));
	complaints_fini(&c);
}

/* --- what is shipped -------------------------------------------------------------------------- */

static struct library *
shipped(void)
{
	struct complaints c = {0};
	struct library *l = library_load(SHIPPED, NULL, NULL, &c);

	complaints_print(&c, stderr);
	complaints_fini(&c);
	assert_non_null(l);
	return l;
}

static void
test_shipped(void **state)
{
	struct library *l = shipped();

	(void)state;
	assert_true(l->n_playbooks >= 12);
	assert_true(l->n_pages >= 8);
	assert_true(l->bytes < (4u << 20));
	for (uint32_t i = 0; i < l->n_playbooks; i++) {
		const struct playbook *p = &l->playbooks[i];
		unsigned operators = 0;

		for (uint32_t j = 0; j < p->n_steps; j++)
			operators += p->steps[j].role == PB_ROLE_OPERATOR;
		if (operators == 0 || p->steps[0].phase != PB_PHASE_SAFE || p->n_never < 2 ||
		    p->n_questions < 3 || p->n_steps < 8)
			fail_msg("%s: thinner than a night needs", p->id);
	}
	library_free(l);
}

/* Whatever is told as severity 1 or 2 leads to a playbook. */
static void
test_coverage(void **state)
{
	static const struct {
		unsigned id, severity;
	} alerts[] = {
#define ALERT_REASON(e, id, severity, category)	    {id, severity},
#define ALERT_COND(e, id, severity, category)	    {id, severity},
#define ALERT_OWN(e, id, severity, category)	    {id, severity},
#define ALERT_TRANSFER(out, id, severity, category) {id, severity},
#include "alerts/alert.def"
	};
	static const struct {
		const char *name;
		unsigned severity;
	} events[] = {
#define GUARD_EVENT(id, name, severity, text) {name, severity},
#include "alerts/guard_event.def"
	};
	static const char *const access[] = {
	    "read", "write", "control", "program", "diagnostic", "session"};
	struct library *l = shipped();
	const struct playbook *out[4];

	(void)state;
	for (size_t i = 0; i < N(alerts); i++) {
		struct library_query q = {.signature_id = alerts[i].id};

		if (alerts[i].severity <= 2 && library_find(l, &q, out, 4) == 0)
			fail_msg("signature %u leads nowhere", alerts[i].id);
	}
	for (unsigned i = 0; i < N(events); i++) {
		struct library_query by_id = {.signature_id = 100 + i};
		struct library_query by_name = {.detections = &events[i].name, .n_detections = 1};

		if (events[i].severity <= 2 && (library_find(l, &by_id, out, 4) == 0 ||
						   library_find(l, &by_name, out, 4) == 0))
			fail_msg("%s leads nowhere", events[i].name);
	}
	for (size_t i = 0; i < N(access); i++) { /* a rule of somebody's own */
		struct library_query q = {
		    .signature_id = 1000000000, .reason = "rule", .access = access[i]};

		if (library_find(l, &q, out, 4) == 0)
			fail_msg("a rule about %s leads nowhere", access[i]);
	}
	library_free(l);
}

/* Both ids of a technique that moved stand in a playbook, and each technique of an alert leads to one. */
static void
test_techniques(void **state)
{
	static const char *const moved[][2] = {
#define ATTACK(proto, code, sub, when, id, new_id, name) {id, new_id},
#include "alerts/attack.def"
	};
	struct library *l = shipped();
	const struct playbook *out[4];

	(void)state;
	for (size_t i = 0; i < N(moved); i++)
		for (unsigned k = 0; k < 2; k++) {
			struct library_query q = {.techniques = &moved[i][k], .n_techniques = 1};

			if (moved[i][k] && library_find(l, &q, out, 4) == 0)
				fail_msg("%s leads nowhere", moved[i][k]);
		}
	for (uint32_t p = 0; p < l->n_playbooks; p++)
		for (size_t i = 0; i < N(moved); i++) {
			const struct texts *t = &l->playbooks[p].match.techniques;
			bool has[2] = {false, false};

			for (uint32_t j = 0; j < t->n; j++)
				for (unsigned k = 0; k < 2; k++)
					has[k] |= moved[i][k] && strcmp(moved[i][k], t->v[j]) == 0;
			if (moved[i][1] && has[0] != has[1])
				fail_msg("%s: %s and %s go together", l->playbooks[p].id,
				    moved[i][0], moved[i][1]);
		}
	library_free(l);
}

static void
test_order(void **state)
{
	static const char *const write[] = {"T0855", "T1692.001", "T0836"};
	static const char *const late[] = {"timeout"}, *const clock[] = {"clock.untrusted"},
				 *const fork[] = {"chain.fork"},
				 *const silent[] = {"sensor.silent"};
	static const struct {
		struct library_query q;
		const char *first;
	} cases[] = {
	    {{.signature_id = 3,
		 .reason = "otherwise",
		 .op = "stop",
		 .access = "control",
		 .proto = "s7",
		 .techniques = write,
		 .n_techniques = 2},
		"plc-stop"},
	    {{.signature_id = 3,
		 .reason = "otherwise",
		 .op = "write_single_register",
		 .access = "write",
		 .proto = "modbus",
		 .techniques = write,
		 .n_techniques = 3},
		"unauthorised-write"},
	    {{.signature_id = 40, .op = "download", .proto = "s7"}, "program-download"},
	    {{.signature_id = 11, .reason = "window", .access = "program"}, "engineering-window"},
	    {{.signature_id = 7, .reason = "security", .proto = "opcua"}, "opcua-downgrade"},
	    {{.signature_id = 8, .reason = "limit", .detections = late, .n_detections = 1},
		"lost-poll"},
	    {{.signature_id = 122, .detections = clock, .n_detections = 1}, "clock-untrusted"},
	    {{.detections = fork, .n_detections = 1}, "journal-gap"},
	    {{.detections = silent, .n_detections = 1}, "sensor-silent"},
	    {{.signature_id = 23}, "malformed-flood"},
	    {{.signature_id = 21}, "arp-conflict"},
	    {{.signature_id = 115}, "protection-changed"},
	};
	struct library *l = shipped();
	const struct playbook *all[64], *one[1];

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		unsigned n = library_find(l, &cases[i].q, all, 64);

		assert_true(n >= 1);
		assert_string_equal(all[0]->id, cases[i].first);
		assert_int_equal(library_find(l, &cases[i].q, one, 1), 1);
		assert_ptr_equal(one[0], all[0]); /* with little room the best stay */
	}
	/* OPC UA's playbook is not for Modbus, whatever else fits. */
	{
		struct library_query q = {
		    .signature_id = 7, .reason = "security", .proto = "modbus"};
		unsigned n = library_find(l, &q, all, 64);

		for (unsigned i = 0; i < n; i++)
			assert_string_not_equal(all[i]->id, "opcua-downgrade");
	}
	library_free(l);
}

static void
test_pages_found(void **state)
{
	struct library *l = shipped();
	const struct knowledge *out[16];
	struct library_query q = {.proto = "modbus"};

	(void)state;
	assert_true(library_find_pages(l, &q, out, 16) >= 2);
	assert_string_equal(out[0]->id, "modbus");
	q = (struct library_query){.proto = "s7", .role = "plc"};
	assert_true(library_find_pages(l, &q, out, 16) >= 1);
	assert_string_equal(out[0]->id, "plc-s7");
	q = (struct library_query){.role = "engineering"};
	assert_true(library_find_pages(l, &q, out, 16) >= 1);
	assert_string_equal(out[0]->id, "engineering-station");
	library_free(l);
}

/* Another library reads what is written. */
static void
test_json(void **state)
{
	static char buf[1u << 20];
	struct library *l = shipped();

	(void)state;
	for (uint32_t i = 0; i < l->n_playbooks; i++) {
		struct jw w = jw_make(buf, sizeof(buf));
		const struct playbook *p = &l->playbooks[i];
		json_t *j, *step;

		playbook_json(&w, NULL, p, true);
		assert_true(jw_end(&w));
		j = json_loads(buf, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(j);
		assert_string_equal(json_string_value(json_object_get(j, "id")), p->id);
		assert_int_equal(json_array_size(json_object_get(j, "steps")), p->n_steps);
		step = json_array_get(json_object_get(j, "steps"), 0);
		assert_string_equal(
		    json_string_value(json_object_get(json_object_get(step, "text"), "zh")),
		    p->steps[0].text.in[PB_LANG_ZH]);
		json_decref(j);
	}
	for (uint32_t i = 0; i < l->n_pages; i++) {
		struct jw w = jw_make(buf, sizeof(buf));
		json_t *j;

		knowledge_json(&w, NULL, &l->pages[i], true);
		assert_true(jw_end(&w));
		j = json_loads(buf, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(j);
		json_decref(j);
	}
	library_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_read, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_hostile, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_all_at_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_pages, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_signed, set_up, tear_down),
	    cmocka_unit_test(test_shipped),
	    cmocka_unit_test(test_coverage),
	    cmocka_unit_test(test_techniques),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_pages_found),
	    cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
