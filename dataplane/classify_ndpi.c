/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classify_ndpi.c - the one home of libndpi (4.2 in Debian 12); see classify.h.
 *
 * The library is asked about bytes only: no guess by port, by address, or by what
 * other flows were.  Protocols that have a dissector of ours are switched off in
 * it: what the dissector refuses must not get a name that a policy could allow.
 */
#include "dataplane/classify.h"

#include <stdlib.h>
#include <string.h>

/* The library's headers are not written for our warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <ndpi_api.h>

/* All that the library knows, but not what a dissector of ours reads. */
static void
choose_protocols(struct ndpi_detection_module_struct *ndpi)
{
	NDPI_PROTOCOL_BITMASK all;

	NDPI_BITMASK_SET_ALL(all);
	NDPI_BITMASK_DEL(all, NDPI_PROTOCOL_MODBUS);
	NDPI_BITMASK_DEL(all, NDPI_PROTOCOL_S7COMM);
	ndpi_set_protocol_detection_bitmask2(ndpi, &all);
}
#pragma GCC diagnostic pop

#if defined(NDPI_MAJOR) && (NDPI_MAJOR < 4 || (NDPI_MAJOR == 4 && NDPI_MINOR < 2))
#error "nDPI 4.2 or newer"
#endif

enum { V4_LEN = 20, V6_LEN = 40, TCP_LEN = 20, UDP_LEN = 8 };

struct slot {
	uint32_t ticket; /* 0 = free */
	uint32_t seq[2]; /* of the next payload */
	uint8_t seen[2];
	uint64_t last_ns;
	struct ndpi_flow_struct *flow;
};

struct classify {
	struct ndpi_detection_module_struct *ndpi;
	uint32_t tickets; /* given so far */
	size_t flow_bytes;
	struct slot slots[CLASSIFY_FLOWS];
};

void
classify_free(struct classify *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < CLASSIFY_FLOWS; i++) {
		if (c->slots[i].flow && c->slots[i].ticket)
			ndpi_free_flow_data(c->slots[i].flow);
		free(c->slots[i].flow);
	}
	if (c->ndpi)
		ndpi_exit_detection_module(c->ndpi);
	free(c);
}

struct classify *
classify_new(void)
{
	/* QUIC's decryption needs libgcrypt, and Tor's addresses are no matter of bytes. */
	const ndpi_init_prefs prefs = ndpi_dont_load_tor_hosts | ndpi_dont_init_libgcrypt;
	struct classify *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->flow_bytes = ndpi_detection_get_sizeof_ndpi_flow_struct();
	for (unsigned i = 0; i < CLASSIFY_FLOWS; i++)
		if (!(c->slots[i].flow = calloc(1, c->flow_bytes)))
			goto fail;
	c->ndpi = ndpi_init_detection_module(prefs);
	if (!c->ndpi)
		goto fail;
	choose_protocols(c->ndpi);
	ndpi_finalize_initialization(c->ndpi);
	return c;
fail:
	classify_free(c);
	return NULL;
}

size_t
classify_bytes(const struct classify *c)
{
	return c ? sizeof(*c) + CLASSIFY_FLOWS * c->flow_bytes : 0;
}

/* --- slots ------------------------------------------------------------------------- */

static struct slot *
slot_of_ticket(struct classify *c, uint32_t ticket)
{
	struct slot *s = &c->slots[ticket % CLASSIFY_FLOWS];

	return ticket && s->ticket == ticket ? s : NULL;
}

static void
slot_release(struct classify *c, struct slot *s)
{
	ndpi_free_flow_data(s->flow);
	memset(s->flow, 0, c->flow_bytes);
	s->ticket = 0;
}

/* A free slot, or that of the flow that was idle longest.  A ticket names its slot. */
static struct slot *
slot_take(struct classify *c, uint32_t *ticket)
{
	struct slot *s = &c->slots[0];
	uint32_t index;

	for (unsigned i = 0; i < CLASSIFY_FLOWS && s->ticket; i++)
		if (!c->slots[i].ticket || c->slots[i].last_ns < s->last_ns)
			s = &c->slots[i];
	if (s->ticket)
		slot_release(c, s);
	index = (uint32_t)(s - c->slots);
	if (++c->tickets >= UINT32_MAX / CLASSIFY_FLOWS)
		c->tickets = 1;
	*ticket = s->ticket = c->tickets * CLASSIFY_FLOWS + index;
	s->seq[0] = s->seq[1] = 1;
	s->seen[0] = s->seen[1] = 0;
	return s;
}

void
classify_drop(struct classify *c, uint32_t *ticket)
{
	struct slot *s = c ? slot_of_ticket(c, *ticket) : NULL;

	if (s)
		slot_release(c, s);
	*ticket = 0;
}

/* --- the packet that the library sees ------------------------------------------------ */

static void
put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static size_t
make_packet(uint8_t *out, const struct net_tuple *t, bool to_client, const struct slot *s,
    const uint8_t *p, size_t len)
{
	bool v4 = net_addr_is4(&t->src) && net_addr_is4(&t->dst), tcp = t->proto == NET_PROTO_TCP;
	const struct net_addr *src = to_client ? &t->dst : &t->src;
	const struct net_addr *dst = to_client ? &t->src : &t->dst;
	size_t l3 = v4 ? V4_LEN : V6_LEN, l4 = tcp ? TCP_LEN : UDP_LEN;
	uint8_t *h = out + l3;

	memset(out, 0, l3 + l4);
	if (v4) {
		out[0] = 0x45;
		put16(out + 2, l3 + l4 + len);
		out[8] = 64;
		out[9] = t->proto;
		memcpy(out + 12, src->b + 12, 4);
		memcpy(out + 16, dst->b + 12, 4);
	} else {
		out[0] = 0x60;
		put16(out + 4, l4 + len);
		out[6] = t->proto;
		out[7] = 64;
		memcpy(out + 8, src->b, 16);
		memcpy(out + 24, dst->b, 16);
	}
	put16(h, to_client ? t->dport : t->sport);
	put16(h + 2, to_client ? t->sport : t->dport);
	if (tcp) {
		put32(h + 4, s->seq[to_client]);
		put32(h + 8, s->seq[!to_client]);
		h[12] = TCP_LEN / 4 << 4;
		h[13] = 0x18; /* PSH, ACK */
		put16(h + 14, UINT16_MAX);
	} else {
		put16(h + 4, l4 + len);
	}
	memcpy(h + l4, p, len);
	return l3 + l4 + len;
}

/* --- asking -------------------------------------------------------------------------- */

/* Printable ASCII without quotes, at most size - 1 bytes; what else the peers wrote is left out. */
static void
copy_text(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from && n + 1 < size; from++)
		if (*from > ' ' && *from < 0x7f && *from != '"' && *from != '\\')
			to[n++] = *from;
	to[n] = '\0';
}

static void
read_name(struct classify *c, const struct slot *s, ndpi_protocol p, char *name, char *host)
{
	uint16_t id = p.master_protocol != NDPI_PROTOCOL_UNKNOWN ? p.master_protocol : p.app_protocol;

	/* The library says "NetBIOS, SMBv23" as it says "TLS, Google": one word for what a
	 * policy means by one word. */
	if (p.app_protocol == NDPI_PROTOCOL_SMBV1 || p.app_protocol == NDPI_PROTOCOL_SMBV23)
		copy_text(name, CLASSIFY_NAME, "SMB");
	else
		copy_text(name, CLASSIFY_NAME, ndpi_get_proto_name(c->ndpi, id));
	copy_text(host, CLASSIFY_HOST, s->flow->host_server_name);
}

enum classify_answer
classify_payload(struct classify *c, uint32_t *ticket, const struct net_tuple *t, bool to_client,
    const uint8_t *p, size_t len, uint64_t ts_ns, char name[CLASSIFY_NAME], char host[CLASSIFY_HOST])
{
	uint8_t packet[V6_LEN + TCP_LEN + CLASSIFY_BYTES];
	struct slot *s = *ticket ? slot_of_ticket(c, *ticket) : slot_take(c, ticket);
	ndpi_protocol found;
	size_t n;

	name[0] = host[0] = '\0';
	if (!s) { /* displaced */
		*ticket = 0;
		return CLASSIFY_UNKNOWN;
	}
	if (len > CLASSIFY_BYTES)
		len = CLASSIFY_BYTES;
	n = make_packet(packet, t, to_client, s, p, len);
	s->seq[to_client] += (uint32_t)len;
	s->seen[to_client]++;
	s->last_ns = ts_ns;
#if NDPI_MAJOR > 4 || NDPI_MINOR > 4
	found = ndpi_detection_process_packet(c->ndpi, s->flow, packet, (unsigned short)n,
	    ts_ns / 1000000, NULL);
#else
	found = ndpi_detection_process_packet(c->ndpi, s->flow, packet, (unsigned short)n,
	    ts_ns / 1000000);
#endif
	if ((found.master_protocol || found.app_protocol) && s->flow->confidence == NDPI_CONFIDENCE_DPI) {
		read_name(c, s, found, name, host);
		classify_drop(c, ticket);
		return CLASSIFY_NAMED;
	}
	if (s->seen[to_client] < CLASSIFY_PAYLOADS)
		return CLASSIFY_MORE;
	classify_drop(c, ticket);
	return CLASSIFY_UNKNOWN;
}
