/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c - look-ups over the generated list of dissectors (build/gen/dissectors.c). */
#include <stdio.h>
#include <string.h>

#include "dissectors/dissector.h"

const struct dissector *
dissector_lookup(const char *name, uint8_t *index)
{
	for (unsigned i = 0; i < n_dissectors; i++)
		if (strcmp(dissectors[i]->name, name) == 0) {
			if (index)
				*index = (uint8_t)i;
			return dissectors[i];
		}
	return NULL;
}

const struct dis_op *
dissector_op(const struct dis_schema *s, uint16_t opx)
{
	for (unsigned i = 0; i < s->n_ops; i++)
		if (s->ops[i].opx == opx)
			return &s->ops[i];
	return NULL;
}

static size_t
show_end(const struct dis_schema *s, const struct fact_item *it, uint32_t addr, char *buf, size_t size)
{
	if (s->show_addr)
		return strlen(s->show_addr(it->space, it->sub, addr, buf, size));
	return (size_t)snprintf(buf, size, "%u", addr);
}

char *
dissector_show_item(const struct dis_schema *s, const struct fact_item *it, char *buf, size_t size)
{
	uint32_t last = it->count ? it->first + it->count - 1 : it->first;
	size_t n = 0;

	if (it->name) {
		for (; n < it->name_len && n + 1 < size; n++)
			buf[n] = it->name[n] >= ' ' && it->name[n] <= '~' ? it->name[n] : '?';
		buf[n] = '\0';
		return buf;
	}
	if (s->show_range && it->count)
		return s->show_range(it->space, it->sub, it->first, last, buf, size);
	if (it->space < s->n_spaces)
		n = (size_t)snprintf(buf, size, "%s ", s->spaces[it->space].name);
	if (n < size)
		n += show_end(s, it, it->first, buf + n, size - n);
	if (last != it->first && n + 3 < size) {
		memcpy(buf + n, "..", 3);
		(void)show_end(s, it, last, buf + n + 2, size - n - 2);
	}
	return buf;
}

const struct dis_key *
dis_schema_key(const struct dis_schema *sc, enum dis_key_kind kind, uint8_t space, uint8_t access)
{
	const struct dis_key *any = NULL;

	for (unsigned i = 0; i < sc->n_keys; i++) {
		const struct dis_key *k = &sc->keys[i];

		if (k->kind != kind || k->map ||
		    (k->access != 0 && access != 0 && k->access != access))
			continue;
		if (k->space == space)
			return k;
		if (k->space == DIS_SPACE_ANY)
			any = k;
	}
	return any;
}
