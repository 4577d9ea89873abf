/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk_text.h - a NodeId as text, [P6] 5.3.1.10; included by walk.h only.
 */
#include "dissectors/opcua/walk.h" /* before the guard: walk.h includes this in its place */

#ifndef OPCUA_WALK_TEXT_H
#define OPCUA_WALK_TEXT_H

static inline char *
text_number(char *to, uint32_t v)
{
	char digits[10];
	unsigned n = 0;

	if (v < 10) {
		*to = (char)('0' + v);
		return to + 1;
	}
	do
		digits[n++] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	while (n > 0)
		*to++ = digits[--n];
	return to;
}

/* n bytes from p in hex, the last first when step is -1: numbers are little endian. */
static inline char *
text_hex(char *to, const uint8_t *p, unsigned n, int step)
{
	for (; n > 0; n--, p += step) {
		*to++ = "0123456789abcdef"[*p >> 4];
		*to++ = "0123456789abcdef"[*p & 15];
	}
	return to;
}

static inline char *
text_guid(char *to, const uint8_t *g)
{
	to = text_hex(to, g + 3, 4, -1); /* [P6] 5.2.2.6 */
	*to++ = '-';
	to = text_hex(to, g + 5, 2, -1);
	*to++ = '-';
	to = text_hex(to, g + 7, 2, -1);
	*to++ = '-';
	to = text_hex(to, g + 8, 2, 1);
	*to++ = '-';
	return text_hex(to, g + 10, 6, 1);
}

static inline char *
text_base64(char *to, const uint8_t *p, uint32_t n)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t v;

	for (; n > 0; p += 3) {
		v = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0u);
		*to++ = digits[v >> 18];
		*to++ = digits[v >> 12 & 63];
		*to++ = n > 1 ? digits[v >> 6 & 63] : '=';
		*to++ = n > 2 ? digits[v & 63] : '=';
		n -= n < 3 ? n : 3;
	}
	return to;
}

static uint32_t
walk_node_text(const struct walk_node *node, char *buf)
{
	uint32_t len = node->id_len < WALK_NAME_MAX ? node->id_len : WALK_NAME_MAX;
	char *to = buf;

	if (node->ns != 0) {
		memcpy(to, "ns=", 3);
		to = text_number(to + 3, node->ns);
		*to++ = ';';
	}
	*to++ = "isgb"[node->id_type];
	*to++ = '=';
	switch ((enum walk_id_type)node->id_type) {
	case ID_NUMERIC:
		to = text_number(to, node->num);
		break;
	case ID_STRING:
		if (len != 0)
			memcpy(to, node->id, len);
		to += len;
		break;
	case ID_GUID:
		to = text_guid(to, node->id);
		break;
	case ID_OPAQUE:
		to = text_base64(to, node->id, len);
		break;
	}
	return (uint32_t)(to - buf);
}

#endif /* OPCUA_WALK_TEXT_H */
