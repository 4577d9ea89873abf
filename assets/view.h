/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.h - devices, put together from the table.  For assets/ alone.
 *
 * A device is a MAC, or several that say they are one, with the addresses it owns; or an address that is behind a router.
 */
#ifndef ASSETS_VIEW_H
#define ASSETS_VIEW_H

#include "assets/table.h"

#define VENDOR_TEXT 48u

struct device {
	uint32_t stations, hosts; /* first of each, or NONE */
	uint32_t last_station, last_host;
	uint32_t n_stations, n_hosts;
	uint32_t n_behind; /* addresses that are not its own */
	uint64_t first_ns, last_ns, packets;
	struct net_addr ip; /* the lowest one; all ones: none */
	uint32_t same_name; /* place in names of one that others have too, or NONE */
};

/* A device's name for itself, and another device that has it too (or itself). */
struct named {
	uint32_t note, dev, other;
};

struct assets_view {
	const struct assets *a;
	const struct policy *pol;
	struct device *dev; /* by address, then MAC */
	uint32_t n;
	uint32_t *owner;	/* of a host: the station, or NONE */
	uint32_t *claims;	/* of a host: how many MACs and VLANs claim it */
	uint32_t *
	    mark; /* of a host: the device that was at it last, + 1; whoever walks begins a new round */
	uint32_t *next_station; /* of the same device */
	uint32_t *next_host;
	struct named *names; /* sorted by text */
	uint32_t n_names;
	char (*vendor)[VENDOR_TEXT]; /* of a station's MAC; "" = not known */
};

/* A new walk that visits each host once: what to compare v->mark with, and to set it to. */
static inline uint32_t
view_walk(const struct assets_view *v)
{
	return ++v->mark[v->a->p_host.n];
}

/* The station that another is part of, or itself. */
uint32_t station_root(const struct assets *a, uint32_t station);
/* It says by LLDP that it is part of another, but both have addresses of their own: anybody can say that, so they stay two. */
bool station_pretends(const struct assets *a, uint32_t station);

/* oui.c: vendors by MAC prefix; false: no such file, or nothing in it. */
bool oui_read_file(const char *path, struct assets_view *v);

/* --- judge.c: what a device is for, and what is not clear about it ----------------------------- */

enum role {
	ROLE_UNKNOWN = 0,
	ROLE_GATEWAY,
	ROLE_PLC,
	ROLE_IO_DEVICE,
	ROLE_ENGINEERING,
	ROLE_HMI,
	ROLE_HISTORIAN,
	ROLE_ROUTER,
	ROLE_SWITCH,
	ROLE_SERVER,
	ROLE__MAX
};
#define JUDGE_TEXT 200u
#define QUESTIONS  16u

struct judged {
	struct {
		uint8_t role, confidence;
		char why[JUDGE_TEXT];
	} role[ROLE__MAX]; /* the one that fits best first */
	unsigned n_roles;
	struct {
		const char *what; /* "ip_conflict" */
		char text[JUDGE_TEXT];
	} question[QUESTIONS];
	unsigned n_questions, more_questions;
};
const char *role_name(uint8_t role);
void device_judge(const struct assets_view *v, const struct device *d, struct judged *out);

/* The best value of a key, or NULL. */
const struct note *device_best(const struct assets_view *v, const struct device *d, uint8_t key);
/* The list of a device's notes after this one (NULL: the first); NULL at the end.  Its place is *at. */
struct note_walk {
	uint32_t station, host, note;
};
struct note_walk note_walk(const struct device *d);
const struct note *note_walk_next(const struct assets_view *v, struct note_walk *at);

#endif /* ASSETS_VIEW_H */
