/* SPDX-License-Identifier: Apache-2.0 */
/* view_fast.c - what the kernel judges alone: which conduits, what share, why not more. */
#include <string.h>

#include "base/jw.h"
#include "guard/view_int.h"
#include "policy/policy.h"

static uint64_t
per_mille(uint64_t below, uint64_t above)
{
	return below + above == 0 ? 0 : below * 1000 / (below + above);
}

static void
conduits(struct jw *w, const struct guard_view *v)
{
	const struct view_fast *f = v->fast;
	uint32_t n = v->policy ? policy_conduit_count(v->policy) : 0;

	jw_arr(w, "conduits");
	for (uint32_t i = 0; i < n && i < f->n_conduits; i++) {
		uint64_t above = view_fits_shared(v) ? v->shared->latency[i].n : 0;

		jw_obj(w, NULL);
		jw_str(w, "conduit", policy_conduit_name(v->policy, i));
		jw_bool(w, "served", f->conduit[i].served);
		jw_u(w, "kernel", f->conduit[i].packets);
		jw_u(w, "engine", above);
		jw_u(w, "per_mille", per_mille(f->conduit[i].packets, above));
		jw_u(w, "away_dropped", f->conduit[i].dropped);
		jw_u(w, "away_unjudged", f->conduit[i].unjudged);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

void
view_fast_json(struct jw *w, const struct guard_view *v)
{
	const struct view_fast *f = v->fast;
	uint64_t below = 0, above = 0;

	if (!f)
		return;
	for (unsigned i = 0; i < 2; i++) {
		below += v->gate->passed[i];
		above += v->gate->to_engine[i];
	}
	jw_obj(w, "fast_path");
	if (f->off)
		jw_str(w, "off", f->off);
	if (f->pinned)
		jw_str(w, "pinned", f->pinned);
	jw_obj(w, "away");
	jw_bool(w, "now", f->away_ns != 0);
	jw_u(w, "since_ms", f->away_ns / 1000000);
	jw_u(w, "times", f->away_times);
	jw_u(w, "last_ms", f->away_last_ns / 1000000);
	jw_u(w, "total_ms", f->away_total_ns / 1000000);
	jw_close(w, '}');
	jw_u(w, "kernel", below);
	jw_u(w, "engine", above);
	jw_u(w, "per_mille", per_mille(below, above));
	if (v->shared) {
		jw_u(w, "connections", v->shared->fast.offered);
		jw_u(w, "offers", v->shared->fast.offers);
		jw_u(w, "returns", v->shared->fast.returns);
		jw_u(w, "waits", v->shared->fast.waits);
	}
	jw_obj(w, "handed_up");
	for (unsigned i = 1; i < f->n_counts; i++) /* the first is what went on */
		if (f->counts[i].packets[0] + f->counts[i].packets[1] != 0)
			jw_u(w, f->counts[i].reason,
			    f->counts[i].packets[0] + f->counts[i].packets[1]);
	jw_close(w, '}');
	conduits(w, v);
	jw_close(w, '}');
}
