/* SPDX-License-Identifier: Apache-2.0 */
/* model.c - see model.h. */
#include "policy/model.h"

#include <stdlib.h>

#include "base/crypto.h"
#include "base/jw.h"
#include "dissectors/dissector.h"
#include "policy/policy.h"
#include "policy/rules.h"
#include "policy/table.h"

#define HASH_BYTES 16u /* as il_policy of an alert */

static void
text(struct jw *w, const char *key, const char *s)
{
	if (s)
		jw_str(w, key, s);
}

static void
ends(struct jw *w, const char *key, const struct ruleset *rs, const struct endpoints *e)
{
	jw_arr(w, key);
	for (uint32_t i = 0; i < e->n; i++)
		jw_str(w, NULL,
		    e->v[i].kind == END_DEVICE ? rs->devices[e->v[i].index].name
					       : rs->zones[e->v[i].index].name);
	jw_close(w, ']');
}

static void
conduit(struct jw *w, const struct ruleset *rs, const struct conduit *c)
{
	jw_obj(w, NULL);
	jw_str(w, "name", c->name);
	ends(w, "from", rs, &c->from);
	ends(w, "to", rs, &c->to);
	jw_arr(w, "protos");
	for (uint32_t i = 0; i < c->n_blocks; i++)
		jw_str(w, NULL, c->blocks[i].dis->name);
	if (c->apps.n > 0)
		jw_str(w, NULL, "apps");
	if (c->l4)
		jw_str(w, NULL, "l4");
	jw_close(w, ']');
	jw_close(w, '}');
}

void
policy_model(const struct policy *pol, struct jw *w)
{
	const struct ruleset *rs = pol->rs;
	char hex[2 * HASH_BYTES + 1], ip[NET_ADDR_STRLEN];

	jw_obj(w, NULL);
	jw_u(w, "v", 1);
	text(w, "site", rs->site);
	jw_str(w, "policy", crypto_hex(policy_hash(pol), HASH_BYTES, hex));
	jw_arr(w, "zones");
	for (uint32_t i = 0; i < rs->n_zones; i++) {
		jw_obj(w, NULL);
		jw_str(w, "name", rs->zones[i].name);
		if (rs->zones[i].level)
			jw_i(w, "level", strtol(rs->zones[i].level, NULL, 10));
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_arr(w, "devices");
	for (uint32_t i = 0; i < rs->n_devices; i++) {
		const struct device *d = &rs->devices[i];

		jw_obj(w, NULL);
		jw_str(w, "name", d->name);
		jw_str(w, "zone", rs->zones[d->zone].name);
		jw_arr(w, "ips");
		jw_str(w, NULL, net_addr_str(&d->ip, ip));
		jw_close(w, ']');
		text(w, "role", d->role);
		text(w, "location", d->location);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_arr(w, "conduits");
	for (uint32_t i = 0; i < rs->n_conduits; i++)
		conduit(w, rs, &rs->conduits[i]);
	jw_close(w, ']');
	jw_close(w, '}');
}
