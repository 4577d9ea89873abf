/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_journal.c - everything that reads journals, proofs and keys.
 *
 * First byte of the input:
 *   0  a segment: u16 length of .jws, then .jws, then .eve
 *   1  a payload (to its first newline), signed here with a known key, and
 *      lines behind it: gets past the signature to what it guards
 *   2  a proof      3  a key file      4  a payload, signed, in a proof
 *
 * Checked beside memory: a segment that is called whole has as many lines as
 * its batches state, and what is signed here reads back.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/journal.h"
#include "alerts/proof.h"
#include "base/cur.h"
#include "base/err.h"

static struct key key;
static struct key_set keys;

static size_t
sign(const char *payload, size_t n, char *jws)
{
	uint8_t sig[CRYPTO_SIG_LEN];
	char header[160];
	size_t len = (size_t)snprintf(header, sizeof(header),
	    "{\"alg\":\"Ed25519\",\"typ\":\"" BATCH_TYP "\",\"kid\":\"%s\"}", key.kid);

	crypto_b64url(header, len, jws);
	len = strlen(jws);
	jws[len++] = '.';
	crypto_b64url(payload, n, jws + len);
	len += strlen(jws + len);
	crypto_ed25519_sign(jws, len, key.sk, sig);
	jws[len++] = '.';
	crypto_b64url(sig, sizeof(sig), jws + len);
	return len + strlen(jws + len);
}

static void
segment(const char *jws, size_t jws_len, const char *eve, size_t eve_len)
{
	struct journal_reader reader = {.keys = &keys};

	for (unsigned last = 0; last < 2; last++) {
		struct journal_report rep = {0};
		struct journal_chain c = {.r = &reader, .rep = &rep, .middle_ok = last};
		uint64_t lines = 0;

		if (!journal_walk(&c, 1, eve, eve_len, jws, jws_len, last)) {
			if (rep.state != JOURNAL_BROKEN || !rep.why[0])
				abort();
			continue;
		}
		journal_conclude(&c);
		for (size_t i = 0; i < c.eve_end; i++)
			lines += eve[i] == '\n';
		if (c.eve_end > eve_len || c.jws_end > jws_len || lines != rep.alerts)
			abort();
	}
}

static void
signed_payload(struct cur c, bool proof)
{
	const uint8_t *nl = memchr(c.p, '\n', cur_left(&c));
	size_t n = nl ? (size_t)(nl - c.p) : cur_left(&c);
	static char jws[BATCH_JWS_MAX * 2], text[3 * BATCH_JWS_MAX];
	char err[200];
	struct batch b, again;
	size_t len;

	if (n > 2048)
		return;
	len = sign((const char *)cur_bytes(&c, n), n, jws);
	cur_skip(&c, nl != NULL);
	if (proof) {
		struct proof_result res;
		int k = snprintf(text, sizeof(text),
		    "{\"v\":1,\"typ\":\"interlock-proof\",\"seq\":1,"
		    "\"index\":0,\"n\":1,\"line\":\"{}\",\"path\":[],\"jws\":\"%.*s\"}",
		    (int)len, jws);

		(void)(proof_check(text, (size_t)k, &keys, &res, err, sizeof(err)) == 0);
		return;
	}
	if (batch_open(jws, len, &keys, &b, err, sizeof(err)) == 0) {
		char own[BATCH_JWS_MAX];
		size_t own_len = batch_sign(&b, &key, own);

		if (batch_open(own, own_len, &keys, &again, err, sizeof(err)) != 0 ||
		    memcmp(&b, &again, sizeof(b)) != 0)
			abort();
	}
	jws[len++] = '\n';
	segment(jws, len, (const char *)c.p, cur_left(&c));
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const uint8_t seed[CRYPTO_SEED_LEN] = {1};

	(void)argc;
	(void)argv;
	key_from_seed(&key, seed);
	return key_set_add(&keys, &key);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_make(data, size), jws;
	struct proof_result res;
	static struct key_set set;
	char err[200];

	switch (cur_u8(&c) % 5) {
	case 0:
		jws = cur_take(&c, cur_le16(&c));
		if (cur_ok(&c))
			segment(
			    (const char *)jws.p, cur_left(&jws), (const char *)c.p, cur_left(&c));
		break;
	case 1:
		signed_payload(c, false);
		break;
	case 2:
		(void)(proof_check((const char *)c.p, cur_left(&c), NULL, &res, err, sizeof(err)) ==
		       0);
		break;
	case 3:
		(void)(key_set_parse(&set, (const char *)c.p, cur_left(&c), err, sizeof(err)) == 0);
		break;
	default:
		signed_payload(c, true);
		break;
	}
	return 0;
}
