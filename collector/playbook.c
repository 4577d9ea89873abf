/* SPDX-License-Identifier: Apache-2.0 */
/* playbook.c - see playbook.h: the files of a library, its signature, and what leads where. */
#include "collector/playbook.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/jw.h"
#include "base/minisign.h"
#include "collector/playbook_int.h"
#include "policy/files.h"

#define HEAD	     "library.yaml"
#define PLAYBOOKS    "playbooks"
#define KNOWLEDGE    "knowledge"
#define MANIFEST_MAX (LIBRARY_FILES * 256u) /* bytes */
#define HEX	     (2 * CRYPTO_SHA256_LEN)

struct file {
	char rel[POLICY_FILE_NAME];
	char *text; /* NUL-ended behind len */
	size_t len;
};

/* What lives while a library is read. */
struct load {
	int dir;
	struct complaints *c;
	const char *name; /* of the directory, as the user gave it */
	struct file file[LIBRARY_FILES];
	unsigned n;
	size_t bytes;
	char *manifest;
	size_t manifest_len;
	struct arena scratch;
	struct library_own *lib;
};

struct library_own {
	struct library pub; /* first */
	struct arena keep;
};

/* --- files ----------------------------------------------------------------------- */

static void __attribute__((format(printf, 3, 4)))
wrong(struct load *ld, const char *rel, const char *fmt, ...)
{
	char path[POLICY_FILE_NAME + 512];
	va_list ap;

	snprintf(path, sizeof(path), "%s/%s", ld->name, rel);
	va_start(ap, fmt);
	complain_v(ld->c, COMPLAINT_ERROR, &(struct place){.file = complain_file_add(ld->c, path)},
	    fmt, ap);
	va_end(ap);
}

/* A file of it, malloc'd and NUL-ended; NULL after a complaint. */
static char *
file_text(struct load *ld, const char *rel, size_t most, size_t *len)
{
	char *text, *whole, why[160];

	if (policy_dir_read(&ld->dir, rel, &text, len, why, sizeof(why)) < 0) {
		wrong(ld, rel, "%s", why);
		return NULL;
	}
	whole = *len <= most ? realloc(text, *len + 1) : NULL;
	if (!whole) {
		wrong(ld, rel, "is longer than %zu bytes", most);
		free(text);
		return NULL;
	}
	whole[*len] = '\0';
	return whole;
}

static bool
ends(const char *s, const char *with)
{
	size_t n = strlen(s), m = strlen(with);

	return n > m && strcmp(s + n - m, with) == 0;
}

/* Is the name that of a file of a library, below `in` ("" is its root)? */
static bool
belongs(const char *in, const char *name)
{
	if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.")] || name[0] == '.')
		return false;
	if (in[0] == '\0')
		return strcmp(name, HEAD) == 0;
	return ends(name, strcmp(in, PLAYBOOKS) == 0 ? ".yaml" : ".md");
}

static void
add_file(struct load *ld, const char *in, const char *name)
{
	struct file *f = &ld->file[ld->n];
	char rel[POLICY_FILE_NAME + 16];
	int n = snprintf(rel, sizeof(rel), "%s%s%.190s", in, in[0] ? "/" : "", name);

	if (n < 0 || (size_t)n >= sizeof(f->rel) || !belongs(in, name)) {
		wrong(ld, rel, "is no part of a library");
		return;
	}
	if (ld->n == LIBRARY_FILES) {
		wrong(ld, rel, "more than %u files", LIBRARY_FILES);
		return;
	}
	memcpy(f->rel, rel, (size_t)n + 1);
	if (!(f->text = file_text(ld, f->rel, LIBRARY_FILE_BYTES, &f->len)))
		return;
	ld->bytes += f->len;
	ld->n++;
}

/* All names of a directory.  Of the root, directories and the manifest are not files. */
static void
list_dir(struct load *ld, const char *in)
{
	int fd = openat(ld->dir, in[0] ? in : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (!d) {
		if (in[0] == '\0' || errno != ENOENT)
			wrong(ld, in[0] ? in : ".", "%s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (in[0] == '\0' &&
		    (strcmp(e->d_name, PLAYBOOKS) == 0 || strcmp(e->d_name, KNOWLEDGE) == 0 ||
			strcmp(e->d_name, LIBRARY_MANIFEST) == 0 ||
			strcmp(e->d_name, LIBRARY_SIGNATURE) == 0))
			continue;
		add_file(ld, in, e->d_name);
		if (ld->bytes > LIBRARY_BYTES) {
			wrong(
			    ld, in[0] ? in : ".", "more than %u bytes in all files", LIBRARY_BYTES);
			break;
		}
		if (ld->c->errors > COMPLAINTS_MAX) /* whatever this is, it is no library */
			break;
	}
	closedir(d);
}

static int
by_rel(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->rel, ((const struct file *)b)->rel);
}

static bool
make_manifest(struct load *ld)
{
	size_t room = 1;

	for (unsigned i = 0; i < ld->n; i++)
		room += HEX + 3 + strlen(ld->file[i].rel);
	ld->manifest = malloc(room);
	if (!ld->manifest)
		return false;
	for (unsigned i = 0; i < ld->n; i++) {
		uint8_t hash[CRYPTO_SHA256_LEN];
		char hex[HEX + 1];

		crypto_sha256(ld->file[i].text, ld->file[i].len, hash);
		ld->manifest_len +=
		    (size_t)snprintf(ld->manifest + ld->manifest_len, room - ld->manifest_len,
			"%s  %s\n", crypto_hex(hash, sizeof(hash), hex), ld->file[i].rel);
	}
	return true;
}

static bool
open_files(struct load *ld)
{
	ld->dir = open(ld->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ld->dir < 0) {
		complain_at(ld->c, COMPLAINT_ERROR, 0, 0, "%s", strerror(errno));
		return false;
	}
	list_dir(ld, "");
	list_dir(ld, PLAYBOOKS);
	list_dir(ld, KNOWLEDGE);
	if (ld->c->errors > 0)
		return false;
	qsort(ld->file, ld->n, sizeof(ld->file[0]), by_rel);
	if (!make_manifest(ld)) {
		complain_at(ld->c, COMPLAINT_ERROR, 0, 0, "%s", err_str(ERR_NOMEM));
		return false;
	}
	return true;
}

/* --- signature --------------------------------------------------------------------- */

/* The line of a manifest whose name is rel, or NULL. */
static const char *
manifest_line(const char *manifest, const char *rel)
{
	size_t n = strlen(rel);

	for (const char *p = manifest; *p;) {
		const char *end = strchr(p, '\n');
		size_t len = end ? (size_t)(end - p) : strlen(p);

		if (len == HEX + 2 + n && memcmp(p + HEX + 2, rel, n) == 0)
			return p;
		p += len + (end != NULL);
	}
	return NULL;
}

/* What is signed is not what is there: which files? */
static void
name_differences(struct load *ld, const char *was)
{
	char name[POLICY_FILE_NAME];
	size_t before = ld->c->errors;

	for (unsigned i = 0; i < ld->n; i++) {
		const char *rel = ld->file[i].rel, *line = manifest_line(was, rel);

		if (!line)
			wrong(ld, rel, "is not among the files that were signed");
		else if (memcmp(line, manifest_line(ld->manifest, rel), HEX) != 0)
			wrong(ld, rel, "was changed since it was signed");
	}
	for (const char *p = was; *p;) {
		const char *end = strchr(p, '\n');
		size_t len = end ? (size_t)(end - p) : strlen(p);

		if (len > HEX + 2 && len - HEX - 2 < sizeof(name)) {
			memcpy(name, p + HEX + 2, len - HEX - 2);
			name[len - HEX - 2] = '\0';
			if (!manifest_line(ld->manifest, name))
				wrong(ld, name, "was signed and is not there");
		}
		p += len + (end != NULL);
	}
	if (ld->c->errors == before)
		wrong(ld, LIBRARY_MANIFEST, "is not in the form that is signed");
}

static bool
verify(struct load *ld, const struct key_set *keys)
{
	char err[256], *text = NULL, *sig = NULL;
	struct library *l = &ld->lib->pub;
	size_t len, sig_len;
	struct minisign m;

	if (!(text = file_text(ld, LIBRARY_MANIFEST, MANIFEST_MAX, &len)) ||
	    !(sig = file_text(ld, LIBRARY_SIGNATURE, MINISIGN_MAX, &sig_len))) {
		complain_at(ld->c, COMPLAINT_ERROR, 0, 0, "the library is not signed");
	} else if (minisign_verify(keys, text, len, sig, sig_len, &m, err, sizeof(err)) < 0) {
		wrong(ld, LIBRARY_SIGNATURE, "%s", err);
	} else if (strlen(text) != len || strcmp(text, ld->manifest) != 0) {
		name_differences(ld, text);
	} else {
		l->verified = true;
		l->signed_s = m.timestamp;
		memcpy(l->kid, m.key->kid, sizeof(l->kid));
	}
	free(text);
	free(sig);
	return l->verified;
}

static bool
not_older(struct load *ld, const struct library_last *last)
{
	const struct library *l = &ld->lib->pub;

	if (last->version == 0 || l->version > last->version)
		return true;
	if (l->version < last->version)
		wrong(ld, HEAD, "version %u is older than the last one, %u", l->version,
		    last->version);
	else if (memcmp(l->manifest, last->manifest, sizeof(l->manifest)) != 0)
		wrong(ld, HEAD,
		    "version %u was there before with other contents: a change has a new version",
		    l->version);
	else
		return true;
	return false;
}

/* --- contents ------------------------------------------------------------------------ */

static struct playbook_reader
reader(struct load *ld, const struct file *f)
{
	char path[POLICY_FILE_NAME + 512];

	snprintf(path, sizeof(path), "%s/%s", ld->name, f->rel);
	ld->c->reading = complain_file_add(ld->c, path);
	return (struct playbook_reader){
	    .keep = &ld->lib->keep, .scratch = &ld->scratch, .c = ld->c};
}

static bool
read_head(struct load *ld)
{
	struct library *l = &ld->lib->pub;
	struct library_head head = {0};

	for (unsigned i = 0; i < ld->n; i++) {
		struct playbook_reader r;

		if (strcmp(ld->file[i].rel, HEAD) != 0)
			continue;
		r = reader(ld, &ld->file[i]);
		if (!library_head_read(&r, ld->file[i].text, ld->file[i].len, &head))
			return false;
		l->version = head.version;
		l->title = head.title;
		return true;
	}
	wrong(ld, HEAD, "is not there");
	return false;
}

/* "playbooks/plc-stop.yaml": its id, when it is one of those in `in`. */
static bool
id_of(const struct file *f, const char *in, const char *ending, char id[POLICY_FILE_NAME])
{
	size_t n = strlen(in), len = strlen(f->rel), m = strlen(ending);

	if (strncmp(f->rel, in, n) != 0 || f->rel[n] != '/' || !ends(f->rel, ending))
		return false;
	memcpy(id, f->rel + n + 1, len - n - 1 - m);
	id[len - n - 1 - m] = '\0';
	return true;
}

static void
read_playbooks(struct load *ld)
{
	struct library *l = &ld->lib->pub;
	struct playbook *v = arena_array(&ld->lib->keep, ld->n, sizeof(*v));
	char id[POLICY_FILE_NAME];

	for (unsigned i = 0; i < ld->n; i++) {
		const struct file *f = &ld->file[i];
		struct playbook_reader r;

		if (!id_of(f, PLAYBOOKS, ".yaml", id))
			continue;
		r = reader(ld, f);
		if (playbook_read(&r, id, f->text, f->len, &v[l->n_playbooks]))
			l->n_playbooks++;
		arena_reset(&ld->scratch);
	}
	l->playbooks = v;
}

/* Is there a file of that page, good or not? */
static bool
in_english(const struct load *ld, const char *id)
{
	char rel[2 * POLICY_FILE_NAME];

	snprintf(rel, sizeof(rel), KNOWLEDGE "/%s.md", id);
	for (unsigned i = 0; i < ld->n; i++)
		if (strcmp(ld->file[i].rel, rel) == 0)
			return true;
	return false;
}

/* A page is one when both languages are there; files are sorted, so ID.md comes before ID.zh.md. */
static void
read_pages(struct load *ld)
{
	struct library *l = &ld->lib->pub;
	struct knowledge *v = arena_array(&ld->lib->keep, ld->n, sizeof(*v));
	char id[POLICY_FILE_NAME];

	for (unsigned i = 0; i < ld->n; i++) {
		const struct file *f = &ld->file[i];
		bool zh = id_of(f, KNOWLEDGE, ".zh.md", id);
		struct knowledge one = {0}, *at = &one;
		struct playbook_reader r;

		if (!zh && !id_of(f, KNOWLEDGE, ".md", id))
			continue;
		for (uint32_t j = 0; zh && j < l->n_pages; j++)
			if (strcmp(v[j].id, id) == 0)
				at = &v[j];
		r = reader(ld, f);
		if (zh && at == &one && !in_english(ld, id))
			wrong(ld, f->rel, "there is no %s.md, which it translates", id);
		else if (knowledge_read(
			     &r, id, zh ? PB_LANG_ZH : PB_LANG_EN, f->text, f->len, at) &&
			 !zh)
			v[l->n_pages++] = one;
		arena_reset(&ld->scratch);
	}
	l->pages = v;
	for (uint32_t i = 0; i < l->n_pages; i++)
		if (!v[i].body.in[PB_LANG_ZH] && ld->c->errors == 0) {
			snprintf(id, sizeof(id), KNOWLEDGE "/%.64s.md", v[i].id);
			wrong(ld, id, "there is no %s.zh.md: the translation is missing", v[i].id);
		}
}

static void
check_links(struct load *ld)
{
	const struct library *l = &ld->lib->pub;
	char rel[POLICY_FILE_NAME];

	for (uint32_t i = 0; i < l->n_playbooks; i++)
		for (uint32_t j = 0; j < l->playbooks[i].knowledge.n; j++)
			if (!library_page(l, l->playbooks[i].knowledge.v[j])) {
				snprintf(
				    rel, sizeof(rel), PLAYBOOKS "/%.64s.yaml", l->playbooks[i].id);
				wrong(ld, rel, "knowledge: there is no page \"%s\"",
				    l->playbooks[i].knowledge.v[j]);
			}
}

static void
read_all(struct load *ld, const struct key_set *keys, const struct library_last *last)
{
	struct library *l = &ld->lib->pub;

	if (!open_files(ld))
		return;
	crypto_sha256(ld->manifest, ld->manifest_len, l->manifest);
	if (keys && !verify(ld, keys)) /* before a parser sees any of it */
		return;
	if (!read_head(ld) || (last && !not_older(ld, last)))
		return;
	arena_reset(&ld->scratch);
	read_playbooks(ld);
	read_pages(ld);
	if (ld->c->errors == 0)
		check_links(ld);
	l->bytes = ld->lib->keep.bytes + sizeof(*ld->lib);
}

static void
load_free(struct load *ld)
{
	for (unsigned i = 0; i < ld->n; i++)
		free(ld->file[i].text);
	free(ld->manifest);
	if (ld->dir >= 0)
		close(ld->dir);
	arena_fini(&ld->scratch);
	free(ld);
}

static struct library *
load(const char *dir, const struct key_set *keys, const struct library_last *last,
    struct complaints *c, char **manifest)
{
	struct load *ld = calloc(1, sizeof(*ld));
	struct library_own *own = calloc(1, sizeof(*own));
	jmp_buf oom;

	if (!c->file)
		c->file = dir;
	if (!ld || !own) {
		complain_at(c, COMPLAINT_ERROR, 0, 0, "%s", err_str(ERR_NOMEM));
		free(ld);
		free(own);
		return NULL;
	}
	*ld = (struct load){.dir = -1, .c = c, .name = dir, .lib = own};
	ld->scratch.oom = own->keep.oom = &oom;
	if (setjmp(oom) == 0)
		read_all(ld, keys, last);
	else
		complain_at(c, COMPLAINT_ERROR, 0, 0, "%s", err_str(ERR_NOMEM));
	own->keep.oom = NULL; /* it takes no more */
	c->reading = 0;
	if (c->errors == 0 && manifest) {
		*manifest = ld->manifest;
		ld->manifest = NULL;
	}
	load_free(ld);
	if (c->errors != 0) {
		library_free(&own->pub);
		return NULL;
	}
	return &own->pub;
}

struct library *
library_load(const char *dir, const struct key_set *keys, const struct library_last *last,
    struct complaints *c)
{
	return load(dir, keys, last, c, NULL);
}

char *
library_manifest(const char *dir, uint32_t *version, struct complaints *c)
{
	char *text = NULL;
	struct library *l = load(dir, NULL, NULL, c, &text);

	if (l)
		*version = l->version;
	library_free(l);
	return text;
}

void
library_free(struct library *l)
{
	struct library_own *own = (struct library_own *)l;

	if (!own)
		return;
	arena_fini(&own->keep);
	free(own);
}

/* --- looking up ------------------------------------------------------------------------- */

/* Both lists are in the order of their files, which is not quite that of ids ("a-b.md" comes before "a.md"). */
const struct playbook *
library_playbook(const struct library *l, const char *id)
{
	for (uint32_t i = 0; i < l->n_playbooks; i++)
		if (strcmp(l->playbooks[i].id, id) == 0)
			return &l->playbooks[i];
	return NULL;
}

const struct knowledge *
library_page(const struct library *l, const char *id)
{
	for (uint32_t i = 0; i < l->n_pages; i++)
		if (strcmp(l->pages[i].id, id) == 0)
			return &l->pages[i];
	return NULL;
}

static bool
has(const struct texts *t, const char *s)
{
	for (uint32_t i = 0; s && i < t->n; i++)
		if (strcmp(t->v[i], s) == 0)
			return true;
	return false;
}

static bool
has_any(const struct texts *t, const char *const *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (has(t, v[i]))
			return true;
	return false;
}

/* It is for some, and this is none of them. */
static bool
strange(const struct texts *t, const char *s)
{
	return t->n > 0 && s && s[0] && !has(t, s);
}

/* How well it fits; 0: not at all. */
static unsigned
score(const struct playbook_match *m, const struct library_query *q)
{
	unsigned s = 0;

	if (strange(&m->protos, q->proto) || strange(&m->roles, q->role))
		return 0;
	if (has(&m->ops, q->op) || has_any(&m->detections, q->detections, q->n_detections))
		s += 16;
	for (uint32_t i = 0; i < m->n_signature_ids; i++)
		if (q->signature_id != 0 && m->signature_ids[i] == q->signature_id)
			s += 8;
	if (has_any(&m->techniques, q->techniques, q->n_techniques))
		s += 4;
	if (has(&m->access, q->access))
		s += 4;
	if (has(&m->reasons, q->reason))
		s += 2;
	if (has(&m->roles, q->role))
		s += 16;
	return s;
}

/* A page about the protocol itself comes before one about devices that speak it. */
static unsigned
page_score(const struct knowledge *k, const struct library_query *q)
{
	unsigned s = score(&k->match, q);

	if (has(&k->match.protos, q->proto) && !strange(&k->match.roles, q->role))
		s += k->device ? 8 : 16;
	return s;
}

unsigned
library_find(const struct library *l, const struct library_query *q, const struct playbook **out,
    unsigned max)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < l->n_playbooks; i++) {
		const struct playbook *p = &l->playbooks[i];
		unsigned s = score(&p->match, q), at = n;

		if (s == 0)
			continue;
		/* Equals stay in the order of the list, which is that of their ids. */
		while (at > 0) {
			unsigned o = score(&out[at - 1]->match, q);

			if (o > s || (o == s && out[at - 1]->severity <= p->severity))
				break;
			at--;
		}
		if (at >= max)
			continue;
		n += n < max;
		memmove(&out[at + 1], &out[at], (n - 1 - at) * sizeof(out[0]));
		out[at] = p;
	}
	return n;
}

unsigned
library_find_pages(const struct library *l, const struct library_query *q,
    const struct knowledge **out, unsigned max)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < l->n_pages; i++) {
		const struct knowledge *p = &l->pages[i];
		unsigned s = page_score(p, q), at = n;

		if (s == 0)
			continue;
		while (at > 0 && page_score(out[at - 1], q) < s)
			at--;
		if (at >= max)
			continue;
		n += n < max;
		memmove(&out[at + 1], &out[at], (n - 1 - at) * sizeof(out[0]));
		out[at] = p;
	}
	return n;
}

/* --- JSON ----------------------------------------------------------------------------- */

static void
json_words(struct jw *w, const char *key, const struct bilingual *b)
{
	if (!b->in[PB_LANG_EN])
		return;
	jw_obj(w, key);
	jw_str(w, "en", b->in[PB_LANG_EN]);
	jw_str(w, "zh", b->in[PB_LANG_ZH]);
	jw_close(w, '}');
}

static void
json_words_list(struct jw *w, const char *key, const struct bilingual *v, uint32_t n)
{
	jw_arr(w, key);
	for (uint32_t i = 0; i < n; i++)
		json_words(w, NULL, &v[i]);
	jw_close(w, ']');
}

static void
json_texts(struct jw *w, const char *key, const struct texts *t)
{
	jw_arr(w, key);
	for (uint32_t i = 0; i < t->n; i++)
		jw_str(w, NULL, t->v[i]);
	jw_close(w, ']');
}

static void
json_step(struct jw *w, const struct playbook_step *s)
{
	jw_obj(w, NULL);
	jw_str(w, "id", s->id);
	jw_str(w, "phase", playbook_phase_name(s->phase));
	jw_str(w, "role", playbook_role_name(s->role));
	json_words(w, "text", &s->text);
	json_words(w, "expect", &s->expect);
	json_words(w, "safety", &s->safety);
	json_words(w, "evidence", &s->evidence);
	if (s->commands.n > 0)
		json_texts(w, "commands", &s->commands);
	if (s->has_action) {
		jw_obj(w, "action");
		jw_str(w, "kind", playbook_action_name(s->action));
		jw_str(w, "command", s->command);
		jw_str(w, "undo", s->undo);
		if (s->prepared)
			jw_str(w, "prepared", s->prepared);
		jw_close(w, '}');
	}
	jw_close(w, '}');
}

void
playbook_json(struct jw *w, const char *key, const struct playbook *p, bool whole)
{
	jw_obj(w, key);
	jw_str(w, "id", p->id);
	jw_u(w, "version", p->version);
	jw_u(w, "severity", p->severity);
	json_words(w, "title", &p->title);
	json_words(w, "when", &p->when);
	jw_arr(w, "roles");
	for (uint8_t i = 0; i < PB_ROLE__MAX; i++)
		if (p->roles >> i & 1)
			jw_str(w, NULL, playbook_role_name(i));
	jw_close(w, ']');
	json_texts(w, "techniques", &p->match.techniques);
	json_texts(w, "knowledge", &p->knowledge);
	jw_u(w, "n_steps", p->n_steps);
	if (whole) {
		json_words_list(w, "questions", p->questions, p->n_questions);
		json_words_list(w, "never", p->never, p->n_never);
		jw_arr(w, "steps");
		for (uint32_t i = 0; i < p->n_steps; i++)
			json_step(w, &p->steps[i]);
		jw_close(w, ']');
		json_texts(w, "references", &p->references);
	}
	jw_close(w, '}');
}

void
knowledge_json(struct jw *w, const char *key, const struct knowledge *k, bool whole)
{
	jw_obj(w, key);
	jw_str(w, "id", k->id);
	jw_u(w, "version", k->version);
	jw_str(w, "kind", k->device ? "device" : "protocol");
	json_words(w, "title", &k->title);
	json_texts(w, "protos", &k->match.protos);
	json_texts(w, "roles", &k->match.roles);
	json_texts(w, "techniques", &k->match.techniques);
	if (whole)
		json_words(w, "body", &k->body);
	jw_close(w, '}');
}
