/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel.h - which recorded PDUs a fast path in the kernel could pass by itself.
 *
 * Such a path says "allow" or "to the engine", and allows only what it has judged entirely: an
 * in-order segment with exactly one whole PDU, whose function, unit and only range of addresses
 * decide, and the answer that is paired with such a request.  Everything that needs a value, a
 * second item, a name, a rate or the state of a session is the engine's.  In doubt: the engine's.
 *
 * Of OPC UA it passes what is alike to a request that the engine has allowed: whatever that was asked,
 * it is not asked again.  KERNEL_YES then means all of these but the first.
 */
#ifndef POLICY_KERNEL_H
#define POLICY_KERNEL_H

#include "policy/policy.h"

/* Yes, or the first reason why not, in the order they are asked. */
enum kernel_why {
	KERNEL_YES = 0,
	KERNEL_UDP,	  /* a datagram: no order, nothing is acknowledged */
	KERNEL_PROTOCOL,  /* neither Modbus, S7 nor OPC UA, or another framing of it */
	KERNEL_SEGMENT,	  /* a part of a PDU, several PDUs, or out of order */
	KERNEL_ANOMALY,	  /* there is something to tell about it */
	KERNEL_KIND,	  /* neither request nor answer */
	KERNEL_ENCRYPTED, /* it cannot be read */
	KERNEL_VERDICT,	  /* told, refused or denied: alerts have one author */
	KERNEL_SESSION,	  /* it opens, changes or closes a session */
	KERNEL_FUNCTION, /* another than Modbus 1 to 6, 15, 16 and S7 read, write; other memory; of OPC UA,
			   * that calls methods or changes the address space */
	KERNEL_ITEMS,	  /* more than one item */
	KERNEL_NAMES,	  /* names (NodeIds) decide */
	KERNEL_CONDITION, /* a rule asks for a property of session or message */
	KERNEL_LIMITS, /* the block counts a rate, fewer waiting requests than GATE_OPEN, or sizes */
	KERNEL_VALUES,	 /* a rule limits what is written there */
	KERNEL_WINDOW,	 /* only-in: what is open now decides */
	KERNEL_PAST,	 /* it asks for what was read before, or makes it known */
	KERNEL_RANGE,	 /* its addresses are not all within one run of the rules */
	KERNEL_UNPAIRED, /* an answer to a request that was the engine's */
	KERNEL__MAX
};

/* What its segment was, as the stream layer saw it. */
struct kernel_segment {
	bool tcp;
	bool plain;  /* the usual framing of the protocol (Modbus: MBAP) */
	bool whole;  /* in order, and exactly this one PDU */
	bool paired; /* of an answer: its request was KERNEL_YES */
};

/*
 * May the kernel pass this PDU, on which policy_eval() said v?  b: as policy_bind() filled it.
 * Pure; cost grows with the rules of the block, so it is for reports, and for building the
 * kernel's tables, not for the packet path.
 */
enum kernel_why policy_kernel_eligible(const struct policy *pol, const struct policy_bind *b,
    const struct fact *f, const struct verdict *v, const struct kernel_segment *s);

/* Is there anything that a rule (by its index) allows and the kernel can pass?  The reason why not. */
enum kernel_why policy_kernel_rule(const struct policy *pol, uint32_t rule);

const char *kernel_why_name(enum kernel_why w); /* stable: "values" */
const char *kernel_why_text(enum kernel_why w); /* "a rule limits what is written there" */

#endif /* POLICY_KERNEL_H */
