/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard_events.c - every alert that a guard can raise about itself, in every form, as EVE lines on
 * standard output: for tests/schema/validate.py, and for docs/FORMATS.md.
 */
#include <stdio.h>
#include <string.h>

#include "alerts/alert.h"
#include "base/err.h"

int
main(void)
{
	struct alerts_conf conf = {.eve_path = "-",
	    .sensor = "sensor-1",
	    .enforcing = true,
	    .port_names = {"eth1", "eth2"}};
	struct net_tuple ip = {
	    .sport = 40000, .dport = 502, .proto = NET_PROTO_TCP, .vlan = 110, .port = 1};
	struct net_tuple frame = {
	    .smac = {2, 0, 0, 0, 0, 1}, .dmac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	const struct net_tuple *const tuples[] = {NULL, &ip, &frame};
	const char *const notes[] = {NULL, "a note with \"quotes\", \xc3\xa4 and \x01"};
	char err[200];
	struct alerts *a = alerts_new(&conf, err, sizeof(err));
	uint64_t now = UINT64_C(1795877531000000000);
	int r;

	if (!a || net_addr_parse("10.1.2.5", &ip.src) < 0 ||
	    net_addr_parse("10.1.2.130", &ip.dst) < 0) {
		fprintf(stderr, "%s\n", err);
		return 2;
	}
	for (unsigned e = 0; e < GUARD__MAX; e++)
		for (unsigned t = 0; t < 3; t++)
			for (unsigned n = 0; n < 2; n++) {
				struct event ev = {.kind = EVENT_GUARD,
				    .cond = (uint8_t)e,
				    .ts_ns = now,
				    .tuple = tuples[t],
				    .note = notes[n],
				    .count = n ? 12 : 0,
				    .verdict = {.rule = RULE_NONE, .conduit = RULE_NONE}};

				alerts_put(a, &ev);
				(void)alerts_pump(a, now);
			}
	r = alerts_finish(a, now);
	alerts_free(a);
	return r < 0 ? 1 : 0;
}
