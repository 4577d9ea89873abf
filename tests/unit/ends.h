/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ends.h - two ends of a TCP connection with a guard between them, on a clock of their own.
 *
 * An end is a small TCP: handshake with options, segments, retransmission by time and by
 * three duplicates, SACK both ways, timestamps with PAWS, window scale, Nagle, delayed
 * acknowledgements, a congestion window, keep-alives, FIN, and resets as RFC 5961 takes them.
 * It is strict: an acknowledgement of what was never sent, a SACK block of what the
 * other end does not have, a window that was not offered, a wrong checksum, each ends the test.
 *
 * The network between each end and the guard loses, repeats and delays, by a seed.
 */
#ifndef TESTS_ENDS_H
#define TESTS_ENDS_H

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/decode.h"
#include "dataplane/repair.h"
#include "tests/unit/wire.h"

#define MS	   UINT64_C(1000000)
#define STREAM	   (1u << 17) /* bytes one end sends, at most */
#define FRAME_MAX  1700u
#define FLIGHT_MAX 512u
#define RTO_MIN	   200u /* ms */

enum { CLIENT = 0, SERVER = 1 };
enum end_state { END_CLOSED = 0, END_LISTEN, END_SYN_SENT, END_SYN_RCVD, END_OPEN, END_RESET };

struct span {
	uint32_t from, to; /* offsets in the stream */
};

struct end {
	uint8_t who, state;
	/* what it can do */
	bool can_sack, can_ts, can_scale, nagle, delack;
	uint16_t mss;
	uint8_t scale;
	/* agreed */
	bool sack, ts;
	uint8_t peer_scale, my_scale;
	uint16_t peer_mss;
	/* sending: offsets; the first byte of the stream has number isn + 1 */
	uint32_t isn, una, nxt, most, end; /* acknowledged, next, highest sent, written */
	uint32_t right;			   /* of the peer's window */
	uint32_t cwnd, dup, rto, probe;
	uint64_t timer; /* ms, 0 = off */
	bool fin, fin_sent, fin_acked;
	uint32_t n_sacked;
	struct span sacked[8];
	uint8_t *out;
	/* receiving */
	uint32_t irs, got, read, buffer, edge; /* in order up to got; the window ends at edge */
	bool got_fin;
	uint64_t ack_at; /* delayed acknowledgement */
	unsigned ack_owed;
	uint8_t *in, *have;
	uint32_t ts_recent, far, dsack_from, dsack_to;
	uint32_t recent;       /* start of the block that came last, for SACK */
	uint64_t heard, ts_at; /* ms: of any segment; of ts_recent */
	/* what happened */
	unsigned resent, paws, resets, challenges, frames;
};

struct flight {
	uint64_t at;
	uint8_t to; /* 0, 1: an end; 2, 3: the guard's port */
	uint16_t n;
	uint8_t b[FRAME_MAX];
};

struct ends {
	struct io io; /* must come first */
	struct engine *e;
	const struct policy *pol;
	struct end end[2];
	uint64_t now; /* ms */
	uint64_t start_ns, frame;
	uint64_t rnd;
	uint8_t bind, unbind; /* flags of the policy's bind to set, to clear */
	bool v6, vlan;
	uint32_t loss, twice, jitter; /* per mille; ms */
	uint32_t delay;
	unsigned n, stuck;
	struct flight *fl;
	bool trace;
	uint16_t port;
	/* what the guard lets out to an end; true: the network loses it */
	bool (*on_frame)(struct ends *w, unsigned to, const struct layers *l, const uint8_t *b);
	/* what is below the guard has seen to this frame: passed it on, or keeps it to give it to
	 * ends_engine() */
	bool (*below)(struct ends *w, unsigned port, const uint8_t *b, uint32_t n);
	void *under; /* of its own */
	unsigned lose, seen;
	FILE *pcap[2]; /* what each end sends and receives, when wanted */
};

#define WANT(w, cond)                                                                              \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: at %llu ms: %s\n", __FILE__, __LINE__,             \
			    (unsigned long long)(w)->now, #cond);                                  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static inline uint32_t
ends_random(struct ends *w, uint32_t below)
{
	w->rnd ^= w->rnd << 13;
	w->rnd ^= w->rnd >> 7;
	w->rnd ^= w->rnd << 17;
	return below ? (uint32_t)(w->rnd >> 11) % below : 0;
}

/* --- the network --------------------------------------------------------------------------- */

static inline void
ends_put(struct ends *w, unsigned to, const uint8_t *b, uint32_t n)
{
	unsigned copies = 1;

	if (ends_random(w, 1000) < w->loss)
		copies = 0;
	else if (ends_random(w, 1000) < w->twice)
		copies = 2;
	WANT(w, n <= FRAME_MAX);
	for (; copies > 0 && w->n < FLIGHT_MAX; copies--) {
		struct flight *f = &w->fl[w->n++];

		f->at = w->now + w->delay + ends_random(w, w->jitter + 1);
		f->to = (uint8_t)to;
		f->n = (uint16_t)n;
		memcpy(f->b, b, n);
	}
}

static inline void
ends_show(const struct ends *w, const char *what, const uint8_t *b, uint32_t n)
{
	struct pkt p = {.bytes = b, .caplen = n, .wirelen = n};
	struct layers l = {0};

	if (!w->trace || decode(&p, &l) != DROP_NONE)
		return;
	fprintf(stderr, "%6llu %-12s %5u > %5u  %02x seq %u ack %u win %u len %u\n",
	    (unsigned long long)w->now, what, l.sport, l.dport, l.tcp_flags, l.seq, l.ack,
	    l.tcp_win, l.pay_len);
}

static inline void
ends_record(const struct ends *w, unsigned who, const uint8_t *b, uint32_t n)
{
	uint64_t us = w->start_ns / 1000 + w->now * 1000;
	uint32_t head[4] = {(uint32_t)(us / 1000000), (uint32_t)(us % 1000000), n, n};

	if (!w->pcap[who])
		return;
	(void)fwrite(head, sizeof(head), 1, w->pcap[who]);
	(void)fwrite(b, n, 1, w->pcap[who]);
}

/* Two captures: DIR/client.pcap, DIR/server.pcap. */
static inline void
ends_capture(struct ends *w, const char *dir)
{
	static const uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1};

	for (unsigned i = 0; i < 2; i++) {
		char path[300];

		snprintf(path, sizeof(path), "%s/%s.pcap", dir, i ? "server" : "client");
		w->pcap[i] = fopen(path, "w");
		if (w->pcap[i])
			(void)fwrite(head, sizeof(head), 1, w->pcap[i]);
	}
}

/* What the guard lets out of the port opposite to `port`. */
static inline void
ends_out(struct ends *w, const struct pkt *p)
{
	struct layers l = {0};

	WANT(w, decode(p, &l) == DROP_NONE && l.proto == NET_PROTO_TCP);
	WANT(w, decode_l4_checksum_ok(p, &l) && decode_ip_checksum_ok(p, &l));
	WANT(w, l.vlan == (w->vlan ? 110 : 0) && !(l.flags & LAYER_V6) == !w->v6);
	WANT(w, (l.dport == w->port) == (p->port == 0));
	WANT(w, p->bytes[5] == (p->port == 0 ? 2 : 1)); /* destination MAC */
	ends_show(w, p->port == 0 ? "    -> server" : "    -> client", p->bytes, p->caplen);
	if (w->on_frame && w->on_frame(w, p->port ^ 1u, &l, p->bytes))
		return;
	ends_put(w, p->port ^ 1u, p->bytes, p->caplen);
}

static inline int
ends_tx(struct io *io, const struct pkt *p)
{
	ends_out((struct ends *)(void *)io, p);
	return 0;
}

static const struct io_backend ends_backend = {.scheme = "ends", .tx = ends_tx};

static inline void
ends_bind(struct ends *w)
{
	for (uint32_t i = 0; i < w->e->flows.max; i++)
		if (w->e->flows.flows[i].wheel_slot != UINT16_MAX)
			w->e->flows.flows[i].bind.flags =
			    (uint8_t)((w->e->flows.flows[i].bind.flags | w->bind) & ~w->unbind);
}

/* A frame comes to the engine. */
static inline void
ends_engine(struct ends *w, unsigned port, const uint8_t *b, uint32_t n)
{
	struct pkt p = {
	    .bytes = b,
	    .caplen = n,
	    .wirelen = n,
	    .port = (uint8_t)port,
	    .frame = ++w->frame,
	    .ts_ns = w->start_ns + w->now * MS,
	};

	engine_burst(w->e, &p, 1);
	ends_bind(w);
	WANT(w, engine_balanced(engine_stats(w->e)));
	if (p.fate == FATE_FORWARD)
		ends_out(w, &p);
	else if (w->trace)
		fprintf(stderr, "%6llu     fate %u %s\n", (unsigned long long)w->now, p.fate,
		    drop_name(p.reason));
}

/* A frame comes to the guard. */
static inline void
ends_guard(struct ends *w, unsigned port, const uint8_t *b, uint32_t n)
{
	ends_show(w, port ? "server" : "client", b, n);
	if (!w->below || !w->below(w, port, b, n))
		ends_engine(w, port, b, n);
}

/* --- frames ----------------------------------------------------------------------------------- */

static inline uint32_t
ends_ts(const struct ends *w, const struct end *t)
{
	return (uint32_t)(w->now + 0x7fffff00u + t->who * 12345u); /* ms, wraps in sign */
}

static inline uint32_t
end_window(const struct end *t)
{
	uint32_t room = t->buffer - (t->got - t->read);

	return room;
}

static inline void
end_send(struct ends *w, struct end *t, uint8_t flags, uint32_t seq, const uint8_t *p, uint32_t n)
{
	uint8_t b[FRAME_MAX], *ip, *tcp;
	struct layers l = {0};
	uint32_t at = 12, opt = 0, win;

	memset(b, 0, 14 + 4 + 40 + 60);
	memcpy(b, t->who ? "\2\0\0\0\0\1\2\0\0\0\0\2" : "\2\0\0\0\0\2\2\0\0\0\0\1", 12);
	if (w->vlan) {
		wire_put32(b + at, 0x8100006e);
		at += 4;
	}
	wire_put16(b + at, w->v6 ? 0x86dd : 0x0800);
	l.l3_off = (uint16_t)(at + 2);
	ip = b + l.l3_off;
	if (w->v6) {
		ip[0] = 0x60;
		ip[6] = 6;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd;
		ip[23] = t->who ? 0x82 : 5;
		ip[39] = t->who ? 5 : 0x82;
		l.flags = LAYER_V6;
	} else {
		ip[0] = 0x45;
		ip[6] = 0x40;
		ip[8] = 64;
		ip[9] = 6;
		wire_put32(ip + 12, t->who ? 0x0a010282 : 0x0a010205);
		wire_put32(ip + 16, t->who ? 0x0a010205 : 0x0a010282);
	}
	l.l4_off = (uint16_t)(l.l3_off + (w->v6 ? 40 : 20));
	tcp = b + l.l4_off;
	wire_put16(tcp, t->who ? w->port : 40000);
	wire_put16(tcp + 2, t->who ? 40000 : w->port);
	wire_put32(tcp + 4, seq);
	if (flags & TCP_ACK)
		wire_put32(tcp + 8, t->irs + 1 + t->got + (t->got_fin ? 1 : 0));
	tcp[13] = flags;
	if (flags & TCP_SYN) {
		uint8_t *o = tcp + 20;
		bool answer = flags & TCP_ACK;

		wire_put32(o, 0x02040000u | t->mss);
		opt = 4;
		if (answer ? t->sack : t->can_sack) {
			wire_put32(o + opt, 0x01010402);
			opt += 4;
		}
		if (answer ? t->my_scale != 0xff : t->can_scale) {
			wire_put32(o + opt, 0x01030300u | t->scale);
			opt += 4;
		}
	}
	if (flags & TCP_SYN ? (flags & TCP_ACK ? t->ts : t->can_ts) : t->ts) {
		wire_put32(tcp + 20 + opt, 0x0101080a);
		wire_put32(tcp + 24 + opt, ends_ts(w, t));
		wire_put32(tcp + 28 + opt, t->ts_recent);
		opt += 12;
	}
	if (t->sack && flags & TCP_ACK && !(flags & (TCP_SYN | TCP_RST))) {
		struct span s[3];
		unsigned k = 0, most = t->ts ? 3 : 3;
		uint8_t *o = tcp + 20 + opt;

		if (t->dsack_to > t->dsack_from) {
			s[k++] = (struct span){t->dsack_from, t->dsack_to};
			t->dsack_to = t->dsack_from = 0;
		}
		for (uint32_t i = t->got; i < t->far && k < most;) {
			struct span x;

			while (i < t->far && !t->have[i])
				i++;
			x.from = i;
			while (i < t->far && t->have[i])
				i++;
			x.to = i;
			if (x.to > x.from)
				s[k++] = x;
		}
		if (k) {
			wire_put32(o, 0x01010500u | (2 + 8 * k));
			for (unsigned i = 0; i < k; i++) {
				wire_put32(o + 4 + 8 * i, t->irs + 1 + s[i].from);
				wire_put32(o + 8 + 8 * i, t->irs + 1 + s[i].to);
			}
			opt += 4 + 8 * k;
		}
	}
	win = end_window(t);
	if (!(flags & TCP_SYN)) {
		uint8_t sh = t->my_scale == 0xff ? 0 : t->my_scale;

		win = win >> sh > 65535 ? 65535 : win >> sh;
		if (t->got + (win << sh) > t->edge)
			t->edge = t->got + (win << sh);
	} else {
		win = win > 65535 ? 65535 : win;
		t->edge = win;
	}
	wire_put16(tcp + 14, win);
	tcp[12] = (uint8_t)((20 + opt) / 4 << 4);
	if (n)
		memcpy(tcp + 20 + opt, p, n);
	inline_lengths(b, &l, l.l4_off + 20 + opt + n);
	t->frames++;
	t->ack_owed = 0;
	t->ack_at = 0;
	ends_record(w, t->who, b, l.l4_off + 20 + opt + n);
	ends_put(w, 2u + t->who, b, l.l4_off + 20 + opt + n);
}

static inline void
end_ack(struct ends *w, struct end *t)
{
	end_send(w, t, TCP_ACK, t->isn + 1 + t->most + (t->fin_sent ? 1 : 0), NULL, 0);
}

/* --- sending ------------------------------------------------------------------------------------- */

static inline bool
end_is_sacked(const struct end *t, uint32_t at)
{
	for (unsigned i = 0; i < t->n_sacked; i++)
		if (at >= t->sacked[i].from && at < t->sacked[i].to)
			return true;
	return false;
}

/* One segment at offset `at`; up to the next byte that was acknowledged selectively. */
static inline uint32_t
end_segment(struct ends *w, struct end *t, uint32_t at)
{
	uint32_t n = t->end - at, most = t->peer_mss < t->mss ? t->peer_mss : t->mss;

	if (t->ts)
		most -= 12;
	if (n > most)
		n = most;
	if (at + n > t->right)
		n = t->right > at ? t->right - at : 0;
	for (uint32_t i = 0; i < n; i++)
		if (end_is_sacked(t, at + i))
			n = i;
	if (n > 0)
		end_send(w, t, (uint8_t)(TCP_ACK | (at + n == t->end ? TCP_PSH : 0)),
		    t->isn + 1 + at, t->out + at, n);
	return n;
}

static inline void
end_push(struct ends *w, struct end *t)
{
	if (t->state != END_OPEN)
		return;
	while (t->nxt < t->end) {
		uint32_t flight = t->nxt - t->una, n;

		if (end_is_sacked(t, t->nxt)) {
			t->nxt++;
			continue;
		}
		if (flight >= t->cwnd)
			break;
		if (t->nagle && t->una < t->most && t->end - t->nxt < t->mss && t->nxt >= t->most)
			break;
		n = end_segment(w, t, t->nxt);
		if (n == 0)
			break;
		t->nxt += n;
		if (t->nxt > t->most)
			t->most = t->nxt;
		if (!t->timer)
			t->timer = w->now + t->rto;
	}
	if (t->nxt < t->end && t->una == t->most && !t->timer)
		t->timer = w->now + t->rto; /* zero window: a probe */
	if (t->fin && !t->fin_sent && t->nxt == t->end) {
		t->fin_sent = true;
		end_send(w, t, TCP_ACK | TCP_FIN, t->isn + 1 + t->end, NULL, 0);
		if (!t->timer)
			t->timer = w->now + t->rto;
	}
}

static inline void
end_write(struct ends *w, struct end *t, const void *p, uint32_t n)
{
	WANT(w, t->end + n <= STREAM);
	memcpy(t->out + t->end, p, n);
	t->end += n;
	end_push(w, t);
}

static inline void
end_timer(struct ends *w, struct end *t)
{
	t->timer = 0;
	if (t->state == END_SYN_SENT || t->state == END_SYN_RCVD) {
		end_send(
		    w, t, t->state == END_SYN_SENT ? TCP_SYN : TCP_SYN | TCP_ACK, t->isn, NULL, 0);
	} else if (t->una < t->most || t->una < t->end) {
		uint32_t n;

		t->resent++;
		t->nxt = t->una; /* SACKs are believed for good: no end here takes one back */
		t->cwnd = t->mss;
		n = end_segment(w, t, t->nxt);
		if (n == 0 && t->right <= t->una) { /* RFC 9293 3.8.6.1: one byte */
			end_send(w, t, TCP_ACK, t->isn + 1 + t->una, t->out + t->una, 1);
			n = 1;
		}
		t->nxt += n;
		if (t->nxt > t->most)
			t->most = t->nxt;
	} else if (t->fin_sent && !t->fin_acked) {
		end_send(w, t, TCP_ACK | TCP_FIN, t->isn + 1 + t->end, NULL, 0);
	} else {
		return;
	}
	t->rto = t->rto < 5000 ? t->rto * 2 : t->rto;
	t->timer = w->now + t->rto;
}

/* --- receiving ------------------------------------------------------------------------------------- */

static inline uint32_t
peer_offset(const struct ends *w, const struct end *t, uint32_t number)
{
	(void)w;
	return number - t->irs - 1;
}

static inline void
end_take_sacks(struct ends *w, struct end *t, const uint8_t *o, uint32_t n, uint32_t ack)
{
	uint32_t at = inline_option(o, n, 5);

	if (at >= n)
		return;
	WANT(w, t->sack);
	for (uint32_t k = 2; k + 8 <= o[at + 1]; k += 8) {
		uint32_t from = get_be32(o + at + k) - t->isn - 1,
			 to = get_be32(o + at + k + 4) - t->isn - 1;

		WANT(w, (int32_t)(to - from) > 0);
		WANT(w, (int32_t)to <= (int32_t)t->most);
		if ((int32_t)to <= (int32_t)ack) { /* RFC 2883: twice */
			continue;
		}
		WANT(w, (int32_t)(from - ack) > 0);
		for (unsigned i = 0; i < t->n_sacked;)
			if ((int32_t)(t->sacked[i].to - ack) <= 0)
				t->sacked[i] = t->sacked[--t->n_sacked];
			else
				i++;
		if (t->n_sacked < 8)
			t->sacked[t->n_sacked++] = (struct span){from, to};
	}
}

static inline void
end_take_ack(struct ends *w, struct end *t, const struct layers *l, const uint8_t *b)
{
	uint32_t ack = l->ack - t->isn - 1, fin = 0, right;
	uint8_t sh = t->peer_scale == 0xff ? 0 : t->peer_scale;

	if (t->fin_sent && ack == t->end + 1) {
		t->fin_acked = true;
		ack--;
		fin = 1;
	}
	(void)fin;
	WANT(w, (int32_t)(ack - t->most) <= 0); /* of what was never sent */
	if ((int32_t)(ack - t->una) < 0)
		return;
	right = ack + ((uint32_t)l->tcp_win << sh);
	end_take_sacks(w, t, b + l->l4_off + 20, l->pay_off - l->l4_off - 20u, ack);
	if (ack > t->una) {
		t->cwnd += t->mss;
		t->una = ack;
		if (t->nxt < t->una)
			t->nxt = t->una;
		t->dup = 0;
		t->rto = RTO_MIN;
		t->timer = t->una < t->most || (t->fin_sent && !t->fin_acked) ? w->now + t->rto : 0;
	} else if (l->pay_len == 0 && t->una < t->most && !(l->tcp_flags & TCP_FIN) &&
		   right == t->right) {
		if (++t->dup == 3) { /* RFC 5681 3.2 */
			uint32_t n = end_segment(w, t, t->una);

			t->resent++;
			if (t->una + n > t->most)
				t->most = t->una + n;
			if (t->una + n > t->nxt)
				t->nxt = t->una + n;
		}
	}
	if (t->fin_acked && t->una == t->most)
		t->timer = 0;
	t->right = right > t->right || ack == t->una ? right : t->right;
}

static inline void
end_options(struct end *t, const struct layers *l, const uint8_t *b, bool answer)
{
	const uint8_t *o = b + l->l4_off + 20;
	uint32_t n = l->pay_off - l->l4_off - 20u, at;

	t->peer_mss = 536;
	if ((at = inline_option(o, n, 2)) < n)
		t->peer_mss = (uint16_t)(o[at + 2] << 8 | o[at + 3]);
	t->sack = t->can_sack && inline_option(o, n, 4) < n;
	t->ts = t->can_ts && inline_option(o, n, 8) < n;
	at = inline_option(o, n, 3);
	t->peer_scale = t->can_scale && at < n ? o[at + 2] : 0xff;
	t->my_scale = t->peer_scale == 0xff ? 0xff : t->scale;
	(void)answer;
	if (t->ts)
		t->ts_recent = get_be32(o + inline_option(o, n, 8) + 2);
}

static inline void
end_take_data(struct ends *w, struct end *t, const struct layers *l, const uint8_t *b)
{
	uint32_t at = peer_offset(w, t, l->seq), n = l->pay_len;
	bool old = false, hole;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t x = at + i;

		if ((int32_t)x < 0 || x < t->got || (x < STREAM && t->have[x])) {
			old = true;
			/* first data wins, and there is no other */
			WANT(w, (int32_t)x < 0 || t->in[x] == b[l->pay_off + i]);
			continue;
		}
		if (x >= t->edge || x - t->read >= t->buffer) {
			continue; /* outside of the window */
		}
		WANT(w, x < STREAM);
		t->in[x] = b[l->pay_off + i];
		t->have[x] = 1;
		if (x + 1 > t->far)
			t->far = x + 1;
	}
	if (old && t->sack && (int32_t)at >= 0) { /* RFC 2883 */
		t->dsack_from = at;
		t->dsack_to = at + n < t->far ? at + n : t->far;
	}
	hole = at > t->got;
	while (t->got < STREAM && t->have[t->got])
		t->got++;
	if (l->tcp_flags & TCP_FIN && at + n == t->got && !t->got_fin) {
		t->got_fin = true;
		t->ack_owed = 9;
	}
	if (n > 0)
		t->ack_owed++;
	if (hole || old || t->ack_owed > 1 || !t->delack)
		t->ack_owed = 9;
	else if (!t->ack_at)
		t->ack_at = w->now + 40;
}

static inline void
end_take(struct ends *w, struct end *t, const uint8_t *b, uint32_t n)
{
	struct pkt p = {.bytes = b, .caplen = n, .wirelen = n};
	struct layers l = {0};
	const uint8_t *o;
	uint32_t no, at;

	WANT(w, decode(&p, &l) == DROP_NONE);
	o = b + l.l4_off + 20;
	no = l.pay_off - l.l4_off - 20u;
	t->heard = w->now;
	if (l.tcp_flags & TCP_SYN) {
		if (t->state == END_LISTEN || t->state == END_SYN_SENT) {
			t->irs = l.seq;
			end_options(t, &l, b, t->state == END_SYN_SENT);
			t->right = l.tcp_win;
			t->rto = RTO_MIN;
			if (t->state == END_LISTEN) {
				t->state = END_SYN_RCVD;
				end_send(w, t, TCP_SYN | TCP_ACK, t->isn, NULL, 0);
				t->timer = w->now + t->rto;
			} else {
				t->state = END_OPEN;
				t->timer = 0;
				end_ack(w, t);
				end_push(w, t);
			}
		} else if (t->state == END_SYN_RCVD) {
			end_send(w, t, TCP_SYN | TCP_ACK, t->isn, NULL, 0);
		} else if (t->state == END_OPEN) {
			end_ack(w, t);
		}
		return;
	}
	if (t->state == END_LISTEN || t->state == END_SYN_SENT || t->state == END_CLOSED ||
	    t->state == END_RESET) {
		return;
	}
	if (l.tcp_flags & TCP_RST) { /* RFC 5961 3.2 */
		uint32_t off = peer_offset(w, t, l.seq);

		if (off == t->got + (t->got_fin ? 1 : 0)) {
			t->state = END_RESET;
			t->resets++;
			t->timer = 0;
		} else if (off - t->got < t->buffer) {
			t->challenges++;
			end_ack(w, t);
		}
		return;
	}
	if (t->ts) {
		WANT(w, (at = inline_option(o, no, 8)) < no); /* RFC 7323 3.2: in every segment */
		if ((int32_t)(get_be32(o + at + 2) - t->ts_recent) < 0 && /* PAWS, RFC 7323 5.5 */
		    w->now - t->ts_at < UINT64_C(24) * 86400 * 1000) {
			t->paws++;
			end_ack(w, t);
			return;
		}
		/* an echo is of the past */
		WANT(w, (int32_t)(get_be32(o + at + 6) - ends_ts(w, t)) <= 0 ||
			    w->now - t->ts_at > UINT64_C(20) * 86400 * 1000);
		if ((int32_t)(peer_offset(w, t, l.seq) - t->got) <= 0) {
			t->ts_recent = get_be32(o + at + 2);
			t->ts_at = w->now;
		}
	}
	if (t->state == END_SYN_RCVD) {
		if (l.ack != t->isn + 1)
			return;
		t->state = END_OPEN;
		t->timer = 0;
	}
	/* RFC 9293 3.10.7.4: what lies in front of the window is answered */
	at = peer_offset(w, t, l.seq);
	if ((int32_t)(at + l.pay_len - t->got) < (l.pay_len ? 1 : 0) &&
	    l.pay_len + (l.tcp_flags & TCP_FIN) > 0 &&
	    !(l.tcp_flags & TCP_FIN && at + l.pay_len == t->got)) {
		if (t->sack && (int32_t)at >= 0 && l.pay_len) {
			t->dsack_from = at;
			t->dsack_to = at + l.pay_len;
		}
		end_take_ack(w, t, &l, b);
		end_ack(w, t);
		end_push(w, t);
		return;
	}
	if (l.pay_len == 0 && !(l.tcp_flags & TCP_FIN) && (int32_t)(at - t->got) < 0) {
		end_take_ack(w, t, &l, b);
		end_ack(w, t); /* a keep-alive */
		end_push(w, t);
		return;
	}
	end_take_ack(w, t, &l, b);
	if (l.pay_len > 0 || l.tcp_flags & TCP_FIN)
		end_take_data(w, t, &l, b);
	end_push(w, t);
	if (t->ack_owed >= 9)
		end_ack(w, t);
}

/* --- the clock ---------------------------------------------------------------------------------------- */

static inline void
ends_tick(struct ends *w)
{
	w->now++;
	for (unsigned i = 0; i < w->n;) {
		struct flight f;

		if (w->fl[i].at > w->now) {
			i++;
			continue;
		}
		f = w->fl[i];
		/* the order in which they were sent is kept where delays are equal */
		memmove(&w->fl[i], &w->fl[i + 1], (--w->n - i) * sizeof(f));
		if (f.to >= 2)
			ends_guard(w, f.to - 2u, f.b, f.n);
		else {
			ends_record(w, f.to, f.b, f.n);
			end_take(w, &w->end[f.to], f.b, f.n);
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		struct end *t = &w->end[i];

		if (t->timer && t->timer <= w->now)
			end_timer(w, t);
		if (t->ack_at && t->ack_at <= w->now)
			end_ack(w, t);
	}
	if (w->now % 20 == 0)
		engine_tick(w->e, w->start_ns + w->now * MS);
}

static inline void
ends_connect(struct ends *w)
{
	struct end *c = &w->end[CLIENT];

	w->end[SERVER].state = END_LISTEN;
	c->state = END_SYN_SENT;
	c->rto = RTO_MIN;
	c->timer = w->now + c->rto;
	end_send(w, c, TCP_SYN, c->isn, NULL, 0);
}

/* For the engines of ends_new(). */
static const struct fast_path *ends_fast;

static inline struct ends *
ends_new(const struct policy *pol, uint64_t seed, uint16_t port)
{
	struct ends *w = calloc(1, sizeof(*w));
	struct engine_conf conf = {
	    .memory_bytes = 2u << 20,
	    .max_flows = 64,
	    .seed = 7,
	    .inline_mode = true,
	    .policy = pol,
	    .fast = ends_fast,
	};

	w->io.be = &ends_backend;
	conf.io = &w->io;
	w->e = engine_new(&conf);
	w->fl = calloc(FLIGHT_MAX, sizeof(*w->fl));
	w->rnd = seed * 0x9e3779b97f4a7c15u + 1;
	for (unsigned i = 0; i < 8; i++)
		(void)ends_random(w, 2);
	w->start_ns = UINT64_C(1700000000000000000);
	w->now = 1;
	w->port = port;
	w->delay = 1;
	w->bind = BIND_REJECT;
	for (unsigned i = 0; i < 2; i++) {
		struct end *t = &w->end[i];

		t->who = (uint8_t)i;
		t->out = calloc(1, STREAM);
		t->in = calloc(1, STREAM);
		t->have = calloc(1, STREAM);
		t->mss = 1460;
		t->cwnd = 10 * 1460;
		t->buffer = 64240;
		t->can_sack = t->can_ts = t->can_scale = true;
		t->scale = 7;
		t->my_scale = t->peer_scale = 0xff;
		t->isn = i ? 5000 : 1000;
	}
	return w;
}

/* Let time pass. */
static inline void
ends_wait(struct ends *w, uint64_t ms)
{
	for (uint64_t until = w->now + ms; w->now < until;)
		ends_tick(w);
}

/* The flow between the two, or NULL. */
static inline struct flow *
ends_flow(struct ends *w)
{
	for (uint32_t i = 0; i < w->e->flows.max; i++)
		if (w->e->flows.flows[i].wheel_slot != UINT16_MAX)
			return &w->e->flows.flows[i];
	return NULL;
}

static inline void
ends_free(struct ends *w)
{
	engine_finish(w->e);
	WANT(w, engine_balanced(engine_stats(w->e)));
	WANT(w, engine_stats(w->e)->held == 0);
	for (unsigned c = 0; c < CELL__CLASSES; c++)
		WANT(w, w->e->cells.used[c] == 0); /* all memory came back */
	engine_free(w->e);
	for (unsigned i = 0; i < 2; i++) {
		if (w->pcap[i])
			(void)fclose(w->pcap[i]);
		free(w->end[i].out);
		free(w->end[i].in);
		free(w->end[i].have);
	}
	free(w->fl);
	free(w);
}

#endif /* TESTS_ENDS_H */
