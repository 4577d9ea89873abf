/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_dissector.c - one harness for every dissector, and the template.
 *
 * Input: dissector, step, flags, then records of {direction and length, bytes}.
 * The bytes of a direction are a stream.  It is fed once whole and once cut
 * into steps of 1..16 bytes; every PDU, and every window that frame() and
 * probe() see, is a copy of exactly its size, so that ASan sees one byte too
 * many.  Both runs must give the same facts: a dissector may not look past its
 * PDU.  Of each fact all items, values and JSON are read.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/jw.h"
#include "dissectors/_template/toy.c"

#define FEED_MAX  8192 /* bytes of one direction */
#define LEASE_MAX  65536u
#define WINDOW_MAX 1500 /* of them that frame() is shown at once, as in a segment */
#define FACTS_MAX 4096

struct dis_sink {
	const struct dissector *d;
	struct dis_call *call;
	uint8_t index;	  /* in dissectors[]; n_dissectors for the template */
	uint8_t refusing; /* bit pattern of verdicts */
	unsigned facts;
	bool json;	  /* the slow half of the checks, in one of the runs */
	uint64_t sum;	  /* FNV-1a of all that the facts say */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(cond) \
	do { \
		if (!(cond)) \
			abort(); \
	} while (0)

static void
hash(struct dis_sink *s, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		s->sum = (s->sum ^ (v >> 8 * i & 0xff)) * UINT64_C(0x100000001b3);
}

static void
check_json(const struct dis_sink *s, const struct fact *f)
{
	static char buf[1 << 18];
	struct jw w = jw_make(buf, sizeof(buf));
	json_error_t err;
	json_t *j;

	jw_obj(&w, NULL);
	if (s->index < n_dissectors)
		fact_json(&w, f);
	else if (s->d->schema->json)
		s->d->schema->json(&w, f);
	jw_close(&w, '}');
	REQUIRE(jw_end(&w));
	j = json_loads(buf, JSON_ALLOW_NUL, &err);
	REQUIRE(j); /* no duplicate commas, no broken strings */
	json_decref(j);
}

static void
put_identity(void *ctx, enum dis_identity_key key, const void *text, size_t len)
{
	REQUIRE(key < IDENT__MAX);
	for (size_t i = 0; i < len; i++)
		hash(ctx, ((const uint8_t *)text)[i]);
}

bool
dis_emit(struct dis_sink *s, struct fact *f)
{
	struct fact_iter it = {0};
	struct fact_item item;
	unsigned n = 0, known = 0;
	uint8_t buf[64];

	f->proto = s->index;
	REQUIRE(f->kind <= FACT_OTHER && f->op && f->opx < s->d->schema->n_opx);
	while (s->d->schema->anomalies[known])
		known++;
	REQUIRE((f->anomalies & ((UINT64_C(1) << FACT_A_ENGINE) - 1)) >> known == 0);
	hash(s, f->kind | (uint64_t)f->access << 8 | (uint64_t)f->dir << 16 |
	    (uint64_t)f->code << 24 | (uint64_t)f->sub << 40);
	hash(s, f->opx | (uint64_t)f->unit << 16);
	hash(s, f->txn);
	hash(s, f->anomalies);
	while (fact_next(f, &it, &item)) {
		n++;
		REQUIRE(item.space < s->d->schema->n_spaces);
		hash(s, item.first | (uint64_t)item.count << 32);
		hash(s, item.sub | (uint64_t)item.access << 32 | (uint64_t)item.masked << 40);
		for (uint32_t i = 0; item.vals && i < item.count; i++)
			hash(s, fact_value(&item, i));
		for (uint32_t i = 0; item.name && i < item.name_len; i++)
			hash(s, (uint8_t)item.name[i]);
	}
	REQUIRE(n == f->n_items);
	if (s->json)
		check_json(s, f);
	if (s->d->identity)
		s->d->identity(f, put_identity, s);
	if (s->refusing >> (s->facts++ % 8) & 1) {
		if (s->d->refuse)
			REQUIRE(s->d->refuse(s->call, f, buf, sizeof(buf)) <= sizeof(buf));
		return false;
	}
	return true;
}

/* Moves, as in the engine, so that an old pointer is caught. */
static void *
grow(struct dis_call *call)
{
	const struct dissector *d = call->sink->d;
	void *to = calloc(1, d->state_most);

	REQUIRE(to != NULL);
	memcpy(to, call->state, d->state_size);
	free(call->state);
	return call->state = to;
}

/* Where the harness keeps what dis_lease() gave. */
static uint8_t *lease;
static uint32_t lease_size;

void *
dis_lease(struct dis_call *call, uint32_t want)
{
	uint8_t *grown;

	(void)call;
	REQUIRE(want <= LEASE_MAX);
	if (want > lease_size) { /* moves, so that an old pointer is caught */
		REQUIRE((grown = calloc(1, want)) != NULL);
		if (lease_size)
			memcpy(grown, lease, lease_size);
		free(lease);
		lease = grown;
		lease_size = want;
	}
	return lease;
}

/* A copy that ends where its allocation ends. */
static struct cur
exact(const uint8_t *p, size_t n, void **mem)
{
	uint8_t *copy = malloc(n ? n : 1);

	REQUIRE(copy);
	if (n)
		memcpy(copy, p, n);
	*mem = copy;
	return cur_make(copy, n);
}

struct feed {
	uint8_t bytes[FEED_MAX];
	size_t len, at;	  /* received, consumed */
	uint32_t part, total; /* inside a PDU above max_pdu: bytes given, its length */
	uint32_t need;	  /* frame() asked for this many */
	bool lost;	  /* out of step */
};

/* PDUs that the bytes received so far complete. */
static void
drain(const struct dissector *d, struct dis_call *call, struct feed *in)
{
	void *mem;

	while (!in->lost && in->at < in->len) {
		size_t left = in->len - in->at;
		uint32_t n;

		if (in->total == 0) {
			size_t window = left < WINDOW_MAX ? left : WINDOW_MAX;
			struct cur w;
			int32_t r;

			if (in->need > left)
				return;
			if (in->need)
				window = in->need;
			w = exact(in->bytes + in->at, window, &mem);
			r = d->frame(w, (enum dis_dir)call->dir, call->variant);
			if (in->need && d->frame_on)
				REQUIRE(r == d->frame_on(w, (enum dis_dir)call->dir, call->variant,
				    in->need));
			free(mem);
			in->need = 0;
			if (r == FRAME_MORE)
				return;
			if (FRAME_IS_NEED(r)) {
				REQUIRE(FRAME_NEEDED(r) > window);
				in->lost = FRAME_NEEDED(r) > d->max_pdu;
				in->need = FRAME_NEEDED(r);
				if (in->lost)
					return;
				continue;
			}
			REQUIRE(r > 0 || r == FRAME_BAD || r == FRAME_OTHER);
			in->lost = r < 0 || ((uint32_t)r > d->max_pdu && !d->part);
			if (in->lost)
				return;
			in->total = (uint32_t)r;
			in->part = 0;
		}
		if (in->total > d->max_pdu) {
			n = in->total - in->part < left ? in->total - in->part : (uint32_t)left;
			d->part(call, exact(in->bytes + in->at, n, &mem), in->part, in->total);
			in->part += n;
		} else {
			if (left < in->total)
				return;
			struct dis_patch out[DIS_PATCHES];
			unsigned k;
			struct cur c;

			n = in->part = in->total;
			c = exact(in->bytes + in->at, n, &mem);
			d->pdu(call, c);
			k = d->renumber ? d->renumber(call, c, out) : 0;
			REQUIRE(k <= DIS_PATCHES);
			while (k-- > 0)
				REQUIRE(out[k].len <= 4 && out[k].off < n &&
					out[k].len <= n - out[k].off);
		}
		free(mem);
		in->at += n;
		if (in->part == in->total)
			in->total = 0;
	}
}

static uint64_t
run(const struct dissector *d, uint8_t index, const uint8_t *data, size_t size, size_t step,
    uint8_t flags, uint8_t refusing)
{
	static struct feed in[2];
	struct dis_sink s = {.d = d, .index = index, .refusing = refusing, .json = step == 0,
	    .sum = UINT64_C(0xcbf29ce484222325)};
	struct dis_call call = {.variant = flags & 3, .datagram = flags >> 2 & 1,
	    .midstream = flags >> 3 & 1, .sink = &s};
	uint8_t variant;
	void *mem;

	s.call = &call;
	call.state = calloc(1, d->state_size ? d->state_size : 1);
	call.grow = d->state_most ? grow : NULL;
	REQUIRE(call.state);
	memset(in, 0, sizeof(in));
	while (size >= 2 && s.facts < FACTS_MAX) {
		size_t n = (size_t)(data[0] >> 2) << 8 | data[1];
		struct feed *f = &in[data[0] & 1];

		call.dir = data[0] & 1;
		if (data[0] & 2 && d->gap) {
			d->gap(&call, (uint32_t)n);
			f->at = f->len = f->total = f->need = 0;
			f->lost = false;
		}
		data += 2;
		size -= 2;
		n = n < size ? n : size;
		(void)d->probe(exact(data, n, &mem), (enum dis_dir)call.dir, &variant);
		free(mem);
		if (call.datagram) { /* as it comes, headers missing or not */
			d->pdu(&call, exact(data, n, &mem));
			free(mem);
		} else {
			for (size_t i = 0; i < n;) {
				size_t k = step && step < n - i ? step : n - i;

				if (k > FEED_MAX - f->len)
					k = FEED_MAX - f->len;
				if (k == 0)
					break;
				memcpy(f->bytes + f->len, data + i, k);
				f->len += k;
				i += k;
				drain(d, &call, f);
			}
		}
		data += n;
		size -= n;
	}
	free(call.state);
	free(lease);
	lease = NULL;
	lease_size = 0;
	return s.sum;
}

/* Any text is an address range, or is refused with a reason. */
static void
ranges(const struct dissector *d, const uint8_t *data, size_t size)
{
	const struct dis_schema *sc = d->schema;
	uint8_t opt[DIS_OPTION_MAX] = {0};
	char text[64], err[128], buf[64];

	if (!sc->parse_range || size < 2)
		return;
	for (unsigned i = 0; i < sc->n_options && i < DIS_OPTION_MAX; i++) {
		unsigned words = 0;

		while (sc->options[i].words[words])
			words++;
		opt[i] = (uint8_t)(data[0] % words);
	}
	size = size - 1 < sizeof(text) - 1 ? size - 1 : sizeof(text) - 1;
	memcpy(text, data + 1, size);
	text[size] = '\0';
	for (unsigned k = 0; k < sc->n_keys; k++) {
		const struct dis_key *key = &sc->keys[k];
		struct dis_range r = {0};

		if (key->kind != KEY_RANGE && key->kind != KEY_VALUES)
			continue;
		err[0] = '\0';
		if (sc->parse_range(key, opt, text, &r, err, sizeof(err)) == 0) {
			uint8_t space = key->space == DIS_SPACE_ANY ? r.space : key->space;

			REQUIRE(space < sc->n_spaces);
			REQUIRE(r.first <= r.last && r.last <= sc->spaces[space].max);
			REQUIRE(r.sub <= r.sub_last && r.sub_last <= sc->spaces[space].max_sub);
			if (sc->show_addr)
				sc->show_addr(space, r.sub, r.first, buf, sizeof(buf));
		} else {
			REQUIRE(err[0] != '\0');
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct dissector *d;
	uint8_t index;
	uint64_t whole, cut;

	if (size < 4)
		return 0;
	index = (uint8_t)(data[0] % (n_dissectors + 1));
	d = index < n_dissectors ? dissectors[index] : &dissector_toy;
	if (data[0] & 0x80) {
		ranges(d, data + 1, size - 1);
		return 0;
	}
	whole = run(d, index, data + 4, size - 4, 0, data[2], data[3]);
	cut = run(d, index, data + 4, size - 4, data[1] % 16 + 1u, data[2], data[3]);
	/* The pieces of a long PDU are as many facts as the cuts make of it. */
	if (!d->part)
		REQUIRE(whole == cut);
	return 0;
}
