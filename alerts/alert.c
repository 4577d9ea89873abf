/* SPDX-License-Identifier: Apache-2.0 */
/* alert.c - see alert.h: packet side, then signer side, then life and death. */
#include "alerts/alert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alerts/eve.h"
#include "alerts/fold.h"
#include "alerts/journal.h"
#include "alerts/out.h"
#include "base/err.h"
#include "base/log.h"

#define RING_SLOTS   65536u /* 4 MiB: 1024 of the largest records, 8000 usual ones */
#define SCRATCH_SIZE 65536u /* JSON of a PDU before it is cut */
#define BATCH_LINES  1000u
#define BATCH_NS     UINT64_C(100000000)
#define BATCH_BYTES  (4u << 20)
#define HEARTBEAT_NS (UINT64_C(5) * 1000000000u)
#define OWN_LINES    2u /* lost, removed: at most one each per batch */

struct alerts {
	struct alerts_conf conf;
	/* packet side */
	struct ring *ring;
	struct fold *fold; /* NULL: do not fold */
	char *scratch;
	_Atomic uint64_t lost; /* alerts that found the ring full */
	/* signer side */
	struct eve eve;
	char *batch; /* BATCH_BYTES of lines */
	size_t batch_len;
	uint64_t batch_n, batch_first, batch_opened_ns, batch_last_ns;
	uint64_t own_lines;  /* of the batch: lines that no event stands behind */
	uint64_t batch_lost; /* told in this batch */
	uint64_t batch_removed;
	struct merkle merkle;
	uint64_t next_seq, last_sign_ns;
	uint64_t lost_taken; /* of .lost, moved to .untold */
	uint64_t untold_lost, untold_removed;
	struct key key;
	struct journal *journal;
	const struct alert_out *out;
	struct alert_conn *conn;
	struct alerts_stats st;
	char sensor[BATCH_ISS_MAX + 1];
	char err[512];
	bool signed_any, failing;
};

/* --- packet side --------------------------------------------------------------------- */

static int drain(struct alerts *a, uint64_t now_ns);

/* Room in the ring.  In a replay the one thread makes some; else the record is lost. */
static struct record *
room(struct alerts *a, uint64_t now_ns)
{
	struct record *r = ring_room(a->ring, RING_RECORD_MAX);

	if (!r && a->conf.replay) {
		(void)drain(a, now_ns);
		r = ring_room(a->ring, RING_RECORD_MAX);
	}
	return r;
}

/* A storm that ended: its record is complete but for the place in the ring. */
static void
put_folded(struct alerts *a, const struct record *told)
{
	struct record *r = room(a, told->ts_ns);

	if (!r) {
		atomic_fetch_add_explicit(&a->lost, told->count, memory_order_relaxed);
		return;
	}
	memcpy(r, told, record_bytes(told));
	ring_put(a->ring, record_bytes(r));
}

static void
fold_tick(struct alerts *a, uint64_t now_ns)
{
	const struct record *told;

	while (a->fold && (told = fold_due(a->fold, now_ns)) != NULL)
		put_folded(a, told);
}

void
alerts_put(struct alerts *a, const struct event *ev)
{
	struct record *r = room(a, ev->ts_ns), head;

	a->st.events++;
	if (a->fold) {
		const struct record *closed;
		enum fold_answer answer;

		record_head(&head, ev);
		answer = fold_put(a->fold, &head, ev->fact ? ev->fact->op : NULL, &closed);
		if (closed) {
			put_folded(a, closed);
			r = room(a, ev->ts_ns);
		}
		if (answer == FOLD_COUNTED) {
			a->st.folded++;
			return;
		}
	}
	if (!r) {
		atomic_fetch_add_explicit(&a->lost, 1, memory_order_relaxed);
		return;
	}
	record_head(r, ev);
	record_text(r, ev, a->scratch, SCRATCH_SIZE);
	ring_put(a->ring, record_bytes(r));
}

/* --- signer side ------------------------------------------------------------------------ */

static int
complain(struct alerts *a, int code, const char *text)
{
	a->st.write_errors++;
	if (!a->failing)
		log_error("%s", text);
	a->failing = true;
	if (a->err[0] == '\0')
		snprintf(a->err, sizeof(a->err), "%s", text);
	return code;
}

static void
add_line(struct alerts *a, const struct record *r)
{
	char *line = a->batch + a->batch_len;
	size_t n = eve_write(&a->eve, r, a->next_seq, line, BATCH_BYTES - a->batch_len);

	if (n == 0) { /* cannot be: a record's line is far below BATCH_LINE_MAX */
		a->untold_lost++;
		return;
	}
	if (a->batch_n == 0) {
		a->batch_first = a->next_seq;
		a->batch_opened_ns = r->ts_ns;
		merkle_init(&a->merkle);
	}
	if (a->journal) {
		uint8_t leaf[MERKLE_LEN];

		merkle_leaf(line, n - 1, leaf);
		merkle_add(&a->merkle, leaf);
	}
	a->batch_len += n;
	a->batch_n++;
	a->next_seq++;
}

/* What the sensor itself has to tell goes first in a batch. */
static void
add_own(struct alerts *a, uint64_t now_ns)
{
	uint64_t lost = atomic_load_explicit(&a->lost, memory_order_relaxed);
	struct record r = {
	    .ts_ns = now_ns,
	    .proto = FACT_PROTO_NONE,
	    .verdict = {.rule = RULE_NONE, .conduit = RULE_NONE},
	};

	a->untold_lost += lost - a->lost_taken;
	a->st.lost += lost - a->lost_taken;
	a->lost_taken = lost;
	if (a->journal)
		a->untold_removed += journal_removed(a->journal);
	if (a->batch_n != 0)
		return;
	a->own_lines = a->batch_lost = a->batch_removed = 0;
	if (a->untold_lost > 0) {
		r.kind = EVENT_LOST;
		r.count = a->batch_lost = a->untold_lost;
		add_line(a, &r);
		a->own_lines++;
	}
	if (a->untold_removed > 0) {
		r.kind = EVENT_REMOVED;
		r.count = a->batch_removed = a->untold_removed;
		add_line(a, &r);
		a->own_lines++;
	}
}

static int
send_out(struct alerts *a, const char *jws, size_t jws_len)
{
	struct alert_bytes b = {a->batch, a->batch_len, a->batch_n, a->batch_first, jws, jws_len};
	char text[256];

	if (!a->conn || a->batch_n == 0 || a->out->send(a->conn, &b) == 0)
		return 0;
	snprintf(text, sizeof(text), "%s: %s", a->conf.eve_path, strerror(errno));
	return complain(a, err_from_errno(errno), text);
}

/* Sign what is there (perhaps nothing: a heartbeat), store it, pass it on. */
static int
close_batch(struct alerts *a, uint64_t now_ns, bool final)
{
	struct journal_lines l = {
	    a->batch, a->batch_len, a->next_seq - a->batch_n, a->batch_n, {0}, {0}};
	const char *jws = NULL;
	size_t jws_len = 0;
	int r = 0, sent;

	if (a->journal) {
		if (a->batch_n == 0)
			merkle_init(&a->merkle);
		crypto_sha256(l.text, l.len, l.sha256);
		merkle_root(&a->merkle, l.root);
		r = journal_append(a->journal, &l, now_ns, final, a->batch_n ? a->batch_lost : 0);
		a->last_sign_ns = now_ns;
		a->signed_any = true;
		if (r < 0) {
			(void)complain(a, r, journal_error(a->journal));
			a->untold_lost += a->batch_n - a->own_lines;
		} else {
			a->st.batches++;
			jws = journal_jws(a->journal, &jws_len);
		}
	}
	sent = send_out(a, jws, jws_len);
	if ((a->journal ? r : sent) == 0 && a->batch_n != 0) {
		a->untold_lost -= a->batch_lost;
		a->untold_removed -= a->batch_removed;
	}
	a->failing = r < 0 || sent < 0;
	if ((a->journal && r == 0) || (a->conn && sent == 0))
		a->st.lines += a->batch_n;
	else
		a->untold_lost += a->journal ? 0 : a->batch_n - a->own_lines;
	a->batch_n = a->batch_len = 0;
	a->own_lines = a->batch_lost = a->batch_removed = 0;
	return r < 0 ? r : sent;
}

/* Packet time may step back between captures. */
static bool
passed(uint64_t since, uint64_t now, uint64_t ns)
{
	return now >= since ? now - since >= ns : since - now >= ns;
}

/* Records to lines, lines to batches.  0 or the first error. */
static int
drain(struct alerts *a, uint64_t now_ns)
{
	const struct record *r;
	int first = 0, e;

	while ((r = ring_peek(a->ring)) != NULL) {
		uint64_t at = a->conf.replay ? r->ts_ns : now_ns;

		if (a->batch_n >= BATCH_LINES - OWN_LINES ||
		    a->batch_len > BATCH_BYTES - BATCH_LINE_MAX ||
		    (a->batch_n != 0 && passed(a->batch_opened_ns, at, BATCH_NS))) {
			e = close_batch(a, a->conf.replay ? a->batch_last_ns : now_ns, false);
			first = first ? first : e;
		}
		add_own(a, at);
		add_line(a, r);
		a->batch_last_ns = at;
		ring_take(a->ring);
	}
	return first;
}

int
alerts_pump(struct alerts *a, uint64_t now_ns)
{
	int first, e = 0;

	fold_tick(a, now_ns);
	first = drain(a, now_ns);
	add_own(a, now_ns);
	if (a->batch_n != 0 && passed(a->batch_opened_ns, now_ns, BATCH_NS))
		e = close_batch(a, now_ns, false);
	else if (a->journal && a->batch_n == 0 && !a->conf.replay &&
		 (!a->signed_any || passed(a->last_sign_ns, now_ns, HEARTBEAT_NS)))
		e = close_batch(a, now_ns, false);
	return first ? first : e;
}

int
alerts_set_input(struct alerts *a, const char *input, uint64_t now_ns)
{
	int e;

	fold_tick(a, UINT64_MAX);
	e = drain(a, now_ns);
	eve_set_input(&a->eve, input);
	return e;
}

int
alerts_finish(struct alerts *a, uint64_t now_ns)
{
	char text[512];
	int first, e;

	fold_tick(a, UINT64_MAX);
	first = drain(a, now_ns);
	add_own(a, now_ns);
	if (a->journal || a->batch_n != 0) {
		e = close_batch(a, now_ns, true);
		first = first ? first : e;
	}
	if (a->journal) {
		e = journal_close(a->journal, text, sizeof(text));
		a->journal = NULL;
		if (e < 0)
			(void)complain(a, e, text);
		first = first ? first : e;
	}
	if (a->conn) {
		e = a->out->close(a->conn);
		a->conn = NULL;
		if (e < 0) {
			snprintf(text, sizeof(text), "%s: %s", a->conf.eve_path, err_str(e));
			(void)complain(a, e, text);
		}
		first = first ? first : e;
	}
	return first;
}

/* --- life and death ------------------------------------------------------------------------ */

static bool
open_journal(struct alerts *a, char *err, size_t err_size)
{
	struct journal_conf jc = {
	    .dir = a->conf.journal_dir,
	    .key = &a->key,
	    .iss = a->sensor,
	    .replay = a->conf.replay,
	    .max_bytes = a->conf.journal_bytes,
	};

	if (!a->conf.journal_dir)
		return true;
	if (a->conf.key_path) {
		if (key_load(&a->key, a->conf.key_path, err, err_size) < 0)
			return false;
	} else {
		key_init(&a->key);
	}
	a->journal = journal_new(&jc, err, err_size);
	if (!a->journal)
		return false;
	if (!a->conf.key_path)
		log_warn(
		    "journal %s: no key was given: signed with one of this run only, whose public "
		    "half is in %s/key.pub",
		    a->conf.journal_dir, a->conf.journal_dir);
	a->next_seq = journal_next_seq(a->journal);
	return true;
}

static bool
open_out(struct alerts *a, char *err, size_t err_size)
{
	const char *url = a->conf.eve_path;

	if (!url)
		return true;
	for (unsigned i = 0; alert_outs[i]; i++)
		if (!alert_outs[i + 1] ||
		    strncmp(url, alert_outs[i]->scheme, strlen(alert_outs[i]->scheme)) == 0) {
			a->out = alert_outs[i];
			break;
		}
	a->conn = a->out->open(url, a->conf.replay, err, err_size);
	return a->conn != NULL;
}

static bool
take_memory(struct alerts *a)
{
	size_t ring = (ring_bytes(RING_SLOTS) + 63) & ~(size_t)63;
	uint64_t seed;

	a->ring = aligned_alloc(64, ring);
	a->scratch = malloc(SCRATCH_SIZE);
	a->batch = malloc(BATCH_BYTES);
	if (a->conf.fold_window_ns != 0)
		a->fold = calloc(1, sizeof(*a->fold));
	if (!a->ring || !a->scratch || !a->batch || (a->conf.fold_window_ns != 0 && !a->fold))
		return false;
	memset(a->ring, 0, ring);
	ring_init(a->ring, RING_SLOTS);
	crypto_random(&seed, sizeof(seed));
	if (a->fold)
		fold_init(a->fold, a->conf.fold_window_ns, seed);
	return true;
}

struct alerts *
alerts_new(const struct alerts_conf *conf, char *err, size_t err_size)
{
	struct alerts *a = calloc(1, sizeof(*a));

	if (!a) {
		snprintf(err, err_size, "alerts: out of memory");
		return NULL;
	}
	a->conf = *conf;
	a->next_seq = 1;
	if (conf->sensor)
		snprintf(a->sensor, sizeof(a->sensor), "%s", conf->sensor);
	else if (gethostname(a->sensor, sizeof(a->sensor) - 1) != 0 || !a->sensor[0])
		snprintf(a->sensor, sizeof(a->sensor), "interlock");
	if (!take_memory(a)) {
		snprintf(err, err_size, "alerts: out of memory");
		alerts_free(a);
		return NULL;
	}
	eve_init(&a->eve, conf->policy, a->sensor, conf->in_iface, conf->replay, conf->enforcing);
	if (!open_journal(a, err, err_size) || !open_out(a, err, err_size)) {
		alerts_free(a);
		return NULL;
	}
	return a;
}

const char *
alerts_error(const struct alerts *a)
{
	return a->err;
}

const struct alerts_stats *
alerts_stats(const struct alerts *a)
{
	return &a->st;
}

void
alerts_free(struct alerts *a)
{
	char err[512];

	if (!a)
		return;
	if (a->journal)
		(void)journal_close(a->journal, err, sizeof(err));
	if (a->conn)
		(void)a->out->close(a->conn);
	key_wipe(&a->key);
	free(a->ring);
	free(a->fold);
	free(a->scratch);
	free(a->batch);
	free(a);
}
