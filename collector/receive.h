/* SPDX-License-Identifier: Apache-2.0 */
/* receive.h - what sensors send: calls of routes.def on the ingest side. */
#ifndef COLLECTOR_RECEIVE_H
#define COLLECTOR_RECEIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct call;
struct collector;
struct ingest_job;

/* The calls. */
void receive_batches(struct call *c);
void receive_position(struct call *c);
void receive_evidence(struct call *c);
void receive_assets(struct call *c);
void receive_model(struct call *c);
void receive_proposals(struct call *c);

/* Packets of an alert.  0; ERR_NOTFOUND: that alert is not here; ERR_SIGNATURE: its signed line names others; ERR_*. */
int receive_packets(struct collector *co, int64_t sensor, int64_t epoch, int64_t seq,
    const void *data, size_t n, int64_t now_ms);
/* Keep a model (else a list of devices) of a sensor.  0 or ERR_*; ERR_FORMAT: it is none. */
int receive_document(struct collector *co, int64_t sensor, const char *text, size_t n, bool model);

/* Who looks on is told what a job stored. */
void receive_told(struct collector *co, const struct ingest_job *job);

#endif /* COLLECTOR_RECEIVE_H */
