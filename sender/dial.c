/* SPDX-License-Identifier: Apache-2.0 */
/* dial.c - see dial.h. */
#include "sender/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <linux/sockios.h>

#include "base/clock.h"
#include "base/err.h"

#define LOOK_MS 100 /* how often it asks whether to hurry */

struct dial {
	struct dial_conf conf;
	int fd;
	gnutls_session_t tls; /* NULL: none */
	gnutls_certificate_credentials_t cred;
};

/* Wait for events on fd.  0, or ERR_AGAIN: the time is over, or it is to hurry. */
static int
wait_for(const struct dial *d, short events, uint64_t until_ns)
{
	for (;;) {
		struct pollfd p = {.fd = d->fd, .events = events};
		int r = poll(&p, 1, LOOK_MS);

		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return err_from_errno(errno);
		if (clock_mono_ns() >= until_ns || (d->conf.hurry && d->conf.hurry(d->conf.ctx)))
			return ERR_AGAIN;
	}
}

static uint64_t
limit(const struct dial *d)
{
	return clock_mono_ns() + d->conf.timeout_ms * UINT64_C(1000000);
}

static int
say(const struct dial *d, char *err, size_t err_size, int code, const char *what)
{
	return err_say(err, err_size, code, "%s%s%s: %s",
	    d->conf.host ? d->conf.host : d->conf.path, d->conf.host ? ":" : "",
	    d->conf.host ? d->conf.port : "", what);
}

/* --- sockets -------------------------------------------------------------------------- */

/* A connected descriptor in d->fd, or why not. */
static int
try_connect(struct dial *d, const struct sockaddr *sa, socklen_t len, int type, const char **why)
{
	int e = 0;
	socklen_t n = sizeof(e);

	d->fd = socket(sa->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->fd < 0)
		e = errno;
	else if (connect(d->fd, sa, len) != 0 && errno != EINPROGRESS)
		e = errno;
	else if (type == SOCK_STREAM && sa->sa_family != AF_UNIX) {
		if (wait_for(d, POLLOUT, limit(d)) < 0)
			e = ETIMEDOUT;
		else
			(void)getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &e, &n);
	}
	if (e == 0)
		return 0;
	if (d->fd >= 0)
		(void)close(d->fd);
	d->fd = -1;
	*why = strerror(e);
	return err_from_errno(e);
}

static int
connect_unix(struct dial *d, const char **why)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	if (strlen(d->conf.path) >= sizeof(sa.sun_path)) {
		*why = "its name is too long for a socket";
		return ERR_RANGE;
	}
	memcpy(sa.sun_path, d->conf.path, strlen(d->conf.path) + 1);
	return try_connect(d, (const struct sockaddr *)&sa, sizeof(sa),
	    d->conf.datagram ? SOCK_DGRAM : SOCK_STREAM, why);
}

static int
connect_tcp(struct dial *d, const char **why)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *all = NULL;
	char host[256];
	size_t n = strlen(d->conf.host);
	int r, on = 1;

	if (d->conf.host[0] == '[' && n > 2 && d->conf.host[n - 1] == ']')
		(void)snprintf(host, sizeof(host), "%.*s", (int)n - 2, d->conf.host + 1);
	else
		(void)snprintf(host, sizeof(host), "%s", d->conf.host);
	if ((r = getaddrinfo(host, d->conf.port, &hints, &all)) != 0) {
		*why = gai_strerror(r);
		return ERR_NOTFOUND;
	}
	r = ERR_NOTFOUND;
	*why = "has no address";
	for (const struct addrinfo *a = all; a && r < 0; a = a->ai_next)
		r = try_connect(d, a->ai_addr, a->ai_addrlen, SOCK_STREAM, why);
	freeaddrinfo(all);
	if (r == 0) {
		(void)setsockopt(d->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		(void)setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	return r;
}

/* --- TLS ------------------------------------------------------------------------------ */

static int
handshake(struct dial *d)
{
	uint64_t until = limit(d);
	int r;

	while ((r = gnutls_handshake(d->tls)) < 0 && !gnutls_error_is_fatal(r))
		if (r == GNUTLS_E_AGAIN &&
		    wait_for(d, gnutls_record_get_direction(d->tls) ? POLLOUT : POLLIN, until) < 0)
			return GNUTLS_E_TIMEDOUT;
	return r;
}

/* verify false: whoever it is; only to look at what it shows. */
static int
begin_tls(struct dial *d, bool verify)
{
	const char *host = d->conf.host;
	size_t n = strlen(host);
	char name[256];
	int r;

	(void)snprintf(name, sizeof(name), "%.*s", (int)(host[0] == '[' && n > 2 ? n - 2 : n),
	    host[0] == '[' ? host + 1 : host);
	if ((r = gnutls_certificate_allocate_credentials(&d->cred)) < 0)
		return r;
	if (verify && (r = gnutls_certificate_set_x509_trust_file(
			   d->cred, d->conf.ca, GNUTLS_X509_FMT_PEM)) <= 0)
		return r < 0 ? r : GNUTLS_E_NO_CERTIFICATE_FOUND;
	if (d->conf.cert && (r = gnutls_certificate_set_x509_key_file(
				 d->cred, d->conf.cert, d->conf.key, GNUTLS_X509_FMT_PEM)) < 0)
		return r;
	if ((r = gnutls_init(&d->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL)) < 0 ||
	    (r = gnutls_set_default_priority_append(d->tls, "-VERS-TLS1.1:-VERS-TLS1.0", NULL, 0)) <
		0 ||
	    (r = gnutls_credentials_set(d->tls, GNUTLS_CRD_CERTIFICATE, d->cred)) < 0)
		return r;
	if (strspn(name, "0123456789.:") !=
	    strlen(name)) /* addresses are not for SNI, RFC 6066 3 */
		(void)gnutls_server_name_set(d->tls, GNUTLS_NAME_DNS, name, strlen(name));
	if (verify)
		gnutls_session_set_verify_cert(d->tls, name, 0);
	gnutls_transport_set_int(d->tls, d->fd);
	return handshake(d);
}

/* Why a handshake failed, of its certificate above all. */
static int
tls_failed(const struct dial *d, int code, char *err, size_t err_size)
{
	gnutls_datum_t text = {NULL, 0};

	if (code == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR &&
	    gnutls_certificate_verification_status_print(
		gnutls_session_get_verify_cert_status(d->tls), GNUTLS_CRT_X509, &text, 0) == 0) {
		(void)err_say(err, err_size, 0, "%s:%s: %s", d->conf.host, d->conf.port, text.data);
		gnutls_free(text.data);
		return ERR_SIGNATURE;
	}
	return err_say(err, err_size, ERR_IO, "%s:%s: TLS: %s", d->conf.host, d->conf.port,
	    gnutls_strerror(code));
}

/* --- life ------------------------------------------------------------------------------- */

static struct dial *
connected(const struct dial_conf *conf, char *err, size_t err_size)
{
	struct dial *d = calloc(1, sizeof(*d));
	const char *why = "";
	int r;

	if (!d) {
		(void)err_say(err, err_size, 0, "out of memory");
		return NULL;
	}
	d->conf = *conf;
	d->fd = -1;
	r = conf->host ? connect_tcp(d, &why) : connect_unix(d, &why);
	if (r < 0) {
		if (conf->host)
			(void)err_say(err, err_size, r, "%s:%s: %s", conf->host, conf->port, why);
		else
			(void)err_say(err, err_size, r, "%s: %s", conf->path, why);
		free(d);
		return NULL;
	}
	return d;
}

struct dial *
dial_open(const struct dial_conf *conf, char *err, size_t err_size)
{
	struct dial *d = connected(conf, err, err_size);
	int r;

	if (d && conf->tls && (r = begin_tls(d, true)) < 0) {
		(void)tls_failed(d, r, err, err_size);
		dial_close(d);
		return NULL;
	}
	return d;
}

void
dial_close(struct dial *d)
{
	if (!d)
		return;
	if (d->tls) {
		(void)gnutls_bye(d->tls, GNUTLS_SHUT_WR);
		gnutls_deinit(d->tls);
	}
	if (d->cred)
		gnutls_certificate_free_credentials(d->cred);
	(void)close(d->fd);
	free(d);
}

/* A piece: how much of it went; 0: wait; ERR_*. */
static ssize_t
write_some(struct dial *d, const char *p, size_t n, const char **why)
{
	ssize_t w;

	if (d->tls) {
		w = gnutls_record_send(d->tls, p, n);
		if (w >= 0)
			return w;
		*why = gnutls_strerror((int)w);
		return gnutls_error_is_fatal((int)w) ? ERR_IO : 0;
	}
	w = send(d->fd, p, n, MSG_NOSIGNAL);
	if (w >= 0)
		return w;
	*why = strerror(errno);
	/* ENOBUFS: the receiver of datagrams does not keep up */
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : ERR_IO;
}

int
dial_write(struct dial *d, const void *data, size_t n, char *err, size_t err_size)
{
	const char *p = data, *why = "";
	uint64_t until = limit(d);

	while (n > 0) {
		ssize_t w = write_some(d, p, n, &why);

		if (w > 0) {
			p += w;
			n -= (size_t)w;
			until = limit(d);
			continue;
		}
		if (w == 0 && wait_for(d, POLLOUT, until) == 0)
			continue;
		return w < 0 ? say(d, err, err_size, ERR_IO, why)
			     : say(d, err, err_size, ERR_AGAIN, "the other side takes no more");
	}
	return 0;
}

int
dial_drain(struct dial *d, char *err, size_t err_size)
{
	uint64_t until = limit(d);
	int left = 0, was = -1;

	for (;;) {
		struct pollfd p = {.fd = d->fd, .events = POLLRDHUP};
		bool empty = ioctl(d->fd, SIOCOUTQ, &left) != 0 || left == 0;

		if (left != was)
			until = limit(d);
		was = left;
		/* Looked at last: a reset empties the queue, too. */
		if (poll(&p, 1, empty ? 0 : 2) > 0 && p.revents & (POLLERR | POLLHUP | POLLRDHUP))
			return say(d, err, err_size, ERR_IO, "closed by the other side");
		if (empty)
			return 0;
		if (clock_mono_ns() >= until || (d->conf.hurry && d->conf.hurry(d->conf.ctx)))
			return say(
			    d, err, err_size, ERR_AGAIN, "the other side does not acknowledge");
	}
}

/* --- keys and certificates ----------------------------------------------------------------- */

/* A datum as NUL-ended text of DIAL_PEM_MAX, and gone. */
static int
take_text(gnutls_datum_t *t, char *out)
{
	int r = t->size < DIAL_PEM_MAX ? 0 : ERR_RANGE;

	if (r == 0) {
		memcpy(out, t->data, t->size);
		out[t->size] = '\0';
	}
	gnutls_memset(t->data, 0, t->size);
	gnutls_free(t->data);
	t->data = NULL;
	return r;
}

int
dial_request(const char *name, char *key, char *csr, char *err, size_t err_size)
{
	gnutls_x509_privkey_t priv = NULL;
	gnutls_x509_crq_t crq = NULL;
	gnutls_datum_t k = {NULL, 0}, c = {NULL, 0};
	int r;

	if ((r = gnutls_x509_privkey_init(&priv)) >= 0 &&
	    (r = gnutls_x509_privkey_generate(priv, GNUTLS_PK_ECDSA,
		 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0)) >= 0 &&
	    (r = gnutls_x509_crq_init(&crq)) >= 0 &&
	    (r = gnutls_x509_crq_set_dn_by_oid(
		 crq, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strnlen(name, 64))) >= 0 &&
	    (r = gnutls_x509_crq_set_version(crq, 1)) >= 0 &&
	    (r = gnutls_x509_crq_set_key(crq, priv)) >= 0 &&
	    (r = gnutls_x509_crq_sign2(crq, priv, GNUTLS_DIG_SHA256, 0)) >= 0 &&
	    (r = gnutls_x509_crq_export2(crq, GNUTLS_X509_FMT_PEM, &c)) >= 0)
		r = gnutls_x509_privkey_export2_pkcs8(
		    priv, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &k);
	if (r >= 0)
		r = take_text(&k, key) < 0 || take_text(&c, csr) < 0 ? GNUTLS_E_SHORT_MEMORY_BUFFER
								     : 0;
	gnutls_free(c.data);
	gnutls_x509_crq_deinit(crq);
	gnutls_x509_privkey_deinit(priv);
	return r < 0 ? err_say(err, err_size, ERR_UNSUPPORTED, "a transport key: %s",
			   gnutls_strerror(r))
		     : 0;
}

int
dial_find_ca(const struct dial_conf *conf, const uint8_t fp[CRYPTO_SHA256_LEN], char *pem,
    char *err, size_t err_size)
{
	struct dial *d = connected(conf, err, err_size);
	const gnutls_datum_t *chain;
	unsigned n = 0;
	int r;

	if (!d)
		return ERR_IO;
	/* It asks for a certificate and gets none: whether it goes on after that is no matter. */
	if ((r = begin_tls(d, false)) < 0) {
		r = tls_failed(d, r, err, err_size);
		dial_close(d);
		return r;
	}
	chain = gnutls_certificate_get_peers(d->tls, &n);
	r = err_say(err, err_size, ERR_NOTFOUND,
	    "%s:%s shows %u certificates, and none has that fingerprint", conf->host, conf->port,
	    n);
	for (unsigned i = 0; chain && i < n && r < 0; i++) {
		gnutls_datum_t text = {NULL, 0};
		uint8_t sum[CRYPTO_SHA256_LEN];

		crypto_sha256(chain[i].data, chain[i].size, sum);
		if (memcmp(sum, fp, sizeof(sum)) != 0)
			continue;
		if (gnutls_pem_base64_encode2("CERTIFICATE", &chain[i], &text) >= 0)
			r = take_text(&text, pem);
	}
	dial_close(d);
	return r;
}

int
dial_fingerprint(const char *pem, size_t n, uint8_t fp[CRYPTO_SHA256_LEN])
{
	const gnutls_datum_t text = {(unsigned char *)(uintptr_t)pem, (unsigned)n};
	gnutls_datum_t der = {NULL, 0};

	if (gnutls_pem_base64_decode2("CERTIFICATE", &text, &der) < 0)
		return ERR_FORMAT;
	crypto_sha256(der.data, der.size, fp);
	gnutls_free(der.data);
	return 0;
}

int
dial_validity(const char *pem, int64_t *from_s, int64_t *until_s)
{
	const gnutls_datum_t text = {
	    (unsigned char *)(uintptr_t)pem, (unsigned)strnlen(pem, 4 * (size_t)DIAL_PEM_MAX)};
	gnutls_x509_crt_t crt;
	time_t from = -1, until = -1;

	if (gnutls_x509_crt_init(&crt) < 0)
		return ERR_NOMEM;
	if (gnutls_x509_crt_import(crt, &text, GNUTLS_X509_FMT_PEM) == 0) {
		from = gnutls_x509_crt_get_activation_time(crt);
		until = gnutls_x509_crt_get_expiration_time(crt);
	}
	gnutls_x509_crt_deinit(crt);
	if (from < 0 || until < from)
		return ERR_FORMAT;
	*from_s = (int64_t)from;
	*until_s = (int64_t)until;
	return 0;
}
