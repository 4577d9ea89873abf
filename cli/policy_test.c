/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_test.c - policy test: expectations on recorded traffic, for the repository in which a
 * policy lives.  TAP on standard output, JUnit for CI.  Each capture is judged once.
 */
#include "cli/opts.h"
#include "cli/policy_test.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/permits.h"
#include "cli/report.h"

#define TEST_BYTES (4u << 20)

static const char help[] =
    "usage: interlock policy test [-p POLICY] [--permit FILE] [--junit FILE] TEST...\n"
    "Judge captures by a policy and compare with what the files expect; TAP on standard output.\n\n"
    "  -p, --policy FILE   this policy instead of the one a test file names\n" PERMIT_HELP
    "      --junit FILE    the results as JUnit XML too\n\n"
    "exit status: 0 all is as expected, 1 something is not, 2 could not work\n";

/* --- one judgement against the expectations --------------------------------------------------- */

struct thing {
	enum what what;
	uint64_t frame;
	const struct net_tuple *t;
	bool to_client;
	const struct verdict *v;
	const struct fact *f; /* NULL: a connection or a frame */
};

struct run_ctx {
	struct test_file *file;
	const char *capture;
	bool inline_mode;
};

static bool
side_is(const struct policy *pol, const struct side *s, const struct net_addr *a)
{
	const char *name;

	if (!s->name)
		return true;
	if (s->is_addr)
		return net_addr_eq(&s->addr, a);
	return ((name = policy_device_name(pol, a)) && strcmp(name, s->name) == 0) ||
	       ((name = policy_zone_name(pol, a)) && strcmp(name, s->name) == 0);
}

static bool
selected(const struct policy *pol, const struct expectation *x, const struct thing *g)
{
	const struct net_addr *from = g->to_client ? &g->t->dst : &g->t->src;
	const struct net_addr *to = g->to_client ? &g->t->src : &g->t->dst;

	if (!(x->kinds >> g->what & 1) || (x->frame && x->frame != g->frame))
		return false;
	if ((x->proto || x->op || x->code >= 0) && !g->f)
		return false;
	if (x->proto && strcmp(x->proto, fact_proto_name(g->f)) != 0)
		return false;
	if ((x->op && strcmp(x->op, g->f->op) != 0) || (x->code >= 0 && x->code != g->f->code))
		return false;
	return side_is(pol, &x->from, from) && side_is(pol, &x->to, to);
}

/* "setpoints" or "hmi-filler/setpoints" */
static bool
rule_is(const struct policy *pol, const struct verdict *v, const char *want)
{
	struct policy_rule_info ri;
	size_t n;

	if (v->reason != REASON_RULE || policy_rule_info(pol, v->rule, &ri) < 0)
		return false;
	if (strcmp(ri.name, want) == 0)
		return true;
	n = strlen(ri.conduit);
	return strncmp(want, ri.conduit, n) == 0 && want[n] == '/' &&
	       strcmp(want + n + 1, ri.name) == 0;
}

static bool
as_expected(const struct policy *pol, const struct expectation *x, const struct verdict *v)
{
	if (x->verdicts && !(x->verdicts >> v->would & 1))
		return false;
	if (x->rule && !rule_is(pol, v, x->rule))
		return false;
	return !x->reason || strcmp(x->reason, policy_reason_name(v->reason)) == 0;
}

static void
show(const struct policy *pol, struct expectation *x, const struct thing *g)
{
	const struct finding f = {.rule = g->v->rule,
	    .conduit = g->v->conduit,
	    .reason = g->v->reason,
	    .kind = (uint8_t)(g->what == WHAT_FRAME ? EVENT_L2 : EVENT_FLOW)};
	char what[112] = "", who[NAME_SIZE];

	if (g->f)
		tally_describe_named(pol, g->t, g->f, g->v->item, what, sizeof(what));
	snprintf(x->shown[x->wrong], sizeof(x->shown[0]), "frame %" PRIu64 ": %s%s%s: %s by %s",
	    g->frame, g->f ? g->f->op : test_what_name(g->what), what[0] ? " " : "", what,
	    verdict_action_name(g->v->would), report_decider(pol, &f, who));
}

static void
judged(const struct run_ctx *r, const struct thing *g)
{
	const struct policy *pol = r->file->policy;

	for (uint32_t i = 0; i < r->file->n; i++) {
		struct test_case *k = &r->file->v[i];

		if (strcmp(k->capture, r->capture) != 0 || k->inline_mode != r->inline_mode)
			continue;
		for (uint32_t j = 0; j < k->n; j++) {
			struct expectation *x = &k->v[j];

			if (!selected(pol, x, g))
				continue;
			x->selected++;
			if (as_expected(pol, x, g->v))
				continue;
			if (x->wrong < SHOWN)
				show(pol, x, g);
			x->wrong++;
		}
	}
}

static void
on_fact(void *ctx, const struct engine_pdu *p)
{
	const struct thing g = {
	    .what = (enum what)p->fact->kind,
	    .frame = p->frame,
	    .t = p->tuple,
	    .to_client = p->fact->dir == DIR_TO_CLIENT,
	    .v = p->verdict,
	    .f = p->fact,
	};

	judged(ctx, &g);
}

static void
on_event(void *ctx, const struct event *ev)
{
	const struct thing g = {
	    .what = ev->kind == EVENT_L2 ? WHAT_FRAME : WHAT_CONNECTION,
	    .frame = ev->frame,
	    .t = ev->tuple,
	    .v = &ev->verdict,
	};

	if (!ev->fact && (ev->kind == EVENT_L2 || ev->kind == EVENT_FLOW))
		judged(ctx, &g);
}

/* --- captures ------------------------------------------------------------------------------------ */

static void
judge(struct test_file *t, uint32_t first, const struct cli_permits *permits)
{
	struct run_ctx r = {t, t->v[first].capture, t->v[first].inline_mode};
	const struct run_conf conf = {
	    .policy = t->policy,
	    .inline_mode = r.inline_mode,
	    .permits = permits->permit,
	    .n_permits = permits->n,
	    .on_fact = on_fact,
	    .on_event = on_event,
	    .ctx = &r,
	};
	struct run_result res;

	run_capture(r.capture, &conf, &res);
	for (uint32_t i = first; i < t->n; i++)
		if (strcmp(t->v[i].capture, r.capture) == 0 && t->v[i].inline_mode == r.inline_mode)
			t->v[i].broken = res.status != EXIT_OK;
	run_result_fini(&res);
}

static bool
first_of_its_run(const struct test_file *t, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++)
		if (strcmp(t->v[k].capture, t->v[i].capture) == 0 &&
		    t->v[k].inline_mode == t->v[i].inline_mode)
			return false;
	return true;
}

/* --- results ------------------------------------------------------------------------------------- */

static bool
met(const struct expectation *x)
{
	return x->wrong == 0 && x->selected >= x->at_least && x->selected <= x->at_most;
}

static bool
passed(const struct test_case *k)
{
	for (uint32_t i = 0; i < k->n; i++)
		if (!met(&k->v[i]))
			return false;
	return !k->broken;
}

/* What failed of a case, a line each, with `before` in front. */
static void
put_why(FILE *to, const struct test_file *t, const struct test_case *k, const char *before,
    void (*put)(FILE *to, const char *s))
{
	char line[512];

	if (k->broken) {
		snprintf(line, sizeof(line), "%s: could not be read to its end", k->capture);
		fputs(before, to);
		put(to, line);
		fputc('\n', to);
	}
	for (uint32_t i = 0; i < k->n; i++) {
		const struct expectation *x = &k->v[i];
		char most[32] = "";

		if (met(x))
			continue;
		if (x->at_most == UINT64_MAX)
			snprintf(most, sizeof(most), " or more");
		else if (x->at_most != x->at_least)
			snprintf(most, sizeof(most), "..%" PRIu64, x->at_most);
		snprintf(line, sizeof(line),
		    "%s:%u:%u: %" PRIu64 " selected (%" PRIu64 "%s expected), %" PRIu64
		    " of them judged otherwise%s%s",
		    t->path, x->line, x->col, x->selected, x->at_least, most, x->wrong,
		    x->note ? ": " : "", x->note ? x->note : "");
		fputs(before, to);
		put(to, line);
		fputc('\n', to);
		for (uint64_t s = 0; s < x->wrong && s < SHOWN; s++) {
			fputs(before, to);
			put(to, x->shown[s]);
			fputc('\n', to);
		}
	}
}

/* Names are the user's: no line ends, no escapes. */
static void
put_plain(FILE *to, const char *s)
{
	for (; *s; s++)
		fputc((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s, to);
}

static void
put_junit(FILE *to, const struct test_file *t)
{
	uint32_t failed = 0;

	for (uint32_t i = 0; i < t->n; i++)
		failed += !passed(&t->v[i]);
	fputs("  <testsuite name=\"", to);
	report_xml(to, t->path);
	fprintf(to, "\" tests=\"%u\" failures=\"%u\">\n", t->n, failed);
	for (uint32_t i = 0; i < t->n; i++) {
		fputs("    <testcase classname=\"", to);
		report_xml(to, t->policy_path);
		fputs("\" name=\"", to);
		report_xml(to, t->v[i].name);
		fputs(passed(&t->v[i]) ? "\"/>\n"
				       : "\">\n      <failure message=\"not as expected\">\n",
		    to);
		if (passed(&t->v[i]))
			continue;
		put_why(to, t, &t->v[i], "", report_xml);
		fputs("      </failure>\n    </testcase>\n", to);
	}
	fputs("  </testsuite>\n", to);
}

/* --- the verb ---------------------------------------------------------------------------------- */

struct tap {
	unsigned n;
	bool bad;
};

static struct policy *
load(const char *path)
{
	return cli_policy(path);
}

/* Reads a file; what it needs lives in the arena.  False: said why. */
static bool
read_it(struct test_file *t, struct arena *a)
{
	struct complaints c = {.file = t->path};
	size_t len;
	char *content = cli_read(t->path, TEST_BYTES, &len);
	jmp_buf oom;
	bool ok = false;

	if (!content)
		return false;
	/* cppcheck-suppress autoVariables ; taken back below */
	a->oom = &oom;
	if (setjmp(oom) == 0)
		ok = test_file_read(t, a, content, len, &c, load);
	else
		cli_say("%s: out of memory", t->path);
	a->oom = NULL;
	complaints_print(&c, stderr);
	complaints_fini(&c);
	free(content);
	return ok;
}

static int
run_file(
    const char *path, const char *policy, struct cli_permits *permits, FILE *junit, struct tap *tap)
{
	struct test_file t = {.path = path, .policy_path = policy};
	struct arena a = {0};
	int status = EXIT_OK;

	if (!read_it(&t, &a) || !cli_permits_load(permits, t.policy)) {
		status = EXIT_UNABLE;
	} else {
		for (uint32_t i = 0; i < t.n; i++)
			if (first_of_its_run(&t, i))
				judge(&t, i, permits);
		for (uint32_t i = 0; i < t.n; i++) {
			bool ok = passed(&t.v[i]);

			printf("%sok %u - ", ok ? "" : "not ", ++tap->n);
			put_plain(stdout, t.v[i].name);
			putchar('\n');
			if (!ok)
				put_why(stdout, &t, &t.v[i], "# ", put_plain);
			status = exit_worse(status, t.v[i].broken ? EXIT_UNABLE
						    : ok	  ? EXIT_OK
								  : EXIT_FOUND);
		}
		if (junit)
			put_junit(junit, &t);
	}
	policy_free(t.policy);
	arena_fini(&a);
	return status;
}

int
policy_test(int argc, char **argv)
{
	static struct cli_permits permits;
	const char *policy = NULL, *junit_path = NULL;
	const struct cli_opt table[] = {{"policy", 'p', .text = &policy},
	    {"junit", .text = &junit_path}, PERMIT_OPT(&permits), {0}};
	struct out junit, out = {stdout, "-"};
	struct tap tap = {0};
	int status;

	if (!cli_options("policy", help, table, &argc, &argv, &status))
		return status;
	if (argc == 0)
		return cli_usage("policy", "test takes test files");
	if (!out_open(&junit, junit_path))
		return EXIT_UNABLE;
	if (junit.fp)
		fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", junit.fp);
	for (int i = 0; i < argc; i++)
		status = exit_worse(status, run_file(argv[i], policy, &permits, junit.fp, &tap));
	printf("1..%u\n", tap.n);
	if (junit.fp)
		fputs("</testsuites>\n", junit.fp);
	if (!out_close(&junit) || !out_close(&out))
		status = EXIT_UNABLE;
	return status;
}
