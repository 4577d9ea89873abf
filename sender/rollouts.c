/* SPDX-License-Identifier: Apache-2.0 */
/* rollouts.c - see rollouts.h. */
#include "sender/rollouts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alerts/jws.h"
#include "alerts/offer.h"
#include "alerts/permit.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "sender/place.h"

#define ASK_NS	  (5 * NS_PER_S)
#define STATE_MAX 2048u
#define WHY_MAX	  200u /* of it is told */

struct rollouts {
	const struct send_common *common;
	struct client *http;
	uint64_t ask_ns; /* not before */
	uint64_t have;	 /* the offer that is written */
	bool known;	 /* else what is written is not known */
	bool confirm;
};

static size_t
escape(char *out, size_t size, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	for (; *text && n + 4 < size; text++) {
		uint8_t c = (uint8_t)*text;

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    c == '-' || c == '_' || c == '.') {
			out[n++] = (char)c;
		} else {
			out[n++] = '%';
			out[n++] = hex[c >> 4];
			out[n++] = hex[c & 15];
		}
	}
	out[n] = '\0';
	return n;
}

/* "?id=..&state=..&why=.." of what became of an offer, "" when nobody has said. */
static void
state_told(int dir, char *out, size_t size)
{
	char buf[STATE_MAX], why[WHY_MAX + 1] = "", state[32] = "";
	int fd = openat(dir, "state.json", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
	json_t *o = n > 0 ? json_loadb(buf, (size_t)n, JSON_REJECT_DUPLICATES, NULL) : NULL;
	uint64_t id;

	*out = '\0';
	if (fd >= 0)
		(void)close(fd);
	if (o && jws_number(o, "id", &id) && jws_text(o, "state", state, sizeof(state))) {
		const char *text = json_string_value(json_object_get(o, "why"));
		int k;

		snprintf(why, sizeof(why), "%s", text ? text : "");
		k = snprintf(out, size, "?id=%" PRIu64 "&state=", id);
		k += (int)escape(out + k, size - (size_t)k, state);
		if (*why && (size_t)k + 8 < size) {
			k += snprintf(out + k, size - (size_t)k, "&why=");
			(void)escape(out + k, size - (size_t)k, why);
		}
	}
	json_decref(o);
}

static int
put_offer(int dir, const struct offer *f)
{
	char buf[OFFER_MAX];
	size_t n = offer_write(f, buf, sizeof(buf));

	return n > 0 ? place_replace(dir, "offer.json", buf, n, true) : ERR_RANGE;
}

/* What a new offer is of.  1: it is there; 0: not now; ERR_*: no answer, said in r. */
static int
fetch(struct rollouts *o, int dir, const struct offer *f, struct send_result *r)
{
	const char *as = f->is_permit ? OFFER_PERMIT : OFFER_BUNDLE;
	struct client_answer a;
	char url[80], why[200];
	int e;

	snprintf(url, sizeof(url), "/ingest/v1/rollout/%" PRIu64, f->id);
	e = client_request(o->http, "GET", url, NULL, NULL, NULL, 0, &a, why, sizeof(why));
	if (e < 0)
		return send_fail(r, e, "roll-out: %s", why);
	if (a.status != 200 || (f->is_permit && a.len >= PERMIT_JWS_MAX))
		return 0;
	if ((e = place_replace(dir, as, a.body, a.len, true)) < 0) {
		log_warn("%s/%s: %s", o->common->rollouts_dir, as, strerror(errno));
		return 0;
	}
	return 1;
}

static void
withdraw(struct rollouts *o, int dir)
{
	if (o->known && o->have == 0)
		return;
	if (unlinkat(dir, "offer.json", 0) != 0 && errno != ENOENT)
		return;
	(void)unlinkat(dir, OFFER_BUNDLE, 0);
	(void)unlinkat(dir, OFFER_PERMIT, 0);
	o->known = true;
	o->have = 0;
}

static int
take(struct rollouts *o, int dir, const json_t *answer, struct send_result *r)
{
	struct offer f;
	int e;

	if (json_object_size(answer) == 0) {
		withdraw(o, dir);
		return 0;
	}
	if (!offer_read(answer, &f)) {
		log_warn("%s: what the collector offers is no policy and no permit",
		    o->common->rollouts_dir);
		return 0;
	}
	if (o->known && f.id == o->have && f.confirm == o->confirm)
		return 0;
	if (!(o->known && f.id == o->have) && (e = fetch(o, dir, &f, r)) <= 0)
		return e;
	if ((e = put_offer(dir, &f)) < 0) {
		log_warn("%s/offer.json: %s", o->common->rollouts_dir, err_str(e));
		return 0;
	}
	log_info("%s: %s %s is offered%s", o->common->rollouts_dir,
	    f.is_permit ? "permit" : "policy", f.is_permit ? f.permit : f.policy,
	    f.confirm ? ", and confirmed" : "");
	o->known = true;
	o->have = f.id;
	o->confirm = f.confirm;
	return 0;
}

int
rollouts_turn(struct rollouts *o, struct send_result *r)
{
	char url[80 + 3 * STATE_MAX] = "/ingest/v1/rollout", why[200];
	uint64_t now = clock_mono_ns();
	struct client_answer a;
	json_t *answer;
	int dir, e;

	if (now < o->ask_ns)
		return 0;
	if ((dir = open(o->common->rollouts_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		log_warn("%s: %s", o->common->rollouts_dir, strerror(errno));
		o->ask_ns = now + 12 * ASK_NS;
		return 0;
	}
	state_told(dir, url + strlen(url), sizeof(url) - strlen(url));
	e = client_request(o->http, "GET", url, NULL, NULL, NULL, 0, &a, why, sizeof(why));
	if (e < 0) {
		e = send_fail(r, e, "roll-out: %s", why);
	} else {
		o->ask_ns = now + ASK_NS;
		answer = a.status == 200 ? json_loadb(a.body, a.len, JSON_REJECT_DUPLICATES, NULL)
					 : NULL;
		if (answer)
			e = take(o, dir, answer, r);
		json_decref(answer);
	}
	(void)close(dir);
	return e;
}

struct rollouts *
rollouts_new(const struct send_common *c, struct client *http)
{
	struct rollouts *o = calloc(1, sizeof(*o));

	if (o) {
		o->common = c;
		o->http = http;
	}
	return o;
}

void
rollouts_free(struct rollouts *o)
{
	free(o);
}
