/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts.h - one JSON object per PDU into a file (DESIGN section 5).
 *
 * Millions of lines a second are the aim: text that a flow's direction or a
 * verdict always yields is made once and kept in small direct-mapped caches,
 * and lines go through one large buffer.  Nothing is allocated per line.
 */
#ifndef CLI_FACTS_H
#define CLI_FACTS_H

#include "dataplane/engine.h"

struct facts;

/* path "-" = standard output.  NULL: said why. */
struct facts *facts_open(const char *path, const struct policy *pol);
/* The lines that follow are of this capture; named in them when `show`. */
void facts_capture(struct facts *fx, const char *capture, bool show);
void facts_put(struct facts *fx, const struct engine_pdu *pdu);
/* Verdicts are of this policy from now on; or NULL. */
void facts_policy(struct facts *fx, const struct policy *pol);
/* What waits in the buffer goes out now; a live source asks for it when it has the time. */
void facts_flush(struct facts *fx);
/* False: nothing can be written any more. */
bool facts_usable(const struct facts *fx);
/* False when not every line arrived; said why.  NULL is allowed. */
bool facts_close(struct facts *fx);

#endif /* CLI_FACTS_H */
