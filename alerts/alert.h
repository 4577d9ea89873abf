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
 */
#ifndef ALERTS_ALERT_H
#define ALERTS_ALERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
	EVENT_GUARD,	 /* the appliance about itself; cond is an enum guard_event, note says more */
};

/* Names and severities: alerts/guard_event.def; stable. */
enum guard_event {
#define GUARD_EVENT(id, name, severity, text) GUARD_##id,
#include "alerts/guard_event.def"
#undef GUARD_EVENT
	GUARD__MAX,
};

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
	const char *note;	 /* static text with more about it, or NULL */
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
	uint64_t fold_window_ns;  /* 0 = do not fold; default ALERT_FOLD_WINDOW_NS */
	uint64_t journal_bytes;	  /* on disk at most; 0 = JOURNAL_MAX_BYTES */
	/* Two processes: memory both have mapped, and which half this one is. */
	struct alerts_shared *shared; /* NULL: both halves are here */
	enum alerts_side { ALERTS_BOTH = 0, ALERTS_PACKET, ALERTS_SIGNER } side;
};

/* Bytes of struct alerts_shared, to be zeroed, aligned to a page, and mapped shared. */
size_t alerts_shared_bytes(void);
void alerts_shared_init(struct alerts_shared *s);
#define ALERT_FOLD_WINDOW_NS (UINT64_C(60) * 1000000000u)

struct alerts_stats {
	uint64_t events;  /* alerts_put() calls */
	uint64_t folded;  /* of them, only counted in another alert */
	uint64_t lost;	  /* ring full */
	uint64_t lines;	  /* EVE lines written */
	uint64_t batches; /* signed */
	uint64_t write_errors;
};

/* NULL on failure, one line for the user in err. */
struct alerts *alerts_new(const struct alerts_conf *conf, char *err, size_t err_size);

void alerts_put(struct alerts *a, const struct event *ev);

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
const char *alerts_error(const struct alerts *a); /* "" = none */
const struct alerts_stats *alerts_stats(const struct alerts *a);
void alerts_free(struct alerts *a);

#endif /* ALERTS_ALERT_H */
