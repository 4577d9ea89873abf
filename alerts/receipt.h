/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receipt.h - what a collector signs when it has stored batches: of this sensor, all up to this one
 * are on its disk, and this one is the JWS with that hash.
 *
 * A JWS (jws.h) of the collector's receipt key, which a sensor pins when it enrols.  docs/FORMATS.md
 * has every member.  It is made by the collector, checked by the sender before its position moves, and
 * by the signer before it lets go of what is covered: neither believes the other.
 */
#ifndef ALERTS_RECEIPT_H
#define ALERTS_RECEIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alerts/batch.h"

#define RECEIPT_VERSION 1
#define RECEIPT_TYP	"interlock-receipt+jws"
#define RECEIPT_JWS_MAX 4096u

struct receipt {
	char iss[BATCH_ISS_MAX + 1];	 /* the collector */
	char sub[BATCH_ISS_MAX + 1];	 /* the sensor: iss of its batches */
	uint64_t epoch, batch;		 /* the newest that is stored, and so are all before it */
	uint8_t hash[CRYPTO_SHA256_LEN]; /* "prev": SHA-256 of that batch's JWS */
	uint64_t iat_ms;		 /* when it was signed, by the collector's clock */
};

/* Where a signer finds what a sender has got: both, or NULL and NULL. */
struct receipt_files {
	const char *newest; /* the sender's: replaced whenever a batch is stored */
	const char *keys;   /* public keys that sign them; read once */
};

/* jws holds RECEIPT_JWS_MAX and gets a NUL, no newline.  Its length; 0: a name is too long. */
size_t receipt_sign(const struct receipt *r, const struct key *k, char *jws);
/* 0, or ERR_SIGNATURE, ERR_FORMAT, ERR_UNSUPPORTED with the reason in err. */
int receipt_open(const char *jws, size_t n, const struct key_set *keys, struct receipt *out,
    char *err, size_t err_size) __attribute__((warn_unused_result));

/* The same from the file `newest`: ERR_* when there is none, or none that these keys signed. */
int receipt_read(const char *path, const struct key_set *keys, struct receipt *out, char *err,
    size_t err_size) __attribute__((warn_unused_result));

#endif /* ALERTS_RECEIPT_H */
