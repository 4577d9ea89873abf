/* SPDX-License-Identifier: Apache-2.0 */
/* learn.c - gathers what learn.h describes; see there. */
#include "cli/learn.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "dataplane/decode.h"

#define DEVICE_HASH (4 * LEARN_DEVICES)
#define PAIR_HASH   (4 * LEARN_PAIRS)
#define NOWHERE	    UINT32_MAX

void
learn_init(struct learn *l, struct arena *a, const struct policy *base)
{
	*l = (struct learn){.a = a, .base = base};
	l->device_index = arena_array(a, DEVICE_HASH, sizeof(*l->device_index));
	l->pair_index = arena_array(a, PAIR_HASH, sizeof(*l->pair_index));
}

/* --- sets --------------------------------------------------------------------------------------- */

/* Two neighbours become one: those with the smallest gap, in the same subdivision if there are such. */
static void
runs_squeeze(struct learn_runs *r)
{
	uint64_t best = UINT64_MAX;
	uint32_t at = 0;

	for (uint32_t i = 0; i + 1 < r->n; i++)
		if (r->v[i].sub == r->v[i + 1].sub && r->v[i + 1].first - r->v[i].last < best) {
			best = r->v[i + 1].first - r->v[i].last;
			at = i;
		}
	if (best == UINT64_MAX) { /* all in different ones: the last is given up */
		r->n--;
		return;
	}
	r->v[at].last = r->v[at + 1].last;
	memmove(&r->v[at + 1], &r->v[at + 2], (r->n - at - 2) * sizeof(*r->v));
	r->n--;
}

static void
runs_add(struct arena *a, struct learn_runs *r, uint32_t sub, uint32_t first, uint32_t last)
{
	uint32_t i = 0, j;

	while (i < r->n &&
	       (r->v[i].sub < sub || (r->v[i].sub == sub && (uint64_t)r->v[i].last + 1 < first)))
		i++;
	for (j = i; j < r->n && r->v[j].sub == sub && r->v[j].first <= (uint64_t)last + 1; j++) {
		if (r->v[j].first < first)
			first = r->v[j].first;
		if (r->v[j].last > last)
			last = r->v[j].last;
	}
	if (j > i) { /* joins what it touches */
		r->v[i] = (struct learn_run){sub, first, last};
		memmove(&r->v[i + 1], &r->v[j], (r->n - j) * sizeof(*r->v));
		r->n -= j - i - 1;
		return;
	}
	vec_push(a, r, ((struct learn_run){sub, first, last}));
	memmove(&r->v[i + 1], &r->v[i], (r->n - 1 - i) * sizeof(*r->v));
	r->v[i] = (struct learn_run){sub, first, last};
	if (r->n > LEARN_RUNS)
		runs_squeeze(r);
}

static void
names_add(struct arena *a, struct learn_names *n, const char *s, uint32_t len)
{
	for (uint32_t i = 0; i < n->n; i++)
		if (strlen(n->v[i].s) == len && memcmp(n->v[i].s, s, len) == 0)
			return;
	if (n->n == LEARN_NAMES) {
		n->over = true;
		return;
	}
	vec_push(a, n, ((struct learn_name){arena_strn(a, s, len)}));
}

static uint32_t
gcd(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t r = a % b;

		a = b;
		b = r;
	}
	return a;
}

void
learn_value_join(struct learn_value *to, const struct learn_value *v)
{
	uint32_t apart = v->first > to->first ? v->first - to->first : to->first - v->first;

	to->step = gcd(gcd(to->step, v->step), apart);
	to->min = v->min < to->min ? v->min : to->min;
	to->max = v->max > to->max ? v->max : to->max;
	to->changes += v->changes + (apart != 0);
}

static void
values_add(struct arena *a, struct learn_values *v, uint32_t addr, uint32_t value)
{
	const struct learn_value x = {addr, value, value, value, 0, 0};
	uint32_t i = 0;

	while (i < v->n && v->v[i].addr < addr)
		i++;
	if (i < v->n && v->v[i].addr == addr) {
		learn_value_join(&v->v[i], &x);
		return;
	}
	if (v->n == LEARN_VALUES) {
		v->over = true;
		return;
	}
	vec_push(a, v, x);
	memmove(&v->v[i + 1], &v->v[i], (v->n - 1 - i) * sizeof(*v->v));
	v->v[i] = x;
}

static void
evidence_add(struct learn_evidence *e, uint64_t frame, uint64_t ts_ns)
{
	if (e->n < LEARN_FRAMES)
		e->frames[e->n] = frame;
	if (e->n == 0 || ts_ns < e->first_ns)
		e->first_ns = ts_ns;
	if (ts_ns > e->last_ns)
		e->last_ns = ts_ns;
	e->last_frame = frame;
	e->n++;
}

/* --- who ------------------------------------------------------------------------------------------ */

static uint32_t
device_of(struct learn *l, const struct net_addr *addr)
{
	uint32_t at = (uint32_t)hash_16(hash_seed_make(4), addr->b) % DEVICE_HASH, i;
	struct learn_device d = {.addr = *addr};

	for (; (i = l->device_index[at]) != 0; at = (at + 1) % DEVICE_HASH)
		if (net_addr_eq(&l->devices.v[i - 1].addr, addr))
			return i - 1;
	if (l->devices.n == LEARN_DEVICES) {
		l->lost++;
		return NOWHERE;
	}
	d.declared = l->base && (d.name = policy_device_name(l->base, addr)) != NULL;
	vec_push(l->a, &l->devices, d);
	l->device_index[at] = l->devices.n;
	return l->devices.n - 1;
}

static struct learn_pair *
pair_of(struct learn *l, const struct net_addr *client, const struct net_addr *server)
{
	uint32_t from = device_of(l, client), to = device_of(l, server), at, i;

	if (from == NOWHERE || to == NOWHERE)
		return NULL;
	at = (uint32_t)hash_mix(hash_seed_make(5), from, to) % PAIR_HASH;
	for (; (i = l->pair_index[at]) != 0; at = (at + 1) % PAIR_HASH)
		if (l->pairs.v[i - 1].from == from && l->pairs.v[i - 1].to == to)
			return &l->pairs.v[i - 1];
	if (l->pairs.n == LEARN_PAIRS) {
		l->lost++;
		return NULL;
	}
	vec_push(
	    l->a, &l->pairs, ((struct learn_pair){.from = from, .to = to, .conduit = RULE_NONE}));
	l->pair_index[at] = l->pairs.n;
	return &l->pairs.v[l->pairs.n - 1];
}

static struct learn_talk *
talk_of(struct learn *l, struct learn_pair *p, uint8_t proto, uint16_t port, bool udp)
{
	for (uint32_t i = 0; i < p->talks.n; i++)
		if (p->talks.v[i].proto == proto && p->talks.v[i].port == port &&
		    p->talks.v[i].udp == udp)
			return &p->talks.v[i];
	vec_push(l->a, &p->talks, ((struct learn_talk){.proto = proto, .port = port, .udp = udp}));
	l->devices.v[p->from].asks++;
	l->devices.v[p->to].serves = true;
	return &p->talks.v[p->talks.n - 1];
}

static struct learn_op *
op_of(struct learn *l, struct learn_talk *t, const struct fact *f)
{
	const struct dis_schema *sc = dissectors[f->proto]->schema;
	struct learn_op o = {.unit = f->unit,
	    .opx = f->opx,
	    .code = f->code,
	    .sub = f->sub,
	    .access = f->access,
	    .name = f->op};

	for (uint32_t i = 0; i < t->ops.n; i++) {
		struct learn_op *k = &t->ops.v[i];

		if (k->opx == f->opx && k->unit == f->unit && k->code == f->code &&
		    k->sub == f->sub)
			return k;
	}
	for (unsigned w = 0; w < 2; w++)
		o.runs[w] = arena_array(l->a, sc->n_spaces, sizeof(*o.runs[w]));
	vec_push(l->a, &t->ops, o);
	return &t->ops.v[t->ops.n - 1];
}

/* --- what ----------------------------------------------------------------------------------------- */

/* The space whose written values a rule may limit one by one, or SPACE_NONE. */
#define SPACE_NONE 0xff
static uint8_t
limited_space(const struct dis_schema *sc)
{
	for (unsigned i = 0; i < sc->n_keys; i++)
		if (sc->keys[i].kind == KEY_VALUES && sc->keys[i].space != DIS_SPACE_ANY &&
		    sc->spaces[sc->keys[i].space].value_bits > 1)
			return sc->keys[i].space;
	return SPACE_NONE;
}

static void
learn_item(
    struct learn *l, const struct dis_schema *sc, struct learn_op *o, const struct fact_item *it)
{
	bool write = it->access == ACC_WRITE;
	uint32_t last, most;

	if (it->name) {
		names_add(l->a, &o->names[write], it->name, it->name_len);
		runs_add(l->a, &o->subs[write], 0, it->sub, it->sub);
		return;
	}
	if (it->space >= sc->n_spaces || it->count == 0)
		return;
	/* What reaches beyond the space is refused by devices; no rule can say it. */
	most = sc->spaces[it->space].max;
	if (it->first > most)
		return;
	last = it->count - 1 <= most - it->first ? it->first + (it->count - 1) : most;
	runs_add(l->a, &o->runs[write][it->space], it->sub, it->first, last);
	o->masked |= write && it->masked;
	if (!write || !it->vals || it->space != limited_space(sc))
		return;
	o->value_space = it->space;
	for (uint32_t i = 0; i <= last - it->first; i++)
		values_add(l->a, &o->values, it->first + i, fact_value(it, i));
}

/* Which words of a floor's keys this request would meet. */
static void
learn_floor(struct learn_talk *t, const struct fact *f)
{
	const struct dis_schema *sc = dissectors[f->proto]->schema;
	unsigned n = 0;

	for (unsigned i = 0; i < sc->n_keys && n < LEARN_FLOORS; i++) {
		const struct dis_key *k = &sc->keys[i];
		struct learn_floor *fl = &t->floor[n];

		if (!k->map || k->kind != KEY_WORD)
			continue;
		n++;
		if (f->props && f->props->na >> k->prop & 1)
			continue;
		if (f->props && f->props->known >> k->prop & 1 && f->props->num[k->prop] < 32)
			fl->words |= 1u << f->props->num[k->prop];
		else
			fl->unknown = true;
	}
}

static void
learn_app(struct learn *l, const struct engine_pdu *p)
{
	const struct fact_app *app = p->fact->ext;
	const struct net_tuple *t = p->tuple;
	bool back = p->fact->dir == DIR_TO_CLIENT;
	struct learn_pair *pair = pair_of(l, back ? &t->dst : &t->src, back ? &t->src : &t->dst);

	if (!pair || !app)
		return;
	if (strcmp(app->app, "unknown") == 0 || strcmp(app->app, "not built") == 0)
		l->unnamed++;
	else
		names_add(l->a, &pair->apps, app->app, (uint32_t)strlen(app->app));
}

/* A connection that has no place takes that of the one quiet for longest. */
static void
rate_add(struct learn_talk *t, uint64_t flow_id, uint64_t second)
{
	struct learn_rate *r = &t->rate[0];

	for (unsigned i = 0; i < LEARN_CONNECTIONS; i++) {
		if (t->rate[i].n != 0 && t->rate[i].flow_id == flow_id) {
			r = &t->rate[i];
			break;
		}
		if (t->rate[i].n == 0 || (r->n != 0 && t->rate[i].second < r->second))
			r = &t->rate[i];
	}
	if (r->n == 0 || r->flow_id != flow_id || r->second != second)
		*r = (struct learn_rate){flow_id, second, 0};
	if (++r->n > t->peak)
		t->peak = r->n;
}

void
learn_fact(void *ctx, const struct engine_pdu *p)
{
	struct learn *l = ctx;
	const struct fact *f = p->fact;
	const struct net_tuple *t = p->tuple;
	struct fact_iter it = {0};
	struct fact_item item;
	struct learn_pair *pair;
	struct learn_talk *talk;
	struct learn_op *o;
	bool back = f->dir == DIR_TO_CLIENT;

	if (f->proto == FACT_PROTO_NONE) {
		if (strcmp(f->op, "app") == 0 && !l->base)
			learn_app(l, p);
		return;
	}
	l->pdus++;
	if ((f->kind != FACT_REQUEST && f->kind != FACT_OTHER) || f->proto >= n_dissectors ||
	    (l->base && p->verdict->would == VERDICT_ALLOW))
		return;
	if (!(pair = pair_of(l, back ? &t->dst : &t->src, back ? &t->src : &t->dst)))
		return;
	if (l->base)
		pair->conduit = p->verdict->conduit;
	talk = talk_of(l, pair, f->proto, back ? t->sport : t->dport, t->proto == NET_PROTO_UDP);
	talk->encrypted |= (f->anomalies & FACT_A_ENCRYPTED) != 0;
	talk->midstream |= (f->anomalies & FACT_A_MIDSTREAM) != 0;
	if (f->kind == FACT_REQUEST)
		rate_add(talk, p->flow_id, p->ts_ns / 1000000000u);
	o = op_of(l, talk, f);
	evidence_add(&o->seen, p->frame, p->ts_ns);
	if (f->access & ACC_PROGRAM)
		l->devices.v[pair->from].programs = true;
	learn_floor(talk, f);
	while (fact_next(f, &it, &item))
		learn_item(l, dissectors[f->proto]->schema, o, &item);
}

/* --- frames --------------------------------------------------------------------------------------- */

static void
learn_mac(struct learn *l, const struct net_addr *addr, const uint8_t *mac)
{
	uint32_t at = device_of(l, addr);
	struct learn_device *d;

	if (at == NOWHERE)
		return;
	d = &l->devices.v[at];
	if (!d->has_mac) {
		memcpy(d->mac, mac, sizeof(d->mac));
		d->has_mac = true;
	} else if (memcmp(d->mac, mac, sizeof(d->mac)) != 0) {
		d->macs_differ = true;
	}
}

/* A host's own address: not a group's, nobody's, or the link's. */
static bool
is_host(const struct net_addr *a)
{
	if (net_addr_is4(a))
		return a->b[12] != 0 && a->b[12] < 224 && a->b[12] != 127;
	return a->b[0] != 0xff && !(a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80) && a->b[0] != 0;
}

static void
learn_icmp(struct learn *l, const struct pkt *p, const struct layers *y, const struct net_tuple *t)
{
	bool v6 = (y->flags & LAYER_V6) != 0;
	uint8_t type = y->pay_len > 0 ? p->bytes[y->pay_off] : 0xff;
	struct learn_pair *pair;

	/* Echo request (RFC 792, RFC 4443 4.1); MLD (RFC 3810 5); RA (RFC 4861 4.2, RFC 1256). */
	if (type == (v6 ? 128 : 8) && is_host(&t->src) && is_host(&t->dst)) {
		if (!l->base && (pair = pair_of(l, &t->src, &t->dst)))
			pair->echo = true;
	} else if (v6 && (type == 130 || type == 131 || type == 132 || type == 143)) {
		l->listeners = true;
	} else if (type == (v6 ? 134 : 9)) {
		l->routers = true;
	}
}

void
learn_packets(struct learn *l, const struct pkt *burst, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct pkt *p = &burst[i];
		struct net_tuple t = {0};
		struct layers y;

		l->frames++;
		if (l->first_ns == 0 || p->ts_ns < l->first_ns)
			l->first_ns = p->ts_ns;
		if (p->ts_ns > l->last_ns)
			l->last_ns = p->ts_ns;
		if (decode(p, &y) != DROP_NONE)
			continue;
		if (!(y.flags & LAYER_IP)) {
			if (y.ethertype >= 0x600 && !(y.flags & LAYER_ARP))
				runs_add(l->a, &l->ethertypes, y.ethertype, 0, 0);
			else if (y.dmac && y.ethertype < 0x600)
				l->stp |= y.dmac[0] == 0x01;
			continue;
		}
		layers_tuple(&y, p->port, &t);
		if (y.smac && is_host(&t.src))
			learn_mac(l, &t.src, y.smac);
		if (y.proto == NET_PROTO_IGMP)
			l->listeners = true;
		else if (y.proto == NET_PROTO_ICMP || y.proto == NET_PROTO_ICMP6)
			learn_icmp(l, p, &y, &t);
	}
}

/* --- names, roles, zones -------------------------------------------------------------------------- */

static int
by_address(const void *a, const void *b)
{
	const struct learn_device *const *x = a, *const *y = b;

	return memcmp((*x)->addr.b, (*y)->addr.b, sizeof((*x)->addr.b));
}

static const char *
role_of(const struct learn_device *d)
{
	if (d->serves)
		return d->asks ? "gateway" : "plc";
	if (d->asks == 0)
		return NULL;
	return d->programs ? "engineering" : "hmi";
}

/* "plc1", "plc2", ... in the order of addresses, past names that are taken. */
static void
name_it(struct learn *l, struct learn_device *d, unsigned *counters)
{
	static const char *const stems[] = {"gateway", "plc", "engineering", "hmi", "host"};
	unsigned k = 0;
	char name[32];

	while (k < 4 && (!d->role || strcmp(d->role, stems[k]) != 0))
		k++;
	do
		(void)snprintf(
		    name, sizeof(name), "%s%u", k == 2 ? "eng" : stems[k], ++counters[k]);
	while (l->base && (policy_has_end(l->base, name) || policy_has_group(l->base, name)));
	d->name = arena_strn(l->a, name, strlen(name));
}

void
learn_finish(struct learn *l)
{
	struct learn_device **order = arena_array(l->a, l->devices.n + 1, sizeof(*order));
	unsigned counters[5] = {0};

	for (uint32_t i = 0; i < l->devices.n; i++)
		order[i] = &l->devices.v[i];
	qsort(order, l->devices.n, sizeof(*order), by_address);
	for (uint32_t i = 0; i < l->devices.n; i++) {
		struct learn_device *d = order[i];

		if (d->declared)
			continue;
		d->role = role_of(d);
		d->zone = d->serves ? "cell" : "scada";
		name_it(l, d, counters);
	}
	/* One MAC that stands for several addresses is a router's. */
	for (uint32_t i = 0; i < l->devices.n; i++)
		for (uint32_t k = i + 1; k < l->devices.n && l->devices.v[i].has_mac; k++)
			if (l->devices.v[k].has_mac &&
			    memcmp(l->devices.v[i].mac, l->devices.v[k].mac, 6) == 0)
				l->devices.v[i].macs_differ = l->devices.v[k].macs_differ = true;
}
