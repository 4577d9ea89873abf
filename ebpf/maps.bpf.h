/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* maps.bpf.h - the maps of the filter; abi.h says what is in them. */
#ifndef EBPF_MAPS_BPF_H
#define EBPF_MAPS_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "ebpf/abi.h"
#include "ebpf/parsing.h"

struct nets {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC); /* the kernel asks for it */
	__uint(max_entries, GATE_NETS);
	__type(key, struct gate_net_key);
	__type(value, __u32); /* zone */
} gate_nets_1 SEC(".maps"), gate_nets_2 SEC(".maps");

struct devices {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GATE_DEVICES);
	__type(key, struct addr);
	__type(value, struct gate_device_row);
} gate_devices_1 SEC(".maps"), gate_devices_2 SEC(".maps");

struct pairs {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GATE_PAIRS);
	__type(key, struct gate_pair_key);
	__type(value, __u32); /* conduit */
} gate_pairs_1 SEC(".maps"), gate_pairs_2 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, GATE_SETS);
	__type(key, __u32);
	__array(values, struct nets);
} gate_nets SEC(".maps") = {.values = {&gate_nets_1, &gate_nets_2}};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, GATE_SETS);
	__type(key, __u32);
	__array(values, struct devices);
} gate_devices SEC(".maps") = {.values = {&gate_devices_1, &gate_devices_2}};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, GATE_SETS);
	__type(key, __u32);
	__array(values, struct pairs);
} gate_pairs SEC(".maps") = {.values = {&gate_pairs_1, &gate_pairs_2}};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GATE_ZONE_ROWS);
	__type(key, __u32);
	__type(value, struct gate_zone_row);
} gate_zones SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GATE_CONDUIT_ROWS);
	__type(key, __u32);
	__type(value, struct gate_conduit_row);
} gate_conduits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GATE_SETS);
	__type(key, __u32);
	__type(value, struct gate_conf);
} gate_confs SEC(".maps");

/* 0: no policy yet; else the number of the set in force.  One byte of it ever changes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} gate_cell SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GATE_ZONE_ROWS);
	__type(key, __u32);
	__type(value, struct gate_bucket);
} gate_buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GATE_ZONE_ROWS);
	__type(key, __u32);
	__type(value, struct gate_tokens);
} gate_tokens SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GATE_COUNTS_ROWS);
	__type(key, __u32);
	__type(value, struct gate_counter);
} gate_counters SEC(".maps");

/* Of what was the engine's to judge, since the tables of the row are filled. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GATE_CONDUIT_ROWS);
	__type(key, __u32);
	__type(value, struct gate_away);
} fast_away SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GATE_COUNTS_ROWS);
	__type(key, __u32);
	__type(value, struct gate_pace);
} gate_paces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, GATE_SAMPLE_RING);
} gate_samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, GATE_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} gate_xsks_out SEC(".maps"), gate_xsks_in SEC(".maps");

#endif /* EBPF_MAPS_BPF_H */
