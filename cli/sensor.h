/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sensor.h - what stands beside the engine in watch and replay, and the options that ask for it: the list of devices
 * (assets/), the conversations and their map (watch/).
 *
 * All outputs are opened before the first packet, and written when no more come.
 */
#ifndef CLI_SENSOR_H
#define CLI_SENSOR_H

#include "cli/inventory.h"
#include "cli/opts.h"
#include "watch/convs.h"

#define SENSOR_HELP                                                                                \
	INVENTORY_HELP                                                                             \
	"      --conversations FILE  who talks to whom, about what, how often: JSON\n"             \
	"      --map FILE       the same as a map by Purdue level: .dot, .mmd or .json\n"

struct pkt;
struct engine_pdu;

struct sensor {
	struct inventory inv;
	const char *convs_path, *map_path; /* options, borrowed; NULL = not given */
	struct out convs_out, map_out;
	struct convs *convs; /* NULL: not wanted */
};

/* Rows of a struct cli_opt table. */
#define SENSOR_OPTS(s)                                                                             \
	{"assets", .text = &(s)->inv.path}, {"oui", .text = &(s)->inv.oui},                        \
	    {"conversations", .text = &(s)->convs_path},                                           \
	{                                                                                          \
		"map", .text = &(s)->map_path                                                      \
	}

/* How many of its outputs are standard output. */
unsigned sensor_on_stdout(const struct sensor *s);
/* False: said why. */
bool sensor_open(struct sensor *s, uint64_t seed);
/* Before a burst is judged. */
void sensor_burst(struct sensor *s, const struct pkt *burst, unsigned n);
/* The engine's on_fact. */
void sensor_fact(struct sensor *s, const struct engine_pdu *pdu);
/* Write what is known and close; false: said why. */
bool sensor_write(struct sensor *s, const struct policy *pol);
void sensor_fini(struct sensor *s);

#endif /* CLI_SENSOR_H */
