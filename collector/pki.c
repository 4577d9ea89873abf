/* SPDX-License-Identifier: Apache-2.0 */
/* pki.c - see pki.h.  GnuTLS 3.7; RFC 5280, RFC 2986. */
#include "collector/pki.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "collector/collector.h"

#define FILE_MAX   65536
#define CA_S	   (3650 * INT64_C(86400))
#define SERVER_S   (825 * INT64_C(86400))
#define CLIENT_S   (PKI_CLIENT_DAYS * INT64_C(86400))
#define BACK_S	   3600 /* good from before now: clocks differ */
#define RENEW_PART 3	/* of its time has to be left */

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
begin(gnutls_x509_crt_t *crt, const char *cn, time_t now, int64_t life_s)
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
		rc = gnutls_x509_crt_set_activation_time(
		    *crt, now - (time_t)(life_s / 10 < BACK_S ? life_s / 10 : BACK_S));
	if (rc == 0)
		rc = gnutls_x509_crt_set_expiration_time(*crt, now + (time_t)life_s);
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
	rc = begin(&crt, cn, time(NULL), CA_S);
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

#define SAN_OID "2.5.29.17" /* RFC 5280 4.2.1.6 */

/* The names of a certificate before, or host and those of this machine. */
static int
server_names(gnutls_x509_crt_t crt, gnutls_x509_crt_t before, const char *host)
{
	static const char *const own[] = {"localhost", "127.0.0.1", "::1"};
	gnutls_datum_t san = {0};
	int rc = 0;

	if (before) {
		rc = gnutls_x509_crt_get_extension_by_oid2(before, SAN_OID, 0, &san, NULL);
		if (rc == 0)
			rc = gnutls_x509_crt_set_extension_by_oid(
			    crt, SAN_OID, san.data, san.size, 0);
		gnutls_free(san.data);
		return rc;
	}
	if (host)
		rc = alt_name(crt, host);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]) && rc == 0; i++)
		rc = alt_name(crt, own[i]);
	return rc;
}

/* A certificate for that key, signed by the CA. */
static int
server_crt(const char *dir, gnutls_x509_privkey_t key, gnutls_x509_crt_t before, const char *host,
    int64_t life_s, gnutls_datum_t *pem, char *err, size_t err_size)
{
	char cn[65] = "localhost";
	size_t n = sizeof(cn);
	gnutls_x509_privkey_t ca_key;
	gnutls_x509_crt_t crt, ca;
	int r = load_key(dir, "ca.key", &ca_key, err, err_size), rc = 0;

	if (r < 0)
		return r;
	if ((r = load_crt(dir, "ca.crt", &ca, err, err_size)) < 0)
		goto no_ca;
	if (before)
		rc = gnutls_x509_crt_get_dn_by_oid(
		    before, GNUTLS_OID_X520_COMMON_NAME, 0, 0, cn, &n);
	else if (host)
		snprintf(cn, sizeof(cn), "%s", host);
	if (rc == 0)
		rc = begin(&crt, cn, time(NULL), life_s);
	if (rc < 0)
		goto no_crt;
	rc = gnutls_x509_crt_set_key(crt, key);
	if (rc == 0)
		rc = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (rc == 0)
		rc = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
	if (rc == 0)
		rc = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
	if (rc == 0)
		rc = server_names(crt, before, host);
	if (rc == 0)
		rc = finish(crt, ca, ca_key, pem);
	gnutls_x509_crt_deinit(crt);
no_crt:
	if (rc < 0)
		r = tls_err(err, err_size, "server.crt", rc);
	gnutls_x509_crt_deinit(ca);
no_ca:
	gnutls_x509_privkey_deinit(ca_key);
	return r;
}

static int
make_server(const char *dir, const char *host, int64_t life_s, char *err, size_t err_size)
{
	gnutls_x509_privkey_t key;
	gnutls_datum_t pem = {0};
	int r = new_key(dir, "server.key", &key, err, err_size);

	if (r < 0)
		return r;
	r = server_crt(dir, key, NULL, host, life_s, &pem, err, err_size);
	if (r == 0)
		r = spill(dir, "server.crt", 0644, &pem, err, err_size);
	gnutls_free(pem.data);
	gnutls_x509_privkey_deinit(key);
	return r;
}

int
pki_renew_server(
    const char *dir, uint64_t life_s, int64_t now_s, int64_t *due_s, char *err, size_t err_size)
{
	char path[512], old[512];
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	gnutls_datum_t pem = {0};
	int64_t from, until;
	int r = load_crt(dir, "server.crt", &crt, err, err_size);

	if (r < 0)
		return r;
	from = (int64_t)gnutls_x509_crt_get_activation_time(crt);
	until = (int64_t)gnutls_x509_crt_get_expiration_time(crt);
	*due_s = until - (until - from) / RENEW_PART;
	/* One of the future was made by a clock that has been set back since: nobody takes it. */
	if ((now_s >= from && now_s < *due_s) ||
	    (r = load_key(dir, "server.key", &key, err, err_size)) < 0)
		goto out;
	if ((r = server_crt(dir, key, crt, NULL, life_s ? (int64_t)life_s : SERVER_S, &pem, err,
		 err_size)) == 0) {
		(void)unlink(collector_path(dir, "server.crt.new", path, sizeof(path)));
		r = spill(dir, "server.crt.new", 0644, &pem, err, err_size);
	}
	if (r == 0 && rename(path, collector_path(dir, "server.crt", old, sizeof(old))) != 0)
		r = err_say(err, err_size, err_from_errno(errno), "%s: %s", old, strerror(errno));
	gnutls_free(pem.data);
	gnutls_x509_privkey_deinit(key);
	r = r == 0 ? 1 : r;
out:
	gnutls_x509_crt_deinit(crt);
	return r;
}

int
pki_init(const char *dir, const char *host, uint64_t life_s, char *err, size_t err_size)
{
	int r = 0;

	if (!there(dir, "ca.crt"))
		r = make_ca(dir, err, err_size);
	if (r == 0 && !there(dir, "server.crt"))
		r = make_server(dir, host, life_s ? (int64_t)life_s : SERVER_S, err, err_size);
	return r;
}

/* --- what the listeners show ------------------------------------------------------------ */

/*
 * GnuTLS asks for it with every handshake and borrows it, so what was shown before stays for a while: as many changes
 * as KEPT, and a handshake has HTTP_HEAD_S.
 */
#define KEPT  8u
#define CHAIN 8u

struct shown {
	gnutls_pcert_st crt[CHAIN];
	unsigned n;
	gnutls_privkey_t key;
};
static struct {
	pthread_mutex_t lock;
	struct shown *now[2], *kept[2][KEPT];
	unsigned turn[2];
} listeners = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
shown_free(struct shown *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->n; i++)
		gnutls_pcert_deinit(&s->crt[i]);
	if (s->key)
		gnutls_privkey_deinit(s->key);
	free(s);
}

static int
retrieve(unsigned side, gnutls_pcert_st **crt, unsigned *n, gnutls_privkey_t *key)
{
	struct shown *s;

	(void)pthread_mutex_lock(&listeners.lock);
	s = listeners.now[side];
	(void)pthread_mutex_unlock(&listeners.lock);
	if (!s)
		return -1;
	*crt = s->crt;
	*n = s->n;
	*key = s->key;
	return 0;
}

static int
retrieve_page(gnutls_session_t session, const gnutls_datum_t *ca, int n_ca,
    const gnutls_pk_algorithm_t *algos, int n_algos, gnutls_pcert_st **crt, unsigned *n,
    gnutls_privkey_t *key)
{
	(void)session, (void)ca, (void)n_ca, (void)algos, (void)n_algos;
	return retrieve(0, crt, n, key);
}

static int
retrieve_ingest(gnutls_session_t session, const gnutls_datum_t *ca, int n_ca,
    const gnutls_pk_algorithm_t *algos, int n_algos, gnutls_pcert_st **crt, unsigned *n,
    gnutls_privkey_t *key)
{
	(void)session, (void)ca, (void)n_ca, (void)algos, (void)n_algos;
	return retrieve(1, crt, n, key);
}

pki_retrieve *
pki_show(bool page)
{
	return (pki_retrieve *)(page ? retrieve_page : retrieve_ingest);
}

/* The chain, and is the key that of its first certificate? */
static int
shown_read(struct shown *s, const char *crt, const char *key)
{
	const gnutls_datum_t c = {(unsigned char *)(uintptr_t)crt, (unsigned)strlen(crt)},
			     k = {(unsigned char *)(uintptr_t)key, (unsigned)strlen(key)};
	uint8_t a[CRYPTO_SHA256_LEN], b[CRYPTO_SHA256_LEN];
	size_t na = sizeof(a), nb = sizeof(b);
	gnutls_pubkey_t pub;
	unsigned n = CHAIN;
	int rc = gnutls_pcert_list_import_x509_raw(s->crt, &n, &c, GNUTLS_X509_FMT_PEM, 0);

	if (rc < 0)
		return rc;
	s->n = n;
	if ((rc = gnutls_privkey_init(&s->key)) < 0 ||
	    (rc = gnutls_privkey_import_x509_raw(s->key, &k, GNUTLS_X509_FMT_PEM, NULL, 0)) < 0 ||
	    (rc = gnutls_pubkey_init(&pub)) < 0)
		return rc;
	if ((rc = gnutls_pubkey_import_privkey(pub, s->key, 0, 0)) == 0)
		rc = gnutls_pubkey_get_key_id(pub, GNUTLS_KEYID_USE_SHA256, a, &na);
	if (rc == 0)
		rc = gnutls_pubkey_get_key_id(s->crt[0].pubkey, GNUTLS_KEYID_USE_SHA256, b, &nb);
	gnutls_pubkey_deinit(pub);
	if (rc == 0 && (na != nb || memcmp(a, b, na) != 0))
		rc = GNUTLS_E_CERTIFICATE_KEY_MISMATCH;
	return rc;
}

int
pki_listen(const char *dir, bool page, char *err, size_t err_size)
{
	bool own = !page || !there(dir, "page.crt");
	char *crt = NULL, *key = NULL, *ca = NULL, *both = NULL;
	struct shown *s = calloc(1, sizeof(*s)), *gone = NULL;
	int r, rc;

	if ((r = slurp(dir, own ? "server.crt" : "page.crt", &crt, err, err_size)) < 0 ||
	    (r = slurp(dir, own ? "server.key" : "page.key", &key, err, err_size)) < 0 ||
	    /* the whole chain: who pins by the CA's fingerprint has to see it */
	    (own && (r = slurp(dir, "ca.crt", &ca, err, err_size)) < 0))
		goto out;
	if (!s || asprintf(&both, "%s%s", crt, own ? ca : "") < 0) {
		both = NULL;
		r = err_say(err, err_size, ERR_NOMEM, "out of memory");
	} else if ((rc = shown_read(s, both, key)) < 0) {
		r = tls_err(err, err_size, own ? "server.crt" : "page.crt", rc);
	} else {
		(void)pthread_mutex_lock(&listeners.lock);
		gone = listeners.kept[!page][listeners.turn[!page]];
		listeners.kept[!page][listeners.turn[!page]] = listeners.now[!page];
		listeners.turn[!page] = (listeners.turn[!page] + 1) % KEPT;
		listeners.now[!page] = s;
		(void)pthread_mutex_unlock(&listeners.lock);
		s = NULL;
	}
out:
	shown_free(gone);
	shown_free(s);
	if (key)
		crypto_wipe(key, strlen(key));
	free(key);
	free(crt);
	free(ca);
	free(both);
	return r;
}

void
pki_forget(void)
{
	for (unsigned side = 0; side < 2; side++) {
		shown_free(listeners.now[side]);
		listeners.now[side] = NULL;
		for (unsigned i = 0; i < KEPT; i++) {
			shown_free(listeners.kept[side][i]);
			listeners.kept[side][i] = NULL;
		}
	}
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
pki_ca_fingerprint(const char *dir, uint8_t fp[CRYPTO_SHA256_LEN], char *err, size_t err_size)
{
	gnutls_x509_crt_t ca;
	int r = load_crt(dir, "ca.crt", &ca, err, err_size), rc;

	if (r < 0)
		return r;
	rc = fingerprint(ca, fp);
	gnutls_x509_crt_deinit(ca);
	return rc < 0 ? tls_err(err, err_size, "ca.crt", rc) : 0;
}

int
pki_issue(const char *dir, const char *csr, size_t n, const char *name, int64_t now_ms,
    uint64_t life_s, char **out, uint8_t fp[CRYPTO_SHA256_LEN], int64_t *until_ms, char *err,
    size_t err_size)
{
	gnutls_datum_t d = {(unsigned char *)csr, (unsigned)n}, pem = {0};
	gnutls_x509_privkey_t ca_key;
	gnutls_x509_crt_t crt, ca;
	gnutls_pubkey_t pub = NULL;
	gnutls_x509_crq_t crq;
	time_t now = (time_t)(now_ms / 1000);
	int64_t life = life_s ? (int64_t)life_s : CLIENT_S;
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
	rc = begin(&crt, name, now, life);
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
		*until_ms = ((int64_t)now + life) * INT64_C(1000);
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
