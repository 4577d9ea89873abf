/* SPDX-License-Identifier: Apache-2.0 */
/* redact.c - see share.h: the one place where it is decided what leaves. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/crypto.h"
#include "base/net.h"
#include "sharing/share.h"

#define WORD_MAX 64u
#define TEXT_MAX 768u /* bytes of one that count for its pseudonym; names are shorter */
#define SECRETS_MAX                                                                                \
	4096u /* different texts that are looked for in sentences; with more, none leaves */
#define DEPTH_MAX 12u

static const struct {
	const char *name;
	enum share_class class;
} fields[] = {
#define FIELD(name, class) {name, SHARE_##class},
#include "sharing/field.def"
#undef FIELD
};

static const struct {
	const char *name;
	enum share_class class;
} classes[] = {{"names", SHARE_NAME}, {"addresses", SHARE_ADDRESS}, {"users", SHARE_USER},
    {"objects", SHARE_OBJECT}, {"values", SHARE_VALUE}, {"notes", SHARE_NOTE}, {"raw", SHARE_RAW}};
#define CLASSES (sizeof(classes) / sizeof(classes[0]))

static const char *const tlps[] = {"clear", "green", "amber", "amber+strict", "red"};

int
share_keep_parse(const char *text)
{
	unsigned keep = 0;

	while (*text) {
		size_t n = strcspn(text, ","), i = 0;

		while (i < CLASSES &&
		       (strlen(classes[i].name) != n || strncmp(text, classes[i].name, n) != 0))
			i++;
		if (i == CLASSES)
			return -1;
		keep |= SHARE_KEEP(classes[i].class);
		text += n + (text[n] == ',');
	}
	return (int)keep;
}

void
share_keep_text(unsigned keep, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < CLASSES; i++)
		if (keep & SHARE_KEEP(classes[i].class) && n < size)
			n += (size_t)snprintf(
			    out + n, size - n, "%s%s", n ? "," : "", classes[i].name);
}

int
share_tlp_parse(const char *text)
{
	for (int i = 0; i < TLP__MAX; i++)
		if (strcasecmp(text, tlps[i]) == 0)
			return i;
	return -1;
}

const char *
share_tlp_name(enum share_tlp tlp)
{
	return tlps[tlp];
}

/* --- one text ---------------------------------------------------------------------------- */

/* A device without a name is called by its address. */
static enum share_class
class_of(enum share_class class, const char *text)
{
	struct net_addr a;
	uint8_t mac[6];

	if (class == SHARE_NAME && (net_addr_parse(text, &a) == 0 || net_mac_parse(text, mac) == 0))
		return SHARE_ADDRESS;
	return class;
}

char *
share_pseudonym(const struct share_dest *dest, enum share_class class, const char *text, char *out)
{
	uint8_t h[CRYPTO_SHA256_LEN], mac[6];
	char what[TEXT_MAX], hex[2 * 5 + 1];
	struct net_addr a;
	size_t n;

	class = class_of(class, text);
	n = (size_t)snprintf(what, sizeof(what), "%d:%s", (int)class, text);
	n = n < sizeof(what) ? n : sizeof(what) - 1;
	for (size_t i = 0; i < n; i++)
		what[i] = (char)tolower((unsigned char)what[i]);
	crypto_hmac_sha256(dest->key, SHARE_KEY_LEN, what, n, h);
	if (class == SHARE_ADDRESS && net_mac_parse(text, mac) == 0) {
		h[0] = (uint8_t)((h[0] & 0xfc) | 2); /* locally administered: no maker's */
		return net_mac_str(h, out);
	}
	if (class == SHARE_ADDRESS) { /* RFC 3849: of documentation, nobody's */
		memcpy(a.b, h, sizeof(a.b));
		a.b[0] = 0x20, a.b[1] = 0x01, a.b[2] = 0x0d, a.b[3] = 0xb8;
		return net_addr_str(&a, out);
	}
	snprintf(out, 64, "%s-%s", class == SHARE_USER ? "user" : "name", crypto_hex(h, 5, hex));
	return out;
}

static bool
is_word(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= WORD_MAX &&
	       strspn(s,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _.,:/+-") == n;
}

/* --- what must not stand in a sentence -------------------------------------------------------- */

struct secret {
	const char *text;
	size_t len;
	enum share_class class;
};

struct redact {
	const struct share_dest *dest;
	unsigned keep;
	struct secret *secret;
	size_t n;
	bool bad; /* no memory, or more secrets than we look for */
};

static bool
find(const char *name, enum share_class *class)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(name, fields[i].name) == 0) {
			*class = fields[i].class;
			return true;
		}
	return false;
}

static void
gather_text(struct redact *r, enum share_class class, const char *text)
{
	class = class_of(class, text);
	if ((class != SHARE_NAME && class != SHARE_ADDRESS && class != SHARE_USER) ||
	    r->keep & SHARE_KEEP(class) || strlen(text) < 2)
		return;
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->secret[i].text, text) == 0)
			return;
	if (r->n == SECRETS_MAX) {
		r->keep &=
		    ~(SHARE_KEEP(SHARE_NOTE) | SHARE_KEEP(SHARE_OBJECT) | SHARE_KEEP(SHARE_VALUE));
		return;
	}
	r->secret[r->n++] = (struct secret){text, strlen(text), class};
}

static void
gather(struct redact *r, const json_t *v, enum share_class class, unsigned depth)
{
	const char *key;
	size_t i;
	json_t *e;

	if (depth > DEPTH_MAX)
		return;
	if (json_is_string(v)) {
		gather_text(r, class, json_string_value(v));
	} else if (json_is_array(v)) {
		json_array_foreach(v, i, e)
		{
			gather(r, e, class, depth + 1);
		}
	} else if (json_is_object(v)) {
		json_object_foreach((json_t *)(uintptr_t)v, key, e)
		{
			enum share_class c = SHARE_OPEN;

			if (find(key, &c))
				gather(r, e, c, depth + 1);
		}
	}
}

static int
longest_first(const void *a, const void *b)
{
	const struct secret *x = a, *y = b;

	return x->len != y->len ? (x->len < y->len ? 1 : -1) : strcmp(x->text, y->text);
}

/* A sentence with every secret replaced; NULL: no memory. */
static char *
scrub(const struct redact *r, const char *s)
{
	char *out = NULL, name[64];
	size_t size = 0;
	FILE *fp = open_memstream(&out, &size);

	if (!fp)
		return NULL;
	while (*s) {
		const struct secret *hit = NULL;

		for (size_t i = 0; i < r->n && !hit; i++)
			if (strncasecmp(s, r->secret[i].text, r->secret[i].len) == 0)
				hit = &r->secret[i];
		if (!hit) {
			(void)fputc(*s++, fp);
			continue;
		}
		(void)fputs(share_pseudonym(r->dest, hit->class, hit->text, name), fp);
		s += hit->len;
	}
	if (fclose(fp) != 0) {
		free(out);
		return NULL;
	}
	return out;
}

/* --- the walk -------------------------------------------------------------------------------------- */

/* Everything of a kept value, scrubbed: its members are the protocol's, not ours. */
static json_t *
scrubbed(struct redact *r, const json_t *v, unsigned depth)
{
	json_t *out = NULL, *e;
	const char *key;
	char *text;
	size_t i;

	if (depth > DEPTH_MAX)
		return NULL;
	if (json_is_string(v)) {
		text = scrub(r, json_string_value(v));
		out = text ? json_string(text) : NULL;
		r->bad |= !out;
		free(text);
		return out;
	}
	if (json_is_array(v)) {
		out = json_array();
		json_array_foreach(v, i, e)
		{
			json_t *x = scrubbed(r, e, depth + 1);

			if (x)
				(void)json_array_append_new(out, x);
		}
		return out;
	}
	if (json_is_object(v)) {
		out = json_object();
		json_object_foreach((json_t *)(uintptr_t)v, key, e)
		{
			json_t *x = scrubbed(r, e, depth + 1);

			if (x)
				(void)json_object_set_new(out, key, x);
		}
		return out;
	}
	return json_incref((json_t *)(uintptr_t)v);
}

/* What one leaf becomes; NULL: it is left out. */
static json_t *
leaf(struct redact *r, const json_t *v, enum share_class class)
{
	const char *text = json_string_value(v);
	char name[64];

	if (class == SHARE_OPEN)
		return json_incref((json_t *)(uintptr_t)v);
	if (class == SHARE_WORD)
		return text && is_word(text) && class_of(SHARE_NAME, text) == SHARE_NAME
			   ? json_string(text)
			   : NULL;
	if (text && (class == SHARE_NAME || class == SHARE_ADDRESS || class == SHARE_USER)) {
		class = class_of(class, text);
		if (r->keep & SHARE_KEEP(class))
			return json_string(text);
		return *text ? json_string(share_pseudonym(r->dest, class, text, name)) : NULL;
	}
	if (!(r->keep & SHARE_KEEP(class)))
		return NULL;
	return class == SHARE_RAW ? json_incref((json_t *)(uintptr_t)v) : scrubbed(r, v, 0);
}

static json_t *
walk(struct redact *r, const json_t *v, enum share_class class, unsigned depth)
{
	json_t *out, *e, *x;
	const char *key;
	size_t i;

	if (depth > DEPTH_MAX)
		return NULL;
	if (json_is_array(v)) {
		out = json_array();
		json_array_foreach(v, i, e)
		{
			if ((x = walk(r, e, class, depth + 1)))
				(void)json_array_append_new(out, x);
		}
		return out;
	}
	if (!json_is_object(v) || class == SHARE_VALUE || class == SHARE_RAW)
		return leaf(r, v, class);
	if (!(out = json_object())) {
		r->bad = true;
		return NULL;
	}
	json_object_foreach((json_t *)(uintptr_t)v, key, e)
	{
		enum share_class c = SHARE_OPEN;

		if (find(key, &c) && (x = walk(r, e, c, depth + 1)))
			(void)json_object_set_new(out, key, x);
	}
	return out;
}

bool
share_redact(const json_t *record, const struct share_dest *dest, unsigned cap, struct shared *out)
{
	struct redact r = {.dest = dest, .keep = dest->keep & cap};

	if ((r.keep & SHARE_KEEP_ALL) != SHARE_KEEP_ALL)
		r.keep &= ~SHARE_KEEP(SHARE_RAW);
	if (!(r.secret = calloc(SECRETS_MAX, sizeof(*r.secret))))
		return false;
	gather(&r, record, SHARE_OPEN, 0);
	qsort(r.secret, r.n, sizeof(*r.secret), longest_first);
	*out = (struct shared){walk(&r, record, SHARE_OPEN, 0), dest, r.keep};
	free(r.secret);
	if (out->doc && !r.bad)
		return true;
	share_fini(out);
	return false;
}

void
share_fini(struct shared *s)
{
	json_decref(s->doc);
	s->doc = NULL;
}
