/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sibling.h - the other program of this installation, and its files.
 *
 * Interlock is two programs, so that who sees packets has no library in it that speaks with networks: `interlock`,
 * which people type, and `interlock-net` (sender, collector, metrics), which it runs.  Where one is, the other is, too:
 * beside it in a build tree, PREFIX/bin and PREFIX/libexec/interlock when installed, wherever that was moved to.
 * Neither PATH nor the environment is asked, and a process with rights that its caller lacks (AT_SECURE)
 * believes the compiled-in place alone.
 */
#ifndef BASE_SIBLING_H
#define BASE_SIBLING_H

#include <stddef.h>

#define SIBLING_MAIN "interlock"
#define SIBLING_NET  "interlock-net"

/* Path of the sibling `name`, which exists, in buf.  NULL: there is none; buf has the last place that was looked at. */
const char *sibling_path(const char *name, char *buf, size_t size);
/* A descriptor to run it by (fexecve(3)), whatever becomes of the file meanwhile; or ERR_*, said in err. */
int sibling_open(const char *name, char *err, size_t err_size);
/* The path of PREFIX/share/interlock/NAME of this installation, whether it is there or not.  Returns buf. */
const char *sibling_share(const char *name, char *buf, size_t size);

#endif /* BASE_SIBLING_H */
