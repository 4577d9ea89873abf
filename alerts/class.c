/* SPDX-License-Identifier: Apache-2.0 */
/* class.c - see class.h. */
#include "alerts/class.h"

#include <stdio.h>
#include <string.h>

/* --- id, severity, category --------------------------------------------------------- */

static const struct class reasons[] = {
#define ALERT_REASON(e, id, severity, category) [e] = {id, severity, category},
#include "alerts/alert.def"
};

static const struct class conds[COND__MAX] = {
#define ALERT_COND(e, id, severity, category) [e] = {id, severity, category},
#include "alerts/alert.def"
};

static const struct class own[] = {
#define ALERT_OWN(e, id, severity, category) [(e)-EVENT_LOST] = {id, severity, category},
#include "alerts/alert.def"
};

static const struct class transfers[] = {
#define ALERT_TRANSFER(out, id, severity, category) [out] = {id, severity, category},
#include "alerts/alert.def"
};

/* Ids are 100 and the place in the list. */
#define GUARD_ID_FIRST 100u
static const struct guard_class guards[GUARD__MAX] = {
#define GUARD_EVENT(id, name, severity, text) [GUARD_##id] = {name, text, severity},
#include "alerts/guard_event.def"
#undef GUARD_EVENT
};

const struct guard_class *
class_guard(uint8_t event)
{
	return &guards[event < GUARD__MAX ? event : 0];
}

static struct class class_of_guard(uint8_t event)
{
	const struct guard_class *g = class_guard(event);
	struct class k = {GUARD_ID_FIRST + event, g->severity, "Sensor Status"};

	if (event == GUARD_DENIED)
		k.category = "Unauthorized Connection";
	else if (event == GUARD_FLOOD || event == GUARD_LATENCY)
		k.category = "Resource Limit";
	else if (g->severity == 1)
		k.category = "Sensor Trouble";
	return k;
}

static const struct detection_info detections[DETECTION__MAX] = {
#define DETECTION(id, name, severity, category, baseline, attack, text, story)                     \
	[DETECTION_##id] = {name, category, attack, text, story, severity, baseline},
#include "alerts/detection.def"
#undef DETECTION
};

const struct detection_info *
detection_info(uint8_t which)
{
	return &detections[which < DETECTION__MAX ? which : 0];
}

char *
evidence_name(const struct event_evidence *e, char buf[EVIDENCE_NAME_MAX])
{
	snprintf(buf, EVIDENCE_NAME_MAX, "%llu-%llu.pcapng", (unsigned long long)e->epoch,
	    (unsigned long long)e->seq);
	return buf;
}

static uint8_t
access_severity(uint8_t access)
{
#define ALERT_ACCESS(bit, severity)                                                                \
	if (access & (bit))                                                                        \
		return severity;
#include "alerts/alert.def"
	return 2;
}

struct class class_of(const struct record *r, const struct policy_rule_info *rule)
{
	struct class k = reasons[REASON_NO_POLICY];

	if (r->kind >= EVENT_LOST)
		return own[r->kind == EVENT_LOST ? 0 : EVENT_REMOVED - EVENT_LOST];
	if (r->kind == EVENT_GUARD)
		return class_of_guard(r->cond);
	if (r->kind == EVENT_DETECTION) {
		const struct detection_info *d = detection_info(r->cond);

		return (struct class){DETECTION_ID_FIRST + r->cond, d->severity, d->category};
	}
	if (r->kind == EVENT_TRANSFER)
		return transfers[(r->access & ACC_PROGRAM) == 0];
	if (r->kind == EVENT_CONDITION)
		return r->cond < COND__MAX ? conds[r->cond] : k;
	if (r->kind == EVENT_ANOMALY)
		return reasons[REASON_RESPONSE];
	if (r->verdict.reason == REASON_RULE && rule) {
		k.id = rule->id;
		k.severity = rule->deny ? access_severity(r->access) : 3;
		k.category = rule->deny ? "Unauthorized Command" : "Policy Notice";
		return k;
	}
	if (r->verdict.reason < sizeof(reasons) / sizeof(reasons[0]) &&
	    reasons[r->verdict.reason].id != 0)
		k = reasons[r->verdict.reason];
	if (r->kind == EVENT_PDU && access_severity(r->access) < k.severity)
		k.severity = access_severity(r->access);
	return k;
}

/* --- ATT&CK ------------------------------------------------------------------------ */

enum {
	WHEN_READ = 1 << 0,
	WHEN_WRITE = 1 << 1,
	WHEN_CONTROL = 1 << 2,
	WHEN_PROGRAM = 1 << 3,
	WHEN_DIAG = 1 << 4,
	WHEN_UNAUTHORIZED = 1 << 5, /* any of the above, for rows that name a code */
	WHEN_FLOW = 1 << 6,
	WHEN_UNSOLICITED = 1 << 7,
	WHEN_NOT_PROTO = 1 << 8,
	WHEN_OVERLOAD = 1 << 9,
	WHEN_STOPPED = 1 << 10,
};
#define ANY 0xffffffffu

static const struct attack attacks[] = {
#define ATTACK(proto, code, sub, when, id, new_id, name) {proto, code, sub, when, id, new_id, name},
#include "alerts/attack.def"
#undef ATTACK
};
#define N_ATTACKS (sizeof(attacks) / sizeof(attacks[0]))

/* A PDU that an allow rule lets pass with an alert is no attack. */
static unsigned
when_of(const struct record *r, const struct policy_rule_info *rule)
{
	unsigned when = 0;

	if (r->kind == EVENT_PDU && !(rule && !rule->deny)) {
		when = WHEN_UNAUTHORIZED;
		when |= r->access & ACC_PROGRAM	  ? WHEN_PROGRAM
			: r->access & ACC_CONTROL ? WHEN_CONTROL
			: r->access & ACC_WRITE	  ? WHEN_WRITE
			: r->access & ACC_READ	  ? WHEN_READ
			: r->access & ACC_DIAG	  ? WHEN_DIAG
						  : 0;
	}
	if (r->kind == EVENT_FLOW)
		when |= WHEN_FLOW;
	if ((r->kind == EVENT_CONDITION && r->cond == COND_UNSOLICITED) ||
	    r->anomalies & FACT_A_UNSOLICITED)
		when |= WHEN_UNSOLICITED;
	if (r->anomalies & FACT_A_NOT_PROTO)
		when |= WHEN_NOT_PROTO;
	if (r->kind == EVENT_CONDITION && r->cond == COND_OVERLOAD)
		when |= WHEN_OVERLOAD;
	if (r->kind == EVENT_GUARD && r->cond == GUARD_FLOOD)
		when |= WHEN_OVERLOAD;
	if (r->kind == EVENT_GUARD && r->cond == GUARD_STOPPED)
		when |= WHEN_STOPPED;
	return when;
}

static bool
attack_fits(const struct attack *a, const struct record *r, unsigned when, const char *proto)
{
	return (a->when & when) && (a->code == ANY || a->code == r->code) &&
	       (a->sub == ANY || a->sub == r->sub) &&
	       (!a->proto || (proto && strcmp(a->proto, proto) == 0));
}

unsigned
class_attacks(const struct record *r, const struct policy_rule_info *rule, const char *proto,
    const struct attack *hit[ATTACKS_MAX])
{
	unsigned when = when_of(r, rule), n = 0;

	for (size_t i = 0; when && i < N_ATTACKS && n < ATTACKS_MAX; i++)
		if (attack_fits(&attacks[i], r, when, proto))
			hit[n++] = &attacks[i];
	return n;
}
