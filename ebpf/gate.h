/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.h - the filter in the kernel: XDP programs on both ports that judge L2 to L4 by
 * the tables of a policy and give what is allowed to the engine through XSKMAPs.
 *
 * Life: gate_open() loads programs and maps (CAP_BPF, CAP_NET_ADMIN; CAP_SYS_ADMIN to find what
 * a predecessor left); gate_set_policy() fills the tables that are not in use and switches to
 * them by one cell; gate_attach() puts a port under it.  Until a policy is set everything is
 * dropped.  AF_XDP sockets are registered by whoever owns them, in the map whose descriptor
 * gate_xskmap() lends.  gate_close() takes the programs off.  One thread at a time.
 *
 * Who may do what after a fork (tests/ebpf/gate_test.c holds it):
 *
 *   parent, with its rights          everything
 *   any process that kept its        gate_set_policy, gate_counts, gate_totals, gate_xskmap, and gate_attach
 *   descriptors, without any right   to a port that is free: bpf(2) on descriptors asks for no right.
 *                                    Taking over and cleaning do not work (ERR_PERM)
 *   worker after gate_leave(g, true) gate_samples, without a system call; poll() on gate_sample_fd().
 *   under a seccomp filter           bpf(2) may be forbidden.  gate_counts then finds nothing
 *   other children                   gate_leave(g, false) first thing
 *
 * The link of a port ends with its last descriptor, unless it is pinned (gate_pin.h): a child that
 * has not left keeps the filter on the port after its parent has died.
 */
#ifndef EBPF_GATE_H
#define EBPF_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/gate.h"

struct gate;

enum gate_mode { GATE_AUTO = 0, GATE_NATIVE, GATE_GENERIC };

/* NULL on failure, one line for the user in err. */
struct gate *gate_open(char *err, size_t err_size);
/* The same with room for connections whose PDUs the kernel judges (fast.h): 60 MiB more. */
struct gate *gate_open_fast(char *err, size_t err_size);
/* The old tables stay in force when it fails (ERR_*). */
int gate_set_policy(struct gate *g, const struct gate_spec *spec, uint32_t generation, char *err,
    size_t err_size);
/* port: 0 outside, 1 inside.  AUTO tries native, then generic; the mode it got, or ERR_*.  When AUTO
 * ends as GENERIC err holds a line that says why.  replace: put this program in the place of
 * a predecessor's, between two frames and in the mode it has; its sockets get nothing from then on.
 * A program that is not ours is never replaced: ERR_EXISTS. */
int gate_attach(struct gate *g, unsigned port, int ifindex, enum gate_mode mode, bool replace,
    char *err, size_t err_size);
/* Why no PDU of the policy in force is judged in the kernel, a line; NULL: those are of which a
 * conduit's block says so (policy/gate.h). */
const char *gate_not_fast(const struct gate *g);
int gate_xskmap(const struct gate *g, unsigned port);
/* What a predecessor that was killed left on an interface: true when there was something of
 * ours, and it is gone. Never touches a program that is not ours. */
bool gate_clean(int ifindex);
/* The same for what a driver over AF_XDP leaves when its process is killed: libxdp's own program.  For who
 * knows that nobody else uses the interface.  Without CAP_SYS_ADMIN the program is taken for one. */
bool gate_clean_driver(int ifindex);
/* In a process that loads no programs of ours: libbpf and libxdp, which a driver uses, say nothing. */
void gate_quiet(void);
void gate_close(struct gate *g);
/* In a forked child: gives up programs, tables and links, and keeps no more than the ring of samples. */
void gate_leave(struct gate *g, bool keep_samples);

/* --- what it counted --------------------------------------------------------------------- */

/* Reasons have the names of drop.def, and one counter per port each. */
struct gate_count {
	const char *reason; /* "l2.policy"; NULL ends the list */
	uint64_t packets[2], bytes[2];
};
#define GATE_COUNT_MAX 64u /* more than there are reasons */
/* Sums over all CPUs; n of them written, zeros included, and an end behind when it fits. */
unsigned gate_counts(const struct gate *g, struct gate_count *out, unsigned max);
struct gate_totals {
	uint64_t rx[2], to_engine[2], dropped[2];
	uint64_t passed[2]; /* by the other port, without the engine: rx is the sum of the three */
};
void gate_totals(const struct gate *g, struct gate_totals *out);
/* Bytes of kernel memory that the maps hold: all of it from gate_open() on, but for the nets. */
size_t gate_memory(const struct gate *g);
struct gate_program {
	const char *name;		     /* as bpftool shows it */
	int fd;				     /* borrowed */
	uint32_t id, verified, instructions; /* verified: instructions the verifier went through */
};
/* 0 or ERR_*. */
int gate_program(const struct gate *g, unsigned port, struct gate_program *out);

/* A denied frame, sampled (bounded per second), so that it is alerted like the engine's own. */
struct gate_sample {
	uint64_t count; /* frames of this reason and port since the last sample of it */
	uint8_t port;
	const char *reason;
	uint32_t len, caplen;
	const uint8_t *bytes; /* the frame's first caplen bytes; valid in the callback */
};
/* Calls fn for what has come; returns how many. fd for poll(): gate_sample_fd().  Frames that are
 * dropped because nobody reads or no policy is in force make no samples. */
int gate_samples(struct gate *g, void (*fn)(void *ctx, const struct gate_sample *s), void *ctx);
int gate_sample_fd(const struct gate *g);

#endif /* EBPF_GATE_H */
