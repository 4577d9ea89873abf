/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard.h - the parent: makes everything ready, starts the others, looks after them.
 *
 *	parent --- builder   text of a policy to an image; lives for a moment
 *	   |------ worker    packets; no file, no key, no right
 *	   |------ signer    key, journal, EVE file; no packet
 *	   `------ metrics   numbers by HTTP; nothing else
 *
 * The parent reads no packet and no policy text.  It holds the ports' settings, the filter in the
 * kernel and the images, and answers `ctl`.  A process that dies or hangs is started again; while
 * there is no worker the filter in the kernel drops everything.  docs/ARCHITECTURE.md has the rest.
 */
#ifndef GUARD_GUARD_H
#define GUARD_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alerts/receipt.h"
#include "ebpf/gate.h"

struct guard_conf {
	const char *port[2]; /* interfaces: outside, inside; or what their devices are called */
	const char
	    *device[2]; /* dpdk: what EAL is told; NULL: AF_XDP behind the filter in the kernel */
	bool no_netdev[2]; /* dpdk: the kernel has no interface of it */
	const char *policy_path;
	const char *journal_dir, *key_path, *eve_path; /* as in alerts_conf; or NULL */
	struct receipt_files receipts;		       /* of a collector, for the journal */
	const char *sender_dir;			       /* whose deliveries are told; or NULL */
	uint64_t sender_behind_s;
	const char *sensor;			       /* or NULL: the host's name */
	const char *ctl_path;			       /* NULL = CTL_PATH */
	const char *admins, *viewers;		       /* groups, or NULL */
	const char *metrics;			       /* ADDR:PORT, or NULL */
	const char *state_dir;			       /* NULL = PORT_STATE_DIR */
	const char *keep_dir;			       /* NULL = KEEP_DIR (keep.h) */
	const char *signers; /* public keys: no policy that none of them has signed; or NULL */
	size_t memory_bytes; /* of the engines together; 0 = the default of each */
	unsigned workers;    /* dpdk: threads that judge packets; 0 = 1 */
	uint64_t journal_bytes;
	enum gate_mode mode;
	bool zerocopy, allow_addresses, take_over;
	bool fast_path;	   /* the kernel judges polling alone (ebpf/fast.h) */
	bool no_pin;	   /* ... and ends with us */
	const char
	    *pin_dir;	    /* else: where it is pinned; NULL = after the ports (ebpf/gate_pin.h) */
	const char *bypass; /* file:PATH or exec:PROGRAM (bypass.h); NULL = none */
	bool link_follow;  /* a port without link takes the other one down */
	char *const *argv; /* as the program was started, for an upgrade; or NULL */
};

/* Runs until it is told to stop; 0, or 2 when it could not work (said on standard error). */
int guard_run(const struct guard_conf *conf);

/* Puts back what dead guards left of ports and filters, pinned ones left out.  0, or 2. */
int guard_restore(const char *state_dir);
/* Takes away what is pinned (pins_detach()), then the same.  0, or 2. */
int guard_detach(const struct guard_conf *conf);

#endif /* GUARD_GUARD_H */
