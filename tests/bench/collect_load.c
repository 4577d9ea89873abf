/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collect_load.c - how fast signed batches get into the collector's data base, every one verified.
 *
 * usage: collect_load DIR ALERTS [SENSORS [LINES [THREADS]]]
 *
 * Sensors with keys of their own sign batches of LINES alerts each, beforehand and outside of what is
 * timed, round by round; then THREADS (one for each sensor, as each has a connection and that a thread) do what the threads
 * of connections do - take apart, verify, wait for the disk - without TLS.  LINES 0: empty batches, as a sensor sends when nothing happens; ALERTS counts these then.  DIR is made, and is a collector's directory afterwards: user "bench".
 * DB: a URL of PostgreSQL, else SQLite in DIR.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "collector/auth.h"
#include "collector/collector.h"
#include "collector/enrol.h"
#include "collector/ingest.h"
#include "collector/store.h"

#define SENSORS_MAX 1000u
#define ROUND	    200000u /* alerts signed before they are sent, at most */
#define THREADS_MAX 1000u
#define LINE_ROOM   900u
#define RARE	    50000u	       /* one in so many is another object, and another technique */
#define A_WEEK	    UINT64_C(10000000) /* alerts: so dense they are, however many */
#define WEEK_MS	    UINT64_C(604800000)

struct sensor {
	struct key key;
	struct key_set *keys;
	char name[32];
	int64_t id;
	struct batch b;
	char **body;
	size_t *len;
	unsigned n;
};

static struct sensor sensors[SENSORS_MAX];
static unsigned n_sensors = 100, lines = 200, n_threads;
static unsigned per_batch; /* what is counted of one */
static struct store *store;
static uint64_t total, made, start_ms, round_of;
static atomic_uint next_sensor;
static atomic_ullong stored;

static size_t
line(char *p, uint64_t seq, uint64_t i, uint64_t time_ms, bool rare)
{
	static const char *const protos[] = {"modbus", "s7", "opcua"};
	char ts[CLOCK_STRLEN];

	return (size_t)snprintf(p, LINE_ROOM,
	    "{\"timestamp\":\"%s\",\"flow_id\":%llu,\"event_type\":\"alert\",\"src_ip\":\"10.1.%"
	    "llu.%llu\",\"src_port\":40000,"
	    "\"dest_ip\":\"10.2.0.%llu\",\"dest_port\":502,\"proto\":\"TCP\",\"direction\":\"to_"
	    "server\",\"app_proto\":\"%s\","
	    "\"host\":\"bench\",\"alert\":{\"action\":\"%s\",\"gid\":62443,\"signature_id\":%llu,"
	    "\"rev\":1,\"signature\":"
	    "\"Interlock line-%llu: write_registers is not allowed\",\"category\":\"Unauthorized "
	    "Command\",\"severity\":%llu,"
	    "\"metadata\":{\"il_seq\":[\"%llu\"],\"il_rule\":[\"rule-%llu\"],\"il_conduit\":["
	    "\"line-%llu\"],\"il_verdict\":[\"drop\"],"
	    "\"il_dst\":[\"plc-%llu\"],\"il_op\":[\"write_registers\"],\"il_access\":[\"write\"],"
	    "\"il_object\":[\"%s %llu\"],"
	    "\"mitre_technique_id\":[%s],\"il_site\":[\"plant-%"
	    "llu\"]}}}\n",
	    clock_str(time_ms * 1000000, ts), (unsigned long long)i,
	    (unsigned long long)(i / 7 % 4), (unsigned long long)(i * 7 % 50 + 1),
	    (unsigned long long)(i % 40 + 1), protos[i % 3], i % 3 ? "blocked" : "allowed",
	    (unsigned long long)(1000000000 + i % 25), (unsigned long long)(i % 10),
	    (unsigned long long)(i % 10 == 0 ? 1 : i % 2 + 2), (unsigned long long)seq,
	    (unsigned long long)(i % 25), (unsigned long long)(i % 10),
	    (unsigned long long)(i % 40 + 1), rare ? "DB" : "holding",
	    (unsigned long long)(i % 200), rare ? "\"T0843\"" : "\"T0855\",\"T1692.001\",\"T0836\"",
	    (unsigned long long)(i % 5));
}

static void
sign_batch(struct sensor *s, uint64_t at)
{
	size_t room = BATCH_JWS_MAX + lines * (size_t)LINE_ROOM;
	char *text = malloc(room), *p = text, *out = malloc(room);
	uint8_t leaf[MERKLE_LEN];
	struct merkle m;
	size_t n;

	if (!text || !out)
		exit(1);
	merkle_init(&m);
	s->b.number++;
	s->b.first = s->b.last + 1;
	s->b.n = lines;
	for (unsigned i = 0; i < lines; i++) {
		n = line(p, s->b.first + i, (uint64_t)(s - sensors) * 16 + i * 7919u % 16,
		    start_ms + (at + i) * WEEK_MS / A_WEEK, (at + i) % RARE == 0);
		merkle_leaf(p, n - 1, leaf);
		merkle_add(&m, leaf);
		p += n;
	}
	s->b.last = s->b.first + lines - 1; /* of an empty one: in front of it */
	s->b.iat_ms = clock_wall_ns() / 1000000;
	crypto_sha256(text, (size_t)(p - text), s->b.sha256);
	merkle_root(&m, s->b.root);
	n = batch_sign(&s->b, &s->key, out);
	crypto_sha256(out, n, s->b.prev);
	out[n++] = '\n';
	memcpy(out + n, text, (size_t)(p - text));
	n += (size_t)(p - text);
	free(text);
	s->body[s->n] = out;
	s->len[s->n++] = n;
}

static void *
send_all(void *arg)
{
	unsigned i;

	(void)arg;
	while ((i = atomic_fetch_add(&next_sensor, 1)) < n_sensors)
		for (unsigned k = 0; k < sensors[i].n; k++) {
			struct ingest in;
			struct ingest_job job = {.sensor = sensors[i].id,
			    .name = sensors[i].name,
			    .site = "",
			    .in = &in};
			char err[300];

			job.now_ms = (int64_t)(clock_wall_ns() / 1000000);
			if (ingest_parse(&in, sensors[i].body[k], sensors[i].len[k],
				sensors[i].keys, sensors[i].name, err, sizeof(err)) < 0 ||
			    store_write_again(store, ingest_store, &job) < 0 || job.stored != 1) {
				fprintf(stderr, "%s: %s %s\n", sensors[i].name, err, job.why);
				exit(1);
			}
			atomic_fetch_add(&stored, lines ? job.alerts : job.stored);
			ingest_fini(&in);
			free(sensors[i].body[k]);
		}
	return NULL;
}

static void
set_up(const char *dir)
{
	char err[512], path[STORE_PATH_MAX];

	if (collector_init(dir, NULL, getenv("DB"), 0, err, sizeof(err)) < 0 ||
	    collector_store_path(dir, NULL, path, sizeof(path)) < 0 ||
	    store_open(&store, path, err, sizeof(err)) < 0 ||
	    auth_user_put(store, "bench", ROLE_ADMIN, "bench bench bench", 0, err, sizeof(err)) <
		0) {
		fprintf(stderr, "%s\n", err);
		exit(1);
	}
	for (unsigned i = 0; i < n_sensors; i++) {
		struct sensor *s = &sensors[i];
		unsigned most = ROUND / per_batch / n_sensors + 2;

		snprintf(s->name, sizeof(s->name), "sensor-%03u", i);
		key_init(&s->key);
		s->keys = calloc(1, sizeof(*s->keys));
		s->body = calloc(most, sizeof(*s->body));
		s->len = calloc(most, sizeof(*s->len));
		if (!s->keys || !s->body || !s->len)
			exit(1);
		(void)key_set_add(s->keys, &s->key);
		s->id = enrol_local(store, s->name, "plant", &s->key, 0);
		s->b = (struct batch){.epoch = 1, .oldest = 1};
		snprintf(s->b.iss, sizeof(s->b.iss), "%s", s->name);
	}
}

static unsigned
number(const char *s, unsigned most)
{
	unsigned long v = strtoul(s, NULL, 10);

	return v == 0 || v > most ? most : (unsigned)v;
}

/* Of all threads. */
static uint64_t
process_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

int
main(int argc, char **argv)
{
	static pthread_t thread[THREADS_MAX];
	uint64_t ns = 0, cpu = 0, took, cpu0, t0, before;
	struct {
		uint64_t n, ns;
	} quarter[4] = {0};

	if (argc < 3)
		return 2;
	total = strtoull(argv[2], NULL, 10);
	n_sensors = argc > 3 ? number(argv[3], SENSORS_MAX) : n_sensors;
	lines = argc > 4 && strcmp(argv[4], "0") == 0 ? 0
		: argc > 4			      ? number(argv[4], 1000)
						      : lines;
	per_batch = lines ? lines : 1;
	n_threads = argc > 5 ? number(argv[5], THREADS_MAX) : n_sensors;
	round_of = total / 4 < ROUND ? total / 4 + 1 : ROUND;
	start_ms = clock_wall_ns() / 1000000 - total * WEEK_MS / A_WEEK;
	set_up(argv[1]);
	while (made < total) {
		for (uint64_t round = 0; round < round_of && made < total;)
			for (unsigned i = 0; i < n_sensors && made < total;
			     i++, made += per_batch, round += per_batch)
				sign_batch(&sensors[i], made);
		atomic_store(&next_sensor, 0);
		before = atomic_load(&stored);
		t0 = clock_mono_ns();
		cpu0 = process_ns();
		for (unsigned i = 0; i < n_threads; i++)
			if (pthread_create(&thread[i], NULL, send_all, NULL) != 0)
				return 1;
		for (unsigned i = 0; i < n_threads; i++)
			(void)pthread_join(thread[i], NULL);
		took = clock_mono_ns() - t0;
		cpu += process_ns() - cpu0;
		ns += took;
		quarter[before * 4 / total].n += atomic_load(&stored) - before;
		quarter[before * 4 / total].ns += took;
		for (unsigned i = 0; i < n_sensors; i++)
			sensors[i].n = 0;
		printf("%llu %s: %.0f/s in this round, %.0f/s since the start, %.1f us of "
		       "processor each\n",
		    (unsigned long long)atomic_load(&stored), lines ? "alerts" : "empty batches",
		    (double)(atomic_load(&stored) - before) * 1e9 / (double)took,
		    (double)atomic_load(&stored) * 1e9 / (double)ns,
		    (double)cpu / 1e3 / (double)atomic_load(&stored));
		(void)fflush(stdout);
	}
	printf("rate of each quarter:");
	for (unsigned i = 0; i < 4; i++)
		if (quarter[i].ns > 0)
			printf(" %.0f/s", (double)quarter[i].n * 1e9 / (double)quarter[i].ns);
	printf("\n");
	store_close(store);
	return 0;
}
