/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_writer.c - writes a journal as a signer does, at a pace of one's own choice.
 *
 * usage: journal_writer DIR KEY SENSOR BATCHES LINES PAUSE_MS [SEGMENT_BYTES MAX_BYTES]
 * Lines are alerts with il_seq and some text; every fifth batch is empty, as a heartbeat is.  SIGTERM
 * ends it as the end of its batches does: with a signed end.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alerts/journal.h"
#include "base/clock.h"

#define LINE_ROOM 700u

static volatile sig_atomic_t ended;

static void
on_term(int sig)
{
	(void)sig;
	ended = 1;
}

static int
line(char *p, uint64_t seq, uint64_t now_ns)
{
	char when[CLOCK_STRLEN];

	return snprintf(p, LINE_ROOM,
	    "{\"timestamp\":\"%s\",\"event_type\":\"alert\",\"src_ip\":\"10.1.2.9\",\"src_port\":%"
	    "u,"
	    "\"dest_ip\":\"10.1.2.130\",\"dest_port\":502,\"proto\":\"TCP\",\"app_proto\":"
	    "\"modbus\","
	    "\"host\":\"test\",\"alert\":{\"action\":\"blocked\",\"gid\":62443,\"signature_id\":3,"
	    "\"rev\":1,"
	    "\"signature\":\"write of holding 100 = 7|x\\\\y\",\"category\":\"Unauthorized "
	    "Command\",\"severity\":1,"
	    "\"metadata\":{\"il_seq\":[\"%llu\"],\"il_rule\":[\"setpoints\"],\"il_conduit\":[\"hmi-"
	    "filler\"],"
	    "\"il_reason\":[\"default_deny\"],\"mitre_technique_id\":[\"T0855\",\"T1692.001\"]}}}"
	    "\n",
	    clock_str(now_ns, when), (unsigned)(40000 + seq % 1000), (unsigned long long)seq);
}

static int
append(struct journal *j, char *text, uint64_t n, bool final)
{
	struct journal_lines l = {.text = text, .first = journal_next_seq(j), .n = n};
	uint64_t now = clock_wall_ns();
	struct merkle m;

	merkle_init(&m);
	for (uint64_t i = 0; i < n; i++) {
		uint8_t leaf[MERKLE_LEN];
		size_t len = (size_t)line(text + l.len, l.first + i, now);

		merkle_leaf(text + l.len, len - 1, leaf);
		merkle_add(&m, leaf);
		l.len += len;
	}
	crypto_sha256(text, l.len, l.sha256);
	merkle_root(&m, l.root);
	return journal_append(j, &l, now, final, 0);
}

int
main(int argc, char **argv)
{
	struct journal_conf conf = {0};
	char err[512] = "";
	uint64_t batches, lines, pause;
	struct journal *j;
	struct key key;
	char *text;
	int r = 0;

	if (argc != 7 && argc != 9) {
		fprintf(stderr, "usage: %s DIR KEY SENSOR BATCHES LINES PAUSE_MS [SEGMENT MAX]\n",
		    argv[0]);
		return 2;
	}
	batches = strtoull(argv[4], NULL, 10);
	lines = strtoull(argv[5], NULL, 10);
	pause = strtoull(argv[6], NULL, 10);
	conf.dir = argv[1];
	conf.key = &key;
	conf.iss = argv[3];
	if (argc == 9) {
		conf.segment_bytes = strtoull(argv[7], NULL, 10);
		conf.max_bytes = strtoull(argv[8], NULL, 10);
	}
	(void)signal(SIGTERM, on_term);
	text = malloc(lines * LINE_ROOM + 1);
	if (!text || key_load(&key, argv[2], err, sizeof(err)) < 0 ||
	    !(j = journal_new(&conf, err, sizeof(err)))) {
		fprintf(stderr, "%s\n", err);
		return 2;
	}
	for (uint64_t i = 1; i <= batches && r == 0 && !ended; i++) {
		r = append(j, text, i % 5 == 0 ? 0 : lines, false);
		if (pause)
			(void)usleep((useconds_t)pause * 1000);
	}
	if (r == 0)
		r = append(j, text, 0, true);
	if (r < 0)
		fprintf(stderr, "%s\n", journal_error(j));
	if (journal_close(j, err, sizeof(err)) < 0)
		r = -1;
	free(text);
	return r < 0;
}
