/* SPDX-License-Identifier: Apache-2.0 */
/*
 * renew.h - a certificate that ends is replaced before it does, over the connection that it is good for.
 *
 * When a third of its time is left a new transport key is made here, the collector signs a certificate for it, and both
 * lie in the state directory as transport.pem from then on: what enrolment left is root's and stays as it is.  The one with the
 * later beginning is used, so enrolling again comes first.  A collector that does not answer is asked again; a certificate
 * that has ended is not renewed any more: that is an enrolment.
 */
#ifndef SENDER_RENEW_H
#define SENDER_RENEW_H

#include <stdint.h>

struct client;
struct identity;

#define RENEW_NAME "transport.pem"

struct renew {
	int64_t from_s,
	    until_s;	  /* of the certificate in use; 0: it cannot be read, and is left alone */
	uint64_t next_ns; /* nothing is looked at before; 0 = now */
};

/* Which of the two is to be used: paths in id. */
void renew_begin(struct renew *r, struct identity *id, int state_fd);
/* Renew when it is due; then paths in id are others, and the next request makes a new connection.  Errors are logged. */
void renew_turn(struct renew *r, struct identity *id, struct client *http, int state_fd);

#endif /* SENDER_RENEW_H */
