/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_pattern.c - patterns of STIX that others send: whatever is taken has an address of one host, and its text leads back to it. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_COLLECTOR
#include "sharing/pattern.h"
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
#ifdef HAVE_COLLECTOR
	char *exact = malloc(size ? size : 1), text[128], value[NET_ADDR_STRLEN];
	struct pattern p, again;
	enum refusal r;

	if (!exact)
		return 0;
	memcpy(exact, data, size); /* ends where memory does */
	r = pattern_parse(exact, size, &p);
	free(exact);
	assert(*refusal_text(r) || r == REFUSAL_NONE);
	if (r != REFUSAL_NONE)
		return 0;
	assert(p.n > 0 && p.n <= PATTERN_VALUES);
	for (unsigned i = 0; i < p.n; i++) {
		int n = snprintf(text, sizeof(text), "[%s = '%s']",
		    p.value[i].is_mac ? "mac-addr:value" : "network-traffic:src_ref.value",
		    pattern_value_text(&p.value[i], value));

		assert(pattern_parse(text, (size_t)n, &again) == REFUSAL_NONE && again.n == 1);
		assert(memcmp(&again.value[0], &p.value[i], sizeof(p.value[i])) == 0);
	}
#else
	(void)data;
	(void)size;
#endif
	return 0;
}
