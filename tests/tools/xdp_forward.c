/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xdp_forward.c - a guard without a policy: the AF_XDP backend between two interfaces, and the
 * smallest filter there can be, which gives every frame to it; or the DPDK backend between two devices.
 *
 *   xdp_forward OUTSIDE INSIDE [BYTES]     until SIGTERM; BYTES: memory of frames in flight
 *   xdp_forward dpdk:DEVICE dpdk:DEVICE
 *
 * Prints "ready" and, at the end, a line "rx rx_dropped tx tx_dropped sleeps".  What it does with
 * a frame hangs on its ethertype, the last one before the payload:
 *
 *   88b6   answers it: consumed, and a frame made here goes back, the payload's bits inverted
 *   88b7   forwards a copy of its own, 4 bytes shorter
 *   88b8   drops it
 *   else   forwards it as it came
 */
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

#include "base/cur.h"
#include "dataplane/io/io.h"

#define QUEUES	  32u
#define FRAME_MAX 65535u

extern const struct io_backend io_xdp;
#ifdef HAVE_DPDK
extern const struct io_backend io_dpdk;
#else
#define io_dpdk io_xdp
#endif

static volatile sig_atomic_t ended;

static void
on_end(int sig)
{
	(void)sig;
	ended = 1;
}

static int
fail(const char *what)
{
	fprintf(stderr, "xdp_forward: %s: %s\n", what, strerror(errno));
	return 1;
}

/* return bpf_redirect_map(&map, ctx->rx_queue_index, XDP_DROP); frames of several pieces too */
static int
attach(int ifindex, int map)
{
	const struct bpf_insn prog[] = {
	    {.code = BPF_LDX | BPF_MEM | BPF_W,
		.dst_reg = BPF_REG_2,
		.src_reg = BPF_REG_1,
		.off = 16},
	    {.code = BPF_LD | BPF_IMM | BPF_DW,
		.dst_reg = BPF_REG_1,
		.src_reg = BPF_PSEUDO_MAP_FD,
		.imm = map},
	    {0},
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_DROP},
	    {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
	    {.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, load, .prog_flags = BPF_F_XDP_HAS_FRAGS);
	LIBBPF_OPTS(bpf_link_create_opts, native, .flags = XDP_FLAGS_DRV_MODE);
	int fd = bpf_prog_load(
	    BPF_PROG_TYPE_XDP, "forward", "GPL", prog, sizeof(prog) / sizeof(prog[0]), &load);

	int link = -1;

	/* A killed predecessor's program goes with its last descriptor, a little later. */
	for (int i = 0; fd >= 0 && link < 0 && i < 100; i++) {
		link = bpf_link_create(fd, ifindex, BPF_XDP, &native);
		if (link < 0 && errno != EBUSY)
			break;
		if (link < 0)
			(void)usleep(20000);
	}
	return link;
}

static int
mtu_of(const char *ifname)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (fd < 0 || ioctl(fd, SIOCGIFMTU, &ifr) < 0)
		return -1;
	close(fd);
	return ifr.ifr_mtu;
}

/* Where the payload begins and the type before it; 0 = too short. */
static uint32_t
payload(const struct pkt *p, uint16_t *type)
{
	struct cur c = cur_make(p->bytes, p->caplen);

	cur_skip(&c, 12);
	do
		*type = cur_be16(&c);
	while ((*type == 0x8100 || *type == 0x88a8) && (cur_skip(&c, 2), cur_ok(&c)));
	return cur_ok(&c) ? p->caplen - (uint32_t)cur_left(&c) : 0;
}

static void
judge(struct io *io, struct pkt *p, uint8_t *own)
{
	uint16_t type = 0;
	uint32_t at = payload(p, &type);
	struct pkt answer = *p;

	p->fate = FATE_FORWARD;
	if (at == 0 || p->caplen > FRAME_MAX || type < 0x88b6 || type > 0x88b8)
		return;
	memcpy(own, p->bytes, p->caplen);
	if (type == 0x88b8) {
		p->fate = FATE_DROP;
	} else if (type == 0x88b7) {
		p->bytes = own;
		p->caplen -= 4;
	} else {
		for (uint32_t i = at; i < p->caplen; i++)
			own[i] ^= 0xff;
		answer.bytes = own;
		answer.port = p->port ^ 1; /* back to where it came from */
		p->fate = FATE_CONSUMED;
		(void)io->be->tx(io, &answer);
	}
}

static void
run(struct io *io)
{
	static uint8_t own[PKT_BURST][FRAME_MAX];
	struct pkt burst[PKT_BURST];
	struct io_stats st = {0};
	uint64_t sleeps = 0;

	while (!ended) {
		int n = io->be->rx(io, burst, PKT_BURST);

		for (int i = 0; i < n; i++)
			judge(io, &burst[i], own[i]);
		if (n > 0) {
			io->be->done(io, burst, (unsigned)n);
			continue;
		}
		io->be->wait(io, -1, 100000);
		sleeps++;
	}
	io->be->stats(io, &st);
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", st.rx,
	    st.rx_dropped, st.tx, st.tx_dropped, sleeps);
}

static int
open_port(struct io_port *port, const char *arg)
{
	int mtu = mtu_of(arg);

	if (strncmp(arg, "dpdk:", 5) == 0) {
		*port = (struct io_port){.name = arg, .device = arg + 5, .mtu = 1500};
		return 0;
	}
	*port = (struct io_port){.name = arg,
	    .ifindex = (int)if_nametoindex(arg),
	    .xskmap = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "xsks", 4, 4, QUEUES, NULL),
	    .mtu = (uint32_t)mtu};
	return mtu < 0 || port->xskmap < 0 || attach(port->ifindex, port->xskmap) < 0 ? -1 : 0;
}

int
main(int argc, char **argv)
{
	const struct io_backend *be = &io_xdp;
	struct sigaction act = {.sa_handler = on_end};
	struct io_port port[2] = {0};
	struct io_conf conf = {.ports = port};
	char err[512];
	struct io *io;

	if (argc != 3 && argc != 4) {
		fprintf(stderr, "usage: xdp_forward OUTSIDE INSIDE [BYTES]\n");
		return 2;
	}
	conf.memory_bytes = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	for (int i = 0; i < 2; i++)
		if (open_port(&port[i], argv[i + 1]) < 0)
			return fail(argv[i + 1]);
	if (port[0].device)
		be = &io_dpdk;
	if (be->open(&io, &conf, 0, err, sizeof(err)) < 0) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	(void)sigaction(SIGTERM, &act, NULL);
	(void)sigaction(SIGINT, &act, NULL);
	puts("ready");
	(void)fflush(stdout);
	run(io);
	return io->be->close(io) == 0 ? 0 : 1;
}
