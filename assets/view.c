/* SPDX-License-Identifier: Apache-2.0 */
/* view.c - which MACs and addresses are one device. */
#include "assets/view.h"

#include <stdlib.h>
#include <string.h>

const char *
source_name(uint8_t source, uint8_t proto)
{
	static const char *const names[N_SOURCES] = {
#define SOURCE(id, ...) #id,
#define TOLD(id, ...)	#id,
#include "assets/sources.def"
#undef SOURCE
#undef TOLD
	};

	return source == SRC_pdu && proto < n_dissectors ? dissectors[proto]->name : names[source];
}

enum confidence
source_confidence(uint8_t source)
{
	static const uint8_t levels[N_SOURCES] = {
#define SOURCE(id, confidence, flag) confidence,
#define TOLD(id, confidence)	     confidence,
#include "assets/sources.def"
#undef SOURCE
#undef TOLD
	};

	return (enum confidence)levels[source];
}

const char *
key_name(uint8_t key)
{
	static const char *const names[IDENT__MAX] = {"name", "vendor", "model", "order_number",
	    "hardware", "firmware", "serial", "uri", "description", "service", "build",
	    "build_date", "certificate", "certificate_issuer"};

	return names[key];
}

/* Has it addresses of its own, as a port of a switch has not?  What LLDP says is about the chassis. */
static bool
has_addresses(const struct assets *a, uint32_t station)
{
	const unsigned own = (PAIR_CLAIMS & ~(unsigned)PAIR_LLDP) | PAIR_DIRECT;

	for (uint32_t i = a->station[station].pairs; i != NONE; i = a->pair[i].next_of_station)
		if (a->pair[i].flags & own)
			return true;
	return false;
}

uint32_t
station_root(const struct assets *a, uint32_t station)
{
	uint32_t to = a->station[station].chassis;

	/* one step only: who says that the chassis itself is part of another is not followed */
	return to != NONE && a->station[to].chassis == NONE && !station_pretends(a, station)
		   ? to
		   : station;
}

bool
station_pretends(const struct assets *a, uint32_t station)
{
	uint32_t to = a->station[station].chassis;

	return to != NONE && has_addresses(a, station) && has_addresses(a, to);
}

/* --- who owns an address ---------------------------------------------------------------------- */

static bool
only_host(const struct assets *a, uint32_t station, uint32_t host)
{
	for (uint32_t i = a->station[station].pairs; i != NONE; i = a->pair[i].next_of_station)
		if (a->pair[i].host != host)
			return false;
	return true;
}

/* Who claimed it first; else whose packets come from it as no router leaves them; else whose only one it is. */
static uint32_t
find_owner(const struct assets *a, uint32_t host, uint32_t *claims)
{
	const struct pair *claimed = NULL, *direct = NULL, *any = NULL;
	bool several = false;

	for (uint32_t i = a->host[host].pairs; i != NONE; i = a->pair[i].next_of_host) {
		const struct pair *p = &a->pair[i];

		if (p->station == NONE)
			continue;
		*claims += (p->flags & PAIR_CLAIMS) != 0;
		if (p->flags & PAIR_CLAIMS &&
		    (!claimed || p->claim_first_ns <= claimed->claim_first_ns))
			claimed = p;
		if (p->flags & (PAIR_DIRECT | PAIR_LINK) &&
		    (!direct || p->packets > direct->packets))
			direct = p;
		several |= any && any->station != p->station;
		any = p;
	}
	if (claimed || direct)
		return claimed ? claimed->station : direct->station;
	return any && !several && only_host(a, any->station, host) ? any->station : NONE;
}

/* --- devices ----------------------------------------------------------------------------------- */

static void
widen(struct device *d, uint64_t first, uint64_t last)
{
	if (first != 0 && (d->first_ns == 0 || first < d->first_ns))
		d->first_ns = first;
	if (last > d->last_ns)
		d->last_ns = last;
}

static void
add_station(struct assets_view *v, struct device *d, uint32_t station)
{
	const struct station *st = &v->a->station[station];

	v->next_station[station] = NONE;
	*(d->stations == NONE ? &d->stations : &v->next_station[d->last_station]) = station;
	d->last_station = station;
	d->n_stations++;
	d->packets += st->packets;
	widen(d, st->first_ns, st->last_ns);
}

static void
add_host(struct assets_view *v, struct device *d, uint32_t host)
{
	v->next_host[host] = NONE;
	if (d->hosts == NONE)
		d->ip = v->a->host[host].ip;
	*(d->hosts == NONE ? &d->hosts : &v->next_host[d->last_host]) = host;
	d->last_host = host;
	d->n_hosts++;
	for (uint32_t i = v->a->host[host].pairs; i != NONE; i = v->a->pair[i].next_of_host) {
		const struct pair *p = &v->a->pair[i];

		d->packets += p->packets;
		widen(d, p->first_ns, p->last_ns);
	}
}

/* Was it heard, or only named by others? */
static bool
host_heard(const struct assets *a, uint32_t host)
{
	for (uint32_t i = a->host[host].pairs; i != NONE; i = a->pair[i].next_of_host)
		if (a->pair[i].packets != 0 || a->pair[i].flags & PAIR_CLAIMS)
			return true;
	return false;
}

static bool
station_heard(const struct assets *a, uint32_t station)
{
	return a->station[station].packets != 0 || a->station[station].pairs != NONE ||
	       a->station[station].notes.first != NONE;
}

static struct device
no_device(void)
{
	struct device d = {.stations = NONE, .hosts = NONE};

	memset(d.ip.b, 0xff, sizeof(d.ip.b));
	return d;
}

static void
count_behind(const struct assets_view *v, uint32_t dev)
{
	const uint32_t walk = view_walk(v);
	struct device *d = &v->dev[dev];

	for (uint32_t s = d->stations; s != NONE; s = v->next_station[s])
		for (uint32_t i = v->a->station[s].pairs; i != NONE;
		     i = v->a->pair[i].next_of_station) {
			uint32_t h = v->a->pair[i].host;

			d->n_behind += v->owner[h] == NONE && v->mark[h] != walk;
			v->mark[h] = walk;
		}
}

static const struct assets_view *sorting; /* qsort() takes no context; one thread */

static int
by_ip(const void *left, const void *right)
{
	const struct host *h = sorting->a->host;

	return memcmp(
	    h[*(const uint32_t *)left].ip.b, h[*(const uint32_t *)right].ip.b, sizeof(h->ip.b));
}

/*
 * dev_of: place + 1 of a root station's device; begins as zeros.  Lists are made by adding at their ends: a
 * device's own MAC first, then the others as they were heard, and addresses from the lowest up.
 */
static void
gather(struct assets_view *v, uint32_t *dev_of, uint32_t *order)
{
	const struct assets *a = v->a;
	struct device *d;
	uint32_t root;

	for (int pass = 0; pass < 2; pass++) /* roots first, so that they head their lists */
		for (uint32_t s = 0; s < a->p_station.n; s++) {
			root = station_root(a, s);
			if ((root == s) != (pass == 0) || (pass == 1 && !station_heard(a, s)))
				continue;
			if (dev_of[root] == 0) {
				v->dev[v->n++] = no_device();
				dev_of[root] = v->n;
			}
			add_station(v, &v->dev[dev_of[root] - 1], s);
		}
	for (uint32_t h = 0; h < a->p_host.n; h++) {
		v->owner[h] = find_owner(a, h, &v->claims[h]);
		order[h] = h;
	}
	qsort(order, a->p_host.n, sizeof(*order), by_ip);
	for (uint32_t i = 0; i < a->p_host.n; i++) {
		uint32_t h = order[i];

		if (!host_heard(a, h))
			continue;
		if (v->owner[h] == NONE) {
			d = &v->dev[v->n++];
			*d = no_device();
		} else {
			d = &v->dev[dev_of[station_root(a, v->owner[h])] - 1];
		}
		add_host(v, d, h);
	}
	for (uint32_t i = 0; i < v->n; i++)
		count_behind(v, i);
}

/* What was only named by others, never heard, is no device. */
static void
drop_unheard(struct assets_view *v)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < v->n; i++) {
		const struct device *d = &v->dev[i];

		if (d->hosts != NONE || d->n_stations > 1 || station_heard(v->a, d->stations))
			v->dev[n++] = *d;
	}
	v->n = n;
}

static int
by_address(const void *left, const void *right)
{
	const struct device *a = left, *b = right;
	int r = memcmp(a->ip.b, b->ip.b, sizeof(a->ip.b));

	if (r != 0 || a->stations == NONE || b->stations == NONE)
		return r;
	return memcmp(
	    sorting->a->station[a->stations].mac, sorting->a->station[b->stations].mac, 6);
}

/* --- names that two devices have --------------------------------------------------------------- */

static int
by_text(const void *left, const void *right)
{
	const struct note *a = &sorting->a->note[((const struct named *)left)->note];
	const struct note *b = &sorting->a->note[((const struct named *)right)->note];
	int r = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);

	return r != 0 ? r : (int)a->len - (int)b->len;
}

static bool
names_find(struct assets_view *v)
{
	const struct note *n;
	uint32_t from = 0;

	if (!(v->names = calloc(v->a->p_note.n + 1, sizeof(*v->names))))
		return false;
	for (uint32_t i = 0; i < v->n; i++) {
		struct note_walk at = note_walk(&v->dev[i]);

		v->dev[i].same_name = NONE;
		while ((n = note_walk_next(v, &at)))
			if (n->key == IDENT_NAME)
				v->names[v->n_names++] =
				    (struct named){(uint32_t)(n - v->a->note), i, i};
	}
	qsort(v->names, v->n_names, sizeof(*v->names), by_text);
	for (uint32_t i = 1; i <= v->n_names; i++) {
		struct named *first = &v->names[from];

		if (i < v->n_names && by_text(first, &v->names[i]) == 0) {
			/* the first one's other is the first that differs; everyone else's the first */
			v->names[i].other = first->dev;
			if (first->other == first->dev)
				first->other = v->names[i].dev;
			continue;
		}
		from = i;
	}
	for (uint32_t i = 0; i < v->n_names; i++)
		if (v->names[i].other != v->names[i].dev)
			v->dev[v->names[i].dev].same_name = i;
	return true;
}

struct assets_view *
assets_view_new(const struct assets *a, const struct policy *pol, const char *oui, bool *oui_read)
{
	uint32_t n_station = a->p_station.n, n_host = a->p_host.n;
	struct assets_view *v = calloc(1, sizeof(*v));
	uint32_t *dev_of = calloc(n_station + 1, sizeof(*dev_of));
	uint32_t *order = calloc(n_host + 1, sizeof(*order));

	if (!v || !dev_of || !order)
		goto fail;
	v->a = a;
	v->pol = pol;
	v->dev = calloc((size_t)n_station + n_host + 1, sizeof(*v->dev));
	v->owner = calloc(n_host + 1, sizeof(*v->owner));
	v->claims = calloc(n_host + 1, sizeof(*v->claims));
	v->mark = calloc(n_host + 1, sizeof(*v->mark));
	v->next_host = calloc(n_host + 1, sizeof(*v->next_host));
	v->next_station = calloc(n_station + 1, sizeof(*v->next_station));
	v->vendor = calloc(n_station + 1, sizeof(*v->vendor));
	if (!v->dev || !v->owner || !v->claims || !v->mark || !v->next_host || !v->next_station ||
	    !v->vendor)
		goto fail;
	sorting = v;
	gather(v, dev_of, order);
	free(dev_of);
	free(order);
	drop_unheard(v);
	qsort(v->dev, v->n, sizeof(*v->dev), by_address);
	if (!names_find(v)) {
		assets_view_free(v);
		return NULL;
	}
	*oui_read = oui && oui_read_file(oui, v);
	return v;
fail:
	free(dev_of);
	free(order);
	assets_view_free(v);
	return NULL;
}

void
assets_view_free(struct assets_view *v)
{
	if (!v)
		return;
	free(v->dev);
	free(v->owner);
	free(v->claims);
	free(v->mark);
	free(v->next_host);
	free(v->next_station);
	free(v->vendor);
	free(v->names);
	free(v);
}

size_t
assets_view_devices(const struct assets_view *v)
{
	return v->n;
}

/* --- values ------------------------------------------------------------------------------------ */

struct note_walk
note_walk(const struct device *d)
{
	return (struct note_walk){d->stations, d->hosts, NONE};
}

const struct note *
note_walk_next(const struct assets_view *v, struct note_walk *at)
{
	const struct assets *a = v->a;
	const struct note *n;

	while (at->note == NONE) {
		if (at->station != NONE) {
			at->note = a->station[at->station].notes.first;
			at->station = v->next_station[at->station];
		} else if (at->host != NONE) {
			at->note = a->host[at->host].notes.first;
			at->host = v->next_host[at->host];
		} else {
			return NULL;
		}
	}
	n = &a->note[at->note];
	at->note = n->next;
	return n;
}

/* Which of two: who is surer, then itself rather than what is behind it, then the newer. */
static bool
better(const struct note *n, const struct note *than)
{
	int sure = (int)source_confidence(n->source) - (int)source_confidence(than->source);

	if (sure != 0)
		return sure > 0;
	if ((n->unit == NONE) != (than->unit == NONE))
		return n->unit == NONE;
	return n->source == than->source && n->proto == than->proto && n->last_ns > than->last_ns;
}

const struct note *
device_best(const struct assets_view *v, const struct device *d, uint8_t key)
{
	struct note_walk at = note_walk(d);
	const struct note *n, *best = NULL;

	while ((n = note_walk_next(v, &at)))
		if (n->key == key && (!best || better(n, best)))
			best = n;
	return best;
}
