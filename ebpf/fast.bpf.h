/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fast.bpf.h - maps of the connections that the kernel judges; flow_abi.h says what is in them.
 * The loader makes them small where nobody asked for the fast path. */
#ifndef EBPF_FAST_BPF_H
#define EBPF_FAST_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "ebpf/flow_abi.h"

const volatile __u64 hash_key[KFLOW_HASH_WORDS] = {0}; /* random, of every loading */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KFLOW_MAX);
	__type(key, struct kflow_key);
	__type(value, struct kflow);
} kflows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, KFLOW_MAX);
	__type(key, __u32);
	__type(value, struct kflow_offer);
} kflow_offers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kflow_pulse);
} kflow_pulse SEC(".maps");

#endif /* EBPF_FAST_BPF_H */
