/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modbus_test.c - the Modbus dissector by itself: every function, anomaly and
 * pairing rule as a numbered line of bytes and the fact it must give.
 *
 * A line is a small conversation: `>` a request, `<` a response, each with a
 * transaction id and then unit and PDU in hex; the MBAP header or the CRC is
 * added here.  `!` before it: the engine does not let it pass.  `{` and `}`:
 * bytes were lost towards the server, the client.  The last fact is compared
 *   kind code op !anomalies items
 * an item being  r|w space first+count=values (of them 24 at most).
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
#include "tests/unit/grow.h"
#include "tests/unit/guard.h"

extern const struct dissector dissector_modbus;
#define D (&dissector_modbus)

enum { MBAP = 0, RTU = 1, UDP = 2, MID = 4 };

struct dis_sink {
	bool pass;
	unsigned facts;
	char text[2048]; /* of the last fact */
	char json[8192];
};

static uint64_t seen; /* anomalies that any case has raised */
static uint8_t modbus_index;

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

/* The other dissectors' need, and never asked for here. */
void *
dis_lease(struct dis_call *call, uint32_t want)
{
	(void)call;
	(void)want;
	fail();
	return NULL;
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
	f->proto = modbus_index;
	assert_true(f->opx < D->schema->n_opx);
	assert_string_equal(f->op, dissector_op(D->schema, f->opx)->name);
	snprintf(s->text, sizeof(s->text), "%s %u %s", fact_kind_name(f->kind), f->code, f->op);
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
		add(s->text, sizeof(s->text), "%u+%u%s", item.first, item.count,
		    item.masked ? "~" : "");
		for (unsigned i = 0; item.vals && i < item.count && i < 24; i++)
			add(s->text, sizeof(s->text), "%c%u", i ? ',' : '=', fact_value(&item, i));
	}
	assert_int_equal(n, f->n_items);
	jw_obj(&w, NULL);
	fact_json(&w, f);
	jw_close(&w, '}');
	assert_true(jw_end(&w));
	return s->pass;
}

static unsigned
hex_digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
}

/* Bytes of hex up to a character that is neither a digit nor a space. */
static size_t
hex(const char **text, uint8_t *out)
{
	const char *p = *text;
	size_t n = 0;

	for (;;) {
		while (*p == ' ')
			p++;
		if (!*p || !strchr("0123456789abcdefABCDEF", *p))
			break;
		out[n++] = (uint8_t)(hex_digit(p[0]) << 4 | hex_digit(p[1]));
		p += 2;
	}
	*text = p;
	return n;
}

static size_t
crc_add(uint8_t *b, size_t n)
{
	unsigned crc = 0xffff;

	for (size_t i = 0; i < n; i++) {
		crc ^= b[i];
		for (int k = 0; k < 8; k++)
			crc = crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1;
	}
	b[n] = (uint8_t)crc;
	b[n + 1] = (uint8_t)(crc >> 8);
	return n + 2;
}

/* One ADU from "TXN bytes"; returns its length. */
static size_t
adu(const char **text, unsigned flags, uint8_t *out)
{
	uint8_t body[2048];
	unsigned long txn = strtoul(*text, (char **)(uintptr_t)text, 16);
	size_t n = hex(text, body);

	if (flags & RTU) {
		memcpy(out, body, n);
		return crc_add(out, n);
	}
	out[0] = (uint8_t)(txn >> 8);
	out[1] = (uint8_t)txn;
	out[2] = out[3] = 0;
	out[4] = (uint8_t)(n >> 8);
	out[5] = (uint8_t)n;
	memcpy(out + 6, body, n);
	return n + 6;
}

static struct guard page;

#define POLL  ">1 01 03 0000 0001 <1 01 03 02 0001 >2 01 03 0000 0001 <2 01 83 02 "
#define POLLS POLL POLL POLL POLL POLL POLL

/* Plays a conversation; s has the last fact. */
static void
play(const char *steps, unsigned flags, struct dis_sink *s)
{
	struct dis_call call = {.sink = s,
	    .variant = flags & RTU,
	    .datagram = (flags & UDP) != 0,
	    .midstream = (flags & MID) != 0};
	uint8_t bytes[2100], *p;
	size_t n;

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
		n = adu(&steps, flags, bytes);
		p = guard_put(&page, bytes, n);
		if (!(flags & UDP))
			assert_int_equal(D->frame(cur_make(p, n), call.dir, call.variant), n);
		D->pdu(&call, cur_make(p, n));
	}
}

struct line {
	unsigned nr, flags;
	const char *steps, *want;
};

static void
run(const struct line *lines, size_t count)
{
	struct dis_sink s;
	unsigned failed = 0;

	for (size_t i = 0; i < count; i++) {
		s.text[0] = '\0';
		play(lines[i].steps, lines[i].flags, &s);
		if (strcmp(s.text, lines[i].want) != 0) {
			print_error("case %u: %s\n  is   %s\n  want %s\n", lines[i].nr, lines[i].steps,
			    s.text, lines[i].want);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}
#define RUN(lines) run(lines, sizeof(lines) / sizeof((lines)[0]))

static const struct line requests[] = {
	{1, MBAP, ">1 01 01 0013 0025",
	    "request 1 read_coils r coil 19+37"},
	{2, MBAP, ">1 01 02 00c4 0016",
	    "request 2 read_discrete_inputs r discrete 196+22"},
	{3, MBAP, ">1 01 03 006b 0003",
	    "request 3 read_holding_registers r holding 107+3"},
	{4, MBAP, ">1 01 04 0008 0001",
	    "request 4 read_input_registers r input 8+1"},
	{5, MBAP, ">1 01 05 00ac ff00",
	    "request 5 write_single_coil w coil 172+1=1"},
	{6, MBAP, ">1 01 05 00ac 0000",
	    "request 5 write_single_coil w coil 172+1=0"},
	{7, MBAP, ">1 01 06 0001 0003",
	    "request 6 write_single_register w holding 1+1=3"},
	{8, MBAP, ">1 01 07",
	    "request 7 read_exception_status"},
	{9, MBAP, ">1 01 08 0000 a537",
	    "request 8 return_query_data"},
	{10, MBAP, ">1 01 08 0000 a537 1234",
	    "request 8 return_query_data"},
	{11, MBAP, ">1 01 08 0001 ff00",
	    "request 8 restart_communications"},
	{12, MBAP, ">1 01 08 0004 0000",
	    "request 8 force_listen_only"},
	{13, MBAP, ">1 01 0b",
	    "request 11 get_comm_event_counter"},
	{14, MBAP, ">1 01 0c",
	    "request 12 get_comm_event_log"},
	{15, MBAP, ">1 01 0f 0013 000a 02 cd01",
	    "request 15 write_multiple_coils w coil 19+10=1,0,1,1,0,0,1,1,1,0"},
	{16, MBAP, ">1 01 10 0001 0002 04 000a 0102",
	    "request 16 write_multiple_registers w holding 1+2=10,258"},
	{17, MBAP, ">1 01 11",
	    "request 17 report_server_id"},
	{18, MBAP, ">1 01 14 0e 06 0004 0001 0002 06 0003 0009 0002",
	    "request 20 read_file_record r file 4:1+2 r file 3:9+2"},
	{19, MBAP, ">1 01 15 0d 06 0004 0007 0003 06af 04be 100d",
	    "request 21 write_file_record w file 4:7+3=1711,1214,4109"},
	{20, MBAP, ">1 01 15 12 06 0004 0007 0001 06af 06 0005 0008 0001 04be",
	    "request 21 write_file_record w file 4:7+1=1711 w file 5:8+1=1214"},
	{21, MBAP, ">1 01 16 0004 00f2 0025",
	    "request 22 mask_write_register w holding 4+1~"},
	{22, MBAP, ">1 01 17 0003 0006 000e 0003 06 00ff 00ff 00ff",
	    "request 23 read_write_multiple_registers r holding 3+6 w holding "
	    "14+3=255,255,255"},
	{23, MBAP, ">1 01 18 04de",
	    "request 24 read_fifo_queue r holding 1246+32"},
	{24, MBAP, ">1 01 18 fff0",
	    "request 24 read_fifo_queue r holding 65520+16"},
	{25, MBAP, ">1 01 2b 0d 01 02 03",
	    "request 43 canopen_general_reference"},
	{26, MBAP, ">1 01 2b 0e 01 00",
	    "request 43 read_device_identification"},
	{27, MBAP, ">1 00 5a 00 02",
	    "request 90 umas_read_id !function_not_public !umas"},
	{28, MBAP, ">1 00 5a 07 41 ff 00",
	    "request 90 umas_stop_plc !function_not_public !umas"},
	{29, MBAP, ">1 00 5a 00 99",
	    "request 90 umas !function_not_public !umas"},
	{30, MBAP, ">1 01 2a 00000000",
	    "request 42 concept_symbol_table !function_not_public"},
	{31, MBAP, ">1 01 41 00",
	    "request 65 user_defined_65 !function_not_public"},
	{32, MBAP, ">1 01 6e",
	    "request 110 user_defined_110 !function_not_public"},
	{33, MBAP, ">1 01 29 00",
	    "request 41 reserved_41 !function_not_public"},
	{34, MBAP, ">1 01 1a",
	    "request 26 unassigned_26 !function_not_public"},
};

static const struct line responses[] = {
	{35, MBAP, ">1 01 01 0013 0013 <1 01 01 03 cd6b05",
	    "response 1 read_coils r coil 19+19=1,0,1,1,0,0,1,1,1,1,0,1,0,1,1,0,1,0,1"},
	{36, MBAP, ">1 01 02 00c4 0016 <1 01 02 03 acdb35",
	    "response 2 read_discrete_inputs r discrete "
	    "196+22=0,0,1,1,0,1,0,1,1,1,0,1,1,0,1,1,1,0,1,0,1,1"},
	{37, MBAP, ">1 01 03 006b 0003 <1 01 03 06 022b 0000 0064",
	    "response 3 read_holding_registers r holding 107+3=555,0,100"},
	{38, MBAP, ">1 01 04 0008 0001 <1 01 04 02 000a",
	    "response 4 read_input_registers r input 8+1=10"},
	{39, MBAP, ">1 01 05 00ac ff00 <1 01 05 00ac ff00",
	    "response 5 write_single_coil w coil 172+1=1"},
	{40, MBAP, ">1 01 06 0001 0003 <1 01 06 0001 0003",
	    "response 6 write_single_register w holding 1+1=3"},
	{41, MBAP, ">1 01 07 <1 01 07 6d",
	    "response 7 read_exception_status"},
	{42, MBAP, ">1 01 08 0000 a537 <1 01 08 0000 a537",
	    "response 8 return_query_data"},
	{43, MBAP, ">1 01 08 000b 0000 <1 01 08 000b 0107",
	    "response 8 return_bus_message_count"},
	{44, MBAP, ">1 01 0b <1 01 0b ffff 0108",
	    "response 11 get_comm_event_counter"},
	{45, MBAP, ">1 01 0c <1 01 0c 08 0000 0108 0121 2000",
	    "response 12 get_comm_event_log"},
	{46, MBAP, ">1 01 0f 0013 000a 02 cd01 <1 01 0f 0013 000a",
	    "response 15 write_multiple_coils w coil 19+10"},
	{47, MBAP, ">1 01 10 0001 0002 04 000a 0102 <1 01 10 0001 0002",
	    "response 16 write_multiple_registers w holding 1+2"},
	{48, MBAP, ">1 01 11 <1 01 11 05 01 ff 504c43",
	    "response 17 report_server_id"},
	{49, MBAP, ">1 01 14 0e 06 0004 0001 0002 06 0003 0009 0002 <1 01 14 0c 05 06 0dfe 0020 05 "
	    "06 33cd 0040",
	    "response 20 read_file_record"},
	{50, MBAP, ">1 01 15 0d 06 0004 0007 0003 06af 04be 100d <1 01 15 0d 06 0004 0007 0003 06af "
	    "04be 100d",
	    "response 21 write_file_record w file 4:7+3=1711,1214,4109"},
	{51, MBAP, ">1 01 16 0004 00f2 0025 <1 01 16 0004 00f2 0025",
	    "response 22 mask_write_register"},
	{52, MBAP, ">1 01 17 0003 0002 000e 0001 02 00ff <1 01 17 04 00fe 0acd",
	    "response 23 read_write_multiple_registers r holding 3+2=254,2765"},
	{53, MBAP, ">1 01 18 04de <1 01 18 0006 0002 01b8 1284",
	    "response 24 read_fifo_queue"},
	{54, MBAP, ">1 01 2b 0e 01 00 <1 01 2b 0e 01 01 00 00 02 00 02 4d42 01 01 31",
	    "response 43 read_device_identification"},
	{55, MBAP, ">1 01 2b 0d 01 <1 01 2b 0d 01 02",
	    "response 43 canopen_general_reference"},
	{56, MBAP, ">1 00 5a 00 02 <1 00 5a 00 fe 0102",
	    "response 90 umas_read_id !function_not_public !umas"},
	{57, MBAP, ">1 01 64 01 <1 01 64 02",
	    "response 100 user_defined_100 !function_not_public"},
	{58, MBAP, ">1 01 03 0005 0001 <1 01 83 02",
	    "exception 3 read_holding_registers"},
	{59, MBAP, ">1 01 08 0004 0000 <1 01 88 0b",
	    "exception 8 force_listen_only"},
	{60, MBAP, ">1 01 41 00 <1 01 c1 01",
	    "exception 65 user_defined_65 !function_not_public"},
};

static const struct line anomalies[] = {
	{61, MBAP, ">1 01 03 00",
	    "malformed 3 read_holding_registers !body_short"},
	{62, MBAP, ">1 01 10 0001 0002 04 000a",
	    "malformed 16 write_multiple_registers !body_short"},
	{63, MBAP, ">1 01 10 0001",
	    "malformed 16 write_multiple_registers !body_short"},
	{64, MBAP, ">1 01 17 0003 0006 00",
	    "malformed 23 read_write_multiple_registers !body_short"},
	{65, MBAP, ">1 01 06 0001 0003 00",
	    "malformed 6 write_single_register !body_long"},
	{66, MBAP, ">1 01 07 00",
	    "malformed 7 read_exception_status !body_long"},
	{67, MBAP, ">1 01 03 0000 0001 <1 01 83 02 00",
	    "malformed 3 read_holding_registers !body_long"},
	{68, MBAP, ">1 01 03 0000 0001 <1 01 83",
	    "malformed 3 read_holding_registers !body_short"},
	{69, MBAP, ">1 01 03 0000 0001 <1 01 03 04 0000",
	    "malformed 3 read_holding_registers !body_short"},
	{70, MBAP, ">1 01 01 0000 0000",
	    "request 1 read_coils !quantity_zero r coil 0+0"},
	{71, MBAP, ">1 01 01 0000 07d0",
	    "request 1 read_coils r coil 0+2000"},
	{72, MBAP, ">1 01 01 0000 07d1",
	    "request 1 read_coils !quantity_over r coil 0+2001"},
	{73, MBAP, ">1 01 02 0000 07d1",
	    "request 2 read_discrete_inputs !quantity_over r discrete 0+2001"},
	{74, MBAP, ">1 01 03 0000 007d",
	    "request 3 read_holding_registers r holding 0+125"},
	{75, MBAP, ">1 01 03 0000 007e",
	    "request 3 read_holding_registers !quantity_over r holding 0+126"},
	{76, MBAP, ">1 01 04 0000 007e",
	    "request 4 read_input_registers !quantity_over r input 0+126"},
	{77, MBAP, ">1 01 0f 0000 0000 00",
	    "request 15 write_multiple_coils !quantity_zero w coil 0+0"},
	{78, MBAP, ">1 01 0f 0000 07b1 "
	    "f700000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000000000",
	    "request 15 write_multiple_coils !quantity_over w coil "
	    "0+1969=0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"},
	{79, MBAP, ">1 01 10 0000 0000 00",
	    "request 16 write_multiple_registers !quantity_zero w holding 0+0"},
	{80, UDP, ">1 01 10 0000 007c "
	    "f800000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "000000000000000000000000000000000000000000000000000000000000000000000000000000",
	    "request 16 write_multiple_registers !length_over !quantity_over w holding "
	    "0+124=0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"},
	{81, MBAP, ">1 01 17 0000 007e 0000 0001 02 0000",
	    "request 23 read_write_multiple_registers !quantity_over r holding 0+126 w "
	    "holding 0+1=0"},
	{82, MBAP, ">1 01 17 0000 0000 0000 0001 02 0000",
	    "request 23 read_write_multiple_registers !quantity_zero r holding 0+0 w holding "
	    "0+1=0"},
	{83, UDP, ">1 01 17 0000 0001 0000 007a "
	    "f400000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000",
	    "request 23 read_write_multiple_registers !length_over !quantity_over r holding "
	    "0+1 w holding 0+122=0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0"},
	{84, MBAP, ">1 01 17 0000 0001 0000 0000 00",
	    "request 23 read_write_multiple_registers !quantity_zero r holding 0+1 w holding "
	    "0+0"},
	{85, MBAP, ">1 01 0f 0013 000a 01 cd",
	    "malformed 15 write_multiple_coils !byte_count"},
	{86, MBAP, ">1 01 10 0001 0002 02 000a",
	    "malformed 16 write_multiple_registers !byte_count"},
	{87, MBAP, ">1 01 17 0000 0001 0000 0002 02 0000",
	    "malformed 23 read_write_multiple_registers !byte_count"},
	{88, MBAP, ">1 01 03 ffff 0002",
	    "request 3 read_holding_registers !address_overflow r holding 65535+2"},
	{89, MBAP, ">1 01 03 ffff 0001",
	    "request 3 read_holding_registers r holding 65535+1"},
	{90, MBAP, ">1 01 10 ffff 0002 04 0000 0000",
	    "request 16 write_multiple_registers !address_overflow w holding 65535+2=0,0"},
	{91, MBAP, ">1 01 05 0000 0001",
	    "request 5 write_single_coil !coil_value w coil 0+1~=0"},
	{92, MBAP, ">1 01 05 0000 ff01",
	    "request 5 write_single_coil !coil_value w coil 0+1~=1"},
	{93, MBAP, ">1 01 08 0005 0000",
	    "request 8 diagnostics !sub_function"},
	{94, MBAP, ">1 01 08 0013 0000",
	    "request 8 diagnostics !sub_function"},
	{95, MBAP, ">1 01 08 ffff 0000",
	    "request 8 diagnostics !sub_function"},
	{96, MBAP, ">1 01 08 0001 0001",
	    "request 8 restart_communications !diag_data"},
	{97, MBAP, ">1 01 08 0003 0a00",
	    "request 8 change_ascii_delimiter"},
	{98, MBAP, ">1 01 08 0003 0a01",
	    "request 8 change_ascii_delimiter !diag_data"},
	{99, MBAP, ">1 01 08 000a 0001",
	    "request 8 clear_counters !diag_data"},
	{100, MBAP, ">1 01 08 000a 0000 00",
	    "malformed 8 clear_counters !body_long"},
	{101, MBAP, ">1 01 2b 00 00",
	    "request 43 encapsulated_interface !mei_type"},
	{102, MBAP, ">1 01 2b 0e 05 00",
	    "request 43 read_device_identification !device_id_code"},
	{103, MBAP, ">1 01 2b 0e 01 00 <1 01 2b 0e 01 04 00 00 00",
	    "response 43 read_device_identification !device_id_list"},
	{104, MBAP, ">1 01 2b 0e 01 00 <1 01 2b 0e 01 01 4d 00 00",
	    "response 43 read_device_identification !device_id_list"},
	{105, MBAP, ">1 01 2b 0e 01 00 <1 01 2b 0e 01 01 00 00 01 00 05 4d",
	    "malformed 43 read_device_identification !body_short"},
	{106, MBAP, ">1 01 14 07 05 0004 0001 0002",
	    "request 20 read_file_record !file_reference_type r file 4:1+2"},
	{107, MBAP, ">1 01 14 07 06 0000 0001 0002",
	    "request 20 read_file_record !file_number r file 0:1+2"},
	{108, MBAP, ">1 01 14 07 06 0001 2710 0001",
	    "request 20 read_file_record !file_record r file 1:10000+1"},
	{109, MBAP, ">1 01 14 07 06 0001 270f 0001",
	    "request 20 read_file_record r file 1:9999+1"},
	{110, MBAP, ">1 01 14 07 06 0001 270f 0002",
	    "request 20 read_file_record !file_record r file 1:9999+2"},
	{111, MBAP, ">1 01 14 00",
	    "request 20 read_file_record !file_length"},
	{112, MBAP, ">1 01 14 07 06 0001 0000 0000",
	    "request 20 read_file_record !file_length r file 1:0+0"},
	{113, MBAP, ">1 01 14 06 06 0001 0000 00",
	    "malformed 20 read_file_record !body_short !file_length"},
	{114, MBAP, ">1 01 14 07 06 0001 0000 007b",
	    "request 20 read_file_record !quantity_over r file 1:0+123"},
	{115, MBAP, ">1 01 15 09 06 0001 0000 0002 0000",
	    "malformed 21 write_file_record !body_short"},
	{116, MBAP, ">1 01 14 07 06 0001 0000 0001 <1 01 14 05 04 06 000000",
	    "malformed 20 read_file_record !odd_byte_count !count_mismatch !unsolicited"},
	{117, MBAP, ">1 01 14 07 06 0001 0000 0001 <1 01 14 04 03 05 0000",
	    "response 20 read_file_record !file_reference_type"},
	{118, MBAP, ">1 01 03 0000 0001 <1 01 03 03 000000",
	    "malformed 3 read_holding_registers !odd_byte_count !count_mismatch !unsolicited"},
	{119, MBAP, ">1 01 03 0000 0001 <1 01 03 00",
	    "response 3 read_holding_registers !quantity_zero !count_mismatch !unsolicited"},
	{120, UDP, ">1 01 03 0000 007d <1 01 03 fc "
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "00000000000000",
	    "response 3 read_holding_registers !length_over !quantity_over !count_mismatch "
	    "!unsolicited"},
	{121, MBAP, ">1 01 18 0000 <1 01 18 0042 0020 "
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000",
	    "response 24 read_fifo_queue !fifo_count"},
	{122, MBAP, ">1 01 18 0000 <1 01 18 0004 0002 00000000",
	    "malformed 24 read_fifo_queue !byte_count"},
	{123, MBAP, ">1 01 0b <1 01 0b 0001 0108",
	    "response 11 get_comm_event_counter !status_word"},
	{124, MBAP, ">1 01 0c <1 01 0c 05 0000000000",
	    "malformed 12 get_comm_event_log !byte_count"},
	{125, MBAP, ">1 01 03 0000 0001 <1 01 83 09",
	    "exception 3 read_holding_registers !exception_code"},
	{126, MBAP, ">1 01 83 02",
	    "malformed 3 read_holding_registers !exception_request"},
	{127, MBAP, ">1 01 00 0000",
	    "request 0 invalid_0 !function_zero !function_not_public"},
	{128, MBAP, ">1 00 5a 00 0a "
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000"
	    "000000000000",
	    "request 90 umas_repeat !length_over !function_not_public !umas"},
};

static const struct line pairing[] = {
	{129, MBAP, "<1 01 03 02 0001",
	    "response 3 read_holding_registers !unsolicited"},
	{130, MBAP, "<1 01 83 02",
	    "exception 3 read_holding_registers !unsolicited"},
	{131, MID, "<1 01 03 02 0001",
	    "response 3 read_holding_registers"},
	{132, MID, ">2 01 03 0000 0001 <1 01 03 02 0001",
	    "response 3 read_holding_registers"},
	{133, MID, ">2 01 03 0000 0001 <2 01 03 02 0001 <1 01 03 02 0001",
	    "response 3 read_holding_registers !unsolicited"},
	{134, MBAP, ">1 01 03 0000 0001 <1 01 03 02 0001 <1 01 03 02 0001",
	    "response 3 read_holding_registers !duplicate_response !unsolicited"},
	{135, MBAP, ">1 01 03 0000 0001 <2 01 03 02 0001",
	    "response 3 read_holding_registers !unsolicited"},
	{136, MBAP, ">1 01 03 0000 0001 <2 01 03 02 0001 <1 01 03 02 0001",
	    "response 3 read_holding_registers r holding 0+1=1"},
	{137, MBAP, ">1 01 03 0000 0001 <1 01 04 02 0001",
	    "response 4 read_input_registers !function_mismatch !unsolicited"},
	{138, MBAP, ">1 01 03 0000 0001 <1 01 84 02",
	    "exception 4 read_input_registers !function_mismatch !unsolicited"},
	{139, MBAP, ">1 01 03 0000 0001 <1 02 03 02 0001",
	    "response 3 read_holding_registers !unit_mismatch !unsolicited"},
	{140, MBAP, ">1 01 03 0000 0001 !<1 01 04 02 0001 <1 01 03 02 0001",
	    "response 3 read_holding_registers r holding 0+1=1"},
	{141, MBAP, ">1 01 03 0000 0002 <1 01 03 02 0001",
	    "response 3 read_holding_registers !count_mismatch !unsolicited"},
	{142, MBAP, ">1 01 01 0000 0009 <1 01 01 01 01",
	    "response 1 read_coils !count_mismatch !unsolicited"},
	{143, MBAP, ">1 01 17 0000 0002 0000 0001 02 0000 <1 01 17 02 0001",
	    "response 23 read_write_multiple_registers !count_mismatch !unsolicited"},
	{144, MBAP, ">1 01 14 07 06 0001 0000 0001 <1 01 14 06 05 06 00000000",
	    "response 20 read_file_record !count_mismatch !unsolicited"},
	{145, MBAP, ">1 01 10 0001 0002 04 000a 0102 <1 01 10 0001 0001",
	    "response 16 write_multiple_registers !count_mismatch !unsolicited w holding 1+1"},
	{146, MBAP, ">1 01 10 0001 0002 04 000a 0102 <1 01 10 0002 0002",
	    "response 16 write_multiple_registers !echo_address !unsolicited w holding 2+2"},
	{147, MBAP, ">1 01 05 0001 ff00 <1 01 05 0002 ff00",
	    "response 5 write_single_coil !echo_address !unsolicited w coil 2+1=1"},
	{148, MBAP, ">1 01 06 0001 0005 <1 01 06 0001 0004",
	    "response 6 write_single_register !echo_value w holding 1+1=4"},
	{149, MBAP, ">1 01 16 0004 00f2 0025 <1 01 16 0004 00f2 0024",
	    "response 22 mask_write_register !echo_value"},
	{150, MBAP, ">1 01 16 0004 00f2 0025 <1 01 16 0005 00f2 0025",
	    "response 22 mask_write_register !echo_address !unsolicited"},
	{151, MBAP, ">1 01 08 0000 a537 <1 01 08 0000 a538",
	    "response 8 return_query_data !echo_value"},
	{152, MBAP, ">1 01 08 0000 a537 <1 01 08 0001 a537",
	    "response 8 restart_communications !echo_address !unsolicited"},
	{153, MBAP, ">1 01 2b 0e 01 00 <1 01 2b 0d 00",
	    "response 43 canopen_general_reference !echo_address !unsolicited"},
	{154, MBAP, ">1 01 03 0000 0001 >2 01 04 0007 0001 <1 01 03 02 0001",
	    "response 3 read_holding_registers r holding 0+1=1"},
	{155, MBAP, ">1 01 03 0000 0001 >2 01 04 0007 0001 <1 01 03 02 0001 <2 01 04 02 0001",
	    "response 4 read_input_registers r input 7+1=1"},
	{156, MBAP, ">1 01 03 0000 0001 >2 01 03 0007 0001 <2 01 03 02 0001",
	    "response 3 read_holding_registers r holding 7+1=1"},
	{157, MBAP, ">1 01 03 0000 0001 >2 01 03 0007 0001 <2 01 03 02 0001 <1 01 03 02 0001",
	    "response 3 read_holding_registers r holding 0+1=1"},
	{158, MBAP, ">1 01 03 0000 0001 >1 01 03 0000 0001",
	    "request 3 read_holding_registers !transaction_in_use r holding 0+1"},
	{159, MBAP, ">1 01 03 0000 0001 >1 01 04 0007 0001",
	    "request 4 read_input_registers !transaction_in_use r input 7+1"},
	{160, MBAP, ">0 01 03 0000 0001 >0 01 04 0007 0001 <0 01 03 02 0001 <0 01 04 02 0001",
	    "response 4 read_input_registers r input 7+1=1"},
	{161, MBAP, ">0 01 03 0000 0001 >0 01 04 0007 0001 <0 01 04 02 0001 <0 01 03 02 0001",
	    "response 3 read_holding_registers !late_response r holding 0+1=1"},
	{162, MBAP, ">0 01 03 0000 0001 >0 01 04 0007 0001 <0 01 04 02 0001 <0 01 03 02 0001 <0 01 03"
	    " 02 0001",
	    "response 3 read_holding_registers !duplicate_response !unsolicited"},
	{163, MBAP, "!>1 01 03 0000 0001 <1 01 03 02 0001",
	    "response 3 read_holding_registers !unsolicited"},
	{164, UDP, ">1 01 03 0000 0001 >1 01 03 0000 0001",
	    "request 3 read_holding_registers r holding 0+1"},
	{165, UDP, ">1 01 03 0000 0001 >1 01 03 0001 0001",
	    "request 3 read_holding_registers !transaction_in_use r holding 1+1"},
	{166, UDP, ">1 01 03 0000 0001 <1 01 03 02 0001 <1 01 03 02 0001",
	    "response 3 read_holding_registers"},
	{167, MBAP, ">1 01 03 0000 0001 >2 01 03 0000 0001 >3 01 03 0000 0001 >4 01 03 0000 0001 >5 "
	    "01 03 0000 0001 >6 01 03 0000 0001 >7 01 03 0000 0001 >8 01 03 0000 0001 >9 01 "
	    "03 0000 0001 >a 01 03 0000 0001 >b 01 03 0000 0001 >c 01 03 0000 0001 >d 01 03 "
	    "0000 0001 >e 01 03 0000 0001 >f 01 03 0000 0001",
	    "request 3 read_holding_registers r holding 0+1"},
	{168, MBAP, ">1 01 03 0000 0001 >2 01 03 0000 0001 >3 01 03 0000 0001 >4 01 03 0000 0001 >5 "
	    "01 03 0000 0001 >6 01 03 0000 0001 >7 01 03 0000 0001 >8 01 03 0000 0001 >9 01 "
	    "03 0000 0001 >a 01 03 0000 0001 >b 01 03 0000 0001 >c 01 03 0000 0001 >d 01 03 "
	    "0000 0001 >e 01 03 0000 0001 >f 01 03 0000 0001 >10 01 03 0000 0001",
	    "request 3 read_holding_registers !pending_full r holding 0+1"},
	{169, MBAP, ">1 01 03 0000 0001 >2 01 03 0000 0001 >3 01 03 0000 0001 >4 01 03 0000 0001 >5 "
	    "01 03 0000 0001 >6 01 03 0000 0001 >7 01 03 0000 0001 >8 01 03 0000 0001 >9 01 "
	    "03 0000 0001 >a 01 03 0000 0001 >b 01 03 0000 0001 >c 01 03 0000 0001 >d 01 03 "
	    "0000 0001 >e 01 03 0000 0001 >f 01 03 0000 0001 >10 01 03 0000 0001 <1 01 03 02 "
	    "0001",
	    "response 3 read_holding_registers !late_response"},
	{170, MBAP, ">1 01 03 0000 0001 >2 01 03 0000 0001 >3 01 03 0000 0001 >4 01 03 0000 0001 >5 "
	    "01 03 0000 0001 >6 01 03 0000 0001 >7 01 03 0000 0001 >8 01 03 0000 0001 >9 01 "
	    "03 0000 0001 >a 01 03 0000 0001 >b 01 03 0000 0001 >c 01 03 0000 0001 >d 01 03 "
	    "0000 0001 >e 01 03 0000 0001 >f 01 03 0000 0001 >10 01 03 0000 0001 <1 01 03 02 "
	    "0001 <1 01 03 02 0001",
	    "response 3 read_holding_registers !unsolicited"},
	{171, MBAP, ">1 01 03 0001 0001 >2 01 03 0002 0001 >3 01 03 0003 0001 >4 01 03 0004 0001 >5 "
	    "01 03 0005 0001 >6 01 03 0006 0001 >7 01 03 0007 0001 >8 01 03 0008 0001 >9 01 "
	    "03 0009 0001 >a 01 03 000a 0001 >b 01 03 000b 0001 >c 01 03 000c 0001 >d 01 03 "
	    "000d 0001 >e 01 03 000e 0001 >f 01 03 000f 0001 >10 01 03 0010 0001 <2 01 03 02 "
	    "0001",
	    "response 3 read_holding_registers r holding 2+1=1"},
	{172, MBAP, ">1 01 03 0001 0001 >2 01 03 0002 0001 >3 01 03 0003 0001 >4 01 03 0004 0001 >5 "
	    "01 03 0005 0001 >6 01 03 0006 0001 >7 01 03 0007 0001 >8 01 03 0008 0001 >9 01 "
	    "03 0009 0001 >a 01 03 000a 0001 >b 01 03 000b 0001 >c 01 03 000c 0001 >d 01 03 "
	    "000d 0001 >e 01 03 000e 0001 >f 01 03 000f 0001 >10 01 03 0010 0001 <1 01 03 02 "
	    "0001 <2 01 03 02 0001 <3 01 03 02 0001 <4 01 03 02 0001 <5 01 03 02 0001 <6 01 "
	    "03 02 0001 <7 01 03 02 0001 <8 01 03 02 0001 <9 01 03 02 0001 <a 01 03 02 0001 "
	    "<b 01 03 02 0001 <c 01 03 02 0001 <d 01 03 02 0001 <e 01 03 02 0001 <f 01 03 02 "
	    "0001 <10 01 03 02 0001",
	    "response 3 read_holding_registers r holding 16+1=1"},
	{173, MBAP, ">1 01 03 0000 0001 >2 01 03 0000 0001 <2 01 03 02 0001 >3 01 03 0000 0001 <3 01 "
	    "03 02 0001 >4 01 03 0000 0001 <4 01 03 02 0001 >5 01 03 0000 0001 <5 01 03 02 "
	    "0001 >6 01 03 0000 0001 <6 01 03 02 0001 >7 01 03 0000 0001 <7 01 03 02 0001 >8 "
	    "01 03 0000 0001 <8 01 03 02 0001 >9 01 03 0000 0001 <9 01 03 02 0001 >a 01 03 "
	    "0000 0001 <a 01 03 02 0001 >b 01 03 0000 0001 <b 01 03 02 0001 >c 01 03 0000 "
	    "0001 <c 01 03 02 0001 >d 01 03 0000 0001 <d 01 03 02 0001 >e 01 03 0000 0001 <e "
	    "01 03 02 0001 >f 01 03 0000 0001 <f 01 03 02 0001 >10 01 03 0000 0001 <10 01 03 "
	    "02 0001 >11 01 03 0000 0001",
	    "request 3 read_holding_registers r holding 0+1"},
	{174, MBAP, ">1 01 03 0000 0001 { <2 01 03 02 0001",
	    "response 3 read_holding_registers"},
	{175, MBAP, ">1 01 03 0000 0001 { <1 01 03 02 0001 <2 01 03 02 0001",
	    "response 3 read_holding_registers !unsolicited"},
	{176, MBAP, ">1 01 03 0000 0001 } >1 01 03 0000 0001",
	    "request 3 read_holding_registers r holding 0+1"},
	{177, MBAP, ">1 01 03 0000 0001 } <1 01 03 02 0001",
	    "response 3 read_holding_registers !late_response r holding 0+1=1"},
	{178, MBAP, ">1 00 5a 00 41 <1 00 da 01",
	    "exception 90 umas_stop_plc !function_not_public !umas"},
	{179, MBAP, ">1 01 83 02 <1 01 83 02",
	    "exception 3 read_holding_registers !unsolicited"},
};

static const struct line rtu[] = {
	{180, RTU, ">0 01 03 006b 0003",
	    "request 3 read_holding_registers r holding 107+3"},
	{181, RTU, ">0 01 03 006b 0003 <0 01 03 06 022b 0000 0064",
	    "response 3 read_holding_registers r holding 107+3=555,0,100"},
	{182, RTU, ">0 01 10 0001 0002 04 000a 0102 <0 01 10 0001 0002",
	    "response 16 write_multiple_registers w holding 1+2"},
	{183, RTU, ">0 01 0f 0013 000a 02 cd01 <0 01 0f 0013 000a",
	    "response 15 write_multiple_coils w coil 19+10"},
	{184, RTU, ">0 01 05 0000 ff00 <0 01 85 02",
	    "exception 5 write_single_coil"},
	{185, RTU, ">0 01 07 <0 01 07 6d",
	    "response 7 read_exception_status"},
	{186, RTU, ">0 01 08 000b 0000 <0 01 08 000b 0005",
	    "response 8 return_bus_message_count"},
	{187, RTU, ">0 01 08 0000 a537 1234 <0 01 08 0000 a537 1234",
	    "response 8 return_query_data"},
	{188, RTU, ">0 01 0b <0 01 0b 0000 0108",
	    "response 11 get_comm_event_counter"},
	{189, RTU, ">0 01 0c <0 01 0c 06 0000 0108 0121",
	    "response 12 get_comm_event_log"},
	{190, RTU, ">0 01 11 <0 01 11 02 01ff",
	    "response 17 report_server_id"},
	{191, RTU, ">0 01 14 07 06 0004 0001 0001 <0 01 14 04 03 06 0dfe",
	    "response 20 read_file_record"},
	{192, RTU, ">0 01 15 09 06 0004 0007 0001 06af <0 01 15 09 06 0004 0007 0001 06af",
	    "response 21 write_file_record w file 4:7+1=1711"},
	{193, RTU, ">0 01 16 0004 00f2 0025 <0 01 16 0004 00f2 0025",
	    "response 22 mask_write_register"},
	{194, RTU, ">0 01 17 0003 0002 000e 0001 02 00ff <0 01 17 04 00fe 0acd",
	    "response 23 read_write_multiple_registers r holding 3+2=254,2765"},
	{195, RTU, ">0 01 18 04de <0 01 18 0006 0002 01b8 1284",
	    "response 24 read_fifo_queue"},
	{196, RTU, ">0 01 2b 0e 01 00 <0 01 2b 0e 01 01 00 00 01 00 02 4d42",
	    "response 43 read_device_identification"},
	{197, RTU, ">0 01 2b 0d 01 02 03",
	    "request 43 canopen_general_reference"},
	{198, RTU, ">0 01 41 0102030405 <0 01 41 01",
	    "response 65 user_defined_65 !function_not_public"},
	{199, RTU, ">0 01 03 0000 0001 >0 01 04 0000 0001 <0 01 04 02 0001 <0 01 03 02 0001",
	    "response 3 read_holding_registers !late_response r holding 0+1=1"},
	{200, RTU, ">0 01 03 0000 0001 <0 01 04 02 0001",
	    "response 4 read_input_registers !function_mismatch !unsolicited"},
	{201, RTU, ">0 00 06 0001 0003",
	    "request 6 write_single_register w holding 1+1=3"},
	{202, RTU, ">0 00 06 0001 0003 <0 00 06 0001 0003",
	    "response 6 write_single_register !unsolicited w holding 1+1=3"},
	{203, RTU, ">0 00 03 0001 0003",
	    "request 3 read_holding_registers !broadcast_read r holding 1+3"},
};

static void
requests_test(void **state)
{
	(void)state;
	RUN(requests);
}

static void
responses_test(void **state)
{
	(void)state;
	RUN(responses);
}

static void
anomalies_test(void **state)
{
	(void)state;
	RUN(anomalies);
}

static void
pairing_test(void **state)
{
	(void)state;
	RUN(pairing);
}

/*
 * A flow whose state may grow and one whose state is large from the start say the same of every
 * PDU, as long as nothing is answered twice; and polls do not make it grow.
 */
enum { FLAGS_AT = 7, WIDE = 4 }; /* in struct pair */

static void
growth_test(void **state)
{
	static uint8_t large[4096] __attribute__((aligned(8)));
	uint32_t rng = 20261129, grown = 0;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		struct dis_sink s = {.pass = true}, t = {.pass = true};
		struct dis_call few = {.sink = &s}, all = {.sink = &t, .state = large};
		uint16_t open[32], n_open = 0, txn = 0;
		const unsigned most = round % 20, keen = 1 + round % 7;

		grow_begin(D, &few);
		grow_times = 0;
		memset(large, 0, sizeof(large));
		large[FLAGS_AT] = WIDE;
		for (unsigned k = 0; k < 60; k++) {
			const char *text;
			char step[64];
			uint8_t bytes[64], *p;
			size_t n;
			bool ask;

			rng = rng * 1664525 + 1013904223;
			ask = n_open == 0 || (n_open < most && (rng >> 16) % keen == 0);
			if (ask) {
				open[n_open++] = ++txn;
				(void)snprintf(step, sizeof(step), "%x 01 03 0000 0001", txn);
			} else {
				unsigned at = (rng >> 8) % 4 ? 0 : (rng >> 10) % n_open;

				(void)snprintf(step, sizeof(step), "%x 01 03 02 0001", open[at]);
				n_open--;
				memmove(&open[at], &open[at + 1], (n_open - at) * sizeof(*open));
			}
			text = step;
			n = adu(&text, 0, bytes);
			p = guard_put(&page, bytes, n);
			few.dir = all.dir = !ask;
			D->pdu(&few, cur_make(p, n));
			D->pdu(&all, cur_make(p, n));
			assert_string_equal(s.text, t.text);
			assert_int_equal(few.memo, all.memo);
			if ((rng >> 24) % 40 == 0) { /* what is open may be answered, or not */
				few.dir = all.dir = 1;
				D->gap(&few, 1);
				D->gap(&all, 1);
			}
			assert_true(D->at_rest(few.state, 0) == D->at_rest(all.state, 0));
		}
		assert_ptr_equal(all.state, large);
		assert_true(grow_times <= 1);
		grown += grow_times;
	}
	assert_in_range(grown, 400, 2600);
	grow_times = 0;
	play(POLLS POLLS POLLS, 0, &(struct dis_sink){0});
	assert_int_equal(grow_times, 0);
}

static void
rtu_test(void **state)
{
	(void)state;
	RUN(rtu);
}

/* A PDU as it stands, without help of adu(). */
static const char *
raw(const char *bytes, unsigned flags, bool to_client, struct dis_sink *s)
{
	_Alignas(8) uint8_t st[DIS_STATE_INLINE] = {0};
	struct dis_call call = {.state = st, .sink = s, .variant = flags & RTU,
	    .datagram = (flags & UDP) != 0, .dir = to_client};
	uint8_t b[1200];
	size_t n = hex(&bytes, b);

	s->pass = true;
	D->pdu(&call, cur_make(guard_put(&page, b, n), n));
	return s->text;
}

/* What only datagrams and broken frames can be. */
static void
raw_test(void **state)
{
	struct dis_sink s = {0};

	(void)state;
	assert_string_equal(raw("", UDP, false, &s), "malformed 0 invalid_0 !body_short");
	assert_string_equal(raw("0001 0000 0002 01", UDP, false, &s),
	    "malformed 0 invalid_0 !body_short");
	assert_string_equal(raw("0001 0000 0007 01 03 0000 0001", UDP, false, &s),
	    "malformed 3 read_holding_registers !adu_length");
	assert_string_equal(raw("0001 0000 0006 01 03 0000 0001 00", UDP, false, &s),
	    "malformed 3 read_holding_registers !body_long !adu_length");
	assert_string_equal(raw("01 03 0000 0001 840b", RTU, false, &s),
	    "malformed 3 read_holding_registers !crc");
	assert_string_equal(raw("01 03 0000 0001 840a", RTU, false, &s),
	    "request 3 read_holding_registers r holding 0+1");
	assert_string_equal(raw("", RTU, false, &s), "malformed 0 invalid_0 !body_short !crc");
	assert_string_equal(raw("01", RTU, false, &s), "malformed 0 invalid_0 !body_short !crc");
	assert_string_equal(raw("01 03 01", RTU, false, &s),
	    "malformed 0 invalid_0 !body_short !crc");
}

/* Every listed anomaly has been raised by a line above; runs after them. */
static void
all_anomalies_test(void **state)
{
	(void)state;
	for (unsigned i = 0; D->schema->anomalies[i]; i++)
		if (!(seen >> i & 1))
			fail_msg("no case raises %s", D->schema->anomalies[i]);
}

/* Each of the 128 codes is named, carries its code, and finds its answer. */
static void
all_codes_test(void **state)
{
	struct dis_sink s;
	char steps[64], want[64];

	(void)state;
	for (unsigned code = 1; code < 128; code++) {
		const struct dis_op *op = dissector_op(D->schema, (uint16_t)code);

		assert_int_equal(op->code, code);
		snprintf(steps, sizeof(steps), ">1 01 %02x 00 <1 01 %02x 01", code, code | 0x80);
		play(steps, MBAP, &s);
		snprintf(want, sizeof(want), "exception %u %s", code,
		    code == 8 ? "return_query_data" : op->name); /* sub-function 0 */
		assert_memory_equal(s.text, want, strlen(want));
		assert_null(strstr(s.text, "unsolicited"));
	}
}

static void
json_test(void **state)
{
	static const struct {
		const char *steps, *want;
	} lines[] = {
	    {">1 01 03 006b 0003",
		"{\"kind\":\"request\",\"code\":3,\"op\":\"read_holding_registers\",\"access\":\"read\","
		"\"anomalies\":[],\"unit\":1,\"txn\":1,\"addr\":107,\"count\":3}"},
	    {">1 01 03 006b 0002 <1 01 03 04 022b 0064",
		"{\"kind\":\"response\",\"code\":3,\"op\":\"read_holding_registers\",\"access\":\"read\","
		"\"anomalies\":[],\"unit\":1,\"txn\":1,\"addr\":107,\"count\":2,\"values\":[555,100]}"},
	    {"<1 01 03 04 022b 0064", /* of unknown registers, but not without values */
		"{\"kind\":\"response\",\"code\":3,\"op\":\"read_holding_registers\",\"access\":\"read\","
		"\"anomalies\":[\"unsolicited\"],\"unit\":1,\"txn\":1,\"values\":[555,100]}"},
	    {"<1 01 01 01 05",
		"{\"kind\":\"response\",\"code\":1,\"op\":\"read_coils\",\"access\":\"read\","
		"\"anomalies\":[\"unsolicited\"],\"unit\":1,\"txn\":1,\"values\":[1,0,1,0,0,0,0,0]}"},
	    {">1 01 0f 0013 000a 02 cd01",
		"{\"kind\":\"request\",\"code\":15,\"op\":\"write_multiple_coils\",\"access\":\"write\","
		"\"anomalies\":[],\"unit\":1,\"txn\":1,\"addr\":19,\"count\":10,"
		"\"values\":[1,0,1,1,0,0,1,1,1,0]}"},
	    {">1 01 17 0003 0006 000e 0002 04 00ff 0001",
		"{\"kind\":\"request\",\"code\":23,\"op\":\"read_write_multiple_registers\","
		"\"access\":\"write\",\"anomalies\":[],\"unit\":1,\"txn\":1,\"addr\":3,\"count\":6,"
		"\"write_addr\":14,\"write_count\":2,\"values\":[255,1]}"},
	    {">1 01 03 0005 0001 <1 01 83 02",
		"{\"kind\":\"exception\",\"code\":3,\"op\":\"read_holding_registers\",\"access\":\"read\","
		"\"anomalies\":[],\"unit\":1,\"txn\":1,\"addr\":5,\"exception\":2,"
		"\"exception_name\":\"illegal_data_address\"}"},
	    {">1 01 16 0004 00f2 0025",
		"{\"kind\":\"request\",\"code\":22,\"op\":\"mask_write_register\",\"access\":\"write\","
		"\"anomalies\":[],\"unit\":1,\"txn\":1,\"addr\":4,\"and_mask\":242,\"or_mask\":37}"},
	    {">1 01 15 09 06 0004 0007 0001 06af",
		"{\"kind\":\"request\",\"code\":21,\"op\":\"write_file_record\",\"access\":\"write\","
		"\"anomalies\":[],\"unit\":1,\"txn\":1,"
		"\"records\":[{\"file\":4,\"record\":7,\"count\":1,\"values\":[1711]}]}"},
	    {">1 01 14 07 06 0004 0001 0002 <1 01 14 06 05 06 0dfe 0020",
		"{\"kind\":\"response\",\"code\":20,\"op\":\"read_file_record\",\"access\":\"read\","
		"\"anomalies\":[],\"unit\":1,\"txn\":1,\"records\":[{\"values\":[3582,32]}]}"},
	    {">1 01 2b 0e 01 00 <1 01 2b 0e 01 81 00 00 02 00 02 4d42 80 01 31",
		"{\"kind\":\"response\",\"code\":43,\"op\":\"read_device_identification\","
		"\"access\":\"read\",\"anomalies\":[],\"unit\":1,\"txn\":1,\"subcode\":14,"
		"\"device_id_code\":1,\"conformity\":129,\"more_follows\":false,\"objects\":["
		"{\"id\":0,\"name\":\"vendor_name\",\"value\":\"MB\"},{\"id\":128,\"value\":\"1\"}]}"},
	    {">1 01 07 <1 01 07 6d",
		"{\"kind\":\"response\",\"code\":7,\"op\":\"read_exception_status\",\"access\":\"read\","
		"\"anomalies\":[],\"unit\":1,\"txn\":1,\"status\":109}"},
	    {">1 01 0c <1 01 0c 08 0000 0108 0121 2000",
		"{\"kind\":\"response\",\"code\":12,\"op\":\"get_comm_event_log\",\"access\":\"read\","
		"\"anomalies\":[],\"unit\":1,\"txn\":1,\"status\":0,\"event_count\":264,"
		"\"message_count\":289,\"events\":\"2000\"}"},
	    {">1 01 11 <1 01 11 05 01 ff 504c43",
		"{\"kind\":\"response\",\"code\":17,\"op\":\"report_server_id\",\"access\":\"read\","
		"\"anomalies\":[],\"unit\":1,\"txn\":1,\"server_id\":\"01ff504c43\","
		"\"server_text\":\"\\u0001\\u00ffPLC\"}"},
	    {">1 01 18 04de <1 01 18 0006 0002 01b8 1284",
		"{\"kind\":\"response\",\"code\":24,\"op\":\"read_fifo_queue\",\"access\":\"read\","
		"\"anomalies\":[],\"unit\":1,\"txn\":1,\"addr\":1246,\"count\":2,\"values\":[440,4740]}"},
	    {">1 01 08 0004 0000",
		"{\"kind\":\"request\",\"code\":8,\"op\":\"force_listen_only\",\"access\":\"control\","
		"\"anomalies\":[],\"unit\":1,\"txn\":1,\"subcode\":4,\"data\":\"00040000\"}"},
	    {">1 00 5a 00 41 ff",
		"{\"kind\":\"request\",\"code\":90,\"op\":\"umas_stop_plc\",\"access\":\"program\","
		"\"anomalies\":[\"function_not_public\",\"umas\"],\"unit\":0,\"txn\":1,\"subcode\":65,"
		"\"data\":\"0041ff\"}"},
	    {">1 01 17 0003 0006 00", /* cut short: what is there is told */
		"{\"kind\":\"malformed\",\"code\":23,\"op\":\"read_write_multiple_registers\","
		"\"access\":\"write\",\"anomalies\":[\"body_short\"],\"unit\":1,\"txn\":1,\"addr\":3,"
		"\"count\":6,\"data\":\"0003000600\"}"},
	};
	struct dis_sink s;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		play(lines[i].steps, MBAP, &s);
		assert_string_equal(s.json, lines[i].want);
	}
}

static void
probe_test(void **state)
{
	enum { TO_SERVER = 0, TO_CLIENT = 1 };
	static const struct {
		unsigned nr, dir, want, variant;
		const char *bytes;
	} lines[] = {
	    {1, TO_SERVER, PROBE_YES, MBAP, "0001 0000 0006 01 03 0000 0001"},
	    {2, TO_CLIENT, PROBE_YES, MBAP, "0001 0000 0005 01 03 02 0001"},
	    {3, TO_CLIENT, PROBE_YES, MBAP, "0001 0000 0003 01 83 02"},
	    {4, TO_SERVER, PROBE_YES, MBAP, "0001 0000 0004 00 5a 00 02"},
	    {5, TO_CLIENT, PROBE_YES, MBAP, "0001 0000 0006 01 2a 05020000"},
	    {6, TO_SERVER, PROBE_YES, MBAP, "0000 0000 0006 01 00 00000000"},
	    {7, TO_SERVER, PROBE_YES, MBAP, "0001 0000 0002 01 07 0002 0000 0002 01 07"},
	    {8, TO_SERVER, PROBE_YES, MBAP, "0001 0000 0002 01 07 0002 00"},
	    {9, TO_SERVER, PROBE_YES, MBAP, "0001 0000 0006 0a 2b 0e 03 01 00"}, /* malformed, yet ours */
	    {10, TO_CLIENT, PROBE_YES, MBAP, "0001 0000 0004 0a 81 06 00"},
	    {11, TO_SERVER, PROBE_MAYBE, MBAP, "0001 0000 0005 01 03 02 0001"}, /* other direction */
	    {12, TO_SERVER, PROBE_MAYBE, MBAP, "0001 0000 0006 01 03"},
	    {13, TO_SERVER, PROBE_MAYBE, MBAP, "0001"},
	    {14, TO_SERVER, PROBE_MAYBE, MBAP, "0001 0000 00"},
	    {15, TO_SERVER, PROBE_MAYBE, MBAP, ""},
	    {16, TO_SERVER, PROBE_NO, RTU, "0063 0001"},
	    {17, TO_SERVER, PROBE_NO, RTU, "0001 0000 0001 01 00 00"},
	    {18, TO_SERVER, PROBE_NO, RTU, "0001 0000 00ff 01 03 0000 0001"},
	    {19, TO_SERVER, PROBE_NO, RTU, "0001 0000 0007 01 03 0000 0001 00 0002"},
	    {20, TO_SERVER, PROBE_NO, RTU, "0001 0000 0006 01 03 0000 0001 0002 0003"},
	    {21, TO_SERVER, PROBE_NO, RTU, "0000 0000 0000 0000 0000 0000"},
	    {22, TO_SERVER, PROBE_YES, RTU, "01 03 0000 0001 840a"},
	    {23, TO_CLIENT, PROBE_YES, RTU, "01 83 02 c0f1"},
	    {24, TO_SERVER, PROBE_NO, RTU, "01 03 0000 0001 840b"},
	    {25, TO_SERVER, PROBE_MAYBE, RTU, "01 03 1000 0001 84"},
	    {26, TO_SERVER, PROBE_NO, RTU, "16 03 01 0085 01 0000 81 0303 736f f818 5421"}, /* TLS */
	    {27, TO_SERVER, PROBE_NO, RTU, "47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a"}, /* HTTP */
	    {28, TO_SERVER, PROBE_NO, RTU, "53 53 48 2d 32 2e 30 2d 4f 70 65 6e 53 53 48"}, /* SSH */
	    {29, TO_SERVER, PROBE_NO, RTU, "03 00 00 2b 26 e0 00 00 00 00 00 43 6f 6f"}, /* TPKT, RDP */
	    {30, TO_SERVER, PROBE_NO, RTU, "1234 0100 0001 0000 0000 0000 03 77 77 77"}, /* DNS */
	    {31, TO_SERVER, PROBE_NO, RTU, "1234 0000 0001 0000 0000 0000 03 77"}, /* DNS, iterative */
	    {32, TO_SERVER, PROBE_NO, RTU, "0001 0000 2112 a442 0102 0304"}, /* STUN */
	    {33, TO_SERVER, PROBE_NO, RTU, "4845 4c46 2000 0000 0000 0000"}, /* OPC UA */
	};
	uint8_t b[300], variant;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *text = lines[i].bytes;
		size_t n = hex(&text, b);
		struct cur c = cur_make(guard_put(&page, b, n), n);
		enum dis_probe_result r = D->probe(c, (enum dis_dir)lines[i].dir, &variant);

		if (r != lines[i].want || (r != PROBE_NO && variant != lines[i].variant))
			fail_msg("probe %u: %d variant %u", lines[i].nr, r, variant);
	}
}

/* Random segments: a million asked in both directions, none taken for Modbus. */
static void
probe_random_test(void **state)
{
	uint64_t x = 88172645463325252u; /* xorshift, so that a failure is the same again */
	uint8_t b[64], variant;

	(void)state;
	for (unsigned i = 0; i < 500000; i++) {
		size_t n = 8 + i % 56;

		for (size_t k = 0; k < n; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			b[k] = (uint8_t)(x >> 24);
		}
		for (unsigned dir = 0; dir < 2; dir++)
			assert_int_not_equal(D->probe(cur_make(b, n), (enum dis_dir)dir, &variant),
			    PROBE_YES);
	}
}

static void
frame_test(void **state)
{
	static const struct {
		unsigned nr, variant, dir;
		int32_t want;
		const char *bytes;
	} lines[] = {
	    {1, MBAP, 0, FRAME_MORE, ""},
	    {2, MBAP, 0, FRAME_MORE, "0001 0000 00"},
	    {3, MBAP, 0, 12, "0001 0000 0006"},
	    {4, MBAP, 0, FRAME_BAD, "0001 0001 0006"},
	    {5, MBAP, 0, FRAME_BAD, "0001 0000 0001"},
	    {6, MBAP, 0, 260, "0001 0000 00fe"},
	    {7, MBAP, 0, FRAME_MORE, "0001 0000 00ff 01"},
	    {8, MBAP, 0, FRAME_BAD, "0001 0000 00ff 01 03"},
	    {9, MBAP, 0, 261, "0001 0000 00ff 00 5a"},
	    {10, MBAP, 0, 1030, "0001 0000 0400 00 5a"},
	    {11, MBAP, 0, FRAME_BAD, "0001 0000 0401 00 5a"},
	    {12, RTU, 0, FRAME_MORE, "01"},
	    {13, RTU, 0, 8, "01 03"},
	    {14, RTU, 1, FRAME_MORE, "01 03"},
	    {15, RTU, 1, 9, "01 03 04"},
	    {16, RTU, 1, FRAME_BAD, "01 03 fc"},
	    {17, RTU, 1, 5, "01 83"},
	    {18, RTU, 0, FRAME_MORE, "01 10 0001 0002"},
	    {19, RTU, 0, 13, "01 10 0001 0002 04"},
	    {20, RTU, 0, 17, "01 17 0003 0006 000e 0002 04"},
	    {21, RTU, 0, FRAME_MORE, "01 08 00"},
	    {22, RTU, 0, 8, "01 08 0001"},
	    {23, RTU, 0, FRAME_MORE, "01 41 0000"},
	    {24, RTU, 0, FRAME_BAD, "01 41 "
		"0000000000000000000000000000000000000000000000000000000000000000"
		"000000000000000000000000000000000000000000000000000000000000"},
	    {25, RTU, 1, FRAME_MORE, "01 2b 0e 01 01 00 00 01 00"},
	    {26, RTU, 1, FRAME_MORE, "01 2b 0e 01 01 00 00 01 00 02 4d"},
	    {27, RTU, 1, 14, "01 2b 0e 01 01 00 00 01 00 02 4d42"},
	};
	uint8_t b[300];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *text = lines[i].bytes;
		size_t n = hex(&text, b);
		int32_t r = D->frame(cur_make(guard_put(&page, b, n), n), (enum dis_dir)lines[i].dir,
		    (uint8_t)lines[i].variant);

		if (r != lines[i].want)
			fail_msg("frame %u: %d, not %d", lines[i].nr, r, lines[i].want);
	}
}

static const struct dis_key *
key(const char *name)
{
	for (unsigned i = 0; i < D->schema->n_keys; i++)
		if (strcmp(D->schema->keys[i].name, name) == 0)
			return &D->schema->keys[i];
	fail_msg("no key %s", name);
	return NULL;
}

static void
range_test(void **state)
{
	enum { ZERO = 0, ONE, M5, M6 };
	static const struct {
		unsigned nr;
		const char *key;
		uint8_t notation;
		const char *text;
		const char *want; /* sub..sub:first..last, or the error's text */
	} lines[] = {
	    {1, "holding", ZERO, "0..199", "0..0:0..199"},
	    {2, "holding", ZERO, "100", "0..0:100..100"},
	    {3, "holding", ZERO, "0x10..0xff", "0..0:16..255"},
	    {4, "coils", ZERO, "0..65535", "0..0:0..65535"},
	    {5, "coils", ZERO, "65536", "coil 65536 is outside 0..65535 (zero-based)"},
	    {6, "holding", ZERO, "9..8", "\"9..8\" ends before it begins"},
	    {7, "holding", ZERO, "1-5", "\"1-5\": \"-5\" does not belong in a range of addresses"},
	    {8, "holding", ZERO, "x", "\"x\" is not an address"},
	    {9, "holding", ZERO, "1..", "\"\" is not an address"},
	    {10, "holding", ZERO, "", "\"\" is not an address"},
	    {11, "holding", ZERO, "99999999999999999999",
		"holding register 99999999999999999999 is outside 0..65535 (zero-based)"},
	    {12, "holding", ONE, "1..65536", "0..0:0..65535"},
	    {13, "holding", ONE, "0", "holding register 0 is outside 1..65536 (one-based)"},
	    {14, "holding", M5, "40001", "0..0:0..0"},
	    {15, "holding", M5, "40001..49999", "0..0:0..9998"},
	    {16, "holding", M5, "40000", "holding register 40000 is outside 40001..49999 (4xxxx)"},
	    {17, "holding", M5, "30001", "holding register 30001 is outside 40001..49999 (4xxxx)"},
	    {18, "holding", M5, "400001",
		"holding register 400001 needs 5 digits in 4xxxx addressing: 40001..49999"},
	    {19, "holding", M5, "100",
		"holding register 100 needs 5 digits in 4xxxx addressing: 40001..49999"},
	    {20, "input", M5, "30001..30010", "0..0:0..9"},
	    {21, "discrete", M5, "10001", "0..0:0..0"},
	    {22, "coils", M5, "00001..09999", "0..0:0..9998"},
	    {23, "coils", M5, "1", "coil 1 needs 5 digits in 4xxxx addressing: 00001..09999"},
	    {24, "holding", M6, "400001..465536", "0..0:0..65535"},
	    {25, "holding", M6, "465537", "holding register 465537 is outside 400001..465536 (4xxxxx)"},
	    {26, "input", M6, "365536", "0..0:65535..65535"},
	    {27, "discrete", M6, "100001", "0..0:0..0"},
	    {28, "coils", M6, "000001..065536", "0..0:0..65535"},
	    {29, "coils", M6, "000000", "coil 000000 is outside 000001..065536 (4xxxxx)"},
	    {30, "values", M5, "40101..40110", "0..0:100..109"},
	    {31, "coil-values", ZERO, "7", "0..0:7..7"},
	    {32, "files", M5, "4:0..99", "4..4:0..99"},
	    {33, "files", ZERO, "4", "4..4:0..9999"},
	    {34, "files", ZERO, "4..6", "4..6:0..9999"},
	    {35, "files", ZERO, "4:7", "4..4:7..7"},
	    {36, "files", ZERO, "0", "\"0\": files are 1..65535, records 0..9999"},
	    {37, "files", ZERO, "4:10000", "\"4:10000\": files are 1..65535, records 0..9999"},
	    {38, "files", ZERO, "4:", "\"4:\" is not FILE, FILE..FILE or FILE:RECORD..RECORD"},
	    {39, "files", ZERO, "6..4", "\"6..4\" ends before it begins"},
	    {40, "files", ZERO, "4:1,2", "\"4:1,2\": \",2\" does not belong in a range of file records"},
	    {41, "discrete", M5, "10001..30001",
		"discrete input 30001 is outside 10001..19999 (4xxxx)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct dis_range r = {9, 9, 9, 9, 0, 0};
		char err[200] = "", got[200];
		int e = D->schema->parse_range(key(lines[i].key), &lines[i].notation, lines[i].text, &r,
		    err, sizeof(err));

		snprintf(got, sizeof(got), "%u..%u:%u..%u", r.sub, r.sub_last, r.first, r.last);
		if (strcmp(e ? err : got, lines[i].want) != 0)
			fail_msg("range %u: %s", lines[i].nr, e ? err : got);
		assert_true(e == 0 || e == ERR_SYNTAX || e == ERR_RANGE);
		if (e)
			assert_string_equal(got, "9..9:9..9"); /* written only on success */
	}
}

static void
show_addr_test(void **state)
{
	char buf[32];

	(void)state;
	assert_string_equal(D->schema->show_addr(key("holding")->space, 0, 100, buf, sizeof(buf)), "100");
	assert_string_equal(D->schema->show_addr(key("files")->space, 4, 7, buf, sizeof(buf)), "4:7");
}

static bool
in_set(uint16_t code, uint16_t sub, const char *set)
{
	for (unsigned i = 0; i < D->schema->n_ops; i++) {
		const struct dis_op *op = &D->schema->ops[i];

		for (unsigned k = 0; D->schema->sets[k] && op->code == code && op->sub == sub; k++)
			if (strcmp(D->schema->sets[k], set) == 0)
				return op->sets >> k & 1;
	}
	return false;
}

static void
schema_test(void **state)
{
	static const uint8_t reads[] = {1, 2, 3, 4, 7, 11, 12, 17, 20, 24};
	static const uint8_t programming[] = {40, 42, 90, 125, 126};
	const struct dis_schema *s = D->schema;
	unsigned n8 = 0, n43 = 0, n_read = 0, known = 0;

	(void)state;
	for (unsigned i = 0; i < s->n_ops; i++) {
		assert_int_equal(s->ops[i].opx, i); /* dense */
		assert_true(s->ops[i].code < 128);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(s->ops[i].name, s->ops[k].name);
		n8 += s->ops[i].code == 8;
		n43 += s->ops[i].code == 43;
		n_read += s->ops[i].sets & 1;
		known += s->ops[i].known;
	}
	assert_int_equal(n8, 16);
	assert_int_equal(n43, 3);
	assert_int_equal(known, 17 + 15 + 2); /* functions, sub-functions of 8, MEI types */
	for (unsigned i = 0; i < sizeof(reads); i++)
		assert_true(in_set(reads[i], FACT_NO_SUB, "read"));
	assert_true(in_set(43, 14, "read"));
	assert_int_equal(n_read, sizeof(reads) + 1); /* and nothing else: never 23 */
	for (unsigned i = 0; i < sizeof(programming); i++)
		assert_true(in_set(programming[i], FACT_NO_SUB, "programming"));
	assert_true(in_set(90, 65, "programming"));
	assert_true(in_set(16, FACT_NO_SUB, "write"));
	assert_true(in_set(8, 4, "control"));
	assert_false(in_set(8, 4, "diagnostic"));
	for (unsigned i = 0; i < s->n_keys; i++)
		assert_non_null(s->keys[i].help);
}

static void
refuse_test(void **state)
{
	static const struct {
		const char *steps;
		unsigned flags;
		const char *want;
	} lines[] = {
	    {">12 03 03 0000 0001", MBAP, "0012 0000 0003 03 83 02"},
	    {">ffff 03 07", MBAP, "ffff 0000 0003 03 87 01"},
	    {">1 ff 03 0000 007e", MBAP, "0001 0000 0003 ff 83 03"},
	    {">1 01 03 00", MBAP, "0001 0000 0003 01 83 03"},
	    {">0 01 03 0000 0001", RTU, "01 83 02 c0f1"},
	    {">0 00 06 0000 0001", RTU, ""}, /* a broadcast has no answer */
	};
	uint8_t want[16], got[16];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *text = lines[i].want, *steps = lines[i].steps + 1;
		size_t n = hex(&text, want);
		struct fact f = {.unit = 0};
		uint8_t b[32];
		size_t len = adu(&steps, lines[i].flags, b);
		const uint8_t *pdu = lines[i].flags & RTU ? b : b + 6;

		/* As the engine has it: the members that refuse() may read. */
		f.txn = lines[i].flags & RTU ? 0 : (uint32_t)(b[0] << 8 | b[1]);
		f.unit = pdu[0];
		f.code = pdu[1];
		f.n_items = len > 10 || (lines[i].flags & RTU);
		if (strstr(lines[i].want, "83 03")) /* bit numbers of anomalies.def */
			f.anomalies = len > 10 ? UINT64_C(1) << 6 : 1;
		assert_int_equal(D->refuse(&(struct dis_call){.variant = lines[i].flags & RTU}, &f, got, sizeof(got)), n);
		assert_memory_equal(got, want, n);
		assert_int_equal(D->refuse(&(struct dis_call){.variant = lines[i].flags & RTU}, &f, got, 3), 0);
	}
}

static int
setup(void **state)
{
	(void)state;
	page = guard_new(4096);
	return dissector_lookup("modbus", &modbus_index) ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	guard_free(&page);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(requests_test),
	    cmocka_unit_test(responses_test),
	    cmocka_unit_test(anomalies_test),
	    cmocka_unit_test(pairing_test),
	    cmocka_unit_test(rtu_test),
	    cmocka_unit_test(growth_test),
	    cmocka_unit_test(raw_test),
	    cmocka_unit_test(all_anomalies_test),
	    cmocka_unit_test(all_codes_test),
	    cmocka_unit_test(json_test),
	    cmocka_unit_test(probe_test),
	    cmocka_unit_test(probe_random_test),
	    cmocka_unit_test(frame_test),
	    cmocka_unit_test(range_test),
	    cmocka_unit_test(show_addr_test),
	    cmocka_unit_test(schema_test),
	    cmocka_unit_test(refuse_test),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
