/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stix.c - an incident as a bundle of STIX 2.1 (OASIS Standard, 10 June 2021).
 *
 *   sighting --of--> indicator --indicates--> attack-pattern <--mitigates-- course-of-action
 *      |                 |
 *      +--observed-data--+--> network-traffic --> addresses        grouping: all of them
 *
 * Ids: of observables as 2.9 says; of ours from the destination's key, so that the same export has the same ids and
 * two destinations cannot put theirs together; of attack-patterns from the technique alone.  created and modified
 * are of the incident: an export that says the same is the same bytes.  Markings: TLP 2.0, by the objects and the
 * extension that OASIS has published for it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/net.h"
#include "sharing/share.h"

#define OBSERVED_MAX 64u		/* different conversations of one incident */
#define COUNT_MAX    INT64_C(999999999) /* 4.14, 5.2 */
#define REFS_MAX     512u

#define TLP_EXTENSION "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"

static const struct {
	const char *id, *name;
} tlps[TLP__MAX] = {
    {"94868c89-83c2-464b-929b-a1a8aa3c8487", "TLP:CLEAR"},
    {"bab4a63c-aed9-4cf5-a766-dfca5abac2bb", "TLP:GREEN"},
    {"55d920b0-5e8b-4f79-9ee9-91f868d9b421", "TLP:AMBER"},
    {"939a9414-2ddd-4d32-a0cd-375ea402b003", "TLP:AMBER+STRICT"},
    {"e828b379-4e03-4974-9ac4-e53a884c97c1", "TLP:RED"},
};

struct bundle {
	struct jw *w;
	const struct shared *s;
	char created[SHARE_TIME], modified[SHARE_TIME], identity[SHARE_UUID];
	struct ref {
		char text[80];
	} ref[REFS_MAX]; /* of the grouping */
	unsigned n;
};

/* --- members ---------------------------------------------------------------------------------- */

static void
remember(struct bundle *b, const char *type, const char *uuid)
{
	char text[80];

	snprintf(text, sizeof(text), "%s--%s", type, uuid);
	if (b->n < REFS_MAX)
		memcpy(b->ref[b->n++].text, text, sizeof(text));
}

static void
ref(struct jw *w, const char *key, const char *type, const char *uuid)
{
	char text[80];

	snprintf(text, sizeof(text), "%s--%s", type, uuid);
	jw_str(w, key, text);
}

static bool
seen(const struct bundle *b, const char *type, const char *uuid)
{
	char text[80];

	snprintf(text, sizeof(text), "%s--%s", type, uuid);
	for (unsigned i = 0; i < b->n; i++)
		if (strcmp(b->ref[i].text, text) == 0)
			return true;
	return false;
}

static void
marked(struct bundle *b)
{
	jw_arr(b->w, "object_marking_refs");
	ref(b->w, NULL, "marking-definition", tlps[b->s->dest->tlp].id);
	jw_close(b->w, ']');
}

/* Opens an object of ours. */
static void
begin(struct bundle *b, const char *type, const char *uuid)
{
	jw_obj(b->w, NULL);
	jw_str(b->w, "type", type);
	jw_str(b->w, "spec_version", "2.1");
	ref(b->w, "id", type, uuid);
	if (strcmp(type, "identity") != 0)
		ref(b->w, "created_by_ref", "identity", b->identity);
	jw_str(b->w, "created", b->created);
	jw_str(b->w, "modified", b->modified);
	marked(b);
}

static void
observable(struct bundle *b, const char *type, const char *uuid)
{
	jw_obj(b->w, NULL);
	jw_str(b->w, "type", type);
	jw_str(b->w, "spec_version", "2.1");
	ref(b->w, "id", type, uuid);
	marked(b);
	remember(b, type, uuid);
}

static void
marking(struct bundle *b)
{
	enum share_tlp tlp = b->s->dest->tlp;

	jw_obj(b->w, NULL);
	jw_str(b->w, "type", "marking-definition");
	jw_str(b->w, "spec_version", "2.1");
	ref(b->w, "id", "marking-definition", tlps[tlp].id);
	jw_str(b->w, "created", "2022-10-01T00:00:00.000Z");
	jw_str(b->w, "name", tlps[tlp].name);
	jw_obj(b->w, "extensions");
	jw_obj(b->w, TLP_EXTENSION);
	jw_str(b->w, "extension_type", "property-extension");
	jw_str(b->w, "tlp_2_0", share_tlp_name(tlp));
	jw_close(b->w, '}');
	jw_close(b->w, '}');
	jw_close(b->w, '}');
}

static void
identity(struct bundle *b)
{
	(void)share_id(b->s->dest, "identity", 0, b->identity);
	begin(b, "identity", b->identity);
	jw_str(b->w, "name", b->s->dest->identity);
	jw_str(b->w, "identity_class", "organization");
	jw_close(b->w, '}');
}

/* --- what was seen -------------------------------------------------------------------------------- */

/* An address as an observable; type and id of it.  False: it is none. */
static bool
address(struct bundle *b, const char *text, const char **type, char uuid[SHARE_UUID])
{
	char name[96], canonical[NET_ADDR_STRLEN];
	struct net_addr a;
	int n;

	if (net_addr_parse(text, &a) != 0)
		return false;
	*type = net_addr_is4(&a) ? "ipv4-addr" : "ipv6-addr";
	n = snprintf(name, sizeof(name), "{\"value\":\"%s\"}", net_addr_str(&a, canonical));
	(void)share_uuid5(share_ns_stix, name, (size_t)n, uuid);
	if (seen(b, *type, uuid))
		return true;
	observable(b, *type, uuid);
	jw_str(b->w, "value", canonical);
	if (!(b->s->keep & SHARE_KEEP(SHARE_ADDRESS))) {
		jw_bool(b->w, "defanged", true); /* 3.7: not the address that was seen */
	}
	jw_close(b->w, '}');
	return true;
}

/* From the outside in, in lower case (6.12). */
static void
protocols(struct jw *w, const char *family, const char *transport, const char *proto)
{
	jw_arr(w, NULL);
	jw_str(w, NULL, family);
	if (*transport)
		jw_str(w, NULL, transport);
	if (*proto)
		jw_str(w, NULL, proto);
	jw_close(w, ']');
}

/* The conversation of an alert; false: it has no addresses. */
static bool
traffic(struct bundle *b, const json_t *a, char uuid[SHARE_UUID])
{
	const char *stype, *dtype, *proto = shared_text(a, "proto");
	char src[SHARE_UUID], dst[SHARE_UUID], name[512], list[128], sref[80], dref[80], family[8];
	struct jw w = jw_make(list, sizeof(list));
	int64_t port = shared_number(a, "dport");
	int n;

	if (!address(b, shared_text(a, "src_ip"), &stype, src) ||
	    !address(b, shared_text(a, "dst_ip"), &dtype, dst))
		return false;
	snprintf(family, sizeof(family), "%.4s", dtype);
	protocols(&w, family, shared_text(a, "transport"), proto);
	if (!jw_end(&w))
		return false;
	snprintf(sref, sizeof(sref), "%s--%s", stype, src);
	snprintf(dref, sizeof(dref), "%s--%s", dtype, dst);
	if (port > 0) /* RFC 8785: members sorted, nothing between */
		n = snprintf(name, sizeof(name),
		    "{\"dst_port\":%" PRId64
		    ",\"dst_ref\":\"%s\",\"protocols\":%s,\"src_ref\":\"%s\"}",
		    port, dref, list, sref);
	else
		n = snprintf(name, sizeof(name),
		    "{\"dst_ref\":\"%s\",\"protocols\":%s,\"src_ref\":\"%s\"}", dref, list, sref);
	(void)share_uuid5(share_ns_stix, name, (size_t)n, uuid);
	if (seen(b, "network-traffic", uuid))
		return true;
	observable(b, "network-traffic", uuid);
	jw_str(b->w, "src_ref", sref);
	jw_str(b->w, "dst_ref", dref);
	if (port > 0)
		jw_i(b->w, "dst_port", port);
	jw_key(b->w, "protocols");
	jw_raw(b->w, list, jw_len(&w));
	jw_close(b->w, '}');
	return true;
}

static int64_t
counted(int64_t n)
{
	return n < 1 ? 1 : n > COUNT_MAX ? COUNT_MAX : n;
}

/* One observed-data over all conversations; false: there is nothing to observe. */
static bool
observed(struct bundle *b, char uuid[SHARE_UUID])
{
	const json_t *items = json_object_get(b->s->doc, "items"), *a;
	char flow[OBSERVED_MAX][SHARE_UUID];
	unsigned first = b->n, n = 0;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)items, i, a)
	{
		unsigned k = 0;

		if (n == OBSERVED_MAX)
			break;
		if (!traffic(b, a, flow[n]))
			continue;
		while (k < n && strcmp(flow[k], flow[n]) != 0)
			k++;
		n += k == n;
	}
	if (n == 0)
		return false;
	(void)share_id(b->s->dest, "observed-data", shared_number(b->s->doc, "id"), uuid);
	begin(b, "observed-data", uuid);
	jw_str(b->w, "first_observed", b->created);
	jw_str(b->w, "last_observed", b->modified);
	jw_i(b->w, "number_observed", counted(shared_number(b->s->doc, "alerts")));
	jw_arr(b->w, "object_refs");
	for (unsigned k = first; k < b->n; k++)
		jw_str(b->w, NULL, b->ref[k].text);
	jw_close(b->w, ']');
	jw_close(b->w, '}');
	remember(b, "observed-data", uuid);
	return true;
}

/* --- what it means ----------------------------------------------------------------------------------- */

/* What finds it elsewhere: who did it, where that may be said, else how it looks on the network. */
static void
pattern(const struct shared *s, char *out, size_t size)
{
	const json_t *a = json_array_get(json_object_get(s->doc, "items"), 0);
	const char *ip = shared_text(a, "src_ip"), *proto = shared_text(a, "proto");
	int64_t port = shared_number(a, "dport");
	struct net_addr addr;

	if (s->keep & SHARE_KEEP(SHARE_ADDRESS) && net_addr_parse(ip, &addr) == 0)
		snprintf(out, size, "[%s:value = '%s']",
		    net_addr_is4(&addr) ? "ipv4-addr" : "ipv6-addr", ip);
	else if (*proto && port > 0)
		snprintf(out, size,
		    "[network-traffic:dst_port = %" PRId64
		    " AND network-traffic:protocols[*] = '%s']",
		    port, proto);
	else if (port > 0)
		snprintf(out, size, "[network-traffic:dst_port = %" PRId64 "]", port);
	else
		snprintf(
		    out, size, "[network-traffic:protocols[*] = '%s']", *proto ? proto : "ipv4");
}

static void
indicator(struct bundle *b, char uuid[SHARE_UUID])
{
	char text[400];

	(void)share_id(b->s->dest, "indicator", shared_number(b->s->doc, "id"), uuid);
	begin(b, "indicator", uuid);
	jw_str(b->w, "name", share_title(b->s, text, sizeof(text)));
	jw_arr(b->w, "indicator_types");
	jw_str(b->w, NULL, "anomalous-activity");
	jw_close(b->w, ']');
	pattern(b->s, text, sizeof(text));
	jw_str(b->w, "pattern", text);
	jw_str(b->w, "pattern_type", "stix");
	jw_str(b->w, "pattern_version", "2.1");
	jw_str(b->w, "valid_from", b->created);
	jw_close(b->w, '}');
	remember(b, "indicator", uuid);
}

static void
sighting(struct bundle *b, const char *of, const char *data)
{
	char uuid[SHARE_UUID];

	(void)share_id(b->s->dest, "sighting", shared_number(b->s->doc, "id"), uuid);
	begin(b, "sighting", uuid);
	jw_str(b->w, "first_seen", b->created);
	jw_str(b->w, "last_seen", b->modified);
	jw_i(b->w, "count", counted(shared_number(b->s->doc, "alerts")));
	ref(b->w, "sighting_of_ref", "indicator", of);
	if (data) {
		jw_arr(b->w, "observed_data_refs");
		ref(b->w, NULL, "observed-data", data);
		jw_close(b->w, ']');
	}
	jw_arr(b->w, "where_sighted_refs");
	ref(b->w, NULL, "identity", b->identity);
	jw_close(b->w, ']');
	jw_close(b->w, '}');
	remember(b, "sighting", uuid);
}

static void
relationship(struct bundle *b, const char *how, const char *from, const char *from_uuid,
    const char *to, const char *to_uuid)
{
	char name[256], uuid[SHARE_UUID];

	snprintf(name, sizeof(name), "relationship %s %s %s", how, from_uuid, to_uuid);
	(void)share_id(b->s->dest, name, 0, uuid);
	begin(b, "relationship", uuid);
	jw_str(b->w, "relationship_type", how);
	ref(b->w, "source_ref", from, from_uuid);
	ref(b->w, "target_ref", to, to_uuid);
	jw_close(b->w, '}');
	remember(b, "relationship", uuid);
}

static void
external(struct jw *w, const char *id)
{
	char url[80];

	jw_obj(w, NULL);
	jw_str(w, "source_name", "mitre-attack");
	jw_str(w, "external_id", id);
	snprintf(url, sizeof(url), "https://attack.mitre.org/techniques/%.5s%s%.3s", id,
	    id[5] == '.' ? "/" : "", id[5] == '.' ? id + 6 : "");
	jw_str(w, "url", url);
	jw_close(w, '}');
}

/* The technique as an object, once; false: not one of ours. */
static bool
attack_pattern(struct bundle *b, const char *id, char uuid[SHARE_UUID])
{
	static const uint8_t ns[16] = {0x5d, 0x02, 0x3f, 0x14, 0x6c, 0x35, 0x4c, 0x0b, 0x92, 0x6a,
	    0x0c, 0x4f, 0x4a, 0x83, 0x1d, 0x77}; /* of techniques, alike for everybody */
	const char *first, *since, *name;

	if (!share_technique(id, &first, &since, &name))
		return false;
	(void)share_uuid5(ns, first, strlen(first), uuid);
	if (seen(b, "attack-pattern", uuid))
		return false;
	begin(b, "attack-pattern", uuid);
	jw_str(b->w, "name", name);
	jw_arr(b->w, "external_references");
	external(b->w, first);
	if (*since)
		external(b->w, since);
	jw_close(b->w, ']');
	jw_close(b->w, '}');
	remember(b, "attack-pattern", uuid);
	return true;
}

/* What a playbook says, and which of the techniques it is against: those of the incident. */
static void
courses(struct bundle *b, const struct ref *pattern, unsigned n)
{
	const json_t *actions = json_object_get(b->s->doc, "actions"), *a;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)actions, i, a)
	{
		char what[128], uuid[SHARE_UUID];

		snprintf(what, sizeof(what), "course-of-action %.64s", shared_text(a, "playbook"));
		(void)share_id(b->s->dest, what, 0, uuid);
		begin(b, "course-of-action", uuid);
		jw_str(b->w, "name", shared_text(a, "name"));
		jw_str(b->w, "description", shared_text(a, "steps"));
		jw_close(b->w, '}');
		remember(b, "course-of-action", uuid);
		for (unsigned k = 0; k < n; k++)
			relationship(b, "mitigates", "course-of-action", uuid, "attack-pattern",
			    pattern[k].text);
	}
}

static void
grouping(struct bundle *b)
{
	char uuid[SHARE_UUID], title[400];

	if (b->n == 0)
		return;
	(void)share_id(b->s->dest, "grouping", shared_number(b->s->doc, "id"), uuid);
	begin(b, "grouping", uuid);
	jw_str(b->w, "name", share_title(b->s, title, sizeof(title)));
	jw_str(b->w, "context", "suspicious-activity");
	jw_arr(b->w, "object_refs");
	for (unsigned i = 0; i < b->n; i++)
		jw_str(b->w, NULL, b->ref[i].text);
	jw_close(b->w, ']');
	jw_close(b->w, '}');
}

void
share_stix(struct jw *w, const struct shared *s)
{
	const json_t *techniques = json_object_get(s->doc, "techniques"), *t;
	struct bundle b = {.w = w, .s = s};
	char uuid[SHARE_UUID], of[SHARE_UUID], data[SHARE_UUID];
	struct ref pattern[32];
	unsigned n = 0;
	size_t i;
	bool any;

	(void)share_time(shared_number(s->doc, "first"), b.created);
	(void)share_time(shared_number(s->doc, "last"), b.modified);
	jw_obj(w, NULL);
	jw_str(w, "type", "bundle");
	ref(w, "id", "bundle", share_id(s->dest, "bundle", shared_number(s->doc, "id"), uuid));
	jw_arr(w, "objects");
	marking(&b);
	identity(&b);
	any = observed(&b, data);
	indicator(&b, of);
	sighting(&b, of, any ? data : NULL);
	json_array_foreach((json_t *)(uintptr_t)techniques, i, t)
	{
		const char *id = json_string_value(t);

		if (!id || n == 32 || !attack_pattern(&b, id, pattern[n].text))
			continue;
		relationship(&b, "indicates", "indicator", of, "attack-pattern", pattern[n].text);
		n++;
	}
	courses(&b, pattern, n);
	grouping(&b);
	jw_close(w, ']');
	jw_close(w, '}');
}
