/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.h - TLS inside the transport connection; included by s7plus.c only.
 *
 * Spec: RFC 8446 (TLS 1.3) 5.1, 4.1.2; RFC 6066 3 (server name)     [TLS]
 *
 *   +------+---------+--------+- - - - -+
 *   | type | version | length | payload |
 *   +------+---------+--------+- - - - -+
 *
 * Since TIA V17 a connection turns to TLS after InitSSL: what DTs carry is then
 * the byte stream of TLS, cut wherever it suits.  Only the record headers are
 * followed, so that we know which bytes cannot be anything else.
 */
#ifndef S7PLUS_TLS_H
#define S7PLUS_TLS_H

#include "dissectors/s7plus/common.h"

#define TLS_HEAD    5
#define TLS_LEN_MAX (16384 + 2048) /* RFC 5246 6.2.3; [TLS] 5.2 has less */

static const char *const tls_types[] = {
    "change_cipher_spec", "alert", "handshake", "application_data", "heartbeat",
};
#define TLS_FIRST 20
#define TLS_LAST  24

static const struct {
	uint8_t type;
	const char *name;
} tls_messages[] = {
	{1, "client_hello"}, {2, "server_hello"}, {4, "new_session_ticket"}, {11, "certificate"},
	{12, "server_key_exchange"}, {13, "certificate_request"}, {14, "server_hello_done"},
	{15, "certificate_verify"}, {16, "client_key_exchange"},
};

/* Do these n bytes, a whole header or its front, begin a record? */
static inline bool
tls_begins(const uint8_t *p, size_t n)
{
	return n > 0 && p[0] >= TLS_FIRST && p[0] <= TLS_LAST && (n < 2 || p[1] == 3) &&
	    (n < 3 || p[2] <= 4) && (n < 5 || ((unsigned)p[3] << 8 | p[4]) <= TLS_LEN_MAX);
}

/* The server name of a ClientHello whose handshake header c begins with. */
static struct cur
tls_sni(struct cur c)
{
	struct cur none = cur_make(NULL, 0), ext;

	none.p = none.end = NULL;
	cur_skip(&c, 4 + 2 + 32); /* handshake header, version, random */
	cur_skip(&c, cur_u8(&c)); /* session id */
	cur_skip(&c, cur_be16(&c)); /* cipher suites */
	cur_skip(&c, cur_u8(&c)); /* compression */
	(void)cur_be16(&c);
	while (cur_left(&c) > 0) {
		uint16_t type = cur_be16(&c);

		ext = cur_take(&c, cur_be16(&c));
		if (type != 0)
			continue;
		(void)cur_be16(&ext); /* length of the list */
		if (cur_u8(&ext) != 0)
			return none;
		ext = cur_take(&ext, cur_be16(&ext));
		return cur_ok(&ext) ? ext : none;
	}
	return none;
}

/* What the first record of a TSDU shows. */
static void
tls_show(struct cur c, struct ext *x)
{
	struct cur body;
	uint8_t type = cur_u8(&c), msg;

	x->tls_version = cur_be16(&c);
	cur_skip(&c, 2);
	if (!cur_ok(&c))
		return;
	x->tls_record = tls_types[type - TLS_FIRST];
	x->present |= HAS(P_TLS) | HAS(P_TLS_RECORD);
	body = c;
	msg = cur_u8(&body);
	if (type != 22 || !cur_ok(&body) || cur_u8(&body) != 0) /* encrypted ones begin with anything */
		return;
	for (size_t i = 0; i < sizeof(tls_messages) / sizeof(tls_messages[0]); i++)
		if (tls_messages[i].type == msg) {
			x->tls_handshake = tls_messages[i].name;
			x->present |= HAS(P_TLS_HANDSHAKE);
		}
	if (msg == 1)
		x->sni = tls_sni(c);
}

/* Does the connection, in this direction, stand between two records? */
static inline bool
tls_between(const struct tls *t)
{
	return t->left == 0 && t->head_n == 0;
}

/* Follow the records through the data of one TSDU; *t is changed.  False: not TLS. */
static bool
tls_walk(struct tls *t, struct cur c, struct ext *x)
{
	if (t->lost && cur_left(&c) >= TLS_HEAD && tls_begins(c.p, TLS_HEAD))
		t->lost = false, t->left = 0, t->head_n = 0;
	if (t->lost)
		return true;
	if (tls_between(t) && cur_left(&c) >= TLS_HEAD && tls_begins(c.p, TLS_HEAD))
		tls_show(c, x);
	while (cur_left(&c) > 0) {
		if (t->left > 0) {
			uint32_t n = cur_left(&c) < t->left ? (uint32_t)cur_left(&c) : t->left;

			cur_skip(&c, n);
			t->left -= n;
			continue;
		}
		t->head[t->head_n++] = cur_u8(&c);
		if (!tls_begins(t->head, t->head_n))
			return false;
		if (t->head_n == TLS_HEAD) {
			t->type = t->head[0];
			t->left = (uint32_t)t->head[3] << 8 | t->head[4];
			t->head_n = 0;
			t->on = true;
		}
	}
	return true;
}

#endif /* S7PLUS_TLS_H */
