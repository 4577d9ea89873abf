/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opcua_talk.h - conversations in OPC UA for tests, written as text.
 *
 * A conversation is messages separated by ';' (but not the one in "ns=2;s=A"), each
 *
 *	> or <  type  words      > to the server, < to the client; ! before it: not let pass
 *
 *   HEL, ACK           [receive send message chunks]
 *   ERR STATUS         RHE
 *   OPN POLICY [MODE] [renew] [id=CHANNEL grant=TOKEN]     body cipher text unless None;
 *                      cert: a certificate with None, none without
 *   MSG, CLO           a body in words, see talk_body()
 *   { or }             bytes are lost to the server, to the client
 *
 * Words any of them may have: id=, token=, seq=, req= (else they count up), auth= of the
 * session, sig=N bytes behind each body, cut=N bytes of body per chunk, kind=C|A, more=HEX behind the body.
 */
#ifndef TESTS_OPCUA_TALK_H
#define TESTS_OPCUA_TALK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TALK_MAX 400000

struct buf {
	size_t n;
	uint8_t b[TALK_MAX];
};

struct talk {
	uint32_t channel, token, seq[2], req;
	unsigned cut, sig;
	bool refuse;
	struct buf body, msg;
	/* gives a chunk, or (NULL) a gap, to whoever listens */
	void (*hear)(void *ctx, unsigned dir, bool refuse, const uint8_t *p, size_t n);
	void *ctx;
};

static inline void
put(struct buf *b, const void *p, size_t n)
{
	if (b->n + n > sizeof(b->b))
		abort();
	memcpy(b->b + b->n, p, n);
	b->n += n;
}

static inline void
put8(struct buf *b, unsigned v)
{
	uint8_t c = (uint8_t)v;

	put(b, &c, 1);
}

static inline void
put_le(struct buf *b, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		put8(b, i < 8 ? (unsigned)(v >> 8 * i) & 0xff : 0);
}

static inline void
put32(struct buf *b, uint64_t v)
{
	put_le(b, v, 4);
}

static inline void
put_string(struct buf *b, const char *s)
{
	put32(b, s ? (uint32_t)strlen(s) : UINT32_MAX);
	if (s)
		put(b, s, strlen(s));
}

static inline unsigned long
number(const char *s)
{
	return strtoul(s, NULL, 0);
}

/* "i=85", "ns=2;s=A", "ns=1;b=raw"; a plain number is namespace 0. */
static inline void
put_node(struct buf *b, const char *text)
{
	unsigned ns = 0;
	unsigned long num;

	if (strncmp(text, "ns=", 3) == 0) {
		ns = (unsigned)strtoul(text + 3, (char **)(uintptr_t)&text, 10);
		text += *text == ';';
	}
	if (text[0] == 's' || text[0] == 'b') {
		put8(b, text[0] == 's' ? 3 : 5);
		put_le(b, ns, 2);
		put_string(b, text + 2);
		return;
	}
	num = strtoul(text[0] == 'i' ? text + 2 : text, NULL, 10);
	if (ns == 0 && num < 256) {
		put8(b, 0);
		put8(b, (unsigned)num);
	} else if (ns < 256 && num < 65536) {
		put8(b, 1);
		put8(b, ns);
		put_le(b, num, 2);
	} else {
		put8(b, 2);
		put_le(b, ns, 2);
		put32(b, num);
	}
}

static inline void
put_type(struct buf *b, unsigned id)
{
	put8(b, 1);
	put8(b, 0);
	put_le(b, id, 2);
}

static inline void
put_request(struct buf *b, unsigned id, unsigned auth)
{
	char token[32];

	put_type(b, id);
	snprintf(token, sizeof(token), "ns=1;i=%u", auth ? auth : 77); /* authentication token */
	put_node(b, token);
	put_le(b, 0, 8);
	put32(b, 7); /* handle */
	put32(b, 0);
	put_string(b, NULL);
	put32(b, 10000);
	put_le(b, 0, 3);
}

static inline void
put_response(struct buf *b, unsigned id, uint32_t status)
{
	put_type(b, id);
	put_le(b, 0, 8);
	put32(b, 7);
	put32(b, status);
	put8(b, 0);
	put32(b, UINT32_MAX);
	put_le(b, 0, 3);
}

static inline void
put_application_of(struct buf *b, const char *uri, unsigned type)
{
	put_string(b, uri);
	put_string(b, "urn:product");
	put8(b, 2);
	put_string(b, "name");
	put32(b, type);
	put_string(b, NULL);
	put_string(b, NULL);
	put32(b, UINT32_MAX);
}

static inline void
put_application(struct buf *b, const char *uri)
{
	put_application_of(b, uri, 1);
}

static inline void
put_strings(struct buf *b, char **w, unsigned n)
{
	put32(b, n);
	for (unsigned i = 0; i < n; i++)
		put_string(b, w[i]);
}

/* "None", "Basic256Sha256:2": a policy and its mode. */
static inline void
put_endpoint(struct buf *b, const char *what)
{
	char uri[128];
	const char *colon = strchr(what, ':');

	put_string(b, "opc.tcp://server");
	put_application(b, "urn:server");
	put_string(b, NULL);
	put32(b, colon ? (uint32_t)number(colon + 1) : 1);
	snprintf(uri, sizeof(uri), "http://opcfoundation.org/UA/SecurityPolicy#%.*s",
	    (int)(colon ? colon - what : (long)strlen(what)), what);
	put_string(b, uri);
	put32(b, UINT32_MAX);
	put_string(b, NULL);
	put8(b, 0);
}

/*
 * Read NODE[/ATTR]...    Write NODE[/ATTR]=INT32...  Browse NODE...  Call OBJECT METHOD
 * Watch NODE...          Register NODE...            Unregister NODE...  Publish
 * Create URI             Activate anonymous|username|certificate|issued|nobody   Close
 * Endpoints              Unknown (a type id of nobody)   Secure (CloseSecureChannel)
 * Find [URI...]         (FindServers)           Announce URI (RegisterServer)
 * answers: Read: Read. STATUS, Namespaces URI..., Values TEXT|@FILETIME|-...; Servers URI[/TYPE]...,
 * Registered NODE..., Unregistered [STATUS],
 * Created ENDPOINT..., Activated [STATUS], Closed, Offers ENDPOINT..., Fault STATUS, Published,
 * Browsed, Written, Raw HEX
 */
static inline void
talk_body(struct buf *b, char **w, unsigned n, unsigned auth)
{
	const char *op = w[0];

	b->n = 0;
	if (strcmp(op, "Read") == 0) {
		put_request(b, 631, auth);
		put_le(b, 0, 8);
		put32(b, 0);
		put32(b, n - 1);
		for (unsigned i = 1; i < n; i++) {
			char *slash = strchr(w[i], '/');

			if (slash)
				*slash = '\0';
			put_node(b, w[i]);
			put32(b, slash ? (uint32_t)number(slash + 1) : 13);
			put_string(b, NULL);
			put_le(b, 0, 2);
			put_string(b, NULL);
		}
	} else if (strcmp(op, "Write") == 0) {
		put_request(b, 673, auth);
		put32(b, n - 1);
		for (unsigned i = 1; i < n; i++) {
			char *value = strrchr(w[i], '='), *slash = strchr(w[i], '/');

			*value = '\0';
			if (slash)
				*slash = '\0';
			put_node(b, w[i]);
			put32(b, slash ? (uint32_t)number(slash + 1) : 13);
			put_string(b, NULL);
			put8(b, 1);
			put8(b, 6); /* Int32 */
			put32(b, (uint32_t)number(value + 1));
		}
	} else if (strcmp(op, "Browse") == 0) {
		put_request(b, 527, auth);
		put_node(b, "0");
		put_le(b, 0, 12);
		put32(b, 0);
		put32(b, n - 1);
		for (unsigned i = 1; i < n; i++) {
			put_node(b, w[i]);
			put32(b, 0);
			put_node(b, "0");
			put8(b, 1);
			put_le(b, 0, 8);
		}
	} else if (strcmp(op, "Call") == 0) {
		put_request(b, 712, auth);
		put32(b, 1);
		put_node(b, w[1]);
		put_node(b, w[2]);
		put32(b, UINT32_MAX);
	} else if (strcmp(op, "Watch") == 0) {
		put_request(b, 751, auth);
		put32(b, 1);
		put32(b, 2);
		put32(b, n - 1);
		for (unsigned i = 1; i < n; i++) {
			put_node(b, w[i]);
			put32(b, 13);
			put_string(b, NULL);
			put_le(b, 0, 2);
			put_string(b, NULL);
			put32(b, 2);
			put32(b, i);
			put_le(b, 0, 8);
			put_le(b, 0, 3);
			put32(b, 1);
			put8(b, 1);
		}
	} else if (strcmp(op, "Register") == 0 || strcmp(op, "Unregister") == 0) {
		put_request(b, op[0] == 'R' ? 560 : 566, auth);
		put32(b, n - 1);
		for (unsigned i = 1; i < n; i++)
			put_node(b, w[i]);
	} else if (strcmp(op, "Publish") == 0) {
		put_request(b, 826, auth);
		put32(b, UINT32_MAX);
	} else if (strcmp(op, "Create") == 0) {
		put_request(b, 461, auth);
		put_application(b, w[1]);
		put_string(b, NULL);
		put_string(b, "opc.tcp://server");
		put_string(b, "session");
		put_string(b, NULL);
		put_string(b, NULL);
		put_le(b, 0, 8);
		put32(b, 0);
	} else if (strcmp(op, "Activate") == 0) {
		unsigned id = w[1][0] == 'a' ? 321 : w[1][0] == 'u' ? 324 : w[1][0] == 'c' ? 327 : 940;
		struct buf *t = calloc(1, sizeof(*t));

		put_request(b, 467, auth);
		put_string(b, NULL);
		put_string(b, NULL);
		put32(b, UINT32_MAX);
		put32(b, UINT32_MAX);
		put_string(t, "policy");
		if (id != 321)
			put_string(t, "operator");
		if (id == 324 || id == 940)
			put_string(t, "secret");
		if (id == 324)
			put_string(t, NULL);
		if (id == 940)
			put_string(t, NULL);
		put_type(b, w[1][0] == 'n' ? 324 : id);
		put8(b, w[1][0] != 'n'); /* nobody: the type of a user name, and none */
		if (w[1][0] != 'n') {
			put32(b, t->n);
			put(b, t->b, t->n);
		}
		free(t);
		put_string(b, NULL);
		put_string(b, NULL);
	} else if (strcmp(op, "Close") == 0) {
		put_request(b, 473, auth);
		put8(b, 1);
	} else if (strcmp(op, "Closed") == 0) {
		put_response(b, 476, 0);
	} else if (strcmp(op, "Endpoints") == 0) {
		put_request(b, 428, auth);
		put_string(b, "opc.tcp://server");
		put32(b, UINT32_MAX);
		put32(b, UINT32_MAX);
	} else if (strcmp(op, "Secure") == 0) {
		put_request(b, 452, auth);
	} else if (strcmp(op, "Unknown") == 0) {
		put_request(b, 999, auth);
	} else if (strcmp(op, "Read.") == 0) {
		put_response(b, 634, n > 1 ? (uint32_t)strtoul(w[1], NULL, 16) : 0);
		put32(b, 0);
		put32(b, 0);
	} else if (strcmp(op, "Namespaces") == 0) {
		put_response(b, 634, 0);
		put32(b, 1);
		put8(b, 1);
		put8(b, 0x80 | 12); /* array of String */
		put32(b, n - 1);
		for (unsigned i = 1; i < n; i++)
			put_string(b, w[i]);
		put32(b, 0);
	} else if (strcmp(op, "Values") == 0) {
		put_response(b, 634, 0);
		put32(b, n - 1);
		for (unsigned i = 1; i < n; i++) {
			if (w[i][0] == '-') { /* not there */
				put8(b, 2);
				put32(b, 0x80340000);
				continue;
			}
			put8(b, 1);
			put8(b, w[i][0] == '@' ? 13 : 12);
			if (w[i][0] == '@')
				put_le(b, strtoull(w[i] + 1, NULL, 0), 8);
			else
				put_string(b, w[i]);
		}
		put32(b, 0);
	} else if (strcmp(op, "Find") == 0) {
		put_request(b, 422, auth);
		put_string(b, "opc.tcp://server");
		put32(b, UINT32_MAX);
		put_strings(b, w + 1, n - 1);
	} else if (strcmp(op, "Servers") == 0) {
		put_response(b, 425, 0);
		put32(b, n - 1);
		for (unsigned i = 1; i < n; i++) {
			char *slash = strchr(w[i], '/');

			if (slash)
				*slash = '\0';
			put_application_of(b, w[i], slash ? (unsigned)number(slash + 1) : 0);
		}
	} else if (strcmp(op, "Announce") == 0) {
		put_request(b, 437, auth);
		put_string(b, w[1]);
		put_string(b, "urn:product");
		put32(b, 1);
		put8(b, 2);
		put_string(b, "name");
		put32(b, 0);
		put_string(b, NULL);
		put32(b, UINT32_MAX);
		put_string(b, NULL);
		put8(b, 1);
	} else if (strcmp(op, "Registered") == 0) {
		put_response(b, 563, 0);
		put32(b, n - 1);
		for (unsigned i = 1; i < n; i++)
			put_node(b, w[i]);
	} else if (strcmp(op, "Unregistered") == 0) {
		put_response(b, 569, n > 1 ? (uint32_t)strtoul(w[1], NULL, 16) : 0);
	} else if (strcmp(op, "Created") == 0) {
		put_response(b, 464, 0);
		put_node(b, "ns=1;i=1");
		put_node(b, "ns=1;i=77");
		put_le(b, 0, 8);
		put_string(b, NULL);
		put_string(b, NULL);
		put32(b, n - 1);
		for (unsigned i = 1; i < n; i++)
			put_endpoint(b, w[i]);
		put32(b, UINT32_MAX);
		put_string(b, NULL);
		put_string(b, NULL);
		put32(b, 0);
	} else if (strcmp(op, "Activated") == 0) {
		put_response(b, 470, n > 1 ? (uint32_t)strtoul(w[1], NULL, 16) : 0);
		put_string(b, NULL);
		put32(b, UINT32_MAX);
		put32(b, UINT32_MAX);
	} else if (strcmp(op, "Offers") == 0) {
		put_response(b, 431, 0);
		put32(b, n - 1);
		for (unsigned i = 1; i < n; i++)
			put_endpoint(b, w[i]);
	} else if (strcmp(op, "Fault") == 0) {
		put_response(b, 397, (uint32_t)strtoul(w[1], NULL, 16));
	} else if (strcmp(op, "Published") == 0) {
		put_response(b, 829, 0);
		put32(b, 1);
	} else if (strcmp(op, "Browsed") == 0) {
		put_response(b, 530, 0);
		put32(b, 0);
	} else if (strcmp(op, "Written") == 0) {
		put_response(b, 676, 0);
		put32(b, 0);
	} else if (strcmp(op, "Raw") == 0) {
		for (const char *p = n > 1 ? w[1] : ""; p[0] && p[1]; p += 2) {
			char two[3] = {p[0], p[1], 0};

			put8(b, (unsigned)strtoul(two, NULL, 16));
		}
	} else {
		fprintf(stderr, "no body \"%s\"\n", op);
		abort();
	}
}

static inline void
talk_end(struct talk *t, unsigned dir)
{
	uint32_t n = (uint32_t)t->msg.n;

	for (unsigned i = 0; i < 4; i++)
		t->msg.b[4 + i] = (uint8_t)(n >> 8 * i);
	t->hear(t->ctx, dir, t->refuse, t->msg.b, t->msg.n);
}

/* One message of words. */
static inline void
talk_say(struct talk *t, char **w, unsigned n)
{
	unsigned dir = w[0][0] == '<', at = 0, cut = t->cut, sig = t->sig, grant = t->token;
	unsigned auth = 0;
	uint32_t channel = t->channel, token = t->token, seq = t->seq[dir] + 1;
	uint32_t req = dir == 0 ? t->req + 1 : t->req;
	const char *kind = "F", *more = "", *type = w[1];
	char *word[4096];
	bool cert = false;

	if (n < 2)
		return;
	for (unsigned i = 2; i < n; i++) {
		char *v = strchr(w[i], '=');

		if (strncmp(w[i], "id=", 3) == 0)
			channel = (uint32_t)strtoul(v + 1, NULL, 0);
		else if (strncmp(w[i], "token=", 6) == 0)
			token = (uint32_t)strtoul(v + 1, NULL, 0);
		else if (strncmp(w[i], "grant=", 6) == 0)
			grant = (uint32_t)strtoul(v + 1, NULL, 0);
		else if (strncmp(w[i], "seq=", 4) == 0)
			seq = (uint32_t)strtoul(v + 1, NULL, 0);
		else if (strncmp(w[i], "req=", 4) == 0)
			req = (uint32_t)strtoul(v + 1, NULL, 0);
		else if (strncmp(w[i], "auth=", 5) == 0)
			auth = (unsigned)number(v + 1);
		else if (strncmp(w[i], "cut=", 4) == 0)
			cut = (unsigned)number(v + 1);
		else if (strncmp(w[i], "sig=", 4) == 0)
			sig = (unsigned)number(v + 1);
		else if (strncmp(w[i], "kind=", 5) == 0)
			kind = v + 1;
		else if (strncmp(w[i], "more=", 5) == 0)
			more = v + 1;
		else if (strcmp(w[i], "cert") == 0)
			cert = true;
		else
			word[at++] = w[i];
	}
	t->msg.n = 0;
	if (strcmp(type, "HEL") == 0 || strcmp(type, "ACK") == 0) {
		static const uint32_t usual[] = {65535, 65535, 0, 0};

		put(&t->msg, type, 3);
		put(&t->msg, "F\0\0\0\0", 5);
		put32(&t->msg, 0);
		for (unsigned i = 0; i < 4; i++)
			put32(&t->msg, i < at ? (uint32_t)strtoul(word[i], NULL, 0) : usual[i]);
		if (type[0] == 'H')
			put_string(&t->msg, "opc.tcp://server");
		talk_end(t, dir);
		return;
	}
	if (strcmp(type, "ERR") == 0 || strcmp(type, "RHE") == 0) {
		put(&t->msg, type, 3);
		put(&t->msg, "F\0\0\0\0", 5);
		if (type[0] == 'E')
			put32(&t->msg, strtoul(word[0], NULL, 16));
		put_string(&t->msg, type[0] == 'E' ? "because" : "urn:server");
		if (type[0] == 'R')
			put_string(&t->msg, "opc.tcp://server");
		talk_end(t, dir);
		return;
	}
	t->seq[dir] = seq;
	if (dir == 0)
		t->req = req;
	if (strcmp(type, "OPN") == 0) {
		bool none = strcmp(word[0], "None") == 0, renew = at > 2;
		char uri[128];

		put(&t->msg, "OPN", 3);
		put8(&t->msg, (unsigned)kind[0]);
		put32(&t->msg, 0);
		put32(&t->msg, dir == 0 && !renew && !strstr(w[n - 1], "id=") ? 0 : channel);
		snprintf(uri, sizeof(uri), "http://opcfoundation.org/UA/SecurityPolicy#%s", word[0]);
		put_string(&t->msg, uri);
		put_string(&t->msg, none != cert ? NULL : "certificate");
		put_string(&t->msg, none ? NULL : "01234567890123456789");
		if (!none) {
			for (unsigned i = 0; i < 256; i++)
				put8(&t->msg, 0xc1 ^ i * 77);
			talk_end(t, dir);
			return;
		}
		put32(&t->msg, seq);
		put32(&t->msg, req);
		if (dir == 0) {
			put_request(&t->msg, 446, 0);
			put32(&t->msg, 0);
			put32(&t->msg, renew);
			put32(&t->msg, at > 1 ? (uint32_t)number(word[1]) : 1);
			put_string(&t->msg, NULL);
			put32(&t->msg, 60000);
		} else {
			put_response(&t->msg, 449, 0);
			put32(&t->msg, 0);
			put32(&t->msg, channel);
			put32(&t->msg, grant);
			put_le(&t->msg, 0, 8);
			put32(&t->msg, 60000);
			put_string(&t->msg, NULL);
			t->token = grant;
		}
		talk_end(t, dir);
		return;
	}
	talk_body(&t->body, word, at, auth);
	for (const char *p = more; p[0] && p[1]; p += 2) {
		char two[3] = {p[0], p[1], 0};

		put8(&t->body, (unsigned)strtoul(two, NULL, 16));
	}
	if (kind[0] == 'A') {
		t->body.n = 0;
		put32(&t->body, 0x80860000);
		put_string(&t->body, "enough");
	}
	for (size_t off = 0, k; off == 0 || off < t->body.n; off += k) {
		bool last;

		k = cut && cut < t->body.n - off ? cut : t->body.n - off;
		last = off + k == t->body.n;
		t->msg.n = 0;
		put(&t->msg, type, 3);
		put8(&t->msg, last ? (unsigned)kind[0] : 'C');
		put32(&t->msg, 0);
		put32(&t->msg, channel);
		put32(&t->msg, token);
		put32(&t->msg, t->seq[dir] = seq++);
		put32(&t->msg, req);
		put(&t->msg, t->body.b + off, k);
		for (unsigned i = 0; i < sig; i++)
			put8(&t->msg, 0x55);
		talk_end(t, dir);
		if (k == 0)
			break;
	}
}

/* A whole conversation. */
static inline void
talk(struct talk *t, const char *text)
{
	char *copy = strdup(text), *save, *save_word;

	for (char *c = copy; *c; c++)
		if (*c == ';' && !((c[1] | 32) >= 'a' && (c[1] | 32) <= 'z'))
			*c = '\n';
	for (char *m = strtok_r(copy, "\n", &save); m; m = strtok_r(NULL, "\n", &save)) {
		static char *w[4096];
		unsigned n = 0;

		for (char *x = strtok_r(m, " \t", &save_word); x && n < 4096;
		     x = strtok_r(NULL, " \t", &save_word))
			w[n++] = x;
		if (n == 0)
			continue;
		if (w[0][0] == '{' || w[0][0] == '}') {
			t->hear(t->ctx, w[0][0] == '}', false, NULL, 0);
			continue;
		}
		t->refuse = w[0][0] == '!';
		w[0] += t->refuse;
		talk_say(t, w, n);
	}
	free(copy);
}

#endif /* TESTS_OPCUA_TALK_H */
