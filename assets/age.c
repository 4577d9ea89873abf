/* SPDX-License-Identifier: Apache-2.0 */
/*
 * age.c - room for who comes when the table is full: who was silent longest is forgotten.
 *
 * When something found no room, and not more often than every ten seconds of packet time, a quarter of the MACs and a quarter
 * of the addresses goes, those first that were heard last the longest time ago, with all that hangs on them.  What stays
 * moves together in its order, so places are new and the hashes are made again.  It takes milliseconds, no memory (that was
 * taken at the start), and whoever is heard again is a new device.
 */
#include <stdlib.h>
#include <string.h>

#include "assets/table.h"

#define AGE_EVERY_NS (UINT64_C(10) * 1000000000u)
#define AGE_PART     4u /* of all that are there, one in so many goes */

static uint64_t
later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t
station_last(const struct assets *a, uint32_t s)
{
	uint64_t last = a->station[s].last_ns;

	for (uint32_t i = a->station[s].pairs; i != NONE; i = a->pair[i].next_of_station)
		last = later(last, a->pair[i].last_ns);
	return last;
}

static uint64_t
host_last(const struct assets *a, uint32_t h)
{
	uint64_t last = 0;

	for (uint32_t i = a->host[h].pairs; i != NONE; i = a->pair[i].next_of_host)
		last = later(last, a->pair[i].last_ns);
	for (uint32_t i = a->host[h].talks; i != NONE; i = a->talk[i].next)
		last = later(last, a->talk[i].last_ns);
	return last;
}

static int
by_time(const void *va, const void *vb)
{
	const uint64_t *a = va, *b = vb;

	return (*a > *b) - (*a < *b);
}

/* New places in to[] of those that stay, NONE of those that go.  Returns how many stay. */
static uint32_t
choose(const struct assets *a, uint32_t n, uint64_t (*last)(const struct assets *, uint32_t),
    uint32_t *to)
{
	uint32_t quota = n < AGE_PART ? n != 0 : n / AGE_PART, gone = 0, kept = 0;
	uint64_t *when = a->age.when, limit;

	for (uint32_t i = 0; i < n; i++)
		when[i] = last(a, i);
	qsort(when, n, sizeof(*when), by_time);
	limit = quota ? when[quota - 1] : 0;
	for (uint32_t i = 0; i < n; i++) {
		bool goes = gone < quota && last(a, i) <= limit;

		gone += goes;
		to[i] = goes ? NONE : kept++;
	}
	return kept;
}

/* --- what hangs on them ------------------------------------------------------------------------------- */

static uint32_t
moved(const uint32_t *to, uint32_t i)
{
	return i == NONE ? NONE : to[i];
}

/* The list of a kept owner: places for its elements. */
static void
mark_notes(struct assets *a, const struct notes *list)
{
	for (uint32_t i = list->first; i != NONE; i = a->note[i].next)
		a->age.note[i] = 0;
}

static void
mark_all(struct assets *a)
{
	struct ages *g = &a->age;

	memset(g->note, 0xff, a->p_note.n * sizeof(*g->note));
	memset(g->talk, 0xff, a->p_talk.n * sizeof(*g->talk));
	for (uint32_t s = 0; s < a->p_station.n; s++)
		if (g->station[s] != NONE)
			mark_notes(a, &a->station[s].notes);
	for (uint32_t h = 0; h < a->p_host.n; h++) {
		if (g->host[h] == NONE)
			continue;
		mark_notes(a, &a->host[h].notes);
		for (uint32_t i = a->host[h].talks; i != NONE; i = a->talk[i].next)
			g->talk[i] = 0;
	}
	for (uint32_t i = 0; i < a->p_pair.n; i++)
		g->pair[i] =
		    g->host[a->pair[i].host] == NONE ||
			    (a->pair[i].station != NONE && g->station[a->pair[i].station] == NONE)
			? NONE
			: 0;
}

static uint32_t
number(uint32_t *to, uint32_t n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++)
		if (to[i] != NONE)
			to[i] = kept++;
	return kept;
}

/* --- moving together: a new place is never behind an old one ------------------------------------------- */

static void
move_stations(struct assets *a)
{
	for (uint32_t i = 0; i < a->p_station.n; i++) {
		struct station st = a->station[i];

		if (a->age.station[i] == NONE)
			continue;
		st.chassis = moved(a->age.station, st.chassis);
		st.pairs = NONE;
		st.notes.first = moved(a->age.note, st.notes.first);
		a->station[a->age.station[i]] = st;
	}
}

static void
move_hosts(struct assets *a)
{
	for (uint32_t i = 0; i < a->p_host.n; i++) {
		struct host h = a->host[i];

		if (a->age.host[i] == NONE)
			continue;
		h.pairs = NONE;
		h.talks = moved(a->age.talk, h.talks);
		h.notes.first = moved(a->age.note, h.notes.first);
		a->host[a->age.host[i]] = h;
	}
}

/* Each is put in front of its lists, as pair_get() did: their order stays. */
static void
move_pairs(struct assets *a)
{
	for (uint32_t i = 0; i < a->p_pair.n; i++) {
		struct pair p = a->pair[i];
		uint32_t to = a->age.pair[i];

		if (to == NONE)
			continue;
		p.host = a->age.host[p.host];
		p.station = moved(a->age.station, p.station);
		p.next_of_host = a->host[p.host].pairs;
		a->host[p.host].pairs = to;
		p.next_of_station = NONE;
		if (p.station != NONE) {
			p.next_of_station = a->station[p.station].pairs;
			a->station[p.station].pairs = to;
		}
		a->pair[to] = p;
	}
}

static void
move_notes(struct assets *a)
{
	for (uint32_t i = 0; i < a->p_note.n; i++) {
		struct note n = a->note[i];

		if (a->age.note[i] == NONE)
			continue;
		n.next = moved(a->age.note, n.next);
		a->note[a->age.note[i]] = n;
	}
}

static void
move_talks(struct assets *a)
{
	for (uint32_t i = 0; i < a->p_talk.n; i++) {
		struct talk t = a->talk[i];
		uint32_t n = 0;

		if (a->age.talk[i] == NONE)
			continue;
		t.next = moved(a->age.talk, t.next);
		for (uint32_t k = 0; k < t.n_peers; k++)
			if (a->age.host[t.peers[k]] != NONE)
				t.peers[n++] = a->age.host[t.peers[k]];
		t.n_peers = n;
		a->talk[a->age.talk[i]] = t;
	}
}

static void
forget(struct assets *a)
{
	struct ages *g = &a->age;
	uint32_t stations = choose(a, a->p_station.n, station_last, g->station);
	uint32_t hosts = choose(a, a->p_host.n, host_last, g->host), pairs, notes, talks;

	mark_all(a);
	pairs = number(g->pair, a->p_pair.n);
	notes = number(g->note, a->p_note.n);
	talks = number(g->talk, a->p_talk.n);
	move_stations(a);
	move_hosts(a);
	move_pairs(a);
	move_notes(a);
	move_talks(a);
	g->stations_gone += a->p_station.n - stations;
	g->hosts_gone += a->p_host.n - hosts;
	a->p_station.n = stations;
	a->p_host.n = hosts;
	a->p_pair.n = pairs;
	a->p_note.n = notes;
	a->p_talk.n = talks;
	assets_index(a);
	for (unsigned i = 0; i < FLOW_CACHE; i++)
		a->memo[i].used = false;
}

void
assets_age(struct assets *a, uint64_t now_ns)
{
	struct ages *g = &a->age;
	uint64_t lost =
	    a->p_station.lost + a->p_host.lost + a->p_pair.lost + a->p_note.lost + a->p_talk.lost;

	if (lost == g->lost || (now_ns >= g->at_ns && now_ns - g->at_ns < AGE_EVERY_NS))
		return;
	g->lost = lost;
	g->at_ns = now_ns;
	forget(a);
}
