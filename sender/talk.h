/* SPDX-License-Identifier: Apache-2.0 */
/*
 * talk.h - what the answers of a collector to batches mean (docs/FORMATS.md, "To a collector"): for a sensor's sender
 * (out_https.c), and for a collector that passes on what its sensors have signed (collector/forward.c).
 */
#ifndef SENDER_TALK_H
#define SENDER_TALK_H

#include "alerts/receipt.h"
#include "sender/client.h"
#include "sender/out.h"

#define TALK_BODY_MAX (8u << 20) /* a collector takes no more */
#define TALK_TYPE     "application/vnd.interlock.batches"

struct json_t;

/* The last batch of a request: what its receipt has to speak of. */
struct talk_sent {
	uint64_t epoch, batch;
	uint8_t hash[CRYPTO_SHA256_LEN];
};

/* {"epoch":E,"batch":B} of o; a collector that has nothing of us says 0, 0. */
bool talk_place(const struct json_t *o, struct follow_place *out);
/* Any answer but what was hoped for: ERR_*, r says whether trying again soon is of use. */
int talk_refusal(const struct client_answer *a, const char *what, struct send_result *r);
/* The receipt of an answer: is it, by one of these keys, for sensor iss and the batch that was sent last?  It is copied
 * to jws, which holds RECEIPT_JWS_MAX.  0 or ERR_*, said in r. */
int talk_receipt(const struct client_answer *a, const struct key_set *keys, const char *iss,
    const struct talk_sent *last, char *jws, struct send_result *r)
    __attribute__((warn_unused_result));

#endif /* SENDER_TALK_H */
