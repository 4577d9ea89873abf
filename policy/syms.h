/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syms.h - names of registers, symbols and nodes, out of what other tools export; inside policy/ only.
 *
 * A file belongs to a device, and says how its protocol calls what engineers call
 * "Boiler1.Setpoint".  Rules may then have the name where an address or a node is expected
 * (check_rule.c), and alerts and reports say it (policy_object_name()).  One file, one protocol:
 *
 *   Modbus register map   a table with a header; sym_table.c
 *   TIA tags              the same; the symbol list of STEP 7 (.sdf)
 *   DATA_BLOCK            source of STEP 7 (.awl) and TIA (.db); sym_db.c
 *   NodeSet2              XML of OPC UA; sym_xml.c, where the build has expat
 *
 * What is in a file is data of strangers: sizes are bounded, and what does not fit is a complaint
 * with its line.
 */
#ifndef POLICY_SYMS_H
#define POLICY_SYMS_H

#include "policy/check.h"

#define SYMS_MAX     262144u /* of one policy */
#define SYM_NAME_MAX 255u    /* bytes of a name */

struct sym_in {
	struct check *k;
	const char *file, *text; /* NUL-ended */
	size_t len;
	uint32_t device;
	const struct dissector *dis; /* whose addresses they are; set by the reader of the file */
	uint8_t proto;
	unsigned errors; /* in this file */
	uint16_t number; /* of the file in complaints; 0: none yet */
};

/* A complaint about a line of the file; false: no more of this file, there were too many. */
bool sym_error(struct sym_in *in, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* One more name of n bytes for *s, which is copied; false after a complaint. */
bool sym_add(struct sym_in *in, unsigned line, const char *name, size_t n, struct sym *s);
/* Fewer complaints than one file may have. */
bool sym_more(const struct sym_in *in);
/* The protocol of the file; false: this build has no such dissector. */
bool sym_proto(struct sym_in *in, const char *proto);

void sym_table(struct sym_in *in); /* tables with a header */
void sym_sdf(struct sym_in *in);
void sym_db(struct sym_in *in); /* sources of data blocks */
void sym_xml(struct sym_in *in);

/* names: of one device; of the policy. */
void check_names_of(struct check *k, const struct ynode *n, uint32_t device);
void check_names(struct check *k, const struct ynode *n);
/* After the last of them: makes them findable. */
void syms_sort(struct check *k);

/* What a name in a rule of this conduit and protocol stands for. */
enum sym_found { SYM_NONE = 0, SYM_ONE, SYM_TWO };
enum sym_found syms_find(const struct ruleset *rs, const struct conduit *c, uint8_t proto,
    const char *name, const struct sym *found[2]);
/* Is the device one that the conduit leads to? */
bool syms_leads_to(const struct ruleset *rs, const struct conduit *c, uint32_t device);
/* Has any device that the conduit leads to names of this protocol?  *near: the nearest, or NULL. */
bool syms_near(
    struct check *k, const struct conduit *c, uint8_t proto, const char *word, const char **near);
/* A device that the conduit leads to and that has no such name, or NULL. */
const struct device *syms_lack(
    const struct ruleset *rs, const struct conduit *c, uint8_t proto, const char *name);

#endif /* POLICY_SYMS_H */
