/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - what bodies say beside their nodes: who the peers are, how the user
 * proves himself, which endpoints a server offers, which nodes have other names;
 * included by opcua.c only.
 */
#ifndef OPCUA_SESSION_H
#define OPCUA_SESSION_H

#include "dissectors/opcua/channel.h"
#include "dissectors/opcua/nodes.h"
#include "dissectors/opcua/pair.h"

#define NODE_NAMESPACE_ARRAY 2255 /* Server_NamespaceArray, [P6] annex A.3 */
#define NODE_SERVER_STATUS   2256 /* Server_ServerStatus */
#define NODE_BUILD_INFO	     2260 /* Server_ServerStatus_BuildInfo; behind it, up to ... */
#define NODE_BUILD_DATE                                                                            \
	2266 /* ... this one, its members: name, URI, maker, version, number, date */
#define ATTR_VALUE	     13	  /* [P6] annex A.1 */

/* One chunk (or piece of one) of MSG or CLO while it is looked at. */
struct body {
	struct dis_call *call;
	struct ua *st;
	struct ua_dir *d;
	struct walk *w;    /* of this message */
	struct ua_ext *x;
	uint64_t a;
	uint32_t request;
	uint32_t n_nodes; /* in this chunk */
	uint32_t before;  /* in those before it */
	uint16_t extra;	  /* as ua_pending.extra: of the answered request, or for the new one */
	uint8_t pair;	  /* slot of the answered request, or PAIR_NONE */
	uint8_t token;	  /* 1 + type of the user token here */
	uint8_t uri_len;  /* of the client's application URI, when it is here */
	uint8_t n_asked;
	struct ua_asked
	    asked[NODE_BUILD_DATE - NODE_NAMESPACE_ARRAY]; /* in this chunk; without slot */
	bool header;	  /* the header was completed here */
};

static const char *
mode_name(uint32_t mode)
{
	static const char *const names[] = {"Invalid", "None", "Sign", "SignAndEncrypt"};

	return mode < 4 ? names[mode] : "Invalid";
}

static const char *const token_words[] = {"anonymous", "username", "certificate", "issued", NULL};

/* --- endpoints: [P4] 7.14, in answers of GetEndpoints and CreateSession ----------------------- */

static void
endpoint(struct ua *st, uint8_t policy)
{
	if (policy != POLICY_UNKNOWN && policy < POLICY_OTHER)
		st->offer_policy |= (uint16_t)(1u << (policy - 1));
	if (st->ep_mode >= MODE_NONE && st->ep_mode <= MODE_CRYPT)
		st->offer_mode |= (uint8_t)(1u << (st->ep_mode - 1));
}

static uint8_t
best_rank(uint32_t offer)
{
	uint8_t best = 0;

	for (unsigned p = POLICY_None; p < POLICY_OTHER; p++)
		if ((offer >> (p - 1) & 1) && policies[p].rank > best)
			best = policies[p].rank;
	return best;
}

/* The list is complete. */
static uint64_t
endpoints_end(struct ua *st, uint8_t service)
{
	uint32_t none = 1u << (POLICY_None - 1), offer = st->offer_policy;
	uint64_t a = 0;

	if (offer == 0)
		return 0;
	if ((offer & none) && (offer & ~none))
		a |= UA_A(ENDPOINT_NONE);
	if (service == SVC_GetEndpoints) {
		st->listed_policy = offer;
		st->listed_mode = st->offer_mode;
		return a;
	}
	/* Compared by what they protect: a server may well add a URL. */
	if (st->listed_policy && (st->listed_policy != offer || st->listed_mode != st->offer_mode))
		a |= UA_A(ENDPOINTS_DIFFER);
	if (st->policy != POLICY_UNKNOWN && st->policy < POLICY_OTHER &&
	    policies[st->policy].rank < best_rank(offer))
		a |= UA_A(DOWNGRADE);
	return a;
}

/* --- fields --------------------------------------------------------------------------------- */

/* Who the client says it is, as policy will see it. */
static inline void
client_is(struct ua *st, const char *uri, uint32_t len)
{
	st->props.text[T_APP_URI].p = uri;
	st->props.text[T_APP_URI].n = len;
}

static void
client_uri(struct body *b)
{
	const struct ua_text *uri = &b->x->text[X_APP_URI];

	b->st->props.known &= ~KNOW_TEXT(T_APP_URI);
	if (!(b->x->has_text >> X_APP_URI & 1) || uri->n > APP_URI_MAX)
		return;
	client_is(b->st, uri->p, uri->n); /* kept when the request has gone on its way */
	b->uri_len = (uint8_t)uri->n;
	b->st->props.known |= KNOW_TEXT(T_APP_URI);
}

static __attribute__((noinline)) void
body_field(struct body *b)
{
	static const struct { /* fields that are only shown: the first of each */
		uint8_t field, text;
	} shown[] = {
	    {WF_ENDPOINT_URL, X_ENDPOINT},
	    {WF_APP_URI, X_APP_URI},
	    {WF_PRODUCT_URI, X_PRODUCT_URI},
	    {WF_SERVER_URI, X_SERVER_URI},
	    {WF_APP_NAME, X_APP_NAME},
	    {WF_SESSION_NAME, X_SESSION},
	    {WF_USER_NAME, X_USER},
	};
	const struct walk *w = b->w;
	const struct walk_field *fd = &w->field;
	struct ua_ext *x = b->x;
	struct ua *st = b->st;

	for (unsigned i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		if (shown[i].field == fd->id && !(x->has_text >> shown[i].text & 1))
			ext_text(x, shown[i].text, fd->p, fd->len);
	switch (fd->id) {
	case WF_APP_URI:
		if (w->service == SVC_CreateSession && !w->response)
			client_uri(b);
		break;
	case WF_SERVER_URI:
		if (w->service == SVC_FindServers)
			b->extra = 1;
		break;
	case WF_LIFETIME:
		x->lifetime = (uint32_t)fd->num;
		x->present |= HAS(P_LIFETIME);
		break;
	case WF_USER_TOKEN:
		b->token = (uint8_t)(1 + fd->num);
		if (fd->num < TOKEN_UNKNOWN) {
			x->user_token = token_words[fd->num];
			x->present |= HAS(P_USER_TOKEN);
		}
		break;
	case WF_TEXT:
		if (b->extra && fd->index == b->extra - 1u && !fd->truncated)
			names_ns(b->call, st, fd->elem, fd->p, fd->len);
		break;
	case WF_EP_MODE:
		st->ep_mode = (uint8_t)(fd->num <= MODE_CRYPT ? fd->num : 0);
		break;
	case WF_EP_POLICY:
		endpoint(st, policy_of(fd->p, fd->truncated ? 0 : fd->len));
		break;
	default:
		break;
	}
}

/* --- nodes that mean more than to be judged ------------------------------------------------------ */

/* Forget nodes that a RegisterNodes asked for. */
static void
register_end(struct ua *st)
{
	names_turn(st, REC_ASKED, REC_DEAD);
	st->registering = 0;
	if (st->names)
		st->names->full = false;
}

/* One at a time, since answers to several could not be told apart; one whose answer
 * can no longer come is over. */
static bool
register_begin(struct ua *st, uint32_t request)
{
	if (st->registering && st->register_id != request) {
		if (pair_slot(st, st->register_id, st->open) != PAIR_NONE)
			return false;
		register_end(st);
	}
	st->registering = 1;
	st->register_id = request;
	return true;
}

static __attribute__((noinline)) void
body_alias(struct body *b)
{
	const struct walk_node *node = &b->w->node;
	struct ua *st = b->st;
	char text[WALK_TEXT_MAX];
	uint32_t n = node_name(st->names, b->w, text), session = session_of(b->w);

	switch (node->role) {
	case ROLE_REGISTER:
		if (!register_begin(st, b->request) || n == 0 || !names_of(st->names, session) ||
		    !names_ask(b->call, st, text, n))
			b->a |= UA_A(ALIAS_UNTRACKED);
		else
			st->names->session = session;
		break;
	case ROLE_ALIAS:
		if (n == 0 || !st->registering || st->register_id != b->request ||
		    !names_alias(b->call, st, text, n))
			b->a |= UA_A(ALIAS_UNTRACKED);
		break;
	case ROLE_UNREGISTER:
		if (st->names && st->names->n_alias && !st->leaving &&
		    st->names->session == session && !(node->flags & NODE_NAMELESS)) {
			struct rec *r = names_lookup(st->names, text, walk_node_text(node, text));

			if (r)
				r->kind = REC_LEAVING;
		}
		break;
	default:
		break;
	}
}

/* Server_* nodes of which the answer counts, as bits from NODE_NAMESPACE_ARRAY on: not the time and the state, which
 * clients poll. */
#define OWN_NODES 0xfe3u

static inline bool
node_own(uint32_t num, uint16_t ns)
{
	return num - NODE_NAMESPACE_ARRAY <= NODE_BUILD_DATE - NODE_NAMESPACE_ARRAY && ns == 0 &&
	       (OWN_NODES >> (num - NODE_NAMESPACE_ARRAY) & 1);
}

/* A Read of a node of which the answer counts. */
static __attribute__((noinline)) void
body_own(struct body *b)
{
	const struct walk_node *node = &b->w->node;
	uint32_t index = b->before + b->n_nodes;

	if (node->id_type != ID_NUMERIC || node->attribute != ATTR_VALUE ||
	    node->flags & NODE_RANGE || b->w->service != SVC_Read || index >= UINT16_MAX - 1)
		return;
	if (node->num == NODE_NAMESPACE_ARRAY)
		b->extra = (uint16_t)(1 + index);
	else if (b->n_asked < sizeof(b->asked) / sizeof(b->asked[0]))
		b->asked[b->n_asked++] = (struct ua_asked){
		    .node = (uint8_t)(node->num - NODE_NAMESPACE_ARRAY), .index = (uint16_t)index};
}

/* The Read is on its way, in this slot.  What finds no room is not told: it costs a line in the list of devices. */
static __attribute__((noinline)) void
asked_keep(struct ua *st, const struct body *b, unsigned slot)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ASKED; i++) {
		struct ua_asked *k = &st->asked[i];

		if (k->slot == slot || !(st->open >> k->slot & 1) || !st->pending[k->slot].asked)
			k->node = 0; /* answered, or another request is there by now */
		if (k->node == 0 && n < b->n_asked) {
			*k = b->asked[n++];
			k->slot = (uint8_t)slot;
		}
	}
	st->pending[slot].asked = n != 0;
}

static inline void
body_node(struct body *b)
{
	const struct walk_node *node = &b->w->node;

	if (__builtin_expect(node->flags & NODE_NAMELESS, 0))
		b->a |= UA_A(NODE_UNNAMED);
	if (__builtin_expect(node->role >= ROLE_REGISTER, 0))
		body_alias(b);
	if (__builtin_expect(node_own(node->num, node->ns), 0))
		body_own(b);
	b->n_nodes++;
}

/* --- the message is complete ----------------------------------------------------------------------- */

/* What it says wrong, once all of it is here. */
static __attribute__((noinline)) uint64_t
session_check(struct body *b, uint8_t service, bool response)
{
	const struct ua *st = b->st;

	if (response && (service == SVC_GetEndpoints || service == SVC_CreateSession))
		return endpoints_end(b->st, service);
	if (!response && service == SVC_ActivateSession && !b->call->midstream &&
	    !(st->flags & (F_CREATED | F_ACTIVE)))
		return UA_A(SESSION_ELSEWHERE);
	return 0;
}

/* A request that has gone on its way. */
static void
session_request(struct body *b, uint8_t service)
{
	struct ua *st = b->st;

	switch (service) {
	case SVC_CreateSession:
		st->flags |= F_CREATED;
		break;
	case SVC_ActivateSession:
		st->flags |= F_ACTIVE;
		break;
	case SVC_CloseSession:
		b->extra = st->names && st->names->session == session_of(b->w);
		break;
	case SVC_UnregisterNodes:
		if (!st->leaving) {
			st->leaving = 1;
			st->leave_id = b->request;
		}
		break;
	default:
		break;
	}
}

/* An answer that has; bad: it is a refusal. */
static void
session_answer(struct body *b, uint8_t service, bool bad)
{
	struct ua *st = b->st;

	switch (service) {
	case SVC_ActivateSession:
		if (!bad && b->extra) {
			st->props.num[N_TOKEN] =
			    b->extra - 1u < TOKEN_UNKNOWN ? b->extra - 1u : UINT32_MAX;
			st->props.known |= KNOW(N_TOKEN);
		}
		break;
	case SVC_CloseSession:
		if (!bad && b->extra && st->names)
			names_forget(st->names);
		break;
	case SVC_RegisterNodes:
		if (st->registering && st->register_id == b->request)
			register_end(st);
		break;
	case SVC_UnregisterNodes:
		if (st->leaving && st->leave_id == b->request) {
			names_turn(st, REC_LEAVING, bad ? REC_ALIAS : REC_GONE);
			st->leaving = 0;
		}
		break;
	default:
		break;
	}
}

#endif /* OPCUA_SESSION_H */
