/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evasion_test.c - every trick we know to show the guard one stream and the
 * device another, spoken frame by frame.
 *
 * The policy allows reading holding registers 0..99 of unit 1, nothing else.
 * Each trick is played twice.  Evil: it tries to bring a forbidden ADU to the
 * device; whichever way the device resolves overlaps and urgent bytes, no such
 * ADU may be in what its socket reads.  Benign: the same frames around an
 * allowed read; unacknowledged bytes are sent again up to five times, and then
 * every byte must have arrived as it was meant.  A trick that no honest host
 * plays, or that the guard refuses on purpose, says so in its row.
 *
 * Ptacek, Newsham: Insertion, Evasion and Denial of Service (1998); Handley,
 * Paxson: Traffic Normalization (2001); RFC 5961, 6093, 7323, 7413, 8684.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/evasion_tricks.h"

static const char rules[] =
    "interlock: 1\nsite: test\nmode: enforce\n"
    "zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25]}\n"
    "  ot: {level: 1, port: inside, nets: [10.1.2.128/25]}\n"
    "conduits:\n  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop  \n"
    "    modbus:\n      addressing: zero-based\n      allow:\n"
    "        - {name: reads, units: [1], functions: [3], holding: [0..99]}\n";

/* --- is there a forbidden ADU in it? ---------------------------------------------------- */

static bool
adu_allowed(const uint8_t *b, uint32_t len)
{
	uint32_t count = (uint32_t)(b[10] << 8 | b[11]);

	return len == 6 && b[6] == 1 && b[7] == 3 &&
	    (count == 0 || (uint32_t)(b[8] << 8 | b[9]) + count <= 100);
}

/* ADU by ADU; behind a header that is none, a write at any place counts. */
static bool
bytes_forbidden(const uint8_t *b, uint32_t n)
{
	uint32_t at = 0;

	while (n - at >= 6) {
		uint32_t len = (uint32_t)(b[at + 4] << 8 | b[at + 5]);

		if (b[at + 2] || b[at + 3] || len < 2 || len > 254)
			break;
		if (n - at < len + 6)
			return false;
		if (!adu_allowed(b + at, len))
			return true;
		at += len + 6;
	}
	for (; n - at >= 12; at++)
		if (!b[at + 2] && !b[at + 3] && !b[at + 4] && b[at + 5] == 6 &&
		    (b[at + 7] == 5 || b[at + 7] == 6))
			return true;
	return false;
}

static bool
stream_forbidden(const struct device *v)
{
	static uint8_t s[SPAN];

	for (unsigned way = 0; way < 4; way++) {
		const uint8_t *b = way & 1 ? v->last : v->first;
		uint32_t n = 0;

		for (uint32_t i = 0; i < v->end && v->have[i]; i++)
			if (!(way & 2) || !v->urgent[i])
				s[n++] = b[i];
		if (bytes_forbidden(s, n))
			return true;
	}
	return false;
}

/* --- the table ----------------------------------------------------------------------------- */

static const struct trick {
	const char *name;
	void (*play)(struct duel *d);
	unsigned args;
	const char *no_twin; /* why there is none */
} tricks[] = {
    {"split in two at each byte", split_in_two, 11, NULL},
    {"one byte per segment", byte_by_byte, 1, NULL},
    {"one byte per segment, last first", backwards, 1, NULL},
    {"two parts, second first", halves_swapped, 11, NULL},
    {"each part three times", each_part_thrice, 1, NULL},
    {"behind an allowed ADU in one segment", pipelined, 1, NULL},
    {"acknowledged bytes, other content", rewrite_acknowledged, 1, NULL},
    {"lost bytes, other content", rewrite_lost, 1, NULL},
    {"lost bytes, other content and more", rewrite_tail_lost, 1, NULL},
    {"overlap of new and old", overlap_partly, 1, NULL},
    {"overlaps ahead of a hole", overlap_ahead_of_hole, 4, NULL},
    {"held segment again, other content", held_twice, 1, NULL},
    {"held segment, lost when released", held_and_lost, 1, NULL},
    {"hole filled after a minute", held_for_long, 1, NULL},
    {"more held segments than there is room", too_many_held, 1, "the segments ahead are junk"},
    {"more lost bytes than are remembered", flood_unacknowledged, 5, NULL},
    {"TTL ends before the device", low_ttl, 1, NULL},
    {"timestamp too old for the device", old_timestamp, 1, NULL},
    {"MD5 option that the device refuses", md5_option, 1, NULL},
    {"wrong TCP checksum", bad_tcp_checksum, 1, NULL},
    {"wrong IP checksum", bad_ip_checksum, 1, NULL},
    {"acknowledgement of what was never sent", bad_ack_number, 1, NULL},
    {"data without ACK", no_ack_flag, 1, NULL},
    {"impossible flags", odd_flags, 6, NULL},
    {"copy in another VLAN", other_vlan, 1, NULL},
    {"priority tag on a half", priority_tag, 1, NULL},
    {"SNAP instead of Ethernet II", snap_frame, 1, NULL},
    {"IP total length 0", no_ip_length, 1, NULL},
    {"bytes behind the datagram", ethernet_trailer, 1, NULL},
    {"the rest behind the datagram", trailer_of_real_bytes, 1, NULL},
    {"source routes", source_route, 2, NULL},
    {"IP options", record_route, 1, NULL},
    {"TCP options unknown and broken", odd_options, 5, NULL},
    {"urgent byte", urgent_byte, 24, NULL},
    {"urgent pointer before its data", urgent_before_data, 12, NULL},
    {"urgent byte in a held segment", urgent_held, 1, NULL},
    {"data in FIN", data_in_fin, 1, NULL},
    {"FIN ahead of data", fin_ahead_of_data, 1, NULL},
    {"data behind FIN", data_behind_fin, 1, NULL},
    {"data in RST", data_in_rst, 2, NULL},
    {"half, reset that does not arrive, wait", half_rst_wait, 2, NULL},
    {"half, FIN that does not arrive, wait", half_fin_wait, 1, NULL},
    {"half, hours and weeks of silence", half_idle, 2, NULL},
    {"half, reset in the window but not exact", half_rst_in_window, 2, NULL},
    {"half, SYN with a fitting number", half_syn, 4, NULL},
    {"half, end that does not arrive, SYN", half_fin_syn, 2, NULL},
    {"half, SYN and own SYN-ACK", half_syn_own_answer, 1, NULL},
    {"half, SYN and forged SYN-ACK", half_syn_forged_answer, 1, NULL},
    {"forged acknowledgement", half_forged_ack, 1, NULL},
    {"half, forged reset, wait", half_forged_rst, 1, NULL},
    {"half, flood of SYNs", flood_of_syns, 1, NULL},
    {"half, reset, the rest on a new connection", rst_then_new_number, 1, NULL},
    {"SYN again before the handshake ends", syn_again_in_between, 1, NULL},
    {"SYN again in a session", syn_again_late, 1, NULL},
    {"data without the last ACK", guess_before_answer, 1, NULL},
    {"data before the SYN-ACK", data_before_answer, 1, NULL},
    {"data in SYN, with and without Fast Open", data_in_syn, 8, NULL},
    {"data in a second SYN", data_in_second_syn, 1, NULL},
    {"multipath TCP", mptcp_syn, 1, NULL},
    {"simultaneous open", simultaneous_open, 1, NULL},
    {"session older than the guard", midstream, 1, NULL},
    {"session older than the guard, in parts", midstream_split, 1, NULL},
    {"zero window", zero_window, 1, NULL},
    {"zero window probes", zero_window_probes, 1, NULL},
    {"more than the window", small_window, 1, NULL},
    {"far outside the window", outside_window, 1, NULL},
    {"keep-alive with other content", keepalive_with_content, 1, NULL},
    {"acknowledged bytes in front of new ones", keepalive_that_goes_on, 1, NULL},
    {"retransmission in one piece", coalesced_again, 1, NULL},
    {"retransmission in smaller pieces", split_again, 1, NULL},
    {"three hundred unanswered requests", many_unanswered, 1, NULL},
    {"both directions byte by byte", both_directions, 1, NULL},
    {"hidden in an ADU too long", long_adu_hides_it, 1, "an ADU with a wrong length is refused"},
    {"hidden behind an ADU too short", short_adu_hides_it, 1,
	"an ADU with a wrong length is refused"},
    {"behind a header that is not Modbus", junk_before_it, 4, "unparsable bytes are refused"},
    {"serial framing on the TCP port", serial_framing, 1, "a registered port speaks MBAP inline"},
    {"IP fragments", fragments, 4, "fragments are refused inline"},
    {"a fragment alone", lone_fragment, 2, NULL},
};

/* --- the games ------------------------------------------------------------------------------ */

static struct policy *policy;

static struct duel *
duel_new(bool evil, unsigned arg)
{
	static const struct io_backend backend = {.scheme = "duel", .tx = duel_tx};
	struct duel *d = calloc(1, sizeof(*d));
	struct engine_conf conf = {
	    .memory_bytes = 1u << 20,
	    .max_flows = 256,
	    .seed = 5,
	    .inline_mode = true,
	    .policy = policy,
	    .io = &d->io,
	};

	assert_non_null(d);
	d->io.be = &backend;
	d->e = engine_new(&conf);
	assert_non_null(d->e);
	d->now_ns = UINT64_C(1700000000000000000);
	d->cport = 40000;
	d->isn = 0xfffffff8u; /* wraps inside the first ADU */
	d->sisn = 0xfffffffcu;
	d->v.win = 64240;
	d->evil = evil;
	d->arg = arg;
	d->real = evil ? write1 : read10;
	d->decoy = read10;
	handshake(d);
	intend(d, d->real, 12);
	if (!evil)
		intend(d, after, 12);
	return d;
}

static void
duel_end(struct duel *d)
{
	engine_finish(d->e);
	assert_true(engine_balanced(engine_stats(d->e)));
	assert_int_equal(engine_stats(d->e)->held, 0);
	for (unsigned c = 0; c < CELL__CLASSES; c++)
		assert_int_equal(d->e->cells.used[c], 0);
	assert_int_equal(d->damaged, 0); /* what leaves is sound */
	assert_int_equal(d->mptcp, 0);
	engine_free(d->e);
	free(d);
}

/* NULL: nothing forbidden arrived. */
static const char *
play_evil(const struct trick *t, unsigned arg)
{
	struct duel *d = duel_new(true, arg);
	const char *bad = NULL;

	t->play(d);
	send_again(d); /* both what it wanted to say and what it said it was */
	d->n_intent = 0;
	intend(d, read10, 12);
	intend(d, write1, 12);
	send_again(d);
	if (d->caught || stream_forbidden(&d->v))
		bad = "a forbidden ADU arrived";
	else if (d->fragments > 0)
		bad = "a fragment got through";
	duel_end(d);
	return bad;
}

static const char *
play_benign(const struct trick *t, unsigned arg)
{
	struct duel *d = duel_new(false, arg);
	const char *bad = NULL;

	t->play(d);
	send_again(d);
	if (arrived(d) < d->n_intent)
		bad = "did not arrive";
	else if (memcmp(d->v.first, d->intent, d->n_intent) != 0 ||
	    memcmp(d->v.last, d->intent, d->n_intent) != 0)
		bad = "arrived changed";
	duel_end(d);
	return bad;
}

static void
scoreboard(void **state)
{
	unsigned failed = 0, twins = 0, games = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(tricks) / sizeof(*tricks); i++) {
		const struct trick *t = &tricks[i];
		const char *evil = NULL, *benign = NULL;

		for (unsigned arg = 0; arg < t->args; arg++, games++) {
			const char *r = play_evil(t, arg);

			evil = evil ? evil : r;
			if (!t->no_twin && (r = play_benign(t, arg)) != NULL && !benign)
				benign = r;
			if (r)
				print_message("    at %u: %s\n", arg, r);
		}
		twins += t->no_twin == NULL;
		failed += evil || benign;
		print_message("%-4s %-42s x%-3u evil: %s; benign: %s%s\n",
		    evil || benign ? "FAIL" : "ok", t->name, t->args, evil ? evil : "stopped",
		    t->no_twin ? "no twin: " : benign ? benign : "arrived",
		    t->no_twin ? t->no_twin : "");
	}
	print_message("%zu tricks, %u with a benign twin, %u games\n", sizeof(tricks) / sizeof(*tricks),
	    twins, games);
	assert_int_equal(failed, 0);
}

/* The device can be reached and the check can see: without a guard's policy the
 * forbidden ADU arrives. */
static void
the_check_sees(void **state)
{
	struct policy *kept = policy;
	struct duel *d;

	(void)state;
	policy = NULL;
	d = duel_new(true, 3);
	split_in_two(d);
	assert_true(stream_forbidden(&d->v));
	duel_end(d);
	policy = kept;
}

/* The same, where what is denied gets an answer, and where it ends the connection. */
static void
scoreboard_of(const char *otherwise)
{
	char text[sizeof(rules)];
	struct complaints cs = {0};
	struct policy *kept = policy;

	memcpy(text, rules, sizeof(rules));
	memcpy(strstr(text, "drop  "), otherwise, 6);
	policy = policy_build_text("rules", text, sizeof(rules) - 1, &cs);
	assert_non_null(policy);
	scoreboard(NULL);
	policy_free(policy);
	complaints_fini(&cs);
	policy = kept;
}

static void
scoreboard_reject(void **state)
{
	(void)state;
	scoreboard_of("reject");
}

static void
scoreboard_reset(void **state)
{
	(void)state;
	scoreboard_of("reset ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_check_sees),
	    cmocka_unit_test(scoreboard),
	    cmocka_unit_test(scoreboard_reject),
	    cmocka_unit_test(scoreboard_reset),
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
