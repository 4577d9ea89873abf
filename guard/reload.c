/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reload.c - the first policy, and every other one.
 *
 *	file -> builder -> image -> mapped here -> tables of the kernel -> worker -> the old one goes
 *
 * Up to the tables of the kernel nothing has changed and a failure leaves all as it was.  The
 * kernel's filter is first since it only lets more or less through to the engine, which judges all
 * of it again; if the worker cannot take the image the filter gets the old tables back.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "guard/guard_int.h"
#include "policy/image.h"

#define ANSWER_WAIT_NS UINT64_C(10000000000)

/* In turn, so that a signer that is behind still has the images before this one; not those that are kept. */
static unsigned
free_slot(const struct guard *g)
{
	unsigned slot = g->policy ? policy_image_slot(g->policy) : POLICY_SLOTS - 1;

	do
		slot = (slot + 1) % POLICY_SLOTS;
	while ((g->policy && slot == policy_image_slot(g->policy)) ||
	       (g->confirm.waiting && slot == g->confirm.slot) ||
	       (g->shadow.policy && slot == policy_image_slot(g->shadow.policy)));
	return slot;
}

static void
builder_begin(void *guard)
{
	struct guard *g = guard;

	child_begin(g);
	(void)prctl(PR_SET_NAME, "guard-builder", 0, 0, 0);
	if (g->gate)
		gate_leave(g->gate, false);
}

int
builder_for(
    struct guard *g, struct builder *b, const char *path, struct text *text, char *err, size_t size)
{
	const struct builder_conf bc = {
	    .path = path,
	    .name = text ? path : g->conf->policy_path,
	    .beside = text ? NULL : g->conf->policy_path,
	    .kept = !text && path != g->conf->policy_path,
	    .text = text,
	    .keys = g->signers,
	    .slot = free_slot(g),
	    .generation = g->last_generation + 1,
	    .uid = g->worker_uid,
	    .gid = g->worker_gid,
	    .child = builder_begin,
	    .ctx = g,
	};

	return builder_start(b, &bc, err, size);
}

/* Who has signed what was built, and when. */
static struct accepted
signed_as(const struct builder *b, const struct policy *pol)
{
	struct accepted a = {.signed_s = b->signed_s};

	memcpy(a.sha256, policy_hash(pol), sizeof(a.sha256));
	memcpy(a.kid, b->kid, sizeof(a.kid));
	return a;
}

const struct policy *
policy_usable(const struct guard *g, const struct builder *b, const char *name, int fd,
    struct accepted *by, char *err, size_t size)
{
	const struct policy *pol = policy_image_map(fd, err, size);
	char why[256];

	if (pol)
		*by = signed_as(b, pol);
	if (pol && g->signers && accepted_check(&g->accepted, by, why, sizeof(why)) < 0) {
		policy_image_unmap(pol);
		(void)err_say(err, size, 0, "%s: %s", name, why);
		return NULL;
	}
	if (pol && !policy_mode_stated(pol)) {
		policy_image_unmap(pol);
		(void)err_say(err, size, 0,
		    "%s: says no mode: a guard has to be told whether it may drop (mode: learn, "
		    "alert or "
		    "enforce)",
		    name);
		return NULL;
	}
	if (pol && device_policy(g, pol, err, size) < 0) {
		policy_image_unmap(pol);
		return NULL;
	}
	return pol;
}

int
note_accepted(struct guard *g, const struct accepted *a, char *err, size_t size)
{
	int r = 0;

	if (g->signers && memcmp(a, &g->accepted, sizeof(*a)) != 0)
		r = accepted_save(&g->keep, a, err, size);
	if (r == 0)
		g->accepted = *a;
	return r;
}

/* Keys, and what was in force before this guard.  0 or ERR_*, said. */
static int
prepare_signed(struct guard *g, char *err, size_t size)
{
	static struct key_set keys;
	int r = keep_init(&g->keep, g->conf->keep_dir, g->conf->port[0], err, size);

	if (r < 0 || !g->conf->signers)
		return r;
	if ((r = key_set_load(&keys, g->conf->signers, err, size)) < 0)
		return r;
	g->signers = &keys;
	return accepted_load(&g->keep, &g->accepted, err, size);
}

static void
text_move(struct text *to, struct text *from)
{
	text_drop(to);
	*to = *from;
	*from = (struct text)TEXT_NONE;
}

int
policy_first(struct guard *g)
{
	struct builder *b = &g->reload.builder;
	struct accepted by;
	char err[512] = "", kept[KEEP_PATH];
	int r;

	if ((r = prepare_signed(g, err, sizeof(err))) < 0 ||
	    (r = confirm_first(g, kept, err, sizeof(err))) < 0 ||
	    (r = builder_for(g, b, r == 1 ? kept : g->conf->policy_path, NULL, err, sizeof(err))) <
		0) {
		log_error("%s", err);
		return r;
	}
	while (!builder_step(b, clock_mono_ns())) {
		struct pollfd p = {.fd = builder_fd(b), .events = POLLIN};

		(void)poll(&p, 1, TURN_MS);
		supervise_reap(g);
	}
	fputs(b->said, stderr);
	g->policy_fd = b->image_fd;
	b->image_fd = -1;
	if (g->policy_fd < 0) {
		log_error("%s: not a usable policy", g->conf->policy_path);
		r = ERR_FORMAT;
	} else if (!(g->policy = policy_usable(
			 g, b, g->conf->policy_path, g->policy_fd, &by, err, sizeof(err)))) {
		log_error("%s", err);
		r = ERR_FORMAT;
	} else if ((r = note_accepted(g, &by, err, sizeof(err))) < 0) {
		log_error("%s", err);
	}
	text_move(&g->text, &b->text);
	g->from_file = !g->kept;
	builder_end(b);
	g->generation = ++g->last_generation;
	g->policy_ns = clock_wall_ns();
	return r;
}

static void
begin(struct guard *g, enum reload_kind kind, uint64_t ctl_token)
{
	struct reload *rl = &g->reload;

	rl->running = true;
	rl->kind = (uint8_t)kind;
	rl->ctl_token = ctl_token;
	rl->confirm_ns = 0;
	rl->next = NULL;
	rl->next_fd = -1;
}

static int
may_begin(const struct guard *g, const struct reload_how *how, char *err, size_t size)
{
	if (g->reload.running || g->shadow.step == SHADOW_BUILDING)
		return err_say(err, size, ERR_AGAIN, "a policy is on its way already; try again");
	if (g->confirm.waiting && !how->force)
		return err_say(err, size, ERR_USAGE,
		    "generation %u is in force on trial: confirm it, roll it back, or --force",
		    g->generation);
	return 0;
}

int
reload_start(struct guard *g, const struct reload_how *how, char *err, size_t size)
{
	struct reload *rl = &g->reload;
	int r;

	if ((r = may_begin(g, how, err, size)) < 0 ||
	    (r = builder_for(g, &rl->builder, g->conf->policy_path, NULL, err, size)) < 0)
		return r;
	begin(g, RELOAD_FILE, how->ctl_token);
	rl->confirm_ns = how->confirm_ns;
	return 0;
}

/* A promotion has failed: it goes on beside. */
static void
give_back(struct guard *g)
{
	struct reload *rl = &g->reload;

	g->shadow.policy = rl->next;
	g->shadow.fd = rl->next_fd;
	text_move(&g->shadow.text, &rl->next_text);
	g->shadow.step = SHADOW_ON;
	rl->next = NULL;
	rl->next_fd = -1;
}

/* It is over: done, or refused for a reason. */
static void
finish(struct guard *g, const char *why)
{
	struct reload *rl = &g->reload;

	builder_end(&rl->builder);
	rl->running = false;
	if (rl->next && rl->kind == RELOAD_PROMOTE)
		give_back(g);
	if (rl->next)
		policy_image_unmap(rl->next);
	if (rl->next_fd >= 0)
		close(rl->next_fd);
	rl->next = NULL;
	rl->next_fd = -1;
	text_drop(&rl->next_text);
	if (why && rl->confirm_ns != 0 && !g->confirm.waiting && !g->kept)
		confirm_forget(g);
	if (rl->ctl_token != 0) {
		char text[128];
		int n = snprintf(text, sizeof(text),
		    "\"generation\":%u,\"warnings\":%zu,\"confirm_s\":%llu", g->generation,
		    rl->builder.warnings, (unsigned long long)(rl->confirm_ns / NS_PER_S));

		ctl_answer(
		    g->ctl, rl->ctl_token, why ? ERR_FORMAT : 0, why, text, why ? 0 : (size_t)n);
		rl->ctl_token = 0;
	}
	if (why) {
		guard_tell(g, GUARD_POLICY_REFUSED, why);
		(void)snprintf(rl->error, sizeof(rl->error), "%s", why);
		rl->error_ns = clock_wall_ns();
		log_error("reload: refused, the policy in force stays: %s", why);
	} else if (rl->kind != RELOAD_BACK) {
		const char *of = rl->kind == RELOAD_FILE ? g->conf->policy_path : g->shadow.file;

		guard_tell(g, GUARD_POLICY_LOADED, rl->kind == RELOAD_FILE ? NULL : of);
		rl->error[0] = '\0';
		log_info("policy: generation %u of %s is in force", g->generation, of);
	}
}

/* The next policy is the policy. */
static void
swap(struct guard *g)
{
	struct reload *rl = &g->reload;
	bool trial = rl->confirm_ns != 0, keep = trial && !g->confirm.waiting;
	bool from_file = g->from_file;
	struct text old_text = g->text;
	int old_fd = g->policy_fd;

	rl->old_generation = g->generation;
	rl->old_slot = policy_image_slot(g->policy);
	act_count_now(g); /* the worker has left the last numbers of the old policy */
	if (!keep && g->signer.pid != 0)
		(void)signer_send_drop(g->signer.peer.fd, g->generation);
	policy_image_unmap(g->policy);
	g->policy = rl->next;
	if (g->past)
		view_policy(g->past, g->policy);
	g->policy_fd = rl->next_fd;
	g->text = rl->next_text;
	g->generation = policy_generation(g->policy);
	away_new_policy(g);
	if (g->generation > g->last_generation)
		g->last_generation = g->generation;
	g->policy_ns = clock_wall_ns();
	rl->next = NULL;
	rl->next_fd = -1;
	rl->next_text = (struct text)TEXT_NONE;
	g->from_file = rl->kind == RELOAD_BACK ? g->confirm.from_file : rl->kind == RELOAD_FILE;
	finish(g, NULL);
	shadow_end(
	    g, rl->kind == RELOAD_PROMOTE ? "it was promoted" : "another policy is in force");
	if (trial) {
		if (keep)
			g->confirm.from_file = from_file;
		confirm_begin(g, old_fd, &old_text);
	} else if (rl->kind == RELOAD_BACK) {
		confirm_is_back(g, rl->old_generation);
	} else {
		confirm_end(g);
		confirm_settle(g);
	}
	if (!keep)
		close(old_fd);
	text_drop(&old_text);
}

static void
back_to_old(struct guard *g, const char *why)
{
	struct reload *rl = &g->reload;
	char err[256] = "";

	if (note_accepted(g, &rl->last_signed, err, sizeof(err)) < 0)
		log_error("%s", err);
	if (panic_filter(g, g->policy, g->generation, err, sizeof(err)) < 0)
		log_error("filter: %s", err);
	if (g->signer.pid != 0 && rl->kind != RELOAD_BACK)
		(void)signer_send_drop(g->signer.peer.fd, policy_generation(rl->next));
	finish(g, why);
}

/* rl->next is mapped and may be in force: from the outside inwards. */
static void
offer(struct guard *g)
{
	struct reload *rl = &g->reload;
	uint32_t generation = policy_generation(rl->next);
	bool promote = rl->kind == RELOAD_PROMOTE;
	const struct msg m = {.type = promote ? MSG_PROMOTE : MSG_POLICY, .a = generation};
	char err[512] = "", again[128];

	if (panic_filter(g, rl->next, generation, err, sizeof(err)) < 0) {
		if (note_accepted(g, &rl->last_signed, again, sizeof(again)) < 0)
			log_error("%s", again);
		finish(g, err);
		return;
	}
	/* Names before alerts that need them; those of the one before are still there. */
	if (g->signer.pid != 0 && rl->kind != RELOAD_BACK &&
	    signer_send_policy(g->signer.peer.fd, rl->next_fd) < 0)
		log_error("signer: cannot be told of the policy: its alerts have no names");
	if (g->worker.pid == 0) {
		swap(g); /* the next worker begins with it */
		return;
	}
	rl->deadline_ns = g->now_ns + ANSWER_WAIT_NS;
	if (worker_ask(g, &m, promote ? -1 : rl->next_fd) < 0)
		back_to_old(g, "the worker cannot be told now; try again");
}

/* What a start after a crash has to find.  0 or ERR_*, said. */
static int
on_disk(struct guard *g, char *err, size_t size)
{
	struct reload *rl = &g->reload;

	return rl->confirm_ns != 0 ? confirm_keep(g, &rl->next_text, err, size)
				   : note_accepted(g, &rl->next_signed, err, size);
}

/* The image is there. */
static void
put_in_force(struct guard *g)
{
	struct reload *rl = &g->reload;
	char err[512] = "";

	rl->next_fd = rl->builder.image_fd;
	rl->builder.image_fd = -1;
	text_move(&rl->next_text, &rl->builder.text);
	rl->last_signed = g->accepted;
	if (!(rl->next = policy_usable(g, &rl->builder, g->conf->policy_path, rl->next_fd,
		  &rl->next_signed, err, sizeof(err))) ||
	    on_disk(g, err, sizeof(err)) < 0) {
		finish(g, err);
		return;
	}
	offer(g);
}

/* Tell the worker only what it can be told at once. */
static int
worker_hears(const struct guard *g, char *err, size_t size)
{
	if (g->worker.pid == 0 || (g->worker.ready && g->asked == MSG_NONE))
		return 0;
	return err_say(err, size, ERR_AGAIN, "the worker cannot be told now; try again");
}

int
reload_promote(struct guard *g, const struct reload_how *how, char *err, size_t size)
{
	struct shadowing *s = &g->shadow;
	struct reload *rl = &g->reload;
	int r;

	if ((r = may_begin(g, how, err, size)) < 0 || (r = worker_hears(g, err, size)) < 0)
		return r;
	if (g->worker.pid == 0)
		return err_say(err, size, ERR_AGAIN, "the worker is not there; try again");
	if (g->signers && (r = accepted_check(&g->accepted, &s->signed_by, err, size)) < 0)
		return r;
	begin(g, RELOAD_PROMOTE, 0);
	rl->confirm_ns = how->confirm_ns;
	rl->next = s->policy;
	rl->next_fd = s->fd;
	rl->next_signed = s->signed_by;
	rl->last_signed = g->accepted;
	text_move(&rl->next_text, &s->text);
	s->policy = NULL;
	s->fd = -1;
	if ((r = on_disk(g, err, size)) < 0) {
		finish(g, err);
		return r;
	}
	offer(g);
	if (!rl->running)
		return err_say(err, size, ERR_IO, "%s", rl->error);
	rl->ctl_token = how->ctl_token;
	return CTL_LATER;
}

int
reload_back(struct guard *g, uint64_t ctl_token, char *err, size_t size)
{
	struct reload *rl = &g->reload;
	struct text text;
	int r;

	if (rl->running || g->shadow.step == SHADOW_BUILDING)
		return err_say(err, size, ERR_AGAIN, "a policy is on its way already; try again");
	if ((r = worker_hears(g, err, size)) < 0 ||
	    (r = text_dup(&text, &g->confirm.text, err, size)) < 0)
		return r;
	begin(g, RELOAD_BACK, 0);
	rl->next_fd = fcntl(g->confirm.fd, F_DUPFD_CLOEXEC, 3);
	rl->next_text = text;
	rl->last_signed = g->accepted;
	if (!(rl->next = policy_image_map(rl->next_fd, err, size))) {
		finish(g, err);
		return ERR_FORMAT;
	}
	offer(g);
	if (rl->running) { /* the worker's answer is to come */
		rl->ctl_token = ctl_token;
		return CTL_LATER;
	}
	return g->confirm.waiting ? err_say(err, size, ERR_IO, "%s", rl->error) : 0;
}

const char *
reload_first_line(char *said)
{
	char *end = strchr(said, '\n');

	if (end)
		*end = '\0';
	return said[0] != '\0' ? said : "it cannot be compiled";
}

void
reload_step(struct guard *g)
{
	struct reload *rl = &g->reload;

	if (!rl->running)
		return;
	if (rl->next || rl->kind == RELOAD_BACK) {
		if (g->now_ns >= rl->deadline_ns)
			back_to_old(g, "the worker does not answer");
		return;
	}
	if (!builder_step(&rl->builder, g->now_ns))
		return;
	fputs(rl->builder.said, stderr);
	if (rl->builder.image_fd < 0)
		finish(g, reload_first_line(rl->builder.said));
	else
		put_in_force(g);
}

void
reload_answer(struct guard *g, int result, const char *text)
{
	if (!g->reload.running || !g->reload.next)
		return;
	if (result == 0)
		swap(g);
	else
		back_to_old(g, text);
}

void
reload_worker_gone(struct guard *g)
{
	if (g->reload.running && g->reload.next)
		swap(g);
}
