/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_dump.c - what decode() finds in each frame of a capture, one line
 * each, tab-separated, for tests/e2e/decode_vs_tshark.sh:
 *
 *   frame vlan src dst transport sport dport seq length reason
 *
 * transport is tcp, udp, frag (a fragment) or empty; length is the TCP payload,
 * or the UDP length field.  A field the frame has not got is empty.
 * Exit status: 0, or 2 when the capture could not be read to its end.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "dataplane/decode.h"
#include "dataplane/io/io.h"

static void
dump(const struct pkt *p)
{
	char src[NET_ADDR_STRLEN] = "", dst[NET_ADDR_STRLEN] = "";
	struct net_tuple t;
	struct layers l;
	enum drop_reason r = decode(p, &l);

	layers_tuple(&l, p->port, &t);
	if (l.flags & LAYER_IP) {
		net_addr_str(&t.src, src);
		net_addr_str(&t.dst, dst);
	}
	printf("%" PRIu64 "\t", p->frame);
	if (l.vlan != 0)
		printf("%u", l.vlan);
	printf("\t%s\t%s\t", src, dst);
	if (l.flags & LAYER_FRAGMENT)
		printf("frag\t\t\t\t");
	else if (l.flags & LAYER_L4 && l.proto == NET_PROTO_TCP)
		printf("tcp\t%u\t%u\t%u\t%u", l.sport, l.dport, l.seq, l.l3_end - l.pay_off);
	else if (l.flags & LAYER_L4)
		printf("udp\t%u\t%u\t\t%u", l.sport, l.dport, l.pay_len + 8);
	else
		printf("\t\t\t\t");
	printf("\t%s\n", r != DROP_NONE ? drop_name(r) : "");
}

int
main(int argc, char **argv)
{
	struct pkt burst[PKT_BURST];
	char err[512];
	struct io *io;
	int n;

	if (argc != 2) {
		fprintf(stderr, "usage: %s CAPTURE\n", argv[0]);
		return 2;
	}
	if (io_open(&io, argv[1], NULL, err, sizeof(err)) < 0) {
		fprintf(stderr, "%s\n", err);
		return 2;
	}
	while ((n = io->be->rx(io, burst, PKT_BURST)) >= 0)
		for (int i = 0; i < n; i++)
			dump(&burst[i]);
	if (n != ERR_EOF)
		fprintf(stderr, "%s\n", io->be->err_text(io));
	(void)io->be->close(io);
	return n == ERR_EOF ? 0 : 2;
}
