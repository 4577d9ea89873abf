/* SPDX-License-Identifier: Apache-2.0 */
/* alert.c - life and death of alert.h; put.c is its packet side, sign.c its signer side. */
#include "alerts/alert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alerts/alert_int.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

/* --- shared memory ------------------------------------------------------------------------- */

_Static_assert(offsetof(struct alerts_shared, packet) % SHARED_PAGE == 0, "parts have own pages");
_Static_assert(sizeof(struct alerts_packet) % SHARED_PAGE == 0, "parts have own pages");
_Static_assert(ALERTS_PACKETS_MAX == PACKET_PARTS_MAX, "one number");
_Static_assert(offsetof(struct alerts_shared, mark) % SHARED_PAGE == 0, "parts have own pages");
_Static_assert(sizeof(struct alerts_shared) % SHARED_PAGE == 0, "parts have own pages");
_Static_assert((PACKET_SLOTS & (PACKET_SLOTS - 1)) == 0, "a power of two");
_Static_assert((PARENT_SLOTS & (PARENT_SLOTS - 1)) == 0, "a power of two");

size_t
alerts_shared_bytes(unsigned packets)
{
	return sizeof(struct alerts_shared) + packets * sizeof(struct alerts_packet);
}

void
alerts_shared_init(struct alerts_shared *s, unsigned packets)
{
	ring_init(shared_ring(s, SOURCE_PARENT), PARENT_SLOTS);
	for (unsigned i = 0; i < packets; i++)
		ring_init(shared_ring(s, SOURCE_PACKET + i), PACKET_SLOTS);
}

void
alerts_shared_keep(struct alerts_shared *s, enum alerts_side side)
{
	if (side == ALERTS_PACKET)
		(void)munmap(s, offsetof(struct alerts_shared, packet));
}

/* --- life ---------------------------------------------------------------------------------- */

static bool
open_journal(struct alerts *a, char *err, size_t err_size)
{
	struct journal_conf jc = {
	    .dir = a->conf.journal_dir,
	    .key = &a->key,
	    .iss = a->sensor,
	    .replay = a->conf.replay,
	    .max_bytes = a->conf.journal_bytes,
	    .receipts = a->conf.receipts,
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
	bool puts = a->conf.side != ALERTS_SIGNER;
	bool signs = a->conf.side == ALERTS_BOTH || a->conf.side == ALERTS_SIGNER;

	if (!a->shared) {
		void *p = mmap(NULL, alerts_shared_bytes(1), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return false;
		a->shared = p;
		a->own_memory = true;
		alerts_shared_init(a->shared, 1);
	}
	if (puts && (!(a->scratch = malloc(SCRATCH_SIZE)) ||
			!(a->hint = mem_table(PUT_HINTS * sizeof(*a->hint))) ||
			!(a->storm = calloc(PUT_HINTS, sizeof(*a->storm)))))
		return false;
	if (signs && !(a->batch = malloc(BATCH_BYTES)))
		return false;
	for (unsigned i = 0; signs && i < a->n_sources; i++)
		if (!(a->source[i].buf = aligned_alloc(64, 64 * RING_SLOT)))
			return false;
	return true;
}

static void
begin(struct alerts *a)
{
	bool parent = a->conf.side == ALERTS_PARENT;

	if (a->conf.side == ALERTS_BOTH || a->conf.side == ALERTS_SIGNER)
		sign_init(a);
	if (a->conf.side == ALERTS_SIGNER)
		return;
	a->writer = parent ? &a->shared->parent : &a->shared->packet[a->conf.packet].writer;
	a->ring = shared_ring(a->shared, parent ? SOURCE_PARENT : SOURCE_PACKET + a->conf.packet);
	if (a->conf.fold_window_ns != 0 && !parent)
		a->fold = &a->shared->packet[a->conf.packet].fold;
	put_init(a);
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
	a->shared = conf->shared;
	a->n_sources = SOURCE_PACKET + (conf->packets ? conf->packets : 1);
	a->next_seq = 1;
	if (conf->sensor)
		snprintf(a->sensor, sizeof(a->sensor), "%s", conf->sensor);
	else if (gethostname(a->sensor, sizeof(a->sensor) - 1) != 0 || !a->sensor[0])
		snprintf(a->sensor, sizeof(a->sensor), "interlock");
	if (conf->side != ALERTS_BOTH && !conf->shared) {
		snprintf(err, err_size, "alerts: a half without shared memory");
		alerts_free(a);
		return NULL;
	}
	if (!take_memory(a)) {
		snprintf(err, err_size, "alerts: out of memory");
		alerts_free(a);
		return NULL;
	}
	eve_init(&a->eve, conf->policy, a->sensor, conf->in_iface, conf->replay, conf->enforcing);
	eve_set_ports(&a->eve, conf->port_names);
	if (conf->side == ALERTS_BOTH || conf->side == ALERTS_SIGNER)
		if (!open_journal(a, err, err_size) || !open_out(a, err, err_size)) {
			alerts_free(a);
			return NULL;
		}
	begin(a);
	return a;
}

void
alerts_add_policy(struct alerts *a, const struct policy *pol)
{
	if (eve_add_policy(&a->eve, pol))
		a->waited = false;
}

void
alerts_drop_policy(struct alerts *a, const struct policy *pol)
{
	eve_drop_policy(&a->eve, pol);
}

int
alerts_pump(struct alerts *a, uint64_t now_ns)
{
	if (a->conf.side != ALERTS_SIGNER)
		put_fold_tick(a, now_ns);
	return a->batch ? sign_pump(a, now_ns, false) : 0;
}

int
alerts_set_input(struct alerts *a, const char *input, uint64_t now_ns)
{
	int e;

	put_fold_tick(a, UINT64_MAX);
	e = sign_drain(a, now_ns);
	eve_set_input(&a->eve, input);
	return e;
}

int
alerts_reopen(struct alerts *a, char *err, size_t err_size)
{
	if (!a->conn || !a->out->reopen)
		return 0;
	return a->out->reopen(a->conn, err, err_size);
}

int
alerts_finish(struct alerts *a, uint64_t now_ns)
{
	char text[512];
	int first = 0, e;

	if (a->conf.side != ALERTS_SIGNER)
		put_fold_tick(a, UINT64_MAX);
	if (!a->batch)
		return 0;
	first = sign_pump(a, now_ns, true);
	alerts_progress(a, &a->ended);
	if (a->journal) {
		e = journal_close(a->journal, text, sizeof(text));
		a->journal = NULL;
		if (e < 0)
			(void)sign_complain(a, e, text);
		first = first ? first : e;
	}
	if (a->conn) {
		e = a->out->close(a->conn);
		a->conn = NULL;
		if (e < 0) {
			snprintf(text, sizeof(text), "%s: %s", a->conf.eve_path, err_str(e));
			(void)sign_complain(a, e, text);
		}
		first = first ? first : e;
	}
	return first;
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
alerts_progress(const struct alerts *a, struct alerts_progress *out)
{
	*out = a->ended; /* the journal is closed: as it was */
	out->next_seq = a->next_seq - a->batch_n;
	out->waiting = a->batch_n;
	out->failing = a->failing || a->retry_ns != 0;
	if (a->journal) {
		journal_last(a->journal, &out->epoch, &out->batch);
		out->journal_bytes = journal_bytes(a->journal);
	}
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
	if (a->own_memory)
		(void)munmap(a->shared, alerts_shared_bytes(1));
	for (unsigned i = 0; i < a->n_sources; i++)
		free(a->source[i].buf);
	free(a->scratch);
	free(a->hint);
	free(a->storm);
	free(a->batch);
	free(a);
}
