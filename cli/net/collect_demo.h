/* SPDX-License-Identifier: Apache-2.0 */
/* collect_demo.h - interlock collect --demo: a collector that looks at a replayed plant. */
#ifndef CLI_COLLECT_DEMO_H
#define CLI_COLLECT_DEMO_H

#include <stddef.h>

struct collector_conf;

/*
 * A directory of its own, which is gone at the end; an account; the capture judged under the
 * policy as if it had happened over the last hour, and again every few minutes.  NULLs: the plant
 * of the source tree, or of the installation.  Returns an exit status.
 */
int collect_demo(struct collector_conf *conf, const char *policy, const char *capture);

/* A file of the source tree when it is here, else of the installation. */
const char *collect_found(const char *in_tree, const char *installed, char *buf, size_t size);

/* Say where, and `said` when not NULL, and serve until a signal. */
struct collector;
int collect_serve(struct collector *co, const char *said);

#endif /* CLI_COLLECT_DEMO_H */
