/* SPDX-License-Identifier: Apache-2.0 */
#include "sender/talk.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "alerts/jws.h"
#include "base/err.h"

bool
talk_place(const json_t *o, struct follow_place *out)
{
	*out = (struct follow_place){0};
	return jws_number(o, "epoch", &out->epoch) && jws_number(o, "batch", &out->batch);
}

int
talk_refusal(const struct client_answer *a, const char *what, struct send_result *r)
{
	char text[200];

	(void)client_complaint(a, text, sizeof(text));
	if (a->status == 429 || a->status >= 500 || a->wait_s > 0) { /* also: not approved yet */
		r->wait_ms = a->wait_s * 1000;
		return send_fail(
		    r, ERR_AGAIN, "%s: the collector says %ld%s", what, a->status, text);
	}
	r->refused = true;
	return send_fail(r, ERR_PERM, "%s: the collector refuses: %ld%s", what, a->status, text);
}

int
talk_receipt(const struct client_answer *a, const struct key_set *keys, const char *iss,
    const struct talk_sent *last, char *jws, struct send_result *r)
{
	json_t *o = json_loadb(a->body, a->len, JSON_REJECT_DUPLICATES, NULL);
	const char *text = json_string_value(json_object_get(o, "receipt"));
	struct receipt got;
	char why[200] = "the answer has none";
	int e = text ? receipt_open(text, strlen(text), keys, &got, why, sizeof(why)) : ERR_FORMAT;

	if (e == 0 && strcmp(got.sub, iss) != 0)
		e = err_say(why, sizeof(why), ERR_SIGNATURE, "it is for another sensor");
	if (e == 0 && (got.epoch != last->epoch || got.batch != last->batch))
		e = err_say(why, sizeof(why), ERR_SIGNATURE,
		    "it is for batch %" PRIu64 " of epoch %" PRIu64 ", and batch %" PRIu64
		    " of epoch %" PRIu64 " was sent",
		    got.batch, got.epoch, last->batch, last->epoch);
	if (e == 0 && memcmp(got.hash, last->hash, sizeof(got.hash)) != 0)
		e = err_say(
		    why, sizeof(why), ERR_SIGNATURE, "it is for another batch %" PRIu64, got.batch);
	if (e == 0)
		(void)snprintf(jws, RECEIPT_JWS_MAX, "%s", text);
	json_decref(o);
	if (e < 0) {
		r->refused = true;
		return send_fail(r, e, "receipt: %s", why);
	}
	return 0;
}
