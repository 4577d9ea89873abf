/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_learn.c - interlock learn: a policy proposed from recorded traffic, and held against that
 * same traffic before it is written.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/build_id.h"
#include "base/clock.h"
#include "cli/learn.h"
#include "cli/opts.h"
#include "cli/report.h"

#define UNCOVERED_MAX 12u

static const char help[] =
    "usage: interlock learn [-o FILE] [-p POLICY] CAPTURE...\n"
    "       interlock learn [-o FILE] [-p POLICY] --live IFACE [--for TIME] [--packets N] [--own]\n"
    "Propose the smallest policy that keeps recorded traffic going. Every rule carries its "
    "evidence and\n"
    "is disabled until a person approves it (takes `enabled: false` away).\n\n"
    "  -o, --output FILE   where it goes (default: standard output)\n"
    "  -p, --policy FILE   what is there already: propose only what it does not allow\n\n"
    "      --live IFACE    from an interface, until --for or --packets is reached, or SIGINT or "
    "SIGTERM\n"
    "                      comes: what there is by then is written. It listens only, nothing is "
    "sent\n"
    "      --for TIME      30s, 10m, 24h, 7d\n"
    "      --packets N     so many frames\n"
    "      --own           not promiscuous: only frames that the interface takes anyway. Without "
    "it\n"
    "                      the interface is promiscuous as long as it is listened to\n\n"
    "Before it is written the proposal, as if approved, judges the same captures; what it would "
    "not\n"
    "let pass stands at its end as comments.\n\n"
    "exit status: 0 written (with -p: nothing to propose), 1 with -p: something to propose,\n"
    "2 could not work\n";

struct options {
	const char *output, *policy;
	char **captures;
	size_t n;
	const char *live; /* an interface instead of captures */
	uint64_t for_s, packets;
	bool own;
};

/* What gather() knows beside what was learned. */
struct watching {
	struct learn *l;
	const struct options *o;
};

static bool
on_burst(void *ctx, const struct pkt *burst, unsigned n)
{
	struct watching *w = ctx;

	learn_packets(w->l, burst, n);
	return true;
}

static void
on_fact(void *ctx, const struct engine_pdu *pdu)
{
	struct watching *w = ctx;

	learn_fact(w->l, pdu);
}

/* Not before it is so. */
static bool
on_listening(void *ctx, struct engine *e)
{
	const struct options *o = ((const struct watching *)ctx)->o;
	bool root = geteuid() == 0;
	uid_t uid;
	gid_t gid;

	(void)e;
	cli_user(NULL, &uid, &gid);
	if (!cli_become(uid, gid))
		return false;
	cli_say("%s: listening%s%s; nothing is sent", o->live, o->own ? "" : ", promiscuous",
	    root ? ", and no longer root" : "");
	return true;
}

static int
gather_live(struct learn *l, const struct options *o)
{
	struct watching w = {l, o};
	const struct run_conf conf = {
	    .policy = l->base,
	    .on_fact = on_fact,
	    .on_burst = on_burst,
	    .on_start = on_listening,
	    .ctx = &w,
	    .until_ns = o->for_s ? clock_mono_ns() + o->for_s * NS_PER_S : 0,
	    .packets = o->packets,
	};
	struct run_result r;
	char spec[128];

	(void)snprintf(spec, sizeof(spec), "pcap:%s%s", o->live, o->own ? ",own" : "");
	run_capture(spec, &conf, &r);
	if (r.missed != 0)
		cli_say("%s: %" PRIu64
			" frames came faster than they were taken, and are not in it",
		    o->live, r.missed);
	run_result_fini(&r);
	learn_finish(l);
	return r.status;
}

static int
gather(struct learn *l, const struct options *o)
{
	struct watching w = {l, o};
	const struct run_conf conf = {
	    .policy = l->base,
	    .progress = true,
	    .on_fact = on_fact,
	    .on_burst = on_burst,
	    .ctx = &w,
	};
	int status = EXIT_OK;

	for (size_t i = 0; i < o->n; i++) {
		struct run_result r;

		run_capture(o->captures[i], &conf, &r);
		status = exit_worse(status, r.status);
		run_result_fini(&r);
	}
	learn_finish(l);
	return status;
}

/* --- the proposal against what it was made of ------------------------------------------------------- */

static void
check_fact(void *ctx, const struct engine_pdu *p)
{
	tally_fact(ctx, p);
}

static void
check_event(void *ctx, const struct event *ev)
{
	tally_event(ctx, ev);
}

static bool
check_start(void *ctx, struct engine *e)
{
	return tally_slots(ctx, engine_max_flows(e));
}

static void
put_uncovered(const struct tally *t, const struct policy *pol, const char *capture, FILE *to)
{
	unsigned shown = 0;

	for (uint32_t i = 0; i < t->n_findings; i++) {
		const struct finding *f = &t->findings[i];
		char ends[NAME_SIZE], who[NAME_SIZE];

		if (!f->denied)
			continue;
		if (shown++ == UNCOVERED_MAX)
			fputs("#   ...\n", to);
		if (shown > UNCOVERED_MAX)
			continue;
		fprintf(to, "#   %" PRIu64 " %s, %s by %s: %s frame %" PRIu64 "%s%s\n", f->count,
		    report_ends(pol, f, ends), report_subject(f), report_decider(pol, f, who),
		    capture, f->sample[0].frame, f->sample[0].text[0] ? ": " : "",
		    f->sample[0].text);
	}
}

/* What the approved proposal would not let pass.  UINT64_MAX: it is no policy (a fault of ours). */
static uint64_t
check(struct learn *l, const struct options *o, const char *header, FILE *to)
{
	struct complaints c = {.file = "proposal"};
	struct learn_text text = {0};
	struct policy *pol;
	uint64_t denied = 0;

	learn_write(l, header, true, &text);
	pol = policy_build_text("proposal", text.p, text.n, &c);
	if (!pol)
		complaints_print(&c, stderr);
	complaints_fini(&c);
	for (size_t i = 0; i < o->n && pol; i++) {
		struct tally t;
		struct run_result r;
		const struct run_conf conf = {
		    .policy = pol,
		    .on_fact = check_fact,
		    .on_event = check_event,
		    .on_start = check_start,
		    .ctx = &t,
		};

		if (!tally_init(&t, pol))
			continue;
		run_capture(o->captures[i], &conf, &r);
		if (t.denied != 0 && denied == 0)
			fputs("# Approved as it is, this would still not let pass, of the same "
			      "captures:\n",
			    to);
		put_uncovered(&t, pol, o->captures[i], to);
		denied += t.denied;
		run_result_fini(&r);
		tally_fini(&t);
	}
	policy_free(pol);
	return pol ? denied : UINT64_MAX;
}

/* --- the verb ----------------------------------------------------------------------------------------- */

static int
propose(struct learn *l, const struct options *o, FILE *to)
{
	char header[512], from[CLOCK_STRLEN], until[CLOCK_STRLEN];
	struct learn_text text = {0};
	uint64_t denied;

	if (l->base) {
		bool more = learn_write_more(l, o->policy, &text);

		fputs(more ? text.p : "", to);
		fprintf(stderr, "%" PRIu64 " PDUs; %s\n", l->pdus,
		    more ? "not all are allowed by the policy that is there"
			 : "all are allowed by the policy that is there");
		return more ? EXIT_FOUND : EXIT_OK;
	}
	snprintf(header, sizeof(header),
	    "# Proposed by interlock learn %s from %.200s%s: %" PRIu64 " frames, %" PRIu64
	    " PDUs,\n# %.19s to %.19s UTC.\n",
	    build_version, o->live ? o->live : o->captures[0], o->n > 1 ? " and others" : "",
	    l->frames, l->pdus, clock_str(l->first_ns, from), clock_str(l->last_ns, until));
	for (char *c = header; *c; c++)
		if ((unsigned char)*c < 0x20 && *c != '\n')
			*c = '?';
	learn_write(l, header, false, &text);
	fputs(text.p, to);
	if (l->unnamed != 0)
		fprintf(to,
		    "# %" PRIu64 " connections of protocols without a name are not in it.\n",
		    l->unnamed);
	if (l->lost != 0)
		fprintf(
		    to, "# %" PRIu64 " observations found no room and are not in it.\n", l->lost);
	if (o->live)
		fputs("# What was seen is gone: the proposal was not held against it.\n", to);
	denied = check(l, o, header, to);
	if (denied == UINT64_MAX) {
		cli_say("the proposal is not a usable policy: internal error");
		return EXIT_UNABLE;
	}
	if (o->live) {
		fprintf(stderr, "%u devices, %u pairs, %" PRIu64 " PDUs\n", l->devices.n,
		    l->pairs.n, l->pdus);
		return EXIT_OK;
	}
	fprintf(stderr,
	    "%u devices, %u pairs, %" PRIu64 " PDUs; approved, it would not let pass %" PRIu64
	    " of what is in the captures\n",
	    l->devices.n, l->pairs.n, l->pdus, denied);
	return EXIT_OK;
}

static int
learn(struct arena *a, const struct policy *base, const struct options *o)
{
	struct learn *l = calloc(1, sizeof(*l));
	struct out out;
	jmp_buf oom;
	volatile int status = EXIT_UNABLE;

	if (!l || !out_open(&out, o->output ? o->output : "-")) {
		free(l);
		return EXIT_UNABLE;
	}
	/* cppcheck-suppress autoVariables ; taken back below */
	a->oom = &oom;
	if (setjmp(oom) == 0) {
		learn_init(l, a, base);
		status = o->live ? gather_live(l, o) : gather(l, o);
		status = exit_worse(status, propose(l, o, out.fp));
	} else {
		cli_say("out of memory");
	}
	a->oom = NULL;
	free(l);
	return out_close(&out) ? status : EXIT_UNABLE;
}

int
cmd_learn(int argc, char **argv)
{
	struct options o = {0};
	const struct cli_opt table[] = {
	    {"output", 'o', .text = &o.output},
	    {"policy", 'p', .text = &o.policy},
	    {"live", .text = &o.live},
	    {"for", .seconds = &o.for_s, .bad = "not a time such as 10m or 24h"},
	    {"packets", .count = &o.packets, .bad = "not a number of frames"},
	    {"own", .flag = &o.own},
	    {0},
	};
	struct policy *base = NULL;
	struct arena a = {0};
	int status;

	if (!cli_options("learn", help, table, &argc, &argv, &status))
		return status;
	o.captures = argv;
	o.n = (size_t)argc;
	if (o.live && o.n != 0)
		return cli_usage("learn", "--live or captures, not both");
	if (!o.live && (o.for_s || o.packets || o.own))
		return cli_usage("learn", "--for, --packets and --own go with --live");
	if (o.n == 0 && !o.live)
		return cli_usage("learn", "which captures?");
	for (size_t i = 0; i < o.n; i++)
		if (strcmp(o.captures[i], "-") == 0 && !o.policy)
			return cli_usage(
			    "learn", "captures are read twice: not from standard input");
	if (o.policy && !(base = cli_policy(o.policy)))
		return EXIT_UNABLE;
	status = learn(&a, base, &o);
	arena_fini(&a);
	policy_free(base);
	return status;
}
