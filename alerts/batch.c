/* SPDX-License-Identifier: Apache-2.0 */
/* batch.c - see batch.h.  [JWS] RFC 7515, [EdDSA] RFC 8037 and RFC 9864, [JWT] RFC 7519. */
#include "alerts/batch.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/jw.h"

/* --- signing ------------------------------------------------------------------ */

static void
hex_member(struct jw *w, const char *key, const uint8_t hash[CRYPTO_SHA256_LEN])
{
	char hex[2 * CRYPTO_SHA256_LEN + 1];

	jw_strn(w, key, crypto_hex(hash, CRYPTO_SHA256_LEN, hex), 2 * CRYPTO_SHA256_LEN);
}

static size_t
payload_write(const struct batch *b, char *buf, size_t size)
{
	struct jw w = jw_make(buf, size);

	jw_obj(&w, NULL);
	jw_u(&w, "v", BATCH_VERSION);
	jw_str(&w, "iss", b->iss);
	jw_u(&w, "epoch", b->epoch);
	jw_u(&w, "batch", b->number);
	jw_u(&w, "first", b->first);
	jw_u(&w, "last", b->last);
	jw_u(&w, "n", b->n);
	hex_member(&w, "sha256", b->sha256);
	hex_member(&w, "root", b->root);
	hex_member(&w, "prev", b->prev);
	jw_u(&w, "iat", b->iat_ms / 1000); /* a NumericDate may have a fraction, [JWT] 2 */
	jw_ch(&w, '.');
	jw_ch(&w, (char)('0' + b->iat_ms / 100 % 10));
	jw_ch(&w, (char)('0' + b->iat_ms / 10 % 10));
	jw_ch(&w, (char)('0' + b->iat_ms % 10));
	if (b->capture_clock)
		jw_str(&w, "clock", "capture");
	if (b->final)
		jw_bool(&w, "final", true);
	if (b->lost)
		jw_u(&w, "lost", b->lost);
	if (b->oldest > 1)
		jw_u(&w, "oldest", b->oldest);
	jw_close(&w, '}');
	return jw_len(&w);
}

size_t
batch_sign(const struct batch *b, const struct key *k, char *jws)
{
	char text[2048], *p = jws;
	uint8_t sig[CRYPTO_SIG_LEN];
	size_t n;

	n = (size_t)snprintf(text, sizeof(text),
	    "{\"alg\":\"Ed25519\",\"typ\":\"" BATCH_TYP "\",\"kid\":\"%s\"}", k->kid);
	p += strlen(crypto_b64url(text, n, p));
	*p++ = '.';
	n = payload_write(b, text, sizeof(text)); /* iss of 255 bytes is at most 1530 escaped */
	p += strlen(crypto_b64url(text, n, p));
	crypto_ed25519_sign(jws, (size_t)(p - jws), k->sk, sig);
	*p++ = '.';
	p += strlen(crypto_b64url(sig, sizeof(sig), p));
	return (size_t)(p - jws);
}

/* --- reading ------------------------------------------------------------------ */

static json_t *
decode_json(const char *s, size_t n)
{
	char text[BATCH_JWS_MAX];
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

/* A whole number in 0..2^53, which every JSON reader keeps exactly. */
static bool
number(const json_t *o, const char *name, uint64_t *out)
{
	const json_t *v = json_object_get(o, name);

	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    json_integer_value(v) > (INT64_C(1) << 53))
		return false;
	*out = (uint64_t)json_integer_value(v);
	return true;
}

static bool
hash(const json_t *o, const char *name, uint8_t out[CRYPTO_SHA256_LEN])
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

static bool
text(const json_t *o, const char *name, char *out, size_t size)
{
	const json_t *v = json_object_get(o, name);

	if (!json_is_string(v) || json_string_length(v) >= size ||
	    strlen(json_string_value(v)) != json_string_length(v))
		return false;
	memcpy(out, json_string_value(v), json_string_length(v) + 1);
	return true;
}

static int
payload_read(const json_t *o, struct batch *b, char *err, size_t err_size)
{
	const json_t *iat = json_object_get(o, "iat"), *v;
	uint64_t version;
	char clock[16];

	memset(b, 0, sizeof(*b));
	if (!number(o, "v", &version))
		return err_say(err, err_size, ERR_FORMAT, "payload without version");
	if (version != BATCH_VERSION)
		return err_say(err, err_size, ERR_UNSUPPORTED,
		    "version %llu of the format; this program reads %d",
		    (unsigned long long)version, BATCH_VERSION);
	b->oldest = 1;
	if (!text(o, "iss", b->iss, sizeof(b->iss)) || !number(o, "epoch", &b->epoch) ||
	    !number(o, "batch", &b->number) || !number(o, "first", &b->first) ||
	    !number(o, "last", &b->last) || !number(o, "n", &b->n) ||
	    !hash(o, "sha256", b->sha256) || !hash(o, "root", b->root) ||
	    !hash(o, "prev", b->prev) || !json_is_number(iat) ||
	    !(json_number_value(iat) >= 0 && json_number_value(iat) < 1e11) ||
	    (json_object_get(o, "lost") && !number(o, "lost", &b->lost)) ||
	    (json_object_get(o, "oldest") && !number(o, "oldest", &b->oldest)))
		return err_say(err, err_size, ERR_FORMAT, "payload lacks a member or one is no good");
	b->iat_ms = (uint64_t)(json_number_value(iat) * 1000 + 0.5);
	if ((v = json_object_get(o, "final")) != NULL) {
		if (!json_is_boolean(v))
			return err_say(err, err_size, ERR_FORMAT, "final is not true or false");
		b->final = json_is_true(v);
	}
	if (json_object_get(o, "clock")) {
		if (!text(o, "clock", clock, sizeof(clock)) || strcmp(clock, "capture") != 0)
			return err_say(err, err_size, ERR_UNSUPPORTED, "unknown clock");
		b->capture_clock = true;
	}
	if (b->number == 0 || b->first == 0 || b->n > BATCH_LINES_MAX ||
	    b->last + 1 != b->first + b->n || b->oldest == 0 || b->oldest > b->number)
		return err_say(err, err_size, ERR_FORMAT, "payload contradicts itself");
	return 0;
}

struct parts {
	const char *header, *payload, *sig;
	size_t header_len, payload_len, sig_len;
};

/* [JWS] 7.1: three parts, two dots. */
static bool
split(const char *jws, size_t n, struct parts *p)
{
	const char *a, *b, *end = jws + n;

	if (n == 0 || n > BATCH_JWS_MAX || !(a = memchr(jws, '.', n)) ||
	    !(b = memchr(a + 1, '.', (size_t)(end - a - 1))))
		return false;
	*p = (struct parts){
	    jws, a + 1, b + 1, (size_t)(a - jws), (size_t)(b - a - 1), (size_t)(end - b - 1)};
	return true;
}

/* The key that the header names, when the header is ours in every member. */
static const struct key *
header_key(const json_t *o, const struct key_set *keys, char *err, size_t err_size)
{
	const char *alg = json_string_value(json_object_get(o, "alg"));
	const char *typ = json_string_value(json_object_get(o, "typ"));
	const json_t *kid = json_object_get(o, "kid");
	const struct key *k = NULL;

	if (!alg || (strcmp(alg, "Ed25519") != 0 && strcmp(alg, "EdDSA") != 0))
		(void)err_say(err, err_size, 0, "header: alg is not Ed25519");
	else if (!typ || strcmp(typ, BATCH_TYP) != 0)
		(void)err_say(err, err_size, 0, "header: typ is not " BATCH_TYP);
	else if (json_object_get(o, "crit")) /* [JWS] 4.1.11 */
		(void)err_say(err, err_size, 0, "header: critical extensions are not known here");
	else if (!json_is_string(kid))
		(void)err_say(err, err_size, 0, "header: kid is missing");
	else if (!(k = key_set_lookup(keys, json_string_value(kid), json_string_length(kid))))
		(void)err_say(err, err_size, 0, "signed by key %.43s, which was not given",
		    json_string_value(kid));
	return k;
}

int
batch_open(const char *jws, size_t n, const struct key_set *keys, struct batch *out, char *err,
    size_t err_size)
{
	uint8_t sig[CRYPTO_SIG_LEN];
	const struct key *k;
	struct parts p;
	json_t *o;
	size_t len;
	int r;

	if (!split(jws, n, &p))
		return err_say(err, err_size, ERR_FORMAT, "not a JWS in compact form");
	if (!(o = decode_json(p.header, p.header_len)))
		return err_say(err, err_size, ERR_FORMAT, "JWS header is not readable");
	k = header_key(o, keys, err, err_size);
	json_decref(o);
	if (!k)
		return ERR_SIGNATURE;
	if (crypto_b64url_decode(p.sig, p.sig_len, sig, sizeof(sig), &len) < 0 ||
	    len != sizeof(sig) ||
	    crypto_ed25519_verify(jws, p.header_len + 1 + p.payload_len, sig, k->pk) < 0)
		return err_say(err, err_size, ERR_SIGNATURE, "signature does not verify");
	if (!(o = decode_json(p.payload, p.payload_len)))
		return err_say(err, err_size, ERR_FORMAT, "payload is not readable");
	r = payload_read(o, out, err, err_size);
	json_decref(o);
	return r;
}

int
batch_peek(const char *jws, size_t n, struct batch *out)
{
	char why[128];
	struct parts p;
	json_t *o;
	int r;

	if (!split(jws, n, &p) || !(o = decode_json(p.payload, p.payload_len)))
		return ERR_FORMAT;
	r = payload_read(o, out, why, sizeof(why));
	json_decref(o);
	return r;
}
