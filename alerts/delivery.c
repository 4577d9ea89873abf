/* SPDX-License-Identifier: Apache-2.0 */
/* delivery.c - see delivery.h. */
#include "alerts/delivery.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/journal.h"
#include "base/clock.h"

#define OUTPUTS_MAX  16u
#define STATUS_BYTES (128u << 10)
#define STALE_MS     30000u /* it is written each second */
#define NAME_SIZE    64u

enum arrival { FINE = 0, LATE, REFUSED };

struct track { /* an output; the first one is the sender as a whole */
	char name[NAME_SIZE];
	bool there;
	uint64_t since_ns; /* trouble; 0 = none */
	enum arrival said;
};

struct delivery {
	char path[600];
	uint64_t patience_s, look_ns;
	bool looked;	   /* something was read at least once */
	uint64_t proposal; /* the newest that was told or found */
	struct track track[1 + OUTPUTS_MAX];
};

struct delivery *
delivery_new(const char *dir, uint64_t patience_s)
{
	struct delivery *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	(void)snprintf(d->path, sizeof(d->path), "%s/status.json", dir);
	d->patience_s = patience_s;
	(void)snprintf(d->track[0].name, sizeof(d->track[0].name), "the sender");
	d->track[0].there = true;
	return d;
}

void
delivery_free(struct delivery *d)
{
	free(d);
}

static uint64_t
number(const json_t *o, const char *key, uint64_t otherwise)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v)
								: otherwise;
}

static const char *
text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* What a tracked thing is, and what becomes of it: true when that is to be told. */
static bool
judge(struct delivery *d, struct track *t, enum arrival now, uint64_t mono_ns, const char *why,
    enum guard_event *event, char *note)
{
	uint64_t s = t->since_ns ? (mono_ns - t->since_ns) / NS_PER_S : 0;

	if (now == FINE) {
		t->since_ns = 0;
		if (t->said == FINE)
			return false;
		*event = GUARD_SENDER_DELIVERED;
		(void)snprintf(
		    note, DELIVERY_NOTE_MAX, "%s: delivers again, after %" PRIu64 " s", t->name, s);
		t->said = FINE;
		return true;
	}
	if (t->since_ns == 0)
		t->since_ns = mono_ns;
	if (now <= t->said || (now == LATE && s < d->patience_s))
		return false;
	*event = now == REFUSED ? GUARD_SENDER_REFUSED : GUARD_SENDER_BEHIND;
	(void)snprintf(note, DELIVERY_NOTE_MAX, "%s: %s", t->name, why);
	t->said = now;
	return true;
}

static struct track *
track_of(struct delivery *d, const char *name)
{
	struct track *empty = NULL;

	for (unsigned i = 1; i <= OUTPUTS_MAX; i++) {
		struct track *t = &d->track[i];

		if (t->name[0] && strncmp(t->name, name, sizeof(t->name) - 1) == 0)
			return t;
		if (!t->name[0] && !empty)
			empty = t;
	}
	if (empty)
		(void)snprintf(empty->name, sizeof(empty->name), "%s", name);
	return empty;
}

static bool
judge_output(
    struct delivery *d, const json_t *o, uint64_t mono_ns, enum guard_event *event, char *note)
{
	struct track *t = *text(o, "name") ? track_of(d, text(o, "name")) : NULL;
	uint64_t behind_ms = number(o, "behind_ms", UINT64_MAX);
	const char *state = text(o, "state");
	enum arrival v = LATE;
	char why[DELIVERY_NOTE_MAX];

	if (!t)
		return false;
	t->there = true;
	if (strcmp(state, "refused") == 0)
		v = REFUSED;
	else if (strcmp(state, "current") == 0 ||
		 (strcmp(state, "sending") == 0 && behind_ms <= d->patience_s * 1000))
		v = FINE;
	if (json_is_integer(json_object_get(o, "behind_alerts")))
		(void)snprintf(why, sizeof(why), "%" PRIu64 " alerts wait: %s",
		    number(o, "behind_alerts", 0), text(o, "last_error"));
	else
		(void)snprintf(why, sizeof(why), "alerts wait: %s", text(o, "last_error"));
	return judge(d, t, v, mono_ns, v == REFUSED ? text(o, "last_error") : why, event, note);
}

/* A rule that came from a collector since the last look. */
static bool
judge_proposals(struct delivery *d, const json_t *root, enum guard_event *event, char *note)
{
	const json_t *p = json_object_get(root, "proposals");
	uint64_t newest = number(p, "newest", 0);
	bool first = !d->looked;

	d->looked = true;
	if (newest <= d->proposal)
		return false;
	d->proposal = newest;
	if (first) /* of a time when nobody looked */
		return false;
	*event = GUARD_PROPOSAL;
	(void)snprintf(note, DELIVERY_NOTE_MAX, "%s: disabled, and not in force", text(p, "file"));
	return true;
}

static bool
judge_all(
    struct delivery *d, const json_t *root, uint64_t mono_ns, enum guard_event *event, char *note)
{
	const json_t *o;
	size_t i;

	if (judge_proposals(d, root, event, note))
		return true;
	for (i = 1; i <= OUTPUTS_MAX; i++)
		d->track[i].there = false;
	json_array_foreach(json_object_get(root, "outputs"), i, o)
	{
		if (i < OUTPUTS_MAX && judge_output(d, o, mono_ns, event, note))
			return true;
	}
	for (i = 1; i <= OUTPUTS_MAX; i++) /* it has other outputs now */
		if (!d->track[i].there)
			d->track[i] = (struct track){0};
	return false;
}

bool
delivery_look(struct delivery *d, uint64_t mono_ns, uint64_t wall_ms, enum guard_event *event,
    char note[DELIVERY_NOTE_MAX])
{
	char *file = NULL;
	json_t *root = NULL;
	uint64_t time, age;
	size_t n = 0;
	bool told;

	if (mono_ns < d->look_ns)
		return false;
	if (journal_slurp(AT_FDCWD, d->path, STATUS_BYTES, &file, &n) == 0)
		root = json_loadb(file, n, JSON_REJECT_DUPLICATES, NULL);
	free(file);
	time = number(root, "time", 0);
	age = wall_ms > time ? wall_ms - time : time - wall_ms;
	told = judge(d, &d->track[0], age > STALE_MS ? LATE : FINE, mono_ns,
	    "it does not run, alerts wait in the journal", event, note);
	if (!told && age <= STALE_MS)
		told = judge_all(d, root, mono_ns, event, note);
	json_decref(root);
	if (!told)
		d->look_ns = mono_ns + DELIVERY_LOOK_NS;
	return told;
}
