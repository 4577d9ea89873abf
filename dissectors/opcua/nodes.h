/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nodes.h - the nodes of a chunk as items of its fact; included by opcua.c only.
 *
 * There is no list.  The body is walked once to count the nodes (and to read all
 * else it says); whoever asks for items walks it again from the same place.  Two
 * names are kept, that of the first item and that of the last one given.
 */
#ifndef OPCUA_NODES_H
#define OPCUA_NODES_H

#include "dissectors/opcua/common.h"
#include "dissectors/opcua/names.h"

enum space { SPACE_NODE = 0 };

/* The session that a request belongs to, as a number. */
static inline uint32_t
session_of(const struct walk *w)
{
	return (uint32_t)(w->auth ^ w->auth >> 32);
}

/* Text of a node in buf (WALK_TEXT_MAX), an alias resolved; 0: none that means it alone. */
static inline uint32_t
node_name(struct names *names, const struct walk *w, char *buf)
{
	const struct walk_node *node = &w->node;
	uint32_t n;

	if (__builtin_expect(node->flags & NODE_NAMELESS, 0))
		return 0;
	n = walk_node_text(node, buf);
	if (__builtin_expect(names && names->n_alias, 0) && node->role != ROLE_ALIAS &&
	    names->session == session_of(w)) {
		const struct rec *r = names_lookup(names, buf, n);

		if (r) {
			n = r->text_len;
			memcpy(buf, r->text + r->alias_len, n);
		}
	}
	return n;
}

/* What "ns=N" at the front of a name stands for: that of the original of an alias. */
static void
node_uri(struct names *names, struct fact_item *out)
{
	uint32_t ns = 0;

	if (out->name_len > 3 && memcmp(out->name, "ns=", 3) == 0)
		for (uint32_t i = 3; i < out->name_len && out->name[i] != ';'; i++)
			ns = ns * 10 + (uint32_t)(out->name[i] - '0');
	if (ns == 0) {
		out->uri = NS0_URI;
		out->uri_len = sizeof(NS0_URI) - 1;
	} else if (names && ns < NS_MAX && names->ns[ns]) {
		const struct rec *r = rec_at(names, names->ns[ns]);

		out->uri = r->text;
		out->uri_len = r->text_len;
	}
}

static inline void
node_item(struct names *names, const struct walk *w, char *buf, struct fact_item *out)
{
	const struct walk_node *node = &w->node;

	out->space = SPACE_NODE;
	out->access = node->access == ACC_READ ? ACC_READ : ACC_WRITE;
	out->enc = ENC_NONE;
	out->masked = false;
	out->sub = node->attribute;
	out->first = 0;
	/* Which references a client follows is shown; nothing is read or written of their type. */
	out->count = node->role == ROLE_REFTYPE && out->access == ACC_READ ? 0 : 1;
	out->vals = NULL;
	out->uri = NULL;
	out->uri_len = 0;
	out->name_len = node_name(names, w, buf);
	out->name = out->name_len ? buf : NULL;
	if (__builtin_expect(names != NULL, 0) && out->name_len) {
		node_uri(names, out);
	} else if (node->ns == 0) {
		out->uri = NS0_URI;
		out->uri_len = sizeof(NS0_URI) - 1;
	}
}

/* Node number at + 1 of the chunk, in x->again; NULL when there is none. */
static const struct walk_node *
nodes_step(struct ua_ext *x)
{
	enum walk_event e;

	while ((e = walk_next(&x->again, &x->rest)) > WALK_MORE)
		if (e == WALK_NODE) {
			x->at++;
			return &x->again.node;
		}
	return NULL;
}

static void
nodes_rewind(struct ua_ext *x)
{
	if (x->from)
		walk_copy(&x->again, x->from);
	else
		walk_start(&x->again, x->left, 0);
	x->again.opts |= WALK_OPT_NODES;
	x->rest = x->body;
	x->at = 0;
	x->walking = true;
}

/* fact.next: item it->i.  Usually the one behind that given last. */
static bool
nodes_next(const struct fact *f, struct fact_iter *it, struct fact_item *out)
{
	struct ua_ext *x = (struct ua_ext *)(uintptr_t)f->ext; /* ours, and on our stack */
	if (!x->walking || x->at > it->i)
		nodes_rewind(x);
	while (x->at <= it->i)
		if (!nodes_step(x)) {
			x->walking = false;
			return false;
		}
	node_item(x->st->names, &x->again, x->name[1], out);
	return true;
}

#endif /* OPCUA_NODES_H */
