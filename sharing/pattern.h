/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pattern.h - patterns of STIX that a sensor can watch for, and the list that it gets.
 *
 *   [ipv4-addr:value = '192.0.2.7' OR mac-addr:value = '00:00:5e:00:53:01'] OR [network-traffic:dst_ref.value = '2001:db8::7']
 *
 * STIX 2.1 section 9, of it only equality and OR, over addresses; whatever else a pattern says would be lost, so it is refused
 * with its reason and never watched for in part.
 */
#ifndef SHARING_PATTERN_H
#define SHARING_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#include "base/net.h"

#define PATTERN_MAX    4096u /* bytes of one */
#define PATTERN_VALUES 64u

enum refusal {
	REFUSAL_NONE = 0,
#define REFUSAL(id, name, text) REFUSAL_##id,
#include "sharing/refusal.def"
#undef REFUSAL
	REFUSAL__MAX
};
const char *refusal_name(enum refusal r); /* "syntax"; "" for none */
const char *refusal_text(enum refusal r);

struct pattern {
	unsigned n;
	struct pattern_value {
		bool is_mac;
		struct net_addr ip; /* or: */
		uint8_t mac[6];
	} value[PATTERN_VALUES];
};

/* n bytes of text, hostile.  REFUSAL_NONE and *out, which has at least one value and no value twice; or why not. */
enum refusal pattern_parse(const char *text, size_t n, struct pattern *out);
/* A value as the watch list and the API have it; buf has NET_ADDR_STRLEN. */
char *pattern_value_text(const struct pattern_value *v, char *buf);

#endif /* SHARING_PATTERN_H */
