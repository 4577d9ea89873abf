/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload.h - what goes to a collector beside batches, while none wait: captures that are evidence of an alert, the list of
 * devices, the zones and conduits of the policy.  One thing per turn, so that alerts never wait behind them.
 */
#ifndef SENDER_UPLOAD_H
#define SENDER_UPLOAD_H

#include "sender/client.h"
#include "sender/out.h"

#define UPLOAD_EVIDENCE_MAX (256u << 10)
#define UPLOAD_DOC_MAX	    (4u << 20)

struct upload;

/* NULL: out of memory. */
struct upload *upload_new(const struct send_common *c, struct client *http);
void upload_free(struct upload *u); /* NULL: nothing */
/* at: what is delivered; evidence of an alert goes after the alert.  1: there may be more; 0; or ERR_*, said in r. */
int upload_turn(struct upload *u, const struct place *at, struct send_result *r);

/* EPOCH-SEQ.pcapng; false: another name. */
bool upload_evidence_name(const char *name, uint64_t *epoch, uint64_t *seq);

#endif /* SENDER_UPLOAD_H */
