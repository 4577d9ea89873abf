/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h - what a replay says at its end, for people and for machines.
 *
 * All reports are written from the same tally, after the last packet.  Lists in
 * the readable one are cut at a screenful and say so; --json has everything
 * that tally.h keeps.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "cli/cli.h"
#include "cli/run.h"
#include "cli/tally.h"

struct capture {
	const char *path;
	struct tally tally;
	struct run_result run;
};

struct report {
	const struct policy *policy; /* or NULL */
	const char *policy_path;
	const char *journal_dir;	   /* or NULL */
	const struct alerts_stats *alerts; /* or NULL */
	struct capture *caps;
	size_t n_caps;
	bool inline_mode,
	    fast; /* fast: it was in memory, so how long judging took says something */
	int status;
};

void report_text(const struct report *r, FILE *to, bool colour); /* for people */
void report_json(struct jw *w, const void *report);		 /* for machines; for out_json() */
void report_junit(const struct report *r, FILE *to);		 /* XML */
void report_sarif(struct jw *w, const void *report);		 /* 2.1.0; for out_json() */

/* report_moved.c: what was downloaded and uploaded, a line or two each; as a member "blocks". */
void report_moved(const struct report *r, const struct tally *t, FILE *to);
void report_moved_json(struct jw *w, const struct report *r, const struct tally *t);

/* --- shared by the writers ----------------------------------------------------------- */

#define NAME_SIZE 192 /* of buf below: two names or addresses, and a port */

/* Declared name of an address, or the address itself. */
const char *report_host(const struct policy *pol, const struct net_addr *a, char *buf);
/* "hmi1 -> plc-filler:502" */
const char *report_conv(const struct policy *pol, const struct conv *c, char *buf);
/* "plc1 -> hmi1"; MACs for frames that are not IP.  src sent it. */
const char *report_ends(const struct policy *pol, const struct finding *f, char *buf);
/* What it is about: "write_single_register", "connection", "frame", "overlap-differs". */
const char *report_subject(const struct finding *f);
/* Who decided: "hmi-filler/setpoints", "hmi-filler: otherwise", "default_deny". */
const char *report_decider(const struct policy *pol, const struct finding *f, char *buf);
/* The same as a stable identifier of [a-z0-9./_-]. */
const char *report_rule_id(const struct policy *pol, const struct finding *f, char *buf);
/* Line and column of the rule or, when no rule decided, of the conduit; 0 = none. */
unsigned report_line(const struct policy *pol, const struct finding *f, unsigned *col);

/* Text escaped for XML 1.0, inside or outside of quotes; what it cannot hold becomes '?'. */
void report_xml(FILE *to, const char *s);

struct host {
	struct net_addr addr;
	uint64_t pdus;
	bool client, server;
	uint32_t peers;
};
/* Addresses that speak a known protocol or are in a finding, sorted; free() it. */
struct host *report_hosts(const struct tally *t, size_t *n);
uint64_t report_conv_pdus(const struct conv *c); /* of all its operations */

#endif /* CLI_REPORT_H */
