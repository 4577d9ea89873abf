/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shadow.h - a second policy is asked about everything the one in force is asked about, and nothing
 * is done about its answers: where the two would not do the same, that is counted and kept.
 *
 * Judged are facts (each PDU, by policy_eval()), conditions and the opening of connections; compared is
 * what would be done after each policy's own mode: to stop (reject, drop, reset) or not.
 * What rules ask about the past (policy/memory.h) is remembered for the shadow apart, and so is what
 * adds up (requests per second of each connection); windows and permits are its own as well.
 * Not judged: how long answers take, frames that are not TCP or UDP, and what the kernel's filter or the policy in
 * force has stopped before it was read.
 *
 * All memory is taken with the engine.  Without a shadow a fact costs one test.  With one it costs
 * another policy_eval(), and a policy_bind() when its flow was not judged lately: two flows that share a place in
 * the table (4096 of them) take turns there, and a rate begins anew with each turn.
 */
#ifndef DATAPLANE_SHADOW_H
#define DATAPLANE_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"
#include "policy/policy.h"

#define SHADOW_KINDS	64u /* of differences told apart; others are counted together */
#define SHADOW_EXAMPLES 3u  /* the last of each */
#define SHADOW_OP	40u
#define SHADOW_NAME	64u

enum shadow_way { SHADOW_STOP = 0, SHADOW_PASS, SHADOW__WAYS }; /* the shadow would ... */
enum shadow_what { SHADOW_PDU = 0, SHADOW_CONDITION, SHADOW_FLOW };

/* One request, say, that met two ends.  Texts end with a NUL. */
struct shadow_example {
	uint64_t ts_ns, frame;
	struct net_tuple tuple; /* src sent it */
	uint8_t proto;		/* index in dissectors[], or FACT_PROTO_NONE */
	uint8_t space;		/* of its first item, when has_item */
	bool has_fact, has_item;
	uint32_t unit, sub, first, count;
	char op[SHADOW_OP];	/* "write_single_register"; "" = none */
	char name[SHADOW_NAME]; /* of the item, cut; as it stood in the packet */
};

/* Differences that the same two places have decided. */
struct shadow_kind {
	uint8_t way, what; /* enum shadow_way, shadow_what */
	struct verdict live, shadow;
	uint64_t count, first_ns, last_ns;
	uint32_t n_examples; /* of them here; [0] is the newest */
	struct shadow_example example[SHADOW_EXAMPLES];
};

struct shadow_report {
	uint32_t generation; /* of the shadow; 0 = there is none */
	uint32_t n;
	uint64_t judged[3];	       /* by enum shadow_what */
	uint64_t differ[SHADOW__WAYS]; /* all */
	uint64_t untold[SHADOW__WAYS]; /* of them of kinds for which there was no room */
	uint64_t since_ns;	       /* packet time of the first that was judged; 0 = none yet */
	struct shadow_kind kind[SHADOW_KINDS];
};

struct engine;

/* Between two bursts.  NULL: no more.  What was counted begins at 0. */
void engine_set_shadow(struct engine *e, const struct policy *pol);
/* Valid as long as the engine. */
const struct shadow_report *engine_shadow(const struct engine *e);

/* What another engine found, of the same two policies, added.  No number and no text of from is trusted. */
void shadow_report_add(struct shadow_report *to, const struct shadow_report *from);

/* As engine_permits(), of the shadow; NULL without one. */
struct windows;
struct windows *engine_shadow_permits(struct engine *e);

#endif /* DATAPLANE_SHADOW_H */
