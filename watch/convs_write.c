/* SPDX-License-Identifier: Apache-2.0 */
/* convs_write.c - conversations as JSON; docs/FORMATS.md says what the members mean. */
#include <stdio.h>
#include <stdlib.h>

#include "base/jw.h"
#include "policy/policy.h"
#include "watch/convs.h"
#include "watch/table.h"

#define SHOWN 256u /* objects and values of one conversation; the rest is counted */

static int
by_ends(const void *pa, const void *pb, void *ctx)
{
	const struct convs *c = ctx;
	const struct conv *a = CONV_AT(c, *(const uint32_t *)pa),
			  *b = CONV_AT(c, *(const uint32_t *)pb);
	int d = memcmp(a->client.b, b->client.b, 16);

	d = d ? d : memcmp(a->server.b, b->server.b, 16);
	d = d ? d : (int)a->l4 - (int)b->l4;
	return d ? d : (int)a->port - (int)b->port;
}

uint32_t *
convs_sorted(const struct convs *c, uint32_t *n)
{
	const struct pool *p = &c->pool[POOL_CONV];
	uint32_t *list = calloc(p->n + 1u, sizeof(*list));

	*n = 0;
	for (uint32_t i = 0; list && i < p->n; i++)
		if (CONV_AT(c, i)->used)
			list[(*n)++] = i;
	if (list)
		qsort_r(list, *n, sizeof(*list), by_ends, (void *)c);
	return list;
}

static const struct dis_schema *
schema_of(uint8_t proto)
{
	return proto < n_dissectors ? dissectors[proto]->schema : NULL;
}

/* Lists are newest first: told the other way round, in the order in which things were seen. */
static uint32_t
gather(const struct pool *p, uint32_t first, uint32_t *out, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t i = first; i != NONE && n < max; i = ((struct cell *)pool_at(p, i))->next)
		out[n++] = i;
	for (uint32_t a = 0, b = n; a + 1 < b; a++) {
		uint32_t x = out[a];

		out[a] = out[--b];
		out[b] = x;
	}
	return n;
}

/* {"<1": 3, "1": 5, "2": 1}: milliseconds, from which on; only what was seen. */
static void
hist_json(struct jw *w, const char *key, const uint32_t *h)
{
	char name[16];

	jw_obj(w, key);
	for (unsigned i = 0; i < HIST; i++) {
		if (h[i] == 0)
			continue;
		snprintf(name, sizeof(name), "%lu", i == 0 ? 0 : 1ul << (i - 1));
		jw_u(w, name, h[i]);
	}
	jw_close(w, '}');
}

static void
end_json(struct jw *w, const char *key, const struct policy *pol, const struct net_addr *a)
{
	const char *name = pol ? policy_device_name(pol, a) : NULL;
	char buf[NET_ADDR_STRLEN];

	jw_obj(w, key);
	jw_str(w, "ip", net_addr_str(a, buf));
	if (name)
		jw_str(w, "name", name);
	jw_close(w, '}');
}

static const char *
fn_name(const struct conv *v, const struct conv_fn *f)
{
	const struct dis_schema *s = schema_of(v->proto);

	if (f->op)
		return f->op;
	for (unsigned i = 0; s && i < s->n_ops; i++) /* from a file, and not seen since */
		if (s->ops[i].code == f->code && s->ops[i].sub == f->sub)
			return s->ops[i].name;
	return "unknown";
}

static void
functions_json(struct jw *w, const struct convs *c, const struct conv *v)
{
	uint32_t list[STEPS_EACH], n = gather(&c->pool[POOL_FN], v->fns, list, FNS_EACH);

	jw_arr(w, "functions");
	for (uint32_t i = 0; i < n; i++) {
		const struct conv_fn *f = FN_AT(c, list[i]);

		jw_obj(w, NULL);
		jw_str(w, "op", fn_name(v, f));
		jw_u(w, "code", f->code);
		if (f->sub != FACT_NO_SUB)
			jw_u(w, "subcode", f->sub);
		jw_str(w, "access", fact_access_name(f->access));
		jw_u(w, "requests", f->requests);
		jw_u(w, "answers", f->answers);
		jw_u(w, "exceptions", f->exceptions);
		jw_when(w, "first_seen", f->first_ns);
		jw_when(w, "last_seen", f->last_ns);
		hist_json(w, "period_ms", f->period);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	n = gather(&c->pool[POOL_STEP], v->steps, list, STEPS_EACH);
	jw_arr(w, "transitions");
	for (uint32_t i = 0; i < n; i++) {
		const struct conv_step *s = STEP_AT(c, list[i]);

		jw_obj(w, NULL);
		jw_str(w, "from", fn_name(v, FN_AT(c, s->from)));
		jw_str(w, "to", fn_name(v, FN_AT(c, s->to)));
		jw_u(w, "count", s->count);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
object_member(struct jw *w, const struct conv *v, const struct fact_item *it)
{
	const struct dis_schema *s = schema_of(v->proto);
	char buf[160] = "";

	if (s && it->space < s->n_spaces)
		dissector_show_item(s, it, buf, sizeof(buf));
	jw_str(w, "object", buf);
}

static void
objects_json(struct jw *w, const struct convs *c, const struct conv *v)
{
	uint32_t list[SHOWN], n = gather(&c->pool[POOL_OBJ], v->objs, list, SHOWN);

	jw_arr(w, "objects");
	for (uint32_t i = 0; i < n; i++) {
		const struct conv_obj *o = OBJ_AT(c, list[i]);
		const struct fact_item it = {.space = o->space,
		    .sub = o->sub,
		    .first = o->first,
		    .count = o->last - o->first + 1,
		    .name = o->name_hash ? o->name : NULL,
		    .name_len = (uint32_t)strlen(o->name)};

		jw_obj(w, NULL);
		object_member(w, v, &it);
		jw_str(w, "access", o->access == ACC_WRITE ? "write" : "read");
		jw_u(w, "unit", o->unit);
		jw_u(w, "count", o->count);
		jw_when(w, "last_seen", o->last_ns);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
value_json(struct jw *w, const struct conv *v, const struct conv_val *x)
{
	const struct fact_item it = {.space = x->space, .sub = x->sub, .first = x->at, .count = 1};

	jw_obj(w, NULL);
	object_member(w, v, &it);
	jw_str(w, "access", x->access == ACC_WRITE ? "write" : "read");
	jw_u(w, "unit", x->unit);
	jw_u(w, "count", x->count);
	jw_u(w, "min", x->min);
	jw_u(w, "max", x->max);
	jw_u(w, "last", x->last);
	if (x->n_set <= SET_EACH) {
		jw_arr(w, "values");
		for (unsigned i = 0; i < x->n_set; i++)
			jw_u(w, NULL, x->set[i]);
		jw_close(w, ']');
	}
	if (x->n_set > 1 && x->rose != x->fell)
		jw_str(w, "monotonic", x->rose ? "up" : "down");
	jw_close(w, '}');
}

static void
values_json(struct jw *w, const struct convs *c, const struct conv *v)
{
	uint32_t list[SHOWN], n = gather(&c->pool[POOL_VAL], v->vals, list, SHOWN);

	jw_arr(w, "values");
	for (uint32_t i = 0; i < n; i++)
		value_json(w, v, VAL_AT(c, list[i]));
	jw_close(w, ']');
}

static void
units_json(struct jw *w, const struct conv *v)
{
	jw_arr(w, "units");
	for (unsigned u = 0; u < 256; u++)
		if (v->units[u / 64] >> (u % 64) & 1)
			jw_u(w, NULL, u);
	jw_close(w, ']');
}

static bool
has_units(const struct dis_schema *s)
{
	for (unsigned i = 0; s && i < s->n_keys; i++)
		if (s->keys[i].kind == KEY_UNIT)
			return true;
	return false;
}

static void
pdus_json(struct jw *w, const struct convs *c, const struct conv *v)
{
	jw_u(w, "requests", v->requests);
	jw_u(w, "answers", v->answers);
	jw_u(w, "exceptions", v->exceptions);
	jw_u(w, "malformed", v->malformed);
	jw_u(w, "others", v->others);
	jw_u(w, "overdue", v->overdue);
	hist_json(w, "response_ms", v->response);
	if (has_units(schema_of(v->proto)))
		units_json(w, v);
	functions_json(w, c, v);
	objects_json(w, c, v);
	values_json(w, c, v);
	jw_obj(w, "not_kept");
	jw_u(w, "functions", v->more_fns);
	jw_u(w, "transitions", v->more_steps);
	jw_u(w, "objects", v->more_objs + (v->n_objs > SHOWN ? v->n_objs - SHOWN : 0));
	jw_u(w, "values", v->more_vals + (v->n_vals > SHOWN ? v->n_vals - SHOWN : 0));
	jw_close(w, '}');
}

static void
conv_json(struct jw *w, const struct convs_view *cv, const struct conv *v)
{
	static const char *const sides[] = {"to_server", "to_client"};

	jw_obj(w, NULL);
	end_json(w, "client", cv->pol, &v->client);
	end_json(w, "server", cv->pol, &v->server);
	if (v->vlan)
		jw_u(w, "vlan", v->vlan);
	if (v->l4 == NET_PROTO_TCP || v->l4 == NET_PROTO_UDP)
		jw_str(w, "transport", v->l4 == NET_PROTO_TCP ? "tcp" : "udp");
	else
		jw_u(w, "ip_protocol", v->l4);
	if (v->port)
		jw_u(w, "port", v->port);
	jw_str(w, "protocol",
	    v->proto < n_dissectors ? dissectors[v->proto]->name
	    : v->app[0]		    ? v->app
				    : "unknown");
	jw_str(w, "roles_by",
	    v->proto < n_dissectors ? "protocol"
	    : v->sure		    ? "handshake"
				    : "port");
	jw_when(w, "first_seen", v->first_ns);
	jw_when(w, "last_seen", v->last_ns);
	for (unsigned i = 0; i < 2; i++) {
		jw_obj(w, sides[i]);
		jw_u(w, "frames", v->frames[i]);
		jw_u(w, "bytes", v->bytes[i]);
		jw_close(w, '}');
	}
	if (v->l4 == NET_PROTO_TCP) {
		jw_u(w, "connections", v->connections);
		jw_u(w, "resets", v->resets);
	}
	if (v->proto < n_dissectors)
		pdus_json(w, cv->convs, v);
	jw_close(w, '}');
}

void
convs_json(struct jw *w, const void *ctx)
{
	static const char *const pools[POOLS] = {
	    "conversations", "functions", "transitions", "objects", "values"};
	const struct convs_view *cv = ctx;
	const struct convs *c = cv->convs;
	uint32_t n, *list = convs_sorted(c, &n);

	jw_obj(w, NULL);
	jw_u(w, "version", 1);
	jw_when(w, "first", c->first_ns);
	jw_when(w, "last", c->last_ns);
	jw_u(w, "frames", c->frames);
	jw_u(w, "not_ip", c->not_ip);
	jw_u(w, "evicted", c->evicted);
	jw_obj(w, "no_room_for");
	for (unsigned i = 0; i < POOLS; i++)
		jw_u(w, pools[i], c->pool[i].lost);
	jw_close(w, '}');
	jw_arr(w, "conversations");
	for (uint32_t i = 0; list && i < n; i++)
		conv_json(w, cv, CONV_AT(c, list[i]));
	jw_close(w, ']');
	jw_close(w, '}');
	free(list);
}
