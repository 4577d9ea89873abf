/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cuts_test.c - however a stream is cut, the facts are the same.
 *
 * Every capture under pcaps/<proto>/ becomes a script: who said which bytes in
 * which order.  The script is spoken again in many ways - every message split
 * at every offset, byte by byte, merged, each segment twice, segments out of
 * order, overlapping with equal bytes - and each time the engine must report
 * exactly the facts of the uncut script, with no anomaly added.  Then a
 * policy denies what the capture writes, inline, and the bytes that come out
 * on the other side must never contain a denied PDU, whichever way the
 * receiver resolves overlaps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <glob.h>

#include <cmocka.h>

#include "base/jw.h"
#include "dataplane/decode.h"
#include "dataplane/engine.h"
#include "dataplane/io/io.h"
#include "tests/unit/wire.h"

#define MESSAGES_MAX 4000u
#define FLOWS_MAX    64u
#define CUTS_MAX     300u /* offsets tried: covers the longest Modbus ADU */

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
	    l.seq != flows[f].nxt[dir] || l.pay_len > 1400)
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
	uint64_t facts, denied, anomalies;
	uint16_t first_port;
};

static uint64_t
fnv(uint64_t h, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 0x100000001b3u;
	return h;
}

static void
on_fact(void *ctx, const struct engine_pdu *pdu)
{
	struct listener *ls = ctx;
	bool to_server = pdu->fact->dir == DIR_TO_SERVER;
	uint16_t cport = to_server ? pdu->tuple->sport : pdu->tuple->dport;
	unsigned flow = (unsigned)(cport - ls->first_port);
	char text[8192];
	struct jw w = jw_make(text, sizeof(text));

	assert_true(flow < FLOWS_MAX);
	jw_obj(&w, NULL);
	fact_json(&w, pdu->fact);
	jw_str(&w, "verdict", verdict_action_name(pdu->verdict->would));
	jw_close(&w, '}');
	assert_false(w.full);
	ls->hash[flow][!to_server] = fnv(ls->hash[flow][!to_server], text, jw_len(&w));
	ls->facts++;
	ls->anomalies += pdu->fact->anomalies != 0;
	ls->denied += pdu->verdict->would >= VERDICT_REJECT;
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

static struct engine_stats
run(const struct script *s, const struct policy *pol, bool inline_mode, enum way way, unsigned arg,
    struct listener *ls, struct fake_io *out)
{
	struct engine_conf conf = {
	    .memory_bytes = 4u << 20,
	    .seed = 7,
	    .inline_mode = inline_mode,
	    .policy = pol,
	    .io = out ? &out->io : NULL,
	    .on_fact = on_fact,
	    .ctx = ls,
	};
	struct speaker *sp = calloc(1, sizeof(*sp));
	uint8_t merged[1400];
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

/* --- the tests -------------------------------------------------------------------------------- */

static glob_t captures;

static void
same_facts_however_cut(void **state)
{
	unsigned long ways = 0, facts = 0;

	(void)state;
	for (size_t c = 0; c < captures.gl_pathc; c++) {
		struct script *s = script_load(captures.gl_pathv[c]);
		unsigned cuts = s->longest < CUTS_MAX ? s->longest : CUTS_MAX;
		struct listener whole, cut;

		(void)run(s, NULL, false, WAY_PLAIN, 0, &whole, NULL);
		facts += whole.facts;
		for (enum way way = WAY_SPLIT; way < WAY__N; way++) {
			bool by_offset = way == WAY_SPLIT || way == WAY_SWAP || way == WAY_OVERLAP ||
			    way == WAY_DOUBLE;
			/* every offset for the plain split, a spread of them for the rest */
			unsigned step = way == WAY_SPLIT ? 1 : 7;

			for (unsigned arg = 0; arg < (by_offset && cuts ? cuts : 1); arg += step, ways++) {
				struct engine_stats st = run(s, NULL, false, way, arg, &cut, NULL);

				if (memcmp(&whole, &cut, sizeof(whole)) != 0 || st.overlap_differs ||
				    st.gaps || st.pool_full)
					fail_msg("%s: way %d offset %u: %lu facts, %lu uncut; %lu with "
						 "anomalies, %lu uncut; %lu gaps, %lu overlaps",
					    captures.gl_pathv[c], (int)way, arg,
					    (unsigned long)cut.facts, (unsigned long)whole.facts,
					    (unsigned long)cut.anomalies,
					    (unsigned long)whole.anomalies, (unsigned long)st.gaps,
					    (unsigned long)st.overlap_differs);
			}
		}
		script_free(s);
	}
	print_message("%lu facts, %lu ways to cut them\n", facts, ways);
	assert_true(facts > 0);
}

static const char deny_fc16[] =
    "interlock: 1\nsite: test\nmode: enforce\n"
    "zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25]}\n"
    "  ot: {level: 1, port: inside, nets: [10.1.2.128/25]}\n"
    "conduits:\n  - name: all\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop\n"
    "    conditions: {unparsable: alert, unsolicited: alert}\n"
    "    modbus:\n      addressing: zero-based\n      ports: any\n      allow:\n"
    "        - {name: rest, units: [0..255], functions: all, coils: [0..65535], "
    "discrete: [0..65535], holding: [0..65535], input: [0..65535]}\n"
    "      deny:\n        - {name: no16, units: [0..255], functions: [16], holding: [0..65535]}\n";

/* Walks MBAP from the start of what arrived: a whole ADU with function 16? */
static bool
has_fc16(const uint8_t *b, const uint8_t *have, uint32_t size)
{
	uint32_t at = 0;

	for (;;) {
		uint32_t len;

		for (uint32_t i = 0; i < 8; i++)
			if (at + i >= size || !have[at + i])
				return false;
		len = (uint32_t)(b[at + 4] << 8 | b[at + 5]) + 6;
		for (uint32_t i = 0; i < len; i++)
			if (at + i >= size || !have[at + i])
				return false;
		if (b[at + 7] == 16)
			return true;
		at += len;
	}
}

static void
denied_however_cut(void **state)
{
	struct complaints cs = {0};
	struct policy *pol = policy_build_text("deny16", deny_fc16, sizeof(deny_fc16) - 1, &cs);
	struct fake_io *out = calloc(1, sizeof(*out));
	unsigned long denied = 0, runs = 0, undisturbed = 0;

	(void)state;
	if (!pol)
		complaints_print(&cs, stderr);
	assert_non_null(pol);
	out->io.be = &fake_backend;
	out->first_port = 40000;
	for (unsigned f = 0; f < FLOWS_MAX; f++) {
		out->v[f].size = 1u << 18;
		out->v[f].first = malloc(out->v[f].size);
		out->v[f].last = malloc(out->v[f].size);
		out->v[f].have = malloc(out->v[f].size);
	}
	for (size_t c = 0; c < captures.gl_pathc; c++) {
		struct script *s = script_load(captures.gl_pathv[c]);
		struct listener open;

		/* Without a policy they do arrive: the receiver below can see them. */
		(void)run(s, NULL, true, WAY_BACK, 0, &open, out);
		for (unsigned f = 0; f < s->flows; f++)
			undisturbed += has_fc16(out->v[f].first, out->v[f].have, out->v[f].size);
		for (enum way way = WAY_PLAIN; way < WAY__N; way++)
			for (unsigned arg = 0; arg < 40; arg += 3, runs++) {
				struct listener ls;

				(void)run(s, pol, true, way, arg, &ls, out);
				denied += ls.denied;
				for (unsigned f = 0; f < s->flows; f++)
					if (has_fc16(out->v[f].first, out->v[f].have, out->v[f].size) ||
					    has_fc16(out->v[f].last, out->v[f].have, out->v[f].size))
						fail_msg("%s: way %d offset %u: flow %u received a "
							 "function 16", captures.gl_pathv[c], (int)way, arg, f);
				if (way == WAY_PLAIN || way == WAY_BYTES || way == WAY_BACK ||
				    way == WAY_MERGE)
					break;
			}
		script_free(s);
	}
	print_message("%lu runs, %lu denials, no function 16 arrived\n", runs, denied);
	assert_true(denied > 0);
	assert_true(undisturbed > 0);
	for (unsigned f = 0; f < FLOWS_MAX; f++) {
		free(out->v[f].first);
		free(out->v[f].last);
		free(out->v[f].have);
	}
	free(out);
	complaints_fini(&cs);
	policy_free(pol);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(same_facts_however_cut),
	    cmocka_unit_test(denied_however_cut),
	};
	int r;

	if (glob("pcaps/modbus/*.pcap", 0, NULL, &captures) != 0) {
		fprintf(stderr, "no captures under pcaps/modbus: run from the top of the tree\n");
		return 2;
	}
	r = cmocka_run_group_tests(tests, NULL, NULL);
	globfree(&captures);
	return r;
}
