/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opcua_test.c - the OPC UA dissector by itself: conversations (opcua_talk.h) and
 * what their last fact must say; the same messages in chunks and pieces of every
 * size; names of registered nodes, namespaces; who a server is; policies that ask for all of it.
 * Most of its many lines are tables of cases.
 *
 * A fact is compared as   kind op !anomalies ?properties items
 * an item being  r|w name[/attribute][{uri}].
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dissectors/opcua/opcua.c"

#include "policy/policy.h"
#include "tests/unit/guard.h"
#include "tests/unit/opcua_talk.h"

#define D (&dissector_opcua)

struct dis_sink {
	bool refuse;
	unsigned facts, malformed;
	char text[16384];  /* of the last fact */
	char nodes[65536]; /* of all facts, one after the other */
	char json[1 << 18];
	char who[4096]; /* what the facts said of their senders */
	struct policy *pol;
	struct policy_bind bind;
	struct verdict v;
	uint8_t worst; /* of all facts since it was set to 0 */
};

struct world {
	struct talk talk;
	struct dis_sink sink;
	struct dis_call call;
	struct ua state;
	struct guard guard;
	unsigned piece; /* > 0: everything of MSG goes through part() in pieces of so many bytes */
	bool no_lease;
	uint8_t *lease;
	uint32_t lease_size;
};

static uint64_t seen; /* anomalies that any case has raised */
static uint8_t opcua_index;
static struct world W;

static void __attribute__((format(printf, 3, 4)))
add(char *to, size_t size, const char *fmt, ...)
{
	size_t n = strlen(to);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(to + n, size - n, fmt, ap);
	va_end(ap);
}

static void
show_props(const struct fact *f, char *to, size_t size)
{
	static const char *const nums[] = {
	    [N_POLICY] = "policy", [N_MODE] = "mode", [N_TOKEN] = "user"};
	const char *const *words[] = {
	    [N_POLICY] = policy_words, [N_MODE] = mode_words, [N_TOKEN] = token_words};
	const struct fact_props *p = f->props;

	for (unsigned i = N_POLICY; i <= N_TOKEN; i++) {
		if (p->known & KNOW(i))
			add(to, size, " %s=%s", nums[i], p->num[i] == UINT32_MAX ? "?" : words[i][p->num[i]]);
		else if (p->na & KNOW(i))
			add(to, size, " %s=-", nums[i]);
	}
	if (p->known & KNOW_TEXT(T_APP_URI))
		add(to, size, " app=%.*s", (int)p->text[T_APP_URI].n, p->text[T_APP_URI].p);
	if (p->known & KNOW_TEXT(T_THUMBPRINT))
		add(to, size, " cert=%.4s", p->text[T_THUMBPRINT].p);
	if (p->known & KNOW(N_OFFER_POLICY))
		add(to, size, " offer=%x/%x", p->num[N_OFFER_POLICY], p->num[N_OFFER_MODE]);
}

static void
show_item(const struct fact_item *it, char *to, size_t size)
{
	add(to, size, " %c %.*s", it->access == ACC_READ ? 'r' : 'w', it->name ? (int)it->name_len : 1,
	    it->name ? it->name : "?");
	if (it->sub)
		add(to, size, "/%u", it->sub);
	if (it->uri && strncmp(it->uri, NS0_URI, it->uri_len) != 0)
		add(to, size, "{%.*s}", (int)it->uri_len, it->uri);
}

static void
put_who(void *ctx, enum dis_identity_key key, const void *text, size_t len)
{
	static const char *const names[IDENT__MAX] = {[IDENT_NAME] = "name",
	    [IDENT_VENDOR] = "vendor",
	    [IDENT_MODEL] = "model",
	    [IDENT_FIRMWARE] = "firmware",
	    [IDENT_URI] = "uri",
	    [IDENT_TEXT] = "text",
	    [IDENT_BUILD] = "build",
	    [IDENT_BUILT] = "built"};
	struct dis_sink *s = ctx;

	assert_non_null(names[key]);
	add(s->who, sizeof(s->who), "%s%s=%.*s", *s->who ? " " : "", names[key], (int)len,
	    (const char *)text);
}

bool
dis_emit(struct dis_sink *s, struct fact *f)
{
	struct jw w = jw_make(s->json, sizeof(s->json));
	struct fact_iter it = {0};
	struct fact_item item;
	unsigned n = 0;

	s->facts++;
	f->proto = opcua_index;
	assert_true(f->opx < D->schema->n_opx);
	assert_string_equal(f->op, dissector_op(D->schema, f->opx)->name);
	assert_true(f->ext && f->props);
	seen |= f->anomalies;
	s->malformed += f->kind == FACT_MALFORMED;
	snprintf(s->text, sizeof(s->text), "%s %s", fact_kind_name(f->kind), f->op);
	for (unsigned i = 0; i < 64; i++)
		if (f->anomalies >> i & 1)
			add(s->text, sizeof(s->text), " !%s", i < 48 ? D->schema->anomalies[i] :
			    i == 51 ? "unsolicited" : i == 56 ? "encrypted" : "engine");
	add(s->text, sizeof(s->text), " ?");
	show_props(f, s->text, sizeof(s->text));
	while (fact_next(f, &it, &item)) {
		n++;
		assert_int_equal(item.space, SPACE_NODE);
		assert_true(item.access == ACC_READ || item.access == ACC_WRITE);
		show_item(&item, s->text, sizeof(s->text));
		show_item(&item, s->nodes, sizeof(s->nodes));
	}
	assert_int_equal(n, f->n_items);
	it = (struct fact_iter){0}; /* and once more, from the first */
	while (fact_next(f, &it, &item))
		n--;
	assert_int_equal(n, 0);
	jw_obj(&w, NULL);
	fact_json(&w, f);
	jw_close(&w, '}');
	assert_true(jw_end(&w));
	D->identity(f, put_who, s);
	if (s->pol) {
		s->v = policy_eval(s->pol, &s->bind, f);
		if (s->v.action > s->worst)
			s->worst = s->v.action;
	}
	return !s->refuse;
}

void *
dis_lease(struct dis_call *call, uint32_t want)
{
	(void)call;
	if (W.no_lease)
		return NULL;
	if (want > W.lease_size) { /* moves, so that an old pointer is caught */
		uint8_t *grown = calloc(1, want);

		assert_non_null(grown);
		if (W.lease)
			memcpy(grown, W.lease, W.lease_size);
		free(W.lease);
		W.lease = grown;
		W.lease_size = want;
	}
	return W.lease;
}

/* One chunk, at the end of readable memory. */
static void
hear(void *ctx, unsigned dir, bool refuse, const uint8_t *p, size_t n)
{
	struct world *w = ctx;
	struct cur c;

	w->call.dir = (uint8_t)dir;
	w->sink.refuse = refuse;
	if (!p) {
		D->gap(&w->call, 100);
		return;
	}
	c = cur_make(guard_put(&w->guard, p, n), n);
	assert_int_equal(D->frame(c, (enum dis_dir)dir, 0), n);
	if (w->piece && n > SYM_HEAD + TYPE_BYTES && memcmp(p, "MSG", 3) == 0) {
		for (size_t off = 0, k; off < n; off += k) {
			k = w->piece < n - off ? w->piece : n - off;
			D->part(&w->call, cur_make(guard_put(&w->guard, p + off, k), k), (uint32_t)off,
			    (uint32_t)n);
		}
		return;
	}
	D->pdu(&w->call, c);
}

static void
world_reset(void)
{
	free(W.lease);
	W.lease = NULL;
	W.lease_size = 0;
	W.no_lease = false;
	W.piece = 0;
	memset(&W.state, 0, sizeof(W.state));
	memset(&W.call, 0, sizeof(W.call));
	W.call.state = &W.state;
	W.call.sink = &W.sink;
	policy_free(W.sink.pol);
	memset(&W.sink, 0, sizeof(W.sink));
	memset(&W.talk, 0, offsetof(struct talk, body));
	W.talk.channel = 5;
	W.talk.token = 9;
	W.talk.hear = hear;
	W.talk.ctx = &W;
}

#define OPEN "> HEL; < ACK; > OPN None 1; < OPN None grant=9;"
#define SESSION OPEN "> MSG Create urn:me; < MSG Created None; > MSG Activate anonymous; < MSG Activated;"
#define SIGNED \
	"> HEL; < ACK; > OPN Basic256Sha256; < OPN Basic256Sha256;" \
	"> MSG Create urn:me sig=32; < MSG Created Basic256Sha256:2 sig=32;" \
	"> MSG Activate username sig=32; < MSG Activated sig=32;"
#define CIPHER "a9b8c7d6e5f4a3b2c1d0a9b8c7d6e5f4a3b2c1d0a9b8c7d6e5f4a3b2c1d0a9b8"

struct test_case {
	bool midstream;
	const char *talk, *want;
};

static const struct test_case cases[] = {
	/* transport */
	{0, "> HEL", "request Hello ? policy=- mode=- user=-"},
	{0, "> HEL; < ACK", "response Acknowledge ? policy=- mode=- user=-"},
	{0, "> HEL; < ERR 80820000", "exception Error ? policy=- mode=- user=-"},
	{0, "> HEL 100 8192", "request Hello !buffer_size ? policy=- mode=- user=-"},
	{0, "> HEL; < ACK 65536 65535", "response Acknowledge !buffer_size ? policy=- mode=- user=-"},
	{0, "< HEL", "malformed Hello !direction ? policy=- mode=- user=-"},
	{0, "> ACK", "malformed Acknowledge !direction ? policy=- mode=- user=-"},
	{0, "> RHE", "request ReverseHello ? policy=- mode=- user=-"},
	{0, "> RHE; < HEL; > ACK", "response Acknowledge ? policy=- mode=- user=-"},
	{0, "> RHE; < HEL; > ACK; < MSG Read 1", "request Read !channel_unknown ? r i=1/13"},
	{0, "> RHE; < HEL; > ACK; > MSG Read 1", "malformed Read !direction !channel_unknown !unsolicited ?"},
	{0, "> HEL; > RHE", "malformed ReverseHello !direction ? policy=- mode=- user=-"},
	/* channel */
	{0, "> HEL; < ACK; > OPN None 1", "request OpenSecureChannel ? policy=None mode=None user=-"},
	{0, OPEN, "response OpenSecureChannel ? policy=None mode=None user=-"},
	{0, "> HEL; < ACK; > OPN None 2",
	    "request OpenSecureChannel !mode_mismatch ? policy=None mode=None user=-"},
	{0, "> HEL; < ACK; > OPN Basic256Sha256",
	    "request OpenSecureChannel ? policy=Basic256Sha256 mode=- user=- cert=735a"},
	{0, "> HEL; < ACK; > OPN Rot13",
	    "request OpenSecureChannel !policy_unknown ? policy=? mode=- user=- cert=735a"},
	{0, "> HEL; < ACK; > OPN None 1 cert",
	    "request OpenSecureChannel !certificate ? policy=None mode=None user=- cert=735a"},
	{0, "> HEL; < ACK; > OPN Basic256Sha256 cert",
	    "request OpenSecureChannel !certificate ? policy=Basic256Sha256 mode=- user=-"},
	{0, OPEN "> OPN None 1", "request OpenSecureChannel !channel_second ? policy=None mode=None user=-"},
	{0, OPEN "> OPN None 1 renew", "request OpenSecureChannel ? policy=None mode=None user=-"},
	{0, OPEN "> OPN None 1 renew id=6", "request OpenSecureChannel !channel_unknown ? policy=None mode=None user=-"},
	{0, OPEN "> OPN Basic256Sha256 2 renew",
	    "malformed OpenSecureChannel !policy_mismatch ? policy=Basic256Sha256 mode=- user=- cert=735a"},
	{0, "> HEL; < ACK; > OPN None; < OPN Basic256Sha256",
	    "malformed OpenSecureChannel !policy_mismatch ? policy=None mode=None user=-"},
	{0, OPEN "> MSG Read 1 id=6", "request Read !channel_unknown ? policy=None mode=None r i=1/13"},
	{0, OPEN "> MSG Read 1 token=8", "request Read !token_unknown ? policy=None mode=None r i=1/13"},
	{0, "> HEL; < ACK; > MSG Read 1", "request Read !channel_unknown ? r i=1/13"},
	/* token renewal: the old one until the new one is used, then no more */
	{0, OPEN "> MSG Read 1; < MSG Read.; > OPN None 1 renew; < OPN None grant=10; > MSG Read 1 token=9",
	    "request Read ? policy=None mode=None r i=1/13"},
	{0, OPEN "> MSG Read 1; < MSG Read.; > OPN None 1 renew; < OPN None grant=10; > MSG Read 1 token=10",
	    "request Read ? policy=None mode=None r i=1/13"},
	{0, OPEN "> MSG Read 1; < MSG Read.; > OPN None 1 renew; < OPN None grant=10; > MSG Read 1 token=11",
	    "request Read !token_unknown ? policy=None mode=None r i=1/13"},
	{0, OPEN "> MSG Read 1; < MSG Read.; > OPN None 1 renew; < OPN None grant=10; > MSG Read 1 token=10;"
	    "> MSG Read 1 token=9", "request Read !token_unknown ? policy=None mode=None r i=1/13"},
	{0, OPEN "> MSG Read 1; < MSG Read.; > OPN None 1 renew; < OPN None grant=10; > MSG Read 1 token=10;"
	    "< MSG Read. token=10", "response Read ? policy=None mode=None"},
	{0, SIGNED "> OPN Basic256Sha256 2 renew; < OPN Basic256Sha256; > MSG Read 1 token=12 sig=32",
	    "request Read ? policy=Basic256Sha256 mode=Sign user=username app=urn:me cert=735a r i=1/13"},
	/* sequence numbers */
	{0, OPEN "> MSG Read 1 seq=2", "request Read ? policy=None mode=None r i=1/13"},
	{0, OPEN "> MSG Read 1 seq=1", "request Read !sequence_repeat ? policy=None mode=None r i=1/13"},
	{0, OPEN "> MSG Read 1 seq=7", "request Read !sequence_gap ? policy=None mode=None r i=1/13"},
	{0, OPEN "> MSG Read 1 seq=4294966272; > MSG Read 1 seq=3",
	    "request Read ? policy=None mode=None r i=1/13"},
	{0, OPEN "!> MSG Read 1 seq=2; > MSG Read 1 seq=2", "request Read ? policy=None mode=None r i=1/13"},
	{0, OPEN "> MSG Read 1; {; > MSG Read 1 seq=50", "request Read ? policy=None mode=None r i=1/13"},
	/* session */
	{0, OPEN "> MSG Create urn:me", "request CreateSession ? policy=None mode=None user=- app=urn:me"},
	{0, OPEN "> MSG Create urn:me; < MSG Created None; > MSG Activate certificate",
	    "request ActivateSession ? policy=None mode=None user=certificate app=urn:me"},
	{0, OPEN "> MSG Create urn:me; < MSG Created None; > MSG Activate issued; > MSG Read 1",
	    "request Read ? policy=None mode=None app=urn:me r i=1/13"}, /* not yet answered */
	{0, OPEN "> MSG Create urn:me; < MSG Created None; > MSG Activate issued; < MSG Activated; > MSG Read 1",
	    "request Read ? policy=None mode=None user=issued app=urn:me r i=1/13"},
	{0, OPEN "> MSG Create urn:me; < MSG Created None; > MSG Activate nobody",
	    "request ActivateSession ? policy=None mode=None user=? app=urn:me"}, /* taken for anonymous */
	{0, OPEN "> MSG Create urn:me; < MSG Created None; > MSG Activate username;"
	    "< MSG Activated 80210000; > MSG Read 1",
	    "request Read ? policy=None mode=None app=urn:me r i=1/13"},
	{0, OPEN "> MSG Create urn:me; < MSG Created None; > MSG Activate username;"
	    "< MSG Fault 80210000; > MSG Read 1",
	    "request Read ? policy=None mode=None app=urn:me r i=1/13"},
	{0, OPEN "> MSG Activate anonymous",
	    "request ActivateSession !session_elsewhere ? policy=None mode=None user=anonymous"},
	{0, SESSION "> MSG Close", "request CloseSession ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> CLO Secure", "request CloseSecureChannel ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> CLO Read 1",
	    "malformed Read !body_bad ? policy=None mode=None user=anonymous app=urn:me"},
	/* endpoints */
	{0, OPEN "> MSG Endpoints", "request GetEndpoints ? policy=None mode=None user=-"},
	{0, OPEN "> MSG Endpoints; < MSG Offers Basic256Sha256:2 Basic256Sha256:3",
	    "response GetEndpoints ? policy=None mode=None user=- offer=8/6"},
	{0, OPEN "> MSG Endpoints; < MSG Offers Basic256Sha256:2 None",
	    "response GetEndpoints !endpoint_none ? policy=None mode=None user=- offer=9/3"},
	{0, OPEN "> MSG Create urn:me; < MSG Created Basic256Sha256:2",
	    "response CreateSession !downgrade ? policy=None mode=None user=- app=urn:me offer=8/2"},
	{0, OPEN "> MSG Endpoints; < MSG Offers None; > MSG Create urn:me; < MSG Created None Basic256:2",
	    "response CreateSession !downgrade !endpoints_differ !endpoint_none ? policy=None mode=None user=- app=urn:me offer=5/3"},
	{0, OPEN "> MSG Endpoints; < MSG Offers Basic256Sha256:3; > OPN None 1 renew",
	    "request OpenSecureChannel !downgrade ? policy=None mode=None user=-"},
	/* what acts on nodes */
	{0, SESSION "> MSG Read ns=2;s=A ns=2;s=B/3 i=2258",
	    "request Read ? policy=None mode=None user=anonymous app=urn:me r ns=2;s=A/13 r ns=2;s=B/3 r i=2258/13"},
	{0, SESSION "> MSG Write ns=2;s=A=1 ns=3;i=70000/4=2",
	    "request Write ? policy=None mode=None user=anonymous app=urn:me w ns=2;s=A/13 w ns=3;i=70000/4"},
	{0, SESSION "> MSG Browse i=85 ns=1;b=abc",
	    "request Browse ? policy=None mode=None user=anonymous app=urn:me r i=85 r ns=1;b=YWJj"},
	{0, SESSION "> MSG Call i=85 ns=2;s=Start",
	    "request Call ? policy=None mode=None user=anonymous app=urn:me w i=85 w ns=2;s=Start"},
	{0, SESSION "> MSG Watch ns=2;s=A ns=2;s=B",
	    "request CreateMonitoredItems ? policy=None mode=None user=anonymous app=urn:me r ns=2;s=A/13 r ns=2;s=B/13"},
	{0, SESSION "> MSG Publish", "request Publish ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Unknown", "request unknown !service_unknown ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Read 1 more=00",
	    "malformed Read !body_long ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Raw 0100", "malformed unknown !body_bad ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Raw 01007702", "malformed Read !body_bad ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Raw 0100770209", "malformed Read !body_bad ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Read.", "malformed Read !direction ? policy=None mode=None user=anonymous app=urn:me"},
	/* chunks */
	{0, SESSION "> MSG Read ns=2;s=A ns=2;s=B cut=75",
	    "request Read ? policy=None mode=None user=anonymous app=urn:me r ns=2;s=B/13"},
	{0, SESSION "> MSG Raw 01 kind=C", "request chunk !service_cut ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Read 1 kind=C; > MSG Read 1 req=99",
	    "malformed Read !interleaved ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Raw 01007702 kind=C; > MSG Raw 00 kind=A req=4",
	    "request Read ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Raw 00 kind=A", "request chunk !abort_nothing ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Read 1; < MSG Raw 00 kind=A",
	    "exception Read !abort_nothing ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> CLO Secure kind=C",
	    "malformed CloseSecureChannel !chunk_type ? policy=None mode=None user=anonymous app=urn:me"},
	{0, "> HEL 65535 8192; < ACK 8192 8192 100 2; > OPN None; < OPN None; > MSG Read 1 1 1 1 1 1 1 1 1",
	    "request Read !message_size ? policy=None mode=None r i=1/13 r i=1/13 r i=1/13 r i=1/13 r i=1/13 r i=1/13"
	    " r i=1/13 r i=1/13 r i=1/13"},
	{0, "> HEL; < ACK 8192 8192 0 2; > OPN None; < OPN None; > MSG Read 1 cut=25",
	    "request Read !chunk_count ? policy=None mode=None r i=1/13"},
	/* answers */
	{0, SESSION "> MSG Read 1; < MSG Read.", "response Read ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Read 1; < MSG Read. 80340000", "exception Read ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Read 1; < MSG Fault 80250000",
	    "exception Read ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Read 1; < MSG Written",
	    "response Write !service_mismatch !unsolicited ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Read 1; < MSG Read. req=77",
	    "response Read !unsolicited ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Read 1; < MSG Read.; < MSG Read.",
	    "response Read !duplicate_response !unsolicited ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "!> MSG Read 1; < MSG Read.",
	    "response Read !unsolicited ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Publish; > MSG Publish; > MSG Read 1; < MSG Read.; < MSG Published req=4",
	    "response Publish ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Read 1 req=8; > MSG Read 1 req=8",
	    "request Read !request_in_use ? policy=None mode=None user=anonymous app=urn:me r i=1/13"},
	{1, "> MSG Read 1; < MSG Read. req=55", "response Read ?"},
	{1, "> MSG Read 1; < MSG Read.; < MSG Read. req=55", "response Read !unsolicited ?"},
	{0, SESSION "{; < MSG Read. req=55", "response Read !late_response ? policy=None mode=None user=anonymous app=urn:me"},
	/* security modes */
	{0, SIGNED "> MSG Write ns=2;s=A=1 sig=32",
	    "request Write ? policy=Basic256Sha256 mode=Sign user=username app=urn:me cert=735a w ns=2;s=A/13"},
	{0, SIGNED "> MSG Write ns=2;s=A=1",
	    "malformed Write !body_bad ? policy=Basic256Sha256 mode=Sign user=username app=urn:me cert=735a"},
	{0, SIGNED "> MSG Raw " CIPHER,
	    "malformed unknown !body_bad ? policy=Basic256Sha256 mode=Sign user=username app=urn:me cert=735a"},
	{0, SIGNED "> MSG Read ns=2;s=A ns=2;s=B sig=32 cut=30",
	    "request Read ? policy=Basic256Sha256 mode=Sign user=username app=urn:me cert=735a r ns=2;s=B/13"},
	{0, "> HEL; < ACK; > OPN Basic256Sha256; < OPN Basic256Sha256; > MSG Raw " CIPHER,
	    "request encrypted !encrypted ? policy=Basic256Sha256 mode=SignAndEncrypt user=- cert=735a"},
	{0, "> HEL; < ACK; > OPN Basic256Sha256; < OPN Basic256Sha256; > MSG Raw " CIPHER "; > MSG Read 1 sig=32",
	    "request Read !mode_changed ? policy=Basic256Sha256 mode=Sign cert=735a r i=1/13"},
	{0, SESSION "> MSG Raw " CIPHER,
	    "malformed unknown !body_bad ? policy=None mode=None user=anonymous app=urn:me"},
	/* ... also when junk was to make it look encrypted, and the rest comes in chunks */
	{0, "> HEL; < ACK; > OPN Basic256Sha256; < OPN Basic256Sha256; > MSG Raw " CIPHER
	    "; > MSG Read ns=2;s=A ns=2;s=B sig=32 cut=50",
	    "request Read ? policy=Basic256Sha256 mode=Sign cert=735a r ns=2;s=A/13 r ns=2;s=B/13"},
	{0, "> HEL; < ACK; > OPN Basic256Sha256; < OPN Basic256Sha256; > MSG Raw " CIPHER
	    "; < MSG Fault 800b0000 sig=32; > MSG Raw " CIPHER,
	    "malformed unknown !body_bad ? policy=Basic256Sha256 mode=Sign cert=735a"},
	{0, "> RHE; > OPN Basic256Sha256",
	    "response OpenSecureChannel !unsolicited ? user=-"},
	{0, "> RHE; < OPN Basic256Sha256; > OPN Basic256Sha256; > MSG Raw " CIPHER,
	    "response encrypted !channel_unknown !unsolicited !encrypted ? policy=Basic256Sha256 mode=SignAndEncrypt user=-"
	    " cert=735a"},
	/* chunks that the server may pass over hide what follows */
	{0, SESSION "> MSG Read 1 kind=C id=6",
	    "malformed Read !channel_unknown !chunk_astray ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Read 1 kind=C token=8",
	    "malformed Read !token_unknown !chunk_astray ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Read 1 kind=C; > MSG Read 1 req=4 seq=4",
	    "malformed Read !body_long !sequence_repeat !chunk_astray ? policy=None mode=None user=anonymous app=urn:me"},
	/* midstream: nothing is known, readable bodies are read */
	{1, "> MSG Write ns=2;s=A=1", "request Write ? w ns=2;s=A/13"},
	{1, "> MSG Write ns=2;s=A=1 sig=32", "request Write ? w ns=2;s=A/13"},
	{1, "> MSG Write ns=2;s=A=1 sig=20; > MSG Write ns=2;s=B=1 sig=20", "request Write ? w ns=2;s=B/13"},
	{1, "> MSG Write ns=2;s=A=1 sig=20; > MSG Write ns=2;s=B=1 sig=32", "malformed Write !body_long ?"},
	{1, "> MSG Write ns=2;s=A=1 sig=31", "request encrypted !encrypted ? user=-"},
	{1, "> MSG Raw " CIPHER, "request encrypted !encrypted ? user=-"},
	{1, "> MSG Read.; < MSG Read 1", "request Read ? r i=1/13"}, /* the server opened it */
	{1, "> MSG Read 1; > OPN Basic256Sha256 2 renew; < OPN Basic256Sha256; > MSG Read 1 sig=32 token=10",
	    "request Read ? policy=Basic256Sha256 mode=Sign cert=735a r i=1/13"},
	/* namespaces */
	{0, SESSION "> MSG Read 2255; < MSG Namespaces http://opcfoundation.org/UA/ urn:server http://plant/;"
	    "> MSG Read ns=2;s=A ns=1;i=4 ns=3;i=5",
	    "request Read ? policy=None mode=None user=anonymous app=urn:me r ns=2;s=A/13{http://plant/}"
	    " r ns=1;i=4/13{urn:server} r ns=3;i=5/13"},
	{0, SESSION "> MSG Read 2255 req=9; > MSG Read ns=2;s=Mine req=9; < MSG Read.; < MSG Namespaces a b forged;"
	    "> MSG Read ns=2;s=A", /* whose answer is it? */
	    "request Read ? policy=None mode=None user=anonymous app=urn:me r ns=2;s=A/13"},
	{0, SESSION "> MSG Read 2255 req=9 cut=40; > MSG Read ns=2;s=Mine req=9 cut=40; < MSG Read.;"
	    "< MSG Namespaces a b forged; > MSG Read ns=2;s=A",
	    "request Read ? policy=None mode=None user=anonymous app=urn:me r ns=2;s=A/13"},
	{0, SESSION "> MSG Read 2254; < MSG Namespaces a b c; > MSG Read ns=2;s=A",
	    "request Read ? policy=None mode=None user=anonymous app=urn:me r ns=2;s=A/13"},
	{0, SESSION "> MSG Read 2255/4; < MSG Namespaces a b c; > MSG Read ns=2;s=A",
	    "request Read ? policy=None mode=None user=anonymous app=urn:me r ns=2;s=A/13"},
	/* registered nodes */
	{0, SESSION "> MSG Register ns=2;s=A ns=2;s=B; < MSG Registered ns=9;i=1 ns=9;i=2; > MSG Write ns=9;i=2=5",
	    "request Write ? policy=None mode=None user=anonymous app=urn:me w ns=2;s=B/13"},
	{0, SESSION "> MSG Register ns=2;s=A; < MSG Registered ns=2;s=A; > MSG Write ns=2;s=A=5",
	    "request Write ? policy=None mode=None user=anonymous app=urn:me w ns=2;s=A/13"},
	{0, SESSION "> MSG Register ns=2;s=A; < MSG Registered ns=9;i=1; > MSG Register ns=9;i=1; < MSG Registered ns=9;i=2;"
	    "> MSG Read ns=9;i=2 ns=9;i=1",
	    "request Read ? policy=None mode=None user=anonymous app=urn:me r ns=2;s=A/13 r ns=2;s=A/13"},
	{0, SESSION "> MSG Register ns=2;s=A; < MSG Registered ns=9;i=1; > MSG Register ns=2;s=B; < MSG Registered ns=9;i=1;"
	    "> MSG Read ns=9;i=1",
	    "request Read ? policy=None mode=None user=anonymous app=urn:me r ns=2;s=B/13"},
	{0, SESSION "> MSG Register ns=2;s=A; < MSG Fault 80100000; > MSG Read ns=9;i=1",
	    "request Read ? policy=None mode=None user=anonymous app=urn:me r ns=9;i=1/13"},
	{0, SESSION "> MSG Register ns=2;s=A; < MSG Registered ns=9;i=1 ns=9;i=2",
	    "malformed RegisterNodes !alias_untracked ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Register ns=2;s=A; > MSG Register ns=2;s=B",
	    "malformed RegisterNodes !alias_untracked ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Register ns=2;s=A; < MSG Registered ns=9;i=1; > MSG Unregister ns=9;i=1",
	    "request UnregisterNodes ? policy=None mode=None user=anonymous app=urn:me r ns=2;s=A"},
	{0, SESSION "> MSG Register ns=2;s=A; < MSG Registered ns=9;i=1; > MSG Unregister ns=9;i=1;"
	    "< MSG Unregistered 80100000; > MSG Read ns=9;i=1",
	    "request Read ? policy=None mode=None user=anonymous app=urn:me r ns=2;s=A/13"},
	/* of the session that registered them */
	{0, SESSION "> MSG Register ns=2;s=A; < MSG Registered ns=9;i=1; > MSG Write ns=9;i=1=5 auth=78",
	    "request Write ? policy=None mode=None user=anonymous app=urn:me w ns=9;i=1/13"},
	{0, SESSION "> MSG Register ns=2;s=A; < MSG Registered ns=9;i=1; > MSG Register ns=2;s=B auth=78",
	    "malformed RegisterNodes !alias_untracked ? policy=None mode=None user=anonymous app=urn:me"},
	{0, SESSION "> MSG Register ns=2;s=A; < MSG Registered ns=9;i=1; > MSG Close; < MSG Closed;"
	    "> MSG Register ns=2;s=B auth=78; < MSG Registered ns=9;i=1; > MSG Write ns=9;i=1=5 auth=78",
	    "request Write ? policy=None mode=None user=anonymous app=urn:me w ns=2;s=B/13"},
	{0, SESSION "> MSG Register ns=2;s=A; < MSG Registered ns=9;i=1; > MSG Close; < MSG Fault 80250000;"
	    "> MSG Register ns=2;s=B auth=78",
	    "malformed RegisterNodes !alias_untracked ? policy=None mode=None user=anonymous app=urn:me"},
	{1, "< MSG Registered ns=9;i=1", "malformed RegisterNodes !alias_untracked ?"},
};

static void
conversations(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		world_reset();
		W.call.midstream = cases[i].midstream;
		talk(&W.talk, cases[i].talk);
		if (strcmp(W.sink.text, cases[i].want) != 0) {
			bad++;
			print_error("case %u: %s\n  want %s\n  got  %s\n", i, cases[i].talk, cases[i].want,
			    W.sink.text);
		}
	}
	assert_int_equal(bad, 0);
}

/* --- who a server is ------------------------------------------------------------------------ */

#define BUILT "@0x1dc92ad50fc9400" /* 2026-01-31T12:30:00Z */
#define POLL  "> MSG Read ns=2;s=A; < MSG Values a;"
#define POLL6 POLL POLL POLL POLL POLL POLL

static const struct {
	const char *talk, *who;
} told[] = {
    {"> MSG Read 2261; < MSG Values P-9", "model=P-9"},
    {"> MSG Read ns=2;s=A 2266 2263 2262 2258 2264 2265; < MSG Values no " BUILT
     " Maker urn:p @1 v9 77",
	"built=2026-01-31T12:30:00Z vendor=Maker text=urn:p firmware=v9 build=77"},
    {"> MSG Read 2261 2264 2255; < MSG Values - v9 urn:not-namespaces", "firmware=v9"},
    {"> MSG Read 2266; < MSG Values @1", ""}, /* 1601: who knows */
    {"> MSG Read 2266; < MSG Values text", ""},
    {"> MSG Read 2261; < MSG Values " BUILT, ""},
    /* several at once, answered in another order */
    {"> MSG Read 2261 req=5; > MSG Read ns=2;s=A 2264 req=6; > MSG Read ns=2;s=B req=7; < MSG "
     "Values b req=7;"
     "< MSG Values a v9 req=6; < MSG Values P-9 req=5",
	"firmware=v9 model=P-9"},
    /* another attribute, namespace, kind of id, service, answer */
    {"> MSG Read 2261/4; < MSG Values DisplayName", ""},
    {"> MSG Read ns=1;i=2261; < MSG Values other", ""},
    {"> MSG Read s=2261; < MSG Values other", ""},
    {"> MSG Watch 2261; < MSG Values other", ""},
    {"> MSG Read 2261; < MSG Read. 80340000", ""},
    {"> MSG Read 2261; < MSG Fault 80340000", ""},
    {"> MSG Read 2261 req=5; < MSG Values P-9 req=6", ""},
    /* whose answer is it? */
    {"> MSG Read 2261 req=9; > MSG Read ns=2;s=Mine req=9; < MSG Values P-9 req=9; < MSG Values "
     "forged req=9",
	""},
    {"> MSG Read ns=2;s=Mine req=9; > MSG Read 2261 req=9; < MSG Values forged req=9; < MSG Values "
     "P-9 req=9",
	""},
    /* the place of one that is over, with the same id: nothing is left of it */
    {"> MSG Read 2261 req=9; < MSG Values P-9 req=9;" POLL6 POLL6 POLL6 POLL POLL POLL POLL POLL
     "> MSG Read ns=2;s=Mine req=9; < MSG Values forged req=9",
	"model=P-9"},
    {"> MSG Read 2261 req=9; < MSG Values P-9 req=9;" POLL6 POLL6 POLL6 POLL POLL POLL POLL POLL
     "> MSG Read ns=2;s=Mine 2264 req=9; < MSG Values forged v9 req=9",
	"model=P-9 firmware=v9"},
    /* more than there is room for: the first sixteen */
    {"> MSG Read 2260 2261 2262 2263 2264 2265 req=5; > MSG Read 2260 2261 2262 2263 2264 2265 "
     "req=6;"
     "> MSG Read 2261 2262 2263 2264 2265 req=7; < MSG Values P u M v b req=7",
	"model=P text=u vendor=M firmware=v"},
    /* discovery */
    {"> MSG Find; < MSG Servers urn:me", "name=name uri=urn:me text=urn:product"},
    {"> MSG Find urn:it; < MSG Servers urn:it", ""}, /* one of several, by name: another's */
    {"> MSG Find; < MSG Servers urn:it urn:other", ""},
    {"> MSG Find urn:x; < MSG Servers urn:lds/3 urn:it urn:other",
	"name=name uri=urn:lds text=urn:product"},
    {"> MSG Announce urn:me", "name=name text=urn:product uri=urn:me"},
};

static void
who_it_is(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(told); i++) {
		world_reset();
		talk(&W.talk, SESSION);
		*W.sink.who = '\0'; /* CreateSession has said who the client is */
		talk(&W.talk, told[i].talk);
		if (strcmp(W.sink.who, told[i].who) != 0) {
			bad++;
			print_error("case %u: %s\n  want %s\n  got  %s\n", i, told[i].talk,
			    told[i].who, W.sink.who);
		}
	}
	assert_int_equal(bad, 0);
}

/* A body in chunks of every size, and in pieces of every size, names the same nodes. */
static const char *const bodies[] = {
	"Read ns=2;s=Line1.Speed ns=2;s=B/3 i=2258 ns=3;b=xyz",
	"Write ns=2;s=Recipe.1=5 ns=2;s=Recipe.2/4=7 i=12=9",
	"Browse i=85 ns=4;i=99999 ns=2;s=Long.Name.Of.A.Node",
	"Call ns=2;s=Pump ns=2;s=Pump.Start",
	"Watch ns=2;s=A ns=2;s=B ns=2;s=C",
	"Register ns=2;s=A ns=2;s=B",
	"Create urn:somebody",
	"Activate username",
};

static void
say(const char *fmt, const char *body, unsigned n)
{
	char text[512];

	snprintf(text, sizeof(text), fmt, body, n);
	talk(&W.talk, text);
}

static void
chunks_and_pieces(void **state)
{
	static char want[sizeof(W.sink.nodes)];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(bodies); i++)
		for (unsigned sig = 0; sig <= 32; sig += 32) {
			const char *open = sig ? SIGNED : SESSION;
			size_t len;

			W.talk.sig = 0;
			world_reset();
			talk(&W.talk, open);
			W.talk.sig = sig;
			W.sink.nodes[0] = '\0';
			say("> MSG %s", bodies[i], 0);
			memcpy(want, W.sink.nodes, sizeof(want));
			len = W.talk.body.n;
			assert_int_equal(W.sink.malformed, 0);
			for (unsigned n = 1; n <= len; n++) {
				world_reset();
				talk(&W.talk, open);
				W.talk.sig = sig;
				W.sink.nodes[0] = '\0';
				say("> MSG %s cut=%u", bodies[i], n);
				assert_string_equal(W.sink.nodes, want);
				assert_int_equal(W.sink.malformed, 0);
			}
			for (unsigned n = 1; n <= len + SYM_HEAD + sig; n++) {
				world_reset();
				talk(&W.talk, open);
				W.talk.sig = sig;
				W.sink.nodes[0] = '\0';
				W.piece = n;
				say("> MSG %s", bodies[i], 0);
				assert_string_equal(W.sink.nodes, want);
				assert_int_equal(W.sink.malformed, 0);
				/* and both at once */
				say("> MSG %s cut=37", bodies[i], 0);
				assert_int_equal(W.sink.malformed != 0, i == 5); /* one Register at a time */
			}
		}
}

/* Cut anywhere, a body is never read beyond its end, nor taken for whole. */
static void
short_bodies(void **state)
{
	static uint8_t whole[4096];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(bodies); i++) {
		size_t len;

		world_reset();
		talk(&W.talk, SESSION);
		say("> MSG %s", bodies[i], 0);
		len = W.talk.msg.n;
		assert_true(len <= sizeof(whole));
		memcpy(whole, W.talk.msg.b, len);
		for (size_t n = SYM_HEAD; n < len; n++) {
			whole[4] = (uint8_t)n;
			whole[5] = (uint8_t)(n >> 8);
			world_reset();
			talk(&W.talk, SESSION);
			hear(&W, 0, false, whole, n);
			assert_int_equal(W.sink.malformed, 1);
		}
	}
}

/* A thousand nodes across chunks: all of them, once each, in order. */
static void
thousand_nodes(void **state)
{
	static char text[20000];
	const char *p;

	(void)state;
	for (unsigned cut = 100; cut <= 20000; cut += 700) {
		world_reset();
		talk(&W.talk, SESSION);
		snprintf(text, sizeof(text), "> MSG Write");
		for (unsigned i = 0; i < 1000; i++)
			add(text, sizeof(text), " ns=2;i=%u=%u", 1000 + i, i);
		add(text, sizeof(text), " cut=%u", cut);
		W.sink.nodes[0] = '\0';
		talk(&W.talk, text);
		assert_int_equal(W.sink.malformed, 0);
		p = W.sink.nodes;
		for (unsigned i = 0; i < 1000; i++) {
			char want[40];

			snprintf(want, sizeof(want), " w ns=2;i=%u/13", 1000 + i);
			assert_int_equal(strncmp(p, want, strlen(want)), 0);
			p += strlen(want);
		}
		assert_int_equal(*p, '\0');
	}
}

/* A Read of i=85 in three chunks. */
#define C1 "01007702" "0000" "0000000000000000" "07000000"
#define C2 "00000000" "ffffffff" "10270000" "000000" "0000000000000000" "00000000" "01000000"
#define C3 "0055" "0d000000" "ffffffff" "0000" "ffffffff"

/* A chunk that is dropped comes again, and is the same as before. */
static void
dropped_and_again(void **state)
{
	(void)state;
	world_reset();
	talk(&W.talk, SESSION "> MSG Raw " C1 " kind=C");
	talk(&W.talk, "!> MSG Raw " C2 " kind=C req=4 seq=5; > MSG Raw " C2 " kind=C req=4 seq=5");
	assert_string_equal(W.sink.text, "request Read ? policy=None mode=None user=anonymous app=urn:me");
	talk(&W.talk, "!> MSG Raw " C3 " req=4 seq=6; > MSG Raw " C3 " req=4 seq=6");
	assert_string_equal(W.sink.text, "request Read ? policy=None mode=None user=anonymous app=urn:me r i=85/13");
	/* Refused: no alias may come of it. */
	talk(&W.talk, "!> MSG Register ns=2;s=A; < MSG Registered ns=9;i=1");
	assert_non_null(strstr(W.sink.text, "!alias_untracked"));
	talk(&W.talk, "!> MSG Create urn:other; > MSG Read 1");
	assert_null(strstr(W.sink.text, "urn:other"));
}

/* More aliases than room: said, never forgotten in silence. */
static void
alias_room(void **state)
{
	char text[400], name[160];
	unsigned tracked = 0, i;

	(void)state;
	memset(name, 'x', sizeof(name));
	name[150] = '\0';
	world_reset();
	talk(&W.talk, SESSION);
	for (i = 0; i < 2000 && !W.sink.malformed; i++) {
		snprintf(text, sizeof(text), "> MSG Register ns=2;s=%u%s; < MSG Registered ns=9;i=%u", i, name, i);
		talk(&W.talk, text);
		tracked += !W.sink.malformed;
	}
	assert_in_range(tracked, 200, 1000); /* 64 KiB of them */
	for (i = 0; i < tracked; i++) {
		char want[256];

		snprintf(text, sizeof(text), "> MSG Read ns=9;i=%u", i);
		snprintf(want, sizeof(want), "r ns=2;s=%u%s/13", i, name);
		talk(&W.talk, text);
		assert_non_null(strstr(W.sink.text, want));
	}
	/* What was given back makes room. */
	W.sink.malformed = 0;
	for (i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "> MSG Unregister ns=9;i=%u; < MSG Unregistered", i);
		talk(&W.talk, text);
	}
	talk(&W.talk, "> MSG Register ns=2;s=again; < MSG Registered ns=9;i=99999; > MSG Read ns=9;i=99999 ns=9;i=50");
	assert_int_equal(W.sink.malformed, 0);
	assert_non_null(strstr(W.sink.text, "r ns=2;s=again/13 r ns=2;s=50x"));

	world_reset();
	W.no_lease = true;
	talk(&W.talk, SESSION "> MSG Register ns=2;s=A");
	assert_non_null(strstr(W.sink.text, "malformed RegisterNodes !alias_untracked"));
}

/* Requests beyond the ring: said; their answers are late, not forged. */
static void
many_open(void **state)
{
	(void)state;
	world_reset();
	talk(&W.talk, SESSION);
	for (unsigned i = 0; i < PENDING; i++) {
		talk(&W.talk, "> MSG Publish");
		assert_null(strchr(W.sink.text, '!'));
	}
	talk(&W.talk, "> MSG Publish");
	assert_non_null(strstr(W.sink.text, "!pending_full"));
	talk(&W.talk, "< MSG Published req=4");
	assert_non_null(strstr(W.sink.text, "!late_response"));
	assert_null(strstr(W.sink.text, "!unsolicited"));
}

static void
probing(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum dis_dir dir;
		enum dis_probe_result want;
	} fronts[] = {
	    {"MSGF\x40\0\0\0", 8, 0, PROBE_YES}, {"MSGC\x40\0\0\0", 8, 1, PROBE_YES},
	    {"MSGF\x10\0\0\0", 8, 0, PROBE_NO}, {"MSGX\x40\0\0\0", 8, 0, PROBE_NO},
	    {"MSGF\x40\0\x20\0", 8, 0, PROBE_YES}, {"MSGF\x40\0\0\x01", 8, 0, PROBE_NO},
	    {"HELF\x40\0\0\0", 8, 0, PROBE_YES}, {"HELC\x40\0\0\0", 8, 0, PROBE_NO},
	    {"HELF\x40\0\0\0", 8, 1, PROBE_MAYBE}, {"ACKF\x1c\0\0\0", 8, 1, PROBE_YES},
	    {"ACKF\x1c\0\0\0", 8, 0, PROBE_MAYBE}, {"OPNF\x80\0\0\0", 8, 1, PROBE_YES},
	    {"CLOF\x39\0\0\0", 8, 0, PROBE_YES}, {"ERRF\x10\0\0\0", 8, 1, PROBE_YES},
	    {"RHEF\x30\0\0\0", 8, 0, PROBE_YES}, {"HELO mail", 9, 0, PROBE_NO}, {"HELP", 4, 0, PROBE_NO},
	    {"MSG", 3, 0, PROBE_MAYBE}, {"H", 1, 0, PROBE_MAYBE}, {"", 0, 0, PROBE_MAYBE},
	    {"GET / HTTP/1.1", 14, 0, PROBE_NO}, {"\x16\x03\x01\0\0\0\0\0", 8, 0, PROBE_NO},
	    {"SSH-2.0-x", 9, 1, PROBE_NO},
	};
	uint8_t variant;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(fronts); i++)
		if (D->probe(cur_make(guard_put(&W.guard, fronts[i].bytes, fronts[i].n), fronts[i].n),
			fronts[i].dir, &variant) != fronts[i].want)
			fail_msg("probe case %u", i);
	assert_int_equal(D->frame(cur_make("MSGF\x40\0\0", 7), DIR_TO_SERVER, 0), FRAME_MORE);
	assert_int_equal(D->frame(cur_make("MSGF\x40\0\0\0", 8), DIR_TO_SERVER, 0), 0x40);
	assert_int_equal(D->frame(cur_make("MSGF\x40\0\0\x02", 8), DIR_TO_SERVER, 0), FRAME_BAD);
	assert_int_equal(D->frame(cur_make("XXXF\x40\0\0\0", 8), DIR_TO_SERVER, 0), FRAME_BAD);
}

/* What no conversation writes. */
static void
odd_messages(void **state)
{
	static char url[5000], text[700];
	struct buf *b = &W.talk.msg;

	(void)state;
	world_reset();
	hear(&W, 0, false, (const uint8_t *)"MSGF\x10\0\0\0........", 16);
	assert_string_equal(W.sink.text, "malformed chunk !header ? policy=- mode=- user=-");
	hear(&W, 0, false, (const uint8_t *)"OPNF\x10\0\0\0........", 16);
	assert_string_equal(W.sink.text, "malformed OpenSecureChannel !header ? policy=- mode=- user=-");
	hear(&W, 0, false, (const uint8_t *)"HELF\x10\0\0\0\0\0\0\0....", 16);
	assert_string_equal(W.sink.text, "malformed Hello !body_short ? policy=- mode=- user=-");
	memset(url, 'u', sizeof(url) - 1);
	b->n = 0;
	put(b, "HELF\0\0\0\0\x01\0\0\0", 12);
	for (unsigned i = 0; i < 4; i++)
		put32(b, 65535);
	put_string(b, url);
	talk_end(&W.talk, 0);
	assert_string_equal(W.sink.text, "request Hello !url_long !version ? policy=- mode=- user=-");
	/* A chunk above what was agreed, in part() */
	world_reset();
	talk(&W.talk, "> HEL; < ACK 8192 8192; > OPN None; < OPN None");
	memset(text, 'x', 600);
	memcpy(text, "> MSG Read ns=2;s=", 18);
	talk(&W.talk, text);
	assert_string_equal(W.sink.text, "request Read !node_unnamed ? policy=None mode=None r ?/13");
	W.piece = 1000;
	snprintf(url, sizeof(url), "> MSG Read");
	for (unsigned i = 0; i < 600; i++)
		add(url, sizeof(url), " 85");
	talk(&W.talk, url);
	assert_non_null(strstr(W.sink.text, "request Read"));
	assert_true(seen & UA_A(CHUNK_SIZE));
	/* only MSG may be that long */
	D->part(&W.call, cur_make("OPNF\0\0\x02\0....................", 28), 0, 0x20000);
	D->part(&W.call, cur_make("....", 4), 0x20000 - 4, 0x20000);
	assert_non_null(strstr(W.sink.text, "malformed chunk !header"));
}

static void
json(void **state)
{
	(void)state;
	world_reset();
	talk(&W.talk, SESSION "> MSG Write ns=2;s=A=-7 ns=2;s=B/4=9");
	assert_non_null(strstr(W.sink.json, "\"nodes\":[\"ns=2;s=A\",\"ns=2;s=B\"],\"attributes\":[13,4],"
	    "\"values\":[{\"type\":\"Int32\",\"value\":-7},{\"type\":\"Int32\",\"value\":9}]"));
	assert_non_null(strstr(W.sink.json, "\"msg\":\"MSG\",\"size\":"));
	assert_non_null(strstr(W.sink.json, "\"channel\":5,\"token\":9,\"seq\":4,\"request_id\":4"));
	talk(&W.talk, "< MSG Fault 801f0000");
	assert_non_null(strstr(W.sink.json, "\"status\":2149515264,\"status_name\":\"BadUserAccessDenied\""));
	talk(&W.talk, "> MSG Create urn:me");
	assert_non_null(strstr(W.sink.json, "\"endpoint\":\"opc.tcp://server\""));
	assert_non_null(strstr(W.sink.json, "\"app_uri\":\"urn:me\",\"product_uri\":\"urn:product\""));
}

/* --- under a policy ------------------------------------------------------------------ */

#define PLANT \
	"interlock: 1\nsite: test\nmode: enforce\n" \
	"zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25]}\n" \
	"  ot: {level: 1, port: inside, nets: [10.1.2.128/25]}\n" \
	"conduits:\n  - name: mes\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop\n    opcua:\n"
#define RULES \
	"      allow:\n" \
	"        - {name: session, services: [session, discovery]}\n" \
	"        - {name: watch, services: [read, browse, subscribe], nodes: [\"ns=2;*\", \"i=2255\"]}\n" \
	"        - {name: recipe, services: [Write], nodes: [\"ns=2;s=Recipe.*\"]}\n" \
	"        - {name: line, services: [Call], nodes: [\"nsu=http://plant/;s=*\"]}\n"
#define FLOOR \
	"      security: {policies: [Basic256Sha256], modes: [Sign], user-tokens: [username]," \
	" thumbprints: [\"735a*\"], application-uris: [\"urn:m*\"]}\n"

struct policy_case {
	const char *block, *talk;
	uint8_t want; /* the worst verdict of the last message */
	bool midstream;
};

#define OK   VERDICT_ALLOW
#define TELL VERDICT_ALERT
#define DENY VERDICT_DROP
static const struct policy_case policy_cases[] = {
	/* rules, node by node */
	{RULES, SESSION "> MSG Write ns=2;s=Recipe.1=5", OK, 0},
	{RULES, SESSION "> MSG Write ns=2;s=Recipe.1=5 ns=2;s=Recipe.2=6", OK, 0},
	{RULES, SESSION "> MSG Write ns=2;s=Recipe.1=5 ns=2;s=Other=6", DENY, 0},
	{RULES, SESSION "> MSG Write ns=2;s=Other=6 cut=9", DENY, 0},
	{RULES, SESSION "> MSG Write ns=2;s=Recipe.1/4=5", DENY, 0}, /* only Value is written */
	{RULES, SESSION "> MSG Read ns=2;s=Other/4 ns=2;i=7", OK, 0},
	{RULES, SESSION "> MSG Read ns=3;s=Other", DENY, 0},
	{RULES, SESSION "> MSG Watch ns=2;s=A ns=2;s=B", OK, 0},
	{RULES, SESSION "> MSG Publish; < MSG Published", OK, 0},
	{RULES, SESSION "> MSG Call ns=2;s=Pump ns=2;s=Start", DENY, 0},
	{RULES, SESSION "> MSG Read 2255; < MSG Namespaces a b http://plant/; > MSG Call ns=2;s=Pump ns=2;s=Start", OK, 0},
	{RULES, SESSION "> MSG Unknown", DENY, 0},
	{RULES, SESSION "> MSG Write ns=2;s=Recipe.1=5 more=00", DENY, 0},
	{RULES, SESSION "> MSG Raw 01 kind=C", OK, 0},
	{RULES, SESSION "< MSG Read.", DENY, 0},
	/* an alias is its original */
	{RULES, SESSION "> MSG Register ns=2;s=Recipe.1; < MSG Registered ns=2;i=1; > MSG Write ns=2;i=1=5", OK, 0},
	{RULES, SESSION "> MSG Register ns=2;s=Other; < MSG Registered ns=2;s=Recipe.9; > MSG Write ns=2;s=Recipe.9=5", DENY, 0},
	{RULES, SESSION "> MSG Register ns=3;s=Other", DENY, 0},
	/* a floor */
	{FLOOR RULES, "> HEL", OK, 0},
	/* the endpoint that the Hello names */
	{"      security: {endpoints: [\"opc.tcp://serv*\"]}\n" RULES, "> HEL", OK, 0},
	{"      security: {endpoints: [\"opc.tcp://other*\"]}\n" RULES, "> HEL", DENY, 0},
	{"      security: {endpoints: [\"opc.tcp://serv*\"]}\n" RULES,
	    SESSION "> MSG Write ns=2;s=Recipe.1=5", OK, 0},
	/* a channel without security is for discovery, and nothing else */
	{FLOOR RULES, "> HEL; < ACK; > OPN None 1", OK, 0},
	{FLOOR RULES, OPEN "> MSG Endpoints", OK, 0},
	{FLOOR RULES, OPEN "> MSG Create urn:me", DENY, 0},
	{FLOOR RULES, OPEN "> MSG Read i=2255", DENY, 0},
	{FLOOR RULES, OPEN "> MSG Write ns=2;s=Recipe.1=5", DENY, 0},
	{FLOOR RULES, "> HEL; < ACK; > OPN Basic256", DENY, 0},
	{FLOOR RULES, "> HEL; < ACK; > OPN Basic256Sha256", OK, 0},
	{FLOOR RULES, "> HEL; < ACK; > OPN Basic256Sha256; < OPN Basic256Sha256; > MSG Create urn:me sig=32", OK, 0},
	{FLOOR RULES, "> HEL; < ACK; > OPN Basic256Sha256; < OPN Basic256Sha256; > MSG Create urn:you sig=32", DENY, 0},
	{FLOOR RULES, "> HEL; < ACK; > OPN Basic256Sha256; < OPN Basic256Sha256; > MSG Create urn:me sig=32;"
	    "< MSG Created Basic256Sha256:2 sig=32; > MSG Activate anonymous sig=32", DENY, 0},
	{FLOOR RULES, SIGNED "> MSG Write ns=2;s=Recipe.1=5 sig=32", OK, 0},
	{FLOOR RULES, SIGNED "> MSG Write ns=2;s=Other=5 sig=32", DENY, 0},
	{FLOOR RULES, "> HEL; < ACK; > OPN Basic256Sha256; < OPN Basic256Sha256; > MSG Create urn:me sig=32;"
	    "< MSG Created Basic256Sha256:2 sig=32; > MSG Read ns=2;s=A sig=32", DENY, 0}, /* no user yet */
	{FLOOR RULES, "> HEL; < ACK; > OPN Basic256Sha256; < OPN Basic256Sha256; > MSG Endpoints sig=32;"
	    "< MSG Offers Basic256Sha256:2 sig=32", OK, 0},
	{FLOOR RULES, "> HEL; < ACK; > OPN Basic256Sha256; < OPN Basic256Sha256; > MSG Endpoints sig=32;"
	    "< MSG Offers Basic256Sha256:2 None sig=32", TELL, 0}, /* a weak endpoint */
	/* cipher text is no way round */
	{RULES, "> HEL; < ACK; > OPN Basic256Sha256; < OPN Basic256Sha256; > MSG Raw " CIPHER, DENY, 0},
	{"      encrypted: endpoint-only\n      security: {modes: [SignAndEncrypt]}\n" RULES,
	    "> HEL; < ACK; > OPN Basic256Sha256; < OPN Basic256Sha256; > MSG Raw " CIPHER, OK, 0},
	{"      encrypted: endpoint-only\n      security: {policies: [Basic256]}\n" RULES,
	    "> HEL; < ACK; > OPN Basic256Sha256; < OPN Basic256Sha256; > MSG Raw " CIPHER, DENY, 0},
	{"      encrypted: endpoint-only\n      security: {modes: [SignAndEncrypt]}\n" RULES,
	    SESSION "> MSG Raw " CIPHER, DENY, 0}, /* it is none */
	{"      encrypted: endpoint-only\n      security: {modes: [Sign, SignAndEncrypt]}\n" RULES,
	    "> HEL; < ACK; > OPN Basic256Sha256; < OPN Basic256Sha256; > MSG Raw " CIPHER
	    "; > MSG Write ns=2;s=Other=5 sig=32 cut=30", DENY, 0}, /* it is readable */
	{"      security: {modes: [SignAndEncrypt]}\n" RULES,
	    "> HEL; < ACK; > OPN None 3; < OPN None grant=9; > MSG Read ns=2;s=A", DENY, 0}, /* so it says */
	{"      security: {policies: [Basic256Sha256]}\n" RULES,
	    OPEN "> OPN Basic256Sha256; > MSG Read ns=2;s=A", DENY, 0}, /* so it asks */
	{"      security: {user-tokens: [username]}\n" RULES,
	    OPEN "> MSG Create urn:me; < MSG Created None; > MSG Activate nobody", DENY, 0},
	/* midstream */
	{FLOOR RULES, "> MSG Read ns=2;s=A", DENY, 1},
	{"      midstream: learn-once\n" FLOOR RULES, "> MSG Read ns=2;s=A", OK, 1},
	{"      midstream: learn-once\n" FLOOR RULES, "> MSG Write ns=2;s=Other=5", DENY, 1},
	{RULES, "> MSG Write ns=2;s=Recipe.1=5 sig=32", OK, 1},
	/* limits */
	{"      limits: {message: 150, over: drop}\n" RULES, SESSION "> MSG Read ns=2;s=A", OK, 0},
	{"      limits: {message: 150, over: drop}\n" RULES,
	    SESSION "> MSG Read ns=2;s=A ns=2;s=A ns=2;s=A ns=2;s=A ns=2;s=A cut=60", DENY, 0},
	{"      limits: {chunks: 2}\n" RULES, SESSION "> MSG Read ns=2;s=A cut=30", TELL, 0},
	{"      limits: {chunk: 64KiB}\n" RULES, SESSION "> MSG Read ns=2;s=A", OK, 0},
};

/* Requests that wait; the answers to too many are not too many themselves. */
static const struct policy_case pending_cases[] = {
    {"      limits: {pending: 2, over: drop}\n" RULES, SESSION "> MSG Read 1; > MSG Read ns=2;s=A",
	OK, 0},
    {"      limits: {pending: 2, over: drop}\n" RULES,
	SESSION "> MSG Read 1; > MSG Read 1; > MSG Read ns=2;s=A", DENY, 0},
    {"      limits: {pending: 2}\n" RULES,
	SESSION "> MSG Read 1; > MSG Read 1; > MSG Read ns=2;s=A cut=30", TELL, 0},
    {"      limits: {pending: 2, over: drop}\n" RULES,
	SESSION "> MSG Read 1; > MSG Read 1; < MSG Read.; > MSG Read ns=2;s=A", OK, 0},
    {"      limits: {pending: 1, over: drop}\n" RULES,
	SESSION "> MSG Read 1; > MSG Read 1; < MSG Read.", OK, 0},
};

static void
run_cases(const struct policy_case *list, size_t n)
{
	static char text[4096];
	unsigned bad = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct policy_case *c = &list[i];
		struct net_tuple t = {.proto = NET_PROTO_TCP, .sport = 40000, .dport = 4840};
		struct complaints cs = {0};
		const char *last = strrchr(c->talk, '>'), *answer = strrchr(c->talk, '<');

		world_reset();
		W.call.midstream = c->midstream;
		snprintf(text, sizeof(text), PLANT "%s", c->block);
		W.sink.pol = policy_build_text("rules", text, strlen(text), &cs);
		if (!W.sink.pol)
			complaints_print(&cs, stderr);
		assert_non_null(W.sink.pol);
		complaints_fini(&cs);
		assert_int_equal(net_addr_parse("10.1.2.5", &t.src), 0);
		assert_int_equal(net_addr_parse("10.1.2.130", &t.dst), 0);
		(void)policy_bind(W.sink.pol, &t, &W.sink.bind);
		last = !last || answer > last ? answer : last;
		snprintf(text, sizeof(text), "%.*s", (int)(last - c->talk), c->talk);
		talk(&W.talk, text);
		W.sink.worst = 0;
		talk(&W.talk, last);
		if (W.sink.worst != c->want) {
			bad++;
			print_error("policy case %u: %s%s\n  got %s, %s: %s\n", i, c->block, c->talk,
			    verdict_action_name(W.sink.worst), policy_reason_name(W.sink.v.reason), W.sink.text);
		}
	}
	assert_int_equal(bad, 0);
}

static void
under_policy(void **state)
{
	(void)state;
	run_cases(policy_cases, COUNT_OF(policy_cases));
	run_cases(pending_cases, COUNT_OF(pending_cases));
}

/* Every anomaly of the list has been raised by one of the tests above. */
static void
all_anomalies(void **state)
{
	(void)state;
	for (unsigned i = 0; anomaly_names[i]; i++)
		if (!(seen >> i & 1))
			fail_msg("anomaly %s: no test raises it", anomaly_names[i]);
}

static int
setup(void **state)
{
	(void)state;
	W.guard = guard_new(TALK_MAX);
	return dissector_lookup("opcua", &opcua_index) ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	world_reset();
	free(W.lease);
	guard_free(&W.guard);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(conversations),
	    cmocka_unit_test(who_it_is),
	    cmocka_unit_test(chunks_and_pieces),
	    cmocka_unit_test(short_bodies),
	    cmocka_unit_test(thousand_nodes),
	    cmocka_unit_test(dropped_and_again),
	    cmocka_unit_test(alias_room),
	    cmocka_unit_test(many_open),
	    cmocka_unit_test(probing),
	    cmocka_unit_test(odd_messages),
	    cmocka_unit_test(json),
	    cmocka_unit_test(under_policy),
	    cmocka_unit_test(all_anomalies),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
