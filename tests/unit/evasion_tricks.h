/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evasion_tricks.h - how each trick of evasion_test.c is played.
 *
 * A trick sends frames; d->real is what it wants at the device, d->decoy what the
 * guard shall believe.  In the benign twin both are the same read, d->intent is
 * what the client's program wrote, and arg is the variant.
 */
#ifndef TESTS_EVASION_TRICKS_H
#define TESTS_EVASION_TRICKS_H

#include "tests/unit/duel.h"

static const uint8_t read10[12] = {0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10};
static const uint8_t write1[12] = {0, 1, 0, 0, 0, 6, 1, 6, 0, 20, 0, 99};
static const uint8_t after[12] = {0, 9, 0, 0, 0, 6, 1, 3, 0, 5, 0, 5};

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };

/* --- what tricks are made of --------------------------------------------------------------- */

static void
intend(struct duel *d, const void *p, uint32_t n)
{
	memcpy(d->intent + d->n_intent, p, n);
	d->n_intent += n;
}

static struct pkt
send_at(struct duel *d, int32_t off, const void *p, uint32_t n)
{
	return shoot(d, (struct shot){.off = off, .p = p, .n = n});
}

static void
handshake(struct duel *d)
{
	shoot(d, (struct shot){.flags = SYN});
	shoot(d, (struct shot){.flags = ACK});
}

/* The same tuple again, with other numbers. */
static void
connect_again(struct duel *d)
{
	d->isn += 5000000;
	d->sisn += 7000000;
	d->n_intent = 0;
	handshake(d);
}

static uint32_t
arrived(const struct duel *d)
{
	return d->v.nxt - d->v.isn - 1;
}

/* The client's TCP sends again what was not acknowledged. */
static void
send_again(struct duel *d)
{
	for (unsigned i = 0; i < 5 && d->v.state == OPEN && arrived(d) < d->n_intent; i++) {
		uint32_t from = arrived(d);

		wait_s(d, 1u << i);
		d->lose = 0;
		for (uint32_t at = from; at < d->n_intent; at += 1400)
			send_at(d, (int32_t)at, d->intent + at,
			    d->n_intent - at < 1400 ? d->n_intent - at : 1400);
	}
}

/* Decoy to the guard, not to the device; then the real bytes in its place. */
static void
insert(struct duel *d, struct shot how)
{
	how.p = d->decoy;
	how.n = 12;
	shoot(d, how);
	send_at(d, 0, d->real, 12);
}

/* --- the tricks ------------------------------------------------------------------------------ */

static void
split_in_two(struct duel *d)
{
	send_at(d, 0, d->real, d->arg + 1);
	send_at(d, (int32_t)d->arg + 1, d->real + d->arg + 1, 11 - d->arg);
}

static void
byte_by_byte(struct duel *d)
{
	for (int i = 0; i < 12; i++)
		send_at(d, i, d->real + i, 1);
}

static void
backwards(struct duel *d)
{
	for (int i = 11; i >= 0; i--)
		send_at(d, i, d->real + i, 1);
}

static void
halves_swapped(struct duel *d)
{
	send_at(d, (int32_t)d->arg + 1, d->real + d->arg + 1, 11 - d->arg);
	send_at(d, 0, d->real, d->arg + 1);
}

static void
each_part_thrice(struct duel *d)
{
	for (int i = 0; i < 12; i += 4)
		for (int k = 0; k < 3; k++)
			send_at(d, i, d->real + i, 4);
}

static void
pipelined(struct duel *d)
{
	uint8_t two[24];

	memcpy(two, read10, 12);
	memcpy(two + 12, d->real, 12);
	d->n_intent = 0;
	intend(d, two, 24);
	send_at(d, 0, two, 24);
}

static void
rewrite_acknowledged(struct duel *d)
{
	send_at(d, 0, d->decoy, 12);
	send_at(d, 0, d->real, 12);
}

static void
rewrite_lost(struct duel *d)
{
	d->lose = 1;
	insert(d, (struct shot){0});
}

static void
rewrite_tail_lost(struct duel *d)
{
	uint8_t two[24]; /* the repetition is longer than what it repeats */

	memcpy(two, d->real, 12);
	memcpy(two + 12, after, 12);
	d->lose = 1;
	send_at(d, 0, d->decoy, 12);
	send_at(d, 0, two, 24);
}

static void
overlap_partly(struct duel *d)
{
	send_at(d, 0, d->decoy, 8);
	send_at(d, 4, d->real + 4, 8);
}

static void
overlap_ahead_of_hole(struct duel *d)
{
	send_at(d, 6, d->arg & 1 ? d->decoy + 6 : d->real + 6, 6);
	send_at(d, 4, d->arg & 1 ? d->real + 4 : d->decoy + 4, 8);
	send_at(d, 0, d->arg & 2 ? d->real : d->decoy, 7);
	send_at(d, 0, d->real, 12);
}

static void
held_twice(struct duel *d)
{
	send_at(d, 6, d->decoy + 6, 6);
	send_at(d, 6, d->real + 6, 6);
	send_at(d, 0, d->real, 6);
}

static void
held_and_lost(struct duel *d)
{
	send_at(d, 6, d->decoy + 6, 6);
	d->lose = 2; /* the held frame leaves when the hole is filled: both are lost */
	send_at(d, 0, d->decoy, 6);
	send_at(d, 0, d->real, 12);
}

static void
held_for_long(struct duel *d)
{
	send_at(d, 6, d->decoy + 6, 6);
	wait_s(d, 60);
	send_at(d, 0, d->real, 6);
	send_at(d, 6, d->real + 6, 6);
}

static void
too_many_held(struct duel *d)
{
	for (int i = 200; i >= 1; i--)
		send_at(d, 12 + i * 2, "\0\0", 1);
	send_at(d, 0, d->real, 12);
}
/* More than the guard can remember, all lost; then the first of it anew. */
static void
flood_unacknowledged(struct duel *d)
{
	static const unsigned size[] = {1, 12, 48, 49, 1400};
	unsigned step = size[d->arg];
	uint32_t at = 0;

	d->n_intent = 0;
	intend(d, d->decoy, 12);
	while (d->n_intent < (step > 100 ? 60000u : 6000u))
		intend(d, read10, 12);
	d->lose = UINT32_MAX;
	for (; at < d->n_intent; at += step)
		send_at(d, (int32_t)at, d->intent + at,
		    d->n_intent - at < step ? d->n_intent - at : step);
	d->lose = 0;
	send_at(d, 0, d->real, 12);
}

static void
low_ttl(struct duel *d)
{
	d->hops = 3;
	insert(d, (struct shot){.ttl = 2});
}

static void
old_timestamp(struct duel *d)
{
	d->v.ts_recent = 9;
	insert(d, (struct shot){.topt = (const uint8_t *)"\1\1\10\12\0\0\0\1\0\0\0\0", .n_topt = 12});
}

static void
md5_option(struct duel *d)
{
	insert(d, (struct shot){.topt = (const uint8_t *)"\23\22................\1\1", .n_topt = 20});
}

static void
bad_tcp_checksum(struct duel *d)
{
	insert(d, (struct shot){.bad_sum = true});
}

static void
bad_ip_checksum(struct duel *d)
{
	insert(d, (struct shot){.bad_ip_sum = true});
}

static void
bad_ack_number(struct duel *d)
{
	insert(d, (struct shot){.bad_ack = true});
}

static void
no_ack_flag(struct duel *d)
{
	insert(d, (struct shot){.flags = PSH});
}

static void
odd_flags(struct duel *d)
{
	static const uint16_t fl[] = {NO_FLAGS, FIN | PSH | URG, SYN | FIN | ACK, SYN | RST,
	    RST | FIN | ACK, 63};

	insert(d, (struct shot){.flags = fl[d->arg]});
}

static void
other_vlan(struct duel *d)
{
	insert(d, (struct shot){.vlan = 5});
}

static void
priority_tag(struct duel *d)
{
	d->v.takes_anyhow = false;
	shoot(d, (struct shot){.vlan = PRIORITY_TAG, .p = d->real, .n = 6});
	send_at(d, 6, d->real + 6, 6);
}

static void
snap_frame(struct duel *d)
{
	insert(d, (struct shot){.snap = true});
}

static void
no_ip_length(struct duel *d)
{
	insert(d, (struct shot){.no_length = true});
}

static void
ethernet_trailer(struct duel *d)
{
	shoot(d, (struct shot){.p = d->real, .n = 6, .trailer = 6});
	shoot(d, (struct shot){.off = 6, .p = d->real + 6, .n = 6, .trailer = 20});
}

static void
trailer_of_real_bytes(struct duel *d)
{
	uint8_t b[256];
	struct shot s = {.p = d->real, .n = 5, .trailer = 7};
	uint32_t len = frame_make(d, &s, b);

	memcpy(b + len - 7, d->real + 5, 7);
	raw(d, b, len, 0);
	send_at(d, 5, d->real + 5, 7);
}

static void
source_route(struct duel *d)
{
	insert(d, (struct shot){.iopt = (const uint8_t *)(d->arg ? "\1\211\7\4\12\1\2\202"
		: "\203\7\10\12\1\2\202\0"), .n_iopt = 8});
	shoot(d, (struct shot){.p = d->real, .n = 12,
	    .iopt = (const uint8_t *)"\203\7\4\12\1\2\203\0", .n_iopt = 8});
}

static void
record_route(struct duel *d)
{
	shoot(d, (struct shot){.p = d->real, .n = 6,
	    .iopt = (const uint8_t *)"\7\7\4\0\0\0\0\0", .n_iopt = 8});
	send_at(d, 6, d->real + 6, 6);
}

static void
odd_options(struct duel *d)
{
	static const char *const o[] = {"\1\1\1\1", "\376\4xx", "\0\377\377\377", "\5\2\1\1",
	    "\377\0\0\0"};

	shoot(d, (struct shot){.p = d->real, .n = 7, .topt = (const uint8_t *)o[d->arg],
	    .n_topt = 4});
	shoot(d, (struct shot){.off = 7, .p = d->real + 7, .n = 5, .topt = (const uint8_t *)o[d->arg],
	    .n_topt = 4});
}
/* The byte at `arg` is urgent: a socket may take it out of the stream. */
static void
urgent_byte(struct duel *d)
{
	uint8_t two[24];

	memcpy(two, read10, 12);
	memcpy(two + 12, after, 12);
	two[11] = 1;
	two[12] = 125; /* becomes the count when the byte before it is gone */
	d->n_intent = 0;
	intend(d, two, 24);
	shoot(d, (struct shot){.p = two, .n = 24, .urg = (uint16_t)(d->arg + 1)});
}

static void
urgent_before_data(struct duel *d)
{
	shoot(d, (struct shot){.flags = ACK, .urg = (uint16_t)(d->arg + 1)});
	d->arg = 11;
	urgent_byte(d);
}

static void
urgent_held(struct duel *d)
{
	uint8_t two[24];

	memcpy(two, read10, 12);
	memcpy(two + 12, after, 12);
	two[11] = 1;
	two[12] = 125;
	d->n_intent = 0;
	intend(d, two, 24);
	shoot(d, (struct shot){.off = 6, .p = two + 6, .n = 18, .urg = 6});
	send_at(d, 0, two, 6);
}

static void
data_in_fin(struct duel *d)
{
	d->n_intent = 12;
	shoot(d, (struct shot){.p = d->real, .n = 12, .flags = FIN | ACK | PSH});
}

static void
fin_ahead_of_data(struct duel *d)
{
	d->n_intent = 12;
	shoot(d, (struct shot){.off = 12, .flags = FIN | ACK});
	send_at(d, 0, d->real, 12);
}

static void
data_behind_fin(struct duel *d)
{
	d->n_intent = 0;
	shoot(d, (struct shot){.flags = FIN | ACK});
	send_at(d, 0, d->real, 12);
	send_at(d, 1, d->real, 12);
}

static void
data_in_rst(struct duel *d)
{
	d->hops = 3;
	shoot(d, (struct shot){.off = d->arg ? 3 : 0, .p = d->decoy, .n = 12,
	    .flags = RST | ACK, .ttl = 1});
	send_at(d, 0, d->real, 12);
}
/* Half of it; make the guard forget; then what a fresh reader takes for a read. */
static const uint8_t first7[7] = {0, 1, 0, 0, 0, 6, 1};
/* function 6 to the device */
static const uint8_t fresh_read[12] = {6, 20, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1};

static void
half_then(struct duel *d)
{
	d->n_intent = 0;
	if (!d->evil) { /* the twin goes on as it began */
		intend(d, read10, 12);
		intend(d, after, 12);
		send_at(d, 0, read10, 7);
		return;
	}
	intend(d, first7, 7);
	intend(d, fresh_read, 12);
	send_at(d, 0, first7, 7);
}

static void
half_end(struct duel *d)
{
	if (d->evil)
		send_at(d, 7, fresh_read, 12);
	else
		send_at(d, 7, read10 + 7, 5);
}

static void
half_rst_wait(struct duel *d)
{
	d->hops = 3;
	half_then(d);
	shoot(d, (struct shot){.off = 7, .flags = RST | ACK, .ttl = 1});
	wait_s(d, d->arg ? 600 : 11);
	half_end(d);
}

/* RFC 5961 3: the device asks back and goes on. */
static void
half_rst_in_window(struct duel *d)
{
	half_then(d);
	shoot(d, (struct shot){.off = d->arg ? 6 : 2000, .flags = RST | ACK});
	half_end(d);
}

static void
half_fin_wait(struct duel *d)
{
	d->hops = 3;
	half_then(d);
	shoot(d, (struct shot){.off = 7, .flags = FIN | ACK, .ttl = 1});
	wait_s(d, 900);
	half_end(d);
}

static void
half_idle(struct duel *d)
{
	half_then(d);
	wait_s(d, d->arg ? 40u * 86400 : 7200);
	half_end(d);
}
/* As half_end, from one byte before: so the SYN's number is not the next one. */
static const uint8_t fresh_from_6[12] = {1, 6, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1};

static void
half_end_syn(struct duel *d)
{
	if (d->evil)
		send_at(d, 6, fresh_from_6, 12);
	else
		send_at(d, 7, read10 + 7, 5);
}
/* A SYN that the device does not heed, numbered so that the rest seems a beginning. */
static void
half_syn(struct duel *d)
{
	d->hops = 3;
	half_then(d);
	shoot(d, (struct shot){.off = (int32_t)d->isn + 6, .abs_seq = true, .flags = SYN,
	    .ttl = d->arg & 1 ? 1 : 64});
	if (d->arg & 2) {
		shoot(d, (struct shot){.off = 8, .flags = FIN | ACK, .ttl = 1});
		shoot(d, (struct shot){.off = (int32_t)d->isn + 6, .abs_seq = true, .flags = SYN,
		    .ttl = 1});
	}
	half_end_syn(d);
}

static void
half_fin_syn(struct duel *d)
{
	d->hops = 3;
	half_then(d);
	shoot(d, (struct shot){.off = 7, .flags = (uint16_t)(d->arg ? RST | ACK : FIN | ACK), .ttl = 1});
	shoot(d, (struct shot){.off = (int32_t)d->isn + 6, .abs_seq = true, .flags = SYN, .ttl = 1});
	half_end_syn(d);
}

static void
half_syn_own_answer(struct duel *d)
{
	d->hops = 3;
	half_then(d);
	shoot(d, (struct shot){.off = (int32_t)d->isn + 6, .abs_seq = true, .flags = SYN, .ttl = 1});
	shoot(d, (struct shot){.flags = SYN | ACK, .ack = d->isn + 7, .ttl = 1});
	half_end_syn(d);
}

static void
half_syn_forged_answer(struct duel *d)
{
	d->hops = 3;
	half_then(d);
	shoot(d, (struct shot){.off = (int32_t)d->isn + 6, .abs_seq = true, .flags = SYN, .ttl = 1});
	shoot(d, (struct shot){.from = SERVER, .wrong_port = true, .flags = SYN | ACK, .ack = d->isn + 7});
	half_end_syn(d);
}

static void
half_forged_ack(struct duel *d)
{
	d->lose = 1;
	send_at(d, 0, d->decoy, 12);
	shoot(d, (struct shot){.from = SERVER, .wrong_port = true, .flags = ACK, .ack = d->isn + 13});
	send_at(d, 0, d->real, 12);
}

static void
half_forged_rst(struct duel *d)
{
	half_then(d);
	shoot(d, (struct shot){.from = SERVER, .wrong_port = true, .flags = RST | ACK});
	wait_s(d, 11);
	half_end(d);
}
/* A late copy of the SYN, answered by a device that has not got the handshake's end. */
static void
syn_again_in_between(struct duel *d)
{
	uint8_t almost[11];

	d->isn += 1000;
	d->cport++;
	d->v.state = LISTEN;
	d->n_intent = 0;
	shoot(d, (struct shot){.flags = SYN});
	d->lose = 1;
	send_at(d, 0, d->real, 11); /* lost */
	memcpy(almost, d->real, 11);
	d->lose = 0;
	shoot(d, (struct shot){.flags = SYN}); /* answered again */
	send_at(d, 0, d->evil ? read10 : d->real, 12);
	send_at(d, 0, almost, 11);
	intend(d, d->real, 12);
	send_at(d, 0, d->real, 12);
}

static void
syn_again_late(struct duel *d)
{
	send_at(d, 0, d->real, 5);
	shoot(d, (struct shot){.flags = SYN});
	shoot(d, (struct shot){.flags = SYN | ACK, .ack = d->v.snd});
	send_at(d, 5, d->real + 5, 7);
}

static void
flood_of_syns(struct duel *d)
{
	half_then(d);
	for (uint32_t i = 0; i < 3000; i++)
		shoot(d, (struct shot){.flags = SYN, .sport = 2000 + i, .ttl = 1});
	half_end(d);
}

static void
rst_then_new_number(struct duel *d)
{
	half_then(d);
	shoot(d, (struct shot){.off = 7, .flags = RST | ACK});
	connect_again(d);
	intend(d, d->real, 12);
	if (d->evil)
		send_at(d, 0, fresh_read + 5, 7);
	send_at(d, 0, d->real, 12);
}

static void
guess_before_answer(struct duel *d)
{
	d->v.state = LISTEN;
	d->v.takes_anyhow = true;
	d->cport++;
	d->n_intent = 0;
	shoot(d, (struct shot){.flags = SYN, .ttl = 64});
	intend(d, d->real, 12);
	send_at(d, 0, d->real, 12);
}

static void
data_before_answer(struct duel *d)
{
	d->cport++;
	d->v.state = LISTEN;
	d->n_intent = 0;
	d->lose = 1;
	shoot(d, (struct shot){.flags = SYN}); /* lost: no answer */
	send_at(d, 0, d->decoy, 12);
	send_at(d, 0, d->real, 7);
	shoot(d, (struct shot){.flags = SYN});
	shoot(d, (struct shot){.flags = ACK});
	intend(d, d->real, 12);
	send_at(d, 0, d->real, 12);
}

static void
data_in_syn(struct duel *d)
{
	d->cport++;
	d->v.state = LISTEN;
	d->v.tfo = d->arg & 1;
	shoot(d, (struct shot){.flags = SYN, .p = d->arg & 2 ? d->decoy : d->real,
	    .n = d->arg & 4 ? 7 : 12,
	    .topt = (const uint8_t *)"\42\12cookie!!\1\1", .n_topt = 12});
	shoot(d, (struct shot){.flags = ACK});
	send_at(d, 0, d->real, 12);
}

static void
data_in_second_syn(struct duel *d)
{
	send_at(d, 0, d->real, 4);
	shoot(d, (struct shot){.off = (int32_t)d->isn + 3, .abs_seq = true, .flags = SYN,
	    .p = d->decoy + 4, .n = 8});
	send_at(d, 4, d->real + 4, 8);
}

static void
mptcp_syn(struct duel *d)
{
	d->cport++;
	d->v.state = LISTEN;
	shoot(d, (struct shot){.flags = SYN,
	    .topt = (const uint8_t *)"\2\4\5\264\36\14\1\1........\1\1\36\2", .n_topt = 20});
	shoot(d, (struct shot){.flags = ACK});
	send_at(d, 0, d->real, 12);
}

static void
simultaneous_open(struct duel *d)
{
	d->cport++;
	d->isn += 99;
	d->v.state = SYN_RECV;
	d->v.isn = d->isn;
	d->v.nxt = d->isn + 1;
	d->v.snd = d->sisn + 1;
	shoot(d, (struct shot){.flags = SYN, .ttl = 1});
	shoot(d, (struct shot){.from = SERVER, .flags = SYN});
	shoot(d, (struct shot){.flags = SYN | ACK});
	shoot(d, (struct shot){.from = SERVER, .flags = SYN | ACK});
	send_at(d, 0, d->real, 12);
}

static void
midstream(struct duel *d)
{
	d->cport++;
	d->v.takes_anyhow = true;
	send_at(d, 0, d->real, 12);
}

static void
midstream_split(struct duel *d)
{
	d->cport++;
	d->v.takes_anyhow = true;
	for (int i = 0; i < 12; i += 3)
		send_at(d, i, d->real + i, 3);
}

static void
zero_window(struct duel *d)
{
	d->v.win = 0;
	shoot(d, (struct shot){.from = SERVER, .flags = ACK});
	send_at(d, 0, d->decoy, 12);
	d->v.win = 64240;
	shoot(d, (struct shot){.from = SERVER, .flags = ACK});
	send_at(d, 0, d->real, 12);
}

static void
zero_window_probes(struct duel *d)
{
	d->v.win = 0;
	for (int i = 0; i < 12; i++) {
		send_at(d, i, d->decoy + i, 1);
		d->v.win = 1;
		shoot(d, (struct shot){.from = SERVER, .flags = ACK});
		send_at(d, i, d->real + i, 1);
		d->v.win = 0;
	}
	d->v.win = 64240;
}

static void
small_window(struct duel *d)
{
	d->v.win = 7; /* the rest is cut off by the device */
	shoot(d, (struct shot){.from = SERVER, .flags = ACK});
	send_at(d, 0, d->decoy, 12);
	d->v.win = 64240;
	send_at(d, 7, d->real + 7, 5);
	send_at(d, 0, d->real, 12);
}

static void
outside_window(struct duel *d)
{
	send_at(d, 5000000, d->decoy, 12);
	send_at(d, -5000000, d->decoy, 12);
	send_at(d, 0, d->real, 12);
}

static void
keepalive_with_content(struct duel *d)
{
	send_at(d, 0, d->evil ? read10 : d->real, 12);
	shoot(d, (struct shot){.off = 11, .p = "\143", .n = 1, .flags = ACK});
	shoot(d, (struct shot){.off = 0, .p = write1, .n = 12, .flags = ACK}); /* long acknowledged */
}

static void
keepalive_that_goes_on(struct duel *d)
{
	uint8_t more[24];

	send_at(d, 0, read10, 12);
	memcpy(more, d->evil ? write1 : read10, 12);
	memcpy(more + 12, d->evil ? d->real : after, 12);
	send_at(d, 0, more, 24); /* acknowledged bytes in front of new ones */
}

static void
coalesced_again(struct duel *d)
{
	d->lose = 2;
	send_at(d, 0, d->decoy, 5);
	send_at(d, 5, d->decoy + 5, 7);
	send_at(d, 0, d->real, 12);
}

static void
split_again(struct duel *d)
{
	d->lose = 1;
	send_at(d, 0, d->decoy, 12);
	for (int i = 0; i < 12; i += 5)
		send_at(d, i, d->real + i, i == 10 ? 2 : 5);
}

static void
many_unanswered(struct duel *d)
{
	d->n_intent = 0;
	for (uint32_t i = 0; i < 300; i++) {
		intend(d, read10, 12);
		send_at(d, (int32_t)(12 * i), read10, 12);
	}
	intend(d, d->real, 12);
	send_at(d, 3600, d->real, 12);
}

static void
both_directions(struct duel *d)
{
	static const uint8_t answer[29] = {0, 1, 0, 0, 0, 23, 1, 3, 20};

	for (int i = 0; i < 12; i++) {
		shoot(d, (struct shot){.from = SERVER, .off = 2 * i, .p = answer + 2 * i, .n = 2});
		send_at(d, i, d->real + i, 1);
	}
}

static void
long_adu_hides_it(struct duel *d)
{
	uint8_t b[24];

	memcpy(b, read10, 12);
	b[5] = 18; /* says that it is as long as both */
	memcpy(b + 12, d->real, 12);
	send_at(d, 0, b, 24);
}

static void
short_adu_hides_it(struct duel *d)
{
	uint8_t b[20];

	memcpy(b, read10, 8);
	b[5] = 2; /* a read without a body, then the real one */
	memcpy(b + 8, d->real, 12);
	send_at(d, 0, b, 20);
}

static void
junk_before_it(struct duel *d)
{
	uint8_t b[24];

	memcpy(b, read10, 12);
	b[d->arg == 0 ? 2 : d->arg == 1 ? 3 : 4] = 1; /* protocol id, length */
	memcpy(b + 12, d->real, 12);
	if (d->arg & 1) {
		send_at(d, 0, b, 12);
		send_at(d, 12, b + 12, 12);
	} else {
		send_at(d, 0, b, 24);
	}
}

static void
serial_framing(struct duel *d)
{
	static const uint8_t rtu[8] = {1, 6, 0, 20, 0, 99, 0x88, 0x27};

	send_at(d, 0, rtu, 8);
	send_at(d, 8, d->real, 12);
}

static void
fragments(struct duel *d)
{
	uint8_t b[128], f[128];
	struct shot s = {.p = d->real, .n = 12};
	uint32_t len = frame_make(d, &s, b), cut = d->arg == 2 ? 8 : 24, n = len - 34;

	for (unsigned i = 0; i < 2; i++) {
		bool second = d->arg == 1 ? i == 0 : i == 1;
		uint32_t from = second ? cut - (d->arg == 3 ? 8 : 0) : 0, to = second ? n : cut;

		memcpy(f, b, 34);
		memcpy(f + 34, b + 34 + from, to - from);
		wire_put16(f + 16, 20 + to - from);
		wire_put16(f + 20, (second ? 0 : 0x2000) | from / 8);
		wire_put16(f + 24, 0);
		wire_put16(f + 24, ~wire_sum(f + 14, 20, 0) & 0xffff);
		raw(d, f, 34 + to - from, 0);
	}
}

static void
lone_fragment(struct duel *d)
{
	shoot(d, (struct shot){.frag = (uint16_t)(d->arg ? 0x2000 : 3), .p = d->real, .n = 12});
	send_at(d, 0, d->real, 6);
}

#endif /* TESTS_EVASION_TRICKS_H */
