/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_ctl.c - interlock ctl: ask a running guard, or tell it (docs/PROTOCOL.ctl.md).
 *
 * The answer is JSON; ctl_show.c makes the pages for people.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alerts/permit.h"
#include "base/err.h"
#include "base/jw.h"
#include "cli/cli.h"
#include "cli/opts.h"
#include "cli/ctl_client.h"
#include "cli/ctl_rollout.h"
#include "cli/ctl_show.h"
#include "policy/bundle.h"
#include "policy/files.h"

#define SOCKET "/run/interlock/ctl.sock"

static const char help_head[] = "usage: interlock ctl [OPTION]... VERB [ARGUMENT]\n"
				"Ask a running guard, or tell it.\n\n";
static const char help_tail[] =
    "\n"
    "      --confirm TIME reload: the policy before is in force again after TIME (90s, 10m, 2h),\n"
    "                     unless ctl confirm comes before\n"
    "      --promote      shadow: it is the policy from now on, with --confirm on trial\n"
    "      --stop         shadow: no more\n"
    "      --for TIME     panic: it ends by itself after TIME\n"
    "      --revoke ID    permit: it is closed before its time\n"
    "      --key FILE     rollout: who may sign a policy\n"
    "  -p, --policy FILE  rollout: where one that was confirmed is kept\n"
    "      --permits      rollout: take permits, too (the guard verifies them)\n"
    "      --follow       rollout: go on until it is ended\n"
    "      --force        reload, shadow --promote: also while another policy waits to be "
    "confirmed\n"
    "      --socket PATH  of the guard (default " SOCKET ")\n"
    "      --json         the answer as the guard gave it, for programs\n\n"
    "root may do all of it, others what --viewers and --admins of the guard let them\n"
    "exit status: 0 all is well, 1 status: something wants attention, 2 could not work\n";

/* What is said with a verb. */
enum {
	TAKES_CONFIRM = 1 << 0,
	TAKES_FORCE = 1 << 1,
	TAKES_PROMOTE = 1 << 2,
	TAKES_STOP = 1 << 3,
	TAKES_FILE = 1 << 4, /* may be followed by a file, which is opened here and passed */
	TAKES_FOR = 1 << 5,
	TAKES_MODE = 1 << 6, /* is followed by a word */
	TAKES_REVOKE = 1 << 7,
	TAKES_TOKEN = 1 << 8,	/* is followed by a file with a permit, which is read here */
	TAKES_ROLLOUT = 1 << 9, /* is followed by a directory: several questions (ctl_rollout.h) */
};
struct question {
	unsigned given; /* TAKES_* */
	uint64_t confirm_s, for_s;
	const char *mode;
	const char *file;
	const char *revoke; /* id */
	char *token;
	int fd
	    [3]; /* of it, of its signature when there is one, of what it includes (policy/bundle.h) */
	unsigned n_fds;
	bool files; /* the last one is that */
};

static const struct ctl_verb {
	const char *name;
	bool admin;
	unsigned takes;
	const char *text;
	int (*show)(const json_t *result, FILE *to); /* exit status; NULL: nothing to show */
} verbs[] = {
    {"status", false, 0, "ports, processes, policy, packets, latency, alerts on a page",
	show_status},
    {"counters", false, 0, "drops by reason, the kernel's filter, hits per rule", show_counters},
    {"flows", false, 0, "the connections the engine knows", show_flows},
    {"metrics", false, 0, "the numbers as Prometheus text", show_text},
    {"reload", true, TAKES_CONFIRM | TAKES_FORCE,
	"read the policy again; one with errors changes nothing", show_reload},
    {"confirm", true, 0, "the policy that was reloaded with --confirm stays", show_confirm},
    {"rollback", true, 0, "it goes now, and the one before it is in force again", show_reload},
    {"shadow", false, TAKES_FILE | TAKES_PROMOTE | TAKES_STOP | TAKES_CONFIRM | TAKES_FORCE,
	"FILE: judge it beside the policy in force (admins); alone: what it would have done",
	show_shadow},
    {"panic", true, TAKES_MODE | TAKES_FOR,
	"open: everything passes; island: nothing does; off: the policy again", show_panic},
    {"permit", true, TAKES_TOKEN | TAKES_REVOKE,
	"FILE: open a window by a permit (interlock permit); --revoke ID: close it", show_permit},
    {"permits", false, 0, "the permits that are open, and what the clock is worth", show_permits},
    {"reopen", true, 0, "open the EVE file anew, after it was renamed (logrotate)", NULL},
    {"rollout", true, TAKES_ROLLOUT,
	"DIR: what a collector offers there: a policy, on trial; a permit", NULL},
    {"stop", true, 0, "stop the guard and put its ports back", NULL},
};
#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void
help(FILE *to)
{
	fputs(help_head, to);
	for (size_t i = 0; i < N_VERBS; i++)
		fprintf(to, "  %-10s%s%s\n", verbs[i].name, verbs[i].text,
		    verbs[i].admin ? " (admins)" : "");
	fputs(help_tail, to);
}

/* A file that the guard passed, as it is. */
static bool
copy_out(int fd)
{
	char buf[65536];
	ssize_t n;

	(void)lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n)
			return false;
	return n == 0;
}

static int
show(const struct ctl_verb *verb, const char *line, size_t len, int fd, bool json)
{
	json_t *root = json_loadb(line, len, 0, NULL);
	const char *error = json_string_value(json_object_get(root, "error"));
	int status = EXIT_OK;

	if (!json_is_object(root)) {
		cli_say("ctl: the answer is no JSON object");
		status = EXIT_UNABLE;
	} else if (json && fd < 0) {
		printf("%.*s\n", (int)len, line);
		status = json_is_true(json_object_get(root, "ok")) ? EXIT_OK : EXIT_UNABLE;
	} else if (!json_is_true(json_object_get(root, "ok"))) {
		cli_say("%s: %s", verb->name, error ? error : "refused without a reason");
		status = EXIT_UNABLE;
	} else if (fd >= 0) {
		status = copy_out(fd) ? EXIT_OK : EXIT_UNABLE;
	} else if (verb->show) {
		status = verb->show(json_object_get(root, "result"), stdout);
	}
	json_decref(root);
	return status;
}

static size_t
request(const struct ctl_verb *verb, const struct question *q, char *buf, size_t size)
{
	struct jw w = jw_make(buf, size);

	jw_obj(&w, NULL);
	jw_u(&w, "v", 1);
	jw_str(&w, "verb", verb->name);
	if (q->given & TAKES_CONFIRM)
		jw_u(&w, "confirm_s", q->confirm_s);
	if (q->given & TAKES_REVOKE)
		jw_str(&w, "revoke", q->revoke);
	if (q->token)
		jw_str(&w, "token", q->token);
	if (q->given & TAKES_FORCE)
		jw_bool(&w, "force", true);
	if (q->given & TAKES_PROMOTE)
		jw_bool(&w, "promote", true);
	if (q->given & TAKES_STOP)
		jw_bool(&w, "stop", true);
	if (q->given & TAKES_FILE)
		jw_str(&w, "file", q->file);
	if (q->files)
		jw_bool(&w, "files", true);
	if (q->given & TAKES_MODE)
		jw_str(&w, "mode", q->mode);
	if (q->given & TAKES_FOR)
		jw_u(&w, "for_s", q->for_s);
	jw_close(&w, '}');
	jw_ch(&w, '\n');
	return jw_end(&w) ? jw_len(&w) : 0;
}

static int
ask(const struct ctl_verb *verb, const struct question *q, const char *path, bool json)
{
	char buf[16384];
	size_t len, n = request(verb, q, buf, sizeof(buf));
	int fd = -1, status;
	char *line = n == 0 ? NULL : ctl_ask(path, buf, n, q->fd, q->n_fds, &len, &fd);

	status = line ? show(verb, line, len, fd, json) : EXIT_UNABLE;
	free(line);
	if (fd >= 0)
		(void)close(fd);
	return status;
}

static const struct ctl_verb *
verb_of(const char *name)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if (strcmp(name, verbs[i].name) == 0)
			return &verbs[i];
	return NULL;
}

struct including {
	int dir, bundle;
	bool bad;
};

/* .read of a policy_source: what is read goes into the bundle. */
static int
read_included(void *ctx, const char *rel, char **text, size_t *len, char *why, size_t size)
{
	struct including *x = ctx;
	int fd = policy_dir_file(x->dir, rel, why, size), r;

	if (fd < 0)
		return fd;
	r = bundle_add(&x->bundle, rel, fd, why, size);
	x->bad |= r < 0;
	close(fd);
	return r < 0 ? r : policy_dir_read(&x->dir, rel, text, len, why, size);
}

/* What the policy includes, opened with the rights of who asks.  Whether it is a good one, the guard says. */
static bool
open_included(struct question *q, const char *file)
{
	struct including x = {.dir = policy_dir_open(file), .bundle = -1};
	struct policy_source src = {.name = file, .read = read_included, .ctx = &x};
	struct complaints c = {.file = file};
	char *text = cli_read(file, POLICY_FILE_BYTES, &src.len);

	if (!text || x.dir < 0) {
		if (text)
			cli_say("%s: %s", file, err_str(x.dir));
		free(text);
		if (x.dir >= 0)
			close(x.dir);
		return false;
	}
	src.text = text;
	policy_free(policy_build_source(&src, &c));
	complaints_fini(&c);
	free(text);
	close(x.dir);
	if (x.bundle >= 0) {
		q->files = true;
		q->fd[q->n_fds++] = x.bundle;
	}
	if (x.bad)
		cli_say("%s: too much is included to be sent", file);
	return !x.bad;
}

/* The file, FILE.minisig when there is one, and what it includes.  False: said why. */
static bool
open_file(struct question *q, const char *file)
{
	char sig[PATH_MAX];
	int fd;

	q->given |= TAKES_FILE;
	q->file = file;
	if ((fd = open(file, O_RDONLY | O_CLOEXEC)) < 0) {
		cli_say("%s: %s", file, strerror(errno));
		return false;
	}
	q->fd[q->n_fds++] = fd;
	if (snprintf(sig, sizeof(sig), "%s.minisig", file) < (int)sizeof(sig) &&
	    (fd = open(sig, O_RDONLY | O_CLOEXEC)) >= 0)
		q->fd[q->n_fds++] = fd;
	return open_included(q, file);
}

int
cmd_ctl(int argc, char **argv)
{
	const char *path = SOCKET;
	struct question q = {0};
	struct ctl_rollout roll = {0};
	bool json = false;
	const struct cli_opt table[] = {
	    {"json", .flag = &json},
	    {"socket", .text = &path},
	    {"confirm", .seconds = &q.confirm_s, .given = &q.given, .bit = TAKES_CONFIRM},
	    {"force", .given = &q.given, .bit = TAKES_FORCE},
	    {"for", .seconds = &q.for_s, .bad = "not a time such as 30m", .given = &q.given,
		.bit = TAKES_FOR},
	    {"revoke", .text = &q.revoke, .given = &q.given, .bit = TAKES_REVOKE},
	    {"promote", .given = &q.given, .bit = TAKES_PROMOTE},
	    {"stop", .given = &q.given, .bit = TAKES_STOP},
	    {"key", .text = &roll.key, .given = &q.given, .bit = TAKES_ROLLOUT},
	    {"policy", 'p', .text = &roll.policy, .given = &q.given, .bit = TAKES_ROLLOUT},
	    {"permits", .flag = &roll.permits, .given = &q.given, .bit = TAKES_ROLLOUT},
	    {"follow", .flag = &roll.follow, .given = &q.given, .bit = TAKES_ROLLOUT},
	    {0},
	};
	const struct ctl_verb *verb;
	size_t len;
	int status;

	if (!cli_options("ctl", NULL, table, &argc, &argv, &status)) {
		if (status == CLI_HELP)
			help(stdout);
		return status == CLI_HELP ? EXIT_OK : status;
	}
	if (argc < 1)
		return cli_usage("ctl", "one verb");
	if (!(verb = verb_of(argv[0])))
		return cli_usage("ctl", "%s: no such verb", argv[0]);
	if (q.given & ~verb->takes)
		return cli_usage("ctl", "%s: does not take that option", verb->name);
	if (verb->takes & TAKES_MODE) {
		if (argc != 2)
			return cli_usage("ctl", "%s open, island or off", verb->name);
		q.given |= TAKES_MODE;
		q.mode = argv[1];
		return ask(verb, &q, path, json);
	}
	if (verb->takes & TAKES_ROLLOUT) {
		if (argc != 2 || !roll.key)
			return cli_usage("ctl", "rollout takes a directory, and --key");
		roll.dir = argv[1];
		roll.socket = path;
		return ctl_rollout(&roll);
	}
	if (argc > (verb->takes & (TAKES_FILE | TAKES_TOKEN) ? 2 : 1))
		return cli_usage("ctl", "%s: that is too much", argv[argc - 1]);
	if (verb->takes & TAKES_TOKEN) {
		if ((argc == 2) == (q.revoke != NULL))
			return cli_usage("ctl", "permit takes a file, or --revoke and an id");
		if (!q.revoke && !(q.token = cli_read(argv[1], PERMIT_JWS_MAX, &len)))
			return EXIT_UNABLE;
	} else if (argc == 2 && !open_file(&q, argv[1])) {
		return EXIT_UNABLE;
	}
	status = ask(verb, &q, path, json);
	free(q.token);
	return status;
}
