/* SPDX-License-Identifier: Apache-2.0 */
/* policy_keys.c - prints the generated part of docs/POLICY.md for one protocol. */
#include <stdio.h>

#include "policy/policy.h"

int
main(int argc, char **argv)
{
	const struct dissector *dis = argc == 2 ? dissector_lookup(argv[1], NULL) : NULL;

	if (!dis || !dis->schema) {
		fprintf(stderr, "usage: policy_keys PROTOCOL\n");
		return 2;
	}
	policy_describe(dis, stdout);
	return 0;
}
