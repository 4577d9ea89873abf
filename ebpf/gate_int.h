/* SPDX-License-Identifier: Apache-2.0 */
/* gate_int.h - what the files of the loader share; gate.h is what others see. */
#ifndef EBPF_GATE_INT_H
#define EBPF_GATE_INT_H

#include "ebpf/abi.h"
#include "ebpf/gate.h"

struct bpf_object;
struct gate_bpf;
struct gate_pins;
struct ring_buffer;

struct gate_fds { /* of the maps that a policy fills */
	int nets[GATE_SETS], devices[GATE_SETS], pairs[GATE_SETS];
	int all_pairs; /* the map of the maps of pairs */
	int zones, conduits, confs, cell, buckets, tokens, tables, hits, shares, away;
};

struct gate {
	struct gate_bpf *bpf;	  /* NULL after gate_leave() */
	struct ring_buffer *ring; /* NULL: not kept */
	struct gate_fds fd;
	int sample_fd, link[2];
	int record, pinned[2]; /* gate_pin.h; -1: none, or not taken over */
	int mode[2];	       /* enum gate_mode of what is attached */
	unsigned n_cpus;
	bool fast;     /* gate_open_fast() */
	char not_fast[128]; /* why the policy in force is not judged by the kernel; or empty */
	void *per_cpu; /* a value of n_cpus counters */
	void (*sample)(void *ctx, const struct gate_sample *s);
	void *sample_ctx;
};

struct gate_fast_fds { /* borrowed */
	int flows, index, offers, pulse, counts, hits, shares, away, cell, confs;
	unsigned n_cpus;
};
/* 0, or ERR_USAGE: opened without, or left. */
int gate_fast_fds(const struct gate *g, struct gate_fast_fds *out);
/* KFLOW_HASH_WORDS of them, of a filter that gate_fast_fds() knows. */
const uint64_t *gate_fast_key(const struct gate *g);
/* Does a policy fit the tables? 0, or ERR_FULL or ERR_RANGE with a line that names the limit. */
int gate_check(const struct gate_spec *s, char *err, size_t err_size);
/* Make set (0 or 1) what spec says; nobody may be using it. 0 or -errno. */
/* why: a line when the kernel can judge no PDU of it, else empty. */
int gate_fill(const struct gate *g, unsigned set, const struct gate_spec *spec, uint32_t generation,
    char *why, size_t why_size);

/* What gate_bpf wraps. */
struct bpf_object *gate_object(const struct gate *g);
/* gate_pin.c: record, links and maps of p into g and its object, which is not loaded; key: of the
 * hashes in them.  0 or ERR_*, said: what does not fit. */
int gate_pin_take(struct gate *g, const struct gate_pins *p, struct bpf_object *obj, uint64_t *key,
    char *err, size_t size);

#endif /* EBPF_GATE_INT_H */
