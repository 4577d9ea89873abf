/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fast_opcua.h - OPC UA that the kernel judges: a message in one chunk and one segment on an open
 * channel, mode None or Sign.
 *
 * [P4] OPC 10000-4 v1.05    [P6] OPC 10000-6 v1.05; all numbers low byte first
 *
 *    0     4      8         12      16       20        24      28
 *   | MSGF | size | channel | token | number | request | type  | RequestHeader ...      | signature
 *   | MSGF | size | channel | token | number | request | type  | ResponseHeader, 24 ... | signature
 *
 * What a request acts on is not read here, and no table is asked.  The engine has allowed the same bytes
 * before, by the policy in force and with the session as it is now, and has given the hash of them
 * (struct kflow_ua); what may differ, and means nothing to a rule, is taken for zero: size, channel,
 * token, number and request id, which are compared by themselves, time and request handle, and of a
 * Publish what it acknowledges.  dissectors/opcua/lend.h makes the same bytes of a request; whatever
 * one of the two reads otherwise is not known.
 *
 * An answer has the id of an open request and the type that belongs to it, or is a ServiceFault; of
 * its body only the header is read, as by the engine (dissectors/opcua/quick.h).
 *
 * Programs in the kernel and tests in user space compile this file.
 */
#ifndef EBPF_FAST_OPCUA_H
#define EBPF_FAST_OPCUA_H

#include <stdbool.h>

#include <linux/types.h>

#include "ebpf/flow_abi.h"

#define UA_MSGF		0x4647534du /* "MSGF" */
#define UA_TYPE		24u	    /* of the body: a NodeId, 01 00 and two bytes */
#define UA_BODY		28u	    /* a NodeId, the authentication token; or the ResponseHeader */
#define UA_TIMES	12u	    /* behind that NodeId: time and request handle */
#define UA_HEADER	27u  /* that NodeId to the body, when there is nothing unusual in it */
#define UA_ANSWER	52u  /* bytes of an answer up to the end of its header */
#define UA_ID_MAX	256u /* bytes of an authentication token's text */
#define UA_ACKS		64u  /* that a Publish may carry */
#define UA_SEQ_LAST	0xffffffffu /* numbers that begin anew, [P6] 6.7.2.4, are the engine's */
#define UA_PUBLISH	826u	    /* [P6] annex A.3, Default Binary encodings */
#define UA_SERVICEFAULT 397u
#define UA_ANSWERS	3u /* more than its request's is the number of an answer */

#define UA_ROOM 2048u /* of a buffer for a request: a power of two */
_Static_assert(UA_BODY + 7 + UA_ID_MAX + UA_HEADER + 4 < UA_ROOM / 2 && KFLOW_PAYLOAD <= UA_ROOM,
    "what is read lies in the buffer");

/* A message at hand. */
struct ua_hand {
	__u64 hash;  /* of a request */
	__u32 known; /* bytes that it is of */
	__u16 type;
	__u8 sig; /* bytes of signature that it was read with */
	__u8 at;  /* of the open request that it answers */
	__u8 error;
};

static inline __attribute__((always_inline)) __u32
ua_le16(const __u8 *p)
{
	return (__u32)p[0] | (__u32)p[1] << 8;
}

static inline __attribute__((always_inline)) __u32
ua_le32(const __u8 *p)
{
	return ua_le16(p) | ua_le16(p + 2) << 16;
}

/* Bytes of the NodeId at p, [P6] 5.2.2.9; 0: none that is read here. */
static inline __attribute__((always_inline)) __u32
ua_node(const __u8 *p)
{
	__u32 text;

	switch (p[0]) {
	case 0:
		return 2;
	case 1:
		return 4;
	case 2:
		return 7;
	case 4:
		return 19;
	case 3:
	case 5:
		text = ua_le32(p + 3);
		return text <= UA_ID_MAX ? 7 + text : 0;
	default:
		return 0;
	}
}

/*
 * A request of n bytes in b[UA_ROOM], sig of them signature: what may differ is made zero.  How many
 * bytes from the front it is to be known by; 0: not of the form.
 */
static inline __attribute__((always_inline)) __u32
ua_alike(__u8 *b, __u32 n, __u32 sig, __u16 *type)
{
	__u32 at = UA_BODY + ua_node(b + UA_BODY), acks;

	if (ua_le32(b) != UA_MSGF || ua_le32(b + 4) != n || b[UA_TYPE] != 1 ||
	    b[UA_TYPE + 1] != 0 || at == UA_BODY || at + UA_HEADER + sig > n)
		return 0;
	*type = (__u16)ua_le16(b + UA_TYPE + 2);
	for (__u32 i = 4; i < UA_TYPE; i++)
		b[i] = 0;
	at &= UA_ROOM / 2 - 1;
	for (__u32 i = 0; i < UA_TIMES; i++)
		b[at + i] = 0;
	if (*type != UA_PUBLISH)
		return n - sig;
	/* No audit text, no additional header; then n numbers of eight bytes, [P4] 5.14.5. */
	acks = ua_le32(b + at + UA_HEADER);
	if (ua_le32(b + at + 16) + 1 > 1 || (b[at + 24] | b[at + 25] | b[at + 26]) != 0 ||
	    acks > UA_ACKS || at + UA_HEADER + 4 + 8 * acks + sig != n)
		return 0;
	return at + UA_HEADER;
}

/* The front of an answer of n bytes; *error: it says that something went wrong. */
static inline __attribute__((always_inline)) bool
ua_answer(const __u8 *p, __u32 n, __u32 sig, __u16 *type, __u8 *error)
{
	if (n < UA_ANSWER + sig || ua_le32(p) != UA_MSGF || ua_le32(p + 4) != n ||
	    p[UA_TYPE] != 1 || p[UA_TYPE + 1] != 0 || p[44] != 0 || ua_le32(p + 45) + 1 > 1 ||
	    (p[49] | p[50] | p[51]) != 0)
		return false;
	*type = (__u16)ua_le16(p + UA_TYPE + 2);
	*error = *type == UA_SERVICEFAULT || p[43] & 0x80;
	return *type != UA_SERVICEFAULT || n == UA_ANSWER + sig;
}

/* --- by what is known of the connection, under its lock ------------------------------------------ */

/* Channel, token, number and size of the message of n bytes at p. */
static inline __attribute__((always_inline)) bool
ua_next(const struct kflow_ua *ua, const __u8 *p, __u32 n, __u32 dir)
{
	__u32 token = dir ? ua->token[1] : ua->token[0], seq = dir ? ua->seq[1] : ua->seq[0];
	__u32 max = dir ? ua->max[1] : ua->max[0];

	return ua_le32(p + 8) == ua->channel && ua_le32(p + 12) == token && seq < UA_SEQ_LAST &&
	       ua_le32(p + 16) == seq + 1 && n <= max;
}

/* By arithmetic: of branches the verifier would follow each one to the end, so the compiler shall not
 * make any of it. */
static inline __attribute__((always_inline)) __u64
ua_plain(__u64 d)
{
#ifdef __bpf__
	asm volatile("" : "+r"(d));
#endif
	return d;
}

/* 1 if d is 0, else 0. */
static inline __attribute__((always_inline)) __u64
ua_none(__u64 d)
{
	d = ua_plain(d);
	return ua_plain((d | (0 - d)) >> 63) ^ 1;
}

/* Where in open[] the request is; KFLOW_UA_OPEN: nowhere. */
static inline __attribute__((always_inline)) __u32
ua_find(const struct kflow_ua *ua, __u32 n_open, __u32 request)
{
	__u64 at = KFLOW_UA_OPEN, here;

	for (__u64 i = 0; i < KFLOW_UA_OPEN; i++) {
		here = ua_none(ua->open[i] ^ request) & ua_plain(i - n_open) >> 63;
		at ^= (at ^ i) & (0 - ua_plain(here));
	}
	return (__u32)at;
}

/* Has the engine allowed it?  By which rule. */
static inline __attribute__((always_inline)) bool
ua_known(const struct kflow_ua *ua, const struct ua_hand *u, __u32 *rule)
{
	__u64 found = 0, by = 0, here;

	for (__u32 i = 0; i < KFLOW_UA_KNOWN; i++) {
		here = ua_none((ua->hash[i] ^ u->hash) | (ua->known[i] ^ u->known));
		by |= ua->rule[i] & (0 - ua_plain(here));
		found |= here;
	}
	*rule = (__u32)by;
	return found != 0 && u->known != 0;
}

static inline __attribute__((always_inline)) void
ua_commit(struct kflow_ua *ua, __u8 *n_open, const __u8 *p, const struct ua_hand *u, __u32 dir)
{
	__u32 n = *n_open;

	if (dir == 0) {
		ua->seq[0] = ua_le32(p + 16);
		ua->open[n & (KFLOW_UA_OPEN - 1)] = ua_le32(p + 20);
		ua->type[n & (KFLOW_UA_OPEN - 1)] = u->type;
		*n_open = (__u8)(n + 1);
		return;
	}
	ua->seq[1] = ua_le32(p + 16);
	n--; /* the last one takes its place */
	ua->open[u->at & (KFLOW_UA_OPEN - 1)] = ua->open[n & (KFLOW_UA_OPEN - 1)];
	ua->type[u->at & (KFLOW_UA_OPEN - 1)] = ua->type[n & (KFLOW_UA_OPEN - 1)];
	*n_open = (__u8)n;
}

#endif /* EBPF_FAST_OPCUA_H */
