/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * gate.bpf.c - the filter of a guard's two ports: what the policy denies by addresses, ports
 * and MACs ends here, all else goes to the engine through the XSKMAP of the port.
 *
 *   frame -> layers -> L2, ARP  -------------------.
 *                  \-> whose is the source? -> ICMP -> limits of -> XSKMAP -> engine
 *                            (anti-spoofing) \-> pair -> the zone       \-> nobody there
 *
 * It says no more than policy/bind.c does, by the tables of policy/gate.h.  What it cannot judge
 * (fragments, headers it cannot read, errors about other packets) goes to the engine,
 * which can.  Nothing is ever passed to the host: a port of a guard has no stack.
 *
 * Per frame: no lock, no allocation; one atomic operation per `batch` of a limited zone, one per
 * sample.  Counters are per CPU.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "ebpf/abi.h"
#include "ebpf/limits.bpf.h"
#include "ebpf/link.bpf.h"
#include "ebpf/maps.bpf.h"
#include "ebpf/parsing.h"
#include "ebpf/who.bpf.h"
#include "ebpf/fast.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* --- IP ------------------------------------------------------------------------------------------- */

/* What a conduit (or none) says to one direction of a conversation: bind_between(). */
static __always_inline enum gate_reason
judge_way(const struct gate_conf *conf, const struct gate_conduit_row *c, const struct frame *f,
    __u16 server_port, enum gate_reason place, bool macs_fit)
{
	if (!c)
		return conf->default_pass ? GATE_TO_ENGINE : GATE_NO_CONDUIT;
	if (place != GATE_TO_ENGINE && c->place_drop)
		return place;
	if (!macs_fit && c->mac_drop)
		return GATE_L2_MAC;
	if (c->everything || f->fragment || f->unsure)
		return GATE_TO_ENGINE;
	if (is_icmp(f))
		return c->echo ? GATE_TO_ENGINE : GATE_ICMP_POLICY;
	if (f->proto != PROTO_TCP && f->proto != PROTO_UDP)
		return GATE_TO_ENGINE;
	return serves(c, f->proto, server_port) ? GATE_TO_ENGINE : GATE_PORT;
}

static __always_inline const struct gate_conduit_row *
conduit_row(__u32 set, __u32 conduit)
{
	__u32 row = set * GATE_CONDUITS + conduit;

	return conduit == NONE ? NULL : bpf_map_lookup_elem(&gate_conduits, &row);
}

/* It opens what src may, or answers what dst may; an echo says which. */
__noinline int
judge_pair(struct frame *f, __u32 set, __u32 port, const struct who *src, const struct who *dst)
{
	const struct gate_conf *conf = bpf_map_lookup_elem(&gate_confs, &set);
	enum gate_reason place, there = GATE_NO_CONDUIT, back;
	const struct gate_conduit_row *c;
	bool macs_fit, reply;
	__u32 conduit;

	if (!f || !src || !dst || !conf)
		return GATE_NO_POLICY;
	place = misplaced(f, port, src, dst);
	macs_fit = mac_fits(src, f->smac) && mac_fits(dst, f->dmac);
	reply = is_icmp(f) && f->icmp_type == (f->v6 ? ICMP6_REPLY : ICMP4_REPLY);
	if (!reply) {
		conduit = (__u32)conduit_of(set, src, dst);
		c = conduit_row(set, conduit);
		there = judge_way(conf, c, f, f->dport, place, macs_fit);
		f->open = c && c->fail_open;
		f->row = c ? set * GATE_CONDUITS + conduit + 1 : 0;
		if (there == GATE_TO_ENGINE || is_icmp(f))
			return there;
	}
	conduit = (__u32)conduit_of(set, dst, src);
	c = conduit_row(set, conduit);
	back = judge_way(conf, c, f, f->sport, place, macs_fit);
	f->open = c && c->fail_open;
	f->row = c ? set * GATE_CONDUITS + conduit + 1 : 0;
	return back == GATE_TO_ENGINE || there == GATE_NO_CONDUIT ? back : there;
}

/* ICMP and IGMP, whatever their lengths say. */
static __always_inline bool
needs_no_pair(const struct frame *f)
{
	return f->proto == PROTO_IGMP || f->proto == (f->v6 ? PROTO_ICMP6 : PROTO_ICMP);
}

__noinline int
judge_ip(struct frame *f, __u32 set, __u32 port)
{
	const struct gate_conf *conf = bpf_map_lookup_elem(&gate_confs, &set);
	enum gate_reason r = A_PAIR_SAYS;
	struct who src, dst;

	if (!conf || !f)
		return GATE_NO_POLICY;
	if (f->v6 && (mapped(&f->src) || mapped(&f->dst)) && !conf->default_pass)
		return GATE_NO_CONDUIT;
	who_is(set, &f->src, &src);
	if (is_icmp(f) || (f->proto == PROTO_IGMP && !f->fragment && !f->unsure))
		r = judge_icmp(conf, f, set, port, &src);
	if (r == A_PAIR_SAYS && f->unsure && (!f->whole || needs_no_pair(f))) {
		r = GATE_TO_ENGINE; /* the rest is in another buffer; or is what no pair decides */
	} else if (r == A_PAIR_SAYS) {
		who_is(set, &f->dst, &dst);
		r = (enum gate_reason)judge_pair(f, set, port, &src, &dst);
	}
	/* Who speaks in the name of a zone on the other side does not use up what it may send. */
	if (r != GATE_TO_ENGINE || !src.limited || !port_fits(&src, port))
		return r;
	return zone_limits(set * GATE_ZONES + src.zone, f->opens);
}

/* IP and what follows it.  A function of its own: the verifier then looks at it once, not after
 * each way in which the tags before it can lie.  The enum parse_result. */
__noinline int
parse_net(struct xdp_md *ctx, struct frame *f, __u32 at, __u32 bytes)
{
	struct cursor c = {.data = (const __u8 *)(long)ctx->data,
	    .end = (const __u8 *)(long)ctx->data_end,
	    .at = at,
	    .bytes = bytes};
	enum parse_result r;

	if (!f)
		return PARSE_UNSURE;
	r = f->type == TYPE_IPV6 ? parse_ip6(&c, f) : parse_ip4(&c, f);
	if (r == PARSE_OK)
		parse_transport(&c, f);
	return (int)r;
}

static __always_inline void
count_away(const struct frame *f, bool passed)
{
	__u32 row = f->row - 1;
	struct gate_away *a = bpf_map_lookup_elem(&fast_away, &row);

	if (!a)
		return;
	a->unjudged += passed;
	a->dropped += !passed;
}

/* A TCP segment: early is what the kernel owns, late what the gate would give to the engine. */
static __always_inline enum gate_reason
judge_segment(
    struct xdp_md *ctx, struct fast_hand *hand, __u32 set, __u32 port, const struct gate_conf *conf)
{
	struct frame *f = &hand->f;
	enum gate_reason r;
	int fast;

	/* the usual ones have been asked about */
	if (conf->fast && (f->v6 || f->l3_off != 14) &&
	    fast_frame(ctx, hand, set, port, 0) == FAST_PASS)
		return (enum gate_reason)GATE_FORWARDED;
	r = (enum gate_reason)judge_ip(f, set, port);
	if (r != GATE_TO_ENGINE)
		return r;
	f->away = engine_is_away(ctx, port) ? AWAY : ALIVE;
	fast = fast_frame(ctx, hand, set, port, 1);
	if (fast == FAST_DROP || fast == FAST_UNJUDGED)
		count_away(f, fast == FAST_UNJUDGED);
	return fast == FAST_PASS       ? (enum gate_reason)GATE_FORWARDED
	       : fast == FAST_UNJUDGED ? (enum gate_reason)GATE_PASSED
	       : fast == FAST_DROP     ? GATE_ENGINE_AWAY
	       : fast == FAST_IN_USE   ? GATE_BUSY
				       : r;
}

/*
 * Of what nearly all frames are, TCP in IPv4 without options right behind the Ethernet header and all in
 * the first buffer: the same as the functions below find, in one go.
 */
static __always_inline bool
parse_usual(struct xdp_md *ctx, struct frame *f)
{
	const __u8 *p = (const __u8 *)(long)ctx->data, *end = (const __u8 *)(long)ctx->data_end;
	__u32 ip_end;

	if (p + 54 > end || *(const __u16 *)(p + 12) != __builtin_bswap16(TYPE_IPV4) ||
	    p[14] != 0x45 || p[23] != PROTO_TCP || (load_be16(p + 20) & 0x3fff) != 0)
		return false;
	f->bytes = (__u32)(end - p);
	ip_end = 14 + load_be16(p + 16);
	if (ip_end < 54 || ip_end > f->bytes)
		return false;
	load_mac(f->dmac, p);
	load_mac(f->smac, p + 6);
	load_addr4(&f->src, p + 26);
	load_addr4(&f->dst, p + 30);
	f->sport = load_be16(p + 34);
	f->dport = load_be16(p + 36);
	f->vlan = 0;
	f->v6 = 0;
	f->plain = 1;
	f->l3_off = 14;
	f->l4_off = 34;
	f->ip_end = (__u16)ip_end;
	return true;
}

/* What the kernel owns and can judge is gone before anything else is asked of it. */
static __always_inline bool
passes_early(struct xdp_md *ctx, __u32 port, struct fast_hand *hand)
{
	__u32 zero = 0, set, *cell = bpf_map_lookup_elem(&gate_cell, &zero);
	int r;

	if (!fast_on || !cell || !parse_usual(ctx, &hand->f))
		return false;
	set = *(volatile __u32 *)cell - 1;
	if (set >= GATE_SETS)
		return false;
	r = fast_any(ctx, hand, set, port, 0, false); /* here, not called: a return is dear */
	return r == FAST_PASS ||
	       (r == FAST_IS_UA && fast_flow_ua(ctx, hand, set, port, 0) == FAST_PASS);
}

static __always_inline enum gate_reason
judge(struct xdp_md *ctx, __u32 port, __u32 bytes, struct fast_hand *hand)
{
	struct frame *f = &hand->f;
	struct cursor c = {.data = (const __u8 *)(long)ctx->data,
	    .end = (const __u8 *)(long)ctx->data_end,
	    .bytes = bytes};
	enum parse_result r;
	const struct gate_conf *conf;
	__u32 zero = 0, set, *cell = bpf_map_lookup_elem(&gate_cell, &zero);
	bool ip;

	if (!cell)
		return GATE_NO_POLICY;
	set = *(volatile __u32 *)cell - 1;
	conf = set < GATE_SETS ? bpf_map_lookup_elem(&gate_confs, &set) : NULL;
	if (!conf)
		return GATE_NO_POLICY;
	f->open = conf->fail_open;
	f->whole = parse_whole(&c);
	r = parse_link(&c, f);
	ip = f->type == TYPE_IPV4 || f->type == TYPE_IPV6;
	if (r == PARSE_OK && ip)
		r = (enum parse_result)parse_net(ctx, f, c.at, bytes);
	else if (r == PARSE_OK && f->type == TYPE_ARP && parse_arp(&c, f) == PARSE_OK)
		return (enum gate_reason)judge_arp(f, set, port);
	else if (r == PARSE_OK && !f->whole && c.at + 28 > (__u32)(c.end - c.data))
		return GATE_TO_ENGINE;
	else if (r == PARSE_OK) {
		parse_head(&c, f);
		return judge_other(conf, f);
	}
	f->open = r != PARSE_OK && conf->fail_open;
	switch (r) {
	case PARSE_OK:
		if (fast_on && f->proto == PROTO_TCP && !f->unsure && !f->fragment)
			return judge_segment(ctx, hand, set, port, conf);
		return (enum gate_reason)judge_ip(f, set, port);
	case PARSE_UNSURE:
		return GATE_TO_ENGINE;
	case PARSE_DEPTH:
		return GATE_L2_DEPTH;
	case PARSE_VERSION:
		return GATE_IP_VERSION;
	case PARSE_SHORT:
	default:
		return ip ? GATE_IP_TRUNCATED : GATE_L2_TRUNCATED;
	}
}

/* --- what becomes of it ------------------------------------------------------------------------- */

const volatile __u32 n_cpus = 1;

static __always_inline __u64
counted_by_all(__u32 row)
{
	struct gate_counter *c;
	__u64 sum = 0;

	for (__u32 i = 0; i < n_cpus && i < GATE_CPUS; i++) {
		c = bpf_map_lookup_percpu_elem(&gate_counters, &row, i);
		if (c)
			sum += c->packets;
	}
	return sum;
}

/* Packets that no sample has told of; they are told now. */
static __always_inline __u64
untold(struct gate_pace *pace, __u64 packets)
{
	__u64 was;

	for (int i = 0; i < TAKE_TRIES; i++) {
		was = *(volatile __u64 *)&pace->told;
		if (packets <= was)
			return 0;
		if (__sync_val_compare_and_swap(&pace->told, was, packets) == was)
			return packets - was;
	}
	return 0;
}

/* A denied frame for the alerts, at most GATE_SAMPLE_RATE a second. */
__noinline int
sample(struct xdp_md *ctx, __u32 port, __u32 reason, __u32 bytes)
{
	__u32 row = port * GATE_COUNTS + reason;
	__u32 n = bytes < GATE_SAMPLE_BYTES ? bytes : GATE_SAMPLE_BYTES;
	struct gate_pace *pace = bpf_map_lookup_elem(&gate_paces, &row);
	struct gate_record *rec;

	if (!pace || n == 0 || !bucket_take(&pace->earned, GATE_TICKS_PER_S / GATE_SAMPLE_RATE))
		return 0;
	rec = bpf_ringbuf_reserve(&gate_samples, sizeof(*rec), 0);
	if (!rec)
		return 0; /* nobody reads: what is not told now is told with the next */
	if (bpf_xdp_load_bytes(ctx, 0, rec->bytes, n) < 0)
		n = 0;
	rec->count = untold(pace, counted_by_all(row));
	rec->len = bytes;
	rec->caplen = (__u16)n;
	rec->port = (__u8)port;
	rec->reason = (__u8)reason;
	bpf_ringbuf_submit(rec, 0);
	return 0;
}

/* One answer for a frame: what has been told that it goes up may not be passed unjudged. */
static __always_inline bool
is_away(struct xdp_md *ctx, __u32 port, const struct frame *f)
{
	return f->away == NOT_ASKED ? engine_is_away(ctx, port) : f->away == AWAY;
}

static __always_inline int
gate(struct xdp_md *ctx, __u32 port, void *xsks)
{
	__u32 bytes, reason, row, zero = 0;
	struct fast_hand *hand = bpf_map_lookup_elem(&fast_scratch, &zero);
	struct frame *f;
	struct gate_counter *c;
	long action = XDP_DROP;

	if (!hand)
		return XDP_DROP;
	if (passes_early(ctx, port, hand))
		return XDP_REDIRECT; /* it has been said where to, and counted */
	f = &hand->f;
	__builtin_memset(f, 0, sizeof(*f));
	f->bytes = bytes = (__u32)bpf_xdp_get_buff_len(ctx);
	reason = judge(ctx, port, bytes, hand);
	if (reason == GATE_FORWARDED)
		return XDP_REDIRECT;
	if (fast_on && reason == GATE_TO_ENGINE && is_away(ctx, port, f)) {
		reason = opens(f) && bpf_redirect_map(&fast_ports, port ^ 1, 0) == XDP_REDIRECT
			     ? GATE_PASSED
			     : GATE_ENGINE_AWAY;
		count_away(f, reason == GATE_PASSED);
	}
	if (reason == GATE_PASSED)
		action = XDP_REDIRECT; /* it has been said where to */
	if (reason == GATE_TO_ENGINE) {
		action = bpf_redirect_map(xsks, ctx->rx_queue_index, XDP_DROP);
		if (action != XDP_REDIRECT)
			reason = GATE_ENGINE_AWAY;
	}
	row = port * GATE_COUNTS + reason;
	c = bpf_map_lookup_elem(&gate_counters, &row);
	if (!c)
		return XDP_DROP;
	c->packets++;
	c->bytes += bytes;
	if (reason > GATE_ENGINE_AWAY && reason != GATE_BUSY && reason != GATE_PASSED)
		sample(ctx, port, reason, bytes);
	return (int)action;
}

/* Their names are how a later guard knows them: GATE_PROGRAM in gate.c. */
SEC("xdp.frags")
int
il_gate_out(struct xdp_md *ctx)
{
	return gate(ctx, 0, &gate_xsks_out);
}

SEC("xdp.frags")
int
il_gate_in(struct xdp_md *ctx)
{
	return gate(ctx, 1, &gate_xsks_in);
}
