/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h - several collectors before one data base, with NATS JetStream between.
 *
 * The life of a request of batches: the collector that a sensor reached verifies it, and publishes each batch that is not
 * stored yet to the stream (subject interlock.batches.SENSOR, Nats-Msg-Id SENSOR.EPOCH.BATCH.HASH).  Any collector takes it
 * from there (one durable pull consumer, shared), verifies it again, stores it, and then acknowledges it to the stream.  The
 * first one signs a receipt when it finds the batch in the data base, and for no other reason: JetStream acknowledges
 * before it has synced, so until then the sensor's journal is what counts.  What is not stored in time is 503, and sent again;
 * what is not stored in half of it although the data base answers is published once more by another id.
 */
#ifndef COLLECTOR_STREAM_H
#define COLLECTOR_STREAM_H

#include <stddef.h>

#define STREAM_NAME    "INTERLOCK"
#define STREAM_STORERS 4u     /* threads that take from it */
#define STREAM_WAIT_MS 10000u /* for a request to be stored */

struct collector;
struct ingest_job;
struct stream;

/* Connect, make stream and consumer when they are not there (three replicas in a cluster), begin to store. 0 or ERR_* said in err. */
int stream_new(struct stream **out, struct collector *co, char *err, size_t err_size);
void stream_free(struct stream *s); /* NULL: nothing */
/* Instead of ingest_store() in the writer: 0 and the job is filled; ERR_AGAIN: not stored in time. */
int stream_store(struct stream *s, struct ingest_job *job);

#endif /* COLLECTOR_STREAM_H */
