/* SPDX-License-Identifier: Apache-2.0 */
/*
 * enrol.h - how a sensor becomes known to a collector, once, by an admin.
 *
 * A transport key is made here and never leaves; the collector signs a certificate for it.  The signing key is used a
 * single time, to sign the token: so the collector knows whose batches will come over that certificate.  The sender
 * itself never has it.  docs/FORMATS.md, "Enrolment".
 */
#ifndef SENDER_ENROL_H
#define SENDER_ENROL_H

#include <stddef.h>
#include <sys/types.h>

#define ENROL_TYP "interlock-enrol+jws"

struct enrol {
	const char *url;   /* https://HOST:PORT */
	const char *token; /* one-time, from the collector's admin */
	const char *
	    fingerprint; /* 64 hexadecimal digits, colons do not matter: SHA-256 of the CA's certificate; or */
	const char *ca;	  /* the file itself */
	const char *key;  /* the signing key of the journal */
	const char *name; /* `iss` of its batches */
	const char *dir;  /* made; is to be empty, or not there */
	gid_t gid;	  /* the sender's group: may read; only when root does this */
	char sensor[256]; /* out: how the collector calls it */
	char state[32];	  /* out: "active", "pending", ... */
	char kid[64];	  /* out: the first receipt key that is pinned */
};

/* 0 or ERR_*, said in err; then nothing of it is left. */
int enrol_run(struct enrol *e, char *err, size_t err_size);

#endif /* SENDER_ENROL_H */
