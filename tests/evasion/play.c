/* SPDX-License-Identifier: Apache-2.0 */
/*
 * play.c - the attacker's side of a play: a TCP of our own (RFC 9293) that does the usual
 * by itself (handshake, acknowledgements, what a session needs) and the rest as the script says.
 *
 * After the script an honest sender's retransmissions follow (RFC 6298: after 200, 400, 800 ms):
 * in the twin they say what it wanted to say; in evil the attacker says the forbidden thing
 * once more, plainly, on the same connection.  When the device is open nothing
 * follows in evil, so that only the trick itself can have worked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "tests/evasion/evade.h"

#define MS	    UINT64_C(1000000)
#define TWIN_NS	    (2000 * MS) /* what an honest twin has, its own waiting apart */
#define SETTLE_NS   (150 * MS)	/* until nothing more is under way */
#define PAYLOAD_MAX 1400u

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static const struct mods plain;

static struct conn *
conn_of(struct play *p)
{
	return &p->conn[p->cur];
}

/* --- sending ------------------------------------------------------------------------------------- */

static uint32_t
ts_now(void)
{
	return (uint32_t)(w.now_ns / MS);
}

static void
segment(struct play *p, uint32_t seq, const char *flags, struct bytes data, const struct mods *m)
{
	struct conn *c = conn_of(p);
	struct shot s = {
	    .p = p,
	    .c = c,
	    .seq = seq,
	    .flags = flags,
	    .data = data,
	    .m = m,
	    .ack = c->rcv_nxt + (m->has_ack ? (uint32_t)m->ack : 0),
	    .ts = c->ts || m->has_ts ? ts_now() + (uint32_t)m->ts : 0,
	    .door = w.door >= 0 &&
		    (m->door || (c->door && p->pc < p->n_steps && p->step[p->pc].op == OP_OPEN)),
	};

	if (m->spoof) { /* in the victim's name */
		s.seq = c->rcv_nxt + (m->has_at ? (uint32_t)m->at : 0);
		s.ack = c->isn + 1 + c->base + c->cursor + (m->has_ack ? (uint32_t)m->ack : 0);
	}
	frame_send(&s);
}

static void
send_ack(struct play *p, struct conn *c)
{
	unsigned was = p->cur;
	struct bytes none = {NULL, 0};

	p->cur = (unsigned)(c - p->conn);
	segment(p, c->una, "A", none, &plain);
	p->cur = was;
}

/* The bytes of `all` from offset at on, plainly. */
static void
send_plain(struct play *p, struct bytes all, uint32_t at)
{
	struct conn *c = conn_of(p);

	for (uint32_t n; at < all.n; at += n) {
		n = all.n - at < PAYLOAD_MAX ? all.n - at : PAYLOAD_MAX;
		segment(p, c->isn + 1 + c->base + at, NULL, (struct bytes){all.p + at, n}, &plain);
	}
}

/* --- hearing --------------------------------------------------------------------------------------- */

static void
hear_handshake(struct play *p, struct conn *c, const struct heard *h)
{
	if (!(h->flags & ACK) || c->isn == 0 || h->ack - (c->isn + 1) > c->syn_data)
		return; /* of an older connection with these ports, or the victim's own SYN */
	c->irs = h->seq;
	c->rcv_nxt = h->seq + 1;
	c->una = h->ack;
	c->rwin = h->win;
	c->opened = true;
	if (!c->no_ack)
		send_ack(p, c);
}

void
play_hear(const struct heard *h, bool tap)
{
	struct play *p = play_of(h->dport);
	struct conn *c;

	if (!p || p->state == WAITING || p->state == DONE)
		return;
	c = &p->conn[(h->dport - p->port) % CONNS];
	if (tap && !c->door) /* it comes through the device as well, or shall not */
		return;
	if (h->has_ts)
		c->ts_recent = h->tsval;
	if (h->flags & RST) {
		if (!c->opened || h->seq == c->rcv_nxt)
			c->reset = true;
		return;
	}
	if (h->flags & SYN) {
		if (!c->opened)
			hear_handshake(p, c, h);
		else if (!c->no_ack && h->flags & ACK && h->ack == c->una)
			send_ack(p, c);
		return;
	}
	if (!c->opened) { /* RFC 9293 3.5.1: the other end has an older connection */
		struct bytes none = {NULL, 0};

		if (c->isn != 0 && h->flags & ACK && h->ack != c->isn + 1) {
			unsigned was = p->cur;

			p->cur = (unsigned)(c - p->conn);
			segment(p, h->ack, "R", none, &plain);
			p->cur = was;
			p->wake_ns = w.now_ns + 20 * MS; /* and asks again */
		}
		return;
	}
	if (h->flags & ACK && (int32_t)(h->ack - c->una) > 0)
		c->una = h->ack;
	c->rwin = h->win;
	if (h->len > 0 || h->flags & FIN) {
		uint32_t end = h->seq + h->len + (h->flags & FIN ? 1 : 0);

		if ((int32_t)(h->seq - c->rcv_nxt) <= 0 && (int32_t)(end - c->rcv_nxt) > 0) {
			c->rx += end - c->rcv_nxt;
			c->rcv_nxt = end;
			c->finished |= (h->flags & FIN) != 0;
		}
		if (!c->no_ack)
			send_ack(p, c);
	}
}

/* --- steps ------------------------------------------------------------------------------------------- */

/* true: the step is done.  One that waits is asked again at wake_ns. */
static bool
again_in(struct play *p, uint64_t ns)
{
	p->wake_ns = w.now_ns + ns;
	return false;
}

static void
fail(struct play *p, const char *note)
{
	p->note = note;
	p->pc = p->n_steps;
}

/* Another number each time; the same in each run. */
static uint32_t
next_isn(void)
{
	static uint32_t n = 0x10000000;

	n = n * 1664525u + 1013904223u;
	return 0x10000000u + (n >> 4);
}

static bool
step_open(struct play *p, const struct step *st)
{
	struct conn *c = conn_of(p);
	char flags[] = "S";

	if (!p->in_step) {
		uint16_t sport = c->sport;

		*c = (struct conn){.sport = sport};
		c->isn = st->has_isn ? st->isn : next_isn();
		c->ts = st->ts;
		c->door = st->door;
		c->no_ack = st->no_ack;
		c->syn_data = st->data.n;
		p->tries = 0;
	}
	if (c->opened) {
		c->no_ack = false;
		return true;
	}
	if (c->reset || p->tries++ == 4) {
		fail(p, "no handshake");
		return true;
	}
	{
		struct mods m = st->m;
		static const uint8_t mss[] = {2, 4, 5, 0xb4};
		uint8_t o[40];

		memcpy(o, mss, 4);
		if (m.topt.n)
			memcpy(o + 4, m.topt.p, m.topt.n);
		m.topt = (struct bytes){o, 4 + m.topt.n};
		struct shot s = {.p = p,
		    .c = c,
		    .seq = c->isn,
		    .flags = m.flags ? m.flags : flags,
		    .data = st->data,
		    .m = &m,
		    .ts = c->ts ? ts_now() : 0,
		    .door = c->door};

		frame_send(&s);
	}
	return again_in(p, 300 * MS);
}

/* These come before what is wanted. */
static void
prefix_add(struct conn *c, struct bytes b)
{
	uint8_t *more = realloc(c->prefix.p, c->prefix.n + b.n);

	if (!more)
		die("out of memory");
	memcpy(more + c->prefix.n, b.p, b.n);
	c->prefix = (struct bytes){more, c->prefix.n + b.n};
}

/* What the protocol wants before one may ask: each message in turn, answered. */
static bool
step_session(struct play *p)
{
	static const char *const names[PROTOS][SESSION_MAX] = {
	    {NULL}, {"connect", "setup"}, {"hello", "open", "create", "activate"}};
	struct conn *c = conn_of(p);
	const struct bytes *b;

	if (!p->in_step) {
		p->session_at = 0;
		p->tries = 0;
	} else if (c->rx > c->rx_mark &&
		   (int32_t)(c->una - (c->isn + 1 + c->base + c->cursor)) >= 0) {
		p->session_at++;
		p->tries = 0;
	} else if (++p->tries > 8 || c->reset) {
		fail(p, "no session");
		return true;
	}
	if (p->session_at == SESSION_MAX || names[p->k->proto][p->session_at] == NULL) {
		c->base += c->cursor;
		c->cursor = 0;
		c->rx_mark = c->rx;
		return true;
	}
	b = message_find(p->k->proto, names[p->k->proto][p->session_at]);
	if (!b)
		die("no message \"%s\"", names[p->k->proto][p->session_at]);
	if (p->tries == 0) {
		prefix_add(c, *b);
		c->rx_mark = c->rx;
		c->cursor += b->n;
	}
	segment(p, c->isn + 1 + c->base + c->cursor - b->n, NULL, *b, &plain);
	return again_in(p, 200 * MS);
}

static void
step_segment(struct play *p, const struct step *st)
{
	struct conn *c = conn_of(p);
	uint32_t at = st->m.has_at ? (uint32_t)st->m.at : c->cursor;

	if (!p->start_ns)
		p->start_ns = w.now_ns;
	segment(p, c->isn + 1 + c->base + at, st->m.flags, st->data, &st->m);
	if (!st->m.has_at && !st->m.spoof && !st->m.stay)
		c->cursor += st->data.n + (st->m.flags && strchr(st->m.flags, 'F') ? 1 : 0);
}

static void
step_each(struct play *p, const struct step *st)
{
	struct conn *c = conn_of(p);
	uint32_t size = st->n > 0 ? (uint32_t)st->n : 1, parts = (st->data.n + size - 1) / size;
	uint32_t at = st->m.has_at ? (uint32_t)st->m.at : c->cursor;

	if (!p->start_ns)
		p->start_ns = w.now_ns;
	for (uint32_t i = 0; i < parts; i++) {
		uint32_t off = (st->reverse ? parts - 1 - i : i) * size;
		uint32_t n = st->data.n - off < size ? st->data.n - off : size;

		segment(p, c->isn + 1 + c->base + at + off, st->m.flags,
		    (struct bytes){st->data.p + off, n}, &st->m);
	}
	if (!st->m.has_at)
		c->cursor += st->data.n;
}

/* As much of the data, again and again, as the victim's window takes. */
static bool
step_fill(struct play *p, const struct step *st)
{
	struct conn *c = conn_of(p);
	uint32_t sent = c->cursor - (c->una - (c->isn + 1 + c->base));

	if (!p->in_step)
		p->tries = 0;
	if (p->tries++ > 400 || c->rwin == 0) {
		c->base += c->cursor;
		c->cursor = 0;
		return true;
	}
	if (sent < c->rwin) {
		uint32_t n = st->data.n < c->rwin - sent ? st->data.n : c->rwin - sent;

		segment(p, c->isn + 1 + c->base + c->cursor, NULL, (struct bytes){st->data.p, n},
		    &plain);
		c->cursor += n;
		prefix_add(c, (struct bytes){st->data.p, n});
	}
	return again_in(p, 2 * MS);
}

static bool
step_wait(struct play *p, uint64_t ns)
{
	if (p->in_step) {
		p->waited_ns += p->start_ns ? ns : 0;
		return true;
	}
	return again_in(p, ns);
}

/* Until something is so, at most so long. */
static bool
step_until(struct play *p, const struct step *st, bool is_so)
{
	if (!p->in_step)
		p->deadline_ns = w.now_ns + (uint64_t)st->n * MS;
	return is_so || w.now_ns >= p->deadline_ns || again_in(p, MS);
}

static bool
step_run(struct play *p, const struct step *st)
{
	struct conn *c = conn_of(p);
	struct shot s = {.p = p, .c = c, .data = st->data, .m = &st->m, .udp = true};
	bool done;

	switch (st->op) {
	case OP_OPEN:
		return step_open(p, st);
	case OP_SESSION:
		return step_session(p);
	case OP_CONN:
		p->cur = (unsigned)st->n % CONNS;
		return true;
	case OP_BASE:
		c->base += c->cursor;
		c->cursor = 0;
		return true;
	case OP_SKIP:
		c->cursor += (uint32_t)st->n;
		return true;
	case OP_SEG:
		step_segment(p, st);
		return true;
	case OP_EACH:
		step_each(p, st);
		return true;
	case OP_DGRAM:
		if (!p->start_ns)
			p->start_ns = w.now_ns;
		frame_send(&s);
		return true;
	case OP_WAIT:
		return step_wait(p, (uint64_t)st->n * MS);
	case OP_ACKED:
		return step_until(
		    p, st, c->reset || (int32_t)(c->una - (c->isn + 1 + c->base + c->cursor)) >= 0);
	case OP_ANSWER:
		done = step_until(p, st, c->reset || c->rx > c->rx_mark);
		if (done)
			c->rx_mark = c->rx;
		return done;
	case OP_VICTIM:
		victim_word(p, st->word);
		return true;
	case OP_QUIET:
		c->no_ack = st->n != 0;
		return true;
	case OP_FILL:
		return step_fill(p, st);
	}
	return true;
}

/* --- the end of a play ----------------------------------------------------------------------------------- */

static bool
twin_arrived(const struct play *p)
{
	const struct conn *c = &p->conn[p->cur];
	struct bytes got = victim_bytes(p, c->sport);

	if (p->k->udp) /* a datagram may come twice */
		return got.n >= p->want.n && memmem(got.p, got.n, p->want.p, p->want.n) != NULL;
	return got.n == c->prefix.n + p->want.n &&
	       (c->prefix.n == 0 || memcmp(got.p, c->prefix.p, c->prefix.n) == 0) &&
	       memcmp(got.p + c->prefix.n, p->want.p, p->want.n) == 0;
}

static void
say_again(struct play *p)
{
	struct conn *c = conn_of(p);
	uint32_t at = c->una - (c->isn + 1 + c->base);
	struct shot s = {.p = p, .c = c, .data = p->want, .m = &plain, .udp = true};

	if (p->k->udp) {
		frame_send(&s);
		return;
	}
	if (!c->opened)
		return;
	if ((int32_t)at < 0 || at > p->want.n)
		at = 0;
	send_plain(p, p->want, at);
	if (p->evil) { /* and on top of whatever went before */
		const struct bytes *b = message_find(p->k->proto, "forbidden");

		segment(p, c->una, NULL, *b, &plain);
	}
}

static void
play_settle(struct play *p)
{
	static const uint64_t rto[] = {200 * MS, 400 * MS, 800 * MS};
	uint64_t used;

	if (!p->start_ns)
		p->start_ns = w.now_ns;
	used = w.now_ns - p->start_ns - p->waited_ns;
	if (!p->evil && !p->arrived && twin_arrived(p)) {
		p->arrived = used <= TWIN_NS;
		p->ms = (double)used / 1e6;
		p->state = DONE;
		return;
	}
	if (p->evil && w.open) {
		if (w.now_ns >= p->settle_ns) {
			p->worked = victim_leaked(p);
			p->state = DONE;
		}
		return;
	}
	if (w.now_ns >= p->settle_ns) {
		if (p->tries < sizeof(rto) / sizeof(*rto) - (p->evil ? 1u : 0u)) {
			say_again(p);
			p->settle_ns = w.now_ns + rto[p->tries++];
		} else if (p->evil || used > TWIN_NS) {
			p->leaked = p->evil && victim_leaked(p);
			p->ms = (double)used / 1e6;
			p->state = DONE;
		}
	}
}

/* Has come what the step waits for, before its time is over? */
static bool
step_ready(struct play *p)
{
	const struct conn *c = conn_of(p);

	switch (p->step[p->pc].op) {
	case OP_OPEN:
		return c->opened || c->reset;
	case OP_SESSION:
		return c->reset || (c->rx > c->rx_mark &&
				       (int32_t)(c->una - (c->isn + 1 + c->base + c->cursor)) >= 0);
	default:
		return false;
	}
}

static void
play_turn(struct play *p)
{
	if (p->state == RUNNING) {
		while (p->pc < p->n_steps) {
			if (p->in_step && w.now_ns < p->wake_ns && !step_ready(p))
				return;
			if (!step_run(p, &p->step[p->pc])) {
				p->in_step = true;
				return;
			}
			p->in_step = false;
			p->pc++;
		}
		p->state = SETTLING;
		p->tries = 0;
		p->settle_ns = w.now_ns + (p->evil ? SETTLE_NS : 200 * MS);
	}
	if (p->state == SETTLING)
		play_settle(p);
}

/* --- all plays --------------------------------------------------------------------------------------------- */

static void
clock_read(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	w.now_ns = (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

enum { ID_RAW = 1u << 20, ID_TAP };

static void
hear_all(int epfd, int ms)
{
	struct epoll_event ev[256];
	int n = epoll_wait(epfd, ev, 256, ms);

	clock_read();
	for (int i = 0; i < n; i++)
		if (ev[i].data.u32 == ID_RAW)
			link_receive();
		else if (ev[i].data.u32 == ID_TAP)
			tap_receive();
		else
			victim_event(ev[i].data.u32);
}

void
plays_run(void)
{
	int epfd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = ID_RAW};
	unsigned next = 0, running = 0;

	victim_add_fds(epfd);
	(void)epoll_ctl(epfd, EPOLL_CTL_ADD, w.raw, &ev);
	ev.data.u32 = ID_TAP;
	if (w.tap >= 0)
		(void)epoll_ctl(epfd, EPOLL_CTL_ADD, w.tap, &ev);
	clock_read();
	while (next < w.n_plays || running > 0) {
		for (; next < w.n_plays && running < w.parallel &&
		       !(w.play[next].k->alone && running > 0);
		     next++) {
			struct play *p = &w.play[next];

			if (case_skipped(p->k)) {
				p->state = DONE;
				continue;
			}
			p->state = RUNNING;
			running++;
			if (p->k->alone)
				running = w.parallel;
		}
		running = 0;
		for (unsigned i = 0; i < next; i++) {
			if (w.play[i].state == RUNNING || w.play[i].state == SETTLING)
				play_turn(&w.play[i]);
			if (w.play[i].state != DONE)
				running += w.play[i].k->alone ? w.parallel : 1;
		}
		hear_all(epfd, 1);
	}
}
