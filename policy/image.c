/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.c - a compiled policy in a sealed memfd (memfd_create(2), fcntl(2) "File Sealing").
 *
 *	slot's address  +-------------------------+
 *	                | struct image_head       |  who made it, for where
 *	.policy         | struct policy           |
 *	                | all it points to        |
 *	.length         +-------------------------+  whole pages
 *
 * It is built in private memory in its slot and then written: what the builder took and
 * did not use is not in it, and no writable mapping of the file ever exists.
 */
#include "policy/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/build_id.h"
#include "base/crypto.h"
#include "base/err.h"
#include "policy/complain.h"
#include "policy/files.h"
#include "policy/table.h"

#define IMAGE_MAGIC   "ILPOLICY"
#define IMAGE_SEALS   (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define IMAGE_STEP    (UINT64_C(4) << 20) /* of the slot made writable at once */
#define IMAGE_BUILD_N 24u

#ifndef MFD_NOEXEC_SEAL /* Linux 6.3; older headers */
#define MFD_NOEXEC_SEAL 0x0008U
#endif

struct image_head {
	char magic[8];
	char build[IMAGE_BUILD_N]; /* build_id, so that the rest is known to look like this */
	uint64_t base;		   /* address of the slot */
	uint64_t anchor;	   /* address of dissectors[]: where the program lies */
	uint64_t length;	   /* bytes of the whole */
	uint64_t policy;	   /* offset of struct policy */
	uint32_t slot, generation;
	uint8_t check[32]; /* SHA-256 of all before it */
};

static struct {
	unsigned char *base;  /* NULL: not reserved */
	unsigned char *limit; /* where the slot ends that is being built in */
	bool used[POLICY_SLOTS];
} slots;

int
policy_slots_reserve(void)
{
	void *p;

	if (slots.base)
		return 0;
	/* The kernel chooses, so it is in nobody's way; nothing is behind it yet. */
	p = mmap(NULL, POLICY_SLOTS * POLICY_SLOT_BYTES, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return ERR_NOMEM;
	slots.base = p;
	return 0;
}

static unsigned char *
slot_base(unsigned slot)
{
	return slots.base + slot * POLICY_SLOT_BYTES;
}

/* Nothing is there again, and nobody else gets the addresses. */
static void
slot_clear(unsigned slot)
{
	(void)mmap(slot_base(slot), POLICY_SLOT_BYTES, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	slots.used[slot] = false;
}

static void
head_check(const struct image_head *h, uint8_t out[32])
{
	crypto_sha256(h, offsetof(struct image_head, check), out);
}

static uint64_t
page_round(uint64_t n)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return (n + page - 1) / page * page;
}

/* --- building ---------------------------------------------------------------------------- */

/* More of the slot for the arena that lies in it. */
static bool
slot_more(struct arena *a, size_t n)
{
	uint64_t want = page_round(n > IMAGE_STEP ? n : IMAGE_STEP);

	if (want > (uint64_t)(slots.limit - a->end))
		return false;
	if (mprotect(a->end, want, PROT_READ | PROT_WRITE) < 0)
		return false;
	a->end += want;
	return true;
}

static bool
write_all(int fd, const unsigned char *p, uint64_t n)
{
	ssize_t did;

	while (n > 0) {
		did = write(fd, p, n);
		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0)
			return false;
		p += did;
		n -= (uint64_t)did;
	}
	return true;
}

static int
image_new(const unsigned char *base, uint64_t length)
{
	int fd =
	    memfd_create("interlock-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("interlock-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0 && (!write_all(fd, base, length) || fcntl(fd, F_ADD_SEALS, IMAGE_SEALS) < 0)) {
		int why = errno;

		close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

/* The descriptor, or ERR_*; the slot is writable as far as the arena needs. */
static int
build_in(unsigned slot, uint32_t generation, struct policy_source *src, struct complaints *c)
{
	unsigned char *base = slot_base(slot);
	uint64_t off = (sizeof(struct image_head) + 63) / 64 * 64;
	struct image_head *h = (struct image_head *)base;
	struct policy *p = (struct policy *)(base + off);
	struct arena place = {.at = base, .end = base, .more = slot_more};
	int fd;

	slots.limit = base + POLICY_SLOT_BYTES;
	if (!slot_more(&place, off + sizeof(*p))) {
		complain_at(c, COMPLAINT_ERROR, 0, 0, "%s", err_str(ERR_NOMEM));
		return ERR_NOMEM;
	}
	p->keep = place;
	p->keep.at = base + (off + sizeof(*p) + alignof(max_align_t) - 1) / alignof(max_align_t) *
				alignof(max_align_t);
	if (!policy_fill(p, src, c))
		return ERR_FORMAT;
	memcpy(h->magic, IMAGE_MAGIC, sizeof(h->magic));
	strncpy(h->build, build_id, sizeof(h->build) - 1);
	h->base = (uintptr_t)base;
	h->anchor = (uintptr_t)dissectors;
	h->length = page_round((uint64_t)(p->keep.at - base));
	h->policy = off;
	h->slot = slot;
	h->generation = generation;
	head_check(h, h->check);
	p->generation = generation;
	p->image = true;
	p->keep = (struct arena){.bytes = h->length};
	fd = image_new(base, h->length);
	if (fd >= 0)
		return fd;
	complain_at(c, COMPLAINT_ERROR, 0, 0, "policy image: %s", strerror(errno));
	return ERR_IO;
}

int
policy_image_build_source(
    struct policy_source *src, unsigned slot, uint32_t generation, struct complaints *c)
{
	int fd;

	c->file = src->name;
	if (!slots.base || slot >= POLICY_SLOTS || slots.used[slot] || generation == 0) {
		complain_at(c, COMPLAINT_ERROR, 0, 0,
		    "policy image: no slot %u, or it is in use here", slot);
		return ERR_USAGE;
	}
	fd = build_in(slot, generation, src, c);
	slot_clear(slot);
	return fd;
}

int
policy_image_build(const char *name, const char *text, size_t len, unsigned slot,
    uint32_t generation, struct complaints *c)
{
	struct policy_source src = {.name = name, .text = text, .len = len};

	return policy_image_build_source(&src, slot, generation, c);
}

/* --- mapping ------------------------------------------------------------------------------ */

#define WRONG(...)                                                                                 \
	do {                                                                                       \
		snprintf(err, size, "policy image: " __VA_ARGS__);                                 \
		return false;                                                                      \
	} while (0)

/* Nobody can change it any more, and the head is whole and ours. */
static bool
image_ours(int fd, struct image_head *h, char *err, size_t size)
{
	uint8_t check[32];
	struct stat st;
	int seals;

	if (fstat(fd, &st) < 0)
		WRONG("%s", strerror(errno));
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0)
		WRONG("not a file in memory that can be sealed");
	if ((seals & IMAGE_SEALS) != IMAGE_SEALS)
		WRONG("not sealed against every change");
	if (pread(fd, h, sizeof(*h), 0) != (ssize_t)sizeof(*h))
		WRONG("truncated: %lld bytes are not even a head", (long long)st.st_size);
	if (memcmp(h->magic, IMAGE_MAGIC, sizeof(h->magic)) != 0)
		WRONG("this is something else");
	if (strnlen(h->build, sizeof(h->build)) == sizeof(h->build) ||
	    strcmp(h->build, build_id) != 0)
		WRONG("made by another build (%.*s) than this (%s)", (int)sizeof(h->build),
		    h->build, build_id);
	head_check(h, check);
	if (memcmp(check, h->check, sizeof(check)) != 0)
		WRONG("its head is damaged");
	if (h->length != (uint64_t)st.st_size || h->length > POLICY_SLOT_BYTES)
		WRONG("truncated: %lld bytes of %llu", (long long)st.st_size,
		    (unsigned long long)h->length);
	return true;
}

static bool
image_fits(const struct image_head *h, char *err, size_t size)
{
	if (!slots.base)
		WRONG("no slots were reserved here");
	if (h->slot >= POLICY_SLOTS || h->base != (uintptr_t)slot_base(h->slot) ||
	    h->anchor != (uintptr_t)dissectors)
		WRONG("made for another run of the program");
	if (h->generation == 0 || h->policy < sizeof(*h) ||
	    h->policy + sizeof(struct policy) > h->length)
		WRONG("its head makes no sense");
	if (slots.used[h->slot])
		WRONG("slot %u is in use here", h->slot);
	return true;
}

static bool
image_put_in(int fd, const struct image_head *h, char *err, size_t size)
{
	unsigned char *base = slot_base(h->slot);
	const struct policy *p = (const struct policy *)(base + h->policy);

	/* Private, since a shared mapping of what is sealed was refused before Linux 6.7. */
	if (mmap(base, h->length, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED)
		WRONG("%s", strerror(errno));
	slots.used[h->slot] = true;
	if (p->generation != h->generation || !p->image) {
		slot_clear(h->slot);
		WRONG("its head and its policy differ");
	}
	return true;
}

const struct policy *
policy_image_map(int fd, char *err, size_t err_size)
{
	struct image_head h;

	if (!image_ours(fd, &h, err, err_size) || !image_fits(&h, err, err_size) ||
	    !image_put_in(fd, &h, err, err_size))
		return NULL;
	return (const struct policy *)(slot_base(h.slot) + h.policy);
}

unsigned
policy_image_slot(const struct policy *p)
{
	return (unsigned)((uint64_t)((const unsigned char *)p - slots.base) / POLICY_SLOT_BYTES);
}

void
policy_image_unmap(const struct policy *p)
{
	if (p)
		slot_clear(policy_image_slot(p));
}
