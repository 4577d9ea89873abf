/* SPDX-License-Identifier: Apache-2.0 */
/*
 * class.h - what kind of alert a record is: id, severity, category (alert.def)
 * and the techniques of ATT&CK for ICS that it may be (attack.def).
 */
#ifndef ALERTS_CLASS_H
#define ALERTS_CLASS_H

#include "alerts/record.h"

struct class
{
	uint32_t id;	  /* EVE signature_id */
	uint8_t severity; /* 1 is the highest */
	const char *category;
};

/* rule: of the verdict, or NULL. */
struct class class_of(const struct record *r, const struct policy_rule_info *rule);

/* What guard_event.def says of an event of the appliance; event < GUARD__MAX. */
struct guard_class {
	const char *name, *text;
	uint8_t severity;
};
const struct guard_class *class_guard(uint8_t event);

/* Signature ids of detections are 200 and the place in the list. */
#define DETECTION_ID_FIRST 200u

#define ATTACKS_MAX 8u

struct attack {
	const char *proto; /* NULL: any */
	uint32_t code, sub;
	unsigned when;
	const char *id;	    /* "T0855" */
	const char *new_id; /* since v19, or NULL: the same */
	const char *name;
};

/* The techniques that fit; returns how many.  proto: name, or NULL. */
unsigned class_attacks(const struct record *r, const struct policy_rule_info *rule,
    const char *proto, const struct attack *hit[ATTACKS_MAX]);

#endif /* ALERTS_CLASS_H */
