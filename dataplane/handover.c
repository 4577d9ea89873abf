/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover.c - see handover.h; docs/FORMATS.md has the bytes.
 *
 * A stream of sections, numbers low byte first:
 *
 *    0      2      4        8
 *   +------+------+--------+- - - - - -+
 *   | type |   0  | length |  body ...  |
 *   +------+------+--------+- - - - - -+
 *
 * HEAD, then for each flow FLOW and what belongs to it, then END; and the same of the next engine, where there were several.
 */
#include "dataplane/handover.h"

#include <string.h>

#include "base/build_id.h"
#include "base/err.h"
#include "dataplane/repair.h"

enum section {
	SEC_HEAD = 1,
	SEC_FLOW,
	SEC_RETAIN,
	SEC_CARRY,
	SEC_STATE,
	SEC_LEASE,
	SEC_REPAIR,
	SEC_EDIT,
	SEC_PATCHES,
	SEC_END,
};

static const char magic[8] = {'I', 'L', 'F', 'L', 'O', 'W', 'S', '\n'};

#define BUILD_CHARS  16u
#define NAME_CHARS   16u /* of a dissector */
#define DIS_MAX	     32u
#define SECTION_HEAD 8u
#define SECTION_MAX  (CELL_L_SIZE + 64u)
#define PATCH_BYTES  9u /* number, length, up to four bytes */

/* What of a flow's flags travels; the rest is about this engine's memory. */
#define FLAGS_MOVED ((uint8_t)(FLOW_MIDSTREAM | FLOW_TOLD | FLOW_REOPEN))
#define GUARD_MOVED ((uint8_t) ~(GUARD_WANT_RESET | GUARD_NOT_FAST))
/* Among a guard's flags, as they travel: FLOW_NO_SCALE. */
#define NO_SCALE_MOVED (1u << 7)

/* --- writing ---------------------------------------------------------------------------- */

struct body {
	size_t n;
	uint8_t b[512];
};

static void
put_bytes(struct body *o, const void *p, size_t n)
{
	memcpy(o->b + o->n, p, n);
	o->n += n;
}

static void
put_le(struct body *o, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		o->b[o->n++] = (uint8_t)(v >> 8 * i);
}

struct to {
	int (*put)(void *ctx, const void *p, size_t n);
	void *ctx;
	int err;
};

static void
section(struct to *to, enum section type, const struct body *o, const void *more, size_t n)
{
	struct body head = {.n = 0};

	put_le(&head, type, 2);
	put_le(&head, 0, 2);
	put_le(&head, o->n + n, 4);
	if (to->err == 0)
		to->err = to->put(to->ctx, head.b, head.n);
	if (to->err == 0 && o->n > 0)
		to->err = to->put(to->ctx, o->b, o->n);
	if (to->err == 0 && n > 0)
		to->err = to->put(to->ctx, more, n);
}

static void
write_head(const struct engine *e, struct to *to)
{
	struct body o = {.n = 0};
	char name[NAME_CHARS];

	put_bytes(&o, magic, sizeof(magic));
	put_le(&o, HANDOVER_VERSION, 2);
	put_le(&o, e->inline_mode, 1);
	put_le(&o, n_dissectors, 1);
	put_le(&o, 0, 4);
	put_bytes(&o, build_id, BUILD_CHARS);
	put_le(&o, e->now_ns, 8);
	section(to, SEC_HEAD, &o, NULL, 0);
	for (unsigned i = 0; i < n_dissectors; i++) {
		o.n = 0;
		memset(name, 0, sizeof(name));
		memcpy(name, dissectors[i]->name, strnlen(dissectors[i]->name, sizeof(name) - 1));
		put_bytes(&o, name, sizeof(name));
		section(to, SEC_HEAD, &o, NULL, 0);
	}
}

static void
write_flow(struct engine *e, const struct flow *f, struct to *to)
{
	static const struct flow_guard none;
	const struct flow_guard *g = e->inline_mode ? guard_of(e, f) : &none;
	const struct repair *r = repair_of(e, f);
	struct body o = {.n = 0};
	struct net_tuple t;

	flow_tuple(&e->flows, f, true, &t);
	put_bytes(&o, t.src.b, 16);
	put_bytes(&o, t.dst.b, 16);
	put_le(&o, t.sport, 2);
	put_le(&o, t.dport, 2);
	put_le(&o, flow_vlan(f), 2);
	put_le(&o, t.proto, 1);
	put_le(&o, (f->flags & FLOW_CLIENT_PORT1) != 0, 1);
	put_le(&o, f->state, 1);
	put_le(&o, f->flags & FLAGS_MOVED, 1);
	put_le(&o, f->dis < FLOW_DIS_NOBODY ? f->dis : FLOW_DIS_ASKING, 1);
	put_le(&o, f->variant, 1);
	put_le(&o, e->inline_mode && quota_is_grown(e, f), 1);
	put_le(&o, (g->flags & GUARD_MOVED) | (f->flags & FLOW_NO_SCALE ? NO_SCALE_MOVED : 0), 1);
	put_le(&o, 0, 2);
	put_le(&o, f->isn, 4);
	put_le(&o, f->reopen_isn, 4);
	put_le(&o, e->flows.now_tick - f->last_tick, 4);
	put_le(&o, f->meter, 8);
	for (unsigned d = 0; d < 2; d++) {
		const struct tcp_dir *dir = &f->dir[d];

		put_le(&o, dir->nxt, 4);
		put_le(&o, dir->acked, 4);
		put_le(&o, dir->win, 2);
		put_le(&o, tcp_rare(dir)->wscale, 1);
		put_le(&o, dir->flags, 1);
		put_le(&o, tcp_rare(dir)->tries, 1);
		put_le(&o, tcp_rare(dir)->is_long, 1);
		put_le(&o, g->big[d], 2);
		put_le(&o, g->sent[d], 4);
		put_le(&o, g->ts[d], 4);
		put_le(&o, r ? r->gacked[d] : 0, 4);
	}
	section(to, SEC_FLOW, &o, NULL, 0);
}

static void
write_streams(const struct engine *e, const struct flow *f, struct to *to)
{
	for (unsigned d = 0; d < 2; d++) {
		const struct tcp_dir *dir = &f->dir[d];
		cell_id id = dir->retain;
		struct body o = {.n = 0};

		if (id != CELL_NONE)
			do {
				const struct cell *c;

				id = cell_at(&e->cells, id)->next;
				c = cell_at(&e->cells, id);
				o.n = 0;
				put_le(&o, d, 4);
				put_le(&o, c->seq, 4);
				section(to, SEC_RETAIN, &o, c->data, c->len);
			} while (id != dir->retain);
		if (tcp_rare(dir)->carry != CELL_NONE) {
			const struct cell *c = cell_at(&e->cells, tcp_rare(dir)->carry);
			bool part = dir->flags & DIR_PART;

			o.n = 0;
			put_le(&o, d, 4);
			put_le(&o, tcp_rare(dir)->carry_len, 4);
			put_le(&o, part ? c->total : 0, 4);
			put_le(&o, part ? c->len : 0, 4);
			section(to, SEC_CARRY, &o, c->data, part ? 0 : tcp_rare(dir)->carry_len);
		}
	}
}

static void
write_state(const struct engine *e, struct flow *f, struct to *to)
{
	struct body none = {.n = 0};
	cell_id id, lease;

	if (f->dis >= FLOW_DIS_NOBODY)
		return;
	section(to, SEC_STATE, &none, feed_state(e, f), feed_state_size(e, f));
	if (!(f->flags & FLOW_STATE_CELL))
		return;
	memcpy(&id, f->dstate, sizeof(id));
	if ((lease = cell_at(&e->cells, id)->total) != CELL_NONE)
		section(to, SEC_LEASE, &none, cell_at(&e->cells, lease)->data, cell_room(lease));
}

static void
put_tmpl(struct body *o, const struct tmpl *t)
{
	put_le(o, t->sport, 2);
	put_le(o, t->dport, 2);
	put_le(o, t->link, 1);
	put_le(o, t->port, 1);
	put_le(o, t->n_link, 1);
	put_le(o, t->n_ip, 1);
	put_bytes(o, t->bytes, sizeof(t->bytes));
}

static void
write_patches(const struct engine *e, const struct repair *r, unsigned d, struct to *to)
{
	cell_id id = r->patches[d];

	if (id == CELL_NONE)
		return;
	do {
		const struct cell *c;

		id = cell_at(&e->cells, id)->next;
		c = cell_at(&e->cells, id);
		for (uint32_t i = 0; i < c->total; i++) {
			struct body o = {.n = 0};
			struct patch p;

			memcpy(&p, c->data + i * sizeof(p), sizeof(p));
			put_le(&o, d, 4);
			put_le(&o, p.seq, 4);
			put_le(&o, p.len, 1);
			put_bytes(&o, p.bytes, 4);
			section(to, SEC_PATCHES, &o, NULL, 0);
		}
	} while (id != r->patches[d]);
}

static void
write_repair(const struct engine *e, const struct flow *f, struct to *to)
{
	const struct repair *r = repair_of(e, f);
	struct body o = {.n = 0};

	if (!r)
		return;
	put_le(&o, r->shift[0], 4);
	put_le(&o, r->shift[1], 4);
	put_le(&o, r->due - e->flows.now_tick, 4);
	put_le(&o, e->flows.now_tick - r->fast, 4);
	put_le(&o, r->tries, 1);
	put_le(&o, r->armed, 1);
	put_le(&o, r->renumber, 1);
	put_le(&o, 0, 1);
	put_tmpl(&o, &r->tmpl[0]);
	put_tmpl(&o, &r->tmpl[1]);
	section(to, SEC_REPAIR, &o, NULL, 0);
	for (unsigned d = 0; d < 2; d++) {
		for (unsigned i = 0; i < r->n[d]; i++) {
			const struct edit *ed = &r->edit[d][i];
			const struct cell *c =
			    ed->bytes != CELL_NONE ? cell_at(&e->cells, ed->bytes) : NULL;

			o.n = 0;
			put_le(&o, d, 1);
			put_le(&o, ed->state, 1);
			put_le(&o, ed->answers, 2);
			put_le(&o, ed->at, 4);
			put_le(&o, ed->n, 4);
			put_le(&o, e->flows.now_tick - ed->since, 4);
			section(to, SEC_EDIT, &o, c ? c->data : NULL, c ? c->len : 0);
		}
		write_patches(e, r, d, to);
	}
}

int
engine_export(
    struct engine *e, bool leave, int (*put)(void *ctx, const void *p, size_t n), void *ctx)
{
	struct to to = {.put = put, .ctx = ctx};
	struct body o = {.n = 0};
	uint32_t n = 0;

	if (e->path && leave)
		path_leave_all(e);
	else if (e->path)
		path_take_all(e);
	write_head(e, &to);
	for (uint32_t i = 0; i < e->flows.max && to.err == 0; i++) {
		struct flow *f = &e->flows.flows[i];

		/* Bytes that only a key of this kernel's knows cannot be compared over there. */
		if (f->wheel_slot == UINT16_MAX ||
		    (e->path && guard_of(e, f)->unseen != CELL_NONE) || path_left(e, f))
			continue;
		n++;
		flow_sync(&e->flows, f);
		write_flow(e, f, &to);
		write_streams(e, f, &to);
		write_state(e, f, &to);
		write_repair(e, f, &to);
	}
	put_le(&o, n, 4);
	section(&to, SEC_END, &o, NULL, 0);
	return to.err;
}

/* --- reading ------------------------------------------------------------------------------ */

struct from {
	struct engine *e;
	const struct handover_part *part; /* NULL: all of it is ours */
	struct flow *f; /* being made; NULL: there is none, or it is lost */
	bool same;	/* build: what only that build can read is taken */
	bool has_state, lose;
	uint64_t pool_full;   /* as counted before the flow at hand */
	uint32_t gacked[2];   /* its repair.gacked, which comes before the rest of it */
	uint8_t dis[DIS_MAX]; /* theirs -> ours */
	unsigned n_dis, heads;
	struct handover out;
};

static bool
read_head(struct from *in, struct cur c)
{
	const uint8_t *build;

	if (in->heads++ == 0) {
		const uint8_t *m = cur_bytes(&c, sizeof(magic));

		if (!m || memcmp(m, magic, sizeof(magic)) != 0)
			return false;
		cur_skip(&c, 2); /* version: was looked at */
		if (cur_u8(&c) != in->e->inline_mode)
			return false;
		in->n_dis = cur_u8(&c);
		cur_skip(&c, 4);
		build = cur_bytes(&c, BUILD_CHARS);
		in->same = build && memcmp(build, build_id, BUILD_CHARS) == 0;
		engine_tick(in->e, cur_le64(&c));
		return cur_ok(&c) && cur_left(&c) == 0 && in->n_dis <= DIS_MAX;
	}
	if (in->heads - 1 > in->n_dis || cur_left(&c) != NAME_CHARS || in->f)
		return false;
	{
		uint8_t ours = FLOW_DIS_ASKING;
		char name[NAME_CHARS + 1] = {0};

		(void)cur_copy(&c, name, NAME_CHARS);
		if (!dissector_lookup(name, &ours))
			ours = FLOW_DIS_ASKING;
		in->dis[in->heads - 2] = ours;
	}
	return true;
}

/* The flow at hand goes: it is one of those that are lost. */
static void
lose(struct from *in)
{
	flow_remove(&in->e->flows, in->f);
	in->f = NULL;
	in->out.flows--;
	in->out.lost++;
}

/* Without its dissector: whose is it, and where does a PDU begin?  False: it cannot be. */
static bool
to_midstream(struct engine *e, struct flow *f)
{
	const struct repair *r = repair_of(e, f);

	if (r && r->renumber)
		return false; /* nobody knows the numbers of its messages */
	for (unsigned d = 0; d < 2; d++) {
		struct tcp_dir *dir = &f->dir[d];

		if (e->inline_mode && dir->nxt != guard_of(e, f)->sent[d]) {
			if (guard_of(e, f)->flags & (GUARD_ACKED << d))
				return false; /* its sender has forgotten what we cannot judge */
			dir->nxt = guard_of(e, f)->sent[d];
		}
		tcp_rare(dir)->tries = 0;
		tcp_rare(dir)->is_long = false;
		if (dir->flags & DIR_SEEN)
			dir->flags =
			    (uint8_t)((dir->flags & ~DIR_PART) | DIR_DESYNC | DIR_A_MIDSTREAM);
	}
	f->dis = FLOW_DIS_ASKING;
	f->variant = 0;
	f->flags = (uint8_t)((f->flags & ~FLOW_TOLD) | FLOW_MIDSTREAM);
	return true;
}

static void
flow_done(struct from *in)
{
	struct flow *f = in->f;
	struct repair *r;

	if (!f)
		return;
	if (f->dis < FLOW_DIS_NOBODY && !in->has_state) {
		in->out.midstream++;
		in->lose |= !to_midstream(in->e, f);
	} else if (f->dis < FLOW_DIS_NOBODY && dissectors[f->dis]->moved) {
		void *lease = NULL;
		uint32_t room = 0;
		cell_id id;

		memcpy(&id, f->dstate, sizeof(id));
		if (f->flags & FLOW_STATE_CELL && cell_at(&in->e->cells, id)->total != CELL_NONE) {
			id = cell_at(&in->e->cells, id)->total;
			lease = cell_at(&in->e->cells, id)->data;
			room = cell_room(id);
		}
		in->lose |= !dissectors[f->dis]->moved(feed_state(in->e, f), lease, room);
	} else if (f->dis >= FLOW_DIS_NOBODY) {
		tcp_rare(&f->dir[0])->tries = tcp_rare(&f->dir[1])->tries = 0;
	}
	if (in->e->inline_mode && !repair_of(in->e, f))
		in->lose |= (guard_of(in->e, f)->flags & (GUARD_ACKED | GUARD_ACKED << 1)) != 0;
	if (in->lose || in->e->st.pool_full != in->pool_full) {
		in->pool_full = in->e->st.pool_full;
		lose(in);
		return;
	}
	if ((r = repair_of(in->e, f)) != NULL && r->armed)
		flow_timer(&in->e->flows, f, RESEND_TICKS);
	in->f = NULL;
}

/* What is read of a flow before there is one. */
struct flow_read {
	struct tcp_dir dir[2];
	struct tcp_rare rare[2];
	struct flow_guard guard;
	uint64_t meter;
	uint32_t gacked[2], isn, reopen_isn, last_tick;
	uint8_t state, flags, dis, variant;
};

static bool
read_dir(struct cur *c, struct flow_read *f, unsigned d)
{
	struct tcp_dir *dir = &f->dir[d];
	struct flow_guard *g = &f->guard;

	dir->nxt = cur_le32(c);
	dir->acked = cur_le32(c);
	dir->win = cur_le16(c);
	f->rare[d].wscale = cur_u8(c);
	dir->flags = cur_u8(c);
	f->rare[d].tries = cur_u8(c);
	f->rare[d].is_long = cur_u8(c) != 0;
	g->big[d] = cur_le16(c);
	g->sent[d] = cur_le32(c);
	g->ts[d] = cur_le32(c);
	f->gacked[d] = cur_le32(c);
	dir->flags &= (uint8_t)~DIR_PART; /* comes back with the carry */
	return f->rare[d].wscale <= 14;
}

static bool
read_flow(struct from *in, struct cur c)
{
	const uint8_t *client = cur_bytes(&c, 16), *server = cur_bytes(&c, 16);
	struct layers l = {.flags = LAYER_IP | LAYER_L4, .src = client, .dst = server};
	struct engine *e = in->e;
	struct flow_key k;
	struct flow_read made = {.state = 0};
	uint8_t port1, grown, guard_flags;

	flow_done(in);
	in->has_state = in->lose = false;
	l.sport = cur_le16(&c);
	l.dport = cur_le16(&c);
	l.vlan = cur_le16(&c);
	l.proto = cur_u8(&c);
	port1 = cur_u8(&c);
	made.state = cur_u8(&c);
	made.flags = cur_u8(&c) & FLAGS_MOVED;
	made.dis = cur_u8(&c);
	made.variant = cur_u8(&c);
	grown = cur_u8(&c);
	guard_flags = cur_u8(&c);
	made.guard.flags = guard_flags & GUARD_MOVED;
	made.flags |= guard_flags & NO_SCALE_MOVED ? FLOW_NO_SCALE : 0;
	cur_skip(&c, 2);
	made.isn = cur_le32(&c);
	made.reopen_isn = cur_le32(&c);
	made.last_tick = e->flows.now_tick - cur_le32(&c);
	made.meter = cur_le64(&c);
	if (!read_dir(&c, &made, 0) || !read_dir(&c, &made, 1) || !cur_ok(&c) ||
	    cur_left(&c) != 0 || in->heads != in->n_dis + 1 || made.state > FLOW_CLOSED ||
	    l.vlan > 4095 || (l.proto != NET_PROTO_TCP && l.proto != NET_PROTO_UDP) || port1 > 1 ||
	    (made.dis != FLOW_DIS_ASKING && made.dis >= in->n_dis))
		return false;
	in->out.written++;
	{
		struct net_addr a = net_addr_from6(client), b = net_addr_from6(server);

		if (net_addr_is4(&a) != net_addr_is4(&b))
			return false;
		if (in->part && !in->part->mine(in->part->ctx, &a, &b))
			return true; /* what belongs to it is skipped */
		if (net_addr_is4(&a)) {
			l.src = client + 12;
			l.dst = server + 12;
		} else {
			l.flags |= LAYER_V6;
		}
	}
	flow_key_make(&e->flows, &l, &k);
	if (flow_lookup(&e->flows, &k))
		return false; /* twice */
	if (e->flows.free_head == FLOW_NONE ||
	    !(in->f = flow_create(&e->flows, &k, FLOW_TICKS(60)))) {
		in->out.lost++;
		return true;
	}
	in->out.flows++;
	e->st.flows++;
	e->st.flows_active++;
	in->f->state = made.state;
	in->f->flags |= made.flags;
	in->f->dis = made.dis == FLOW_DIS_ASKING ? FLOW_DIS_ASKING : in->dis[made.dis];
	in->lose = in->f->dis == FLOW_DIS_ASKING && made.dis != FLOW_DIS_ASKING;
	in->f->variant = made.variant;
	in->f->isn = made.isn;
	in->f->reopen_isn = made.reopen_isn;
	in->f->last_tick = made.last_tick;
	memcpy(in->f->dir, made.dir, sizeof(made.dir));
	memcpy(in->f->rare, made.rare, sizeof(made.rare));
	in->f->meter = made.meter;
	memcpy(in->gacked, made.gacked, sizeof(in->gacked));
	if (e->inline_mode)
		*guard_of(e, in->f) = made.guard;
	if (k.src_is_lo)
		in->f->flags |= FLOW_CLIENT_LO;
	if (port1)
		in->f->flags |= FLOW_CLIENT_PORT1;
	if (e->inline_mode)
		quota_adopt(e, in->f, grown);
	return true;
}

/* A cell with a copy of what is left of c, or CELL_NONE: then the flow is lost. */
static cell_id
copy_cell(struct from *in, struct cur *c)
{
	uint32_t n = (uint32_t)cur_left(c);
	cell_id id = cell_get(&in->e->cells, n ? n : 1);

	if (id == CELL_NONE) {
		in->lose = true;
		return id;
	}
	(void)cur_copy(c, cell_at(&in->e->cells, id)->data, n);
	cell_at(&in->e->cells, id)->len = n;
	return id;
}

static bool
read_retain(struct from *in, struct cur c)
{
	uint32_t d = cur_le32(&c), seq = cur_le32(&c);
	uint32_t n = (uint32_t)cur_left(&c);
	struct tcp_dir *dir;

	if (!cur_ok(&c) || d > 1 || n == 0)
		return false;
	if (!in->f)
		return true;
	dir = &in->f->dir[d];
	/* Of a direction that was never seen the first segment will say where it is: these would be ahead of it. */
	if (!(dir->flags & DIR_SEEN) || seq_diff(seq, dir->nxt) > 0 ||
	    seq_diff(seq + n, dir->nxt) > 0 || n > SECTION_MAX)
		return false;
	if (!in->same && in->e->inline_mode &&
	    seq_diff(seq + n, guard_of(in->e, in->f)->sent[d]) > 0) {
		if (seq_diff(seq, guard_of(in->e, in->f)->sent[d]) >= 0)
			return true; /* comes again, to be judged by us */
		n = guard_of(in->e, in->f)->sent[d] - seq;
	}
	stream_retain(in->e, dir, seq, c.p, n);
	return true;
}

static bool
read_carry(struct from *in, struct cur c)
{
	uint32_t d = cur_le32(&c), len = cur_le32(&c), total = cur_le32(&c), worst = cur_le32(&c);
	struct tcp_dir *dir;

	if (!cur_ok(&c) || d > 1 || worst > VERDICT_RESET ||
	    (total == 0 ? len != cur_left(&c) || len == 0 : cur_left(&c) != 0 || len >= total))
		return false;
	if (!in->f || !in->same)
		return true;
	dir = &in->f->dir[d];
	if (tcp_rare(dir)->carry != CELL_NONE ||
	    (total == 0 && seq_diff(dir->nxt, dir->nxt - len) < 0))
		return false;
	if ((tcp_rare(dir)->carry = copy_cell(in, &c)) == CELL_NONE)
		return true;
	tcp_rare(dir)->carry_len = len;
	if (total != 0) {
		cell_at(&in->e->cells, tcp_rare(dir)->carry)->total = total;
		cell_at(&in->e->cells, tcp_rare(dir)->carry)->len = worst;
		dir->flags |= DIR_PART;
	}
	return true;
}

static bool
read_state(struct from *in, struct cur c)
{
	struct flow *f = in->f;
	const struct dissector *ds;
	uint32_t n;
	cell_id id;

	if (!f || !in->same || in->lose)
		return true;
	if (f->dis >= FLOW_DIS_NOBODY || in->has_state)
		return false;
	ds = dissectors[f->dis];
	n = (uint32_t)cur_left(&c);
	if (n != ds->state_size && (ds->state_most == 0 || n != ds->state_most))
		return false;
	in->has_state = true;
	if (n == ds->state_size) {
		void *to = feed_state_begin(in->e, f, ds);

		if (to)
			(void)cur_copy(&c, to, n);
		in->has_state = to != NULL;
		in->lose |= to == NULL;
	} else if ((id = copy_cell(in, &c)) != CELL_NONE) {
		feed_state_cell(in->e, f, id, n);
	} else {
		in->has_state = false;
	}
	return true;
}

static bool
read_lease(struct from *in, struct cur c)
{
	cell_id id, lease;

	if (!in->f || !in->same || in->lose)
		return true;
	if (!in->has_state || !(in->f->flags & FLOW_STATE_CELL) || cur_left(&c) == 0)
		return false;
	memcpy(&id, in->f->dstate, sizeof(id));
	if (cell_at(&in->e->cells, id)->total != CELL_NONE)
		return false;
	if ((lease = copy_cell(in, &c)) != CELL_NONE)
		cell_at(&in->e->cells, id)->total = lease;
	return true;
}

static bool
read_tmpl(struct cur *c, struct tmpl *t)
{
	t->sport = cur_le16(c);
	t->dport = cur_le16(c);
	t->link = cur_u8(c);
	t->port = cur_u8(c);
	t->n_link = cur_u8(c);
	t->n_ip = cur_u8(c);
	(void)cur_copy(c, t->bytes, sizeof(t->bytes));
	return t->port <= 1 && t->n_link <= TMPL_LINK &&
	       (t->n_ip == 0 || t->n_ip == 20 || t->n_ip == 40);
}

static bool
read_repair(struct from *in, struct cur c)
{
	struct repair r = {.gacked = {in->gacked[0], in->gacked[1]}}, *to;

	r.shift[0] = cur_le32(&c);
	r.shift[1] = cur_le32(&c);
	r.due = in->e->flows.now_tick + cur_le32(&c);
	r.fast = in->e->flows.now_tick - cur_le32(&c);
	r.tries = cur_u8(&c);
	r.armed = cur_u8(&c) != 0;
	r.renumber = cur_u8(&c) != 0;
	cur_skip(&c, 1);
	if (!read_tmpl(&c, &r.tmpl[0]) || !read_tmpl(&c, &r.tmpl[1]) || !cur_ok(&c) ||
	    cur_left(&c) != 0 || !in->e->inline_mode)
		return false;
	if (!in->f)
		return true;
	if (guard_of(in->e, in->f)->repair != CELL_NONE)
		return false;
	if (!(to = repair_get(in->e, in->f)))
		in->lose = true;
	else
		*to = r;
	return true;
}

static bool
read_edit(struct from *in, struct cur c)
{
	uint8_t d = cur_u8(&c);
	struct edit ed = {.state = cur_u8(&c)};
	struct repair *r;

	ed.answers = cur_le16(&c);
	ed.at = cur_le32(&c);
	ed.n = cur_le32(&c);
	ed.since = in->e->flows.now_tick - cur_le32(&c);
	if (!cur_ok(&c) || d > 1 || ed.state > EDIT_SENT || ed.n == 0 ||
	    cur_left(&c) != (d == DIR_TO_SERVER ? 0 : ed.n) || (d == 1 && ed.n > REFUSAL_MAX))
		return false;
	if (!in->f || in->lose)
		return true;
	if (!(r = repair_of(in->e, in->f)) || r->n[d] == EDITS_MAX)
		return false;
	if (d == DIR_TO_CLIENT && (ed.bytes = copy_cell(in, &c)) == CELL_NONE)
		return true;
	r->edit[d][r->n[d]++] = ed;
	return true;
}

static bool
read_patch(struct from *in, struct cur c)
{
	uint32_t d = cur_le32(&c);
	struct patch p = {.seq = cur_le32(&c)};
	struct repair *r;

	p.len = cur_u8(&c);
	(void)cur_copy(&c, p.bytes, 4);
	if (!cur_ok(&c) || cur_left(&c) != 0 || d > 1 || p.len > 4)
		return false;
	if (!in->f || in->lose)
		return true;
	if (!(r = repair_of(in->e, in->f)))
		return false;
	in->lose |= !repair_patch_add(in->e, r, d, &p);
	return true;
}

static bool
read_section(struct from *in, uint16_t type, struct cur c)
{
	if (type != SEC_HEAD && in->heads == 0)
		return false;
	switch ((enum section)type) {
	case SEC_HEAD:
		return read_head(in, c);
	case SEC_FLOW:
		return read_flow(in, c);
	case SEC_RETAIN:
		return read_retain(in, c);
	case SEC_CARRY:
		return read_carry(in, c);
	case SEC_STATE:
		return read_state(in, c);
	case SEC_LEASE:
		return read_lease(in, c);
	case SEC_REPAIR:
		return read_repair(in, c);
	case SEC_EDIT:
		return read_edit(in, c);
	case SEC_PATCHES:
		return read_patch(in, c);
	case SEC_END:
		break;
	}
	return false;
}

static void
undo(struct engine *e)
{
	for (uint32_t i = 0; i < e->flows.max; i++)
		if (e->flows.flows[i].wheel_slot != UINT16_MAX)
			flow_remove(&e->flows, &e->flows.flows[i]);
}

/* What one engine has written, from the front of c. */
static int
import_one(struct from *in, struct cur *c)
{
	struct cur peek = *c;
	uint16_t version;

	cur_skip(&peek, SECTION_HEAD + sizeof(magic));
	version = cur_le16(&peek);
	if (!cur_ok(&peek))
		return ERR_FORMAT;
	if (version != HANDOVER_VERSION)
		return ERR_UNSUPPORTED;
	while (cur_left(c) > 0) {
		uint16_t type = cur_le16(c), zero = cur_le16(c);
		uint32_t len = cur_le32(c);
		struct cur body = cur_take(c, len);

		if (!cur_ok(c) || zero != 0 || len > SECTION_MAX)
			break;
		if (type == SEC_END && in->heads == in->n_dis + 1) {
			flow_done(in);
			if (cur_le32(&body) != in->out.written || cur_left(&body) != 0)
				break;
			return 0;
		}
		if (!read_section(in, type, body))
			break;
	}
	return ERR_FORMAT;
}

int
engine_import_part(struct engine *e, const void *bytes, size_t n, const struct handover_part *part,
    struct handover *out)
{
	struct cur c = cur_make(bytes, n);
	struct handover sum = {0};
	bool first = true;
	int r;

	*out = sum;
	do {
		struct from in = {.e = e, .part = part, .pool_full = e->st.pool_full};

		if ((r = import_one(&in, &c)) < 0) {
			if (!first || in.heads != 0)
				undo(e);
			return r;
		}
		sum.flows += in.out.flows;
		sum.midstream += in.out.midstream;
		sum.lost += in.out.lost;
		sum.written += in.out.written;
		first = false;
	} while (cur_left(&c) > 0);
	*out = sum;
	return 0;
}

int
engine_import(struct engine *e, const void *bytes, size_t n, struct handover *out)
{
	return engine_import_part(e, bytes, n, NULL, out);
}
