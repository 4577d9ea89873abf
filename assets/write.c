/* SPDX-License-Identifier: Apache-2.0 */
/* write.c - the list as JSON and as CSV; docs/FORMATS.md says what the members mean. */
#include <stdio.h>
#include <string.h>

#include "assets/view.h"
#include "base/jw.h"
#include "policy/policy.h"

#define ADDRESSES_SHOWN 256u /* of one device; the rest is counted */

static const char *
confidence_name(uint8_t c)
{
	return c == CONF_HIGH ? "high" : c == CONF_MEDIUM ? "medium" : "low";
}

/* --- values ------------------------------------------------------------------------------------ */

static const char *
vendor_of(const struct assets_view *v, const struct device *d)
{
	for (uint32_t s = d->stations; s != NONE; s = v->next_station[s])
		if (v->vendor[s][0])
			return v->vendor[s];
	return "";
}

struct text {
	const char *p;
	size_t n;
};

/* The best value of a key; of a vendor that does not say who it is, who made its port. */
static struct text
best_text(const struct assets_view *v, const struct device *d, uint8_t key)
{
	const struct note *n = device_best(v, d, key);
	const char *vendor;

	if (n)
		return (struct text){n->text, n->len};
	vendor = key == IDENT_VENDOR ? vendor_of(v, d) : "";
	return (struct text){vendor, strlen(vendor)};
}

static const char *
declared(const struct assets_view *v, const struct device *d,
    const char *(*ask)(const struct policy *, const struct net_addr *))
{
	const char *s = NULL;

	for (uint32_t h = d->hosts; v->pol && !s && h != NONE; h = v->next_host[h])
		s = ask(v->pol, &v->a->host[h].ip);
	return s;
}

static char *
device_id(const struct assets_view *v, const struct device *d, char buf[NET_ADDR_STRLEN])
{
	return d->stations != NONE ? net_mac_str(v->a->station[d->stations].mac, buf)
				   : net_addr_str(&d->ip, buf);
}

/* VLANs of a device, each once, ascending; how many. */
static unsigned
vlans_of(const struct assets_view *v, const struct device *d, uint16_t *out, unsigned max)
{
	const struct assets *a = v->a;
	uint64_t bits[64] = {0};
	unsigned n = 0;

	for (uint32_t s = d->stations; s != NONE; s = v->next_station[s])
		for (unsigned i = 0; i < a->station[s].n_vlans; i++)
			bits[a->station[s].vlan[i] / 64 & 63] |= UINT64_C(1)
								 << (a->station[s].vlan[i] % 64);
	for (uint32_t h = d->hosts; h != NONE; h = v->next_host[h])
		for (uint32_t i = a->host[h].pairs; i != NONE; i = a->pair[i].next_of_host)
			bits[a->pair[i].vlan / 64 & 63] |= UINT64_C(1) << (a->pair[i].vlan % 64);
	bits[0] &= ~UINT64_C(1); /* 0: untagged */
	for (unsigned vlan = 0; vlan < 4096 && n < max; vlan++)
		if (bits[vlan / 64] >> (vlan % 64) & 1)
			out[n++] = (uint16_t)vlan;
	return n;
}

/* --- JSON --------------------------------------------------------------------------------------- */

static void
json_macs(struct jw *w, const struct assets_view *v, const struct device *d)
{
	char buf[NET_MAC_STRLEN];

	jw_arr(w, "macs");
	for (uint32_t s = d->stations; s != NONE; s = v->next_station[s]) {
		jw_obj(w, NULL);
		jw_str(w, "mac", net_mac_str(v->a->station[s].mac, buf));
		if (v->vendor[s][0])
			jw_str(w, "vendor", v->vendor[s]);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
json_why(struct jw *w, unsigned flags)
{
	static const char *const names[] = {
	    "arp", "ndp", "lldp", "dcp", "dhcp", "direct", "link_local"};

	jw_arr(w, "by");
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (flags >> i & 1)
			jw_str(w, NULL, names[i]);
	jw_close(w, ']');
}

static void
json_address(struct jw *w, const struct assets_view *v, uint32_t host)
{
	const struct assets *a = v->a;
	uint32_t owner = v->owner[host];
	uint64_t first = 0, last = 0, packets = 0;
	char buf[NET_ADDR_STRLEN];
	unsigned flags = 0;

	for (uint32_t i = a->host[host].pairs; i != NONE; i = a->pair[i].next_of_host) {
		const struct pair *p = &a->pair[i];

		packets += p->packets;
		first =
		    first == 0 || (p->first_ns != 0 && p->first_ns < first) ? p->first_ns : first;
		last = p->last_ns > last ? p->last_ns : last;
		if (owner != NONE && p->station == owner)
			flags |= p->flags;
	}
	jw_obj(w, NULL);
	jw_str(w, "ip", net_addr_str(&a->host[host].ip, buf));
	json_why(w, flags);
	jw_when(w, "first_seen", first);
	jw_when(w, "last_seen", last);
	jw_u(w, "packets", packets);
	if (owner == NONE) {
		jw_arr(w, "behind");
		for (uint32_t i = a->host[host].pairs; i != NONE; i = a->pair[i].next_of_host)
			if (a->pair[i].station != NONE)
				jw_str(
				    w, NULL, net_mac_str(a->station[a->pair[i].station].mac, buf));
		jw_close(w, ']');
	}
	jw_close(w, '}');
}

static void
json_facts(struct jw *w, const struct assets_view *v, const struct device *d)
{
	struct note_walk at = note_walk(d);
	const struct note *n;

	jw_arr(w, "evidence");
	while ((n = note_walk_next(v, &at))) {
		jw_obj(w, NULL);
		jw_str(w, "key", key_name(n->key));
		jw_strn(w, "value", n->text, n->len);
		jw_str(w, "source", source_name(n->source, n->proto));
		jw_str(w, "confidence", confidence_name((uint8_t)source_confidence(n->source)));
		if (n->unit != NONE)
			jw_u(w, "unit", n->unit);
		jw_u(w, "frame", n->frame);
		jw_when(w, "first_seen", n->first_ns);
		jw_when(w, "last_seen", n->last_ns);
		jw_u(w, "seen", n->seen);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
json_talk(struct jw *w, const struct assets *a, const struct talk *t)
{
	/* bits of enum access, in order */
	static const char *const kinds[ACCESS_KINDS] = {
	    "read", "write", "control", "program", "diagnostic", "session"};
	char buf[NET_ADDR_STRLEN];

	jw_obj(w, NULL);
	jw_str(w, "protocol", dissectors[t->proto]->name);
	jw_str(w, "side", t->server ? "server" : "client");
	jw_u(w, "pdus", t->pdus);
	if (t->server) {
		jw_u(w, "answers", t->answers);
		if (dissectors[t->proto]->schema->n_keys &&
		    (t->units[0] & ~UINT64_C(1) || t->units[1] || t->units[2] || t->units[3])) {
			jw_arr(w, "units");
			for (unsigned u = 0; u < 256; u++)
				if (t->units[u / 64] >> (u % 64) & 1)
					jw_u(w, NULL, u);
			jw_close(w, ']');
		}
	} else {
		jw_obj(w, "requests");
		for (unsigned i = 0; i < ACCESS_KINDS; i++)
			if (t->asked[i])
				jw_u(w, kinds[i], t->asked[i]);
		jw_close(w, '}');
	}
	jw_arr(w, "peers");
	for (uint32_t i = 0; i < t->n_peers; i++)
		jw_str(w, NULL, net_addr_str(&a->host[t->peers[i]].ip, buf));
	jw_close(w, ']');
	if (t->more_peers)
		jw_bool(w, "more_peers", true);
	jw_close(w, '}');
}

static void
json_judged(struct jw *w, const struct judged *j)
{
	jw_arr(w, "roles");
	for (unsigned i = 0; i < j->n_roles; i++) {
		jw_obj(w, NULL);
		jw_str(w, "role", role_name(j->role[i].role));
		jw_str(w, "confidence", confidence_name(j->role[i].confidence));
		jw_str(w, "why", j->role[i].why);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_arr(w, "questions");
	for (unsigned i = 0; i < j->n_questions; i++) {
		jw_obj(w, NULL);
		jw_str(w, "question", j->question[i].what);
		jw_str(w, "text", j->question[i].text);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	if (j->more_questions)
		jw_u(w, "more_questions", j->more_questions);
}

static void
json_device(struct jw *w, const struct assets_view *v, const struct device *d)
{
	static const uint8_t best[] = {IDENT_NAME, IDENT_VENDOR, IDENT_MODEL, IDENT_ORDER,
	    IDENT_HARDWARE, IDENT_FIRMWARE, IDENT_SERIAL};
	const char *name = declared(v, d, policy_device_name);
	const char *role = declared(v, d, policy_device_role);
	const char *zone = declared(v, d, policy_zone_name);
	char buf[NET_ADDR_STRLEN];
	uint16_t vlans[64];
	unsigned n = vlans_of(v, d, vlans, 64);
	uint32_t shown = 0;
	struct judged j;

	device_judge(v, d, &j);
	jw_obj(w, NULL);
	jw_str(w, "id", device_id(v, d, buf));
	jw_str(w, "role", role_name(j.role[0].role));
	if (name)
		jw_str(w, "declared_name", name);
	if (role)
		jw_str(w, "declared_role", role);
	if (zone)
		jw_str(w, "zone", zone);
	for (size_t i = 0; i < sizeof(best); i++) {
		const struct text t = best_text(v, d, best[i]);

		if (t.n)
			jw_strn(w, key_name(best[i]), t.p, t.n);
	}
	json_macs(w, v, d);
	jw_arr(w, "addresses");
	for (uint32_t h = d->hosts; h != NONE && shown < ADDRESSES_SHOWN;
	     h = v->next_host[h], shown++)
		json_address(w, v, h);
	jw_close(w, ']');
	if (d->n_hosts > shown)
		jw_u(w, "more_addresses", d->n_hosts - shown);
	jw_arr(w, "vlans");
	for (unsigned i = 0; i < n; i++)
		jw_u(w, NULL, vlans[i]);
	jw_close(w, ']');
	jw_when(w, "first_seen", d->first_ns);
	jw_when(w, "last_seen", d->last_ns);
	jw_u(w, "packets", d->packets);
	jw_arr(w, "protocols");
	for (uint32_t h = d->hosts; h != NONE; h = v->next_host[h])
		for (uint32_t t = v->a->host[h].talks; t != NONE; t = v->a->talk[t].next)
			if (v->a->talk[t].pdus != 0)
				json_talk(w, v->a, &v->a->talk[t]);
	jw_close(w, ']');
	json_judged(w, &j);
	json_facts(w, v, d);
	jw_close(w, '}');
}

void
assets_json(struct jw *w, const void *view)
{
	const struct assets_view *v = view;
	const struct assets *a = v->a;

	jw_obj(w, NULL);
	jw_u(w, "version", 1);
	jw_when(w, "first", a->first_ns);
	jw_when(w, "last", a->last_ns);
	jw_u(w, "frames", a->frames);
	jw_u(w, "undecoded", a->undecoded);
	jw_arr(w, "devices");
	for (uint32_t i = 0; i < v->n && !w->full; i++)
		json_device(w, v, &v->dev[i]);
	jw_close(w, ']');
	jw_obj(w, "no_room_for"); /* how often something was not kept */
	jw_u(w, "macs", a->p_station.lost);
	jw_u(w, "addresses", a->p_host.lost);
	jw_u(w, "pairs", a->p_pair.lost);
	jw_u(w, "values", a->p_note.lost + a->notes_over);
	jw_u(w, "protocols", a->p_talk.lost);
	jw_close(w, '}');
	jw_obj(w, "forgotten"); /* for others, when there was no room */
	jw_u(w, "macs", a->age.stations_gone);
	jw_u(w, "addresses", a->age.hosts_gone);
	jw_close(w, '}');
	jw_obj(w, "sources");
	for (uint8_t i = 0; i < N_SOURCES; i++) {
		if (i == SRC_pdu || i == SRC_app || i == SRC_tls)
			continue;
		jw_obj(w, source_name(i, 0));
		jw_u(w, "frames", a->read[i]);
		jw_u(w, "malformed", a->malformed[i]);
		jw_close(w, '}');
	}
	jw_close(w, '}');
	jw_close(w, '}');
}

/* --- CSV (RFC 4180, lines as on this system; who writes it ends the last) ------------------------------------------------------------------------------- */

struct cell {
	struct jw *w;
	bool any; /* it has text already */
};

/*
 * What a spreadsheet would take for a formula begins with a quote, so that it is text.  Control characters and what is
 * no UTF-8 become question marks: one device's name does not make the file unreadable.
 */
static void
cell_text(struct cell *c, const char *p, size_t n)
{
	if (!c->any && n > 0 && strchr("=+-@", p[0]) && p[0])
		jw_ch(c->w, '\'');
	c->any |= n > 0;
	for (size_t i = 0, len; i < n; i += len ? len : 1) {
		const uint8_t first = (uint8_t)p[i];

		len = jw_utf8(p + i, n - i);
		if (first == '"')
			jw_ch(c->w, '"');
		if (len == 0 || first < ' ' || first == 0x7f ||
		    (first == 0xc2 && (uint8_t)p[i + 1] < 0xa0)) /* U+0080 to U+009F */
			jw_ch(c->w, '?');
		else
			jw_raw(c->w, p + i, len);
	}
}

static void
cell_item(struct cell *c, const char *s)
{
	if (c->any)
		jw_ch(c->w, ' ');
	cell_text(c, s, strlen(s));
}

static struct cell
cell_open(struct jw *w, bool first)
{
	jw_raw(w, first ? "\"" : ",\"", first ? 1 : 2);
	return (struct cell){w, false};
}

static void
cell_close(struct cell *c)
{
	jw_ch(c->w, '"');
}

static void
csv_cell(struct jw *w, bool first, const char *p, size_t n)
{
	struct cell c = cell_open(w, first);

	if (p)
		cell_text(&c, p, n);
	cell_close(&c);
}

static void
csv_str(struct jw *w, bool first, const char *s)
{
	csv_cell(w, first, s, s ? strlen(s) : 0);
}

static void
csv_time(struct jw *w, uint64_t ns)
{
	struct cell c = cell_open(w, false);

	if (ns)
		jw_time(w, ns);
	cell_close(&c);
}

static void
csv_lists(struct jw *w, const struct assets_view *v, const struct device *d)
{
	struct cell c = cell_open(w, false);
	char buf[NET_ADDR_STRLEN], number[16];
	uint32_t shown = 0;
	uint16_t vlans[64];
	unsigned n = vlans_of(v, d, vlans, 64);

	for (uint32_t s = d->stations; s != NONE; s = v->next_station[s])
		cell_item(&c, net_mac_str(v->a->station[s].mac, buf));
	cell_close(&c);
	c = cell_open(w, false);
	for (uint32_t h = d->hosts; h != NONE && shown < ADDRESSES_SHOWN;
	     h = v->next_host[h], shown++)
		cell_item(&c, net_addr_str(&v->a->host[h].ip, buf));
	cell_close(&c);
	c = cell_open(w, false);
	for (unsigned i = 0; i < n; i++) {
		snprintf(number, sizeof(number), "%u", vlans[i]);
		cell_item(&c, number);
	}
	cell_close(&c);
}

static void
csv_protocols(struct jw *w, const struct assets_view *v, const struct device *d)
{
	struct cell c = cell_open(w, false);
	char text[64];

	for (uint32_t h = d->hosts; h != NONE; h = v->next_host[h])
		for (uint32_t i = v->a->host[h].talks; i != NONE; i = v->a->talk[i].next) {
			const struct talk *t = &v->a->talk[i];

			if (t->pdus == 0)
				continue;
			snprintf(text, sizeof(text), "%s-%s:%llu", dissectors[t->proto]->name,
			    t->server ? "server" : "client", (unsigned long long)t->pdus);
			cell_item(&c, text);
		}
	cell_close(&c);
}

static void
csv_device(struct jw *w, const struct assets_view *v, const struct device *d)
{
	static const uint8_t best[] = {
	    IDENT_VENDOR, IDENT_MODEL, IDENT_ORDER, IDENT_HARDWARE, IDENT_FIRMWARE, IDENT_SERIAL};
	char buf[NET_ADDR_STRLEN];
	struct text name = best_text(v, d, IDENT_NAME), cert = best_text(v, d, IDENT_CERT);
	struct judged j;
	struct cell c;

	device_judge(v, d, &j);
	jw_ch(w, '\n');
	csv_str(w, true, device_id(v, d, buf));
	csv_str(w, false, role_name(j.role[0].role));
	csv_str(w, false, confidence_name(j.role[0].confidence));
	csv_cell(w, false, name.p, name.n);
	csv_str(w, false, declared(v, d, policy_device_name));
	csv_str(w, false, declared(v, d, policy_zone_name));
	csv_lists(w, v, d);
	for (size_t i = 0; i < sizeof(best); i++) {
		struct text t = best_text(v, d, best[i]);

		csv_cell(w, false, t.p, t.n);
	}
	csv_time(w, d->first_ns);
	csv_time(w, d->last_ns);
	c = cell_open(w, false);
	snprintf(buf, sizeof(buf), "%llu", (unsigned long long)d->packets);
	cell_item(&c, buf);
	cell_close(&c);
	csv_protocols(w, v, d);
	c = cell_open(w, false);
	for (unsigned i = 0; i < j.n_questions; i++)
		cell_item(&c, j.question[i].what);
	cell_close(&c);
	csv_cell(w, false, cert.p, cert.n);
}

void
assets_csv(struct jw *w, const void *view)
{
	static const char head[] =
	    "id,role,role_confidence,name,declared_name,zone,macs,addresses,vlans,vendor,model,"
	    "order_number,hardware,firmware,serial,first_seen,last_seen,packets,protocols,"
	    "questions,certificate";
	const struct assets_view *v = view;

	jw_raw(w, head, sizeof(head) - 1);
	for (uint32_t i = 0; i < v->n && !w->full; i++)
		csv_device(w, v, &v->dev[i]);
}
