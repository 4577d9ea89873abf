/* SPDX-License-Identifier: Apache-2.0 */
#include "base/net.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"

char *
net_addr_str(const struct net_addr *a, char *buf)
{
	if (net_addr_is4(a))
		(void)inet_ntop(AF_INET, a->b + 12, buf, NET_ADDR_STRLEN);
	else
		(void)inet_ntop(AF_INET6, a->b, buf, NET_ADDR_STRLEN);
	return buf;
}

char *
net_mac_str(const uint8_t mac[6], char *buf)
{
	snprintf(buf, NET_MAC_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
	    mac[3], mac[4], mac[5]);
	return buf;
}

int
net_addr_parse(const char *text, struct net_addr *out)
{
	uint8_t b[16];

	if (inet_pton(AF_INET, text, b) == 1) {
		*out = net_addr_from4(b);
		return 0;
	}
	if (inet_pton(AF_INET6, text, b) == 1) {
		*out = net_addr_from6(b);
		return 0;
	}
	return ERR_SYNTAX;
}

/* Clears the bits beyond len; true when some were set. */
static bool
mask_host_bits(struct net_addr *a, unsigned len)
{
	bool had = false;

	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = len >= (i + 1) * 8 ? 8 : len > i * 8 ? len - i * 8 : 0;
		uint8_t mask = (uint8_t)(0xff00u >> keep);

		had = had || (a->b[i] & (uint8_t)~mask) != 0;
		a->b[i] &= mask;
	}
	return had;
}

int
net_prefix_parse(const char *text, struct net_prefix *out)
{
	char host[NET_ADDR_STRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct net_prefix p;
	unsigned long bits;
	char *end;
	bool is4;
	int r;

	if (n >= sizeof(host))
		return ERR_SYNTAX;
	memcpy(host, text, n);
	host[n] = '\0';
	if ((r = net_addr_parse(host, &p.addr)) < 0)
		return r;
	is4 = net_addr_is4(&p.addr) && strchr(host, '.') != NULL;
	bits = is4 ? 32 : 128;
	if (slash) {
		if (slash[1] < '0' || slash[1] > '9')
			return ERR_SYNTAX;
		bits = strtoul(slash + 1, &end, 10);
		if (*end != '\0' || bits > (is4 ? 32 : 128))
			return ERR_RANGE;
	}
	p.len = (uint8_t)(is4 ? bits + 96 : bits);
	if (mask_host_bits(&p.addr, p.len))
		return ERR_RANGE;
	*out = p;
	return 0;
}

int
net_mac_parse(const char *text, uint8_t out[6])
{
	uint8_t mac[6];

	for (unsigned i = 0; i < 6; i++, text += 3) {
		char hex[3] = {0};

		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]) ||
		    text[2] != (i < 5 ? ':' : '\0'))
			return ERR_SYNTAX;
		memcpy(hex, text, 2);
		mac[i] = (uint8_t)strtoul(hex, NULL, 16);
	}
	memcpy(out, mac, sizeof(mac));
	return 0;
}

bool
net_prefix_has(const struct net_prefix *p, const struct net_addr *a)
{
	unsigned whole = p->len / 8, rest = p->len % 8;

	if (memcmp(p->addr.b, a->b, whole) != 0)
		return false;
	return rest == 0 || ((p->addr.b[whole] ^ a->b[whole]) & (uint8_t)(0xff00u >> rest)) == 0;
}

struct net_tuple
net_tuple_reverse(const struct net_tuple *t)
{
	struct net_tuple r = *t;

	r.src = t->dst;
	r.dst = t->src;
	r.sport = t->dport;
	r.dport = t->sport;
	memcpy(r.smac, t->dmac, 6);
	memcpy(r.dmac, t->smac, 6);
	if (t->port & NET_PORT_TWO)
		r.port ^= 1;
	return r;
}
