/* SPDX-License-Identifier: Apache-2.0 */
/* panic.c - a switch that is stronger than the policy (engine.h, engine_set_panic()). */
#include "dataplane/engine_int.h"

/* What an end of a connection was told by us stands between it and an open guard. */
static bool
spoilt(const struct engine *e, const struct flow *f)
{
	return guard_of(e, f)->flags & (GUARD_RESET | GUARD_WANT_RESET) ||
	       (f->dir[0].flags | f->dir[1].flags) & DIR_BLOCKED;
}

void
engine_set_panic(struct engine *e, enum panic_mode mode)
{
	e->panic = (uint8_t)mode;
	if (e->path && mode != PANIC_OFF)
		path_recall(e); /* the policy's tables are not in the filter meanwhile */
	if (mode == PANIC_OFF || !e->inline_mode)
		return;
	for (uint32_t i = 0; i < e->flows.max; i++) {
		struct flow *f = &e->flows.flows[i];

		if (f->wheel_slot != UINT16_MAX && (mode == PANIC_ISLAND || spoilt(e, f)))
			flow_remove(&e->flows, f);
	}
}

void
panic_pass(struct engine *e, struct pkt *p)
{
	p->fate = FATE_FORWARD;
	p->reason = DROP_NONE;
	e->st.passed_in_panic++;
}
