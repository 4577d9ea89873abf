/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mb_client.c - an HMI made of libmodbus, for the recordings.
 *
 * usage: mb_client ADDRESS PORT UNIT STEP...
 *
 *   r1:A:N r2:A:N r3:A:N r4:A:N  read N objects from A     w5:A:V w6:A:V       write one
 *   w15:A:V,V,... w16:A:V,V,...  write several              w22:A:AND:OR        mask
 *   rw23:A:N:B:V,V,...           write at B, read at A       id                  report server id
 *   wait:MS                      nothing, for a while        poll:CYCLES:MS      the HMI's day
 *
 * poll reads a screen (holding, input, coils, discrete) per cycle, every fifth cycle moves
 * the set point in 100 (0..1500), every seventh writes the recipe in 101..104 (0..100 in
 * steps of 10).  A step that fails is reported and does not end the run: exceptions are
 * what some recordings are about.
 */
#include <errno.h>
#include <modbus/modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARGS = 4 + MODBUS_MAX_WRITE_REGISTERS };

static uint16_t words[MODBUS_MAX_READ_REGISTERS];
static uint8_t bits[MODBUS_MAX_READ_BITS];

static int
poll_screen(modbus_t *ctx, long cycles, long ms)
{
	int bad = 0;

	for (int i = 0; i < cycles; i++) {
		bad |= modbus_read_registers(ctx, 0, 10, words) < 0;
		bad |= modbus_read_input_registers(ctx, 0, 8, words) < 0;
		bad |= modbus_read_bits(ctx, 0, 16, bits) < 0;
		bad |= modbus_read_input_bits(ctx, 0, 16, bits) < 0;
		if (i % 5 == 4)
			bad |= modbus_write_register(ctx, 100, (uint16_t)(i * 37 % 1501)) < 0;
		if (i % 7 == 6) {
			for (int k = 0; k < 4; k++)
				words[k] = (uint16_t)((i + 3 * k) % 11 * 10);
			bad |= modbus_write_registers(ctx, 101, 4, words) < 0;
		}
		usleep((useconds_t)ms * 1000);
	}
	return bad ? -1 : 0;
}

/* v holds the n numbers of a step, in their order. */
static int
run(modbus_t *ctx, const char *name, const long *v, int n)
{
	int addr = (int)v[0], count = n > 1 ? (int)v[1] : 1;

	if (strcmp(name, "wait") == 0)
		return usleep((useconds_t)v[0] * 1000);
	if (strcmp(name, "poll") == 0)
		return poll_screen(ctx, v[0], count);
	if (strcmp(name, "r1") == 0)
		return modbus_read_bits(ctx, addr, count, bits);
	if (strcmp(name, "r2") == 0)
		return modbus_read_input_bits(ctx, addr, count, bits);
	if (strcmp(name, "r3") == 0)
		return modbus_read_registers(ctx, addr, count, words);
	if (strcmp(name, "r4") == 0)
		return modbus_read_input_registers(ctx, addr, count, words);
	if (strcmp(name, "w5") == 0)
		return modbus_write_bit(ctx, addr, count);
	if (strcmp(name, "w6") == 0)
		return modbus_write_register(ctx, addr, (uint16_t)count);
	if (strcmp(name, "w22") == 0)
		return modbus_mask_write_register(ctx, addr, (uint16_t)v[1], (uint16_t)v[2]);
	if (strcmp(name, "id") == 0)
		return modbus_report_slave_id(ctx, sizeof(bits), bits);
	if (strcmp(name, "w15") == 0 || strcmp(name, "w16") == 0) {
		for (int i = 1; i < n; i++) {
			bits[i - 1] = v[i] != 0;
			words[i - 1] = (uint16_t)v[i];
		}
		return name[2] == '5' ? modbus_write_bits(ctx, addr, n - 1, bits)
				      : modbus_write_registers(ctx, addr, n - 1, words);
	}
	if (strcmp(name, "rw23") == 0) {
		uint16_t out[MODBUS_MAX_WR_WRITE_REGISTERS];

		for (int i = 3; i < n && i < MODBUS_MAX_WR_WRITE_REGISTERS; i++)
			out[i - 3] = (uint16_t)v[i];
		return modbus_write_and_read_registers(
		    ctx, (int)v[2], n - 3, out, addr, count, words);
	}
	fprintf(stderr, "mb_client: no step %s\n", name);
	exit(2);
}

int
main(int argc, char **argv)
{
	modbus_t *ctx = argc > 4 ? modbus_new_tcp_pi(argv[1], argv[2]) : NULL;

	if (!ctx) {
		fprintf(stderr, "usage: mb_client ADDRESS PORT UNIT STEP...\n");
		return 2;
	}
	modbus_set_slave(ctx, (int)strtol(argv[3], NULL, 0));
	modbus_set_response_timeout(ctx, 0, 500000);
	modbus_set_error_recovery(ctx, MODBUS_ERROR_RECOVERY_LINK);
	if (modbus_connect(ctx) < 0) {
		fprintf(stderr, "mb_client: %s: %s\n", argv[1], modbus_strerror(errno));
		return 1;
	}
	for (int i = 4; i < argc; i++) {
		char *rest = argv[i], *name = strsep(&rest, ":");
		long v[ARGS] = {0};
		int n = 0;

		while (rest && n < ARGS)
			v[n++] = strtol(strsep(&rest, ":,"), NULL, 0);
		if (run(ctx, name, v, n) < 0)
			printf("%s: %s\n", argv[i], modbus_strerror(errno));
	}
	modbus_close(ctx);
	modbus_free(ctx);
	return 0;
}
