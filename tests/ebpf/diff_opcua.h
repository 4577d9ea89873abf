/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff_opcua.h - OPC UA in fast_diff_test.c: what a client and a server say, which of it the engine has
 * allowed, and what an offer tells of the channel; included there only.
 *
 * Numbers are those that the engine expects next, so that a conversation goes on behind what it did not
 * let by.
 */
#ifndef TESTS_EBPF_DIFF_OPCUA_H
#define TESTS_EBPF_DIFF_OPCUA_H

#include "dataplane/fastpath.h"
#include "tests/ebpf/talk_opcua.h"

#define DIFF_CHANNEL 77u

static uint32_t rnd(uint32_t n);

static struct {
	struct talk_ua say;
	struct fast_known known[FAST_KNOWN];
	unsigned next;
	uint8_t lent[2048]; /* the dissector's state when it was offered last */
	uint64_t compared;
	bool quiet; /* no rule tells of what is polled */
} ua;

static size_t
ua_rules(char *to, size_t room)
{
	static const char *const services[] = {
	    "Read", "Write, Read", "subscribe", "browse", "call"};
	static const char *const nodes[] = {"ns=2;s=Line.*", "ns=2;s=Line.Speed?", "ns=2;*", "i=*"};
	static const char *const asks[] = {"", "limits: {pending: 16}, ",
	    "limits: {message: 64KiB}, ", "security: {modes: [None, Sign]}, ",
	    "security: {policies: [None, Basic256Sha256], modes: [None, Sign]}, "};
	size_t n = (size_t)snprintf(to, room,
	    "%sallow: [{name: u0, services: [session, read, write, browse, subscribe], nodes: "
	    "[\"%s\"]}",
	    asks[rnd(5)], rnd(2) ? "ns=2;s=Line.*" : "*");

	for (unsigned i = 1, k = rnd(4); i <= k; i++)
		n += (size_t)snprintf(to + n, room - n,
		    ", {name: u%u, services: [%s], nodes: [\"%s\"]%s}", i, services[rnd(5)],
		    nodes[rnd(4)], rnd(3) || ua.quiet ? "" : ", verdict: alert");
	n += (size_t)snprintf(to + n, room - n, "]");
	if (rnd(3) == 0)
		n += (size_t)snprintf(to + n, room - n,
		    ", deny: [{name: v0, services: [%s], nodes: [\"ns=2;s=%s\"]}]",
		    rnd(2) ? "Write" : "Read", rnd(2) ? "Pump.*" : "Line.Speed7");
	return n;
}

static const struct dissector *
ua_dis(const struct flow *f)
{
	const struct dissector *d = f && f->dis < n_dissectors ? dissectors[f->dis] : NULL;

	return d && strcmp(d->name, "opcua") == 0 ? d : NULL;
}

/* What is said next, by what the engine has seen. */
static struct dis_lent
ua_sync(struct engine *e, struct flow *f)
{
	struct dis_lent l = {0};

	if (!ua_dis(f))
		return l;
	ua_dis(f)->lend(feed_state(e, f), &l);
	for (unsigned i = 0; i < 2; i++)
		ua.say.seq[i] = l.seq[i];
	return l;
}

/* What a client polls. */
static uint32_t
ua_poll(uint8_t *p)
{
	switch (rnd(6)) {
	case 0:
		return talk_ua_read(&ua.say, p, "Line.Speed", 0, 4);
	case 1:
		return talk_ua_read(&ua.say, p, "Line.Level", 3, 9);
	case 2:
		return talk_ua_browse(&ua.say, p, "Line.0");
	case 3:
		return talk_ua_write(&ua.say, p, "Line.Mode", 5);
	default:
		return talk_ua_publish(&ua.say, p, rnd(3));
	}
}

static uint32_t
ua_wild(uint8_t *p)
{
	static const char *const names[] = {"Line.Speed", "Line.Mode", "Pump.Mode"};
	uint32_t n;

	switch (rnd(9)) {
	case 0:
		return talk_ua_read(&ua.say, p, names[rnd(3)], rnd(10), rnd(12));
	case 1:
		return talk_ua_write(&ua.say, p, names[rnd(3)], rnd(7));
	case 2:
		return talk_ua_browse(&ua.say, p, names[rnd(3)]);
	case 3:
		return talk_ua_publish(&ua.say, p, rnd(70));
	case 4:
		return talk_ua_register(&ua.say, p, names[rnd(3)]);
	case 5:
		return talk_ua_open(&ua.say, p, false);
	default: /* alike, but for a byte */
		n = ua_poll(p);
		p[rnd(3) ? rnd(n) : rnd(52)] ^= (uint8_t)(1u << rnd(8));
		return n;
	}
}

/* To any of the open requests; 0: there is none. */
static uint32_t
ua_tell(const struct dis_lent *l, uint8_t *p, bool wild)
{
	unsigned at = l->n_open ? rnd(l->n_open) : 0;
	bool bad = rnd(20) == 0;
	uint32_t n;

	if (l->n_open == 0)
		return 0;
	n = talk_ua_answer(&ua.say, p, bad && rnd(2) ? 397 : (uint16_t)(l->type[at] + 3),
	    l->request[at], bad ? 0x80340000u : 0, 0);
	if (p[26] != (397 & 0xff) || p[27] != 397 >> 8) { /* with a body */
		talk_ua_unsaid(&ua.say, 1);
		n = talk_ua_answer(&ua.say, p, (uint16_t)(l->type[at] + 3), l->request[at],
		    bad ? 0x80340000u : 0, rnd(300));
	}
	if (wild)
		p[rnd(n)] ^= (uint8_t)(1u << rnd(8));
	return n;
}

/* The engine has judged a segment: pdus facts of it, the last by v, odd when there was something to say. */
static void
ua_judged(struct engine *e, struct flow *f, const struct fast *fast, unsigned dir, const uint8_t *p,
    uint32_t n, unsigned pdus, const struct verdict *v, bool odd)
{
	const struct dissector *d = ua_dis(f);
	uint8_t out[FAST_ALIKE];
	int32_t len = DIS_ALIKE_NONE;

	if (!d || pdus == 0)
		return;
	if (pdus == 1 && !odd && n >= 8 && talk_ua_le32(p + 4) == n)
		len =
		    d->alike(feed_state(e, f), (enum dis_dir)dir, cur_make(p, n), out, sizeof(out));
	if (len < 0)
		memset(ua.known, 0, sizeof(ua.known));
	if (len <= 0 || v->action != VERDICT_ALLOW || v->would != VERDICT_ALLOW ||
	    v->reason != REASON_RULE)
		return;
	for (unsigned i = 0; i < FAST_KNOWN; i++)
		if (ua.known[i].len == len && ua.known[i].hash == fast_hash(fast, out, (size_t)len))
			return;
	ua.known[ua.next++ % FAST_KNOWN] = (struct fast_known){
	    fast_hash(fast, out, (size_t)len), (uint16_t)len, (uint16_t)v->rule};
}

/* What an offer says of the channel; false: it is not at rest. */
static bool
ua_lend(struct engine *e, struct flow *f, struct kflow_offer *o)
{
	const struct dissector *d = ua_dis(f);
	struct dis_lent l;

	if (!d || !d->at_rest(feed_state(e, f), f->variant))
		return false;
	assert_true(d->state_size <= sizeof(ua.lent));
	memcpy(ua.lent, feed_state(e, f), d->state_size);
	d->lend(feed_state(e, f), &l);
	o->ua = (struct kflow_ua){.channel = l.channel,
	    .token = {l.token[0], l.token[1]},
	    .seq = {l.seq[0], l.seq[1]},
	    .max = {l.max[0], l.max[1]},
	    .sig = l.sig};
	for (unsigned i = 0; i < KFLOW_UA_KNOWN; i++) {
		o->ua.hash[i] = ua.known[i].hash;
		o->ua.known[i] = ua.known[i].len;
		o->ua.rule[i] = ua.known[i].rule;
	}
	for (unsigned i = 0; i < l.n_open; i++) {
		o->ua.open[i] = l.request[i];
		o->ua.type[i] = l.type[i];
	}
	o->n_open = l.n_open;
	return true;
}

static int
ua_order(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return x[0] < y[0] ? -1 : x[0] > y[0];
}

static bool
ua_same(const struct dis_lent *a, const struct dis_lent *b)
{
	uint32_t open[2][DIS_LENT_OPEN][2] = {0};

	for (unsigned i = 0; i < a->n_open; i++) {
		open[0][i][0] = a->request[i];
		open[0][i][1] = a->type[i];
	}
	for (unsigned i = 0; i < b->n_open; i++) {
		open[1][i][0] = b->request[i];
		open[1][i][1] = b->type[i];
	}
	qsort(open[0], a->n_open, sizeof(open[0][0]), ua_order);
	qsort(open[1], b->n_open, sizeof(open[1][0]), ua_order);
	return a->channel == b->channel && memcmp(a->token, b->token, sizeof(a->token)) == 0 &&
	       memcmp(a->seq, b->seq, sizeof(a->seq)) == 0 &&
	       memcmp(a->max, b->max, sizeof(a->max)) == 0 && a->sig == b->sig &&
	       a->policy == b->policy && a->mode == b->mode && a->user == b->user &&
	       a->n_open == b->n_open && memcmp(open[0], open[1], sizeof(open[0])) == 0;
}

/* The kernel has passed a PDU: would an engine that takes the connection back now, with the state that it
 * had when it offered it, stand where one stands that has seen all? */
static bool
ua_stands(struct engine *e, struct flow *f, const struct kflow *k)
{
	const struct dissector *d = ua_dis(f);
	static _Alignas(8) uint8_t state[sizeof(ua.lent)];
	struct dis_lent back = {.channel = k->ua.channel,
	    .token = {k->ua.token[0], k->ua.token[1]},
	    .seq = {k->ua.seq[0], k->ua.seq[1]},
	    .max = {k->ua.max[0], k->ua.max[1]},
	    .sig = k->ua.sig,
	    .n_open = k->n_open};
	struct dis_lent then, now;

	for (unsigned i = 0; i < DIS_LENT_OPEN; i++) {
		back.request[i] = k->ua.open[i];
		back.type[i] = k->ua.type[i];
	}
	memcpy(state, ua.lent, d->state_size);
	d->back(state, &back);
	d->lend(state, &then);
	d->lend(feed_state(e, f), &now);
	ua.compared++;
	return ua_same(&then, &now) && d->at_rest(state, 0);
}

#endif /* TESTS_EBPF_DIFF_OPCUA_H */
