/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * xdp.bpf.c - the filter behind a prologue that makes each run another frame, and the same
 * prologue alone: bench_xdp.c.
 *
 * The prologue writes a client's address and port, sequence numbers and both checksums into the
 * frame that BPF_PROG_TEST_RUN repeats, client after client in strides.  When all have had one
 * it takes the next of the frames, and notes how long that took.
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
	if (bench.n_open)
		e->open_at = e->sent_at[0];
	e->way[0].n_sent = e->way[1].n_sent = 0;
	e->way[0].next = bench.next[0];
	e->way[1].next = bench.next[1];
	e->way[0].acked = e->way[1].acked = bench.start;
}

/* Payload bytes of a frame. */
static __always_inline __u32
payload(__u32 turn)
{
	return bench.frame[turn & 3].len - 54;
}

/* All have had one: on with the next frame. */
__noinline int
turn_over(struct xdp_md *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	__u32 turn = bench.turn & 3, len;
	const struct xdp_frame *f;

	if (bench.since != 0) {
		bench.ns[turn] += now - bench.since;
		bench.passes[turn]++;
		bench.next[bench.frame[turn].dir & 1] += payload(turn);
		turn = turn + 1 < XDP_TURNS ? turn + 1 : 0;
	}
	f = &bench.frame[turn & 3];
	len = f->len;
	if (len < 54 || len > XDP_FRAME)
		return -1;
	if (bpf_xdp_adjust_tail(ctx, (int)len - (int)bpf_xdp_get_buff_len(ctx)) < 0 ||
	    bpf_xdp_store_bytes(ctx, 0, (void *)f->bytes, len) < 0)
		return -1;
	bench.turn = turn;
	bench.since = bpf_ktime_get_ns();
	return 0;
}

static __always_inline __u16
folded(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/* The direction, or -1. */
static __always_inline int
prologue(struct xdp_md *ctx)
{
	__u32 at = bench.at, seq, ack, addr_be, sum, dir;
	const struct xdp_frame *f;
	__u8 *p, *end;
	__u16 port_be;

	if (at == 0 && bench.turns > 1 && turn_over(ctx) < 0)
		return -1;
	f = &bench.frame[bench.turn & 3];
	dir = f->dir & 1;
	p = (__u8 *)(long)ctx->data;
	end = (__u8 *)(long)ctx->data_end;
	if (p + 54 > end)
		return -1;
	bench.at = at + bench.stride >= bench.n ? at + bench.stride - bench.n : at + bench.stride;
	addr_be = __builtin_bswap32(XDP_CLIENT + (at & (XDP_CLIENTS - 1)));
	port_be = __builtin_bswap16((__u16)(XDP_PORT + at / XDP_CLIENTS));
	seq = __builtin_bswap32(bench.next[dir] + at);
	ack = __builtin_bswap32(bench.next[dir ^ 1] + at);
	*(__u32 *)(p + (dir ? 30 : 26)) = addr_be;
	*(__u16 *)(p + (dir ? 36 : 34)) = port_be;
	*(__u32 *)(p + 38) = seq;
	*(__u32 *)(p + 42) = ack;
	sum = (addr_be & 0xffff) + (addr_be >> 16);
	*(__u16 *)(p + 24) = folded(f->ip_sum + sum);
	sum += port_be + (seq & 0xffff) + (seq >> 16) + (ack & 0xffff) + (ack >> 16);
	*(__u16 *)(p + 50) = folded(f->tcp_sum + sum);
	if (bench.put_back)
		put_back();
	return (int)dir;
}

SEC("xdp.frags")
int
bench_bare(struct xdp_md *ctx)
{
	return prologue(ctx) < 0 ? XDP_ABORTED : XDP_DROP;
}

SEC("xdp.frags")
int
bench_gate(struct xdp_md *ctx)
{
	int dir = prologue(ctx);

	if (dir < 0)
		return XDP_ABORTED;
	return dir ? gate(ctx, 1, &gate_xsks_in) : gate(ctx, 0, &gate_xsks_out);
}
