/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.h - a compiled policy that processes share.
 *
 * The parent reserves address space before it forks anybody; every child then has the same
 * slots at the same addresses, and the same constants (schema tables) at the same places,
 * so an image needs no relocation.  A short-lived builder makes an image in a sealed memfd;
 * the others map it read-only in its slot.  A slot is used again only when nobody
 * has the image of it mapped any more: the parent's business.
 *
 * Pointers inside an image are plain pointers.  They are valid because it is mapped where it
 * was built, and so are those to schema tables, because the program lies at one address in all
 * children of one parent; the head of the image says both addresses, and mapping checks them.
 * The rest is not checked word by word: a builder is trusted to have compiled what it
 * says, which is why it reads nothing but a policy and has no way to anything else.
 *
 * What it asks of a sandbox.  Builder: memfd_create, write, fcntl, mmap, munmap, mprotect; an
 * RLIMIT_FSIZE of the image at least.  Who maps: fstat, fcntl, pread64, mmap.  Address space
 * for all slots counts towards RLIMIT_AS, and nothing else.
 */
#ifndef POLICY_IMAGE_H
#define POLICY_IMAGE_H

#include "policy/policy.h"

#define POLICY_SLOTS	  6u /* in force, next, before it, beside it; and what a signer still has */
#define POLICY_SLOT_BYTES (UINT64_C(1) << 30) /* of address space, not of memory */

/* Once, before the first fork; again is harmless. 0 or ERR_*. */
int policy_slots_reserve(void);

/* Builder: as policy_build_text(), with the whole result in a memfd, sealed against every
 * change.  The image carries `generation` (from 1).  The descriptor, close-on-exec, or ERR_* with
 * c filled: ERR_FORMAT when it is the policy's fault.  The slot is free here, before and after. */
int policy_image_build(const char *name, const char *text, size_t len, unsigned slot,
    uint32_t generation, struct complaints *c);
struct policy_source;
/* The same of a policy that may include files (files.h). */
int policy_image_build_source(
    struct policy_source *src, unsigned slot, uint32_t generation, struct complaints *c);

/* Map it read-only.  NULL when it is not an image of this very program for a slot that is
 * free here; err then has one line.  The descriptor may be closed afterwards.  What comes back
 * answers everything in policy.h and gate.h as the original would. */
const struct policy *policy_image_map(int fd, char *err, size_t err_size);
void policy_image_unmap(const struct policy *pol);
unsigned policy_image_slot(const struct policy *pol);

#endif /* POLICY_IMAGE_H */
