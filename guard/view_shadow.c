/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view_shadow.c - what a policy beside the one in force would have done, as JSON (view.h).
 *
 * The report lies in memory of the worker's: each index is asked for, each text is cut and cleaned.
 */
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/jw.h"
#include "guard/view_int.h"

static const char *const ways[SHADOW__WAYS] = {"stop", "pass"};
static const char *const whats[] = {"pdu", "condition", "connection"};

bool
view_shadow_snapshot(const struct guard_view *v, struct shadow_report *out)
{
	const struct guard_shared *s = v->shared;

	if (!v->shadow || !s)
		return false;
	for (unsigned i = 0; i < 1000; i++) {
		uint32_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);

		*out = s->shadow;
		atomic_thread_fence(memory_order_acquire);
		if (!(seq & 1) && atomic_load_explicit(&s->seq, memory_order_relaxed) == seq)
			return out->generation == policy_generation(v->shadow) &&
			       out->n <= SHADOW_KINDS;
	}
	return false;
}

/* A text of the worker's, printable and with an end. */
static void
put_clean(struct jw *w, const char *key, const char *text, size_t size)
{
	char buf[SHADOW_NAME];
	size_t n = strnlen(text, size < sizeof(buf) ? size : sizeof(buf) - 1);

	for (size_t i = 0; i < n; i++)
		buf[i] = (char)(text[i] < ' ' || text[i] > '~' ? '?' : text[i]);
	buf[n] = '\0';
	jw_str(w, key, buf);
}

static void
put_null(struct jw *w, const char *key)
{
	jw_key(w, key);
	jw_raw(w, "null", 4);
}

/* Who decided, in the words of that policy. */
static void
put_verdict(struct jw *w, const char *key, const struct policy *pol, const struct verdict *v)
{
	struct policy_rule_info rule;

	jw_obj(w, key);
	jw_str(w, "action",
	    verdict_action_name(v->action <= VERDICT_RESET ? v->action : VERDICT_DROP));
	jw_str(w, "reason", v->reason <= REASON_PLACE ? policy_reason_name(v->reason) : "unknown");
	if (v->conduit < policy_conduit_count(pol))
		jw_str(w, "conduit", policy_conduit_name(pol, v->conduit));
	else
		put_null(w, "conduit");
	if (v->reason == REASON_RULE && policy_rule_info(pol, v->rule, &rule) == 0) {
		jw_str(w, "rule", rule.name);
		jw_u(w, "line", rule.line);
	} else if (v->reason == REASON_CONDITION && v->rule < COND__MAX) {
		jw_str(w, "condition", policy_cond_name((uint8_t)v->rule));
	}
	jw_close(w, '}');
}

static void
put_end(struct jw *w, const char *key, const struct policy *pol, const struct net_addr *a,
    uint16_t port)
{
	char text[NET_ADDR_STRLEN];
	const char *name = policy_device_name(pol, a);

	jw_obj(w, key);
	if (name)
		jw_str(w, "device", name);
	jw_str(w, "ip", net_addr_str(a, text));
	jw_u(w, "port", port);
	jw_close(w, '}');
}

/* "holding 100..119" */
static void
put_object(struct jw *w, const struct shadow_example *x)
{
	const struct dis_schema *sc = dissectors[x->proto]->schema;
	char range[96], text[160];
	uint32_t last = x->first + (x->count ? x->count - 1 : 0);

	if (x->name[0] != '\0') {
		put_clean(w, "object", x->name, sizeof(x->name));
		return;
	}
	if (!sc || x->space >= sc->n_spaces || x->count == 0 || last < x->first)
		return;
	if (sc->show_range) {
		(void)sc->show_range(x->space, x->sub, x->first, last, range, sizeof(range));
		jw_str(w, "object", range);
		return;
	}
	if (last == x->first)
		(void)snprintf(text, sizeof(text), "%s %u", sc->spaces[x->space].name, x->first);
	else
		(void)snprintf(
		    text, sizeof(text), "%s %u..%u", sc->spaces[x->space].name, x->first, last);
	jw_str(w, "object", text);
}

static void
put_example(struct jw *w, const struct policy *pol, const struct shadow_example *x)
{
	jw_obj(w, NULL);
	jw_when(w, "time", x->ts_ns);
	put_end(w, "from", pol, &x->tuple.src, x->tuple.sport);
	put_end(w, "to", pol, &x->tuple.dst, x->tuple.dport);
	if (x->has_fact) {
		if (x->proto < n_dissectors)
			jw_str(w, "proto", dissectors[x->proto]->name);
		put_clean(w, "op", x->op, sizeof(x->op));
		if (x->proto < n_dissectors) {
			jw_u(w, "unit", x->unit);
			if (x->has_item)
				put_object(w, x);
		}
	}
	jw_close(w, '}');
}

static void
put_kind(struct jw *w, const struct guard_view *v, const struct shadow_kind *k)
{
	if (k->way >= SHADOW__WAYS || k->what > SHADOW_FLOW || k->n_examples > SHADOW_EXAMPLES)
		return;
	jw_obj(w, NULL);
	jw_str(w, "would", ways[k->way]);
	jw_str(w, "what", whats[k->what]);
	jw_u(w, "count", k->count);
	jw_when(w, "first", k->first_ns);
	jw_when(w, "last", k->last_ns);
	put_verdict(w, "in_force", v->policy, &k->live);
	put_verdict(w, "shadow", v->shadow, &k->shadow);
	jw_arr(w, "examples");
	for (uint32_t i = 0; i < k->n_examples; i++)
		put_example(w, v->shadow, &k->example[i]);
	jw_close(w, ']');
	jw_close(w, '}');
}

static void
put_numbers(struct jw *w, const struct shadow_report *r)
{
	jw_u(w, "judged", r->judged[SHADOW_PDU]);
	jw_u(w, "connections", r->judged[SHADOW_FLOW]);
	jw_u(w, "would_stop", r->differ[SHADOW_STOP]);
	jw_u(w, "would_pass", r->differ[SHADOW_PASS]);
}

void
view_shadow_short(struct jw *w, const struct guard_view *v)
{
	static struct shadow_report r;

	if (!v->shadow)
		return;
	jw_obj(w, "shadow");
	jw_str(w, "file", v->shadow_file);
	jw_when(w, "since", v->shadow_ns);
	if (view_shadow_snapshot(v, &r))
		put_numbers(w, &r);
	jw_close(w, '}');
}

void
view_shadow(struct jw *w, const struct guard_view *v)
{
	char hex[2 * CRYPTO_SHA256_LEN + 1];
	static struct shadow_report r;

	jw_bool(w, "on", v->shadow != NULL);
	if (!v->shadow)
		return;
	jw_str(w, "file", v->shadow_file);
	jw_str(w, "site", policy_site(v->shadow));
	jw_str(w, "sha256", crypto_hex(policy_hash(v->shadow), CRYPTO_SHA256_LEN, hex));
	jw_u(w, "generation", policy_generation(v->shadow));
	jw_u(w, "beside", policy_generation(v->policy));
	jw_when(w, "since", v->shadow_ns);
	if (!view_shadow_snapshot(v, &r))
		return; /* no worker, or it has not said anything yet */
	jw_when(w, "first_packet", r.since_ns);
	put_numbers(w, &r);
	jw_u(w, "not_told", r.untold[SHADOW_STOP] + r.untold[SHADOW_PASS]);
	jw_arr(w, "differences");
	for (uint32_t i = 0; i < r.n; i++)
		put_kind(w, v, &r.kind[i]);
	jw_close(w, ']');
}
