/* SPDX-License-Identifier: Apache-2.0 */
/* offer.c - see offer.h. */
#include "alerts/offer.h"

#include <jansson.h>
#include <string.h>

#include "alerts/jws.h"
#include "base/jw.h"

#define TRIAL_MIN_S 5u
#define TRIAL_MAX_S 604800u

/* It goes into files, a terminal, a question to the guard. */
static bool
plain(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

bool
offer_read(const json_t *o, struct offer *out)
{
	const json_t *kind = json_object_get(o, "kind");

	memset(out, 0, sizeof(*out));
	if (!jws_number(o, "id", &out->id) || out->id == 0)
		return false;
	if (kind && strcmp(json_is_string(kind) ? json_string_value(kind) : "", "policy") != 0) {
		out->is_permit =
		    json_is_string(kind) && strcmp(json_string_value(kind), "permit") == 0;
		return out->is_permit && jws_text(o, "permit", out->permit, sizeof(out->permit)) &&
		       out->permit[0] && plain(out->permit);
	}
	out->confirm = json_is_true(json_object_get(o, "confirm"));
	return jws_number(o, "trial_s", &out->trial_s) && out->trial_s >= TRIAL_MIN_S &&
	       out->trial_s <= TRIAL_MAX_S &&
	       jws_text(o, "policy", out->policy, sizeof(out->policy)) &&
	       strspn(out->policy, "0123456789abcdef") == OFFER_HASH &&
	       jws_text(o, "name", out->name, sizeof(out->name)) && out->name[0] &&
	       out->name[0] != '.' && !strchr(out->name, '/') && plain(out->name);
}

bool
offer_parse(const char *text, size_t n, struct offer *out)
{
	json_t *o = n <= OFFER_MAX ? json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
	bool ok = o && offer_read(o, out);

	json_decref(o);
	return ok;
}

size_t
offer_write(const struct offer *f, char *buf, size_t size)
{
	struct jw w = jw_make(buf, size);

	jw_obj(&w, NULL);
	jw_u(&w, "v", 1);
	jw_u(&w, "id", f->id);
	if (f->is_permit) {
		jw_str(&w, "kind", "permit");
		jw_str(&w, "permit", f->permit);
	} else {
		jw_str(&w, "policy", f->policy);
		jw_str(&w, "name", f->name);
		jw_u(&w, "trial_s", f->trial_s);
		jw_bool(&w, "confirm", f->confirm);
	}
	jw_close(&w, '}');
	jw_ch(&w, '\n');
	return jw_end(&w) ? jw_len(&w) : 0;
}
