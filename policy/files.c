/* SPDX-License-Identifier: Apache-2.0 */
/* files.c - included files from a directory (files.h). */
#include "policy/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/err.h"

int
policy_dir_open(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX] = ".";
	int fd;

	if (slash && (size_t)(slash - path) + 2 > sizeof(dir))
		return ERR_RANGE;
	if (slash) { /* the slash too, for "/plant.yaml" */
		memcpy(dir, path, (size_t)(slash - path) + 1);
		dir[slash - path + 1] = '\0';
	}
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : err_from_errno(errno);
}

int
policy_dir_file(int dir, const char *rel, char *why, size_t size)
{
	/* A FIFO or a device must neither be waited for nor be told that it was opened. */
	const struct open_how how = {
	    .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dir, rel, &how, sizeof(how));
	struct stat st;

	if (fd < 0) {
		int err = errno;

		return err_say(why, size, err_from_errno(err), "%s",
		    err == ELOOP ? "a symbolic link is not followed" : strerror(err));
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return err_say(why, size, ERR_USAGE, "not a file");
}

int
policy_dir_read(void *ctx, const char *rel, char **text, size_t *len, char *why, size_t size)
{
	int fd = policy_dir_file(*(const int *)ctx, rel, why, size);
	size_t n = 0, most;
	struct stat st;
	ssize_t got = 1;
	char *buf;

	if (fd < 0)
		return fd;
	/* One that grows meanwhile is read as far as it went before. */
	most = fstat(fd, &st) == 0 && st.st_size <= POLICY_FILE_BYTES ? (size_t)st.st_size
								      : POLICY_FILE_BYTES + 1;
	buf = malloc(most + 1);
	while (buf && n < most && (got = read(fd, buf + n, most - n)) > 0)
		n += (size_t)got;
	close(fd);
	if (!buf || got < 0) {
		free(buf);
		return err_say(why, size, got < 0 ? ERR_IO : ERR_NOMEM, "%s",
		    got < 0 ? strerror(errno) : err_str(ERR_NOMEM));
	}
	*text = buf;
	*len = n; /* one too many is said by who reads it */
	return 0;
}

bool
policy_files_signed(const struct policy_source *src, const char *comment)
{
	char want[2 * CRYPTO_SHA256_LEN + 9] = "\tpolicy:";
	size_t n = strlen(want);
	const char *at;

	if (src->n_files <= 1)
		return true;
	for (unsigned i = 0; i < CRYPTO_SHA256_LEN; i++)
		n += (size_t)snprintf(want + n, sizeof(want) - n, "%02x", src->hash[i]);
	at = strstr(comment, want);
	return at && (at[n] == '\0' || at[n] == '\t');
}
