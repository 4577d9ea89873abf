/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_guard.c - the options of `interlock guard`; guard/guard.h does the work. */
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/delivery.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/opts.h"

#ifdef HAVE_XDP
#include "guard/guard.h"
#include "guard/shared.h"

static const char usage_text[] =
    "usage: interlock guard --outside PORT --inside PORT -p POLICY [OPTION]...\n"
    "       interlock guard --restore\n"
    "       interlock guard --detach [--pin DIR | --outside xdp:IF --inside xdp:IF]\n"
    "Stand between two ports and let through what the policy allows. Started by root.\n\n"
    "      --outside PORT   the port towards IT: xdp: and the name of an interface, or dpdk: and "
    "a\n"
    "                       device string of DPDK (dpdk:0000:03:00.0,\n"
    "                       dpdk:net_af_xdp0,iface=eth1)\n"
    "      --inside PORT    the port towards the devices, of the same kind\n"
    "  -p, --policy FILE    the policy; it has to say its mode:\n"
    "      --require-signed KEY  only a policy that this public key has signed (policy sign), and\n"
    "                       none that is older than the last one\n"
    "      --eve FILE       alerts as Suricata EVE JSON lines\n"
    "      --journal DIR    sign the alerts into a journal\n"
    "      --key KEY        with this secret key (see interlock key)\n"
    "      --receipt FILE   what a collector has signed for is not lost when the full journal lets "
    "go\n"
    "                       of it; FILE is kept by interlock send\n"
    "      --receipt-key FILE  who signs receipts: receipt.jwks of interlock send enrol\n"
    "      --sender DIR     --state of interlock send: what does not arrive is an alert, too\n"
    "      --sender-behind TIME  ... when nothing arrived for so long (default 60s)\n"
    "      --ctl PATH       socket of interlock ctl (default /run/interlock/ctl.sock)\n"
    "      --admins GROUP   may use all of ctl (root always may)\n"
    "      --viewers GROUP  may look\n"
    "      --metrics ADDR:PORT  numbers for Prometheus, on the management interface\n"
    "      --memory SIZE    memory for flows and streams, e.g. 256M (default 64M)\n"
    "      --workers N      with dpdk: ports, so many threads judge packets, each on a processor "
    "of\n"
    "                       its own (default 1)\n"
    "      --xdp MODE       native, generic or auto (default): what auto got is said at the start\n"
    "      --zerocopy       ask the drivers for AF_XDP without copies\n"
    "      --allow-addresses  guard an interface that has an IP address\n"
    "      --bypass BY      a hardware bypass: exec:PROGRAM, or file:PATH for a rehearsal\n"
    "      --link-follow    a port without link takes the other one down\n"
    "      --fast-path      the kernel alone judges plain Modbus and S7 polling (off by default)\n"
    "      --pin DIR        with --fast-path: keep links and tables of the kernel here, in a bpf "
    "file\n"
    "                       system, so that known polls outlive the guard (default\n"
    "                       /sys/fs/bpf/interlock/OUTSIDE-INSIDE)\n"
    "      --no-pin         keep nothing: with the guard's parent the filter ends too\n"
    "      --take-over      go on with the ports and connections of a running guard\n"
    "      --state-dir DIR  where the ports' settings are kept (default /run/interlock)\n"
    "      --keep-dir DIR   what has to outlast a restart (default /var/lib/interlock-guard)\n"
    "      --foreground     stay in the foreground; it always does\n"
    "      --restore        put back what a killed guard left of its ports, and end\n"
    "      --detach         take away what a killed guard left pinned, then the same\n\n"
    "signals: TERM, INT stop; HUP reads the policy again\n"
    "exit status: 0 stopped as it was told, 2 could not work\n";

/*
 * A device string of DPDK: the name of its driver's port or its address, then arguments.  What has a network
 * interface behind it is called by that; else by what is in front of the arguments.
 */
static bool
device_of(const char *option, const char *arg, unsigned side, struct guard_conf *c)
{
	static char names[2][IF_NAMESIZE];
	const char *iface = strstr(arg, ",iface="), *name = iface ? iface + 7 : arg;
	size_t n = strcspn(name, ",");

#ifndef HAVE_DPDK
	(void)cli_usage(
	    "guard", "%s dpdk:%s: this build has no DPDK (libdpdk was missing)", option, arg);
	return false;
#endif
	if (n == 0 || n >= sizeof(names[0])) {
		(void)cli_usage("guard", "%s dpdk:%s: the name of a device has 1 to %zu characters",
		    option, arg, sizeof(names[0]) - 1);
		return false;
	}
	memcpy(names[side], name, n);
	names[side][n] = '\0';
	c->port[side] = names[side];
	c->device[side] = arg;
	c->no_netdev[side] = !iface;
	return true;
}

/* "xdp:IF" or "dpdk:DEVICE"; false: said why. */
static bool
port_of(const char *option, const char *arg, unsigned side, struct guard_conf *c)
{
	if (strncmp(arg, "xdp:", 4) == 0 && arg[4] != '\0') {
		c->port[side] = arg + 4;
		return true;
	}
	if (strncmp(arg, "dpdk:", 5) == 0 && arg[5] != '\0')
		return device_of(option, arg + 5, side, c);
	(void)cli_usage("guard",
	    "%s %s: a port is xdp: and the name of an interface, or dpdk: and a device", option,
	    arg);
	return false;
}

static bool
outside(void *conf, const char *arg)
{
	return port_of("--outside", arg, 0, conf);
}

static bool
inside(void *conf, const char *arg)
{
	return port_of("--inside", arg, 1, conf);
}

static bool
mode_of(void *mode, const char *arg)
{
	static const char *const names[] = {
	    [GATE_AUTO] = "auto", [GATE_NATIVE] = "native", [GATE_GENERIC] = "generic"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(arg, names[i]) == 0) {
			*(enum gate_mode *)mode = (enum gate_mode)i;
			return true;
		}
	return false;
}

static bool
workers(void *n, const char *arg)
{
	char *end;
	unsigned long v = strtoul(arg, &end, 10);

	*(unsigned *)n = (unsigned)v;
	return arg[0] >= '0' && arg[0] <= '9' && *end == '\0' && v >= 1 && v <= GUARD_WORKERS;
}
_Static_assert(GUARD_WORKERS == 16, "as it is said");

enum verb { GUARD_RUN = 0, GUARD_RESTORE, GUARD_DETACH };

static int
check(const struct guard_conf *c, enum verb verb)
{
	if (verb == GUARD_DETACH && !c->port[0] != !c->port[1])
		return cli_usage("guard", "--detach: both ports, or none");
	if (verb != GUARD_RUN)
		return EXIT_OK;
	if (!c->fast_path && (c->pin_dir || c->no_pin))
		return cli_usage("guard", "--pin and --no-pin need --fast-path");
	if (c->pin_dir && c->no_pin)
		return cli_usage("guard", "--pin or --no-pin");
	if (!c->port[0] || !c->port[1])
		return cli_usage("guard", "two ports are needed: --outside and --inside");
	if (!c->device[0] != !c->device[1])
		return cli_usage("guard", "both ports are xdp:, or both are dpdk:");
	if (c->device[0] && (c->fast_path || c->zerocopy || c->mode != GATE_AUTO))
		return cli_usage("guard", "--fast-path, --xdp and --zerocopy are of xdp: ports: "
					  "there is no filter in the "
					  "kernel in front of dpdk: ports");
	if (!c->device[0] && c->workers > 1)
		return cli_usage(
		    "guard", "--workers is of dpdk: ports: a guard with xdp: ports has one");
	if (c->device[0] && c->link_follow && (c->no_netdev[0] || c->no_netdev[1]))
		return cli_usage(
		    "guard", "--link-follow needs ports with a network interface (iface=)");
	if (!c->policy_path)
		return cli_usage("guard", "a policy is needed: -p");
	if (strcmp(c->policy_path, "-") == 0)
		return cli_usage(
		    "guard", "the policy has to be a file: it is read again by a reload");
	if (c->eve_path && strcmp(c->eve_path, "-") == 0)
		return cli_usage("guard", "--eve has to be a file: nothing may hold up its writer");
	if (c->key_path && !c->journal_dir)
		return cli_usage("guard", "--key needs --journal");
	if (c->journal_dir && !c->key_path)
		return cli_usage("guard", "--journal needs --key (interlock key new)");
	if (!c->receipts.newest != !c->receipts.keys || (c->receipts.newest && !c->journal_dir))
		return cli_usage(
		    "guard", "--receipt and --receipt-key go with each other and --journal");
	return EXIT_OK;
}

int
cmd_guard(int argc, char **argv)
{
	struct guard_conf c = {.argv = argv, .sender_behind_s = DELIVERY_PATIENCE_S};
	bool foreground, restore = false, detach = false;
	const struct cli_opt table[] = {
	    {"outside", .call = outside, .ctx = &c},
	    {"inside", .call = inside, .ctx = &c},
	    {"policy", 'p', .text = &c.policy_path},
	    {"require-signed", .text = &c.signers},
	    {"eve", .text = &c.eve_path},
	    {"journal", .text = &c.journal_dir},
	    {"key", .text = &c.key_path},
	    {"receipt", .text = &c.receipts.newest},
	    {"receipt-key", .text = &c.receipts.keys},
	    {"sender", .text = &c.sender_dir},
	    {"sender-behind", .seconds = &c.sender_behind_s},
	    {"ctl", .text = &c.ctl_path},
	    {"admins", .text = &c.admins},
	    {"viewers", .text = &c.viewers},
	    {"metrics", .text = &c.metrics},
	    {"memory", .size = &c.memory_bytes},
	    {"workers", .call = workers, .ctx = &c.workers, .bad = "not a number from 1 to 16"},
	    {"xdp", .call = mode_of, .ctx = &c.mode, .bad = "native, generic or auto"},
	    {"zerocopy", .flag = &c.zerocopy},
	    {"allow-addresses", .flag = &c.allow_addresses},
	    {"bypass", .text = &c.bypass},
	    {"link-follow", .flag = &c.link_follow},
	    {"fast-path", .flag = &c.fast_path},
	    {"pin", .text = &c.pin_dir},
	    {"no-pin", .flag = &c.no_pin},
	    {"take-over", .flag = &c.take_over},
	    {"state-dir", .text = &c.state_dir},
	    {"keep-dir", .text = &c.keep_dir},
	    {"foreground", .flag = &foreground}, /* it always does */
	    {"restore", .flag = &restore},
	    {"detach", .flag = &detach},
	    {0},
	};
	enum verb verb;
	int status;

	if (!cli_options("guard", usage_text, table, &argc, &argv, &status))
		return status;
	if (argc > 0)
		return cli_usage("guard", "%s: not an option", argv[0]);
	verb = detach ? GUARD_DETACH : restore ? GUARD_RESTORE : GUARD_RUN;
	if ((status = check(&c, verb)) != EXIT_OK)
		return status;
	return verb == GUARD_RESTORE  ? guard_restore(c.state_dir)
	       : verb == GUARD_DETACH ? guard_detach(&c)
				      : guard_run(&c);
}

#else /* a build without the libraries of the guard (make minimal) */

int
cmd_guard(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cli_say("guard: this build has no XDP: libbpf, libxdp, libseccomp, libcap, clang or "
		"bpftool were "
		"missing (interlock --version)");
	return EXIT_UNABLE;
}

#endif
