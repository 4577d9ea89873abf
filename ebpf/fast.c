/* SPDX-License-Identifier: Apache-2.0 */
/* fast.c - see fast.h. */
#include "ebpf/fast.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/err.h"
#include "ebpf/gate_int.h"

#define SPINS 4096u /* looks at a lock before a millisecond's sleep */

struct fast {
	int counts, hits, shares, away, cell, confs;
	unsigned n_cpus;
	void *per_cpu; /* a value of n_cpus counters */
	struct kflow *flows;
	struct kflow_offer *offers;
	struct kflow_bucket *index;
	struct kflow_place **places; /* of each slot: where the index has it, or NULL */
	struct kflow_pulse *pulse;
	size_t flow_bytes, offer_bytes, pulse_bytes, index_bytes;
	uint64_t key[KFLOW_HASH_WORDS];
};

_Static_assert(sizeof(struct kflow_key) == 40 && sizeof(struct kflow_way) == 32 &&
		   sizeof(struct kflow_offer) == 56 + sizeof(struct kflow_ua) &&
		   sizeof(struct kflow_turn) == 64 && KFLOW_OPEN == KFLOW_SENT &&
		   sizeof(struct kflow_ua) % 8 == 0 && sizeof(struct kflow_bucket) == 64 &&
		   KFLOW_HASH_WORDS * 8 >= KFLOW_PAYLOAD,
    "as the programs have them");
_Static_assert(offsetof(struct kflow, way) == 64 && offsetof(struct kflow, up) == 128 &&
		   offsetof(struct kflow, turn) == 192 && sizeof(struct kflow) % 64 == 0,
    "by lines of the cache");

static const char *const reasons[] = {
#define FAST_REASON(id, name) name,
#include "ebpf/fast_reason.def"
#undef FAST_REASON
};
_Static_assert((int)FAST__REASONS <= (int)FAST_COUNTS && FAST_COUNTS_ROWS == 2 * FAST_COUNTS,
    "a row for every reason");

static size_t
whole_pages(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (n + page - 1) / page * page;
}

static void *
map_in(int fd, size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static struct kflow_place *
place_at(struct fast *f, uint32_t at)
{
	return &f->index[at / KFLOW_PLACES].place[at % KFLOW_PLACES];
}

/* Those that a predecessor has left. */
static void
find_places(struct fast *f)
{
	memset(f->places, 0, KFLOW_MAX * sizeof(struct kflow_place *));
	for (uint32_t i = 0; i < KFLOW_BUCKETS * KFLOW_PLACES; i++) {
		uint32_t slot = place_at(f, i)->slot & ~KFLOW_OFFERED;

		if (slot != 0 && slot <= KFLOW_MAX)
			f->places[slot - 1] = place_at(f, i);
	}
}

struct fast *
fast_open(const struct gate *g, char *err, size_t err_size)
{
	struct fast *f = calloc(1, sizeof(*f));
	struct gate_fast_fds fd;

	if (!f || gate_fast_fds(g, &fd) < 0) {
		(void)err_say(err, err_size, 0, "the filter was loaded without the fast path");
		free(f);
		return NULL;
	}
	f->offer_bytes = whole_pages(KFLOW_MAX * sizeof(struct kflow_offer));
	f->pulse_bytes = whole_pages(sizeof(struct kflow_pulse));
	f->flow_bytes = whole_pages(KFLOW_MAX * sizeof(struct kflow));
	f->counts = fcntl(fd.counts, F_DUPFD_CLOEXEC, 0);
	f->hits = fcntl(fd.hits, F_DUPFD_CLOEXEC, 0);
	f->shares = fcntl(fd.shares, F_DUPFD_CLOEXEC, 0);
	f->away = fcntl(fd.away, F_DUPFD_CLOEXEC, 0);
	f->cell = fcntl(fd.cell, F_DUPFD_CLOEXEC, 0);
	f->confs = fcntl(fd.confs, F_DUPFD_CLOEXEC, 0);
	f->n_cpus = fd.n_cpus;
	f->per_cpu = calloc(f->n_cpus, sizeof(struct fast_counter));
	f->flows = map_in(fd.flows, f->flow_bytes);
	f->offers = map_in(fd.offers, f->offer_bytes);
	f->index_bytes = whole_pages(KFLOW_BUCKETS * sizeof(struct kflow_bucket));
	f->index = map_in(fd.index, f->index_bytes);
	f->places = calloc(KFLOW_MAX, sizeof(struct kflow_place *));
	f->pulse = map_in(fd.pulse, f->pulse_bytes);
	memcpy(f->key, gate_fast_key(g), sizeof(f->key));
	if (f->flows && f->counts >= 0 && f->hits >= 0 && f->shares >= 0 && f->away >= 0 &&
	    f->cell >= 0 && f->confs >= 0 && f->per_cpu && f->offers && f->pulse && f->index &&
	    f->places) {
		find_places(f);
		return f;
	}
	(void)err_say(
	    err, err_size, 0, "the filter's connections cannot be reached: %s", strerror(errno));
	fast_close(f);
	return NULL;
}

void
fast_close(struct fast *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < 6; i++) {
		int fd =
		    ((const int[]){f->counts, f->hits, f->shares, f->away, f->cell, f->confs})[i];

		if (fd >= 0)
			(void)close(fd);
	}
	free(f->per_cpu);
	free(f->places);
	if (f->index)
		(void)munmap(f->index, f->index_bytes);
	if (f->flows)
		(void)munmap(f->flows, f->flow_bytes);
	if (f->offers)
		(void)munmap(f->offers, f->offer_bytes);
	if (f->pulse)
		(void)munmap(f->pulse, f->pulse_bytes);
	free(f);
}

/* --- entries ------------------------------------------------------------------------------- */

static struct kflow_place *
place_in(struct fast *f, uint32_t bucket, uint32_t tag)
{
	for (uint32_t i = 0; i < KFLOW_PLACES; i++)
		if (f->index[bucket].place[i].tag == tag && f->index[bucket].place[i].slot != 0)
			return &f->index[bucket].place[i];
	return NULL;
}

static struct kflow_place *
place_free(struct fast *f, uint32_t bucket)
{
	for (uint32_t i = 0; i < KFLOW_PLACES; i++)
		if (f->index[bucket].place[i].slot == 0)
			return &f->index[bucket].place[i];
	return NULL;
}

/* The buckets of a key, and its tag. */
static void
buckets_of(const struct fast *f, const struct kflow_key *k, uint32_t bucket[2], uint32_t *tag)
{
	uint64_t words[sizeof(*k) / 8];

	memcpy(words, k, sizeof(words));
	bucket[0] = kflow_first((const __u64 *)words, (const __u64 *)f->key, tag);
	bucket[1] = kflow_second(bucket[0], *tag);
}

static struct kflow_place *
place_of(const struct fast *f, const struct kflow_key *k)
{
	struct fast *g = (struct fast *)(uintptr_t)f;
	struct kflow_place *p;
	uint32_t bucket[2], tag;

	buckets_of(f, k, bucket, &tag);
	p = place_in(g, bucket[0], tag);
	return p ? p : place_in(g, bucket[1], tag);
}

/* A program has it.  That is over in a moment, unless the program was put off its CPU. */
static void
wait_for_program(unsigned *turns)
{
	if (++*turns % SPINS == 0)
		(void)poll(NULL, 0, 1);
}

/* Twice the same even version, and nobody has written in between. */
static int
read_slot(const struct fast *f, uint32_t slot, struct kflow *out)
{
	const struct kflow *e = &f->flows[slot];
	unsigned turns = 0;

	for (;;) {
		uint32_t version = __atomic_load_n(&e->version, __ATOMIC_ACQUIRE);

		if (version & KFLOW_GONE)
			return ERR_NOTFOUND;
		if (!(version & KFLOW_HELD)) {
			memcpy(out, e, sizeof(*out));
			__atomic_thread_fence(__ATOMIC_ACQUIRE);
			if (__atomic_load_n(&e->version, __ATOMIC_RELAXED) == version)
				return 0;
		}
		wait_for_program(&turns);
	}
}

/* One that has KFLOW_GONE already is a dead predecessor's. */
static void
write_slot(struct fast *f, uint32_t slot, const struct kflow *v)
{
	struct kflow *e = &f->flows[slot];
	uint32_t version = __atomic_load_n(&e->version, __ATOMIC_RELAXED);
	unsigned turns = 0;

	while ((version & KFLOW_HELD) ||
	       !__atomic_compare_exchange_n(&e->version, &version, version | KFLOW_GONE, false,
		   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
		wait_for_program(&turns);
		version = __atomic_load_n(&e->version, __ATOMIC_RELAXED);
	}
	memcpy((char *)e + sizeof(e->version), (const char *)v + sizeof(v->version),
	    sizeof(*v) - sizeof(v->version));
	__atomic_store_n(&e->version, kflow_next_version(version), __ATOMIC_RELEASE);
}

int
fast_put(struct fast *f, const struct kflow_key *k, const struct fast_new *new)
{
	const struct kflow v = {.key = *k,
	    .slot = new->slot,
	    .conduit = new->conduit,
	    .proto = new->proto,
	    .client_lo = new->client_lo,
	    .client_port = new->client_port,
	    .used = 1};
	struct kflow_place *p;
	uint32_t bucket[2], tag;

	if (new->slot >= KFLOW_MAX || new->proto >= KFLOW__PROTOS || new->client_port > 1)
		return ERR_RANGE;
	buckets_of(f, k, bucket, &tag);
	if (place_in(f, bucket[0], tag) || place_in(f, bucket[1], tag))
		return ERR_EXISTS;
	if (f->places[new->slot] ||
	    !((p = place_free(f, bucket[0])) || (p = place_free(f, bucket[1]))))
		return ERR_FULL;
	fast_withdraw(f, new->slot);
	write_slot(f, new->slot, &v);
	p->tag = tag;
	f->places[new->slot] = p;
	__atomic_store_n(&p->slot, new->slot + 1, __ATOMIC_RELEASE);
	return 0;
}

int
fast_read(const struct fast *f, const struct kflow_key *k, struct kflow *out)
{
	const struct kflow_place *p = place_of(f, k);

	if (!p || read_slot(f, (p->slot & ~KFLOW_OFFERED) - 1, out) < 0)
		return ERR_NOTFOUND;
	return memcmp(&out->key, k, sizeof(*k)) == 0 ? 0 : ERR_NOTFOUND;
}

unsigned
fast_keys(struct fast *f, struct kflow_key *out, unsigned max)
{
	struct kflow v;
	unsigned n = 0;

	find_places(f); /* another process has written since */
	for (uint32_t i = 0; i < KFLOW_MAX && n < max; i++)
		if (f->places[i] && read_slot(f, i, &v) == 0 && v.used)
			out[n++] = v.key;
	return n;
}

int
fast_drop(struct fast *f, const struct kflow_key *k)
{
	struct kflow_place *p = place_of(f, k);
	uint32_t slot = p ? (p->slot & ~KFLOW_OFFERED) - 1 : 0;

	if (!p)
		return ERR_NOTFOUND;
	__atomic_store_n(&p->slot, 0, __ATOMIC_SEQ_CST);
	p->tag = 0;
	f->places[slot] = NULL;
	write_slot(f, slot, &(const struct kflow){0});
	return 0;
}

unsigned
fast_forget(struct fast *f)
{
	struct kflow v;
	unsigned n = 0;

	find_places(f);
	for (uint32_t i = 0; i < KFLOW_MAX; i++) {
		if (!f->places[i])
			continue;
		fast_withdraw(f, i);
		if (read_slot(f, i, &v) == 0 && v.used && fast_drop(f, &v.key) == 0)
			n++;
	}
	return n;
}

/* --- memory -------------------------------------------------------------------------------- */

static void
offer_write(struct kflow_offer *at, const struct kflow_offer *o)
{
	uint32_t version = __atomic_load_n(&at->version, __ATOMIC_RELAXED) | 1;
	struct kflow_offer v = *o;

	v.version = version; /* odd: a program that reads it now does not believe it */
	__atomic_store_n(&at->version, version, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memcpy((char *)at + sizeof(v.version), (const char *)&v + sizeof(v.version),
	    sizeof(v) - sizeof(v.version));
	__atomic_store_n(&at->version, version + 1, __ATOMIC_RELEASE);
}

void
fast_offer(struct fast *f, uint32_t slot, const struct kflow_offer *o)
{
	struct kflow_offer v = *o;

	v.valid = 1;
	if (slot >= KFLOW_MAX)
		return;
	if (f->places[slot])
		__atomic_fetch_or(&f->places[slot]->slot, KFLOW_OFFERED, __ATOMIC_SEQ_CST);
	offer_write(&f->offers[slot], &v);
}

void
fast_withdraw(struct fast *f, uint32_t slot)
{
	if (slot >= KFLOW_MAX)
		return;
	if (f->offers[slot].valid)
		offer_write(&f->offers[slot], &(const struct kflow_offer){0});
	if (f->places[slot])
		__atomic_fetch_and(&f->places[slot]->slot, ~KFLOW_OFFERED, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* before the entry is read */
}

void
fast_alive(struct fast *f, uint64_t now_ns)
{
	__atomic_store_n(&f->pulse->alive_ns, now_ns, __ATOMIC_RELAXED);
}

void
fast_hold(struct fast *f, uint64_t until_ns)
{
	__atomic_store_n(&f->pulse->hold_ns, until_ns, __ATOMIC_SEQ_CST);
}

uint64_t
fast_alive_ns(const struct fast *f)
{
	return __atomic_load_n(&f->pulse->alive_ns, __ATOMIC_RELAXED);
}

uint64_t
fast_hash(const struct fast *f, const uint8_t *p, size_t n)
{
	uint64_t h = 0, w;

	for (size_t i = 0; i < KFLOW_HASH_WORDS && i * 8 < n; i++) {
		w = 0;
		memcpy(&w, p + i * 8, n - i * 8 < 8 ? n - i * 8 : 8);
		h += kflow_hash_word(w, f->key[i]);
	}
	return h;
}

/* --- counters ------------------------------------------------------------------------------ */

static struct fast_counter
sum_counters(struct fast *f, int fd, uint32_t row)
{
	const struct fast_counter *c = f->per_cpu;
	struct fast_counter sum = {0};

	if (bpf_map_lookup_elem(fd, &row, f->per_cpu) < 0)
		return sum;
	for (unsigned i = 0; i < f->n_cpus; i++) {
		sum.packets += c[i].packets;
		sum.bytes += c[i].bytes;
		sum.pdus += c[i].pdus;
	}
	return sum;
}

unsigned
fast_counts(struct fast *f, struct fast_count *out, unsigned max)
{
	unsigned n = 0;

	for (; n < FAST__REASONS && n < max; n++) {
		out[n] = (struct fast_count){.reason = reasons[n]};
		for (unsigned port = 0; port < 2; port++) {
			struct fast_counter c = sum_counters(f, f->counts, port * FAST_COUNTS + n);

			out[n].packets[port] = c.packets;
			out[n].bytes[port] = c.bytes;
			out[n].pdus[port] = c.pdus;
		}
	}
	return n;
}

/* The set in force, from 0; or ERR_NOTFOUND. */
static int
set_in_force(const struct fast *f)
{
	uint32_t zero = 0, cell = 0;

	if (bpf_map_lookup_elem(f->cell, &zero, &cell) < 0 || cell == 0 || cell > GATE_SETS)
		return ERR_NOTFOUND;
	return (int)cell - 1;
}

int
fast_set(const struct fast *f, uint32_t generation)
{
	struct gate_conf c;
	int set = set_in_force(f);

	for (unsigned i = 0; i < GATE_SETS && set >= 0; i++) {
		uint32_t row = ((uint32_t)set + i) % GATE_SETS;

		if (bpf_map_lookup_elem(f->confs, &row, &c) == 0 && c.generation == generation)
			return (int)row;
	}
	return ERR_NOTFOUND;
}

int
fast_rule_hits(struct fast *f, int set, uint32_t rule, uint64_t *hits)
{
	const uint64_t *v = f->per_cpu;
	uint32_t row;

	*hits = 0;
	if (set < 0 || set >= (int)GATE_SETS || rule >= FAST_RULES)
		return ERR_RANGE;
	row = (uint32_t)set * FAST_RULES + rule;
	if (bpf_map_lookup_elem(f->hits, &row, f->per_cpu) < 0)
		return ERR_NOTFOUND;
	for (unsigned i = 0; i < f->n_cpus; i++)
		*hits += v[i];
	return 0;
}

int
fast_share(struct fast *f, uint32_t conduit, struct fast_counter *out)
{
	int set = set_in_force(f);

	if (set < 0 || conduit >= GATE_CONDUITS)
		return set < 0 ? set : ERR_RANGE;
	*out = sum_counters(f, f->shares, (uint32_t)set * GATE_CONDUITS + conduit);
	return 0;
}

int
fast_away_take(struct fast *f, uint32_t conduit, struct gate_away *out)
{
	struct gate_away *c = f->per_cpu;
	int set = set_in_force(f);
	uint32_t row;

	*out = (struct gate_away){0};
	if (set < 0 || conduit >= GATE_CONDUITS)
		return set < 0 ? set : ERR_RANGE;
	row = (uint32_t)set * GATE_CONDUITS + conduit;
	if (bpf_map_lookup_elem(f->away, &row, c) < 0)
		return ERR_NOTFOUND;
	for (unsigned i = 0; i < f->n_cpus; i++) {
		out->dropped += c[i].dropped;
		out->unjudged += c[i].unjudged;
		c[i] = (struct gate_away){0};
	}
	if (out->dropped + out->unjudged != 0)
		(void)bpf_map_update_elem(f->away, &row, c, BPF_ANY);
	return 0;
}
