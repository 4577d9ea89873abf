/* SPDX-License-Identifier: Apache-2.0 */
#include "sender/cef.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "alerts/batch.h"
#include "base/jw.h"

#define VALUE_MAX 1023u /* the format's own limit for most keys */

/* --- escaping ---------------------------------------------------------------------- */

enum where { IN_HEADER, IN_VALUE };

/* Backslash and, by place, pipe or equals sign get a backslash; a line stays one line; other control
 * characters are blanks.  Cut between characters of UTF-8. */
static void
put(struct jw *w, enum where where, const char *s, size_t n)
{
	if (n > VALUE_MAX) {
		n = VALUE_MAX;
		while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
			n--;
	}
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '\\' || (where == IN_HEADER ? c == '|' : c == '='))
			jw_ch(w, '\\');
		if (c == '\n' && where == IN_VALUE)
			jw_raw(w, "\\n", 2);
		else
			jw_ch(w, c < 0x20 || c == 0x7f ? ' ' : (char)c);
	}
}

static void
pair(struct jw *w, const char *key, const char *value)
{
	struct jw was = *w;

	if (!value || !*value)
		return;
	if (w->comma)
		jw_ch(w, ' ');
	w->comma = true;
	jw_raw(w, key, strlen(key));
	jw_ch(w, '=');
	put(w, IN_VALUE, value, strlen(value));
	if (w->full) /* a key whole, or not at all */
		*w = was;
}

static void
pair_u(struct jw *w, const char *key, uint64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	pair(w, key, text);
}

/* --- the line ---------------------------------------------------------------------- */

static const char *
text_of(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

static const char *
first_of(const json_t *metadata, const char *name)
{
	return json_string_value(json_array_get(json_object_get(metadata, name), 0));
}

/* "2026-11-23T10:00:00.123456+0000" as "Nov 23 2026 10:00:00.123 UTC" of the format; "" for another form. */
static const char *
when(const char *eve, char *buf, size_t size)
{
	static const char months[12][4] = {
	    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	unsigned y, mo, d, h, m, s, us;

	*buf = '\0';
	if (eve &&
	    sscanf(eve, "%4u-%2u-%2uT%2u:%2u:%2u.%6u+0000", &y, &mo, &d, &h, &m, &s, &us) == 7 &&
	    mo >= 1 && mo <= 12)
		(void)snprintf(buf, size, "%s %02u %04u %02u:%02u:%02u.%03u UTC", months[mo - 1], d,
		    y, h, m, s, us / 1000);
	return buf;
}

/* EVE: 1 is the highest of 3; CEF: 10 is the highest of 10. */
static unsigned
severity(const json_t *alert)
{
	json_int_t s = json_integer_value(json_object_get(alert, "severity"));

	return s == 1 ? 9 : s == 2 ? 6 : 3;
}

static void
number_of(struct jw *w, const char *key, const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	if (json_is_integer(v) && json_integer_value(v) >= 0)
		pair_u(w, key, (uint64_t)json_integer_value(v));
}

static void
labelled(struct jw *w, const char *key, const char *label, const char *value)
{
	char name[24];

	if (!value)
		return;
	pair(w, key, value);
	(void)snprintf(name, sizeof(name), "%sLabel", key);
	pair(w, name, label);
}

static void
extension(struct jw *w, const json_t *root, const json_t *alert, uint64_t epoch)
{
	const json_t *m = json_object_get(alert, "metadata"),
		     *ether = json_object_get(root, "ether");
	const char *app = text_of(root, "app_proto"), *seq = first_of(m, "il_seq");
	const char *event = first_of(m, "il_event"), *verdict = first_of(m, "il_verdict");
	char text[96];
	bool v6 = text_of(root, "src_ip") && strchr(text_of(root, "src_ip"), ':');

	w->comma = false;
	pair(w, "rt", when(text_of(root, "timestamp"), text, sizeof(text)));
	if (seq) {
		(void)snprintf(text, sizeof(text), "%llu-%.20s", (unsigned long long)epoch, seq);
		pair(w, "externalId", text);
	}
	pair(w, "dvchost", text_of(root, "host"));
	pair(w, "act", text_of(alert, "action"));
	pair(w, "cat", text_of(alert, "category"));
	pair(w, "deviceInboundInterface", text_of(root, "in_iface"));
	if (!v6) {
		pair(w, "src", text_of(root, "src_ip"));
		pair(w, "dst", text_of(root, "dest_ip"));
	} else {
		labelled(w, "c6a2", "Source IPv6 Address", text_of(root, "src_ip"));
		labelled(w, "c6a3", "Destination IPv6 Address", text_of(root, "dest_ip"));
	}
	number_of(w, "spt", root, "src_port");
	number_of(w, "dpt", root, "dest_port");
	pair(w, "smac", text_of(ether, "src_mac"));
	pair(w, "dmac", text_of(ether, "dest_mac"));
	pair(w, "shost", first_of(m, "il_src"));
	pair(w, "dhost", first_of(m, "il_dst"));
	pair(w, "proto", text_of(root, "proto"));
	pair(w, "app", app);
	pair(w, "outcome", verdict);
	pair(w, "reason", event ? event : first_of(m, "il_reason"));
	pair(w, "cnt", first_of(m, "il_count"));
	labelled(w, "cs1", "rule", first_of(m, "il_rule"));
	labelled(w, "cs2", "conduit", first_of(m, "il_conduit"));
	labelled(w, "cs3", "operation", first_of(m, "il_op"));
	labelled(w, "cs4", "object", first_of(m, "il_object"));
	labelled(w, "cs5", "technique", first_of(m, "mitre_technique_id"));
	labelled(w, "cs6", "policy", first_of(m, "il_policy"));
	pair(w, "msg", first_of(m, "il_note"));
}

size_t
cef_write(const char *eve, size_t n, uint64_t epoch, const char *version, char *out)
{
	json_t *root = n < BATCH_LINE_MAX ? json_loadb(eve, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const json_t *alert = json_object_get(root, "alert");
	const char *signature = text_of(alert, "signature");
	struct jw w = jw_make(out, CEF_MAX);
	char head[64];

	if (!signature || !json_is_integer(json_object_get(alert, "signature_id"))) {
		json_decref(root);
		return 0;
	}
	(void)snprintf(head, sizeof(head), "CEF:0|Interlock|Interlock|%.20s|%lld|", version,
	    (long long)json_integer_value(json_object_get(alert, "signature_id")));
	jw_raw(&w, head, strlen(head));
	put(&w, IN_HEADER, signature, strlen(signature));
	(void)snprintf(head, sizeof(head), "|%u|", severity(alert));
	jw_raw(&w, head, strlen(head));
	extension(&w, root, alert, epoch);
	json_decref(root);
	return jw_len(&w);
}
