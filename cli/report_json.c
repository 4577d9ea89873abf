/* SPDX-License-Identifier: Apache-2.0 */
/* report_json.c - the summary for machines; docs/OPERATIONS.md describes its members. */
#include <stdlib.h>
#include <string.h>

#include "base/build_id.h"
#include "base/jw.h"
#include "cli/report.h"

static const char *const kinds[FACT_KINDS] = {
    "requests", "responses", "exceptions", "malformed", "other"};

static void
put_policy(struct jw *w, const struct report *r)
{
	static const char *const modes[] = {"learn", "alert", "enforce"};
	static const char hex[] = "0123456789abcdef";
	const uint8_t *hash = policy_hash(r->policy);
	const char *site = policy_site(r->policy);

	jw_obj(w, "policy");
	jw_str(w, "file", r->policy_path);
	if (site && *site)
		jw_str(w, "site", site);
	jw_str(w, "mode", modes[policy_mode(r->policy)]);
	jw_key(w, "sha256");
	jw_ch(w, '"');
	for (unsigned i = 0; i < 32; i++) {
		jw_ch(w, hex[hash[i] >> 4]);
		jw_ch(w, hex[hash[i] & 15]);
	}
	jw_ch(w, '"');
	jw_u(w, "rules", policy_rule_count(r->policy));
	jw_close(w, '}');
}

static void
put_host(struct jw *w, const char *key, const struct policy *pol, const struct net_addr *a)
{
	const char *name = pol ? policy_device_name(pol, a) : NULL;
	const char *zone = pol ? policy_zone_name(pol, a) : NULL;
	const char *role = pol ? policy_device_role(pol, a) : NULL;
	char b[NET_ADDR_STRLEN];

	jw_obj(w, key);
	jw_str(w, "addr", net_addr_str(a, b));
	if (name)
		jw_str(w, "name", name);
	if (role)
		jw_str(w, "role", role);
	if (zone)
		jw_str(w, "zone", zone);
}

static void
put_devices(struct jw *w, const struct report *r, const struct capture *c)
{
	size_t n;
	struct host *h = report_hosts(&c->tally, &n);

	jw_arr(w, "devices");
	for (size_t i = 0; i < n; i++) {
		put_host(w, NULL, r->policy, &h[i].addr);
		jw_bool(w, "client", h[i].client);
		jw_bool(w, "server", h[i].server);
		jw_u(w, "peers", h[i].peers);
		jw_u(w, "pdus", h[i].pdus);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	free(h);
}

static void
put_convs(struct jw *w, const struct report *r, const struct capture *c)
{
	jw_arr(w, "conversations");
	for (uint32_t i = 0; i < c->tally.n_convs; i++) {
		const struct conv *v = &c->tally.convs[i];

		if (!v->ops)
			continue;
		jw_obj(w, NULL);
		jw_str(w, "proto", dissectors[v->proto]->name);
		jw_str(w, "transport", v->l4 == NET_PROTO_UDP ? "udp" : "tcp");
		put_host(w, "client", r->policy, &v->client);
		jw_close(w, '}');
		put_host(w, "server", r->policy, &v->server);
		jw_u(w, "port", v->port);
		jw_close(w, '}');
		if (v->vlan != 0)
			jw_u(w, "vlan", v->vlan);
		jw_u(w, "pdus", report_conv_pdus(v));
		jw_arr(w, "functions");
		for (unsigned k = 0; k < v->n_ops; k++) {
			const struct tally_op *op = &v->ops[k];

			if (!op->op)
				continue;
			jw_obj(w, NULL);
			jw_u(w, "code", op->code);
			jw_str(w, "op", op->op);
			for (unsigned j = 0; j < FACT_KINDS; j++)
				jw_u(w, kinds[j], op->n[j]);
			jw_u(w, "not_allowed", op->denied);
			jw_close(w, '}');
		}
		jw_close(w, ']');
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
put_apps(struct jw *w, const struct report *r, const struct capture *c)
{
	jw_arr(w, "other");
	for (uint32_t i = 0; i < c->tally.n_convs; i++) {
		const struct conv *v = &c->tally.convs[i];

		if (v->ops || !v->app[0])
			continue;
		jw_obj(w, NULL);
		jw_str(w, "app", v->app);
		if (v->host[0])
			jw_str(w, "app_host", v->host);
		jw_str(w, "transport", v->l4 == NET_PROTO_UDP ? "udp" : "tcp");
		put_host(w, "client", r->policy, &v->client);
		jw_close(w, '}');
		put_host(w, "server", r->policy, &v->server);
		jw_u(w, "port", v->port);
		jw_close(w, '}');
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
put_rules(struct jw *w, const struct report *r, const struct capture *c)
{
	jw_arr(w, "rules");
	for (uint32_t i = 0; i < c->run.n_rules && c->run.rule_hits; i++) {
		struct policy_rule_info ri;

		if (policy_rule_info(r->policy, i, &ri) < 0)
			continue;
		jw_obj(w, NULL);
		jw_str(w, "conduit", ri.conduit);
		jw_str(w, "rule", ri.name);
		jw_str(w, "proto", ri.proto);
		jw_bool(w, "deny", ri.deny);
		jw_str(w, "file", ri.file);
		jw_u(w, "line", ri.line);
		jw_u(w, "hits", c->run.rule_hits[i]);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
put_finding(struct jw *w, const struct report *r, const struct finding *f)
{
	static const char *const events[] = {
	    "", "pdu", "connection", "condition", "frame", "anomaly"};
	unsigned col, line = report_line(r->policy, f, &col);
	uint64_t n = f->count < FINDING_SAMPLES ? f->count : FINDING_SAMPLES;
	char b[NAME_SIZE];

	jw_obj(w, NULL);
	jw_str(w, "id", report_rule_id(r->policy, f, b));
	jw_str(w, "event", events[f->kind]);
	jw_bool(w, "allowed", !f->denied);
	jw_str(w, "verdict", verdict_action_name(f->would));
	jw_str(w, "action", verdict_action_name(f->action));
	jw_str(w, "reason", policy_reason_name(f->reason));
	jw_str(w, "by", report_decider(r->policy, f, b));
	if (line != 0) {
		jw_str(w, "file", r->policy_path);
		jw_u(w, "line", line);
	}
	if (f->kind != EVENT_L2) {
		put_host(w, "src", r->policy, &f->src);
		jw_close(w, '}');
		put_host(w, "dst", r->policy, &f->dst);
		jw_close(w, '}');
	} else {
		jw_str(w, "smac", net_mac_str(f->smac, b));
		jw_str(w, "dmac", net_mac_str(f->dmac, b));
	}
	if (f->op) {
		jw_u(w, "code", f->code);
		jw_str(w, "op", f->op);
	}
	if (f->note)
		jw_str(w, "note", f->note);
	jw_u(w, "count", f->count);
	jw_u(w, "last_frame", f->last_frame);
	jw_arr(w, "first");
	for (uint64_t i = 0; i < n; i++) {
		jw_obj(w, NULL);
		jw_u(w, "frame", f->sample[i].frame);
		jw_key(w, "time");
		jw_ch(w, '"');
		jw_time(w, f->sample[i].ts_ns);
		jw_ch(w, '"');
		jw_str(w, "what", f->sample[i].text);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_close(w, '}');
}

static void
put_anomalies(struct jw *w, const struct capture *c)
{
	jw_obj(w, "anomalies");
	for (unsigned p = 0; p <= n_dissectors; p++)
		for (unsigned b = 0; b < 64; b++) {
			const char *name = fact_anomaly_name((uint8_t)p, b);
			char key[96];

			if (c->tally.anomalies[p][b] == 0 || !name)
				continue;
			snprintf(key, sizeof(key), "%s.%s",
			    p < n_dissectors ? dissectors[p]->name : "engine", name);
			jw_u(w, key, c->tally.anomalies[p][b]);
		}
	jw_close(w, '}');
}

static void
put_packets(struct jw *w, const struct capture *c)
{
	const struct engine_stats *s = &c->run.stats;

	jw_obj(w, "packets");
	jw_u(w, "received", s->received);
	jw_u(w, "injected", s->injected);
	jw_u(w, "forwarded", s->forwarded);
	jw_obj(w, "dropped");
	for (unsigned i = 0; i < DROP__MAX; i++)
		if (s->dropped[i] != 0)
			jw_u(w, drop_name(i), s->dropped[i]);
	jw_close(w, '}');
	jw_u(w, "consumed", s->consumed);
	jw_u(w, "held", s->held);
	jw_bool(w, "balanced", c->run.balanced);
	jw_u(w, "would_drop", s->would_drop);
	jw_u(w, "bytes", s->bytes);
	jw_close(w, '}');
	jw_obj(w, "pdus");
	jw_u(w, "all", s->pdus);
	jw_u(w, "requests", s->requests);
	jw_u(w, "responses", s->responses);
	jw_u(w, "exceptions", s->exceptions);
	jw_u(w, "malformed", s->malformed);
	jw_close(w, '}');
	jw_obj(w, "flows");
	jw_u(w, "seen", s->flows);
	jw_u(w, "midstream", s->midstream);
	jw_u(w, "evicted", s->flows_evicted);
	jw_u(w, "expired", s->flows_expired);
	jw_u(w, "retransmitted", s->retransmitted);
	jw_u(w, "out_of_order", s->out_of_order);
	jw_u(w, "overlap_differs", s->overlap_differs);
	jw_u(w, "gaps", s->gaps);
	jw_u(w, "pool_full", s->pool_full);
	jw_close(w, '}');
	jw_u(w, "memory_bytes", s->memory_bytes);
}

static void
put_capture(struct jw *w, const struct report *r, const struct capture *c)
{
	jw_obj(w, NULL);
	jw_str(w, "file", c->path);
	jw_bool(w, "complete", c->run.status == EXIT_OK);
	if (c->run.error[0] != '\0')
		jw_str(w, "error", c->run.error);
	if (c->run.first_ns != 0) {
		jw_key(w, "first");
		jw_ch(w, '"');
		jw_time(w, c->run.first_ns);
		jw_raw(w, "\",\"last\":\"", 10);
		jw_time(w, c->run.last_ns);
		jw_ch(w, '"');
	}
	if (r->fast)
		jw_u(w, "judged_ns", c->run.judged_ns);
	put_packets(w, c);
	put_devices(w, r, c);
	put_convs(w, r, c);
	put_apps(w, r, c);
	if (r->policy) {
		put_rules(w, r, c);
		jw_u(w, "not_allowed", c->tally.denied);
		jw_u(w, "told", c->tally.told);
		jw_arr(w, "findings");
		for (uint32_t i = 0; i < c->tally.n_findings; i++)
			put_finding(w, r, &c->tally.findings[i]);
		jw_close(w, ']');
		report_moved_json(w, r, &c->tally);
	}
	put_anomalies(w, c);
	jw_u(w, "uncounted", c->tally.convs_lost + c->tally.findings_lost);
	jw_close(w, '}');
}

void
report_json(struct jw *w, const void *report)
{
	const struct report *r = report;

	jw_obj(w, NULL);
	jw_str(w, "interlock", build_version);
	jw_str(w, "build", build_id);
	jw_u(w, "exit", (uint64_t)r->status);
	jw_bool(w, "inline", r->inline_mode);
	if (r->policy)
		put_policy(w, r);
	jw_arr(w, "captures");
	for (size_t i = 0; i < r->n_caps; i++)
		put_capture(w, r, &r->caps[i]);
	jw_close(w, ']');
	if (r->alerts) {
		jw_obj(w, "alerts");
		jw_u(w, "events", r->alerts->events);
		jw_u(w, "folded", r->alerts->folded);
		jw_u(w, "lost", r->alerts->lost);
		jw_u(w, "lines", r->alerts->lines);
		jw_u(w, "batches", r->alerts->batches);
		jw_close(w, '}');
	}
	jw_close(w, '}');
}
