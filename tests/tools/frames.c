/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames.c - raw Ethernet frames into one end of something, and what came out of the other.
 *
 *   frames NETNS:IF NETNS:IF each TYPE MAX     every size from 60 to MAX bytes, both ways, without
 *                                              tag, with one (802.1Q) on top, with two (802.1ad)
 *                                              within MAX
 *   frames NETNS:IF NETNS:IF burst TYPE N SIZE  N frames of SIZE at once from both ends
 *   frames NETNS:IF NETNS:IF oneway TYPE N SIZE  the same, from the first end only
 *   frames NETNS:IF NETNS:IF slow TYPE N MS    one frame every MS milliseconds, then its time:
 *                                              p50 and max in microseconds
 *   frames NETNS:IF NETNS:IF syn PORT SECONDS FROM,TO,GATEWAY-MAC  as many TCP connections as go from
 *                                              address FROM, begun and not finished; prints their number
 *
 * TYPE is the ethertype in hex; 88b6 must come back with its payload inverted, 88b7 must come 4
 * bytes shorter, 88b8 must not come, any other as it is.  each: status 1 and a line when a
 * frame is not as it should be.  burst: prints "sent received reordered bad".
 * With NO_S_TAG in the environment both of two tags are 802.1Q.
 * A packet socket loses the tag; it is put back from the auxiliary data (packet(7)).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 65535
#define WAIT_MS	  1000 /* for a frame that must come */
#define QUIET_MS  300  /* after which no more comes */
#define HEAD	  (12 + 4 + 4 + 2)

struct end {
	int fd;
	uint8_t mac[6];
};

static unsigned type;

static void
die(const char *what)
{
	fprintf(stderr, "frames: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void
open_end(struct end *e, char *spec, uint8_t number)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	char path[128], *name = strchr(spec, ':');
	int one = 1, big = 64 << 20, ns;

	if (!name)
		die(spec);
	*name++ = '\0';
	(void)snprintf(path, sizeof(path), "/run/netns/%s", spec);
	if ((ns = open(path, O_RDONLY)) < 0 || setns(ns, CLONE_NEWNET) < 0)
		die(path);
	close(ns);
	at.sll_ifindex = (int)if_nametoindex(name);
	e->fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	if (at.sll_ifindex == 0 || e->fd < 0 || bind(e->fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die(name);
	(void)setsockopt(e->fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	(void)setsockopt(e->fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
	if (setsockopt(e->fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) < 0 ||
	    setsockopt(e->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0)
		die("packet socket");
	memcpy(e->mac, (uint8_t[]){2, 0, 0, 0, 0x99, number}, 6);
}

/* A frame of len bytes with `tags` tags from one end to the other; number makes it unlike others. */
static void
make(uint8_t *f, size_t len, unsigned tags, const struct end *from, const struct end *to,
    uint32_t number)
{
	size_t at = 12;

	memcpy(f, to->mac, 6);
	memcpy(f + 6, from->mac, 6);
	for (unsigned i = tags; i-- > 0;) {
		memcpy(f + at,
		    i == 1 && !getenv("NO_S_TAG") ? "\x88\xa8\x60\x64" : "\x81\x00\xa0\x6e", 4);
		at += 4;
	}
	f[at++] = (uint8_t)(type >> 8);
	f[at++] = (uint8_t)type;
	for (unsigned i = 0; i < 4 && at < len; i++)
		f[at++] = (uint8_t)(number >> 8 * i);
	for (uint32_t x = number * 2654435761u + (uint32_t)len; at < len; at++) {
		x = x * 1664525u + 1013904223u;
		f[at] = (uint8_t)(x >> 24);
	}
}

/* The next frame of ours that comes within ms; its length, 0 = none. */
static size_t
get(const struct end *e, const uint8_t *from_mac, uint8_t *f, int ms)
{
	static uint8_t raw[FRAME_MAX];
	uint64_t until = now_us() + (uint64_t)ms * 1000;

	for (;;) {
		union {
			struct cmsghdr h;
			char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		} control;
		struct iovec iov = {raw, sizeof(raw)};
		struct msghdr msg = {.msg_iov = &iov,
		    .msg_iovlen = 1,
		    .msg_control = &control,
		    .msg_controllen = sizeof(control)};
		uint64_t now = now_us();
		struct pollfd p = {e->fd, POLLIN, 0};
		struct tpacket_auxdata aux = {0};
		const struct cmsghdr *c;
		ssize_t n = recvmsg(e->fd, &msg, MSG_DONTWAIT);

		if (n < 0) {
			if (now >= until)
				return 0;
			(void)poll(&p, 1, (int)((until - now) / 1000) + 1);
			continue;
		}
		if (n < 14 || memcmp(raw + 6, from_mac, 6) != 0)
			continue; /* somebody else's */
		if ((c = CMSG_FIRSTHDR(&msg)) && c->cmsg_type == PACKET_AUXDATA)
			memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (!(aux.tp_status & TP_STATUS_VLAN_VALID)) {
			memcpy(f, raw, (size_t)n);
			return (size_t)n;
		}
		memcpy(f, raw, 12);
		f[12] = (uint8_t)(aux.tp_vlan_tpid >> 8);
		f[13] = (uint8_t)aux.tp_vlan_tpid;
		f[14] = (uint8_t)(aux.tp_vlan_tci >> 8);
		f[15] = (uint8_t)aux.tp_vlan_tci;
		memcpy(f + 16, raw + 12, (size_t)n - 12);
		return (size_t)n + 4;
	}
}

static bool
one(const struct end *from, const struct end *to, size_t len, unsigned tags, uint32_t number)
{
	static uint8_t sent[FRAME_MAX], got[FRAME_MAX];
	size_t want = type == 0x88b7 ? len - 4 : len, n;

	make(sent, len, tags, from, to, number);
	if (send(from->fd, sent, len, 0) != (ssize_t)len)
		die("send");
	if (type == 0x88b6)
		for (size_t i = 14 + 4 * tags; i < len; i++)
			sent[i] ^= 0xff;
	if (type == 0x88b8)
		return get(to, from->mac, got, 20) == 0;
	n = get(type == 0x88b6 ? from : to, from->mac, got, WAIT_MS);
	if (n == want && memcmp(sent, got, n) == 0)
		return true;
	printf("%zu bytes, %u tags, from %02x: %s (%zu bytes)\n", len, tags, from->mac[5],
	    n == 0 ? "nothing came" : "another frame came", n);
	return false;
}

static int
each(const struct end *e, size_t max)
{
	uint32_t number = 0;
	bool ok = true;

	for (size_t len = 60; len <= max; len += len >= 2000 ? 97 : 1)
		for (unsigned tags = 0; tags < 3; tags++)
			for (unsigned side = 0; side < 2 && (tags < 2 || len + 8 <= max); side++)
				ok &= one(&e[side], &e[!side], len + 4 * tags, tags, ++number);
	printf("%u frames\n", number);
	return ok ? 0 : 1;
}

static int
burst(const struct end *e, unsigned ends, uint32_t n, size_t len)
{
	static uint8_t want[FRAME_MAX], got[FRAME_MAX];
	unsigned received = 0, reordered = 0, bad = 0;

	for (uint32_t i = 0; i < n; i++)
		for (unsigned side = 0; side < ends; side++) {
			make(want, len, 0, &e[side], &e[!side], i);
			if (send(e[side].fd, want, len, 0) != (ssize_t)len)
				die("send");
		}
	for (unsigned side = 0; side < 2; side++) {
		uint32_t next = 0;

		while (get(&e[side], e[!side].mac, got, QUIET_MS) != 0) {
			uint32_t number =
			    got[14] | (uint32_t)got[15] << 8 | (uint32_t)got[16] << 16;

			received++;
			make(want, len, 0, &e[!side], &e[side], number);
			bad += memcmp(want, got, len) != 0;
			reordered += number < next;
			next = number + 1;
		}
	}
	printf("%u %u %u %u\n", ends * n, received, reordered, bad);
	return bad == 0 ? 0 : 1;
}

static int
cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int
slow(const struct end *e, uint32_t n, unsigned ms)
{
	static uint8_t f[FRAME_MAX];
	uint64_t *took = calloc(n, sizeof(*took));

	if (!took)
		die("memory");
	for (uint32_t i = 0; i < n; i++) {
		uint64_t start;

		usleep(ms * 1000);
		make(f, 60, 0, &e[0], &e[1], i);
		start = now_us();
		if (send(e[0].fd, f, 60, 0) != 60 || get(&e[1], e[0].mac, f, WAIT_MS) != 60)
			die("frame");
		took[i] = now_us() - start;
	}
	qsort(took, n, sizeof(*took), cmp);
	printf("%lu %lu\n", took[n / 2], took[n - 1]);
	free(took);
	return 0;
}

static uint16_t
sum(const uint8_t *p, size_t n, uint32_t s)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		s += (uint32_t)p[i] << 8 | p[i + 1];
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static void
put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Another source port and sequence number each time: each is a connection of its own. */
static int
syn(const struct end *e, unsigned port, unsigned seconds, char *spec)
{
	char *from = strsep(&spec, ","), *to = strsep(&spec, ","), *mac = strsep(&spec, ",");
	uint8_t f[60] = {
	    [12] = 8, [14] = 0x45, [17] = 40, [22] = 64, [23] = IPPROTO_TCP, [46] = 0x50, [47] = 2};
	uint64_t end = now_us() + (uint64_t)seconds * 1000000;
	unsigned m[6], sent = 0;

	if (!mac || sscanf(mac, "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6 ||
	    inet_pton(AF_INET, from, f + 26) != 1 || inet_pton(AF_INET, to, f + 30) != 1)
		die("FROM,TO,MAC");
	for (int i = 0; i < 6; i++)
		f[i] = (uint8_t)m[i];
	memcpy(f + 6, e[0].mac, 6);
	put16(f + 24, sum(f + 14, 20, 0));
	put16(f + 36, port);
	put16(f + 48, 64240);
	for (; (sent & 63) != 0 || now_us() < end; sent++) {
		put16(f + 34, 1024 + sent % 60000);
		put16(f + 38, sent / 60000);
		put16(f + 40, sent);
		put16(f + 50, 0);
		put16(f + 50, sum(f + 34, 20, sum(f + 26, 8, IPPROTO_TCP + 20) ^ 0xffff));
		(void)send(e[0].fd, f, sizeof(f), 0);
	}
	printf("%u\n", sent);
	return 0;
}

int
main(int argc, char **argv)
{
	struct end e[2];
	unsigned long n = argc > 5 ? strtoul(argv[5], NULL, 10) : 0;
	unsigned long last = argc > 6 ? strtoul(argv[6], NULL, 10) : 0;

	if (argc < 6 || n == 0) {
		fprintf(stderr,
		    "usage: frames NETNS:IF NETNS:IF each TYPE MAX | burst TYPE N SIZE | "
		    "slow TYPE N MS\n");
		return 2;
	}
	for (uint8_t i = 0; i < 2; i++)
		open_end(&e[i], argv[1 + i], i);
	type = (unsigned)strtoul(argv[4], NULL, 16);
	if (strcmp(argv[3], "each") == 0 && n + HEAD <= FRAME_MAX)
		return each(e, n);
	if (strcmp(argv[3], "burst") == 0 && last >= 60 && last + HEAD <= FRAME_MAX)
		return burst(e, 2, (uint32_t)n, last);
	if (strcmp(argv[3], "oneway") == 0 && last >= 60 && last + HEAD <= FRAME_MAX)
		return burst(e, 1, (uint32_t)n, last);
	if (strcmp(argv[3], "syn") == 0 && argc == 7)
		return syn(e, (unsigned)strtoul(argv[4], NULL, 10), (unsigned)n, argv[6]);
	if (strcmp(argv[3], "slow") == 0)
		return slow(e, (uint32_t)n, (unsigned)last);
	die("arguments");
}
