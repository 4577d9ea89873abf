/* SPDX-License-Identifier: Apache-2.0 */
/*
 * put.h - a file that is there whole or not at all: written beside its place, then renamed into it.
 */
#ifndef CLI_PUT_H
#define CLI_PUT_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct put {
	FILE *fp; /* where it is written */
	char path[PATH_MAX], tmp[PATH_MAX];
};

/* Begin; what PATH is stays as it is.  False: said why. */
bool put_open(struct put *p, const char *path, mode_t mode);
/* It takes the place of PATH, on disk.  False: said why, and PATH is as it was. */
bool put_done(struct put *p);
/* Given up; also behind put_done(), where it does nothing. */
void put_drop(struct put *p);

#endif /* CLI_PUT_H */
