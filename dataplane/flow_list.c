/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow_list.c - the connections an engine knows, as lines for people (`interlock ctl flows`).
 *
 * Written in pieces, between two bursts: a piece costs as much as a few packets.  What comes or goes
 * meanwhile may be in the list or not; nothing is in it twice, as nobody moves between buckets.
 *
 *   tcp 10.1.2.5:49360 -> 10.1.2.130:502 modbus hmi-filler open idle=3
 */
#include "dataplane/engine_int.h"

#include "base/jw.h"

#define LINE_MAX_BYTES 512u /* two IPv6 addresses, names of the policy, and more */
#define BUCKETS_STEP   256u /* looked at in one piece, empty or not */

#define LIT(w, s) jw_raw((w), (s), sizeof(s) - 1)

static void
put(struct jw *w, const char *s)
{
	jw_raw(w, s, strnlen(s, 128));
}

static void
put_end(struct jw *w, const struct net_addr *a, uint16_t port)
{
	bool v6 = !net_addr_is4(a) && port != 0;
	char text[NET_ADDR_STRLEN];

	if (v6)
		jw_ch(w, '[');
	put(w, net_addr_str(a, text));
	if (v6)
		jw_ch(w, ']');
	if (port != 0) {
		jw_ch(w, ':');
		jw_dec(w, port);
	}
}

static void
put_proto(struct jw *w, uint8_t proto)
{
	switch (proto) {
	case NET_PROTO_TCP:
		LIT(w, "tcp ");
		break;
	case NET_PROTO_UDP:
		LIT(w, "udp ");
		break;
	default:
		LIT(w, "ip-");
		jw_dec(w, proto);
		jw_ch(w, ' ');
	}
}

static void
put_flow(struct jw *w, const struct engine *e, const struct flow *f)
{
	static const char *const states[] = {"opening", "open", "closing", "closed"};
	uint32_t idle = e->flows.now_tick - f->last_tick;
	struct net_tuple t;

	flow_tuple(&e->flows, f, true, &t);
	put_proto(w, t.proto);
	put_end(w, &t.src, t.sport);
	LIT(w, " -> ");
	put_end(w, &t.dst, t.dport);
	jw_ch(w, ' ');
	put(w, f->dis < n_dissectors	   ? dissectors[f->dis]->name
	       : f->dis == FLOW_DIS_ASKING ? "?"
					   : "-");
	jw_ch(w, ' ');
	/* One that another policy bound is bound again by its next packet. */
	put(w, e->policy && f->bind.generation == e->epoch
		   ? policy_conduit_name(e->policy, f->bind.conduit)
		   : "-");
	jw_ch(w, ' ');
	put(w, f->state < 4 ? states[f->state] : "?");
	LIT(w, " idle=");
	jw_dec(w, idle < UINT32_MAX / 2 ? ((uint64_t)idle << FLOW_TICK_SHIFT) / 1000000000u : 0);
	if (t.vlan) {
		LIT(w, " vlan=");
		jw_dec(w, t.vlan);
	}
	if (f->flags & FLOW_MIDSTREAM)
		LIT(w, " midstream");
	jw_ch(w, '\n');
}

size_t
engine_flow_list(const struct engine *e, uint32_t *at, char *buf, size_t size)
{
	struct jw w = jw_make(buf, size);

	for (unsigned step = 0; step < BUCKETS_STEP && *at < e->flows.n_buckets; step++, (*at)++) {
		const struct flow_bucket *b = &e->flows.buckets[*at];

		if ((size_t)(w.end - w.p) < FLOW_WAYS * LINE_MAX_BYTES)
			break;
		for (unsigned i = 0; i < FLOW_WAYS; i++)
			if (b->tag[i] != 0)
				put_flow(&w, e, &e->flows.flows[b->idx[i]]);
	}
	if (*at >= e->flows.n_buckets)
		*at = ENGINE_FLOWS_END;
	return jw_len(&w);
}
