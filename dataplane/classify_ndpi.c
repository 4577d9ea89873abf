/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classify_ndpi.c - the one home of libndpi (4.2 in Debian 12); see classify.h.
 *
 * The library is asked about bytes only: no guess by port, by address, or by what
 * other flows were.  Protocols that have a dissector of ours are switched off in
 * it: what the dissector refuses must not get a name that a policy could allow.
 */
#include "dataplane/classify.h"

#include <stdio.h>
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
	bool named; /* it is here for its certificate */
	uint64_t last_ns;
	struct ndpi_flow_struct *flow;
};

struct classify {
	struct ndpi_detection_module_struct *ndpi;
	uint32_t tickets; /* given so far */
	size_t flow_bytes;
	bool certs;
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
classify_new(bool certs)
{
	/* QUIC's decryption needs libgcrypt, and Tor's addresses are no matter of bytes. */
	const ndpi_init_prefs prefs = ndpi_dont_load_tor_hosts | ndpi_dont_init_libgcrypt;
	struct classify *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->certs = certs;
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

static bool
goes_before(const struct slot *s, const struct slot *other)
{
	if (!s->ticket || !other->ticket)
		return !s->ticket;
	return s->named != other->named ? s->named : s->last_ns < other->last_ns;
}

/* A free slot, or that of the flow that was idle longest, of those that have a name if there are any.
 * A ticket names its slot. */
static struct slot *
slot_take(struct classify *c, uint32_t *ticket)
{
	struct slot *s = &c->slots[0];
	uint32_t index;

	for (unsigned i = 0; i < CLASSIFY_FLOWS && s->ticket; i++)
		if (goes_before(&c->slots[i], s))
			s = &c->slots[i];
	if (s->ticket)
		slot_release(c, s);
	index = (uint32_t)(s - c->slots);
	if (++c->tickets >= UINT32_MAX / CLASSIFY_FLOWS)
		c->tickets = 1;
	*ticket = s->ticket = c->tickets * CLASSIFY_FLOWS + index;
	s->seq[0] = s->seq[1] = 1;
	s->seen[0] = s->seen[1] = 0;
	s->named = false;
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

/* Printable ASCII without quotes, from that byte on, at most size - 1; what else the peers wrote is left out. */
static void
copy_text(char *to, size_t size, const char *from, char first)
{
	size_t n = 0;

	for (; *from && n + 1 < size; from++)
		if (*from >= first && *from < 0x7f && *from != '"' && *from != '\\')
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
		copy_text(name, CLASSIFY_NAME, "SMB", '!');
	else
		copy_text(name, CLASSIFY_NAME, ndpi_get_proto_name(c->ndpi, id), '!');
	copy_text(host, CLASSIFY_HOST, s->flow->host_server_name, '!');
}

/* One payload, or a piece of it, at most CLASSIFY_BYTES. */
static ndpi_protocol
show(struct classify *c, struct slot *s, const struct net_tuple *t, bool to_client,
    const uint8_t *p, size_t len, uint64_t ts_ns)
{
	uint8_t packet[V6_LEN + TCP_LEN + CLASSIFY_BYTES];
	size_t n = make_packet(packet, t, to_client, s, p, len);

	s->seq[to_client] += (uint32_t)len;
	s->seen[to_client]++;
	s->last_ns = ts_ns;
#if NDPI_MAJOR > 4 || NDPI_MINOR > 4
	return ndpi_detection_process_packet(
	    c->ndpi, s->flow, packet, (unsigned short)n, ts_ns / 1000000, NULL);
#else
	return ndpi_detection_process_packet(
	    c->ndpi, s->flow, packet, (unsigned short)n, ts_ns / 1000000);
#endif
}

/* Only then are the members of TLS what lies in the flow. */
static bool
is_tls(const struct slot *s)
{
	const u_int16_t *stack = s->flow->detected_protocol_stack;

	return stack[0] == NDPI_PROTOCOL_TLS || stack[1] == NDPI_PROTOCOL_TLS;
}

enum classify_answer
classify_payload(struct classify *c, uint32_t *ticket, const struct net_tuple *t, bool to_client,
    const uint8_t *p, size_t len, uint64_t ts_ns, char name[CLASSIFY_NAME], char host[CLASSIFY_HOST])
{
	struct slot *s = *ticket ? slot_of_ticket(c, *ticket) : slot_take(c, ticket);
	ndpi_protocol found;
	struct classify_cert none;

	name[0] = host[0] = '\0';
	if (!s) { /* displaced */
		*ticket = 0;
		return CLASSIFY_UNKNOWN;
	}
	found = show(c, s, t, to_client, p, len < CLASSIFY_BYTES ? len : CLASSIFY_BYTES, ts_ns);
	if ((found.master_protocol || found.app_protocol) && s->flow->confidence == NDPI_CONFIDENCE_DPI) {
		read_name(c, s, found, name, host);
		if (!(s->named = c->certs && t->proto == NET_PROTO_TCP && is_tls(s)))
			classify_drop(c, ticket);
		else if (len > CLASSIFY_BYTES) /* it counts the bytes of records */
			(void)classify_cert(c, ticket, t, to_client, p + CLASSIFY_BYTES,
			    len - CLASSIFY_BYTES, ts_ns, &none);
		return CLASSIFY_NAMED;
	}
	if (s->seen[to_client] < CLASSIFY_PAYLOADS)
		return CLASSIFY_MORE;
	classify_drop(c, ticket);
	return CLASSIFY_UNKNOWN;
}

/* --- certificates -------------------------------------------------------------------- */

/*
 * The library finds the parts of names by their bytes and writes them one behind the other, "C=DE, O=Makers, Inc., CN=panel";
 * what is not ASCII it leaves out.  Two things it does not see, and so they are looked for here:
 *
 *   a name in an extension (authorityKeyIdentifier) stands behind the subject's, as if it were of it;
 *   a certificate that is good beyond 2049 (RFC 5280 4.1.2.5) has no issuer, and both names stand in the subject.
 *
 * What may then be another's is not told.
 */
#define DN_PARTS 3u /* with one label; more than two are of more than two names */

struct dn_part {
	const char *p;
	size_t n;
};

struct dn {
	struct dn_part cn[DN_PARTS], o[DN_PARTS];
	unsigned n_cn, n_o;
};

static bool
is_label(const char *p)
{
	size_t n = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return n > 0 && n <= 2 && p[n] == '=';
}

static struct dn
dn_read(const char *text)
{
	struct dn d = {.n_cn = 0};

	for (const char *p = text, *end; p; p = end ? end + 2 : NULL) {
		struct dn_part part = {.p = p};

		for (end = strstr(p, ", "); end && !is_label(end + 2);)
			end = strstr(end + 2, ", "); /* a comma of the value */
		part.n = end ? (size_t)(end - p) : strlen(p);
		if (strncmp(p, "CN=", 3) == 0 && d.n_cn < DN_PARTS)
			d.cn[d.n_cn++] = part;
		else if (strncmp(p, "O=", 2) == 0 && d.n_o < DN_PARTS)
			d.o[d.n_o++] = part;
	}
	return d;
}

static void
dn_put(char to[CLASSIFY_DN], const struct dn_part *cn, const struct dn_part *o)
{
	char text[2 * CLASSIFY_DN];

	snprintf(text, sizeof(text), "%.*s%s%.*s", cn ? (int)cn->n : 0, cn ? cn->p : "",
	    cn && o ? ", " : "", o ? (int)o->n : 0, o ? o->p : "");
	copy_text(to, CLASSIFY_DN, text, ' ');
}

/* subject, issuer: as the library wrote them, issuer may be NULL; it loses its end. */
static void
read_cert(char *subject, const char *issuer, struct classify_cert *out)
{
	size_t n = strlen(subject), tail = issuer ? strlen(issuer) : 0;
	struct dn d, of;

	if (tail > 0 && n > tail + 2 && strcmp(subject + n - tail, issuer) == 0 &&
	    memcmp(subject + n - tail - 2, ", ", 2) == 0)
		subject[n - tail - 2] = '\0';
	d = dn_read(subject);
	if (!issuer) {
		if (d.n_cn != 2)
			return;
		dn_put(out->issuer, &d.cn[0], d.n_o == 2 ? &d.o[0] : NULL);
		dn_put(out->subject, &d.cn[1], d.n_o == 2 ? &d.o[1] : NULL);
		return;
	}
	of = dn_read(issuer);
	dn_put(out->issuer, of.n_cn ? &of.cn[0] : NULL, of.n_o ? &of.o[0] : NULL);
	dn_put(out->subject, d.n_cn ? &d.cn[0] : NULL,
	    d.n_o && (d.n_cn < 2 || d.n_o == d.n_cn || d.o[0].p < d.cn[0].p) ? &d.o[0] : NULL);
}

enum classify_answer
classify_cert(struct classify *c, uint32_t *ticket, const struct net_tuple *t, bool to_client,
    const uint8_t *p, size_t len, uint64_t ts_ns, struct classify_cert *out)
{
	struct slot *s = slot_of_ticket(c, *ticket);
	bool more = s && s->seen[to_client] < CLASSIFY_PAYLOADS;

	*out = (struct classify_cert){.subject = ""};
	while (more && len > 0) {
		size_t n = len < CLASSIFY_BYTES ? len : CLASSIFY_BYTES;

		(void)show(c, s, t, to_client, p, n, ts_ns);
		p += n;
		len -= n;
		more = is_tls(s) && !s->flow->protos.tls_quic.subjectDN &&
		       s->seen[to_client] < CLASSIFY_PAYLOADS;
	}
	if (more)
		return CLASSIFY_MORE;
	/* A client may have one too, and that says nothing of the server. */
	if (s && to_client && is_tls(s) && s->flow->protos.tls_quic.subjectDN)
		read_cert(
		    s->flow->protos.tls_quic.subjectDN, s->flow->protos.tls_quic.issuerDN, out);
	classify_drop(c, ticket);
	return *out->subject ? CLASSIFY_NAMED : CLASSIFY_UNKNOWN;
}
