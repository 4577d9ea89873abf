/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fastpath.c - the engine's side of connections that are judged below it; fastpath.h has the
 * protocol.
 *
 *   base     there is an entry; how many frames of it were counted is asked for when the rings are
 *	      empty, since those that came before it are not in that number
 *   ours     s->got frames have come of s->got that went up, as far as is known
 *   offered  perhaps theirs: no frame is judged before the entry has been read
 *
 * Offered is a flow at rest: whole PDUs only, no request open, nothing held, repaired or owed.  What is
 * not acknowledged yet stays remembered here; when it comes again it does not fit, and is ours to
 * compare.  Of what they judge only number, length and hash come back (struct unseen).
 *
 * Nothing here costs a flow that has no slot more than one comparison.  A call of the interface
 * may cost a system call: one when a flow is offered, one when it comes back, a few per
 * tick for those that are away.
 */
#include "dataplane/fastpath.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "dataplane/repair.h"

#define REST_TICKS    2u  /* a flow that came back is not offered again before */
#define DOUBT_TICKS   2u  /* so long after withdraw() no frame can still take it */
#define QUEUE	      64u /* flows that wait for empty rings */
#define READS_A_TICK  64u /* of flows that are away */
#define LOOKS_A_TICK  4096u

enum fast_state { FAST_FREE = 0, FAST_BASE, FAST_QUEUED, FAST_OURS, FAST_OFFERED };

struct fast_slot {
	uint32_t flow; /* index; of a free slot: the next free one */
	uint32_t got, seen, epoch;
	uint32_t tick;	/* ours: not offered before; offered: when it was withdrawn */
	uint16_t bound; /* f->bind.generation when the entry was made */
	uint8_t state;	/* enum fast_state */
	bool withdrawn;
	bool left;    /* path_leave_all() */
	uint8_t open; /* requests, and the next three, when the entry was read last */
	uint64_t packets, bytes, pdus;
	uint32_t errors;
	cell_id known; /* struct known: what they may be told was allowed; CELL_NONE: nothing */
};

/* Requests that were allowed outright, the newest in front of next. */
struct known {
	uint32_t generation; /* of the policy */
	uint32_t next;
	struct fast_known k[FAST_KNOWN];
};
_Static_assert(sizeof(struct known) <= CELL_P_SIZE - sizeof(struct cell), "one cell of CELL_P");

struct path {
	const struct fast_path *path;
	struct fast_slot *slots;
	uint32_t n, free, top, hand, tick;
	uint32_t n_queue, n_touched;
	uint32_t queue[QUEUE], touched[PKT_BURST];
	struct fast_stats st;
};

/* Begins and ends of what they judged last, by direction, and how it can be known again. */
struct unseen {
	uint32_t begin[2], end[2];
	uint8_t n[2];
	struct fast_record rec[2][FAST_SENT];
};
_Static_assert(sizeof(struct unseen) <= CELL_P_SIZE - sizeof(struct cell), "one cell of CELL_P");

int
path_new(struct engine *e)
{
	struct path *x = calloc(1, sizeof(*x));

	if (!x)
		return ERR_NOMEM;
	e->path = x;
	x->path = e->conf.fast;
	x->n = x->path->slots < e->flows.max ? x->path->slots : e->flows.max;
	x->slots = calloc(x->n, sizeof(*x->slots));
	if (!x->slots)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < x->n; i++)
		x->slots[i].flow = i + 1 < x->n ? i + 1 : FLOW_NONE;
	x->free = x->n ? 0 : FLOW_NONE;
	e->st.memory_bytes += sizeof(*x) + x->n * sizeof(*x->slots);
	return 0;
}

void
path_free(struct engine *e)
{
	if (!e->path)
		return;
	free(e->path->slots);
	free(e->path);
	e->path = NULL;
}

const struct fast_stats *
engine_fast(const struct engine *e)
{
	return e->path ? &e->path->st : NULL;
}

/* --- what they judged -------------------------------------------------------------------- */

static void
count(struct engine *e, struct fast_slot *s, const struct fast_flow *k)
{
	struct path *x = e->path;
	uint64_t packets = k->packets - s->packets, bytes = k->bytes - s->bytes;
	uint64_t pdus = k->pdus - s->pdus; /* each a request or the answer to one */
	uint64_t requests = (pdus + k->n_open - s->open) / 2;
	uint32_t errors = k->errors - s->errors;

	x->st.packets += packets;
	x->st.bytes += bytes;
	e->st.received += packets;
	e->st.forwarded += packets;
	e->st.bytes += bytes;
	e->kinds[FACT_REQUEST] += requests;
	e->kinds[FACT_RESPONSE] += pdus - requests - errors;
	e->kinds[FACT_EXCEPTION] += errors;
	e->allowed += pdus;
	s->packets = k->packets;
	s->bytes = k->bytes;
	s->pdus = k->pdus;
	s->errors = k->errors;
	s->open = k->n_open;
}

static bool
look(struct engine *e, struct flow *f, struct fast_flow *k)
{
	struct path *x = e->path;
	struct fast_slot *s = &x->slots[f->fast - 1];
	uint32_t idle;
	struct net_tuple t;

	flow_tuple(&e->flows, f, true, &t);
	if (!x->path->ops->read(x->path->ctx, f->fast - 1, &t, k))
		return false;
	if (k->packets != s->packets) {
		count(e, s, k);
		idle = (uint32_t)(k->idle_ns >> FLOW_TICK_SHIFT);
		if (e->flows.now_tick - f->last_tick > idle)
			f->last_tick = e->flows.now_tick - idle;
	}
	return true;
}

/*
 * The dissector is given the requests that are open, as if it had judged them.  They were counted
 * and allowed below, so nothing is counted or told.
 */
static void
feed_open(struct engine *e, struct flow *f, const struct fast_flow *k)
{
	const struct policy *policy = e->policy, *shadow = e->shadow;
	void (*on_fact)(void *, const struct engine_pdu *) = e->conf.on_fact;
	struct engine_stats st = e->st;
	uint64_t kinds[FACT_OTHER + 1], allowed = e->allowed;
	struct dis_sink sink = e->sink;

	memcpy(kinds, e->kinds, sizeof(kinds));
	e->policy = e->shadow = NULL;
	e->conf.on_fact = NULL;
	e->call.sink = &e->sink;
	engine_aim(e, f, DIR_TO_SERVER, NULL);
	if (dissectors[f->dis]->back)
		dissectors[f->dis]->back(feed_state(e, f), &k->lent);
	for (unsigned i = 0; !dissectors[f->dis]->back && i < k->n_open && i < FAST_OPEN; i++)
		(void)feed_pdu(
		    e, dissectors[f->dis], f, DIR_TO_SERVER, k->open[i].bytes, k->open[i].len);
	e->sink = sink;
	e->policy = policy;
	e->shadow = shadow;
	e->conf.on_fact = on_fact;
	e->st = st;
	memcpy(e->kinds, kinds, sizeof(kinds));
	e->allowed = allowed;
}

/* What of a direction they judged, and nobody has acknowledged. */
static void
remember(struct unseen *u, const struct flow *f, unsigned dir, const struct fast_way *w)
{
	u->begin[dir] = f->dir[dir].nxt;
	u->end[dir] = w->next;
	u->n[dir] = 0;
	for (unsigned i = 0; i < w->n_sent && i < FAST_SENT; i++)
		if (seq_diff(w->sent[i].seq, u->begin[dir]) >= 0 &&
		    seq_diff(w->sent[i].seq + w->sent[i].len, w->acked) > 0)
			u->rec[dir][u->n[dir]++] = w->sent[i];
}

/* The flow goes on where they left it.  False: no memory. */
static bool
take(struct engine *e, struct flow *f, const struct fast_flow *k)
{
	struct flow_guard *g = guard_of(e, f);
	bool owed = false;

	for (unsigned dir = 0; dir < 2; dir++)
		owed |= seq_diff(k->way[dir].next, f->dir[dir].nxt) > 0 &&
			k->way[dir].next != k->way[dir].acked;
	if (owed) {
		cell_id id = cell_get(&e->cells, sizeof(struct unseen));
		struct unseen *u;

		if (id == CELL_NONE) {
			e->st.pool_full++;
			return false;
		}
		u = (struct unseen *)(void *)cell_at(&e->cells, id)->data;
		for (unsigned dir = 0; dir < 2; dir++)
			remember(u, f, dir, &k->way[dir]);
		if (g->unseen != CELL_NONE)
			cell_put(&e->cells, g->unseen);
		g->unseen = id;
	}
	for (unsigned dir = 0; dir < 2; dir++) {
		const struct fast_way *w = &k->way[dir];

		if (seq_diff(w->next, f->dir[dir].nxt) > 0)
			f->dir[dir].nxt = g->sent[dir] = w->next;
		f->dir[dir].win = w->win;
		if (w->ts != 0 && g->flags & GUARD_TS &&
		    (!(g->ts_known >> dir & 1) || seq_diff(w->ts, g->ts[dir]) > 0)) {
			g->ts[dir] = w->ts;
			g->ts_known |= (uint8_t)(1 << dir);
		}
		stream_acked(e, f, dir, w->acked);
	}
	feed_open(e, f, k);
	e->path->st.returns++;
	return true;
}

uint32_t
path_same(struct engine *e, struct flow *f, unsigned dir, uint32_t seq, const uint8_t *p,
    uint32_t len, bool *differs)
{
	const struct unseen *u = (const void *)cell_at(&e->cells, guard_of(e, f)->unseen)->data;
	uint32_t at = seq, end = seq + len;

	if (seq_diff(u->begin[dir], at) > 0)
		at = u->begin[dir];
	if (seq_diff(f->dir[dir].acked, at) > 0)
		at = f->dir[dir].acked;
	if (seq_diff(end, u->end[dir]) > 0)
		end = u->end[dir];
	while (seq_diff(end, at) > 0) {
		const struct fast_record *r = NULL;

		for (unsigned i = 0; i < u->n[dir]; i++)
			if (at - u->rec[dir][i].seq < u->rec[dir][i].len)
				r = &u->rec[dir][i];
		if (!r || seq_diff(seq, r->seq) > 0 || seq_diff(r->seq + r->len, seq + len) > 0)
			return at - seq;
		if (e->path->path->ops->hash(e->path->path->ctx, p + (r->seq - seq), r->len) !=
		    r->hash) {
			*differs = true;
			return at - seq;
		}
		at = r->seq + r->len;
	}
	return len;
}

void
path_release(struct engine *e, struct flow *f)
{
	const struct unseen *u = (const void *)cell_at(&e->cells, guard_of(e, f)->unseen)->data;

	for (unsigned dir = 0; dir < 2; dir++)
		if (seq_diff(u->end[dir], f->dir[dir].acked) > 0 && u->begin[dir] != u->end[dir])
			return;
	cell_put(&e->cells, guard_of(e, f)->unseen);
	guard_of(e, f)->unseen = CELL_NONE;
}

void
path_numbers(struct engine *e, struct flow *f, unsigned dir, uint32_t *acked, uint32_t *nxt)
{
	struct fast_flow k;

	*acked = f->dir[dir].acked;
	*nxt = f->dir[dir].nxt;
	if (f->fast == 0 || e->path->slots[f->fast - 1].state != FAST_OFFERED || !look(e, f, &k) ||
	    (!k.theirs && k.epoch == e->path->slots[f->fast - 1].epoch))
		return;
	*acked = k.way[dir].acked;
	*nxt = k.way[dir].next;
}

/* --- what was allowed ------------------------------------------------------------------- */

static void
known_forget(struct engine *e, struct fast_slot *s)
{
	if (s->known != CELL_NONE)
		cell_put(&e->cells, s->known);
	s->known = CELL_NONE;
}

static struct known *
known_of(const struct engine *e, const struct fast_slot *s)
{
	return s->known != CELL_NONE ? (struct known *)(void *)cell_at(&e->cells, s->known)->data
				     : NULL;
}

static void
known_add(struct engine *e, struct fast_slot *s, struct fast_known new)
{
	uint32_t generation = policy_generation(e->policy);
	struct known *k = known_of(e, s);

	if (!k) {
		if ((s->known = cell_get(&e->cells, sizeof(*k))) == CELL_NONE) {
			e->st.pool_full++;
			return;
		}
		k = known_of(e, s);
		k->generation = generation + 1;
	}
	if (k->generation != generation)
		*k = (struct known){.generation = generation};
	for (unsigned i = 0; i < FAST_KNOWN; i++)
		if (k->k[i].hash == new.hash && k->k[i].len == new.len) {
			k->k[i].rule = new.rule;
			return;
		}
	k->k[k->next] = new;
	k->next = (k->next + 1) % FAST_KNOWN;
}

void
path_note(struct engine *e, struct flow *f, unsigned dir, struct cur pdu)
{
	struct path *x = e->path;
	struct fast_slot *s = &x->slots[f->fast - 1];
	const struct dis_sink *k = &e->sink;
	int32_t n = DIS_ALIKE_NONE;
	uint8_t out[FAST_ALIKE];

	if (k->facts == SINK_PLAIN) /* and nothing to say about it */
		n = dissectors[f->dis]->alike(
		    feed_state(e, f), (enum dis_dir)dir, pdu, out, sizeof(out));
	if (n < 0)
		known_forget(e, s);
	if (n <= 0 || k->rule >= FAST_RULE_MAX)
		return;
	known_add(e, s,
	    (struct fast_known){.hash = x->path->ops->hash(x->path->ctx, out, (uint32_t)n),
		.len = (uint16_t)n,
		.rule = (uint16_t)k->rule});
}

void
path_doubt(struct engine *e, struct flow *f)
{
	known_forget(e, &e->path->slots[f->fast - 1]);
}

/* --- slots ------------------------------------------------------------------------------- */

static struct fast_slot *
slot_use(struct path *x, uint32_t i)
{
	struct fast_slot *s = &x->slots[i];
	uint32_t next = s->flow;

	if (x->free == i) {
		x->free = next;
	} else {
		uint32_t at = x->free;

		while (x->slots[at].flow != i)
			at = x->slots[at].flow;
		x->slots[at].flow = next;
	}
	*s = (struct fast_slot){.state = FAST_BASE};
	if (x->top <= i)
		x->top = i + 1;
	return s;
}

static void
slot_back(struct path *x, uint32_t i)
{
	if (x->slots[i].state == FAST_OFFERED)
		x->st.offered--;
	x->slots[i] = (struct fast_slot){.flow = x->free};
	x->free = i;
}

void
path_forget(struct engine *e, struct flow *f)
{
	struct path *x = e->path;
	uint32_t i = f->fast - 1;
	struct net_tuple t;
	struct fast_flow k;

	flow_tuple(&e->flows, f, true, &t);
	if (x->slots[i].state == FAST_OFFERED) {
		x->path->ops->withdraw(x->path->ctx, i);
		(void)look(e, f, &k);
	}
	x->path->ops->drop(x->path->ctx, i, &t);
	known_forget(e, &x->slots[i]);
	slot_back(x, i);
	f->fast = 0;
}

static void
ask_base(struct path *x, uint32_t i)
{
	if (x->n_queue == QUEUE) {
		x->slots[i].state = FAST_BASE; /* another time */
		return;
	}
	x->slots[i].state = FAST_QUEUED;
	x->queue[x->n_queue++] = i;
}

/* An entry for a flow that could be offered, if they serve it. */
static void
begin(struct engine *e, struct flow *f)
{
	const struct fast_ops *ops = e->path->path->ops;
	void *ctx = e->path->path->ctx;
	const char *proto = dissectors[f->dis]->name;
	uint32_t i = e->path->free;
	struct fast_slot *s;
	struct net_tuple t;

	if (i == FLOW_NONE)
		return;
	flow_tuple(&e->flows, f, true, &t);
	if (!ops->serves(ctx, f->bind.conduit, proto) ||
	    !ops->create(ctx, i, &t, f->bind.conduit, proto)) {
		guard_of(e, f)->flags |= GUARD_NOT_FAST;
		return;
	}
	s = slot_use(e->path, i);
	s->flow = flow_index(&e->flows, f);
	s->bound = f->bind.generation;
	f->fast = i + 1;
	ask_base(e->path, i);
}

/* --- offering ------------------------------------------------------------------------------ */

static bool
at_rest(struct engine *e, struct flow *f)
{
	const struct flow_guard *g = guard_of(e, f);

	if (f->state != FLOW_OPEN || f->flags & FLOW_REOPEN || f->dis >= FLOW_DIS_NOBODY ||
	    engine_stale(e, f) || !(f->bind.flags & BIND_PORT_OK) ||
	    f->bind.flags & (BIND_RATE | BIND_STATE | BIND_WINDOW) || g->repair != CELL_NONE ||
	    g->unseen != CELL_NONE || g->flags & ~(GUARD_TS | GUARD_NOT_FAST) ||
	    !dissectors[f->dis]->at_rest ||
	    !dissectors[f->dis]->at_rest(feed_state(e, f), f->variant))
		return false;
	for (unsigned i = 0; i < 2; i++) {
		const struct tcp_dir *d = &f->dir[i];

		if (d->flags != DIR_SEEN || (tcp_rare(d)->ooo | tcp_rare(d)->carry) != CELL_NONE ||
		    d->nxt != g->sent[i] || g->n_part[i] != 0)
			return false;
	}
	return true;
}

static void
offer(struct engine *e, struct flow *f)
{
	struct path *x = e->path;
	struct fast_slot *s = &x->slots[f->fast - 1];
	struct fast_offer o = {.generation = policy_generation(e->policy)};
	const struct dissector *ds = dissectors[f->dis];
	const struct known *known = known_of(e, s);
	struct fast_flow k;

	if (ds->lend && (!known || known->generation != o.generation))
		return; /* they would know nothing */
	if (!look(e, f, &k)) {
		path_forget(e, f);
		return;
	}
	if (k.theirs || k.up != s->got) { /* one is on its way, or was lost */
		ask_base(x, f->fast - 1);
		return;
	}
	s->epoch = k.epoch;
	s->seen = o.seen = k.up;
	for (unsigned i = 0; i < 2; i++) {
		o.way[i].next = f->dir[i].nxt;
		o.way[i].acked = f->dir[i].acked;
		o.way[i].win = f->dir[i].win;
		o.way[i].wscale = f->flags & FLOW_MIDSTREAM ? 14 : tcp_rare(&f->dir[i])->wscale;
		o.way[i].ts = guard_of(e, f)->ts_known >> i & 1 ? guard_of(e, f)->ts[i] : 0;
	}
	if (ds->lend) {
		ds->lend(feed_state(e, f), &o.lent);
		memcpy(o.known, known->k, sizeof(o.known));
	}
	s->open = o.lent.n_open;
	s->state = FAST_OFFERED;
	s->withdrawn = false;
	x->st.offered++;
	x->st.offers++;
	x->path->ops->offer(x->path->ctx, f->fast - 1, &o);
}

void
path_touch(struct engine *e, struct flow *f)
{
	struct path *x = e->path;

	if (f->dis < FLOW_DIS_NOBODY && dissectors[f->dis]->at_rest && e->policy && !e->shadow &&
	    e->panic == PANIC_OFF && !(guard_of(e, f)->flags & GUARD_NOT_FAST) &&
	    !e->conf.on_fact && x->n_touched < PKT_BURST)
		x->touched[x->n_touched++] = flow_index(&e->flows, f);
}

void
path_burst_end(struct engine *e)
{
	struct path *x = e->path;

	for (unsigned i = 0; i < x->n_touched; i++) {
		struct flow *f = &e->flows.flows[x->touched[i]];
		struct fast_slot *s;

		if (f->wheel_slot == UINT16_MAX || !at_rest(e, f))
			continue;
		if (f->fast != 0 && x->slots[f->fast - 1].bound != f->bind.generation)
			path_forget(e, f); /* another policy: other conduits */
		if (f->fast == 0) {
			begin(e, f);
			continue;
		}
		s = &x->slots[f->fast - 1];
		if (s->state == FAST_BASE)
			ask_base(x, f->fast - 1);
		else if (s->state == FAST_OURS && e->flows.now_tick - s->tick < UINT32_MAX / 2)
			offer(e, f);
	}
	x->n_touched = 0;
}

void
engine_quiet(struct engine *e)
{
	struct path *x = e->path;

	if (!x || x->n_queue == 0)
		return;
	for (unsigned i = 0; i < x->n_queue; i++) {
		struct fast_slot *s = &x->slots[x->queue[i]];
		struct fast_flow k;

		if (s->state != FAST_QUEUED)
			continue; /* gone meanwhile */
		s->state = FAST_BASE;
		if (!look(e, &e->flows.flows[s->flow], &k) || k.theirs)
			continue;
		s->got = k.up;
		s->epoch = k.epoch;
		s->state = FAST_OURS;
		s->tick = e->flows.now_tick;
	}
	x->n_queue = 0;
}

/* --- what comes up ------------------------------------------------------------------------- */

static void
ours(struct engine *e, struct fast_slot *s, uint32_t epoch)
{
	s->state = FAST_OURS;
	s->epoch = epoch;
	s->open = 0;
	s->tick = e->flows.now_tick + REST_TICKS;
	e->path->st.offered--;
}

enum path_arrival
path_arrives(struct engine *e, struct flow *f, struct pkt *p)
{
	struct path *x = e->path;
	uint32_t i = f->fast - 1;
	struct fast_slot *s = &x->slots[i];
	struct fast_flow k;
	bool counted;

	s->got++;
	if (s->state != FAST_OFFERED)
		return PATH_OURS;
	x->path->ops->withdraw(x->path->ctx, i);
	if (!look(e, f, &k)) { /* somebody has emptied their table */
		path_forget(e, f);
		return PATH_OURS;
	}
	if (k.lost) {
		flow_remove(&e->flows, f);
		return PATH_GONE;
	}
	counted = k.up != s->seen || (s->withdrawn && e->flows.now_tick - s->tick >= DOUBT_TICKS);
	if (!k.theirs && counted && (k.epoch == s->epoch || take(e, f, &k))) {
		ours(e, s, k.epoch);
		return PATH_OURS;
	}
	if (!s->withdrawn)
		s->tick = e->flows.now_tick;
	s->withdrawn = true;
	x->st.waits++;
	engine_drop(p, DROP_TCP_FAST_PATH);
	return PATH_THEIRS;
}

void
path_recall(struct engine *e)
{
	const struct path *x = e->path;

	for (uint32_t i = 0; i < x->top; i++)
		if (x->slots[i].state == FAST_OFFERED)
			x->path->ops->withdraw(x->path->ctx, i);
}

/* Back, when it is known that they do not go on: false, and the flow is gone, where what they know is of no
 * use. */
static bool
home(struct engine *e, struct fast_slot *s, struct flow *f)
{
	struct fast_flow k;

	/* What is still theirs comes back at its next frame: its numbers are the last. */
	if (look(e, f, &k) && !k.lost && ((!k.theirs && k.epoch == s->epoch) || take(e, f, &k))) {
		ours(e, s, k.epoch + k.theirs);
		return true;
	}
	flow_remove(&e->flows, f);
	return false;
}

void
path_take_all(struct engine *e)
{
	struct path *x = e->path;

	path_recall(e);
	x->path->ops->settle(x->path->ctx);
	for (uint32_t i = 0; i < x->top; i++)
		if (x->slots[i].state == FAST_OFFERED)
			(void)home(e, &x->slots[i], &e->flows.flows[x->slots[i].flow]);
}

void
path_leave_all(struct engine *e)
{
	struct path *x = e->path;

	for (uint32_t i = 0; i < x->top; i++) {
		struct fast_slot *s = &x->slots[i];
		struct fast_flow k;

		s->left = s->state == FAST_OFFERED && look(e, &e->flows.flows[s->flow], &k) &&
			  k.theirs && !k.lost;
		if (s->state == FAST_OFFERED && !s->left)
			x->path->ops->withdraw(x->path->ctx, i);
	}
	x->path->ops->settle(x->path->ctx);
	for (uint32_t i = 0; i < x->top; i++) {
		struct fast_slot *s = &x->slots[i];
		struct flow *f = &e->flows.flows[s->flow];
		struct net_tuple t;

		if (s->state != FAST_OFFERED || s->left)
			continue;
		/* Taken at the last moment: not inherited as well. */
		flow_tuple(&e->flows, f, true, &t);
		if (home(e, s, f))
			x->path->ops->drop(x->path->ctx, i, &t);
	}
}

bool
path_left(const struct engine *e, const struct flow *f)
{
	return e->path && f->fast != 0 && e->path->slots[f->fast - 1].left;
}

void
path_tick(struct engine *e)
{
	struct path *x = e->path;
	uint32_t reads = READS_A_TICK, looks = x->top < LOOKS_A_TICK ? x->top : LOOKS_A_TICK;

	if (x->tick == e->flows.now_tick)
		return;
	x->tick = e->flows.now_tick;
	for (; looks > 0 && reads > 0; looks--) {
		struct fast_slot *s = &x->slots[x->hand];
		struct fast_flow k;

		if (s->state == FAST_OFFERED) {
			(void)look(e, &e->flows.flows[s->flow], &k);
			reads--;
		}
		x->hand = x->hand + 1 < x->top ? x->hand + 1 : 0;
	}
}

void
engine_was_away(struct engine *e)
{
	for (uint32_t i = 0; i < e->flows.max; i++) {
		struct flow *f = &e->flows.flows[i];
		uint32_t slot = f->fast;

		if (f->wheel_slot == UINT16_MAX || f->bind.conduit == RULE_NONE || !e->policy ||
		    !policy_fail_open(e->policy, f->bind.conduit))
			continue;
		if (slot != 0 && e->path && e->path->slots[slot - 1].state == FAST_OFFERED)
			continue; /* the entry says whether something was lost */
		flow_remove(&e->flows, f);
	}
}

/* --- after a crash -------------------------------------------------------------------------- */

/* A connection that a predecessor had offered, and that is theirs. */
static bool
inherit(struct engine *e, uint32_t slot, const struct net_tuple *t, const char *proto,
    const struct fast_flow *k)
{
	uint8_t a[2][16], dis;
	struct layers l = {.flags = LAYER_IP | LAYER_L4,
	    .proto = NET_PROTO_TCP,
	    .sport = t->sport,
	    .dport = t->dport,
	    .vlan = t->vlan};
	struct fast_slot *s;
	struct flow_key key;
	struct flow *f;

	memcpy(a[0], t->src.b, 16);
	memcpy(a[1], t->dst.b, 16);
	l.src = net_addr_is4(&t->src) ? a[0] + 12 : a[0];
	l.dst = net_addr_is4(&t->dst) ? a[1] + 12 : a[1];
	l.flags |= net_addr_is4(&t->src) ? 0 : LAYER_V6;
	if (slot >= e->path->n || e->path->slots[slot].state != FAST_FREE ||
	    !dissector_lookup(proto, &dis) || e->flows.free_head == FLOW_NONE)
		return false;
	flow_key_make(&e->flows, &l, &key);
	if (flow_lookup(&e->flows, &key) || !(f = flow_create(&e->flows, &key, FLOW_TICKS(60))))
		return false;
	e->st.flows++;
	e->st.flows_active++;
	f->state = FLOW_OPEN;
	f->flags |= FLOW_MIDSTREAM;
	if (key.src_is_lo)
		f->flags |= FLOW_CLIENT_LO;
	if (t->port & 1)
		f->flags |= FLOW_CLIENT_PORT1;
	quota_adopt(e, f, true);
	if (!feed_claim(e, f, dis, 0)) {
		flow_remove(&e->flows, f);
		return false;
	}
	for (unsigned dir = 0; dir < 2; dir++) {
		struct tcp_dir *d = &f->dir[dir];

		d->flags = DIR_SEEN;
		d->nxt = d->acked = guard_of(e, f)->sent[dir] = k->way[dir].acked;
		d->win = k->way[dir].win;
		tcp_rare(d)->wscale = k->way[dir].wscale;
		if (k->way[dir].ts != 0)
			guard_of(e, f)->flags |= GUARD_TS;
	}
	s = slot_use(e->path, slot);
	s->flow = flow_index(&e->flows, f);
	s->got = s->seen = k->up;
	s->epoch = k->epoch;
	s->state = FAST_OFFERED;
	s->packets = k->packets;
	s->bytes = k->bytes;
	s->pdus = k->pdus;
	s->errors = k->errors;
	s->open = k->n_open;
	f->fast = slot + 1;
	e->path->st.offered++;
	return true;
}

uint32_t
engine_take_over_fast(struct engine *e)
{
	const struct fast_path *path = e->conf.fast;
	struct fast_flow k;
	struct net_tuple t;
	const char *proto;
	uint64_t cursor = 0;
	uint32_t slot, n = 0;

	if (!e->path)
		return 0;
	while (path->ops->left(path->ctx, &cursor, &slot, &t, &proto, &k)) {
		if (k.theirs && !k.lost && inherit(e, slot, &t, proto, &k)) {
			n++;
			continue;
		}
		path->ops->withdraw(path->ctx, slot);
		path->ops->drop(path->ctx, slot, &t);
	}
	if (e->shadow)
		path_recall(e);
	return n;
}
