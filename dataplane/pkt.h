/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkt.h - one received frame on its way through the engine.
 *
 * bytes are borrowed from the io backend's rx() until its done(); the engine
 * keeps no pointer to them afterwards (what it must keep, it copies).  The
 * engine writes fate, reason and, when it shortened the frame, bytes/caplen
 * (then pointing into the engine's own burst scratch).
 */
#ifndef DATAPLANE_PKT_H
#define DATAPLANE_PKT_H

#include <stdint.h>

#define PKT_BURST 32 /* frames per rx() at most */

enum link_type {
	LINK_ETHERNET = 0,
	LINK_LINUX_SLL,	 /* cooked v1, 16 bytes */
	LINK_LINUX_SLL2, /* cooked v2, 20 bytes */
	LINK_RAW_IP,	 /* version nibble decides */
	LINK_NULL,	 /* BSD loopback: 4 bytes of address family, either byte order */
	LINK_UNKNOWN,
};

enum pkt_fate {
	FATE_FORWARD = 0, /* send out of the other port, as in bytes/caplen */
	FATE_DROP,	  /* reason says why */
	FATE_HELD,	  /* copied; comes out by tx() later, or is dropped then */
	FATE_CONSUMED,	  /* answered or absorbed; nothing leaves for it */
};

struct pkt {
	const uint8_t *bytes; /* caplen of them are readable */
	uint64_t ts_ns;	      /* capture time, ns since the epoch, UTC */
	uint64_t frame;	      /* 1-based number of the frame in its source */
	uint32_t caplen;      /* bytes captured */
	uint32_t wirelen;     /* bytes on the wire; > caplen when the capture cut it */
	uint8_t link;	      /* enum link_type */
	uint8_t port;	      /* 0 = outside or the only port, 1 = inside */
	uint8_t fate;	      /* enum pkt_fate; the engine's answer */
	uint8_t reason;	      /* enum drop_reason when fate is FATE_DROP */
	uint32_t cookie;      /* the backend's own */
	uint32_t conduit;     /* the engine's answer: whose packet it was; UINT32_MAX = nobody's */
};

#endif /* DATAPLANE_PKT_H */
