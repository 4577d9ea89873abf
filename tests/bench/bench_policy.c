/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_policy.c - how long a reload takes: from the text of a policy to an image that
 * another process maps.  10 000 rules, 1 000 devices; once spread over 500 conduits, once all
 * rules in one block, which is the worse case for the compiler.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "policy/image.h"

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
one_rule(FILE *to, unsigned n)
{
	unsigned at = n * 6 % 60000;

	if (n % 10 == 0)
		fprintf(to,
		    "        - {name: r%u, units: [%u], functions: [6, 16], holding: [%u..%u], "
		    "values: {%u: 0..1500}}\n",
		    n, 1 + n % 4, at, at + 4, at);
	else
		fprintf(to,
		    "        - {name: r%u, units: [%u, %u], functions: [3, 4], holding: "
		    "[%u..%u, %u]}\n",
		    n, n % 250, n % 7, at, at + 4, (n * 11) % 65536);
}

static void
head(FILE *to, unsigned devices)
{
	fprintf(to, "interlock: 1\nmode: enforce\nzones:\n");
	fprintf(to, "  scada: {port: outside, nets: [10.1.0.0/16], limits: {flows: 200/s}}\n");
	fprintf(to, "  cell: {port: inside, nets: [10.2.0.0/16]}\ndevices:\n");
	for (unsigned d = 0; d < devices; d++)
		fprintf(to, "  d%u: {zone: %s, ip: 10.%u.%u.%u, mac: \"02:00:00:00:%02x:%02x\"}\n",
		    d, d % 2 ? "cell" : "scada", 1 + d % 2, d / 250, 1 + d % 250, d >> 8, d & 255);
	fprintf(to, "conduits:\n");
}

static char *
policy_text(unsigned devices, unsigned conduits, unsigned rules, size_t *len)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, len);

	if (!to)
		abort();
	head(to, devices);
	for (unsigned c = 0, r = 0; c < conduits; c++) {
		fprintf(to,
		    "  - name: c%u\n    from: [d%u]\n    to: [d%u]\n    otherwise: reject\n"
		    "    latency: 2ms\n    modbus:\n      addressing: zero-based\n      allow:\n",
		    c, 2 * c % devices, (2 * c + 1) % devices);
		for (unsigned i = 0; i < rules / conduits; i++, r++)
			one_rule(to, r);
	}
	fclose(to);
	return text;
}

/* Of this process: "VmRSS:" now, "VmHWM:" at most; MiB. */
static double
resident(const char *key)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[128];
	unsigned long kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			kib = strtoul(line + strlen(key), NULL, 10);
	if (f)
		fclose(f);
	return (double)kib / 1024;
}

static int
measure(const char *what, unsigned devices, unsigned conduits, unsigned rules)
{
	struct complaints c = {0};
	size_t len = 0;
	char *text = policy_text(devices, conduits, rules, &len), err[200];
	const struct policy *p = NULL;
	double best_build = 1e9, best_map = 1e9, t0, t1, before = resident("VmRSS:");

	for (unsigned i = 0; i < 5; i++) {
		int fd;

		t0 = now_ms();
		fd = policy_image_build("bench", text, len, 0, i + 1, &c);
		t1 = now_ms();
		if (fd < 0) {
			complaints_print(&c, stderr);
			return 1;
		}
		best_build = t1 - t0 < best_build ? t1 - t0 : best_build;
		t0 = now_ms();
		p = policy_image_map(fd, err, sizeof(err));
		t1 = now_ms();
		close(fd);
		if (!p) {
			fprintf(stderr, "%s\n", err);
			return 1;
		}
		best_map = t1 - t0 < best_map ? t1 - t0 : best_map;
		if (i < 4)
			policy_image_unmap(p);
	}
	printf("  %-28s %6zu KiB of text: check, compile, image %7.1f ms (%.1f MiB), map %.3f ms; "
	       "resident at most %.1f MiB, %.1f of them before\n",
	    what, len >> 10, best_build, (double)policy_bytes(p) / (1 << 20), best_map,
	    resident("VmHWM:"), before);
	policy_image_unmap(p);
	complaints_fini(&c);
	free(text);
	return 0;
}

static const struct {
	const char *what;
	unsigned conduits, rules;
} cases[] = {
    {"100 rules in 10 conduits", 10, 100},
    {"10000 rules in 500 conduits", 500, 10000},
    {"10000 rules in one block", 1, 10000},
};

int
main(void)
{
	int r = policy_slots_reserve();

	if (r < 0) {
		fprintf(stderr, "bench_policy: %s\n", err_str(r));
		return 1;
	}
	printf("policy reload, best of 5; 1000 devices\n");
	fflush(stdout);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status = 1;
		pid_t child = fork(); /* each with memory of its own, as the builder has */

		if (child == 0) {
			r = measure(cases[i].what, 1000, cases[i].conduits, cases[i].rules);
			fflush(stdout);
			_exit(r);
		}
		if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0)
			return 1;
	}
	return 0;
}
