/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out_https.c - batches to a collector (docs/FORMATS.md, "To a collector"): several in one request, delivered when
 * the collector's signed receipt says so.
 *
 * The collector knows best what it has: after every failure it is asked, and the sender goes on there.  What
 * it says without a signature only decides what is sent next; the place on disk, and what the signer may
 * let go of, move by receipts alone.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "sender/client.h"
#include "sender/identity.h"
#include "sender/out.h"
#include "sender/renew.h"
#include "sender/talk.h"
#include "sender/upload.h"
#include "sender/watchlist.h"

#define BODY_WANT (1u << 20) /* then it is sent, whatever else there is */
#define BATCHES	  1024u	     /* in one request */

struct send_conn {
	const struct send_common *common;
	struct identity id;
	struct client *http;
	struct upload *upload;
	struct renew renew;
	size_t want; /* of a body; less after 413 */
	size_t len;
	unsigned n;
	struct talk_sent sent[BATCHES];
	bool gap;		     /* batches in front of the first are gone */
	char iss[BATCH_ISS_MAX + 1]; /* of the batches */
	struct follow_place had;     /* by the last 409: the same again leads nowhere */
	bool conflict;
	char header[BATCH_JWS_MAX + 32];
	char body[TALK_BODY_MAX];
};

static bool
hurry(void *ctx)
{
	return send_hurry(ctx);
}

/* --- life ------------------------------------------------------------------------- */

static void
https_free(struct send_conn *c)
{
	if (!c)
		return;
	upload_free(c->upload);
	client_free(c->http);
	free(c);
}

static struct send_conn *
https_new(const struct send_target *t, const struct send_common *common, char *err, size_t err_size)
{
	struct send_conn *c;
	struct client_conf hc;
	char url[IDENTITY_URL_MAX];

	if (!common->identity) {
		(void)err_say(err, err_size, 0,
		    "https://%s:%s: needs --identity DIR, which interlock "
		    "send enrol makes",
		    t->host, t->port);
		return NULL;
	}
	if (!(c = calloc(1, sizeof(*c)))) {
		(void)err_say(err, err_size, 0, "out of memory");
		return NULL;
	}
	c->common = common;
	c->want = BODY_WANT;
	if (identity_load(&c->id, common->identity, err, err_size) < 0)
		goto fail;
	renew_begin(&c->renew, &c->id, common->state_fd);
	(void)snprintf(url, sizeof(url), "https://%s:%s", t->host, t->port);
	hc = (struct client_conf){
	    .base = c->id.url,
	    .ca = c->id.ca,
	    .cert = c->id.cert,
	    .key = c->id.key,
	    .timeout_ms = common->timeout_ms,
	    .answer_max = common->watchlist_path || common->rollouts_dir ? WATCHLIST_ANSWER_MAX : 0,
	    .hurry = hurry,
	    .ctx = (void *)(uintptr_t)common,
	};
	if (strcmp(url, c->id.url) != 0) {
		(void)err_say(
		    err, err_size, 0, "%s: %s is enrolled at %s", url, common->identity, c->id.url);
		goto fail;
	}
	if (!(c->http = client_new(&hc)) || !(c->upload = upload_new(common, c->http))) {
		(void)err_say(err, err_size, 0, "out of memory");
		goto fail;
	}
	return c;
fail:
	https_free(c);
	return NULL;
}

static void
https_close(struct send_conn *c)
{
	c->n = 0;
	c->len = 0;
	c->gap = false;
}

/* --- what a collector answers -------------------------------------------------------- */

static int
https_open(struct send_conn *c, struct send_result *r)
{
	struct client_answer a;
	char why[200];
	json_t *o;
	bool ok;
	int e;

	https_close(c);
	if ((e = client_request(c->http, "GET", "/ingest/v1/position", NULL, NULL, NULL, 0, &a, why,
		 sizeof(why))) < 0)
		return send_fail(r, e, "%s: %s", c->id.url, why);
	if (a.status != 200)
		return talk_refusal(&a, "position", r);
	o = json_loadb(a.body, a.len, JSON_REJECT_DUPLICATES, NULL);
	ok = talk_place(o, &r->place);
	json_decref(o);
	if (!ok) {
		r->refused = true;
		return send_fail(r, ERR_FORMAT, "position: the answer is not one");
	}
	r->seek = true;
	return 0;
}

static int
https_put(struct send_conn *c, const struct follow_batch *b, struct send_result *r)
{
	size_t need = b->jws_len + 1 + b->len;

	if (c->n > 0 && (c->n == BATCHES || c->len + need > c->want))
		return ERR_FULL;
	if (need > sizeof(c->body)) { /* cannot be: FOLLOW_LINES_BYTES is half of it */
		r->refused = true;
		return send_fail(r, ERR_RANGE, "batch %" PRIu64 " is too long", b->b.number);
	}
	if (b->gap > 0 && c->n > 0)
		return ERR_FULL; /* a gap is told in front of a request */
	c->gap = c->gap || b->gap > 0;
	memcpy(c->body + c->len, b->jws, b->jws_len);
	c->len += b->jws_len;
	c->body[c->len++] = '\n';
	memcpy(c->body + c->len, b->lines, b->len);
	c->len += b->len;
	c->sent[c->n] = (struct talk_sent){b->b.epoch, b->b.number, {0}};
	memcpy(c->sent[c->n++].hash, b->hash, sizeof(b->hash));
	memcpy(c->iss, b->b.iss, sizeof(c->iss));
	return 0;
}

/* Is it the collector's word for what was just sent? */
static int
check_receipt(struct send_conn *c, const struct client_answer *a, struct send_result *r)
{
	char jws[RECEIPT_JWS_MAX];
	int e = talk_receipt(a, &c->id.receipts, c->iss, &c->sent[c->n - 1], jws, r);

	/* The signer reads it there. */
	if (e == 0 && place_replace(c->common->state_fd, "receipt", jws, strlen(jws), true) < 0)
		log_warn("receipt: it cannot be kept: %s", strerror(errno));
	return e;
}

/* 409: we ask anew what it has, and go on there.  Once. */
static int
conflict(struct send_conn *c, const struct client_answer *a, struct send_result *r)
{
	json_t *o = json_loadb(a->body, a->len, JSON_REJECT_DUPLICATES, NULL);
	struct follow_place have;
	char text[200];
	bool ok = talk_place(json_object_get(o, "have"), &have);

	json_decref(o);
	(void)client_complaint(a, text, sizeof(text));
	r->at_once =
	    ok && !(c->conflict && c->had.epoch == have.epoch && c->had.batch == have.batch);
	r->refused = !r->at_once;
	c->conflict = true;
	c->had = have;
	if (!ok)
		return send_fail(
		    r, ERR_CHAIN, "the collector says 409, and not what it has%s", text);
	return send_fail(r, ERR_CHAIN,
	    "the collector has batch %" PRIu64 " of epoch %" PRIu64
	    " and does not take batch %" PRIu64 " of epoch %" PRIu64 "%s%s",
	    have.batch, have.epoch, c->sent[0].batch, c->sent[0].epoch, r->refused ? ", again" : "",
	    text);
}

static int
too_large(struct send_conn *c, struct send_result *r)
{
	if (c->n > 1) {
		c->want = c->len / 2;
		r->at_once = true;
		return send_fail(r, ERR_RANGE,
		    "the collector says 413 to %zu bytes: at most %zu from now on", c->len,
		    c->want);
	}
	r->refused = true;
	return send_fail(r, ERR_RANGE,
	    "the collector says 413 to batch %" PRIu64 " alone, of %zu bytes", c->sent[0].batch,
	    c->len);
}

/* Batches in front of these are not in the journal any more.  That this was the sensor's doing (its journal was
 * full) is signed in the newest batch, as `oldest`; so it goes along. */
static char *
statement(struct send_conn *c)
{
	static const char name[] = "Interlock-Statement: ";
	struct batch b;

	memcpy(c->header, name, sizeof(name));
	return follow_head(c->common->journal_fd, &b, c->header + sizeof(name) - 1) == 0 ? c->header
											 : NULL;
}

static int
https_flush(struct send_conn *c, struct send_result *r)
{
	struct client_answer a;
	char why[200], *extra = NULL;
	int e;

	if (c->n == 0)
		return 0;
	if (c->gap)
		extra = statement(c);
	if ((e = client_request(c->http, "POST", "/ingest/v1/batches", TALK_TYPE, extra, c->body,
		 c->len, &a, why, sizeof(why))) < 0)
		return send_fail(r, e, "%s: %s", c->id.url, why);
	if (a.status == 409)
		return conflict(c, &a, r);
	if (a.status == 413)
		return too_large(c, r);
	if (a.status != 200)
		return talk_refusal(&a, "batches", r);
	if ((e = check_receipt(c, &a, r)) < 0)
		return e;
	c->conflict = false;
	https_close(c);
	renew_turn(&c->renew, &c->id, c->http, c->common->state_fd);
	return 0;
}

static int
https_idle(struct send_conn *c, const struct place *at, struct send_result *r)
{
	renew_turn(&c->renew, &c->id, c->http, c->common->state_fd);
	return upload_turn(c->upload, at, r);
}

const struct send_out send_out_https = {.scheme = "https://",
    .new = https_new,
    .open = https_open,
    .put = https_put,
    .flush = https_flush,
    .idle = https_idle,
    .close = https_close,
    .free = https_free};
