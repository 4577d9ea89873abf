/* SPDX-License-Identifier: Apache-2.0 */
/* model.h - numbers that stand in the data base, and what they are called outside. */
#ifndef COLLECTOR_MODEL_H
#define COLLECTOR_MODEL_H

#define ALERTS_PER_BATCH INT64_C(65536) /* alert.id = batch.id * this + place in the batch */

#define SEEN_MS INT64_C(60000) /* seen.t * this: in which minute an alert had that name */

/* agg.dim: what a sum is of; key is a number of `name`, and site, of devices, another one (0 otherwise). */
#define SITE_UNKNOWN (-1) /* agg.site: of a device that was counted before sites were told apart */
enum agg_dim { DIM_ALL = 0, DIM_SENSOR, DIM_RULE, DIM_DEVICE };

enum sensor_state { SENSOR_PENDING = 0, SENSOR_ACTIVE, SENSOR_REVOKED };
enum sensor_kind { KIND_SENSOR = 0, KIND_RELAY, KIND_VOUCHES }; /* relay.h */
enum key_state { KEY_ACTIVE = 0, KEY_RETIRED, KEY_REVOKED, KEY_PENDING };
enum chain_state { CHAIN_WHOLE = 0, CHAIN_GAP, CHAIN_FORK };
enum proposal_state { PROPOSAL_PROPOSED = 0, PROPOSAL_FETCHED, PROPOSAL_WITHDRAWN };

#endif /* COLLECTOR_MODEL_H */
