/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c - look-ups over the generated list of dissectors (build/gen/dissectors.c). */
#include <string.h>

#include "dissectors/dissector.h"

const struct dissector *
dissector_lookup(const char *name, uint8_t *index)
{
	for (unsigned i = 0; i < n_dissectors; i++)
		if (strcmp(dissectors[i]->name, name) == 0) {
			if (index)
				*index = (uint8_t)i;
			return dissectors[i];
		}
	return NULL;
}

const struct dis_op *
dissector_op(const struct dis_schema *s, uint16_t opx)
{
	for (unsigned i = 0; i < s->n_ops; i++)
		if (s->ops[i].opx == opx)
			return &s->ops[i];
	return NULL;
}
