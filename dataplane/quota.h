/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quota.h - whose flow slots they are: a guard's flow table and cells are shared out by
 * conduit, so that a flood from one zone takes nothing from another.
 *
 * Of every conduit so many slots are kept (`flows:` of the policy, else an even share of three
 * quarters of the table); the rest is common.  A conduit below its own finds a slot
 * always.  Above it takes of the commons, and when those are gone only of its own: what is closed
 * or half open first, then what has been silent for minutes, else it gets none.
 *
 *   young   nobody has shown yet that he is where he says: a SYN, an answered SYN, a
 *	     datagram.  At most half of what is kept for the conduit; the oldest gives way
 *   grown   the client has acknowledged the server's number, which only he can know
 *   old     bound by a policy that is no more, until its next packet; belongs to no conduit
 *
 * Life of a flow: quota_admit() before it is made, quota_add() after, quota_grown(), and
 * quota_remove() when it goes.  Packet path: no loop but over QUOTA_LOOKS_MOST flows.
 */
#ifndef DATAPLANE_QUOTA_H
#define DATAPLANE_QUOTA_H

#include "dataplane/flow.h"

#define QUOTAS		 1024u /* conduits with slots of their own; those behind share the last */
#define QUOTA_LOOKS	 16u   /* flows looked at to find the most silent one */
#define QUOTA_LOOKS_MOST 64u   /* ... when none of those was silent at all */

enum quota_list { QUOTA_YOUNG = 0, QUOTA_GROWN, QUOTA_LISTS, QUOTA_NOWHERE = QUOTA_LISTS };

struct quota {
	uint32_t keep, young_max;
	uint32_t used, young;
	uint32_t head[QUOTA_LISTS], tail[QUOTA_LISTS]; /* flow indices; the first was looked at
							* longest ago, or began first */
};

struct quota_link { /* of a flow, by its index */
	uint32_t next, prev;
	uint16_t account;
	uint8_t list; /* enum quota_list */
};

struct quotas {
	struct quota *q; /* QUOTAS, then of no conduit, then old */
	struct quota_link *link;
	uint32_t n;	  /* conduits with one */
	uint32_t commons; /* slots that are kept for nobody */
	uint32_t over;	  /* of them in use */
	uint64_t refused, displaced;
	size_t bytes;
};

struct engine;

/* 0 or ERR_NOMEM. */
int quotas_init(struct quotas *qs, uint32_t max_flows);
void quotas_fini(struct quotas *qs);
/* Memory that max_flows take. */
size_t quotas_cost(uint32_t max_flows);
/* Another policy: who keeps how many.  What is there becomes old. */
void quotas_share(struct quotas *qs, const struct flow_table *t, const struct policy *pol);
/* May the conduit have one flow more?  Then there is a free slot. */
bool quota_admit(struct engine *e, uint32_t conduit);
void quota_add(struct engine *e, const struct flow *f);
void quota_remove(struct engine *e, const struct flow *f);
void quota_grown(struct engine *e, const struct flow *f);
/* A flow that came from another engine: old, until it is bound. */
void quota_adopt(struct engine *e, const struct flow *f, bool grown);
bool quota_is_grown(const struct engine *e, const struct flow *f);

/* The account of a conduit. */
static inline uint16_t
quota_account(const struct quotas *qs, uint32_t conduit)
{
	if (conduit == RULE_NONE || qs->n == 0)
		return QUOTAS;
	return (uint16_t)(conduit < qs->n ? conduit : qs->n - 1);
}

#endif /* DATAPLANE_QUOTA_H */
