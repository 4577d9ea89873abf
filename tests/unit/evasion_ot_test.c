/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evasion_ot_test.c - what S7 and OPC UA clients try, through the whole engine.
 *
 * A game is a conversation.  Evil: its last message may not arrive whole at the
 * device, and a monitor has to report it.  Lawful: every byte arrives, both ways, and
 * there is nothing to report.  Each is played as it stands, cut in two at each byte of
 * its last message, and byte by byte.  evasion_test.c does the same for TCP below.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/decode.h"
#include "dataplane/engine.h"
#include "tests/unit/opcua_talk.h"
#include "tests/unit/wire.h"

static const char rules[] =
    "interlock: 1\nsite: test\nmode: enforce\n"
    "zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25]}\n"
    "  ot: {level: 1, port: inside, nets: [10.1.2.128/25]}\n"
    "conduits:\n  - name: c\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop\n"
    "    s7:\n      allow:\n"
    "        - {name: poll, functions: [setup, read], read: [DB1]}\n"
    "        - {name: set, functions: [write], write: [DB1.DBB0..9], values: {DB1.DBW0: 0..100}}\n"
    "        - {name: load, functions: [download], blocks: [DB10]}\n"
    "    opcua:\n      allow:\n"
    "        - {name: session, services: [session, discovery]}\n"
    "        - {name: watch, services: [read, browse, subscribe], nodes: [\"ns=2;*\", \"i=2255\"]}\n"
    "        - {name: recipe, services: [Write], nodes: [\"ns=2;s=Recipe.*\"]}\n";

static struct policy *policy;

/* --- conversations ------------------------------------------------------------------------- */

/* S7, in hex; DT(length of it all) begins a message in one TPKT. */
#define DT(len)	   "0300" len "02f080"
#define CONNECT	   "> 03000016 11e00000000700 c1020100 c2020102 c0010a" \
		   "< 03000016 11d00007000300 c0010a c1020100 c2020102"
#define SETUP	   "> " DT("0019") "3201 0000 0002 0008 0000 f0000001000101e0" \
		   "< " DT("001b") "3203 0000 0002 0008 0000 0000 f0000001000100f0"
#define OPEN_S7	   CONNECT SETUP
#define READ(ref)  DT("001f") "3201 0000" ref "000e 0000 0401 120a10020004000184000000"
#define DATA(ref)  DT("001d") "3203 0000" ref "0002 0008 0000 0401 ff040020 01020304"
#define STOP	   DT("0021") "3201 0000 0010 0010 0000 29 0000000000 09 505f50524f4752414d"
#define STOP_DATA  "3201 0000 0010 0010 0000 29 0000000000 09 505f50524f4752414d"
#define ASK(nr)	   DT("0031") "3201 0000 0003 0020 0000 1a 00 0100 00000000 09 5f30413030303" nr "50" \
		   "0d 31303030323136303030303838"
#define ASKED	   DT("0014") "3203 0000 0003 0001 0000 0000 1a"
#define FETCH	   DT("0023") "3201 0000 0077 0012 0000 1b 00 0000 00000000 09 5f3041303030313050"
#define BLOCK(x)   DT("0027") "3203 0000 0077 0002 0012 0000 1b00 000e 00fb 7070 0101 05" x "010203040506"
#define ENDS	   DT("0023") "3201 0000 0078 0012 0000 1c 00 0000 00000000 09 5f3041303030313050"
#define ENDED	   DT("0014") "3203 0000 0078 0001 0000 0000 1c"
#define DOWNLOAD   OPEN_S7 "> " ASK("130") "< " ASKED "< " FETCH

/* OPC UA, in the words of opcua_talk.h. */
#define OPEN "> HEL; < ACK; > OPN None 1; < OPN None grant=9;"
#define SESSION OPEN "> MSG Create urn:me; < MSG Created None; > MSG Activate anonymous; < MSG Activated;"

static const struct game {
	const char *name;
	bool evil;
	const char *s7, *opcua;
} games[] = {
    {"stop", true, OPEN_S7 "> " STOP, NULL},
    {"stop behind a read in one segment", true, OPEN_S7 "> " READ("0005") STOP, NULL},
    {"stop in tiny DTs", true, OPEN_S7 "> 03000008 02f00032 0300000b 02f000 01000000"
	"0300001b 02f080 10 0010 0000 29 0000000000 09 505f50524f4752414d 00", NULL},
    {"stop behind half a message and a transport error", true,
	OPEN_S7 "> 03000009 02f000 3201 03000009 04700003 02" STOP, NULL},
    {"stop behind half a message and a connection request", true,
	OPEN_S7 "> 03000009 02f000 3201 03000016 11e00000000700 c1020100 c2020102 c0010a" STOP, NULL},
    {"stop in what begins like TLS", true,
	OPEN_S7 "> " DT("000c") "1603030040" STOP, NULL},
    {"stop behind a message of S7comm-plus", true,
	OPEN_S7 "> " DT("0013") "7201000472010000 72010000" STOP, NULL},
    {"S7comm-plus, while half an answer of S7 waits", true,
	CONNECT "> " DT("0019") "3201 0000 0002 0008 0000 f0000001000101e0"
	"< " DT("008d") "3203 0000 0002 0008 0000 0000 f0000001000100f0"
	"> " DT("0013") "72010004 72010000 3a010000", NULL},
    {"stop with a reserved octet set", true,
	OPEN_S7 "> 03010021 02f080" STOP_DATA, NULL},
    {"stop without a connection request", true, "> " STOP, NULL},
    {"stop in a DT that says more follows, then nothing", true,
	OPEN_S7 "> 03000021 02f000" STOP_DATA "03000007 02f080" READ("0005"), NULL},
    {"stop inside what begins like a serial frame of Modbus", true, "> 00147606006307 00" STOP, NULL},
    {"stop inside what begins like a chunk of OPC UA", true, "> 4d53474600000100" STOP, NULL},
    {"write beside the range", true,
	OPEN_S7 "> " DT("0025") "3201 0000 0005 000e 0006 0501 120a10020002000184000048 00040010 0001", NULL},
    {"write above the limit, read as bytes or as a word", true,
	OPEN_S7 "> " DT("0025") "3201 0000 0005 000e 0006 0501 120a10020002000184000000 00040010 0101", NULL},
    {"write to a number that is a bit address", true,
	OPEN_S7 "> " DT("0025") "3201 0000 0005 000e 0006 0501 120a101c0001000184000028 00040010 0001", NULL},
    {"write of two, the second elsewhere", true,
	OPEN_S7 "> " DT("0037") "3201 0000 0005 001a 000c 0502 120a10020002000184000010"
	"120a10020002000284000000 00040010 0001 00040010 0001", NULL},
    {"write of one, with another behind it", true,
	OPEN_S7 "> " DT("0037") "3201 0000 0005 001a 000c 0501 120a10020002000184000010"
	"120a10020002000284000000 00040010 0001 00040010 0001", NULL},
    {"download of another block", true, OPEN_S7 "> " ASK("131"), NULL},
    {"program of another block", true, DOWNLOAD "> " BLOCK("08 0001"), NULL},
    {"program of another block, its request pushed out", true,
	DOWNLOAD "> " READ("0011") READ("0012") READ("0013") READ("0014") READ("0015") READ("0016")
	READ("0017") READ("0018") READ("0019") READ("001a") READ("001b") READ("001c")
	"> " BLOCK("08 0001"), NULL},
    {"program that nobody fetched", true, OPEN_S7 "> " BLOCK("0a 000a"), NULL},

    {"poll", false, OPEN_S7 "> " READ("0005") "< " DATA("0005") "> " READ("0006"), NULL},
    {"reads in one segment", false, OPEN_S7 "> " READ("0005") READ("0006") READ("0007"), NULL},
    {"a read in several DTs, and empty ones", false,
	OPEN_S7 "> 03000007 02f000 0300000a 02f000 320100 03000007 02f000"
	"0300001c 02f080 000005 000e 0000 0401 120a10020004000184000000", NULL},
    {"write", false,
	OPEN_S7 "> " DT("0025") "3201 0000 0005 000e 0006 0501 120a10020002000184000000 00040010 0001", NULL},
    {"download", false, DOWNLOAD "> " BLOCK("0a 000a") "< " ENDS "> " ENDED, NULL},

    {"forbidden write", true, NULL, SESSION "> MSG Write ns=2;s=Other=5"},
    {"forbidden write in chunks", true, NULL, SESSION "> MSG Write ns=2;s=Recipe.1=5 ns=2;s=Other=5 cut=20"},
    {"forbidden call", true, NULL, SESSION "> MSG Call ns=2;s=Pump ns=2;s=Start"},
    {"write hidden in a message begun elsewhere", true, NULL,
	SESSION "> MSG Read ns=2;s=A kind=C id=6 seq=4; > MSG Write ns=2;s=Other=5 req=4 seq=5"},
    {"write by an alias of another session", true, NULL,
	SESSION "> MSG Register ns=2;s=Recipe.1; < MSG Registered ns=9;i=1; > MSG Write ns=9;i=1=5 auth=78"},
    {"write behind an aborted one", true, NULL,
	SESSION "> MSG Write ns=2;s=Recipe.1=5 kind=C; > MSG Raw 00 kind=A req=4; > MSG Write ns=2;s=Other=5 req=4"},
    {"write on a channel turned round", true, NULL, "> RHE; > OPN None; > MSG Write ns=2;s=Other=5"},
    {"cipher text where nothing is encrypted", true, NULL,
	SESSION "> MSG Raw a9b8c7d6e5f4a3b2c1d0a9b8c7d6e5f4"},

    {"session", false, NULL, SESSION "> MSG Read ns=2;s=A; < MSG Read.; > MSG Close"},
    {"allowed write in chunks", false, NULL, SESSION "> MSG Write ns=2;s=Recipe.1=5 ns=2;s=Recipe.2=6 cut=20"},
    {"registered node", false, NULL,
	SESSION "> MSG Register ns=2;s=Recipe.1; < MSG Registered ns=9;i=1; > MSG Write ns=9;i=1=5"},
    {"two sessions, one after the other", false, NULL,
	SESSION "> MSG Register ns=2;s=Recipe.1; < MSG Registered ns=9;i=1; > MSG Close; < MSG Closed;"
	"> MSG Create urn:me; < MSG Created None; > MSG Activate anonymous; < MSG Activated;"
	"> MSG Register ns=2;s=Recipe.2 auth=78; < MSG Registered ns=9;i=1; > MSG Write ns=9;i=1=5 auth=78"},
    {"token renewed between chunks of requests", false, NULL,
	SESSION "> MSG Read ns=2;s=A ns=2;s=B cut=20; < MSG Read.; > OPN None 1 renew; < OPN None grant=10;"
	"> MSG Read ns=2;s=A cut=20 token=9; < MSG Read. token=9; > MSG Read ns=2;s=A ns=2;s=B cut=20 token=10"},
};

/* --- what is said, message by message ----------------------------------------------------------- */

#define MESSAGES 64
static struct {
	uint8_t dir;
	uint32_t n;
	uint8_t b[2048];
} said[MESSAGES];
static unsigned n_said;

static void
add(unsigned dir, const uint8_t *p, size_t n)
{
	assert_true(n_said < MESSAGES && n <= 1460);
	said[n_said].dir = (uint8_t)dir;
	said[n_said].n = (uint32_t)n;
	memcpy(said[n_said++].b, p, n);
}

static void
hear(void *ctx, unsigned dir, bool refuse, const uint8_t *p, size_t n)
{
	(void)ctx;
	(void)refuse;
	add(dir, p, n);
}

static void
read_hex(const char *p)
{
	while (*p) {
		unsigned dir = *p++ == '<', n = 0;
		uint8_t b[1460];

		while (*p && *p != '>' && *p != '<') {
			unsigned v;

			if (*p == ' ') {
				p++;
				continue;
			}
			assert_int_equal(sscanf(p, "%2x", &v), 1);
			b[n++] = (uint8_t)v;
			p += 2;
		}
		add(dir, b, n);
	}
}

static void
read_game(const struct game *g)
{
	static struct talk t;

	n_said = 0;
	if (g->s7) {
		read_hex(g->s7);
		return;
	}
	memset(&t, 0, offsetof(struct talk, body));
	t.channel = 5;
	t.token = 9;
	t.hear = hear;
	talk(&t, g->opcua);
}

/* --- the game ----------------------------------------------------------------------------------- */

static uint32_t arrived[2]; /* where the bytes in order end, by who sent them */
static char facts[4096];

static void
take(const struct pkt *p)
{
	struct layers l = {0};
	uint32_t *end = &arrived[p->port];

	assert_int_equal(decode(p, &l), DROP_NONE);
	if (l.pay_len > 0 && l.seq <= *end && l.seq + l.pay_len > *end)
		*end = l.seq + l.pay_len;
}

static void
on_fact(void *ctx, const struct engine_pdu *pdu)
{
	size_t n = strlen(facts);

	(void)ctx;
	snprintf(facts + n, sizeof(facts) - n, "%s %s;", fact_kind_name(pdu->fact->kind), pdu->fact->op);
}

/* Returns bytes of the client that the device got; *told: facts that would be denied. */
static uint32_t
play(bool inline_mode, unsigned port, uint32_t cut, bool *all, uint64_t *told)
{
	struct engine_conf conf = {.memory_bytes = 1u << 20, .max_flows = 64, .seed = 3,
	    .inline_mode = inline_mode, .policy = policy, .on_fact = on_fact};
	struct engine *e = engine_new(&conf);
	struct wire w = {.now_ns = UINT64_C(1700000000000000000)};
	uint32_t sent[2] = {0, 0}, first[2];
	const struct engine_stats *st;

	assert_non_null(e);
	facts[0] = '\0';
	w.side[0] = (struct wire_side){0x0a010205, 40000, 1000};
	w.side[1] = (struct wire_side){0x0a010282, (uint16_t)port, 9000};
	for (unsigned i = 0; i < 3; i++) {
		struct pkt p = wire_tcp(&w, i == 1, i == 0 ? TCP_SYN : i == 1 ? TCP_SYN | TCP_ACK : TCP_ACK,
		    NULL, 0);

		engine_burst(e, &p, 1);
	}
	first[0] = arrived[0] = w.side[0].seq;
	first[1] = arrived[1] = w.side[1].seq;
	for (unsigned i = 0; i < n_said; i++) {
		uint32_t n = said[i].n, step = i + 1 < n_said ? n : cut == 0 ? 1 : cut, k;

		for (uint32_t off = 0; off < n; off += k) {
			struct pkt p;

			k = off == 0 || cut == 0 ? step : n - off;
			k = k < n - off ? k : n - off;
			p = wire_tcp(&w, said[i].dir, TCP_ACK | TCP_PSH, said[i].b + off, k);
			engine_burst(e, &p, 1);
			if (p.fate == FATE_FORWARD)
				take(&p);
		}
		sent[said[i].dir] += n;
	}
	engine_finish(e);
	st = engine_stats(e);
	assert_true(engine_balanced(st));
	*told = 0;
	for (unsigned v = VERDICT_ALERT; v < sizeof(st->would) / sizeof(st->would[0]); v++)
		*told += st->would[v];
	*all = arrived[0] == first[0] + sent[0] && arrived[1] == first[1] + sent[1];
	engine_free(e);
	return arrived[0] - first[0];
}

static unsigned
game(const struct game *g)
{
	unsigned port = g->s7 ? 102 : 4840, bad = 0;
	uint32_t whole = 0, last, got;
	uint64_t told;
	bool all;

	read_game(g);
	last = said[n_said - 1].n;
	for (unsigned i = 0; i < n_said; i++)
		whole += said[i].dir == 0 ? said[i].n : 0;
	for (uint32_t cut = 0; cut <= last && !bad; cut++) {
		got = play(true, port, cut, &all, &told);
		if (g->evil ? got >= whole : !all) {
			print_error("%s, cut at %u: %s\n", g->name, cut,
			    g->evil ? "arrived whole" : "did not arrive whole");
			bad++;
		}
		(void)play(false, port, cut, &all, &told);
		if (g->evil != (told != 0)) {
			print_error("%s, cut at %u: %s\n", g->name, cut,
			    g->evil ? "not reported" : "reported");
			bad++;
		}
	}
	return bad;
}

static void
scoreboard(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(games) / sizeof(games[0]); i++)
		bad += game(&games[i]) != 0;
	assert_int_equal(bad, 0);
}

/* Without a policy all of them arrive: the device can be reached, and the check can see. */
static void
the_check_sees(void **state)
{
	struct policy *kept = policy;
	uint64_t told;
	bool all;

	(void)state;
	policy = NULL;
	for (size_t i = 0; i < sizeof(games) / sizeof(games[0]); i++) {
		read_game(&games[i]);
		(void)play(true, games[i].s7 ? 102 : 4840, 1460, &all, &told);
		assert_true(all);
	}
	policy = kept;
}

/* A message that another TPDU cuts short takes nothing of that one with it, wherever segments end. */
static void
cut_short(void **state)
{
	static const struct game g = {.s7 = OPEN_S7 "> 03000009 02f000 3201 0300000b 06800003000780" READ("0005")};
	uint64_t told;
	bool all;

	(void)state;
	read_game(&g);
	for (uint32_t cut = 0; cut <= said[n_said - 1].n; cut++) {
		(void)play(false, 102, cut, &all, &told);
		assert_string_equal(facts, "request connect;response connect;request setup;response setup;"
		    "malformed unreadable;request disconnect;request read;");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_check_sees),
	    cmocka_unit_test(scoreboard),
	    cmocka_unit_test(cut_short),
	};
	struct complaints cs = {0};
	int r;

	policy = policy_build_text("rules", rules, sizeof(rules) - 1, &cs);
	if (!policy) {
		complaints_print(&cs, stderr);
		return 2;
	}
	r = cmocka_run_group_tests(tests, NULL, NULL);
	complaints_fini(&cs);
	policy_free(policy);
	return r;
}
