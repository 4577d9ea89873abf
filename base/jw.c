/* SPDX-License-Identifier: Apache-2.0 */
#include "base/jw.h"

#include "base/clock.h"

static const char hex[] = "0123456789abcdef";

size_t
jw_utf8(const char *text, size_t n)
{
	const uint8_t *s = (const uint8_t *)text;
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3
	    : s[0] < 0xf5 ? 4 : 0;

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

/* What stands in a string as it is: ASCII but controls, quote, backslash and DEL. */
static const bool plain[256] = {
    [0x20 ... 0x21] = true, [0x23 ... 0x5b] = true, [0x5d ... 0x7e] = true};

void
jw_quote(struct jw *w, const char *text, size_t n)
{
	const uint8_t *s = (const uint8_t *)text;

	jw_ch(w, '"');
	for (size_t i = 0; i < n;) {
		size_t start = i, u;

		while (n - i >= 8 && jw_plain8(text + i))
			i += 8;
		for (; i < n; i += u) {
			u = plain[s[i]] ? 1 : s[i] < 0x80 ? 0 : jw_utf8(text + i, n - i);
			if (u == 0)
				break;
		}
		jw_raw(w, text + start, i - start);
		if (i == n)
			break;
		if (s[i] == '"' || s[i] == '\\') {
			char e[2] = {'\\', text[i]};

			jw_raw(w, e, 2);
		} else {
			char e[6] = {'\\', 'u', '0', '0', hex[s[i] >> 4], hex[s[i] & 15]};

			jw_raw(w, e, 6);
		}
		i++;
	}
	jw_ch(w, '"');
}

/* 00 to 99: two digits for one division. */
static const char pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static inline void
put_pair(char *b, uint32_t v)
{
	b[0] = pairs[2 * v];
	b[1] = pairs[2 * v + 1];
}

void
jw_dec(struct jw *w, uint64_t v)
{
	char b[20];
	size_t i = sizeof(b);
	uint32_t low;

	for (; v > UINT32_MAX; v /= 100)
		put_pair(b + (i -= 2), (uint32_t)(v % 100));
	for (low = (uint32_t)v; low >= 100; low /= 100) /* divides twice as fast */
		put_pair(b + (i -= 2), low % 100);
	if (low >= 10)
		put_pair(b + (i -= 2), low);
	else
		b[--i] = (char)('0' + low);
	jw_raw(w, b + i, sizeof(b) - i);
}

void
jw_nano(struct jw *w, uint32_t v)
{
	char b[10];

	b[0] = '.';
	for (unsigned i = 8; i > 0; i -= 2, v /= 100)
		put_pair(b + i, v % 100);
	b[1] = (char)('0' + v % 10);
	jw_raw(w, b, sizeof(b));
}

void
jw_time(struct jw *w, uint64_t ns)
{
	char b[CLOCK_STRLEN];

	clock_str(ns, b);
	jw_raw(w, b, strlen(b));
}

void
jw_when(struct jw *w, const char *key, uint64_t ns)
{
	jw_key(w, key);
	if (ns == 0) {
		jw_raw(w, "null", 4);
		return;
	}
	jw_ch(w, '"');
	jw_time(w, ns);
	jw_ch(w, '"');
}
