/* SPDX-License-Identifier: Apache-2.0 */
/* convs.c - see convs.h; the only file that adds to the table. */
#include "watch/convs.h"

#include <stdlib.h>

#include "dataplane/decode.h"
#include "dataplane/engine.h"
#include "watch/table.h"

/* Of the memory, per conversation: so many of the others. */
static const struct {
	uint32_t size, per;
} shape[POOLS] = {
    [POOL_CONV] = {sizeof(struct conv), 1},
    [POOL_FN] = {sizeof(struct conv_fn), 4},
    [POOL_STEP] = {sizeof(struct conv_step), 6},
    [POOL_OBJ] = {sizeof(struct conv_obj), 6},
    [POOL_VAL] = {sizeof(struct conv_val), 16},
};
#define CONVS_MAX     (1u << 18)
#define EVICT_SAMPLES 16u /* conversations looked at to find a silent one */
#define MS	      UINT64_C(1000000)

/* --- memory ----------------------------------------------------------------------------------- */

struct convs *
convs_new(size_t memory_bytes, uint64_t seed)
{
	struct convs *c = calloc(1, sizeof(*c));
	size_t each = 0, n;

	if (!c)
		return NULL;
	for (unsigned i = 0; i < POOLS; i++)
		each += shape[i].per * (shape[i].size + 2 * sizeof(uint32_t));
	n = memory_bytes / each;
	n = n < 2 ? 2 : n > CONVS_MAX ? CONVS_MAX : n;
	c->seed = hash_seed_make(seed);
	for (unsigned i = 0; i < POOLS; i++)
		if (!pool_init(&c->pool[i], (uint32_t)n * shape[i].per, shape[i].size)) {
			convs_free(c);
			return NULL;
		}
	return c;
}

void
convs_free(struct convs *c)
{
	for (unsigned i = 0; c && i < POOLS; i++) {
		free(c->pool[i].items);
		free(c->pool[i].bucket);
	}
	free(c);
}

static void
give_list(struct pool *p, uint32_t i)
{
	for (uint32_t next; i != NONE; i = next) {
		next = cell_at(p, i)->next;
		pool_give(p, i);
	}
}

/* --- conversations ------------------------------------------------------------------------------ */

static uint64_t
conv_hash(const struct convs *c, const struct net_addr *client, const struct net_addr *server,
    uint8_t l4, uint16_t port)
{
	return hash_mix(c->seed, hash_16(c->seed, client->b),
	    hash_mix(c->seed, hash_16(c->seed, server->b) + 1, (uint64_t)l4 << 16 | port));
}

struct conv *
conv_find(const struct convs *c, const struct net_addr *client, const struct net_addr *server,
    uint8_t l4, uint16_t port)
{
	return pool_find(&c->pool[POOL_CONV], conv_hash(c, client, server, l4, port));
}

static void
conv_drop(struct convs *c, uint32_t i)
{
	struct conv *v = CONV_AT(c, i);

	give_list(&c->pool[POOL_FN], v->fns);
	give_list(&c->pool[POOL_STEP], v->steps);
	give_list(&c->pool[POOL_OBJ], v->objs);
	give_list(&c->pool[POOL_VAL], v->vals);
	v->used = false;
	pool_give(&c->pool[POOL_CONV], i);
	c->evicted++;
}

/* The one that was silent longest, of a few; what was learned stays if there is any other. */
static void
conv_evict(struct convs *c)
{
	const struct pool *p = &c->pool[POOL_CONV];
	uint32_t worst = NONE;

	for (unsigned k = 0; k < EVICT_SAMPLES; k++) {
		uint32_t i = c->sample = (c->sample + 1) % p->max;
		const struct conv *v = CONV_AT(c, i), *w = CONV_AT(c, worst);

		if (v->used && (!w || v->learned < w->learned ||
				   (v->learned == w->learned && v->last_ns < w->last_ns)))
			worst = i;
	}
	if (worst != NONE)
		conv_drop(c, worst);
}

struct conv *
conv_get(struct convs *c, const struct net_addr *client, const struct net_addr *server, uint8_t l4,
    uint16_t port, uint64_t now_ns)
{
	uint64_t hash = conv_hash(c, client, server, l4, port);
	struct pool *p = &c->pool[POOL_CONV];
	struct conv *v = pool_find(p, hash);

	if (v)
		return v;
	if (!(v = pool_take(p, hash))) {
		conv_evict(c);
		if (!(v = pool_take(p, hash))) {
			p->lost++;
			return NULL;
		}
	}
	v->client = *client;
	v->server = *server;
	v->l4 = l4;
	v->port = port;
	v->used = true;
	v->proto = FACT_PROTO_NONE;
	v->learned = c->learning;
	v->fns = v->objs = v->vals = v->steps = v->last_fn = NONE;
	v->first_ns = v->last_ns = now_ns;
	return v;
}

/* One of a conversation's lists: find, or make within the bounds. */
static void *
part_get(struct convs *c, struct conv *v, unsigned pool, uint64_t key1, uint64_t key2,
    uint32_t *list, uint16_t *n, uint16_t max, uint64_t *more, bool *is_new)
{
	struct pool *p = &c->pool[pool];
	uint64_t hash = hash_mix(c->seed, v->cell.hash ^ key1, hash_mix(c->seed, key2, pool + 1u));
	struct cell *x = pool_find(p, hash);

	*is_new = !x;
	if (x)
		return x;
	if (*n >= max) {
		(*more)++;
		return NULL;
	}
	if (!(x = pool_take(p, hash))) {
		p->lost++;
		return NULL;
	}
	x->next = *list;
	*list = pool_index(p, x);
	(*n)++;
	return x;
}

struct conv_fn *
conv_fn_get(struct convs *c, struct conv *v, uint16_t code, uint16_t sub, bool *is_new)
{
	struct conv_fn *f =
	    part_get(c, v, POOL_FN, code, sub, &v->fns, &v->n_fns, FNS_EACH, &v->more_fns, is_new);

	if (f && *is_new) {
		f->code = code;
		f->sub = sub;
		f->learned = c->learning;
	}
	return f;
}

uint64_t
conv_name_hash(const char *name, uint32_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a: not secret, it goes into files */

	for (uint32_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3);
	return h ? h : 1;
}

struct conv_obj *
conv_obj_get(struct convs *c, struct conv *v, const struct conv_obj *key, bool *is_new)
{
	struct conv_obj *o = part_get(c, v, POOL_OBJ,
	    (uint64_t)key->unit << 32 | (uint64_t)key->space << 8 | key->access,
	    hash_mix(c->seed, (uint64_t)key->sub << 32 | key->first,
		key->name_hash ? key->name_hash : key->last),
	    &v->objs, &v->n_objs, OBJS_EACH, &v->more_objs, is_new);

	if (o && *is_new) {
		struct cell cell = o->cell;

		*o = *key;
		o->cell = cell;
		o->count = 0;
		o->learned = c->learning;
	}
	return o;
}

struct conv_val *
conv_val_get(struct convs *c, struct conv *v, const struct conv_val *key, bool *is_new)
{
	struct conv_val *x = part_get(c, v, POOL_VAL,
	    (uint64_t)key->unit << 32 | (uint64_t)key->space << 8 | key->access,
	    (uint64_t)key->sub << 32 | key->at, &v->vals, &v->n_vals, VALS_EACH, &v->more_vals,
	    is_new);

	if (x && *is_new) {
		struct cell cell = x->cell;

		*x = *key;
		x->cell = cell;
	}
	return x;
}

/* --- frames -------------------------------------------------------------------------------------- */

static void
time_seen(uint64_t *first, uint64_t *last, uint64_t now)
{
	if (*first == 0 || now < *first)
		*first = now;
	if (now > *last)
		*last = now;
}

static struct net_addr
addr_of(const struct layers *l, const uint8_t *p)
{
	return l->flags & LAYER_V6 ? net_addr_from6(p) : net_addr_from4(p);
}

/* A frame from src: whose is it, and does it go to the server? */
static struct conv *
conv_of_frame(struct convs *c, const struct layers *l, uint64_t now_ns, bool *to_server)
{
	struct net_addr src = addr_of(l, l->src), dst = addr_of(l, l->dst);
	uint16_t sport = l->flags & LAYER_L4 ? l->sport : 0;
	uint16_t dport = l->flags & LAYER_L4 ? l->dport : 0;
	unsigned syn = l->proto == NET_PROTO_TCP && l->flags & LAYER_L4
			   ? l->tcp_flags & (TCP_SYN | TCP_ACK)
			   : 0;
	struct conv *v;

	*to_server = true;
	if (syn == (TCP_SYN | TCP_ACK)) {
		*to_server = false;
		v = conv_get(c, &dst, &src, l->proto, sport, now_ns);
	} else if (syn == TCP_SYN) {
		v = conv_get(c, &src, &dst, l->proto, dport, now_ns);
	} else {
		if ((v = conv_find(c, &src, &dst, l->proto, dport)))
			return v;
		*to_server = false;
		if ((v = conv_find(c, &dst, &src, l->proto, sport)))
			return v;
		*to_server = dport <= sport;
		return *to_server ? conv_get(c, &src, &dst, l->proto, dport, now_ns)
				  : conv_get(c, &dst, &src, l->proto, sport, now_ns);
	}
	if (v)
		v->sure = true;
	return v;
}

void
convs_frame(struct convs *c, const struct pkt *p, const struct layers *l)
{
	struct conv *v;
	bool to_server;

	c->frames++;
	time_seen(&c->first_ns, &c->last_ns, p->ts_ns);
	if (!(l->flags & LAYER_IP)) {
		c->not_ip++;
		return;
	}
	if (l->flags & LAYER_FRAGMENT) /* has no ports; the engine puts it together */
		return;
	if (!(v = conv_of_frame(c, l, p->ts_ns, &to_server)))
		return;
	v->frames[!to_server]++;
	v->bytes[!to_server] += p->wirelen;
	v->vlan = l->vlan;
	time_seen(&v->first_ns, &v->last_ns, p->ts_ns);
	if (l->proto != NET_PROTO_TCP || !(l->flags & LAYER_L4))
		return;
	if (l->tcp_flags & TCP_SYN && !(l->tcp_flags & TCP_ACK))
		v->connections++;
	if (l->tcp_flags & TCP_RST) {
		v->resets++;
		v->refused += !to_server && v->bytes[1] < 200 && v->requests == 0;
	}
}

/* --- PDUs ----------------------------------------------------------------------------------------- */

static unsigned
hist_slot(uint64_t ns)
{
	uint64_t ms = ns / MS;
	unsigned k = ms == 0 ? 0 : 64u - (unsigned)__builtin_clzll(ms);

	return k < HIST ? k : HIST - 1;
}

static void
step_count(struct convs *c, struct conv *v, uint32_t to)
{
	uint32_t from = v->last_fn;
	struct conv_step *s;
	bool is_new;

	v->last_fn = to;
	if (from == NONE || !(s = part_get(c, v, POOL_STEP, from, to, &v->steps, &v->n_steps,
				  STEPS_EACH, &v->more_steps, &is_new)))
		return;
	s->from = from;
	s->to = to;
	s->count++;
}

static void
value_seen(struct convs *c, struct conv_val *x, uint32_t value, uint64_t now_ns, bool is_new)
{
	unsigned i = 0;

	if (is_new) {
		x->min = x->max = x->last = value;
		x->learned = c->learning;
	}
	while (i < x->n_set && i < SET_EACH && x->set[i] != value)
		i++;
	if (i == x->n_set && i < SET_EACH)
		x->set[x->n_set++] = value;
	else if (i == SET_EACH)
		x->n_set = SET_EACH + 1;
	/* A value is known by the set while it is small, else by its range. */
	if (c->learning) {
		x->learned_min =
		    x->learned && !is_new && x->learned_min < value ? x->learned_min : value;
		x->learned_max =
		    x->learned && !is_new && x->learned_max > value ? x->learned_max : value;
		x->learned_set = x->n_set;
		x->learned = true;
	} else if (x->learned && x->access == ACC_WRITE && !c->news.val &&
		   (x->learned_set <= SET_EACH
			   ? i >= x->learned_set
			   : value < x->learned_min || value > x->learned_max)) {
		c->news.val = x;
		c->news.value = value;
	}
	x->rose |= value > x->last;
	x->fell |= value < x->last;
	x->min = value < x->min ? value : x->min;
	x->max = value > x->max ? value : x->max;
	x->last = value;
	x->last_ns = now_ns;
	x->count++;
}

static void
values_seen(struct convs *c, struct conv *v, const struct fact *f, const struct fact_item *it,
    uint64_t now_ns)
{
	struct conv_val key = {.unit = f->unit,
	    .sub = it->sub,
	    .space = it->space,
	    .access = it->access,
	    .proto = f->proto};

	for (uint32_t i = 0; it->vals && it->enc != ENC_NONE && i < it->count; i++) {
		struct conv_val *x;
		bool is_new;

		key.at = it->first + i;
		if ((x = conv_val_get(c, v, &key, &is_new)))
			value_seen(c, x, fact_value(it, i), now_ns, is_new);
	}
}

static void
items_seen(struct convs *c, struct conv *v, const struct fact *f, uint64_t now_ns)
{
	struct fact_iter iter = {0};
	struct fact_item it;
	struct conv_obj *o;
	bool is_new;

	while (fact_next(f, &iter, &it)) {
		struct conv_obj key = {.unit = f->unit,
		    .sub = it.sub,
		    .first = it.first,
		    .last = it.count ? it.first + (it.count - 1) : it.first,
		    .space = it.space,
		    .access = it.access};

		if (it.name) {
			key.name_hash = conv_name_hash(it.name, it.name_len);
			memcpy(
			    key.name, it.name, it.name_len < NAME_TEXT ? it.name_len : NAME_TEXT);
		}
		if (f->kind == FACT_REQUEST && (o = conv_obj_get(c, v, &key, &is_new))) {
			o->count++;
			o->last_ns = now_ns;
			if (is_new && !c->news.obj)
				c->news.obj = o;
			if (is_new && c->news.open)
				c->news.open->new_obj = true;
		}
		values_seen(c, v, f, &it, now_ns);
	}
}

static void
request_seen(struct convs *c, struct conv *v, const struct fact *f, uint64_t now_ns)
{
	struct conv_news *nw = &c->news;
	struct open_request *o = &v->open[v->open_at];
	struct conv_fn *fn = nw->fn = conv_fn_get(c, v, f->code, f->sub, &nw->new_fn);

	v->requests++;
	if (f->unit < 256)
		v->units[f->unit / 64] |= UINT64_C(1) << (f->unit % 64);
	if (f->access & (ACC_WRITE | ACC_CONTROL | ACC_PROGRAM)) {
		nw->first_write = !v->wrote;
		v->wrote = true;
	}
	if (!fn)
		return;
	fn->op = f->op;
	fn->access = f->access;
	fn->requests++;
	if (fn->last_ns != 0 && now_ns > fn->last_ns) {
		nw->period_ns = now_ns - fn->last_ns;
		fn->period[hist_slot(nw->period_ns)]++;
	}
	fn->first_ns = fn->first_ns ? fn->first_ns : now_ns;
	fn->last_ns = now_ns;
	step_count(c, v, pool_index(&c->pool[POOL_FN], fn));
	nw->overdue = o->ns != 0;
	v->overdue += o->ns != 0;
	*o = (struct open_request){
	    now_ns, f->txn, f->unit, pool_index(&c->pool[POOL_FN], fn), false};
	nw->open = o;
	v->open_at = (uint8_t)((v->open_at + 1) % OPEN_EACH);
}

static void
answer_seen(struct convs *c, struct conv *v, const struct fact *f, uint64_t now_ns)
{
	bool bad = f->kind == FACT_EXCEPTION;

	v->answers++;
	v->exceptions += bad;
	for (unsigned i = 0; i < OPEN_EACH; i++) {
		struct open_request *o = &v->open[i];
		struct conv_fn *fn;

		if (o->ns == 0 || o->txn != f->txn || o->unit != f->unit)
			continue;
		fn = FN_AT(c, o->fn);
		fn->answers++;
		fn->exceptions += bad;
		if (now_ns >= o->ns)
			v->response[hist_slot(now_ns - o->ns)]++;
		o->ns = 0;
		c->news.fn = fn;
		c->news.refused_new = bad && o->new_obj;
		return;
	}
}

/* Frames in front of the first PDU were perhaps taken to go the other way. */
static void
turn_round(struct convs *c, struct conv *v, const struct net_tuple *t, bool answer)
{
	struct conv *wrong =
	    conv_find(c, &v->server, &v->client, v->l4, answer ? t->dport : t->sport);

	if (!wrong || wrong == v || wrong->sure || wrong->fns != NONE)
		return;
	for (unsigned i = 0; i < 2; i++) {
		v->frames[i] += wrong->frames[!i];
		v->bytes[i] += wrong->bytes[!i];
	}
	v->vlan = wrong->vlan;
	v->first_ns = wrong->first_ns < v->first_ns ? wrong->first_ns : v->first_ns;
	conv_drop(c, pool_index(&c->pool[POOL_CONV], wrong));
	c->evicted--; /* nothing was lost */
}

void
convs_fact(struct convs *c, const struct engine_pdu *pdu)
{
	const struct net_tuple *t = pdu->tuple;
	const struct fact *f = pdu->fact;
	bool answer = f->dir == DIR_TO_CLIENT;
	struct conv *v;

	c->news = (struct conv_news){.conv = NULL};
	v = conv_get(c, answer ? &t->dst : &t->src, answer ? &t->src : &t->dst, t->proto,
	    answer ? t->sport : t->dport, pdu->ts_ns);
	if (!(c->news.conv = v))
		return;
	if (f->proto >= n_dissectors) {
		const struct fact_app *app = f->ext;

		if (app && app->app && app->app[0] >= 'A' && app->app[0] <= 'Z') {
			size_t n = strnlen(app->app, APP_TEXT);

			memcpy(v->app, app->app, n);
			v->app[n] = '\0';
		}
		return;
	}
	if (!v->sure)
		turn_round(c, v, t, answer);
	v->sure = true;
	v->proto = f->proto;
	time_seen(&v->first_ns, &v->last_ns, pdu->ts_ns);
	if (f->kind == FACT_REQUEST && !answer)
		request_seen(c, v, f, pdu->ts_ns);
	else if ((f->kind == FACT_RESPONSE || f->kind == FACT_EXCEPTION) && answer)
		answer_seen(c, v, f, pdu->ts_ns);
	else if (f->kind == FACT_MALFORMED)
		v->malformed++;
	else
		v->others++;
	if (f->kind == FACT_REQUEST || f->kind == FACT_RESPONSE)
		items_seen(c, v, f, pdu->ts_ns);
}

/* --- asking ------------------------------------------------------------------------------------- */

uint32_t
convs_rows(const struct convs *c, struct convs_row *out, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->pool[POOL_CONV].n && n < max; i++) {
		const struct conv *v = CONV_AT(c, i);

		if (!v->used)
			continue;
		out[n++] = (struct convs_row){.client = v->client,
		    .server = v->server,
		    .port = v->port,
		    .l4 = v->l4,
		    .service = v->proto < n_dissectors ? dissectors[v->proto]->name : v->app,
		    .id = v->cell.hash,
		    .frames = v->frames[0] + v->frames[1],
		    .bytes = v->bytes[0] + v->bytes[1],
		    .requests = v->requests,
		    .exceptions = v->exceptions,
		    .last_ns = v->last_ns};
	}
	return n;
}

uint32_t
convs_room(const struct convs *c, uint64_t *evicted)
{
	*evicted = c->evicted;
	return c->pool[POOL_CONV].max;
}
