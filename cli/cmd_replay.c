/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_replay.c - captures in; facts, verdicts, signed alerts and reports out.
 *
 * Each capture has an engine of its own, so that one cannot disturb the next;
 * alerts and reports are for all of them.  Every output is opened before the
 * first packet and checked when it is closed.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/alert.h"
#include "base/err.h"
#include "cli/again.h"
#include "cli/facts.h"
#include "cli/opts.h"
#include "cli/permits.h"
#include "cli/report.h"
#include "cli/sensor.h"

static const char usage_text[] =
    "usage: interlock replay [OPTION]... CAPTURE...\n"
    "Judge captures (pcap, pcapng; - is standard input) as a sensor would have.\n"
    "ALERT.json instead: make that alert again from its evidence (--evidence DIR, or beside "
    "it).\n\n"
    "  -p, --policy FILE    the policy; without one everything is allowed\n"
    "      --require-signed KEY  judge by a policy only that this public key has "
    "signed\n" PERMIT_HELP "      --inline         judge as a guard between two ports does\n"
    "      --fast           the whole capture in memory first; says how long judging took\n"
    "      --write PCAP     write the frames that a guard would forward (implies --inline)\n"
    "      --facts FILE     one JSON object per PDU\n" SENSOR_HELP
    "      --eve FILE       alerts as Suricata EVE JSON lines\n"
    "      --journal DIR    sign the alerts into a journal\n"
    "      --key KEY        with this secret key (see interlock key)\n"
    "      --name NAME      what alerts and batches call the sensor (default: the host's name)\n"
    "      --no-fold        one alert per event, also in a storm\n"
    "      --junit FILE     JUnit XML\n"
    "      --sarif FILE     SARIF 2.1.0; needs a policy\n"
    "      --json           the summary as JSON\n"
    "      --memory SIZE    memory for flows and streams, e.g. 256M (default 64M)\n"
    "  -q, --quiet          no summary and no progress\n\n"
    "FILE - is standard output; the summary then goes to standard error.\n"
    "exit status: 0 all is allowed, 1 some PDU, connection or frame is not (also when the\n"
    "mode only alerts), 2 could not work, or not to the end: a broken capture, a full disk\n";

struct options {
	const char *policy, *signers, *facts, *eve, *journal, *key, *name, *write, *junit, *sarif;
	struct cli_permits permits;
	struct sensor sensor;
	bool inline_mode, no_fold, json, quiet, fast;
	size_t memory;
	char **captures;
	size_t n_captures;
};

static bool
is_std(const char *path)
{
	return path && strcmp(path, "-") == 0;
}

/* What the options say together.  EXIT_OK, or EXIT_UNABLE and said why. */
static int
check_options(const struct options *o)
{
	unsigned in = is_std(o->policy),
		 out = (unsigned)is_std(o->facts) + is_std(o->eve) + is_std(o->write) +
		       is_std(o->junit) + is_std(o->sarif) + sensor_on_stdout(&o->sensor) + o->json;

	if (o->n_captures == 0)
		return cli_usage("replay", "no capture was given");
	for (size_t i = 0; i < o->n_captures; i++)
		in += is_std(o->captures[i]);
	if (in > 1)
		return cli_usage("replay", "only one input can be standard input");
	if (out > 1)
		return cli_usage("replay", "only one output can be standard output");
	if (o->key && !o->journal)
		return cli_usage("replay", "--key needs --journal");
	if (o->write && o->n_captures > 1)
		return cli_usage("replay", "--write takes one capture");
	if (o->write && o->fast)
		return cli_usage("replay", "--fast writes no frames");
	if (o->signers && !o->policy)
		return cli_usage("replay", "--require-signed needs a policy");
	if (o->sensor.evidence_dir && !o->eve && !o->journal &&
	    !(o->n_captures == 1 && again_is_alert(o->captures[0])))
		return cli_usage("replay", "--evidence needs --eve or --journal: alerts name it");
	if (o->permits.n && !o->policy)
		return cli_usage("replay", "--permit needs a policy that it fits");
	if (o->sarif && !o->policy)
		return cli_usage("replay", "--sarif needs a policy to point to");
	return EXIT_OK;
}

/* False: return *status. */
static bool
parse(int argc, char **argv, struct options *o, int *status)
{
	const struct cli_opt table[] = {
	    {"policy", 'p', .text = &o->policy},
	    {"require-signed", .text = &o->signers},
	    PERMIT_OPT(&o->permits),
	    {"inline", .flag = &o->inline_mode},
	    {"fast", .flag = &o->fast},
	    {"write", .text = &o->write},
	    {"facts", .text = &o->facts},
	    SENSOR_OPTS(&o->sensor),
	    {"eve", .text = &o->eve},
	    {"journal", .text = &o->journal},
	    {"name", .text = &o->name},
	    {"key", .text = &o->key},
	    {"no-fold", .flag = &o->no_fold},
	    {"junit", .text = &o->junit},
	    {"sarif", .text = &o->sarif},
	    {"json", .flag = &o->json},
	    {"memory", .size = &o->memory},
	    {"quiet", 'q', .flag = &o->quiet},
	    {0},
	};

	if (!cli_options("replay", usage_text, table, &argc, &argv, status))
		return false;
	o->inline_mode |= o->write != NULL;
	o->captures = argv;
	o->n_captures = (size_t)argc;
	*status = check_options(o);
	return *status == EXIT_OK;
}

/* --- the run ---------------------------------------------------------------------------- */

struct watcher {
	struct tally *tally;
	struct facts *facts;
	struct sensor *sensor;
	bool to_stdout; /* facts: nobody may be there to read them */
};

static void
on_fact(void *ctx, const struct engine_pdu *pdu)
{
	struct watcher *w = ctx;

	tally_fact(w->tally, pdu);
	if (w->facts)
		facts_put(w->facts, pdu);
	sensor_fact(w->sensor, pdu);
}

/* Nobody but the summary asks, which only counts. */
static void
on_known(void *ctx, const struct engine_known *known, unsigned n)
{
	struct watcher *w = ctx;

	tally_known(w->tally, known, n);
}

static void
on_cert(void *ctx, const struct engine_cert *cert)
{
	struct watcher *w = ctx;

	sensor_cert(w->sensor, cert);
}

static void
on_event(void *ctx, const struct event *ev)
{
	struct watcher *w = ctx;

	tally_event(w->tally, ev);
}

static bool
on_start(void *ctx, struct engine *e)
{
	struct watcher *w = ctx;

	if (tally_slots(w->tally, engine_max_flows(e)))
		return true;
	cli_say("no memory for the summary");
	return false;
}

/* Who sends; and: the reader of standard output has gone, do not work for nobody. */
static bool
on_burst(void *ctx, const struct pkt *burst, unsigned n)
{
	const struct watcher *w = ctx;

	sensor_burst(w->sensor, burst, n);
	return !w->to_stdout || facts_usable(w->facts);
}

struct replay {
	struct options o;
	struct policy *policy;
	struct alerts *alerts;
	struct facts *facts;
	struct out junit, sarif, summary;
	struct report report;
};

static int
open_alerts(struct replay *rp)
{
	const struct options *o = &rp->o;
	struct alerts_conf ac = {
	    .policy = rp->policy,
	    .sensor = o->name,
	    .eve_path = o->eve,
	    .journal_dir = o->journal,
	    .key_path = o->key,
	    .in_iface = o->captures[0],
	    .replay = true,
	    .enforcing = o->inline_mode,
	    .fold_window_ns = o->no_fold ? 0 : ALERT_FOLD_WINDOW_NS,
	    .fold_seed = RUN_SEED,
	    .named = o->sensor.evidence ? evidence_named : NULL,
	    .evidence = o->sensor.evidence ? evidence_of_policy : NULL,
	    .named_ctx = o->sensor.evidence,
	};
	char err[512] = "";

	if (!o->eve && !o->journal)
		return EXIT_OK;
	if ((rp->alerts = alerts_new(&ac, err, sizeof(err))))
		return EXIT_OK;
	cli_say("%s", *err ? err : "alerts cannot be written");
	return EXIT_UNABLE;
}

/* Everything that can fail before the first packet. */
static int
open_all(struct replay *rp)
{
	struct options *o = &rp->o;
	int status;

	if (o->policy && !(rp->policy = o->signers ? policy_signed(o->policy, o->signers)
						   : cli_policy(o->policy)))
		return EXIT_UNABLE;
	if (!cli_permits_load(&o->permits, rp->policy))
		return EXIT_UNABLE;
	if (o->facts && !(rp->facts = facts_open(o->facts, rp->policy)))
		return EXIT_UNABLE;
	if (!sensor_open(&o->sensor, RUN_SEED))
		return EXIT_UNABLE;
	if (!out_open(&rp->junit, o->junit) || !out_open(&rp->sarif, o->sarif))
		return EXIT_UNABLE;
	if ((status = open_alerts(rp)) == EXIT_OK)
		o->sensor.alerts = rp->alerts;
	return status;
}

static int
judge(struct replay *rp, struct capture *c)
{
	char spec[PATH_MAX + 16];
	struct watcher w = {&c->tally, rp->facts, &rp->o.sensor, is_std(rp->o.facts)};
	const struct run_conf conf = {
	    .policy = rp->policy,
	    .alerts = rp->alerts,
	    .memory_bytes = rp->o.memory,
	    .inline_mode = rp->o.inline_mode,
	    .progress = !rp->o.quiet && !rp->o.fast,
	    .write_to = rp->o.write,
	    .permits = rp->o.permits.permit,
	    .n_permits = rp->o.permits.n,
	    .on_fact = on_fact,
	    .on_known = rp->facts || sensor_wants_facts(&rp->o.sensor) ? NULL : on_known,
	    .on_event = on_event,
	    .on_cert = sensor_list_path(&rp->o.sensor, SENSOR_ASSETS) ? on_cert : NULL,
	    .on_start = on_start,
	    .on_burst = on_burst,
	    .ctx = &w,
	};

	if (!tally_init(&c->tally, rp->policy)) {
		cli_say("no memory for the summary");
		return EXIT_UNABLE;
	}
	if (rp->facts)
		facts_capture(rp->facts, c->path, rp->o.n_captures > 1);
	if (rp->o.fast &&
	    (size_t)snprintf(spec, sizeof(spec), "memory:%s", c->path) >= sizeof(spec)) {
		cli_say("%s: too long a name", c->path);
		return EXIT_UNABLE;
	}
	run_capture(rp->o.fast ? spec : c->path, &conf, &c->run);
	tally_slots_fini(&c->tally);
	if (c->tally.nomem) {
		cli_say("%s: out of memory: the summary is incomplete", c->path);
		c->run.status = EXIT_UNABLE;
	}
	return exit_worse(c->run.status, c->tally.denied != 0 ? EXIT_FOUND : EXIT_OK);
}

static int
close_alerts(struct replay *rp)
{
	uint64_t last = 0;
	int rc;

	if (!rp->alerts)
		return EXIT_OK;
	for (size_t i = 0; i < rp->report.n_caps; i++)
		if (rp->report.caps[i].run.last_ns > last)
			last = rp->report.caps[i].run.last_ns;
	rc = alerts_finish(rp->alerts, last);
	rp->report.alerts = alerts_stats(rp->alerts);
	if (rp->report.alerts->lost != 0)
		cli_say("%llu alerts were lost", (unsigned long long)rp->report.alerts->lost);
	if (rc < 0)
		cli_say("%s", *alerts_error(rp->alerts) ? alerts_error(rp->alerts) : err_str(rc));
	return rc < 0 || rp->report.alerts->lost != 0 ? EXIT_UNABLE : EXIT_OK;
}

/* The reports, when everything that they report is known. */
static int
write_reports(struct replay *rp)
{
	const struct options *o = &rp->o;
	bool busy = is_std(o->facts) || is_std(o->eve) || is_std(o->write) || is_std(o->junit) ||
		    is_std(o->sarif) || sensor_on_stdout(&o->sensor) > 0;
	bool ok = true;

	if (rp->junit.fp) {
		report_junit(&rp->report, rp->junit.fp);
		ok &= out_close(&rp->junit);
	}
	if (rp->sarif.fp) {
		ok &= out_json(&rp->sarif, report_sarif, &rp->report);
		ok &= out_close(&rp->sarif);
	}
	if (!ok)
		rp->report.status = EXIT_UNABLE;
	if (o->json) {
		struct out out = {stdout, "-"};

		ok &= out_json(&out, report_json, &rp->report);
		ok &= out_close(&out);
	} else if (!o->quiet) {
		struct out out = {busy ? stderr : stdout, "-"};
		char buf[1024];

		if (*sensor_findings(&o->sensor, buf, sizeof(buf)))
			cli_say("found: %s", buf);
		report_text(&rp->report, out.fp, cli_colour(out.fp));
		ok &= busy || out_close(&out);
	}
	return ok ? EXIT_OK : EXIT_UNABLE;
}

int
cmd_replay(int argc, char **argv)
{
	struct replay rp = {0};
	int status;

	if (!parse(argc, argv, &rp.o, &status))
		return status;
	if (rp.o.n_captures == 1 && again_is_alert(rp.o.captures[0])) {
		if (!rp.o.policy || (rp.policy = cli_policy(rp.o.policy)))
			status = again(rp.o.captures[0], &rp.o.sensor, rp.policy);
		else
			status = EXIT_UNABLE;
		policy_free(rp.policy);
		return status;
	}
	status = open_all(&rp);
	rp.report = (struct report){
	    .policy = rp.policy,
	    .policy_path = rp.o.policy,
	    .journal_dir = rp.o.journal,
	    .inline_mode = rp.o.inline_mode,
	    .fast = rp.o.fast,
	    .caps = calloc(rp.o.n_captures, sizeof(*rp.report.caps)),
	};
	if (status == EXIT_OK && !rp.report.caps) {
		cli_say("out of memory");
		status = EXIT_UNABLE;
	}
	if (status == EXIT_OK) {
		for (size_t i = 0; i < rp.o.n_captures; i++) {
			if (rp.alerts && i > 0 &&
			    alerts_set_input(rp.alerts, rp.o.captures[i],
				rp.report.caps[i - 1].run.last_ns) < 0) {
				cli_say("%s", alerts_error(rp.alerts));
				status = EXIT_UNABLE;
			}
			rp.report.caps[i].path = rp.o.captures[i];
			rp.report.n_caps++;
			status = exit_worse(status, judge(&rp, &rp.report.caps[i]));
		}
		sensor_end(&rp.o.sensor);
		status = exit_worse(status, close_alerts(&rp));
		if (!facts_close(rp.facts))
			status = EXIT_UNABLE;
		rp.facts = NULL;
		if (!sensor_write(&rp.o.sensor, rp.policy))
			status = EXIT_UNABLE;
		rp.report.status = status;
		status = exit_worse(status, write_reports(&rp));
	}
	(void)facts_close(rp.facts);
	sensor_fini(&rp.o.sensor);
	(void)out_close(&rp.junit);
	(void)out_close(&rp.sarif);
	alerts_free(rp.alerts);
	for (size_t i = 0; i < rp.report.n_caps; i++) {
		tally_fini(&rp.report.caps[i].tally);
		run_result_fini(&rp.report.caps[i].run);
	}
	free(rp.report.caps);
	policy_free(rp.policy);
	return status;
}
