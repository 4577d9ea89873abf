/* SPDX-License-Identifier: Apache-2.0 */
/* fast.c - see fast.h. */
#include "ebpf/fast.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/err.h"
#include "ebpf/gate_int.h"

struct fast {
	int flows, counts, hits, shares, cell;
	unsigned n_cpus;
	void *per_cpu; /* a value of n_cpus counters */
	struct kflow_offer *offers;
	struct kflow_pulse *pulse;
	size_t offer_bytes, pulse_bytes;
	uint64_t key[KFLOW_HASH_WORDS];
};

_Static_assert(sizeof(struct kflow_key) == 40 && sizeof(struct kflow_way) == 96 &&
		   sizeof(struct kflow_offer) == 56 && sizeof(struct kflow) % 8 == 0,
    "as the programs have them");

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
	f->flows = fcntl(fd.flows, F_DUPFD_CLOEXEC, 0);
	f->counts = fcntl(fd.counts, F_DUPFD_CLOEXEC, 0);
	f->hits = fcntl(fd.hits, F_DUPFD_CLOEXEC, 0);
	f->shares = fcntl(fd.shares, F_DUPFD_CLOEXEC, 0);
	f->cell = fcntl(fd.cell, F_DUPFD_CLOEXEC, 0);
	f->n_cpus = fd.n_cpus;
	f->per_cpu = calloc(f->n_cpus, sizeof(struct fast_counter));
	f->offers = map_in(fd.offers, f->offer_bytes);
	f->pulse = map_in(fd.pulse, f->pulse_bytes);
	memcpy(f->key, gate_fast_key(g), sizeof(f->key));
	if (f->flows >= 0 && f->counts >= 0 && f->hits >= 0 && f->shares >= 0 && f->cell >= 0 &&
	    f->per_cpu && f->offers && f->pulse)
		return f;
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
	for (unsigned i = 0; i < 5; i++) {
		int fd = ((const int[]){f->flows, f->counts, f->hits, f->shares, f->cell})[i];

		if (fd >= 0)
			(void)close(fd);
	}
	free(f->per_cpu);
	if (f->offers)
		(void)munmap(f->offers, f->offer_bytes);
	if (f->pulse)
		(void)munmap(f->pulse, f->pulse_bytes);
	free(f);
}

/* --- entries ------------------------------------------------------------------------------- */

int
fast_put(struct fast *f, const struct kflow_key *k, const struct fast_new *new)
{
	const struct kflow v = {.slot = new->slot,
	    .conduit = new->conduit,
	    .proto = new->proto,
	    .client_lo = new->client_lo,
	    .client_port = new->client_port};

	if (new->slot >= KFLOW_MAX || new->proto >= KFLOW__PROTOS || new->client_port > 1)
		return ERR_RANGE;
	fast_withdraw(f, new->slot);
	if (bpf_map_update_elem(f->flows, k, &v, BPF_NOEXIST) == 0)
		return 0;
	return errno == E2BIG ? ERR_FULL : err_from_errno(errno);
}

int
fast_read(const struct fast *f, const struct kflow_key *k, struct kflow *out)
{
	return bpf_map_lookup_elem_flags(f->flows, k, out, BPF_F_LOCK) < 0 ? ERR_NOTFOUND : 0;
}

unsigned
fast_keys(const struct fast *f, struct kflow_key *out, unsigned max)
{
	unsigned n = 0;

	while (n < max && bpf_map_get_next_key(f->flows, n ? &out[n - 1] : NULL, &out[n]) == 0)
		n++;
	return n;
}

int
fast_drop(struct fast *f, const struct kflow_key *k)
{
	return bpf_map_delete_elem(f->flows, k) < 0 ? ERR_NOTFOUND : 0;
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
	if (slot < KFLOW_MAX)
		offer_write(&f->offers[slot], &v);
}

void
fast_withdraw(struct fast *f, uint32_t slot)
{
	if (slot < KFLOW_MAX && f->offers[slot].valid) {
		offer_write(&f->offers[slot], &(const struct kflow_offer){0});
		__atomic_thread_fence(__ATOMIC_SEQ_CST); /* before the entry is read */
	}
}

void
fast_alive(struct fast *f, uint64_t now_ns)
{
	__atomic_store_n(&f->pulse->alive_ns, now_ns, __ATOMIC_RELAXED);
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
fast_rule_hits(struct fast *f, uint32_t rule, uint64_t *hits)
{
	const uint64_t *v = f->per_cpu;
	int set = set_in_force(f);
	uint32_t row;

	*hits = 0;
	if (set < 0 || rule >= FAST_RULES)
		return set < 0 ? set : ERR_RANGE;
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
