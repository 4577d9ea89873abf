/* SPDX-License-Identifier: Apache-2.0 */
/* sse.c - see sse.h. */
#include "collector/sse.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/build_id.h"
#include "base/clock.h"
#include "collector/auth.h"
#include "collector/collector.h"
#include "collector/http.h"
#include "collector/query.h"
#include "collector/store.h"

#define CHANGED	  256u
#define PING_S	  10
#define BLOCK	  16384u
#define EVENT_MAX 65536u
#define AT_A_TIME 32u /* events rendered before they are sent */

enum what { WHAT_ALERT = 0, WHAT_INCIDENT, WHAT_SENSOR, WHAT_MORE };
static const char *const what_names[] = {"alert", "incident", "sensor", "more"};

struct happening {
	enum what what;
	int64_t ref;
};

struct bus {
	pthread_mutex_t lock;
	pthread_cond_t news;
	uint64_t next; /* number of the next happening; they begin at 1 */
	struct happening ring[SSE_RING];
	struct happening changed[CHANGED];
	unsigned n_changed, streams;
	bool stop;
};

struct bus *
bus_new(void)
{
	struct bus *b = calloc(1, sizeof(*b));
	pthread_condattr_t attr;

	if (!b)
		return NULL;
	b->next = 1;
	(void)pthread_mutex_init(&b->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&b->news, &attr);
	(void)pthread_condattr_destroy(&attr);
	return b;
}

void
bus_free(struct bus *b)
{
	free(b);
}

static void
put(struct bus *b, struct happening h) /* with the lock */
{
	b->ring[b->next++ % SSE_RING] = h;
}

void
bus_tick(struct bus *b)
{
	(void)pthread_mutex_lock(&b->lock);
	for (unsigned i = 0; i < b->n_changed; i++)
		put(b, b->changed[i]);
	if (b->n_changed)
		(void)pthread_cond_broadcast(&b->news);
	b->n_changed = 0;
	(void)pthread_mutex_unlock(&b->lock);
}

void
bus_stop(struct bus *b)
{
	(void)pthread_mutex_lock(&b->lock);
	b->stop = true;
	(void)pthread_cond_broadcast(&b->news);
	(void)pthread_mutex_unlock(&b->lock);
}

static void
now(struct bus *b, enum what what, int64_t ref)
{
	(void)pthread_mutex_lock(&b->lock);
	put(b, (struct happening){what, ref});
	(void)pthread_cond_broadcast(&b->news);
	(void)pthread_mutex_unlock(&b->lock);
}

static void
later(struct bus *b, enum what what, int64_t ref)
{
	bool known = false;

	(void)pthread_mutex_lock(&b->lock);
	for (unsigned i = 0; i < b->n_changed && !known; i++)
		known = b->changed[i].what == what && b->changed[i].ref == ref;
	if (!known && b->n_changed < CHANGED)
		b->changed[b->n_changed++] = (struct happening){what, ref};
	(void)pthread_mutex_unlock(&b->lock);
}

void
sse_alert(struct bus *b, int64_t id)
{
	now(b, WHAT_ALERT, id);
}

void
sse_more(struct bus *b, int64_t n)
{
	now(b, WHAT_MORE, n);
}

void
sse_incident(struct bus *b, int64_t id)
{
	later(b, WHAT_INCIDENT, id);
}

void
sse_sensor(struct bus *b, int64_t id)
{
	later(b, WHAT_SENSOR, id);
}

/* --- a stream ------------------------------------------------------------------------- */

struct stream {
	struct call who; /* its session, to see whether it still holds */
	uint64_t at;	 /* the next happening to tell */
	char *buf;	 /* rendered, not sent */
	size_t n, off;
};

static void
event(struct jw *w, uint64_t id, const char *name)
{
	char head[64];
	int n = snprintf(
	    head, sizeof(head), "id: %llu\nevent: %s\ndata: ", (unsigned long long)id, name);

	jw_raw(w, head, (size_t)n);
	w->comma = false;
}

/* False: the data base is busy; nothing was rendered. */
static bool
render(struct stream *s, const struct happening *h, unsigned n, uint64_t first)
{
	struct db *db = n ? store_get(s->who.co->store) : NULL;
	size_t used = 0;

	for (unsigned i = 0; i < n && db; i++) {
		struct jw w = jw_make(s->buf + used, EVENT_MAX - used);
		bool ok = true;

		event(&w, first + i, what_names[h[i].what]);
		if (h[i].what == WHAT_ALERT) {
			ok = query_alert_write(&w, db, h[i].ref);
		} else if (h[i].what == WHAT_INCIDENT) {
			ok = query_incident_write(&w, db, h[i].ref);
		} else if (h[i].what == WHAT_SENSOR) {
			ok = query_sensor_write(&w, db, h[i].ref, s->who.now_ms);
		} else {
			jw_obj(&w, NULL);
			jw_i(&w, "n", h[i].ref);
			jw_close(&w, '}');
		}
		jw_raw(&w, "\n\n", 2);
		if (ok && !w.full)
			used += jw_len(&w);
	}
	store_put(s->who.co->store, db);
	s->n = used;
	s->off = 0;
	return db || n == 0;
}

/* Wait for something to tell; false: the stream ends. */
static bool
fill(struct stream *s)
{
	struct bus *b = s->who.co->bus;
	struct happening h[AT_A_TIME];
	struct timespec until;
	unsigned n = 0;
	uint64_t first;
	bool stop;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PING_S;
	(void)pthread_mutex_lock(&b->lock);
	while (s->at >= b->next && !b->stop)
		if (pthread_cond_timedwait(&b->news, &b->lock, &until) != 0)
			break;
	stop = b->stop;
	if (b->next - s->at > SSE_RING - AT_A_TIME) /* too slow: what was overwritten is not told */
		s->at = b->next - SSE_RING / 2;
	first = s->at;
	while (s->at < b->next && n < AT_A_TIME)
		h[n++] = b->ring[s->at++ % SSE_RING];
	(void)pthread_mutex_unlock(&b->lock);
	s->who.now_ms = jump_look(s->who.co);
	if (stop || !auth_alive(&s->who))
		return false;
	if (!render(s, h, n, first))
		s->at = first; /* told at the next turn */
	if (s->n == 0) {
		static const char ping[] = ": still here\n\n";

		memcpy(s->buf, ping, sizeof(ping) - 1);
		s->n = sizeof(ping) - 1;
		s->off = 0;
	}
	return true;
}

static ssize_t
on_read(void *arg, uint64_t pos, char *buf, size_t max)
{
	struct stream *s = arg;
	size_t n;

	(void)pos;
	if (s->off == s->n && !fill(s))
		return MHD_CONTENT_READER_END_OF_STREAM;
	n = s->n - s->off < max ? s->n - s->off : max;
	memcpy(buf, s->buf + s->off, n);
	s->off += n;
	return (ssize_t)n;
}

static void
on_end(void *arg)
{
	struct stream *s = arg;
	struct bus *b = s->who.co->bus;

	(void)pthread_mutex_lock(&b->lock);
	b->streams--;
	(void)pthread_mutex_unlock(&b->lock);
	free(s->buf);
	free(s);
}

static void
hello(struct stream *s, bool missed)
{
	struct jw w = jw_make(s->buf, EVENT_MAX);

	event(&w, s->at - 1, "hello");
	jw_obj(&w, NULL);
	jw_str(&w, "version", build_version);
	jw_i(&w, "now", s->who.now_ms);
	jw_bool(&w, "missed", missed);
	jw_close(&w, '}');
	jw_raw(&w, "\n\n", 2);
	s->n = jw_len(&w);
}

void
sse_stream(struct call *c)
{
	struct bus *b = c->co->bus;
	const char *last = call_header(c, "Last-Event-ID");
	struct stream *s = calloc(1, sizeof(*s));
	uint64_t from = last ? strtoull(last, NULL, 10) + 1 : 0;
	bool missed = false, room;

	if (s)
		s->buf = malloc(EVENT_MAX);
	(void)pthread_mutex_lock(&b->lock);
	room = s && s->buf && b->streams < SSE_STREAMS;
	if (room) {
		b->streams++;
		s->at = b->next;
		if (last && from <= b->next && b->next - from < SSE_RING - AT_A_TIME && from > 0)
			s->at = from;
		else
			missed = last != NULL;
	}
	(void)pthread_mutex_unlock(&b->lock);
	if (!room) {
		if (s)
			free(s->buf);
		free(s);
		c->retry_after = 10;
		call_error(c, 503, "busy", "too many streams at a time");
		return;
	}
	s->who = *c;
	s->who.body = s->who.buf = NULL;
	s->who.mhd = NULL;
	s->who.db = NULL;
	hello(s, missed);
	c->response =
	    MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_read, s, on_end);
	if (!c->response) {
		on_end(s);
		return;
	}
	(void)MHD_add_response_header(c->response, "Content-Type", "text/event-stream");
	(void)MHD_add_response_header(c->response, "X-Accel-Buffering", "no");
	c->status = 200;
	http_unlimited(c->co->http, c->conn_id);
}
