/* SPDX-License-Identifier: Apache-2.0 */
/*
 * traffic.h - conversations of a plant, made as they are received: for benchmarks.
 *
 * A small pool of frames is written over and over, as the rings of a card are: tuple, sequence
 * and acknowledgement numbers, lengths, transaction numbers and checksums of each frame are new, the rest
 * stands there.  No frame is ever repeated.  All flows go in step:
 *
 *   SYNs of 200 flows, their SYN-ACKs, ..., the protocol's own handshake; the next 200; then laps:
 *   a request of every flow in random order, and then the answer of every flow in another
 *
 * so that at no time the same flow is near.  Plain functions, no allocation after traffic_new();
 * the same numbers come from the same seed.
 */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/pkt.h"

enum traffic_proto { TRAFFIC_MODBUS = 0, TRAFFIC_S7, TRAFFIC_OPCUA, TRAFFIC__PROTOS };
extern const char *const traffic_names[TRAFFIC__PROTOS];

/* What the denied flows are and what becomes of what they send. */
enum traffic_denial {
	TRAFFIC_ANSWERED =
	    0,		 /* writes that no rule allows, which nobody stops: the device answers */
	TRAFFIC_STOPPED, /* the same, of which nothing passes: said again, and what is behind it */
	TRAFFIC_REFUSED, /* each acknowledges the refusal of the one before: traffic_refusal() */
	TRAFFIC_SYN,	 /* of hosts that no conduit has; each a port of its own */
	TRAFFIC_STRAY,	 /* data of connections that nobody has seen begin, of such hosts */
	TRAFFIC_UDP,	 /* datagrams of theirs */
};

struct traffic_conf {
	enum traffic_proto proto;
	uint32_t flows;
	unsigned denied; /* percent of the flows that are denied */
	enum traffic_denial denial;
	bool checksums;	 /* of IP and TCP are right: for what looks at them */
	bool hosts;	 /* each flow has a client of its own, numbered from first_host */
	uint32_t first_host;
};

struct traffic;

struct traffic *traffic_new(const struct traffic_conf *conf); /* NULL: no memory */
void traffic_free(struct traffic *t);
/* Frames of the handshakes, then of each lap. */
uint64_t traffic_opening(const struct traffic *t);
uint32_t traffic_lap(const struct traffic *t);
/* Bytes of a refusal, before the second lap. */
void traffic_refusal(struct traffic *t, uint32_t bytes);
/* Of a lap: how many frames nobody lets pass. */
uint32_t traffic_denied(const struct traffic *t);
/* The next frames, at most PKT_BURST, in the pool until TRAFFIC_POOL more have come; how many.  Less than
 * were asked for at the end of a round of all flows. */
#define TRAFFIC_POOL 512u
unsigned traffic_next(struct traffic *t, struct pkt *burst, unsigned max);
/* A policy that allows all but what is denied; n rules for Modbus. */
struct policy;
struct policy *traffic_policy(enum traffic_proto proto, unsigned rules, const char *otherwise);

#endif /* BENCH_TRAFFIC_H */
