/* SPDX-License-Identifier: Apache-2.0 */
/* key.c - see key.h.  [JWK] RFC 7517, [OKP] RFC 8037, [TP] RFC 7638. */
#include "base/key.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/minisign.h"

#define PATH_SIZE 4096

/* [TP] 3: the required members in lexical order, no white space. */
static void
set_kid(struct key *k)
{
	char x[CRYPTO_B64URL_CHARS(CRYPTO_PK_LEN) + 1], text[128];
	uint8_t hash[CRYPTO_SHA256_LEN];
	int n = snprintf(text, sizeof(text), "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"%s\"}",
	    crypto_b64url(k->pk, sizeof(k->pk), x));

	crypto_sha256(text, (size_t)n, hash);
	crypto_b64url(hash, sizeof(hash), k->kid);
}

void
key_from_public(struct key *k, const uint8_t pk[CRYPTO_PK_LEN])
{
	memset(k, 0, sizeof(*k));
	memcpy(k->pk, pk, sizeof(k->pk));
	set_kid(k);
}

void
key_from_seed(struct key *k, const uint8_t seed[CRYPTO_SEED_LEN])
{
	memset(k, 0, sizeof(*k));
	crypto_ed25519_pair(seed, k->pk, k->sk);
	k->has_secret = true;
	set_kid(k);
}

void
key_init(struct key *k)
{
	uint8_t seed[CRYPTO_SEED_LEN];

	crypto_random(seed, sizeof(seed));
	key_from_seed(k, seed);
	crypto_wipe(seed, sizeof(seed));
}

void
key_wipe(struct key *k)
{
	crypto_wipe(k, sizeof(*k));
}

/* The seed is the first half of sk; "d" of [OKP] 2 is the seed. */
static int
jwk_text(const struct key *k, bool secret, char *buf, size_t size)
{
	char x[CRYPTO_B64URL_CHARS(CRYPTO_PK_LEN) + 1];
	char d[CRYPTO_B64URL_CHARS(CRYPTO_SEED_LEN) + 1];
	int n;

	crypto_b64url(k->pk, sizeof(k->pk), x);
	crypto_b64url(k->sk, CRYPTO_SEED_LEN, d);
	n = snprintf(buf, size,
	    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"%s%s%s,\"use\":\"sig\",\"kid\":\"%"
	    "s\"}",
	    x, secret ? ",\"d\":\"" : "", secret ? d : "", secret ? "\"" : "", k->kid);
	crypto_wipe(d, sizeof(d));
	return n;
}

char *
key_jwk(const struct key *k, char *buf)
{
	jwk_text(k, false, buf, KEY_JWK_MAX);
	return buf;
}

char *
key_pem(const struct key *k, char *buf)
{
	/* SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING } */
	uint8_t der[12 + CRYPTO_PK_LEN] = {
	    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
	char b64[CRYPTO_B64_CHARS(sizeof(der)) + 1];

	memcpy(der + 12, k->pk, CRYPTO_PK_LEN);
	snprintf(buf, KEY_JWK_MAX, "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n",
	    crypto_b64(der, sizeof(der), b64));
	return buf;
}

/* --- writing ------------------------------------------------------------------ */

static int
write_new(const char *path, mode_t mode, const char *text, size_t n, char *err, size_t err_size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	int e;

	if (fd < 0) {
		e = errno;
		if (e == EEXIST)
			return err_say(err, err_size, ERR_EXISTS,
			    "%s: is there already; a key is never overwritten", path);
		return err_say(err, err_size, err_from_errno(e), "%s: %s", path, strerror(e));
	}
	if (fchmod(fd, mode) == 0 && write(fd, text, n) == (ssize_t)n && fsync(fd) == 0) {
		if (close(fd) == 0)
			return 0;
		fd = -1;
	}
	e = errno ? errno : ENOSPC; /* a short write sets none */
	if (fd >= 0)
		(void)close(fd);
	(void)unlink(path);
	return err_say(err, err_size, err_from_errno(e), "%s: %s", path, strerror(e));
}

int
key_save(const struct key *k, const char *path, char *err, size_t err_size)
{
	char text[KEY_JWK_MAX + 64], pub[PATH_SIZE];
	int n, r;

	if ((size_t)snprintf(pub, sizeof(pub), "%s.pub", path) >= sizeof(pub))
		return err_say(err, err_size, ERR_RANGE, "%.64s...: name is too long", path);
	errno = 0;
	n = jwk_text(k, false, text, sizeof(text) - 1);
	text[n++] = '\n';
	if ((r = write_new(pub, 0644, text, (size_t)n, err, err_size)) < 0)
		return r;
	n = jwk_text(k, true, text, sizeof(text) - 1);
	text[n++] = '\n';
	r = write_new(path, 0600, text, (size_t)n, err, err_size);
	crypto_wipe(text, sizeof(text));
	if (r < 0)
		(void)unlink(pub);
	return r;
}

/* --- reading ------------------------------------------------------------------ */

/* The whole file, NUL-terminated, to be wiped and freed. */
static int
read_file(const char *path, bool secret, char **text, size_t *len, char *err, size_t err_size)
{
	struct stat st;
	size_t n = 0;
	ssize_t got = 0;
	char *buf;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0) {
		int e = errno;

		if (fd >= 0)
			(void)close(fd);
		return err_say(err, err_size, err_from_errno(e), "%s: %s", path, strerror(e));
	}
	if (secret && S_ISREG(st.st_mode) && (st.st_mode & 077) != 0) {
		(void)close(fd);
		return err_say(err, err_size, ERR_PERM,
		    "%s: others may read this secret key (mode %04o): chmod 600 it", path,
		    (unsigned)(st.st_mode & 07777));
	}
	buf = malloc(KEY_FILE_MAX + 1);
	if (!buf) {
		(void)close(fd);
		return err_say(err, err_size, ERR_NOMEM, "%s: out of memory", path);
	}
	while (n <= KEY_FILE_MAX && (got = read(fd, buf + n, KEY_FILE_MAX + 1 - n)) > 0)
		n += (size_t)got;
	if (got < 0 || n > KEY_FILE_MAX) {
		int e = errno;

		(void)close(fd);
		crypto_wipe(buf, KEY_FILE_MAX + 1);
		free(buf);
		if (n > KEY_FILE_MAX)
			return err_say(err, err_size, ERR_FORMAT, "%s: is not a key file", path);
		return err_say(err, err_size, err_from_errno(e), "%s: %s", path, strerror(e));
	}
	(void)close(fd);
	buf[n] = '\0';
	*text = buf;
	*len = n;
	return 0;
}

/* Exactly 32 bytes of base64url. */
static bool
member32(const json_t *jwk, const char *name, uint8_t out[32])
{
	const json_t *v = json_object_get(jwk, name);
	size_t n = 0;

	return json_is_string(v) &&
	       crypto_b64url_decode(json_string_value(v), json_string_length(v), out, 32, &n) ==
		   0 &&
	       n == 32;
}

static int
parse_jwk(const json_t *jwk, bool secret, struct key *k, char *err, size_t err_size)
{
	const char *kty = json_string_value(json_object_get(jwk, "kty"));
	const char *crv = json_string_value(json_object_get(jwk, "crv"));
	const json_t *kid = json_object_get(jwk, "kid");
	uint8_t pk[32], seed[32];

	if (!kty || !crv || strcmp(kty, "OKP") != 0 || strcmp(crv, "Ed25519") != 0)
		return err_say(err, err_size, ERR_UNSUPPORTED, "not an Ed25519 key (JWK kty OKP)");
	if (!member32(jwk, "x", pk))
		return err_say(err, err_size, ERR_FORMAT, "member x is not 32 bytes of base64url");
	key_from_public(k, pk);
	if (kid && (!json_is_string(kid) || strcmp(json_string_value(kid), k->kid) != 0))
		return err_say(err, err_size, ERR_FORMAT, "kid is not the thumbprint of the key");
	if (!secret)
		return 0;
	if (!json_object_get(jwk, "d"))
		return err_say(err, err_size, ERR_FORMAT, "is a public key, the secret one is needed");
	if (!member32(jwk, "d", seed))
		return err_say(err, err_size, ERR_FORMAT, "member d is not 32 bytes of base64url");
	key_from_seed(k, seed);
	crypto_wipe(seed, sizeof(seed));
	if (memcmp(k->pk, pk, sizeof(pk)) != 0)
		return err_say(err, err_size, ERR_FORMAT, "public and secret half do not fit");
	return 0;
}

static json_t *
parse_json(const char *text, size_t len, char *err, size_t err_size)
{
	json_error_t je;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);

	if (!root || !json_is_object(root)) {
		(void)err_say(err, err_size, ERR_FORMAT, "not a JSON Web Key: %s",
		    root ? "no JSON object" : je.text);
		json_decref(root);
		return NULL;
	}
	return root;
}

int
key_set_add(struct key_set *set, const struct key *k)
{
	if (key_set_lookup(set, k->kid, strlen(k->kid)))
		return 0;
	if (set->n == KEY_SET_MAX)
		return ERR_FULL;
	set->key[set->n++] = *k;
	return 0;
}

int
key_set_parse(struct key_set *set, const char *text, size_t len, char *err, size_t err_size)
{
	json_t *root, *keys;
	struct key k;
	int r = 0;

	set->n = 0;
	if (minisign_key_parse(set, text, len) == 0)
		return 0;
	root = parse_json(text, len, err, err_size);
	if (!root)
		return ERR_FORMAT;
	keys = json_object_get(root, "keys");
	if (!keys) {
		if ((r = parse_jwk(root, false, &k, err, err_size)) == 0)
			(void)key_set_add(set, &k);
	} else if (json_array_size(keys) == 0) {
		r = err_say(err, err_size, ERR_FORMAT, "a set without keys");
	}
	for (size_t i = 0; i < json_array_size(keys) && r == 0; i++) {
		r = parse_jwk(json_array_get(keys, i), false, &k, err, err_size);
		if (r == 0 && key_set_add(set, &k) < 0)
			r = err_say(err, err_size, ERR_FULL, "more than %d keys", KEY_SET_MAX);
	}
	json_decref(root);
	return r;
}

int
key_set_load(struct key_set *set, const char *path, char *err, size_t err_size)
{
	char why[256], *text;
	size_t len;
	int r = read_file(path, false, &text, &len, err, err_size);

	if (r < 0)
		return r;
	r = key_set_parse(set, text, len, why, sizeof(why));
	crypto_wipe(text, len);
	free(text);
	return r < 0 ? err_say(err, err_size, r, "%s: %s", path, why) : 0;
}

int
key_load(struct key *k, const char *path, char *err, size_t err_size)
{
	char why[256], *text;
	json_t *root;
	size_t len;
	int r = read_file(path, true, &text, &len, err, err_size);

	if (r < 0)
		return r;
	root = parse_json(text, len, why, sizeof(why));
	r = root ? parse_jwk(root, true, k, why, sizeof(why)) : ERR_FORMAT;
	json_decref(root); /* jansson cannot wipe what it held of "d" */
	crypto_wipe(text, len);
	free(text);
	if (r < 0)
		key_wipe(k);
	return r < 0 ? err_say(err, err_size, r, "%s: %s", path, why) : 0;
}

const struct key *
key_set_lookup(const struct key_set *set, const char *kid, size_t n)
{
	for (unsigned i = 0; i < set->n; i++)
		if (n == KEY_ID_CHARS && memcmp(set->key[i].kid, kid, n) == 0)
			return &set->key[i];
	return NULL;
}
