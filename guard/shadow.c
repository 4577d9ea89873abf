/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shadow.c - a policy that is judged beside the one in force: `ctl shadow FILE` (dataplane/shadow.h).
 *
 *	file of the asker -> builder -> image -> mapped here, for names -> worker
 *
 * It is no file of the guard's: who asks opens it, with his own rights, and passes the descriptor.  What
 * ran is what is promoted: the same image, whatever the file says by then.  It ends with the policy in
 * force that it is compared with; a new worker goes on with it, and counts from 0.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "guard/guard_int.h"
#include "policy/image.h"

#define TELL_WAIT_NS UINT64_C(10000000000)

static void
by(const struct ctl_request *rq, char *buf, size_t size)
{
	(void)snprintf(buf, size, "by user %u (process %d)", (unsigned)rq->uid, (int)rq->pid);
}

static void
forget(struct guard *g)
{
	struct shadowing *s = &g->shadow;

	builder_end(&s->builder);
	if (s->policy)
		policy_image_unmap(s->policy);
	if (s->fd >= 0)
		close(s->fd);
	text_drop(&s->text);
	*s = (struct shadowing){.fd = -1,
	    .text = TEXT_NONE,
	    .builder = {.image_fd = -1, .peer = {.fd = -1}, .text = TEXT_NONE}};
}

static void
say_ended(struct guard *g, const char *why)
{
	char note[400];

	(void)snprintf(note, sizeof(note), "%s: %s", g->shadow.file, why);
	log_info("shadow: ended: %s", note);
	guard_tell(g, GUARD_SHADOW_ENDED, note);
}

void
shadow_end(struct guard *g, const char *why)
{
	if (g->shadow.step == SHADOW_NONE)
		return;
	if (g->shadow.step == SHADOW_BUILDING || g->shadow.step == SHADOW_TELLING)
		ctl_answer(g->ctl, g->shadow.ctl_token, ERR_AGAIN, why, NULL, 0);
	else
		say_ended(g, why);
	forget(g);
}

static void
refused(struct guard *g, const char *why)
{
	log_error("shadow: refused: %s", why);
	ctl_answer(g->ctl, g->shadow.ctl_token, ERR_FORMAT, why, NULL, 0);
	forget(g);
}

static void
begun(struct guard *g)
{
	struct shadowing *s = &g->shadow;
	char text[96];
	int n = snprintf(text, sizeof(text), "\"generation\":%u,\"beside\":%u",
	    policy_generation(s->policy), g->generation);

	s->step = SHADOW_ON;
	s->since_ns = clock_wall_ns();
	ctl_answer(g->ctl, s->ctl_token, 0, NULL, text, (size_t)n);
	s->ctl_token = 0;
	log_info("shadow: generation %u of %s is judged beside generation %u",
	    policy_generation(s->policy), s->file, g->generation);
	guard_tell(g, GUARD_SHADOW_BEGUN, s->file);
}

/* --- requests -------------------------------------------------------------------------------- */

static int
start(struct guard *g, struct ctl_request *rq, const char *file, char *err, size_t size)
{
	unsigned files = json_is_true(json_object_get(rq->args, "files")) ? 1 : 0;
	struct shadowing *s = &g->shadow;
	struct text text;
	int r;

	if (s->step != SHADOW_NONE)
		return err_say(
		    err, size, ERR_USAGE, "%s is judged already: stop it first", s->file);
	if (g->reload.running)
		return err_say(err, size, ERR_AGAIN, "a reload is under way");
	if (rq->n_fds < 1 + files || rq->n_fds > 2 + files)
		return err_say(err, size, ERR_USAGE,
		    "shadow: the descriptor of the file comes with it, and of its signature");
	r = text_take_fd(&text, rq->fd[0], rq->n_fds == 2 + files ? rq->fd[1] : -1, err, size);
	if (r == 0 && files)
		r = text_take_files(&text, rq->fd[rq->n_fds - 1], err, size);
	if (r < 0) {
		text_drop(&text);
		return r;
	}
	(void)snprintf(s->file, sizeof(s->file), "%s", file);
	if ((r = builder_for(g, &s->builder, s->file, &text, err, size)) < 0) {
		text_drop(&text);
		return r;
	}
	s->step = SHADOW_BUILDING;
	s->ctl_token = rq->token;
	return CTL_LATER;
}

static int
stop(struct guard *g, struct ctl_request *rq, char *err, size_t size)
{
	const struct msg m = {.type = MSG_SHADOW_END};
	struct shadowing *s = &g->shadow;
	int r;

	if (s->step != SHADOW_ON)
		return err_say(err, size, ERR_USAGE, "no policy is judged beside the one in force");
	by(rq, s->why, sizeof(s->why));
	if (g->worker.pid == 0) {
		shadow_end(g, s->why);
		return 0;
	}
	if ((r = worker_ask(g, &m, -1)) < 0)
		return err_say(err, size, r, "the worker cannot be told now; try again");
	s->step = SHADOW_ENDING;
	s->ctl_token = rq->token;
	return CTL_LATER;
}

int
shadow_asked(
    struct guard *g, struct ctl_request *rq, const struct reload_how *how, char *err, size_t size)
{
	const char *file = json_string_value(json_object_get(rq->args, "file"));
	bool end = json_is_true(json_object_get(rq->args, "stop"));
	bool promote = json_is_true(json_object_get(rq->args, "promote"));

	if (!rq->admin)
		return err_say(err, size, ERR_PERM, "what changes a shadow is for admins");
	if ((file != NULL) + end + promote != 1)
		return err_say(err, size, ERR_USAGE, "shadow: one of file, stop, promote");
	if (file)
		return start(g, rq, file, err, size);
	if (end)
		return stop(g, rq, err, size);
	if (g->shadow.step != SHADOW_ON)
		return err_say(err, size, ERR_USAGE, "no policy is judged beside the one in force");
	return reload_promote(g, how, err, size);
}

/* --- steps ----------------------------------------------------------------------------------- */

static void
built(struct guard *g)
{
	const struct msg m = {.type = MSG_SHADOW};
	struct shadowing *s = &g->shadow;
	char err[512] = "";

	s->fd = s->builder.image_fd;
	s->builder.image_fd = -1;
	s->text = s->builder.text;
	s->builder.text = (struct text)TEXT_NONE;
	s->policy = policy_usable(g, &s->builder, s->file, s->fd, &s->signed_by, err, sizeof(err));
	builder_end(&s->builder);
	if (!s->policy) {
		refused(g, err);
		return;
	}
	g->last_generation = policy_generation(s->policy);
	if (g->worker.pid == 0) { /* the next one begins with it */
		begun(g);
		return;
	}
	s->step = SHADOW_TELLING;
	s->deadline_ns = g->now_ns + TELL_WAIT_NS;
	if (worker_ask(g, &m, s->fd) < 0)
		refused(g, "the worker cannot be told now; try again");
}

void
shadow_step(struct guard *g)
{
	struct shadowing *s = &g->shadow;

	if (s->step == SHADOW_BUILDING && builder_step(&s->builder, g->now_ns)) {
		fputs(s->builder.said, stderr);
		if (s->builder.image_fd < 0)
			refused(g, reload_first_line(s->builder.said));
		else
			built(g);
	}
}

void
shadow_answer(struct guard *g, int result, const char *text)
{
	struct shadowing *s = &g->shadow;
	uint64_t token = s->ctl_token;

	if (s->step == SHADOW_TELLING) {
		if (result == 0)
			begun(g);
		else
			refused(g, text);
	} else if (s->step == SHADOW_ENDING) {
		shadow_end(g, s->why);
		ctl_answer(g->ctl, token, 0, NULL, "", 0);
	}
}

void
shadow_worker_gone(struct guard *g)
{
	if (g->shadow.step == SHADOW_TELLING)
		begun(g);
	else if (g->shadow.step == SHADOW_ENDING)
		shadow_answer(g, 0, "");
}
