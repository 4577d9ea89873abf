/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * flow_abi.h - connections whose PDUs the kernel judges: what the programs and the engine
 * know of each other.  docs/PROTOCOL.kernel.md says how ownership goes to and fro; this is its memory.
 *
 *   kflow_index   where the entry of a connection is: buckets by a keyed hash of its endpoints.  Mapped
 *                 memory that the engine writes; the programs only read it
 *   kflows        [slot] -> struct kflow, the connection as the kernel sees it.  Mapped memory: the
 *                 engine puts it in, takes it out, reads it; it never updates one that is there
 *   kflow_offers  [slot] -> struct kflow_offer, where the engine says: from these numbers on it
 *                 is yours.  Mapped memory; the programs only read it
 *   kflow_pulse   [0] -> when the engine was last seen alive
 *
 * A connection has one owner.  The kernel takes it by an offer that still holds, and gives it back
 * with the first frame that it cannot judge (epoch counts that).  Sequence numbers and windows are in
 * host order, those of the direction's sender; [0] is client to server, [1] server to client.
 */
#ifndef EBPF_FLOW_ABI_H
#define EBPF_FLOW_ABI_H

#include <linux/types.h>

/*
 * Of all memory that outlives its guard (gate.h, pins): one more whenever the layout or the meaning of a
 * map's keys or values changes in a way that their sizes do not show.
 */
#define KFLOW_ABI 5u

#define KFLOW_MAX     102400u /* connections */
#define KFLOW_OPEN    4u     /* requests of one that wait for their answers */
#define KFLOW_SENT    4u     /* segments of a direction that are not acknowledged */
#define KFLOW_ADU     64u    /* bytes of a request of Modbus or S7; a longer one is the engine's */
#define KFLOW_HEAD    32u    /* bytes of it that are looked at again */
#define KFLOW_PAYLOAD 1472u  /* of a segment; the same: what an Ethernet frame holds */

#define KFLOW_PULSE_NS 250000000ull /* an engine that was silent for so long is away */

enum kflow_owner { KFLOW_ENGINE = 0, KFLOW_KERNEL };
enum kflow_proto { KFLOW_MODBUS = 0, KFLOW_S7, KFLOW_OPCUA, KFLOW__PROTOS };

/*
 * Endpoints without direction: lo is the numerically lower of (address, port), both read as big-endian
 * numbers, the address first.  IPv4 is ::ffff:a.b.c.d.
 */
struct kflow_key {
	__u8 lo[16], hi[16];
	__u16 lo_port, hi_port; /* host order */
	__u16 vlan;		/* outermost id; 0: untagged */
	__u8 proto;		/* of IP: 6 */
	__u8 pad;
};

/*
 * The index.  A connection is in its first bucket, or in the second when that was full: one line of the
 * cache each.  No two places of a bucket have one tag.
 */
#define KFLOW_BUCKETS 65536u
#define KFLOW_PLACES  8u
#define KFLOW_OFFERED                                                                              \
	0x80000000u /* in kflow_place.slot: offered or the kernel's; else wanted back */

struct kflow_place {
	__u32 tag;  /* 0: a free place */
	__u32 slot; /* one more than it is; 0: nobody's */
};
struct kflow_bucket {
	struct kflow_place place[KFLOW_PLACES];
};

/* A segment that went on its way and is not acknowledged: what comes again has to be the same. */
struct kflow_sent {
	__u32 seq;
	__u16 len, pad;
	__u64 hash; /* kflow_hash() of the payload */
};

/* One place of three rings, in a line of the cache: a segment of each direction, and a request without an
 * answer as it was sent (the front of it).  A poll that waits for nothing else has all in one place. */
struct kflow_turn {
	struct kflow_sent sent[2];
	__u8 head[KFLOW_HEAD];
};

struct kflow_way {
	__u32 next;  /* sequence number of the byte that comes next */
	__u32 acked; /* the peer has acknowledged up to here */
	__u32 edge;  /* so far the peer lets it send: acknowledgement and scaled window */
	__u32 ts;    /* newest timestamp (RFC 7323), where it sends them */
	__u16 win;   /* last window that it advertised, unscaled */
	__u8 wscale; /* how much that is shifted */
	__u8 n_sent;
	__u16 smac[3], dmac[3]; /* as in the frames, since the kernel took it */
};

/*
 * What of an OPC UA connection is known, in host order; fast_opcua.h says what is done with it.  The engine
 * gives it with an offer; the programs change seq[] and the open requests.  A request that the engine has
 * allowed is known by the hash of its bytes, numbers and times taken for zero.
 */
#define KFLOW_UA_OPEN  16u /* requests that wait: a client keeps several Publish requests open */
#define KFLOW_UA_KNOWN 8u

struct kflow_ua {
	__u32 channel, token[2];
	__u32 seq[2];		 /* of the last message */
	__u32 max[2];		 /* bytes of a message, with its header */
	__u8 sig;		 /* bytes of signature at the end of each */
	__u8 policy, mode, user; /* as the dissector counts them; not the programs' */
	__u64 hash[KFLOW_UA_KNOWN];
	__u16 known[KFLOW_UA_KNOWN]; /* bytes that the hash is of; 0: none */
	__u16 rule[KFLOW_UA_KNOWN];  /* that allowed it */
	__u32 open[KFLOW_UA_OPEN];   /* request ids, in no order; kflow.n_open of them */
	__u16 type[KFLOW_UA_OPEN];   /* of the request: number of its Default Binary encoding */
};

/*
 * The lock of an entry, and its version.  A program holds it from a compare-and-swap that makes it odd to a
 * store of the next even number; the engine, while it puts the entry in or takes it out, by the highest bit.
 * Then the entry is not there: programs do not wait for the engine, and one that is killed holds nobody up.
 */
#define KFLOW_HELD 1u
#define KFLOW_GONE 0x80000000u

static inline __attribute__((always_inline)) __u32
kflow_next_version(__u32 was)
{
	return ((was | KFLOW_HELD) + 1) & ~KFLOW_GONE;
}

/* By lines of the cache: the fewer of them a frame needs, the better. */
struct kflow {
	__u32 version;
	__u32 generation; /* of the policy when it was taken */
	/* Written by the engine when it puts the entry in, all zero when it is taken out. */
	struct kflow_key key;
	union {
		struct {
			__u32 conduit;	/* index in the policy */
			__u8 proto;	/* enum kflow_proto */
			__u8 client_lo; /* the client is lo */
			__u8
			    client_port; /* 0: it is behind the outside port, 1: behind the inside port */
			__u8 used;	 /* 1 */
		};
		__u64 what; /* the five of them */
	};
	/* Written by the programs, under the lock; all zero at first. */
	__u8 owner;   /* enum kflow_owner */
	__u8 n_open;  /* requests in open[] */
	__u8 open_at; /* turn[] of the oldest of them; a ring */
	__u8 has_ts;  /* bit dir: way[dir].ts is one, and every segment carries one */
	__u32 epoch;  /* how often the kernel has given it back */

	struct kflow_way way[2];

	__u32 up;      /* frames of it that went to the engine since the entry is there */
	__u32 lost;    /* frames passed unjudged meanwhile (fail open): the numbers are of no use */
	__u64 last_ns; /* kflow_pulse.alive_ns at the last frame that the kernel passed */
	__u64 packets, bytes, pdus; /* that it passed */
	__u8 open_len[KFLOW_OPEN];
	__u8 sent_at[2]; /* turn[] of the oldest segment; rings */
	__u8 pad[2];
	__u32 slot;		     /* the engine's to write, as above */
	__u32 errors;		     /* of pdus: exceptions and errors */
	__u16 open_rule[KFLOW_OPEN]; /* that allowed it */

	struct kflow_turn turn[KFLOW_OPEN];
	union {
		__u8 rest[KFLOW_OPEN][KFLOW_ADU - KFLOW_HEAD]; /* of requests longer than a head */
		struct kflow_ua ua;			       /* of OPC UA */
		__u8 lines[4][64];			       /* as many as there are */
	};
};

/*
 * Written by the engine alone: version odd, the rest, version even (kflow_offer_put()).  It holds
 * as long as the entry's `up` is `seen` and the policy in force has this generation: any frame
 * that went up since has made it void.
 */
struct kflow_offer {
	__u32 version;
	__u32 valid;
	__u32 seen;	  /* kflow.up, as the engine has read it */
	__u32 generation; /* policy_generation() */
	__u32 next[2], acked[2], edge[2], ts[2];
	__u16 win[2];
	__u8 wscale[2];
	__u8 has_ts; /* bit dir: ts[dir] is one */
	__u8 n_open; /* in ua */
	struct kflow_ua ua;
};

/* Tables of the policy, as the programs walk them: set * FAST_CHUNKS + index. */
#define FAST_CHUNK_WORDS 32u
#define FAST_CHUNKS	 32768u /* 4 MiB of tables; with more the fast path is off for the policy */
#define FAST_CHUNK_ROWS	 65536u
#define FAST_RULES	 16384u /* the same; rows of hits: set * FAST_RULES + rule */
#define FAST_RULE_ROWS	 32768u

struct fast_chunk {
	__u32 w[FAST_CHUNK_WORDS];
};

/* What becomes of a frame of a connection that has an entry; fast_reason.def. */
enum fast_reason {
#define FAST_REASON(id, name) FAST_##id,
#include "ebpf/fast_reason.def"
#undef FAST_REASON
	FAST__REASONS
};
#define FAST_COUNTS	 32u /* rows of a port */
#define FAST_COUNTS_ROWS 64u

struct
    fast_counter { /* per CPU: row port * FAST_COUNTS + reason; or set * GATE_CONDUITS + conduit */
	__u64 packets, bytes, pdus;
};

struct kflow_pulse {
	__u64 alive_ns; /* CLOCK_MONOTONIC; 0: nobody writes it, the engine counts as alive */
	/* Until then nothing passes unjudged, whatever fails open: one engine hands its connections
	 * to another, and has to have seen all of them. */
	__u64 hold_ns;
};

/*
 * NH of UMAC (Black, Halevi, Krawczyk, Krovetz, Rogaway 1999) over 32-bit words: whoever does not
 * know the key makes two payloads of one length that agree with a chance of 2^-32.  words: the payload,
 * zeros behind it up to a whole word.
 */
#define KFLOW_HASH_WORDS 256u /* words of the key: at least KFLOW_PAYLOAD / 8, and a power of two */

static inline __attribute__((always_inline)) __u64
kflow_hash_word(__u64 word, __u64 key)
{
	return (__u64)((__u32)word + (__u32)key) *
	       (__u32)((__u32)(word >> 32) + (__u32)(key >> 32));
}

/* Where to look for a connection: *tag in the bucket that is returned, then in kflow_second(). */
static inline __attribute__((always_inline)) __u32
kflow_first(const __u64 *key, const volatile __u64 *hash_key, __u32 *tag)
{
	__u64 h = 0;

	for (int i = 0; i < (int)(sizeof(struct kflow_key) / 8); i++)
		h += kflow_hash_word(key[i], hash_key[i]);
	h = (h ^ h >> 32) * 0x9e3779b97f4a7c15ull;
	*tag = (__u32)h | 1; /* 0 is a free place */
	return (__u32)(h >> 48);
}

static inline __attribute__((always_inline)) __u32
kflow_second(__u32 first, __u32 tag)
{
	return (first ^ (tag >> 8 | 1)) & (KFLOW_BUCKETS - 1);
}

#endif /* EBPF_FLOW_ABI_H */
