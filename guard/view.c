/* SPDX-License-Identifier: Apache-2.0 */
/* view.c - a guard in JSON, for `ctl status` and `ctl counters` (view.h). */
#include "guard/view.h"

#include <string.h>

#include "alerts/journal.h"
#include "base/build_id.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/jw.h"
#include "dataplane/drop.h"
#include "guard/ctl.h"
#include "guard/signer.h"
#include "guard/view_int.h"
#include "policy/policy.h"

static const char *const sides[2] = {"outside", "inside"};
static const char *const mode_names[] = {"learn", "alert", "enforce"};

static void
put_text(struct jw *w, const char *key, const char *text)
{
	if (text) {
		jw_str(w, key, text);
	} else {
		jw_key(w, key);
		jw_raw(w, "null", 4);
	}
}

/* --- status ------------------------------------------------------------------------------------ */

static void
policy_json(struct jw *w, const struct guard_view *v)
{
	char hex[2 * CRYPTO_SHA256_LEN + 1];

	jw_obj(w, "policy");
	put_text(w, "file", v->policy_path);
	if (v->policy) {
		put_text(w, "site", policy_site(v->policy));
		jw_str(w, "mode", mode_names[policy_mode(v->policy)]);
		jw_str(w, "sha256", crypto_hex(policy_hash(v->policy), CRYPTO_SHA256_LEN, hex));
		jw_u(w, "generation", policy_generation(v->policy));
		jw_when(w, "since", v->policy_ns);
		jw_u(w, "rules", policy_rule_count(v->policy));
		jw_u(w, "conduits", policy_conduit_count(v->policy));
		jw_str(w, "fail", policy_fail_open(v->policy, RULE_NONE) ? "open" : "closed");
	}
	if (v->policy_error && v->policy_error[0]) {
		jw_str(w, "refused", v->policy_error);
		jw_when(w, "refused_at", v->policy_error_ns);
	}
	if (v->confirm_until_ns != 0) {
		jw_obj(w, "trial");
		jw_when(w, "until", v->confirm_until_ns);
		jw_u(w, "left_s", v->confirm_left_ns / NS_PER_S);
		jw_u(w, "back_to", v->confirm_generation);
		jw_close(w, '}');
	}
	if (v->kept)
		jw_bool(w, "file_differs", true);
	jw_close(w, '}');
}

static void
ports_json(struct jw *w, const struct guard_view *v)
{
	jw_arr(w, "ports");
	for (unsigned i = 0; i < 2; i++) {
		const struct view_port *p = &v->port[i];

		if (!p->name)
			continue;
		jw_obj(w, NULL);
		jw_str(w, "side", sides[i]);
		jw_str(w, "name", p->name);
		jw_bool(w, "link", p->link);
		jw_u(w, "link_changes", p->link_changes);
		jw_u(w, "mtu", p->mtu);
		jw_u(w, "queues", p->queues);
		put_text(w, "filter", p->mode);
		if (v->gate) {
			jw_u(w, "received", v->gate->rx[i]);
			jw_u(w, "to_engine", v->gate->to_engine[i]);
			jw_u(w, "dropped", v->gate->dropped[i]);
		}
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
processes_json(struct jw *w, const struct guard_view *v)
{
	jw_arr(w, "processes");
	for (unsigned i = 0; i < v->n_processes; i++) {
		const struct view_process *p = &v->process[i];

		jw_obj(w, NULL);
		jw_str(w, "name", p->name);
		jw_bool(w, "up", p->pid != 0);
		jw_i(w, "pid", p->pid);
		jw_when(w, "started", p->pid ? p->started_ns : 0);
		jw_u(w, "restarts", p->restarts);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static uint64_t
dropped(const struct engine_stats *e)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DROP__MAX; i++)
		n += e->dropped[i];
	return n;
}

/* Of the frames that were lost in front of the engine or behind it, where the backend says why. */
static void
lost_json(struct jw *w, const struct io_stats *io)
{
	const struct {
		const char *key;
		uint64_t n;
	} why[] = {{"rx_segments", io->rx_segments}, {"rx_no_buffer", io->rx_no_buffer},
	    {"tx_full", io->tx_full}, {"tx_long", io->tx_long}, {"tx_down", io->tx_down},
	    {"tx_no_buffer", io->tx_no_buffer}, {"rx_handed_full", io->rx_handed_full}};

	jw_obj(w, "lost");
	for (size_t i = 0; i < sizeof(why) / sizeof(why[0]); i++)
		if (why[i].n != 0)
			jw_u(w, why[i].key, why[i].n);
	jw_close(w, '}');
}

static void
packets_json(struct jw *w, const struct view_numbers *n)
{
	const struct engine_stats *e = &n->engine;

	jw_obj(w, "packets");
	jw_u(w, "received", e->received);
	jw_u(w, "injected", e->injected);
	jw_u(w, "forwarded", e->forwarded);
	jw_u(w, "dropped", dropped(e));
	jw_u(w, "consumed", e->consumed);
	jw_u(w, "held", e->held);
	jw_u(w, "bytes", e->bytes);
	jw_u(w, "lost_before", n->io.rx_dropped);
	jw_u(w, "not_sent", n->io.tx_dropped);
	lost_json(w, &n->io);
	jw_close(w, '}');
}

/* Each of several; packets begin with the worker. */
static void
workers_json(struct jw *w, const struct guard_view *v)
{
	if (!v->workers)
		return;
	jw_arr(w, "workers");
	for (unsigned i = 0; i < v->n_workers; i++) {
		const struct guard_shared *s = &v->workers[i];
		struct engine_stats e;
		struct io_stats io;

		if (!shared_snapshot(s, &e, &io)) /* it wrote all the time */
			continue;
		jw_obj(w, NULL);
		jw_u(w, "worker", i);
		jw_u(w, "received", e.received);
		jw_u(w, "injected", e.injected);
		jw_u(w, "forwarded", e.forwarded);
		jw_u(w, "dropped", dropped(&e));
		jw_u(w, "consumed", e.consumed);
		jw_u(w, "held", e.held);
		jw_u(w, "handed_over", io.handed);
		jw_u(w, "pdus", e.pdus);
		jw_u(w, "flows_active", e.flows_active);
		jw_u(w, "generation", s->generation);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
verdicts_json(struct jw *w, const char *key, const uint64_t n[5])
{
	jw_obj(w, key);
	for (uint8_t i = 0; i < 5; i++)
		jw_u(w, verdict_action_name(i), n[i]);
	jw_close(w, '}');
}

static void
pdus_json(struct jw *w, const struct engine_stats *e)
{
	jw_obj(w, "pdus");
	jw_u(w, "all", e->pdus);
	jw_u(w, "requests", e->requests);
	jw_u(w, "responses", e->responses);
	jw_u(w, "exceptions", e->exceptions);
	jw_u(w, "malformed", e->malformed);
	verdicts_json(w, "verdicts", e->verdicts);
	verdicts_json(w, "would", e->would);
	jw_close(w, '}');
}

/* Both authors of drops, by reason; all: those that never happened too. */
static void
drops_json(struct jw *w, const struct guard_view *v, const struct engine_stats *e, bool all)
{
	jw_arr(w, "drops");
	for (unsigned i = 1; i < DROP__MAX; i++) {
		if (e->dropped[i] == 0 && !all)
			continue;
		jw_obj(w, NULL);
		jw_str(w, "by", "engine");
		jw_str(w, "reason", drop_name(i));
		jw_u(w, "packets", e->dropped[i]);
		jw_str(w, "text", drop_text(i));
		jw_close(w, '}');
	}
	for (unsigned i = 0; i < v->n_counts; i++) {
		const struct gate_count *c = &v->counts[i];

		if (c->packets[0] + c->packets[1] == 0 && !all)
			continue;
		jw_obj(w, NULL);
		jw_str(w, "by", "filter");
		jw_str(w, "reason", c->reason);
		jw_u(w, "packets", c->packets[0] + c->packets[1]);
		for (unsigned side = 0; side < 2; side++)
			jw_u(w, sides[side], c->packets[side]);
		jw_u(w, "bytes", c->bytes[0] + c->bytes[1]);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
conduit_json(struct jw *w, const struct guard_view *v, uint32_t i, const char *name)
{
	struct view_latency l;

	if (!view_latency(v, i, &l))
		return;
	jw_obj(w, NULL);
	put_text(w, "name", name);
	jw_u(w, "packets", l.n);
	jw_u(w, "recent", l.recent);
	jw_u(w, "p50_ns", l.p50);
	jw_u(w, "p99_ns", l.p99);
	jw_u(w, "p999_ns", l.p999);
	jw_u(w, "max_ns", l.max_ns);
	if (i < GUARD_CONDUITS && policy_latency_ns(v->policy, i) != 0) {
		jw_u(w, "budget_ns", policy_latency_ns(v->policy, i));
		jw_u(w, "over_budget", l.over);
	}
	jw_close(w, '}');
}

static void
conduits_json(struct jw *w, const struct guard_view *v)
{
	jw_arr(w, "conduits");
	if (view_fits(v)) {
		uint32_t n = policy_conduit_count(v->policy);

		for (uint32_t i = 0; i < n && i < GUARD_CONDUITS; i++)
			conduit_json(w, v, i, policy_conduit_name(v->policy, i));
		conduit_json(w, v, GUARD_CONDUITS, NULL);
	}
	jw_close(w, ']');
}

static void
alerts_json(struct jw *w, const struct guard_view *v)
{
	const struct signer_shared *s = v->signer;
	char error[sizeof(s->error)];

	jw_key(w, "alerts");
	if (!s) {
		jw_raw(w, "null", 4);
		return;
	}
	w->comma = false;
	jw_ch(w, '{');
	jw_bool(w, "ready", atomic_load(&s->ready) != 0);
	jw_bool(w, "failing", atomic_load(&s->failing) != 0);
	jw_u(w, "events", atomic_load(&s->events));
	jw_u(w, "folded", atomic_load(&s->folded));
	jw_u(w, "lines", atomic_load(&s->lines));
	jw_u(w, "lost", atomic_load(&s->lost));
	jw_u(w, "rejected", atomic_load(&s->rejected));
	jw_u(w, "waiting", atomic_load(&s->waiting));
	jw_u(w, "write_errors", atomic_load(&s->write_errors));
	put_text(w, "eve", v->eve_path);
	jw_u(w, "eve_reopened", atomic_load(&s->reopened));
	if (v->journal_dir) {
		jw_obj(w, "journal");
		jw_str(w, "dir", v->journal_dir);
		jw_u(w, "bytes", atomic_load(&s->journal_bytes));
		jw_u(w, "max_bytes", v->journal_max ? v->journal_max : JOURNAL_MAX_BYTES);
		jw_u(w, "removed", atomic_load(&s->removed));
		jw_u(w, "epoch", atomic_load(&s->epoch));
		jw_u(w, "batch", atomic_load(&s->batch));
		jw_u(w, "next_seq", atomic_load(&s->next_seq));
		jw_when(w, "signed", atomic_load(&s->last_batch_ns));
		jw_close(w, '}');
	}
	if (signer_error(s, error)) {
		jw_str(w, "error", error);
		jw_when(w, "error_at", atomic_load(&s->error_ns));
	}
	jw_close(w, '}');
}

void
view_status(struct jw *w, const struct guard_view *v)
{
	struct view_numbers n;

	view_numbers(v, &n);
	jw_str(w, "version", build_version);
	jw_str(w, "build", build_id);
	jw_when(w, "now", v->now_ns);
	jw_when(w, "started", v->started_ns);
	jw_u(w, "uptime_s", v->now_ns > v->started_ns ? (v->now_ns - v->started_ns) / NS_PER_S : 0);
	if (v->panic) {
		jw_obj(w, "panic");
		jw_str(w, "mode", v->panic);
		jw_str(w, "by", v->panic_by);
		jw_when(w, "since", v->panic_ns);
		jw_when(w, "until", v->panic_until_ns);
		jw_u(w, "passed", n.engine.passed_in_panic);
		jw_close(w, '}');
	}
	policy_json(w, v);
	view_shadow_short(w, v);
	ports_json(w, v);
	if (v->bypass) {
		jw_obj(w, "bypass");
		jw_str(w, "by", v->bypass);
		jw_str(w, "state", v->bypass_state);
		jw_u(w, "watchdog_ms", v->bypass_watchdog_ms);
		jw_close(w, '}');
	}
	view_fast_json(w, v);
	processes_json(w, v);
	packets_json(w, &n);
	workers_json(w, v);
	drops_json(w, v, &n.engine, false);
	pdus_json(w, &n.engine);
	jw_obj(w, "flows");
	jw_u(w, "active", n.engine.flows_active);
	jw_u(w, "opened", n.engine.flows);
	jw_u(w, "evicted", n.engine.flows_evicted);
	jw_u(w, "expired", n.engine.flows_expired);
	jw_close(w, '}');
	jw_u(w, "memory_bytes", n.engine.memory_bytes);
	conduits_json(w, v);
	alerts_json(w, v);
}

/* --- counters ---------------------------------------------------------------------------------- */

static void
rules_json(struct jw *w, const struct guard_view *v)
{
	uint32_t n = view_fits(v) ? policy_rule_count(v->policy) : 0;

	jw_arr(w, "rules");
	for (uint32_t i = 0; i < n && i < GUARD_RULES; i++) {
		struct policy_rule_info info;

		if (policy_rule_info(v->policy, i, &info) < 0)
			continue;
		jw_obj(w, NULL);
		jw_str(w, "conduit", info.conduit);
		jw_str(w, "rule", info.name);
		jw_u(w, "id", info.id);
		jw_bool(w, "deny", info.deny);
		jw_u(w, "hits",
		    v->past ? v->past->rule[i].hits
			    : v->shared->rule_hits[i] + v->shared->kernel_hits[i]);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_u(w, "rules_not_counted", n > GUARD_RULES ? n - GUARD_RULES : 0);
}

void
view_counters(struct jw *w, const struct guard_view *v)
{
	const struct engine_stats *e;
	struct view_numbers n;

	view_numbers(v, &n);
	e = &n.engine;
	packets_json(w, &n);
	workers_json(w, v);
	ports_json(w, v);
	drops_json(w, v, e, true);
	pdus_json(w, e);
	jw_obj(w, "engine");
	jw_u(w, "would_drop", e->would_drop);
	jw_u(w, "flows_active", e->flows_active);
	jw_u(w, "flows", e->flows);
	jw_u(w, "flows_evicted", e->flows_evicted);
	jw_u(w, "flows_expired", e->flows_expired);
	jw_u(w, "overlap_differs", e->overlap_differs);
	jw_u(w, "retransmitted", e->retransmitted);
	jw_u(w, "out_of_order", e->out_of_order);
	jw_u(w, "gaps", e->gaps);
	jw_u(w, "midstream", e->midstream);
	jw_u(w, "pool_full", e->pool_full);
	jw_u(w, "copied_bytes", e->copied_bytes);
	jw_u(w, "apps_named", e->apps_named);
	jw_u(w, "apps_unknown", e->apps_unknown);
	jw_u(w, "loops", n.loops);
	jw_u(w, "sleeps", n.sleeps);
	jw_close(w, '}');
	if (v->ctl) {
		jw_obj(w, "ctl");
		jw_u(w, "clients", v->ctl->clients);
		jw_u(w, "requests", v->ctl->requests);
		jw_u(w, "refused", v->ctl->refused);
		jw_u(w, "malformed", v->ctl->malformed);
		jw_u(w, "dropped", v->ctl->dropped);
		jw_close(w, '}');
	}
	rules_json(w, v);
}
