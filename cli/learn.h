/* SPDX-License-Identifier: Apache-2.0 */
/*
 * learn.h - from recorded traffic to the smallest policy that keeps it running.
 *
 * Gathering: for each pair (who opens, who is asked) and protocol, what each function touched:
 * ranges of addresses, names, written values.  Writing: functions of one kind become one
 * rule, devices that do the same become one conduit, neighbouring ranges one range.  Everything
 * that is written carries its evidence as a comment, and `enabled: false`.
 *
 * Nothing here knows a protocol: keys, notations and names come from the dissectors' schemas.
 * Memory: one arena; every list is bounded, and what did not fit is counted and said.
 */
#ifndef CLI_LEARN_H
#define CLI_LEARN_H

#include <stdio.h>

#include "base/net.h"
#include "dataplane/engine.h"
#include "policy/arena.h"
#include "policy/policy.h"

#define LEARN_DEVICES 4096u
#define LEARN_PAIRS   8192u
#define LEARN_RUNS    256u /* of one space and access of one function; then nearest are joined */
#define LEARN_NAMES   512u /* likewise; further ones become a glob */
#define LEARN_VALUES  64u  /* addresses of one function whose values are kept */
#define LEARN_FRAMES  3u   /* named as evidence */

/* A run of addresses, both ends included. */
struct learn_run {
	uint32_t sub, first, last;
};
struct learn_runs {
	struct learn_run *v; /* ascending, apart */
	uint32_t n, cap;
};
struct learn_name {
	const char *s;
};
struct learn_names {
	struct learn_name *v; /* in the order they came; each once */
	uint32_t n, cap;
	bool over; /* more than LEARN_NAMES */
};
struct learn_value {
	uint32_t addr, min, max;
	uint32_t first, step; /* all values are first plus or minus a multiple of step */
	uint32_t changes;     /* times that it was another than the first */
};
struct learn_values {
	struct learn_value *v;
	uint32_t n, cap;
	bool over;
};

struct learn_evidence {
	uint64_t n, first_ns, last_ns, frames[LEARN_FRAMES], last_frame;
};

/* What one function was seen to do, on one unit.  [0] read, [1] written. */
struct learn_op {
	uint32_t unit;
	uint16_t opx, code, sub;
	uint8_t access; /* of the function */
	const char *name;
	struct learn_evidence seen;
	struct learn_runs *runs[2]; /* by space */
	struct learn_names names[2];
	struct learn_runs subs[2];  /* of names: attributes */
	struct learn_values values; /* written to the one space that has limits */
	uint8_t value_space;
	bool masked; /* a write whose value depends on the old one */
};

/* A property that the block may ask of every request: which of its words were seen. */
struct learn_floor {
	uint32_t words;
	bool unknown; /* in some request */
};
#define LEARN_FLOORS 8

/* Requests of one connection, second by second. */
struct learn_rate {
	uint64_t flow_id, second;
	uint32_t n;
};
#define LEARN_CONNECTIONS 16u /* of one talk, counted at once */

struct learn_talk {    /* one protocol of a pair */
	uint8_t proto; /* index in dissectors[] */
	uint16_t port;
	bool udp, encrypted, midstream;
	struct learn_rate rate[LEARN_CONNECTIONS];
	uint32_t peak; /* most requests of one connection within one second of the clock */
	struct {
		struct learn_op *v;
		uint32_t n, cap;
	} ops;
	struct learn_floor floor[LEARN_FLOORS]; /* by the schema's keys that have a map, in order */
};
struct learn_pair {
	uint32_t from, to; /* devices */
	uint32_t conduit;  /* of the policy that is there already, or RULE_NONE */
	struct {
		struct learn_talk *v;
		uint32_t n, cap;
	} talks;
	struct learn_names apps;
	bool echo;
};

struct learn_device {
	struct net_addr addr;
	uint8_t mac[6];
	bool has_mac, macs_differ; /* behind a router, or two devices with one address */
	bool serves;		   /* an industrial protocol */
	bool programs;		   /* changes logic or configuration */
	uint32_t asks;		   /* how many others over industrial protocols */
	const char *name, *role, *zone;
	bool declared; /* by the policy that is there already */
};

struct learn {
	struct arena *a;
	const struct policy *base; /* what is allowed already; NULL: nothing */
	struct {
		struct learn_device *v;
		uint32_t n, cap;
	} devices;
	struct {
		struct learn_pair *v;
		uint32_t n, cap;
	} pairs;
	uint32_t *device_index, *pair_index; /* hashes; 1 + place */
	struct learn_runs ethertypes;	     /* neither IP nor ARP */
	bool stp, listeners, routers; /* bridges; multicast listeners; router advertisements */
	uint64_t frames, pdus, first_ns, last_ns;
	uint8_t opt
	    [DIS_OPTION_MAX]; /* while it is written: words of the block that rules are for; 0: of a new one */
	uint64_t lost;	  /* observations that found no room */
	uint64_t unnamed; /* flows that nobody could name */
};

/* Now also the values that another observation saw. */
void learn_value_join(struct learn_value *to, const struct learn_value *v);

/* Memory comes from a, which has a place to jump to when there is none. */
void learn_init(struct learn *l, struct arena *a, const struct policy *base);
/* As engine_conf.on_fact and run_conf.on_burst; ctx is the struct learn. */
void learn_fact(void *ctx, const struct engine_pdu *pdu);
void learn_packets(struct learn *l, const struct pkt *burst, unsigned n);
/* Names, roles and zones for what was seen. */
void learn_finish(struct learn *l);

struct learn_text {
	char *p; /* of the arena; NUL-ended */
	size_t n, cap;
};
/* The policy.  enabled: as if it had been approved, for a check; header: a line of comment. */
void learn_write(struct learn *l, const char *header, bool enabled, struct learn_text *out);
/* With a base: only what is not allowed yet, as YAML with the places where it goes.  False: nothing. */
bool learn_write_more(struct learn *l, const char *path, struct learn_text *out);

#endif /* CLI_LEARN_H */
