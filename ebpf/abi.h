/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * abi.h - what the programs in the kernel and their loader have in common: keys and values of
 * the maps, and why a frame is dropped.  Both sides include it and nothing of each other.
 *
 * Tables come in two sets.  The loader fills the one that is not in use, then writes its number
 * into the cell, which the programs read once per frame:
 *
 *            cell      nets, devices, pairs    zones, conduits, conf
 *           +----+     +-------+-------+       +-------------------+
 *   0 none  | 2  | --> | set 1 | set 2 |       | set 1   | set 2   |   one array each,
 *           +----+     +-------+-------+       +-------------------+   row set * MAX + index
 *                      map of maps
 *
 * Numbers are in host order unless the name ends in _be; addresses are 16 bytes in network
 * order, IPv4 as ::ffff:a.b.c.d.
 */
#ifndef EBPF_ABI_H
#define EBPF_ABI_H

#include <linux/types.h>

/* Limits; a policy that needs more is refused with the limit's name. */
#define GATE_SETS     2u
#define GATE_ZONES    1024u
#define GATE_NETS     4096u
#define GATE_DEVICES  16384u
#define GATE_PAIRS    131072u /* from x to, all conduits */
#define GATE_CONDUITS 8192u
#define GATE_QUEUES   64u /* receive queues of a port */
#define GATE_CPUS     512u
#define GATE_RANGES   16u /* port ranges of a conduit */

#define GATE_ZONE_ROWS	  2048u /* of both sets */
#define GATE_CONDUIT_ROWS 16384u

#define GATE_SAMPLE_BYTES 256u	     /* of a denied frame */
#define GATE_SAMPLE_RING  (1u << 18) /* bytes of the ring of samples: more than 2 s of them */
#define GATE_SAMPLE_RATE  8u	     /* per second, reason and port; as many at once */

/* Why a frame does not go to the engine.  Names are those of dataplane/drop.def; numbers are
 * the programs' own and index the map of counters. */
enum gate_reason {
	GATE_TO_ENGINE = 0, /* no reason: it goes */
#define GATE_REASON(id, name) GATE_##id,
#include "ebpf/reason.def"
#undef GATE_REASON
	GATE__REASONS
};
#define GATE_PASSED	 63u /* by the other port, unjudged (flow_abi.h) */
#define GATE_FORWARDED	 62u /* judged by the kernel: counted in fast_counts, not here */
#define GATE_COUNTS	 64u /* rows of a port in the map of counters */
#define GATE_COUNTS_ROWS 128u

/* Ends of a pair, as policy/rules.h numbers them: kind << 30 | index. */
enum gate_end { GATE_END_ANY = 0, GATE_END_ZONE, GATE_END_DEVICE };
#define GATE_END_SHIFT 30
/* Bit of a kind in gate_device.ends and gate_zone.ends: some pair has such an end there. */
#define GATE_IS_FROM(kind) (1u << (kind))
#define GATE_IS_TO(kind)   (8u << (kind))

struct gate_net_key { /* of the LPM tries */
	__u32 len;    /* bits */
	__u8 addr[16];
};

struct gate_device_row { /* by address */
	__u32 index, zone;
	__u16 mac[3]; /* as it lies in a frame */
	__u8 has_mac;
	__u8 ends; /* GATE_IS_FROM, GATE_IS_TO of END_DEVICE */
};

struct gate_pair_key {
	__u32 from, to;
};

#define GATE_PORT_ANY 0xff

/* A limit: a token costs `cost` sixteenths of a nanosecond, and a second's worth fits the bucket;
 * a CPU takes `batch` at once.  cost 0: no limit. */
struct gate_limit {
	__u64 cost;
	__u32 batch, pad;
};
#define GATE_TICKS_PER_S 16000000000ULL

struct gate_zone_row {
	__u16 vlan;    /* 0: any */
	__u8 port;     /* 0 outside, 1 inside, GATE_PORT_ANY */
	__u8 ends;     /* GATE_IS_FROM, GATE_IS_TO of END_ZONE and END_ANY */
	__u32 limited; /* one of: */
	struct gate_limit packets, flows;
};

struct gate_conduit_row {
	__u8 everything; /* whatever the port: the engine must see it all */
	__u8 echo, place_drop, mac_drop;
	__u16 tcp, udp; /* bit i: range i is for it */
	__u32 n_ranges;
	__u32 range[GATE_RANGES]; /* lo << 16 | hi: ports of the server, inclusive */
	__u32 block[4];		  /* by enum kflow_proto: in the tables, or 0 */
	__u8 fail_open;
	__u8 counted; /* each packet costs its sender's zone a token: judged late, never early */
	__u8 pad[2];
};

struct gate_conf { /* what is asked of every frame */
	__u32 generation;
	__u8 default_pass; /* what has no conduit goes to the engine: the mode enforces nothing */
	__u8 arp_bound, arp_drop, mac_drop, place_drop, other_drop, ra_drop, mld_drop, stp, dcp;
	__u8 fast;	       /* the tables are there */
	__u8 fail_open;	       /* of what no conduit governs */
	__u8 types[65536 / 8]; /* bit of an ethertype: allowed */
};

struct gate_bucket {	      /* of a zone; shared by all CPUs */
	__u64 packets, flows; /* when the tokens that are out have been earned; sixteenths of ns */
	__u64 pad[6];	      /* a cache line each */
};
struct gate_tokens { /* what a CPU has taken and not yet spent */
	__u32 packets, flows;
};

struct gate_counter { /* per CPU, row port * GATE_COUNTS + reason */
	__u64 packets, bytes;
};
/* Frames that came while the engine was away: per CPU, row of gate_conduits. */
struct gate_away {
	__u64 dropped, unjudged;
};
struct gate_pace {    /* of the samples of a row */
	__u64 earned; /* as gate_bucket */
	__u64 told;   /* packets, of all CPUs, when the last was made */
};

struct gate_record { /* in the ring of samples */
	__u64 count; /* frames of this reason and port since the last record of it */
	__u32 len;
	__u16 caplen;
	__u8 port, reason;
	__u8 bytes[GATE_SAMPLE_BYTES];
};

#endif /* EBPF_ABI_H */
