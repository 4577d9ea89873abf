/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_mdns.c - RFC 6762, records of RFC 1035 4.1: of what a host answers, the names whose address (A, AAAA) is the one it sends from, and
 * the services (SRV, RFC 2782) at these names.  What it says of others is not taken.
 */
#include <string.h>

#include "assets/table.h"

enum { RR_A = 1, RR_AAAA = 28, RR_SRV = 33 };
enum {
	NAME_MAX_LEN = 255,
	JUMPS_MAX = 16,
	RECORDS_MAX = 128,
	LABELS_MAX = 2048 /* read of one message */
};

/* Labels that may still be read: names can point at each other's, so there are more than bytes. */
struct message {
	struct cur all;
	unsigned labels;
};

struct name {
	uint32_t len;
	uint8_t text[NAME_MAX_LEN + 1];
};

/* A name at *c, compressed or not; out NULL: only passed over.  False: malformed. */
static bool
take_name(struct message *m, struct cur *c, struct name *out)
{
	struct cur at = *c;
	bool jumped = false;
	uint32_t len = 0; /* RFC 1035 3.1: at most 255 */

	if (out)
		out->len = 0;
	for (unsigned jumps = 0;;) {
		uint8_t n = cur_u8(&at);
		const uint8_t *label;

		if (!cur_ok(&at))
			return false;
		if (n >= 0xc0) { /* RFC 1035 4.1.4 */
			unsigned to = (n & 0x3fu) << 8 | cur_u8(&at);

			if (!cur_ok(&at) || ++jumps > JUMPS_MAX)
				return false;
			if (!jumped)
				*c = at;
			jumped = true;
			at = m->all;
			cur_skip(&at, to);
			continue;
		}
		if (n == 0)
			break;
		label = n < 64 ? cur_bytes(&at, n) : NULL;
		if (!label || (len += n + 1u) > NAME_MAX_LEN || m->labels-- == 0)
			return false;
		if (!out)
			continue;
		if (out->len > 0)
			out->text[out->len++] = '.';
		memcpy(out->text + out->len, label, n);
		out->len += n;
	}
	if (!jumped)
		*c = at;
	return true;
}

static bool
same_name(const struct name *a, const struct name *b)
{
	return a->len == b->len && a->len > 0 && memcmp(a->text, b->text, a->len) == 0;
}

/* Does the record say the address the packet comes from? */
static bool
is_sender(const struct seen *s, uint16_t type, const struct cur *data)
{
	size_t want = s->l->flags & LAYER_V6 ? 16 : 4;

	return type == (want == 4 ? RR_A : RR_AAAA) && cur_left(data) == want &&
	       memcmp(data->p, s->l->src, want) == 0;
}

/* One walk over the records; own: look for services at this name, else fill it with a name of the sender. */
static bool
records(
    struct seen *s, struct message *m, struct cur c, unsigned n, struct name *own, bool services)
{
	struct name name, target;

	while (n-- > 0 && cur_left(&c) > 0) {
		uint16_t type;
		struct cur data;

		if (!take_name(m, &c, &name))
			return false;
		type = cur_be16(&c);
		cur_skip(&c, 2 + 4);
		data = cur_take(&c, cur_be16(&c));
		if (!cur_ok(&c))
			return false;
		if (!services && is_sender(s, type, &data)) {
			*own = name;
			note_host(s, s->host, NONE, IDENT_NAME, cur_make(name.text, name.len));
		} else if (services && type == RR_SRV) {
			cur_skip(&data, 6);
			if (!take_name(m, &data, &target))
				return false;
			if (same_name(&target, own))
				note_host(
				    s, s->host, NONE, IDENT_SERVICE, cur_make(name.text, name.len));
		}
	}
	return true;
}

static bool
mdns_read(struct seen *s, struct cur c)
{
	struct message m = {c, LABELS_MAX};
	struct name own = {.len = 0};
	uint16_t flags, questions;
	unsigned n;

	cur_skip(&c, 2);
	flags = cur_be16(&c);
	questions = cur_be16(&c);
	n = cur_be16(&c);
	n += cur_be16(&c);
	n += cur_be16(&c);
	if (!cur_ok(&c))
		return false;
	if (!(flags & 0x8000) || s->l->sport != 5353 || questions > RECORDS_MAX)
		return true; /* a question; or no mDNS (6762 11) */
	for (unsigned i = 0; i < questions; i++) {
		if (!take_name(&m, &c, NULL))
			return false;
		cur_skip(&c, 4);
	}
	n = n < RECORDS_MAX ? n : RECORDS_MAX;
	return records(s, &m, c, n, &own, false) &&
	       (own.len == 0 || records(s, &m, c, n, &own, true));
}

const struct asset_source asset_source_mdns = {.ports = {5353, 0}, .read = mdns_read};
