/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_offer.c - what a collector says that it offers: what is taken for an offer is one, stays inside its directory, and is read as it
 * was after it was written.  The same bytes as a permit that lies beside it.
 */
#include <stdlib.h>
#include <string.h>

#include "alerts/offer.h"
#include "alerts/permit.h"

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static void
plain(const char *s, size_t size)
{
	CHECK(memchr(s, '\0', size));
	for (; *s; s++)
		CHECK((unsigned char)*s >= 0x20 && *s != 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), buf[OFFER_MAX], err[200];
	struct offer f, again;
	struct permit m;
	size_t n;

	if (!text)
		return 0;
	memcpy(text, data, size);
	if (offer_parse(text, size, &f)) {
		CHECK(f.id != 0);
		plain(f.permit, sizeof(f.permit));
		plain(f.name, sizeof(f.name));
		CHECK(f.is_permit ? f.permit[0] : strlen(f.policy) == OFFER_HASH);
		CHECK(f.is_permit || (f.name[0] && f.name[0] != '.' && !strchr(f.name, '/') &&
					 f.trial_s >= 5 && f.trial_s <= 604800));
		n = offer_write(&f, buf, sizeof(buf));
		CHECK(n > 0 && offer_parse(buf, n, &again) && memcmp(&f, &again, sizeof(f)) == 0);
	}
	if (permit_peek(text, size, &m, err, sizeof(err)) == 0)
		CHECK(m.id[0] && m.until_s > m.from_s);
	free(text);
	return 0;
}
