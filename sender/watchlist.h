/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watchlist.h - the list of addresses that a collector warns of, fetched for the sensor beside (watch/watch_list.h).
 *
 * FILE and FILE.minisig, each replaced whole, the signature first.  The sender cannot judge them, it has no key for
 * that: who reads them verifies, and takes no list that is older than its own.
 */
#ifndef SENDER_WATCHLIST_H
#define SENDER_WATCHLIST_H

#include "sender/client.h"
#include "sender/out.h"

#define WATCHLIST_ANSWER_MAX (4u << 20) /* of the client that asks */

struct watchlist;

/* NULL: out of memory. */
struct watchlist *watchlist_new(const struct send_common *c, struct client *http);
void watchlist_free(struct watchlist *w); /* NULL: nothing */
/* Ask, when it is time.  0, or ERR_*, said in r. */
int watchlist_turn(struct watchlist *w, struct send_result *r);

#endif /* SENDER_WATCHLIST_H */
