/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge.c - what a device is for, by what it did; and what about it wants a look.
 *
 * Roles are guesses with their reasons: who answers a control protocol is a controller; who programs one is an
 * engineering station, who writes values an operator's panel, who only reads from many a historian.  More than one may
 * fit, and all are told.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "assets/view.h"

#define HISTORIAN_SERVERS 3u  /* that it reads from, and writes to none */
#define CONTROL_SHARE	  10u /* one in so many requests: controlling is what it is there for */
#define CLAIMS_LOOKED	  64u /* of an address; the rest is counted */
#define ADDRESSES_MANY	  4u  /* IPv4, of one device */

const char *
role_name(uint8_t role)
{
	static const char *const names[ROLE__MAX] = {"unknown", "gateway", "plc", "io_device",
	    "engineering", "hmi", "historian", "router", "switch", "server"};

	return names[role];
}

/* All talks of a device together. */
struct work {
	uint64_t asked[ACCESS_KINDS], requests, answers;
	uint32_t servers; /* it asks */
	unsigned units;	  /* that answered behind it */
	bool control_server, opcua_server;
	char protocols[80]; /* it answers */
};
enum { READ, WRITE, CONTROL, PROGRAM, DIAG, SESSION }; /* bits of enum access */

static void
gather_talk(struct work *w, const struct talk *t)
{
	const char *name = dissectors[t->proto]->name;
	size_t n = strlen(w->protocols);
	unsigned units = 0;

	if (!t->server) {
		for (unsigned i = 0; i < ACCESS_KINDS; i++) {
			w->asked[i] += t->asked[i];
			w->requests += t->asked[i];
		}
		w->servers += t->n_peers;
		return;
	}
	if (t->answers == 0)
		return;
	w->answers += t->answers;
	if (strcmp(name, "opcua") == 0)
		w->opcua_server = true;
	else
		w->control_server = true;
	if (!strstr(w->protocols, name))
		snprintf(w->protocols + n, sizeof(w->protocols) - n, "%s%s", n ? ", " : "", name);
	for (unsigned i = 0; i < 4; i++)
		units += (unsigned)__builtin_popcountll(t->units[i]);
	/* 0 and 255 mean the device that has the address ([MSG] 4.4.2) */
	units -= (unsigned)(t->units[0] & 1) + (unsigned)(t->units[3] >> 63);
	if (strcmp(name, "modbus") == 0)
		w->units += units;
}

static void __attribute__((format(printf, 4, 5)))
role_add(struct judged *j, enum role role, enum confidence sure, const char *fmt, ...)
{
	va_list ap;

	j->role[j->n_roles].role = (uint8_t)role;
	j->role[j->n_roles].confidence = (uint8_t)sure;
	va_start(ap, fmt);
	vsnprintf(j->role[j->n_roles++].why, JUDGE_TEXT, fmt, ap);
	va_end(ap);
}

static void __attribute__((format(printf, 3, 4)))
ask(struct judged *j, const char *what, const char *fmt, ...)
{
	va_list ap;

	if (j->n_questions == QUESTIONS) {
		j->more_questions++;
		return;
	}
	j->question[j->n_questions].what = what;
	va_start(ap, fmt);
	vsnprintf(j->question[j->n_questions++].text, JUDGE_TEXT, fmt, ap);
	va_end(ap);
}

static unsigned
flags_of(const struct assets_view *v, const struct device *d)
{
	unsigned flags = 0;

	for (uint32_t s = d->stations; s != NONE; s = v->next_station[s])
		flags |= v->a->station[s].flags;
	return flags;
}

static void
client_roles(struct judged *j, const struct work *w, unsigned flags)
{
	uint64_t control = w->asked[CONTROL], told = w->requests - w->asked[SESSION];

	if (flags & ST_IO_SUPERVISOR)
		role_add(j, ROLE_ENGINEERING, CONF_HIGH, "says so (DCP): supervisor");
	else if (w->asked[PROGRAM] != 0)
		role_add(j, ROLE_ENGINEERING, CONF_MEDIUM,
		    "requests that change a program: %" PRIu64, w->asked[PROGRAM]);
	else if (control != 0 && control * CONTROL_SHARE >= told)
		role_add(j, ROLE_ENGINEERING, CONF_LOW,
		    "requests to start, stop or call: %" PRIu64 " of %" PRIu64, control, told);
	if (w->asked[WRITE] != 0)
		role_add(j, ROLE_HMI, CONF_MEDIUM,
		    "requests to read: %" PRIu64 ", to write values: %" PRIu64, w->asked[READ],
		    w->asked[WRITE]);
	else if (w->asked[READ] != 0 && w->servers >= HISTORIAN_SERVERS)
		role_add(j, ROLE_HISTORIAN, CONF_LOW, "only reads, from %" PRIu32 " devices",
		    w->servers);
	else if (w->asked[READ] != 0)
		role_add(j, ROLE_HMI, CONF_LOW,
		    "only reads, from %" PRIu32 " device%s: or a historian", w->servers,
		    w->servers == 1 ? "" : "s");
}

static void
server_roles(struct judged *j, const struct work *w, unsigned flags)
{
	if (w->units > 1)
		role_add(j, ROLE_GATEWAY, CONF_MEDIUM, "%u Modbus units answer behind one address",
		    w->units);
	if (w->control_server)
		role_add(
		    j, ROLE_PLC, CONF_MEDIUM, "answers %s: %" PRIu64, w->protocols, w->answers);
	else if (flags & ST_IO_CONTROLLER)
		role_add(j, ROLE_PLC, CONF_HIGH, "says so (DCP): IO controller");
	if (flags & ST_IO_DEVICE)
		role_add(j, ROLE_IO_DEVICE, CONF_HIGH, "says so (DCP)");
}

/* What it offers, in a row; how much. */
static unsigned
services(const struct assets_view *v, const struct device *d, char *buf, size_t size)
{
	struct note_walk at = note_walk(d);
	const struct note *n;
	size_t len = 0;
	unsigned count = 0;

	*buf = '\0';
	while ((n = note_walk_next(v, &at)))
		if (n->key == IDENT_SERVICE && len + n->len + 3 < size) {
			len += (size_t)snprintf(
			    buf + len, size - len, "%s%.*s", len ? ", " : "", (int)n->len, n->text);
			count++;
		}
	return count;
}

static void
network_roles(struct judged *j, const struct assets_view *v, const struct device *d,
    const struct work *w, unsigned flags)
{
	char offers[JUDGE_TEXT - 16];

	if (d->n_behind > 0)
		role_add(j, ROLE_ROUTER, CONF_MEDIUM,
		    "sends packets of %" PRIu32 " other address%s", d->n_behind,
		    d->n_behind == 1 ? "" : "es");
	else if (flags & ST_ROUTER)
		role_add(j, ROLE_ROUTER, CONF_MEDIUM, "says so (LLDP)");
	if (flags & ST_STP)
		role_add(j, ROLE_SWITCH, CONF_HIGH, "sends BPDUs (STP)");
	else if (flags & ST_BRIDGE)
		role_add(j, ROLE_SWITCH, CONF_MEDIUM, "says so (LLDP): bridge");
	if (w->opcua_server && !w->control_server)
		role_add(
		    j, ROLE_SERVER, CONF_MEDIUM, "answers %s: %" PRIu64, w->protocols, w->answers);
	else if (services(v, d, offers, sizeof(offers)) != 0)
		role_add(j, ROLE_SERVER, CONF_LOW, "offers %s", offers);
}

/* --- questions ----------------------------------------------------------------------------------- */

/* The next claim of an address behind *n others, or NULL: no more, or enough. */
static const struct pair *
next_claim(const struct assets *a, uint32_t *at, uint32_t *n)
{
	for (; *at != NONE && *n < CLAIMS_LOOKED; *at = a->pair[*at].next_of_host)
		if (a->pair[*at].flags & PAIR_CLAIMS) {
			const struct pair *p = &a->pair[*at];

			++*n;
			*at = p->next_of_host;
			return p;
		}
	return NULL;
}

/* Who else claims the address that a MAC of the device does. */
static void
about_address(
    const struct assets_view *v, const struct device *d, const struct pair *mine, struct judged *j)
{
	const struct assets *a = v->a;
	char ip[NET_ADDR_STRLEN], mac[NET_MAC_STRLEN], other[NET_MAC_STRLEN];
	uint64_t first = mine->claim_first_ns, last = mine->claim_last_ns;
	uint32_t at = a->host[mine->host].pairs, n = 0;
	const struct pair *p;

	net_addr_str(&a->host[mine->host].ip, ip);
	net_mac_str(a->station[mine->station].mac, mac);
	while ((p = next_claim(a, &at, &n)) != NULL)
		if (station_root(a, p->station) == d->stations) {
			first = p->claim_first_ns < first ? p->claim_first_ns : first;
			last = p->claim_last_ns > last ? p->claim_last_ns : last;
		}
	j->more_questions += v->claims[mine->host] - n;
	at = a->host[mine->host].pairs;
	n = 0;
	while ((p = next_claim(a, &at, &n)) != NULL) {
		if (station_root(a, p->station) == d->stations)
			continue;
		net_mac_str(a->station[p->station].mac, other);
		if (first <= p->claim_last_ns && p->claim_first_ns <= last)
			ask(j, "ip_conflict", "%s is claimed by %s and by %s", ip, mac, other);
		else
			ask(j, "ip_moved", "%s was claimed by %s, then by %s", ip,
			    first < p->claim_first_ns ? mac : other,
			    first < p->claim_first_ns ? other : mac);
	}
}

/* Every address that a MAC of the device claims, its own or not; once each, whichever of its MACs does. */
static void
about_addresses(const struct assets_view *v, const struct device *d, struct judged *j)
{
	const uint32_t walk = view_walk(v);
	const struct assets *a = v->a;
	uint32_t claimed = 0;

	for (uint32_t s = d->stations; s != NONE; s = v->next_station[s])
		for (uint32_t i = a->station[s].pairs; i != NONE; i = a->pair[i].next_of_station) {
			const struct pair *p = &a->pair[i];

			if (!(p->flags & PAIR_CLAIMS) || v->mark[p->host] == walk)
				continue;
			v->mark[p->host] = walk;
			claimed += net_addr_is4(&a->host[p->host].ip);
			about_address(v, d, p, j);
		}
	if (claimed > ADDRESSES_MANY)
		ask(j, "many_addresses",
		    "claims %" PRIu32
		    " IPv4 addresses: a router that answers for others, or a scan "
		    "that takes them",
		    claimed);
	if (d->n_behind > 0)
		ask(j, "router", "%" PRIu32 " address%s behind it: their own devices are not seen",
		    d->n_behind, d->n_behind == 1 ? " is" : "es are");
}

static void
about_macs(const struct assets_view *v, const struct device *d, unsigned flags, struct judged *j)
{
	const struct assets *a = v->a;
	char mac[NET_MAC_STRLEN], other[NET_MAC_STRLEN];

	for (uint32_t s = d->stations; s != NONE; s = v->next_station[s]) {
		const struct station *st = &a->station[s];

		if (st->mac[0] & 2)
			ask(j, "local_mac", "%s is locally administered: no vendor has given it",
			    net_mac_str(st->mac, mac));
		if (station_pretends(a, s))
			ask(j, "lldp_claim",
			    "%s says by LLDP that it is a part of %s; both have addresses of their "
			    "own",
			    net_mac_str(st->mac, mac),
			    net_mac_str(a->station[st->chassis].mac, other));
		else if (s != d->stations && memcmp(st->mac, a->station[d->stations].mac, 3) != 0)
			ask(j, "lldp_part",
			    "%s says by LLDP that it is a part of it; its prefix is another",
			    net_mac_str(st->mac, mac));
	}
	if (flags & ST_ARP_DIFFERS)
		ask(j, "arp_sender", "its ARP frames speak for another MAC than they come from");
}

/* What a device has once only, and it said two. */
static void
about_values(const struct assets_view *v, const struct device *d, struct judged *j)
{
	static const uint8_t once[] = {IDENT_ORDER, IDENT_HARDWARE, IDENT_FIRMWARE, IDENT_SERIAL};

	for (unsigned k = 0; k < sizeof(once); k++) {
		struct note_walk at = note_walk(d);
		const struct note *n, *first = NULL;

		while ((n = note_walk_next(v, &at))) {
			if (n->key != once[k])
				continue;
			if (!first)
				first = n;
			else if (n->source == first->source && n->proto == first->proto &&
				 n->unit == first->unit)
				ask(j, "changed", "%s was \"%.*s\" and \"%.*s\" (%s)",
				    key_name(once[k]), (int)(first->len < 40 ? first->len : 40),
				    first->text, (int)(n->len < 40 ? n->len : 40), n->text,
				    source_name(n->source, n->proto));
		}
	}
}

/* Another device goes by the same name: a clone, a copy of a configuration, somebody who pretends. */
static void
about_name(const struct assets_view *v, const struct device *d, struct judged *j)
{
	const struct named *mine = &v->names[d->same_name];
	const struct note *n = &v->a->note[mine->note];
	const struct device *other = &v->dev[mine->other];
	char buf[NET_ADDR_STRLEN];

	ask(j, "same_name", "\"%.*s\" is also what %s calls itself", (int)n->len, n->text,
	    other->stations != NONE ? net_mac_str(v->a->station[other->stations].mac, buf)
				    : net_addr_str(&other->ip, buf));
}

void
device_judge(const struct assets_view *v, const struct device *d, struct judged *out)
{
	const struct assets *a = v->a;
	unsigned flags = flags_of(v, d);
	struct work w = {0};

	memset(out, 0, sizeof(*out));
	for (uint32_t h = d->hosts; h != NONE; h = v->next_host[h])
		for (uint32_t t = a->host[h].talks; t != NONE; t = a->talk[t].next)
			gather_talk(&w, &a->talk[t]);
	server_roles(out, &w, flags);
	client_roles(out, &w, flags);
	network_roles(out, v, d, &w, flags);
	if (out->n_roles == 0)
		role_add(out, ROLE_UNKNOWN, CONF_LOW, "nothing it did says what it is for");
	about_addresses(v, d, out);
	about_macs(v, d, flags, out);
	about_values(v, d, out);
	if (d->same_name != NONE)
		about_name(v, d, out);
	if (out->role[0].role == ROLE_HMI && w.asked[CONTROL] != 0)
		ask(out, "controls",
		    "requests to start, stop or call: %" PRIu64 ", others: %" PRIu64,
		    w.asked[CONTROL], w.requests - w.asked[CONTROL]);
}
