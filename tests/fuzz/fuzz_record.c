/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_record.c - what a signer reads from the ring of a worker that was taken over.
 *
 * First byte of the input:
 *   even  the ring's memory as it is: u32 head, then slots
 *   odd   records: u8 offset, u8 n, n bytes laid over a good record, so that most of it passes
 *
 * Checked beside memory: what passes record_check() becomes one line of JSON, without a newline in
 * it, shorter than a line may be; the reader ends, and never goes back.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/eve.h"
#include "alerts/journal.h"
#include "alerts/reader.h"
#include "base/cur.h"

#define SLOTS 256u

static _Alignas(64) uint8_t memory[sizeof(struct ring) + SLOTS * RING_SLOT];
static _Alignas(64) uint8_t buf[64 * RING_SLOT];
static struct ring *const ring = (struct ring *)memory;
static struct policy *pol;
static struct eve eve;

static void
line(const struct record *r)
{
	static char text[BATCH_LINE_MAX];
	size_t n = eve_write(&eve, r, 1, text, sizeof(text));
	json_t *o;

	if (n == 0 || text[n - 1] != '\n' || memchr(text, '\n', n - 1))
		abort();
	o = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(json_object_get(json_object_get(o, "alert"), "metadata"))) {
		fwrite(text, 1, n, stderr); /* what is not one */
		abort();
	}
	json_decref(o);
}

static void
read_all(void)
{
	struct reader rd = {.ring = ring, .n_slots = SLOTS, .buf = buf, .own = true};
	const struct record *r;
	uint64_t pos = 0;

	for (unsigned i = 0; i <= SLOTS && (r = reader_peek(&rd)) != NULL; i++) {
		line(r);
		reader_take(&rd);
		if (rd.pos <= pos)
			abort();
		pos = rd.pos;
	}
}

/* A good one: FC 16 to holding registers, with a PDU text. */
static size_t
good(struct record *r)
{
	static const char op[] = "write", note[] = "a note", pdu[] = "{\"app\":\"TLS\",\"x\":1}";

	memset(r, 0, sizeof(*r));
	r->kind = EVENT_PDU;
	r->has_tuple = r->has_fact = r->has_item = true;
	r->access = 2;
	r->code = 16;
	r->count = r->n_items = r->item_count = 1;
	r->tuple.proto = 6;
	r->tuple.dport = 502;
	r->verdict.reason = REASON_RULE;
	r->op_len = sizeof(op) - 1;
	r->note_len = sizeof(note) - 1;
	r->pdu_len = sizeof(pdu) - 1;
	memcpy(r + 1, op, r->op_len);
	memcpy((char *)(r + 1) + r->op_len, note, r->note_len);
	memcpy((char *)(r + 1) + r->op_len + r->note_len, pdu, r->pdu_len);
	return record_bytes(r);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char text[] =
	    "interlock: 1\nsite: fuzz\nmode: enforce\nzones: {a: {nets: [10.1.2.0/24]}}\n"
	    "devices: {h: {zone: a, ip: 10.1.2.5}, p: {zone: a, ip: 10.1.2.6}}\n"
	    "conduits:\n  - name: h-p\n    from: [h]\n    to: [p]\n"
	    "    modbus: {addressing: zero-based, allow: [{name: poll, units: [1], functions: "
	    "read, "
	    "holding: [0..9]}]}\n";
	struct complaints c = {.file = "fuzz"};

	(void)argc;
	(void)argv;
	pol = policy_build_text("fuzz", text, strlen(text), &c);
	complaints_fini(&c);
	eve_init(&eve, pol, "fuzz", "eth0", false, true);
	return pol ? 0 : -1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_make(data, size);
	bool raw = cur_u8(&c) % 2 == 0;

	memset(memory, 0, sizeof(memory));
	ring_init(ring, SLOTS);
	if (raw) {
		atomic_store(&ring->head, cur_le32(&c));
		(void)cur_copy(&c, ring->slot, SLOTS * RING_SLOT);
		read_all();
		return 0;
	}
	while (cur_left(&c) >= 2) {
		struct record *r = ring_room(ring, RING_RECORD_MAX);
		size_t at, n;

		if (!r)
			break;
		(void)good(r);
		at = cur_u8(&c) * 2u;
		n = cur_u8(&c);
		(void)cur_copy(&c, (uint8_t *)r + at, n);
		ring_put(ring, sizeof(*r) + 256);
	}
	read_all();
	return 0;
}
