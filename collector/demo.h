/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo.h - a journal of this machine instead of sensors that send: what `collect --demo` is made of.
 *
 * Nothing is believed sooner for it: batches go through ingest.h as if they had been received.
 */
#ifndef COLLECTOR_DEMO_H
#define COLLECTOR_DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct collector;
struct key;

struct demo {
	int64_t sensor; /* 0: not enrolled yet */
	char name[256];
	uint64_t epoch, batch; /* the last that was taken */
};

/* Take what a journal, signed by that key, has beyond the last.  Alerts or ERR_*, said in err. */
int64_t demo_take(struct collector *co, struct demo *d, const char *journal, const struct key *key,
    const char *site, char *err, size_t err_size);
/* What the sensor would PUT: its policy of one file, its list of devices, the packets of an alert.  0 or ERR_*. */
int demo_policy(struct collector *co, const struct demo *d, const char *text, size_t n, char *err,
    size_t err_size);
int demo_assets(struct collector *co, const struct demo *d, const char *json);
int demo_evidence(struct collector *co, const struct demo *d, uint64_t epoch, uint64_t seq,
    const void *data, size_t n);

/* With whom it shares, and what those warned of.  0 or ERR_*, said in err. */
int demo_neighbours(struct collector *co, int64_t now_ms, char *err, size_t err_size);
/* What people did: over: all that there is was closed the day before; else demo_work.def.  0 or ERR_*. */
int demo_work(struct collector *co, bool over, int64_t now_ms);

#endif /* COLLECTOR_DEMO_H */
