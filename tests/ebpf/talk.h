/* SPDX-License-Identifier: Apache-2.0 */
/*
 * talk.h - frames of one TCP connection between a client outside and a server inside, with whatever
 * numbers, flags, options and bytes a test wants; checksums right unless it says otherwise.
 */
#ifndef TESTS_EBPF_TALK_H
#define TESTS_EBPF_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ebpf/flow_abi.h"

#define TALK_FRAME 2048u

struct talk_ends {
	uint8_t client[4], server[4];
	uint16_t client_port, server_port;
	uint8_t client_mac[6], server_mac[6];
};

struct talk_seg {
	unsigned dir; /* 0: client to server */
	uint32_t seq, ack;
	uint8_t flags; /* 0: ACK, and PSH with a payload */
	uint16_t win;
	const uint8_t *pay;
	uint32_t len;
	bool ts; /* NOP NOP TSopt */
	uint32_t tsval, tsecr;
	uint8_t options[40]; /* others, instead */
	uint8_t n_options;
	uint16_t vlan;
	uint8_t ip_options; /* words */
	bool bad_ip_sum, bad_tcp_sum;
	uint8_t pad; /* bytes behind the datagram */
};

static inline void
talk_be(uint8_t *p, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> 8 * (n - 1 - i));
}

static inline uint32_t
talk_sum(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static inline uint16_t
talk_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Bytes of the frame in out[TALK_FRAME]. */
static inline size_t
talk_frame(uint8_t *out, const struct talk_ends *e, const struct talk_seg *s)
{
	bool up = s->dir == 0;
	uint32_t ihl = 20u + s->ip_options * 4u, opt = s->ts ? 12 : (s->n_options + 3u) & ~3u;
	uint32_t tcp_len = 20 + opt + s->len;
	uint8_t *p = out, *ip, *tcp;

	memset(out, 0, TALK_FRAME);
	memcpy(p, up ? e->server_mac : e->client_mac, 6);
	memcpy(p + 6, up ? e->client_mac : e->server_mac, 6);
	p += 12;
	if (s->vlan) {
		talk_be(p, 0x81000000u | s->vlan, 4);
		p += 4;
	}
	talk_be(p, 0x0800, 2);
	ip = p + 2;
	ip[0] = (uint8_t)(0x40 | ihl / 4);
	talk_be(ip + 2, ihl + tcp_len, 2);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, up ? e->client : e->server, 4);
	memcpy(ip + 16, up ? e->server : e->client, 4);
	memset(ip + 20, 1, s->ip_options * 4u);
	talk_be(ip + 10, talk_fold(talk_sum(0, ip, ihl)) ^ (s->bad_ip_sum ? 0x0100u : 0u), 2);
	tcp = ip + ihl;
	talk_be(tcp, up ? e->client_port : e->server_port, 2);
	talk_be(tcp + 2, up ? e->server_port : e->client_port, 2);
	talk_be(tcp + 4, s->seq, 4);
	talk_be(tcp + 8, s->ack, 4);
	tcp[12] = (uint8_t)((20 + opt) / 4 << 4);
	tcp[13] = s->flags ? s->flags : (uint8_t)(0x10 | (s->len ? 8 : 0));
	talk_be(tcp + 14, s->win, 2);
	if (s->ts) {
		talk_be(tcp + 20, 0x0101080a, 4);
		talk_be(tcp + 24, s->tsval, 4);
		talk_be(tcp + 28, s->tsecr, 4);
	} else {
		memset(tcp + 20, 1, opt);
		memcpy(tcp + 20, s->options, s->n_options);
	}
	if (s->len)
		memcpy(tcp + 20 + opt, s->pay, s->len);
	talk_be(tcp + 16,
	    talk_fold(talk_sum(talk_sum(6 + tcp_len, ip + 12, 8), tcp, tcp_len)) ^
		(s->bad_tcp_sum ? 0x0100u : 0u),
	    2);
	return (size_t)(tcp - out) + tcp_len + s->pad;
}

static inline void
talk_key(const struct talk_ends *e, uint16_t vlan, struct kflow_key *k, bool *client_lo)
{
	int order = memcmp(e->client, e->server, 4);

	*client_lo = order < 0 || (order == 0 && e->client_port <= e->server_port);
	memset(k, 0, sizeof(*k));
	k->lo[10] = k->lo[11] = k->hi[10] = k->hi[11] = 0xff;
	memcpy(k->lo + 12, *client_lo ? e->client : e->server, 4);
	memcpy(k->hi + 12, *client_lo ? e->server : e->client, 4);
	k->lo_port = *client_lo ? e->client_port : e->server_port;
	k->hi_port = *client_lo ? e->server_port : e->client_port;
	k->vlan = vlan;
	k->proto = 6;
}

/* --- PDUs ------------------------------------------------------------------------------------ */

/* Function 1 to 6, 15, 16: a request for n objects (or the value of one) from addr on. */
static inline uint32_t
talk_modbus(uint8_t *p, uint16_t txn, uint8_t unit, uint8_t fc, uint16_t addr, uint16_t n)
{
	uint32_t data = fc == 15   ? (n + 7u) / 8
			: fc == 16 ? n * 2u
				   : 0,
		 len = data ? 13 + data : 12;

	memset(p, 0, len);
	talk_be(p, txn, 2);
	talk_be(p + 4, len - 6, 2);
	p[6] = unit;
	p[7] = fc;
	talk_be(p + 8, addr, 2);
	talk_be(p + 10, n, 2);
	if (data)
		p[12] = (uint8_t)data;
	for (uint32_t i = 0; i < data; i++)
		p[13 + i] = (uint8_t)(addr + i);
	return len;
}

/* Its answer. */
static inline uint32_t
talk_modbus_answer(uint8_t *p, const uint8_t *q)
{
	uint32_t n = (uint32_t)q[10] << 8 | q[11], data = q[7] <= 2 ? (n + 7) / 8 : n * 2;

	memcpy(p, q, 12);
	if (q[7] > 4) {
		talk_be(p + 4, 6, 2);
		return 12;
	}
	talk_be(p + 4, 3 + data, 2);
	p[8] = (uint8_t)data;
	for (uint32_t i = 0; i < data; i++)
		p[9 + i] = (uint8_t)(i * 3 + q[1]);
	return 9 + data;
}

/* Read (4) or write (5) of count bytes of DB db from byte at on. */
static inline uint32_t
talk_s7(uint8_t *p, uint16_t ref, uint8_t fn, uint16_t db, uint16_t at, uint16_t count)
{
	uint32_t data = fn == 5 ? 4u + count : 0, len = 31 + data;
	static const uint8_t head[] = {3, 0, 0, 0, 2, 0xf0, 0x80, 0x32, 1, 0, 0, 0, 0, 0, 14};

	memset(p, 0, len);
	memcpy(p, head, sizeof(head));
	talk_be(p + 2, len, 2);
	talk_be(p + 11, ref, 2);
	talk_be(p + 15, data, 2);
	p[17] = fn;
	p[18] = 1;
	p[19] = 0x12;
	p[20] = 10;
	p[21] = 0x10;
	p[22] = 2;
	talk_be(p + 23, count, 2);
	talk_be(p + 25, db, 2);
	p[27] = 0x84;
	talk_be(p + 28, at * 8u, 3);
	if (data) {
		p[32] = 4;
		talk_be(p + 33, count * 8u, 2);
		for (uint32_t i = 0; i < count; i++)
			p[35 + i] = (uint8_t)i;
	}
	return len;
}

static inline uint32_t
talk_s7_answer(uint8_t *p, const uint8_t *q)
{
	uint32_t count = (uint32_t)q[23] << 8 | q[24], data = q[17] == 4 ? 4 + count : 1;

	memset(p, 0, 21 + data);
	memcpy(p, q, 13);
	talk_be(p + 2, 21 + data, 2);
	p[8] = 3;
	p[14] = 2;
	talk_be(p + 15, data, 2);
	p[19] = q[17];
	p[20] = 1;
	p[21] = 0xff;
	if (q[17] == 4) {
		p[22] = 4;
		talk_be(p + 23, count * 8, 2);
	}
	return 21 + data;
}

#endif /* TESTS_EBPF_TALK_H */
