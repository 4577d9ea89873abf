/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_send.c - interlock send: take what is in a journal to a collector and to others. */
#include <grp.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/jw.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/net/net.h"
#include "cli/net/policy_doc.h"
#include "cli/opts.h"
#include "sender/enrol.h"
#include "sender/send.h"

static const char help[] =
    "usage: interlock send --journal DIR --state DIR [OPTION]... OUTPUT...\n"
    "       interlock send enrol --collector URL --token TOKEN --ca-fingerprint SHA256 --key KEY\n"
    "                            --dir DIR [--name NAME] [--ca FILE] [--group GROUP]\n"
    "       interlock send status [--json] DIR\n"
    "Follow a journal and take every batch of it to each output, from where that one is. Nothing\n"
    "is lost while the other side is away: the journal has it. Needs no signing key.\n\n"
    "OUTPUT, with options behind commas:\n"
    "  https://HOST:PORT         a collector, by mutual TLS 1.3; needs --identity\n"
    "  syslog+tls://HOST:PORT,ca=FILE[,cert=FILE,key=FILE]   RFC 5424, 5425\n"
    "  syslog+tcp://HOST:PORT    the same without TLS (octet counting, RFC 6587)\n"
    "  file:PATH                 lines; may be renamed and removed meanwhile\n"
    "  unix:PATH, unix-dgram:PATH   lines to who listens on a socket\n"
    "      ,format=eve|cef  of an alert (not of https)     ,from=start|end  of a new output\n"
    "      ,name=NAME       of its state                   ,facility=N ,enterprise=N  of syslog\n\n"
    "      --journal DIR    what is followed; only read\n"
    "      --state DIR      how far each output is, receipts, status.json\n"
    "      --identity DIR   what enrol left\n"
    "      --evidence DIR   captures EPOCH-SEQ.pcapng: to the collector, after their alert\n"
    "      --assets FILE    the list of devices (--assets of watch): to the collector, when it\n"
    "                       changes\n"
    "      --policy FILE    what is in force, with its files: for the collector's map, and for "
    "what\n"
    "                       it proposes; when one of them changes\n"
    "      --proposals DIR  rules that the collector proposes, as files for people; never applied\n"
    "      --watch-list FILE  addresses that the collector warns of, for --watch-list of watch\n"
    "      --rollouts DIR   policies that the collector rolls out, for interlock ctl rollout\n"
    "      --once           end when all that is there is delivered\n"
    "      --retry-max TIME pause between tries at most (default 60s)\n"
    "      --timeout TIME   of one request (default 60s)\n"
    "      --drain TIME     after SIGTERM it sends on for so long at most (default 10s)\n"
    "      --user NAME      who it is once all is open (default interlock, else nobody)\n"
    "  -v, --verbose        say what goes on, not only what goes wrong\n\n"
    "enrol makes a transport key and shows the collector that the sensor has its signing KEY; "
    "once,\n"
    "by an admin. NAME is that of the sensor in its batches (default: of this machine); GROUP may\n"
    "read what is left in DIR (default interlock). status shows how every output stands.\n\n"
    "exit status: 0 all is delivered, 1 it was ended before (the journal has the rest); status: "
    "an\n"
    "output is in trouble; 2 could not work\n";

#define SECONDS_MAX  86400u
#define STATUS_BYTES (1u << 20)
#define STALE_MS     10000u
#define NOGROUP	     65534u

struct args {
	const char *journal, *state, *identity, *evidence, *assets, *user, *policy, *proposals,
	    *watchlist, *rollouts;
	struct policy_doc was; /* the policy, when it was read */
	char *text;	       /* POLICY_DOC_MAX: what is uploaded of it */
	uint64_t retry_s, timeout_s, drain_s;
	bool once, verbose;
};

/* --- the policy ------------------------------------------------------------------- */

/* struct send_conf has what it returns. */
static const char *
policy_text(void *ctx, size_t *n)
{
	struct args *a = ctx;

	if (!policy_doc_changed(a->policy, &a->was) ||
	    (!a->text && !(a->text = malloc(POLICY_DOC_MAX))))
		return NULL;
	*n = policy_doc_read(a->policy, a->text, &a->was);
	return *n > 0 ? a->text : NULL;
}

static int
send_here(struct args *a, const char *const *targets, size_t n)
{
	struct send_conf conf = {
	    .targets = targets,
	    .n_targets = n,
	    .journal_dir = a->journal,
	    .state_dir = a->state,
	    .identity = a->identity,
	    .evidence_dir = a->evidence,
	    .assets_path = a->assets,
	    .policy_path = a->policy,
	    .proposals_dir = a->proposals,
	    .watchlist_path = a->watchlist,
	    .rollouts_dir = a->rollouts,
	    .policy = a->policy ? policy_text : NULL,
	    .policy_ctx = a,
	    .retry_max_ms = (uint32_t)a->retry_s * 1000,
	    .timeout_ms = (uint32_t)a->timeout_s * 1000,
	    .drain_ms = (uint32_t)a->drain_s * 1000,
	    .once = a->once,
	};
	char err[512] = "";

	cli_user(a->user, &conf.uid, &conf.gid);
	log_set_limit(true);
	log_set_level(a->verbose ? LOG_L_INFO : LOG_L_WARN);
	log_init();
	switch (send_run(&conf, err, sizeof(err))) {
	case SEND_ALL:
		return EXIT_OK;
	case SEND_LEFT:
		return EXIT_FOUND;
	case SEND_UNABLE:
		break;
	}
	if (*err)
		cli_say("%s", err);
	return EXIT_UNABLE;
}

/* --- enrol ------------------------------------------------------------------------- */

static int
enrol(int argc, char **argv)
{
	struct enrol e = {0};
	char host[256] = "", err[600] = "";
	const char *group = NULL;
	const struct cli_opt table[] = {
	    {"collector", .text = &e.url},
	    {"token", .text = &e.token},
	    {"ca-fingerprint", .text = &e.fingerprint},
	    {"ca", .text = &e.ca},
	    {"key", .text = &e.key},
	    {"name", .text = &e.name},
	    {"dir", .text = &e.dir},
	    {"group", .text = &group},
	    {0},
	};
	struct group *g;
	int status;

	if (!cli_options("send", help, table, &argc, &argv, &status))
		return status;
	if (!e.url || !e.token || !e.key || !e.dir || !e.fingerprint == !e.ca || argc != 0)
		return cli_usage("send",
		    "enrol takes --collector, --token, --key, --dir, and --ca-fingerprint or --ca");
	(void)gethostname(host, sizeof(host) - 1);
	if (!e.name)
		e.name = host;
	g = getgrnam(group ? group : "interlock");
	if (group && !g)
		return cli_usage("send", "--group %s: there is none", group);
	e.gid = g ? g->gr_gid : NOGROUP;
	if (enrol_run(&e, err, sizeof(err)) < 0) {
		cli_say("%s", err);
		return EXIT_UNABLE;
	}
	printf("%s: enrolled as %s%s%s%s\nreceipts are signed by key %s: give %s/receipt.jwks to "
	       "--receipt-key of guard or watch, and STATE/receipt to --receipt\n",
	    e.dir, e.sensor, *e.state ? " (" : "", e.state, *e.state ? ")" : "", e.kid, e.dir);
	return EXIT_OK;
}

/* --- status ------------------------------------------------------------------------ */

static const char *
age(const json_t *ms, uint64_t now, char *buf, size_t size)
{
	uint64_t t = json_is_integer(ms) ? (uint64_t)json_integer_value(ms) : 0;

	if (t == 0)
		(void)snprintf(buf, size, "-");
	else
		(void)snprintf(buf, size, "%" PRIu64 ".%01" PRIu64 "s",
		    now > t ? (now - t) / 1000 : 0, now > t ? (now - t) / 100 % 10 : 0);
	return buf;
}

static const char *
count(const json_t *v, char *buf, size_t size)
{
	if (json_is_integer(v))
		(void)snprintf(buf, size, "%lld", (long long)json_integer_value(v));
	else
		(void)snprintf(buf, size, "?");
	return buf;
}

/* 1: it is in trouble. */
static int
show_output(const json_t *o, uint64_t now)
{
	const char *state = json_string_value(json_object_get(o, "state"));
	const char *error = json_string_value(json_object_get(o, "last_error"));
	char behind[24], ok[24], failed[24], tries[24];
	bool bad = !state || strcmp(state, "retrying") == 0 || strcmp(state, "refused") == 0;

	printf("%-32s %-9s %8s alerts behind  last sent %s ago\n",
	    json_string_value(json_object_get(o, "name")), state,
	    count(json_object_get(o, "behind_alerts"), behind, sizeof(behind)),
	    age(json_object_get(o, "last_ok"), now, ok, sizeof(ok)));
	if (error && *error)
		printf("    %s ago (%s tries in vain): %s\n",
		    age(json_object_get(o, "last_error_time"), now, failed, sizeof(failed)),
		    count(json_object_get(o, "tries_in_vain"), tries, sizeof(tries)), error);
	return bad;
}

static int
status_verb(int argc, char **argv)
{
	bool json = false;
	const struct cli_opt table[] = {{"json", .flag = &json}, {0}};
	uint64_t now = clock_wall_ns() / 1000000, time;
	int status, bad = 0;
	char path[1024], *text, old[24];
	const json_t *o;
	json_t *root;
	size_t i, n;

	if (!cli_options("send", help, table, &argc, &argv, &status))
		return status;
	if (argc != 1)
		return cli_usage("send", "status takes the directory of --state");
	(void)snprintf(path, sizeof(path), "%s/status.json", argv[0]);
	if (!(text = cli_read(path, STATUS_BYTES, &n)))
		return EXIT_UNABLE;
	root = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	if (!root) {
		cli_say("%s: is damaged", path);
		free(text);
		return EXIT_UNABLE;
	}
	if (json)
		fwrite(text, 1, n, stdout);
	free(text);
	time = (uint64_t)json_integer_value(json_object_get(root, "time"));
	json_array_foreach(json_object_get(root, "outputs"), i, o)
	{
		const char *state = json_string_value(json_object_get(o, "state"));

		bad |= json ? state && (*state == 'r') : show_output(o, now);
		bad |= state && strcmp(state, "ended") != 0 && now > time + STALE_MS;
	}
	if (!json && now > time + STALE_MS)
		printf("nobody has written this for %s: the sender does not run\n",
		    age(json_object_get(root, "time"), now, old, sizeof(old)));
	json_decref(root);
	return bad ? EXIT_FOUND : EXIT_OK;
}

/* --- the verb ------------------------------------------------------------------------ */

int
cmd_send(int argc, char **argv)
{
	struct args a = {.retry_s = 60, .timeout_s = 60, .drain_s = 10};
	const struct cli_opt table[] = {
	    {"journal", .text = &a.journal},
	    {"state", .text = &a.state},
	    {"identity", .text = &a.identity},
	    {"evidence", .text = &a.evidence},
	    {"assets", .text = &a.assets},
	    {"policy", .text = &a.policy},
	    {"proposals", .text = &a.proposals},
	    {"watch-list", .text = &a.watchlist},
	    {"rollouts", .text = &a.rollouts},
	    {"once", .flag = &a.once},
	    {"retry-max", .seconds = &a.retry_s},
	    {"timeout", .seconds = &a.timeout_s},
	    {"drain", .seconds = &a.drain_s},
	    {"user", .text = &a.user},
	    {"verbose", 'v', .flag = &a.verbose},
	    {0},
	};
	int status;

	if (argc > 1 && strcmp(argv[1], "enrol") == 0)
		return enrol(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "status") == 0)
		return status_verb(argc - 1, argv + 1);
	if (!cli_options("send", help, table, &argc, &argv, &status))
		return status;
	if (!a.journal || !a.state)
		return cli_usage("send", "takes --journal and --state");
	if (argc == 0)
		return cli_usage("send", "where to? https://HOST:PORT for a collector");
	if ((size_t)argc > SEND_OUTPUTS_MAX)
		return cli_usage("send", "at most %u outputs", SEND_OUTPUTS_MAX);
	if (a.retry_s > SECONDS_MAX || a.timeout_s > SECONDS_MAX || a.drain_s > SECONDS_MAX)
		return cli_usage("send", "a time of at most a day");
	return send_here(&a, (const char *const *)argv, (size_t)argc);
}
