/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s7_test.c - the S7 dissector by itself: every function, sub-function, anomaly
 * and pairing rule as a numbered line of bytes and the fact it must give.
 * Longer than 1000 lines because it is a table of such lines.
 *
 * A line is a small conversation: `>` to the server, `<` to the client, then what:
 *   J ref params / data          a job           (ROSCTR 1)
 *   A ref params / data          its answer      (3, no error)
 *   E ref error params / data    an answer with an error class and code
 *   K ref error                  acknowledgement (2)
 *   U ref method type-group sub seq [unit last error] / data   userdata (7); its head is added
 *   R bytes                      a message as it is
 *   T bytes                      a TPKT as it is
 * numbers and bytes in hex; headers and lengths are added here.  `!` before it: the
 * engine does not let it pass.  `{` and `}`: bytes were lost towards the server, the
 * client.  The last fact is compared
 *   kind code op !anomalies items
 * an item being  r|w space sub:first+count=values (of them 24 at most).
 *
 * Longer than 1000 lines because it is a table: a case is two of them.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/jw.h"
#include "dissectors/dissector.h"
#include "policy/policy.h"
#include "tests/unit/grow.h"
#include "tests/unit/guard.h"

extern const struct dissector dissector_s7;
#define D (&dissector_s7)

enum { MID = 1 };

struct dis_sink {
	bool pass;
	unsigned facts;
	char text[4096]; /* of the last fact */
	char json[1 << 17];
	const struct policy *pol; /* judge with it, when there is one */
	struct policy_bind bind;
	struct verdict verdict;
	uint8_t refusal[2048];
	size_t refused;
};

static uint64_t seen; /* anomalies that any case has raised */
static uint64_t ops_seen[8]; /* operations */
static uint8_t s7_index;

static void
add(char *to, size_t size, const char *fmt, ...)
{
	size_t n = strlen(to);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(to + n, size - n, fmt, ap);
	va_end(ap);
}

static const char *
anomaly_name(unsigned bit)
{
	return bit < FACT_A_ENGINE ? D->schema->anomalies[bit] :
	    bit == 51 ? "unsolicited" : "engine";
}

/* The engine's part: keep what the fact says, and the verdict of the case. */
bool
dis_emit(struct dis_sink *s, struct fact *f)
{
	struct jw w = jw_make(s->json, sizeof(s->json));
	struct fact_iter it = {0};
	struct fact_item item;
	unsigned n = 0;

	s->facts++;
	f->proto = s7_index;
	assert_true(f->opx < D->schema->n_opx);
	assert_string_equal(f->op, dissector_op(D->schema, f->opx)->name);
	assert_int_equal(f->code, dissector_op(D->schema, f->opx)->code);
	ops_seen[f->opx / 64] |= UINT64_C(1) << f->opx % 64;
	snprintf(s->text, sizeof(s->text), "%s %x %s", fact_kind_name(f->kind), f->code, f->op);
	for (unsigned i = 0; i < 64; i++)
		if (f->anomalies >> i & 1)
			add(s->text, sizeof(s->text), " !%s", anomaly_name(i));
	seen |= f->anomalies;
	while (fact_next(f, &it, &item)) {
		n++;
		add(s->text, sizeof(s->text), " %c %s ", item.access == ACC_READ ? 'r' : 'w',
		    D->schema->spaces[item.space].name);
		if (D->schema->spaces[item.space].max_sub)
			add(s->text, sizeof(s->text), "%u:", item.sub);
		add(s->text, sizeof(s->text), "%u+%u", item.first, item.count);
		for (unsigned i = 0; item.vals && i < item.count && i < 24; i++)
			add(s->text, sizeof(s->text), "%c%u", i ? ',' : '=', fact_value(&item, i));
	}
	assert_int_equal(n, f->n_items);
	jw_obj(&w, NULL);
	fact_json(&w, f);
	jw_close(&w, '}');
	assert_true(jw_end(&w));
	if (s->pol) {
		s->verdict = policy_eval(s->pol, &s->bind, f);
		s->pass = s->verdict.action < VERDICT_REJECT;
	}
	s->refused = D->refuse(&(struct dis_call){0}, f, s->refusal, sizeof(s->refusal));
	return s->pass;
}

/* Never asked for: S7's state lies in the flow. */
void *
dis_lease(struct dis_call *call, uint32_t want)
{
	(void)call;
	(void)want;
	fail();
	return NULL;
}

static unsigned
hex_digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
}

/* Bytes of hex up to a character that is neither a digit nor a space; 'text' as it is. */
static size_t
hex(const char **text, uint8_t *out)
{
	const char *p = *text;
	size_t n = 0;

	for (;;) {
		while (*p == ' ')
			p++;
		if (*p == '\'') {
			for (p++; *p != '\''; p++)
				out[n++] = (uint8_t)*p;
			p++;
			continue;
		}
		if (!*p || !strchr("0123456789abcdefABCDEF", *p))
			break;
		out[n++] = (uint8_t)(hex_digit(p[0]) << 4 | hex_digit(p[1]));
		p += 2;
	}
	*text = p;
	return n;
}

static void
put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* One message, without transport, from "J 1 ..."; returns its length. */
static size_t
message(const char **text, uint8_t *out)
{
	static const char kinds[] = "JKAEU";
	static const uint8_t rosctr[] = {1, 2, 3, 3, 7};
	uint8_t params[4096], data[4096];
	char kind = *(*text)++;
	size_t np = 0, nd = 0, head = 10;
	unsigned long ref, error = 0;

	if (kind == 'R')
		return hex(text, out);
	ref = strtoul(*text, (char **)(uintptr_t)text, 16);
	if (kind == 'E' || kind == 'K')
		error = strtoul(*text, (char **)(uintptr_t)text, 16);
	if (kind == 'U') {
		memcpy(params, "\0\1\x12", 3);
		np = hex(text, params + 4);
		params[3] = (uint8_t)np;
		np += 4;
	} else {
		np = hex(text, params);
	}
	if (**text == '/') {
		(*text)++;
		nd = hex(text, data);
	}
	out[0] = 0x32;
	out[1] = rosctr[strchr(kinds, kind) - kinds];
	put16(out + 2, 0);
	put16(out + 4, ref);
	put16(out + 6, np);
	put16(out + 8, nd);
	if (kind == 'A' || kind == 'E' || kind == 'K') {
		put16(out + 10, error);
		head = 12;
	}
	memcpy(out + head, params, np);
	memcpy(out + head + np, data, nd);
	return head + np + nd;
}

/* In one DT, or in DTs of at most cut bytes each. */
static size_t
tsdu(const uint8_t *msg, size_t n, size_t cut, uint8_t *out)
{
	size_t at = 0, len = 0;

	do {
		size_t k = cut && n - at > cut ? cut : n - at;

		memcpy(out + len, "\3\0\0\0\2\xf0\0", 7);
		put16(out + len + 2, k + 7);
		out[len + 6] = at + k == n ? 0x80 : 0;
		memcpy(out + len + 7, msg + at, k);
		len += k + 7;
		at += k;
	} while (at < n);
	return len;
}

static struct guard page;
static bool rests; /* after the last conversation: nothing waits, somebody else could go on */

/* Plays a conversation; s has the last fact. */
static void
play(const char *steps, unsigned flags, size_t cut, struct dis_sink *s)
{
	static uint8_t bytes[65536], msg[8300];
	struct dis_call call = {.sink = s, .midstream = (flags & MID) != 0};
	uint8_t *p;
	size_t n;
	int32_t r;

	grow_begin(D, &call);
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
		if (*steps == 'T') {
			steps++;
			n = hex(&steps, bytes);
		} else {
			n = message(&steps, msg);
			n = tsdu(msg, n, cut, bytes);
		}
		p = guard_put(&page, bytes, n);
		r = D->frame(cur_make(p, n), call.dir, call.variant);
		assert_int_equal(r, n);
		D->pdu(&call, cur_make(p, n));
	}
	rests = D->at_rest(call.state, call.variant);
}

struct line {
	unsigned nr, flags;
	const char *steps, *want;
};

static void
run(const struct line *lines, size_t count, size_t cut)
{
	static struct dis_sink s;
	unsigned failed = 0;

	for (size_t i = 0; i < count; i++) {
		s.text[0] = '\0';
		play(lines[i].steps, lines[i].flags, cut, &s);
		if (strcmp(s.text, lines[i].want) != 0) {
			print_error("case %u: %s\n  is   %s\n  want %s\n", lines[i].nr, lines[i].steps,
			    s.text, lines[i].want);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}
#define RUN(lines) run(lines, sizeof(lines) / sizeof((lines)[0]), 0)

#define SETUP	 ">J 1 f0 00 0001 0001 01e0 <A 1 f0 00 0001 0001 00f0 "
#define DB1_0	 "12 0a 10 02 0004 0001 84 000000" /* 4 bytes from DB1.DBB0 */
#define DB2_10	 "12 0a 10 02 0003 0002 84 000050" /* 3 bytes from DB2.DBB10 */
#define DL_NAME	 "09 '_0A00001P'"
#define DL_ASK	 ">J 2 1a 00 0100 00000000 " DL_NAME " 0d '1000216000088' <A 2 1a "
#define DL_FETCH "<J 77 1b 00 0000 00000000 " DL_NAME " "
#define DL_DATA	 "0014 00fb 'pp' 01 01 05 0a 0001 000102030405060708090a0b"
#define POLL_S7(ref) " >J " #ref " 04 01 " DB1_0 " <A " #ref " 04 01 / ff 04 0020 01020304"
#define READS_12 ">J 1 04 01 " DB1_0 " >J 2 04 01 " DB1_0 " >J 3 04 01 " DB1_0 " >J 4 04 01 " DB1_0 \
	" >J 5 04 01 " DB1_0 " >J 6 04 01 " DB1_0 " >J 7 04 01 " DB1_0 " >J 8 04 01 " DB1_0 \
	" >J 9 04 01 " DB1_0 " >J a 04 01 " DB1_0 " >J b 04 01 " DB1_0 " >J c 04 01 " DB1_0 " "
#define DL_END	 "<J 78 1c 00 0000 00000000 " DL_NAME " "

static const struct line variables[] = {
	{1, 0, ">J 1 04 01 " DB1_0,
	    "request 4 read r DB 1:0+32"},
	{2, 0, ">J 1 04 02 " DB1_0 " " DB2_10,
	    "request 4 read r DB 1:0+32 r DB 2:80+24"},
	{3, 0, ">J 1 04 01 12 0a 10 01 0001 0000 81 000003",
	    "request 4 read r I 3+1"},
	{4, 0, ">J 1 04 01 12 0a 10 04 0002 0000 82 000010",
	    "request 4 read r Q 16+32"},
	{5, 0, ">J 1 04 01 12 0a 10 06 0001 0000 83 000050",
	    "request 4 read r M 80+32"},
	{6, 0, ">J 1 04 01 12 0a 10 08 0002 0007 85 000020",
	    "request 4 read r DI 7:32+64"},
	{7, 0, ">J 1 04 01 12 0a 10 02 0001 0000 80 000800",
	    "request 4 read r P 2048+8"},
	{8, 0, ">J 1 04 01 12 0a 10 02 0001 0000 86 000000",
	    "request 4 read r L 0+8"},
	{9, 0, ">J 1 04 01 12 0a 10 02 0001 0000 87 000000",
	    "request 4 read r V 0+8"},
	{10, 0, ">J 1 04 01 12 0a 10 1d 0003 0000 1d 000005",
	    "request 4 read r T 5+3"},
	{11, 0, ">J 1 04 01 12 0a 10 1c 0001 0000 1c 000000",
	    "request 4 read r C 0+1"},
	{12, 0, ">J 1 04 01 12 0a 10 04 0001 0000 06 000010",
	    "request 4 read r AI 16+16"},
	{13, 0, ">J 1 04 01 12 0a 10 04 0001 0000 07 000010",
	    "request 4 read r AQ 16+16"},
	{14, 0, ">J 1 04 01 12 0a 10 02 0001 0000 05 000010",
	    "request 4 read r SM 16+8"},
	{15, 0, ">J 1 04 01 12 0a 10 02 0001 0000 03 000000",
	    "request 4 read r SYS 0+8"},
	{16, 0, ">J 1 04 01 12 0a 10 1e 0001 0000 1e 000001",
	    "request 4 read r HC 1+1"},
	{17, 0, ">J 1 04 01 12 0a 10 1f 0001 0000 1f 000001",
	    "request 4 read r HT 1+1"},
	{18, 0, ">J 1 04 01 12 0a 10 02 0001 0000 01 000001",
	    "request 4 read r RECORD 1+1"},
	{19, 0, ">J 1 04 01 12 0a 10 0f 0001 0001 84 000000",
	    "request 4 read r DB 1:0+64"},
	{20, 0, ">J 1 04 01 12 07 b0 01 04 0001 000a",
	    "request 4 read r DB 1:80+32"},
	{21, 0, ">J 1 04 01 12 0c b0 02 04 0001 000a 02 0003 0000",
	    "request 4 read r DB 1:80+32 r DB 3:0+16"},
	{22, 0, ">J 1 04 02 12 07 b0 01 04 0001 000a 00 " DB1_0,
	    "request 4 read r DB 1:80+32 r DB 1:0+32"},
	{23, 0, ">J 1 04 03 12 0c b0 02 04 0001 000a 02 0003 0000 " DB1_0 " " DB2_10,
	    "request 4 read r DB 1:80+32 r DB 3:0+16 r DB 1:0+32 r DB 2:80+24"},
	{24, 0, ">J 1 04 01 12 0e b2 ff 8a0e 0005 01020304 8000000a",
	    "request 4 read r DB 5:0+524288"},
	{25, 0, ">J 1 04 01 12 0e b2 ff 0000 0052 01020304 8000000a",
	    "request 4 read r M 0+524288"},
	{26, 0, ">J 1 04 01 12 0e b2 ff 0000 0054 01020304 8000000a",
	    "request 4 read r T 0+65536"},
	{27, 0, ">J 1 04 01 12 0e b2 ff 0000 0077 01020304 8000000a",
	    "request 4 read !area_unknown r nowhere 1+1"},
	{28, 0, ">J 1 04 01 12 08 82 41 0003 0001 12 02",
	    "request 4 read r NCK 16658:196609+2"},
	{29, 0, ">J 1 04 01 12 0a a2 00 0000 0001 03e8 0002",
	    "request 4 read r DRIVE 1:65536002+1"},
	{30, 0, ">J 1 04 01 12 06 13 00000001 00",
	    "request 4 read !syntax_unknown r nowhere 1+1"},
	{31, 0, ">J 1 05 01 " DB1_0 " / 00 04 0020 01020304",
	    "request 5 write w DB "
	    "1:0+32=1,0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,1,1,0,0,0,0,0,0"},
	{32, 0, ">J 1 05 01 12 0a 10 01 0001 0001 84 00000b / 00 03 0001 01",
	    "request 5 write w DB 1:11+1=1"},
	{33, 0, ">J 1 05 02 " DB2_10 " " DB1_0 " / 00 04 0018 010203 00 00 04 0020 04050607",
	    "request 5 write w DB "
	    "2:80+24=1,0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,1,1,0,0,0,0,0,0 w DB "
	    "1:0+32=0,0,1,0,0,0,0,0,1,0,1,0,0,0,0,0,0,1,1,0,0,0,0,0"},
	{34, 0, ">J 1 05 02 " DB1_0 " " DB2_10 " / 00 04 0020 04050607 00 04 0018 010203",
	    "request 5 write w DB "
	    "1:0+32=0,0,1,0,0,0,0,0,1,0,1,0,0,0,0,0,0,1,1,0,0,0,0,0 w DB "
	    "2:80+24=1,0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,1,1,0,0,0,0,0,0"},
	{35, 0, ">J 1 05 01 12 0a 10 1c 0002 0000 1c 000004 / 00 09 0004 00010203",
	    "request 5 write w C 4+2=1,515"},
	{36, 0, ">J 1 05 01 12 0a 10 08 0001 0001 84 000000 / 00 07 0004 3f800000",
	    "request 5 write w DB "
	    "1:0+32=1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0"},
	{37, 0, ">J 1 05 01 12 0a 10 01 0008 0001 84 000000 / 00 03 0008 01",
	    "request 5 write w DB 1:0+8=1,0,0,0,0,0,0,0"},
	{38, 0, ">J 1 05 01 12 0e b2 ff 8a0e 0005 01020304 8000000a / 00 04 0010 0001",
	    "request 5 write w DB 5:0+524288"},
	{39, 0, ">J 1 05 01 12 08 82 41 0003 0001 12 01 / 00 09 0002 0001",
	    "request 5 write w NCK 16658:196609+1"},
};

static const struct line odd_variables[] = {
	{40, 0, ">J 1 04 00",
	    "request 4 read !count_zero"},
	{41, 0, ">J 1 04 01 12 0a 10 02 0000 0001 84 000000",
	    "request 4 read !count_zero r DB 1:0+0"},
	{42, 0, ">J 1 04 01 12 0a 10 02 ffff 0001 84 000000",
	    "request 4 read !answer_over r DB 1:0+524280"},
	{43, 0, SETUP " >J 2 04 01 12 0a 10 02 00df 0001 84 000000",
	    "request 4 read !answer_over r DB 1:0+1784"},
	{44, 0, SETUP " >J 2 04 01 12 0a 10 02 00de 0001 84 000000",
	    "request 4 read r DB 1:0+1776"},
	{45, 0, ">J 1 04 01 12 0a 10 02 0002 0001 84 07fff8",
	    "request 4 read !address_overflow r DB 1:524280+16"},
	{46, 0, ">J 1 04 01 12 0a 10 02 0001 0001 84 ffffff",
	    "request 4 read !address_overflow !bit_offset r DB 1:16777208+15"},
	{47, 0, ">J 1 04 01 12 0a 10 02 0004 0001 84 000003",
	    "request 4 read !bit_offset r DB 1:0+39"},
	{48, 0, ">J 1 05 01 12 0a 10 02 0001 0001 84 000003 / 00 04 0008 ff",
	    "request 5 write !bit_offset w DB 1:0+15"},
	{49, 0, ">J 1 04 01 12 0a 10 02 0004 0001 99 000000",
	    "request 4 read !area_unknown r nowhere 1+1"},
	{50, 0, ">J 1 04 01 12 0a 10 63 0004 0001 84 000000",
	    "request 4 read !type_unknown r nowhere 1+1"},
	/* types of counters and timers in areas of bits, and the other way round */
	{327, 0, ">J 1 04 01 12 0a 10 1c 0001 0000 83 000028",
	    "request 4 read !type_unknown r nowhere 1+1"},
	{328, 0, ">J 1 04 01 12 0a 10 02 0002 0000 1d 000028",
	    "request 4 read !type_unknown r nowhere 1+1"},
	{329, 0, ">J 1 04 01 12 08 82 41 0003 0001 12 00",
	    "request 4 read r NCK 16658:196609+1"},
	{51, 0, ">J 1 04 01 12 0a 10 1d ffff 0000 1d 000005",
	    "request 4 read !address_overflow !answer_over r T 5+65535"},
	{52, 0, ">J 1 04 02 " DB1_0,
	    "malformed 4 read !body_short"},
	{53, 0, ">J 1 04 01 " DB1_0 " " DB1_0,
	    "malformed 4 read !body_long"},
	{54, 0, ">J 1 04 01 12 0a 10 02 0004 0001 84 0000",
	    "malformed 4 read !body_short"},
	{55, 0, ">J 1 04 01 13 0a 10 02 0004 0001 84 000000",
	    "malformed 4 read !item_length !syntax_unknown"},
	{56, 0, ">J 1 04 01 12 0b 10 02 0004 0001 84 000000 00",
	    "malformed 4 read !item_length !syntax_unknown"},
	{57, 0, ">J 1 04 01 12 07 b0 02 04 0001 000a",
	    "malformed 4 read !item_length"},
	{58, 0, ">J 1 04 01 12 02 b0 00",
	    "request 4 read !count_zero r nowhere 1+1"},
	{59, 0, ">J 1 04 01 12 07 b0 01 00 0001 000a",
	    "request 4 read !count_zero r DB 1:80+0"},
	{60, 0, ">J 1 04 01 12 07 b0 01 ff 0001 ff80",
	    "request 4 read !address_overflow r DB 1:523264+2040"},
	{61, 0, ">J 1 04 01 12 0d b2 ff 8a0e 0005 01020304 800000",
	    "malformed 4 read !item_length"},
	{62, 0, ">J 1 04 01 12 07 82 41 0003 0001 12",
	    "malformed 4 read !item_length"},
	{63, 0, ">J 1 04 01 12 09 a2 00 0000 0001 03e8 00",
	    "malformed 4 read !item_length"},
	{64, 0, ">J 1 04 01 12 00 10",
	    "malformed 4 read !body_short"},
	{65, 0, ">J 1 04 01 " DB1_0 " / 00",
	    "malformed 4 read !value_count"},
	{66, 0, ">J 1 05 01 " DB1_0,
	    "malformed 5 write !body_short"},
	{67, 0, ">J 1 05 01 " DB1_0 " / 00 04 0020 010203",
	    "malformed 5 write !body_short"},
	{68, 0, ">J 1 05 01 " DB1_0 " / 00 04 0018 010203",
	    "malformed 5 write !value_length"},
	{69, 0, ">J 1 05 01 " DB1_0 " / 00 04 0020 01020304 00 04 0008 01",
	    "malformed 5 write !value_count"},
	{70, 0, ">J 1 05 02 " DB1_0 " " DB2_10 " / 00 04 0020 01020304",
	    "malformed 5 write !body_short"},
	{71, 0, ">J 1 05 00",
	    "request 5 write !count_zero"},
};

static const struct line answers[] = {
	{72, 0, ">J 1 04 01 " DB1_0 " <A 1 04 01 / ff 04 0020 01020304",
	    "response 4 read"},
	{73, 0, ">J 1 04 01 " DB1_0 " <A 1 04 01 / 0a 00 0000",
	    "exception 4 read"},
	{74, 0, ">J 1 04 01 " DB1_0 " <A 1 04 01 / ff 04 0028 0102030405",
	    "response 4 read !item_size !unsolicited"},
	{75, 0, ">J 1 04 01 " DB1_0 " <A 1 04 02 / ff 04 0020 01020304 ff 04 0008 01",
	    "response 4 read !item_count !unsolicited"},
	{76, 0, ">J 1 04 01 " DB1_0 " <A 1 04 01 / ff 04 0020 010203",
	    "malformed 4 read !body_short"},
	{77, 0, ">J 1 04 01 " DB1_0 " <A 1 04 01 / ff 04 0020 0102030405",
	    "malformed 4 read !body_long"},
	{78, 0, ">J 1 04 01 " DB1_0 " <E 1 8104 04",
	    "exception 4 read"},
	{79, 0, ">J 1 04 01 " DB1_0 " <K 1 8104",
	    "exception 4 read"},
	{80, 0, ">J 1 04 02 " DB2_10 " " DB1_0
	    " <A 1 04 02 / ff 04 0018 010203 00 ff 04 0020 01020304",
	    "response 4 read"},
	{81, 0, ">J 1 04 02 " DB1_0 " " DB2_10 " <A 1 04 02 / 0a 00 0000 ff 04 0018 010203",
	    "response 4 read"},
	{82, 0, ">J 1 04 01 12 07 b0 01 03 0001 000a <A 1 04 01 / ff 04 0018 010203",
	    "response 4 read"},
	{83, 0, ">J 1 04 01 12 0e b2 ff 8a0e 0005 01020304 8000000a <A 1 04 01 / ff 04 "
	    "0018 010203",
	    "response 4 read"},
	{84, 0, ">J 1 05 01 " DB1_0 " / 00 04 0020 01020304 <A 1 05 01 / ff",
	    "response 5 write"},
	{85, 0, ">J 1 05 01 " DB1_0 " / 00 04 0020 01020304 <A 1 05 01 / 05",
	    "exception 5 write"},
	{86, 0, ">J 1 05 01 " DB1_0 " / 00 04 0020 01020304 <A 1 05 02 / ffff",
	    "response 5 write !item_count !unsolicited"},
	{87, 0, ">J 1 05 01 " DB1_0 " / 00 04 0020 01020304 <A 1 05 01 / ffff",
	    "malformed 5 write !body_long"},
	{88, 0, ">J 1 05 01 " DB1_0 " / 00 04 0020 01020304 <A 1 05 02 / ff",
	    "malformed 5 write !body_short"},
};

static const struct line pairing[] = {
    {89, 0, "<A 1 04 01 / ff 04 0020 01020304", "response 4 read !unsolicited"},
    {90, MID, "<A 1 04 01 / ff 04 0020 01020304", "response 4 read"},
    {91, MID, ">J 1 04 01 " DB1_0 " <A 1 04 01 / ff 04 0020 01020304 <A 9 04 01 / ff 04 0008 01",
	"response 4 read !unsolicited"},
    {92, 0,
	">J 1 04 01 " DB1_0 " <A 1 04 01 / ff 04 0020 01020304 <A 1 04 01 / ff 04 0020 01020304",
	"response 4 read !duplicate_response !unsolicited"},
    {93, 0, ">J 1 04 01 " DB1_0 " <A 1 05 01 / ff",
	"response 5 write !function_mismatch !unsolicited"},
    {94, 0, "!>J 1 04 01 " DB1_0 " <A 1 04 01 / ff 04 0020 01020304",
	"response 4 read !unsolicited"},
    {95, 0, ">J 1 04 01 " DB1_0 " >J 2 04 01 " DB2_10 " <A 2 04 01 / ff 04 0018 010203",
	"response 4 read"},
    {96, 0, ">J 1 04 01 " DB1_0 " >J 1 04 01 " DB2_10,
	"request 4 read !reference_in_use r DB 2:80+24"},
    /* the first is never answered, six others are: it is not forgotten */
    {200, 0,
	">J 1 04 01 " DB1_0 POLL_S7(2) POLL_S7(3) POLL_S7(4) POLL_S7(5) POLL_S7(6)
	    POLL_S7(7) " <A 1 04 01 / ff 04 0020 01020304",
	"response 4 read"},
    {97, 0, ">J 1 04 01 " DB1_0 " } <A 1 04 01 / ff 04 0020 01020304",
	"response 4 read !late_response"},
    {98, 0, "{ <A 1 04 01 / ff 04 0020 01020304", "response 4 read"},
    {99, 0,
	">J 1 04 01 " DB1_0 " >J 2 04 01 " DB1_0 " >J 3 04 01 " DB1_0 " >J 4 04 01 " DB1_0
	" >J 5 04 01 " DB1_0 " >J 6 04 01 " DB1_0 " >J 7 04 01 " DB1_0 " >J 8 04 01 " DB1_0
	" >J 9 04 01 " DB1_0 " >J a 04 01 " DB1_0 " >J b 04 01 " DB1_0 " >J c 04 01 " DB1_0 " ",
	"request 4 read !pending_full r DB 1:0+32"},
    {100, 0,
	">J 1 04 01 " DB1_0 " >J 2 04 01 " DB1_0 " >J 3 04 01 " DB1_0 " >J 4 04 01 " DB1_0
	" >J 5 04 01 " DB1_0 " >J 6 04 01 " DB1_0 " >J 7 04 01 " DB1_0 " >J 8 04 01 " DB1_0
	" >J 9 04 01 " DB1_0 " >J a 04 01 " DB1_0 " >J b 04 01 " DB1_0 " >J c 04 01 " DB1_0
	" <A 1 04 01 / ff 04 0020 01020304",
	"response 4 read !late_response"},
    {101, 0,
	">J 1 04 01 " DB1_0 " >J 2 04 01 " DB1_0 " >J 3 04 01 " DB1_0 " >J 4 04 01 " DB1_0
	" >J 5 04 01 " DB1_0 " >J 6 04 01 " DB1_0 " >J 7 04 01 " DB1_0 " >J 8 04 01 " DB1_0
	" >J 9 04 01 " DB1_0 " >J a 04 01 " DB1_0 " >J b 04 01 " DB1_0 " >J c 04 01 " DB1_0
	" <A 1 04 01 / ff 04 0020 01020304 <A 99 04 01 / ff 04 0020 01020304",
	"response 4 read !unsolicited"},
    {102, 0, "<K 1 8104", "exception 200 acknowledge !unsolicited"},
    {103, MID, "<K 1 8104", "exception 200 acknowledge"},
    {104, 0, "<J 5 04 01 " DB1_0, "request 4 read !reverse_request r DB 1:0+32"},
    {105, 0, "<J 5 04 01 " DB1_0 " >A 5 04 01 / ff 04 0020 01020304", "response 4 read"},
    {106, 0, ">A 5 04 01 / ff 04 0020 01020304", "response 4 read !unsolicited"},
    {107, 0, ">J 1 04 01 " DB1_0 " >A 1 04 01 / ff 04 0020 01020304",
	"response 4 read !unsolicited"},
};

static const struct line jobs[] = {
	{108, 0, ">J 1 f0 00 0001 0001 01e0",
	    "request f0 setup"},
	{109, 0, ">J 1 f0 00 0001 0001 01e0 <A 1 f0 00 0001 0001 00f0",
	    "response f0 setup"},
	{110, 0, ">J 1 f0 00 0001 0001 00f0 <A 1 f0 00 0001 0001 01e0",
	    "response f0 setup !pdu_size"},
	{111, 0, ">J 1 f0 00 0001 0001 0040",
	    "request f0 setup !pdu_size"},
	{112, 0, ">J 1 f0 00 0001 0001 ",
	    "malformed f0 setup !body_short"},
	{113, 0, ">J 1 f0 00 0001 0001 01e0 00",
	    "malformed f0 setup !body_long"},
	{114, 0, ">J 1 1d 00 0000 00000000 " DL_NAME,
	    "request 1d start_upload r block 10:1+1"},
	{115, 0, ">J 1 1d 00 0000 00000000 " DL_NAME " <A 1 1d 00 0100 00000007 07 '0000088'",
	    "response 1d start_upload"},
	{116, 0, ">J 1 1d 00 0000 00000000 0b '_N_MPF_DIR1'",
	    "request 1d start_upload r block 16:0+1"},
	{117, 0, ">J 1 1d 00 0000 00000000 0a '_0A00001P'",
	    "malformed 1d start_upload !body_short"},
	{118, 0, ">J 1 1d 00 0000 00000000 " DL_NAME " 00",
	    "malformed 1d start_upload !body_long"},
	{119, 0, ">J 1 1e 00 0000 00000007",
	    "request 1e upload_block"},
	{120, 0, ">J 1 1e 00 0000 00000007 <A 1 1e 00 / 0004 00fb 01020304",
	    "response 1e upload_block"},
	{121, 0, ">J 1 1e 00 0000 00000007 <A 1 1e 00 / 0005 00fb 01020304",
	    "malformed 1e upload_block !data_length"},
	{122, 0, ">J 1 1e 00 0000 0000",
	    "malformed 1e upload_block !body_short"},
	{123, 0, ">J 1 1f 00 0000 00000007",
	    "request 1f end_upload"},
	{124, 0, ">J 1 1f 00 0000 00000007 <A 1 1f",
	    "response 1f end_upload"},
	{125, 0, ">J 1 28 000000000000fd 0000 09 'P_PROGRAM'",
	    "request 28 start"},
	{126, 0, ">J 1 28 000000000000fd 0002 'C ' 09 'P_PROGRAM'",
	    "request 28 start"},
	{127, 0, ">J 1 28 000000000000fd 000a 01 00 '0A00001P' 05 '_INSE'",
	    "request 28 insert_block w block 10:1+1"},
	{128, 0, ">J 1 28 000000000000fd 0012 02 00 '0A00001P' '0800001P' 05 '_DELE'",
	    "request 28 delete_block w block 10:1+1 w block 8:1+1"},
	{129, 0, ">J 1 28 000000000000fd 000a 01 00 '0A00001P' 05 '_INS2'",
	    "request 28 insert_block_2 w block 10:1+1"},
	{130, 0, ">J 1 28 000000000000fd 0002 'EP' 05 '_MODU'",
	    "request 28 copy_ram_to_rom"},
	{131, 0, ">J 1 28 000000000000fd 0000 05 '_GARB'",
	    "request 28 compress"},
	{132, 0, ">J 1 28 000000000000fd 0000 09 '_N_F_DELE'",
	    "request 28 nc_service"},
	{133, 0, ">J 1 28 000000000000fd 0000 05 '_WHAT'",
	    "request 28 pi_other !pi_unknown"},
	{134, 0, ">J 1 28 000000000000fd 000a 01 00 '0A00001P' 05 '_INSE' <A 1 28",
	    "response 28 insert_block"},
	{135, 0, ">J 1 28 000000000000fd 0000 05 '_WHAT' <A 1 28",
	    "response 28 pi_other"},
	{136, 0, ">J 1 28 000000000000fd 0000 09 'P_PROGRAM' <E 1 d241 28",
	    "exception 28 start"},
	{137, 0, ">J 1 28 000000000000fd 000a 02 00 '0A00001P' 05 '_INSE'",
	    "malformed 28 insert_block !block_name"},
	{138, 0, ">J 1 28 000000000000fd 000a 01 00 '0A0000XP' 05 '_INSE'",
	    "malformed 28 insert_block !block_name"},
	{139, 0, ">J 1 28 000000000000fd 0002 00 00 05 '_DELE'",
	    "request 28 delete_block !count_zero"},
	{140, 0, ">J 1 28 000000000000fd 0100 05 '_INSE'",
	    "malformed 28 pi_other !body_short"},
	{141, 0, ">J 1 28 000000000000fd 0000 05 '_GARB' 00",
	    "malformed 28 compress !body_long"},
	{142, 0, ">J 1 29 0000000000 09 'P_PROGRAM'",
	    "request 29 stop"},
	{143, 0, ">J 1 29 0000000000 09 'P_PROGRAM' <A 1 29",
	    "response 29 stop"},
	{144, 0, ">J 1 29 0000000000 0a 'P_PROGRAM'",
	    "malformed 29 stop !body_short"},
	{145, 0, ">J 1 00 01 02",
	    "request 0 cpu_services"},
	{146, 0, ">J 1 7f 01 02",
	    "request 7f function_7f !function_unknown"},
	{147, 0, ">J 1 7f <A 1 7f",
	    "response 7f function_7f !function_unknown"},
	{148, 0, ">J 1",
	    "malformed 201 unreadable !body_short"},
	{149, 0, "<J 5 f0 00 0001 0001 01e0",
	    "request f0 setup !reverse_request"},
};

static const struct line transfers[] = {
	{150, 0, ">J 2 1a 00 0100 00000000 " DL_NAME " 0d '1000216000088'",
	    "request 1a request_download w block 10:1+1"},
	{151, 0, ">J 2 1a 00 0100 00000000 " DL_NAME " 0d '100021600008'",
	    "malformed 1a request_download !body_short"},
	{152, 0, DL_ASK " " DL_FETCH " ",
	    "response 1b download_block"},
	{153, 0, DL_ASK " " DL_FETCH " >A 77 1b 00 / " DL_DATA,
	    "response 1b download_block"},
	{154, 0, DL_ASK " " DL_FETCH " >A 77 1b 01 / " DL_DATA " " DL_FETCH
	    " >A 77 1b 00 / 0004 00fb 01020304",
	    "response 1b download_block"},
	{155, 0, DL_ASK " " DL_FETCH
	    " >A 77 1b 00 / 0014 00fb 'pp' 01 01 05 0b 0001 000102030405060708090a0b",
	    "response 1b download_block !transfer_name !unsolicited"},
	{156, 0, DL_ASK " " DL_FETCH
	    " >A 77 1b 00 / 0014 00fb 'pp' 01 01 05 0a 0002 000102030405060708090a0b",
	    "response 1b download_block !transfer_name !unsolicited"},
	{157, 0, DL_ASK " " DL_FETCH " >A 77 1b 00 / 0004 00fb 'pp' 01 01",
	    "response 1b download_block !transfer_name !unsolicited"},
	{158, 0, DL_ASK " " DL_FETCH
	    " >A 77 1b 00 / 0014 00fb 'qq' 01 01 05 0a 0001 000102030405060708090a0b",
	    "response 1b download_block !transfer_name"},
	{159, 0, DL_ASK " " DL_FETCH
	    " >A 77 1b 00 / 0015 00fb 'pp' 01 01 05 0a 0001 000102030405060708090a0b",
	    "malformed 1b download_block !data_length"},
	{160, 0, DL_ASK " " DL_FETCH " >A 77 1b 00 / " DL_DATA " " DL_END,
	    "response 1c download_ended"},
	{161, 0, DL_ASK " " DL_FETCH " >A 77 1b 00 / " DL_DATA " " DL_END " >A 78 1c",
	    "response 1c download_ended"},
	{162, 0, DL_ASK " " DL_FETCH " >A 77 1b 00 / " DL_DATA " " DL_END " >A 78 1c "
	    DL_FETCH,
	    "response 1b download_block !unsolicited"},
	{163, 0, DL_ASK " " DL_FETCH " >E 77 d209 1b",
	    "exception 1b download_block"},
	{164, 0, DL_FETCH,
	    "response 1b download_block !unsolicited"},
	{165, MID, DL_FETCH,
	    "response 1b download_block"},
	{166, MID, DL_FETCH " >A 77 1b 00 / 0004 00fb 01020304",
	    "response 1b download_block"},
	{167, 0, "!>J 2 1a 00 0100 00000000 " DL_NAME " 0d '1000216000088' " DL_FETCH,
	    "response 1b download_block !unsolicited"},
	{168, 0, ">A 77 1b 00 / " DL_DATA,
	    "response 1b download_block !unsolicited"},
	{169, 0, DL_ASK " >A 77 1b 00 / " DL_DATA,
	    "response 1b download_block !unsolicited"},
	{170, 0, DL_ASK " <J 77 1b 00 0000 00000000 09 '_0800001P'",
	    "response 1b download_block !transfer_name !unsolicited"},
	{171, 0, ">J 77 1b 00 0000 00000000 " DL_NAME,
	    "request 1b download_block w block 10:1+1"},
	{172, 0, DL_ASK " <J 77 1b 00 0000 00000000 09",
	    "malformed 1b download_block !body_short"},
	{173, 0, ">J 2 1a 00 0100 00000000 0b '_N_MPF_DIR1' 00 <A 2 1a <J 9 1b 00 0000 "
	    "00000000 0b '_N_MPF_DIR1' >A 9 1b 00 / 0001 00fb 01",
	    "response 1b download_block"},
	{326, 0, DL_ASK " " DL_FETCH READS_12 " >A 77 1b 00 / 0014 00fb 'pp' 01 01 05 08 0001 "
	    "000102030405060708090a0b", /* pushed out, and then another block's program */
	    "response 1b download_block !unsolicited"},
	{174, 0, DL_ASK " { " DL_FETCH " >A 77 1b 00 / " DL_DATA,
	    "response 1b download_block"},
};

static const struct line userdata[] = {
	{175, 0, ">U 3 11 40 00 00 / 0a 00 0000",
	    "request 700 mode_stop"},
	{176, 0, ">U 3 11 40 01 00 / 0a 00 0000",
	    "request 700 mode_warm_restart"},
	{177, 0, ">U 3 11 40 02 00 / 0a 00 0000",
	    "request 700 mode_run"},
	{178, 0, ">U 3 11 40 03 00 / 0a 00 0000",
	    "request 700 mode_hot_restart"},
	{179, 0, ">U 3 11 40 04 00 / 0a 00 0000",
	    "request 700 mode_hold"},
	{180, 0, ">U 3 11 40 06 00 / 0a 00 0000",
	    "request 700 mode_cold_restart"},
	{181, 0, ">U 3 11 40 09 00 / 0a 00 0000",
	    "request 700 mode_run_redundant"},
	{182, 0, ">U 3 11 40 0b 00 / 0a 00 0000",
	    "request 700 mode_link_up"},
	{183, 0, ">U 3 11 40 0c 00 / 0a 00 0000",
	    "request 700 mode_update"},
	{184, 0, ">U 3 11 40 05 00 / 0a 00 0000",
	    "request 700 mode_transition !subfunction_unknown"},
	{185, 0, ">U 3 11 41 01 00 / 0a 00 0000",
	    "request 701 block_status"},
	{186, 0, ">U 3 11 41 03 00 / 0a 00 0000",
	    "request 701 output_istack"},
	{187, 0, ">U 3 11 41 04 00 / 0a 00 0000",
	    "request 701 output_bstack"},
	{188, 0, ">U 3 11 41 05 00 / 0a 00 0000",
	    "request 701 output_lstack"},
	{189, 0, ">U 3 11 41 06 00 / 0a 00 0000",
	    "request 701 time_measurement"},
	{190, 0, ">U 3 11 41 07 00 / 0a 00 0000",
	    "request 701 force_selection"},
	{191, 0, ">U 3 11 41 0a 00 / 0a 00 0000",
	    "request 701 breakpoint"},
	{192, 0, ">U 3 11 41 0b 00 / 0a 00 0000",
	    "request 701 exit_hold"},
	{193, 0, ">U 3 11 41 0c 00 / 0a 00 0000",
	    "request 701 memory_reset"},
	{194, 0, ">U 3 11 41 0d 00 / 0a 00 0000",
	    "request 701 disable_job"},
	{195, 0, ">U 3 11 41 0e 00 / 0a 00 0000",
	    "request 701 enable_job"},
	{196, 0, ">U 3 11 41 0f 00 / 0a 00 0000",
	    "request 701 delete_job"},
	{197, 0, ">U 3 11 41 10 00 / 0a 00 0000",
	    "request 701 read_job_list"},
	{198, 0, ">U 3 11 41 11 00 / 0a 00 0000",
	    "request 701 read_job"},
	{199, 0, ">U 3 11 41 12 00 / 0a 00 0000",
	    "request 701 replace_job"},
	{200, 0, ">U 3 11 41 13 00 / 0a 00 0000",
	    "request 701 block_status_2"},
	{201, 0, ">U 3 11 41 14 00 / 0a 00 0000",
	    "request 701 programmer !subfunction_unknown"},
	{202, 0, ">U 3 11 41 16 00 / 0a 00 0000",
	    "request 701 flash_led"},
	{203, 0, ">U 3 11 41 02 00 / ff 09 0026 0014 000e "
	    "0000000100000012000100010001000100010200 0002 0106 0000 0000 1101 0000 "
	    "0008",
	    "request 701 variable_status r M 0+48 r I 64+8"},
	{204, 0, ">U 3 11 41 02 00 / ff 09 0020 0014 0008 00000000 00000000 00000000 "
	    "00000000 00000000 0001 7202 0005 0004 ",
	    "request 701 variable_status r DB 5:32+32"},
	{205, 0, ">U 3 11 41 02 00 / ff 09 0020 0014 0008 00000000 00000000 00000000 "
	    "00000000 00000000 0001 5401 0000 0004 ",
	    "request 701 variable_status r T 4+1"},
	{206, 0, ">U 3 11 41 02 00 / ff 09 0020 0014 0008 00000000 00000000 00000000 "
	    "00000000 00000000 0001 6401 0000 0004 ",
	    "request 701 variable_status r C 4+1"},
	{207, 0, ">U 3 11 41 02 00 / ff 09 0020 0014 0008 00000000 00000000 00000000 "
	    "00000000 00000000 0001 9901 0000 0004 ",
	    "request 701 variable_status !area_unknown r nowhere 1+1"},
	{208, 0, ">U 3 11 41 02 00 / ff 09 0020 0014 0008 00000000 00000000 00000000 "
	    "00000000 00000000 0001 03ff 0000 fff0 ",
	    "request 701 variable_status !address_overflow r M 524160+8160"},
	{209, 0, ">U 3 11 41 02 00 / 0a 00 0000",
	    "request 701 variable_status !syntax_unknown r nowhere 1+1"},
	{210, 0, ">U 3 11 41 08 00 / ff 09 0026 0014 0008 00000000 00000000 00000000 "
	    "00000000 00000000 0001 0101 0000 0005 0004 0008 ff00",
	    "request 701 modify_variable w M 40+8"},
	{211, 0, ">U 3 11 41 09 00 / ff 09 0020 0014 0008 00000000 00000000 00000000 "
	    "00000000 00000000 0001 2101 0000 0005 ",
	    "request 701 force w Q 40+8"},
	{212, 0, ">U 3 11 41 08 00 / ff 09 0004 0014 0008",
	    "request 701 modify_variable !syntax_unknown w nowhere 1+1"},
	{213, 0, ">U 3 11 42 01 00 / ff 09 0010 0001 01 05 " DB1_0,
	    "request 702 cyclic_read r DB 1:0+32"},
	{214, 0, ">U 3 11 42 05 00 / ff 09 001c 0002 01 05 " DB1_0 " " DB2_10,
	    "request 702 change_driven_read r DB 1:0+32 r DB 2:80+24"},
	{215, 0, ">U 3 11 42 07 00 / ff 09 0010 0001 01 05 " DB1_0,
	    "request 702 change_driven_modify r DB 1:0+32"},
	{216, 0, ">U 3 11 42 01 00 / ff 09 000d 0001 01 05 12 07 b0 01 04 0001 000a",
	    "request 702 cyclic_read r DB 1:80+32"},
	{217, 0, ">U 3 11 42 01 00 / ff 09 0004 0000 01 05",
	    "request 702 cyclic_read !count_zero"},
	{218, 0, ">U 3 11 42 01 00 / ff 09 0010 0002 01 05 " DB1_0,
	    "malformed 702 cyclic_read !body_short"},
	{219, 0, ">U 3 11 42 01 00 / ff 09 0012 0001 01 05 " DB1_0 " 0000",
	    "malformed 702 cyclic_read !body_long"},
	{220, 0, ">U 3 11 42 01 00 / ff 09 0002 0001",
	    "malformed 702 cyclic_read !body_short"},
	{221, 0, ">U 3 11 42 04 00 / ff 09 0002 0501",
	    "request 702 cyclic_unsubscribe"},
	{222, 0, ">U 3 11 42 08 00 / ff 09 0002 0501",
	    "request 702 read_record"},
	{223, 0, ">U 3 11 42 0a 00 / ff 09 0002 0501",
	    "request 702 cyclic !subfunction_unknown"},
	{224, 0, ">U 3 11 43 01 00 / 0a 00 0000",
	    "request 703 list_blocks"},
	{225, 0, ">U 3 11 43 02 00 / ff 09 0002 '0A'",
	    "request 703 list_blocks_of_type"},
	{226, 0, ">U 3 11 43 02 00 / ff 09 0003 '0A0'",
	    "malformed 703 list_blocks_of_type !block_name"},
	{227, 0, ">U 3 11 43 03 00 / ff 09 0008 '0A00001A'",
	    "request 703 block_info"},
	{228, 0, ">U 3 11 43 04 00 / 0a 00 0000",
	    "request 703 block_functions !subfunction_unknown"},
	{229, 0, ">U 3 11 44 01 00 / ff 09 0004 0011 0000",
	    "request 704 read_szl"},
	{230, 0, ">U 3 11 44 01 00 / ff 09 0003 0011 00",
	    "malformed 704 read_szl !body_short"},
	{231, 0, ">U 3 11 44 01 00 / ff 09 0005 0011 0000 00",
	    "malformed 704 read_szl !body_long"},
	{232, 0, ">U 3 11 44 02 00 / ff 09 000a 0300 'samsmess'",
	    "request 704 message_service"},
	{233, 0, ">U 3 11 44 03 00 / ff 09 000a 0300 'samsmess'",
	    "request 704 diagnostic_message"},
	{234, 0, ">U 3 11 44 05 00 / ff 09 000a 0300 'samsmess'",
	    "request 704 alarm_8_indication"},
	{235, 0, ">U 3 11 44 06 00 / ff 09 000a 0300 'samsmess'",
	    "request 704 notify_indication"},
	{236, 0, ">U 3 11 44 07 00 / ff 09 000a 0300 'samsmess'",
	    "request 704 alarm_8_lock"},
	{237, 0, ">U 3 11 44 08 00 / ff 09 000a 0300 'samsmess'",
	    "request 704 alarm_8_unlock"},
	{238, 0, ">U 3 11 44 09 00 / ff 09 000a 0300 'samsmess'",
	    "request 704 scan_indication"},
	{239, 0, ">U 3 11 44 0b 00 / ff 09 000a 0300 'samsmess'",
	    "request 704 alarm_ack"},
	{240, 0, ">U 3 11 44 0c 00 / ff 09 000a 0300 'samsmess'",
	    "request 704 alarm_ack_indication"},
	{241, 0, ">U 3 11 44 0d 00 / ff 09 000a 0300 'samsmess'",
	    "request 704 alarm_lock_indication"},
	{242, 0, ">U 3 11 44 0e 00 / ff 09 000a 0300 'samsmess'",
	    "request 704 alarm_unlock_indication"},
	{243, 0, ">U 3 11 44 11 00 / ff 09 000a 0300 'samsmess'",
	    "request 704 alarm_sq_indication"},
	{244, 0, ">U 3 11 44 12 00 / ff 09 000a 0300 'samsmess'",
	    "request 704 alarm_s_indication"},
	{245, 0, ">U 3 11 44 13 00 / ff 09 000a 0300 'samsmess'",
	    "request 704 alarm_query"},
	{246, 0, ">U 3 11 44 16 00 / ff 09 000a 0300 'samsmess'",
	    "request 704 notify_8_indication"},
	{247, 0, ">U 3 11 44 1e 00 / ff 09 000a 0300 'samsmess'",
	    "request 704 cpu_functions !subfunction_unknown"},
	{248, 0, ">U 3 11 45 01 00 / ff 09 0008 0102030405060708",
	    "request 705 set_password"},
	{249, 0, ">U 3 11 45 02 00 / 0a 00 0000",
	    "request 705 clear_password"},
	{250, 0, ">U 3 11 45 03 00 / 0a 00 0000",
	    "request 705 security !subfunction_unknown"},
	{251, 0, ">U 3 11 46 00 00 / ff 09 0008 12 06 13 00 00000001",
	    "request 706 bsend_brecv"},
	{252, 0, ">U 3 11 47 01 00 / 0a 00 0000",
	    "request 707 read_clock"},
	{253, 0, ">U 3 11 47 02 00 / ff 09 000a 00 19 16 02 08 23 08 31 00 02",
	    "request 707 set_clock"},
	{254, 0, ">U 3 11 47 02 00 / ff 09 0004 00 19 16 02",
	    "malformed 707 set_clock !data_length"},
	{255, 0, ">U 3 11 47 03 00 / 0a 00 0000",
	    "request 707 read_clock_2"},
	{256, 0, ">U 3 11 47 04 00 / ff 09 000a 00 19 16 02 08 23 08 31 00 02",
	    "request 707 set_clock_2"},
	{257, 0, ">U 3 11 47 05 00 / 0a 00 0000",
	    "request 707 time !subfunction_unknown"},
	{258, 0, ">U 3 11 48 01 00 / 0a 00 0000",
	    "request 708 group_8 !subfunction_unknown"},
	{259, 0, ">U 3 11 49 01 00 / 0a 00 0000",
	    "request 709 group_9 !subfunction_unknown"},
	{260, 0, ">U 3 11 4a 01 00 / 0a 00 0000",
	    "request 70a group_10 !subfunction_unknown"},
	{261, 0, ">U 3 11 4b 01 00 / 0a 00 0000",
	    "request 70b group_11 !subfunction_unknown"},
	{262, 0, ">U 3 11 4c 01 00 / 0a 00 0000",
	    "request 70c group_12 !subfunction_unknown"},
	{263, 0, ">U 3 11 4d 01 00 / 0a 00 0000",
	    "request 70d group_13 !subfunction_unknown"},
	{264, 0, ">U 3 11 4e 01 00 / 0a 00 0000",
	    "request 70e group_14 !subfunction_unknown"},
	{265, 0, ">U 3 11 7f 01 00 / 0a 00 0000",
	    "request 70f nc_request_download"},
	{266, 0, ">U 3 11 7f 02 00 / 0a 00 0000",
	    "request 70f nc_download_block"},
	{267, 0, ">U 3 11 7f 03 00 / 0a 00 0000",
	    "request 70f nc_continue_download"},
	{268, 0, ">U 3 11 7f 04 00 / 0a 00 0000",
	    "request 70f nc_download_ended"},
	{269, 0, ">U 3 11 7f 06 00 / 0a 00 0000",
	    "request 70f nc_start_upload"},
	{270, 0, ">U 3 11 7f 07 00 / 0a 00 0000",
	    "request 70f nc_upload"},
	{271, 0, ">U 3 11 7f 08 00 / 0a 00 0000",
	    "request 70f nc_continue_upload"},
	{272, 0, ">U 3 11 7f 09 00 / 0a 00 0000",
	    "request 70f nc_programming !subfunction_unknown"},
	{273, 0, ">U 3 11 44 01 00 / ff 09 0004 0011 0000 <U 3 12 84 01 01 00 00 0000 / ff "
	    "09 000c 0011 0000 001c 0001 00000000",
	    "response 704 read_szl"},
	{274, 0, ">U 3 11 44 01 00 / ff 09 0004 0011 0000 <U 3 12 84 01 01 00 00 d401 / 0a "
	    "00 0000",
	    "exception 704 read_szl"},
	{275, 0, ">U 3 11 44 01 00 / ff 09 0004 0011 0000 <U 3 12 84 01 01 00 01 0000 / ff "
	    "09 0008 0011 0000 001c 0001 >U 3 12 44 01 01 00 00 0000 / 0a 00 0000",
	    "request 704 read_szl"},
	{276, 0, ">U 3 12 44 01 01 00 00 0000 / 0a 00 0000",
	    "request 704 read_szl"},
	{277, 0, ">U 3 12 42 01 01 00 00 0000 / ff 09 0010 0001 01 05 " DB1_0,
	    "request 702 cyclic_read r DB 1:0+32"},
	{278, 0, "<U 3 12 84 01 01 00 00 0000 / ff 09 0008 0011 0000 001c 0001",
	    "response 704 read_szl !unsolicited"},
	{279, MID, "<U 3 12 84 01 01 00 00 0000 / ff 09 0008 0011 0000 001c 0001",
	    "response 704 read_szl"},
	{280, 0, "<U 0 11 02 01 00 / ff 04 0008 01",
	    "response 702 cyclic_read !unsolicited"},
	{281, MID, "<U 0 11 02 01 00 / ff 04 0008 01",
	    "response 702 cyclic_read"},
	{282, 0, ">U 3 11 42 01 00 / ff 09 0010 0001 01 05 " DB1_0
	    " <U 0 11 02 01 00 / ff 04 0008 01",
	    "response 702 cyclic_read"},
	{283, 0, ">U 3 11 44 02 00 / ff 09 000a 0300 'samsmess' <U 0 11 00 00 00 / 0a 00 "
	    "0000",
	    "response 700 mode_stop"},
	{284, 0, ">U 0 11 02 01 00 / ff 04 0008 01",
	    "response 702 cyclic_read !direction !unsolicited"},
	{285, 0, "<U 3 11 44 01 00 / ff 09 0004 0011 0000",
	    "request 704 read_szl !reverse_request"},
	{286, 0, ">U 3 11 c4 01 00 / 0a 00 0000",
	    "malformed 704 read_szl !userdata_head"},
	{287, 0, ">R 32 07 0000 0003 0008 0004 00 01 13 04 11 44 01 00 0a 00 0000",
	    "malformed 704 read_szl !body_short !userdata_head"},
	{288, 0, ">R 32 07 0000 0003 0008 0004 00 01 12 05 11 44 01 00 0a 00 0000",
	    "malformed 704 read_szl !body_short !userdata_head"},
	{289, 0, ">R 32 07 0000 0003 0004 0000 00 01 12 04",
	    "malformed 700 mode_transition !body_short !direction !unsolicited"},
	{290, 0, ">U 3 11 44 01 00 / ff 09 0005 0011 0000",
	    "malformed 704 read_szl !body_long !data_length"},
	{291, 0, ">U 3 11 44 01 00 / ff 09 0003 0011 0000",
	    "malformed 704 read_szl !body_short !data_length"},
	{292, 0, ">U 3 11 43 01 00",
	    "request 703 list_blocks"},
	{293, 0, ">U 3 11 43 01 00 >U 3 11 43 01 00",
	    "request 703 list_blocks !reference_in_use"},
};

static const struct line transport[] = {
	{294, 0, ">T 03000016 11 e0 0000 0007 00 c1020100 c2020102 c0010a",
	    "request 1e0 connect"},
	{295, 0, ">T 03000016 11 e0 0000 0007 00 c1020100 c2020102 c0010a <T 03000016 11 "
	    "d0 0007 0003 00 c0010a c1020100 c2020102",
	    "response 1e0 connect"},
	{296, 0, "<T 03000016 11 d0 0007 0003 00 c0010a c1020100 c2020102",
	    "response 1e0 connect !unsolicited"},
	{297, MID, "<T 03000016 11 d0 0007 0003 00 c0010a c1020100 c2020102",
	    "response 1e0 connect"},
	{298, 0, "<T 03000016 11 e0 0000 0007 00 c1020100 c2020102 c0010a",
	    "response 1e0 connect !direction !unsolicited"},
	{299, 0, ">T 03000016 11 d0 0007 0003 00 c0010a c1020100 c2020102",
	    "response 1e0 connect !direction !unsolicited"},
	{300, 0, ">T 03000016 11 e0 0000 0007 00 c1020100 c2020102 c0010a >T 03000016 11 "
	    "e0 0000 0007 00 c1020100 c2020102 c0010a",
	    "request 1e0 connect !connect_again"},
	{301, 0, ">T 03000016 11 e0 0000 0007 20 c1020100 c2020102 c0010a",
	    "request 1e0 connect !cotp_class"},
	{302, 0, ">T 03000016 11 e0 0000 0007 00 c1020100 c2020102 c0010f",
	    "request 1e0 connect !cotp_param"},
	{303, 0, ">T 03000016 11 e0 0000 0007 00 c1020100 c2020102 c0020a",
	    "request 1e0 connect !cotp_param"},
	{304, 0, ">T 03000012 0d e0 0000 0007 00 010100 c2020102",
	    "request 1e0 connect !cotp_param"},
	{305, 0, ">T 03000017 11 e0 0000 0007 00 c1020100 c2020102 c0010a 41",
	    "malformed 1e0 connect !cotp_header"},
	{306, 0, ">T 03000007 02 e0 00",
	    "malformed 1e0 connect !cotp_header"},
	{307, 0, ">T 0300000b 06 80 0003 0007 80",
	    "request 180 disconnect"},
	{308, 0, "<T 0300000b 06 80 0003 0007 80",
	    "response 180 disconnect"},
	{309, 0, ">T 03000016 11 e0 0000 0007 00 c1020100 c2020102 c0010a <T 0300000b 06 "
	    "80 0007 0000 03",
	    "exception 180 disconnect"},
	{310, 0, ">T 0300000a 05 c0 0003 0007",
	    "request 180 disconnect !cotp_class"},
	{311, 0, ">T 0300000b 06 70 0003 02 c100",
	    "request 170 transport_error"},
	{312, 0, "<T 03000009 04 70 0003 02",
	    "exception 170 transport_error"},
	{313, 0, ">T 03000009 04 60 0003 02",
	    "malformed 100 transport_other !cotp_header !cotp_class"},
	{314, 0, ">T 03000007 02 f0 00",
	    "request 1f0 keep_alive"},
	{315, 0, "<T 03000007 02 f0 80",
	    "response 1f0 keep_alive"},
	{316, 0, ">T 0301001f 02 f0 80 32 01 0000 0001 000e 0000 04 01 " DB1_0,
	    "request 4 read !tpkt_reserved r DB 1:0+32"},
	{317, 0, ">T 0300000a 02 f0 00 32 01 00 0300001c 02 f0 80 00 0001 000e 0000 04 01 "
	    DB1_0,
	    "request 4 read r DB 1:0+32"},
	{318, 0, ">R 32 04 0000 0001 000e 0000 04 01 " DB1_0,
	    "malformed 201 unreadable !rosctr"},
	{319, 0, ">R 32 01 0001 0001 000e 0000 04 01 " DB1_0,
	    "request 4 read !redundancy_id r DB 1:0+32"},
	{320, 0, ">R 32 01 0000 0001 000f 0000 04 01 " DB1_0,
	    "malformed 4 read !body_short"},
	{321, 0, ">R 32 01 0000 0001 000e 0001 04 01 " DB1_0,
	    "malformed 4 read !body_short"},
	{322, 0, ">R 32 01 0000 0001 000d 0000 04 01 " DB1_0,
	    "malformed 4 read !body_long"},
	{323, 0, ">R 32 01 0000 0001 000e",
	    "malformed 201 unreadable !body_short"},
	{324, 0, ">R 32 03 0000 0001 0000 0000 00",
	    "malformed 200 acknowledge !body_short !unsolicited"},
	{325, 0, SETUP
	    " >J 2 05 01 12 0a 10 02 00f0 0001 84 000000 / 00 04 0780 00000000 "
	    "00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 "
	    "00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 "
	    "00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 "
	    "00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 "
	    "00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 "
	    "00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 "
	    "00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 "
	    "00000000 00000000 00000000 ",
	    "request 5 write !pdu_over w DB "
	    "1:0+1920=0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"},
};

static void
test_variables(void **state)
{
	(void)state;
	RUN(variables);
	RUN(odd_variables);
}

static void
test_jobs(void **state)
{
	(void)state;
	RUN(answers);
	RUN(pairing);
	RUN(jobs);
	RUN(transfers);
}

static void
test_userdata(void **state)
{
	(void)state;
	RUN(userdata);
}

static void
test_transport(void **state)
{
	(void)state;
	RUN(transport);
}

/* The same facts when the message comes in DTs of every size. */
static void
test_fragments(void **state)
{
	(void)state;
	for (size_t cut = 1; cut < 40; cut++) {
		run(variables, sizeof(variables) / sizeof(variables[0]), cut);
		run(answers, sizeof(answers) / sizeof(answers[0]), cut);
		run(transfers, sizeof(transfers) / sizeof(transfers[0]), cut);
		run(userdata, sizeof(userdata) / sizeof(userdata[0]), cut);
	}
}

/* Every anomaly of the list, and every operation with a name of its own, is in a case above. */
static void
test_complete(void **state)
{
	unsigned missing = 0;

	(void)state;
	for (unsigned i = 0; D->schema->anomalies[i]; i++)
		if (!(seen >> i & 1)) {
			print_error("no case raises %s\n", D->schema->anomalies[i]);
			missing++;
		}
	for (unsigned i = 0; i < D->schema->n_ops; i++) {
		const struct dis_op *op = &D->schema->ops[i];

		assert_int_equal(op->opx, i);
		if (op->known && !(ops_seen[i / 64] >> i % 64 & 1)) {
			print_error("no case for %s\n", op->name);
			missing++;
		}
	}
	assert_int_equal(missing, 0);
}

/* A message that another TPDU cuts off, and one longer than the bound. */
static void
test_bounds(void **state)
{
	static struct dis_sink s;
	static uint8_t bytes[20000], msg[9000];
	_Alignas(8) uint8_t flow[DIS_STATE_INLINE] = {0};
	struct dis_call call = {.state = flow, .sink = &s};
	static const uint8_t cut[] = {3, 0, 0, 10, 2, 0xf0, 0, 0x32, 1, 0, 3, 0, 0, 11, 6, 0x80,
	    0, 3, 0, 7, 0};
	size_t n;

	(void)state;
	assert_int_equal(D->frame(cur_make(cut, sizeof(cut)), DIR_TO_SERVER, 0), 10);
	s.pass = true;
	D->pdu(&call, cur_make(cut, 10));
	assert_string_equal(s.text, "malformed 201 unreadable !body_short !tsdu_cut");

	/* no S7 message, and nobody else's either */
	n = tsdu(cut, sizeof(cut), 0, bytes);
	assert_int_equal(D->frame(cur_make(bytes, n), DIR_TO_SERVER, 0), FRAME_OTHER);
	assert_int_equal(D->frame(cur_make(bytes, n), DIR_TO_SERVER, VARIANT_OURS), n);
	D->pdu(&call, cur_make(bytes, n));
	assert_string_equal(s.text, "malformed 201 unreadable !foreign");

	memset(msg, 0, sizeof(msg));
	memcpy(msg, "\x32\1\0\0\0\1\x22\x60\0\0\x7f", 11);
	n = tsdu(msg, 10 + 0x2260, 1000, bytes);
	assert_int_equal(D->frame(cur_make(bytes, n), DIR_TO_SERVER, 0), n);
	D->pdu(&call, cur_make(bytes, n));
	assert_string_equal(s.text,
	    "malformed 7f function_7f !body_short !tsdu_long !function_unknown");
}

/* frame() asks for one header after the other, and goes on where it was. */
static void
test_frame(void **state)
{
	static const uint8_t dts[] = {3, 0, 0, 9, 2, 0xf0, 0, 0x32, 1, 3, 0, 0, 7, 2, 0xf0, 0, 3,
	    0, 0, 8, 2, 0xf0,
	    0x80, 5};
	static const struct {
		const char *bytes;
		int32_t want;
	} cases[] = {
	    {"03", FRAME_MORE}, {"0300001902f0", FRAME_MORE}, {"0300001902f080", FRAME_MORE},
	    {"0300001902f08032", 25}, {"0300001902f08072", FRAME_OTHER}, {"0300001902f08016",
	        FRAME_OTHER},
	    {"0300000702f000", 7}, {"0300000702f080", 7}, {"0200001902f08032", FRAME_BAD},
	    {"0300000602f08032", FRAME_BAD}, {"0300001903f08032", FRAME_BAD}, {"0300001902f18032",
	        FRAME_BAD},
	    {"0300001902308032", FRAME_BAD}, {"0300001601f08032", FRAME_BAD}, {"0300001612e08032",
	        FRAME_BAD},
	    {"0300001611e08032", 22}, {"0300000902f00032", FRAME_NEED(16)},
	    {"0300000902f000320103000007", FRAME_NEED(16)}, {"0300000902f0003201" "0300000702f0",
	        FRAME_NEED(16)},
	    {"0300000902f0003201" "0200000702f000", FRAME_BAD},
	        {"0300000902f0003201" "0300000b06800003", 9},
	    {"ffffffffffffffff", FRAME_BAD},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text = cases[i].bytes;
		uint8_t bytes[64];
		size_t n = hex(&text, bytes);
		int32_t r = D->frame(cur_make(guard_put(&page, bytes, n), n), DIR_TO_SERVER, 0);

		if (r != cases[i].want)
			fail_msg("%s: %d, want %d", cases[i].bytes, r, cases[i].want);
	}
	for (uint32_t n = 1; n <= sizeof(dts); n++) {
		int32_t want = n < 8 ? FRAME_MORE : n < 16 ? FRAME_NEED(16) : n < 23 ? FRAME_NEED(23) : 24;

		assert_int_equal(D->frame(cur_make(guard_put(&page, dts, n), n), DIR_TO_SERVER,
		    0), want);
	}
	assert_int_equal(D->frame_on(cur_make(dts, 16), DIR_TO_SERVER, 0, 16), FRAME_NEED(23));
	assert_int_equal(D->frame_on(cur_make(dts, 23), DIR_TO_SERVER, 0, 23), 24);
}

static void
test_probe(void **state)
{
	static const struct {
		const char *bytes;
		uint8_t server, client; /* enum dis_probe_result towards each */
	} cases[] = {
	    {"", PROBE_MAYBE, PROBE_MAYBE},
	    {"03", PROBE_MAYBE, PROBE_MAYBE},
	    {"04", PROBE_NO, PROBE_NO},
	    {"0301", PROBE_NO, PROBE_NO},
	    {"03000016 11e00000000700 c1020100 c2020102 c0010a", PROBE_YES, PROBE_NO},
	    {"03000016 11e00000000700 c1020100 c2020301 c0010a", PROBE_YES, PROBE_NO},
	    {"03000016 11e00000000700 c1024d57 c2024d57 c0010a", PROBE_YES, PROBE_NO}, /* S7-200 */
	    {"03000016 11e00000000700 c1020200 c2021000 c0010a", PROBE_YES, PROBE_NO}, /* LOGO! */
	    {"03000016 11e00000000700 c1020001 c2020001 c0010d", PROBE_NO, PROBE_NO}, /* MMS */
	    {"03000016 11e00000000700 c1020100 c2025555 c0010a", PROBE_MAYBE, PROBE_NO},
	    {"03000016 11d00007000300 c0010a c1020100 c2020102", PROBE_NO, PROBE_NO},
	    {"0300000e 09e00000000700 c0010a", PROBE_MAYBE, PROBE_NO},
	    {"03000016 11e00000000700 c1020100", PROBE_MAYBE, PROBE_NO},
	    {"03000024 1fe00000000600 c1020600 c210 'SIMATIC-ROOT-HMI' c0010a", PROBE_NO, PROBE_NO},
	    {"03000027 22e00000000000 'Cookie: mstshash=Administr' 0d0a", PROBE_NO, PROBE_NO},
	    {"03000013 0ee00000000000 0100080001000000", PROBE_NO, PROBE_NO},
	    {"03000007 02f000", PROBE_MAYBE, PROBE_MAYBE},
	    {"0300001f 02f080 32010000", PROBE_MAYBE, PROBE_MAYBE},
	    {"0300001f 02f080 32 01 0000 0001 000e 0000 0401120a1002000400018400 0000", PROBE_YES,
	        PROBE_MAYBE},
	    {"0300001f 02f080 32 01 0000 0001 000f 0000 0401120a1002000400018400 0000",
	        PROBE_MAYBE, PROBE_MAYBE},
	    {"0300001f 02f080 32 05 0000 0001 000e 0000 0401120a1002000400018400 0000", PROBE_NO,
	        PROBE_NO},
	    {"0300001f 02f080 32 01 0001 0001 000e 0000 0401120a1002000400018400 0000", PROBE_NO,
	        PROBE_NO},
	    {"03000016 02f080 32 03 0000 0001 0002 0001 0000 0501 ff", PROBE_MAYBE, PROBE_YES},
	    {"03000021 02f080 32 07 0000 0001 0008 0008 0001120411440100 ff09000400110000",
	        PROBE_YES, PROBE_MAYBE},
	    {"03000021 02f080 32 07 0000 0001 0008 0008 0001120411840100 ff09000400110000",
	        PROBE_MAYBE, PROBE_YES},
	    {"0300001f 02f080 72 010000", PROBE_NO, PROBE_NO},
	    {"0300001f 02f080 0d 010000", PROBE_NO, PROBE_NO},
	    {"160301", PROBE_NO, PROBE_NO},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text = cases[i].bytes;
		uint8_t bytes[128], variant;
		size_t n = hex(&text, bytes);
		struct cur c = cur_make(guard_put(&page, bytes, n), n);

		if (D->probe(c, DIR_TO_SERVER, &variant) != cases[i].server ||
		    D->probe(c, DIR_TO_CLIENT, &variant) != cases[i].client)
			fail_msg("%s: %d, %d", cases[i].bytes, D->probe(c, DIR_TO_SERVER, &variant),
			    D->probe(c, DIR_TO_CLIENT, &variant));
	}
}

/* What a fact says in JSON: a piece of it for each kind. */
static void
test_json(void **state)
{
	static const struct {
		const char *steps, *want;
	} cases[] = {
	    {">J 1 04 02 " DB1_0 "12 0a 10 1d 0003 0000 1d 000005",
		"\"rosctr\":1,\"pdu_ref\":1,\"items\":[{\"area\":\"DB\",\"db\":1,\"byte\":0,\"bit\":0,\"type\":"
		"\"BYTE\",\"count\":4},{\"area\":\"T\",\"number\":5,\"type\":\"TIMER\",\"count\":3}]"},
	    {">J 1 04 02 12 07 b0 01 04 0001 000a 00 12 0e b2 ff 8a0e 0005 01020304 8000000a",
		"\"items\":[{\"area\":\"DB\",\"db\":1,\"byte\":10,\"bit\":0,\"type\":\"BYTE\",\"count\":4},{"
		"\"syntax\":178,\"area\":\"DB\",\"db\":5,\"crc\":16909060,\"lid\":[10]}]"},
	    {">J 1 05 01 12 0a 10 01 0001 0000 83 00000b / 00 03 0001 01",
		"\"items\":[{\"area\":\"M\",\"byte\":1,\"bit\":3,\"type\":\"BIT\",\"count\":1,\"data\":\"01\"}]"},
	    {">J 1 04 01 " DB1_0 "<A 1 04 01 / ff 04 0020 01020304",
		"\"error_class\":0,\"error_code\":0,\"return_codes\":[255],\"values\":[\"01020304\"]"},
	    {SETUP, "\"pdu_size\":240,\"amq_calling\":1,\"amq_called\":1"},
	    {">J 2 1a 00 0100 00000000 " DL_NAME " 0d '1000216000088'",
		"\"filename\":\"_0A00001P\",\"block\":{\"type\":\"DB\",\"number\":1,\"filesystem\":\"passive\"},"
		"\"load_memory\":\"000216\",\"mc7_length\":\"000088\""},
	    {">J 1 28 000000000000fd 0012 02 00 '0A00001P' '0800001A' 05 '_DELE'",
		"\"pi_service\":\"_DELE\",\"block\":{\"type\":\"DB\",\"number\":1,\"filesystem\":\"passive\"},"
		"\"blocks\":[{\"type\":\"DB\",\"number\":1,\"filesystem\":\"passive\"},{\"type\":\"OB\",\"number\":1,"
		"\"filesystem\":\"active\"}]"},
	    {">J 1 28 000000000000fd 0002 'C ' 09 'P_PROGRAM'",
		"\"pi_service\":\"P_PROGRAM\",\"argument\":\"C \""},
	    {">U 3 11 44 01 00 / ff 09 0004 0424 0001",
	        "\"type\":\"request\",\"group\":4,\"subcode\":1,\"seq\":0,"
		"\"szl_id\":1060,\"szl_index\":1"},
	    {">U 3 11 43 02 00 / ff 09 0002 '0A'", "\"block\":{\"type\":\"DB\"}"},
	    {">U 3 11 47 02 00 / ff 09 000a 00 19 16 02 08 23 08 31 00 02",
	        "\"clock\":\"2016-02-08T23:08:31.000\""},
	    {">U 3 11 41 02 00 / ff 09 0020 0014 0008 0000000000000000000000000000000000000000 0001 7202 0005 0004",
		"\"items\":[{\"area\":\"DB\",\"db\":5,\"byte\":4,\"bit\":0,\"type\":\"WORD\",\"count\":2}]"},
	    {">T 03000016 11e00000000700 c1020100 c2020342 c0010a",
		"\"tsap_class\":\"basic\",\"rack\":2,\"slot\":2,\"tpdu_size\":1024,\"src_tsap\":\"01.00\","
		"\"dst_tsap\":\"03.42\""},
	    {">T 0300000b 06 80 0003 0007 80", "\"reason\":128"},
	};
	static struct dis_sink s;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		play(cases[i].steps, 0, 0, &s);
		if (!strstr(s.json, cases[i].want))
			fail_msg("%s\n is %s\n want %s", cases[i].steps, s.json, cases[i].want);
	}
}

/* A refusal is an S7 answer that pairs with its request. */
static void
test_refuse(void **state)
{
	static const struct {
		const char *steps, *want;
	} cases[] = {
	    {">J 7 04 02 " DB1_0 DB2_10,
	        "0300001d02f080 32030000 0007 0002 0008 0000 0402 03000000 03000000"},
	    {">J 7 05 01 " DB1_0 " / 00 04 0020 01020304",
	        "0300001602f080 32030000 0007 0002 0001 0000 0501 03"},
	    {">J 7 29 0000000000 09 'P_PROGRAM'", "0300001402f080 32030000 0007 0001 0000 d241 29"},
	    {">U 7 11 47 02 00 / ff 09 000a 00 19 16 02 08 23 08 31 00 02",
		"0300002102f080 32070000 0007 000c 0004 0001120812870200 0000d241 0a000000"},
	    {">T 03000016 11e00000000700 c1020100 c2020342 c0010a", "0300000b 06800007000000"},
	    {">J 7 04 01 " DB1_0 "<A 7 04 01 / ff 04 0020 01020304", ""},
	    {">J 7 f0", ""}, /* malformed */
	};
	static struct dis_sink s;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text = cases[i].want;
		uint8_t want[256];
		size_t n = hex(&text, want);

		play(cases[i].steps, 0, 0, &s);
		assert_int_equal(s.refused, n);
		assert_memory_equal(s.refusal, want, n);
		if (n && s.refusal[5] == 0xf0) { /* reads as the answer to what it refuses */
			_Alignas(8) uint8_t flow[DIS_STATE_INLINE] = {0};
			static struct dis_sink t;
			struct dis_call call = {.state = flow, .sink = &t, .midstream = true,
			    .dir = DIR_TO_CLIENT};

			t.pass = true;
			D->pdu(&call, cur_make(want, n));
			assert_int_equal(strncmp(t.text, "exception ", 10), 0);
		}
	}
}

static void
test_ranges(void **state)
{
	static const struct {
		const char *text;
		uint8_t space;
		uint32_t sub, sub_last, first, last, width; /* space UINT8_MAX: refused,
		    first is the error */
	} cases[] = {
#define BAD_(e) UINT8_MAX, 0, 0, (uint32_t)-(e), 0, 0
	    {"DB1", 10, 1, 1, 0, 524287, 8}, {"db1..9", 10, 1, 9, 0, 524287, 8}, {"DB", 10, 0,
	        65535, 0, 524287, 8},
	    {"DB10.DBB0..20", 10, 10, 10, 0, 167, 8}, {"DB10.DBW0..20", 10, 10, 10, 0, 175, 16},
	    {"DB10.DBD4", 10, 10, 10, 32, 63, 32}, {"DB10.DBX3.0..3.7", 10, 10, 10, 24, 31, 1},
	    {"DB1..3.DBW2", 10, 1, 3, 16, 31, 16}, {"DI3.DIB0", 11, 3, 3, 0, 7, 8}, {"DI3.DBB0",
	        11, 3, 3, 0, 7, 8},
	    {"M0.0..15.7", 2, 0, 0, 0, 127, 1}, {"MB0..9", 2, 0, 0, 0, 79, 8}, {"MW10", 2, 0, 0,
	        80, 95, 16},
	    {"MD4", 2, 0, 0, 32, 63, 32}, {"I", 0, 0, 0, 0, 524287, 8}, {"E", 0, 0, 0, 0, 524287,
	        8},
	    {"EB0..3", 0, 0, 0, 0, 31, 8}, {"A1.7", 1, 0, 0, 15, 15, 1}, {"Q0.0..1.7", 1, 0, 0, 0,
	        15, 1},
	    {"AB2", 1, 0, 0, 16, 23, 8}, {"PIW256", 3, 0, 0, 2048, 2063, 16}, {"PEW256", 3, 0, 0,
	        2048, 2063, 16},
	    {"PAW2", 3, 0, 0, 16, 31, 16}, {"PB0", 3, 0, 0, 0, 7, 8}, {"LB1", 4, 0, 0, 8, 15, 8},
	    {"VB0..1", 5, 0, 0, 0, 15, 8}, {"SM0.1", 6, 0, 0, 1, 1, 1}, {"AIW0", 7, 0, 0, 0, 15,
	        16},
	    {"T", 12, 0, 0, 0, 65535, 1}, {"T0..15", 12, 0, 0, 0, 15, 1}, {"Z3", 13, 0, 0, 3, 3, 1},
	    {"C7", 13, 0, 0, 7, 7, 1}, {"HC1", 15, 0, 0, 1, 1, 1}, {"NCK", 17, 0, 65535, 0,
	        UINT32_MAX - 1, 1},
	    {"MB65535", 2, 0, 0, 524280, 524287, 8},
	    {"M10", BAD_(ERR_SYNTAX)}, {"M1.8", BAD_(ERR_RANGE)}, {"MB65536", BAD_(ERR_RANGE)},
	    {"MW65535", BAD_(ERR_RANGE)}, {"MB9..3", BAD_(ERR_RANGE)}, {"M1.3..1.1",
	        BAD_(ERR_RANGE)},
	    {"DB65536", BAD_(ERR_RANGE)}, {"DB9..3", BAD_(ERR_RANGE)}, {"DB1.X0", BAD_(ERR_SYNTAX)},
	    {"DB1.DBW", BAD_(ERR_SYNTAX)}, {"DB1.DBW0 ", BAD_(ERR_SYNTAX)}, {"X1",
	        BAD_(ERR_SYNTAX)},
	    {"", BAD_(ERR_SYNTAX)}, {"MB", BAD_(ERR_SYNTAX)}, {"MB1..", BAD_(ERR_SYNTAX)}, {"T1x",
	        BAD_(ERR_SYNTAX)},
	    {"MB99999999999999999999", BAD_(ERR_RANGE)}, {"NCK3", BAD_(ERR_SYNTAX)},
	}, blocks[] = {
	    {"OB1", 19, 8, 8, 1, 1, 0}, {"FB*", 19, 14, 14, 0, 65535, 0}, {"DB10..20", 19, 10, 10,
	        10, 20, 0},
	    {"SDB0", 19, 11, 11, 0, 0, 0}, {"sfc3", 19, 13, 13, 3, 3, 0}, {"FILE", 19, 16, 16, 0,
	        65535, 0},
	    {"DB", BAD_(ERR_SYNTAX)}, {"XB1", BAD_(ERR_SYNTAX)}, {"OB1x", BAD_(ERR_SYNTAX)},
	    {"DB70000", BAD_(ERR_RANGE)},
	};
	const struct dis_key any = {.kind = KEY_RANGE, .space = DIS_SPACE_ANY};
	const struct dis_key block = {.kind = KEY_RANGE, .space = 19};
	char buf[64], err[128];

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]) + sizeof(blocks) / sizeof(blocks[0]); i++) {
		bool b = i >= sizeof(cases) / sizeof(cases[0]);
		unsigned k = b ? i - (unsigned)(sizeof(cases) / sizeof(cases[0])) : i;
		const char *text = b ? blocks[k].text : cases[k].text;
		struct dis_range r = {0}, want = {.sub = b ? blocks[k].sub : cases[k].sub,
		    .sub_last = b ? blocks[k].sub_last : cases[k].sub_last,
		    .first = b ? blocks[k].first : cases[k].first,
		        .last = b ? blocks[k].last : cases[k].last,
		    .width = b ? blocks[k].width : cases[k].width,
		        .space = b ? blocks[k].space : cases[k].space};
		int e;

		err[0] = '\0';
		e = D->schema->parse_range(b ? &block : &any, NULL, text, &r, err, sizeof(err));
		if (want.space == UINT8_MAX) {
			if (e != -(int)want.first || err[0] == '\0')
				fail_msg("\"%s\": %d (%s), want %d", text, e, err,
				    -(int)want.first);
			continue;
		}
		if (e || r.space != want.space || r.sub != want.sub ||
		    r.sub_last != want.sub_last ||
		    r.first != want.first || r.last != want.last || r.width != want.width)
			fail_msg("\"%s\": %d %s space %u sub %u..%u %u..%u width %u", text, e,
			    err, r.space, r.sub,
			    r.sub_last, r.first, r.last, r.width);
	}
	assert_string_equal(D->schema->show_addr(10, 10, 32, buf, sizeof(buf)), "DB10.DBX4.0");
	assert_string_equal(D->schema->show_addr(11, 3, 9, buf, sizeof(buf)), "DI3.DIX1.1");
	assert_string_equal(D->schema->show_addr(2, 0, 127, buf, sizeof(buf)), "M15.7");
	assert_string_equal(D->schema->show_addr(12, 0, 5, buf, sizeof(buf)), "T5");
	assert_string_equal(D->schema->show_addr(19, 8, 1, buf, sizeof(buf)), "OB1");
	assert_string_equal(D->schema->show_addr(19, 3, 1, buf, sizeof(buf)),
	    "block type 3 number 1");
}

/* Rules as a plant writes them: what passes, by which rule. */
static void
test_policy(void **state)
{
	static const char text[] = "interlock: 1\nsite: test\nmode: enforce\n"
	    "zones:\n  a: {level: 2, port: outside, nets: [10.0.0.0/24]}\n"
	    "  b: {level: 1, port: inside, nets: [10.0.1.0/24]}\n"
	    "devices:\n  hmi: {zone: a, ip: 10.0.0.1, role: hmi}\n  plc: {zone: b, ip: 10.0.1.1, role: plc}\n"
	    "conduits:\n  - name: c\n    from: [hmi]\n    to: [plc]\n    s7:\n"
	    "      allow:\n"
	    "        - {name: poll, functions: [setup, read], read: [DB1, DB10.DBB0..20, M0.0..15.7]}\n"
	    "        - {name: recipe, functions: [write], write: [DB10.DBW0..20, DB11.DBW0], "
	    "values: {DB11.DBW0: 0..1500}}\n"
	    "        - {name: status, functions: [read-szl], szl: [0x11]}\n"
	    "        - {name: load, functions: [download, pi-service], blocks: [DB10..20], pi: [_INSE]}\n";
	static const struct {
		unsigned nr;
		const char *steps, *rule; /* NULL: denied */
	} cases[] = {
	    {1, ">T 03000016 11e00000000700 c1020100 c2020102 c0010a", "poll"},
	    {2, ">J 1 f0 00 0001 0001 01e0", "poll"},
	    {3, ">J 1 04 01 " DB1_0, "poll"},
	    {4, ">J 1 04 02 " DB1_0 DB2_10, NULL},
	    {5, ">J 1 04 01 12 0a 10 02 0015 000a 84 000000", "poll"},
	    {6, ">J 1 04 01 12 0a 10 02 0016 000a 84 000000", NULL},
	    {7, ">J 1 04 01 12 0a 10 01 0001 0000 83 00007f", "poll"},
	    {8, ">J 1 04 01 12 0a 10 01 0001 0000 83 000080", NULL},
	    {9, ">J 1 04 01 12 0e b2 ff 8a0e 0001 01020304 8000000a", "poll"},
	        /* all of DB1 may be read */
	    {10, ">J 1 04 01 12 0e b2 ff 8a0e 000a 01020304 8000000a", NULL},
	    {11, ">J 1 04 01 12 07 b0 01 04 0001 000a", "poll"},
	    {12, ">J 1 04 01 12 06 13 00000001 00", NULL},
	    {13, ">J 1 05 01 12 0a 10 04 000b 000a 84 000000 / 00 04 00b0 00010203040506070809"
		"0a0b0c0d0e0f101112131415", "recipe"},
	    {14, ">J 1 05 01 " DB1_0 " / 00 04 0020 01020304", NULL},
	    {15, ">J 1 05 01 12 0a 10 04 0001 000b 84 000000 / 00 04 0010 05dc", "recipe"},
	    {16, ">J 1 05 01 12 0a 10 04 0001 000b 84 000000 / 00 04 0010 05dd", NULL},
	    {17, ">J 1 05 01 12 0a 10 02 0002 000b 84 000000 / 00 04 0010 05dd", NULL},
	        /* as bytes */
	    {18, ">J 1 05 02 12 0a 10 02 0001 000b 84 000000 12 0a 10 02 0001 000b 84 000008 / "
		"00 04 0008 05 00 00 04 0008 dd", NULL}, /* half a word each */
	    {34, ">J 1 05 02 12 0a 10 02 0002 000a 84 000000 12 0a 10 04 0001 000b 84 000000 / "
		"00 04 0010 0001 00 04 0010 05dc", "recipe"},
	    {35, ">J 1 05 02 12 0a 10 02 0002 000a 84 000000 12 0a 10 04 0001 000b 84 000000 / "
		"00 06 0002 0001 00 04 0010 05dc", NULL},
	        /* bits or bytes? servers see the second value in different places */
	    {19, ">U 3 11 42 01 00 / ff 09 0010 0001 01 05 " DB1_0, "poll"},
	        /* cyclic reads are reads */
	    {20, ">U 3 11 42 01 00 / ff 09 0010 0001 01 05 " DB2_10, NULL},
	    {21, ">U 3 12 42 01 01 00 00 0000 / ff 09 0010 0001 01 05 " DB2_10, NULL},
	    {22, ">U 3 11 44 01 00 / ff 09 0004 0011 0000", "status"},
	    {23, ">U 3 11 44 01 00 / ff 09 0004 0424 0000", NULL},
	    {24, ">U 3 12 44 01 01 00 00 0000 / 0a 00 0000", NULL}, /* more of an unknown list */
	    {25, ">J 1 29 0000000000 09 'P_PROGRAM'", NULL},
	    {26, ">J 1 28 000000000000fd 0000 09 'P_PROGRAM'", NULL},
	    {27, ">J 1 28 000000000000fd 000a 01 00 '0A00010P' 05 '_INSE'", "load"},
	    {28, ">J 1 28 000000000000fd 000a 01 00 '0800001P' 05 '_INSE'", NULL},
	    {29, ">J 2 1a 00 0100 00000000 09 '_0A00010P' 0d '1000216000088'", "load"},
	    {30, ">J 2 1a 00 0100 00000000 " DL_NAME " 0d '1000216000088'", NULL},
	    {31, ">U 3 11 47 02 00 / ff 09 000a 00 19 16 02 08 23 08 31 00 02", NULL},
	    {32,
	        ">U 3 11 41 08 00 / ff 09 0020 0014 0008 0000000000000000000000000000000000000000 0001 "
		"7201 000a 0000", NULL}, /* modify and force are no writes */
	    {33, "<J 77 1b 00 0000 00000000 " DL_NAME, NULL},
	};
	struct complaints c = {.file = "test"};
	struct net_tuple t = {.proto = 6, .sport = 50000, .dport = 102};
	struct policy *pol = policy_build_text("test", text, sizeof(text) - 1, &c);
	static struct dis_sink s;
	unsigned failed = 0;

	(void)state;
	if (!pol)
		complaints_print(&c, stderr);
	assert_non_null(pol);
	complaints_fini(&c);
	assert_int_equal(net_addr_parse("10.0.0.1", &t.src), 0);
	assert_int_equal(net_addr_parse("10.0.1.1", &t.dst), 0);
	(void)policy_bind(pol, &t, &s.bind);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct policy_rule_info info = {.name = NULL};

		s.pol = pol;
		play(cases[i].steps, 0, 0, &s);
		if (s.verdict.action == VERDICT_ALLOW)
			(void)policy_rule_info(pol, s.verdict.rule, &info);
		if (!info.name != !cases[i].rule || (info.name && strcmp(info.name,
		    cases[i].rule) != 0)) {
			print_error("case %u: %s\n  %s, want %s\n", cases[i].nr, s.text,
			    info.name ? info.name : "denied",
			        cases[i].rule ? cases[i].rule : "denied");
			failed++;
		}
	}
	policy_free(pol);
	assert_int_equal(failed, 0);
}

/* Who goes on below the engine knows the usual PDU size only. */
static void
test_rest(void **state)
{
	static const struct {
		const char *steps;
		bool rests;
	} cases[] = {{SETUP, true}, {">J 1 04 01 " DB1_0, false},
	    {">J 1 f0 00 0001 0001 00f0 <A 1 f0 00 0001 0001 00ef", false},
	    {">J 1 f0 00 0001 0001 00f0 <A 1 f0 00 0001 0001 0070", false},
	    {">J 1 f0 00 0001 0001 0070 <A 1 f0 00 0001 0001 0070 " SETUP, true}};
	static struct dis_sink s;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		play(cases[i].steps, 0, 0, &s);
		if (rests != cases[i].rests)
			fail_msg("case %zu: %s", i, cases[i].steps);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_variables), cmocka_unit_test(test_jobs),
	    cmocka_unit_test(test_userdata), cmocka_unit_test(test_transport),
	    cmocka_unit_test(test_fragments), cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_frame), cmocka_unit_test(test_probe), cmocka_unit_test(test_json),
	    cmocka_unit_test(test_refuse), cmocka_unit_test(test_ranges),
	    cmocka_unit_test(test_rest), cmocka_unit_test(test_policy),
	    cmocka_unit_test(test_complete), /* last: it counts what the others saw */
	};

	page = guard_new(65536);
	(void)dissector_lookup("s7", &s7_index);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
