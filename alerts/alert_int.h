/* SPDX-License-Identifier: Apache-2.0 */
/* alert_int.h - what the halves of alert.h share: put.c, sign.c, alert.c. */
#ifndef ALERTS_ALERT_INT_H
#define ALERTS_ALERT_INT_H

#include "alerts/eve.h"
#include "alerts/journal.h"
#include "alerts/out.h"
#include "alerts/reader.h"
#include "alerts/shared.h"

#define SCRATCH_SIZE 65536u /* JSON of a PDU before it is cut */
#define BATCH_BYTES  (4u << 20)

/* Where an event was counted that may come again: what alerts_marked() looks at, two to a line. */
struct put_hint {
	uint64_t mark;		/* 0: none */
	uint64_t flow[2];	/* of its storm */
	uint32_t entry, serial; /* of fold; serial 0: none */
};
#define PUT_HINTS 2048u

struct alerts {
	struct alerts_conf conf;
	struct alerts_shared *shared; /* the conf's, or memory of our own */
	bool own_memory;
	/* packet side, or the parent's */
	struct alerts_writer *writer;
	struct ring *ring;
	struct fold *fold; /* NULL: do not fold */
	char *scratch;
	struct put_hint *hint;	    /* [PUT_HINTS] */
	struct alerts_storm *storm; /* theirs */
	/* signer side */
	struct reader source[SOURCES_MAX];
	unsigned n_sources;
	struct eve eve;
	char *batch; /* BATCH_BYTES of lines */
	size_t batch_len;
	uint64_t batch_n, batch_first, batch_opened_ns, batch_last_ns;
	uint64_t own_lines;  /* of the batch: lines that no event stands behind */
	uint64_t batch_lost; /* told in this batch */
	uint64_t batch_removed;
	struct merkle merkle;
	uint64_t next_seq, last_sign_ns;
	uint64_t lost_taken[SOURCES_MAX]; /* of the writers' lost, moved to untold_lost */
	uint64_t untold_lost, untold_removed;
	uint64_t retry_ns; /* not 0: the batch could not be stored, again then */
	uint64_t wait_ns;  /* since when a record waits for its policy; 0 = none does */
	bool waited;	   /* in vain, since the last policy came */
	struct key key;
	struct journal *journal;
	const struct alert_out *out;
	struct alert_conn *conn;
	struct alerts_stats st;
	struct alerts_progress ended; /* of the journal, when it is closed */
	char sensor[BATCH_ISS_MAX + 1];
	char err[512];
	bool signed_any, failing;
};

/* --- put.c: packet side ---------------------------------------------------------------------- */

/* Take over what a writer that died left behind. */
void put_init(struct alerts *a);
/* End the storms whose window is over at now_ns; UINT64_MAX: all. */
void put_fold_tick(struct alerts *a, uint64_t now_ns);

/* --- sign.c: signer side ------------------------------------------------------------------- */

/* Go on where the last signer stopped; the journal is open. */
void sign_init(struct alerts *a);
/* Records to lines, lines to batches.  0 or the first ERR_*. */
int sign_drain(struct alerts *a, uint64_t now_ns);
/* The same, then what is due: a batch by its age, a heartbeat; last: all that is there. */
int sign_pump(struct alerts *a, uint64_t now_ns, bool last);
/* Count a failure and keep its text; returns code. */
int sign_complain(struct alerts *a, int code, const char *text);

#endif /* ALERTS_ALERT_INT_H */
