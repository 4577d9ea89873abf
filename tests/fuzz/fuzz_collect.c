/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_collect.c - what the collector's receiver reads.  First byte of the input:
 *   0  a body as it came        1  lines, behind a JWS signed here that states them (gets past both hashes)
 *   2  one EVE line             3  JSON of a document
 *
 * Checked beside memory: the two readers of lines agree, texts lie in the arena, what was packed unpacks to the same bytes, and a row has
 * what the schema of the data base expects.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_COLLECTOR
#include "base/cur.h"
#include "collector/ingest.h"

static struct key key;
static struct key_set keys;

static void
row_ok(const struct feed_row *row, const char *start, const char *end)
{
	if (row->sev < 1 || row->sev > 3 || row->count < 1 || row->sid < 0)
		abort();
	for (unsigned i = 0; i < FT_N; i++) {
		const struct feed_span *t = &row->text[i];

		if (t->n > FEED_TEXT_MAX || (t->n > 0 && (t->p < start || t->p + t->n > end)))
			abort();
		for (unsigned k = 0; k < t->n; k++)
			if ((unsigned char)t->p[k] < 0x20)
				abort();
	}
}

/* Where the quick reader takes a line, the tree takes it too, and says the same. */
static void
halves(const char *p, size_t n)
{
	static char texts[2][65536];
	struct feed_arena a = {texts[0], texts[0] + sizeof(texts[0])},
			  b = {texts[1], texts[1] + sizeof(texts[1])};
	struct feed_row q, t;

	if (!feed_quick(p, n, &q, &a))
		return;
	if (feed_tree(p, n, &t, &b) != 0 || q.time_ms != t.time_ms || q.seq != t.seq ||
	    q.sid != t.sid || q.sev != t.sev || q.blocked != t.blocked || q.count != t.count ||
	    q.sport != t.sport || q.dport != t.dport)
		abort();
	for (unsigned i = 0; i < FT_N; i++)
		if (q.text[i].n != t.text[i].n ||
		    (q.text[i].n && memcmp(q.text[i].p, t.text[i].p, q.text[i].n) != 0))
			abort();
}

static void
body(const char *p, size_t n)
{
	struct ingest in;
	char err[300];

	if (ingest_parse(&in, p, n, &keys, "s", err, sizeof(err)) == 0)
		for (size_t i = 0; i < in.n; i++) {
			const struct ingest_batch *b = &in.batch[i];
			char *text =
			    b->b.n ? ingest_unpack(b->packed, b->packed_len, b->size) : NULL;

			if (b->b.n &&
			    (!text || memcmp(text, b->jws + b->jws_len + 1, b->size) != 0))
				abort();
			for (uint64_t k = 0; k < b->b.n; k++)
				row_ok(&b->row[k], in.texts, in.texts + n + 64);
			free(text);
		}
	ingest_fini(&in);
}

static void
signed_lines(const char *p, size_t n)
{
	struct batch b = {.iss = "s", .epoch = 1, .number = 1, .first = 1, .oldest = 1};
	static char out[BATCH_JWS_MAX + 16384];
	const char *at = p, *end = p + n, *nl;
	uint8_t leaf[MERKLE_LEN];
	struct merkle m;
	size_t len;

	if (n > 16000)
		return;
	merkle_init(&m);
	for (; at < end && (nl = memchr(at, '\n', (size_t)(end - at))); at = nl + 1) {
		merkle_leaf(at, (size_t)(nl - at), leaf);
		merkle_add(&m, leaf);
		b.n++;
	}
	n = (size_t)(at - p);
	b.last = b.n;
	crypto_sha256(p, n, b.sha256);
	merkle_root(&m, b.root);
	len = batch_sign(&b, &key, out);
	out[len++] = '\n';
	memcpy(out + len, p, n);
	body(out, len + n);
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
	struct cur c = cur_make(data, size);
	unsigned what = cur_u8(&c) % 4u;
	const char *p = (const char *)c.p;
	size_t n = cur_left(&c);
	static char texts[65536];
	struct feed_arena a = {texts, texts + sizeof(texts)};
	struct feed_row row;

	if (what == 0)
		body(p, n);
	else if (what == 1)
		signed_lines(p, n);
	else if (what == 2) {
		halves(p, n);
		if (feed_line(p, n, &row, &a) == 0)
			row_ok(&row, texts, texts + sizeof(texts));
	} else if (what == 3)
		json_decref(feed_json(p, n));
	return 0;
}

#else

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)data;
	(void)size;
	return 0;
}

#endif
