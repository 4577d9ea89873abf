/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_pin.c - see gate_pin.h.
 *
 * The record is pinned first, half written, and made whole last; links go first when all is taken
 * away.  So whatever stands half done is known as such.
 */
#include "ebpf/gate_pin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <linux/if_link.h>
#include <linux/magic.h>

#include "base/err.h"
#include "ebpf/gate_int.h"

#define RECORD	     "record"
#define BPFFS	     "/sys/fs/bpf"
#define RECORD_BYTES 4096u /* of any version, at most */

static const char *const link_names[2] = {"link_out", "link_in"};

/* --- where --------------------------------------------------------------------------------- */

char *
gate_pin_dir(const char *const ifname[2], char buf[GATE_PIN_PATH])
{
	char *p;

	(void)snprintf(buf, GATE_PIN_PATH, "%s/%s-%s", GATE_PIN_ROOT, ifname[0], ifname[1]);
	for (p = buf + sizeof(GATE_PIN_ROOT); *p != '\0'; p++)
		if (*p == '.') /* the file system keeps these for itself */
			*p = '_';
	return buf;
}

static bool
is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

int
gate_pin_prepare(const char *dir, char *err, size_t size)
{
	char path[GATE_PIN_PATH];
	struct stat st;

	if (strlen(dir) >= sizeof(path) - 32 || dir[0] != '/')
		return err_say(err, size, ERR_USAGE, "%s: not a path that pins can have", dir);
	if (strncmp(dir, BPFFS "/", sizeof(BPFFS)) == 0 && stat(BPFFS, &st) == 0 &&
	    !is_bpffs(BPFFS) && mount("bpf", BPFFS, "bpf", 0, "mode=0700") < 0)
		return err_say(err, size, err_from_errno(errno),
		    "%s: no bpf file system, and it cannot be mounted: %s", BPFFS, strerror(errno));
	(void)snprintf(path, sizeof(path), "%s", dir);
	for (char *p = path + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (stat(path, &st) < 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
			return err_say(
			    err, size, err_from_errno(errno), "%s: %s", path, strerror(errno));
		*p = c;
		if (c == '\0')
			break;
	}
	if (!is_bpffs(dir))
		return err_say(err, size, ERR_USAGE,
		    "%s: is in no bpf file system (mount -t bpf bpf DIR)", dir);
	if (stat(dir, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return err_say(err, size, ERR_PERM, "%s: has to be root's alone (mode 0700)", dir);
	return 0;
}

static const char *
join(char buf[GATE_PIN_PATH], const char *dir, const char *name)
{
	(void)snprintf(buf, GATE_PIN_PATH, "%s/%s", dir, name);
	return buf;
}

/* A descriptor of what is pinned, or -errno. */
static int
get(const char *dir, const char *name)
{
	char path[GATE_PIN_PATH];
	int fd = bpf_obj_get(join(path, dir, name));

	return fd < 0 ? -errno : fd;
}

static int
pin(int fd, const char *dir, const char *name)
{
	char path[GATE_PIN_PATH];

	return bpf_obj_pin(fd, join(path, dir, name)) < 0 ? -errno : 0;
}

/* --- the record ---------------------------------------------------------------------------- */

static int
record_read(int fd, struct gate_note *out)
{
	union {
		uint8_t bytes[RECORD_BYTES];
		struct gate_note r;
	} buf = {0};
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info), zero = 0;

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0 || info.type != BPF_MAP_TYPE_ARRAY ||
	    info.value_size > sizeof(buf) || bpf_map_lookup_elem(fd, &zero, &buf) < 0)
		return ERR_FORMAT;
	*out = buf.r;
	return 0;
}

static int
record_write(int fd, const struct gate_note *r)
{
	const uint32_t zero = 0;

	return bpf_map_update_elem(fd, &zero, r, BPF_ANY) < 0 ? -errno : 0;
}

static bool
is_empty(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	bool empty = true;

	while (d && (e = readdir(d)))
		empty = empty && e->d_name[0] == '.';
	if (d)
		closedir(d);
	return empty;
}

int
gate_pin_read(const char *dir, struct gate_note *out, char *err, size_t size)
{
	int fd = get(dir, RECORD), r;

	*out = (struct gate_note){0};
	if (fd < 0) {
		if (is_empty(dir))
			return ERR_NOTFOUND;
		return err_say(err, size, ERR_FORMAT, "there are pins, but no record of them");
	}
	r = record_read(fd, out);
	(void)close(fd);
	if (r < 0 || out->magic != GATE_PIN_MAGIC)
		return err_say(err, size, ERR_FORMAT, "its record is none of ours");
	if (out->abi != KFLOW_ABI)
		return err_say(err, size, ERR_FORMAT,
		    "its memory is of version %u, this one's is %u", out->abi, KFLOW_ABI);
	out->ifname[0][GATE_PIN_NAME - 1] = out->ifname[1][GATE_PIN_NAME - 1] = '\0';
	out->build[sizeof(out->build) - 1] = '\0';
	if (out->state != GATE_NOTE_WHOLE)
		return err_say(err, size, ERR_FORMAT, "it is half written");
	return 0;
}

/* --- does it fit --------------------------------------------------------------------------- */

static const char *
mode_name(uint32_t mode)
{
	return mode == GATE_NATIVE ? "native" : mode == GATE_GENERIC ? "generic" : "no";
}

static int
ports_fit(const struct gate_pins *p, const struct gate_note *r, char *err, size_t size)
{
	for (unsigned i = 0; i < 2; i++) {
		const char *side = i ? "inside" : "outside";

		if (strcmp(r->ifname[i], p->r.ifname[i]) != 0)
			return err_say(err, size, ERR_FORMAT, "its %s port is %s, not %s", side,
			    r->ifname[i], p->r.ifname[i]);
		if (r->ifindex[i] != p->r.ifindex[i] || r->netns != p->r.netns)
			return err_say(err, size, ERR_FORMAT,
			    "its %s port was another interface of the name %s", side, r->ifname[i]);
		if (p->mode != GATE_AUTO && r->mode[i] != (uint32_t)p->mode)
			return err_say(err, size, ERR_FORMAT,
			    "its %s port is in %s mode, --xdp says %s", side, mode_name(r->mode[i]),
			    mode_name((uint32_t)p->mode));
	}
	return 0;
}

/* Kept between guards: not what the compiler makes, nor what lives no longer than a frame. */
static bool
is_shared(const struct bpf_map *m)
{
	return !bpf_map__is_internal(m) && strcmp(bpf_map__name(m), "fast_scratch") != 0;
}

static int
map_fits(struct bpf_map *m, int fd, char *err, size_t size)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0 || info.type != bpf_map__type(m) ||
	    info.key_size != bpf_map__key_size(m) || info.value_size != bpf_map__value_size(m) ||
	    info.max_entries != bpf_map__max_entries(m))
		return err_say(err, size, ERR_FORMAT,
		    "its map %s has %u entries of %u and %u bytes, this one's %u of %u and %u",
		    bpf_map__name(m), info.max_entries, info.key_size, info.value_size,
		    bpf_map__max_entries(m), bpf_map__key_size(m), bpf_map__value_size(m));
	return 0;
}

/* All maps of the object are those in dir.  0 or ERR_*, said. */
static int
reuse_maps(const char *dir, struct bpf_object *obj, char *err, size_t size)
{
	struct bpf_map *m;
	int r = 0;

	bpf_object__for_each_map(m, obj)
	{
		int fd;

		if (!is_shared(m))
			continue;
		if ((fd = get(dir, bpf_map__name(m))) < 0)
			return err_say(
			    err, size, ERR_FORMAT, "its map %s is missing", bpf_map__name(m));
		r = map_fits(m, fd, err, size);
		if (r == 0 && bpf_map__reuse_fd(m, fd) < 0)
			r = err_say(err, size, err_from_errno(errno), "its map %s: %s",
			    bpf_map__name(m), strerror(errno));
		(void)close(fd);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The interface on which a link holds its program; 0 when it holds none any more. */
static uint32_t
link_ifindex(int fd)
{
	struct bpf_link_info info = {0};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0 || info.type != BPF_LINK_TYPE_XDP)
		return 0;
	return info.xdp.ifindex;
}

unsigned
gate_pin_links(const char *dir)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 2; i++) {
		int fd = get(dir, link_names[i]);

		if (fd < 0)
			continue;
		n += link_ifindex(fd) != 0;
		(void)close(fd);
	}
	return n;
}

static int
take_links(struct gate *g, const char *dir, const struct gate_note *rec, char *err, size_t size)
{
	for (unsigned i = 0; i < 2; i++) {
		int fd = get(dir, link_names[i]);

		if (fd < 0)
			return err_say(
			    err, size, ERR_FORMAT, "its link on %s is missing", rec->ifname[i]);
		g->pinned[i] = fd;
		if (link_ifindex(fd) != (uint32_t)rec->ifindex[i])
			return err_say(err, size, ERR_FORMAT,
			    "its link holds no program on %s any more", rec->ifname[i]);
	}
	return 0;
}

int
gate_pin_take(struct gate *g, const struct gate_pins *p, struct bpf_object *obj, uint64_t *key,
    char *err, size_t size)
{
	struct gate_note rec;
	int r = gate_pin_read(p->dir, &rec, err, size);

	if (r < 0 || (r = ports_fit(p, &rec, err, size)) < 0 ||
	    (r = take_links(g, p->dir, &rec, err, size)) < 0 ||
	    (r = reuse_maps(p->dir, obj, err, size)) < 0)
		return r;
	if ((g->record = get(p->dir, RECORD)) < 0)
		return err_say(err, size, ERR_FORMAT, "its record is gone");
	memcpy(key, rec.key, sizeof(rec.key));
	return 0;
}

/* --- pinning ------------------------------------------------------------------------------- */

/* What is in the record of this guard, state left out. */
static void
describe(const struct gate *g, const struct gate_pins *p, struct gate_note *r)
{
	uint32_t generation = r->generation;
	uint8_t policy[sizeof(r->policy)];

	memcpy(policy, r->policy, sizeof(policy));
	*r = p->r;
	r->magic = GATE_PIN_MAGIC;
	r->abi = KFLOW_ABI;
	r->generation = generation > p->r.generation ? generation : p->r.generation;
	if (generation != 0)
		memcpy(r->policy, policy, sizeof(policy));
	for (unsigned i = 0; i < 2; i++)
		r->mode[i] = (uint32_t)g->mode[i];
	memcpy(r->key, gate_fast_key(g), sizeof(r->key));
}

static int
pin_all(struct gate *g, const char *dir)
{
	struct bpf_object *obj = gate_object(g);
	struct bpf_map *m;
	int r = pin(g->record, dir, RECORD);

	bpf_object__for_each_map(m, obj) if (r == 0 && is_shared(m)) r =
	    pin(bpf_map__fd(m), dir, bpf_map__name(m));
	for (unsigned i = 0; i < 2 && r == 0; i++)
		r = pin(g->link[i], dir, link_names[i]);
	return r;
}

int
gate_pin(struct gate *g, const struct gate_pins *p, char *err, size_t size)
{
	struct gate_note rec = {0};
	bool fresh = g->record < 0;
	int r = 0;

	if (fresh) {
		if (!is_empty(p->dir))
			return err_say(
			    err, size, ERR_EXISTS, "%s: something is pinned there", p->dir);
		g->record = bpf_map_create(
		    BPF_MAP_TYPE_ARRAY, "il_record", sizeof(uint32_t), sizeof(rec), 1, NULL);
		r = g->record < 0 ? -errno : 0;
	} else if (record_read(g->record, &rec) < 0) {
		r = -EIO;
	}
	if (r == 0) {
		describe(g, p, &rec);
		rec.state = fresh ? GATE_NOTE_HALF : GATE_NOTE_WHOLE;
		r = record_write(g->record, &rec);
	}
	if (r == 0 && fresh && (r = pin_all(g, p->dir)) == 0) {
		rec.state = GATE_NOTE_WHOLE;
		r = record_write(g->record, &rec);
	}
	if (r == 0)
		return 0;
	if (fresh)
		(void)gate_unpin(p->dir, false, NULL, NULL, 0);
	return err_say(
	    err, size, err_from_errno(-r), "%s: cannot be pinned: %s", p->dir, strerror(-r));
}

int
gate_pin_policy(struct gate *g, uint32_t generation, const uint8_t hash[32])
{
	struct gate_note rec;
	int r;

	if (g->record < 0)
		return 0;
	if ((r = record_read(g->record, &rec)) < 0)
		return r;
	rec.generation = generation;
	memcpy(rec.policy, hash, sizeof(rec.policy));
	return (r = record_write(g->record, &rec)) < 0 ? err_from_errno(-r) : 0;
}

/* --- taking it away ------------------------------------------------------------------------ */

static int
remove_pin(const char *dir, const char *name, void (*said)(const char *line))
{
	char path[GATE_PIN_PATH], line[GATE_PIN_PATH + 32];

	if (unlink(join(path, dir, name)) < 0)
		return errno == ENOENT ? 0 : err_from_errno(errno);
	(void)snprintf(line, sizeof(line), "%s: removed", path);
	if (said)
		said(line);
	return 0;
}

/* All but the record: links first, since with them the programs stop. */
static int
remove_pins(const char *dir, void (*said)(const char *line))
{
	char names[64][64];
	const struct dirent *e;
	unsigned n = 0;
	int first = 0;
	DIR *d;

	for (unsigned i = 0; i < 2; i++) {
		int r = remove_pin(dir, link_names[i], said);

		first = first == 0 ? r : first;
	}
	if (!(d = opendir(dir)))
		return errno == ENOENT ? first : err_from_errno(errno);
	while (n < 64 && (e = readdir(d)))
		if (e->d_name[0] != '.' && strcmp(e->d_name, RECORD) != 0)
			(void)snprintf(names[n++], sizeof(names[0]), "%.63s", e->d_name);
	closedir(d);
	for (unsigned i = 0; i < n; i++) {
		int r = remove_pin(dir, names[i], said);

		first = first == 0 ? r : first;
	}
	return first;
}

static void
detach_links(const char *dir)
{
	for (unsigned i = 0; i < 2; i++) {
		int fd = get(dir, link_names[i]);

		if (fd < 0)
			continue;
		(void)bpf_link_detach(fd); /* it may hold nothing any more */
		(void)close(fd);
	}
}

int
gate_unpin(const char *dir, bool detach, void (*said)(const char *line), char *err, size_t size)
{
	int r;

	if (detach)
		detach_links(dir);
	r = remove_pins(dir, said);

	if (r == 0)
		r = remove_pin(dir, RECORD, said);
	if (r == 0 && rmdir(dir) < 0 && errno != ENOENT)
		r = err_from_errno(errno);
	return r == 0 ? 0
		      : err_say(err, size, r, "%s: not all of it could be removed: %s", dir,
			    err_str(r));
}
