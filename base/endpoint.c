/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint.c - see endpoint.h. */
#include "base/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
endpoint_parse(const char *text, uint16_t standard, struct sockaddr_storage *out, socklen_t *len)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	const char *colon = strrchr(text, ':'), *close = strchr(text, ']');
	char host[64] = "127.0.0.1", *end;
	unsigned long port = standard;
	size_t n = strlen(text);

	memset(out, 0, sizeof(*out));
	if (*text == '[') {
		if (!close || (close[1] && close[1] != ':'))
			return false;
		colon = close[1] ? close + 1 : NULL;
		n = (size_t)(close - text - 1);
		text++;
	} else if (colon) {
		n = (size_t)(colon - text);
	}
	if (n >= sizeof(host))
		return false;
	if (n > 0)
		snprintf(host, sizeof(host), "%.*s", (int)n, text);
	if (colon) {
		errno = 0;
		port = strtoul(colon + 1, &end, 10);
		if (errno || end == colon + 1 || *end || port > 65535)
			return false;
	}
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		*len = sizeof(*in);
		return true;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)port);
	*len = sizeof(*in6);
	return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1;
}

bool
endpoint_loopback(const struct sockaddr_storage *a)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)a;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;

	return a->ss_family == AF_INET ? ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
				       : IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

uint16_t
endpoint_port(const struct sockaddr_storage *a)
{
	return ntohs(a->ss_family == AF_INET ? ((const struct sockaddr_in *)a)->sin_port
					     : ((const struct sockaddr_in6 *)a)->sin6_port);
}
