/* SPDX-License-Identifier: Apache-2.0 */
/*
 * builder.h - a policy's text becomes an image, in a process that can do nothing else.
 *
 * The parent takes a sealed copy of the file (text.h) and never looks into it; the builder is forked, gives up
 * everything, reads the copy, verifies its signature when keys are given (before the text is
 * parsed), compiles, and hands back a sealed memfd, or complaints.  It can open nothing: files that the
 * policy includes, and tables of the time zones it names, it asks for.  It has
 * BUILDER_CPU_S of processor time, BUILDER_WAIT_NS by the clock, BUILDER_DATA bytes of memory; a text
 * that makes it need more, or makes it fall over, is a refused policy like any other.
 *
 * Life: builder_start(); poll builder_fd(); builder_step() until it says true; builder_end().
 */
#ifndef GUARD_BUILDER_H
#define GUARD_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/key.h"
#include "guard/msg.h"
#include "base/sandbox.h"
#include "guard/text.h"

#define BUILDER_TEXT_MAX TEXT_MAX
#define BUILDER_CPU_S	 20u
#define BUILDER_WAIT_NS	 UINT64_C(30000000000)
#define BUILDER_DATA	 (UINT64_C(1) << 30)
#define BUILDER_SAID	 16384u /* bytes of complaints kept; more are counted */

struct builder_conf {
	const char *path;	    /* of the policy */
	const char *name;	    /* in complaints; NULL = path */
	/* What it includes lies beside this file.  NULL: path, or nothing can be when .text is given,
	 * since whose name that is could be anybody's. */
	const char *beside;
	struct text *text;	    /* instead of the file: taken from here; NULL = read path */
	bool kept; /* path is what text_save() has written: what it includes lies there as well */
	const struct key_set *keys; /* one of them has signed it; NULL = nobody has to */
	unsigned slot;
	uint32_t generation;
	uid_t uid; /* what it becomes */
	gid_t gid;
	struct sandbox_limits limits; /* 0 = as above */
	/* In the child, first thing: close and reset what is the parent's own.  May be NULL. */
	void (*child)(void *ctx);
	void *ctx;
};

struct builder {
	pid_t pid; /* 0 = none */
	struct msg_peer peer;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC */
	char path[256];
	const char *from; /* conf.beside */
	uint32_t wanted;  /* files it has asked for */
	uint32_t zones;	  /* and time zones */
	bool given;	  /* text came with its files: from there, and not as they are now */
	bool ended;   /* it has said its last word, or will not */
	int image_fd; /* -1 = none */
	struct text text;  /* what it was made of, all files; text_drop() or take it, as image_fd */
	uint64_t signed_s; /* with keys: when, seconds since 1970 (0: it does not say) ... */
	char kid[KEY_ID_CHARS + 1]; /* ... and by whom */
	size_t errors, warnings;
	char said[BUILDER_SAID]; /* complaints, a line each, as complaints_print() */
	size_t said_len;
};

/* 0 or ERR_*, said in err: the file cannot be read. */
int builder_start(struct builder *b, const struct builder_conf *conf, char *err, size_t size);
/* What has come; true when it is over: image_fd then is the image, or -1 and said says why. */
bool builder_step(struct builder *b, uint64_t mono_ns);
int builder_fd(const struct builder *b);
/* The child with this pid has ended, with this status of waitpid(); false: it is not ours. */
bool builder_reaped(struct builder *b, pid_t pid, int status);
/* Ends what still runs; the image is closed unless it was taken (image_fd = -1). */
void builder_end(struct builder *b);

#endif /* GUARD_BUILDER_H */
