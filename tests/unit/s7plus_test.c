/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s7plus_test.c - the S7comm-plus dissector by itself: what its functions, objects,
 * anomalies and pairing rules make of conversations, a numbered line each.
 *
 * `>` comes from the client, `<` from the server, then
 *   2 HEX     a whole frame of that version (f: 0xfe, k: 0xff); header and trailer are added
 *   2+ HEX    one that goes on in a next frame, without trailer
 *   = HEX     data of a DT as it is
 *   : HEX     a TPDU as it is; a TPKT header is added
 * `!` before it: the engine does not let it pass.  `{` and `}`: bytes were lost towards the
 * server, the client.  ~ in HEX stands for 32 bytes.  The last fact is compared
 *   kind code op !anomalies
 * and its JSON must contain the last string.  Each line runs once more for every size of DTs.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/jw.h"
#include "dissectors/dissector.h"
#include "tests/unit/guard.h"

extern const struct dissector dissector_s7plus;
#define D (&dissector_s7plus)

enum { MID = 1 };
enum { DATA_MAX = 2048, TSDU_ROOM = DATA_MAX * 8 + 16 };

struct dis_sink {
	bool pass;
	unsigned facts;
	char text[512]; /* of the last fact */
	char json[2048];
};

static uint64_t seen; /* anomalies that any case has raised */
static uint8_t s7plus_index;
static struct guard page;

void *
dis_lease(struct dis_call *call, uint32_t want)
{
	(void)call;
	(void)want;
	fail();
	return NULL;
}

bool
dis_emit(struct dis_sink *s, struct fact *f)
{
	struct jw w = jw_make(s->json, sizeof(s->json) - 1);
	size_t n;

	s->facts++;
	f->proto = s7plus_index;
	assert_true(f->opx < D->schema->n_opx);
	assert_string_equal(f->op, dissector_op(D->schema, f->opx)->name);
	assert_non_null(f->props);
	assert_int_equal(f->n_items, 0);
	n = (size_t)snprintf(
	    s->text, sizeof(s->text), "%s %u %s", fact_kind_name(f->kind), f->code, f->op);
	for (unsigned i = 0; i < 64; i++)
		if (f->anomalies >> i & 1)
			n += (size_t)snprintf(s->text + n, sizeof(s->text) - n, " !%s",
			    fact_anomaly_name(s7plus_index, i));
	seen |= f->anomalies;
	jw_obj(&w, NULL);
	fact_json(&w, f);
	if (f->props->known & 1)
		jw_u(&w, "prop_version", f->props->num[0]);
	if (f->props->known & 2)
		jw_u(&w, "prop_pdu", f->props->num[1]);
	if (f->props->known & 1 << 16)
		jw_strn(&w, "prop_tsap", f->props->text[0].p, f->props->text[0].n);
	jw_u(&w, "prop_na", f->props->na);
	jw_close(&w, '}');
	assert_true(jw_end(&w));
	s->json[jw_len(&w)] = '\0';
	return s->pass;
}

static unsigned
digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
}

/* Bytes of hex up to what is neither digit, space nor ~. */
static size_t
hex(const char **text, uint8_t *out)
{
	const char *p = *text;
	size_t n = 0;

	for (;; p += 2) {
		while (*p == ' ')
			p++;
		if (*p == '~') {
			memset(out + n, 0xd1, 32);
			n += 32;
			p--;
			continue;
		}
		if (!*p || !strchr("0123456789abcdef", *p))
			break;
		out[n++] = (uint8_t)(digit(p[0]) << 4 | digit(p[1]));
	}
	*text = p;
	return n;
}

/* The data of a TSDU as the line says it; false: a TPDU of its own kind. */
static bool
tsdu_data(const char **steps, uint8_t *out, size_t *n)
{
	char how = *(*steps)++;
	uint8_t body[DATA_MAX];
	bool goes_on = how != '=' && how != ':' && **steps == '+';
	uint8_t version = how == 'f' ? 0xfe : how == 'k' ? 0xff : (uint8_t)(how - '0');
	size_t len;

	*steps += goes_on;
	len = hex(steps, body);
	if (how == '=' || how == ':') {
		memcpy(out, body, len);
		*n = len;
		return how == '=';
	}
	out[0] = 0x72;
	out[1] = version;
	out[2] = (uint8_t)(len >> 8);
	out[3] = (uint8_t)len;
	memcpy(out + 4, body, len);
	*n = 4 + len;
	if (version <= 3 && !goes_on) {
		memcpy(out + *n, "\x72\0\0\0", 4);
		out[*n + 1] = version;
		*n += 4;
	}
	return true;
}

static size_t
tpkt(uint8_t *out, const uint8_t *tpdu, size_t head, const uint8_t *data, size_t n)
{
	out[0] = 3;
	out[1] = 0;
	out[2] = (uint8_t)((4 + head + n) >> 8);
	out[3] = (uint8_t)(4 + head + n);
	memcpy(out + 4, tpdu, head);
	if (n > 0)
		memcpy(out + 4 + head, data, n);
	return 4 + head + n;
}

/* One TSDU in DTs of at most `size` bytes of data. */
static size_t
wrap(uint8_t *out, const uint8_t *data, size_t n, size_t size)
{
	size_t at = 0, len = 0;

	do {
		size_t k = n - at < size ? n - at : size;
		uint8_t dt[3] = {2, 0xf0, at + k == n ? 0x80 : 0x00};

		len += tpkt(out + len, dt, 3, data + at, k);
		at += k;
	} while (at < n);
	return len;
}

/* frame() must say n whatever it is shown first, in the end. */
static void
check_frame(const uint8_t *p, size_t n, bool all)
{
	size_t have = all ? 0 : n;
	int32_t r = FRAME_MORE;

	while (have <= n) {
		r = D->frame(cur_make(p, have), DIR_TO_SERVER, 0);
		if (FRAME_IS_NEED(r)) {
			assert_true(FRAME_NEEDED(r) > have && FRAME_NEEDED(r) <= n);
			have = FRAME_NEEDED(r);
			assert_int_equal(D->frame(cur_make(p, have), DIR_TO_SERVER, 0),
			    D->frame_on(cur_make(p, have), DIR_TO_SERVER, 0, (uint32_t)have));
		} else if (r == FRAME_MORE) {
			have++;
		} else {
			break;
		}
	}
	assert_int_equal(r, n);
}

static _Alignas(8) uint8_t play_state[2032]; /* of the conversation played last */

/* Plays a conversation in DTs of `size`; s has the last fact. */
static void
play(const char *steps, unsigned flags, size_t size, struct dis_sink *s)
{
	static uint8_t data[DATA_MAX], bytes[TSDU_ROOM];
	struct dis_call call = {.state = play_state, .sink = s, .midstream = (flags & MID) != 0};
	uint8_t *p;
	size_t n;

	assert_true(D->state_size <= sizeof(play_state));
	memset(play_state, 0, sizeof(play_state));
	s->text[0] = s->json[0] = '\0';
	for (s->pass = true; *steps; s->pass = true) {
		while (*steps == ' ')
			steps++;
		if (*steps == '!') {
			s->pass = false;
			steps++;
		}
		call.dir = *steps == '<' || *steps == '}';
		if (*steps == '{' || *steps == '}') {
			D->gap(&call, 1);
			steps++;
			continue;
		}
		steps++;
		if (tsdu_data(&steps, data, &n))
			n = wrap(bytes, data, n, size);
		else
			n = tpkt(bytes, data, n, NULL, 0);
		p = guard_put(&page, bytes, n);
		check_frame(p, n, size == SIZE_MAX);
		D->pdu(&call, cur_make(p, n));
	}
}

struct line {
	unsigned nr, flags;
	const char *steps, *want, *json;
};

static void
run(const struct line *lines, size_t count)
{
	static struct dis_sink s, cut;
	unsigned failed = 0;

	for (size_t i = 0; i < count; i++) {
		play(lines[i].steps, lines[i].flags, SIZE_MAX, &s);
		if (strcmp(s.text, lines[i].want) != 0 ||
		    (lines[i].json && !strstr(s.json, lines[i].json))) {
			print_error("case %u: %s\n  is   %s\n  want %s\n  %s\n  want %s\n",
			    lines[i].nr, lines[i].steps, s.text, lines[i].want, s.json,
			    lines[i].json);
			failed++;
		}
		for (size_t size = 1; size < 120; size++) {
			play(lines[i].steps, lines[i].flags, size, &cut);
			if (strcmp(s.text, cut.text) != 0 || strcmp(s.json, cut.json) != 0) {
				print_error("case %u in DTs of %zu: %s\n  whole %s\n", lines[i].nr,
				    size, cut.text, s.text);
				failed++;
				break;
			}
		}
	}
	assert_int_equal(failed, 0);
}
#define RUN(lines) run(lines, sizeof(lines) / sizeof((lines)[0]))

/* What conversations begin with: connection, session 0x3c0, subscription 0x1000006a. */
#define CR ">: 1e e0 0000 0001 00 c1 02 0600 c2 0f 53494d415449432d524f4f542d4553 c0 01 0a "
#define CC "<: 1e d0 0001 0007 00 c0 01 0a c1 02 0600 c2 0f 53494d415449432d524f4f542d4553 "
#define OPEN_REQ                                                                                   \
	"31 0000 04ca 0000 0001 00000120 36 0000011d 0004 00 00000000 a1 000000d3 821f 0000 a2 "   \
	"00000000 "
#define OPEN	     ">1 " OPEN_REQ "<1 32 0000 04ca 0000 0001 36 11 02 8740 8707 a1 00000000 "
#define REQ(fn, seq) "31 0000 " fn " 0000 " seq " 000003c0 34 "
#define ANS(fn, seq) "32 0000 " fn " 0000 " seq " 34 "
#define SUBSCRIBE                                                                                  \
	">2 " REQ("04ca", "0004") "000003af 0004 00 00000000 a1 7fffc001 8769 00 00000000 "        \
				  "<2 " ANS("04ca", "0004") "00 01 818080806a 00000000 "
#define NOTE(id, tick) "33 " id " 0400 0000 0000 " tick " 01 00000000 "

static const struct line transport[] = {
    {1, 0, CR, "request 480 connect", "\"src_tsap\":\"0600\",\"dst_tsap\":\"SIMATIC-ROOT-ES\""},
    {2, 0, CR, "request 480 connect", "\"prop_tsap\":\"SIMATIC-ROOT-ES\",\"prop_na\":3"},
    {3, 0, CR CC, "response 464 connect",
	"\"tpdu\":\"CC\",\"dst_ref\":1,\"src_ref\":7,\"tpdu_size\":10"},
    {4, 0, CC, "response 464 connect !unsolicited", NULL},
    {5, MID, CC, "response 464 connect", NULL},
    {6, 0, "!" CR CC, "response 464 connect !unsolicited", NULL},
    {7, 0, CR CR, "request 480 connect !connect_again", NULL},
    {8, 0, CR CC CR, "request 480 connect !connect_again", NULL},
    {9, 0, "<: 0e e0 0000 0001 00 c1 02 0600 c2 02 0102", "malformed 480 connect !opcode_direction",
	NULL},
    {10, 0, ">: 06 e0 0000 0001 00", "request 480 connect", "\"prop_na\":3"},
    {11, 0, ">: 0a e0 0000 0001 00 42 02 0102", "request 480 connect !tpdu_parameter", NULL},
    {12, 0, ">: 09 e0 0000 0001 00 c2 05 01", "malformed 480 connect !tpdu_short", NULL},
    {13, 0, ">: 29 e0 0000 0001 00 c2 21 ~ 41", "request 480 connect !tsap_length",
	"\"prop_na\":3"},
    {14, 0, CR ">: 06 80 0007 0001 80", "request 384 disconnect", "\"tpdu\":\"DR\""},
    {15, 0, CR "<: 06 80 0007 0001 02", "response 384 disconnect", "\"reason\":2"},
    {16, 0, CR "<: 05 c0 0007 0001", "response 448 disconnect", "\"tpdu\":\"DC\""},
    {17, 0, CR "<: 04 70 0007 01", "response 368 transport_error", "\"reason\":1"},
    {18, 0, CR ">: 04 60 0007 01", "malformed 352 transport_other !tpdu_short !tpdu_type", NULL},
    {19, 0, CR ">: 06 10 0007 0001 00", "malformed 272 transport_other !tpdu_type", NULL},
    {20, 0, CR CC ">: 02 f0 00", "request 496 keep_alive", "\"access\":\"session\""},
    {21, 0, CR CC ">= ", "request 496 keep_alive", NULL},
    {22, 0, "!" CR ">2 " REQ("054c", "0003") "00000000 01", "request 1356 get_multi_variables",
	"\"prop_pdu\":19,\"prop_na\":0"},
    {23, 0, CR ">2 " REQ("054c", "0003") "00000000 01", "request 1356 get_multi_variables",
	"\"prop_version\":2,\"prop_pdu\":19,\"prop_tsap\":\"SIMATIC-ROOT-ES\""},
};

static const struct line functions[] = {
    {30, 0, ">1 " OPEN_REQ, "request 1226 create_session",
	"\"opcode\":49,\"seq\":1,\"session\":288,\"flags\":54,\"object\":285,\"attribute\":287"},
    {31, 0, OPEN, "response 1226 create_session", "\"error\":17"},
    {32, 0, OPEN ">2 " REQ("0542", "0002") "000003c0 01 01 8232 01 0017",
	"request 1346 set_session_variables", "\"object\":960,\"count\":1"},
    {86, 0, ">2 31 0000 0542 0000 0002 8a0e0001 34 8a0e0001 01 01 8232 01 0017",
	"request 1346 set_multi_variables", NULL}, /* calls a data block its session */
    {33, 0, OPEN ">2 " REQ("0542", "0002") "00000400 01 01 8232 01 0017",
	"request 1346 set_multi_variables", NULL},
    {34, 0, ">2 " REQ("04ca", "0002") "0000011d 0004 00 00000000 a1 000000d3 8769 00",
	"request 1226 create_subscription", NULL},
    {35, 0, ">2 " REQ("04ca", "0002") "00000003 0004 00 00000000 a1 000000d3 821f 00",
	"request 1226 create_object",
	"\"access\":\"program\""}, /* a session outside the sessions' place is none */
    {36, 0, ">2 " REQ("04ca", "0002") "00000003 0004 00 00000000 05 a1 8a320001 9457 00",
	"request 1226 create_object", "\"attribute\":2647"},
    {37, 0, ">2 " REQ("04ca", "0002") "00000003 0005 00", "request 1226 create_object",
	"\"object\":3,\"data_len\""},
    {38, 0, OPEN SUBSCRIBE, "response 1226 create_subscription", "\"error\":0"},
    {39, 0, OPEN SUBSCRIBE "<2 " NOTE("1000006a", "07"), "response 51 notification",
	"\"object\":268435562,\"data_len\":17,\"credit_tick\":7"},
    {40, 0, OPEN SUBSCRIBE ">2 " REQ("04f2", "0005") "1000006a 01 881d 0007 0006",
	"request 1266 set_subscription", "\"attribute\":1053"},
    {41, 0, OPEN SUBSCRIBE ">2 " REQ("04f2", "0005") "1000006b 01 881d 0007 0006",
	"request 1266 set_variable", "\"access\":\"write\""},
    {42, 0, OPEN ">2 " REQ("04f2", "0005") "000003c0 01 881d 0007 0006",
	"request 1266 set_session_variable", NULL},
    {43, 0, OPEN ">2 " REQ("04f2", "0005") "00000034 01 9077 0008 01",
	"request 1266 set_operating_state", "\"access\":\"control\""},
    {44, 0, OPEN ">2 " REQ("04f2", "0005") "00000034 02 9077 0008 01",
	"request 1266 set_cpu_variable", NULL},
    {45, 0, OPEN ">2 " REQ("04f2", "0005") "00000034 01 9076 0008 01",
	"request 1266 set_cpu_variable", NULL},
    {46, 0, OPEN ">2 " REQ("0542", "0006") "00000000 01 04 00 34 01 9077 01 0008 01",
	"request 1346 set_cpu_variables", NULL},
    {47, 0,
	OPEN ">2 " REQ(
	    "0542", "0006") "00000000 02 09 00 8aaf8e8002 02 8a76 09 00 34 01 9077 01 0008 01",
	"request 1346 set_cpu_variables", "\"count\":2"},
    {48, 0, OPEN ">2 " REQ("0542", "0006") "00000000 01 05 00 8aaf8e8002 02 8a76 09 01 0008 01",
	"request 1346 set_multi_variables", "\"access\":\"write\""},
    {49, 0, OPEN ">2 " REQ("0542", "0006") "00000034 01 01 9077 01 0008 01",
	"request 1346 set_cpu_variables", NULL},
    {50, 0, OPEN ">2 " REQ("0542", "0006") "00000000 02 09 00 8aaf8e8002 02 8a76 09",
	"malformed 1346 set_cpu_variables !body_short", NULL},
    {51, 0, OPEN ">2+ " REQ("0542", "0006") "00000000 02 09 00 8aaf8e8002 02 8a76 09",
	"request 1346 set_cpu_variables !list_unread", "\"fragment\":1"},
    {52, 0, OPEN ">2 " REQ("04d4", "0007") "000003c0 00000000", "request 1236 delete_session",
	NULL},
    {53, 0, OPEN ">2 " REQ("04d4", "0007") "8a320001 00000000", "request 1236 delete_object",
	"\"access\":\"program\""},
    {54, 0, OPEN SUBSCRIBE ">2 " REQ("04d4", "0007") "1000006a 00000000",
	"request 1236 delete_subscription", NULL},
    {55, 0, OPEN ">2 31 0000 04d4 0000 0007 8a320001 34 8a320001",
	"request 1236 delete_object !session_mismatch", NULL},
    {56, 0, ">2 " REQ("0586", "0008") "00000034 20 04 01 9b1e", "request 1414 get_var_substreamed",
	"\"object\":52,\"attribute\":3486,\"count\":1"},
    {57, 0, ">2 " REQ("057c", "0008") "00000034 20 04 01 9077", "request 1404 set_cpu_substreamed",
	NULL},
    {58, 0, OPEN ">2 " REQ("057c", "0008") "000003c0 20 04 01 8e36",
	"request 1404 set_session_substreamed", NULL},
    {59, 0, ">2 " REQ("057c", "0008") "00000003 20 04 01 8e36", "request 1404 set_var_substreamed",
	NULL},
    {60, 0, ">2 " REQ("04bb", "0009") "00000219 00", "request 1211 explore", "\"access\":\"read\""},
    {61, 0, ">2 " REQ("0524", "0009") "00000031 915e", "request 1316 get_link", NULL},
    {62, 0, ">2 " REQ("0556", "0009") "", "request 1366 begin_sequence", "\"access\":\"program\""},
    {63, 0, ">2 " REQ("0560", "0009") "00", "request 1376 end_sequence", NULL},
    {64, 0, ">2 " REQ("056b", "0009") "00000003", "request 1387 invoke", "\"access\":\"program\""},
    {65, 0, ">1 " REQ("05b3", "0009") "", "request 1459 init_ssl", "\"access\":\"session\""},
    {66, 0, ">2 " REQ("04fc", "0009") "00000003", "request 1276 get_variable", NULL},
    {67, 0, ">2 " REQ("0590", "0009") "00000003", "request 1424 get_variables_address", NULL},
    {68, 0, ">2 " REQ("059a", "0009") "", "request 1434 abort", NULL},
    {69, 0, ">2 " REQ("0999", "0009") "", "request 2457 unknown !unknown_function",
	"\"access\":\"other\""},
    {70, 0, ">2 " REQ("04b2", "0009") "", "request 1202 unknown !unknown_function", NULL},
    {71, 0, ">3 20 ~ " REQ("054c", "0003") "00000000 03 0e", "request 1356 get_multi_variables",
	"\"version\":3,\"opcode\":49,\"seq\":3,\"session\":960,\"flags\":52,\"object\":0,\"count\":"
	"3,\"data_len\":53,\"integrity\":32"},
    {72, 0, ">3 " REQ("054c", "0003") "00000000 03 0e",
	"request 1356 get_multi_variables !integrity_missing", NULL},
    {73, 0, "<f 0102030405", "response 254 system_event", "\"version\":254"},
    {74, 0, "<k ", "response 255 extended_keep_alive", NULL},
    {75, 0, ">= 72ff 0700 0102", "request 255 extended_keep_alive", "\"data_len\":2"},
};

static const struct line pairing[] = {
    {100, 0, ">2 " REQ("054c", "0003") "00000000 01 <2 " ANS("054c", "0003") "00",
	"response 1356 get_multi_variables", "\"error\":0"},
    {101, 0, "<2 " ANS("054c", "0003") "00", "response 1356 get_multi_variables !unsolicited",
	NULL},
    {102, MID, "<2 " ANS("054c", "0003") "00", "response 1356 get_multi_variables", NULL},
    {103, MID,
	">2 " REQ("054c", "0003") "00000000 01 <2 " ANS("054c", "0003") "00 <2 " ANS(
	    "054c", "0002") "00",
	"response 1356 get_multi_variables !unsolicited", NULL},
    {104, 0, "!>2 " REQ("054c", "0003") "00000000 01 <2 " ANS("054c", "0003") "00",
	"response 1356 get_multi_variables !unsolicited", NULL},
    {105, 0,
	">2 " REQ("054c", "0003") "00000000 01 <2 " ANS("054c", "0003") "00 <2 " ANS(
	    "054c", "0003") "00",
	"response 1356 get_multi_variables !duplicate_response !unsolicited", NULL},
    {106, 0, ">2 " REQ("054c", "0003") "00000000 01 <2 " ANS("0586", "0003") "00",
	"response 1414 get_var_substreamed !function_mismatch !unsolicited", NULL},
    {107, 0, ">2 " REQ("054c", "0003") "00000000 01 >2 " REQ("054c", "0003") "00000000 01",
	"request 1356 get_multi_variables !sequence_in_use", NULL},
    {108, 0, "{ <2 " ANS("054c", "0003") "00", "response 1356 get_multi_variables", NULL},
    {109, 0,
	">2 " REQ("0586", "0006") "00000034 20 04 01 9b1e <2 " ANS(
	    "0586", "0006") "c08895b080ef91fff4 00000000",
	"exception 1414 get_var_substreamed", "\"error\":-12"},
    {110, 0,
	OPEN SUBSCRIBE ">2 31 0000 04f2 0000 0005 000003c0 74 1000006a 01 881d 0007 0006 "
		       "<2 02 0000 04f2 0000 0005 74 00000000 00000000",
	"response 1266 set_subscription", "\"opcode\":2"},
    {111, 0, OPEN "<2 " NOTE("1000006a", "01"), "response 51 notification !unsolicited", NULL},
    {112, MID, "<2 " NOTE("1000006a", "01") ">2 " REQ("04f2", "0005") "1000006a 01 881d 0007 0006",
	"request 1266 set_subscription", NULL},
    {113, 0, OPEN "} <2 " NOTE("1000006a", "01"), "response 51 notification", NULL},
    {114, 0,
	OPEN "!>2 " REQ("04ca", "0004") "000003af 0004 00 00000000 a1 7fffc001 8769 00 "
					"<2 " NOTE("1000006a", "01"),
	"response 51 notification !unsolicited", NULL},
    {115, 0, OPEN ">2 31 0000 054c 0000 0003 000003c1 34 00000000 01",
	"request 1356 get_multi_variables !session_mismatch", NULL},
    {116, 0, OPEN ">2 31 0000 054c 0000 0003 00000120 34 00000000 01",
	"request 1356 get_multi_variables", NULL},
};

static const struct line fragments[] = {
    {130, 0, ">2+ " REQ("04ca", "0027") "00000003 0004 00 00000000 a1 8a320001 9457",
	"request 1226 create_object", "\"fragment\":1"},
    {131, 0, ">2+ " REQ("04ca", "0027") "00000003 0004 00 00000000 a1 8a320001 9457 >2+ 00823f98",
	"request 1226 create_object", "\"data_len\":4,\"fragment\":2"},
    {132, 0,
	">2+ " REQ("04ca", "0027") "00000003 0004 00 00000000 a1 8a320001 9457 >2+ 00823f98 >2 00 ",
	"request 1226 create_object", "\"fragment\":3,\"prop_version\":2,\"prop_pdu\":37"},
    {133, 0,
	">2+ " REQ("04ca", "0027") "00000003 0004 00 00000000 a1 8a320001 9457 >2 00 <2 " ANS(
	    "04ca", "0027") "00",
	"response 1226 create_object", "\"seq\":39"},
    {134, 0, "!>2+ " REQ("04ca", "0027") "00000003 0004 00 00000000 a1 8a320001 9457 >2 00",
	"malformed 1 fragment !unknown_opcode", NULL},
    {135, 0, ">2+ " REQ("04bb", "0001") "00000001 >3 00",
	"malformed 1211 explore !fragment_version", NULL},
    {136, 0, ">2+ " REQ("04bb", "0001") "00000001 { >2 00", "request 1 fragment !fragment_unknown",
	"\"access\":\"other\""},
    {137, MID, ">2 00112233", "request 1 fragment !fragment_unknown", NULL},
    {141, 0, ">2+ " REQ("0999", "0001") "00000001 >2 00", "request 2457 unknown", NULL},
    {138, 0, ">2+ " REQ("04bb", "0001") "00000001 >2 0000 >2 " REQ("04bb", "0002") "00000001",
	"request 1211 explore", "\"seq\":2"},
    {139, 0, ">2 " REQ("04bb", "0001") "00000001 <2+ " ANS("04bb", "0001") "00 <3 20 ~ 00",
	"malformed 1211 explore !fragment_version", NULL},
    {140, 0, ">2 " REQ("04bb", "0001") "00000001 <2+ " ANS("04bb", "0001") "00 <2 3132",
	"response 1211 explore", "\"fragment\":2,\"prop_version\""},
};

#define HELLO                                                                                      \
	"16 0301 003c 01 000038 0303 ~ 00 0002 1301 01 00 000d 0000 0009 0007 00 0004 706c6331 "
static const struct line encrypted[] = {
    {160, 0, ">= " HELLO, "request 22 encrypted !encrypted",
	"\"tls_record\":\"handshake\",\"tls_handshake\":\"client_hello\""},
    {161, 0, ">= " HELLO, "request 22 encrypted !encrypted",
	"\"encrypted\":true,\"tls_record_version\":\"TLS 1.0\",\"sni\":\"plc1\""},
    {162, 0, "<= 17 0303 0003 010203", "response 23 encrypted !encrypted",
	"\"tls_record\":\"application_data\",\"tls_bytes\":8"},
    {163, 0, ">= 17 0303 0006 010203 >= 720203", "request 23 encrypted !encrypted",
	NULL}, /* the rest of a record */
    {164, 0, ">= 17 0303 0006 010203 >= 720203 15 0303 >= 0002 0100",
	"request 21 encrypted !encrypted", NULL},
    {165, 0, ">= 17 0303 0001 00 >= 010203", "malformed 0 unknown !tls_record", NULL},
    {166, 0, ">= 17 0303 0001 00 99", "malformed 0 unknown !tls_record", NULL},
    {167, 0, ">= 17 0303 0001 00 >2 " REQ("04f2", "0005") "00000034 01 9077 0008 01",
	"request 1266 set_operating_state !plain_in_tls", NULL},
    {168, 0, "!>= 17 0303 0006 010203 >2 " REQ("04bb", "0001") "00000001", "request 1211 explore",
	NULL},
    {169, 0, ">= 17 0303 0006 010203 { >= 05060708", "request 23 encrypted !encrypted", NULL},
    {170, 0, ">= 17 0303 0006 010203 { >= 17 0303 0001 05 >= 06", "malformed 0 unknown !tls_record",
	NULL},
    {171, 0, ">= 42", "malformed 0 unknown !not_s7plus", NULL},
    {172, 0, ">= 17 0303 ffff 01", "malformed 0 unknown !not_s7plus", NULL},
    {173, MID, "<= 17 0303 0002 0102 >= 99", "request 23 encrypted !encrypted", NULL},
    {174, 0, ">= 14 0303 0001 01 16 0303 0004 deadbeef", "request 22 encrypted !encrypted",
	"change_cipher_spec"},
};

static const struct line malformed[] = {
    {200, 0, ">= 7204 0001 31 72040000", "malformed 0 unknown !unknown_version", NULL},
    {201, 0, ">= 7200 0001 31 72000000", "malformed 0 unknown !unknown_version", NULL},
    {202, 0, ">= 7202 0009 31", "malformed 0 unknown !length", NULL},
    {203, 0, ">= 7202 0001 31 72", "malformed 0 unknown !length", NULL},
    {204, 0, ">= 7202 0000 72020000", "malformed 0 unknown !length", NULL},
    {205, 0, ">= 7202 0001 31 72020001", "malformed 0 unknown !trailer", NULL},
    {206, 0, ">= 7202 0001 31 72030000", "malformed 0 unknown !trailer", NULL},
    {207, 0, ">= 7202", "malformed 0 unknown !length", NULL},
    {208, 0, ">2 31 0000 04", "malformed 0 unknown !body_short !unknown_function", NULL},
    {209, 0, ">2 31 0000 04f2 0000 0001 00000120 34 0000",
	"malformed 1266 set_variable !body_short", NULL},
    {210, 0, ">2 99", "malformed 1 fragment !unknown_opcode", NULL},
    {211, 0, ">2 " ANS("054c", "0003") "00",
	"malformed 1356 get_multi_variables !opcode_direction !unsolicited", NULL},
    {212, 0, "<2 " REQ("054c", "0003") "00000000 01",
	"malformed 1356 get_multi_variables !opcode_direction", NULL},
    {213, 0, ">2 " NOTE("1000006a", "01"), "malformed 51 notification !opcode_direction", NULL},
    {214, 0, "<2 33 1000", "malformed 51 notification !body_short", NULL},
    {215, 0, ">= 72fe 0005 01", "malformed 0 unknown !length", NULL},
    {216, 0, ">2 " REQ("0542", "0006") "00000000 888080808000",
	"malformed 1346 set_multi_variables !body_short", NULL},
    /* malformed requests are not remembered */
    {217, 0, ">2 31 0000 054c 0000 0001 00000120 34 0000 <2 " ANS("054c", "0001") "00",
	"response 1356 get_multi_variables !unsolicited", NULL},
};

static void
test_transport(void **state)
{
	(void)state;
	RUN(transport);
}

static void
test_functions(void **state)
{
	(void)state;
	RUN(functions);
}

static void
test_pairing(void **state)
{
	(void)state;
	RUN(pairing);
}

static void
test_fragments(void **state)
{
	(void)state;
	RUN(fragments);
}

static void
test_encrypted(void **state)
{
	(void)state;
	RUN(encrypted);
}

static void
test_malformed(void **state)
{
	(void)state;
	RUN(malformed);
}

/* More open requests than are remembered: said once, and the evicted one's answer is late. */
static void
test_many_open(void **state)
{
	static struct dis_sink s;
	static char steps[64 * 128];
	size_t n = 0;

	(void)state;
	for (unsigned i = 1; i <= 33; i++)
		n += (size_t)snprintf(steps + n, sizeof(steps) - n,
		    ">2 31 0000 054c 0000 00%02x 000003c0 34 00000000 01 ", i);
	play(steps, 0, SIZE_MAX, &s);
	assert_string_equal(s.text, "request 1356 get_multi_variables !pending_full");
	snprintf(steps + n, sizeof(steps) - n, "<2 " ANS("054c", "0001") "00");
	play(steps, 0, SIZE_MAX, &s);
	assert_string_equal(s.text, "response 1356 get_multi_variables !late_response");
	/* Nobody waits for the answers of these, so it is no loss to forget them. */
	for (n = 0; n < strlen(steps); n++)
		if (memcmp(steps + n, "c0 34", 5) == 0)
			steps[n + 3] = '7';
	play(steps, 0, SIZE_MAX, &s);
	assert_string_equal(s.text, "response 1356 get_multi_variables !unsolicited");
}

/* A ninth subscription is not remembered; nothing then says that a notification is unsolicited. */
static void
test_many_subscriptions(void **state)
{
	static struct dis_sink s;
	static char steps[64 * 256];
	size_t n = (size_t)snprintf(steps, sizeof(steps), "%s", OPEN);

	(void)state;
	for (unsigned i = 1; i <= 9; i++)
		n += (size_t)snprintf(steps + n, sizeof(steps) - n,
		    ">2 31 0000 04ca 0000 01%02x 000003c0 34 000003af 0004 00 00000000 a1 7fffc001 "
		    "8769 00 "
		    "<2 32 0000 04ca 0000 01%02x 34 00 01 8180808%x%02x 00000000 ",
		    i, i, 0, i);
	snprintf(steps + n, sizeof(steps) - n, "<2 " NOTE("10000009", "01"));
	play(steps, 0, SIZE_MAX, &s);
	assert_string_equal(s.text, "response 51 notification");
}

/* Whose bytes are these? */
static void
test_probe(void **state)
{
	static const struct {
		unsigned nr;
		const char *bytes;
		enum dis_probe_result probe;
		int32_t frame;
	} cases[] = {
	    {1, "", PROBE_MAYBE, FRAME_MORE},
	    {2, "0300", PROBE_MAYBE, FRAME_MORE},
	    {3, "0301", PROBE_NO, FRAME_MORE},
	    {4, "485454502f", PROBE_NO, FRAME_MORE},
	    {5, "485454502f312e31", PROBE_NO, FRAME_BAD},
	    {6,
		"03000023 1e e0 0000 0001 00 c1 02 0600 c2 0f 53494d415449432d524f4f542d4553 c0 01 "
		"0a",
		PROBE_YES, 35},
	    {7, "03000023 1e e0 0000 0001 00 c1 02 0600 c2 0f 53494d41", PROBE_MAYBE, 35},
	    {8,
		"03000023 1e e0 0000 0001 00 c1 02 0600 c2 0f 53494d415449432d424f4f542d4553 c0 01 "
		"0a",
		PROBE_NO, 35},
	    {9, "03000016 11 e0 0000 0001 00 c1 02 0100 c2 02 0102 c0 01 0a", PROBE_NO,
		22},						    /* S7 */
	    {10, "0300000b 06 e0 0000 0001 00", PROBE_NO, 11},	    /* remote desktop */
	    {11, "0300000c 02 f0 80 72 02 0001 31", PROBE_YES, 12}, /* lengths agree, no trailer */
	    {12, "03000010 02 f0 80 72 02 0001 31 72020000", PROBE_YES, 16},
	    {13, "03000010 02 f0 80 72 02 0004 31 72020000", PROBE_MAYBE, 16},
	    {14, "03000010 02 f0 80 72 07 0001 31 72020000", PROBE_MAYBE, 16},
	    {15, "03000010 02 f0 80 72 02", PROBE_MAYBE, 16},
	    {16, "03000010 02 f0 80", PROBE_MAYBE, FRAME_MORE},
	    {17, "0300000b 02 f0 80 72 ff 0100", PROBE_YES, 11},
	    {18, "03000011 02 f0 80 32 01 0000 0001 0000 0000", PROBE_NO, FRAME_OTHER}, /* S7 */
	    {19, "03000011 02 f0 80 32 01 0077 0001 0000 0000", PROBE_NO, 17},
	    {20, "03000011 02 f0 80 32", PROBE_NO, FRAME_MORE},
	    {21, "03000011 02 f0 80 0d b2 05 06 13 01 00 16 01 02", PROBE_NO,
		FRAME_OTHER}, /* MMS */
	    {22, "03000011 02 f0 80 01 00 01 00 61 01 00 16 01 02", PROBE_NO, FRAME_OTHER},
	    {23, "0300000f 02 f0 80 17 03 03 0003 010203", PROBE_YES, 15}, /* TLS */
	    {24, "0300000f 02 f0 80 17 03", PROBE_MAYBE, FRAME_MORE},
	    {25, "0300000f 02 f0 80 17 03 03 9003 010203", PROBE_NO, 15},
	    {26, "03000007 02 f0 00", PROBE_NO, 7},
	    {27, "03000007 02 f0 00 03", PROBE_NO, 7},
	    {28, "0300000a 02 f0 00 32 01 00", PROBE_NO,
		FRAME_OTHER}, /* as much as the first DT has */
	    {29, "0300000b 02 f0 00 72 02 0001", PROBE_YES, FRAME_NEED(18)},
	    {30, "0300000b 02 f0 00 72 02 0001 0300000c 02 f0 80 31", PROBE_YES, 23},
	    {31, "0300000b 02 f0 00 72 02 0001 0300000c 02 f1 80 31", PROBE_YES, FRAME_BAD},
	    {32, "03000006 02 f0 80 72", PROBE_NO, FRAME_BAD},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text = cases[i].bytes;
		uint8_t bytes[128], variant = 9;
		size_t n = hex(&text, bytes);
		struct cur c = cur_make(guard_put(&page, bytes, n), n);
		int32_t frame = D->frame(c, DIR_TO_SERVER, 0);
		enum dis_probe_result probe = D->probe(c, DIR_TO_SERVER, &variant);

		if (probe != cases[i].probe || frame != cases[i].frame)
			print_error(
			    "case %u: probe %d, frame %d\n", cases[i].nr, (int)probe, frame);
		assert_int_equal(probe, cases[i].probe);
		assert_int_equal(frame, cases[i].frame);
		assert_int_equal(variant, 0);
	}
}

/* S7 or MMS on a connection that has spoken S7comm-plus, and that nobody else wants, is ours and wrong. */
static void
test_settled(void **state)
{
	static const uint8_t mms[] = {3, 0, 0, 12, 2, 0xf0, 0x80, 1, 0, 1, 0, 0x61};
	static _Alignas(8) uint8_t conn[2032];
	static struct dis_sink s = {.pass = true};
	struct dis_call call = {.state = conn, .sink = &s, .variant = VARIANT_OURS};
	static const uint8_t event[] = {3, 0, 0, 20, 2, 0xf0, 0x80, 0x72, 1, 0, 5, 0x31, 0, 0, 5, 0x9a,
	    0x72, 1, 0, 0};
	uint8_t *p = guard_put(&page, mms, sizeof(mms));

	(void)state;
	assert_false(D->settled(conn));
	assert_int_equal(D->frame(cur_make(p, sizeof(mms)), DIR_TO_SERVER, 0), FRAME_OTHER);
	assert_int_equal(D->frame(cur_make(p, sizeof(mms)), DIR_TO_SERVER, VARIANT_OURS), 12);
	D->pdu(&call, cur_make(p, sizeof(mms)));
	assert_string_equal(s.text, "malformed 0 unknown !not_s7plus");
	D->pdu(&call, cur_make(event, sizeof(event)));
	assert_string_equal(s.text, "malformed 1434 abort !body_short");
	assert_false(D->settled(conn)); /* what contradicts itself is no proof */
	play(">1 " REQ("059a", "0001"), 0, SIZE_MAX, &s);
	assert_true(D->settled(play_state));
	play(CR CC, 0, SIZE_MAX, &s);
	assert_false(D->settled(play_state));
	play(">= 17 0303 0001 00", 0, SIZE_MAX, &s);
	assert_true(D->settled(play_state));
}

/* A TSDU that another TPDU interrupts; frames of more than ISO_TSDU_MAX are not ours to hold. */
static void
test_cut_tsdu(void **state)
{
	static const uint8_t bytes[] = {
	    3, 0, 0, 11, 2, 0xf0, 0, 0x72, 2, 0, 1, 3, 0, 0, 11, 6, 0x80, 0, 1, 0, 1, 0};
	static _Alignas(8) uint8_t conn[2032];
	static uint8_t many[20000];
	static struct dis_sink s;
	struct dis_call call = {.state = conn, .sink = &s};
	uint8_t *p = guard_put(&page, bytes, sizeof(bytes));
	int32_t r;
	uint32_t have = 100;

	(void)state;
	assert_int_equal(D->frame(cur_make(p, sizeof(bytes)), DIR_TO_SERVER, 0), 11);
	s.pass = true;
	p = guard_put(&page, bytes, 11);
	D->pdu(&call, cur_make(p, 11));
	assert_string_equal(s.text, "malformed 0 unknown !tsdu_cut");
	for (size_t i = 0; i + 11 <= sizeof(many); i += 11)
		memcpy(many + i, bytes, 11);
	for (;;) {
		r = D->frame(cur_make(many, have), DIR_TO_SERVER, 0);
		if (!FRAME_IS_NEED(r))
			break;
		have = FRAME_NEEDED(r);
		assert_true(have <= D->max_pdu);
	}
	assert_int_equal(r, FRAME_BAD);
}

/* After all others: every anomaly of the list has been raised by some case. */
static void
test_all_anomalies(void **state)
{
	(void)state;
	for (unsigned i = 0; D->schema->anomalies[i]; i++)
		if (!(seen >> i & 1))
			fail_msg("no case raises %s", D->schema->anomalies[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_transport),
	    cmocka_unit_test(test_functions),
	    cmocka_unit_test(test_pairing),
	    cmocka_unit_test(test_fragments),
	    cmocka_unit_test(test_encrypted),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_many_open),
	    cmocka_unit_test(test_many_subscriptions),
	    cmocka_unit_test(test_probe),
	    cmocka_unit_test(test_cut_tsdu), cmocka_unit_test(test_settled),
	    cmocka_unit_test(test_all_anomalies),
	};

	page = guard_new(TSDU_ROOM + 4096);
	if (dissector_lookup("s7plus", &s7plus_index) != D)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
