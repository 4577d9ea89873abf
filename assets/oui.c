/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oui.c - vendors by the first three bytes of a MAC, from the registry as the IEEE publishes it:
 *
 *   oui.txt   00-1B-1B   (hex)		Siemens AG
 *   oui.csv   MA-L,001B1B,"Siemens AG","..."
 *
 * The file is read once, line by line, when a list is written; nothing of it is kept but the names that are needed.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assets/view.h"

#define LINE_MAX_LEN 1024

static int
hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

/* Six digits, each pair followed by sep (0: by nothing); NULL: they are not. */
static const char *
prefix(const char *p, char sep, uint8_t out[3])
{
	for (int i = 0; i < 3; i++) {
		int high = hex(p[0]), low = high < 0 ? -1 : hex(p[1]);

		if (low < 0)
			return NULL;
		out[i] = (uint8_t)(high << 4 | low);
		p += 2;
		if (sep && i < 2 && *p++ != sep)
			return NULL;
	}
	return p;
}

/* Prefix and name of a line; false: it has none. */
static bool
take(const char *line, uint8_t oui[3], const char **name, size_t *len)
{
	const char *p = prefix(line, '-', oui), *end;
	char until = '\n';

	if (p && (p = strstr(p, "(hex)"))) {
		p += 5;
	} else if (strncmp(line, "MA-L,", 5) == 0 && (p = prefix(line + 5, 0, oui)) && *p == ',') {
		until = ',';
		if (*++p == '"') {
			p++;
			until = '"';
		}
	} else {
		return false;
	}
	while (*p == ' ' || *p == '\t')
		p++;
	for (end = p; *end && *end != until && *end != '\n' && *end != '\r';)
		end++;
	while (end > p && strchr(" \t,.", end[-1]))
		end--; /* "Siemens AG," */
	*name = p;
	*len = (size_t)(end - p);
	return *len > 0;
}

static const struct assets_view *sorting; /* qsort() takes no context; one thread */

static int
by_prefix(const void *left, const void *right)
{
	const struct station *s = sorting->a->station;

	return memcmp(
	    s[*(const uint32_t *)left].mac, s[*(const uint32_t *)right].mac, sizeof(s->mac));
}

/* The first of n places, sorted by MAC, whose prefix is not lower. */
static uint32_t
first_of(const struct assets_view *v, const uint32_t *order, uint32_t n, const uint8_t oui[3])
{
	uint32_t from = 0, to = n;

	while (from < to) {
		uint32_t mid = from + (to - from) / 2;

		if (memcmp(v->a->station[order[mid]].mac, oui, 3) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

bool
oui_read_file(const char *path, struct assets_view *v)
{
	uint32_t n = v->a->p_station.n, *order = calloc(n + 1, sizeof(*order));
	FILE *fp = order ? fopen(path, "re") : NULL;
	char line[LINE_MAX_LEN];
	bool any = false;

	if (!fp) {
		free(order);
		return false;
	}
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	sorting = v;
	qsort(order, n, sizeof(*order), by_prefix);
	while (fgets(line, sizeof(line), fp)) {
		uint8_t oui[3];
		const char *name;
		size_t len;

		if (!take(line, oui, &name, &len))
			continue;
		any = true;
		if (len > VENDOR_TEXT - 1)
			len = VENDOR_TEXT - 1;
		for (uint32_t i = first_of(v, order, n, oui); i < n; i++) {
			if (memcmp(v->a->station[order[i]].mac, oui, 3) != 0)
				break;
			if (!v->vendor[order[i]][0])
				memcpy(v->vendor[order[i]], name, len);
		}
	}
	fclose(fp);
	free(order);
	return any;
}
