/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port_state.c - the file that says what a port was like.
 *
 *   {"v":1,"ifname":"eth1","ifindex":3,"netns":4026531840,"boot":"...","pid":812,"started":9041,
 *    "flags":{"promisc":0},"features":{"rx-gro":1},"sysctls":{"disable_ipv6":0}}
 */
#include "guard/port_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/err.h"
#include "base/jw.h"

#define FILE_MAX 8192u /* bytes; our own are below 4 KiB */

static const char *const kind_keys[PORT__KINDS] = {"flags", "features", "sysctls"};

char *
port_state_name(const char *ifname, char buf[PORT_STATE_NAME])
{
	(void)snprintf(buf, PORT_STATE_NAME, "ports-%.*s.json", IFNAMSIZ - 1, ifname);
	return buf;
}

/* A small file of /proc, its newline cut; false when it cannot be read. */
static bool
read_line(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0) {
		n = read(fd, buf, size - 1);
		close(fd);
	}
	if (n < 0)
		return false;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return true;
}

/* Field 22 of /proc/PID/stat (proc(5)); 0 when there is no such process. */
uint64_t
process_started(pid_t pid)
{
	char path[48], text[1024];
	const char *p;
	unsigned field = 2;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (!read_line(path, text, sizeof(text)) || !(p = strrchr(text, ')')))
		return 0;
	while (field < 22 && (p = strchr(p + 1, ' ')))
		field++;
	return p ? strtoull(p + 1, NULL, 10) : 0;
}

int
port_state_init(struct port_state *s, const char *ifname, int ifindex)
{
	struct stat st;

	*s = (struct port_state){.ifindex = ifindex, .pid = getpid()};
	(void)snprintf(s->ifname, sizeof(s->ifname), "%s", ifname);
	s->started = process_started(s->pid);
	if (stat("/proc/self/ns/net", &st) < 0 ||
	    !read_line("/proc/sys/kernel/random/boot_id", s->boot, sizeof(s->boot)))
		return ERR_IO;
	s->netns = st.st_ino;
	return 0;
}

bool
port_state_applies(const struct port_state *old, const struct port_state *now)
{
	return old->ifindex == now->ifindex && old->netns == now->netns &&
	       strcmp(old->boot, now->boot) == 0;
}

bool
port_state_owned(const struct port_state *s)
{
	char boot[sizeof(s->boot)];
	uint64_t started = process_started(s->pid);

	return started != 0 && started == s->started &&
	       read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot)) &&
	       strcmp(boot, s->boot) == 0;
}

const struct port_setting *
port_state_find(const struct port_state *s, uint8_t kind, const char *name)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->v[i].kind == kind && strcmp(s->v[i].name, name) == 0)
			return &s->v[i];
	return NULL;
}

bool
port_state_note(struct port_state *s, uint8_t kind, const char *name, int32_t value)
{
	struct port_setting *to = &s->v[s->n];

	if (port_state_find(s, kind, name))
		return true;
	if (s->n == PORT_SETTINGS || strlen(name) >= sizeof(to->name))
		return false;
	to->kind = kind;
	to->value = value;
	memcpy(to->name, name, strlen(name) + 1);
	s->n++;
	return true;
}

static bool
load_settings(struct port_state *s, json_t *root)
{
	for (uint8_t kind = 0; kind < PORT__KINDS; kind++) {
		json_t *group = json_object_get(root, kind_keys[kind]), *v;
		const char *name;

		if (!json_is_object(group))
			return false;
		json_object_foreach(group, name,
		    v) if (!json_is_integer(v) || !port_state_note(s, kind, name,
						      (int32_t)json_integer_value(v))) return false;
	}
	return true;
}

static bool
load_json(struct port_state *s, json_t *root)
{
	const char *ifname = NULL, *boot = NULL;
	json_int_t v = 0, ifindex = 0, netns = 0, pid = 0, started = 0;

	if (json_unpack(root, "{s:I,s:s,s:I,s:I,s:s,s:I,s:I}", "v", &v, "ifname", &ifname,
		"ifindex", &ifindex, "netns", &netns, "boot", &boot, "pid", &pid, "started",
		&started) < 0 ||
	    v != 1)
		return false;
	*s = (struct port_state){
	    .ifindex = (int)ifindex,
	    .netns = (uint64_t)netns,
	    .pid = (pid_t)pid,
	    .started = (uint64_t)started,
	};
	return (size_t)snprintf(s->ifname, sizeof(s->ifname), "%s", ifname) < sizeof(s->ifname) &&
	       (size_t)snprintf(s->boot, sizeof(s->boot), "%s", boot) < sizeof(s->boot) &&
	       load_settings(s, root);
}

int
port_state_load(struct port_state *s, int dirfd, const char *ifname, char *err, size_t size)
{
	char name[PORT_STATE_NAME], text[FILE_MAX];
	int fd = openat(dirfd, port_state_name(ifname, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	json_t *root;
	ssize_t n;
	bool ok;

	if (fd < 0)
		return errno == ENOENT ? ERR_NOTFOUND
				       : err_say(err, size, err_from_errno(errno), "%s: %s", name,
					     strerror(errno));
	n = read(fd, text, sizeof(text));
	close(fd);
	root = n > 0 ? json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL) : NULL;
	ok = root && load_json(s, root) && strcmp(s->ifname, ifname) == 0;
	json_decref(root);
	if (!ok)
		return err_say(err, size, ERR_FORMAT,
		    "%s: is not what a guard left; remove it to go on", name);
	return 0;
}

static size_t
write_json(const struct port_state *s, char *buf, size_t size)
{
	struct jw w = jw_make(buf, size);

	jw_obj(&w, NULL);
	jw_u(&w, "v", 1);
	jw_str(&w, "ifname", s->ifname);
	jw_u(&w, "ifindex", (uint64_t)s->ifindex);
	jw_u(&w, "netns", s->netns);
	jw_str(&w, "boot", s->boot);
	jw_u(&w, "pid", (uint64_t)s->pid);
	jw_u(&w, "started", s->started);
	for (uint8_t kind = 0; kind < PORT__KINDS; kind++) {
		jw_obj(&w, kind_keys[kind]);
		for (unsigned i = 0; i < s->n; i++)
			if (s->v[i].kind == kind)
				jw_i(&w, s->v[i].name, s->v[i].value);
		jw_close(&w, '}');
	}
	jw_close(&w, '}');
	jw_ch(&w, '\n');
	return jw_end(&w) ? jw_len(&w) : 0;
}

int
port_state_save(const struct port_state *s, int dirfd, char *err, size_t size)
{
	char name[PORT_STATE_NAME], tmp[PORT_STATE_NAME + 8], text[FILE_MAX];
	size_t n = write_json(s, text, sizeof(text));
	bool ok;
	int fd;

	if (n == 0)
		return err_say(err, size, ERR_FULL, "%s: too many settings", s->ifname);
	(void)snprintf(tmp, sizeof(tmp), ".%s", port_state_name(s->ifname, name));
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	ok = fd >= 0 && write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
	if (fd >= 0 && close(fd) < 0)
		ok = false;
	if (ok && renameat(dirfd, tmp, dirfd, name) == 0 && fsync(dirfd) == 0)
		return 0;
	return err_say(err, size, err_from_errno(errno), "%s: %s", name, strerror(errno));
}

int
port_state_remove(int dirfd, const char *ifname)
{
	char name[PORT_STATE_NAME];

	return unlinkat(dirfd, port_state_name(ifname, name), 0) < 0 ? err_from_errno(errno) : 0;
}
