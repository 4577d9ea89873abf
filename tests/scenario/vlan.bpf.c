/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vlan.bpf.c - an end of a cable that lies in a VLAN (IEEE 802.1Q): what is sent gets the tag,
 * what comes with it loses it.  For test topologies on kernels without 8021q.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#define SEC(name) __attribute__((section(name), used))

static long (*vlan_push)(
    struct __sk_buff *skb, __u16 proto, __u16 tci) = (void *)BPF_FUNC_skb_vlan_push;
static long (*vlan_pop)(struct __sk_buff *skb) = (void *)BPF_FUNC_skb_vlan_pop;

SEC("push") int tag(struct __sk_buff *skb)
{
	return vlan_push(skb, __builtin_bswap16(0x8100), VID) == 0 ? TC_ACT_OK : TC_ACT_SHOT;
}

SEC("pop") int untag(struct __sk_buff *skb)
{
	if (skb->vlan_present && (skb->vlan_tci & 0xfff) == VID)
		return vlan_pop(skb) == 0 ? TC_ACT_OK : TC_ACT_SHOT;
	return TC_ACT_SHOT; /* of no VLAN, or another: not for us */
}

SEC("license") char licence[] = "Dual BSD/GPL";
