/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port_state.h - what a port was like before the guard changed it, on disk.
 *
 * A file per interface, ports-<name>.json.  It is synced before the first change is made and
 * removed when the last one is undone; who finds one whose writer is gone knows what to put
 * back.  The values are those of the interface with this index, in this network namespace,
 * since this boot: for any other they mean nothing (the kernel forgets our changes with it).
 */
#ifndef GUARD_PORT_STATE_H
#define GUARD_PORT_STATE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PORT_STATE_DIR "/run/interlock"
#define PORT_SETTINGS  48u
#define PORT_NAME_MAX  40u

enum port_kind { PORT_FLAG = 0, PORT_FEATURE, PORT_SYSCTL, PORT__KINDS };

/* One setting that was changed, and its value before that. */
struct port_setting {
	uint8_t kind; /* enum port_kind */
	char name[PORT_NAME_MAX];
	int32_t value;
};

struct port_state {
	char ifname[IFNAMSIZ];
	int ifindex;
	uint64_t netns;	  /* inode of the namespace */
	char boot[40];	  /* boot_id */
	pid_t pid;	  /* who guards it */
	uint64_t started; /* that process's start, in ticks since boot: a pid is used again */
	unsigned n;
	struct port_setting v[PORT_SETTINGS];
};

/* Of this process and an interface, without settings.  0 or ERR_*. */
int port_state_init(struct port_state *s, const char *ifname, int ifindex);
/* 0, ERR_NOTFOUND when there is none, ERR_FORMAT (it is not ours: said in err), ERR_*. */
int port_state_load(struct port_state *s, int dirfd, const char *ifname, char *err, size_t size);
/* On disk, whole, when this returns 0. */
int port_state_save(const struct port_state *s, int dirfd, char *err, size_t size);
int port_state_remove(int dirfd, const char *ifname); /* 0 or ERR_* */

/* Do the values of `old` hold for the interface that `now` is of? */
bool port_state_applies(const struct port_state *old, const struct port_state *now);
/* Start of a process, in ticks since boot: with it a pid is one process.  0: there is none. */
uint64_t process_started(pid_t pid);
/* Is the process that wrote it still there? */
bool port_state_owned(const struct port_state *s);
/* The setting, or NULL. */
const struct port_setting *port_state_find(
    const struct port_state *s, uint8_t kind, const char *name);
/* Note a value unless the setting has one already.  False: no room. */
bool port_state_note(struct port_state *s, uint8_t kind, const char *name, int32_t value);

/* "ports-<name>.json"; returns buf. */
#define PORT_STATE_NAME (IFNAMSIZ + 16u)
char *port_state_name(const char *ifname, char buf[PORT_STATE_NAME]);

#endif /* GUARD_PORT_STATE_H */
