/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classify_test.c - flows that no dissector claims, through the engine: what they are
 * named, said once; what `apps:` of a conduit lets pass; and that a flow which a dissector
 * claims never gets there; what the certificates of TLS servers say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/jw.h"
#include "dataplane/engine_int.h"
#define WIRE_FRAME_MAX 9216u /* also segments that an interface has joined */
#include "tests/unit/wire.h"

#define SYN 2
#define ACK 16
#define PSH 24
#define FIN 17

enum { CLIENT = 0, SERVER = 1, FACTS_MAX = 64 };

struct world {
	struct engine *e;
	struct policy *pol;
	struct wire w;
	unsigned facts, apps;
	char json[1024]; /* of the last app fact */
	struct verdict verdict;
	unsigned certs;
	struct engine_cert cert; /* the last, but for its texts */
	char subject[CLASSIFY_DN], issuer[CLASSIFY_DN];
	unsigned forwarded, dropped;
	uint8_t reason;
	uint16_t next_port;
};

static void
on_fact(void *ctx, const struct engine_pdu *p)
{
	struct world *x = ctx;
	struct jw w = jw_make(x->json, sizeof(x->json) - 1);

	x->facts++;
	if (strcmp(p->fact->op, "app") != 0)
		return;
	assert_int_equal(p->fact->proto, FACT_PROTO_NONE);
	jw_obj(&w, NULL);
	fact_json(&w, p->fact);
	jw_close(&w, '}');
	assert_true(jw_end(&w));
	x->json[jw_len(&w)] = '\0';
	x->apps++;
	x->verdict = *p->verdict;
}

static void
on_cert(void *ctx, const struct engine_cert *cert)
{
	struct world *x = ctx;

	x->certs++;
	x->cert = *cert;
	snprintf(x->subject, sizeof(x->subject), "%s", cert->subject);
	snprintf(x->issuer, sizeof(x->issuer), "%s", cert->issuer);
}

static void
begin_with(struct world *x, const char *policy, bool inline_mode, bool certs)
{
	struct engine_conf conf = {.memory_bytes = 4 << 20,
	    .seed = 1,
	    .inline_mode = inline_mode,
	    .on_fact = on_fact,
	    .on_cert = certs ? on_cert : NULL,
	    .ctx = x,
	    .classify = true};
	struct complaints cs = {.file = "rules"};

	memset(x, 0, sizeof(*x));
	x->next_port = 40000;
	x->w.now_ns = UINT64_C(1700000000000000000);
	if (policy) {
		x->pol = policy_build_text("rules", policy, strlen(policy), &cs);
		if (!x->pol)
			complaints_print(&cs, stderr);
		assert_non_null(x->pol);
		complaints_fini(&cs);
		conf.policy = x->pol;
	}
	x->e = engine_new(&conf);
	assert_non_null(x->e);
}

static void
begin(struct world *x, const char *policy, bool inline_mode)
{
	begin_with(x, policy, inline_mode, false);
}

static void
end(struct world *x)
{
	engine_finish(x->e);
	assert_true(engine_balanced(engine_stats(x->e)));
	engine_free(x->e);
	policy_free(x->pol);
}

static void
put(struct world *x, struct pkt p)
{
	engine_burst(x->e, &p, 1);
	assert_true(engine_balanced(engine_stats(x->e)));
	if (p.fate == FATE_FORWARD) {
		x->forwarded++;
	} else {
		x->dropped++;
		x->reason = p.reason;
	}
}

static void
say(struct world *x, unsigned who, uint8_t flags, const void *p, size_t n)
{
	put(x, wire_tcp(&x->w, who, flags, p, n));
}

/* A connection to that port of the server, opened. */
static void
connect_to(struct world *x, uint16_t port)
{
	x->w.side[CLIENT] = (struct wire_side){0x0a000005, x->next_port++, 1000};
	x->w.side[SERVER] = (struct wire_side){0x0a000101, port, 5000};
	say(x, CLIENT, SYN, NULL, 0);
	say(x, SERVER, SYN | ACK, NULL, 0);
	say(x, CLIENT, ACK, NULL, 0);
}

/* --- what applications say first ----------------------------------------------------- */

/* A ClientHello that asks for plc.example, RFC 8446 4.1.2. */
static size_t
client_hello(uint8_t *b)
{
	static const uint8_t tail[] = {0, 4, 0x13, 0x01, 0xc0, 0x2f, 1, 0, 0, 28, 0, 0, 0, 16, 0, 14, 0,
	    0, 11, 'p', 'l', 'c', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0, 10, 0, 4, 0, 2, 0, 0x1d};
	static const uint8_t head[] = {0x16, 3, 1, 0, 0, 1, 0, 0, 0, 3, 3};
	size_t n = sizeof(head) + 32 + 1 + sizeof(tail);

	memcpy(b, head, sizeof(head));
	memset(b + sizeof(head), 0x5a, 32);
	b[sizeof(head) + 32] = 0;
	memcpy(b + sizeof(head) + 33, tail, sizeof(tail));
	wire_put16(b + 3, (unsigned)(n - 5));
	wire_put16(b + 7, (unsigned)(n - 9));
	return n;
}

static const char rules[] = "interlock: 1\nmode: enforce\n"
    "zones: {it: {nets: [10.0.0.0/24]}, ot: {nets: [10.0.1.0/24]}}\n"
    "conduits:\n"
    "  - name: c\n    from: [it/*]\n    to: [ot/*]\n    apps: [tls, SMB]\n"
    "    modbus: {addressing: zero-based, ports: [502, 5020],\n"
    "      allow: [{name: r, units: all, functions: [3], holding: [0..9]}]}\n";

static const uint8_t modbus[] = {0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1};

#define HAS(text) assert_non_null(strstr(x.json, text))

#ifdef HAVE_NDPI

static const char http[] = "GET /status HTTP/1.1\r\nHost: panel.example\r\nUser-Agent: x\r\n\r\n";
static const uint8_t rdp[] = {3, 0, 0, 0x2a, 0x25, 0xe0, 0, 0, 0, 0, 0, 'C', 'o', 'o', 'k', 'i', 'e',
    ':', ' ', 'm', 's', 't', 's', 'h', 'a', 's', 'h', '=', 'a', 'd', 'm', 'i', 0x0d, 0x0a, 1, 0, 8, 0,
    3, 0, 0, 0};
static const uint8_t smb[] = {
    0, 0, 0, 0x44, 0xfe, 'S', 'M', 'B', 0x40, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1};

static void
test_names(void **state)
{
	struct world x;
	uint8_t b[256];

	(void)state;
	begin(&x, NULL, false);
	connect_to(&x, 8443);
	say(&x, CLIENT, PSH, b, client_hello(b));
	assert_int_equal(x.apps, 1);
	HAS("\"kind\":\"other\"");
	HAS("\"app\":\"TLS\",\"app_host\":\"plc.example\"");
	say(&x, CLIENT, PSH, b, 100); /* said once */
	assert_int_equal(x.apps, 1);
	connect_to(&x, 8080);
	say(&x, CLIENT, PSH, http, sizeof(http) - 1);
	HAS("\"app\":\"HTTP\",\"app_host\":\"panel.example\"");
	connect_to(&x, 3389);
	say(&x, CLIENT, PSH, rdp, sizeof(rdp));
	HAS("\"app\":\"RDP\"}");
	connect_to(&x, 445);
	memset(b, 0, sizeof(b));
	memcpy(b, smb, sizeof(smb));
	say(&x, CLIENT, PSH, b, 72);
	say(&x, SERVER, PSH, b, 72);
	HAS("\"app\":\"SMB\"}");
	assert_int_equal(x.apps, 4);
	assert_int_equal(engine_stats(x.e)->apps_named, 4);
	end(&x);
}

/* Bytes that mean nothing to anybody: given up after so many, said once. */
static void
test_unknown(void **state)
{
	struct world x;
	uint8_t b[64];

	(void)state;
	begin(&x, NULL, false);
	connect_to(&x, 9999);
	memset(b, 0xee, sizeof(b));
	for (unsigned i = 1; i < CLASSIFY_PAYLOADS; i++)
		say(&x, CLIENT, PSH, b, sizeof(b));
	assert_int_equal(x.apps, 0);
	for (unsigned i = 0; i < 5; i++)
		say(&x, CLIENT, PSH, b, sizeof(b));
	assert_int_equal(x.apps, 1);
	HAS("\"app\":\"unknown\"}");
	assert_int_equal(engine_stats(x.e)->apps_unknown, 1);
	end(&x);
}

/* Of a claimed flow nothing gets to the classifier, also when its name would be plain. */
static void
test_claimed(void **state)
{
	struct world x;
	uint8_t b[256];

	(void)state;
	begin(&x, NULL, false);
	connect_to(&x, 502);
	say(&x, CLIENT, PSH, modbus, sizeof(modbus));
	say(&x, CLIENT, PSH, http, sizeof(http) - 1); /* loses step, and is not asked about */
	say(&x, CLIENT, PSH, b, client_hello(b));
	assert_int_equal(x.apps, 0);
	/* Nobody's at first, then somebody's: what was remembered of it is gone. */
	memset(b, 0xee, sizeof(b));
	connect_to(&x, 5555);
	say(&x, CLIENT, PSH, b, 64);
	say(&x, CLIENT, PSH, modbus, sizeof(modbus));
	say(&x, CLIENT, PSH, modbus, sizeof(modbus));
	for (unsigned i = 0; i < CLASSIFY_PAYLOADS; i++)
		say(&x, CLIENT, PSH, modbus, sizeof(modbus));
	assert_int_equal(x.apps, 0);
	assert_int_equal(engine_stats(x.e)->requests, 13);
	end(&x);
}

static void
test_apps_pass(void **state)
{
	struct world x;
	uint8_t b[256];

	(void)state;
	begin(&x, rules, true);
	connect_to(&x, 8443);
	say(&x, CLIENT, PSH, b, client_hello(b));
	HAS("\"app\":\"TLS\"");
	assert_int_equal(x.verdict.action, VERDICT_ALLOW);
	assert_int_equal(x.verdict.reason, REASON_APP);
	memset(b, 0x77, sizeof(b));
	for (unsigned i = 0; i < 30; i++) /* and all that follows */
		say(&x, i & 1, PSH, b, 200);
	assert_int_equal(x.dropped, 0);
	assert_int_equal(x.apps, 1);
	end(&x);
}

static void
test_apps_drop(void **state)
{
	struct world x;
	uint8_t b[64];
	unsigned passed;

	(void)state;
	begin(&x, rules, true);
	connect_to(&x, 8080); /* named, and not in the list */
	say(&x, CLIENT, PSH, http, sizeof(http) - 1);
	assert_int_equal(x.dropped, 1);
	assert_int_equal(x.reason, DROP_POLICY_APP);
	assert_int_equal(x.apps, 1);
	HAS("\"kind\":\"malformed\"");
	HAS("\"app\":\"HTTP\"");
	assert_int_equal(x.verdict.reason, REASON_CONDITION);
	assert_int_equal(engine_stats(x.e)->dropped[DROP_POLICY_APP], 1);

	connect_to(&x, 9999); /* without a name: so many payloads pass, no more */
	passed = x.forwarded;
	memset(b, 0xee, sizeof(b));
	for (unsigned i = 0; i < 3 * CLASSIFY_PAYLOADS; i++)
		say(&x, CLIENT, PSH, b, sizeof(b));
	assert_int_equal(x.forwarded - passed, CLASSIFY_PAYLOADS - 1);
	assert_int_equal(x.apps, 2);
	HAS("\"app\":\"unknown\"");
	end(&x);
}

/* `apps:` is not for ports that a block serves, or that belong to a protocol we read. */
static void
test_apps_not_here(void **state)
{
	struct world x;
	uint8_t b[256];

	(void)state;
	begin(&x, rules, true);
	for (unsigned i = 0; i < 2; i++) {
		connect_to(&x, i ? 5020 : 502);
		say(&x, CLIENT, PSH, b, client_hello(b));
		assert_int_equal(x.reason, DROP_POLICY_UNPARSABLE);
		assert_int_equal(x.dropped, i + 1);
	}
	connect_to(&x, 102); /* served by no block: not even opened */
	assert_int_equal(x.reason, DROP_POLICY_CONDUIT);
	end(&x);
	begin(&x, rules, true);
	connect_to(&x, 502); /* and what is read there is judged by its rules */
	say(&x, CLIENT, PSH, modbus, sizeof(modbus));
	assert_int_equal(x.dropped, 0);
	assert_int_equal(x.apps, 0);
	end(&x);
}

/* Modbus on a port of `apps:` is claimed, and then no name helps it. */
static void
test_apps_claimed(void **state)
{
	struct world x;

	(void)state;
	begin(&x, rules, true);
	connect_to(&x, 8443);
	say(&x, CLIENT, PSH, modbus, sizeof(modbus));
	assert_int_equal(x.dropped, 1);
	assert_int_equal(x.reason, DROP_POLICY_PDU);
	assert_int_equal(x.apps, 0);
	end(&x);
}

/* More flows than are looked at at once: the one that was idle longest has no name. */
static void
test_many(void **state)
{
	struct world x;
	struct wire_side first[2];
	uint8_t b[256];

	(void)state;
	begin(&x, NULL, false);
	memset(b, 0xee, sizeof(b));
	connect_to(&x, 7777);
	say(&x, CLIENT, PSH, b, 20);
	memcpy(first, x.w.side, sizeof(first));
	for (unsigned i = 0; i < CLASSIFY_FLOWS; i++) {
		connect_to(&x, 7777);
		say(&x, CLIENT, PSH, b, 20);
	}
	assert_int_equal(x.apps, 0);
	memcpy(x.w.side, first, sizeof(first));
	say(&x, CLIENT, PSH, b, client_hello(b));
	assert_int_equal(x.apps, 1);
	HAS("\"app\":\"unknown\"");
	/* Flows that end leave their place to others. */
	connect_to(&x, 7777);
	say(&x, CLIENT, PSH, b, client_hello(b));
	HAS("\"app\":\"TLS\"");
	end(&x);
}

/* Cut in two, the name is the same; of a rest of 6 bytes nDPI takes no notice. */
static void
test_cut(void **state)
{
	struct world x;
	uint8_t b[256];
	size_t n = client_hello(b);

	(void)state;
	begin(&x, NULL, false);
	for (size_t at = 6; at + 6 < n; at += 5) {
		connect_to(&x, 8443);
		say(&x, CLIENT, PSH, b, at);
		say(&x, CLIENT, PSH, b + at, n - at);
		say(&x, CLIENT, FIN, NULL, 0);
		HAS("\"app\":\"TLS\"");
		x.json[0] = '\0';
	}
	end(&x);
}

/* --- what servers show ---------------------------------------------------------------- */

/* Bytes that grow. */
struct bytes {
	size_t n;
	uint8_t b[8192];
};

static void
put_bytes(struct bytes *to, const void *p, size_t n)
{
	assert_true(n <= sizeof(to->b) - to->n);
	memcpy(to->b + to->n, p, n);
	to->n += n;
}

/* What is there from that byte on becomes the content of a value of DER. */
static void
der(struct bytes *to, size_t from, uint8_t tag)
{
	size_t n = to->n - from, head = n < 128 ? 2 : 4;

	assert_true(to->n + head <= sizeof(to->b));
	memmove(to->b + from + head, to->b + from, n);
	to->n += head;
	to->b[from] = tag;
	to->b[from + 1] = n < 128 ? (uint8_t)n : 0x82;
	if (n >= 128)
		wire_put16(to->b + from + 2, (unsigned)n);
}

/* A name of "C=DE|O=Makers|CN=panel". */
static void
der_name(struct bytes *to, const char *text)
{
	size_t name = to->n;

	while (*text) {
		const char *is = strchr(text, '='), *end = is + 1 + strcspn(is + 1, "|");
		uint8_t type = *text == 'C' ? (is - text == 2 ? 3 : 6) : *text == 'O' ? 10 : 7;
		size_t set = to->n, value;

		put_bytes(to, (const uint8_t[]){6, 3, 0x55, 4, type}, 5);
		value = to->n;
		put_bytes(to, is + 1, (size_t)(end - is - 1));
		der(to, value, 0x0c);
		der(to, set, 0x30);
		der(to, set, 0x31);
		text = *end ? end + 1 : end;
	}
	der(to, name, 0x30);
}

struct cert_spec {
	const char *issuer, *subject, *extension; /* names; extension: of somebody else, or NULL */
	bool beyond;				  /* 2049 */
	size_t key;				  /* its bytes */
};

/* RFC 5280 4.1, as far as anybody looks. */
static void
der_cert(struct bytes *to, const struct cert_spec *c)
{
	static const uint8_t signature[66] = {3, 64},
			     serial[] = {0xa0, 3, 2, 1, 2, 2, 1, 7, 0x30, 0};
	size_t cert = to->n, at, until;

	put_bytes(to, serial, sizeof(serial));
	der_name(to, c->issuer);
	at = to->n;
	put_bytes(to, "240101000000Z", 13);
	der(to, at, 0x17);
	until = to->n;
	put_bytes(to, c->beyond ? "99991231235959Z" : "340101000000Z", c->beyond ? 15 : 13);
	der(to, until, c->beyond ? 0x18 : 0x17);
	der(to, at, 0x30);
	der_name(to, c->subject);
	at = to->n;
	for (size_t i = 0; i < c->key; i++)
		put_bytes(to, "k", 1);
	der(to, at, 0x03);
	if (c->extension)
		der_name(to, c->extension);
	der(to, cert, 0x30);
	put_bytes(to, signature, sizeof(signature));
	der(to, cert, 0x30);
}

/* A handshake message in a record of its own, RFC 5246 6.2.1 and 7.4. */
static void
message(struct bytes *to, uint8_t type, const struct bytes *body)
{
	uint8_t head[] = {0x16, 3, 3, 0, 0, type, 0, 0, 0};

	wire_put16(head + 3, (unsigned)body->n + 4);
	wire_put16(head + 7, (unsigned)body->n);
	put_bytes(to, head, sizeof(head));
	put_bytes(to, body->b, body->n);
}

static void
certificate(struct bytes *to, const struct cert_spec *c)
{
	struct bytes body = {6, {0}};

	der_cert(&body, c);
	wire_put16(body.b + 1, (unsigned)body.n - 3);
	wire_put16(body.b + 4, (unsigned)body.n - 6);
	message(to, 11, &body);
}

/* ServerHello, Certificate, ServerHelloDone. */
static void
flight(struct bytes *to, const struct cert_spec *c)
{
	struct bytes hello = {38, {3, 3, 0x11, 0x22}}, none = {.n = 0};

	hello.b[35] = 0xc0;
	hello.b[36] = 0x2f;
	to->n = 0;
	message(to, 2, &hello);
	certificate(to, c);
	message(to, 14, &none);
}

static const struct cert_spec panel = {
    .issuer = "O=Plant|CN=Line 2 CA", .subject = "C=DE|O=Makers, Inc.|CN=panel 7", .key = 2600};

/* A connection whose client has said hello, and what the server says in pieces. */
static void
shown(struct world *x, const struct bytes *b, size_t piece)
{
	uint8_t hello[256];

	connect_to(x, 8443);
	say(x, CLIENT, PSH, hello, client_hello(hello));
	for (size_t at = 0; at < b->n; at += piece)
		say(x, SERVER, PSH, b->b + at, b->n - at < piece ? b->n - at : piece);
}

static void
test_cert(void **state)
{
	const struct net_addr server = net_addr_from4((const uint8_t[]){10, 0, 1, 1});
	struct world x;
	struct bytes b;

	(void)state;
	flight(&b, &panel);
	begin_with(&x, rules, true, true);
	shown(&x, &b, CLASSIFY_BYTES);
	assert_int_equal(x.apps, 1); /* at the hello, as ever */
	HAS("\"app\":\"TLS\",\"app_host\":\"plc.example\"");
	assert_int_equal(x.certs, 1);
	assert_string_equal(x.subject, "CN=panel 7, O=Makers, Inc.");
	assert_string_equal(x.issuer, "CN=Line 2 CA, O=Plant");
	assert_true(net_addr_eq(&x.cert.server, &server));
	say(&x, SERVER, PSH, b.b, 1000); /* said once */
	say(&x, SERVER, PSH, b.b + 1000, b.n - 1000);
	assert_int_equal(x.certs, 1);
	assert_int_equal(x.apps, 1);
	assert_int_equal(x.dropped, 0);
	end(&x);
	begin(&x, rules, true); /* nobody asks */
	shown(&x, &b, CLASSIFY_BYTES);
	assert_int_equal(x.apps, 1);
	assert_int_equal(x.certs, 0);
	end(&x);
}

/* However it is cut, up to the bounds; also in one, as interfaces join segments. */
static void
test_cert_pieces(void **state)
{
	struct cert_spec large = panel;
	struct world x;
	struct bytes b;
	unsigned told = 0;

	(void)state;
	flight(&b, &panel);
	begin_with(&x, NULL, false, true);
	for (size_t piece = b.n / CLASSIFY_PAYLOADS + 1; piece <= b.n; piece += 13) {
		shown(&x, &b, piece);
		assert_int_equal(x.certs, ++told);
		assert_string_equal(x.subject, "CN=panel 7, O=Makers, Inc.");
		say(&x, CLIENT, FIN, NULL, 0);
	}
	shown(&x, &b, b.n);
	assert_int_equal(x.certs, ++told);
	shown(&x, &b, b.n / (CLASSIFY_PAYLOADS + 1)); /* it is not all there in so many */
	assert_int_equal(x.certs, told);
	assert_int_equal(engine_stats(x.e)->apps_named, x.apps);
	large.key = 7000;
	flight(&b, &large);
	shown(&x, &b, b.n);
	assert_int_equal(x.certs, told + 1);
	end(&x);
}

/* Two names of a certificate, and what is told of them. */
static void
test_cert_names(void **state)
{
	static const struct {
		struct cert_spec c;
		const char *subject, *issuer;
	} cases[] = {
	    {{"O=Plant|CN=CA", "CN=a|O=b", NULL, false, 100}, "CN=a, O=b", "CN=CA, O=Plant"},
	    {{"CN=CA", "O=b", NULL, false, 100}, "O=b", "CN=CA"},
	    {{"CN=CA", "C=DE|L=x", NULL, false, 100}, NULL, NULL},
	    {{"CN=CA", "CN=p\"a\\n\te l\x7f", NULL, false, 100}, NULL,
		NULL}, /* the library wants text */
	    {{"CN=CA", "CN=p\"a\\ne l", NULL, false, 100}, "CN=pane l", "CN=CA"},
	    {{"CN=CA",
		 "CN=0123456789012345678901234567890123456789012345678901234567890123|O=0123456789"
		 "012345678901234567890123456789012345678901234567890123",
		 NULL, false, 100},
		"CN=012345678901234567890123456789012345678901234567890123456789012, "
		"O=0123456789012345678901234",
		"CN=CA"},
	    /* beyond 2049 */
	    {{"O=Plant|CN=CA", "C=DE|O=Makers|CN=a", NULL, true, 100}, "CN=a, O=Makers",
		"CN=CA, O=Plant"},
	    {{"O=Plant|CN=CA", "CN=a", NULL, true, 100}, "CN=a", "CN=CA"},
	    {{"O=Plant", "CN=a", NULL, true, 100}, NULL, NULL},
	    {{"O=A|CN=CA", "CN=a", "O=A|CN=CA", true, 100}, NULL, NULL},
	    /* another name in an extension */
	    {{"O=A|CN=CA", "CN=a", "O=A|CN=CA", false, 100}, "CN=a", "CN=CA, O=A"},
	    {{"O=A|CN=CA", "C=DE", "O=A|CN=CA", false, 100}, NULL, NULL},
	    {{"O=A|CN=CA", "CN=a", "O=Root|CN=Root CA", false, 100}, "CN=a", "CN=CA, O=A"},
	    {{"O=A|CN=CA", "O=b|CN=a", "O=Root|CN=Root CA", false, 100}, "CN=a, O=b", "CN=CA, O=A"},
	};
	struct world x;
	struct bytes b;

	(void)state;
	begin_with(&x, NULL, false, true);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		x.certs = 0;
		flight(&b, &cases[i].c);

		shown(&x, &b, CLASSIFY_BYTES);
		assert_int_equal(x.certs, cases[i].subject != NULL);
		if (!cases[i].subject)
			continue;
		assert_string_equal(x.subject, cases[i].subject);
		assert_string_equal(x.issuer, cases[i].issuer);
	}
	end(&x);
}

/* A client's certificate says nothing of the server; nor do bytes that are none. */
static void
test_cert_not(void **state)
{
	struct world x;
	struct bytes b = {.n = 0};
	uint8_t noise[CLASSIFY_BYTES], hello[256];

	(void)state;
	begin_with(&x, NULL, false, true);
	certificate(&b, &panel);
	connect_to(&x, 8443);
	say(&x, CLIENT, PSH, hello, client_hello(hello));
	for (size_t at = 0; at < b.n; at += 1000)
		say(&x, CLIENT, PSH, b.b + at, b.n - at < 1000 ? b.n - at : 1000);
	say(&x, SERVER, PSH, b.b, b.n);
	assert_int_equal(x.certs, 0);
	memset(noise, 0x55, sizeof(noise));
	connect_to(&x, 8443);
	say(&x, CLIENT, PSH, hello, client_hello(hello));
	for (unsigned i = 0; i < 3 * CLASSIFY_PAYLOADS; i++)
		say(&x, SERVER, PSH, noise, sizeof(noise));
	assert_int_equal(x.certs, 0);
	flight(&b, &panel); /* of which every byte is another once */
	for (size_t at = 0; at < 250; at++) {
		struct bytes bad = b;

		bad.b[at] ^= 0xff;
		shown(&x, &bad, CLASSIFY_BYTES);
		assert_true(strlen(x.subject) < CLASSIFY_DN && strlen(x.issuer) < CLASSIFY_DN);
		say(&x, CLIENT, FIN, NULL, 0);
	}
	end(&x);
}

/* Who waits for a certificate makes room before who has no name, and only waits where one is wanted. */
static void
test_cert_waits(void **state)
{
	const struct net_tuple t = {.proto = NET_PROTO_TCP, .sport = 1, .dport = 443};
	char name[CLASSIFY_NAME], host[CLASSIFY_HOST];
	struct wire_side first[2], second[2];
	struct world x;
	struct bytes b;
	uint8_t hello[256];
	size_t n = client_hello(hello);

	(void)state;
	begin_with(&x, NULL, false, true);
	flight(&b, &panel);
	connect_to(&x, 7777);
	say(&x, CLIENT, PSH, hello, 20);
	memcpy(first, x.w.side, sizeof(first));
	for (unsigned i = 0; i < CLASSIFY_FLOWS; i++) {
		connect_to(&x, 8443);
		say(&x, CLIENT, PSH, hello, n);
		if (i == 0)
			memcpy(second, x.w.side, sizeof(second));
	}
	assert_int_equal(x.apps, CLASSIFY_FLOWS);
	say(&x, SERVER, PSH, b.b, b.n);
	assert_int_equal(x.certs, 1);
	memcpy(x.w.side, second, sizeof(second)); /* made room for the last */
	say(&x, SERVER, PSH, b.b, b.n);
	assert_int_equal(x.certs, 1);
	memcpy(x.w.side, first, sizeof(first)); /* and the idlest of all did not */
	say(&x, CLIENT, PSH, hello + 20, n - 20);
	assert_int_equal(x.apps, CLASSIFY_FLOWS + 1);
	HAS("\"app\":\"TLS\"");
	end(&x);
	for (unsigned certs = 0; certs < 2; certs++) {
		struct classify *c = classify_new(certs);
		uint32_t ticket = 0;

		assert_non_null(c);
		assert_int_equal(classify_payload(c, &ticket, &t, false, hello, n, 1, name, host),
		    CLASSIFY_NAMED);
		assert_int_equal(ticket != 0, certs);
		classify_free(c);
	}
}

#else

/* Said once of each flow, and no conduit lets it pass. */
static void
test_not_built(void **state)
{
	struct world x;
	uint8_t b[256];

	(void)state;
	begin(&x, rules, true);
	connect_to(&x, 8443);
	say(&x, CLIENT, PSH, b, client_hello(b));
	assert_int_equal(x.apps, 1);
	HAS("\"app\":\"not built\"}");
	assert_int_equal(x.reason, DROP_POLICY_APP);
	end(&x);
}

#endif

/* On a port of l4: anything passes and the connection counts, but not what a dissector reads. */
static void
test_l4(void **state)
{
	static const char policy[] =
	    "interlock: 1\nmode: enforce\nzones: {it: {nets: [10.0.0.0/24]}, ot: {nets: "
	    "[10.0.1.0/24]}}\n"
	    "devices: {eng: {zone: it, ip: 10.0.0.5}, plc: {zone: ot, ip: 10.0.1.1}}\n"
	    "conduits:\n  - name: c\n    from: [eng]\n    to: [plc]\n"
	    "    l4: [{name: web, ports: [443]}, {name: other, ports: [8443], verdict: alert}]\n"
	    "    modbus: {addressing: zero-based, allow: [{name: poll, units: [1], functions: [3], "
	    "holding: [0..9]}]}\n";
	uint8_t noise[700];
	struct world x;

	(void)state;
	for (unsigned i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * 37 + 11);
	begin(&x, policy, true);
	connect_to(&x, 443);
	for (unsigned i = 0; i < 20; i++) {
		say(&x, CLIENT, PSH | ACK, noise, sizeof(noise) - i);
		say(&x, SERVER, PSH | ACK, noise, sizeof(noise) - 2 * i);
	}
	assert_int_equal(x.dropped, 0);
	assert_int_equal(engine_rule_hits(x.e)[1], 1);
	assert_int_equal(engine_stats(x.e)->would[VERDICT_DROP], 0);
	connect_to(&x, 443); /* the block serves 502 alone */
	say(&x, CLIENT, PSH | ACK, modbus, sizeof(modbus));
	assert_int_equal(x.dropped, 1);
	assert_int_equal(x.reason, DROP_POLICY_PDU);
	assert_int_equal(engine_rule_hits(x.e)[1], 2);
	connect_to(&x, 502);
	say(&x, CLIENT, PSH | ACK, modbus, sizeof(modbus));
	assert_int_equal(x.dropped, 1);
	connect_to(&x, 8443);
	assert_int_equal(engine_stats(x.e)->would[VERDICT_ALERT], 1);
	assert_int_equal(engine_rule_hits(x.e)[2], 1);
	connect_to(&x, 444);
	assert_int_equal(x.reason, DROP_POLICY_CONDUIT);
	end(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_l4),
#ifdef HAVE_NDPI
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_unknown),
	    cmocka_unit_test(test_claimed),
	    cmocka_unit_test(test_apps_pass),
	    cmocka_unit_test(test_apps_drop),
	    cmocka_unit_test(test_apps_not_here),
	    cmocka_unit_test(test_apps_claimed),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_cert),
	    cmocka_unit_test(test_cert_pieces),
	    cmocka_unit_test(test_cert_names),
	    cmocka_unit_test(test_cert_not),
	    cmocka_unit_test(test_cert_waits),
#else
	    cmocka_unit_test(test_not_built),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
