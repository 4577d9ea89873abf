/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_file_test.c - captures in and out.  The broken ones come from
 * tests/e2e/mkbad.py, whose index says what must still be read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/err.h"
#include "dataplane/io/io.h"

static char dir[] = "/tmp/io_file_test.XXXXXX";
static char err[512];

/* dir/name, good for three uses at a time. */
static const char *
path(const char *name)
{
	static char buf[3][128];
	static unsigned i;

	i = (i + 1) % 3;
	snprintf(buf[i], sizeof(buf[i]), "%s/%s", dir, name);
	return buf[i];
}

static int
run(const char *a, const char *b, const char *c)
{
	const char *argv[] = {a, b, c, NULL};
	int status = -1;
	pid_t pid;

	if (posix_spawnp(&pid, a, NULL, NULL, (char **)(uintptr_t)argv, environ) == 0)
		(void)waitpid(pid, &status, 0);
	return status;
}

static int
setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? run("python3", "tests/e2e/mkbad.py", dir) : -1;
}

static int
teardown(void **state)
{
	(void)state;
	return run("rm", "-rf", dir);
}

static struct io *
must_open(const char *in, const char *out)
{
	struct io *io = NULL;

	if (io_open(&io, in, out, err, sizeof(err)) != 0)
		fail_msg("%s: %s", in, err);
	return io;
}

/* Read to the end, forwarding all; returns what rx() ended with. */
static int
drain(struct io *io, unsigned *frames)
{
	struct pkt burst[PKT_BURST];
	int n;

	*frames = 0;
	while ((n = io->be->rx(io, burst, PKT_BURST)) > 0) {
		*frames += (unsigned)n;
		io->be->done(io, burst, (unsigned)n);
	}
	return n;
}

/* Every capture of the index: what is readable is read, then the right reason
 * is given, again and again. */
static void
test_hostile(void **state)
{
	static const struct {
		const char *name;
		int err;
	} ends[] = {
	    {"eof", ERR_EOF},
	    {"truncated", ERR_TRUNCATED},
	    {"format", ERR_FORMAT},
	    {"unsupported", ERR_UNSUPPORTED},
	    {"io", ERR_IO},
	};
	char line[256], name[64], end[32];
	unsigned want, got, n = 0;
	FILE *index = fopen(path("index.tsv"), "r");

	(void)state;
	assert_non_null(index);
	while (fgets(line, sizeof(line), index)) {
		struct pkt burst[PKT_BURST];
		struct io *io = NULL;
		unsigned e = 0;
		int r;

		assert_int_equal(sscanf(line, "%63s\t%u\t%31s", name, &want, end), 3);
		while (strcmp(ends[e].name, end) != 0)
			assert_true(++e < sizeof(ends) / sizeof(ends[0]));
		got = 0;
		err[0] = '\0';
		if ((r = io_open(&io, path(name), NULL, err, sizeof(err))) == 0) {
			r = drain(io, &got);
			assert_int_equal(io->be->rx(io, burst, PKT_BURST), r);
			snprintf(err, sizeof(err), "%s", io->be->err_text(io));
			assert_int_equal(io->be->close(io), 0);
		}
		if (r != ends[e].err || got != want)
			fail_msg("%s: %u frames, %s: %s", name, got, err_str(r), err);
		if (r != ERR_EOF && (!strstr(err, name) || strchr(err, '\n')))
			fail_msg("%s: bad message: %s", name, err);
		n++;
	}
	fclose(index);
	assert_true(n > 40);
}

static void
test_fields(void **state)
{
	struct io *io = must_open(path("good_ns_be.pcap"), NULL);
	struct pkt burst[PKT_BURST];
	struct io_stats st;

	(void)state;
	assert_int_equal(io->be->rx(io, burst, 3), 3);
	assert_int_equal(burst[2].frame, 3);
	assert_true(burst[2].ts_ns == UINT64_C(1700000000000000002));
	assert_int_equal(burst[2].caplen, 66);
	assert_int_equal(burst[2].wirelen, 66);
	assert_int_equal(burst[2].link, LINK_ETHERNET);
	assert_int_equal(burst[2].fate, FATE_FORWARD);
	assert_int_equal(burst[2].bytes[12] << 8 | burst[2].bytes[13], 0x0800);
	assert_int_equal(burst[2].bytes[55], 3); /* transaction id: the third request */
	assert_int_equal(io->be->rx(io, burst, PKT_BURST), 1);
	assert_int_equal(io->be->rx(io, burst, PKT_BURST), ERR_EOF);
	io->be->stats(io, &st);
	assert_int_equal(st.rx, 4);
	assert_int_equal(io->be->close(io), 0);

	io = must_open(path("good.pcap"), NULL); /* microseconds */
	assert_int_equal(io->be->rx(io, burst, PKT_BURST), 4);
	assert_true(burst[3].ts_ns == UINT64_C(1700000000000003000));
	assert_int_equal(io->be->close(io), 0);

	io = must_open(path("time_far.pcap"), NULL); /* 32 bits of seconds are unsigned */
	assert_int_equal(io->be->rx(io, burst, PKT_BURST), 1);
	assert_true(burst[0].ts_ns >= UINT64_C(4294967295000000000));
	assert_int_equal(io->be->close(io), 0);
}

/* Captured more than there was is nonsense; captured less is not. */
static void
test_lengths(void **state)
{
	struct io *io = must_open(path("wirelen_small.pcap"), NULL);
	struct pkt burst[PKT_BURST];

	(void)state;
	assert_int_equal(io->be->rx(io, burst, PKT_BURST), 1);
	assert_int_equal(burst[0].wirelen, burst[0].caplen);
	assert_int_equal(io->be->close(io), 0);
	io = must_open(path("snaplen_20.pcap"), NULL);
	assert_int_equal(io->be->rx(io, burst, PKT_BURST), 4);
	assert_int_equal(burst[3].caplen, 20);
	assert_int_equal(burst[3].wirelen, 66);
	assert_int_equal(io->be->close(io), 0);
}

static void
put32(FILE *f, uint32_t v)
{
	assert_int_equal(fwrite(&v, 4, 1, f), 1);
}

/* A pcap of this machine's byte order whose frames have the given lengths. */
static void
make_pcap(const char *name, uint32_t link, const uint32_t *lens, unsigned n)
{
	static uint8_t bytes[256 * 1024];
	FILE *f = fopen(path(name), "wb");

	assert_non_null(f);
	put32(f, 0xa1b23c4d);
	put32(f, 2 | 4 << 16);
	put32(f, 0);
	put32(f, 0);
	put32(f, sizeof(bytes));
	put32(f, link);
	for (unsigned i = 0; i < n; i++) {
		memset(bytes, (int)(i + 1), sizeof(bytes));
		put32(f, 1000 + i);
		put32(f, i);
		put32(f, lens[i]);
		put32(f, lens[i]);
		assert_int_equal(fwrite(bytes, 1, lens[i], f), lens[i]);
	}
	assert_int_equal(fclose(f), 0);
}

/* Frames of a burst do not overwrite each other, whatever their size. */
static void
test_large_frames(void **state)
{
	enum { N = 100 };
	uint32_t lens[N];
	struct pkt burst[PKT_BURST];
	struct io *io;
	unsigned seen = 0;
	int n;

	(void)state;
	for (unsigned i = 0; i < N; i++)
		lens[i] = i % 5 == 0 ? 256 * 1024 : i % 3 == 0 ? 65535 : 60;
	make_pcap("large.pcap", 1, lens, N);
	io = must_open(path("large.pcap"), NULL);
	while ((n = io->be->rx(io, burst, PKT_BURST)) > 0) {
		for (int i = 0; i < n; i++, seen++) {
			const struct pkt *p = &burst[i];

			assert_int_equal(p->frame, seen + 1);
			assert_int_equal(p->caplen, lens[seen]);
			for (uint32_t k = 0; k < p->caplen; k++)
				if (p->bytes[k] != seen + 1)
					fail_msg("frame %u byte %u", seen + 1, k);
		}
	}
	assert_int_equal(n, ERR_EOF);
	assert_int_equal(seen, N);
	assert_int_equal(io->be->close(io), 0);
}

/* Some megabytes, in the usual form and in one that libpcap reads: from a record on whose fraction of a second is more
 * than one, or from the first on.  The same frames either way. */
static void
test_long(void **state)
{
	static const struct {
		uint32_t magic, unit; /* of the fraction, ns */
		unsigned odd;	      /* this record's fraction is a unit too many */
	} files[] = {{0xa1b2c3d4, 1000, UINT32_MAX}, {0xa1b23c4d, 1, UINT32_MAX},
	    {0xa1b2c3d4, 1000, 3000}, {0xa1b23c4d, 1, 0}};
	static uint8_t bytes[70000];
	enum { FRAMES = 6000 };

	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	for (unsigned k = 0; k < sizeof(files) / sizeof(files[0]); k++) {
		const uint32_t second = (uint32_t)(1000000000 / files[k].unit);
		FILE *f = fopen(path("long.pcap"), "wb");
		struct pkt burst[PKT_BURST];
		uint64_t n = 0;
		struct io *io;
		int got;

		assert_non_null(f);
		put32(f, files[k].magic);
		put32(f, 2 | 4 << 16);
		put32(f, 0);
		put32(f, 0);
		put32(f, 70000);
		put32(f, 1);
		for (unsigned i = 0; i < FRAMES; i++) {
			uint32_t len = i % 1000 == 999 ? 65000 : i % 1515;

			put32(f, 4000000000u + i);
			put32(f, i == files[k].odd ? second + i : second - 1 - i);
			put32(f, len);
			put32(f, len + i % 3);
			assert_int_equal(fwrite(bytes + i % 500, 1, len, f), len);
		}
		assert_int_equal(fclose(f), 0);
		io = must_open(path("long.pcap"), NULL);
		while ((got = io->be->rx(io, burst, PKT_BURST)) > 0) {
			for (int j = 0; j < got; j++, n++) {
				const struct pkt *p = &burst[j];
				uint32_t len = n % 1000 == 999 ? 65000 : (uint32_t)(n % 1515);
				uint64_t part = n == files[k].odd ? second + n : second - 1 - n;

				assert_int_equal(p->frame, n + 1);
				assert_int_equal(p->caplen, len);
				assert_int_equal(p->wirelen, len + n % 3);
				assert_memory_equal(p->bytes, bytes + n % 500, len);
				assert_true(p->ts_ns ==
					    (4000000000 + n) * 1000000000 + part * files[k].unit);
			}
			io->be->done(io, burst, (unsigned)got);
		}
		assert_int_equal(got, ERR_EOF);
		assert_int_equal(n, FRAMES);
		assert_int_equal(io->be->close(io), 0);
	}
}

static void
test_links(void **state)
{
	static const struct {
		uint32_t in_file; /* LINKTYPE_ */
		uint8_t want;
	} links[] = {
	    {1, LINK_ETHERNET},
	    {113, LINK_LINUX_SLL},
	    {276, LINK_LINUX_SLL2},
	    {101, LINK_RAW_IP},
	    {228, LINK_RAW_IP},
	    {229, LINK_RAW_IP},
	    {0, LINK_NULL},
	    {108, LINK_NULL},
	};
	const uint32_t lens[] = {60};
	struct pkt burst[PKT_BURST];

	(void)state;
	for (unsigned i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		struct io *io, *back;

		make_pcap("link.pcap", links[i].in_file, lens, 1);
		io = must_open(path("link.pcap"), path("link_out.pcap"));
		assert_int_equal(io->be->rx(io, burst, PKT_BURST), 1);
		assert_int_equal(burst[0].link, links[i].want);
		io->be->done(io, burst, 1);
		assert_int_equal(io->be->close(io), 0);
		back = must_open(path("link_out.pcap"), NULL); /* keeps its link type */
		assert_int_equal(back->be->rx(back, burst, PKT_BURST), 1);
		assert_int_equal(burst[0].link, links[i].want);
		assert_int_equal(back->be->close(back), 0);
	}
}

static void
assert_same_file(const char *a, const char *b)
{
	FILE *fa = fopen(a, "rb"), *fb = fopen(b, "rb");
	int ca, cb;

	assert_non_null(fa);
	assert_non_null(fb);
	do {
		ca = getc(fa);
		cb = getc(fb);
		assert_int_equal(ca, cb);
	} while (ca != EOF);
	fclose(fa);
	fclose(fb);
}

/* What is forwarded untouched is written as it was. */
static void
test_write_same(void **state)
{
	struct io *io = must_open(path("large.pcap"), path("large_out.pcap"));
	struct io_stats st;
	unsigned frames;

	(void)state;
	assert_int_equal(drain(io, &frames), ERR_EOF);
	io->be->stats(io, &st);
	assert_int_equal(st.tx, frames);
	assert_int_equal(io->be->close(io), 0);
	assert_same_file(path("large.pcap"), path("large_out.pcap"));
}

/* Dropped, held and consumed frames are not written; shortened ones as they are
 * now, with the length they now have on the wire; frames of our own too. */
static void
test_write_fates(void **state)
{
	static const uint8_t own[] = "a frame of the engine's";
	struct io *io = must_open(path("headers_cut.pcap"), path("fates.pcap"));
	struct pkt burst[PKT_BURST], p;
	struct io_stats st;
	uint8_t held[40];

	(void)state;
	assert_int_equal(io->be->rx(io, burst, PKT_BURST), 4);
	burst[0].fate = FATE_DROP;
	burst[1].caplen -= 10; /* 40 of 66 bytes: ten of them taken out */
	burst[2].fate = FATE_HELD;
	burst[3].fate = FATE_CONSUMED;
	memcpy(held, burst[2].bytes, sizeof(held));
	p = burst[2];
	io->be->done(io, burst, 4);
	p.bytes = held;
	assert_int_equal(io->be->tx(io, &p), 0);
	p = (struct pkt){.bytes = own, .caplen = sizeof(own), .wirelen = sizeof(own), .ts_ns = 5};
	assert_int_equal(io->be->tx(io, &p), 0);
	p.link = LINK_RAW_IP; /* does not fit an Ethernet capture */
	assert_int_equal(io->be->tx(io, &p), ERR_UNSUPPORTED);
	io->be->stats(io, &st);
	assert_int_equal(st.tx, 3);
	assert_int_equal(st.tx_dropped, 1);
	assert_int_equal(io->be->close(io), 0);

	io = must_open(path("fates.pcap"), NULL);
	assert_int_equal(io->be->rx(io, burst, PKT_BURST), 3);
	assert_int_equal(burst[0].caplen, 30);
	assert_int_equal(burst[0].wirelen, 56);
	assert_int_equal(burst[1].caplen, 40);
	assert_int_equal(burst[1].wirelen, 66);
	assert_memory_equal(burst[1].bytes, held, 40);
	assert_int_equal(burst[2].wirelen, sizeof(own));
	assert_memory_equal(burst[2].bytes, own, sizeof(own));
	assert_int_equal(burst[2].ts_ns, 5);
	assert_int_equal(io->be->close(io), 0);
}

static void
test_open_errors(void **state)
{
	struct stat st;
	struct io *io = NULL;

	(void)state;
	assert_int_equal(io_open(&io, path("absent.pcap"), NULL, err, sizeof(err)), ERR_NOTFOUND);
	assert_non_null(strstr(err, "absent.pcap: No such file"));
	assert_int_equal(io_open(&io, dir, NULL, err, sizeof(err)), ERR_IO);
	assert_non_null(strstr(err, "Is a directory"));
	assert_int_equal(
	    io_open(&io, path("good.pcap"), path("no/such/dir"), err, sizeof(err)), ERR_NOTFOUND);
	assert_non_null(strstr(err, "no/such/dir"));
	/* an unreadable input does not create the output */
	assert_int_equal(
	    io_open(&io, path("text.pcap"), path("never.pcap"), err, sizeof(err)), ERR_FORMAT);
	assert_int_equal(stat(path("never.pcap"), &st), -1);
	/* nor is a capture written over while it is read, under whatever name */
	assert_int_equal(symlink(path("good.pcap"), path("alias.pcap")), 0);
	assert_int_equal(
	    io_open(&io, path("good.pcap"), path("alias.pcap"), err, sizeof(err)), ERR_USAGE);
	assert_int_equal(stat(path("good.pcap"), &st), 0);
	assert_true(st.st_size > 24);
	assert_null(io);
}

static void
test_schemes(void **state)
{
	char spec[160];
	struct io *io = NULL;
	unsigned frames;

	(void)state;
	snprintf(spec, sizeof(spec), "file:%s", path("good.pcap"));
	io = must_open(spec, NULL);
	assert_int_equal(drain(io, &frames), ERR_EOF);
	assert_int_equal(frames, 4);
	assert_int_equal(io->be->close(io), 0);
	assert_int_equal(io_open(&io, "teleport:eth0", NULL, err, sizeof(err)), ERR_UNSUPPORTED);
	assert_non_null(strstr(err, "teleport"));
	assert_non_null(strstr(err, "file:"));
	/* a file whose name only looks like a scheme */
	assert_int_equal(symlink(path("good.pcap"), path("a:b")), 0);
	assert_int_equal(chdir(dir), 0);
	io = must_open("a:b", NULL);
	assert_int_equal(io->be->close(io), 0);
}

/* A disk that is full: found while writing, or at the latest in close(). */
static void
test_full_disk(void **state)
{
	struct io *io = must_open(path("good.pcap"), "/dev/full");
	struct pkt burst[PKT_BURST];
	struct io_stats st;
	unsigned frames;

	(void)state;
	assert_int_equal(drain(io, &frames), ERR_EOF); /* four frames fit the buffer */
	assert_int_equal(frames, 4);
	assert_int_equal(io->be->close(io), ERR_NOSPC);
	assert_string_equal(io_backends[0]->err_text(NULL), "/dev/full: No space left on device");

	io = must_open(path("large.pcap"), "/dev/full");
	assert_int_equal(drain(io, &frames), ERR_NOSPC);
	assert_true(frames < 100);
	assert_string_equal(io->be->err_text(io), "/dev/full: No space left on device");
	assert_int_equal(io->be->rx(io, burst, PKT_BURST), ERR_NOSPC);
	io->be->stats(io, &st);
	assert_true(st.tx_dropped > 0 && st.tx + st.tx_dropped == frames);
	assert_int_equal(io->be->close(io), ERR_NOSPC);

	io = must_open(path("good.pcap"), path("fine.pcap"));
	assert_int_equal(io->be->close(io), 0);
	assert_string_equal(io_backends[0]->err_text(NULL), "");
}

/* "-" is standard input and output, and both can be used again. */
static void
test_standard(void **state)
{
	int in = dup(STDIN_FILENO), out = dup(STDOUT_FILENO), fd;
	struct io *io;
	unsigned frames;

	(void)state;
	fflush(stdout);
	for (unsigned i = 0; i < 2; i++) {
		fd = open(path("good_ns.pcap"), O_RDONLY);
		assert_true(fd >= 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO);
		close(fd);
		fd = open(path("piped.pcap"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_true(fd >= 0 && dup2(fd, STDOUT_FILENO) == STDOUT_FILENO);
		close(fd);
		io = must_open("-", "-");
		assert_int_equal(drain(io, &frames), ERR_EOF);
		assert_int_equal(io->be->close(io), 0);
		assert_int_equal(frames, 4);
	}
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	close(in);
	close(out);
	io = must_open(path("piped.pcap"), NULL);
	assert_int_equal(drain(io, &frames), ERR_EOF);
	assert_int_equal(frames, 4);
	assert_int_equal(io->be->close(io), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hostile), cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_lengths), cmocka_unit_test(test_large_frames),
	    cmocka_unit_test(test_long), cmocka_unit_test(test_links),
	    cmocka_unit_test(test_write_same), cmocka_unit_test(test_write_fates),
	    cmocka_unit_test(test_open_errors), cmocka_unit_test(test_full_disk),
	    cmocka_unit_test(test_standard),
	    cmocka_unit_test(test_schemes), /* changes the folder: last */
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
