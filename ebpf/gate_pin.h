/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_pin.h - links and maps of the filter that outlive their guard: files of a bpf file system.
 *
 *	DIR/record              struct gate_note: whose they are, and for what
 *	DIR/link_out, link_in   the links that hold the programs on the two ports
 *	DIR/kflows, gate_...    every map that the programs and a next guard share
 *
 * While no guard runs, the programs go on with these maps: connections that the kernel owns pass, the
 * rest is dropped, or passes unjudged where its conduit fails open.  The next guard loads its own programs
 * over the same maps and puts them into the same links, between two frames.
 *
 * What is there is used whole or not at all: a record of another KFLOW_ABI, other ports, another mode, or a map
 * or link that is missing is refused, and nothing is changed.  DIR is root's alone (0700).
 */
#ifndef EBPF_GATE_PIN_H
#define EBPF_GATE_PIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ebpf/flow_abi.h"
#include "ebpf/gate.h"

#define GATE_PIN_ROOT  "/sys/fs/bpf/interlock"
#define GATE_PIN_PATH  200u	   /* bytes of a path of ours, its end included */
#define GATE_PIN_NAME  16u	   /* of an interface: IFNAMSIZ */
#define GATE_PIN_MAGIC 0x494c4b50u /* "ILKP" */

enum gate_note_state { GATE_NOTE_HALF = 0, GATE_NOTE_WHOLE };

/* The first three words never change place; numbers in host order. */
struct gate_note {
	uint32_t magic, abi; /* KFLOW_ABI */
	uint32_t state;	     /* enum gate_note_state */
	uint32_t generation; /* at least that of the tables in force */
	int32_t ifindex[2];  /* outside, inside, in the network namespace with this inode */
	uint64_t netns;
	char ifname[2][GATE_PIN_NAME];
	uint32_t mode[2]; /* enum gate_mode, as attached */
	int32_t pid;	  /* who guards, or did */
	uint32_t pad;
	uint64_t started;		/* of that process, in ticks since boot */
	uint8_t policy[32];		/* SHA-256 of the policy that it had in force */
	char build[24];			/* base/build_id.h */
	uint64_t key[KFLOW_HASH_WORDS]; /* of the hashes in kflows */
};

/* What a guard wants to find, or writes. */
struct gate_pins {
	const char *dir;
	struct gate_note r; /* .ifindex, .netns, .ifname, .pid, .started, .build are the caller's */
	enum gate_mode mode; /* asked for */
};

/* "/sys/fs/bpf/interlock/OUTSIDE-INSIDE", dots of the names as underscores; returns buf. */
char *gate_pin_dir(const char *const ifname[2], char buf[GATE_PIN_PATH]);
/* The directories of dir are made, and a bpf file system mounted on /sys/fs/bpf when there is none.
 * 0 or ERR_*, said. */
int gate_pin_prepare(const char *dir, char *err, size_t size);
/* The record in dir.  0; ERR_NOTFOUND: nothing is pinned there; ERR_FORMAT, said: half written, or
 * not one of this version (*out is what could be read, .magic 0 when nothing). */
int gate_pin_read(const char *dir, struct gate_note *out, char *err, size_t size);
/* How many of the two links in dir hold a program: 0, nothing of it goes on (the interfaces are gone, or
 * somebody took the programs off). */
unsigned gate_pin_links(const char *dir);
/* As gate_open_fast(), over what is pinned.  Nothing of it is changed until gate_attach().  NULL: it does not
 * fit, err says what does not. */
struct gate *gate_open_pinned(const struct gate_pins *p, char *err, size_t size);
/* After gate_attach() of both ports, of a filter that was opened by gate_open_fast(): pins all of it.
 * Of one that was opened by gate_open_pinned(): the record is the caller's from now on.  0 or ERR_*, said;
 * what was pinned here is gone again then. */
int gate_pin(struct gate *g, const struct gate_pins *p, char *err, size_t size);
/* Before a policy is in force: its generation and hash into the record, when there is one. */
int gate_pin_policy(struct gate *g, uint32_t generation, const uint8_t hash[32]);
/* Takes it all away, links first; said() hears a line for each, and may be NULL.  detach: the programs come off
 * at once, also when somebody else holds the links; else with the last who does.  0 or the first ERR_*, said in err. */
int gate_unpin(
    const char *dir, bool detach, void (*said)(const char *line), char *err, size_t size);

#endif /* EBPF_GATE_PIN_H */
