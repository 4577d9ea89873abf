/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inventory.h - --assets FILE of watch and replay: the devices that were heard, into a file.
 *
 * Opened before the first packet, as all outputs; written when no more come.  JSON, or CSV when the name ends in .csv.
 */
#ifndef CLI_INVENTORY_H
#define CLI_INVENTORY_H

#include "assets/assets.h"
#include "cli/cli.h"

#define INVENTORY_HELP                                                                             \
	"      --assets FILE    the devices that were heard: JSON; CSV when it ends in .csv, "     \
	"CycloneDX\n"                                                                              \
	"                       1.6 when in .cdx.json\n"                                           \
	"      --oui FILE       vendors of MACs (default " ASSETS_OUI ")\n"

struct inventory {
	const char *path, *oui; /* options, borrowed; NULL = not given */
	const char *state;	/* option: the table of the run before this one, if it is there */
	size_t memory;		/* of the table; 0 = ASSETS_MEMORY */
	bool replaced; /* option: the file is not opened here, but replaced by who asks for it */
	struct assets *assets;	/* NULL: not wanted */
	struct out out;
};

/* False: said why.  Without a path nothing is done, and true. */
bool inventory_open(struct inventory *inv, uint64_t seed);
/* The table, for a next run; false: said why. */
bool inventory_save(const struct inventory *inv, struct out *o);
/* What is known by now, to o; false: said why. */
bool inventory_put(const struct inventory *inv, struct out *o, const struct policy *pol);
/* Write what is known and close; false: said why.  Once; a second call does nothing. */
bool inventory_write(struct inventory *inv, const struct policy *pol);
/* Close without writing. */
void inventory_fini(struct inventory *inv);

#endif /* CLI_INVENTORY_H */
