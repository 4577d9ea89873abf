/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out.h - where a sender takes batches to; one transport per file.
 *
 * Life of an output: new() at start, once; then open(), put() and flush() over and over, close() when
 * something failed; free() at the end.  What was put is delivered when flush() says so, not before: the
 * output's place moves then.  All of it runs in the output's own thread and may wait, but no longer
 * than its limits and never when send_hurry() says that time is over.
 */
#ifndef SENDER_OUT_H
#define SENDER_OUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alerts/follow.h"
#include "sender/place.h"

#define SEND_NAME_MAX 63u
#define SEND_WHY_MAX  300u

enum send_format { SEND_EVE = 0, SEND_CEF };

/* One output as the user wrote it: SCHEME and place, then options behind commas. */
struct send_target {
	char name[SEND_NAME_MAX + 1]; /* of its state file; unique */
	char host[256], port[8];      /* SCHEME://HOST:PORT */
	char path[512];		      /* SCHEME:PATH */
	enum send_format format;
	bool from_end;	     /* a new output begins with what comes, not with what is there */
	uint32_t enterprise; /* of structured data (RFC 5424 7.2.2) */
	uint8_t facility;
	char ca[512], cert[512], key[512]; /* TLS: whom to believe; who we are */
};

/* What all outputs share; read only while they run. */
struct send_common {
	int journal_fd;	      /* its directory */
	int state_fd;	      /* directory of places and of the receipt */
	const char *identity; /* directory of what enrolment left, or NULL */
	const char *evidence_dir, *assets_path;
	const char *proposals_dir;  /* or NULL */
	const char *watchlist_path; /* or NULL */
	const char *rollouts_dir;   /* or NULL */
	_Atomic uint64_t *proposal; /* id of the newest that was kept in this run; 0 = none */
	const char *(*policy)(
	    void *ctx, size_t *n); /* the policy and its files as JSON, or NULL; changes seldom */
	void *policy_ctx;
	uint32_t retry_max_ms, timeout_ms;
	atomic_uint reopen; /* counts SIGHUP: files are opened anew */
	int wake_fd;	    /* readable from the moment on that it is to end */
	atomic_int ending;  /* enum send_ending */
};
enum send_ending { SEND_GOES_ON = 0, SEND_DRAINS, SEND_ABORTS };

/* What an output says beside its ERR_*. */
struct send_result {
	bool refused;	  /* the other side will not take it: trying again soon is no use */
	bool at_once;	  /* trying again needs no pause: it will be another attempt */
	bool seek;	  /* open(): go on behind .place */
	uint64_t wait_ms; /* the other side asked for so much */
	struct follow_place place;
	char why[SEND_WHY_MAX];
};

struct send_conn; /* the transport's own */

struct send_out {
	const char *scheme; /* "https://" */
	/* Look at the target, take memory.  NULL: said in err. */
	struct send_conn *(*new)(
	    const struct send_target *t, const struct send_common *c, char *err, size_t err_size);
	/* The others: 0, or ERR_* and r says more. */
	int (*open)(struct send_conn *c, struct send_result *r);
	/* Copy it, or send it on its way.  ERR_FULL: flush first. */
	int (*put)(struct send_conn *c, const struct follow_batch *b, struct send_result *r);
	/* All that was put has arrived; or with ERR_*: nobody knows how much of it. */
	int (*flush)(struct send_conn *c, struct send_result *r);
	/* Nothing is to be put now: do what else there is to do, as uploads.  1: there may be more.  May be NULL. */
	int (*idle)(struct send_conn *c, const struct place *at, struct send_result *r);
	void (*close)(struct send_conn *c); /* not open: nothing happens */
	void (*free)(struct send_conn *c);
};

extern const struct send_out send_out_https, send_out_syslog_tls, send_out_syslog_tcp,
    send_out_file, send_out_unix, send_out_unix_dgram;

/* All, NULL-ended. */
extern const struct send_out *const send_outs[];

/* Write into r and return code: one line for people. */
int send_fail(struct send_result *r, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A line in the target's format and a newline: its bytes in out, which holds BATCH_LINE_MAX; 0: none of ours. */
size_t send_line(
    const struct send_target *t, const struct batch *b, const char *eve, size_t n, char *out);
/* No time is left: give up what you are doing. */
static inline bool
send_hurry(const struct send_common *c)
{
	return atomic_load_explicit(&c->ending, memory_order_relaxed) == SEND_ABORTS;
}

#endif /* SENDER_OUT_H */
