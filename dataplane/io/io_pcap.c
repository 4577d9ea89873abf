/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_pcap.c - frames from an interface, as libpcap sees them: "pcap:eth2".  It listens and never sends; a frame
 * that the engine would send or forward goes nowhere.
 *
 * The interface is promiscuous while it is open, since on a mirror port nearly all frames are somebody else's;
 * the option `own` takes only what the interface would take anyway.  The kernel takes promiscuity back when the
 * socket is closed, also after a kill.
 *
 *	pcap:IFACE[,own][,snap=BYTES][,ring=BYTES][,fanout=GROUP]
 *
 * Sockets of one fanout group share the interface by connection: a hash of both ends, the same for both directions (the kernel's
 * __skb_get_hash_symmetric()), and fragments are put together before.
 *
 * libpcap's buffer is good until the next frame only, so a burst is copied into ours.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "dataplane/io/io.h"

extern const struct io_backend io_pcap;

#define SNAPLEN	  (64u * 1024u) /* offloads put segments together up to this */
#define SNAP_MIN  64u
#define RING_SIZE (16u << 20) /* of the kernel, while we are busy */
#define RING_MIN  (1u << 20)
#define RING_MAX  (1u << 30)
#define TEXT_SIZE 512

struct pcap_io {
	struct io io;
	pcap_t *in;
	enum link_type link;
	int err;
	uint64_t frame;
	struct io_stats stats;
	char text[TEXT_SIZE];
	uint8_t burst[PKT_BURST][SNAPLEN];
};

static int
link_of(int dlt)
{
	switch (dlt) {
	case DLT_EN10MB:
		return LINK_ETHERNET;
	case DLT_LINUX_SLL:
		return LINK_LINUX_SLL;
	case DLT_LINUX_SLL2:
		return LINK_LINUX_SLL2;
	case DLT_RAW:
		return LINK_RAW_IP;
	default:
		return -1;
	}
}

/* What stands behind the name. */
struct choice {
	char name[64];
	bool own;
	unsigned long snap, ring, fanout; /* fanout: the group, 0 = none */
};

static bool
number(const char *text, const char *key, unsigned long min, unsigned long max, unsigned long *out)
{
	size_t n = strlen(key);
	char *end;

	if (strncmp(text, key, n) != 0 || text[n] < '0' || text[n] > '9')
		return false;
	*out = strtoul(text + n, &end, 10);
	return (*end == '\0' || *end == ',') && *out >= min && *out <= max;
}

static bool
choose(const char *target, struct choice *c)
{
	const char *at = strchr(target, ',');
	int n = at ? (int)(at - target) : (int)strlen(target);

	*c = (struct choice){.snap = SNAPLEN, .ring = RING_SIZE};
	if (n < 1 || n >= (int)sizeof(c->name))
		return false;
	memcpy(c->name, target, (size_t)n);
	for (; at; at = strchr(at + 1, ','))
		if (strcmp(at, ",own") == 0 || strncmp(at, ",own,", 5) == 0)
			c->own = true;
		else if (!number(at, ",snap=", SNAP_MIN, SNAPLEN, &c->snap) &&
			 !number(at, ",ring=", RING_MIN, RING_MAX, &c->ring) &&
			 !number(at, ",fanout=", 1, UINT16_MAX, &c->fanout))
			return false;
	return true;
}

/* Joined once it listens: what came before is in this ring alone. */
static int
join(pcap_t *in, unsigned long group)
{
	const uint32_t how = PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_DEFRAG;
	int value = (int)((uint32_t)group | how << 16);

	return group == 0
		   ? 0
		   : setsockopt(pcap_fileno(in), SOL_PACKET, PACKET_FANOUT, &value, sizeof(value));
}

static int
pcap_io_open(struct io **io, const struct io_conf *conf, unsigned queue, char *err, size_t err_size)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	const char *name;
	struct choice c;
	struct pcap_io *p;
	int r = 0, link;

	(void)queue;
	if (!choose(conf->target, &c))
		return err_say(err, err_size, ERR_USAGE,
		    "pcap:%s: not pcap:IFACE[,own][,snap=BYTES][,ring=BYTES][,fanout=GROUP]",
		    conf->target);
	name = c.name;
	if (conf->write_to)
		return err_say(
		    err, err_size, ERR_USAGE, "pcap:%s: frames are not written to a file", name);
	if (!(p = calloc(1, sizeof(*p))))
		return err_say(err, err_size, ERR_NOMEM, "%s", err_str(ERR_NOMEM));
	p->io.be = &io_pcap;
	p->in = pcap_create(name, text);
	if (p->in) {
		(void)pcap_set_snaplen(p->in, (int)c.snap);
		(void)pcap_set_promisc(p->in, !c.own);
		(void)pcap_set_timeout(p->in, 100);
		(void)pcap_set_buffer_size(p->in, (int)c.ring);
		(void)pcap_set_tstamp_precision(p->in, PCAP_TSTAMP_PRECISION_NANO);
		r = pcap_activate(p->in);
	}
	if (!p->in || r < 0 || pcap_setnonblock(p->in, 1, text) < 0)
		r = err_say(err, err_size, r == PCAP_ERROR_PERM_DENIED ? ERR_USAGE : ERR_IO,
		    "%s: %s", name,
		    p->in && r < 0 ? (r == PCAP_ERROR ? pcap_geterr(p->in) : pcap_statustostr(r))
				   : text);
	else if (join(p->in, c.fanout) < 0)
		r = err_say(
		    err, err_size, ERR_IO, "%s: fanout %lu: %s", name, c.fanout, strerror(errno));
	else if ((link = link_of(pcap_datalink(p->in))) < 0)
		r = err_say(err, err_size, ERR_UNSUPPORTED,
		    "%s: frames of a link layer that is not read", name);
	else
		p->link = (enum link_type)link;
	if (r >= 0) { /* greater: warnings of libpcap */
		*io = &p->io;
		return 0;
	}
	if (p->in)
		pcap_close(p->in);
	free(p);
	return r;
}

static int
pcap_io_rx(struct io *io, struct pkt *burst, unsigned max)
{
	struct pcap_io *p = (struct pcap_io *)io;
	unsigned n = 0;

	io->now_ns = clock_wall_ns();
	while (n < max && n < PKT_BURST && p->err == 0) {
		struct pcap_pkthdr *h;
		const u_char *bytes;
		int r = pcap_next_ex(p->in, &h, &bytes);
		bool nano = pcap_get_tstamp_precision(p->in) == PCAP_TSTAMP_PRECISION_NANO;
		uint32_t caplen;

		if (r == 0)
			break;
		if (r < 0) {
			p->err = ERR_IO;
			(void)snprintf(p->text, sizeof(p->text), "%s", pcap_geterr(p->in));
			break;
		}
		caplen = h->caplen < SNAPLEN ? h->caplen : SNAPLEN;
		memcpy(p->burst[n], bytes, caplen);
		burst[n] = (struct pkt){.bytes = p->burst[n],
		    .ts_ns = (uint64_t)h->ts.tv_sec * NS_PER_S +
			     (uint64_t)h->ts.tv_usec * (nano ? 1 : 1000),
		    .frame = ++p->frame,
		    .caplen = caplen,
		    .wirelen = h->len,
		    .link = (uint8_t)p->link,
		    .cookie = n};
		n++;
	}
	p->stats.rx += n;
	return n != 0 ? (int)n : p->err;
}

/* Passive: nothing leaves. */
static int
pcap_io_tx(struct io *io, const struct pkt *pkt)
{
	struct pcap_io *p = (struct pcap_io *)io;

	(void)pkt;
	p->stats.tx_dropped++;
	return 0;
}

static void
pcap_io_done(struct io *io, struct pkt *burst, unsigned n)
{
	(void)io;
	(void)burst;
	(void)n;
}

static void
pcap_io_wait(struct io *io, int other_fd, unsigned timeout_us)
{
	struct pcap_io *p = (struct pcap_io *)io;
	struct pollfd fds[2] = {{.fd = pcap_get_selectable_fd(p->in), .events = POLLIN},
	    {.fd = other_fd, .events = POLLIN}};

	(void)poll(fds, other_fd >= 0 ? 2 : 1, (int)(timeout_us / 1000u));
}

static void
pcap_io_stats(const struct io *io, struct io_stats *st)
{
	const struct pcap_io *p = (const struct pcap_io *)io;
	struct pcap_stat ps;

	*st = p->stats;
	if (pcap_stats(p->in, &ps) == 0)
		st->rx_dropped = (uint64_t)ps.ps_drop + ps.ps_ifdrop;
}

static const char *
pcap_io_err_text(const struct io *io)
{
	return io ? ((const struct pcap_io *)io)->text : "";
}

static int
pcap_io_close(struct io *io)
{
	struct pcap_io *p = (struct pcap_io *)io;

	pcap_close(p->in);
	free(p);
	return 0;
}

const struct io_backend io_pcap = {
    .scheme = "pcap",
    .open = pcap_io_open,
    .rx = pcap_io_rx,
    .tx = pcap_io_tx,
    .done = pcap_io_done,
    .wait = pcap_io_wait,
    .stats = pcap_io_stats,
    .err_text = pcap_io_err_text,
    .close = pcap_io_close,
};
