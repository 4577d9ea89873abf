/* SPDX-License-Identifier: Apache-2.0 */
/* need_decide.c - criteria of policy need, met or not, and what follows from them. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "cli/need.h"

const char *
need_criterion_name(unsigned criterion)
{
	static const char *const own[NEED__OWN] = {"captures", "traffic", "sufficient", "policy"};

	return criterion < NEED__OWN ? own[criterion] : need_risks[criterion - NEED__OWN].name;
}

const char *
need_verdict_name(uint8_t verdict)
{
	static const char *const names[] = {"pass", "accepted", "condition", "fail"};

	return names[verdict];
}

const char *
need_word(uint8_t verdict)
{
	return verdict == NEED_FAIL	   ? "no-go"
	       : verdict == NEED_CONDITION ? "go with conditions"
					   : "go";
}

static void __attribute__((format(printf, 4, 5)))
set(struct need *n, unsigned criterion, uint8_t verdict, const char *fmt, ...)
{
	va_list ap;

	n->verdicts[criterion] = verdict;
	va_start(ap, fmt);
	(void)vsnprintf(n->texts[criterion], sizeof(n->texts[criterion]), fmt, ap);
	va_end(ap);
}

static void
decide_captures(struct need *n)
{
	unsigned bad = 0;

	for (uint32_t i = 0; i < n->n_captures; i++)
		bad += n->captures[i].error[0] != '\0';
	if (bad != 0)
		set(n, NEED_CAPTURES, NEED_FAIL, "%u of %u could not be read to the end", bad,
		    n->n_captures);
	else if (n->lost != 0)
		set(n, NEED_CAPTURES, NEED_FAIL,
		    "%" PRIu64 " observations found no room and are not in this sheet", n->lost);
	else
		set(n, NEED_CAPTURES, NEED_PASS, "read to the end");
}

static void
decide_traffic(struct need *n)
{
	uint32_t pairs = 0;

	for (uint32_t i = 0; i < n->full.pairs.n; i++)
		pairs += n->full.pairs.v[i].talks.n != 0;
	if (n->requests == 0)
		set(n, NEED_TRAFFIC, NEED_FAIL, "no request of a protocol that this program reads");
	else
		set(n, NEED_TRAFFIC, NEED_PASS, "%" PRIu64 " request%s to %u device%s", n->requests,
		    n->requests == 1 ? "" : "s", pairs, pairs == 1 ? "" : "s");
}

static void
decide_sufficient(struct need *n)
{
	const struct need_judged *by = &n->by_minimum;

	if (!by->policy)
		set(n, NEED_SUFFICIENT, NEED_FAIL, "there is no minimum policy");
	else if (by->denials != 0)
		set(n, NEED_SUFFICIENT, NEED_CONDITION,
		    "the minimum policy, approved, would not let pass %" PRIu64
		    " of its PDUs and connections",
		    by->denials);
	else
		set(n, NEED_SUFFICIENT, NEED_PASS,
		    "the minimum policy, approved, lets all of it pass");
}

static void
decide_policy(struct need *n)
{
	const struct need_judged *by = &n->by_live;
	uint64_t denied = by->requests - by->allowed;

	if (!by->policy)
		set(n, NEED_POLICY, NEED_PASS, "not compared with a policy in force (-p)");
	else if (by->forbidden != 0)
		set(n, NEED_POLICY, NEED_FAIL,
		    "deny rules of %s forbid %" PRIu64 " of %" PRIu64 " requests", n->live_path,
		    by->forbidden, by->requests);
	else if (denied != 0)
		set(n, NEED_POLICY, NEED_CONDITION,
		    "%s does not allow %" PRIu64 " of %" PRIu64 " requests: add what is missing",
		    n->live_path, denied, by->requests);
	else if (by->denials != 0)
		set(n, NEED_POLICY, NEED_CONDITION,
		    "%s allows all requests, but not %" PRIu64 " other PDUs and connections",
		    n->live_path, by->denials);
	else
		set(n, NEED_POLICY, NEED_PASS, "%s allows all %" PRIu64 " requests already",
		    n->live_path, by->requests);
}

static void
decide_risk(struct need *n, unsigned risk)
{
	const struct need_risk_info *k = &need_risks[risk];
	unsigned rows = 0, refused = 0;
	uint64_t times = 0;
	uint8_t verdict = k->verdict;

	for (uint32_t i = 0; i < n->n_rows; i++) {
		times += n->rows[i].risk == risk ? n->rows[i].seen.n : 0;
		rows += n->rows[i].risk == risk;
		refused += n->rows[i].risk == RISK_REFUSED;
	}
	if (n->allowed_risks >> risk & 1)
		verdict = NEED_ACCEPTED;
	if (risk == RISK_SCAN && rows < NEED_SCAN && refused >= NEED_SWEEP)
		set(n, NEED__OWN + risk, verdict, "%u functions that the devices refuse: a sweep",
		    refused);
	else if (rows == 0)
		set(n, NEED__OWN + risk, NEED_PASS, "none seen");
	else if (risk == RISK_SCAN && rows < NEED_SCAN)
		set(n, NEED__OWN + risk, verdict < NEED_CONDITION ? verdict : NEED_CONDITION,
		    "%u port%s where nobody answers; %s", rows, rows == 1 ? "" : "s", k->advice);
	else
		set(n, NEED__OWN + risk, verdict, "%s, %" PRIu64 " time%s; %s", k->text, times,
		    times == 1 ? "" : "s", k->advice);
}

void
need_decide(struct need *n)
{
	decide_captures(n);
	decide_traffic(n);
	decide_sufficient(n);
	decide_policy(n);
	for (unsigned risk = 0; risk < RISK__MAX; risk++)
		decide_risk(n, risk);
	n->verdict = NEED_PASS;
	for (unsigned i = 0; i < NEED_CRITERIA; i++)
		if (n->verdicts[i] > n->verdict)
			n->verdict = n->verdicts[i];
}
