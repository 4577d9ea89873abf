/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_test.h - a file of expectations: what a policy has to say of recorded traffic.
 *
 *   interlock-test: 1
 *   policy: plant.yaml                  # beside this file
 *   capture: monday.pcap                # of the cases that name none
 *   cases:
 *     - name: the MES writes its recipe and nothing else
 *       inline: false                   # judge as a guard does
 *       expect:
 *         - {from: mes, op: Write, verdict: allow, rule: recipe, count: 3}
 *         - {frame: 1340, verdict: drop}
 *
 * An expectation selects PDUs, connections and frames (frame, from, to, proto, op, code, kind)
 * and asserts: each has one of the verdicts (and that rule, and reason); and there are `count` of
 * them, at least one where nothing is said.  from is who asks, also of an answer.
 * docs/OPERATIONS.md is the reference.
 */
#ifndef CLI_POLICY_TEST_H
#define CLI_POLICY_TEST_H

#include "base/net.h"
#include "policy/arena.h"
#include "policy/policy.h"

#define SHOWN 3u /* failures described per expectation */

enum what {
	WHAT_REQUEST = 0,
	WHAT_RESPONSE,
	WHAT_EXCEPTION,
	WHAT_MALFORMED,
	WHAT_OTHER,
	WHAT_CONNECTION,
	WHAT_FRAME,
	WHAT__MAX
};

struct side {
	const char *name; /* NULL: any; a device, a zone, or an address as written */
	bool is_addr;
	struct net_addr addr;
};

struct expectation {
	unsigned line, col;
	/* selects */
	uint64_t frame; /* 0 = any */
	struct side from, to;
	const char *proto, *op, *note;
	int32_t code;  /* -1 = any */
	uint8_t kinds; /* bit set of enum what */
	/* asserts */
	uint8_t verdicts; /* bit set of enum verdict_action; 0 = any */
	const char *rule, *reason;
	uint64_t at_least, at_most;
	/* came out */
	uint64_t selected, wrong;
	char shown[SHOWN][320];
};

struct test_case {
	const char *name, *capture;
	bool inline_mode, broken; /* broken: the capture could not be read to its end */
	struct expectation *v;
	uint32_t n, cap;
};

struct test_file {
	const char *path, *policy_path;
	struct policy *policy; /* policy_free() it */
	struct test_case *v;
	uint32_t n, cap;
};

/* Reads and checks the file; paths in it are resolved from its folder.  The policy must
 * be there already for names to be checked: policy_path comes first.  False: complaints in c. */
bool test_file_read(struct test_file *t, struct arena *a, const char *text, size_t len,
    struct complaints *c, struct policy *(*load)(const char *path));

/* "request", ... */
const char *test_what_name(enum what w);

#endif /* CLI_POLICY_TEST_H */
