/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* redirect.bpf.c - what comes in by one port goes out by the other, and nothing else: guard.sh. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} redirect_to SEC(".maps");

SEC("xdp")
int
redirect_out(struct xdp_md *ctx)
{
	(void)ctx;
	return (int)bpf_redirect_map(&redirect_to, 1, 0);
}

SEC("xdp")
int
redirect_in(struct xdp_md *ctx)
{
	(void)ctx;
	return (int)bpf_redirect_map(&redirect_to, 0, 0);
}
