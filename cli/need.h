/* SPDX-License-Identifier: Apache-2.0 */
/*
 * need.h - policy need: what a newcomer (HMI, MES, app) needs before it is let in.
 *
 * The captures are read several times: who asks (need_clients), what the newcomer does and the
 * smallest policy for it (need_gather), and how a policy judges just that (need_judge), for the
 * smallest one and for the one in force.  Then criteria are met or not (need_decide), and a sheet says so.
 *
 * Memory: one arena; every list is bounded, and what did not fit is counted and said.
 */
#ifndef CLI_NEED_H
#define CLI_NEED_H

#include "alerts/class.h"
#include "cli/learn.h"
#include "cli/report.h"

#define NEED_CLIENTS 256u  /* who ask; told apart */
#define NEED_ROWS    1024u /* risky things told apart; the rest is counted */
#define NEED_TARGETS 1024u /* ports that were tried; likewise */
#define NEED_FRAMES  3u	   /* named as evidence */
#define NEED_SCAN    5u	   /* ports where nobody answers, that make a scan */
#define NEED_SWEEP   8u	   /* functions that a device refuses, that make one as well */
#define NEED_DENIALS 256u  /* listed per policy */

enum need_risk {
#define NEED_RISK(id, name, verdict, text, advice) RISK_##id,
#include "cli/need_risk.def"
#undef NEED_RISK
	RISK__MAX
};

enum need_verdict { NEED_PASS = 0, NEED_ACCEPTED, NEED_CONDITION, NEED_FAIL };

/* Criteria beside the risks. */
enum need_criterion { NEED_CAPTURES, NEED_TRAFFIC, NEED_SUFFICIENT, NEED_POLICY, NEED__OWN };
#define NEED_CRITERIA (NEED__OWN + RISK__MAX)

struct need_risk_info {
	const char *name, *text, *advice;
	uint8_t verdict; /* enum need_verdict */
};
extern const struct need_risk_info need_risks[RISK__MAX];

struct need_at {
	uint32_t capture;
	uint64_t frame;
};
struct need_seen {
	uint64_t n, first_ns, last_ns;
	struct need_at at[NEED_FRAMES], last;
};

/* One thing that was done, and to whom. */
struct need_row {
	uint8_t risk;
	uint8_t proto; /* index in dissectors[], or FACT_PROTO_NONE */
	uint8_t access;
	uint16_t code, sub, port;
	struct net_addr server;
	const char *op;
	char what[112]; /* the first of them: "unit 1 holding 40" */
	struct need_seen seen;
};

/* A TCP port that was tried. */
struct need_target {
	struct net_addr server;
	uint16_t port;
	bool answered;
	struct need_seen seen;
};

struct need_client {
	struct net_addr addr;
	uint64_t requests, other; /* of industrial protocols; connections of others */
};

struct need_capture {
	const char *path;
	char sha256[65];
	uint64_t bytes, frames, pdus, first_ns, last_ns;
	char error[RUN_ERR_SIZE];
};

struct need_denied {
	uint32_t capture; /* of the samples */
	struct finding f;
};

/* How a policy judges what the newcomer does. */
struct need_judged {
	const struct policy *policy;
	uint64_t requests, allowed, forbidden; /* forbidden: by a deny rule */
	uint64_t *by_rule;		       /* policy_rule_count() of them; arena */
	struct {
		struct need_denied *v; /* at most NEED_DENIALS */
		uint32_t n, cap;
	} denied;
	uint64_t denials, not_listed; /* PDUs, connections, frames; kinds of them */
};

struct need {
	struct arena *a;
	const struct policy *live; /* or NULL */
	const char *live_path;
	struct need_capture *captures;
	uint32_t n_captures, at; /* at: the one that is read */
	int status;		 /* of reading them */

	struct need_client clients[NEED_CLIENTS];
	uint32_t n_clients;
	uint64_t clients_lost;
	struct net_addr device;
	bool given; /* by the user, not found out */

	struct learn full, more; /* the smallest policy; what the live one lacks */
	struct need_row *rows;
	uint32_t n_rows;
	struct need_target *targets;
	uint32_t n_targets;
	uint64_t lost; /* rows, targets */
	uint64_t frames, requests;
	struct learn_text minimum, missing; /* .p NULL: there is none */
	struct need_judged by_minimum, by_live;

	uint32_t allowed_risks; /* bit set of enum need_risk */
	uint8_t verdicts[NEED_CRITERIA];
	char texts[NEED_CRITERIA][320];
	uint8_t verdict;
	uint64_t now_ns;
};

/* need_gather.c.  What cannot be read is said, and makes n->status EXIT_UNABLE. */
void need_clients(struct need *n);
void need_gather(struct need *n);
/* Judge by `by->policy`; learn: keep what it lacks in n->more. */
void need_judge(struct need *n, struct need_judged *by, bool learn);

/* need_decide.c */
void need_decide(struct need *n);
const char *need_criterion_name(unsigned criterion);
const char *need_verdict_name(uint8_t verdict); /* of a criterion */
const char *need_word(uint8_t verdict);		/* of the whole: "go with conditions" */

/* need_sheet.c */
void need_text(const struct need *n, FILE *to);
void need_json(struct jw *w, const void *need); /* for out_json() */

#endif /* CLI_NEED_H */
