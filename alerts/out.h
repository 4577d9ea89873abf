/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out.h - where alerts go beside the journal; one transport per file.
 *
 * Life of an output: open() at start; send() per batch, after the journal has
 * it on disk; close() at the end.  The bytes are those that were signed.  An
 * output that fails is counted and tried again with the next batch; the journal
 * is the truth.
 */
#ifndef ALERTS_OUT_H
#define ALERTS_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct alert_conn; /* an open output, the transport's own */

struct alert_bytes {
	const char *lines; /* n EVE lines with newlines */
	size_t len;
	uint64_t n, first; /* first: il_seq of the first line */
	const char *jws;   /* what states them, or NULL without a journal */
	size_t jws_len;
};

struct alert_out {
	const char *scheme; /* "file:"; "" for the one that takes any path */
	/* fresh: begin anew, else append.  NULL on failure, said in err. */
	struct alert_conn *(*open)(const char *url, bool fresh, char *err, size_t err_size);
	/* 0 or ERR_*, errno says more. */
	int (*send)(struct alert_conn *c, const struct alert_bytes *b);
	int (*close)(struct alert_conn *c);
	/* Begin a new file of the same name; NULL: means nothing here.  0, or ERR_* and it goes
	 * on with the old one, said in err. */
	int (*reopen)(struct alert_conn *c, char *err, size_t err_size);
	/* What was sent is on disk when it returns 0; a pipe has none, and is fine. */
	int (*sync)(struct alert_conn *c);
	/* Has somebody renamed or removed it? */
	bool (*moved)(const struct alert_conn *c);
};

extern const struct alert_out alert_out_file;

/* All transports, NULL-ended; the last takes what no scheme claims. */
extern const struct alert_out *const alert_outs[];

#endif /* ALERTS_OUT_H */
