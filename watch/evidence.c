/* SPDX-License-Identifier: Apache-2.0 */
/* evidence.c - see evidence.h.  [PCAPNG] draft-ietf-opsawg-pcapng, sections 4.1 to 4.3. */
#include "watch/evidence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/net.h"
#include "dataplane/decode.h"
#include "dataplane/pkt.h"

#define RING_BYTES (8u << 20)
#define ENTRIES	   16384u
#define PENDING	   64u
#define SNAP_MAX   65535u
#define PART	   ".part" /* a file that is being written */

enum { BLOCK_SECTION = 0x0a0d0d0a, BLOCK_INTERFACE = 1, BLOCK_PACKET = 6 };

/* Who sent it to whom: addresses, or MACs behind two bytes that no unicast address begins with. */
struct ends {
	uint8_t src[16], dst[16];
};

struct entry {
	uint64_t ts_ns, frame, at; /* at: bytes written into the ring before it */
	uint32_t caplen, wirelen;
	uint8_t link;
	struct ends ends;
};

struct waiting {
	struct event_evidence id; /* seq: the mark, until it is named */
	bool named;
	uint64_t since_ns; /* CLOCK_MONOTONIC */
	size_t len;
	uint8_t bytes[EVIDENCE_BYTES];
};

struct evidence {
	int dir;
	uint64_t epoch, seq, put, n; /* bytes and entries ever put into the ring */
	uint64_t file_seq[EVIDENCE_FILES], file_epoch[EVIDENCE_FILES], files; /* a ring of names */
	unsigned n_waiting;
	bool later; /* names come from another process */
	struct evidence_stats st;
	uint8_t ring[RING_BYTES];
	struct entry entry[ENTRIES];
	struct waiting waiting[PENDING];
};

/* --- start and end -------------------------------------------------------------------------------- */

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	unsigned long long ea, eb, sa, sb;

	(void)sscanf((*a)->d_name, "%llu-%llu", &ea, &sa);
	(void)sscanf((*b)->d_name, "%llu-%llu", &eb, &sb);
	return ea != eb ? (ea < eb ? -1 : 1) : sa != sb ? (sa < sb ? -1 : 1) : 0;
}

static int
is_ours(const struct dirent *d)
{
	unsigned long long e, s;
	int n = 0;

	return sscanf(d->d_name, "%llu-%llu.pcapng%n", &e, &s, &n) == 2 && n != 0 &&
	       d->d_name[n] == '\0';
}

static void
name_remember(struct evidence *e, uint64_t epoch, uint64_t seq)
{
	struct event_evidence old;
	char name[EVIDENCE_NAME_MAX];
	size_t at = e->files++ % EVIDENCE_FILES;

	if (e->files > EVIDENCE_FILES) {
		old = (struct event_evidence){e->file_epoch[at], e->file_seq[at], {0}};
		if (unlinkat(e->dir, evidence_name(&old, name), 0) == 0)
			e->st.removed++;
	}
	e->file_epoch[at] = epoch;
	e->file_seq[at] = seq;
}

/* What an earlier run has left counts too. */
static void
names_read(struct evidence *e, const char *dir)
{
	struct dirent **list;
	int n = scandir(dir, &list, is_ours, by_name);

	for (int i = 0; i < n; i++) {
		unsigned long long epoch = 0, seq = 0;

		if (sscanf(list[i]->d_name, "%llu-%llu", &epoch, &seq) == 2)
			name_remember(e, epoch, seq);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

struct evidence *
evidence_new(const char *dir, char *err, size_t err_size)
{
	struct evidence *e = calloc(1, sizeof(*e));

	if (!e) {
		(void)err_say(err, err_size, ERR_NOMEM, "no memory for evidence");
		return NULL;
	}
	if ((mkdir(dir, 0750) < 0 && errno != EEXIST) ||
	    (e->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		(void)err_say(err, err_size, ERR_IO, "%s: %s", dir, strerror(errno));
		free(e);
		return NULL;
	}
	names_read(e, dir);
	return e;
}

void
evidence_free(struct evidence *e)
{
	if (e)
		(void)close(e->dir);
	free(e);
}

int
evidence_chown(struct evidence *e, unsigned uid, unsigned gid)
{
	return fchown(e->dir, uid, gid) < 0 ? ERR_IO : 0;
}

struct evidence_stats
evidence_stats(const struct evidence *e)
{
	return e->st;
}

/* --- the ring ---------------------------------------------------------------------------------------- */

static void
mac_end(uint8_t out[16], const uint8_t mac[6])
{
	memset(out, 0, 16);
	out[0] = 0xff;
	memcpy(out + 10, mac, 6);
}

static struct ends
ends_of(const struct layers *l)
{
	struct ends x = {{0}, {0}};
	struct net_addr a, b;

	if (l->flags & LAYER_IP) {
		a = l->flags & LAYER_V6 ? net_addr_from6(l->src) : net_addr_from4(l->src);
		b = l->flags & LAYER_V6 ? net_addr_from6(l->dst) : net_addr_from4(l->dst);
		memcpy(x.src, a.b, 16);
		memcpy(x.dst, b.b, 16);
	} else if (l->flags & LAYER_ETHERNET) {
		mac_end(x.src, l->smac);
		mac_end(x.dst, l->dmac);
	}
	return x;
}

void
evidence_frame(struct evidence *e, const struct pkt *p, const struct layers *l)
{
	struct entry *x = &e->entry[e->n % ENTRIES];
	uint32_t len = p->caplen < SNAP_MAX ? p->caplen : SNAP_MAX;
	size_t at = e->put % RING_BYTES;

	if (e->epoch == 0) /* of names without a journal */
		e->epoch = p->ts_ns / 1000000000 ? p->ts_ns / 1000000000 : 1;
	if (at + len > RING_BYTES) { /* in one piece: begin in front again */
		e->put += RING_BYTES - at;
		at = 0;
	}
	memcpy(e->ring + at, p->bytes, len);
	*x = (struct entry){.ts_ns = p->ts_ns,
	    .frame = p->frame,
	    .at = e->put,
	    .caplen = len,
	    .wirelen = p->wirelen,
	    .link = p->link,
	    .ends = ends_of(l)};
	e->put += len;
	e->n++;
}

/* --- a capture ------------------------------------------------------------------------------------------ */

static void
put32(uint8_t **p, uint32_t v)
{
	memcpy(*p, &v, 4); /* the section says in which order */
	*p += 4;
}

static uint32_t
link_number(uint8_t link)
{
	static const uint16_t numbers[] = {[LINK_ETHERNET] = 1,
	    [LINK_LINUX_SLL] = 113,
	    [LINK_LINUX_SLL2] = 276,
	    [LINK_RAW_IP] = 101,
	    [LINK_NULL] = 0};

	return link < LINK_UNKNOWN ? numbers[link] : 147;
}

#define HEAD_BYTES	(28u + 32u)
#define PACKET_BYTES(n) (32u + (((n) + 3u) & ~3u))

static void
head_put(uint8_t **p, uint8_t link)
{
	put32(p, BLOCK_SECTION);
	put32(p, 28);
	put32(p, 0x1a2b3c4d);
	put32(p, 1); /* version 1.0 */
	put32(p, UINT32_MAX);
	put32(p, UINT32_MAX); /* length not said */
	put32(p, 28);
	put32(p, BLOCK_INTERFACE);
	put32(p, 32);
	put32(p, link_number(link));
	put32(p, 0);		 /* no limit */
	put32(p, 9u | 1u << 16); /* if_tsresol: one byte */
	put32(p, 9);		 /* nanoseconds */
	put32(p, 0);		 /* end of options */
	put32(p, 32);
}

static void
packet_put(uint8_t **p, const struct evidence *e, const struct entry *x)
{
	uint32_t total = PACKET_BYTES(x->caplen), pad = -x->caplen & 3u;

	put32(p, BLOCK_PACKET);
	put32(p, total);
	put32(p, 0);
	put32(p, (uint32_t)(x->ts_ns >> 32));
	put32(p, (uint32_t)x->ts_ns);
	put32(p, x->caplen);
	put32(p, x->wirelen);
	memcpy(*p, e->ring + x->at % RING_BYTES, x->caplen);
	memset(*p + x->caplen, 0, pad);
	*p += x->caplen + pad;
	put32(p, total);
}

static bool
wanted(const struct ends *x, const struct ends *k, bool by_sender)
{
	if (by_sender)
		return memcmp(x->src, k->src, 16) == 0 || memcmp(x->dst, k->src, 16) == 0;
	return memcmp(x, k, sizeof(*x)) == 0 ||
	       (memcmp(x->src, k->dst, 16) == 0 && memcmp(x->dst, k->src, 16) == 0);
}

/* The last ones that fit, newest first; how many. */
static unsigned
choose(struct evidence *e, const struct event *ev, bool by_sender, const struct entry **out)
{
	const struct net_tuple *t = ev->tuple;
	uint64_t oldest = e->n > ENTRIES ? e->n - ENTRIES : 0, frame = ev->frame;
	size_t bytes = HEAD_BYTES;
	unsigned n = 0;
	struct ends k;

	memcpy(k.src, t->src.b, 16);
	memcpy(k.dst, t->dst.b, 16);
	if (t->proto == 0) {
		mac_end(k.src, t->smac);
		mac_end(k.dst, t->dmac);
	}
	for (uint64_t i = e->n; i > oldest; i--) {
		const struct entry *x = &e->entry[(i - 1) % ENTRIES];

		if (e->put - x->at > RING_BYTES || (n != 0 && x->frame > frame))
			break; /* written over; of another capture */
		if (x->frame > ev->frame || !wanted(&x->ends, &k, by_sender) ||
		    (n != 0 && x->link != out[0]->link))
			continue;
		if (n == EVIDENCE_FRAMES || bytes + PACKET_BYTES(x->caplen) > EVIDENCE_BYTES) {
			e->st.frames_cut++;
			break;
		}
		frame = x->frame;
		bytes += PACKET_BYTES(x->caplen);
		out[n++] = x;
	}
	return n;
}

bool
evidence_take(
    struct evidence *e, const struct event *ev, bool by_sender, struct event_evidence *out)
{
	const struct entry *list[EVIDENCE_FRAMES];
	unsigned n = ev->tuple ? choose(e, ev, by_sender, list) : 0;
	struct waiting *w = &e->waiting[e->n_waiting];
	uint8_t *p;

	if (n == 0)
		return false;
	if (e->n_waiting == PENDING) {
		e->st.lost++;
		return false;
	}
	p = w->bytes;
	head_put(&p, list[0]->link);
	while (n > 0)
		packet_put(&p, e, list[--n]);
	w->len = (size_t)(p - w->bytes);
	w->id = (struct event_evidence){.epoch = e->epoch, .seq = ++e->seq};
	crypto_sha256(w->bytes, w->len, w->id.sha256);
	*out = w->id;
	w->named = false;
	w->since_ns = e->later ? clock_mono_ns() : 0;
	e->n_waiting++;
	return true;
}

bool
evidence_of_policy(void *ctx, const struct event *ev, struct event_evidence *out)
{
	struct evidence *e = ctx;

	return ev->kind < EVENT_GUARD && ev->frame != 0 && e->n_waiting < PENDING / 2 &&
	       evidence_take(e, ev, false, out);
}

void
evidence_named_later(struct evidence *e)
{
	e->later = true;
}

void
evidence_named(void *ctx, uint64_t mark, uint64_t epoch, uint64_t seq)
{
	struct evidence *e = ctx;

	for (unsigned i = 0; i < e->n_waiting; i++) {
		struct waiting *w = &e->waiting[i];

		if (w->named || w->id.seq != mark)
			continue;
		w->named = true;
		w->id.epoch = epoch;
		w->id.seq = seq;
		return;
	}
}

static int
file_write(struct evidence *e, const struct waiting *w)
{
	char name[EVIDENCE_NAME_MAX];
	size_t done = 0;
	ssize_t n = 0;
	bool again = faccessat(e->dir, evidence_name(&w->id, name), F_OK, 0) == 0;
	int fd;

	(void)unlinkat(e->dir, PART, 0);
	fd = openat(e->dir, PART, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return ERR_IO;
	while (done < w->len && (n = write(fd, w->bytes + done, w->len - done)) > 0)
		done += (size_t)n;
	if (close(fd) < 0 || done < w->len || renameat(e->dir, PART, e->dir, name) < 0) {
		(void)unlinkat(e->dir, PART, 0); /* half of one proves nothing */
		return ERR_IO;
	}
	if (!again) /* a capture that is replayed once more */
		name_remember(e, w->id.epoch, w->id.seq);
	return 0;
}

/* Its alert was folded into another, as far as anybody can know by now. */
static bool
given_up(const struct evidence *e, const struct waiting *w, uint64_t now_ns)
{
	return !e->later || now_ns - w->since_ns > EVIDENCE_PATIENCE_NS;
}

int
evidence_flush(struct evidence *e)
{
	uint64_t now_ns = e->later && e->n_waiting ? clock_mono_ns() : 0;
	unsigned kept = 0;
	int r = 0;

	for (unsigned i = 0; i < e->n_waiting; i++) {
		struct waiting *w = &e->waiting[i], *to = &e->waiting[kept];
		int one = w->named ? file_write(e, w) : 0;

		if (one < 0) {
			r = one;
			e->st.lost++;
		} else if (w->named) {
			e->st.written++;
		} else if (!given_up(e, w, now_ns)) {
			if (to != w) {
				to->id = w->id;
				to->named = false;
				to->since_ns = w->since_ns;
				to->len = w->len;
				memcpy(to->bytes, w->bytes, w->len);
			}
			kept++;
		}
	}
	e->n_waiting = kept;
	return r;
}
