/* SPDX-License-Identifier: Apache-2.0 */
/* playbook_int.h - between playbook.c, which knows files, and playbook_read.c, which knows what is in one. */
#ifndef COLLECTOR_PLAYBOOK_INT_H
#define COLLECTOR_PLAYBOOK_INT_H

#include "collector/playbook.h"
#include "policy/arena.h"
#include "policy/complain.h"

struct playbook_reader {
	struct arena *keep, *scratch;
	struct complaints *c; /* .reading is the file */
};

struct library_head {
	uint32_t version;
	struct bilingual title;
};

/* Each false after complaints.  text is NUL-ended behind len. */
bool library_head_read(
    struct playbook_reader *r, const char *text, size_t len, struct library_head *out);
/* name: of the file, without directory and ending; an id has to be the same. */
bool playbook_read(struct playbook_reader *r, const char *name, const char *text, size_t len,
    struct playbook *out);
/* One language of a page; the other, when it was read before, is in *out. */
bool knowledge_read(struct playbook_reader *r, const char *name, enum playbook_lang lang,
    const char *text, size_t len, struct knowledge *out);

#endif /* COLLECTOR_PLAYBOOK_INT_H */
