/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_collect.c - interlock collect: the collector, and what an administrator does to it. */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/jw.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/net/collect_demo.h"
#include "cli/net/collect_prepare.h"
#include "cli/net/collect_rollout.h"
#include "cli/net/collect_share.h"
#include "cli/net/net.h"
#include "cli/opts.h"
#include "collector/auth.h"
#include "collector/collector.h"
#include "collector/enrol.h"
#include "collector/forward.h"
#include "collector/store.h"

#define QUIET_S	 (7u * 86400)
#define LIST_MAX (4u << 20)

static const char help[] =
    "usage: interlock collect DIR [OPTION]...\n"
    "       interlock collect --demo [-p POLICY] [--capture PCAP] [OPTION]...\n"
    "       interlock collect init DIR [--host NAME]\n"
    "       interlock collect user DIR NAME [--role ROLE]\n"
    "       interlock collect token DIR SENSOR [--site SITE] [--kid KEY-ID | --approve]\n"
    "                               [--relay | --vouches]\n"
    "       interlock collect join DIR --collector URL --token TOKEN --ca-fingerprint SHA256\n"
    "                              --name NAME [--ca FILE]\n"
    "       interlock collect rollout DIR [POLICY --stage SENSOR,...]...\n"
    "       interlock collect prepare DIR [NAME FILE --sensor SENSOR,...]\n"
    "       interlock collect backup DIR FILE\n" COLLECT_SHARE_USAGE "\n"
    "Receive the batches of sensors, verify and keep them, serve the page.\n\n"
    "      --listen ADDR:PORT   the page (default 127.0.0.1:8443)\n"
    "      --ingest ADDR:PORT   sensors, mutual TLS 1.3 (default 127.0.0.1:8444)\n"
    "      --plain              the page without TLS: on the loopback only\n"
    "      --web DIR            the folder of the built page\n"
    "      --openapi FILE       the description of the API (that of the installation)\n"
    "      --library DIR        playbooks and pages (those of the installation)\n"
    "      --library-key FILE   public keys, one of which has to have signed them; without,\n"
    "                           they are shown as not verified\n"
    "      --cert-life TIME     certificates that it issues are good for that (397d of sensors,\n"
    "                           825d of its own); a third before the end they are renewed\n"
    "      --keep-days N        alerts older than that are removed (default 365)\n"
    "      --keep-heartbeats N  empty batches are removed after N days (default 1)\n"
    "      --close-quiet TIME   an open incident that nobody took up is closed when it was\n"
    "                           quiet for that (default 7d)\n"
    "      --never-close        ... nor after any time\n"
    "      --escalate TIME      nobody took an incident up for that: the next contact (15m)\n"
    "      --notify-ca FILE     mail servers and webhooks have to be certified by one of these,\n"
    "                           not by those that the system trusts\n"
    "      --silent TIME        a sensor that was not heard for that is silent (default 30s)\n"
    "      --store FILE         another data base than DIR/collector.db\n"
#ifdef HAVE_PG
    "      --db URL             ... a server's: postgresql://USER@HOST/NAME?passfile=FILE; init\n"
    "                           keeps it in DIR for all that follows\n"
#endif
#ifdef HAVE_NATS
    "      --nats URL,...       several collectors before one data base: batches go through a\n"
    "                           JetStream of these servers\n"
    "      --nats-ca FILE       ... by TLS; --nats-cert, --nats-key: who we are\n"
#endif
    "      --connections N      of either listener at most (default 256)\n"
    "      --per-address N      of one address at most (default 64)\n\n"
    "  --demo   a directory of its own, gone at the end; a plant that was recorded, judged\n"
    "           under a policy over the last hour, and again from now on\n"
    "  init     make the directory: keys, certificates, data base\n"
    "  user     make an account, or give one another password: a line of standard input\n"
    "  token    a one-time token for a sensor to enrol with, for a day; --kid: only with that\n"
    "           signing key; --approve: with any; else an admin approves it afterwards; --relay:\n"
    "           for a collector that passes on what its sensors have signed; --vouches: and whose\n"
    "           word for their keys is enough\n"
    "  join     this collector passes on what it stores to the one at URL, as NAME, from its next\n"
    "           start on: once, with a token of --relay or --vouches from there\n"
    "  rollout  a signed policy to sensors in stages, on trial (collect rollout --help)\n"
    "  prepare  a signed policy or permit for a step of a playbook (collect prepare --help)\n"
    "  backup   a consistent copy of the data base, while it is used\n" COLLECT_SHARE_HELP "\n"
    "exit status: 0 done, 2 could not work\n";

struct options {
	struct collector_conf conf;
	const char *host, *role, *site, *kid, *policy, *capture;
	bool approve, demo, relay, vouches, never_close;
#ifdef HAVE_SEND
	struct forward_join join;
#endif
	struct collect_share share;
};

static int64_t
now_ms(void)
{
	return (int64_t)(clock_wall_ns() / 1000000);
}

static int
said(const char *err)
{
	cli_say("%s", err);
	return EXIT_UNABLE;
}

static int
init(const char *dir, const struct options *o)
{
	char err[512];

	if (collector_init(dir, o->host, o->conf.store, o->conf.cert_s, err, sizeof(err)) < 0)
		return said(err);
	printf(
	    "%s: ready; make an account: interlock collect user %s NAME --role admin\n", dir, dir);
	return EXIT_OK;
}

struct store *
collect_store(const char *dir, const char *store, char *err, size_t err_size)
{
	char path[STORE_PATH_MAX];
	struct store *s = NULL;

	if (collector_store_path(dir, store, path, sizeof(path)) < 0 ||
	    (!db_is_url(path) && access(path, F_OK) != 0))
		snprintf(
		    err, err_size, "%s: no collector here: interlock collect init %s", dir, dir);
	else
		(void)!store_open(&s, path, err, err_size);
	return s;
}

int
collect_list(struct store *s, bool json, void (*items)(struct jw *w, struct db *db),
    void (*print)(const json_t *item))
{
	struct db *db = store_get(s);
	char *buf = malloc(LIST_MAX);
	struct jw w = jw_make(buf, buf ? LIST_MAX : 0);
	json_t *o = NULL;

	if (db) {
		jw_obj(&w, NULL);
		items(&w, db);
		jw_close(&w, ']');
		jw_close(&w, '}');
		store_put(s, db);
	}
	if (db && jw_end(&w) && (o = json_loadb(buf, jw_len(&w), 0, NULL)) && json)
		printf("%.*s\n", (int)jw_len(&w), buf);
	for (size_t i = 0; !json && i < json_array_size(json_object_get(o, "items")); i++)
		print(json_array_get(json_object_get(o, "items"), i));
	free(buf);
	if (!o)
		cli_say("collect: the list cannot be read");
	json_decref(o);
	return o ? EXIT_OK : EXIT_UNABLE;
}

static int
user(const char *dir, const char *name, const struct options *o)
{
	char err[512], password[AUTH_PASSWORD_MAX + 2] = "";
	struct store *s = collect_store(dir, o->conf.store, err, sizeof(err));
	int r;

	if (!s)
		return said(err);
	if (isatty(0))
		fprintf(stderr, "password of %s: ", name);
	if (!fgets(password, sizeof(password), stdin))
		password[0] = '\0';
	password[strcspn(password, "\n")] = '\0';
	r = auth_user_put(s, name, auth_role_parse(o->role ? o->role : "viewer"), password,
	    now_ms(), err, sizeof(err));
	crypto_wipe(password, sizeof(password));
	store_close(s);
	return r < 0 ? said(err) : EXIT_OK;
}

static int
token(const char *dir, const char *name, const struct options *o)
{
	char err[512], text[48];
	struct store *s = collect_store(dir, o->conf.store, err, sizeof(err));
	int r;

	if (!s)
		return said(err);
	r = enrol_token(s,
	    &(struct enrol_what){.name = name,
		.site = o->site,
		.kid = o->kid,
		.approve = o->approve,
		.kind = o->vouches ? KIND_VOUCHES
			: o->relay ? KIND_RELAY
				   : KIND_SENSOR},
	    now_ms(), text, err, sizeof(err));
	store_close(s);
	if (r < 0)
		return said(err);
	printf("%s\n", text);
	return EXIT_OK;
}

static int
backup(const char *dir, const char *to, const struct options *o)
{
	char err[512], path[STORE_PATH_MAX];

	if (collector_store_path(dir, o->conf.store, path, sizeof(path)) < 0)
		return said("what is the data base?");
	if (db_is_url(path))
		return said("the data base is a server's: pg_dump makes the copy");
	if (db_backup(path, to, err, sizeof(err)) < 0)
		return said(err);
	return EXIT_OK;
}

static int
join(const char *dir, struct options *o)
{
#ifdef HAVE_SEND
	struct forward_join *j = &o->join;
	char err[600];

	if (!j->url || !j->token || !j->name || !j->fingerprint == !j->ca)
		return cli_usage("collect",
		    "join takes --collector, --token, --name, and --ca-fingerprint or --ca");
	if (forward_join(dir, j, err, sizeof(err)) < 0)
		return said(err);
	printf("%s: joined %s as %s (%s)\n", dir, j->url, j->name, j->state);
	return EXIT_OK;
#else
	(void)dir;
	(void)o;
	return said("collect join: built without libcurl");
#endif
}

static int
share(int argc, char **argv, const struct options *o)
{
	struct collect_share what = o->share;
	char err[512], path[600];
	struct store *s = argc > 1 ? collect_store(argv[1], o->conf.store, err, sizeof(err)) : NULL;
	int status;

	if (!s)
		return argc > 1 ? said(err) : cli_usage("collect", "a directory");
	what.library = o->conf.library ? o->conf.library
				       : collect_found("library", "library", path, sizeof(path));
	if (access(what.library, F_OK) != 0)
		what.library = NULL;
	status = collect_share_run(s, argc, argv, &what);
	store_close(s);
	return status;
}

int
collect_serve(struct collector *co, const char *said)
{
	printf("page http%s://127.0.0.1:%u  sensors port %u\n", co->conf.plain ? "" : "s",
	    co->page_port, co->ingest_port);
	if (said)
		printf("%s\n", said);
	(void)fflush(stdout);
	(void)collector_run(co);
	return EXIT_OK;
}

static int
serve(const char *dir, struct options *o)
{
	struct collector *co;
	char err[512];

	o->conf.dir = dir;
	if (o->conf.notify_ca && access(o->conf.notify_ca, R_OK) != 0) {
		cli_say("%s: %s", o->conf.notify_ca, strerror(errno));
		return EXIT_UNABLE;
	}
	if (!(co = collector_new(&o->conf, err, sizeof(err))))
		return said(err);
	(void)collect_serve(co, NULL);
	collector_free(co);
	return EXIT_OK;
}

/* Signals are the main loop's alone: blocked before the first thread. */
static void
prepare(struct options *o)
{
	static char web[600], api[600], library[600];
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	log_set_limit(true);
	if (o->never_close)
		o->conf.quiet_s = 0;
	if (!o->conf.listen)
		o->conf.listen = "127.0.0.1:8443";
	if (!o->conf.ingest)
		o->conf.ingest = "127.0.0.1:8444";
	if (!o->conf.web && access(collect_found("build/web", "web", web, sizeof(web)), F_OK) == 0)
		o->conf.web = collect_found("build/web", "web", web, sizeof(web));
	if (!o->conf.library &&
	    access(collect_found("library", "library", library, sizeof(library)), F_OK) == 0)
		o->conf.library = collect_found("library", "library", library, sizeof(library));
	if (!o->conf.openapi)
		o->conf.openapi =
		    collect_found("collector/openapi.yaml", "openapi.yaml", api, sizeof(api));
}

int
cmd_collect(int argc, char **argv)
{
	struct options o = {.conf = {.quiet_s = QUIET_S}};
	const struct cli_opt table[] = {
	    {"listen", .text = &o.conf.listen},
	    {"ingest", .text = &o.conf.ingest},
	    {"plain", .flag = &o.conf.plain},
	    {"web", .text = &o.conf.web},
	    {"openapi", .text = &o.conf.openapi},
	    {"library", .text = &o.conf.library},
	    {"library-key", .text = &o.conf.library_key},
	    {"cert-life", .seconds = &o.conf.cert_s},
	    {"keep-days", .count = &o.conf.keep_days, .bad = "not a number of days"},
	    {"keep-heartbeats", .count = &o.conf.beats_days, .bad = "not a number of days"},
	    {"close-quiet", .seconds = &o.conf.quiet_s},
	    {"never-close", .flag = &o.never_close},
	    {"silent", .seconds = &o.conf.silent_s},
	    {"connections", .count = &o.conf.connections, .bad = "not a number of connections"},
	    {"per-address", .count = &o.conf.per_address, .bad = "not a number of connections"},
	    {"host", .text = &o.host},
	    {"role", .text = &o.role},
	    {"site", .text = &o.site},
	    {"kid", .text = &o.kid},
	    {"approve", .flag = &o.approve},
	    {"store", .text = &o.conf.store},
#ifdef HAVE_PG
	    {"db", .text = &o.conf.store},
#endif
#ifdef HAVE_NATS
	    {"nats", .text = &o.conf.nats},
	    {"nats-ca", .text = &o.conf.nats_ca},
	    {"nats-cert", .text = &o.conf.nats_cert},
	    {"nats-key", .text = &o.conf.nats_key},
#endif
	    {"relay", .flag = &o.relay},
	    {"vouches", .flag = &o.vouches},
#ifdef HAVE_SEND
	    {"collector", .text = &o.join.url},
	    {"token", .text = &o.join.token},
	    {"ca-fingerprint", .text = &o.join.fingerprint},
	    {"ca", .text = &o.join.ca},
	    {"name", .text = &o.join.name},
#endif
	    {"escalate", .seconds = &o.conf.escalate_s},
	    {"notify-ca", .text = &o.conf.notify_ca},
	    {"demo", .flag = &o.demo},
	    {"keep", .text = &o.share.keep},
	    {"tlp", .text = &o.share.tlp},
	    {"as", .text = &o.share.identity},
	    {"to", .text = &o.share.to},
	    {"writes", .flag = &o.share.writes},
	    {"lang", .text = &o.share.lang},
	    {"no-pdf", .flag = &o.share.no_pdf},
	    {"address", .text = &o.share.address},
	    {"via", .text = &o.share.via},
	    {"from", .text = &o.share.from},
	    {"secret", .text = &o.share.secret},
	    {"level", .count = &o.share.level, .bad = "not a level"},
	    {"severity", .count = &o.share.severity, .bad = "not a severity"},
	    {"format", .text = &o.share.format},
	    {"output", 'o', .text = &o.share.out},
	    {"policy", 'p', .text = &o.policy},
	    {"capture", .text = &o.capture},
	    {0},
	};
	int status;

	if (argc > 1 && strcmp(argv[1], "rollout") == 0)
		return collect_rollout(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "prepare") == 0)
		return collect_prepare(argc - 1, argv + 1);
	if (!cli_options("collect", help, table, &argc, &argv, &status))
		return status;
	if (argc == 2 && strcmp(argv[0], "init") == 0)
		return init(argv[1], &o);
	if (argc == 3 && strcmp(argv[0], "user") == 0)
		return user(argv[1], argv[2], &o);
	if (argc == 3 && strcmp(argv[0], "token") == 0)
		return token(argv[1], argv[2], &o);
	if (argc == 3 && strcmp(argv[0], "backup") == 0)
		return backup(argv[1], argv[2], &o);
	if (argc == 2 && strcmp(argv[0], "join") == 0)
		return join(argv[1], &o);
	if (argc > 0 && collect_share_knows(argv[0]))
		return share(argc, argv, &o);
	prepare(&o);
	if (o.demo && argc == 0) {
		o.conf.plain = true;
		return collect_demo(&o.conf, o.policy, o.capture);
	}
	if (argc == 1 && !o.demo)
		return serve(argv[0], &o);
	return cli_usage("collect", "a directory, or one of init, user, token, join, backup");
}
