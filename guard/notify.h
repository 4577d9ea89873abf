/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.h - tells the service manager how we are (sd_notify(3): lines of text in a datagram
 * to the socket that NOTIFY_SOCKET names).  Without one nothing happens.
 */
#ifndef GUARD_NOTIFY_H
#define GUARD_NOTIFY_H

#include <stdint.h>
#include <sys/types.h>

struct notify {
	int fd;		      /* -1 = nobody to tell */
	uint64_t watchdog_ns; /* to be fed within; 0 = no watchdog */
	uint64_t fed_ns;
};

/* Reads the environment and clears it, so that no child speaks for us. */
void notify_open(struct notify *n);
/* "READY=1\nSTATUS=..." */
void notify_say(const struct notify *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Call every turn while all is well: feeds the watchdog when a third of its time is over. */
void notify_feed(struct notify *n, uint64_t mono_ns);
void notify_close(struct notify *n);

#endif /* GUARD_NOTIFY_H */
