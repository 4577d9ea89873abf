/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml.h - YAML text to a tree whose every node knows its line and column.
 *
 * The subset a policy needs and a person can review: one document of maps,
 * lists and scalars.  Refused, each with its place: anchors, aliases and tags
 * (what you read is what you get), keys that are not plain words or numbers,
 * the same key twice, a second document, bytes that are not UTF-8, and
 * anything beyond the limits below.  Scalars stay text; check.c gives them
 * meaning, so that `no` is a word and 010 is a complaint, not a surprise.
 */
#ifndef POLICY_YAML_H
#define POLICY_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/arena.h"
#include "policy/policy.h"

#define YAML_SIZE_MAX  (4u << 20) /* bytes of text */
#define YAML_NODES_MAX (1u << 20)
#define YAML_DEPTH_MAX 24u /* values within values, the file itself included */

enum ynode_kind { Y_SCALAR = 0, Y_LIST, Y_MAP };

struct ynode {
	uint8_t kind;	      /* enum ynode_kind */
	bool quoted;	      /* of a scalar: "..." or '...' or a block */
	uint16_t file;	      /* of the files of a policy; 0: the first */
	uint32_t line, col;   /* 1-based; col counts characters */
	uint32_t n;	      /* bytes of a scalar, elements of a list, pairs of a map */
	const char *s;	      /* of a scalar; NUL-terminated, no NUL inside */
	struct ynode **kids;  /* list: elements; map: key, value, key, value, ... */
	const struct ynode *set; /* it came by this set, here its name; NULL: it is written here */
};

/* NULL after complaints; the tree lives in a. */
struct ynode *yaml_read(struct arena *a, struct complaints *c, const char *text, size_t len);

/* Length of the well-formed UTF-8 sequence at p (Unicode 15, table 3-7), of at most left bytes; 0: there is none. */
unsigned yaml_utf8(const unsigned char *p, size_t left);

#endif /* POLICY_YAML_H */
