/* SPDX-License-Identifier: Apache-2.0 */
/* need_gather.c - what a newcomer does, and how a policy judges it; see need.h. */
#include <stdlib.h>
#include <string.h>

#include "cli/need.h"
#include "dataplane/decode.h"

const struct need_risk_info need_risks[RISK__MAX] = {
#define NEED_RISK(id, name, verdict, text, advice) [RISK_##id] = {name, text, advice, verdict},
#include "cli/need_risk.def"
#undef NEED_RISK
};

/* Words of `security:` that are risks; a protocol that has other ones has none. */
static const struct {
	const char *key, *word;
	uint8_t risk;
} words[] = {
    {"modes", "None", RISK_UNENCRYPTED},
    {"user-tokens", "anonymous", RISK_ANONYMOUS},
};

/* Sets of functions that are risks whatever they do to data. */
static const struct {
	const char *set;
	uint8_t risk;
} sets[] = {
    {"upload", RISK_UPLOAD},
    {"browse", RISK_DISCOVER},
    {"query", RISK_DISCOVER},
};

static const struct net_addr *
client_of(const struct engine_pdu *p)
{
	return p->fact->dir == DIR_TO_CLIENT ? &p->tuple->dst : &p->tuple->src;
}

static void
read_all(struct need *n, const struct run_conf *conf)
{
	for (n->at = 0; n->at < n->n_captures; n->at++) {
		struct need_capture *c = &n->captures[n->at];
		struct run_result r;

		run_capture(c->path, conf, &r);
		n->status = exit_worse(n->status, r.status);
		(void)snprintf(c->error, sizeof(c->error), "%s", r.error);
		c->frames = r.stats.received;
		c->pdus = r.stats.pdus;
		c->first_ns = r.first_ns;
		c->last_ns = r.last_ns;
		run_result_fini(&r);
	}
	n->at = 0;
}

/* --- who asks ----------------------------------------------------------------------------------- */

static struct need_client *
client(struct need *n, const struct net_addr *addr)
{
	for (uint32_t i = 0; i < n->n_clients; i++)
		if (net_addr_eq(&n->clients[i].addr, addr))
			return &n->clients[i];
	if (n->n_clients == NEED_CLIENTS) {
		n->clients_lost++;
		return NULL;
	}
	n->clients[n->n_clients] = (struct need_client){.addr = *addr};
	return &n->clients[n->n_clients++];
}

static void
clients_fact(void *ctx, const struct engine_pdu *p)
{
	const struct fact *f = p->fact;
	bool app = f->proto == FACT_PROTO_NONE && strcmp(f->op, "app") == 0;
	struct need_client *c;

	if (!app && (f->proto >= n_dissectors || f->kind != FACT_REQUEST))
		return;
	if ((c = client(ctx, client_of(p))))
		*(app ? &c->other : &c->requests) += 1;
}

void
need_clients(struct need *n)
{
	const struct run_conf conf = {.progress = true, .on_fact = clients_fact, .ctx = n};

	if (n->given)
		(void)client(n, &n->device);
	read_all(n, &conf);
}

/* --- what the newcomer does ----------------------------------------------------------------------- */

static void
seen(const struct need *n, struct need_seen *s, uint64_t frame, uint64_t ts_ns)
{
	const struct need_at at = {n->at, frame};

	if (s->n < NEED_FRAMES)
		s->at[s->n] = at;
	if (s->n == 0 || ts_ns < s->first_ns)
		s->first_ns = ts_ns;
	if (ts_ns > s->last_ns)
		s->last_ns = ts_ns;
	s->last = at;
	s->n++;
}

/* The row of this, a new one, or NULL: there is no room. */
static struct need_row *
row_of(struct need *n, const struct need_row *k)
{
	for (uint32_t i = 0; i < n->n_rows; i++) {
		struct need_row *r = &n->rows[i];

		if (r->risk == k->risk && r->code == k->code && r->sub == k->sub &&
		    r->port == k->port && r->proto == k->proto &&
		    net_addr_eq(&r->server, &k->server) && strcmp(r->op, k->op) == 0)
			return r;
	}
	if (n->n_rows == NEED_ROWS) {
		n->lost++;
		return NULL;
	}
	n->rows[n->n_rows] = *k;
	n->rows[n->n_rows].op = arena_strn(n->a, k->op, strlen(k->op));
	return &n->rows[n->n_rows++];
}

static void
note(struct need *n, uint8_t risk, const char *op, const struct engine_pdu *p)
{
	const struct fact *f = p->fact;
	bool back = f->dir == DIR_TO_CLIENT;
	bool own = op == f->op; /* of this function, not of the session */
	const struct need_row k = {
	    .risk = risk,
	    .proto = f->proto,
	    .access = own ? f->access : 0,
	    .code = own ? f->code : 0,
	    .sub = own ? f->sub : FACT_NO_SUB,
	    .port = back ? p->tuple->sport : p->tuple->dport,
	    .server = back ? p->tuple->src : p->tuple->dst,
	    .op = op,
	};
	struct need_row *r = row_of(n, &k);

	if (!r)
		return;
	if (r->seen.n == 0 && f->proto < n_dissectors && own)
		tally_describe_named(n->live, p->tuple, f, 0, r->what, sizeof(r->what));
	seen(n, &r->seen, p->frame, p->ts_ns);
}

/* What a function does, the worst of it; RISK__MAX: nothing that anybody has to know of. */
static uint8_t
risk_of(const struct fact *f)
{
	const struct dis_schema *sc = dissectors[f->proto]->schema;
	const struct dis_op *row = dissector_op(sc, f->opx);

	if (f->access & ACC_PROGRAM)
		return RISK_PROGRAM;
	if (f->access & ACC_CONTROL)
		return RISK_CONTROL;
	for (unsigned i = 0; row && sc->sets && sc->sets[i]; i++)
		for (size_t k = 0; k < sizeof(sets) / sizeof(sets[0]); k++)
			if (row->sets >> i & 1 && strcmp(sc->sets[i], sets[k].set) == 0)
				return sets[k].risk;
	if (f->access & ACC_WRITE)
		return RISK_WRITE;
	if (f->access & ACC_DIAG)
		return RISK_DISCOVER;
	if ((!row || !row->known) && f->access == 0 && !(f->anomalies & FACT_A_ENCRYPTED))
		return RISK_UNKNOWN;
	return RISK__MAX;
}

static void
session_risks(struct need *n, const struct engine_pdu *p)
{
	const struct fact *f = p->fact;
	const struct dis_schema *sc = dissectors[f->proto]->schema;

	if (f->anomalies & FACT_A_ENCRYPTED)
		note(n, RISK_UNREADABLE, "encrypted", p);
	if (f->anomalies & FACT_A_MIDSTREAM)
		note(n, RISK_MIDSTREAM, "midstream", p);
	for (unsigned i = 0; f->props && i < sc->n_keys; i++) {
		const struct dis_key *k = &sc->keys[i];
		const char *word;

		if (!k->map || k->kind != KEY_WORD || f->props->na >> k->prop & 1 ||
		    !(f->props->known >> k->prop & 1) || f->props->num[k->prop] >= 32)
			continue;
		for (unsigned w = 0; w < f->props->num[k->prop]; w++)
			if (!k->words[w])
				return;
		if (!(word = k->words[f->props->num[k->prop]]))
			continue;
		for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
			if (strcmp(words[w].key, k->name) == 0 && strcmp(words[w].word, word) == 0)
				note(n, words[w].risk, words[w].word, p);
	}
}

static void
gather_fact(void *ctx, const struct engine_pdu *p)
{
	const struct fact *f = p->fact;
	struct need *n = ctx;
	uint8_t risk;

	if (!net_addr_eq(client_of(p), &n->device))
		return;
	learn_fact(&n->full, p);
	if (f->proto >= n_dissectors) {
		const struct fact_app *app = f->ext;

		if (strcmp(f->op, "app") == 0 && app)
			note(n, RISK_OTHER, app->app, p);
		return;
	}
	if (f->dir == DIR_TO_CLIENT) {
		if (f->kind == FACT_EXCEPTION)
			note(n, RISK_REFUSED, f->op, p);
		return;
	}
	if (f->kind == FACT_MALFORMED)
		note(n, RISK_MALFORMED, f->op, p);
	if (f->kind != FACT_REQUEST)
		return;
	n->requests++;
	if ((risk = risk_of(f)) != RISK__MAX)
		note(n, risk, f->op, p);
	session_risks(n, p);
}

/* --- frames --------------------------------------------------------------------------------------- */

static void
target(
    struct need *n, const struct net_addr *server, uint16_t port, bool answer, const struct pkt *p)
{
	struct need_target *t = NULL;

	for (uint32_t i = 0; i < n->n_targets && !t; i++)
		if (n->targets[i].port == port && net_addr_eq(&n->targets[i].server, server))
			t = &n->targets[i];
	if (answer) {
		if (t)
			t->answered = true;
		return;
	}
	if (!t && n->n_targets == NEED_TARGETS) {
		n->lost++;
		return;
	}
	if (!t) {
		t = &n->targets[n->n_targets++];
		*t = (struct need_target){.server = *server, .port = port};
	}
	seen(n, &t->seen, p->frame, p->ts_ns);
}

/* Of a burst, what the newcomer sends and gets; returns how many. */
static unsigned
own(const struct need *n, const struct pkt *burst, unsigned count, struct pkt *out)
{
	unsigned k = 0;

	for (unsigned i = 0; i < count; i++) {
		struct net_tuple t = {0};
		struct layers y;

		if (decode(&burst[i], &y) != DROP_NONE || !(y.flags & LAYER_IP))
			continue;
		layers_tuple(&y, burst[i].port, &t);
		if (net_addr_eq(&t.src, &n->device) || net_addr_eq(&t.dst, &n->device))
			out[k++] = burst[i];
	}
	return k;
}

static bool
gather_burst(void *ctx, const struct pkt *burst, unsigned count)
{
	struct need *n = ctx;
	struct pkt mine[PKT_BURST];
	unsigned k = own(n, burst, count, mine);

	n->frames += k;
	learn_packets(&n->full, mine, k);
	for (unsigned i = 0; i < k; i++) {
		struct net_tuple t = {0};
		struct layers y;

		if (decode(&mine[i], &y) != DROP_NONE || !(y.flags & LAYER_L4) ||
		    y.proto != NET_PROTO_TCP || !(y.tcp_flags & TCP_SYN))
			continue;
		layers_tuple(&y, mine[i].port, &t);
		if (!(y.tcp_flags & TCP_ACK) && net_addr_eq(&t.src, &n->device))
			target(n, &t.dst, t.dport, false, &mine[i]);
		else if (y.tcp_flags & TCP_ACK && net_addr_eq(&t.dst, &n->device))
			target(n, &t.src, t.sport, true, &mine[i]);
	}
	return true;
}

void
need_gather(struct need *n)
{
	const struct run_conf conf = {.progress = true,
	    .quiet = true,
	    .on_fact = gather_fact,
	    .on_burst = gather_burst,
	    .ctx = n};

	n->rows = arena_array(n->a, NEED_ROWS, sizeof(*n->rows));
	n->targets = arena_array(n->a, NEED_TARGETS, sizeof(*n->targets));
	learn_init(&n->full, n->a, NULL);
	read_all(n, &conf);
	learn_finish(&n->full);
	n->lost += n->full.lost;
	for (uint32_t i = 0; i < n->n_targets; i++) {
		const struct need_target *t = &n->targets[i];
		struct need_row k = {.risk = RISK_SCAN,
				    .proto = FACT_PROTO_NONE,
				    .sub = FACT_NO_SUB,
				    .port = t->port,
				    .server = t->server,
				    .op = "connect"},
				*r;

		if (!t->answered && (r = row_of(n, &k)))
			r->seen = t->seen;
	}
}

/* --- how a policy judges it ------------------------------------------------------------------------- */

struct judging {
	struct need *n;
	struct need_judged *by;
	struct tally t;
	bool learn;
};

static void
judge_fact(void *ctx, const struct engine_pdu *p)
{
	struct judging *j = ctx;
	const struct verdict *v = p->verdict;
	bool own = net_addr_eq(client_of(p), &j->n->device);

	tally_fact(&j->t, p);
	if (!own)
		return;
	if (j->learn)
		learn_fact(&j->n->more, p);
	if (p->fact->proto >= n_dissectors || p->fact->kind != FACT_REQUEST)
		return;
	j->by->requests++;
	if (v->would <= VERDICT_ALERT) {
		j->by->allowed++;
		if (v->rule < policy_rule_count(j->by->policy) && v->reason == REASON_RULE)
			j->by->by_rule[v->rule]++;
	} else {
		j->by->forbidden += v->reason == REASON_RULE;
	}
}

static void
judge_event(void *ctx, const struct event *ev)
{
	struct judging *j = ctx;

	if (net_addr_eq(ev->to_client ? &ev->tuple->dst : &ev->tuple->src, &j->n->device))
		tally_event(&j->t, ev);
}

static bool
judge_start(void *ctx, struct engine *e)
{
	return tally_slots(&((struct judging *)ctx)->t, engine_max_flows(e));
}

static bool
judge_burst(void *ctx, const struct pkt *burst, unsigned count)
{
	struct judging *j = ctx;
	struct pkt mine[PKT_BURST];

	if (j->learn)
		learn_packets(&j->n->more, mine, own(j->n, burst, count, mine));
	return true;
}

/* The answer to what is not allowed is not allowed either: once is enough. */
static bool
follows(const struct finding *f)
{
	return f->answer && (f->reason == REASON_NO_CONDUIT || f->reason == REASON_PORT ||
				f->reason == REASON_OTHERWISE);
}

static void
keep_denied(struct judging *j, uint32_t capture)
{
	for (uint32_t i = 0; i < j->t.n_findings; i++) {
		const struct need_denied d = {capture, j->t.findings[i]};

		if (!d.f.denied || follows(&d.f))
			continue;
		j->by->denials += d.f.count;
		if (j->by->denied.n == NEED_DENIALS)
			j->by->not_listed++;
		else
			vec_push(j->n->a, &j->by->denied, d);
	}
	j->by->not_listed += j->t.findings_lost;
}

void
need_judge(struct need *n, struct need_judged *by, bool learn)
{
	struct judging j = {.n = n, .by = by, .learn = learn};
	const struct run_conf conf = {
	    .policy = by->policy,
	    .progress = true,
	    .quiet = true,
	    .on_fact = judge_fact,
	    .on_event = judge_event,
	    .on_start = judge_start,
	    .on_burst = judge_burst,
	    .ctx = &j,
	};

	by->by_rule =
	    arena_array(n->a, policy_rule_count(by->policy) + (size_t)1, sizeof(*by->by_rule));
	if (learn)
		learn_init(&n->more, n->a, by->policy);
	for (uint32_t i = 0; i < n->n_captures; i++) {
		struct run_result r;

		if (!tally_init(&j.t, by->policy)) {
			cli_say("out of memory");
			n->status = EXIT_UNABLE;
			return;
		}
		run_capture(n->captures[i].path, &conf, &r);
		n->status = exit_worse(n->status, r.status);
		keep_denied(&j, i);
		if (j.t.nomem)
			n->status = EXIT_UNABLE;
		run_result_fini(&r);
		tally_fini(&j.t);
	}
	if (learn)
		learn_finish(&n->more);
}
