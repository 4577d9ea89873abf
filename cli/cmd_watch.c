/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_watch.c - interlock watch: a sensor on a mirror port.  The engine judges as in replay, stops nothing, and goes
 * on until it is told to end; what it has seen by then is the summary.
 *
 * Root opens the interface and the outputs, and then is somebody else; what has the key, and reads files with the rights watch
 * began with, are processes of their own, which see no packet (keeper.h).  Frames that the kernel could not hand over are
 * looked at every few seconds: an alert says how many, since what was in them nobody knows.
 *
 * SIGHUP: policy, baseline and list of addresses are read again, and the EVE file is opened anew.  SIGUSR1: devices, conversations and
 * map are written now.
 */
#ifdef HAVE_WATCH
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alerts/alert.h"
#include "alerts/delivery.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/sandbox.h"
#include "cli/facts.h"
#include "cli/keeper.h"
#include "cli/lists.h"
#include "cli/opts.h"
#include "cli/report.h"
#include "cli/sensor.h"
#include "cli/top.h"
#include "policy/image.h"

#define FACTS_EVERY   (NS_PER_S / 2)
#define MISSED_EVERY  (5 * NS_PER_S)
#define EVERY_DEFAULT 60u
#define FOR_MAX	      (3650u * 86400u) /* seconds */

static const char help[] =
    "usage: interlock watch -i IFACE [OPTION]...\n"
    "Listen on an interface (a mirror port, a tap): judge and tell as a guard would, stop nothing, "
    "send\n"
    "nothing. Ends with SIGINT or SIGTERM, --for or --packets, and then says what it has seen.\n\n"
    "  -i, --interface IFACE  where; promiscuous as long as it is listened to. dpdk:DEVICE is a "
    "port "
    "of DPDK\n"
    "      --own            not promiscuous: only frames that the interface takes anyway\n"
    "      --ring SIZE      of the kernel, for what comes while we are busy (default 16M)\n"
    "      --snaplen BYTES  of each frame (default 65536)\n"
    "      --fanout GROUP   share the interface with others of this group (1 to 65535), connection "
    "by\n"
    "                       connection\n"
    "  -p, --policy FILE    the policy; without one everything is allowed and told\n"
    "      --require-signed KEY  judge by a policy only that this public key has signed\n"
    "      --facts FILE     one JSON object per PDU\n" SENSOR_HELP
    "      --eve FILE       alerts as Suricata EVE JSON lines\n"
    "      --journal DIR    sign the alerts into a journal\n"
    "      --key KEY        with this secret key (see interlock key)\n"
    "      --receipt FILE   what a collector has signed for is not lost when the full journal lets "
    "go\n"
    "                       of it; FILE is kept by interlock send\n"
    "      --receipt-key FILE  who signs receipts: receipt.jwks of interlock send enrol\n"
    "      --sender DIR     --state of interlock send: what does not arrive is an alert, too\n"
    "      --sender-behind TIME  ... when nothing arrived for so long (default 60s)\n"
    "      --assets-state FILE  what the run before this one knew of devices; kept with --assets\n"
    "      --lists-every TIME  how often the files of --assets, --conversations and --map are\n"
    "                       replaced (default 5m; also on SIGUSR1, and at the end)\n"
    "      --for TIME       30s, 10m, 24h, 7d\n"
    "      --packets N      so many frames\n"
    "      --every TIME     a line about what goes by, on standard error (default 60s)\n"
    "      --top            what goes by, each second: a page on a terminal (q ends, tab, arrows), "
    "else\n"
    "                       lines; alerts of a policy, and of --detect\n"
    "      --user NAME      who it is once all is open (default interlock, else nobody)\n"
    "      --json           the summary as JSON\n"
    "      --memory SIZE    memory for flows and streams, e.g. 256M (default 64M)\n"
    "  -q, --quiet          no summary, and no lines\n\n"
    "SIGHUP: policy, baseline and watch list are read again; what has errors changes nothing.\n"
    "FILE - is standard output; the summary then goes to standard error.\n"
    "exit status: 0 all is allowed, 1 some PDU, connection or frame is not, 2 could not work, or "
    "not to\n"
    "the end: the interface is gone, a full disk\n";

struct options {
	const char *iface, *policy, *signers, *facts, *eve, *journal, *key, *user;
	uint64_t for_s, packets, every_s, lists_s, snaplen, fanout;
	size_t memory, ring;
	bool own, json, quiet, top;
	struct receipt_files receipts;
	const char *sender; /* whose deliveries are told */
	uint64_t behind_s;
	struct sensor sensor;
};

struct watch {
	struct options o;
	struct policy *first;	     /* that it began with; NULL: none, or another is in force */
	const struct policy *policy; /* in force; or NULL */
	struct alerts *alerts;
	struct facts *facts;
	struct top *top; /* NULL: not wanted */
	struct keeper keeper;
	bool kept; /* there is one */
	struct lists lists;
	struct capture cap; /* one: the interface */
	uint64_t seed;	    /* for hashes */
	/* the line of every so often, and what was so when it was said last */
	uint64_t line_ns, look_ns, facts_ns, said_ns, said_frames, said_pdus, missed;
};

/* --- options ------------------------------------------------------------------------------ */

static bool
on_stdout(const char *path)
{
	return path && strcmp(path, "-") == 0;
}

static int
check_options(const struct options *o)
{
	if (!o->iface)
		return cli_usage("watch", "which interface? -i IFACE");
	if (strncmp(o->iface, "dpdk:", 5) == 0 && (o->own || o->ring || o->snaplen || o->fanout))
		return cli_usage("watch", "--own, --ring, --snaplen, --fanout: a port of DPDK "
					  "takes everything, and has queues "
					  "of its own");
	if (on_stdout(o->facts) + on_stdout(o->eve) + sensor_on_stdout(&o->sensor) + o->json +
		o->top >
	    1)
		return cli_usage("watch", "only one output can be standard output");
	if (o->key && !o->journal)
		return cli_usage("watch", "--key needs --journal");
	if (!o->receipts.newest != !o->receipts.keys || (o->receipts.newest && !o->journal))
		return cli_usage(
		    "watch", "--receipt and --receipt-key go with each other and --journal");
	if (o->for_s > FOR_MAX || o->every_s > FOR_MAX || o->lists_s > FOR_MAX)
		return cli_usage("watch", "--for, --every, --lists-every: at most ten years");
	if (o->sensor.inv.state && !o->sensor.inv.path)
		return cli_usage("watch", "--assets-state needs --assets");
	if (o->sender && !o->eve && !o->journal)
		return cli_usage("watch", "--sender needs --journal: an alert tells");
	if (o->signers && !o->policy)
		return cli_usage("watch", "--require-signed needs a policy");
	return EXIT_OK;
}

/* False: return *status. */
static bool
parse(int argc, char **argv, struct options *o, int *status)
{
	const struct cli_opt table[] = {
	    {"interface", 'i', .text = &o->iface},
	    {"own", .flag = &o->own},
	    {"ring", .size = &o->ring},
	    {"snaplen", .count = &o->snaplen, .bad = "not a number of bytes"},
	    {"fanout", .count = &o->fanout, .bad = "not a number of a group"},
	    {"policy", 'p', .text = &o->policy},
	    {"require-signed", .text = &o->signers},
	    {"facts", .text = &o->facts},
	    SENSOR_OPTS(&o->sensor),
	    {"eve", .text = &o->eve},
	    {"journal", .text = &o->journal},
	    {"key", .text = &o->key},
	    {"receipt", .text = &o->receipts.newest},
	    {"receipt-key", .text = &o->receipts.keys},
	    {"sender", .text = &o->sender},
	    {"sender-behind", .seconds = &o->behind_s},
	    {"for", .seconds = &o->for_s},
	    {"packets", .count = &o->packets, .bad = "not a number of frames"},
	    {"every", .seconds = &o->every_s},
	    {"lists-every", .seconds = &o->lists_s},
	    {"assets-state", .text = &o->sensor.inv.state},
	    {"top", .flag = &o->top},
	    {"user", .text = &o->user},
	    {"json", .flag = &o->json},
	    {"memory", .size = &o->memory},
	    {"quiet", 'q', .flag = &o->quiet},
	    {0},
	};

	*o = (struct options){
	    .every_s = EVERY_DEFAULT, .lists_s = LISTS_EVERY, .behind_s = DELIVERY_PATIENCE_S};
	if (!cli_options("watch", help, table, &argc, &argv, status))
		return false;
	*status = argc > 0
		      ? cli_usage("watch", "%s: captures are judged by interlock replay", argv[0])
		      : check_options(o);
	return *status == EXIT_OK;
}

static volatile sig_atomic_t reload_asked, lists_asked;

static void
on_hangup(int sig)
{
	(void)sig;
	reload_asked = 1;
}

static void
on_user(int sig)
{
	(void)sig;
	lists_asked = 1;
}

/* --- while it runs -------------------------------------------------------------------------- */

static void
tell(struct watch *w, enum guard_event what, uint64_t now_ns, uint64_t count, const char *note)
{
	const struct event ev = {.kind = EVENT_GUARD,
	    .cond = (uint8_t)what,
	    .ts_ns = now_ns,
	    .verdict = {.rule = RULE_NONE, .conduit = RULE_NONE},
	    .note = note,
	    .count = count};

	if (w->alerts)
		alerts_put(w->alerts, &ev);
}

static void
on_fact(void *ctx, const struct engine_pdu *pdu)
{
	struct watch *w = ctx;

	tally_fact(&w->cap.tally, pdu);
	if (w->facts)
		facts_put(w->facts, pdu);
	sensor_fact(&w->o.sensor, pdu);
}

/* Nobody but the summary asks, which only counts. */
static void
on_known(void *ctx, const struct engine_known *known, unsigned n)
{
	struct watch *w = ctx;

	tally_known(&w->cap.tally, known, n);
}

static void
on_cert(void *ctx, const struct engine_cert *cert)
{
	struct watch *w = ctx;

	sensor_cert(&w->o.sensor, cert);
}

static void
on_event(void *ctx, const struct event *ev)
{
	struct watch *w = ctx;

	tally_event(&w->cap.tally, ev);
	if (w->top)
		top_event(w->top, ev);
}

static void
on_told(void *ctx, const struct event *ev)
{
	top_event(((struct watch *)ctx)->top, ev);
}

#ifndef __SANITIZE_ADDRESS__
/* The directory of a file: who replaces a file makes another, and rules are of what is there now. */
static const char *
beside(const char *path, char *buf, size_t size)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return ".";
	(void)snprintf(buf, size, "%.*s", slash == path ? 1 : (int)(slash - path), path);
	return buf;
}
#endif

/* What is left: descriptors that are open, evidence, to read again what may be replaced. */
static bool
confine(const struct watch *w, uid_t uid, gid_t gid)
{
#ifdef __SANITIZE_ADDRESS__ /* it looks for leaks at the end, as a debugger would */
	(void)w;
	return cli_become(uid, gid);
#else
	const struct sensor *sn = &w->o.sensor;
	const char *const dirs[] = {sn->evidence ? sn->evidence_dir : NULL, NULL};
	const char *reads[4] = {"/proc/self"}; /* --top: how much memory it takes */
	const struct sandbox sb = {
	    .role = SANDBOX_WATCH, .uid = uid, .gid = gid, .dirs = dirs, .reads = reads};
	char list[PATH_MAX], baseline[PATH_MAX], err[256] = "";
	size_t n = 1;

	if (sn->watch_path)
		reads[n++] = beside(sn->watch_path, list, sizeof(list));
	if (sn->baseline)
		reads[n++] = beside(sn->baseline, baseline, sizeof(baseline));
	if (sandbox_enter(&sb, err, sizeof(err)) == 0)
		return true;
	cli_say("%s", err);
	return false;
#endif
}

/* All is open: from here on it is somebody who can do nothing else. */
static bool
on_start(void *ctx, struct engine *e)
{
	struct watch *w = ctx;
	bool root = geteuid() == 0;
	uid_t uid;
	gid_t gid;

	if (!tally_slots(&w->cap.tally, engine_max_flows(e))) {
		cli_say("no memory for the summary");
		return false;
	}
	cli_user(w->o.user, &uid, &gid);
	if (w->o.sensor.evidence && root && evidence_chown(w->o.sensor.evidence, uid, gid) < 0) {
		cli_say("%s: cannot be given to user %u", w->o.sensor.evidence_dir, (unsigned)uid);
		return false;
	}
	if (!confine(w, uid, gid))
		return false;
	w->look_ns = clock_wall_ns();
	w->said_ns = w->line_ns = w->facts_ns = w->look_ns;
	if (!w->o.quiet)
		cli_say("%s: listening%s%s; nothing is sent", w->o.iface,
		    w->o.own ? "" : ", promiscuous",
		    !root	     ? ""
		    : geteuid() == 0 ? ", and still root: it could read the key"
				     : ", and no longer root");
	tell(w, GUARD_WATCH_STARTED, w->look_ns, 0, w->o.iface);
	if (w->o.top) {
		const struct top_conf tc = {
		    .iface = w->o.iface, .policy = w->policy, .convs = w->o.sensor.convs};

		if (!(w->top = top_new(&tc)))
			return false;
		w->o.sensor.told = on_told;
		w->o.sensor.told_ctx = w;
	}
	return true;
}

static bool
on_burst(void *ctx, const struct pkt *burst, unsigned n)
{
	struct watch *w = ctx;

	sensor_burst(&w->o.sensor, burst, n);
	if (!sensor_turn(&w->o.sensor, false))
		return false;
	return !on_stdout(w->o.facts) || facts_usable(w->facts);
}

static void
say_line(struct watch *w, struct engine *e, uint64_t now_ns)
{
	const struct engine_stats *st = engine_stats(e);
	double s = (double)(now_ns - w->said_ns) / 1e9;

	cli_say("%s: %" PRIu64 " frames (%.0f a second), %" PRIu64 " PDUs (%.0f a second), %" PRIu64
		" connections, %" PRIu64 " not allowed, %" PRIu64 " frames missed",
	    w->o.iface, st->received, (double)(st->received - w->said_frames) / s, st->pdus,
	    (double)(st->pdus - w->said_pdus) / s, st->flows_active, w->cap.tally.denied,
	    w->missed);
	w->said_ns = now_ns;
	w->said_frames = st->received;
	w->said_pdus = st->pdus;
}

/* The policy that has come, between two bursts. */
static void
put_in_force(struct watch *w, struct engine *e)
{
	char err[256] = "";
	const struct policy *old = w->policy,
			    *pol = policy_image_map(w->keeper.policy_fd, err, sizeof(err));

	(void)close(w->keeper.policy_fd);
	w->keeper.policy_fd = -1;
	if (!pol) {
		cli_say("%s: %s; the policy in force stays", w->o.policy, err);
		keeper_reloaded(&w->keeper, ERR_FORMAT);
		return;
	}
	engine_set_policy(e, pol);
	w->policy = pol;
	tally_policy(&w->cap.tally, pol);
	if (w->facts)
		facts_policy(w->facts, pol);
	if (w->top)
		top_policy(w->top, pol);
	if (w->first)
		policy_free(w->first);
	else
		policy_image_unmap(old);
	w->first = NULL;
	keeper_reloaded(&w->keeper, 0);
	cli_say("%s: read again, and in force", w->o.policy);
}

/* What others have asked for, and what has come of it.  False: the end. */
static bool
look_around(struct watch *w, struct engine *e)
{
	if (!keeper_turn(&w->keeper, w->o.sensor.evidence))
		return false;
	if (reload_asked) {
		reload_asked = 0;
		keeper_reload(&w->keeper);
		(void)sensor_reload(&w->o.sensor);
	}
	if (w->keeper.policy_fd >= 0)
		put_in_force(w, e);
	w->lists.now |= lists_asked != 0;
	lists_asked = 0;
	lists_turn(&w->lists, w->policy);
	return true;
}

static bool
show(struct watch *w, const struct io *io, struct engine *e)
{
	const struct engine_stats *st = engine_stats(e);
	const struct top_numbers n = {.frames = st->received,
	    .bytes = st->bytes,
	    .pdus = st->pdus,
	    .connections = st->flows_active,
	    .denied = w->cap.tally.denied,
	    .missed = w->missed};

	return top_turn(w->top, clock_mono_ns(), io->now_ns, &n);
}

static bool
on_turn(void *ctx, const struct io *io, struct engine *e)
{
	struct watch *w = ctx;
	uint64_t now = io->now_ns;
	struct io_stats st;

	/* a clock that was put back: begin to count again */
	if (now < w->look_ns || now < w->said_ns)
		w->look_ns = w->line_ns = w->said_ns = w->facts_ns = now;
	sensor_flush(&w->o.sensor);
	if (w->facts && now - w->facts_ns >= FACTS_EVERY) {
		w->facts_ns = now;
		facts_flush(w->facts);
	}
	if (!look_around(w, e)) {
		w->cap.run.status = EXIT_UNABLE;
		return false;
	}
	if (now - w->look_ns >= MISSED_EVERY) {
		w->look_ns = now;
		(void)sensor_look(&w->o.sensor);
		io->be->stats(io, &st);
		if (st.rx_dropped > w->missed)
			tell(w, GUARD_WATCH_MISSED, now, st.rx_dropped - w->missed, w->o.iface);
		w->missed = st.rx_dropped;
	}
	if (w->top)
		return show(w, io, e);
	if (!w->o.quiet && now - w->line_ns >= w->o.every_s * NS_PER_S) {
		w->line_ns = now;
		say_line(w, e, now);
	}
	return true;
}

static void
on_end(void *ctx)
{
	struct watch *w = ctx;

	sensor_end(&w->o.sensor);
	tell(w, GUARD_WATCH_STOPPED, clock_wall_ns(), 0, w->o.iface);
	top_free(w->top);
	w->top = NULL;
	w->o.sensor.told = NULL;
}

/* --- the verb -------------------------------------------------------------------------------- */

/* The key goes to a process that will never see a packet, before there are any. */
static bool
begin_keeper(struct watch *w)
{
	const struct options *o = &w->o;
	struct keeper_conf kc = {
	    .journal_dir = o->journal,
	    .key_path = o->key,
	    .eve_path = o->eve,
	    .receipts = o->receipts,
	    .iface = o->iface,
	    .sender_dir = o->sender,
	    .sender_behind_s = o->behind_s,
	    .policy = w->policy,
	    .policy_path = o->policy,
	    .signed_by = o->signers,
	};

	cli_user(o->user, &kc.uid, &kc.gid);
	lists_plan(&w->o.sensor, kc.list);
	(void)signal(SIGHUP, SIG_IGN); /* until somebody can do something about it */
	(void)signal(SIGUSR1, SIG_IGN);
	w->kept = keeper_start(&w->keeper, &kc);
	return w->kept;
}

static int
open_all(struct watch *w)
{
	const struct options *o = &w->o;
	struct alerts_conf ac = {.side = ALERTS_PACKET, .fold_window_ns = ALERT_FOLD_WINDOW_NS};
	char err[512] = "";

	if (o->policy &&
	    !(w->first = o->signers ? policy_signed(o->policy, o->signers) : cli_policy(o->policy)))
		return EXIT_UNABLE;
	w->policy = ac.policy = w->first;
	if (o->sensor.evidence_dir && !o->eve && !o->journal)
		return cli_usage("watch", "--evidence needs --eve or --journal: alerts name it");
	if (!begin_keeper(w))
		return EXIT_UNABLE;
	if (o->facts && !(w->facts = facts_open(o->facts, w->policy)))
		return EXIT_UNABLE;
	crypto_random(&w->seed, sizeof(w->seed));
	w->o.sensor.convs_wanted = o->top;
	if (!sensor_open(&w->o.sensor, w->seed) ||
	    !lists_begin(&w->lists, &w->keeper, &w->o.sensor, o->lists_s))
		return EXIT_UNABLE;
	if (w->o.sensor.evidence) {
		evidence_named_later(w->o.sensor.evidence);
		ac.evidence = evidence_of_policy;
		ac.named_ctx = w->o.sensor.evidence;
	}
	ac.shared = w->keeper.shared;
	if (ac.shared && !(w->alerts = alerts_new(&ac, err, sizeof(err)))) {
		cli_say("%s", *err ? err : "alerts cannot be written");
		return EXIT_UNABLE;
	}
	w->o.sensor.alerts = w->alerts;
	if (!tally_init(&w->cap.tally, w->policy)) {
		cli_say("no memory for the summary");
		return EXIT_UNABLE;
	}
	return EXIT_OK;
}

/* As the backends want it; false: too long. */
static bool
spec_of(const struct options *o, char *buf, size_t size)
{
	int n;

	if (strncmp(o->iface, "dpdk:", 5) == 0)
		return snprintf(buf, size, "%s", o->iface) < (int)size;
	n = snprintf(buf, size, "pcap:%s%s", o->iface, o->own ? ",own" : "");
	if (n < (int)size && o->snaplen)
		n += snprintf(buf + n, size - (size_t)n, ",snap=%" PRIu64, o->snaplen);
	if (n < (int)size && o->ring)
		n += snprintf(buf + n, size - (size_t)n, ",ring=%zu", o->ring);
	if (n < (int)size && o->fanout)
		n += snprintf(buf + n, size - (size_t)n, ",fanout=%" PRIu64, o->fanout);
	return n < (int)size;
}

static int
listen_on(struct watch *w)
{
	const struct run_conf conf = {
	    .policy = w->policy,
	    .alerts = w->alerts,
	    .memory_bytes = w->o.memory,
	    .on_fact = on_fact,
	    .on_known = w->facts || sensor_wants_facts(&w->o.sensor) ? NULL : on_known,
	    .on_event = on_event,
	    .on_cert = sensor_list_path(&w->o.sensor, SENSOR_ASSETS) ? on_cert : NULL,
	    .on_start = on_start,
	    .on_burst = on_burst,
	    .on_turn = on_turn,
	    .on_end = on_end,
	    .ctx = w,
	    .seed = w->seed,
	    .until_ns = w->o.for_s ? clock_mono_ns() + w->o.for_s * NS_PER_S : 0,
	    .packets = w->o.packets,
	};
	char spec[640]; /* a device of DPDK is long */

	if (!spec_of(&w->o, spec, sizeof(spec)))
		return cli_usage("watch", "-i %s: too long for an interface", w->o.iface);
	w->cap.path = w->o.iface;
	(void)signal(SIGHUP, on_hangup);
	(void)signal(SIGUSR1, on_user);
	run_capture(spec, &conf, &w->cap.run);
	tally_slots_fini(&w->cap.tally);
	if (w->cap.run.missed != 0)
		cli_say("%s: %" PRIu64
			" frames came faster than they were taken, and are not in it",
		    w->o.iface, w->cap.run.missed);
	return exit_worse(w->cap.run.status, w->cap.tally.denied != 0 ? EXIT_FOUND : EXIT_OK);
}

static int
finish(struct watch *w, int status)
{
	struct report report = {.policy = w->policy,
	    .policy_path = w->o.policy,
	    .journal_dir = w->o.journal,
	    .caps = &w->cap,
	    .n_caps = 1,
	    .status = status};
	bool busy =
	    on_stdout(w->o.facts) || on_stdout(w->o.eve) || sensor_on_stdout(&w->o.sensor) > 0;
	struct out out = {busy ? stderr : stdout, "-"};

	if (w->alerts) {
		(void)alerts_finish(w->alerts, clock_wall_ns());
		report.alerts = &w->keeper.stats;
	}
	if (!lists_end(&w->lists, w->policy))
		status = EXIT_UNABLE;
	keeper_end(&w->keeper, w->o.sensor.evidence);
	w->kept = false;
	sensor_flush(&w->o.sensor);
	if (w->alerts && (w->keeper.result < 0 || w->keeper.stats.lost != 0)) {
		cli_say("%s", w->keeper.result < 0 && *w->keeper.error ? w->keeper.error
								       : "some alerts were lost");
		status = EXIT_UNABLE;
	}
	if (!facts_close(w->facts))
		status = EXIT_UNABLE;
	w->facts = NULL;
	if (!sensor_write(&w->o.sensor, w->policy))
		status = EXIT_UNABLE;
	report.status = status;
	if (w->o.json) {
		if (!out_json(&out, report_json, &report))
			status = EXIT_UNABLE;
	} else if (!w->o.quiet) {
		char buf[1024];

		if (*sensor_findings(&w->o.sensor, buf, sizeof(buf)))
			cli_say("found: %s", buf);
		report_text(&report, out.fp, cli_colour(out.fp));
	}
	return busy || out_close(&out) ? status : EXIT_UNABLE;
}

int
cmd_watch(int argc, char **argv)
{
	struct watch w = {0};
	int status;

	if (!parse(argc, argv, &w.o, &status))
		return status;
	status = open_all(&w);
	if (status == EXIT_OK) {
		status = listen_on(&w);
		if (w.cap.run.max_flows != 0)
			status = finish(&w, status);
	}
	(void)facts_close(w.facts);
	top_free(w.top);
	sensor_fini(&w.o.sensor);
	alerts_free(w.alerts);
	if (w.kept)
		keeper_end(&w.keeper, NULL);
	tally_fini(&w.cap.tally);
	run_result_fini(&w.cap.run);
	policy_free(w.first);
	return status;
}

#else /* a build without them (make minimal) */

#include "cli/cli.h"

int
cmd_watch(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cli_say("watch: this build cannot confine its processes: libseccomp or libcap was missing "
		"(interlock --version)");
	return EXIT_UNABLE;
}

#endif
