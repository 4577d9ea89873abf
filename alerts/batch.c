/* SPDX-License-Identifier: Apache-2.0 */
/* batch.c - see batch.h.  [JWT] RFC 7519. */
#include "alerts/batch.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "alerts/jws.h"
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
	if (b->clock != BATCH_CLOCK_UNSAID) {
		jw_obj(&w, "time");
		jw_bool(&w, "in_step", b->clock == BATCH_CLOCK_IN_STEP);
		jw_u(&w, "error_ms", b->clock_error_ms);
		jw_close(&w, '}');
	}
	jw_close(&w, '}');
	return jw_len(&w);
}

size_t
batch_sign(const struct batch *b, const struct key *k, char *jws)
{
	char text[2048]; /* iss of 255 bytes is at most 1530 escaped */

	return jws_sign(
	    JWS_ALG, BATCH_TYP, text, payload_write(b, text, sizeof(text)), k, jws, BATCH_JWS_MAX);
}

/* --- reading ------------------------------------------------------------------ */

static int
payload_read(const json_t *o, struct batch *b, char *err, size_t err_size)
{
	const json_t *v;
	uint64_t version;
	char clock[16];

	memset(b, 0, sizeof(*b));
	if (!jws_number(o, "v", &version))
		return err_say(err, err_size, ERR_FORMAT, "payload without version");
	if (version != BATCH_VERSION)
		return err_say(err, err_size, ERR_UNSUPPORTED,
		    "version %llu of the format; this program reads %d",
		    (unsigned long long)version, BATCH_VERSION);
	b->oldest = 1;
	if (!jws_text(o, "iss", b->iss, sizeof(b->iss)) || !jws_number(o, "epoch", &b->epoch) ||
	    !jws_number(o, "batch", &b->number) || !jws_number(o, "first", &b->first) ||
	    !jws_number(o, "last", &b->last) || !jws_number(o, "n", &b->n) ||
	    !jws_hash(o, "sha256", b->sha256) || !jws_hash(o, "root", b->root) ||
	    !jws_hash(o, "prev", b->prev) || !jws_time(o, "iat", &b->iat_ms) ||
	    (json_object_get(o, "lost") && !jws_number(o, "lost", &b->lost)) ||
	    (json_object_get(o, "oldest") && !jws_number(o, "oldest", &b->oldest)))
		return err_say(
		    err, err_size, ERR_FORMAT, "payload lacks a member or one is no good");
	if ((v = json_object_get(o, "final")) != NULL) {
		if (!json_is_boolean(v))
			return err_say(err, err_size, ERR_FORMAT, "final is not true or false");
		b->final = json_is_true(v);
	}
	if (json_object_get(o, "clock")) {
		if (!jws_text(o, "clock", clock, sizeof(clock)) || strcmp(clock, "capture") != 0)
			return err_say(err, err_size, ERR_UNSUPPORTED, "unknown clock");
		b->capture_clock = true;
	}
	if ((v = json_object_get(o, "time")) != NULL) {
		const json_t *kept = json_object_get(v, "in_step");
		uint64_t ms;

		if (!json_is_boolean(kept) || !jws_number(v, "error_ms", &ms) || ms > UINT32_MAX)
			return err_say(
			    err, err_size, ERR_FORMAT, "time does not say how its clock is kept");
		b->clock = json_is_true(kept) ? BATCH_CLOCK_IN_STEP : BATCH_CLOCK_FREE;
		b->clock_error_ms = (uint32_t)ms;
	}
	if (b->number == 0 || b->first == 0 || b->n > BATCH_LINES_MAX ||
	    b->last + 1 != b->first + b->n || b->oldest == 0 || b->oldest > b->number)
		return err_say(err, err_size, ERR_FORMAT, "payload contradicts itself");
	return 0;
}

int
batch_open(const char *jws, size_t n, const struct key_set *keys, struct batch *out, char *err,
    size_t err_size)
{
	const struct key *by;
	json_t *o;
	int r;

	if (n > BATCH_JWS_MAX)
		return err_say(err, err_size, ERR_FORMAT, "not a JWS in compact form");
	if ((r = jws_open(jws, n, BATCH_TYP, keys, &by, &o, err, err_size)) < 0)
		return r == ERR_NOTFOUND ? ERR_SIGNATURE : r;
	r = payload_read(o, out, err, err_size);
	json_decref(o);
	return r;
}

int
batch_peek(const char *jws, size_t n, struct batch *out)
{
	char why[128];
	json_t *o = n > BATCH_JWS_MAX ? NULL : jws_peek(jws, n);
	int r;

	if (!o)
		return ERR_FORMAT;
	r = payload_read(o, out, why, sizeof(why));
	json_decref(o);
	return r;
}
