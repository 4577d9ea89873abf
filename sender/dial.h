/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dial.h - a connection to HOST:PORT by TCP or TLS, or to a Unix socket, that never waits longer than it may; the home
 * of GnuTLS.  One thread per connection.
 *
 * TLS 1.2 at least (RFC 5425 and RFC 9662 for syslog); whom to believe is one file of certificates, and the name in the peer's
 * certificate has to be HOST.
 */
#ifndef SENDER_DIAL_H
#define SENDER_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"

struct dial;

struct dial_conf {
	const char *host, *port; /* by TCP; or NULL and */
	const char *path;	 /* a Unix socket */
	bool datagram;		 /* of it */
	bool tls;
	const char *ca;		/* file in PEM; needed with tls */
	const char *cert, *key; /* files in PEM, or NULL */
	uint32_t timeout_ms;	/* of each step: connect, handshake, a write that does not go on */
	bool (*hurry)(void *ctx); /* true: give up; may be NULL */
	void *ctx;
};

/* NULL: said in err. */
struct dial *dial_open(const struct dial_conf *conf, char *err, size_t err_size);
/* All of it. 0 or ERR_*, said in err; then the connection is of no more use. */
int dial_write(struct dial *d, const void *p, size_t n, char *err, size_t err_size);
/*
 * Has the peer's TCP taken everything that was written?  Waits for it, as long as it goes on.  A receiver that is dead
 * may have taken what it did not read; that is more than a write that returned says, and all that TCP knows.
 */
int dial_drain(struct dial *d, char *err, size_t err_size);
void dial_close(struct dial *d); /* NULL: nothing */

/* --- keys and certificates ----------------------------------------------------------------------- */

#define DIAL_PEM_MAX 8192u

/* A new ECDSA P-256 key and a request (PKCS #10) for it with CN = name, both PEM and NUL-ended in buffers of
 * DIAL_PEM_MAX.  0 or ERR_*, said. */
int dial_request(const char *name, char *key, char *csr, char *err, size_t err_size);
/*
 * Of the certificates that a server shows, the one with this SHA-256 (of its DER), as PEM in a buffer of DIAL_PEM_MAX.
 * Nothing else about the server is believed, nothing is said to it.  ERR_NOTFOUND: it shows none such.
 */
int dial_find_ca(const struct dial_conf *conf, const uint8_t fp[CRYPTO_SHA256_LEN], char *pem,
    char *err, size_t err_size);
/* From when until when, in s since 1970, the first certificate of a PEM text is good. 0 or ERR_FORMAT. */
int dial_validity(const char *pem, int64_t *from_s, int64_t *until_s);
/* SHA-256 of the first certificate of a PEM text. 0 or ERR_FORMAT. */
int dial_fingerprint(const char *pem, size_t n, uint8_t fp[CRYPTO_SHA256_LEN]);

#endif /* SENDER_DIAL_H */
