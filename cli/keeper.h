/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper.h - the processes beside a watch that see no packet: the signer, and who keeps it.
 *
 *   watch: parses packets ---- records in shared memory ---> signer: key, journal, EVE file
 *     |  ^                                                     ^
 *     |  +-- names of evidence (a pipe) -----------------------+ forked, and begun again, by
 *     +----- fixed-size messages (guard/msg.h) --------------> keeper: paths, the rights watch began with
 *                                                              +--> builder: a policy that is read again
 *
 * Forked before the interface is opened, so none of it was ever near a packet; watch then gives up its rights, and has
 * neither the key nor, when it was begun by root, a way to read it.  A signer that dies is begun again after a pause that doubles; rings
 * and marks are in memory that outlives it (alerts/shared.h), so nothing is signed twice and nothing left out.  When watch is gone,
 * told or not, the journal gets its signed end, and all of them end.
 *
 * The keeper also does what takes rights that watch has given up: it reads the policy again (a builder compiles it, guard/builder.h),
 * and puts files that watch has written whole in the place of the ones before them.
 */
#ifndef CLI_KEEPER_H
#define CLI_KEEPER_H

#include <sys/types.h>

#include "alerts/alert.h"
#include "guard/msg.h"

struct engine;
struct evidence;
struct policy;

#define KEEPER_LISTS 4u

enum keeper_count {
	KEPT_EVENTS = 0,
	KEPT_FOLDED,
	KEPT_LOST,
	KEPT_LINES,
	KEPT_BATCHES,
	KEPT_WRITE_ERRORS,
	KEPT_REJECTED,
	KEPT_REMOVED,
	KEPT__MAX
};

struct keeper_conf {
	const char *journal_dir, *key_path,
	    *eve_path; /* as in struct alerts_conf; without journal and EVE there is no signer */
	struct receipt_files receipts;
	const char *iface;
	const char *sender_dir; /* of a sender that follows the journal, or NULL */
	uint64_t sender_behind_s;
	const struct policy *policy;	     /* the first; or NULL */
	const char *policy_path, *signed_by; /* to read it again; signed_by: public keys, or NULL */
	const char *list[KEEPER_LISTS];	     /* files that are replaced; NULL = none */
	uid_t uid; /* who signer, builder and the files will be, when root begins it */
	gid_t gid;
};

/* Watch's end. */
struct keeper {
	struct msg_peer peer;
	pid_t pid;
	int names;		      /* of evidence; -1 = there is no signer */
	struct alerts_shared *shared; /* NULL: there is no signer */
	int list_fd
	    [KEEPER_LISTS]; /* where to write the next one, once it was asked for; -1 = not yet */
	bool list_failed[KEEPER_LISTS]; /* there is none, said */
	/* what has come and is not taken yet */
	int policy_fd; /* an image; -1 = none */
	struct alerts_stats stats;
	int result; /* of the end: 0 or ERR_* */
	char error[MSG_TEXT];
	bool ready, stopped;
};

/* Fork it, and wait until the journal is open.  False: said why; nothing runs then. */
bool keeper_start(struct keeper *k, const struct keeper_conf *conf);
/* Now and then, also when nothing is asked: what has come.  False: the keeper is gone, said. */
bool keeper_turn(struct keeper *k, struct evidence *e);
/* The policy is to be read again; policy_fd is an image when it is good. */
void keeper_reload(struct keeper *k);
/* The image is in force, and records of the policy before it are in the ring; or ERR_*: it is not. */
void keeper_reloaded(struct keeper *k, int result);
/*
 * A file that is replaced: OPEN asks for a place to write it (list_fd or list_failed say when); DONE, it is there whole and on disk,
 * and takes the place of the file; DROP, it is not, and the file stays.  Closes list_fd.
 */
enum keeper_list { KEEPER_OPEN = 0, KEEPER_DONE, KEEPER_DROP };
void keeper_list(struct keeper *k, unsigned which, enum keeper_list what);
/* The same, and waits: list_fd, or -1. */
int keeper_place(struct keeper *k, unsigned which);
/* No more records come: sign the end.  stats, result and error then say how it was. */
void keeper_end(struct keeper *k, struct evidence *e);

#endif /* CLI_KEEPER_H */
