/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evade.c - options, namespaces, scoreboard.
 *
 *	evade --attacker NETNS:IFACE --victim NETNS:IFACE [--door NETNS:IFACE] [--open]
 *	      [--results FILE] [--known FILE] [--only NAME] [--ports FIRST] CASES...
 *
 * --open says that the device lets everything pass: then each trick has to work on the
 * victim, or the table says that its stack refuses it.  Exit status 0: every case as it
 * should be; 1: some not; 2: it could not be run.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/evasion/evade.h"

struct world w = {.raw = -1, .door = -1, .tap = -1, .parallel = 48, .first_port = 16384};

void
ns_enter(int ns)
{
	if (setns(ns, CLONE_NEWNET) < 0)
		die("namespace: %s", strerror(errno));
}

/* Enters the namespace; *ns is its descriptor. */
static const char *
enter(char *where, int *ns)
{
	char path[300], *colon = strrchr(where, ':');

	if (!colon)
		die("\"%s\": want NAMESPACE:INTERFACE", where);
	*colon = '\0';
	snprintf(path, sizeof(path), "%s%s", strchr(where, '/') ? "" : "/run/netns/", where);
	if ((*ns = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		die("%s: %s", path, strerror(errno));
	ns_enter(*ns);
	return colon + 1;
}

/* A packet socket that only sends, or (tap) also hears. */
static int
packet_socket(const char *ifname, int *ifindex, bool tap)
{
	struct sockaddr_ll me = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(tap ? ETH_P_ALL : 0)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	*ifindex = me.sll_ifindex = (int)if_nametoindex(ifname);
	if (fd < 0 || me.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&me, sizeof(me)) < 0)
		die("%s: %s", ifname, strerror(errno));
	return fd;
}

static void
address(const char *s, uint8_t *a4, uint8_t *a6)
{
	char both[128], *comma;

	snprintf(both, sizeof(both), "%s", s);
	if ((comma = strchr(both, ',')) == NULL)
		die("\"%s\": want IPV4,IPV6", s);
	*comma = '\0';
	if (inet_pton(AF_INET, both, a4) != 1 || inet_pton(AF_INET6, comma + 1, a6) != 1)
		die("\"%s\": want IPV4,IPV6", s);
}

static unsigned long
number(const char *s, unsigned long max)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (*s == '\0' || *end != '\0' || v == 0 || v > max)
		die("\"%s\": want a number from 1 to %lu", s, max);
	return v;
}

/* --- scoreboard -------------------------------------------------------------------------------- */

struct score {
	unsigned evil, twins, worked, leaked, arrived;
	double ms;
	const char *note, *arg;
};

static struct score
score_of(const struct kase *k)
{
	struct score s = {0};

	for (unsigned i = 0; i < k->n; i++) {
		const struct play *p = &w.play[k->first + i];
		bool bad = w.open ? !p->worked : p->evil ? p->leaked : !p->arrived;

		s.evil += p->evil;
		s.twins += !p->evil;
		s.worked += p->worked;
		s.leaked += p->leaked;
		s.arrived += p->arrived;
		s.ms = p->ms > s.ms && !p->evil ? p->ms : s.ms;
		if (p->note && !s.note)
			s.note = p->note;
		if (bad && !s.arg && k->list)
			s.arg = p->arg;
	}
	return s;
}

/* What an open device showed, from a file of an earlier run. */
static int
known(const char *file, const char *name)
{
	FILE *f = file ? fopen(file, "r") : NULL;
	char n[64];
	int works, found = -1;

	while (f && fscanf(f, "%63s %d%*[^\n]", n, &works) == 2)
		if (strcmp(n, name) == 0)
			found = works;
	if (f)
		fclose(f);
	return found;
}

static unsigned
report_open(FILE *out)
{
	unsigned bad = 0, works = 0, refused = 0;

	printf("%-26s %-7s %s\n", "case", "works", "");
	for (unsigned i = 0; i < w.n_cases; i++) {
		struct kase *k = &w.cases[i];
		struct score s = score_of(k);
		bool all = s.worked == s.evil, skip = case_skipped(k) != NULL, wrong;

		if (k->n == 0)
			continue;
		wrong = !skip && !k->maybe && (k->refused ? s.worked > 0 : !all);
		bad += wrong;
		works += all && !skip;
		refused += !skip && s.worked == 0;
		printf("%-26s %-7s %s%s%s\n", k->name,
		    skip       ? "-"
		    : all      ? "yes"
		    : s.worked ? "partly"
			       : "no",
		    wrong ? "UNEXPECTED: " : "",
		    k->refused || k->maybe || skip ? (skip ? case_skipped(k) : k->why) : "",
		    s.note && !skip ? s.note : "");
		if (s.worked > 0 && !all)
			printf("    not at %s\n", s.arg);
		if (out)
			fprintf(out, "%s %d %u/%u\n", k->name, skip ? -1 : (int)(s.worked > 0),
			    s.worked, s.evil);
	}
	printf("%u cases: %u work on the victim, %u are refused by its own stack, %u not as "
	       "expected\n",
	    works + refused, works, refused, bad);
	return bad;
}

static unsigned
report(const char *known_file)
{
	unsigned bad = 0, leaks = 0, lost = 0, n = 0, skipped = 0, limits = 0;
	double worst = 0;

	printf("%-26s %-6s %-8s %-8s %6s\n", "case", "works", "evil", "twin", "ms");
	for (unsigned i = 0; i < w.n_cases; i++) {
		struct kase *k = &w.cases[i];
		struct score s = score_of(k);
		int works = known(known_file, k->name);
		bool leak = s.leaked > 0 && !k->limit, miss = s.arrived < s.twins;

		if (k->n == 0)
			continue;
		if (case_skipped(k)) {
			skipped++;
			printf("%-26s %-6s skipped: %s\n", k->name, "-", case_skipped(k));
			continue;
		}
		n++;
		leaks += leak;
		lost += miss;
		bad += leak || miss;
		worst = s.ms > worst && !miss ? s.ms : worst;
		limits += s.leaked > 0 && k->limit;
		printf("%-26s %-6s %-8s %-8s %6.0f %s%s%s\n", k->name,
		    works < 0 ? "?"
		    : works   ? "yes"
			      : "no",
		    s.leaked ? "LEAKED" : "stopped",
		    !s.twins ? "-"
		    : miss   ? "LOST"
			     : "arrived",
		    s.ms,
		    leak || miss ? "FAIL"
		    : s.leaked	 ? "limit"
				 : "pass",
		    s.arg ? " at " : "", s.arg ? s.arg : "");
		if (w.verbose && s.note)
			printf("    %s\n", s.note);
	}
	printf("%u cases: %u passed, %u leaked, %u twins lost, %u skipped, %u known limits; "
	       "slowest twin %.0f ms\n",
	    n, n - bad - limits, leaks, lost, skipped, limits, worst);
	return bad;
}

/* Of a capture that a guard let out. */
static unsigned
report_capture(void)
{
	unsigned evil = 0, leaked = 0, twins = 0, arrived = 0;

	for (unsigned i = 0; i < w.n_plays; i++) {
		const struct play *p = &w.play[i];

		if (p->k->limit || p->k->door || p->k->reject)
			continue;
		evil += p->evil;
		leaked += p->leaked;
		twins += !p->evil;
		arrived += p->arrived;
		if (p->leaked)
			printf("%s%s%s: LEAKED\n", p->k->name, p->k->list ? " at " : "",
			    p->k->list ? p->arg : "");
		else if (!p->evil && !p->arrived && w.verbose)
			printf("%u: %s%s%s: the twin needs more\n", p->port, p->k->name,
			    p->k->list ? " at " : "", p->k->list ? p->arg : "");
	}
	printf("%u evil plays: %u leaked; %u twins: %u arrived at once\n", evil, leaked, twins,
	    arrived);
	return leaked;
}

static void
usage(void)
{
	die("usage: evade --attacker NETNS:IFACE --victim NETNS:IFACE [--attacker-ip IPV4,IPV6]\n"
	    "  [--victim-ip IPV4,IPV6] [--door NETNS:IFACE] [--open] [--reject] [--results FILE] "
	    "[--known "
	    "FILE]\n"
	    "  [--only NAME] [--parallel N] [--ports FIRST] [--list] CASES...");
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {{"attacker", 1, NULL, 'a'}, {"victim", 1, NULL, 'v'},
	    {"attacker-ip", 1, NULL, 'A'}, {"victim-ip", 1, NULL, 'V'}, {"door", 1, NULL, 'd'},
	    {"open", 0, NULL, 'o'}, {"results", 1, NULL, 'r'}, {"known", 1, NULL, 'k'},
	    {"only", 1, NULL, 'n'}, {"parallel", 1, NULL, 'p'}, {"list", 0, NULL, 'l'},
	    {"ports", 1, NULL, 'P'}, {"pcap", 1, NULL, 'w'}, {"judge", 1, NULL, 'j'},
	    {"reject", 0, NULL, 'R'}, {"verbose", 0, NULL, 'x'}, {NULL, 0, NULL, 0}};
	char *attacker = NULL, *victim = NULL, *door = NULL;
	const char *judge = NULL, *results = NULL, *known_file = NULL, *only = NULL, *ifname;
	bool list = false;
	unsigned bad;
	FILE *out;
	int c, ignored;

	address("10.1.2.66,fd00:12::42", w.ip4, w.ip6);
	address("10.1.2.102,fd00:12::102", w.peer4, w.peer6);
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 'a':
			attacker = optarg;
			break;
		case 'v':
			victim = optarg;
			break;
		case 'A':
			address(optarg, w.ip4, w.ip6);
			break;
		case 'V':
			address(optarg, w.peer4, w.peer6);
			break;
		case 'd':
			door = optarg;
			break;
		case 'o':
			w.open = true;
			break;
		case 'r':
			results = optarg;
			break;
		case 'k':
			known_file = optarg;
			break;
		case 'n':
			only = optarg;
			break;
		case 'p':
			w.parallel = (unsigned)number(optarg, 1000);
			break;
		case 'P':
			w.first_port = (uint16_t)number(optarg, 61000);
			break;
		case 'w':
			capture_begin(optarg);
			break;
		case 'j':
			judge = optarg;
			break;
		case 'R':
			w.reject = true;
			break;
		case 'l':
			list = true;
			break;
		case 'x':
			w.verbose = true;
			break;
		default:
			usage();
		}
	for (int i = optind; i < argc; i++)
		cases_read(argv[i]);
	if (list) {
		for (unsigned i = 0; i < w.n_cases; i++)
			printf("%-26s %s\n", w.cases[i].name, w.cases[i].tries);
		return 0;
	}
	if (judge) {
		plays_make(only);
		capture_judge(judge);
		return report_capture() != 0;
	}
	if (!attacker || !victim || w.n_cases == 0)
		usage();
	signal(SIGPIPE, SIG_IGN);
	plays_make(only);
	ifname = enter(victim, &w.victim_ns);
	victim_open();
	if (door) {
		w.tap = packet_socket(ifname, &ignored, true);
		w.door = packet_socket(enter(door, &ignored), &w.door_ifindex, false);
	}
	link_open(enter(attacker, &w.attacker_ns));
	if (!link_resolve())
		printf("the victim does not answer ARP or Neighbor Solicitations through the "
		       "device\n");
	plays_run();
	out = results ? fopen(results, "w") : NULL;
	bad = w.open ? report_open(out) : report(known_file);
	if (out)
		fclose(out);
	return bad != 0;
}
