/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/cell.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

int
cells_init(struct cells *c, const uint32_t counts[CELL__CLASSES])
{
	memset(c, 0, sizeof(*c));
	for (unsigned k = 0; k < CELL__CLASSES; k++) {
		size_t bytes = (size_t)counts[k] * cell_sizes[k];

		c->n[k] = counts[k];
		if (counts[k] == 0)
			continue;
		if ((c->base[k] = mem_table(bytes)) == NULL) {
			cells_fini(c);
			return ERR_NOMEM;
		}
		for (uint32_t i = counts[k]; i > 0; i--) {
			cell_id id = (cell_id)k << 30 | i;

			cell_at(c, id)->next = c->free[k];
			c->free[k] = id;
		}
	}
	return 0;
}

void
cells_fini(struct cells *c)
{
	for (unsigned k = 0; k < CELL__CLASSES; k++)
		free(c->base[k]);
	memset(c, 0, sizeof(*c));
}
