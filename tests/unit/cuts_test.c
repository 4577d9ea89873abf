/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cuts_test.c - however a stream is cut, the facts are the same.
 *
 * Every capture under pcaps/<proto>/ becomes a script: who said which bytes in
 * which order.  The script is spoken again in many ways - every message split
 * at every offset, byte by byte, merged, each segment twice, segments out of
 * order, overlapping with equal bytes - and each time the engine must report
 * exactly the facts of the uncut script, with no anomaly added.  Then a
 * policy denies the dangerous part of what the capture does, inline, and the
 * bytes that come out on the other side must never contain a denied PDU,
 * whichever way the receiver resolves overlaps.
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

#define CUTS_MAX 300u /* offsets tried: covers the longest Modbus ADU */

/* What came in of a stream, as one receiver sees it. */
struct got {
	const uint8_t *b, *have;
	uint32_t size;
};

/* The bytes at..at+n when all of them came, else NULL. */
static const uint8_t *
got_all(const struct got *g, uint32_t at, uint32_t n)
{
	if (at > g->size || n > g->size - at)
		return NULL;
	for (uint32_t i = 0; i < n; i++)
		if (!g->have[at + i])
			return NULL;
	return g->b + at;
}

/* A whole ADU with function 16. */
static bool
modbus_denied(const struct got *g)
{
	const uint8_t *p;

	for (uint32_t at = 0, len; (p = got_all(g, at, 8)) != NULL; at += len) {
		len = (uint32_t)(p[4] << 8 | p[5]) + 6;
		if (!got_all(g, at, len))
			return false;
		if (p[7] == 16)
			return true;
	}
	return false;
}

/* A whole job that writes, stops, calls a program service or asks for a download, in one DT or
 * several: a device acts on what EOT completes. */
static bool
s7_denied(const struct got *g)
{
	uint8_t pdu[11];
	uint32_t n = 0, len;
	const uint8_t *p;

	for (uint32_t at = 0; (p = got_all(g, at, 7)) != NULL; at += len) {
		len = (uint32_t)(p[2] << 8 | p[3]);
		if (p[0] != 3 || len < 7 || !got_all(g, at, len))
			return false;
		if (p[5] != 0xf0)
			continue;
		for (uint32_t i = 7; i < len && n < sizeof(pdu); i++)
			pdu[n++] = p[i];
		if (!(p[6] & 0x80))
			continue;
		if (n == sizeof(pdu) && pdu[0] == 0x32 && pdu[1] == 1 &&
		    (pdu[10] == 0x05 || pdu[10] == 0x1a || pdu[10] == 0x28 || pdu[10] == 0x29))
			return true;
		n = 0;
	}
	return false;
}

/* A whole Write message that is readable: final chunk and all. */
static bool
opcua_denied(const struct got *g)
{
	bool write = false, first = true;
	uint32_t len;
	const uint8_t *p;

	for (uint32_t at = 0; (p = got_all(g, at, 8)) != NULL; at += len) {
		len = (uint32_t)p[4] | (uint32_t)p[5] << 8 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 24;
		if (len < 8 || !got_all(g, at, len))
			return false;
		if (memcmp(p, "MSG", 3) != 0)
			continue;
		if (first && len >= 28)
			write = memcmp(p + 24, "\1\0\xa1\2", 4) == 0; /* i=673 */
		first = p[3] != 'C';
		if (p[3] == 'F' && write)
			return true;
	}
	return false;
}

static const struct family {
	const char *captures, *what;
	const char *block;
	bool (*denied)(const struct got *g);
} families[] = {
    {"pcaps/modbus/*.pcap", "function 16",
	"modbus:\n      addressing: zero-based\n      ports: any\n      allow:\n"
	"        - {name: rest, units: [0..255], functions: all, coils: [0..65535], "
	"discrete: [0..65535], holding: [0..65535], input: [0..65535]}\n"
	"      deny:\n        - {name: no16, units: [0..255], functions: [16], holding: [0..65535]}\n",
	modbus_denied},
    {"pcaps/s7/*.pcap", "write, program service, stop or download",
	"s7:\n      ports: any\n      allow:\n"
	"        - {name: rest, functions: all, read: all, write: all, blocks: all, szl: all, pi: all}\n"
	"      deny:\n        - {name: no, functions: [write, stop, pi-service, download]}\n",
	s7_denied},
    {"pcaps/opcua/*.pcap", "Write",
	"opcua:\n      ports: any\n      encrypted: endpoint-only\n      allow:\n"
	"        - {name: rest, services: all, nodes: all, attributes: all}\n"
	"      deny:\n        - {name: no, services: [Write]}\n",
	opcua_denied},
};
#define FAMILIES (sizeof(families) / sizeof(families[0]))

static glob_t captures[FAMILIES];

static void
same_facts_however_cut(void **state)
{
	unsigned k = *(unsigned *)*state;
	unsigned long ways = 0, facts = 0, items = 0;

	for (size_t c = 0; c < captures[k].gl_pathc; c++) {
		const char *path = captures[k].gl_pathv[c];
		struct script *s = script_load(path);
		unsigned cuts = s->longest < CUTS_MAX ? s->longest : CUTS_MAX;
		/* the more there is to say, the fewer offsets beyond the first */
		unsigned coarse = s->n > 800 ? 5 : 1;
		static struct listener whole, cut;

		(void)run(s, NULL, false, WAY_PLAIN, 0, &whole, NULL);
		facts += whole.facts;
		items += whole.items;
		for (enum way way = WAY_SPLIT; way < WAY__N; way++) {
			bool by_offset = way == WAY_SPLIT || way == WAY_SWAP || way == WAY_OVERLAP ||
			    way == WAY_DOUBLE;
			/* every offset for the plain split, a spread of them for the rest */
			unsigned step = (way == WAY_SPLIT ? 1 : 7) * coarse * STRIDE;

			for (unsigned arg = 0; arg < (by_offset && cuts ? cuts : 1); arg += step, ways++) {
				struct engine_stats st = run(s, NULL, false, way, arg, &cut, NULL);

				if (memcmp(&whole, &cut, sizeof(whole)) != 0 || st.overlap_differs ||
				    st.gaps || st.pool_full)
					fail_msg("%s: way %d offset %u: %lu facts, %lu uncut; %lu with "
						 "anomalies, %lu uncut; %lu gaps, %lu overlaps, %lu full",
					    path, (int)way, arg, (unsigned long)cut.facts,
					    (unsigned long)whole.facts, (unsigned long)cut.anomalies,
					    (unsigned long)whole.anomalies, (unsigned long)st.gaps,
					    (unsigned long)st.overlap_differs, (unsigned long)st.pool_full);
			}
		}
		script_free(s);
	}
	print_message("%s: %lu facts with %lu items, %lu ways to cut them\n", families[k].captures,
	    facts, items, ways);
	assert_true(facts > 0);
}

static struct policy *
policy_of(const struct family *fam)
{
	struct complaints cs = {0};
	struct policy *pol;
	char text[4096];
	int n = snprintf(text, sizeof(text),
	    "interlock: 1\nsite: test\nmode: enforce\n"
	    "zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25]}\n"
	    "  ot: {level: 1, port: inside, nets: [10.1.2.128/25]}\n"
	    "conduits:\n  - name: all\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop\n"
	    "    conditions: {unparsable: alert, unsolicited: alert}\n    %s", fam->block);

	pol = policy_build_text(fam->captures, text, (size_t)n, &cs);
	if (!pol)
		complaints_print(&cs, stderr);
	assert_non_null(pol);
	complaints_fini(&cs);
	return pol;
}

static void
denied_however_cut(void **state)
{
	unsigned k = *(unsigned *)*state;
	const struct family *fam = &families[k];
	struct policy *pol = policy_of(fam);
	struct fake_io *out = calloc(1, sizeof(*out));
	unsigned long denied = 0, runs = 0, undisturbed = 0;
	static struct listener ls;

	out->io.be = &fake_backend;
	out->first_port = 40000;
	for (unsigned f = 0; f < FLOWS_MAX; f++) {
		out->v[f].size = 1u << 19;
		out->v[f].first = malloc(out->v[f].size);
		out->v[f].last = malloc(out->v[f].size);
		out->v[f].have = malloc(out->v[f].size);
	}
	for (size_t c = 0; c < captures[k].gl_pathc; c++) {
		struct script *s = script_load(captures[k].gl_pathv[c]);

		/* Without a policy they do arrive: the receiver below can see them. */
		(void)run(s, NULL, true, WAY_BACK, 0, &ls, out);
		for (unsigned f = 0; f < s->flows; f++)
			undisturbed += fam->denied(&(struct got){out->v[f].first, out->v[f].have,
			    out->v[f].size});
		for (enum way way = WAY_PLAIN; way < WAY__N; way++)
			for (unsigned arg = 0; arg < 40; arg += 3, runs++) {
				(void)run(s, pol, true, way, arg, &ls, out);
				denied += ls.denied;
				for (unsigned f = 0; f < s->flows; f++) {
					const struct victim *v = &out->v[f];

					if (fam->denied(&(struct got){v->first, v->have, v->size}) ||
					    fam->denied(&(struct got){v->last, v->have, v->size}))
						fail_msg("%s: way %d offset %u: flow %u received a %s",
						    captures[k].gl_pathv[c], (int)way, arg, f, fam->what);
				}
				if (way == WAY_PLAIN || way == WAY_BYTES || way == WAY_BACK ||
				    way == WAY_MERGE)
					break;
			}
		script_free(s);
	}
	print_message("%s: %lu runs, %lu denials, no %s arrived\n", fam->captures, runs, denied,
	    fam->what);
	assert_true(denied > 0);
	assert_true(undisturbed > 0);
	for (unsigned f = 0; f < FLOWS_MAX; f++) {
		free(out->v[f].first);
		free(out->v[f].last);
		free(out->v[f].have);
	}
	free(out);
	policy_free(pol);
}

int
main(void)
{
	static unsigned number[FAMILIES];
	struct CMUnitTest tests[2 * FAMILIES];
	int r;

	for (unsigned k = 0; k < FAMILIES; k++) {
		if (glob(families[k].captures, 0, NULL, &captures[k]) != 0) {
			fprintf(stderr, "no %s: run from the top of the tree\n", families[k].captures);
			return 2;
		}
		number[k] = k;
		tests[2 * k] = (struct CMUnitTest){"same_facts_however_cut", same_facts_however_cut,
		    NULL, NULL, &number[k]};
		tests[2 * k + 1] = (struct CMUnitTest){"denied_however_cut", denied_however_cut,
		    NULL, NULL, &number[k]};
	}
	r = cmocka_run_group_tests(tests, NULL, NULL);
	for (unsigned k = 0; k < FAMILIES; k++)
		globfree(&captures[k]);
	return r;
}
