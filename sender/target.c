/* SPDX-License-Identifier: Apache-2.0 */
#include "sender/target.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* IANA's number for examples in documents (RFC 5612): whoever has one of his own says so. */
#define ENTERPRISE_DEFAULT 32473u
#define FACILITY_DEFAULT   13u /* RFC 5424 6.2.1: log audit */
#define FACILITY_MAX	   23u

const struct send_out *const send_outs[] = {
    &send_out_https,
    &send_out_syslog_tls,
    &send_out_syslog_tcp,
    &send_out_file,
    &send_out_unix,
    &send_out_unix_dgram,
    NULL,
};

static bool
copy(char *to, size_t size, const char *from, size_t n)
{
	if (n == 0 || n >= size)
		return false;
	memcpy(to, from, n);
	to[n] = '\0';
	return true;
}

static bool
number(const char *text, size_t n, uint32_t most, uint32_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9' ||
		    (v = v * 10 + (uint64_t)(text[i] - '0')) > most)
			return false;
	}
	*out = (uint32_t)v;
	return n > 0;
}

/* "HOST:PORT" or "[ADDRESS]:PORT". */
static bool
authority(const char *text, size_t n, struct send_target *t)
{
	const char *colon = memrchr(text, ':', n), *end = text + n;
	uint32_t port;

	if (!colon || !number(colon + 1, (size_t)(end - colon - 1), 65535, &port) || port == 0 ||
	    !copy(t->port, sizeof(t->port), colon + 1, (size_t)(end - colon - 1)))
		return false;
	n = (size_t)(colon - text);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("-._:[]%", text[i]))
			return false;
	return copy(t->host, sizeof(t->host), text, n);
}

/* A name for files: what is neither letter nor digit becomes "-". */
static void
default_name(struct send_target *t, const char *text, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n && at < SEND_NAME_MAX; i++) {
		if (isalnum((unsigned char)text[i]) || text[i] == '.')
			t->name[at++] = text[i];
		else if (at > 0 && t->name[at - 1] != '-')
			t->name[at++] = '-';
	}
	while (at > 0 && (t->name[at - 1] == '-' || t->name[at - 1] == '.'))
		at--;
	t->name[at] = '\0';
}

static bool
good_name(const char *name)
{
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("-._", *p))
			return false;
	return *name && *name != '.';
}

/* NAME=VALUE; NULL: taken, else what is wrong. */
static const char *
option(struct send_target *t, const char *text, size_t n)
{
	const char *eq = memchr(text, '=', n), *v = eq ? eq + 1 : text;
	size_t name = eq ? (size_t)(eq - text) : n, len = n - (size_t)(v - text);
	uint32_t u;
#define IS(what) (eq && name == sizeof(what) - 1 && memcmp(text, what, name) == 0)
#define BE(what) (len == sizeof(what) - 1 && memcmp(v, what, len) == 0)

	if (IS("format")) {
		if (!BE("eve") && !BE("cef"))
			return "format is eve or cef";
		t->format = BE("cef") ? SEND_CEF : SEND_EVE;
	} else if (IS("from")) {
		if (!BE("start") && !BE("end"))
			return "from is start or end";
		t->from_end = BE("end");
	} else if (IS("name")) {
		if (!copy(t->name, sizeof(t->name), v, len) || !good_name(t->name))
			return "name is letters, digits, - . and _";
	} else if (IS("enterprise")) {
		if (!number(v, len, UINT32_MAX, &t->enterprise))
			return "enterprise is a number";
	} else if (IS("facility")) {
		if (!number(v, len, FACILITY_MAX, &u))
			return "facility is 0 to 23";
		t->facility = (uint8_t)u;
	} else if (IS("ca")) {
		if (!copy(t->ca, sizeof(t->ca), v, len))
			return "ca is a file";
	} else if (IS("cert")) {
		if (!copy(t->cert, sizeof(t->cert), v, len))
			return "cert is a file";
	} else if (IS("key")) {
		if (!copy(t->key, sizeof(t->key), v, len))
			return "key is a file";
	} else {
		return "options are format, from, name, ca, cert, key, facility, enterprise";
	}
	return NULL;
#undef IS
#undef BE
}

int
target_parse(const char *text, struct send_target *t, const struct send_out **out, char *err,
    size_t err_size)
{
	const char *comma = strchrnul(text, ','), *place, *bad;
	size_t scheme, n;

	*t = (struct send_target){.enterprise = ENTERPRISE_DEFAULT, .facility = FACILITY_DEFAULT};
	*out = NULL;
	for (unsigned i = 0; send_outs[i] && !*out; i++)
		if (strncmp(text, send_outs[i]->scheme, strlen(send_outs[i]->scheme)) == 0)
			*out = send_outs[i];
	if (!*out) {
		size_t at =
		    (size_t)snprintf(err, err_size, "%s: no output is called so; there are", text);

		for (unsigned i = 0; send_outs[i] && at < err_size; i++)
			at +=
			    (size_t)snprintf(err + at, err_size - at, " %s", send_outs[i]->scheme);
		return ERR_UNSUPPORTED;
	}
	scheme = strlen((*out)->scheme);
	place = text + scheme;
	n = (size_t)(comma - place);
	if ((*out)->scheme[scheme - 1] == '/') {
		if (n > 0 && place[n - 1] == '/')
			n--;
		if (!authority(place, n, t))
			return err_say(
			    err, err_size, ERR_SYNTAX, "%s: %sHOST:PORT", text, (*out)->scheme);
	} else if (!copy(t->path, sizeof(t->path), place, n)) {
		return err_say(err, err_size, ERR_SYNTAX, "%s: %sPATH", text, (*out)->scheme);
	}
	default_name(t, text, (size_t)(comma - text));
	while (*comma) {
		const char *start = comma + 1;

		comma = strchrnul(start, ',');
		if ((bad = option(t, start, (size_t)(comma - start))))
			return err_say(err, err_size, ERR_SYNTAX, "%s: %s", text, bad);
	}
	return 0;
}
