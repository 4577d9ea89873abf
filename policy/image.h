/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.h - a compiled policy that processes share.
 *
 * The parent reserves address space before it forks anybody; every child then has the same
 * slots at the same addresses, and the same constants (schema tables) at the same places,
 * so an image needs no relocation.  A short-lived builder makes an image in a sealed memfd;
 * the others map it read-only in its slot.  A slot is used again only when nobody
 * has the image of it mapped any more: the parent's business.
 */
#ifndef POLICY_IMAGE_H
#define POLICY_IMAGE_H

#include "policy/policy.h"

#define POLICY_SLOTS	  4u
#define POLICY_SLOT_BYTES (UINT64_C(1) << 30) /* of address space, not of memory */

/* Once, before the first fork. 0 or ERR_*. */
int policy_slots_reserve(void);

/* Builder: as policy_build_text(), with the whole result in a memfd, sealed against every
 * change.  The image carries `generation`.  The descriptor, or ERR_* with c filled. */
int policy_image_build(const char *name, const char *text, size_t len, unsigned slot,
    uint32_t generation, struct complaints *c);

/* Map it read-only.  NULL when it is not an image of this very program for a slot that is
 * free here; err then has one line. */
const struct policy *policy_image_map(int fd, char *err, size_t err_size);
void policy_image_unmap(const struct policy *pol);
unsigned policy_image_slot(const struct policy *pol);

#endif /* POLICY_IMAGE_H */
