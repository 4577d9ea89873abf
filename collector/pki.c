/* SPDX-License-Identifier: Apache-2.0 */
/* pki.c - see pki.h.  GnuTLS 3.7; RFC 5280, RFC 2986. */
#include "collector/pki.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "collector/collector.h"

#define FILE_MAX    65536
#define CA_DAYS	    3650
#define SERVER_DAYS 825
#define DAY_S	    86400

static int
tls_err(char *err, size_t err_size, const char *what, int rc)
{
	return err_say(err, err_size, rc == GNUTLS_E_MEMORY_ERROR ? ERR_NOMEM : ERR_FORMAT,
	    "%s: %s", what, gnutls_strerror(rc));
}

static int
slurp(const char *dir, const char *name, char **text, char *err, size_t err_size)
{
	char path[512], *p = calloc(1, FILE_MAX + 1);
	int fd = open(collector_path(dir, name, path, sizeof(path)), O_RDONLY | O_CLOEXEC),
	    e = errno;
	ssize_t n = fd >= 0 && p ? read(fd, p, FILE_MAX) : -1;

	if (fd >= 0)
		(void)close(fd);
	if (n < 0) {
		free(p);
		return err_say(err, err_size, err_from_errno(e), "%s: %s", path, strerror(e));
	}
	*text = p;
	return 0;
}

static int
spill(const char *dir, const char *name, mode_t mode, const gnutls_datum_t *d, char *err,
    size_t err_size)
{
	char path[512];
	int fd = open(collector_path(dir, name, path, sizeof(path)),
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0 || write(fd, d->data, d->size) != (ssize_t)d->size || fsync(fd) != 0) {
		int e = errno;

		if (fd >= 0)
			(void)close(fd);
		return err_say(err, err_size, err_from_errno(e), "%s: %s", path, strerror(e));
	}
	(void)close(fd);
	return 0;
}

static bool
there(const char *dir, const char *name)
{
	char path[512];

	return access(collector_path(dir, name, path, sizeof(path)), F_OK) == 0;
}

static int
load_key(const char *dir, const char *name, gnutls_x509_privkey_t *key, char *err, size_t err_size)
{
	char *text;
	gnutls_datum_t d;
	int r = slurp(dir, name, &text, err, err_size), rc;

	if (r < 0)
		return r;
	d = (gnutls_datum_t){(unsigned char *)text, (unsigned)strlen(text)};
	if ((rc = gnutls_x509_privkey_init(key)) == 0 &&
	    (rc = gnutls_x509_privkey_import(*key, &d, GNUTLS_X509_FMT_PEM)) < 0)
		gnutls_x509_privkey_deinit(*key);
	crypto_wipe(text, strlen(text));
	free(text);
	return rc < 0 ? tls_err(err, err_size, name, rc) : 0;
}

static int
load_crt(const char *dir, const char *name, gnutls_x509_crt_t *crt, char *err, size_t err_size)
{
	char *text;
	gnutls_datum_t d;
	int r = slurp(dir, name, &text, err, err_size), rc;

	if (r < 0)
		return r;
	d = (gnutls_datum_t){(unsigned char *)text, (unsigned)strlen(text)};
	if ((rc = gnutls_x509_crt_init(crt)) == 0 &&
	    (rc = gnutls_x509_crt_import(*crt, &d, GNUTLS_X509_FMT_PEM)) < 0)
		gnutls_x509_crt_deinit(*crt);
	free(text);
	return rc < 0 ? tls_err(err, err_size, name, rc) : 0;
}

static int
new_key(const char *dir, const char *name, gnutls_x509_privkey_t *key, char *err, size_t err_size)
{
	gnutls_datum_t pem = {0};
	int r, rc = gnutls_x509_privkey_init(key);

	if (rc == 0)
		rc = gnutls_x509_privkey_generate(
		    *key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	if (rc == 0)
		rc = gnutls_x509_privkey_export2(*key, GNUTLS_X509_FMT_PEM, &pem);
	if (rc < 0)
		return tls_err(err, err_size, name, rc);
	r = spill(dir, name, 0600, &pem, err, err_size);
	crypto_wipe(pem.data, pem.size);
	gnutls_free(pem.data);
	return r;
}

/* What all our certificates have: version, a random number, a name, a time. */
static int
begin(gnutls_x509_crt_t *crt, const char *cn, time_t now, int days)
{
	unsigned char serial[16];
	int rc = gnutls_x509_crt_init(crt);

	crypto_random(serial, sizeof(serial));
	serial[0] &= 0x7f; /* RFC 5280 4.1.2.2: positive */
	serial[0] |= 0x40;
	if (rc == 0)
		rc = gnutls_x509_crt_set_version(*crt, 3);
	if (rc == 0)
		rc = gnutls_x509_crt_set_serial(*crt, serial, sizeof(serial));
	if (rc == 0)
		rc = gnutls_x509_crt_set_dn_by_oid(
		    *crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn, (unsigned)strnlen(cn, 64));
	if (rc == 0)
		rc = gnutls_x509_crt_set_activation_time(*crt, now - 3600);
	if (rc == 0)
		rc = gnutls_x509_crt_set_expiration_time(*crt, now + (time_t)days * DAY_S);
	return rc;
}

static int
finish(
    gnutls_x509_crt_t crt, gnutls_x509_crt_t ca, gnutls_x509_privkey_t ca_key, gnutls_datum_t *pem)
{
	unsigned char id[20];
	size_t n = sizeof(id);
	int rc = gnutls_x509_crt_get_key_id(crt, 0, id, &n);

	if (rc == 0)
		rc = gnutls_x509_crt_set_subject_key_id(crt, id, n);
	n = sizeof(id);
	if (rc == 0 && ca != crt && gnutls_x509_crt_get_subject_key_id(ca, id, &n, NULL) == 0)
		rc = gnutls_x509_crt_set_authority_key_id(crt, id, n);
	if (rc == 0)
		rc = gnutls_x509_crt_sign2(crt, ca, ca_key, GNUTLS_DIG_SHA256, 0);
	return rc == 0 ? gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, pem) : rc;
}

static int
make_ca(const char *dir, char *err, size_t err_size)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	gnutls_datum_t pem = {0};
	char cn[64];
	uint32_t tag;
	int r = new_key(dir, "ca.key", &key, err, err_size), rc;

	if (r < 0)
		return r;
	crypto_random(&tag, sizeof(tag));
	snprintf(cn, sizeof(cn), "Interlock collector %08x", (unsigned)tag);
	rc = begin(&crt, cn, time(NULL), CA_DAYS);
	if (rc == 0)
		rc = gnutls_x509_crt_set_key(crt, key);
	if (rc == 0)
		rc = gnutls_x509_crt_set_basic_constraints(crt, 1, 0);
	if (rc == 0)
		rc = gnutls_x509_crt_set_key_usage(
		    crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
	if (rc == 0)
		rc = finish(crt, crt, key, &pem);
	r = rc < 0 ? tls_err(err, err_size, "ca.crt", rc)
		   : spill(dir, "ca.crt", 0644, &pem, err, err_size);
	gnutls_free(pem.data);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
	return r;
}

static int
alt_name(gnutls_x509_crt_t crt, const char *host)
{
	uint8_t a[16];

	if (inet_pton(AF_INET, host, a) == 1)
		return gnutls_x509_crt_set_subject_alt_name(
		    crt, GNUTLS_SAN_IPADDRESS, a, 4, GNUTLS_FSAN_APPEND);
	if (inet_pton(AF_INET6, host, a) == 1)
		return gnutls_x509_crt_set_subject_alt_name(
		    crt, GNUTLS_SAN_IPADDRESS, a, 16, GNUTLS_FSAN_APPEND);
	return gnutls_x509_crt_set_subject_alt_name(
	    crt, GNUTLS_SAN_DNSNAME, host, (unsigned)strlen(host), GNUTLS_FSAN_APPEND);
}

static int
make_server(const char *dir, const char *host, char *err, size_t err_size)
{
	gnutls_x509_privkey_t key, ca_key;
	gnutls_x509_crt_t crt, ca;
	gnutls_datum_t pem = {0};
	int r = load_key(dir, "ca.key", &ca_key, err, err_size), rc;

	if (r < 0)
		return r;
	if ((r = load_crt(dir, "ca.crt", &ca, err, err_size)) < 0)
		goto no_ca;
	if ((r = new_key(dir, "server.key", &key, err, err_size)) < 0)
		goto no_key;
	rc = begin(&crt, host ? host : "localhost", time(NULL), SERVER_DAYS);
	if (rc == 0)
		rc = gnutls_x509_crt_set_key(crt, key);
	if (rc == 0)
		rc = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (rc == 0)
		rc = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
	if (rc == 0)
		rc = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
	if (rc == 0 && host)
		rc = alt_name(crt, host);
	if (rc == 0)
		rc = alt_name(crt, "localhost");
	if (rc == 0)
		rc = alt_name(crt, "127.0.0.1");
	if (rc == 0)
		rc = alt_name(crt, "::1");
	if (rc == 0)
		rc = finish(crt, ca, ca_key, &pem);
	r = rc < 0 ? tls_err(err, err_size, "server.crt", rc)
		   : spill(dir, "server.crt", 0644, &pem, err, err_size);
	gnutls_free(pem.data);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
no_key:
	gnutls_x509_crt_deinit(ca);
no_ca:
	gnutls_x509_privkey_deinit(ca_key);
	return r;
}

int
pki_init(const char *dir, const char *host, char *err, size_t err_size)
{
	int r = 0;

	if (!there(dir, "ca.crt"))
		r = make_ca(dir, err, err_size);
	if (r == 0 && !there(dir, "server.crt"))
		r = make_server(dir, host, err, err_size);
	return r;
}

int
pki_server(const char *dir, bool page, char **crt, char **key, char *err, size_t err_size)
{
	bool own = !page || !there(dir, "page.crt");
	int r = slurp(dir, own ? "server.crt" : "page.crt", crt, err, err_size);

	if (r == 0)
		r = slurp(dir, own ? "server.key" : "page.key", key, err, err_size);
	if (r == 0 && own) { /* the whole chain: who pins by the CA's fingerprint has to see it */
		char *ca, *both;

		if ((r = slurp(dir, "ca.crt", &ca, err, err_size)) == 0) {
			if (asprintf(&both, "%s%s", *crt, ca) < 0)
				r = err_say(err, err_size, ERR_NOMEM, "out of memory");
			free(*crt);
			free(ca);
			*crt = r == 0 ? both : NULL;
		}
	}
	return r;
}

int
pki_ca(const char *dir, char **crt, char *err, size_t err_size)
{
	return slurp(dir, "ca.crt", crt, err, err_size);
}

static int
fingerprint(gnutls_x509_crt_t crt, uint8_t fp[CRYPTO_SHA256_LEN])
{
	gnutls_datum_t der = {0};
	int rc = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der);

	if (rc < 0)
		return rc;
	crypto_sha256(der.data, der.size, fp);
	gnutls_free(der.data);
	return 0;
}

int
pki_issue(const char *dir, const char *csr, size_t n, const char *name, int64_t now_ms, char **out,
    uint8_t fp[CRYPTO_SHA256_LEN], int64_t *until_ms, char *err, size_t err_size)
{
	gnutls_datum_t d = {(unsigned char *)csr, (unsigned)n}, pem = {0};
	gnutls_x509_privkey_t ca_key;
	gnutls_x509_crt_t crt, ca;
	gnutls_pubkey_t pub = NULL;
	gnutls_x509_crq_t crq;
	time_t now = (time_t)(now_ms / 1000);
	int r, rc;

	if (n > PKI_CSR_MAX)
		return err_say(err, err_size, ERR_RANGE, "the request is too long");
	if ((rc = gnutls_x509_crq_init(&crq)) < 0)
		return tls_err(err, err_size, "request", rc);
	if ((rc = gnutls_x509_crq_import(crq, &d, GNUTLS_X509_FMT_PEM)) < 0 ||
	    (rc = gnutls_x509_crq_verify(crq, 0)) < 0) {
		gnutls_x509_crq_deinit(crq);
		return tls_err(err, err_size, "request", rc);
	}
	if ((r = load_key(dir, "ca.key", &ca_key, err, err_size)) < 0)
		goto no_key;
	if ((r = load_crt(dir, "ca.crt", &ca, err, err_size)) < 0)
		goto no_ca;
	rc = begin(&crt, name, now, PKI_CLIENT_DAYS);
	if (rc == 0)
		rc = gnutls_pubkey_init(&pub);
	if (rc == 0)
		rc = gnutls_pubkey_import_x509_crq(pub, crq, 0);
	if (rc == 0)
		rc = gnutls_x509_crt_set_pubkey(crt, pub);
	if (rc == 0)
		rc = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (rc == 0)
		rc = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0);
	if (rc == 0)
		rc = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
	if (rc == 0)
		rc = finish(crt, ca, ca_key, &pem);
	if (rc == 0)
		rc = fingerprint(crt, fp);
	if (rc < 0) {
		r = tls_err(err, err_size, "certificate", rc);
	} else if (!(*out = strndup((const char *)pem.data, pem.size))) {
		r = err_say(err, err_size, ERR_NOMEM, "out of memory");
	} else {
		*until_ms = (now + (time_t)PKI_CLIENT_DAYS * DAY_S) * INT64_C(1000);
	}
	gnutls_free(pem.data);
	gnutls_pubkey_deinit(pub);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_crt_deinit(ca);
no_ca:
	gnutls_x509_privkey_deinit(ca_key);
no_key:
	gnutls_x509_crq_deinit(crq);
	return r;
}

int
pki_peer(void *session, uint8_t fp[CRYPTO_SHA256_LEN])
{
	unsigned n = 0, status = 0;
	const gnutls_datum_t *certs = gnutls_certificate_get_peers(session, &n);

	if (!certs || n == 0)
		return ERR_NOTFOUND;
	if (gnutls_certificate_verify_peers2(session, &status) < 0 || status != 0)
		return ERR_SIGNATURE;
	crypto_sha256(certs[0].data, certs[0].size, fp);
	return 0;
}
