/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msg.h - what the processes of a guard say to each other.
 *
 * A pair of them shares a SOCK_SEQPACKET socket.  A message has one size and no pointers; some
 * kinds carry one descriptor.  Whoever receives has a table of the kinds it accepts, and a set
 * of those that are due now; a message that is not in the table, not due, of another size,
 * or with or without a descriptor against the table ends the conversation (msg_run() says ERR_FORMAT):
 * the other process is broken or somebody else's by then, and is not listened to again.
 *
 *   parent  -> worker   POLICY+fd, FLOWS+fd, EXPORT+fd, SHADOW+fd, SHADOW_END, PROMOTE, PANIC, STOP
 *   worker  -> parent   READY, DONE (answers all but the last two), STOPPED
 *   builder -> parent   WANT..., COMPLAINT..., then BUILT+fd or FAILED
 *   parent  -> builder  FILE+fd or NO_FILE, one for each WANT
 *   parent  -> signer   POLICY+fd, DROP, REOPEN, STOP
 *   watch   -> keeper   RELOAD, DONE (the policy is in force), LIST, STOP
 *   keeper  -> watch    READY or FAILED, POLICY+fd, LIST+fd, COUNT..., STOPPED
 *
 * Nothing here blocks.  One thread per end.
 */
#ifndef GUARD_MSG_H
#define GUARD_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum msg_type {
	MSG_NONE = 0,
	MSG_READY, /* worker: receives from now on; a = bytes it holds, b = connections it took over */
	MSG_POLICY,	/* an image (policy/image.h); a = generation */
	MSG_FLOWS,	/* write the flow table as text; a = lines at most */
	MSG_EXPORT,	/* receive no more; write flows for a successor (dataplane/handover.h) */
	MSG_DONE,	/* what was asked last is done; result, a = bytes written */
	MSG_EVENT,	/* put an alert about the guard: a = enum guard_event, text */
	MSG_STOP,	/* let go what is held, and end */
	MSG_STOPPED,	/* the last one */
	MSG_COMPLAINT,	/* a line about the policy; a = enum complaint_level */
	MSG_BUILT,	/* the image; a = when it was signed, text = by which key; b = warnings */
	MSG_FAILED,	/* no image; a = errors, text when the reason is not in the policy */
	MSG_DROP,	/* signer: no record of this policy comes any more; a = generation */
	MSG_REOPEN,	/* signer: open the EVE file anew */
	MSG_SHADOW,	/* an image to judge beside the policy in force; a = generation */
	MSG_SHADOW_END, /* no more */
	MSG_PROMOTE,	/* that one is the policy from now on */
	MSG_PANIC,	/* a = enum panic_mode */
	MSG_WANT,    /* builder: an included file, text = its name below the policy's directory */
	MSG_ZONE,    /* builder: the table of a time zone (policy/tz.h), text = its name */
	MSG_FILE,    /* builder: a copy of it */
	MSG_NO_FILE, /* builder: there is none; result, text = why */
	MSG_RELOAD,  /* keeper: read the policy again */
	MSG_LIST, /* keeper: what was written is complete, a = which; from it: write the next one here */
	MSG_COUNT, /* from a keeper: a = enum keeper_count, b = how many */
	MSG__MAX,
};

#define MSG_TEXT 232u
struct msg {
	uint16_t type, reserved; /* enum msg_type; 0 */
	int32_t result;		 /* 0 or ERR_* */
	uint64_t a, b;
	char text[MSG_TEXT]; /* ends with a NUL */
};
_Static_assert(sizeof(struct msg) == 256, "one size for all");

enum msg_flags {
	MSG_F_FD = 1 << 0,    /* carries a descriptor; the handler owns it */
	MSG_F_ONCE = 1 << 1,  /* due until it has come; msg_due() makes it so again */
	MSG_F_LATER = 1 << 2, /* not due before msg_due() says so */
};
struct msg_rule {
	uint16_t type;
	uint16_t flags;
	/* fd is -1 without MSG_F_FD.  ERR_* ends the conversation. */
	int (*handle)(void *ctx, const struct msg *m, int fd);
};

struct msg_peer {
	int fd;			      /* -1 = nobody there */
	const struct msg_rule *rules; /* ends with type 0 */
	uint32_t due;		      /* bit per type */
	void *ctx;
};

/* Two connected ends, both closed on exec.  0 or ERR_*. */
int msg_pair(int fd[2]);
void msg_init(struct msg_peer *p, int fd, const struct msg_rule *rules, void *ctx);
/* A kind may come (once more), or may not. */
void msg_due(struct msg_peer *p, uint16_t type, bool on);
/* Handle what has come.  0; ERR_EOF: nobody there any more; ERR_FORMAT: it broke the rules;
 * or what a handler said.  After an error the socket is closed. */
int msg_run(struct msg_peer *p);
/* 0, ERR_EOF, or ERR_AGAIN when the other end does not read.  pass is -1, or stays the caller's. */
int msg_send(const struct msg_peer *p, const struct msg *m, int pass);
/* The same, with a type and a number. */
int msg_say(const struct msg_peer *p, uint16_t type, uint64_t a);
void msg_close(struct msg_peer *p);

#endif /* GUARD_MSG_H */
