/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_stub.c - the parts of a guard's parent that talk: ctl, view, metrics, signer; without
 * ports and packets.
 *
 * usage: ctl_stub SOCKET POLICY [METRICS-ADDRESS [JOURNAL KEY EVE]]
 *
 * Its numbers are made up, and the same every time; `reload` builds the policy again, `flows` passes
 * a file, `reopen` and the alerts of start and stop go to a real signer.  Ends by `stop`.
 */
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef HAVE_XDP
#include "alerts/alert.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/jw.h"
#include "base/log.h"
#include "guard/ctl.h"
#include "guard/latency.h"
#include "guard/metrics.h"
#include "guard/msg.h"
#include "guard/signer.h"
#include "guard/view.h"
#include "policy/image.h"

static struct parent {
	struct guard_view v;
	struct guard_shared *shared;
	struct view_past *past;
	struct policy *policy;
	struct ctl *ctl;
	const char *policy_path;
	struct gate_totals totals;
	struct gate_count counts[2];
	struct view_process process[4];
	unsigned n_processes;
	struct alerts_shared *alerts_shared;
	struct signer_shared *signer;
	struct alerts *alerts;
	int signer_fd;
	pid_t signer_pid, metrics_pid;
	char error[256];
	struct permits permits;
	struct keep keep;
	bool stop;
} P;

static void *
map(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void
tell(enum guard_event event, const char *note)
{
	struct event ev = {.kind = EVENT_GUARD,
	    .cond = (uint8_t)event,
	    .ts_ns = clock_wall_ns(),
	    .note = note,
	    .verdict = {.rule = RULE_NONE, .conduit = RULE_NONE}};

	if (P.alerts)
		alerts_put(P.alerts, &ev);
}

static bool
load(char *err, size_t size)
{
	struct complaints c = {.file = P.policy_path};
	struct policy *pol = policy_build(P.policy_path, &c);

	if (!pol && c.n > 0)
		snprintf(err, size, "%s:%u:%u: %s", c.file, c.v[0].line, c.v[0].col, c.v[0].text);
	complaints_fini(&c);
	if (!pol)
		return false;
	policy_free(P.policy);
	P.policy = pol;
	return true;
}

/* Numbers of a worker. */
static void
make_up(void)
{
	struct guard_shared *s = P.shared;

	s->pid = 4711;
	s->started_ns = clock_wall_ns();
	s->generation = policy_generation(P.policy);
	s->engine.received = 1234567;
	s->engine.injected = 3;
	s->engine.forwarded = 1234500;
	s->engine.dropped[DROP_POLICY_PDU] = 60;
	s->engine.dropped[DROP_IP_CHECKSUM] = 6;
	s->engine.held = 4;
	s->engine.pdus = 600000;
	s->engine.verdicts[VERDICT_ALLOW] = 599940;
	s->engine.verdicts[VERDICT_DROP] = 60;
	s->engine.flows = 70;
	s->engine.flows_active = 50;
	s->rule_hits[0] = 599940;
	for (uint64_t i = 0; i < 10000; i++)
		lat_record(&s->latency[0], 30000 + i * 7, i > 9990 ? 90000 : 0);
	lat_record(&s->latency[GUARD_CONDUITS], 5000, 0);
	P.totals = (struct gate_totals){
	    .rx = {700000, 534600}, .to_engine = {700000, 534567}, .dropped = {0, 33}};
	P.counts[0] = (struct gate_count){"l2.policy", {0, 33}, {0, 2112}};
}

static void
refresh(void)
{
	view_tick(P.past, P.shared, P.policy, clock_wall_ns());
	P.v.now_ns = clock_wall_ns();
	P.v.policy = P.policy;
	P.v.policy_error = P.error;
	P.v.ctl = ctl_stats(P.ctl);
}

static uint64_t flows_token; /* who waits; 0 = nobody */

static void
flows(void)
{
	int fd = memfd_create("flows", MFD_CLOEXEC);

	if (fd >= 0 && dprintf(fd, "hmi1 plc-filler tcp 40000 502 open\n") > 0)
		ctl_answer_fd(P.ctl, flows_token, fd);
	ctl_answer(P.ctl, flows_token, 0, NULL, NULL, 0);
	if (fd >= 0)
		(void)close(fd);
	flows_token = 0;
}

static void
tell_permit(void *ctx, unsigned event, const char *note)
{
	(void)ctx;
	tell((enum guard_event)event, note);
}

static int
permit(const struct ctl_request *rq, struct jw *out, char *err, size_t size)
{
	const char *token = json_string_value(json_object_get(rq->args, "token"));
	const char *id = json_string_value(json_object_get(rq->args, "revoke"));
	char opened[PERMIT_TEXT];
	int r;

	if (!token == !id)
		return err_say(err, size, ERR_USAGE, "permit takes a token, or revoke and its id");
	r = id ? permits_revoke(&P.permits, P.policy, id, err, size)
	       : permits_open(&P.permits, P.policy, token, strlen(token), clock_wall_ns(), opened,
		     err, size);
	if (r == 0)
		jw_str(out, id ? "revoked" : "id", id ? id : opened);
	return r;
}

static int
act(void *ctx, struct ctl_request *rq, struct jw *out, char *err, size_t size)
{
	static char text[CTL_REPLY / 4];
	struct jw w = jw_make(text, sizeof(text));

	(void)ctx;
	refresh();
	switch ((enum ctl_verb)rq->id) {
	case CTL_status:
		view_status(out, &P.v);
		return 0;
	case CTL_counters:
		view_counters(out, &P.v);
		return 0;
	case CTL_metrics:
		view_metrics(&w, &P.v);
		jw_strn(out, "text", text, jw_len(&w));
		return w.full ? ERR_FULL : 0;
	case CTL_flows:
		flows_token = rq->token;
		return CTL_LATER;
	case CTL_reload:
		if (!load(err, size)) {
			snprintf(P.error, sizeof(P.error), "%s", err);
			P.v.policy_error_ns = clock_wall_ns();
			tell(GUARD_POLICY_REFUSED, err);
			return ERR_SYNTAX;
		}
		P.error[0] = '\0';
		/* As a worker does under another policy. */
		memset(P.shared->latency, 0, sizeof(P.shared->latency));
		memset(P.shared->rule_hits, 0, sizeof(P.shared->rule_hits));
		P.shared->generation = policy_generation(P.policy);
		tell(GUARD_POLICY_LOADED, P.policy_path);
		P.v.confirm_left_ns =
		    (uint64_t)json_integer_value(json_object_get(rq->args, "confirm_s")) * NS_PER_S;
		P.v.confirm_until_ns =
		    P.v.confirm_left_ns ? clock_wall_ns() + P.v.confirm_left_ns : 0;
		P.v.confirm_generation = 1;
		jw_u(out, "confirm_s", P.v.confirm_left_ns / NS_PER_S);
		jw_u(out, "generation", policy_generation(P.policy));
		return 0;
	case CTL_confirm:
		if (P.v.confirm_until_ns == 0)
			return err_say(err, size, ERR_USAGE, "no policy waits to be confirmed");
		P.v.confirm_until_ns = 0;
		jw_u(out, "generation", policy_generation(P.policy));
		return 0;
	case CTL_shadow:
		view_shadow(out, &P.v);
		return 0;
	case CTL_permit:
		return permit(rq, out, err, size);
	case CTL_permits:
		permits_write(&P.permits, out);
		return 0;
	case CTL_panic:
		P.v.panic = json_string_value(json_object_get(rq->args, "mode"));
		if (strcmp(P.v.panic, "island") == 0)
			P.v.panic = "island";
		else
			P.v.panic = strcmp(P.v.panic, "open") == 0 ? "open" : NULL;
		P.v.panic_by = "by user 0 (process 1)";
		P.v.panic_ns = clock_wall_ns();
		P.v.panic_until_ns = 0;
		jw_str(out, "mode", P.v.panic ? P.v.panic : "off");
		return 0;
	case CTL_reopen:
		return P.signer_pid ? signer_send_reopen(P.signer_fd) : 0;
	case CTL_stop:
		P.stop = true;
		return 0;
	default:
		return err_say(err, size, ERR_UNSUPPORTED, "%s: not here", rq->verb);
	}
}

static void
process(const char *name, pid_t pid)
{
	P.process[P.n_processes++] =
	    (struct view_process){.name = name, .pid = pid, .started_ns = clock_wall_ns()};
}

static int
start_signer(char **argv)
{
	struct signer_conf conf = {.journal_dir = argv[4],
	    .key_path = argv[5],
	    .eve_path = argv[6],
	    .sensor = "stub",
	    .enforcing = true};
	struct alerts_conf ac = {.side = ALERTS_PARENT};
	char err[256];
	int fd[2];

	P.alerts_shared = map(alerts_shared_bytes(1));
	P.signer = map(sizeof(*P.signer));
	if (!P.alerts_shared || !P.signer || msg_pair(fd) < 0)
		return -1;
	alerts_shared_init(P.alerts_shared, 1);
	ac.shared = conf.alerts = P.alerts_shared;
	conf.shared = P.signer;
	conf.fd = fd[1];
	P.signer_fd = fd[0];
	P.signer_pid = fork();
	if (P.signer_pid == 0) {
		(void)close(fd[0]);
		_exit(signer_run(&conf));
	}
	(void)close(fd[1]);
	P.alerts = alerts_new(&ac, err, sizeof(err));
	process("signer", P.signer_pid);
	P.v.signer = P.signer;
	P.v.journal_dir = argv[4];
	P.v.eve_path = argv[6];
	P.v.journal_max = UINT64_C(4) << 30;
	tell(GUARD_STARTED, "eth1 and eth2");
	return P.alerts ? 0 : -1;
}

static int
start_metrics(const char *address)
{
#ifdef HAVE_METRICS
	char err[256];
	int fd[2], l = metrics_listen(address, err, sizeof(err));

	if (l < 0) {
		log_error("%s", err);
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) != 0 ||
	    ctl_adopt(P.ctl, fd[0], false) < 0)
		return -1;
	P.metrics_pid = fork();
	if (P.metrics_pid == 0) {
		const struct metrics_conf conf = {.listen_fd = l, .ctl_fd = fd[1]};

		(void)close(fd[0]);
		_exit(metrics_run(&conf));
	}
	(void)close(fd[1]);
	(void)close(l);
	process("metrics", P.metrics_pid);
	return 0;
#else
	(void)address;
	return 0;
#endif
}

int
main(int argc, char **argv)
{
	struct ctl_conf conf = {.viewer_gid = 65534, .admin_gid = CTL_NO_GROUP, .act = act};
	char err[256] = "", keep[256];

	if (argc < 3)
		return 2;
	log_set_level(LOG_L_INFO);
	(void)signal(SIGPIPE, SIG_IGN);
	conf.path = argv[1];
	(void)snprintf(keep, sizeof(keep), "%s.keep", argv[1]);
	P.policy_path = argv[2];
	P.shared = map(sizeof(*P.shared));
	P.past = view_past_new();
	if (policy_slots_reserve() < 0 || !load(err, sizeof(err)) || !P.shared || !P.past ||
	    keep_init(&P.keep, keep, "outside", err, sizeof(err)) < 0 ||
	    !(P.ctl = ctl_open(&conf, err, sizeof(err)))) {
		log_error("%s", err);
		return 2;
	}
	P.permits = (struct permits){
	    .sh = &P.shared->permits, .tell = tell_permit, .used = {.keep = &P.keep}};
	make_up();
	process("worker", 4711);
	P.v = (struct guard_view){.started_ns = clock_wall_ns(),
	    .shared = P.shared,
	    .past = P.past,
	    .policy_path = P.policy_path,
	    .policy_ns = clock_wall_ns(),
	    .gate = &P.totals,
	    .counts = P.counts,
	    .n_counts = 1,
	    .process = P.process,
	    .port = {{.name = "eth1", .link = true, .mtu = 1500, .queues = 4, .mode = "native"},
		{.name = "eth2", .link = true, .mtu = 1500, .queues = 4, .mode = "native"}}};
	if ((argc > 6 && start_signer(argv) < 0) || (argc > 3 && start_metrics(argv[3]) < 0))
		return 2;
	P.v.n_processes = P.n_processes;
	while (!P.stop) {
		struct pollfd p = {.fd = ctl_fd(P.ctl), .events = POLLIN};

		(void)poll(&p, 1, 200);
		ctl_run(P.ctl, clock_mono_ns());
		permits_step(&P.permits, P.policy, clock_wall_ns());
		if (flows_token)
			flows();
	}
	ctl_close(P.ctl);
	if (P.signer_pid) {
		int status;

		tell(GUARD_STOPPED, NULL);
		(void)signer_send_stop(P.signer_fd);
		if (waitpid(P.signer_pid, &status, 0) != P.signer_pid || status != 0)
			return 1;
	}
	if (P.metrics_pid)
		(void)waitpid(P.metrics_pid, NULL, 0);
	policy_free(P.policy);
	view_past_free(P.past);
	return 0;
}
#else
int
main(void)
{
	puts("built without xdp");
	return 77;
}
#endif
