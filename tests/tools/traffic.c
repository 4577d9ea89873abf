/* SPDX-License-Identifier: Apache-2.0 */
/*
 * traffic.c - a capture of made-up polling, as long as one likes: for measuring readers of captures against each
 * other.  The same arguments give the same bytes.
 *
 * Every flow is opened with its handshakes; then, round by round and in random order, each polls once: a read, or in
 * WRITES of 100 rounds a write, and the answer to it.  Checksums of IP are right, those of TCP are not filled in.
 *
 * usage: traffic modbus|s7|opcua FLOWS PACKETS [SEED [WRITES]] > CAPTURE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/pdus.h"

#define GAP_US 10u

struct made {
	const struct protocol *proto;
	struct talk *talk;
	uint32_t *order;
	uint64_t us, written, wanted;
};

static uint64_t state;

static uint32_t
rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32);
}

static void
write_or_die(const void *p, size_t n)
{
	if (fwrite(p, 1, n, stdout) != n) {
		perror("traffic");
		exit(2);
	}
}

static void
say(struct made *m, uint32_t flow, unsigned who, uint8_t flags, const struct tmpl *t, uint32_t txn)
{
	uint8_t frame[512];
	uint32_t n = frame_put(frame, &m->talk[flow], who, flags, t, txn), sum = 0;
	uint32_t head[4] = {(uint32_t)(m->us / 1000000), (uint32_t)(m->us % 1000000), n, n};

	for (unsigned i = 14; i < 34; i += 2)
		sum += (uint32_t)frame[i] << 8 | frame[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put16(frame + 24, (uint16_t) ~(sum + (sum >> 16)));
	write_or_die(head, sizeof(head));
	write_or_die(frame, n);
	m->us += GAP_US;
	m->written++;
}

static void
open_flow(struct made *m, uint32_t f)
{
	m->talk[f] = (struct talk){.client = 0x0a010001u + f % 200,
	    .server = 0x0a020001u + f / 200 % 200,
	    .cport = (uint16_t)(20000 + f / 40000 * 7 + f % 40000),
	    .port = m->proto->port,
	    .seq = {rnd(), rnd()}};
	say(m, f, 0, 0x02, NULL, 0);
	say(m, f, 1, 0x12, NULL, 0);
	say(m, f, 0, 0x10, NULL, 0);
	for (unsigned i = 0; i < 4; i++)
		if (m->proto->open[i].len) {
			m->talk[f].said[i & 1] = i / 2;
			say(m, f, i & 1, 0x18, &m->proto->open[i], 0);
		}
	m->talk[f].said[0] = m->talk[f].said[1] = 2;
}

static void
one_round(struct made *m, uint32_t flows, uint32_t round, unsigned writes)
{
	for (uint32_t i = flows - 1; i > 0; i--) {
		uint32_t j = rnd() % (i + 1), t = m->order[i];

		m->order[i] = m->order[j];
		m->order[j] = t;
	}
	for (uint32_t i = 0; i < flows && m->written < m->wanted; i++) {
		const struct tmpl *pdu = m->proto->pdu[rnd() % 100 < writes];

		say(m, m->order[i], 0, 0x18, &pdu[0], round);
		say(m, m->order[i], 1, 0x18, &pdu[1], round);
	}
}

int
main(int argc, char **argv)
{
	static const uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1};
	uint32_t flows = argc > 3 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
	struct made m = {.us = UINT64_C(1700000000) * 1000000};

	for (unsigned i = 0; argc > 3 && i < N_PROTOCOLS; i++)
		if (strcmp(argv[1], protocols[i].name) == 0)
			m.proto = &protocols[i];
	if (!m.proto || flows == 0 || flows > 1000000) {
		fputs("usage: traffic modbus|s7|opcua FLOWS PACKETS [SEED [WRITES]]\n", stderr);
		return 2;
	}
	m.wanted = strtoull(argv[3], NULL, 10);
	state = (argc > 4 ? strtoull(argv[4], NULL, 10) : 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
	m.talk = calloc(flows, sizeof(*m.talk));
	m.order = calloc(flows, sizeof(*m.order));
	if (!m.talk || !m.order)
		return 2;
	write_or_die(head, sizeof(head));
	for (uint32_t f = 0; f < flows; f++) {
		open_flow(&m, f);
		m.order[f] = f;
	}
	for (uint32_t round = 1; m.written < m.wanted; round++)
		one_round(&m, flows, round, argc > 5 ? (unsigned)strtoul(argv[5], NULL, 10) : 0);
	free(m.talk);
	free(m.order);
	return fflush(stdout) == 0 ? 0 : 2;
}
