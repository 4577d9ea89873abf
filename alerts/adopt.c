/* SPDX-License-Identifier: Apache-2.0 */
#include "alerts/adopt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* A file that root made for us is ours from now on.  Nothing is followed, and a file with
 * another name somewhere is not touched. */
static void
adopt_file(uid_t uid, gid_t gid, int dirfd, const char *name)
{
	struct stat st;
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == 0 && st.st_nlink == 1 &&
	    fchown(fd, uid, gid) != 0)
		log_warn("%s: owner: %s", name, strerror(errno));
	(void)close(fd);
}

/* What is in the journal's directory, when the directory is root's or ours. */
static void
adopt_journal(uid_t uid, gid_t gid, const char *journal)
{
	int fd;
	struct dirent *de;
	struct stat st;
	DIR *dir;

	fd = open(journal, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0 || (st.st_uid != 0 && st.st_uid != uid) ||
	    !(dir = fdopendir(fd))) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	if (st.st_uid == 0 && fchown(fd, uid, gid) != 0)
		log_warn("journal %s: owner: %s", journal, strerror(errno));
	while ((de = readdir(dir)) != NULL)
		if (de->d_name[0] != '.')
			adopt_file(uid, gid, dirfd(dir), de->d_name);
	(void)closedir(dir);
}

void
alerts_adopt(uid_t uid, gid_t gid, const char *journal_dir, const char *eve)
{
	if (geteuid() != 0 || uid == 0)
		return;
	if (journal_dir)
		adopt_journal(uid, gid, journal_dir);
	if (eve && strcmp(eve, "-") != 0)
		adopt_file(uid, gid, AT_FDCWD, strncmp(eve, "file:", 5) == 0 ? eve + 5 : eve);
}
