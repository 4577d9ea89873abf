/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_snmp.c - answers of agents, SNMPv1 (RFC 1157) and v2c (RFC 3416): sysDescr and sysName of the system group (RFC 3418).
 *
 *   SEQUENCE { version 0|1, community, [2] { id, error, index, SEQUENCE OF SEQUENCE { OID, value } } }
 *
 * In BER (X.690) with definite lengths.  Version 3 is encrypted as a rule, and not read.
 */
#include <string.h>

#include "assets/table.h"

enum {
	BER_INTEGER = 0x02,
	BER_OCTETS = 0x04,
	BER_OID = 0x06,
	BER_SEQUENCE = 0x30,
	PDU_RESPONSE = 0xa2
};
#define BINDINGS_MAX 64u
#define AGENT_PORT   161u

/* The content of the next element, whose tag is in *tag; a length that does not fit makes c bad. */
static struct cur
take_element(struct cur *c, uint8_t *tag)
{
	uint32_t len;
	uint8_t n;

	*tag = cur_u8(c);
	len = cur_u8(c);
	if (len & 0x80) {
		n = len & 0x7f;
		len = 0;
		if (n == 0 || n > 3) { /* indefinite, or more than a datagram has */
			cur_skip(c, cur_left(c) + 1);
			return *c;
		}
		while (n-- > 0)
			len = len << 8 | cur_u8(c);
	}
	return cur_take(c, cur_ok(c) ? len : 0);
}

/* The same, of this tag; c is bad when it is another. */
static struct cur
take_tagged(struct cur *c, uint8_t want)
{
	uint8_t tag;
	struct cur in = take_element(c, &tag);

	if (tag != want)
		cur_skip(c, cur_left(c) + 1);
	return in;
}

static bool
snmp_read(struct seen *s, struct cur c)
{
	static const uint8_t system[] = {0x2b, 6, 1, 2, 1, 1}; /* 1.3.6.1.2.1.1 */
	struct cur message = take_tagged(&c, BER_SEQUENCE);
	struct cur version = take_tagged(&message, BER_INTEGER), pdu, list;
	uint8_t tag;

	if (s->l->sport != AGENT_PORT)
		return true; /* a question */
	if (!cur_ok(&message))
		return false;
	if (cur_u8(&version) > 1)
		return true;
	(void)take_tagged(&message, BER_OCTETS);
	pdu = take_element(&message, &tag);
	if (!cur_ok(&message))
		return false;
	if (tag != PDU_RESPONSE)
		return true;
	for (unsigned i = 0; i < 3; i++)
		(void)take_tagged(&pdu, BER_INTEGER);
	list = take_tagged(&pdu, BER_SEQUENCE);
	for (unsigned n = 0; n < BINDINGS_MAX && cur_ok(&pdu) && cur_left(&list) > 0; n++) {
		struct cur pair = take_tagged(&list, BER_SEQUENCE),
			   oid = take_tagged(&pair, BER_OID);
		struct cur value = take_element(&pair, &tag);

		if (!cur_ok(&list) || !cur_ok(&pair))
			return false;
		/* ... .1.0 sysDescr, ... .5.0 sysName */
		if (tag != BER_OCTETS || cur_left(&oid) != sizeof(system) + 2 ||
		    memcmp(oid.p, system, sizeof(system)) != 0 || oid.p[sizeof(system) + 1] != 0)
			continue;
		if (oid.p[sizeof(system)] == 1)
			note_host(s, s->host, NONE, IDENT_TEXT, value);
		else if (oid.p[sizeof(system)] == 5)
			note_host(s, s->host, NONE, IDENT_NAME, value);
	}
	return cur_ok(&pdu);
}

const struct asset_source asset_source_snmp = {.ports = {AGENT_PORT, 0}, .read = snmp_read};
