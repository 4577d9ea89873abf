/* SPDX-License-Identifier: Apache-2.0 */
/* rollout_int.h - between rollout.c, which knows what becomes of a roll-out, and rollout_view.c, where people ask. */
#ifndef COLLECTOR_ROLLOUT_INT_H
#define COLLECTOR_ROLLOUT_INT_H

#include <stdint.h>

#include "collector/rollout.h"

#define PERMIT 1 /* rollout.kind; else a policy */

/* The numbers are in the data base. */
enum state { RUNS = 0, HELD, DONE, STOPPED, FAILED };
enum step { WAITS = 0, OFFERED, TRIAL, CONFIRM, IN_FORCE, REFUSED, BACK };

/* "running", "held", ... */
const char *rollout_state_name(int64_t state);

#endif /* COLLECTOR_ROLLOUT_INT_H */
