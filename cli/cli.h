/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h - what the verbs share: exit status, messages, arguments, outputs.
 *
 * A verb gets its own argv (argv[0] is the verb), writes results to standard
 * output and messages to standard error, and returns one of enum exit_status.
 * Of several states the greatest is the program's.  SIGPIPE is ignored, so a
 * reader that goes away is a write error like a full disk.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct jw;
struct policy;

enum exit_status {
	EXIT_OK = 0,	 /* nothing to report */
	EXIT_FOUND = 1,	 /* worked, and found what it looks for */
	EXIT_UNABLE = 2, /* could not work, or not to the end */
};

int cmd_replay(int argc, char **argv);	/* captures in; facts, alerts, reports out */
int cmd_why(int argc, char **argv);	/* the path of one frame */
int cmd_watch(int argc, char **argv);	/* passive, on an interface */
int cmd_guard(int argc, char **argv);	/* inline, between two ports */
int cmd_learn(int argc, char **argv);	/* a policy out of captures */
int cmd_ctl(int argc, char **argv);	/* ask a running guard, or tell it */
int cmd_policy(int argc, char **argv);	/* its verbs: */
int policy_approve(int argc, char **argv); /* rules that wait, in the text itself */
int policy_check(int argc, char **argv); /* complaints about a policy (policy_check.c) */
int policy_sign(int argc, char **argv); /* a detached signature (policy_sign.c) */
int policy_verify(int argc, char **argv);
int policy_diff(int argc, char **argv); /* what a change does to recorded traffic */
int policy_need(int argc, char **argv); /* a newcomer, before it is let in */
int policy_propose(int argc, char **argv); /* expected alerts, as disabled rules */
int policy_test(int argc, char **argv); /* expectations on recorded traffic */
int policy_explain_verb(int argc, char **argv); /* the policy in sentences */
int cmd_key(int argc, char **argv);	/* new, show */
int cmd_permit(int argc, char **argv);	/* new, show, verify */
int cmd_journal(int argc, char **argv); /* verify, show, prove */
int cmd_net(int argc, char **argv);	/* collect, send: of the program beside this one */
int cmd_library(int argc, char **argv); /* playbooks: check, sign, verify, find, show */

static inline int
exit_worse(int a, int b)
{
	return a > b ? a : b;
}

/* "interlock: FILE: what" on standard error: lower case, no trailing dot or newline. */
void cli_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same, then where help is found; returns EXIT_UNABLE. */
int cli_usage(const char *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What getopt() stumbled over, as cli_usage(); argv as given to it. */
int cli_bad_option(const char *verb, char **argv, int got);

/* "64M", "1GiB", "500000": bytes. False when it is none or does not fit. */
bool cli_parse_size(const char *text, size_t *out);
bool cli_parse_u64(const char *text, uint64_t *out);
/* "90s", "10m", "2h", "1d": seconds, not 0. */
bool cli_parse_duration(const char *text, uint64_t *seconds);

/* Who a process is once it has opened what only root can: user `name`, or when NULL interlock, else nobody. */
void cli_user(const char *name, uid_t *uid, gid_t *gid);
/* Root becomes that user for good; whoever it is gets no new rights.  False: said why, and do not go on. */
bool cli_become(uid_t uid, gid_t gid);

/* May colours be used on this stream? A terminal, and NO_COLOR is unset. */
bool cli_colour(FILE *fp);

/* A file of at most max bytes, NUL-ended; "-" is standard input.  NULL: said why. */
char *cli_read(const char *path, size_t max, size_t *len);

/* Read and compile a policy; complaints go to standard error. NULL: said why. */
struct policy *cli_policy(const char *path);
/* Of this text, which PATH ("-": standard input) has or is to have, with the files beside it; all complaints in c. */
struct policy_source;
struct complaints;
struct policy *policy_of_files(const char *path, const char *text, size_t len,
    struct policy_source *src, struct complaints *c);
/* As cli_policy(), of bytes that one of the keys in the file `keys` has signed (PATH.minisig). */
struct policy *policy_signed(const char *path, const char *keys);

/* --- outputs: opened before the work, so that a wrong path costs no time ----- */

struct out {
	FILE *fp;	  /* NULL = not wanted */
	const char *path; /* "-" = standard output */
};

/* path NULL: not wanted. False: said why. */
bool out_open(struct out *o, const char *path);
/* Flush and close; false when not every byte arrived, said why. */
bool out_close(struct out *o);
const char *out_name(const char *path); /* "standard output" for "-" */

/* Have a writer fill a buffer that is large enough, and write it with a newline. */
bool out_json(struct out *o, void (*writer)(struct jw *w, const void *ctx), const void *ctx);

#endif /* CLI_CLI_H */
