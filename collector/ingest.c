/* SPDX-License-Identifier: Apache-2.0 */
/* ingest.c - see ingest.h: taking a request apart.  What is stored, and whether, is chain.c. */
#include "collector/ingest.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/cur.h"
#include "base/err.h"

#define LEVEL 1 /* of zstd: lines of a batch are alike, the fastest finds that too */

/* To the next newline, which is taken and not part of it; false: there is none within max. */
static bool
take_line(struct cur *c, size_t max, const char **line, size_t *n)
{
	size_t left = cur_left(c), look = left < max ? left : max;
	const uint8_t *nl = look ? memchr(c->p, '\n', look) : NULL;

	if (!nl)
		return false;
	*n = (size_t)(nl - c->p);
	*line = (const char *)cur_bytes(c, *n + 1);
	return cur_ok(c);
}

/* The hexadecimal text of a metadata member, as our writer puts it. */
static void
meta_hex(const char *line, size_t n, const char *key, char *out, size_t size)
{
	const char *p = memmem(line, n, key, strlen(key)), *end = line + n;
	size_t k = 0;

	for (p = p ? p + strlen(key) : end; p < end && k + 1 < size; p++) {
		if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f')))
			break;
		out[k++] = *p;
	}
	out[k] = '\0';
}

/* Lines, both hashes, rows. */
static int
lines(struct ingest_batch *ib, struct cur *c, struct feed_arena *arena, char *err, size_t err_size)
{
	const struct batch *b = &ib->b;
	const char *start = (const char *)c->p, *line = NULL;
	uint8_t sum[CRYPTO_SHA256_LEN], root[MERKLE_LEN], leaf[MERKLE_LEN];
	unsigned long long number = (unsigned long long)b->number;
	struct merkle m;
	size_t n = 0;

	if (b->n > 0 && !(ib->row = malloc(b->n * sizeof(*ib->row))))
		return err_say(err, err_size, ERR_NOMEM, "out of memory");
	merkle_init(&m);
	for (uint64_t i = 0; i < b->n; i++) {
		int r;

		if (!take_line(c, BATCH_LINE_MAX, &line, &n))
			return err_say(err, err_size, ERR_FORMAT,
			    "batch %llu has %llu lines, %llu of them are here", number,
			    (unsigned long long)b->n, (unsigned long long)i);
		merkle_leaf(line, n, leaf);
		merkle_add(&m, leaf);
		if ((r = feed_line(line, n, &ib->row[i], arena)) < 0)
			return err_say(err, err_size, r,
			    "batch %llu, line %llu: not a JSON object of at most %u levels", number,
			    (unsigned long long)i + 1, FEED_DEPTH_MAX);
		if (ib->row[i].time_ms < 0)
			ib->row[i].time_ms = (int64_t)b->iat_ms;
	}
	ib->size = (size_t)((const char *)c->p - start);
	crypto_sha256(start, ib->size, sum);
	merkle_root(&m, root);
	if (memcmp(sum, b->sha256, sizeof(sum)) != 0 || memcmp(root, b->root, sizeof(root)) != 0)
		return err_say(err, err_size, ERR_SIGNATURE,
		    "batch %llu: its lines are not those that were signed", number);
	if (b->n == 0)
		return 0;
	meta_hex(line, n, "\"il_policy\":[\"", ib->policy, sizeof(ib->policy));
	meta_hex(line, n, "\"il_build\":[\"", ib->build, sizeof(ib->build));
	n = ZSTD_compressBound(ib->size);
	if (!(ib->packed = malloc(n)))
		return err_say(err, err_size, ERR_NOMEM, "out of memory");
	ib->packed_len = ZSTD_compress(ib->packed, n, start, ib->size, LEVEL);
	if (ZSTD_isError(ib->packed_len))
		return err_say(err, err_size, ERR_NOMEM, "out of memory");
	return 0;
}

/* How many statements are there at most?  Each is a line that begins like a JWS header. */
static size_t
count_statements(const char *body, size_t n)
{
	size_t count = 0;

	for (const char *p = body, *end = body + n; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		count += *p == 'e';
		if (!nl || count > INGEST_BATCHES_MAX)
			break;
		p = nl + 1;
	}
	return count;
}

int
ingest_parse(struct ingest *in, const char *body, size_t n, const struct key_set *keys,
    const char *iss, char *err, size_t err_size)
{
	struct feed_arena arena;
	struct cur c;
	size_t most;
	int r;

	memset(in, 0, sizeof(*in));
	if (n == 0 || (most = count_statements(body, n)) == 0) /* an empty body may be NULL */
		return err_say(err, err_size, ERR_FORMAT, "no batch");
	if (most > INGEST_BATCHES_MAX || n > INGEST_BODY_MAX)
		return err_say(
		    err, err_size, ERR_RANGE, "more than %u batches", INGEST_BATCHES_MAX);
	/* A text with its separator is never longer than it stood in the line. */
	in->texts = malloc(n + 64);
	in->batch = calloc(most, sizeof(*in->batch));
	if (!in->texts || !in->batch)
		return err_say(err, err_size, ERR_NOMEM, "out of memory");
	arena = (struct feed_arena){in->texts, in->texts + n + 64};
	c = cur_make(body, n);
	while (cur_left(&c) > 0) {
		struct ingest_batch *ib = &in->batch[in->n];

		if (in->n == most || !take_line(&c, BATCH_JWS_MAX + 1, &ib->jws, &ib->jws_len))
			return err_say(
			    err, err_size, ERR_FORMAT, "behind batch %zu stands no JWS", in->n);
		in->n++;
		if ((r = batch_open(ib->jws, ib->jws_len, keys, &ib->b, err, err_size)) < 0)
			return r;
		if (strcmp(ib->b.iss, iss) != 0)
			return err_say(err, err_size, ERR_SIGNATURE,
			    "batch of %.64s, sent by %.64s", ib->b.iss, iss);
		crypto_sha256(ib->jws, ib->jws_len, ib->hash);
		if ((r = lines(ib, &c, &arena, err, err_size)) < 0)
			return r;
	}
	return 0;
}

void
ingest_fini(struct ingest *in)
{
	for (size_t i = 0; i < in->n; i++) {
		free(in->batch[i].packed);
		free(in->batch[i].row);
	}
	free(in->batch);
	free(in->texts);
	memset(in, 0, sizeof(*in));
}

char *
ingest_unpack(const void *packed, size_t n, size_t size)
{
	char *p = size <= INGEST_BODY_MAX ? malloc(size + 1) : NULL;

	if (!p)
		return NULL;
	if (ZSTD_decompress(p, size, packed, n) != size) {
		free(p);
		return NULL;
	}
	p[size] = '\0';
	return p;
}

const char *
ingest_line(const char *text, int64_t i, size_t *n)
{
	for (; text && i > 0; i--)
		text = (text = strchr(text, '\n')) ? text + 1 : NULL;
	if (!text || !*text)
		return NULL;
	*n = strcspn(text, "\n");
	return text;
}
