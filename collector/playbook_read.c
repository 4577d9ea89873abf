/* SPDX-License-Identifier: Apache-2.0 */
/*
 * playbook_read.c - one file of the library, read strictly: what is not in docs/LIBRARY.md is an error
 * with its place, and so is a text without its translation.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "collector/playbook_int.h"
#include "policy/check.h"
#include "policy/yaml.h"

#define N(a)	     (sizeof(a) / sizeof((a)[0]))
#define ID_MAX	     64u
#define COMMAND_MAX  400u
#define WORD_MAX     64u
#define VERSION_MAX  1000000000u
#define TITLE_MAX    200u
#define RULE_ID_MAX  1999999999u /* docs/FORMATS.md, section 1 */
#define REASONS_ROOM 32u

static const char *const phase_names[] = {
    "safe", "confirm", "contain", "eradicate", "recover", "learn", NULL};
static const char *const role_names[] = {
    "operator", "ot_engineer", "soc_analyst", "plant_manager", NULL};
static const char *const action_names[] = {"panic", "policy", "permit", NULL};

const char *
playbook_phase_name(uint8_t phase)
{
	return phase < PB_PHASE__MAX ? phase_names[phase] : "?";
}

const char *
playbook_role_name(uint8_t role)
{
	return role < PB_ROLE__MAX ? role_names[role] : "?";
}

const char *
playbook_action_name(uint8_t action)
{
	return action < PB_ACTION__MAX ? action_names[action] : "?";
}

/* --- texts ---------------------------------------------------------------------- */

/* One line, or several where lines is true; no control characters. */
static bool
read_text(struct check *k, const struct ynode *n, const char *what, size_t most, bool lines,
    const char **out)
{
	const char *s;
	size_t len;

	if (!check_text(k, n, what, &s))
		return false;
	len = n->n;
	if (len > most) {
		check_error(k, n, "%s: a text of %zu bytes; at most %zu", what, len, most);
		return false;
	}
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)s[i] < 0x20 && !(lines && s[i] == '\n')) || s[i] == 0x7f) {
			check_error(k, n, "%s: holds a control character", what);
			return false;
		}
	while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\n'))
		len--;
	if (len == 0 || s[0] == ' ' || s[0] == '\n') {
		check_error(k, n, "%s: begins with a blank, or is nothing else", what);
		return false;
	}
	*out = arena_strn(k->keep, s, len);
	return true;
}

static bool
has_han(const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; p[0] && p[1]; p++)
		if (p[0] >= 0xe4 && p[0] <= 0xe9 && (p[1] & 0xc0) == 0x80)
			return true; /* U+4000..U+9FFF */
	return false;
}

/* {en: ..., zh: ...}: both, and the second is not a copy of the first. */
static bool
read_words(
    struct check *k, const struct ynode *n, const char *what, size_t most, struct bilingual *out)
{
	static const struct field fields[] = {{"en", FIELD_MAY}, {"zh", FIELD_MAY}};
	const struct ynode *v[PB_LANG__MAX];
	char name[160];
	bool ok = true;

	if (!check_map(k, n, what, fields, N(fields), v, NULL, NULL))
		return false;
	for (unsigned i = 0; i < PB_LANG__MAX; i++) {
		snprintf(name, sizeof(name), "%s: %s", what, fields[i].key);
		if (!v[i]) {
			check_error(k, n, "%s: the text in \"%s\" is missing", what, fields[i].key);
			ok = false;
		} else if (!read_text(k, v[i], name, most, true, &out->in[i])) {
			ok = false;
		} else if (i == PB_LANG_ZH && !has_han(out->in[i])) {
			check_error(k, v[i], "%s: is not translated", name);
			ok = false;
		}
	}
	return ok;
}

/* A list of lo..PLAYBOOK_LIST entries; false after a complaint. */
static bool
is_list(struct check *k, const struct ynode *n, const char *what, uint32_t lo, uint32_t most)
{
	if (n->kind != Y_LIST) {
		check_error(k, n, "%s: expected a list", what);
		return false;
	}
	if (n->n < lo || n->n > most) {
		check_error(k, n, "%s: %u entries is outside %u..%u", what, n->n, lo, most);
		return false;
	}
	return true;
}

static void
read_words_list(struct check *k, const struct ynode *n, const char *what,
    const struct bilingual **out, uint32_t *n_out)
{
	struct bilingual *v;
	char name[96];

	if (!is_list(k, n, what, 1, PLAYBOOK_LIST))
		return;
	v = arena_array(k->keep, n->n, sizeof(*v));
	for (uint32_t i = 0; i < n->n; i++) {
		snprintf(name, sizeof(name), "%s %u", what, i + 1);
		(void)read_words(k, n->kids[i], name, PLAYBOOK_TEXT, &v[i]);
	}
	*out = v;
	*n_out = n->n;
}

/* --- words ----------------------------------------------------------------------- */

static bool
is_id(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n <= ID_MAX && s[n] == '\0' && s[0] >= 'a' && s[0] <= 'z' && s[n - 1] != '-';
}

/* T0855, T1692.001 */
static bool
is_technique(const char *s)
{
	size_t n = s[0] == 'T' ? strspn(s + 1, "0123456789") : 0;

	if (n != 4)
		return false;
	s += 5;
	return *s == '\0' || (*s == '.' && strspn(s + 1, "0123456789") == 3 && s[4] == '\0');
}

static bool
is_word(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_.-");

	return n > 0 && n <= WORD_MAX && s[n] == '\0' && s[0] >= 'a' && s[0] <= 'z';
}

static bool
is_reason(const char *s)
{
	for (uint8_t i = 0; i < REASONS_ROOM; i++) {
		const char *name = policy_reason_name(i);

		if (strcmp(name, "?") != 0 && strcmp(name, s) == 0)
			return true;
	}
	return false;
}

static bool
is_access(const char *s)
{
	static const char *const words[] = {
	    "read", "write", "control", "program", "diagnostic", "session", "other"};

	for (size_t i = 0; i < N(words); i++)
		if (strcmp(words[i], s) == 0)
			return true;
	return false;
}

static bool
is_reference(const char *s)
{
	return strlen(s) <= TITLE_MAX;
}

/* What can be typed as it stands: no shell reads more into it than its words. */
static bool
is_plain_command(const char *s)
{
	return strlen(s) <= COMMAND_MAX && strncmp(s, "interlock ", 10) == 0 &&
	       s[strspn(
		   s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._/:,=-")] ==
		   '\0';
}

/* To look: ours, or ours into a filter. */
static bool
is_command(const char *s)
{
	return strlen(s) <= COMMAND_MAX && strncmp(s, "interlock ", 10) == 0;
}

static void
read_list(struct check *k, const struct ynode *n, const char *what, bool (*good)(const char *s),
    const char *kind, struct texts *out)
{
	const char **v, *s;
	uint32_t m = 0;

	if (!is_list(k, n, what, 1, PLAYBOOK_LIST))
		return;
	v = arena_array(k->keep, n->n, sizeof(*v));
	for (uint32_t i = 0; i < n->n; i++) {
		bool twice = false;

		if (!read_text(k, n->kids[i], what, PLAYBOOK_TEXT, false, &s))
			continue;
		if (!good(s)) {
			check_error(k, n->kids[i], "%s: \"%s\" is not %s", what, s, kind);
			continue;
		}
		for (uint32_t j = 0; j < m && !twice; j++)
			twice = strcmp(v[j], s) == 0;
		if (twice)
			check_error(k, n->kids[i], "%s: \"%s\" is there twice", what, s);
		else
			v[m++] = s;
	}
	*out = (struct texts){v, m};
}

static void
read_ids(struct check *k, const struct ynode *n, struct playbook_match *out)
{
	uint32_t *v, m = 0;

	if (!is_list(k, n, "signature_ids", 1, PLAYBOOK_LIST))
		return;
	v = arena_array(k->keep, n->n, sizeof(*v));
	for (uint32_t i = 0; i < n->n; i++) {
		uint32_t id;
		bool twice = false;

		if (!check_number(k, n->kids[i], "signature_ids", 1, RULE_ID_MAX, &id))
			continue;
		for (uint32_t j = 0; j < m && !twice; j++)
			twice = v[j] == id;
		if (twice)
			check_error(k, n->kids[i], "signature_ids: %u is there twice", id);
		else
			v[m++] = id;
	}
	out->signature_ids = v;
	out->n_signature_ids = m;
}

/* page: of a device or a protocol, which has roles and no more than that of an alert. */
static void
read_match(struct check *k, const struct ynode *n, bool page, struct playbook_match *out)
{
	static const struct field of_playbook[] = {{"techniques", FIELD_MAY}, {"protos", FIELD_MAY},
	    {"signature_ids", FIELD_MAY}, {"detections", FIELD_MAY}, {"reasons", FIELD_MAY},
	    {"ops", FIELD_MAY}, {"access", FIELD_MAY}};
	static const struct field of_page[] = {
	    {"techniques", FIELD_MAY}, {"protos", FIELD_MAY}, {"roles", FIELD_MAY}};
	const struct ynode *v[N(of_playbook)];

	if (!check_map(k, n, "match", page ? of_page : of_playbook,
		page ? N(of_page) : N(of_playbook), v, NULL, NULL))
		return;
	if (n->n == 0)
		check_error(k, n, "match: nothing would ever lead here");
	if (v[0])
		read_list(k, v[0], "techniques", is_technique,
		    "an ATT&CK technique (T0855, T1692.001)", &out->techniques);
	if (v[1])
		read_list(k, v[1], "protos", is_word, "the name of a protocol", &out->protos);
	if (page) {
		if (v[2])
			read_list(k, v[2], "roles", is_word, "a role of a device", &out->roles);
		return;
	}
	if (v[2])
		read_ids(k, v[2], out);
	if (v[3])
		read_list(
		    k, v[3], "detections", is_word, "the name of a detection", &out->detections);
	if (v[4])
		read_list(k, v[4], "reasons", is_reason, "a reason of an alert", &out->reasons);
	if (v[5])
		read_list(k, v[5], "ops", is_word, "the name of an operation", &out->ops);
	if (v[6])
		read_list(k, v[6], "access", is_access,
		    "read, write, control, program, diagnostic, session or other", &out->access);
}

/* --- steps ------------------------------------------------------------------------ */

static bool
begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* Whatever is prepared ends by itself, or can be ended by one line that stands beside it. */
static void
action_fits(
    struct check *k, const struct ynode *at, const char *what, const struct playbook_step *s)
{
	const char *c = s->command;

	if (s->action == PB_ACTION_PANIC && !((begins(c, "interlock ctl panic open ") ||
						  begins(c, "interlock ctl panic island ")) &&
						strstr(c, " --for ")))
		check_error(k, at,
		    "%s: a panic is \"interlock ctl panic open\" or \"island\" with --for", what);
	if (s->action == PB_ACTION_POLICY && !((begins(c, "interlock ctl reload ") ||
						   begins(c, "interlock ctl shadow --promote ")) &&
						 strstr(c, " --confirm ")))
		check_error(k, at,
		    "%s: a policy is \"interlock ctl reload\" or \"shadow --promote\" with "
		    "--confirm",
		    what);
	if (s->action == PB_ACTION_PERMIT && !begins(c, "interlock ctl permit "))
		check_error(k, at, "%s: a permit is \"interlock ctl permit\"", what);
	if (!begins(s->undo, "interlock ctl "))
		check_error(k, at, "%s: undo is a line of \"interlock ctl\"", what);
}

static void
read_action(struct check *k, const struct ynode *n, const char *who, struct playbook_step *s)
{
	static const struct field fields[] = {{"kind", FIELD_MUST}, {"command", FIELD_MUST},
	    {"undo", FIELD_MUST}, {"prepared", FIELD_MAY}};
	const struct ynode *v[N(fields)];
	const char **to[] = {NULL, &s->command, &s->undo};
	char what[sizeof(struct what) + 16];
	bool ok = true;
	unsigned kind;

	snprintf(what, sizeof(what), "%s: action", who);
	if (!check_map(k, n, what, fields, N(fields), v, NULL, NULL) || !v[0] || !v[1] || !v[2] ||
	    !check_word(k, v[0], what, action_names, &kind))
		return;
	for (unsigned i = 1; i < N(to); i++)
		if (!read_text(k, v[i], what, COMMAND_MAX, false, to[i])) {
			ok = false;
		} else if (!is_plain_command(*to[i])) {
			check_error(k, v[i], "%s: %s is one plain line of \"interlock\"", what,
			    fields[i].key);
			ok = false;
		}
	if (ok && v[3] && read_text(k, v[3], what, ID_MAX, false, &s->prepared) &&
	    (!is_id(s->prepared) || kind == PB_ACTION_PANIC)) {
		check_error(k, v[3],
		    "%s: prepared is the name of a policy or permit, of small letters, digits and "
		    "dashes",
		    what);
		ok = false;
	}
	if (!ok)
		return;
	s->action = (uint8_t)kind;
	s->has_action = true;
	action_fits(k, v[1], what, s);
}

static void
read_step(struct check *k, const struct ynode *n, unsigned phase, struct playbook_step *s)
{
	enum { ID = 0, ROLE, TEXT, EXPECT, SAFETY, EVIDENCE, COMMANDS, ACTION };
	static const struct field fields[] = {{"id", FIELD_MUST}, {"role", FIELD_MUST},
	    {"text", FIELD_MUST}, {"expect", FIELD_MUST}, {"safety", FIELD_MAY},
	    {"evidence", FIELD_MAY}, {"commands", FIELD_MAY}, {"action", FIELD_MAY}};
	struct bilingual *const words[] = {&s->text, &s->expect, &s->safety, &s->evidence};
	const struct ynode *v[N(fields)];
	struct what who = {""};
	char what[sizeof(who.text) + 16];
	unsigned role;

	s->phase = (uint8_t)phase;
	snprintf(what, sizeof(what), "a step of \"%s\"", phase_names[phase]);
	if (!check_map(k, n, what, fields, N(fields), v, NULL, NULL))
		return;
	if (v[ID] && read_text(k, v[ID], "id", ID_MAX, false, &s->id) && !is_id(s->id)) {
		check_error(
		    k, v[ID], "id: \"%s\" is not of small letters, digits and dashes", s->id);
		s->id = NULL;
	}
	what_name(&who, "step", s->id ? s->id : "?");
	if (v[ROLE]) {
		snprintf(what, sizeof(what), "%s: role", who.text);
		if (check_word(k, v[ROLE], what, role_names, &role))
			s->role = (uint8_t)role;
	}
	for (unsigned i = 0; i < N(words); i++)
		if (v[TEXT + i]) {
			snprintf(what, sizeof(what), "%s: %s", who.text, fields[TEXT + i].key);
			(void)read_words(k, v[TEXT + i], what, PLAYBOOK_TEXT, words[i]);
		}
	if (v[COMMANDS]) {
		snprintf(what, sizeof(what), "%s: commands", who.text);
		read_list(
		    k, v[COMMANDS], what, is_command, "a line of \"interlock\"", &s->commands);
	}
	if (v[ACTION])
		read_action(k, v[ACTION], who.text, s);
}

static void
read_phases(struct check *k, const struct ynode *n, struct playbook *out)
{
	struct field fields[PB_PHASE__MAX];
	const struct ynode *v[PB_PHASE__MAX];
	struct playbook_step *steps;
	uint32_t m = 0;

	for (unsigned i = 0; i < PB_PHASE__MAX; i++)
		fields[i] = (struct field){phase_names[i], FIELD_MUST};
	if (!check_map(k, n, "phases", fields, PB_PHASE__MAX, v, NULL, NULL))
		return;
	steps = arena_array(k->keep, PLAYBOOK_STEPS, sizeof(*steps));
	for (unsigned i = 0; i < PB_PHASE__MAX; i++) {
		if (!v[i] || !is_list(k, v[i], phase_names[i], 1, PLAYBOOK_STEPS))
			continue;
		if (m + v[i]->n > PLAYBOOK_STEPS) {
			check_error(k, v[i], "phases: more than %u steps", PLAYBOOK_STEPS);
			break;
		}
		for (uint32_t j = 0; j < v[i]->n; j++) {
			struct playbook_step *s = &steps[m];

			read_step(k, v[i]->kids[j], i, s);
			for (uint32_t o = 0; s->id && o < m; o++)
				if (steps[o].id && strcmp(steps[o].id, s->id) == 0) {
					check_error(k, v[i]->kids[j],
					    "step \"%s\": another step has the same id", s->id);
					break;
				}
			out->roles |= 1u << s->role;
			m++;
		}
	}
	out->steps = steps;
	out->n_steps = m;
}

/* --- files ------------------------------------------------------------------------- */

static struct check
check_of(const struct playbook_reader *r)
{
	return (struct check){.keep = r->keep, .scratch = r->scratch, .c = r->c};
}

/* The first key says what the file is, and in which version of the format. */
static void
read_format(struct check *k, const struct ynode *n)
{
	uint32_t format;

	(void)check_number(k, n, "the version of the format", 1, 1, &format);
}

static void
read_name(struct check *k, const struct ynode *n, const char *name, const char **out)
{
	if (!read_text(k, n, "id", ID_MAX, false, out))
		return;
	if (!is_id(*out))
		check_error(k, n, "id: \"%s\" is not of small letters, digits and dashes", *out);
	else if (strcmp(*out, name) != 0)
		check_error(
		    k, n, "id: \"%s\" is expected to be the name of its file, \"%s\"", *out, name);
}

bool
library_head_read(struct playbook_reader *r, const char *text, size_t len, struct library_head *out)
{
	static const struct field fields[] = {
	    {"interlock-library", FIELD_MUST}, {"version", FIELD_MUST}, {"title", FIELD_MUST}};
	const struct ynode *root = yaml_read(r->scratch, r->c, text, len), *v[N(fields)];
	struct check k = check_of(r);
	size_t errors = r->c->errors;

	if (!root || !check_map(&k, root, "a library", fields, N(fields), v, NULL, NULL))
		return false;
	if (v[0])
		read_format(&k, v[0]);
	if (v[1])
		(void)check_number(&k, v[1], "version", 1, VERSION_MAX, &out->version);
	if (v[2])
		(void)read_words(&k, v[2], "title", TITLE_MAX, &out->title);
	return r->c->errors == errors;
}

bool
playbook_read(
    struct playbook_reader *r, const char *name, const char *text, size_t len, struct playbook *out)
{
	enum {
		FORMAT = 0,
		ID,
		VERSION,
		SEVERITY,
		TITLE,
		WHEN,
		MATCH,
		QUESTIONS,
		NEVER,
		PHASES,
		REFERENCES,
		KNOWLEDGE
	};
	static const struct field fields[] = {{"playbook", FIELD_MUST}, {"id", FIELD_MUST},
	    {"version", FIELD_MUST}, {"severity", FIELD_MUST}, {"title", FIELD_MUST},
	    {"when", FIELD_MUST}, {"match", FIELD_MUST}, {"questions", FIELD_MUST},
	    {"never", FIELD_MUST}, {"phases", FIELD_MUST}, {"references", FIELD_MUST},
	    {"knowledge", FIELD_MAY}};
	const struct ynode *root = yaml_read(r->scratch, r->c, text, len), *v[N(fields)];
	struct check k = check_of(r);
	size_t errors = r->c->errors;
	uint32_t severity;

	if (!root || !check_map(&k, root, "a playbook", fields, N(fields), v, NULL, NULL))
		return false;
	if (v[FORMAT])
		read_format(&k, v[FORMAT]);
	if (v[ID])
		read_name(&k, v[ID], name, &out->id);
	if (v[VERSION])
		(void)check_number(&k, v[VERSION], "version", 1, VERSION_MAX, &out->version);
	if (v[SEVERITY] && check_number(&k, v[SEVERITY], "severity", 1, 3, &severity))
		out->severity = (uint8_t)severity;
	if (v[TITLE])
		(void)read_words(&k, v[TITLE], "title", TITLE_MAX, &out->title);
	if (v[WHEN])
		(void)read_words(&k, v[WHEN], "when", PLAYBOOK_TEXT, &out->when);
	if (v[MATCH])
		read_match(&k, v[MATCH], false, &out->match);
	if (v[QUESTIONS])
		read_words_list(&k, v[QUESTIONS], "questions", &out->questions, &out->n_questions);
	if (v[NEVER])
		read_words_list(&k, v[NEVER], "never", &out->never, &out->n_never);
	if (v[PHASES])
		read_phases(&k, v[PHASES], out);
	if (v[REFERENCES])
		read_list(&k, v[REFERENCES], "references", is_reference, "200 bytes at most",
		    &out->references);
	if (v[KNOWLEDGE])
		read_list(
		    &k, v[KNOWLEDGE], "knowledge", is_id, "the id of a page", &out->knowledge);
	return r->c->errors == errors;
}

/* --- pages ------------------------------------------------------------------------ */

/* Length of the YAML in front, or 0; *body is where the text begins. */
static size_t
front_matter(const char *text, const char **body)
{
	static const char mark[] = "\n---\n";
	const char *end = strncmp(text, mark + 1, 4) == 0 ? strstr(text + 3, mark) : NULL;

	if (!end)
		return 0;
	*body = end + sizeof(mark) - 1;
	return (size_t)(end + 1 - text);
}

/* Text that a page may hold: UTF-8 without control characters, and no HTML, which is nobody's to write there. */
static bool
body_ok(struct playbook_reader *r, const char *text, const char *body, size_t len, bool han)
{
	unsigned line = 1, col = 1, n = 1;
	const char *why = NULL;

	for (const char *p = text; p < text + len && !why; p += n) {
		const unsigned char *u = (const unsigned char *)p;

		n = yaml_utf8(u, (size_t)(text + len - p));
		if (n == 0)
			why = "a byte that is not UTF-8";
		else if ((u[0] < 0x20 && u[0] != '\n') || u[0] == 0x7f)
			why = "a control character";
		else if (p >= body && u[0] == '<' && (isalpha(u[1]) || u[1] == '/' || u[1] == '!'))
			why = "HTML is not for a page";
		if (why)
			break;
		col = u[0] == '\n' ? 1 : col + 1;
		line += u[0] == '\n';
	}
	if (!why && strspn(body, " \n") == strlen(body))
		why = "the page is empty";
	else if (!why && han && !has_han(body))
		why = "the page is not translated";
	if (why)
		complain_at(r->c, COMPLAINT_ERROR, line, col, "%s", why);
	return !why;
}

bool
knowledge_read(struct playbook_reader *r, const char *name, enum playbook_lang lang,
    const char *text, size_t len, struct knowledge *out)
{
	enum { FORMAT = 0, ID, VERSION, TITLE, KIND, MATCH };
	static const struct field of_page[] = {{"page", FIELD_MUST}, {"id", FIELD_MUST},
	    {"version", FIELD_MUST}, {"title", FIELD_MUST}, {"kind", FIELD_MUST},
	    {"match", FIELD_MUST}};
	static const char *const kinds[] = {"protocol", "device", NULL};
	const struct ynode *root, *v[N(of_page)] = {NULL};
	struct check k = check_of(r);
	size_t errors = r->c->errors, front;
	const char *body = text, *id = NULL;
	uint32_t version = 0;
	unsigned kind;

	if (strlen(text) != len || (front = front_matter(text, &body)) == 0) {
		complain_at(r->c, COMPLAINT_ERROR, 1, 1,
		    "a page begins with YAML between two lines \"---\"");
		return false;
	}
	if (!body_ok(r, text, body, len, lang == PB_LANG_ZH))
		return false;
	root = yaml_read(r->scratch, r->c, text, front);
	/* What leads to a page is said once, in English. */
	if (!root || !check_map(&k, root, "a page", of_page, lang == PB_LANG_EN ? N(of_page) : KIND,
			 v, NULL, NULL))
		return false;
	if (v[FORMAT])
		read_format(&k, v[FORMAT]);
	if (v[ID])
		read_name(&k, v[ID], name, &id);
	if (v[VERSION] && check_number(&k, v[VERSION], "version", 1, VERSION_MAX, &version) &&
	    out->version != 0 && out->version != version)
		check_error(&k, v[VERSION], "version: %u, and %u in the other language", version,
		    out->version);
	if (v[TITLE])
		(void)read_text(&k, v[TITLE], "title", TITLE_MAX, false, &out->title.in[lang]);
	if (v[KIND] && check_word(&k, v[KIND], "kind", kinds, &kind))
		out->device = kind == 1;
	if (v[MATCH])
		read_match(&k, v[MATCH], true, &out->match);
	out->id = id;
	out->version = version;
	out->body.in[lang] = arena_strn(r->keep, body, len - (size_t)(body - text));
	return r->c->errors == errors;
}
