/* SPDX-License-Identifier: Apache-2.0 */
/*
 * include.c - `include:`: what other files say is put into the tree of the main one, so that
 * the checker sees one policy.  Each value remembers its file (struct ynode).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/err.h"
#include "policy/check.h"
#include "policy/include.h"

struct included {
	const char *rel;    /* below the main file's directory */
	struct place place; /* where it is named */
	uint8_t hash[CRYPTO_SHA256_LEN];
	bool open;	  /* it is being read */
	const char *text; /* of one that is no policy */
	const char *policy; /* of one that is included */
	size_t len;
};

struct inclusion {
	struct check *k;
	struct policy_source *src;
	struct ynode *root;
	struct included files[POLICY_FILES];
	uint32_t n;
	uint32_t n_policies; /* of them, the first ones: in complaints they have the same number */
	uint32_t asked;	     /* files of the source, also those that could not be had */
	size_t bytes;	     /* of all policies */
	size_t text_bytes;   /* of all others */
	bool lacks;	     /* something could not be read */
};

/* --- names ---------------------------------------------------------------------------------- */

/* s as seen from the main file's directory, when rel names it.  False: it leaves that directory. */
static bool
path_join(const char *rel, const char *s, char out[POLICY_FILE_NAME + 1])
{
	const char *slash = strrchr(rel, '/');
	char all[2 * POLICY_FILE_NAME + 4], *save = NULL;
	size_t n = 0;

	(void)snprintf(all, sizeof(all), "%.*s/%s", slash ? (int)(slash - rel) : 0, rel, s);
	out[0] = '\0';
	for (char *p = strtok_r(all, "/", &save); p; p = strtok_r(NULL, "/", &save)) {
		if (strcmp(p, ".") == 0)
			continue;
		if (strcmp(p, "..") == 0) {
			char *last = strrchr(out, '/');

			if (n == 0)
				return false;
			n = last ? (size_t)(last - out) : 0;
			out[n] = '\0';
			continue;
		}
		if (n + strlen(p) + 2 > POLICY_FILE_NAME)
			return false;
		n += (size_t)snprintf(out + n, POLICY_FILE_NAME + 1 - n, "%s%s", n ? "/" : "", p);
	}
	return n != 0;
}

static bool
name_ok(struct check *k, const struct ynode *at, const char *what, const char *s)
{
	const char *bad = NULL;

	if (at->n > POLICY_FILE_NAME)
		bad = "a name has at most 200 bytes";
	else if (s[0] == '/')
		bad = "a name is relative to the file that it stands in";
	else if (strpbrk(s, "*?["))
		bad = "file names are written out, one by one";
	for (uint32_t i = 0; !bad && i < at->n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f || s[i] == '\\')
			bad = "a name holds no backslash and no control characters";
	if (bad)
		check_error(k, at, "%s: %s", what, bad);
	return !bad;
}

/* --- putting it in ---------------------------------------------------------------------------- */

static void
append(struct check *k, struct ynode *to, const struct ynode *from)
{
	size_t per = to->kind == Y_MAP ? 2 : 1;
	struct ynode **kids = arena_array(k->scratch, (to->n + from->n) * per + 1, sizeof(*kids));

	if (to->n)
		memcpy(kids, to->kids, to->n * per * sizeof(*kids));
	if (from->n)
		memcpy(kids + to->n * per, from->kids, from->n * per * sizeof(*kids));
	to->kids = kids;
	to->n += from->n;
}

/* One key of an included file: a list or map goes on where the policy already has one. */
static void
merge(struct inclusion *x, struct ynode *key, struct ynode *value)
{
	struct ynode *root = x->root, pair = {.kind = Y_MAP, .n = 1};
	struct ynode *kids[2] = {key, value};

	for (uint32_t i = 0; i < root->n; i++) {
		struct ynode *here = root->kids[2 * (size_t)i + 1];

		if (strcmp(root->kids[2 * (size_t)i]->s, key->s) != 0)
			continue;
		if (here->kind != value->kind || value->kind == Y_SCALAR)
			check_error(x->k, value, "%s: expected a %s", key->s,
			    here->kind == Y_LIST ? "list" : "map");
		else
			append(x->k, here, value);
		return;
	}
	pair.kids = kids;
	append(x->k, root, &pair);
}

static void include_list(
    struct inclusion *x, const struct ynode *list, const char *rel, unsigned depth);

static void
merge_file(struct inclusion *x, const struct ynode *frag, uint32_t file, unsigned depth)
{
	enum { VERSION, INCLUDE, N_OWN, N = 9 };
	static const struct field fields[N] = {{"interlock", FIELD_MUST}, {"include", FIELD_MAY},
	    {"sets", FIELD_MAY}, {"groups", FIELD_MAY}, {"windows", FIELD_MAY},
	    {"zones", FIELD_MAY}, {"devices", FIELD_MAY}, {"names", FIELD_MAY},
	    {"conduits", FIELD_MAY}};
	const struct ynode *v[N];
	uint32_t version;

	if (!check_map(x->k, frag, "an included file", fields, N, v, NULL, NULL))
		return;
	if (v[VERSION])
		check_number(x->k, v[VERSION], "interlock", 1, 1, &version);
	for (uint32_t i = 0; i < frag->n; i++)
		for (unsigned f = N_OWN; f < N; f++)
			if (strcmp(frag->kids[2 * (size_t)i]->s, fields[f].key) == 0)
				merge(x, frag->kids[2 * (size_t)i], frag->kids[2 * (size_t)i + 1]);
	if (v[INCLUDE])
		include_list(x, v[INCLUDE], x->files[file].rel, depth + 1);
}

/* The name in complaints: as the main file was named. */
static uint16_t
file_number(struct inclusion *x, const char *rel)
{
	const char *slash = x->src->name ? strrchr(x->src->name, '/') : NULL;
	char name[POLICY_FILE_NAME + 4096];

	(void)snprintf(name, sizeof(name), "%.*s%s", slash ? (int)(slash + 1 - x->src->name) : 0,
	    slash ? x->src->name : "", rel);
	return complain_file_add(x->k->c, name);
}

/* The name of a file that node `at` names in file `from`, as seen from the main file's directory. */
static bool
resolve(struct check *k, const struct ynode *at, const char *what, const char *from,
    char rel[POLICY_FILE_NAME + 1])
{
	const char *s;

	if (!check_text(k, at, what, &s) || !name_ok(k, at, what, s))
		return false;
	if (!k->files->src->read)
		check_error(k, at, "%s: this text is no file, so it has none beside it", what);
	else if (!path_join(from, s, rel))
		check_error(k, at, "%s: %s is not below the directory of the policy", what, s);
	else
		return true;
	return false;
}

/* Its text, malloc'd; NULL after a complaint. */
static char *
fetch(struct inclusion *x, const struct ynode *at, const char *what, const char *rel, size_t *len)
{
	char why[160] = "", *text = NULL;

	x->lacks = true;
	if (x->asked == POLICY_FILES - 1)
		check_error(x->k, at, "%s: more than %u files", what, POLICY_FILES);
	else if (x->asked++, x->src->read(x->src->ctx, rel, &text, len, why, sizeof(why)) < 0)
		check_error(x->k, at, "%s: %s: %s", what, rel, why);
	else
		x->lacks = false;
	return text;
}

static struct included *
file_of(struct inclusion *x, const char *rel)
{
	for (uint32_t i = 0; i < x->n; i++)
		if (strcmp(x->files[i].rel, rel) == 0)
			return &x->files[i];
	return NULL;
}

static void
include_file(struct inclusion *x, const struct ynode *at, const char *from, unsigned depth)
{
	struct check *k = x->k;
	uint16_t outer = k->c->reading;
	char rel[POLICY_FILE_NAME + 1], *text, *copy;
	const struct ynode *frag;
	struct included *f;
	struct where w;
	size_t len;

	if (!resolve(k, at, "include", from, rel))
		return;
	if ((f = file_of(x, rel))) {
		if (f->open)
			check_error(k, at, "include: %s includes itself", rel);
		else
			check_error(k, at, "include: %s was included before (%s)", rel,
			    where_is(k->c, &f->place, &w));
		return;
	}
	if (depth > POLICY_FILE_DEPTH) {
		check_error(k, at, "include: more than %u files that include each other",
		    POLICY_FILE_DEPTH);
		return;
	}
	if (!(text = fetch(x, at, "include", rel, &len)))
		return;
	x->bytes += len;
	if (x->bytes > YAML_SIZE_MAX) {
		check_error(k, at, "include: %s: more than %u bytes in all files together", rel,
		    YAML_SIZE_MAX);
		free(text);
		return;
	}
	f = &x->files[x->n++];
	*f = (struct included){.rel = arena_strn(k->scratch, rel, strlen(rel)),
	    .place = place_of(at),
	    .open = true,
	    .len = len};
	crypto_sha256(text, len, f->hash);
	copy = arena_strn(k->scratch, text, len); /* goes with the arena, whatever happens */
	free(text);
	f->policy = copy;
	k->c->reading = file_number(x, rel);
	if (k->c->reading == 0)
		longjmp(*k->scratch->oom, 1);
	frag = yaml_read(k->scratch, k->c, copy, len);
	if (frag)
		merge_file(x, frag, (uint32_t)(f - x->files), depth);
	k->c->reading = outer;
	f->open = false;
}

static void
include_list(struct inclusion *x, const struct ynode *list, const char *rel, unsigned depth)
{
	if (list->kind == Y_MAP) {
		check_error(x->k, list, "include: expected a list of files");
		return;
	}
	for (uint32_t i = 0; i < list_n(list); i++)
		include_file(x, list_at(list, i), rel, depth);
}

/* See files.h. */
static void
hash_all(struct inclusion *x)
{
	struct crypto_sha256 h;
	char line[2 * CRYPTO_SHA256_LEN + 3];

	if (x->src->n_files == 1) {
		memcpy(x->src->hash, x->files[0].hash, sizeof(x->src->hash));
		return;
	}
	crypto_sha256_init(&h);
	for (uint32_t i = 0; i < x->n; i++) {
		for (unsigned b = 0; b < CRYPTO_SHA256_LEN; b++)
			(void)snprintf(line + 2 * (size_t)b, 3, "%02x", x->files[i].hash[b]);
		crypto_sha256_update(&h, line, strlen(line));
		crypto_sha256_update(&h, "  ", 2);
		crypto_sha256_update(&h, x->files[i].rel, strlen(x->files[i].rel));
		crypto_sha256_update(&h, "\n", 1);
	}
	crypto_sha256_final(&h, x->src->hash);
}

void
include_all(struct check *k, struct ynode *root, struct policy_source *src)
{
	struct inclusion *x = arena_get(k->scratch, sizeof(*x));
	const struct ynode *list = NULL;
	const char *slash = src->name ? strrchr(src->name, '/') : NULL;

	*x = (struct inclusion){.k = k, .src = src, .root = root, .n = 1, .bytes = src->len};
	k->files = x;
	src->n_files = 2; /* until it is known */
	memset(src->hash, 0, sizeof(src->hash));
	x->files[0].rel = slash ? slash + 1 : src->name ? src->name : "policy";
	x->files[0].open = true;
	crypto_sha256(src->text, src->len, x->files[0].hash);
	for (uint32_t i = 0; root->kind == Y_MAP && i < root->n; i++)
		if (strcmp(root->kids[2 * (size_t)i]->s, "include") == 0)
			list = root->kids[2 * (size_t)i + 1];
	if (list)
		include_list(x, list, x->files[0].rel, 1);
	x->lacks |= list && x->n == 1;
	x->n_policies = x->n;
	k->rs->n_files = x->n;
	k->rs->files = arena_array(k->keep, x->n, sizeof(*k->rs->files));
	for (uint32_t i = 0; i < x->n; i++) {
		const struct complaint one = {.file = (uint16_t)i};
		const char *name = complaint_file(k->c, &one);

		k->rs->files[i] = arena_strn(k->keep, name, strlen(name));
	}
}

/* --- files that are no policy ---------------------------------------------------------------- */

/* Its text in scratch, as one more file; NULL after a complaint. */
static struct included *
text_add(struct inclusion *x, const struct ynode *at, const char *what, const char *rel)
{
	struct check *k = x->k;
	struct included *f;
	size_t len = 0;
	char *text = fetch(x, at, what, rel, &len);

	if (!text)
		return NULL;
	if (len > POLICY_FILE_BYTES || x->text_bytes + len > POLICY_TEXT_BYTES) {
		check_error(k, at, "%s: %s: %s", what, rel,
		    len > POLICY_FILE_BYTES ? "longer than 16 MiB"
					    : "more than 64 MiB in all such files together");
		x->lacks = true;
		free(text);
		return NULL;
	}
	x->text_bytes += len;
	f = &x->files[x->n++];
	*f = (struct included){.rel = rel, .place = place_of(at), .len = len};
	crypto_sha256(text, len, f->hash);
	f->text = arena_strn(k->scratch, text, len);
	free(text);
	return f;
}

const char *
include_text(
    struct check *k, const struct ynode *at, const char *what, size_t *len, const char **rel)
{
	struct inclusion *x = k->files;
	uint32_t from = at->file < x->n_policies ? at->file : 0;
	char name[POLICY_FILE_NAME + 1];
	struct included *f;

	if (!resolve(k, at, what, x->files[from].rel, name))
		return NULL;
	f = file_of(x, name);
	if (f && !f->text) {
		check_error(k, at, "%s: %s is a part of the policy", what, name);
		return NULL;
	}
	if (!f && !(f = text_add(x, at, what, arena_strn(k->keep, name, strlen(name)))))
		return NULL;
	*len = f->len;
	*rel = f->rel;
	return f->text;
}

uint16_t
include_number(struct check *k, const char *rel)
{
	return file_number(k->files, rel);
}

void
include_end(struct check *k)
{
	struct inclusion *x = k->files;

	x->src->n_files = x->lacks && x->n == 1 ? 2 : x->n; /* what could not be read counts, too */
	hash_all(x);
}

void
include_accept(const struct inclusion *x, struct complaints *c)
{
	complaints_accept(c, 0, x->src->text, x->src->len);
	for (uint32_t i = 1; i < x->n_policies; i++)
		complaints_accept(c, (uint16_t)i, x->files[i].policy, x->files[i].len);
}
