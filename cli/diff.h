/* SPDX-License-Identifier: Apache-2.0 */
/* diff.h - what another policy would do to recorded traffic, for policy diff and policy propose. */
#ifndef CLI_DIFF_H
#define CLI_DIFF_H

#include <stdbool.h>
#include <stddef.h>

struct cli_permits;
struct policy;

/*
 * Captures are judged by pol[0], the old one, and pol[1]; path: what they are called.  Differences go to standard output, which is
 * closed.  EXIT_OK: none; EXIT_FOUND: some; EXIT_UNABLE: said why.
 */
int diff_captures(struct policy *const pol[2], const char *const path[2], char *const *captures,
    size_t n, const struct cli_permits *permits, bool json);

#endif /* CLI_DIFF_H */
