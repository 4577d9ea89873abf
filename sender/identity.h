/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.h - what enrolment leaves in a directory, and a sender needs to speak with its collector:
 *
 *   collector.json   {"v":1,"url":"https://HOST:PORT","sensor":"NAME"}
 *   transport.key    private key of the transport (PEM, 0600); it signs no alert
 *   transport.crt    its certificate, from the collector; renew.h has later ones
 *   ca.crt           who signs the collector's certificate: nobody else is believed
 *   receipt.jwks     who signs receipts
 */
#ifndef SENDER_IDENTITY_H
#define SENDER_IDENTITY_H

#include <stddef.h>

#include "alerts/batch.h"
#include "base/key.h"

#define IDENTITY_URL_MAX  320u
#define IDENTITY_PATH_MAX 768u

struct identity {
	char url[IDENTITY_URL_MAX];
	char sensor[BATCH_ISS_MAX + 1];
	char ca[IDENTITY_PATH_MAX], cert[IDENTITY_PATH_MAX], key[IDENTITY_PATH_MAX]; /* files */
	struct key_set receipts;
};

/* 0 or ERR_*, said in err. */
int identity_load(struct identity *id, const char *dir, char *err, size_t err_size);

#endif /* SENDER_IDENTITY_H */
