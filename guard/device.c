/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.c - what is different with ports of DPDK: no filter in the kernel in front of the engine, and
 * a driver that may leave a program on an interface when its process ends.
 *
 * The engine judges all that the filter would have judged (policy/gate.h), and in front of it the worker counts per zone as the
 * filter would have (dataplane/limit.h).  One thing only the filter does: it outlives the engine (fail: open).  With several
 * workers there is one more: rules that ask which values a device has last had, whoever asked it, since each worker knows the connections of
 * its pairs of hosts alone (dataplane/shard.h).  A policy that asks for them is refused rather than half obeyed.
 */
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "ebpf/gate.h"
#include "guard/guard_int.h"

bool
device_ports(const struct guard *g)
{
	return g->conf->device[0] != NULL;
}

static bool
over_xdp(const struct guard *g, unsigned port)
{
	return device_ports(g) && strncmp(g->conf->device[port], "net_af_xdp", 10) == 0;
}

bool
device_loads_programs(const struct guard *g)
{
	return over_xdp(g, 0) || over_xdp(g, 1);
}

int
device_policy(const struct guard *g, const struct policy *pol, char *err, size_t size)
{
	const char *file = "";
	unsigned line = 0, col = 0;

	if (!device_ports(g))
		return 0;
	if (!g->conf->bypass && policy_asks(pol, ASKS_FAIL_OPEN, &file, &line, &col))
		return err_say(err, size, ERR_UNSUPPORTED,
		    "%s:%u:%u: fail: open: behind dpdk ports nothing passes when the engine is "
		    "gone: say "
		    "closed, or give the guard a relay that can join the cables (--bypass)",
		    file, line, col);
	if (!policy_fail_open(pol, RULE_NONE) &&
	    policy_asks(pol, ASKS_CONDUIT_OPEN, &file, &line, &col))
		return err_say(err, size, ERR_UNSUPPORTED,
		    "%s:%u:%u: fail: open: of one conduit only the filter in the kernel could do "
		    "that, and "
		    "dpdk ports have none; a relay (--bypass) joins the cables for all, when the "
		    "whole "
		    "policy fails open",
		    file, line, col);
	if (policy_zone_count(pol) > LIMIT_ZONES &&
	    policy_asks(pol, ASKS_LIMITS, &file, &line, &col))
		return err_say(err, size, ERR_FULL,
		    "%s:%u:%u: limits: of a zone: the policy has %u zones, and they are counted "
		    "for %u",
		    file, line, col, policy_zone_count(pol), LIMIT_ZONES);
	if (g->n_workers > 1 && policy_asks(pol, ASKS_VALUES, &file, &line, &col))
		return err_say(err, size, ERR_UNSUPPORTED,
		    "%s:%u:%u: what values a device has last had is known to one worker, and here "
		    "are %u (--workers), each with some of its clients",
		    file, line, col, g->n_workers);
	return 0;
}

unsigned
device_counts(const struct guard *g, struct gate_count *out, unsigned max)
{
	unsigned n = 0;

	for (; device_ports(g) && n < LIMIT_KINDS && n < max; n++) {
		struct limit_count c = shared_limits(g->shared, g->n_workers, (enum limit_kind)n);

		out[n] = (struct gate_count){.reason = limit_reason((enum limit_kind)n),
		    .packets = {c.packets[0], c.packets[1]},
		    .bytes = {c.bytes[0], c.bytes[1]}};
	}
	return n;
}

uint32_t
device_mtu(const struct guard *g, unsigned port)
{
	return g->ports.port[port].mtu != 0 ? g->ports.port[port].mtu : g->shared[0].mtu[port];
}

void
device_clean(struct guard *g)
{
	for (unsigned i = 0; device_ports(g) && g->ports_set && i < 2; i++) {
		struct port *p = &g->ports.port[i];

		if (p->ifindex != 0 && p->inherited && over_xdp(g, i) &&
		    gate_clean_driver(p->ifindex))
			log_info("%s: the program that its driver had left there is gone", p->name);
		p->inherited = true; /* from now on a worker of ours may leave one */
	}
}
