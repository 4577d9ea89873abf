/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward.h - a collector that has joined another one passes on what its sensors have signed: the lower end of relay.h.
 *
 * What DIR/upstream and DIR/relay.key are there for (interlock collect join).  A thread announces the sensors, and takes each
 * one's batches, as they are stored, from where the collector above is: it is asked, and its receipts are kept per sensor.  At
 * least once, in the order of each chain; what is not receipted above is not removed here.
 */
#ifndef COLLECTOR_FORWARD_H
#define COLLECTOR_FORWARD_H

#include <stddef.h>
#include <stdint.h>

struct collector;
struct forward;
struct jw;

/* Joins the collector above: DIR/relay.key is made, DIR/upstream is left.  0 or ERR_* said in err. */
struct forward_join {
	const char *url, *token, *fingerprint, *ca, *name; /* fingerprint or ca */
	char state[32];					   /* out: as the collector above has it */
};
int forward_join(const char *dir, struct forward_join *j, char *err, size_t err_size);

/* Has it joined?  Then begins; *out is NULL when not.  0 or ERR_* said in err. */
int forward_new(struct forward **out, struct collector *co, char *err, size_t err_size);
void forward_free(struct forward *f); /* NULL: nothing */
/* How it stands: an object, or null, as member key. */
void forward_write(struct jw *w, const char *key, struct forward *f);

#endif /* COLLECTOR_FORWARD_H */
