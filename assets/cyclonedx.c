/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cyclonedx.c - the list as a bill of materials: CycloneDX 1.6 (ECMA-424), JSON.
 *
 * A device is a component of type "device", its firmware one of type "firmware" in it.  What the format has no member for is a
 * property of the name space interlock:, one for each value.
 */
#include <stdio.h>
#include <string.h>

#include "assets/view.h"
#include "base/build_id.h"
#include "base/clock.h"
#include "base/jw.h"
#include "policy/policy.h"

#define ADDRESSES_SHOWN 256u

/* RFC 3339, which is what the schema's date-time asks for. */
static void
put_date(struct jw *w, const char *key, uint64_t ns)
{
	char text[CLOCK_STRLEN];

	clock_str(ns, text);
	memcpy(text + 19, "Z", 2); /* of whole seconds */
	jw_str(w, key, text);
}

static void
property(struct jw *w, const char *name, const char *value, size_t n)
{
	char full[64];

	if (n == 0)
		return;
	snprintf(full, sizeof(full), "interlock:%s", name);
	jw_obj(w, NULL);
	jw_str(w, "name", full);
	jw_strn(w, "value", value, n);
	jw_close(w, '}');
}

static void
property_str(struct jw *w, const char *name, const char *value)
{
	property(w, name, value, value ? strlen(value) : 0);
}

static void
property_date(struct jw *w, const char *name, uint64_t ns)
{
	char text[CLOCK_STRLEN];

	if (ns == 0)
		return;
	clock_str(ns, text);
	memcpy(text + 19, "Z", 2);
	property_str(w, name, text);
}

static void
put_properties(struct jw *w, const struct assets_view *v, const struct device *d)
{
	static const uint8_t keys[] = {IDENT_ORDER, IDENT_HARDWARE, IDENT_SERIAL, IDENT_URI,
	    IDENT_BUILD, IDENT_BUILT, IDENT_CERT, IDENT_CERT_ISSUER};
	const struct assets *a = v->a;
	char buf[NET_ADDR_STRLEN];
	uint32_t shown = 0;
	struct judged j;

	device_judge(v, d, &j);
	jw_arr(w, "properties");
	property_str(w, "role", role_name(j.role[0].role));
	for (uint32_t s = d->stations; s != NONE; s = v->next_station[s])
		property_str(w, "mac", net_mac_str(a->station[s].mac, buf));
	for (uint32_t h = d->hosts; h != NONE && shown < ADDRESSES_SHOWN;
	     h = v->next_host[h], shown++) {
		property_str(w, "ip", net_addr_str(&a->host[h].ip, buf));
		if (v->pol) {
			property_str(
			    w, "declared_name", policy_device_name(v->pol, &a->host[h].ip));
			property_str(w, "zone", policy_zone_name(v->pol, &a->host[h].ip));
		}
		for (uint32_t t = a->host[h].talks; t != NONE; t = a->talk[t].next)
			if (a->talk[t].pdus != 0)
				property_str(w, a->talk[t].server ? "serves" : "asks",
				    dissectors[a->talk[t].proto]->name);
	}
	for (size_t i = 0; i < sizeof(keys); i++) {
		const struct note *n = device_best(v, d, keys[i]);

		if (n)
			property(w, key_name(keys[i]), n->text, n->len);
	}
	property_date(w, "first_seen", d->first_ns);
	property_date(w, "last_seen", d->last_ns);
	for (unsigned i = 0; i < j.n_questions; i++)
		property_str(w, "question", j.question[i].what);
	jw_close(w, ']');
}

static void
put_component(struct jw *w, const struct assets_view *v, const struct device *d)
{
	const struct note *name = device_best(v, d, IDENT_NAME);
	const struct note *model = device_best(v, d, IDENT_MODEL);
	const struct note *vendor = device_best(v, d, IDENT_VENDOR);
	const struct note *firmware = device_best(v, d, IDENT_FIRMWARE);
	const struct note *about = device_best(v, d, IDENT_TEXT);
	const char *port = d->stations != NONE ? v->vendor[d->stations] : "";
	char id[NET_ADDR_STRLEN];

	if (d->stations != NONE)
		net_mac_str(v->a->station[d->stations].mac, id);
	else
		net_addr_str(&d->ip, id);
	jw_obj(w, NULL);
	jw_str(w, "type", "device");
	jw_str(w, "bom-ref", id);
	if (vendor || *port) {
		jw_obj(w, "manufacturer");
		if (vendor)
			jw_strn(w, "name", vendor->text, vendor->len);
		else
			jw_str(w, "name", port);
		jw_close(w, '}');
	}
	if (model)
		jw_strn(w, "name", model->text, model->len);
	else if (name)
		jw_strn(w, "name", name->text, name->len);
	else
		jw_str(w, "name", id);
	if (firmware)
		jw_strn(w, "version", firmware->text, firmware->len);
	if (about)
		jw_strn(w, "description", about->text, about->len);
	if (firmware) {
		char ref[NET_ADDR_STRLEN + 16];

		snprintf(ref, sizeof(ref), "%s/firmware", id);
		jw_arr(w, "components");
		jw_obj(w, NULL);
		jw_str(w, "type", "firmware");
		jw_str(w, "bom-ref", ref);
		jw_str(w, "name", "firmware");
		jw_strn(w, "version", firmware->text, firmware->len);
		jw_close(w, '}');
		jw_close(w, ']');
	}
	put_properties(w, v, d);
	jw_close(w, '}');
}

void
assets_cyclonedx(struct jw *w, const void *view)
{
	const struct assets_view *v = view;

	jw_obj(w, NULL);
	jw_str(w, "bomFormat", "CycloneDX");
	jw_str(w, "specVersion", "1.6");
	jw_u(w, "version", 1);
	jw_obj(w, "metadata");
	if (v->a->last_ns)
		put_date(w, "timestamp", v->a->last_ns);
	jw_obj(w, "tools");
	jw_arr(w, "components");
	jw_obj(w, NULL);
	jw_str(w, "type", "application");
	jw_str(w, "name", "interlock");
	jw_str(w, "version", build_id);
	jw_close(w, '}');
	jw_close(w, ']');
	jw_close(w, '}');
	if (v->pol && *policy_site(v->pol)) {
		jw_obj(w, "component");
		jw_str(w, "type", "platform");
		jw_str(w, "name", policy_site(v->pol));
		jw_close(w, '}');
	}
	jw_close(w, '}');
	jw_arr(w, "components");
	for (uint32_t i = 0; i < v->n && !w->full; i++)
		put_component(w, v, &v->dev[i]);
	jw_close(w, ']');
	jw_close(w, '}');
}
