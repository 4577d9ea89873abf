/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_opcua.c - one OPC UA message body, walked and dissected in every way there is.
 *
 * Input: options, piece, chunk, spare, body.  What must hold:
 *   - the walker says the same events for the whole body, for its pieces, for a copy at
 *     each cut, and without its fast paths; and does not take more steps than bytes allow;
 *   - the dissector finds the same nodes in one chunk as in many, and a body that it
 *     refuses in one it refuses in many; and finds in the next message, to which it may take
 *     a quicker way, what it found in the first.
 *
 * The mutator knows the grammar: it lets the walker say where lengths, counts, NodeIds and
 * encoding bytes are, and changes one of them, with or without what depends on it.
 * Chunk headers are made here, so their sizes are always right.
 */
#include <stdlib.h>
#include <string.h>

#include "dissectors/dissector.h"

static void trace(uint8_t op, uint32_t at);
#define WALK_TRACE(w, in, op) trace((op), (w)->off + (uint32_t)((in)->p - (in)->start))
#include "dissectors/opcua/walk.h"

#define BODY_MAX 8192
#define HEAD	 4			  /* bytes of the input before the body */
#define STEPS(n) (3 * (uint64_t)(n) + 64) /* see test_work of tests/unit/opcua_walk_test.c */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

#define REQUIRE(cond)                                                                              \
	do {                                                                                       \
		if (!(cond))                                                                       \
			abort();                                                                   \
	} while (0)

/* --- what the walker does ------------------------------------------------------------ */

static uint64_t steps;
static struct {
	uint8_t op;
	uint32_t at;
} points[256];
static unsigned n_points;

static void
trace(uint8_t op, uint32_t at)
{
	steps++;
	switch ((enum walk_op)op) {
	case OP_STRING:
	case OP_TEXT:
	case OP_INDEX_RANGE:
	case OP_ARRAY:
	case OP_ARRAY_OF:
	case OP_VARIANT:
	case OP_DATA_VALUE:
	case OP_DIAGNOSTIC:
	case OP_DIAGNOSTIC_INNER:
	case OP_LOCALIZED:
	case OP_EXT_SKIP:
	case OP_EXT_TOKEN:
	case OP_EXT_DETAILS:
	case OP_ATTRIBUTE:
	case OP_NUMBER:
	case ST_STRING:
	case ST_NODE_ENC:
	case ST_VARIANT_COUNT:
	case ST_TOKEN_LEN:
	case ST_DETAILS_LEN:
		if (n_points < sizeof(points) / sizeof(points[0])) {
			points[n_points].op = op;
			points[n_points++].at = at;
		}
		break;
	default:
		break;
	}
}

static uint64_t
hash(uint64_t sum, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		sum = (sum ^ (v >> 8 * i & 0xff)) * UINT64_C(0x100000001b3);
	return sum;
}

static uint64_t
hash_bytes(uint64_t sum, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		sum = (sum ^ b[i]) * UINT64_C(0x100000001b3);
	return hash(sum, n);
}

static uint64_t
hash_node(uint64_t sum, const struct walk_node *n)
{
	char text[WALK_TEXT_MAX];
	uint32_t len = walk_node_text(n, text);

	REQUIRE(len >= 2 && len <= sizeof(text));
	sum = hash_bytes(sum, text, len);
	sum = hash(sum, n->flags | (uint64_t)n->role << 8 | (uint64_t)n->access << 16 |
			    (uint64_t)n->value_type << 24 | (uint64_t)n->array << 32 |
			    (uint64_t)n->attribute << 40);
	sum = hash(sum, n->id_len | (uint64_t)n->array_len << 32);
	REQUIRE(n->value_len <= sizeof(n->value));
	return hash_bytes(sum, n->value, sizeof(n->value));
}

static uint64_t
hash_field(uint64_t sum, const struct walk_field *f)
{
	sum = hash(sum, f->id | (uint64_t)f->truncated << 8 | (uint64_t)f->index << 16);
	sum = hash(hash(sum, f->num), f->elem);
	REQUIRE(f->len <= WALK_NAME_MAX);
	return f->len ? hash_bytes(sum, f->p, f->len) : sum;
}

/* All events of a body that comes in pieces; 0 = as a whole. */
static uint64_t
walk(const uint8_t *body, size_t size, size_t piece, uint8_t opts, uint32_t left)
{
	struct walk w, copy;
	enum walk_event e;
	uint64_t sum = 1;
	size_t at = 0;

	steps = 0;
	walk_start(&w, left, opts);
	do {
		size_t k = piece && piece < size - at ? piece : size - at;
		uint8_t *mem = malloc(k ? k : 1);
		struct cur c;

		REQUIRE(mem);
		if (k)
			memcpy(mem, body + at, k);
		c = cur_make(mem, k);
		while ((e = walk_next(&w, &c)) > WALK_MORE) {
			sum = hash(sum, e);
			if (e == WALK_HEADER)
				sum = hash(hash(sum, w.auth), w.handle | (uint64_t)w.status << 32);
			if (e == WALK_NODE)
				sum = hash_node(sum, &w.node);
			if (e == WALK_FIELD)
				sum = hash_field(sum, &w.field);
		}
		REQUIRE(cur_ok(&c) && (e != WALK_MORE || cur_left(&c) == 0));
		at += k - cur_left(&c);
		memset(mem, 0xee, k); /* nothing may be read from it any more */
		free(mem);
		memset(&copy, 0xdd, sizeof(copy));
		walk_copy(&copy, &w);
		w = copy;
	} while (e == WALK_MORE && at < size);
	REQUIRE(steps <= STEPS(size) + (piece ? 2 * (size / piece) : 0));
	REQUIRE((e == WALK_BAD) == (w.bad != WALK_OK) && w.bad < WALK_BAD_LAST);
	sum = hash(hash(sum, e), w.type | (uint64_t)w.bad << 32);
	return e == WALK_END ? hash(sum, at) : sum;
}

/* --- what the dissector makes of it ----------------------------------------------------- */

struct dis_sink {
	uint64_t items;
	unsigned facts, n_items;
	bool malformed, last; /* the last fact: no more to come */
	uint16_t code;
};

static void
put_identity(void *ctx, enum dis_identity_key key, const void *text, size_t len)
{
	uint64_t *sum = ctx;

	REQUIRE(key < IDENT__MAX);
	*sum = hash_bytes(*sum, text, (uint32_t)len); /* all of it can be read */
}

bool
dis_emit(struct dis_sink *s, struct fact *f)
{
	uint64_t who = 0;
	struct fact_iter it = {0};
	struct fact_item item;
	unsigned n = 0;

	s->facts++;
	s->malformed |= f->kind == FACT_MALFORMED;
	if (f->code)
		s->code = f->code;
	while (fact_next(f, &it, &item)) {
		n++;
		s->items = hash_bytes(s->items, item.name, item.name ? item.name_len : 0);
		s->items = hash(
		    s->items, item.sub | (uint64_t)item.access << 32 | (uint64_t)item.space << 40);
	}
	REQUIRE(n == f->n_items);
	s->n_items += n;
	dissector_lookup("opcua", NULL)->identity(f, put_identity, &who);
	return true;
}

static void *lease;
static uint32_t lease_size;

void *
dis_lease(struct dis_call *call, uint32_t want)
{
	void *grown;

	(void)call;
	if (want > lease_size) {
		REQUIRE((grown = calloc(1, want)) != NULL);
		if (lease_size)
			memcpy(grown, lease, lease_size);
		free(lease);
		lease = grown;
		lease_size = want;
	}
	return lease;
}

static void
put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* A chunk: head, sequence number, request id, rest. */
static void
chunk(const struct dissector *d, struct dis_call *call, const void *head, size_t head_len,
    uint32_t number, uint32_t request, const void *rest, size_t rest_len)
{
	size_t n = head_len + 8 + rest_len;
	uint8_t *mem = malloc(n);
	struct cur c = cur_make(mem, n);

	REQUIRE(mem);
	memcpy(mem, head, head_len);
	put32(mem + 4, (uint32_t)n);
	put32(mem + head_len, number);
	put32(mem + head_len + 4, request);
	if (rest_len)
		memcpy(mem + head_len + 8, rest, rest_len);
	REQUIRE(d->frame(c, (enum dis_dir)call->dir, 0) == (int32_t)n);
	d->pdu(call, c);
	free(mem);
}

/* Both sides of OpenSecureChannel in mode None: channel 7, token 1. */
#define POLICY                                                                                     \
	"\x2f\0\0\0http://opcfoundation.org/UA/"                                                   \
	"SecurityPolicy#None\xff\xff\xff\xff\xff\xff\xff\xff"
#define OPN_ASK	 "OPNF\0\0\0\0\0\0\0\0" POLICY
#define OPN_TELL "OPNF\0\0\0\0\7\0\0\0" POLICY
#define ASK_BODY                                                                                   \
	"\1\0\xbe\1\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0"             \
	"\0\0\0\0\0\0\0\0\1\0\0\0\xff\xff\xff\xff\0\0\x10\0"
#define TELL_BODY                                                                                  \
	"\1\0\xc1\1\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"                               \
	"\0\0\0\0\7\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\xff\xff\xff\xff"
#define BYTES(s) (s), sizeof(s) - 1

/* The body as chunks of at most piece bytes of it; said twice, the second time counts. */
static struct dis_sink
dissect(const struct dissector *d, const uint8_t *body, size_t size, size_t piece, bool twice)
{
	struct dis_sink s = {.items = 1}, opening = {0};
	struct dis_call call = {.sink = &opening};
	uint32_t number = 50, request = 9;
	bool response = false;
	size_t at = 0;

	if (size >= 4)
		(void)walk_service_lookup((uint32_t)(body[2] | body[3] << 8), &response);
	call.state = calloc(1, d->state_size);
	REQUIRE(call.state);
	call.dir = DIR_TO_SERVER;
	chunk(d, &call, BYTES(OPN_ASK), number, 8, BYTES(ASK_BODY));
	call.dir = DIR_TO_CLIENT;
	chunk(d, &call, BYTES(OPN_TELL), number, 8, BYTES(TELL_BODY));
	REQUIRE(opening.facts == 2 && !opening.malformed);
	call.dir = response ? DIR_TO_CLIENT : DIR_TO_SERVER;
	call.sink = &s;
	do {
		size_t k = piece < size - at ? piece : size - at;

		chunk(d, &call,
		    at + k == size ? "MSGF\0\0\0\0\7\0\0\0\1\0\0\0"
				   : "MSGC\0\0\0\0\7\0\0\0\1\0\0\0",
		    16, ++number, request, body + at, k);
		at += k;
		if (twice && at == size) {
			s = (struct dis_sink){.items = 1};
			twice = false;
			request++;
			at = 0;
		}
	} while (at < size);
	free(call.state);
	free(lease);
	lease = NULL;
	lease_size = 0;
	return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct dissector *d = dissector_lookup("opcua", NULL);
	const uint8_t *body = data + HEAD;
	uint8_t opts;
	uint32_t left;
	uint64_t sum;
	size_t n;

	if (size < HEAD || size > HEAD + BODY_MAX)
		return 0;
	n = size - HEAD;
	opts = data[0] & (WALK_OPT_TEXT | WALK_OPT_HEADER | WALK_OPT_NODES | WALK_OPT_IDENT);
	left = data[0] & 0x80 ? UINT32_MAX : (uint32_t)n + (data[0] >> 4 & 7) * 100;
	sum = walk(body, n, 0, opts, left);
	REQUIRE(walk(body, n, 0, opts | WALK_OPT_SLOW, left) == sum);
	REQUIRE(walk(body, n, data[1] % 32 + 1u, opts, left) == sum);
	REQUIRE(walk(body, n, data[1] + 1u, opts, left) == sum);

	if (d) {
		struct dis_sink one = dissect(d, body, n, BODY_MAX, false);
		struct dis_sink many = dissect(d, body, n, data[2] + 4u, false);
		struct dis_sink next = dissect(d, body, n, BODY_MAX, true);

		REQUIRE(one.malformed == many.malformed);
		if (!one.malformed)
			REQUIRE(one.items == many.items && one.n_items == many.n_items &&
				one.code == many.code);
		if (!one.malformed && !next.malformed)
			REQUIRE(one.items == next.items && one.n_items == next.n_items &&
				one.code == next.code);
	}
	return 0;
}

/* --- the mutator ------------------------------------------------------------------------------ */

static uint32_t
next(uint32_t *seed)
{
	*seed ^= *seed << 13; /* xorshift */
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Put n bytes in the place of old ones; the new size, or the old when there is no room. */
static size_t
replace(
    uint8_t *body, size_t size, size_t max, size_t at, size_t old, const uint8_t *with, size_t n)
{
	if (at > size || old > size - at || size - old + n > max)
		return size;
	memmove(body + at + n, body + at + old, size - at - old);
	if (n)
		memcpy(body + at, with, n);
	return size - old + n;
}

static size_t
mutate_node(uint8_t *body, size_t size, size_t max, size_t at, uint32_t *seed)
{
	static const struct {
		uint8_t n, b[24];
	} ids[] = {
	    {2, {0, 0}},
	    {2, {0, 85}},
	    {4, {1, 0, 0xaa, 2}},
	    {4, {1, 2, 5, 0}},
	    {7, {2, 1, 0, 1, 0, 0, 0}},
	    {7, {3, 2, 0, 0xff, 0xff, 0xff, 0xff}},
	    {8, {3, 2, 0, 1, 0, 0, 0, 'A'}},
	    {10, {5, 1, 0, 3, 0, 0, 0, 1, 2, 3}},
	    {19, {4, 1, 0, 1, 2, 3, 4}},
	    {6, {0x40, 5, 1, 0, 0, 0}},
	    {7, {0x80, 5, 1, 0, 0, 0, 'u'}},
	    {4, {1, 0, 0x44, 1}},
	};
	unsigned pick = next(seed) % (sizeof(ids) / sizeof(ids[0]));
	struct walk_node node;
	const uint8_t *end;
	size_t old = 0;

	if (size - at >= FAST_MIN && (end = walk_fast_node(&node, body + at, body + size, 0, 0)))
		old = (size_t)(end - body) - at;
	return replace(body, size, max, at, old, ids[pick].b, ids[pick].n);
}

static size_t
mutate_length(uint8_t *body, size_t size, size_t max, size_t at, uint32_t *seed)
{
	static const uint32_t lies[] = {
	    0, 1, 255, 256, 257, INT32_MAX, 0x80000000, 0xfffffffe, UINT32_MAX};
	uint8_t text[4 + 300];
	uint32_t len, old;

	if (size - at < 4)
		return size;
	old = walk_le32(body + at);
	switch (next(seed) % 4) {
	case 0:
		put32(body + at, lies[next(seed) % (sizeof(lies) / sizeof(lies[0]))]);
		return size;
	case 1:
		put32(body + at, old + (next(seed) & 1 ? 1 : UINT32_MAX));
		return size;
	case 2: /* exactly what is left, or a little beside it */
		put32(body + at, (uint32_t)(size - at - 4) + next(seed) % 3 - 1);
		return size;
	}
	len = next(seed) % 301; /* an honest text */
	put32(text, len);
	for (uint32_t i = 0; i < len; i++)
		text[4 + i] = (uint8_t)('a' + i % 26);
	return replace(body, size, max, at, old < size - at - 4 ? 4 + old : 4, text, 4 + len);
}

/* One element more: a copy of some bytes behind the count. */
static size_t
mutate_count(uint8_t *body, size_t size, size_t max, size_t at, uint32_t *seed)
{
	uint8_t copy[256];
	size_t n;

	if (size - at < 8 || next(seed) % 2)
		return mutate_length(body, size, max, at, seed);
	n = 1 + next(seed) % sizeof(copy);
	if (n > size - at - 4)
		n = size - at - 4;
	memcpy(copy, body + at + 4, n);
	put32(body + at, walk_le32(body + at) + 1);
	return replace(body, size, max, at + 4, 0, copy, n);
}

static size_t
mutate_body(uint8_t *body, size_t size, size_t max, uint32_t *seed)
{
	static const uint8_t nested[] = {0x98, 1, 0, 0, 0}, value[] = {0x17, 1}, inner[] = {0x40};
	uint8_t op;
	size_t at;

	n_points = 0;
	(void)walk(body, size, 0, WALK_OPT_SLOW | WALK_OPT_TEXT, UINT32_MAX);
	if (n_points == 0 || next(seed) % 16 == 0) { /* another message */
		if (size >= 4) {
			uint32_t id;

			do
				id = next(seed) % (WALK_ID_MAX + 1);
			while (walk_by_id[id] == 0);
			body[2] = (uint8_t)id;
			body[3] = (uint8_t)(id >> 8);
		}
		return size;
	}
	op = points[0].op;
	at = next(seed) % n_points;
	op = points[at].op;
	at = points[at].at;
	if (at >= size)
		return size;
	switch ((enum walk_op)op) {
	case ST_NODE_ENC:
		return mutate_node(body, size, max, at, seed);
	case OP_ARRAY:
	case OP_ARRAY_OF:
	case ST_VARIANT_COUNT:
		return mutate_count(body, size, max, at, seed);
	case OP_VARIANT:
		if (next(seed) % 2)
			return replace(body, size, max, at, 0, nested, sizeof(nested));
		if (next(seed) % 2)
			return replace(body, size, max, at, 0, value, sizeof(value));
		body[at] = (uint8_t)(next(seed) % 26 | (next(seed) % 4) << 6);
		return size;
	case OP_DIAGNOSTIC:
	case OP_DIAGNOSTIC_INNER:
		if (next(seed) % 2)
			return replace(body, size, max, at, 0, inner, sizeof(inner));
		body[at] = (uint8_t)next(seed);
		return size;
	case OP_DATA_VALUE:
	case OP_LOCALIZED:
	case OP_EXT_SKIP:
	case OP_EXT_TOKEN:
	case OP_EXT_DETAILS:
		body[at] = (uint8_t)(next(seed) % 2 ? next(seed) : next(seed) % 4);
		return size;
	case OP_ATTRIBUTE:
	case OP_NUMBER:
		body[at] = (uint8_t)next(seed);
		return size;
	default:
		return mutate_length(body, size, max, at, seed);
	}
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	uint32_t state = seed * 2654435761u + 1;

	if (max > HEAD + BODY_MAX)
		max = HEAD + BODY_MAX;
	if (size <= HEAD || size > max || next(&state) % 8 == 0)
		return LLVMFuzzerMutate(data, size, max);
	if (next(&state) % 16 == 0)
		data[next(&state) % HEAD] = (uint8_t)next(&state);
	return HEAD + mutate_body(data + HEAD, size - HEAD, max - HEAD, &state);
}
