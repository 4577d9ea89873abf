/* SPDX-License-Identifier: Apache-2.0 */
/* stranger.c - see stranger.h. */
#include "dataplane/stranger.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "dataplane/engine_int.h"

#define SHARE	    256u /* of the engine's memory, at most */
#define PLACES_MOST (1u << 12)
#define LINE	    (STRANGER_WAYS * sizeof(struct stranger))

int
strangers_init(struct strangers *s, size_t memory_bytes, uint64_t seed)
{
	uint32_t n = 16;

	while (n < PLACES_MOST && (size_t)n * 2 * LINE <= memory_bytes / SHARE)
		n *= 2;
	s->mask = n - 1;
	s->bytes = n * LINE;
	s->seed = hash_seed_make(seed ^ 0x73747261);
	s->at = mem_table(s->bytes);
	return s->at ? 0 : ERR_NOMEM;
}

void
strangers_fini(struct strangers *s)
{
	free(s->at);
}

void
strangers_clear(struct strangers *s)
{
	if (s->some)
		memset(s->at, 0, s->bytes);
	s->some = false;
}

static inline bool
same(const struct stranger *x, uint64_t ends, uint64_t what)
{
	return x->ends == ends && x->what == what;
}

bool
stranger_known(struct engine *e, struct pkt *p, const struct stranger *x, uint64_t ka, uint64_t kb,
    bool src_is_lo)
{
	const uint64_t ends = stranger_ends(ka, src_is_lo), what = stranger_what(kb, src_is_lo);

	if (!same(x, ends, what) && !same(++x, ends, what))
		return false;
	if (e->conf.alerts && !alerts_place_again(e->conf.alerts, &x->storm, p->ts_ns, p->frame))
		return false;
	p->conduit = RULE_NONE;
	engine_drop(p, DROP_POLICY_CONDUIT);
	e->st.verdicts[x->action]++;
	e->st.would[x->would]++;
	e->st.would_drop++;
	e->strangers.known++;
	return true;
}

void
stranger_learn(
    struct engine *e, const struct flow_key *k, const struct net_tuple *t, const struct verdict *v)
{
	const uint64_t ends = stranger_ends(k->ka, k->src_is_lo);
	const uint64_t what = stranger_what(k->kb, k->src_is_lo);
	struct net_tuple back = net_tuple_reverse(t);
	struct policy_bind bind;
	struct verdict other;
	struct stranger *x;

	if (v->reason != REASON_NO_CONDUIT || v->would < VERDICT_REJECT || e->conf.on_event ||
	    e->shadow || k->lo != NULL || (k->kb & 0xff) != 4)
		return;
	/* who of the two is the client may look otherwise by the next port */
	other = engine_bind(e, t, &bind);
	if (other.reason != REASON_NO_CONDUIT)
		return;
	other = engine_bind(e, &back, &bind);
	if (other.reason != REASON_NO_CONDUIT)
		return;
	x = stranger_place(&e->strangers, ends, what);
	if (!same(x, ends, what)) {
		x[1] = x[0]; /* the one that was there longer goes */
	}
	*x = (struct stranger){.ends = ends, .what = what, .action = v->action, .would = v->would};
	if (e->conf.alerts)
		alerts_place(e->conf.alerts, &x->storm);
	e->strangers.some = true;
}
