/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frag.h - bounded reassembly of IPv4 and IPv6 fragments.
 *
 * Fixed table, fixed buffers, taken at start.  Overlap is never trusted: the
 * datagram is given up (RFC 5722 for IPv6, the same for IPv4); an exact
 * duplicate of a fragment is ignored.  Time is packet time.
 */
#ifndef DATAPLANE_FRAG_H
#define DATAPLANE_FRAG_H

#include "dataplane/decode.h"

struct frag_table;

#define FRAG_TIMEOUT_NS (UINT64_C(30) * 1000000000u) /* RFC 8200 4.5: 60 s; routers use less */

enum frag_result {
	FRAG_WAIT = 0, /* kept; more must come */
	FRAG_WHOLE,    /* *ip,*len: the datagram, header first; valid until the next call */
	FRAG_DROP,     /* *reason says why */
};

/* datagrams in reassembly at once; each may take 64 KiB + header. NULL = out of memory. */
struct frag_table *frag_new(unsigned datagrams, uint64_t seed);
void frag_free(struct frag_table *t);
size_t frag_bytes(const struct frag_table *t); /* memory it holds */

enum frag_result frag_put(struct frag_table *t, const struct pkt *p, const struct layers *l,
    uint64_t now_ns, const uint8_t **ip, uint32_t *len, enum drop_reason *reason);

/* Datagrams given up because of age since the last call, and fragments they held. */
unsigned frag_expire(struct frag_table *t, uint64_t now_ns, unsigned *fragments);

#endif /* DATAPLANE_FRAG_H */
