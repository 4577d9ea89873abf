/* SPDX-License-Identifier: Apache-2.0 */
/* judge.c - facts to verdicts: policy, counters, alert, observer. */
#include <string.h>

#include "alerts/alert.h"
#include "alerts/record.h"
#include "dataplane/repair.h"
#include "policy/memory.h"

struct verdict
judge_none(void)
{
	return (struct verdict){
	    .reason = REASON_NO_POLICY, .rule = RULE_NONE, .conduit = RULE_NONE};
}

const struct net_tuple *
judge_tuple(struct dis_sink *s)
{
	if (!s->tuple_ok) {
		flow_tuple(&s->e->flows, s->fl, s->dir == DIR_TO_SERVER, &s->tuple);
		if (s->l && s->l->smac) {
			memcpy(s->tuple.smac, s->l->smac, 6);
			memcpy(s->tuple.dmac, s->l->dmac, 6);
		}
		s->tuple_ok = true;
	}
	return &s->tuple;
}

/* What an event of this fact would be folded by; false: only the event can say that. */
static inline bool
storm_of(const struct dis_sink *s, enum event_kind kind, enum policy_cond cond,
    const struct verdict *v, const struct fact *f, struct alerts_storm *out)
{
	struct fact_item it;

	if (s->fl->flags & FLOW_V6 || s->e->conf.no_quick)
		return false; /* its key has but hashes of the addresses */
	*out = (struct alerts_storm){
	    .flow = {s->fl->ka, s->fl->kb},
	    .anomalies = f->anomalies,
	    .rule = v->rule,
	    .conduit = v->conduit,
	    .unit = f->unit,
	    .code = f->code,
	    .sub = f->sub,
	    .kind = (uint8_t)kind,
	    .cond = (uint8_t)cond,
	    .reason = v->reason,
	    .would = v->would,
	    .proto = f->proto,
	    .fact_kind = f->kind,
	    .to_client = s->dir == DIR_TO_CLIENT,
	    .client = s->fl->flags & FLOW_CLIENT_LO,
	};
	if (f->n_items == 0)
		return true;
	if (!fact_item_at(f, v->item, &it))
		it = f->item;
	out->item_space = it.space;
	out->item_sub = it.sub;
	out->item_first = it.first;
	out->item_count = it.count;
	if (it.name && f->proto < n_dissectors)
		out->item_hash = record_hash(it.name, it.name_len);
	return true;
}

static void __attribute__((noinline))
tell_event(struct dis_sink *s, enum event_kind kind, enum policy_cond cond, struct verdict v,
    const struct fact *f, const char *note, struct alerts *alerts)
{
	struct event ev = {
	    .kind = (uint8_t)kind,
	    .cond = (uint8_t)cond,
	    .ts_ns = s->ts_ns,
	    .frame = s->frame,
	    .flow_id = flow_hash(&s->e->flows, s->fl),
	    .tuple = judge_tuple(s),
	    .to_client = s->dir == DIR_TO_CLIENT,
	    .verdict = v,
	    .fact = f,
	    .note = note,
	};

	if (v.permit != 0 && v.permit <= PERMITS_MAX)
		ev.note = s->e->windows.text[v.permit - 1];
	if (alerts)
		alerts_put(alerts, &ev);
	if (s->e->conf.on_event)
		s->e->conf.on_event(s->e->conf.ctx, &ev);
}

/*
 * Verdicts go by value to what is rarely called: where nobody has its address, the caller reads
 * what policy_eval() has written just there, and makes no copy of it first.
 */
static void __attribute__((noinline)) tell(struct dis_sink *s, enum event_kind kind,
    enum policy_cond cond, struct verdict v, const struct fact *f, const char *note)
{
	struct alerts *alerts = s->e->conf.alerts;
	const uint32_t at = flow_index(&s->e->flows, s->fl);
	const bool may = alerts && storm_of(s, kind, cond, &v, f, &s->storm);

	s->storm_ok = may;
	if (may && alerts_again(alerts, at, &s->storm, s->ts_ns, s->frame)) {
		if (!s->e->conf.on_event)
			return;
		alerts = NULL; /* it has it */
	}
	tell_event(s, kind, cond, v, f, note, alerts);
	if (may && alerts)
		alerts_remember(alerts, at, &s->storm);
}

static void __attribute__((noinline))
show(struct dis_sink *s, const struct fact *f, struct verdict v)
{
	struct engine *e = s->e;
	struct engine_pdu pdu = {
	    .frame = s->frame,
	    .ts_ns = s->ts_ns,
	    .flow_id = flow_hash(&s->e->flows, s->fl),
	    .flow_index = flow_index(&e->flows, s->fl),
	    .tuple = judge_tuple(s),
	    .fact = f,
	    .verdict = &v,
	    .state = e->policy && f->proto != FACT_PROTO_NONE && s->fl->bind.flags & BIND_STATE
			 ? &s->past
			 : NULL,
	    .clock = &e->windows.clock,
	};

	e->conf.on_fact(e->conf.ctx, &pdu);
}

/* Anomalies worth an alert of their own when the PDU itself is allowed: all
 * but those that only say how we came to see it, and that it cannot be read, which the
 * policy has agreed to. */
#define QUIET_ANOMALIES \
	(FACT_A_MIDSTREAM | FACT_A_RESYNC | FACT_A_TRUNCATED | FACT_A_GAP | FACT_A_ENCRYPTED)

/* The answer to a request that nobody may make: the request was told. */
static inline bool
answer_is_old_news(struct verdict v, const struct fact *f)
{
	return v.reason == REASON_NO_CONDUIT &&
	    (f->kind == FACT_RESPONSE || f->kind == FACT_EXCEPTION) &&
	    !(f->anomalies & ~QUIET_ANOMALIES);
}

/* What a guard does at once about a verdict that ends something: carried out when the PDU
 * is done (feed.c), or the packet (tcp.c). */
static void __attribute__((noinline))
act(struct dis_sink *s, const struct fact *f, struct verdict *v)
{
	struct engine *e = s->e;

	if (v->action == VERDICT_REJECT && !e->call.datagram && !refusal_make(e, s->fl, f))
		v->action = VERDICT_RESET;
	if (v->action == VERDICT_RESET)
		guard_of(s->e, s->fl)->flags |= GUARD_WANT_RESET;
}

void
judge_past(struct dis_sink *s, const struct policy_memory *m, struct policy_state *st)
{
	const struct net_tuple *t = judge_tuple(s);

	st->memory = m;
	st->server = s->dir == DIR_TO_SERVER ? t->dst : t->src;
	/* the same ends may have had a connection before */
	st->flow = flow_hash(&s->e->flows, s->fl) ^ (uint64_t)s->fl->isn << 32;
	st->now_ns = s->ts_ns;
}

static void __attribute__((noinline))
note_state(struct dis_sink *s, const struct fact *f, struct verdict v)
{
	policy_memory_note(s->e->policy, &s->past, s->e->memory, f, &v,
	    v.action < VERDICT_REJECT || !s->e->inline_mode);
}

/* Rules ask what values have last been, or are only-in: what is known, and open for these ends, now. */
struct verdict __attribute__((noinline)) judge_window(struct dis_sink *s, const struct fact *f)
{
	bool past = (s->fl->bind.flags & BIND_STATE) != 0;
	const struct net_tuple *t = judge_tuple(s);
	struct net_tuple back;

	if (past)
		judge_past(s, s->e->memory, &s->past);
	if (s->dir == DIR_TO_CLIENT) {
		back = net_tuple_reverse(t);
		t = &back;
	}
	return policy_eval_in(
	    s->e->policy, &s->fl->bind, f, &s->e->windows.clock, t, past ? &s->past : NULL);
}

/* Of a flow with BIND_RATE: an answer, which may be late. */
static struct verdict __attribute__((noinline))
judge_answer(struct dis_sink *s, const struct fact *f, struct verdict v)
{
	struct engine *e = s->e;
	struct wait w;

	if (f->anomalies & FACT_A_UNSOLICITED ||
	    !waits_take(e->waits, flow_hash(&s->e->flows, s->fl), s->fl->isn, f, &w))
		return v;
	if (!w.late && s->ts_ns >= w.deadline_ns)
		judge_overdue(e, &w); /* before anybody has looked */
	return w.late || s->ts_ns >= w.deadline_ns ? policy_eval_late(e->policy, &s->fl->bind, f, v)
						   : v;
}

/* A request has gone on its way. */
static void __attribute__((noinline)) note_request(struct dis_sink *s, const struct fact *f)
{
	const struct dissector *d = dissectors[f->proto];
	struct verdict told;
	struct wait w = {.flow_hash = flow_hash(&s->e->flows, s->fl),
	    .flow = flow_index(&s->e->flows, s->fl),
	    .isn = s->fl->isn,
	    .asked_ns = s->ts_ns,
	    .frame = s->frame};
	uint64_t ns = policy_timeout(s->e->policy, &s->fl->bind, f->proto, &told);

	if (ns == 0 || f->access == ACC_SESSION || (d->patient && d->patient(f)))
		return;
	w.deadline_ns = s->ts_ns + ns;
	waits_add(s->e->waits, w, f);
}

void
judge_overdue(struct engine *e, const struct wait *w)
{
	struct flow *fl = &e->flows.flows[w->flow];
	struct dis_sink *s = &e->sink, was = *s;
	struct verdict v;
	struct fact f;

	/* it has ended, or another has its place */
	if (fl->wheel_slot == UINT16_MAX || flow_hash(&e->flows, fl) != w->flow_hash ||
	    fl->isn != w->isn || fl->state == FLOW_CLOSED || engine_stale(e, fl) || !e->policy ||
	    !policy_timeout(e->policy, &fl->bind, w->proto, &v))
		return;
	engine_aim(e, fl, w->dir, NULL);
	s->frame = w->frame;
	waits_fact(w, &f);
	e->st.overdue++;
	e->st.verdicts[v.action]++;
	e->st.would[v.would]++;
	e->told++;
	e->kinds[FACT_OTHER]++;
	tell(s, EVENT_PDU, (enum policy_cond)0, v, &f, "no answer in time");
	*s = was;
}

bool
dis_emit(struct dis_sink *s, struct fact *f)
{
	struct engine *e = s->e;
	struct verdict v;

	f->proto = s->fl->dis;
	f->dir = s->dir;
	e->kinds[f->kind]++;
	if (e->policy) {
		if (__builtin_expect(!(s->fl->bind.flags & (BIND_STATE | BIND_WINDOW)), 1))
			v = policy_eval(e->policy, &s->fl->bind, f);
		else
			v = judge_window(s, f);
		if (__builtin_expect(s->fl->bind.flags & BIND_RATE, 0))
			v = policy_eval_rate(
			    e->policy, &s->fl->bind, f, v, &s->fl->meter, s->ts_ns);
		if (__builtin_expect(e->shadow != NULL, 0))
			shadow_fact(e, f, v);
		if (__builtin_expect(s->fl->bind.flags & BIND_RATE, 0) &&
		    (f->kind == FACT_RESPONSE || f->kind == FACT_EXCEPTION))
			v = judge_answer(s, f, v);
		if (__builtin_expect(v.action >= VERDICT_REJECT, 0) && e->inline_mode) {
			if (__builtin_expect(e->panic == PANIC_OPEN, 0))
				v.action = VERDICT_ALERT;
			else
				act(s, f, &v);
		}
		if (v.reason == REASON_RULE)
			e->rule_hits[v.rule]++;
		if (v.would != VERDICT_ALLOW && answer_is_old_news(v, f)) {
			s->would_drop |= v.would >= VERDICT_REJECT;
		} else if (v.would != VERDICT_ALLOW) {
			bool cond = v.reason == REASON_CONDITION;

			tell(s, cond ? EVENT_CONDITION : EVENT_PDU,
			    cond ? (enum policy_cond)v.rule : (enum policy_cond)0, v, f, NULL);
			s->would_drop |= v.would >= VERDICT_REJECT;
		} else if (f->anomalies & ~QUIET_ANOMALIES) {
			tell(s, EVENT_ANOMALY, (enum policy_cond)0, v, f, NULL);
		}
	} else {
		v = judge_none();
	}
	if (__builtin_expect((v.action | v.would) != VERDICT_ALLOW, 0)) {
		e->st.verdicts[v.action]++;
		e->st.would[v.would]++;
		s->facts = s->facts != SINK_NONE || f->anomalies != 0 ||
				   (e->inline_mode && v.action != VERDICT_REJECT) ||
				   f->kind != FACT_REQUEST || v.reason == REASON_CONDITION
			       ? SINK_OTHER
			       : SINK_DENIED;
		s->action = v.action;
		s->would = v.would;
		s->rule = v.reason == REASON_RULE ? v.rule : QUICK_NO_HIT;
	} else {
		e->allowed++;
		s->facts = s->facts != SINK_NONE || f->anomalies != 0 ? SINK_OTHER : SINK_PLAIN;
		s->rule = v.reason == REASON_RULE ? v.rule : QUICK_NO_HIT;
	}
	if (e->conf.on_fact)
		show(s, f, v);
	if (__builtin_expect(s->fl->bind.flags & BIND_STATE, 0) && e->policy)
		note_state(s, f, v);
	if (__builtin_expect(s->fl->bind.flags & BIND_RATE, 0) && e->policy &&
	    f->kind == FACT_REQUEST && (v.action < VERDICT_REJECT || !e->inline_mode))
		note_request(s, f);
	if (v.action > s->worst)
		s->worst = v.action;
	return v.action < VERDICT_REJECT || !e->inline_mode;
}

uint8_t
judge_condition(struct engine *e, enum policy_cond c, const char *op, uint64_t anomaly,
    const char *note)
{
	struct dis_sink *s = &e->sink;
	struct fact f = {
	    .proto = FACT_PROTO_NONE,
	    .kind = FACT_MALFORMED,
	    .dir = s->dir,
	    .sub = FACT_NO_SUB,
	    .anomalies = anomaly,
	    .op = op,
	};
	struct verdict v = judge_none();
	struct fact_app app;

	if (app_known(e, s->fl, &app))
		f.ext = &app;
	if (e->policy) {
		v = policy_condition(e->policy, &s->fl->bind, c);
		if (e->shadow)
			shadow_condition(e, c, &f, v);
		panic_cap(e, &v);
		if (v.action == VERDICT_RESET && e->inline_mode)
			guard_of(s->e, s->fl)->flags |= GUARD_WANT_RESET;
		if (v.would != VERDICT_ALLOW)
			tell(s, EVENT_CONDITION, c, v, &f, note);
		s->would_drop |= v.would >= VERDICT_REJECT;
	}
	e->kinds[FACT_MALFORMED]++;
	e->told++;
	e->st.verdicts[v.action]++;
	e->st.would[v.would]++;
	if (e->conf.on_fact)
		show(s, &f, v);
	return v.action;
}

void
judge_app(struct engine *e, bool governed)
{
	struct dis_sink *s = &e->sink;
	struct fact f = {.proto = FACT_PROTO_NONE, .kind = FACT_OTHER, .dir = s->dir,
	    .sub = FACT_NO_SUB, .op = "app"};
	struct verdict v = governed ? policy_app(e->policy, &s->fl->bind) : judge_none();
	struct fact_app app;

	if (app_known(e, s->fl, &app))
		f.ext = &app;
	e->kinds[FACT_OTHER]++;
	e->told++;
	if (e->conf.on_fact)
		show(s, &f, v);
}

void
judge_flow(struct engine *e, const struct verdict *v, const struct net_tuple *t, uint64_t flow_id,
    bool l2)
{
	struct verdict done = *v;
	struct event ev = {
	    .kind = l2 ? EVENT_L2 : EVENT_FLOW,
	    .ts_ns = e->sink.ts_ns,
	    .frame = e->sink.frame,
	    .flow_id = flow_id,
	    .tuple = t,
	    .verdict = *v,
	};

	panic_cap(e, &done);
	ev.verdict = done;
	e->st.verdicts[done.action]++;
	e->st.would[v->would]++;
	e->sink.would_drop |= v->would >= VERDICT_REJECT;
	if (e->conf.alerts)
		alerts_put(e->conf.alerts, &ev);
	if (e->conf.on_event)
		e->conf.on_event(e->conf.ctx, &ev);
}
