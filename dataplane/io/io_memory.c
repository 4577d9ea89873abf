/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_memory.c - a whole capture in memory, then lent from there: replay --fast.
 *
 * What is measured is then the engine, not the reading of a file.  open() reads the capture by io_file; rx() lends
 * the frames where they lie.  A capture that breaks off is an error of open(): half a measurement is none.
 * Memory is what the frames take and 24 bytes for each.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "dataplane/io/io.h"

#define BYTES_MIN   (UINT64_C(1) << 20)
#define RECORDS_MIN 4096u
#define AHEAD	    8u /* frames whose first line is fetched in advance */

struct record {
	uint64_t ts_ns;
	uint64_t at; /* of its bytes, which are followed by the next one's */
	uint32_t wirelen;
	uint8_t link;
};

struct memory_io {
	struct io io;
	uint8_t *bytes;
	struct record *rec; /* n of them, and one behind */
	uint64_t n_bytes, cap_bytes;
	size_t n, cap, next;
	struct io_stats stats;
};

extern const struct io_backend io_memory;

/* --- reading ------------------------------------------------------------------------------------ */

static bool
make_room(struct memory_io *m, uint64_t more)
{
	if (m->n_bytes + more > m->cap_bytes) {
		uint64_t cap = m->cap_bytes ? 2 * m->cap_bytes : BYTES_MIN;
		uint8_t *p;

		while (cap < m->n_bytes + more)
			cap *= 2;
		if (!(p = realloc(m->bytes, cap)))
			return false;
		m->bytes = p;
		m->cap_bytes = cap;
	}
	if (m->n + 2 > m->cap) {
		size_t cap = m->cap ? 2 * m->cap : RECORDS_MIN;
		struct record *p = realloc(m->rec, cap * sizeof(*p));

		if (!p)
			return false;
		m->rec = p;
		m->cap = cap;
	}
	return true;
}

static int
keep(struct memory_io *m, const struct pkt *burst, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct pkt *p = &burst[i];

		if (!make_room(m, p->caplen))
			return ERR_NOMEM;
		m->rec[m->n++] = (struct record){
		    .ts_ns = p->ts_ns, .at = m->n_bytes, .wirelen = p->wirelen, .link = p->link};
		memcpy(m->bytes + m->n_bytes, p->bytes, p->caplen);
		m->n_bytes += p->caplen;
		m->rec[m->n].at = m->n_bytes;
	}
	return 0;
}

static int
read_all(struct memory_io *m, const char *path, char *err, size_t err_size)
{
	struct pkt burst[PKT_BURST];
	struct io *in;
	int n, r = io_open(&in, path, NULL, err, err_size);

	if (r < 0)
		return r;
	if (in->be->wait)
		r = err_say(
		    err, err_size, ERR_USAGE, "%s: has no end that could be waited for", path);
	while (r == 0 && (n = in->be->rx(in, burst, PKT_BURST)) != ERR_EOF) {
		if (n < 0) {
			r = err_say(err, err_size, n, "%s", in->be->err_text(in));
			break;
		}
		if ((r = keep(m, burst, (unsigned)n)) < 0)
			(void)err_say(err, err_size, r, "%s: does not fit into memory", path);
		in->be->done(in, burst, (unsigned)n);
	}
	(void)in->be->close(in);
	return r;
}

/* --- the backend -------------------------------------------------------------------------------- */

static int
memory_rx(struct io *io, struct pkt *burst, unsigned max)
{
	struct memory_io *m = (struct memory_io *)io;
	unsigned n = m->n - m->next < max ? (unsigned)(m->n - m->next) : max;

	if (n == 0)
		return max == 0 ? 0 : ERR_EOF;
	for (unsigned i = 0; i < n; i++) {
		const struct record *r = &m->rec[m->next + i];

		if (m->next + i + AHEAD < m->n)
			__builtin_prefetch(m->bytes + r[AHEAD].at);
		burst[i] = (struct pkt){.bytes = m->bytes + r->at,
		    .ts_ns = r->ts_ns,
		    .frame = m->next + i + 1,
		    .caplen = (uint32_t)(r[1].at - r->at),
		    .wirelen = r->wirelen,
		    .link = r->link};
	}
	m->next += n;
	m->stats.rx += n;
	return (int)n;
}

static int
memory_tx(struct io *io, const struct pkt *p)
{
	(void)p;
	((struct memory_io *)io)->stats.tx++;
	return 0;
}

static void
memory_done(struct io *io, struct pkt *burst, unsigned n)
{
	struct memory_io *m = (struct memory_io *)io;

	for (unsigned i = 0; i < n; i++)
		m->stats.tx += burst[i].fate == FATE_FORWARD;
}

static void
memory_stats(const struct io *io, struct io_stats *st)
{
	*st = ((const struct memory_io *)io)->stats;
}

static const char *
memory_err_text(const struct io *io)
{
	(void)io;
	return "";
}

static int
memory_close(struct io *io)
{
	struct memory_io *m = (struct memory_io *)io;

	free(m->bytes);
	free(m->rec);
	free(m);
	return 0;
}

static int
memory_open(struct io **io, const struct io_conf *conf, unsigned queue, char *err, size_t err_size)
{
	struct memory_io *m;
	int r;

	if (queue != 0 || conf->write_to)
		return err_say(err, err_size, ERR_UNSUPPORTED, "memory: nothing is written");
	if (!(m = calloc(1, sizeof(*m))))
		return err_say(err, err_size, ERR_NOMEM, "memory: out of memory");
	m->io.be = &io_memory;
	if ((r = read_all(m, conf->target, err, err_size)) < 0) {
		(void)memory_close(&m->io);
		return r;
	}
	*io = &m->io;
	return 0;
}

const struct io_backend io_memory = {
    .scheme = "memory",
    .open = memory_open,
    .rx = memory_rx,
    .tx = memory_tx,
    .done = memory_done,
    .stats = memory_stats,
    .err_text = memory_err_text,
    .close = memory_close,
};
