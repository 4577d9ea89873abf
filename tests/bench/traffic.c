/* SPDX-License-Identifier: Apache-2.0 */
/* traffic.c - see traffic.h. */
#include "tests/bench/traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/policy.h"
#include "tests/bench/pdus.h"

#define SLOT 256u /* bytes between frames of the pool */
#define HEAD 54u  /* Ethernet, IPv4, TCP */

const char *const traffic_names[TRAFFIC__PROTOS] = {"modbus", "s7", "opcua"};

/* Rules that allow the reads of pdus.h, and no writes. */
static const char *const reads[TRAFFIC__PROTOS] = {
    [TRAFFIC_MODBUS] = "modbus:\n      addressing: zero-based\n      allow:\n",
    [TRAFFIC_S7] = "s7:\n      allow:\n"
		   "        - {name: r, functions: [setup, read], read: [DB10.DBB0..20]}\n",
    [TRAFFIC_OPCUA] = "opcua:\n      allow:\n"
		      "        - {name: s, services: [session]}\n"
		      "        - {name: r, services: [Read], nodes: [\"ns=2;s=Recipe.*\"]}\n",
};

#define SYN_ROUNDS 3u	/* SYN, SYN-ACK, ACK */
#define OPENED	   200u /* flows at once */

static const uint8_t syn_flags[SYN_ROUNDS] = {0x02, 0x12, 0x10};

struct traffic {
	struct traffic_conf conf;
	const struct protocol *proto;
	uint8_t *pool;
	uint32_t *order;	/* of the requests, then of the answers */
	uint8_t deny[128];	/* bit i: flow i % 1000 is a denied one */
	uint32_t round, rounds; /* rounds before the laps */
	uint32_t i;		/* in the round */
	uint32_t from, to;	/* flows that are opened */
	uint32_t laps;
	uint32_t off[SYN_ROUNDS + 5]
		    [2];  /* bytes of the handshakes before a round, by side, SYN included */
	uint32_t said[2]; /* number of the next PDU in laps, by side */
	uint32_t n[2];	  /* frames of a lap, by side */
	uint32_t refusal;
	uint32_t slot;
	uint64_t now_ns, frame, rng;
};

static uint32_t
draw(struct traffic *t)
{
	t->rng ^= t->rng << 13;
	t->rng ^= t->rng >> 7;
	t->rng ^= t->rng << 17;
	return (uint32_t)(t->rng >> 32);
}

static inline void
be16_to(uint8_t *p, unsigned v)
{
	uint16_t x = __builtin_bswap16((uint16_t)v);

	memcpy(p, &x, 2);
}

static inline void
be32_to(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, 4);
}

static inline bool
is_denied(const struct traffic *t, uint32_t f)
{
	return t->conf.denied && t->deny[f % 1000 / 8] >> f % 1000 % 8 & 1;
}

struct traffic *
traffic_new(const struct traffic_conf *conf)
{
	struct traffic *t = calloc(1, sizeof(*t));
	uint32_t n = conf->flows;

	if (!t)
		return NULL;
	t->conf = *conf;
	t->proto = &protocols[conf->proto];
	t->rng = 0x243f6a8885a308d3u;
	t->now_ns = UINT64_C(1700000000000000000);
	t->pool = mem_table((size_t)(TRAFFIC_POOL + PKT_BURST) * SLOT);
	t->order = mem_table((size_t)2 * n * sizeof(*t->order));
	if (!t->pool || !t->order) {
		traffic_free(t);
		return NULL;
	}
	for (unsigned half = 0; half < 2; half++) {
		uint32_t *o = t->order + (size_t)half * n;

		for (uint32_t i = 0; i < n; i++)
			o[i] = i;
		for (uint32_t i = n - 1; i > 0; i--) {
			uint32_t j = draw(t) % (i + 1), was = o[i];

			o[i] = o[j];
			o[j] = was;
		}
	}
	for (unsigned i = 0; i < 1000; i++)
		if (draw(t) % 100 < conf->denied)
			t->deny[i / 8] |= (uint8_t)(1u << i % 8);
	t->n[0] = t->n[1] = n;
	if (conf->denial != TRAFFIC_ANSWERED) { /* nobody answers these */
		uint32_t *o = t->order + n, k = 0;

		for (uint32_t i = 0; i < n; i++)
			if (!is_denied(t, o[i]))
				o[k++] = o[i];
		t->n[1] = k;
	}
	t->said[0] = t->said[1] = 2; /* the handshake's were number 1 */
	t->rounds = SYN_ROUNDS + (t->proto->open[0].len ? 4 : 0);
	t->to = n < OPENED ? n : OPENED;
	for (uint32_t r = 0; r < t->rounds; r++) {
		unsigned side = (r < SYN_ROUNDS ? r : r - SYN_ROUNDS) & 1;

		t->off[r + 1][0] = t->off[r][0];
		t->off[r + 1][1] = t->off[r][1];
		t->off[r + 1][side] += r < 2		? 1
				       : r < SYN_ROUNDS ? 0
							: t->proto->open[r - SYN_ROUNDS].len;
	}
	for (unsigned i = 0; i < TRAFFIC_POOL + PKT_BURST; i++) {
		uint8_t *b = t->pool + (size_t)i * SLOT;

		memcpy(b, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0\x45\0\0\0\0\0\x40\0\x40\6", 24);
		be16_to(b + 48, 64240);
	}
	return t;
}

void
traffic_free(struct traffic *t)
{
	if (!t)
		return;
	free(t->pool);
	free(t->order);
	free(t);
}

uint64_t
traffic_opening(const struct traffic *t)
{
	return (uint64_t)t->rounds * t->conf.flows;
}

uint32_t
traffic_lap(const struct traffic *t)
{
	return t->n[0] + t->n[1];
}

void
traffic_refusal(struct traffic *t, uint32_t bytes)
{
	t->refusal = bytes;
}

uint32_t
traffic_denied(const struct traffic *t)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->conf.flows; i++)
		n += is_denied(t, i);
	return n;
}

/* Ones' complement sum (RFC 1071) of n bytes, in any order of the words. */
static inline uint64_t
sum_of(const uint8_t *p, uint32_t n)
{
	uint64_t sum = 0;
	uint32_t i = 0, w;

	for (; i + 4 <= n; i += 4) {
		memcpy(&w, p + i, 4);
		sum += w;
	}
	w = 0;
	memcpy(&w, p + i, n - i);
	return sum + w;
}

static inline uint16_t
fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* tcp_len 0: of IP alone. */
static void
checksums(uint8_t *b, uint32_t tcp_len)
{
	uint16_t c;

	memset(b + 24, 0, 2);
	c = fold(sum_of(b + 14, 20));
	memcpy(b + 24, &c, 2);
	if (tcp_len == 0)
		return;
	memset(b + 50, 0, 2);
	c = fold(sum_of(b + 26, 8) + sum_of(b + 34, tcp_len) + (uint64_t)6 * 256 +
		 __builtin_bswap16((uint16_t)tcp_len));
	memcpy(b + 50, &c, 2);
}

/* What of flow f's PDUs in laps is its own: registers a Modbus client reads. */
static inline uint32_t
lap_bytes(const struct traffic *t, uint32_t f, unsigned side, bool denied)
{
	if (side == 1 && t->conf.proto == TRAFFIC_MODBUS && !denied)
		return 11 + 2 * (f % 10);
	return t->proto->pdu[denied][side].len;
}

/* Of a host that no conduit has. */
static void
stranger(struct traffic *t, uint8_t *b, struct pkt *p, uint32_t f)
{
	const struct tmpl *m = &t->proto->pdu[1][0];
	const bool udp = t->conf.denial == TRAFFIC_UDP, syn = t->conf.denial == TRAFFIC_SYN;
	const uint32_t n = syn ? 0 : m->len, head = udp ? 8 : 20;

	be16_to(b + 16, 20 + head + n);
	b[23] = udp ? 17 : 6;
	be32_to(b + 26, 0x0a090000u + f % 50000);
	be32_to(b + 30, 0x0a020000u);
	be16_to(b + 34, (uint16_t)(20000 + (f * 31 + t->laps * 7) % 40000));
	be16_to(b + 36, t->proto->port);
	if (udp) {
		be16_to(b + 38, 8 + n);
		be16_to(b + 40, 0);
	} else {
		be32_to(b + 38, f * 77 + t->laps);
		be32_to(b + 42, syn ? 0 : f);
		b[46] = 0x50;
		b[47] = syn ? 2 : 0x18;
		be16_to(b + 48, 64240);
	}
	memcpy(b + 34 + head, m->bytes, n);
	if (t->conf.checksums)
		checksums(b, udp ? 0 : 20 + n);
	*p = (struct pkt){.bytes = b,
	    .caplen = 34 + head + n,
	    .wirelen = 34 + head + n,
	    .ts_ns = t->now_ns += 100,
	    .frame = ++t->frame};
}

static inline void
one_frame(struct traffic *t, uint8_t *b, struct pkt *p, uint32_t f, unsigned side, uint8_t flags,
    const struct tmpl *m, bool denied)
{
	const uint32_t host = t->conf.hosts ? t->conf.first_host + f : f / 2000;
	const uint32_t client = 0x0a010000u + host, server = 0x0a020000u + f / 40000;
	const uint16_t cport = (uint16_t)(20000 + f % 40000), sport = t->proto->port;
	const uint32_t *off = t->off[t->round < t->rounds ? t->round : t->rounds];
	uint32_t seq[2] = {
	    1000 + f * 7 + off[0] + (t->laps + (t->round > t->rounds)) * lap_bytes(t, f, 0, denied),
	    5000 + f * 11 + off[1] + t->laps * lap_bytes(t, f, 1, denied)};
	uint8_t *pay = b + HEAD;
	uint32_t n = 0;

	if (denied && t->round >= t->rounds && t->conf.denial != TRAFFIC_ANSWERED) {
		if (t->conf.denial >= TRAFFIC_SYN) {
			stranger(t, b, p, f);
			return;
		}
		seq[1] = 5000 + f * 11 + off[1] + t->laps * t->refusal;
		if (t->conf.denial == TRAFFIC_STOPPED)
			seq[0] = 1000 + f * 7 + off[0] + t->laps % 2 * lap_bytes(t, f, 0, true);
	}
	if (m) {
		n = t->round >= t->rounds ? lap_bytes(t, f, side, denied) : m->len;
		memcpy(pay, m->bytes, m->len);
		if (m->txn16_be)
			be16_to(pay + m->txn16_be - 1, t->said[0] - side + f);
		if (m->seq32_le) {
			uint32_t x = t->said[side];

			memcpy(pay + m->seq32_le, &x, 4);
			x = t->said[0] - side;
			memcpy(pay + m->seq32_le + 4, &x, 4);
		}
		if (t->conf.proto == TRAFFIC_MODBUS && !denied && side == 0)
			pay[11] = (uint8_t)(1 + f % 10);
		if (t->conf.proto == TRAFFIC_MODBUS && !denied && side == 1) {
			pay[5] = (uint8_t)(n - 6);
			pay[8] = (uint8_t)(n - 9);
		}
	}
	be16_to(b + 16, 40 + n);
	b[23] = 6;
	be32_to(b + 26, side ? server : client);
	be32_to(b + 30, side ? client : server);
	be16_to(b + 34, side ? sport : cport);
	be16_to(b + 36, side ? cport : sport);
	be32_to(b + 38, seq[side]);
	be32_to(b + 42, flags & 16 ? seq[side ^ 1] : 0);
	b[46] = 0x50;
	b[47] = flags;
	be16_to(b + 48, 64240);
	if (t->conf.checksums)
		checksums(b, 20 + n);
	*p = (struct pkt){.bytes = b,
	    .caplen = HEAD + n,
	    .wirelen = HEAD + n,
	    .ts_ns = t->now_ns += 100,
	    .frame = ++t->frame,
	    .port = (uint8_t)side};
}

/* The round is over. */
static void
next_round(struct traffic *t)
{
	if (t->round >= t->rounds) {
		unsigned side = t->round - t->rounds;

		t->said[side]++;
		t->laps += side;
		t->round = t->rounds + (side ^ 1);
		t->i = 0;
	} else if (++t->round < t->rounds) {
		t->i = t->from;
	} else if (t->to < t->conf.flows) {
		t->round = 0;
		t->i = t->from = t->to;
		t->to = t->conf.flows - t->from < OPENED ? t->conf.flows : t->from + OPENED;
	} else {
		t->i = 0;
	}
}

unsigned
traffic_next(struct traffic *t, struct pkt *burst, unsigned max)
{
	const uint32_t r = t->round;
	const bool lap = r >= t->rounds;
	const unsigned side = lap ? r - t->rounds : r < SYN_ROUNDS ? r & 1 : (r - SYN_ROUNDS) & 1;
	const uint32_t left = (lap ? t->n[side] : t->to) - t->i;
	const uint8_t flags = r < SYN_ROUNDS ? syn_flags[r] : 0x18;
	const struct tmpl *m = NULL;
	const uint32_t *order = t->order + (size_t)side * t->conf.flows + t->i;
	unsigned n = max < left ? max : left;

	if (n > PKT_BURST)
		n = PKT_BURST;
	if (t->slot >= TRAFFIC_POOL)
		t->slot = 0;
	if (!lap && r >= SYN_ROUNDS)
		m = &t->proto->open[r - SYN_ROUNDS];
	for (unsigned i = 0; i < n; i++) {
		uint32_t f = lap ? order[i] : t->i + i;
		bool denied = is_denied(t, f);

		one_frame(t, t->pool + (size_t)(t->slot + i) * SLOT, &burst[i], f, side, flags,
		    lap ? &t->proto->pdu[denied][side] : m, denied);
	}
	t->slot += n;
	t->i += n;
	if (n == left)
		next_round(t);
	return n;
}

struct policy *
traffic_policy(enum traffic_proto proto, unsigned rules, const char *otherwise)
{
	size_t cap = 4096 + (size_t)rules * 128, n = 0;
	char *text = malloc(cap);
	struct complaints c = {0};
	struct policy *p;

	if (!text)
		return NULL;
	n += (size_t)snprintf(text + n, cap - n,
	    "interlock: 1\nsite: bench\nmode: enforce\n"
	    "zones:\n  it: {level: 3, port: outside, nets: [10.1.0.0/16]}\n"
	    "  ot: {level: 1, port: inside, nets: [10.2.0.0/16]}\n"
	    "conduits:\n  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    otherwise: %s\n"
	    "    %s",
	    otherwise, reads[proto]);
	for (unsigned i = 0; i < rules && proto == TRAFFIC_MODBUS; i++)
		n += (size_t)snprintf(text + n, cap - n,
		    "        - {name: r%u, units: [%u], functions: [3], holding: [%u..%u]}\n", i,
		    1 + i % 10, i / 10 * 16, i / 10 * 16 + 9);
	p = policy_build_text("bench", text, n, &c);
	if (!p)
		complaints_print(&c, stderr);
	complaints_fini(&c);
	free(text);
	return p;
}
