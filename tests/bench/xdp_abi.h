/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* xdp_abi.h - what bench_xdp.c tells the prologue of xdp.bpf.c. */
#ifndef TESTS_BENCH_XDP_ABI_H
#define TESTS_BENCH_XDP_ABI_H

#include "ebpf/flow_abi.h"

#define XDP_CLIENTS 1024u	/* addresses; a connection more than that is another port of one */
#define XDP_CLIENT  0x0a010000u /* the first: 10.1.0.0 */
#define XDP_PORT    20000u

#define XDP_FRAME 128u

enum xdp_turn { XDP_ASKS = 0, XDP_TELLS, XDP_ACKS, XDP_TURNS };

struct xdp_frame {
	__u32 len, dir;	       /* dir 1: from the server */
	__u32 ip_sum, tcp_sum; /* of what the prologue does not write; 16-bit words as they lie */
	__u8 bytes[XDP_FRAME];
};

struct xdp_bench {
	__u32 n, at, stride; /* connections, the next, and how far to the one after it */
	__u32 turns;	     /* 1: one frame for all; XDP_TURNS: all of them take turns */
	__u32 turn;
	__u32 next[2]; /* of connection 0; one more each: to be sent by client, by server */
	__u32 put_back, n_open, start; /* n is 1: the entry before each run */
	__u64 since, ns[4], passes[4];
	struct xdp_frame frame[4]; /* of XDP_TURNS: a power of two for the verifier */
};

#endif /* TESTS_BENCH_XDP_ABI_H */
