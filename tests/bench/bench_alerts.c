/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_alerts.c - what one alert costs from fact to journal.
 *
 * Facts come from the Modbus dissector; each is put, pumped, written as EVE,
 * hashed, signed in batches of 1000 and synced to a journal in TMPDIR, with
 * folding off.  Printed is thread CPU time per alert, system calls included,
 * the median of the laps.
 *
 * usage: bench_alerts [quick]
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alerts/alert.h"
#include "base/clock.h"
#include "base/log.h"
#include "dissectors/dissector.h"

#define FLOWS	 200u
#define LAP	 20000u
#define LAPS_MAX 11u
#define DISK	 (UINT64_C(1) << 30) /* nothing is removed meanwhile */
#define GOAL_US	 4.0

static const char policy_text[] =
    "interlock: 1\n"
    "site: bench\n"
    "mode: enforce\n"
    "zones:\n"
    "  scada: {level: 2, port: outside, nets: [10.1.0.0/17]}\n"
    "  cell1: {level: 1, port: inside, nets: [10.1.128.0/17]}\n"
    "devices:\n"
    "  hmi1: {zone: scada, ip: 10.1.2.5, role: hmi}\n"
    "  plc-filler: {zone: cell1, ip: 10.1.130.130, role: plc}\n"
    "conduits:\n"
    "  - name: hmi-filler\n"
    "    from: [hmi1]\n"
    "    to: [plc-filler]\n"
    "    otherwise: drop\n"
    "    modbus:\n"
    "      addressing: zero-based\n"
    "      allow:\n"
    "        - {name: poll, units: [1], functions: read, holding: [0..199]}\n";

/* FC 16: unit 1, registers 100..109. */
static const uint8_t write10[] = {0, 1, 0, 0, 0, 27, 1, 16, 0, 100, 0, 10, 20, 0, 1, 0, 2, 0, 3, 0,
    4, 0, 5, 0, 6, 0, 7, 0, 8, 0, 9, 0, 10};

struct dis_sink {
	struct alerts *a;
	struct event ev;
};

bool
dis_emit(struct dis_sink *s, struct fact *f)
{
	f->proto = 0;
	s->ev.fact = f;
	alerts_put(s->a, &s->ev);
	return true;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
remove_dir(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *de;

	while (d && (de = readdir(d)))
		if (de->d_name[0] != '.')
			(void)unlinkat(dirfd(d), de->d_name, 0);
	if (d)
		(void)closedir(d);
	(void)rmdir(dir);
}

static void
lap(struct dis_sink *s, const struct dissector *d, struct net_tuple *t, uint64_t *now)
{
	_Alignas(16) uint8_t state[65536];
	struct dis_call call = {.state = state, .sink = s};

	for (unsigned i = 0; i < LAP; i++) {
		memset(state, 0, d->state_size);
		t->sport = (uint16_t)(40000 + i % FLOWS);
		*now += 10000; /* 100 000 alerts/s: batches fill before their 100 ms */
		s->ev.ts_ns = call.now_ns = *now;
		s->ev.flow_id = 0x1234567890ab + i % FLOWS;
		d->pdu(&call, cur_make(write10, sizeof(write10)));
		if (i % 32 == 31 && alerts_pump(s->a, *now) < 0) {
			fprintf(stderr, "%s\n", alerts_error(s->a));
			exit(1);
		}
	}
}

int
main(int argc, char **argv)
{
	unsigned laps = argc > 1 && strcmp(argv[1], "quick") == 0 ? 3 : LAPS_MAX;
	const char *tmp = getenv("TMPDIR");
	char dir[512], err[512];
	double us[LAPS_MAX];
	struct complaints c = {.file = "bench.yaml"};
	struct policy *pol = policy_build_text("bench.yaml", policy_text, strlen(policy_text), &c);
	const struct dissector *d = dissector_lookup("modbus", &(uint8_t){0});
	struct net_tuple t = {.dport = 502, .proto = NET_PROTO_TCP, .smac = {2, 1}, .dmac = {2, 2}};
	uint64_t now = UINT64_C(1700000000) * NS_PER_S;
	struct alerts_conf conf = {.policy = pol,
	    .journal_dir = dir,
	    .sensor = "bench",
	    .in_iface = "eth0",
	    .enforcing = true,
	    .journal_bytes = DISK};
	struct dis_sink s = {.ev = {.kind = EVENT_PDU, .tuple = &t}};

	if (!pol) {
		complaints_print(&c, stderr);
		return 1;
	}
	(void)net_addr_parse("10.1.2.5", &t.src);
	(void)net_addr_parse("10.1.130.130", &t.dst);
	s.ev.verdict = (struct verdict){.action = VERDICT_DROP,
	    .would = VERDICT_DROP,
	    .reason = REASON_OTHERWISE,
	    .mode = MODE_ENFORCE,
	    .rule = RULE_NONE};
	snprintf(dir, sizeof(dir), "%s/bench-alerts-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(dir)) {
		perror(dir);
		return 1;
	}
	log_set_level(LOG_L_ERROR);
	s.a = alerts_new(&conf, err, sizeof(err));
	if (!s.a) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	lap(&s, d, &t, &now); /* warm */
	for (unsigned i = 0; i < laps; i++) {
		uint64_t t0 = clock_cpu_ns();

		lap(&s, d, &t, &now);
		us[i] = (double)(clock_cpu_ns() - t0) / 1e3 / LAP;
	}
	if (alerts_finish(s.a, now) < 0 || alerts_stats(s.a)->lost != 0 ||
	    alerts_stats(s.a)->lines < (laps + 1) * (uint64_t)LAP) {
		fprintf(stderr, "alerts were lost: %s\n", alerts_error(s.a));
		return 1;
	}
	printf("alerts: %llu lines, %llu batches\n", (unsigned long long)alerts_stats(s.a)->lines,
	    (unsigned long long)alerts_stats(s.a)->batches);
	alerts_free(s.a);
	remove_dir(dir);
	policy_free(pol);
	complaints_fini(&c);
	qsort(us, laps, sizeof(us[0]), by_value);
	printf("alerts: %.2f us CPU per alert (goal %.0f; best lap %.2f)\n", us[laps / 2], GOAL_US,
	    us[0]);
	/* A neighbour on the same core slows a lap; it cannot speed one up. */
	return us[0] <= GOAL_US ? 0 : 1;
}
