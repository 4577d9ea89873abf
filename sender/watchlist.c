/* SPDX-License-Identifier: Apache-2.0 */
/* watchlist.c - see watchlist.h. */
#include "sender/watchlist.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "policy/files.h"
#include "sender/place.h"

#define ASK_NS (10 * NS_PER_S)

struct watchlist {
	const struct send_common *common;
	struct client *http;
	uint64_t ask_ns; /* not before */
	uint64_t have;	 /* serial + 1 of what was written in this run; 0: nothing */
};

/* The serial of a list, by its second line. */
static bool
serial_of(const char *list, uint64_t *serial)
{
	const char *p = strchr(list, '\n');

	return strncmp(list, "interlock-watch-list ", 21) == 0 && p &&
	       sscanf(p, "\nserial %" SCNu64 "\n", serial) == 1;
}

static int
replace(const char *path, const json_t *list, const json_t *sig)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char with[300];
	int dir = policy_dir_open(path), e;

	if (dir < 0)
		return dir;
	if (snprintf(with, sizeof(with), "%s.minisig", name) >= (int)sizeof(with))
		e = ERR_RANGE;
	else if ((e = place_replace(
		      dir, with, json_string_value(sig), json_string_length(sig), true)) == 0)
		e = place_replace(
		    dir, name, json_string_value(list), json_string_length(list), true);
	(void)close(dir);
	return e;
}

int
watchlist_turn(struct watchlist *w, struct send_result *r)
{
	const char *path = w->common->watchlist_path;
	uint64_t now = clock_mono_ns(), serial;
	const json_t *list, *sig;
	struct client_answer a;
	char url[80] = "/ingest/v1/watch-list", why[200];
	json_t *o;
	int e;

	if (now < w->ask_ns)
		return 0;
	if (w->have != 0)
		(void)snprintf(
		    url, sizeof(url), "/ingest/v1/watch-list?have=%" PRIu64, w->have - 1);
	e = client_request(w->http, "GET", url, NULL, NULL, NULL, 0, &a, why, sizeof(why));
	if (e < 0)
		return send_fail(r, e, "watch list: %s", why);
	w->ask_ns = now + ASK_NS;
	if (a.status != 200) /* batches say what is the matter */
		return 0;
	o = json_loadb(a.body, a.len, JSON_REJECT_DUPLICATES, NULL);
	list = json_object_get(o, "list");
	sig = json_object_get(o, "minisig");
	if (!list) {
		; /* nothing new */
	} else if (!json_is_string(list) || !json_is_string(sig) ||
		   !serial_of(json_string_value(list), &serial)) {
		log_warn("%s: what the collector sends is no watch list", path);
	} else if ((e = replace(path, list, sig)) <
		   0) { /* nothing that the collector could help with */
		log_warn("%s: %s", path, err_str(e));
	} else {
		w->have = serial + 1;
	}
	json_decref(o);
	return 0;
}

struct watchlist *
watchlist_new(const struct send_common *c, struct client *http)
{
	struct watchlist *w = calloc(1, sizeof(*w));

	if (w) {
		w->common = c;
		w->http = http;
	}
	return w;
}

void
watchlist_free(struct watchlist *w)
{
	free(w);
}
