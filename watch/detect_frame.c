/* SPDX-License-Identifier: Apache-2.0 */
/* detect_frame.c - what frames alone show: who is new, who looks for whom, who takes an address, who renames a device. */
#include "base/cur.h"
#include "dataplane/decode.h"
#include "dataplane/pkt.h"
#include "policy/policy.h"
#include "watch/detect_int.h"
#include "watch/public.h"
#include "watch/watch_list.h"

#define SCAN_TARGETS 8u /* that have not answered, in SCAN_TIME */
#define SCAN_TIME    MINUTE
#define SCAN_WAIT    (SECOND / 2) /* nobody needs so long to answer */
#define CLAIM_TIME   MINUTE
#define CLAIM_TURNS  2u

/* PROFINET DCP, IEC 61158-6-10 4.3 */
#define ETHERTYPE_PROFINET 0x8892
enum { DCP_GET_SET = 0xfefd, DCP_SET = 4, DCP_REQUEST = 0 };

struct seen {
	struct detect *d;
	const struct pkt *p;
	const struct layers *l;
	struct net_tuple t;
};

static struct finding
finding(const struct seen *s, enum detection which)
{
	return (struct finding){
	    .which = which, .tuple = &s->t, .ts_ns = s->p->ts_ns, .frame = s->p->frame};
}

static bool
is_unicast(const struct net_addr *a)
{
	if (net_addr_is4(a))
		return a->b[12] != 0 && a->b[12] != 127 && a->b[12] < 224;
	return a->b[0] != 0xff && (a->b[0] | a->b[1] | a->b[15]) > 1;
}

/* --- new ones --------------------------------------------------------------------------------------- */

/* Somebody sends who did not while it was learned.  Behind a router the MAC is its. */
static void
sender(struct seen *s)
{
	struct finding f = finding(s, DETECTION_NEW_DEVICE);
	struct net_addr mac_key;
	struct party *m = NULL, *h = NULL;
	bool new_mac = false, new_ip = false;
	char ip[NET_ADDR_STRLEN], mac[NET_MAC_STRLEN];

	if (s->l->flags & LAYER_ETHERNET && !(s->l->smac[0] & 1)) {
		mac_key = party_of_mac(s->l->smac);
		m = party_get(s->d, &mac_key, &new_mac);
	}
	if (s->l->flags & LAYER_IP && is_unicast(&s->t.src)) {
		h = party_get(s->d, &s->t.src, &new_ip);
		if (h && s->l->smac)
			memcpy(h->mac, s->l->smac, 6);
	}
	if (!detect_judges(s->d) || !((m && new_mac) || (h && new_ip)))
		return;
	f.by_sender = true;
	f.variant = hash_16(s->d->seed, s->t.src.b);
	detect_tell(s->d, &f, "%s%s%s%s", new_mac ? net_mac_str(s->l->smac, mac) : "",
	    new_mac && new_ip ? ", " : "", new_ip ? net_addr_str(&s->t.src, ip) : "",
	    new_mac ? "" : ", by a known MAC");
}

/* A connection, or a datagram, between two who did not talk while it was learned. */
static void
conversation(struct seen *s)
{
	struct finding f = finding(s, DETECTION_NEW_CONVERSATION);
	const struct layers *l = s->l;
	struct conv *v;

	if (!detect_judges(s->d) || !(l->flags & LAYER_IP) || l->flags & LAYER_FRAGMENT)
		return;
	v = conv_find(s->d->c, &s->t.src, &s->t.dst, l->proto, s->t.dport);
	if (!v || v->learned || v->frames[0] + v->frames[1] != 1)
		return;
	f.by_sender = true;
	f.variant = v->cell.hash;
	detect_tell(s->d, &f, "%s %u",
	    l->proto == NET_PROTO_TCP	? "tcp port"
	    : l->proto == NET_PROTO_UDP ? "udp port"
					: "ip protocol",
	    s->t.dport ? s->t.dport : l->proto);
}

/* One end speaks a control protocol, the other has an address of the internet. */
static void
internet(struct seen *s)
{
	struct finding f = finding(s, DETECTION_INTERNET);
	bool out = net_is_public(&s->t.dst), in = net_is_public(&s->t.src);
	const struct party *h;
	struct net_tuple back;
	char ip[NET_ADDR_STRLEN];

	if (out == in || !is_unicast(&s->t.src) || !is_unicast(&s->t.dst))
		return;
	h = pool_find(&s->d->parties, hash_16(s->d->seed, out ? s->t.src.b : s->t.dst.b));
	if (!h || !h->field)
		return;
	back = net_tuple_reverse(&s->t);
	f.tuple = out ? &s->t : &back; /* each pair once, whoever sends */
	f.lasts = true;
	detect_tell(s->d, &f, "%s, and the other end speaks a control protocol",
	    net_addr_str(out ? &s->t.dst : &s->t.src, ip));
}

/* --- scans ------------------------------------------------------------------------------------------- */

static uint64_t
target_hash(const struct detect *d, const struct net_addr *ip, unsigned what)
{
	return hash_mix(d->seed, hash_16(d->seed, ip->b), what) | 1;
}

static void
looks_for(struct seen *s, const struct net_addr *who, const struct net_addr *ip, unsigned what)
{
	struct finding f = finding(s, DETECTION_SCAN_HOSTS);
	uint64_t hash = target_hash(s->d, ip, what), now = s->d->heard;
	unsigned n = 0, own = TARGETS_EACH;
	struct party *h;
	bool is_new;

	if (!is_unicast(ip) || !(h = party_get(s->d, who, &is_new)))
		return;
	for (unsigned i = 0; i < TARGETS_EACH; i++) {
		if (h->target[i].hash == hash)
			own = i;
		else if (h->target[i].hash != 0 &&
			 detect_since(s->d, h->target[i].heard) < SCAN_TIME &&
			 detect_since(s->d, h->target[i].heard) >= SCAN_WAIT)
			n++;
	}
	if (own == TARGETS_EACH) {
		own = h->target_at;
		h->target_at = (uint8_t)((own + 1) % TARGETS_EACH);
		h->target[own].heard = now;
	}
	h->target[own].hash = hash;
	if (n < SCAN_TARGETS)
		return;
	f.by_sender = f.lasts = true;
	detect_tell(s->d, &f, "%u addresses or ports within a minute that did not answer", n);
}

static void
answered(struct seen *s, const struct net_addr *who, const struct net_addr *ip, unsigned what)
{
	uint64_t hash = target_hash(s->d, ip, what);
	struct party *h = pool_find(&s->d->parties, hash_16(s->d->seed, who->b));

	for (unsigned i = 0; h && i < TARGETS_EACH; i++)
		if (h->target[i].hash == hash)
			h->target[i].hash = 0;
}

static void
scan(struct seen *s)
{
	const struct layers *l = s->l;
	unsigned syn = l->tcp_flags & (TCP_SYN | TCP_ACK);
	uint8_t type;
	struct cur c;

	if (l->flags & LAYER_L4 && l->proto == NET_PROTO_TCP) {
		if (syn == TCP_SYN)
			looks_for(s, &s->t.src, &s->t.dst, s->t.dport);
		else if (syn == (TCP_SYN | TCP_ACK))
			answered(s, &s->t.dst, &s->t.src, s->t.sport);
	} else if (l->proto == NET_PROTO_ICMP && !(l->flags & LAYER_FRAGMENT)) {
		c = cur_make(s->p->bytes, s->p->caplen);
		cur_skip(&c, l->pay_off);
		type = cur_u8(&c); /* RFC 792: 8 echo, 0 its reply */
		if (cur_ok(&c) && type == 8)
			looks_for(s, &s->t.src, &s->t.dst, 1u << 16);
		else if (cur_ok(&c) && type == 0)
			answered(s, &s->t.dst, &s->t.src, 1u << 16);
	}
}

/* --- below IP ---------------------------------------------------------------------------------------- */

/* An address that goes to and fro between two MACs.  VRRP has MACs of its own (RFC 9568 7.3). */
static void
claims(struct seen *s, const struct policy_l2 *a)
{
	static const uint8_t vrrp[5] = {0x00, 0x00, 0x5e, 0x00, 0x01};
	struct finding f = finding(s, DETECTION_ADDRESS_CONFLICT);
	struct party *h;
	bool is_new;
	char ip[NET_ADDR_STRLEN], m1[NET_MAC_STRLEN], m2[NET_MAC_STRLEN];

	if (!is_unicast(&a->arp_sip) || memcmp(a->arp_smac, vrrp, 5) == 0 ||
	    !(h = party_get(s->d, &a->arp_sip, &is_new)))
		return;
	if (h->claim_heard != 0 && memcmp(h->claim, a->arp_smac, 6) != 0) {
		h->turns = detect_since(s->d, h->claim_heard) < CLAIM_TIME ? h->turns + 1 : 1;
		if (h->turns >= CLAIM_TURNS)
			detect_tell(s->d, &f, "%s is claimed by %s and by %s",
			    net_addr_str(&a->arp_sip, ip), net_mac_str(h->claim, m1),
			    net_mac_str(a->arp_smac, m2));
	}
	memcpy(h->claim, a->arp_smac, 6);
	h->claim_heard = s->d->heard;
}

static void
arp(struct seen *s)
{
	struct policy_l2 a = {0};
	struct net_addr who;
	struct cur c = cur_make(s->p->bytes, s->p->caplen);
	uint16_t op;

	if (!decode_arp(s->p, s->l, &a) || !a.arp)
		return;
	cur_skip(&c, s->l->l3_off + 6u);
	op = cur_be16(&c); /* RFC 826: 1 request, 2 reply */
	claims(s, &a);
	who = party_of_mac(s->l->smac);
	if (op == 1 && !net_addr_eq(&a.arp_sip, &a.arp_tip))
		looks_for(s, &who, &a.arp_tip, 1u << 17);
	if (op == 2 && s->l->dmac) {
		who = party_of_mac(s->l->dmac);
		answered(s, &who, &a.arp_sip, 1u << 17);
	}
}

static void
profinet(struct seen *s)
{
	struct finding f = finding(s, DETECTION_DEVICE_SET);
	struct cur c = cur_make(s->p->bytes, s->p->caplen);
	unsigned id, service, type, option, sub;

	cur_skip(&c, s->l->l3_off);
	id = cur_be16(&c);
	service = cur_u8(&c);
	type = cur_u8(&c);
	cur_skip(&c, 8); /* xid, delay, length */
	option = cur_u8(&c);
	sub = cur_u8(&c);
	if (!cur_ok(&c) || id != DCP_GET_SET || service != DCP_SET || type != DCP_REQUEST)
		return;
	f.variant = option << 8 | sub;
	detect_tell(s->d, &f, "%s",
	    option == 1 && sub == 2   ? "an IP address is set"
	    : option == 2 && sub == 2 ? "a name of station is set"
	    : option == 5 && sub == 5 ? "back to factory settings"
	    : option == 5	      ? "a control block"
				      : "something else is set");
}

/* Somebody warned of one of the two, or of the card that sends. */
static void
indicators(struct seen *s)
{
	const struct watch_list *list = s->d->conf.watch;
	const struct net_addr mac =
	    s->l->flags & LAYER_ETHERNET ? party_of_mac(s->l->smac) : s->t.src;
	const struct net_addr *const who[] = {&s->t.src, &s->t.dst, &mac};
	struct finding f = finding(s, DETECTION_INDICATOR);
	const struct watch_entry *e = NULL;
	struct net_tuple back;
	char ip[NET_ADDR_STRLEN];
	unsigned i = s->l->flags & LAYER_IP ? 0 : 2;

	for (; i < 3 && !e; i++)
		e = watch_list_lookup(list, who[i], s->p->ts_ns / SECOND);
	if (!e)
		return;
	back = net_tuple_reverse(&s->t);
	f.tuple = i == 2 ? &back : &s->t; /* each pair once, whoever sends */
	f.variant = hash_16(s->d->seed, who[i - 1]->b);
	f.lasts = true;
	detect_tell(s->d, &f, "%s, %s",
	    i == 3 ? net_mac_str(s->l->smac, ip) : net_addr_str(who[i - 1], ip), e->id);
}

void
detect_frame(struct detect *d, const struct pkt *p, const struct layers *l)
{
	struct seen s = {.d = d, .p = p, .l = l};

	detect_clock(d, p->ts_ns);
	d->when[p->frame % (2 * PKT_BURST)].frame = p->frame;
	d->when[p->frame % (2 * PKT_BURST)].heard = d->heard;
	layers_tuple(l, p->port, &s.t);
	sender(&s);
	if (d->conf.watch)
		indicators(&s);
	if (l->flags & LAYER_IP) {
		conversation(&s);
		internet(&s);
		scan(&s);
	} else if (l->flags & LAYER_ARP) {
		arp(&s);
	} else if (l->ethertype == ETHERTYPE_PROFINET) {
		profinet(&s);
	}
}
