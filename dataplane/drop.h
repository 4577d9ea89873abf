/* SPDX-License-Identifier: Apache-2.0 */
/* drop.h - why a packet may end here. Generated from drop.def. */
#ifndef DATAPLANE_DROP_H
#define DATAPLANE_DROP_H

enum drop_reason {
	DROP_NONE = 0,
#define DROP(id, name, text) DROP_##id,
#include "dataplane/drop.def"
#undef DROP
	DROP__MAX
};

const char *drop_name(unsigned reason); /* "ip.header"; "none" for 0 */
const char *drop_text(unsigned reason);

#endif /* DATAPLANE_DROP_H */
