/* SPDX-License-Identifier: Apache-2.0 */
#include "sender/renew.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "alerts/journal.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/jw.h"
#include "base/log.h"
#include "sender/client.h"
#include "sender/dial.h"
#include "sender/identity.h"
#include "sender/place.h"

#define PART	   3		 /* of its time has to be left */
#define LOOK_MAX_S INT64_C(3600) /* between two looks, or attempts */
#define LOOKS	   30		 /* but so many in its time */

static int64_t
now_s(void)
{
	return (int64_t)(clock_wall_ns() / NS_PER_S);
}

static void
next_look(struct renew *r)
{
	int64_t s = (r->until_s - r->from_s) / LOOKS;

	s = s < 1 ? 1 : s > LOOK_MAX_S ? LOOK_MAX_S : s;
	r->next_ns = clock_mono_ns() + (uint64_t)s * NS_PER_S;
}

/* The state directory by its descriptor: curl wants names. */
static void
use_state(struct identity *id, int state_fd)
{
	(void)snprintf(id->cert, sizeof(id->cert), "/proc/self/fd/%d/" RENEW_NAME, state_fd);
	memcpy(id->key, id->cert, sizeof(id->key));
}

static char *
enrolled_certificate(const char *path)
{
	char *text = calloc(1, DIAL_PEM_MAX);
	FILE *fp = fopen(path, "re");

	if (text && fp)
		text[fread(text, 1, DIAL_PEM_MAX - 1, fp)] = '\0';
	if (fp)
		(void)fclose(fp);
	return text;
}

void
renew_begin(struct renew *r, struct identity *id, int state_fd)
{
	char *text = enrolled_certificate(id->cert), *later = NULL;
	int64_t from, until;
	size_t n;

	*r = (struct renew){0};
	if (text)
		(void)dial_validity(text, &r->from_s, &r->until_s);
	if (journal_slurp(state_fd, RENEW_NAME, 2 * (size_t)DIAL_PEM_MAX, &later, &n) == 0 &&
	    dial_validity(later, &from, &until) == 0 && from > r->from_s) {
		r->from_s = from;
		r->until_s = until;
		use_state(id, state_fd);
	}
	if (later)
		crypto_wipe(later, n);
	free(later);
	free(text);
}

/* The certificate of the answer, with its key, into the state directory. */
static int
keep(struct renew *r, const struct client_answer *a, const char *key, int state_fd, char *err,
    size_t err_size)
{
	json_t *o = json_loadb(a->body, a->len, JSON_REJECT_DUPLICATES, NULL);
	const char *crt = json_string_value(json_object_get(o, "certificate"));
	char *both = NULL;
	int64_t from, until;
	int n, e = 0;

	if (!crt || dial_validity(crt, &from, &until) < 0 || until <= now_s())
		e = err_say(
		    err, err_size, ERR_FORMAT, "the answer has no certificate that is good");
	else if ((n = asprintf(&both, "%s%s", key, crt)) < 0)
		e = err_say(err, err_size, ERR_NOMEM, "out of memory");
	else if ((e = place_replace(state_fd, RENEW_NAME, both, (size_t)n, true)) < 0)
		(void)err_say(err, err_size, e, RENEW_NAME ": %s", err_str(e));
	if (both) {
		crypto_wipe(both, strlen(both));
		free(both);
	}
	if (e == 0) {
		r->from_s = from;
		r->until_s = until;
	}
	json_decref(o);
	return e;
}

static int
renew(struct renew *r, const struct identity *id, struct client *http, int state_fd, char *err,
    size_t err_size)
{
	char key[DIAL_PEM_MAX], csr[DIAL_PEM_MAX], body[2 * DIAL_PEM_MAX], why[200];
	struct jw w = jw_make(body, sizeof(body));
	struct client_answer a;
	int e = dial_request(id->sensor, key, csr, err, err_size);

	if (e < 0)
		return e;
	jw_obj(&w, NULL);
	jw_str(&w, "csr", csr);
	jw_close(&w, '}');
	if ((e = client_request(http, "POST", "/ingest/v1/renew", "application/json", NULL, body,
		 jw_len(&w), &a, err, err_size)) == 0)
		e = a.status == 200 ? keep(r, &a, key, state_fd, err, err_size)
				    : err_say(err, err_size, ERR_PERM, "the collector says %ld%s",
					  a.status, client_complaint(&a, why, sizeof(why)));
	crypto_wipe(key, sizeof(key));
	return e;
}

void
renew_turn(struct renew *r, struct identity *id, struct client *http, int state_fd)
{
	int64_t left = r->until_s - now_s();
	char err[300];

	if (r->until_s == 0 || clock_mono_ns() < r->next_ns)
		return;
	next_look(r);
	if (left > (r->until_s - r->from_s) / PART)
		return;
	if (renew(r, id, http, state_fd, err, sizeof(err)) < 0) {
		log_warn(
		    "certificate: it ends in %lld s and was not renewed: %s", (long long)left, err);
		return;
	}
	use_state(id, state_fd);
	client_forget(http);
	next_look(r);
	log_info("certificate: renewed, good for %lld s", (long long)(r->until_s - now_s()));
}
