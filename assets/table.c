/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - MACs, addresses, which were seen together, and what was said; the only file that adds to the table. */
#include "assets/table.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/engine.h"

/* Of the memory, per MAC: so many of the others. */
#define HOSTS_PER    1u
#define PAIRS_PER    2u
#define NOTES_PER    4u
#define TALKS_PER    2u
#define STATIONS_MAX (1u << 20)

/* --- memory --------------------------------------------------------------------------------- */

static bool
pool_init(struct pool *p, void **items, uint32_t max, size_t size, bool keyed)
{
	uint32_t slots = 8;

	*p = (struct pool){.max = max};
	while (slots < 2 * max)
		slots *= 2;
	p->mask = slots - 1;
	if (keyed && !(p->index = calloc(slots, sizeof(*p->index))))
		return false;
	*items = calloc(max, size);
	return *items != NULL;
}

/* For a table that moves together. */
static bool
ages_init(struct ages *g, uint32_t n)
{
	g->station = calloc(
	    (size_t)n * (1 + HOSTS_PER + PAIRS_PER + NOTES_PER + TALKS_PER), sizeof(uint32_t));
	g->when = calloc((size_t)n * HOSTS_PER, sizeof(*g->when));
	if (!g->station || !g->when)
		return false;
	g->host = g->station + n;
	g->pair = g->host + (size_t)n * HOSTS_PER;
	g->note = g->pair + (size_t)n * PAIRS_PER;
	g->talk = g->note + (size_t)n * NOTES_PER;
	return true;
}

struct assets *
assets_new(size_t memory_bytes, uint64_t seed)
{
	const size_t each = sizeof(struct station) + HOSTS_PER * sizeof(struct host) +
			    PAIRS_PER * sizeof(struct pair) + NOTES_PER * sizeof(struct note) +
			    TALKS_PER * sizeof(struct talk) +
			    (1 + HOSTS_PER + PAIRS_PER) * 4 * sizeof(uint32_t) +
			    (1 + HOSTS_PER + PAIRS_PER + NOTES_PER + TALKS_PER) * sizeof(uint32_t) +
			    HOSTS_PER * sizeof(uint64_t);
	size_t n = memory_bytes / each;
	struct assets *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	n = n < 1 ? 1 : n > STATIONS_MAX ? STATIONS_MAX : n;
	a->seed = hash_seed_make(seed);
	if (pool_init(
		&a->p_station, (void **)&a->station, (uint32_t)n, sizeof(*a->station), true) &&
	    pool_init(
		&a->p_host, (void **)&a->host, (uint32_t)n * HOSTS_PER, sizeof(*a->host), true) &&
	    pool_init(
		&a->p_pair, (void **)&a->pair, (uint32_t)n * PAIRS_PER, sizeof(*a->pair), true) &&
	    pool_init(
		&a->p_note, (void **)&a->note, (uint32_t)n * NOTES_PER, sizeof(*a->note), false) &&
	    pool_init(
		&a->p_talk, (void **)&a->talk, (uint32_t)n * TALKS_PER, sizeof(*a->talk), false) &&
	    ages_init(&a->age, (uint32_t)n))
		return a;
	assets_free(a);
	return NULL;
}

void
assets_free(struct assets *a)
{
	if (!a)
		return;
	free(a->p_station.index);
	free(a->p_host.index);
	free(a->p_pair.index);
	free(a->station);
	free(a->host);
	free(a->pair);
	free(a->note);
	free(a->talk);
	free(a->age.station);
	free(a->age.when);
	free(a);
}

/* The next place, entered at an index slot (or NULL); NONE: full. */
static uint32_t
pool_take(struct pool *p, uint32_t *slot)
{
	if (p->n == p->max) {
		p->lost++;
		return NONE;
	}
	if (slot)
		*slot = p->n + 1;
	return p->n++;
}

/* --- who ------------------------------------------------------------------------------------ */

static uint64_t
mac_word(const uint8_t mac[6])
{
	uint64_t v = 0;

	memcpy(&v, mac, 6);
	return v;
}

uint32_t
station_get(struct assets *a, const uint8_t mac[6])
{
	struct pool *p = &a->p_station;
	uint64_t key = mac_word(mac);
	uint32_t at = (uint32_t)hash_mix(a->seed, key, 1) & p->mask, i;

	if (key == 0 || (mac[0] & 1) != 0)
		return NONE;
	for (; (i = p->index[at]) != 0; at = (at + 1) & p->mask)
		if (memcmp(a->station[i - 1].mac, mac, 6) == 0)
			return i - 1;
	if ((i = pool_take(p, &p->index[at])) == NONE)
		return NONE;
	a->station[i] = (struct station){0}; /* somebody else may have been there */
	a->station[i].chassis = a->station[i].pairs = a->station[i].notes.first = NONE;
	memcpy(a->station[i].mac, mac, 6);
	return i;
}

static uint32_t *
host_slot(const struct assets *a, const struct net_addr *ip)
{
	const struct pool *p = &a->p_host;
	uint32_t at = (uint32_t)hash_16(a->seed, ip->b) & p->mask, i;

	for (; (i = p->index[at]) != 0; at = (at + 1) & p->mask)
		if (net_addr_eq(&a->host[i - 1].ip, ip))
			break;
	return &p->index[at];
}

uint32_t
host_find(const struct assets *a, const struct net_addr *ip)
{
	return *host_slot(a, ip) - 1; /* 0 becomes NONE */
}

/* Can one device have it?  Not: unspecified, this network, loopback, multicast, broadcast. */
static bool
is_unicast(const struct net_addr *ip)
{
	static const uint8_t zero[15];

	if (net_addr_is4(ip))
		return ip->b[12] != 0 && ip->b[12] != 127 && ip->b[12] < 224;
	return ip->b[0] != 0xff && (memcmp(ip->b, zero, 15) != 0 || ip->b[15] > 1);
}

uint32_t
host_get(struct assets *a, const struct net_addr *ip)
{
	uint32_t *slot = host_slot(a, ip), i;

	if (*slot != 0)
		return *slot - 1;
	if (!is_unicast(ip) || (i = pool_take(&a->p_host, slot)) == NONE)
		return NONE;
	a->host[i] = (struct host){.ip = *ip};
	a->host[i].pairs = a->host[i].talks = a->host[i].notes.first = NONE;
	return i;
}

uint32_t
pair_get(struct assets *a, uint32_t station, uint32_t host, uint16_t vlan)
{
	struct pool *p = &a->p_pair;
	uint32_t at = (uint32_t)hash_mix(a->seed, (uint64_t)station << 32 | host, vlan) & p->mask;
	uint32_t i;
	struct pair *pr;

	if (host == NONE)
		return NONE;
	for (; (i = p->index[at]) != 0; at = (at + 1) & p->mask) {
		pr = &a->pair[i - 1];
		if (pr->station == station && pr->host == host && pr->vlan == vlan)
			return i - 1;
	}
	if ((i = pool_take(p, &p->index[at])) == NONE)
		return NONE;
	pr = &a->pair[i];
	*pr = (struct pair){.station = station, .host = host, .vlan = vlan};
	pr->next_of_host = a->host[host].pairs;
	a->host[host].pairs = i;
	pr->next_of_station = NONE;
	if (station != NONE) {
		pr->next_of_station = a->station[station].pairs;
		a->station[station].pairs = i;
	}
	return i;
}

static void
pair_enter(struct assets *a, uint32_t i)
{
	const struct pool *p = &a->p_pair;
	const struct pair *pr = &a->pair[i];
	uint32_t at =
	    (uint32_t)hash_mix(a->seed, (uint64_t)pr->station << 32 | pr->host, pr->vlan) & p->mask;

	while (p->index[at] != 0)
		at = (at + 1) & p->mask;
	p->index[at] = i + 1;
}

void
assets_index(struct assets *a)
{
	struct pool *const pools[] = {&a->p_station, &a->p_host, &a->p_pair};

	for (size_t k = 0; k < sizeof(pools) / sizeof(pools[0]); k++)
		memset(pools[k]->index, 0, (pools[k]->mask + 1) * sizeof(uint32_t));
	for (uint32_t i = 0; i < a->p_station.n; i++) {
		uint32_t at =
		    (uint32_t)hash_mix(a->seed, mac_word(a->station[i].mac), 1) & a->p_station.mask;

		while (a->p_station.index[at] != 0)
			at = (at + 1) & a->p_station.mask;
		a->p_station.index[at] = i + 1;
	}
	for (uint32_t i = 0; i < a->p_host.n; i++)
		*host_slot(a, &a->host[i].ip) = i + 1;
	for (uint32_t i = 0; i < a->p_pair.n; i++)
		pair_enter(a, i);
}

/* first and last by packet time, which may jump. */
static void
time_seen(uint64_t *first, uint64_t *last, uint64_t now)
{
	if (*first == 0 || now < *first)
		*first = now;
	if (now > *last)
		*last = now;
}

/* --- what sources say ----------------------------------------------------------------------- */

void
claim(struct seen *s, uint32_t station, const struct net_addr *ip)
{
	static const uint8_t flags[N_SOURCES] = {
#define SOURCE(id, confidence, flag) flag,
#define TOLD(...)		     0,
#include "assets/sources.def"
#undef SOURCE
#undef TOLD
	};
	uint32_t i;
	struct pair *p;

	if (station == NONE ||
	    (i = pair_get(s->a, station, host_get(s->a, ip), s->l->vlan)) == NONE)
		return;
	p = &s->a->pair[i];
	p->flags |= flags[s->source];
	time_seen(&p->claim_first_ns, &p->claim_last_ns, s->pkt->ts_ns);
	time_seen(&p->first_ns, &p->last_ns, s->pkt->ts_ns);
}

static struct cur
trimmed(struct cur c)
{
	const uint8_t *nul;

	if (!cur_ok(&c))
		return c;
	while (cur_left(&c) > 0 && (*c.p <= ' '))
		cur_skip(&c, 1);
	if (cur_left(&c) > 0 && (nul = memchr(c.p, 0, cur_left(&c))))
		c.end = nul;
	while (cur_left(&c) > 0 && c.end[-1] <= ' ')
		c.end--;
	return c;
}

struct said {
	uint64_t frame, ns;
	uint32_t unit;
	uint8_t key, source, proto;
};

static void
note(struct assets *a, struct notes *list, const struct said *s, struct cur text)
{
	struct cur c = trimmed(text);
	uint8_t len = (uint8_t)(cur_left(&c) < NOTE_TEXT ? cur_left(&c) : NOTE_TEXT);
	uint32_t i, *link = &list->first;
	struct note *n;

	if (!cur_ok(&c) || len == 0)
		return;
	for (; (i = *link) != NONE; link = &a->note[i].next) {
		n = &a->note[i];
		if (n->key == s->key && n->source == s->source && n->proto == s->proto &&
		    n->unit == s->unit && n->len == len && memcmp(n->text, c.p, len) == 0) {
			n->seen++;
			time_seen(&n->first_ns, &n->last_ns, s->ns);
			return;
		}
	}
	if (list->n == NOTES_EACH) {
		a->notes_over++;
		return;
	}
	if ((i = pool_take(&a->p_note, NULL)) == NONE)
		return;
	n = &a->note[i];
	*n = (struct note){.frame = s->frame,
	    .first_ns = s->ns,
	    .last_ns = s->ns,
	    .seen = 1,
	    .next = NONE,
	    .unit = s->unit,
	    .key = s->key,
	    .source = s->source,
	    .proto = s->proto,
	    .len = len};
	memcpy(n->text, c.p, len);
	*link = i;
	list->n++;
}

static struct said
said_of(const struct seen *s, uint32_t unit, uint8_t key)
{
	return (struct said){s->pkt->frame, s->pkt->ts_ns, unit, key, s->source, s->proto};
}

void
note_station(struct seen *s, uint32_t station, uint8_t key, struct cur text)
{
	const struct said said = said_of(s, NONE, key);

	if (station != NONE)
		note(s->a, &s->a->station[station].notes, &said, text);
}

void
note_host(struct seen *s, uint32_t host, uint32_t unit, uint8_t key, struct cur text)
{
	const struct said said = said_of(s, unit, key);

	if (host != NONE)
		note(s->a, &s->a->host[host].notes, &said, text);
}

/* --- frames --------------------------------------------------------------------------------- */

static const struct asset_source *const sources[N_SOURCES] = {
#define SOURCE(id, ...) &asset_source_##id,
#define TOLD(...)	NULL,
#include "assets/sources.def"
#undef SOURCE
#undef TOLD
};

static bool
fits(const struct asset_source *src, const struct layers *l)
{
	if (src->group && (!l->dmac || memcmp(src->group, l->dmac, 6) != 0))
		return false;
	if (src->ports[0] != 0)
		return l->flags & LAYER_L4 && l->proto == NET_PROTO_UDP &&
		       (l->sport == src->ports[0] || l->dport == src->ports[0] ||
			   (src->ports[1] != 0 &&
			       (l->sport == src->ports[1] || l->dport == src->ports[1])));
	if (src->ip_proto != 0)
		return l->flags & LAYER_IP && l->proto == src->ip_proto;
	return !(l->flags & LAYER_IP) &&
	       (src->ethertype != 0 ? l->ethertype == src->ethertype : l->ethertype < 0x0600);
}

/* Of TCP only the segments that begin with a banner are looked at. */
static bool
is_banner(const struct seen *s)
{
	struct cur c = cur_make(s->pkt->bytes, s->pkt->caplen);
	const uint8_t *p;

	cur_skip(&c, s->l->pay_off);
	c = cur_take(&c, s->l->pay_len);
	p = s->l->proto == NET_PROTO_TCP ? cur_bytes(&c, 5) : NULL;
	return p && (memcmp(p, "HTTP/", 5) == 0 || memcmp(p, "SSH-2", 5) == 0);
}

static void
look(struct seen *s)
{
	const struct layers *l = s->l;
	struct cur c = cur_make(s->pkt->bytes, s->pkt->caplen);

	if (l->flags & LAYER_FRAGMENT ||
	    (l->flags & LAYER_L4 && l->proto != NET_PROTO_UDP && !is_banner(s)))
		return;
	if (l->flags & LAYER_IP) {
		cur_skip(&c, l->pay_off);
		c = cur_take(&c, l->pay_len);
	} else {
		cur_skip(&c, l->l3_off);
		if (l->ethertype < 0x0600 && cur_left(&c) > l->ethertype) /* IEEE 802.3: a length */
			c = cur_take(&c, l->ethertype);
	}
	for (uint8_t i = 0; i < N_SOURCES; i++) {
		if (!sources[i] || !fits(sources[i], l))
			continue;
		s->source = i;
		s->a->read[i]++;
		if (!sources[i]->read(s, c))
			s->a->malformed[i]++;
	}
}

/* Has no router touched it?  They take one off what the sender's system begins with. */
static bool
ttl_fresh(const struct seen *s)
{
	struct cur c = cur_make(s->pkt->bytes, s->pkt->caplen);
	uint8_t ttl;

	cur_skip(&c, s->l->l3_off + (s->l->flags & LAYER_V6 ? 7u : 8u));
	ttl = cur_u8(&c);
	return ttl == 64 || ttl == 128 || ttl == 255 || ttl == 32;
}

static void
ip_frame(struct seen *s)
{
	const struct layers *l = s->l;
	struct net_addr ip = l->flags & LAYER_V6 ? net_addr_from6(l->src) : net_addr_from4(l->src);
	struct pair *p;
	uint32_t i;

	s->host = host_get(s->a, &ip);
	if ((i = pair_get(s->a, s->station, s->host, l->vlan)) == NONE)
		return;
	p = &s->a->pair[i];
	p->packets++;
	time_seen(&p->first_ns, &p->last_ns, s->pkt->ts_ns);
	if (l->flags & LAYER_V6 && ip.b[0] == 0xfe && (ip.b[1] & 0xc0) == 0x80)
		p->flags |= PAIR_LINK;
	else if (ttl_fresh(s))
		p->flags |= PAIR_DIRECT;
}

static void
other_frame(struct seen *s)
{
	struct station *st = &s->a->station[s->station];

	st->packets++;
	time_seen(&st->first_ns, &st->last_ns, s->pkt->ts_ns);
	for (unsigned i = 0; i < st->n_vlans; i++)
		if (st->vlan[i] == s->l->vlan)
			return;
	if (st->n_vlans < VLANS_EACH)
		st->vlan[st->n_vlans++] = s->l->vlan;
}

void
assets_frame(struct assets *a, const struct pkt *p)
{
	struct layers l = {0};
	struct seen s = {.a = a, .pkt = p, .l = &l, .station = NONE, .host = NONE};

	a->frames++;
	time_seen(&a->first_ns, &a->last_ns, p->ts_ns);
	assets_age(a, p->ts_ns);
	if (decode(p, &l) != DROP_NONE) {
		a->undecoded++;
		return;
	}
	if (l.flags & LAYER_ETHERNET && (s.station = station_get(a, l.smac)) == NONE)
		return; /* a multicast sender is none; a full table is counted */
	if (l.flags & LAYER_IP)
		ip_frame(&s);
	if (s.host == NONE && s.station != NONE) /* also who has no address yet */
		other_frame(&s);
	look(&s);
}

/* --- PDUs ----------------------------------------------------------------------------------- */

static uint32_t
talk_get(struct assets *a, uint32_t host, uint8_t proto, bool server)
{
	uint32_t i;

	if (host == NONE)
		return NONE;
	for (i = a->host[host].talks; i != NONE; i = a->talk[i].next)
		if (a->talk[i].proto == proto && a->talk[i].server == server)
			return i;
	if ((i = pool_take(&a->p_talk, NULL)) == NONE)
		return NONE;
	a->talk[i] = (struct talk){.proto = proto, .server = server, .next = a->host[host].talks};
	a->host[host].talks = i;
	return i;
}

static void
peer_add(struct talk *t, uint32_t peer)
{
	for (uint32_t i = 0; i < t->n_peers; i++)
		if (t->peers[i] == peer)
			return;
	if (t->n_peers < TALK_PEERS)
		t->peers[t->n_peers++] = peer;
	else
		t->more_peers++; /* connections, since who they are is not kept */
}

/* The talks of a flow's two ends, found again at once as long as it goes on. */
static const struct flow_memo *
memo_get(struct assets *a, const struct engine_pdu *pdu)
{
	struct flow_memo *m = &a->memo[pdu->flow_index % FLOW_CACHE];
	const struct net_tuple *t = pdu->tuple;
	bool answer = pdu->fact->dir == DIR_TO_CLIENT;
	uint32_t client, server;

	if (m->used && m->flow_id == pdu->flow_id && m->proto == pdu->fact->proto)
		return m;
	client = host_get(a, answer ? &t->dst : &t->src);
	server = host_get(a, answer ? &t->src : &t->dst);
	*m = (struct flow_memo){.flow_id = pdu->flow_id,
	    .proto = pdu->fact->proto,
	    .used = true,
	    .talk = {talk_get(a, client, pdu->fact->proto, false),
		talk_get(a, server, pdu->fact->proto, true)}};
	if (m->talk[0] != NONE && server != NONE)
		peer_add(&a->talk[m->talk[0]], server);
	if (m->talk[1] != NONE && client != NONE)
		peer_add(&a->talk[m->talk[1]], client);
	return m;
}

static unsigned
access_kind(uint8_t access)
{
	static const uint8_t order[ACCESS_KINDS] = {
	    ACC_PROGRAM, ACC_CONTROL, ACC_WRITE, ACC_DIAG, ACC_READ, ACC_SESSION};

	for (unsigned i = 0; i < ACCESS_KINDS; i++)
		if (access & order[i])
			return (unsigned)__builtin_ctz(order[i]);
	return (unsigned)__builtin_ctz(ACC_SESSION);
}

struct putting {
	struct seen *s;
	uint32_t unit;
};

static void
put(void *ctx, enum dis_identity_key key, const void *text, size_t len)
{
	struct putting *p = ctx;

	note_host(p->s, p->s->host, p->unit, (uint8_t)key, cur_make(text, len));
}

/* What the protocol's answers say of who gave them. */
static void
identify(struct assets *a, const struct engine_pdu *pdu, const struct dissector *d)
{
	const struct fact *f = pdu->fact;
	const struct pkt at = {.frame = pdu->frame, .ts_ns = pdu->ts_ns};
	struct seen s = {.a = a,
	    .pkt = &at,
	    .source = SRC_pdu,
	    .proto = f->proto,
	    .station = NONE,
	    .host = host_find(a, &pdu->tuple->src)};
	struct putting p = {&s, NONE};

	for (unsigned i = 0; i < d->schema->n_keys; i++)
		if (d->schema->keys[i].kind == KEY_UNIT)
			p.unit = f->unit;
	d->identity(f, put, &p);
}

/* What nDPI called a flow that nobody claims: a service of its server. */
static void
app_seen(struct assets *a, const struct engine_pdu *pdu)
{
	const struct fact_app *app = pdu->fact->ext;
	const struct pkt at = {.frame = pdu->frame, .ts_ns = pdu->ts_ns};
	struct seen s = {.a = a, .pkt = &at, .source = SRC_app};
	const struct net_addr *server =
	    pdu->fact->dir == DIR_TO_CLIENT ? &pdu->tuple->src : &pdu->tuple->dst;

	if (app && app->app[0] >= 'A' && app->app[0] <= 'Z') /* else it has no name */
		note_host(&s, host_find(a, server), NONE, IDENT_SERVICE,
		    cur_make(app->app, strlen(app->app)));
}

void
assets_fact(struct assets *a, const struct engine_pdu *pdu)
{
	const struct fact *f = pdu->fact;
	bool answer = f->dir == DIR_TO_CLIENT;
	const struct flow_memo *m;
	struct talk *t;

	if (f->proto >= n_dissectors) {
		app_seen(a, pdu);
		return;
	}
	m = memo_get(a, pdu);
	if (m->talk[answer] != NONE) {
		t = &a->talk[m->talk[answer]];
		t->pdus++;
		time_seen(&t->first_ns, &t->last_ns, pdu->ts_ns);
		if (f->kind == FACT_REQUEST && !answer)
			t->asked[access_kind(f->access)]++;
		if (answer && (f->kind == FACT_RESPONSE || f->kind == FACT_EXCEPTION)) {
			t->answers++;
			if (f->kind == FACT_RESPONSE && f->unit < 256)
				t->units[f->unit / 64] |= UINT64_C(1) << (f->unit % 64);
		}
	}
	if (dissectors[f->proto]->identity && f->kind <= FACT_RESPONSE)
		identify(a, pdu, dissectors[f->proto]);
}

void
assets_cert(struct assets *a, const struct engine_cert *cert)
{
	const struct pkt at = {.frame = cert->frame, .ts_ns = cert->ts_ns};
	struct seen s = {.a = a, .pkt = &at, .source = SRC_tls};
	uint32_t host = host_find(a, &cert->server);

	note_host(&s, host, NONE, IDENT_CERT, cur_make(cert->subject, strlen(cert->subject)));
	note_host(&s, host, NONE, IDENT_CERT_ISSUER, cur_make(cert->issuer, strlen(cert->issuer)));
}
