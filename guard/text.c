/* SPDX-License-Identifier: Apache-2.0 */
/* text.c - a policy's bytes at one moment (text.h). */
#include "guard/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "policy/files.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define PIECE 65536u

/* A descriptor of a regular file; or ERR_*, said. */
static int
open_file(const char *path, char *err, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return err_say(err, size, err_from_errno(errno), "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return err_say(err, size, ERR_USAGE, "%s: not a file", path);
}

/* All of it, TEXT_MAX + 1 bytes at most.  0 or -1 with errno. */
static int
copy(int to, int from, struct crypto_sha256 *hash)
{
	static unsigned char buf[PIECE];
	size_t left = TEXT_MAX + 1;
	off_t at = 0;

	while (left > 0) {
		ssize_t n = pread(from, buf, left < sizeof(buf) ? left : sizeof(buf), at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		for (ssize_t done = 0; done < n;) {
			ssize_t w = write(to, buf + done, (size_t)(n - done));

			if (w < 0 && errno != EINTR)
				return -1;
			done += w > 0 ? w : 0;
		}
		if (hash)
			crypto_sha256_update(hash, buf, (size_t)n);
		at += n;
		left -= (size_t)n;
	}
	return 0;
}

static void
read_signature(struct text *t, int fd)
{
	ssize_t n = pread(fd, t->sig, sizeof(t->sig), 0);

	t->sig_len = n > 0 ? (size_t)n : 0;
}

static void
take_signature(struct text *t, const char *path)
{
	char name[PATH_MAX], err[8];
	int fd;

	if (snprintf(name, sizeof(name), "%s.minisig", path) >= (int)sizeof(name))
		return;
	if ((fd = open_file(name, err, sizeof(err))) < 0)
		return;
	read_signature(t, fd);
	close(fd);
}

/* 0 or ERR_*, said. */
static int
take(struct text *t, int from, const char *path, char *err, size_t size)
{
	struct crypto_sha256 hash;
	int r = 0;

	crypto_sha256_init(&hash);
	t->fd = memfd_create("interlock-text", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (t->fd < 0 || copy(t->fd, from, &hash) < 0 || fcntl(t->fd, F_ADD_SEALS, SEALS) < 0)
		r = err_say(err, size, err_from_errno(errno), "%s: %s", path, strerror(errno));
	if (r < 0)
		text_drop(t);
	else
		crypto_sha256_final(&hash, t->sha256);
	return r;
}

int
text_take(struct text *t, const char *path, char *err, size_t size)
{
	int from = open_file(path, err, size), r;

	*t = (struct text){.fd = -1};
	if (from < 0)
		return from;
	r = take(t, from, path, err, size);
	close(from);
	if (r == 0)
		take_signature(t, path);
	return r;
}

int
text_take_fd(struct text *t, int fd, int sig, char *err, size_t size)
{
	struct stat st;
	int r;

	*t = (struct text){.fd = -1};
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (sig >= 0 && (fstat(sig, &st) < 0 || !S_ISREG(st.st_mode))))
		return err_say(err, size, ERR_USAGE, "what came with it is not a file");
	r = take(t, fd, "the file", err, size);
	if (r == 0 && sig >= 0)
		read_signature(t, sig);
	return r;
}

int
text_copy(int dir, const char *rel, char *err, size_t size)
{
	int from = policy_dir_file(dir, rel, err, size), fd;

	if (from < 0)
		return from;
	fd = memfd_create("interlock-text", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0 && copy(fd, from, NULL) == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0) {
		close(from);
		return fd;
	}
	(void)err_say(err, size, 0, "%s", strerror(errno));
	close(from);
	if (fd >= 0)
		close(fd);
	return ERR_IO;
}

/* --- on disk --------------------------------------------------------------------------------- */

/* PATH.new, written and synced, takes the place of PATH. */
static int
put(const char *path, int from, const char *bytes, size_t len)
{
	char tmp[PATH_MAX];
	bool ok;
	int fd;

	if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int)sizeof(tmp)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	ok = fd >= 0 &&
	     (from >= 0 ? copy(fd, from, NULL) == 0 : write(fd, bytes, len) == (ssize_t)len);
	ok = ok && fsync(fd) == 0;
	if (fd >= 0 && close(fd) < 0)
		ok = false;
	return ok && rename(tmp, path) == 0 ? 0 : -1;
}

int
text_save(const struct text *t, const char *path, char *err, size_t size)
{
	char sig[PATH_MAX];

	if (snprintf(sig, sizeof(sig), "%s.minisig", path) >= (int)sizeof(sig))
		return err_say(err, size, ERR_USAGE, "%s: too long", path);
	/* The signature first: a text without its own is worse than a signature without its text. */
	if ((t->sig_len > 0 ? put(sig, -1, t->sig, t->sig_len)
			    : unlink(sig) < 0 && errno != ENOENT) ||
	    put(path, t->fd, NULL, 0) < 0)
		return err_say(err, size, err_from_errno(errno), "%s: %s", path, strerror(errno));
	return 0;
}

void
text_drop(struct text *t)
{
	if (t->fd >= 0)
		close(t->fd);
	*t = (struct text){.fd = -1};
}
