/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* xdp_abi.h - what bench_xdp.c tells the prologue of xdp.bpf.c. */
#ifndef TESTS_BENCH_XDP_ABI_H
#define TESTS_BENCH_XDP_ABI_H

#include "ebpf/flow_abi.h"

#define XDP_CLIENTS 1024u	/* addresses; a connection more than that is another port of one */
#define XDP_CLIENT  0x0a010000u /* the first: 10.1.0.0 */
#define XDP_PORT    20000u

struct xdp_bench {
	__u32 n, at, stride;   /* connections, the next, and how far to the one after it */
	__u32 dir;	       /* 1: from the server */
	__u32 seq, ack;	       /* of connection 0; one more each */
	__u32 ip_sum, tcp_sum; /* of what the prologue does not write; 16-bit words as they lie */
	/* n 1: the entry before each run */
	__u32 next[2], acked, n_open;
};

#endif /* TESTS_BENCH_XDP_ABI_H */
