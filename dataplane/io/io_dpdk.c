/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_dpdk.c - two ports of a guard, or one as an input, over DPDK (22.11 or newer, rte_ethdev only).
 *
 * As an input it is listened to and never spoken into, but for captures (net_pcap with tx_pcap=).
 *
 * A port is an EAL device string: "net_af_packet0,iface=eth1", "0000:03:00.0", "net_pcap0,rx_pcap=..".
 * One receive and one transmit queue each; frames are judged where the driver put them:
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
 * open() does all that needs a right, and takes all memory: the heap of DPDK cannot grow after it.  EAL
 * exists once per process, so there is one io of this kind at a time.  EAL's interrupt thread lives as long as the
 * process; threads() runs a function in it, so that who gives up rights gives up that thread's too.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include <rte_alarm.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#undef NS_PER_S /* DPDK has one too */
#include "base/clock.h"
#include "base/err.h"
#include "dataplane/io/io.h"

#define LINK_BYTES     22u /* Ethernet and two VLAN tags come on top of the MTU */
#define XDP_BYTES      256u /* XDP_PACKET_HEADROOM */
#define DESCRIPTORS    1024u
#define BUFFERS	       8192u /* of both ports: their rings, bursts, and what waits to leave */
#define BUFFER_CACHE   250u
#define MEMORY_MB      96u /* beside the buffers: rings, the drivers' own */
#define OUT_MAX	       256u
#define TX_TRIES       64u /* without progress, a pause each */
#define SPIN_US	       50u
#define SLEEP_MIN_US   50u
#define SLEEP_MAX_US   1000u
#define THREAD_WAIT_MS 2000u
#define SOCKETS_MAX    8u
#define FDS_MAX	       1024
#define TEXT_SIZE      256u
#define ARGS_MAX       32
#define DEVICE_MAX     512u
#define SAID_SIZE      4096u /* of what EAL says when it cannot begin */

struct side {
	uint16_t id; /* of the port */
	uint16_t n_out;
	uint32_t max_len;    /* bytes of a frame that it can send */
	bool down, has_link; /* has_link: the driver knows it */
	bool by_socket;	     /* it receives from one */
	int interface;	     /* of the kernel, below it; 0: none */
	int all_fd; /* while it is open, that interface takes every frame; -1: the driver says so */
	struct rte_mbuf *out[OUT_MAX];
	char name[RTE_ETH_NAME_MAX_LEN];
};

struct dpdk_io {
	struct io io;
	struct side side[2];
	unsigned n_sides, turn;
	bool finite; /* a capture file: nothing more is its end */
	bool mute;   /* one port that is listened to: nothing is ever sent */
	int stamp;   /* offset in a buffer of the time of capture, or -1 */
	uint64_t stamp_flag;
	struct rte_mempool *pool;
	uint64_t frame;
	struct rte_mbuf *lent[PKT_BURST];
	/* what wait() found, for the next rx() */
	struct rte_mbuf *found[PKT_BURST];
	uint8_t found_port[PKT_BURST];
	unsigned n_found;
	unsigned sleep_us;  /* the next one; 0: frames came a moment ago */
	unsigned n_sockets; /* of the drivers; 0: they are not to be waited for */
	int socket[SOCKETS_MAX];
	struct io_stats stats;
	char text[TEXT_SIZE];
};

extern const struct io_backend io_dpdk;

/* --- sending --------------------------------------------------------------------------------- */

static struct side *
opposite(struct dpdk_io *d, uint8_t port)
{
	return &d->side[d->n_sides == 2 ? port ^ 1 : 0];
}

static void
lose(struct side *s, unsigned from, struct dpdk_io *d, uint64_t *why)
{
	rte_pktmbuf_free_bulk(s->out + from, s->n_out - from);
	d->stats.tx -= s->n_out - from;
	d->stats.tx_dropped += s->n_out - from;
	*why += s->n_out - from;
	s->n_out = 0;
}

static void
flush(struct dpdk_io *d, struct side *s)
{
	unsigned sent = 0;

	if (s->n_out == 0)
		return;
	if (s->down) {
		lose(s, 0, d, &d->stats.tx_down);
		return;
	}
	for (unsigned tries = 0; sent < s->n_out && tries < TX_TRIES; tries++) {
		uint16_t n = rte_eth_tx_burst(s->id, 0, s->out + sent, (uint16_t)(s->n_out - sent));

		sent += n;
		if (n != 0)
			tries = 0;
		else
			rte_pause();
	}
	if (sent < s->n_out)
		lose(s, sent, d, &d->stats.tx_full);
	s->n_out = 0;
}

/* Takes the buffer in any case. */
static void
queue_out(struct dpdk_io *d, struct side *s, struct rte_mbuf *m)
{
	if (rte_pktmbuf_pkt_len(m) > s->max_len) {
		rte_pktmbuf_free(m);
		d->stats.tx_dropped++;
		d->stats.tx_long++;
		return;
	}
	if (s->n_out == OUT_MAX)
		flush(d, s);
	s->out[s->n_out++] = m;
	d->stats.tx++;
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
	for (unsigned i = 0; i < d->n_sides; i++)
		flush(d, &d->side[i]);
}

static int
dpdk_tx(struct io *io, const struct pkt *p)
{
	struct dpdk_io *d = (struct dpdk_io *)io;
	struct rte_mbuf *m;

	if (d->mute)
		return 0;
	if (p->link == LINK_ETHERNET && p->port < 2 && p->caplen <= opposite(d, p->port)->max_len) {
		m = rte_pktmbuf_alloc(d->pool);
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

/* At most max frames of a port, behind the n there are. */
static unsigned
take(struct dpdk_io *d, unsigned port, unsigned n, unsigned max)
{
	struct rte_mbuf *got[PKT_BURST];
	uint16_t k = rte_eth_rx_burst(d->side[port].id, 0, got, (uint16_t)max);

	for (uint16_t i = 0; i < k; i++) {
		if (i + 1 < k)
			rte_prefetch0(rte_pktmbuf_mtod(got[i + 1], void *));
		if (!(got[i] = whole(d, got[i])))
			continue;
		d->found[n] = got[i];
		d->found_port[n++] = (uint8_t)port;
	}
	return n;
}

/* Fill found[]: half of it for each port, then the rest for who has more. */
static unsigned
look(struct dpdk_io *d, unsigned max)
{
	unsigned n = d->n_found;

	d->turn ^= d->n_sides - 1;
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < d->n_sides && n < max; i++)
			n = take(d, i ^ d->turn, n,
			    round == 0 && max - n > max / d->n_sides ? max / d->n_sides : max - n);
	return d->n_found = n;
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
	for (unsigned i = 0; i < d->n_sides; i++)
		flush(d, &d->side[i]); /* what a timer of the engine has sent */
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
	if (n != 0)
		d->sleep_us = 0;
	return n == 0 && d->finite ? ERR_EOF : (int)n;
}

/* --- waiting --------------------------------------------------------------------------------- */

/* Sockets among the descriptors that were opened since `before` was noted, when every port can have one. */
static void
find_sockets(struct dpdk_io *d, const bool before[FDS_MAX])
{
	for (int fd = 3; fd < FDS_MAX && d->n_sockets < SOCKETS_MAX; fd++) {
		int domain = 0;
		socklen_t len = sizeof(domain);

		if (!before[fd] && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
		    (domain == AF_PACKET || domain == AF_XDP))
			d->socket[d->n_sockets++] = fd;
	}
	for (unsigned i = 0; i < d->n_sides; i++)
		if (!d->side[i].by_socket)
			d->n_sockets = 0;
}

static void
note_open(bool open[FDS_MAX])
{
	for (int fd = 0; fd < FDS_MAX; fd++)
		open[fd] = fcntl(fd, F_GETFD) >= 0;
}

/* True: something came, or may have. */
static bool
sleep_for(struct dpdk_io *d, int other_fd, unsigned us)
{
	const struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
	struct pollfd fds[SOCKETS_MAX + 1];
	nfds_t n = 0;

	for (; n < d->n_sockets; n++)
		fds[n] = (struct pollfd){.fd = d->socket[n], .events = POLLIN};
	if (other_fd >= 0)
		fds[n++] = (struct pollfd){.fd = other_fd, .events = POLLIN};
	return ppoll(fds, n, &ts, NULL) != 0;
}

static void
dpdk_wait(struct io *io, int other_fd, unsigned timeout_us)
{
	struct dpdk_io *d = (struct dpdk_io *)io;
	const uint64_t spin = rte_get_tsc_hz() / 1000000 * SPIN_US;

	for (unsigned i = 0; i < d->n_sides; i++)
		flush(d, &d->side[i]);
	if (d->sleep_us == 0) { /* frames came a moment ago */
		uint64_t until = rte_rdtsc() + spin;

		d->sleep_us = SLEEP_MIN_US;
		do {
			if (look(d, PKT_BURST) != 0)
				return;
			rte_pause();
		} while (rte_rdtsc() < until);
	}
	if (d->n_sockets != 0 && sleep_for(d, other_fd, timeout_us))
		return;
	while (timeout_us != 0 && d->n_sockets == 0) {
		unsigned us = d->sleep_us < timeout_us ? d->sleep_us : timeout_us;

		if (sleep_for(d, other_fd, us) || look(d, PKT_BURST) != 0)
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
	struct side *s = &d->side[port];
	struct rte_eth_link l = {.link_status = RTE_ETH_LINK_UP};

	if (port >= d->n_sides)
		return false;
	if (s->has_link && rte_eth_link_get_nowait(s->id, &l) < 0)
		l.link_status = RTE_ETH_LINK_UP;
	s->down = !carrier || l.link_status != RTE_ETH_LINK_UP;
	return !s->down;
}

/* What the kernel had no room for in front of net_af_packet, which does not count it: since the last answer,
 * so it is added up here. */
static uint64_t
lost_below(const struct dpdk_io *d)
{
	static uint64_t lost;

	for (unsigned i = 0; i < d->n_sockets; i++) {
		struct tpacket_stats ts;
		socklen_t len = sizeof(ts);

		if (getsockopt(d->socket[i], SOL_PACKET, PACKET_STATISTICS, &ts, &len) == 0)
			lost += ts.tp_drops;
	}
	return lost;
}

static void
dpdk_stats(const struct io *io, struct io_stats *st)
{
	const struct dpdk_io *d = (const struct dpdk_io *)io;

	*st = d->stats;
	st->rx_dropped += lost_below(d);
	for (unsigned i = 0; i < d->n_sides; i++) {
		struct rte_eth_stats es;

		if (rte_eth_stats_get(d->side[i].id, &es) != 0)
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

	(void)io;
	e.fn = fn;
	e.ctx = ctx;
	atomic_store(&e.done, false);
	if (rte_eal_alarm_set(1, run_errand, &e) < 0)
		return ERR_UNSUPPORTED;
	for (unsigned ms = 0; ms < THREAD_WAIT_MS && !atomic_load(&e.done); ms++)
		(void)nanosleep(&pause, NULL);
	return atomic_load(&e.done) ? 0 : ERR_AGAIN;
}

/* --- open and close -------------------------------------------------------------------------- */

static int
dpdk_close(struct io *io)
{
	struct dpdk_io *d = (struct dpdk_io *)io;

	for (unsigned i = 0; i < d->n_sides; i++) {
		flush(d, &d->side[i]);
		(void)rte_eth_dev_stop(d->side[i].id);
		(void)rte_eth_dev_close(d->side[i].id);
		if (d->side[i].all_fd >= 0)
			(void)close(d->side[i].all_fd);
	}
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

/* "0@(0,1,5)": one lcore, on any processor that this process may use. */
static void
lcores(char *to, size_t size)
{
	cpu_set_t set;
	size_t n = (size_t)snprintf(to, size, "0@(");

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		CPU_SET(0, &set);
	for (unsigned i = 0; i < CPU_SETSIZE && n + 8 < size; i++)
		if (CPU_ISSET(i, &set))
			n += (size_t)snprintf(
			    to + n, size - n, "%s%u", to[n - 1] == '(' ? "" : ",", i);
	(void)snprintf(to + n, size - n, ")");
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
begin_eal(const char *const *device, unsigned n, size_t buffer_bytes, char *err, size_t err_size)
{
	static bool begun;
	static char text[ARGS_MAX][DEVICE_MAX], said[SAID_SIZE];
	unsigned long mb = (unsigned long)(BUFFERS * (buffer_bytes + 256) >> 20) + MEMORY_MB;
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
	lcores(text[argc], DEVICE_MAX);
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

/* One receive and one transmit queue.  0 or ERR_*, said. */
static int
begin_port(struct dpdk_io *d, unsigned port, uint32_t mtu, char *err, size_t err_size)
{
	struct rte_eth_conf conf = {.rxmode = {.mq_mode = RTE_ETH_MQ_RX_NONE}};
	uint16_t rxd = DESCRIPTORS, txd = DESCRIPTORS, own = 0;
	struct rte_eth_dev_info info;
	struct side *s = &d->side[port];
	int socket = rte_eth_dev_socket_id(s->id), r;

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
	if ((r = rte_eth_dev_configure(s->id, 1, 1, &conf)) < 0)
		return err_say(err, err_size, err_from_errno(-r),
		    "dpdk: %s: cannot have one queue and an MTU of %u: %s", s->name, mtu,
		    rte_strerror(-r));
	if ((r = rte_eth_dev_adjust_nb_rx_tx_desc(s->id, &rxd, &txd)) < 0 ||
	    (r = rte_eth_rx_queue_setup(s->id, 0, rxd, (unsigned)socket, NULL, d->pool)) < 0 ||
	    (r = rte_eth_tx_queue_setup(s->id, 0, txd, (unsigned)socket, NULL)) < 0)
		return err_say(err, err_size, err_from_errno(-r), "dpdk: %s: its queues: %s",
		    s->name, rte_strerror(-r));
	if ((r = rte_eth_dev_start(s->id)) < 0)
		return err_say(err, err_size, err_from_errno(-r), "dpdk: %s: does not start: %s",
		    s->name, rte_strerror(-r));
	s->interface = s->by_socket ? (int)info.if_index : 0;
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
	if (rte_eth_dev_info_get(d->side[0].id, &info) != 0 ||
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

static int
begin(struct dpdk_io *d, const char *const *device, const struct io_port *ports, char *err,
    size_t err_size)
{
	bool before[FDS_MAX];
	uint32_t mtu = RTE_ETHER_MTU;
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
	if ((r = begin_eal(device, d->n_sides, bytes, err, err_size)) < 0)
		return r;
	d->pool = rte_pktmbuf_pool_create(
	    "frames", BUFFERS - 1, BUFFER_CACHE, 0, (uint16_t)bytes, SOCKET_ID_ANY);
	if (!d->pool)
		return err_say(err, err_size, ERR_NOMEM, "dpdk: no memory for %u buffers: %s",
		    BUFFERS, rte_strerror(rte_errno));
	for (unsigned i = 0; i < d->n_sides; i++) {
		struct side *s = &d->side[i];

		port_name(device[i], s->name, sizeof(s->name));
		if (rte_eth_dev_get_port_by_name(s->name, &s->id) != 0)
			return err_say(err, err_size, ERR_NOTFOUND,
			    "dpdk: %s: no driver of DPDK has such a port", device[i]);
		if ((r = begin_port(d, i, ports ? ports[i].mtu : 0, err, err_size)) < 0)
			return r;
	}
	find_stamp(d);
	find_sockets(d, before);
	for (unsigned i = 0; i < d->n_sides; i++)
		take_all(&d->side[i]);
	(void)rte_mem_alloc_validator_register("interlock", no_more, SOCKET_ID_ANY, 0);
	return 0;
}

static int
dpdk_open(struct io **io, const struct io_conf *conf, unsigned queue, char *err, size_t err_size)
{
	const char *device[2] = {conf->target, NULL};
	struct dpdk_io *d;
	int r;

	if (queue != 0)
		return err_say(err, err_size, ERR_UNSUPPORTED, "dpdk: one queue per port");
	if (!(d = calloc(1, sizeof(*d))))
		return err_say(err, err_size, ERR_NOMEM, "dpdk: out of memory");
	d->io.be = &io_dpdk;
	d->n_sides = conf->ports ? 2 : 1;
	for (unsigned i = 0; conf->ports && i < 2; i++)
		device[i] = conf->ports[i].device;
	d->finite =
	    !conf->ports && strstr(device[0], "rx_pcap=") && !strstr(device[0], "infinite_rx=1");
	d->mute = !conf->ports && !strstr(device[0], "tx_pcap=");
	if ((r = begin(d, device, conf->ports, err, err_size)) < 0) {
		free(d); /* the devices end with the process: there is no second try in it */
		return r;
	}
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
    .stats = dpdk_stats,
    .err_text = dpdk_err_text,
    .close = dpdk_close,
};
