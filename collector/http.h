/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.h - the two listeners, and what a client may take of us.
 *
 * A thread per connection, at most --connections of each listener and --per-address of one
 * address.  A request's head has HTTP_HEAD_S seconds, its body HTTP_BODY_S, an answer HTTP_ANSWER_S
 * (a stream: as long as it is read); who is slower is cut off, however steadily he sends.
 * Memory: HTTP_POOL and HTTP_STACK per connection, BODIES_MAX for all bodies, ANSWER_MAX per answer.
 */
#ifndef COLLECTOR_HTTP_H
#define COLLECTOR_HTTP_H

#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_S   15u
#define HTTP_BODY_S   60u
#define HTTP_ANSWER_S 120u
#define HTTP_IDLE_S   30u
#define HTTP_POOL     32768u
#define HTTP_STACK    (512u << 10)

struct collector;
struct http;

/* Listen; NULL: said in err. */
struct http *http_new(struct collector *co, char *err, size_t err_size);
/* Once a second: who is too slow goes. */
void http_reap(struct http *h);
void http_free(struct http *h);
/* A stream has no end that is due: the answer of this connection is not timed any more. */
void http_unlimited(struct http *h, uint64_t conn_id);

struct http_stats {
	uint64_t connections, requests, slow, refused;
	size_t open;
};
void http_stats(struct http *h, struct http_stats *out); /* since the start */

#endif /* COLLECTOR_HTTP_H */
