/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eve.h - a record as one line of Suricata EVE JSON.
 *
 * The line is valid against the schema that Suricata 8 publishes; everything
 * of ours stands in alert.metadata, as arrays of strings.  docs/FORMATS.md
 * lists the members.  Same record, policy and number: same bytes.
 */
#ifndef ALERTS_EVE_H
#define ALERTS_EVE_H

#include "alerts/record.h"

#define EVE_POLICY_BYTES 16 /* of the policy's SHA-256 in il_policy: 128 bits name it safely */
#define EVE_CACHE	 256u
#define EVE_GID		 62443 /* keeps our signature_id apart from those of Suricata's rules */

#define EVE_POLICIES 8u /* that verdicts may come from at a time: POLICY_SLOTS and some */

struct eve {
	struct eve_policy {
		const struct policy *policy; /* NULL: the place is free */
		uint32_t generation;
		char tail[512]; /* what ends every line */
		size_t tail_len;
	} policies[EVE_POLICIES];
	uint32_t newest;	     /* generation; 0 = there was none yet */
	bool enforcing;		     /* verdicts are carried out: "blocked" is true */
	bool replay;		     /* frame numbers are pcap_cnt */
	/* Rendered once: the input, and what ends a line that no policy stands behind. */
	char input[1024], port_input[2][128], host[600], tail[512];
	size_t input_len, port_input_len[2], host_len, tail_len;
	/* What costs most to say is remembered: Community ID of flows, names of objects. */
	struct eve_object {
		uint32_t sub, first, count;
		uint64_t hash; /* of a name */
		uint8_t proto, space;
		bool more;
		char text[RECORD_NAME_MAX + 1 + 8];
	} object[EVE_CACHE];
	struct eve_cid {
		struct net_addr src, dst;
		uint16_t sport, dport;
		uint8_t proto;
		char text[2 + CRYPTO_B64_CHARS(CRYPTO_SHA1_LEN) + 1];
	} cid[EVE_CACHE];
	struct event_evidence evidence; /* of the next line; epoch 0: it has none */
};

/* Where the lines from now on were seen: interface, or in a replay the file; NULL = do
 * not say.  Copied. */
void eve_set_input(struct eve *e, const char *input);
/* input as above. */
void eve_init(struct eve *e, const struct policy *policy, const char *sensor, const char *input,
    bool replay, bool enforcing);

/* Guard: `in_iface` of what came in by a port; NULLs: as eve_set_input() says. */
void eve_set_ports(struct eve *e, const char *const names[2]);

/* Names of verdicts of its generation come from pol, which lives until it is dropped.  A verdict of
 * generation 0 (a test's, or no policy's) means the newest.  False: no place. */
bool eve_add_policy(struct eve *e, const struct policy *pol);
void eve_drop_policy(struct eve *e, const struct policy *pol);

/* One line with its newline into buf (BATCH_LINE_MAX is enough for any record); its length. */
size_t eve_write(struct eve *e, const struct record *r, uint64_t seq, char *buf, size_t size);

/* Community ID v1, seed 0; out holds 31 bytes.  False: the protocol has none here. */
bool eve_community_id(const struct net_tuple *t, char *out);

#endif /* ALERTS_EVE_H */
