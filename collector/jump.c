/* SPDX-License-Identifier: Apache-2.0 */
/* jump.c - see jump.h. */
#include "collector/jump.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/incident.h"
#include "collector/sse.h"
#include "collector/store.h"

static int64_t
wall_ms(void)
{
	return (int64_t)(clock_wall_ns() / 1000000);
}

static int64_t
boot_ms(void)
{
	return (int64_t)(clock_boot_ns() / 1000000);
}

static void
words(int64_t by_ms, char *buf, size_t size)
{
	int64_t s = (llabs((long long)by_ms) + 500) / 1000;

	snprintf(buf, size,
	    "the clock of the collector jumped %" PRId64 " h %" PRId64 " min %" PRId64 " s %s",
	    s / 3600, s / 60 % 60, s % 60, by_ms > 0 ? "ahead" : "back");
}

/* --- what is due is moved with it ------------------------------------------------------ */

struct moved {
	int64_t by_ms, now_ms, incident;
	bool leads;
	const char *title, *name;
};

/* What was written between the jump and the look has the new time already. */
static int
move_sensors(struct store_tx *tx, const struct moved *m)
{
	return tx_exec(tx,
	    m->by_ms > 0 ? "UPDATE sensor SET last_seen = CASE WHEN last_seen + ?1 < ?2 THEN "
			   "last_seen + ?1 ELSE ?2 END WHERE last_seen > 0"
			 : "UPDATE sensor SET last_seen = last_seen + ?1 WHERE last_seen > ?2",
	    "ii", m->by_ms, m->now_ms);
}

static int
move_due(struct store_tx *tx, const struct moved *m)
{
	static const char *const sql[] = {
	    "UPDATE notice SET due = due + ? WHERE state = 0",
	    "UPDATE delivery SET due = due + ? WHERE state = 0",
	    ("UPDATE rollout_sensor SET time = time + ? WHERE rollout IN (SELECT id FROM rollout "
	     "WHERE state = 0)"),
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]) && r == 0; i++)
		r = tx_exec(tx, sql[i], "i", m->by_ms);
	/* How many were told lately is counted by this. */
	return r < 0 ? r
		     : tx_exec(tx, "UPDATE delivery SET time = ?1 WHERE time > ?1", "i", m->now_ms);
}

static int
moved_job(struct store_tx *tx, void *ctx)
{
	struct moved *m = ctx;
	const struct incident_what what = {.kind = INCIDENT_SENSOR,
	    .sev = 2,
	    .title = m->title,
	    .rule = "collector.clock",
	    .sensor = m->name,
	    .site = "",
	    .time_ms = m->now_ms};
	int r = 0;

	if (m->leads) { /* the others at this data base have clocks of their own */
		r = move_sensors(tx, m);
		if (r == 0)
			r = move_due(tx, m);
	}
	m->incident = r == 0 ? incident_tell(tx, &what, m->title) : r;
	return m->incident < 0 ? (int)m->incident : 0;
}

/* Called with the lock. */
static void
tell(struct collector *co, struct jump *j)
{
	char title[120];
	struct moved m = {.by_ms = j->untold_ms,
	    .now_ms = j->wall_ms,
	    .leads = store_leads(co->store),
	    .title = title,
	    .name = co->name};

	words(m.by_ms, title, sizeof(title));
	if (store_write(co->store, moved_job, &m) < 0)
		return; /* at the next look */
	j->untold_ms = 0;
	sse_incident(co->bus, m.incident);
	audit_own(co, "clock", title);
}

static void
jumped(struct jump_off *off, bool more, int64_t by)
{
	if (!more)
		off->n = 0;
	if (off->n == JUMPS) {
		memmove(off->ms, off->ms + 1, (JUMPS - 1) * sizeof(off->ms[0]));
		off->n--;
	}
	off->ms[off->n++] = 0;
	for (unsigned i = 0; i < off->n; i++)
		off->ms[i] += by;
}

/* --- looking ----------------------------------------------------------------------------- */

int64_t
jump_look(struct collector *co)
{
	struct jump *j = &co->jump;
	int64_t now, boot, by;

	(void)pthread_mutex_lock(&j->lock);
	now = wall_ms();
	boot = boot_ms();
	by = (now - j->wall_ms) - (boot - j->boot_ms);
	j->wall_ms = now;
	j->boot_ms = boot;
	if (llabs((long long)by) >= JUMP_MS) {
		char text[120];

		words(by, text, sizeof(text));
		log_warn("%s; for a day nothing is removed for its age", text);
		jumped(&j->off, boot < j->hold_ms, by);
		j->hold_ms = boot + JUMP_HOLD_MS;
		j->untold_ms += by;
	}
	if (j->untold_ms != 0)
		tell(co, j);
	(void)pthread_mutex_unlock(&j->lock);
	return now;
}

bool
jump_held(struct collector *co)
{
	bool held;

	(void)pthread_mutex_lock(&co->jump.lock);
	held = boot_ms() < co->jump.hold_ms;
	(void)pthread_mutex_unlock(&co->jump.lock);
	return held;
}

void
jump_off(struct collector *co, struct jump_off *out)
{
	(void)pthread_mutex_lock(&co->jump.lock);
	*out = co->jump.off;
	if (boot_ms() >= co->jump.hold_ms)
		out->n = 0;
	(void)pthread_mutex_unlock(&co->jump.lock);
}

bool
jump_explains(const struct jump_off *off, int64_t ms)
{
	for (unsigned i = 0; i < off->n; i++)
		if (llabs((long long)(ms + off->ms[i])) < JUMP_MS)
			return true;
	return false;
}

void
jump_start(struct collector *co)
{
	struct jump *j = &co->jump;
	struct db *db = store_get(co->store);
	int64_t newest =
	    db ? db_number(db, 0, "SELECT time FROM batch ORDER BY id DESC LIMIT 1", "") : 0;

	store_put(co->store, db);
	(void)pthread_mutex_init(&j->lock, NULL);
	j->wall_ms = wall_ms();
	j->boot_ms = boot_ms();
	if (newest == 0 || (j->wall_ms - newest < JUMP_AWAY_MS && newest - j->wall_ms < JUMP_MS))
		return;
	j->hold_ms = j->boot_ms + JUMP_HOLD_MS;
	log_warn("the newest batch is %lld h %s than the clock: for a day nothing is removed for "
		 "its age",
	    llabs((long long)(j->wall_ms - newest)) / 3600000,
	    j->wall_ms > newest ? "older" : "younger");
}
