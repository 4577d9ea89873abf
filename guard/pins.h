/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pins.h - what of the filter outlives the guard (ebpf/gate_pin.h), seen from the parent.
 *
 *	start	pins_begin()	a predecessor's pins, if any: they fit, or the guard does not start; what
 *				holds no program any more is cleared away
 *		pins_open()	the filter, over them or anew
 *		(ports are attached)
 *		pins_write()	the pins are ours
 *		(the worker receives)
 *		pins_settle()	the policy is in force; until then that of the predecessor was
 *	end	pins_end()	taken away by a stop; left by a crash, and by a start that failed
 */
#ifndef GUARD_PINS_H
#define GUARD_PINS_H

#include <stdbool.h>
#include <stddef.h>

#include "ebpf/gate_pin.h"

struct guard;

struct pinning {
	char dir[GATE_PIN_PATH]; /* "" = nothing is pinned */
	struct gate_pins p;
	bool found;   /* a predecessor left them */
	bool left;    /* connections of a living predecessor are in them, not in the handover */
	bool written; /* they are ours */
	uint8_t policy[32]; /* SHA-256 of the predecessor's */
};

/* All: 0 or ERR_*, said. */
int pins_begin(struct guard *g, char *err, size_t size);
int pins_open(struct guard *g, char *err, size_t size);
int pins_write(struct guard *g, char *err, size_t size);
int pins_settle(struct guard *g, char *err, size_t size);
/* A predecessor has let go of its connections: those that the kernel knows are in the handover. */
void pins_taken_over(struct guard *g);
/* A successor has failed: pins and tables are ours again. */
void pins_resume(struct guard *g);
/* A start over a predecessor's pins has failed: the kernel is to go on alone. */
bool pins_stay(const struct guard *g, bool was_in_force);
/* Before the filter is closed.  False: ports and filter are left as they are, for the next guard. */
bool pins_end(struct guard *g, bool was_in_force);

/* Of --restore: the directory in which the filter of an interface is pinned and goes on, or NULL.
 * Wherever below /sys/fs/bpf that is. */
const char *pins_of_port(int ifindex, char buf[GATE_PIN_PATH]);

/* `guard --detach`: dir, or that of two ports, or every one there is (both NULL).  Says what it does.
 * 0, or 2 when a guard runs with them or something could not be removed. */
int pins_detach(const char *dir, const char *const port[2]);

#endif /* GUARD_PINS_H */
