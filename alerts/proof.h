/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proof.h - one alert with all that is needed to believe it: its line, the
 * Merkle path to the root of its batch, and the JWS that states that root.
 * The JSON form is in docs/FORMATS.md.
 */
#ifndef ALERTS_PROOF_H
#define ALERTS_PROOF_H

#include "alerts/journal.h"

struct jw;

#define PROOF_MAX (BATCH_LINE_MAX * 2 + 16384u) /* bytes of a proof as JSON */

/* The proof of line `index` of a batch that a reader gave; one JSON object. */
void proof_write(
    struct jw *w, const struct journal_batch *jb, uint64_t index, const struct key *key);

struct proof_result {
	struct batch batch;
	uint64_t seq;
	bool own_key; /* verified with the key in the proof: consistent, but by whom? */
	char kid[KEY_ID_CHARS + 1];
};
/* Check one; keys NULL: believe the key in it.  0, ERR_SIGNATURE or ERR_CHAIN (it does not
 * hold), ERR_FORMAT (it is no proof); the reason is in err. */
int proof_check(const char *text, size_t len, const struct key_set *keys, struct proof_result *out,
    char *err, size_t err_size) __attribute__((warn_unused_result));

#endif /* ALERTS_PROOF_H */
