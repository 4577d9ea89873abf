/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_dpdk.c - two ports of a guard, or one as an input, over DPDK (22.11 or newer, rte_ethdev only).
 * More than 1000 lines, since nobody else is to know what an mbuf is.
 *
 * As an input it is listened to and never spoken into, but for captures (net_pcap with tx_pcap=).
 *
 * A port is an EAL device string: "net_af_packet0,iface=eth1", "0000:03:00.0", "net_pcap0,rx_pcap=..".
 * Frames are judged where the driver put them:
 *
 *   pool --> driver --> rx_burst --> lent --> out[] --> tx_burst --> driver --> pool
 *                                     `--> dropped, held, consumed -------------^
 *
 * A frame of our own (tx()) takes a buffer of the pool, none left is a counted drop.  out[] is given
 * to the driver by done(), rx() and wait(), in the order in which it was filled; what the driver does not
 * take after TX_TRIES is dropped and counted, and so is what is meant for a port without link: a command must
 * not reach a device minutes late.
 *
 * Offloads stay off: a checksum is verified by the engine, a VLAN tag is in the frame.  A frame in
 * several buffers is made one where its first buffer has the room, else it is a counted drop.
 *
 * Waiting.  wait() polls busily for SPIN_US after the last frame.  Then it sleeps: until a socket says that
 * something has come, where both drivers receive from sockets (those that appeared while the devices were opened);
 * else for times that double up to SLEEP_MAX_US.  What it finds, the next rx() lends.
 *
 * Several workers have an io each, of one pair of ports (struct device), and each its own queues as far as the devices have
 * them.  Whose frame it is does not depend on where it came in: each looks at what it receives (shard.h) and hands over what
 * is another's; what leaves by a port that has too few queues goes by who has one.
 *
 *   queue 0 --> worker 0 --- found[] --> lent          rings of one writer and one reader, between each two:
 *                  |  ^                                a full one is a counted drop
 *                  v  |
 *   queue 1 --> worker 1 --- found[] --> lent
 *
 * Where both devices can hash as shard.h does, they are told to and nothing is handed over; else it is some of it, and of a
 * device with one queue worker 0 reads all.  Who sleeps is woken (asleep, eventfd).
 *
 * open() of queue 0 does all that needs a right, and takes all memory: the heap of DPDK cannot grow after it.  EAL
 * exists once per process, so there is one device of this kind at a time.  EAL's interrupt thread and those of workers live as long as
 * the process; threads() runs a function in them, so that who gives up rights gives up theirs too.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include <rte_alarm.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_ring.h>

#undef NS_PER_S /* DPDK has one too */
#include "base/clock.h"
#include "base/err.h"
#include "dataplane/io/io.h"
#include "dataplane/shard.h"

#define LINK_BYTES     22u /* Ethernet and two VLAN tags come on top of the MTU */
#define XDP_BYTES      256u /* XDP_PACKET_HEADROOM */
#define DESCRIPTORS    1024u
#define BUFFERS	       8192u /* per worker: rings of both ports, bursts, what waits to leave, HANDED */
#define HANDED	       4096u /* frames that wait for one worker, from all others */
#define HANDED_MIN     256u
#define WORKER_STACK   (1u << 20) /* it is locked, all of it */
#define BUFFER_CACHE   250u
#define MEMORY_MB      96u /* beside the buffers: rings, the drivers' own */
#define OUT_MAX	       256u
#define TX_TRIES       64u /* without progress, a pause each */
#define SPIN_US	       50u
#define SLEEP_MIN_US   50u
#define SLEEP_MAX_US   1000u
#define THREAD_WAIT_MS 2000u
#define FDS_MAX	       1024
#define TEXT_SIZE      256u
#define ARGS_MAX       32
#define DEVICE_MAX     4096u
#define SAID_SIZE      4096u /* of what EAL says when it cannot begin */

struct side {
	uint16_t id; /* of the port */
	uint16_t rxq, txq;   /* queues: of the first so many workers */
	uint32_t max_len;    /* bytes of a frame that it can send */
	atomic_bool down;
	bool has_link;	/* the driver knows it */
	bool by_socket; /* it receives from one per queue */
	bool hashes;	/* it spreads frames over its queues as shard.h does */
	int interface;	/* of the kernel, below it; 0: none */
	int all_fd; /* while it is open, that interface takes every frame; -1: the driver says so */
	int socket[SHARDS_MAX]; /* by queue; -1: not known */
	char name[RTE_ETH_NAME_MAX_LEN];
};

/* What all workers share. */
struct device {
	struct side side[2];
	unsigned n_sides, n_workers;
	struct rte_mempool *pool;
	struct shard shard;
	struct rte_ring *found[SHARDS_MAX][SHARDS_MAX]; /* from, to */
	struct rte_ring *leave[2][SHARDS_MAX];		/* by side: from who has no queue there */
	struct dpdk_io *io[SHARDS_MAX];
};

/* Frames on their way out of a side. */
struct out {
	unsigned n;
	struct rte_mbuf *m[OUT_MAX];
};

struct dpdk_io {
	struct io io;
	struct device *dev;
	unsigned worker, turn;
	bool finite; /* a capture file: nothing more is its end */
	bool mute;   /* one port that is listened to: nothing is ever sent */
	int stamp;   /* offset in a buffer of the time of capture, or -1 */
	uint64_t stamp_flag;
	uint64_t frame;
	struct out out[2];
	struct rte_mbuf *lent[PKT_BURST];
	/* what wait() found, for the next rx() */
	struct rte_mbuf *found[PKT_BURST];
	uint8_t found_port[PKT_BURST];
	unsigned n_found;
	unsigned sleep_us;  /* the next one; 0: frames came a moment ago */
	bool moved;	    /* frames of others went by: no time to sleep */
	bool patient;	    /* something says when a frame comes: sockets, or another worker */
	unsigned n_sockets; /* of the drivers */
	int socket[2];
	int wake_fd; /* -1: there is one worker */
	struct io_stats stats;
	char text[TEXT_SIZE];
	_Alignas(64) atomic_bool asleep;
};

extern const struct io_backend io_dpdk;

/* --- sending --------------------------------------------------------------------------------- */

static unsigned
opposite(const struct dpdk_io *d, uint8_t port)
{
	return d->dev->n_sides == 2 ? port ^ 1 : 0;
}

static void
dpdk_wake(struct io *io)
{
	struct dpdk_io *d = (struct dpdk_io *)io;
	const uint64_t one = 1;

	/* After what it is to find, and so that one who falls asleep now finds that (sleep_for()). */
	atomic_thread_fence(memory_order_seq_cst);
	if (d->wake_fd >= 0 && atomic_load_explicit(&d->asleep, memory_order_relaxed) &&
	    atomic_exchange(&d->asleep, false))
		(void)!write(d->wake_fd, &one, sizeof(one));
}

static void
lose(struct dpdk_io *d, struct out *o, unsigned from, uint64_t *why)
{
	rte_pktmbuf_free_bulk(o->m + from, o->n - from);
	d->stats.tx -= o->n - from;
	d->stats.tx_dropped += o->n - from;
	*why += o->n - from;
	o->n = 0;
}

/* As many as are taken now: by the driver, or by the worker that has a queue, who counts them. */
static unsigned
send_some(struct dpdk_io *d, unsigned to, struct rte_mbuf **m, unsigned n)
{
	const struct side *s = &d->dev->side[to];

	if (d->worker < s->txq)
		return rte_eth_tx_burst(s->id, (uint16_t)d->worker, m, (uint16_t)n);
	n = rte_ring_sp_enqueue_burst(d->dev->leave[to][d->worker], (void **)m, n, NULL);
	d->stats.tx -= n;
	if (n != 0)
		dpdk_wake(&d->dev->io[d->worker % s->txq]->io);
	return n;
}

static void
flush(struct dpdk_io *d, unsigned to)
{
	struct out *o = &d->out[to];
	unsigned sent = 0;

	if (o->n == 0)
		return;
	if (atomic_load_explicit(&d->dev->side[to].down, memory_order_relaxed)) {
		lose(d, o, 0, &d->stats.tx_down);
		return;
	}
	for (unsigned tries = 0; sent < o->n && tries < TX_TRIES; tries++) {
		unsigned n = send_some(d, to, o->m + sent, o->n - sent);

		sent += n;
		if (n != 0)
			tries = 0;
		else
			rte_pause();
	}
	if (sent < o->n)
		lose(d, o, sent, &d->stats.tx_full);
	o->n = 0;
}

/* Takes the buffer in any case. */
static void
queue_out(struct dpdk_io *d, unsigned to, struct rte_mbuf *m)
{
	struct out *o = &d->out[to];

	if (rte_pktmbuf_pkt_len(m) > d->dev->side[to].max_len) {
		rte_pktmbuf_free(m);
		d->stats.tx_dropped++;
		d->stats.tx_long++;
		return;
	}
	if (o->n == OUT_MAX)
		flush(d, to);
	o->m[o->n++] = m;
	d->stats.tx++;
}

/* What leaves by our queue of those who have none, and then what is ours. */
static void
flush_all(struct dpdk_io *d)
{
	for (unsigned to = 0; to < d->dev->n_sides; to++) {
		const struct side *s = &d->dev->side[to];

		for (unsigned from = d->worker + s->txq;
		     d->worker < s->txq && from < d->dev->n_workers; from += s->txq) {
			struct rte_mbuf *m[PKT_BURST];
			unsigned n = rte_ring_sc_dequeue_burst(
			    d->dev->leave[to][from], (void **)m, PKT_BURST, NULL);

			for (unsigned i = 0; i < n; i++)
				queue_out(d, to, m[i]);
			d->moved |= n != 0;
		}
		flush(d, to);
	}
}

/* The buffer holds these bytes from now on.  False: it has no room. */
static bool
fill(struct rte_mbuf *m, const uint8_t *bytes, uint32_t len)
{
	rte_pktmbuf_reset_headroom(m);
	if (len > (uint32_t)m->buf_len - m->data_off)
		return false;
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	memcpy(rte_pktmbuf_mtod(m, void *), bytes, len);
	return true;
}

/* A lent frame as the engine left it. */
static void
forward(struct dpdk_io *d, const struct pkt *p, struct rte_mbuf *m)
{
	uintptr_t at = (uintptr_t)p->bytes - (uintptr_t)m->buf_addr;

	m->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT; /* asks the driver for nothing */
	if (at < m->buf_len && p->caplen <= m->buf_len - at) {
		m->data_off = (uint16_t)at;
		m->data_len = (uint16_t)p->caplen;
		m->pkt_len = p->caplen;
	} else if (!fill(m, p->bytes, p->caplen)) { /* the engine's own copy */
		rte_pktmbuf_free(m);
		d->stats.tx_dropped++;
		d->stats.tx_long++;
		return;
	}
	queue_out(d, opposite(d, p->port), m);
}

static void
dpdk_done(struct io *io, struct pkt *burst, unsigned n)
{
	struct dpdk_io *d = (struct dpdk_io *)io;

	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = d->lent[burst[i].cookie % PKT_BURST];

		if (burst[i].fate == FATE_FORWARD && !d->mute)
			forward(d, &burst[i], m);
		else
			rte_pktmbuf_free(m);
	}
	flush_all(d);
}

static int
dpdk_tx(struct io *io, const struct pkt *p)
{
	struct dpdk_io *d = (struct dpdk_io *)io;
	struct rte_mbuf *m;

	if (d->mute)
		return 0;
	if (p->link == LINK_ETHERNET && p->port < 2 &&
	    p->caplen <= d->dev->side[opposite(d, p->port)].max_len) {
		m = rte_pktmbuf_alloc(d->dev->pool);
		if (m && fill(m, p->bytes, p->caplen)) {
			queue_out(d, opposite(d, p->port), m);
			return 0;
		}
		rte_pktmbuf_free(m);
		d->stats.tx_no_buffer++;
	} else {
		d->stats.tx_long++;
	}
	d->stats.tx_dropped++;
	return ERR_FULL;
}

/* --- receiving ------------------------------------------------------------------------------- */

/* One buffer, with the tag in the frame.  NULL: it cannot be, and was counted. */
static struct rte_mbuf *
whole(struct dpdk_io *d, struct rte_mbuf *m)
{
	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED && rte_vlan_insert(&m) != 0)
		d->stats.rx_no_buffer++;
	else if (m->nb_segs > 1 && rte_pktmbuf_linearize(m) != 0)
		d->stats.rx_segments++;
	else
		return m;
	rte_pktmbuf_free(m);
	d->stats.rx_dropped++;
	return NULL;
}

static void
find(struct dpdk_io *d, unsigned port, struct rte_mbuf *m)
{
	d->found[d->n_found] = m;
	d->found_port[d->n_found++] = (uint8_t)port;
}

/* Frames that are others', by whose they are. */
struct others {
	uint16_t n[SHARDS_MAX];
	struct rte_mbuf *m[SHARDS_MAX][PKT_BURST];
};

static void
hand_over(struct dpdk_io *d, struct others *o)
{
	for (unsigned to = 0; to < d->dev->n_workers; to++) {
		unsigned n;

		if (o->n[to] == 0)
			continue;
		n = rte_ring_sp_enqueue_burst(
		    d->dev->found[d->worker][to], (void **)o->m[to], o->n[to], NULL);
		d->stats.handed += n;
		d->moved = true;
		dpdk_wake(&d->dev->io[to]->io);
		if (n == o->n[to])
			continue;
		rte_pktmbuf_free_bulk(o->m[to] + n, o->n[to] - n);
		d->stats.rx_dropped += o->n[to] - n;
		d->stats.rx_handed_full += o->n[to] - n;
	}
}

static unsigned
owner(const struct dpdk_io *d, const struct rte_mbuf *m)
{
	const struct pkt p = {.bytes = rte_pktmbuf_mtod(m, const uint8_t *),
	    .caplen = m->data_len,
	    .wirelen = m->data_len,
	    .link = LINK_ETHERNET};

	return shard_of(&d->dev->shard, &p);
}

/* At most max frames of our queue of a port: ours are found, others' are theirs. */
static void
take(struct dpdk_io *d, unsigned port, unsigned max)
{
	const struct side *s = &d->dev->side[port];
	struct rte_mbuf *got[PKT_BURST];
	bool several = d->dev->n_workers > 1;
	struct others others;
	uint16_t k;

	if (d->worker >= s->rxq)
		return;
	k = rte_eth_rx_burst(s->id, (uint16_t)d->worker, got, (uint16_t)max);
	if (k != 0 && several)
		memset(others.n, 0, sizeof(others.n));
	for (uint16_t i = 0; i < k; i++) {
		unsigned to = d->worker;

		if (i + 1 < k)
			rte_prefetch0(rte_pktmbuf_mtod(got[i + 1], void *));
		if (!(got[i] = whole(d, got[i])))
			continue;
		if (several)
			to = owner(d, got[i]);
		if (to == d->worker) {
			find(d, port, got[i]);
			continue;
		}
		got[i]->port = s->id; /* not every driver says so */
		others.m[to][others.n[to]++] = got[i];
	}
	if (k != 0 && several)
		hand_over(d, &others);
}

/* What others have found for us; at most max. */
static void
take_handed(struct dpdk_io *d, unsigned max)
{
	for (unsigned from = 0; from < d->dev->n_workers && max != 0; from++) {
		struct rte_mbuf *got[PKT_BURST];
		unsigned k;

		if (from == d->worker)
			continue;
		k = rte_ring_sc_dequeue_burst(
		    d->dev->found[from][d->worker], (void **)got, max, NULL);
		for (unsigned i = 0; i < k; i++) {
			rte_prefetch0(rte_pktmbuf_mtod(got[i], void *));
			find(d, got[i]->port == d->dev->side[0].id ? 0 : 1, got[i]);
		}
		max -= k;
	}
}

/* Fill found[]: half of it by others; of the rest half for each port, then for who has more. */
static unsigned
look(struct dpdk_io *d, unsigned max)
{
	unsigned sides = d->dev->n_sides, half;

	d->turn ^= sides - 1;
	take_handed(d, (max - d->n_found + 1) / 2);
	half = (max - d->n_found) / sides;
	for (unsigned i = 0; i < sides && half != 0; i++)
		take(d, i ^ d->turn, half);
	for (unsigned i = 0; i < sides && d->n_found < max; i++)
		take(d, i ^ d->turn, max - d->n_found);
	take_handed(d, max - d->n_found);
	return d->n_found;
}

static uint64_t
stamp_of(const struct dpdk_io *d, const struct rte_mbuf *m)
{
	/* net_pcap, the only one that is asked, counts microseconds */
	if (d->stamp < 0 || !(m->ol_flags & d->stamp_flag))
		return d->io.now_ns;
	return *RTE_MBUF_DYNFIELD(m, (size_t)d->stamp, const rte_mbuf_timestamp_t *) * 1000;
}

static int
dpdk_rx(struct io *io, struct pkt *burst, unsigned max)
{
	struct dpdk_io *d = (struct dpdk_io *)io;
	unsigned n;

	io->now_ns = clock_wall_ns();
	flush_all(d); /* what a timer of the engine has sent, too */
	if (max > PKT_BURST)
		max = PKT_BURST;
	if (max == 0)
		return 0;
	n = d->n_found != 0 ? d->n_found : look(d, max);
	n = n < max ? n : max;
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = d->found[i];

		d->lent[i] = m;
		burst[i] = (struct pkt){
		    .bytes = rte_pktmbuf_mtod(m, const uint8_t *),
		    .ts_ns = stamp_of(d, m),
		    .frame = ++d->frame,
		    .caplen = m->data_len,
		    .wirelen = m->data_len,
		    .link = LINK_ETHERNET,
		    .port = d->found_port[i],
		    .cookie = i,
		};
	}
	d->n_found -= n;
	memmove(d->found, d->found + n, d->n_found * sizeof(d->found[0]));
	memmove(d->found_port, d->found_port + n, d->n_found);
	d->stats.rx += n;
	if (n != 0 || d->moved)
		d->sleep_us = 0;
	d->moved = false;
	return n == 0 && d->finite ? ERR_EOF : (int)n;
}

/* --- waiting --------------------------------------------------------------------------------- */

static void
note_open(bool open[FDS_MAX])
{
	for (int fd = 0; fd < FDS_MAX; fd++)
		open[fd] = fcntl(fd, F_GETFD) >= 0;
}

/* Is a socket of this family behind that descriptor, which was not open then? */
static bool
is_new_socket(int fd, const bool before[FDS_MAX], int family)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	return !before[fd] && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	       domain == family;
}

/* net_af_packet has bound one per queue, one after the other, when it was found. */
static void
find_packet_sockets(struct side *s, const bool before[FDS_MAX])
{
	unsigned q = 0;

	for (int fd = 3; fd < FDS_MAX && q < s->rxq && s->interface != 0; fd++) {
		struct sockaddr_ll at = {.sll_ifindex = 0};
		socklen_t len = sizeof(at);

		if (is_new_socket(fd, before, AF_PACKET) &&
		    getsockname(fd, (struct sockaddr *)&at, &len) == 0 &&
		    at.sll_ifindex == s->interface)
			s->socket[q++] = fd;
	}
}

/* net_af_xdp makes the one of a queue when that is set up. */
static void
find_xdp_socket(struct side *s, unsigned queue, const bool before[FDS_MAX])
{
	for (int fd = 3; fd < FDS_MAX; fd++)
		if (is_new_socket(fd, before, AF_XDP))
			s->socket[queue] = fd;
}

/* What says that a frame comes for this worker: the sockets of its queues, if all of these have one. */
static void
find_sockets(struct dpdk_io *d)
{
	d->patient = true;
	for (unsigned i = 0; i < d->dev->n_sides; i++) {
		const struct side *s = &d->dev->side[i];

		if (d->worker >= s->rxq)
			continue;
		if (!s->by_socket || s->socket[d->worker] < 0)
			d->patient = false;
		else
			d->socket[d->n_sockets++] = s->socket[d->worker];
	}
}

/* Did another worker leave something? */
static bool
handed(const struct dpdk_io *d)
{
	for (unsigned from = 0; from < d->dev->n_workers; from++) {
		if (from == d->worker)
			continue;
		if (!rte_ring_empty(d->dev->found[from][d->worker]))
			return true;
		for (unsigned to = 0; to < d->dev->n_sides; to++)
			if (d->dev->leave[to][from] && from % d->dev->side[to].txq == d->worker &&
			    !rte_ring_empty(d->dev->leave[to][from]))
				return true;
	}
	return false;
}

/* True: something came, or may have. */
static bool
sleep_for(struct dpdk_io *d, int other_fd, unsigned us)
{
	const struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
	struct pollfd fds[4];
	uint64_t woken;
	nfds_t n = 0;
	int r;

	for (; d->patient && n < d->n_sockets; n++)
		fds[n] = (struct pollfd){.fd = d->socket[n], .events = POLLIN};
	if (other_fd >= 0)
		fds[n++] = (struct pollfd){.fd = other_fd, .events = POLLIN};
	if (d->wake_fd < 0)
		return ppoll(fds, n, &ts, NULL) != 0;
	fds[n++] = (struct pollfd){.fd = d->wake_fd, .events = POLLIN};
	/* Who looks after this finds what came before it; who leaves something later sees it (dpdk_wake()). */
	atomic_store(&d->asleep, true);
	atomic_thread_fence(memory_order_seq_cst);
	r = handed(d) ? 1 : ppoll(fds, n, &ts, NULL);
	atomic_store(&d->asleep, false);
	(void)!read(d->wake_fd, &woken, sizeof(woken)); /* does not block */
	return r != 0;
}

static void
dpdk_wait(struct io *io, int other_fd, unsigned timeout_us)
{
	struct dpdk_io *d = (struct dpdk_io *)io;
	const uint64_t spin = rte_get_tsc_hz() / 1000000 * SPIN_US;

	flush_all(d);
	if (d->sleep_us == 0) { /* frames came a moment ago */
		uint64_t until = rte_rdtsc() + spin;

		d->sleep_us = SLEEP_MIN_US;
		do {
			if (look(d, PKT_BURST) != 0 || d->moved)
				return;
			rte_pause();
		} while (rte_rdtsc() < until);
	}
	if (d->patient && sleep_for(d, other_fd, timeout_us))
		return;
	while (timeout_us != 0 && !d->patient) {
		unsigned us = d->sleep_us < timeout_us ? d->sleep_us : timeout_us;

		if (sleep_for(d, other_fd, us) || look(d, PKT_BURST) != 0 || d->moved)
			return;
		timeout_us -= us;
		d->sleep_us = 2 * d->sleep_us < SLEEP_MAX_US ? 2 * d->sleep_us : SLEEP_MAX_US;
	}
}

/* --- what is rare ---------------------------------------------------------------------------- */

static bool
dpdk_link(struct io *io, unsigned port, bool carrier)
{
	struct dpdk_io *d = (struct dpdk_io *)io;
	struct side *s = &d->dev->side[port];
	struct rte_eth_link l = {.link_status = RTE_ETH_LINK_UP};
	bool up;

	if (port >= d->dev->n_sides)
		return false;
	if (s->has_link && rte_eth_link_get_nowait(s->id, &l) < 0)
		l.link_status = RTE_ETH_LINK_UP;
	up = carrier && l.link_status == RTE_ETH_LINK_UP;
	atomic_store_explicit(&s->down, !up, memory_order_relaxed);
	return up;
}

/* What the kernel had no room for in front of net_af_packet, which does not count it: since the last answer,
 * so it is added up here. */
static uint64_t
lost_below(const struct dpdk_io *d)
{
	static uint64_t lost_by[SHARDS_MAX];
	uint64_t *lost = &lost_by[d->worker];

	for (unsigned i = 0; i < d->n_sockets; i++) {
		struct tpacket_stats ts;
		socklen_t len = sizeof(ts);

		if (getsockopt(d->socket[i], SOL_PACKET, PACKET_STATISTICS, &ts, &len) == 0)
			*lost += ts.tp_drops;
	}
	return *lost;
}

static void
dpdk_stats(const struct io *io, struct io_stats *st)
{
	const struct dpdk_io *d = (const struct dpdk_io *)io;

	*st = d->stats;
	st->rx_dropped += lost_below(d);
	for (unsigned i = 0; d->worker == 0 && i < d->dev->n_sides; i++) { /* of all queues */
		struct rte_eth_stats es;

		if (rte_eth_stats_get(d->dev->side[i].id, &es) != 0)
			continue;
		st->rx_dropped += es.imissed + es.ierrors + es.rx_nombuf;
		st->tx_dropped += es.oerrors;
	}
}

static const char *
dpdk_err_text(const struct io *io)
{
	return io ? ((const struct dpdk_io *)io)->text : "";
}

struct errand {
	void (*fn)(void *);
	void *ctx;
	atomic_bool done;
};

static int
run_in_lcore(void *arg)
{
	const struct errand *e = arg;

	e->fn(e->ctx);
	return 0;
}

static void
run_errand(void *arg)
{
	struct errand *e = arg;

	e->fn(e->ctx);
	atomic_store(&e->done, true);
}

static int
dpdk_threads(struct io *io, void (*fn)(void *), void *ctx)
{
	static struct errand e; /* a late thread must find it */
	const struct timespec pause = {.tv_nsec = 1000000};
	const struct dpdk_io *d = (const struct dpdk_io *)io;

	e.fn = fn;
	e.ctx = ctx;
	atomic_store(&e.done, false);
	if (rte_eal_alarm_set(1, run_errand, &e) < 0)
		return ERR_UNSUPPORTED;
	for (unsigned ms = 0; ms < THREAD_WAIT_MS && !atomic_load(&e.done); ms++)
		(void)nanosleep(&pause, NULL);
	for (unsigned i = 1; i < d->dev->n_workers; i++)
		if (rte_eal_remote_launch(run_in_lcore, &e, i) < 0 || rte_eal_wait_lcore(i) < 0)
			return ERR_AGAIN;
	return atomic_load(&e.done) ? 0 : ERR_AGAIN;
}

static int
dpdk_run(struct io *io, int (*life)(void *), void *ctx)
{
	const struct dpdk_io *d = (const struct dpdk_io *)io;

	return rte_eal_remote_launch(life, ctx, d->worker) < 0 ? ERR_AGAIN : 0;
}

/* --- open and close -------------------------------------------------------------------------- */

static int
dpdk_close(struct io *io)
{
	struct dpdk_io *d = (struct dpdk_io *)io;
	struct device *dev = d->dev;

	flush_all(d);
	for (unsigned i = 0; d->worker == 0 && i < dev->n_sides; i++) {
		(void)rte_eth_dev_stop(dev->side[i].id);
		(void)rte_eth_dev_close(dev->side[i].id);
		if (dev->side[i].all_fd >= 0)
			(void)close(dev->side[i].all_fd);
	}
	if (d->worker == 0)
		free(dev);
	free(d);
	return 0;
}

/* Drivers by name are virtual; all else is an address of a bus. */
static bool
is_virtual(const char *device)
{
	return strncmp(device, "net_", 4) == 0 || strncmp(device, "eth_", 4) == 0;
}

/* Free huge pages of this size, in MB. */
static unsigned long
huge_mb(unsigned kb)
{
	char path[96], line[32] = "0";
	FILE *f;

	(void)snprintf(
	    path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%ukB/free_hugepages", kb);
	if ((f = fopen(path, "re"))) {
		if (!fgets(line, sizeof(line), f))
			line[0] = '0';
		(void)fclose(f);
	}
	return strtoul(line, NULL, 10) * kb / 1024;
}

/* "0@(0,1),1@(0,1)": an lcore per worker, each on any processor that this process may use: one that is bound to a
 * processor on which something else runs keeps its connections waiting. */
static void
lcores(char *to, size_t size, unsigned workers)
{
	char cpus[DEVICE_MAX / SHARDS_MAX - 8] = "";
	cpu_set_t set;
	size_t n = 0;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		CPU_SET(0, &set);
	for (unsigned i = 0; i < CPU_SETSIZE && n + 5 < sizeof(cpus); i++)
		if (CPU_ISSET(i, &set))
			n += (size_t)snprintf(
			    cpus + n, sizeof(cpus) - n, "%s%u", n == 0 ? "" : ",", i);
	n = 0;
	for (unsigned w = 0; w < workers && n < size; w++)
		n += (size_t)snprintf(to + n, size - n, "%s%u@(%s)", w ? "," : "", w, cpus);
}

/* Of what EAL and the drivers have said, the last line that tells why. */
static const char *
last_line(char *said)
{
	char *line, *rest = said, *best = said;

	while ((line = strsep(&rest, "\n")))
		if (line[0] != '\0' && (strncmp(line, "EAL: FATAL", 10) != 0 || best == said))
			best = line;
	return best;
}

/* Once per process.  0 or ERR_*, said. */
static int
begin_eal(const char *const *device, unsigned n, unsigned workers, size_t buffer_bytes, char *err,
    size_t err_size)
{
	static bool begun;
	static char text[ARGS_MAX][DEVICE_MAX], said[SAID_SIZE];
	unsigned long mb =
	    (unsigned long)(workers * BUFFERS * (buffer_bytes + 256) >> 20) + MEMORY_MB;
	pthread_attr_t small;
	bool pci = false;
	char *argv[ARGS_MAX + 1];
	FILE *log;
	int argc = 0, r;

#define ARG(...)                                                                                   \
	((void)snprintf(text[argc], DEVICE_MAX, __VA_ARGS__), argv[argc] = text[argc], argc++)
	if (begun)
		return err_say(err, err_size, ERR_EXISTS, "dpdk: one of its inputs at a time");
	ARG("interlock");
	ARG("--no-telemetry");
	ARG("--log-level=lib.eal:error");
	ARG("--lcores");
	lcores(text[argc], DEVICE_MAX, workers);
	argv[argc] = text[argc];
	argc++;
	ARG("-m");
	ARG("%lu", mb);
	/* Either way nothing of it is a file.  (22.11 refuses the two together.) */
	if (huge_mb(2048) >= mb + 2 || huge_mb(1048576) >= mb) {
		ARG("--in-memory");
	} else {
		ARG("--no-huge");
		ARG("--no-shconf");
	}
	for (unsigned i = 0; i < n; i++) {
		pci |= !is_virtual(device[i]);
		ARG(is_virtual(device[i]) ? "--vdev" : "-a");
		ARG("%s", device[i]);
	}
	if (!pci)
		ARG("--no-pci");
#undef ARG
	argv[argc] = NULL;
	begun = true;
	if ((log = fmemopen(said, sizeof(said), "w")) != NULL)
		(void)rte_openlog_stream(log);
	if (workers > 1 && pthread_attr_init(&small) == 0) {
		(void)pthread_attr_setstacksize(&small, WORKER_STACK);
		(void)pthread_setattr_default_np(&small);
		(void)pthread_attr_destroy(&small);
	}
	r = rte_eal_init(argc, argv);
	/* From now on to standard error alone: by itself it would go to syslog too. */
	(void)rte_openlog_stream(stderr);
	if (log)
		(void)fclose(log);
	if (r < 0)
		return err_say(err, err_size, ERR_UNSUPPORTED, "dpdk: %s",
		    said[0] != '\0' ? last_line(said) : rte_strerror(rte_errno));
	return 0;
}

/* The name by which a device string's port is found: what is in front of its arguments. */
static void
port_name(const char *device, char *name, size_t size)
{
	const char *p = strncmp(device, "pci:", 4) == 0 ? device + 4 : device;
	bool short_pci = strlen(p) > 2 && isxdigit((unsigned char)p[0]) && p[2] == ':';

	(void)snprintf(name, size, "%s%.*s", short_pci ? "0000:" : "", (int)strcspn(p, ","), p);
}

/* What shard.h hashes. */
#define HASHED                                                                                     \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER |               \
	    RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER |            \
	    RTE_ETH_RSS_IPV6_EX)
#define KEY_MAX 64u

/* The device is asked to spread frames as shard.h does, when it says it can.  (Whether it does so nobody relies on.) */
static void
ask_hash(const struct device *dev, const struct side *s, const struct rte_eth_dev_info *info,
    struct rte_eth_conf *conf)
{
	static uint8_t key[KEY_MAX];
	uint8_t bytes = info->hash_key_size ? info->hash_key_size : 40;

	if (s->rxq < dev->n_workers || !(info->flow_type_rss_offloads & RTE_ETH_RSS_IPV4) ||
	    bytes > KEY_MAX || info->reta_size == 0 || info->reta_size % SHARD_ENTRIES != 0)
		return;
	for (unsigned i = 0; i < KEY_MAX; i++)
		key[i] = SHARD_KEY_BYTE(i);
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
	    .rss_key = key, .rss_key_len = bytes, .rss_hf = info->flow_type_rss_offloads & HASHED};
}

/* The table of queues, of a device that has started and was asked. */
static bool
fill_table(const struct side *s, const struct rte_eth_dev_info *info)
{
	struct rte_eth_rss_reta_entry64 table[8];

	if (info->reta_size > sizeof(table) / sizeof(table[0]) * RTE_ETH_RETA_GROUP_SIZE)
		return false;
	memset(table, 0, sizeof(table));
	for (unsigned i = 0; i < info->reta_size; i++) {
		table[i / RTE_ETH_RETA_GROUP_SIZE].mask |= UINT64_C(1)
							   << i % RTE_ETH_RETA_GROUP_SIZE;
		table[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] =
		    (uint16_t)SHARD_ENTRY(i, s->rxq);
	}
	return rte_eth_dev_rss_reta_update(s->id, table, info->reta_size) == 0;
}

/* A queue for each worker, as far as it has so many.  0 or ERR_*, said. */
static int
begin_queues(struct device *dev, struct side *s, char *err, size_t err_size)
{
	unsigned socket = (unsigned)rte_eth_dev_socket_id(s->id);
	uint16_t rxd = DESCRIPTORS, txd = DESCRIPTORS;
	bool before[FDS_MAX];
	int r = rte_eth_dev_adjust_nb_rx_tx_desc(s->id, &rxd, &txd);

	for (uint16_t q = 0; q < s->rxq && r >= 0; q++) {
		note_open(before);
		r = rte_eth_rx_queue_setup(s->id, q, rxd, socket, NULL, dev->pool);
		if (r >= 0 && s->by_socket && s->socket[q] < 0)
			find_xdp_socket(s, q, before);
	}
	for (uint16_t q = 0; q < s->txq && r >= 0; q++)
		r = rte_eth_tx_queue_setup(s->id, q, txd, socket, NULL);
	if (r < 0)
		return err_say(err, err_size, err_from_errno(-r), "dpdk: %s: its queues: %s",
		    s->name, rte_strerror(-r));
	return 0;
}

static int
begin_port(struct dpdk_io *d, unsigned port, uint32_t mtu, const bool before[FDS_MAX], char *err,
    size_t err_size)
{
	struct rte_eth_conf conf = {.rxmode = {.mq_mode = RTE_ETH_MQ_RX_NONE}};
	struct device *dev = d->dev;
	struct side *s = &dev->side[port];
	struct rte_eth_dev_info info;
	uint16_t own = 0;
	int r;

	if ((r = rte_eth_dev_info_get(s->id, &info)) < 0)
		return err_say(
		    err, err_size, err_from_errno(-r), "dpdk: %s: %s", s->name, rte_strerror(-r));
	if (mtu == 0)
		mtu = rte_eth_dev_get_mtu(s->id, &own) == 0 && own != 0 ? own : RTE_ETHER_MTU;
	conf.rxmode.mtu = mtu;
	s->max_len = mtu + LINK_BYTES;
	d->io.mtu[port] = mtu;
	s->by_socket = strcmp(info.driver_name, "net_af_packet") == 0 ||
		       strcmp(info.driver_name, "net_af_xdp") == 0;
	s->has_link = info.if_index == 0; /* else the kernel knows, and a driver would ask it */
	s->interface = s->by_socket ? (int)info.if_index : 0;
	s->rxq = (uint16_t)RTE_MIN(info.max_rx_queues, dev->n_workers);
	s->txq = (uint16_t)RTE_MIN(info.max_tx_queues, dev->n_workers);
	/* The kernel gives these all of the queues that the device string asks for: nobody would read the rest. */
	if (s->by_socket && info.max_rx_queues > dev->n_workers)
		return err_say(err, err_size, ERR_UNSUPPORTED,
		    "dpdk: %s: has %u queues for %u worker%s (--workers): one each at most",
		    s->name, info.max_rx_queues, dev->n_workers, dev->n_workers == 1 ? "" : "s");
	ask_hash(dev, s, &info, &conf);
	if ((r = rte_eth_dev_configure(s->id, s->rxq, s->txq, &conf)) < 0)
		return err_say(err, err_size, err_from_errno(-r),
		    "dpdk: %s: cannot have %u queues and an MTU of %u: %s", s->name, s->rxq, mtu,
		    rte_strerror(-r));
	find_packet_sockets(s, before);
	if ((r = begin_queues(dev, s, err, err_size)) < 0)
		return r;
	if ((r = rte_eth_dev_start(s->id)) < 0)
		return err_say(err, err_size, err_from_errno(-r), "dpdk: %s: does not start: %s",
		    s->name, rte_strerror(-r));
	s->hashes = conf.rxmode.mq_mode == RTE_ETH_MQ_RX_RSS && fill_table(s, &info);
	return 0;
}

/*
 * Promiscuous, until the process ends in whatever way.  A driver of an interface of the kernel sets that interface's flag,
 * which stays when the port is closed, and who has no rights by then cannot take it back; what a socket asks for
 * ends with the socket.
 */
static void
take_all(struct side *s)
{
	struct packet_mreq mr = {.mr_ifindex = s->interface, .mr_type = PACKET_MR_PROMISC};

	s->all_fd = s->interface ? socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) : -1;
	if (s->all_fd >= 0 &&
	    setsockopt(s->all_fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mr, sizeof(mr)) < 0) {
		(void)close(s->all_fd);
		s->all_fd = -1;
	}
	if (s->all_fd < 0)
		(void)rte_eth_promiscuous_enable(s->id); /* some have no such switch */
}

/* The time of capture, where a capture is the source. */
static void
find_stamp(struct dpdk_io *d)
{
	struct rte_eth_dev_info info;
	int bit;

	d->stamp = -1;
	if (rte_eth_dev_info_get(d->dev->side[0].id, &info) != 0 ||
	    strcmp(info.driver_name, "net_pcap") != 0)
		return;
	d->stamp = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	bit = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);
	d->stamp_flag = bit >= 0 ? UINT64_C(1) << bit : 0;
}

/* After open() DPDK's heap is as large as it will ever be: no system call may extend it. */
static int
no_more(int socket, size_t limit, size_t size)
{
	(void)socket;
	(void)limit;
	(void)size;
	return -1;
}

static unsigned
dpdk_owner(const struct io *io, const uint8_t *a, const uint8_t *b, unsigned len)
{
	const struct dpdk_io *d = (const struct dpdk_io *)(const void *)io;

	return shard_owner(&d->dev->shard, a, b, len);
}

/* One of those that lead to a worker: so many that one who stands still does not keep the others' buffers. */
static struct rte_ring *
ring(const struct device *dev, const char *kind, unsigned a, unsigned b)
{
	unsigned n = rte_align32prevpow2(HANDED / (dev->n_workers - 1));
	char name[RTE_RING_NAMESIZE];

	(void)snprintf(name, sizeof(name), "%s-%u-%u", kind, a, b);
	return rte_ring_create(
	    name, n < HANDED_MIN ? HANDED_MIN : n, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

/* By what frames go from worker to worker.  0 or ERR_*, said. */
static int
begin_rings(struct device *dev, char *err, size_t err_size)
{
	bool ok = true;

	for (unsigned from = 0; from < dev->n_workers; from++) {
		for (unsigned to = 0; to < dev->n_workers; to++)
			if (from != to)
				ok &= (dev->found[from][to] = ring(dev, "found", from, to)) != NULL;
		for (unsigned to = 0; to < dev->n_sides; to++)
			if (from >= dev->side[to].txq)
				ok &= (dev->leave[to][from] = ring(dev, "leave", from, to)) != NULL;
	}
	if (!ok)
		return err_say(err, err_size, ERR_NOMEM, "dpdk: no memory for rings: %s",
		    rte_strerror(rte_errno));
	return 0;
}

static int
begin(struct dpdk_io *d, const char *const *device, const struct io_port *ports, uint64_t seed,
    char *err, size_t err_size)
{
	struct device *dev = d->dev;
	bool before[FDS_MAX], hashes = true;
	uint32_t mtu = RTE_ETHER_MTU;
	unsigned buffers = dev->n_workers * BUFFERS;
	size_t bytes;
	int r;

	for (unsigned i = 0; ports && i < 2; i++)
		mtu = ports[i].mtu > mtu ? ports[i].mtu : mtu;
	/* XDP keeps some of a buffer for itself, where a driver receives by it. */
	bytes = RTE_PKTMBUF_HEADROOM +
		(mtu > RTE_ETHER_MTU ? RTE_ALIGN(mtu + LINK_BYTES + XDP_BYTES, 64u) : 2048u);
	if (bytes > UINT16_MAX)
		return err_say(
		    err, err_size, ERR_UNSUPPORTED, "dpdk: an MTU of %u does not fit", mtu);
	note_open(before);
	if ((r = begin_eal(device, dev->n_sides, dev->n_workers, bytes, err, err_size)) < 0)
		return r;
	dev->pool = rte_pktmbuf_pool_create(
	    "frames", buffers - 1, BUFFER_CACHE, 0, (uint16_t)bytes, SOCKET_ID_ANY);
	if (!dev->pool)
		return err_say(err, err_size, ERR_NOMEM, "dpdk: no memory for %u buffers: %s",
		    buffers, rte_strerror(rte_errno));
	for (unsigned i = 0; i < dev->n_sides; i++) {
		struct side *s = &dev->side[i];

		port_name(device[i], s->name, sizeof(s->name));
		if (rte_eth_dev_get_port_by_name(s->name, &s->id) != 0)
			return err_say(err, err_size, ERR_NOTFOUND,
			    "dpdk: %s: no driver of DPDK has such a port", device[i]);
		if ((r = begin_port(d, i, ports ? ports[i].mtu : 0, before, err, err_size)) < 0)
			return r;
		hashes &= s->hashes;
	}
	if (dev->n_workers > 1 && (r = begin_rings(dev, err, err_size)) < 0)
		return r;
	shard_init(&dev->shard, dev->n_workers, seed, hashes);
	find_stamp(d);
	for (unsigned i = 0; i < dev->n_sides; i++)
		take_all(&dev->side[i]);
	return 0;
}

/* The first io: the device with it. */
static int
open_device(struct dpdk_io *d, const struct io_conf *conf, char *err, size_t err_size)
{
	const char *device[2] = {conf->target, NULL};
	struct device *dev = d->dev;

	dev->n_workers = conf->workers ? conf->workers : 1;
	dev->n_sides = conf->ports ? 2 : 1;
	for (unsigned i = 0; i < 2; i++) {
		memset(dev->side[i].socket, 0xff, sizeof(dev->side[i].socket));
		if (conf->ports)
			device[i] = conf->ports[i].device;
	}
	d->finite =
	    !conf->ports && strstr(device[0], "rx_pcap=") && !strstr(device[0], "infinite_rx=1");
	d->mute = !conf->ports && !strstr(device[0], "tx_pcap=");
	return begin(d, device, conf->ports, conf->seed, err, err_size);
}

/* queue: the worker.  That of worker 0 first; the last one ends what may take memory. */
static int
dpdk_open(struct io **io, const struct io_conf *conf, unsigned queue, char *err, size_t err_size)
{
	static struct device *opened;
	unsigned workers = conf->workers ? conf->workers : 1;
	struct dpdk_io *d;
	int r = 0;

	if (queue >= workers || workers > SHARDS_MAX || (queue != 0 && !opened))
		return err_say(err, err_size, ERR_UNSUPPORTED, "dpdk: one queue per worker");
	if (!(d = aligned_alloc(64, (sizeof(*d) + 63) / 64 * 64)))
		return err_say(err, err_size, ERR_NOMEM, "dpdk: out of memory");
	memset(d, 0, sizeof(*d));
	d->io.be = &io_dpdk;
	d->worker = queue;
	d->wake_fd = workers > 1 ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	if (queue == 0 && !(opened = calloc(1, sizeof(*opened))))
		r = err_say(err, err_size, ERR_NOMEM, "dpdk: out of memory");
	d->dev = opened;
	if (r == 0 && queue == 0)
		r = open_device(d, conf, err, err_size);
	else if (r == 0)
		memcpy(d->io.mtu, opened->io[0]->io.mtu, sizeof(d->io.mtu));
	if (r < 0) {
		/* The devices end with the process: there is no second try in it. */
		if (queue == 0)
			free(opened);
		opened = NULL;
		free(d);
		return r;
	}
	find_sockets(d);
	opened->io[queue] = d;
	if (queue + 1 == workers)
		(void)rte_mem_alloc_validator_register("interlock", no_more, SOCKET_ID_ANY, 0);
	*io = &d->io;
	return 0;
}

const struct io_backend io_dpdk = {
    .scheme = "dpdk",
    .open = dpdk_open,
    .rx = dpdk_rx,
    .tx = dpdk_tx,
    .done = dpdk_done,
    .wait = dpdk_wait,
    .link = dpdk_link,
    .threads = dpdk_threads,
    .run = dpdk_run,
    .wake = dpdk_wake,
    .owner = dpdk_owner,
    .stats = dpdk_stats,
    .err_text = dpdk_err_text,
    .close = dpdk_close,
};
