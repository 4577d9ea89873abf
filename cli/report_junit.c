/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_junit.c - JUnit XML, as GitLab, Jenkins and GitHub's reporters read it.
 *
 * A suite per capture.  A test case per conversation and function: it fails
 * when the policy does not allow some of its PDUs.  What is no function
 * (connections, frames, conditions) is a test case of its own when it failed;
 * a capture that could not be read to its end is one with an error.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/report.h"

/* XML 1.0 2.2: control characters are not allowed at all, not even escaped. */
void
report_xml(FILE *to, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '&':
			fputs("&amp;", to);
			break;
		case '<':
			fputs("&lt;", to);
			break;
		case '>':
			fputs("&gt;", to);
			break;
		case '"':
			fputs("&quot;", to);
			break;
		case '\n':
			fputs("&#10;", to);
			break;
		default:
			/* names are the user's UTF-8; a file name may be anything */
			fputc((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f ? '?' : *s, to);
		}
}

static void
open_case(FILE *to, const char *class, const char *name)
{
	fputs("    <testcase classname=\"", to);
	report_xml(to, class);
	fputs("\" name=\"", to);
	report_xml(to, name);
	fputs("\" time=\"0\"", to);
}

static void
put_failure(const struct report *r, const struct finding *f, FILE *to)
{
	unsigned col, line = report_line(r->policy, f, &col);
	uint64_t n = f->count < FINDING_SAMPLES ? f->count : FINDING_SAMPLES;
	char b[NAME_SIZE], text[2 * NAME_SIZE];

	snprintf(text, sizeof(text), "%" PRIu64 " not allowed: %s by %s", f->count,
	    verdict_action_name(f->would), report_decider(r->policy, f, b));
	fputs("      <failure type=\"", to);
	report_xml(to, policy_reason_name(f->reason));
	fputs("\" message=\"", to);
	report_xml(to, text);
	fputs("\">", to);
	report_xml(to, report_ends(r->policy, f, b));
	fputc('\n', to);
	if (line != 0) {
		report_xml(to, r->policy_path);
		fprintf(to, ":%u:%u\n", line, col);
	}
	for (uint64_t i = 0; i < n; i++) {
		fprintf(to, "frame %" PRIu64 ": ", f->sample[i].frame);
		report_xml(to, report_subject(f));
		fputc(' ', to);
		report_xml(to, f->sample[i].text);
		fputc('\n', to);
	}
	if (f->count > n)
		fprintf(to, "... %" PRIu64 " more, the last in frame %" PRIu64 "\n", f->count - n,
		    f->last_frame);
	fputs("</failure>\n", to);
}

static void
put_ops(const struct report *r, const struct capture *c, uint32_t conv, FILE *to)
{
	const struct tally *t = &c->tally;
	const struct conv *v = &t->convs[conv];
	char class[NAME_SIZE];

	for (unsigned k = 0; k < v->n_ops; k++) {
		const struct tally_op *op = &v->ops[k];
		bool said = false;

		if (!op->op)
			continue;
		open_case(to, report_conv(r->policy, v, class), op->op);
		if (op->denied == 0) {
			fputs("/>\n", to);
			continue;
		}
		fputs(">\n", to);
		for (uint32_t j = 0; j < t->n_findings; j++) {
			const struct finding *f = &t->findings[j];

			if (!f->denied || f->conv != conv || tally_op_of(t, f) != op)
				continue;
			said = true;
			put_failure(r, f, to);
		}
		if (!said) /* beyond FINDING_MAX */
			fprintf(to, "      <failure message=\"%" PRIu64 " not allowed\"/>\n",
			    op->denied);
		fputs("    </testcase>\n", to);
	}
}

static void
put_others(const struct report *r, const struct capture *c, FILE *to)
{
	const struct tally *t = &c->tally;

	for (uint32_t i = 0; i < t->n_findings; i++) {
		const struct finding *f = &t->findings[i];
		char ends[NAME_SIZE];

		if (!f->denied || tally_op_of(t, f))
			continue;
		open_case(to, report_ends(r->policy, f, ends), report_subject(f));
		fputs(">\n", to);
		put_failure(r, f, to);
		fputs("    </testcase>\n", to);
	}
	if (c->run.status != EXIT_OK) {
		open_case(to, c->path, "capture");
		fputs(">\n      <error message=\"", to);
		report_xml(to, c->run.error);
		fputs("\"/>\n    </testcase>\n", to);
	}
}

/* Test cases, and those of them that fail. */
static void
count(const struct capture *c, uint64_t *tests, uint64_t *failures)
{
	const struct tally *t = &c->tally;

	*tests = *failures = 0;
	for (uint32_t i = 0; i < t->n_convs; i++)
		for (unsigned k = 0; k < t->convs[i].n_ops; k++) {
			*tests += t->convs[i].ops[k].op != NULL;
			*failures += t->convs[i].ops[k].op && t->convs[i].ops[k].denied != 0;
		}
	for (uint32_t i = 0; i < t->n_findings; i++) {
		bool own = t->findings[i].denied && !tally_op_of(t, &t->findings[i]);

		*tests += own;
		*failures += own;
	}
	*tests += c->run.status != EXIT_OK;
}

void
report_junit(const struct report *r, FILE *to)
{
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"interlock\">\n", to);
	for (size_t i = 0; i < r->n_caps; i++) {
		const struct capture *c = &r->caps[i];
		uint64_t tests, failures;

		count(c, &tests, &failures);
		fputs("  <testsuite name=\"", to);
		report_xml(to, c->path);
		fprintf(to,
		    "\" tests=\"%" PRIu64 "\" failures=\"%" PRIu64
		    "\" errors=\"%d\" time=\"%.3f\">\n",
		    tests, failures, c->run.status != EXIT_OK,
		    (double)(c->run.last_ns - c->run.first_ns) / 1e9);
		for (uint32_t k = 0; k < c->tally.n_convs; k++)
			put_ops(r, c, k, to);
		put_others(r, c, to);
		fputs("  </testsuite>\n", to);
	}
	fputs("</testsuites>\n", to);
}
