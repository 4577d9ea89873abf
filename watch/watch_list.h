/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_list.h - addresses that somebody warned of, as a collector signed them.
 *
 * FILE is text, FILE.minisig its signature (base/minisign.h):
 *
 *   interlock-watch-list 1
 *   serial 17
 *   address 192.0.2.7 0 indicator--0b8cd1c1-...
 *   mac 00:00:5e:00:53:01 1796000000 indicator--8f3d...
 *   end 2
 *
 * The number behind a value is when it ends, in seconds since 1970, 0 for never; it is held against the time of packets.
 * A list is read whole or not at all.  It does not change; looking up takes nothing and allocates nothing.
 */
#ifndef WATCH_WATCH_LIST_H
#define WATCH_WATCH_LIST_H

#include "base/hash.h"
#include "base/key.h"
#include "base/net.h"

#define WATCH_LIST_MAX	 16384u /* entries */
#define WATCH_LIST_BYTES (4u << 20)
#define WATCH_LIST_ID	 64u

struct watch_list;

struct watch_entry {
	struct net_addr key; /* an address, or party_of_mac() */
	uint64_t until_s;    /* 0: never */
	char id[WATCH_LIST_ID];
};

/* n bytes of a list with the text of its signature.  NULL: said in err. */
struct watch_list *watch_list_new(const char *text, size_t n, const char *sig, size_t sig_len,
    const struct key_set *keys, struct hash_seed seed, char *err, size_t err_size);
void watch_list_free(struct watch_list *l);
/* The entry of a key that has not ended by then, or NULL. */
const struct watch_entry *watch_list_lookup(
    const struct watch_list *l, const struct net_addr *key, uint64_t now_s);
uint32_t watch_list_size(const struct watch_list *l);
uint64_t watch_list_serial(const struct watch_list *l);

#endif /* WATCH_WATCH_LIST_H */
