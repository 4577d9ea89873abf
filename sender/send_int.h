/* SPDX-License-Identifier: Apache-2.0 */
/* send_int.h - one output at work, shared by send.c (all of them), output.c (one) and status.c. */
#ifndef SENDER_SEND_INT_H
#define SENDER_SEND_INT_H

#include <pthread.h>

#include "sender/backoff.h"
#include "sender/send.h"

enum output_state {
	OUTPUT_STARTS = 0,
	OUTPUT_CURRENT, /* nothing is left to send */
	OUTPUT_SENDS,
	OUTPUT_RETRIES,
	OUTPUT_REFUSED,
	OUTPUT_ENDED,
};

/* What one shows of itself. */
struct output_status {
	enum output_state state;
	struct place place;
	uint64_t batches, alerts, bytes;   /* delivered in this run */
	uint64_t tries, refusals;	   /* in vain; of them refused */
	uint64_t skipped;		   /* batches that were gone before they could be sent */
	uint64_t ok_ms, error_ms, next_ms; /* wall clock; 0 = never */
	char error[SEND_WHY_MAX];	   /* the last one; stays when it is over */
};

struct output {
	const struct send_out *out;
	struct send_target target;
	char url[700]; /* as the user wrote it */
	struct send_common *common;
	bool once;
	/* its thread's own */
	struct send_conn *conn;
	struct follow *follow;
	struct backoff backoff;
	struct place place;
	char place_name[SEND_NAME_MAX + 16];
	bool open, has_place, unsaved, save_failed;
	unsigned hasty; /* attempts without a pause, since it worked last */
	uint64_t saved_ns;
	/* for all */
	pthread_mutex_t lock; /* of status */
	struct output_status status;
	atomic_bool ended, delivered; /* delivered: all that was there */
};

/* Take what it needs and load its place. False: said in err. */
bool output_init(struct output *o, const struct send_conf *conf, struct send_common *common,
    const char *url, char *err, size_t err_size);
void output_fini(struct output *o);
/* Its thread. */
void *output_run(void *output);
/* A copy of its status. */
void output_look(struct output *o, struct output_status *out);

/* Give up everything but what n outputs need.  0 or ERR_*, said; the process is not to go on after an error. */
int confine_sender(
    const struct send_conf *c, const struct output *o, size_t n, char *err, size_t err_size);

/* Write status.json of n outputs. */
void status_write(const struct send_common *c, struct output *o, size_t n);

#endif /* SENDER_SEND_INT_H */
