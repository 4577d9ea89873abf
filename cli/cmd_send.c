/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_send.c - interlock send: take what is in a journal to a collector and to others. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "alerts/adopt.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/opts.h"

#ifdef HAVE_SEND
#include "sender/send.h"

static const char help[] =
    "usage: interlock send --journal DIR --state DIR [OPTION]... OUTPUT...\n"
    "Follow a journal and take every batch of it to each output, from where that one is. Nothing "
    "is lost\n"
    "while the other side is away: the journal has it. Needs no signing key.\n\n"
    "OUTPUT, with options behind commas:\n"
    "  https://HOST:PORT           a collector, by mutual TLS 1.3; needs --identity\n\n"
    "      --journal DIR    what is followed; only read\n"
    "      --state DIR      how far each output is, receipts, status.json\n"
    "      --identity DIR   what interlock send enrol left\n"
    "      --evidence DIR   captures EPOCH-SEQ.pcapng: to the collector, after their alert\n"
    "      --assets FILE    the list of devices (--assets of watch): to the collector, when it "
    "changes\n"
    "      --once           end when all that is there is delivered\n"
    "      --retry-max TIME pause between tries at most (default 60s)\n"
    "      --timeout TIME   of one request (default 60s)\n"
    "      --drain TIME     after SIGTERM it sends on for so long at most (default 10s)\n"
    "      --user NAME      who it is once all is open (default interlock, else nobody)\n"
    "  -v, --verbose        say what goes on, not only what goes wrong\n\n"
    "exit status: 0 all is delivered, 1 it was ended before (the journal has the rest), 2 could "
    "not\n"
    "work\n";

#define SECONDS_MAX 86400u

struct args {
	const char *journal, *state, *identity, *evidence, *assets, *user;
	uint64_t retry_s, timeout_s, drain_s;
	bool once, verbose;
};

static int
confine(void *ctx, char *err, size_t err_size)
{
	const struct args *a = ctx;
	uid_t uid;
	gid_t gid;

	(void)err_size;
	cli_user(a->user, &uid, &gid);
	alerts_adopt(uid, gid, a->state, NULL);
	*err = '\0';
	return cli_become(uid, gid) ? 0 : -1;
}

static int
send_here(const struct args *a, const char *const *targets, size_t n)
{
	struct send_conf conf = {
	    .targets = targets,
	    .n_targets = n,
	    .journal_dir = a->journal,
	    .state_dir = a->state,
	    .identity = a->identity,
	    .evidence_dir = a->evidence,
	    .assets_path = a->assets,
	    .retry_max_ms = (uint32_t)a->retry_s * 1000,
	    .timeout_ms = (uint32_t)a->timeout_s * 1000,
	    .drain_ms = (uint32_t)a->drain_s * 1000,
	    .once = a->once,
	    .confine = confine,
	    .ctx = (void *)(uintptr_t)a,
	};
	char err[512] = "";

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
	    {"once", .flag = &a.once},
	    {"retry-max", .seconds = &a.retry_s},
	    {"timeout", .seconds = &a.timeout_s},
	    {"drain", .seconds = &a.drain_s},
	    {"user", .text = &a.user},
	    {"verbose", 'v', .flag = &a.verbose},
	    {0},
	};
	int status;

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

#else /* a build without its libraries (make minimal) */

int
cmd_send(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cli_say("send: this build has no sender: libcurl or libgnutls were missing (interlock "
		"--version)");
	return EXIT_UNABLE;
}

#endif
