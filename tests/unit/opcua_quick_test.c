/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opcua_quick_test.c - the quick look at a chunk (quick.h) and the general way (body.h) say
 * and remember the same.
 *
 * Every chunk of every capture of OPC UA, as it is and with changed bytes, lengths, ids and
 * changed state of the flow, is given to quick_chunk().  Taken: fact, items, JSON, answer to a
 * refusal and all of the flow's state must be those of pdu_general() on the same state; and
 * where the fact is refused too.  Not taken: nothing was said and nothing has changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <glob.h>

#include <cmocka.h>

#include "dissectors/opcua/opcua.c"

#include "dataplane/decode.h"
#include "dataplane/io/io.h"
#include "tests/unit/guard.h"

#define FLOWS	  64u
#define CHANGES	  60u /* of each chunk */
#define STREAM	  (4u << 20)
#define LEASE	  65536u

/* --- what is said ---------------------------------------------------------------------- */

struct dis_sink {
	struct dis_call *call;
	bool refuse;
	bool judged; /* only what a policy asks of a fact, where no session has a say in it */
	unsigned facts;
	uint8_t kind; /* of the last fact */
	uint64_t anomalies;
	size_t n;
	char log[1 << 18];
};

static uint8_t opcua_index;

static void
note(struct dis_sink *s, const void *p, size_t n)
{
	assert_true(n <= sizeof(s->log) - s->n);
	if (n)
		memcpy(s->log + s->n, p, n);
	s->n += n;
}

#define NOTE(s, v) note((s), &(v), sizeof(v))

static void
note_item(struct dis_sink *s, const struct fact_item *it)
{
	NOTE(s, it->space);
	NOTE(s, it->access);
	NOTE(s, it->enc);
	NOTE(s, it->masked);
	NOTE(s, it->sub);
	NOTE(s, it->first);
	NOTE(s, it->count);
	assert_null(it->vals);
	note(s, it->name, it->name_len);
	note(s, it->uri, it->uri_len);
}

bool
dis_emit(struct dis_sink *s, struct fact *f)
{
	char json[1 << 16];
	uint8_t refusal[64];
	struct jw w = jw_make(json, sizeof(json));
	struct fact_iter it = {0};
	struct fact_item item;
	uint16_t n = 0;

	s->facts++;
	s->kind = f->kind;
	s->anomalies = f->anomalies;
	f->proto = opcua_index;
	NOTE(s, f->kind);
	NOTE(s, f->access);
	NOTE(s, f->dir);
	NOTE(s, f->code);
	NOTE(s, f->sub);
	NOTE(s, f->opx);
	NOTE(s, f->n_items);
	NOTE(s, f->unit);
	if (!s->judged)
		NOTE(s, f->txn);
	NOTE(s, f->more);
	NOTE(s, f->anomalies);
	NOTE(s, f->op);
	NOTE(s, f->iter_arg);
	assert_true((f->next != NULL) == (f->n_items > 1));
	for (; fact_next(f, &it, &item); n++)
		note_item(s, &item);
	assert_int_equal(n, f->n_items);
	if (s->judged)
		return true;
	note(s, f->props, sizeof(*f->props));
	jw_obj(&w, NULL);
	fact_json(&w, f);
	jw_close(&w, '}');
	assert_true(jw_end(&w));
	note(s, json, strlen(json));
	if (s->refuse)
		note(s, refusal, dissector_opcua.refuse(s->call, f, refusal, sizeof(refusal)));
	return !s->refuse;
}

/* --- a flow, and what it was before ------------------------------------------------------- */

struct world {
	struct ua st; /* at one place, so that pointers into it can be compared */
	uint32_t leased;
	_Alignas(8) uint8_t lease[LEASE];
};

static struct world W, before, after;
static struct dis_sink sinks[2];
static struct guard edge;
static unsigned taken[2], asked; /* chunks as recorded, changed ones; of the first how many were to be */
static unsigned known[3]; /* requests that were remembered, those that were known by it, answers */

void *
dis_lease(struct dis_call *call, uint32_t want)
{
	(void)call;
	if (want > LEASE)
		return NULL;
	W.leased = want > W.leased ? want : W.leased;
	return W.lease;
}

static void
world_copy(struct world *to, const struct world *from)
{
	memcpy(to, from, offsetof(struct world, lease) + from->leased);
}

static void
assert_same_world(const struct world *a, const struct world *b)
{
	assert_memory_equal(&a->st, &b->st, sizeof(a->st));
	assert_int_equal(a->leased, b->leased);
	if (a->leased)
		assert_memory_equal(a->lease, b->lease, a->leased);
}

/* One chunk both ways, from the state that W is in and to which it returns. */
static bool
both_ways(const struct dis_call *how, const uint8_t *bytes, size_t n)
{
	struct dis_call call = *how;
	struct cur c = cur_make(guard_put(&edge, bytes, n), n);
	bool quick = false;

	world_copy(&before, &W);
	for (unsigned refuse = 0; refuse < 2; refuse++) {
		for (unsigned i = 0; i < 2; i++) {
			sinks[i].call = &call;
			sinks[i].refuse = refuse;
			sinks[i].facts = 0;
			sinks[i].n = 0;
		}
		call.sink = &sinks[0];
		quick = quick_chunk(&call, c.p, c.end);
		world_copy(&after, &W);
		if (!quick) {
			assert_int_equal(sinks[0].facts, 0);
			assert_same_world(&after, &before);
			break;
		}
		world_copy(&W, &before);
		call.sink = &sinks[1];
		pdu_general(&call, c);
		assert_int_equal(sinks[0].facts, 1);
		assert_int_equal(sinks[1].facts, 1);
		assert_int_equal(sinks[0].n, sinks[1].n);
		assert_memory_equal(sinks[0].log, sinks[1].log, sinks[0].n);
		assert_same_world(&after, &W);
		world_copy(&W, &before);
	}
	return quick;
}

static uint32_t
rnd(uint32_t below)
{
	static uint64_t s = 0x9e3779b97f4a7c15u;

	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return (uint32_t)(s >> 32) % below;
}

static void
put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* Bytes that another peer might send; the new length. */
static size_t
change_bytes(uint8_t *p, size_t n)
{
	static const uint32_t odd[] = {0, 1, 2, 13, 63, 64, 65, 255, 256, 257, 2255, 65535, 65536,
	    INT32_MAX, 0x80000000u, UINT32_MAX - 1, UINT32_MAX};
	size_t at = rnd(4) ? SYM_HEAD : 8, k;

	at += n > at ? rnd((uint32_t)(n - at)) : 0;
	switch (rnd(8)) {
	case 0:
		p[at] ^= (uint8_t)(1u << rnd(8));
		break;
	case 1:
		p[at] = (uint8_t)rnd(256);
		break;
	case 2:
		if (n - at >= 4)
			put32(p + at, odd[rnd(sizeof(odd) / sizeof(odd[0]))]);
		break;
	case 3: /* one of channel, token, number, request id */
		k = 8 + 4 * rnd(4);
		put32(p + k, le32(p + k) + (rnd(2) ? 1 : UINT32_MAX));
		break;
	case 4: /* cut */
		n -= rnd((uint32_t)(n - SYM_HEAD < 40 ? n - SYM_HEAD + 1 : 40));
		break;
	case 5: /* more behind it */
		k = 1 + rnd(36);
		memset(p + n, (int)rnd(256), k);
		n += k;
		break;
	case 6: /* a byte goes, or comes */
		if (rnd(2) && n > SYM_HEAD + 1) {
			memmove(p + at, p + at + 1, n - at - 1);
			n--;
		} else {
			memmove(p + at + 1, p + at, n - at);
			n++;
		}
		break;
	case 7: /* the last element once more: an array of one has two */
		k = rnd(60) + 1;
		if (n > SYM_HEAD + k) {
			memcpy(p + n, p + n - k, k);
			n += k;
			at = n - 2 * k;
			put32(p + at - 4, le32(p + at - 4) + 1);
		}
		break;
	}
	put32(p + 4, (uint32_t)n);
	return n;
}

/* State that another conversation might have led to. */
static void
change_state(struct dis_call *call)
{
	struct ua_dir *d = &W.st.dir[rnd(2)];
	struct ua_pending *p = &W.st.pending[rnd(PENDING)];

	switch (rnd(14)) {
	case 0:
		d->flags ^= (uint8_t)(1u << rnd(8));
		break;
	case 1:
		W.st.flags ^= (uint16_t)(1u << rnd(8));
		break;
	case 2:
		W.st.policy = (uint8_t)rnd(POLICY_OTHER + 1);
		break;
	case 3:
		W.st.sig = (uint8_t)(rnd(2) ? 20 : 32);
		break;
	case 4:
		d->chunk_max = rnd(200);
		break;
	case 5:
		d->message_max = rnd(200);
		break;
	case 6:
		d->chunks_max = rnd(3);
		break;
	case 7:
		p->extra = (uint16_t)rnd(3);
		break;
	case 8:
		p->service = (uint8_t)rnd(SVC_LAST);
		break;
	case 9:
		W.st.open ^= 1u << rnd(PENDING);
		break;
	case 10:
		W.st.open = rnd(2) ? (1u << PENDING) - 1 : 0;
		W.st.evicted = rnd(3);
		break;
	case 11:
		call->anomalies = rnd(2) ? FACT_A_GAP : FACT_A_MIDSTREAM;
		break;
	case 12:
		W.st.next = (uint8_t)rnd(PENDING);
		break;
	case 13:
		W.st.props.known ^= 1u << rnd(32);
		W.st.offer_policy = (uint16_t)rnd(3);
		if (W.st.names)
			W.st.names->n_alias = 1;
		break;
	}
	W.st.young = W.st.pending[(W.st.next + PENDING - 1) % PENDING];
}

/* --- what is remembered of a request, and the next one that is known by it ------------------- */

struct memory {
	uint64_t w[DIS_GIST_WORDS], memo;
	uint32_t n; /* words; 0: it is not remembered */
	size_t log_n;
	char log[4096];
};

/* Read in full, as in quick_learn(); W stays as it was. */
static void
learn(struct memory *m, const struct dis_call *how, const uint8_t *bytes, size_t n)
{
	struct dis_call call = *how;

	m->n = 0;
	if (call.dir != DIR_TO_SERVER || call.anomalies != 0)
		return;
	world_copy(&before, &W);
	call.memo = 0;
	call.sink = &sinks[0];
	sinks[0] = (struct dis_sink){.call = &call, .judged = true};
	dissector_opcua.pdu(&call, cur_make(bytes, n));
	if (call.memo != 0 && sinks[0].facts == 1 && sinks[0].n <= sizeof(m->log)) {
		m->n = dissector_opcua.gist(&W.st, bytes, (uint32_t)n, 0, m->w);
		m->memo = call.memo;
		m->log_n = sinks[0].n;
		memcpy(m->log, sinks[0].log, m->log_n);
	}
	sinks[0].judged = false;
	world_copy(&W, &before);
}

/*
 * Of what is known by it the same is said as of the first one, and the state becomes what reading it makes; answers
 * are not remembered, only known as plain ones.
 */
static void
again(const struct memory *m, const struct dis_call *how, const uint8_t *bytes, size_t n)
{
	struct dis_call call = *how;
	uint64_t w[DIS_GIST_WORDS];
	bool asks = call.dir == DIR_TO_SERVER;

	bytes = guard_put(&edge, bytes, n);
	if (call.anomalies != 0 || n < 8 ||
	    (asks && (m->n == 0 || dissector_opcua.gist(&W.st, bytes, (uint32_t)n, 0, w) != m->n ||
			 memcmp(w, m->w, m->n * sizeof(*w)) != 0)))
		return;
	world_copy(&before, &W);
	if (dissector_opcua.again(
		&W.st, bytes, (uint32_t)n, call.dir, call.midstream, asks ? m->memo : 0)) {
		known[asks ? 1 : 2]++;
		world_copy(&after, &W);
		world_copy(&W, &before);
		call.sink = &sinks[1];
		sinks[1] = (struct dis_sink){.call = &call, .judged = true};
		pdu_general(&call, cur_make(bytes, n));
		assert_int_equal(sinks[1].facts, 1);
		assert_int_equal(sinks[1].kind, asks ? FACT_REQUEST : FACT_RESPONSE);
		assert_int_equal(sinks[1].anomalies, 0);
		if (asks) {
			assert_int_equal(sinks[1].n, m->log_n);
			assert_memory_equal(sinks[1].log, m->log, m->log_n);
		}
		sinks[1].judged = false;
		assert_same_world(&after, &W);
	} else {
		assert_same_world(&before, &W);
	}
	world_copy(&W, &before);
}

/* As if this session had registered no nodes: what a node is called there is remembered, and asked for here. */
static void
learn_elsewhere(struct memory *m, const struct dis_call *how, const uint8_t *bytes, size_t n)
{
	static struct world here;
	struct dis_call call = *how;

	world_copy(&here, &W);
	W.st.names = NULL;
	learn(m, &call, bytes, n);
	world_copy(&W, &here);
}

static void
one_chunk(struct dis_call *call, const uint8_t *bytes, size_t n)
{
	static uint8_t changed[MAX_PDU + 128];
	static struct world clean;
	static struct memory m;
	uint32_t type = n >= SYM_HEAD + 4 ? le32(bytes + SYM_HEAD) >> 16 : 0;
	bool usual = le32(bytes) == (MSG | (uint32_t)'F' << 24) &&
		     (type == TYPE_Read || type == TYPE_Write || type == TYPE_Publish || type == 634 ||
			 type == 676 || type == 829);

	asked += usual;
	taken[0] += both_ways(call, bytes, n) && usual;
	if (W.st.names && W.st.names->n_alias != 0) {
		learn_elsewhere(&m, call, bytes, n);
		again(&m, call, bytes, n);
	}
	learn(&m, call, bytes, n);
	known[0] += m.n != 0;
	again(&m, call, bytes, n);
	for (unsigned i = 0; n >= SYM_HEAD && n <= MAX_PDU && i < CHANGES; i++) {
		struct dis_call how = *call;
		size_t k = n;

		world_copy(&clean, &W);
		memcpy(changed, bytes, n);
		if (i % 3 != 0)
			k = change_bytes(changed, n);
		if (i % 3 != 1)
			change_state(&how);
		taken[1] += both_ways(&how, changed, k);
		again(&m, &how, changed, k);
		world_copy(&W, &clean);
	}
	sinks[0].refuse = false;
	sinks[0].n = 0;
	call->sink = &sinks[0];
	dissector_opcua.pdu(call, cur_make(bytes, n));
}

/* --- captures -------------------------------------------------------------------------------- */

struct said {
	uint8_t dir;
	uint32_t at, len;
};

struct flow {
	uint8_t addr[8]; /* of the client, the server */
	uint16_t port[2];
	uint32_t nxt[2];
	bool known[2], midstream;
	uint8_t *bytes[2];
	uint32_t n[2], given[2];
	struct said *chunks;
	unsigned n_chunks;
};

static struct flow flows[FLOWS];
static unsigned n_flows;

static struct flow *
flow_of(const struct layers *l, unsigned *dir)
{
	bool syn = l->tcp_flags & TCP_SYN;
	struct flow *f;

	if (l->flags & LAYER_V6)
		return NULL;
	for (unsigned i = 0; i < n_flows; i++)
		for (*dir = 0; *dir < 2; (*dir)++)
			if (flows[i].port[*dir] == l->sport && flows[i].port[!*dir] == l->dport &&
			    memcmp(flows[i].addr + 4 * (size_t)*dir, l->src, 4) == 0 &&
			    memcmp(flows[i].addr + 4 * (size_t)!*dir, l->dst, 4) == 0)
				return &flows[i];
	if (n_flows == FLOWS)
		return NULL;
	f = &flows[n_flows++];
	*dir = syn ? (l->tcp_flags & TCP_ACK) != 0 : l->sport < l->dport;
	*f = (struct flow){.midstream = !syn};
	f->port[*dir] = l->sport;
	f->port[!*dir] = l->dport;
	memcpy(f->addr + 4 * (size_t)*dir, l->src, 4);
	memcpy(f->addr + 4 * (size_t)!*dir, l->dst, 4);
	f->bytes[0] = malloc(STREAM);
	f->bytes[1] = malloc(STREAM);
	f->chunks = calloc(20000, sizeof(*f->chunks));
	assert_true(f->bytes[0] && f->bytes[1] && f->chunks);
	return f;
}

static void
packet(const struct pkt *p)
{
	struct layers l = {0};
	unsigned dir;
	struct flow *f;
	int32_t n;

	if (decode(p, &l) != DROP_NONE || l.proto != NET_PROTO_TCP || !(l.flags & LAYER_L4) ||
	    !(f = flow_of(&l, &dir)))
		return;
	if (!f->known[dir] || l.tcp_flags & TCP_SYN)
		f->nxt[dir] = l.seq + (l.tcp_flags & TCP_SYN ? 1 : 0);
	f->known[dir] = true;
	if (l.pay_len == 0 || l.seq != f->nxt[dir] || f->n[dir] + l.pay_len > STREAM)
		return;
	memcpy(f->bytes[dir] + f->n[dir], p->bytes + l.pay_off, l.pay_len);
	f->n[dir] += l.pay_len;
	f->nxt[dir] += l.pay_len;
	while ((n = opcua_frame(cur_make(f->bytes[dir] + f->given[dir], f->n[dir] - f->given[dir]),
		    (enum dis_dir)dir, 0)) > 0 && (uint32_t)n <= f->n[dir] - f->given[dir]) {
		assert_true(f->n_chunks < 20000);
		f->chunks[f->n_chunks++] = (struct said){(uint8_t)dir, f->given[dir], (uint32_t)n};
		f->given[dir] += (uint32_t)n;
	}
}

static void
conversation(const struct flow *f, unsigned from)
{
	memset(&W, 0, sizeof(W));
	for (unsigned i = from; i < f->n_chunks; i++) {
		const struct said *s = &f->chunks[i];
		const uint8_t *bytes = f->bytes[s->dir] + s->at;
		struct dis_call call = {.dir = s->dir, .state = &W.st, .sink = &sinks[0],
		    .midstream = f->midstream || from != 0};

		sinks[0].n = 0;
		if (s->len <= MAX_PDU)
			one_chunk(&call, bytes, s->len);
		else
			dissector_opcua.part(&call, cur_make(bytes, s->len), 0, s->len);
	}
}

static void
capture(const char *path)
{
	struct pkt burst[PKT_BURST];
	char err[256];
	struct io *io;
	int n;

	n_flows = 0;
	assert_int_equal(io_open(&io, path, NULL, err, sizeof(err)), 0);
	while ((n = io->be->rx(io, burst, PKT_BURST)) >= 0) {
		for (int i = 0; i < n; i++)
			packet(&burst[i]);
		io->be->done(io, burst, (unsigned)n);
	}
	io->be->close(io);
	for (unsigned i = 0; i < n_flows; i++) {
		conversation(&flows[i], 0);
		if (flows[i].n_chunks > 8) /* begun in the middle */
			conversation(&flows[i], flows[i].n_chunks / 2);
		free(flows[i].bytes[0]);
		free(flows[i].bytes[1]);
		free(flows[i].chunks);
	}
}

static void
test_captures(void **state)
{
	glob_t g = {0};

	(void)state;
	assert_non_null(dissector_lookup("opcua", &opcua_index));
	edge = guard_new(MAX_PDU + 128);
	assert_int_equal(glob("pcaps/opcua/*.pcap", 0, NULL, &g), 0);
	assert_int_equal(glob("pcaps/mixed/*.pcap", GLOB_APPEND, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++)
		capture(g.gl_pathv[i]);
	globfree(&g);
	guard_free(&edge);
	print_message("%u of %u usual chunks taken, and %u changed ones\n", taken[0], asked, taken[1]);
	print_message(
	    "%u remembered, %u known by it, %u plain answers\n", known[0], known[1], known[2]);
	assert_true(known[0] > 100);
	assert_true(known[1] > 5 * known[0]);
	assert_true(known[2] > 1000);
	assert_true(asked > 500);
	assert_true(taken[0] > asked / 2); /* the test looks at something */
	assert_true(taken[1] > 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_captures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
