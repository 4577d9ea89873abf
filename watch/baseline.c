/* SPDX-License-Identifier: Apache-2.0 */
/* baseline.c - what was learned, to a text and back (docs/FORMATS.md section 8b). */
#include <jansson.h>
#include <stdio.h>

#include "base/err.h"
#include "base/jw.h"
#include "watch/convs.h"
#include "watch/detect_int.h"

#define VERSION 1

/* --- writing -------------------------------------------------------------------------------------- */

static void
party_save(struct jw *w, const struct party *h)
{
	char buf[NET_ADDR_STRLEN];

	jw_obj(w, NULL);
	if (party_is_mac(&h->ip))
		jw_str(w, "mac", net_mac_str(h->ip.b + 10, buf));
	else
		jw_str(w, "ip", net_addr_str(&h->ip, buf));
	if (h->programs)
		jw_bool(w, "programs", true);
	if (h->field)
		jw_bool(w, "control", true);
	jw_close(w, '}');
}

static void
fns_save(struct jw *w, const struct convs *c, const struct conv *v)
{
	jw_arr(w, "functions");
	for (uint32_t i = v->fns; i != NONE; i = FN_AT(c, i)->cell.next) {
		const struct conv_fn *f = FN_AT(c, i);

		if (!f->learned)
			continue;
		jw_obj(w, NULL);
		jw_u(w, "code", f->code);
		jw_u(w, "subcode", f->sub);
		jw_u(w, "access", f->access);
		jw_u(w, "periods", f->periods);
		jw_u(w, "period_max_ns", f->period_max);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
objs_save(struct jw *w, const struct convs *c, const struct conv *v)
{
	jw_arr(w, "objects");
	for (uint32_t i = v->objs; i != NONE; i = OBJ_AT(c, i)->cell.next) {
		const struct conv_obj *o = OBJ_AT(c, i);
		char hash[24];

		if (!o->learned)
			continue;
		jw_obj(w, NULL);
		jw_u(w, "space", o->space);
		jw_u(w, "access", o->access);
		jw_u(w, "unit", o->unit);
		jw_u(w, "sub", o->sub);
		jw_u(w, "first", o->first);
		jw_u(w, "last", o->last);
		if (o->name_hash) {
			snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)o->name_hash);
			jw_str(w, "name", o->name);
			jw_str(w, "name_hash", hash);
		}
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
vals_save(struct jw *w, const struct convs *c, const struct conv *v)
{
	jw_arr(w, "values");
	for (uint32_t i = v->vals; i != NONE; i = VAL_AT(c, i)->cell.next) {
		const struct conv_val *x = VAL_AT(c, i);

		if (!x->learned || x->access != ACC_WRITE) /* what is read is never told */
			continue;
		jw_obj(w, NULL);
		jw_u(w, "space", x->space);
		jw_u(w, "unit", x->unit);
		jw_u(w, "sub", x->sub);
		jw_u(w, "at", x->at);
		jw_u(w, "min", x->learned_min);
		jw_u(w, "max", x->learned_max);
		if (x->learned_set <= SET_EACH) {
			jw_arr(w, "set");
			for (unsigned k = 0; k < x->learned_set; k++)
				jw_u(w, NULL, x->set[k]);
			jw_close(w, ']');
		}
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
conv_save(struct jw *w, const struct convs *c, const struct conv *v)
{
	char buf[NET_ADDR_STRLEN];

	jw_obj(w, NULL);
	jw_str(w, "client", net_addr_str(&v->client, buf));
	jw_str(w, "server", net_addr_str(&v->server, buf));
	jw_u(w, "ip_protocol", v->l4);
	jw_u(w, "port", v->port);
	if (v->proto < n_dissectors)
		jw_str(w, "protocol", dissectors[v->proto]->name);
	jw_bool(w, "changes", v->wrote);
	jw_u(w, "peak", v->rate.peak);
	fns_save(w, c, v);
	objs_save(w, c, v);
	vals_save(w, c, v);
	jw_close(w, '}');
}

void
detect_save(struct jw *w, const void *detect)
{
	const struct detect *d = detect;
	uint32_t n, *list = convs_sorted(d->c, &n);

	jw_obj(w, NULL);
	jw_u(w, "interlock_baseline", VERSION);
	jw_u(w, "learned_s", (d->heard < d->conf.learn_ns ? d->heard : d->conf.learn_ns) / SECOND);
	jw_arr(w, "hosts");
	for (uint32_t i = 0; i < d->parties.n; i++)
		if (PARTY_AT(d, i)->used && PARTY_AT(d, i)->learned)
			party_save(w, PARTY_AT(d, i));
	jw_close(w, ']');
	jw_arr(w, "conversations");
	for (uint32_t i = 0; list && i < n; i++)
		if (CONV_AT(d->c, list[i])->learned)
			conv_save(w, d->c, CONV_AT(d->c, list[i]));
	jw_close(w, ']');
	expected_save(w, d);
	jw_close(w, '}');
	w->full |= !list;
	free(list);
}

/* --- reading ----------------------------------------------------------------------------------------- */

struct load {
	struct detect *d;
	const char *wrong; /* the first thing that is */
};

static uint64_t
num(struct load *l, const json_t *o, const char *key, uint64_t max)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    (uint64_t)json_integer_value(v) > max) {
		l->wrong = l->wrong ? l->wrong : key;
		return 0;
	}
	return (uint64_t)json_integer_value(v);
}

static struct net_addr
addr(struct load *l, const json_t *o, const char *key)
{
	struct net_addr a = {{0}};
	const char *s = json_string_value(json_object_get(o, key));

	if (!s || net_addr_parse(s, &a) < 0)
		l->wrong = l->wrong ? l->wrong : key;
	return a;
}

static void
party_load(struct load *l, const json_t *o)
{
	const char *mac_text = json_string_value(json_object_get(o, "mac"));
	struct net_addr a;
	uint8_t mac[6];
	struct party *h;
	bool is_new;

	if (!mac_text)
		a = addr(l, o, "ip");
	else if (net_mac_parse(mac_text, mac) == 0)
		a = party_of_mac(mac);
	else
		l->wrong = "mac";
	if (l->wrong || !(h = party_get(l->d, &a, &is_new)))
		return;
	h->learned = true;
	h->programs = json_is_true(json_object_get(o, "programs"));
	h->field = json_is_true(json_object_get(o, "control"));
}

static void
fn_load(struct load *l, struct conv *v, const json_t *o)
{
	bool is_new;
	struct conv_fn *f = conv_fn_get(l->d->c, v, (uint16_t)num(l, o, "code", UINT16_MAX),
	    (uint16_t)num(l, o, "subcode", UINT16_MAX), &is_new);

	if (!f)
		return;
	f->access = (uint8_t)num(l, o, "access", UINT8_MAX);
	f->periods = (uint32_t)num(l, o, "periods", UINT32_MAX);
	f->period_max = num(l, o, "period_max_ns", INT64_MAX / 16);
	f->learned = true;
}

static void
obj_load(struct load *l, struct conv *v, const json_t *o)
{
	const char *name = json_string_value(json_object_get(o, "name"));
	const char *hash = json_string_value(json_object_get(o, "name_hash"));
	struct conv_obj key = {.space = (uint8_t)num(l, o, "space", UINT8_MAX),
	    .access = (uint8_t)num(l, o, "access", UINT8_MAX),
	    .unit = (uint32_t)num(l, o, "unit", UINT32_MAX),
	    .sub = (uint32_t)num(l, o, "sub", UINT32_MAX),
	    .first = (uint32_t)num(l, o, "first", UINT32_MAX),
	    .last = (uint32_t)num(l, o, "last", UINT32_MAX)};
	struct conv_obj *x;
	bool is_new;

	if (name && hash) {
		snprintf(key.name, sizeof(key.name), "%s", name);
		key.name_hash = strtoull(hash, NULL, 16);
	}
	if ((x = conv_obj_get(l->d->c, v, &key, &is_new)))
		x->learned = true;
}

static void
val_load(struct load *l, struct conv *v, const json_t *o)
{
	const json_t *set = json_object_get(o, "set"), *item;
	struct conv_val key = {.space = (uint8_t)num(l, o, "space", UINT8_MAX),
	    .access = ACC_WRITE,
	    .proto = v->proto,
	    .unit = (uint32_t)num(l, o, "unit", UINT32_MAX),
	    .sub = (uint32_t)num(l, o, "sub", UINT32_MAX),
	    .at = (uint32_t)num(l, o, "at", UINT32_MAX)};
	struct conv_val *x;
	bool is_new;
	size_t i;

	if (!(x = conv_val_get(l->d->c, v, &key, &is_new)))
		return;
	x->learned = true;
	x->min = x->last = x->learned_min = (uint32_t)num(l, o, "min", UINT32_MAX);
	x->max = x->learned_max = (uint32_t)num(l, o, "max", UINT32_MAX);
	x->learned_set = x->n_set = SET_EACH + 1;
	if (!set)
		return;
	x->learned_set = x->n_set = 0;
	json_array_foreach(set, i, item) if (json_is_integer(item) && x->n_set < SET_EACH)
	    x->set[x->n_set++] = (uint32_t)json_integer_value(item);
	x->learned_set = x->n_set;
}

static void
conv_load(struct load *l, const json_t *o)
{
	static const struct {
		const char *key;
		void (*load)(struct load *l, struct conv *v, const json_t *o);
	} parts[] = {{"functions", fn_load}, {"objects", obj_load}, {"values", val_load}};
	struct net_addr client = addr(l, o, "client"), server = addr(l, o, "server");
	const char *proto = json_string_value(json_object_get(o, "protocol"));
	uint8_t l4 = (uint8_t)num(l, o, "ip_protocol", UINT8_MAX);
	uint16_t port = (uint16_t)num(l, o, "port", UINT16_MAX);
	struct conv *v;
	const json_t *item;
	size_t k;

	if (l->wrong || !(v = conv_get(l->d->c, &client, &server, l4, port, 0)))
		return;
	v->learned = v->sure = true;
	v->wrote = json_is_true(json_object_get(o, "changes"));
	v->rate.peak = num(l, o, "peak", UINT32_MAX);
	if (proto && !dissector_lookup(proto, &v->proto))
		v->proto = FACT_PROTO_NONE; /* a build without it */
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		json_array_foreach(json_object_get(o, parts[i].key), k, item) parts[i].load(
		    l, v, item);
}

void
detect_forget(struct detect *d)
{
	struct convs *c = d->c;

	for (uint32_t i = 0; i < c->pool[POOL_CONV].n; i++)
		CONV_AT(c, i)->learned = false;
	for (uint32_t i = 0; i < c->pool[POOL_FN].n; i++) {
		FN_AT(c, i)->learned = false;
		FN_AT(c, i)->periods = 0;
	}
	for (uint32_t i = 0; i < c->pool[POOL_OBJ].n; i++)
		OBJ_AT(c, i)->learned = false;
	for (uint32_t i = 0; i < c->pool[POOL_VAL].n; i++)
		VAL_AT(c, i)->learned = false;
	for (uint32_t i = 0; i < d->parties.n; i++)
		PARTY_AT(d, i)->learned = PARTY_AT(d, i)->programs = false;
	d->n_expected = 0;
	d->baseline = false;
}

int
detect_load(struct detect *d, const char *text, size_t len, char *err, size_t err_size)
{
	struct load l = {.d = d};
	json_error_t je;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je), *item;
	bool learned;
	size_t i;

	if (!root)
		return err_say(err, err_size, ERR_SYNTAX, "line %d: %s", je.line, je.text);
	if (num(&l, root, "interlock_baseline", VERSION) != VERSION)
		l.wrong = "interlock_baseline";
	json_array_foreach(json_object_get(root, "hosts"), i, item) if (!l.wrong)
	    party_load(&l, item);
	json_array_foreach(json_object_get(root, "conversations"), i, item) if (!l.wrong)
	    conv_load(&l, item);
	if (!l.wrong)
		l.wrong = expected_load(d, json_object_get(root, "expected"));
	/* what only says what is expected has learned nothing */
	learned = json_object_get(root, "hosts") || json_object_get(root, "conversations");
	json_decref(root);
	if (l.wrong)
		return err_say(err, err_size, ERR_SYNTAX,
		    "no baseline, or not of this version: \"%s\"", l.wrong);
	d->baseline = learned;
	return 0;
}
