/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.h - the signed statement about one batch of alert lines.
 *
 * A batch is stated by one JWS in compact form (RFC 7515): protected header
 * {"alg":"Ed25519","typ":"interlock-batch+jws","kid":...}, payload as struct
 * batch below.  docs/FORMATS.md specifies every member.  The header's typ is
 * the namespace inside the signed bytes, the payload's "v" the version;
 * batch_open() refuses both when it does not know them.
 */
#ifndef ALERTS_BATCH_H
#define ALERTS_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alerts/merkle.h"
#include "base/key.h"

#define BATCH_VERSION	1
#define BATCH_TYP	"interlock-batch+jws"
#define BATCH_LINES_MAX 65536u /* a verifier accepts; the signer stops at 1000 */
#define BATCH_LINE_MAX	32768u /* bytes of one EVE line with its newline */
#define BATCH_JWS_MAX	4096u  /* bytes of one JWS */
#define BATCH_ISS_MAX	255u

/* How the clock of the sensor was kept when it signed. */
enum batch_clock {
	BATCH_CLOCK_UNSAID = 0, /* a capture, or an older sensor */
	BATCH_CLOCK_FREE,	/* nothing keeps it in step */
	BATCH_CLOCK_IN_STEP
};

struct batch {
	char iss[BATCH_ISS_MAX + 1]; /* the sensor */
	uint64_t epoch;		     /* changes when the sensor lost its state */
	uint64_t number;	     /* "batch": 1, 2, ... within the epoch */
	uint64_t first, last;	     /* il_seq of the lines; an empty batch has last = first - 1 */
	uint64_t n;		     /* lines */
	uint8_t sha256[CRYPTO_SHA256_LEN]; /* of the lines with their newlines */
	uint8_t root[MERKLE_LEN];
	uint8_t prev[CRYPTO_SHA256_LEN]; /* SHA-256 of the JWS before; zeros in batch 1 */
	uint64_t iat_ms;		 /* milliseconds since 1970, UTC */
	bool capture_clock;		 /* iat is the packet time of a capture */
	bool final;			 /* a clean end; a later run may go on after it */
	uint64_t lost;	 /* alerts that never got into the journal, told in this batch */
	uint64_t oldest; /* first batch of the epoch still kept; 1 = all */
	enum batch_clock clock;
	uint32_t clock_error_ms; /* at most, says who keeps it in step; 0 with BATCH_CLOCK_UNSAID */
};

/* Sign; jws holds BATCH_JWS_MAX and gets no newline.  Returns its length. */
size_t batch_sign(const struct batch *b, const struct key *k, char *jws);

/*
 * Verify the signature with a key of the set, then read the payload.  0, or
 * ERR_SIGNATURE, ERR_FORMAT, ERR_UNSUPPORTED with the reason in err.
 */
int batch_open(const char *jws, size_t n, const struct key_set *keys, struct batch *out, char *err,
    size_t err_size) __attribute__((warn_unused_result));

/* Read the payload without looking at the signature: only for one's own files. */
int batch_peek(const char *jws, size_t n, struct batch *out) __attribute__((warn_unused_result));

#endif /* ALERTS_BATCH_H */
