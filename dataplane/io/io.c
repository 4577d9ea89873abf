/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.c - the list of backends, and which of them an argument means.
 *
 * A backend that this build lacks (mk/features.sh) is not in the list; asking
 * for it is then an error that names those that are.
 */
#include "dataplane/io/io.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

extern const struct io_backend io_file, io_pcap, io_memory, io_xdp, io_dpdk;

const struct io_backend *const io_backends[] = {
    &io_file,
    &io_pcap,
    &io_memory,
#ifdef HAVE_XDP
    &io_xdp,
#endif
#ifdef HAVE_DPDK
    &io_dpdk,
#endif
    NULL,
};

/* Length of the scheme that spec begins with: lower-case letters and digits up
 * to a colon; 0 = none. */
static size_t
scheme_len(const char *spec)
{
	size_t n = strspn(spec, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return spec[n] == ':' ? n : 0;
}

static int
refuse_scheme(const char *spec, size_t n, char *err, size_t err_size)
{
	size_t used = (size_t)snprintf(err, err_size,
	    "%s: \"%.*s\" is not an input that this build has; it has", spec, (int)n, spec);

	for (unsigned i = 0; io_backends[i] && used < err_size; i++)
		used += (size_t)snprintf(
		    err + used, err_size - used, "%s %s:", i ? "," : "", io_backends[i]->scheme);
	return ERR_UNSUPPORTED;
}

int
io_open(struct io **io, const char *spec, const char *write_to, char *err, size_t err_size)
{
	struct io_conf conf = {.target = spec, .write_to = write_to};
	size_t n = scheme_len(spec);

	for (unsigned i = 0; n != 0 && io_backends[i]; i++) {
		const struct io_backend *be = io_backends[i];

		if (strlen(be->scheme) != n || memcmp(be->scheme, spec, n) != 0)
			continue;
		conf.target = spec + n + 1;
		return be->open(io, &conf, 0, err, err_size);
	}
	/* a colon is also a legal character of a file name */
	if (n != 0 && access(spec, F_OK) != 0)
		return refuse_scheme(spec, n, err, err_size);
	return io_file.open(io, &conf, 0, err, err_size);
}
