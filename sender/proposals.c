/* SPDX-License-Identifier: Apache-2.0 */
/* proposals.c - see proposals.h. */
#include "sender/proposals.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alerts/jws.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/jw.h"
#include "base/log.h"

#define ASK_NS	  (10 * NS_PER_S)
#define MARK_NAME "proposals.place"
#define WORDS_ALL 4096u /* of what stands in comments, each */
#define FILE_MAX  (PROPOSAL_YAML_MAX + 4u * WORDS_ALL)
#define WORDS_MAX 400u /* of a note or a name */

struct proposals {
	const struct send_common *common;
	struct client *http;
	uint64_t ask_ns;
	struct place mark; /* at.batch: the newest that was done with */
};

/* No line that is anything else. */
static bool
comments(const char *yaml)
{
	for (const char *p = yaml; *p; p += strcspn(p, "\n"), p += *p == '\n')
		if (*p != '#' && *p != '\n')
			return false;
	return true;
}

const char *
proposals_wrong(const char *yaml, size_t n)
{
	if (n == 0 || n > PROPOSAL_YAML_MAX)
		return "is empty or too long";
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)yaml[i] < 0x20 && yaml[i] != '\n' && yaml[i] != '\t')
			return "has control characters";
	if (strstr(yaml, "enabled: true") || strstr(yaml, "disabled: false"))
		return "has a rule that is not disabled";
	if (!strstr(yaml, "disabled: true") && !strstr(yaml, "enabled: false") && !comments(yaml))
		return "does not say that it is disabled";
	return NULL;
}

/* A member as part of a comment: one line. */
static const char *
words(const json_t *o, const char *key, char buf[WORDS_MAX])
{
	const char *s = json_string_value(json_object_get(o, key));

	(void)snprintf(buf, WORDS_MAX, "%s", s ? s : "");
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	return buf;
}

/* Lines of a member as comments, under a title; cut where it is long. */
static void
remark(struct jw *w, const json_t *o, const char *key, const char *title)
{
	const char *s = json_string_value(json_object_get(o, key));
	size_t left = WORDS_ALL;

	if (!s || !*s)
		return;
	jw_raw(w, title, strlen(title));
	while (*s) {
		size_t n = strcspn(s, "\n");

		if (n + 5 > left) {
			jw_raw(w, "#   ...\n", 8);
			return;
		}
		jw_raw(w, "#   ", 4);
		for (size_t i = 0; i < n; i++)
			jw_ch(w, (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? ' ' : s[i]);
		jw_ch(w, '\n');
		left -= n + 5;
		s += n + (s[n] == '\n');
	}
}

/* A new file of that name, or none.  0 or ERR_*, errno says more. */
static int
keep(int dirfd, const char *name, const char *text, size_t n)
{
	char tmp[80];
	int fd, e = 0;

	(void)snprintf(tmp, sizeof(tmp), ".%s.new", name);
	(void)unlinkat(dirfd, tmp, 0);
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_from_errno(errno);
	if (write(fd, text, n) != (ssize_t)n || fsync(fd) != 0)
		e = errno ? errno : ENOSPC;
	(void)close(fd);
	if (e == 0 && renameat(dirfd, tmp, dirfd, name) != 0)
		e = errno;
	if (e != 0)
		(void)unlinkat(dirfd, tmp, 0);
	errno = e;
	return e ? err_from_errno(e) : 0;
}

static int
take(struct proposals *p, int dirfd, const json_t *o, uint64_t id, struct send_result *r)
{
	const char *yaml = json_string_value(json_object_get(o, "rule_yaml")), *wrong;
	size_t n = json_string_length(json_object_get(o, "rule_yaml"));
	char name[48], user[WORDS_MAX], note[WORDS_MAX], head[4 * WORDS_MAX], *text;
	bool entry = json_string_length(json_object_get(o, "expected")) > 0;
	uint64_t alert = 0;
	struct jw w;
	int e;

	(void)snprintf(name, sizeof(name), "proposal-%" PRIu64 ".yaml", id);
	wrong = !yaml || strlen(yaml) != n ? "is no text"
		: n == 0 && entry	   ? NULL
					   : proposals_wrong(yaml, n);
	if (wrong) {
		log_warn("%s: what the collector proposes %s: left out", name, wrong);
		return 0;
	}
	if (!(text = malloc(FILE_MAX)))
		return send_fail(r, ERR_NOMEM, "%s: out of memory", name);
	(void)jws_number(o, "alert", &alert);
	(void)snprintf(head, sizeof(head),
	    "# Proposal %" PRIu64 " of the collector, for alert %" PRIu64 ", by %s: %s\n"
	    "# Disabled, and not in force: nothing reads this file but people.\n",
	    id, alert, words(o, "user", user), words(o, "note", note));
	w = jw_make(text, FILE_MAX);
	jw_raw(&w, head, strlen(head));
	remark(&w, o, "diff", "# Enabled, it would newly allow:\n");
	remark(&w, o, "notes", "# Besides:\n");
	jw_raw(&w, yaml, n);
	if (n > 0 && yaml[n - 1] != '\n')
		jw_ch(&w, '\n');
	remark(&w, o, "expected",
	    "# For the baseline (\"expected\" in its file), disabled as well:\n");
	e = keep(dirfd, name, text, jw_len(&w));
	if (e < 0)
		(void)send_fail(r, e, "%s/%s: %s", p->common->proposals_dir, name, strerror(errno));
	else
		log_warn("%s/%s: a collector proposes a rule; it is not in force",
		    p->common->proposals_dir, name);
	free(text);
	if (e == 0)
		atomic_store(p->common->proposal, id);
	return e;
}

/* The oldest of those that are new, until there is none. */
static int
take_all(struct proposals *p, const json_t *items, struct send_result *r)
{
	int dirfd = open(p->common->proposals_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), e = 0;

	if (dirfd < 0)
		return send_fail(
		    r, err_from_errno(errno), "%s: %s", p->common->proposals_dir, strerror(errno));
	while (e == 0) {
		const json_t *o, *next = NULL;
		uint64_t id, lowest = UINT64_MAX;
		size_t i;

		json_array_foreach(items, i, o)
		{
			if (jws_number(o, "id", &id) && id > p->mark.at.batch && id < lowest) {
				lowest = id;
				next = o;
			}
		}
		if (!next)
			break;
		if ((e = take(p, dirfd, next, lowest, r)) == 0) {
			p->mark.at.batch = lowest;
			(void)place_save(p->common->state_fd, MARK_NAME, &p->mark);
		}
	}
	(void)close(dirfd);
	return e;
}

int
proposals_turn(struct proposals *p, struct send_result *r)
{
	uint64_t now = clock_mono_ns();
	struct client_answer a;
	char path[80], why[200];
	json_t *o;
	int e;

	if (now < p->ask_ns)
		return 0;
	(void)snprintf(path, sizeof(path), "/ingest/v1/proposals?after=%" PRIu64, p->mark.at.batch);
	e = client_request(p->http, "GET", path, NULL, NULL, NULL, 0, &a, why, sizeof(why));
	if (e < 0)
		return send_fail(r, e, "proposals: %s", why);
	p->ask_ns = now + ASK_NS;
	if (a.status != 200) /* batches say what is the matter */
		return 0;
	o = json_loadb(a.body, a.len, JSON_REJECT_DUPLICATES, NULL);
	e = take_all(p, json_object_get(o, "items"), r);
	json_decref(o);
	if (e < 0) /* nothing that the collector could help with */
		log_warn("%s", r->why);
	return 0;
}

struct proposals *
proposals_new(const struct send_common *c, struct client *http)
{
	struct proposals *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->common = c;
	p->http = http;
	(void)place_load(c->state_fd, MARK_NAME, &p->mark);
	return p;
}

void
proposals_free(struct proposals *p)
{
	free(p);
}
