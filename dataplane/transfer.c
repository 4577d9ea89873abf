/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.c - see transfer.h. */
#include "dataplane/transfer.h"

#include <string.h>

#include "alerts/alert.h"
#include "dataplane/engine_int.h"

static struct transfer_slot *
slot_find(struct transfers *ts, const struct flow *f, const struct dis_transfer *t)
{
	for (unsigned i = 0; ts->n != 0 && i < TRANSFERS_MAX; i++) {
		struct transfer_slot *s = &ts->slot[i];

		if (s->flow == f && s->out == t->out &&
		    (t->out || (s->space == t->space && s->sub == t->sub && s->first == t->first)))
			return s;
	}
	return NULL;
}

/*
 * As if the client had sent one more request, named download or upload.  The verdict is that of the
 * request that began it, unless another policy is in force by now: its rules have other numbers.
 */
static void
tell(struct engine *e, const struct transfer_slot *s, enum transfer_end how)
{
	const struct dis_sink *sink = &e->sink;
	struct net_tuple tuple;
	struct fact f = {
	    .proto = s->dis,
	    .kind = FACT_OTHER,
	    .access = s->out ? ACC_READ : ACC_PROGRAM,
	    .code = s->out, /* told apart when storms are folded */
	    .dir = DIR_TO_SERVER,
	    .sub = FACT_NO_SUB,
	    .n_items = 1,
	    .item = {.space = s->space, .sub = s->sub, .first = s->first, .count = 1},
	    .op = s->out ? "upload" : "download",
	};
	struct event_transfer about = {.how = (uint8_t)how,
	    .out = s->out,
	    .bytes = s->bytes,
	    .hashed = how != TRANSFER_UNSEEN};
	struct event ev = {
	    .kind = EVENT_TRANSFER,
	    .ts_ns = e->now_ns,
	    .frame = sink->frame,
	    .flow_id = flow_hash(&e->flows, s->flow),
	    .tuple = &tuple,
	    .verdict = s->verdict,
	    .fact = &f,
	    .transfer = &about,
	};
	struct crypto_sha256 h = s->hash;

	flow_tuple(&e->flows, s->flow, true, &tuple);
	crypto_sha256_final(&h, about.sha256);
	if (e->policy && ev.verdict.generation != policy_generation(e->policy)) {
		ev.verdict = judge_none();
		ev.verdict.reason = REASON_RESPONSE;
		ev.verdict.generation = policy_generation(e->policy);
		ev.verdict.conduit = s->flow->bind.conduit;
	}
	if (e->conf.alerts)
		alerts_put(e->conf.alerts, &ev);
	if (e->conf.on_event)
		e->conf.on_event(e->conf.ctx, &ev);
}

static void
slot_end(struct engine *e, struct transfer_slot *s, enum transfer_end how)
{
	if (s->pieces != 0)
		tell(e, s, how);
	s->flow = NULL;
	e->transfers.n--;
}

/* What ends so, of which perhaps not all was seen. */
static enum transfer_end
how_of(const struct transfer_slot *s, bool complete)
{
	return !complete || s->failed ? TRANSFER_ABORTED
	       : s->joined || s->lost ? TRANSFER_PARTIAL
				      : TRANSFER_COMPLETE;
}

static void
begin(struct engine *e, struct flow *f, const struct dis_transfer *t)
{
	struct transfer_slot *s = slot_find(&e->transfers, f, t), full;
	bool none = !s && e->transfers.n == TRANSFERS_MAX;

	if (s) /* it begins anew */
		slot_end(e, s, how_of(s, false));
	for (unsigned i = 0; !none && (i == 0 || s->flow); i++)
		s = &e->transfers.slot[i];
	if (none)
		s = &full;
	memset(s, 0, sizeof(*s));
	s->flow = f;
	s->out = t->out;
	s->joined = t->step == TRANSFER_JOINED;
	s->dis = f->dis;
	s->space = t->space;
	s->sub = t->sub;
	s->first = t->first;
	s->verdict = f->bind.flags & BIND_WINDOW ? judge_window(&e->sink, t->fact)
						 : policy_eval(e->policy, &f->bind, t->fact);
	crypto_sha256_init(&s->hash);
	if (none)
		tell(e, s, TRANSFER_UNSEEN);
	else
		e->transfers.n++;
}

void
transfer_step(struct dis_sink *sink, const struct dis_transfer *t)
{
	struct engine *e = sink->e;
	struct transfer_slot *s;
	size_t n;

	if (!e->policy)
		return;
	if (t->step == TRANSFER_BEGIN || t->step == TRANSFER_JOINED) {
		begin(e, sink->fl, t);
		return;
	}
	if (t->step == TRANSFER_LOST) {
		for (unsigned i = 0; e->transfers.n != 0 && i < TRANSFERS_MAX; i++)
			if (e->transfers.slot[i].flow == sink->fl)
				e->transfers.slot[i].lost = true;
		return;
	}
	if (!(s = slot_find(&e->transfers, sink->fl, t)))
		return;
	switch ((enum dis_transfer_step)t->step) {
	case TRANSFER_PIECE:
		n = cur_left(&t->data);
		s->pieces++;
		s->bytes += n;
		crypto_sha256_update(&s->hash, t->data.p, n);
		break;
	case TRANSFER_END:
		slot_end(e, s, how_of(s, true));
		break;
	case TRANSFER_FAILED:
		s->failed = true;
		break;
	case TRANSFER_REFUSED:
		slot_end(e, s, TRANSFER_ABORTED);
		break;
	default:
		break;
	}
}

void
transfer_flow_gone(struct engine *e, struct flow *f)
{
	for (unsigned i = 0; e->transfers.n != 0 && i < TRANSFERS_MAX; i++)
		if (e->transfers.slot[i].flow == f)
			slot_end(e, &e->transfers.slot[i], TRANSFER_ABORTED);
}
