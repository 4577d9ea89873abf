/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sse.h - what happens, to who looks on: server-sent events (HTML Living Standard 9.2).
 *
 * A ring of the last SSE_RING happenings, by number; each stream renders what it sends from the
 * data base.  Incidents and sensors that change often are told SSE_TICK_MS after the first change.
 * A stream that comes back with a Last-Event-ID that is still in the ring misses nothing; else `hello`
 * says missed.  At most SSE_STREAMS.
 */
#ifndef COLLECTOR_SSE_H
#define COLLECTOR_SSE_H

#include <stdint.h>

#define SSE_RING    2048u
#define SSE_STREAMS 64u
#define SSE_TICK_MS 500

struct bus;
struct call;

struct bus *bus_new(void); /* NULL: no memory */
void bus_free(struct bus *b);
/* Every SSE_TICK_MS: tell of what changed. */
void bus_tick(struct bus *b);
/* No stream waits any longer. */
void bus_stop(struct bus *b);

/* An alert came in; an incident or a sensor changed; more alerts came than are told. */
void sse_alert(struct bus *b, int64_t id);
void sse_incident(struct bus *b, int64_t id);
void sse_sensor(struct bus *b, int64_t id);
void sse_more(struct bus *b, int64_t n);

/* Call of routes.def. */
void sse_stream(struct call *c);

#endif /* COLLECTOR_SSE_H */
