/* SPDX-License-Identifier: Apache-2.0 */
#include "sender/place.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alerts/journal.h"
#include "alerts/jws.h"
#include "base/err.h"
#include "base/jw.h"

#define PLACE_MAX 512u
#define NAME_SIZE 128u

int
place_replace(int dirfd, const char *name, const void *text, size_t n, bool sync)
{
	char tmp[NAME_SIZE];
	const char *p = text;
	size_t done = 0;
	int fd, e;

	if (snprintf(tmp, sizeof(tmp), "%s.new", name) >= (int)sizeof(tmp)) {
		errno = ENAMETOOLONG;
		return ERR_RANGE;
	}
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return err_from_errno(errno);
	while (done < n) {
		ssize_t w = write(fd, p + done, n - done);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			errno = w == 0 ? ENOSPC : errno;
			break;
		}
		done += (size_t)w;
	}
	if (done == n && (!sync || fsync(fd) == 0)) {
		(void)close(fd);
		fd = -1;
		if (renameat(dirfd, tmp, dirfd, name) == 0 && (!sync || fsync(dirfd) == 0))
			return 0;
	}
	e = errno;
	if (fd >= 0)
		(void)close(fd);
	(void)unlinkat(dirfd, tmp, 0);
	errno = e;
	return err_from_errno(e);
}

int
place_save(int dirfd, const char *name, const struct place *p)
{
	char text[PLACE_MAX], hex[2 * CRYPTO_SHA256_LEN + 1];
	struct jw w = jw_make(text, sizeof(text));

	jw_obj(&w, NULL);
	jw_u(&w, "v", 1);
	jw_u(&w, "epoch", p->at.epoch);
	jw_u(&w, "batch", p->at.batch);
	if (p->at.has_hash)
		jw_str(&w, "sha256", crypto_hex(p->at.hash, sizeof(p->at.hash), hex));
	jw_u(&w, "seq", p->seq);
	jw_u(&w, "iat", p->iat_ms);
	jw_close(&w, '}');
	jw_ch(&w, '\n');
	return place_replace(dirfd, name, text, jw_len(&w), true);
}

int
place_load(int dirfd, const char *name, struct place *p)
{
	uint64_t v = 0;
	json_t *o;
	char *text;
	size_t n;
	bool ok;
	int r;

	*p = (struct place){0};
	if ((r = journal_slurp(dirfd, name, PLACE_MAX, &text, &n)) < 0)
		return r == ERR_RANGE ? ERR_FORMAT : r;
	o = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	ok = jws_number(o, "v", &v) && v == 1 && jws_number(o, "epoch", &p->at.epoch) &&
	     jws_number(o, "batch", &p->at.batch) && jws_number(o, "seq", &p->seq) &&
	     jws_number(o, "iat", &p->iat_ms);
	p->at.has_hash = ok && jws_hash(o, "sha256", p->at.hash);
	json_decref(o);
	if (!ok)
		*p = (struct place){0};
	return ok ? 0 : ERR_FORMAT;
}
