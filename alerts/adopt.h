/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adopt.h - whose the files of alerts are.
 *
 * A journal that root has made, by `interlock key` or an earlier run, is to be written by a process that is not root.
 * What root owns there becomes that user's: the directory, plain files with one name in it, the EVE file.  Nothing is
 * followed; a file of anybody else is left alone.
 */
#ifndef ALERTS_ADOPT_H
#define ALERTS_ADOPT_H

#include <sys/types.h>

/* By root, before it becomes uid; else nothing is done.  journal_dir, eve_path: NULL = none; "-" and "file:PATH" as in
 * struct alerts_conf.  What cannot be done is said as a warning. */
void alerts_adopt(uid_t uid, gid_t gid, const char *journal_dir, const char *eve_path);

#endif /* ALERTS_ADOPT_H */
