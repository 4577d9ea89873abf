/* SPDX-License-Identifier: Apache-2.0 */
/* pattern.c - see pattern.h. */
#include "sharing/pattern.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct scan {
	const char *p, *end;
};

static const struct {
	const char *name, *text;
} refusals[REFUSAL__MAX] = {
    [REFUSAL_NONE] = {"", ""},
#define REFUSAL(id, name, text) [REFUSAL_##id] = {name, text},
#include "sharing/refusal.def"
#undef REFUSAL
};

const char *
refusal_name(enum refusal r)
{
	return refusals[r].name;
}

const char *
refusal_text(enum refusal r)
{
	return refusals[r].text;
}

static void
space(struct scan *s)
{
	while (s->p < s->end && strchr(" \t\r\n", *s->p) && *s->p)
		s->p++;
}

static bool
take(struct scan *s, char c)
{
	space(s);
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

/* A run of letters; 0 long: there is none. */
static size_t
peek_word(struct scan *s)
{
	size_t n = 0;

	space(s);
	while (s->p + n < s->end &&
	       ((s->p[n] >= 'A' && s->p[n] <= 'Z') || (s->p[n] >= 'a' && s->p[n] <= 'z')))
		n++;
	return n;
}

static bool
word(struct scan *s, const char *w)
{
	size_t n = peek_word(s);

	if (n != strlen(w) || memcmp(s->p, w, n) != 0)
		return false;
	s->p += n;
	return true;
}

/* OBJECT:PATH without spaces; what it is about.  0: nothing of ours. */
enum about { ABOUT_NOTHING = 0, ABOUT_V4, ABOUT_V6, ABOUT_IP, ABOUT_MAC };

static enum refusal
path(struct scan *s, enum about *about)
{
	static const struct {
		const char *text;
		enum about about;
	} known[] = {{"ipv4-addr:value", ABOUT_V4}, {"ipv6-addr:value", ABOUT_V6},
	    {"mac-addr:value", ABOUT_MAC}, {"network-traffic:src_ref.value", ABOUT_IP},
	    {"network-traffic:dst_ref.value", ABOUT_IP}};
	const char *from;
	size_t n;

	space(s);
	from = s->p;
	while (s->p < s->end && *s->p && !strchr(" \t\r\n=!<>()[]", *s->p))
		s->p++;
	/* file:hashes.'SHA-256' and protocols[*] are paths as well */
	n = (size_t)(s->p - from);
	if (n == 0 || !memchr(from, ':', n))
		return REFUSAL_SYNTAX;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i].text) == n && memcmp(known[i].text, from, n) == 0) {
			*about = known[i].about;
			return REFUSAL_NONE;
		}
	return REFUSAL_PATH;
}

/* 'text' with \' and \\ (9.6.2). */
static enum refusal
literal(struct scan *s, char *out, size_t size)
{
	size_t n = 0;

	if (!take(s, '\''))
		return REFUSAL_VALUE;
	while (s->p < s->end && *s->p != '\'') {
		if (*s->p == '\\' && ++s->p == s->end)
			return REFUSAL_SYNTAX;
		if (*s->p == '\0' || n + 1 == size)
			return REFUSAL_VALUE;
		out[n++] = *s->p++;
	}
	out[n] = '\0';
	return take(s, '\'') ? REFUSAL_NONE : REFUSAL_SYNTAX;
}

/* One host's: not all, none, ourselves or many. */
static bool
is_host(const struct net_addr *a)
{
	static const struct net_addr one = {{[15] = 1}}, none = {{0}};

	if (net_addr_is4(a))
		return a->b[12] != 0 && a->b[12] != 127 && a->b[12] < 224;
	return a->b[0] != 0xff && !net_addr_eq(a, &one) && !net_addr_eq(a, &none);
}

static enum refusal
value(enum about about, char *text, struct pattern *out)
{
	struct pattern_value v = {.is_mac = about == ABOUT_MAC};
	char *slash = strchr(text, '/');

	if (slash && !v.is_mac) { /* CIDR of one address (6.2, 6.3) */
		bool v6 = strchr(text, ':') != NULL;

		if (strcmp(slash, v6 ? "/128" : "/32") != 0)
			return REFUSAL_VALUE;
		*slash = '\0';
	}
	if (v.is_mac) {
		if (net_mac_parse(text, v.mac) != 0 || v.mac[0] & 1 ||
		    memcmp(v.mac, (const uint8_t[6]){0}, 6) == 0)
			return REFUSAL_VALUE;
	} else if (net_addr_parse(text, &v.ip) != 0 || !is_host(&v.ip) ||
		   (about == ABOUT_V4 && !net_addr_is4(&v.ip)) ||
		   (about == ABOUT_V6 && net_addr_is4(&v.ip))) {
		return REFUSAL_VALUE;
	}
	for (unsigned i = 0; i < out->n; i++)
		if (out->value[i].is_mac == v.is_mac && memcmp(out->value[i].mac, v.mac, 6) == 0 &&
		    net_addr_eq(&out->value[i].ip, &v.ip))
			return REFUSAL_NONE;
	if (out->n == PATTERN_VALUES)
		return REFUSAL_MANY;
	out->value[out->n++] = v;
	return REFUSAL_NONE;
}

static enum refusal
comparison(struct scan *s, struct pattern *out)
{
	enum about about = ABOUT_NOTHING;
	char text[64];
	enum refusal r;

	if (word(s, "NOT") || word(s, "EXISTS") || take(s, '('))
		return REFUSAL_OPERATOR;
	if ((r = path(s, &about)) != REFUSAL_NONE)
		return r;
	if (!take(s, '=') || take(s, '='))
		return REFUSAL_OPERATOR;
	if ((r = literal(s, text, sizeof(text))) != REFUSAL_NONE)
		return r;
	return value(about, text, out);
}

enum refusal
pattern_parse(const char *text, size_t n, struct pattern *out)
{
	struct scan s = {text, text + n};
	enum refusal r;

	memset(out, 0, sizeof(*out));
	if (n > PATTERN_MAX)
		return REFUSAL_SYNTAX;
	do {
		if (take(&s, '('))
			return REFUSAL_QUALIFIER;
		if (!take(&s, '['))
			return REFUSAL_SYNTAX;
		do {
			if ((r = comparison(&s, out)) != REFUSAL_NONE)
				return r;
		} while (word(&s, "OR"));
		if (!take(&s, ']'))
			return word(&s, "AND") ? REFUSAL_OPERATOR : REFUSAL_SYNTAX;
	} while (word(&s, "OR"));
	if (word(&s, "AND") || word(&s, "FOLLOWEDBY") || word(&s, "WITHIN") ||
	    word(&s, "REPEATS") || word(&s, "START"))
		return REFUSAL_QUALIFIER;
	space(&s);
	return s.p == s.end ? REFUSAL_NONE : REFUSAL_SYNTAX;
}

char *
pattern_value_text(const struct pattern_value *v, char *buf)
{
	return v->is_mac ? net_mac_str(v->mac, buf) : net_addr_str(&v->ip, buf);
}
