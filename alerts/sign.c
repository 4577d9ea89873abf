/* SPDX-License-Identifier: Apache-2.0 */
/* sign.c - the signer side of alert.h: records become lines, lines batches, batches the journal. */
#include "alerts/alert_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"

#define BATCH_LINES  1000u
#define BATCH_NS     UINT64_C(100000000)
#define HEARTBEAT_NS (UINT64_C(5) * 1000000000u)
#define OWN_LINES    2u	   /* lost, removed: at most one each per batch */
#define DRAIN_MAX    8192u /* records of one source at a time: a writer may go on for ever */
#define RETRY_NS     UINT64_C(1000000000)
#define POLICY_NS    UINT64_C(2000000000) /* a record waits that long for the policy it names */

static bool
two_processes(const struct alerts *a)
{
	return a->conf.side == ALERTS_SIGNER;
}

int
sign_complain(struct alerts *a, int code, const char *text)
{
	a->st.write_errors++;
	if (!a->failing)
		log_error("%s", text);
	a->failing = true;
	if (a->err[0] == '\0' || two_processes(a))
		snprintf(a->err, sizeof(a->err), "%s", text);
	return code;
}

/* --- marks: what was taken for good ------------------------------------------------------ */

/* What will be true when the batch is stored. */
static void
mark_write(struct alerts *a, uint64_t now_ns)
{
	uint32_t other = atomic_load(&a->shared->current) ^ 1;
	struct alerts_mark *m = &a->shared->mark[other & 1];

	m->epoch = m->batch = 0; /* while it is being written it is of no batch */
	atomic_thread_fence(memory_order_release);
	for (unsigned i = 0; i < a->n_sources; i++) {
		m->tail[i] = a->source[i].pos;
		m->lost_taken[i] = a->lost_taken[i];
	}
	m->untold_lost = a->untold_lost - (a->batch_n ? a->batch_lost : 0);
	m->untold_removed = a->untold_removed - (a->batch_n ? a->batch_removed : 0);
	atomic_thread_fence(memory_order_release);
	if (a->journal) {
		uint64_t epoch, batch;

		journal_next(a->journal, now_ns, &epoch, &batch);
		m->epoch = epoch;
		atomic_thread_fence(memory_order_release);
		m->batch = batch;
	}
	atomic_thread_fence(memory_order_release);
}

static void
mark_commit(struct alerts *a)
{
	const struct alerts_mark *m;
	uint32_t other = (atomic_load(&a->shared->current) ^ 1) & 1;

	atomic_store(&a->shared->current, other);
	m = &a->shared->mark[other];
	for (unsigned i = 0; i < a->n_sources; i++)
		reader_commit(&a->source[i], m->tail[i]);
}

/* --- lines ------------------------------------------------------------------------------- */

static void
add_line(struct alerts *a, const struct record *r)
{
	char *line = a->batch + a->batch_len;
	struct event_evidence *ev = &a->eve.evidence;
	size_t n;

	*ev = (struct event_evidence){0};
	if (r->evidence.epoch != 0 && !r->folded) {
		*ev = r->evidence;
		ev->seq = a->next_seq;
		if (a->journal)
			ev->epoch = journal_pin(a->journal, r->ts_ns);
	}
	n = eve_write(&a->eve, r, a->next_seq, line, BATCH_BYTES - a->batch_len);

	if (n == 0) { /* cannot be: a record's line is far below BATCH_LINE_MAX */
		a->untold_lost++;
		return;
	}
	if (ev->epoch != 0 && a->conf.named)
		a->conf.named(a->conf.named_ctx, r->evidence.seq, ev->epoch, ev->seq);
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

static struct alerts_writer *
writer_of(struct alerts *a, unsigned source)
{
	return source == SOURCE_PARENT ? &a->shared->parent
				       : &a->shared->packet[source - SOURCE_PACKET].writer;
}

static void
take_losses(struct alerts *a)
{
	for (unsigned i = 0; i < a->n_sources; i++) {
		uint64_t lost = atomic_load_explicit(&writer_of(a, i)->lost, memory_order_relaxed);

		/* A counter that went back, or ran away, is a writer gone mad. */
		if (lost - a->lost_taken[i] < UINT64_C(1) << 48) {
			a->untold_lost += lost - a->lost_taken[i];
			a->st.lost += lost - a->lost_taken[i];
		} else {
			a->source[i].rejected++;
		}
		a->lost_taken[i] = lost;
		a->untold_lost += a->source[i].rejected;
		a->st.lost += a->source[i].rejected;
		a->st.rejected += a->source[i].rejected;
		a->source[i].rejected = 0;
	}
	if (a->journal) {
		uint64_t removed = journal_removed(a->journal);

		a->untold_removed += removed;
		a->st.removed += removed;
	}
}

/* Is there anything that the batch does not tell? */
static bool
losses(struct alerts *a)
{
	for (unsigned i = 0; i < a->n_sources; i++)
		if (a->source[i].rejected > 0 || atomic_load_explicit(&writer_of(a, i)->lost,
						     memory_order_relaxed) != a->lost_taken[i])
			return true;
	return a->untold_lost > a->batch_lost || a->untold_removed > a->batch_removed;
}

/* What the sensor itself has to tell goes first in a batch. */
static void
add_own(struct alerts *a, uint64_t now_ns)
{
	struct record r = {
	    .ts_ns = now_ns,
	    .proto = FACT_PROTO_NONE,
	    .verdict = {.rule = RULE_NONE, .conduit = RULE_NONE},
	};

	if (a->batch_n != 0)
		return;
	take_losses(a);
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

/* --- batches ------------------------------------------------------------------------------ */

static int
send_out(struct alerts *a, const char *jws, size_t jws_len)
{
	struct alert_bytes b = {a->batch, a->batch_len, a->batch_n, a->batch_first, jws, jws_len};
	char text[256];

	if (!a->conn || a->batch_n == 0 || a->out->send(a->conn, &b) == 0)
		return 0;
	snprintf(text, sizeof(text), "%s: %s", a->conf.eve_path, strerror(errno));
	return sign_complain(a, err_from_errno(errno), text);
}

static void
sent(struct alerts *a)
{
	if (!a->journal)
		return;
	journal_last(a->journal, &a->shared->sent_epoch, &a->shared->sent_batch);
}

/* Sign what is there (perhaps nothing: a heartbeat) and store it.  0 or ERR_*. */
static int
store(struct alerts *a, uint64_t now_ns, bool final)
{
	struct journal_lines l = {
	    a->batch, a->batch_len, a->next_seq - a->batch_n, a->batch_n, {0}, {0}};
	int r;

	if (a->batch_n == 0)
		merkle_init(&a->merkle);
	crypto_sha256(l.text, l.len, l.sha256);
	merkle_root(&a->merkle, l.root);
	r = journal_append(a->journal, &l, now_ns, final, a->batch_n ? a->batch_lost : 0);
	a->last_sign_ns = now_ns;
	a->signed_any = true;
	if (r < 0)
		return sign_complain(a, r, journal_error(a->journal));
	a->st.batches++;
	return 0;
}

static void
batch_done(struct alerts *a)
{
	a->batch_n = a->batch_len = 0;
	a->own_lines = a->batch_lost = a->batch_removed = 0;
}

/* One process: what could not be stored is lost, and counted; a replay goes on. */
static int
close_here(struct alerts *a, uint64_t now_ns, bool final)
{
	const char *jws = NULL;
	size_t jws_len = 0;
	int r = 0, e;

	if (a->journal && (r = store(a, now_ns, final)) < 0)
		a->untold_lost += a->batch_n - a->own_lines;
	else if (a->journal)
		jws = journal_jws(a->journal, &jws_len);
	e = send_out(a, jws, jws_len);
	if ((a->journal ? r : e) == 0 && a->batch_n != 0) {
		a->untold_lost -= a->batch_lost;
		a->untold_removed -= a->batch_removed;
	}
	a->failing = r < 0 || e < 0;
	if ((a->journal && r == 0) || (a->conn && e == 0))
		a->st.lines += a->batch_n;
	else
		a->untold_lost += a->journal ? 0 : a->batch_n - a->own_lines;
	batch_done(a);
	return r < 0 ? r : e;
}

/* Two processes: what cannot be stored stays, in the batch and in the ring, until it can. */
static int
close_shared(struct alerts *a, uint64_t now_ns, bool final)
{
	const char *jws = NULL;
	size_t jws_len = 0;
	int r = 0, e = 0;

	mark_write(a, now_ns);
	r = a->journal ? store(a, now_ns, final) : send_out(a, NULL, 0);
	if (r < 0) {
		a->retry_ns = now_ns + RETRY_NS;
		return r;
	}
	mark_commit(a);
	if (a->journal) {
		jws = journal_jws(a->journal, &jws_len);
		e = send_out(a, jws, jws_len);
		sent(a);
	}
	if (a->batch_n != 0) {
		a->untold_lost -= a->batch_lost;
		a->untold_removed -= a->batch_removed;
	}
	a->st.lines += a->batch_n;
	a->retry_ns = 0;
	a->failing = e < 0;
	a->shared->total = a->st;
	batch_done(a);
	return e;
}

static int
close_batch(struct alerts *a, uint64_t now_ns, bool final)
{
	return two_processes(a) ? close_shared(a, now_ns, final) : close_here(a, now_ns, final);
}

/* Packet time may step back between captures. */
static bool
passed(uint64_t since, uint64_t now, uint64_t ns)
{
	return now >= since ? now - since >= ns : since - now >= ns;
}

/* Does the record name a policy that has not arrived yet?  It is on its way, or was dropped. */
static bool
must_wait(struct alerts *a, const struct record *r, uint64_t now_ns)
{
	if (!two_processes(a) || a->waited || r->verdict.generation <= a->eve.newest) {
		a->wait_ns = 0;
		return false;
	}
	if (a->wait_ns == 0)
		a->wait_ns = now_ns;
	if (!passed(a->wait_ns, now_ns, POLICY_NS))
		return true;
	a->waited = true;
	a->wait_ns = 0;
	return false;
}

/* Of one source.  0 or the first error; stuck: nothing more fits until the batch is stored. */
static int
drain_source(struct alerts *a, struct reader *rd, uint64_t now_ns)
{
	const struct record *r;
	int first = 0, e;

	for (unsigned n = 0; n < DRAIN_MAX && (r = reader_peek(rd)) != NULL; n++) {
		uint64_t at = a->conf.replay ? r->ts_ns : now_ns;

		if (must_wait(a, r, now_ns))
			break;
		if (a->batch_n >= BATCH_LINES - OWN_LINES ||
		    a->batch_len > BATCH_BYTES - BATCH_LINE_MAX ||
		    (a->batch_n != 0 && passed(a->batch_opened_ns, at, BATCH_NS))) {
			e = close_batch(a, a->conf.replay ? a->batch_last_ns : now_ns, false);
			first = first ? first : e;
			if (a->retry_ns != 0)
				break;
		}
		add_own(a, at);
		add_line(a, r);
		if (two_processes(a) && a->batch_n == a->own_lines + 1)
			a->batch_opened_ns = now_ns; /* a record may have waited */
		a->batch_last_ns = at;
		reader_take(rd);
		if (!two_processes(a))
			reader_commit(rd, rd->pos);
	}
	return first;
}

int
sign_drain(struct alerts *a, uint64_t now_ns)
{
	int first = 0, e;

	for (unsigned i = 0; i < a->n_sources && a->retry_ns == 0; i++) {
		e = drain_source(a, &a->source[i], now_ns);
		first = first ? first : e;
	}
	if (!two_processes(a)) /* skips at the end of the ring */
		reader_commit(&a->source[SOURCE_PACKET], a->source[SOURCE_PACKET].pos);
	return first;
}

/* Storms that a worker had open when it died, and that no other came to tell: copied, then looked at
 * like all that it leaves. */
static int
tell_left(struct alerts *a, const struct fold *f, uint64_t now_ns)
{
	int first = 0, e;

	for (uint32_t i = 0; i <= FOLD_ENTRIES && a->retry_ns == 0; i++) {
		static struct fold_entry copy;
		struct fold_count count;
		struct record *r = &copy.rec;

		memcpy(&copy, &f->entry[i], sizeof(copy));
		memcpy(&count, &f->count[i], sizeof(count));
		fold_sum(r, &count);
		if (count.state != FOLD_OPEN || r->count == 0 || r->note_len != 0 ||
		    r->pdu_len != 0 ||
		    !record_check((const uint8_t *)r, sizeof(*r) + sizeof(copy.op), false))
			continue;
		if (a->batch_n >= BATCH_LINES - OWN_LINES ||
		    a->batch_len > BATCH_BYTES - BATCH_LINE_MAX) {
			e = close_batch(a, now_ns, false);
			first = first ? first : e;
		}
		add_own(a, now_ns);
		add_line(a, r);
	}
	return first;
}

static void
stats_of_writers(struct alerts *a)
{
	a->st.events = a->st.folded = 0;
	for (unsigned i = 0; i < a->n_sources; i++) {
		a->st.events +=
		    atomic_load_explicit(&writer_of(a, i)->events, memory_order_relaxed);
		a->st.folded +=
		    atomic_load_explicit(&writer_of(a, i)->folded, memory_order_relaxed);
	}
}

int
sign_pump(struct alerts *a, uint64_t now_ns, bool last)
{
	int first = 0, e = 0;

	if (a->retry_ns != 0 && (last || passed(a->retry_ns - RETRY_NS, now_ns, RETRY_NS))) {
		a->retry_ns = 0;
		first = close_batch(a, now_ns, false);
	}
	if (last)
		a->waited = true;
	for (unsigned i = 0; i < (last ? 4 : 1); i++) {
		e = sign_drain(a, now_ns);
		first = first ? first : e;
	}
	for (unsigned i = SOURCE_PACKET; last && two_processes(a) && i < a->n_sources; i++) {
		e = tell_left(a, &a->shared->packet[i - SOURCE_PACKET].fold, now_ns);
		first = first ? first : e;
	}
	stats_of_writers(a);
	if (a->retry_ns != 0)
		return first;
	if (last && a->batch_n != 0 && losses(a)) { /* they are told in a batch of their own */
		e = close_batch(a, now_ns, false);
		first = first ? first : e;
		if (a->retry_ns != 0)
			return first;
	}
	add_own(a, now_ns);
	e = 0;
	if (last)
		e = a->journal || a->batch_n != 0 ? close_batch(a, now_ns, true) : 0;
	else if (a->batch_n != 0 && passed(a->batch_opened_ns, now_ns, BATCH_NS))
		e = close_batch(a, now_ns, false);
	else if (a->journal && a->batch_n == 0 && !a->conf.replay &&
		 (!a->signed_any || passed(a->last_sign_ns, now_ns, HEARTBEAT_NS)))
		e = close_batch(a, now_ns, false);
	return first ? first : e;
}

/* --- a new signer ----------------------------------------------------------------------------- */

/* The last batch may not have reached the outputs: a line twice is better than none there. */
static void
send_again(struct alerts *a, uint64_t epoch, uint64_t batch)
{
	size_t len, n = BATCH_BYTES;

	if (!a->conn || (a->shared->sent_epoch == epoch && a->shared->sent_batch == batch))
		return;
	len = journal_last_lines(a->journal, a->batch, &n);
	if (len > 0) {
		struct alert_bytes b = {.lines = a->batch, .len = len, .n = n};

		(void)a->out->send(a->conn, &b);
	}
	sent(a);
}

void
sign_init(struct alerts *a)
{
	struct alerts_shared *s = a->shared;
	const struct alerts_mark *m;
	uint64_t epoch = 0, batch = 0;
	uint32_t current = atomic_load(&s->current) & 1;

	if (a->journal)
		journal_last(a->journal, &epoch, &batch);
	m = &s->mark[current ^ 1];
	if (two_processes(a) && batch != 0 && m->epoch == epoch && m->batch == batch) {
		current ^= 1; /* it was stored, and the last signer died before it could say so */
		atomic_store(&s->current, current);
	}
	m = &s->mark[current];
	for (unsigned i = 0; i < a->n_sources; i++) {
		a->source[i].ring = shared_ring(s, i);
		a->source[i].n_slots = i == SOURCE_PARENT ? PARENT_SLOTS : PACKET_SLOTS;
		a->source[i].pos = m->tail[i];
		a->source[i].trusted = !two_processes(a);
		a->source[i].own = i == SOURCE_PARENT;
		a->lost_taken[i] = m->lost_taken[i];
	}
	a->untold_lost = m->untold_lost;
	a->untold_removed = m->untold_removed;
	if (!two_processes(a))
		return;
	a->st = s->total;
	if (m->batch != 0 && m->epoch == epoch && m->batch == batch)
		send_again(a, epoch, batch);
}
