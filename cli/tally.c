/* SPDX-License-Identifier: Apache-2.0 */
/* tally.c - counts and findings of one capture. */
#include "cli/tally.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/jw.h"

#define CONV_HASH    (2 * CONV_MAX) /* powers of two, at most half full */
#define FINDING_HASH (2 * FINDING_MAX)

bool
tally_init(struct tally *t, const struct policy *pol)
{
	*t = (struct tally){
	    .policy = pol,
	    .index = calloc(FINDING_HASH, sizeof(*t->index)),
	    .conv_index = calloc(CONV_HASH, sizeof(*t->conv_index)),
	    .anomalies = calloc(n_dissectors + 1, sizeof(*t->anomalies)),
	};
	if (t->index && t->conv_index && t->anomalies)
		return true;
	tally_fini(t);
	return false;
}

void
tally_fini(struct tally *t)
{
	for (uint32_t i = 0; i < t->n_convs; i++)
		free(t->convs[i].ops);
	tally_slots_fini(t);
	free(t->convs);
	free(t->findings);
	free(t->index);
	free(t->conv_index);
	free(t->anomalies);
	free(t->moved);
	*t = (struct tally){0};
}

void
tally_policy(struct tally *t, const struct policy *pol)
{
	t->policy = pol;
	t->n_findings = 0;
	t->n_moved = 0;
	memset(t->index, 0, FINDING_HASH * sizeof(*t->index));
}

bool
tally_slots(struct tally *t, uint32_t n)
{
	t->slots = calloc(n, sizeof(*t->slots));
	t->n_slots = t->slots ? n : 0;
	return t->slots != NULL;
}

void
tally_slots_fini(struct tally *t)
{
	free(t->slots);
	t->slots = NULL;
}

/* Room for one more in a list; false when there is no memory. */
static bool
grow(void **list, uint32_t n, uint32_t *cap, size_t size)
{
	uint32_t want = *cap ? 2 * *cap : 16;
	void *p;

	if (n < *cap)
		return true;
	if (!(p = realloc(*list, want * size)))
		return false;
	*list = p;
	*cap = want;
	return true;
}

/* --- conversations ------------------------------------------------------------------- */

static struct conv
conv_key(const struct net_tuple *t, bool to_client)
{
	return (struct conv){
	    .client = to_client ? t->dst : t->src,
	    .server = to_client ? t->src : t->dst,
	    .port = to_client ? t->sport : t->dport,
	    .vlan = t->vlan,
	    .l4 = t->proto,
	    .proto = FACT_PROTO_NONE,
	};
}

/* The table of a conversation's operations, once its protocol is known. */
static bool
conv_identify(struct conv *c, uint8_t proto)
{
	uint16_t n = 1;

	if (proto < n_dissectors && dissectors[proto]->schema)
		n = (uint16_t)(dissectors[proto]->schema->n_opx + 1);
	c->ops = calloc(n, sizeof(*c->ops));
	c->n_ops = c->ops ? n : 0;
	c->proto = proto;
	return c->ops != NULL;
}

/* Conversation of a tuple; its protocol may still be unknown.  NONE: no memory. */
static uint32_t
conv_lookup(struct tally *t, const struct net_tuple *tuple, bool to_client, uint8_t proto)
{
	struct conv k = conv_key(tuple, to_client);
	const struct hash_seed seed = hash_seed_make(1);
	uint64_t h =
	    hash_16(seed, k.client.b) ^ hash_mix(seed, hash_16(seed, k.server.b),
					    (uint64_t)k.port << 32 | (uint64_t)k.vlan << 8 | k.l4);
	uint32_t at = (uint32_t)h % CONV_HASH, i;

	for (; (i = t->conv_index[at]) != 0; at = (at + 1) % CONV_HASH) {
		struct conv *c = &t->convs[i - 1];

		if (!net_addr_eq(&c->client, &k.client) || !net_addr_eq(&c->server, &k.server) ||
		    c->port != k.port || c->vlan != k.vlan || c->l4 != k.l4)
			continue;
		if (proto == FACT_PROTO_NONE || c->proto == proto)
			return i - 1;
		if (c->proto == FACT_PROTO_NONE) {
			c->proto = proto;
			return i - 1;
		}
	}
	if (t->n_convs == CONV_MAX) {
		t->convs_lost++;
		return NONE;
	}
	if (!grow((void **)&t->convs, t->n_convs, &t->cap_convs, sizeof(*t->convs))) {
		t->nomem = true;
		return NONE;
	}
	k.proto = proto;
	t->convs[t->n_convs] = k;
	t->conv_index[at] = ++t->n_convs;
	return t->n_convs - 1;
}

static struct tally_op *
conv_op(const struct conv *c, uint16_t opx)
{
	return &c->ops[opx < c->n_ops ? opx : c->n_ops - 1];
}

const struct tally_op *
tally_op_of(const struct tally *t, const struct finding *f)
{
	const struct conv *c = f->conv != NONE ? &t->convs[f->conv] : NULL;

	return c && c->ops && f->op && f->opx != NO_OPX ? conv_op(c, f->opx) : NULL;
}

/* --- one PDU --------------------------------------------------------------------------- */

static void
count_anomalies(struct tally *t, const struct fact *f)
{
	for (uint64_t bits = f->anomalies; bits != 0; bits &= bits - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(bits);
		unsigned row =
		    bit >= FACT_A_ENGINE || f->proto >= n_dissectors ? n_dissectors : f->proto;

		t->anomalies[row][bit]++;
	}
}

void
tally_fact_slow(struct tally *t, const struct engine_pdu *pdu)
{
	struct tally_slot *s = &t->slots[pdu->flow_index];
	const struct fact *f = pdu->fact;
	struct tally_op *op;
	struct conv *c;
	uint32_t i;

	count_anomalies(t, f);
	if (f->proto == FACT_PROTO_NONE) {
		/* The engine's own words: what else is spoken here; or an anomaly, and with a
		 * policy an event. */
		if (f->ext && (i = conv_lookup(t, pdu->tuple, f->dir == DIR_TO_CLIENT, f->proto)) != NONE) {
			const struct fact_app *app = f->ext;

			snprintf(t->convs[i].app, sizeof(t->convs[i].app), "%s", app->app);
			snprintf(t->convs[i].host, sizeof(t->convs[i].host), "%s", app->host);
		}
		return;
	}
	if (s->flow_id != pdu->flow_id || s->proto != f->proto || s->n_ops == 0) {
		i = conv_lookup(t, pdu->tuple, f->dir == DIR_TO_CLIENT, f->proto);
		if (i == NONE)
			return;
		c = &t->convs[i];
		if (!c->ops && !conv_identify(c, f->proto)) {
			t->nomem = true;
			return;
		}
		*s = (struct tally_slot){
		    .flow_id = pdu->flow_id,
		    .ops = c->ops,
		    .n_ops = c->n_ops,
		    .proto = f->proto,
		};
	}
	op = &s->ops[f->opx < s->n_ops ? f->opx : s->n_ops - 1];
	op->op = f->op;
	if (f->kind == FACT_REQUEST || !op->code)
		op->code = f->code;
	op->n[f->kind < FACT_KINDS ? f->kind : FACT_OTHER]++;
}

/* Of an operation of which no PDU was read in this conversation yet: what its schema says. */
static void
name_op(struct tally_op *op, const struct engine_known *k)
{
	const struct dis_op *row = dissector_op(dissectors[k->proto]->schema, k->opx);

	op->op = row->name;
	op->code = row->code;
}

/* Misses of the cache take longer than all else here: they are had at once. */
void
tally_known(struct tally *t, const struct engine_known *k, unsigned n)
{
	struct tally_op *op[PKT_BURST];

	for (unsigned i = 0; i < n; i++) {
		const struct tally_slot *s = &t->slots[k[i].flow_index];

		op[i] = s->flow_id == k[i].flow_id && s->proto == k[i].proto && k[i].opx < s->n_ops
			    ? &s->ops[k[i].opx]
			    : NULL;
		__builtin_prefetch(op[i], 1);
	}
	for (unsigned i = 0; i < n; i++) {
		if (__builtin_expect(op[i] == NULL, 0)) {
			/* there was no room for its conversation; or no memory, which has been said */
			t->convs_lost += t->n_convs == CONV_MAX;
			continue;
		}
		if (__builtin_expect(op[i]->op == NULL, 0))
			name_op(op[i], &k[i]);
		op[i]->n[k[i].kind]++;
	}
}

/* --- events ------------------------------------------------------------------------------ */

/*
 * What a guard would not let pass, and what no rule allows even where
 * `otherwise: alert` lets it.  An allow rule, a condition or a limit whose choice
 * is `alert` tells, and so does a server's weak offer, but the packet is allowed.
 */
bool
tally_denies(const struct verdict *v)
{
	if (v->would >= VERDICT_REJECT)
		return true;
	return v->would == VERDICT_ALERT && v->reason != REASON_RULE &&
	       v->reason != REASON_CONDITION && v->reason != REASON_RESPONSE &&
	       v->reason != REASON_SECURITY && v->reason != REASON_LIMIT;
}

static struct finding
finding_key(const struct event *ev, uint32_t conv)
{
	const struct net_tuple *t = ev->tuple;
	struct finding k;

	memset(&k, 0, sizeof(k)); /* the padding too: keys are compared as bytes */
	k.src = t->src;
	k.dst = t->dst;
	k.note = ev->note;
	k.conv = conv;
	k.rule = ev->verdict.rule;
	k.conduit = ev->verdict.conduit;
	k.kind = ev->kind;
	k.would = ev->verdict.would;
	k.action = ev->verdict.action;
	k.reason = ev->verdict.reason;
	k.mode = ev->verdict.mode;
	k.cond = ev->cond;
	k.l4 = t->proto;
	k.answer = ev->to_client;
	if (ev->kind == EVENT_L2) {
		memcpy(k.smac, t->smac, sizeof(k.smac));
		memcpy(k.dmac, t->dmac, sizeof(k.dmac));
	}
	if (ev->fact) {
		k.op = ev->fact->op;
		k.opx = ev->fact->proto != FACT_PROTO_NONE ? ev->fact->opx : NO_OPX;
		k.port = ev->to_client ? t->sport : t->dport;
	}
	return k;
}

/* The finding of this key, a new one, or NULL when the list is full. */
static struct finding *
finding_get(struct tally *t, const struct finding *k)
{
	const struct hash_seed seed = hash_seed_make(2);
	uint64_t words[(offsetof(struct finding, count) + 7) / 8] = {0}, h = 0;
	uint32_t at, i;

	memcpy(words, k, offsetof(struct finding, count));
	for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
		h = hash_mix(seed, h, words[w]);
	at = (uint32_t)h % FINDING_HASH;
	for (; (i = t->index[at]) != 0; at = (at + 1) % FINDING_HASH)
		if (memcmp(&t->findings[i - 1], k, offsetof(struct finding, count)) == 0)
			return &t->findings[i - 1];
	if (t->n_findings == FINDING_MAX ||
	    !grow((void **)&t->findings, t->n_findings, &t->cap_findings, sizeof(*t->findings))) {
		t->findings_lost++;
		return NULL;
	}
	memcpy(&t->findings[t->n_findings], k, sizeof(*k));
	t->index[at] = ++t->n_findings;
	return &t->findings[t->n_findings - 1];
}

static void
describe_event(const struct policy *pol, const struct event *ev, char *buf, size_t size)
{
	const struct net_tuple *t = ev->tuple;

	if (ev->fact)
		tally_describe_named(pol, t, ev->fact, ev->verdict.item, buf, size);
	else if (ev->kind == EVENT_FLOW && t->proto == NET_PROTO_TCP)
		snprintf(buf, size, "tcp port %u", t->dport);
	else if (ev->kind == EVENT_FLOW && t->proto == NET_PROTO_UDP)
		snprintf(buf, size, "udp port %u", t->dport);
	else if (ev->kind == EVENT_FLOW)
		snprintf(buf, size, "IP protocol %u", t->proto);
	else
		buf[0] = '\0';
}

static void
moved_add(struct tally *t, const struct event *ev)
{
	struct moved *m;

	if (!t->moved && !(t->moved = calloc(MOVED_MAX, sizeof(*t->moved)))) {
		t->nomem = true;
		return;
	}
	if (t->n_moved++ >= MOVED_MAX)
		return;
	m = &t->moved[t->n_moved - 1];
	m->client = ev->tuple->src;
	m->server = ev->tuple->dst;
	m->about = *ev->transfer;
	m->verdict = ev->verdict;
	m->frame = ev->frame;
	m->ts_ns = ev->ts_ns;
	tally_describe(ev->fact, 0, m->what, sizeof(m->what));
}

void
tally_event(struct tally *t, const struct event *ev)
{
	uint32_t conv = NONE;
	struct finding k, *f;
	bool denied;

	if (ev->kind == EVENT_ANOMALY)
		return; /* allowed, and counted as an anomaly */
	if (ev->kind == EVENT_TRANSFER) {
		moved_add(t, ev);
		return; /* what was not allowed in it is told PDU by PDU */
	}
	denied = tally_denies(&ev->verdict);
	*(denied ? &t->denied : &t->told) += 1;
	if (ev->fact)
		conv = conv_lookup(t, ev->tuple, ev->to_client, ev->fact->proto);
	if (conv != NONE && denied && ev->fact->proto != FACT_PROTO_NONE) {
		struct conv *c = &t->convs[conv];

		if (c->ops || conv_identify(c, ev->fact->proto))
			conv_op(c, ev->fact->opx)->denied++;
	}
	k = finding_key(ev, conv);
	if (!(f = finding_get(t, &k)))
		return;
	f->denied = denied;
	f->last_frame = ev->frame;
	f->code = ev->fact ? ev->fact->code : 0;
	if (f->count < FINDING_SAMPLES) {
		struct sample *s = &f->sample[f->count];

		s->frame = ev->frame;
		s->ts_ns = ev->ts_ns;
		describe_event(t->policy, ev, s->text, sizeof(s->text));
	}
	f->count++;
}

/* --- words --------------------------------------------------------------------------------- */

/* What is written: bytes of a run of bytes, else values; the first few. */
static void
describe_values(struct jw *w, const struct dis_schema *sc, const struct fact_item *it)
{
	bool bytes = sc->show_range && sc->spaces[it->space].value_bits == 1 && it->count >= 8;
	uint32_t n = bytes ? it->count / 8 : it->count;

	jw_raw(w, " =", 2);
	for (uint32_t i = 0; i < n; i++) {
		if (i == 4 && n > 5) {
			jw_raw(w, " ...", 4);
			break;
		}
		jw_ch(w, ' ');
		if (bytes) {
			jw_ch(w, "0123456789abcdef"[it->vals[i] >> 4]);
			jw_ch(w, "0123456789abcdef"[it->vals[i] & 15]);
		} else {
			jw_dec(w, fact_value(it, i));
		}
	}
}

struct namer { /* of items, or pol NULL */
	const struct policy *pol;
	const struct net_addr *server;
	uint8_t proto;
};

static void
describe_item(
    struct jw *w, const struct dis_schema *sc, const struct fact_item *it, const struct namer *nm)
{
	char b[256], name[128];

	dissector_show_item(sc, it, b, sizeof(b));
	jw_raw(w, b, strlen(b));
	if (nm->pol && policy_has_names(nm->pol) &&
	    policy_object_name(nm->pol, nm->server, nm->proto, it, name, sizeof(name))) {
		jw_raw(w, " (", 2);
		jw_raw(w, name, strlen(name));
		jw_ch(w, ')');
	}
	if (it->vals && it->count != 0 && it->space < sc->n_spaces)
		describe_values(w, sc, it);
}

/* The item that decided comes first; the others follow in order. */
char *
tally_describe(const struct fact *f, uint32_t which, char *buf, size_t size)
{
	return tally_describe_named(NULL, NULL, f, which, buf, size);
}

char *
tally_describe_named(const struct policy *pol, const struct net_tuple *t, const struct fact *f,
    uint32_t which, char *buf, size_t size)
{
	const struct namer nm = {
	    t ? pol : NULL, t ? (f->dir == DIR_TO_CLIENT ? &t->src : &t->dst) : NULL, f->proto};
	const struct dis_schema *sc = f->proto < n_dissectors ? dissectors[f->proto]->schema : NULL;
	struct jw w = jw_make(buf, size - 1);
	struct fact_iter it = {0};
	struct fact_item item;
	const char *sep = "";

	if (sc) {
		for (unsigned i = 0; i < sc->n_keys; i++)
			if (sc->keys[i].kind == KEY_UNIT) {
				jw_raw(&w, "unit ", 5);
				jw_dec(&w, f->unit);
				sep = " ";
			}
		if (which && fact_item_at(f, which, &item)) {
			jw_raw(&w, sep, strlen(sep));
			describe_item(&w, sc, &item, &nm);
			sep = "; with ";
		}
		for (uint32_t i = 0; !w.full && fact_next(f, &it, &item); i++) {
			if (which && i == which)
				continue;
			jw_raw(&w, sep, strlen(sep));
			describe_item(&w, sc, &item, &nm);
			sep = which ? ", " : " ";
		}
	}
	*w.p = '\0';
	return buf;
}
