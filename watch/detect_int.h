/* SPDX-License-Identifier: Apache-2.0 */
/* detect_int.h - what the files of detect.h share.  For watch/ alone. */
#ifndef WATCH_DETECT_INT_H
#define WATCH_DETECT_INT_H

#include "dataplane/pkt.h"
#include "watch/detect.h"
#include "watch/table.h"

#define SECOND		 UINT64_C(1000000000)
#define MINUTE		 (60 * SECOND)
#define HOUR		 (60 * MINUTE)
#define PARTIES_MAX	 8192u
#define TARGETS_EACH	 16u   /* that somebody looks for, and have not answered */
#define SLOTS		 2048u /* of what was told */
#define SLOT_WAYS	 4u
#define VARIANTS	 4u
#define RECORD_NOTE_TEXT 128u /* RECORD_NOTE_MAX and its NUL */

/* Who has an address; a MAC without one is a host too (key of 16 bytes, see party_of_mac()). */
struct party {
	struct cell cell;
	struct net_addr ip;
	bool used, learned, programs; /* programs: did so while learning */
	bool field;		      /* speaks a control protocol */
	uint8_t mac[6], claim[6];     /* of frames; of the last ARP claim */
	uint64_t claim_heard, heard;
	unsigned turns; /* how often the claim went to another MAC, each within a minute */
	struct {
		uint64_t hash, heard;
	} target[TARGETS_EACH];
	uint8_t target_at;
};

/* What was told of a pair. */
struct slot {
	uint64_t key; /* 0: free */
	uint64_t begun;
	uint64_t variant[VARIANTS];
	uint8_t n, which;
	bool by_sender;
	uint64_t counted, ts_ns, frame; /* since it was told; the last of them */
	struct net_tuple tuple;
};

#define EXPECTED_MAX  256u
#define EXPECTED_TEXT 112u /* RECORD_NAME_MAX, and that there are more */

/* A finding that is no news: an entry of the baseline. */
struct expected {
	struct net_addr from, to; /* addresses, or MACs as party_of_mac() */
	uint16_t port;		  /* of either end; 0 = any */
	uint8_t which;		  /* enum detection */
	bool enabled;
	char op[64], object[EXPECTED_TEXT]; /* "" = the finding has none */
};

#define MASKS 16u /* dissectors of which the odd bits are known */

struct detect {
	struct detect_conf conf;
	struct convs *c;
	struct hash_seed seed;
	struct pool parties;
	struct slot slot[SLOTS];
	bool baseline; /* something was learned or read */
	uint64_t heard, last_ns, tick_heard;
	bool learned_all; /* learning ends with the burst */
	struct {
		uint64_t frame, heard;
	} when[2 *
	       PKT_BURST]; /* by frame: facts come when time is already that of the burst's end */
	uint32_t tick_at, tick_slot, sample;
	uint64_t violation[MASKS]; /* anomaly bits that are told, of each dissector */
	struct {
		bool known;
		uint8_t policy, token;		    /* index in fact_props.num */
		uint32_t none, anonymous, username; /* their values */
	} ua;
	struct expected expected[EXPECTED_MAX];
	uint32_t n_expected;
	struct detect_stats st;
};

/* Since then; a fact may be older than what a frame behind it has left. */
static inline uint64_t
detect_since(const struct detect *d, uint64_t then)
{
	return d->heard > then ? d->heard - then : 0;
}

/* Is it known what is usual? */
static inline bool
detect_judges(const struct detect *d)
{
	return d->baseline && !d->c->learning;
}

#define PARTY_AT(d, i) ((struct party *)pool_at(&(d)->parties, i))
/* Find or make; the longest silent one makes room.  NULL: no memory at all. */
struct party *party_get(struct detect *d, const struct net_addr *ip, bool *is_new);
struct net_addr party_of_mac(const uint8_t mac[6]); /* a key that no address has */
bool party_is_mac(const struct net_addr *a);

/* One finding.  variant tells apart what is told each by itself; frame_* of what showed it. */
struct finding {
	enum detection which;
	const struct net_tuple *tuple; /* src did it */
	const struct fact *fact;       /* or NULL */
	uint64_t ts_ns, frame, flow_id, variant;
	bool by_sender; /* one storm for all whom the sender does it to */
	bool lasts;	/* it is so, and goes on: seen again is nothing that counts */
};
void __attribute__((format(printf, 3, 4)))
detect_tell(struct detect *d, const struct finding *f, const char *fmt, ...);

/* expected.c: is it one that an enabled entry is about?  Entries to a text, and out of its "expected"; NULL, or what is wrong. */
bool expected_is(const struct detect *d, const struct finding *f);
void expected_save(struct jw *w, const struct detect *d);
const char *expected_load(struct detect *d, const void *list); /* json_t */
void detect_clock(struct detect *d, uint64_t ts_ns);

#endif /* WATCH_DETECT_INT_H */
