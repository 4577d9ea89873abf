/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay.h - collectors that pass on what their sensors have signed: the upper end (forward.h is the lower one).
 *
 * A relay is enrolled like a sensor, with a key of its own, and sends the batches of others: each request names the sensor,
 * and every batch is verified with that sensor's key as if it had come itself.  Which sensors and keys there are it says in
 * announcements that it signs.  None is believed for it alone: an admin approves each, or has made the relay one that vouches.
 * A name belongs to the first key that came under it; the same sensor may be behind several relays.
 *
 * The announcement (PUT /ingest/v1/sensors) and the loss (header Interlock-Loss) are specified in docs/FORMATS.md.
 */
#ifndef COLLECTOR_RELAY_H
#define COLLECTOR_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RELAY_ANNOUNCE_TYP  "interlock-announce+jws"
#define RELAY_LOSS_TYP	    "interlock-loss+jws"
#define RELAY_SENSORS_MAX   32u /* of one announcement */
#define RELAY_KEYS_MAX	    8u	/* of one sensor in it */
#define RELAY_DEPTH_MAX	    8u	/* relays between a sensor and here */
#define RELAY_PATH_MAX	    1200u
#define RELAY_SENSOR_HEADER "Interlock-Sensor"
#define RELAY_LOSS_HEADER   "Interlock-Loss"

struct batch;
struct call;
struct jw;
struct db;

/* The certificate is of a sensor or relay of this kind (model.h): may it make this call, and for whom?  Then the call's
 * sensor is the one that was named.  False: it has answered. */
bool relay_admit(struct call *c, int64_t kind);
/* The relay's word that it has not any more what is missing, as an `oldest` of the sensor's.  1: there is one, 0: none, ERR_* said. */
int relay_loss(struct call *c, struct batch *out, char *err, size_t err_size);
/* "path": the relays between, the nearest to here first; [] when the sensor comes itself. */
void relay_path_write(struct jw *w, const char *path);
/* That, of the sensor s of a query. */
#define RELAY_PATH                                                                                 \
	"(SELECT v.path FROM via v WHERE v.sensor = s.id AND NOT EXISTS (SELECT 1 FROM cert c "    \
	"WHERE c.sensor = s.id AND c.state = 0) ORDER BY v.since, v.relay LIMIT 1)"
/* The same as "A/B", "" for none; holds RELAY_PATH_MAX. */
void relay_path(struct db *db, int64_t sensor, char *out);

/* Calls of routes.def. */
void relay_announce(struct call *c);
void relay_network(struct call *c);

#endif /* COLLECTOR_RELAY_H */
