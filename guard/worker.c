/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c - rx, engine, done, for ever.
 *
 * Time.  rx() reads the clock once per burst and that is all the time there is.  The reading of
 * the rx() that follows done() is taken as the moment the frames before it were on their way: so a
 * latency is from the reading before a frame was taken from the socket's ring to the one after it
 * was handed to the other port's.  It holds the engine's work on the whole burst and the
 * kernel's on sending it; not the time in the ring before (less than the burst before took),
 * nor that of frames that were held and go out later.
 *
 * What is rare (messages, samples, numbers for the parent) is looked at when nothing came
 * after a sleep, and at least every millisecond.
 *
 * With several workers (crew.h) each runs this loop in a thread of its own; [0] leads: it began as the process's only one,
 * took memory and rights for all, and is who speaks with the parent.
 */
#include "guard/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alerts/alert.h"
#include "base/clock.h"
#include "base/err.h"
#include "dataplane/handover.h"
#include "dataplane/limit.h"
#include "ebpf/gate.h"
#include "guard/crew.h"
#include "guard/fast.h"
#include "guard/latency.h"
#include "guard/msg.h"
#include "base/sandbox.h"
#include "policy/image.h"

#define LOOK_NS	      UINT64_C(1000000)	  /* at rare things, at least this often */
#define PUBLISH_NS    UINT64_C(100000000) /* numbers for the parent */
#define FLOWS_PIECE   8192u		  /* bytes of the list of flows between two bursts */
#define EXPORT_PIECE  65536u
#define SLEEP_US      50000u /* at most: timers of the engine */
#define SLEEP_BUSY_US 2000u  /* while frames are held */

void engine_sample(struct engine *e, const struct pkt *p, const char *reason, uint64_t count);

/* Where the list of flows is that somebody asked for: each writes its own, one after the other. */
struct listing {
	int fd;		       /* -1: nobody asked */
	_Atomic unsigned turn; /* who writes; the number of workers: all have */
	bool failed;
	uint64_t bytes;
};

struct worker {
	const struct worker_conf *conf;
	unsigned index;
	struct worker *all; /* [conf->workers] */
	struct crew *crew;
	struct listing *listing;
	struct guard_shared *sh; /* its own numbers */
	const struct io_backend *be;
	struct io *io;
	struct engine *engine;
	struct limiter limiter; /* of ports without the filter in the kernel */
	struct alerts *alerts;
	const struct policy *policy, *shadow;
	struct msg_peer parent;
	int epoll;
	uint32_t flows_at;
	uint32_t imported; /* connections of a predecessor */
	struct permits_view permits;
	bool stop, deaf;   /* told to end; told to receive no more */
	bool orphan;	   /* the parent is gone */
	bool leave;	   /* a successor inherits from the kernel what that has */
	bool away;	   /* so the kernel thinks: what fails open passes it by */
	uint64_t looked_ns, published_ns;
	/* the burst that done() has sent, until the next reading of the clock */
	uint64_t sent_rx_ns;
	unsigned n_sent;
	uint32_t sent[PKT_BURST];
	uint64_t budget_ns[GUARD_CONDUITS + 1]; /* [GUARD_CONDUITS]: none */
};

static uint32_t
place_of(uint32_t conduit)
{
	return conduit < GUARD_CONDUITS ? conduit
	       : conduit == UINT32_MAX	? GUARD_CONDUITS
					: GUARD_CONDUITS - 1;
}

/* --- numbers --------------------------------------------------------------------------------- */

static void
account_sent(struct worker *w)
{
	uint64_t now = w->io->now_ns, took = now > w->sent_rx_ns ? now - w->sent_rx_ns : 0;

	for (unsigned i = 0; i < w->n_sent; i++)
		lat_record(&w->sh->latency[w->sent[i]], took, w->budget_ns[w->sent[i]]);
	w->n_sent = 0;
}

static void
remember_sent(struct worker *w, const struct pkt *burst, unsigned n)
{
	w->sent_rx_ns = w->io->now_ns;
	for (unsigned i = 0; i < n; i++)
		if (burst[i].fate == FATE_FORWARD)
			w->sent[w->n_sent++] = place_of(burst[i].conduit);
}

/* all: every number, however many there are. */
static void
publish(struct worker *w, bool all)
{
	struct guard_shared *s = w->sh;
	uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed) | 1;
	const struct fast_stats *fast;
	uint32_t rules = w->policy ? policy_rule_count(w->policy) : 0;

	atomic_store_explicit(&s->seq, seq, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	s->generation = w->policy ? policy_generation(w->policy) : 0;
	s->n_rules = rules < GUARD_RULES ? rules : GUARD_RULES;
	s->n_conduits = w->policy ? policy_conduit_count(w->policy) : 0;
	s->engine = *engine_stats(w->engine);
	w->be->stats(w->io, &s->io);
	memcpy(s->rule_hits, engine_rule_hits(w->engine), s->n_rules * sizeof(s->rule_hits[0]));
	if (w->shadow)
		s->shadow = *engine_shadow(w->engine);
	else
		s->shadow.generation = 0;
	if ((fast = engine_fast(w->engine)) != NULL) {
		s->fast = *fast;
		guard_fast_rule_hits(
		    s->generation, s->kernel_hits, s->n_rules, all || w->published_ns == 0);
	}
	s->now_ns = w->io->now_ns;
	atomic_store_explicit(&s->seq, seq + 1, memory_order_release);
	atomic_store_explicit(&s->alive_ns, clock_mono_ns(), memory_order_release);
	w->published_ns = w->io->now_ns;
}

static void
set_budgets(struct worker *w)
{
	uint32_t n = policy_conduit_count(w->policy);

	memset(w->budget_ns, 0, sizeof(w->budget_ns));
	for (uint32_t i = 0; i < n && i < GUARD_CONDUITS; i++)
		w->budget_ns[i] = policy_latency_ns(w->policy, i);
}

/* A frame that the kernel's filter denied is alerted like the engine's own. */
static void
on_sample(void *ctx, const struct gate_sample *s)
{
	struct worker *w = ctx;
	const struct pkt p = {.bytes = s->bytes,
	    .ts_ns = w->io->now_ns,
	    .caplen = s->caplen,
	    .wirelen = s->len,
	    .link = LINK_ETHERNET,
	    .port = s->port,
	    .conduit = UINT32_MAX};

	engine_sample(w->engine, &p, s->reason, s->count);
}

/* --- messages -------------------------------------------------------------------------------- */

static int
answer(struct worker *w, int result, uint64_t bytes, const char *text)
{
	struct msg m = {.type = MSG_DONE, .result = result, .a = bytes};

	(void)snprintf(m.text, sizeof(m.text), "%s", text);
	return msg_send(&w->parent, &m, -1);
}

static void
take_permits(struct worker *w, bool again)
{
	permits_take(&w->permits, &w->conf->shared[0].permits, w->engine, w->policy, w->shadow,
	    w->io->now_ns, again);
}

/* From here on w is the lead, and the others stand still. */

static void
set_shadow(struct worker *w, const struct policy *shadow)
{
	for (unsigned i = 0; i < w->crew->n; i++) {
		w->all[i].shadow = shadow;
		engine_set_shadow(w->all[i].engine, shadow);
	}
}

/* Its numbers are of the policy in force, so it ends with that. */
static void
end_shadow(struct worker *w)
{
	const struct policy *was = w->shadow;

	if (!was)
		return;
	set_shadow(w, NULL);
	policy_image_unmap(was);
}

static void
publish_all(struct worker *w, bool all)
{
	for (unsigned i = 0; i < w->crew->n; i++)
		publish(&w->all[i], all);
}

/* Who may send how much; over AF_XDP the filter in the kernel knows. */
static void
limit_all(struct worker *w, const struct policy *pol)
{
	if (!w->conf->ports[0].device)
		return;
	limits_reset(w->limiter.all);
	for (unsigned i = 0; i < w->crew->n; i++)
		limiter_set_policy(&w->all[i].limiter, pol);
}

/* The last of the old generation is published, and stands until the parent has been answered and read
 * it: the next publication is PUBLISH_NS away.  What is counted per policy begins anew. */
static void
put_in_force(struct worker *w, const struct policy *pol)
{
	const struct policy *old = w->policy;

	publish_all(w, true);
	for (unsigned i = 0; i < w->crew->n; i++) {
		struct worker *x = &w->all[i];

		engine_set_policy(x->engine, pol);
		x->policy = pol;
		take_permits(x, true);
		set_budgets(x);
		x->n_sent = 0; /* by the old numbers of conduits, which are others' now */
		memset(x->sh->latency, 0, sizeof(x->sh->latency));
	}
	limit_all(w, pol);
	guard_fast_new_rules();
	policy_image_unmap(old);
}

/* Between two bursts; the old image is unmapped, so that the parent may use its slot again. */
static int
on_policy(void *ctx, const struct msg *m, int fd)
{
	struct worker *w = ctx;
	char err[MSG_TEXT] = "";
	const struct policy *pol = policy_image_map(fd, err, sizeof(err));

	(void)m;
	close(fd);
	if (!pol)
		return answer(w, ERR_FORMAT, 0, err);
	crew_halt(w->crew);
	end_shadow(w);
	put_in_force(w, pol);
	crew_go_on(w->crew);
	return answer(w, 0, policy_bytes(pol), "");
}

static int
on_shadow(void *ctx, const struct msg *m, int fd)
{
	struct worker *w = ctx;
	char err[MSG_TEXT] = "";
	const struct policy *pol;

	(void)m;
	crew_halt(w->crew);
	end_shadow(w);
	pol = policy_image_map(fd, err, sizeof(err));
	close(fd);
	if (pol) {
		set_shadow(w, pol);
		for (unsigned i = 0; i < w->crew->n; i++)
			take_permits(&w->all[i], false);
		publish_all(w, false);
	}
	crew_go_on(w->crew);
	return answer(w, pol ? 0 : ERR_FORMAT, 0, err);
}

static int
on_shadow_end(void *ctx, const struct msg *m, int fd)
{
	struct worker *w = ctx;

	(void)m;
	(void)fd;
	crew_halt(w->crew);
	end_shadow(w);
	publish_all(w, false);
	crew_go_on(w->crew);
	return answer(w, 0, 0, "");
}

static int
on_panic(void *ctx, const struct msg *m, int fd)
{
	struct worker *w = ctx;

	(void)fd;
	if (m->a > PANIC_ISLAND)
		return answer(w, ERR_RANGE, 0, "");
	crew_halt(w->crew);
	for (unsigned i = 0; i < w->crew->n; i++)
		engine_set_panic(w->all[i].engine, (enum panic_mode)m->a);
	crew_go_on(w->crew);
	return answer(w, 0, 0, "");
}

static int
on_promote(void *ctx, const struct msg *m, int fd)
{
	struct worker *w = ctx;
	const struct policy *pol = w->shadow;

	(void)fd;
	if (!pol || policy_generation(pol) != m->a)
		return answer(w, ERR_NOTFOUND, 0, "the worker has no such policy");
	crew_halt(w->crew);
	set_shadow(w, NULL);
	put_in_force(w, pol);
	crew_go_on(w->crew);
	return answer(w, 0, policy_bytes(pol), "");
}

/* Nothing comes in any more; what is held goes, and a successor takes the connections. */
/* Flows on their way into the file of a successor. */
struct export
{
	int fd;
	size_t n;
	uint64_t bytes;
	uint8_t buf[EXPORT_PIECE];
};

static int
export_flush(struct export *x)
{
	if (x->n != 0 && write(x->fd, x->buf, x->n) != (ssize_t)x->n)
		return ERR_IO;
	x->bytes += x->n;
	x->n = 0;
	return 0;
}

static int
export_put(void *ctx, const void *p, size_t n)
{
	struct export *x = ctx;
	const uint8_t *from = p;
	int r = 0;

	while (n > 0 && r == 0) {
		size_t part = n < sizeof(x->buf) - x->n ? n : sizeof(x->buf) - x->n;

		memcpy(x->buf + x->n, from, part);
		x->n += part;
		from += part;
		n -= part;
		if (x->n == sizeof(x->buf))
			r = export_flush(x);
	}
	return r;
}

/* All of them, one behind the other, while nobody judges; from then on none receives. */
static int
on_export(void *ctx, const struct msg *m, int fd)
{
	static struct export x; /* with the rest of the locked memory */
	struct worker *w = ctx;
	int r = 0;

	x.fd = fd;
	x.n = 0;
	x.bytes = 0;
	guard_fast_hold(true);
	w->leave = m->a != 0;
	crew_halt(w->crew);
	for (unsigned i = 0; i < w->crew->n && r == 0; i++)
		r = engine_export(w->all[i].engine, w->leave, export_put, &x);
	if (r == 0)
		r = export_flush(&x);
	for (unsigned i = 0; i < w->crew->n; i++)
		w->all[i].deaf = r == 0; /* else they go on */
	crew_go_on(w->crew);
	close(fd);
	if (r < 0)
		guard_fast_hold(false);
	return answer(w, r, x.bytes, r == 0 ? "" : "its flows could not be written");
}

/* The list is written in pieces, between bursts (flows_step()). */
static int
on_flows(void *ctx, const struct msg *m, int fd)
{
	struct worker *w = ctx;
	struct listing *l = w->listing;

	(void)m;
	if (l->fd >= 0) { /* it has one question at a time */
		close(fd);
		return ERR_FORMAT;
	}
	l->fd = fd;
	l->bytes = 0;
	l->failed = false;
	atomic_store(&l->turn, 0);
	return 0;
}

/* Whose turn it is writes; then it is the next one's. */
static void
flows_step(struct worker *w)
{
	struct listing *l = w->listing;
	char buf[FLOWS_PIECE];
	size_t n = engine_flow_list(w->engine, &w->flows_at, buf, sizeof(buf));
	unsigned next = w->index + 1;

	l->failed |= n != 0 && write(l->fd, buf, n) != (ssize_t)n;
	l->bytes += n;
	if (!l->failed && w->flows_at != ENGINE_FLOWS_END)
		return;
	w->flows_at = 0;
	if (l->failed)
		next = w->crew->n;
	atomic_store(&l->turn, next);
	if (w->crew->n > 1)
		w->be->wake(w->all[next < w->crew->n ? next : 0].io);
}

/* The lead: all have written. */
static void
flows_end(struct worker *w)
{
	struct listing *l = w->listing;

	if (l->fd < 0 || atomic_load(&l->turn) < w->crew->n)
		return;
	close(l->fd);
	l->fd = -1;
	(void)answer(w, l->failed ? ERR_IO : 0, l->bytes, "");
}

static int
on_stop(void *ctx, const struct msg *m, int fd)
{
	struct worker *w = ctx;

	(void)m;
	(void)fd;
	w->stop = true;
	return 0;
}

static const struct msg_rule rules[] = {
    {MSG_POLICY, MSG_F_FD, on_policy},
    {MSG_FLOWS, MSG_F_FD, on_flows},
    {MSG_SHADOW, MSG_F_FD, on_shadow},
    {MSG_SHADOW_END, 0, on_shadow_end},
    {MSG_PROMOTE, 0, on_promote},
    {MSG_PANIC, 0, on_panic},
    {MSG_EXPORT, MSG_F_FD | MSG_F_ONCE, on_export},
    {MSG_STOP, MSG_F_ONCE, on_stop},
    {MSG_NONE, 0, NULL},
};

static void
look_links(struct worker *w)
{
	for (unsigned i = 0; i < 2; i++) {
		bool carrier = atomic_load(&w->sh->carrier_lost[i]) == 0;

		atomic_store(&w->sh->link_lost[i], !w->be->link(w->io, i, carrier) && carrier);
	}
}

/* ... and the lead's. */
static void
look_lead(struct worker *w)
{
	if (w->be->link)
		look_links(w);
	if (!w->away)
		w->away = !guard_fast_alive();
	if (w->conf->gate)
		(void)gate_samples(w->conf->gate, on_sample, w);
	if (msg_run(&w->parent) < 0)
		w->stop = w->orphan = true; /* nobody is there who could stop it later */
	flows_end(w);
}

/* Everything that is rare. */
static void
look(struct worker *w)
{
	w->looked_ns = w->io->now_ns;
	if (w->policy)
		take_permits(w, false);
	if (w->index == 0)
		look_lead(w);
	if (w->alerts)
		(void)alerts_pump(w->alerts, w->io->now_ns);
	if (w->io->now_ns - w->published_ns >= PUBLISH_NS)
		publish(w, false);
}

/* --- life ------------------------------------------------------------------------------------ */

/* The rings are empty, and nothing comes into them while the kernel thinks that nobody is here: what
 * comes next belongs to connections of which an unknown part went by. */
static void
come_back(struct worker *w)
{
	engine_was_away(w->engine);
	guard_fast_back();
	w->away = false;
}

static bool
ends(const struct worker *w)
{
	return w->index == 0 ? w->stop : atomic_load_explicit(&w->crew->end, memory_order_acquire);
}

static void
loop(struct worker *w)
{
	const _Atomic unsigned *turn = &w->listing->turn;
	struct pkt burst[PKT_BURST];
	bool slept = false;

	while (!ends(w)) {
		int n;

		if (w->index != 0 && crew_called(w->crew)) {
			crew_stand(w->crew);
			continue;
		}
		n = w->be->rx(w->io, burst, w->deaf ? 0 : PKT_BURST);
		w->sh->loops++;
		account_sent(w);
		if (n > 0) {
			w->sh->bursts++;
			engine_burst(w->engine, burst,
			    limit_burst(&w->limiter, w->engine, burst, (unsigned)n, w->io->now_ns));
			w->be->done(w->io, burst, (unsigned)n);
			remember_sent(w, burst, (unsigned)n);
		} else if (n == 0 && !w->deaf) {
			engine_quiet(w->engine);
			if (w->away)
				come_back(w);
		}
		if ((n <= 0 && slept) || w->io->now_ns - w->looked_ns >= LOOK_NS) {
			engine_tick(w->engine, w->io->now_ns);
			look(w);
		}
		slept = false;
		if (atomic_load_explicit(turn, memory_order_acquire) == w->index)
			flows_step(w);
		else if (n <= 0 && !ends(w)) {
			bool held = engine_stats(w->engine)->held != 0;

			w->sh->sleeps++;
			w->be->wait(
			    w->io, w->index == 0 ? w->epoll : -1, held ? SLEEP_BUSY_US : SLEEP_US);
			slept = true;
		}
	}
}

/* What a worker says when it cannot begin. */
static _Noreturn void
refuse(struct worker *w, int code, const char *text)
{
	struct msg m = {.type = MSG_STOPPED, .result = code};

	(void)snprintf(m.text, sizeof(m.text), "%s", text);
	(void)msg_send(&w->parent, &m, -1);
	_exit(1);
}

static int
watch(struct worker *w, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data = {.fd = fd}};

	return fd >= 0 ? epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &ev) : 0;
}

/* Is a connection between these two this worker's? */
static bool
is_mine(const void *ctx, const struct net_addr *client, const struct net_addr *server)
{
	const struct worker *w = ctx;
	const unsigned from = net_addr_is4(client) ? 12 : 0;

	return w->be->owner(w->io, client->b + from, server->b + from, 16 - from) == w->index;
}

/* Connections of a predecessor.  What cannot be read is found again in the middle. */
static void
import(struct worker *w)
{
	struct stat st;
	void *p;

	if (fstat(w->conf->handover, &st) < 0 || st.st_size <= 0)
		return;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, w->conf->handover, 0);
	if (p == MAP_FAILED)
		return;
	for (unsigned i = 0; i < w->crew->n; i++) {
		struct worker *x = &w->all[i];
		const struct handover_part part = {.mine = is_mine, .ctx = x};
		struct handover got = {0};

		engine_tick(x->engine, clock_wall_ns());
		if (engine_import_part(
			x->engine, p, (size_t)st.st_size, w->crew->n > 1 ? &part : NULL, &got) == 0)
			w->imported += got.flows;
	}
	munmap(p, (size_t)st.st_size);
}

static const struct io_backend *
backend(const char *scheme)
{
	unsigned i = 0;

	while (io_backends[i] && strcmp(io_backends[i]->scheme, scheme) != 0)
		i++;
	return io_backends[i];
}

/* The io, the alerts and the engine of one of them. */
static void
prepare_one(struct worker *w, const struct fast_path *fast)
{
	const struct worker_conf *c = w->conf;
	const struct io_conf ic = {
	    .target = c->io_target, .ports = c->ports, .workers = c->workers, .seed = c->seed};
	const struct alerts_conf ac = {.policy = c->policy,
	    .shared = c->alerts,
	    .side = ALERTS_PACKET,
	    .packets = c->workers,
	    .packet = w->index,
	    .enforcing = true,
	    .fold_window_ns = ALERT_FOLD_WINDOW_NS};
	struct engine_conf ec = {.memory_bytes = c->memory_bytes / c->workers,
	    .seed = c->seed,
	    .inline_mode = true,
	    .policy = c->policy,
	    .classify = true,
	    .own_clock = true,
	    .fast = fast,
	    .mtu = {c->ports[0].mtu, c->ports[1].mtu}};
	char err[MSG_TEXT] = "";
	int r;

	if ((r = w->be->open(&w->io, &ic, w->index, err, sizeof(err))) < 0)
		refuse(&w->all[0], r, err);
	for (unsigned i = 0; i < 2; i++) {
		w->sh->mtu[i] = w->io->mtu[i];
		if (c->ports[i].mtu == 0)
			ec.mtu[i] = w->io->mtu[i];
	}
	if (c->alerts && !(w->alerts = alerts_new(&ac, err, sizeof(err))))
		refuse(&w->all[0], ERR_NOMEM, err);
	ec.io = w->io;
	ec.alerts = w->alerts;
	if (!(w->engine = engine_new(&ec)))
		refuse(&w->all[0], ERR_NOMEM,
		    "no memory for the engine; --memory sets how much it takes");
	set_budgets(w);
	engine_set_panic(w->engine, c->panic);
	if ((w->shadow = c->shadow) != NULL)
		engine_set_shadow(w->engine, w->shadow);
	engine_tick(w->engine, clock_wall_ns());
}

/* All that takes memory or a right. */
static void
prepare(struct worker *w)
{
	static struct io *io[GUARD_WORKERS];
	const struct worker_conf *c = w->conf;
	const struct fast_path *fast = NULL;
	char err[MSG_TEXT] = "";

	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll < 0 || watch(w, w->parent.fd) < 0 ||
	    watch(w, c->gate ? gate_sample_fd(c->gate) : -1) < 0)
		refuse(w, err_from_errno(errno), "epoll");
	if (c->ports[0].device)
		gate_quiet();
	if (!(w->be = backend(c->ports[0].device ? "dpdk" : "xdp")) ||
	    (c->workers > 1 && !w->be->run))
		refuse(w, ERR_UNSUPPORTED, "this build has no ports of this kind");
	if (c->fast_path && !(fast = guard_fast_open(c->gate, &w->policy, err, sizeof(err))))
		refuse(w, ERR_UNSUPPORTED, err);
	for (unsigned i = 0; i < c->workers; i++) {
		w->all[i].be = w->be;
		prepare_one(&w->all[i], fast);
		io[i] = w->all[i].io;
	}
	w->crew->io = io;
	limit_all(w, w->policy);
	w->imported = engine_take_over_fast(w->engine);
	if (c->handover >= 0)
		import(w);
}

/*
 * Nothing of it is paged out.  What is mapped later, images, only where the limit allows: a mapping
 * above it would fail, once the right to exceed it is gone.
 */
static void
lock_memory(struct worker *w)
{
	struct rlimit rl = {0, 0};

	(void)getrlimit(RLIMIT_MEMLOCK, &rl);
	if (mlockall(rl.rlim_cur == RLIM_INFINITY ? MCL_CURRENT | MCL_FUTURE : MCL_CURRENT) < 0)
		refuse(w, err_from_errno(errno), "its memory cannot be locked");
}

/* --- descriptors: what is the parent's goes, what was opened here stays ------------------------- */

#define FDS_MAX 1024

static bool before[FDS_MAX]; /* open when this process began */

static void
note_descriptors(void)
{
	for (int fd = 3; fd < FDS_MAX; fd++)
		before[fd] = fcntl(fd, F_GETFD) >= 0;
}

static void
leave_parent(struct worker *w)
{
	const struct worker_conf *c = w->conf;
	int samples = c->gate ? gate_sample_fd(c->gate) : -1;

	if (c->gate)
		gate_leave(c->gate, true);
	for (int fd = 3; fd < FDS_MAX; fd++)
		if (before[fd] && fd != c->sock && fd != samples)
			close(fd);
	(void)close_range(FDS_MAX, ~0u, 0);
}

/* The last step before the first packet. */
static void
confine(struct worker *w)
{
	const struct worker_conf *c = w->conf;
	const struct sandbox sb = {.role = SANDBOX_WORKER,
	    .uid = c->uid,
	    .gid = c->gid,
	    .with_parent = true,
	    .maps = c->fast_path,
	    .threads = w->be->threads,
	    .threads_of = w->io,
	    .driver = c->ports[0].device != NULL};
	char err[MSG_TEXT] = "";
	int r;

	leave_parent(w);
	lock_memory(w);
	if ((r = sandbox_enter(&sb, err, sizeof(err))) < 0)
		refuse(w, r, err);
}

static void
say_ready(struct worker *w)
{
	struct msg m = {.type = MSG_READY, .b = w->imported};

	for (unsigned i = 0; i < w->crew->n; i++)
		m.a += w->sh[i].engine.memory_bytes; /* as they were published */
	(void)msg_send(&w->parent, &m, -1);
}

/* The first numbers, and what is open, before the first packet. */
static void
begin(struct worker *w)
{
	w->io->now_ns = clock_wall_ns();
	w->sh->pid = (int32_t)getpid();
	memset(
	    w->sh->latency, 0, sizeof(w->sh->latency)); /* a predecessor's are added up (view.h) */
	w->sh->started_ns = w->all[0].io->now_ns;
	publish(w, false);
	if (w->policy)
		take_permits(w, false);
}

static void
finish(struct worker *w)
{
	const struct worker *lead = &w->all[0];

	/* What the kernel has of an orphan's connections stays with the kernel. */
	if (!lead->orphan && !lead->leave)
		engine_finish(w->engine);
	(void)w->be->rx(w->io, NULL, 0); /* sends what that has let go */
	if (w->alerts)			 /* storms that are open are told */
		(void)alerts_finish(w->alerts, w->io->now_ns);
	publish(w, false);
}

static int
follow(void *arg)
{
	struct worker *w = arg;

	loop(w);
	finish(w);
	atomic_fetch_add(&w->crew->ended, 1);
	return 0;
}

void
worker_run(const struct worker_conf *conf)
{
	/* not on the stack, so that it is locked with the rest */
	static struct worker all[GUARD_WORKERS];
	static struct crew crew;
	static struct listing listing = {.fd = -1};
	static struct limits limits;
	struct worker *w = &all[0];

	note_descriptors();
	(void)prctl(PR_SET_NAME, "guard-worker", 0, 0, 0);
	if (conf->alerts)
		alerts_shared_keep(conf->alerts, ALERTS_PACKET);
	crew.n = conf->workers;
	atomic_store(&listing.turn, crew.n);
	for (unsigned i = 0; i < crew.n; i++)
		all[i] = (struct worker){.conf = conf,
		    .index = i,
		    .all = all,
		    .crew = &crew,
		    .listing = &listing,
		    .sh = &conf->shared[i],
		    .policy = conf->policy,
		    .limiter = {.all = &limits, .count = conf->shared[i].limits},
		    .permits = {.follows = i != 0}};
	msg_init(&w->parent, conf->sock, rules, w);
	prepare(w);
	confine(w);
	for (unsigned i = 0; i < crew.n; i++)
		begin(&all[i]);
	guard_fast_back();
	guard_fast_hold(false);
	for (unsigned i = 1; i < crew.n; i++)
		if (w->be->run(all[i].io, follow, &all[i]) < 0)
			refuse(w, ERR_AGAIN, "a worker does not begin");
	say_ready(w);
	loop(w);
	crew_end(&crew);
	finish(w);
	(void)msg_say(&w->parent, MSG_STOPPED, 0);
	_exit(0);
}
