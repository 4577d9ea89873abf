/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_doc.h - a policy with all files that it is made of, as one JSON object: what a collector takes.
 *
 *   {"v":1,"name":MAIN,"files":{MAIN:TEXT,"FILE":TEXT,...}}
 */
#ifndef CLI_NET_POLICY_DOC_H
#define CLI_NET_POLICY_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/files.h"

#define POLICY_DOC_MAX (4u << 20)

/* Which files it was made of, and how they were then. */
struct policy_doc {
	unsigned n;
	struct policy_doc_file {
		char name[POLICY_FILE_NAME + 1];
		uint64_t ino, size, mtime_ns;
	} file[POLICY_FILES];
};

/* Read it into buf, POLICY_DOC_MAX bytes; the length, or 0: it is no policy without errors, or too long; said. */
size_t policy_doc_read(const char *path, char *buf, struct policy_doc *d);
/* Has any of its files come, changed or gone since?  One that was never read has. */
bool policy_doc_changed(const char *path, const struct policy_doc *d);

#endif /* CLI_NET_POLICY_DOC_H */
