/* SPDX-License-Identifier: Apache-2.0 */
/* gate_pass.c - interim: a filter that filters nothing, until there is the real one (gate.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <linux/if_link.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/err.h"
#include "ebpf/gate.h"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion" /* what bpftool writes */
#include "ebpf/gate_pass.skel.h"
#pragma GCC diagnostic pop

struct gate {
	struct gate_pass_bpf *skel;
	int ifindex[2], samples;
	uint32_t flags[2];
};

struct gate *
gate_open(char *err, size_t size)
{
	struct gate *g = calloc(1, sizeof(*g));

	if (g && (g->skel = gate_pass_bpf__open_and_load())) {
		g->samples = epoll_create1(EPOLL_CLOEXEC);
		return g;
	}
	(void)err_say(err, size, ERR_UNSUPPORTED, "filter: cannot be loaded: %s", strerror(errno));
	free(g);
	return NULL;
}

int
gate_set_policy(
    struct gate *g, const struct gate_spec *spec, uint32_t generation, char *err, size_t size)
{
	(void)g;
	(void)spec;
	(void)generation;
	(void)err;
	(void)size;
	return 0;
}

int
gate_attach(struct gate *g, unsigned port, int ifindex, enum gate_mode mode, bool replace,
    char *err, size_t size)
{
	int fd = bpf_program__fd(port ? g->skel->progs.pass_inside : g->skel->progs.pass_outside);
	uint32_t busy = replace ? 0 : XDP_FLAGS_UPDATE_IF_NOEXIST;
	int r = -1;

	if (mode != GATE_GENERIC)
		r = bpf_xdp_attach(ifindex, fd, (g->flags[port] = XDP_FLAGS_DRV_MODE) | busy, NULL);
	if (r < 0 && mode != GATE_NATIVE)
		r = bpf_xdp_attach(ifindex, fd, (g->flags[port] = XDP_FLAGS_SKB_MODE) | busy, NULL);
	if (r < 0)
		return err_say(
		    err, size, err_from_errno(-r), "filter: cannot be attached: %s", strerror(-r));
	g->ifindex[port] = ifindex;
	return g->flags[port] == XDP_FLAGS_DRV_MODE ? GATE_NATIVE : GATE_GENERIC;
}

int
gate_xskmap(const struct gate *g, unsigned port)
{
	return bpf_map__fd(port ? g->skel->maps.inside : g->skel->maps.outside);
}

bool
gate_clean(int ifindex)
{
	return bpf_xdp_detach(ifindex, 0, NULL) == 0;
}

void
gate_close(struct gate *g)
{
	for (unsigned i = 0; i < 2; i++)
		if (g->ifindex[i] != 0)
			(void)bpf_xdp_detach(g->ifindex[i], g->flags[i], NULL);
	gate_pass_bpf__destroy(g->skel);
	close(g->samples);
	free(g);
}

unsigned
gate_counts(const struct gate *g, struct gate_count *out, unsigned max)
{
	(void)g;
	(void)out;
	(void)max;
	return 0;
}

void
gate_totals(const struct gate *g, struct gate_totals *out)
{
	(void)g;
	*out = (struct gate_totals){0};
}

int
gate_samples(struct gate *g, void (*fn)(void *ctx, const struct gate_sample *s), void *ctx)
{
	(void)g;
	(void)fn;
	(void)ctx;
	return 0;
}

int
gate_sample_fd(const struct gate *g)
{
	return g->samples;
}
