/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alerts_test.c - from alerts_put() to lines: EVE members, folding, a full
 * ring, batches by number and by time, outputs and journals that fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

#include "alerts/alert.h"
#include "alerts/eve.h"
#include "alerts/fold.h"
#include "alerts/journal.h"
#include "base/err.h"
#include "base/log.h"

#define SEC UINT64_C(1000000000)

static const char policy_text[] =
    "interlock: 1\n"
    "site: line-2\n"
    "mode: enforce\n"
    "zones:\n"
    "  scada: {level: 2, port: outside, nets: [10.1.2.0/25]}\n"
    "  cell1: {level: 1, port: inside, nets: [10.1.2.128/25]}\n"
    "devices:\n"
    "  hmi1: {zone: scada, ip: 10.1.2.5, role: hmi}\n"
    "  plc-filler: {zone: cell1, ip: 10.1.2.130, role: plc}\n"
    "conduits:\n"
    "  - name: hmi-filler\n"
    "    from: [hmi1]\n"
    "    to: [plc-filler]\n"
    "    otherwise: reject\n"
    "    modbus:\n"
    "      addressing: zero-based\n"
    "      deny:\n"
    "        - {name: never, units: [1], functions: [6], holding: [50..60]}\n"
    "      allow:\n"
    "        - {name: poll, units: [1], functions: read, holding: [0..199]}\n"
    "        - {name: told, units: [1], functions: [16], holding: [0..9], verdict: alert}\n";

static struct policy *pol;
static char dir[] = "/tmp/interlock-alerts-XXXXXX", eve[64], journal[64];

/* --- helpers --------------------------------------------------------------------- */

struct pdu {
	struct event ev;
	struct net_tuple t;
	struct fact f;
};

/* FC 16 to holding 100..119 of plc-filler, which no rule allows. */
static struct pdu
pdu(uint64_t ts)
{
	struct pdu p = {
	    .ev = {.kind = EVENT_PDU,
		.ts_ns = ts,
		.frame = 7,
		.flow_id = UINT64_MAX,
		.verdict = {.action = VERDICT_REJECT,
		    .would = VERDICT_REJECT,
		    .mode = MODE_ENFORCE,
		    .reason = REASON_OTHERWISE,
		    .rule = RULE_NONE,
		    .conduit = 0}},
	    .t = {.sport = 40000,
		.dport = 502,
		.proto = NET_PROTO_TCP,
		.vlan = 110,
		.smac = {0, 0x1b, 0x1b, 0xaa, 0xbb, 1},
		.dmac = {2}},
	    .f = {.proto = 0,
		.kind = FACT_REQUEST,
		.access = ACC_WRITE,
		.code = 16,
		.sub = FACT_NO_SUB,
		.n_items = 1,
		.unit = 1,
		.txn = 9,
		.item = {.space = 2, .access = ACC_WRITE, .first = 100, .count = 20},
		.op = "write_multiple_registers"},
	};

	assert_int_equal(net_addr_parse("10.1.2.5", &p.t.src), 0);
	assert_int_equal(net_addr_parse("10.1.2.130", &p.t.dst), 0);
	return p;
}

static void
put(struct alerts *a, struct pdu *p)
{
	p->ev.tuple = &p->t;
	p->ev.fact = p->f.op ? &p->f : NULL;
	alerts_put(a, &p->ev);
}

static struct alerts *
start(struct alerts_conf conf)
{
	char err[256] = "";
	struct alerts *a;

	conf.policy = pol;
	conf.sensor = "sensor-1";
	if (!conf.eve_path)
		conf.eve_path = eve;
	(void)unlink(eve); /* a live one appends */
	a = alerts_new(&conf, err, sizeof(err));
	assert_string_equal(err, "");
	assert_non_null(a);
	return a;
}

/* Line i of the EVE file, or NULL. */
static json_t *
line(size_t i)
{
	static char buf[BATCH_LINE_MAX];
	FILE *fp = fopen(eve, "r");
	json_t *o = NULL;

	assert_non_null(fp);
	while (fgets(buf, sizeof(buf), fp))
		if (i-- == 0) {
			o = json_loads(buf, JSON_REJECT_DUPLICATES, NULL);
			assert_non_null(o);
			break;
		}
	(void)fclose(fp);
	return o;
}

static size_t
lines(void)
{
	FILE *fp = fopen(eve, "r");
	size_t n = 0;
	int c;

	assert_non_null(fp);
	while ((c = getc(fp)) != EOF)
		n += c == '\n';
	(void)fclose(fp);
	return n;
}

static const char *
str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "(none)";
}

static json_int_t
num(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* The first string of a member of alert.metadata. */
static const char *
meta(const json_t *o, const char *key)
{
	const json_t *m =
	    json_object_get(json_object_get(json_object_get(o, "alert"), "metadata"), key);
	const char *s = json_string_value(json_array_get(m, 0));

	return s ? s : "(none)";
}

/* Put one, finish, give its line. */
static json_t *
one(struct pdu *p, struct alerts_conf conf)
{
	struct alerts *a = start(conf);

	put(a, p);
	assert_int_equal(alerts_finish(a, p->ev.ts_ns), 0);
	alerts_free(a);
	assert_int_equal(lines(), 1);
	return line(0);
}

static void
wipe_journal(void)
{
	DIR *h = opendir(journal);
	struct dirent *de;

	while (h && (de = readdir(h)))
		if (de->d_name[0] != '.')
			(void)unlinkat(dirfd(h), de->d_name, 0);
	if (h)
		(void)closedir(h);
	(void)rmdir(journal);
}

static struct journal_report
verdict(void)
{
	static struct key_set keys;
	struct journal_reader reader = {.keys = &keys};
	struct journal_report rep;
	char path[80], err[256] = "";

	snprintf(path, sizeof(path), "%s/key.pub", journal);
	assert_int_equal(key_set_load(&keys, path, err, sizeof(err)), 0);
	assert_int_equal(journal_read(journal, &reader, &rep, err, sizeof(err)), 0);
	return rep;
}

/* --- EVE ------------------------------------------------------------------------- */

static void
members(void **state)
{
	struct pdu p = pdu(UINT64_C(1763892000123456789));
	json_t *o =
	    one(&p, (struct alerts_conf){.replay = true, .in_iface = "x.pcap", .enforcing = true});
	json_t *al = json_object_get(o, "alert");

	(void)state;
	assert_string_equal(str(o, "timestamp"), "2025-11-23T10:00:00.123456+0000");
	assert_string_equal(str(o, "event_type"), "alert");
	assert_true(num(o, "flow_id") == (INT64_C(1) << 51) - 1);
	assert_string_equal(str(o, "pcap_filename"), "x.pcap");
	assert_int_equal(num(o, "pcap_cnt"), 7);
	assert_string_equal(str(o, "src_ip"), "10.1.2.5");
	assert_int_equal(num(o, "src_port"), 40000);
	assert_string_equal(str(o, "dest_ip"), "10.1.2.130");
	assert_int_equal(num(o, "dest_port"), 502);
	assert_string_equal(str(o, "proto"), "TCP");
	assert_string_equal(str(o, "app_proto"), "modbus");
	assert_string_equal(str(o, "direction"), "to_server");
	assert_string_equal(str(o, "host"), "sensor-1");
	assert_string_equal(str(json_object_get(o, "ether"), "src_mac"), "00:1b:1b:aa:bb:01");
	assert_int_equal(json_integer_value(json_array_get(json_object_get(o, "vlan"), 0)), 110);
	assert_null(json_object_get(o, "ip_v"));
	assert_string_equal(str(al, "action"), "blocked");
	assert_int_equal(num(al, "gid"), EVE_GID);
	assert_int_equal(num(al, "signature_id"), 3);
	assert_int_equal(num(al, "severity"), 1);
	assert_string_equal(str(al, "signature"),
	    "Interlock hmi-filler: write_multiple_registers "
	    "holding 100..119 to plc-filler not allowed by any rule");
	assert_string_equal(meta(o, "il_seq"), "1");
	assert_string_equal(meta(o, "il_reason"), "otherwise");
	assert_string_equal(meta(o, "il_conduit"), "hmi-filler");
	assert_string_equal(meta(o, "il_verdict"), "reject");
	assert_string_equal(meta(o, "il_would"), "(none)");
	assert_string_equal(meta(o, "il_src"), "hmi1");
	assert_string_equal(meta(o, "il_dst"), "plc-filler");
	assert_string_equal(meta(o, "il_object"), "holding 100..119");
	assert_string_equal(meta(o, "il_unit"), "1");
	assert_string_equal(meta(o, "mitre_technique_id"), "T0855");
	assert_string_equal(meta(o, "il_site"), "line-2");
	assert_int_equal(strlen(meta(o, "il_policy")), 32);
	json_decref(o);
}

/* Watching does not block; a verdict that was not carried out says what would have been. */
static void
passive(void **state)
{
	struct pdu p = pdu(SEC);
	json_t *o;

	(void)state;
	p.ev.verdict.action = VERDICT_ALERT;
	p.ev.verdict.mode = MODE_ALERT;
	o = one(&p, (struct alerts_conf){.in_iface = "eth1", .replay = false});
	assert_string_equal(str(json_object_get(o, "alert"), "action"), "allowed");
	assert_string_equal(meta(o, "il_verdict"), "alert");
	assert_string_equal(meta(o, "il_would"), "reject");
	assert_string_equal(meta(o, "il_mode"), "alert");
	assert_string_equal(str(o, "in_iface"), "eth1");
	assert_null(json_object_get(o, "pcap_cnt"));
	json_decref(o);
}

static uint32_t
rule_index(const char *name)
{
	struct policy_rule_info info;

	for (uint32_t i = 0; policy_rule_info(pol, i, &info) == 0; i++)
		if (strcmp(info.name, name) == 0)
			return i;
	fail_msg("no rule %s", name);
	return 0;
}

static void
kinds(void **state)
{
	struct alerts_conf conf = {.replay = true};
	struct policy_rule_info info;
	struct pdu p = pdu(SEC);
	json_t *o, *al;

	(void)state;
	p.ev.verdict.reason = REASON_RULE;
	p.ev.verdict.rule = rule_index("never");
	assert_int_equal(policy_rule_info(pol, p.ev.verdict.rule, &info), 0);
	o = one(&p, conf);
	al = json_object_get(o, "alert");
	assert_int_equal(num(al, "signature_id"), info.id);
	assert_non_null(strstr(str(al, "signature"), "denied by rule never"));
	assert_string_equal(meta(o, "il_rule"), "never");
	assert_int_equal(num(al, "severity"), 1);
	json_decref(o);
	/* Allowed and told is no attack. */
	p.ev.verdict.rule = rule_index("told");
	p.ev.verdict.action = p.ev.verdict.would = VERDICT_ALERT;
	o = one(&p, conf);
	al = json_object_get(o, "alert");
	assert_non_null(strstr(str(al, "signature"), "allowed with alert by rule told"));
	assert_int_equal(num(al, "severity"), 3);
	assert_string_equal(meta(o, "mitre_technique_id"), "(none)");
	json_decref(o);
	/* A connection nobody may open, from an address that has no name. */
	p = pdu(SEC);
	p.ev.kind = EVENT_FLOW;
	p.ev.verdict.reason = REASON_NO_CONDUIT;
	p.ev.verdict.conduit = RULE_NONE;
	p.t.src.b[15] = 99;
	p.f.op = NULL;
	o = one(&p, conf);
	al = json_object_get(o, "alert");
	assert_int_equal(num(al, "signature_id"), 1);
	assert_string_equal(str(al, "signature"),
	    "Interlock default deny: 10.1.2.99 to plc-filler TCP port 502, no conduit allows it");
	assert_string_equal(meta(o, "mitre_technique_id"), "T0848");
	assert_null(json_object_get(o, "app_proto"));
	json_decref(o);
	/* A frame that is not IP. */
	p.ev.kind = EVENT_L2;
	p.ev.verdict.reason = REASON_L2;
	p.t.proto = 0;
	o = one(&p, conf);
	assert_int_equal(num(json_object_get(o, "alert"), "signature_id"), 4);
	assert_null(json_object_get(o, "src_ip"));
	assert_null(json_object_get(o, "community_id"));
	json_decref(o);
	/* A condition. */
	p = pdu(SEC);
	p.ev.kind = EVENT_CONDITION;
	p.ev.cond = COND_UNSOLICITED;
	p.ev.to_client = true;
	p.ev.note = "an answer to nothing";
	p.f.anomalies = FACT_A_UNSOLICITED;
	o = one(&p, conf);
	assert_int_equal(num(json_object_get(o, "alert"), "signature_id"), 21);
	assert_string_equal(meta(o, "il_condition"), "unsolicited");
	assert_string_equal(meta(o, "il_anomaly"), "unsolicited");
	assert_string_equal(meta(o, "il_note"), "an answer to nothing");
	assert_string_equal(meta(o, "mitre_technique_id"), "T0856");
	assert_string_equal(str(o, "direction"), "to_client");
	json_decref(o);
}

/* The examples of the Community ID specification, v1 with seed 0. */
static void
community_ids(void **state)
{
	static const struct {
		const char *src, *dst;
		uint16_t sport, dport;
		uint8_t proto;
		const char *want;
	} v[] = {
	    {"128.232.110.120", "66.35.250.204", 34855, 80, 6, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
	    {"66.35.250.204", "128.232.110.120", 80, 34855, 6, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
	    {"192.168.1.52", "8.8.8.8", 54585, 53, 17, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
	};
	char out[31];

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct net_tuple t = {
		    .sport = v[i].sport, .dport = v[i].dport, .proto = v[i].proto};

		assert_int_equal(net_addr_parse(v[i].src, &t.src), 0);
		assert_int_equal(net_addr_parse(v[i].dst, &t.dst), 0);
		assert_true(eve_community_id(&t, out));
		assert_string_equal(out, v[i].want);
	}
	assert_false(eve_community_id(&(struct net_tuple){.proto = NET_PROTO_ICMP}, out));
}

/* A PDU whose JSON is larger than a record is cut, marked and hashed; the line stays JSON
 * wherever the cut falls: in an escape, in a UTF-8 sequence. */
static void
long_pdu(void **state)
{
	static const char *const bits[] = {
	    "a", "\\\"", "\\u00e4", "\xc3\xa4", "\xf0\x9f\x8f\xad", "\\\\"};
	static _Alignas(8) uint8_t room[RING_RECORD_MAX];
	static char json[6000], buf[BATCH_LINE_MAX];
	struct record *r = (struct record *)room;
	struct pdu p = pdu(SEC);
	struct eve e;

	(void)state;
	p.ev.tuple = &p.t;
	p.ev.fact = &p.f;
	eve_init(&e, pol, "s", NULL, true, false);
	for (size_t b = 0; b < sizeof(bits) / sizeof(bits[0]); b++)
		for (size_t shift = 0; shift < 8; shift++) {
			uint8_t hash[CRYPTO_SHA256_LEN];
			char hex[2 * CRYPTO_SHA256_LEN + 1];
			size_t n, len = strlen(bits[b]);
			json_t *o;

			memset(json, 'x', shift);
			for (n = shift; n < 5000; n += len)
				memcpy(json + n, bits[b], len);
			record_head(r, &p.ev);
			record_put_pdu(r, json, n, true);
			assert_true(record_bytes(r) <= RING_RECORD_MAX);
			assert_true(record_bytes(r) > RING_RECORD_MAX - 8);
			len = eve_write(&e, r, 1, buf, sizeof(buf));
			assert_true(len > 0);
			o = json_loadb(buf, len, JSON_REJECT_DUPLICATES, NULL);
			assert_non_null(o);
			assert_int_equal(strtoull(meta(o, "il_pdu_bytes"), NULL, 10), n);
			crypto_sha256(json, n, hash);
			assert_string_equal(
			    meta(o, "il_pdu_sha256"), crypto_hex(hash, sizeof(hash), hex));
			assert_int_equal(strlen(meta(o, "il_pdu")), r->pdu_len);
			json_decref(o);
		}
}

/* --- folding ---------------------------------------------------------------------- */

static void
storm(void **state)
{
	struct alerts *a = start((struct alerts_conf){.replay = true, .fold_window_ns = 60 * SEC});
	const struct alerts_stats *st = alerts_stats(a);
	json_t *o;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) { /* 59.994 s of one write */
		struct pdu p = pdu(1000 * SEC + i * 6 * SEC / 1000);

		p.f.txn = i;
		p.ev.frame = 100 + i;
		put(a, &p);
		if (i % 32 == 31)
			assert_int_equal(alerts_pump(a, p.ev.ts_ns), 0);
	}
	assert_int_equal(st->folded, 9999);
	assert_int_equal(alerts_finish(a, 1100 * SEC), 0);
	assert_int_equal(st->events, 10000);
	assert_int_equal(st->lines, 2);
	assert_int_equal(st->lost, 0);
	alerts_free(a);
	o = line(0);
	assert_string_equal(meta(o, "il_count"), "(none)");
	assert_string_equal(meta(o, "il_frame"), "100");
	json_decref(o);
	o = line(1);
	assert_string_equal(meta(o, "il_count"), "9999");
	assert_string_equal(meta(o, "il_first"), "1970-01-01T00:16:40.006000+0000");
	assert_string_equal(meta(o, "il_last"), "1970-01-01T00:17:39.994000+0000");
	assert_string_equal(meta(o, "il_op"), "write_multiple_registers");
	json_decref(o);
}

/* What differs in rule, flow or object is another storm; a new window tells again. */
static void
storms_differ(void **state)
{
	struct alerts *a = start((struct alerts_conf){.replay = true, .fold_window_ns = 60 * SEC});
	struct pdu p = pdu(1000 * SEC);

	(void)state;
	put(a, &p);
	p.f.item.first = 101;
	put(a, &p);
	p.f.unit = 2;
	put(a, &p);
	p.ev.flow_id = 5;
	put(a, &p);
	p.f.code = 6;
	put(a, &p);
	p.ev.verdict.rule = 1;
	put(a, &p);
	assert_int_equal(alerts_stats(a)->folded, 0);
	put(a, &p);
	assert_int_equal(alerts_stats(a)->folded, 1);
	p.ev.ts_ns = 1060 * SEC;
	put(a, &p);
	assert_int_equal(alerts_stats(a)->folded, 1);
	assert_int_equal(alerts_finish(a, 1061 * SEC), 0);
	assert_int_equal(alerts_stats(a)->lines, 8); /* 7 told, 1 that counts */
	alerts_free(a);
}

/* More storms than the table has places: none is lost, those that had to go are told early. */
static void
table_full(void **state)
{
	struct alerts *a =
	    start((struct alerts_conf){.replay = true, .fold_window_ns = 3600 * SEC});
	const unsigned storms = 3 * FOLD_SETS * FOLD_WAYS;
	uint64_t sum = 0;
	size_t n;

	(void)state;
	for (unsigned i = 0; i < storms; i++)
		for (unsigned k = 0; k < 3; k++) {
			struct pdu p = pdu(1000 * SEC + i);

			p.f.item.first = i;
			put(a, &p);
			if (i % 16 == 0)
				assert_int_equal(alerts_pump(a, p.ev.ts_ns), 0);
		}
	assert_int_equal(alerts_finish(a, 1001 * SEC), 0);
	assert_int_equal(alerts_stats(a)->events, 3 * storms);
	assert_int_equal(alerts_stats(a)->lost, 0);
	n = alerts_stats(a)->lines;
	assert_int_equal(n, 2 * storms);
	assert_int_equal(lines(), n);
	alerts_free(a);
	for (size_t i = 0; i < 2; i++) { /* counting all lines is slow: the first and the last */
		json_t *o = line(i ? n - 1 : 0);
		const char *count = meta(o, "il_count");

		sum += *count == '(' ? 1 : strtoull(count, NULL, 10);
		json_decref(o);
	}
	assert_int_equal(sum, 3);
}

/* FNV-1a over the lines of 4,000 storms, a number that fills some sets of the table and not others. */
static uint64_t
storms_under(uint64_t seed)
{
	struct alerts *a = start((struct alerts_conf){
	    .replay = true, .fold_window_ns = 3600 * SEC, .fold_seed = seed});
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	FILE *fp;
	int c;

	for (unsigned i = 0; i < 8000; i++) {
		struct pdu p = pdu(1000 * SEC + i);

		p.f.item.first = i % 4000;
		put(a, &p);
		if (i % 16 == 0)
			assert_int_equal(alerts_pump(a, p.ev.ts_ns), 0);
	}
	assert_int_equal(alerts_finish(a, 1001 * SEC), 0);
	alerts_free(a);
	fp = fopen(eve, "r");
	assert_non_null(fp);
	while ((c = getc(fp)) != EOF)
		h = (h ^ (uint64_t)c) * UINT64_C(0x100000001b3);
	(void)fclose(fp);
	return h;
}

/* Which storms have to go early depends on the seed alone. */
static void
same_seed_same_lines(void **state)
{
	uint64_t one = storms_under(1);

	(void)state;
	assert_int_equal(storms_under(1), one);
	assert_int_not_equal(storms_under(2), one);
}

/* --- ring, batches ------------------------------------------------------------------ */

static void
ring_full(void **state)
{
	struct alerts *a = start((struct alerts_conf){.journal_dir = journal});
	const struct alerts_stats *st = alerts_stats(a);
	struct pdu p = pdu(1000 * SEC);
	char count[24];
	json_t *o;

	(void)state;
	assert_int_equal(alerts_pump(a, 1000 * SEC), 0);
	for (unsigned i = 0; i < 50000; i++)
		put(a, &p);
	assert_int_equal(alerts_pump(a, 1000 * SEC), 0);
	assert_true(st->lost > 0);
	assert_int_equal(alerts_finish(a, 1001 * SEC), 0);
	assert_int_equal(st->lines + st->lost, 50000 + 1); /* and one line about it */
	o = line(0); /* what the sensor has to tell of itself goes first */
	snprintf(count, sizeof(count), "%llu", (unsigned long long)st->lost);
	assert_string_equal(meta(o, "il_count"), count);
	assert_int_equal(num(json_object_get(o, "alert"), "signature_id"), 90);
	json_decref(o);
	assert_int_equal(verdict().state, JOURNAL_COMPLETE);
	assert_int_equal(verdict().lost, st->lost);
	alerts_free(a);
	wipe_journal();
}

/* A replay reads as fast as it can: more alerts in a burst than the ring has room for. */
static void
replay_never_loses(void **state)
{
	struct alerts *a = start((struct alerts_conf){.replay = true});
	struct pdu p = pdu(1000 * SEC);

	(void)state;
	for (unsigned i = 0; i < 50000; i++)
		put(a, &p);
	assert_int_equal(alerts_finish(a, 1001 * SEC), 0);
	assert_int_equal(alerts_stats(a)->lost, 0);
	assert_int_equal(lines(), 50000);
	alerts_free(a);
}

static void
batches(void **state)
{
	struct alerts *a = start((struct alerts_conf){.replay = true, .journal_dir = journal});
	const struct alerts_stats *st = alerts_stats(a);
	struct pdu p = pdu(1000 * SEC);

	(void)state;
	for (unsigned i = 0; i < 10; i++, p.ev.ts_ns += SEC / 100) /* within 100 ms */
		put(a, &p);
	assert_int_equal(alerts_pump(a, p.ev.ts_ns - SEC / 100), 0);
	assert_int_equal(st->batches, 0);
	assert_int_equal(alerts_pump(a, 1000 * SEC + SEC / 10), 0);
	assert_int_equal(st->batches, 1);
	p.ev.ts_ns = 1002 * SEC;
	for (unsigned i = 0; i < 2500; i++)
		put(a, &p);
	assert_int_equal(alerts_pump(a, 1002 * SEC), 0);
	assert_int_equal(st->batches, 3); /* of at most 1000 */
	assert_int_equal(alerts_pump(a, 1050 * SEC), 0);
	assert_int_equal(alerts_pump(a, 1100 * SEC), 0);
	assert_int_equal(st->batches, 4); /* no heartbeat in a replay */
	assert_int_equal(alerts_finish(a, 1101 * SEC), 0);
	assert_int_equal(st->batches, 5); /* the signed end */
	alerts_free(a);
	assert_int_equal(verdict().state, JOURNAL_COMPLETE);
	assert_int_equal(verdict().alerts, 2510);
	assert_true(verdict().last.capture_clock);
	wipe_journal();
}

static void
heartbeat(void **state)
{
	struct alerts *a = start((struct alerts_conf){.journal_dir = journal});
	const struct alerts_stats *st = alerts_stats(a);

	(void)state;
	for (unsigned i = 0; i <= 100; i++) /* 20 s in steps of 200 ms */
		assert_int_equal(alerts_pump(a, 1000 * SEC + i * SEC / 5), 0);
	assert_int_equal(st->batches, 5);
	assert_int_equal(verdict().state, JOURNAL_OPEN_ENDED);
	assert_int_equal(alerts_finish(a, 1021 * SEC), 0);
	alerts_free(a);
	assert_int_equal(verdict().state, JOURNAL_COMPLETE);
	assert_int_equal(verdict().alerts, 0);
	wipe_journal();
}

/* --- what cannot be written ----------------------------------------------------------- */

static void
refused(void **state)
{
	static const struct {
		struct alerts_conf conf;
		const char *want;
	} v[] = {
	    {{.eve_path = "/nowhere/eve.json"}, "/nowhere/eve.json: No such file"},
	    {{.journal_dir = "/nowhere/j"}, "journal /nowhere/j: make the directory: No such file"},
	    {{.journal_dir = "/tmp", .key_path = "/nowhere/key"}, "/nowhere/key: No such file"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		char err[256] = "";

		assert_null(alerts_new(&v[i].conf, err, sizeof(err)));
		assert_non_null(strstr(err, v[i].want));
	}
}

static void
output_full(void **state)
{
	struct alerts *a = start((struct alerts_conf){.replay = true, .eve_path = "/dev/full"});
	struct pdu p = pdu(1000 * SEC);

	(void)state;
	put(a, &p);
	assert_int_equal(alerts_pump(a, 1001 * SEC), ERR_NOSPC);
	assert_string_equal(alerts_error(a), "/dev/full: No space left on device");
	assert_int_equal(alerts_stats(a)->write_errors, 1);
	assert_int_equal(alerts_stats(a)->lines, 0);
	(void)alerts_finish(a, 1002 * SEC);
	alerts_free(a);
}

static int
setup(void **state)
{
	struct complaints c = {.file = "test.yaml"};

	(void)state;
	log_set_level(LOG_L_ERROR);
	pol = policy_build_text("test.yaml", policy_text, strlen(policy_text), &c);
	complaints_print(&c, stderr);
	complaints_fini(&c);
	if (!pol || !mkdtemp(dir))
		return -1;
	snprintf(eve, sizeof(eve), "%s/eve.json", dir);
	snprintf(journal, sizeof(journal), "%s/j", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	policy_free(pol);
	(void)unlink(eve);
	wipe_journal();
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(members),
	    cmocka_unit_test(passive),
	    cmocka_unit_test(kinds),
	    cmocka_unit_test(community_ids),
	    cmocka_unit_test(long_pdu),
	    cmocka_unit_test(storm),
	    cmocka_unit_test(storms_differ),
	    cmocka_unit_test(table_full),
	    cmocka_unit_test(same_seed_same_lines),
	    cmocka_unit_test(ring_full),
	    cmocka_unit_test(replay_never_loses),
	    cmocka_unit_test(batches),
	    cmocka_unit_test(heartbeat),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(output_full),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
