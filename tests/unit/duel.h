/* SPDX-License-Identifier: Apache-2.0 */
/*
 * duel.h - an attacker and a device with a guard between them; for
 * evasion_test.c.
 *
 * The attacker shoots single frames.  What the guard lets out reaches the
 * device unless the path loses it (lose, hops), and the device answers as a TCP
 * does: SYN-ACK, ACK, challenge ACK (RFC 5961); its answers pass the guard too.
 * What the device's socket would read is kept in both ways in which receivers
 * resolve overlaps: first data wins, last data wins.  Bytes that were
 * acknowledged are never written again.
 */
#ifndef TESTS_DUEL_H
#define TESTS_DUEL_H

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/decode.h"
#include "dataplane/engine_int.h"
#include "dataplane/io/io.h"
#include "tests/unit/wire.h"

#define SPAN 65536u /* bytes of one stream that the device can keep */

enum { CLIENT = 0, SERVER = 1 };
enum device_state { LISTEN = 0, SYN_RECV, OPEN, FIN_SEEN };
enum device_owes { OWES_NOTHING = 0, OWES_ACK, OWES_SYNACK };

struct device {
	uint8_t state, owes;
	bool tfo;	   /* takes data of a SYN */
	bool takes_anyhow; /* a connection from before the guard */
	uint32_t isn, nxt; /* of the peer */
	uint32_t snd;	   /* own next number */
	uint32_t win;
	uint32_t ts_recent; /* != 0: older timestamps are refused (RFC 7323 5.3) */
	uint8_t have[SPAN], first[SPAN], last[SPAN], urgent[SPAN];
	uint32_t end; /* highest offset written */
};

struct duel {
	struct io io; /* must come first: tx() casts */
	struct engine *e;
	struct device v;
	uint64_t now_ns, frame;
	uint32_t cport, isn, sisn;
	uint32_t lose; /* so many frames that the guard lets out never arrive */
	uint8_t hops;  /* routers between guard and device */
	bool evil, caught;
	unsigned arg, fragments, damaged, mptcp;
	const uint8_t *real, *decoy; /* 12 bytes each; the same in a benign twin */
	uint8_t intent[SPAN];	     /* what an honest client wants to arrive */
	uint32_t n_intent;
};

/* One frame; what is not said is usual. */
struct shot {
	uint8_t from;	 /* CLIENT */
	int32_t off;	 /* of p in the sender's stream */
	const void *p;
	uint32_t n;
	uint16_t flags;	 /* ACK | PSH; NO_FLAGS for none */
	uint8_t ttl;	 /* 64 */
	bool wrong_port; /* comes in on the other side */
	bool abs_seq;	 /* off is the sequence number itself */
	bool bad_ack, bad_sum, bad_ip_sum, snap, no_length;
	uint32_t ack;	 /* != 0: this one */
	uint16_t urg, win;
	uint16_t vlan;	 /* tag with this id; PRIORITY_TAG for id 0 */
	const uint8_t *topt, *iopt; /* multiples of four bytes */
	uint8_t n_topt, n_iopt;
	uint8_t trailer;  /* bytes behind the datagram */
	uint16_t frag;	  /* as in the IP header */
	uint32_t sport;
};
#define NO_FLAGS     0x100
#define PRIORITY_TAG 0x1000

/* --- the device ------------------------------------------------------------------------ */

static inline void
device_data(struct device *v, uint32_t seq, const uint8_t *p, uint32_t n, uint32_t urg)
{
	if ((int32_t)(seq + n - (v->nxt + v->win)) > 0)
		n = (int32_t)(v->nxt + v->win - seq) > 0 ? v->nxt + v->win - seq : 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = seq + i - v->isn - 1;

		if ((int32_t)(seq + i - v->nxt) < 0 || at >= SPAN)
			continue;
		if (!v->have[at])
			v->first[at] = p[i];
		v->last[at] = p[i];
		v->have[at] = 1;
		v->end = at + 1 > v->end ? at + 1 : v->end;
	}
	if (urg && seq + urg - 1 - v->isn - 1 < SPAN)
		v->urgent[seq + urg - 1 - v->isn - 1] = 1;
	while (v->nxt - v->isn - 1 < SPAN && v->have[v->nxt - v->isn - 1])
		v->nxt++;
}

/* The option of this kind, or NULL. */
static inline const uint8_t *
tcp_option(const struct pkt *p, const struct layers *l, uint8_t kind)
{
	for (uint32_t at = l->l4_off + 20u; at + 1 < l->pay_off;) {
		if (p->bytes[at] == kind)
			return p->bytes + at;
		if (p->bytes[at] == 0)
			break;
		at += p->bytes[at] == 1 ? 1 : p->bytes[at + 1] < 2 ? 2 : p->bytes[at + 1];
	}
	return NULL;
}

static bool stream_forbidden(const struct device *v);

static inline void
device_syn(struct duel *d, const struct pkt *p, const struct layers *l)
{
	struct device *v = &d->v;

	if (v->state == OPEN || (v->state == SYN_RECV && l->seq != v->isn)) {
		v->owes = OWES_ACK; /* RFC 5961 4 */
		return;
	}
	if (v->state != SYN_RECV) {
		d->caught |= stream_forbidden(v);
		memset(v->have, 0, sizeof(v->have));
		memset(v->urgent, 0, sizeof(v->urgent));
		v->end = 0;
		v->isn = l->seq;
		v->nxt = l->seq + 1;
		v->snd = d->sisn + 1;
		v->state = SYN_RECV;
		if (v->tfo)
			device_data(v, l->seq + 1, p->bytes + l->pay_off, l->pay_len, 0);
	}
	v->owes = OWES_SYNACK;
}

static inline void
device_take(struct duel *d, const struct pkt *p)
{
	const uint8_t *ts;
	struct device *v = &d->v;
	struct layers l = {0};

	if (p->port != 0 || decode(p, &l) != DROP_NONE || l.proto != NET_PROTO_TCP)
		return;
	if (l.flags & LAYER_FRAGMENT) {
		d->fragments++;
		return;
	}
	if (!decode_l4_checksum_ok(p, &l) || !decode_ip_checksum_ok(p, &l))
		d->damaged++;
	if (d->lose > 0) {
		d->lose--;
		return;
	}
	d->mptcp += tcp_option(p, &l, 30) != NULL;
	ts = tcp_option(p, &l, 8);
	if (p->bytes[l.l3_off + 8] <= d->hops || l.vlan != 0 || tcp_option(p, &l, 19) ||
	    p->bytes[12] < 6 || (ts && v->ts_recent && ts[5] < v->ts_recent))
		return;
	if (l.tcp_flags & TCP_SYN && !(l.tcp_flags & TCP_ACK)) {
		device_syn(d, p, &l);
		return;
	}
	if (l.tcp_flags & TCP_RST) {
		if (l.seq == v->nxt)
			v->state = FIN_SEEN;
		return;
	}
	if (!(l.tcp_flags & TCP_ACK) || v->state == LISTEN || v->state == FIN_SEEN)
		return;
	if (l.ack != v->snd && !v->takes_anyhow) {
		v->owes = OWES_ACK;
		return;
	}
	v->state = OPEN;
	device_data(v, l.seq, p->bytes + l.pay_off, l.pay_len,
	    l.tcp_flags & TCP_URG
		? (uint32_t)(p->bytes[l.l4_off + 18] << 8 | p->bytes[l.l4_off + 19]) : 0);
	if (l.tcp_flags & TCP_FIN && l.seq + l.pay_len == v->nxt) {
		v->state = FIN_SEEN;
		v->nxt++;
	}
	if (l.pay_len > 0 || l.tcp_flags & TCP_FIN)
		v->owes = OWES_ACK;
}

static inline int
duel_tx(struct io *io, const struct pkt *p)
{
	device_take((struct duel *)(void *)io, p);
	return 0;
}

/* --- frames -------------------------------------------------------------------------------- */

static inline uint32_t
frame_make(struct duel *d, const struct shot *s, uint8_t *b)
{
	uint16_t fl = s->flags == NO_FLAGS ? 0 : s->flags ? s->flags : TCP_ACK | TCP_PSH;
	uint32_t base = s->from ? d->sisn : d->isn, cport = s->sport ? s->sport : d->cport;
	uint32_t ihl = 20u + s->n_iopt, thl = 20u + s->n_topt, at = 14, sum;
	uint8_t *ip, *tcp;

	memset(b, 0, 128);
	memcpy(b, s->from ? "\x02\0\0\0\0\1\x02\0\0\0\0\2" : "\x02\0\0\0\0\2\x02\0\0\0\0\1", 12);
	at = 12;
	if (s->vlan) {
		wire_put16(b + at, 0x8100);
		wire_put16(b + at + 2, s->vlan & 0xfff);
		at += 4;
	}
	if (s->snap) {
		wire_put16(b + at, 8 + ihl + thl + s->n);
		memcpy(b + at + 2, "\xaa\xaa\3\0\0\0", 6);
		at += 8;
	}
	wire_put16(b + at, 0x0800);
	ip = b + at + 2;
	ip[0] = (uint8_t)(0x40 | ihl / 4);
	wire_put16(ip + 2, s->no_length ? 0 : ihl + thl + s->n);
	wire_put16(ip + 4, 77);
	wire_put16(ip + 6, s->frag);
	ip[8] = s->ttl ? s->ttl : 64;
	ip[9] = 6;
	wire_put32(ip + 12, s->from ? 0x0a010282 : 0x0a010205);
	wire_put32(ip + 16, s->from ? 0x0a010205 : 0x0a010282);
	if (s->n_iopt)
		memcpy(ip + 20, s->iopt, s->n_iopt);
	wire_put16(ip + 10, (~wire_sum(ip, ihl, 0) & 0xffff) ^ (s->bad_ip_sum ? 0x55 : 0));
	tcp = ip + ihl;
	wire_put16(tcp, s->from ? 502 : cport);
	wire_put16(tcp + 2, s->from ? cport : 502);
	wire_put32(tcp + 4, s->abs_seq ? (uint32_t)s->off
				       : base + (uint32_t)s->off + (fl & TCP_SYN ? 0 : 1));
	if (fl & TCP_ACK)
		wire_put32(tcp + 8, (s->ack ? s->ack : s->from ? d->v.nxt : d->v.snd) +
			(s->bad_ack ? 4000000u : 0));
	tcp[12] = (uint8_t)(thl / 4 << 4);
	tcp[13] = (uint8_t)(fl | (s->urg ? TCP_URG : 0));
	wire_put16(tcp + 14, s->from ? d->v.win : s->win ? s->win : 64240);
	wire_put16(tcp + 18, s->urg);
	if (s->n_topt)
		memcpy(tcp + 20, s->topt, s->n_topt);
	if (s->n)
		memcpy(tcp + thl, s->p, s->n);
	sum = wire_sum(ip + 12, 8, (uint32_t)(6 + thl + s->n));
	wire_put16(tcp + 16, (~wire_sum(tcp, thl + s->n, sum) & 0xffff) ^ (s->bad_sum ? 0x55 : 0));
	memset(tcp + thl + s->n, 0xee, s->trailer);
	return (uint32_t)(tcp - b) + thl + s->n + s->trailer;
}

static inline struct pkt
raw(struct duel *d, const uint8_t *b, uint32_t len, uint8_t port)
{
	struct pkt p = {
	    .bytes = b, .caplen = len, .wirelen = len, .port = port,
	    .ts_ns = d->now_ns += 1000000, .frame = ++d->frame,
	};

	engine_burst(d->e, &p, 1);
	if (!engine_balanced(engine_stats(d->e)))
		d->damaged++;
	if (p.fate == FATE_FORWARD)
		device_take(d, &p);
	return p;
}

/* A frame, and what the device answers to it. */
static inline struct pkt
shoot(struct duel *d, struct shot s)
{
	uint8_t b[2048];
	uint32_t len = frame_make(d, &s, b);
	struct pkt p = raw(d, b, len, (uint8_t)(s.from ^ s.wrong_port));

	if (d->v.owes != OWES_NOTHING) {
		bool syn = d->v.owes == OWES_SYNACK;
		struct shot a = {
		    .from = SERVER,
		    .abs_seq = true,
		    .off = (int32_t)(syn ? d->sisn : d->v.snd),
		    .flags = syn ? TCP_SYN | TCP_ACK : TCP_ACK,
		};

		d->v.owes = OWES_NOTHING;
		len = frame_make(d, &a, b);
		(void)raw(d, b, len, 1);
	}
	return p;
}

static inline void
wait_s(struct duel *d, unsigned s)
{
	d->now_ns += (uint64_t)s * 1000000000u;
	engine_tick(d->e, d->now_ns);
}

#endif /* TESTS_DUEL_H */
