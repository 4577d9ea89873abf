/* SPDX-License-Identifier: Apache-2.0 */
/*
 * misp.c - an incident as an event of MISP's core format (draft-dulaunoy-misp-core-format).
 *
 * Categories and types are those of MISP's describeTypes; the conversation of an alert is an ip-src or ip-dst with its
 * port, or a pseudonym as text, which is not to_ids.
 */
#include <stdio.h>
#include <string.h>

#include "base/net.h"
#include "sharing/share.h"

#define ATTRIBUTES_MAX 512u

struct event {
	struct jw *w;
	const struct shared *s;
	char done[ATTRIBUTES_MAX][SHARE_UUID]; /* no attribute twice: MISP refuses them */
	unsigned n;
};

static void
number(struct jw *w, const char *key, int64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)v);
	jw_str(w, key, text);
}

static void
attribute(struct event *e, const char *category, const char *type, const char *value, bool to_ids,
    const char *comment)
{
	char what[1024], uuid[SHARE_UUID];

	if (!*value || e->n == ATTRIBUTES_MAX)
		return;
	snprintf(what, sizeof(what), "misp %s %s %.800s", category, type, value);
	(void)share_id(e->s->dest, what, shared_number(e->s->doc, "id"), uuid);
	for (unsigned i = 0; i < e->n; i++)
		if (strcmp(e->done[i], uuid) == 0)
			return;
	memcpy(e->done[e->n++], uuid, sizeof(uuid));
	jw_obj(e->w, NULL);
	jw_str(e->w, "uuid", uuid);
	jw_str(e->w, "category", category);
	jw_str(e->w, "type", type);
	jw_str(e->w, "value", value);
	jw_bool(e->w, "to_ids", to_ids);
	jw_str(e->w, "distribution", "5"); /* as the event */
	number(e->w, "timestamp", shared_number(e->s->doc, "last") / 1000);
	jw_str(e->w, "comment", comment);
	jw_close(e->w, '}');
}

static void
alert(struct event *e, const json_t *a)
{
	bool plain = e->s->keep & SHARE_KEEP(SHARE_ADDRESS);
	const char *src = shared_text(a, "src_ip"), *dst = shared_text(a, "dst_ip");
	int64_t port = shared_number(a, "dport");
	char value[80];

	attribute(e, "Network activity", plain ? "ip-src" : "text", src, plain, "source");
	if (*dst && port > 0) {
		snprintf(value, sizeof(value), "%s|%lld", dst, (long long)port);
		attribute(e, "Network activity", plain ? "ip-dst|port" : "text", value, false,
		    "destination");
	} else {
		attribute(
		    e, "Network activity", plain ? "ip-dst" : "text", dst, false, "destination");
	}
	attribute(e, "Network activity", plain ? "mac-address" : "text", shared_text(a, "src_mac"),
	    plain, "source");
	attribute(e, "Internal reference", "text", shared_text(a, "src"), false, "device, source");
	attribute(
	    e, "Internal reference", "text", shared_text(a, "dst"), false, "device, destination");
	attribute(e, "Other", "text", shared_text(a, "object"), false, "object");
	attribute(e, "Other", "comment", shared_text(a, "signature"), false, "alert");
}

static void
tag(struct jw *w, const char *name)
{
	jw_obj(w, NULL);
	jw_str(w, "name", name);
	jw_close(w, '}');
}

static void
tags(struct jw *w, const struct shared *s)
{
	const json_t *techniques = json_object_get(s->doc, "techniques"), *t;
	char text[160], last[16] = "";
	size_t i;

	jw_arr(w, "Tag");
	snprintf(text, sizeof(text), "tlp:%s", share_tlp_name(s->dest->tlp));
	tag(w, text);
	json_array_foreach((json_t *)(uintptr_t)techniques, i, t)
	{
		const char *first, *since, *name, *id = json_string_value(t);

		if (!id || !share_technique(id, &first, &since, &name) || strcmp(first, last) == 0)
			continue;
		snprintf(last, sizeof(last), "%s", first);
		snprintf(text, sizeof(text), "misp-galaxy:mitre-ics-techniques=\"%s - %s\"", name,
		    first);
		tag(w, text);
	}
	jw_close(w, ']');
}

void
share_misp(struct jw *w, const struct shared *s)
{
	const json_t *items = json_object_get(s->doc, "items"), *a;
	const char *state = shared_text(s->doc, "state");
	struct event e = {.w = w, .s = s};
	char text[400], uuid[SHARE_UUID], day[SHARE_TIME];
	size_t i;

	jw_obj(w, NULL);
	jw_obj(w, "Event");
	jw_str(w, "uuid", share_id(s->dest, "misp event", shared_number(s->doc, "id"), uuid));
	jw_str(w, "info", share_title(s, text, sizeof(text)));
	(void)share_time(shared_number(s->doc, "first"), day);
	day[10] = '\0';
	jw_str(w, "date", day);
	number(w, "timestamp", shared_number(s->doc, "last") / 1000);
	number(
	    w, "threat_level_id", shared_number(s->doc, "severity")); /* 1 high, 2 medium, 3 low */
	jw_str(w, "analysis",
	    strcmp(state, "closed") == 0 ? "2"
	    : strcmp(state, "ack") == 0	 ? "1"
					 : "0");
	jw_str(w, "distribution", "0"); /* the receiver's organisation, until it decides */
	jw_bool(w, "published", false);
	jw_obj(w, "Orgc");
	jw_str(w, "name", s->dest->identity);
	jw_str(w, "uuid", share_id(s->dest, "identity", 0, uuid));
	jw_close(w, '}');
	tags(w, s);
	jw_arr(w, "Attribute");
	json_array_foreach((json_t *)(uintptr_t)items, i, a)
	{
		alert(&e, a);
	}
	jw_close(w, ']');
	jw_close(w, '}');
	jw_close(w, '}');
}
