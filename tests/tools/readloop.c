/* SPDX-License-Identifier: Apache-2.0 */
/*
 * readloop.c - reads a capture with libpcap and does nothing with it but add up lengths: what every reader of captures
 * pays before it begins.
 *
 * usage: readloop CAPTURE
 */
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio.h>

int
main(int argc, char **argv)
{
	char err[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = argc == 2 ? pcap_open_offline(argv[1], err) : NULL;
	struct pcap_pkthdr *h;
	const u_char *bytes;
	uint64_t n = 0, sum = 0;
	int r;

	if (!p) {
		fprintf(stderr, "readloop: %s\n", *err ? err : "usage: readloop CAPTURE");
		return 2;
	}
	while ((r = pcap_next_ex(p, &h, &bytes)) == 1) {
		n++;
		sum += h->len;
	}
	printf("%" PRIu64 " frames, %" PRIu64 " bytes\n", n, sum);
	pcap_close(p);
	return r == PCAP_ERROR_BREAK ? 0 : 2;
}
