/* SPDX-License-Identifier: Apache-2.0 */
/* db_pg_sql.c - SQL that SQLite takes, as PostgreSQL takes it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/db_pg.h"

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

char *
db_pg_sql(const char *sql, unsigned most, unsigned *values, uint64_t *used)
{
	size_t size =
	    strlen(sql) * 3 + 16; /* a ? is three characters at most, what else grows is longer */
	char *out = malloc(size), *o = out;
	unsigned n = 0;

	*values = 0;
	*used = 0;
	while (out && *sql) {
		size_t len = 1;

		if (*sql == '\'') {
			len = strcspn(sql + 1, "'") + 2;
		} else if (*sql == '?') {
			char *end;
			unsigned long at = strtoul(sql + 1, &end, 10);

			n = at ? (unsigned)at : n + 1;
			if (n > most) {
				free(out);
				return NULL;
			}
			*values = n > *values ? n : *values;
			*used |= UINT64_C(1) << (n - 1);
			o += snprintf(o, size - (size_t)(o - out), "$%u", n);
			sql = end;
			continue;
		} else if (is_word(*sql)) {
			while (is_word(sql[len]))
				len++;
			if (len == 7 && strncmp(sql, "INDEXED", 7) == 0) {
				sql += len + strlen(" BY ");
				sql += strcspn(sql, " ");
				continue;
			}
			if (len == 4 && strncmp(sql, "LIKE", 4) == 0)
				*o++ = 'I';
			if (len == 4 && strncmp(sql, "user", 4) == 0) {
				o += snprintf(o, size - (size_t)(o - out), "\"user\"");
				sql += len;
				continue;
			}
		}
		memcpy(o, sql, len);
		o += len;
		sql += len;
	}
	if (out)
		*o = '\0';
	return out;
}
