/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - see client.h. */
#include "sender/client.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define STALL_S 20L /* less than a byte a second for so long */

struct client {
	struct client_conf conf;
	CURL *curl;
	char why[CURL_ERROR_SIZE];
	char *body; /* answer_max + 1 bytes */
	size_t len;
	bool too_long;
};

int
client_init(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : ERR_NOMEM;
}

/* --- callbacks -------------------------------------------------------------------- */

static size_t
on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct client *h = ctx;

	n *= size;
	if (n > h->conf.answer_max - h->len) {
		h->too_long = true;
		return 0;
	}
	memcpy(h->body + h->len, p, n);
	h->len += n;
	return n;
}

static int
on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct client *h = ctx;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return h->conf.hurry && h->conf.hurry(h->conf.ctx);
}

/* --- life ------------------------------------------------------------------------- */

static bool
set_up(struct client *h)
{
	CURL *c = h->curl;
	const struct client_conf *k = &h->conf;
	bool ok = true;

	curl_easy_reset(c);
#define SET(option, value) ok = ok && curl_easy_setopt(c, option, value) == CURLE_OK
	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_CAINFO, k->ca);
	SET(CURLOPT_CAPATH, NULL); /* else what the system believes is believed too */
	if (k->cert) {
		SET(CURLOPT_SSLCERT, k->cert);
		SET(CURLOPT_SSLKEY, k->key);
	}
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(k->timeout_ms / 3));
	SET(CURLOPT_TIMEOUT_MS, (long)k->timeout_ms);
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, STALL_S);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_ERRORBUFFER, h->why);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, h);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, h);
#undef SET
	return ok;
}

struct client *
client_new(const struct client_conf *conf)
{
	struct client *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->conf = *conf;
	if (h->conf.answer_max == 0)
		h->conf.answer_max = CLIENT_ANSWER_MAX;
	h->body = malloc(h->conf.answer_max + 1);
	h->curl = curl_easy_init();
	if (!h->body || !h->curl) {
		client_free(h);
		return NULL;
	}
	return h;
}

void
client_free(struct client *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	free(h->body);
	free(h);
}

void
client_forget(struct client *h)
{
	CURL *fresh = curl_easy_init();

	if (!fresh)
		return;
	curl_easy_cleanup(h->curl);
	h->curl = fresh;
}

/* --- a request -------------------------------------------------------------------- */

static int
failed(struct client *h, CURLcode code, char *err, size_t err_size)
{
	if (h->too_long)
		return err_say(err, err_size, ERR_FORMAT, "the answer is longer than %zu bytes",
		    h->conf.answer_max);
	return err_say(err, err_size, code == CURLE_OUT_OF_MEMORY ? ERR_NOMEM : ERR_IO, "%s",
	    h->why[0] ? h->why : curl_easy_strerror(code));
}

static bool
add_lines(struct curl_slist **headers, const char *lines)
{
	char line[CLIENT_HEADER_MAX];

	while (lines && *lines) {
		size_t n = strcspn(lines, "\n");
		struct curl_slist *more;

		if (n >= sizeof(line))
			return false;
		memcpy(line, lines, n);
		line[n] = '\0';
		if (!(more = curl_slist_append(*headers, line)))
			return false;
		*headers = more;
		lines += n + (lines[n] == '\n');
	}
	return true;
}

int
client_request(struct client *h, const char *method, const char *path, const char *type,
    const char *extra, const void *body, size_t n, struct client_answer *out, char *err,
    size_t err_size)
{
	char url[640], header[160];
	struct curl_slist *headers = NULL, *more = NULL;
	curl_off_t wait = 0;
	CURLcode code;
	bool ok;

	h->len = 0;
	h->too_long = false;
	h->why[0] = '\0';
	snprintf(header, sizeof(header), "Content-Type: %s", type ? type : "application/json");
	if (snprintf(url, sizeof(url), "%s%s", h->conf.base, path) >= (int)sizeof(url))
		return err_say(err, err_size, ERR_RANGE, "the address is too long");
	ok = set_up(h) && curl_easy_setopt(h->curl, CURLOPT_URL, url) == CURLE_OK &&
	     curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK &&
	     (headers = curl_slist_append(NULL, header)) != NULL &&
	     (more = curl_slist_append(headers, "Expect:")) != NULL;
	if (more) /* no waiting for "100 Continue" */
		headers = more;
	ok = ok && add_lines(&headers, extra);
	if (ok && body)
		ok = curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n) ==
			 CURLE_OK &&
		     curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, body) == CURLE_OK;
	ok = ok && curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
	code = ok ? curl_easy_perform(h->curl) : CURLE_OUT_OF_MEMORY;
	curl_slist_free_all(headers);
	if (code != CURLE_OK)
		return failed(h, code, err, err_size);
	h->body[h->len] = '\0';
	out->body = h->body;
	out->len = h->len;
	(void)curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &out->status);
	(void)curl_easy_getinfo(h->curl, CURLINFO_RETRY_AFTER, &wait);
	out->wait_s = wait > 0 ? (uint64_t)wait : 0;
	return 0;
}

const char *
client_complaint(const struct client_answer *a, char *buf, size_t size)
{
	json_t *o = json_loadb(a->body, a->len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *e = json_object_get(o, "error");
	const char *text = json_string_value(json_object_get(e, "message"));

	(void)snprintf(buf, size, "%s%s", text ? ": " : "", text ? text : "");
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	json_decref(o);
	return buf;
}
