/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.c - a device under test: the engine alone between two packet sockets.
 *
 *	engine OUTSIDE INSIDE POLICY
 *
 * What the guard does, without its processes, its filter in the kernel and AF_XDP: where the
 * suite finds something here, it is the engine's.  Slow, and so is what it measures.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/engine.h"
#include "dataplane/io/io.h"
#include "policy/policy.h"

#define FRAME_MAX 9600u

struct dut {
	struct io io; /* must come first: tx() casts */
	int fd[2], ifindex[2];
	uint64_t frame;
};

static volatile sig_atomic_t ended;

static void
end(int sig)
{
	(void)sig;
	ended = 1;
}

static int
port_open(const char *name, int *ifindex)
{
	struct sockaddr_ll me = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct packet_mreq all = {.mr_type = PACKET_MR_PROMISC};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), one = 1,
	    size = 8 << 20;

	*ifindex = me.sll_ifindex = all.mr_ifindex = (int)if_nametoindex(name);
	if (fd < 0 || *ifindex == 0 || bind(fd, (struct sockaddr *)&me, sizeof(me)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0) {
		fprintf(stderr, "engine: %s: %s\n", name, strerror(errno));
		exit(2);
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fd;
}

static int
dut_tx(struct io *io, const struct pkt *p)
{
	struct dut *d = (struct dut *)(void *)io;
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = d->ifindex[!p->port]};

	if (p->caplen < 14)
		return -1;
	return sendto(d->fd[!p->port], p->bytes, p->caplen, 0, (struct sockaddr *)&to, sizeof(to)) <
		       0
		   ? -1
		   : 0;
}

/* A frame as it was on the wire: the kernel takes the outer tag out of it.  0: none. */
static uint32_t
dut_rx(struct dut *d, unsigned port, uint8_t *b)
{
	struct iovec iov = {b + 4, FRAME_MAX - 4};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	struct msghdr m = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(d->fd[port], &m, MSG_DONTWAIT);
	const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	struct tpacket_auxdata aux = {0};

	if (n <= 0)
		return 0;
	if (c && c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA)
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	if (aux.tp_status & TP_STATUS_VLAN_VALID) {
		uint16_t tag[2] = {
		    htons(
			aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETH_P_8021Q),
		    htons(aux.tp_vlan_tci)};

		memmove(b, b + 4, 12);
		memcpy(b + 12, tag, 4);
		return (uint32_t)n + 4;
	}
	memmove(b, b + 4, (size_t)n);
	return (uint32_t)n;
}

static uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
serve(struct dut *d, struct engine *e, unsigned port)
{
	static uint8_t b[FRAME_MAX];
	uint32_t n;

	while ((n = dut_rx(d, port, b)) > 0) {
		struct pkt p = {.bytes = b,
		    .ts_ns = now(),
		    .frame = ++d->frame,
		    .caplen = n,
		    .wirelen = n,
		    .port = (uint8_t)port};

		engine_burst(e, &p, 1);
		if (p.fate == FATE_FORWARD)
			(void)dut_tx(&d->io, &p);
	}
}

static void
report(struct engine *e)
{
	const struct engine_stats *s = engine_stats(e);

	printf("received %llu, forwarded %llu, injected %llu, consumed %llu, held %llu%s\n",
	    (unsigned long long)s->received, (unsigned long long)s->forwarded,
	    (unsigned long long)s->injected, (unsigned long long)s->consumed,
	    (unsigned long long)s->held, engine_balanced(s) ? "" : ": NOT BALANCED");
	for (unsigned i = 1; i < DROP__MAX; i++)
		if (s->dropped[i] > 0)
			printf("  %-24s %llu\n", drop_name((enum drop_reason)i),
			    (unsigned long long)s->dropped[i]);
}

int
main(int argc, char **argv)
{
	static const struct io_backend backend = {.scheme = "engine", .tx = dut_tx};
	struct dut d = {.io = {.be = &backend}};
	struct complaints cs = {0};
	struct policy *pol;
	struct engine *e;

	if (argc != 4) {
		fputs("usage: engine OUTSIDE INSIDE POLICY\n", stderr);
		return 2;
	}
	if ((pol = policy_build(argv[3], &cs)) == NULL) {
		complaints_print(&cs, stderr);
		return 2;
	}
	e = engine_new(
	    &(struct engine_conf){.inline_mode = true, .policy = pol, .io = &d.io, .seed = now()});
	if (!e)
		return 2;
	for (unsigned i = 0; i < 2; i++)
		d.fd[i] = port_open(argv[1 + i], &d.ifindex[i]);
	signal(SIGTERM, end);
	signal(SIGINT, end);
	puts("ready");
	fflush(stdout);
	while (!ended) {
		struct pollfd p[2] = {
		    {.fd = d.fd[0], .events = POLLIN}, {.fd = d.fd[1], .events = POLLIN}};

		(void)poll(p, 2, 10);
		engine_tick(e, now());
		serve(&d, e, 0);
		serve(&d, e, 1);
	}
	engine_finish(e);
	report(e);
	engine_free(e);
	policy_free(pol);
	complaints_fini(&cs);
	return 0;
}
