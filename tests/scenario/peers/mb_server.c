/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mb_server.c - a PLC made of libmodbus that says what it was asked.
 *
 * usage: mb_server PORT LOG        on all addresses, IPv4 and IPv6
 *
 * Units 1 and 2 have 1024 objects of each kind.  Every ADU that libmodbus took from a socket is
 * appended to LOG, in hex, a line each, before it is answered: what a guard let through.  Any
 * number of clients, up to what select() can hold.
 */
#include <errno.h>
#include <modbus/modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <unistd.h>

enum { OBJECTS = 1024, BACKLOG = 128 };

static void
log_adu(FILE *log, const uint8_t *adu, int len)
{
	for (int i = 0; i < len; i++)
		fprintf(log, "%02x", adu[i]);
	fputc('\n', log);
	(void)fflush(log);
}

int
main(int argc, char **argv)
{
	uint8_t adu[MODBUS_TCP_MAX_ADU_LENGTH];
	modbus_mapping_t *map = modbus_mapping_new(OBJECTS, OBJECTS, OBJECTS, OBJECTS);
	modbus_t *ctx = argc == 3 ? modbus_new_tcp_pi("::", argv[1]) : NULL;
	FILE *log = argc == 3 ? fopen(argv[2], "w") : NULL;
	fd_set all;
	int listener, top;

	if (!ctx || !map || !log) {
		fprintf(stderr, "usage: mb_server PORT LOG\n");
		return 2;
	}
	for (unsigned i = 0; i < OBJECTS; i++)
		map->tab_registers[i] = map->tab_input_registers[i] = (uint16_t)i;
	if ((listener = modbus_tcp_pi_listen(ctx, BACKLOG)) < 0) {
		fprintf(stderr, "mb_server: %s\n", modbus_strerror(errno));
		return 1;
	}
	FD_ZERO(&all);
	FD_SET(listener, &all);
	for (top = listener;;) {
		fd_set ready = all;

		if (select(top + 1, &ready, NULL, NULL, NULL) < 0)
			return 1;
		for (int fd = 0; fd <= top; fd++) {
			int len, client;

			if (!FD_ISSET(fd, &ready))
				continue;
			if (fd == listener) {
				client = modbus_tcp_pi_accept(ctx, &listener);
				if (client >= 0 && client < FD_SETSIZE) {
					FD_SET(client, &all);
					top = client > top ? client : top;
				}
				continue;
			}
			modbus_set_socket(ctx, fd);
			len = modbus_receive(ctx, adu);
			if (len > 0)
				log_adu(log, adu, len);
			if (len < 0 || (len > 0 && modbus_reply(ctx, adu, len, map) < 0)) {
				close(fd);
				FD_CLR(fd, &all);
			}
		}
	}
}
