/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_sarif.c - SARIF 2.1.0 (OASIS, with errata 01) for code scanning pages.
 *
 * A result's location is the line of the policy that decided, so that a review
 * of the policy shows it in place; the capture and its frame are a related
 * location.  A finding that no line decides (default deny) points to line 1.
 */
#include <string.h>

#include "base/build_id.h"
#include "base/jw.h"
#include "cli/report.h"
#include "cli/sarif.h"

static void
put_result(struct jw *w, const struct report *r, const struct capture *c, const struct finding *f)
{
	unsigned col, line = report_line(r->policy, f, &col);
	uint64_t n = f->count < FINDING_SAMPLES ? f->count : FINDING_SAMPLES;
	char ends[NAME_SIZE], by[NAME_SIZE], text[3 * NAME_SIZE];

	jw_obj(w, NULL);
	jw_str(w, "ruleId", report_rule_id(r->policy, f, by));
	jw_str(w, "level", f->denied ? "error" : "warning");
	snprintf(text, sizeof(text), "%s: %s%s%s: %s by %s, %llu times, first in frame %llu of %s",
	    report_ends(r->policy, f, ends), report_subject(f), f->sample[0].text[0] ? " " : "",
	    f->sample[0].text, verdict_action_name(f->would), report_decider(r->policy, f, by),
	    (unsigned long long)f->count, (unsigned long long)f->sample[0].frame, c->path);
	sarif_message(w, text);
	jw_arr(w, "locations");
	jw_obj(w, NULL);
	sarif_location(w, r->policy_path, line ? line : 1, col);
	jw_arr(w, "logicalLocations");
	jw_obj(w, NULL);
	jw_str(w, "fullyQualifiedName", ends);
	jw_str(w, "kind", "resource");
	jw_close(w, '}');
	jw_close(w, ']');
	jw_close(w, '}');
	jw_close(w, ']');
	jw_arr(w, "relatedLocations");
	for (uint64_t i = 0; i < n; i++) {
		jw_obj(w, NULL);
		jw_u(w, "id", i + 1);
		sarif_location(w, c->path, 0, 0);
		snprintf(text, sizeof(text), "frame %llu%s%s",
		    (unsigned long long)f->sample[i].frame, f->sample[i].text[0] ? ": " : "",
		    f->sample[i].text);
		sarif_message(w, text);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_u(w, "occurrenceCount", f->count);
	jw_obj(w, "partialFingerprints");
	snprintf(text, sizeof(text), "%s %s %s %s", by, report_subject(f), ends,
	    verdict_action_name(f->would));
	jw_str(w, "interlock/v1", text);
	jw_close(w, '}');
	jw_close(w, '}');
}

/* Do these two have the same rule id? */
static bool
same_decider(const struct finding *a, const struct finding *b)
{
	bool ruled = a->reason == REASON_RULE || a->reason == REASON_CONDITION;
	bool keyed =
	    a->reason == REASON_SECURITY || a->reason == REASON_LIMIT || a->reason == REASON_WINDOW;

	if (a->reason != b->reason)
		return false;
	if ((ruled || keyed) && a->rule != b->rule)
		return false;
	return ruled || a->conduit == b->conduit;
}

/* Was this rule id already given by an earlier finding? */
static bool
seen(const struct report *r, size_t cap, uint32_t finding)
{
	const struct finding *f = &r->caps[cap].tally.findings[finding];

	for (size_t i = 0; i <= cap; i++) {
		const struct tally *t = &r->caps[i].tally;

		for (uint32_t k = 0; k < (i == cap ? finding : t->n_findings); k++)
			if (same_decider(&t->findings[k], f))
				return true;
	}
	return false;
}

static void
put_rule_ids(struct jw *w, const struct report *r)
{
	jw_arr(w, "rules");
	for (size_t i = 0; i < r->n_caps; i++) {
		const struct tally *t = &r->caps[i].tally;

		for (uint32_t k = 0; k < t->n_findings; k++) {
			char id[NAME_SIZE], by[NAME_SIZE], text[2 * NAME_SIZE];

			if (seen(r, i, k))
				continue;
			jw_obj(w, NULL);
			jw_str(w, "id", report_rule_id(r->policy, &t->findings[k], id));
			jw_obj(w, "shortDescription");
			snprintf(text, sizeof(text), "decided by %s",
			    report_decider(r->policy, &t->findings[k], by));
			jw_str(w, "text", text);
			jw_close(w, '}');
			jw_close(w, '}');
		}
	}
	jw_close(w, ']');
}

static void
put_invocation(struct jw *w, const struct report *r)
{
	jw_arr(w, "invocations");
	jw_obj(w, NULL);
	jw_bool(w, "executionSuccessful", r->status != EXIT_UNABLE);
	jw_u(w, "exitCode", (uint64_t)r->status);
	jw_arr(w, "toolExecutionNotifications");
	for (size_t i = 0; i < r->n_caps; i++) {
		if (r->caps[i].run.error[0] == '\0')
			continue;
		jw_obj(w, NULL);
		jw_str(w, "level", "error");
		sarif_message(w, r->caps[i].run.error);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_close(w, '}');
	jw_close(w, ']');
}

void
report_sarif(struct jw *w, const void *report)
{
	const struct report *r = report;

	jw_obj(w, NULL);
	jw_str(w, "$schema", SARIF_SCHEMA);
	jw_str(w, "version", "2.1.0");
	jw_arr(w, "runs");
	jw_obj(w, NULL);
	jw_obj(w, "tool");
	jw_obj(w, "driver");
	jw_str(w, "name", "Interlock");
	jw_str(w, "semanticVersion", build_version);
	put_rule_ids(w, r);
	jw_close(w, '}');
	jw_close(w, '}');
	put_invocation(w, r);
	jw_arr(w, "results");
	for (size_t i = 0; i < r->n_caps; i++)
		for (uint32_t k = 0; k < r->caps[i].tally.n_findings; k++)
			put_result(w, r, &r->caps[i], &r->caps[i].tally.findings[k]);
	jw_close(w, ']');
	jw_str(w, "columnKind", "utf16CodeUnits");
	jw_close(w, '}');
	jw_close(w, ']');
	jw_close(w, '}');
}
