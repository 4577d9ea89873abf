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
	int flows;
	struct kflow_offer *offers;
	struct kflow_pulse *pulse;
	size_t offer_bytes, pulse_bytes;
	uint64_t key[KFLOW_HASH_WORDS];
};

_Static_assert(sizeof(struct kflow_key) == 40 && sizeof(struct kflow_way) == 96 &&
		   sizeof(struct kflow_offer) == 56 && sizeof(struct kflow) % 8 == 0,
    "as the programs have them");

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
	f->offers = map_in(fd.offers, f->offer_bytes);
	f->pulse = map_in(fd.pulse, f->pulse_bytes);
	memcpy(f->key, gate_fast_key(g), sizeof(f->key));
	if (f->flows >= 0 && f->offers && f->pulse)
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
	if (f->flows >= 0)
		(void)close(f->flows);
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
