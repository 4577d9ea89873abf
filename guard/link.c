/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.c - the carrier of both ports, asked for four times a second: the kernel's own news of
 * it may come late, or not at all.
 */
#include <stdio.h>

#include "base/log.h"
#include "guard/guard_int.h"

#define LINK_EVERY_NS UINT64_C(250000000)

void
link_step(struct guard *g)
{
	if (!g->ports_set || g->now_ns - g->linked_ns < LINK_EVERY_NS)
		return;
	g->linked_ns = g->now_ns;
	for (unsigned i = 0; i < 2; i++) {
		char text[64];
		bool up = port_carrier(&g->ports, i);

		if (up == g->link[i].up)
			continue;
		g->link[i].up = up;
		g->link[i].changes++;
		(void)snprintf(text, sizeof(text), "%s: %s", g->ports.port[i].name,
		    up ? "link is back" : "link is lost");
		log_warn("%s", text);
		guard_tell(g, GUARD_LINK, text);
	}
}
