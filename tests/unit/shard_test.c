/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shard_test.c - whose frame it is: the same for both directions of every frame of every capture there is, for fragments,
 * tags, IPv6 and quoted packets; as devices hash; and several engines that share a capture so find what one finds.
 */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/decode.h"
#include "dataplane/engine.h"
#include "dataplane/shard.h"

#define FRAME_MAX 70000u
#define FILES_MAX 2000u
#define SEED	  7u

static struct shard ways[3][SHARDS_MAX + 1]; /* mixed, mixed with another seed, as devices */
static uint8_t frame[FRAME_MAX];

static int
setup(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= SHARDS_MAX; n++) {
		shard_init(&ways[0][n], n, SEED, false);
		shard_init(&ways[1][n], n, 0x123456789abcdef, false);
		shard_init(&ways[2][n], n, SEED, true);
	}
	return 0;
}

/* --- one frame and the way back ------------------------------------------------------------------ */

static void
swap(uint8_t *a, uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t was = a[i];

		a[i] = b[i];
		b[i] = was;
	}
}

/* The same frame as its receiver would send it. */
static void
turn(const struct pkt *p, const struct layers *l, struct pkt *back)
{
	size_t len = l->flags & LAYER_V6 ? 16 : 4;

	memcpy(frame, p->bytes, p->caplen);
	*back = *p;
	back->bytes = frame;
	swap(frame + (l->src - p->bytes), frame + (l->dst - p->bytes), len);
	if (l->flags & LAYER_L4)
		swap(frame + l->l4_off, frame + l->l4_off + 2, 2);
}

/* The owner by the addresses alone, of a frame made of nothing else. */
static unsigned
plain_owner(const struct shard *s, const struct layers *l)
{
	uint8_t b[60] = {0};
	const struct pkt p = {.bytes = b, .caplen = 60, .wirelen = 60, .link = LINK_RAW_IP};

	if (l->flags & LAYER_V6) {
		b[0] = 0x60;
		b[5] = 20; /* bytes behind the header, of no protocol */
		b[6] = 59;
		memcpy(b + 8, l->src, 16);
		memcpy(b + 24, l->dst, 16);
	} else {
		b[0] = 0x45;
		b[3] = 40;
		b[9] = 253;
		memcpy(b + 12, l->src, 4);
		memcpy(b + 16, l->dst, 4);
	}
	return shard_of(s, &p);
}

static struct {
	unsigned files, frames, ip, v6, tagged, fragments, icmp_errors, other;
	unsigned of[4]; /* by owner, of four */
} seen;

/* An ICMP error: its owner is that of what it quotes. */
static bool
is_icmp_error(const struct pkt *p, const struct layers *l)
{
	uint8_t type;

	if (l->flags & (LAYER_FRAGMENT | LAYER_L4) || l->pay_len <= 8)
		return false;
	type = p->bytes[l->pay_off];
	return l->flags & LAYER_V6
		   ? l->proto == NET_PROTO_ICMP6 && type >= 1 && type <= 4
		   : l->proto == NET_PROTO_ICMP && (type == 3 || type == 11 || type == 12);
}

static void
look_at(const struct pkt *p)
{
	struct pkt back;
	struct layers l;

	seen.frames++;
	(void)decode(p, &l);
	if (!(l.flags & LAYER_IP)) {
		seen.other++;
		for (unsigned way = 0; way < 3; way++)
			assert_int_equal(shard_of(&ways[way][SHARDS_MAX], p), 0);
		return;
	}
	seen.ip++;
	seen.v6 += (l.flags & LAYER_V6) != 0;
	seen.tagged += l.vlan != 0;
	seen.fragments += (l.flags & LAYER_FRAGMENT) != 0;
	seen.of[shard_of(&ways[0][4], p)]++;
	if (is_icmp_error(p, &l)) {
		seen.icmp_errors++;
		return; /* quoted() below */
	}
	turn(p, &l, &back);
	for (unsigned way = 0; way < 3; way++)
		for (unsigned n = 1; n <= SHARDS_MAX; n += n < 4 ? 1 : 3) {
			unsigned to = shard_of(&ways[way][n], p);

			assert_true(to < n);
			assert_int_equal(to, shard_of(&ways[way][n], &back));
			assert_int_equal(to, plain_owner(&ways[way][n], &l));
		}
}

/* --- all captures -------------------------------------------------------------------------------- */

static char *files[FILES_MAX];
static unsigned n_files;

static int
on_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
	const char *end = strrchr(path, '.');

	(void)st;
	(void)at;
	if (type == FTW_F && end &&
	    (strcmp(end, ".pcap") == 0 || strcmp(end, ".pcapng") == 0 ||
		strcmp(end, ".cap") == 0) &&
	    n_files < FILES_MAX)
		files[n_files++] = strdup(path);
	return 0;
}

static void
find_files(const char *folder)
{
	for (unsigned i = 0; i < n_files; i++)
		free(files[i]);
	n_files = 0;
	(void)nftw(folder, on_file, 20, FTW_PHYS);
}

static void
each_frame(const char *path, void (*fn)(const struct pkt *p))
{
	struct pkt burst[PKT_BURST];
	char err[256];
	struct io *io;
	int n;

	if (io_open(&io, path, NULL, err, sizeof(err)) < 0)
		return;
	while ((n = io->be->rx(io, burst, PKT_BURST)) > 0) {
		for (int i = 0; i < n; i++)
			fn(&burst[i]);
		io->be->done(io, burst, (unsigned)n);
	}
	(void)io->be->close(io);
	seen.files++;
}

static void
both_directions(void **state)
{
	const char *corpus = getenv("CORPUS");

	(void)state;
	find_files("pcaps");
	assert_true(n_files >= 30);
	for (unsigned i = 0; i < n_files; i++)
		each_frame(files[i], look_at);
	assert_true(seen.v6 > 0 && seen.tagged > 0);
	for (unsigned i = 0; i < 4; i++)
		assert_true(seen.of[i] > seen.ip / 20);
	find_files(corpus ? corpus : "../shared/corpus"); /* where it is */
	for (unsigned i = 0; i < n_files; i++)
		each_frame(files[i], look_at);
	print_message(
	    "%u captures, %u frames, %u of IP: %u IPv6, %u tagged, %u fragments, %u ICMP errors\n",
	    seen.files, seen.frames, seen.ip, seen.v6, seen.tagged, seen.fragments,
	    seen.icmp_errors);
}

/* --- made by hand -------------------------------------------------------------------------------- */

static unsigned
bytes_of(const char *hex, uint8_t *to)
{
	unsigned n = 0, v;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		assert_int_equal(sscanf(hex, "%2x", &v), 1);
		to[n++] = (uint8_t)v;
		hex++;
	}
	return n;
}

/* clang-format off */
#define MACS "020000000002 020000000001 "
#define IP(tot, frag, proto, a, b) "4500" tot "0007" frag "40" proto "0000" a b
#define TCP "800001f6 00000009 0000000a 50180100 00000000"
#define H1 "0a000001"
#define H2 "0a000002"
#define R "0a0000fe" /* a router */
#define A6 "20010db8000000000000000000000001"
#define B6 "20010db8000000000000000000000002"
#define R6 "20010db80000000000000000000000fe"
#define X16 "00000000000000000000000000000000"

/* Each has the owner of the first of its kind. */
static const char *const alike4[] = {
    MACS "0800" IP("0028", "0000", "06", H1, H2) TCP,
    MACS "0800" IP("0028", "0000", "06", H2, H1) TCP,
    MACS "8100 0005 0800" IP("0028", "0000", "06", H1, H2) TCP,
    MACS "88a8 0005 8100 0006 0800" IP("0028", "0000", "06", H2, H1) TCP,
    MACS "0800" "46000040 00070000 40060000" H1 H2 "94040000" TCP X16, /* options */
    MACS "0800" IP("0024", "2000", "06", H1, H2) X16,	    /* fragments: the first, ... */
    MACS "0800" IP("0024", "0002", "06", H2, H1) X16,	    /* ... and one without ports */
    MACS "0800" IP("0024", "0000", "11", H1, H2) "800001f600100000 0000000000000000",
    MACS "0800" IP("0024", "0000", "01", H1, H2) "0800000000000000" "0000000000000000", /* echo */
    MACS "0800" IP("0038", "0000", "01", R, H1) "0301000000000000" IP("0028", "0000", "06", H1, H2) "800001f600000009",
    MACS "0800" IP("0038", "0000", "01", R, H2) "0b00000000000000" IP("0028", "0000", "11", H2, H1) "01f6800000080000",
    MACS "8100 0005 0800" IP("0038", "0000", "01", H2, H1) "0303000000000000" IP("0028", "0000", "06", H1, H2) "800001f600000009",
    MACS "0800" IP("0010", "0000", "06", H1, H2) TCP, /* a length that cannot be: dropped by its owner */
};
static const char *const alike6[] = {
    MACS "86dd" "60000000 0014 06 40" A6 B6 TCP,
    MACS "86dd" "60000000 0014 06 40" B6 A6 TCP,
    MACS "8100 0005 86dd" "60000000 0014 06 40" A6 B6 TCP,
    MACS "86dd" "60000000 001c 00 40" A6 B6 "0600010400000000" TCP,	  /* hop by hop */
    MACS "86dd" "60000000 0018 2c 40" A6 B6 "0600000100000001" X16,	  /* a fragment */
    MACS "86dd" "60000000 0018 2c 40" B6 A6 "0600001000000001" X16,	  /* another */
    MACS "86dd" "60000000 0038 3a 40" R6 A6 "0100000000000000" "60000000 0014 06 40" A6 B6 "800001f600000009",
};
/* These are worker 0's. */
static const char *const nobodys[] = {
    MACS "0806 0001080006040001 020000000001" H1 "000000000000" H2,
    MACS "88cc 0207", MACS "0026 424203 0000000000", MACS "8100 00", "", MACS,
    MACS "0800 4500", MACS "86dd 6000",
};
/* clang-format on */

static unsigned
owner_of(const struct shard *s, const char *hex)
{
	uint8_t b[256];
	struct pkt p = {.bytes = b, .link = LINK_ETHERNET};

	p.caplen = p.wirelen = bytes_of(hex, b);
	return shard_of(s, &p);
}

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void
by_hand(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 3; way++) {
		const struct shard *s = &ways[way][SHARDS_MAX];

		for (unsigned i = 0; i < N(alike4); i++)
			assert_int_equal(owner_of(s, alike4[i]), owner_of(s, alike4[0]));
		for (unsigned i = 0; i < N(alike6); i++)
			assert_int_equal(owner_of(s, alike6[i]), owner_of(s, alike6[0]));
		for (unsigned i = 0; i < N(nobodys); i++)
			assert_int_equal(owner_of(s, nobodys[i]), 0);
	}
}

/* Nobody's share of 10 000 pairs of a plant is a quarter more or less than it should be. */
static void
even(void **state)
{
	(void)state;
	for (unsigned n = 2; n <= SHARDS_MAX; n++) {
		unsigned of[SHARDS_MAX] = {0};
		uint8_t b[60] = {0x45, 0, 0, 40};
		const struct pkt p = {.bytes = b, .caplen = 60, .wirelen = 60, .link = LINK_RAW_IP};

		b[9] = 253;
		for (unsigned i = 0; i < 10000; i++) {
			const uint8_t pair[8] = {10, 1, (uint8_t)(i / 100), 5, 10, 2,
			    (uint8_t)(i / 100), (uint8_t)(10 + i % 100)};

			memcpy(b + 12, pair, 8);
			of[shard_of(&ways[0][n], &p)]++;
		}
		for (unsigned i = 0; i < n; i++)
			assert_in_range(of[i], 7500 / n, 12500 / n);
	}
}

/* --- as devices hash ----------------------------------------------------------------------------- */

/* Microsoft, "Verifying the RSS hash calculation": for each bit of the input that is set, 32 bits of the key from there. */
static uint32_t
rss(const uint8_t *key, const uint8_t *in, unsigned len)
{
	uint32_t h = 0;

	for (unsigned bit = 0; bit < len * 8; bit++) {
		uint32_t window = 0;

		if (!(in[bit / 8] & 0x80 >> bit % 8))
			continue;
		for (unsigned i = 0; i < 32; i++)
			window = window << 1 | (key[(bit + i) / 8] >> (7 - (bit + i) % 8) & 1);
		h ^= window;
	}
	return h;
}

static void
as_devices(void **state)
{
	static const uint8_t published[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41,
	    0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30,
	    0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe,
	    0xac, 0x01, 0xfa};
	static const uint8_t v4[8] = {66, 9, 149, 187, 161, 142, 100, 80};
	uint64_t random = 1;
	uint8_t key[40], in[32];

	(void)state;
	assert_int_equal(rss(published, v4, 8), 0x323e8fc2); /* so this is that hash */
	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = SHARD_KEY_BYTE(i);
	for (unsigned round = 0; round < 2000; round++) {
		unsigned len = round & 1 ? 16 : 4;

		for (unsigned i = 0; i < 2 * len; i++)
			in[i] = (uint8_t)(random = hash_mum(random + i, 0x9e3779b97f4a7c15));
		assert_int_equal(
		    shard_toeplitz(&ways[2][2], in, in + len, len), rss(key, in, 2 * len));
		assert_int_equal(shard_toeplitz(&ways[2][2], in + len, in, len),
		    shard_toeplitz(&ways[2][2], in, in + len, len));
	}
	/* a table of any size that is a multiple of ours says the same */
	for (uint32_t h = 0; h < 5000; h++)
		for (unsigned n = 1; n <= SHARDS_MAX; n++)
			assert_int_equal(SHARD_ENTRY(h & 511, n), SHARD_ENTRY(h, n));
}

/* --- several engines find what one finds ----------------------------------------------------------- */

#define ENGINES 3u

static struct engine *one, *several[ENGINES];

static void
judge(const struct pkt *p)
{
	struct pkt a = *p, b = *p;

	engine_tick(one, p->ts_ns);
	for (unsigned i = 0; i < ENGINES; i++)
		engine_tick(several[i], p->ts_ns); /* a guard's have one clock */
	engine_burst(one, &a, 1);
	engine_burst(several[shard_of(&ways[0][ENGINES], p)], &b, 1);
	assert_int_equal(a.fate, b.fate);
	assert_int_equal(a.reason, b.reason);
}

static void
same_findings(void **state)
{
	static const struct {
		const char *name;
		size_t at;
	} what[] = {
#define SUM(x) {#x, offsetof(struct engine_stats, x)}
	    SUM(received), SUM(forwarded), SUM(bytes), SUM(pdus), SUM(requests), SUM(responses),
	    SUM(exceptions), SUM(malformed), SUM(flows), SUM(overlap_differs), SUM(retransmitted),
	    SUM(out_of_order), SUM(gaps), SUM(midstream)};
	const struct engine_conf conf = {.memory_bytes = 8u << 20, .seed = 3};
	uint64_t pdus = 0;

	(void)state;
	find_files("pcaps");
	for (unsigned i = 0; i < n_files; i++) {
		const struct engine_stats *st[ENGINES];

		assert_non_null(one = engine_new(&conf));
		for (unsigned k = 0; k < ENGINES; k++)
			assert_non_null(several[k] = engine_new(&conf));
		each_frame(files[i], judge);
		engine_finish(one);
		for (unsigned k = 0; k < ENGINES; k++) {
			engine_finish(several[k]);
			st[k] = engine_stats(several[k]);
			assert_true(engine_balanced(st[k]));
		}
		for (unsigned w = 0; w < N(what); w++) {
			uint64_t want, sum = 0, v;

			memcpy(&want, (const char *)engine_stats(one) + what[w].at, sizeof(want));
			for (unsigned k = 0; k < ENGINES; k++) {
				memcpy(&v, (const char *)st[k] + what[w].at, sizeof(v));
				sum += v;
			}
			if (sum != want)
				fail_msg("%s: %s: %llu, not %llu", files[i], what[w].name,
				    (unsigned long long)sum, (unsigned long long)want);
		}
		pdus += engine_stats(one)->pdus;
		engine_free(one);
		for (unsigned k = 0; k < ENGINES; k++)
			engine_free(several[k]);
	}
	assert_true(pdus > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(by_hand),
	    cmocka_unit_test(even),
	    cmocka_unit_test(as_devices),
	    cmocka_unit_test(both_directions),
	    cmocka_unit_test(same_findings),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
