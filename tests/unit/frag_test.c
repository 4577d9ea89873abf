/* SPDX-License-Identifier: Apache-2.0 */
/* frag_test.c - reassembly: order, duplicates, every kind of lie, limits, age. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/frag.h"
#include "tests/unit/guard.h"

#define S UINT64_C(1000000000)

/* One fragment of a datagram of src -> dst; the knobs a case may turn. */
struct piece {
	uint32_t id;
	uint16_t vlan;
	uint8_t proto, port, host; /* host: last byte of the source address */
	bool v6, more, hbh;
	uint32_t off, len; /* bytes */
};

static uint8_t payload[70000]; /* of every datagram: a UDP or TCP header first */
static uint8_t frame[70000];
static struct guard guard;

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static int
setup(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 31 + i / 256);
	guard = guard_new(sizeof(frame));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	guard_free(&guard);
	return 0;
}

/* A UDP header that promises total bytes, or a TCP header of 20. */
static void
make_payload(uint8_t proto, uint32_t total)
{
	put16(payload, 40000);
	put16(payload + 2, 502);
	if (proto == 17)
		put16(payload + 4, total);
	else
		payload[12] = 0x50;
}

static enum frag_result
put(struct frag_table *t, const struct piece *pc, uint64_t now, const uint8_t **ip, uint32_t *len,
    enum drop_reason *why)
{
	uint8_t *h = frame + 18;
	uint32_t ext = pc->hbh ? 8 : 0, head = pc->v6 ? 48 + ext : 20;
	struct pkt p = {.port = pc->port};
	struct layers l;

	memset(frame, 0, 18 + head);
	put16(frame + 12, 0x8100);
	put16(frame + 14, pc->vlan);
	put16(frame + 16, pc->v6 ? 0x86dd : 0x0800);
	if (pc->v6) {
		h[0] = 0x60;
		put16(h + 4, 8 + ext + pc->len);
		h[6] = pc->hbh ? 0 : 44;
		h[23] = pc->host;
		if (pc->hbh)
			h[40] = 44;
		h[40 + ext] = pc->proto;
		put16(h + 42 + ext, pc->off | pc->more);
		put16(h + 46 + ext, pc->id);
	} else {
		h[0] = 0x45;
		put16(h + 2, 20 + pc->len);
		put16(h + 4, pc->id);
		put16(h + 6, pc->off / 8 | (pc->more ? 0x2000u : 0));
		h[9] = pc->proto;
		h[15] = pc->host;
	}
	memcpy(h + head, payload + pc->off, pc->len);
	p.caplen = p.wirelen = 18 + head + pc->len;
	p.bytes = guard_put(&guard, frame, p.caplen);
	assert_int_equal(decode(&p, &l), DROP_NONE);
	assert_true(l.flags & LAYER_FRAGMENT);
	*why = DROP_NONE;
	return frag_put(t, &p, &l, now, ip, len, why);
}

/* The datagram is `total` bytes of payload behind the header a host would see. */
static void
check_whole(const uint8_t *ip, uint32_t len, bool v6, uint8_t proto, uint32_t total)
{
	struct pkt p = {.bytes = ip, .caplen = len, .wirelen = len, .link = LINK_RAW_IP};
	struct layers l;

	assert_int_equal(decode_ip(ip, len, v6, &l), DROP_NONE);
	assert_int_equal(l.proto, proto);
	assert_int_equal(l.l3_end, len);
	assert_int_equal(len - l.l4_off, total);
	assert_true(decode_ip_checksum_ok(&p, &l));
	assert_memory_equal(ip + l.l4_off, payload, total);
}

struct step {
	struct piece pc;
	enum frag_result want;
	enum drop_reason why;
	unsigned held; /* after it */
};

static void
run(const struct step *steps, unsigned n, unsigned datagrams, uint8_t proto, uint32_t total)
{
	struct frag_table *t = frag_new(datagrams, 7);

	assert_non_null(t);
	make_payload(proto, total);
	for (unsigned i = 0; i < n; i++) {
		const struct step *s = &steps[i];
		enum drop_reason why;
		const uint8_t *ip;
		enum frag_result r;
		uint32_t len;

		r = put(t, &s->pc, S, &ip, &len, &why);
		if (r != s->want || why != s->why || frag_held(t) != s->held)
			fail_msg("step %u: result %d reason %s held %u", i, (int)r, drop_name(why),
			    frag_held(t));
		if (r == FRAG_WHOLE)
			check_whole(ip, len, s->pc.v6, proto, total);
	}
	frag_free(t);
}
#define RUN(steps, datagrams, proto, total)                                                        \
	run(steps, sizeof(steps) / sizeof((steps)[0]), datagrams, proto, total)

#define P(o, n, m) .proto = 17, .off = (o), .len = (n), .more = (m)
#define WAIT(h)	   FRAG_WAIT, DROP_NONE, h
#define WHOLE(h)   FRAG_WHOLE, DROP_NONE, h
#define DROP(r, h) FRAG_DROP, DROP_##r, h

static void
test_order(void **state)
{
	static const struct step forward[] = {
	    {{P(0, 24, 1)}, WAIT(1)},
	    {{P(24, 16, 1)}, WAIT(2)},
	    {{P(40, 5, 0)}, WHOLE(0)},
	};
	static const struct step backward[] = {
	    {{P(40, 5, 0)}, WAIT(1)}, {{P(24, 16, 1)}, WAIT(2)}, {{P(0, 24, 1)}, WHOLE(0)},
	    {{P(0, 24, 1)}, WAIT(1)}, /* the next datagram of that id begins anew */
	};
	static const struct step six[] = {
	    {{P(24, 21, 0), .v6 = true, .hbh = true}, WAIT(1)},
	    {{P(0, 24, 1), .v6 = true, .hbh = true}, WHOLE(0)},
	};

	(void)state;
	RUN(forward, 1, 17, 45);
	RUN(backward, 1, 17, 45);
	RUN(six, 1, 17, 45);
}

static void
test_duplicates(void **state)
{
	static const struct step steps[] = {
	    {{P(0, 24, 1)}, WAIT(1)},
	    {{P(0, 24, 1)}, WAIT(1)},
	    {{P(40, 5, 0)}, WAIT(2)},
	    {{P(40, 5, 0)}, WAIT(2)},
	    {{P(24, 16, 1)}, WHOLE(0)},
	};

	(void)state;
	RUN(steps, 1, 17, 45);
}

/* Overlap of every kind ends the datagram, and what still comes of it. */
static void
test_overlap(void **state)
{
	static const struct step covers[] = {
	    {{P(0, 24, 1)}, WAIT(1)},
	    {{P(16, 16, 1)}, DROP(FRAG_OVERLAP, 0)},
	    {{P(24, 21, 0)}, DROP(FRAG_OVERLAP, 0)},
	    {{P(0, 24, 1)}, DROP(FRAG_OVERLAP, 0)},
	};
	static const struct step inside[] = {
	    {{P(0, 40, 1)}, WAIT(1)},
	    {{P(8, 8, 1)}, DROP(FRAG_OVERLAP, 0)},
	};
	static const struct step shorter[] = {
	    /* same start */
	    {{P(0, 40, 1)}, WAIT(1)},
	    {{P(0, 32, 1)}, DROP(FRAG_OVERLAP, 0)},
	};
	static const struct step longer[] = {
	    {{P(0, 32, 1)}, WAIT(1)},
	    {{P(0, 40, 1)}, DROP(FRAG_OVERLAP, 0)},
	};
	static const struct step spans[] = {
	    /* two with one */
	    {{P(0, 24, 1)}, WAIT(1)},
	    {{P(24, 8, 1)}, WAIT(2)},
	    {{P(0, 32, 1)}, DROP(FRAG_OVERLAP, 0)},
	};
	static const struct step last_len[] = {
	    /* within the last block */
	    {{P(24, 5, 0)}, WAIT(1)},
	    {{P(24, 6, 0)}, DROP(FRAG_OVERLAP, 0)},
	};
	static const struct step last_more[] = {
	    /* the same bytes, but not the last */
	    {{P(24, 8, 0)}, WAIT(1)},
	    {{P(24, 8, 1)}, DROP(FRAG_OVERLAP, 0)},
	};
	static const struct step two_ends[] = {
	    {{P(24, 8, 0)}, WAIT(1)},
	    {{P(40, 8, 0)}, DROP(FRAG_OVERLAP, 0)},
	};
	static const struct step beyond[] = {
	    {{P(24, 8, 0)}, WAIT(1)},
	    {{P(48, 8, 1)}, DROP(FRAG_OVERLAP, 0)},
	};
	static const struct step before[] = {
	    /* an end in front of data */
	    {{P(48, 8, 1)}, WAIT(1)},
	    {{P(24, 8, 0)}, DROP(FRAG_OVERLAP, 0)},
	};

	(void)state;
	RUN(covers, 2, 17, 45);
	RUN(inside, 2, 17, 45);
	RUN(shorter, 2, 17, 45);
	RUN(longer, 2, 17, 45);
	RUN(spans, 2, 17, 45);
	RUN(last_len, 2, 17, 45);
	RUN(last_more, 2, 17, 45);
	RUN(two_ends, 2, 17, 45);
	RUN(beyond, 2, 17, 45);
	RUN(before, 2, 17, 45);
}

/* The same borders with other bytes are an overlap, not a duplicate. */
static void
test_other_bytes(void **state)
{
	const struct piece pc = {P(0, 24, 1)};
	struct frag_table *t = frag_new(1, 7);
	enum drop_reason why;
	const uint8_t *ip;
	uint32_t len;

	(void)state;
	make_payload(17, 45);
	assert_int_equal(put(t, &pc, S, &ip, &len, &why), FRAG_WAIT);
	payload[23] ^= 1;
	assert_int_equal(put(t, &pc, S, &ip, &len, &why), FRAG_DROP);
	payload[23] ^= 1;
	assert_int_equal(why, DROP_FRAG_OVERLAP);
	frag_free(t);
}

/* A first fragment must hold the transport header; later ones at least a byte. */
static void
test_tiny(void **state)
{
	static const struct step tcp16[] = {
	    {{.proto = 6, .len = 16, .more = true}, DROP(FRAG_TINY, 0)},
	    {{.proto = 6, .off = 16, .len = 29}, DROP(FRAG_TINY, 0)},
	};
	static const struct step tcp24[] = {
	    {{.proto = 6, .len = 24, .more = true}, WAIT(1)},
	    {{.proto = 6, .off = 24, .len = 21}, WHOLE(0)},
	};
	static const struct step udp8[] = {
	    {{.proto = 17, .len = 8, .more = true}, WAIT(1)},
	    {{.proto = 17, .off = 8, .len = 37}, WHOLE(0)},
	};
	static const struct step six[] = {
	    {{.proto = 6, .len = 16, .more = true, .v6 = true}, DROP(FRAG_TINY, 0)},
	};
	static const struct step empty[] = {
	    {{P(24, 0, 1)}, DROP(FRAG_TINY, 0)},
	};
	static const struct step uneven[] = {
	    {{P(24, 9, 1)}, DROP(IP_HEADER, 0)},
	};

	(void)state;
	RUN(tcp16, 1, 6, 45);
	RUN(tcp24, 1, 6, 45);
	RUN(udp8, 1, 17, 45);
	RUN(six, 1, 6, 45);
	RUN(empty, 1, 17, 45);
	RUN(uneven, 1, 17, 45);
}

/* RFC 7112: all headers are in the first fragment; here a destination option
 * (60) of 8 bytes leaves no room for TCP. */
static void
test_tiny_chain(void **state)
{
	const struct piece pc = {.proto = 60, .len = 16, .more = true, .v6 = true};
	struct frag_table *t = frag_new(1, 7);
	enum drop_reason why;
	const uint8_t *ip;
	uint32_t len;

	(void)state;
	payload[0] = 6; /* next header */
	payload[1] = 0; /* length: 8 bytes */
	assert_int_equal(put(t, &pc, S, &ip, &len, &why), FRAG_DROP);
	assert_int_equal(why, DROP_FRAG_TINY);
	frag_free(t);
}

static void
test_too_big(void **state)
{
	static const struct step ping_of_death[] = {
	    {{P(0, 24, 1)}, WAIT(1)},
	    {{P(65528, 8, 0)}, DROP(FRAG_TOO_BIG, 0)},
	    {{P(24, 8, 1)}, DROP(FRAG_TOO_BIG, 0)},
	};
	static const struct step v4_limit[] = {
	    /* 20 + 65515 */
	    {{P(65512, 3, 0)}, WAIT(1)},
	};
	static const struct step v4_over[] = {
	    {{P(65512, 4, 0)}, DROP(FRAG_TOO_BIG, 0)},
	};
	static const struct step v6_limit[] = {
	    /* the IPv6 header does not count */
	    {{P(65528, 7, 0), .v6 = true}, WAIT(1)},
	};
	static const struct step v6_head[] = {
	    /* but its extensions do */
	    {{P(65528, 7, 0), .v6 = true, .hbh = true}, DROP(FRAG_TOO_BIG, 0)},
	};
	static const struct step v6_late[] = {
	    /* also when only the first fragment has them */
	    {{P(65528, 7, 0), .v6 = true}, WAIT(1)},
	    {{P(0, 24, 1), .v6 = true, .hbh = true}, DROP(FRAG_TOO_BIG, 0)},
	};

	(void)state;
	RUN(ping_of_death, 1, 17, 45);
	RUN(v4_limit, 1, 17, 45);
	RUN(v4_over, 1, 17, 45);
	RUN(v6_limit, 1, 17, 45);
	RUN(v6_head, 1, 17, 45);
	RUN(v6_late, 1, 17, 45);
}

/* The greatest datagrams there are. */
static void
test_greatest(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		uint32_t total = v6 ? 65535 : 65515;
		struct frag_table *t = frag_new(1, 7);
		enum frag_result r = FRAG_WAIT;
		enum drop_reason why;
		const uint8_t *ip;
		uint32_t len;

		make_payload(17, total);
		for (uint32_t off = 0; off < total; off += 1480) {
			struct piece pc = {.proto = 17,
			    .v6 = v6 != 0,
			    .off = off,
			    .len = total - off < 1480 ? total - off : 1480,
			    .more = total - off > 1480};

			assert_int_equal(r, FRAG_WAIT);
			r = put(t, &pc, S, &ip, &len, &why);
		}
		assert_int_equal(r, FRAG_WHOLE);
		check_whole(ip, len, v6 != 0, 17, total);
		frag_free(t);
	}
}

/* Fragments of different datagrams never meet. */
static void
test_keys(void **state)
{
	static const struct piece others[] = {
	    {P(24, 21, 0), .id = 1},
	    {P(24, 21, 0), .vlan = 5},
	    {P(24, 21, 0), .port = 1},
	    {P(24, 21, 0), .host = 9},
	    {P(24, 21, 0), .v6 = true},
	    {.proto = 6, .off = 24, .len = 21},
	};
	const struct piece first = {P(0, 24, 1)}, last = {P(24, 21, 0)};
	struct frag_table *t = frag_new(8, 7);
	enum drop_reason why;
	const uint8_t *ip;
	uint32_t len;

	(void)state;
	make_payload(17, 45);
	assert_int_equal(put(t, &first, S, &ip, &len, &why), FRAG_WAIT);
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(put(t, &others[i], S, &ip, &len, &why), FRAG_WAIT);
	assert_int_equal(frag_held(t), 7);
	assert_int_equal(put(t, &last, S, &ip, &len, &why), FRAG_WHOLE);
	check_whole(ip, len, false, 17, 45);
	assert_int_equal(frag_held(t), 6);
	frag_free(t);
}

/* IPv6: only the first fragment's next header counts ([8200] 4.5). */
static void
test_next_header(void **state)
{
	static const struct step steps[] = {
	    {{.proto = 17, .len = 24, .more = true, .v6 = true}, WAIT(1)},
	    {{.proto = 6, .off = 24, .len = 21, .v6 = true}, WHOLE(0)},
	};
	struct frag_table *t = frag_new(1, 7);
	enum drop_reason why;
	const uint8_t *ip;
	uint32_t len;

	(void)state;
	make_payload(17, 45);
	assert_int_equal(put(t, &steps[0].pc, S, &ip, &len, &why), FRAG_WAIT);
	assert_int_equal(put(t, &steps[1].pc, S, &ip, &len, &why), FRAG_WHOLE);
	check_whole(ip, len, true, 17, 45);
	frag_free(t);
}

static void
test_full(void **state)
{
	static const struct step steps[] = {
	    {{P(0, 24, 1), .id = 1}, WAIT(1)},
	    {{P(0, 24, 1), .id = 2}, WAIT(2)},
	    {{P(0, 24, 1), .id = 3}, DROP(FRAG_FULL, 2)},
	    {{P(24, 21, 0), .id = 1}, WHOLE(1)},
	    {{P(0, 24, 1), .id = 3}, WAIT(2)},
	    /* one that was given up makes room */
	    {{P(8, 24, 1), .id = 3}, DROP(FRAG_OVERLAP, 1)},
	    {{P(24, 24, 1), .id = 3}, DROP(FRAG_OVERLAP, 1)},
	    {{P(0, 24, 1), .id = 4}, WAIT(2)},
	};
	struct frag_table *none = frag_new(0, 7);
	const struct piece pc = {P(0, 24, 1)};
	enum drop_reason why;
	const uint8_t *ip;
	uint32_t len;

	(void)state;
	RUN(steps, 2, 17, 45);
	assert_non_null(none);
	assert_int_equal(put(none, &pc, S, &ip, &len, &why), FRAG_DROP);
	assert_int_equal(why, DROP_FRAG_FULL);
	frag_free(none);
	frag_free(NULL);
}

static void
test_age(void **state)
{
	const struct piece a = {P(0, 24, 1), .id = 1}, b = {P(0, 24, 1), .id = 2};
	const struct piece a2 = {P(24, 21, 0), .id = 1}, b2 = {P(24, 21, 0), .id = 2};
	struct frag_table *t = frag_new(4, 7);
	uint64_t t0 = 1000 * S;
	enum drop_reason why;
	const uint8_t *ip;
	unsigned frags;
	uint32_t len;

	(void)state;
	make_payload(17, 45);
	assert_int_equal(frag_expire(t, t0, &frags), 0);
	assert_int_equal(put(t, &a, t0, &ip, &len, &why), FRAG_WAIT);
	assert_int_equal(put(t, &b, t0 + 20 * S, &ip, &len, &why), FRAG_WAIT);
	assert_int_equal(frag_expire(t, t0 + FRAG_TIMEOUT_NS, &frags), 0);
	assert_int_equal(frag_expire(t, t0 + FRAG_TIMEOUT_NS + 1, &frags), 1);
	assert_int_equal(frags, 1);
	assert_int_equal(frag_held(t), 1);
	/* the rest of a comes too late; b is still good */
	assert_int_equal(put(t, &a2, t0 + 40 * S, &ip, &len, &why), FRAG_WAIT);
	assert_int_equal(put(t, &b2, t0 + 40 * S, &ip, &len, &why), FRAG_WHOLE);
	/* frag_put() notices age too, and frag_expire() tells of it */
	assert_int_equal(put(t, &b, t0 + 90 * S, &ip, &len, &why), FRAG_WAIT);
	assert_int_equal(frag_held(t), 1);
	assert_int_equal(frag_expire(t, t0 + 90 * S, &frags), 1);
	assert_int_equal(frags, 1);
	/* a little disorder is no age, a clock that was set back is */
	assert_int_equal(frag_expire(t, t0 + 65 * S, &frags), 0);
	assert_int_equal(frag_expire(t, t0, &frags), 1);
	assert_int_equal(frag_held(t), 0);
	/* a datagram that was given up is forgotten after its time, and not counted again */
	assert_int_equal(put(t, &a, t0, &ip, &len, &why), FRAG_WAIT);
	assert_int_equal(
	    put(t, &(const struct piece){P(8, 24, 1), .id = 1}, t0, &ip, &len, &why), FRAG_DROP);
	assert_int_equal(frag_expire(t, t0 + 31 * S, &frags), 0);
	assert_int_equal(put(t, &a, t0 + 31 * S, &ip, &len, &why), FRAG_WAIT);
	frag_free(t);
}

/* A capture that cut a fragment cannot give the datagram. */
static void
test_cut(void **state)
{
	struct frag_table *t = frag_new(1, 7);
	struct pkt p = {.bytes = frame, .caplen = 18 + 20 + 20, .wirelen = 18 + 20 + 24};
	const struct piece pc = {P(0, 24, 1)};
	enum drop_reason why;
	const uint8_t *ip;
	struct layers l;
	uint32_t len;

	(void)state;
	make_payload(17, 45);
	(void)put(t, &pc, S, &ip, &len, &why); /* leaves its bytes in frame */
	assert_int_equal(decode(&p, &l), DROP_NONE);
	assert_int_equal(frag_put(t, &p, &l, S, &ip, &len, &why), FRAG_DROP);
	assert_int_equal(why, DROP_CAP_TRUNCATED);
	assert_int_equal(frag_held(t), 1);
	frag_free(t);
}

static uint32_t rnd = 2463534242;

static uint32_t
next_random(uint32_t n)
{
	rnd ^= rnd << 13;
	rnd ^= rnd >> 17;
	rnd ^= rnd << 5;
	return rnd % n;
}

/* Random cuts in random order, with duplicates, always give the datagram back. */
static void
test_random(void **state)
{
	struct frag_table *t = frag_new(2, 7);

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		uint32_t total = 24 + next_random(3000), off = 0;
		bool v6 = next_random(2) != 0, hbh = next_random(2) != 0;
		struct piece pcs[400];
		enum frag_result r = FRAG_WAIT;
		enum drop_reason why;
		const uint8_t *ip = NULL;
		unsigned n = 0;
		uint32_t len = 0;

		make_payload(17, total);
		while (off < total) {
			uint32_t want = (1 + next_random(60)) * 8;

			if (off == 0 && total <= want)
				want = 16; /* at least two */
			if (want > total - off)
				want = total - off;
			pcs[n++] = (struct piece){.proto = 17,
			    .id = round,
			    .v6 = v6,
			    .hbh = hbh,
			    .off = off,
			    .len = want,
			    .more = off + want < total};
			off += want;
		}
		for (unsigned i = n; i > 1; i--) {
			unsigned k = next_random(i);
			struct piece swap = pcs[k];

			pcs[k] = pcs[i - 1];
			pcs[i - 1] = swap;
		}
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(r, FRAG_WAIT);
			if (i > 0 && next_random(4) == 0)
				assert_int_equal(
				    put(t, &pcs[next_random(i)], S, &ip, &len, &why), FRAG_WAIT);
			r = put(t, &pcs[i], S, &ip, &len, &why);
		}
		if (r != FRAG_WHOLE)
			fail_msg("round %u: %s", round, drop_name(why));
		check_whole(ip, len, v6, 17, total);
		assert_int_equal(frag_held(t), 0);
	}
	assert_true(frag_bytes(t) > 2 * 65535);
	frag_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_duplicates),
	    cmocka_unit_test(test_overlap),
	    cmocka_unit_test(test_other_bytes),
	    cmocka_unit_test(test_tiny),
	    cmocka_unit_test(test_tiny_chain),
	    cmocka_unit_test(test_too_big),
	    cmocka_unit_test(test_greatest),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_next_header),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_age),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
