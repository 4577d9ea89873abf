/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opcua_walk_test.c - the body walker: bodies that node-opcua encoded and the events
 * they must give, the same in pieces of every size and at every single cut, with and
 * without the fast paths; hostile bodies; a bound on the work per byte; NodeIds as text.
 *
 * Events are text: "Read > h=7", a request with handle 7; "Read < h=7 s=0", its answer
 * with a status; then "role:access node @attribute =type:value flags" and "field=value".
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static unsigned long walk_steps;
#define WALK_TRACE(w, in, op) (walk_steps++)
#include "dissectors/opcua/walk.h"
#include "tests/unit/guard.h"
#include "tests/unit/opcua_bodies.h"

#define BODY_MAX 16384

static struct guard guard;
static bool damaged; /* nonces and certificates are no longer one byte, repeated */

struct text {
	char s[1 << 15];
	size_t n;
};

static void
say(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->s + t->n, sizeof(t->s) - t->n, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < sizeof(t->s) - t->n);
	t->n += (size_t)n;
}

static void
say_node(struct text *t, const struct walk_node *n)
{
	static const char *const roles[] = {"target", "object", "method", "parent", "new",
	    "reftype", "typedef", "reference", "view", "register", "alias", "unregister"};
	char buf[WALK_TEXT_MAX];
	uint32_t len = walk_node_text(n, buf);

	assert_in_range(len, 2, WALK_TEXT_MAX);
	say(t, " %s:%s %.*s", roles[n->role],
	    n->access == ACC_READ    ? "r"
	    : n->access == ACC_WRITE ? "w"
				     : "c",
	    (int)len, buf);
	if (n->attribute)
		say(t, " @%u", n->attribute);
	if (n->flags & NODE_RANGE)
		say(t, " range");
	if (n->flags & NODE_TRUNCATED)
		say(t, " cut");
	if (n->flags & NODE_URI)
		say(t, " uri");
	if (n->flags & NODE_REMOTE)
		say(t, " remote");
	if (n->value_type)
		say(t, " =%u", n->value_type);
	if (n->array)
		say(t, "[%u]", n->array_len);
	for (unsigned i = 0; i < n->value_len; i++)
		say(t, i ? "%02x" : ":%02x", n->value[i]);
	for (unsigned i = n->value_len; i < sizeof(n->value); i++)
		assert_int_equal(n->value[i], 0);
}

static void
say_field(struct text *t, const struct walk_field *f)
{
	static const char *const names[] = {"", "endpoint_url", "app_uri", "product_uri",
	    "app_name", "server_uri", "session_name", "nonce", "certificate", "request_type",
	    "mode", "lifetime", "channel_id", "token_id", "auth", "user_token", "user_name",
	    "subscription", "text", "ep_url", "ep_mode", "ep_policy", "ep_token", "app_type",
	    "time", "build_uri", "build_maker", "build_name", "build_version", "build_number",
	    "build_date"};

	assert_in_range(f->id, 1, sizeof(names) / sizeof(names[0]) - 1);
	assert_true(f->len <= WALK_NAME_MAX && f->truncated == (f->len < f->num && f->len != 0));
	say(t, " %s", names[f->id]);
	switch ((enum walk_field_id)f->id) {
	case WF_NONCE:
	case WF_CERTIFICATE:
		say(t, "#%u", (unsigned)f->num);
		for (uint32_t i = 0; i < f->len && !damaged; i++)
			assert_int_equal(f->p[i], f->p[0]);
		break;
	case WF_AUTH:
		break;
	case WF_TEXT:
		say(t, "[%u.%u]='%.*s'", f->index, f->elem, (int)f->len, (const char *)f->p);
		break;
	case WF_BUILD_URI:
	case WF_BUILD_MAKER:
	case WF_BUILD_NAME:
	case WF_BUILD_VERSION:
	case WF_BUILD_NUMBER:
		say(t, "[%u]='%.*s'", f->index, (int)f->len, (const char *)f->p);
		break;
	case WF_TIME:
	case WF_BUILD_DATE:
		say(t, "[%u]=%llu", f->index, (unsigned long long)f->num);
		break;
	case WF_ENDPOINT_URL:
	case WF_APP_URI:
	case WF_PRODUCT_URI:
	case WF_APP_NAME:
	case WF_SERVER_URI:
	case WF_SESSION_NAME:
	case WF_USER_NAME:
	case WF_EP_URL:
	case WF_EP_POLICY:
		say(t, "='%.*s'", (int)f->len, (const char *)f->p);
		break;
	default:
		say(t, "=%u", (unsigned)f->num);
	}
}

/* One event; false after the last. */
static bool
say_event(struct text *t, struct walk *w, enum walk_event e)
{
	switch (e) {
	case WALK_HEADER:
		say(t, "%s %c h=%u", walk_service_name(w->service), w->response ? '<' : '>',
		    w->handle);
		if (w->response)
			say(t, " s=%x", w->status);
		return true;
	case WALK_NODE:
		say_node(t, &w->node);
		return true;
	case WALK_FIELD:
		say_field(t, &w->field);
		return true;
	case WALK_BAD:
		say(t, " bad:%s", walk_bad_name(w->bad));
		return false;
	case WALK_MORE:
	case WALK_END:
		break;
	}
	return false;
}

/*
 * Walk n bytes in pieces: the first of size first, then of size step, each ending at
 * an unreadable page and overwritten afterwards.  Where the walk goes on from is a copy.
 */
static void
walk_text(struct text *t, const uint8_t *body, size_t n, size_t first, size_t step, uint8_t opts,
    uint32_t left)
{
	struct walk w, copy;
	size_t at = 0, k = first;
	enum walk_event e = WALK_MORE;
	struct cur c = {0};

	t->n = 0;
	t->s[0] = 0;
	walk_start(&w, left, opts);
	do {
		if (k > n - at)
			k = n - at;
		c = cur_make(guard_put(&guard, body + at, k), k);
		while (say_event(t, &w, e = walk_next(&w, &c)))
			;
		at += k;
		k = step;
		memset(guard.map, 0xee, guard.size - (size_t)sysconf(_SC_PAGESIZE));
		memset(&copy, 0xdd, sizeof(copy));
		walk_copy(&copy, &w);
		w = copy;
	} while (e == WALK_MORE && at < n);
	if (e == WALK_MORE)
		say(t, " ...");
	if (e == WALK_END && at - cur_left(&c) != n)
		say(t, " +%zu", n - (at - cur_left(&c)));
}

static size_t
unhex(const char *hex, uint8_t *out, size_t max)
{
	size_t n = 0;
	unsigned v;

	for (; hex[0]; hex += 2) {
		if (*hex == ' ') {
			hex--;
			continue;
		}
		assert_true(n < max && sscanf(hex, "%2x", &v) == 1);
		out[n++] = (uint8_t)v;
	}
	return n;
}

static const char *
first_words(const char *s)
{
	static char buf[48];

	snprintf(buf, sizeof(buf), "%s", s);
	return buf;
}

#define N_BODIES (sizeof(bodies) / sizeof(bodies[0]))
#define OPTS	 (WALK_OPT_TEXT | WALK_OPT_IDENT)

static void
test_bodies(void **state)
{
	static struct text t;
	uint8_t buf[BODY_MAX];
	unsigned seen_request[SVC_LAST] = {0}, seen_response[SVC_LAST] = {0};

	(void)state;
	for (size_t i = 0; i < N_BODIES; i++) {
		size_t n = unhex(bodies[i].hex, buf, sizeof(buf));
		uint32_t id = (uint32_t)(buf[2] | buf[3] << 8);
		bool response;
		uint8_t svc = walk_service_lookup(id, &response);

		walk_text(&t, buf, n, n, n, OPTS, (uint32_t)n);
		assert_string_equal(t.s, bodies[i].events);
		walk_text(&t, buf, n, n, n, OPTS | WALK_OPT_SLOW, UINT32_MAX);
		assert_string_equal(t.s, bodies[i].events);
		(response ? seen_response : seen_request)[svc]++;
	}
	for (unsigned s = 1; s < SVC_LAST; s++) {
		if (s != SVC_ServiceFault && !seen_request[s])
			fail_msg("no request of %s", walk_service_name((uint8_t)s));
		if (walk_messages[s].body[1] && !seen_response[s] && s != SVC_CloseSecureChannel)
			fail_msg("no response of %s", walk_service_name((uint8_t)s));
	}
}

/* Every piece size up to 70, and every single cut: the same events. */
static void
test_pieces(void **state)
{
	static struct text t;
	uint8_t buf[BODY_MAX];

	(void)state;
	for (size_t i = 0; i < N_BODIES; i++) {
		size_t n = unhex(bodies[i].hex, buf, sizeof(buf));

		for (size_t k = 1; k <= 70; k++) {
			walk_text(
			    &t, buf, n, k, k, OPTS | (k & 1 ? WALK_OPT_SLOW : 0), (uint32_t)n);
			if (strcmp(t.s, bodies[i].events))
				fail_msg(
				    "%s: pieces of %zu: %s", first_words(bodies[i].events), k, t.s);
		}
		for (size_t cut = 1; cut < n; cut++) {
			walk_text(&t, buf, n, cut, n, OPTS, UINT32_MAX);
			if (strcmp(t.s, bodies[i].events))
				fail_msg(
				    "%s: cut at %zu: %s", first_words(bodies[i].events), cut, t.s);
		}
	}
}

/* A body that ends early is never complete, and with the length known it is bad. */
static void
test_cut_short(void **state)
{
	static struct text t;
	uint8_t buf[BODY_MAX];

	(void)state;
	for (size_t i = 0; i < N_BODIES; i++) {
		size_t n = unhex(bodies[i].hex, buf, sizeof(buf));

		for (size_t k = 0; k < n; k++) {
			walk_text(&t, buf, k, k, k, OPTS, UINT32_MAX);
			assert_true(t.n >= 4 && !strcmp(t.s + t.n - 4, " ..."));
			walk_text(&t, buf, k, k, k, OPTS, (uint32_t)k);
			assert_non_null(strstr(t.s, " bad:"));
			walk_text(&t, buf, k, 1, 1, OPTS | WALK_OPT_SLOW, (uint32_t)k);
			assert_non_null(strstr(t.s, " bad:"));
		}
	}
}

/* Bytes behind the body stay there. */
static void
test_behind(void **state)
{
	static struct text t;
	uint8_t buf[BODY_MAX + 32];

	(void)state;
	for (size_t i = 0; i < N_BODIES; i++) {
		size_t n = unhex(bodies[i].hex, buf, BODY_MAX);
		char want[64];

		memset(buf + n, 0xff, 32);
		snprintf(want, sizeof(want), " +%u", 32);
		walk_text(&t, buf, n + 32, n + 32, 1, OPTS, (uint32_t)n + 32);
		assert_memory_equal(t.s, bodies[i].events, strlen(bodies[i].events));
		assert_string_equal(t.s + strlen(bodies[i].events), want);
	}
}

/*
 * Hostile bytes never do more than a bounded number of steps per byte: the shortest
 * elements there are, thousands of them, and every body with each of its bytes changed in
 * eight ways.  The bound is that of the shortest NodeId: two bytes, five steps.
 */
#define STEPS(n) (3 * (n) + 64)

static void
test_work(void **state)
{
	/* clang-format off */
	static const struct {
		const char *hex, *element;
	} arrays[] = {
		{"0100 3002 0000 0000000000000000 00000000 00000000 ffffffff 00000000 000000 a00f0000", "0005"},
		{"0100 a102 0000 0000000000000000 00000000 00000000 ffffffff 00000000 000000 01000000 0005 0d000000 ffffffff "
		 "01 98 a00f0000", "00"},
		{"0100 a102 0000 0000000000000000 00000000 00000000 ffffffff 00000000 000000 01000000 0005 0d000000 ffffffff "
		 "01 97 a00f0000", "00"},
		{"0100 a102 0000 0000000000000000 00000000 00000000 ffffffff 00000000 000000 01000000 0005 0d000000 ffffffff "
		 "01 97 a00f0000", "01 00"},
		{"0100 a102 0000 0000000000000000 00000000 00000000 ffffffff 00000000 000000 01000000 0005 0d000000 ffffffff "
		 "01 95 a00f0000", "00"},
		{"0100 a102 0000 0000000000000000 00000000 00000000 ffffffff 00000000 000000 01000000 0005 0d000000 ffffffff "
		 "01 99 a00f0000", "00"},
		{"0100 a102 0000 0000000000000000 00000000 00000000 ffffffff 00000000 000000 01000000 0005 0d000000 ffffffff "
		 "01 96 a00f0000", "000000"},
		{"0100 c802 0000 0000000000000000 00000000 00000000 ffffffff 00000000 000000 a00f0000", "0005 0005 00000000"},
	};
	/* clang-format on */
	static const uint8_t masks[8] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x40, 0x80, 0xff};
	static struct text t;
	uint8_t buf[40000];
	double worst = 0;

	(void)state;
	damaged = true;
	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
		size_t n = unhex(arrays[i].hex, buf, sizeof(buf));
		struct walk w;
		enum walk_event e;
		struct cur c;

		for (unsigned k = 0; k < 4000; k++)
			n += unhex(arrays[i].element, buf + n, sizeof(buf) - n);
		walk_steps = 0;
		walk_start(&w, (uint32_t)n, WALK_OPT_SLOW);
		c = cur_make(buf, n);
		while ((e = walk_next(&w, &c)) > WALK_MORE)
			;
		assert_int_equal(e, WALK_END);
		assert_int_equal(cur_left(&c), 0);
		assert_true(walk_steps <= STEPS(n));
		if ((double)walk_steps / (double)n > worst)
			worst = (double)walk_steps / (double)n;
	}
	print_message("worst: %.2f steps per byte\n", worst);
	for (size_t i = 0; i < N_BODIES; i++) {
		size_t n = unhex(bodies[i].hex, buf, sizeof(buf));

		for (size_t k = 0; k < n * 8; k++) {
			buf[k / 8] ^= masks[k % 8];
			walk_steps = 0;
			walk_text(&t, buf, n, n, n, OPTS | WALK_OPT_SLOW, UINT32_MAX);
			assert_true(walk_steps <= STEPS(n));
			buf[k / 8] ^= masks[k % 8];
		}
	}
}

/* clang-format off */
#define READ	 "0100 7702 0000 0000000000000000 07000000 00000000 ffffffff 00000000 000000 0000000000000000 00000000 "
#define WRITE	 "0100 a102 0000 0000000000000000 07000000 00000000 ffffffff 00000000 000000 "
#define HUPDATE	 "0100 bc02 0000 0000000000000000 07000000 00000000 ffffffff 00000000 000000 "
#define ACTIVATE "0100 d301 0000 0000000000000000 07000000 00000000 ffffffff 00000000 000000 ffffffff ffffffff ffffffff ffffffff "
#define ANSWER	 "0100 7a02 0000000000000000 07000000 00000000 "
#define W	 "Write > h=7"

static void
test_hostile(void **state)
{
	static const struct {
		const char *hex, *events;
	} cases[] = {
		/* 1: the type */
		{"0100 ffff", " bad:type"},
		{"0101 7702", " bad:type"},
		{"03 0000 01000000 41", " bad:type"},
		{"06", " bad:nodeid"},
		{"41 00 7702", " bad:nodeid"}, /* flags are for ExpandedNodeIds */
		{"0000", " bad:type"},
		{"02 0000 77020000 0000 0000000000000000 07000000 00000000 ffffffff 00000000 000000 0000000000000000 00000000 "
		 "00000000", "Read > h=7"},
		/* 8: lengths and counts */
		{READ "ffffffff", "Read > h=7"},
		{READ "feffffff", "Read > h=7 bad:array_length"},
		{READ "00000080", "Read > h=7 bad:array_length"},
		{READ "ffffff7f", "Read > h=7 bad:array_length"},
		{READ "01000000 03 0000 feffffff", "Read > h=7 bad:string_length"},
		{READ "01000000 03 0000 ffffffff 0d000000 ffffffff 0000 ffffffff", "Read > h=7 target:r s= @13"},
		{READ "01000000 05 0000 ffffffff 0d000000 ffffffff 0000 ffffffff", "Read > h=7 target:r b= @13"},
		{READ "01000000 03 0000 ffff0000 0d000000 ffffffff 0000 ffffffff", "Read > h=7 bad:string_length"},
		{READ "01000000 0005 0d000000 01000000 41 0000 ffffffff", "Read > h=7 target:r i=5 @13 range"},
		{READ "01000000 0005 0d000000 00000000 0000 00000000", "Read > h=7 target:r i=5 @13"},
		{READ "01000000 0000 0d000000 00000000 0000 00000000", "Read > h=7 target:r i=0 @13"},
		/* 19: all encodings of one number are one node */
		{READ "03000000 0005 01000000 ffffffff 0000 ffffffff 01000500 01000000 ffffffff 0000 ffffffff "
		 "02000005000000 01000000 ffffffff 0000 ffffffff",
		 "Read > h=7 target:r i=5 @1 target:r i=5 @1 target:r i=5 @1"},
		/* 20: Variants */
		{WRITE "01000000 0005 0d000000 ffffffff 00", W " target:w i=5 @13"},
		{WRITE "01000000 0005 0d000000 ffffffff 01 00", W " target:w i=5 @13"},
		{WRITE "01000000 0005 0d000000 ffffffff 40 00", W " bad:encoding"},
		{WRITE "01000000 0005 0d000000 ffffffff 01 80", W " bad:encoding"}, /* array of nothing */
		{WRITE "01000000 0005 0d000000 ffffffff 01 46 01000000", W " bad:encoding"}, /* dimensions of a scalar */
		{WRITE "01000000 0005 0d000000 ffffffff 01 18 01 01", W " bad:encoding"}, /* a Variant in a Variant */
		{WRITE "01000000 0005 0d000000 ffffffff 01 20", W " bad:encoding"},
		{WRITE "01000000 0005 0d000000 ffffffff 01 1a 02000000 4142", W " target:w i=5 @13 =26"}, /* reserved: as ByteString */
		{WRITE "01000000 0005 0d000000 ffffffff 01 86 ffffffff", W " target:w i=5 @13 =6[0]"},
		{WRITE "01000000 0005 0d000000 ffffffff 01 8b ffffff1f", W " bad:array_length"},
		{WRITE "01000000 0005 0d000000 ffffffff 01 98 01000000 98 00000000", W " target:w i=5 @13 =24[1]"},
		{WRITE "01000000 0005 0d000000 ffffffff 01 c6 01000000 01000000 01000000 01000000", W " target:w i=5 @13 =6[1]"},
		/* 32: 16 levels, one of them the DataValue, are the limit */
		{WRITE "01000000 0005 0d000000 ffffffff 01 " "9801000000 9801000000 9801000000 9801000000 9801000000"
		 "9801000000 9801000000 9801000000 9801000000 9801000000 9801000000 9801000000 9801000000 9801000000"
		 "9801000000 0101", W " target:w i=5 @13 =24[1]"},
		{WRITE "01000000 0005 0d000000 ffffffff 01 " "9801000000 9801000000 9801000000 9801000000 9801000000"
		 "9801000000 9801000000 9801000000 9801000000 9801000000 9801000000 9801000000 9801000000 9801000000"
		 "9801000000 9801000000 0101", W " bad:depth"},
		{WRITE "01000000 0005 0d000000 ffffffff 01 " "17 01 17 01 17 01 17 01 17 01 17 01 17 01 17 01 0101",
		 W " bad:depth"},
		{WRITE "01000000 0005 0d000000 ffffffff 01 " "17 01 17 01 17 01 17 01 17 01 17 01 17 01 0101",
		 W " target:w i=5 @13 =23"},
		/* 36: DiagnosticInfo, 16 of them */
		{ANSWER "40404040 40404040 40404040 40404000 00000000 00 00 00 00000000 00000000", "Read < h=7 s=0"},
		{ANSWER "40404040 40404040 40404040 40404040 00 00000000 00 00 00 00000000 00000000", " bad:depth"},
		{ANSWER "80 00000000 00 00 00 00000000 00000000", " bad:encoding"},
		{ANSWER "7f 01000000 02000000 03000000 04000000 01000000 41 05000000 30 01000000 42 06000000 "
		 "00000000 00 00 00 00000000 00000000", "Read < h=7 s=0"},
		{ANSWER "50 01000000 41 50 01000000 41 20 00000000 00000000 00 00 00 00000000 00000000", "Read < h=7 s=0"},
		{ANSWER "60 01000000 00 00000000 00 00 00 00000000 00000000", "Read < h=7 s=0"},
		/* 42: ExtensionObjects */
		{HUPDATE "01000000 0100aa02 00", "HistoryUpdate > h=7 bad:details"}, /* no body */
		{HUPDATE "01000000 0100aa02 02 00000000", "HistoryUpdate > h=7 bad:details"}, /* XML */
		{HUPDATE "01000000 0100ab02 01 02000000 0005", "HistoryUpdate > h=7 bad:details"}, /* another type */
		{HUPDATE "01000000 0101aa02 01 02000000 0005", "HistoryUpdate > h=7 bad:details"}, /* another namespace */
		{HUPDATE "01000000 0100aa02 01 02000000 0005", "HistoryUpdate > h=7 target:w i=5"},
		{HUPDATE "01000000 0100aa02 01 03000000 0005ff", "HistoryUpdate > h=7 target:w i=5"},
		{HUPDATE "01000000 0100aa02 01 01000000 0005", "HistoryUpdate > h=7 target:w i=5 bad:extent"},
		{ACTIVATE "0000 00 ffffffff ffffffff", "ActivateSession > h=7 user_token=0"},
		{ACTIVATE "0000 01 00000000 ffffffff ffffffff", "ActivateSession > h=7 user_token=4"},
		{ACTIVATE "01004401 02 00000000 ffffffff ffffffff", "ActivateSession > h=7 user_token=4"}, /* XML */
		{ACTIVATE "01004401 01 08000000 ffffffff 01000000 41 ffffffff ffffffff",
		 "ActivateSession > h=7 user_token=1 user_name='A' bad:extent"},
		{ACTIVATE "01004101 03", "ActivateSession > h=7 bad:encoding"},
		/* 54: LocalizedText in a Variant: which parts are there */
		{WRITE "01000000 0005 0d000000 ffffffff 01 95 04000000 00 01 01000000 41 02 01000000 42 03 01000000 43 01000000 44",
		 W " target:w i=5 @13 =21[4]"},
		{WRITE "01000000 0005 0d000000 ffffffff 01 15 04", W " bad:encoding"},
		/* 56: an ExpandedNodeId with everything, in a Variant: the target stays the target */
		{WRITE "01000000 03 0200 01000000 41 0d000000 ffffffff 01 12 c3 0000 01000000 42 03000000 75726e 05000000",
		 W " target:w ns=2;s=A @13 =18"},
		{WRITE "01000000 03 0200 01000000 41 0d000000 ffffffff 01 11 05 0000 01000000 42", W " target:w ns=2;s=A @13 =17"},
	};
	/* clang-format on */
	static struct text t;
	uint8_t buf[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = unhex(cases[i].hex, buf, sizeof(buf));
		uint8_t opts = strstr(cases[i].hex, ANSWER) ? OPTS : 0;

		for (unsigned slow = 0; slow < 2; slow++) {
			for (size_t k = 1; k <= n; k++) {
				walk_text(&t, buf, n, k, k,
				    (uint8_t)(opts | (slow ? WALK_OPT_SLOW : 0)), (uint32_t)n);
				if (strcmp(t.s, cases[i].events))
					fail_msg("%zu in %zu: %s, not %s", i + 1, k, t.s,
					    cases[i].events);
			}
		}
	}
}

/* With more bytes to come, lengths beyond them are refused before they come. */
static void
test_limit(void **state)
{
	static struct text t;
	uint8_t buf[256];
	size_t n = unhex(READ "10000000", buf, sizeof(buf));
	struct walk w;
	struct cur c;

	(void)state;
	walk_text(&t, buf, n, n, n, 0, (uint32_t)n + 15);
	assert_string_equal(t.s, "Read > h=7 bad:array_length");
	walk_text(&t, buf, n, n, n, 0, (uint32_t)n + 16);
	assert_string_equal(t.s, "Read > h=7 ...");

	/* what is said later counts as well */
	walk_start(&w, UINT32_MAX, WALK_OPT_SLOW); /* which does not look ahead */
	c = cur_make(buf, n);
	assert_int_equal(walk_next(&w, &c), WALK_HEADER);
	walk_limit(&w, (uint32_t)cur_left(&c) + 15);
	assert_int_equal(walk_next(&w, &c), WALK_BAD);
	assert_int_equal(w.bad, WALK_BAD_COUNT);
	assert_int_equal(walk_next(&w, &c), WALK_BAD); /* and stays so */
	walk_limit(&w, UINT32_MAX);
	assert_int_equal(walk_next(&w, &c), WALK_BAD);
}

static void
test_options(void **state)
{
	static struct text t;
	uint8_t buf[BODY_MAX];
	char head[64];

	(void)state;
	for (size_t i = 0; i < N_BODIES; i++) {
		size_t n = unhex(bodies[i].hex, buf, sizeof(buf));
		size_t k = strcspn(bodies[i].events, "=") + 1;

		/* only the header */
		k += strspn(bodies[i].events + k, "0123456789");
		if (!strncmp(bodies[i].events + k, " s=", 3)) {
			k += 3;
			k += strspn(bodies[i].events + k, "0123456789abcdef");
		}
		snprintf(head, sizeof(head), "%.*s", (int)k, bodies[i].events);
		walk_text(&t, buf, n, n, n, WALK_OPT_HEADER, (uint32_t)n);
		assert_memory_equal(t.s, head, strlen(head));
		assert_true(t.s[k] == 0 || !strncmp(t.s + k, " +", 2));
		/* no fields, but every node */
		walk_text(&t, buf, n, n, n, WALK_OPT_NODES, (uint32_t)n);
		assert_null(strstr(t.s, "='"));
		assert_true(
		    (strstr(t.s, ":r ") != NULL) == (strstr(bodies[i].events, ":r ") != NULL));
		assert_true(
		    (strstr(t.s, ":w ") != NULL) == (strstr(bodies[i].events, ":w ") != NULL));
	}
}

/* The sessions of a channel are told apart by their tokens. */
static void
test_auth(void **state)
{
	uint8_t buf[256];
	uint64_t seen[8];
	static const char *const tokens[8] = {"0000", "0005", "01010500", "02010005000100",
	    "03 0100 01000000 41", "05 0100 01000000 41", "05 0100 09000000 414243444546474849",
	    "05 0100 09000000 41424344454647484a"};

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		char hex[256];
		size_t n;

		snprintf(hex, sizeof(hex),
		    "0100 7702 %s 0000000000000000 07000000 00000000 ffffffff 00000000 000000",
		    tokens[i]);
		n = unhex(hex, buf, sizeof(buf));
		for (size_t step = 1; step <= n; step++) {
			struct walk w;
			enum walk_event e = WALK_MORE;

			walk_start(&w, UINT32_MAX, 0);
			for (size_t at = 0; at < n && e == WALK_MORE; at += step) {
				size_t k = step < n - at ? step : n - at;
				struct cur c = cur_make(guard_put(&guard, buf + at, k), k);

				e = walk_next(&w, &c);
			}
			assert_int_equal(e, WALK_HEADER);
			if (step == 1)
				seen[i] = w.auth;
			assert_true(w.auth == seen[i]);
		}
		for (unsigned j = 0; j < i; j++)
			assert_true(seen[i] != seen[j]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bodies),
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_cut_short),
	    cmocka_unit_test(test_behind),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_options),
	    cmocka_unit_test(test_auth),
	    cmocka_unit_test(test_work),
	};
	int rc;

	guard = guard_new(BODY_MAX + 64);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	guard_free(&guard);
	return rc;
}
