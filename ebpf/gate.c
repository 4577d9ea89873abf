/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.c - loads the filter (gate.bpf.c), puts it on the ports, reads what it counted.
 *
 * A port is under a bpf_link: the kernel takes the program off when the last descriptor of it is
 * closed, however this process ends, and a successor puts its own program into the same link
 * without a moment between the two (bpf_link_update).
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include <linux/if_link.h>

#include "base/crypto.h"
#include "base/err.h"
#include "ebpf/gate_int.h"
#include "ebpf/gate_pin.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "ebpf/gate.skel.h"
#pragma GCC diagnostic pop

#define GATE_PROGRAM "il_gate_" /* how the names of our programs begin */
#define BUSY_TRIES   50u	/* of 20 ms: a predecessor that is about to end */

static const char *const reasons[] = {
    "none",
#define GATE_REASON(id, name) name,
#include "ebpf/reason.def"
#undef GATE_REASON
};
_Static_assert((int)GATE__REASONS <= (int)GATE_PASSED && GATE_COUNTS_ROWS == 2 * GATE_COUNTS &&
		   GATE_ZONE_ROWS == GATE_SETS * GATE_ZONES &&
		   GATE_CONDUIT_ROWS == GATE_SETS * GATE_CONDUITS,
    "a row for everything");

/* --- opening ----------------------------------------------------------------------------------- */

static char bpf_said[160]; /* the last warning of libbpf: one thread */

static int
on_bpf_message(enum libbpf_print_level level, const char *fmt, va_list args)
{
	if (level == LIBBPF_WARN) {
		(void)vsnprintf(bpf_said, sizeof(bpf_said), fmt, args);
		bpf_said[strcspn(bpf_said, "\n")] = '\0';
	}
	return 0;
}

static int on_record(void *ctx, void *data, size_t size);

static int
take_maps(struct gate *g)
{
	const struct gate_bpf *b = g->bpf;

	g->fd = (struct gate_fds){
	    .nets = {bpf_map__fd(b->maps.gate_nets_1), bpf_map__fd(b->maps.gate_nets_2)},
	    .devices = {bpf_map__fd(b->maps.gate_devices_1), bpf_map__fd(b->maps.gate_devices_2)},
	    .pairs = {bpf_map__fd(b->maps.gate_pairs_1), bpf_map__fd(b->maps.gate_pairs_2)},
	    .all_pairs = bpf_map__fd(b->maps.gate_pairs),
	    .zones = bpf_map__fd(b->maps.gate_zones),
	    .conduits = bpf_map__fd(b->maps.gate_conduits),
	    .confs = bpf_map__fd(b->maps.gate_confs),
	    .cell = bpf_map__fd(b->maps.gate_cell),
	    .buckets = bpf_map__fd(b->maps.gate_buckets),
	    .tokens = bpf_map__fd(b->maps.gate_tokens),
	    .tables = bpf_map__fd(b->maps.fast_tables),
	    .hits = bpf_map__fd(b->maps.fast_hits),
	    .shares = bpf_map__fd(b->maps.fast_shares),
	    .away = bpf_map__fd(b->maps.fast_away),
	};
	g->sample_fd = fcntl(bpf_map__fd(b->maps.gate_samples), F_DUPFD_CLOEXEC, 0);
	if (g->sample_fd < 0)
		return -errno;
	g->ring = ring_buffer__new(g->sample_fd, on_record, g, NULL);
	return g->ring ? 0 : -errno;
}

/* What only connections need is made as small as the kernel lets it be. */
static int
without_flows(struct gate_bpf *b)
{
	struct bpf_map *const maps[] = {b->maps.kflow_index, b->maps.kflows, b->maps.kflow_offers,
	    b->maps.fast_tables, b->maps.fast_hits, b->maps.fast_shares, b->maps.fast_counts,
	    b->maps.fast_away};
	int r = 0;

	for (unsigned i = 0; i < sizeof(maps) / sizeof(maps[0]) && r == 0; i++)
		r = bpf_map__set_max_entries(maps[i], 1);
	return r;
}

/* Constants of the programs, and what is pinned.  0; -errno; or -ESTALE, said: that does not fit. */
static int
set_up(struct gate *g, bool fast, const struct gate_pins *pins, char *err, size_t err_size)
{
	uint64_t key[KFLOW_HASH_WORDS];
	int r = fast ? 0 : without_flows(g->bpf);

	if (r < 0)
		return r;
	g->fast = fast;
	g->bpf->rodata->n_cpus = g->n_cpus;
	g->bpf->rodata->fast_on = fast;
	if (!fast)
		return 0;
	crypto_random(key, sizeof(key));
	if (pins && gate_pin_take(g, pins, g->bpf->obj, key, err, err_size) < 0)
		return -ESTALE;
	memcpy(g->bpf->rodata->hash_key, key, sizeof(key));
	return 0;
}

static struct gate *
open_gate(bool fast, const struct gate_pins *pins, char *err, size_t err_size)
{
	struct gate *g = calloc(1, sizeof(*g));
	libbpf_print_fn_t print;
	int n = libbpf_num_possible_cpus(), r = -ENOMEM;

	if (g) {
		g->link[0] = g->link[1] = g->sample_fd = -1;
		g->record = g->pinned[0] = g->pinned[1] = -1;
		g->n_cpus = n > 0 ? (unsigned)n : 1;
		g->per_cpu =
		    calloc(g->n_cpus, sizeof(struct fast_counter)); /* the larger of both */
	}
	bpf_said[0] = '\0';
	print = libbpf_set_print(on_bpf_message);
	if (g && g->per_cpu) {
		g->bpf = gate_bpf__open();
		r = g->bpf ? 0 : -errno;
		if (r == 0 && g->n_cpus > GATE_CPUS)
			r = -E2BIG;
		if (r == 0)
			r = set_up(g, fast, pins, err, err_size);
		if (r == 0)
			r = gate_bpf__load(g->bpf);
		if (r == 0)
			r = take_maps(g);
	}
	(void)libbpf_set_print(print);
	if (r == 0)
		return g;
	gate_close(g);
	if (r == -ESTALE)
		return NULL;
	if (r == -EPERM || r == -EACCES)
		(void)err_say(err, err_size, 0,
		    "the filter cannot be loaded: CAP_BPF and CAP_NET_ADMIN are needed (%s)",
		    strerror(-r));
	else
		(void)err_say(err, err_size, 0, "the filter cannot be loaded: %s%s%s", strerror(-r),
		    bpf_said[0] ? ": " : "", bpf_said);
	return NULL;
}

struct gate *
gate_open(char *err, size_t err_size)
{
	return open_gate(false, NULL, err, err_size);
}

struct gate *
gate_open_fast(char *err, size_t err_size)
{
	return open_gate(true, NULL, err, err_size);
}

struct gate *
gate_open_pinned(const struct gate_pins *p, char *err, size_t err_size)
{
	return open_gate(true, p, err, err_size);
}

struct bpf_object *
gate_object(const struct gate *g)
{
	return g->bpf->obj;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

void
gate_leave(struct gate *g, bool keep_samples)
{
	close_fd(&g->link[0]);
	close_fd(&g->link[1]);
	close_fd(&g->pinned[0]);
	close_fd(&g->pinned[1]);
	close_fd(&g->record);
	gate_bpf__destroy(g->bpf);
	g->bpf = NULL;
	if (keep_samples)
		return;
	ring_buffer__free(g->ring);
	g->ring = NULL;
	close_fd(&g->sample_fd);
}

void
gate_close(struct gate *g)
{
	if (!g)
		return;
	gate_leave(g, false);
	free(g->per_cpu);
	free(g);
}

/* --- tables ------------------------------------------------------------------------------------ */

/*
 * When this returns, no program still judges by what was in force before: writing to a map of maps
 * waits for the programs that run (Documentation/bpf/map_of_maps.rst), also when
 * it writes what is there.
 */
static int
wait_for_programs(const struct gate *g, uint32_t set)
{
	return bpf_map_update_elem(g->fd.all_pairs, &set, &g->fd.pairs[set], BPF_ANY) < 0 ? -errno
											  : 0;
}

int
gate_set_policy(
    struct gate *g, const struct gate_spec *spec, uint32_t generation, char *err, size_t err_size)
{
	const uint32_t zero = 0;
	uint32_t cell = 0;
	char why[sizeof(g->not_fast)] = "";
	int r;

	if (!g->bpf)
		return err_say(err, err_size, ERR_USAGE, "this process has left the filter");
	/* Pinned tables may be in force, or another guard's who did not get far. */
	if (bpf_map_lookup_elem(g->fd.cell, &zero, &cell) < 0)
		return err_say(err, err_size, err_from_errno(errno),
		    "the filter's tables cannot be read: %s", strerror(errno));
	cell = cell == 1 ? 2 : 1;
	if ((r = gate_check(spec, err, err_size)) < 0)
		return r;
	r = gate_fill(g, cell - 1, spec, generation, why, sizeof(why));
	if (r == 0 && bpf_map_update_elem(g->fd.cell, &zero, &cell, BPF_ANY) < 0)
		r = -errno;
	if (r < 0)
		return err_say(err, err_size, err_from_errno(-r),
		    "the filter's tables cannot be filled: %s", strerror(-r));
	memcpy(g->not_fast, why, sizeof(why));
	if ((r = wait_for_programs(g, cell - 1)) < 0)
		return err_say(err, err_size, err_from_errno(-r),
		    "the policy is in force, but the filter does not answer: %s", strerror(-r));
	return 0;
}

int
gate_fast_fds(const struct gate *g, struct gate_fast_fds *out)
{
	if (!g->bpf || !g->fast)
		return ERR_USAGE;
	*out = (struct gate_fast_fds){
	    .flows = bpf_map__fd(g->bpf->maps.kflows),
	    .index = bpf_map__fd(g->bpf->maps.kflow_index),
	    .offers = bpf_map__fd(g->bpf->maps.kflow_offers),
	    .pulse = bpf_map__fd(g->bpf->maps.kflow_pulse),
	    .counts = bpf_map__fd(g->bpf->maps.fast_counts),
	    .hits = g->fd.hits,
	    .shares = g->fd.shares,
	    .away = g->fd.away,
	    .cell = g->fd.cell,
	    .confs = g->fd.confs,
	    .n_cpus = g->n_cpus,
	};
	return 0;
}

const char *
gate_not_fast(const struct gate *g)
{
	return !g->fast		? "the filter was loaded without the fast path"
	       : g->not_fast[0] ? g->not_fast
				: NULL;
}

const uint64_t *
gate_fast_key(const struct gate *g)
{
	return (const uint64_t *)g->bpf->rodata->hash_key;
}

int
gate_xskmap(const struct gate *g, unsigned port)
{
	if (!g->bpf)
		return -1;
	return bpf_map__fd(port == 0 ? g->bpf->maps.gate_xsks_out : g->bpf->maps.gate_xsks_in);
}

/* --- ports --------------------------------------------------------------------------------------- */

struct attached {	/* what is on an interface */
	uint32_t id;	/* 0: nothing */
	uint32_t flags; /* XDP_FLAGS_*_MODE */
	bool ours;
	char name[BPF_OBJ_NAME_LEN];
};

/* 0 or -errno. */
static int
look(int ifindex, struct attached *a)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	int r = bpf_xdp_query(ifindex, 0, &q), fd;

	*a = (struct attached){0};
	if (r < 0)
		return r;
	if (q.drv_prog_id != 0)
		*a = (struct attached){.id = q.drv_prog_id, .flags = XDP_FLAGS_DRV_MODE};
	else if (q.skb_prog_id != 0)
		*a = (struct attached){.id = q.skb_prog_id, .flags = XDP_FLAGS_SKB_MODE};
	else if (q.hw_prog_id != 0)
		*a = (struct attached){.id = q.hw_prog_id, .flags = XDP_FLAGS_HW_MODE};
	if (a->id == 0)
		return 0;
	fd = bpf_prog_get_fd_by_id(a->id);
	if (fd < 0)
		return errno == ENOENT ? -EAGAIN : -errno; /* it went while we looked */
	if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0) {
		(void)snprintf(a->name, sizeof(a->name), "%s", info.name);
		a->ours = info.type == BPF_PROG_TYPE_XDP &&
			  strncmp(info.name, GATE_PROGRAM, sizeof(GATE_PROGRAM) - 1) == 0;
	}
	(void)close(fd);
	return 0;
}

/* The link by which program id is on an interface: a descriptor, or -ENOENT when it is there
 * without one.  Interface numbers repeat in other namespaces, hence both. */
static int
link_of(int ifindex, uint32_t prog_id)
{
	uint32_t id = 0;

	while (bpf_link_get_next_id(id, &id) == 0) {
		struct bpf_link_info info = {0};
		uint32_t size = sizeof(info);
		int fd = bpf_link_get_fd_by_id(id);

		if (fd < 0)
			continue;
		if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 &&
		    info.type == BPF_LINK_TYPE_XDP && info.prog_id == prog_id &&
		    info.xdp.ifindex == (uint32_t)ifindex)
			return fd;
		(void)close(fd);
	}
	return -ENOENT;
}

/* Puts prog in the place of a predecessor's: its link, or -errno. */
static int
replace_in(int ifindex, const struct attached *a, int prog)
{
	LIBBPF_OPTS(bpf_link_update_opts, o, .flags = BPF_F_REPLACE);
	int link = link_of(ifindex, a->id), r;

	if (link < 0)
		return link;
	o.old_prog_fd = (uint32_t)bpf_prog_get_fd_by_id(a->id);
	r = (int)o.old_prog_fd < 0 || bpf_link_update(link, prog, &o) < 0 ? -errno : 0;
	if ((int)o.old_prog_fd >= 0)
		(void)close((int)o.old_prog_fd);
	if (r == 0)
		return link;
	(void)close(link);
	return r;
}

static int
attach_as(int prog, int ifindex, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, o, .flags = flags);
	int link = bpf_link_create(prog, ifindex, BPF_XDP, &o);

	return link < 0 ? -errno : link;
}

static void
pause_ms(long ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000};

	(void)nanosleep(&t, NULL);
}

/* One attempt: a link and its mode in *flags, or -errno. */
static int
attach_once(int prog, int ifindex, enum gate_mode mode, uint32_t *flags, int *why_not_native)
{
	int link = -EOPNOTSUPP;

	if (mode != GATE_GENERIC) {
		*flags = XDP_FLAGS_DRV_MODE;
		link = attach_as(prog, ifindex, *flags);
		*why_not_native = link;
	}
	if (mode == GATE_GENERIC || (mode == GATE_AUTO && link < 0 && link != -EBUSY &&
					link != -EEXIST && link != -EPERM && link != -ENODEV)) {
		*flags = XDP_FLAGS_SKB_MODE;
		link = attach_as(prog, ifindex, *flags);
	}
	return link;
}

/* What to say when the interface is not ours to have. */
static int
say_taken(const char *ifname, const struct attached *a, char *err, size_t err_size)
{
	if (a->ours)
		return err_say(err, err_size, ERR_EXISTS,
		    "%s: another guard's filter is on it (program %u)", ifname, a->id);
	return err_say(err, err_size, ERR_EXISTS,
	    "%s: XDP program %u \"%s\" is on it, which is not ours", ifname, a->id, a->name);
}

/* Where the other port's program sends what it judged itself. */
static int
port_put(const struct gate *g, unsigned port, int ifindex)
{
	uint32_t key = port, value = (uint32_t)ifindex;

	return bpf_map_update_elem(bpf_map__fd(g->bpf->maps.fast_ports), &key, &value, BPF_ANY) < 0
		   ? -errno
		   : 0;
}

/* The program of this port in the place of the pinned link's: 0 or -errno. */
static int
take_pinned(struct gate *g, unsigned port, int ifindex, int prog, uint32_t *flags)
{
	struct attached a = {0};
	int r = look(ifindex, &a);

	if (r < 0)
		return r;
	if (a.id == 0 || !a.ours)
		return -ENOENT;
	if (bpf_link_update(g->pinned[port], prog, NULL) < 0)
		return -errno;
	g->link[port] = g->pinned[port];
	g->pinned[port] = -1;
	*flags = a.flags;
	return 0;
}

/* Done: the mode that it got. */
static int
attached_as(struct gate *g, unsigned port, int ifindex, uint32_t flags, int why_not_native,
    char *err, size_t err_size)
{
	char ifname[IF_NAMESIZE] = "?";
	int r;

	(void)if_indextoname((unsigned)ifindex, ifname);
	if (g->fast && (r = port_put(g, port, ifindex)) < 0)
		return err_say(err, err_size, err_from_errno(-r),
		    "%s: the kernel cannot send frames to it itself: %s", ifname, strerror(-r));
	if (flags == XDP_FLAGS_DRV_MODE)
		return g->mode[port] = GATE_NATIVE;
	if (err && err_size)
		err[0] = '\0';
	if (why_not_native < 0)
		(void)err_say(err, err_size, 0,
		    "%s: no native XDP (%s), the filter runs in generic mode", ifname,
		    strerror(-why_not_native));
	return g->mode[port] = GATE_GENERIC;
}

int
gate_attach(struct gate *g, unsigned port, int ifindex, enum gate_mode mode, bool replace,
    char *err, size_t err_size)
{
	char ifname[IF_NAMESIZE] = "?";
	struct attached a = {0};
	uint32_t flags = 0;
	int prog, link = -EBUSY, native = 0, r;

	if (!g->bpf || port > 1 || g->link[port] >= 0 || !if_indextoname((unsigned)ifindex, ifname))
		return err_say(err, err_size, ERR_USAGE,
		    "interface %d: there is none, or the port has one", ifindex);
	prog = bpf_program__fd(port == 0 ? g->bpf->progs.il_gate_out : g->bpf->progs.il_gate_in);
	if (g->pinned[port] >= 0) {
		r = take_pinned(g, port, ifindex, prog, &flags);
		return r == 0 ? attached_as(g, port, ifindex, flags, 0, err, err_size)
			      : err_say(err, err_size, err_from_errno(-r),
				    "%s: its pinned link cannot be taken over: %s", ifname,
				    strerror(-r));
	}
	for (unsigned i = 0;
	     i < BUSY_TRIES && (link == -EBUSY || link == -EEXIST || link == -EAGAIN); i++) {
		if (i != 0)
			pause_ms(20);
		r = look(ifindex, &a);
		if (r == -EAGAIN)
			continue;
		if (r == 0 && a.id != 0 && (!a.ours || !replace))
			return say_taken(ifname, &a, err, err_size);
		if (r == 0 && a.id != 0) {
			flags = a.flags;
			link = replace_in(ifindex, &a, prog);
			if (link == -ENOENT)
				return err_say(err, err_size, ERR_EXISTS,
				    "%s: the filter on it (program %u) has no "
				    "bpf_link that could be taken over",
				    ifname, a.id);
		} else {
			link = attach_once(prog, ifindex, mode, &flags, &native);
			if (r < 0 && link < 0) /* we may not even look at what is there */
				link = r;
		}
	}
	if (link < 0)
		return err_say(err, err_size, err_from_errno(-link),
		    "%s: the filter cannot be attached: %s", ifname, strerror(-link));
	g->link[port] = link;
	return attached_as(g, port, ifindex, flags, native, err, err_size);
}

bool
gate_clean(int ifindex)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, o);
	struct attached a;
	int link, r;

	if (look(ifindex, &a) < 0 || a.id == 0 || !a.ours)
		return false;
	link = link_of(ifindex, a.id);
	if (link >= 0) {
		r = bpf_link_detach(link);
		(void)close(link);
		return r == 0;
	}
	o.old_prog_fd = bpf_prog_get_fd_by_id(a.id);
	if (o.old_prog_fd < 0)
		return false;
	r = bpf_xdp_detach(ifindex, a.flags | XDP_FLAGS_REPLACE, &o);
	(void)close(o.old_prog_fd);
	return r == 0;
}

static int
say_nothing(enum libxdp_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

void
gate_quiet(void)
{
	(void)libbpf_set_print(NULL);
	(void)libxdp_set_print(say_nothing);
}

bool
gate_clean_driver(int ifindex)
{
	static const char *const names[] = {"xsk_def_prog", "xsk_def_xdp_prog", "xdp_dispatcher"};
	struct attached a;
	int r = look(ifindex, &a);
	bool known = r == -EPERM;

	if ((r < 0 && r != -EPERM) || a.id == 0)
		return false;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		known |= strncmp(a.name, names[i], sizeof(a.name) - 1) == 0;
	return known && bpf_xdp_detach(ifindex, a.flags, NULL) == 0;
}

/* --- what it counted ------------------------------------------------------------------------------- */

/* Sum of a row over all CPUs. */
static struct gate_counter
count(const struct gate *g, unsigned port, unsigned reason)
{
	const struct gate_counter *c = g->per_cpu;
	struct gate_counter sum = {0};
	uint32_t row = port * GATE_COUNTS + reason;

	if (!g->bpf ||
	    bpf_map_lookup_elem(bpf_map__fd(g->bpf->maps.gate_counters), &row, g->per_cpu) < 0)
		return sum;
	for (unsigned i = 0; i < g->n_cpus; i++) {
		sum.packets += c[i].packets;
		sum.bytes += c[i].bytes;
	}
	return sum;
}

unsigned
gate_counts(const struct gate *g, struct gate_count *out, unsigned max)
{
	unsigned n = 0;

	for (unsigned reason = GATE_TO_ENGINE + 1; reason < GATE__REASONS && n < max;
	     reason++, n++) {
		out[n] = (struct gate_count){.reason = reasons[reason]};
		for (unsigned port = 0; port < 2; port++) {
			struct gate_counter c = count(g, port, reason);

			out[n].packets[port] = c.packets;
			out[n].bytes[port] = c.bytes;
		}
	}
	if (n < max)
		out[n] = (struct gate_count){0};
	return n;
}

/* What the programs have judged and passed on. */
static uint64_t
forwarded(const struct gate *g, unsigned port)
{
	const struct fast_counter *c = g->per_cpu;
	uint32_t row = port * FAST_COUNTS + FAST_FORWARDED;
	uint64_t sum = 0;

	if (!g->bpf || !g->fast ||
	    bpf_map_lookup_elem(bpf_map__fd(g->bpf->maps.fast_counts), &row, g->per_cpu) < 0)
		return 0;
	for (unsigned i = 0; i < g->n_cpus; i++)
		sum += c[i].packets;
	return sum;
}

void
gate_totals(const struct gate *g, struct gate_totals *out)
{
	for (unsigned port = 0; port < 2; port++) {
		out->to_engine[port] = count(g, port, GATE_TO_ENGINE).packets;
		out->dropped[port] = 0;
		for (unsigned reason = GATE_TO_ENGINE + 1; reason < GATE__REASONS; reason++)
			out->dropped[port] += count(g, port, reason).packets;
		out->passed[port] = count(g, port, GATE_PASSED).packets + forwarded(g, port);
		out->rx[port] = out->to_engine[port] + out->dropped[port] + out->passed[port];
	}
}

/* Bytes that the kernel says it holds for a descriptor ("memlock" of its fdinfo). */
static size_t
map_bytes(int fd)
{
	char path[64], line[128];
	size_t bytes = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if ((f = fopen(path, "re")) == NULL)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, "memlock:", 8) == 0)
			bytes = strtoul(line + 8, NULL, 10);
	(void)fclose(f);
	return bytes;
}

size_t
gate_memory(const struct gate *g)
{
	struct bpf_map *m;
	size_t bytes = 0;

	if (!g->bpf)
		return 0;
	bpf_object__for_each_map(m, g->bpf->obj) bytes += map_bytes(bpf_map__fd(m));
	return bytes;
}

/* --- samples ----------------------------------------------------------------------------------------- */

static int
on_record(void *ctx, void *data, size_t size)
{
	struct gate *g = ctx;
	const struct gate_record *rec = data;
	struct gate_sample s;

	if (size < sizeof(*rec) || rec->port > 1 || rec->reason >= GATE__REASONS ||
	    rec->caplen > GATE_SAMPLE_BYTES)
		return 0;
	s = (struct gate_sample){.count = rec->count,
	    .port = rec->port,
	    .reason = reasons[rec->reason],
	    .len = rec->len,
	    .caplen = rec->caplen,
	    .bytes = rec->bytes};
	g->sample(g->sample_ctx, &s);
	return 0;
}

int
gate_samples(struct gate *g, void (*fn)(void *ctx, const struct gate_sample *s), void *ctx)
{
	g->sample = fn;
	g->sample_ctx = ctx;
	return g->ring ? ring_buffer__consume(g->ring) : 0;
}

int
gate_sample_fd(const struct gate *g)
{
	return g->sample_fd;
}

int
gate_program(const struct gate *g, unsigned port, struct gate_program *out)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	if (!g->bpf)
		return ERR_USAGE;
	out->fd = bpf_program__fd(port == 0 ? g->bpf->progs.il_gate_out : g->bpf->progs.il_gate_in);
	if (bpf_obj_get_info_by_fd(out->fd, &info, &size) < 0)
		return err_from_errno(errno);
	out->name = port == 0 ? GATE_PROGRAM "out" : GATE_PROGRAM "in";
	out->id = info.id;
	out->verified = info.verified_insns;
	out->instructions = info.xlated_prog_len / 8;
	return 0;
}
