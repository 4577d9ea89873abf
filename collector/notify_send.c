/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify_send.c - see notify.h: one message to one contact.
 *
 * Mail (RFC 5321) goes by TLS from the first byte or by STARTTLS; a webhook is HTTPS; both without only to this machine.
 * A webhook's body is signed: Interlock-Signature: t=SECONDS,v1=HEX of HMAC-SHA256(secret, SECONDS "." BODY).
 * Syslog is RFC 5424 by TCP with octet counting (RFC 6587 3.4.1), facility 16.
 */
#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/err.h"
#include "collector/notify.h"

#define MAIL_MAX	 16384u
#define ANSWER_MAX_BYTES 512u
#define LINE_B64	 57u /* bytes of a line of base64 (RFC 2045 6.8) */

struct text {
	char p[MAIL_MAX];
	size_t n, at;
};

static size_t
on_read(char *to, size_t size, size_t n, void *ctx)
{
	struct text *t = ctx;
	size_t k = t->n - t->at < size * n ? t->n - t->at : size * n;

	memcpy(to, t->p + t->at, k);
	t->at += k;
	return k;
}

static size_t
on_answer(char *from, size_t size, size_t n, void *ctx)
{
	struct text *t = ctx;
	size_t room = ANSWER_MAX_BYTES - t->n, k = size * n < room ? size * n : room;

	memcpy(t->p + t->n, from, k);
	t->n += k;
	return size * n;
}

/* To this machine itself nothing needs to be hidden. */
static bool
is_local(const char *url)
{
	const char *host = strstr(url, "://");

	return host &&
	       (strncmp(host, "://127.0.0.1:", 13) == 0 || strncmp(host, "://[::1]:", 9) == 0);
}

/* err: CURL_ERROR_SIZE bytes, for as long as it is used. */
static CURL *
curl_begin(const char *url, const char *protocols, const char *ca, char *err)
{
	CURL *h = curl_easy_init();

	*err = '\0';
	if (!h)
		return NULL;
	(void)curl_easy_setopt(h, CURLOPT_ERRORBUFFER, err);
	if (ca)
		(void)curl_easy_setopt(h, CURLOPT_CAINFO, ca);
	(void)curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(h, CURLOPT_URL, url);
	(void)curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, protocols);
	(void)curl_easy_setopt(h, CURLOPT_TIMEOUT, NOTIFY_SEND_S);
	(void)curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(h, CURLOPT_PROXY, "");
	return h;
}

/* Why not, in ASCII: what a server said may be in it. */
static int
curl_failed(CURLcode rc, char *said, char *err, size_t err_size)
{
	char *path = strstr(said, " CAfile:"); /* of this machine */

	if (path)
		*path = '\0';
	for (char *p = said; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
			*p = '?';
	return err_say(err, err_size, ERR_IO, "%.180s", *said ? said : curl_easy_strerror(rc));
}

/* --- mail --------------------------------------------------------------------------- */

static void
put(struct text *t, const char *fmt, const char *value)
{
	int n = snprintf(t->p + t->n, sizeof(t->p) - t->n, fmt, value);

	t->n += n > 0 && (size_t)n < sizeof(t->p) - t->n ? (size_t)n : 0;
}

static void
compose(struct text *t, const struct contact *c, const struct message *m)
{
	char body[4096], line[LINE_B64 * 2], number[160], date[64];
	time_t now = (time_t)(m->now_ms / 1000);
	struct tm tm;
	size_t n, at;

	(void)gmtime_r(&now, &tm);
	(void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000",
	    &tm); /* the C locale: RFC 5322 3.3 */
	put(t, "Date: %s\r\n", date);
	put(t, "From: <%s>\r\n", c->from);
	put(t, "To: <%s>\r\n", c->address + 5);
	snprintf(number, sizeof(number), "incident %lld, severity %lld%s", (long long)m->incident,
	    (long long)m->severity, m->level > 1 ? " (nobody has answered yet)" : "");
	put(t, "Subject: Interlock: %s\r\n", number);
	snprintf(number, sizeof(number), "<%lld.%lld.%lld@interlock>", (long long)m->incident,
	    (long long)m->level, (long long)m->now_ms);
	put(t, "Message-ID: %s\r\n", number);
	put(t, "%s",
	    "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
	    "charset=utf-8\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n");
	n = (size_t)snprintf(body, sizeof(body),
	    "%.1000s\r\n\r\nIncident %lld, severity %lld, level %lld.\r\nTake it up in the page of "
	    "the collector %s, or acknowledge it with\r\n"
	    "POST /api/v1/notifications/ack {\"token\": \"%s\"}\r\n",
	    m->title, (long long)m->incident, (long long)m->severity, (long long)m->level, m->host,
	    m->token);
	for (at = 0; at < n; at += LINE_B64)
		put(t, "%s\r\n",
		    crypto_b64(body + at, n - at < LINE_B64 ? n - at : LINE_B64, line));
}

static int
mail(const struct contact *c, const struct message *m, char *err, size_t err_size)
{
	struct text *t = calloc(1, sizeof(*t));
	char said[CURL_ERROR_SIZE];
	CURL *h = curl_begin(c->via, "smtp,smtps", m->ca, said);
	struct curl_slist *to = curl_slist_append(NULL, c->address + 5);
	char secret[NOTIFY_TEXT], *colon;
	CURLcode rc = CURLE_OUT_OF_MEMORY;

	if (t && h && to) {
		compose(t, c, m);
		snprintf(secret, sizeof(secret), "%s", c->secret);
		if ((colon = strchr(secret, ':'))) {
			*colon = '\0';
			(void)curl_easy_setopt(h, CURLOPT_USERNAME, secret);
			(void)curl_easy_setopt(h, CURLOPT_PASSWORD, colon + 1);
		}
		(void)curl_easy_setopt(
		    h, CURLOPT_USE_SSL, (long)(is_local(c->via) ? CURLUSESSL_TRY : CURLUSESSL_ALL));
		(void)curl_easy_setopt(h, CURLOPT_MAIL_FROM, c->from);
		(void)curl_easy_setopt(h, CURLOPT_MAIL_RCPT, to);
		(void)curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
		(void)curl_easy_setopt(h, CURLOPT_READFUNCTION, on_read);
		(void)curl_easy_setopt(h, CURLOPT_READDATA, t);
		rc = curl_easy_perform(h);
		crypto_wipe(secret, sizeof(secret));
	}
	curl_slist_free_all(to);
	curl_easy_cleanup(h);
	free(t);
	return rc == CURLE_OK ? 0 : curl_failed(rc, said, err, err_size);
}

/* --- webhook ------------------------------------------------------------------------------ */

static int
webhook(const struct contact *c, const struct message *m, char *err, size_t err_size)
{
	struct text *answer = calloc(1, sizeof(*answer));
	char said[CURL_ERROR_SIZE];
	CURL *h =
	    curl_begin(c->address, is_local(c->address) ? "http,https" : "https", m->ca, said);
	uint8_t mac[CRYPTO_SHA256_LEN];
	char head[160], hex[2 * CRYPTO_SHA256_LEN + 1], *signed_text = NULL;
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURLcode rc = CURLE_OUT_OF_MEMORY;
	long status = 0;
	int n, r;

	n = asprintf(&signed_text, "%lld.%s", (long long)(m->now_ms / 1000), m->body);
	if (answer && h && headers && n > 0) {
		crypto_hmac_sha256(c->secret, strlen(c->secret), signed_text, (size_t)n, mac);
		snprintf(head, sizeof(head), "Interlock-Signature: t=%lld,v1=%s",
		    (long long)(m->now_ms / 1000), crypto_hex(mac, sizeof(mac), hex));
		headers = curl_slist_append(headers, head);
		(void)curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
		(void)curl_easy_setopt(h, CURLOPT_POSTFIELDS, m->body);
		(void)curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_answer);
		(void)curl_easy_setopt(h, CURLOPT_WRITEDATA, answer);
		rc = curl_easy_perform(h);
		(void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	}
	if (rc != CURLE_OK)
		r = curl_failed(rc, said, err, err_size);
	else if (status < 200 || status > 299)
		r = err_say(err, err_size, ERR_IO, "HTTP status %ld", status);
	else
		r = strstr(answer->p, "\"ack\":true") || strstr(answer->p, "\"ack\": true") ? 1 : 0;
	curl_slist_free_all(headers);
	curl_easy_cleanup(h);
	free(signed_text);
	free(answer);
	return r;
}

/* --- syslog ---------------------------------------------------------------------------------- */

static int
connected(const char *host, const char *port)
{
	struct addrinfo *list = NULL, hints = {.ai_socktype = SOCK_STREAM};
	const struct timeval wait = {NOTIFY_SEND_S, 0};
	int fd = -1;

	if (getaddrinfo(host, port, &hints, &list) != 0)
		return -1;
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0 ||
				   connect(fd, a->ai_addr, a->ai_addrlen) != 0)) {
			(void)close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd;
}

static int
syslog_to(const struct contact *c, const struct message *m, char *err, size_t err_size)
{
	static const int levels[] = {0, 1, 4, 5}; /* RFC 5424 6.2.1: alert, warning, notice */
	char host[NOTIFY_TEXT], time[SHARE_TIME], line[2048], framed[2100], title[1024];
	const char *at = c->address + 9, *colon = strrchr(at, ':');
	int fd, n;
	ssize_t sent;

	snprintf(host, sizeof(host), "%.*s", (int)(colon - at), at);
	snprintf(title, sizeof(title), "%s", m->title);
	for (char *p = title; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	n = snprintf(line, sizeof(line),
	    "<%d>1 %s %s interlock - incident [incident@62443 id=\"%lld\" severity=\"%lld\" "
	    "level=\"%lld\"] %s",
	    16 * 8 + levels[m->severity >= 1 && m->severity <= 3 ? m->severity : 3],
	    share_time(m->now_ms, time), m->host, (long long)m->incident, (long long)m->severity,
	    (long long)m->level, title);
	n = snprintf(framed, sizeof(framed), "%d %s", n, line);
	if ((fd = connected(host, colon + 1)) < 0)
		return err_say(err, err_size, ERR_IO, "%s: cannot connect", c->address);
	sent = send(fd, framed, (size_t)n, MSG_NOSIGNAL);
	(void)close(fd);
	return sent == n ? 0 : err_say(err, err_size, ERR_IO, "%s: not sent", c->address);
}

int
notify_send(const struct contact *c, const struct message *m, char *err, size_t err_size)
{
	if (strncmp(c->address, "mail:", 5) == 0)
		return mail(c, m, err, err_size);
	if (strncmp(c->address, "syslog://", 9) == 0)
		return syslog_to(c, m, err, err_size);
	return webhook(c, m, err, err_size);
}
