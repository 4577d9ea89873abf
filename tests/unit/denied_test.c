/* SPDX-License-Identifier: Apache-2.0 */
/*
 * denied_test.c - what a guard does about denied packets in a hurry (dataplane/quick.h, stranger.h) is what it does
 * about them at leisure; and a flood of them takes nothing from those that are allowed.
 *
 * Two guards get the same frames, one of which has no quick look (conf.no_quick); after each burst all that they can
 * be asked is the same, as in quick_test.c.  Both ends of each connection are here: they acknowledge what has
 * reached them, so that refusals are put in and acknowledged as they are in a plant.  What is denied is refused,
 * dropped or reset by conduit; and comes whole, cut, behind or in front of what is allowed, again, altered, ahead of
 * a hole.  Beside them hosts that no conduit has.
 *
 * usage: denied_test [SEED STEPS]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alerts/alert.h"
#include "alerts/alert_int.h"
#include "dataplane/engine_int.h"
#include "dataplane/handover.h"
#include "dataplane/io/io.h"
#include "tests/unit/wire.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };

#define TALKS	   40u
#define EPOCH	   UINT64_C(1700000000000000000)
#define DUMP_BYTES (8u << 20)
#define LINE	   700u /* bytes of a frame here, at most */

static uint64_t seed = 20261129, rng;
#ifdef __SANITIZE_ADDRESS__
#define STEPS 50000 /* it is slow */
#else
#define STEPS 150000
#endif
static unsigned long steps = STEPS;

static uint32_t
draw(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)((rng >> 32) % n);
}

static bool
once_in(uint32_t n)
{
	return draw(n) == 0;
}

/* --- the world ----------------------------------------------------------------------------------- */

struct said {
	uint32_t seq, n;
	uint8_t b[512];
};

struct talk {
	bool s7, open, stamped, tagged;
	uint32_t snd[2],
	    rcv[2]; /* next to send; next that it expects of the other: [0] the client */
	uint32_t ip[2];
	uint16_t port[2];
	uint32_t number, stamp, answers; /* that the server owes */
	struct said old[3], lost;	 /* segments of the client */
};

struct party {
	struct io io; /* first: tx() casts */
	struct world *w;
	struct engine *e;
	struct alerts *alerts;
	uint64_t sent;
	unsigned long frames;
};

struct world {
	struct party x[2];
	struct policy *pol[2];
	unsigned in_force;
	struct talk talk[TALKS];
	uint64_t now_ns, frame;
	struct pkt burst[PKT_BURST];
	uint8_t bytes[PKT_BURST][LINE];
	unsigned n;
	uint8_t *dump[2];
	size_t n_dump[2];
	unsigned to;
	bool orderly; /* nothing goes wrong on the way */
};

static uint64_t
hash(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3u;
	return h;
}

/* A frame reaches an end: what is next in order is taken. */
static void
arrives(struct world *w, const struct pkt *p)
{
	const uint8_t *ip = p->bytes + (p->bytes[12] == 0x81 ? 18 : 14), *tcp = ip + 20;
	uint32_t n = ((uint32_t)ip[2] << 8 | ip[3]) - 20u - (tcp[12] >> 4) * 4u;
	uint32_t sport = (uint32_t)tcp[0] << 8 | tcp[1], dport = (uint32_t)tcp[2] << 8 | tcp[3];
	unsigned end = dport >= 20000 ? 0 : 1;
	uint32_t i = (end == 0 ? dport : sport) - 20000;
	struct talk *t;

	if (ip[9] != 6 || i >= TALKS)
		return;
	t = &w->talk[i];
	if (tcp[13] & RST)
		t->open = t->open && end == 1; /* the client is told: it will begin anew */
	if (tcp[13] & SYN || get_be32(tcp + 4) != t->rcv[end])
		return;
	t->rcv[end] += n + (tcp[13] & FIN);
}

static int
on_tx(struct io *io, const struct pkt *p)
{
	struct party *x = (struct party *)(void *)io;

	x->sent = hash(hash(x->sent, &p->caplen, sizeof(p->caplen)), p->bytes, p->caplen);
	x->sent = hash(x->sent, &p->port, 1);
	x->frames++;
	if (x == &x->w->x[0])
		arrives(x->w, p);
	return 0;
}

static const struct io_backend backend = {.scheme = "test", .tx = on_tx};

#define HEAD                                                                                       \
	"interlock: 1\nsite: t\nmode: enforce\n"                                                   \
	"zones:\n  it: {level: 3, port: outside, nets: [10.1.0.0/16]}\n"                           \
	"  a: {level: 1, port: inside, nets: [10.2.0.0/24]}\n"                                     \
	"  b: {level: 1, port: inside, nets: [10.2.1.0/24]}\n"                                     \
	"  c: {level: 1, port: inside, nets: [10.2.2.0/24]}\n"                                     \
	"  d: {level: 1, port: inside, nets: [10.2.3.0/24]}\n"                                     \
	"conduits:\n"
#define RULES                                                                                      \
	"    modbus:\n      addressing: zero-based\n      allow:\n"                                \
	"        - {name: poll, units: [1], functions: [3], holding: [0..29]}\n"                   \
	"      deny:\n"                                                                            \
	"        - {name: no, units: [1], functions: [6], holding: [0..99]}\n"                     \
	"    s7:\n      allow:\n"                                                                  \
	"        - {name: r7, functions: [setup, read], read: [DB10.DBB0..40]}\n"
#define CONDUIT(z, otherwise)                                                                      \
	"  - name: to-" z "\n    from: [it/*]\n    to: [" z "/*]\n    otherwise: " otherwise       \
	"\n" RULES

static const char *const policies[] = {
    HEAD CONDUIT("a", "reject") CONDUIT("b", "drop") CONDUIT("c", "reset") CONDUIT("d", "reject"),
    HEAD CONDUIT("a", "drop") CONDUIT("b", "reject") CONDUIT("c", "reject"),
};

static int
keep(void *ctx, const void *p, size_t n)
{
	struct world *w = ctx;

	assert_true(w->n_dump[w->to] + n <= DUMP_BYTES);
	memcpy(w->dump[w->to] + w->n_dump[w->to], p, n);
	w->n_dump[w->to] += n;
	return 0;
}

static void
same_flows(struct world *w)
{
	const struct alerts *a = w->x[0].alerts, *b = w->x[1].alerts;

	assert_memory_equal(a->fold->entry, b->fold->entry, sizeof(a->fold->entry));
	assert_memory_equal(a->fold->count, b->fold->count, sizeof(a->fold->count));
	assert_memory_equal(a->fold->tag, b->fold->tag, sizeof(a->fold->tag));
	assert_int_equal(a->fold->evicted, b->fold->evicted);
	assert_memory_equal(&a->shared->packet[0].writer, &b->shared->packet[0].writer,
	    sizeof(a->shared->packet[0].writer));
	for (w->to = 0; w->to < 2; w->to++) {
		w->n_dump[w->to] = 0;
		assert_int_equal(engine_export(w->x[w->to].e, false, keep, w), 0);
	}
	assert_int_equal(w->n_dump[0], w->n_dump[1]);
	if (memcmp(w->dump[0], w->dump[1], w->n_dump[0]) != 0)
		fail_msg("flows differ (frame %lu)", (unsigned long)w->frame);
	for (unsigned k = 0; k < CELL__CLASSES; k++)
		assert_int_equal(w->x[0].e->cells.used[k], w->x[1].e->cells.used[k]);
}

static void
flush(struct world *w)
{
	static uint8_t copy[PKT_BURST][LINE];
	struct pkt in[2][PKT_BURST];
	const struct engine_stats *s, *t;

	for (unsigned who = 0; who < 2; who++) {
		for (unsigned i = 0; i < w->n; i++)
			in[who][i] = w->burst[i];
		engine_burst(w->x[who].e, in[who], w->n);
		for (unsigned i = 0; i < w->n && who == 0; i++) {
			memcpy(copy[i], in[0][i].bytes, in[0][i].caplen);
			if (in[0][i].fate == FATE_FORWARD)
				arrives(w, &in[0][i]);
		}
	}
	s = engine_stats(w->x[0].e);
	t = engine_stats(w->x[1].e);
	for (unsigned i = 0; i < w->n; i++) {
		if (in[0][i].fate != in[1][i].fate)
			fail_msg("frame %lu of %lu: fate %u (%u) and %u (%u)",
			    (unsigned long)in[0][i].frame, (unsigned long)w->frame, in[0][i].fate,
			    in[0][i].reason, in[1][i].fate, in[1][i].reason);
		assert_int_equal(in[0][i].reason, in[1][i].reason);
		assert_int_equal(in[0][i].conduit, in[1][i].conduit);
		assert_int_equal(in[0][i].caplen, in[1][i].caplen);
		assert_memory_equal(copy[i], in[1][i].bytes, in[0][i].caplen);
	}
	if (memcmp(s, t, sizeof(*s)) != 0)
		fail_msg("counters differ (frame %lu)", (unsigned long)w->frame);
	assert_true(engine_balanced(s));
	assert_int_equal(w->x[0].frames, w->x[1].frames);
	assert_true(w->x[0].sent == w->x[1].sent);
	assert_memory_equal(engine_rule_hits(w->x[0].e), engine_rule_hits(w->x[1].e),
	    policy_rule_count(w->pol[w->in_force]) * sizeof(uint64_t));
	w->n = 0;
	if (once_in(50))
		same_flows(w);
}

/* --- frames ----------------------------------------------------------------------------------------- */

static void
queue(struct world *w, uint8_t *b, uint32_t n, uint8_t port)
{
	w->burst[w->n] = (struct pkt){.bytes = b,
	    .caplen = n,
	    .wirelen = n,
	    .port = port,
	    .ts_ns = w->now_ns += 1000 + draw(100000),
	    .frame = ++w->frame};
	if (++w->n == PKT_BURST || once_in(6))
		flush(w);
}

/* A segment of a talk's end, or what looks like one. */
static void
segment(struct world *w, struct talk *t, unsigned from, uint32_t seq, uint8_t flags,
    const uint8_t *p, uint32_t n)
{
	uint8_t *b = w->bytes[w->n], *ip = b + 14, *tcp;
	uint32_t opt = t->stamped ? 12 : 0;

	memset(b, 0, 90);
	memcpy(b,
	    from ? "\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0" : "\x02\0\0\0\0\2\x02\0\0\0\0\1\x08\0", 14);
	if (t->tagged) {
		memcpy(b + 12, "\x81\0\0\7\x08\0", 6);
		ip += 4;
	}
	tcp = ip + 20;
	ip[0] = 0x45;
	wire_put16(ip + 2, 40 + opt + n);
	wire_put16(ip + 4, draw(65536));
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 6;
	wire_put32(ip + 12, t->ip[from]);
	wire_put32(ip + 16, t->ip[from ^ 1]);
	wire_put16(ip + 10, ~wire_sum(ip, 20, 0) & 0xffff);
	wire_put16(tcp, t->port[from]);
	wire_put16(tcp + 2, t->port[from ^ 1]);
	wire_put32(tcp + 4, seq);
	wire_put32(tcp + 8,
	    flags & ACK ? t->rcv[from] + (!w->orderly && once_in(60) ? draw(9) - 4u : 0) : 0);
	tcp[12] = (uint8_t)((20 + opt) / 4 << 4);
	tcp[13] = flags;
	wire_put16(tcp + 14, !w->orderly && once_in(40) ? draw(65536) : 64240);
	if (opt) {
		memcpy(tcp + 20, "\1\1\x08\x0a", 4);
		wire_put32(tcp + 24, t->stamp++);
		wire_put32(tcp + 28, t->stamp);
	}
	if (n)
		memcpy(tcp + 20 + opt, p, n);
	wire_put16(tcp + 16,
	    ~wire_sum(tcp, 20 + opt + n, wire_sum(ip + 12, 8, 6 + 20 + opt + n)) & 0xffff);
	if (!w->orderly && once_in(300)) /* something happens to it on the way */
		b[draw((uint32_t)(tcp - b) + 20 + opt + n)] ^= (uint8_t)(1u << draw(8));
	queue(w, b, (uint32_t)(tcp - b) + 20 + opt + n,
	    (uint8_t)(!w->orderly && once_in(400) ? from ^ 1 : from));
}

static void
say(struct world *w, struct talk *t, const uint8_t *p, uint32_t n)
{
	struct said *old = &t->old[draw(3)];
	uint32_t seq = t->snd[0];

	*old = (struct said){.seq = seq, .n = n};
	memcpy(old->b, p, n);
	t->snd[0] += n;
	if (!w->orderly && once_in(100))
		t->lost = *old;
	else
		segment(w, t, 0, seq, once_in(5) ? ACK : PSH | ACK, p, n);
}

/* A request: 0 allowed, 1.. denied in ways of their own. */
static uint32_t
request(struct talk *t, uint8_t *p, unsigned kind)
{
	static const uint8_t job[] = "\x03\0\0\x1f\2\xf0\x80\x32\1\0\0\0\0\0\x0e\0\0\4\1"
				     "\x12\x0a\x10\2\0\2\0\x0a\x84\0\0\0";
	static const uint8_t put[] = "\x03\0\0\x25\2\xf0\x80\x32\1\0\0\0\0\0\x0e\0\6\5\1"
				     "\x12\x0a\x10\2\0\2\0\x0a\x84\0\0\0"
				     "\0\4\0\x10\0\7";

	if (t->s7) {
		uint32_t n = kind == 1 ? sizeof(put) - 1 : sizeof(job) - 1;

		memcpy(p, kind == 1 ? put : job, n);
		wire_put16(p + 11, t->number++);
		if (kind > 1)
			p[26] = (uint8_t)(10 + kind); /* another DB */
		return n;
	}
	wire_put16(p, t->number++);
	memcpy(p + 2, "\0\0\0\6\1\3\0\0\0\2", 10);
	if (kind > 0) {
		p[7] = kind == 1 ? 6 : 3;
		p[9] = (uint8_t)(kind > 2 ? 100 + kind : 40);
	}
	return 12;
}

static void
answer(struct world *w, struct talk *t)
{
	uint8_t b[64];
	uint32_t n = 13;

	if (t->s7) {
		memcpy(
		    b, "\x03\0\0\x1b\2\xf0\x80\x32\3\0\0\0\0\0\2\0\6\0\0\4\1\xff\4\0\x10\0\7", 27);
		wire_put16(b + 11, t->number - 1);
		n = 27;
	} else {
		memcpy(b, "\0\0\0\0\0\7\1\3\4\0\1\0\2", 13);
		wire_put16(b, t->number - 1);
	}
	segment(w, t, 1, t->snd[1], PSH | ACK, b, n);
	t->snd[1] += n;
}

static void
begin(struct world *w, unsigned i)
{
	struct talk *t = &w->talk[i];
	uint32_t seqs[2] = {draw(~0u), draw(~0u)};

	*t = (struct talk){.s7 = i % 2,
	    .open = true,
	    .stamped = i % 5 == 1,
	    .tagged = i % 11 == 3,
	    .snd = {seqs[0], seqs[1]},
	    .ip = {0x0a010000u + i % 7, 0x0a020000u + i / 2 % 4 * 256 + i % 2},
	    .port = {(uint16_t)(20000 + i), i % 2 ? 102 : 502},
	    .number = draw(65536)};
	t->rcv[0] = seqs[1];
	segment(w, t, 0, t->snd[0]++, SYN, NULL, 0);
	t->rcv[1] = t->snd[0];
	segment(w, t, 1, t->snd[1]++, SYN | ACK, NULL, 0);
	t->rcv[0] = t->snd[1];
	segment(w, t, 0, t->snd[0], ACK, NULL, 0);
	if (!t->s7)
		return;
	flush(w);
	say(w, t, (const uint8_t *)"\x03\0\0\x16\x11\xe0\0\0\0\1\0\xc1\2\1\0\xc2\2\1\2\xc0\1\x0a",
	    22);
	flush(w);
	segment(w, t, 1, t->snd[1], PSH | ACK,
	    (const uint8_t *)"\x03\0\0\x16\x11\xd0\0\1\0\2\0\xc0\1\x0a\xc1\2\1\0\xc2\2\1\2", 22);
	t->snd[1] += 22;
	flush(w);
	say(w, t,
	    (const uint8_t
		    *)"\x03\0\0\x19\2\xf0\x80\x32\1\0\0\xff\xff\0\x08\0\0\xf0\0\0\1\0\1\1\xe0",
	    25);
	flush(w);
	segment(w, t, 1, t->snd[1], PSH | ACK,
	    (const uint8_t
		    *)"\x03\0\0\x1b\2\xf0\x80\x32\3\0\0\xff\xff\0\x08\0\0\0\0\xf0\0\0\1\0\1\0\xf0",
	    27);
	t->snd[1] += 27;
	flush(w);
}

/* Of a host that no conduit has, or to one. */
static void
stranger(struct world *w)
{
	const bool udp = once_in(4), back = once_in(6);
	struct talk t = {.ip = {0x0a090000u + draw(12), 0x0a020000u + draw(4) * 256},
	    .port = {(uint16_t)(once_in(5) ? 502 : 30000 + draw(900)),
		(uint16_t)(once_in(3)	? 102
			   : once_in(9) ? 40000
					: 502)},
	    .stamped = once_in(5)};
	uint8_t b[64];
	uint32_t n = request(&t, b, 0);

	if (once_in(10)) /* one of a conduit, of a port that it has not */
		t.ip[0] = 0x0a010000u;
	if (!udp) {
		bool syn = once_in(2);

		segment(w, &t, back, draw(~0u), syn ? SYN | (once_in(4) ? ACK : 0) : PSH | ACK, b,
		    syn ? 0 : n);
		return;
	}
	{
		uint8_t *f = w->bytes[w->n];

		memset(f, 0, 60);
		memcpy(f, "\x02\0\0\0\0\2\x02\0\0\0\0\1\x08\0\x45", 15);
		wire_put16(f + 16, 28 + n);
		f[22] = 64;
		f[23] = 17;
		wire_put32(f + 26, t.ip[back]);
		wire_put32(f + 30, t.ip[back ^ 1]);
		wire_put16(f + 24, ~wire_sum(f + 14, 20, 0) & 0xffff);
		wire_put16(f + 34, t.port[back]);
		wire_put16(f + 36, t.port[back ^ 1]);
		wire_put16(f + 38, 8 + n);
		memcpy(f + 42, b, n);
		queue(w, f, 42 + n, back);
	}
}

static void
step(struct world *w, unsigned i)
{
	struct talk *t = &w->talk[i];
	const bool steady = i / 8 % 2; /* does hardly anything but ask what it may not */
	const uint32_t pick = steady && !once_in(15) ? 0 : draw(100);
	const unsigned kind = once_in(6) ? 1 + draw(5) : 1 + i % 2;
	uint8_t b[512];
	uint32_t n, k;

	if (once_in(5))
		stranger(w);
	if (t->port[0] == 0 || (!t->open && once_in(4)) || once_in(steady ? 500 : 150)) {
		begin(w, i);
		return;
	}
	if (steady || once_in(3))
		flush(w); /* what was said arrives */
	if (t->lost.n > 0) {
		if (once_in(2))
			segment(w, t, 0, t->lost.seq, PSH | ACK, t->lost.b, t->lost.n);
		t->lost.n = once_in(2) ? t->lost.n : 0;
	}
	if (pick < 62) {
		n = request(t, b, kind);
		if (once_in(200))
			b[draw(n)] ^= (uint8_t)(1u << draw(8));
		say(w, t, b, n);
	} else if (pick < 72) { /* a poll, and its answer where it arrives */
		uint32_t was = t->rcv[1];

		say(w, t, b, request(t, b, 0));
		flush(w);
		if (t->rcv[1] != was && !once_in(20))
			answer(w, t);
	} else if (pick < 77) { /* cut */
		n = request(t, b, once_in(3) ? 0 : kind);
		k = 1 + draw(n - 1);
		say(w, t, b, k);
		say(w, t, b + k, n - k);
	} else if (pick < 84) { /* several, of this kind and that */
		n = 0;
		for (k = 2 + draw(3); k > 0; k--)
			n += request(t, b + n, once_in(2) ? 0 : kind);
		say(w, t, b, n);
	} else if (pick < 90) { /* again, some of it, or altered */
		struct said o = t->old[draw(3)];

		k = once_in(2) ? 0 : draw(o.n + 1);
		if (o.n > 0 && once_in(3))
			o.b[draw(o.n)] ^= 1;
		if (o.n > 0)
			segment(w, t, 0, o.seq + k, PSH | ACK, o.b + k, o.n - k);
	} else if (pick < 94) {
		k = draw(2);
		segment(w, t, k, t->snd[k], ACK, NULL, 0);
	} else if (pick < 96) { /* ahead of a hole, which is filled */
		n = request(t, b, kind);
		k = request(t, b + n, once_in(2) ? 0 : kind);
		segment(w, t, 0, t->snd[0] + n, PSH | ACK, b + n, k);
		segment(w, t, 0, t->snd[0], PSH | ACK, b, n);
		t->snd[0] += n + k;
	} else if (pick < 97) {
		static const uint8_t odd[] = {
		    FIN | ACK, RST | ACK, RST, URG | PSH | ACK, SYN, SYN | ACK};

		n = request(t, b, kind);
		segment(w, t, draw(2), t->snd[0], odd[draw(6)], b, once_in(2) ? n : 0);
	} else if (pick < 98) {
		answer(w, t); /* to nothing */
	} else {
		n = 0;
		while (n < 480 - 40)
			n += request(t, b + n, kind);
		say(w, t, b, n);
	}
}

static struct world *
world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	rng = seed * 2 + 0x9e3779b97f4a7c15u;
	w->now_ns = EPOCH;
	for (unsigned i = 0; i < 2; i++) {
		struct complaints c = {0};

		w->pol[i] = policy_build_text("t", policies[i], strlen(policies[i]), &c);
		if (!w->pol[i])
			complaints_print(&c, stderr);
		assert_non_null(w->pol[i]);
		complaints_fini(&c);
	}
	for (unsigned k = 0; k < 2; k++) {
		const struct alerts_conf ac = {.policy = w->pol[0],
		    .sensor = "t",
		    .fold_window_ns = ALERT_FOLD_WINDOW_NS,
		    .fold_seed = 5};
		char err[128];
		struct engine_conf conf = {.memory_bytes = 16u << 20,
		    .max_flows = 400,
		    .seed = 7,
		    .inline_mode = true,
		    .policy = w->pol[0],
		    .io = &w->x[k].io,
		    .no_quick = k == 1};

		conf.alerts = w->x[k].alerts = alerts_new(&ac, err, sizeof(err));
		assert_non_null(conf.alerts);
		w->x[k].w = w;
		w->x[k].io.be = &backend;
		w->x[k].e = engine_new(&conf);
		assert_non_null(w->x[k].e);
		w->dump[k] = malloc(DUMP_BYTES);
		assert_non_null(w->dump[k]);
	}
	return w;
}

static void
world_free(struct world *w)
{
	for (unsigned k = 0; k < 2; k++) {
		engine_free(w->x[k].e);
		alerts_free(w->x[k].alerts);
		policy_free(w->pol[k]);
		free(w->dump[k]);
	}
	free(w);
}

/* Both guards are asked whatever can be denied. */
static void
alike(void **state)
{
	struct world *w = world_new();
	const struct engine *e = w->x[0].e;

	(void)state;
	for (unsigned long i = 0; i < steps; i++) {
		step(w, draw(TALKS));
		if (once_in(300))
			for (unsigned k = 0; k < 2; k++)
				(void)alerts_pump(w->x[k].alerts, w->now_ns);
		if (once_in(5000)) {
			flush(w);
			w->in_force = once_in(3);
			for (unsigned k = 0; k < 2; k++)
				engine_set_policy(w->x[k].e, w->pol[w->in_force]);
		}
		if (once_in(1000))
			w->now_ns += (uint64_t)1 << (28 + draw(9)); /* at most a minute */
		if (once_in(30000))
			w->now_ns += UINT64_C(100000) * 1000000000u;
	}
	flush(w);
	same_flows(w);
	print_message(
	    "%lu frames: %lu PDUs known, %lu packets of what was stopped, %lu of strangers; %lu "
	    "refused, %lu frames of ours\n",
	    (unsigned long)w->frame, (unsigned long)e->quick.known, (unsigned long)e->quick.stopped,
	    (unsigned long)e->strangers.known, (unsigned long)engine_stats(w->x[0].e)->refused,
	    w->x[0].frames);
	assert_true(e->quick.known > w->frame / 100);
	assert_true(e->quick.stopped > w->frame / 20);
	assert_true(e->strangers.known > w->frame / 40);
	assert_int_equal(w->x[1].e->quick.known + w->x[1].e->quick.stopped, 0);
	assert_int_equal(w->x[1].e->strangers.known, 0);
	assert_true(alerts_stats(w->x[0].alerts)->folded > w->frame / 4);
	world_free(w);
}

#define POLLERS 4u
#define ROUNDS	400u

/* Nine of ten packets are denied: each poll arrives, and so does its answer; and of what is denied a line is told for each storm. */
static void
flood(void **state)
{
	struct world *w = world_new();
	const struct engine_stats *s;
	const struct alerts_stats *a;
	uint64_t polls = 0, denied = 0, refused = 0;
	uint8_t b[64];

	(void)state;
	w->orderly = true;
	for (unsigned i = 0; i < TALKS; i++)
		begin(w, i);
	flush(w);
	for (unsigned r = 0; r < ROUNDS; r++) {
		for (unsigned i = 0; i < TALKS; i++) {
			struct talk *t = &w->talk[i], host = {.ip = {0x0a090000u + i, 0x0a020000u},
							  .port = {(uint16_t)(30000 + r), 502}};

			segment(w, &host, 0, r, i % 2 ? SYN : PSH | ACK, b, 0);
			denied++;
			if (i < POLLERS) {
				say(w, t, b, request(t, b, 0));
				flush(w);
				assert_int_equal(t->rcv[1], t->snd[0]);
				answer(w, t);
				flush(w);
				assert_int_equal(t->rcv[0], t->snd[1]);
				polls++;
				continue;
			}
			if (i / 2 % 4 == 2 && !t->open) {
				begin(w, i);
				flush(w);
			}
			say(w, t, b, request(t, b, 1));
			refused += i / 2 % 4 == 0 || i / 2 % 4 == 3;
			if (i % 8 == 0) /* of the burst, or after it */
				flush(w);
		}
		flush(w);
	}
	s = engine_stats(w->x[0].e);
	a = alerts_stats(w->x[0].alerts);
	assert_int_equal(s->refused, refused);
	assert_true(s->dropped[DROP_POLICY_CONDUIT] == denied);
	assert_true(polls * 9 < s->refused + s->dropped[DROP_TCP_BLOCKED] + denied);
	assert_true(a->events >= refused + denied);
	assert_int_equal(a->lost, 0);
	assert_true(a->events - a->folded <= 3 * TALKS);
	assert_true(w->x[0].e->quick.known > refused * 8 / 10 + polls);
	same_flows(w);
	world_free(w);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(alike),
	    cmocka_unit_test(flood),
	};

	if (argc > 2) {
		seed = strtoull(argv[1], NULL, 10);
		steps = strtoul(argv[2], NULL, 10);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
