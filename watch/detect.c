/* SPDX-License-Identifier: Apache-2.0 */
/* detect.c - see detect.h: what is told and how often, time, and the memory of who is who. */
#include "watch/detect.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "watch/detect_int.h"

#define STEP_MAX	MINUTE /* of time listened for, from one packet to the next */
#define BACK_MAX	SECOND /* a packet that is older by less is only out of order */
#define SILENCE_TIMES	8u     /* the longest pause while learning */
#define SILENCE_MIN	(10 * SECOND)
#define SILENCE_PERIODS 20u /* learned at least: else it is no regular question */
#define SILENCE_CONVS	64u /* looked at per call */
#define EVICT_SAMPLES	16u
#define TICK		(SECOND / 10)

/* --- life --------------------------------------------------------------------------------------- */

/* Anomalies that a well-behaved peer does not have, by name; those of bookkeeping are not among them. */
static const char *const violations[] = {"length_over", "crc", "quantity_zero", "quantity_over",
    "byte_count", "address_overflow", "coil_value", "file_reference_type", "file_record",
    "function_zero", "exception_request", "pdu_over", "tsdu_long", "rosctr", "foreign",
    "count_zero", "item_length", "header", "body_short", "body_long", "body_bad", "adu_length",
    "message_size", "chunk_size", "diag_data", "device_id_code"};

static void
masks_init(struct detect *d)
{
	for (unsigned p = 0; p < n_dissectors && p < MASKS; p++)
		for (unsigned bit = 0; bit < FACT_A_ENGINE; bit++) {
			const char *name = fact_anomaly_name((uint8_t)p, bit);

			for (size_t i = 0; name && i < sizeof(violations) / sizeof(violations[0]);
			     i++)
				if (strcmp(name, violations[i]) == 0)
					d->violation[p] |= UINT64_C(1) << bit;
		}
}

static uint32_t
word_of(const struct dis_key *k, const char *word)
{
	for (uint32_t i = 0; k->words[i]; i++)
		if (strcasecmp(k->words[i], word) == 0)
			return i;
	return UINT32_MAX - 1;
}

/* Where OPC UA says how a session is protected: by the names that rules have for it. */
static void
ua_init(struct detect *d)
{
	const struct dissector *ua = dissector_lookup("opcua", NULL);

	for (unsigned i = 0; ua && i < ua->schema->n_keys; i++) {
		const struct dis_key *k = &ua->schema->keys[i];

		if (k->kind != KEY_WORD || !k->map)
			continue;
		if (strcmp(k->name, "policies") == 0) {
			d->ua.policy = k->prop;
			d->ua.none = word_of(k, "None");
			d->ua.known = true;
		} else if (strcmp(k->name, "user-tokens") == 0) {
			d->ua.token = k->prop;
			d->ua.anonymous = word_of(k, "anonymous");
			d->ua.username = word_of(k, "username");
		}
	}
}

struct detect *
detect_new(const struct detect_conf *conf)
{
	struct detect *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->conf = *conf;
	d->c = conf->convs;
	d->seed = hash_seed_make(conf->seed);
	d->c->learning = conf->learn_ns != 0;
	d->heard = 1; /* 0 is never */
	masks_init(d);
	ua_init(d);
	if (pool_init(&d->parties, PARTIES_MAX, sizeof(struct party)))
		return d;
	detect_free(d);
	return NULL;
}

void
detect_watch(struct detect *d, const struct watch_list *list)
{
	d->conf.watch = list;
}

void
detect_free(struct detect *d)
{
	if (!d)
		return;
	free(d->parties.items);
	free(d->parties.bucket);
	free(d);
}

bool
detect_learning(const struct detect *d)
{
	return d->c->learning;
}

struct detect_stats
detect_stats(const struct detect *d)
{
	struct detect_stats st = d->st;

	st.heard_ns = d->heard;
	st.hosts = 0;
	for (uint32_t i = 0; i < d->parties.n; i++)
		st.hosts += PARTY_AT(d, i)->used;
	return st;
}

/* --- time ----------------------------------------------------------------------------------------- */

void
detect_clock(struct detect *d, uint64_t ts_ns)
{
	uint64_t step;

	if (d->last_ns == 0 || (ts_ns < d->last_ns && d->last_ns - ts_ns > BACK_MAX))
		d->last_ns = ts_ns;
	if (ts_ns <= d->last_ns)
		return;
	step = ts_ns - d->last_ns;
	d->heard += step < STEP_MAX ? step : STEP_MAX;
	d->last_ns = ts_ns;
	d->learned_all |= d->c->learning && d->heard >= d->conf.learn_ns;
}

/* --- telling ---------------------------------------------------------------------------------------- */

static void
tell(struct detect *d, enum detection which, const struct net_tuple *t, const struct fact *f,
    uint64_t ts_ns, uint64_t frame, uint64_t flow_id, uint64_t count, const char *note)
{
	const struct event ev = {.kind = EVENT_DETECTION,
	    .cond = (uint8_t)which,
	    .ts_ns = ts_ns,
	    .frame = frame,
	    .flow_id = flow_id,
	    .tuple = t,
	    .to_client = f && f->dir == DIR_TO_CLIENT,
	    .verdict = {.rule = RULE_NONE, .conduit = RULE_NONE},
	    .fact = f,
	    .note = note,
	    .count = count};

	if (d->conf.sink)
		d->conf.sink(d->conf.ctx, &ev);
}

/* The hour is over, or the place is wanted. */
static void
slot_end(struct detect *d, struct slot *s)
{
	char note[RECORD_NOTE_TEXT];

	if (s->key != 0 && s->counted != 0) {
		snprintf(note, sizeof(note), "%llu more since it was told%s",
		    (unsigned long long)s->counted,
		    s->by_sender ? ", this is the last one it was done to" : "");
		tell(d, s->which, &s->tuple, NULL, s->ts_ns, s->frame, 0, s->counted, note);
		d->st.told++;
	}
	s->key = 0;
}

static struct slot *
slot_get(struct detect *d, uint64_t key)
{
	struct slot *set = &d->slot[key % (SLOTS / SLOT_WAYS) * SLOT_WAYS], *old = set;

	for (unsigned i = 0; i < SLOT_WAYS; i++)
		if (set[i].key == key)
			return &set[i];
	for (unsigned i = 0; i < SLOT_WAYS; i++)
		if (set[i].key == 0)
			return &set[i];
		else if (set[i].begun < old->begun)
			old = &set[i];
	slot_end(d, old);
	return old;
}

void
detect_tell(struct detect *d, const struct finding *f, const char *fmt, ...)
{
	const struct net_tuple *t = f->tuple;
	struct net_addr a = t->proto ? t->src : party_of_mac(t->smac);
	struct net_addr b = t->proto ? t->dst : party_of_mac(t->dmac);
	uint64_t key = hash_mix(d->seed, hash_16(d->seed, a.b),
	    hash_mix(d->seed, f->by_sender ? 0 : hash_16(d->seed, b.b), 1u + f->which));
	char note[RECORD_NOTE_TEXT];
	struct slot *s;
	va_list ap;

	if (expected_is(d, f)) {
		d->st.expected++;
		return;
	}
	key = key ? key : 1;
	d->st.found++;
	s = slot_get(d, key);
	if (s->key == key && detect_since(d, s->begun) >= HOUR)
		slot_end(d, s);
	if (s->key != key)
		*s = (struct slot){.key = key,
		    .begun = d->heard,
		    .which = (uint8_t)f->which,
		    .by_sender = f->by_sender};
	for (unsigned i = 0; i < s->n; i++)
		if (s->variant[i] == f->variant || s->n == VARIANTS) {
			d->st.counted++;
			if (f->lasts)
				return;
			s->counted++;
			s->tuple = *t;
			s->ts_ns = f->ts_ns;
			s->frame = f->frame;
			return;
		}
	s->variant[s->n++] = f->variant;
	va_start(ap, fmt);
	vsnprintf(note, sizeof(note), fmt, ap);
	va_end(ap);
	tell(d, f->which, t, f->fact, f->ts_ns, f->frame, f->flow_id, 0, note);
	d->st.told++;
}

void
detect_end(struct detect *d)
{
	for (unsigned i = 0; i < SLOTS; i++)
		slot_end(d, &d->slot[i]);
}

/* --- who ---------------------------------------------------------------------------------------------- */

struct net_addr
party_of_mac(const uint8_t mac[6])
{
	struct net_addr a = {{0xff, 0x00}}; /* multicast of scope 0: reserved (RFC 4291 2.7) */

	memcpy(a.b + 10, mac, 6);
	return a;
}

bool
party_is_mac(const struct net_addr *a)
{
	return a->b[0] == 0xff && a->b[1] == 0;
}

static void
party_evict(struct detect *d)
{
	uint32_t worst = NONE;

	for (unsigned k = 0; k < EVICT_SAMPLES; k++) {
		uint32_t i = d->sample = (d->sample + 1) % d->parties.max;
		const struct party *h = PARTY_AT(d, i), *w = PARTY_AT(d, worst);

		if (h->used && (!w || h->learned < w->learned ||
				   (h->learned == w->learned && h->heard < w->heard)))
			worst = i;
	}
	if (worst == NONE)
		return;
	PARTY_AT(d, worst)->used = false;
	pool_give(&d->parties, worst);
	d->st.evicted_hosts++;
}

struct party *
party_get(struct detect *d, const struct net_addr *ip, bool *is_new)
{
	uint64_t hash = hash_16(d->seed, ip->b);
	struct party *h = pool_find(&d->parties, hash);

	*is_new = !h;
	if (!h && !(h = pool_take(&d->parties, hash))) {
		party_evict(d);
		h = pool_take(&d->parties, hash);
	}
	if (h && *is_new) {
		h->ip = *ip;
		h->used = true;
		h->learned = d->c->learning;
	}
	if (h)
		h->heard = d->heard;
	return h;
}

/* --- silence --------------------------------------------------------------------------------------------- */

static void
silence_of(struct detect *d, struct conv *v)
{
	struct net_tuple t = {
	    .src = v->client, .dst = v->server, .dport = v->port, .vlan = v->vlan, .proto = v->l4};

	for (uint32_t i = v->fns; i != NONE; i = FN_AT(d->c, i)->cell.next) {
		struct conv_fn *fn = FN_AT(d->c, i);
		uint64_t limit = fn->period_max * SILENCE_TIMES;
		const struct finding f = {
		    .which = DETECTION_POLL_SILENCE, .tuple = &t, .ts_ns = d->last_ns};

		limit = limit < SILENCE_MIN ? SILENCE_MIN : limit;
		if (fn->silent || fn->periods < SILENCE_PERIODS || fn->heard == 0 ||
		    detect_since(d, fn->heard) < limit)
			continue;
		fn->silent = true;
		detect_tell(d, &f, "%s was asked at least every %llu ms, and is not since %llu s",
		    fn->op ? fn->op : "it", (unsigned long long)(fn->period_max / 1000000),
		    (unsigned long long)((detect_since(d, fn->heard)) / SECOND));
	}
}

static void
look_round(struct detect *d)
{
	const struct pool *p = &d->c->pool[POOL_CONV];

	for (unsigned k = 0; detect_judges(d) && k < SILENCE_CONVS && p->n != 0; k++) {
		struct conv *v = CONV_AT(d->c, d->tick_at = (d->tick_at + 1) % p->n);

		if (v->used && v->learned && v->fns != NONE)
			silence_of(d, v);
	}
	for (unsigned k = 0; k < SILENCE_CONVS; k++) {
		struct slot *s = &d->slot[d->tick_slot = (d->tick_slot + 1) % SLOTS];

		if (s->key != 0 && detect_since(d, s->begun) >= HOUR)
			slot_end(d, s);
	}
}

void
detect_burst(struct detect *d)
{
	if (d->learned_all && d->c->learning) {
		d->c->learning = false;
		d->baseline = true;
	}
	if (detect_since(d, d->tick_heard) < TICK)
		return;
	d->tick_heard = d->heard;
	look_round(d);
}
