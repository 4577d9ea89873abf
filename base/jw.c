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

/* All of it, where it is plain and fits; false: nothing has been said. */
static inline bool
quote_plain(struct jw *w, const char *s, size_t n)
{
	char *p = w->p;
	size_t i = 0;

	if (n + 2 > (size_t)(w->end - p) || n + 2 < n)
		return false;
	*p++ = '"';
	for (; n - i >= 8 && jw_plain8(s + i); i += 8)
		memcpy(p + i, s + i, 8);
	if (n - i >= 8)
		return false;
	for (; i < n; i++) {
		if (!plain[(uint8_t)s[i]])
			return false;
		p[i] = s[i];
	}
	p[n] = '"';
	w->p = p + n + 1;
	return true;
}

void
jw_quote(struct jw *w, const char *text, size_t n)
{
	const uint8_t *s = (const uint8_t *)text;

	if (quote_plain(w, text, n))
		return;
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

void
jw_hex(struct jw *w, const uint8_t *bytes, size_t n)
{
	char *p = w->p;

	if (n >= SIZE_MAX / 2 - 2 || 2 * n + 2 > (size_t)(w->end - p)) {
		jw_ch(w, '"');
		for (size_t i = 0; i < n && !w->full; i++) {
			jw_ch(w, hex[bytes[i] >> 4]);
			jw_ch(w, hex[bytes[i] & 15]);
		}
		jw_ch(w, '"');
		return;
	}
	*p++ = '"';
	for (size_t i = 0; i < n; i++) {
		*p++ = hex[bytes[i] >> 4];
		*p++ = hex[bytes[i] & 15];
	}
	*p++ = '"';
	w->p = p;
}

void
jw_key_tight(struct jw *w, const char *key)
{
	if (w->comma)
		jw_ch(w, ',');
	w->comma = true;
	if (key) {
		jw_ch(w, '"');
		jw_raw(w, key, strlen(key));
		jw_raw(w, "\":", 2);
	}
}

const char jw_pairs[201] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static inline char *
put_two(char *p, uint32_t v)
{
	memcpy(p, jw_pairs + (size_t)2 * v, 2);
	return p + 2;
}

static inline char *
put_four(char *p, uint32_t v)
{
	return put_two(put_two(p, v / 100), v % 100);
}

/* Without noughts in front. */
static inline char *
put_to_two(char *p, uint32_t v)
{
	if (v >= 10)
		return put_two(p, v);
	*p = (char)('0' + v);
	return p + 1;
}

static inline char *
put_to_four(char *p, uint32_t v)
{
	return v < 100 ? put_to_two(p, v) : put_two(put_to_two(p, v / 100), v % 100);
}

static inline char *
put_to_eight(char *p, uint32_t v)
{
	return v < 10000 ? put_to_four(p, v) : put_four(put_to_four(p, v / 10000), v % 10000);
}

char *
jw_put_dec_long(char *p, uint64_t v)
{
	const uint32_t eight = 100000000;
	uint64_t high;

	if (v < eight)
		return put_to_eight(p, (uint32_t)v);
	high = v / eight;
	p = high < eight ? put_to_eight(p, (uint32_t)high)
			 : jw_put_dec_long(p, high); /* once: 20 digits are three times eight */
	return put_four(put_four(p, (uint32_t)(v % eight) / 10000), (uint32_t)(v % eight) % 10000);
}

void
jw_dec(struct jw *w, uint64_t v)
{
	char b[JW_DEC_MAX] = {0};

	if ((size_t)(w->end - w->p) < sizeof(b))
		jw_raw(w, b, (size_t)(jw_put_dec(b, v) - b));
	else
		w->p = jw_put_dec(w->p, v);
}

char *
jw_put_nano(char *p, uint32_t v)
{
	const uint32_t low = v % 100000000;

	*p++ = '.';
	*p++ = (char)('0' + v / 100000000);
	return put_four(put_four(p, low / 10000), low % 10000);
}

void
jw_nano(struct jw *w, uint32_t v)
{
	char b[JW_NANO_LEN] = {0};

	(void)jw_put_nano(b, v);
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
