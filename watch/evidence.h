/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evidence.h - the frames that an alert is about, kept for a while and put into a small capture of their own.
 *
 *   frame --> evidence_frame() --> ring of bytes
 *   event --> evidence_take() ---> the last frames between the two --> pcapng in memory, its hash --> name for the alert
 *             evidence_named() --> what the journal and the alert's number make of it
 *             evidence_flush() --> file, when the alert is written; without one (it was folded) there is none
 *
 * A capture has at most 64 frames and 256 KiB, a directory at most 1024 of them: the oldest makes room.  Memory is taken
 * once; an event that finds all places taken has no evidence, and is counted.  One thread.
 */
#ifndef WATCH_EVIDENCE_H
#define WATCH_EVIDENCE_H

#include "alerts/alert.h"

#define EVIDENCE_FRAMES 64u
#define EVIDENCE_BYTES	(256u << 10)
#define EVIDENCE_FILES	1024u

struct evidence;
struct layers;
struct pkt;

/* In this directory, which is made where it is not.  NULL: err says why. */
struct evidence *evidence_new(const char *dir, char *err, size_t err_size);
void evidence_free(struct evidence *e); /* NULL is allowed */
/* The directory is to be somebody else's, as whom it will be written. */
int evidence_chown(struct evidence *e, unsigned uid, unsigned gid);

void evidence_frame(struct evidence *e, const struct pkt *p, const struct layers *l);
/* Frames up to ev->frame between the ends of ev->tuple, or of its sender alone.  False: none, or no place. */
bool evidence_take(
    struct evidence *e, const struct event *ev, bool by_sender, struct event_evidence *out);
/* The same for alerts of a policy, of which there may be many: alerts_conf.evidence.  Only while half of the places is left, so that none of a
 * finding is lost for it. */
bool evidence_of_policy(void *ctx, const struct event *ev, struct event_evidence *out);
/* alerts_conf.named; ctx is the struct evidence. */
void evidence_named(void *ctx, uint64_t mark, uint64_t epoch, uint64_t seq);
/* Names are given by another process: what has none is waited for, EVIDENCE_PATIENCE_NS at most. */
void evidence_named_later(struct evidence *e);
#define EVIDENCE_PATIENCE_NS UINT64_C(5000000000)
/* Write what has a name; what has none gets none any more (named later: after a while).  0, or the last ERR_*; what could not be written is counted. */
int evidence_flush(struct evidence *e);

struct evidence_stats {
	uint64_t written, lost; /* captures; lost: no place, or no file */
	uint64_t removed;	/* oldest files that made room */
	uint64_t frames_cut;	/* frames that belonged to one and did not fit */
};
struct evidence_stats evidence_stats(const struct evidence *e);

#endif /* WATCH_EVIDENCE_H */
