/* SPDX-License-Identifier: Apache-2.0 */
/* keep.c - files that outlive a guard (keep.h). */
#include "guard/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/jw.h"

#define FILE_MAX 1024u

int
keep_init(struct keep *k, const char *dir, const char *port, char *err, size_t size)
{
	if ((size_t)snprintf(k->dir, sizeof(k->dir), "%s", dir ? dir : KEEP_DIR) >=
		sizeof(k->dir) ||
	    (size_t)snprintf(k->port, sizeof(k->port), "%s", port) >= sizeof(k->port))
		return err_say(err, size, ERR_USAGE, "%s: too long", dir);
	return 0;
}

int
keep_open(const struct keep *k, char *err, size_t size)
{
	if (mkdir(k->dir, 0700) == 0 || errno == EEXIST)
		return 0;
	return err_say(err, size, err_from_errno(errno), "%s: %s", k->dir, strerror(errno));
}

char *
keep_path(const struct keep *k, const char *what, const char *end, char buf[KEEP_PATH])
{
	(void)snprintf(buf, KEEP_PATH, "%s/%s-%s.%s", k->dir, what, k->port, end);
	return buf;
}

static bool
sync_dir(const char *path)
{
	char dir[PATH_MAX];
	int fd;
	bool ok;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	fd = open(dirname(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool
write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return false;
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

int
keep_write(const char *path, const char *text, size_t len, char *err, size_t size)
{
	char tmp[KEEP_PATH + 8];
	bool ok;
	int fd, r;

	(void)snprintf(tmp, sizeof(tmp), "%s.new", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	ok = fd >= 0 && write_all(fd, text, len) && fsync(fd) == 0;
	if (fd >= 0 && close(fd) < 0)
		ok = false;
	if (ok && rename(tmp, path) == 0 && sync_dir(path))
		return 0;
	r = err_say(err, size, err_from_errno(errno), "%s: %s", path, strerror(errno));
	if (fd >= 0)
		(void)unlink(tmp); /* half of it takes room */
	return r;
}

int
keep_read(const char *path, char *buf, size_t buf_size, char *err, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return ERR_NOTFOUND;
	n = fd < 0 ? -1 : read(fd, buf, buf_size);
	if (n < 0)
		(void)err_say(err, size, 0, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return n < 0 ? ERR_IO : (int)n;
}

/* --- the newest signed policy ------------------------------------------------------------------ */

static bool
parse(const char *text, size_t len, struct accepted *a)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const char *hash = NULL, *kid = NULL;
	json_int_t v = 0, when = 0;
	bool ok = root &&
		  json_unpack(root, "{s:I,s:I,s:s,s:s}", "v", &v, "signed", &when, "sha256", &hash,
		      "key", &kid) == 0 &&
		  v == 1 && when > 0 && strlen(hash) == 2 * sizeof(a->sha256);

	for (size_t i = 0; ok && i < sizeof(a->sha256); i++)
		ok = sscanf(hash + 2 * i, "%2hhx", &a->sha256[i]) == 1;
	if (ok) {
		a->signed_s = (uint64_t)when;
		(void)snprintf(a->kid, sizeof(a->kid), "%s", kid);
	}
	json_decref(root);
	return ok;
}

int
accepted_load(const struct keep *k, struct accepted *a, char *err, size_t size)
{
	char path[KEEP_PATH], text[FILE_MAX];
	int n = keep_read(keep_path(k, "accepted", "json", path), text, sizeof(text), err, size);

	*a = (struct accepted){0};
	if (n == ERR_NOTFOUND)
		return 0;
	if (n < 0)
		return n;
	if (!parse(text, (size_t)n, a))
		return err_say(err, size, ERR_FORMAT,
		    "%s: does not say which signed policy was the last; remove it to begin anew",
		    path);
	return 0;
}

int
accepted_save(const struct keep *k, const struct accepted *a, char *err, size_t size)
{
	char path[KEEP_PATH], text[FILE_MAX], hex[2 * CRYPTO_SHA256_LEN + 1];
	struct jw w = jw_make(text, sizeof(text));
	int r = keep_open(k, err, size);

	if (r < 0)
		return r;
	jw_obj(&w, NULL);
	jw_u(&w, "v", 1);
	jw_u(&w, "signed", a->signed_s);
	jw_str(&w, "sha256", crypto_hex(a->sha256, sizeof(a->sha256), hex));
	jw_str(&w, "key", a->kid);
	jw_close(&w, '}');
	jw_ch(&w, '\n');
	return keep_write(keep_path(k, "accepted", "json", path), text, jw_len(&w), err, size);
}

/* "2026-11-28T14:52:11+0000", or the number when it is none that a calendar has. */
static const char *
when(uint64_t s, char buf[CLOCK_STRLEN])
{
	if (s < UINT64_MAX / NS_PER_S)
		return clock_str(s * NS_PER_S, buf);
	(void)snprintf(buf, CLOCK_STRLEN, "%llu", (unsigned long long)s);
	return buf;
}

int
accepted_check(const struct accepted *last, const struct accepted *next, char *err, size_t size)
{
	char a[CLOCK_STRLEN], b[CLOCK_STRLEN];

	if (next->signed_s == 0)
		return err_say(err, size, ERR_SIGNATURE,
		    "its signature does not say when it was made (trusted comment without "
		    "timestamp:)");
	if (next->signed_s < last->signed_s)
		return err_say(err, size, ERR_SIGNATURE,
		    "is older (signed %s) than the last one in force (signed %s): to go back, sign "
		    "it again",
		    when(next->signed_s, a), when(last->signed_s, b));
	if (next->signed_s == last->signed_s &&
	    memcmp(next->sha256, last->sha256, sizeof(last->sha256)) != 0)
		return err_say(err, size, ERR_SIGNATURE,
		    "is another policy than the last one in force, signed in the same second (%s): "
		    "sign it again",
		    when(next->signed_s, a));
	return 0;
}
