/* SPDX-License-Identifier: Apache-2.0 */
/* propose_read.c - what the line of an alert says: who, which operation, which objects and values. */
#include <stdlib.h>
#include <string.h>

#include "alerts/propose_int.h"

const char *
alert_meta(const json_t *alert, const char *key)
{
	const json_t *m = json_object_get(json_object_get(alert, "alert"), "metadata");
	const char *s = json_string_value(json_array_get(json_object_get(m, key), 0));

	return s ? s : "";
}

const char *
alert_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

bool
alert_tuple(const json_t *alert, struct net_tuple *t)
{
	const json_t *ether = json_object_get(alert, "ether");
	const char *proto = alert_text(alert, "proto");

	memset(t, 0, sizeof(*t));
	t->sport = (uint16_t)json_integer_value(json_object_get(alert, "src_port"));
	t->dport = (uint16_t)json_integer_value(json_object_get(alert, "dest_port"));
	t->vlan = (uint16_t)json_integer_value(json_array_get(json_object_get(alert, "vlan"), 0));
	t->proto = strcmp(proto, "UDP") == 0 ? NET_PROTO_UDP : *proto ? NET_PROTO_TCP : 0;
	(void)net_mac_parse(alert_text(ether, "src_mac"), t->smac);
	(void)net_mac_parse(alert_text(ether, "dest_mac"), t->dmac);
	return net_addr_parse(alert_text(alert, "src_ip"), &t->src) == 0 &&
	       net_addr_parse(alert_text(alert, "dest_ip"), &t->dst) == 0;
}

/* The row of the operation that an alert names. */
const struct dis_op *
alert_op(const struct dis_schema *sc, const json_t *alert, const json_t *pdu)
{
	const char *name = alert_meta(alert, "il_op");
	const json_t *code = json_object_get(pdu, "code"), *sub = json_object_get(pdu, "subcode");
	const struct dis_op *hit = NULL;

	for (unsigned i = 0; i < sc->n_ops; i++) {
		const struct dis_op *op = &sc->ops[i];

		if (strcmp(op->name, name) != 0 ||
		    (json_is_integer(code) && json_integer_value(code) != op->code))
			continue;
		if (op->sub == FACT_NO_SUB || !json_is_integer(sub) ||
		    json_integer_value(sub) == op->sub)
			hit = hit ? hit : op;
	}
	return hit;
}

/* "holding 100..119", "DB10.DBB4..5", "ns=2;s=Recipe.Sugar": as eve.c writes it. */
static bool
item_of(const struct dis_schema *sc, const struct dis_op *op, uint8_t access, const char *s,
    struct wanted_item *out)
{
	static const uint8_t opt[DIS_OPTION_MAX]; /* as on the wire: the first word of each */
	struct dis_range r = {0};
	char err[160];

	memset(out, 0, sizeof(*out));
	out->access = access;
	for (unsigned i = 0; i < sc->n_keys; i++) {
		const struct dis_key *k = &sc->keys[i];
		const char *name = k->space < sc->n_spaces ? sc->spaces[k->space].name : "";
		size_t n = strlen(name);
		const char *range = s;

		if (k->map)
			continue;
		if (k->kind == KEY_PATTERN) {
			out->space = k->space;
			snprintf(out->name, sizeof(out->name), "%s", s);
			/* a cut one, one that says what it is not, or is another notation */
			return *s && strlen(s) < RECORD_NAME_MAX - 1 && *s != '$' &&
			       strncmp(s, "re:", 3) != 0 && strncmp(s, "nsu=", 4) != 0;
		}
		if (k->kind != KEY_RANGE || !sc->parse_range || (k->access && k->access != access))
			continue;
		if (!sc->show_range) { /* the space stands in front */
			if (strncmp(s, name, n) != 0 || s[n] != ' ')
				continue;
			range = s + n + 1;
		} else if ((k->space == DIS_SPACE_ANY) == ((op->access & ACC_PROGRAM) != 0)) {
			continue; /* DB10 is an area, and a block that is loaded */
		}
		if (sc->parse_range(k, opt, range, &r, err, sizeof(err)) < 0)
			continue;
		out->space = k->space == DIS_SPACE_ANY ? r.space : k->space;
		out->sub = r.sub;
		out->first = r.first;
		out->count = r.last - r.first + 1;
		return out->space < sc->n_spaces && out->count != 0;
	}
	return false;
}

/* All objects, each with what is done to it.  False: they are not known. */
bool
alert_items(struct wanted *w, const json_t *alert, const json_t *pdu)
{
	const struct dis_schema *sc = dissectors[w->proto]->schema;
	const json_t *touches = json_object_get(pdu, "touches"), *one;
	const char *object = alert_meta(alert, "il_object");
	uint8_t access =
	    w->op->access & (ACC_WRITE | ACC_CONTROL | ACC_PROGRAM) ? ACC_WRITE : ACC_READ;
	size_t i;

	if (!touches && strstr(object, ", ..."))
		return false;
	if (!touches)
		return !*object || item_of(sc, w->op, access, object, &w->items[w->n_items++]);
	json_array_foreach(touches, i, one)
	{
		const char *s = json_string_value(one);
		bool write = s && strncmp(s, "write ", 6) == 0;

		if (w->n_items == RECORD_TOUCHES || !s || (!write && strncmp(s, "read ", 5) != 0) ||
		    !item_of(sc, w->op, write ? ACC_WRITE : ACC_READ, s + (write ? 6 : 5),
			&w->items[w->n_items++]))
			return false;
	}
	return true;
}

/* Values that were written: those of the one run, as facts say them. */
void
alert_values(struct wanted *w, const json_t *pdu)
{
	const json_t *values = json_object_get(pdu, "values"), *one;
	size_t i;

	if (w->n_items != 1 || w->items[0].access != ACC_WRITE || w->items[0].name[0] ||
	    json_array_size(values) != w->items[0].count || w->items[0].count > PROPOSE_VALUES)
		return;
	json_array_foreach(values, i, one)
	{
		uint32_t v = (uint32_t)json_integer_value(one);

		w->values[w->n_values++] =
		    (struct wanted_value){w->items[0].first + (uint32_t)i, v, v};
	}
}
