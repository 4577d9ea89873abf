/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.h - where packets come from and go to.  One io per worker and queue.
 *
 * Life of a frame: rx() lends a burst; the engine judges it; done() takes the
 * whole burst back and forwards the frames whose fate says so, as they now
 * are.  A frame the engine wants to keep (FATE_HELD) it copied; when it is
 * released, or when the engine makes a frame of its own (reset, reject), it
 * goes out by tx().  Nothing of one io is called from two threads, but wake().  rx() of a live
 * backend reads the clock once, for all frames it lends and also when there are none.
 */
#ifndef DATAPLANE_IO_IO_H
#define DATAPLANE_IO_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/pkt.h"

struct io;

/* A port of a guard, for backends that have two. */
struct io_port {
	const char *name; /* of the interface */
	const char *device; /* dpdk: what EAL is told, e.g. "net_af_packet0,iface=eth1" */
	int ifindex;
	int xskmap;	  /* xdp: descriptor of the map its sockets go to */
	uint32_t mtu;	  /* bytes of IP, as the interface says; 0 = ask the device */
};

struct io_conf {
	const char *target;   /* what follows "scheme:" */
	const char *write_to; /* file backend: capture to write forwarded frames to, or NULL */
	const struct io_port *ports; /* two of them: outside, inside; NULL for captures */
	size_t memory_bytes;  /* of frames in flight; 0 = the backend's default */
	unsigned
	    workers; /* that share the ports, SHARDS_MAX at most: an open() for each, queues from 0; 0 = 1 */
	uint64_t seed; /* of whose frame it is (shard.h) */
};

struct io_stats {
	uint64_t rx, rx_dropped; /* packets; dropped = lost before rx() */
	uint64_t tx, tx_dropped;
	/* Of these drops, those of which the backend knows why. */
	uint64_t rx_segments;  /* in more pieces than can be put together */
	uint64_t rx_no_buffer; /* no room for the VLAN tag, or no memory */
	uint64_t rx_handed_full; /* its worker did not keep up with what others found for it */
	uint64_t tx_full, tx_long, tx_down, tx_no_buffer; /* ring, length, link, memory */
	uint64_t handed; /* no drops: frames found here, that are another worker's and went there */
};

struct io_backend {
	const char *scheme; /* "file", "pcap", "xdp", "dpdk" */
	/* 0 or ERR_*; err then holds one line for the user. */
	int (*open)(struct io **io, const struct io_conf *conf, unsigned queue, char *err,
	    size_t err_size);
	/* Count of frames lent (<= max), 0 = none now, ERR_EOF at the end,
	 * ERR_TRUNCATED or ERR_FORMAT when the source broke off (err_text says where). */
	int (*rx)(struct io *io, struct pkt *burst, unsigned max);
	/* Send one frame out of the port opposite to p->port; bytes are copied or sent. */
	int (*tx)(struct io *io, const struct pkt *p);
	/* Forward or drop each as its fate says, and give all back. */
	void (*done)(struct io *io, struct pkt *burst, unsigned n);
	/* Sleep until a frame comes, another descriptor (>= 0) can be read, or timeout_us has
	 * passed.  NULL: rx() never answers 0 for long (captures). */
	void (*wait)(struct io *io, int other_fd, unsigned timeout_us);
	/* Has this port a link?  carrier: what the kernel says of the interface behind it, true where
	 * there is none.  What is to leave by a port without link is dropped from then on.  NULL: the
	 * backend finds out by itself.  Off the packet path. */
	bool (*link)(struct io *io, unsigned port, bool carrier);
	/* Run fn in every thread that the backend has made.  0 or ERR_*.  NULL: it makes none. */
	int (*threads)(struct io *io, void (*fn)(void *), void *ctx);
	/* Several workers.  run(): life() begins in the thread of this io, whose queue is not 0; 0 or ERR_*.  wake(): what
	 * sleeps in its wait() goes on; from any thread.  NULL: there is one worker. */
	int (*run)(struct io *io, int (*life)(void *), void *ctx);
	void (*wake)(struct io *io);
	/* Several workers: whose are frames between these two addresses, 4 or 16 bytes (len) in network order?  NULL: there is one. */
	unsigned (*owner)(const struct io *io, const uint8_t *a, const uint8_t *b, unsigned len);
	void (*stats)(const struct io *io, struct io_stats *st);
	/* Of the last failure, "" = none.  err_text(NULL): of the last close() of this
	 * thread, whose io is gone. */
	const char *(*err_text)(const struct io *io);
	/* 0, or ERR_* when what was written could not be completed (err_text(NULL)). */
	int (*close)(struct io *io);
};

/* First member of every backend's own struct. */
struct io {
	const struct io_backend *be;
	uint64_t now_ns; /* live backends: the clock as the last rx() read it, ns since 1970, UTC */
	uint32_t mtu[2]; /* of io_port, or as the device says when that is 0; 0 = nobody says */
};

extern const struct io_backend *const io_backends[]; /* NULL-terminated */

/* Finds the backend by prefix ("file:x.pcap"; no prefix = file) and opens it. */
int io_open(struct io **io, const char *spec, const char *write_to, char *err, size_t err_size);

#endif /* DATAPLANE_IO_IO_H */
