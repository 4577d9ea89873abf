/* SPDX-License-Identifier: Apache-2.0 */
/* sibling.c - see sibling.h. */
#include "base/sibling.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/err.h"

#ifndef PREFIX
#define PREFIX "/usr/local"
#endif

/* Where each is below the prefix. */
static const struct {
	const char *name, *dir;
} programs[] = {
    {SIBLING_MAIN, "bin"},
    {SIBLING_NET, "libexec/interlock"},
};
#define N_PROGRAMS (sizeof(programs) / sizeof(programs[0]))

/* The folder of the running program, without a slash at its end.  False: not known, or not to be believed. */
static bool
own_dir(char *dir, size_t size)
{
	ssize_t n = getauxval(AT_SECURE) ? -1 : readlink("/proc/self/exe", dir, size - 1);
	char *slash;

	if (n <= 0)
		return false;
	dir[n] = '\0';
	if (!(slash = strrchr(dir, '/')))
		return false;
	*slash = '\0';
	return true;
}

/* dir is PREFIX/WHERE for one of the programs: cut to PREFIX. */
static bool
cut_prefix(char *dir)
{
	size_t n = strlen(dir);

	for (size_t i = 0; i < N_PROGRAMS; i++) {
		size_t k = strlen(programs[i].dir);

		if (n > k && dir[n - k - 1] == '/' && strcmp(dir + n - k, programs[i].dir) == 0) {
			dir[n - k - 1] = '\0';
			return true;
		}
	}
	return false;
}

const char *
sibling_path(const char *name, char *buf, size_t size)
{
	const char *where = "bin";
	char dir[PATH_MAX];

	for (size_t i = 0; i < N_PROGRAMS; i++)
		if (strcmp(programs[i].name, name) == 0)
			where = programs[i].dir;
	if (own_dir(dir, sizeof(dir))) {
		if (snprintf(buf, size, "%s/%s", dir, name) < (int)size && access(buf, X_OK) == 0)
			return buf;
		if (cut_prefix(dir) &&
		    snprintf(buf, size, "%s/%s/%s", dir, where, name) < (int)size &&
		    access(buf, X_OK) == 0)
			return buf;
	}
	return snprintf(buf, size, "%s/%s/%s", PREFIX, where, name) < (int)size &&
		       access(buf, X_OK) == 0
		   ? buf
		   : NULL;
}

int
sibling_open(const char *name, char *err, size_t err_size)
{
	char path[PATH_MAX];
	int fd = sibling_path(name, path, sizeof(path)) ? open(path, O_PATH | O_CLOEXEC) : -1;

	if (fd < 0)
		return err_say(
		    err, err_size, ERR_NOTFOUND, "%s: %s: %s", name, path, strerror(errno));
	return fd;
}

const char *
sibling_share(const char *name, char *buf, size_t size)
{
	char dir[PATH_MAX];

	if (own_dir(dir, sizeof(dir)) && cut_prefix(dir))
		(void)snprintf(buf, size, "%s/share/interlock/%s", dir, name);
	else
		(void)snprintf(buf, size, "%s/share/interlock/%s", PREFIX, name);
	return buf;
}
