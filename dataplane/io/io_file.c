/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_file.c - frames from a capture file, and forwarded frames into one.
 *
 * libpcap reads pcap (microseconds and nanoseconds, both byte orders) and
 * pcapng, and writes pcap with nanoseconds and the link type of the source.
 * Its buffer is good until the next frame only, so a burst is copied into ours,
 * packed; a burst ends early when the rest might not hold the largest frame.
 *
 * The usual case, a file of Ethernet frames in this machine's byte order, is read
 * without it, since it takes longer for a frame than the engine's decoder: records
 * are lent where read() has put them.  What is not quite as usual, and every end,
 * is libpcap's from that record on, so there is one author of what is an error.
 *
 * What was readable before a file breaks off is delivered first; then rx()
 * says ERR_TRUNCATED (the file ends inside a record), ERR_FORMAT (it makes no
 * sense) or ERR_IO (it cannot be read), every time it is asked.
 *
 * A frame that the engine shortened is written with the length that it now
 * has on the wire: its own, and what the capture had already left out of it.
 *
 * Write errors are found when a buffer is flushed, at the latest in close();
 * rx() reports them as soon as they are known, so that a full disk ends a run.
 */
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "dataplane/io/io.h"

extern const struct io_backend io_file;

#define FRAME_MAX  (256u * 1024u) /* libpcap refuses longer ones for our link types */
#define BURST_SIZE (2 * FRAME_MAX)
#define READ_SIZE  (256u * 1024u)
#define WRITE_SIZE (64u * 1024u)
#define TEXT_SIZE  512
#define PLAIN_HEAD 24u		  /* of a pcap file */
#define PLAIN_READ (256u * 1024u) /* what is read at once stays in the cache */

struct file_io {
	struct io io;
	pcap_t *in, *out;    /* out: what the writer needs to know, no file */
	pcap_dumper_t *dump; /* NULL: nothing is written */
	enum link_type link;
	int in_err, out_err; /* sticky: ERR_* that rx() or writing ended with */
	uint64_t frame;	     /* number of the last frame read */
	bool plain;	     /* records are read here; else by libpcap */
	bool nano;	     /* plain: of a second, not microseconds */
	uint32_t snaplen;    /* plain: libpcap cuts what is longer */
	off_t read_at;	     /* plain: file offset behind what is in burst[] */
	uint32_t have, used; /* plain: bytes in burst[], and of them given out */
	uint32_t caplen[PKT_BURST], wirelen[PKT_BURST]; /* as lent, by pkt.cookie */
	struct io_stats stats;
	const char *in_name, *out_name; /* for messages; the strings follow the struct */
	char text[TEXT_SIZE];
	char read_buf[READ_SIZE], write_buf[WRITE_SIZE];
	uint8_t burst[BURST_SIZE];
	char names[]; /* of the input, then of the output, each with its NUL */
};

/* Before each frame of a pcap file. */
struct plain_record {
	uint32_t sec, fraction; /* since 1970; fraction in the file's unit */
	uint32_t caplen, wirelen;
};

/* Text of a failed close(), when there is no io any more to ask. */
static _Thread_local char close_text[TEXT_SIZE];

static const struct {
	int dlt;
	enum link_type link;
} links[] = {
    {DLT_EN10MB, LINK_ETHERNET},
    {DLT_LINUX_SLL, LINK_LINUX_SLL},
    {DLT_LINUX_SLL2, LINK_LINUX_SLL2},
    {DLT_RAW, LINK_RAW_IP},
    {DLT_IPV4, LINK_RAW_IP},
    {DLT_IPV6, LINK_RAW_IP},
    {DLT_NULL, LINK_NULL},
    {DLT_LOOP, LINK_NULL},
};

static enum link_type
link_of(int dlt)
{
	for (unsigned i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (links[i].dlt == dlt)
			return links[i].link;
	return LINK_UNKNOWN;
}

static int __attribute__((format(printf, 4, 5)))
fail(char *text, size_t size, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, size, fmt, ap);
	va_end(ap);
	return err;
}

static int
fail_errno(char *text, size_t size, const char *name, int e)
{
	return fail(text, size, err_from_errno(e), "%s: %s", name, strerror(e));
}

/* What libpcap's message means; it has one return code for all. */
static int
err_of_pcap(const char *msg)
{
	if (strncmp(msg, "truncated", 9) == 0)
		return ERR_TRUNCATED;
	if (strncmp(msg, "error reading", 13) == 0)
		return ERR_IO;
	return ERR_FORMAT;
}

/* A buffer of ours, and no lock per call: one thread uses the stream. */
static void
set_buffer(FILE *file, char *buf, size_t size)
{
	(void)setvbuf(file, buf, _IOFBF, size);
	(void)__fsetlocking(file, FSETLOCKING_BYCALLER);
}

static int
open_input(struct file_io *f, char *err, size_t size)
{
	char msg[PCAP_ERRBUF_SIZE] = "";
	bool std = strcmp(f->in_name, "-") == 0;
	/* a descriptor of our own also for standard input: pcap_close() closes it */
	int dlt, fd = std ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
			  : open(f->in_name, O_RDONLY | O_CLOEXEC);
	const char *name;
	FILE *file;
	int c;

	if (std)
		f->in_name = "standard input";
	if (fd < 0)
		return fail_errno(err, size, f->in_name, errno);
	if (!(file = fdopen(fd, "rb"))) {
		close(fd);
		return fail_errno(err, size, f->in_name, ENOMEM);
	}
	set_buffer(file, f->read_buf, sizeof(f->read_buf));
	if ((c = getc(file)) == EOF) {
		int r = ferror(file) ? fail_errno(err, size, f->in_name, errno)
				     : fail(err, size, ERR_TRUNCATED, "%s: empty file", f->in_name);

		fclose(file);
		return r;
	}
	(void)ungetc(c, file);
	f->in = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, msg);
	if (!f->in) {
		int r = fail(err, size, err_of_pcap(msg), "%s: %s", f->in_name,
		    strcmp(msg, "unknown file format") == 0 ? "not a pcap or pcapng capture" : msg);

		fclose(file);
		return r;
	}
	dlt = pcap_datalink(f->in);
	f->link = link_of(dlt);
	if (f->link != LINK_UNKNOWN)
		return 0;
	name = pcap_datalink_val_to_name(dlt);
	return fail(err, size, ERR_UNSUPPORTED,
	    "%s: link type %d (%s) is not supported (Ethernet, Linux cooked, raw IP, loopback are)",
	    f->in_name, dlt, name ? name : "unnamed");
}

/* Is this the usual capture?  Its head has been read, by libpcap, from where the file stood. */
static void
look_plain(struct file_io *f)
{
	FILE *file = pcap_file(f->in);
	const off_t at = ftello(file);
	struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, sigfigs, snaplen, link;
	} head;
	struct stat st;

	_Static_assert(sizeof(head) == PLAIN_HEAD, "as in the file");
	if (f->link != LINK_ETHERNET || at < (off_t)PLAIN_HEAD || fstat(fileno(file), &st) < 0 ||
	    !S_ISREG(st.st_mode) ||
	    pread(fileno(file), &head, sizeof(head), at - PLAIN_HEAD) != (ssize_t)sizeof(head))
		return;
	f->nano = head.magic == 0xa1b23c4d;
	f->plain = (f->nano || head.magic == 0xa1b2c3d4) && head.major == 2 && head.minor == 4;
	f->snaplen = (uint32_t)pcap_snapshot(f->in);
	f->read_at = at;
}

/* The output must not be the input: opened without O_TRUNC, compared, then emptied. */
static int
open_output(struct file_io *f, char *err, size_t size)
{
	bool std = strcmp(f->out_name, "-") == 0;
	int fd = std ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
		     : open(f->out_name, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	struct stat in, out;
	FILE *file;

	if (std)
		f->out_name = "standard output";
	if (fd < 0 || fstat(fd, &out) < 0 || fstat(fileno(pcap_file(f->in)), &in) < 0) {
		int r = fail_errno(err, size, f->out_name, errno);

		if (fd >= 0)
			close(fd);
		return r;
	}
	if (S_ISREG(out.st_mode) && in.st_dev == out.st_dev && in.st_ino == out.st_ino) {
		close(fd);
		return fail(
		    err, size, ERR_USAGE, "%s: is the capture that is being read", f->out_name);
	}
	if ((S_ISREG(out.st_mode) && !std && ftruncate(fd, 0) < 0) || !(file = fdopen(fd, "wb"))) {
		int r = fail_errno(err, size, f->out_name, errno);

		close(fd);
		return r;
	}
	set_buffer(file, f->write_buf, sizeof(f->write_buf));
	f->out = pcap_open_dead_with_tstamp_precision(
	    pcap_datalink(f->in), FRAME_MAX, PCAP_TSTAMP_PRECISION_NANO);
	if (!f->out) {
		fclose(file);
		return fail_errno(err, size, f->out_name, ENOMEM);
	}
	if (!(f->dump = pcap_dump_fopen(f->out, file))) /* has closed file then */
		return fail(err, size, ERR_IO, "%s: %s", f->out_name, pcap_geterr(f->out));
	return 0;
}

/* Everything but the last words of close(). */
static void
file_free(struct file_io *f)
{
	if (f->dump)
		pcap_dump_close(f->dump);
	if (f->out)
		pcap_close(f->out);
	if (f->in)
		pcap_close(f->in);
	free(f);
}

static int
file_open(struct io **io, const struct io_conf *conf, unsigned queue, char *err, size_t err_size)
{
	size_t in_len = strlen(conf->target) + 1;
	size_t out_len = conf->write_to ? strlen(conf->write_to) + 1 : 0;
	struct file_io *f;
	int r;

	if (queue != 0)
		return fail(
		    err, err_size, ERR_UNSUPPORTED, "%s: a capture has one queue", conf->target);
	/* not calloc: the buffers need no zeroes */
	if (!(f = malloc(sizeof(*f) + in_len + out_len)))
		return fail_errno(err, err_size, conf->target, ENOMEM);
	memset(f, 0, offsetof(struct file_io, read_buf));
	f->io.be = &io_file;
	f->in_name = memcpy(f->names, conf->target, in_len);
	if (out_len != 0)
		f->out_name = memcpy(f->names + in_len, conf->write_to, out_len);
	if ((r = open_input(f, err, err_size)) == 0)
		look_plain(f);
	if (r == 0 && f->out_name)
		r = open_output(f, err, err_size);
	if (r < 0) {
		file_free(f);
		return r;
	}
	*io = &f->io;
	return 0;
}

/* ns since 1970.  pcap has 32 bits of seconds, which libpcap reads as signed;
 * pcapng can say any number, so what does not fit is cut to the last instant. */
static uint64_t
time_ns(const struct pcap_pkthdr *h)
{
	uint64_t s = h->ts.tv_sec < 0 ? (uint32_t)h->ts.tv_sec : (uint64_t)h->ts.tv_sec;
	uint64_t ns = (uint32_t)h->ts.tv_usec; /* of this precision */

	return s < UINT64_MAX / NS_PER_S - 4 ? s * NS_PER_S + ns : UINT64_MAX;
}

/* libpcap has no more frames: the end, or the reason. */
static int
input_ended(struct file_io *f, int r)
{
	const char *msg = pcap_geterr(f->in);
	long at;

	if (r == PCAP_ERROR_BREAK)
		return ERR_EOF;
	if (strncmp(msg, "an interface has", 16) == 0)
		return fail(f->text, sizeof(f->text), ERR_UNSUPPORTED,
		    "%s: frame %llu: %s; libpcap reads captures of like interfaces only",
		    f->in_name, (unsigned long long)f->frame + 1, msg);
	at = ftell(pcap_file(f->in));
	if (at < 0) /* a pipe */
		return fail(f->text, sizeof(f->text), err_of_pcap(msg), "%s: frame %llu: %s",
		    f->in_name, (unsigned long long)f->frame + 1, msg);
	return fail(f->text, sizeof(f->text), err_of_pcap(msg),
	    "%s: frame %llu: %s (reading stopped at byte %ld)", f->in_name,
	    (unsigned long long)f->frame + 1, msg, at);
}

/* Of a frame that is lent: what done() wants to know of it. */
static inline struct pkt
lend(struct file_io *f, unsigned n, uint8_t *bytes, uint32_t caplen, uint32_t wirelen, uint64_t ns)
{
	f->caplen[n] = caplen;
	f->wirelen[n] = wirelen > caplen ? wirelen : caplen;
	return (struct pkt){
	    .bytes = bytes,
	    .ts_ns = ns,
	    .frame = ++f->frame,
	    .caplen = caplen,
	    .wirelen = f->wirelen[n],
	    .link = (uint8_t)f->link,
	    .cookie = n,
	};
}

/* What is left goes to the front, and more of the file behind it. */
static void
plain_fill(struct file_io *f)
{
	const int fd = fileno(pcap_file(f->in));
	ssize_t got;

	memmove(f->burst, f->burst + f->used, f->have - f->used);
	f->have -= f->used;
	f->used = 0;
	while (f->have < PLAIN_READ &&
	       (got = pread(fd, f->burst + f->have, PLAIN_READ - f->have, f->read_at)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return; /* libpcap will say so */
		f->have += (uint32_t)got;
		f->read_at += got;
	}
}

/* Frames as they lie in the file, as far as whole records are there. */
static unsigned
plain_take(struct file_io *f, struct pkt *burst, unsigned max)
{
	unsigned n = 0;

	while (n < max && f->have - f->used >= sizeof(struct plain_record)) {
		struct plain_record r;
		uint8_t *bytes = f->burst + f->used + sizeof(r);

		memcpy(&r, f->burst + f->used, sizeof(r));
		if (r.caplen > f->snaplen || r.caplen > f->have - f->used - sizeof(r) ||
		    r.fraction >= (f->nano ? NS_PER_S : NS_PER_S / 1000))
			break;
		f->used += (uint32_t)sizeof(r) + r.caplen;
		burst[n] = lend(f, n, bytes, r.caplen, r.wirelen,
		    r.sec * NS_PER_S + (f->nano ? r.fraction : r.fraction * UINT64_C(1000)));
		n++;
	}
	return n;
}

/* The same, and reads on when there are none.  0: the next record, or the end, is libpcap's. */
static unsigned
plain_rx(struct file_io *f, struct pkt *burst, unsigned max)
{
	unsigned n = plain_take(f, burst, max);

	if (n > 0)
		return n;
	plain_fill(f);
	return plain_take(f, burst, max);
}

static int
file_rx(struct io *io, struct pkt *burst, unsigned max)
{
	struct file_io *f = (struct file_io *)io;
	uint32_t used = 0;
	unsigned n = 0;

	if (f->out_err < 0)
		return f->out_err;
	if (max > PKT_BURST)
		max = PKT_BURST;
	if (f->plain && max > 0) {
		if ((n = plain_rx(f, burst, max)) > 0) {
			f->stats.rx += n;
			return (int)n;
		}
		f->plain = false;
		if (fseeko(pcap_file(f->in), f->read_at - (off_t)(f->have - f->used), SEEK_SET) < 0)
			f->in_err = fail_errno(f->text, sizeof(f->text), f->in_name, errno);
	}
	while (f->in_err == 0 && n < max && used <= BURST_SIZE - FRAME_MAX) {
		struct pcap_pkthdr *h;
		const u_char *data;
		int r = pcap_next_ex(f->in, &h, &data);

		if (r != 1) {
			f->in_err = input_ended(f, r);
			break;
		}
		if (h->caplen > FRAME_MAX) {
			f->in_err = fail(f->text, sizeof(f->text), ERR_FORMAT,
			    "%s: frame %llu: %u bytes are more than a frame can have", f->in_name,
			    (unsigned long long)f->frame + 1, h->caplen);
			break;
		}
		memcpy(f->burst + used, data, h->caplen);
		burst[n] = lend(f, n, f->burst + used, h->caplen, h->len, time_ns(h));
		used += h->caplen;
		n++;
	}
	f->stats.rx += n;
	return n != 0 ? (int)n : f->in_err;
}

static int
write_failed(struct file_io *f, int e)
{
	f->out_err = fail_errno(f->text, sizeof(f->text), f->out_name, e != 0 ? e : EIO);
	return f->out_err;
}

/* One frame with this length on the wire. */
static int
put_frame(struct file_io *f, const struct pkt *p, uint32_t wirelen)
{
	struct pcap_pkthdr h = {
	    .ts = {.tv_sec = (time_t)(p->ts_ns / NS_PER_S),
		.tv_usec = (suseconds_t)(p->ts_ns % NS_PER_S)},
	    .caplen = p->caplen,
	    .len = wirelen,
	};

	if (f->dump && f->out_err == 0) {
		errno = 0; /* pcap_dump() tells nobody, but leaves both behind */
		pcap_dump((u_char *)f->dump, &h, p->bytes);
		if (ferror(pcap_dump_file(f->dump)))
			(void)write_failed(f, errno);
	}
	if (f->out_err < 0) {
		f->stats.tx_dropped++;
		return f->out_err;
	}
	f->stats.tx++;
	return 0;
}

static int
file_tx(struct io *io, const struct pkt *p)
{
	struct file_io *f = (struct file_io *)io;

	if (p->link != f->link || p->caplen > FRAME_MAX) {
		f->stats.tx_dropped++;
		return fail(f->text, sizeof(f->text), ERR_UNSUPPORTED,
		    "a frame of %u bytes and link type %u does not fit this capture", p->caplen,
		    p->link);
	}
	return put_frame(f, p, p->wirelen > p->caplen ? p->wirelen : p->caplen);
}

static void
file_done(struct io *io, struct pkt *burst, unsigned n)
{
	struct file_io *f = (struct file_io *)io;

	if (!f->dump) {
		for (unsigned i = 0; i < n; i++)
			f->stats.tx += burst[i].fate == FATE_FORWARD;
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		const struct pkt *p = &burst[i];
		uint32_t lent = f->wirelen[p->cookie % PKT_BURST];
		uint32_t cut = lent - f->caplen[p->cookie % PKT_BURST];
		uint32_t wire = p->wirelen == lent ? p->caplen + cut : p->wirelen;

		if (p->fate == FATE_FORWARD)
			(void)put_frame(f, p, wire > p->caplen ? wire : p->caplen);
	}
}

static void
file_stats(const struct io *io, struct io_stats *st)
{
	*st = ((const struct file_io *)io)->stats;
}

static const char *
file_err_text(const struct io *io)
{
	return io ? ((const struct file_io *)io)->text : close_text;
}

/* A network file system may tell only when a descriptor is closed, and
 * pcap_dump_close() does not pass that on: so flush, and close a copy first. */
static int
finish_output(struct file_io *f)
{
	FILE *file = pcap_dump_file(f->dump);
	int fd;

	if (fflush(file) != 0)
		return write_failed(f, errno);
	fd = fcntl(fileno(file), F_DUPFD_CLOEXEC, 3);
	if (fd < 0 || close(fd) != 0)
		return write_failed(f, errno);
	return 0;
}

static int
file_close(struct io *io)
{
	struct file_io *f = (struct file_io *)io;
	int r = f->out_err;

	if (r == 0 && f->dump)
		r = finish_output(f);
	memcpy(close_text, r < 0 ? f->text : "", r < 0 ? sizeof(close_text) : 1);
	file_free(f);
	return r;
}

const struct io_backend io_file = {
    .scheme = "file",
    .open = file_open,
    .rx = file_rx,
    .tx = file_tx,
    .done = file_done,
    .stats = file_stats,
    .err_text = file_err_text,
    .close = file_close,
};
