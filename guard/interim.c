/* SPDX-License-Identifier: Apache-2.0 */
/* interim.c - stands in for what other files define later; goes when they are here. */
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/jw.h"
#include "dataplane/engine.h"
#include "guard/metrics.h"
#include "guard/view.h"

#define WEAK __attribute__((weak))
void engine_sample(struct engine *e, const struct pkt *p, const char *reason, uint64_t count);

struct view_past {
	int nothing;
};

WEAK struct view_past *
view_past_new(void)
{
	return calloc(1, sizeof(struct view_past));
}

WEAK void
view_past_free(struct view_past *p)
{
	free(p);
}

WEAK void
view_tick(
    struct view_past *p, const struct guard_shared *s, const struct policy *policy, uint64_t now_ns)
{
	(void)p, (void)s, (void)policy, (void)now_ns;
}

WEAK void
view_late(struct view_past *p, const struct policy *policy, uint64_t now_ns,
    void (*fn)(void *ctx, const struct view_late *late), void *ctx)
{
	(void)p, (void)policy, (void)now_ns, (void)fn, (void)ctx;
}

WEAK void
view_status(struct jw *w, const struct guard_view *v)
{
	jw_u(w, "processes", v->n_processes);
}

WEAK void
view_counters(struct jw *w, const struct guard_view *v)
{
	jw_u(w, "forwarded", v->shared ? v->shared->engine.forwarded : 0);
}

WEAK void
view_metrics(struct jw *w, const struct guard_view *v)
{
	(void)w, (void)v;
}

WEAK int
metrics_listen(const char *address, char *err, size_t err_size)
{
	return err_say(err, err_size, ERR_UNSUPPORTED, "metrics %s: not in this build", address);
}

WEAK int
metrics_run(const struct metrics_conf *conf)
{
	(void)conf;
	return 1;
}

WEAK void
engine_sample(struct engine *e, const struct pkt *p, const char *reason, uint64_t count)
{
	(void)e, (void)p, (void)reason, (void)count;
}
