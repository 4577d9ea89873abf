/* SPDX-License-Identifier: Apache-2.0 */
/* report_text.c - the summary that a person reads. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/report.h"

#define LIST_MAX 40u /* entries of one list */
#define OPS_MAX	 24u /* functions shown of a conversation */

/* ANSI, or empty strings. */
struct style {
	const char *bold, *red, *green, *dim, *off;
};

static struct style
style_of(bool colour)
{
	return colour ? (struct style){"\033[1m", "\033[31m", "\033[32m", "\033[2m", "\033[0m"}
		      : (struct style){"", "", "", "", ""};
}

static const char *
plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void
more(FILE *to, size_t shown, size_t all, const char *what)
{
	if (all > shown)
		fprintf(to, "  ... and %zu more %s; --json lists them\n", all - shown, what);
}

static void
put_head(const struct report *r, const struct capture *c, FILE *to, const struct style *st)
{
	char from[CLOCK_STRLEN];

	fprintf(to, "%s%s%s: %" PRIu64 " frame%s, %" PRIu64 " PDU%s", st->bold, c->path, st->off,
	    c->run.stats.received, plural(c->run.stats.received), c->run.stats.pdus,
	    plural(c->run.stats.pdus));
	if (c->run.first_ns != 0)
		fprintf(to, ", %.3f s from %s", (double)(c->run.last_ns - c->run.first_ns) / 1e9,
		    clock_str(c->run.first_ns, from));
	fputc('\n', to);
	if (r->fast && c->run.judged_ns != 0 && c->run.stats.received != 0)
		fprintf(to, "judged in %.3f s: %.0f ns per frame, %.0f per PDU, %.2f M frames/s\n",
		    (double)c->run.judged_ns / 1e9,
		    (double)c->run.judged_ns / (double)c->run.stats.received,
		    c->run.stats.pdus ? (double)c->run.judged_ns / (double)c->run.stats.pdus : 0.0,
		    (double)c->run.stats.received * 1e3 / (double)c->run.judged_ns);
	if (c->run.error[0] != '\0')
		fprintf(to, "%sincomplete: %s%s\n", st->red, c->run.error, st->off);
}

static void
put_devices(const struct report *r, const struct capture *c, FILE *to, const struct style *st)
{
	size_t n, shown;
	struct host *h = report_hosts(&c->tally, &n);

	if (n != 0)
		fprintf(to, "\n%sdevices%s\n", st->bold, st->off);
	for (shown = 0; shown < n && shown < LIST_MAX; shown++) {
		const char *name = r->policy ? policy_device_name(r->policy, &h[shown].addr) : NULL;
		const char *zone = r->policy ? policy_zone_name(r->policy, &h[shown].addr) : NULL;
		const char *role = r->policy ? policy_device_role(r->policy, &h[shown].addr) : NULL;
		char addr[NET_ADDR_STRLEN];

		fprintf(to, "  %-16s", net_addr_str(&h[shown].addr, addr));
		if (r->policy)
			fprintf(to, " %-16s %-12s %-12s", name ? name : "(not declared)",
			    role ? role : "-", zone ? zone : "-");
		if (!h[shown].client && !h[shown].server)
			fputs(" no known protocol\n", to);
		else
			fprintf(to, " %s of %u, %" PRIu64 " PDU%s\n",
			    h[shown].client && h[shown].server ? "client and server"
			    : h[shown].client		       ? "client"
							       : "server",
			    h[shown].peers, h[shown].pdus, plural(h[shown].pdus));
	}
	more(to, shown, n, "devices");
	free(h);
}

static void
put_op(const struct tally_op *op, FILE *to, const struct style *st)
{
	fprintf(to, "    %5u  %-32s %10" PRIu64 " request%s", op->code, op->op, op->n[FACT_REQUEST],
	    plural(op->n[FACT_REQUEST]));
	fprintf(to, ", %" PRIu64 " response%s", op->n[FACT_RESPONSE], plural(op->n[FACT_RESPONSE]));
	if (op->n[FACT_EXCEPTION] != 0)
		fprintf(to, ", %" PRIu64 " exception%s", op->n[FACT_EXCEPTION],
		    plural(op->n[FACT_EXCEPTION]));
	if (op->n[FACT_MALFORMED] != 0)
		fprintf(to, ", %" PRIu64 " malformed", op->n[FACT_MALFORMED]);
	if (op->n[FACT_OTHER] != 0)
		fprintf(to, ", %" PRIu64 " other", op->n[FACT_OTHER]);
	if (op->denied != 0)
		fprintf(to, ", %s%" PRIu64 " not allowed%s", st->red, op->denied, st->off);
	fputc('\n', to);
}

/* What no dissector reads, by the name that nDPI has for it. */
static void
put_apps(const struct report *r, const struct tally *t, FILE *to, const struct style *st)
{
	size_t all = 0;

	for (uint32_t i = 0; i < t->n_convs; i++) {
		const struct conv *v = &t->convs[i];
		char name[NAME_SIZE];

		if (v->ops || !v->app[0])
			continue;
		if (all++ == 0)
			fprintf(to, "\n%sother traffic%s\n", st->bold, st->off);
		if (all <= LIST_MAX)
			fprintf(to, "  %s/%s  %s%s%s\n", report_conv(r->policy, v, name),
			    v->l4 == NET_PROTO_UDP ? "udp" : "tcp", v->app, v->host[0] ? " of " : "", v->host);
	}
	more(to, all < LIST_MAX ? all : LIST_MAX, all, "conversations");
}

static void
put_convs(const struct report *r, const struct capture *c, FILE *to, const struct style *st)
{
	const struct tally *t = &c->tally;
	size_t shown = 0, all = 0;

	for (uint32_t i = 0; i < t->n_convs; i++) {
		const struct conv *v = &t->convs[i];
		char name[NAME_SIZE];
		unsigned ops = 0;

		if (!v->ops)
			continue;
		if (all++ == 0)
			fprintf(to, "\n%sconversations%s\n", st->bold, st->off);
		if (all > LIST_MAX)
			continue;
		shown++;
		fprintf(to, "  %s  %s/%s, %" PRIu64 " PDU%s\n", report_conv(r->policy, v, name),
		    dissectors[v->proto]->name, v->l4 == NET_PROTO_UDP ? "udp" : "tcp",
		    report_conv_pdus(v), plural(report_conv_pdus(v)));
		for (unsigned k = 0; k < v->n_ops; k++)
			if (v->ops[k].op && ops++ < OPS_MAX)
				put_op(&v->ops[k], to, st);
		if (ops > OPS_MAX)
			fprintf(to, "    ... and %u more functions\n", ops - OPS_MAX);
	}
	more(to, shown, all, "conversations");
	put_apps(r, t, to, st);
	if (t->convs_lost != 0)
		fprintf(to, "  %" PRIu64 " PDUs of further conversations are not listed\n",
		    t->convs_lost);
}

static void
put_rules(const struct report *r, const struct capture *c, FILE *to, const struct style *st)
{
	size_t shown = 0, all = 0;

	for (uint32_t i = 0; i < c->run.n_rules && c->run.rule_hits; i++) {
		struct policy_rule_info ri;

		if (c->run.rule_hits[i] == 0 || policy_rule_info(r->policy, i, &ri) < 0)
			continue;
		if (all++ == 0)
			fprintf(to, "\n%srules that decided%s\n", st->bold, st->off);
		if (all > LIST_MAX)
			continue;
		shown++;
		fprintf(to, "  %10" PRIu64 "  %s%-6s%s %s/%s  %s%s:%u:%u%s\n", c->run.rule_hits[i],
		    ri.deny ? st->red : st->green, ri.deny ? "deny" : "allow", st->off, ri.conduit,
		    ri.name, st->dim, ri.file, ri.line, ri.col, st->off);
	}
	more(to, shown, all, "rules");
}

/*
 * Findings that a reader takes for one: a sweep over all functions, or both
 * directions of a conversation that nobody may have.
 */
static bool
same_group(const struct finding *a, const struct finding *b)
{
	bool back;

	if (a->kind != b->kind || a->denied != b->denied || a->would != b->would ||
	    a->action != b->action || a->reason != b->reason || a->rule != b->rule ||
	    a->conduit != b->conduit || a->note != b->note)
		return false;
	if (a->kind == EVENT_L2)
		return memcmp(a->smac, b->smac, sizeof(a->smac)) == 0;
	if (net_addr_eq(&a->src, &b->src) && net_addr_eq(&a->dst, &b->dst))
		return true;
	back = net_addr_eq(&a->src, &b->dst) && net_addr_eq(&a->dst, &b->src);
	return back && a->reason == REASON_NO_CONDUIT;
}

/* Findings of one group: what they have in common is in the first. */
struct group {
	const struct finding *first;
	uint64_t count, last_frame;
	const char *subjects[4];
	unsigned n_subjects;
};

static void
group_add(struct group *g, const struct finding *f)
{
	const char *subject = report_subject(f);
	unsigned n = g->n_subjects < 4 ? g->n_subjects : 4;

	g->count += f->count;
	if (f->last_frame > g->last_frame)
		g->last_frame = f->last_frame;
	for (unsigned i = 0; i < n; i++)
		if (g->subjects[i] == subject)
			return;
	if (n < 4)
		g->subjects[n] = subject;
	if (!f->answer || n < 4)
		g->n_subjects++;
}

static void
put_group(const struct report *r, const struct group *g, FILE *to, const struct style *st)
{
	const struct finding *f = g->first;
	uint64_t n = f->count < 3 ? f->count : 3;
	char ends[NAME_SIZE], who[NAME_SIZE];
	unsigned col, line = report_line(r->policy, f, &col);

	fprintf(to, "  %10" PRIu64 "  %s%-6s%s %s  ", g->count, f->denied ? st->red : "",
	    verdict_action_name(f->would), f->denied ? st->off : "",
	    report_ends(r->policy, f, ends));
	for (unsigned i = 0; i < g->n_subjects && i < 4; i++)
		fprintf(to, "%s%s", i ? ", " : "", g->subjects[i]);
	if (g->n_subjects > 4)
		fprintf(to, " and %u more", g->n_subjects - 4);
	fprintf(to, "%s\n              by %s", f->answer ? " (answer)" : "",
	    report_decider(r->policy, f, who));
	if (line != 0)
		fprintf(to, "  %s%s:%u:%u%s", st->dim, r->policy_path, line, col, st->off);
	if (f->action != f->would)
		fprintf(to, ", let through: mode %s", f->mode == MODE_LEARN ? "learn" : "alert");
	if (f->note)
		fprintf(to, ", %s", f->note);
	fputc('\n', to);
	for (uint64_t i = 0; i < n; i++)
		fprintf(to, "              frame %" PRIu64 "%s%s\n", f->sample[i].frame,
		    f->sample[i].text[0] ? ": " : "", f->sample[i].text);
	if (g->count > n)
		fprintf(to, "              ... up to frame %" PRIu64 "\n", g->last_frame);
}

static void
put_findings(
    const struct report *r, const struct capture *c, FILE *to, const struct style *st, bool denied)
{
	const struct tally *t = &c->tally;
	bool *done = calloc((size_t)t->n_findings + 1, sizeof(*done));
	size_t shown = 0, all = 0;

	for (uint32_t i = 0; done && i < t->n_findings; i++) {
		struct group g = {.first = &t->findings[i]};

		if (done[i] || t->findings[i].denied != denied)
			continue;
		if (all++ == 0)
			fprintf(
			    to, "\n%s%s%s\n", st->bold, denied ? "not allowed" : "told", st->off);
		for (uint32_t k = i; k < t->n_findings; k++)
			if (!done[k] && same_group(g.first, &t->findings[k])) {
				done[k] = true;
				group_add(&g, &t->findings[k]);
			}
		if (all > LIST_MAX)
			continue;
		shown++;
		put_group(r, &g, to, st);
	}
	free(done);
	more(to, shown, all, "findings");
	if (denied && t->findings_lost != 0)
		fprintf(to, "  %" PRIu64 " further events are counted only\n", t->findings_lost);
}

static void
put_anomalies(const struct capture *c, FILE *to, const struct style *st)
{
	bool any = false;

	for (unsigned p = 0; p <= n_dissectors; p++)
		for (unsigned b = 0; b < 64; b++) {
			const char *name = fact_anomaly_name((uint8_t)p, b);

			if (c->tally.anomalies[p][b] == 0 || !name)
				continue;
			if (!any)
				fprintf(to, "\n%sanomalies%s\n", st->bold, st->off);
			any = true;
			fprintf(to, "  %10" PRIu64 "  %s%s%s\n", c->tally.anomalies[p][b],
			    p < n_dissectors ? dissectors[p]->name : "",
			    p < n_dissectors ? "." : "", name);
		}
}

static void
put_balance(const struct report *r, const struct capture *c, FILE *to, const struct style *st)
{
	const struct engine_stats *s = &c->run.stats;
	uint64_t dropped = 0;

	for (unsigned i = 0; i < DROP__MAX; i++)
		dropped += s->dropped[i];
	fprintf(to, "\n%spackets%s\n  received %" PRIu64, st->bold, st->off, s->received);
	if (s->injected != 0)
		fprintf(to, " + injected %" PRIu64, s->injected);
	fprintf(to,
	    " = %s %" PRIu64 " + dropped %" PRIu64 " + consumed %" PRIu64 " + held %" PRIu64 "\n",
	    r->inline_mode ? "forwarded" : "judged", s->forwarded, dropped, s->consumed, s->held);
	for (unsigned i = 0; i < DROP__MAX; i++)
		if (s->dropped[i] != 0)
			fprintf(to, "  %10" PRIu64 "  %s: %s\n", s->dropped[i], drop_name(i),
			    drop_text(i));
	if (!r->inline_mode && s->would_drop != 0)
		fprintf(to, "  a guard in mode enforce would have dropped %" PRIu64 "\n",
		    s->would_drop);
	fprintf(to,
	    "  flows %" PRIu64 ", midstream %" PRIu64 ", evicted %" PRIu64
	    ", retransmitted %" PRIu64 ", out of order %" PRIu64 ", gaps %" PRIu64 "\n",
	    s->flows, s->midstream, s->flows_evicted, s->retransmitted, s->out_of_order, s->gaps);
	fprintf(to, "  memory %.1f MiB, taken at start, for %u flows\n",
	    (double)s->memory_bytes / (1 << 20), c->run.max_flows);
}

static void
put_end(const struct report *r, FILE *to, const struct style *st)
{
	uint64_t denied = 0, told = 0;

	for (size_t i = 0; i < r->n_caps; i++) {
		denied += r->caps[i].tally.denied;
		told += r->caps[i].tally.told;
	}
	if (r->alerts) {
		fprintf(to,
		    "\n%salerts%s\n  %" PRIu64 " event%s, %" PRIu64 " folded, %" PRIu64
		    " lost, %" PRIu64 " line%s",
		    st->bold, st->off, r->alerts->events, plural(r->alerts->events),
		    r->alerts->folded, r->alerts->lost, r->alerts->lines, plural(r->alerts->lines));
		if (r->journal_dir)
			fprintf(to, ", %" PRIu64 " signed batch%s in %s", r->alerts->batches,
			    r->alerts->batches == 1 ? "" : "es", r->journal_dir);
		fputc('\n', to);
	}
	fputc('\n', to);
	if (!r->policy)
		fputs("no policy was given: everything is allowed\n", to);
	else if (denied != 0)
		fprintf(to, "%s%" PRIu64 " not allowed%s by %s", st->red, denied, st->off,
		    r->policy_path);
	else
		fprintf(to, "%severything is allowed%s by %s", st->green, st->off, r->policy_path);
	if (r->policy && told != 0)
		fprintf(to, ", %" PRIu64 " told", told);
	if (r->policy)
		fputc('\n', to);
	if (r->status == EXIT_UNABLE)
		fprintf(to, "%snot all of the work could be done; see above%s\n", st->red, st->off);
}

void
report_text(const struct report *r, FILE *to, bool colour)
{
	const struct style st = style_of(colour);

	for (size_t i = 0; i < r->n_caps; i++) {
		const struct capture *c = &r->caps[i];

		if (i != 0)
			fputc('\n', to);
		put_head(r, c, to, &st);
		if (c->run.stats.received == 0)
			continue;
		put_devices(r, c, to, &st);
		put_convs(r, c, to, &st);
		if (r->policy) {
			put_rules(r, c, to, &st);
			put_findings(r, c, to, &st, true);
			put_findings(r, c, to, &st, false);
		}
		if (c->tally.n_moved != 0) {
			fprintf(to, "\n%sblocks moved%s\n", st.bold, st.off);
			report_moved(r, &c->tally, to);
		}
		put_anomalies(c, to, &st);
		put_balance(r, c, to, &st);
	}
	put_end(r, to, &st);
}
