/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sym_xml.c - names of OPC UA nodes, out of a NodeSet2 file ([UANodeSet.xsd], OPC 10000-6 annex F).
 *
 * A node is called by the path of its BrowseNames below the Objects folder, without their name space numbers:
 * UAObject "1:Boiler1" with UAVariable "1:Setpoint" is Boiler1.Setpoint.  The path goes up by ParentNodeId,
 * else by the first reference with IsForward="false" that is hierarchical; it ends at a node that is not in
 * the file.  What lies below a type is no instance and has no name.
 *
 * expat reads it: no document type (so no entities), no external anything, bounded depth.
 */
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "policy/syms.h"

#define XML_DEPTH_MAX  32u
#define XML_NODES_MAX  SYMS_MAX
#define XML_URIS_MAX   64u
#define PATH_DEPTH_MAX 32u

struct node {
	const char *id, *name, *parent;
	unsigned line;
	bool type; /* of types: UAObjectType, ... */
};

struct reading {
	struct sym_in *in;
	XML_Parser xml;
	unsigned depth;
	bool stopped;
	const char *uri[XML_URIS_MAX]; /* by index in the file; [0]: OPC UA's own */
	unsigned n_uris;
	struct {
		struct node *v;
		uint32_t n, cap;
	} nodes;
	bool in_node, in_uri, in_ref, nodeset;
	char text[512];
	size_t text_len;
};

static unsigned
line_of(const struct reading *r)
{
	return (unsigned)XML_GetCurrentLineNumber(r->xml);
}

static void
stop(struct reading *r, const char *why)
{
	if (!r->stopped)
		(void)sym_error(r->in, line_of(r), "%s", why);
	r->stopped = true;
	XML_StopParser(r->xml, XML_FALSE);
}

/* Without a prefix: "ua:UAVariable". */
static const char *
local(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon ? colon + 1 : name;
}

static const char *
attribute(const char **atts, const char *name)
{
	for (; atts[0]; atts += 2)
		if (strcmp(local(atts[0]), name) == 0)
			return atts[1];
	return NULL;
}

static const char *
copy(struct reading *r, const char *s)
{
	return s ? arena_strn(r->in->k->scratch, s, strlen(s)) : NULL;
}

static void
node_begin(struct reading *r, const char *name, const char **atts)
{
	const char *id = attribute(atts, "NodeId"), *browse = attribute(atts, "BrowseName");
	size_t n = strlen(name);
	struct node node = {.line = line_of(r), .type = n > 4 && strcmp(name + n - 4, "Type") == 0};
	const char *p;

	if (!id || !browse) {
		(void)sym_error(r->in, line_of(r), "%s without NodeId or BrowseName", name);
		return;
	}
	if (r->nodes.n == XML_NODES_MAX) {
		stop(r, "more nodes than a policy may have names");
		return;
	}
	p = browse + strspn(browse, "0123456789");
	node.name = copy(r, p != browse && *p == ':' ? p + 1 : browse);
	node.id = copy(r, id);
	node.parent = copy(r, attribute(atts, "ParentNodeId"));
	vec_push(r->in->k->scratch, &r->nodes, node);
	r->in_node = true;
}

/* HasComponent, HasProperty, Organizes, HasOrderedComponent: by name or number. */
static bool
hierarchical(const char *type)
{
	static const char *const types[] = {"HasComponent", "HasProperty", "Organizes",
	    "HasOrderedComponent", "i=47", "i=46", "i=35", "i=49"};

	for (unsigned i = 0; type && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

static void XMLCALL
on_start(void *ctx, const char *name, const char **atts)
{
	struct reading *r = ctx;
	const char *forward;

	name = local(name);
	if (++r->depth > XML_DEPTH_MAX) {
		stop(r, "elements within elements: more than 32");
		return;
	}
	if (r->depth == 1) {
		r->nodeset = strcmp(name, "UANodeSet") == 0;
		if (!r->nodeset)
			stop(r, "it is XML, and not a UANodeSet");
		return;
	}
	r->text_len = 0;
	if (r->depth == 2 && strncmp(name, "UA", 2) == 0) {
		node_begin(r, name, atts);
	} else if (r->depth == 3 && strcmp(name, "Uri") == 0) {
		r->in_uri = true;
	} else if (r->in_node && strcmp(name, "Reference") == 0) {
		forward = attribute(atts, "IsForward");
		r->in_ref = forward &&
			    (strcmp(forward, "false") == 0 || strcmp(forward, "0") == 0) &&
			    hierarchical(attribute(atts, "ReferenceType"));
	}
}

static void XMLCALL
on_text(void *ctx, const char *s, int n)
{
	struct reading *r = ctx;

	if (!(r->in_uri || r->in_ref))
		return;
	if ((size_t)n >= sizeof(r->text) - r->text_len) {
		stop(r, "a URI or a NodeId has at most 511 bytes");
		return;
	}
	memcpy(r->text + r->text_len, s, (size_t)n);
	r->text_len += (size_t)n;
}

static void XMLCALL
on_end(void *ctx, const char *name)
{
	struct reading *r = ctx;
	char *text = r->text;

	(void)name;
	r->text[r->text_len] = '\0';
	while (r->text_len > 0 && strchr(" \t\r\n", r->text[r->text_len - 1]))
		r->text[--r->text_len] = '\0';
	text += strspn(text, " \t\r\n");
	if (r->in_uri && r->depth == 3) {
		if (r->n_uris == XML_URIS_MAX - 1)
			stop(r, "more than 63 name spaces");
		else
			r->uri[++r->n_uris] = copy(r, text);
		r->in_uri = false;
	} else if (r->in_ref && r->nodes.n != 0) {
		struct node *node = &r->nodes.v[r->nodes.n - 1];

		if (!node->parent)
			node->parent = copy(r, text);
		r->in_ref = false;
	}
	if (r->depth == 2)
		r->in_node = false;
	r->depth--;
}

static void XMLCALL
on_doctype(void *ctx, const char *name, const char *sysid, const char *pubid, int internal)
{
	(void)name;
	(void)sysid;
	(void)pubid;
	(void)internal;
	stop(ctx, "it has a document type, which could define entities: not accepted");
}

/* --- nodes to names ------------------------------------------------------------------------------ */

static int
node_cmp(const void *va, const void *vb)
{
	const struct node *a = va, *b = vb;
	int d = strcmp(a->id, b->id);

	return d ? d : (a->line > b->line) - (a->line < b->line);
}

static const struct node *
node_find(const struct reading *r, const char *id)
{
	uint32_t lo = 0, hi = r->nodes.n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (strcmp(r->nodes.v[mid].id, id) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < r->nodes.n && strcmp(r->nodes.v[lo].id, id) == 0 ? &r->nodes.v[lo] : NULL;
}

/* Its path into buf; 0: it has none. */
static size_t
path_of(const struct reading *r, const struct node *node, char *buf, size_t size)
{
	const struct node *up[PATH_DEPTH_MAX] = {NULL};
	unsigned n = 0;
	size_t len = 0;

	for (; node; node = node->parent ? node_find(r, node->parent) : NULL) {
		if (node->type || n == PATH_DEPTH_MAX)
			return 0;
		up[n++] = node;
	}
	while (n-- > 0) {
		size_t m = strlen(up[n]->name);

		if (len + m + 2 > size)
			return 0;
		memcpy(buf + len, up[n]->name, m);
		len += m;
		if (n)
			buf[len++] = '.';
	}
	return len;
}

/* "ns=1;s=Boiler1" as a pattern of policy; NULL after a complaint. */
static const char *
pattern_of(struct reading *r, const struct node *node)
{
	struct arena *a = r->in->k->keep;
	const char *semi = strchr(node->id, ';'), *why = NULL;
	unsigned long ns = 0;
	char *out, *end;
	size_t n;

	if (strncmp(node->id, "ns=", 3) == 0 && semi) {
		ns = strtoul(node->id + 3, &end, 10);
		if (end != semi)
			why = "is not a NodeId";
	} else if (strlen(node->id) < 3 || node->id[1] != '=') {
		why = "is not a NodeId";
	}
	if (!why && semi && (strlen(semi) < 3 || semi[2] != '='))
		why = "is not a NodeId";
	if (!why && strpbrk(node->id, "*?"))
		why = "holds * or ?, which policies read as wildcards";
	if (!why && ns > r->n_uris)
		why = "is in a name space that NamespaceUris does not list";
	if (!why && ns != 0 &&
	    (strpbrk(r->uri[ns], "*?;") || strlen(r->uri[ns]) + strlen(semi) + 5 > GLOB_LEN_MAX))
		why = "is in a name space whose URI a pattern cannot hold";
	if (why) {
		(void)sym_error(r->in, node->line, "\"%.60s\" %s", node->id, why);
		return NULL;
	}
	if (ns == 0)
		return arena_strn(
		    a, semi ? semi + 1 : node->id, strlen(semi ? semi + 1 : node->id));
	n = strlen(r->uri[ns]);
	out = arena_get(a, n + strlen(semi) + 5);
	memcpy(out, "nsu=", 4);
	memcpy(out + 4, r->uri[ns], n);
	memcpy(out + 4 + n, semi, strlen(semi));
	return out;
}

static void
add_names(struct reading *r)
{
	char path[SYM_NAME_MAX + 1];
	uint8_t space = 0;
	const struct dis_schema *sc = r->in->dis->schema;

	for (unsigned i = 0; i < sc->n_keys; i++)
		if (sc->keys[i].kind == KEY_PATTERN) {
			space = sc->keys[i].space;
			break;
		}
	qsort(r->nodes.v, r->nodes.n, sizeof(*r->nodes.v), node_cmp);
	for (uint32_t i = 0; i < r->nodes.n; i++) {
		const struct node *node = &r->nodes.v[i];
		size_t n = path_of(r, node, path, sizeof(path));
		struct sym s = {.at = {.space = space}};

		if (i > 0 && strcmp(node->id, r->nodes.v[i - 1].id) == 0) {
			if (!sym_error(r->in, node->line, "%.60s is in line %u already", node->id,
				r->nodes.v[i - 1].line))
				return;
			continue;
		}
		if (n == 0)
			continue;
		if ((s.node = pattern_of(r, node)) != NULL)
			(void)sym_add(r->in, node->line, path, n, &s);
		if (!sym_more(r->in))
			return;
	}
}

void
sym_xml(struct sym_in *in)
{
	struct reading *r = arena_get(in->k->scratch, sizeof(*r));
	enum XML_Status done;
	unsigned line;
	const char *why;

	r->in = in;
	if (!sym_proto(in, "opcua"))
		return;
	r->xml = XML_ParserCreate(NULL);
	if (!r->xml) {
		(void)sym_error(in, 0, "out of memory");
		return;
	}
	(void)XML_SetHashSalt(r->xml, 0x517cc1b7); /* asks the system for no random numbers */
	XML_SetUserData(r->xml, r);
	XML_SetElementHandler(r->xml, on_start, on_end);
	XML_SetCharacterDataHandler(r->xml, on_text);
	XML_SetStartDoctypeDeclHandler(r->xml, on_doctype);
	done = XML_Parse(r->xml, in->text, (int)in->len, 1);
	line = line_of(r);
	why = XML_ErrorString(XML_GetErrorCode(r->xml));
	XML_ParserFree(r->xml);
	if (done != XML_STATUS_OK && !r->stopped)
		(void)sym_error(in, line, "XML: %s", why);
	else if (!r->stopped)
		add_names(r);
}
