/* SPDX-License-Identifier: Apache-2.0 */
/* receipt.c - see receipt.h. */
#include "alerts/receipt.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "alerts/jws.h"
#include "base/err.h"
#include "base/jw.h"

size_t
receipt_sign(const struct receipt *r, const struct key *k, char *jws)
{
	char text[RECEIPT_JWS_MAX], hex[2 * CRYPTO_SHA256_LEN + 1];
	struct jw w = jw_make(text, sizeof(text));

	jw_obj(&w, NULL);
	jw_u(&w, "v", RECEIPT_VERSION);
	jw_str(&w, "iss", r->iss);
	jw_str(&w, "sub", r->sub);
	jw_u(&w, "epoch", r->epoch);
	jw_u(&w, "batch", r->batch);
	jw_str(&w, "prev", crypto_hex(r->hash, sizeof(r->hash), hex));
	jw_u(&w, "iat", r->iat_ms / 1000);
	jw_ch(&w, '.');
	for (uint64_t part = 100; part > 0; part /= 10)
		jw_ch(&w, (char)('0' + r->iat_ms / part % 10));
	jw_close(&w, '}');
	return w.full ? 0
		      : jws_sign(JWS_ALG, RECEIPT_TYP, text, jw_len(&w), k, jws, RECEIPT_JWS_MAX);
}

static int
payload_read(const json_t *o, struct receipt *out, char *err, size_t err_size)
{
	uint64_t version;

	memset(out, 0, sizeof(*out));
	if (!jws_number(o, "v", &version))
		return err_say(err, err_size, ERR_FORMAT, "receipt without version");
	if (version != RECEIPT_VERSION)
		return err_say(err, err_size, ERR_UNSUPPORTED,
		    "version %llu of a receipt; this program reads %d", (unsigned long long)version,
		    RECEIPT_VERSION);
	if (!jws_text(o, "iss", out->iss, sizeof(out->iss)) ||
	    !jws_text(o, "sub", out->sub, sizeof(out->sub)) ||
	    !jws_number(o, "epoch", &out->epoch) || !jws_number(o, "batch", &out->batch) ||
	    !jws_hash(o, "prev", out->hash) || !jws_time(o, "iat", &out->iat_ms) || out->batch == 0)
		return err_say(
		    err, err_size, ERR_FORMAT, "receipt lacks a member or one is no good");
	return 0;
}

int
receipt_open(const char *jws, size_t n, const struct key_set *keys, struct receipt *out, char *err,
    size_t err_size)
{
	const struct key *by;
	json_t *o;
	int r;

	if (n > RECEIPT_JWS_MAX)
		return err_say(err, err_size, ERR_FORMAT, "not a JWS in compact form");
	if ((r = jws_open(jws, n, RECEIPT_TYP, keys, &by, &o, err, err_size)) < 0)
		return r == ERR_NOTFOUND ? ERR_SIGNATURE : r;
	r = payload_read(o, out, err, err_size);
	json_decref(o);
	return r;
}

int
receipt_read(
    const char *path, const struct key_set *keys, struct receipt *out, char *err, size_t err_size)
{
	char text[RECEIPT_JWS_MAX + 2];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	int e = errno;

	if (fd >= 0)
		(void)close(fd);
	if (n < 0)
		return err_say(err, err_size, err_from_errno(e), "%s", strerror(e));
	if (n > 0 && text[n - 1] == '\n')
		n--;
	return receipt_open(text, (size_t)n, keys, out, err, err_size);
}
