/* SPDX-License-Identifier: Apache-2.0 */
/* complain.c - see complain.h and policy.h. */
#include "policy/complain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Cut at a whole character; nothing a terminal would obey. */
static void
text_tidy(char *s, size_t cut)
{
	size_t n = strlen(s);

	if (n >= cut) {
		while (n > 0 && ((unsigned char)s[n - 1] & 0xc0) == 0x80)
			n--;
		if (n > 0 && (unsigned char)s[n - 1] >= 0xc0)
			n--;
		s[n] = '\0';
	}
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
		else if ((unsigned char)s[0] == 0xc2 && (unsigned char)s[1] < 0xa0)
			s[0] = s[1] = '?'; /* C1 controls */
}

/* Of complaints that have no id of their own. */
static const char *const ids[] = {"policy.invalid", "policy.suspicious", "policy.note"};

/* What an error is about, by our own words in it.  (A name that holds such words gets their id:
 * it is for sorting, nothing depends on it.) */
static const char *
error_id(const char *text)
{
	static const struct {
		const char *words, *id;
	} kinds[] = {
	    {" is outside ", "policy.out-of-range"},
	    {" is none of ", "policy.unknown-word"},
	    {": unknown word ", "policy.unknown-word"},
	    {": there is no ", "policy.unknown-name"},
	    {": expected ", "policy.wrong-type"},
	    {" is not a number", "policy.wrong-type"},
	    {" already has a ", "policy.duplicate"},
	    {" has the same ", "policy.duplicate"},
	    {" is also in ", "policy.duplicate"},
	    {" is in none of the nets", "policy.device-in-no-zone"},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strstr(text, kinds[i].words))
			return kinds[i].id;
	return ids[COMPLAINT_ERROR];
}

void
complain_v(struct complaints *c, enum complaint_level level, const struct place *at,
    const char *fmt, va_list ap)
{
	struct complaint *v;
	size_t cap;

	c->kept = false;
	if (level == COMPLAINT_ERROR)
		c->errors++;
	else if (level == COMPLAINT_WARNING)
		c->warnings++;
	else
		c->notes++;
	if (c->n >= COMPLAINTS_MAX)
		return;
	if (c->n == c->cap) {
		cap = c->cap ? c->cap * 2 : 16;
		v = realloc(c->v, cap * sizeof(*v));
		if (!v)
			return; /* counted all the same */
		c->v = v;
		c->cap = cap;
	}
	v = &c->v[c->n++];
	*v = (struct complaint){.level = (uint8_t)level,
	    .file = at->file,
	    .line = at->line,
	    .col = at->col,
	    .id = ids[level]};
	c->kept = true;
	vsnprintf(v->text, sizeof(v->text), fmt, ap);
	text_tidy(v->text, sizeof(v->text) - 1);
	if (level == COMPLAINT_ERROR)
		v->id = error_id(v->text);
}

void
complain_at(struct complaints *c, enum complaint_level level, unsigned line, unsigned col,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_v(c, level, &(struct place){line, col, c->reading}, fmt, ap);
	va_end(ap);
}

void
complain_place(
    struct complaints *c, enum complaint_level level, const struct place *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_v(c, level, at, fmt, ap);
	va_end(ap);
}

uint16_t
complain_file_add(struct complaints *c, const char *name)
{
	char **v = realloc(c->included, (c->n_included + 1) * sizeof(*v));

	if (!v)
		return 0;
	c->included = v;
	v[c->n_included] = strdup(name);
	if (!v[c->n_included])
		return 0;
	return (uint16_t)++c->n_included;
}

static const char *
file_name(const struct complaints *c, uint16_t file)
{
	if (file != 0 && file <= c->n_included)
		return c->included[file - 1];
	return c->file ? c->file : "policy";
}

const char *
complaint_file(const struct complaints *c, const struct complaint *one)
{
	return file_name(c, one->file);
}

const char *
complaint_also_file(const struct complaints *c, const struct complaint *one)
{
	return file_name(c, one->also_file);
}

void
complain_tag(struct complaints *c, const char *id, const struct place *also)
{
	struct complaint *v = c->kept ? &c->v[c->n - 1] : NULL;

	if (!v)
		return;
	v->id = id;
	if (also) {
		v->also_file = also->file;
		v->also_line = also->line;
		v->also_col = also->col;
	}
}

/* --- accepted on purpose ---------------------------------------------------------------- */

#define ACCEPT "# interlock: accept "

/* Does the line accept this id?  alone: only when it is nothing but the comment. */
static bool
line_accepts(const char *line, size_t len, const char *id, bool alone)
{
	const char *at = memmem(line, len, ACCEPT, sizeof(ACCEPT) - 1), *end = line + len;
	size_t n = strlen(id);

	if (!at || (at > line && at[-1] != ' ' && at[-1] != '\t'))
		return false;
	for (const char *p = line; alone && p < at; p++)
		if (*p != ' ' && *p != '\t')
			return false;
	for (at += sizeof(ACCEPT) - 1; at < end;) {
		const char *stop = at;

		while (stop < end && !strchr(" \t\r,", *stop))
			stop++;
		if ((size_t)(stop - at) == n && memcmp(at, id, n) == 0)
			return true;
		at = stop + (stop < end);
	}
	return false;
}

static void
accept_line(struct complaints *c, uint16_t file, const char *line, size_t len, unsigned number)
{
	for (size_t i = 0; i < c->n; i++) {
		struct complaint *v = &c->v[i];

		if (v->level == COMPLAINT_ERROR || v->accepted || v->file != file ||
		    (v->line != number && v->line != number + 1) ||
		    !line_accepts(line, len, v->id, v->line != number))
			continue;
		v->accepted = true;
		if (v->level == COMPLAINT_WARNING)
			c->warnings--;
		else
			c->notes--;
	}
}

void
complaints_accept(struct complaints *c, uint16_t file, const char *text, size_t len)
{
	const char *end = text + len, *nl;
	unsigned number = 1;

	if (c->n == 0 || !memmem(text, len, ACCEPT, sizeof(ACCEPT) - 1))
		return;
	for (const char *p = text; p < end; p = nl + 1, number++) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl)
			nl = end;
		if (memmem(p, (size_t)(nl - p), ACCEPT, sizeof(ACCEPT) - 1))
			accept_line(c, file, p, (size_t)(nl - p), number);
	}
}

void
complaints_fini(struct complaints *c)
{
	for (uint32_t i = 0; i < c->n_included; i++)
		free(c->included[i]);
	free(c->included);
	free(c->v);
	*c = (struct complaints){0};
}

const char *
where_is(const struct complaints *c, const struct place *at, struct where *w)
{
	const struct complaint one = {.file = at->file};

	if (at->file == 0)
		snprintf(w->text, sizeof(w->text), "line %u", at->line);
	else
		snprintf(
		    w->text, sizeof(w->text), "line %u of %s", at->line, complaint_file(c, &one));
	return w->text;
}

static bool
later(const struct complaint *a, const struct complaint *b)
{
	if (a->file != b->file)
		return a->file > b->file;
	return a->line > b->line || (a->line == b->line && a->col > b->col);
}

/* Insertion sort: nearly sorted already, and stable. */
void
complaints_sort(struct complaints *c)
{
	for (size_t i = 1; i < c->n; i++) {
		struct complaint x = c->v[i];
		size_t j = i;

		for (; j > 0 && later(&c->v[j - 1], &x); j--)
			c->v[j] = c->v[j - 1];
		c->v[j] = x;
	}
}

void
complaints_print(const struct complaints *c, FILE *to)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct complaint *v = &c->v[i];

		if (v->accepted)
			continue;
		fprintf(to, "%s:", complaint_file(c, v));
		if (v->line != 0)
			fprintf(to, "%u:", v->line);
		if (v->col != 0)
			fprintf(to, "%u:", v->col);
		if (v->level == COMPLAINT_ERROR)
			fprintf(to, " %s\n", v->text);
		else
			fprintf(to, " %s: %s [%s]\n",
			    v->level == COMPLAINT_WARNING ? "warning" : "note", v->text, v->id);
	}
	if (c->errors + c->warnings + c->notes > c->n)
		fprintf(to, "%s: %zu more complaints are not shown\n", c->file ? c->file : "policy",
		    c->errors + c->warnings + c->notes - c->n);
}

/* Edit distance with neighbours swapped counted as one; words of at most 31. */
static unsigned
distance(const char *a, const char *b)
{
	unsigned d[32][32];
	size_t n = strlen(a), m = strlen(b);

	if (n > 31 || m > 31)
		return 32;
	for (unsigned i = 0; i <= n; i++)
		d[i][0] = i;
	for (unsigned j = 0; j <= m; j++)
		d[0][j] = j;
	for (unsigned i = 1; i <= n; i++)
		for (unsigned j = 1; j <= m; j++) {
			unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	return d[n][m];
}

const char *
complain_nearest(const char *word, const char *const *list)
{
	unsigned best = strlen(word) < 4 ? 2 : 3, d; /* at least one better than this */
	const char *found = NULL;

	for (; *list; list++) {
		d = distance(word, *list);
		if (d < best) {
			best = d;
			found = *list;
		}
	}
	return found;
}
