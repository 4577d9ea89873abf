/* SPDX-License-Identifier: Apache-2.0 */
/* syms.c - see syms.h: reading them, finding them by name and by what they stand for. */
#include "policy/syms.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/include.h"
#include "policy/table.h"

#define NEAR_MAX    20u /* unknown names for which the nearest is looked for */
#define FILE_ERRORS 50u /* of one file; then it is not read on */

/* --- what a reader of a file adds ------------------------------------------------------------- */

bool
sym_error(struct sym_in *in, unsigned line, const char *fmt, ...)
{
	va_list ap;

	if (in->errors == FILE_ERRORS)
		return false;
	va_start(ap, fmt);
	if (in->number == 0)
		in->number = include_number(in->k, in->file);
	complain_v(
	    in->k->c, COMPLAINT_ERROR, &(struct place){.line = line, .file = in->number}, fmt, ap);
	va_end(ap);
	in->k->names_bad = true;
	return ++in->errors < FILE_ERRORS;
}

bool
sym_more(const struct sym_in *in)
{
	return in->errors < FILE_ERRORS;
}

bool
sym_proto(struct sym_in *in, const char *proto)
{
	in->dis = dissector_lookup(proto, &in->proto);
	if (!in->dis)
		(void)sym_error(
		    in, 1, "names of %s: this build does not read that protocol", proto);
	return in->dis != NULL;
}

bool
sym_add(struct sym_in *in, unsigned line, const char *name, size_t n, struct sym *s)
{
	struct ruleset *rs = in->k->rs;
	const char *why = NULL;

	if (rs->syms.n == SYMS_MAX)
		why = "a policy has at most 262144 names";
	else if (n == 0)
		why = "a name is missing";
	else if (n > SYM_NAME_MAX)
		why = "a name has at most 255 bytes";
	for (size_t i = 0; !why && i < n; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f ||
		    ((unsigned char)name[i] == 0xc2 && (unsigned char)name[i + 1] < 0xa0))
			why = "a name holds no control characters";
	if (why) {
		(void)sym_error(in, line, "%s", why);
		return false;
	}
	s->name = arena_strn(in->k->keep, name, n);
	s->file = in->file;
	s->line = line;
	s->device = in->device;
	s->proto = in->proto;
	vec_push(in->k->scratch, &rs->syms, *s); /* in its own place once it is sorted */
	return true;
}

/* --- names: ------------------------------------------------------------------------------------ */

static bool
ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	if (n < m)
		return false;
	for (size_t i = 0; i < m; i++)
		if ((name[n - m + i] | 32) != end[i])
			return false;
	return true;
}

/* Bytes above 127 that are no UTF-8 are ISO 8859-1: what older tools write. */
static void
to_utf8(struct sym_in *in)
{
	const uint8_t *p = (const uint8_t *)in->text;
	char *out, *w;
	size_t high = 0;
	bool utf8 = true;

	for (size_t i = 0; i < in->len; i++) {
		size_t more = p[i] < 0x80 ? 0 : p[i] >= 0xf0 ? 3 : p[i] >= 0xe0 ? 2 : 1;

		high += p[i] >= 0x80;
		utf8 = utf8 && (p[i] < 0x80 || (p[i] >= 0xc2 && p[i] < 0xf5));
		for (size_t j = 0; utf8 && j < more; j++)
			utf8 = i + 1 < in->len && (p[++i] & 0xc0) == 0x80;
		if (!utf8)
			break;
	}
	if (utf8)
		return;
	high = 0;
	for (size_t i = 0; i < in->len; i++)
		high += p[i] >= 0x80;
	w = out = arena_get(in->k->scratch, in->len + high + 1);
	for (size_t i = 0; i < in->len; i++) {
		if (p[i] >= 0x80)
			*w++ = (char)(0xc0 | p[i] >> 6);
		*w++ = (char)(p[i] >= 0x80 ? 0x80 | (p[i] & 0x3f) : p[i]);
	}
	in->text = out;
	in->len = (size_t)(w - out);
}

static void
read_names(struct check *k, const struct ynode *at, const char *who, uint32_t device)
{
	struct sym_in in = {.k = k, .device = device};
	const char *p;

	if (!(in.text = include_text(k, at, who, &in.len, &in.file))) {
		k->names_bad = true;
		return;
	}
	if (in.len >= 2 &&
	    (memcmp(in.text, "\xff\xfe", 2) == 0 || memcmp(in.text, "\xfe\xff", 2) == 0)) {
		(void)sym_error(&in, 1, "it is UTF-16: save it as UTF-8");
		return;
	}
	if (memchr(in.text, '\0', in.len)) {
		(void)sym_error(&in, 1, "it is not text");
		return;
	}
	if (in.len >= 3 && memcmp(in.text, "\xef\xbb\xbf", 3) == 0) {
		in.text += 3;
		in.len -= 3;
	}
	p = in.text + strspn(in.text, " \t\r\n");
	if (*p == '<') {
		sym_xml(&in);
		return;
	}
	to_utf8(&in);
	if (ends_in(in.file, ".sdf"))
		sym_sdf(&in);
	else if (ends_in(in.file, ".db") || ends_in(in.file, ".awl"))
		sym_db(&in);
	else
		sym_table(&in);
}

static void
read_all_names(struct check *k, const struct ynode *n, const char *who, uint32_t device)
{
	if (n->kind == Y_MAP) {
		check_error(k, n, "%s: names: expected a file, or a list of them", who);
		return;
	}
	for (uint32_t i = 0; i < list_n(n); i++)
		read_names(k, list_at(n, i), who, device);
}

void
check_names_of(struct check *k, const struct ynode *n, uint32_t device)
{
	struct what what = {""};
	const char *who = what_name(&what, "device", k->rs->devices[device].name);

	read_all_names(k, n, who, device);
}

void
check_names(struct check *k, const struct ynode *n)
{
	if (n->kind != Y_MAP) {
		check_error(k, n, "names: expected a map from devices to files");
		return;
	}
	for (uint32_t i = 0; i < n->n; i++) {
		const struct ynode *key = n->kids[2 * (size_t)i];
		const struct name_entry *e = names_find(k, key->s);

		if (e && e->kind == NAME_DEVICE)
			check_names_of(k, n->kids[2 * (size_t)i + 1], e->index);
		else
			check_error(k, key, "names: \"%s\" is not a device", key->s);
	}
}

/* --- by name ------------------------------------------------------------------------------------- */

static int
name_cmp(const void *va, const void *vb)
{
	const struct sym *a = va, *b = vb;
	int d = strcmp(a->name, b->name);

	if (d != 0)
		return d;
	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	d = strcmp(a->file, b->file);
	return d ? d : (a->line > b->line) - (a->line < b->line);
}

/* Behind "ns=N;" or "nsu=URI;"; *other: it is in a name space other than 0. */
static const char *
node_id(const char *node, size_t n, size_t *len, bool *other)
{
	const char *semi = n > 3 && memcmp(node, "ns", 2) == 0 ? memchr(node, ';', n) : NULL;
	const char *id = semi ? semi + 1 : node;

	*other = semi != NULL;
	*len = n - (size_t)(id - node);
	return id;
}

static int
id_cmp(const char *a, size_t n, const char *b, size_t m)
{
	int d = memcmp(a, b, n < m ? n : m);

	return d ? d : (n > m) - (n < m);
}

/* Order in which what something stands for is looked up. */
static int
place_cmp(const struct sym *a, const struct sym *b)
{
	size_t n, m;
	bool other, other_b;
	const char *x, *y;

	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	if (a->node && b->node) {
		x = node_id(a->node, strlen(a->node), &n, &other);
		y = node_id(b->node, strlen(b->node), &m, &other_b);
		return other != other_b ? (other ? 1 : -1) : id_cmp(x, n, y, m);
	}
	if (a->at.space != b->at.space)
		return a->at.space < b->at.space ? -1 : 1;
	if (a->at.sub != b->at.sub)
		return a->at.sub < b->at.sub ? -1 : 1;
	return (a->at.first > b->at.first) - (a->at.first < b->at.first);
}

static int
index_cmp(const void *va, const void *vb)
{
	const struct sym *a = *(const struct sym *const *)va, *b = *(const struct sym *const *)vb;
	int d = place_cmp(a, b);

	return d ? d : (a > b) - (a < b);
}

void
syms_sort(struct check *k)
{
	struct ruleset *rs = k->rs;
	const struct sym **at;
	struct sym *v;

	if (rs->syms.n == 0)
		return;
	v = arena_array(k->keep, rs->syms.n, sizeof(*v));
	memcpy(v, rs->syms.v, rs->syms.n * sizeof(*v));
	rs->syms.v = v;
	qsort(rs->syms.v, rs->syms.n, sizeof(*rs->syms.v), name_cmp);
	rs->sym_at = at = arena_array(k->keep, rs->syms.n, sizeof(*at));
	for (uint32_t i = 0; i < rs->syms.n; i++)
		at[i] = &rs->syms.v[i];
	qsort(at, rs->syms.n, sizeof(*at), index_cmp);
}

bool
syms_leads_to(const struct ruleset *rs, const struct conduit *c, uint32_t device)
{
	for (uint32_t i = 0; i < c->to.n; i++)
		if (c->to.v[i].kind == END_DEVICE ? c->to.v[i].index == device
						  : c->to.v[i].index == rs->devices[device].zone)
			return true;
	return false;
}

static bool
same_thing(const struct sym *a, const struct sym *b)
{
	if (a->node || b->node)
		return a->node && b->node && strcmp(a->node, b->node) == 0;
	return a->at.space == b->at.space && a->at.sub == b->at.sub && a->at.first == b->at.first &&
	       a->at.last == b->at.last;
}

/* The first of this name, or where it would stand. */
static uint32_t
name_place(const struct ruleset *rs, const char *name)
{
	uint32_t lo = 0, hi = rs->syms.n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (strcmp(rs->syms.v[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

enum sym_found
syms_find(const struct ruleset *rs, const struct conduit *c, uint8_t proto, const char *name,
    const struct sym *found[2])
{
	enum sym_found n = SYM_NONE;

	for (uint32_t i = name_place(rs, name); i < rs->syms.n; i++) {
		const struct sym *s = &rs->syms.v[i];

		if (strcmp(s->name, name) != 0)
			break;
		if (s->proto != proto || !syms_leads_to(rs, c, s->device))
			continue;
		if (n == SYM_NONE) {
			found[0] = s;
			n = SYM_ONE;
		} else if (!same_thing(found[0], s)) {
			found[1] = s;
			return SYM_TWO;
		}
	}
	return n;
}

bool
syms_near(
    struct check *k, const struct conduit *c, uint8_t proto, const char *word, const char **near)
{
	const struct ruleset *rs = k->rs;
	const char **list;
	uint32_t n = 0;

	*near = NULL;
	if (rs->syms.n == 0)
		return false;
	if (k->n_near++ > NEAR_MAX)
		return true;
	list = arena_array(k->scratch, rs->syms.n + 1, sizeof(*list));
	for (uint32_t i = 0; i < rs->syms.n; i++)
		if (rs->syms.v[i].proto == proto && syms_leads_to(rs, c, rs->syms.v[i].device))
			list[n++] = rs->syms.v[i].name;
	*near = complain_nearest(word, list);
	return n != 0;
}

const struct device *
syms_lack(const struct ruleset *rs, const struct conduit *c, uint8_t proto, const char *name)
{
	uint32_t first = name_place(rs, name);

	for (uint32_t e = 0; e < c->to.n; e++) {
		bool has = c->to.v[e].kind != END_DEVICE; /* of a zone: whoever is in it */

		for (uint32_t i = first; !has && i < rs->syms.n; i++) {
			if (strcmp(rs->syms.v[i].name, name) != 0)
				break;
			has = rs->syms.v[i].proto == proto &&
			      rs->syms.v[i].device == c->to.v[e].index;
		}
		if (!has)
			return &rs->devices[c->to.v[e].index];
	}
	return NULL;
}

/* --- by what it stands for ---------------------------------------------------------------------------- */

/* The first in order that is not before k. */
static uint32_t
place_of_key(const struct ruleset *rs, const struct sym *k)
{
	uint32_t lo = 0, hi = rs->syms.n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (place_cmp(rs->sym_at[mid], k) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool
same_list(const struct sym *a, const struct sym *k)
{
	return a->device == k->device && a->proto == k->proto && a->at.space == k->at.space &&
	       a->at.sub == k->at.sub && !a->node;
}

static void
say(char *buf, size_t size, const char *name, unsigned *n)
{
	size_t have = strlen(buf);

	if (*n < 3 && have + strlen(name) + 8 < size)
		snprintf(buf + have, size - have, "%s%s", *n ? ", " : "", name);
	else if (*n == 3 || (*n < 3 && have != 0 && have + 6 < size))
		snprintf(buf + have, size - have, ", ...");
	*n = have + strlen(name) + 8 < size ? *n + 1 : 4;
}

/* A node by its identifier: its name space may have another number there.  Two with the same
 * identifier in different name spaces have no name. */
static bool
node_name(
    const struct ruleset *rs, struct sym *k, const struct fact_item *it, char *buf, size_t size)
{
	char node[512];
	const struct sym *hit = NULL;

	if (it->name_len >= sizeof(node))
		return false;
	memcpy(node, it->name, it->name_len);
	node[it->name_len] = '\0';
	k->node = node;
	for (uint32_t i = place_of_key(rs, k); i < rs->syms.n && place_cmp(rs->sym_at[i], k) == 0;
	     i++) {
		if (hit && strcmp(hit->node, rs->sym_at[i]->node) != 0)
			return false;
		hit = hit ? hit : rs->sym_at[i];
	}
	if (!hit || strlen(hit->name) >= size)
		return false;
	snprintf(buf, size, "%s", hit->name);
	return true;
}

bool
policy_object_name(const struct policy *p, const struct net_addr *server, uint8_t proto,
    const struct fact_item *it, char *buf, size_t size)
{
	const struct ruleset *rs = p->rs;
	struct sym k = {.proto = proto,
	    .device = rs->syms.n ? bind_device(p, server) : UINT32_MAX,
	    .at = {.space = it->space, .sub = it->sub, .first = it->first}};
	uint64_t last = (uint64_t)it->first + it->count - 1;
	uint32_t at, back;
	unsigned n = 0;

	buf[0] = '\0';
	if (k.device == UINT32_MAX || it->count == 0)
		return false;
	if (it->name)
		return node_name(rs, &k, it, buf, size);
	at = place_of_key(rs, &k);
	/* Of those that began before, the nearest that reaches as far: an array, a structure. */
	for (back = 0; back < 64 && at > back; back++) {
		const struct sym *s = rs->sym_at[at - 1 - back];

		if (!same_list(s, &k))
			break;
		if (s->at.last >= it->first) {
			say(buf, size, s->name, &n);
			break;
		}
	}
	for (; at < rs->syms.n && same_list(rs->sym_at[at], &k) &&
	       rs->sym_at[at]->at.first <= last && n < 4;
	     at++)
		say(buf, size, rs->sym_at[at]->name, &n);
	return n != 0;
}
