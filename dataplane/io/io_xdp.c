/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_xdp.c - two ports of a guard over AF_XDP (Linux, Documentation/networking/af_xdp.rst).
 *
 * One socket per receive queue of each port; all share one UMEM, so a frame that is forwarded
 * moves to the other port's ring as a descriptor and its bytes stay where they are:
 *
 *            fill            rx               tx              completion
 *   free --> ring --> NIC --> ring --> lent --> ring --> NIC --> ring --> free
 *                                       `--> dropped, held, consumed ------^
 *
 * A queue's fill and rx ring together always hold `ring` frames: what rx() takes out is
 * replaced at once.  A port has at most `ring` frames on their way out.  There are as many
 * frames as both need and a burst more, so none of the rings can starve another.
 *
 * Everything leaves by the socket of queue 0: frames of a connection cannot overtake each
 * other, nor those that the engine makes itself.  A full ring is a counted drop.  So is what
 * waits for a port that is down: a command must not reach a device minutes late.
 *
 * A frame longer than a chunk comes as a chain of descriptors (XDP_USE_SG, Linux 6.6).  It is
 * put together in a buffer for the engine; when that changed nothing the chain goes out as it came.
 *
 * open() does all that needs a right: afterwards the calls of the packet path are sendto,
 * recvfrom, ppoll, getsockopt (for stats) and a reading of the clock.
 */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <xdp/xsk.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/err.h"
#include "dataplane/io/io.h"

/* Of Linux 6.6; Debian's headers are older. */
#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4)
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif

#define CHUNK	    4096u	  /* bytes of a frame in the UMEM; a power of two, at most a page */
#define CHUNK_RX    (CHUNK - 256) /* of them usable on receive: XDP keeps its headroom */
#define LINK_BYTES  22u		  /* Ethernet and two VLAN tags come on top of the MTU */
#define CHAIN_MAX   17u		  /* chunks of one frame: MAX_SKB_FRAGS */
#define SOCKETS_MAX 64u		  /* queues of both ports */
#define RING_MIN    64u
#define RING_DEF    2048u
#define RING_MAX    8192u
#define SPIN_LOOPS  1000u      /* of a pause each, some 20 us: the answer to what was just sent */
#define KICKS_MAX   8u	       /* sendto() per burst; the kernel takes 32 frames by one */
#define RETRY_US    1000u      /* sleep at most, while the kernel did not take all frames */
#define SEND_BYTES  (16 << 20) /* of socket memory: what a burst of jumbo frames takes, and more */
#define BUSY_TRIES  100u       /* of 20 ms each: a queue that a dead process used is free by then */
#define TEXT_SIZE   256

struct queue {
	struct xsk_socket *xsk;
	struct xsk_ring_cons rx;
	struct xsk_ring_prod fill;
	int fd;
	uint8_t port;
	/* of queue 0 of a port only */
	struct xsk_ring_prod tx;
	struct xsk_ring_cons comp;
	uint32_t written; /* descriptors in tx that the kernel has not been told of */
	uint32_t out;	  /* frames that were sent and have not come back */
	uint32_t max_len; /* bytes of a frame that the port can send */
	bool down;
};

/* What rx() lent, by pkt.cookie. */
struct lent {
	const uint8_t *bytes;
	uint32_t len, n; /* n: descriptors */
	struct xdp_desc desc[CHAIN_MAX];
};

struct xdp_io {
	struct io io;
	struct queue q[SOCKETS_MAX];
	struct queue *out[2]; /* queue 0 of each port */
	unsigned n_queues, turn;
	uint32_t ring;	   /* descriptors of every ring */
	uint32_t n_chunks; /* per frame at most: 1 without jumbo frames */
	bool busy;	   /* frames came since wait() was last here */
	struct xsk_umem *umem;
	uint8_t *area;
	size_t area_bytes;
	uint64_t *free; /* stack of chunks */
	uint32_t n_free, n_frames;
	bool *leaving;	/* by chunk: it was sent and has not come back */
	uint8_t *jumbo; /* PKT_BURST buffers of jumbo_bytes, or NULL */
	uint32_t jumbo_bytes;
	uint64_t frame;
	struct io_stats stats;
	struct lent lent[PKT_BURST];
	char text[TEXT_SIZE];
};

extern const struct io_backend io_xdp;

/* --- frames in flight ------------------------------------------------------------------------ */

static inline void
chunk_put(struct xdp_io *x, uint64_t addr)
{
	x->free[x->n_free++] = addr & ~(uint64_t)(CHUNK - 1);
}

static inline void
chain_put(struct xdp_io *x, const struct xdp_desc *d, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		chunk_put(x, d[i].addr);
}

/* As many empty frames as rx() took out; they are there (see above). */
static void
refill(struct xdp_io *x, struct queue *q, uint32_t n)
{
	uint32_t at;

	if (n == 0 || xsk_ring_prod__reserve(&q->fill, n, &at) != n)
		return;
	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&q->fill, at + i) = x->free[--x->n_free];
	xsk_ring_prod__submit(&q->fill, n);
	if (xsk_ring_prod__needs_wakeup(&q->fill))
		(void)recvfrom(q->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

static inline void
chunk_back(struct xdp_io *x, struct queue *o, uint64_t addr)
{
	x->leaving[addr / CHUNK] = false;
	o->out--;
	chunk_put(x, addr);
}

/* Frames that have left come back. */
static void
reap(struct xdp_io *x, struct queue *o)
{
	uint32_t at, n;

	if (o->out == 0 || (n = xsk_ring_cons__peek(&o->comp, x->ring, &at)) == 0)
		return;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t addr = *xsk_ring_cons__comp_addr(&o->comp, at + i);

		if (addr <
		    x->area_bytes) /* else one of discard(): newer kernels complete those too */
			chunk_back(x, o, addr);
	}
	xsk_ring_cons__release(&o->comp, n);
}

static bool
unsent(const struct queue *o)
{
	return __atomic_load_n(o->tx.consumer, __ATOMIC_ACQUIRE) !=
	       __atomic_load_n(o->tx.producer, __ATOMIC_RELAXED);
}

/*
 * The port is down: the frames that wait come back.  The kernel, which reads a descriptor when
 * it sends the frame, finds them invalid when the port is up again, skips them and counts them.
 */
static void
discard(struct xdp_io *x, struct queue *o)
{
	uint32_t end = __atomic_load_n(o->tx.producer, __ATOMIC_RELAXED);
	uint32_t at = __atomic_load_n(o->tx.consumer, __ATOMIC_ACQUIRE);

	reap(x, o);
	for (; at != end; at++) {
		struct xdp_desc *d = xsk_ring_prod__tx_desc(&o->tx, at);

		/* The kernel may be further than it says: then the chunk has come back. */
		if (d->addr < x->area_bytes && x->leaving[d->addr / CHUNK]) {
			chunk_back(x, o, d->addr);
			x->stats.tx -= (d->options & XDP_PKT_CONTD) == 0;
		}
		*d = (struct xdp_desc){.addr = x->area_bytes, .len = 1};
	}
}

/* What was written since then is not for the kernel. */
static void
unwrite(struct xdp_io *x, struct queue *o)
{
	while (o->written != 0) {
		const struct xdp_desc *d = xsk_ring_prod__tx_desc(&o->tx, --o->tx.cached_prod);

		chunk_back(x, o, d->addr);
		o->written--;
		if (!(d->options & XDP_PKT_CONTD)) {
			x->stats.tx--;
			x->stats.tx_dropped++;
		}
	}
}

/* Let the kernel send what is in the ring.  What it does not take now it is told of again. */
static void
flush(struct xdp_io *x, struct queue *o)
{
	uint32_t tries = 0, lost = 0;

	while (tries < KICKS_MAX && lost < x->ring && unsent(o)) {
		if (!xsk_ring_prod__needs_wakeup(&o->tx))
			break;
		if (sendto(o->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0 || errno == EAGAIN) {
			tries++;
		} else if (errno == EBUSY) {
			/* The driver had no use for a frame: no carrier.  It is gone. */
			lost++;
			x->stats.tx--;
			x->stats.tx_dropped++;
		} else {
			o->down = true;
			discard(x, o);
			break;
		}
	}
}

/* Tell the kernel what was written. */
static void
kick(struct xdp_io *x, struct queue *o)
{
	if (o->down) {
		o->down = sendto(o->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN &&
			  errno != EBUSY;
		if (o->down)
			unwrite(x, o);
	}
	if (o->written != 0) {
		xsk_ring_prod__submit(&o->tx, o->written);
		o->written = 0;
	}
	if (!o->down)
		flush(x, o);
	reap(x, o);
}

/* n descriptors of one frame out of a port.  False: no room, nothing was done. */
static bool
send_chain(struct xdp_io *x, struct queue *o, const struct xdp_desc *d, uint32_t n)
{
	uint32_t at, len = 0;

	for (uint32_t i = 0; i < n; i++)
		len += d[i].len;
	if (len > o->max_len)
		return false;

	if (o->out + n > x->ring || xsk_ring_prod__reserve(&o->tx, n, &at) != n) {
		kick(x, o);
		if (o->out + n > x->ring || xsk_ring_prod__reserve(&o->tx, n, &at) != n)
			return false;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct xdp_desc *to = xsk_ring_prod__tx_desc(&o->tx, at + i);

		*to = d[i];
		to->options = i + 1 < n ? XDP_PKT_CONTD : 0;
		x->leaving[d[i].addr / CHUNK] = true;
	}
	o->written += n;
	o->out += n;
	x->stats.tx++;
	return true;
}

/* A frame whose bytes are not in the UMEM.  False: no room. */
static bool
send_copy(struct xdp_io *x, struct queue *o, const uint8_t *bytes, uint32_t len)
{
	uint32_t n = (len + CHUNK - 1) / CHUNK, done = 0;
	struct xdp_desc d[CHAIN_MAX];

	if (n == 0 || n > x->n_chunks)
		return false;
	if (n > x->n_free)
		reap(x, o);
	if (n > x->n_free)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t part = len - done < CHUNK ? len - done : CHUNK;

		d[i] = (struct xdp_desc){.addr = x->free[--x->n_free], .len = part};
		memcpy(x->area + d[i].addr, bytes + done, part);
		done += part;
	}
	if (send_chain(x, o, d, n))
		return true;
	chain_put(x, d, n);
	return false;
}

/* --- the backend ----------------------------------------------------------------------------- */

/*
 * The descriptors of the next frame of a queue into l.  False: none.  What a chain has more than
 * CHAIN_MAX goes back at once: l->n then says that it is too long.
 */
static bool
take_chain(struct xdp_io *x, struct queue *q, struct lent *l, uint32_t *used)
{
	uint32_t at = 0, n = 0;
	struct xdp_desc d = {.options = XDP_PKT_CONTD};

	while (d.options & XDP_PKT_CONTD) {
		if (xsk_ring_cons__peek(&q->rx, 1, &at) == 0) {
			/* The kernel publishes whole frames: this one is for later. */
			xsk_ring_cons__cancel(&q->rx, n);
			return false;
		}
		d = *xsk_ring_cons__rx_desc(&q->rx, at);
		if (n < CHAIN_MAX)
			l->desc[n] = d;
		n++;
	}
	for (uint32_t i = CHAIN_MAX; i < n; i++)
		chunk_put(x, xsk_ring_cons__rx_desc(&q->rx, at + 1 - n + i)->addr);
	l->n = n;
	*used += n;
	return true;
}

/* Put a chain together in the buffer of this cookie.  False: too long for it. */
static bool
linearise(struct xdp_io *x, struct lent *l, unsigned cookie)
{
	uint8_t *to;
	uint32_t len = 0;

	if (!x->jumbo || l->n > CHAIN_MAX)
		return false;
	to = x->jumbo + (size_t)cookie * x->jumbo_bytes;
	for (uint32_t i = 0; i < l->n; i++) {
		if (l->desc[i].len > x->jumbo_bytes - len)
			return false;
		memcpy(to + len, x->area + l->desc[i].addr, l->desc[i].len);
		len += l->desc[i].len;
	}
	l->bytes = to;
	l->len = len;
	return true;
}

/* At most max frames of one queue; burst[0] has cookie `first`. */
static unsigned
take(struct xdp_io *x, struct queue *q, struct pkt *burst, unsigned first, unsigned max)
{
	uint32_t used = 0;
	unsigned n = 0;

	while (n < max) {
		struct lent *l = &x->lent[first + n];

		if (!take_chain(x, q, l, &used))
			break;
		if (l->n == 1) {
			l->bytes = x->area + l->desc[0].addr;
			l->len = l->desc[0].len;
		} else if (!linearise(x, l, first + n)) {
			chain_put(x, l->desc, l->n < CHAIN_MAX ? l->n : CHAIN_MAX);
			x->stats.rx_dropped++;
			continue;
		}
		burst[n] = (struct pkt){
		    .bytes = l->bytes,
		    .ts_ns = x->io.now_ns,
		    .frame = ++x->frame,
		    .caplen = l->len,
		    .wirelen = l->len,
		    .link = LINK_ETHERNET,
		    .port = q->port,
		    .cookie = first + n,
		};
		n++;
	}
	if (used != 0) {
		xsk_ring_cons__release(&q->rx, used);
		refill(x, q, used);
	}
	return n;
}

static int
xdp_rx(struct io *io, struct pkt *burst, unsigned max)
{
	struct xdp_io *x = (struct xdp_io *)io;
	unsigned share, n = 0;

	io->now_ns = clock_wall_ns();
	if (max > PKT_BURST)
		max = PKT_BURST;
	for (unsigned p = 0; p < 2; p++)
		if (x->out[p]->written != 0)
			kick(x, x->out[p]); /* what a timer of the engine has sent */
		else
			reap(x, x->out[p]);
	/* First an equal share to everyone, then the rest to who has more. */
	share = max > x->n_queues ? max / x->n_queues : 1;
	x->turn = x->turn + 1 < x->n_queues ? x->turn + 1 : 0;
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < x->n_queues && n < max; i++) {
			unsigned at = x->turn + i;
			unsigned want = round == 0 && share < max - n ? share : max - n;

			at -= at >= x->n_queues ? x->n_queues : 0;
			n += take(x, &x->q[at], burst + n, n, want);
		}
	x->stats.rx += n;
	x->busy |= n != 0;
	return (int)n;
}

/* One lent frame as the engine left it.  False: no room; its chunks are given back in any case. */
static bool
forward(struct xdp_io *x, const struct pkt *p, struct lent *l)
{
	struct queue *o = x->out[p->port ^ 1];
	const uint8_t *chunk = x->area + (l->desc[0].addr & ~(uint64_t)(CHUNK - 1));

	if (p->bytes != l->bytes || p->caplen != l->len) {
		uintptr_t at = (uintptr_t)p->bytes - (uintptr_t)chunk;

		if (l->n != 1 || at >= CHUNK || p->caplen > CHUNK - at) {
			/* The engine's own copy, or a part of a chain. */
			chain_put(x, l->desc, l->n);
			return send_copy(x, o, p->bytes, p->caplen);
		}
		l->desc[0].addr = (uint64_t)(p->bytes - x->area);
		l->desc[0].len = p->caplen;
	}
	if (send_chain(x, o, l->desc, l->n))
		return true;
	chain_put(x, l->desc, l->n);
	return false;
}

static void
xdp_done(struct io *io, struct pkt *burst, unsigned n)
{
	struct xdp_io *x = (struct xdp_io *)io;

	for (unsigned i = 0; i < n; i++) {
		const struct pkt *p = &burst[i];
		struct lent *l = &x->lent[p->cookie % PKT_BURST];

		if (p->fate != FATE_FORWARD)
			chain_put(x, l->desc, l->n);
		else if (!forward(x, p, l))
			x->stats.tx_dropped++;
	}
	for (unsigned port = 0; port < 2; port++)
		kick(x, x->out[port]);
}

static int
xdp_tx(struct io *io, const struct pkt *p)
{
	struct xdp_io *x = (struct xdp_io *)io;

	if (p->link == LINK_ETHERNET && p->port < 2 &&
	    send_copy(x, x->out[p->port ^ 1], p->bytes, p->caplen))
		return 0;
	x->stats.tx_dropped++;
	return ERR_FULL;
}

static bool
anything(const struct xdp_io *x)
{
	for (unsigned i = 0; i < x->n_queues; i++)
		if (__atomic_load_n(x->q[i].rx.producer, __ATOMIC_ACQUIRE) !=
		    x->q[i].rx.cached_cons)
			return true;
	return false;
}

/* To the other thread of this core: we only look. */
static inline void
cpu_pause(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void
xdp_wait(struct io *io, int other_fd, unsigned timeout_us)
{
	struct xdp_io *x = (struct xdp_io *)io;
	struct timespec ts = {
	    .tv_sec = timeout_us / 1000000, .tv_nsec = (long)(timeout_us % 1000000) * 1000};
	struct pollfd fds[SOCKETS_MAX + 1];
	unsigned n = 0;

	for (unsigned port = 0; port < 2; port++) {
		kick(x, x->out[port]);
		if (unsent(x->out[port]) && !x->out[port]->down && timeout_us > RETRY_US)
			ts = (struct timespec){.tv_nsec = RETRY_US * 1000};
	}
	for (unsigned i = 0; x->busy && i < SPIN_LOOPS; i++) {
		if (anything(x))
			return;
		cpu_pause();
	}
	x->busy = false;
	for (; n < x->n_queues; n++)
		fds[n] = (struct pollfd){.fd = x->q[n].fd, .events = POLLIN};
	if (other_fd >= 0)
		fds[n++] = (struct pollfd){.fd = other_fd, .events = POLLIN};
	(void)ppoll(fds, n, &ts, NULL);
}

static void
xdp_stats(const struct io *io, struct io_stats *st)
{
	const struct xdp_io *x = (const struct xdp_io *)io;

	*st = x->stats;
	for (unsigned i = 0; i < x->n_queues; i++) {
		struct xdp_statistics xs = {0};
		socklen_t len = sizeof(xs);

		if (getsockopt(x->q[i].fd, SOL_XDP, XDP_STATISTICS, &xs, &len) == 0) {
			st->rx_dropped += xs.rx_dropped + xs.rx_ring_full;
			st->tx_dropped += xs.tx_invalid_descs;
		}
	}
}

static const char *
xdp_err_text(const struct io *io)
{
	return io ? ((const struct xdp_io *)io)->text : "";
}

/* --- open and close -------------------------------------------------------------------------- */

static void
close_sockets(struct xdp_io *x)
{
	for (unsigned i = 0; i < x->n_queues; i++)
		if (x->q[i].xsk)
			xsk_socket__delete(x->q[i].xsk);
	if (x->umem)
		(void)xsk_umem__delete(x->umem);
	memset(x->q, 0, sizeof(x->q));
	x->umem = NULL;
	x->n_queues = 0;
}

static int
xdp_close(struct io *io)
{
	struct xdp_io *x = (struct xdp_io *)io;

	close_sockets(x);
	if (x->area)
		munmap(x->area, x->area_bytes);
	free(x->free);
	free(x->leaving);
	free(x->jumbo);
	free(x);
	return 0;
}

/* Receive queues of an interface; 1 when it does not say. */
static unsigned
queues_of(const char *name)
{
	struct ethtool_channels ch = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq ifr = {.ifr_data = (void *)&ch};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned n = 0;

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd >= 0 && ioctl(fd, SIOCETHTOOL, &ifr) == 0)
		n = ch.combined_count + ch.rx_count;
	if (fd >= 0)
		close(fd);
	return n != 0 ? n : 1;
}

/* One socket for a queue.  0 or -errno. */
static int
open_queue(
    struct xdp_io *x, const struct io_port *port, unsigned side, unsigned queue, uint16_t flags)
{
	struct queue *q = &x->q[x->n_queues++];
	const struct xsk_socket_config conf = {
	    .rx_size = x->ring,
	    .tx_size = x->ring,
	    .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
	    .bind_flags = flags,
	};
	const int bytes = SEND_BYTES;
	uint32_t key = queue;
	int r;

	q->port = (uint8_t)side;
	q->max_len = port->mtu + LINK_BYTES;
	r = xsk_socket__create_shared(&q->xsk, port->name, queue, x->umem, &q->rx,
	    queue == 0 ? &q->tx : NULL, &q->fill, &q->comp, &conf);
	if (r < 0) {
		q->xsk = NULL;
		return r;
	}
	q->fd = xsk_socket__fd(q->xsk);
	(void)setsockopt(q->fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	if (queue == 0)
		x->out[side] = q;
	refill(x, q, x->ring);
	return bpf_map_update_elem(port->xskmap, &key, &q->fd, BPF_ANY) < 0 ? -errno : 0;
}

static int
open_sockets(
    struct xdp_io *x, const struct io_port *ports, const unsigned queues[2], uint16_t flags)
{
	const struct xsk_umem_config conf = {
	    .fill_size = x->ring,
	    .comp_size = x->ring,
	    .frame_size = CHUNK,
	};
	int r;

	x->n_free = 0;
	for (uint32_t i = x->n_frames; i-- > 0;)
		chunk_put(x, (uint64_t)i * CHUNK);
	/* These rings become those of the first socket, which is given the same two structs. */
	r = xsk_umem__create(&x->umem, x->area, x->area_bytes, &x->q[0].fill, &x->q[0].comp, &conf);
	if (r < 0) {
		x->umem = NULL;
		return r;
	}
	for (unsigned side = 0; side < 2; side++)
		for (unsigned i = 0; i < queues[side]; i++)
			if ((r = open_queue(x, &ports[side], side, i, flags)) < 0)
				return r;
	return 0;
}

/* As open_sockets(); waits while a queue is still busy with who had it before. */
static int
open_patiently(
    struct xdp_io *x, const struct io_port *ports, const unsigned queues[2], uint16_t flags)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	int r = 0;

	for (unsigned i = 0; i < BUSY_TRIES; i++) {
		if ((r = open_sockets(x, ports, queues, flags)) >= 0)
			return r;
		close_sockets(x);
		if (r != -EBUSY)
			return r;
		(void)nanosleep(&pause, NULL);
	}
	return r;
}

static bool
take_memory(struct xdp_io *x, unsigned n_queues, size_t bytes)
{
	uint32_t spare = 2 * PKT_BURST * x->n_chunks;
	void *area;

	x->ring = RING_DEF;
	if (bytes != 0)
		for (x->ring = RING_MAX; x->ring > RING_MIN; x->ring /= 2)
			if (((size_t)x->ring * (n_queues + 2) + spare) * CHUNK <= bytes)
				break;
	x->n_frames = x->ring * (n_queues + 2) + spare;
	x->area_bytes = (size_t)x->n_frames * CHUNK;
	area = mmap(NULL, x->area_bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	x->area = area == MAP_FAILED ? NULL : area;
	x->free = calloc(x->n_frames, sizeof(*x->free));
	x->leaving = calloc(x->n_frames, sizeof(*x->leaving));
	if (x->n_chunks > 1) {
		x->jumbo_bytes = x->n_chunks * CHUNK;
		if ((x->jumbo = malloc((size_t)PKT_BURST * x->jumbo_bytes)))
			memset(x->jumbo, 0, (size_t)PKT_BURST * x->jumbo_bytes);
	}
	return x->area && x->free && x->leaving && (x->n_chunks == 1 || x->jumbo);
}

static int
refuse(int r, const struct io_port *ports, bool jumbo, char *err, size_t size)
{
	if (r == -EBUSY)
		return err_say(err, size, ERR_EXISTS,
		    "%s, %s: another process has their AF_XDP queues", ports[0].name,
		    ports[1].name);
	if (r == -EINVAL && jumbo)
		return err_say(err, size, ERR_UNSUPPORTED,
		    "%s, %s: this kernel has no AF_XDP frames of several chunks (Linux 6.6 has); "
		    "the largest MTU without is %u",
		    ports[0].name, ports[1].name, CHUNK_RX - LINK_BYTES);
	return err_say(err, size, err_from_errno(-r), "%s, %s: AF_XDP sockets: %s", ports[0].name,
	    ports[1].name, strerror(-r));
}

/* target: "zerocopy" asks for it where both drivers can; else "" or NULL. */
static int
xdp_open(struct io **io, const struct io_conf *conf, unsigned queue, char *err, size_t err_size)
{
	const struct io_port *ports = conf->ports;
	uint16_t flags = XDP_USE_NEED_WAKEUP;
	unsigned queues[2];
	uint32_t mtu;
	struct xdp_io *x;
	int r = -EOPNOTSUPP;

	if (!ports || queue != 0)
		return err_say(err, err_size, ERR_UNSUPPORTED,
		    "xdp: two ports of a guard, all their queues in one; not an input of this "
		    "verb");
	for (unsigned i = 0; i < 2; i++)
		queues[i] = queues_of(ports[i].name);
	if (queues[0] > SOCKETS_MAX / 2 || queues[1] > SOCKETS_MAX / 2)
		return err_say(err, err_size, ERR_RANGE,
		    "%s, %s: more than %u receive queues; set fewer with ethtool -L", ports[0].name,
		    ports[1].name, SOCKETS_MAX / 2);
	mtu = ports[0].mtu > ports[1].mtu ? ports[0].mtu : ports[1].mtu;
	if (!(x = calloc(1, sizeof(*x))))
		return err_say(err, err_size, ERR_NOMEM, "xdp: out of memory");
	x->io.be = &io_xdp;
	x->n_chunks = (mtu + LINK_BYTES + CHUNK_RX - 1) / CHUNK_RX;
	if (x->n_chunks > CHAIN_MAX) {
		xdp_close(&x->io);
		return err_say(err, err_size, ERR_UNSUPPORTED,
		    "%s, %s: an MTU of %u does not fit; %u does", ports[0].name, ports[1].name, mtu,
		    CHAIN_MAX * CHUNK_RX - LINK_BYTES);
	}
	if (!take_memory(x, queues[0] + queues[1], conf->memory_bytes)) {
		xdp_close(&x->io);
		return err_say(err, err_size, ERR_NOMEM, "xdp: no memory for frames in flight");
	}
	if (x->n_chunks > 1)
		flags |= XDP_USE_SG;
	if (conf->target && strcmp(conf->target, "zerocopy") == 0)
		r = open_patiently(x, ports, queues, flags | XDP_ZEROCOPY);
	if (r == -EOPNOTSUPP || r == -EINVAL)
		r = open_patiently(x, ports, queues, flags | XDP_COPY);
	if (r < 0) {
		r = refuse(r, ports, x->n_chunks > 1, err, err_size);
		xdp_close(&x->io);
		return r;
	}
	*io = &x->io;
	return 0;
}

const struct io_backend io_xdp = {
    .scheme = "xdp",
    .open = xdp_open,
    .rx = xdp_rx,
    .tx = xdp_tx,
    .done = xdp_done,
    .wait = xdp_wait,
    .stats = xdp_stats,
    .err_text = xdp_err_text,
    .close = xdp_close,
};
