/* SPDX-License-Identifier: Apache-2.0 */
/* syslog.c - see syslog.h.  [SYS] RFC 5424. */
#include "sender/syslog.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/jw.h"

#define HOSTNAME_MAX 255u /* [SYS] 6 */
#define PARAM_MAX    255u

/* [SYS] 6.2.1: EVE's 1 is critical, 2 a warning, 3 a notice. */
static unsigned
severity(const json_t *alert)
{
	json_int_t s = json_integer_value(json_object_get(alert, "severity"));

	return s == 1 ? 2 : s == 2 ? 4 : 5;
}

/* [SYS] 6: PRINTUSASCII, or "-". */
static void
word(struct jw *w, const char *s, size_t most)
{
	size_t n = s ? strnlen(s, most) : 0;

	if (n == 0)
		jw_ch(w, '-');
	for (size_t i = 0; i < n; i++)
		jw_ch(w, s[i] > 0x20 && s[i] < 0x7f ? s[i] : '?');
}

/* [SYS] 6.3.3: UTF-8; quote, backslash and bracket are escaped. */
static void
param(struct jw *w, const char *name, const char *value)
{
	size_t n = value ? strlen(value) : 0;

	if (n == 0)
		return;
	if (n > PARAM_MAX) {
		n = PARAM_MAX;
		while (n > 0 && ((unsigned char)value[n] & 0xc0) == 0x80)
			n--;
	}
	jw_ch(w, ' ');
	jw_raw(w, name, strlen(name));
	jw_raw(w, "=\"", 2);
	for (size_t i = 0; i < n; i++) {
		if (value[i] == '"' || value[i] == '\\' || value[i] == ']')
			jw_ch(w, '\\');
		jw_ch(w, (unsigned char)value[i] < 0x20 || value[i] == 0x7f ? ' ' : value[i]);
	}
	jw_ch(w, '"');
}

static void
param_u(struct jw *w, const char *name, uint64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, v);
	param(w, name, text);
}

/* EVE's "...T10:00:00.123456+0000" with the colon that [SYS] 6.2.3 wants. */
static void
when(struct jw *w, const char *eve)
{
	size_t n = eve ? strlen(eve) : 0;

	if (n < 25 || n > 40 || strspn(eve, "0123456789-+T:.") != n) {
		jw_ch(w, '-');
		return;
	}
	jw_raw(w, eve, n - 2);
	jw_ch(w, ':');
	jw_raw(w, eve + n - 2, 2);
}

static void
header(struct jw *w, const struct send_target *t, const struct batch *b, const json_t *root)
{
	const json_t *alert = json_object_get(root, "alert"),
		     *m = json_object_get(alert, "metadata");
	char text[40];
#define FIRST(name) json_string_value(json_array_get(json_object_get(m, name), 0))

	(void)snprintf(text, sizeof(text), "<%u>1 ", t->facility * 8u + severity(alert));
	jw_raw(w, text, strlen(text));
	when(w, json_string_value(json_object_get(root, "timestamp")));
	jw_ch(w, ' ');
	word(w, b->iss, HOSTNAME_MAX);
	(void)snprintf(text, sizeof(text), " interlock - alert [interlock@%u", t->enterprise);
	jw_raw(w, text, strlen(text));
	param_u(w, "epoch", b->epoch);
	param_u(w, "batch", b->number);
	param(w, "seq", FIRST("il_seq"));
	param_u(w, "id", (uint64_t)json_integer_value(json_object_get(alert, "signature_id")));
	param(w, "action", json_string_value(json_object_get(alert, "action")));
	param(w, "conduit", FIRST("il_conduit"));
	param(w, "rule", FIRST("il_rule"));
	param(w, "event", FIRST("il_event"));
	param(w, "technique", FIRST("mitre_technique_id"));
	jw_raw(w, "] ", 2);
#undef FIRST
}

size_t
syslog_write(
    const struct send_target *t, const struct batch *b, const char *eve, size_t n, char *out)
{
	char head[SYSLOG_HEAD_MAX - 16], count[16];
	json_t *root = n < BATCH_LINE_MAX ? json_loadb(eve, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
	struct jw w = jw_make(head, sizeof(head));
	size_t msg, at;

	if (!json_is_object(json_object_get(root, "alert"))) {
		json_decref(root);
		return 0;
	}
	header(&w, t, b, root);
	json_decref(root);
	/* The count is known last: the message goes where it will stand, as long as the count has room. */
	at = sizeof(count) + jw_len(&w);
	if ((msg = send_line(t, b, eve, n, out + at)) == 0 || w.full)
		return 0;
	msg--; /* its newline is no part of it */
	(void)snprintf(count, sizeof(count), "%zu ", jw_len(&w) + msg);
	at = strlen(count);
	memcpy(out, count, at);
	memcpy(out + at, head, jw_len(&w));
	memmove(out + at + jw_len(&w), out + sizeof(count) + jw_len(&w), msg);
	return at + jw_len(&w) + msg;
}
