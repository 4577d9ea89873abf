/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.h - what an application says of itself; included by opcua.c only, not on the packet path.
 *
 *   ApplicationDescription ([P4] 7.2)  of a server in its first endpoint, of a client in CreateSession; of FindServers the
 *                                      only one, if none was asked for by name, or that of a discovery server
 *   RegisteredServer ([P4] 7.32)       a server tells a discovery server who it is
 *   BuildInfo (OPC 10000-5, 12.4)      in answers to a Read of i=2260, of its members, or of the ServerStatus around it
 *
 * Of an answer that is read again for this, nothing is judged: what cannot be read ends it.
 */
#ifndef OPCUA_IDENTITY_H
#define OPCUA_IDENTITY_H

#include "base/clock.h"
#include "dissectors/opcua/session.h"

#define TIME_1970 UINT64_C(116444736000000000) /* as a DateTime, [P6] 5.2.2.5: 100 ns since 1601 */

static void
identity_texts(const struct ua_ext *x, dis_identity_put *put, void *ctx)
{
	static const struct {
		uint8_t text, key;
	} texts[] = {{X_APP_NAME, IDENT_NAME}, {X_APP_URI, IDENT_URI}, {X_PRODUCT_URI, IDENT_TEXT}};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (x->has_text >> texts[i].text & 1)
			put(ctx, (enum dis_identity_key)texts[i].key, x->text[texts[i].text].p,
			    x->text[texts[i].text].n);
}

/* A DateTime as RFC 3339 has it, to the second.  One before 1970 or after 2500 stands for "not known": it is not told. */
static void
identity_time(uint64_t t, dis_identity_put *put, void *ctx)
{
	char text[CLOCK_STRLEN];

	if (t < TIME_1970 || t - TIME_1970 > UINT64_MAX / 100)
		return;
	memcpy(clock_str((t - TIME_1970) * 100, text) + 19, "Z", 2);
	put(ctx, IDENT_BUILT, text, 20);
}

/* The slot of the request that an answer is for; PAIR_NONE: who knows. */
static unsigned
identity_request(const struct ua_ext *x)
{
	unsigned slot = pair_slot(x->st, x->request, x->st->open);

	if (slot == PAIR_NONE ||
	    pair_slot(x->st, x->request, x->st->open & ~(1u << slot)) != PAIR_NONE)
		return PAIR_NONE;
	return slot;
}

/* The node that the Read in this slot asked for with its result index; 0: none of ours. */
static uint32_t
identity_asked(const struct ua *st, unsigned slot, uint16_t index)
{
	for (unsigned i = 0; i < ASKED; i++)
		if (st->asked[i].node != 0 && st->asked[i].slot == slot &&
		    st->asked[i].index == index)
			return NODE_NAMESPACE_ARRAY + st->asked[i].node;
	return 0;
}

static void
identity_build(const struct ua_ext *x, dis_identity_put *put, void *ctx)
{
	/* by node, from NODE_BUILD_INFO + 1 on; and the same as fields of a BuildInfo */
	static const struct {
		uint8_t field, key;
	} members[] = {{WF_BUILD_NAME, IDENT_MODEL}, {WF_BUILD_URI, IDENT_TEXT},
	    {WF_BUILD_MAKER, IDENT_VENDOR}, {WF_BUILD_VERSION, IDENT_FIRMWARE},
	    {WF_BUILD_NUMBER, IDENT_BUILD}};
	const size_t n_members = sizeof(members) / sizeof(members[0]);
	unsigned slot = identity_request(x);
	struct cur c = x->body;
	enum walk_event e;
	struct walk w;

	/* A later chunk begins in the middle of a body of which nothing is kept. */
	if (slot == PAIR_NONE || !x->st->pending[slot].asked || x->from)
		return;
	walk_start(&w, x->left, WALK_OPT_TEXT | WALK_OPT_IDENT);
	while ((e = walk_next(&w, &c)) > WALK_MORE) {
		const struct walk_field *fd = &w.field;
		uint32_t node = e == WALK_FIELD ? identity_asked(x->st, slot, fd->index) : 0;
		bool whole = node == NODE_SERVER_STATUS || node == NODE_BUILD_INFO;

		if (node == 0)
			continue;
		if (fd->id == (whole ? WF_BUILD_DATE : WF_TIME) &&
		    (whole || node == NODE_BUILD_DATE))
			identity_time(fd->num, put, ctx);
		for (size_t i = 0; i < n_members; i++)
			if (whole ? fd->id == members[i].field
				  : fd->id == WF_TEXT && node == NODE_BUILD_INFO + 1 + i)
				put(ctx, (enum dis_identity_key)members[i].key, fd->p, fd->len);
	}
}

/*
 * FindServers ([P4] 5.5.2): a server knows itself only; a discovery server knows others, and is the one of its type.  The
 * texts of the fact are those of the first, so more is looked at only to see whether there are others.
 */
static void
identity_servers(const struct ua_ext *x, dis_identity_put *put, void *ctx)
{
	unsigned slot = identity_request(x), n = 0, types = 0;
	struct cur c = x->body;
	enum walk_event e;
	struct walk w;

	if (slot == PAIR_NONE || x->from)
		return;
	walk_start(&w, x->left, 0);
	while ((e = walk_next(&w, &c)) > WALK_MORE)
		if (e == WALK_FIELD && w.field.id == WF_APP_TYPE && n++ == 0)
			types = (unsigned)w.field.num;
	if (e == WALK_END && (types == 3 || (n == 1 && x->st->pending[slot].extra == 0)))
		identity_texts(x, put, ctx);
}

static void
opcua_identity(const struct fact *f, dis_identity_put *put, void *ctx)
{
	const struct ua_ext *x = f->ext;
	bool answer = f->kind == FACT_RESPONSE;

	if (!x || f->kind > FACT_RESPONSE || f->anomalies & FACT_A_UNSOLICITED)
		return;
	if (f->opx == SVC_CreateSession || (f->opx == SVC_GetEndpoints && answer)) {
		identity_texts(x, put, ctx);
	} else if ((f->opx == SVC_RegisterServer || f->opx == SVC_RegisterServer2) && !answer) {
		identity_texts(x, put, ctx);
		if (x->has_text >> X_SERVER_URI & 1) /* elsewhere it is the other one's */
			put(ctx, IDENT_URI, x->text[X_SERVER_URI].p, x->text[X_SERVER_URI].n);
	}
	if (f->opx == SVC_FindServers && answer)
		identity_servers(x, put, ctx);
	if (f->opx == SVC_Read && answer)
		identity_build(x, put, ctx);
}

#endif /* OPCUA_IDENTITY_H */
