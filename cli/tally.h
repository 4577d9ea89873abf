/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally.h - what one capture contained, gathered while it is judged.
 *
 * tally_fact() runs once per PDU that was read, tally_known() once per PDU that the engine knew
 * (dataplane/quick.h): a look into the slot of its flow and one counter.  A conversation (client, server, port) is looked up only when a slot
 * changes hands; denied PDUs, denied connections and conditions come by
 * tally_event() and are folded into findings.  Both lists are bounded, and what
 * did not fit is counted.
 */
#ifndef CLI_TALLY_H
#define CLI_TALLY_H

#include "alerts/alert.h"
#include "dataplane/engine.h"

#define CONV_MAX	8192u /* conversations told apart; later ones share the last */
#define FINDING_MAX	4096u /* findings told apart; the rest is counted */
#define FINDING_SAMPLES 8u    /* PDUs described per finding */
#define FACT_KINDS	5u    /* enum fact_kind */
#define NONE		UINT32_MAX
#define NO_OPX		UINT16_MAX

/* One operation within a conversation. */
struct tally_op {
	const char *op; /* NULL: never seen; static text of the dissector */
	uint16_t code;
	uint64_t n[FACT_KINDS];
	uint64_t denied; /* not allowed, whether or not the mode enforces it */
};

struct conv {
	struct net_addr client, server;
	uint16_t port; /* of the server */
	uint16_t vlan;
	uint8_t l4;    /* IP protocol number */
	uint8_t proto; /* index in dissectors[], or FACT_PROTO_NONE */
	uint16_t n_ops;
	struct tally_op *ops; /* by opx; the last takes what has none */
	char app[24], host[64]; /* of traffic that no dissector claims: "TLS", its name; or "" */
};

struct sample {
	uint64_t frame, ts_ns;
	char text[112]; /* "unit 1 holding 40..41" */
};

/* PDUs, connections or frames that met the same end for the same reason. */
struct finding {
	/* the key: what makes two events the same finding */
	struct net_addr src, dst;
	const char *op, *note; /* static text; NULL = none */
	uint32_t conv;	       /* index, or NONE */
	uint32_t rule, conduit;
	uint16_t port;
	uint16_t opx;		  /* NO_OPX = of no protocol */
	uint8_t smac[6], dmac[6]; /* of frames that are not IP */
	uint8_t kind;		  /* enum event_kind */
	uint8_t would, action, reason, mode, cond, l4;
	uint8_t answer; /* 1: the server sent it */
	/* what is known of them */
	uint64_t count, last_frame;
	bool denied; /* not allowed; else told only */
	uint16_t code;
	struct sample sample[FINDING_SAMPLES]; /* the first ones */
};

/* A block that went into a controller or out of it. */
struct moved {
	struct net_addr client, server;
	struct event_transfer about;
	struct verdict verdict;
	uint64_t frame, ts_ns;
	char what[48]; /* "DB1" */
};
#define MOVED_MAX 256u /* listed; the rest is counted */

struct tally_slot;

struct tally {
	const struct policy *policy;
	struct tally_slot *slots; /* by flow_index */
	struct conv *convs;
	struct finding *findings;
	uint32_t *index; /* hash of findings */
	uint32_t n_slots, n_convs, n_findings, cap_convs, cap_findings;
	uint32_t *conv_index;		    /* hash of conversations */
	uint64_t convs_lost, findings_lost; /* PDUs and events beyond the bounds */
	uint64_t denied, told;		    /* events */
	uint64_t (*anomalies)[64];	    /* by protocol; the last row is the engine's own */
	struct moved *moved;		    /* MOVED_MAX, or NULL: none */
	uint64_t n_moved;
	bool nomem;			    /* counts are incomplete */
};

/* False when out of memory. */
bool tally_init(struct tally *t, const struct policy *pol);
void tally_fini(struct tally *t);
/* Another policy is in force: findings begin anew, since theirs are the rules of the old one; counts go on. */
void tally_policy(struct tally *t, const struct policy *pol);
/* Once the engine is known: how many flow slots there are. */
bool tally_slots(struct tally *t, uint32_t n);
void tally_slots_fini(struct tally *t);

void tally_event(struct tally *t, const struct event *ev); /* engine's on_event */
/* The first PDU of a flow's slot, or one with anomalies. */
void tally_fact_slow(struct tally *t, const struct engine_pdu *pdu);

struct tally_slot {
	uint64_t flow_id;
	struct tally_op *ops;
	uint16_t n_ops; /* 0: free */
	uint8_t proto;
};

/* engine's on_fact */
static inline void
tally_fact(struct tally *t, const struct engine_pdu *pdu)
{
	const struct fact *f = pdu->fact;
	const struct tally_slot *s = &t->slots[pdu->flow_index];
	struct tally_op *op;

	if (__builtin_expect(s->flow_id != pdu->flow_id || s->proto != f->proto ||
				 f->opx >= s->n_ops || f->anomalies != 0,
		0)) {
		tally_fact_slow(t, pdu);
		return;
	}
	op = &s->ops[f->opx];
	op->op = f->op;
	if (f->kind == FACT_REQUEST || !op->code)
		op->code = f->code;
	op->n[f->kind]++;
}

/* engine's on_known */
void tally_known(struct tally *t, const struct engine_known *k, unsigned n);

/* Counted events that are not allowed: what makes the exit status 1. */
bool tally_denies(const struct verdict *v);

/* The operation that a finding is about; NULL = none (a connection, a frame). */
const struct tally_op *tally_op_of(const struct tally *t, const struct finding *f);

/* What a PDU is about, in the words of its protocol, item `which` first; returns buf. */
char *tally_describe(const struct fact *f, uint32_t which, char *buf, size_t size);
/* The same, with what the first item is called in the files of `names:`; t: of the packet; pol may be NULL. */
char *tally_describe_named(const struct policy *pol, const struct net_tuple *t,
    const struct fact *f, uint32_t which, char *buf, size_t size);

#endif /* CLI_TALLY_H */
