/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture.c - the suite without namespaces: frames of a run through an open bridge are kept as a
 * pcap, `interlock replay --inline --write` says which of them a guard would have let out, and
 * here they are put together as the victim would.
 *
 * The frames answer each other as they did then, so what a sender does only because something
 * was dropped is not in them: a twin that needs it is not seen to arrive.  Overlaps are resolved both
 * ways (first, last); evil has leaked when either way shows a completed forbidden PDU.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/evasion/evade.h"

#define SPAN 80000u /* bytes of a stream */

enum { SYN = 2, RST = 4, ACK = 16 };

/* One connection, from its SYN on; a datagram is a connection of its own. */
struct stream {
	struct stream *next;
	struct play *play;
	uint16_t sport;
	uint32_t isn, end;
	uint8_t have[SPAN], first[SPAN], last[SPAN];
};

static struct stream *streams; /* newest first */

void
capture_begin(const char *path)
{
	static const uint32_t head[6] = {
	    0xa1b23c4d, 4u << 16 | 2u, 0, 0, 262144, 1}; /* ns, Ethernet */

	w.pcap = fopen(path, "wb");
	if (!w.pcap || fwrite(head, sizeof(head), 1, w.pcap) != 1)
		die("%s: cannot be written", path);
}

void
capture_frame(const uint8_t *b, uint32_t n)
{
	struct timespec t;
	uint32_t head[4];

	if (!w.pcap)
		return;
	clock_gettime(CLOCK_REALTIME, &t);
	head[0] = (uint32_t)t.tv_sec;
	head[1] = (uint32_t)t.tv_nsec;
	head[2] = head[3] = n;
	if (fwrite(head, sizeof(head), 1, w.pcap) != 1 || fwrite(b, n, 1, w.pcap) != 1)
		die("the capture cannot be written");
}

/* --- as the victim takes it -------------------------------------------------------------------------- */

static struct stream *
stream_new(struct play *p, uint16_t sport, uint32_t isn)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		die("out of memory");
	*s = (struct stream){.next = streams, .play = p, .sport = sport, .isn = isn};
	return streams = s;
}

/* The one whose numbers fit. */
static struct stream *
stream_of(const struct play *p, uint16_t sport, uint32_t seq)
{
	for (struct stream *s = streams; s; s = s->next)
		if (s->play == p && s->sport == sport && seq - s->isn - 1 < SPAN)
			return s;
	return NULL;
}

static void
stream_put(struct stream *s, uint32_t at, const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (at + i >= SPAN)
			continue;
		if (!s->have[at + i])
			s->first[at + i] = p[i];
		s->have[at + i] = 1;
		s->last[at + i] = p[i];
	}
	while (s->end < SPAN && s->have[s->end])
		s->end++;
}

/* First all SYNs, then data: within a burst what a guard makes itself may be written first. */
static void
take_tcp(const uint8_t *tcp, uint32_t n, bool syns)
{
	uint32_t hl = (tcp[12] >> 4) * 4u, seq = get32(tcp + 4);
	uint16_t sport = (uint16_t)get16(tcp);
	struct play *p = play_of(sport);
	struct stream *s;

	if (!p || hl < 20 || hl > n)
		return;
	if (syns) {
		if (tcp[13] & SYN && ((s = stream_of(p, sport, seq + 1)) == NULL || s->isn != seq))
			stream_new(p, sport, seq);
		return;
	}
	if (tcp[13] & RST || !(tcp[13] & (SYN | ACK)))
		return;
	seq += tcp[13] & SYN ? 1 : 0;
	if ((s = stream_of(p, sport, seq)) != NULL)
		stream_put(s, seq - s->isn - 1, tcp + hl, n - hl);
}

static void
take_udp(const uint8_t *udp, uint32_t n, bool syns)
{
	uint16_t sport = (uint16_t)get16(udp);
	struct play *p = play_of(sport);

	if (!syns && p && get16(udp + 4) >= 8 && get16(udp + 4) <= n)
		stream_put(stream_new(p, sport, 0), 0, udp + 8, get16(udp + 4) - 8);
}

static void
take_ip(const uint8_t *ip, uint32_t n, bool v6, bool syns)
{
	uint32_t hl = v6 ? 40 : (ip[0] & 15u) * 4u, len = v6 ? 40 + get16(ip + 4) : get16(ip + 2),
		 sum;
	uint8_t proto = v6 ? ip[6] : ip[9];
	const uint8_t *addrs = ip + (v6 ? 8 : 12);

	if (len > n || len < hl + 8 || ip[v6 ? 7 : 8] < MIN_TTL ||
	    (!v6 && get16(ip + 6) & 0x3fff) ||
	    memcmp(ip + (v6 ? 24 : 16), v6 ? w.peer6 : w.peer4, v6 ? 16 : 4) != 0 ||
	    (!v6 && sum16(ip, hl, 0) != 0xffff))
		return;
	while (v6 && (proto == 0 || proto == 43 || proto == 60 || proto == 44) && hl + 16 <= len) {
		uint32_t more = proto == 44 ? 8 : 8 + ip[hl + 1] * 8u;

		if (proto == 44 && get16(ip + hl + 2) & 0xfff9)
			return; /* a fragment */
		proto = ip[hl];
		hl += more;
	}
	if (hl + (proto == 6 ? 20 : 8) > len)
		return;
	sum = sum16(ip + hl, len - hl, sum16(addrs, v6 ? 32 : 8, proto + len - hl));
	if (proto == 6 && sum == 0xffff)
		take_tcp(ip + hl, len - hl, syns);
	else if (proto == 17 && (sum == 0xffff || (!v6 && get16(ip + hl + 6) == 0)))
		take_udp(ip + hl, len - hl, syns);
}

static void
take_frame(const uint8_t *b, uint32_t n, bool syns)
{
	uint32_t at = 12;

	while (at + 4 <= n && (get16(b + at) == 0x8100 || get16(b + at) == 0x88a8)) {
		if (get16(b + at + 2) & 0xfff)
			return;
		at += 4;
	}
	if (b[0] & 1 || at + 2 + 40 > n)
		return;
	if (get16(b + at) == 0x0800 || get16(b + at) == 0x86dd)
		take_ip(b + at + 2, n - at - 2, get16(b + at) == 0x86dd, syns);
}

static bool
ends_with(const struct stream *s, const uint8_t *b, struct bytes want)
{
	return s->end >= want.n && memcmp(b + s->end - want.n, want.p, want.n) == 0;
}

static void
take_all(const char *path, bool syns)
{
	static uint8_t b[262144];
	uint32_t head[6], rec[4];
	FILE *f = fopen(path, "rb");

	if (!f || fread(head, sizeof(head), 1, f) != 1 ||
	    (head[0] != 0xa1b23c4d && head[0] != 0xa1b2c3d4))
		die("%s: not a capture of ours", path);
	while (fread(rec, sizeof(rec), 1, f) == 1 && rec[2] <= sizeof(b) &&
	       fread(b, 1, rec[2], f) == rec[2])
		if (rec[2] >= 54)
			take_frame(b, rec[2], syns);
	fclose(f);
}

void
capture_judge(const char *path)
{
	take_all(path, true);
	take_all(path, false);
	for (const struct stream *s = streams; s; s = s->next) {
		enum proto proto = s->play->k->proto;

		s->play->leaked |= s->play->evil &&
				   (bytes_forbidden(proto,
					(struct bytes){(uint8_t *)(uintptr_t)s->first, s->end}) ||
				       bytes_forbidden(proto,
					   (struct bytes){(uint8_t *)(uintptr_t)s->last, s->end}));
		s->play->arrived |= !s->play->evil && ends_with(s, s->first, s->play->want) &&
				    ends_with(s, s->last, s->play->want);
	}
}
