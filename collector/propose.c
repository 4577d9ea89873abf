/* SPDX-License-Identifier: Apache-2.0 */
/* propose.c - see propose.h.  What a rule says is in docs/POLICY.md. */
#include "collector/propose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/err.h"
#include "base/jw.h"
#include "collector/query.h"
#include "collector/store.h"

#define YAML_MAX 8192u

#define N(column) "(SELECT text FROM name WHERE id = a." column ")"

static void
line(struct jw *w, const char *key, const char *text)
{
	jw_raw(w, key, strlen(key));
	jw_quote(w, text, strlen(text)); /* a JSON string is a YAML one */
	jw_ch(w, '\n');
}

static void
put(struct jw *w, const char *text)
{
	jw_raw(w, text, strlen(text));
}

char *
propose_rule(struct sqlite3 *db, int64_t alert, char *err, size_t err_size)
{
	sqlite3_stmt *st = db_query(db,
	    "SELECT " N("conduit") ", " N("proto") ", " N("op") ", " N("object") ", " N(
		"src") ", " N("dst") ", " N("sig") ", " N("access") " FROM alert a WHERE a.id = ?",
	    "i", alert);
	char *buf = malloc(YAML_MAX), name[40];
	struct jw w = jw_make(buf, buf ? YAML_MAX : 0);
	bool ok = false;

	if (!st || sqlite3_step(st) != SQLITE_ROW || !db_text(st, 1)[0] || !db_text(st, 2)[0]) {
		(void)err_say(err, err_size, ERR_UNSUPPORTED,
		    "this alert is not about a request that a rule could allow");
		goto out;
	}
	snprintf(name, sizeof(name), "expected-%lld", (long long)(alert & 0xffffff));
	put(&w, "# ");
	for (const char *s = db_text(st, 6); *s; s++)
		jw_ch(&w, (unsigned char)*s < 0x20 ? ' ' : *s);
	put(&w, "\n");
	line(&w, "conduit: ", db_text(st, 0)[0] ? db_text(st, 0) : "new");
	line(&w, "from: ", db_text(st, 4));
	line(&w, "to: ", db_text(st, 5));
	line(&w, "protocol: ", db_text(st, 1));
	put(&w, "rule:\n  disabled: true\n");
	line(&w, "  name: ", name);
	put(&w, "  functions: [");
	jw_quote(&w, db_text(st, 2), strlen(db_text(st, 2)));
	put(&w, "]\n");
	if (db_text(st, 3)[0])
		line(&w, "  object: ", db_text(st, 3));
	ok = jw_end(&w);
	if (!ok)
		(void)err_say(err, err_size, ERR_RANGE, "the rule is too long");
out:
	sqlite3_finalize(st);
	if (!ok) {
		free(buf);
		return NULL;
	}
	return buf;
}
