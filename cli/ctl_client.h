/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_client.h - one question to a running guard and its answer (docs/PROTOCOL.ctl.md). */
#ifndef CLI_CTL_CLIENT_H
#define CLI_CTL_CLIENT_H

#include <stddef.h>

#define CTL_ASK_FDS 3u

/*
 * The request is a line of n bytes with its newline, and at most CTL_ASK_FDS descriptors, which stay the caller's.  The answer
 * without its newline, *len bytes, to be freed, and the descriptor that came with it (-1: none), which is the caller's.  NULL: said why.
 */
char *ctl_ask(const char *path, const char *line, size_t n, const int *fds, size_t n_fds,
    size_t *len, int *fd);

#endif /* CLI_CTL_CLIENT_H */
