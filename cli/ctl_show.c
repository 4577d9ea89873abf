/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_show.c - see ctl_show.h.  Only reads what is there: members that an older or newer guard does
 * not have are left out of the page.
 */
#include "cli/ctl_show.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"

/* --- pieces ----------------------------------------------------------------------------------- */

static const json_t *
get(const json_t *o, const char *key)
{
	return json_object_get(o, key);
}

static const char *
text(const json_t *o, const char *key, const char *otherwise)
{
	const char *s = json_string_value(get(o, key));

	return s ? s : otherwise;
}

static uint64_t
num(const json_t *o, const char *key)
{
	return (uint64_t)json_integer_value(get(o, key));
}

/* 1234567 as "1,234,567"; eight places, so that one line may have several. */
static const char *
big(uint64_t v)
{
	static char buf[8][32];
	static unsigned at;
	char *p = buf[at = (at + 1) % 8] + 31;
	unsigned digits = 0;

	*p = '\0';
	do {
		if (digits && digits % 3 == 0)
			*--p = ',';
		*--p = (char)('0' + v % 10);
		digits++;
	} while ((v /= 10) != 0);
	return p;
}

static const char *
size(uint64_t v)
{
	static char buf[4][16];
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	static unsigned at;
	char *p = buf[at = (at + 1) % 4];
	double d = (double)v;
	unsigned u = 0;

	while (d >= 1024 && u < 4) {
		d /= 1024;
		u++;
	}
	snprintf(p, sizeof(buf[0]), u && d < 100 ? "%.1f %s" : "%.0f %s", d, unit[u]);
	return p;
}

/* A latency: three digits that say something. */
static const char *
span(uint64_t ns)
{
	static char buf[8][16];
	static unsigned at;
	char *p = buf[at = (at + 1) % 8];

	if (ns < 1000000)
		snprintf(p, sizeof(buf[0]), "%.1f us", (double)ns / 1e3);
	else if (ns < 1000000000)
		snprintf(p, sizeof(buf[0]), "%.2f ms", (double)ns / 1e6);
	else
		snprintf(p, sizeof(buf[0]), "%.2f s", (double)ns / 1e9);
	return p;
}

static const char *
duration(uint64_t s, char *buf, size_t n)
{
	if (s < 60)
		snprintf(buf, n, "%" PRIu64 " s", s);
	else if (s < 3600)
		snprintf(buf, n, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, n, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
	else
		snprintf(buf, n, "%" PRIu64 " days %" PRIu64 " h", s / 86400, s / 3600 % 24);
	return buf;
}

/* "2026-11-28T15:02:11.123456+0000" as "2026-11-28 15:02:11 UTC". */
static const char *
when(const json_t *o, const char *key)
{
	static char buf[4][40];
	static unsigned at;
	const char *s = text(o, key, "");
	char *p = buf[at = (at + 1) % 4];

	if (strlen(s) < 19)
		return "never";
	snprintf(p, sizeof(buf[0]), "%.10s %.8s UTC", s, s + 11);
	return p;
}

static int64_t
seconds_of(const char *s)
{
	struct tm tm = {0};
	const char *end = s ? strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	return end ? (int64_t)timegm(&tm) : 0;
}

/* --- status: what wants attention --------------------------------------------------------------- */

struct page {
	FILE *to;
	unsigned wrong;
};

static void __attribute__((format(printf, 2, 3))) wrong(struct page *p, const char *fmt, ...)
{
	va_list ap;

	fputs("  ! ", p->to);
	va_start(ap, fmt);
	vfprintf(p->to, fmt, ap);
	va_end(ap);
	fputc('\n', p->to);
	p->wrong++;
}

#define RECENT_S 86400 /* an unexpected end is worth a line that long */

static void
attention(struct page *p, const json_t *r)
{
	const json_t *pol = get(r, "policy"), *al = get(r, "alerts"), *v;
	int64_t now = seconds_of(text(r, "now", NULL));

	for (size_t i = 0; (v = json_array_get(get(r, "processes"), i)) != NULL; i++) {
		if (!json_is_true(get(v, "up")))
			wrong(p, "%s: not running", text(v, "name", "?"));
		else if (num(v, "restarts") > 0 &&
			 now - seconds_of(text(v, "started", NULL)) < RECENT_S)
			wrong(p, "%s: ended unexpectedly, running again since %s (%s in all)",
			    text(v, "name", "?"), when(v, "started"), big(num(v, "restarts")));
	}
	for (size_t i = 0; (v = json_array_get(get(r, "ports"), i)) != NULL; i++)
		if (!json_is_true(get(v, "link")))
			wrong(p, "%s (%s): no link", text(v, "side", "?"), text(v, "name", "?"));
	if (strcmp(text(get(r, "bypass"), "state", "disarmed"), "disarmed") != 0)
		wrong(p, "THE BYPASS IS %s (%s): nothing is seen while it joins the cables",
		    text(get(r, "bypass"), "state", "?"), text(get(r, "bypass"), "by", "?"));
	if (json_is_true(get(get(get(r, "fast_path"), "away"), "now")))
		wrong(p,
		    "THE ENGINE IS AWAY for %s ms: the kernel goes on with the connections it has",
		    big(num(get(get(r, "fast_path"), "away"), "since_ms")));
	if (get(pol, "refused"))
		wrong(p, "reload refused at %s: %s", when(pol, "refused_at"),
		    text(pol, "refused", ""));
	if (get(r, "panic")) {
		const json_t *t = get(r, "panic");
		bool open = strcmp(text(t, "mode", ""), "open") == 0;

		wrong(p, "PANIC %s: %s, %s since %s, %s%s", open ? "OPEN" : "ISLAND",
		    open ? "EVERYTHING PASSES" : "NOTHING PASSES BETWEEN THE PORTS",
		    text(t, "by", "?"), when(t, "since"),
		    json_is_string(get(t, "until")) ? "until " : "until ctl panic off",
		    json_is_string(get(t, "until")) ? when(t, "until") : "");
	}
	if (get(pol, "trial")) {
		const json_t *t = get(pol, "trial");
		char left[32];

		wrong(p,
		    "generation %" PRIu64 " is NOT CONFIRMED: in %s generation %" PRIu64
		    " is in force again (ctl confirm keeps it, ctl rollback ends it)",
		    num(pol, "generation"), duration(num(t, "left_s"), left, sizeof(left)),
		    num(t, "back_to"));
	}
	if (json_is_true(get(pol, "file_differs")))
		wrong(p,
		    "in force is the policy that was confirmed or promoted last, not %s (ctl "
		    "reload "
		    "takes the file)",
		    text(pol, "file", "the file"));
	if (pol && strcmp(text(pol, "mode", "enforce"), "enforce") != 0)
		wrong(p, "mode %s: nothing is stopped for policy", text(pol, "mode", "?"));
	if (!json_is_object(al))
		return;
	if (json_is_true(get(al, "failing")))
		wrong(p, "alerts cannot be written: %s", text(al, "error", "?"));
	if (num(al, "lost") > 0)
		wrong(p, "alerts lost: %s (the journal says when)", big(num(al, "lost")));
	if (num(al, "rejected") > 0)
		wrong(p, "records of the worker that were none: %s", big(num(al, "rejected")));
}

/* --- status: the page --------------------------------------------------------------------------- */

static void
ports(struct page *p, const json_t *r)
{
	const json_t *v;
	size_t i;

	fprintf(p->to, "\n%-9s %-15s %-5s %6s %7s %-8s %15s %15s %13s\n", "port", "interface",
	    "link", "mtu", "queues", "filter", "received", "to engine", "dropped");
	for (i = 0; (v = json_array_get(get(r, "ports"), i)) != NULL; i++)
		fprintf(p->to, "%-9s %-15s %-5s %6" PRIu64 " %7" PRIu64 " %-8s %15s %15s %13s\n",
		    text(v, "side", "?"), text(v, "name", "?"),
		    json_is_true(get(v, "link")) ? "up" : "DOWN", num(v, "mtu"), num(v, "queues"),
		    text(v, "filter", "-"), big(num(v, "received")), big(num(v, "to_engine")),
		    big(num(v, "dropped")));
}

static void
processes(struct page *p, const json_t *r)
{
	const json_t *v;
	size_t i;

	fprintf(p->to, "\n%-9s %9s  %-25s %8s\n", "process", "pid", "started", "restarts");
	for (i = 0; (v = json_array_get(get(r, "processes"), i)) != NULL; i++)
		fprintf(p->to, "%-9s %9" PRIu64 "  %-25s %8s\n", text(v, "name", "?"),
		    num(v, "pid"), when(v, "started"), big(num(v, "restarts")));
}

/* What the kernel judges alone. */
static void
kernel(const struct page *p, const json_t *f)
{
	const json_t *a = get(f, "away"), *v;

	if (!f)
		return;
	fprintf(p->to,
	    "\nkernel    alone %s packets, %" PRIu64 ".%" PRIu64
	    " %% of all; %s connections; %s%s\n",
	    big(num(f, "kernel")), num(f, "per_mille") / 10, num(f, "per_mille") % 10,
	    big(num(f, "connections")), get(f, "pinned") ? "pinned in " : "ends with the guard",
	    text(f, "pinned", ""));
	if (get(f, "off"))
		fprintf(p->to, "          serves no conduit: %s\n", text(f, "off", ""));
	if (num(a, "times") > 0)
		fprintf(p->to, "          the engine was away %s times, the last for %s ms\n",
		    big(num(a, "times")), big(num(a, "last_ms")));
	for (size_t i = 0; (v = json_array_get(get(f, "conduits"), i)) != NULL; i++) {
		if (!json_is_true(get(v, "served")) &&
		    num(v, "away_dropped") + num(v, "away_unjudged") == 0)
			continue;
		fprintf(p->to, "          %-20s %5" PRIu64 ".%" PRIu64 " %%",
		    text(v, "conduit", "?"), num(v, "per_mille") / 10, num(v, "per_mille") % 10);
		if (num(v, "away_dropped") + num(v, "away_unjudged") > 0)
			fprintf(p->to, "; while the engine was away %s dropped, %s passed unjudged",
			    big(num(v, "away_dropped")), big(num(v, "away_unjudged")));
		fputc('\n', p->to);
	}
}

static void
packets(struct page *p, const json_t *r)
{
	const json_t *k = get(r, "packets"), *f = get(r, "flows"), *d = get(r, "pdus"), *v;
	const json_t *workers = get(r, "workers");
	const json_t *ver = get(d, "verdicts");
	size_t i;

	fprintf(p->to,
	    "\npackets   received %s + injected %s = forwarded %s + dropped %s + consumed %s + "
	    "held %s\n",
	    big(num(k, "received")), big(num(k, "injected")), big(num(k, "forwarded")),
	    big(num(k, "dropped")), big(num(k, "consumed")), big(num(k, "held")));
	if (num(k, "lost_before") + num(k, "not_sent") > 0)
		fprintf(p->to, "          lost before the engine %s, not sent %s\n",
		    big(num(k, "lost_before")), big(num(k, "not_sent")));
	json_array_foreach(workers, i, v)
	{
		fprintf(p->to,
		    "worker %-2zu received %s, PDUs %s, flows %s; handed over to others %s\n", i,
		    big(num(v, "received")), big(num(v, "pdus")), big(num(v, "flows_active")),
		    big(num(v, "handed_over")));
	}
	fprintf(p->to,
	    "PDUs      %s: allow %s, alert %s, reject %s, drop %s, reset %s; malformed %s\n",
	    big(num(d, "all")), big(num(ver, "allow")), big(num(ver, "alert")),
	    big(num(ver, "reject")), big(num(ver, "drop")), big(num(ver, "reset")),
	    big(num(d, "malformed")));
	fprintf(p->to, "flows     %s active, %s opened, %s expired, %s evicted\n",
	    big(num(f, "active")), big(num(f, "opened")), big(num(f, "expired")),
	    big(num(f, "evicted")));
	if (json_array_size(get(r, "drops")) == 0)
		return;
	fprintf(p->to, "\n%-9s %-22s %15s\n", "drops by", "reason", "packets");
	for (i = 0; (v = json_array_get(get(r, "drops"), i)) != NULL; i++)
		fprintf(p->to, "%-9s %-22s %15s\n", text(v, "by", "?"), text(v, "reason", "?"),
		    big(num(v, "packets")));
}

static void
latency(struct page *p, const json_t *r)
{
	const json_t *v;
	size_t i;

	if (json_array_size(get(r, "conduits")) == 0)
		return;
	fprintf(p->to, "\n%-24s %13s %9s %9s %9s %9s %9s %9s\n", "conduit", "packets", "p50", "p99",
	    "p99.9", "max", "budget", "over");
	for (i = 0; (v = json_array_get(get(r, "conduits"), i)) != NULL; i++) {
		bool budget = get(v, "budget_ns") != NULL, recent = num(v, "recent") > 0;

		fprintf(p->to, "%-24s %13s %9s %9s %9s %9s %9s %9s\n", text(v, "name", "(none)"),
		    big(num(v, "packets")), recent ? span(num(v, "p50_ns")) : "-",
		    recent ? span(num(v, "p99_ns")) : "-", recent ? span(num(v, "p999_ns")) : "-",
		    span(num(v, "max_ns")), budget ? span(num(v, "budget_ns")) : "-",
		    budget ? big(num(v, "over_budget")) : "-");
	}
	fprintf(p->to,
	    "  (receive to send%s; percentiles of the last minute, max since the start)\n",
	    get(r, "fast_path") ? " in the engine, the kernel's packets are not in it" : "");
}

static void
alerts(struct page *p, const json_t *r)
{
	const json_t *al = get(r, "alerts"), *j = get(al, "journal");
	int64_t age;

	if (!json_is_object(al)) {
		fputs("\nalerts    are not written (no --eve, no --journal)\n", p->to);
		return;
	}
	fprintf(p->to, "\nalerts    %s events, of them folded %s, lost %s; %s lines written\n",
	    big(num(al, "events")), big(num(al, "folded")), big(num(al, "lost")),
	    big(num(al, "lines")));
	if (json_is_string(get(al, "eve")))
		fprintf(p->to, "eve       %s\n", text(al, "eve", "-"));
	if (!json_is_object(j))
		return;
	age = seconds_of(text(r, "now", NULL)) - seconds_of(text(j, "signed", NULL));
	fprintf(p->to, "journal   %s: %s of %s, epoch %" PRIu64 ", batch %s", text(j, "dir", "?"),
	    size(num(j, "bytes")), size(num(j, "max_bytes")), num(j, "epoch"),
	    big(num(j, "batch")));
	if (json_is_string(get(j, "signed")))
		fprintf(p->to, " signed %" PRId64 " s ago", age < 0 ? 0 : age);
	fputc('\n', p->to);
}

int
show_status(const json_t *r, FILE *to)
{
	struct page p = {.to = to};
	const json_t *pol = get(r, "policy");
	char buf[64];

	fprintf(to, "interlock %s (build %s), up %s, since %s\n", text(r, "version", "?"),
	    text(r, "build", "?"), duration(num(r, "uptime_s"), buf, sizeof(buf)),
	    when(r, "started"));
	attention(&p, r);
	fprintf(to, "\npolicy    %s%s%s%s: mode %s, fail %s, %s rules in %s conduits\n",
	    text(pol, "file", "?"), get(pol, "site") ? " (site " : "",
	    json_is_string(get(pol, "site")) ? text(pol, "site", "") : "-",
	    get(pol, "site") ? ")" : "", text(pol, "mode", "?"), text(pol, "fail", "?"),
	    big(num(pol, "rules")), big(num(pol, "conduits")));
	fprintf(to, "          generation %" PRIu64 " since %s, sha256 %.16s\n",
	    num(pol, "generation"), when(pol, "since"), text(pol, "sha256", "-"));
	if (get(r, "shadow")) {
		const json_t *s = get(r, "shadow");

		fprintf(to,
		    "shadow    %s since %s: would have stopped %s, let through %s of %s PDUs\n",
		    text(s, "file", "?"), when(s, "since"), big(num(s, "would_stop")),
		    big(num(s, "would_pass")), big(num(s, "judged")));
	}
	ports(&p, r);
	processes(&p, r);
	kernel(&p, get(r, "fast_path"));
	packets(&p, r);
	latency(&p, r);
	alerts(&p, r);
	return p.wrong ? EXIT_FOUND : EXIT_OK;
}

/* --- the others ----------------------------------------------------------------------------------- */

static void
object_lines(FILE *to, const char *title, const json_t *o)
{
	const char *key;
	json_t *v;
	void *it;

	if (!json_is_object(o))
		return;
	fprintf(to, "\n%s\n", title);
	for (it = json_object_iter((json_t *)(uintptr_t)o); it;
	     it = json_object_iter_next((json_t *)(uintptr_t)o, it)) {
		key = json_object_iter_key(it);
		v = json_object_iter_value(it);
		if (json_is_integer(v))
			fprintf(to, "  %-20s %18s\n", key, big((uint64_t)json_integer_value(v)));
	}
}

int
show_counters(const json_t *r, FILE *to)
{
	struct page p = {.to = to};
	const json_t *v;
	size_t i;

	object_lines(to, "packets", get(r, "packets"));
	ports(&p, r);
	fprintf(to, "\n%-9s %-22s %15s  %s\n", "drops by", "reason", "packets", "which are");
	for (i = 0; (v = json_array_get(get(r, "drops"), i)) != NULL; i++)
		fprintf(to, "%-9s %-22s %15s  %s\n", text(v, "by", "?"), text(v, "reason", "?"),
		    big(num(v, "packets")), text(v, "text", ""));
	object_lines(to, "PDUs", get(r, "pdus"));
	object_lines(to, "verdicts", get(get(r, "pdus"), "verdicts"));
	object_lines(to, "verdicts in mode enforce", get(get(r, "pdus"), "would"));
	object_lines(to, "engine", get(r, "engine"));
	object_lines(to, "ctl", get(r, "ctl"));
	fprintf(to, "\n%-24s %-24s %-5s %11s %15s\n", "conduit", "rule", "", "id", "hits");
	for (i = 0; (v = json_array_get(get(r, "rules"), i)) != NULL; i++)
		fprintf(to, "%-24s %-24s %-5s %11" PRIu64 " %15s\n", text(v, "conduit", "?"),
		    text(v, "rule", "?"), json_is_true(get(v, "deny")) ? "deny" : "allow",
		    num(v, "id"), big(num(v, "hits")));
	if (num(r, "rules_not_counted") > 0)
		fprintf(to, "(%s more rules are not counted)\n", big(num(r, "rules_not_counted")));
	return EXIT_OK;
}

int
show_text(const json_t *r, FILE *to)
{
	fputs(text(r, "text", ""), to);
	return EXIT_OK;
}

int
show_flows(const json_t *r, FILE *to)
{
	return show_text(r, to);
}

int
show_reload(const json_t *r, FILE *to)
{
	if (get(r, "generation"))
		fprintf(
		    to, "the policy is in force, generation %" PRIu64 "\n", num(r, "generation"));
	else
		fputs("the policy is in force\n", to);
	if (num(r, "confirm_s") > 0) {
		char buf[32];

		fprintf(to,
		    "the one before it is in force again in %s, unless: interlock ctl confirm\n",
		    duration(num(r, "confirm_s"), buf, sizeof(buf)));
	}
	if (json_is_string(get(r, "warnings")) && text(r, "warnings", "")[0])
		fprintf(to, "%s\n", text(r, "warnings", ""));
	return EXIT_OK;
}

int
show_confirm(const json_t *r, FILE *to)
{
	fprintf(to, "confirmed: generation %" PRIu64 " stays in force\n", num(r, "generation"));
	return EXIT_OK;
}

/* --- shadow --------------------------------------------------------------------------------------- */

/* "rule c/poll", "c: default_deny" */
static void
decider(FILE *to, const json_t *v)
{
	const char *conduit = text(v, "conduit", NULL), *rule = text(v, "rule", NULL);
	const char *cond = text(v, "condition", NULL);

	fprintf(to, "%s by ", text(v, "action", "?"));
	if (rule)
		fprintf(to, "rule %s/%s (line %" PRIu64 ")", conduit ? conduit : "-", rule,
		    num(v, "line"));
	else
		fprintf(to, "%s%s%s%s%s", conduit ? "conduit " : "", conduit ? conduit : "",
		    conduit ? ": " : "", text(v, "reason", "?"), cond ? " " : "");
	if (cond)
		fputs(cond, to);
}

static void
end_of(FILE *to, const json_t *e)
{
	const char *name = text(e, "device", NULL);

	if (name)
		fprintf(to, "%s (%s:%" PRIu64 ")", name, text(e, "ip", "?"), num(e, "port"));
	else
		fprintf(to, "%s:%" PRIu64, text(e, "ip", "?"), num(e, "port"));
}

static void
example(FILE *to, const json_t *x)
{
	fprintf(to, "         %s  ", when(x, "time"));
	end_of(to, get(x, "from"));
	fputs(" -> ", to);
	end_of(to, get(x, "to"));
	if (json_is_string(get(x, "op")))
		fprintf(to, "  %s", text(x, "op", ""));
	if (json_is_integer(get(x, "unit")))
		fprintf(to, " unit %" PRIu64, num(x, "unit"));
	if (json_is_string(get(x, "object")))
		fprintf(to, " %s", text(x, "object", ""));
	fputc('\n', to);
}

static void
differences(FILE *to, const json_t *r, const char *would, const char *title, uint64_t n)
{
	const json_t *k, *x;

	fprintf(to, "\n%s %s\n", title, n ? big(n) : "nothing");
	for (size_t i = 0; (k = json_array_get(get(r, "differences"), i)) != NULL; i++) {
		if (strcmp(text(k, "would", ""), would) != 0)
			continue;
		fprintf(to, "%8s %s%s: ", big(num(k, "count")), text(k, "what", "?"),
		    num(k, "count") == 1 ? "" : "s");
		decider(to, get(k, "shadow"));
		fputs("; in force: ", to);
		decider(to, get(k, "in_force"));
		fputc('\n', to);
		for (size_t j = 0; (x = json_array_get(get(k, "examples"), j)) != NULL; j++)
			example(to, x);
	}
}

int
show_shadow(const json_t *r, FILE *to)
{
	uint64_t stop = num(r, "would_stop"), pass = num(r, "would_pass");

	if (get(r, "beside") && !get(r, "file")) { /* it was begun just now */
		fprintf(to,
		    "judged beside generation %" PRIu64
		    ", and nothing is stopped by it: ctl shadow\n",
		    num(r, "beside"));
		return EXIT_OK;
	}
	if (!get(r, "on")) /* ended, or promoted */
		return get(r, "generation") ? show_reload(r, to) : EXIT_OK;
	if (!json_is_true(get(r, "on"))) {
		fputs("no policy is judged beside the one in force\n", to);
		return EXIT_OK;
	}
	fprintf(to, "%s (sha256 %.16s) beside generation %" PRIu64 ", since %s\n",
	    text(r, "file", "?"), text(r, "sha256", "-"), num(r, "beside"), when(r, "since"));
	fprintf(to, "%s PDUs and %s connections judged by both\n", big(num(r, "judged")),
	    big(num(r, "connections")));
	differences(to, r, "stop", "would have stopped:", stop);
	differences(to, r, "pass", "would have let through:", pass);
	if (num(r, "not_told") > 0)
		fprintf(to, "(%s more, of other kinds)\n", big(num(r, "not_told")));
	return stop + pass > 0 ? EXIT_FOUND : EXIT_OK;
}

/* --- permits ------------------------------------------------------------------------------------ */

int
show_permit(const json_t *r, FILE *to)
{
	const char *id = text(r, "id", NULL);

	if (id)
		fprintf(to, "open: permit %s\n", id);
	else
		fprintf(to, "revoked: permit %s\n", text(r, "revoked", "?"));
	return EXIT_OK;
}

static void
put_list(FILE *to, const json_t *list)
{
	size_t i;
	const json_t *v;

	json_array_foreach(list, i, v)
	{
		fprintf(
		    to, "%s%s", i ? "," : "", json_string_value(v) ? json_string_value(v) : "?");
	}
}

int
show_permits(const json_t *r, FILE *to)
{
	static const char *const narrow[] = {"functions", "rules", "blocks"};
	const json_t *list = json_object_get(r, "permits"), *v;
	size_t i;

	fprintf(to, "clock: %s\n", text(r, "clock", "?"));
	if (json_array_size(list) == 0)
		fprintf(to, "no permit is open\n");
	json_array_foreach(list, i, v)
	{
		fprintf(to, "%s  %-6s  until %s  %s  ", text(v, "id", "?"), text(v, "state", "?"),
		    text(v, "until", "?"), text(v, "window", text(v, "conduit", "?")));
		put_list(to, json_object_get(v, "from"));
		fprintf(to, " to ");
		put_list(to, json_object_get(v, "to"));
		fprintf(to, "  %s\n", text(v, "by", "?"));
		for (size_t k = 0; k < sizeof(narrow) / sizeof(narrow[0]); k++)
			if (json_object_get(v, narrow[k])) {
				fprintf(to, "    %s ", narrow[k]);
				put_list(to, json_object_get(v, narrow[k]));
				fputc('\n', to);
			}
	}
	return EXIT_OK;
}

/* --- panic -------------------------------------------------------------------------------------- */

int
show_panic(const json_t *r, FILE *to)
{
	const char *mode = text(r, "mode", "?");

	if (strcmp(mode, "off") == 0)
		fputs("the policy is in force again\n", to);
	else
		fprintf(to, "PANIC %s\n",
		    strcmp(mode, "open") == 0 ? "OPEN: everything passes"
					      : "ISLAND: nothing of IP passes between the ports");
	return EXIT_OK;
}
