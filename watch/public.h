/* SPDX-License-Identifier: Apache-2.0 */
/* public.h - is an address one of the internet?  RFC 6890 lists those that are not. */
#ifndef WATCH_PUBLIC_H
#define WATCH_PUBLIC_H

#include "base/net.h"

/* Unicast, and not of a block that is private, local, shared, for documentation or reserved. */
static inline bool
net_is_public(const struct net_addr *a)
{
	const uint8_t *b = a->b + 12;

	if (!net_addr_is4(
		a)) /* 2000::/3 is all that was given out (RFC 4291 2.4), 2001:db8::/32 is not */
		return a->b[0] >> 5 == 1 &&
		       !(a->b[0] == 0x20 && a->b[1] == 0x01 && a->b[2] == 0x0d && a->b[3] == 0xb8);
	if (b[0] == 0 || b[0] == 10 || b[0] == 127 || b[0] >= 224)
		return false;
	if ((b[0] == 100 && b[1] >> 6 == 1) || (b[0] == 169 && b[1] == 254) ||
	    (b[0] == 172 && b[1] >> 4 == 1) || (b[0] == 192 && b[1] == 168))
		return false;
	if ((b[0] == 192 && b[1] == 0 && (b[2] == 0 || b[2] == 2)) ||
	    (b[0] == 198 && (b[1] >> 1 == 9 || (b[1] == 51 && b[2] == 100))) ||
	    (b[0] == 203 && b[1] == 0 && b[2] == 113))
		return false;
	return true;
}

#endif /* WATCH_PUBLIC_H */
