/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal.h - the sensor's own record: append-only, signed, bounded.
 *
 * A directory of segments; docs/FORMATS.md specifies every byte:
 *
 *   00000001.eve   EVE lines, batch after batch, exactly as they were signed
 *   00000001.jws   one JWS per line, each stating a batch of those lines
 *   key.pub        JWK Set of the keys that signed here
 *   state          what must not be forgotten: {"v","epoch","batch","clean"}
 *
 * A batch is on disk (lines, then JWS, each synced) when journal_append()
 * returns 0.  What a crash leaves behind the last JWS was never stated; it is
 * moved to 00000001.torn when the journal is opened again.  The directory is
 * locked (flock) while it is open.  One thread.
 */
#ifndef ALERTS_JOURNAL_H
#define ALERTS_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alerts/batch.h"
#include "alerts/receipt.h"

#define JOURNAL_SEGMENT_BYTES (UINT64_C(64) << 20) /* default: then a new one begins */
#define JOURNAL_MAX_BYTES     (UINT64_C(4) << 30)  /* default: then the oldest one goes */
#define JOURNAL_SEGMENTS_MAX  65536u
#define JOURNAL_FILE_MAX      (UINT64_C(1) << 30) /* bytes of a segment file a reader takes */

/* --- writing ------------------------------------------------------------------ */

struct journal;

struct journal_conf {
	const char *dir;       /* made when missing, mode 0750 */
	const struct key *key; /* with its secret; outlives the journal */
	const char *iss;
	bool replay;			   /* sync once at the end; the clock is a capture's */
	uint64_t segment_bytes, max_bytes; /* 0 = the defaults */
	/* What a collector has signed for is not lost when it goes.  The file is read when
	 * something has to go; without a receipt that holds, all of it is lost and told. */
	struct receipt_files receipts;
};

/* Lines of one batch, with newlines. */
struct journal_lines {
	const char *text;
	size_t len;
	uint64_t first, n; /* il_seq of the first; how many */
	uint8_t sha256[CRYPTO_SHA256_LEN], root[MERKLE_LEN];
};

/* NULL on failure, one line for the user in err. */
struct journal *journal_new(const struct journal_conf *conf, char *err, size_t err_size);
/* il_seq of the next alert. */
uint64_t journal_next_seq(const struct journal *j);
/* State, sign and store a batch.  0; or ERR_* and nothing of it is left, journal_error() says why. */
int journal_append(struct journal *j, const struct journal_lines *lines, uint64_t now_ns,
    bool final, uint64_t lost);
/* The epoch that the next append will have, whenever that is: what is said in a line stays true. */
uint64_t journal_pin(struct journal *j, uint64_t now_ns);
/* Epoch and number that an append at now_ns would have; of the last one that is stored (0: the
 * epoch has none yet). */
void journal_next(const struct journal *j, uint64_t now_ns, uint64_t *epoch, uint64_t *batch);
void journal_last(const struct journal *j, uint64_t *epoch, uint64_t *batch);
/* The lines of the last batch stored: how many bytes, 0 when there are none or *n is too small;
 * in *n their number.  text holds *n bytes. */
size_t journal_last_lines(const struct journal *j, char *text, size_t *n);
/* On disk, all segments. */
uint64_t journal_bytes(const struct journal *j);
/* The JWS of the last append, not NUL-terminated. */
const char *journal_jws(const struct journal *j, size_t *len);
/* Alerts in segments that were removed to stay within max_bytes and no receipt covers, since asked last. */
uint64_t journal_removed(struct journal *j);
const char *journal_error(const struct journal *j);
/* Sync and close. 0 or ERR_*, said in err. */
int journal_close(struct journal *j, char *err, size_t err_size);

/* --- reading ------------------------------------------------------------------ */

enum journal_state {
	JOURNAL_COMPLETE = 0, /* the chain holds and ends with a signed end */
	JOURNAL_OPEN_ENDED,   /* the chain holds up to its last batch; nobody says that was all */
	JOURNAL_BROKEN,
};

/* One verified batch, given to on_batch; borrowed. */
struct journal_batch {
	const struct batch *b;
	uint32_t segment;
	const char *jws;
	size_t jws_len;
	const char *const *line; /* b->n lines and one past the last; each ends with a newline */
	const uint8_t (*leaf)[MERKLE_LEN];
};

struct journal_reader {
	const struct key_set *keys;
	/* May be NULL; false ends the reading without a finding. */
	bool (*on_batch)(void *ctx, const struct journal_batch *jb);
	void *ctx;
};

struct journal_report {
	uint8_t state; /* enum journal_state */
	char why[400]; /* of a state that is not complete */
	uint64_t segments, batches, alerts, lost, epochs;
	uint64_t head; /* first batch that is there, > 1 when older ones were removed */
	uint64_t tail_lines, tail_bytes; /* behind the last batch: not stated by anybody */
	struct batch last;		 /* valid when batches > 0 */
	uint8_t last_hash[CRYPTO_SHA256_LEN];
};

/* Verify a directory. 0, or ERR_* when it could not be read (said in err). */
int journal_read(const char *dir, const struct journal_reader *r, struct journal_report *rep,
    char *err, size_t err_size) __attribute__((warn_unused_result));

/* What a reader knows between segments; zero it, set r and rep. */
struct journal_chain {
	const struct journal_reader *r;
	struct journal_report *rep;
	bool any;		   /* a batch was read: rep->last is valid */
	bool middle_ok;		   /* the first batch may be any, its prev is not checked */
	bool unended;		   /* an earlier epoch has no signed end */
	bool stopped;		   /* on_batch said so */
	uint64_t head;		   /* first batch of the epoch being read */
	uint64_t eve_end, jws_end; /* bytes of the segment that batches state */
};
/* Read one segment from memory; last: a torn tail is allowed.  False: broken or stopped. */
bool journal_walk(struct journal_chain *c, uint32_t segment, const char *eve, size_t eve_len,
    const char *jws, size_t jws_len, bool last);
/* All segments were walked: fill in what only the end can tell. */
void journal_conclude(struct journal_chain *c);

/* Ids of the segments in an open directory, ascending, to be freed.  0 or ERR_*. */
struct journal_segment {
	uint32_t id;
	bool eve, jws; /* the files that exist */
	uint64_t eve_bytes, jws_bytes;
};
int journal_segments(int dirfd, struct journal_segment **out, size_t *n);
/* A whole file of the directory, to be freed. 0 or ERR_*, errno says more. */
int journal_slurp(int dirfd, const char *name, uint64_t max, char **text, size_t *len);
#define JOURNAL_NAME_SIZE 24
/* "00000001.eve"; returns buf of JOURNAL_NAME_SIZE. */
char *journal_name(uint32_t segment, const char *ext, char *buf);

#endif /* ALERTS_JOURNAL_H */
