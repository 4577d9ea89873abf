/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ports.h - the two interfaces of a guard: made ready, and put back as they were.
 *
 * Ready means: sees every frame as it was on the wire (promiscuous; nothing merged, split or
 * stripped of its VLAN tag by offloads), says nothing of its own (no IPv6, no ARP), is up.
 *
 * Life: ports_setup() before the filter is attached; ports_restore() after it is gone.  Every
 * value is on disk before it is changed (port_state.h), so that a guard that was killed
 * leaves enough behind: the next ports_setup() takes its originals over, ports_recover()
 * puts them back.  A living guard's ports are left alone by both.  Root; one thread.
 */
#ifndef GUARD_PORTS_H
#define GUARD_PORTS_H

#include "guard/port_state.h"

struct port {
	char name[IFNAMSIZ];
	int ifindex;	 /* 0: no interface of the kernel */
	uint32_t mtu;	 /* bytes of IP; 0: only the device knows */
	unsigned queues; /* receive queues in use */
	bool set;	 /* there is a state file of ours */
	bool inherited;	 /* a guard that is gone had it, or a worker of ours */
};

struct ports_conf {
	const char *ifname[2]; /* outside, inside */
	const char *state_dir; /* NULL = PORT_STATE_DIR */
	bool allow_addresses;  /* guard an interface that has an IP address */
	bool take_over;	       /* a living guard hands its ports to this process */
	bool no_netdev[2];     /* the kernel has no interface of it: there is nothing to set */
};

struct ports {
	struct port port[2];
	int dirfd, sock; /* of the state directory; for ioctl */
};

/* 0, or ERR_* with one line in err; nothing is changed then. */
int ports_setup(struct ports *p, const struct ports_conf *conf, char *err, size_t err_size);
/* Puts back what was changed, as far as it goes; the first failure is returned.  Ports that another
 * process has taken over are left to it. */
int ports_restore(struct ports *p, char *err, size_t err_size);
/* For `guard --restore`: what dead guards left.  Calls said() with a line for each interface
 * (may be NULL).  0, or the first ERR_*. */
int ports_recover(const char *state_dir, void (*said)(const char *line));
/* Is there a link? Also true when the driver cannot say. */
bool port_carrier(const struct ports *p, unsigned port);

#endif /* GUARD_PORTS_H */
