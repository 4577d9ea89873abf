/* SPDX-License-Identifier: Apache-2.0 */
/* limit.c - see limit.h. */
#include "dataplane/limit.h"

#include <string.h>

#include "base/clock.h"
#include "dataplane/decode_fast.h"
#include "dataplane/engine_int.h"
#include "policy/gate.h"

/* Taking rounds up to nanoseconds, LIMIT_BATCH or a 256th of a second's worth at a time.  Up to this rate a bucket holds
 * as much more as that can be: less than the time of one token.  Above it a second's worth may be a few tokens short. */
#define ROUNDED_MOST UINT32_C(250000)
#define ROUNDED_NS   4000u

static const enum drop_reason reasons[LIMIT_KINDS] = {
    [LIMIT_PACKETS] = DROP_LIMIT_PACKETS, [LIMIT_FLOWS] = DROP_LIMIT_FLOWS};

const char *
limit_reason(enum limit_kind kind)
{
	return drop_name(reasons[kind]);
}

/* --- buckets ------------------------------------------------------------------------------------ */

uint32_t
limit_take(limit_bucket *b, uint32_t per_s, uint32_t most, uint64_t now_ns)
{
	const uint64_t holds = NS_PER_S + (per_s < ROUNDED_MOST ? ROUNDED_NS : 0);
	uint64_t was = atomic_load_explicit(b, memory_order_relaxed), from, there, n;

	do {
		/* Workers' clocks are some bursts apart; more than a second is a clock that was put back. */
		from = was > now_ns && was - now_ns <= 2 * NS_PER_S ? was : now_ns;
		there = from - now_ns < holds ? holds - (from - now_ns) : 0;
		n = there * per_s / NS_PER_S;
		n = n < most ? n : most;
		if (n == 0)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(b, &was,
	    from + (n * NS_PER_S + per_s - 1) / per_s, memory_order_relaxed, memory_order_relaxed));
	return (uint32_t)n;
}

uint32_t
limit_batch(uint32_t per_s)
{
	uint32_t n = per_s / 256;

	return n < 1 ? 1 : n > LIMIT_BATCH ? LIMIT_BATCH : n;
}

/* One token of this worker's; it takes some when it has none. */
static bool
one(struct limiter *l, uint32_t zone, enum limit_kind kind, uint32_t per_s, uint64_t now_ns)
{
	uint32_t *left = &l->left[zone][kind];

	if (per_s == 0)
		return true;
	if (*left == 0)
		*left =
		    limit_take(&l->all->zone[zone].bucket[kind], per_s, limit_batch(per_s), now_ns);
	if (*left == 0)
		return false;
	(*left)--;
	return true;
}

void
limits_reset(struct limits *all)
{
	for (unsigned z = 0; z < LIMIT_ZONES; z++)
		for (unsigned k = 0; k < LIMIT_KINDS; k++)
			atomic_store_explicit(&all->zone[z].bucket[k], 0, memory_order_relaxed);
}

void
limiter_set_policy(struct limiter *l, const struct policy *pol)
{
	const struct gate_spec *s = pol ? policy_gate(pol) : NULL;
	bool any = false;

	for (uint32_t i = 0; s && i < s->n_zones && i < LIMIT_ZONES; i++)
		any |= (s->zones[i].packets_per_s | s->zones[i].flows_per_s) != 0;
	l->policy = pol;
	l->spec = any ? s : NULL;
	memset(l->left, 0, sizeof(l->left));
	for (unsigned i = 0; any && i < LIMIT_KNOWN; i++) { /* as if all had been 0.0.0.0 */
		const struct net_addr zero = net_addr_from4((const uint8_t[4]){0});

		l->known[i].addr = 0;
		l->known[i].zone = policy_zone_of(pol, &zero);
	}
}

/* --- frames ------------------------------------------------------------------------------------- */

static uint32_t
zone4(struct limiter *l, const uint8_t *addr)
{
	struct net_addr a;
	uint32_t word, i;

	memcpy(&word, addr, sizeof(word));
	i = word * UINT32_C(0x9e3779b1) >> 22 & (LIMIT_KNOWN - 1);
	if (l->known[i].addr != word) {
		a = net_addr_from4(addr);
		l->known[i].zone = policy_zone_of(l->policy, &a);
		l->known[i].addr = word;
	}
	return l->known[i].zone;
}

/* The zone in whose name it speaks; UINT32_MAX: none. */
static uint32_t
speaker(struct limiter *l, const struct pkt *p, const struct layers *ly)
{
	static const uint8_t nobody[4];
	struct policy_l2 l2 = {0};
	struct net_addr a;

	if (ly->flags & LAYER_MAPPED)
		return UINT32_MAX; /* nobody's: the engine drops it */
	if (ly->flags & LAYER_V6) {
		a = net_addr_from6(ly->src);
		return policy_zone_of(l->policy, &a);
	}
	if (ly->flags & LAYER_IP)
		return zone4(l, ly->src);
	if (!(ly->flags & LAYER_ARP) || !decode_arp(p, ly, &l2) ||
	    memcmp(l2.arp_sip.b + 12, nobody, sizeof(nobody)) == 0) /* a probe, RFC 5227 */
		return UINT32_MAX;
	return zone4(l, l2.arp_sip.b + 12);
}

/* Is this frame above a limit?  Then *kind is which. */
static bool
above(struct limiter *l, const struct engine *e, const struct pkt *p, uint64_t now_ns,
    enum limit_kind *kind)
{
	const struct gate_zone *z;
	struct layers ly;
	enum drop_reason why = decode_inline(p, &ly);
	uint32_t zone = speaker(l, p, &ly), flows_per_s;

	if (zone >= LIMIT_ZONES)
		return false;
	z = &l->spec->zones[zone];
	flows_per_s = ly.flags & LAYER_L4 && ly.proto == NET_PROTO_TCP &&
			      (ly.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN
			  ? z->flows_per_s
			  : 0;
	if ((z->packets_per_s | flows_per_s) == 0 || (z->port >= 0 && z->port != p->port) ||
	    (why == DROP_NONE && !engine_lets_in(e, p, &ly)))
		return false;
	*kind = LIMIT_FLOWS;
	if (!one(l, zone, LIMIT_FLOWS, flows_per_s, now_ns))
		return true;
	*kind = LIMIT_PACKETS;
	if (one(l, zone, LIMIT_PACKETS, z->packets_per_s, now_ns))
		return false;
	l->left[zone][LIMIT_FLOWS] += flows_per_s != 0; /* not opened after all */
	return true;
}

static void
drop(struct limiter *l, struct engine *e, struct pkt *p, enum limit_kind kind, uint64_t now_ns)
{
	const unsigned port = p->port & 1;
	struct limit_count *c = &l->count[kind];
	uint64_t *untold = &l->untold[kind][port];

	engine_drop(p, reasons[kind]);
	p->conduit = RULE_NONE;
	c->packets[port]++;
	c->bytes[port] += p->wirelen;
	++*untold;
	if (limit_take(&l->all->pace[kind][port], LIMIT_SAMPLE_RATE, 1, now_ns) == 0)
		return;
	engine_sample(e, p, limit_reason(kind), *untold);
	*untold = 0;
}

unsigned
limit_burst_slow(
    struct limiter *l, struct engine *e, struct pkt *burst, unsigned n, uint64_t now_ns)
{
	struct pkt over[PKT_BURST];
	unsigned kept = 0, n_over = 0;
	enum limit_kind kind;

	/* A panic is stronger: an open guard stops nothing, an island lets nobody in who could flood. */
	if (e->panic != PANIC_OFF || n > PKT_BURST)
		return n;
	for (unsigned i = 0; i < n; i++) {
		if (above(l, e, &burst[i], now_ns, &kind)) {
			drop(l, e, &burst[i], kind, now_ns);
			over[n_over++] = burst[i];
		} else if (kept++ != i) {
			burst[kept - 1] = burst[i];
		}
	}
	for (unsigned i = 0; i < n_over; i++)
		burst[kept + i] = over[i];
	return kept;
}
