/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frag.h - bounded reassembly of IPv4 and IPv6 fragments.
 *
 * Fixed table, fixed buffers, taken at start.  Overlap is never trusted: the
 * datagram is given up (RFC 5722 for IPv6, the same for IPv4) and so is every
 * fragment of it that still comes until its time is over; an exact duplicate
 * of a fragment is ignored.  Time is packet time.
 *
 * Life of a fragment: decode() finds LAYER_FRAGMENT; frag_put() copies it and
 * says WAIT; the fragment that completes the datagram gets WHOLE instead, and
 * decode_ip() reads the result.  Nothing here is called from two threads.
 *
 * For the packet balance: frag_held() counts the fragments inside.  It grows by
 * one per WAIT (by none for a duplicate), and what it falls by during a call
 * has left: into the WHOLE datagram, or, with DROP, together with the
 * fragment at hand and for the same *reason.  Age is told apart, by
 * frag_expire(): call it first.
 */
#ifndef DATAPLANE_FRAG_H
#define DATAPLANE_FRAG_H

#include "dataplane/decode.h"

struct frag_table;

#define FRAG_TIMEOUT_NS (UINT64_C(30) * 1000000000u) /* RFC 8200 4.5: 60 s; routers use less */

enum frag_result {
	FRAG_WAIT = 0, /* kept; more must come */
	FRAG_WHOLE,    /* *ip,*len: the datagram, header first; valid until the next call.
			* Its header says what a host sees: length and next header set,
			* fragment fields gone, IPv4 checksum right */
	FRAG_DROP,     /* *reason says why */
};

/* datagrams in reassembly at once; each may take 64 KiB + header. NULL = out of memory. */
struct frag_table *frag_new(unsigned datagrams, uint64_t seed);
void frag_free(struct frag_table *t);
size_t frag_bytes(const struct frag_table *t); /* memory it holds */
unsigned frag_held(const struct frag_table *t); /* fragments that wait inside */

/* p and l: a frame that decode() found to be a fragment. */
enum frag_result frag_put(struct frag_table *t, const struct pkt *p, const struct layers *l,
    uint64_t now_ns, const uint8_t **ip, uint32_t *len, enum drop_reason *reason);

/* Datagrams given up because of age since the last call, and fragments they held;
 * cheap when none is due. */
unsigned frag_expire(struct frag_table *t, uint64_t now_ns, unsigned *fragments);

#endif /* DATAPLANE_FRAG_H */
