/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert.h - from a verdict to a signed line in the journal.
 *
 * Two halves, joined by a ring of records:
 *   packet side   alerts_put(): folds storms, then copies what the alert needs
 *                 into the ring.  Bounded work, no allocation, no clock.
 *   signer side   alerts_pump(): takes records, writes EVE lines, closes a
 *                 batch at 1000 lines or 100 ms, signs it, gives it to the
 *                 journal and the outputs.
 * In `replay` one thread calls both; in guard they are two processes.  A full
 * ring loses the record and counts it; the next batch carries a signed loss
 * marker with the count.
 *
 * Two processes: the parent maps alerts_shared_bytes(), forks, and each has its side:
 *   ALERTS_PACKET  the worker: alerts_put(); alerts_pump() once a turn ends storms.  It keeps the
 *                  packet part of the memory alone: alerts_shared_keep()
 *   ALERTS_PARENT  the parent's own events, by a small ring of their own that no worker has:
 *                  alerts_put() with EVENT_GUARD
 *   ALERTS_SIGNER  takes both: alerts_pump().  What comes from the packet ring is hostile
 *                  (a worker parses what strangers send) and checked field by field
 * The memory outlives all of them.  A worker that dies leaves at most the one record it was
 * writing, and the next one counts that as lost; its open storms are told by the next one.  A record
 * stays in the ring until its batch is in the journal, so a signer that dies leaves nothing
 * out and signs nothing twice; while the journal cannot be written, records wait in the ring.
 */
#ifndef ALERTS_ALERT_H
#define ALERTS_ALERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alerts/receipt.h"
#include "base/net.h"
#include "dissectors/fact.h"
#include "policy/policy.h"

struct alerts;

enum event_kind {
	EVENT_PDU = 1,	 /* a PDU that the policy does not allow, or allows with alert */
	EVENT_FLOW,	 /* a connection or datagram nobody may open */
	EVENT_CONDITION, /* a condition of the policy; cond says which */
	EVENT_L2,	 /* a frame that is not IP and not allowed */
	EVENT_ANOMALY,	 /* an allowed PDU with anomalies worth telling */
	EVENT_GUARD,	 /* the appliance about itself; cond is an enum guard_event, note says more,
			  * count and .verdict.conduit (RULE_NONE) where they fit */
	EVENT_TRANSFER,	 /* a block went into a controller or out of it, whole or not: .transfer;
			  * the fact is as of one request, and names the block */
	EVENT_DETECTION, /* found without a rule; cond is an enum detection, note is the evidence, the tuple is from
			  * who did it; fact where a PDU shows it */
};

/* How a transfer ended; stable names: alerts_transfer_name(). */
enum transfer_end {
	TRANSFER_COMPLETE = 0,
	TRANSFER_PARTIAL, /* both sides ended it, and not all of it was seen here */
	TRANSFER_ABORTED, /* one side gave it up, or the connection ended */
	TRANSFER_UNSEEN,  /* it began while too many others were under way: not hashed */
	TRANSFER__MAX,
};
struct event_transfer {
	uint8_t how; /* enum transfer_end */
	bool out;    /* from the controller */
	bool hashed;
	uint64_t bytes;	    /* of content that went by */
	uint8_t sha256[32]; /* of it */
};
const char *alerts_transfer_name(uint8_t how);

/* Names and severities: alerts/guard_event.def; stable. */
enum guard_event {
#define GUARD_EVENT(id, name, severity, text) GUARD_##id,
#include "alerts/guard_event.def"
#undef GUARD_EVENT
	GUARD__MAX,
};

/* Names, severities and techniques: alerts/detection.def; stable. */
enum detection {
#define DETECTION(id, ...) DETECTION_##id,
#include "alerts/detection.def"
#undef DETECTION
	DETECTION__MAX,
};
struct detection_info {
	const char *name, *category, *attack, *text, *story; /* attack: ids, parted by blanks */
	uint8_t severity;
	bool baseline; /* needs one */
};
const struct detection_info *detection_info(uint8_t which); /* which < DETECTION__MAX */

/*
 * The frames that caused an alert lie in file EPOCH-SEQ.pcapng, of this hash: the journal's epoch and the alert's il_seq.
 * Who has them does not know either yet: epoch is what it is without a journal, seq a mark of its own, by which
 * alerts_conf.named() tells what the file is called.
 */
struct event_evidence {
	uint64_t epoch, seq; /* epoch 0: there are none */
	uint8_t sha256[32];
};
#define EVIDENCE_NAME_MAX 48u
char *evidence_name(const struct event_evidence *e, char buf[EVIDENCE_NAME_MAX]);

/* Everything is borrowed; alerts_put() copies. */
struct event {
	uint8_t kind; /* enum event_kind */
	uint8_t cond; /* enum policy_cond for EVENT_CONDITION */
	uint64_t ts_ns, frame;
	uint64_t flow_id;
	const struct net_tuple *tuple; /* src sent the offending packet */
	bool to_client;		       /* the offending packet goes to the client */
	struct verdict verdict;
	const struct fact *fact; /* NULL when there is no PDU */
	const char *note;	 /* text with more about it, copied (RECORD_NOTE_MAX); or NULL */
	uint64_t count;		 /* what it stands for, of a sample or a sum; 0 = 1 */
	const struct event_transfer *transfer; /* EVENT_TRANSFER, else NULL */
	const struct event_evidence *evidence; /* or NULL */
};

struct alerts_conf {
	const struct policy *policy; /* names, site, hash; NULL = no policy */
	const char *eve_path;	  /* plain EVE lines too; NULL = none, "-" = stdout */
	const char *journal_dir;  /* NULL = no journal */
	const char *key_path;	  /* Ed25519 secret key; NULL with a journal: one of this run only */
	const char *sensor;	  /* `iss` and EVE `host`; NULL = host name */
	const char *in_iface;	  /* EVE `in_iface` or `pcap_filename` */
	bool replay;		  /* clock is packet time; ends with final: true */
	bool enforcing;		  /* verdicts are carried out: alert.action may be "blocked" */
	/* A line with evidence was written: mark is the event's, the others name the file.  Signer side. */
	void (*named)(void *ctx, uint64_t mark, uint64_t epoch, uint64_t seq);
	void *named_ctx;
	/* Packet side, ctx is named_ctx too: of an event that becomes a line and has no evidence, the frames.  False: none. */
	bool (*evidence)(void *ctx, const struct event *ev, struct event_evidence *out);
	uint64_t fold_window_ns;  /* 0 = do not fold; default ALERT_FOLD_WINDOW_NS */
	uint64_t fold_seed;	  /* 0 = random; the same events give the same lines only if set */
	uint64_t journal_bytes;	  /* on disk at most; 0 = JOURNAL_MAX_BYTES */
	struct receipt_files receipts; /* of a collector, for the journal */
	const char *port_names[2]; /* guard: EVE `in_iface` by the tuple's port; NULL: in_iface */
	/* Two processes: memory both have mapped, and which half this one is. */
	struct alerts_shared *shared; /* NULL: both halves are here */
	enum alerts_side { ALERTS_BOTH = 0, ALERTS_PACKET, ALERTS_SIGNER, ALERTS_PARENT } side;
	unsigned packets; /* packet sides there are; 0 = 1 */
	unsigned packet;  /* packet side: which of them */
};

/* Bytes of struct alerts_shared for so many packet sides, 1 to ALERTS_PACKETS_MAX; to be zeroed, aligned to a page, and
 * mapped shared. */
#define ALERTS_PACKETS_MAX 16u
size_t alerts_shared_bytes(unsigned packets);
/* Once, before the first fork. */
void alerts_shared_init(struct alerts_shared *s, unsigned packets);
/* After the fork: unmap what this side has no business with (a worker: all but the packet parts), so
 * that nothing it is made to do can reach it. */
void alerts_shared_keep(struct alerts_shared *s, enum alerts_side side);
#define ALERT_FOLD_WINDOW_NS (UINT64_C(60) * 1000000000u)

struct alerts_stats {
	uint64_t events;  /* alerts_put() calls */
	uint64_t folded;  /* of them, only counted in another alert */
	uint64_t lost;	  /* ring full */
	uint64_t lines;	  /* EVE lines written */
	uint64_t batches; /* signed */
	uint64_t write_errors;
	uint64_t rejected; /* records from the ring that are none: not told, but as lost */
	uint64_t removed;  /* alerts in segments that went to keep the journal within its bytes */
};

/* NULL on failure, one line for the user in err. */
struct alerts *alerts_new(const struct alerts_conf *conf, char *err, size_t err_size);

void alerts_put(struct alerts *a, const struct event *ev);

/*
 * A storm as one says it who has a flow at hand and would rather not make an event of the same PDU
 * again and again.  Two with the same bytes (all of them, padding is zero) have the same fold_key
 * (fold.h); flow and client are what a tuple is made of.
 */
struct alerts_storm {
	uint64_t flow[2], anomalies, item_hash;
	uint32_t rule, conduit, unit, item_sub, item_first, item_count;
	uint16_t code, sub;
	uint8_t kind, cond, reason, would, proto, fact_kind, item_space, to_client;
	uint32_t client;
};
_Static_assert(sizeof(struct alerts_storm) == 72, "no padding");

/*
 * As alerts_put() of an event that was put before, folded, and remembered at the same place: counted.
 * False: it was not, or its storm is over; put it.
 */
bool alerts_again(
    struct alerts *a, uint32_t at, const struct alerts_storm *s, uint64_t ts_ns, uint64_t frame);
/* The same in two steps: would it say yes?  Then the event is counted. */
bool alerts_open(const struct alerts *a, uint32_t at, const struct alerts_storm *s, uint64_t ts_ns);
void alerts_count(struct alerts *a, uint32_t at, uint64_t ts_ns, uint64_t frame);
/*
 * The same of a storm that is named by a mark, not 0: that no two storms have which differ in more than flow.
 * alerts_open() has said yes to it at this place, and it was marked since.
 */
bool alerts_marked(const struct alerts *a, uint32_t at, uint64_t mark, uint64_t flow0,
    uint64_t flow1, uint64_t ts_ns);
void alerts_mark(struct alerts *a, uint32_t at, uint64_t mark);
/*
 * Of an event that was put last, whoever put it: its storm, and one more event of that; false: it is over, or there is
 * none.  Zero bytes are no place.
 */
struct alerts_place {
	uint32_t entry, serial;
};
void alerts_place(const struct alerts *a, struct alerts_place *out);
void alerts_place_fetch(const struct alerts *a, const struct alerts_place *at);
bool alerts_place_again(
    struct alerts *a, const struct alerts_place *at, uint64_t ts_ns, uint64_t frame);
/* It will be asked soon: what it looks at is fetched, and when that is there, what hangs on it. */
void alerts_fetch(const struct alerts *a, uint32_t at, bool there);
/* The event that was put last is one of s; at: any number, best one for each s. */
void alerts_remember(struct alerts *a, uint32_t at, const struct alerts_storm *s);

/* Signer side: names of alerts with a verdict of this generation come from pol, which must live
 * until alerts_drop_policy() says that no record of it can come any more. */
void alerts_add_policy(struct alerts *a, const struct policy *pol);
void alerts_drop_policy(struct alerts *a, const struct policy *pol);

/* Work off the ring; now_ns is packet time in replay, else wall time.
 * 0 or the first ERR_* of journal or output (alerts_error() has the text);
 * work goes on as far as it can. */
int alerts_pump(struct alerts *a, uint64_t now_ns);

/*
 * The next events come from another input (replay of several captures): closes
 * the storms of the last one, works off the ring under its name, then renames.
 * Returns as alerts_pump().
 */
int alerts_set_input(struct alerts *a, const char *input, uint64_t now_ns);

/* Flush, sign the last batch (`final` in replay and on a clean stop), close. */
int alerts_finish(struct alerts *a, uint64_t now_ns);
/* The EVE file was renamed or removed: open it anew.  0, or ERR_* and it goes on with the old one. */
int alerts_reopen(struct alerts *a, char *err, size_t err_size);
const char *alerts_error(const struct alerts *a); /* "" = none */

/* Where the signer side is. */
struct alerts_progress {
	uint64_t next_seq;	/* il_seq of the next alert that will be stored */
	uint64_t waiting;	/* lines of the batch that is not closed yet */
	uint64_t epoch, batch;	/* the journal's last; 0 = none */
	uint64_t journal_bytes; /* on disk */
	bool failing;		/* the last write failed */
};
void alerts_progress(const struct alerts *a, struct alerts_progress *out);
const struct alerts_stats *alerts_stats(const struct alerts *a);
void alerts_free(struct alerts *a);

#endif /* ALERTS_ALERT_H */
