/* SPDX-License-Identifier: Apache-2.0 */
/* bundle.c - see bundle.h. */
#include "policy/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

#define PIECE 65536u
#define HEAD  (POLICY_FILE_NAME + 24u) /* a length, a blank, a name, a newline */
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int
put(int to, off_t at, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t w = pwrite(to, bytes, n, at);

		if (w < 0 && errno != EINTR)
			return -1;
		bytes += w > 0 ? w : 0;
		at += w > 0 ? w : 0;
		n -= w > 0 ? (size_t)w : 0;
	}
	return 0;
}

/* len bytes, or as many as there are; how many, -1 with errno.  to -1: nowhere; hash may be NULL. */
static int64_t
copy(int to, off_t to_at, int from, off_t at, uint64_t len, struct crypto_sha256 *hash)
{
	static char buf[PIECE];
	uint64_t done = 0;

	while (done < len) {
		ssize_t n =
		    pread(from, buf, len - done < PIECE ? len - done : PIECE, at + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || (n > 0 && to >= 0 && put(to, to_at + (off_t)done, buf, (size_t)n) < 0))
			return -1;
		if (n == 0)
			break;
		if (hash)
			crypto_sha256_update(hash, buf, (size_t)n);
		done += (uint64_t)n;
	}
	return (int64_t)done;
}

static int
no(char *err, size_t size, const char *name)
{
	return err_say(err, size, err_from_errno(errno), "%s: %s", name, strerror(errno));
}

int
bundle_add(int *fd, const char *name, int from, char *err, size_t size)
{
	struct stat old, st;
	char head[HEAD + 1];
	int n;

	if (*fd < 0 && (*fd = memfd_create("interlock-bundle", MFD_CLOEXEC)) < 0)
		return no(err, size, name);
	if (fstat(*fd, &old) < 0 || fstat(from, &st) < 0)
		return no(err, size, name);
	if (st.st_size < 0 || st.st_size > (off_t)BUNDLE_MAX - old.st_size)
		return err_say(err, size, ERR_FULL, "%s: more than %u MiB in all files together",
		    name, BUNDLE_MAX >> 20);
	n = snprintf(head, sizeof(head), "%llu %s\n", (unsigned long long)st.st_size, name);
	if (n < 0 || (size_t)n >= sizeof(head))
		return err_say(err, size, ERR_RANGE, "%s: too long", name);
	if (put(*fd, old.st_size, head, (size_t)n) < 0 ||
	    copy(*fd, old.st_size + n, from, 0, (uint64_t)st.st_size, NULL) != st.st_size) {
		(void)no(err, size, name);
		return ftruncate(*fd, old.st_size) < 0 ? ERR_IO : ERR_NOMEM;
	}
	return 0;
}

int
bundle_next(int fd, off_t *next, struct bundle_file *f)
{
	char head[HEAD + 1], *end, *name;
	ssize_t n = pread(fd, head, HEAD, *next);
	unsigned long long len;
	struct stat st;

	if (n == 0)
		return 0;
	if (n < 0 || fstat(fd, &st) < 0)
		return ERR_FORMAT;
	head[n] = '\0';
	if (!(end = memchr(head, '\n', (size_t)n)) || head[0] < '0' || head[0] > '9')
		return ERR_FORMAT;
	*end = '\0';
	errno = 0;
	len = strtoull(head, &name, 10);
	if (errno != 0 || *name++ != ' ' || *name == '\0' || strlen(name) >= sizeof(f->name))
		return ERR_FORMAT;
	memcpy(f->name, name, strlen(name) + 1);
	f->at = *next + (end - head) + 1;
	f->len = len;
	if (f->at > st.st_size || len > (uint64_t)(st.st_size - f->at))
		return ERR_FORMAT;
	*next = f->at + (off_t)len;
	return 1;
}

int
bundle_get(int fd, const char *name, char *err, size_t size)
{
	struct bundle_file f;
	off_t next = 0;
	int r, out;

	while ((r = bundle_next(fd, &next, &f)) == 1 && strcmp(f.name, name) != 0)
		;
	if (r != 1)
		return err_say(err, size, r == 0 ? ERR_NOTFOUND : r,
		    "%s: is not among the files that came with it", name);
	if ((out = memfd_create("interlock-text", MFD_CLOEXEC | MFD_ALLOW_SEALING)) < 0)
		return no(err, size, name);
	if (copy(out, 0, fd, f.at, f.len, NULL) == (int64_t)f.len &&
	    fcntl(out, F_ADD_SEALS, SEALS) == 0)
		return out;
	(void)no(err, size, name);
	close(out);
	return ERR_IO;
}

int
bundle_hash(int fd, off_t at, uint64_t len, uint8_t sha256[CRYPTO_SHA256_LEN])
{
	struct crypto_sha256 h;
	int64_t n;

	crypto_sha256_init(&h);
	n = copy(-1, 0, fd, at, len, &h);
	crypto_sha256_final(&h, sha256);
	return n < 0 || (len != UINT64_MAX && (uint64_t)n != len) ? ERR_IO : 0;
}
