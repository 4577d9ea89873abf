/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mb_server.c - a small PLC made of libmodbus, for the recordings.
 *
 * usage: mb_server ADDRESS PORT
 *
 * Unit 1 (also 0 and 255) has 1024 objects of each kind; its inputs move with
 * every request, so that polling sees a process.  Unit 9 never answers, the others get
 * exception 11 as from a gateway.  Reading a holding register 900+n alone is answered
 * with exception n, for the exceptions no healthy device gives.
 */
#include <errno.h>
#include <modbus/modbus.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

enum { OBJECTS = 1024, CLIENTS = 8, UNIT = 1, UNIT_SILENT = 9, EXCEPTION_AT = 900 };

/* A filler: a tank that fills and empties, two temperatures, a counter of bottles. */
static void
process_step(modbus_mapping_t *m)
{
	static unsigned tick;
	uint16_t level = (uint16_t)(tick % 200 < 100 ? tick % 100 : 100 - tick % 100);

	tick++;
	m->tab_input_registers[0] = (uint16_t)(level * 10);
	m->tab_input_registers[1] = (uint16_t)(652 + tick % 7);
	m->tab_input_registers[2] = (uint16_t)(648 + tick % 5);
	m->tab_input_registers[3] = (uint16_t)(tick / 4);
	m->tab_registers[0] = level;
	m->tab_registers[1] = m->tab_registers[100]; /* the set point it follows */
	m->tab_input_bits[0] = level > 90;
	m->tab_input_bits[1] = level < 10;
	m->tab_bits[0] = tick % 200 < 100; /* inlet valve */
	m->tab_bits[1] = !m->tab_bits[0];
}

static int
answer(modbus_t *ctx, const uint8_t *req, int len, modbus_mapping_t *m)
{
	int head = modbus_get_header_length(ctx);
	uint8_t unit = req[head - 1], code = req[head];
	int addr = len >= head + 5 ? req[head + 1] << 8 | req[head + 2] : 0;

	if (unit == UNIT_SILENT)
		return 0;
	if (unit != UNIT && unit != 0 && unit != MODBUS_TCP_SLAVE)
		return modbus_reply_exception(ctx, req, MODBUS_EXCEPTION_GATEWAY_TARGET);
	if (code == MODBUS_FC_READ_HOLDING_REGISTERS && addr > EXCEPTION_AT &&
	    addr < EXCEPTION_AT + MODBUS_EXCEPTION_MAX)
		return modbus_reply_exception(ctx, req, (unsigned)(addr - EXCEPTION_AT));
	process_step(m);
	return modbus_reply(ctx, req, len, m);
}

int
main(int argc, char **argv)
{
	uint8_t req[MODBUS_TCP_MAX_ADU_LENGTH];
	modbus_mapping_t *map = modbus_mapping_new(OBJECTS, OBJECTS, OBJECTS, OBJECTS);
	modbus_t *ctx = argc == 3 ? modbus_new_tcp_pi(argv[1], argv[2]) : NULL;
	int listener, top;
	fd_set open_fds;

	if (!ctx || !map) {
		fprintf(stderr, "usage: mb_server ADDRESS PORT\n");
		return 2;
	}
	/* After an unknown function libmodbus sleeps this long, then forgets what came. */
	modbus_set_response_timeout(ctx, 0, 2000);
	for (unsigned i = 0; i < OBJECTS; i++)
		map->tab_registers[i] = (uint16_t)i;
	listener = modbus_tcp_pi_listen(ctx, CLIENTS);
	if (listener < 0) {
		fprintf(stderr, "mb_server: %s\n", modbus_strerror(errno));
		return 1;
	}
	FD_ZERO(&open_fds);
	FD_SET(listener, &open_fds);
	top = listener;
	for (;;) {
		fd_set ready = open_fds;

		if (select(top + 1, &ready, NULL, NULL, NULL) < 0)
			return 1;
		for (int fd = 0; fd <= top; fd++) {
			int len;

			if (!FD_ISSET(fd, &ready))
				continue;
			if (fd == listener) {
				int client = modbus_tcp_pi_accept(ctx, &listener);

				if (client >= 0 && client < FD_SETSIZE) {
					FD_SET(client, &open_fds);
					top = client > top ? client : top;
				}
				continue;
			}
			modbus_set_socket(ctx, fd);
			len = modbus_receive(ctx, req);
			if (len < 0) {
				close(fd);
				FD_CLR(fd, &open_fds);
			} else if (len > 0) {
				answer(ctx, req, len, map);
			}
		}
	}
}
