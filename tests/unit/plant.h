/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plant.h - an engine, its policy and what came of them, for tests of the engine as a whole.
 *
 * Frames go in by plant_put(), which holds the balance after each; frames of the engine's
 * own and released ones are counted and the last is kept.
 */
#ifndef TESTS_PLANT_H
#define TESTS_PLANT_H

#include <stdio.h>
#include <stdlib.h>

#include "alerts/alert.h"
#include "dataplane/engine_int.h"
#include "dataplane/io/io.h"
#include "tests/unit/wire.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { CLIENT = 0, SERVER = 1 };

#define PLANT_EPOCH UINT64_C(1700000000000000000)

struct plant {
	struct io io;
	struct engine *e;
	struct engine_conf conf;
	struct policy *pol;
	uint64_t now_ns;
	unsigned facts, requests, responses, denied, events, flow_events, l2_events;
	uint64_t anomalies, events_count;
	struct verdict verdict;	      /* of the last PDU */
	struct verdict event_verdict; /* of the last event */
	char event_note[64];
	struct net_tuple event_tuple;
	unsigned sent;	/* by tx() */
	struct pkt out; /* the last of them; bytes in out_bytes */
	uint8_t out_bytes[4096];
	/* called for every frame that leaves, forwarded or sent */
	void (*leaves)(void *ctx, const struct pkt *p);
	void *leaves_ctx;
};

static void
plant_on_fact(void *ctx, const struct engine_pdu *pdu)
{
	struct plant *x = ctx;

	x->facts++;
	x->requests += pdu->fact->kind == FACT_REQUEST;
	x->responses += pdu->fact->kind == FACT_RESPONSE;
	x->denied += pdu->verdict->would >= VERDICT_REJECT;
	x->anomalies |= pdu->fact->anomalies;
	x->verdict = *pdu->verdict;
}

static void
plant_on_event(void *ctx, const struct event *ev)
{
	struct plant *x = ctx;

	x->events++;
	x->events_count += ev->count ? ev->count : 1;
	x->flow_events += ev->kind == EVENT_FLOW;
	x->l2_events += ev->kind == EVENT_L2;
	x->event_verdict = ev->verdict;
	x->event_tuple = *ev->tuple;
	snprintf(x->event_note, sizeof(x->event_note), "%s", ev->note ? ev->note : "");
}

static int
plant_tx(struct io *io, const struct pkt *p)
{
	struct plant *x = (struct plant *)(void *)io;

	x->sent++;
	x->out = *p;
	assert_true(p->caplen <= sizeof(x->out_bytes));
	memcpy(x->out_bytes, p->bytes, p->caplen);
	x->out.bytes = x->out_bytes;
	if (x->leaves)
		x->leaves(x->leaves_ctx, p);
	return 0;
}

static const struct io_backend plant_backend = {.scheme = "test", .tx = plant_tx};

static inline struct policy *
plant_rules(const char *text)
{
	struct complaints cs = {0};
	struct policy *pol = policy_build_text("rules", text, strlen(text), &cs);

	if (!pol)
		complaints_print(&cs, stderr);
	assert_non_null(pol);
	complaints_fini(&cs);
	return pol;
}

/* text: of the policy, or NULL. */
static inline struct plant *
plant_new(bool inline_mode, const char *text, size_t memory, uint32_t flows)
{
	struct plant *x = calloc(1, sizeof(*x));

	x->io.be = &plant_backend;
	x->now_ns = PLANT_EPOCH;
	x->pol = text ? plant_rules(text) : NULL;
	x->conf = (struct engine_conf){
	    .memory_bytes = memory ? memory : 4u << 20,
	    .max_flows = flows,
	    .seed = 3,
	    .inline_mode = inline_mode,
	    .policy = x->pol,
	    .on_fact = plant_on_fact,
	    .on_event = plant_on_event,
	    .ctx = x,
	    .io = &x->io,
	};
	x->e = engine_new(&x->conf);
	assert_non_null(x->e);
	return x;
}

/* Everything leased has come back. */
static inline void
plant_free(struct plant *x)
{
	engine_finish(x->e);
	assert_true(engine_balanced(engine_stats(x->e)));
	assert_int_equal(engine_stats(x->e)->held, 0);
	assert_int_equal(engine_stats(x->e)->flows_active, 0);
	for (unsigned c = 0; c < CELL__CLASSES; c++)
		assert_int_equal(x->e->cells.used[c], 0);
	engine_free(x->e);
	policy_free(x->pol);
	free(x);
}

/* Another policy; the old one is gone when this returns. */
static inline void
plant_policy(struct plant *x, const char *text)
{
	struct policy *old = x->pol;

	x->pol = text ? plant_rules(text) : NULL;
	engine_set_policy(x->e, x->pol);
	policy_free(old);
}

static inline struct pkt
plant_put(struct plant *x, struct pkt p)
{
	if (p.ts_ns < x->now_ns)
		p.ts_ns = x->now_ns;
	x->now_ns = p.ts_ns;
	engine_burst(x->e, &p, 1);
	assert_true(engine_balanced(engine_stats(x->e)));
	if (p.fate == FATE_FORWARD && x->leaves)
		x->leaves(x->leaves_ctx, &p);
	return p;
}

static inline const struct engine_stats *
plant_stats(struct plant *x)
{
	return engine_stats(x->e);
}

/* --- a conversation ------------------------------------------------------------------- */

static inline struct wire
plant_wire(struct plant *x, uint32_t client, uint16_t cport, uint32_t server, uint16_t sport)
{
	return (struct wire){
	    .now_ns = x->now_ns, .side = {{client, cport, 1000}, {server, sport, 9000}}};
}

static inline bool
plant_open(struct plant *x, struct wire *w)
{
	w->now_ns = x->now_ns;
	if (plant_put(x, wire_tcp(w, CLIENT, SYN, NULL, 0)).fate != FATE_FORWARD)
		return false;
	if (plant_put(x, wire_tcp(w, SERVER, SYN | ACK, NULL, 0)).fate != FATE_FORWARD)
		return false;
	return plant_put(x, wire_tcp(w, CLIENT, ACK, NULL, 0)).fate == FATE_FORWARD;
}

static inline struct pkt
plant_say(struct plant *x, struct wire *w, unsigned who, const void *data, size_t n)
{
	w->now_ns = x->now_ns;
	return plant_put(x, wire_tcp(w, who, ACK | PSH, data, n));
}

/* Read n registers at addr, and the answer: true when both have passed. */
static inline bool
plant_poll(struct plant *x, struct wire *w, uint16_t txn, uint16_t addr, uint8_t n)
{
	uint8_t ask[12] = {(uint8_t)(txn >> 8), (uint8_t)txn, 0, 0, 0, 6, 1, 3,
	    (uint8_t)(addr >> 8), (uint8_t)addr, 0, n};
	uint8_t say[9 + 250] = {(uint8_t)(txn >> 8), (uint8_t)txn, 0, 0, 0, (uint8_t)(3 + 2 * n), 1,
	    3, (uint8_t)(2 * n)};

	return plant_say(x, w, CLIENT, ask, 12).fate == FATE_FORWARD &&
	       plant_say(x, w, SERVER, say, 9u + 2u * n).fate == FATE_FORWARD;
}

#endif /* TESTS_PLANT_H */
