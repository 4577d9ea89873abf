/* SPDX-License-Identifier: Apache-2.0 */
/* minisign.c - see minisign.h: four lines, two signatures. */
#include "base/minisign.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

#define KEYNUM 8
#define HASH   64 /* BLAKE2b-512 */

static const char untrusted[] = "untrusted comment: ", trusted[] = "trusted comment: ";

/* "ED" or "Ed", key number, and a key or a signature. */
struct blob {
	uint8_t alg[2], num[KEYNUM], body[CRYPTO_SIG_LEN];
};

static void
key_number(const struct key *k, uint8_t num[KEYNUM])
{
	uint8_t hash[32];

	crypto_blake2b(k->pk, sizeof(k->pk), hash, sizeof(hash));
	memcpy(num, hash, KEYNUM);
}

/* minisign prints the number as one little-endian word. */
static uint64_t
number_of(const uint8_t num[KEYNUM])
{
	uint64_t v = 0;

	for (unsigned i = KEYNUM; i-- > 0;)
		v = v << 8 | num[i];
	return v;
}

char *
minisign_public(const struct key *k, char buf[MINISIGN_MAX])
{
	struct blob b = {.alg = {'E', 'd'}};
	char text[CRYPTO_B64_CHARS(sizeof(b)) + 1];

	key_number(k, b.num);
	memcpy(b.body, k->pk, sizeof(k->pk));
	(void)snprintf(buf, MINISIGN_MAX, "%sminisign public key %016" PRIX64 "\n%s\n", untrusted,
	    number_of(b.num), crypto_b64(&b, 2 + KEYNUM + CRYPTO_PK_LEN, text));
	return buf;
}

/* What the second signature covers: the first, and the comment. */
static size_t
global_bytes(const uint8_t sig[CRYPTO_SIG_LEN], const char *comment, size_t n, uint8_t *out)
{
	memcpy(out, sig, CRYPTO_SIG_LEN);
	memcpy(out + CRYPTO_SIG_LEN, comment, n);
	return CRYPTO_SIG_LEN + n;
}

char *
minisign_sign(const struct key *k, const void *p, size_t n, uint64_t timestamp, const char *comment,
    char buf[MINISIGN_MAX])
{
	struct blob b = {.alg = {'E', 'D'}};
	uint8_t hash[HASH], all[CRYPTO_SIG_LEN + MINISIGN_COMMENT], global[CRYPTO_SIG_LEN];
	char first[CRYPTO_B64_CHARS(sizeof(b)) + 1], second[CRYPTO_B64_CHARS(sizeof(global)) + 1];
	char text[MINISIGN_COMMENT];
	size_t len = (size_t)snprintf(text, sizeof(text), "timestamp:%" PRIu64, timestamp);

	if (comment && *comment)
		text[len++] = '\t';
	for (const char *c = comment ? comment : ""; *c && len < sizeof(text) - 1; c++)
		if (*c == '\t' || (*c >= ' ' && *c <= '~'))
			text[len++] = *c;
	text[len] = '\0';
	key_number(k, b.num);
	crypto_blake2b(p, n, hash, sizeof(hash));
	crypto_ed25519_sign(hash, sizeof(hash), k->sk, b.body);
	crypto_ed25519_sign(all, global_bytes(b.body, text, len, all), k->sk, global);
	(void)snprintf(buf, MINISIGN_MAX,
	    "%ssignature of interlock key %016" PRIX64 "\n%s\n%s%s\n%s\n", untrusted,
	    number_of(b.num), crypto_b64(&b, sizeof(b), first), trusted, text,
	    crypto_b64(global, sizeof(global), second));
	return buf;
}

/* The next line without its end; false when there is none. */
static bool
next_line(const char **at, const char *end, const char **line, size_t *len)
{
	const char *nl;

	if (*at >= end || !(nl = memchr(*at, '\n', (size_t)(end - *at))))
		return false;
	*line = *at;
	*len = (size_t)(nl - *at);
	*at = nl + 1;
	if (*len > 0 && nl[-1] == '\r')
		(*len)--;
	return true;
}

static bool
begins(const char *line, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

int
minisign_key_parse(struct key_set *set, const char *text, size_t len)
{
	const char *at = text, *line;
	struct blob b;
	struct key k;
	size_t n, got = 0;

	if (!next_line(&at, text + len, &line, &n) || !begins(line, n, untrusted) ||
	    !next_line(&at, text + len, &line, &n) ||
	    crypto_b64_decode(line, n, &b, sizeof(b), &got) < 0 ||
	    got != 2 + KEYNUM + CRYPTO_PK_LEN || memcmp(b.alg, "Ed", 2) != 0)
		return ERR_FORMAT;
	key_from_public(&k, b.body);
	return key_set_add(set, &k);
}

/* Seconds of "timestamp:N" at the front of a comment. */
static uint64_t
timestamp_of(const char *comment)
{
	uint64_t v;

	return sscanf(comment, "timestamp:%" SCNu64, &v) == 1 ? v : 0;
}

int
minisign_verify(const struct key_set *keys, const void *p, size_t n, const char *text,
    size_t text_len, struct minisign *out, char *err, size_t err_size)
{
	uint8_t hash[HASH], all[CRYPTO_SIG_LEN + MINISIGN_COMMENT], global[CRYPTO_SIG_LEN];
	const char *at = text, *end = text + text_len, *line;
	struct minisign m = {0};
	size_t len, got = 0, comment;
	struct blob b;

	if (text_len > MINISIGN_MAX || !next_line(&at, end, &line, &len) ||
	    !begins(line, len, untrusted) || !next_line(&at, end, &line, &len) ||
	    crypto_b64_decode(line, len, &b, sizeof(b), &got) < 0 || got != sizeof(b) ||
	    !next_line(&at, end, &line, &len) || !begins(line, len, trusted) ||
	    (comment = len - strlen(trusted)) >= sizeof(m.comment))
		return err_say(err, err_size, ERR_FORMAT, "is not a minisign signature");
	memcpy(m.comment, line + strlen(trusted), comment);
	if (memchr(m.comment, 0, comment) || !next_line(&at, end, &line, &len) ||
	    crypto_b64_decode(line, len, global, sizeof(global), &got) < 0 || got != sizeof(global))
		return err_say(err, err_size, ERR_FORMAT, "is not a minisign signature");
	if (memcmp(b.alg, "ED", 2) != 0)
		return err_say(err, err_size, ERR_UNSUPPORTED,
		    "is not a prehashed minisign signature (algorithm ED)");
	crypto_blake2b(p, n, hash, sizeof(hash));
	for (unsigned i = 0; i < keys->n; i++) {
		const struct key *k = &keys->key[i];

		/* The number is only a hint, and another program may number otherwise. */
		if (crypto_ed25519_verify(hash, sizeof(hash), b.body, k->pk) < 0)
			continue;
		if (crypto_ed25519_verify(
			all, global_bytes(b.body, m.comment, comment, all), global, k->pk) < 0)
			return err_say(err, err_size, ERR_SIGNATURE,
			    "the trusted comment is not the one that was signed");
		m.key = k;
		m.timestamp = timestamp_of(m.comment);
		*out = m;
		return 0;
	}
	for (unsigned i = 0; i < keys->n; i++) {
		uint8_t num[KEYNUM];

		key_number(&keys->key[i], num);
		if (memcmp(num, b.num, KEYNUM) == 0)
			return err_say(err, err_size, ERR_SIGNATURE,
			    "was changed after key %s signed it", keys->key[i].kid);
	}
	return err_say(err, err_size, ERR_NOTFOUND,
	    "is not signed by one of these keys, or was changed (signed by key number %016" PRIX64
	    ")",
	    number_of(b.num));
}
