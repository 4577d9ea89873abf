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
#include "policy/bundle.h"
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

/* All of it, max + 1 bytes at most.  0 or -1 with errno. */
static int
copy(int to, int from, size_t max, struct crypto_sha256 *hash)
{
	static unsigned char buf[PIECE];
	size_t left = max + 1;
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
	if (t->fd < 0 || copy(t->fd, from, TEXT_MAX, &hash) < 0 ||
	    fcntl(t->fd, F_ADD_SEALS, SEALS) < 0)
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

	*t = (struct text)TEXT_NONE;
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

	*t = (struct text)TEXT_NONE;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (sig >= 0 && (fstat(sig, &st) < 0 || !S_ISREG(st.st_mode))))
		return err_say(err, size, ERR_USAGE, "what came with it is not a file");
	r = take(t, fd, "the file", err, size);
	if (r == 0 && sig >= 0)
		read_signature(t, sig);
	return r;
}

int
text_take_files(struct text *t, int fd, char *err, size_t size)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)BUNDLE_MAX)
		return err_say(
		    err, size, ERR_USAGE, "what it includes is no file, or too long a one");
	t->files = memfd_create("interlock-bundle", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (t->files >= 0 && copy(t->files, fd, BUNDLE_MAX, NULL) == 0 &&
	    fcntl(t->files, F_ADD_SEALS, SEALS) == 0)
		return 0;
	return err_say(err, size, err_from_errno(errno), "what it includes: %s", strerror(errno));
}

int
text_take_kept(struct text *t, const char *path, char *err, size_t size)
{
	int r = text_take(t, path, err, size), fd;
	char name[PATH_MAX];

	if (r < 0 || snprintf(name, sizeof(name), "%s.files", path) >= (int)sizeof(name))
		return r;
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT) /* it includes nothing */
		return 0;
	r = fd < 0 ? err_say(err, size, err_from_errno(errno), "%s: %s", name, strerror(errno))
		   : text_take_files(t, fd, err, size);
	if (fd >= 0)
		close(fd);
	if (r < 0)
		text_drop(t);
	return r;
}

int
text_dup(struct text *t, const struct text *of, char *err, size_t size)
{
	*t = *of;
	t->fd = of->fd < 0 ? -1 : fcntl(of->fd, F_DUPFD_CLOEXEC, 3);
	t->files = of->files < 0 ? -1 : fcntl(of->files, F_DUPFD_CLOEXEC, 3);
	if ((t->fd < 0) == (of->fd < 0) && (t->files < 0) == (of->files < 0))
		return 0;
	(void)err_say(err, size, 0, "%s", strerror(errno));
	text_drop(t);
	return ERR_IO;
}

int
text_copy(int dir, const char *rel, char *err, size_t size)
{
	int from = policy_dir_file(dir, rel, err, size), fd;

	if (from < 0)
		return from;
	fd = memfd_create("interlock-text", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0 && copy(fd, from, TEXT_MAX, NULL) == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0) {
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
	ok = fd >= 0 && (from >= 0 ? copy(fd, from, BUNDLE_MAX, NULL) == 0
				   : write(fd, bytes, len) == (ssize_t)len);
	ok = ok && fsync(fd) == 0;
	if (fd >= 0 && close(fd) < 0)
		ok = false;
	return ok && rename(tmp, path) == 0 ? 0 : -1;
}

static int
gone(const char *path)
{
	return unlink(path) < 0 && errno != ENOENT ? -1 : 0;
}

int
text_save(const struct text *t, const char *path, char *err, size_t size)
{
	char sig[PATH_MAX], files[PATH_MAX];

	if (snprintf(sig, sizeof(sig), "%s.minisig", path) >= (int)sizeof(sig) ||
	    snprintf(files, sizeof(files), "%s.files", path) >= (int)sizeof(files))
		return err_say(err, size, ERR_USAGE, "%s: too long", path);
	/* The text last: one without its own is worse than the others without theirs. */
	if ((t->sig_len > 0 ? put(sig, -1, t->sig, t->sig_len) : gone(sig)) < 0 ||
	    (t->files >= 0 ? put(files, t->files, NULL, 0) : gone(files)) < 0 ||
	    put(path, t->fd, NULL, 0) < 0)
		return err_say(err, size, err_from_errno(errno), "%s: %s", path, strerror(errno));
	return 0;
}

void
text_forget(const char *path)
{
	static const char *const ends[] = {"", ".minisig", ".files"};
	char name[PATH_MAX];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (snprintf(name, sizeof(name), "%s%s", path, ends[i]) < (int)sizeof(name))
			(void)unlink(name);
}

void
text_drop(struct text *t)
{
	if (t->fd >= 0)
		close(t->fd);
	if (t->files >= 0)
		close(t->files);
	*t = (struct text)TEXT_NONE;
}
