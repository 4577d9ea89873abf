/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.c - YAML tree to rules, part one: the file as a whole, zones and devices.
 * check_l2.c, check_conduit.c and check_rule.c go on from there.
 *
 * Every check goes on after a complaint, so that one run shows all of them.
 */
#include "policy/check.h"
#include "policy/include.h"
#include "policy/syms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* DESIGN section 3: what holds when a policy does not say. */
static const uint8_t cond_default[COND__MAX] = {
    [COND_UNPARSABLE] = VERDICT_DROP,
    [COND_UNSOLICITED] = VERDICT_DROP,
    [COND_MIDSTREAM] = VERDICT_ALLOW,
    [COND_OVERLAP_DIFFERS] = VERDICT_DROP,
    [COND_FRAGMENT] = VERDICT_DROP,
    [COND_OVERLOAD] = VERDICT_DROP,
    [COND_ENCRYPTED] = VERDICT_DROP,
    [COND_BAD_CHECKSUM] = VERDICT_DROP,
    [COND_AUDIT_FAILURE] = VERDICT_ALLOW,
};

/* --- zones ------------------------------------------------------------------------------ */

/* "2" or "3.5": the levels of IEC 62443 and Purdue. */
static bool
level_ok(const char *s)
{
	if (s[0] < '0' || s[0] > '5')
		return false;
	return s[1] == '\0' || (s[1] == '.' && s[2] >= '0' && s[2] <= '9' && s[3] == '\0');
}

/* Against floods from the zone: packets and new flows, per second. */
static void
check_zone_limits(struct check *k, const struct ynode *n, const char *who, struct zone *z)
{
	enum { PACKETS, FLOWS, N };
	static const struct field fields[N] = {{"packets", FIELD_MAY}, {"flows", FIELD_MAY}};
	const struct ynode *v[N];
	char where[NAME_LEN_MAX + 120];

	if (k->rs->limits_at.line == 0)
		k->rs->limits_at = place_of(n);
	snprintf(where, sizeof(where), "%s: limits", who);
	if (!check_map(k, n, where, fields, N, v, NULL, NULL))
		return;
	if (v[PACKETS])
		check_rate(k, v[PACKETS], where, &z->packets_per_s);
	if (v[FLOWS])
		check_rate(k, v[FLOWS], where, &z->flows_per_s);
}

static void
check_zone(struct check *k, const struct ynode *key, const struct ynode *n, struct zone *z)
{
	enum { LEVEL, PORT, NETS, VLAN, LIMITS, N };
	static const struct field fields[N] = {{"level", FIELD_MAY}, {"port", FIELD_MAY},
	    {"nets", FIELD_MUST}, {"vlan", FIELD_MAY}, {"limits", FIELD_MAY}};
	static const char *const ports[] = {"outside", "inside", NULL};
	const struct ynode *v[N];
	struct what what = {""};
	const char *who = what_name(&what, "zone", key->s), *s;
	unsigned w;
	uint32_t vlan;

	z->place = place_of(key);
	if (!check_map(k, n, who, fields, N, v, NULL, NULL))
		return;
	if (v[LEVEL] && check_text(k, v[LEVEL], who, &s)) {
		if (level_ok(s))
			z->level = arena_strn(k->keep, s, strlen(s));
		else
			check_error(k, v[LEVEL], "%s: level %s is outside 0..5", who, s);
	}
	if (v[PORT] && check_word(k, v[PORT], who, ports, &w))
		z->port = w == 0 ? ZONE_OUTSIDE : ZONE_INSIDE;
	if (v[VLAN] && check_number(k, v[VLAN], who, 1, 4094, &vlan))
		z->vlan = (uint16_t)vlan;
	if (v[LIMITS])
		check_zone_limits(k, v[LIMITS], who, z);
	if (!v[NETS])
		return;
	z->nets = arena_array(k->keep, list_n(v[NETS]) + 1, sizeof(*z->nets));
	for (uint32_t i = 0; i < list_n(v[NETS]); i++) {
		const struct ynode *e = list_at(v[NETS], i);
		int r;

		if (!check_text(k, e, who, &s))
			continue;
		r = net_prefix_parse(s, &z->nets[z->n_nets]);
		if (r == 0 && k->n_nets == NETS_MAX)
			check_error(k, e, "%s: a policy has at most %u nets", who, NETS_MAX);
		else if (r == 0)
			z->n_nets++, k->n_nets++;
		else if (r == ERR_RANGE)
			check_error(k, e, "%s: net %s is too long or has host bits set", who, s);
		else
			check_error(k, e, "%s: \"%s\" is not a net such as 10.1.2.0/24", who, s);
	}
	if (list_n(v[NETS]) == 0)
		check_error(k, v[NETS], "%s: a zone needs at least one net", who);
}

struct net_ref {
	struct net_prefix p;
	uint32_t zone;
};

static int
net_cmp(const void *va, const void *vb)
{
	const struct net_ref *a = va, *b = vb;
	int d = memcmp(a->p.addr.b, b->p.addr.b, 16);

	if (d == 0)
		d = a->p.len - b->p.len;
	return d != 0 ? d : (a->zone > b->zone) - (a->zone < b->zone);
}

/* The same net in two zones would make membership a matter of order. */
static void
check_nets_differ(struct check *k)
{
	struct ruleset *rs = k->rs;
	struct net_ref *refs;
	uint32_t n = 0;

	for (uint32_t z = 0; z < rs->n_zones; z++)
		n += rs->zones[z].n_nets;
	refs = arena_array(k->scratch, n + 1, sizeof(*refs));
	n = 0;
	for (uint32_t z = 0; z < rs->n_zones; z++)
		for (uint32_t i = 0; i < rs->zones[z].n_nets; i++)
			refs[n++] = (struct net_ref){rs->zones[z].nets[i], z};
	qsort(refs, n, sizeof(*refs), net_cmp);
	for (uint32_t i = 1; i < n; i++)
		if (refs[i].p.len == refs[i - 1].p.len &&
		    net_addr_eq(&refs[i].p.addr, &refs[i - 1].p.addr)) {
			const struct zone *z = &rs->zones[refs[i].zone];
			char buf[NET_ADDR_STRLEN];

			complain_place(k->c, COMPLAINT_ERROR, &z->place,
			    "zone \"%s\": net %s is also in zone \"%s\"", z->name,
			    net_addr_str(&refs[i].p.addr, buf), rs->zones[refs[i - 1].zone].name);
		}
}

static void
check_zones(struct check *k, const struct ynode *n)
{
	struct ruleset *rs = k->rs;

	if (n->kind != Y_MAP) {
		check_error(k, n, "zones: expected a map of zones by name");
		return;
	}
	rs->zones = arena_array(k->keep, n->n + 1, sizeof(*rs->zones));
	for (uint32_t i = 0; i < n->n; i++) {
		const struct ynode *key = n->kids[2 * (size_t)i];
		struct zone *z = &rs->zones[rs->n_zones];

		if (!check_name(k, key, "zone", &z->name))
			continue;
		names_add(k, key, z->name, NAME_ZONE, rs->n_zones++);
		check_zone(k, key, n->kids[2 * (size_t)i + 1], z);
	}
	check_nets_differ(k);
}

/* --- devices ---------------------------------------------------------------------------- */

static void
check_device_ip(struct check *k, const struct ynode *at, const char *who, struct device *d,
    const char *text, bool zone_known)
{
	const struct zone *z = &k->rs->zones[d->zone];
	uint32_t lpm;

	if (net_addr_parse(text, &d->ip) < 0) {
		check_error(k, at, "%s: \"%s\" is not an address", who, text);
		return;
	}
	if (!zone_known || z->n_nets == 0)
		return;
	for (uint32_t i = 0; i < z->n_nets; i++)
		if (net_prefix_has(&z->nets[i], &d->ip)) {
			lpm = rules_zone_of(k->rs, &d->ip);
			if (lpm != d->zone && lpm < k->rs->n_zones)
				check_error(k, at, "%s: %s lies in a narrower net of zone \"%s\"",
				    who, text, k->rs->zones[lpm].name);
			return;
		}
	check_error(k, at, "%s: %s is in none of the nets of zone \"%s\"", who, text, z->name);
}

static void
check_device(struct check *k, const struct ynode *key, const struct ynode *n, struct device *d)
{
	enum { ZONE, IP, MAC, ROLE, LOCATION, NAMES, N };
	static const struct field fields[N] = {{"zone", FIELD_MUST}, {"ip", FIELD_MUST},
	    {"mac", FIELD_MAY}, {"role", FIELD_MAY}, {"location", FIELD_MAY}, {"names", FIELD_MAY}};
	const struct ynode *v[N];
	const struct name_entry *e;
	struct what what = {""};
	const char *who = what_name(&what, "device", key->s), *s, *near;
	bool zone_known = false;

	d->place = place_of(key);
	if (!check_map(k, n, who, fields, N, v, NULL, NULL))
		return;
	if (v[ZONE] && check_text(k, v[ZONE], who, &s)) {
		e = names_find(k, s);
		if (e && e->kind == NAME_ZONE) {
			zone_known = true;
			d->zone = e->index;
			k->rs->zones[e->index].n_devices++;
		} else {
			near = names_nearest(k, s);
			check_error(k, v[ZONE], "%s: there is no zone \"%s\"%s%s%s", who, s,
			    near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
		}
	}
	if (v[IP] && check_text(k, v[IP], who, &s))
		check_device_ip(k, v[IP], who, d, s, zone_known);
	if (v[MAC] && check_text(k, v[MAC], who, &s)) {
		d->has_mac = net_mac_parse(s, d->mac) == 0;
		if (!d->has_mac)
			check_error(k, v[MAC], "%s: \"%s\" is not a MAC such as 00:1b:1b:aa:bb:01", who,
			    s);
	}
	if (v[ROLE] && check_text(k, v[ROLE], who, &s))
		d->role = arena_strn(k->keep, s, strlen(s));
	if (v[LOCATION] && check_text(k, v[LOCATION], who, &s))
		d->location = arena_strn(k->keep, s, strlen(s));
	if (v[NAMES])
		check_names_of(k, v[NAMES], (uint32_t)(d - k->rs->devices));
}

static int
device_ip_cmp(const void *va, const void *vb)
{
	const struct device *a = *(const struct device *const *)va;
	const struct device *b = *(const struct device *const *)vb;
	int d = memcmp(a->ip.b, b->ip.b, 16);

	return d != 0 ? d : (a->place.line > b->place.line) - (a->place.line < b->place.line);
}

static void
check_devices(struct check *k, const struct ynode *n)
{
	static const struct net_addr none;
	struct ruleset *rs = k->rs;
	const struct device **by_ip;
	struct where w;

	if (n->kind != Y_MAP) {
		check_error(k, n, "devices: expected a map of devices by name");
		return;
	}
	if (n->n > DEVICES_MAX) {
		check_error(k, n, "devices: a policy has at most %u", DEVICES_MAX);
		return;
	}
	if (!rs->zones) /* for the index 0 of a device whose zone is unknown */
		rs->zones = arena_get(k->keep, sizeof(*rs->zones));
	rs->devices = arena_array(k->keep, n->n + 1, sizeof(*rs->devices));
	for (uint32_t i = 0; i < n->n; i++) {
		const struct ynode *key = n->kids[2 * (size_t)i];
		struct device *d = &rs->devices[rs->n_devices];

		if (!check_name(k, key, "device", &d->name))
			continue;
		names_add(k, key, d->name, NAME_DEVICE, rs->n_devices++);
		check_device(k, key, n->kids[2 * (size_t)i + 1], d);
	}
	by_ip = arena_array(k->scratch, rs->n_devices + 1, sizeof(struct device *));
	for (uint32_t i = 0; i < rs->n_devices; i++)
		by_ip[i] = &rs->devices[i];
	qsort(by_ip, rs->n_devices, sizeof(struct device *), device_ip_cmp);
	for (uint32_t i = 1; i < rs->n_devices; i++)
		if (net_addr_eq(&by_ip[i]->ip, &by_ip[i - 1]->ip) &&
		    !net_addr_eq(&by_ip[i]->ip, &none))
			complain_place(k->c, COMPLAINT_ERROR, &by_ip[i]->place,
			    "device \"%s\": device \"%s\" in %s has the "
			    "same address",
			    by_ip[i]->name, by_ip[i - 1]->name,
			    where_is(k->c, &by_ip[i - 1]->place, &w));
}

/* --- the file ------------------------------------------------------------------------------ */

static void
check_top(struct check *k, const struct ynode *root)
{
	enum {
		VERSION,
		SITE,
		MODE,
		CONDITIONS,
		FAIL,
		L2,
		ZONES,
		DEVICES,
		CONDUITS,
		WINDOWS,
		PERMITS,
		APPS,
		LIMITS,
		GROUPS,
		TAGS,
		L4,
		SETS,
		INCLUDE,
		NAMES,
		N
	};
	static const struct field fields[N] = {
	    {"interlock", FIELD_MUST},
	    {"site", FIELD_MAY},
	    {"mode", FIELD_MAY},
	    {"conditions", FIELD_MAY},
	    {"fail", FIELD_MAY},
	    {"l2", FIELD_MAY},
	    {"zones", FIELD_MAY},
	    {"devices", FIELD_MAY},
	    {"conduits", FIELD_MAY},
	    {"windows", FIELD_MAY},
	    {"permits", FIELD_MAY},
	    {"apps", FIELD_LATER},
	    {"limits", FIELD_LATER},
	    {"groups", FIELD_MAY},
	    {"tags", FIELD_LATER},
	    {"l4", FIELD_LATER},
	    {"sets", FIELD_MAY},
	    {"include", FIELD_MAY},
	    {"names", FIELD_MAY},
	};
	struct ruleset *rs = k->rs;
	const struct ynode *v[N];
	const char *s;
	uint32_t version;

	sets_expand(k, root);
	if (!check_map(k, root, "policy", fields, N, v, NULL, NULL))
		return;
	if (v[VERSION])
		check_number(k, v[VERSION], "interlock", 1, 1, &version);
	if (v[SITE] && check_text(k, v[SITE], "site", &s))
		rs->site = arena_strn(k->keep, s, strlen(s));
	if (v[MODE])
		rs->mode_stated = check_mode(k, v[MODE], "mode", &rs->mode);
	else {
		complain_at(k->c, COMPLAINT_WARNING, root->line, root->col,
		    "policy: \"mode\" is missing: judged as alert, and guard refuses it");
		complain_tag(k->c, "policy.no-mode", NULL);
	}
	if (v[CONDITIONS])
		check_conditions(k, v[CONDITIONS], "policy", rs->cond);
	if (v[FAIL])
		check_fail(k, v[FAIL], "fail", &rs->fail_open, &rs->fail_open_at);
	check_l2(k, v[L2]);
	rs->grace_s = PERMIT_GRACE_S;
	if (v[WINDOWS])
		check_windows(k, v[WINDOWS]);
	if (v[PERMITS])
		check_permits(k, v[PERMITS]);
	if (v[ZONES])
		check_zones(k, v[ZONES]);
	if (v[DEVICES])
		check_devices(k, v[DEVICES]);
	if (v[GROUPS])
		check_groups(k, v[GROUPS]);
	if (v[NAMES])
		check_names(k, v[NAMES]);
	syms_sort(k);
	if (v[CONDUITS])
		check_conduits(k, v[CONDUITS]);
	else {
		complain_at(k->c, COMPLAINT_WARNING, root->line, root->col,
		    "policy: no \"conduits\": nobody may talk to anybody");
		complain_tag(k->c, "policy.no-conduits", NULL);
	}
}

static struct ruleset *
check_policy(struct arena *keep, struct arena *scratch, struct complaints *c, struct ynode *root,
    struct policy_source *src, struct inclusion **files)
{
	struct check k = {.keep = keep, .scratch = scratch, .c = c};
	size_t errors = c->errors;

	k.rs = arena_get(keep, sizeof(*k.rs));
	k.rs->site = "";
	k.rs->mode = MODE_ALERT;
	memcpy(k.rs->cond, cond_default, sizeof(cond_default));
	include_all(&k, root, src);
	check_top(&k, root);
	include_end(&k);
	*files = k.files;
	if (c->errors == errors) {
		check_overlaps(&k);
		check_groups_used(&k);
	}
	for (uint32_t i = 0; i < k.rs->n_conduits; i++)
		k.rs->conduits[i].yaml = NULL; /* it ends with scratch */
	return c->errors == errors ? k.rs : NULL;
}

struct ruleset *
rules_read_source(
    struct arena *keep, struct arena *scratch, struct complaints *c, struct policy_source *src)
{
	size_t before = c->n;
	struct ynode *root = yaml_read(scratch, c, src->text, src->len);
	struct inclusion *files = NULL;
	struct ruleset *rs;

	for (size_t i = before; i < c->n; i++)
		c->v[i].id = "policy.yaml";
	rs = root ? check_policy(keep, scratch, c, root, src, &files) : NULL;
	if (rs) {
		rs->file = rs->files[0];
		lint_policy(rs, scratch, c);
		include_accept(files, c);
	}
	complaints_sort(c);
	return rs;
}

struct ruleset *
rules_read(
    struct arena *keep, struct arena *scratch, struct complaints *c, const char *text, size_t len)
{
	struct policy_source src = {.name = c->file, .text = text, .len = len};

	return rules_read_source(keep, scratch, c, &src);
}
