/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expected.c - findings that a person has called expected: entries of a baseline (docs/FORMATS.md section 8b), written by
 * policy propose and enabled by hand.  An enabled one keeps exactly its finding quiet, and it is counted.
 */
#include <jansson.h>
#include <stdio.h>

#include "base/err.h"
#include "base/jw.h"
#include "watch/detect_int.h"

/* --- does it fit? ---------------------------------------------------------------------------------- */

/* What the finding's alert calls its object (alerts/eve.c). */
static const char *
object_of(const struct fact *f, char *buf, size_t size)
{
	buf[0] = '\0';
	if (!f || f->proto >= n_dissectors || f->n_items == 0)
		return buf;
	dissector_show_item(dissectors[f->proto]->schema, &f->item, buf, size - 8);
	if (f->n_items > 1)
		memcpy(buf + strlen(buf), ", ...", 6);
	return buf;
}

static bool
fits(const struct expected *x, const struct finding *f, const char *object)
{
	const struct net_tuple *t = f->tuple;
	struct net_addr from = t->proto ? t->src : party_of_mac(t->smac);
	struct net_addr to = t->proto ? t->dst : party_of_mac(t->dmac);

	if (!x->enabled || x->which != f->which || !net_addr_eq(&x->from, &from))
		return false;
	if (f->by_sender) /* done to many: the one in the alert was the last of them */
		return true;
	return net_addr_eq(&x->to, &to) &&
	       (x->port == 0 || x->port == t->sport || x->port == t->dport) &&
	       strcmp(x->op, f->fact ? f->fact->op : "") == 0 && strcmp(x->object, object) == 0;
}

bool
expected_is(const struct detect *d, const struct finding *f)
{
	char object[EXPECTED_TEXT];

	if (d->n_expected == 0)
		return false;
	(void)object_of(f->fact, object, sizeof(object));
	for (uint32_t i = 0; i < d->n_expected; i++)
		if (fits(&d->expected[i], f, object))
			return true;
	return false;
}

/* --- to a baseline and back -------------------------------------------------------------------------- */

static void
end_save(struct jw *w, const char *key, const struct net_addr *a)
{
	char buf[NET_ADDR_STRLEN];

	jw_str(w, key, party_is_mac(a) ? net_mac_str(a->b + 10, buf) : net_addr_str(a, buf));
}

void
expected_save(struct jw *w, const struct detect *d)
{
	if (d->n_expected == 0)
		return;
	jw_arr(w, "expected");
	for (uint32_t i = 0; i < d->n_expected; i++) {
		const struct expected *x = &d->expected[i];

		jw_obj(w, NULL);
		jw_str(w, "detection", detection_info(x->which)->name);
		end_save(w, "from", &x->from);
		end_save(w, "to", &x->to);
		if (x->port)
			jw_u(w, "port", x->port);
		if (x->op[0])
			jw_str(w, "op", x->op);
		if (x->object[0])
			jw_str(w, "object", x->object);
		jw_bool(w, "enabled", x->enabled);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static bool
end_load(const json_t *o, const char *key, struct net_addr *a)
{
	const char *s = json_string_value(json_object_get(o, key));
	uint8_t mac[6];

	if (s && net_addr_parse(s, a) == 0)
		return true;
	if (!s || net_mac_parse(s, mac) < 0)
		return false;
	*a = party_of_mac(mac);
	return true;
}

static bool
text_load(const json_t *o, const char *key, char *buf, size_t size)
{
	const json_t *v = json_object_get(o, key);

	return !v || (json_is_string(v) &&
			 (size_t)snprintf(buf, size, "%s", json_string_value(v)) < size);
}

/* The member that is wrong, or NULL. */
static const char *
one_load(struct expected *x, const json_t *o)
{
	const char *name = json_string_value(json_object_get(o, "detection"));
	const json_t *port = json_object_get(o, "port");
	uint8_t which = 0;

	while (name && which < DETECTION__MAX && strcmp(detection_info(which)->name, name) != 0)
		which++;
	if (!name || which == DETECTION__MAX)
		return "detection";
	x->which = which;
	x->enabled = json_is_true(json_object_get(o, "enabled"));
	if (!end_load(o, "from", &x->from))
		return "from";
	if (!end_load(o, "to", &x->to))
		return "to";
	if (port && (!json_is_integer(port) || json_integer_value(port) < 1 ||
			json_integer_value(port) > UINT16_MAX))
		return "port";
	x->port = (uint16_t)json_integer_value(port);
	if (!text_load(o, "op", x->op, sizeof(x->op)))
		return "op";
	return text_load(o, "object", x->object, sizeof(x->object)) ? NULL : "object";
}

const char *
expected_load(struct detect *d, const void *json)
{
	const json_t *list = json, *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		struct expected x = {0};
		const char *wrong = one_load(&x, o);

		if (wrong)
			return wrong;
		if (d->n_expected == EXPECTED_MAX)
			return "expected";
		d->expected[d->n_expected++] = x;
	}
	return NULL;
}
