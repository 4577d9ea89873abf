/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_name.c - patterns to tries.
 *
 * A pattern is a literal beginning and a tail: nothing (that name alone), "*"
 * (every name that begins so) or more (to be tried on the rest of the name).
 * The literals of all rules make a trie.  Each node has the candidates for the
 * names that end there, and for those that go on where no pattern does; so
 * names and beginnings cost their length, however many rules there are, and a
 * tail is tried only on names that begin as its pattern does.
 *
 * "nsu=URI;REST" is a pattern of REST in a trie of its own per URI; its
 * candidates and those of the whole name are merged when a name is judged.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/compile.h"

struct entry {
	const char *lit;
	uint32_t len;
	uint32_t i;	  /* rule: its place in the set */
	const char *tail; /* NULL: the name ends here; "": any rest */
	const struct re_table *re; /* instead of what tail says; NULL: a glob */
};
struct entries {
	struct entry *v;
	uint32_t n, cap;
};

struct builder {
	struct compiler *k;
	const struct entry *e;
	bool text;  /* not rules but one list: does it match? */
	bool whole; /* keep lists, to be merged */
};

/* Entries that hold for all names below a node, in the order of rules. */
struct live {
	const struct entry **v;
	uint32_t n;
};

/* Of an expression: its table, once, however many nodes need it. */
static uint32_t
put_table(struct compiler *k, const struct entry *e)
{
	uint32_t at = (uint32_t)((uintptr_t)e->re >> 2) % RES_SEEN, words = e->re->words;
	struct tb_tail *t;

	if (!k->res)
		k->res = arena_array(k->a, RES_SEEN, sizeof(*k->res));
	for (; k->res[at].table; at = (at + 1) % RES_SEEN)
		if (k->res[at].table == e->re)
			return k->res[at].put;
	if (!work_add(k, words))
		return 0;
	t = arena_get(k->u, sizeof(*t) + words * 4u);
	t->skip = e->len | TB_TAIL_RE;
	memcpy(t->glob, e->re, words * 4u);
	k->res[at].table = e->re;
	return k->res[at].put = image_put(&k->im, (const uint32_t *)t, 1 + words);
}

static uint32_t
put_tail(struct compiler *k, const struct entry *e)
{
	size_t len = e->re ? e->re->words * 4u : strlen(e->tail) + 1;
	struct tb_tail *t;

	if (e->re)
		return put_table(k, e);
	t = arena_get(k->u, sizeof(*t) + len + 3);
	t->skip = e->len;
	memcpy(t->glob, e->tail, len);
	return image_put(&k->im, (const uint32_t *)t, 1 + words_of((uint32_t)len));
}

static bool
is_tail(const struct entry *e)
{
	return e->tail && *e->tail;
}

static struct tb_seg
text_seg(struct builder *b, const struct live *l)
{
	struct cands cs = {0};

	for (uint32_t i = 0; i < l->n; i++) {
		if (!is_tail(l->v[i]))
			return (struct tb_seg){.bits = 1};
		vec_push(b->k->u, &cs, ((struct tb_cand){.bits = 1, .limit = put_tail(b->k, l->v[i]),
		    .flags = CAND_TAIL | CAND_ENDS}));
	}
	if (cs.n == 0)
		return (struct tb_seg){.bits = 0};
	vec_push(b->k->u, &cs, ((struct tb_cand){.flags = CAND_LAST | CAND_ENDS}));
	return (struct tb_seg){.list = image_put(&b->k->im, (const uint32_t *)cs.v, cs.n * 4)};
}

static struct tb_seg
live_seg(struct builder *b, const struct live *l)
{
	struct compiler *k = b->k;
	struct cands cs = {0};
	uint32_t tails = 0;

	for (uint32_t i = 0; i < l->n; i++)
		tails += is_tail(l->v[i]);
	if (tails > GLOBS_LINEAR) {
		k->fault = "more than 64 patterns that begin alike have * or ? before their end, "
			   "or are re:";
		k->too_big = true;
		return (struct tb_seg){0};
	}
	if (b->text)
		return text_seg(b, l);
	for (uint32_t i = 0; i < l->n && !cs.ended; i++) {
		const struct entry *e = l->v[i];

		cand_add(k, k->u, &cs, k->in[e->i], is_tail(e) ? put_tail(k, e) : 0,
		    e->i << CAND_ORDER | (is_tail(e) ? CAND_TAIL : 0u));
	}
	return cands_seg(k, k->u, &cs, 0, b->whole);
}

static int
entry_order(const void *va, const void *vb)
{
	const struct entry *a = *(const struct entry *const *)va;
	const struct entry *b = *(const struct entry *const *)vb;

	if (a->i != b->i)
		return a->i < b->i ? -1 : 1;
	return (int)is_tail(a) - (int)is_tail(b);
}

/* What holds above and, of the entries that end at this node, those that go on (or not). */
static struct live
live_with(struct builder *b, const struct live *above, uint32_t lo, uint32_t hi, bool ends)
{
	struct live l = {arena_array(b->k->u, above->n + (hi - lo) + 1u, sizeof(*l.v)), above->n};
	uint32_t n = 0;

	memcpy(l.v, above->v, above->n * sizeof(*l.v));
	for (uint32_t i = lo; i < hi; i++)
		if (b->e[i].tail || ends)
			l.v[l.n++] = &b->e[i];
	qsort(l.v, l.n, sizeof(*l.v), entry_order);
	work_add(b->k, l.n);
	while (n < l.n) { /* what stands behind a rule that decides for sure never matters */
		const struct entry *e = l.v[n++];

		if (!is_tail(e) && (b->text || rule_decides(b->k, b->k->in[e->i])))
			break;
	}
	l.n = n;
	return l;
}

/* Entries lo..hi-1 have their first depth bytes in common. */
static uint32_t
build_node(struct builder *b, uint32_t lo, uint32_t hi, uint32_t depth, const struct live *above)
{
	const struct entry *first = &b->e[lo], *last = &b->e[hi - 1];
	uint32_t at = depth, here = lo, n_kids = 0, bytes_at, off;
	struct words w = {0}, kids = {0};
	struct live end, more;
	struct tb_node *node;
	uint8_t byte[256];

	while (depth != 0 && at < first->len && at < last->len && first->lit[at] == last->lit[at])
		at++;
	while (here < hi && b->e[here].len == at)
		here++;
	end = live_with(b, above, lo, here, true);
	more = live_with(b, above, lo, here, false);
	for (uint32_t i = here, j; i < hi && !b->k->too_big; i = j) {
		for (j = i + 1; j < hi && b->e[j].lit[at] == b->e[i].lit[at]; j++)
			;
		byte[n_kids++] = (uint8_t)b->e[i].lit[at];
		off = build_node(b, i, j, at + 1, &more);
		vec_push(b->k->u, &kids, off);
	}
	if (b->k->too_big)
		return 0;
	/* the byte that leads here stands in the edge too */
	depth -= depth != 0;
	bytes_at = (uint32_t)(sizeof(*node) / 4) + words_of(at - depth);
	w.cap = w.n = bytes_at + words_of(n_kids) + n_kids;
	w.v = arena_array(b->k->u, w.n, sizeof(*w.v));
	node = (struct tb_node *)w.v;
	node->end = live_seg(b, &end);
	node->more = live_seg(b, &more);
	node->n_edge = at - depth;
	node->n_kids = n_kids;
	memcpy(node->rest, first->lit + depth, at - depth);
	memcpy(w.v + bytes_at, byte, n_kids);
	if (n_kids != 0)
		memcpy(w.v + bytes_at + words_of(n_kids), kids.v, n_kids * sizeof(*kids.v));
	return image_put(&b->k->im, w.v, w.n);
}

static int
entry_cmp(const void *va, const void *vb)
{
	const struct entry *a = va, *b = vb;
	int d = memcmp(a->lit, b->lit, a->len < b->len ? a->len : b->len);

	return d != 0 ? d : (a->len > b->len) - (a->len < b->len);
}

static uint32_t
build_trie(struct compiler *k, struct entries *es, bool text, bool whole)
{
	struct builder b = {.k = k, .text = text, .whole = whole};
	struct live none = {arena_get(k->u, sizeof(*none.v)), 0};

	if (es->n == 0) {
		struct tb_node node = {.end = live_seg(&b, &none), .more = live_seg(&b, &none)};

		return image_put(&k->im, (const uint32_t *)&node, sizeof(node) / 4);
	}
	qsort(es->v, es->n, sizeof(*es->v), entry_cmp);
	b.e = es->v;
	return build_node(&b, 0, es->n, 0, &none);
}

static void
entry_add(struct compiler *k, struct entries *es, const char *glob, uint32_t i)
{
	const struct re_table *re = glob_re(glob);
	struct entry e = {.lit = glob, .len = (uint32_t)strcspn(glob, "*?"), .i = i};

	if (re) {
		e.tail = glob + 3 + re->from;
		e.lit = re_lit(re);
		e.len = re->lit;
		e.re = re;
		if (*e.tail == '\0' || strcmp(e.tail, ".*") == 0) { /* a name, or any rest */
			e.tail = *e.tail ? "" : NULL;
			e.re = NULL;
		}
	} else if (glob[e.len] != '\0')
		e.tail = strcmp(glob + e.len, "*") == 0 ? "" : glob + e.len;
	vec_push(k->u, es, e);
}

/* --- a slot -------------------------------------------------------------------------------- */

/* Items whose name is not known: "*" takes them, and every denial. */
static struct tb_seg
unknown_seg(struct compiler *k, unsigned slot, const bool *has)
{
	struct cands cs = {0};

	for (uint32_t i = 0; i < k->n_in; i++) {
		const struct rule *r = k->in[i];
		const struct globs *g = &r->names[slot];
		bool hit = r->everything || (r->deny && g->n != 0);

		for (uint32_t j = 0; j < g->n; j++)
			hit = hit || strcmp(g->v[j], "*") == 0;
		if (has[i] && hit)
			cand_add(k, k->u, &cs, r, 0, 0);
	}
	return cands_seg(k, k->u, &cs, 0, false);
}

/* Patterns of the slot in the name space of uri; NULL: of whole names. */
static uint32_t
names_trie(struct compiler *k, unsigned slot, const bool *has, const struct glob *uri, bool whole)
{
	struct entries es = {0};

	for (uint32_t i = 0; i < k->n_in && work_add(k, 1); i++) {
		const struct globs *g = &k->in[i]->names[slot];

		if (!has[i])
			continue;
		if (k->in[i]->everything && !uri)
			entry_add(k, &es, "*", i);
		for (uint32_t j = 0; j < g->n && work_add(k, 1); j++) {
			struct glob p = glob_parse(g->v[j]);

			if (!p.uri && !uri)
				entry_add(k, &es, p.text, i);
			else if (p.uri && uri && uri->uri_len == p.uri_len &&
				 memcmp(uri->uri, p.uri, p.uri_len) == 0)
				entry_add(k, &es, p.text, i);
		}
	}
	return build_trie(k, &es, false, whole);
}

/* Denials in any name space. */
static uint32_t
nowhere_trie(struct compiler *k, unsigned slot, const bool *has)
{
	struct entries es = {0};

	for (uint32_t i = 0; i < k->n_in; i++)
		for (uint32_t j = 0; has[i] && k->in[i]->deny && j < k->in[i]->names[slot].n; j++) {
			struct glob p = glob_parse(k->in[i]->names[slot].v[j]);

			if (p.uri)
				entry_add(k, &es, p.text, i);
		}
	return build_trie(k, &es, false, true);
}

static bool
find_uris(struct compiler *k, unsigned slot, const bool *has, struct glob uri[BLOCK_URIS],
    uint32_t *n)
{
	for (uint32_t i = 0; i < k->n_in; i++)
		for (uint32_t j = 0; has[i] && j < k->in[i]->names[slot].n; j++) {
			struct glob p = glob_parse(k->in[i]->names[slot].v[j]);
			uint32_t u = 0;

			if (!p.uri)
				continue;
			while (u < *n && (uri[u].uri_len != p.uri_len ||
					     memcmp(uri[u].uri, p.uri, p.uri_len) != 0))
				u++;
			if (u == BLOCK_URIS) {
				k->fault = "patterns name more than 64 name spaces by nsu=";
				k->too_big = true;
				return false;
			}
			if (u == *n)
				uri[(*n)++] = p;
		}
	return true;
}

uint32_t
compile_names(struct compiler *k, unsigned slot, const bool *has)
{
	struct glob uri[BLOCK_URIS];
	struct tb_names *t;
	uint32_t n = 0, size;

	if (!find_uris(k, slot, has, uri, &n))
		return 0;
	size = (uint32_t)(sizeof(*t) + n * sizeof(t->uri[0])) / 4;
	t = arena_get(k->u, size * 4u);
	t->type = TB_NAMES;
	t->n_uris = n;
	t->unknown = unknown_seg(k, slot, has);
	t->root = names_trie(k, slot, has, NULL, n != 0);
	if (n != 0)
		t->nowhere = nowhere_trie(k, slot, has);
	for (uint32_t u = 0; u < n; u++) {
		char *text = arena_get(k->u, uri[u].uri_len + 4u);

		memcpy(text, uri[u].uri, uri[u].uri_len);
		t->uri[u].len = uri[u].uri_len;
		t->uri[u].text = image_put(&k->im, (const uint32_t *)text, words_of(uri[u].uri_len));
		t->uri[u].root = names_trie(k, slot, has, &uri[u], true);
	}
	return image_put(&k->im, (const uint32_t *)t, size);
}

uint32_t
compile_texts(struct compiler *k, const struct globs *g)
{
	struct entries es = {0};
	uint32_t root;

	for (uint32_t i = 0; i < g->n; i++)
		entry_add(k, &es, g->v[i], 0);
	root = build_trie(k, &es, true, false);
	arena_reset(k->u);
	return root;
}
