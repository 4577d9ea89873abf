/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * xdp.bpf.c - the filter behind a prologue that makes each run another frame, and the same
 * prologue alone: bench_xdp.c.
 *
 * The prologue writes a client's address and port, sequence numbers and both checksums into the
 * frame that BPF_PROG_TEST_RUN repeats, client after client in strides.
 */
#include "ebpf/gate.bpf.c"

#include "tests/bench/xdp_abi.h"

struct xdp_bench bench; /* written between runs */

/* One connection only: it is put back to where it was, so that the same frame fits again. */
static __always_inline void
put_back(void)
{
	__u32 slot = 0;
	struct kflow *e = bpf_map_lookup_elem(&kflows, &slot);

	if (!e)
		return;
	e->n_open = (__u8)bench.n_open;
	e->open_at = 0;
	e->way[0].n_sent = e->way[1].n_sent = 0;
	e->way[0].next = bench.next[0];
	e->way[1].next = bench.next[1];
	e->way[0].acked = e->way[1].acked = bench.acked;
}

static __always_inline __u16
folded(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static __always_inline int
prologue(struct xdp_md *ctx)
{
	__u8 *p = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;
	__u32 at = bench.at, seq, ack, addr_be, sum;
	__u16 port_be;

	if (p + 54 > end)
		return -1;
	bench.at = at + bench.stride >= bench.n ? at + bench.stride - bench.n : at + bench.stride;
	addr_be = __builtin_bswap32(XDP_CLIENT + (at & (XDP_CLIENTS - 1)));
	port_be = __builtin_bswap16((__u16)(XDP_PORT + at / XDP_CLIENTS));
	seq = __builtin_bswap32(bench.seq + at);
	ack = __builtin_bswap32(bench.ack + at);
	*(__u32 *)(p + (bench.dir ? 30 : 26)) = addr_be;
	*(__u16 *)(p + (bench.dir ? 36 : 34)) = port_be;
	*(__u32 *)(p + 38) = seq;
	*(__u32 *)(p + 42) = ack;
	sum = (addr_be & 0xffff) + (addr_be >> 16);
	*(__u16 *)(p + 24) = folded(bench.ip_sum + sum);
	sum += port_be + (seq & 0xffff) + (seq >> 16) + (ack & 0xffff) + (ack >> 16);
	*(__u16 *)(p + 50) = folded(bench.tcp_sum + sum);
	if (bench.n == 1)
		put_back();
	return 0;
}

SEC("xdp.frags")
int
bench_bare(struct xdp_md *ctx)
{
	return prologue(ctx) < 0 ? XDP_ABORTED : XDP_DROP;
}

SEC("xdp.frags")
int
bench_out(struct xdp_md *ctx)
{
	return prologue(ctx) < 0 ? XDP_ABORTED : gate(ctx, 0, &gate_xsks_out);
}

SEC("xdp.frags")
int
bench_in(struct xdp_md *ctx)
{
	return prologue(ctx) < 0 ? XDP_ABORTED : gate(ctx, 1, &gate_xsks_in);
}
