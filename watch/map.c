/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map.c - conversations as a picture: who stands on which level, and who talks to whom.
 *
 * Levels are those of the Purdue model (IEC 62443-1-1): 1 control, 2 supervision, 3 operations, 4 the enterprise, 5 outside.
 * A device whose role the policy declares stands where the role does; of the others it is a guess from what they do:
 *
 *   answers Modbus or S7                          1
 *   asks who answers these                        2, or 3 when it only reads from three or more
 *   speaks OPC UA alone                           3
 *   only IT protocols                             4
 *   an address of the internet (RFC 6890)         5
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/jw.h"
#include "policy/policy.h"
#include "watch/convs.h"
#include "watch/public.h"
#include "watch/table.h"

#define READERS_MANY 3u

struct node {
	struct net_addr ip;
	bool field_server, field_client, ua, wrote;
	uint32_t servers; /* of field protocols that it asks */
};

struct map {
	const struct convs_view *cv;
	uint32_t *list, n; /* conversations */
	struct node *node;
	uint32_t n_nodes;
};

static int
by_ip(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct net_addr));
}

static struct node *
node_of(const struct map *m, const struct net_addr *ip)
{
	return bsearch(ip, m->node, m->n_nodes, sizeof(*m->node), by_ip);
}

static void
node_add(struct map *m, const struct net_addr *ip)
{
	m->node[m->n_nodes++] = (struct node){.ip = *ip};
}

static bool
map_make(struct map *m, const struct convs_view *cv)
{
	uint32_t k = 0;

	*m = (struct map){.cv = cv};
	m->list = convs_sorted(cv->convs, &m->n);
	m->node = calloc(2u * m->n + 1u, sizeof(*m->node));
	if (!m->list || !m->node)
		return false;
	for (uint32_t i = 0; i < m->n; i++) {
		const struct conv *v = CONV_AT(cv->convs, m->list[i]);

		node_add(m, &v->client);
		node_add(m, &v->server);
	}
	qsort(m->node, m->n_nodes, sizeof(*m->node), by_ip);
	for (uint32_t i = 0; i < m->n_nodes; i++)
		if (i == 0 || by_ip(&m->node[k - 1], &m->node[i]) != 0)
			m->node[k++] = m->node[i];
	m->n_nodes = k;
	for (uint32_t i = 0; i < m->n; i++) {
		const struct conv *v = CONV_AT(cv->convs, m->list[i]);
		struct node *c = node_of(m, &v->client), *s = node_of(m, &v->server);
		bool ua =
		    v->proto < n_dissectors && strcmp(dissectors[v->proto]->name, "opcua") == 0;

		if (v->proto >= n_dissectors || v->answers == 0)
			continue;
		c->ua |= ua;
		s->ua |= ua;
		c->wrote |= v->wrote;
		if (ua)
			continue;
		s->field_server = c->field_client = true;
		c->servers++;
	}
	return true;
}

static unsigned
level_of(const struct map *m, const struct node *x)
{
	static const struct {
		const char *role;
		unsigned level;
	} roles[] = {{"plc", 1}, {"gateway", 1}, {"io_device", 1}, {"hmi", 2}, {"engineering", 2},
	    {"ews", 2}, {"historian", 3}, {"mes", 3}, {"server", 3}};
	const char *role = m->cv->pol ? policy_device_role(m->cv->pol, &x->ip) : NULL;

	for (size_t i = 0; role && i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(role, roles[i].role) == 0)
			return roles[i].level;
	if (net_is_public(&x->ip))
		return 5;
	if (x->field_server)
		return 1;
	if (x->field_client)
		return x->servers >= READERS_MANY && !x->wrote ? 3 : 2;
	return x->ua ? 3 : 4;
}

static const char *
label_of(const struct map *m, const struct net_addr *ip, char buf[NET_ADDR_STRLEN])
{
	const char *name = m->cv->pol ? policy_device_name(m->cv->pol, ip) : NULL;

	return name ? name : net_addr_str(ip, buf);
}

static const char *
proto_of(const struct conv *v)
{
	return v->proto < n_dissectors ? dissectors[v->proto]->name : v->app[0] ? v->app : "";
}

/* "modbus, writes" */
static void
edge_label(const struct conv *v, char *buf, size_t size)
{
	const char *l4 = v->l4 == NET_PROTO_TCP ? "tcp" : v->l4 == NET_PROTO_UDP ? "udp" : "ip";
	unsigned n = v->port ? v->port : v->l4;

	if (*proto_of(v))
		snprintf(buf, size, "%s%s", proto_of(v), v->wrote ? ", changes" : "");
	else
		snprintf(buf, size, "%s %u", l4, n);
}

static void
put(struct jw *w, const char *s)
{
	jw_raw(w, s, strlen(s));
}

static void
picture(struct jw *w, const struct map *m, bool dot)
{
	static const char *const names[] = {
	    "", "control", "supervision", "operations", "enterprise", "outside"};
	char buf[NET_ADDR_STRLEN], text[256], label[96];

	put(w, dot ? "digraph plant {\n\trankdir=TB;\n\tnode [shape=box];\n" : "flowchart TB\n");
	for (unsigned level = 5; level >= 1; level--) {
		bool any = false;

		for (uint32_t i = 0; i < m->n_nodes; i++) {
			if (level_of(m, &m->node[i]) != level)
				continue;
			snprintf(text, sizeof(text),
			    dot ? "\tsubgraph cluster_%u {\n\t\tlabel=\"level %u: %s\";\n"
				: "\tsubgraph L%u[\"level %u: %s\"]\n",
			    level, level, names[level]);
			if (!any)
				put(w, text);
			any = true;
			snprintf(text, sizeof(text),
			    dot ? "\t\tn%u [label=\"%s\"];\n" : "\t\tn%u[\"%s\"]\n", i,
			    label_of(m, &m->node[i].ip, buf));
			put(w, text);
		}
		if (any)
			put(w, dot ? "\t}\n" : "\tend\n");
	}
	for (uint32_t i = 0; i < m->n; i++) {
		const struct conv *v = CONV_AT(m->cv->convs, m->list[i]);
		unsigned c = (unsigned)(node_of(m, &v->client) - m->node);
		unsigned s = (unsigned)(node_of(m, &v->server) - m->node);

		edge_label(v, label, sizeof(label));
		if (dot)
			snprintf(text, sizeof(text), "\tn%u -> n%u [label=\"%s\"];\n", c, s, label);
		else
			snprintf(text, sizeof(text), "\tn%u -->|%s| n%u\n", c, label, s);
		put(w, text);
	}
	put(w, dot ? "}" : "");
}

static void
json(struct jw *w, const struct map *m)
{
	char buf[NET_ADDR_STRLEN];

	jw_obj(w, NULL);
	jw_u(w, "version", 1);
	jw_arr(w, "nodes");
	for (uint32_t i = 0; i < m->n_nodes; i++) {
		jw_obj(w, NULL);
		jw_u(w, "id", i);
		jw_str(w, "ip", net_addr_str(&m->node[i].ip, buf));
		jw_str(w, "label", label_of(m, &m->node[i].ip, buf));
		jw_u(w, "level", level_of(m, &m->node[i]));
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_arr(w, "edges");
	for (uint32_t i = 0; i < m->n; i++) {
		const struct conv *v = CONV_AT(m->cv->convs, m->list[i]);

		jw_obj(w, NULL);
		jw_u(w, "from", (uint64_t)(node_of(m, &v->client) - m->node));
		jw_u(w, "to", (uint64_t)(node_of(m, &v->server) - m->node));
		jw_str(w, "protocol", *proto_of(v) ? proto_of(v) : "unknown");
		jw_u(w, "port", v->port);
		jw_bool(w, "changes", v->wrote);
		jw_u(w, "bytes", v->bytes[0] + v->bytes[1]);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_close(w, '}');
}

void
convs_map(struct jw *w, const void *ctx)
{
	const struct convs_view *cv = ctx;
	struct map m;

	if (map_make(&m, cv)) {
		if (cv->map == CONVS_MAP_JSON)
			json(w, &m);
		else
			picture(w, &m, cv->map == CONVS_MAP_DOT);
	} else {
		w->full = true; /* the caller says that memory is short */
	}
	free(m.list);
	free(m.node);
}
