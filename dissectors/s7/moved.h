/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moved.h - blocks that come and go, told to whoever hashes them (dis_call.transfer);
 * included by s7.c only.
 *
 *   download  1A asks, 1B (the PLC asks, the client answers with a piece), 1C ends
 *   upload    1D asks, 1E (the client asks, the PLC answers with a piece), 1F ends
 *
 * Nobody says in a piece of an upload which block it is of, so a connection has one at a time.
 */
#ifndef S7_MOVED_H
#define S7_MOVED_H

#include "dissectors/s7/body.h"

/* What has become of the block, for whoever wants its hash (dis_call.transfer). */
static void
transfer_tell(struct dis_call *call, const struct fact *f, uint8_t step, const struct transfer *t,
    struct cur data)
{
	if (call->transfer)
		call->transfer(call->sink, &(struct dis_transfer){.step = step,
					       .space = SPACE_BLOCK,
					       .sub = t->type,
					       .first = t->number,
					       .data = data,
					       .fact = f});
}

static void
upload_tell(struct dis_call *call, const struct fact *f, uint8_t step, struct cur data)
{
	const struct fact_item *it = &f->item;
	bool named = step == TRANSFER_BEGIN && f->n_items != 0;

	if (call->transfer)
		call->transfer(call->sink, &(struct dis_transfer){.step = step,
					       .out = true,
					       .space = SPACE_BLOCK,
					       .sub = named ? it->sub : 0,
					       .first = named ? it->first : 0,
					       .data = data,
					       .fact = f});
}

/* The content of a piece: behind its length and 00 fb. */
static struct cur
piece_content(const struct s7_ext *x)
{
	struct cur c = x->data;
	size_t n = cur_be16(&c);

	cur_skip(&c, 2);
	return cur_take(&c, n);
}

/* The job 1C of the PLC carries an error behind its status. */
static bool
ended_badly(const struct s7_ext *x, uint8_t fn)
{
	struct cur c = x->spec;

	cur_skip(&c, 1);
	return fn == FN_DL_ENDED && cur_be16(&c) != 0;
}

#endif /* S7_MOVED_H */
