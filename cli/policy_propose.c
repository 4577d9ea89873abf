/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_propose.c - policy propose: what would have kept expected alerts quiet, for a person to read and to enable.
 *
 * The alerts come from files or from a journal; alerts/propose.h says what becomes of them.  Files are only written where
 * --out and --out-baseline say, never in the place of what is in force.
 */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alerts/journal.h"
#include "alerts/propose.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/diff.h"
#include "cli/opts.h"
#include "cli/permits.h"
#include "cli/put.h"
#include "policy/yaml.h"

#define ALERTS_BYTES   (8u << 20)
#define BASELINE_BYTES (64u << 20)
#define CAPTURES_MAX   16u

static const char help[] =
    "usage: interlock policy propose [OPTION]... ALERT.json...\n"
    "       interlock policy propose [OPTION]... --journal DIR SEQ...\n"
    "What would have kept these alerts quiet: of a request that the policy denies a rule, of a\n"
    "detection an entry for the baseline, both disabled. Nothing is applied.\n\n"
    "  -p, --policy FILE    the policy that is to be changed\n"
    "      --baseline FILE  the baseline that is to be changed\n"
    "      --journal DIR    alerts are numbers (il_seq) in this journal, which is verified\n"
    "  -o, --out FILE       write the policy with the rules in it, each `enabled: false`: for\n"
    "                       interlock policy approve\n"
    "      --out-baseline FILE  write the baseline with the entries in it, each \"enabled\": "
    "false\n"
    "      --capture FILE   and what the rules, enabled, would change for this traffic; several "
    "times for several\n\n"
    "exit status: 0 something is proposed, 1 nothing can be (it is said why), 2 could not work\n";

struct opts {
	const char *policy, *baseline, *journal, *out, *out_baseline;
	struct captures {
		char *v[CAPTURES_MAX];
		size_t n;
	} captures;
};

/* Lines of all alerts that were named. */
struct lines {
	char *p;
	size_t n;
};

static bool
lines_add(struct lines *l, const char *s, size_t n)
{
	bool end = n != 0 && s[n - 1] != '\n';
	char *p = l->n + n + 1 <= ALERTS_BYTES ? realloc(l->p, l->n + n + 2) : NULL;

	if (!p) {
		cli_say("these are too many alerts");
		return false;
	}
	l->p = p;
	memcpy(p + l->n, s, n);
	l->n += n;
	if (end)
		p[l->n++] = '\n';
	p[l->n] = '\0';
	return true;
}

static bool
lines_of_files(struct lines *l, char **paths, int n)
{
	for (int i = 0; i < n; i++) {
		size_t len;
		char *text = cli_read(paths[i], ALERTS_BYTES, &len);
		bool ok = text && lines_add(l, text, len);

		free(text);
		if (!ok)
			return false;
	}
	return true;
}

/* --- out of a journal --------------------------------------------------------------------------------- */

struct search {
	struct lines *lines;
	uint64_t *seq; /* 0: found */
	int n;
	bool ok;
};

/* Of several epochs the first that has it. */
static bool
on_batch(void *ctx, const struct journal_batch *jb)
{
	struct search *s = ctx;

	for (int i = 0; i < s->n && s->ok; i++)
		if (s->seq[i] != 0 && s->seq[i] >= jb->b->first && s->seq[i] <= jb->b->last) {
			uint64_t at = s->seq[i] - jb->b->first;

			s->ok = lines_add(
			    s->lines, jb->line[at], (size_t)(jb->line[at + 1] - jb->line[at]));
			s->seq[i] = 0;
		}
	return s->ok;
}

static bool
journal_keys(const char *dir, struct key_set *keys)
{
	char path[PATH_MAX], err[256];

	if (snprintf(path, sizeof(path), "%s/key.pub", dir) >= (int)sizeof(path) ||
	    key_set_load(keys, path, err, sizeof(err)) < 0) {
		cli_say("%s", err);
		return false;
	}
	return true;
}

static bool
lines_of_journal(struct lines *l, const char *dir, char **numbers, int n)
{
	static struct key_set keys;
	struct search s = {
	    .lines = l, .seq = calloc((size_t)n, sizeof(uint64_t)), .n = n, .ok = true};
	struct journal_reader reader = {.keys = &keys, .on_batch = on_batch, .ctx = &s};
	struct journal_report rep;
	char err[600];
	bool ok = s.seq != NULL;

	for (int i = 0; i < n && ok; i++)
		if (!cli_parse_u64(numbers[i], &s.seq[i]) || s.seq[i] == 0) {
			cli_say("%s: not the number of an alert", numbers[i]);
			ok = false;
		}
	ok = ok && journal_keys(dir, &keys);
	if (ok && (ok = journal_read(dir, &reader, &rep, err, sizeof(err)) >= 0) == false)
		cli_say("%s", err);
	if (ok && s.ok && rep.state == JOURNAL_BROKEN) {
		cli_say("%s: the chain is broken: %s", dir, rep.why);
		ok = false;
	}
	for (int i = 0; i < n && ok && s.ok; i++)
		if (s.seq[i] != 0) {
			cli_say("%s: there is no alert %s", dir, numbers[i]);
			ok = false;
		}
	free(s.seq);
	return ok && s.ok;
}

/* --- files ------------------------------------------------------------------------------------------------ */

/* A proposal never takes the place of what it is for. */
static bool
is_other(const char *out, const char *in)
{
	struct stat a, b;

	if (!out || !in || stat(out, &a) < 0 || stat(in, &b) < 0 || a.st_dev != b.st_dev ||
	    a.st_ino != b.st_ino)
		return true;
	cli_say("%s: what is in force is not written over; give another file", out);
	return false;
}

static bool
write_text(const char *path, const char *text)
{
	struct put p;

	if (!put_open(&p, path, 0644))
		return false;
	(void)fputs(text, p.fp);
	return put_done(&p);
}

/* The baseline with the entries behind those that it has. */
static char *
baseline_with(const char *path, const char *entries)
{
	size_t len;
	char *text =
	    path ? cli_read(path, BASELINE_BYTES, &len) : strdup("{\"interlock_baseline\":1}");
	json_t *root = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL, *list;
	char *out = NULL;

	if (text && !json_is_integer(json_object_get(root, "interlock_baseline"))) {
		cli_say("%s: is no baseline", path);
	} else if (text) {
		if (!(list = json_object_get(root, "expected")))
			(void)json_object_set_new(root, "expected", list = json_array());
		for (const char *s = entries; *s; s += strcspn(s, "\n") + 1)
			(void)json_array_append_new(list, json_loadb(s, strcspn(s, "\n"), 0, NULL));
		out = json_dumps(root, JSON_COMPACT);
	}
	json_decref(root);
	free(text);
	return out;
}

static bool
write_baseline(const struct opts *o, const struct proposal *p)
{
	char *text = baseline_with(o->baseline, p->expected);
	bool ok = text && write_text(o->out_baseline, text);

	free(text);
	return ok;
}

/* --- the verb --------------------------------------------------------------------------------------------- */

static void
put_lines(const char *title, const char *lines)
{
	if (!*lines)
		return;
	printf("%s\n", title);
	for (; *lines; lines += strcspn(lines, "\n") + 1)
		printf("  %.*s\n", (int)strcspn(lines, "\n"), lines);
}

static void
say(const struct opts *o, const struct proposal *p)
{
	if (*p->rules) {
		printf("rules, disabled:\n\n%s\n", p->rules);
		put_lines("what they would allow:", p->diff);
	}
	put_lines("for the baseline, disabled:", p->expected);
	put_lines("not proposed, or to be known:", p->notes);
	if (o->out && p->n_rules)
		printf("%s: the policy with %u rule%s that wait%s for approval\n", o->out,
		    p->n_rules, p->n_rules == 1 ? "" : "s", p->n_rules == 1 ? "s" : "");
	if (o->out_baseline && p->n_expected)
		printf("%s: the baseline with %u entr%s, disabled\n", o->out_baseline,
		    p->n_expected, p->n_expected == 1 ? "y" : "ies");
}

/* What the rules would change for recorded traffic, once enabled. */
static int
diff(const struct opts *o, const struct proposal *p)
{
	static const struct cli_permits none;
	struct complaints c = {.file = o->policy};
	struct policy_source src;
	struct policy *pol[2];
	char name[64];
	int status = EXIT_UNABLE;

	(void)snprintf(name, sizeof(name), "the proposal, enabled");
	pol[0] = cli_policy(o->policy);
	pol[1] = policy_of_files(o->policy, p->enabled, strlen(p->enabled), &src, &c);
	if (pol[0] && pol[1]) {
		putchar('\n');
		status = diff_captures(pol, (const char *const[]){o->policy, name}, o->captures.v,
		    o->captures.n, &none, false);
	}
	complaints_fini(&c);
	policy_free(pol[0]);
	policy_free(pol[1]);
	return status == EXIT_UNABLE ? status : EXIT_OK;
}

/* Of a policy that loads: its text, and the files beside it. */
static int
propose_with(const struct opts *o, const struct lines *l, struct proposal *p)
{
	struct policy *pol = o->policy ? cli_policy(o->policy) : NULL;
	struct policy_source src = {.name = o->policy};
	char err[512] = "", *text = NULL;
	int dir = -1, r = ERR_SYNTAX;

	if (!o->policy) {
		r = propose(l->p, l->n, NULL, p, err, sizeof(err));
	} else if (pol && (text = cli_read(o->policy, YAML_SIZE_MAX, &src.len))) {
		src.text = text;
		if ((dir = policy_dir_open(o->policy)) >= 0) {
			src.read = policy_dir_read;
			src.ctx = &dir;
		}
		r = propose(l->p, l->n, &src, p, err, sizeof(err));
	}
	if (r < 0 && *err)
		cli_say("%s", err);
	if (dir >= 0)
		(void)close(dir);
	policy_free(pol);
	free(text);
	return r == 0 ? EXIT_OK : r == ERR_UNSUPPORTED ? EXIT_FOUND : EXIT_UNABLE;
}

static int
work(const struct opts *o, const struct lines *l)
{
	struct proposal p = {0};
	int status = propose_with(o, l, &p);

	if (status != EXIT_UNABLE &&
	    ((o->out && p.n_rules && !write_text(o->out, p.policy)) ||
		(o->out_baseline && p.n_expected && !write_baseline(o, &p))))
		status = EXIT_UNABLE;
	if (status != EXIT_UNABLE)
		say(o, &p);
	if (status == EXIT_OK && o->captures.n != 0 && p.n_rules != 0)
		status = diff(o, &p);
	proposal_fini(&p);
	return status;
}

static bool
take_capture(void *ctx, const char *value)
{
	struct captures *c = ctx;

	if (c->n == CAPTURES_MAX) {
		cli_say("--capture: at most %u", CAPTURES_MAX);
		return false;
	}
	c->v[c->n++] = (char *)value;
	return true;
}

int
policy_propose(int argc, char **argv)
{
	struct opts o = {0};
	struct lines l = {0};
	const struct cli_opt table[] = {
	    {"policy", 'p', .text = &o.policy},
	    {"baseline", .text = &o.baseline},
	    {"journal", .text = &o.journal},
	    {"out", 'o', .text = &o.out},
	    {"out-baseline", .text = &o.out_baseline},
	    {"capture", .call = take_capture, .ctx = &o.captures},
	    {0},
	};
	int status;

	if (!cli_options("policy", help, table, &argc, &argv, &status))
		return status;
	if (argc < 1)
		return cli_usage("policy", "propose takes alerts: files, or --journal and numbers");
	if ((o.out || o.captures.n) && !o.policy)
		return cli_usage("policy", "propose: --out and --capture need a policy");
	if (o.baseline && !o.out_baseline)
		return cli_usage("policy", "propose: --baseline needs --out-baseline");
	if (!is_other(o.out, o.policy) || !is_other(o.out_baseline, o.baseline))
		return EXIT_UNABLE;
	status = EXIT_UNABLE;
	if (o.journal ? lines_of_journal(&l, o.journal, argv, argc)
		      : lines_of_files(&l, argv, argc))
		status = work(&o, &l);
	free(l.p);
	return status;
}
