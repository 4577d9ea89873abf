/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mb_client.c - an HMI made of libmodbus that knows what should happen.
 *
 * usage: mb_client ADDRESS PORT STEP[=OUTCOME]...      all in one session
 *
 *   r1:A:N r2:A:N r3:A:N r4:A:N  read N objects from A      w5:A:V w6:A:V     write one
 *   w15:A:V,V,... w16:A:V,V,...  write several               w22:A:AND:OR      mask
 *   rw23:A:N:B:V,V,...           write at B, read at A
 *   unit:U   for what follows    wait:MS                     poll:N            N reads of 10 registers, all good
 *   for:S[:MS[:PID]]             polls every MS for S seconds, and for as long as there is a process PID; then
 *                        says how many and the longest, in ms.  An answer may take LONG_S: TCP
 *                        comes back from what is lost meanwhile
 *
 * OUTCOME: ok (when absent), exception, silent (no answer within half a second), gone (the other
 * side ended the connection).  Written registers are read again when the write was good, and must
 * hold what was written.  Exit status 1 at the first step that went otherwise.
 */
#include <errno.h>
#include <modbus/modbus.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ARGS = 4 + MODBUS_MAX_WRITE_REGISTERS, POLLED = 10, PATIENCE_MS = 500, LONG_S = 20 };

static uint16_t words[MODBUS_MAX_READ_REGISTERS];
static uint8_t bits[MODBUS_MAX_READ_BITS];

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool
poll_one(modbus_t *ctx)
{
	if (modbus_read_registers(ctx, 0, POLLED, words) != POLLED)
		return false;
	for (int i = 0; i < POLLED; i++)
		if (words[i] != i)
			return false;
	return true;
}

static int
poll_for(modbus_t *ctx, long seconds, long ms, pid_t pid)
{
	uint64_t end = now_ms() + (uint64_t)seconds * 1000, longest = 0;
	unsigned n = 0;

	modbus_set_response_timeout(ctx, LONG_S, 0);
	for (uint64_t t = now_ms(); t < end || (pid > 0 && kill(pid, 0) == 0); t = now_ms()) {
		uint64_t took;

		if (!poll_one(ctx)) {
			printf("for: poll %u: %s\n", n, modbus_strerror(errno));
			return -1;
		}
		n++;
		took = now_ms() - t;
		longest = took > longest ? took : longest;
		if (ms > 0)
			(void)usleep((useconds_t)ms * 1000);
	}
	modbus_set_response_timeout(ctx, PATIENCE_MS / 1000, PATIENCE_MS % 1000 * 1000);
	printf("polled %u longest %u\n", n, (unsigned)longest);
	(void)fflush(stdout);
	return 0;
}

static int
written(modbus_t *ctx, const long *v, int n)
{
	if (modbus_read_registers(ctx, (int)v[0], n - 1, words) != n - 1)
		return -1;
	for (int i = 1; i < n; i++)
		if (words[i - 1] != (uint16_t)v[i]) {
			errno = EBADMSG;
			return -1;
		}
	return 0;
}

/* v holds the n numbers of a step, in their order. */
static int
run(modbus_t *ctx, const char *name, const long *v, int n)
{
	int a = (int)v[0], count = n > 1 ? (int)v[1] : 1;
	uint16_t out[ARGS];

	for (int i = 0; i < n; i++)
		out[i] = (uint16_t)v[i];
	for (int i = 1; i < n; i++)
		bits[i - 1] = v[i] != 0;
	if (strcmp(name, "unit") == 0)
		return modbus_set_slave(ctx, a);
	if (strcmp(name, "wait") == 0)
		return usleep((useconds_t)v[0] * 1000);
	if (strcmp(name, "for") == 0)
		return poll_for(ctx, v[0], v[1], (pid_t)v[2]);
	if (strcmp(name, "poll") == 0) {
		for (long i = 0; i < v[0]; i++)
			if (!poll_one(ctx)) {
				printf("poll %ld: ", i);
				return -1;
			}
		return 0;
	}
	if (strcmp(name, "r1") == 0)
		return modbus_read_bits(ctx, a, count, bits);
	if (strcmp(name, "r2") == 0)
		return modbus_read_input_bits(ctx, a, count, bits);
	if (strcmp(name, "r3") == 0)
		return modbus_read_registers(ctx, a, count, words);
	if (strcmp(name, "r4") == 0)
		return modbus_read_input_registers(ctx, a, count, words);
	if (strcmp(name, "w5") == 0)
		return modbus_write_bit(ctx, a, count);
	if (strcmp(name, "w6") == 0)
		return modbus_write_register(ctx, a, out[1]) < 0 ? -1 : written(ctx, v, n);
	if (strcmp(name, "w15") == 0)
		return modbus_write_bits(ctx, a, n - 1, bits);
	if (strcmp(name, "w16") == 0)
		return modbus_write_registers(ctx, a, n - 1, out + 1) < 0 ? -1 : written(ctx, v, n);
	if (strcmp(name, "w22") == 0)
		return modbus_mask_write_register(ctx, a, out[1], out[2]);
	if (strcmp(name, "rw23") == 0)
		return modbus_write_and_read_registers(
		    ctx, (int)v[2], n - 3, out + 3, a, count, words);
	fprintf(stderr, "mb_client: no step %s\n", name);
	exit(2);
}

static const char *
outcome(int r)
{
	static char other[64];

	if (r >= 0)
		return "ok";
	if (errno > MODBUS_ENOBASE && errno < EMBBADCRC)
		return "exception";
	if (errno == ETIMEDOUT)
		return "silent";
	if (errno == ECONNRESET || errno == EPIPE || errno == EBADF)
		return "gone";
	(void)snprintf(other, sizeof(other), "%s", modbus_strerror(errno));
	return other;
}

int
main(int argc, char **argv)
{
	modbus_t *ctx = argc > 3 ? modbus_new_tcp_pi(argv[1], argv[2]) : NULL;

	if (!ctx) {
		fprintf(stderr, "usage: mb_client ADDRESS PORT STEP[=OUTCOME]...\n");
		return 2;
	}
	modbus_set_slave(ctx, 1);
	modbus_set_response_timeout(ctx, PATIENCE_MS / 1000, PATIENCE_MS % 1000 * 1000);
	if (modbus_connect(ctx) < 0) {
		printf("connect: %s\n", modbus_strerror(errno));
		return 1;
	}
	for (int i = 3; i < argc; i++) {
		char *step = strdup(argv[i]), *want = step, *rest = strsep(&want, "=");
		const char *name = strsep(&rest, ":"), *got;
		long v[ARGS] = {0};
		int n = 0;

		while (rest && n < ARGS)
			v[n++] = strtol(strsep(&rest, ":,"), NULL, 0);
		got = outcome(run(ctx, name, v, n));
		if (strcmp(got, want ? want : "ok") != 0) {
			printf("%s: %s\n", argv[i], got);
			return 1;
		}
		free(step);
	}
	modbus_close(ctx);
	modbus_free(ctx);
	return 0;
}
