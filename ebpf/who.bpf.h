/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * who.bpf.h - from addresses to devices, zones and the conduits between them: what
 * policy/bind.c looks up, in the tables of a set.
 */
#ifndef EBPF_WHO_BPF_H
#define EBPF_WHO_BPF_H

#include "ebpf/maps.bpf.h"

#define NONE (~0u)

/* What an address is by the tables of a set. */
struct who {
	__u32 zone;   /* or NONE */
	__u32 device; /* its end, or NONE */
	__u16 vlan;   /* of the zone; 0: any */
	__u8 port;    /* of the zone, or GATE_PORT_ANY */
	__u8 ends;    /* bits GATE_IS_FROM and GATE_IS_TO, of device and zone */
	__u8 has_mac;
	__u8 limited; /* the zone */
	__u16 mac[3];
};

__noinline int
who_is(__u32 set, const struct addr *a, struct who *w)
{
	void *devices = bpf_map_lookup_elem(&gate_devices, &set), *nets;
	const struct gate_device_row *d;
	const struct gate_zone_row *z;
	struct gate_net_key key;
	__u32 *zone, row;

	if (!a || !w || !devices)
		return 0;
	w->zone = w->device = NONE;
	w->port = GATE_PORT_ANY;
	w->ends = 0;
	w->vlan = 0;
	w->has_mac = 0;
	w->limited = 0;
	d = bpf_map_lookup_elem(devices, a);
	if (d) {
		w->zone = d->zone;
		w->device = (__u32)GATE_END_DEVICE << GATE_END_SHIFT | d->index;
		w->ends = d->ends;
		w->has_mac = d->has_mac;
		w->mac[0] = d->mac[0];
		w->mac[1] = d->mac[1];
		w->mac[2] = d->mac[2];
	} else {
		nets = bpf_map_lookup_elem(&gate_nets, &set);
		key.len = 128;
		__builtin_memcpy(key.addr, a, sizeof(key.addr));
		zone = nets ? bpf_map_lookup_elem(nets, &key) : NULL;
		if (!zone)
			return 0;
		w->zone = *zone;
	}
	row = set * GATE_ZONES + w->zone;
	z = bpf_map_lookup_elem(&gate_zones, &row);
	if (!z)
		return 0;
	w->port = z->port;
	w->vlan = z->vlan;
	w->limited = z->limited != 0;
	/* `zone` stands for its declared devices, `zone/any` for whoever has an address in it */
	w->ends |= d ? z->ends : z->ends & (GATE_IS_FROM(GATE_END_ANY) | GATE_IS_TO(GATE_END_ANY));
	return 0;
}

static __always_inline bool
mac_eq(const __u16 *a, const __u16 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

static __always_inline bool
mac_fits(const struct who *w, const __u16 *mac)
{
	return !w->has_mac || mac_eq(w->mac, mac);
}

/* RFC 4291 2.5.2, RFC 1122 3.2.1.3: nobody's address yet. */
static __always_inline bool
unspecified(const struct addr *a)
{
	return (a->d[0] | a->w_be[3]) == 0 &&
	       (a->w_be[2] == 0 || a->w_be[2] == (__be32)__builtin_bswap32(0xffff));
}

/* fe80::/10 (RFC 4291 2.5.6): in no zone, and yet hosts ask from it. */
static __always_inline bool
link_local(const struct addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* The form that IPv4 has in the tables; in an IPv6 header nobody's (RFC 4942 2.2). */
static __always_inline bool
mapped(const struct addr *a)
{
	return a->d[0] == 0 && a->w_be[2] == (__be32)__builtin_bswap32(0xffff);
}

static __always_inline bool
multicast(const struct addr *a)
{
	return a->b[0] == 0xff || (mapped(a) && (a->b[12] & 0xf0) == 0xe0);
}

static __always_inline bool
port_fits(const struct who *w, __u32 port)
{
	return w->port == GATE_PORT_ANY || w->port == port;
}

/* When one of the two zones has a VLAN, the frame carries one that they have. */
static __always_inline bool
vlan_fits(__u16 vlan, const struct who *a, const struct who *b)
{
	return (a->vlan == 0 && b->vlan == 0) ||
	       (vlan != 0 && (vlan == a->vlan || vlan == b->vlan));
}

/* The sender is on this side, the receiver on the other; GATE_TO_ENGINE when they are. */
static __always_inline enum gate_reason
misplaced(const struct frame *f, __u32 port, const struct who *src, const struct who *dst)
{
	if (!port_fits(src, port))
		return GATE_IP_SPOOFED;
	if (!port_fits(dst, port ^ 1))
		return GATE_IP_SAME_SIDE;
	return vlan_fits(f->vlan, src, dst) ? GATE_TO_ENGINE : GATE_L2_VLAN;
}

/* --- pairs ------------------------------------------------------------------------------------- */

static __always_inline __u32
end_of(const struct who *w, __u32 kind)
{
	return kind == GATE_END_DEVICE ? w->device : kind << GATE_END_SHIFT | w->zone;
}

/* One try of bind_lookup(): the conduit that is written for these ends, or NONE. */
static __always_inline __u32
pair_try(void *pairs, const struct who *src, const struct who *dst, __u32 from, __u32 to)
{
	struct gate_pair_key key = {end_of(src, from), end_of(dst, to)};
	__u32 *conduit;

	if (!(src->ends & GATE_IS_FROM(from)) || !(dst->ends & GATE_IS_TO(to)))
		return NONE;
	conduit = bpf_map_lookup_elem(pairs, &key);
	return conduit ? *conduit : NONE;
}

/*
 * The conduit that governs what src opens to dst, or NONE: narrow before wide, in the order of
 * bind_lookup() (policy/bind.c), which counts from the narrowest end that an address
 * has.  An address that is no device has the widest end only.
 */
__noinline int
conduit_of(__u32 set, const struct who *src, const struct who *dst)
{
	void *pairs = bpf_map_lookup_elem(&gate_pairs, &set);
	enum { A = GATE_END_ANY, Z = GATE_END_ZONE, D = GATE_END_DEVICE };
	__u32 c;

	if (!pairs || !src || !dst)
		return (int)NONE;
	if ((c = pair_try(pairs, src, dst, D, D)) != NONE ||
	    (c = pair_try(pairs, src, dst, D, Z)) != NONE ||
	    (c = pair_try(pairs, src, dst, Z, D)) != NONE ||
	    (c = pair_try(pairs, src, dst, D, A)) != NONE ||
	    (c = pair_try(pairs, src, dst, Z, Z)) != NONE ||
	    (c = pair_try(pairs, src, dst, A, D)) != NONE ||
	    (c = pair_try(pairs, src, dst, Z, A)) != NONE ||
	    (c = pair_try(pairs, src, dst, A, Z)) != NONE)
		return (int)c;
	return (int)pair_try(pairs, src, dst, A, A);
}

static __always_inline bool
serves(const struct gate_conduit_row *c, __u8 proto, __u16 port)
{
	__u32 bits = proto == PROTO_TCP ? c->tcp : c->udp;

	for (__u32 i = 0; i < GATE_RANGES && i < c->n_ranges; i++)
		if (bits >> i & 1 && port >= c->range[i] >> 16 && port <= (c->range[i] & 0xffff))
			return true;
	return false;
}

#endif /* EBPF_WHO_BPF_H */
