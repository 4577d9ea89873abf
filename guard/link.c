/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.c - the carrier of both ports, asked for four times a second: the kernel's own news of
 * it may come late, or not at all.
 *
 * With --link-follow a port without link takes the other one down, so that who is behind it
 * (a ring, a redundant switch) sees what a cable would have shown, and takes its other way.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "guard/guard_int.h"

#define LINK_EVERY_NS UINT64_C(250000000)

/* Up or down, as the administrator of the port would.  Nothing else of it changes. */
static void
set_port(struct guard *g, unsigned i, bool up)
{
	struct ifreq ifr = {0};

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", g->ports.port[i].name);
	if (ioctl(g->ports.sock, SIOCGIFFLAGS, &ifr) == 0) {
		ifr.ifr_flags = (short)(up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP);
		if (ioctl(g->ports.sock, SIOCSIFFLAGS, &ifr) == 0) {
			g->link[i].downed = !up;
			log_warn("%s: is taken %s: so is its other side", g->ports.port[i].name,
			    up ? "up" : "down");
			return;
		}
	}
	log_error("%s: cannot be taken %s: %s", g->ports.port[i].name, up ? "up" : "down",
	    strerror(errno));
}

static void
changed(struct guard *g, unsigned i, bool up)
{
	char text[64];

	g->link[i].up = up;
	g->link[i].changes++;
	(void)snprintf(text, sizeof(text), "%s: %s", g->ports.port[i].name,
	    up ? "link is back" : "link is lost");
	log_warn("%s", text);
	guard_tell(g, GUARD_LINK, text);
}

void
link_step(struct guard *g)
{
	if (!g->ports_set || g->now_ns - g->linked_ns < LINK_EVERY_NS)
		return;
	g->linked_ns = g->now_ns;
	for (unsigned i = 0; i < 2; i++) {
		unsigned other = i ^ 1;
		bool up = port_carrier(&g->ports, i);

		/* A backend without the kernel's help must know; one that knows more has a word in it. */
		atomic_store(&g->shared->carrier_lost[i], !up);
		up = up && atomic_load(&g->shared->link_lost[i]) == 0;
		if (g->link[i].downed)
			continue; /* by us: it says nothing about the cable */
		if (up != g->link[i].up)
			changed(g, i, up);
		if (g->conf->link_follow && up == g->link[other].downed)
			set_port(g, other, up);
	}
}

void
link_end(struct guard *g)
{
	for (unsigned i = 0; i < 2; i++)
		if (g->ports_set && g->link[i].downed)
			set_port(g, i, true);
}
