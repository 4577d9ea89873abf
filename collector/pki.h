/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pki.h - the collector's own certificate authority, in its directory.
 *
 *   ca.crt, ca.key          made once; sensors pin ca.crt when they enrol
 *   server.crt, server.key  signed by it: the ingest listener, and the page unless
 *   page.crt, page.key      are there: somebody else's certificate for the page
 *
 * ECDSA P-256.  A sensor's certificate has nothing of its request but the key: who it is, we know.
 */
#ifndef COLLECTOR_PKI_H
#define COLLECTOR_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"

#define PKI_CLIENT_DAYS 397
#define PKI_CSR_MAX	8192u

/* Make what is missing; host: a name or address by which sensors reach us, NULL: only localhost.  life_s: how long
 * server.crt is good, 0 = 825 days. */
int pki_init(const char *dir, const char *host, uint64_t life_s, char *err, size_t err_size);
/* When a third of its time is left: another server.crt, for the same key and names, in its place.  1: made, 0: not due
 * before *due_s, or ERR_* said in err. */
int pki_renew_server(
    const char *dir, uint64_t life_s, int64_t now_s, int64_t *due_s, char *err, size_t err_size);
/* Read what a listener shows from now on; what it showed stays when that fails: ERR_* said in err. */
int pki_listen(const char *dir, bool page, char *err, size_t err_size);
/* What GnuTLS asks with every handshake (gnutls_certificate_retrieve_function2). */
typedef void pki_retrieve(void);
pki_retrieve *pki_show(bool page);
void pki_forget(void); /* when nobody listens any more */
/* The CA's certificate as PEM, to be freed. */
int pki_ca(const char *dir, char **crt, char *err, size_t err_size);
/* SHA-256 of it, which a sensor that enrols compares (--ca-fingerprint). */
int pki_ca_fingerprint(const char *dir, uint8_t fp[CRYPTO_SHA256_LEN], char *err, size_t err_size);
/* A client certificate for the key of a request (PEM, at most PKI_CSR_MAX), good for life_s (0 = PKI_CLIENT_DAYS); to
 * be freed. */
int pki_issue(const char *dir, const char *csr, size_t n, const char *name, int64_t now_ms,
    uint64_t life_s, char **crt, uint8_t fp[CRYPTO_SHA256_LEN], int64_t *until_ms, char *err,
    size_t err_size);
/* SHA-256 of the certificate a TLS peer showed and our CA signed; session is a gnutls_session_t.
 * 0, ERR_NOTFOUND (it showed none), ERR_SIGNATURE. */
int pki_peer(void *session, uint8_t fp[CRYPTO_SHA256_LEN]);

#endif /* COLLECTOR_PKI_H */
