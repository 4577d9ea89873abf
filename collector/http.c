/* SPDX-License-Identifier: Apache-2.0 */
/* http.c - see http.h and collector.h.  libmicrohttpd 0.9.75, GnuTLS. */
#include "collector/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/err.h"
#include "base/log.h"
#include "collector/audit.h"
#include "collector/auth.h"
#include "collector/collector.h"
#include "collector/enrol.h"
#include "collector/feed.h"
#include "collector/pki.h"
#include "collector/static.h"
#include "collector/store.h"
#include "collector/taxii.h"

#define TLS_PAGE   "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"
#define TLS_INGEST "NORMAL:-VERS-ALL:+VERS-TLS1.3"

struct conn {
	struct conn *next, **prev;
	struct http *h;
	uint64_t id, until_ns; /* 0: not timed */
	int fd;
};

struct http {
	struct collector *co;
	struct MHD_Daemon *daemon[2];
	pthread_mutex_t lock;
	struct conn *conns;
	uint64_t next_id;
	struct http_stats st;
};

/* --- answers -------------------------------------------------------------------------- */

const char *
call_arg(const struct call *c, const char *name)
{
	return MHD_lookup_connection_value(c->mhd, MHD_GET_ARGUMENT_KIND, name);
}

const char *
call_header(const struct call *c, const char *name)
{
	return MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, name);
}

int64_t
call_number(const struct call *c, const char *name, int64_t otherwise, int64_t most)
{
	const char *s = call_arg(c, name);
	long long v;
	char *end;

	if (!s || *s < '0' || *s > '9')
		return otherwise;
	errno = 0;
	v = strtoll(s, &end, 10);
	return errno || *end || v > most ? otherwise : v;
}

struct db *
call_db(struct call *c)
{
	if (!c->db && !(c->db = store_get(c->co->store))) {
		c->retry_after = 1;
		call_error(c, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
		    "the data base has no time for this now");
	}
	return c->db;
}

bool
call_db_done(struct call *c)
{
	bool lost = c->db && db_lost(c->db);

	store_put(c->co->store, c->db);
	c->db = NULL;
	if (!lost)
		return true;
	c->retry_after = 5;
	call_error(c, MHD_HTTP_SERVICE_UNAVAILABLE, "store", "the data base does not answer");
	return false;
}

json_t *
call_json(struct call *c)
{
	json_t *o = feed_json(c->body ? c->body : "", c->body_len);

	if (json_is_object(o))
		return o;
	json_decref(o);
	call_error(c, MHD_HTTP_BAD_REQUEST, "bad_json",
	    "the body is not a JSON object of at most %u levels", FEED_DEPTH_MAX);
	return NULL;
}

bool
call_begin(struct call *c, unsigned status)
{
	if (!c->buf && !(c->buf = malloc(ANSWER_MAX))) {
		c->status = MHD_HTTP_SERVICE_UNAVAILABLE;
		return false;
	}
	c->w = jw_make(c->buf, ANSWER_MAX);
	c->status = status;
	return true;
}

void
call_error(struct call *c, unsigned status, const char *code, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->type = NULL;
	if (!call_begin(c, status))
		return;
	jw_obj(&c->w, NULL);
	jw_obj(&c->w, "error");
	jw_str(&c->w, "code", code);
	jw_str(&c->w, "message", text);
	jw_close(&c->w, '}');
	jw_close(&c->w, '}');
}

void
call_store_error(struct call *c, int err)
{
	if (err == ERR_NOSPC) {
		c->retry_after = 10;
		call_error(
		    c, MHD_HTTP_SERVICE_UNAVAILABLE, "disk_full", "the collector's disk is full");
	} else if (err == ERR_EXISTS) {
		call_error(c, MHD_HTTP_CONFLICT, "exists", "it is there already");
	} else {
		c->retry_after = 5;
		call_error(
		    c, MHD_HTTP_SERVICE_UNAVAILABLE, "store", "not stored: %s", err_str(err));
	}
}

static void
header(struct MHD_Response *r, const char *name, const char *value)
{
	(void)MHD_add_response_header(r, name, value);
}

void
call_answer_header(struct call *c, const char *name, const char *value)
{
	struct call_header *h = &c->header[c->n_headers];

	if (c->n_headers == CALL_HEADERS)
		return;
	h->name = name;
	snprintf(h->value, sizeof(h->value), "%s", value);
	c->n_headers++;
}

static enum MHD_Result
answer(struct call *c)
{
	struct MHD_Response *r = c->response;
	enum MHD_Result ok;
	char text[32];

	if (!r) {
		size_t n = c->buf ? jw_len(&c->w) : 0;

		if (c->buf && c->w.full) {
			n = 0;
			c->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
		}
		r = MHD_create_response_from_buffer(n, c->buf ? c->buf : text,
		    c->buf ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
		if (!r)
			return MHD_NO;
		c->buf = NULL;
		header(r, "Content-Type", c->type ? c->type : "application/json; charset=utf-8");
	}
	c->response = NULL;
	static_headers(r, !c->co->conf.plain || c->route->side == SIDE_INGEST);
	header(
	    r, "Cache-Control", c->immutable ? "public, max-age=31536000, immutable" : "no-store");
	if (c->cookie[0])
		header(r, "Set-Cookie", c->cookie);
	if (c->download[0])
		header(r, "Content-Disposition", c->download);
	for (unsigned i = 0; i < c->n_headers; i++)
		header(r, c->header[i].name, c->header[i].value);
	if (c->retry_after) {
		snprintf(text, sizeof(text), "%u", c->retry_after);
		header(r, "Retry-After", text);
	}
	ok = MHD_queue_response(c->mhd, c->status, r);
	MHD_destroy_response(r);
	return ok;
}

/* --- calls ------------------------------------------------------------------------------- */

/* Does the path fit, and what are its parts? */
static bool
matches(const char *pattern, const char *path, char part[CALL_PARTS][CALL_PART_MAX])
{
	unsigned n = 0;

	while (*pattern && *path) {
		if (*pattern == '*') {
			size_t len = strcspn(path, "/");

			if (len == 0 || len >= CALL_PART_MAX || n == CALL_PARTS)
				return false;
			memcpy(part[n], path, len);
			part[n++][len] = '\0';
			path += len;
			pattern++;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return *pattern == *path;
}

static const struct route *
find(struct call *c, enum side side, bool *other_method)
{
	*other_method = false;
	for (const struct route *r = routes; r->method; r++) {
		if (r->side != side || !matches(r->path, c->path, c->part))
			continue;
		if (strcmp(r->method, c->method) == 0 ||
		    (strcmp(c->method, "HEAD") == 0 && strcmp(r->method, "GET") == 0))
			return r;
		*other_method = true;
	}
	return NULL;
}

static void
peer(struct MHD_Connection *mhd, char *out, size_t size)
{
	const union MHD_ConnectionInfo *i =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *a = i ? i->client_addr : NULL;

	snprintf(out, size, "?");
	if (a && a->sa_family == AF_INET)
		(void)inet_ntop(
		    AF_INET, &((const struct sockaddr_in *)a)->sin_addr, out, (socklen_t)size);
	else if (a && a->sa_family == AF_INET6)
		(void)inet_ntop(
		    AF_INET6, &((const struct sockaddr_in6 *)a)->sin6_addr, out, (socklen_t)size);
}

static void
due(struct MHD_Connection *mhd, unsigned seconds)
{
	const union MHD_ConnectionInfo *i =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct conn *k = i ? i->socket_context : NULL;

	if (!k)
		return;
	(void)pthread_mutex_lock(&k->h->lock);
	k->until_ns = clock_mono_ns() + seconds * NS_PER_S;
	(void)pthread_mutex_unlock(&k->h->lock);
}

/* Who is it, and may he?  False: it has answered. */
static bool
admit(struct call *c)
{
	const struct route *r = c->route;
	int have;

	if (r->side == SIDE_INGEST)
		return r->role == ROLE_ANY || enrol_identify(c);
	if (r->role == ROLE_ANY)
		return true;
	if (r->role == ROLE_DEST)
		return taxii_identify(c);
	have = auth_identify(c);
	if (have == ROLE_ANY) {
		audit_refused(c, "no session");
		call_error(c, MHD_HTTP_UNAUTHORIZED, "login", "log in first");
		return false;
	}
	if (strcmp(c->method, "GET") != 0 && strcmp(c->method, "HEAD") != 0 && !auth_csrf(c)) {
		audit_refused(c, "csrf");
		call_error(
		    c, MHD_HTTP_FORBIDDEN, "csrf", "X-CSRF-Token is missing or of another session");
		return false;
	}
	if (have < (int)r->role) {
		audit_refused(c, "role");
		call_error(c, MHD_HTTP_FORBIDDEN, "role", "your role does not allow this");
		return false;
	}
	return true;
}

static struct call *
call_new(struct http *h, struct MHD_Connection *mhd, const char *url, const char *method)
{
	struct call *c = calloc(1, sizeof(*c));
	const union MHD_ConnectionInfo *i =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	if (!c)
		return NULL;
	c->co = h->co;
	c->mhd = mhd;
	c->now_ms = jump_look(h->co);
	snprintf(c->method, sizeof(c->method), "%s", method);
	snprintf(c->path, sizeof(c->path), "%s", url);
	peer(mhd, c->address, sizeof(c->address));
	if (i && i->socket_context)
		c->conn_id = ((const struct conn *)i->socket_context)->id;
	return c;
}

static const struct route page_file = {SIDE_PAGE, ROLE_ANY, "GET", "*", 0, static_file};
static const struct route taxii_path = {SIDE_PAGE, ROLE_ANY, "GET", "*", 0, taxii_nothing};
static const struct route nothing = {SIDE_INGEST, ROLE_ANY, "GET", "", 0, NULL};

/* The head is here: everything that can be refused is, before the body.  True: go on. */
static bool
begin(struct call *c, enum side side, const char *url)
{
	const char *length = call_header(c, "Content-Length");
	unsigned long long n = length ? strtoull(length, NULL, 10) : 0;
	bool other = false;

	c->route = strlen(url) < sizeof(c->path) ? find(c, side, &other) : NULL;
	if (!c->route && side == SIDE_PAGE && strncmp(c->path, "/taxii2/", 8) == 0) {
		c->route = &taxii_path;
	} else if (!c->route && side == SIDE_PAGE && strncmp(c->path, "/api/", 5) != 0 &&
		   (strcmp(c->method, "GET") == 0 || strcmp(c->method, "HEAD") == 0)) {
		c->route = &page_file;
	} else if (!c->route) {
		c->route = side == SIDE_PAGE ? &page_file : &nothing;
		if (other)
			call_error(
			    c, MHD_HTTP_METHOD_NOT_ALLOWED, "method", "not with this method");
		else
			call_error(c, MHD_HTTP_NOT_FOUND, "not_found", "there is no such path");
		return false;
	}
	if (!admit(c))
		return false;
	if (n > c->route->body_max) {
		call_error(c, MHD_HTTP_CONTENT_TOO_LARGE, "too_large", "at most %u bytes",
		    c->route->body_max);
		return false;
	}
	return true;
}

/* Make room for n more bytes of the body.  False: it has answered. */
static bool
room(struct call *c, size_t n)
{
	size_t want = c->body_len + n, cap = c->body_cap ? c->body_cap : 4096;
	char *more;

	if (want > c->route->body_max) {
		call_error(c, MHD_HTTP_CONTENT_TOO_LARGE, "too_large", "at most %u bytes",
		    c->route->body_max);
		return false;
	}
	while (cap < want)
		cap *= 2;
	if (cap == c->body_cap)
		return true;
	if (atomic_fetch_add(&c->co->bodies, cap - c->body_cap) + cap - c->body_cap > BODIES_MAX ||
	    !(more = realloc(c->body, cap))) {
		(void)atomic_fetch_sub(&c->co->bodies, cap - c->body_cap);
		c->retry_after = 2;
		call_error(
		    c, MHD_HTTP_SERVICE_UNAVAILABLE, "busy", "too much is being sent at a time");
		return false;
	}
	c->body = more;
	c->body_cap = cap;
	return true;
}

static enum MHD_Result
handle(struct http *h, enum side side, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *data, size_t *data_len, void **state)
{
	struct call *c = *state;

	if (!c) {
		if (!(c = *state = call_new(h, mhd, url, method)))
			return MHD_NO;
		due(mhd, HTTP_BODY_S);
		(void)pthread_mutex_lock(&h->lock);
		h->st.requests++;
		(void)pthread_mutex_unlock(&h->lock);
		return begin(c, side, url) ? MHD_YES : answer(c);
	}
	if (*data_len > 0) {
		if (c->status == 0 && room(c, *data_len)) {
			memcpy(c->body + c->body_len, data, *data_len);
			c->body_len += *data_len;
		}
		*data_len = 0;
		return MHD_YES; /* an answer waits for the end of the body, which is bounded in time */
	}
	due(mhd, HTTP_ANSWER_S);
	if (c->status == 0)
		c->route->run(c);
	(void)call_db_done(c); /* whatever was made of what it did not say */
	if (c->status == 0)
		call_error(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal", "no answer");
	return answer(c);
}

static enum MHD_Result
on_page(void *arg, struct MHD_Connection *mhd, const char *url, const char *method,
    const char *version, const char *data, size_t *data_len, void **state)
{
	(void)version;
	return handle(arg, SIDE_PAGE, mhd, url, method, data, data_len, state);
}

static enum MHD_Result
on_ingest(void *arg, struct MHD_Connection *mhd, const char *url, const char *method,
    const char *version, const char *data, size_t *data_len, void **state)
{
	(void)version;
	return handle(arg, SIDE_INGEST, mhd, url, method, data, data_len, state);
}

static void
on_completed(
    void *arg, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode why)
{
	struct call *c = *state;

	(void)arg;
	(void)why;
	due(mhd, HTTP_IDLE_S);
	if (!c)
		return;
	store_put(c->co->store, c->db);
	(void)atomic_fetch_sub(&c->co->bodies, c->body_cap);
	free(c->body);
	free(c->buf);
	free(c);
	*state = NULL;
}

static void
on_connection(
    void *arg, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode what)
{
	struct http *h = arg;
	struct conn *k = *context;

	(void)pthread_mutex_lock(&h->lock);
	if (what == MHD_CONNECTION_NOTIFY_STARTED && (k = calloc(1, sizeof(*k)))) {
		const union MHD_ConnectionInfo *i =
		    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

		*k = (struct conn){.next = h->conns,
		    .prev = &h->conns,
		    .h = h,
		    .id = ++h->next_id,
		    .fd = i ? i->connect_fd : -1,
		    .until_ns = clock_mono_ns() + HTTP_HEAD_S * NS_PER_S};
		if (h->conns)
			h->conns->prev = &k->next;
		h->conns = k;
		h->st.connections++;
		h->st.open++;
		*context = k;
	} else if (what == MHD_CONNECTION_NOTIFY_CLOSED && k) {
		*k->prev = k->next;
		if (k->next)
			k->next->prev = k->prev;
		h->st.open--;
		free(k);
		*context = NULL;
	}
	(void)pthread_mutex_unlock(&h->lock);
}

void
http_reap(struct http *h)
{
	uint64_t now = clock_mono_ns();

	(void)pthread_mutex_lock(&h->lock);
	for (struct conn *k = h->conns; k; k = k->next)
		if (k->until_ns && now > k->until_ns && k->fd >= 0) {
			(void)shutdown(k->fd, SHUT_RDWR); /* its thread sees the end and closes */
			k->until_ns = 0;
			h->st.slow++;
		}
	(void)pthread_mutex_unlock(&h->lock);
}

void
http_unlimited(struct http *h, uint64_t conn_id)
{
	(void)pthread_mutex_lock(&h->lock);
	for (struct conn *k = h->conns; k; k = k->next)
		if (k->id == conn_id)
			k->until_ns = 0;
	(void)pthread_mutex_unlock(&h->lock);
}

void
http_stats(struct http *h, struct http_stats *out)
{
	(void)pthread_mutex_lock(&h->lock);
	*out = h->st;
	(void)pthread_mutex_unlock(&h->lock);
}

/* --- listening ------------------------------------------------------------------------------- */

static int
bound(
    const char *text, uint16_t standard, bool loopback, uint16_t *port, char *err, size_t err_size)
{
	struct sockaddr_storage a;
	socklen_t len;
	const int on = 1;
	int fd;

	if (!endpoint_parse(text, standard, &a, &len))
		return err_say(err, err_size, ERR_SYNTAX,
		    "%s: an address and a port, like 127.0.0.1:%u", text, standard);
	if (loopback && !endpoint_loopback(&a))
		return err_say(
		    err, err_size, ERR_USAGE, "%s: without TLS only on the loopback", text);
	fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, (const struct sockaddr *)&a, len) != 0 || listen(fd, 128) != 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
		int e = errno;

		if (fd >= 0)
			(void)close(fd);
		return err_say(err, err_size, err_from_errno(e), "%s: %s", text, strerror(e));
	}
	*port = endpoint_port(&a);
	return fd;
}

static int
start(
    struct http *h, enum side side, const char *address, uint16_t *port, char *err, size_t err_size)
{
	const struct collector_conf *cf = &h->co->conf;
	bool tls = side == SIDE_INGEST || !cf->plain;
	struct MHD_OptionItem item[8];
	unsigned n = 0;
	int r = 0, fd = bound(address, side == SIDE_PAGE ? 8443 : 8444, !tls, port, err, err_size);

	if (fd < 0)
		return fd;
	if (tls && (r = pki_listen(cf->dir, side == SIDE_PAGE, err, err_size)) < 0)
		goto out;
	if (tls) {
		item[n++] = (struct MHD_OptionItem){
		    MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)pki_show(side == SIDE_PAGE)};
		item[n++] = (struct MHD_OptionItem){
		    MHD_OPTION_HTTPS_PRIORITIES, 0, side == SIDE_PAGE ? TLS_PAGE : TLS_INGEST};
	}
	if (side == SIDE_INGEST) /* asked for, and looked at by enrol_identify() */
		item[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, h->co->ca_pem};
	item[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
	h->daemon[side] = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD |
					       MHD_USE_THREAD_PER_CONNECTION |
					       (tls ? MHD_USE_TLS : 0) | MHD_USE_POLL | MHD_USE_ITC,
	    0, NULL, NULL, side == SIDE_PAGE ? on_page : on_ingest, h, MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)(cf->connections ? cf->connections : 256),
	    MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)(cf->per_address ? cf->per_address : 64),
	    MHD_OPTION_CONNECTION_TIMEOUT, HTTP_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)HTTP_POOL, MHD_OPTION_THREAD_STACK_SIZE, (size_t)HTTP_STACK,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_NOTIFY_CONNECTION,
	    on_connection, h, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, item,
	    MHD_OPTION_END);
	if (!h->daemon[side])
		r = err_say(err, err_size, ERR_IO, "%s: the listener does not start", address);
out:
	if (r < 0)
		(void)close(fd);
	return r;
}

struct http *
http_new(struct collector *co, char *err, size_t err_size)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h) {
		(void)err_say(err, err_size, ERR_NOMEM, "out of memory");
		return NULL;
	}
	h->co = co;
	(void)pthread_mutex_init(&h->lock, NULL);
	if ((co->conf.listen &&
		start(h, SIDE_PAGE, co->conf.listen, &co->page_port, err, err_size) < 0) ||
	    (co->conf.ingest &&
		start(h, SIDE_INGEST, co->conf.ingest, &co->ingest_port, err, err_size) < 0)) {
		http_free(h);
		return NULL;
	}
	return h;
}

void
http_free(struct http *h)
{
	if (!h)
		return;
	for (unsigned i = 0; i < 2; i++)
		if (h->daemon[i])
			MHD_stop_daemon(h->daemon[i]);
	pki_forget();
	free(h);
}
