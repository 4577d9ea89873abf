/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect.h - what a sensor finds without a rule: alerts/detection.def has the list, docs/DETECTION.md explains it.
 *
 *   frame --> detect_frame() --+
 *                              +--> usual? known? --> told an hour ago? --> sink(): an event for alerts_put()
 *   PDU ----> detect_fact() ---+
 *
 * Some of it needs no knowledge of the plant (a controller is stopped); the rest is what was not there while learning,
 * which takes as long as it is told to, or comes from a file (baseline.h).
 *
 * Time is the time that was listened for: the sum of the steps from packet to packet, of which none counts for more than a
 * minute and none for less than nothing.  So a clock that jumps, a capture with a hole, or a night between two captures
 * makes nobody silent and ends no learning.
 *
 * One thing is told once an hour for each pair of devices, four variants of it; the rest is counted, and told when the
 * hour is over.  Memory is taken once.  One thread; the sink is called from within, and may keep nothing of the event.
 */
#ifndef WATCH_DETECT_H
#define WATCH_DETECT_H

#include "alerts/alert.h"

struct convs;
struct detect;
struct engine_pdu;
struct jw;
struct layers;
struct pkt;
struct watch_list;

struct detect_conf {
	struct convs *convs; /* borrowed; gets its frames and facts in front of us */
	uint64_t seed;
	uint64_t learn_ns;		/* for so long all is usual; 0: nothing is learned */
	const struct watch_list *watch; /* borrowed; or NULL */
	void (*sink)(void *ctx, const struct event *ev);
	void *ctx;
};

/* NULL: no memory. */
struct detect *detect_new(const struct detect_conf *conf);
void detect_free(struct detect *d); /* NULL is allowed */
/* Another list of addresses, borrowed; what it finds that its predecessor told of is no news. */
void detect_watch(struct detect *d, const struct watch_list *list);

/* In front of each burst: what its predecessor has brought is complete then. */
void detect_burst(struct detect *d);
/* Behind convs_frame() and convs_fact(); of a burst all frames come first, then the facts of them. */
void detect_frame(struct detect *d, const struct pkt *p, const struct layers *l);
void detect_fact(struct detect *d, const struct engine_pdu *pdu);
/* No more packets come: what was counted and not told is told. */
void detect_end(struct detect *d);

/* Is all still taken for usual? */
bool detect_learning(const struct detect *d);

struct detect_stats {
	uint64_t found, told, counted; /* found = told + counted */
	uint64_t expected;	       /* beside them: the baseline says that they are no news */
	uint64_t hosts, evicted_hosts;
	uint64_t heard_ns;
};
/* Valid at any time; heard_ns as said above. */
struct detect_stats detect_stats(const struct detect *d);

/*
 * What was learned, as JSON (docs/FORMATS.md), to be read by a next run.  detect_load() of a text that was written by
 * detect_save(): 0, or ERR_* with a line in err, and then nothing is known.
 */
void detect_save(struct jw *w, const void *detect);
int detect_load(struct detect *d, const char *text, size_t len, char *err, size_t err_size);
/* Before another one is loaded: nothing is usual any more, and nothing expected. */
void detect_forget(struct detect *d);

#endif /* WATCH_DETECT_H */
