/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view_metrics.c - a guard as Prometheus text, format 0.0.4 (view.h).
 *
 * One table names the plain numbers; what has labels has a function.  Names end in their unit
 * or in _total; times are seconds.  A name is never given another meaning.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "alerts/journal.h"
#include "base/build_id.h"
#include "base/crypto.h"
#include "base/jw.h"
#include "dataplane/drop.h"
#include "guard/ctl.h"
#include "guard/latency.h"
#include "guard/signer.h"
#include "guard/view_int.h"
#include "policy/policy.h"

/* Series of conduits and rules are bounded: what is above is left to `ctl counters`. */
#define CONDUITS_MAX 500u
#define RULES_MAX    4000u
/* Buckets shown: ends of every fourth, 2 us to 1 s. */
#define LE_FIRST 12u
#define LE_LAST	 88u

static const char *const sides[2] = {"outside", "inside"};

static void __attribute__((format(printf, 2, 3))) put(struct jw *w, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0)
		jw_raw(w, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

static void
head(struct jw *w, const char *name, const char *type, const char *help)
{
	put(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value, escaped as the format asks. */
static void
label(struct jw *w, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			jw_ch(w, '\\');
		if (*text == '\n')
			jw_raw(w, "\\n", 2);
		else
			jw_ch(w, *text);
	}
}

/* name{key="value"} n */
static void
one(struct jw *w, const char *name, const char *key, const char *value, uint64_t n)
{
	put(w, "%s{%s=\"", name, key);
	label(w, value);
	put(w, "\"} %" PRIu64 "\n", n);
}

static void
two(struct jw *w, const char *name, const char *k1, const char *v1, const char *k2, const char *v2,
    uint64_t n)
{
	put(w, "%s{%s=\"", name, k1);
	label(w, v1);
	put(w, "\",%s=\"", k2);
	label(w, v2);
	put(w, "\"} %" PRIu64 "\n", n);
}

static void
seconds(struct jw *w, uint64_t ns)
{
	put(w, "%" PRIu64 ".%09" PRIu64, ns / 1000000000, ns % 1000000000);
}

/* --- plain numbers ------------------------------------------------------------------------------- */

static const struct number {
	const char *name, *type, *help;
	size_t at; /* in struct view_numbers */
} numbers[] = {
#define E(member) offsetof(struct view_numbers, engine.member)
    {"interlock_packets_received_total", "counter", "Packets the engine received.", E(received)},
    {"interlock_packets_injected_total", "counter", "Packets the engine made itself.", E(injected)},
    {"interlock_packets_forwarded_total", "counter", "Packets that went on.", E(forwarded)},
    {"interlock_packets_consumed_total", "counter",
	"Packets that ended in the engine for good reason.", E(consumed)},
    {"interlock_packets_held", "gauge", "Packets that wait for the rest of a PDU or for a hole.",
	E(held)},
    {"interlock_received_bytes_total", "counter", "Bytes of packets received.", E(bytes)},
    {"interlock_pdus_total", "counter", "Protocol data units that were judged.", E(pdus)},
    {"interlock_pdus_malformed_total", "counter", "PDUs that contradict their specification.",
	E(malformed)},
    {"interlock_flows_active", "gauge", "Connections in the flow table.", E(flows_active)},
    {"interlock_flows_total", "counter", "Connections that were opened.", E(flows)},
    {"interlock_flows_evicted_total", "counter", "Connections that gave their place to others.",
	E(flows_evicted)},
    {"interlock_flows_expired_total", "counter", "Connections that were idle too long.",
	E(flows_expired)},
    {"interlock_tcp_overlaps_differing_total", "counter",
	"Retransmissions that differ from what was judged.", E(overlap_differs)},
    {"interlock_tcp_retransmitted_total", "counter", "Segments that were sent again.",
	E(retransmitted)},
    {"interlock_tcp_out_of_order_total", "counter", "Segments that came too early.",
	E(out_of_order)},
    {"interlock_tcp_gaps_total", "counter", "Holes that were never filled.", E(gaps)},
    {"interlock_pool_full_total", "counter", "Times a pool of buffers was used up.", E(pool_full)},
    {"interlock_memory_bytes", "gauge", "Memory of the engine.", E(memory_bytes)},
#undef E
    {"interlock_rx_lost_total", "counter", "Packets lost before the engine could take them.",
	offsetof(struct view_numbers, io.rx_dropped)},
    {"interlock_tx_lost_total", "counter", "Packets that could not be sent.",
	offsetof(struct view_numbers, io.tx_dropped)},
    {"interlock_worker_turns_total", "counter", "Turns of the worker's loop.",
	offsetof(struct view_numbers, loops)},
    {"interlock_worker_sleeps_total", "counter", "Turns that waited for a packet.",
	offsetof(struct view_numbers, sleeps)},
};

#define S(member) offsetof(struct signer_shared, member)
static const struct number signer_numbers[] = {
    {"interlock_alerts_total", "counter", "Events that were worth an alert.", S(events)},
    {"interlock_alerts_folded_total", "counter", "Events that were counted in another alert.",
	S(folded)},
    {"interlock_alerts_lost_total", "counter", "Events that could not be told; signed as lost.",
	S(lost)},
    {"interlock_alerts_rejected_total", "counter", "Records from the worker that were none.",
	S(rejected)},
    {"interlock_alert_lines_total", "counter", "EVE lines written.", S(lines)},
    {"interlock_journal_batches_total", "counter", "Batches signed.", S(batches)},
    {"interlock_journal_write_errors_total", "counter", "Writes of journal or outputs that failed.",
	S(write_errors)},
    {"interlock_journal_removed_total", "counter",
	"Alerts removed to keep the journal in its size.", S(removed)},
    {"interlock_journal_bytes", "gauge", "Size of the journal.", S(journal_bytes)},
};
#undef S

static void
plain(struct jw *w, const struct number *n, uint64_t value)
{
	head(w, n->name, n->type, n->help);
	put(w, "%s %" PRIu64 "\n", n->name, value);
}

/* --- what has labels ------------------------------------------------------------------------------- */

static void
shadow(struct jw *w, const struct guard_view *v)
{
	static const char *const ways[SHADOW__WAYS] = {"stop", "pass"};
	static struct shadow_report r;
	bool on = view_shadow_snapshot(v, &r);

	head(w, "interlock_shadow", "gauge", "1: a policy is judged beside the one in force.");
	put(w, "interlock_shadow %d\n", v->shadow != NULL);
	if (!on)
		return;
	head(w, "interlock_shadow_differences", "gauge",
	    "What the policy beside would have stopped, or let through, since it is judged.");
	for (unsigned i = 0; i < SHADOW__WAYS; i++)
		one(w, "interlock_shadow_differences", "would", ways[i], r.differ[i]);
}

static void
about(struct jw *w, const struct guard_view *v)
{
	head(w, "interlock_build_info", "gauge", "Version and build, always 1.");
	two(w, "interlock_build_info", "version", build_version, "build", build_id, 1);
	head(w, "interlock_start_time_seconds", "gauge", "When the guard was started.");
	put(w, "interlock_start_time_seconds ");
	seconds(w, v->started_ns);
	jw_ch(w, '\n');
	if (v->policy) {
		static const char *const modes[] = {"learn", "alert", "enforce"};
		char hex[2 * CRYPTO_SHA256_LEN + 1];

		head(w, "interlock_policy_info", "gauge", "The policy in force, always 1.");
		two(w, "interlock_policy_info", "mode", modes[policy_mode(v->policy)], "sha256",
		    crypto_hex(policy_hash(v->policy), CRYPTO_SHA256_LEN, hex), 1);
		head(w, "interlock_policy_generation", "gauge",
		    "Which policy since the start this is.");
		put(w, "interlock_policy_generation %u\n", policy_generation(v->policy));
	}
	head(w, "interlock_policy_refused", "gauge", "1: the last reload was refused.");
	put(w, "interlock_policy_refused %d\n", v->policy_error && v->policy_error[0] ? 1 : 0);
	head(w, "interlock_panic", "gauge", "1: stronger than the policy, by ctl panic.");
	one(w, "interlock_panic", "mode", "open", v->panic && strcmp(v->panic, "open") == 0);
	one(w, "interlock_panic", "mode", "island", v->panic && strcmp(v->panic, "island") == 0);
	if (v->bypass) {
		head(w, "interlock_bypass_armed", "gauge",
		    "1: the hardware bypass joins the cables, nothing is seen.");
		put(w, "interlock_bypass_armed %d\n", strcmp(v->bypass_state, "armed") == 0);
	}
	head(w, "interlock_policy_on_trial", "gauge",
	    "1: the policy in force waits to be confirmed (ctl reload --confirm).");
	put(w, "interlock_policy_on_trial %d\n", v->confirm_until_ns != 0);
	head(w, "interlock_policy_file_differs", "gauge",
	    "1: in force is the last confirmed policy, not the one on disk.");
	put(w, "interlock_policy_file_differs %d\n", v->kept);
	shadow(w, v);
}

/* Of several workers, since this process of theirs began. */
static void
workers(struct jw *w, const struct guard_view *v)
{
	static struct engine_stats e[GUARD_WORKERS];
	static struct io_stats io[GUARD_WORKERS];
	static const struct number shown[] = {
#define E(member) offsetof(struct engine_stats, member)
	    {"interlock_worker_packets_received_total", "counter",
		"Packets that this worker of several judged.", E(received)},
	    {"interlock_worker_pdus_total", "counter", "PDUs that it judged.", E(pdus)},
	    {"interlock_worker_flows_active", "gauge", "Connections in its flow table.",
		E(flows_active)},
#undef E
	};
	char which[16];

	if (!v->workers)
		return;
	for (unsigned i = 0; i < v->n_workers; i++)
		if (!shared_snapshot(&v->workers[i], &e[i], &io[i]))
			return; /* all or none */
	for (size_t k = 0; k < sizeof(shown) / sizeof(shown[0]); k++) {
		head(w, shown[k].name, shown[k].type, shown[k].help);
		for (unsigned i = 0; i < v->n_workers; i++) {
			uint64_t value;

			memcpy(&value, (const char *)&e[i] + shown[k].at, sizeof(value));
			(void)snprintf(which, sizeof(which), "%u", i);
			one(w, shown[k].name, "worker", which, value);
		}
	}
	head(w, "interlock_worker_packets_handed_over_total", "counter",
	    "Packets that came by this worker's queue and were another's.");
	for (unsigned i = 0; i < v->n_workers; i++) {
		(void)snprintf(which, sizeof(which), "%u", i);
		one(w, "interlock_worker_packets_handed_over_total", "worker", which, io[i].handed);
	}
}

static void
fast_metrics(struct jw *w, const struct guard_view *v, const struct view_fast *f)
{
	uint32_t n = v->policy ? policy_conduit_count(v->policy) : 0;

	n = n < f->n_conduits ? n : f->n_conduits;
	head(w, "interlock_fast_path_conduit_packets_total", "counter",
	    "Packets that the kernel passed by itself, since the policy is in force.");
	for (uint32_t i = 0; i < n; i++)
		if (f->conduit[i].served)
			one(w, "interlock_fast_path_conduit_packets_total", "conduit",
			    policy_conduit_name(v->policy, i), f->conduit[i].packets);
	head(w, "interlock_engine_away", "gauge", "1: nobody judges, the kernel is alone.");
	put(w, "interlock_engine_away %d\n", f->away_ns != 0);
	head(w, "interlock_engine_away_total", "counter", "How often that was so.");
	put(w, "interlock_engine_away_total %u\n", f->away_times);
	head(w, "interlock_engine_away_frames_total", "counter",
	    "Frames that the kernel dropped or passed unjudged meanwhile, since the policy is in "
	    "force.");
	for (uint32_t i = 0; i < n; i++) {
		two(w, "interlock_engine_away_frames_total", "conduit",
		    policy_conduit_name(v->policy, i), "fate", "dropped", f->conduit[i].dropped);
		two(w, "interlock_engine_away_frames_total", "conduit",
		    policy_conduit_name(v->policy, i), "fate", "unjudged", f->conduit[i].unjudged);
	}
}

static void
filter_drops(struct jw *w, const struct guard_view *v)
{
	if (v->n_counts == 0)
		return;
	head(w, "interlock_filter_dropped_total", "counter",
	    "Packets the filter dropped, by reason.");
	for (unsigned k = 0; k < v->n_counts; k++)
		for (unsigned i = 0; i < 2; i++)
			two(w, "interlock_filter_dropped_total", "port", sides[i], "reason",
			    v->counts[k].reason, v->counts[k].packets[i]);
}

static void
ports(struct jw *w, const struct guard_view *v)
{
	static const char *const results[] = {"received", "to_engine", "dropped"};

	head(w, "interlock_port_link", "gauge", "1: the port has a link.");
	for (unsigned i = 0; i < 2; i++)
		if (v->port[i].name)
			two(w, "interlock_port_link", "port", sides[i], "interface",
			    v->port[i].name, v->port[i].link);
	head(w, "interlock_port_link_changes_total", "counter", "Links lost and found.");
	for (unsigned i = 0; i < 2; i++)
		if (v->port[i].name)
			one(w, "interlock_port_link_changes_total", "port", sides[i],
			    v->port[i].link_changes);
	if (!v->gate) {
		filter_drops(w, v);
		return;
	}
	if (v->fast) {
		head(w, "interlock_fast_path_packets_total", "counter",
		    "What became of packets of connections that the kernel may judge.");
		for (unsigned k = 0; k < v->fast->n_counts; k++)
			for (unsigned i = 0; i < 2; i++)
				two(w, "interlock_fast_path_packets_total", "port", sides[i],
				    "result", v->fast->counts[k].reason,
				    v->fast->counts[k].packets[i]);
		fast_metrics(w, v, v->fast);
	}
	head(w, "interlock_filter_packets_total", "counter", "What the kernel's filter did.");
	for (unsigned i = 0; i < 2; i++) {
		const uint64_t n[3] = {v->gate->rx[i], v->gate->to_engine[i], v->gate->dropped[i]};

		for (unsigned r = 0; r < 3; r++)
			two(w, "interlock_filter_packets_total", "port", sides[i], "result",
			    results[r], n[r]);
	}
	filter_drops(w, v);
}

static void
judged(struct jw *w, const struct engine_stats *e)
{
	head(w, "interlock_packets_dropped_total", "counter",
	    "Packets the engine dropped, by reason.");
	for (unsigned i = 1; i < DROP__MAX; i++)
		one(w, "interlock_packets_dropped_total", "reason", drop_name(i), e->dropped[i]);
	head(w, "interlock_verdicts_total", "counter", "PDUs by verdict, after the policy's mode.");
	for (uint8_t i = 0; i < 5; i++)
		one(w, "interlock_verdicts_total", "verdict", verdict_action_name(i),
		    e->verdicts[i]);
	head(w, "interlock_verdicts_enforced_total", "counter",
	    "PDUs by the verdict that mode enforce would give.");
	for (uint8_t i = 0; i < 5; i++)
		one(w, "interlock_verdicts_enforced_total", "verdict", verdict_action_name(i),
		    e->would[i]);
}

static void
processes(struct jw *w, const struct guard_view *v)
{
	head(w, "interlock_process_up", "gauge", "1: the process of the guard is there.");
	for (unsigned i = 0; i < v->n_processes; i++)
		one(w, "interlock_process_up", "process", v->process[i].name,
		    v->process[i].pid != 0);
	head(w, "interlock_process_restarts_total", "counter", "Unexpected ends.");
	for (unsigned i = 0; i < v->n_processes; i++)
		one(w, "interlock_process_restarts_total", "process", v->process[i].name,
		    v->process[i].restarts);
}

static void
histogram(struct jw *w, const struct past_latency *t, const char *name)
{
	uint64_t sum = 0;
	unsigned b = 0;

	for (unsigned end = LE_FIRST; end <= LE_LAST; end += 4) {
		for (; b < end; b++)
			sum += t->bucket[b];
		put(w, "interlock_latency_seconds_bucket{conduit=\"");
		label(w, name);
		put(w, "\",le=\"%.9g\"} %" PRIu64 "\n", (double)lat_floor(end) / 1e9, sum);
	}
	put(w, "interlock_latency_seconds_bucket{conduit=\"");
	label(w, name);
	put(w, "\",le=\"+Inf\"} %" PRIu64 "\ninterlock_latency_seconds_sum{conduit=\"", t->n);
	label(w, name);
	put(w, "\"} ");
	seconds(w, t->sum_ns);
	put(w, "\n");
	one(w, "interlock_latency_seconds_count", "conduit", name, t->n);
}

static void
latencies(struct jw *w, const struct guard_view *v)
{
	const struct view_past *p = v->past;
	unsigned shown = 0;

	head(w, "interlock_latency_seconds", "histogram",
	    "Time from receiving a packet to sending it, by conduit.");
	for (uint32_t i = 0; i < p->n_conduits && shown < CONDUITS_MAX; i++)
		if (p->conduit[i].n > 0) {
			histogram(w, &p->conduit[i], p->conduit[i].name);
			shown++;
		}
	if (p->conduit[GUARD_CONDUITS].n > 0)
		histogram(w, &p->conduit[GUARD_CONDUITS], "");
	if (!view_fits(v))
		return;
	head(w, "interlock_latency_budget_seconds", "gauge", "What the policy allows.");
	for (uint32_t i = 0; i < p->n_conduits; i++) {
		uint64_t ns = policy_latency_ns(v->policy, i);

		if (ns == 0)
			continue;
		put(w, "interlock_latency_budget_seconds{conduit=\"");
		label(w, p->conduit[i].name);
		put(w, "\"} ");
		seconds(w, ns);
		put(w, "\n");
	}
	head(w, "interlock_latency_over_budget_total", "counter", "Packets that took longer.");
	for (uint32_t i = 0; i < p->n_conduits; i++)
		if (policy_latency_ns(v->policy, i) != 0)
			one(w, "interlock_latency_over_budget_total", "conduit", p->conduit[i].name,
			    p->conduit[i].over);
}

static void
rules(struct jw *w, const struct guard_view *v)
{
	unsigned shown = 0;

	head(w, "interlock_rule_hits_total", "counter",
	    "PDUs that a rule decided, once there was one.");
	for (uint32_t i = 0; i < v->past->n_rules && shown < RULES_MAX; i++) {
		struct policy_rule_info info;

		if (v->past->rule[i].hits == 0 || policy_rule_info(v->policy, i, &info) < 0)
			continue;
		two(w, "interlock_rule_hits_total", "conduit", info.conduit, "rule", info.name,
		    v->past->rule[i].hits);
		shown++;
	}
}

static void
signer(struct jw *w, const struct guard_view *v)
{
	const struct signer_shared *s = v->signer;

	for (size_t i = 0; i < sizeof(signer_numbers) / sizeof(signer_numbers[0]); i++) {
		const _Atomic uint64_t *at =
		    (const _Atomic uint64_t *)((const char *)s + signer_numbers[i].at);

		plain(w, &signer_numbers[i], atomic_load_explicit(at, memory_order_relaxed));
	}
	head(w, "interlock_journal_failing", "gauge", "1: the last write failed; alerts wait.");
	put(w, "interlock_journal_failing %u\n", atomic_load(&s->failing) ? 1 : 0);
	head(w, "interlock_journal_max_bytes", "gauge", "Size at which the oldest alerts go.");
	put(w, "interlock_journal_max_bytes %" PRIu64 "\n",
	    v->journal_max ? v->journal_max : JOURNAL_MAX_BYTES);
	head(w, "interlock_journal_signed_time_seconds", "gauge", "When a batch was last signed.");
	put(w, "interlock_journal_signed_time_seconds ");
	seconds(w, atomic_load(&s->last_batch_ns));
	put(w, "\n");
}

void
view_metrics(struct jw *w, const struct guard_view *v)
{
	struct view_numbers n;

	view_numbers(v, &n);
	about(w, v);
	ports(w, v);
	processes(w, v);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint64_t value;

		memcpy(&value, (const char *)&n + numbers[i].at, sizeof(value));
		plain(w, &numbers[i], value);
	}
	workers(w, v);
	judged(w, &n.engine);
	if (v->past) {
		latencies(w, v);
		if (view_fits(v))
			rules(w, v);
	}
	if (v->signer)
		signer(w, v);
	if (v->ctl) {
		head(w, "interlock_ctl_requests_total", "counter",
		    "Requests on the control socket.");
		put(w, "interlock_ctl_requests_total %" PRIu64 "\n", v->ctl->requests);
		head(
		    w, "interlock_ctl_refused_total", "counter", "Requests of people who may not.");
		put(w, "interlock_ctl_refused_total %" PRIu64 "\n", v->ctl->refused);
	}
}
