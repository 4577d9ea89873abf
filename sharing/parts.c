/* SPDX-License-Identifier: Apache-2.0 */
/* parts.c - what all exports are made of: see share.h. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/crypto.h"
#include "sharing/share.h"

/* STIX 2.1 2.9: of deterministic ids of cyber observables. */
const uint8_t share_ns_stix[16] = {
    0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c, 0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7};
/* Of ours: version 5 of the name "interlock" in RFC 4122's name space of DNS. */
static const uint8_t ns_own[16] = {
    0xa0, 0xd7, 0xf7, 0xa9, 0xc8, 0x43, 0x59, 0x70, 0xb3, 0x95, 0x70, 0x3d, 0x4f, 0x08, 0x2c, 0xd2};

char *
share_uuid5(const uint8_t ns[16], const void *p, size_t n, char out[SHARE_UUID])
{
	uint8_t h[CRYPTO_SHA1_LEN], buf[4096];
	char x[2 * 16 + 1];

	n = n < sizeof(buf) - 16 ? n : sizeof(buf) - 16; /* names are ours and shorter */
	memcpy(buf, ns, 16);
	memcpy(buf + 16, p, n);
	crypto_sha1(buf, n + 16, h);
	h[6] = (uint8_t)((h[6] & 0x0f) | 0x50); /* RFC 4122 4.3 */
	h[8] = (uint8_t)((h[8] & 0x3f) | 0x80);
	crypto_hex(h, 16, x);
	snprintf(out, SHARE_UUID, "%.8s-%.4s-%.4s-%.4s-%.12s", x, x + 8, x + 12, x + 16, x + 20);
	return out;
}

char *
share_id(const struct share_dest *d, const char *what, int64_t number, char out[SHARE_UUID])
{
	char name[160];
	uint8_t h[CRYPTO_SHA256_LEN];
	int n = snprintf(name, sizeof(name), "%s %lld", what, (long long)number);

	crypto_hmac_sha256(d->key, SHARE_KEY_LEN, name, (size_t)n, h);
	return share_uuid5(ns_own, h, sizeof(h), out);
}

char *
share_time(int64_t ms, char buf[SHARE_TIME])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;

	(void)gmtime_r(&s, &tm);
	snprintf(buf, SHARE_TIME, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
	    (tm.tm_year + 1900) % 10000, (tm.tm_mon + 1) % 100, tm.tm_mday % 100, tm.tm_hour % 100,
	    tm.tm_min % 100, tm.tm_sec % 100, (int)(ms % 1000));
	return buf;
}

int64_t
share_time_parse(const char *text)
{
	struct tm tm = {0};
	char rest[16] = "";
	int64_t us = 0, digit = 100000;
	const char *p = rest;

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%15s", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		&tm.tm_hour, &tm.tm_min, &tm.tm_sec, rest) != 7 ||
	    tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
	    tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return -1;
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, digit /= 10)
			us += (*p - '0') * digit;
	if (strcmp(p, "Z") != 0)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return (int64_t)timegm(&tm) * 1000000 + us;
}

bool
share_technique(const char *id, const char **first, const char **since, const char **name)
{
	static const struct {
		const char *id, *since, *name;
	} known[] = {
#define TECHNIQUE(id, since, name, tactics) {id, since, name},
#include "alerts/technique.def"
#undef TECHNIQUE
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(id, known[i].id) == 0 ||
		    (known[i].since && strcmp(id, known[i].since) == 0)) {
			*first = known[i].id;
			*since = known[i].since ? known[i].since : "";
			*name = known[i].name;
			return true;
		}
	return false;
}

const char *
shared_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

int64_t
shared_number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

char *
share_title(const struct shared *s, char *buf, size_t size)
{
	const json_t *a = json_array_get(json_object_get(s->doc, "items"), 0);
	const char *title = shared_text(s->doc, "title"), *category = shared_text(a, "category");
	const char *op = shared_text(a, "op"), *proto = shared_text(a, "proto"),
		   *event = shared_text(a, "event"), *kind = shared_text(s->doc, "kind");

	if (*title)
		snprintf(buf, size, "%s", title);
	else if (*category)
		snprintf(buf, size, "%s%s%s%s%s%s", category, *op || *event ? ": " : "",
		    *event ? event : op, *proto ? " (" : "", proto, *proto ? ")" : "");
	else
		snprintf(buf, size, "%s of a sensor",
		    strcmp(kind, "chain") == 0 ? "Break in the chain of records" : "State");
	return buf;
}
