/* SPDX-License-Identifier: Apache-2.0 */
/* proof.c - see proof.h. */
#include "alerts/proof.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/jw.h"

#define PROOF_TYP "interlock-proof"

void
proof_write(struct jw *w, const struct journal_batch *jb, uint64_t index, const struct key *key)
{
	uint8_t path[MERKLE_PATH_MAX][MERKLE_LEN];
	unsigned n = merkle_path(jb->leaf, jb->b->n, index, path);
	const char *line = jb->line[index];
	char hex[2 * MERKLE_LEN + 1], jwk[KEY_JWK_MAX];

	jw_obj(w, NULL);
	jw_u(w, "v", 1);
	jw_str(w, "typ", PROOF_TYP);
	jw_u(w, "seq", jb->b->first + index);
	jw_u(w, "index", index);
	jw_u(w, "n", jb->b->n);
	jw_strn(w, "line", line, (size_t)(jb->line[index + 1] - line) - 1);
	jw_arr(w, "path");
	for (unsigned i = 0; i < n; i++)
		jw_strn(w, NULL, crypto_hex(path[i], MERKLE_LEN, hex), 2 * (size_t)MERKLE_LEN);
	jw_close(w, ']');
	jw_strn(w, "jws", jb->jws, jb->jws_len);
	key_jwk(key, jwk);
	jw_key(w, "key");
	jw_raw(w, jwk, strlen(jwk));
	jw_close(w, '}');
}

static bool
unhex(const json_t *v, uint8_t out[MERKLE_LEN])
{
	const char *s = json_string_value(v);

	if (!s || json_string_length(v) != 2 * (size_t)MERKLE_LEN)
		return false;
	for (size_t i = 0; i < 2 * (size_t)MERKLE_LEN; i++) {
		const char *digits = "0123456789abcdef", *d = s[i] ? strchr(digits, s[i]) : NULL;

		if (!d)
			return false;
		out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | (d - digits) : (d - digits) << 4);
	}
	return true;
}

/* The key that the proof brings along. */
static bool
own_keys(const json_t *root, struct key_set *set)
{
	char why[128], *text = json_dumps(json_object_get(root, "key"), JSON_COMPACT);
	bool ok = text && key_set_parse(set, text, strlen(text), why, sizeof(why)) == 0;

	free(text);
	return ok;
}

static int
check(const json_t *root, const struct key_set *keys, struct proof_result *out, char *err,
    size_t err_size)
{
	const json_t *line = json_object_get(root, "line"), *path = json_object_get(root, "path");
	const json_t *jws = json_object_get(root, "jws");
	const char *typ = json_string_value(json_object_get(root, "typ"));
	uint8_t hash[MERKLE_PATH_MAX][MERKLE_LEN], leaf[MERKLE_LEN];
	json_int_t seq = 0, index = -1, n = 0, v = 0;
	static struct key_set own;
	size_t len = json_array_size(path);
	int r;

	if (json_unpack((json_t *)root, "{s:I,s:I,s:I,s:I}", "v", &v, "seq", &seq, "index", &index,
		"n", &n) != 0 ||
	    !typ || strcmp(typ, PROOF_TYP) != 0 || !json_is_string(line) || !json_is_string(jws) ||
	    !json_is_array(path) || len > MERKLE_PATH_MAX)
		return err_say(err, err_size, ERR_FORMAT, "not a proof");
	if (v != 1)
		return err_say(err, err_size, ERR_UNSUPPORTED, "a newer kind of proof");
	for (size_t i = 0; i < len; i++)
		if (!unhex(json_array_get(path, i), hash[i]))
			return err_say(
			    err, err_size, ERR_FORMAT, "path: not a SHA-256 in hexadecimal");
	out->own_key = !keys;
	if (!keys) {
		if (!own_keys(root, &own))
			return err_say(
			    err, err_size, ERR_FORMAT, "the key in it is no good: give one");
		keys = &own;
	}
	if ((r = batch_open(json_string_value(jws), json_string_length(jws), keys, &out->batch, err,
		 err_size)) < 0)
		return r == ERR_FORMAT ? ERR_CHAIN : r;
	if (index < 0 || n < 1 || (uint64_t)n != out->batch.n ||
	    (uint64_t)seq != out->batch.first + (uint64_t)index)
		return err_say(
		    err, err_size, ERR_CHAIN, "its numbers are not those of the signed batch");
	merkle_leaf(json_string_value(line), json_string_length(line), leaf);
	if (!merkle_check(leaf, (uint64_t)index, (uint64_t)n, (const uint8_t(*)[MERKLE_LEN])hash,
		(unsigned)len, out->batch.root))
		return err_say(
		    err, err_size, ERR_CHAIN, "line and path do not lead to the signed root");
	out->seq = (uint64_t)seq;
	return 0;
}

int
proof_check(const char *text, size_t len, const struct key_set *keys, struct proof_result *out,
    char *err, size_t err_size)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	int r;

	memset(out, 0, sizeof(*out));
	r = root && json_is_object(root) ? check(root, keys, out, err, err_size)
					 : err_say(err, err_size, ERR_FORMAT, "not a JSON object");
	json_decref(root);
	return r;
}
