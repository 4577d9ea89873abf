/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector.h - the process: what its parts share, and one call of a client.
 *
 * The life of a call: a thread per connection (http.c) finds the route (routes.def), asks who
 * it is - a session (auth.c) or a client certificate (enrol.c) - and refuses before a byte of a body
 * is read; then the body, bounded; then the handler, which reads with a connection of the store, or
 * writes by a job, and leaves its answer in the call.
 */
#ifndef COLLECTOR_COLLECTOR_H
#define COLLECTOR_COLLECTOR_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/jw.h"
#include "base/key.h"
#include "collector/jump.h"

#define ANSWER_MAX    (4u << 20)  /* bytes of one answer that is not a stream */
#define BODIES_MAX    (64u << 20) /* bytes of bodies being read, all calls together */
#define CALL_PARTS    3u	  /* wild cards of a path */
#define CALL_PART_MAX 256u
#define CALL_HEADERS  2u
#define USER_MAX      64u

enum role { ROLE_ANY = 0, ROLE_VIEWER, ROLE_ANALYST, ROLE_ADMIN, ROLE_SENSOR, ROLE_DEST };
enum side { SIDE_PAGE = 0, SIDE_INGEST };

struct MHD_Connection;
struct MHD_Response;
struct db;
struct store;
struct auth;
struct audit;
struct bus;
struct guide;
struct notify;
struct http;
struct forward;
struct stream;

struct collector_conf {
	const char *dir;	     /* data: made by `collect init` */
	const char *listen, *ingest; /* "ADDR:PORT", NULL: none */
	const char *web;	     /* folder of the built page, or NULL */
	const char *openapi;	     /* the file, or NULL */
	const char *store; /* another data base than collector_store_path() finds, or NULL */
	const char *nats;  /* servers, commas between; NULL: none (stream.h) */
	const char *nats_ca, *nats_cert, *nats_key; /* files in PEM; NULL: no TLS */
	const char *library, *library_key; /* folder; public keys it is signed by, or NULL */
	const char *notify_ca;		   /* message.ca */
	bool plain;			   /* the page without TLS: loopback only */
	uint64_t keep_days;		   /* alerts; 0 = 365 */
	uint64_t cert_s;		   /* what is issued is good for; 0 = pki.h has it */
	uint64_t beats_days;		   /* empty batches; 0 = 1 */
	uint64_t quiet_s;		   /* an open incident is closed after; 0 = never */
	uint64_t silent_s;		   /* a sensor is silent after; 0 = 30 */
	uint64_t escalate_s;		   /* until the next level is told; 0: notify.h */
	uint64_t connections, per_address; /* of either listener; 0 = 256, 64 */
};

struct collector {
	struct collector_conf conf;
	struct store *store;
	struct auth *auth;
	struct audit *audit;
	struct bus *bus;
	struct guide *guide;
	struct notify *notify;
	struct http *http;
	struct stream *stream;	 /* NULL: what comes is stored at once */
	struct forward *forward; /* NULL: no collector above */
	struct jump jump;
	struct key receipt_key;
	char name[256]; /* iss of receipts */
	char *ca_pem;
	atomic_bool stop;
	atomic_size_t bodies; /* bytes, see BODIES_MAX */
	atomic_uint exports;
	uint16_t page_port, ingest_port;
};

struct call {
	struct collector *co;
	struct MHD_Connection *mhd;
	const struct route *route;
	char method[8], path[512], address[64];
	char part[CALL_PARTS][CALL_PART_MAX];
	int64_t now_ms;
	enum role role;
	char user[USER_MAX + 1], csrf[48], session[48];
	int64_t sensor; /* ingest: whose certificate it is, or whom a relay has named */
	char sensor_name[256], sensor_site[256];
	int64_t relay; /* that sends it, 0: nobody between (relay.h) */
	char relay_name[256];
	uint8_t cert_fp[CRYPTO_SHA256_LEN]; /* of that certificate */
	char *body;
	size_t body_len, body_cap;
	uint64_t conn_id;
	struct db *db; /* call_db() */

	/* the answer */
	unsigned status; /* 0: none yet */
	struct jw w;
	char *buf;
	const char *type;		/* NULL: JSON */
	char cookie[160], download[96]; /* file name for Content-Disposition */
	unsigned retry_after;
	struct MHD_Response *response; /* a stream or a file instead of buf */
	bool immutable;		       /* may be cached for ever */
	unsigned n_headers;
	struct call_header {
		const char *name; /* literal */
		char value[64];
	} header[CALL_HEADERS];
};

struct route {
	uint8_t side, role;
	const char *method, *path; /* a segment "*" is a part */
	uint32_t body_max;
	void (*run)(struct call *c);
};
extern const struct route routes[];

/* A query parameter or a header, NULL when absent. */
const char *call_arg(const struct call *c, const char *name);
const char *call_header(const struct call *c, const char *name);
/* A number of it within 0..most, or otherwise. */
int64_t call_number(const struct call *c, const char *name, int64_t otherwise, int64_t most);
/* A connection of the store for this call, or NULL: it has answered 503. */
struct db *call_db(struct call *c);
/* Give it back before the end of the call.  False: the data base was away meanwhile, it has answered 503. */
bool call_db_done(struct call *c);
/* The body as an object, or NULL: it has answered 400.  To be json_decref()'d. */
json_t *call_json(struct call *c);
/* Begin a JSON answer; the writer is c->w.  false: it has answered 503. */
bool call_begin(struct call *c, unsigned status);
/* A header of the answer; name is a literal. */
void call_answer_header(struct call *c, const char *name, const char *value);
/* {"error":{...}}. */
void call_error(struct call *c, unsigned status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* What ERR_* of the store is for a client. */
void call_store_error(struct call *c, int err);

/* Data of the directory that must be there: 0 or ERR_* said in err. */
int collector_init(const char *dir, const char *host, const char *store, uint64_t cert_s, char *err,
    size_t err_size);
/* Open and serve; NULL: said in err.  collector_run() serves until collector_stop() or a signal. */
struct collector *collector_new(const struct collector_conf *conf, char *err, size_t err_size);
int collector_run(struct collector *co);
void collector_free(struct collector *co);
/* The data base: what was said, or is in DIR/database.url (one line), or DIR/collector.db.  0 or ERR_*. */
#define STORE_PATH_MAX 1024u
int collector_store_path(const char *dir, const char *said, char *buf, size_t size);
/* "DIR/NAME" in buf of size; returns buf. */
char *collector_path(const char *dir, const char *name, char *buf, size_t size);

#endif /* COLLECTOR_COLLECTOR_H */
