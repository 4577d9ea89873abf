/* SPDX-License-Identifier: Apache-2.0 */
/* icmp_quote.c - see icmp.h. */
#include "dataplane/icmp.h"

#define IP_LENGTH_MAX	(40u + 65535u)
#define QUOTE_PORTS_SEQ 8u /* [792]: of the transport header that many bytes are sure */

bool
icmp_is_error(bool v6, uint8_t type)
{
	if (v6)
		return type >= T6_UNREACHABLE && type <= T6_PARAMETER;
	return type == T4_UNREACHABLE || type == T4_TIME || type == T4_PARAMETER;
}

bool
icmp_quoted(const struct pkt *p, const struct layers *l, uint32_t at, struct layers *q)
{
	struct pkt in = {
	    .bytes = p->bytes + at,
	    .caplen = l->pay_off + l->pay_len - at,
	    .wirelen = IP_LENGTH_MAX, /* it was longer once */
	    .link = LINK_RAW_IP,
	};
	enum drop_reason r = decode(&in, q);

	if ((r != DROP_NONE && r != DROP_CAP_TRUNCATED) || !(q->flags & LAYER_IP) ||
	    q->flags & (LAYER_FRAGMENT | LAYER_GSO) ||
	    (q->flags & LAYER_V6) != (l->flags & LAYER_V6) ||
	    (q->proto != NET_PROTO_TCP && q->proto != NET_PROTO_UDP) || q->l4_off == 0 ||
	    in.caplen < q->l4_off + QUOTE_PORTS_SEQ)
		return false;
	q->vlan = l->vlan;
	q->flags |= LAYER_L4;
	return true;
}

bool
icmp_error_of(const struct pkt *p, const struct layers *l, struct layers *q)
{
	bool v6 = (l->flags & LAYER_V6) != 0;

	return (l->flags & LAYER_IP) && !(l->flags & (LAYER_L4 | LAYER_FRAGMENT)) &&
	       l->proto == (v6 ? NET_PROTO_ICMP6 : NET_PROTO_ICMP) && l->pay_len > ICMP_HEAD &&
	       icmp_is_error(v6, p->bytes[l->pay_off]) &&
	       icmp_quoted(p, l, l->pay_off + ICMP_HEAD, q);
}
