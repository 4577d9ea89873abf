/* SPDX-License-Identifier: Apache-2.0 */
/* permits.c - see permits.h. */
#include "guard/permits.h"

#include <stdio.h>
#include <string.h>

#include "alerts/alert.h"
#include "alerts/permit.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/jw.h"
#include "base/log.h"
#include "dataplane/engine.h"
#include "dataplane/shadow.h"

/* --- the clock ------------------------------------------------------------------------------- */

const char *
clock_state_name(uint32_t state)
{
	static const char *const names[] = {"good", "unset", "jumped", "not in step"};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

enum clock_state
clock_watch(struct clock_watch *c, uint64_t wall_ns, uint64_t steady_ns, bool in_step)
{
	int64_t base = (int64_t)(wall_ns - steady_ns), off = base - c->base_ns;

	if (wall_ns / NS_PER_S < CLOCK_SET_S) {
		c->begun = false; /* where it goes when it is set is no jump */
		c->state = CLOCK_UNSET;
	} else if (!c->begun || (off <= CLOCK_JUMP_NS && off >= -CLOCK_JUMP_NS)) {
		c->begun = true;
		c->base_ns = base; /* and slewing is none */
		c->state = in_step ? CLOCK_GOOD : CLOCK_LOOSE;
	} else {
		c->state = CLOCK_JUMPED;
	}
	return (enum clock_state)c->state;
}

void
clock_accept(struct clock_watch *c)
{
	c->begun = false;
}

/* --- the worker ------------------------------------------------------------------------------ */

/* What a slot says, in the numbers of the policy in force. */
static void
take_slot(struct permits_taken *v, struct windows *w, const struct policy *pol, unsigned i,
    const struct permit_slot *s, struct policy_permit *fit)
{
	bool known = v->state[i] != PERMIT_NONE && strncmp(v->id[i], s->m.id, PERMIT_TEXT) == 0;
	char err[128];

	if (s->state != PERMIT_NONE && !known) {
		if (policy_permit_fit(pol, &s->m, fit, err, sizeof(err)) < 0)
			return; /* the parent says so */
		windows_permit(w, i, fit, &s->m, s->until_s);
		memcpy(v->id[i], s->m.id, PERMIT_TEXT);
	}
	if (s->state == PERMIT_ENDING)
		windows_revoke(w, i, s->over_ns);
	if (s->state == PERMIT_NONE && v->state[i] != PERMIT_NONE)
		windows_revoke(w, i, 0);
	v->state[i] = s->state;
}

/* What of v is about another policy than before. */
static bool
anew(struct permits_view *v, const struct policy *shadow, bool again)
{
	uint32_t generation = shadow ? policy_generation(shadow) : 0;
	bool other = generation != v->shadow_generation;

	if (again)
		memset(&v->live, 0, sizeof(v->live));
	if (other)
		memset(&v->shadow, 0, sizeof(v->shadow));
	v->shadow_generation = generation;
	return again || other || !v->begun;
}

/* What is thought of the clock; true: that has changed. */
static bool
watch_clock(struct permits_view *v, struct guard_permits *sh, const struct policy *pol,
    uint64_t wall_ns, uint64_t steady)
{
	bool in_step = !policy_clock_synchronised(pol) || atomic_load(&sh->in_step) != 0;
	uint32_t accepted = atomic_load(&sh->accepted), was = v->clock_state;

	if (v->follows) {
		v->clock_state = atomic_load(&sh->clock_state);
		return v->clock_state != was;
	}
	if (v->begun && accepted != v->accepted)
		clock_accept(&sh->clock);
	v->accepted = accepted;
	v->clock_state = clock_watch(&sh->clock, wall_ns, steady, in_step);
	return atomic_exchange(&sh->clock_state, v->clock_state) != v->clock_state;
}

void
permits_take(struct permits_view *v, struct guard_permits *sh, struct engine *e,
    const struct policy *pol, const struct policy *shadow, uint64_t wall_ns, bool again)
{
	struct permit_slot *slot = v->slot;
	uint32_t seq = atomic_load_explicit(&sh->seq, memory_order_acquire);
	uint64_t steady = clock_boot_ns();
	bool changed = anew(v, shadow, again);

	changed |= watch_clock(v, sh, pol, wall_ns, steady);
	if ((seq != v->seq || changed) && !(seq & 1)) {
		memcpy(slot, sh->slot, sizeof(v->slot));
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&sh->seq, memory_order_relaxed) == seq) {
			for (unsigned i = 0; i < PERMITS_MAX; i++) {
				take_slot(&v->live, engine_permits(e), pol, i, &slot[i], &v->fit);
				if (shadow)
					take_slot(&v->shadow, engine_shadow_permits(e), shadow, i,
					    &slot[i], &v->fit);
			}
			v->seq = seq;
			changed = true;
		}
	}
	v->begun = true;
	if (!changed && wall_ns / NS_PER_S == v->stepped_s)
		return;
	v->stepped_s = wall_ns / NS_PER_S;
	engine_windows(e, (int64_t)(wall_ns / NS_PER_S), steady, v->clock_state == CLOCK_GOOD);
}

/* --- the parent ------------------------------------------------------------------------------ */

static void
write_begin(struct guard_permits *sh)
{
	atomic_fetch_or(&sh->seq, 1);
	atomic_thread_fence(memory_order_release);
}

static void
write_end(struct guard_permits *sh)
{
	atomic_fetch_add_explicit(&sh->seq, 1, memory_order_release);
}

static void
say(const struct permits *p, enum guard_event ev, const struct permit *m, const char *why)
{
	char note[PERMIT_TEXT * 2 + 160];

	if (m)
		(void)snprintf(note, sizeof(note), "%.48s, by %.60s%s%s", m->id, m->by,
		    why ? ": " : "", why ? why : "");
	log_warn("permit: %s", m ? note : why);
	p->tell(p->ctx, ev, m ? note : why);
}

static int
check(struct permits *p, const struct policy *pol, const struct permit *m,
    struct policy_permit *fit, uint64_t now_s, char *err, size_t size)
{
	uint32_t clock = atomic_load(&p->sh->clock_state);
	int r = policy_permit_fit(pol, m, fit, err, size);

	if (r < 0)
		return r;
	if (clock != CLOCK_GOOD)
		return err_say(err, size, ERR_RANGE,
		    "the clock is not to be believed (%s): nothing opens", clock_state_name(clock));
	if (now_s >= m->until_s)
		return err_say(err, size, ERR_RANGE, "it has expired");
	if (now_s < m->from_s)
		return err_say(err, size, ERR_RANGE, "it is not good yet");
	return 0;
}

int
permits_open(struct permits *p, const struct policy *pol, const char *jws, size_t n,
    uint64_t wall_ns, char id[PERMIT_TEXT], char *err, size_t size)
{
	static struct key_set keys;
	static struct policy_permit fit;
	struct permit m = {.id = "-", .by = "-"};
	uint64_t now_s = wall_ns / NS_PER_S;
	unsigned i = 0;
	int r;

	permit_keys(pol, &keys);
	if ((r = permit_open(jws, n, &keys, &m, err, size)) < 0)
		memcpy(m.id, "-", 2), memcpy(m.by, "-", 2); /* nobody has signed it */
	if (r == 0)
		r = check(p, pol, &m, &fit, now_s, err, size);
	while (r == 0 && i < PERMITS_MAX && p->sh->slot[i].state != PERMIT_NONE)
		i++;
	if (r == 0 && i == PERMITS_MAX)
		r = err_say(err, size, ERR_FULL, "%u permits are open", PERMITS_MAX);
	if (r == 0)
		r = used_take(&p->used, m.id, m.until_s, now_s, err, size);
	if (r < 0) {
		say(p, GUARD_PERMIT_REFUSED, &m, err);
		return r;
	}
	write_begin(p->sh);
	p->sh->slot[i] = (struct permit_slot){
	    .state = PERMIT_OPEN, .until_s = policy_permit_until(pol, &m, &fit, now_s), .m = m};
	write_end(p->sh);
	memcpy(id, m.id, PERMIT_TEXT);
	say(p, GUARD_PERMIT_OPENED, &m, m.window[0] ? m.window : m.conduit);
	return 0;
}

static void
end(struct permits *p, const struct policy *pol, unsigned i, const char *why)
{
	write_begin(p->sh);
	p->sh->slot[i].state = PERMIT_ENDING;
	p->sh->slot[i].over_ns = clock_boot_ns() + policy_grace_s(pol) * NS_PER_S;
	write_end(p->sh);
	say(p, GUARD_PERMIT_CLOSED, &p->sh->slot[i].m, why);
}

int
permits_revoke(struct permits *p, const struct policy *pol, const char *id, char *err, size_t size)
{
	for (unsigned i = 0; i < PERMITS_MAX; i++)
		if (p->sh->slot[i].state == PERMIT_OPEN && strcmp(p->sh->slot[i].m.id, id) == 0) {
			end(p, pol, i, "revoked");
			return 0;
		}
	return err_say(err, size, ERR_NOTFOUND, "no permit of this id is open");
}

void
permits_step(struct permits *p, const struct policy *pol, uint64_t wall_ns)
{
	uint32_t clock = atomic_load(&p->sh->clock_state);
	bool again = p->generation != policy_generation(pol);
	uint64_t boot = clock_boot_ns();
	struct policy_permit fit;
	char err[256];

	if (policy_window_count(pol) == 0 && !again)
		return;
	p->generation = policy_generation(pol);
	atomic_store(&p->sh->in_step, policy_clock_synchronised(pol) ? clock_in_step(NULL) : 1u);
	for (unsigned i = 0; i < PERMITS_MAX; i++) {
		struct permit_slot *s = &p->sh->slot[i];

		if (s->state == PERMIT_OPEN && again &&
		    policy_permit_fit(pol, &s->m, &fit, err, sizeof(err)) < 0)
			end(p, pol, i, err);
		else if (s->state == PERMIT_OPEN && wall_ns / NS_PER_S >= s->until_s)
			end(p, pol, i, "its time is over");
		if (s->state != PERMIT_ENDING || boot < s->over_ns)
			continue;
		say(p, GUARD_PERMIT_OVER, &s->m, NULL);
		write_begin(p->sh);
		s->state = PERMIT_NONE;
		write_end(p->sh);
	}
	if (clock == p->clock_state)
		return;
	if (clock == CLOCK_GOOD)
		say(p, GUARD_CLOCK_GOOD, NULL, "windows open by it again");
	else
		say(p, GUARD_CLOCK_BAD, NULL, clock_state_name(clock));
	p->clock_state = clock;
}

static void
write_names(struct jw *w, const char *key, const char (*v)[PERMIT_NAME], uint8_t n)
{
	jw_arr(w, key);
	for (uint8_t i = 0; i < n; i++)
		jw_str(w, NULL, v[i]);
	jw_close(w, ']');
}

void
permits_write(const struct permits *p, struct jw *w)
{
	char t[CLOCK_STRLEN];

	jw_str(w, "clock", clock_state_name(atomic_load(&p->sh->clock_state)));
	jw_arr(w, "permits");
	for (unsigned i = 0; i < PERMITS_MAX; i++) {
		const struct permit_slot *s = &p->sh->slot[i];

		if (s->state == PERMIT_NONE)
			continue;
		jw_obj(w, NULL);
		jw_str(w, "id", s->m.id);
		jw_str(w, "by", s->m.by);
		jw_str(w, "state", s->state == PERMIT_OPEN ? "open" : "ending");
		jw_str(w, "until", clock_str(s->until_s * NS_PER_S, t));
		if (s->m.window[0])
			jw_str(w, "window", s->m.window);
		if (s->m.conduit[0])
			jw_str(w, "conduit", s->m.conduit);
		write_names(w, "from", s->m.from, s->m.n_from);
		write_names(w, "to", s->m.to, s->m.n_to);
		if (s->m.n_functions)
			write_names(w, "functions", s->m.functions, s->m.n_functions);
		if (s->m.n_rules)
			write_names(w, "rules", s->m.rules, s->m.n_rules);
		if (s->m.n_blocks)
			write_names(w, "blocks", s->m.blocks, s->m.n_blocks);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}
