/* SPDX-License-Identifier: Apache-2.0 */
/* output.c - one output: from its place in the journal on, over and over, until it is to end. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/log.h"
#include "sender/send_int.h"
#include "sender/target.h"

#define IDLE_MS	      100 /* how long a batch waits to be found, at most */
#define TURN_BATCHES  256u
#define SAVE_EVERY_NS NS_PER_S
#define HASTY_MAX     8u

int
send_fail(struct send_result *r, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	return code;
}

static bool
ending(const struct output *o)
{
	return atomic_load_explicit(&o->common->ending, memory_order_relaxed) != SEND_GOES_ON;
}

/* Until then, or until it is to end. */
static void
pause_ms(const struct output *o, uint64_t ms)
{
	struct pollfd p = {.fd = o->common->wake_fd, .events = POLLIN};

	(void)poll(&p, 1, (int)(ms < INT32_MAX ? ms : INT32_MAX));
}

static uint64_t
now_ms(void)
{
	return clock_wall_ns() / 1000000;
}

/* --- what is shown ----------------------------------------------------------------- */

void
output_look(struct output *o, struct output_status *out)
{
	(void)pthread_mutex_lock(&o->lock);
	*out = o->status;
	(void)pthread_mutex_unlock(&o->lock);
}

static void
show_state(struct output *o, enum output_state state)
{
	(void)pthread_mutex_lock(&o->lock);
	o->status.state = state;
	o->status.place = o->place;
	(void)pthread_mutex_unlock(&o->lock);
}

static void
show_error(struct output *o, const char *why)
{
	bool said;

	(void)pthread_mutex_lock(&o->lock);
	said = o->status.error_ms > o->status.ok_ms && strcmp(o->status.error, why) == 0;
	o->status.error_ms = now_ms();
	(void)snprintf(o->status.error, sizeof(o->status.error), "%s", why);
	(void)pthread_mutex_unlock(&o->lock);
	if (!said)
		log_warn("%s: %s", o->target.name, why);
}

/* --- its place --------------------------------------------------------------------- */

/* On disk, now or a second after the last time. */
static void
save(struct output *o, bool now)
{
	uint64_t t = clock_mono_ns();

	if (!o->unsaved || (!now && t - o->saved_ns < SAVE_EVERY_NS))
		return;
	o->saved_ns = t;
	if (place_save(o->common->state_fd, o->place_name, &o->place) < 0) {
		char why[SEND_WHY_MAX];

		(void)snprintf(why, sizeof(why),
		    "its place cannot be kept: %s; it sends on, and after a restart some of it "
		    "again",
		    strerror(errno));
		show_error(o, why);
		o->save_failed = true;
		return;
	}
	if (o->save_failed)
		log_info("%s: its place is kept again", o->target.name);
	o->unsaved = o->save_failed = false;
}

/* --- trouble ----------------------------------------------------------------------- */

/* It did not work: say so, and how long to wait. */
static uint64_t
trouble(struct output *o, const struct send_result *r)
{
	uint32_t random;
	uint64_t wait;

	o->out->close(o->conn);
	o->open = false;
	crypto_random(&random, sizeof(random));
	if (r->at_once && o->hasty < HASTY_MAX) {
		o->hasty++;
		wait = 0;
	} else {
		wait =
		    backoff_next(&o->backoff, r->refused ? o->backoff.max_ms : r->wait_ms, random);
	}
	show_error(o, r->why);
	(void)pthread_mutex_lock(&o->lock);
	o->status.state = r->refused ? OUTPUT_REFUSED : OUTPUT_RETRIES;
	o->status.tries++;
	o->status.refusals += r->refused;
	o->status.next_ms = now_ms() + wait;
	(void)pthread_mutex_unlock(&o->lock);
	return wait;
}

struct going { /* put, and not yet arrived */
	struct place place;
	uint64_t batches, alerts, bytes, gap;
};

/* All of it has arrived. */
static void
arrived(struct output *o, const struct going *g)
{
	bool again = o->backoff.tries > 0;

	o->place = g->place;
	o->has_place = o->unsaved = true;
	o->backoff.tries = 0;
	o->hasty = 0;
	(void)pthread_mutex_lock(&o->lock);
	o->status.place = g->place;
	o->status.batches += g->batches;
	o->status.alerts += g->alerts;
	o->status.bytes += g->bytes;
	o->status.skipped += g->gap;
	o->status.ok_ms = now_ms();
	o->status.next_ms = 0;
	o->status.state = OUTPUT_SENDS;
	(void)pthread_mutex_unlock(&o->lock);
	if (again)
		log_info("%s: batches arrive again, up to batch %" PRIu64, o->target.name,
		    g->place.at.batch);
	save(o, false);
}

/* --- work -------------------------------------------------------------------------- */

static int
begin(struct output *o, struct send_result *r)
{
	const struct follow_place *to = &o->place.at;
	int e = o->out->open(o->conn, r);

	if (e < 0)
		return e;
	o->open = true;
	if (r->seek && (r->place.epoch != to->epoch || r->place.batch != to->batch)) {
		log_info("%s: the other side has batch %" PRIu64 " of epoch %" PRIu64
			 ": going on behind it",
		    o->target.name, r->place.batch, r->place.epoch);
		o->place = (struct place){.at = r->place};
	}
	if (!r->seek && !o->has_place && o->target.from_end)
		e = follow_seek_end(o->follow, r->why, sizeof(r->why));
	else
		e = follow_seek(o->follow, to, r->why, sizeof(r->why));
	if (e < 0) {
		char why[SEND_WHY_MAX];

		(void)snprintf(why, sizeof(why), "journal: %.280s", r->why);
		r->refused = e == ERR_CHAIN;
		return send_fail(r, e, "%s", why);
	}
	return 0;
}

/* What is left out, is told. */
static void
look_at(struct output *o, struct going *g, const struct follow_batch *b, const char *note)
{
	if (*note)
		log_warn("%s: journal: %s", o->target.name, note);
	if (b->gap == 0)
		return;
	g->gap += b->gap;
	if (o->backoff.tries == 0)
		log_warn("%s: %" PRIu64 " batches in front of batch %" PRIu64
			 " are not in the journal any more: they cannot be sent",
		    o->target.name, b->gap, b->b.number);
}

static int
flush(struct output *o, struct going *g, struct send_result *r)
{
	int e = g->batches > 0 ? o->out->flush(o->conn, r) : 0;

	if (e == 0 && g->batches > 0)
		arrived(o, g);
	*g = (struct going){0};
	return e;
}

/* What is there.  1: something was; 0: nothing; ERR_*. */
static int
turn(struct output *o, struct send_result *r)
{
	struct going g = {0};
	unsigned n = 0;
	int e = 0;

	while (n < TURN_BATCHES && !send_hurry(o->common)) {
		struct follow_batch b;
		char note[SEND_WHY_MAX - 16];

		e = follow_next(o->follow, &b, note, sizeof(note));
		if (e == ERR_AGAIN)
			break;
		if (e < 0)
			return send_fail(r, e, "journal: %s", note);
		n++;
		if ((e = o->out->put(o->conn, &b, r)) == ERR_FULL && (e = flush(o, &g, r)) == 0)
			e = o->out->put(o->conn, &b, r);
		if (e < 0)
			return e == ERR_FULL
				   ? send_fail(r, e, "batch %" PRIu64 " does not fit", b.b.number)
				   : e;
		g.place = (struct place){.at = {b.b.epoch, b.b.number, true, {0}},
		    .seq = b.b.last,
		    .iat_ms = b.b.iat_ms};
		memcpy(g.place.at.hash, b.hash, sizeof(b.hash));
		look_at(o, &g, &b, note);
		g.batches++;
		g.alerts += b.b.n;
		g.bytes += b.jws_len + 1 + b.len;
	}
	e = flush(o, &g, r);
	return e < 0 ? e : n > 0;
}

/* Nothing is left: 1: go on at once, 0: it may rest, ERR_*. */
static int
rest(struct output *o, struct send_result *r)
{
	save(o, false);
	show_state(o, OUTPUT_CURRENT);
	return o->out->idle ? o->out->idle(o->conn, &o->place, r) : 0;
}

void *
output_run(void *arg)
{
	struct output *o = arg;

	while (!send_hurry(o->common)) {
		struct send_result r = {0};
		uint64_t wait = IDLE_MS;
		int e = o->open ? 0 : begin(o, &r);

		if (e == 0)
			e = turn(o, &r);
		if (e == 0 && (e = rest(o, &r)) == 0 && (o->once || ending(o))) {
			atomic_store(&o->delivered, true);
			break;
		}
		if (e > 0)
			continue;
		if (e < 0)
			wait = trouble(o, &r);
		if (e < 0 && wait > 0 && ending(o))
			break;
		pause_ms(o, wait);
	}
	save(o, true);
	o->out->close(o->conn);
	show_state(o, OUTPUT_ENDED);
	atomic_store(&o->ended, true);
	return NULL;
}

/* --- life -------------------------------------------------------------------------- */

bool
output_init(struct output *o, const struct send_conf *conf, struct send_common *common,
    const char *url, char *err, size_t err_size)
{
	int r;

	(void)snprintf(o->url, sizeof(o->url), "%s", url);
	if (target_parse(url, &o->target, &o->out, err, err_size) < 0)
		return false;
	o->common = common;
	o->once = conf->once;
	o->backoff.max_ms = conf->retry_max_ms;
	(void)pthread_mutex_init(&o->lock, NULL);
	(void)snprintf(o->place_name, sizeof(o->place_name), "%s.place", o->target.name);
	r = place_load(common->state_fd, o->place_name, &o->place);
	o->has_place = r == 0;
	if (r < 0 && r != ERR_NOTFOUND)
		log_warn("%s: %s: begins at the oldest batch that is there: some is sent again",
		    o->place_name, err_str(r));
	o->status.place = o->place;
	return (o->follow = follow_new(conf->journal_dir, err, err_size)) != NULL &&
	       (o->conn = o->out->new (&o->target, common, err, err_size)) != NULL;
}

void
output_fini(struct output *o)
{
	if (o->conn)
		o->out->free(o->conn);
	follow_free(o->follow);
}
