// SPDX-License-Identifier: Apache-2.0
/*
 * window_test.c - when windows are open, against python's zoneinfo; what is open at which step;
 * what a permit opens; and that a new connection and a request are refused outside.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crypto.h"
#include "policy/window.h"

#define S	      UINT64_C(1000000000)
#define SET(to, text) snprintf(to, sizeof(to), "%s", text)

static char text[65536];

static struct policy *
build(const char *t)
{
	struct complaints c = {0};
	struct policy *p = policy_build_text("t", t, strlen(t), &c);

	if (!p)
		complaints_print(&c, stderr);
	complaints_fini(&c);
	assert_non_null(p);
	return p;
}

/* --- hours --------------------------------------------------------------------------------- */

static const char *const zones[] = {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
    "Africa/Casablanca", "Asia/Kolkata", "UTC", "Pacific/Apia", "America/St_Johns"};
static const char *const whens[] = {"Sun 22:00-02:00", "Mon-Fri 06:00-22:00", "daily 00:00-24:00",
    "Sun 02:00-03:00", "Sun 02:10-02:50", "Sun 01:00-02:30", "Sat,Sun 23:30-00:30",
    "Fri-Mon 12:00-11:59", "daily 02:15-02:45", "2026-03-29 01:30..2026-03-29 03:10",
    "2026-10-25 02:30..2026-10-25 02:45", "2011-12-29 12:00..2012-01-01 00:00", "Thu 00:00-00:01"};
#define ZONES (sizeof(zones) / sizeof(zones[0]))
#define WHENS (sizeof(whens) / sizeof(whens[0]))

static uint64_t rng = 26;

static uint32_t
rnd(uint32_t n)
{
	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(rng >> 33) % n;
}

/* Where clocks change, and anywhere else, past and to come. */
static int64_t
random_time(void)
{
	static const int64_t changes[] = {1774746000, 1792890000, 1772953200, 1793512800,
	    1775314800, 1325203200, 1325239200, 946684800, 1743300000, 1761440400, 1771120800,
	    1774144800};

	if (rnd(2))
		return changes[rnd(12)] - 7200 + rnd(14400);
	return 694224000 + (int64_t)rnd(2000000000); /* 1992 to 2055 */
}

extern char **environ;

/* The exit status; -1: there is no python. */
static int
python(const char *script, const char *in, const char *out)
{
	char *argv[] = {(char *)(uintptr_t) "python3", (char *)(uintptr_t)script, NULL};
	posix_spawn_file_actions_t fa;
	int status = -1;
	pid_t pid;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 0, in, O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&fa, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (posix_spawnp(&pid, argv[0], &fa, NULL, argv, environ) != 0)
		status = -1;
	else if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		status = 99;
	else
		status = WEXITSTATUS(status);
	posix_spawn_file_actions_destroy(&fa);
	return status == 127 ? -1 : status;
}

static void
hours_as_zoneinfo(void **state)
{
	enum { N = 20000 };
	static struct {
		unsigned zone, when;
		int64_t at;
	} q[N];
	char in[] = "/tmp/window_test.XXXXXX", out[] = "/tmp/window_test.XXXXXX";
	struct policy *p[ZONES];
	unsigned open = 0;
	FILE *f;
	int r;

	(void)state;
	for (unsigned z = 0; z < ZONES; z++) {
		size_t n =
		    (size_t)snprintf(text, sizeof(text), "interlock: 1\nmode: alert\nwindows:\n");

		for (unsigned w = 0; w < WHENS; w++)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    "  w%u: {when: \"%s\", tz: %s}\n", w, whens[w], zones[z]);
		p[z] = build(text);
	}
	f = fdopen(mkstemp(in), "w");
	assert_non_null(f);
	for (unsigned i = 0; i < N; i++) {
		q[i].zone = rnd(ZONES);
		q[i].when = rnd(WHENS);
		q[i].at = random_time();
		fprintf(
		    f, "%s\t%s\t%lld\n", zones[q[i].zone], whens[q[i].when], (long long)q[i].at);
	}
	fclose(f);
	close(mkstemp(out));
	r = python("tests/tools/zone_hours.py", in, out);
	unlink(in);
	if (r < 0) {
		unlink(out);
		skip();
	}
	assert_int_equal(r, 0);
	f = fopen(out, "r");
	assert_non_null(f);
	for (unsigned i = 0; i < N; i++) {
		int want = -1, got = (int)(policy_hours(p[q[i].zone], q[i].at) >> q[i].when & 1);

		assert_int_equal(fscanf(f, "%d", &want), 1);
		if (want != got)
			print_error("%s, %s at %lld: zoneinfo %d, window %d\n", zones[q[i].zone],
			    whens[q[i].when], (long long)q[i].at, want, got);
		assert_int_equal(got, want);
		open += (unsigned)got;
	}
	fclose(f);
	unlink(out);
	assert_true(open > N / 10 && open < N * 9 / 10); /* both were asked for */
	for (unsigned z = 0; z < ZONES; z++)
		policy_free(p[z]);
}

/* A clock that is put back shows times twice, one put forward leaves some out. */
static void
summer_time(void **state)
{
	struct policy *p = build("interlock: 1\nmode: alert\nwindows:\n"
				 "  night: {when: \"Sun 02:15-02:45\", tz: Europe/Berlin}\n");
	unsigned turns = 0;
	bool was = false, is;

	(void)state;
	/* 2026-03-29 01:00 UTC: 02:00 becomes 03:00, and there is no 02:15. */
	for (int64_t t = 1774735200; t < 1774756800; t += 60)
		assert_int_equal(policy_hours(p, t), 0);
	/* 2026-10-25 01:00 UTC: 03:00 becomes 02:00; it is 02:15 at 00:15 and 01:15 UTC. */
	for (int64_t t = 1792879200; t < 1792900800; t += 60, was = is) {
		is = policy_hours(p, t) != 0;
		turns += is && !was;
		assert_int_equal(
		    is, (t >= 1792887300 && t < 1792889100) || (t >= 1792890900 && t < 1792892700));
	}
	assert_int_equal(turns, 2);
	policy_free(p);
}

/* --- steps --------------------------------------------------------------------------------- */

#define PLANT                                                                                      \
	"interlock: 1\nmode: enforce\nsite: plant-7\n"                                             \
	"permits: {keys: [11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo], max: 3h, grace: 60s}\n"    \
	"windows:\n"                                                                               \
	"  shift: {when: \"daily 06:00-22:00\", tz: UTC}\n"                                        \
	"  service: {when: \"daily 10:00-12:00\", tz: UTC, needs: permit, max: 1h}\n"              \
	"zones: {a: {nets: [10.0.1.0/24]}, b: {nets: [10.0.2.0/24]}}\n"                            \
	"devices: {hmi: {zone: a, ip: 10.0.1.1}, eng: {zone: a, ip: 10.0.1.2}, eng2: {zone: a, "   \
	"ip: 10.0.1.3},\n"                                                                         \
	"  plc: {zone: b, ip: 10.0.2.1}}\n"                                                        \
	"conduits:\n"                                                                              \
	"  - name: day\n    from: [hmi]\n    to: [plc]\n    otherwise: reject\n"                   \
	"    modbus:\n      addressing: zero-based\n"                                              \
	"      deny: [{name: never, units: 1, functions: 6, holding: 7}]\n"                        \
	"      allow:\n"                                                                           \
	"        - {name: poll, units: 1, functions: 3, holding: all}\n"                           \
	"        - {name: set, units: 1, functions: 6, holding: 0..9, only-in: shift}\n"           \
	"  - name: service\n    from: [eng, eng2]\n    to: [plc]\n    only-in: service\n    "      \
	"icmp: [echo]\n"                                                                           \
	"    s7: {allow: [{name: any, functions: all, read: all, write: all}]}\n"

#define NOON UINT64_C(1800090000) /* 2027-01-16 09:00 UTC */
#define HOUR UINT64_C(3600)

static void
steps_and_grace(void **state)
{
	struct policy *p = build(PLANT);
	struct windows w = {0};
	uint64_t t = NOON - 3 * HOUR - 2, steady = 5 * S; /* 05:59:58 */

	(void)state;
	assert_int_equal(policy_window_count(p), 2);
	assert_false(windows_step(&w, p, (int64_t)t, steady, true));
	assert_int_equal(w.clock.open, 0);
	t += 2;
	assert_false(windows_step(&w, p, (int64_t)t, steady += 2 * S, true));
	assert_int_equal(w.clock.open, 1); /* service needs a permit, its hours are not yet */
	assert_int_equal(w.clock.hours, 1);
	t += 16 * HOUR;
	assert_false(windows_step(&w, p, (int64_t)t, steady += 16 * HOUR * S, true));
	assert_int_equal(w.clock.open, 0); /* 22:00 */
	assert_int_equal(w.clock.grace, 1);
	assert_false(windows_step(&w, p, (int64_t)t + 59, steady + 59 * S, true));
	assert_int_equal(w.clock.grace, 1);
	assert_true(windows_step(&w, p, (int64_t)t + 60, steady + 60 * S, true));
	assert_int_equal(w.clock.grace, 0);
	/* A clock that is not to be believed opens nothing, and closes what is open. */
	assert_false(windows_step(&w, p, (int64_t)NOON, steady += HOUR * S, true));
	assert_int_equal(w.clock.open, 1);
	assert_false(windows_step(&w, p, (int64_t)NOON + 1, steady += S, false));
	assert_int_equal(w.clock.open, 0);
	assert_int_equal(w.clock.grace, 1);
	/* and its grace is of the steady one */
	assert_true(windows_step(&w, p, 0, steady += 60 * S, false));
	assert_false(windows_step(&w, p, (int64_t)NOON + 70, steady += S, true));
	assert_int_equal(w.clock.open, 1);
	policy_free(p);
}

/* --- permits ------------------------------------------------------------------------------- */

static struct permit
a_permit(void)
{
	struct permit m = {.id = "p1",
	    .by = "J. Doe, order 4711",
	    .site = "plant-7",
	    .window = "service",
	    .n_from = 1,
	    .n_to = 1,
	    .from = {"eng"},
	    .to = {"plc"},
	    .from_s = NOON,
	    .until_s = NOON + 9 * HOUR};
	size_t n;

	assert_int_equal(
	    crypto_b64url_decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", 43, m.key, 32, &n),
	    0);
	return m;
}

static void
fits(void **state)
{
	struct policy *p = build(PLANT);
	struct policy_permit fit;
	struct permit m = a_permit();
	char err[256];

	(void)state;
	assert_int_equal(policy_permit_fit(p, &m, &fit, err, sizeof(err)), 0);
	assert_int_equal(fit.windows, 2);
	assert_true(fit.all);
	assert_int_equal(
	    policy_permit_until(p, &m, &fit, NOON), NOON + HOUR); /* max: of the window */
	m.max_s = 600;
	assert_int_equal(policy_permit_until(p, &m, &fit, NOON), NOON + 600);
	m.max_s = 0;
	m.window[0] = '\0';
	assert_true(policy_permit_fit(p, &m, &fit, err, sizeof(err)) < 0);
	SET(m.conduit, "service");
	assert_int_equal(policy_permit_fit(p, &m, &fit, err, sizeof(err)), 0);
	assert_int_equal(
	    policy_permit_until(p, &m, &fit, NOON), NOON + HOUR); /* still the window's */
	SET(m.conduit, "day");
	assert_true(policy_permit_fit(p, &m, &fit, err, sizeof(err)) < 0);
	SET(m.window, "shift");
	assert_true(policy_permit_fit(p, &m, &fit, err, sizeof(err)) < 0);
	assert_string_equal(err, "window \"shift\" needs no permit");
	m = a_permit();
	SET(m.to[0], "plc9");
	assert_true(policy_permit_fit(p, &m, &fit, err, sizeof(err)) < 0);
	assert_string_equal(err, "to: the policy has no device \"plc9\"");
	m = a_permit();
	SET(m.site, "plant-8");
	assert_true(policy_permit_fit(p, &m, &fit, err, sizeof(err)) < 0);
	m = a_permit();
	m.key[3] ^= 1;
	assert_true(policy_permit_fit(p, &m, &fit, err, sizeof(err)) < 0);
	assert_string_equal(err, "signed by a key that is not among permits: keys");
	m = a_permit();
	m.n_functions = 1;
	SET(m.functions[0], "uplaod");
	assert_true(policy_permit_fit(p, &m, &fit, err, sizeof(err)) < 0);
	SET(m.functions[0], "upload");
	assert_int_equal(policy_permit_fit(p, &m, &fit, err, sizeof(err)), 0);
	policy_free(p);
}

static struct net_tuple
tuple(const char *from, const char *to, uint16_t port)
{
	struct net_tuple t = {.dport = port, .sport = 40000, .proto = NET_PROTO_TCP};

	assert_int_equal(net_addr_parse(from, &t.src), 0);
	assert_int_equal(net_addr_parse(to, &t.dst), 0);
	return t;
}

/* Request with a function of a protocol, touching nothing. */
static struct fact
request(const char *proto, const char *op)
{
	struct fact f = {.kind = FACT_REQUEST, .op = op, .sub = FACT_NO_SUB, .unit = 1};
	const struct dissector *d = dissector_lookup(proto, &f.proto);

	assert_non_null(d);
	for (unsigned i = 0; i < d->schema->n_ops; i++)
		if (strcmp(d->schema->ops[i].name, op) == 0) {
			f.opx = d->schema->ops[i].opx;
			f.code = d->schema->ops[i].code;
			f.access = d->schema->ops[i].access;
			return f;
		}
	fail();
	return f;
}

static void
write_register(struct fact *f, uint32_t at)
{
	const struct dis_schema *sc = dissectors[f->proto]->schema;
	static const uint8_t zero[2];

	f->n_items = 1;
	f->item = (struct fact_item){
	    .access = ACC_WRITE, .first = at, .count = 1, .vals = zero, .enc = ENC_U16_BE};
	for (unsigned s = 0; s < sc->n_spaces; s++)
		if (strcmp(sc->spaces[s].name, "holding") == 0)
			f->item.space = (uint8_t)s;
}

static void
rule_outside(void **state)
{
	struct policy *p = build(PLANT);
	struct net_tuple t = tuple("10.0.1.1", "10.0.2.1", 502);
	struct policy_clock c = {.open = 1, .hours = 1};
	struct fact f = request("modbus", "write_single_register");
	struct policy_bind b;
	struct verdict v;

	(void)state;
	assert_int_equal(
	    policy_bind_in(p, &t, NULL, &b).would, VERDICT_ALLOW); /* the conduit is open */
	assert_true(b.flags & BIND_WINDOW);
	write_register(&f, 5);
	assert_int_equal(policy_eval_in(p, &b, &f, &c, &t, NULL).would, VERDICT_ALLOW);
	c.open = 0;
	v = policy_eval_in(p, &b, &f, &c, &t, NULL);
	assert_int_equal(v.action, VERDICT_REJECT);
	assert_int_equal(v.reason, REASON_WINDOW);
	assert_string_equal(policy_window_name(p, v.rule), "shift");
	assert_int_equal(policy_eval(p, &b, &f).reason, REASON_WINDOW); /* no clock: closed */
	write_register(&f, 7);						/* denied at any time */
	assert_int_equal(policy_eval_in(p, &b, &f, &c, &t, NULL).reason, REASON_RULE);
	write_register(&f, 70); /* allowed at no time */
	assert_int_equal(policy_eval_in(p, &b, &f, &c, &t, NULL).reason, REASON_OTHERWISE);
	policy_free(p);
}

static void
permit_opens(void **state)
{
	struct policy *p = build(PLANT);
	struct net_tuple t = tuple("10.0.1.2", "10.0.2.1", 102),
			 t2 = tuple("10.0.1.3", "10.0.2.1", 102);
	struct policy_icmp ping = {.t = &t, .type = 8};
	struct fact get = request("s7", "start_upload"), put = request("s7", "request_download"),
		    part;
	struct permit m = a_permit();
	struct policy_permit fit;
	struct policy_bind b, b2;
	struct windows w = {0};
	struct verdict v;
	char err[256];
	uint64_t at = NOON + 80 * 60; /* 10:20 */

	(void)state;
	m.n_functions = 1;
	SET(m.functions[0], "download");
	assert_int_equal(policy_permit_fit(p, &m, &fit, err, sizeof(err)), 0);
	(void)windows_step(&w, p, (int64_t)at, S, true);
	v = policy_bind_in(p, &t, &w.clock, &b);
	assert_int_equal(v.would, VERDICT_DROP);
	assert_int_equal(v.reason, REASON_WINDOW);
	assert_string_equal(policy_window_name(p, v.rule), "service");
	assert_int_equal(policy_eval_icmp_in(p, &ping, &w.clock).reason, REASON_WINDOW);
	assert_int_equal(policy_eval_in(p, &b, &put, &w.clock, &t, NULL).reason, REASON_WINDOW);

	windows_permit(&w, 3, &fit, &m, policy_permit_until(p, &m, &fit, at));
	(void)windows_step(&w, p, (int64_t)at + 1, 2 * S, true);
	assert_int_equal(policy_bind_in(p, &t, &w.clock, &b).would, VERDICT_ALLOW);
	assert_int_equal(
	    policy_bind_in(p, &t2, &w.clock, &b2).reason, REASON_WINDOW); /* not for eng2 */
	assert_int_equal(policy_eval_icmp_in(p, &ping, &w.clock).would, VERDICT_ALLOW);
	v = policy_eval_in(p, &b, &put, &w.clock, &t, NULL);
	assert_int_equal(v.action, VERDICT_ALERT); /* it programs: told */
	assert_int_equal(v.reason, REASON_RULE);
	assert_int_equal(v.permit, 4);
	assert_int_equal(policy_eval_in(p, &b, &get, &w.clock, &t, NULL).reason,
	    REASON_WINDOW); /* other function */
	assert_int_equal(policy_eval_in(p, &b2, &put, &w.clock, &t2, NULL).reason, REASON_WINDOW);

	windows_revoke(&w, 3, 12 * S);
	assert_false(windows_step(&w, p, (int64_t)at + 2, 3 * S, true));
	assert_int_equal(policy_eval_in(p, &b, &put, &w.clock, &t, NULL).reason, REASON_WINDOW);
	part = put;
	part.goes_on = true; /* of a transfer that runs */
	assert_int_equal(policy_eval_in(p, &b, &part, &w.clock, &t, NULL).action, VERDICT_ALERT);
	assert_true(policy_conduit_open(p, b.conduit, &w.clock, &t, true));
	assert_false(policy_conduit_open(p, b.conduit, &w.clock, &t, false));
	assert_true(windows_step(&w, p, (int64_t)at + 11, 12 * S, true)); /* its grace is over */
	assert_int_equal(policy_eval_in(p, &b, &part, &w.clock, &t, NULL).reason, REASON_WINDOW);
	assert_false(policy_conduit_open(p, b.conduit, &w.clock, &t, true));

	/* By itself: its time, then the hours of its window. */
	windows_permit(&w, 0, &fit, &m, at + 100);
	assert_false(windows_step(&w, p, (int64_t)at + 99, 20 * S, true));
	assert_int_equal(w.clock.permits, 1);
	assert_false(windows_step(&w, p, (int64_t)at + 100, 21 * S, true));
	assert_int_equal(w.clock.permits, 0);
	assert_int_equal(w.clock.ending, 1);
	assert_true(windows_step(&w, p, (int64_t)at + 161, 82 * S, true));
	windows_permit(&w, 0, &fit, &m, NOON + 9 * HOUR);
	assert_false(windows_step(&w, p, (int64_t)(NOON + 3 * HOUR) - 1, 90 * S, true));
	assert_int_equal(w.clock.permits, 1);
	assert_false(windows_step(&w, p, (int64_t)(NOON + 3 * HOUR), 91 * S, true)); /* 12:00 */
	assert_int_equal(w.clock.permits, 0);
	assert_int_equal(w.clock.ending, 1);
	policy_free(p);
}

#define NARROW                                                                                     \
	"interlock: 1\nmode: enforce\nsite: plant-7\n"                                             \
	"permits: {keys: [11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo]}\n"                         \
	"windows: {service: {when: \"daily 00:00-24:00\", tz: UTC, needs: permit}}\n"              \
	"zones: {a: {nets: [10.0.1.0/24]}, b: {nets: [10.0.2.0/24]}}\n"                            \
	"devices: {eng: {zone: a, ip: 10.0.1.2}, plc: {zone: b, ip: 10.0.2.1}}\n"                  \
	"conduits:\n"                                                                              \
	"  - name: c\n    from: [eng]\n    to: [plc]\n"                                            \
	"    l4: [{name: web, ports: [443]}]\n"                                                    \
	"    modbus:\n      addressing: zero-based\n      allow:\n"                                \
	"        - {name: poll, units: 1, functions: 16, holding: 0..9}\n"                         \
	"        - {name: set, units: 1, functions: 16, holding: 10..19, only-in: service}\n"      \
	"        - {name: tune, units: 1, functions: 16, holding: 20..29, only-in: service}\n"     \
	"    s7: {allow: [{name: load, functions: all, blocks: [DB1..9, FC*], only-in: "           \
	"service},\n"                                                                              \
	"      {name: look, functions: [read], read: [M0.0..9.7], only-in: service}]}\n"           \
	"  - name: d\n    from: [plc]\n    to: [eng]\n    only-in: service\n"                      \
	"    l4: [{name: web, ports: [443]}, {name: mail, ports: [25]}]\n"                         \
	"    modbus: {addressing: zero-based, allow: [\n"                                          \
	"      {name: poll, units: 1, functions: 3, holding: all}]}\n"

static struct fact_item items[3];

static bool
next_item(const struct fact *f, struct fact_iter *it, struct fact_item *out)
{
	(void)f;
	*out = items[it->i];
	return true;
}

/* A request that touches several places of a space, one address each. */
static struct fact
touches(const char *proto, const char *op, const char *space, uint32_t sub, unsigned n,
    const uint32_t *at, uint8_t access)
{
	static const uint8_t zero[2];
	struct fact f = request(proto, op);
	const struct dis_schema *sc = dissectors[f.proto]->schema;
	uint8_t s = 0;

	while (strcmp(sc->spaces[s].name, space) != 0)
		s++;
	for (unsigned i = 0; i < n; i++)
		items[i] = (struct fact_item){.access = access,
		    .space = s,
		    .sub = sub,
		    .first = at[i],
		    .count = 1,
		    .vals = sc->spaces[s].value_bits == 16 ? zero : NULL,
		    .enc = sc->spaces[s].value_bits == 16 ? ENC_U16_BE : ENC_NONE};
	f.n_items = (uint16_t)n;
	f.item = items[0];
	f.next = n > 1 ? next_item : NULL;
	return f;
}

/* Is the request let pass by a permit with these rules and blocks?  "a,b"; "": it has none. */
static bool
passes(const struct policy *p, const char *rules, const char *blocks, const struct fact *f)
{
	struct net_tuple t = tuple("10.0.1.2", "10.0.2.1", f->proto ? 102 : 502);
	static struct policy_permit fit;
	static struct windows w;
	struct permit m = a_permit();
	struct policy_bind b;
	struct verdict v;
	char err[256] = "";
	uint8_t proto;

	assert_non_null(dissector_lookup("modbus", &proto));
	t.dport = f->proto == proto ? 502 : 102;
	for (const char *at = rules; *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ','))
		snprintf(m.rules[m.n_rules++], PERMIT_NAME, "%.*s", (int)strcspn(at, ","), at);
	for (const char *at = blocks; *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ','))
		snprintf(m.blocks[m.n_blocks++], PERMIT_NAME, "%.*s", (int)strcspn(at, ","), at);
	memset(&w, 0, sizeof(w));
	if (policy_permit_fit(p, &m, &fit, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	windows_permit(&w, 2, &fit, &m, m.until_s);
	(void)windows_step(&w, p, (int64_t)NOON + 60, S, true);
	(void)policy_bind_in(p, &t, &w.clock, &b);
	v = policy_eval_in(p, &b, f, &w.clock, &t, NULL);
	assert_true(
	    v.would < VERDICT_REJECT || v.reason == REASON_WINDOW || v.reason == REASON_OTHERWISE);
	return v.would < VERDICT_REJECT;
}

static void
permit_of_some_rules(void **state)
{
	static const uint32_t set[] = {10, 19}, tune[] = {20}, open_set[] = {5, 15, 16},
			      set_tune[] = {15, 25}, m0[] = {0};
	static const char write[] = "write_multiple_registers";
	struct policy *p = build(NARROW);
	struct fact f;

	(void)state;
	f = touches("modbus", write, "holding", 0, 2, set, ACC_WRITE);
	assert_true(passes(p, "", "", &f));
	assert_true(passes(p, "set", "", &f));
	assert_true(passes(p, "look,c/set", "", &f));
	assert_false(passes(p, "tune", "", &f));
	f = touches("modbus", write, "holding", 0, 1, tune, ACC_WRITE);
	assert_true(passes(p, "tune", "", &f));
	assert_false(passes(p, "set", "", &f));
	/* each item by a rule of its own: open at any time, of the permit, of none */
	f = touches("modbus", write, "holding", 0, 3, open_set, ACC_WRITE);
	assert_true(passes(p, "set", "", &f));
	assert_false(passes(p, "tune", "", &f));
	f = touches("modbus", write, "holding", 0, 2, set_tune, ACC_WRITE);
	assert_true(passes(p, "", "", &f));
	assert_true(passes(p, "set,tune", "", &f));
	assert_false(passes(p, "set", "", &f));
	assert_false(passes(p, "tune", "", &f));
	f = touches("s7", "read", "M", 0, 1, m0, ACC_READ);
	assert_true(passes(p, "look", "DB1", &f)); /* blocks are not about memory */
	assert_false(passes(p, "load", "", &f));
	policy_free(p);
}

static void
permit_of_some_blocks(void **state)
{
	enum { DB = 10, FC = 12 };
	static const uint32_t one[] = {1}, both[] = {1, 5}, nine[] = {9};
	struct policy *p = build(NARROW);
	struct fact f = touches("s7", "request_download", "block", DB, 1, one, ACC_WRITE);

	(void)state;
	assert_true(passes(p, "", "", &f));
	assert_true(passes(p, "load", "DB1", &f));
	assert_true(passes(p, "", "FC*,DB1..3", &f));
	assert_false(passes(p, "", "FC*", &f));
	assert_false(passes(p, "", "DB2..9", &f));
	f = touches("s7", "insert_block", "block", DB, 2, both, ACC_WRITE);
	assert_true(passes(p, "", "DB1..5", &f));
	assert_false(passes(p, "", "DB1..4", &f)); /* one of them is not among them */
	f = touches("s7", "insert_block", "block", FC, 1, nine, ACC_WRITE);
	assert_true(passes(p, "", "FC9", &f));
	assert_false(passes(p, "", "DB9", &f));
	f = request("s7", "compress"); /* of no block */
	assert_true(passes(p, "", "FC9", &f));
	policy_free(p);
}

/* Of connections that are passed and not read a rule decides as well. */
static void
permit_of_connections(void **state)
{
	struct policy *p = build(NARROW);
	struct net_tuple web = tuple("10.0.2.1", "10.0.1.2", 443),
			 mail = tuple("10.0.2.1", "10.0.1.2", 25);
	struct policy_permit fit;
	struct windows w = {0};
	struct permit m = a_permit();
	struct policy_bind b;
	char err[256];

	(void)state;
	SET(m.from[0], "plc");
	SET(m.to[0], "eng");
	for (unsigned n = 0; n < 2; n++) {
		m.n_rules = (uint8_t)n;
		SET(m.rules[0], "d/web");
		assert_int_equal(policy_permit_fit(p, &m, &fit, err, sizeof(err)), 0);
		windows_permit(&w, 0, &fit, &m, m.until_s);
		(void)windows_step(&w, p, (int64_t)NOON + 60, S, true);
		assert_int_equal(policy_bind_in(p, &web, &w.clock, &b).would, VERDICT_ALLOW);
		assert_int_equal(policy_bind_in(p, &mail, &w.clock, &b).would,
		    n == 0 ? VERDICT_ALLOW : VERDICT_DROP);
	}
	policy_free(p);
}

static void
narrow_fits(void **state)
{
	static const struct {
		const char *rule, *block, *why;
	} v[] = {
	    {"sett", NULL, "rules: no allow rule of these conduits is \"sett\""},
	    {"d/set", NULL, "rules: no allow rule of these conduits is \"d/set\""},
	    {"c/poll", NULL, "rule \"c/poll\" is not only-in a window that it opens"},
	    {"poll", NULL, NULL}, /* the other one is: d/poll */
	    {NULL, "DB", "blocks: \"DB\" needs a number, or * for all of them"},
	    {NULL, "XY1", "blocks: \"XY1\" is not a block such as OB1, FB* or DB10..20"},
	    {NULL, "OB1", NULL},
	};
	struct policy *p = build(NARROW);
	struct policy_permit fit;

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct permit m = a_permit();
		char err[256] = "";
		int r;

		m.n_rules = v[i].rule != NULL;
		m.n_blocks = v[i].block != NULL;
		SET(m.rules[0], v[i].rule ? v[i].rule : "");
		SET(m.blocks[0], v[i].block ? v[i].block : "");
		r = policy_permit_fit(p, &m, &fit, err, sizeof(err));
		if ((r == 0) != !v[i].why || (v[i].why && strcmp(err, v[i].why) != 0))
			fail_msg("%zu: %d %s", i, r, err);
		if (r == 0 && m.n_rules)
			assert_int_equal(fit.n_rules, 1);
	}
	policy_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hours_as_zoneinfo),
	    cmocka_unit_test(summer_time),
	    cmocka_unit_test(steps_and_grace),
	    cmocka_unit_test(fits),
	    cmocka_unit_test(rule_outside),
	    cmocka_unit_test(permit_opens),
	    cmocka_unit_test(permit_of_some_rules),
	    cmocka_unit_test(permit_of_some_blocks),
	    cmocka_unit_test(permit_of_connections),
	    cmocka_unit_test(narrow_fits),
	};

	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
