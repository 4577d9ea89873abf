/* SPDX-License-Identifier: Apache-2.0 */
/* user.h - whose rights a process has. */
#ifndef BASE_USER_H
#define BASE_USER_H

#include <sys/types.h>

/* User and group `name`, or else `otherwise`, or else 65534. */
void user_find(const char *name, const char *otherwise, uid_t *uid, gid_t *gid);

/* Root becomes this user for good: no other groups, no capability.  Not root: nothing to do.  0 or -errno, and
 * the process is not to go on after an error. */
int user_become(uid_t uid, gid_t gid);

#endif /* BASE_USER_H */
