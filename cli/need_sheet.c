/* SPDX-License-Identifier: Apache-2.0 */
/* need_sheet.c - the sheet of policy need: for people, and as JSON (docs/FORMATS.md). */
#include <inttypes.h>
#include <string.h>

#include "base/build_id.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/jw.h"
#include "cli/need.h"

#define TEXT_ROWS 12u /* of one criterion, for people */

static unsigned
attacks(const struct need_row *r, const struct attack *hit[ATTACKS_MAX])
{
	const struct record rec = {
	    .kind = EVENT_PDU, .access = r->access, .code = r->code, .sub = r->sub};

	/* What is no function of its own is no technique. */
	if (r->risk > RISK_UNKNOWN || r->proto >= n_dissectors)
		return 0;
	return class_attacks(&rec, NULL, dissectors[r->proto]->name, hit);
}

static const char *
proto_name(const struct need_row *r)
{
	return r->proto < n_dissectors ? dissectors[r->proto]->name : NULL;
}

static char *
policy_hex(const struct policy *pol, char buf[65])
{
	return crypto_hex(policy_hash(pol), CRYPTO_SHA256_LEN, buf);
}

static const struct learn_device *
device(const struct need *n)
{
	for (uint32_t i = 0; i < n->full.devices.n; i++)
		if (net_addr_eq(&n->full.devices.v[i].addr, &n->device))
			return &n->full.devices.v[i];
	return NULL;
}

/* --- for people ------------------------------------------------------------------------------------ */

static void
put_seen(const struct need *n, const struct need_seen *s, FILE *to)
{
	char when[CLOCK_STRLEN];
	uint64_t shown = s->n < NEED_FRAMES ? s->n : NEED_FRAMES;

	fprintf(to, "%" PRIu64 " time%s, %.19s", s->n, s->n == 1 ? "" : "s",
	    clock_str(s->first_ns, when));
	if (s->n > 1)
		fprintf(to, " to %.19s", clock_str(s->last_ns, when));
	fprintf(to, "; frame%s", s->n == 1 ? "" : "s");
	for (uint64_t i = 0; i < shown; i++) {
		fputs(i ? ", " : " ", to);
		if (n->n_captures > 1)
			fprintf(to, "%u:", s->at[i].capture + 1);
		fprintf(to, "%" PRIu64, s->at[i].frame);
	}
	if (s->n > shown) {
		fputs(" ... ", to);
		if (n->n_captures > 1)
			fprintf(to, "%u:", s->last.capture + 1);
		fprintf(to, "%" PRIu64, s->last.frame);
	}
	fputc('\n', to);
}

static void
put_row(const struct need *n, const struct need_row *r, FILE *to)
{
	const struct attack *hit[ATTACKS_MAX];
	const char *proto = proto_name(r);
	char host[NAME_SIZE];
	unsigned k = attacks(r, hit);

	fprintf(to, "      %s%s%s -> %s:%u: ", proto ? proto : "", proto ? " " : "", r->op,
	    report_host(n->live, &r->server, host), r->port);
	put_seen(n, &r->seen, to);
	if (r->what[0])
		fprintf(to, "        first: %s\n", r->what);
	for (unsigned i = 0; i < k; i++)
		fprintf(to, "        %s%s%s%s %s\n", hit[i]->id, hit[i]->new_id ? " (" : "",
		    hit[i]->new_id ? hit[i]->new_id : "", hit[i]->new_id ? ")" : "", hit[i]->name);
}

static void
put_rows(const struct need *n, unsigned risk, FILE *to)
{
	unsigned shown = 0;

	for (uint32_t i = 0; i < n->n_rows; i++) {
		if (n->rows[i].risk != risk)
			continue;
		if (shown++ < TEXT_ROWS)
			put_row(n, &n->rows[i], to);
	}
	if (shown > TEXT_ROWS)
		fprintf(to, "      ... and %u more, see --json\n", shown - TEXT_ROWS);
}

static void
put_denied(const struct need *n, const struct need_judged *by, FILE *to)
{
	for (uint32_t i = 0; i < by->denied.n && i < TEXT_ROWS; i++) {
		const struct need_denied *d = &by->denied.v[i];
		char ends[NAME_SIZE], who[NAME_SIZE];

		fprintf(to, "      %" PRIu64 " %s, %s by %s: ", d->f.count,
		    report_ends(by->policy, &d->f, ends), report_subject(&d->f),
		    report_decider(by->policy, &d->f, who));
		if (n->n_captures > 1)
			fprintf(to, "%s ", n->captures[d->capture].path);
		fprintf(to, "frame %" PRIu64 "%s%s\n", d->f.sample[0].frame,
		    d->f.sample[0].text[0] ? ": " : "", d->f.sample[0].text);
	}
	if (by->denied.n > TEXT_ROWS || by->not_listed != 0)
		fputs("      ... and more, see --json\n", to);
}

static void
put_rules(const struct need_judged *by, FILE *to)
{
	for (uint32_t i = 0; i < policy_rule_count(by->policy); i++) {
		struct policy_rule_info info;

		if (by->by_rule[i] != 0 && policy_rule_info(by->policy, i, &info) == 0)
			fprintf(to, "      %" PRIu64 " allowed by %s/%s, %s:%u:%u\n",
			    by->by_rule[i], info.conduit, info.name, info.file, info.line,
			    info.col);
	}
}

static void
put_head(const struct need *n, FILE *to)
{
	const char *name = n->live ? policy_device_name(n->live, &n->device) : NULL;
	const struct learn_device *d = device(n);
	char addr[NET_ADDR_STRLEN], mac[NET_ADDR_STRLEN], hex[65], when[CLOCK_STRLEN],
	    until[CLOCK_STRLEN];

	fprintf(to, "%s: %s%s%s before it is let in\n\n", need_word(n->verdict),
	    net_addr_str(&n->device, addr), name ? ", " : "", name ? name : "");
	fprintf(to, "device     %s", addr);
	if (d && d->has_mac && !d->macs_differ)
		fprintf(to, ", MAC %s", net_mac_str(d->mac, mac));
	fputs(n->given ? ", as given\n" : ", the only one that asks\n", to);
	for (uint32_t i = 0; i < n->n_captures; i++) {
		const struct need_capture *c = &n->captures[i];

		fprintf(to, "capture    ");
		if (n->n_captures > 1)
			fprintf(to, "%u: ", i + 1);
		fprintf(to, "%s, %" PRIu64 " frames, %.19s to %.19s UTC\n           sha256 %s\n",
		    c->path, c->frames, clock_str(c->first_ns, when), clock_str(c->last_ns, until),
		    c->sha256[0] ? c->sha256 : "-");
		if (c->error[0])
			fprintf(to, "           %s\n", c->error);
	}
	if (n->live)
		fprintf(to, "policy     %s\n           sha256 %s\n", n->live_path,
		    policy_hex(n->live, hex));
	fprintf(to, "made by    interlock %s, build %s, %.19s UTC\n\n", build_version, build_id,
	    clock_str(n->now_ns, when));
}

/* Risks of which there is nothing to say, in one line. */
static void
put_unseen(const struct need *n, FILE *to)
{
	const char *sep = "  pass       none of     ";

	for (unsigned i = NEED__OWN; i < NEED_CRITERIA; i++)
		if (n->verdicts[i] == NEED_PASS) {
			fprintf(to, "%s %s", sep, need_criterion_name(i));
			sep = ",";
		}
	if (sep[0] == ',')
		fputc('\n', to);
}

void
need_text(const struct need *n, FILE *to)
{
	put_head(n, to);
	for (unsigned i = 0; i < NEED_CRITERIA; i++) {
		if (i >= NEED__OWN && n->verdicts[i] == NEED_PASS)
			continue;
		fprintf(to, "  %-9s  %-11s  %s\n", need_verdict_name(n->verdicts[i]),
		    need_criterion_name(i), n->texts[i]);
		if (i == NEED_SUFFICIENT && n->by_minimum.policy)
			put_denied(n, &n->by_minimum, to);
		if (i == NEED_POLICY && n->live) {
			put_rules(&n->by_live, to);
			put_denied(n, &n->by_live, to);
		}
		if (i >= NEED__OWN)
			put_rows(n, i - NEED__OWN, to);
	}
	put_unseen(n, to);
	if (n->missing.p && n->missing.n != 0)
		fprintf(to, "\n--- what %s lacks ---\n%s", n->live_path, n->missing.p);
	else if (!n->live && n->minimum.p)
		fprintf(to, "\n--- the minimum policy ---\n%s", n->minimum.p);
}

/* --- for machines ----------------------------------------------------------------------------------- */

static void
json_time(struct jw *w, const char *key, uint64_t ns)
{
	jw_key(w, key);
	jw_ch(w, '"');
	jw_time(w, ns);
	jw_ch(w, '"');
}

static void
json_seen(struct jw *w, const struct need_seen *s)
{
	jw_u(w, "count", s->n);
	json_time(w, "first", s->first_ns);
	json_time(w, "last", s->last_ns);
	jw_arr(w, "frames");
	for (uint64_t i = 0; i < s->n && i < NEED_FRAMES; i++) {
		jw_obj(w, NULL);
		jw_u(w, "capture", s->at[i].capture);
		jw_u(w, "frame", s->at[i].frame);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_obj(w, "last_frame");
	jw_u(w, "capture", s->last.capture);
	jw_u(w, "frame", s->last.frame);
	jw_close(w, '}');
}

static void
json_row(struct jw *w, const struct need_row *r)
{
	const struct attack *hit[ATTACKS_MAX];
	unsigned k = attacks(r, hit);
	char addr[NET_ADDR_STRLEN];

	jw_obj(w, NULL);
	if (proto_name(r))
		jw_str(w, "proto", proto_name(r));
	jw_str(w, "op", r->op);
	jw_u(w, "code", r->code);
	if (r->sub != FACT_NO_SUB)
		jw_u(w, "subcode", r->sub);
	jw_str(w, "server", net_addr_str(&r->server, addr));
	jw_u(w, "port", r->port);
	json_seen(w, &r->seen);
	if (r->what[0])
		jw_str(w, "example", r->what);
	jw_arr(w, "attack");
	for (unsigned i = 0; i < k; i++) {
		jw_obj(w, NULL);
		jw_str(w, "id", hit[i]->id);
		if (hit[i]->new_id)
			jw_str(w, "id_v19", hit[i]->new_id);
		jw_str(w, "name", hit[i]->name);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_close(w, '}');
}

static void
json_criteria(struct jw *w, const struct need *n)
{
	jw_arr(w, "criteria");
	for (unsigned i = 0; i < NEED_CRITERIA; i++) {
		jw_obj(w, NULL);
		jw_str(w, "id", need_criterion_name(i));
		jw_str(w, "verdict", need_verdict_name(n->verdicts[i]));
		jw_str(w, "text", n->texts[i]);
		jw_arr(w, "evidence");
		for (uint32_t k = 0; i >= NEED__OWN && k < n->n_rows; k++)
			if (n->rows[k].risk == i - NEED__OWN)
				json_row(w, &n->rows[k]);
		jw_close(w, ']');
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
json_judged(struct jw *w, const char *key, const struct need_judged *by)
{
	jw_obj(w, key);
	jw_u(w, "requests", by->requests);
	jw_u(w, "allowed", by->allowed);
	jw_u(w, "forbidden", by->forbidden);
	jw_u(w, "not_listed", by->not_listed);
	jw_arr(w, "rules");
	for (uint32_t i = 0; i < policy_rule_count(by->policy); i++) {
		struct policy_rule_info info;

		if (by->by_rule[i] == 0 || policy_rule_info(by->policy, i, &info) < 0)
			continue;
		jw_obj(w, NULL);
		jw_str(w, "conduit", info.conduit);
		jw_str(w, "rule", info.name);
		jw_u(w, "requests", by->by_rule[i]);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_arr(w, "denied");
	for (uint32_t i = 0; i < by->denied.n; i++) {
		const struct need_denied *d = &by->denied.v[i];
		char name[NAME_SIZE];

		jw_obj(w, NULL);
		jw_str(w, "between", report_ends(by->policy, &d->f, name));
		jw_str(w, "op", report_subject(&d->f));
		jw_str(w, "rule", report_rule_id(by->policy, &d->f, name));
		jw_u(w, "count", d->f.count);
		jw_u(w, "capture", d->capture);
		jw_u(w, "frame", d->f.sample[0].frame);
		jw_str(w, "example", d->f.sample[0].text);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_close(w, '}');
}

static void
json_captures(struct jw *w, const struct need *n)
{
	jw_arr(w, "captures");
	for (uint32_t i = 0; i < n->n_captures; i++) {
		const struct need_capture *c = &n->captures[i];

		jw_obj(w, NULL);
		jw_str(w, "file", c->path);
		if (c->sha256[0])
			jw_str(w, "sha256", c->sha256);
		jw_u(w, "bytes", c->bytes);
		jw_u(w, "frames", c->frames);
		jw_u(w, "pdus", c->pdus);
		json_time(w, "first", c->first_ns);
		json_time(w, "last", c->last_ns);
		if (c->error[0])
			jw_str(w, "error", c->error);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
json_device(struct jw *w, const struct need *n)
{
	const char *name = n->live ? policy_device_name(n->live, &n->device) : NULL;
	const struct learn_device *d = device(n);
	char text[NET_ADDR_STRLEN];

	jw_obj(w, "device");
	jw_str(w, "address", net_addr_str(&n->device, text));
	if (name)
		jw_str(w, "name", name);
	if (d && d->has_mac && !d->macs_differ)
		jw_str(w, "mac", net_mac_str(d->mac, text));
	jw_bool(w, "given", n->given);
	jw_close(w, '}');
}

static void
json_reasons(struct jw *w, const struct need *n)
{
	jw_arr(w, "reasons");
	for (unsigned i = 0; i < NEED_CRITERIA; i++)
		if (n->verdicts[i] >= NEED_CONDITION) {
			char text[400];

			(void)snprintf(
			    text, sizeof(text), "%s: %s", need_criterion_name(i), n->texts[i]);
			jw_str(w, NULL, text);
		}
	jw_close(w, ']');
	jw_arr(w, "accepted");
	for (unsigned i = 0; i < RISK__MAX; i++)
		if (n->allowed_risks >> i & 1)
			jw_str(w, NULL, need_risks[i].name);
	jw_close(w, ']');
}

static void
json_text(struct jw *w, const char *key, const struct learn_text *t)
{
	uint8_t hash[CRYPTO_SHA256_LEN];
	char hex[65];

	if (!t->p)
		return;
	crypto_sha256(t->p, t->n, hash);
	jw_obj(w, key);
	jw_str(w, "sha256", crypto_hex(hash, sizeof(hash), hex));
	jw_strn(w, "yaml", t->p, t->n);
	jw_close(w, '}');
}

void
need_json(struct jw *w, const void *need)
{
	const struct need *n = need;
	char hex[65];

	jw_obj(w, NULL);
	jw_str(w, "sheet", "interlock policy need");
	jw_u(w, "version", 1);
	jw_str(w, "verdict", need_word(n->verdict));
	json_reasons(w, n);
	json_device(w, n);
	json_captures(w, n);
	if (n->live) {
		jw_obj(w, "policy");
		jw_str(w, "file", n->live_path);
		jw_str(w, "sha256", policy_hex(n->live, hex));
		jw_close(w, '}');
	}
	jw_obj(w, "made_by");
	jw_str(w, "version", build_version);
	jw_str(w, "build", build_id);
	json_time(w, "time", n->now_ns);
	jw_close(w, '}');
	jw_u(w, "requests", n->requests);
	json_criteria(w, n);
	if (n->by_minimum.policy)
		json_judged(w, "by_minimum", &n->by_minimum);
	if (n->live)
		json_judged(w, "by_policy", &n->by_live);
	json_text(w, "minimum", &n->minimum);
	json_text(w, "missing", &n->missing);
	jw_close(w, '}');
}
