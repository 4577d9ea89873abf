/* SPDX-License-Identifier: Apache-2.0 */
/* watch_list.c - see watch_list.h. */
#include "watch/watch_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/minisign.h"
#include "watch/detect_int.h"

#define SLOTS_ALL (2u * WATCH_LIST_MAX) /* a power of two: half of them stay free */

struct watch_list {
	struct hash_seed seed;
	uint32_t n;
	uint64_t serial;
	struct watch_entry entry[WATCH_LIST_MAX];
	uint16_t slot[SLOTS_ALL]; /* entry + 1 */
};

static uint32_t
slot_of(const struct watch_list *l, const struct net_addr *key)
{
	uint32_t at = (uint32_t)hash_16(l->seed, key->b) % SLOTS_ALL;

	while (l->slot[at] != 0 && !net_addr_eq(&l->entry[l->slot[at] - 1].key, key))
		at = (at + 1) % SLOTS_ALL;
	return at;
}

const struct watch_entry *
watch_list_lookup(const struct watch_list *l, const struct net_addr *key, uint64_t now_s)
{
	uint32_t at = slot_of(l, key);
	const struct watch_entry *e = l->slot[at] ? &l->entry[l->slot[at] - 1] : NULL;

	return e && (e->until_s == 0 || now_s < e->until_s) ? e : NULL;
}

uint32_t
watch_list_size(const struct watch_list *l)
{
	return l->n;
}

uint64_t
watch_list_serial(const struct watch_list *l)
{
	return l->serial;
}

/* "KIND VALUE UNTIL ID"; of two for one value the one that lasts longer. */
static bool
entry(struct watch_list *l, const char *line)
{
	struct watch_entry e = {0}, *old;
	char kind[8], value[NET_ADDR_STRLEN];
	uint8_t mac[6];
	uint32_t at;
	int end = 0;

	if (sscanf(line, "%7s %45s %" SCNu64 " %63s%n", kind, value, &e.until_s, e.id, &end) != 4 ||
	    line[end] != '\0')
		return false;
	if (strcmp(kind, "address") == 0
		? net_addr_parse(value, &e.key) != 0
		: strcmp(kind, "mac") != 0 || net_mac_parse(value, mac) != 0)
		return false;
	if (kind[0] == 'm')
		e.key = party_of_mac(mac);
	at = slot_of(l, &e.key);
	if (l->slot[at] != 0) {
		old = &l->entry[l->slot[at] - 1];
		if (old->until_s != 0 && (e.until_s == 0 || e.until_s > old->until_s))
			*old = e;
		return true;
	}
	if (l->n == WATCH_LIST_MAX)
		return false;
	l->entry[l->n++] = e;
	l->slot[at] = (uint16_t)l->n;
	return true;
}

/* Lines of text, which is signed: what is not as said is a mistake of the signer's. */
static int
lines(struct watch_list *l, char *text, char *err, size_t err_size)
{
	unsigned number = 0, entries = 0, version, n;
	char *line;
	bool end = false;

	while ((line = strsep(&text, "\n"))) {
		number++;
		if (*line == '\0' && !text)
			break;
		if (end)
			return err_say(
			    err, err_size, ERR_FORMAT, "line %u: behind the end", number);
		if (number == 1	  ? sscanf(line, "interlock-watch-list %u", &version) != 1
		    : number == 2 ? sscanf(line, "serial %" SCNu64, &l->serial) != 1
		    : sscanf(line, "end %u", &n) == 1 ? !(end = n == entries)
						      : !entry(l, line))
			return err_say(err, err_size, ERR_FORMAT,
			    "line %u: not as in a watch list, or more than %u entries", number,
			    WATCH_LIST_MAX);
		if (number == 1 && version != 1)
			return err_say(err, err_size, ERR_UNSUPPORTED,
			    "a newer kind of watch list (%u)", version);
		entries += number > 2 && !end;
	}
	return end ? 0 : err_say(err, err_size, ERR_FORMAT, "it has no end");
}

struct watch_list *
watch_list_new(const char *text, size_t n, const char *sig, size_t sig_len,
    const struct key_set *keys, struct hash_seed seed, char *err, size_t err_size)
{
	struct minisign by;
	struct watch_list *l;
	char *copy;

	if (minisign_verify(keys, text, n, sig, sig_len, &by, err, err_size) < 0)
		return NULL;
	l = calloc(1, sizeof(*l));
	copy = strndup(text, n);
	if (l && copy) {
		l->seed = seed;
		if (lines(l, copy, err, err_size) < 0) {
			free(l);
			l = NULL;
		}
	} else {
		(void)err_say(err, err_size, ERR_NOMEM, "out of memory");
		free(l);
		l = NULL;
	}
	free(copy);
	return l;
}

void
watch_list_free(struct watch_list *l)
{
	free(l);
}
