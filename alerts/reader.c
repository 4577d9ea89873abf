/* SPDX-License-Identifier: Apache-2.0 */
/* reader.c - see reader.h. */
#include "alerts/reader.h"

#include <string.h>

#include "dissectors/dissector.h"

#define PEEK_MAX 4u /* skips in a row: a writer leaves one at the end of its memory */

/* --- the ring -------------------------------------------------------------------------- */

static const uint8_t *
slot_at(const struct reader *rd, uint64_t pos)
{
	return rd->ring->slot + (size_t)(pos & (rd->n_slots - 1)) * RING_SLOT;
}

/* Whatever the writer did, it is not there any more. */
static const struct record *
give_up(struct reader *rd, uint64_t head)
{
	rd->rejected++;
	rd->pos = head;
	return NULL;
}

const struct record *
reader_peek(struct reader *rd)
{
	uint64_t head = atomic_load_explicit(&rd->ring->head, memory_order_acquire);

	if (rd->len != 0)
		return (const struct record *)rd->buf;
	for (unsigned i = 0; i < PEEK_MAX && rd->pos != head; i++) {
		uint64_t left = head - rd->pos;
		uint32_t to_end = rd->n_slots - (uint32_t)(rd->pos & (rd->n_slots - 1));
		uint32_t word, slots;
		size_t n;

		if (left > rd->n_slots)
			return give_up(rd, head);
		memcpy(&word, slot_at(rd, rd->pos), sizeof(word));
		slots = word & ~RING_SKIP;
		if (slots == 0 || slots > left || slots > to_end)
			return give_up(rd, head);
		if (word & RING_SKIP) {
			rd->pos += slots;
			continue;
		}
		n = (size_t)slots * RING_SLOT - RING_HEAD;
		if (n > RING_RECORD_MAX)
			return give_up(rd, head);
		memcpy(rd->buf, slot_at(rd, rd->pos) + RING_HEAD, n);
		if (!rd->trusted && !record_check(rd->buf, n, rd->own)) {
			rd->rejected++;
			rd->pos += slots;
			continue;
		}
		rd->len = n;
		rd->after = rd->pos + slots;
		return (const struct record *)rd->buf;
	}
	return NULL;
}

void
reader_take(struct reader *rd)
{
	rd->pos = rd->after;
	rd->len = 0;
}

void
reader_commit(struct reader *rd, uint64_t pos)
{
	atomic_store_explicit(&rd->ring->tail, pos, memory_order_release);
}

/* --- a record -------------------------------------------------------------------------- */

/* What a process that sees packets may say of the guard, or of watch; the rest is the parent's. */
static bool
guard_event_of_worker(uint8_t event)
{
	return event == GUARD_DENIED || event == GUARD_FLOOD || event == GUARD_LATENCY ||
	       event == GUARD_WATCH_STARTED || event == GUARD_WATCH_STOPPED ||
	       event == GUARD_WATCH_MISSED;
}

/* UTF-8 (RFC 3629) without control characters: it goes into a JSON string, quotes escaped. */
static bool
clean_text(const uint8_t *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		unsigned more = s[i] < 0x80 ? 0 : s[i] >> 5 == 6 ? 1 : s[i] >> 4 == 14 ? 2 : 3;
		uint32_t c = more == 0 ? s[i] : s[i] & (0x3fu >> more);
		static const uint32_t least[] = {0x20, 0x80, 0x800, 0x10000};

		if (more == 3 && s[i] >> 3 != 30)
			return false;
		if (n - i <= more)
			return false;
		for (unsigned k = 1; k <= more; k++) {
			if (s[i + k] >> 6 != 2)
				return false;
			c = c << 6 | (s[i + k] & 0x3fu);
		}
		if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || c == 0x7f)
			return false;
		i += more + 1;
	}
	return true;
}

static bool
kind_check(const struct record *r, bool own)
{
	switch (r->kind) {
	case EVENT_PDU:
	case EVENT_FLOW:
	case EVENT_L2:
	case EVENT_ANOMALY:
		return true;
	case EVENT_CONDITION:
		return r->cond < COND__MAX;
	case EVENT_DETECTION:
		return r->cond < DETECTION__MAX;
	case EVENT_TRANSFER:
		return r->cond < TRANSFER__MAX;
	case EVENT_GUARD:
		return r->cond < GUARD__MAX && (own || guard_event_of_worker(r->cond));
	default: /* the signer's own: nobody else says how much was lost */
		return false;
	}
}

bool
record_check(const uint8_t *p, size_t n, bool own)
{
	static const size_t bools[] = {offsetof(struct record, to_client),
	    offsetof(struct record, has_fact), offsetof(struct record, has_item),
	    offsetof(struct record, has_tuple), offsetof(struct record, pdu_cut),
	    offsetof(struct record, folded)};
	const struct record *r = (const struct record *)p;

	if (n < sizeof(*r))
		return false;
	for (size_t i = 0; i < sizeof(bools) / sizeof(bools[0]); i++)
		if (p[bools[i]] > 1)
			return false;
	if (!kind_check(r, own) || (r->proto >= n_dissectors && r->proto != FACT_PROTO_NONE) ||
	    r->verdict.action > VERDICT_RESET || r->verdict.would > VERDICT_RESET)
		return false; /* other numbers have a name, or "unknown" */
	if (r->op_len > RECORD_OP_MAX || r->note_len > RECORD_NOTE_MAX || record_bytes(r) > n)
		return false;
	if (r->tuple.port > (NET_PORT_TWO | 1) || r->tuple.vlan > 4095 || r->count == 0 ||
	    r->count > UINT64_C(1) << 53)
		return false;
	/* Other text is escaped where it is written, but many readers of JSON take no NUL; the PDU's
	 * is JSON already. */
	return !memchr(record_op(r), '\0', (size_t)r->op_len + r->note_len) &&
	       memchr(r->item_name, '\0', sizeof(r->item_name)) &&
	       clean_text((const uint8_t *)record_pdu(r), r->pdu_len);
}
