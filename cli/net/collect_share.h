/* SPDX-License-Identifier: Apache-2.0 */
/* collect_share.h - what of `interlock collect` is about others: destinations and exports. */
#ifndef CLI_NET_COLLECT_SHARE_H
#define CLI_NET_COLLECT_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct store;

struct collect_share {
	const char *keep, *tlp, *identity; /* of a destination */
	const char *to, *format, *out;	   /* of an export */
	const char *library;
	bool writes; /* of an account */
	const char *lang;
	bool no_pdf;				   /* of a bulletin */
	const char *address, *via, *from, *secret; /* of a contact; secret: a file */
	uint64_t level, severity;
};

/* The lines of the help for these. */
#define COLLECT_SHARE_USAGE                                                                        \
	"       interlock collect destination DIR NAME [--keep CLASSES] [--tlp TLP] [--as "        \
	"AUTHOR]\n"                                                                                \
	"       interlock collect export DIR INCIDENT --to NAME [--format stix|misp|json] [-o "    \
	"FILE]\n"                                                                                  \
	"       interlock collect bulletin DIR INCIDENT --to NAME [--lang en|zh] [--no-pdf] -o "   \
	"FOLDER\n"                                                                                 \
	"       interlock collect account DIR NAME [--writes]\n"                                   \
	"       interlock collect contact DIR NAME --to DESTINATION --address ADDRESS [--level "   \
	"N]\n"                                                                                     \
	"                                 [--severity N] [--via URL] [--from MAIL] [--secret "     \
	"FILE]\n"                                                                                  \
	"       interlock collect import DIR FILE\n"                                               \
	"       interlock collect watch-list DIR FILE\n"
#define COLLECT_SHARE_HELP                                                                         \
	"  destination  whom incidents are shared with; --keep: what is not redacted for it, of\n" \
	"           names, addresses, users, objects, values, notes, raw (default: nothing);\n"    \
	"           --tlp clear, green, amber, amber+strict or red\n"                              \
	"  export   an incident as that destination may have it\n"                                 \
	"  bulletin  the same to be read: a page, a PDF (weasyprint), the evidence, a signature\n" \
	"           that openssl verifies\n"                                                       \
	"  account  a new token for a destination, to read by TAXII 2.1 what was shared with\n"    \
	"           it; --writes: and to send indicators\n"                                        \
	"  contact  who is told of new incidents, as that destination may read them: "             \
	"mail:ADDRESS\n"                                                                           \
	"           (--via smtps://HOST, --from), https://..., syslog://HOST:PORT; of "            \
	"--severity\n"                                                                             \
	"           (1) and worse; --level 2 (of 9): when nobody of level 1 has answered\n"        \
	"  import   indicators of a bundle of STIX 2.1, for the watch list\n"                      \
	"  watch-list  the watch list for sensors, and FILE.minisig by share.key\n"

/* Does a first word belong here? */
bool collect_share_knows(const char *verb);
/* Do it with the store of DIR: an exit status. */
int collect_share_run(struct store *s, int argc, char **argv, const struct collect_share *o);

#endif /* CLI_NET_COLLECT_SHARE_H */
