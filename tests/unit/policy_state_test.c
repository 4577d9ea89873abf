/* SPDX-License-Identifier: Apache-2.0 */
/* policy_state_test.c - rules that ask what values have last been: `when:`, `change:`, over real PDUs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/memory.h"

#define MS  UINT64_C(1000000)
#define SEC (1000 * MS)

static struct policy *pol;
static struct policy_memory *memory;
static uint64_t now;

/* One connection. */
struct dis_sink {
	const struct dissector *dis;
	struct policy_bind bind;
	struct policy_state st;
	struct dis_call call;
	struct verdict v;
	bool emitted;
	bool watch; /* nothing is stopped */
	uint8_t proto;
	_Alignas(8) uint8_t state[2048];
};

bool
dis_emit(struct dis_sink *s, struct fact *f)
{
	bool goes;

	f->proto = s->proto;
	f->dir = s->call.dir;
	s->st.memory = memory;
	s->st.now_ns = now;
	s->v = policy_eval_state(pol, &s->bind, f, &s->st);
	goes = s->v.action < VERDICT_REJECT || s->watch;
	if (s->bind.flags & BIND_STATE)
		policy_memory_note(pol, &s->st, memory, f, &s->v, goes);
	s->emitted = true;
	return goes;
}

void *
dis_lease(struct dis_call *call, uint32_t want)
{
	(void)call;
	(void)want;
	return NULL;
}

static const char head[] = "interlock: 1\nmode: enforce\n"
			   "zones: {a: {nets: [10.0.0.0/24]}, b: {nets: [10.0.1.0/24]}}\n"
			   "devices: {hmi: {zone: a, ip: 10.0.0.5}, old: {zone: a, ip: 10.0.0.6}}\n"
			   "conduits:\n";

static void
begin(const char *conduits)
{
	struct complaints c = {0};
	char text[4096];

	snprintf(text, sizeof(text), "%s%s", head, conduits);
	pol = policy_build_text("state", text, strlen(text), &c);
	complaints_print(&c, stderr);
	assert_non_null(pol);
	complaints_fini(&c);
	memory = policy_memory_new(65536, 7);
	assert_non_null(memory);
	now = UINT64_C(1700000000) * SEC;
}

static void
end(void)
{
	policy_memory_free(memory);
	policy_free(pol);
}

static void
connect_to(struct dis_sink *s, const char *proto, const char *from, const char *to, uint16_t sport)
{
	struct net_tuple t = {.proto = NET_PROTO_TCP, .sport = sport};

	memset(s, 0, sizeof(*s));
	s->dis = dissector_lookup(proto, &s->proto);
	assert_non_null(s->dis);
	assert_true(s->dis->state_size <= sizeof(s->state));
	t.dport = s->dis->ports[0];
	assert_int_equal(net_addr_parse(from, &t.src), 0);
	assert_int_equal(net_addr_parse(to, &t.dst), 0);
	(void)policy_bind(pol, &t, &s->bind);
	s->st.server = t.dst;
	s->st.flow = sport;
	s->call.sink = s;
	s->call.state = s->state;
}

static struct verdict
say(struct dis_sink *s, enum dis_dir dir, const uint8_t *p, size_t n)
{
	s->call.dir = (uint8_t)dir;
	s->call.now_ns = now;
	s->emitted = false;
	s->dis->pdu(&s->call, cur_make(p, n));
	assert_true(s->emitted);
	now += MS;
	return s->v;
}

/* --- Modbus ------------------------------------------------------------------------------------ */

static struct verdict
mb(struct dis_sink *s, enum dis_dir dir, uint16_t txn, const uint8_t *pdu, size_t n)
{
	uint8_t b[300] = {(uint8_t)(txn >> 8), (uint8_t)txn, 0, 0, 0, (uint8_t)(n + 1), 1};

	memcpy(b + 7, pdu, n);
	return say(s, dir, b, n + 7);
}

static struct verdict
ask(struct dis_sink *s, uint16_t txn, uint8_t fc, uint16_t addr, uint16_t word)
{
	const uint8_t p[] = {
	    fc, (uint8_t)(addr >> 8), (uint8_t)addr, (uint8_t)(word >> 8), (uint8_t)word};

	return mb(s, DIR_TO_SERVER, txn, p, sizeof(p));
}

static void
echo(struct dis_sink *s, uint16_t txn, uint8_t fc, uint16_t addr, uint16_t word)
{
	const uint8_t p[] = {
	    fc, (uint8_t)(addr >> 8), (uint8_t)addr, (uint8_t)(word >> 8), (uint8_t)word};

	(void)mb(s, DIR_TO_CLIENT, txn, p, sizeof(p));
}

static void
coil_is(struct dis_sink *s, uint16_t txn, uint8_t bits)
{
	const uint8_t p[] = {1, 1, bits};

	(void)mb(s, DIR_TO_CLIENT, txn, p, sizeof(p));
}

static void
reg_is(struct dis_sink *s, uint16_t txn, uint16_t v)
{
	const uint8_t p[] = {3, 2, (uint8_t)(v >> 8), (uint8_t)v};

	(void)mb(s, DIR_TO_CLIENT, txn, p, sizeof(p));
}

/* Coil 3 is read within coils 0..7. */
static void
poll_coil(struct dis_sink *s, uint16_t txn, bool on)
{
	(void)ask(s, txn, 1, 0, 8);
	coil_is(s, txn, on ? 0x08 : 0xe7);
}

static void
poll_reg(struct dis_sink *s, uint16_t txn, uint16_t addr, uint16_t v)
{
	(void)ask(s, txn, 3, addr, 1);
	reg_is(s, txn, v);
}

static bool
goes(struct verdict v)
{
	return v.action < VERDICT_REJECT;
}

static const char interlock[] =
    "  - {name: c, from: [hmi, old], to: [b/*], modbus: {addressing: zero-based, allow: [\n"
    "      {name: poll, units: all, functions: read, coils: [0..15], holding: [0..199]},\n"
    "      {name: coil, units: all, functions: [5], write: {coils: [3]}},\n"
    "      {name: set, units: all, functions: [6, 16], write: {holding: [100]},\n"
    "       when: [{coils: 3, is: 0}]}]}}\n";

static void
unknown_then_known(void **state)
{
	struct dis_sink hmi, old, elsewhere;

	(void)state;
	begin(interlock);
	connect_to(&hmi, "modbus", "10.0.0.5", "10.0.1.1", 50000);
	connect_to(&old, "modbus", "10.0.0.6", "10.0.1.1", 50001);
	connect_to(&elsewhere, "modbus", "10.0.0.6", "10.0.1.2", 50002);
	assert_false(goes(ask(&hmi, 1, 6, 100, 7))); /* never read */
	poll_coil(&hmi, 2, true);
	assert_false(goes(ask(&hmi, 3, 6, 100, 7)));
	poll_coil(&hmi, 4, false);
	assert_true(goes(ask(&hmi, 5, 6, 100, 7)));
	echo(&hmi, 5, 6, 100, 7);
	poll_coil(&old, 6, true); /* another HMI's read counts */
	assert_false(goes(ask(&hmi, 7, 6, 100, 7)));
	poll_coil(&old, 8, false);
	assert_true(goes(ask(&hmi, 9, 6, 100, 7)));
	poll_coil(&elsewhere, 10, true); /* another device's does not */
	assert_true(goes(ask(&hmi, 11, 6, 100, 7)));
	now += 10 * SEC; /* too old */
	assert_false(goes(ask(&hmi, 12, 6, 100, 7)));
	end();
}

static void
writes_change_it(void **state)
{
	struct dis_sink hmi, old;

	(void)state;
	begin(interlock);
	connect_to(&hmi, "modbus", "10.0.0.5", "10.0.1.1", 50000);
	connect_to(&old, "modbus", "10.0.0.6", "10.0.1.1", 50001);
	poll_coil(&hmi, 1, false);
	assert_true(goes(ask(&old, 2, 5, 3, 0xff00)));
	assert_false(goes(ask(&hmi, 3, 6, 100, 7))); /* a write is under way */
	echo(&old, 2, 5, 3, 0xff00);
	assert_false(goes(ask(&hmi, 4, 6, 100, 7))); /* it is 1 now */
	assert_true(goes(ask(&old, 5, 5, 3, 0)));
	echo(&old, 5, 5, 3, 0);
	assert_true(goes(ask(&hmi, 6, 6, 100, 7)));
	/* refused: nobody knows, until it is read */
	assert_true(goes(ask(&old, 7, 5, 3, 0)));
	(void)mb(&old, DIR_TO_CLIENT, 7, (const uint8_t[]){0x85, 4}, 2);
	assert_false(goes(ask(&hmi, 8, 6, 100, 7)));
	poll_coil(&hmi, 9, false);
	assert_true(goes(ask(&hmi, 10, 6, 100, 7)));
	/* a read that was asked before the write says nothing after it */
	(void)ask(&hmi, 11, 1, 0, 8);
	(void)ask(&old, 12, 5, 3, 0xff00);
	echo(&old, 12, 5, 3, 0xff00);
	coil_is(&hmi, 11, 0);
	assert_false(goes(ask(&hmi, 13, 6, 100, 7)));
	/* nor one that was asked while it was under way */
	(void)ask(&old, 14, 5, 3, 0xff00);
	(void)ask(&hmi, 15, 1, 0, 8);
	coil_is(&hmi, 15, 0);
	assert_false(goes(ask(&hmi, 16, 6, 100, 7)));
	echo(&old, 14, 5, 3, 0xff00);
	assert_false(goes(ask(&hmi, 17, 6, 100, 7)));
	/* a device that says another value than was written */
	(void)ask(&old, 18, 5, 3, 0);
	echo(&old, 18, 5, 3, 0xff00);
	assert_false(goes(ask(&hmi, 19, 6, 100, 7)));
	end();
}

/* Two writes at once leave it in doubt; one that is never answered, for ten seconds. */
static void
writes_overlap(void **state)
{
	struct dis_sink hmi, old;

	(void)state;
	begin(interlock);
	connect_to(&hmi, "modbus", "10.0.0.5", "10.0.1.1", 50000);
	connect_to(&old, "modbus", "10.0.0.6", "10.0.1.1", 50001);
	(void)ask(&hmi, 1, 5, 3, 0xff00);
	(void)ask(&old, 2, 5, 3, 0);
	echo(&old, 2, 5, 3, 0);
	echo(&hmi, 1, 5, 3, 0xff00);
	assert_false(goes(ask(&hmi, 3, 6, 100, 7)));
	poll_coil(&hmi, 4, false);
	assert_true(goes(ask(&hmi, 5, 6, 100, 7)));
	(void)ask(&old, 6, 5, 3, 0);
	poll_coil(&hmi, 7, false);
	assert_false(goes(ask(&hmi, 8, 6, 100, 7)));
	now += 10 * SEC;
	poll_coil(&hmi, 9, false);
	assert_true(goes(ask(&hmi, 10, 6, 100, 7)));
	echo(&old, 6, 5, 3, 0); /* that late, it says nothing */
	poll_coil(&hmi, 11, false);
	assert_true(goes(ask(&hmi, 12, 6, 100, 7)));
	end();
}

/* Who may not read cannot make anything known, not even where nothing is stopped. */
static void
strangers_teach_nothing(void **state)
{
	struct dis_sink hmi, old;

	(void)state;
	begin("  - {name: c, from: [hmi], to: [b/*], modbus: {addressing: zero-based, allow: [\n"
	      "      {name: poll, units: all, functions: read, coils: [0..15]},\n"
	      "      {name: set, units: all, functions: [6], write: {holding: [100]},\n"
	      "       when: {coils: 3, is: 0}}]}}\n"
	      "  - {name: d, from: [old], to: [b/*], modbus: {addressing: zero-based, allow: [\n"
	      "      {name: other, units: all, functions: [3], holding: [0]}]}}\n");
	connect_to(&hmi, "modbus", "10.0.0.5", "10.0.1.1", 50000);
	connect_to(&old, "modbus", "10.0.0.6", "10.0.1.1", 50001);
	old.watch = true;
	assert_false(goes(ask(&old, 1, 1, 0, 8)));
	coil_is(&old, 1, 0);
	assert_false(goes(ask(&hmi, 2, 6, 100, 7)));
	/* an answer to nothing */
	coil_is(&hmi, 77, 0);
	assert_false(goes(ask(&hmi, 3, 6, 100, 7)));
	/* a denied write that nobody stopped may have been done, and teaches nothing else */
	poll_coil(&hmi, 4, false);
	assert_true(goes(ask(&hmi, 5, 6, 100, 7)));
	assert_false(goes(ask(&old, 6, 5, 3, 0)));
	assert_false(goes(ask(&hmi, 7, 6, 100, 7)));
	echo(&old, 6, 5, 3, 0);
	assert_false(goes(ask(&hmi, 8, 6, 100, 7)));
	end();
}

static void
denials(void **state)
{
	struct dis_sink hmi;

	(void)state;
	begin("  - {name: c, from: [hmi], to: [b/*], modbus: {addressing: zero-based,\n"
	      "    deny: [{name: locked, units: all, functions: [6], holding: [100],\n"
	      "            when: [{coils: 3, is: 1}, {holding: 40, is: 0..50, unit: 1, within: "
	      "2s}]},\n"
	      "           {name: stopped, units: all, functions: [8], when: {coils: 4, is: 1}}],\n"
	      "    allow: [{name: all, units: all, functions: all, coils: all, holding: all}]}}\n");
	connect_to(&hmi, "modbus", "10.0.0.5", "10.0.1.1", 50000);
	assert_string_equal(policy_reason_name(ask(&hmi, 1, 6, 100, 7).reason), "rule");
	assert_false(goes(hmi.v)); /* neither is known */
	poll_coil(&hmi, 2, true);
	assert_false(goes(ask(&hmi, 3, 6, 100, 7)));
	poll_reg(&hmi, 4, 40, 51);
	assert_true(goes(ask(&hmi, 5, 6, 100, 7)));
	poll_reg(&hmi, 6, 40, 50);
	assert_false(goes(ask(&hmi, 7, 6, 100, 7)));
	poll_reg(&hmi, 8, 40, 51);
	now += 3 * SEC;
	assert_false(goes(ask(&hmi, 9, 6, 100, 7))); /* 40 is not known any more */
	poll_coil(&hmi, 10, false);
	assert_true(goes(ask(&hmi, 11, 6, 100, 7)));
	assert_true(goes(ask(&hmi, 12, 6, 101, 7)));
	/* a request without addresses */
	assert_true(goes(mb(&hmi, DIR_TO_SERVER, 13, (const uint8_t[]){8, 0, 0, 1, 2}, 5)));
	(void)ask(&hmi, 14, 1, 0, 8);
	coil_is(&hmi, 14, 0x10);
	assert_false(goes(mb(&hmi, DIR_TO_SERVER, 15, (const uint8_t[]){8, 0, 0, 1, 2}, 5)));
	end();
}

/* --- change --------------------------------------------------------------------------------------- */

static void
rate_of_change(void **state)
{
	struct dis_sink hmi;

	(void)state;
	begin("  - {name: c, from: [hmi], to: [b/*], modbus: {addressing: zero-based, allow: [\n"
	      "      {name: poll, units: all, functions: read, holding: [0..199]},\n"
	      "      {name: set, units: all, functions: [6, 16], write: {holding: [100..120]},\n"
	      "       values: {100: {min: 0, max: 1500, change: 50}, 101: {change: 20/s, within: "
	      "60s},\n"
	      "         102..103: {type: real, change: 0.5, order: low-word-first},\n"
	      "         104..105: {type: int32, min: -10, max: 10, change: 3}}}]}}\n");
	connect_to(&hmi, "modbus", "10.0.0.5", "10.0.1.1", 50000);
	assert_false(goes(ask(&hmi, 1, 6, 100, 7))); /* nothing is known */
	poll_reg(&hmi, 2, 100, 1000);
	assert_false(goes(ask(&hmi, 3, 6, 100, 1051)));
	assert_false(goes(ask(&hmi, 4, 6, 100, 949)));
	assert_true(goes(ask(&hmi, 5, 6, 100, 1050)));
	assert_false(goes(ask(&hmi, 6, 6, 100, 1051))); /* not yet confirmed */
	echo(&hmi, 5, 6, 100, 1050);
	assert_true(goes(ask(&hmi, 7, 6, 100, 1100)));
	echo(&hmi, 7, 6, 100, 1100);
	poll_reg(&hmi, 8, 100, 1490);
	assert_false(goes(ask(&hmi, 9, 6, 100, 1501)));
	assert_true(goes(ask(&hmi, 10, 6, 100, 1500)));
	/* in a time: at most a second's worth, and no more than the time since the last write */
	poll_reg(&hmi, 11, 101, 500);
	assert_false(goes(ask(&hmi, 12, 6, 101, 521)));
	assert_true(goes(ask(&hmi, 13, 6, 101, 520)));
	echo(&hmi, 13, 6, 101, 520);
	now += 499 * MS; /* 500 with the millisecond of the answer */
	assert_false(goes(ask(&hmi, 14, 6, 101, 531)));
	assert_true(goes(ask(&hmi, 15, 6, 101, 530)));
	echo(&hmi, 15, 6, 101, 530);
	now += 20 * SEC;
	assert_false(goes(ask(&hmi, 16, 6, 101, 551)));
	assert_true(goes(ask(&hmi, 17, 6, 101, 510)));
	end();
}

/* count registers from addr: FC 16, and FC 3 with its answer. */
static struct verdict
put_regs(struct dis_sink *s, uint16_t txn, uint16_t addr, const uint8_t *v, uint8_t n)
{
	uint8_t p[64] = {16, (uint8_t)(addr >> 8), (uint8_t)addr, 0, n, (uint8_t)(2 * n)};

	memcpy(p + 6, v, 2u * n);
	return mb(s, DIR_TO_SERVER, txn, p, 6u + 2u * n);
}

static void
poll_regs(struct dis_sink *s, uint16_t txn, uint16_t addr, const uint8_t *v, uint8_t n)
{
	uint8_t p[64] = {3, (uint8_t)(2 * n)};

	(void)ask(s, txn, 3, addr, n);
	memcpy(p + 2, v, 2u * n);
	(void)mb(s, DIR_TO_CLIENT, txn, p, 2u + 2u * n);
}

static void
typed_change(void **state)
{
	struct dis_sink hmi;

	(void)state;
	begin("  - {name: c, from: [hmi], to: [b/*], modbus: {addressing: zero-based, allow: [\n"
	      "      {name: poll, units: all, functions: read, holding: [0..199]},\n"
	      "      {name: set, units: all, functions: [6, 16], write: {holding: [100..120]},\n"
	      "       values: {102..103: {type: real, change: 0.5, order: low-word-first},\n"
	      "         104..105: {type: int32, min: -10, max: 10, change: 3}}}]}}\n");
	connect_to(&hmi, "modbus", "10.0.0.5", "10.0.1.1", 50000);
	/* 1.0 is 3f80 0000; 1.5 3fc0 0000; 1.75 3fe0 0000 */
	poll_regs(&hmi, 1, 101, (const uint8_t[]){9, 9, 0, 0, 0x3f, 0x80}, 3);
	assert_false(goes(put_regs(&hmi, 2, 102, (const uint8_t[]){0, 0, 0x3f, 0xe0}, 2)));
	assert_true(goes(put_regs(&hmi, 3, 102, (const uint8_t[]){0, 0, 0x3f, 0xc0}, 2)));
	echo(&hmi, 3, 16, 102, 2);
	assert_true(goes(put_regs(&hmi, 4, 102, (const uint8_t[]){0, 0, 0x3f, 0xe0}, 2)));
	echo(&hmi, 4, 16, 102, 2);
	/* half of a value written makes it unknown, half of it read says nothing */
	poll_regs(&hmi, 5, 104, (const uint8_t[]){0xff, 0xff, 0xff, 0xff}, 2); /* -1 */
	assert_false(goes(put_regs(&hmi, 6, 104, (const uint8_t[]){0, 0, 0, 3}, 2)));
	assert_true(goes(put_regs(&hmi, 7, 104, (const uint8_t[]){0, 0, 0, 2}, 2)));
	echo(&hmi, 7, 16, 104, 2);
	poll_reg(&hmi, 8, 105, 77);
	assert_true(goes(put_regs(&hmi, 9, 104, (const uint8_t[]){0, 0, 0, 5}, 2)));
	echo(&hmi, 9, 16, 104, 2);
	assert_false(goes(put_regs(&hmi, 10, 104, (const uint8_t[]){0, 0, 0, 9}, 2)));
	end();
}

/* --- S7 ------------------------------------------------------------------------------------------ */

static struct verdict
s7(struct dis_sink *s, enum dis_dir dir, const uint8_t *msg, size_t n)
{
	uint8_t b[300] = {3, 0, 0, (uint8_t)(n + 7), 2, 0xf0, 0x80};

	memcpy(b + 7, msg, n);
	return say(s, dir, b, n + 7);
}

/* A job that reads MW10 and M0.0, or writes M0.0 or DB1.DBW0. */
static struct verdict
s7_read(struct dis_sink *s, uint8_t ref)
{
	const uint8_t p[] = {0x32, 1, 0, 0, 0, ref, 0, 26, 0, 0, 4, 2, 0x12, 10, 0x10, 4, 0, 1, 0,
	    0, 0x83, 0, 0, 80, 0x12, 10, 0x10, 1, 0, 1, 0, 0, 0x83, 0, 0, 0};

	return s7(s, DIR_TO_SERVER, p, sizeof(p));
}

static void
s7_values(struct dis_sink *s, uint8_t ref, uint16_t word, uint8_t bit, uint8_t code)
{
	const uint8_t p[] = {0x32, 3, 0, 0, 0, ref, 0, 2, 0, 11, 0, 0, 4, 2, 0xff, 4, 0, 16,
	    (uint8_t)(word >> 8), (uint8_t)word, code, 3, 0, 1, bit};

	(void)s7(s, DIR_TO_CLIENT, p, sizeof(p));
}

static struct verdict
s7_set(struct dis_sink *s, uint8_t ref, uint16_t v)
{
	const uint8_t p[] = {0x32, 1, 0, 0, 0, ref, 0, 14, 0, 6, 5, 1, 0x12, 10, 0x10, 4, 0, 1, 0,
	    1, 0x84, 0, 0, 0, 0, 4, 0, 16, (uint8_t)(v >> 8), (uint8_t)v};

	return s7(s, DIR_TO_SERVER, p, sizeof(p));
}

static struct verdict
s7_bit(struct dis_sink *s, uint8_t ref, uint8_t bit)
{
	const uint8_t p[] = {0x32, 1, 0, 0, 0, ref, 0, 14, 0, 5, 5, 1, 0x12, 10, 0x10, 1, 0, 1, 0,
	    0, 0x83, 0, 0, 0, 0, 3, 0, 1, bit};

	return s7(s, DIR_TO_SERVER, p, sizeof(p));
}

static void
s7_done(struct dis_sink *s, uint8_t ref, uint8_t code)
{
	const uint8_t p[] = {0x32, 3, 0, 0, 0, ref, 0, 2, 0, 1, 0, 0, 5, 1, code};

	(void)s7(s, DIR_TO_CLIENT, p, sizeof(p));
}

static void
s7_interlock(void **state)
{
	struct dis_sink hmi;

	(void)state;
	begin("  - {name: c, from: [hmi], to: [b/*], s7: {allow: [\n"
	      "      {name: poll, functions: [read], read: [M0.0..99.7]},\n"
	      "      {name: bit, functions: [write], write: [M0.0]},\n"
	      "      {name: set, functions: [write], write: [DB1.DBW0],\n"
	      "       when: [{at: M0.0, is: 1}, {at: MW10, is: 10..20}]}]}}\n");
	connect_to(&hmi, "s7", "10.0.0.5", "10.0.1.1", 50000);
	assert_false(goes(s7_set(&hmi, 1, 5)));
	(void)s7_read(&hmi, 2);
	assert_true(goes(hmi.v));
	s7_values(&hmi, 2, 15, 1, 0xff);
	assert_true(goes(s7_set(&hmi, 3, 5)));
	s7_done(&hmi, 3, 0xff);
	(void)s7_read(&hmi, 4);
	s7_values(&hmi, 4, 21, 1, 0xff);
	assert_false(goes(s7_set(&hmi, 5, 5)));
	(void)s7_read(&hmi, 6);
	s7_values(&hmi, 6, 20, 0, 0x0a); /* the bit was refused: what was known stays */
	assert_true(goes(s7_set(&hmi, 7, 5)));
	s7_done(&hmi, 7, 0xff);
	(void)s7_bit(&hmi, 8, 0);
	assert_true(goes(hmi.v));
	s7_done(&hmi, 8, 0xff);
	assert_false(goes(s7_set(&hmi, 9, 5)));
	(void)s7_bit(&hmi, 10, 1);
	s7_done(&hmi, 10, 0x05); /* refused */
	assert_false(goes(s7_set(&hmi, 11, 5)));
	(void)s7_bit(&hmi, 12, 1);
	s7_done(&hmi, 12, 0xff);
	assert_true(goes(s7_set(&hmi, 13, 5)));
	end();
}

/* M0.0 twice in one request, the same value: it has it as soon as one of the two was done. */
static void
s7_twice(void **state)
{
	static const uint8_t codes[][2] = {{0xff, 0xff}, {0x0a, 0xff}, {0xff, 0x0a}, {0x0a, 0x0a}};
	struct dis_sink hmi;

	(void)state;
	begin("  - {name: c, from: [hmi], to: [b/*], s7: {allow: [\n"
	      "      {name: bit, functions: [write], write: [M0.0]},\n"
	      "      {name: set, functions: [write], write: [DB1.DBW0], when: [{at: M0.0, is: "
	      "1}]}]}}\n");
	connect_to(&hmi, "s7", "10.0.0.5", "10.0.1.1", 50000);
	for (uint8_t i = 0; i < 4; i++) {
		const uint8_t ask[] = {0x32, 1, 0, 0, 0, (uint8_t)(4 * i + 1), 0, 26, 0, 11, 5, 2,
		    0x12, 10, 0x10, 1, 0, 1, 0, 0, 0x83, 0, 0, 0, 0x12, 10, 0x10, 1, 0, 1, 0, 0,
		    0x83, 0, 0, 0, 0, 3, 0, 1, 1, 0, 0, 3, 0, 1, 1};
		const uint8_t told[] = {0x32, 3, 0, 0, 0, (uint8_t)(4 * i + 1), 0, 2, 0, 2, 0, 0, 5,
		    2, codes[i][0], codes[i][1]};

		assert_true(goes(s7_bit(&hmi, (uint8_t)(4 * i), 0)));
		s7_done(&hmi, (uint8_t)(4 * i), 0xff);
		assert_true(goes(s7(&hmi, DIR_TO_SERVER, ask, sizeof(ask))));
		(void)s7(&hmi, DIR_TO_CLIENT, told, sizeof(told));
		assert_int_equal(goes(s7_set(&hmi, (uint8_t)(4 * i + 2), 5)), i < 3);
		s7_done(&hmi, (uint8_t)(4 * i + 2), 0xff);
	}
	end();
}

/* How many wait: what the server asks does not count, nor do answers. */
static void
s7_pending(void **state)
{
	struct dis_sink hmi;

	(void)state;
	begin("  - {name: c, from: [hmi], to: [b/*], s7: {limits: {pending: 2, over: drop}, allow: "
	      "[\n"
	      "      {name: poll, functions: [read], read: [M0.0..99.7]}]}}\n");
	connect_to(&hmi, "s7", "10.0.0.5", "10.0.1.1", 50000);
	assert_false(hmi.bind.flags & BIND_STATE);
	assert_true(goes(s7_read(&hmi, 1)));
	assert_true(goes(s7_read(&hmi, 2)));
	assert_false(goes(s7_read(&hmi, 3)));
	assert_int_equal(hmi.v.reason, REASON_LIMIT);
	assert_string_equal(policy_key_name(hmi.v.rule), "pending");
	s7_values(&hmi, 1, 1, 1, 0xff);
	assert_true(goes(hmi.v));
	assert_true(goes(s7_read(&hmi, 4)));
	assert_false(goes(s7_read(&hmi, 5)));
	end();
}

/* --- the memory itself ------------------------------------------------------------------------- */

static void
too_many_values(void **state)
{
	struct memory_stats st;
	struct dis_sink hmi;
	char to[20];

	(void)state;
	begin(interlock);
	policy_memory_free(memory);
	memory = policy_memory_new(0, 3); /* the smallest */
	for (unsigned i = 1; i < 200; i++) {
		snprintf(to, sizeof(to), "10.0.1.%u", i);
		connect_to(&hmi, "modbus", "10.0.0.5", to, (uint16_t)(50000 + i));
		poll_coil(&hmi, 1, false);
		assert_true(goes(ask(&hmi, 2, 6, 100, 7)));
	}
	policy_memory_stats(memory, &st);
	assert_int_equal(st.learned, 199);
	assert_true(st.evicted >= 199 - 64);
	connect_to(&hmi, "modbus", "10.0.0.5", "10.0.1.1", 50001);
	assert_false(goes(ask(&hmi, 2, 6, 100, 7))); /* forgotten is not known */
	end();
}

/* What was written cannot be forgotten in favour of an older read. */
static void
forgotten_write(void **state)
{
	struct dis_sink hmi, many;
	char to[20];

	(void)state;
	begin(interlock);
	policy_memory_free(memory);
	memory = policy_memory_new(0, 3);
	connect_to(&hmi, "modbus", "10.0.0.5", "10.0.1.1", 50001);
	(void)ask(&hmi, 1, 5, 3, 0xff00);
	for (unsigned i = 2; i < 250; i++) {
		snprintf(to, sizeof(to), "10.0.1.%u", i);
		connect_to(&many, "modbus", "10.0.0.6", to, (uint16_t)(50000 + i));
		(void)ask(&many, 1, 5, 3, 0);
	}
	poll_coil(&hmi, 2, false);
	assert_false(goes(ask(&hmi, 3, 6, 100, 7)));
	now += 10 * SEC;
	poll_coil(&hmi, 4, false);
	assert_true(goes(ask(&hmi, 5, 6, 100, 7)));
	end();
}

/* A read that was asked before the write was given up, and answered after it, may be older than that. */
static void
given_up_meanwhile(void **state)
{
	struct dis_sink hmi;

	(void)state;
	begin(interlock);
	connect_to(&hmi, "modbus", "10.0.0.5", "10.0.1.1", 50000);
	(void)ask(&hmi, 1, 5, 3, 0xff00);
	now += 9 * SEC;
	(void)ask(&hmi, 2, 1, 0, 8);
	now += 2 * SEC;
	coil_is(&hmi, 2, 0xe7);
	assert_false(goes(ask(&hmi, 3, 6, 100, 7)));
	poll_coil(&hmi, 4, false);
	assert_true(goes(ask(&hmi, 5, 6, 100, 7)));
	end();
}

static void
another_policy(void **state)
{
	struct policy *before;
	struct dis_sink hmi;

	(void)state;
	begin(interlock);
	connect_to(&hmi, "modbus", "10.0.0.5", "10.0.1.1", 50000);
	poll_coil(&hmi, 1, false);
	policy_memory_rebind(memory, pol, pol, now); /* the same is watched */
	assert_true(goes(ask(&hmi, 2, 6, 100, 7)));
	before = pol;
	policy_memory_free(memory);
	begin(
	    "  - {name: c, from: [hmi], to: [b/*], modbus: {addressing: zero-based, allow: [\n"
	    "      {name: poll, units: all, functions: read, coils: [0..15], holding: [0..199]},\n"
	    "      {name: set, units: all, functions: [6], write: {holding: [100]},\n"
	    "       when: [{coils: 3, is: 0}, {coils: 4, is: 0}]}]}}\n");
	connect_to(&hmi, "modbus", "10.0.0.5", "10.0.1.1", 50000);
	poll_coil(&hmi, 3, false);
	(void)ask(&hmi, 4, 1, 0, 8);
	coil_is(&hmi, 4, 0);
	assert_true(goes(ask(&hmi, 4, 6, 100, 7)));
	policy_memory_rebind(memory, before, pol, now);
	assert_false(goes(ask(&hmi, 5, 6, 100, 7)));
	(void)ask(&hmi, 6, 1, 0, 8);
	coil_is(&hmi, 6, 0);
	assert_false(goes(ask(&hmi, 7, 6, 100, 7))); /* what is under way is not known */
	now += 10 * SEC;
	(void)ask(&hmi, 8, 1, 0, 8);
	coil_is(&hmi, 8, 0);
	assert_true(goes(ask(&hmi, 9, 6, 100, 7)));
	policy_free(before);
	end();
}

/* --- what does not load ----------------------------------------------------------------------------- */

static void
refused(void **state)
{
	static const struct {
		const char *rule, *says;
	} cases[] = {
	    {"when: {coils: 3}", "required key \"is\" is missing"},
	    {"when: {is: 3}", "one address is asked for, such as {coils: ..., is: 0}"},
	    {"when: {coils: 3, input: 4, is: 0}", "one address is asked for"},
	    {"when: {coil: 3, is: 0}", "did you mean \"coils\"?"},
	    {"when: {coils: 3..4, is: 0}", "more than one value"},
	    {"when: {coils: 3, is: 2}", "2 is outside 0..1"},
	    {"when: {files: \"1:0\", is: 2}", "unknown key \"files\""},
	    {"when: {coils: 70000, is: 0}", "70000"},
	    {"when: {coils: 3, is: 0, within: 2m}", "is not a time"},
	    {"when: {coils: 3, is: 0, unit: x}", "\"x\" is not a number"},
	    {"when: []", "from 1 to 16 conditions"},
	    {"when: {holding: 1..2, is: 0..1.5, type: real, order: up}", "high-word-first"},
	    {"values: {100: {min: 0, change: 5}}", "min and max go together"},
	    {"values: {100: {change: 70000}}", "more than the type can hold"},
	    {"values: {100: {change: 5/d}}", "neither a difference such as 50"},
	    {"values: {100: {change: -5}}", "neither a difference"},
	    {"values: {100: {min: 0, max: 5, within: 5s}}", "how old a value may be"},
	    {"write: {coils: [1]}, coil-values: {1: {change: 1}}", "single bits"},
	};
	char text[2048];

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct complaints c = {0};
		bool found = false;

		snprintf(text, sizeof(text),
		    "%s  - {name: c, from: [hmi], to: [b/*], modbus: {addressing: zero-based, "
		    "allow: [\n"
		    "{name: r, units: all, functions: all, holding: all, %s}]}}\n",
		    head, cases[i].rule);
		assert_null(policy_build_text("state", text, strlen(text), &c));
		for (size_t k = 0; k < c.n; k++)
			found = found || strstr(c.v[k].text, cases[i].says);
		if (!found) {
			complaints_print(&c, stderr);
			fail_msg("case %u: \"%s\" is not said", i, cases[i].says);
		}
		complaints_fini(&c);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct complaints c = {0};

		snprintf(text, sizeof(text), "%s  - {name: c, from: [hmi], to: [b/*], %s}\n", head,
		    i == 0
			? "opcua: {allow: [{name: r, services: [Write], nodes: all, when: {at: 3, "
			  "is: 0}}]}"
			: "s7: {allow: [{name: r, functions: [write], write: all, when: {at: P0.0, "
			  "is: 0}}]}");
		assert_null(policy_build_text("state", text, strlen(text), &c));
		assert_int_equal(c.errors, 1);
		assert_non_null(strstr(c.v[0].text, "known"));
		complaints_fini(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(unknown_then_known),
	    cmocka_unit_test(writes_change_it),
	    cmocka_unit_test(writes_overlap),
	    cmocka_unit_test(strangers_teach_nothing),
	    cmocka_unit_test(denials),
	    cmocka_unit_test(rate_of_change),
	    cmocka_unit_test(typed_change),
	    cmocka_unit_test(s7_interlock),
	    cmocka_unit_test(s7_twice),
	    cmocka_unit_test(s7_pending),
	    cmocka_unit_test(too_many_values),
	    cmocka_unit_test(forgotten_write),
	    cmocka_unit_test(given_up_meanwhile),
	    cmocka_unit_test(another_policy),
	    cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
