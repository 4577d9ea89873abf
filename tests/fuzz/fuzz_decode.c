/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_decode.c - one frame.  Byte 0 chooses the link type, byte 1 how much
 * longer the frame was on the wire; the rest is the frame.
 */
#include <assert.h>
#include <stddef.h>

#include "dataplane/decode_fast.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

volatile unsigned sink; /* keeps calls whose answer nobody needs */

static void
check(const struct pkt *p, const struct layers *l)
{
	assert(l->l3_off <= p->caplen);
	if (!(l->flags & LAYER_IP)) {
		assert(!l->src && !l->dst);
		return;
	}
	assert(l->l3_off < l->l4_off && l->l4_off <= l->pay_off && l->pay_off <= p->caplen);
	assert(l->pay_len <= p->caplen - l->pay_off && l->pay_off + l->pay_len <= l->l3_end);
	assert(((l->flags & LAYER_CUT) != 0) == (l->l3_end > p->caplen));
	assert(l->l3_end <= (p->wirelen > p->caplen ? p->wirelen : p->caplen));
	assert(!(l->flags & LAYER_FRAGMENT) || !(l->flags & LAYER_L4));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pkt p = {0};
	struct policy_l2 l2;
	struct net_tuple t;
	struct layers l, g;
	enum drop_reason r;

	if (size < 2)
		return 0;
	p.bytes = data + 2;
	p.caplen = (uint32_t)size - 2;
	p.wirelen = p.caplen + data[1] * 8u;
	p.link = data[0] % (LINK_UNKNOWN + 2);
	memset(&l, 0, sizeof(l)); /* padding is compared too */
	r = decode(&p, &l);
	assert(r < DROP__MAX);
	assert(r != DROP_CAP_TRUNCATED || p.wirelen > p.caplen);
	assert(decode_general(&p, &g) == r);
	layers_tuple(&l, 0, &t);
	sink += decode_arp(&p, &l, &l2);
	if (r == DROP_NONE) {
		check(&p, &l);
		assert(memcmp(&l, &g, offsetof(struct layers, frag_more)) == 0);
		sink += decode_ip_checksum_ok(&p, &l);
		sink += decode_l4_checksum_ok(&p, &l);
	}
	p.wirelen = p.caplen;
	if (decode_ip(p.bytes, p.caplen, (data[1] & 1) != 0, &l) == DROP_NONE)
		check(&p, &l);
	return 0;
}
