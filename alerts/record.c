/* SPDX-License-Identifier: Apache-2.0 */
/* record.c - an event, copied so that it may cross to the signer. */
#include "alerts/record.h"

#include <stdio.h>
#include <string.h>

#include "base/jw.h"

uint64_t
record_hash(const char *s, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * UINT64_C(0x100000001b3);
	return h;
}

static void
record_item(struct record *r, const struct fact *f, uint32_t which)
{
	struct fact_item it;

	if (!fact_item_at(f, which, &it))
		it = f->item;
	r->has_item = true;
	r->item_space = it.space;
	r->item_sub = it.sub;
	r->item_first = it.first;
	r->item_count = it.count;
	if (!it.name || f->proto >= n_dissectors)
		return;
	dissector_show_item(dissectors[f->proto]->schema, &it, r->item_name, sizeof(r->item_name));
	r->item_hash = record_hash(it.name, it.name_len);
}

/* Another content is another storm. */
static void
record_transfer(struct record *r, const struct event_transfer *t)
{
	r->cond = t->how;
	r->pdu_full = t->bytes < UINT32_MAX ? (uint32_t)t->bytes : UINT32_MAX;
	if (!t->hashed)
		return;
	memcpy(r->pdu_sha256, t->sha256, sizeof(r->pdu_sha256));
	memcpy(&r->item_hash, t->sha256, sizeof(r->item_hash));
}

void
record_head(struct record *r, const struct event *ev)
{
	const struct fact *f = ev->fact;

	memset(r, 0, sizeof(*r));
	r->kind = ev->kind;
	r->cond = ev->cond;
	r->to_client = ev->to_client;
	r->verdict = ev->verdict;
	r->ts_ns = r->first_ns = r->last_ns = ev->ts_ns;
	r->frame = r->last_frame = ev->frame;
	r->flow_id = ev->flow_id;
	r->count = ev->count ? ev->count : 1;
	r->proto = FACT_PROTO_NONE;
	if (ev->tuple) {
		r->tuple = *ev->tuple;
		r->has_tuple = true;
	}
	if (ev->evidence)
		r->evidence = *ev->evidence;
	if ((ev->kind == EVENT_GUARD || ev->kind == EVENT_DETECTION) &&
	    ev->note) /* another note is another storm */
		r->item_hash = record_hash(ev->note, strlen(ev->note));
	if (!f)
		return;
	r->has_fact = true;
	r->proto = f->proto;
	r->fact_kind = f->kind;
	r->access = f->access;
	r->code = f->code;
	r->sub = f->sub;
	r->unit = f->unit;
	r->txn = f->txn;
	r->n_items = f->n_items;
	r->anomalies = f->anomalies;
	if (f->n_items > 0)
		record_item(r, f, ev->verdict.item);
	if (ev->kind == EVENT_TRANSFER && ev->transfer)
		record_transfer(r, ev->transfer);
}

static size_t
min_len(const char *s, size_t max)
{
	return s ? strnlen(s, max) : 0;
}

/* Where a JSON text of at least n bytes may be cut: not inside \u00e4 or a UTF-8 sequence. */
static size_t
cut_at(const char *s, size_t n)
{
	size_t back;

	for (back = 0; back < 5 && n > back; back++)
		if (s[n - 1 - back] == '\\')
			return n - 1 - back;
	while (n > 0 && ((uint8_t)s[n] & 0xc0) == 0x80)
		n--;
	return n;
}

void
record_put_pdu(struct record *r, const char *json, size_t n, bool whole)
{
	size_t room = RECORD_TEXT_MAX - r->op_len - r->note_len;

	r->pdu_full = (uint32_t)n;
	if (n > room || !whole) {
		r->pdu_cut = true;
		crypto_sha256(json, n, r->pdu_sha256);
		n = n > room ? cut_at(json, room) : n;
	}
	memcpy((char *)(r + 1) + r->op_len + r->note_len, json, n);
	r->pdu_len = (uint16_t)n;
}

/* Of several objects all, in the notation of rules: "write holding 300..331".  More than a few are none at all. */
static void
touches(struct jw *w, const struct fact *f)
{
	const struct dis_schema *sc = dissectors[f->proto]->schema;
	char text[RECORD_NAME_MAX + 8];
	struct fact_iter it = {0};
	struct fact_item item;

	jw_arr(w, "touches");
	while (fact_next(f, &it, &item)) {
		int n = snprintf(text, 8, "%s ", item.access == ACC_WRITE ? "write" : "read");

		jw_str(w, NULL,
		    dissector_show_item(sc, &item, text + n, sizeof(text) - (size_t)n) - n);
	}
	jw_close(w, ']');
}

void
record_text(struct record *r, const struct event *ev, char *scratch, size_t scratch_size)
{
	const char *op = ev->fact ? ev->fact->op : NULL;
	struct jw w = jw_make(scratch, scratch_size);
	char *p = (char *)(r + 1);

	r->op_len = (uint8_t)min_len(op, RECORD_OP_MAX);
	r->note_len = (uint8_t)min_len(ev->note, RECORD_NOTE_MAX);
	if (r->op_len)
		memcpy(p, op, r->op_len);
	if (r->note_len)
		memcpy(p + r->op_len, ev->note, r->note_len);
	if (!ev->fact || (ev->fact->proto == FACT_PROTO_NONE && !ev->fact->ext) ||
	    ev->kind == EVENT_TRANSFER)
		return;
	jw_obj(&w, NULL);
	if (ev->fact->proto != FACT_PROTO_NONE) /* else: what app it is, see fact_app */
		jw_u(&w, "code", ev->fact->code);
	if (ev->fact->n_items > 1 && ev->fact->n_items <= RECORD_TOUCHES &&
	    ev->fact->proto < n_dissectors)
		touches(&w, ev->fact);
	fact_json_proto(&w, ev->fact);
	jw_close(&w, '}');
	record_put_pdu(r, scratch, jw_len(&w), !w.full);
}
