/* SPDX-License-Identifier: Apache-2.0 */
/* naive_past.c - see naive_past.h. */
#include "tests/model/naive_past.h"

#include <string.h>

#define PATIENCE UINT64_C(10000000000)

void
past_forget(struct past *p)
{
	p->n = 0;
	p->blind_ns = p->now_ns + PATIENCE;
}

bool
past_ask(struct past *p, unsigned request, const struct net_addr *server, const struct fact *f,
    const struct fact_item *it, bool believed)
{
	struct past_item *i = &p->item[p->n];

	if (p->n == PAST_MOST)
		return false;
	p->n++;
	memset(i, 0, offsetof(struct past_item, bytes));
	i->request = request;
	i->write = (it->access & ACC_WRITE) != 0;
	i->believed = believed;
	i->asked_ns = p->now_ns;
	i->asked_no = p->events;
	i->server = *server;
	i->unit = f->unit;
	i->proto = f->proto;
	i->it = *it;
	if (it->vals) {
		memcpy(i->bytes, it->vals, sizeof(i->bytes));
		i->it.vals = i->bytes;
	}
	return true;
}

void
past_answer(struct past *p, unsigned at, bool clear, const uint8_t *vals, uint8_t enc)
{
	struct past_item *i = &p->item[at];

	i->answered = true;
	i->answered_ns = p->now_ns;
	i->answered_no = p->events;
	i->clear = clear;
	if (vals && !i->write) {
		memcpy(i->bytes, vals, sizeof(i->bytes));
		i->it.vals = i->bytes;
		i->it.enc = enc;
	}
}

/* Has an answer come in time? */
static bool
in_time(const struct past_item *i)
{
	return i->answered && i->answered_ns - i->asked_ns < PATIENCE;
}

struct cell {
	const struct net_addr *server;
	uint32_t unit, sub, first, n;
	unsigned bits;
	uint8_t proto, space;
};

static bool
touches(const struct past_item *i, const struct cell *c)
{
	return memcmp(i->server.b, c->server->b, 16) == 0 && i->unit == c->unit &&
	       i->proto == c->proto && i->it.space == c->space && i->it.sub == c->sub &&
	       i->it.count != 0 && i->it.first < (uint64_t)c->first + c->n &&
	       c->first < (uint64_t)i->it.first + i->it.count;
}

/* The bits of the cell, the highest first; false: the item does not have all of them. */
static bool
cell_bits(const struct past_item *i, const struct cell *c, bool bit[64])
{
	const struct fact_item *it = &i->it;
	unsigned unit = it->enc == ENC_U16_BE ? 16 : it->enc == ENC_U8 ? 8 : it->enc == ENC_BIT_LSB;

	if (c->first < it->first || (uint64_t)c->first + c->n > (uint64_t)it->first + it->count ||
	    it->masked || !it->vals)
		return false;
	if (c->n == 1) {
		uint32_t v = fact_value(it, c->first - it->first);

		for (unsigned b = 0; b < c->bits; b++)
			bit[b] = c->bits == 1 ? v != 0 : v >> (c->bits - 1 - b) & 1;
		return true;
	}
	if (unit * c->n != c->bits)
		return false;
	for (unsigned b = 0; b < c->bits; b++) {
		uint64_t at = (uint64_t)(c->first - it->first) * unit + b;

		if (unit == 1) { /* a byte is eight addresses, its highest bit the last of them */
			at = c->first - it->first + b / 8 * 8 + (7 - b % 8);
			bit[b] = it->vals[at / 8] >> at % 8 & 1;
		} else {
			bit[b] = it->vals[at / 8] >> (7 - at % 8) & 1;
		}
	}
	return true;
}

/*
 * When a write without an answer is given up: writes that begin while one is under way put it
 * off for all.
 */
static uint64_t
given_up(const struct past *p, const struct past_item *w, const struct cell *c)
{
	uint64_t end = w->asked_ns + PATIENCE;

	for (unsigned i = 0; i < p->n; i++) {
		const struct past_item *v = &p->item[i];

		if (v->write && touches(v, c) && v->asked_no > w->asked_no && v->asked_ns < end)
			end = v->asked_ns + PATIENCE;
	}
	return end;
}

/* Was a write w of another request under way at any time since o was asked? */
static bool
meets(const struct past *p, const struct past_item *o, const struct past_item *w,
    const struct cell *c)
{
	if (w->asked_no > o->asked_no)
		return true;
	if (in_time(w))
		return w->answered_no >= o->asked_no;
	return o->asked_ns < given_up(p, w, c);
}

static bool
tells(const struct past *p, const struct past_item *o, const struct cell *c, bool bit[64])
{
	if (!in_time(o) || !o->clear || o->asked_ns < p->blind_ns || !touches(o, c) ||
	    !o->believed || !cell_bits(o, c, bit))
		return false;
	for (unsigned i = 0; i < p->n; i++) {
		const struct past_item *w = &p->item[i];
		bool same[64];

		if (!w->write || !touches(w, c))
			continue;
		if (w->request != o->request) {
			if (meets(p, o, w, c))
				return false;
			continue;
		}
		/* the same place twice in one request */
		if (!o->write || !cell_bits(w, c, same) || memcmp(same, bit, c->bits) != 0)
			return false;
	}
	return true;
}

bool
past_last(const struct past *p, const struct net_addr *server, uint32_t unit, uint8_t proto,
    uint8_t space, uint32_t sub, uint32_t first, uint32_t n, unsigned bits, struct past_value *out)
{
	struct cell c = {server, unit, sub, first, n, bits, proto, space};
	const struct past_item *best = NULL;
	bool bit[64];

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < p->n; i++) {
		const struct past_item *o = &p->item[i];

		if (o->write && touches(o, &c) && o->asked_ns > out->written_ns)
			out->written_ns = o->asked_ns;
		if (tells(p, o, &c, bit) && (!best || o->asked_no > best->asked_no)) {
			best = o;
			memcpy(out->bit, bit, sizeof(bit));
			out->known_ns = o->answered_ns;
		}
	}
	return best != NULL;
}
