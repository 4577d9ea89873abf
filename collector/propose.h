/* SPDX-License-Identifier: Apache-2.0 */
/* propose.h - an alert that somebody expected, as a rule that would have allowed it: disabled. */
#ifndef COLLECTOR_PROPOSE_H
#define COLLECTOR_PROPOSE_H

#include <stddef.h>
#include <stdint.h>

struct sqlite3;

/* YAML to be freed; NULL: no rule can allow that, said in err.  Hostile texts are quoted. */
char *propose_rule(struct sqlite3 *db, int64_t alert, char *err, size_t err_size);

#endif /* COLLECTOR_PROPOSE_H */
