/* SPDX-License-Identifier: Apache-2.0 */
/* pins.c - see pins.h. */
#include "guard/pins.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/build_id.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "guard/fast.h"
#include "guard/guard_int.h"

#define DETACH "interlock guard --detach"

static bool
alive(const struct gate_note *r)
{
	return r->pid > 0 && r->started != 0 && process_started(r->pid) == r->started;
}

/* --- start ----------------------------------------------------------------------------------- */

/* Who we are, for the record. */
static int
describe(struct guard *g, struct gate_note *r, char *err, size_t size)
{
	struct port_state s;
	int e;

	*r = (struct gate_note){.pid = getpid(), .started = process_started(getpid())};
	(void)snprintf(r->build, sizeof(r->build), "%s", build_id);
	for (unsigned i = 0; i < 2; i++) {
		const char *name = g->conf->port[i];

		r->ifindex[i] = (int32_t)if_nametoindex(name);
		if (r->ifindex[i] == 0 || strlen(name) >= sizeof(r->ifname[i]))
			return err_say(
			    err, size, ERR_NOTFOUND, "%s: there is no such interface", name);
		memcpy(r->ifname[i], name, strlen(name) + 1);
		if ((e = port_state_init(&s, name, r->ifindex[i])) < 0)
			return err_say(err, size, e, "%s: /proc: %s", name, err_str(e));
		r->netns = s.netns;
	}
	return 0;
}

static int
does_not_fit(const char *dir, const char *why, char *err, size_t size)
{
	return err_say(err, size, ERR_EXISTS,
	    "%s: what a guard left there does not fit: %s; it goes on as it is until `" DETACH
	    " --pin %s` removes it",
	    dir, why, dir);
}

static void
said(const char *line)
{
	log_info("%s", line);
}

/*
 * Of a guard that is dead: nothing goes on there, so there is nothing to go on with.  That is when no link holds
 * a program, or one of the two does not, for then no connection has both its ways.  The pins of other
 * ports are not ours to judge while one of theirs is guarded.
 */
static bool
is_dead(const struct gate_note *was, const struct gate_note *now, unsigned links)
{
	if (was->magic != GATE_PIN_MAGIC || alive(was))
		return false;
	return links == 0 || (links == 1 && was->abi == KFLOW_ABI && was->netns == now->netns &&
				 memcmp(was->ifname, now->ifname, sizeof(was->ifname)) == 0);
}

static int
clear_away(const char *dir, unsigned links, char *err, size_t size)
{
	int r = gate_unpin(dir, true, said, err, size);

	if (r < 0)
		return r;
	log_warn("%s: what a guard left there held no program any more on %s: "
		 "removed, no connection goes on",
	    dir, links == 0 ? "its ports" : "one of its ports");
	return gate_pin_prepare(dir, err, size);
}

int
pins_begin(struct guard *g, char *err, size_t size)
{
	struct pinning *p = &g->pins;
	struct gate_note r;
	char why[256] = "";
	unsigned links;
	int e;

	*p = (struct pinning){.p = {.mode = g->conf->mode}};
	if (!g->conf->fast_path || g->conf->no_pin)
		return 0;
	if (g->conf->pin_dir)
		(void)snprintf(p->dir, sizeof(p->dir), "%s", g->conf->pin_dir);
	else
		(void)gate_pin_dir(g->conf->port, p->dir);
	p->p.dir = p->dir;
	if ((e = describe(g, &p->p.r, err, size)) < 0 ||
	    (e = gate_pin_prepare(p->dir, err, size)) < 0)
		return e;
	if ((e = gate_pin_read(p->dir, &r, why, sizeof(why))) == ERR_NOTFOUND)
		return 0;
	links = gate_pin_links(p->dir);
	if (is_dead(&r, &p->p.r, links))
		return clear_away(p->dir, links, err, size);
	if (e < 0)
		return does_not_fit(p->dir, why, err, size);
	if (alive(&r) && !g->conf->take_over)
		return err_say(
		    err, size, ERR_EXISTS, "%s: process %d guards with it", p->dir, (int)r.pid);
	p->found = true;
	memcpy(p->policy, r.policy, sizeof(p->policy));
	g->last_generation =
	    r.generation; /* ours are greater: no entry of the kernel is taken for new */
	return 0;
}

int
pins_open(struct guard *g, char *err, size_t size)
{
	const struct pinning *p = &g->pins;
	char why[256] = "";

	if (p->found) {
		if (!(g->gate = gate_open_pinned(&p->p, why, sizeof(why))))
			return does_not_fit(p->dir, why, err, size);
		log_info("guard: goes on with the filter that is pinned in %s", p->dir);
		return 0;
	}
	g->gate = g->conf->fast_path ? gate_open_fast(err, size) : gate_open(err, size);
	return g->gate ? 0 : ERR_UNSUPPORTED;
}

int
pins_write(struct guard *g, char *err, size_t size)
{
	struct pinning *p = &g->pins;
	int r;

	if (p->dir[0] == '\0')
		return 0;
	p->p.r.generation = g->generation;
	memcpy(p->p.r.policy, policy_hash(g->policy), sizeof(p->p.r.policy));
	if ((r = gate_pin(g->gate, &p->p, err, size)) < 0)
		return r;
	p->written = true;
	return 0;
}

int
pins_settle(struct guard *g, char *err, size_t size)
{
	return g->pins.found ? panic_filter(g, g->policy, g->generation, err, size) : 0;
}

void
pins_taken_over(struct guard *g)
{
	if (g->fast)
		fast_hold(g->fast, clock_mono_ns() + GUARD_HOLD_NS);
	if (g->pins.found && !g->pins.left)
		(void)fast_forget(g->fast);
}

void
pins_resume(struct guard *g)
{
	char err[256] = "";

	if (!g->pins.written)
		return;
	if (gate_pin(g->gate, &g->pins.p, err, sizeof(err)) < 0 ||
	    panic_filter(g, g->policy, g->generation, err, sizeof(err)) < 0)
		log_error("%s", err);
}

/* --- end ------------------------------------------------------------------------------------- */

bool
pins_stay(const struct guard *g, bool was_in_force)
{
	return g->pins.found && !was_in_force;
}

bool
pins_end(struct guard *g, bool was_in_force)
{
	struct pinning *p = &g->pins;
	struct gate_note r;
	char err[256] = "";

	if (pins_stay(g, was_in_force)) {
		log_warn(
		    "%s: stays as it is: the kernel goes on with the connections it knows", p->dir);
		return false;
	}
	if (!p->written)
		return true;
	p->written = false;
	if (gate_pin_read(p->dir, &r, err, sizeof(err)) == 0 &&
	    (r.pid != p->p.r.pid || r.started != p->p.r.started))
		return true; /* a successor's */
	if (gate_unpin(p->dir, false, NULL, err, sizeof(err)) < 0)
		log_error("%s", err);
	return true;
}

/* --- --restore, --detach --------------------------------------------------------------------- */

#define DIRS  64u /* of one directory, at most */
#define DEPTH 4u  /* below BPFFS, at most: --pin says where */
#define BPFFS "/sys/fs/bpf"

/* Calls fn with each directory below root, down to a depth, until it says true. */
static bool
each_dir(const char *root, unsigned depth, bool (*fn)(void *ctx, const char *dir), void *ctx)
{
	DIR *d = opendir(root);
	const struct dirent *e;
	char names[DIRS][64];
	unsigned n = 0;
	bool done = false;

	while (d && n < DIRS && (e = readdir(d)))
		if (e->d_name[0] != '.' && e->d_type == DT_DIR)
			(void)snprintf(names[n++], sizeof(names[0]), "%.63s", e->d_name);
	if (d)
		closedir(d);
	for (unsigned i = 0; i < n && !done; i++) {
		char dir[GATE_PIN_PATH];

		if (snprintf(dir, sizeof(dir), "%s/%s", root, names[i]) < (int)sizeof(dir))
			done = fn(ctx, dir) || (depth > 1 && each_dir(dir, depth - 1, fn, ctx));
	}
	return done;
}

struct search {
	int ifindex;
	uint64_t netns;
	char *found;
};

static bool
holds_port(void *ctx, const char *dir)
{
	struct search *s = ctx;
	struct gate_note r;
	char ignored[8];

	if (gate_pin_read(dir, &r, ignored, sizeof(ignored)) != 0 || r.netns != s->netns ||
	    (r.ifindex[0] != s->ifindex && r.ifindex[1] != s->ifindex) || gate_pin_links(dir) == 0)
		return false;
	(void)snprintf(s->found, GATE_PIN_PATH, "%s", dir);
	return true;
}

const char *
pins_of_port(int ifindex, char buf[GATE_PIN_PATH])
{
	struct search s = {.ifindex = ifindex, .found = buf};
	struct port_state here;

	if (port_state_init(&here, "", ifindex) < 0)
		return NULL;
	s.netns = here.netns;
	return each_dir(BPFFS, DEPTH, holds_port, &s) ? buf : NULL;
}

struct detaching {
	unsigned n;
	int status;
};

static bool
detach(void *ctx, const char *dir)
{
	struct detaching *d = ctx;
	struct gate_note r;
	char err[256] = "";
	int e = gate_pin_read(dir, &r, err, sizeof(err));

	if (e == ERR_NOTFOUND)
		return false;
	d->n++;
	if (r.magic == GATE_PIN_MAGIC && alive(&r)) {
		log_error("%s: left alone: process %d guards with it; interlock ctl stop ends it",
		    dir, (int)r.pid);
		d->status = 2;
	} else if (gate_unpin(dir, true, said, err, sizeof(err)) < 0) {
		log_error("%s", err);
		d->status = 2;
	}
	return false;
}

int
pins_detach(const char *dir, const char *const port[2])
{
	struct detaching d = {0};
	char buf[GATE_PIN_PATH];

	log_set_level(LOG_L_INFO);
	if (!dir && port[0] && port[1])
		dir = gate_pin_dir(port, buf);
	if (dir)
		(void)detach(&d, dir);
	else
		(void)each_dir(GATE_PIN_ROOT, 1, detach, &d);
	if (d.n == 0)
		log_info("%s: nothing is pinned there", dir ? dir : GATE_PIN_ROOT);
	return d.status;
}
