/* SPDX-License-Identifier: Apache-2.0 */
/* used.c - see used.h.  {"v":1,"used":[{"id":"...","until":1800090000},...]} */
#include "guard/used.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/jw.h"

/* All ids at their longest, each byte escaped, with the names of their members. */
#define FILE_MAX (64u + USED_MAX * (2u * PERMIT_TEXT + 48u))

static char text[FILE_MAX];

static bool
parse(struct used *u, size_t len)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *list = json_object_get(root, "used");
	bool ok = json_integer_value(json_object_get(root, "v")) == 1 && json_is_array(list) &&
		  json_array_size(list) <= USED_MAX;

	u->n = 0;
	for (size_t i = 0; ok && i < json_array_size(list); i++) {
		const char *id = NULL;
		json_int_t until = 0;

		ok = json_unpack(
			 json_array_get(list, i), "{s:s,s:I}", "id", &id, "until", &until) == 0 &&
		     until >= 0 && id[0] != '\0' && strlen(id) < PERMIT_TEXT;
		if (!ok)
			break;
		(void)snprintf(u->v[i].id, PERMIT_TEXT, "%s", id);
		u->v[i].until_s = (uint64_t)until;
		u->n++;
	}
	json_decref(root);
	return ok;
}

static int
load(struct used *u, char *err, size_t size)
{
	char path[KEEP_PATH];
	int n = keep_read(keep_path(u->keep, "used", "json", path), text, sizeof(text), err, size);

	if (n != ERR_NOTFOUND && n < 0)
		return n;
	if (n >= 0 && !parse(u, (size_t)n))
		return err_say(err, size, ERR_FORMAT,
		    "%s: does not say which permits were used; remove it to begin anew", path);
	u->known = true;
	return 0;
}

static int
save(const struct used *u, char *err, size_t size)
{
	struct jw w = jw_make(text, sizeof(text));
	char path[KEEP_PATH];
	int r = keep_open(u->keep, err, size);

	if (r < 0)
		return r;
	jw_obj(&w, NULL);
	jw_u(&w, "v", 1);
	jw_arr(&w, "used");
	for (uint32_t i = 0; i < u->n; i++) {
		jw_obj(&w, NULL);
		jw_str(&w, "id", u->v[i].id);
		jw_u(&w, "until", u->v[i].until_s);
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	jw_ch(&w, '\n');
	if (w.full)
		return err_say(err, size, ERR_FULL, "used permits: longer than %u bytes", FILE_MAX);
	return keep_write(keep_path(u->keep, "used", "json", path), text, jw_len(&w), err, size);
}

static void
forget_expired(struct used *u, uint64_t now_s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < u->n; i++)
		if (u->v[i].until_s > now_s)
			u->v[n++] = u->v[i];
	u->n = n;
}

int
used_take(struct used *u, const char *id, uint64_t until_s, uint64_t now_s, char *err, size_t size)
{
	int r;

	if (!u->known && (r = load(u, err, size)) < 0)
		return r;
	for (uint32_t i = 0; i < u->n; i++)
		if (strcmp(u->v[i].id, id) == 0)
			return err_say(err, size, ERR_EXISTS, "it was used before");
	if (u->n == USED_MAX)
		forget_expired(u, now_s);
	if (u->n == USED_MAX)
		return err_say(err, size, ERR_FULL,
		    "%u used permits that are good still are remembered", USED_MAX);
	(void)snprintf(u->v[u->n].id, PERMIT_TEXT, "%s", id);
	u->v[u->n++].until_s = until_s;
	if ((r = save(u, err, size)) < 0)
		u->n--;
	return r;
}
