/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.h - the verbs of interlock-net, the program that has every library which speaks with networks.
 *
 * As those of cli.h: argv[0] is the verb, enum exit_status comes back.  People type `interlock VERB`, which becomes
 * this program (cli/cmd_net.c); metrics is for a guard alone.
 */
#ifndef CLI_NET_NET_H
#define CLI_NET_NET_H

#include <stdbool.h>
#include <stddef.h>

struct db;
struct jw;
struct json_t;
struct store;

int cmd_send(int argc, char **argv);	/* a journal to a collector and others */
int cmd_collect(int argc, char **argv); /* the receiving end of sensors */
/* The data base of a collector's directory, or the one of --store (NULL: none), to be store_close()'d; NULL: said in err. */
struct store *collect_store(const char *dir, const char *store, char *err, size_t err_size);
/* What items() writes, its array left open, as one object of JSON or each by print().  An exit status; said why. */
int collect_list(struct store *s, bool json, void (*items)(struct jw *w, struct db *db),
    void (*print)(const struct json_t *item));
int cmd_metrics(int argc, char **argv); /* the HTTP server of a guard: guard/metrics.h */

#endif /* CLI_NET_NET_H */
