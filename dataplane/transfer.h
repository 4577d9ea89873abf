/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer.h - blocks on their way to a controller or out of it: what was moved is hashed
 * piece by piece as it goes by, and told when the transfer ends (EVENT_TRANSFER).
 *
 * A fixed table, nothing is kept of the content.  A transfer whose begin was not seen, or of
 * which bytes were lost, is told as partial; one whose connection ends, as aborted.  Nothing is
 * told of a transfer that was refused, or of which no piece has come.
 */
#ifndef DATAPLANE_TRANSFER_H
#define DATAPLANE_TRANSFER_H

#include "base/crypto.h"
#include "dissectors/dissector.h"
#include "policy/policy.h"

#define TRANSFERS_MAX                                                                              \
	32u /* at once in one engine; of another one only the begin and end are known */

struct engine;
struct flow;

struct transfer_slot {
	struct flow *flow; /* NULL: free */
	bool out, joined, lost, failed;
	uint8_t space, dis;
	uint32_t sub, first, pieces;
	uint64_t bytes;
	struct verdict verdict; /* of the request that began it */
	struct crypto_sha256 hash;
};

struct transfers {
	unsigned n;
	struct transfer_slot slot[TRANSFERS_MAX];
};

/* dis_call.transfer */
void transfer_step(struct dis_sink *sink, const struct dis_transfer *t);
/* The flow ends, or has another owner. */
void transfer_flow_gone(struct engine *e, struct flow *f);

#endif /* DATAPLANE_TRANSFER_H */
