/* SPDX-License-Identifier: Apache-2.0 */
/* sym_none.c - a build without expat reads no NodeSet2. */
#ifndef HAVE_EXPAT

#include "policy/syms.h"

void
sym_xml(struct sym_in *in)
{
	(void)sym_error(in, 1, "a NodeSet2: this build has no expat to read it with");
}

#endif
