/* SPDX-License-Identifier: Apache-2.0 */
/* detect_fact.c - what PDUs show: commands, scans, storms, violations, weak protection; and what is not as it was learned. */
#include <stdio.h>
#include <strings.h>

#include "dataplane/engine.h"
#include "watch/detect_int.h"

#define SCAN_UNITS_MANY	 5u    /* asked, and never an answer */
#define SCAN_FNS_MANY	 5u    /* different functions, each refused */
#define SCAN_OBJS_MANY	 8u    /* different objects, each refused at the first time */
#define STORM_EXCEPTIONS 20u   /* in a minute, and most of the answers */
#define FLOOD_REQUESTS	 1000u /* in a second */
#define FLOOD_WRITES	 100u
#define FLOOD_TIMES	 4u /* what was learned */
#define UNSOLICITED_MANY 3u
#define JITTER_TIMES	 4u /* the longest pause while learning */
#define JITTER_MIN	 SECOND
#define PERIODS_LEARNED	 20u
#define CHANGES		 (ACC_WRITE | ACC_CONTROL | ACC_PROGRAM)

struct look {
	struct detect *d;
	const struct engine_pdu *pdu;
	const struct fact *f;
	struct conv *v;
	const struct conv_news *n;
};

static struct finding
finding(const struct look *k, enum detection which, uint64_t variant)
{
	return (struct finding){.which = which,
	    .tuple = k->pdu->tuple,
	    .fact = k->f,
	    .ts_ns = k->pdu->ts_ns,
	    .frame = k->pdu->frame,
	    .flow_id = k->pdu->flow_id,
	    .variant = variant};
}

static uint64_t
op_variant(const struct fact *f)
{
	return 1 + ((uint64_t)f->code << 16 | f->sub);
}

static struct party *
party_of(const struct look *k, bool client)
{
	bool is_new;

	return party_get(k->d, client ? &k->v->client : &k->v->server, &is_new);
}

/* --- commands -------------------------------------------------------------------------------------- */

static bool
has_word(const struct fact *f, const char *word)
{
	struct fact_iter it = {0};
	struct fact_item item;
	size_t n = strlen(word);

	while (fact_next(f, &it, &item))
		for (uint32_t i = 0; item.name && i + n <= item.name_len; i++)
			if (strncasecmp(item.name + i, word, n) == 0)
				return true;
	return false;
}

/* DETECTION__MAX: none. */
static enum detection
command_of(const struct fact *f)
{
	static const struct {
		const char *proto, *op;
		enum detection which;
	} ops[] = {
#define OP(proto, op, which) {proto, op, DETECTION_##which},
#include "watch/ops.def"
#undef OP
	};
	const char *proto = dissectors[f->proto]->name;

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (strcmp(ops[i].op, f->op) == 0 && strcmp(ops[i].proto, proto) == 0)
			return ops[i].which;
	if (f->access & ACC_CONTROL &&
	    strcmp(f->op, "Call") == 0) /* of OPC UA only the name tells */
		return has_word(f, "stop") || has_word(f, "halt")     ? DETECTION_PLC_STOP
		       : has_word(f, "start") || has_word(f, "reset") ? DETECTION_PLC_MODE
								      : DETECTION__MAX;
	return f->access & ACC_PROGRAM ? DETECTION_PROGRAMMING : DETECTION__MAX;
}

static void
commands(const struct look *k)
{
	enum detection which = command_of(k->f);
	struct finding f = finding(k, which, op_variant(k->f));
	bool usual = k->n->fn && k->n->fn->learned && k->v->learned;
	struct party *client;

	if (which == DETECTION__MAX)
		return;
	if (usual && (which == DETECTION_UPLOAD || which == DETECTION_PROGRAMMING))
		return;
	/* pieces and steps of one transfer are one thing */
	if (which == DETECTION_DOWNLOAD || which == DETECTION_UPLOAD ||
	    which == DETECTION_PROGRAMMING)
		f.variant = 1;
	detect_tell(k->d, &f, "access %s", fact_access_name(k->f->access));
	if (!(k->f->access & ACC_PROGRAM) || !(client = party_of(k, true)))
		return;
	if (k->d->c->learning)
		client->programs = true;
	if (!detect_judges(k->d) || client->programs)
		return;
	f = finding(k, DETECTION_PROGRAMMING_SOURCE, 0);
	f.by_sender = true;
	detect_tell(k->d, &f, "while it was learned others did, or nobody");
}

/* --- not as it was learned --------------------------------------------------------------------------- */

static bool
has_learned_writer(const struct look *k)
{
	const struct pool *p = &k->d->c->pool[POOL_CONV];

	for (uint32_t i = 0; i < p->n; i++) {
		const struct conv *o = CONV_AT(k->d->c, i);

		if (o->used && o->learned && o->wrote && o->proto == k->v->proto &&
		    net_addr_eq(&o->server, &k->v->server) &&
		    !net_addr_eq(&o->client, &k->v->client))
			return true;
	}
	return false;
}

/* Of one request the gravest. */
static void
usual(const struct look *k)
{
	const struct conv_news *n = k->n;
	struct finding f;

	if (!detect_judges(k->d))
		return;
	if (n->first_write && k->v->learned) {
		f = finding(k, DETECTION_NEW_WRITER, 0);
		detect_tell(k->d, &f, "it only read while learning");
	} else if (n->first_write && has_learned_writer(k)) {
		f = finding(k, DETECTION_SECOND_MASTER, 0);
		detect_tell(k->d, &f, "another device is its master since learning");
	} else if (!k->v->learned) {
		return; /* the conversation was told */
	} else if (n->fn && n->new_fn) {
		f = finding(k, DETECTION_NEW_FUNCTION, op_variant(k->f));
		detect_tell(k->d, &f, "function %u", k->f->code);
	} else if (n->val) {
		f = finding(k, DETECTION_VALUE, n->val->cell.hash);
		if (n->val->learned_set <= SET_EACH)
			detect_tell(k->d, &f,
			    "object %u: value %u is none of the %u that were written", n->val->at,
			    n->value, n->val->learned_set);
		else
			detect_tell(k->d, &f, "object %u: value %u is not in %u..%u", n->val->at,
			    n->value, n->val->learned_min, n->val->learned_max);
	} else if (n->obj) {
		f = finding(k, DETECTION_NEW_OBJECT, n->obj->cell.hash);
		detect_tell(k->d, &f, "%s", n->obj->access == ACC_WRITE ? "written" : "read");
	}
}

/* How long since the same was asked for, in time that was listened for. */
static void
period(const struct look *k)
{
	struct conv_fn *fn = k->n->fn;
	uint64_t since = fn->heard ? detect_since(k->d, fn->heard) : 0;
	struct finding f;

	if (k->d->c->learning && fn->heard != 0) {
		fn->periods++;
		fn->period_max = since > fn->period_max ? since : fn->period_max;
	} else if (detect_judges(k->d) && fn->periods >= PERIODS_LEARNED && !fn->silent &&
		   since > JITTER_MIN && since > fn->period_max * JITTER_TIMES) {
		f = finding(k, DETECTION_POLL_JITTER, op_variant(k->f));
		detect_tell(k->d, &f, "after %llu ms; at least every %llu ms while learning",
		    (unsigned long long)(since / 1000000),
		    (unsigned long long)(fn->period_max / 1000000));
	}
	fn->heard = k->d->heard;
	fn->silent = false;
}

/* --- too many, too fast ---------------------------------------------------------------------------- */

static void
rates(const struct look *k)
{
	struct conv *v = k->v;
	uint64_t now = k->d->heard, limit;
	struct finding f = finding(k, DETECTION_FLOOD, 0);

	f.lasts = true;
	if (detect_since(k->d, v->rate.second) >= SECOND) {
		v->rate.second = now;
		v->rate.requests = v->rate.writes = 0;
	}
	v->rate.requests++;
	v->rate.writes += (k->f->access & CHANGES) != 0;
	if (k->d->c->learning && v->rate.requests > v->rate.peak)
		v->rate.peak = v->rate.requests;
	limit = v->learned ? v->rate.peak * FLOOD_TIMES : 0;
	if (v->rate.writes >= FLOOD_WRITES && v->rate.requests > limit)
		detect_tell(k->d, &f, "%llu requests that change something within a second",
		    (unsigned long long)v->rate.writes);
	else if (v->rate.requests >= FLOOD_REQUESTS && v->rate.requests > limit)
		detect_tell(k->d, &f, "%llu requests within a second",
		    (unsigned long long)v->rate.requests);
}

static unsigned
units_silent(const struct conv *v)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 4; i++)
		n += (unsigned)__builtin_popcountll(v->units[i] & ~v->rate.units_ok[i]);
	return n;
}

static void
request_scan(const struct look *k)
{
	unsigned n = units_silent(k->v);
	struct finding f = finding(k, DETECTION_SCAN_UNITS, 0);

	f.lasts = true;
	if (n >= SCAN_UNITS_MANY)
		detect_tell(k->d, &f, "%u units that never answered", n);
}

static void
answer_scan(const struct look *k)
{
	struct conv *v = k->v;
	uint64_t now = k->d->heard;
	bool bad = k->f->kind == FACT_EXCEPTION;
	const struct net_tuple back = net_tuple_reverse(k->pdu->tuple);
	struct finding f = finding(k, DETECTION_SCAN_FUNCTIONS, 0);

	f.lasts = true;
	f.tuple = &back; /* who asked did it; the answer shows it */
	if (!bad && k->f->unit < 256)
		v->rate.units_ok[k->f->unit / 64] |= UINT64_C(1) << (k->f->unit % 64);
	if (detect_since(k->d, v->rate.minute) >= MINUTE) {
		v->rate.minute = now;
		v->rate.answers = v->rate.exceptions = 0;
	}
	v->rate.answers++;
	v->rate.exceptions += bad;
	if (!bad)
		return;
	if (k->n->fn && k->n->fn->exceptions == 1 && k->n->fn->answers == 1)
		v->rate.fns_refused++;
	if (k->n->refused_new)
		v->rate.objs_refused++;
	if (v->rate.fns_refused >= SCAN_FNS_MANY)
		detect_tell(k->d, &f, "%u functions, each refused when it was asked for first",
		    v->rate.fns_refused);
	f.which = DETECTION_SCAN_ADDRESSES;
	if (v->rate.objs_refused >= SCAN_OBJS_MANY)
		detect_tell(k->d, &f,
		    "%u runs of objects, each refused when it was asked for first",
		    v->rate.objs_refused);
	f.which = DETECTION_EXCEPTION_STORM;
	if (v->rate.exceptions >= STORM_EXCEPTIONS && v->rate.exceptions * 2 > v->rate.answers)
		detect_tell(k->d, &f, "%llu of %llu answers within a minute",
		    (unsigned long long)v->rate.exceptions, (unsigned long long)v->rate.answers);
}

/* --- what breaks the protocol -------------------------------------------------------------------------- */

static void
violations(const struct look *k)
{
	const uint64_t lost = FACT_A_GAP | FACT_A_MIDSTREAM | FACT_A_RESYNC | FACT_A_TRUNCATED;
	uint64_t a = k->f->anomalies, own;
	const char *name = NULL;
	struct finding f;

	if (a & FACT_A_OVERLAP) {
		f = finding(k, DETECTION_EVASION, 1);
		detect_tell(k->d, &f, "a retransmission with other content");
	}
	if (a & FACT_A_UNSOLICITED && !(a & lost) && ++k->v->rate.unsolicited >= UNSOLICITED_MANY) {
		f = finding(k, DETECTION_EVASION, 2);
		detect_tell(k->d, &f, "%llu answers that nobody asked for",
		    (unsigned long long)k->v->rate.unsolicited);
	}
	if (a & FACT_A_NOT_PROTO) {
		f = finding(k, DETECTION_PROTOCOL_VIOLATION, 1);
		detect_tell(k->d, &f, "not what the port %u promises", k->v->port);
		return;
	}
	if (k->f->proto >= n_dissectors || k->f->proto >= MASKS || a & lost)
		return;
	own = a & k->d->violation[k->f->proto];
	for (unsigned bit = 0; own && bit < FACT_A_ENGINE && !name; bit++)
		name = own >> bit & 1 ? fact_anomaly_name(k->f->proto, bit) : NULL;
	if (!name && k->f->kind != FACT_MALFORMED)
		return;
	f = finding(k, DETECTION_PROTOCOL_VIOLATION, 2 + own);
	detect_tell(k->d, &f, "%s", name ? name : "malformed");
}

/* --- weak protection, wrong company --------------------------------------------------------------------- */

static bool
prop_is(const struct fact *f, uint8_t prop, uint32_t value)
{
	return f->props && f->props->known >> prop & 1 && f->props->num[prop] == value;
}

static void
weak_opcua(const struct look *k)
{
	const struct detect *d = k->d;
	bool anonymous = prop_is(k->f, d->ua.token, d->ua.anonymous);
	struct finding f = finding(k, DETECTION_WEAK_OPCUA, 0);

	if (!d->ua.known || strcmp(k->f->op, "ActivateSession") != 0 ||
	    !prop_is(k->f, d->ua.policy, d->ua.none))
		return;
	detect_tell(k->d, &f, "security policy None%s", anonymous ? ", user anonymous" : "");
	if (!prop_is(k->f, d->ua.token, d->ua.username))
		return;
	f.which = DETECTION_CLEAR_TEXT;
	detect_tell(k->d, &f, "a user name and password over security policy None");
}

/* nDPI has named a flow. */
static void
app(const struct look *k)
{
	static const char *const clear[] = {
	    "FTP_CONTROL", "FTP", "Telnet", "POP3", "IMAP", "RSH", "VNC", "TFTP", "LDAP"};
	const struct fact_app *a = k->f->ext;
	struct finding f = finding(k, DETECTION_CLEAR_TEXT, 0);
	const struct party *s = party_of(k, false);

	if (!a || !a->app || a->app[0] < 'A' || a->app[0] > 'Z')
		return;
	for (size_t i = 0; i < sizeof(clear) / sizeof(clear[0]); i++)
		if (strcmp(a->app, clear[i]) == 0)
			detect_tell(k->d, &f, "%s", a->app);
	f.which = DETECTION_IT_PROTOCOL;
	if (s && s->field && !(detect_judges(k->d) && k->v->learned))
		detect_tell(
		    k->d, &f, "%s is served by a device that speaks a control protocol", a->app);
}

static void
look(const struct look *k)
{
	struct party *h;

	violations(k);
	if (k->f->proto >= n_dissectors) {
		app(k);
		return;
	}
	if (k->f->kind == FACT_REQUEST && k->f->dir == DIR_TO_SERVER) {
		commands(k);
		usual(k);
		if (k->n->fn)
			period(k);
		rates(k);
		request_scan(k);
		weak_opcua(k);
	} else if (k->f->dir == DIR_TO_CLIENT &&
		   (k->f->kind == FACT_RESPONSE || k->f->kind == FACT_EXCEPTION)) {
		answer_scan(k);
		if (k->v->answers == 1) {
			if ((h = party_of(k, false)))
				h->field = true;
			if ((h = party_of(k, true)))
				h->field = true;
		}
	}
}

void
detect_fact(struct detect *d, const struct engine_pdu *pdu)
{
	const struct look k = {d, pdu, pdu->fact, d->c->news.conv, &d->c->news};
	const uint64_t end = d->heard;

	if (!k.v)
		return;
	if (d->when[pdu->frame % (2 * PKT_BURST)].frame == pdu->frame)
		d->heard = d->when[pdu->frame % (2 * PKT_BURST)].heard;
	look(&k);
	d->heard = end;
}
