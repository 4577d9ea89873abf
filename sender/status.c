/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - status.json: how every output stands (docs/FORMATS.md). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/jw.h"
#include "base/log.h"
#include "sender/send_int.h"

#define STATUS_MAX (4096u + SEND_OUTPUTS_MAX * 4096u)

static const char *const states[] = {
    [OUTPUT_STARTS] = "starting",
    [OUTPUT_CURRENT] = "current",
    [OUTPUT_SENDS] = "sending",
    [OUTPUT_RETRIES] = "retrying",
    [OUTPUT_REFUSED] = "refused",
    [OUTPUT_ENDED] = "ended",
};

static void
ms_or_null(struct jw *w, const char *key, uint64_t ms)
{
	if (ms)
		jw_u(w, key, ms);
	else {
		jw_key(w, key);
		jw_raw(w, "null", 4);
	}
}

static void
one(struct jw *w, struct output *o, const struct batch *head, uint64_t now)
{
	struct output_status s;
	bool there;

	output_look(o, &s);
	there = head && head->epoch == s.place.at.epoch && head->number <= s.place.at.batch;
	jw_obj(w, NULL);
	jw_str(w, "name", o->target.name);
	jw_str(w, "to", o->url);
	jw_str(w, "state", states[s.state]);
	jw_u(w, "epoch", s.place.at.epoch);
	jw_u(w, "batch", s.place.at.batch);
	jw_u(w, "seq", s.place.seq);
	/* How far behind the journal: unknown over the border of an epoch. */
	if (head && (head->epoch == s.place.at.epoch || s.place.at.epoch == 0) &&
	    head->last >= s.place.seq)
		jw_u(w, "behind_alerts", there ? 0 : head->last - s.place.seq);
	else
		ms_or_null(w, "behind_alerts", 0);
	if (there || !head)
		jw_u(w, "behind_ms", 0);
	else
		ms_or_null(w, "behind_ms",
		    s.place.iat_ms && now > s.place.iat_ms ? now - s.place.iat_ms : 0);
	jw_u(w, "batches", s.batches);
	jw_u(w, "alerts", s.alerts);
	jw_u(w, "bytes", s.bytes);
	jw_u(w, "tries_in_vain", s.tries);
	jw_u(w, "refusals", s.refusals);
	jw_u(w, "skipped_batches", s.skipped);
	ms_or_null(w, "last_ok", s.ok_ms);
	ms_or_null(w, "last_error_time", s.error_ms);
	jw_str(w, "last_error", s.error);
	ms_or_null(w, "next_try", s.next_ms);
	jw_close(w, '}');
}

void
status_write(const struct send_common *c, struct output *o, size_t n)
{
	uint64_t now = clock_wall_ns() / 1000000;
	char *text = malloc(STATUS_MAX);
	struct jw w = jw_make(text, text ? STATUS_MAX : 0);
	static bool failed;
	struct batch head;
	bool any = follow_head(c->journal_fd, &head, NULL) == 0;
	int r;

	if (!text)
		return;
	jw_obj(&w, NULL);
	jw_u(&w, "v", 1);
	jw_u(&w, "time", now);
	jw_u(&w, "pid", (uint64_t)getpid());
	jw_obj(&w, "journal");
	jw_str(&w, "sensor", any ? head.iss : "");
	jw_u(&w, "epoch", any ? head.epoch : 0);
	jw_u(&w, "batch", any ? head.number : 0);
	jw_u(&w, "seq", any ? head.last : 0);
	jw_close(&w, '}');
	if (atomic_load(c->proposal) != 0) {
		char name[48];

		(void)snprintf(name, sizeof(name), "proposal-%" PRIu64 ".yaml",
		    (uint64_t)atomic_load(c->proposal));
		jw_obj(&w, "proposals");
		jw_u(&w, "newest", atomic_load(c->proposal));
		jw_str(&w, "file", name);
		jw_close(&w, '}');
	}
	jw_arr(&w, "outputs");
	for (size_t i = 0; i < n; i++)
		one(&w, &o[i], any ? &head : NULL, now);
	jw_close(&w, ']');
	jw_close(&w, '}');
	jw_ch(&w, '\n');
	r = w.full ? ERR_FULL : place_replace(c->state_fd, "status.json", text, jw_len(&w), false);
	if (r < 0 && !failed)
		log_warn("status.json: %s", err_str(r));
	failed = r < 0;
	free(text);
}
