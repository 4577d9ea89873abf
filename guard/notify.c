/* SPDX-License-Identifier: Apache-2.0 */
/* notify.c - the protocol of sd_notify(3), "Notes": a datagram, an address that may be abstract. */
#include "guard/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define USEC_NS UINT64_C(1000)

void
notify_open(struct notify *n)
{
	const char *path = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC"),
		   *pid = getenv("WATCHDOG_PID");
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t len = path ? strlen(path) : 0;

	*n = (struct notify){.fd = -1};
	if (len > 1 && len < sizeof(sa.sun_path) && (path[0] == '/' || path[0] == '@')) {
		socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);

		memcpy(sa.sun_path, path, len);
		if (path[0] == '@')
			sa.sun_path[0] = '\0';
		n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (n->fd >= 0 && connect(n->fd, (struct sockaddr *)&sa, size) < 0) {
			close(n->fd);
			n->fd = -1;
		}
	}
	if (n->fd >= 0 && usec && (!pid || strtoul(pid, NULL, 10) == (unsigned long)getpid()))
		n->watchdog_ns = strtoull(usec, NULL, 10) * USEC_NS;
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

void
notify_say(const struct notify *n, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int len;

	if (n->fd < 0)
		return;
	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len > 0 && (size_t)len < sizeof(text))
		(void)send(n->fd, text, (size_t)len, MSG_NOSIGNAL);
}

void
notify_feed(struct notify *n, uint64_t mono_ns)
{
	if (n->watchdog_ns == 0 || mono_ns - n->fed_ns < n->watchdog_ns / 3)
		return;
	notify_say(n, "WATCHDOG=1");
	n->fed_ns = mono_ns;
}

void
notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}
