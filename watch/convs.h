/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convs.h - who talks to whom, about what, how often, and with which values.
 *
 *   frame --> convs_frame() --> who, which service, bytes ----+
 *                                                             v
 *   PDU ----> convs_fact() --> functions, objects, values --> table --> JSON, map
 *                  |
 *                  +--> what of it was new (detect.h asks)
 *
 * It stands beside the engine and decides nothing.  A conversation is a client, a server, and the service of it (IP
 * protocol and port); who is the client the handshake says, else a dissector, else the lower port.
 *
 * Memory is taken once, by convs_new().  A conversation that finds no room takes the place of one that has been silent
 * long; a function, object or value that finds none is counted.  Nothing is allocated while packets go by, and time is
 * theirs: a clock that jumps makes a period wrong, never a table.  One thread.
 */
#ifndef WATCH_CONVS_H
#define WATCH_CONVS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"

#define CONVS_MEMORY (16u << 20) /* bytes; about three thousand conversations */

struct convs;
struct engine_pdu;
struct jw;
struct layers;
struct pkt;
struct policy;

/* NULL: no memory.  seed: for hashes. */
struct convs *convs_new(size_t memory_bytes, uint64_t seed);
void convs_free(struct convs *c); /* NULL is allowed */

/* Every frame that decode() has understood. */
void convs_frame(struct convs *c, const struct pkt *p, const struct layers *l);
/* Every fact: the engine's on_fact. */
void convs_fact(struct convs *c, const struct engine_pdu *pdu);

/* The document of docs/FORMATS.md; ctx is a struct convs_view. */
struct convs_view {
	const struct convs *convs;
	const struct policy *pol; /* names and roles that were declared; or NULL */
	enum convs_map {
		CONVS_MAP_JSON = 0,
		CONVS_MAP_DOT,
		CONVS_MAP_MERMAID
	} map; /* of convs_map() */
};
void convs_json(struct jw *w, const void *ctx);
/* The same as a picture, by Purdue level. */
void convs_map(struct jw *w, const void *ctx);

/* A conversation as a list shows it; texts are static or the table's, and may be the wire's. */
struct convs_row {
	struct net_addr client, server;
	uint16_t port;
	uint8_t l4;
	const char *service; /* a dissector, or what the flow was named; "" = not known */
	uint64_t id;	     /* the same as long as it is in the table */
	uint64_t frames, bytes, requests, exceptions, last_ns;
};
/* All of them, in no order; at most max.  Returns how many. */
uint32_t convs_rows(const struct convs *c, struct convs_row *out, uint32_t max);
/* So many fit, and so many had to go for others. */
uint32_t convs_room(const struct convs *c, uint64_t *evicted);

#endif /* WATCH_CONVS_H */
