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

struct eve {
	const struct policy *policy; /* or NULL */
	bool enforcing;		     /* verdicts are carried out: "blocked" is true */
	bool replay;		     /* frame numbers are pcap_cnt */
	/* Rendered once: the input, and what ends every line. */
	char input[1024], host[600], tail[512];
	size_t input_len, host_len, tail_len;
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
};

/* Where the lines from now on were seen: interface, or in a replay the file; NULL = do
 * not say.  Copied. */
void eve_set_input(struct eve *e, const char *input);
/* input as above. */
void eve_init(struct eve *e, const struct policy *policy, const char *sensor, const char *input,
    bool replay, bool enforcing);

/* One line with its newline into buf (BATCH_LINE_MAX is enough for any record); its length. */
size_t eve_write(struct eve *e, const struct record *r, uint64_t seq, char *buf, size_t size);

/* Community ID v1, seed 0; out holds 31 bytes.  False: the protocol has none here. */
bool eve_community_id(const struct net_tuple *t, char *out);

#endif /* ALERTS_EVE_H */
