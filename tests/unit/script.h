/* SPDX-License-Identifier: Apache-2.0 */
/*
 * script.h - a capture as a script that can be spoken again in other ways, for tests of
 * the engine: who said which bytes in which order, what the engine says of it, and what
 * a receiver behind an inline engine gets.
 */
#ifndef TESTS_SCRIPT_H
#define TESTS_SCRIPT_H

#include <stdlib.h>

#include "base/jw.h"
#include "dataplane/decode.h"
#include "dataplane/engine.h"
#include "dataplane/io/io.h"
#include "tests/unit/wire.h"

#define MESSAGES_MAX 4000u
#define FLOWS_MAX    64u
#define SEGMENT_MAX  1460u /* bytes of one message */

/* Sizes and offsets are tried in steps of this: all of them, or, with the sanitizers, which are ten
 * times as slow, every fifth. */
#ifdef __SANITIZE_ADDRESS__
#define STRIDE 5u
#else
#define STRIDE 1u
#endif

struct message {
	uint16_t flow;
	uint8_t dir; /* 0 = from the client */
	uint16_t len;
	uint8_t *bytes;
};

struct script {
	struct message m[MESSAGES_MAX];
	unsigned n, flows;
	unsigned longest;
	uint16_t server_port[FLOWS_MAX];
};

/* --- script from a capture ---------------------------------------------------------- */

struct seen { struct net_tuple t; uint32_t nxt[2]; bool syn, known[2]; };

static bool
same_end(const struct net_tuple *a, const struct net_tuple *b)
{
	return net_addr_eq(&a->src, &b->src) && net_addr_eq(&a->dst, &b->dst) &&
	    a->sport == b->sport && a->dport == b->dport;
}

static void
script_add(struct script *s, struct seen *flows, const struct pkt *p)
{
	struct layers l = {0};
	struct net_tuple t, r;
	unsigned f, dir = 0;

	if (decode(p, &l) != DROP_NONE || l.proto != NET_PROTO_TCP || !(l.flags & LAYER_L4))
		return;
	layers_tuple(&l, 0, &t);
	r = net_tuple_reverse(&t);
	for (f = 0; f < s->flows; f++) {
		if (same_end(&flows[f].t, &t))
			break;
		if (same_end(&flows[f].t, &r)) {
			dir = 1;
			break;
		}
	}
	if (f == s->flows) {
		if (f == FLOWS_MAX || !(l.tcp_flags & TCP_SYN) || l.tcp_flags & TCP_ACK)
			return; /* only conversations seen from their start */
		flows[f].t = t;
		s->server_port[f] = t.dport;
		s->flows++;
	}
	if (l.tcp_flags & TCP_SYN) {
		flows[f].nxt[dir] = l.seq + 1;
		flows[f].known[dir] = true;
		return;
	}
	if (l.pay_len == 0 || s->n == MESSAGES_MAX || !flows[f].known[dir] ||
	    l.seq != flows[f].nxt[dir] || l.pay_len > SEGMENT_MAX)
		return;
	flows[f].nxt[dir] += l.pay_len;
	s->m[s->n] = (struct message){(uint16_t)f, (uint8_t)dir, (uint16_t)l.pay_len, NULL};
	s->m[s->n].bytes = malloc(l.pay_len);
	memcpy(s->m[s->n].bytes, p->bytes + l.pay_off, l.pay_len);
	if (l.pay_len > s->longest)
		s->longest = l.pay_len;
	s->n++;
}

static struct script *
script_load(const char *path)
{
	struct script *s = calloc(1, sizeof(*s));
	struct seen *flows = calloc(FLOWS_MAX, sizeof(*flows));
	struct pkt burst[PKT_BURST];
	char err[256];
	struct io *io;
	int n;

	assert_int_equal(io_open(&io, path, NULL, err, sizeof(err)), 0);
	while ((n = io->be->rx(io, burst, PKT_BURST)) >= 0) {
		for (int i = 0; i < n; i++)
			script_add(s, flows, &burst[i]);
		io->be->done(io, burst, (unsigned)n);
	}
	io->be->close(io);
	free(flows);
	return s;
}

static void
script_free(struct script *s)
{
	for (unsigned i = 0; i < s->n; i++)
		free(s->m[i].bytes);
	free(s);
}

/* --- what the engine says, and what comes out ------------------------------------------ */

struct listener {
	uint64_t hash[FLOWS_MAX][2]; /* of the facts, in order, per flow and direction */
	bool in_pieces[FLOWS_MAX][2];
	uint64_t facts, items, denied, anomalies;
	uint16_t first_port;
};

static uint64_t
fnv(uint64_t h, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 0x100000001b3u;
	return h;
}

/* Compare what messages do, not what each of their chunks looks like. */
static bool listen_loosely;

/*
 * A PDU that comes in pieces is one fact: its items in order, and what the last piece says of
 * it.  How many pieces there are is the cut's business, not the PDU's.
 */
static void
on_fact(void *ctx, const struct engine_pdu *pdu)
{
	static char text[1u << 20];
	struct listener *ls = ctx;
	const struct fact *f = pdu->fact;
	bool to_server = f->dir == DIR_TO_SERVER;
	uint16_t cport = to_server ? pdu->tuple->sport : pdu->tuple->dport;
	unsigned flow = (unsigned)(cport - ls->first_port);
	uint64_t *hash = &ls->hash[flow][!to_server];
	struct jw w = jw_make(text, sizeof(text));
	struct fact_iter it = {0};
	struct fact_item item;

	assert_true(flow < FLOWS_MAX);
	ls->denied += pdu->verdict->would >= VERDICT_REJECT;
	while (fact_next(f, &it, &item)) {
		*hash = fnv(*hash, (const char *)&(uint32_t[]){item.space, item.access, item.sub,
		    item.first, item.count}, 20);
		if (item.name)
			*hash = fnv(*hash, item.name, item.name_len);
		ls->items++;
	}
	if (f->more || listen_loosely || ls->in_pieces[flow][!to_server]) {
		ls->in_pieces[flow][!to_server] = f->more != 0;
		if (f->more)
			return;
		w = jw_make(text, sizeof(text));
		jw_obj(&w, NULL);
		jw_str(&w, "op", f->op);
		jw_str(&w, "kind", fact_kind_name(f->kind));
	} else {
		jw_obj(&w, NULL);
		fact_json(&w, f);
		jw_str(&w, "verdict", verdict_action_name(pdu->verdict->would));
	}
	jw_close(&w, '}');
	assert_false(w.full);
	*hash = fnv(*hash, text, jw_len(&w));
	ls->facts++;
	ls->anomalies += f->anomalies != 0;
}

/* The receiver's side of one direction: bytes by offset, first or last writer. */
struct victim {
	uint8_t *first, *last, *have;
	uint32_t isn, size;
};

struct fake_io {
	struct io io;
	struct victim v[FLOWS_MAX]; /* of the client's direction */
	uint16_t first_port;
};

static void
victim_take(struct fake_io *io, const struct pkt *p)
{
	struct layers l = {0};
	struct victim *v;

	if (decode(p, &l) != DROP_NONE || l.proto != NET_PROTO_TCP || p->port != 0)
		return;
	assert_true(decode_l4_checksum_ok(p, &l)); /* also of trimmed frames */
	assert_true(decode_ip_checksum_ok(p, &l));
	v = &io->v[l.sport - io->first_port];
	for (uint32_t i = 0; i < l.pay_len; i++) {
		uint32_t at = l.seq + i - v->isn;

		if (at >= v->size)
			continue;
		if (!v->have[at])
			v->first[at] = p->bytes[l.pay_off + i];
		v->last[at] = p->bytes[l.pay_off + i];
		v->have[at] = 1;
	}
}

static int
fake_tx(struct io *io, const struct pkt *p)
{
	victim_take((struct fake_io *)(void *)io, p);
	return 0;
}

static const struct io_backend fake_backend = {.scheme = "fake", .tx = fake_tx};

/* --- ways to speak a script --------------------------------------------------------------- */

enum way {
	WAY_PLAIN = 0,
	WAY_SPLIT,   /* each message in two, at offset `arg` (modulo its length) */
	WAY_BYTES,   /* byte by byte */
	WAY_DOUBLE,  /* each segment twice */
	WAY_SWAP,    /* three parts, sent 2 1 3 at offset `arg` */
	WAY_BACK,    /* up to eight parts, last first */
	WAY_OVERLAP, /* two parts that overlap by up to five equal bytes */
	WAY_MERGE,   /* neighbouring messages of a side in one segment */
	WAY__N,
};

struct speaker {
	struct engine *e;
	struct wire w[FLOWS_MAX];
	struct fake_io *out;
};

static void
give(struct speaker *sp, struct pkt p)
{
	engine_burst(sp->e, &p, 1);
	if (sp->out && p.fate == FATE_FORWARD)
		victim_take(sp->out, &p);
}

static void
part(struct speaker *sp, const struct message *m, unsigned off, unsigned len)
{
	struct wire *w = &sp->w[m->flow];

	if (len > 0)
		give(sp, wire_tcp_at(w, m->dir, w->side[m->dir].seq + off, TCP_ACK | TCP_PSH,
		    m->bytes + off, len));
}

static void
speak(struct speaker *sp, const struct message *m, enum way way, unsigned arg)
{
	unsigned len = m->len, a = len > 1 ? 1 + arg % (len - 1) : 0, b = a + (len - a) / 2;
	unsigned step = len / 8 + 1;

	switch (way) {
	case WAY_PLAIN:
	case WAY_MERGE:
	case WAY__N:
		part(sp, m, 0, len);
		break;
	case WAY_SPLIT:
		part(sp, m, 0, a);
		part(sp, m, a, len - a);
		break;
	case WAY_BYTES:
		for (unsigned i = 0; i < len; i++)
			part(sp, m, i, 1);
		break;
	case WAY_DOUBLE:
		part(sp, m, 0, a);
		part(sp, m, 0, a);
		part(sp, m, a, len - a);
		part(sp, m, a, len - a);
		part(sp, m, 0, len);
		break;
	case WAY_SWAP:
		part(sp, m, a, b - a);
		part(sp, m, 0, a);
		part(sp, m, b, len - b);
		break;
	case WAY_BACK:
		for (unsigned i = (len - 1) / step + 1; i-- > 0;)
			part(sp, m, i * step, len - i * step < step ? len - i * step : step);
		break;
	case WAY_OVERLAP:
		part(sp, m, 0, a);
		part(sp, m, a > 5 ? a - 5 : 0, len - (a > 5 ? a - 5 : 0));
		break;
	}
	sp->w[m->flow].side[m->dir].seq += len;
}

static inline struct engine_stats
run(const struct script *s, const struct policy *pol, bool inline_mode, enum way way, unsigned arg,
    struct listener *ls, struct fake_io *out)
{
	struct engine_conf conf = {
	    .memory_bytes = 2u << 20,
	    .seed = 7,
	    .inline_mode = inline_mode,
	    .policy = pol,
	    .io = out ? &out->io : NULL,
	    .on_fact = on_fact,
	    .ctx = ls,
	};
	struct speaker *sp = calloc(1, sizeof(*sp));
	uint8_t merged[SEGMENT_MAX];
	struct engine_stats st;

	memset(ls, 0, sizeof(*ls));
	ls->first_port = 40000;
	sp->e = engine_new(&conf);
	sp->out = out;
	assert_non_null(sp->e);
	for (unsigned f = 0; f < s->flows; f++) {
		struct wire *w = &sp->w[f];

		w->now_ns = UINT64_C(1700000000000000000);
		/* close to the wrap of sequence numbers: it must not matter */
		w->side[0] = (struct wire_side){0x0a010205, (uint16_t)(40000 + f), 0xffffff00u};
		w->side[1] = (struct wire_side){0x0a010282, s->server_port[f], 0xfffffff0u};
		give(sp, wire_tcp(w, 0, TCP_SYN, NULL, 0));
		give(sp, wire_tcp(w, 1, TCP_SYN | TCP_ACK, NULL, 0));
		give(sp, wire_tcp(w, 0, TCP_ACK, NULL, 0));
		if (out) {
			out->v[f].isn = w->side[0].seq;
			memset(out->v[f].have, 0, out->v[f].size);
		}
	}
	for (unsigned i = 0; i < s->n; i++) {
		struct message m = s->m[i];

		while (way == WAY_MERGE && i + 1 < s->n && s->m[i + 1].flow == m.flow &&
		    s->m[i + 1].dir == m.dir && m.len + s->m[i + 1].len <= sizeof(merged)) {
			if (m.bytes != merged)
				memcpy(merged, m.bytes, m.len);
			memcpy(merged + m.len, s->m[i + 1].bytes, s->m[i + 1].len);
			m.len = (uint16_t)(m.len + s->m[++i].len);
			m.bytes = merged;
		}
		speak(sp, &m, way, arg);
	}
	engine_finish(sp->e);
	st = *engine_stats(sp->e);
	assert_true(engine_balanced(&st));
	assert_int_equal(st.held, 0);
	engine_free(sp->e);
	free(sp);
	return st;
}

#endif /* TESTS_SCRIPT_H */
