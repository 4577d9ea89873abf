/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_frag.c - a sequence of fragments into a table of three.  Each record:
 *
 *   0: bit 0 IPv6, bits 1-2 id, bit 3 more, bit 4 other content, bit 5 time passes,
 *      bit 6 a destination option (IPv6) in front of the fragment header
 *   1, 2: offset in blocks, big endian   3: length of the data
 *
 * The data are a function of the offset, so that a datagram that becomes whole
 * can be checked byte by byte; "other content" is another function, and a
 * datagram must never mix what overlaps.
 */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/cur.h"
#include "dataplane/frag.h"

#define DATAGRAMS 3
#define RECORDS	  64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Byte at `off` of a datagram of UDP that is long enough to be whole at any length. */
static uint8_t
content(unsigned off, bool other)
{
	if (off < 8) /* ports; a length of eight suits every datagram */
		return off == 5 ? 8 : off < 4;
	return (uint8_t)(off * 7 + (other ? 100 : 0));
}

static struct pkt
build(uint8_t *frame, uint8_t op, unsigned off, unsigned len)
{
	bool v6 = (op & 1) != 0, more = (op & 8) != 0, opt = v6 && (op & 64) != 0;
	unsigned ext = opt ? 8 : 0, head = v6 ? 48 + ext : 20;
	uint8_t *h = frame;

	memset(frame, 0, head);
	if (v6) {
		uint8_t *f = h + 40 + ext;

		h[0] = 0x60;
		put16(h + 4, 8 + ext + len);
		h[6] = opt ? 60 : 44;
		h[40] =
		    44; /* the option's next header; the fragment header's, when there is none */
		f[0] = 17;
		put16(f + 2, (off * 8 & 0xfff8) | more);
		f[7] = op >> 1 & 3;
	} else {
		h[0] = 0x45;
		put16(h + 2, 20 + len);
		put16(h + 4, op >> 1 & 3);
		put16(h + 6, (off & 0x1fff) | (more ? 0x2000u : 0));
		h[9] = 17;
	}
	for (unsigned i = 0; i < len; i++)
		h[head + i] = content((off & 0x1fff) * 8 + i, (op & 16) != 0);
	return (struct pkt){
	    .bytes = frame, .caplen = head + len, .wirelen = head + len, .link = LINK_RAW_IP};
}

static void
check_whole(const uint8_t *ip, uint32_t len)
{
	bool v6 = ip[0] >> 4 == 6;
	struct pkt p = {.bytes = ip, .caplen = len, .wirelen = len, .link = LINK_RAW_IP};
	struct layers l;

	assert(decode_ip(ip, len, v6, &l) == DROP_NONE);
	assert(l.flags & LAYER_L4 && l.proto == 17 && !(l.flags & LAYER_CUT));
	assert(l.l3_end == len);
	assert(decode_ip_checksum_ok(&p, &l));
	for (uint32_t i = 8; i < len - l.l4_off; i++) {
		uint8_t b = ip[l.l4_off + i];

		assert(b == content(i, false) || b == content(i, true));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_make(data, size);
	struct frag_table *t = frag_new(DATAGRAMS, 1);
	uint64_t now = 1000;
	uint8_t frame[512];

	assert(t);
	for (unsigned n = 0; n < RECORDS && cur_left(&c) >= 4; n++) {
		uint8_t op = cur_u8(&c);
		unsigned off = cur_be16(&c), len = cur_u8(&c), before, gone = 0;
		struct pkt p = build(frame, op, off, len);
		enum drop_reason why = DROP_NONE;
		const uint8_t *ip = NULL;
		struct layers l;
		uint32_t whole = 0;

		if (op & 32)
			now += FRAG_TIMEOUT_NS / 2;
		before = frag_held(t);
		(void)frag_expire(t, now, &gone);
		assert(frag_held(t) == before - gone);
		if (decode(&p, &l) != DROP_NONE || !(l.flags & LAYER_FRAGMENT))
			continue;
		before = frag_held(t);
		switch (frag_put(t, &p, &l, now, &ip, &whole, &why)) {
		case FRAG_WAIT:
			assert(frag_held(t) == before || frag_held(t) == before + 1);
			break;
		case FRAG_WHOLE:
			assert(frag_held(t) < before);
			check_whole(ip, whole);
			break;
		case FRAG_DROP:
			assert(why != DROP_NONE && frag_held(t) <= before);
			break;
		}
		assert(frag_held(t) <= RECORDS);
	}
	frag_free(t);
	return 0;
}
