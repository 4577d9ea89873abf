/* SPDX-License-Identifier: Apache-2.0 */
/* act.c - what `ctl` asks of the parent, and the numbers that it shows (ctl.h, view.h). */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/jw.h"
#include "base/log.h"
#include "guard/guard_int.h"

#define COUNT_EVERY_NS UINT64_C(1000000000)
#define COUNTS_MAX     256u
#define TRIAL_MIN_S    5u
#define TRIAL_MAX_S    (7u * 86400u)

/* --- the view -------------------------------------------------------------------------------- */

struct look {
	struct guard_view v;
	struct gate_totals totals;
	struct gate_count counts[COUNTS_MAX];
	struct view_process process[5];
	struct view_fast fast;
	struct fast_count fast_counts[FAST_COUNT_MAX];
};

static void
look_fast(struct guard *g, struct look *l)
{
	const struct gate_spec *s = policy_gate(g->policy);
	struct view_fast *f = &l->fast;

	f->off = gate_not_fast(g->gate);
	f->pinned = g->pins.written ? g->pins.dir : NULL;
	f->away_ns = g->away.since_ns != 0 ? clock_mono_ns() - g->away.since_ns : 0;
	f->away_last_ns = g->away.last_ns;
	f->away_total_ns = g->away.total_ns;
	f->away_times = g->away.times;
	f->counts = l->fast_counts;
	f->n_counts = fast_counts(g->fast, l->fast_counts, FAST_COUNT_MAX);
	f->n_conduits = s->n_conduits < GUARD_CONDUITS ? s->n_conduits : GUARD_CONDUITS;
	for (uint32_t i = 0; i < f->n_conduits; i++) {
		struct fast_counter c = {0};

		f->conduit[i].served = false;
		for (unsigned k = 0; k < GATE__PROTOS; k++)
			f->conduit[i].served |= !f->off && s->conduits[i].block[k] != 0;
		f->conduit[i].dropped = g->away.conduit[i].dropped;
		f->conduit[i].unjudged = g->away.conduit[i].unjudged;
		f->conduit[i].packets = fast_share(g->fast, i, &c) == 0 ? c.packets : 0;
	}
	l->v.fast = f;
}

static void
look(struct guard *g, struct look *l)
{
	static const char *const modes[] = {
	    [GATE_AUTO] = "auto", [GATE_NATIVE] = "native", [GATE_GENERIC] = "generic"};
	struct guard_view *v = &l->v;
	struct child *c;

	*v = (struct guard_view){
	    .now_ns = clock_wall_ns(),
	    .started_ns = g->started_ns,
	    .shared = g->worker.ready ? worker_numbers(g) : NULL,
	    .workers = g->worker.ready && g->n_workers > 1 ? g->shared : NULL,
	    .n_workers = g->n_workers,
	    .past = g->past,
	    .policy = g->policy,
	    .policy_path = g->conf->policy_path,
	    .policy_ns = g->policy_ns,
	    .policy_error = g->reload.error,
	    .policy_error_ns = g->reload.error_ns,
	    .confirm_until_ns = g->confirm.until_ns,
	    .confirm_left_ns = g->confirm.waiting && g->confirm.deadline_ns > g->now_ns
				   ? g->confirm.deadline_ns - g->now_ns
				   : 0,
	    .confirm_generation = g->confirm.generation,
	    .kept = g->kept,
	    .shadow = g->shadow.step == SHADOW_ON ? g->shadow.policy : NULL,
	    .panic = g->panic.mode == PANIC_OFF ? NULL : panic_name(g),
	    .panic_by = g->panic.who,
	    .panic_ns = g->panic.since_ns,
	    .panic_until_ns = g->panic.until_ns,
	    .bypass = g->conf->bypass,
	    .bypass_state = bypass_state_name(g->line.state),
	    .bypass_watchdog_ms = g->line.bypass.watchdog_ms,
	    .shadow_file = g->shadow.file,
	    .shadow_ns = g->shadow.since_ns,
	    .gate = g->gate ? &l->totals : NULL,
	    .counts = l->counts,
	    .signer = g->alerts_shared ? g->signer_shared : NULL,
	    .journal_dir = g->conf->journal_dir,
	    .eve_path = g->conf->eve_path,
	    .journal_max = g->conf->journal_bytes,
	    .ctl = g->ctl ? ctl_stats(g->ctl) : NULL,
	    .process = l->process,
	};
	if (g->gate) {
		gate_totals(g->gate, &l->totals);
		v->n_counts = gate_counts(g->gate, l->counts, COUNTS_MAX);
	} else {
		v->n_counts = device_counts(g, l->counts, COUNTS_MAX);
	}
	if (g->fast)
		look_fast(g, l);
	for (unsigned i = 0; i < 2; i++)
		v->port[i] = (struct view_port){.name = g->ports.port[i].name,
		    .link = g->link[i].up,
		    .mtu = device_mtu(g, i),
		    .queues = g->ports.port[i].queues,
		    .mode = g->gate ? modes[g->gate_mode[i]] : "none",
		    .link_changes = g->link[i].changes};
	l->process[v->n_processes++] =
	    (struct view_process){.name = "parent", .pid = getpid(), .started_ns = g->started_ns};
	for (unsigned i = 0; (c = child_at(g, i)); i++)
		if (c->wanted)
			l->process[v->n_processes++] = (struct view_process){.name = c->name,
			    .pid = c->pid,
			    .started_ns = c->started_ns,
			    .restarts = c->restarts};
}

static void
late(void *ctx, const struct view_late *l)
{
	struct guard *g = ctx;
	struct event ev = {.kind = EVENT_GUARD,
	    .cond = GUARD_LATENCY,
	    .ts_ns = clock_wall_ns(),
	    .verdict = {.rule = RULE_NONE, .conduit = l->conduit, .generation = g->generation},
	    .note = l->text,
	    .count = l->late};

	log_warn("conduit %s: late: %s", policy_conduit_name(g->policy, l->conduit), l->text);
	if (g->alerts)
		alerts_put(g->alerts, &ev);
}

void
act_count_now(struct guard *g)
{
	const struct guard_shared *s;

	if (g->past && g->worker.ready && (s = worker_numbers(g)) != NULL)
		view_tick(g->past, s, g->policy, clock_wall_ns());
}

void
act_count(struct guard *g)
{
	const struct guard_shared *s;
	uint64_t now = clock_wall_ns();

	if (!g->past || g->now_ns - g->counted_ns < COUNT_EVERY_NS)
		return;
	g->counted_ns = g->now_ns;
	if (!g->worker.ready || !(s = worker_numbers(g)))
		return;
	view_tick(g->past, s, g->policy, now);
	view_late(g->past, g->policy, now, late, g);
}

/* --- requests -------------------------------------------------------------------------------- */

static int
act_metrics(const struct guard_view *v, struct jw *out)
{
	static char text[CTL_REPLY / 4];
	struct jw w = jw_make(text, sizeof(text));

	view_metrics(&w, v);
	if (!jw_end(&w))
		return ERR_FULL;
	jw_strn(out, "text", text, jw_len(&w));
	return 0;
}

/* The worker writes them into a file in memory, which goes to who asked unread. */
static int
act_flows(struct guard *g, struct ctl_request *rq, char *err, size_t size)
{
	const struct msg m = {.type = MSG_FLOWS};
	int r;

	if (g->flows_fd >= 0)
		return err_say(err, size, ERR_AGAIN, "somebody is asking already; try again");
	if ((g->flows_fd = memfd_create("interlock-flows", MFD_CLOEXEC)) < 0)
		return err_say(err, size, err_from_errno(errno), "flows: %s", strerror(errno));
	if ((r = worker_ask(g, &m, g->flows_fd)) < 0) {
		close(g->flows_fd);
		g->flows_fd = -1;
		return err_say(err, size, r, "the worker cannot be asked now; try again");
	}
	g->flows_token = rq->token;
	return CTL_LATER;
}

void
act_flows_done(struct guard *g, int result, uint64_t bytes)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "\"bytes\":%llu", (unsigned long long)bytes);

	if (g->flows_fd < 0)
		return;
	if (result == 0)
		ctl_answer_fd(g->ctl, g->flows_token, g->flows_fd);
	ctl_answer(g->ctl, g->flows_token, result, result < 0 ? err_str(result) : NULL, text,
	    result < 0 ? 0 : (size_t)n);
	close(g->flows_fd);
	g->flows_fd = -1;
}

/* A whole number; 0 when it is not there; ERR_*, said, when it is none from least to most. */
static int
number(const struct ctl_request *rq, const char *name, uint64_t least, uint64_t most, uint64_t *out,
    char *err, size_t size)
{
	const json_t *v = json_object_get(rq->args, name);
	json_int_t n = json_integer_value(v);

	*out = 0;
	if (!v)
		return 0;
	if (!json_is_integer(v) || n < 0 || (uint64_t)n < least || (uint64_t)n > most)
		return err_say(err, size, ERR_USAGE, "%s: a whole number from %llu to %llu", name,
		    (unsigned long long)least, (unsigned long long)most);
	*out = (uint64_t)n;
	return 0;
}

/* What somebody wants of a policy to come. */
static int
how_of(struct ctl_request *rq, struct reload_how *how, char *err, size_t size)
{
	uint64_t s;
	int r = number(rq, "confirm_s", TRIAL_MIN_S, TRIAL_MAX_S, &s, err, size);

	*how = (struct reload_how){.ctl_token = rq->token,
	    .confirm_ns = s * NS_PER_S,
	    .force = json_is_true(json_object_get(rq->args, "force"))};
	return r;
}

static int
act_shadow(struct guard *g, struct ctl_request *rq, struct jw *out, const struct guard_view *v,
    char *err, size_t size)
{
	struct reload_how how;
	int r = how_of(rq, &how, err, size);

	if (r < 0)
		return r;
	if (json_object_get(rq->args, "file") || json_object_get(rq->args, "stop") ||
	    json_object_get(rq->args, "promote"))
		return shadow_asked(g, rq, &how, err, size);
	view_shadow(out, v);
	return 0;
}

static int
act_reload(struct guard *g, struct ctl_request *rq, char *err, size_t size)
{
	struct reload_how how;
	int r = how_of(rq, &how, err, size);

	if (r < 0 || (r = reload_start(g, &how, err, size)) < 0)
		return r;
	return CTL_LATER;
}

/* A token, or the id of one that is open. */
static int
act_permit(struct guard *g, const struct ctl_request *rq, struct jw *out, char *err, size_t size)
{
	const json_t *token = json_object_get(rq->args, "token");
	const char *id = json_string_value(json_object_get(rq->args, "revoke"));
	char opened[PERMIT_TEXT];
	int r;

	if (!id == !json_is_string(token))
		return err_say(err, size, ERR_USAGE, "permit takes a token, or revoke and its id");
	if (id) {
		r = permits_revoke(&g->permits, g->policy, id, err, size);
		if (r == 0)
			jw_str(out, "revoked", id);
		return r;
	}
	r = permits_open(&g->permits, g->policy, json_string_value(token),
	    json_string_length(token), clock_wall_ns(), opened, err, size);
	if (r == 0)
		jw_str(out, "id", opened);
	return r;
}

static int
act(void *ctx, struct ctl_request *rq, struct jw *out, char *err, size_t size)
{
	static struct look l;
	struct guard *g = ctx;
	int r;

	switch ((enum ctl_verb)rq->id) {
	case CTL_status:
		look(g, &l);
		view_status(out, &l.v);
		return 0;
	case CTL_counters:
		look(g, &l);
		view_counters(out, &l.v);
		return 0;
	case CTL_metrics:
		look(g, &l);
		return act_metrics(&l.v, out);
	case CTL_flows:
		return act_flows(g, rq, err, size);
	case CTL_reload:
		return act_reload(g, rq, err, size);
	case CTL_confirm:
		r = confirm_asked(g, rq, err, size);
		jw_u(out, "generation", g->generation);
		return r;
	case CTL_rollback:
		r = confirm_back(g, rq, err, size);
		if (r == 0)
			jw_u(out, "generation", g->generation);
		return r;
	case CTL_shadow:
		look(g, &l);
		return act_shadow(g, rq, out, &l.v, err, size);
	case CTL_panic: {
		uint64_t for_s;

		if ((r = number(rq, "for_s", 1, UINT32_MAX, &for_s, err, size)) < 0 ||
		    (r = panic_asked(g, rq, for_s, err, size)) != 0)
			return r;
		jw_str(out, "mode", panic_name(g));
		return 0;
	}
	case CTL_permit:
		return act_permit(g, rq, out, err, size);
	case CTL_permits:
		permits_write(&g->permits, out);
		return 0;
	case CTL_reopen:
		if (!g->alerts_shared)
			return err_say(err, size, ERR_USAGE, "no alerts are written");
		return signer_send_reopen(g->signer.peer.fd);
	case CTL_takeover:
		return takeover_asked(g, rq, err, size);
	case CTL_stop:
		g->stop = true;
		return 0;
	case CTL__VERBS:
		break;
	}
	return err_say(err, size, ERR_UNSUPPORTED, "%s: not here", rq->verb);
}

static int
group(const char *name, gid_t *gid, char *err, size_t size)
{
	const struct group *gr;

	*gid = CTL_NO_GROUP;
	if (!name)
		return 0;
	if (!(gr = getgrnam(name)))
		return err_say(err, size, ERR_USAGE, "%s: there is no such group", name);
	*gid = gr->gr_gid;
	return 0;
}

int
act_open(struct guard *g, char *err, size_t size)
{
	struct ctl_conf cc = {
	    .path = g->conf->ctl_path, .replace = g->conf->take_over, .ctx = g, .act = act};
	int r = group(g->conf->admins, &cc.admin_gid, err, size);

	if (r < 0 || (r = group(g->conf->viewers, &cc.viewer_gid, err, size)) < 0)
		return r;
	if (!(g->past = view_past_new()))
		return err_say(err, size, ERR_NOMEM, "no memory for counters");
	if (!(g->ctl = ctl_open(&cc, err, size)))
		return ERR_IO;
	return 0;
}
