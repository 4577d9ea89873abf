/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - requests to one HTTPS server, one after the other over a kept connection; the home of libcurl.
 *
 * TLS 1.3 and nothing older; whom to believe is one file and never the system's list; no redirects, no
 * proxies, no other protocols, answers of at most CLIENT_ANSWER_MAX bytes if nothing else is said.  One thread per client.
 */
#ifndef SENDER_CLIENT_H
#define SENDER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_ANSWER_MAX 65536u
#define CLIENT_HEADER_MAX 4352u /* of one line of a request */

struct client;

struct client_conf {
	const char *base; /* https://HOST:PORT */
	const char *ca;	  /* file of certificates in PEM: only what these have signed is believed */
	const char *cert, *key;	  /* files in PEM, or NULL: nobody in particular */
	uint32_t timeout_ms;	  /* of a whole request; of the connection a third of it */
	size_t answer_max;	  /* bytes of an answer; 0: CLIENT_ANSWER_MAX */
	bool (*hurry)(void *ctx); /* true: give up; asked several times a second; may be NULL */
	void *ctx;
};

struct client_answer {
	long status;	  /* 200 ... */
	uint64_t wait_s;  /* Retry-After; 0 = none */
	const char *body; /* NUL-ended, borrowed until the next request */
	size_t len;
};

/* NULL: out of memory. */
struct client *client_new(const struct client_conf *conf);
void client_free(struct client *h); /* NULL: nothing */
/* The next request makes a connection of its own. */
void client_forget(struct client *h);

/* extra: more header lines, a newline between them, or NULL.  body NULL: none.  0: the server answered, whatever its status is; ERR_*: no answer, said in err. */
int client_request(struct client *h, const char *method, const char *path, const char *type,
    const char *extra, const void *body, size_t n, struct client_answer *out, char *err,
    size_t err_size) __attribute__((warn_unused_result));

/* ": " and the text of {"error":{"message":...}}, fit for a line of a log; "" without one.  Returns buf. */
const char *client_complaint(const struct client_answer *a, char *buf, size_t size);

/* Once per program, before any thread. 0 or ERR_*. */
int client_init(void);

#endif /* SENDER_CLIENT_H */
