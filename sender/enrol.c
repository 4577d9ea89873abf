/* SPDX-License-Identifier: Apache-2.0 */
#include "sender/enrol.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alerts/jws.h"
#include "base/err.h"
#include "base/jw.h"
#include "base/key.h"
#include "sender/dial.h"
#include "sender/client.h"
#include "sender/identity.h"
#include "sender/out.h"
#include "sender/target.h"

#define TIMEOUT_MS 30000u
#define BODY_MAX   32768u

static const char *const files[] = {
    "transport.key", "transport.crt", "ca.crt", "receipt.jwks", "collector.json"};

/* --- files ------------------------------------------------------------------------- */

/* Never over one that is there. */
static int
spill(const struct enrol *e, int dirfd, const char *name, const char *text, mode_t mode, char *err,
    size_t err_size)
{
	size_t n = strlen(text);
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok = fd >= 0 && write(fd, text, n) == (ssize_t)n;

	/* Root's, and readable to the sender: who is taken over cannot put others in their place. */
	if (ok && geteuid() == 0)
		ok = fchown(fd, 0, e->gid) == 0;
	ok = ok && fchmod(fd, mode) == 0 && fsync(fd) == 0;
	if (!ok)
		(void)err_say(
		    err, err_size, 0, "%s/%s: %s", e->dir, name, strerror(errno ? errno : ENOSPC));
	if (fd >= 0)
		(void)close(fd);
	return ok ? 0 : ERR_IO;
}

static int
make_dir(const struct enrol *e, char *err, size_t err_size)
{
	int dirfd;

	if (mkdir(e->dir, 0750) != 0 && errno != EEXIST)
		return err_say(
		    err, err_size, err_from_errno(errno), "%s: %s", e->dir, strerror(errno));
	dirfd = open(e->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_say(
		    err, err_size, err_from_errno(errno), "%s: %s", e->dir, strerror(errno));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (faccessat(dirfd, files[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			(void)close(dirfd);
			return err_say(err, err_size, ERR_EXISTS,
			    "%s/%s: is there already: enrol into another directory", e->dir,
			    files[i]);
		}
	if (geteuid() == 0 && fchown(dirfd, 0, e->gid) != 0) {
		(void)err_say(err, err_size, 0, "%s: %s", e->dir, strerror(errno));
		(void)close(dirfd);
		return ERR_PERM;
	}
	return dirfd;
}

/* --- the collector's certificate ------------------------------------------------------ */

static bool
hex32(const char *text, uint8_t out[CRYPTO_SHA256_LEN])
{
	size_t n = 0;

	for (; *text; text++) {
		static const char digits[] = "0123456789abcdef";
		const char *at = memchr(digits, *text | 0x20, sizeof(digits) - 1);

		if (*text == ':')
			continue;
		if (!at || n == 2 * (size_t)CRYPTO_SHA256_LEN)
			return false;
		out[n / 2] = (uint8_t)(out[n / 2] << 4 | (at - digits));
		n++;
	}
	return n == 2 * CRYPTO_SHA256_LEN;
}

/* The certificate by which the collector is believed, as PEM: from a file, or what it shows when that has the fingerprint. */
static int
find_ca(const struct enrol *e, const struct send_target *t, char *pem, char *err, size_t err_size)
{
	const struct dial_conf dc = {
	    .host = t->host, .port = t->port, .tls = true, .timeout_ms = TIMEOUT_MS};
	uint8_t fp[CRYPTO_SHA256_LEN];
	FILE *fp_in;
	size_t n;

	if (!e->ca) {
		if (!hex32(e->fingerprint, fp))
			return err_say(err, err_size, ERR_SYNTAX,
			    "%s: a fingerprint is 64 hexadecimal digits", e->fingerprint);
		return dial_find_ca(&dc, fp, pem, err, err_size);
	}
	if (!(fp_in = fopen(e->ca, "re")))
		return err_say(
		    err, err_size, err_from_errno(errno), "%s: %s", e->ca, strerror(errno));
	n = fread(pem, 1, DIAL_PEM_MAX - 1, fp_in);
	(void)fclose(fp_in);
	pem[n] = '\0';
	return dial_fingerprint(pem, n, fp) < 0
		   ? err_say(err, err_size, ERR_FORMAT, "%s: is no certificate in PEM", e->ca)
		   : 0;
}

/* --- what is said ------------------------------------------------------------------------- */

/* The token, signed with the sensor's key: proof that we have it. */
static int
proof(const struct enrol *e, const struct key *k, char *jws, size_t size)
{
	char text[512];
	struct jw w = jw_make(text, sizeof(text));

	jw_obj(&w, NULL);
	jw_u(&w, "v", 1);
	jw_str(&w, "token", e->token);
	jw_str(&w, "name", e->name);
	jw_close(&w, '}');
	return !w.full && jws_sign(JWS_ALG, ENROL_TYP, text, jw_len(&w), k, jws, size) > 0
		   ? 0
		   : ERR_RANGE;
}

static int
request(const struct enrol *e, const struct key *k, const char *csr, char *body, size_t *n)
{
	char jws[2048], jwk[KEY_JWK_MAX];
	struct jw w = jw_make(body, BODY_MAX);

	if (proof(e, k, jws, sizeof(jws)) < 0)
		return ERR_RANGE;
	jw_obj(&w, NULL);
	jw_str(&w, "token", e->token);
	jw_str(&w, "name", e->name);
	jw_str(&w, "csr", csr);
	jw_obj(&w, "jwks");
	jw_arr(&w, "keys");
	jw_key(&w, NULL);
	(void)key_jwk(k, jwk);
	jw_raw(&w, jwk, strlen(jwk));
	jw_close(&w, ']');
	jw_close(&w, '}');
	jw_str(&w, "proof", jws);
	jw_close(&w, '}');
	*n = jw_len(&w);
	return w.full ? ERR_RANGE : 0;
}

/* What came back goes to files, the name of the sensor last: without it nothing is enrolled. */
static int
keep(struct enrol *e, int dirfd, const struct client_answer *a, const char *key, const char *ca,
    char *err, size_t err_size)
{
	json_t *o = json_loadb(a->body, a->len, JSON_REJECT_DUPLICATES, NULL);
	const char *crt = json_string_value(json_object_get(o, "certificate"));
	const char *state = json_string_value(json_object_get(o, "state"));
	char *jwks = json_dumps(json_object_get(o, "receipt_jwks"), JSON_COMPACT);
	struct key_set *set = calloc(1, sizeof(*set));
	uint8_t fp[CRYPTO_SHA256_LEN];
	char text[1024], why[200] = "there is none";
	struct jw w = jw_make(text, sizeof(text));
	int r = 0;

	if (!crt || dial_fingerprint(crt, strlen(crt), fp) < 0 ||
	    !jws_text(o, "sensor", e->sensor, sizeof(e->sensor)))
		r = err_say(err, err_size, ERR_FORMAT, "the answer has no certificate or no name");
	else if (!set || !jwks || key_set_parse(set, jwks, strlen(jwks), why, sizeof(why)) < 0)
		r = err_say(err, err_size, ERR_FORMAT, "the answer's receipt_jwks: %s", why);
	if (r == 0 && set) {
		(void)snprintf(e->kid, sizeof(e->kid), "%s", set->key[0].kid);
		(void)snprintf(e->state, sizeof(e->state), "%s", state ? state : "");
		jw_obj(&w, NULL);
		jw_u(&w, "v", 1);
		jw_str(&w, "url", e->url);
		jw_str(&w, "sensor", e->sensor);
		jw_close(&w, '}');
		jw_ch(&w, '\n');
		r = jw_end(&w) ? 0 : err_say(err, err_size, ERR_RANGE, "the address is too long");
	}
	if (r == 0 && (r = spill(e, dirfd, "transport.key", key, 0640, err, err_size)) == 0 &&
	    (r = spill(e, dirfd, "transport.crt", crt, 0644, err, err_size)) == 0 &&
	    (r = spill(e, dirfd, "ca.crt", ca, 0644, err, err_size)) == 0 &&
	    (r = spill(e, dirfd, "receipt.jwks", jwks, 0644, err, err_size)) == 0)
		r = spill(e, dirfd, "collector.json", text, 0644, err, err_size);
	if (r < 0 && r != ERR_FORMAT && r != ERR_RANGE)
		for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
			(void)unlinkat(dirfd, files[i], 0);
	free(set);
	free(jwks);
	json_decref(o);
	return r;
}

/* libcurl wants the CA as a file, before there is one. */
static int
ask(struct enrol *e, int dirfd, const char *body, size_t n, const char *key, const char *ca,
    char *err, size_t err_size)
{
	struct client_conf hc = {.base = e->url, .timeout_ms = TIMEOUT_MS};
	char path[IDENTITY_PATH_MAX], why[300];
	struct client *h = NULL;
	struct client_answer a;
	int r;

	if (snprintf(path, sizeof(path), "%s/ca.new", e->dir) >= (int)sizeof(path))
		return err_say(err, err_size, ERR_RANGE, "%.64s...: name is too long", e->dir);
	(void)unlinkat(dirfd, "ca.new", 0);
	if ((r = spill(e, dirfd, "ca.new", ca, 0644, err, err_size)) < 0)
		return r;
	hc.ca = path;
	if (client_init() < 0 || !(h = client_new(&hc)))
		r = err_say(err, err_size, ERR_NOMEM, "out of memory");
	else if ((r = client_request(h, "POST", "/ingest/v1/enrol", "application/json", NULL, body,
		      n, &a, why, sizeof(why))) < 0)
		(void)err_say(err, err_size, r, "%s: %s", e->url, why);
	else if (a.status / 100 != 2) {
		r = err_say(err, err_size, ERR_PERM, "the collector refuses: %ld%s", a.status,
		    client_complaint(&a, why, sizeof(why)));
	} else
		r = keep(e, dirfd, &a, key, ca, err, err_size);
	(void)unlinkat(dirfd, "ca.new", 0);
	client_free(h);
	return r;
}

int
enrol_run(struct enrol *e, char *err, size_t err_size)
{
	char key[DIAL_PEM_MAX], csr[DIAL_PEM_MAX], ca[DIAL_PEM_MAX], url[IDENTITY_URL_MAX];
	const struct send_out *out;
	struct send_target t;
	struct key k;
	char *body;
	size_t n;
	int r, dirfd;

	if ((r = target_parse(e->url, &t, &out, err, err_size)) < 0)
		return r;
	if (out != &send_out_https)
		return err_say(
		    err, err_size, ERR_SYNTAX, "%s: a collector is https://HOST:PORT", e->url);
	(void)snprintf(url, sizeof(url), "https://%s:%s", t.host, t.port);
	e->url = url;
	if ((r = key_load(&k, e->key, err, err_size)) < 0)
		return r;
	if ((dirfd = make_dir(e, err, err_size)) < 0) {
		key_wipe(&k);
		return dirfd;
	}
	body = malloc(BODY_MAX);
	if (!body)
		r = err_say(err, err_size, ERR_NOMEM, "out of memory");
	else if ((r = dial_request(e->name, key, csr, err, err_size)) == 0 &&
		 (r = find_ca(e, &t, ca, err, err_size)) == 0) {
		if ((r = request(e, &k, csr, body, &n)) < 0)
			(void)err_say(err, err_size, r, "the token or the name is too long");
		else
			r = ask(e, dirfd, body, n, key, ca, err, err_size);
	}
	key_wipe(&k);
	crypto_wipe(key, sizeof(key));
	free(body);
	(void)close(dirfd);
	e->url = NULL;
	return r;
}
