/* SPDX-License-Identifier: Apache-2.0 */
/* jws.c - see jws.h.  [JWS] RFC 7515, [EdDSA] RFC 8037 and RFC 9864. */
#include "alerts/jws.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

/* --- signing ------------------------------------------------------------------ */

size_t
jws_sign(const char *alg, const char *typ, const void *payload, size_t n, const struct key *k,
    char *out, size_t size)
{
	char head[256], *p = out;
	uint8_t sig[CRYPTO_SIG_LEN];
	int h = snprintf(
	    head, sizeof(head), "{\"alg\":\"%s\",\"typ\":\"%s\",\"kid\":\"%s\"}", alg, typ, k->kid);

	if (h < 0 || (size_t)h >= sizeof(head) || n > JWS_MAX ||
	    CRYPTO_B64URL_CHARS((size_t)h) + CRYPTO_B64URL_CHARS(n) +
		    CRYPTO_B64URL_CHARS(sizeof(sig)) + 3 >
		size)
		return 0;
	p += strlen(crypto_b64url(head, (size_t)h, p));
	*p++ = '.';
	p += strlen(crypto_b64url(payload, n, p));
	crypto_ed25519_sign(out, (size_t)(p - out), k->sk, sig);
	*p++ = '.';
	p += strlen(crypto_b64url(sig, sizeof(sig), p));
	return (size_t)(p - out);
}

/* --- reading ------------------------------------------------------------------ */

struct parts {
	const char *header, *payload, *sig;
	size_t header_len, payload_len, sig_len;
};

/* [JWS] 7.1: three parts, two dots. */
static bool
split(const char *jws, size_t n, struct parts *p)
{
	const char *a, *b, *end = jws + n;

	if (n == 0 || n > JWS_MAX || !(a = memchr(jws, '.', n)) ||
	    !(b = memchr(a + 1, '.', (size_t)(end - a - 1))))
		return false;
	*p = (struct parts){
	    jws, a + 1, b + 1, (size_t)(a - jws), (size_t)(b - a - 1), (size_t)(end - b - 1)};
	return true;
}

static json_t *
decode_json(const char *s, size_t n)
{
	char text[JWS_MAX];
	json_t *root;
	size_t len;

	if (crypto_b64url_decode(s, n, text, sizeof(text), &len) < 0)
		return NULL;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (root && !json_is_object(root)) {
		json_decref(root);
		return NULL;
	}
	return root;
}

/* Nobody has vouched for the name of a key that is not known: a terminal sees it only when it is one. */
static bool
a_thumbprint(const char *kid)
{
	return strlen(kid) == KEY_ID_CHARS &&
	       strspn(kid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
		   KEY_ID_CHARS;
}

/* The key that the header names, when the header is ours in every member.  0 or ERR_*. */
static int
header_key(const json_t *o, const char *want, const struct key_set *keys, const struct key **by,
    char *err, size_t err_size)
{
	const char *alg = json_string_value(json_object_get(o, "alg"));
	const char *typ = json_string_value(json_object_get(o, "typ"));
	const json_t *kid = json_object_get(o, "kid");

	*by = NULL;
	if (!alg || (strcmp(alg, JWS_ALG) != 0 && strcmp(alg, JWS_ALG_OLD) != 0))
		return err_say(err, err_size, ERR_SIGNATURE, "header: alg is not " JWS_ALG);
	if (!typ || strcmp(typ, want) != 0)
		return err_say(err, err_size, ERR_SIGNATURE, "header: typ is not %s", want);
	if (json_object_get(o, "crit")) /* [JWS] 4.1.11 */
		return err_say(
		    err, err_size, ERR_SIGNATURE, "header: critical extensions are not known here");
	if (!json_is_string(kid))
		return err_say(err, err_size, ERR_SIGNATURE, "header: kid is missing");
	if (!(*by = key_set_lookup(keys, json_string_value(kid), json_string_length(kid))))
		return err_say(err, err_size, ERR_NOTFOUND, "signed by key %s, which was not given",
		    a_thumbprint(json_string_value(kid)) ? json_string_value(kid) : "(odd id)");
	return 0;
}

int
jws_open(const char *jws, size_t n, const char *typ, const struct key_set *keys,
    const struct key **by, json_t **payload, char *err, size_t err_size)
{
	uint8_t sig[CRYPTO_SIG_LEN];
	struct parts p;
	json_t *o;
	size_t len;
	int r;

	if (!split(jws, n, &p))
		return err_say(err, err_size, ERR_FORMAT, "not a JWS in compact form");
	if (!(o = decode_json(p.header, p.header_len)))
		return err_say(err, err_size, ERR_FORMAT, "JWS header is not readable");
	r = header_key(o, typ, keys, by, err, err_size);
	json_decref(o);
	if (r < 0)
		return r;
	if (crypto_b64url_decode(p.sig, p.sig_len, sig, sizeof(sig), &len) < 0 ||
	    len != sizeof(sig) ||
	    crypto_ed25519_verify(jws, p.header_len + 1 + p.payload_len, sig, (*by)->pk) < 0)
		return err_say(err, err_size, ERR_SIGNATURE, "signature does not verify");
	if (!(*payload = decode_json(p.payload, p.payload_len)))
		return err_say(err, err_size, ERR_FORMAT, "payload is not readable");
	return 0;
}

json_t *
jws_peek(const char *jws, size_t n)
{
	struct parts p;

	return split(jws, n, &p) ? decode_json(p.payload, p.payload_len) : NULL;
}

/* --- members ------------------------------------------------------------------ */

bool
jws_number(const json_t *o, const char *name, uint64_t *out)
{
	const json_t *v = json_object_get(o, name);

	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    json_integer_value(v) > (INT64_C(1) << 53))
		return false;
	*out = (uint64_t)json_integer_value(v);
	return true;
}

bool
jws_hash(const json_t *o, const char *name, uint8_t out[CRYPTO_SHA256_LEN])
{
	const json_t *v = json_object_get(o, name);
	const char *s = json_string_value(v);

	if (!s || json_string_length(v) != 2 * CRYPTO_SHA256_LEN)
		return false;
	for (size_t i = 0; i < 2 * CRYPTO_SHA256_LEN; i++) {
		int d = s[i] >= '0' && s[i] <= '9'   ? s[i] - '0'
			: s[i] >= 'a' && s[i] <= 'f' ? s[i] - 'a' + 10
						     : -1;

		if (d < 0)
			return false;
		out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | d : d << 4);
	}
	return true;
}

bool
jws_text(const json_t *o, const char *name, char *out, size_t size)
{
	const json_t *v = json_object_get(o, name);

	if (!json_is_string(v) || json_string_length(v) >= size ||
	    strlen(json_string_value(v)) != json_string_length(v))
		return false;
	memcpy(out, json_string_value(v), json_string_length(v) + 1);
	return true;
}

bool
jws_time(const json_t *o, const char *name, uint64_t *ms)
{
	const json_t *v = json_object_get(o, name);

	if (!json_is_number(v) || !(json_number_value(v) >= 0 && json_number_value(v) < 1e11))
		return false;
	*ms = (uint64_t)(json_number_value(v) * 1000 + 0.5);
	return true;
}
