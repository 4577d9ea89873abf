// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* gate_pass.bpf.c - interim: every frame goes to the engine. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} outside SEC(".maps"), inside SEC(".maps");

SEC("xdp.frags")
int
pass_outside(struct xdp_md *c)
{
	return (int)bpf_redirect_map(&outside, c->rx_queue_index, XDP_DROP);
}

SEC("xdp.frags")
int
pass_inside(struct xdp_md *c)
{
	return (int)bpf_redirect_map(&inside, c->rx_queue_index, XDP_DROP);
}

char gate_license[] SEC("license") = "Dual BSD/GPL";
