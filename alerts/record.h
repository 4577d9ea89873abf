/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - what goes through the ring: one alert, without a pointer in it.
 *
 * A record is this head and then text: operation, note, and what else the PDU
 * says as the JSON of fact_json_proto().  Names of rules and devices are not in it; the signer
 * knows the policy.  A record is at most RING_RECORD_MAX bytes; a longer PDU
 * text is cut at a character, and pdu_full and pdu_sha256 say what it was.
 */
#ifndef ALERTS_RECORD_H
#define ALERTS_RECORD_H

#include "alerts/alert.h"
#include "base/crypto.h"
#include "base/ring.h"

/* Events the alerts themselves raise; they follow enum event_kind. */
enum { EVENT_LOST = 100, EVENT_REMOVED = 101 };

#define RECORD_OP_MAX	63u
#define RECORD_NOTE_MAX 127u
#define RECORD_TOUCHES	32u /* objects of a PDU with several that are listed in its text */
#define RECORD_NAME_MAX 95u /* of an item's name; longer ones are cut, and differ by their hash */

struct record {
	uint8_t kind, cond; /* of struct event */
	bool to_client, has_fact, has_item, has_tuple;
	bool pdu_cut, folded; /* folded: stands for count more events like one told before */
	uint8_t proto, fact_kind, access, item_space;
	uint16_t code, sub;
	uint8_t op_len, note_len;
	uint16_t pdu_len;
	uint32_t unit, txn;
	uint32_t item_sub, item_first, item_count, n_items; /* of the item that decided */
	uint64_t item_hash; /* of its whole name, 0 = it has none */
	char item_name[RECORD_NAME_MAX + 1]; /* printable, NUL-ended */
	uint32_t pdu_full; /* bytes before the cut */
	struct verdict verdict;
	struct net_tuple tuple;
	uint64_t anomalies;
	uint64_t ts_ns, frame, flow_id;
	uint64_t count; /* events this alert stands for; 1, or what was folded */
	uint64_t first_ns, last_ns, last_frame; /* of a folded run */
	struct event_evidence evidence;
	uint8_t pdu_sha256[CRYPTO_SHA256_LEN];	/* when cut; of a transfer (cond: how it ended; no
						 * PDU): of its content, pdu_full bytes */
};

#define RECORD_TEXT_MAX (RING_RECORD_MAX - sizeof(struct record))

static inline const char *
record_op(const struct record *r)
{
	return (const char *)(r + 1);
}

static inline const char *
record_note(const struct record *r)
{
	return record_op(r) + r->op_len;
}

static inline const char *
record_pdu(const struct record *r)
{
	return record_note(r) + r->note_len;
}

static inline size_t
record_bytes(const struct record *r)
{
	return sizeof(*r) + r->op_len + r->note_len + r->pdu_len;
}

/* Fill the head from an event (no text, count 1). */
void record_head(struct record *r, const struct event *ev);
/* The hash that a record has of a text. */
uint64_t record_hash(const char *s, size_t n);
/* Add the text; r lies in RING_RECORD_MAX bytes, scratch takes the JSON before a cut. */
void record_text(struct record *r, const struct event *ev, char *scratch, size_t scratch_size);
/* The last part of that; whole: json is all there was to say. */
void record_put_pdu(struct record *r, const char *json, size_t n, bool whole);

#endif /* ALERTS_RECORD_H */
