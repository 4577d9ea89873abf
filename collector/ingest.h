/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest.h - batches of a sensor: believed when signed, stored when they fit.
 *
 * The life of a request: ingest_parse() takes it apart in the thread of its connection - every JWS
 * is verified with a key enrolled for that sensor, every line hashed, both hashes compared - and
 * nothing of it is stored unless all of that held.  ingest_store() is the writer's job: each
 * batch must be the next of its chain, or one that is stored already (told, not stored twice).
 * What does not fit ends the request there; what stood before it stays.
 */
#ifndef COLLECTOR_INGEST_H
#define COLLECTOR_INGEST_H

#include "alerts/batch.h"
#include "collector/feed.h"
#include "collector/jump.h"

#define INGEST_BODY_MAX	   (8u << 20)
#define INGEST_BATCHES_MAX 4096u /* in one request */
#define INGEST_SKEW_MS	   60000 /* a clock that far off is told */

struct store;
struct store_tx;

struct ingest_batch {
	struct batch b;
	uint8_t hash[CRYPTO_SHA256_LEN]; /* of the JWS */
	const char *jws;		 /* borrowed from the body */
	size_t jws_len, size;		 /* size: of its lines */
	void *packed;			 /* lines, zstd; NULL when n = 0 */
	size_t packed_len;
	struct feed_row *row; /* b.n */
	char policy[40], build[24];
};

struct ingest {
	struct ingest_batch *batch;
	size_t n;
	char *texts; /* of all rows */
};

/*
 * Take n bytes apart; in is to be ingest_fini()'d whatever comes back.  0; ERR_FORMAT (no batches,
 * or lines that are none), ERR_SIGNATURE (JWS, hash or root do not hold, or another sensor's),
 * ERR_RANGE (too many), ERR_NOMEM.  The reason is in err.
 */
int ingest_parse(struct ingest *in, const char *body, size_t n, const struct key_set *keys,
    const char *iss, char *err, size_t err_size) __attribute__((warn_unused_result));
void ingest_fini(struct ingest *in);

enum ingest_result {
	INGEST_STORED = 0,
	INGEST_GAP,	/* batches before are missing */
	INGEST_FORK,	/* another batch has that number, or follows another one */
	INGEST_REVOKED, /* the sensor may not, any more or yet */
};

struct ingest_job {
	/* given */
	int64_t sensor;
	const char *name, *site;
	const struct ingest *in;
	int64_t now_ms;
	const struct batch *oldest; /* a later statement of the same sensor, or NULL */
	const char *relay;	    /* whose statement that is instead, or NULL */
	struct jump_off own;	    /* what is known of the own clock */
	/* found */
	enum ingest_result result;
	uint64_t stored, duplicate, alerts;
	uint64_t have_epoch, have_batch;
	const struct ingest_batch *last; /* that was stored or known: what the receipt is for */
	int64_t first_alert[64];	 /* ids, for who looks on */
	unsigned n_first;
	int64_t incident[16]; /* that are new or were changed */
	unsigned n_incident;
	char why[200];
};

/* The job, for store_write_again(); ctx is a struct ingest_job.  0 also when a batch did not fit: see result. */
int ingest_store(struct store_tx *tx, void *ctx);

/* Inside a job: a sensor (or relay) that was silent is heard; incidents that end with it are added to the n of id, which holds 8. */
int ingest_heard(struct store_tx *tx, const char *name, int64_t now_ms, int64_t *id, unsigned *n);

/* Unpack lines; size is what batch.size says.  NULL: damaged.  To be freed. */
char *ingest_unpack(const void *packed, size_t n, size_t size);

/* Line i, from 0, of unpacked lines: n bytes without its newline.  NULL: there are fewer. */
const char *ingest_line(const char *text, int64_t i, size_t *n);

#endif /* COLLECTOR_INGEST_H */
