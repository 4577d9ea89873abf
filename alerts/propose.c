/* SPDX-License-Identifier: Apache-2.0 */
/*
 * propose.c - see propose.h: what alerts say, gathered by rule; and what comes of it, judged before it is handed out.
 *
 * A request is made again out of the text of its alert, as far as rules can ask for it, and given to policy_eval(): by the
 * policy as it is, by the one with the rule as proposed, and by the one with the rule enabled.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/propose_int.h"
#include "base/err.h"
#include "base/jw.h"
#include "policy/explain.h"

#define LINE_MAX_BYTES 32768u /* docs/FORMATS.md section 1 */

struct job {
	struct proposal *out;
	struct policy_source *src;
	const struct policy *old;
	const struct ynode *root; /* of its text, as written */
	struct arena a;
	struct {
		struct wanted **v;
		uint32_t n, cap;
	} wants;
	FILE *rules, *diff, *expected, *notes;
};

static void __attribute__((format(printf, 2, 3))) note(struct job *j, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(j->notes, fmt, ap);
	va_end(ap);
	fputc('\n', j->notes);
}

/* For comments and messages: one line, nothing that a terminal acts on. */
static char *
plain(const char *s, char *buf, size_t size)
{
	size_t n = 0;

	for (; s[n] && n + 1 < size; n++)
		buf[n] = s[n] >= ' ' && s[n] <= '~' ? s[n] : '?';
	buf[n] = '\0';
	return buf;
}

/* --- one request, judged ----------------------------------------------------------------------------------- */

static struct fact_item
fact_item_of(const struct wanted_item *x)
{
	return (struct fact_item){.space = x->space,
	    .access = x->access,
	    .sub = x->sub,
	    .first = x->first,
	    .count = x->name[0] ? 1 : x->count,
	    .name = x->name[0] ? x->name : NULL,
	    .name_len = (uint32_t)strlen(x->name)};
}

static bool
next_item(const struct fact *f, struct fact_iter *it, struct fact_item *out)
{
	const struct wanted *w = f->iter_arg;

	*out = fact_item_of(&w->items[it->i]);
	return true;
}

static struct verdict
judge(const struct policy *pol, const struct wanted *w, const uint8_t *values)
{
	static const struct fact_props props = {
	    .na = UINT32_MAX}; /* who and how is not asked here */
	struct fact f = {.proto = w->proto,
	    .kind = FACT_REQUEST,
	    .access = w->op->access,
	    .code = w->op->code,
	    .sub = w->op->sub,
	    .opx = w->op->opx,
	    .n_items = (uint16_t)w->n_items,
	    .unit = w->unit,
	    .op = w->op->name,
	    .next = next_item,
	    .iter_arg = w,
	    .props = &props};
	struct policy_bind bind;
	struct verdict v = policy_bind(pol, &w->tuple, &bind);

	if (w->n_items != 0) {
		f.item = fact_item_of(&w->items[0]);
		f.item.vals = w->n_values ? values : NULL;
		f.item.enc = w->n_values ? ENC_U16_BE : ENC_NONE;
	}
	return v.would >= VERDICT_REJECT ? v : policy_eval(pol, &bind, &f);
}

static struct verdict
judge_one(const struct policy *pol, const struct wanted *w)
{
	uint8_t values[2 * PROPOSE_VALUES];

	for (uint32_t i = 0; i < w->n_values; i++) {
		values[2 * (size_t)i] = (uint8_t)(w->values[i].min >> 8);
		values[2 * (size_t)i + 1] = (uint8_t)w->values[i].min;
	}
	return judge(pol, w, values);
}

/* How many of the requests of a rule are stopped; *n: of so many. */
static unsigned
stopped(const struct policy *pol, const struct wanted *rule, unsigned *n)
{
	unsigned count = 0;

	*n = 0;
	for (const struct wanted *w = rule->also; w; w = w->also, ++*n)
		count += judge_one(pol, w).would >= VERDICT_REJECT;
	return count;
}

/* --- who ----------------------------------------------------------------------------------------------------- */

/* Does a conduit speak of all devices of the zone? */
static bool
zone_is_end(const struct ynode *root, const char *zone)
{
	static const char *const ends[] = {"from", "to"};
	const struct ynode *conduits = wanted_get(root, "conduits");

	for (uint32_t i = 0; conduits && conduits->kind == Y_LIST && i < conduits->n; i++)
		for (unsigned k = 0; k < 2; k++) {
			const struct ynode *list = wanted_get(conduits->kids[i], ends[k]);

			for (uint32_t n = 0; list && list->kind == Y_LIST && n < list->n; n++)
				if (list->kids[n]->kind == Y_SCALAR &&
				    strcmp(list->kids[n]->s, zone) == 0)
					return true;
		}
	return false;
}

/* What the policy calls an address, or is to.  False: said why. */
static bool
end_of(struct job *j, const struct net_addr *a, char name[PROPOSE_NAME],
    char zone_name[PROPOSE_NAME], bool *is_new)
{
	const char *known = policy_device_name(j->old, a), *zone = policy_zone_name(j->old, a);
	char addr[NET_ADDR_STRLEN];

	net_addr_str(a, addr);
	*is_new = !known;
	if (known)
		return snprintf(name, PROPOSE_NAME, "%s", known) < (int)PROPOSE_NAME;
	if (!zone) {
		note(j, "%s is in no zone of the policy: say first where it belongs", addr);
		return false;
	}
	if (zone_is_end(j->root, zone)) {
		note(j,
		    "%s is not declared, and a conduit is for all devices of zone %s: declared "
		    "there it "
		    "could do what they can; that is for a person to do",
		    addr, zone);
		return false;
	}
	for (char *p = addr; *p; p++)
		*p = isalnum((unsigned char)*p) ? *p : '-';
	snprintf(name, PROPOSE_NAME, "device-%s", addr);
	return snprintf(zone_name, PROPOSE_NAME, "%s", zone) < (int)PROPOSE_NAME &&
	       !policy_has_end(j->old, name) && !policy_has_group(j->old, name);
}

static bool
name_taken(const struct job *j, const struct wanted *w, const char *name)
{
	struct policy_rule_info r;

	for (uint32_t i = 0; policy_rule_info(j->old, i, &r) == 0; i++)
		if (strcmp(r.conduit, w->conduit_name) == 0 && strcmp(r.name, name) == 0)
			return true;
	for (uint32_t i = 0; i < j->wants.n; i++)
		if (strcmp(j->wants.v[i]->conduit_name, w->conduit_name) == 0 &&
		    strcmp(j->wants.v[i]->name, name) == 0)
			return true;
	return false;
}

static void
name_it(const struct job *j, struct wanted *w)
{
	char op[PROPOSE_NAME - 20];
	size_t n = 0;

	for (const char *s = w->op->name; *s && n + 1 < sizeof(op); s++)
		op[n++] = isalnum((unsigned char)*s) ? (char)tolower((unsigned char)*s) : '-';
	op[n] = '\0';
	snprintf(w->name, sizeof(w->name), "expected-%s", op);
	for (unsigned i = 2; name_taken(j, w, w->name); i++)
		snprintf(w->name, sizeof(w->name), "expected-%s-%u", op, i);
}

/* --- gathering --------------------------------------------------------------------------------------------------- */

static bool
same_rule(const struct wanted *a, const struct wanted *b)
{
	return a->proto == b->proto && a->op == b->op && a->unit == b->unit &&
	       strcmp(a->from, b->from) == 0 && strcmp(a->to, b->to) == 0 &&
	       strcmp(a->conduit_name, b->conduit_name) == 0;
}

static bool
has_item(const struct wanted *w, const struct wanted_item *it)
{
	for (uint32_t i = 0; i < w->n_items; i++)
		if (memcmp(&w->items[i], it, sizeof(*it)) == 0)
			return true;
	return false;
}

static bool
has_value(struct wanted *w, const struct wanted_value *v)
{
	for (uint32_t i = 0; i < w->n_values; i++) {
		struct wanted_value *x = &w->values[i];

		if (x->at != v->at)
			continue;
		x->min = v->min < x->min ? v->min : x->min;
		x->max = v->max > x->max ? v->max : x->max;
		return true;
	}
	return false;
}

/* Another alert that the same rule is to allow. */
static bool
merge(struct wanted *to, const struct wanted *w)
{
	to->values_over |= (w->n_values == 0) != (to->n_values == 0);
	for (uint32_t i = 0; i < w->n_items; i++)
		if (!has_item(to, &w->items[i])) {
			if (to->n_items == PROPOSE_ITEMS)
				return false;
			to->items[to->n_items++] = w->items[i];
		}
	for (uint32_t i = 0; i < w->n_values; i++)
		if (!has_value(to, &w->values[i])) {
			if (to->n_values == PROPOSE_VALUES)
				to->values_over = true;
			else
				to->values[to->n_values++] = w->values[i];
		}
	return true;
}

/* Why no rule that is added changes this; NULL: one may.  has_block: its conduit has one of the protocol. */
static const char *
hopeless(const struct verdict *v, const struct policy *pol, bool has_block, char *buf, size_t size)
{
	struct policy_rule_info r;

	switch ((enum policy_reason)v->reason) {
	case REASON_OTHERWISE:
	case REASON_NO_CONDUIT:
		return NULL;
	case REASON_RULE:
		if (policy_rule_info(pol, v->rule, &r) < 0)
			return "a rule of the policy denies it";
		snprintf(buf, size,
		    "rule %s, %s:%u, denies it: only taking that back would allow it", r.name,
		    r.file, r.line);
		return buf;
	case REASON_PORT:
		return has_block
			   ? "its conduit does not serve this port: `ports` of the block says "
			     "which"
			   : NULL;
	default:
		snprintf(buf, size, "reason %s: no rule that is added changes that",
		    policy_reason_name(v->reason));
		return buf;
	}
}

/* False: nothing can come of it, said why. */
static bool
want_make(struct job *j, const json_t *alert, struct wanted *w)
{
	const char *reason = alert_meta(alert, "il_reason");
	json_t *pdu = NULL;
	struct verdict v;
	char buf[256];
	const char *why = NULL;
	bool ok = false;

	memset(w, 0, sizeof(*w));
	if (!alert_tuple(alert, &w->tuple)) {
		note(j, "a frame without IP addresses is no matter of rules: see l2");
		return false;
	}
	plain(alert_text(json_object_get(alert, "alert"), "signature"), w->why, sizeof(w->why));
	plain(alert_text(alert, "timestamp"), w->when, sizeof(w->when));
	if (!dissector_lookup(alert_text(alert, "app_proto"), &w->proto) ||
	    !*alert_meta(alert, "il_op")) {
		note(j,
		    "%s: it was refused before a request was read, so what it wants is not known; "
		    "give the alert of a request of it",
		    w->why);
		return false;
	}
	if (strcmp(alert_meta(alert, "il_kind"), "request") != 0 ||
	    strcmp(alert_text(alert, "direction"), "to_server") != 0) {
		note(j, "%s: not a request, and rules are about requests", w->why);
		return false;
	}
	pdu = json_loads(
	    alert_meta(alert, "il_pdu"), JSON_REJECT_DUPLICATES, NULL); /* a cut one: NULL */
	w->unit = (uint32_t)strtoul(alert_meta(alert, "il_unit"), NULL, 10);
	if (!(w->op = alert_op(dissectors[w->proto]->schema, alert, pdu)))
		why = "its function is not known: rules have such by number";
	else if (!alert_items(w, alert, pdu))
		why = "what it touches does not stand in the alert in full";
	if (why) {
		note(j, "%s: %s", w->why, why);
		goto out;
	}
	alert_values(w, pdu);
	v = judge_one(j->old, w);
	w->conduit = v.reason == REASON_NO_CONDUIT ? RULE_NONE : v.conduit;
	w->new_block = w->conduit != RULE_NONE &&
		       !wanted_get(wanted_conduit(j->root, policy_conduit_name(j->old, w->conduit)),
			   dissectors[w->proto]->name);
	if (v.would < VERDICT_REJECT)
		why = "this policy allows it already";
	else if (strcmp(reason, "window") == 0)
		why = "it is a matter of windows and permits";
	else
		why = hopeless(&v, j->old, !w->new_block, buf, sizeof(buf));
	if (why) {
		note(j, "%s: %s", w->why, why);
		goto out;
	}
	if (!end_of(j, &w->tuple.src, w->from, w->zone_from, &w->new_from) ||
	    !end_of(j, &w->tuple.dst, w->to, w->zone_to, &w->new_to))
		goto out;
	if (w->conduit == RULE_NONE)
		snprintf(w->conduit_name, sizeof(w->conduit_name), "%s-%s", w->from, w->to);
	else
		snprintf(w->conduit_name, sizeof(w->conduit_name), "%s",
		    policy_conduit_name(j->old, w->conduit));
	ok = true;
out:
	json_decref(pdu);
	return ok;
}

static void
want(struct job *j, const json_t *alert)
{
	struct wanted *w = arena_get(&j->a, sizeof(*w)), *rule;

	if (!want_make(j, alert, w)) {
		j->out->refused++;
		return;
	}
	for (uint32_t i = 0; i < j->wants.n; i++)
		if (same_rule(j->wants.v[i], w)) {
			rule = j->wants.v[i];
			if (!merge(rule, w)) {
				note(j, "%s: one rule has no room for more objects", w->why);
				j->out->refused++;
				return;
			}
			w->also = rule->also;
			rule->also = w;
			return;
		}
	rule = arena_get(&j->a, sizeof(*rule));
	*rule = *w;
	name_it(j, rule);
	rule->also = w;
	vec_push(&j->a, &j->wants, rule);
}

/* --- a detection --------------------------------------------------------------------------------------------------- */

static void
member(struct jw *w, const char *key, const char *value)
{
	if (*value)
		jw_str(w, key, value);
}

/* Of a client's port nothing is known the next time; the lower one is the server's. */
static uint16_t
port_of(const struct net_tuple *t)
{
	return t->sport && t->sport < t->dport ? t->sport : t->dport;
}

static void
expect(struct job *j, const json_t *alert)
{
	const json_t *ether = json_object_get(alert, "ether");
	char buf[4096], a[NET_ADDR_STRLEN];
	struct jw w = jw_make(buf, sizeof(buf));
	struct net_tuple t;
	bool ip = alert_tuple(alert, &t);

	jw_obj(&w, NULL);
	jw_str(&w, "detection", alert_meta(alert, "il_detection"));
	if (ip) {
		jw_str(&w, "from", net_addr_str(&t.src, a));
		jw_str(&w, "to", net_addr_str(&t.dst, a));
		if (port_of(&t))
			jw_u(&w, "port", port_of(&t));
	} else {
		member(&w, "from", alert_text(ether, "src_mac"));
		member(&w, "to", alert_text(ether, "dest_mac"));
	}
	member(&w, "op", alert_meta(alert, "il_op"));
	member(&w, "object", alert_meta(alert, "il_object"));
	jw_bool(&w, "enabled", false);
	jw_close(&w, '}');
	if (!jw_end(&w)) {
		note(j, "%s: too long for an entry", alert_meta(alert, "il_detection"));
		j->out->refused++;
		return;
	}
	fprintf(j->expected, "%s\n", buf);
	j->out->n_expected++;
}

static const struct detection_info *
detection_of(const json_t *alert)
{
	const char *name = alert_meta(alert, "il_detection");

	for (uint8_t i = 0; i < DETECTION__MAX; i++)
		if (strcmp(detection_info(i)->name, name) == 0)
			return detection_info(i);
	return NULL;
}

/* --- what comes of it ------------------------------------------------------------------------------------------------ */

static struct policy *
build(const struct job *j, const char *s)
{
	struct policy_source src = *j->src;
	struct complaints c = {.file = src.name};
	struct policy *pol;

	src.text = s;
	src.len = strlen(s);
	pol = policy_build_source(&src, &c);
	complaints_fini(&c);
	return pol;
}

static void
put_rule(struct job *j, const struct wanted *w)
{
	const struct ynode *block =
	    wanted_get(wanted_conduit(j->root, w->conduit_name), dissectors[w->proto]->name);
	char why[256];

	fprintf(j->rules, "# %s: %s\n# ", w->when, w->why);
	if (w->conduit != RULE_NONE)
		fprintf(j->rules, "to conduit \"%s\", %s: allow:\n- ", w->conduit_name,
		    dissectors[w->proto]->name);
	else
		fprintf(j->rules, "to a new conduit \"%s\", from: [%s], to: [%s], %s: allow:\n- ",
		    w->conduit_name, w->from, w->to, dissectors[w->proto]->name);
	(void)wanted_rule(w, block, false, j->rules, why, sizeof(why));
	fputc('\n', j->rules);
}

static void
put_diff(struct job *j, const struct wanted *w, const struct policy *on)
{
	char addr[NET_ADDR_STRLEN];
	struct policy_rule_info r;

	if (w->new_from)
		fprintf(j->diff, "+ device %s: %s in zone %s\n", w->from,
		    net_addr_str(&w->tuple.src, addr), w->zone_from);
	if (w->new_to)
		fprintf(j->diff, "+ device %s: %s in zone %s\n", w->to,
		    net_addr_str(&w->tuple.dst, addr), w->zone_to);
	if (w->conduit == RULE_NONE)
		fprintf(j->diff,
		    "+ conduit %s: %s may connect to port %u of %s, also while the rule is "
		    "disabled\n",
		    w->conduit_name, w->from, w->tuple.dport, w->to);
	if (w->new_block)
		fprintf(j->diff,
		    "+ conduit %s: %s is served there, connections to it may be opened also while "
		    "the rule is "
		    "disabled\n",
		    w->conduit_name, dissectors[w->proto]->name);
	for (uint32_t i = 0; policy_rule_info(on, i, &r) == 0; i++)
		if (strcmp(r.name, w->name) == 0 && strcmp(r.conduit, w->conduit_name) == 0) {
			fprintf(j->diff, "+ %s/%s: once enabled, %s may, of %s, ", w->conduit_name,
			    w->name, w->from, w->to);
			policy_explain_rule(on, i, j->diff);
			fputc('\n', j->diff);
		}
}

/* Is the request denied by the first, and allowed by the second?  False: said why. */
static bool
is_meant(struct job *j, const struct wanted *w, struct policy *const pol[2])
{
	unsigned n;

	if (stopped(pol[0], w, &n) != n) {
		note(j, "%s: it would be allowed at once, and not by this rule", w->conduit_name);
		return false;
	}
	if (stopped(pol[1], w, &n) == 0)
		return true;
	note(j, "%s: the rule alone would not allow it", w->conduit_name);
	return false;
}

/* The texts with this rule, if they are what is meant: now[0] with it disabled, now[1] with it enabled. */
static bool
take(struct job *j, const struct wanted *w, char *now[2])
{
	struct policy *pol[2] = {NULL, NULL};
	char why[256] = "", *with[2] = {NULL, NULL};
	bool ok = true, built = true;

	for (unsigned on = 0; on < 2 && ok; on++) {
		with[on] = wanted_insert(w, now[on], strlen(now[on]), on, why, sizeof(why));
		ok = with[on] != NULL;
	}
	if (!ok)
		note(j, "%s: %s", w->conduit_name, why);
	for (unsigned on = 0; on < 2 && ok; on++)
		built &= (pol[on] = build(j, with[on])) != NULL;
	if (ok && (ok = built && is_meant(j, w, pol)))
		put_diff(j, w, pol[1]);
	else if (!built)
		note(j, "%s: the policy does not load with it", w->conduit_name);
	for (unsigned on = 0; on < 2; on++) {
		if (ok) {
			free(now[on]);
			now[on] = with[on];
		} else {
			free(with[on]);
		}
		policy_free(pol[on]);
	}
	return ok;
}

static void
rules_make(struct job *j)
{
	char *now[2] = {strndup(j->src->text, j->src->len), strndup(j->src->text, j->src->len)};

	for (uint32_t i = 0; now[0] && now[1] && i < j->wants.n; i++) {
		if (take(j, j->wants.v[i], now)) {
			put_rule(j, j->wants.v[i]);
			j->out->n_rules++;
		} else {
			j->out->refused++;
		}
	}
	if (now[0] && now[1] && j->out->n_rules != 0) {
		j->out->policy = now[0];
		j->out->enabled = now[1];
	} else {
		free(now[0]);
		free(now[1]);
	}
}

static void
alert_take(struct job *j, const json_t *alert)
{
	const struct detection_info *d = detection_of(alert);

	if (d)
		expect(j, alert);
	else if (*alert_meta(alert, "il_detection") || !*alert_meta(alert, "il_reason")) {
		note(j, "not something that a rule or a baseline could expect");
		j->out->refused++;
	} else if (!j->old) {
		note(j, "an alert of a policy, and no policy was given");
		j->out->refused++;
	} else {
		want(j, alert);
	}
}

/* Lines of the text; false: one is no alert. */
static bool
alerts_take(struct job *j, const char *eve, size_t len, char *err, size_t size)
{
	unsigned n = 0;

	for (size_t at = 0, line; at < len; at += line + 1) {
		const char *end = memchr(eve + at, '\n', len - at);
		json_t *alert;

		line = end ? (size_t)(end - (eve + at)) : len - at;
		if (line == 0)
			continue;
		alert = line <= LINE_MAX_BYTES
			    ? json_loadb(eve + at, line, JSON_REJECT_DUPLICATES, NULL)
			    : NULL;
		if (!alert || !json_is_object(json_object_get(alert, "alert"))) {
			json_decref(alert);
			(void)err_say(err, size, ERR_SYNTAX, "line %u is no alert", n + 1);
			return false;
		}
		if (n++ < PROPOSE_ALERTS)
			alert_take(j, alert);
		else
			j->out->refused++;
		json_decref(alert);
	}
	if (n == 0)
		(void)err_say(err, size, ERR_SYNTAX, "there is no alert in it");
	return n != 0;
}

static int
work(struct job *j, const char *eve, size_t len, struct complaints *c, char *err, size_t size)
{
	j->root = j->src ? yaml_read(&j->a, c, j->src->text, j->src->len) : NULL;
	if (!alerts_take(j, eve, len, err, size))
		return ERR_SYNTAX;
	if (j->src)
		rules_make(j);
	return j->out->n_rules + j->out->n_expected ? 0 : ERR_UNSUPPORTED;
}

static int
guarded(struct job *j, const char *eve, size_t len, char *err, size_t size)
{
	struct complaints c = {.file = j->src ? j->src->name : ""};
	jmp_buf oom;
	volatile int r = ERR_NOMEM;

	/* cppcheck-suppress autoVariables ; taken back below */
	j->a.oom = &oom;
	if (setjmp(oom) == 0)
		r = work(j, eve, len, &c, err, size);
	else
		(void)err_say(err, size, ERR_NOMEM, "out of memory");
	j->a.oom = NULL;
	complaints_fini(&c);
	return r;
}

int
propose(const char *eve, size_t len, struct policy_source *src, struct proposal *out, char *err,
    size_t err_size)
{
	struct job j = {.out = out, .src = src};
	struct complaints c = {.file = src ? src->name : ""};
	FILE **const files[] = {&j.rules, &j.diff, &j.expected, &j.notes};
	char **const texts[] = {&out->rules, &out->diff, &out->expected, &out->notes};
	size_t sizes[4];
	struct policy *old = NULL;
	int r = 0;

	memset(out, 0, sizeof(*out));
	if (src && !(old = policy_build_source(src, &c)))
		r = err_say(err, err_size, ERR_SYNTAX, "%s: has errors", src->name);
	j.old = old;
	for (unsigned i = 0; r == 0 && i < 4; i++)
		if (!(*files[i] = open_memstream(texts[i], &sizes[i])))
			r = err_say(err, err_size, ERR_NOMEM, "out of memory");
	if (r == 0)
		r = guarded(&j, eve, len, err, err_size);
	for (unsigned i = 0; i < 4; i++)
		if (*files[i] && fclose(*files[i]) != 0)
			r = err_say(err, err_size, ERR_NOMEM, "out of memory");
	if (r == 0 && out->n_rules == 0) {
		out->policy = strdup("");
		out->enabled = strdup("");
	}
	if (r < 0 && r != ERR_UNSUPPORTED)
		proposal_fini(out);
	complaints_fini(&c);
	arena_fini(&j.a);
	policy_free(old);
	return r;
}

void
proposal_fini(struct proposal *p)
{
	free(p->rules);
	free(p->policy);
	free(p->enabled);
	free(p->diff);
	free(p->expected);
	free(p->notes);
	memset(p, 0, sizeof(*p));
}
