/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eve.c - see eve.h.  [EVE] etc/schema.json of Suricata 8.0.
 */
#include "alerts/eve.h"

#include <stdio.h>
#include <string.h>

#include "alerts/class.h"
#include "base/build_id.h"
#include "base/clock.h"
#include "base/jw.h"
#include "policy/window.h"

/* What a line says in words, looked up once. */
struct words {
	char src_ip[NET_ADDR_STRLEN], dst_ip[NET_ADDR_STRLEN];
	const char *src, *dst;	       /* device names or addresses */
	const char *src_dev, *dst_dev; /* device names or NULL */
	const char *conduit, *proto;   /* or NULL */
	struct policy_rule_info rule_info;
	const struct policy_rule_info *rule; /* or NULL */
	const char *object;		     /* "holding 100..119", or "" */
	char name[128];			     /* what it is called in files of `names:`, or "" */
	const struct eve_policy *pol;	     /* or NULL */
	const char *window;		     /* that was not open, or NULL */
};

/* The policy that decided. */
static const struct eve_policy *
policy_of(const struct eve *e, const struct record *r)
{
	uint32_t g = r->verdict.generation ? r->verdict.generation : e->newest;

	for (size_t i = 0; i < EVE_POLICIES; i++)
		if (e->policies[i].policy && e->policies[i].generation == g)
			return &e->policies[i];
	return NULL;
}

/* --- Community ID ------------------------------------------------------------------ */

/* The same flow alarms again and again: remember a few. */
static const char *
community_id(struct eve *e, const struct record *r)
{
	const struct net_tuple *t = &r->tuple;
	struct eve_cid *c = &e->cid[(t->sport ^ t->dport) % EVE_CACHE];

	if (c->sport == t->sport && c->dport == t->dport && c->proto == t->proto &&
	    net_addr_eq(&c->src, &t->src) && net_addr_eq(&c->dst, &t->dst) && c->text[0])
		return c->text;
	if (!eve_community_id(t, c->text)) {
		c->text[0] = '\0';
		return NULL;
	}
	c->src = t->src;
	c->dst = t->dst;
	c->sport = t->sport;
	c->dport = t->dport;
	c->proto = t->proto;
	return c->text;
}

/* --- pieces of a line ------------------------------------------------------------------ */

#define LIT(w, s) jw_raw((w), (s), sizeof(s) - 1)

static void
put(struct jw *w, const char *s)
{
	jw_raw(w, s, strlen(s));
}

/* A string value; WORD for words of ours that need no escape. */
#define TEXT(w, lead, value)                                                                       \
	do {                                                                                       \
		LIT(w, lead);                                                                      \
		jw_quote(w, (value), strlen(value));                                               \
	} while (0)
#define WORD(w, lead, value)                                                                       \
	do {                                                                                       \
		LIT(w, lead "\"");                                                                 \
		put(w, value);                                                                     \
		jw_ch(w, '"');                                                                     \
	} while (0)
#define NUMBER(w, lead, value)                                                                     \
	do {                                                                                       \
		LIT(w, lead);                                                                      \
		jw_dec(w, value);                                                                  \
	} while (0)
/* A member of alert.metadata: a list of one string. */
#define META_TEXT(w, key, value)                                                                   \
	do {                                                                                       \
		TEXT(w, ",\"" key "\":[", value);                                                  \
		jw_ch(w, ']');                                                                     \
	} while (0)
#define META_WORD(w, key, value)                                                                   \
	do {                                                                                       \
		WORD(w, ",\"" key "\":[", value);                                                  \
		jw_ch(w, ']');                                                                     \
	} while (0)
#define META_NUMBER(w, key, value)                                                                 \
	do {                                                                                       \
		NUMBER(w, ",\"" key "\":[\"", value);                                              \
		LIT(w, "\"]");                                                                     \
	} while (0)
#define META_TIME(w, key, value)                                                                   \
	do {                                                                                       \
		LIT(w, ",\"" key "\":[\"");                                                        \
		jw_time(w, value);                                                                 \
		LIT(w, "\"]");                                                                     \
	} while (0)

/* --- what a flow that no dissector claims was named ------------------------------------ */

/* The value of a string member of the record's JSON, as it is written; NULL: not there. */
static const char *
own_member(const struct record *r, const char *key, size_t *n)
{
	const char *p = record_pdu(r), *end = p + r->pdu_len, *stop;
	size_t len = strlen(key);

	if (r->proto != FACT_PROTO_NONE || r->pdu_cut || r->pdu_len == 0 ||
	    !(p = memmem(p, r->pdu_len, key, len)))
		return NULL;
	p += len;
	if (!(stop = memchr(p, '"', (size_t)(end - p)))) /* names hold no quotes: classify.h */
		return NULL;
	*n = (size_t)(stop - p);
	return p;
}

static const char *
app_name(const struct record *r, size_t *n)
{
	return own_member(r, "{\"app\":\"", n);
}

/* As Suricata writes protocols: "tls", "smb"; what has no name has no member. */
static void
app_members(struct jw *w, const struct record *r)
{
	size_t n, host_n;
	const char *name = app_name(r, &n), *host = own_member(r, "\"app_host\":\"", &host_n);

	if (!name || (n == 7 && memcmp(name, "unknown", n) == 0) || memchr(name, ' ', n))
		return;
	LIT(w, ",\"app_proto\":\"");
	for (size_t i = 0; i < n; i++)
		if ((name[i] | 32) >= 'a' && (name[i] | 32) <= 'z')
			jw_ch(w, (char)(name[i] | 32));
		else if (name[i] >= '0' && name[i] <= '9')
			jw_ch(w, name[i]);
	jw_ch(w, '"');
	if (!host || n != 3 || memcmp(name, "TLS", n) != 0 || memchr(host, '\\', host_n))
		return;
	LIT(w, ",\"tls\":{\"sni\":\"");
	jw_raw(w, host, host_n);
	LIT(w, "\"}");
}

/* --- words -------------------------------------------------------------------------- */

static const char *const mode_names[] = {"learn", "alert", "enforce"};

static const char *
proto_name(uint8_t proto, char buf[8])
{
	switch (proto) {
	case NET_PROTO_ICMP:
		return "ICMP";
	case NET_PROTO_TCP:
		return "TCP";
	case NET_PROTO_UDP:
		return "UDP";
	case NET_PROTO_ICMP6:
		return "IPv6-ICMP";
	case 132:
		return "SCTP";
	default:
		snprintf(buf, 8, "%03u", proto);
		return buf;
	}
}

/* An address as short as a reader expects it, without the generality of inet_ntop(). */
static const char *
addr_text(const struct net_addr *a, char buf[NET_ADDR_STRLEN])
{
	char *p = buf;

	if (!net_addr_is4(a))
		return net_addr_str(a, buf);
	for (unsigned i = 12; i < 16; i++) {
		uint8_t v = a->b[i];

		if (v >= 100)
			*p++ = (char)('0' + v / 100);
		if (v >= 10)
			*p++ = (char)('0' + v / 10 % 10);
		*p++ = (char)('0' + v % 10);
		*p++ = i < 15 ? '.' : '\0';
	}
	return buf;
}

static char *
mac_text(const uint8_t mac[6], char *buf)
{
	static const char hex[] = "0123456789abcdef";

	for (unsigned i = 0; i < 6; i++) {
		buf[3 * i] = hex[mac[i] >> 4];
		buf[3 * i + 1] = hex[mac[i] & 15];
		buf[3 * i + 2] = i < 5 ? ':' : '\0';
	}
	return buf;
}

static bool
has_mac(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return memcmp(mac, none, 6) != 0;
}

/* "holding 100..119", "DB10.DBB4..5", "ns=2;s=Recipe.Sugar"; "" without an object. */
static const char *
object_text(struct eve *e, const struct record *r, const struct dis_schema *sc)
{
	struct eve_object *o = &e->object[(r->item_first ^ r->item_count << 4 ^ (uint32_t)r->item_hash) %
	    EVE_CACHE];
	struct fact_item it = {.space = r->item_space, .sub = r->item_sub, .first = r->item_first,
	    .count = r->item_count};

	if (!r->has_item || !sc || r->item_space >= sc->n_spaces || r->item_count == 0)
		return "";
	if (o->text[0] && o->first == r->item_first && o->count == r->item_count &&
	    o->sub == r->item_sub && o->space == r->item_space && o->proto == r->proto &&
	    o->hash == r->item_hash && o->more == (r->n_items > 1))
		return o->text;
	if (r->item_name[0]) {
		it.name = r->item_name;
		it.name_len = (uint32_t)strlen(r->item_name);
	}
	dissector_show_item(sc, &it, o->text, RECORD_NAME_MAX + 1);
	if (r->n_items > 1) {
		size_t n = strlen(o->text);

		snprintf(o->text + n, sizeof(o->text) - n, ", ...");
	}
	o->sub = r->item_sub;
	o->first = r->item_first;
	o->count = r->item_count;
	o->hash = r->item_hash;
	o->proto = r->proto;
	o->space = r->item_space;
	o->more = r->n_items > 1;
	return o->text;
}

/* The item that decided, as the engineer calls it.  A node by its text: a cut one has no name. */
static void
name_find(struct words *k, const struct record *r)
{
	struct fact_item it = {.space = r->item_space,
	    .sub = r->item_sub,
	    .first = r->item_first,
	    .count = r->item_count,
	    .name = r->item_name[0] ? r->item_name : NULL,
	    .name_len = (uint32_t)strlen(r->item_name)};

	if (policy_has_names(k->pol->policy) && it.name_len < RECORD_NAME_MAX)
		(void)policy_object_name(k->pol->policy,
		    r->to_client ? &r->tuple.src : &r->tuple.dst, r->proto, &it, k->name,
		    sizeof(k->name));
}

static void
words_find(struct words *k, struct eve *e, const struct record *r)
{
	bool ip = r->has_tuple && r->tuple.proto != 0;

	k->rule = NULL;
	k->name[0] = '\0';
	k->conduit = k->src_dev = k->dst_dev = k->window = NULL;
	k->proto = r->proto < n_dissectors ? dissectors[r->proto]->name : NULL;
	if (ip) {
		k->src = addr_text(&r->tuple.src, k->src_ip);
		k->dst = addr_text(&r->tuple.dst, k->dst_ip);
	} else if (r->has_tuple) {
		k->src = mac_text(r->tuple.smac, k->src_ip);
		k->dst = mac_text(r->tuple.dmac, k->dst_ip);
	} else {
		k->src = k->dst = "";
	}
	k->object =
	    object_text(e, r, r->proto < n_dissectors ? dissectors[r->proto]->schema : NULL);
	k->pol = policy_of(e, r);
	if (!k->pol)
		return;
	if (ip) {
		k->src_dev = policy_device_name(k->pol->policy, &r->tuple.src);
		k->dst_dev = policy_device_name(k->pol->policy, &r->tuple.dst);
		k->src = k->src_dev ? k->src_dev : k->src;
		k->dst = k->dst_dev ? k->dst_dev : k->dst;
	}
	if (r->verdict.reason == REASON_WINDOW && r->kind < EVENT_LOST && r->kind != EVENT_GUARD &&
	    r->verdict.rule < policy_window_count(k->pol->policy))
		k->window = policy_window_name(k->pol->policy, r->verdict.rule);
	if (ip && k->object[0])
		name_find(k, r);
	if (r->verdict.conduit < policy_conduit_count(k->pol->policy))
		k->conduit = policy_conduit_name(k->pol->policy, r->verdict.conduit);
	if (r->verdict.reason == REASON_RULE &&
	    policy_rule_info(k->pol->policy, r->verdict.rule, &k->rule_info) == 0)
		k->rule = &k->rule_info;
}

static void
attack_meta(struct jw *w, const struct words *k, const struct record *r)
{
	const struct attack *hit[ATTACKS_MAX];
	unsigned n = class_attacks(r, k->rule, k->proto, hit);

	if (n == 0)
		return;
	LIT(w, ",\"mitre_technique_id\":[");
	for (unsigned i = 0; i < n; i++) {
		if (i)
			jw_ch(w, ',');
		WORD(w, "", hit[i]->id);
		if (hit[i]->new_id)
			WORD(w, ",", hit[i]->new_id);
	}
	jw_ch(w, ']');
}

/* --- signature: one sentence for people ---------------------------------------------- */

static void
put_op(struct jw *w, const struct words *k, const struct record *r)
{
	size_t n;
	const char *app = app_name(r, &n);

	jw_raw(w, record_op(r), r->op_len);
	if (app) {
		jw_ch(w, ' ');
		jw_raw(w, app, n);
	}
	if (k->object[0]) {
		jw_ch(w, ' ');
		for (const char *c = k->object; *c; c++) { /* a node's name may have both */
			if (*c == '"' || *c == '\\')
				jw_ch(w, '\\');
			jw_ch(w, *c);
		}
	}
	if (k->name[0]) {
		put(w, " (");
		put(w, k->name);
		jw_ch(w, ')');
	}
}

/* Has the protocol units at all? */
static bool
has_units(const struct dis_schema *sc)
{
	for (unsigned i = 0; i < sc->n_keys; i++)
		if (sc->keys[i].kind == KEY_UNIT)
			return true;
	return false;
}

static void
put_anomalies(struct jw *w, const struct record *r, const char *quote, const char *between)
{
	bool any = false;

	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name =
		    r->anomalies >> bit & 1 ? fact_anomaly_name(r->proto, bit) : NULL;

		if (!name)
			continue;
		if (any)
			put(w, between);
		put(w, quote);
		put(w, name);
		put(w, quote);
		any = true;
	}
}

static void
put_pdu_sentence(struct jw *w, const struct words *k, const struct record *r)
{
	put_op(w, k, r);
	if (!k->conduit || r->to_client) { /* a conduit's name says who asks */
		put(w, " from ");
		put(w, k->src);
	}
	if (!k->conduit || !r->to_client) {
		put(w, " to ");
		put(w, k->dst);
	}
	if (r->verdict.reason == REASON_SECURITY) {
		put(w, r->to_client ? " offers less than security asks: " : " is below security: ");
		put(w, policy_key_name(r->verdict.rule));
	} else if (r->verdict.reason == REASON_LIMIT) {
		put(w, " exceeds limit ");
		put(w, policy_key_name(r->verdict.rule));
	} else if (k->window) {
		put(w, " outside window ");
		put(w, k->window);
	} else if (k->rule) {
		put(w, k->rule->deny ? " denied by rule " : " allowed with alert by rule ");
		put(w, k->rule->name);
	} else {
		put(w, k->conduit ? " not allowed by any rule" : ", no conduit allows it");
	}
}

static void
put_flow_sentence(struct jw *w, const struct words *k, const struct record *r)
{
	char buf[8];

	if (r->verdict.reason == REASON_PORT)
		put(w, "port or protocol not served: ");
	put(w, k->src);
	put(w, " to ");
	put(w, k->dst);
	put(w, " ");
	put(w, proto_name(r->tuple.proto, buf));
	if (r->tuple.dport) {
		put(w, " port ");
		jw_dec(w, r->tuple.dport);
	}
	if (r->verdict.reason == REASON_PLACE)
		put(w, ", from another port or VLAN than its zone's");
	else if (r->verdict.reason == REASON_L2)
		put(w, ", from another MAC than declared");
	else if (k->window)
		put(w, ", outside window "), put(w, k->window);
	else if (r->verdict.reason != REASON_PORT)
		put(w, ", no conduit allows it");
}

/* What the appliance says of itself: a sentence of guard_event.def, and what there is more. */
static void
put_guard_sentence(struct jw *w, const struct words *k, const struct record *r)
{
	char buf[8];

	put(w, strncmp(class_guard(r->cond)->name, "watch.", 6) == 0 ? "watch: " : "guard: ");
	put(w, class_guard(r->cond)->text);
	if (k->conduit) {
		put(w, ": conduit ");
		put(w, k->conduit);
	}
	if (k->src[0]) {
		put(w, ": ");
		put(w, k->src);
		put(w, " to ");
		put(w, k->dst);
		if (r->tuple.proto) {
			put(w, " ");
			put(w, proto_name(r->tuple.proto, buf));
		}
		if (r->tuple.dport) {
			put(w, " port ");
			jw_dec(w, r->tuple.dport);
		}
	}
	if (r->note_len + r->op_len > 0) {
		put(w, ": ");
		jw_raw(w, record_op(r), (size_t)r->op_len + r->note_len);
	}
}

/* "download DB1 to plc-caps complete: 500 bytes, sha256 2c5d..., rule everything-known" */
static void
put_transfer_sentence(struct jw *w, const struct words *k, const struct record *r)
{
	char hex[2 * CRYPTO_SHA256_LEN + 1];

	put_op(w, k, r);
	put(w, r->access & ACC_PROGRAM ? " to " : " from ");
	put(w, k->dst);
	put(w, " ");
	put(w, alerts_transfer_name(r->cond));
	if (r->cond != TRANSFER_UNSEEN) {
		put(w, ": ");
		jw_dec(w, r->pdu_full);
		put(w, " bytes, sha256 ");
		put(w, crypto_hex(r->pdu_sha256, sizeof(r->pdu_sha256), hex));
	}
	if (k->rule) {
		put(w, k->rule->deny ? ", denied by rule " : ", rule ");
		put(w, k->rule->name);
	}
}

/* "a controller is told to stop: stop, 10.1.2.66 to 10.1.2.131: what shows it" */
static void
put_detection_sentence(struct jw *w, const struct words *k, const struct record *r)
{
	put(w, "detection ");
	put(w, detection_info(r->cond)->name);
	put(w, ": ");
	put(w, detection_info(r->cond)->text);
	put(w, ": ");
	if (r->has_fact && r->op_len) {
		put_op(w, k, r);
		put(w, ", ");
	}
	put(w, k->src);
	put(w, " to ");
	put(w, k->dst);
	if (r->note_len == 0)
		return;
	put(w, ": ");
	jw_raw(w, record_note(r), r->note_len);
}

static void
signature(struct jw *w, const struct words *k, const struct record *r)
{
	put(w, "Interlock ");
	if (r->kind == EVENT_LOST) {
		put(w, "sensor: ");
		jw_dec(w, r->count);
		put(w, " alerts lost");
		return;
	}
	if (r->kind == EVENT_REMOVED) {
		put(w, "sensor: journal full, ");
		jw_dec(w, r->count);
		put(w, " oldest alerts removed");
		return;
	}
	if (r->kind == EVENT_GUARD) {
		put_guard_sentence(w, k, r);
		return;
	}
	if (r->kind == EVENT_DETECTION) {
		put_detection_sentence(w, k, r);
		return;
	}
	put(w, k->conduit ? k->conduit : r->kind == EVENT_L2 ? "l2" : "default deny");
	put(w, ": ");
	switch (r->kind) {
	case EVENT_FLOW:
		put_flow_sentence(w, k, r);
		return;
	case EVENT_L2:
		put(w, "frame of ");
		put(w, k->src);
		put(w, " to ");
		put(w, k->dst);
		put(w, " not allowed");
		return;
	case EVENT_CONDITION:
		put(w, policy_cond_name(r->cond));
		put(w, ": ");
		if (r->has_fact)
			put_op(w, k, r);
		put(w, r->has_fact ? " from " : "from ");
		put(w, k->src);
		put(w, " to ");
		put(w, k->dst);
		return;
	case EVENT_TRANSFER:
		put_transfer_sentence(w, k, r);
		return;
	case EVENT_ANOMALY:
		put_op(w, k, r);
		put(w, " from ");
		put(w, k->src);
		put(w, " to ");
		put(w, k->dst);
		put(w, " has ");
		put_anomalies(w, r, "", ", ");
		return;
	default:
		put_pdu_sentence(w, k, r);
	}
}

/* --- the line ------------------------------------------------------------------------ */

/* The PDU is JSON that we wrote: only quotes and backslashes need an escape. */
static void
quote_json(struct jw *w, const char *s, size_t n)
{
	const char *end = s + n;
	char *p = w->p;

	if ((size_t)(w->end - p) < 2 * n) {
		w->full = true;
		return;
	}
	while (s < end) {
		if (*s == '"' || *s == '\\')
			*p++ = '\\';
		*p++ = *s++;
	}
	w->p = p;
}

static void
pdu_meta(struct jw *w, const struct record *r)
{
	char hex[2 * CRYPTO_SHA256_LEN + 1];

	if (r->pdu_len == 0)
		return;
	LIT(w, ",\"il_pdu\":[\"");
	quote_json(w, record_pdu(r), r->pdu_len);
	LIT(w, "\"]");
	if (!r->pdu_cut)
		return;
	META_NUMBER(w, "il_pdu_bytes", r->pdu_full);
	META_WORD(w, "il_pdu_sha256", crypto_hex(r->pdu_sha256, sizeof(r->pdu_sha256), hex));
}

const char *
alerts_transfer_name(uint8_t how)
{
	static const char *const names[] = {"complete", "partial", "aborted", "not-followed"};

	return how < TRANSFER__MAX ? names[how] : "unknown";
}

static void
transfer_meta(struct jw *w, const struct record *r)
{
	char hex[2 * CRYPTO_SHA256_LEN + 1];

	META_WORD(w, "il_transfer", alerts_transfer_name(r->cond));
	if (r->cond == TRANSFER_UNSEEN)
		return;
	META_NUMBER(w, "il_bytes", r->pdu_full);
	META_WORD(w, "il_sha256", crypto_hex(r->pdu_sha256, sizeof(r->pdu_sha256), hex));
}

static void
fact_meta(struct jw *w, const struct words *k, const struct record *r)
{
	META_WORD(w, "il_kind", fact_kind_name(r->fact_kind));
	LIT(w, ",\"il_op\":[");
	jw_quote(w, record_op(r), r->op_len);
	jw_ch(w, ']');
	META_WORD(w, "il_access", fact_access_name(r->access));
	if (k->proto && has_units(dissectors[r->proto]->schema))
		META_NUMBER(w, "il_unit", r->unit);
	if (k->object[0])
		META_TEXT(w, "il_object", k->object);
	if (k->name[0])
		META_TEXT(w, "il_name", k->name);
	if (r->kind == EVENT_TRANSFER)
		transfer_meta(w, r);
	if (r->anomalies != 0) {
		LIT(w, ",\"il_anomaly\":[");
		put_anomalies(w, r, "\"", ",");
		jw_ch(w, ']');
	}
	pdu_meta(w, r);
}

static void
verdict_meta(struct jw *w, const struct words *k, const struct record *r)
{
	META_WORD(w, "il_reason", policy_reason_name(r->verdict.reason));
	if (r->verdict.reason == REASON_SECURITY || r->verdict.reason == REASON_LIMIT)
		META_WORD(w, "il_key", policy_key_name(r->verdict.rule));
	if (k->window)
		META_TEXT(w, "il_window", k->window);
	if (r->kind == EVENT_CONDITION)
		META_WORD(w, "il_condition", policy_cond_name(r->cond));
	if (k->rule)
		META_TEXT(w, "il_rule", k->rule->name);
	if (k->conduit)
		META_TEXT(w, "il_conduit", k->conduit);
	META_WORD(w, "il_verdict", verdict_action_name(r->verdict.action));
	if (r->verdict.would != r->verdict.action) {
		META_WORD(w, "il_would", verdict_action_name(r->verdict.would));
		if (r->verdict.mode < sizeof(mode_names) / sizeof(mode_names[0]))
			META_WORD(w, "il_mode", mode_names[r->verdict.mode]);
	}
	if (k->src_dev)
		META_TEXT(w, "il_src", k->src_dev);
	if (k->dst_dev)
		META_TEXT(w, "il_dst", k->dst_dev);
}

/* What a request was allowed by is all there is in the note of one that a permit let pass. */
static void
note_meta(struct jw *w, const char *note, size_t n, bool permit)
{
	if (n == 0)
		return;
	if (permit)
		LIT(w, ",\"il_permit\":[");
	else
		LIT(w, ",\"il_note\":[");
	jw_quote(w, note, n);
	jw_ch(w, ']');
}

static void
guard_meta(struct jw *w, const struct words *k, const struct record *r)
{
	META_WORD(w, "il_event", class_guard(r->cond)->name);
	if (k->conduit)
		META_TEXT(w, "il_conduit", k->conduit);
	if (k->src_dev)
		META_TEXT(w, "il_src", k->src_dev);
	if (k->dst_dev)
		META_TEXT(w, "il_dst", k->dst_dev);
	note_meta(w, record_op(r), (size_t)r->op_len + r->note_len, false); /* one of them */
}

static void
evidence_meta(struct jw *w, const struct event_evidence *e)
{
	char name[EVIDENCE_NAME_MAX], hex[2 * CRYPTO_SHA256_LEN + 1];

	if (e->epoch == 0)
		return;
	META_WORD(w, "il_evidence", evidence_name(e, name));
	META_WORD(w, "il_evidence_sha256", crypto_hex(e->sha256, sizeof(e->sha256), hex));
}

/* What was found without a rule: no verdict, but what it is and what shows it. */
static void
detection_meta(struct jw *w, const struct words *k, const struct record *r)
{
	const char *id = detection_info(r->cond)->attack;

	META_WORD(w, "il_reason", "detection");
	META_WORD(w, "il_detection", detection_info(r->cond)->name);
	if (k->src_dev)
		META_TEXT(w, "il_src", k->src_dev);
	if (k->dst_dev)
		META_TEXT(w, "il_dst", k->dst_dev);
	if (r->has_fact)
		fact_meta(w, k, r);
	note_meta(w, record_note(r), r->note_len, false);
	LIT(w, ",\"mitre_technique_id\":[\"");
	for (; *id; id++)
		if (*id == ' ')
			LIT(w, "\",\"");
		else
			jw_ch(w, *id);
	LIT(w, "\"]");
	if (r->last_frame != 0)
		META_NUMBER(w, "il_frame", r->last_frame);
}

static void
metadata(struct eve *e, struct jw *w, const struct words *k, const struct record *r, uint64_t seq)
{
	NUMBER(w, ",\"metadata\":{\"il_seq\":[\"", seq);
	LIT(w, "\"]");
	if (r->kind == EVENT_GUARD) {
		guard_meta(w, k, r);
		attack_meta(w, k, r);
	} else if (r->kind == EVENT_DETECTION) {
		detection_meta(w, k, r);
	} else if (r->kind < EVENT_LOST) {
		verdict_meta(w, k, r);
		if (r->has_fact)
			fact_meta(w, k, r);
		note_meta(w, record_note(r), r->note_len, r->verdict.permit != 0);
		attack_meta(w, k, r);
		if (r->last_frame != 0)
			META_NUMBER(w, "il_frame", r->last_frame);
	}
	evidence_meta(w, &e->evidence);
	if (r->folded || r->kind >= EVENT_LOST || r->count > 1)
		META_NUMBER(w, "il_count", r->count);
	if (r->folded) {
		META_TIME(w, "il_first", r->first_ns);
		META_TIME(w, "il_last", r->last_ns);
	}
	if (k->pol)
		jw_raw(w, k->pol->tail, k->pol->tail_len);
	else
		jw_raw(w, e->tail, e->tail_len);
}

static void
network(struct eve *e, struct jw *w, const struct words *k, const struct record *r)
{
	const struct net_tuple *t = &r->tuple;
	bool ports = t->sport || t->dport;
	const char *cid;
	char buf[NET_MAC_STRLEN];

	if (t->vlan) {
		NUMBER(w, ",\"vlan\":[", t->vlan);
		jw_ch(w, ']');
	}
	if (t->proto != 0) {
		WORD(w, ",\"src_ip\":", k->src_ip);
		if (ports)
			NUMBER(w, ",\"src_port\":", t->sport);
		WORD(w, ",\"dest_ip\":", k->dst_ip);
		if (ports)
			NUMBER(w, ",\"dest_port\":", t->dport);
		WORD(w, ",\"proto\":", proto_name(t->proto, buf));
		if ((cid = community_id(e, r)) != NULL)
			WORD(w, ",\"community_id\":", cid);
		WORD(w, ",\"direction\":", r->to_client ? "to_client" : "to_server");
	}
	if (k->proto)
		WORD(w, ",\"app_proto\":", k->proto);
	else
		app_members(w, r);
	if (has_mac(t->smac) || has_mac(t->dmac)) {
		WORD(w, ",\"ether\":{\"src_mac\":", mac_text(t->smac, buf));
		WORD(w, ",\"dest_mac\":", mac_text(t->dmac, buf));
		jw_ch(w, '}');
	}
}

size_t
eve_write(struct eve *e, const struct record *r, uint64_t seq, char *buf, size_t size)
{
	char text[1024];
	struct jw w = jw_make(buf, size), sig = jw_make(text, sizeof(text));
	bool blocked = e->enforcing && r->verdict.action >= VERDICT_REJECT && r->kind < EVENT_LOST;
	struct words k;
	struct class class;

	words_find(&k, e, r);
	class = class_of(r, k.rule);
	signature(&sig, &k, r);
	LIT(&w, "{\"timestamp\":\"");
	jw_time(&w, r->ts_ns);
	jw_ch(&w, '"');
	if (r->flow_id != 0) /* 51 bits, as Suricata: exact in every JSON reader */
		NUMBER(&w, ",\"flow_id\":", r->flow_id & ((UINT64_C(1) << 51) - 1));
	if (r->has_tuple && e->port_input_len[r->tuple.port & 1])
		jw_raw(&w, e->port_input[r->tuple.port & 1], e->port_input_len[r->tuple.port & 1]);
	else
		jw_raw(&w, e->input, e->input_len);
	if (e->replay && r->last_frame != 0)
		NUMBER(&w, ",\"pcap_cnt\":", r->last_frame);
	LIT(&w, ",\"event_type\":\"alert\"");
	if (r->has_tuple)
		network(e, &w, &k, r);
	jw_raw(&w, e->host, e->host_len);
	WORD(&w, ",\"alert\":{\"action\":", blocked ? "blocked" : "allowed");
	NUMBER(&w, ",\"gid\":", EVE_GID);
	NUMBER(&w, ",\"signature_id\":", class.id);
	LIT(&w, ",\"rev\":1,\"signature\":");
	jw_quote(&w, text, jw_len(&sig));
	WORD(&w, ",\"category\":", class.category);
	NUMBER(&w, ",\"severity\":", class.severity);
	metadata(e, &w, &k, r, seq);
	return w.full ? 0 : jw_len(&w);
}

void
eve_set_input(struct eve *e, const char *input)
{
	struct jw w = jw_make(e->input, sizeof(e->input));

	if (input && e->replay)
		TEXT(&w, ",\"pcap_filename\":", input);
	else if (input)
		TEXT(&w, ",\"in_iface\":", input);
	e->input_len = w.full ? 0 : jw_len(&w);
}

void
eve_set_ports(struct eve *e, const char *const names[2])
{
	for (size_t i = 0; i < 2; i++) {
		struct jw w = jw_make(e->port_input[i], sizeof(e->port_input[i]));

		if (names[i])
			TEXT(&w, ",\"in_iface\":", names[i]);
		e->port_input_len[i] = w.full ? 0 : jw_len(&w);
	}
}

static size_t
tail_make(char *buf, size_t size, const struct policy *policy)
{
	char hex[2 * CRYPTO_SHA256_LEN + 1];
	struct jw w = jw_make(buf, size);

	if (policy) {
		if (*policy_site(policy) && strlen(policy_site(policy)) < 64)
			META_TEXT(&w, "il_site", policy_site(policy));
		META_WORD(&w, "il_policy", crypto_hex(policy_hash(policy), EVE_POLICY_BYTES, hex));
	}
	META_WORD(&w, "il_build", build_id);
	LIT(&w, "}}}\n");
	return jw_len(&w); /* always fits */
}

bool
eve_add_policy(struct eve *e, const struct policy *pol)
{
	for (size_t i = 0; i < EVE_POLICIES; i++) {
		struct eve_policy *p = &e->policies[i];

		if (p->policy)
			continue;
		p->policy = pol;
		p->generation = policy_generation(pol);
		p->tail_len = tail_make(p->tail, sizeof(p->tail), pol);
		if (p->generation > e->newest)
			e->newest = p->generation;
		return true;
	}
	return false;
}

void
eve_drop_policy(struct eve *e, const struct policy *pol)
{
	for (size_t i = 0; i < EVE_POLICIES; i++)
		if (e->policies[i].policy == pol)
			e->policies[i].policy = NULL;
}

void
eve_init(struct eve *e, const struct policy *policy, const char *sensor, const char *input,
    bool replay, bool enforcing)
{
	struct jw w = jw_make(e->host, sizeof(e->host));

	memset(e->cid, 0, sizeof(e->cid));
	memset(e->object, 0, sizeof(e->object));
	memset(e->policies, 0, sizeof(e->policies));
	e->evidence = (struct event_evidence){0};
	memset(e->port_input_len, 0, sizeof(e->port_input_len));
	e->newest = 0;
	e->replay = replay;
	e->enforcing = enforcing;
	eve_set_input(e, input);
	TEXT(&w, ",\"host\":", sensor);
	e->host_len = w.full ? 0 : jw_len(&w);
	e->tail_len = tail_make(e->tail, sizeof(e->tail), NULL);
	if (policy)
		(void)eve_add_policy(e, policy);
}
