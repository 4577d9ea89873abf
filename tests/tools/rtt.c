/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtt.c - Modbus round trips at a fixed rate, and how long they took.
 *
 *   rtt serve ADDRESS PORT                     answers "read holding registers" for ever
 *   rtt poll ADDRESS PORT RATE SECONDS         prints: N p50 p99 p99.9 max, in microseconds
 *
 * Open loop: request i is due at start + i / RATE and its time counts from then on, so a
 * stall is not hidden by the requests that were not sent during it.  One connection, one
 * request at a time, TCP_NODELAY; exit status 1 when an answer is missing or wrong.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000ull
#define REGISTERS 32u

static void
die(const char *what)
{
	fprintf(stderr, "rtt: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

/* Busy until then: a sleeper's own waking would be in every figure. */
static void
wait_until(uint64_t when)
{
	uint64_t now = now_ns();

	if (when > now + 200000) {
		struct timespec t = {0, (long)(when - now - 150000)};

		nanosleep(&t, NULL);
	}
	while (now_ns() < when)
		;
}

static int
get_socket(const char *host, const char *port, bool serve)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = serve ? AI_PASSIVE : 0}, *a;
	int one = 1, fd;

	if (getaddrinfo(host, port, &hints, &a) != 0)
		die(host);
	if ((fd = socket(a->ai_family, SOCK_STREAM, 0)) < 0)
		die("socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (serve ? bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, 8) < 0 :
		    connect(fd, a->ai_addr, a->ai_addrlen) < 0)
		die(host);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	freeaddrinfo(a);
	return fd;
}

static bool
read_all(int fd, uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t r = read(fd, p, n);

		if (r <= 0)
			return false;
		p += r;
		n -= (size_t)r;
	}
	return true;
}

static void
serve(const char *host, const char *port)
{
	uint8_t q[12], a[9 + 2 * REGISTERS] = {0};
	int one = 1, fd, listener = get_socket(host, port, true);

	for (;;) {
		if ((fd = accept(listener, NULL, NULL)) < 0)
			die("accept");
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		while (read_all(fd, q, sizeof(q))) {
			memcpy(a, q, 8); /* transaction, protocol; unit, function */
			a[4] = 0;
			a[5] = 3 + 2 * REGISTERS;
			a[8] = 2 * REGISTERS;
			if (write(fd, a, sizeof(a)) != (ssize_t)sizeof(a))
				break;
		}
		close(fd);
	}
}

static int
cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int
poll_it(const char *host, const char *port, unsigned rate, unsigned seconds)
{
	uint8_t q[12] = {0, 0, 0, 0, 0, 6, 1, 3, 0, 0, 0, REGISTERS}, a[9 + 2 * REGISTERS];
	uint32_t n = rate * seconds, *took = calloc(n, sizeof(*took));
	uint64_t start;
	int fd = get_socket(host, port, false);

	if (!took || n < 1000)
		die("at least 1000 requests");
	start = now_ns() + NS / 10;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t due = start + (uint64_t)i * NS / rate, t;

		wait_until(due);
		q[0] = (uint8_t)(i >> 8);
		q[1] = (uint8_t)i;
		if (write(fd, q, sizeof(q)) != (ssize_t)sizeof(q) || !read_all(fd, a, sizeof(a)) ||
		    a[0] != q[0] || a[1] != q[1] || a[7] != 3)
			die("answer");
		t = now_ns() - due;
		took[i] = t > UINT32_MAX ? UINT32_MAX : (uint32_t)t;
	}
	qsort(took, n, sizeof(*took), cmp);
	printf("%u %.1f %.1f %.1f %.1f\n", n, took[n / 2] / 1e3, took[n - n / 100] / 1e3,
	    took[n - n / 1000] / 1e3, took[n - 1] / 1e3);
	free(took);
	return 0;
}

/* 1 to 1000000. */
static unsigned
number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	errno = EINVAL;
	if (end == text || *end || n == 0 || n > 1000000)
		die(text);
	return (unsigned)n;
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		serve(argv[2], argv[3]);
	if (argc == 6 && strcmp(argv[1], "poll") == 0)
		return poll_it(argv[2], argv[3], number(argv[4]), number(argv[5]));
	fprintf(stderr, "usage: rtt serve ADDRESS PORT | rtt poll ADDRESS PORT RATE SECONDS\n");
	return 2;
}
