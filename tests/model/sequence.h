/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sequence.h - conversations: requests, their answers, time that passes, other policies; after
 * each of them tables with their memory and the naive evaluator with its list must agree.
 * Included by policy_model.c only.
 */
#ifndef TESTS_MODEL_SEQUENCE_H
#define TESTS_MODEL_SEQUENCE_H

#include "policy/memory.h"

#define KEY_RATE    0xffffu /* of a verdict's .rule: no key of a schema */
#define KEY_TIMEOUT 0xfffeu
#define TALKS	   3u
#define OPEN_MOST  12u
#define SEQ_STEPS  60u
#define SEQ_MEMORY (8u << 20)

struct talk { /* a connection */
	struct net_tuple t;
	struct policy_bind bind;
	struct policy_state st;
	struct naive_bucket bucket;
	uint64_t meter;
	unsigned proto;
};

struct asked_once { /* a request that waits for its answer */
	struct fact f;
	struct fact_item items[ITEMS_MAX];
	unsigned talk, first; /* first: of its items in past */
	uint64_t asked_ns;
	bool used, known;     /* known: it is in past */
};

static struct policy_memory *seq_memory;
static struct past past;
static struct talk talks[TALKS];
static struct asked_once waits[OPEN_MOST];
static uint64_t seq_abandoned, seq_late;

/* A connection of the policy, mostly to the device of the first. */
static bool
talk_begin(const struct policy *p, unsigned i)
{
	struct talk *k = &talks[i];

	for (unsigned tries = 0; tries < 20; tries++) {
		unsigned c = rnd(n_conduits);

		memset(k, 0, sizeof(*k));
		k->proto = one_in(2) ? PROTO_TOY : PROTO_PLC;
		random_tuple(&k->t, c, k->proto);
		if (i > 0 && !one_in(6)) {
			k->t.dst = talks[0].t.dst;
			k->proto = talks[0].proto;
		}
		k->t.proto = NET_PROTO_TCP;
		k->t.dport = k->proto == PROTO_TOY ? 502 : 102;
		(void)policy_bind_in(p, &k->t, &now_open, &k->bind);
		if (!policy_serves(p, &k->bind, (uint8_t)k->proto))
			continue;
		k->st.server = k->t.dst;
		k->st.flow = 1000 + i;
		k->st.memory = seq_memory;
		return true;
	}
	return false;
}

/* Reads and writes of a few addresses that rules ask for. */
static void
focused_fact(struct fact *f, unsigned proto)
{
	static const unsigned toy[] = {1, 1, 1, 1, 3, 3, 6, 6, 7, 8};

	random_fact(f, proto);
	f->kind = one_in(40) ? FACT_OTHER : FACT_REQUEST;
	if (one_in(6))
		return;
	f->anomalies = 0;
	f->opx = (uint16_t)(proto == PROTO_TOY ? toy[rnd(10)] : one_in(2));
	f->code = (proto == PROTO_TOY ? toy_ops : plc_ops)[f->opx].code;
	f->sub = FACT_NO_SUB;
	f->access = (proto == PROTO_TOY ? toy_ops : plc_ops)[f->opx].access;
	f->op = (proto == PROTO_TOY ? toy_ops : plc_ops)[f->opx].name;
	f->unit = one_in(8) ? 2 : 1;
	f->n_items = (uint16_t)(one_in(5) ? 2 : 1);
	if (f->opx == 8 && proto == PROTO_TOY)
		f->n_items = 2;
	for (unsigned i = 0; i < f->n_items; i++) {
		struct fact_item *it = &items[i];

		random_item(it, bytes[i], proto,
		    f->access == (ACC_READ | ACC_WRITE) ? (i == 0 ? ACC_READ : ACC_WRITE)
							: f->access);
		if (proto == PROTO_TOY) {
			it->space = (uint8_t)(one_in(3) ? TOY_BIT : TOY_REG);
			it->first = it->access & ACC_READ ? rnd(4) : rnd(7);
			it->count = it->access & ACC_READ ? 4 + rnd(14)
				    : one_in(2)		  ? 1
							  : 1 + rnd(4);
			it->enc = it->space == TOY_BIT ? ENC_BIT_LSB : ENC_U16_BE;
			it->sub = 0;
		} else if (!one_in(4)) {
			it->space = (uint8_t)(one_in(2)	  ? PLC_AREA
					      : one_in(3) ? PLC_COUNTER
							  : PLC_FLAG);
			it->sub = it->space == PLC_AREA ? 1 + rnd(2) : 0;
			it->first = it->space == PLC_COUNTER ? rnd(6) : 8 * rnd(6);
			it->count = it->space == PLC_COUNTER ? 1 + rnd(4)
				    : one_in(6)		     ? 1
							     : 8 * (1 + rnd(8));
			if (it->access & ACC_READ && it->space != PLC_COUNTER && !one_in(3))
				it->count = 64, it->first = 0;
			it->enc = it->space == PLC_COUNTER ? ENC_U16_BE : ENC_BIT_LSB;
		}
		if (it->access & ACC_WRITE && !one_in(10)) {
			it->vals = bytes[i];
			it->masked = one_in(20);
		}
		for (unsigned b = 0; b < 64; b++) /* small numbers, so that they differ by little */
			if (!one_in(4))
				bytes[i][b] =
				    (uint8_t)(proto == PROTO_TOY && b % 2 == 0 ? 0 : rnd(24));
	}
	if (f->n_items == 2 && items[0].access == items[1].access && one_in(4)) {
		items[1] = items[0]; /* the same place twice, mostly the same value */
		memcpy(bytes[1], bytes[0], sizeof(bytes[1]));
		items[1].vals = items[0].vals ? bytes[1] : NULL;
		if (one_in(3))
			bytes[1][rnd(4)] ^= 1;
	}
	f->item = items[0];
	f->next = f->n_items > 1 ? items_next : NULL;
}

static struct verdict
seq_tables(const struct policy *p, struct talk *k, const struct fact *f)
{
	struct verdict v;

	k->st.now_ns = past.now_ns;
	if (k->bind.flags & BIND_WINDOW)
		v = policy_eval_in(
		    p, &k->bind, f, &now_open, &k->t, k->bind.flags & BIND_STATE ? &k->st : NULL);
	else if (k->bind.flags & BIND_STATE)
		v = policy_eval_state(p, &k->bind, f, &k->st);
	else
		v = policy_eval(p, &k->bind, f);
	if (k->bind.flags & BIND_RATE)
		v = policy_eval_rate(p, &k->bind, f, v, &k->meter, past.now_ns);
	v.generation = 0;
	return v;
}

static struct verdict
seq_naive(const struct ruleset *rs, struct talk *k, const struct fact *f)
{
	struct verdict v = naive_permitted(rs, &k->t, f, &past, &permits);

	if (naive_over_rate(rs, &k->t, f, &k->bucket, past.now_ns))
		v = naive_above(rs, &k->t, f, v, KEY_RATE);
	return v;
}

static bool
seq_compare(const struct policy *p, struct talk *k, const struct fact *f, const struct verdict *a,
    const struct verdict *b)
{
	if (same(a, b))
		return true;
	fprintf(stderr, "%s\n", text);
	show("tables", a);
	show("naive", b);
	policy_why_in(p, &k->t, f, &now_open, &k->st, stderr);
	return false;
}

/* *full: the list has no room for more. */
static bool
seq_request(const struct policy *p, const struct ruleset *rs, bool watching, bool *full)
{
	static uint32_t txn;
	unsigned at = rnd(TALKS), slot = 0;
	struct talk *k = &talks[at];
	struct asked_once *w = NULL;
	struct verdict a, b;
	struct fact f;
	bool carried;

	focused_fact(&f, k->proto);
	f.txn = ++txn;
	a = seq_tables(p, k, &f);
	b = seq_naive(rs, k, &f);
	if (!seq_compare(p, k, &f, &a, &b))
		return false;
	carried = a.action < VERDICT_REJECT || watching;
	if (k->bind.flags & BIND_STATE)
		policy_memory_note(p, &k->st, seq_memory, &f, &a, carried);
	if (!carried)
		return true;
	while (slot < OPEN_MOST && waits[slot].used)
		slot++;
	w = &waits[slot < OPEN_MOST ? slot : rnd(OPEN_MOST)]; /* one more that nobody answers */
	*w = (struct asked_once){.f = f,
	    .talk = at,
	    .first = past.n,
	    .used = true,
	    .known = true,
	    .asked_ns = past.now_ns};
	memcpy(w->items, items, sizeof(items));
	for (unsigned i = 0; i < f.n_items; i++)
		if (!past_ask(&past, f.txn, &k->t.dst, &f, &items[i], b.would < VERDICT_REJECT))
			*full = true;
	return true;
}

static void
answer_values(unsigned i)
{
	for (unsigned b = 0; b < 700; b++)
		bytes[i][b] = (uint8_t)(one_in(2) || b % 2 == 0 ? 0 : rnd(24));
	if (one_in(4))
		for (unsigned b = 0; b < 32; b++)
			bytes[i][b] = (uint8_t)rnd(256);
}

/* An answer that came too late, by each one's own reckoning. */
static void
seq_patience(const struct policy *p, const struct ruleset *rs, const struct talk *k,
    const struct asked_once *w, const struct fact *f, struct verdict *a, struct verdict *b)
{
	uint64_t waited = past.now_ns - w->asked_ns, patience = naive_patience(rs, &k->t, f), ns;
	struct verdict told = {0};

	if (f->anomalies & FACT_A_UNSOLICITED)
		return;
	ns = k->bind.flags & BIND_RATE ? policy_timeout(p, &k->bind, (uint8_t)k->proto, &told) : 0;
	if (ns != 0 && w->asked_ns + ns <= past.now_ns) {
		*a = policy_eval_late(p, &k->bind, f, *a);
		a->generation = 0;
	}
	if (patience != 0 && waited >= patience) {
		*b = naive_late(rs, &k->t, f, *b, KEY_TIMEOUT);
		seq_late++;
	}
	if (ns != patience) /* to the microsecond, as it is kept */
		b->reason = 0xff;
}

static bool
seq_answer(const struct policy *p, const struct ruleset *rs, bool watching)
{
	struct plc_said said = {0};
	struct asked_once *w = &waits[rnd(OPEN_MOST)];
	struct talk *k = &talks[w->talk];
	bool clear, carried, other = false;
	unsigned head = 0;
	struct verdict a, b;
	struct fact f = w->f;

	for (unsigned i = 0; !w->used && i < OPEN_MOST; i++)
		w = &waits[i];
	if (!w->used)
		return true;
	k = &talks[w->talk];
	f = w->f;
	f.kind = one_in(10) ? FACT_EXCEPTION : FACT_RESPONSE;
	f.anomalies = one_in(12)   ? FACT_A_UNSOLICITED
		      : one_in(12) ? 1u << 3
		      : one_in(6)  ? FACT_A_MIDSTREAM
				   : 0;
	f.n_items = 0;
	f.next = NULL;
	f.props = NULL;
	for (unsigned i = 0; i < ITEMS_MAX; i++) {
		answer_values(i);
		said.item[i].good = !one_in(6);
		said.item[i].vals = w->items[i].access & ACC_WRITE ? NULL : bytes[i];
		said.item[i].enc = w->items[i].space == PLC_COUNTER ? ENC_U16_BE : ENC_BIT_LSB;
	}
	said.n = one_in(20) ? rnd(3) : w->f.n_items;
	if (k->proto == PROTO_PLC) {
		f.ext = &said;
	} else if (w->f.n_items != 0 && f.kind == FACT_RESPONSE && !one_in(12)) {
		while (head + 1 < w->f.n_items && !(w->items[head].access & ACC_READ))
			head++;
		if (!(w->items[head].access & ACC_READ))
			head = 0;
		f.n_items = 1;
		f.item = w->items[head];
		f.item.vals = f.item.access & ACC_WRITE ? NULL : bytes[head];
		f.item.enc = f.item.space == TOY_BIT ? ENC_BIT_LSB : ENC_U16_BE;
		f.item.masked = false;
		other = one_in(15);
		f.item.first += other;
	}
	a = seq_tables(p, k, &f);
	b = seq_naive(rs, k, &f);
	seq_patience(p, rs, k, w, &f, &a, &b);
	if (!seq_compare(p, k, &f, &a, &b))
		return false;
	carried = a.action < VERDICT_REJECT || watching;
	if (k->bind.flags & BIND_STATE)
		policy_memory_note(p, &k->st, seq_memory, &f, &a, carried);
	if (f.anomalies & FACT_A_UNSOLICITED || other) /* it answers nothing */
		return true;
	clear = carried && f.kind == FACT_RESPONSE && b.would < VERDICT_REJECT &&
		!(f.anomalies & ~FACT_A_MIDSTREAM);
	for (unsigned i = 0; w->known && i < w->f.n_items; i++) {
		const struct fact_item *it = &w->items[i];
		bool write = (it->access & ACC_WRITE) != 0, good = clear;

		if (k->proto == PROTO_PLC)
			good = good && said.n == w->f.n_items && said.item[i].good;
		else if (!write) /* the answer names one run, and what else was read is not in it */
			good = good && f.n_items == 1 && it->space == f.item.space &&
			       it->first == f.item.first && it->count == f.item.count &&
			       f.item.vals;
		past_answer(&past, w->first + i, good,
		    write		    ? NULL
		    : k->proto == PROTO_PLC ? said.item[i].vals
					    : f.item.vals,
		    k->proto == PROTO_PLC ? said.item[i].enc : f.item.enc);
	}
	w->used = false;
	return true;
}

static void
seq_forget(const struct policy *p)
{
	policy_memory_rebind(seq_memory, NULL, p, past.now_ns);
	past_forget(&past);
	for (unsigned i = 0; i < OPEN_MOST; i++)
		waits[i].known = false;
}

static void
seq_time(void)
{
	static const uint64_t exactly_ms[] = {500, 2000, 10000, 10000};
	static const uint64_t most_ms[] = {5, 5, 200, 900, 11000};

	past.now_ns += (1 + rnd(1000) + (uint64_t)rnd((uint32_t)most_ms[rnd(5)]) * 1000) * 1000;
	if (past.n != 0 && one_in(3)) { /* to the nanosecond where something is too old */
		const struct past_item *i = &past.item[past.n - 1 - rnd(past.n < 6 ? past.n : 6)];
		uint64_t at = (i->answered && one_in(2) ? i->answered_ns : i->asked_ns) +
			      exactly_ms[rnd(4)] * 1000000 - 1;

		past.now_ns = at > past.now_ns ? at : past.now_ns;
	}
}

/* Up to SEQ_STEPS steps; false: they differ. */
static bool
one_sequence(const struct policy *p, const struct ruleset *rs, uint64_t *steps)
{
	struct memory_stats before, after;
	bool watching = one_in(4), full = false, ok = true;

	if (!seq_memory && !(seq_memory = policy_memory_new(SEQ_MEMORY, 1)))
		abort();
	past.now_ns += UINT64_C(1000000000000);
	seq_forget(p);
	past.now_ns += UINT64_C(20000000000);
	for (unsigned i = 0; i < OPEN_MOST; i++)
		waits[i].used = false;
	for (unsigned i = 0; i < TALKS; i++)
		if (!talk_begin(p, i))
			return true;
	policy_memory_stats(seq_memory, &before);
	for (unsigned i = 0; i < SEQ_STEPS && ok && !full; i++, (*steps)++) {
		unsigned r = rnd(100);

		past.events++;
		past.now_ns++;
		if (one_in(20))
			time_passes();
		if (r < 9)
			seq_time();
		else if (r < 13 && one_in(2))
			seq_forget(p);
		else if (r < 14)
			policy_memory_rebind(seq_memory, p, p, past.now_ns);
		else if (r < 55)
			ok = seq_request(p, rs, watching, &full);
		else
			ok = seq_answer(p, rs, watching);
		policy_memory_stats(seq_memory, &after);
		if (after.evicted != before.evicted || after.lost != before.lost) {
			seq_abandoned++; /* a memory has its size; the list has none */
			return ok;
		}
	}
	return ok;
}

#endif /* TESTS_MODEL_SEQUENCE_H */
