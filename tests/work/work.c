/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work.c - how much work one PDU can be made to cost.
 *
 * The library under test is built with -fsanitize-coverage=trace-pc: every basic block that runs
 * calls __sanitizer_cov_trace_pc(), which counts.  So work is a number that does not depend on the
 * machine or its load: blocks executed by the dissector, by walking the items of its facts, and by
 * policy over them.
 *
 * PDUs come from the captures of pcaps/, each with the state its conversation had then.  A hill
 * climb from a fixed seed mutates them towards more blocks per byte; what an earlier, longer climb
 * found lies in tests/work/worst/ and is measured too.  A PDU of n bytes may cost
 * FIXED + PER_BYTE * n blocks, whatever it says.
 *
 * usage: work [ROUNDS [SEED FOLDER]]   more rounds; worst PDUs are written to FOLDER
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <glob.h>

#include <cmocka.h>

#include "tests/unit/script.h"

#define RULES	 400u
#define FIXED	 (1000u + 20 * RULES) /* one request may cross the ranges of every rule, once */
#define PER_BYTE 16u
#define PDUS_MAX 600u /* of one protocol, from which the climb starts */
#define LEN_MAX	 16384u
#define ROUNDS	 20000u

void __sanitizer_cov_trace_pc(void);

static uint64_t blocks;

void
__sanitizer_cov_trace_pc(void)
{
	blocks++;
}

struct start {
	uint8_t dir, variant;
	uint32_t len;
	uint8_t *bytes, *state;
};

struct dis_sink {
	const struct policy *pol;
	struct policy_bind bind;
	uint8_t proto;
};

static uint8_t lease[65536];

void *
dis_lease(struct dis_call *call, uint32_t want)
{
	(void)call;
	return want <= sizeof(lease) ? lease : NULL;
}

bool
dis_emit(struct dis_sink *s, struct fact *f)
{
	f->proto = s->proto;
	if (s->pol)
		(void)policy_eval(s->pol, &s->bind, f);
	return true;
}

/* Rules as a large site has them: many ranges, limits and globs that all have to be tried. */
static struct policy *
policy_of(const struct dissector *d)
{
	struct complaints cs = {0};
	struct policy *pol;
	size_t cap = 1u << 20, n = 0;
	char *text = malloc(cap);

	n += (size_t)snprintf(text, cap,
	    "interlock: 1\nsite: work\nmode: enforce\n"
	    "zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25]}\n"
	    "  ot: {level: 1, port: inside, nets: [10.1.2.128/25]}\n"
	    "conduits:\n  - name: all\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop\n    %s:\n%s"
	    "      allow:\n",
	    d->name, strcmp(d->name, "modbus") == 0 ? "      addressing: zero-based\n" : "");
	for (unsigned i = 0; i < RULES; i++) {
		const char *one =
		    strcmp(d->name, "modbus") == 0 ? "        - {name: r%u, units: all, functions: "
						     "all, holding: [%u..%u], values: {%u: 0..9}}\n"
		    : strcmp(d->name, "s7") == 0   ? "        - {name: r%u, functions: all, write: "
						     "[DB1.DBB%u..%u], values: {DB1.DBW%u: 0..9}}\n"
		    : strcmp(d->name, "opcua") == 0 && i % 2
			? "        - {name: r%u, services: all, nodes: "
			  "['re:ns=2;s=a%u[^x]*b%u.{2,4}c%u']}\n"
		    : strcmp(d->name, "opcua") == 0
			? "        - {name: r%u, services: all, nodes: [\"ns=2;s=a%u*b%u*c%u\"]}\n"
			: "        - {name: r%u, functions: all}\n";

		n += (size_t)snprintf(text + n, cap - n, one, i, 4 * i, 4 * i + 3, 4 * i);
	}
	pol = policy_build_text("work", text, n, &cs);
	if (!pol) {
		complaints_print(&cs, stderr);
		exit(2);
	}
	complaints_fini(&cs);
	free(text);
	return pol;
}

static struct policy_bind
bind_of(const struct policy *pol, uint16_t port)
{
	struct net_tuple t = {.proto = NET_PROTO_TCP, .sport = 40000, .dport = port};
	struct policy_bind b;

	t.src = net_addr_from4((const uint8_t *)"\x0a\1\2\5");
	t.dst = net_addr_from4((const uint8_t *)"\x0a\1\2\x82");
	(void)policy_bind(pol, &t, &b);
	return b;
}

static uint64_t
cost(const struct dissector *d, struct dis_sink *sink, const struct start *at, const uint8_t *b,
    uint32_t n)
{
	static _Alignas(64) uint8_t state[4096];
	struct dis_call call = {.dir = at->dir, .variant = at->variant, .state = state, .sink = sink,
	    .now_ns = UINT64_C(1700000000000000000)};
	int32_t len = d->frame(cur_make(b, n), (enum dis_dir)at->dir, at->variant);

	memcpy(state, at->state, d->state_size);
	blocks = 0;
	if (len == (int32_t)n && n <= d->max_pdu)
		d->pdu(&call, cur_make(b, n));
	else if (d->part && len > 0)
		d->part(&call, cur_make(b, n), 0, (uint32_t)len);
	return blocks;
}

/* A conversation on its way through a dissector; each PDU is kept with the state before it. */
struct talk {
	const struct dissector *d;
	struct dis_sink sink;
	struct start *to;
	unsigned n, most;
	bool claimed, foreign;
	uint8_t variant;
	uint32_t len[2];
	uint8_t buf[2][1u << 17];
	_Alignas(64) uint8_t state[4096];
};

static void
talk_begin(struct talk *t)
{
	memset(t->state, 0, sizeof(t->state));
	t->len[0] = t->len[1] = 0;
	t->claimed = t->foreign = false;
}

static void
talk_keep(struct talk *t, unsigned dir, uint32_t len)
{
	struct start *a = &t->to[t->n++];

	*a = (struct start){(uint8_t)dir, t->variant, len, malloc(len), malloc(t->d->state_size + 1)};
	memcpy(a->bytes, t->buf[dir], len);
	memcpy(a->state, t->state, t->d->state_size);
}

static void
talk_bytes(struct talk *t, unsigned dir, const uint8_t *p, uint32_t n)
{
	struct dis_call call = {.dir = (uint8_t)dir, .state = t->state, .sink = &t->sink,
	    .now_ns = UINT64_C(1700000000000000000)};
	uint8_t *b = t->buf[dir];
	int32_t len;

	if (t->foreign || t->len[dir] + n > sizeof(t->buf[0]))
		return;
	memcpy(b + t->len[dir], p, n);
	t->len[dir] += n;
	if (!t->claimed) {
		t->claimed = t->d->probe(cur_make(b, t->len[dir]), (enum dis_dir)dir, &t->variant) == PROBE_YES;
		t->foreign = !t->claimed;
	}
	call.variant = t->variant;
	while (t->claimed && t->n < t->most &&
	    (len = t->d->frame(cur_make(b, t->len[dir]), (enum dis_dir)dir, t->variant)) > 0 &&
	    (uint32_t)len <= t->len[dir]) {
		if ((uint32_t)len <= LEN_MAX)
			talk_keep(t, dir, (uint32_t)len);
		if ((uint32_t)len <= t->d->max_pdu)
			t->d->pdu(&call, cur_make(b, (size_t)len));
		t->len[dir] -= (uint32_t)len;
		memmove(b, b + len, t->len[dir]);
	}
}

/* From a capture at most a sixth of all. */
static void
from_capture(struct talk *t, const char *path)
{
	struct script *s = script_load(path);

	t->most = t->n + PDUS_MAX / 6 < PDUS_MAX ? t->n + PDUS_MAX / 6 : PDUS_MAX;
	for (unsigned f = 0; f < s->flows; f++) {
		talk_begin(t);
		for (unsigned i = 0; i < s->n; i++)
			if (s->m[i].flow == f)
				talk_bytes(t, s->m[i].dir, s->m[i].bytes, s->m[i].len);
	}
	script_free(s);
}

/* From a seed of the fuzzer (tests/fuzz/fuzz_dissector.c has the format). */
static void
from_seed(struct talk *t, const char *path)
{
	static uint8_t b[1u << 16];
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(b, 1, sizeof(b), f) : 0;

	if (f)
		fclose(f);
	t->most = PDUS_MAX;
	talk_begin(t);
	for (size_t at = 4; at + 2 < n;) {
		size_t len = (size_t)(b[at] >> 2) << 8 | b[at + 1];

		len = len < n - at - 2 ? len : n - at - 2;
		talk_bytes(t, b[at] & 1, b + at + 2, (uint32_t)len);
		at += 2 + len;
	}
}

static unsigned
from_files(struct talk *t, const char *pattern, void (*from)(struct talk *t, const char *path))
{
	glob_t g;

	if (glob(pattern, 0, NULL, &g) != 0)
		return t->n;
	for (size_t i = 0; i < g.gl_pathc; i++)
		from(t, g.gl_pathv[i]);
	globfree(&g);
	return t->n;
}

static uint64_t rng;

static uint32_t
rnd(uint32_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 33) % (below ? below : 1);
}

/* One to four small changes; half of the time the length fields at the front are put right. */
static uint32_t
mutate(const struct dissector *d, const uint8_t *from, uint32_t n, uint8_t *to)
{
	static const uint8_t edge[] = {0, 1, 2, 3, 4, 0x10, 0x12, 0x7f, 0x80, 0xff};

	memcpy(to, from, n);
	for (unsigned k = 1 + rnd(4); k > 0; k--) {
		uint32_t at = rnd(n), len = 1 + rnd(24), where;

		switch (rnd(5)) {
		case 0:
			to[at] = (uint8_t)rnd(256);
			break;
		case 1:
			to[at] = edge[rnd(sizeof(edge))];
			break;
		case 2: /* a run again */
			len = len > n - at ? n - at : len;
			where = rnd(n);
			if (n + len <= LEN_MAX) {
				memmove(to + where + len, to + where, n - where);
				memmove(to + where, to + (at < where ? at : at + len > n ? 0 : at), len);
				n += len;
			}
			break;
		case 3: /* a run less */
			len = len > n - at ? n - at : len;
			if (n - len >= 8) {
				memmove(to + at, to + at + len, n - at - len);
				n -= len;
			}
			break;
		case 4:
			to[at] = (uint8_t)(to[at] + (rnd(2) ? 1 : 255));
			break;
		}
	}
	if (rnd(2)) {
		if (strcmp(d->name, "modbus") == 0)
			to[4] = (uint8_t)((n - 6) >> 8), to[5] = (uint8_t)(n - 6);
		else if (strcmp(d->name, "opcua") == 0)
			to[4] = (uint8_t)n, to[5] = (uint8_t)(n >> 8), to[6] = to[7] = 0;
		else
			to[2] = (uint8_t)(n >> 8), to[3] = (uint8_t)n;
	}
	return n;
}

struct worst {
	uint64_t cost;
	uint32_t len;
	double share; /* of what a PDU of its length may cost */
};

static double
share(uint64_t c, uint32_t n)
{
	return (double)c / (FIXED + (double)PER_BYTE * n);
}

static void
look(struct worst *w, uint64_t c, uint32_t n)
{
	if (share(c, n) > w->share)
		*w = (struct worst){c, n, share(c, n)};
}

/* tests/work/worst/<proto>-<n>: dir, variant, then the PDU; on an empty state. */
static void
saved(const struct dissector *d, struct dis_sink *sink, struct worst *w)
{
	static uint8_t b[LEN_MAX + 2], none[4096];
	char pattern[128];
	glob_t g;

	snprintf(pattern, sizeof(pattern), "tests/work/worst/%s-*", d->name);
	if (glob(pattern, 0, NULL, &g) != 0)
		return;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		FILE *f = fopen(g.gl_pathv[i], "rb");
		size_t n = f ? fread(b, 1, sizeof(b), f) : 0;
		struct start at = {.state = none};

		if (f)
			fclose(f);
		assert_true(n > 2);
		at.dir = b[0] & 1;
		at.variant = b[1];
		look(w, cost(d, sink, &at, b + 2, (uint32_t)n - 2), (uint32_t)n - 2);
	}
	globfree(&g);
}

static unsigned rounds = ROUNDS;
static const char *keep; /* folder for what a longer climb finds */

static void
climb(const struct dissector *d, struct dis_sink *sink, struct start *pool, unsigned n, struct worst *w)
{
	static uint8_t best[LEN_MAX], next[LEN_MAX];

	for (unsigned r = 0; r < rounds;) {
		const struct start *at = &pool[rnd(n)];
		uint32_t len = at->len, m;
		double height;
		uint64_t c;

		memcpy(best, at->bytes, len);
		height = share(c = cost(d, sink, at, best, len), len);
		look(w, c, len);
		for (unsigned stuck = 0; stuck < 60 && r < rounds; r++, stuck++) {
			m = mutate(d, best, len, next);
			c = cost(d, sink, at, next, m);
			look(w, c, m);
			if (share(c, m) > height) {
				height = share(c, m);
				memcpy(best, next, m);
				len = m;
				stuck = 0;
			}
		}
		if (keep && height >= w->share) {
			char path[512];
			FILE *f;

			snprintf(path, sizeof(path), "%s/%s-%u", keep, d->name, (unsigned)w->cost);
			if ((f = fopen(path, "wb")) != NULL) {
				fputc(at->dir, f);
				fputc(at->variant, f);
				fwrite(best, 1, len, f);
				fclose(f);
			}
		}
	}
}

static void
work_is_bounded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_dissectors; i++) {
		const struct dissector *d = dissectors[i];
		struct start *pool = calloc(PDUS_MAX, sizeof(*pool));
		struct policy *pol = policy_of(d);
		struct dis_sink sink = {.pol = pol, .proto = (uint8_t)i, .bind = bind_of(pol, d->ports[0])};
		struct talk *talk = calloc(1, sizeof(*talk));
		struct worst w = {0};
		char seeds[128];
		unsigned n;

		*talk = (struct talk){.d = d, .sink = {.proto = (uint8_t)i}, .to = pool};
		snprintf(seeds, sizeof(seeds), "tests/fuzz/corpus/dissector/%s-*", d->name);
		(void)from_files(talk, seeds, from_seed);
		n = from_files(talk, "pcaps/*/*.pcap", from_capture);
		free(talk);
		assert_true(n > 0);
		climb(d, &sink, pool, n, &w);
		saved(d, &sink, &w);
		print_message("%-8s %u PDUs to start from; worst: %lu blocks for %u bytes, %.0f %% of the bound\n",
		    d->name, n, (unsigned long)w.cost, w.len, 100 * w.share);
		assert_true(w.len > 0);
		assert_true(w.share <= 1);
		for (unsigned k = 0; k < n; k++) {
			free(pool[k].bytes);
			free(pool[k].state);
		}
		free(pool);
		policy_free(pol);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(work_is_bounded)};

	rng = 0x9e3779b97f4a7c15u;
	if (argc > 1)
		rounds = (unsigned)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		rng ^= strtoull(argv[2], NULL, 10) * 0x2545f4914f6cdd1du;
	keep = argc > 3 ? argv[3] : NULL;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
