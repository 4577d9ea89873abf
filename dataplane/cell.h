/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cell.h - the core's bounded memory for bytes that must outlive a packet:
 * PDUs that straddle segments, segments ahead of a hole, bytes that were
 * judged and not yet acknowledged.
 *
 * Four sizes, each a free list filled at start; get and put are a few
 * instructions.  Last in, first out, so a cell that was just given back is
 * still in the cache when the next packet takes one.  When a size is empty
 * get returns CELL_NONE and the caller names what it could not do.
 */
#ifndef DATAPLANE_CELL_H
#define DATAPLANE_CELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cell_class { CELL_S = 0, CELL_P, CELL_M, CELL_L, CELL__CLASSES };

/* Bytes of a cell of each class, header included. */
#define CELL_S_SIZE 64u
#define CELL_P_SIZE 320u /* a usual request or answer of the wordier protocols */
#define CELL_M_SIZE 2112u /* not a power of two: cells would fall on the same cache sets */
#define CELL_L_SIZE (66u * 1024u) /* a 64 KiB frame or PDU, and its header */

#define CELL_NONE 0u

/* A cell id: class in the top two bits, 1-based index below. */
typedef uint32_t cell_id;

struct cell {
	cell_id next;	/* list the cell is in */
	uint32_t seq;	/* TCP sequence number of data[0] */
	uint32_t len;	/* bytes used of data */
	uint32_t total; /* owner's use: whole length of a streamed PDU, layer offset */
	uint8_t data[];
};

struct cells {
	uint8_t *base[CELL__CLASSES];
	cell_id free[CELL__CLASSES];
	cell_id spare[CELL_M]; /* the cell given back last: taken again without a look at memory */
	uint32_t n[CELL__CLASSES], used[CELL__CLASSES];
};

/* 0 or ERR_NOMEM. counts by class. */
int cells_init(struct cells *c, const uint32_t counts[CELL__CLASSES]);
void cells_fini(struct cells *c);

static const uint32_t cell_sizes[CELL__CLASSES] = {
    CELL_S_SIZE, CELL_P_SIZE, CELL_M_SIZE, CELL_L_SIZE};

/* Bytes of data a cell can hold. */
static inline uint32_t
cell_room(cell_id id)
{
	return cell_sizes[id >> 30] - (uint32_t)sizeof(struct cell);
}

static inline struct cell *
cell_at(const struct cells *c, cell_id id)
{
	unsigned class = id >> 30;

	return (struct cell *)(void *)(c->base[class] +
	    (size_t)((id & 0x3fffffff) - 1) * cell_sizes[class]);
}

/* A cell of one of the two small classes, quickly; its contents are undefined. */
static inline cell_id
cell_get_small(struct cells *c, unsigned class)
{
	cell_id id = c->spare[class];

	if (__builtin_expect(id != CELL_NONE, 1)) {
		c->spare[class] = CELL_NONE;
	} else {
		if ((id = c->free[class]) == CELL_NONE)
			return CELL_NONE;
		c->free[class] = cell_at(c, id)->next;
	}
	c->used[class]++;
	return id;
}

/* Is there no small cell for len bytes? */
static inline bool
cells_out(const struct cells *c, uint32_t len)
{
	unsigned class = len <= CELL_S_SIZE - sizeof(struct cell) ? CELL_S : CELL_P;

	return (c->spare[class] | c->free[class]) == CELL_NONE;
}

/* Lease one of at least `want` bytes of data; CELL_NONE when there is none left. */
static inline cell_id
cell_get(struct cells *c, uint32_t want)
{
	unsigned class = want <= CELL_S_SIZE - sizeof(struct cell) ? CELL_S
	    : want <= CELL_P_SIZE - sizeof(struct cell)		   ? CELL_P
	    : want <= CELL_M_SIZE - sizeof(struct cell)		   ? CELL_M
								   : CELL_L;
	struct cell *cell;
	cell_id id;

	if (want > CELL_L_SIZE - sizeof(struct cell))
		return CELL_NONE;
	if (class < CELL_M && (id = cell_get_small(c, class)) != CELL_NONE) {
		cell = cell_at(c, id);
		cell->next = CELL_NONE;
		cell->len = 0;
		return id;
	}
	while ((id = c->free[class]) == CELL_NONE)
		if (++class == CELL__CLASSES)
			return CELL_NONE;
	cell = cell_at(c, id);
	c->free[class] = cell->next;
	c->used[class]++;
	cell->next = CELL_NONE;
	cell->len = 0;
	return id;
}

static inline void
cell_put(struct cells *c, cell_id id)
{
	unsigned class = id >> 30;

	if (class < CELL_M && c->spare[class] == CELL_NONE) {
		c->spare[class] = id;
		c->used[class]--;
		return;
	}
	cell_at(c, id)->next = c->free[class];
	c->free[class] = id;
	c->used[class]--;
}

#endif /* DATAPLANE_CELL_H */
