/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reframe_test.c - however the layer below cuts a message, its facts are the same.
 *
 * The captures of pcaps/s7 are spoken again with every TSDU spread over COTP data TPDUs of every
 * size (X.224 13.7), those of pcaps/opcua in mode None with every message spread over chunks
 * of every size (OPC 10000-6 6.7.2).  The facts must say the same, and what a policy denies must
 * not come out whole on the other side of a guard.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <glob.h>

#include <cmocka.h>

#include "tests/unit/script.h"

#define PIECE_MAX 1200u /* bytes of one segment of what was re-framed */

static void
add(struct script *to, const struct message *like, const uint8_t *bytes, size_t n)
{
	for (size_t at = 0; at < n; at += PIECE_MAX) {
		struct message m = *like;

		assert_true(to->n < MESSAGES_MAX);
		m.len = (uint16_t)(n - at < PIECE_MAX ? n - at : PIECE_MAX);
		m.bytes = malloc(m.len);
		memcpy(m.bytes, bytes + at, m.len);
		to->m[to->n++] = m;
	}
}

/* Neighbouring segments of one side are one run of bytes. */
static size_t
run_of(const struct script *s, unsigned *i, uint8_t *out, size_t room)
{
	const struct message *first = &s->m[*i];
	size_t n = 0;

	for (; *i < s->n && s->m[*i].flow == first->flow && s->m[*i].dir == first->dir; ++*i) {
		assert_true(n + s->m[*i].len <= room);
		memcpy(out + n, s->m[*i].bytes, s->m[*i].len);
		n += s->m[*i].len;
	}
	return n;
}

/* --- COTP ------------------------------------------------------------------------------ */

/* Each data TPDU of a run as several with `size` bytes of user data; 0: not whole TPKTs. */
static size_t
cotp_cut(const uint8_t *in, size_t n, size_t size, uint8_t *out)
{
	size_t m = 0, len;

	for (size_t at = 0; at < n; at += len) {
		if (n - at < 7 || in[at] != 3)
			return 0;
		len = (size_t)(in[at + 2] << 8 | in[at + 3]);
		if (len < 7 || len > n - at)
			return 0;
		if (in[at + 5] != 0xf0 || len == 7) {
			memcpy(out + m, in + at, len);
			m += len;
			continue;
		}
		for (size_t d = 7; d < len; d += size) {
			size_t k = len - d < size ? len - d : size;

			memcpy(out + m, (uint8_t[]){3, 0, (uint8_t)((k + 7) >> 8), (uint8_t)(k + 7), 2,
			    0xf0, d + k == len ? in[at + 6] : 0}, 7);
			memcpy(out + m + 7, in + at + d, k);
			m += 7 + k;
		}
	}
	return m;
}

static bool
s7_job_came(const uint8_t *b, const uint8_t *have, uint32_t size, const char *functions)
{
	uint8_t pdu[11];
	uint32_t n = 0, len;

	for (uint32_t at = 0; at + 7 < size; at += len) {
		for (uint32_t i = 0; i < 7; i++)
			if (!have[at + i])
				return false;
		len = (uint32_t)(b[at + 2] << 8 | b[at + 3]);
		if (len < 7 || len > size - at)
			return false;
		for (uint32_t i = 0; i < len; i++)
			if (!have[at + i])
				return false;
		if (b[at + 5] != 0xf0)
			continue;
		for (uint32_t i = 7; i < len && n < sizeof(pdu); i++)
			pdu[n++] = b[at + i];
		if (!(b[at + 6] & 0x80))
			continue;
		if (n == sizeof(pdu) && pdu[0] == 0x32 && pdu[1] == 1 && strchr(functions, pdu[10]))
			return true;
		n = 0;
	}
	return false;
}

/* --- OPC UA chunks ------------------------------------------------------------------------ */

static uint32_t
le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void
put_le32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

struct side { /* of one flow */
	uint32_t more; /* chunks that were added: every later sequence number grows by them */
	bool none;     /* its channel is not secured */
};

/* Each message chunk of a run as several with `size` bytes of body; 0: not whole chunks. */
static size_t
chunk_cut(const uint8_t *in, size_t n, size_t size, uint8_t *out, struct side *side)
{
	size_t m = 0, len;

	for (size_t at = 0; at < n; at += len) {
		const uint8_t *c = in + at;

		if (n - at < 8 || (len = le32(c + 4)) < 8 || len > n - at)
			return 0;
		if (memcmp(c, "OPN", 3) == 0) /* None: no certificates, so the numbers stand at 79 */
			side->none = len > 79 && memcmp(c + 16, "http://opcfoundation.org/UA/SecurityPolicy"
			    "#None", 47) == 0;
		if (memcmp(c, "MSG", 3) != 0 || !side->none) {
			memcpy(out + m, c, len);
			if (memcmp(c, "HEL", 3) == 0 || memcmp(c, "ACK", 3) == 0)
				put_le32(out + m + 24, 0); /* any number of chunks */
			else if (side->none && memcmp(c, "OPN", 3) == 0)
				put_le32(out + m + 71, le32(c + 71) + side->more);
			else if (side->none && memcmp(c, "CLO", 3) == 0)
				put_le32(out + m + 16, le32(c + 16) + side->more);
			m += len;
			continue;
		}
		for (size_t d = 24; d < len; d += size) {
			size_t k = len - d < size ? len - d : size;

			memcpy(out + m, c, 24);
			out[m + 3] = d + k == len ? c[3] : 'C';
			put_le32(out + m + 4, (uint32_t)(24 + k));
			put_le32(out + m + 16, le32(c + 16) + side->more);
			memcpy(out + m + 24, c + d, k);
			side->more += d + k < len;
			m += 24 + k;
		}
	}
	return m;
}

static bool
write_came(const uint8_t *b, const uint8_t *have, uint32_t size, const char *unused)
{
	uint8_t body[4];
	uint32_t n = 0, len;

	(void)unused;
	for (uint32_t at = 0; at + 8 < size; at += len) {
		for (uint32_t i = 0; i < 8; i++)
			if (!have[at + i])
				return false;
		len = le32(b + at + 4);
		if (len < 8 || len > size - at)
			return false;
		for (uint32_t i = 0; i < len; i++)
			if (!have[at + i])
				return false;
		if (memcmp(b + at, "MSG", 3) != 0)
			continue;
		for (uint32_t i = 24; i < len && n < 4; i++)
			body[n++] = b[at + i];
		if (b[at + 3] == 'F' && n == 4 && memcmp(body, "\1\0\xa1\2", 4) == 0)
			return true;
		if (b[at + 3] != 'C')
			n = 0;
	}
	return false;
}

/* --- both ------------------------------------------------------------------------------------ */

static const struct family {
	const char *captures, *block, *functions;
	bool chunks;
	unsigned longest; /* body that is cut at every size; longer ones at a spread of sizes */
	bool (*came)(const uint8_t *b, const uint8_t *have, uint32_t size, const char *functions);
} families[] = {
    {"pcaps/s7/*.pcap",
	"s7:\n      ports: any\n      allow:\n"
	"        - {name: rest, functions: all, read: all, write: all, blocks: all, szl: all, pi: all}\n"
	"      deny:\n        - {name: no, functions: [write, stop, pi-service, download]}\n",
	"\x05\x1a\x28\x29", false, 240, s7_job_came},
    {"pcaps/opcua/*.pcap",
	"opcua:\n      ports: any\n      encrypted: endpoint-only\n      allow:\n"
	"        - {name: rest, services: all, nodes: all, attributes: all}\n"
	"      deny:\n        - {name: no, services: [Write]}\n",
	"", true, 160, write_came},
};

/* The script in other frames; NULL when it is not made of whole ones. */
static struct script *
reframe(const struct script *s, bool chunks, size_t size)
{
	static uint8_t in[1u << 20], out[16u << 20];
	struct script *to = calloc(1, sizeof(*to));
	struct side sides[FLOWS_MAX][2] = {0};

	to->flows = s->flows;
	memcpy(to->server_port, s->server_port, sizeof(to->server_port));
	for (unsigned i = 0; i < s->n;) {
		const struct message *m = &s->m[i];
		size_t n = run_of(s, &i, in, sizeof(in)), k;

		if (chunks) /* the client's OPN says it for both sides */
			sides[m->flow][1].none |= sides[m->flow][0].none;
		k = chunks ? chunk_cut(in, n, size, out, &sides[m->flow][m->dir]) :
		    cotp_cut(in, n, size, out);
		if (k == 0 || to->n + k / PIECE_MAX + 1 > MESSAGES_MAX) {
			script_free(to);
			return NULL;
		}
		add(to, m, out, k);
	}
	return to;
}

static void
reframed(void **state)
{
	const struct family *fam = *state;
	struct fake_io *out = calloc(1, sizeof(*out));
	static struct listener whole, cut;
	struct complaints cs = {0};
	struct policy *pol;
	unsigned long ways = 0, facts = 0, denied = 0;
	unsigned used = 0;
	glob_t captures;
	char text[4096];
	int n;

	n = snprintf(text, sizeof(text),
	    "interlock: 1\nsite: test\nmode: enforce\n"
	    "zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25]}\n"
	    "  ot: {level: 1, port: inside, nets: [10.1.2.128/25]}\n"
	    "conduits:\n  - name: all\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop\n"
	    "    conditions: {unparsable: alert, unsolicited: alert}\n    %s", fam->block);
	pol = policy_build_text(fam->captures, text, (size_t)n, &cs);
	if (!pol)
		complaints_print(&cs, stderr);
	assert_non_null(pol);
	out->io.be = &fake_backend;
	out->first_port = 40000;
	for (unsigned f = 0; f < FLOWS_MAX; f++) {
		out->v[f].size = 1u << 21;
		out->v[f].first = malloc(out->v[f].size);
		out->v[f].last = malloc(out->v[f].size);
		out->v[f].have = malloc(out->v[f].size);
	}
	assert_int_equal(glob(fam->captures, 0, NULL, &captures), 0);
	listen_loosely = fam->chunks; /* a chunk is a fact; a message is compared */
	for (size_t c = 0; c < captures.gl_pathc; c++) {
		struct script *s = script_load(captures.gl_pathv[c]);
		bool taken = false;

		(void)run(s, NULL, false, WAY_PLAIN, 0, &whole, NULL);
		for (unsigned size = 1; size <= SEGMENT_MAX;
		     size += size < fam->longest ? STRIDE : 97) {
			struct script *r = reframe(s, fam->chunks, size);

			if (!r)
				continue;
			taken = true;
			(void)run(r, NULL, false, WAY_PLAIN, 0, &cut, NULL);
			if (memcmp(whole.hash, cut.hash, sizeof(whole.hash)) != 0 ||
			    whole.facts != cut.facts || whole.items != cut.items)
				fail_msg("%s: size %u: %lu facts, %lu items; as recorded %lu, %lu; %lu with "
					 "anomalies, as recorded %lu",
				    captures.gl_pathv[c], size, (unsigned long)cut.facts,
				    (unsigned long)cut.items, (unsigned long)whole.facts,
				    (unsigned long)whole.items, (unsigned long)cut.anomalies,
				    (unsigned long)whole.anomalies);
			facts += cut.facts;
			ways++;
			(void)run(r, pol, true, size % 2 ? WAY_PLAIN : WAY_SPLIT, size, &cut, out);
			denied += cut.denied;
			for (unsigned f = 0; f < r->flows; f++)
				if (fam->came(out->v[f].first, out->v[f].have, out->v[f].size,
					fam->functions))
					fail_msg("%s: size %u: flow %u received what is denied",
					    captures.gl_pathv[c], size, f);
			script_free(r);
		}
		used += taken;
		script_free(s);
	}
	print_message("%s: %u captures, %lu ways, %lu facts, %lu denials\n", fam->captures, used, ways,
	    facts, denied);
	assert_true(used >= 5 && denied > 0);
	listen_loosely = false;
	for (unsigned f = 0; f < FLOWS_MAX; f++) {
		free(out->v[f].first);
		free(out->v[f].last);
		free(out->v[f].have);
	}
	free(out);
	globfree(&captures);
	complaints_fini(&cs);
	policy_free(pol);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    {"cotp_at_every_size", reframed, NULL, NULL, (void *)(uintptr_t)&families[0]},
	    {"chunks_of_every_size", reframed, NULL, NULL, (void *)(uintptr_t)&families[1]},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
