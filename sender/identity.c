/* SPDX-License-Identifier: Apache-2.0 */
#include "sender/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alerts/journal.h"
#include "alerts/jws.h"
#include "base/err.h"

#define FILE_BYTES 4096u

static int
read_collector(struct identity *id, const char *dir, char *err, size_t err_size)
{
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	uint64_t v = 0;
	char *text = NULL;
	json_t *o;
	size_t n;

	if (dirfd < 0)
		return err_say(
		    err, err_size, err_from_errno(errno), "%s: %s", dir, strerror(errno));
	r = journal_slurp(dirfd, "collector.json", FILE_BYTES, &text, &n);
	(void)close(dirfd);
	if (r == ERR_NOTFOUND)
		return err_say(err, err_size, r,
		    "%s: not enrolled: interlock send enrol --dir %s does it", dir, dir);
	if (r < 0)
		return err_say(err, err_size, r, "%s/collector.json: %s", dir, err_str(r));
	o = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	r = jws_number(o, "v", &v) && v == 1 && jws_text(o, "url", id->url, sizeof(id->url)) &&
		    jws_text(o, "sensor", id->sensor, sizeof(id->sensor))
		? 0
		: err_say(err, err_size, ERR_FORMAT, "%s/collector.json: is damaged", dir);
	json_decref(o);
	return r;
}

int
identity_load(struct identity *id, const char *dir, char *err, size_t err_size)
{
	char keys[IDENTITY_PATH_MAX];
	int r;

	memset(id, 0, sizeof(*id));
	if (snprintf(id->ca, sizeof(id->ca), "%s/ca.crt", dir) >= (int)sizeof(id->ca) ||
	    snprintf(id->cert, sizeof(id->cert), "%s/transport.crt", dir) >=
		(int)sizeof(id->cert) ||
	    snprintf(id->key, sizeof(id->key), "%s/transport.key", dir) >= (int)sizeof(id->key) ||
	    snprintf(keys, sizeof(keys), "%s/receipt.jwks", dir) >= (int)sizeof(keys))
		return err_say(err, err_size, ERR_RANGE, "%.64s...: name is too long", dir);
	if ((r = read_collector(id, dir, err, err_size)) < 0)
		return r;
	for (size_t i = 0; i < 3; i++) {
		const char *file = i == 0 ? id->ca : i == 1 ? id->cert : id->key;

		if (access(file, R_OK) != 0)
			return err_say(
			    err, err_size, err_from_errno(errno), "%s: %s", file, strerror(errno));
	}
	return key_set_load(&id->receipts, keys, err, err_size);
}
