/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.c - the table as bytes, for the next run of the same program.
 *
 *   head (what the bytes mean: sizes, names) | stations | hosts | pairs | notes | talks | SHA-256 of it all
 *
 * Places are indices, so the pools go as they are; hashes are made anew.  It is read by the program that wrote it, or not at all: the
 * list itself (JSON) is what others read.  The hash finds damage, not malice, so every index is looked at before it is
 * believed, and each list is walked to see that it ends.
 */
#include <string.h>

#include "assets/table.h"
#include "base/crypto.h"
#include "base/err.h"

#define STATE_MAGIC UINT64_C(0x31746573736b6c69) /* "ilksset1" */

struct head {
	uint64_t magic;
	uint32_t size[5],
	    n[5];	/* bytes of one, and how many: stations, hosts, pairs, notes, talks */
	uint32_t names; /* of protocols, sources and keys: numbers mean these */
	uint32_t pad;
	uint64_t frames, first_ns, last_ns, notes_over, stations_gone, hosts_gone;
};

/* What numbers in the table stand for, as one number. */
static uint32_t
names_of(void)
{
	uint8_t hash[CRYPTO_SHA256_LEN];
	struct crypto_sha256 sum;
	uint32_t n;

	crypto_sha256_init(&sum);
	for (uint8_t i = 0; i < n_dissectors; i++)
		crypto_sha256_update(&sum, dissectors[i]->name, strlen(dissectors[i]->name) + 1);
	for (uint8_t i = 0; i < N_SOURCES; i++) /* SRC_pdu has no name of its own */
		crypto_sha256_update(&sum, source_name(i, 0), strlen(source_name(i, 0)) + 1);
	for (uint8_t i = 0; i < IDENT__MAX; i++)
		crypto_sha256_update(&sum, key_name(i), strlen(key_name(i)) + 1);
	crypto_sha256_final(&sum, hash);
	memcpy(&n, hash, sizeof(n));
	return n;
}

static struct head
head_of(const struct assets *a)
{
	return (struct head){.magic = STATE_MAGIC,
	    .size = {sizeof(*a->station), sizeof(*a->host), sizeof(*a->pair), sizeof(*a->note),
		sizeof(*a->talk)},
	    .n = {a->p_station.n, a->p_host.n, a->p_pair.n, a->p_note.n, a->p_talk.n},
	    .names = names_of(),
	    .frames = a->frames,
	    .first_ns = a->first_ns,
	    .last_ns = a->last_ns,
	    .notes_over = a->notes_over,
	    .stations_gone = a->age.stations_gone,
	    .hosts_gone = a->age.hosts_gone};
}

struct part {
	void *at;
	struct pool *pool;
};

static void
parts_of(struct assets *a, struct part out[5])
{
	const struct part parts[5] = {{a->station, &a->p_station}, {a->host, &a->p_host},
	    {a->pair, &a->p_pair}, {a->note, &a->p_note}, {a->talk, &a->p_talk}};

	memcpy(out, parts, sizeof(parts));
}

bool
assets_save(const struct assets *a, bool (*put)(void *ctx, const void *p, size_t n), void *ctx)
{
	const struct head h = head_of(a);
	uint8_t hash[CRYPTO_SHA256_LEN];
	struct crypto_sha256 sum;
	struct part part[5];
	bool ok = put(ctx, &h, sizeof(h));

	parts_of((struct assets *)(uintptr_t)a, part);
	crypto_sha256_init(&sum);
	crypto_sha256_update(&sum, &h, sizeof(h));
	for (unsigned i = 0; i < 5 && ok; i++) {
		size_t n = (size_t)h.n[i] * h.size[i];

		crypto_sha256_update(&sum, part[i].at, n);
		ok = n == 0 || put(ctx, part[i].at, n);
	}
	crypto_sha256_final(&sum, hash);
	return ok && put(ctx, hash, sizeof(hash));
}

/* --- is it to be believed? ---------------------------------------------------------------------- */

static bool
place_ok(uint32_t i, uint32_t n)
{
	return i == NONE || i < n;
}

static bool
notes_ok(const struct assets *a, const struct notes *list, uint32_t *walked)
{
	uint32_t n = 0;

	for (uint32_t i = list->first; i != NONE; i = a->note[i].next, n++)
		if (i >= a->p_note.n || ++*walked > a->p_note.n)
			return false;
	return n == list->n && n <= NOTES_EACH;
}

static bool
stations_ok(const struct assets *a, uint32_t *notes)
{
	uint32_t walked = 0;

	for (uint32_t s = 0; s < a->p_station.n; s++) {
		const struct station *st = &a->station[s];

		if (st->n_vlans > VLANS_EACH || !place_ok(st->chassis, a->p_station.n) ||
		    !notes_ok(a, &st->notes, notes))
			return false;
		for (uint32_t i = st->pairs; i != NONE; i = a->pair[i].next_of_station)
			if (i >= a->p_pair.n || a->pair[i].station != s || ++walked > a->p_pair.n)
				return false;
	}
	return true;
}

static bool
talk_ok(const struct assets *a, const struct talk *t)
{
	if (t->proto >= n_dissectors || t->n_peers > TALK_PEERS)
		return false;
	for (uint32_t i = 0; i < t->n_peers; i++)
		if (t->peers[i] >= a->p_host.n)
			return false;
	return true;
}

static bool
hosts_ok(const struct assets *a, uint32_t *notes)
{
	uint32_t pairs = 0, talks = 0;

	for (uint32_t h = 0; h < a->p_host.n; h++) {
		if (!notes_ok(a, &a->host[h].notes, notes))
			return false;
		for (uint32_t i = a->host[h].pairs; i != NONE; i = a->pair[i].next_of_host)
			if (i >= a->p_pair.n || a->pair[i].host != h || ++pairs > a->p_pair.n)
				return false;
		for (uint32_t i = a->host[h].talks; i != NONE; i = a->talk[i].next)
			if (i >= a->p_talk.n || ++talks > a->p_talk.n || !talk_ok(a, &a->talk[i]))
				return false;
	}
	return true;
}

static bool
table_ok(const struct assets *a)
{
	uint32_t notes = 0;

	for (uint32_t i = 0; i < a->p_pair.n; i++)
		if (!place_ok(a->pair[i].station, a->p_station.n) ||
		    a->pair[i].host >= a->p_host.n ||
		    !place_ok(a->pair[i].next_of_station, a->p_pair.n) ||
		    !place_ok(a->pair[i].next_of_host, a->p_pair.n))
			return false;
	for (uint32_t i = 0; i < a->p_note.n; i++)
		if (a->note[i].len > NOTE_TEXT || a->note[i].key >= IDENT__MAX ||
		    a->note[i].source >= N_SOURCES || !place_ok(a->note[i].next, a->p_note.n) ||
		    (a->note[i].source == SRC_pdu && a->note[i].proto >= n_dissectors))
			return false;
	for (uint32_t i = 0; i < a->p_talk.n; i++)
		if (!place_ok(a->talk[i].next, a->p_talk.n))
			return false;
	return stations_ok(a, &notes) && hosts_ok(a, &notes);
}

int
assets_load(struct assets *a, const void *bytes, size_t len, char *err, size_t err_size)
{
	struct head h, mine = head_of(a);
	uint8_t hash[CRYPTO_SHA256_LEN];
	const uint8_t *p = bytes;
	uint64_t want = sizeof(h) + sizeof(hash);
	struct part part[5];

	parts_of(a, part);
	if (len < sizeof(h) + sizeof(hash))
		return err_say(err, err_size, ERR_FORMAT, "too short for a state");
	memcpy(&h, p, sizeof(h));
	if (h.magic != mine.magic || memcmp(h.size, mine.size, sizeof(h.size)) != 0 ||
	    h.names != mine.names)
		return err_say(err, err_size, ERR_FORMAT, "of another version of this program");
	for (unsigned i = 0; i < 5; i++) {
		want += (uint64_t)h.n[i] * h.size[i];
		if (h.n[i] > part[i].pool->max)
			return err_say(err, err_size, ERR_NOMEM,
			    "more than the table has room for: --table-memory");
	}
	if (want != len)
		return err_say(err, err_size, ERR_FORMAT, "of another length than it says");
	crypto_sha256(p, len - sizeof(hash), hash);
	if (memcmp(hash, p + len - sizeof(hash), sizeof(hash)) != 0)
		return err_say(err, err_size, ERR_FORMAT, "damaged");
	p += sizeof(h);
	for (unsigned i = 0; i < 5; i++) {
		size_t n = (size_t)h.n[i] * h.size[i];

		if (n != 0)
			memcpy(part[i].at, p, n);
		part[i].pool->n = h.n[i];
		p += n;
	}
	if (!table_ok(a)) {
		for (unsigned i = 0; i < 5; i++)
			part[i].pool->n = 0;
		return err_say(err, err_size, ERR_FORMAT, "damaged");
	}
	for (uint32_t i = 0; i < a->p_note.n; i++)
		a->note[i].frame = 0; /* of an earlier run */
	a->frames = h.frames;
	a->first_ns = h.first_ns;
	a->last_ns = h.last_ns;
	a->notes_over = h.notes_over;
	a->age.stations_gone = h.stations_gone;
	a->age.hosts_gone = h.hosts_gone;
	assets_index(a);
	return 0;
}
