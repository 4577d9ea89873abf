/* SPDX-License-Identifier: Apache-2.0 */
#include "base/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#define NOBODY 65534u

void
user_find(const char *name, const char *otherwise, uid_t *uid, gid_t *gid)
{
	const struct passwd *pw = getpwnam(name);

	if (!pw)
		pw = getpwnam(otherwise);
	*uid = pw ? pw->pw_uid : NOBODY;
	*gid = pw ? pw->pw_gid : NOBODY;
}

int
user_become(uid_t uid, gid_t gid)
{
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}
