/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml.c - see yaml.h.  The only user of libyaml, and of its event interface
 * only: the events carry positions, and nothing is built that we did not ask for.
 */
#include "policy/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "policy/complain.h"

struct reader {
	struct arena *a;
	struct complaints *c;
	yaml_parser_t parser;
	bool failed;	  /* libyaml gave up, or a limit was hit: no more events */
	uint32_t n_nodes;
	struct kids {
		struct ynode **v;
		uint32_t n, cap;
	} stack; /* kids of the collections that are open */
};

/* --- the bytes, before libyaml sees them ------------------------------------ */

unsigned
yaml_utf8(const unsigned char *p, size_t left)
{
	unsigned char lo = 0x80, hi = 0xbf;
	unsigned n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (left < n)
		return 0;
	if (p[0] == 0xe0)
		lo = 0xa0;
	else if (p[0] == 0xed)
		hi = 0x9f;
	else if (p[0] == 0xf0)
		lo = 0x90;
	else if (p[0] == 0xf4)
		hi = 0x8f;
	if (p[1] < lo || p[1] > hi)
		return 0;
	for (unsigned i = 2; i < n; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return n;
}

static bool
bytes_ok(struct complaints *c, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned line = 1, col = 1, n;

	if (len > YAML_SIZE_MAX) {
		complain_at(c, COMPLAINT_ERROR, 0, 0, "is %zu bytes long; at most %u are read", len,
		    YAML_SIZE_MAX);
		return false;
	}
	for (size_t i = 0; i < len; i += n) {
		n = yaml_utf8(p + i, len - i);
		if (n == 0 || p[i] == 0) {
			complain_at(c, COMPLAINT_ERROR, line, col, "byte 0x%02x: %s", p[i],
			    p[i] == 0 ? "a NUL is not text" : "not UTF-8");
			return false;
		}
		if (p[i] == '\n') {
			line++;
			col = 1;
		} else {
			col++;
		}
	}
	return true;
}

/* --- events to nodes ----------------------------------------------------------- */

static void
mark_complain(struct reader *r, yaml_mark_t m, const char *text)
{
	complain_at(r->c, COMPLAINT_ERROR, (unsigned)m.line + 1, (unsigned)m.column + 1, "%s", text);
}

static void
parser_complain(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *what = p->problem ? p->problem : "cannot be read";

	r->failed = true;
	if (p->error == YAML_MEMORY_ERROR)
		longjmp(*r->a->oom, 1);
	if (p->error == YAML_READER_ERROR)
		complain_at(r->c, COMPLAINT_ERROR, (unsigned)p->mark.line + 1,
		    (unsigned)p->mark.column + 1, "YAML: %s (character 0x%x)", what,
		    (unsigned)p->problem_value);
	else if (p->context)
		complain_at(r->c, COMPLAINT_ERROR, (unsigned)p->problem_mark.line + 1,
		    (unsigned)p->problem_mark.column + 1, "YAML: %s, %s", p->context, what);
	else
		complain_at(r->c, COMPLAINT_ERROR, (unsigned)p->problem_mark.line + 1,
		    (unsigned)p->problem_mark.column + 1, "YAML: %s", what);
}

/* The next event; false once libyaml has given up. */
static bool
event_next(struct reader *r, yaml_event_t *ev)
{
	if (r->failed)
		return false;
	if (!yaml_parser_parse(&r->parser, ev)) {
		parser_complain(r);
		return false;
	}
	return true;
}

static struct ynode *
node_new(struct reader *r, const yaml_event_t *ev, uint8_t kind)
{
	struct ynode *n;

	if (++r->n_nodes > YAML_NODES_MAX) {
		if (!r->failed)
			mark_complain(r, ev->start_mark, "too many values in one file");
		r->failed = true;
		return NULL;
	}
	n = arena_get(r->a, sizeof(*n));
	n->kind = kind;
	n->file = r->c->reading;
	n->line = (uint32_t)ev->start_mark.line + 1;
	n->col = (uint32_t)ev->start_mark.column + 1;
	return n;
}

static int
key_cmp(const void *va, const void *vb)
{
	const struct ynode *a = *(const struct ynode *const *)va;
	const struct ynode *b = *(const struct ynode *const *)vb;
	int d = strcmp(a->s, b->s);

	if (d != 0)
		return d;
	return a->line != b->line ? (a->line < b->line ? -1 : 1) : (a->col > b->col) - (a->col < b->col);
}

/* Keys are scalars and differ. */
static void
map_check_keys(struct reader *r, const struct ynode *map)
{
	struct ynode **keys = arena_array(r->a, map->n ? map->n : 1, sizeof(struct ynode *));
	uint32_t n = 0;

	for (uint32_t i = 0; i < map->n; i++) {
		struct ynode *k = map->kids[2 * (size_t)i];

		if (k->kind == Y_SCALAR)
			keys[n++] = k;
		else
			complain_at(r->c, COMPLAINT_ERROR, k->line, k->col,
			    "a key is one word, not a list or a map");
	}
	qsort(keys, n, sizeof(struct ynode *), key_cmp);
	for (uint32_t i = 1; i < n; i++)
		if (strcmp(keys[i]->s, keys[i - 1]->s) == 0)
			complain_at(r->c, COMPLAINT_ERROR, keys[i]->line, keys[i]->col,
			    "key \"%s\" was already given in line %u", keys[i]->s,
			    keys[i - 1]->line);
}

static struct ynode *read_node(struct reader *r, yaml_event_t *ev, unsigned depth);

/* The kids of an open list or map, up to its end event. */
static void
read_kids(struct reader *r, struct ynode *coll, yaml_event_type_t end, unsigned depth)
{
	uint32_t base = r->stack.n, n;
	yaml_event_t ev;
	struct ynode *kid;

	while (event_next(r, &ev)) {
		if (ev.type == end) {
			yaml_event_delete(&ev);
			break;
		}
		kid = read_node(r, &ev, depth + 1);
		if (!kid)
			break;
		vec_push(r->a, &r->stack, kid);
	}
	n = r->stack.n - base;
	coll->kids = arena_array(r->a, n ? n : 1, sizeof(struct ynode *));
	if (n != 0)
		memcpy(coll->kids, r->stack.v + base, n * sizeof(struct ynode *));
	coll->n = coll->kind == Y_MAP ? n / 2 : n;
	r->stack.n = base;
	if (coll->kind == Y_MAP)
		map_check_keys(r, coll);
}

/* Text of a scalar; "\0" in double quotes is the one way to smuggle in a NUL. */
static struct ynode *
read_scalar(struct reader *r, const yaml_event_t *ev)
{
	struct ynode *n = node_new(r, ev, Y_SCALAR);
	const char *s = (const char *)ev->data.scalar.value;
	size_t len = ev->data.scalar.length;

	if (!n)
		return NULL;
	if (memchr(s, 0, len)) {
		mark_complain(r, ev->start_mark, "a NUL is not text");
		len = strlen(s);
	}
	n->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	n->s = arena_strn(r->a, s, len);
	n->n = (uint32_t)len;
	return n;
}

/* Takes ev.  NULL: no more can be read. */
static struct ynode *
read_node(struct reader *r, yaml_event_t *ev, unsigned depth)
{
	static const char extra[] =
	    "anchors, aliases and tags are not part of the policy language";
	struct ynode *n = NULL;

	if (depth >= YAML_DEPTH_MAX) {
		mark_complain(r, ev->start_mark, "nested too deeply");
		r->failed = true;
		yaml_event_delete(ev);
		return NULL;
	}
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		if (ev->data.scalar.anchor || ev->data.scalar.tag)
			mark_complain(r, ev->start_mark, extra);
		n = read_scalar(r, ev);
		break;
	case YAML_SEQUENCE_START_EVENT:
		if (ev->data.sequence_start.anchor || ev->data.sequence_start.tag)
			mark_complain(r, ev->start_mark, extra);
		n = node_new(r, ev, Y_LIST);
		if (n)
			read_kids(r, n, YAML_SEQUENCE_END_EVENT, depth);
		break;
	case YAML_MAPPING_START_EVENT:
		if (ev->data.mapping_start.anchor || ev->data.mapping_start.tag)
			mark_complain(r, ev->start_mark, extra);
		n = node_new(r, ev, Y_MAP);
		if (n)
			read_kids(r, n, YAML_MAPPING_END_EVENT, depth);
		break;
	case YAML_ALIAS_EVENT: /* stand in an empty word, so that reading goes on */
		mark_complain(r, ev->start_mark, extra);
		n = node_new(r, ev, Y_SCALAR);
		if (n)
			n->s = "";
		break;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		break; /* not where a node is expected */
	}
	yaml_event_delete(ev);
	return r->failed ? NULL : n;
}

static struct ynode *
read_stream(struct reader *r)
{
	struct ynode *root = NULL;
	yaml_event_t ev;

	while (event_next(r, &ev)) {
		if (ev.type == YAML_STREAM_END_EVENT) {
			yaml_event_delete(&ev);
			break;
		}
		if (ev.type != YAML_DOCUMENT_START_EVENT) {
			yaml_event_delete(&ev);
			continue;
		}
		if (root) {
			mark_complain(r, ev.start_mark, "a policy is one document");
			yaml_event_delete(&ev);
			r->failed = true;
			break;
		}
		yaml_event_delete(&ev);
		if (!event_next(r, &ev))
			break;
		root = read_node(r, &ev, 0);
	}
	return root;
}

struct ynode *
yaml_read(struct arena *a, struct complaints *c, const char *text, size_t len)
{
	struct reader *r = arena_get(a, sizeof(*r));
	struct ynode *root;
	size_t errors = c->errors;
	jmp_buf oom, *outer = a->oom;

	if (!bytes_ok(c, text, len))
		return NULL;
	r->a = a;
	r->c = c;
	if (!yaml_parser_initialize(&r->parser))
		longjmp(*outer, 1);
	a->oom = &oom;
	if (setjmp(oom) != 0) { /* libyaml's own memory must go too */
		a->oom = outer;
		yaml_parser_delete(&r->parser);
		longjmp(*outer, 1);
	}
	yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, len);
	root = read_stream(r);
	yaml_parser_delete(&r->parser);
	a->oom = outer;
	if (!root && c->errors == errors)
		complain_at(c, COMPLAINT_ERROR, 1, 1, "the file is empty");
	return c->errors == errors ? root : NULL;
}
