/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flood.c - frames of a capture onto an interface, over and over, so many a second; then how many it were.
 *
 * usage: flood IFACE CAPTURE RATE SECONDS     (CAPTURE: classic pcap of this machine's byte order, Ethernet)
 *
 * Sent in lots of a millisecond.  A lot that comes late is made up for; what the kernel does not take at once is sent again, so
 * the number printed is that of frames which have left.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#define FRAMES_MAX (1u << 20)
#define BYTES_MAX  (128u << 20)
#define LOT	   64u
#define SECOND	   UINT64_C(1000000000)

static struct iovec frame[FRAMES_MAX];
static uint8_t bytes[BYTES_MAX];

static void
die(const char *what)
{
	perror(what);
	exit(2);
}

static uint32_t
load(const char *path)
{
	FILE *fp = fopen(path, "rb");
	uint32_t head[6], rec[4], n = 0;
	size_t at = 0;

	if (!fp || fread(head, sizeof(head), 1, fp) != 1 || head[0] != 0xa1b2c3d4 || head[5] != 1)
		die(path);
	while (n < FRAMES_MAX && fread(rec, sizeof(rec), 1, fp) == 1 && rec[2] <= BYTES_MAX - at &&
	       fread(bytes + at, 1, rec[2], fp) == rec[2]) {
		frame[n++] = (struct iovec){bytes + at, rec[2]};
		at += rec[2];
	}
	(void)fclose(fp);
	return n;
}

static uint64_t
now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

/* At most LOT frames from the n-th on; how many went. */
static unsigned
send_lot(int fd, uint64_t n, uint64_t want, uint32_t frames)
{
	struct mmsghdr m[LOT] = {0};
	unsigned k = 0;
	int r;

	for (; k < LOT && n + k < want; k++) {
		m[k].msg_hdr.msg_iov = &frame[(n + k) % frames];
		m[k].msg_hdr.msg_iovlen = 1;
	}
	r = sendmmsg(fd, m, k, 0);
	if (r < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
		die("sendmmsg");
	return r > 0 ? (unsigned)r : 0;
}

int
main(int argc, char **argv)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET};
	const struct timespec ms = {0, 1000000};
	uint64_t begin, n = 0, rate, end;
	uint32_t frames;
	int fd;

	if (argc != 5)
		return 2;
	frames = load(argv[2]);
	rate = strtoull(argv[3], NULL, 10);
	end = rate * strtoull(argv[4], NULL, 10);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	ll.sll_ifindex = (int)if_nametoindex(argv[1]);
	if (fd < 0 || ll.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0)
		die(argv[1]);
	if (frames == 0)
		die(argv[2]);
	begin = now();
	while (n < end) {
		uint64_t due = (now() - begin) * rate / SECOND;

		due = due < end ? due : end;
		while (n < due)
			n += send_lot(fd, n, due, frames);
		(void)nanosleep(&ms, NULL);
	}
	printf("%llu %.3f\n", (unsigned long long)n, (double)(now() - begin) / 1e9);
	return 0;
}
