/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_fill.c - the tables of a policy (policy/gate.h) as the programs in the kernel look
 * them up (abi.h).  A set is emptied and filled entry by entry: a policy of the greatest
 * size takes a quarter of a second, and the set in force is not touched meanwhile.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/err.h"
#include "ebpf/gate_int.h"
#include "policy/table.h"

typedef const uint32_t *fill_tables_at; /* nothing is evaluated here: only where words lie */
#define FAST_TABLES	 fill_tables_at
#define FAST_WORD(t, at) (t)[at]
#include "ebpf/fast_eval.h"

_Static_assert(GATE_RANGES == GATE_SPANS, "as many ranges as a conduit may have");
_Static_assert(sizeof(struct net_addr) == sizeof(((struct gate_net_key *)0)->addr), "addresses");

/* --- does it fit ------------------------------------------------------------------------- */

static int
check_limit(uint32_t n, uint32_t max, const char *what, char *err, size_t err_size)
{
	if (n <= max)
		return 0;
	return err_say(
	    err, err_size, ERR_FULL, "the policy has %u %s, the filter holds %u", n, what, max);
}

static bool
end_known(const struct gate_spec *s, uint32_t end)
{
	uint32_t kind = end >> GATE_END_SHIFT, index = end & ((1u << GATE_END_SHIFT) - 1);

	return kind == GATE_END_DEVICE ? index < s->n_devices
				       : kind < GATE_END_DEVICE && index < s->n_zones;
}

int
gate_check(const struct gate_spec *s, char *err, size_t err_size)
{
	const struct {
		uint32_t n, max;
		const char *what;
	} limits[] = {
	    {s->n_zones, GATE_ZONES, "zones"},
	    {s->n_nets, GATE_NETS, "nets"},
	    {s->n_devices, GATE_DEVICES, "devices"},
	    {s->n_pairs, GATE_PAIRS, "pairs of from and to"},
	    {s->n_conduits, GATE_CONDUITS, "conduits"},
	};
	bool sound = true;
	int r;

	for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if ((r = check_limit(limits[i].n, limits[i].max, limits[i].what, err, err_size)) <
		    0)
			return r;
	for (uint32_t i = 0; i < s->n_nets; i++)
		sound = sound && s->nets[i].zone < s->n_zones && s->nets[i].prefix.len <= 128;
	for (uint32_t i = 0; i < s->n_devices; i++)
		sound = sound && s->devices[i].zone < s->n_zones;
	for (uint32_t i = 0; i < s->n_pairs; i++)
		sound = sound && s->pairs[i].conduit < s->n_conduits &&
			end_known(s, s->pairs[i].from) && end_known(s, s->pairs[i].to);
	for (uint32_t i = 0; i < s->n_conduits; i++)
		sound = sound && s->conduits[i].n_spans <= GATE_RANGES;
	return sound
		   ? 0
		   : err_say(err, err_size, ERR_RANGE, "the policy's tables contradict each other");
}

/* --- rows ---------------------------------------------------------------------------------- */

static struct gate_limit
limit_of(uint32_t per_s)
{
	struct gate_limit l = {0};

	if (per_s == 0)
		return l;
	l.cost = GATE_TICKS_PER_S / per_s;
	/* What a CPU takes at once and may have left: a 256th of a second's worth at most. */
	l.batch = per_s / 256 < 1 ? 1 : per_s / 256 > 64 ? 64 : per_s / 256;
	return l;
}

/* Which kinds of ends of the pairs an index has; from one of these arrays of bits. */
static void
mark_ends(const struct gate_spec *s, uint8_t *of_device, uint8_t *of_zone)
{
	for (uint32_t i = 0; i < s->n_pairs; i++)
		for (unsigned to = 0; to < 2; to++) {
			uint32_t end = to ? s->pairs[i].to : s->pairs[i].from;
			uint32_t kind = end >> GATE_END_SHIFT,
				 at = end & ((1u << GATE_END_SHIFT) - 1);
			uint8_t bit = (uint8_t)(to ? GATE_IS_TO(kind) : GATE_IS_FROM(kind));

			if (kind == GATE_END_DEVICE)
				of_device[at] |= bit;
			else
				of_zone[at] |= bit;
		}
}

/* 0 or -errno. */
static int
put(int fd, const void *key, const void *value, uint64_t flags)
{
	return bpf_map_update_elem(fd, key, value, flags) < 0 ? -errno : 0;
}

/* Takes everything out of a map whose keys have at most 32 bytes. */
static int
empty(int fd)
{
	uint8_t key[32];

	while (bpf_map_get_next_key(fd, NULL, key) == 0)
		if (bpf_map_delete_elem(fd, key) < 0 && errno != ENOENT)
			return -errno;
	return errno == ENOENT ? 0 : -errno;
}

static int
fill_zones(const struct gate *g, unsigned set, const struct gate_spec *s, const uint8_t *ends)
{
	const struct gate_bucket full = {0};
	void *none = calloc(g->n_cpus, (sizeof(struct gate_tokens) + 7) / 8 * 8);
	int r = none ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < s->n_zones && r == 0; i++) {
		const struct gate_zone *z = &s->zones[i];
		uint32_t row = set * GATE_ZONES + i;
		struct gate_zone_row v = {
		    .vlan = z->vlan_any ? 0 : z->vlan,
		    .port = z->port < 0 ? GATE_PORT_ANY : (uint8_t)z->port,
		    .ends = ends[i],
		    .limited = (z->packets_per_s | z->flows_per_s) != 0,
		    .packets = limit_of(z->packets_per_s),
		    .flows = limit_of(z->flows_per_s),
		};

		if ((r = put(g->fd.buckets, &row, &full, BPF_ANY)) == 0 &&
		    (r = put(g->fd.tokens, &row, none, BPF_ANY)) == 0)
			r = put(g->fd.zones, &row, &v, BPF_ANY);
	}
	free(none);
	return r;
}

static int
fill_who(const struct gate *g, unsigned set, const struct gate_spec *s, const uint8_t *ends)
{
	int r = 0;

	for (uint32_t i = 0; i < s->n_nets && r == 0; i++) {
		struct gate_net_key k = {.len = s->nets[i].prefix.len};

		memcpy(k.addr, s->nets[i].prefix.addr.b, sizeof(k.addr));
		r = put(g->fd.nets[set], &k, &s->nets[i].zone, BPF_ANY);
	}
	for (uint32_t i = 0; i < s->n_devices && r == 0; i++) {
		const struct gate_device *d = &s->devices[i];
		struct gate_device_row v = {
		    .index = i, .zone = d->zone, .has_mac = d->has_mac, .ends = ends[i]};

		memcpy(v.mac, d->mac, sizeof(v.mac));
		r = put(g->fd.devices[set], d->addr.b, &v, BPF_ANY);
	}
	return r;
}

/* Of two conduits for a pair the first holds, as in pair_map_put(). */
static int
fill_pairs(const struct gate *g, unsigned set, const struct gate_spec *s)
{
	int r = 0;

	for (uint32_t i = 0; i < s->n_pairs && r == 0; i++) {
		struct gate_pair_key k = {s->pairs[i].from, s->pairs[i].to};

		r = put(g->fd.pairs[set], &k, &s->pairs[i].conduit, BPF_NOEXIST);
		if (r == -EEXIST)
			r = 0;
	}
	return r;
}

static int
fill_conduits(const struct gate *g, unsigned set, const struct gate_spec *s)
{
	int r = 0;

	for (uint32_t i = 0; i < s->n_conduits && r == 0; i++) {
		const struct gate_conduit *c = &s->conduits[i];
		struct gate_conduit_row v = {.everything = c->any_port,
		    .echo = c->echo,
		    .place_drop = c->place >= VERDICT_REJECT,
		    .mac_drop = c->mac >= VERDICT_REJECT,
		    .n_ranges = c->n_spans,
		    .block = {c->block[GATE_MODBUS], c->block[GATE_S7], c->block[GATE_OPCUA]},
		    .fail_open = c->fail_open,
		    .counted = c->counted};
		uint32_t row = set * GATE_CONDUITS + i;

		for (unsigned k = 0; k < c->n_spans; k++) {
			v.range[k] = (uint32_t)c->span[k].lo << 16 | c->span[k].hi;
			v.tcp |= (uint16_t)(c->span[k].tcp << k);
			v.udp |= (uint16_t)(c->span[k].udp << k);
		}
		r = put(g->fd.conduits, &row, &v, BPF_ANY);
	}
	return r;
}

static int
fill_conf(
    const struct gate *g, unsigned set, const struct gate_spec *s, uint32_t generation, bool fast)
{
	const struct gate_l2 *l = &s->l2;
	struct gate_conf *c = calloc(1, sizeof(*c));
	uint32_t row = set;
	int r;

	if (!c)
		return -ENOMEM;
	c->generation = generation;
	c->fast = fast;
	c->fail_open = s->fail_open;
	c->default_pass = s->default_pass;
	c->arp_bound = l->arp == GATE_ARP_BOUND;
	c->arp_drop = l->arp == GATE_ARP_DROP && !s->default_pass;
	c->place_drop = l->place >= VERDICT_REJECT;
	c->dcp = l->dcp;
	c->mac_drop = l->mac >= VERDICT_REJECT;
	c->other_drop = l->otherwise >= VERDICT_REJECT;
	c->ra_drop = l->ra >= VERDICT_REJECT;
	c->mld_drop = l->mld >= VERDICT_REJECT;
	c->stp = l->stp;
	for (uint32_t i = 0; i < l->n_types; i++)
		c->types[l->types[i] / 8] |= (uint8_t)(1u << (l->types[i] % 8));
	r = put(g->fd.confs, &row, c, BPF_ANY);
	free(c);
	return r;
}

/* --- tables for the PDUs ------------------------------------------------------------------- */

_Static_assert(offsetof(struct tb_block, n_opx) == 4 * FAST_B_OPX &&
		   offsetof(struct tb_block, n_spaces) == 4 * FAST_B_SPACES &&
		   offsetof(struct tb_block, unit_class) == 4 * FAST_B_CLASS &&
		   offsetof(struct tb_block, row) == 4 * FAST_B_ROW &&
		   sizeof(((struct tb_block *)0)->unit_class) == 256,
    "blocks as fast_eval.h reads them");
_Static_assert(offsetof(struct tb_dir, type) == 4 * FAST_D_TYPE &&
		   offsetof(struct tb_dir, segs) == 4 * FAST_D_SEGS &&
		   offsetof(struct tb_dir, n_pages) == 4 * FAST_D_PAGES &&
		   offsetof(struct tb_dir, last) == 4 * FAST_D_LAST &&
		   offsetof(struct tb_dir, shift) == 4 * FAST_D_SHIFT &&
		   offsetof(struct tb_dir, entry) == 4 * FAST_D_ENTRY &&
		   FAST_PAGED == (unsigned)TB_PAGED && FAST_SUBS == (unsigned)TB_SUBS &&
		   FAST_PAGE_SHIFT == TB_PAGE_SHIFT && FAST_UNIFORM == TB_UNIFORM,
    "dirs as fast_eval.h reads them");
_Static_assert(offsetof(struct tb_seg, last) == 4 * FAST_S_LAST &&
		   offsetof(struct tb_seg, list) == 4 * FAST_S_LIST &&
		   offsetof(struct tb_seg, rule) == 4 * FAST_S_RULE &&
		   offsetof(struct tb_seg, bits) == 4 * FAST_S_BITS &&
		   sizeof(struct tb_seg) == 4 * FAST_S_WORDS && VERDICT_ALLOW == 0 &&
		   REASON_RULE == 0,
    "segs as fast_eval.h reads them");
_Static_assert(FAST_CHUNK_ROWS == GATE_SETS * FAST_CHUNKS &&
		   FAST_CHUNKS * FAST_CHUNK_WORDS == GATE_WORDS && FAST_RULES == GATE_RULES &&
		   FAST_RULE_ROWS == GATE_SETS * FAST_RULES && KFLOW_OPEN <= GATE_OPEN &&
		   KFLOW_UA_OPEN <= GATE_UA_OPEN && KFLOW_PAYLOAD <= GATE_UA_MESSAGE &&
		   (int)KFLOW_MODBUS == (int)GATE_MODBUS && (int)KFLOW_S7 == (int)GATE_S7 &&
		   (int)KFLOW_OPCUA == (int)GATE_OPCUA && (int)KFLOW__PROTOS == (int)GATE__PROTOS,
    "a row for everything");

/* Why the kernel judges no PDU of a policy: a line, or an empty one. */
static bool
fast_fits(const struct gate *g, const struct gate_spec *s, char *why, size_t size)
{
	why[0] = '\0';
	if (!g->fast)
		return false;
	if (s->n_words == 0) /* also while there is panic */
		(void)snprintf(why, size, "no protocol's tables are in the filter");
	else if (s->n_words > FAST_CHUNKS * FAST_CHUNK_WORDS)
		(void)snprintf(why, size, "the policy's tables have %u words, the filter holds %u",
		    s->n_words, FAST_CHUNKS * FAST_CHUNK_WORDS);
	else if (s->n_rules > FAST_RULES)
		(void)snprintf(why, size, "the policy has %u rules, the filter counts %u",
		    s->n_rules, FAST_RULES);
	return why[0] == '\0';
}

/* Rows from..from + n of an array all zero; width bytes each. */
static int
zero_rows(int fd, uint32_t from, uint32_t n, size_t width)
{
	void *none = calloc(1, width);
	int r = none ? 0 : -ENOMEM;

	for (uint32_t i = from; i < from + n && r == 0; i++)
		r = put(fd, &i, none, BPF_ANY);
	free(none);
	return r;
}

static int
fill_tables(const struct gate *g, unsigned set, const struct gate_spec *s)
{
	struct fast_chunk c;
	int r = zero_rows(g->fd.hits, set * FAST_RULES, s->n_rules, g->n_cpus * sizeof(uint64_t));

	if (r == 0)
		r = zero_rows(g->fd.shares, set * GATE_CONDUITS, s->n_conduits,
		    g->n_cpus * sizeof(struct fast_counter));
	if (r == 0)
		r = zero_rows(g->fd.away, set * GATE_CONDUITS, s->n_conduits,
		    g->n_cpus * sizeof(struct gate_away));
	for (uint32_t at = 0; at < s->n_words && r == 0; at += FAST_CHUNK_WORDS) {
		uint32_t n = s->n_words - at, row = set * FAST_CHUNKS + at / FAST_CHUNK_WORDS;

		if (n > FAST_CHUNK_WORDS)
			n = FAST_CHUNK_WORDS;
		memset(&c, 0, sizeof(c));
		memcpy(c.w, s->words + at, n * sizeof(c.w[0]));
		r = put(g->fd.tables, &row, &c, BPF_ANY);
	}
	return r;
}

int
gate_fill(const struct gate *g, unsigned set, const struct gate_spec *s, uint32_t generation,
    char *why, size_t why_size)
{
	bool fast = fast_fits(g, s, why, why_size);
	uint8_t *ends = calloc((size_t)s->n_devices + s->n_zones + 1, 1);
	int r = ends ? 0 : -ENOMEM;

	if (ends)
		mark_ends(s, ends, ends + s->n_devices);
	if (r == 0 && (r = empty(g->fd.nets[set])) == 0 && (r = empty(g->fd.devices[set])) == 0 &&
	    (r = empty(g->fd.pairs[set])) == 0 &&
	    (r = fill_zones(g, set, s, ends + s->n_devices)) == 0 &&
	    (r = fill_who(g, set, s, ends)) == 0 && (r = fill_pairs(g, set, s)) == 0 &&
	    (r = fill_conduits(g, set, s)) == 0 && (!fast || (r = fill_tables(g, set, s)) == 0))
		r = fill_conf(g, set, s, generation, fast);
	free(ends);
	return r;
}
