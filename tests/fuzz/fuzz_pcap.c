/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_pcap.c - a capture file: read it to its end, decode every frame, write
 * all of them to another capture and read that one back.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "dataplane/decode.h"
#include "dataplane/io/io.h"

#define BURSTS_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Frames of a capture; all are forwarded. */
static unsigned
read_all(const char *path, const char *write_to, int *end)
{
	char err[512] = "";
	struct pkt burst[PKT_BURST];
	struct io_stats st;
	unsigned frames = 0;
	struct layers l;
	struct io *io;
	int n;

	if ((n = io_open(&io, path, write_to, err, sizeof(err))) < 0) {
		assert(err[0] != '\0');
		*end = n;
		return 0;
	}
	for (unsigned i = 0; i < BURSTS_MAX && (n = io->be->rx(io, burst, PKT_BURST)) > 0; i++) {
		for (int k = 0; k < n; k++) {
			assert(burst[k].frame == ++frames);
			assert(burst[k].caplen <= burst[k].wirelen);
			assert(decode(&burst[k], &l) < DROP__MAX);
		}
		io->be->done(io, burst, (unsigned)n);
	}
	assert(n >= 0 || n == ERR_EOF || io->be->err_text(io)[0] != '\0');
	io->be->stats(io, &st);
	assert(st.rx == frames && st.tx == frames && st.tx_dropped == 0);
	assert(io->be->close(io) == 0);
	*end = n;
	return frames;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int in = -1, out = -1;
	char in_path[32], out_path[32];
	unsigned frames;
	int end;

	if (in < 0) {
		in = memfd_create("in", MFD_CLOEXEC);
		out = memfd_create("out", MFD_CLOEXEC);
		assert(in >= 0 && out >= 0);
	}
	assert(ftruncate(in, 0) == 0 && ftruncate(out, 0) == 0);
	assert(pwrite(in, data, size, 0) == (ssize_t)size);
	snprintf(in_path, sizeof(in_path), "/proc/self/fd/%d", in);
	snprintf(out_path, sizeof(out_path), "/proc/self/fd/%d", out);
	frames = read_all(in_path, out_path, &end);
	if (frames > 0) {
		assert(read_all(out_path, NULL, &end) == frames);
		assert(end >= 0 || end == ERR_EOF);
	}
	return 0;
}
