/* SPDX-License-Identifier: Apache-2.0 */
/* put.c - see put.h. */
#include "cli/put.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

bool
put_open(struct put *p, const char *path, mode_t mode)
{
	int fd;

	*p = (struct put){0};
	if (snprintf(p->path, sizeof(p->path), "%s", path) >= (int)sizeof(p->path) ||
	    snprintf(p->tmp, sizeof(p->tmp), "%s.XXXXXX", path) >= (int)sizeof(p->tmp)) {
		p->tmp[0] = '\0';
		cli_say("%s: the name is too long", path);
		return false;
	}
	fd = mkostemp(p->tmp, O_CLOEXEC);
	if (fd >= 0 && fchmod(fd, mode) == 0 && (p->fp = fdopen(fd, "w")))
		return true;
	cli_say("%s: %s", path, strerror(errno));
	if (fd >= 0) {
		(void)close(fd);
		(void)unlink(p->tmp);
	}
	p->tmp[0] = '\0';
	return false;
}

/* The folder's entry is on disk as well. */
static void
sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	int fd;

	(void)snprintf(
	    dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	if ((fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0) {
		(void)fsync(fd);
		(void)close(fd);
	}
}

bool
put_done(struct put *p)
{
	bool ok = fflush(p->fp) == 0 && !ferror(p->fp) && fsync(fileno(p->fp)) == 0;
	int why = errno;

	if (fclose(p->fp) != 0 && ok) {
		why = errno;
		ok = false;
	}
	p->fp = NULL;
	if (ok && rename(p->tmp, p->path) != 0) {
		why = errno;
		ok = false;
	}
	if (ok) {
		p->tmp[0] = '\0';
		sync_folder(p->path);
		return true;
	}
	cli_say("%s: %s", p->path, why ? strerror(why) : "write error");
	put_drop(p);
	return false;
}

void
put_drop(struct put *p)
{
	if (p->fp)
		(void)fclose(p->fp);
	p->fp = NULL;
	if (p->tmp[0])
		(void)unlink(p->tmp);
	p->tmp[0] = '\0';
}
