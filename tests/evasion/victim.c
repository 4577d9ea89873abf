/* SPDX-License-Identifier: Apache-2.0 */
/*
 * victim.c - the device: sockets of the kernel in the other namespace.
 *
 * TCP 502, 102 and 4840 and UDP 502, over IPv4 and IPv6.  Every byte that a socket delivers is
 * kept with the peer's port, by which a play is known; whole PDUs are answered as a device
 * would, so that who pairs requests and answers has something to pair.
 *
 * Each TCP socket takes no segment with a TTL below MIN_TTL (RFC 5082), as if it lay behind
 * routers, takes data in a SYN (RFC 7413), and leaves urgent bytes out of the stream,
 * which is what sockets do unless they are told otherwise.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/evasion/evade.h"

#define SOCKETS_MAX 8192u
#define RECORD_MAX  131072u

struct sock {
	int fd;
	enum proto proto;
	bool listens, udp, leaked; /* leaked: of datagrams, each is judged alone */
	struct play *play;
	uint16_t port; /* of the peer */
	unsigned answered, seen;
	struct bytes got;
};

static struct sock socks[SOCKETS_MAX];
static unsigned n_socks;
static int epfd = -1;

struct play *
play_of(uint16_t port)
{
	unsigned i = (unsigned)(port - w.first_port) / CONNS;

	return port >= w.first_port && i < w.n_plays ? &w.play[i] : NULL;
}

static struct sock *
sock_add(int fd, enum proto proto, bool listens, bool udp)
{
	struct sock *s = &socks[n_socks];
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = n_socks};

	if (n_socks == SOCKETS_MAX)
		die("the victim has more than %u sockets", SOCKETS_MAX);
	n_socks++;
	*s = (struct sock){.fd = fd, .proto = proto, .listens = listens, .udp = udp};
	if (epfd >= 0)
		(void)epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev);
	return s;
}

static int
sock_bound(bool v6, bool udp, uint16_t port, bool nonblock)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1, ttl = MIN_TTL, queue = 64;
	int fd = socket(v6 ? AF_INET6 : AF_INET,
	    (udp ? SOCK_DGRAM : SOCK_STREAM) | (nonblock ? SOCK_NONBLOCK : 0) | SOCK_CLOEXEC, 0);

	memcpy(&a6.sin6_addr, w.peer6, 16);
	memcpy(&a4.sin_addr, w.peer4, 4);
	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (v6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (!udp) {
		if (v6)
			(void)setsockopt(
			    fd, IPPROTO_IPV6, 73 /* IPV6_MINHOPCOUNT */, &ttl, sizeof(ttl));
		else if (setsockopt(fd, IPPROTO_IP, IP_MINTTL, &ttl, sizeof(ttl)) < 0)
			die("victim: IP_MINTTL: %s", strerror(errno));
		(void)setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue));
	}
	if (bind(fd, v6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4,
		v6 ? sizeof(a6) : sizeof(a4)) < 0)
		die("victim: port %u: %s", port, strerror(errno));
	return fd;
}

void
victim_open(void)
{
	static const uint16_t port[PROTOS] = {502, 102, 4840};

	for (unsigned v6 = 0; v6 < 2; v6++) {
		for (enum proto p = MODBUS; p < PROTOS; p++) {
			int fd = sock_bound(v6, false, port[p], true);

			if (fd < 0 || listen(fd, 4096) < 0)
				die("victim: %s", strerror(errno));
			sock_add(fd, p, true, false);
		}
		sock_add(sock_bound(v6, true, 502, true), MODBUS, false, true);
	}
}

void
victim_add_fds(int fd)
{
	epfd = fd;
	for (unsigned i = 0; i < n_socks; i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i};

		(void)epoll_ctl(epfd, EPOLL_CTL_ADD, socks[i].fd, &ev);
	}
}

/* --- what a socket delivers -------------------------------------------------------------------------- */

static void
record(struct sock *s, const uint8_t *p, size_t n)
{
	if (!s->got.p && !(s->got.p = malloc(RECORD_MAX)))
		die("out of memory");
	if (n > RECORD_MAX - s->got.n)
		n = RECORD_MAX - s->got.n;
	memcpy(s->got.p + s->got.n, p, n);
	s->got.n += (uint32_t)n;
}

static void
answer(void *ctx, int ask, struct bytes a)
{
	struct sock *s = ctx;

	(void)ask;
	if (++s->seen <= s->answered)
		return;
	s->answered = s->seen;
	if (a.n > 0 && !(s->play && s->play->silent))
		(void)send(s->fd, a.p, a.n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static uint16_t
port_of(const struct sockaddr_storage *a)
{
	const void *p = a;

	return ntohs(a->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)p)->sin6_port
					      : ((const struct sockaddr_in *)p)->sin_port);
}

static void
accept_one(struct sock *l)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	int fd, one = 1;

	while (
	    (fd = accept4(l->fd, (struct sockaddr *)&a, &len, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct sock *s = sock_add(fd, l->proto, false, false);

		s->port = port_of(&a);
		s->play = play_of(s->port);
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		len = sizeof(a);
	}
}

static void
datagram(struct sock *s)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	uint8_t b[4096];
	ssize_t n;

	while (
	    (n = recvfrom(s->fd, b, sizeof(b), MSG_DONTWAIT, (struct sockaddr *)&a, &len)) >= 0) {
		struct sock *r = NULL, from;
		uint16_t port = port_of(&a);

		for (unsigned i = 0; i < n_socks && !r; i++)
			if (socks[i].udp && socks[i].port == port)
				r = &socks[i];
		if (!r) { /* remembers what came, has no descriptor */
			r = sock_add(-1, MODBUS, false, true);
			r->port = port;
			r->play = play_of(port);
		}
		record(r, b, (size_t)n);
		r->leaked |= bytes_forbidden(MODBUS, (struct bytes){b, (uint32_t)n});
		from = (struct sock){.fd = s->fd, .play = r->play};
		if (connect(s->fd, (struct sockaddr *)&a, len) == 0) {
			(void)pdu_walk(MODBUS, (struct bytes){b, (uint32_t)n}, answer, &from);
			a.ss_family = AF_UNSPEC;
			(void)connect(s->fd, (struct sockaddr *)&a, sizeof(a));
		}
		len = sizeof(a);
	}
}

static void
watch(struct sock *s, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.u32 = (uint32_t)(s - socks)};

	(void)epoll_ctl(epfd, EPOLL_CTL_MOD, s->fd, &ev);
}

void
victim_event(uint32_t id)
{
	struct sock *s = &socks[id];
	uint8_t b[16384];
	ssize_t n;

	if (s->listens) {
		accept_one(s);
		return;
	}
	if (s->udp) {
		datagram(s);
		return;
	}
	if (s->play && s->play->no_read) {
		watch(s, 0);
		return;
	}
	while ((n = read(s->fd, b, sizeof(b))) > 0) {
		record(s, b, (size_t)n);
		s->seen = 0;
		(void)pdu_walk(s->proto, s->got, answer, s);
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		close(s->fd); /* what it got stays */
		s->fd = -1;
	}
}

/* --- for the plays ------------------------------------------------------------------------------------- */

struct bytes
victim_bytes(const struct play *p, uint16_t port)
{
	for (unsigned i = n_socks; i-- > 0;)
		if (socks[i].play == p && socks[i].port == port && !socks[i].listens)
			return socks[i].got;
	return (struct bytes){NULL, 0};
}

bool
victim_leaked(const struct play *p)
{
	for (unsigned i = 0; i < n_socks; i++)
		if (socks[i].play == p &&
		    (socks[i].udp ? socks[i].leaked : bytes_forbidden(p->k->proto, socks[i].got)))
			return true;
	return false;
}

/* The victim opens, from the port on which it listens, to the play's port. */
static void
victim_connect(struct play *p)
{
	static const uint16_t port[PROTOS] = {502, 102, 4840};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(p->conn[p->cur].sport)};
	struct sock *s;
	int fd;

	ns_enter(w.victim_ns);
	fd = sock_bound(false, false, port[p->k->proto], true);
	ns_enter(w.attacker_ns);

	memcpy(&to.sin_addr, w.ip4, 4);
	s = sock_add(fd, p->k->proto, false, false);
	s->port = p->conn[p->cur].sport;
	s->play = p;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		p->note = "the victim cannot connect";
}

void
victim_word(struct play *p, const char *word)
{
	if (strcmp(word, "silent") == 0)
		p->silent = true;
	else if (strcmp(word, "answers") == 0)
		p->silent = false;
	else if (strcmp(word, "noread") == 0)
		p->no_read = true;
	else if (strcmp(word, "connects") == 0)
		victim_connect(p);
	else if (strcmp(word, "reads") == 0) {
		p->no_read = false;
		for (unsigned i = 0; i < n_socks; i++)
			if (socks[i].play == p && !socks[i].udp && socks[i].fd >= 0)
				watch(&socks[i], EPOLLIN);
	} else if (strcmp(word, "closes") == 0) {
		for (unsigned i = 0; i < n_socks; i++)
			if (socks[i].play == p && !socks[i].udp && socks[i].fd >= 0) {
				close(socks[i].fd);
				socks[i].fd = -1;
			}
	} else
		die("%s: the victim cannot \"%s\"", p->k->name, word);
}
