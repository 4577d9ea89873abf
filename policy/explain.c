/* SPDX-License-Identifier: Apache-2.0 */
/* explain.c - the sentences of explain.h, and the matrix. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "policy/explain_int.h"
#include "policy/gate.h"
#include "policy/gate.h"
#include "policy/kernel.h"
#include "policy/syms.h"

#define NAMES_LISTED 12u
#define SYMS_LISTED  6u
#define NAME_BYTES   (NAME_LEN_MAX + 40u)

/* --- who -------------------------------------------------------------------------------- */

const char *
party_name(const struct ruleset *rs, uint32_t party, char *buf, size_t size)
{
	if (party < rs->n_devices)
		return rs->devices[party].name;
	(void)snprintf(
	    buf, size, "any other address of zone %s", rs->zones[party - rs->n_devices].name);
	return buf;
}

static unsigned
party_ends(const struct ruleset *rs, uint32_t party, uint32_t end[3])
{
	if (party >= rs->n_devices) {
		end[0] = end_key(END_ANY, party - rs->n_devices);
		return 1;
	}
	end[0] = end_key(END_DEVICE, party);
	end[1] = end_key(END_ZONE, rs->devices[party].zone);
	end[2] = end_key(END_ANY, rs->devices[party].zone);
	return 3;
}

uint32_t
party_conduit(const struct policy *p, uint32_t from, uint32_t to)
{
	uint32_t f[3], t[3];
	unsigned nf = party_ends(p->rs, from, f), nt = party_ends(p->rs, to, t);

	if (from == to && from < p->rs->n_devices)
		return RULE_NONE;
	return bind_lookup_ends(p, f, nf, t, nt);
}

/* --- one conduit ------------------------------------------------------------------------- */

const char *
explain_otherwise(const struct conduit *c)
{
	if (c->mode == MODE_LEARN)
		return "passes and is counted (mode learn)";
	if (c->otherwise == VERDICT_ALERT || c->mode == MODE_ALERT)
		return "passes and is told";
	return c->otherwise == VERDICT_REJECT  ? "is rejected with the protocol's own refusal"
	       : c->otherwise == VERDICT_RESET ? "ends the connection"
					       : "is dropped";
}

static void
put_ports(const struct port_spans *v, FILE *to)
{
	for (uint32_t i = 0; i < v->n; i++) {
		const struct port_span *s = &v->v[i];

		fprintf(to, "%s%s", i ? ", " : "",
		    s->tcp && s->udp ? ""
		    : s->udp	     ? "udp/"
				     : "tcp/");
		if (s->lo <= 1 && s->hi == UINT16_MAX)
			fprintf(to, "any port");
		else
			fprintf(to, s->lo == s->hi ? "%u" : "%u..%u", s->lo, s->hi);
	}
}

static void
put_mode(const struct rule *r, FILE *to)
{
	if (r->mode != MODE_UNSET)
		fprintf(to, "; mode %s",
		    r->mode == MODE_ENFORCE ? "enforce"
		    : r->mode == MODE_ALERT ? "alert"
					    : "learn");
}

/* Is what the name stands for touched by the rule, all of it? */
static bool
rule_names(const struct rule *r, const struct sym *s)
{
	for (unsigned write = 0; write < 2; write++) {
		const struct rects *v = &r->reach[2 * s->at.space + write];
		const struct globs *g = &r->names[2 * s->at.space + write];

		for (uint32_t i = 0; s->node && i < g->n; i++)
			if (strcmp(g->v[i], s->node) == 0)
				return true;
		for (uint32_t i = 0; !s->node && i < v->n; i++)
			if (v->v[i].sub <= s->at.sub && s->at.sub <= v->v[i].sub_last &&
			    v->v[i].first <= s->at.first && s->at.last <= v->v[i].last)
				return true;
	}
	return false;
}

/* What the files of names: call it, where that is few enough to be read. */
static void
put_names(
    const struct explain *x, const struct conduit *c, const struct rule *r, uint8_t proto, FILE *to)
{
	const struct syms *syms = &x->policy->rs->syms;
	uint32_t n = 0;

	for (uint32_t i = 0; i < syms->n && !r->everything; i++) {
		const struct sym *s = &syms->v[i];

		if (s->proto != proto || !syms_leads_to(x->policy->rs, c, s->device) ||
		    !rule_names(r, s))
			continue;
		if (n < SYMS_LISTED)
			fprintf(to, "%s%s", n ? ", " : "        that is ", s->name);
		n++;
	}
	if (n > SYMS_LISTED)
		fprintf(to, " and %u more", n - SYMS_LISTED);
	if (n != 0)
		fprintf(to, "\n");
}

/* Are the tables small enough for the filter in the kernel? */
static bool
kernel_holds(const struct policy *p)
{
	const struct gate_spec *s = policy_gate(p);

	return s->n_words <= GATE_WORDS && s->n_rules <= GATE_RULES;
}

static void
put_kernel(const struct policy *p, const struct conduit *c, const struct block *b, FILE *to)
{
	const struct gate_spec *s = policy_gate(p);

	fprintf(to, "; kernel%s%s",
	    gate_fast_proto(b->dis->name) == GATE_OPCUA ? " when repeated" : "",
	    c->index < s->n_conduits && s->conduits[c->index].counted
		? ", behind the limit of its zone"
		: "");
}

static void
put_rule(const struct explain *x, const struct conduit *c, const struct block *b,
    const struct rule *r, const char *lead, FILE *to)
{
	const struct policy *p = x->policy;
	enum kernel_why why = policy_kernel_rule(p, r->index);

	fprintf(to, "      %s ", lead);
	policy_explain_rule(p, r->index, to);
	fprintf(to, "  [%s", r->name);
	if (!r->deny && r->verdict == VERDICT_ALERT)
		fprintf(to, "; told each time");
	put_mode(r, to);
	if (!r->deny && why == KERNEL_YES && kernel_holds(p))
		put_kernel(p, c, b, to);
	if (x->hits)
		fprintf(to, "; %" PRIu64 " hits", x->hits[r->index]);
	fprintf(to, "]\n");
	put_names(x, c, r, b->proto, to);
}

/* "2s", "500ms" */
static void
put_time(uint64_t ns, FILE *to)
{
	if (ns % 1000000000u == 0)
		fprintf(to, "%" PRIu64 " s", ns / 1000000000u);
	else
		fprintf(to, "%" PRIu64 " ms", ns / 1000000u);
}

static void
put_asleep(uint32_t asleep, FILE *to)
{
	if (asleep)
		fprintf(to, "      (%u rule%s not approved: enabled: false)\n", asleep,
		    asleep == 1 ? " is" : "s are");
}

/* l4: by ports alone. */
static void
put_l4(const struct explain *x, const struct block *b, FILE *to)
{
	uint32_t asleep = 0;

	for (uint32_t i = 0; i < b->allow.n; i++) {
		const struct rule *r = b->allow.v[i];

		if (!r->enabled) {
			asleep++;
			continue;
		}
		fprintf(to, "    open connections to ");
		put_ports(&r->ports, to);
		fprintf(to, ", whatever is said there  [%s%s", r->name,
		    r->verdict == VERDICT_ALERT ? "; told each time" : "");
		put_mode(r, to);
		if (x->hits)
			fprintf(to, "; %" PRIu64 " hits", x->hits[r->index]);
		fprintf(to, "]\n");
	}
	put_asleep(asleep, to);
}

static void
put_block(const struct explain *x, const struct conduit *conduit, const struct block *b, FILE *to)
{
	uint32_t asleep = 0;

	fprintf(to, "    open %s on port ", b->dis->name);
	put_ports(&b->ports, to);
	if (b->rate)
		fprintf(to, ", at most %u requests a second", b->rate);
	for (uint32_t i = 0; i < b->limits.n; i++)
		fprintf(to, ", %s at most %u", b->limits.v[i].key->name, b->limits.v[i].max);
	if (b->timeout_ns) {
		fprintf(to, ", told when an answer takes longer than ");
		put_time(b->timeout_ns, to);
	}
	fprintf(to, ", and there\n");
	for (uint32_t i = 0; i < b->floor.n; i++) {
		const struct cond *c = &b->floor.v[i];

		fprintf(to, "      only where %s %s is ", c->key->map, c->key->name);
		for (uint32_t k = 0; k < c->globs.n; k++)
			fprintf(to, "%s\"%s\"", k ? " or " : "", c->globs.v[k]);
		for (uint32_t k = 0, n = 0; k < c->set.n; k++)
			for (uint64_t w = c->set.v[k].lo; w <= c->set.v[k].hi && n < 32; w++, n++)
				if (c->key->kind == KEY_WORD)
					fprintf(to, "%s%s", n ? " or " : "", c->key->words[w]);
				else
					fprintf(to, "%s%" PRIu64, n ? " or " : "", w);
		fprintf(to, "\n");
	}
	for (uint32_t i = 0; i < b->allow.n; i++)
		if (b->allow.v[i]->enabled)
			put_rule(x, conduit, b, b->allow.v[i], "may", to);
		else
			asleep++;
	for (uint32_t i = 0; i < b->deny.n; i++)
		if (b->deny.v[i]->enabled)
			put_rule(x, conduit, b, b->deny.v[i],
			    b->deny.v[i]->mode == MODE_ALERT || b->deny.v[i]->mode == MODE_LEARN
				? "is told when it tries to"
				: "must not",
			    to);
		else
			asleep++;
	put_asleep(asleep, to);
}

static void
put_conduit(const struct explain *x, const struct conduit *c, FILE *to)
{
	for (uint32_t i = 0; i < c->n_blocks; i++)
		put_block(x, c, &c->blocks[i], to);
	if (c->l4)
		put_l4(x, c->l4, to);
	if (c->echo)
		fprintf(to, "    ping it\n");
	for (uint32_t i = 0; i < c->apps.n; i++)
		fprintf(to, "%s%s%s", i ? ", " : "    use ", c->apps.v[i],
		    i + 1 == c->apps.n ? "\n" : "");
	fprintf(to, "    anything else %s\n", explain_otherwise(c));
}

/* --- groups of parties ---------------------------------------------------------------------- */

struct group {
	const struct explain *x;
	const uint32_t *by; /* [party] conduit, or RULE_NONE */
	uint32_t conduit;
};

static uint32_t
zone_members(const struct group *g, uint32_t zone)
{
	const struct ruleset *rs = g->x->policy->rs;
	uint32_t n = 0;

	for (uint32_t d = 0; d < rs->n_devices; d++)
		n += rs->devices[d].zone == zone && g->by[d] == g->conduit;
	return n;
}

/* Names of a group; of many, how many of which zone. */
static void
put_group(const struct group *g, FILE *to)
{
	const struct ruleset *rs = g->x->policy->rs;
	uint32_t total = 0, n = 0, members;
	char buf[NAME_BYTES];

	for (uint32_t i = 0; i < party_count(rs); i++)
		total += g->by[i] == g->conduit;
	for (uint32_t i = 0; i < party_count(rs) && total <= NAMES_LISTED; i++)
		if (g->by[i] == g->conduit) {
			fprintf(to, "%s%s", n ? ", " : "", party_name(rs, i, buf, sizeof(buf)));
			n++;
		}
	for (uint32_t z = 0; z < rs->n_zones && total > NAMES_LISTED; z++) {
		if ((members = zone_members(g, z)) != 0)
			fprintf(to, "%s%u of the %u devices of zone %s", n++ ? ", " : "", members,
			    rs->zones[z].n_devices, rs->zones[z].name);
		if (g->by[rs->n_devices + z] == g->conduit)
			fprintf(to, "%s%s", n++ ? ", " : "",
			    party_name(rs, rs->n_devices + z, buf, sizeof(buf)));
	}
}

/* --- one party ---------------------------------------------------------------------------- */

static void
put_party(const struct ruleset *rs, uint32_t party, FILE *to)
{
	char buf[NAME_BYTES], ip[NET_ADDR_STRLEN];
	const struct device *d = party < rs->n_devices ? &rs->devices[party] : NULL;

	fprintf(to, "%s", party_name(rs, party, buf, sizeof(buf)));
	if (d)
		fprintf(to, " (%s%s%s%s%s in zone %s)", d->role ? d->role : "",
		    d->role && d->location ? ", " : "", d->location ? d->location : "",
		    d->role || d->location ? "; " : "", net_addr_str(&d->ip, ip),
		    rs->zones[d->zone].name);
	fprintf(to, "\n");
}

/* by[i]: the conduit from party to i, or from i to party; behind them, is this conduit among them? */
static void
fill(const struct policy *p, uint32_t party, bool from, uint32_t *by)
{
	uint32_t n = party_count(p->rs);

	memset(by + n, 0, p->rs->n_conduits * sizeof(*by));
	for (uint32_t i = 0; i < n; i++) {
		by[i] = from ? party_conduit(p, party, i) : party_conduit(p, i, party);
		if (by[i] != RULE_NONE)
			by[n + by[i]] = 1;
	}
}

static bool
put_may(const struct explain *x, uint32_t party, uint32_t *by, FILE *to)
{
	const struct ruleset *rs = x->policy->rs;
	bool any = false;

	fill(x->policy, party, true, by);
	for (uint32_t c = 0; c < rs->n_conduits; c++) {
		struct group g = {x, by, c};

		if (!by[party_count(rs) + c])
			continue;
		fprintf(to, "  may connect to ");
		put_group(&g, to);
		fprintf(to, "  [conduit %s, line %u%s]\n", rs->conduits[c].name,
		    rs->conduits[c].place.line,
		    rs->conduits[c].mode == MODE_ENFORCE ? "" : ": watched, not enforced");
		if (rs->conduits[c].only_in) {
			fprintf(to, "    open");
			explain_windows(rs, rs->conduits[c].only_in, to);
			fprintf(to, ", else not\n");
		}
		put_conduit(x, &rs->conduits[c], to);
		any = true;
	}
	return any;
}

static bool
put_asked(const struct explain *x, uint32_t party, uint32_t *by, FILE *to)
{
	const struct ruleset *rs = x->policy->rs;
	bool any = false;
	char letters[8];

	fill(x->policy, party, false, by);
	for (uint32_t c = 0; c < rs->n_conduits; c++) {
		struct group g = {x, by, c};

		if (!by[party_count(rs) + c])
			continue;
		fprintf(to, "  may be asked by ");
		put_group(&g, to);
		fprintf(to, ": %s  [%s]\n", policy_explain_letters(x->policy, c, letters),
		    rs->conduits[c].name);
		any = true;
	}
	return any;
}

static void
put_all_of(const struct explain *x, uint32_t party, uint32_t *by, FILE *to)
{
	const struct ruleset *rs = x->policy->rs;
	const char *rest = rs->mode == MODE_ENFORCE ? ""
			   : rs->mode == MODE_ALERT ? " (mode alert: what does passes and is told)"
						    : " (mode learn: what does passes)";
	bool may, asked;

	fprintf(to, "\n");
	put_party(rs, party, to);
	may = put_may(x, party, by, to);
	asked = put_asked(x, party, by, to);
	if (!may)
		fprintf(to, "  may open no connection%s\n", rest);
	fprintf(to, "  nobody%s may open a connection to it%s\n", asked ? " else" : "", rest);
}

bool
policy_explain_knows(const struct policy *p, const char *device)
{
	for (uint32_t i = 0; i < p->rs->n_devices; i++)
		if (strcmp(p->rs->devices[i].name, device) == 0)
			return true;
	return false;
}

/* A zone's other addresses are spoken of only when some conduit is about them. */
static bool
party_spoken_of(const struct policy *p, uint32_t party)
{
	uint32_t n = party_count(p->rs);

	if (party < p->rs->n_devices)
		return true;
	for (uint32_t i = 0; i < n; i++)
		if (party_conduit(p, party, i) != RULE_NONE ||
		    party_conduit(p, i, party) != RULE_NONE)
			return true;
	return false;
}

void
policy_explain(const struct explain *x, FILE *to)
{
	const struct ruleset *rs = x->policy->rs;
	static const char *const modes[] = {"learn: everything passes and is counted",
	    "alert: everything passes, and what the rules do not allow is told",
	    "enforce: what the rules do not allow does not pass"};
	uint32_t *by = calloc((size_t)party_count(rs) + rs->n_conduits + 1u, sizeof(*by));

	if (!by)
		return;
	if (!x->device) {
		fprintf(to, "%s%s%u devices in %u zones, %u conduits, %u rules.\n",
		    rs->site ? rs->site : "", rs->site ? ": " : "", rs->n_devices, rs->n_zones,
		    rs->n_conduits, rs->n_rules);
		fprintf(to, "Mode %s.\n", modes[rs->mode < 3 ? rs->mode : 2]);
		if (!kernel_holds(x->policy))
			fprintf(to,
			    "Too large for the kernel, which judges nothing of it alone: tables of "
			    "%u words (at most %u), %u rules (at most %u).\n",
			    policy_gate(x->policy)->n_words, GATE_WORDS,
			    policy_gate(x->policy)->n_rules, GATE_RULES);
	}
	for (uint32_t i = 0; i < party_count(rs); i++)
		if (x->device ? i < rs->n_devices && strcmp(rs->devices[i].name, x->device) == 0
			      : party_spoken_of(x->policy, i))
			put_all_of(x, i, by, to);
	free(by);
}

/* --- the matrix ------------------------------------------------------------------------------ */

void
policy_explain_matrix(const struct explain *x, FILE *to)
{
	const struct ruleset *rs = x->policy->rs;
	char letters[8], buf[NAME_BYTES], other[NAME_BYTES];

	fprintf(to, "from\tto\taccess\tconduit\n");
	for (uint32_t f = 0; f < party_count(rs); f++)
		for (uint32_t t = 0; t < party_count(rs); t++) {
			uint32_t c = party_conduit(x->policy, f, t);
			const char *from = party_name(rs, f, buf, sizeof(buf));
			const char *name = party_name(rs, t, other, sizeof(other));

			if (c == RULE_NONE || (x->device && strcmp(from, x->device) != 0 &&
						  strcmp(name, x->device) != 0))
				continue;
			fprintf(to, "%s\t%s\t%s\t%s\n", from, name,
			    policy_explain_letters(x->policy, c, letters), rs->conduits[c].name);
		}
}
