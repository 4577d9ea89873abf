/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - the loop of replay and why: io, engine, alerts, io. */
#include "cli/run.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alerts/alert.h"
#include "base/clock.h"
#include "base/err.h"
#include "cli/cli.h"

#define PROGRESS_AFTER_NS (NS_PER_S)
#define PROGRESS_EVERY_NS (NS_PER_S / 5)
#define PROGRESS_BURSTS	  256u /* the clock is read once in so many */
#define WAIT_US		  100000u
#define DRAIN_NS	  (NS_PER_S / 4) /* longer than libpcap's time-out of a block */
#define RECORD_HEAD	  16u  /* of a frame in a pcap file */

static volatile sig_atomic_t interrupted;

static void
on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

static void __attribute__((format(printf, 2, 3))) fail(struct run_result *r, const char *fmt, ...)
{
	char text[RUN_ERR_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!r->quiet)
		cli_say("%s", text);
	r->status = EXIT_UNABLE;
	if (r->error[0] == '\0')
		memcpy(r->error, text, sizeof(r->error));
}

struct progress {
	bool on, shown;
	unsigned bursts;
	uint64_t begin_ns, next_ns;
	uint64_t file_bytes; /* 0 = not known */
};

static void
progress_init(struct progress *p, const char *path, bool wanted)
{
	struct stat st;

	*p = (struct progress){.on = wanted && isatty(STDERR_FILENO)};
	if (!p->on)
		return;
	p->begin_ns = clock_mono_ns();
	p->next_ns = p->begin_ns + PROGRESS_AFTER_NS;
	if (strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode))
		p->file_bytes = (uint64_t)st.st_size;
}

static void
progress_step(struct progress *p, const char *path, struct engine *e)
{
	const struct engine_stats *st;
	uint64_t now, done;

	if (!p->on || ++p->bursts % PROGRESS_BURSTS != 0)
		return;
	if ((now = clock_mono_ns()) < p->next_ns)
		return;
	st = engine_stats(e);
	done = st->bytes + st->received * RECORD_HEAD;
	p->next_ns = now + PROGRESS_EVERY_NS;
	p->shown = true;
	fprintf(stderr, "\r%s: %llu frames, %llu PDUs", path, (unsigned long long)st->received,
	    (unsigned long long)st->pdus);
	/* Frames that the capture cut make this an estimate. */
	if (p->file_bytes != 0)
		fprintf(stderr, ", %u %%",
		    done < p->file_bytes ? (unsigned)(done * 100 / p->file_bytes) : 100);
	fputs("\033[K", stderr);
}

static void
progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
}

static void
pump(const struct run_conf *conf, struct run_result *r, uint64_t now_ns)
{
	int rc;

	if (!conf->alerts || (rc = alerts_pump(conf->alerts, now_ns)) >= 0)
		return;
	if (r->status == EXIT_OK)
		fail(r, "%s",
		    *alerts_error(conf->alerts) ? alerts_error(conf->alerts) : err_str(rc));
	r->status = EXIT_UNABLE;
}

/* As if each had been given to a guard the moment it was good. */
static void
open_permits(const struct run_conf *conf, struct engine *e)
{
	static struct policy_permit fit;
	char err[256];

	for (unsigned i = 0; i < conf->n_permits && i < PERMITS_MAX; i++) {
		const struct permit *m = &conf->permits[i];

		if (policy_permit_fit(conf->policy, m, &fit, err, sizeof(err)) == 0)
			windows_permit(engine_permits(e), i, &fit, m,
			    policy_permit_until(conf->policy, m, &fit, m->from_s));
	}
}

/* Told to end: a capture at once; of an interface what the kernel still holds back is taken first. */
static bool
go_on(const struct io *io, uint64_t *drained_ns)
{
	if (!interrupted)
		return true;
	if (!io->be->wait)
		return false;
	if (*drained_ns == 0)
		*drained_ns = clock_mono_ns() + DRAIN_NS;
	return clock_mono_ns() < *drained_ns;
}

static void
loop(const char *path, const struct run_conf *conf, struct io *io, struct engine *e,
    struct run_result *r)
{
	struct pkt burst[PKT_BURST];
	struct progress progress;
	uint64_t drained_ns = 0, left = conf->packets ? conf->packets : UINT64_MAX;
	bool more = true;
	int n = 0;

	progress_init(&progress, path, conf->progress);
	r->judged_ns = clock_mono_ns();
	while (more && left > 0 && go_on(io, &drained_ns) &&
	       (n = io->be->rx(io, burst, left < PKT_BURST ? (unsigned)left : PKT_BURST)) >= 0) {
		more = conf->until_ns == 0 || clock_mono_ns() < conf->until_ns;
		if (io->be->wait && conf->on_turn)
			more &= conf->on_turn(conf->ctx, io, e);
		if (n == 0) { /* an interface: time goes on all the same */
			engine_tick(e, io->now_ns);
			pump(conf, r, io->now_ns);
			if (io->be->wait && more)
				io->be->wait(io, -1, WAIT_US);
			continue;
		}
		if (r->first_ns == 0)
			r->first_ns = r->last_ns = burst[0].ts_ns;
		if (burst[n - 1].ts_ns > r->last_ns)
			r->last_ns = burst[n - 1].ts_ns;
		more &= !conf->on_burst || conf->on_burst(conf->ctx, burst, (unsigned)n);
		engine_burst(e, burst, (unsigned)n);
		pump(conf, r, burst[n - 1].ts_ns);
		io->be->done(io, burst, (unsigned)n);
		left -= (unsigned)n;
		progress_step(&progress, path, e);
	}
	r->judged_ns = clock_mono_ns() - r->judged_ns;
	progress_end(&progress);
	if (io->be->wait) {
		struct io_stats st;

		io->be->stats(io, &st);
		r->missed = st.rx_dropped;
	}
	if (interrupted && io->be->wait) /* an interface has no other end */
		interrupted = 0;
	else if (interrupted)
		fail(r, "%s: interrupted after %llu frames", path,
		    (unsigned long long)engine_stats(e)->received);
	else if (n < 0 && n != ERR_EOF)
		fail(r, "%s; %llu frame%s before it judged", io->be->err_text(io),
		    (unsigned long long)engine_stats(e)->received,
		    engine_stats(e)->received == 1 ? "" : "s");
	if (conf->on_end)
		conf->on_end(conf->ctx);
	engine_finish(e);
	pump(conf, r, r->last_ns);
}

void
run_capture(const char *path, const struct run_conf *conf, struct run_result *out)
{
	struct engine_conf ec = {
	    .memory_bytes = conf->memory_bytes,
	    .seed = conf->seed ? conf->seed : RUN_SEED,
	    .inline_mode = conf->inline_mode,
	    .policy = conf->policy,
	    .alerts = conf->alerts,
	    .on_fact = conf->on_fact,
	    .on_known = conf->on_known,
	    .on_packet = conf->on_packet,
	    .on_event = conf->on_event,
	    .on_cert = conf->on_cert,
	    .ctx = conf->ctx,
	    .classify = true,
	};
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	char err[RUN_ERR_SIZE] = "";
	struct engine *e = NULL;
	const struct io_backend *be;
	struct io *io = NULL;
	int rc;

	*out = (struct run_result){.status = EXIT_OK, .balanced = true, .quiet = conf->quiet};
	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	if ((rc = io_open(&io, path, conf->write_to, err, sizeof(err))) < 0) {
		fail(out, "%s", *err ? err : err_str(rc));
		return;
	}
	be = io->be;
	ec.io = io;
	if (be->wait) { /* timeout(1) sends it twice, and what was seen is to be written */
		sa.sa_flags = 0;
		(void)sigaction(SIGINT, &sa, NULL);
		(void)sigaction(SIGTERM, &sa, NULL);
	}
	if (!(e = engine_new(&ec))) {
		fail(out, "%s: no memory for the engine; --memory sets how much it takes", path);
	} else if (!conf->on_start || conf->on_start(conf->ctx, e)) {
		out->max_flows = engine_max_flows(e);
		open_permits(conf, e);
		loop(path, conf, io, e, out);
		out->stats = *engine_stats(e);
		out->balanced = engine_balanced(&out->stats);
		out->n_rules = engine_policy(e) ? policy_rule_count(engine_policy(e)) : 0;
		if (out->n_rules != 0 &&
		    (out->rule_hits = calloc(out->n_rules, sizeof(*out->rule_hits))))
			memcpy(out->rule_hits, engine_rule_hits(e),
			    out->n_rules * sizeof(*out->rule_hits));
		if (!out->balanced || out->stats.held != 0)
			fail(out, "%s: internal error: the packet balance does not hold", path);
	} else {
		out->status = EXIT_UNABLE;
	}
	if ((rc = be->close(io)) < 0 && out->status == EXIT_OK)
		fail(out, "%s", be->err_text(NULL));
	engine_free(e);
}

void
run_result_fini(struct run_result *r)
{
	free(r->rule_hits);
	r->rule_hits = NULL;
}
