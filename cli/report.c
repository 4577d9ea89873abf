/* SPDX-License-Identifier: Apache-2.0 */
/* report.c - names and lists that all reports share. */
#include "cli/report.h"
#include "policy/window.h"

#include <stdlib.h>
#include <string.h>

const char *
report_host(const struct policy *pol, const struct net_addr *a, char *buf)
{
	const char *name = pol ? policy_device_name(pol, a) : NULL;

	return name ? name : net_addr_str(a, buf);
}

const char *
report_conv(const struct policy *pol, const struct conv *c, char *buf)
{
	char client[NET_ADDR_STRLEN], server[NET_ADDR_STRLEN];

	snprintf(buf, NAME_SIZE, "%s -> %s:%u", report_host(pol, &c->client, client),
	    report_host(pol, &c->server, server), c->port);
	return buf;
}

const char *
report_ends(const struct policy *pol, const struct finding *f, char *buf)
{
	char src[NET_ADDR_STRLEN], dst[NET_ADDR_STRLEN];

	if (f->kind == EVENT_L2)
		snprintf(buf, NAME_SIZE, "%s -> %s", net_mac_str(f->smac, src),
		    net_mac_str(f->dmac, dst));
	else
		snprintf(buf, NAME_SIZE, "%s -> %s", report_host(pol, &f->src, src),
		    report_host(pol, &f->dst, dst));
	return buf;
}

const char *
report_subject(const struct finding *f)
{
	if (f->op)
		return f->op;
	return f->kind == EVENT_L2	    ? "frame"
	       : f->kind == EVENT_CONDITION ? policy_cond_name(f->cond)
					    : "connection";
}

const char *
report_decider(const struct policy *pol, const struct finding *f, char *buf)
{
	struct policy_rule_info ri;

	if (f->reason == REASON_RULE && policy_rule_info(pol, f->rule, &ri) == 0)
		snprintf(buf, NAME_SIZE, "%s/%s", ri.conduit, ri.name);
	else if (f->reason == REASON_CONDITION)
		snprintf(buf, NAME_SIZE, "condition %s", policy_cond_name((uint8_t)f->rule));
	else if (f->reason == REASON_SECURITY || f->reason == REASON_LIMIT)
		snprintf(buf, NAME_SIZE, "%s: %s %s", policy_conduit_name(pol, f->conduit),
		    policy_reason_name(f->reason), policy_key_name(f->rule));
	else if (f->reason == REASON_WINDOW)
		snprintf(buf, NAME_SIZE, "%s: window %s", policy_conduit_name(pol, f->conduit),
		    policy_window_name(pol, f->rule));
	else if (f->conduit != RULE_NONE)
		snprintf(buf, NAME_SIZE, "%s: %s", policy_conduit_name(pol, f->conduit),
		    policy_reason_name(f->reason));
	else
		snprintf(buf, NAME_SIZE, "%s", policy_reason_name(f->reason));
	return buf;
}

const char *
report_rule_id(const struct policy *pol, const struct finding *f, char *buf)
{
	(void)report_decider(pol, f, buf);
	for (char *p = buf, *to = buf; (*to = *p) != '\0'; p++) {
		if (p[0] == ':' && p[1] == ' ') { /* "conduit: otherwise" */
			*to++ = '/';
			p++;
		} else {
			if (*p == ' ')
				*to = '/';
			to++;
		}
	}
	return buf;
}

unsigned
report_line(const struct policy *pol, const struct finding *f, unsigned *col)
{
	struct policy_rule_info ri;
	unsigned line = 0;

	*col = 0;
	if (f->reason == REASON_RULE && policy_rule_info(pol, f->rule, &ri) == 0) {
		*col = ri.col;
		return ri.line;
	}
	if (policy_conduit_place(pol, f->conduit, &line, col) < 0)
		return 0;
	return line;
}

uint64_t
report_conv_pdus(const struct conv *c)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < c->n_ops; i++)
		for (unsigned k = 0; k < FACT_KINDS; k++)
			n += c->ops[i].n[k];
	return n;
}

static int
host_cmp(const void *a, const void *b)
{
	return memcmp(((const struct host *)a)->addr.b, ((const struct host *)b)->addr.b, 16);
}

struct host *
report_hosts(const struct tally *t, size_t *n)
{
	size_t cap = 2 * ((size_t)t->n_convs + t->n_findings), k = 0;
	struct host *h = calloc(cap ? cap : 1, sizeof(*h));

	*n = 0;
	if (!h)
		return NULL;
	for (uint32_t i = 0; i < t->n_convs; i++) {
		uint64_t pdus = report_conv_pdus(&t->convs[i]);

		h[k++] = (struct host){t->convs[i].client, pdus, true, false, 1};
		h[k++] = (struct host){t->convs[i].server, pdus, false, true, 1};
	}
	for (uint32_t i = 0; i < t->n_findings; i++)
		if (t->findings[i].kind == EVENT_FLOW) {
			h[k++] = (struct host){t->findings[i].src, 0, false, false, 0};
			h[k++] = (struct host){t->findings[i].dst, 0, false, false, 0};
		}
	qsort(h, k, sizeof(*h), host_cmp);
	for (size_t i = 0; i < k; i++) {
		struct host *last = *n ? &h[*n - 1] : NULL;

		if (last && net_addr_eq(&last->addr, &h[i].addr)) {
			last->pdus += h[i].pdus;
			last->client |= h[i].client;
			last->server |= h[i].server;
			last->peers += h[i].peers;
		} else {
			h[(*n)++] = h[i];
		}
	}
	return h;
}
