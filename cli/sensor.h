/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sensor.h - what stands beside the engine in watch and replay, and the options that ask for it: the list of devices
 * (assets/), the conversations and their map, and what is found without rules (watch/).
 *
 * All outputs are opened before the first packet, and written when no more come.
 */
#ifndef CLI_SENSOR_H
#define CLI_SENSOR_H

#include <sys/stat.h>

#include "cli/inventory.h"
#include "cli/opts.h"
#include "watch/convs.h"
#include "watch/detect.h"
#include "watch/evidence.h"
#include "watch/watch_list.h"

#define SENSOR_HELP                                                                                \
	INVENTORY_HELP                                                                             \
	"      --conversations FILE  who talks to whom, about what, how often: JSON\n"             \
	"      --map FILE       the same as a map by Purdue level: .dot, .mmd or .json\n"          \
	"      --table-memory SIZE  memory for the devices, and as much for the conversations "    \
	"(default\n"                                                                               \
	"                       16M); who was silent longest makes room\n"                         \
	"      --detect         find what is wrong without a rule (docs/DETECTION.md); alerts "    \
	"tell\n"                                                                                   \
	"      --learn-for TIME  before that, all is usual: 1h, 7d (implies --detect)\n"           \
	"      --baseline FILE  what is usual: read if it is there, written after learning\n"      \
	"      --baseline-signed KEY  only one that this public key has signed (FILE.minisig)\n"   \
	"      --evidence DIR   the frames of each finding, as captures of their own\n"            \
	"      --watch-list FILE  addresses that others warned of, from a collector (implies "     \
	"--detect)\n"                                                                              \
	"      --watch-list-key FILE  the collector's share.key.pub, that has signed it\n"

struct pkt;
struct engine_pdu;

enum sensor_list { SENSOR_ASSETS = 0, SENSOR_CONVS, SENSOR_MAP, SENSOR_STATE, SENSOR_LISTS };

struct sensor {
	struct inventory inv;
	const char *convs_path, *map_path; /* options, borrowed; NULL = not given */
	bool replaced[SENSOR_LISTS]; /* of the lists: not opened here, see sensor_list_write() */
	struct out convs_out, map_out;
	size_t table_memory; /* option; 0 = the defaults */
	struct convs *convs; /* NULL: not wanted */
	bool detect_wanted;
	const char *baseline, *baseline_keys; /* options */
	uint64_t learn_s;
	FILE *baseline_out; /* NULL: nothing is to be written */
	struct detect *detect;
	const char *evidence_dir; /* option */
	struct evidence *evidence;
	const char *watch_path, *watch_key; /* options */
	struct watch_list *watch;
	struct key_set *watch_keys;
	struct stat watch_was[2]; /* the list, its signature */
	uint64_t seed;
	bool evidence_told;
	struct alerts *alerts;				 /* borrowed; where findings go; or NULL */
	bool convs_wanted;				 /* by somebody else than its own outputs */
	void (*told)(void *ctx, const struct event *ev); /* of each finding; or NULL */
	void *told_ctx;
	uint64_t found[DETECTION__MAX];
};

/* Rows of a struct cli_opt table. */
/* clang-format off */
#define SENSOR_OPTS(s)                                                                             \
	{"assets", .text = &(s)->inv.path},                                                        \
	{"oui", .text = &(s)->inv.oui},                                                            \
	{"conversations", .text = &(s)->convs_path},                                               \
	{"map", .text = &(s)->map_path},                                                           \
	{"table-memory", .size = &(s)->table_memory},                                              \
	{"detect", .flag = &(s)->detect_wanted},                                                   \
	{"learn-for", .seconds = &(s)->learn_s},                                                   \
	{"baseline", .text = &(s)->baseline},                                                      \
	{"baseline-signed", .text = &(s)->baseline_keys},                                          \
	{"evidence", .text = &(s)->evidence_dir},                                                  \
	{"watch-list", .text = &(s)->watch_path},                                                  \
	{"watch-list-key", .text = &(s)->watch_key}
/* clang-format on */

/* How many of its outputs are standard output. */
unsigned sensor_on_stdout(const struct sensor *s);
/* False: said why. */
bool sensor_open(struct sensor *s, uint64_t seed);
/* Before a burst is judged. */
void sensor_burst(struct sensor *s, const struct pkt *burst, unsigned n);
/* Does it take facts at all? */
bool sensor_wants_facts(const struct sensor *s);
/* The engine's on_fact. */
void sensor_fact(struct sensor *s, const struct engine_pdu *pdu);
/* The engine's on_cert, for who has a list of devices (sensor_list_path()). */
void sensor_cert(struct sensor *s, const struct engine_cert *cert);
/* No more packets come, of any capture: what was not told yet is. */
void sensor_end(struct sensor *s);
/* Evidence that waits goes to its files. */
void sensor_flush(struct sensor *s);
/* Between two bursts, or at the end: the baseline is written when it is complete.  False: said why. */
bool sensor_turn(struct sensor *s, bool end);
/* The file of a list; NULL = not wanted. */
const char *sensor_list_path(const struct sensor *s, enum sensor_list which);
/* What is known by now, to a file that is open, closed and on disk afterwards; false: said why. */
bool sensor_list_write(
    const struct sensor *s, enum sensor_list which, int fd, const struct policy *pol);
/* Baseline and list of addresses are read again; what is not good changes nothing.  False: some is not, said. */
bool sensor_reload(struct sensor *s);
/* Every few seconds, where time goes on: a list of addresses that was replaced is taken, unless it is an older one.  False: it
 * is not good, said. */
bool sensor_look(struct sensor *s);
/* "plc-stop 2, flood 1, and 3 that the baseline expects"; "" without findings. */
const char *sensor_findings(const struct sensor *s, char *buf, size_t size);
/* Write what is known and close; false: said why. */
bool sensor_write(struct sensor *s, const struct policy *pol);
void sensor_fini(struct sensor *s);

#endif /* CLI_SENSOR_H */
