/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xdp_ports.c - the ports of a guard without one: made ready until SIGTERM, then put back.
 *
 *   xdp_ports setup DIR OUTSIDE INSIDE [addresses] [take-over]    prints a line per port, "ready"
 *   xdp_ports recover DIR                                         what `guard --restore` does
 *
 * DIR is the state directory.  Exit status 1 with the error's line when it does not work.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "guard/ports.h"

static void
said(const char *line)
{
	puts(line);
}

static int
setup(int argc, char **argv)
{
	struct ports_conf conf = {.state_dir = argv[2], .ifname = {argv[3], argv[4]}};
	struct ports ports;
	char err[256] = "";
	sigset_t set;
	int sig;

	for (int i = 5; i < argc; i++) {
		conf.allow_addresses |= strcmp(argv[i], "addresses") == 0;
		conf.take_over |= strcmp(argv[i], "take-over") == 0;
	}
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	if (ports_setup(&ports, &conf, err, sizeof(err)) < 0) {
		puts(err);
		return 1;
	}
	for (unsigned i = 0; i < 2; i++)
		printf("%s mtu %u queues %u carrier %d\n", ports.port[i].name, ports.port[i].mtu,
		    ports.port[i].queues, port_carrier(&ports, i));
	puts("ready");
	(void)fflush(stdout);
	(void)sigwait(&set, &sig);
	if (ports_restore(&ports, err, sizeof(err)) < 0) {
		puts(err);
		return 1;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc >= 5 && strcmp(argv[1], "setup") == 0)
		return setup(argc, argv);
	if (argc == 3 && strcmp(argv[1], "recover") == 0)
		return ports_recover(argv[2], said) < 0 ? 1 : 0;
	fprintf(stderr, "usage: xdp_ports setup DIR OUTSIDE INSIDE [addresses] [take-over] | "
			"recover DIR\n");
	return 2;
}
