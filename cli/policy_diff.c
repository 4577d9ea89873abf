/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_diff.c - policy diff: what another policy would do to recorded traffic.
 *
 * Two engines judge the same bursts, the old policy's first.  What it said of each PDU,
 * connection and frame is kept for that burst; the new one's words are compared as they
 * come, with the PDU at hand to describe it.  Differences are folded by who, what
 * and both deciders, so the memory does not grow with the capture.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/jw.h"
#include "cli/diff.h"
#include "cli/opts.h"
#include "cli/permits.h"
#include "cli/report.h"

#define DIFF_MAX  4096u /* differences told apart; the rest is counted */
#define DIFF_HASH (4 * DIFF_MAX)
#define SAMPLES	  3u

static const char help[] =
    "usage: interlock policy diff [--json] [--permit FILE] OLD NEW CAPTURE...\n"
    "Judge recorded traffic by two policies; every request, connection and frame on which they\n"
    "differ, grouped by conversation and by the rules that decide.\n\n"
    "      --json           for machines, complete\n"
    "      --permit FILE    as if NEW's guard had been given this permit when it was good, and "
    "OLD's\n"
    "                       had not; several times for several.  With OLD as NEW too: what it "
    "opens\n\n"
    "exit status: 0 no verdict differs, 1 some do, 2 could not work\n";

/* What one policy says of one thing. */
struct said {
	const char *op; /* static text: NULL = a connection or frame */
	uint64_t frame;
	uint8_t kind; /* enum event_kind; 0: the new policy has said its word on it */
	bool answer;
	struct verdict v;
	struct net_tuple tuple; /* of connections and frames */
};

/* Things that met the same two ends.  The key is compared as bytes. */
struct difference {
	struct net_addr src, dst;
	uint8_t smac[6], dmac[6]; /* of frames that are not IP */
	const char *op;
	struct verdict old, new; /* generation, item: 0 */
	uint16_t port;
	uint8_t proto, l4, kind, pad[3];
	/* what is known of them */
	uint64_t count, last_frame;
	struct sample sample[SAMPLES];
	size_t capture; /* of the samples */
};
#define KEY_BYTES offsetof(struct difference, count)

struct differ {
	struct policy *pol[2]; /* old, new */
	const char *path[2];
	struct engine *old_engine;
	struct said *said; /* by the old policy, of this burst */
	size_t n_said, cap_said, at;
	struct difference *d;
	uint32_t *index; /* hash; 1 + place */
	uint32_t n, cap;
	uint64_t lost; /* beyond DIFF_MAX */
	uint64_t pdus;
	uint64_t stopped, passed, other; /* the new policy stops it, lets it pass, does otherwise */
	size_t capture;
	bool nomem;
};

/* --- one judgement ----------------------------------------------------------------------------- */

static struct said
said_of_pdu(const struct engine_pdu *p)
{
	return (struct said){
	    .op = p->fact->op,
	    .frame = p->frame,
	    .kind = EVENT_PDU,
	    .answer = p->fact->kind == FACT_RESPONSE || p->fact->kind == FACT_EXCEPTION,
	    .v = *p->verdict,
	};
}

/* Of what is no PDU: the fact callback says the rest. */
static struct said
said_of_event(const struct event *ev)
{
	return (struct said){
	    .frame = ev->frame, .kind = ev->kind, .v = ev->verdict, .tuple = *ev->tuple};
}

static void
keep(struct differ *df, const struct said *s)
{
	if (df->n_said == df->cap_said) {
		size_t cap = df->cap_said ? 2 * df->cap_said : 256;
		struct said *p = realloc(df->said, cap * sizeof(*p));

		if (!p) {
			df->nomem = true;
			return;
		}
		df->said = p;
		df->cap_said = cap;
	}
	df->said[df->n_said++] = *s;
}

/* The old word on the same thing.  NULL: it said nothing (of a connection: it was allowed). */
static const struct said *
counterpart(struct differ *df, const struct said *s)
{
	for (size_t i = df->at; i < df->n_said && df->said[i].frame <= s->frame; i++)
		if (df->said[i].frame == s->frame && df->said[i].kind == s->kind &&
		    df->said[i].op == s->op) {
			df->said[i].kind = 0;
			while (df->at < df->n_said && df->said[df->at].kind == 0)
				df->at++;
			return &df->said[i];
		}
	return NULL;
}

static const struct verdict allowed = {.rule = RULE_NONE, .conduit = RULE_NONE};

/* Where in the list of differences this key is or goes.  NULL: no room. */
static struct difference *
place(struct differ *df, const struct difference *k)
{
	const struct hash_seed seed = hash_seed_make(3);
	uint64_t words[(KEY_BYTES + 7) / 8] = {0}, h = 0;
	uint32_t at, i;

	memcpy(words, k, KEY_BYTES);
	for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
		h = hash_mix(seed, h, words[w]);
	for (at = (uint32_t)h % DIFF_HASH; (i = df->index[at]) != 0; at = (at + 1) % DIFF_HASH)
		if (memcmp(&df->d[i - 1], k, KEY_BYTES) == 0)
			return &df->d[i - 1];
	if (df->n == DIFF_MAX)
		return NULL;
	if (df->n == df->cap) {
		uint32_t cap = df->cap ? 2 * df->cap : 64;
		struct difference *p = realloc(df->d, cap * sizeof(*p));

		if (!p) {
			df->nomem = true;
			return NULL;
		}
		df->d = p;
		df->cap = cap;
	}
	memcpy(&df->d[df->n], k, sizeof(*k));
	df->index[at] = ++df->n;
	return &df->d[df->n - 1];
}

static void
set_verdict(struct verdict *to, const struct verdict *v)
{
	to->action = v->action;
	to->would = v->would;
	to->reason = v->reason;
	to->mode = v->mode;
	to->rule = v->rule;
	to->conduit = v->conduit;
}

static void
differs(struct differ *df, const struct verdict *old, const struct said *new,
    const struct net_tuple *t, const struct fact *f)
{
	bool to_client = f && f->dir == DIR_TO_CLIENT;
	struct difference k, *d;

	memset(&k, 0, sizeof(k)); /* the padding too */
	k.src = to_client ? t->dst : t->src;
	k.dst = to_client ? t->src : t->dst;
	k.port = to_client ? t->sport : t->dport;
	k.l4 = t->proto;
	k.op = new->op;
	k.kind = new->kind;
	k.proto = f ? f->proto : FACT_PROTO_NONE;
	if (new->kind == EVENT_L2) {
		memcpy(k.smac, t->smac, sizeof(k.smac));
		memcpy(k.dmac, t->dmac, sizeof(k.dmac));
	}
	set_verdict(&k.old, old);
	set_verdict(&k.new, &new->v);
	if ((new->v.would >= VERDICT_REJECT) == (old->would >= VERDICT_REJECT))
		df->other++;
	else if (new->v.would >= VERDICT_REJECT)
		df->stopped++;
	else
		df->passed++;
	if (!(d = place(df, &k))) {
		df->lost++;
		return;
	}
	if (d->count < SAMPLES) {
		struct sample *s = &d->sample[d->count];

		s->frame = new->frame;
		if (f)
			tally_describe_named(df->pol[1], t, f,
			    new->v.would != VERDICT_ALLOW ? new->v.item : old->item, s->text,
			    sizeof(s->text));
		d->capture = df->capture;
	}
	d->count++;
	d->last_frame = new->frame;
}

/* An answer follows its request, and is told only for what is wrong with itself. */
static bool
follows(const struct verdict *v)
{
	return v->reason == REASON_NO_CONDUIT || v->reason == REASON_PORT ||
	       v->reason == REASON_OTHERWISE;
}

/* The burst is over: connections and frames that the old policy refuses, and of which the new
 * one, since it allows them, said nothing. */
static void
compare_rest(struct differ *df)
{
	for (size_t i = 0; i < df->n_said; i++) {
		struct said *s = &df->said[i];
		struct said new = {.frame = s->frame, .kind = s->kind, .v = allowed};

		if (s->kind != EVENT_PDU && s->kind != 0 && s->v.would != VERDICT_ALLOW)
			differs(df, &s->v, &new, &s->tuple, NULL);
	}
	df->n_said = df->at = 0;
}

static void
compare(struct differ *df, const struct said *new, const struct net_tuple *t, const struct fact *f)
{
	const struct said *old = counterpart(df, new);
	const struct verdict *o = old ? &old->v : &allowed;

	if (new->answer && (follows(o) || follows(&new->v)))
		return;
	if (!old && f)
		return; /* a PDU that only one engine came to see */
	if (o->action != new->v.action || o->would != new->v.would)
		differs(df, o, new, t, f);
}

/* --- two engines ------------------------------------------------------------------------------- */

static void
old_fact(void *ctx, const struct engine_pdu *p)
{
	struct said s = said_of_pdu(p);

	keep(ctx, &s);
}

/* A connection that the old policy refuses; whether the new one does is known later. */
static void
old_event(void *ctx, const struct event *ev)
{
	struct said s = said_of_event(ev);

	if (!ev->fact)
		keep(ctx, &s);
}

static void
new_fact(void *ctx, const struct engine_pdu *p)
{
	struct differ *df = ctx;
	struct said s = said_of_pdu(p);

	df->pdus += p->fact->proto != FACT_PROTO_NONE;
	compare(df, &s, p->tuple, p->fact);
}

static void
new_event(void *ctx, const struct event *ev)
{
	struct said s = said_of_event(ev);

	if (!ev->fact)
		compare(ctx, &s, ev->tuple, NULL);
}

static bool
on_start(void *ctx, struct engine *e)
{
	struct differ *df = ctx;
	const struct engine_conf ec = {
	    .seed = RUN_SEED,
	    .policy = df->pol[0],
	    .on_fact = old_fact,
	    .on_event = old_event,
	    .ctx = df,
	    .classify = true,
	};

	(void)e;
	if ((df->old_engine = engine_new(&ec)))
		return true;
	cli_say("no memory for a second engine");
	return false;
}

static bool
on_burst(void *ctx, const struct pkt *burst, unsigned n)
{
	struct differ *df = ctx;
	struct pkt copy[PKT_BURST];

	compare_rest(df);
	memcpy(copy, burst, n * sizeof(*burst));
	engine_burst(df->old_engine, copy, n);
	return !df->nomem;
}

static void
on_end(void *ctx)
{
	struct differ *df = ctx;

	compare_rest(df);
	engine_finish(df->old_engine);
}

/* --- the report -------------------------------------------------------------------------------- */

static uint64_t
total(const struct differ *df)
{
	return df->stopped + df->passed + df->other;
}

/* One side of a difference in the words of the other reports. */
static struct finding
side(const struct difference *d, const struct verdict *v)
{
	return (struct finding){
	    .src = d->src,
	    .dst = d->dst,
	    .op = d->op,
	    .port = d->port,
	    .kind = d->kind,
	    .would = v->would,
	    .action = v->action,
	    .reason = v->reason,
	    .mode = v->mode,
	    .rule = v->rule,
	    .conduit = v->conduit,
	    .l4 = d->l4,
	};
}

static const char *
ends(const struct differ *df, const struct difference *d, char *buf)
{
	char src[NET_ADDR_STRLEN], dst[NET_ADDR_STRLEN];
	int n;

	if (d->kind == EVENT_L2)
		n = snprintf(buf, NAME_SIZE, "%s -> %s", net_mac_str(d->smac, src),
		    net_mac_str(d->dmac, dst));
	else
		n = snprintf(buf, NAME_SIZE, "%s -> %s", report_host(df->pol[1], &d->src, src),
		    report_host(df->pol[1], &d->dst, dst));
	if (d->kind != EVENT_L2 && d->port != 0 && n > 0 && n < (int)NAME_SIZE)
		(void)snprintf(buf + n, NAME_SIZE - (size_t)n, ":%u", d->port);
	return buf;
}

/* Allowed without a word has no decider: connections of a conduit. */
static void
put_side(const struct differ *df, const struct difference *d, unsigned which)
{
	const struct verdict *v = which ? &d->new : &d->old;
	const struct finding f = side(d, v);
	unsigned col, line = report_line(df->pol[which], &f, &col);
	char who[NAME_SIZE];

	printf("              %s: %s", which ? "new" : "old", verdict_action_name(v->would));
	if (d->op || v->would != VERDICT_ALLOW)
		printf(" by %s", report_decider(df->pol[which], &f, who));
	if (line != 0)
		printf("  %s:%u:%u", df->path[which], line, col);
	if (v->action != v->would)
		printf(", let through: mode %s", v->mode == MODE_LEARN ? "learn" : "alert");
	putchar('\n');
}

/* By conversation, then by what is done. */
static int
difference_cmp(const void *va, const void *vb)
{
	const struct difference *a = va, *b = vb;
	int c = memcmp(&a->src, &b->src, sizeof(a->src));

	if (c == 0)
		c = memcmp(&a->dst, &b->dst, sizeof(a->dst));
	if (c == 0)
		c = (a->port > b->port) - (a->port < b->port);
	if (c == 0)
		c = memcmp(a->smac, b->smac, sizeof(a->smac));
	if (c == 0)
		c = memcmp(a->dmac, b->dmac, sizeof(a->dmac));
	if (c == 0)
		c = (a->sample[0].frame > b->sample[0].frame) -
		    (a->sample[0].frame < b->sample[0].frame);
	return c;
}

static void
put_text(const struct differ *df, char *const *captures, size_t n_captures)
{
	char before[NAME_SIZE] = "", now[NAME_SIZE];

	for (uint32_t i = 0; i < df->n; i++) {
		const struct difference *d = &df->d[i];
		const struct finding f = side(d, &d->new);

		if (strcmp(ends(df, d, now), before) != 0)
			printf("%s%s\n", i ? "\n" : "", now);
		memcpy(before, now, sizeof(before));
		printf("  %10" PRIu64 "  %s: %s -> %s\n", d->count, report_subject(&f),
		    verdict_action_name(d->old.would), verdict_action_name(d->new.would));
		put_side(df, d, 0);
		put_side(df, d, 1);
		for (uint64_t k = 0; k < d->count && k < SAMPLES; k++) {
			printf("              ");
			if (n_captures > 1)
				printf("%s ", captures[d->capture]);
			printf("frame %" PRIu64 "%s%s\n", d->sample[k].frame,
			    d->sample[k].text[0] ? ": " : "", d->sample[k].text);
		}
		if (d->count > SAMPLES)
			printf("              ... up to frame %" PRIu64 "\n", d->last_frame);
	}
	if (df->lost != 0)
		printf("\n%" PRIu64 " further differences are counted only\n", df->lost);
	printf("%s%" PRIu64 " PDUs judged by %s and %s: ", df->n ? "\n" : "", df->pdus, df->path[0],
	    df->path[1]);
	if (total(df) == 0)
		puts("no verdict differs");
	else
		printf("%" PRIu64 " would be stopped, %" PRIu64 " would pass, %" PRIu64
		       " would be met in another way\n",
		    df->stopped, df->passed, df->other);
}

static void
json_side(struct jw *w, const struct differ *df, const struct difference *d, unsigned which)
{
	const struct verdict *v = which ? &d->new : &d->old;
	const struct finding f = side(d, v);
	unsigned col, line = report_line(df->pol[which], &f, &col);
	char who[NAME_SIZE];

	jw_obj(w, which ? "new" : "old");
	jw_str(w, "verdict", verdict_action_name(v->would));
	jw_str(w, "action", verdict_action_name(v->action));
	if (d->op || v->would != VERDICT_ALLOW)
		jw_str(w, "rule", report_rule_id(df->pol[which], &f, who));
	if (line != 0) {
		jw_u(w, "line", line);
		jw_u(w, "column", col);
	}
	jw_close(w, '}');
}

struct json_ctx {
	const struct differ *df;
	char *const *captures;
};

static void
put_json(struct jw *w, const void *ctx)
{
	const struct json_ctx *j = ctx;
	const struct differ *df = j->df;

	jw_obj(w, NULL);
	jw_str(w, "old", df->path[0]);
	jw_str(w, "new", df->path[1]);
	jw_u(w, "pdus", df->pdus);
	jw_u(w, "stopped", df->stopped);
	jw_u(w, "passed", df->passed);
	jw_u(w, "other", df->other);
	jw_u(w, "not_listed", df->lost);
	jw_arr(w, "differences");
	for (uint32_t i = 0; i < df->n; i++) {
		const struct difference *d = &df->d[i];
		const struct finding f = side(d, &d->new);
		char name[NAME_SIZE];

		jw_obj(w, NULL);
		jw_str(w, "between", ends(df, d, name));
		if (d->proto < n_dissectors)
			jw_str(w, "proto", dissectors[d->proto]->name);
		jw_str(w, "op", report_subject(&f));
		jw_u(w, "count", d->count);
		json_side(w, df, d, 0);
		json_side(w, df, d, 1);
		jw_str(w, "capture", j->captures[d->capture]);
		jw_arr(w, "examples");
		for (uint64_t k = 0; k < d->count && k < SAMPLES; k++) {
			jw_obj(w, NULL);
			jw_u(w, "frame", d->sample[k].frame);
			jw_str(w, "text", d->sample[k].text);
			jw_close(w, '}');
		}
		jw_close(w, ']');
		jw_u(w, "last_frame", d->last_frame);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_close(w, '}');
}

/* --- the verb ---------------------------------------------------------------------------------- */

static int
judge(struct differ *df, const char *path, const struct cli_permits *permits)
{
	const struct run_conf conf = {
	    .policy = df->pol[1],
	    .progress = true,
	    .permits = permits->permit,
	    .n_permits = permits->n,
	    .on_fact = new_fact,
	    .on_event = new_event,
	    .on_start = on_start,
	    .on_burst = on_burst,
	    .on_end = on_end,
	    .ctx = df,
	};
	struct run_result r;
	int status;

	run_capture(path, &conf, &r);
	compare_rest(df);
	status = r.status;
	run_result_fini(&r);
	engine_free(df->old_engine);
	df->old_engine = NULL;
	if (df->nomem) {
		cli_say("%s: out of memory: differences are missing", path);
		status = EXIT_UNABLE;
	}
	return status;
}

int
diff_captures(struct policy *const pol[2], const char *const path[2], char *const *captures,
    size_t n, const struct cli_permits *permits, bool json)
{
	struct differ df = {.pol = {pol[0], pol[1]}, .path = {path[0], path[1]}};
	struct out out = {stdout, "-"};
	int status = EXIT_OK;

	if (!(df.index = calloc(DIFF_HASH, sizeof(*df.index)))) {
		cli_say("out of memory");
		return EXIT_UNABLE;
	}
	for (df.capture = 0; df.capture < n; df.capture++)
		status = exit_worse(status, judge(&df, captures[df.capture], permits));
	if (df.n != 0)
		qsort(df.d, df.n, sizeof(*df.d), difference_cmp);
	if (total(&df) != 0)
		status = exit_worse(status, EXIT_FOUND);
	if (json && !out_json(&out, put_json, &(struct json_ctx){&df, captures}))
		status = EXIT_UNABLE;
	if (!json)
		put_text(&df, captures, n);
	if (!out_close(&out))
		status = EXIT_UNABLE;
	free(df.said);
	free(df.d);
	free(df.index);
	return status;
}

int
policy_diff(int argc, char **argv)
{
	static struct cli_permits permits;
	struct policy *pol[2] = {NULL, NULL};
	bool json = false;
	const struct cli_opt table[] = {{"json", .flag = &json}, PERMIT_OPT(&permits), {0}};
	int status;

	if (!cli_options("policy", help, table, &argc, &argv, &status))
		return status;
	if (argc < 3)
		return cli_usage("policy", "diff takes the old policy, the new one, and captures");
	for (unsigned i = 0; i < 2; i++)
		if (!(pol[i] = cli_policy(argv[i])))
			status = EXIT_UNABLE;
	if (status == EXIT_OK && !cli_permits_load(&permits, pol[1]))
		status = EXIT_UNABLE;
	if (status == EXIT_OK)
		status = diff_captures(pol, (const char *const[]){argv[0], argv[1]}, argv + 2,
		    (size_t)argc - 2, &permits, json);
	policy_free(pol[0]);
	policy_free(pol[1]);
	return status;
}
