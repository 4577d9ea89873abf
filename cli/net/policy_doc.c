/* SPDX-License-Identifier: Apache-2.0 */
/* policy_doc.c - see policy_doc.h. */
#include "cli/net/policy_doc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/jw.h"
#include "cli/cli.h"
#include "policy/policy.h"

struct reading {
	int dir;
	struct jw w; /* inside "files": */
	struct policy_doc *d;
};

/* How a file is now, without following a link; zeros: it is not there. */
static void
look(int dir, struct policy_doc_file *f)
{
	struct stat st;

	f->ino = f->size = f->mtime_ns = 0;
	if (fstatat(dir, f->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	f->ino = st.st_ino;
	f->size = (uint64_t)st.st_size;
	f->mtime_ns = (uint64_t)st.st_mtim.tv_sec * NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
}

/* .read of a source: every file is written down as well. */
static int
read_file(void *ctx, const char *rel, char **text, size_t *len, char *why, size_t size)
{
	struct reading *r = ctx;
	struct policy_doc_file *f = r->d->n < POLICY_FILES ? &r->d->file[r->d->n] : NULL;
	int e;

	/* Before it is read, which may fail: what changes after this is another one. */
	if (f) {
		(void)snprintf(f->name, sizeof(f->name), "%s", rel);
		look(r->dir, f);
		r->d->n++;
	}
	if ((e = policy_dir_read(&r->dir, rel, text, len, why, size)) < 0)
		return e;
	jw_key(&r->w, NULL);
	jw_quote(&r->w, rel, strlen(rel)); /* who wrote the policy chose it */
	jw_ch(&r->w, ':');
	jw_quote(&r->w, *text, *len);
	return 0;
}

size_t
policy_doc_read(const char *path, char *buf, struct policy_doc *d)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	struct reading r = {.w = jw_make(buf, POLICY_DOC_MAX), .d = d};
	struct policy_source src = {.name = name, .read = read_file, .ctx = &r};
	struct complaints c = {.file = path};
	struct policy *pol = NULL;
	char why[256], *text = NULL;
	size_t n = 0;
	int e;

	*d = (struct policy_doc){0};
	jw_obj(&r.w, NULL);
	jw_u(&r.w, "v", 1);
	jw_str(&r.w, "name", name);
	jw_obj(&r.w, "files");
	if ((r.dir = policy_dir_open(path)) < 0) {
		cli_say("%s: %s", path, err_str(r.dir));
	} else if ((e = read_file(&r, name, &text, &src.len, why, sizeof(why))) < 0) {
		cli_say("%s: %s", path, why);
	} else {
		src.text = text;
		pol = policy_build_source(&src, &c);
		complaints_print(&c, stderr);
		if (!pol)
			cli_say("%s: not a usable policy: it is not sent", path);
	}
	if (r.dir >= 0)
		(void)close(r.dir);
	jw_close(&r.w, '}');
	jw_close(&r.w, '}');
	if (pol && !jw_end(&r.w))
		cli_say("%s: with its files longer than %u bytes: it is not sent", path,
		    POLICY_DOC_MAX);
	else if (pol)
		n = jw_len(&r.w);
	free(text);
	complaints_fini(&c);
	policy_free(pol);
	return n;
}

bool
policy_doc_changed(const char *path, const struct policy_doc *d)
{
	int dir = policy_dir_open(path);
	bool changed = d->n == 0;

	for (unsigned i = 0; dir >= 0 && i < d->n && !changed; i++) {
		struct policy_doc_file now = {0};

		memcpy(now.name, d->file[i].name, sizeof(now.name));
		look(dir, &now);
		changed = now.ino != d->file[i].ino || now.size != d->file[i].size ||
			  now.mtime_ns != d->file[i].mtime_ns;
	}
	if (dir >= 0)
		(void)close(dir);
	return changed;
}
