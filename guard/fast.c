/* SPDX-License-Identifier: Apache-2.0 */
/* fast.c - see fast.h. */
#include "guard/fast.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ebpf/fast.h"
#include "guard/shared.h"

#define MARGIN_NS UINT64_C(10000000) /* the programs' clock is coarse: a tick of the kernel */
#define SETTLE_MS 2	 /* longer than a program runs */
#define READS	  64u	 /* rules whose hits are read in one call */
#define WINDOW	  65535u /* what the engine takes a window for, at least (in_window()) */

_Static_assert(FAST_SENT == KFLOW_SENT && FAST_OPEN == KFLOW_OPEN && FAST_ADU == KFLOW_ADU &&
		   DIS_LENT_OPEN == KFLOW_UA_OPEN && FAST_KNOWN == KFLOW_UA_KNOWN &&
		   FAST_ALIKE == KFLOW_PAYLOAD && FAST_RULE_MAX == FAST_RULES,
    "the engine has room for what an entry holds");

static struct guard_fast {
	struct fast_path path;
	struct fast *fast;
	const struct policy *const *policy;
	struct kflow_key *keys; /* of a predecessor, while they are taken over */
	uint32_t n_keys;
	uint64_t hits[GUARD_RULES];
} the;

static const char *const names[KFLOW__PROTOS] = {
    [KFLOW_MODBUS] = "modbus", [KFLOW_S7] = "s7", [KFLOW_OPCUA] = "opcua"};

static uint8_t
proto_of(const char *name)
{
	uint8_t i = 0;

	while (i < KFLOW__PROTOS && strcmp(names[i], name) != 0)
		i++;
	return i;
}

/* Is the client the lower end? */
static bool
make_key(struct kflow_key *k, const struct net_tuple *t)
{
	int order = memcmp(t->src.b, t->dst.b, 16);
	bool lo = order < 0 || (order == 0 && t->sport <= t->dport);

	memset(k, 0, sizeof(*k));
	memcpy(k->lo, lo ? t->src.b : t->dst.b, 16);
	memcpy(k->hi, lo ? t->dst.b : t->src.b, 16);
	k->lo_port = lo ? t->sport : t->dport;
	k->hi_port = lo ? t->dport : t->sport;
	k->vlan = t->vlan;
	k->proto = t->proto;
	return lo;
}

static bool
serves(void *ctx, uint32_t conduit, const char *proto)
{
	const struct guard_fast *w = ctx;
	const struct gate_spec *s = policy_gate(*w->policy);
	uint8_t p = proto_of(proto);

	return p < KFLOW__PROTOS && conduit < s->n_conduits && s->conduits[conduit].block[p] != 0;
}

static bool
create(void *ctx, uint32_t slot, const struct net_tuple *t, uint32_t conduit, const char *proto)
{
	struct guard_fast *w = ctx;
	struct kflow_key k;
	const struct fast_new new = {.slot = slot,
	    .conduit = conduit,
	    .proto = proto_of(proto),
	    .client_lo = make_key(&k, t),
	    .client_port = t->port & 1u};

	return fast_put(w->fast, &k, &new) == 0;
}

static void
drop(void *ctx, uint32_t slot, const struct net_tuple *t)
{
	struct guard_fast *w = ctx;
	struct kflow_key k;

	(void)slot;
	(void)make_key(&k, t);
	(void)fast_drop(w->fast, &k);
}

/* What is the protocol's own; all zero where it has none. */
static void
lend(const struct dis_lent *l, const struct fast_known *known, struct kflow_offer *to)
{
	struct kflow_ua *ua = &to->ua;

	*ua = (struct kflow_ua){
	    .channel = l->channel,
	    .token = {l->token[0], l->token[1]},
	    .seq = {l->seq[0], l->seq[1]},
	    .max = {l->max[0], l->max[1]},
	    .sig = l->sig,
	    .policy = l->policy,
	    .mode = l->mode,
	    .user = l->user,
	};
	for (unsigned i = 0; i < KFLOW_UA_KNOWN; i++) {
		ua->hash[i] = known[i].hash;
		ua->known[i] = known[i].len;
		ua->rule[i] = known[i].rule;
	}
	for (unsigned i = 0; i < KFLOW_UA_OPEN; i++) {
		ua->open[i] = l->request[i];
		ua->type[i] = l->type[i];
	}
	to->n_open = l->n_open;
}

static void
back(const struct kflow *k, struct dis_lent *l)
{
	const struct kflow_ua *ua = &k->ua;

	*l = (struct dis_lent){
	    .channel = ua->channel,
	    .token = {ua->token[0], ua->token[1]},
	    .seq = {ua->seq[0], ua->seq[1]},
	    .max = {ua->max[0], ua->max[1]},
	    .sig = ua->sig,
	    .policy = ua->policy,
	    .mode = ua->mode,
	    .user = ua->user,
	    .n_open = k->n_open,
	};
	for (unsigned i = 0; i < DIS_LENT_OPEN; i++) {
		l->request[i] = ua->open[i];
		l->type[i] = ua->type[i];
	}
}

static void
offer(void *ctx, uint32_t slot, const struct fast_offer *o)
{
	struct guard_fast *w = ctx;
	struct kflow_offer k = {.seen = o->seen, .generation = o->generation};

	for (unsigned i = 0; i < 2; i++) {
		const struct fast_way *d = &o->way[i], *peer = &o->way[i ^ 1];
		uint32_t win = (uint32_t)peer->win << peer->wscale;

		k.next[i] = d->next;
		k.acked[i] = d->acked;
		k.edge[i] = d->acked + (win < WINDOW ? WINDOW : win);
		k.ts[i] = d->ts;
		k.win[i] = d->win;
		k.wscale[i] = d->wscale;
		k.has_ts |= (uint8_t)((d->ts != 0) << i);
	}
	lend(&o->lent, o->known, &k);
	fast_offer(w->fast, slot, &k);
}

static void
withdraw(void *ctx, uint32_t slot)
{
	struct guard_fast *w = ctx;

	fast_withdraw(w->fast, slot);
}

static void
convert(const struct kflow *k, struct fast_flow *out)
{
	uint64_t now = clock_mono_ns();

	*out = (struct fast_flow){.theirs = k->owner == KFLOW_KERNEL,
	    .lost = k->lost != 0,
	    .n_open = k->n_open,
	    .epoch = k->epoch,
	    .up = k->up,
	    .idle_ns = k->last_ns != 0 && now > k->last_ns ? now - k->last_ns : 0,
	    .packets = k->packets,
	    .bytes = k->bytes,
	    .pdus = k->pdus,
	    .errors = k->errors};
	for (unsigned i = 0; i < 2; i++) {
		const struct kflow_way *d = &k->way[i];
		struct fast_way *to = &out->way[i];

		to->next = d->next;
		to->acked = d->acked;
		to->ts = k->has_ts >> i & 1 ? d->ts : 0;
		to->win = d->win;
		to->wscale = d->wscale;
		to->n_sent = d->n_sent;
		for (unsigned j = 0; j < FAST_SENT; j++) { /* a ring: the oldest first */
			const struct kflow_sent *t =
			    &k->turn[(k->sent_at[i] + j) % FAST_SENT].sent[i];

			to->sent[j] = (struct fast_record){t->seq, t->len, t->hash};
		}
	}
	if (k->proto == KFLOW_OPCUA) {
		back(k, &out->lent);
		return;
	}
	for (unsigned i = 0; i < FAST_OPEN; i++) {
		unsigned at = (k->open_at + i) % FAST_OPEN;

		out->open[i].len = k->open_len[at];
		memcpy(out->open[i].bytes, k->turn[at].head, KFLOW_HEAD);
		memcpy(out->open[i].bytes + KFLOW_HEAD, k->rest[at], FAST_ADU - KFLOW_HEAD);
	}
}

static bool
read_entry(void *ctx, uint32_t slot, const struct net_tuple *t, struct fast_flow *out)
{
	const struct guard_fast *w = ctx;
	struct kflow_key k;
	struct kflow v;

	(void)make_key(&k, t);
	if (fast_read(w->fast, &k, &v) < 0 || v.slot != slot)
		return false;
	convert(&v, out);
	return true;
}

static void
settle(void *ctx)
{
	(void)ctx;
	(void)poll(NULL, 0, SETTLE_MS);
}

static uint64_t
hash(void *ctx, const uint8_t *p, uint32_t n)
{
	const struct guard_fast *w = ctx;

	return fast_hash(w->fast, p, n);
}

/* All keys first: a walk over a table that is being changed may begin anew. */
static bool
left(void *ctx, uint64_t *cursor, uint32_t *slot, struct net_tuple *t, const char **proto,
    struct fast_flow *out)
{
	struct guard_fast *w = ctx;

	if (*cursor == 0 && !w->keys) {
		if (!(w->keys = malloc(KFLOW_MAX * sizeof(*w->keys))))
			return false;
		w->n_keys = fast_keys(w->fast, w->keys, KFLOW_MAX);
	}
	while (*cursor < w->n_keys) {
		const struct kflow_key *k = &w->keys[(*cursor)++];
		struct kflow v;

		if (fast_read(w->fast, k, &v) < 0)
			continue;
		*t = (struct net_tuple){.vlan = k->vlan, .proto = k->proto, .port = v.client_port};
		memcpy(t->src.b, v.client_lo ? k->lo : k->hi, 16);
		memcpy(t->dst.b, v.client_lo ? k->hi : k->lo, 16);
		t->sport = v.client_lo ? k->lo_port : k->hi_port;
		t->dport = v.client_lo ? k->hi_port : k->lo_port;
		*slot = v.slot;
		*proto = names[v.proto < KFLOW__PROTOS ? v.proto : 0];
		convert(&v, out);
		return true;
	}
	free(w->keys);
	w->keys = NULL;
	return false;
}

static const struct fast_ops ops = {.serves = serves,
    .create = create,
    .drop = drop,
    .offer = offer,
    .withdraw = withdraw,
    .read = read_entry,
    .settle = settle,
    .hash = hash,
    .left = left};

void
guard_fast_rule_hits(uint32_t generation, uint64_t *hits, uint32_t n, bool all)
{
	static uint32_t hand;
	/* By generation: the kernel may have the next policy already. */
	int set = fast_set(the.fast, generation);

	if (n > GUARD_RULES)
		n = GUARD_RULES;
	for (uint32_t i = 0; set >= 0 && i < n && (all || i < READS); i++) {
		if (hand >= n)
			hand = 0;
		(void)fast_rule_hits(the.fast, set, hand, &the.hits[hand]);
		hand++;
	}
	memcpy(hits, the.hits, n * sizeof(hits[0]));
}

bool
guard_fast_alive(void)
{
	uint64_t now, last;

	if (!the.fast)
		return true;
	now = clock_mono_ns();
	last = fast_alive_ns(the.fast);
	if (now - last > KFLOW_PULSE_NS - MARGIN_NS)
		return false;
	fast_alive(the.fast, now);
	return true;
}

void
guard_fast_back(void)
{
	if (the.fast)
		fast_alive(the.fast, clock_mono_ns());
}

void
guard_fast_hold(bool on)
{
	if (the.fast)
		fast_hold(the.fast, on ? clock_mono_ns() + GUARD_HOLD_NS : 0);
}

void
guard_fast_new_rules(void)
{
	memset(the.hits, 0, sizeof(the.hits));
}

const struct fast_path *
guard_fast_open(const struct gate *g, const struct policy *const *policy, char *err, size_t size)
{
	if (!(the.fast = fast_open(g, err, size)))
		return NULL;
	the.policy = policy;
	the.path = (struct fast_path){.ops = &ops, .ctx = &the, .slots = KFLOW_MAX};
	return &the.path;
}
